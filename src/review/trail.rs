//! The audit trail: search, export, verification, checkpoints, reports.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::state::is_cause;
use crate::domain::review::{Control, Permission};
use crate::store::audit::{AuditRow, Checkpoint, Verdict};
use crate::store::chain;
use crate::store::review::{AuditQuery, Between, Finding};
use crate::store::{read_time, time_text};

use super::actor::Actor;
use super::requests::{AuditFilter, PageAsk, Period};
use super::responses::{AccessRow, AuditView, OverrideRow, Page, SodFinding};
use super::work::Work;
use super::{QueryResult, Refusal, Review, page};

impl Review<'_> {
    /// Audit rows, newest first; without the permission for all rows, only the person's own.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn audit_search(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        ask: &PageAsk,
    ) -> QueryResult<Page<AuditView>> {
        if !actor.may(Permission::AuditAll) {
            actor.must(Permission::AuditOwn)?;
        }
        self.read(|work| {
            let limit = page::limit(ask)?;
            let list = format!("audit:{}", serde_json::to_string(filter).unwrap_or_default());
            let before: Option<i64> = page::position(ask, &list, actor)?;
            let query = query_of(actor, filter, work.sees_all(actor)?)?;
            let (rows, next) = work.tables.audit_rows(&query, before, limit)?;
            let mut items = Vec::with_capacity(rows.len());
            let hidden = work.hidden_of(&rows)?;
            for row in rows {
                let actor_name = work.name(&row.actor_id)?;
                let step_rows = if filter.folded && row.proposal_id.is_some() {
                    Some(work.tables.rows_of_step(row.seq)?)
                } else {
                    None
                };
                let row = work.masked(actor, row, &hidden);
                let assignees = work.assignees(&row)?;
                items.push(AuditView { row, actor_name, step_rows, assignees });
            }
            Ok(Page { items, next: next.map(|seq| page::cursor(&seq, &list, actor)), total: None })
        })
    }

    /// Calls `each` for audit rows in the order of their numbers. Refused to people from whom fields are
    /// masked: a masked row does not verify.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn audit_export(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        each: &mut dyn FnMut(&AuditRow) -> Result<(), Problem>,
    ) -> QueryResult<()> {
        actor.must(Permission::AuditAll)?;
        self.read(|work| {
            if !work.visibility(actor).is_whole() {
                return Err(Refusal::new(
                    Code::MaskedFields,
                    "the trail holds values that you may not see: an export needs their grants",
                ));
            }
            let query = query_of(actor, filter, work.sees_all(actor)?)?;
            work.tables.each_audit_row(&query, each)?;
            Ok(())
        })
    }

    /// A checkpoint: the end of the chain.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn checkpoint(&self, actor: &Actor) -> QueryResult<Checkpoint> {
        actor.must(Permission::AuditAll)?;
        self.read(|work| {
            let now = work.now;
            Ok(chain::checkpoint(work.tables.tx, now)?)
        })
    }

    /// Checks the chain from row `from` to row `to` (all of it where absent).
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn verify(
        &self,
        actor: &Actor,
        from: Option<i64>,
        to: Option<i64>,
    ) -> QueryResult<Verdict> {
        actor.must(Permission::AuditAll)?;
        self.read(|work| Ok(chain::verify(work.tables.tx, from, to)?))
    }

    /// Overridden suggestions, and decisions without a second person.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_overrides(
        &self,
        actor: &Actor,
        period: &Period,
    ) -> QueryResult<Vec<OverrideRow>> {
        actor.must(Permission::Reports)?;
        self.read(|work| work.overrides(period))
    }

    /// Users with their roles and actions.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_access(&self, actor: &Actor, period: &Period) -> QueryResult<Vec<AccessRow>> {
        actor.must(Permission::Reports)?;
        self.read(|work| work.access(period))
    }

    /// Violations of separation of duties, and refused attempts.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_sod(&self, actor: &Actor, period: &Period) -> QueryResult<Vec<SodFinding>> {
        actor.must(Permission::Reports)?;
        self.read(|work| work.separation(period))
    }
}

/// A moment as the store compares it: RFC 3339, or a date.
fn moment(name: &'static str, text: &str) -> Result<String, Refusal> {
    let wrong = || {
        Refusal::new(Code::InvalidFilter, format!("{name} is a date or a time in RFC 3339"))
            .with(name, "is a date or a time in RFC 3339, UTC")
    };
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    crate::domain::Instant::parse_rfc3339_utc(&full).map(time_text).ok_or_else(wrong)
}

