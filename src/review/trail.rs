//! The audit trail as people look at it: search, export, verification, checkpoint, reports.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value as Json;

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::Permission;
use crate::store::audit::{self, AuditRow, Checkpoint, Verdict};
use crate::store::chain;
use crate::store::{SqlValue, read_time, time_text};

use super::actor::Actor;
use super::answer::{AccessRow, AuditView, OverrideRow, Page, SodFinding};
use super::ask::{AuditFilter, PageAsk, Period};
use super::work::Work;
use super::{Desk, Found, Refusal, page};

impl Desk<'_> {
    /// Audit rows, newest first. Who may see only their own sees only their own.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn audit_search(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        ask: &PageAsk,
    ) -> Found<Page<AuditView>> {
        if !actor.may(Permission::AuditAll) {
            actor.must(Permission::AuditOwn)?;
        }
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = format!("audit:{}", serde_json::to_string(filter).unwrap_or_default());
            let before: Option<i64> = page::position(ask, &list, actor)?;
            let whole = work.sees_all(actor)?;
            let (mut condition, mut values) = conditions(actor, filter, whole)?;
            if let Some(before) = before {
                values.push(before.into());
                condition.push_str(&format!(" AND seq < ${}", values.len()));
            }
            // A text is looked for in so many rows, not more; then the page goes on from there.
            let scanned = 5_000;
            let searched = filter.q.is_some();
            let sql = if searched {
                let (outer, inner) = split_search(&condition);
                format!(
                    "SELECT {cols} FROM (SELECT * FROM recon.audit_trail WHERE 1 = 1{inner} \
                     ORDER BY seq DESC LIMIT {scanned}) t WHERE 1 = 1{outer} \
                     ORDER BY seq DESC LIMIT {}",
                    limit + 1,
                    cols = audit::SELECT
                )
            } else {
                format!(
                    "SELECT {} FROM recon.audit_trail WHERE 1 = 1{condition} \
                     ORDER BY seq DESC LIMIT {}",
                    audit::SELECT,
                    limit + 1
                )
            };
            let rows = work.shelf.tx.query(&sql, &values)?;
            let mut rows = rows.iter().map(audit::row).collect::<Result<Vec<_>, Problem>>()?;
            let mut next = None;
            if rows.len() > limit {
                rows.truncate(limit);
                next = rows.last().map(|row| row.seq);
            } else if searched {
                let (outer, inner) = split_search(&condition);
                // The text is no part of this; a parameter that no statement names is refused.
                let unused = if outer.is_empty() {
                    String::new()
                } else {
                    let at = values.len() - usize::from(before.is_some());
                    format!(" AND CAST(${at} AS text) IS NOT NULL")
                };
                let last = work.shelf.tx.query(
                    &format!(
                        "SELECT seq FROM recon.audit_trail WHERE 1 = 1{inner}{unused} \
                         ORDER BY seq DESC LIMIT 1 OFFSET {}",
                        scanned - 1
                    ),
                    &values,
                )?;
                next = last.first().map(|row| row.count(0)).transpose()?;
            }
            let mut items = Vec::with_capacity(rows.len());
            let hidden = work.hidden_of(&rows)?;
            for row in rows {
                let actor_name = work.name(&row.actor_id)?;
                items.push(AuditView { row: work.masked(actor, row, &hidden), actor_name });
            }
            Ok(Page { items, next: next.map(|seq| page::cursor(&seq, &list, actor)), total: None })
        })
    }

    /// Calls `each` for audit rows in the order of their numbers, however many there are. Values of
    /// masked fields make no row that verifies: who lacks the grants exports nothing.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn audit_export(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        each: &mut dyn FnMut(&AuditRow) -> Result<(), Problem>,
    ) -> Found<()> {
        actor.must(Permission::AuditAll)?;
        self.look(|work| {
            if !work.sight(actor).is_whole() {
                return Err(Refusal::new(
                    Code::MaskedFields,
                    "the trail holds values that you may not see: an export needs their grants",
                ));
            }
            let (condition, values) = conditions(actor, filter, work.sees_all(actor)?)?;
            let sql = format!(
                "SELECT {} FROM recon.audit_trail WHERE 1 = 1{condition} ORDER BY seq",
                audit::SELECT
            );
            work.shelf.tx.query_each(&sql, &values, &mut |row| each(&audit::row(&row)?))?;
            Ok(())
        })
    }

    /// The end of the chain, for an auditor to note down.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn checkpoint(&self, actor: &Actor) -> Found<Checkpoint> {
        actor.must(Permission::AuditAll)?;
        self.look(|work| {
            let now = work.now;
            Ok(chain::checkpoint(work.shelf.tx, now)?)
        })
    }

    /// Checks the chain from row `from` to row `to` (all of it where absent).
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn verify(&self, actor: &Actor, from: Option<i64>, to: Option<i64>) -> Found<Verdict> {
        actor.must(Permission::AuditAll)?;
        self.look(|work| Ok(chain::verify(work.shelf.tx, from, to)?))
    }

    /// Decisions against the machine, and those without a second person.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_overrides(&self, actor: &Actor, period: &Period) -> Found<Vec<OverrideRow>> {
        actor.must(Permission::Reports)?;
        self.look(|work| work.overrides(period))
    }

    /// Who could do what, and what of it they did.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_access(&self, actor: &Actor, period: &Period) -> Found<Vec<AccessRow>> {
        actor.must(Permission::Reports)?;
        self.look(|work| work.access(period))
    }

    /// Where duties were not separate, or somebody tried.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn report_sod(&self, actor: &Actor, period: &Period) -> Found<Vec<SodFinding>> {
        actor.must(Permission::Reports)?;
        self.look(|work| work.separation(period))
    }
}

