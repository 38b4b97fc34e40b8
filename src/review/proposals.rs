//! Proposals as people see them: lists, one with its items, and why one may not approve it.

use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::review::{Permission, ProposalState, Stage};
use crate::store::rows::parameters;

use super::actor::Actor;
use super::answer::{
    AmountSum, ApprovalView, Changed, Page, Prediction, ProposalDetail, ProposalView, ReasonView,
};
use super::ask::{PageAsk, ProposalFilter, ProposalsFor};
use super::items::Key;
use super::proposal::{PROPOSAL, Proposal, permission_of, read};
use super::work::Work;
use super::{Desk, Found, Refusal, page};

impl Desk<'_> {
    /// Proposals, oldest first while they are open, else newest first.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn proposals(
        &self,
        actor: &Actor,
        filter: &ProposalFilter,
        ask: &PageAsk,
    ) -> Found<Page<ProposalView>> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = format!("proposals:{}", serde_json::to_string(filter).unwrap_or_default());
            let at: Option<(String, String)> = page::position(ask, &list, actor)?;
            let (condition, values) = conditions(actor, filter);
            let oldest_first = filter.stage.is_some_and(|stage| stage != ProposalsFor::Mine)
                || filter.state.is_some_and(ProposalState::is_open);
            let (sign, order) = if oldest_first { (">", "") } else { ("<", " DESC") };
            let mut values = values;
            let behind = match at {
                None => String::new(),
                Some((created, id)) => {
                    values.push(created.into());
                    values.push(id.into());
                    format!(
                        " AND (p.created_at, p.proposal_id) {sign} (${}, ${})",
                        values.len() - 1,
                        values.len()
                    )
                }
            };
            let rows = work.shelf.tx.query(
                &format!(
                    "SELECT {PROPOSAL} FROM recon.proposals p WHERE 1 = 1{condition}{behind} \
                     ORDER BY p.created_at{order}, p.proposal_id{order} LIMIT {}",
                    limit + 1
                ),
                &values,
            )?;
            let mut found = rows.iter().map(read).collect::<Result<Vec<_>, Problem>>()?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found
                .last()
                .filter(|_| more)
                .map(|last| page::cursor(&(&last.created_at, &last.proposal_id), &list, actor));
            let total = if ask.count {
                let (condition, values) = conditions(actor, filter);
                let rows = work.shelf.tx.query(
                    &format!("SELECT count(*) FROM recon.proposals p WHERE 1 = 1{condition}"),
                    &values,
                )?;
                Some(rows.first().map_or(Ok(0), |row| row.count(0))?.cast_unsigned())
            } else {
                None
            };
            let mut items = Vec::with_capacity(found.len());
            for proposal in found {
                items.push(work.proposal_view(actor, proposal)?);
            }
            Ok(Page { items, next, total })
        })
    }

    /// One proposal with a page of its items.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn proposal(
        &self,
        actor: &Actor,
        proposal_id: &str,
        ask: &PageAsk,
    ) -> Found<ProposalDetail> {
        actor.must(Permission::View)?;
        self.look(|work| {
            let limit = page::limit(ask)?;
            let list = format!("proposal:{proposal_id}");
            let at: Option<(i64, i64)> = page::position(ask, &list, actor)?;
            let (run_no, number) = at.unwrap_or_default();
            let proposal = work.proposal(proposal_id, false)?;
            let rows = work.shelf.tx.query(
                &format!(
                    "SELECT run_no, number FROM recon.proposal_items WHERE proposal_id = $1 \
                     AND (run_no, number) > ($2, $3) ORDER BY run_no, number LIMIT {}",
                    limit + 1
                ),
                &parameters![proposal_id, run_no, number],
            )?;
            let mut keys = Vec::with_capacity(rows.len());
            for row in rows {
                keys.push(Key { run_no: row.count(0)?, number: row.count(1)? });
            }
            let more = keys.len() > limit;
            keys.truncate(limit);
            let next = keys
                .last()
                .filter(|_| more)
                .map(|key| page::cursor(&(key.run_no, key.number), &list, actor));
            let items = work.shelf.items(&keys, false)?;
            let mut view = work.proposal_view(actor, proposal)?;
            view.changed = work.changed(proposal_id)?;
            Ok(ProposalDetail { proposal: view, items: work.views(actor, items)?, next })
        })
    }
}

fn conditions(actor: &Actor, filter: &ProposalFilter) -> (String, Vec<crate::store::SqlValue>) {
    let mut sql = String::new();
    let mut values: Vec<crate::store::SqlValue> = Vec::new();
    let mut and = |condition: &str, value: String| {
        values.push(value.into());
        sql.push_str(" AND ");
        sql.push_str(&condition.replace("$?", &format!("${}", values.len())));
    };
    if let Some(state) = filter.state {
        and("p.state = $?", state.name().to_owned());
    }
    if let Some(kind) = filter.kind {
        and("p.kind = $?", kind.name().to_owned());
    }
    if let Some(maker) = &filter.maker {
        and("p.maker_id = $?", if maker == "me" { actor.person_id.clone() } else { maker.clone() });
    }
    let mine = "EXISTS (SELECT 1 FROM recon.contributors c \
                WHERE c.proposal_id = p.proposal_id AND c.person_id = $?)";
    match filter.stage {
        None => {}
        Some(ProposalsFor::Mine) => and(mine, actor.person_id.clone()),
        Some(stage) => {
            let (state, permission) = match stage {
                ProposalsFor::ToAuthorize => (ProposalState::Checked, Permission::Authorize),
                _ => (ProposalState::Open, Permission::Check),
            };
            and("p.state = $?", state.name().to_owned());
            and(&format!("NOT {mine}"), actor.person_id.clone());
            if state == ProposalState::Checked {
                and(
                    "NOT EXISTS (SELECT 1 FROM recon.approvals a \
                     WHERE a.proposal_id = p.proposal_id AND a.proposal_version = p.version \
                       AND a.person_id = $?)",
                    actor.person_id.clone(),
                );
            }
            if !actor.may(permission) {
                sql.push_str(" AND 1 = 0");
            }
        }
    }
    (sql, values)
}