/// The query of a filter for a person. Values are searched only for users who see the `whole` of them.
fn query_of(actor: &Actor, filter: &AuditFilter, whole: bool) -> Result<AuditQuery, Refusal> {
    let own = (!actor.may(Permission::AuditAll)).then(|| actor.person_id.clone());
    let (mut entity, mut entity_or_proposal) = (None, None);
    match &filter.entity {
        // Rows about an attribution have it as their entity.
        Some(id) if id.parse::<uuid::Uuid>().is_ok() => {
            entity_or_proposal = Some(id.to_lowercase());
        }
        other => entity.clone_from(other),
    }
    let at =
        |name, text: &Option<String>| text.as_deref().map(|text| moment(name, text)).transpose();
    Ok(AuditQuery {
        actors: own.into_iter().chain(filter.actor.clone()).collect(),
        action: filter.action.clone(),
        stage: filter.stage.clone(),
        entity,
        entity_or_proposal,
        from: at("from", &filter.from)?,
        to: at("to", &filter.to)?,
        from_seq: filter.from_seq,
        to_seq: filter.to_seq,
        text: filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()).map(str::to_owned),
        in_values: whole,
        folded: filter.folded,
    })
}

/// A period of a report.
fn between(period: &Period) -> Result<Between, Refusal> {
    let at =
        |name, text: &Option<String>| text.as_deref().map(|text| moment(name, text)).transpose();
    Ok(Between { from: at("from", &period.from)?, to: at("to", &period.to)? })
}