/// Marks the condition that looks for a text.
const SEARCH: &str = " AND /* q */";

fn split_search(condition: &str) -> (String, String) {
    match condition.split_once(SEARCH) {
        Some((inner, outer)) => {
            // What follows the search is about the page, and belongs inside.
            let (search, rest) = outer
                .split_once(" AND seq <")
                .map_or((outer.to_owned(), String::new()), |(search, rest)| {
                    (search.to_owned(), format!(" AND seq <{rest}"))
                });
            (format!("{SEARCH}{search}"), format!("{inner}{rest}"))
        }
        None => (String::new(), condition.to_owned()),
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

/// What a filter means. A text is looked for in what rows tell only by who sees the `whole` of it.
fn conditions(
    actor: &Actor,
    filter: &AuditFilter,
    whole: bool,
) -> Result<(String, Vec<SqlValue>), Refusal> {
    let mut sql = String::new();
    let mut values: Vec<SqlValue> = Vec::new();
    let mut and = |condition: &str, value: SqlValue| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace("$?", &format!("${}", values.len())));
    };
    if !actor.may(Permission::AuditAll) {
        and("actor_id = $?", actor.person_id.as_str().into());
    }
    if let Some(person) = &filter.actor {
        and("actor_id = $?", person.as_str().into());
    }
    if let Some(action) = &filter.action {
        and("action_type = $?", action.as_str().into());
    }
    if let Some(stage) = &filter.stage {
        and("stage = $?", stage.as_str().into());
    }
    if let Some(entity) = &filter.entity {
        if entity.parse::<uuid::Uuid>().is_ok() {
            // Rows about an attribution have it as their entity.
            and("(entity_id = $? OR proposal_id = $?)", entity.to_lowercase().into());
        } else {
            and("entity_id = $?", entity.as_str().into());
        }
    }
    if let Some(from) = &filter.from {
        and("performed_at >= $?", moment("from", from)?.into());
    }
    if let Some(to) = &filter.to {
        and("performed_at < $?", moment("to", to)?.into());
    }
    if let Some(from) = filter.from_seq {
        and("seq >= $?", from.into());
    }
    if let Some(to) = filter.to_seq {
        and("seq <= $?", to.into());
    }
    if let Some(q) = filter.q.as_deref().filter(|q| !q.trim().is_empty()) {
        let like = q.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        values.push(format!("%{like}%").into());
        let at = values.len();
        sql.push_str(SEARCH);
        let told = format!(" OR CAST(new_value AS text) LIKE ${at} ESCAPE '\\'");
        sql.push_str(&format!(
            " (comments LIKE ${at} ESCAPE '\\'{} OR entity_id LIKE ${at} ESCAPE '\\')",
            if whole { told.as_str() } else { "" }
        ));
    }
    Ok((sql, values))
}