/// A label without what it tells of values: the field before the colon.
fn words_of(label: &str) -> String {
    label.split_once(':').map_or(label, |(field, _)| field).to_owned()
}

impl Work<'_> {
    /// A proposal as the actor sees it.
    pub fn proposal_view(
        &mut self,
        actor: &Actor,
        proposal: Proposal,
    ) -> Result<ProposalView, Problem> {
        let contributors = self.contributors(&proposal.proposal_id)?;
        let is_contributor = contributors.contains(&actor.person_id);
        let mut names = Vec::with_capacity(contributors.len());
        for person in &contributors {
            names.push(self.name(person)?);
        }
        let reason = match proposal.reason_id {
            Some(id) => self.shelf.reason(id)?,
            None => None,
        };
        let why_not: Option<Refusal> = self.why_not(actor, &proposal)?;
        let figure = |name: &str| proposal.figures.get(name).cloned().unwrap_or(Json::Null);
        let amount_sum: Vec<AmountSum> =
            serde_json::from_value(figure("amount_sum")).unwrap_or_default();
        let predicted: Vec<Prediction> =
            serde_json::from_value(figure("predicted")).unwrap_or_default();
        let approvals = self.approvals(&proposal)?;
        let sight = self.sight(actor);
        let hidden = self.hides_of(&sight, &proposal)?;
        let may_withdraw = is_contributor && proposal.state.is_open();
        Ok(ProposalView {
            kind: proposal.kind,
            state: proposal.state,
            version: proposal.version,
            content_hash: proposal.hash,
            tag: proposal.tag().to_string(),
            action: proposal.action,
            reason: reason.as_ref().map(ReasonView::from),
            payload: proposal.payload.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            comments: proposal.comments.clone(),
            maker_name: self.name(&proposal.maker_id)?,
            maker_id: proposal.maker_id.clone(),
            contributors: names,
            approvals,
            eyes_required: proposal.eyes,
            eyes_done: proposal.eyes_done(),
            triggers: sight.triggers(hidden, proposal.triggers.clone()),
            count: proposal.item_count.cast_unsigned(),
            amount_sum: sight.sums(hidden, amount_sum),
            label: if hidden { words_of(&proposal.label) } else { proposal.label.clone() },
            predicted,
            created_at: proposal.created_at.clone(),
            updated_at: proposal.updated_at.clone(),
            expires_at: proposal.expires_at.clone(),
            closed_at: proposal.closed_at.clone(),
            changed: Vec::new(),
            may_not_approve: why_not.map(|refusal| refusal.message),
            may_withdraw,
            proposal_id: proposal.proposal_id,
        })
    }

    fn approvals(&mut self, proposal: &Proposal) -> Result<Vec<ApprovalView>, Problem> {
        let rows = self.shelf.tx.query(
            "SELECT stage, person_id, decision, proposal_version, comments, at, void \
             FROM recon.approvals WHERE proposal_id = $1 ORDER BY at, stage",
            &parameters![&proposal.proposal_id],
        )?;
        let mut approvals = Vec::with_capacity(rows.len());
        for row in rows {
            let person_id = row.required(1)?;
            let stage = row.required(0)?;
            let version = row.count(3)?;
            let mut counts = version == proposal.version && !row.boolean(6)?;
            if counts && proposal.state.is_open() {
                let asked = Stage::from_name(&stage).unwrap_or(Stage::Checker);
                let since = crate::store::read_time(&row.required(5)?)?;
                let roles = self.directory.roles_since(self.shelf.tx, &person_id, since)?;
                counts = roles.permissions().contains(permission_of(asked));
            }
            approvals.push(ApprovalView {
                person_name: self.name(&person_id)?,
                stage,
                person_id,
                decision: row.required(2)?,
                proposal_version: version,
                comments: row.text(4)?,
                at: row.required(5)?,
                counts,
            });
        }
        Ok(approvals)
    }

    /// What the last amendment changed.
    fn changed(&mut self, proposal_id: &str) -> Result<Vec<Changed>, Problem> {
        let rows = self.shelf.tx.query(
            "SELECT new_value FROM recon.audit_trail WHERE proposal_id = $1 \
             AND action_type = 'AMEND' ORDER BY seq DESC LIMIT 1",
            &parameters![proposal_id],
        )?;
        let Some(row) = rows.first() else { return Ok(Vec::new()) };
        let value: Json = serde_json::from_str(&row.required(0)?).unwrap_or(Json::Null);
        let amended = value.get("amended").cloned().unwrap_or(Json::Null);
        let text = |when: &str, what: &str| {
            amended
                .get(when)
                .and_then(|side| side.get(what))
                .and_then(Json::as_str)
                .map(str::to_owned)
        };
        Ok(["action", "new_reason_code", "comments"]
            .into_iter()
            .map(|what| Changed {
                what: what.to_owned(),
                before: text("before", what),
                after: text("after", what),
            })
            .filter(|changed| changed.before != changed.after)
            .collect())
    }
}