impl Work<'_> {
    /// True if audit rows hide nothing from the user: neither masked fields nor suggestions.
    fn sees_all(&mut self, actor: &Actor) -> Result<bool, Problem> {
        Ok(self.visibility(actor).is_whole()
            && self.policy.blind_suggestions <= 0.0
            && !self.tables.has_samples()?)
    }

    /// The names of those whom a row names as assignees, by their ids.
    fn assignees(&mut self, row: &AuditRow) -> Result<BTreeMap<String, String>, Refusal> {
        let mut names = BTreeMap::new();
        if row.action_type != "ASSIGN" {
            return Ok(names);
        }
        for value in [&row.previous_value, &row.new_value].into_iter().flatten() {
            let value: Json = serde_json::from_str(value.get()).unwrap_or_default();
            if let Some(id) = value.get("assignee").and_then(Json::as_str) {
                names.insert(id.to_owned(), self.name(id)?);
            }
        }
        Ok(names)
    }

    /// The items of these rows whose machine's reason is hidden now.
    fn hidden_of(&mut self, rows: &[AuditRow]) -> Result<HashSet<String>, Refusal> {
        let ids: BTreeSet<&str> =
            rows.iter().filter_map(|row| row.attribution_id.as_deref()).collect();
        let mut hidden = HashSet::new();
        let mut keys = Vec::new();
        for id in ids {
            // Items of runs that were pruned are not undecided.
            keys.extend(self.tables.keys([id])?.into_iter().flatten());
        }
        for item in self.tables.items(&keys, false)? {
            if self.is_hidden(&item)? {
                let run = self.tables.run(item.key.run_no)?;
                hidden.insert(run.attribution_id(item.key));
            }
        }
        Ok(hidden)
    }

    /// An audit row without hidden values. Its hash is that of the whole row.
    fn masked(&mut self, actor: &Actor, mut row: AuditRow, hidden: &HashSet<String>) -> AuditRow {
        let hidden = row.attribution_id.as_ref().is_some_and(|id| hidden.contains(id));
        // Rows about people, policies and runs as a whole tell no values of records.
        let about_items = matches!(row.entity_type.as_str(), "attribution" | "proposal");
        if !hidden && (self.visibility(actor).is_whole() || !about_items) {
            return row;
        }
        for value in [&mut row.previous_value, &mut row.new_value] {
            let Some(json) = value.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok())
            else {
                continue;
            };
            let shown = self.audit_value(actor, json, hidden).to_string();
            *value = serde_json::value::RawValue::from_string(shown).ok();
        }
        if hidden {
            (row.rule_version, row.model_version) = (None, None);
        }
        row
    }

    fn overrides(&mut self, period: &Period) -> Result<Vec<OverrideRow>, Refusal> {
        let rows = self.tables.overrides(&between(period)?)?;
        let mut report = Vec::with_capacity(rows.len());
        for row in rows {
            let predicted = row.figures.get("predicted").and_then(Json::as_array);
            let codes: Vec<&str> = predicted
                .into_iter()
                .flatten()
                .filter_map(|one| one.get("code").and_then(Json::as_str))
                .filter(|code| is_cause(code))
                .collect();
            let confidence = predicted
                .into_iter()
                .flatten()
                .filter(|one| one.get("code").and_then(Json::as_str).is_some_and(is_cause))
                .filter_map(|one| one.get("confidence").and_then(Json::as_f64))
                .reduce(f64::max);
            // Without a prediction there was nothing to decide against.
            if codes.is_empty() && !["NONE", "TWO_EYE"].contains(&row.control.as_str()) {
                continue;
            }
            let predicted = (!codes.is_empty()).then(|| codes.join(", "));
            let mut approvers = Vec::new();
            for one in self.tables.approvals(&row.proposal_id)? {
                if one.approves() && !one.void {
                    approvers.push(self.name(&one.person_id)?);
                }
            }
            report.push(OverrideRow {
                items: row.item_count,
                attribution_id: row.attribution_id,
                action: row.action,
                predicted,
                confidence,
                reason_code: row.reason_code,
                maker: self.name(&row.maker_id)?,
                approvers,
                comments: row.comments,
                control: row.control,
                proposed_at: row.created_at,
                applied_at: row.closed_at,
                proposal_id: row.proposal_id,
            });
        }
        Ok(report)
    }

    fn access(&mut self, period: &Period) -> Result<Vec<AccessRow>, Refusal> {
        let mut people: BTreeMap<String, (BTreeMap<String, u64>, Option<String>)> = BTreeMap::new();
        for (person_id, stage, count, at) in self.tables.activity(&between(period)?)? {
            let (actions, last) = people.entry(person_id).or_default();
            actions.insert(stage, count);
            *last = last.take().max(at);
        }
        // People who did nothing have access all the same.
        for person_id in self.tables.people()? {
            people.entry(person_id).or_default();
        }
        let mut report = Vec::with_capacity(people.len());
        for (person_id, (actions, last_action_at)) in people {
            let roles = if person_id.starts_with("SYSTEM") {
                String::new()
            } else {
                self.directory.roles(self.tables.tx, &person_id)?.names()
            };
            report.push(AccessRow {
                name: self.name(&person_id)?,
                roles,
                actions,
                last_action_at,
                person_id,
            });
        }
        Ok(report)
    }

    /// Applied decisions two of whose people had logins that one administrator made or reset shortly before.
    fn one_administrator(&mut self, period: &Period) -> Result<Vec<SodFinding>, Refusal> {
        let given = self.directory.all_credentials_given(self.tables.tx)?;
        if given.is_empty() {
            return Ok(Vec::new());
        }
        let hours = i64::from(self.policy.new_login_hours.max(24));
        let decided = self.tables.decided_together(&between(period)?)?;
        let mut findings = Vec::new();
        for (proposal_id, (at, control, people)) in decided {
            let closed = read_time(&at)?;
            let since = Instant::new(closed.seconds() - hours * 3_600, closed.nanoseconds());
            let mut by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for one in &given {
                if people.contains(&one.person_id) && one.at > since && one.at <= closed {
                    by.entry(&one.by).or_default().insert(&one.person_id);
                }
            }
            for (administrator, together) in by.into_iter().filter(|(_, people)| people.len() > 1) {
                let mut names = Vec::with_capacity(together.len());
                for person in together {
                    names.push(self.name(person)?);
                }
                findings.push(SodFinding {
                    kind: Code::OneAdministrator.name().to_owned(),
                    name: self.name(administrator)?,
                    person_id: administrator.to_owned(),
                    entity: proposal_id.clone(),
                    what: format!(
                        "{} made or reset the logins of {} within {hours} hours before they decided \
                         together ({})",
                        self.name(administrator)?,
                        names.join(" and "),
                        control.replace('_', " ").to_lowercase()
                    ),
                    at: at.clone(),
                });
            }
        }
        Ok(findings)
    }

    fn separation(&mut self, period: &Period) -> Result<Vec<SodFinding>, Refusal> {
        let between = between(period)?;
        let finding = |kind: &str, one: Finding| SodFinding {
            kind: kind.to_owned(),
            name: String::new(),
            person_id: one.person_id,
            entity: one.entity,
            what: one.what,
            at: one.at,
        };
        let mut findings = Vec::new();
        for one in self.tables.refused_attempts(&between)? {
            findings.push(match one.code.as_str() {
                "self-approval" | "same-approver" => finding(&one.code.clone(), one),
                _ => finding(Code::RefusedAttempt.name(), one),
            });
        }
        for one in self.tables.decided_alone(&between)? {
            let solo = one.code == Control::None.name();
            findings.push(finding(if solo { "solo" } else { "two-eye" }, one));
        }
        findings.extend(self.one_administrator(period)?);
        for one in self.tables.self_approvals()? {
            findings.push(finding("self-approval", one));
        }
        for person_id in self.tables.people()? {
            let roles = self.directory.roles(self.tables.tx, &person_id)?;
            if let Some(why) = roles.conflict() {
                findings.push(SodFinding {
                    kind: Code::RoleConflict.name().to_owned(),
                    name: String::new(),
                    entity: person_id.clone(),
                    person_id,
                    what: why.to_owned(),
                    at: self.at(),
                });
            }
        }
        for one in findings.iter_mut().filter(|one| one.name.is_empty()) {
            one.name = self.name(&one.person_id)?;
        }
        Ok(findings)
    }
}