impl Work<'_> {
    /// Whether audit rows hide nothing from the person: neither masked fields nor suggestions.
    fn sees_all(&mut self, actor: &Actor) -> Result<bool, Problem> {
        let samples = "SELECT 1 FROM recon.audit_samples WHERE outcome IS NULL LIMIT 1";
        Ok(self.sight(actor).is_whole()
            && self.policy.blind_suggestions <= 0.0
            && self.shelf.tx.query(samples, &[])?.is_empty())
    }

    /// The items of these rows whose machine's reason is hidden now.
    fn hidden_of(&mut self, rows: &[AuditRow]) -> Result<HashSet<String>, Refusal> {
        let ids: BTreeSet<&str> =
            rows.iter().filter_map(|row| row.attribution_id.as_deref()).collect();
        let mut hidden = HashSet::new();
        let mut keys = Vec::new();
        for id in ids {
            // Items of runs that were pruned are not undecided.
            if let Ok(found) = self.shelf.keys([id]) {
                keys.extend(found);
            }
        }
        for item in self.shelf.items(&keys, false)? {
            if self.is_hidden(&item)? {
                let run = self.shelf.run(item.key.run_no)?;
                hidden.insert(run.attribution_id(item.key.number));
            }
        }
        Ok(hidden)
    }

    /// An audit row without what the person may not see. Its hash is that of the whole row.
    fn masked(&mut self, actor: &Actor, mut row: AuditRow, hidden: &HashSet<String>) -> AuditRow {
        let hidden = row.attribution_id.as_ref().is_some_and(|id| hidden.contains(id));
        // Rows about people, policies and runs as a whole tell no values of records.
        let about_items = matches!(row.entity_type.as_str(), "attribution" | "proposal");
        if !hidden && (self.sight(actor).is_whole() || !about_items) {
            return row;
        }
        for value in [&mut row.previous_value, &mut row.new_value] {
            let Some(json) = value.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok())
            else {
                continue;
            };
            let shown = self.told(actor, json, hidden).to_string();
            *value = serde_json::value::RawValue::from_string(shown).ok();
        }
        if hidden {
            (row.rule_version, row.model_version) = (None, None);
        }
        row
    }

    fn period(period: &Period, column: &str) -> Result<(String, Vec<SqlValue>), Refusal> {
        let mut sql = String::new();
        let mut values: Vec<SqlValue> = Vec::new();
        if let Some(from) = &period.from {
            values.push(moment("from", from)?.into());
            sql.push_str(&format!(" AND {column} >= ${}", values.len()));
        }
        if let Some(to) = &period.to {
            values.push(moment("to", to)?.into());
            sql.push_str(&format!(" AND {column} < ${}", values.len()));
        }
        Ok((sql, values))
    }

    fn overrides(&mut self, period: &Period) -> Result<Vec<OverrideRow>, Refusal> {
        let (condition, values) = Self::period(period, "p.created_at")?;
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT p.proposal_id, p.item_count, p.action, p.figures, c.code, p.maker_id, \
                 p.comments, p.control, p.created_at, p.closed_at, \
                 (SELECT min(CAST(i.attribution_id AS text)) FROM recon.proposal_items i \
                  WHERE i.proposal_id = p.proposal_id) \
                 FROM recon.proposals p \
                 LEFT JOIN recon.reason_codes c ON c.reason_id = p.reason_id \
                 WHERE p.state = 'APPLIED' AND p.action IS NOT NULL \
                   AND (p.action <> 'APPROVE' OR p.control IN ('NONE', 'TWO_EYE')){condition} \
                 ORDER BY p.created_at, p.proposal_id LIMIT 10000"
            ),
            &values,
        )?;
        let mut report = Vec::with_capacity(rows.len());
        for row in rows {
            let proposal_id = row.required(0)?;
            let figures: Json = serde_json::from_str(&row.required(3)?).unwrap_or(Json::Null);
            let predicted = figures.get("predicted").and_then(Json::as_array);
            let codes: Vec<&str> = predicted
                .into_iter()
                .flatten()
                .filter_map(|one| one.get("code").and_then(Json::as_str))
                .collect();
            let confidence = predicted
                .into_iter()
                .flatten()
                .filter_map(|one| one.get("confidence").and_then(Json::as_f64))
                .reduce(f64::max);
            let approvers = self.shelf.tx.query(
                "SELECT person_id FROM recon.approvals WHERE proposal_id = $1 \
                 AND decision = 'APPROVE' AND void = $2 ORDER BY at",
                &[proposal_id.as_str().into(), false.into()],
            )?;
            let mut names = Vec::with_capacity(approvers.len());
            for approver in approvers {
                names.push(self.name(&approver.required(0)?)?);
            }
            let maker = row.required(5)?;
            report.push(OverrideRow {
                items: row.count(1)?.cast_unsigned(),
                attribution_id: row.text(10)?,
                action: row.required(2)?,
                predicted: (!codes.is_empty()).then(|| codes.join(", ")),
                confidence,
                reason_code: row.text(4)?,
                maker: self.name(&maker)?,
                approvers: names,
                comments: row.text(6)?,
                control: row.required(7)?,
                proposed_at: row.required(8)?,
                applied_at: row.text(9)?,
                proposal_id,
            });
        }
        Ok(report)
    }

    fn access(&mut self, period: &Period) -> Result<Vec<AccessRow>, Refusal> {
        let (condition, values) = Self::period(period, "performed_at")?;
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT actor_id, stage, count(*), max(performed_at) FROM recon.audit_trail \
                 WHERE 1 = 1{condition} GROUP BY actor_id, stage ORDER BY actor_id, stage"
            ),
            &values,
        )?;
        let mut people: BTreeMap<String, (BTreeMap<String, u64>, Option<String>)> = BTreeMap::new();
        for row in rows {
            let (actions, last) = people.entry(row.required(0)?).or_default();
            actions.insert(row.required(1)?, row.count(2)?.cast_unsigned());
            *last = last.take().max(row.text(3)?);
        }
        // People who did nothing have access all the same.
        for row in self.shelf.tx.query("SELECT person_id FROM recon.people", &[])? {
            people.entry(row.required(0)?).or_default();
        }
        let mut report = Vec::with_capacity(people.len());
        for (person_id, (actions, last_action_at)) in people {
            let roles = if person_id.starts_with("SYSTEM") {
                String::new()
            } else {
                self.directory.roles(self.shelf.tx, &person_id)?.names()
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
        let given = self.directory.all_given(self.shelf.tx)?;
        if given.is_empty() {
            return Ok(Vec::new());
        }
        let hours = i64::from(self.policy.new_login_hours.max(24));
        let (condition, values) = Self::period(period, "p.closed_at")?;
        let applied =
            format!("p.state = 'APPLIED' AND p.control IN ('FOUR_EYE', 'SIX_EYE'){condition}");
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT p.proposal_id, p.closed_at, p.control, c.person_id FROM recon.proposals p \
                 JOIN recon.contributors c ON c.proposal_id = p.proposal_id WHERE {applied} \
                 UNION SELECT p.proposal_id, p.closed_at, p.control, a.person_id \
                 FROM recon.proposals p JOIN recon.approvals a ON a.proposal_id = p.proposal_id \
                 WHERE {applied} AND a.decision = 'APPROVE' AND a.proposal_version = p.version \
                 ORDER BY 1, 4"
            ),
            &values,
        )?;
        let mut decided: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
        for row in rows {
            let (at, control) = (row.required(1)?, row.required(2)?);
            let people = decided.entry(row.required(0)?).or_insert((at, control, BTreeSet::new()));
            people.2.insert(row.required(3)?);
        }
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
                    person_id: administrator.to_owned(),
                    entity: proposal_id.clone(),
                    what: format!(
                        "{} made or reset the logins of {} within {hours} hours before they decided \
                         together ({control})",
                        self.name(administrator)?,
                        names.join(" and ")
                    ),
                    at: at.clone(),
                });
            }
        }
        Ok(findings)
    }

    fn separation(&mut self, period: &Period) -> Result<Vec<SodFinding>, Refusal> {
        let mut findings = Vec::new();
        let (condition, values) = Self::period(period, "at")?;
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT code, person_id, coalesce(entity, ''), what, at FROM recon.security_log \
                 WHERE 1 = 1{condition} ORDER BY at DESC LIMIT 5000"
            ),
            &values,
        )?;
        for row in rows {
            let code = row.required(0)?;
            let kind = match code.as_str() {
                "self-approval" | "same-approver" => code,
                _ => Code::RefusedAttempt.name().to_owned(),
            };
            findings.push(SodFinding {
                kind,
                person_id: row.required(1)?,
                entity: row.required(2)?,
                what: row.required(3)?,
                at: row.required(4)?,
            });
        }
        let (condition, values) = Self::period(period, "closed_at")?;
        let rows = self.shelf.tx.query(
            &format!(
                "SELECT control, maker_id, proposal_id, item_count, closed_at \
                 FROM recon.proposals WHERE state = 'APPLIED' \
                 AND control IN ('NONE', 'TWO_EYE'){condition} ORDER BY closed_at LIMIT 5000"
            ),
            &values,
        )?;
        for row in rows {
            let solo = row.required(0)? == "NONE";
            findings.push(SodFinding {
                kind: if solo { "solo" } else { "two-eye" }.to_owned(),
                person_id: row.required(1)?,
                entity: row.required(2)?,
                what: format!("{} items were decided by one person", row.count(3)?),
                at: row.text(4)?.unwrap_or_default(),
            });
        }
        findings.extend(self.one_administrator(period)?);
        // What the schema makes impossible is looked for all the same.
        let rows = self.shelf.tx.query(
            "SELECT a.person_id, a.proposal_id, a.at FROM recon.approvals a \
             JOIN recon.contributors c \
               ON c.proposal_id = a.proposal_id AND c.person_id = a.person_id \
             WHERE a.decision = 'APPROVE' AND EXISTS (SELECT 1 FROM recon.proposals p \
               WHERE p.proposal_id = a.proposal_id AND p.state = 'APPLIED' \
                 AND p.version = a.proposal_version)",
            &[],
        )?;
        for row in rows {
            findings.push(SodFinding {
                kind: "self-approval".to_owned(),
                person_id: row.required(0)?,
                entity: row.required(1)?,
                what: "one person made and approved a proposal".to_owned(),
                at: row.required(2)?,
            });
        }
        let mut people = Vec::new();
        for row in self.shelf.tx.query("SELECT person_id FROM recon.people", &[])? {
            people.push(row.required(0)?);
        }
        for person_id in people {
            let roles = self.directory.roles(self.shelf.tx, &person_id)?;
            if let Some(why) = roles.conflict() {
                findings.push(SodFinding {
                    kind: Code::RoleConflict.name().to_owned(),
                    entity: person_id.clone(),
                    person_id,
                    what: why.to_owned(),
                    at: self.at(),
                });
            }
        }
        Ok(findings)
    }
}
