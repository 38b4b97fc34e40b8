//! MOVE: an open proposal follows its items to the run that has the same differences again.
//!
//! A proposal stays one proposal while its breaks go on. In the transaction that publishes the new run, its items
//! there take the places of the old ones: pending, with the reason that the maker decided about. The old items get
//! their earlier states back. The new items are not approved yet, so the proposal's version rises, and approvals of
//! the version before no longer count. Items whose difference is gone or has changed stay where they are, and so do
//! blind samples, which are about a run.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use super::audit::Entry;
use super::breaks;
use super::carry::{Twin, Twins};
use super::layout::ItemKey;
use super::review::{
    Item, NewProposalItem, Proposal, ProposalItem, ReviewTables, Run, Settled, policy_in_force,
};
use super::rows::parameters;
use super::seal;
use super::stored::time_text;
use super::transact::Transaction;
use crate::diagnostic::Problem;
use crate::domain::review::content::Content;
use crate::domain::review::{Action, ProposalState, Stage};
use crate::domain::{Instant, Status};

/// An item of a proposal, its replacement, and the reference of its row in the new run.
struct Moved<'a> {
    old: Item,
    new: Item,
    references: &'a [Option<String>; 2],
}

/// Moves the open proposals about a run to the differences of another run that are the same. Gives the rows of the
/// audit trail, and how many proposals moved. The counts of both runs are in the store.
pub(super) fn follow(
    tx: &mut dyn Transaction,
    twins: &Twins,
    now: Instant,
) -> Result<(Vec<Entry>, u64), Problem> {
    let mut tables = ReviewTables::new(tx);
    let mut waiting: BTreeMap<String, Vec<(i64, &Twin)>> = BTreeMap::new();
    for (proposal_id, number) in tables.waiting_in(twins.old.run_no)? {
        if let Some(twin) = twins.pairs.get(&number) {
            waiting.entry(proposal_id).or_default().push((number, twin));
        }
    }
    let (mut entries, mut count) = (Vec::new(), 0);
    for (proposal_id, pairs) in waiting {
        let Some(mut proposal) = tables.open_proposal_if_free(&proposal_id)? else { continue };
        let moved = moved(&mut tables, twins, &pairs)?;
        if !moved.is_empty() {
            entries.extend(go(&mut tables, twins, &mut proposal, &moved, now)?);
            count += 1;
        }
    }
    tables.write_counts()?;
    seal::seal(tables.tx, &mut entries)?;
    Ok((entries, count))
}

/// Moves assignments and checkers' comments along with the breaks of a run to another run. Gives the rows of the
/// audit trail.
pub(super) fn notes(tx: &mut dyn Transaction, old: i64, new: i64) -> Result<Vec<Entry>, Problem> {
    let sql = "SELECT number FROM recon.assignments WHERE run_no = $1 \
               UNION SELECT number FROM recon.sent_back WHERE run_no = $1 ORDER BY 1";
    let numbers = tx.list(sql, &parameters![old], |row| row.count(0))?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let twins = breaks::same_breaks(tx, (old, &numbers), new)?;
    let (from, to) = (Run::find(tx, old)?, Run::find(tx, new)?);
    let mut entries = Vec::new();
    for number in numbers {
        let Some(twin) = twins.get(&number).copied() else { continue };
        let values = parameters![new, twin, old, number];
        for (table, columns) in [
            ("assignments", "assignee, assigned_by, at"),
            ("sent_back", "proposal_id, state, by_id, comments, at"),
        ] {
            let sql = format!(
                "INSERT INTO recon.{table} (run_no, number, {columns}) SELECT $1, $2, {columns} \
                 FROM recon.{table} WHERE run_no = $3 AND number = $4"
            );
            tx.execute(&sql, &values)?;
        }
        let sql = "SELECT assignee FROM recon.assignments WHERE run_no = $1 AND number = $2";
        let Some(assignee) = tx.find(sql, &parameters![new, twin], |row| row.required(0))? else {
            continue;
        };
        let id = to.attribution_id(ItemKey { run_no: new, number: twin });
        let moved_from = from.attribution_id(ItemKey { run_no: old, number });
        let told = json!({ "assignee": assignee, "moved_from": moved_from });
        entries.push(Entry {
            attribution_id: Some(id.clone()),
            entity_type: "attribution".to_owned(),
            entity_id: id,
            stage: Stage::System.name().to_owned(),
            action_type: "ASSIGN".to_owned(),
            previous_value: Some(json!({ "assignee": Json::Null }).to_string()),
            new_value: Some(told.to_string()),
            ..Entry::default()
        });
    }
    Ok(entries)
}

/// The items that move: those that are pending, to items that no other proposal holds.
fn moved<'a>(
    tables: &mut ReviewTables<'_>,
    twins: &Twins,
    pairs: &[(i64, &'a Twin)],
) -> Result<Vec<Moved<'a>>, Problem> {
    let key = |run: &Run, number| ItemKey { run_no: run.run_no, number };
    let olds: Vec<ItemKey> = pairs.iter().map(|(old, _)| key(&twins.old, *old)).collect();
    let news: Vec<ItemKey> = pairs.iter().map(|(_, twin)| key(&twins.new, twin.number)).collect();
    let mut by_number = |keys: &[ItemKey]| -> Result<HashMap<i64, Item>, Problem> {
        let items = tables.items(keys, true)?.into_iter();
        Ok(items.map(|item| (item.key.number, item)).collect())
    };
    let (mut olds, mut news) = (by_number(&olds)?, by_number(&news)?);
    let moved = pairs.iter().filter_map(|(old, twin)| {
        let old = olds.remove(old).filter(|item| item.status == Status::Pending)?;
        let new = news.remove(&twin.number).filter(|item| item.status != Status::Pending)?;
        Some(Moved { old, new, references: &twin.references })
    });
    Ok(moved.collect())
}

/// Moves these items of a proposal.
fn go(
    tables: &mut ReviewTables<'_>,
    twins: &Twins,
    proposal: &mut Proposal,
    moved: &[Moved<'_>],
    now: Instant,
) -> Result<Vec<Entry>, Problem> {
    let olds: Vec<ItemKey> = moved.iter().map(|one| one.old.key).collect();
    let news: Vec<ItemKey> = moved.iter().map(|one| one.new.key).collect();
    let known = tables.proposal_items(&proposal.proposal_id)?;
    let known: HashMap<ItemKey, ProposalItem> =
        known.into_iter().map(|item| (item.key, item)).collect();
    // `items` gives them in the order of their numbers.
    let before: Vec<Item> = tables.items(&olds, false)?;
    let restored: HashMap<ItemKey, Item> = before
        .iter()
        .map(|item| item.key)
        .zip(tables.restore(&proposal.proposal_id, &before)?)
        .collect();
    let facts: Vec<Json> =
        moved.iter().map(|one| one.new.facts(&twins.new, one.references)).collect();
    let items: Vec<NewProposalItem<'_>> = moved
        .iter()
        .zip(&facts)
        .map(|(one, facts)| NewProposalItem {
            item: &one.new,
            amount: known.get(&one.old.key).and_then(|item| item.amount),
            currency: known.get(&one.old.key).and_then(|item| item.currency.as_deref()),
            facts: facts.clone(),
        })
        .collect();
    tables.replace_proposal_items(proposal, &olds, &items)?;
    take(tables, twins, moved)?;
    let taken = tables.items(&news, false)?;
    let taken: HashMap<ItemKey, Item> = taken.into_iter().map(|item| (item.key, item)).collect();
    let (policy_version, _) = policy_in_force(tables.tx)?;
    change(tables, proposal, policy_version, now)?;
    let mut entries = Vec::with_capacity(2 * moved.len());
    for (one, facts) in moved.iter().zip(&facts) {
        let told = |run: &Run, key| {
            json!({
                "run_id": run.run_id,
                "batch_date": run.batch_date,
                "attribution_id": run.attribution_id(key),
            })
        };
        let old_facts = known.get(&one.old.key).map(|item| item.facts.clone());
        let sides = [
            (&twins.old, &one.old, restored.get(&one.old.key), {
                json!({ "moved_to": told(&twins.new, one.new.key), "item": old_facts })
            }),
            (&twins.new, &one.new, taken.get(&one.new.key), {
                json!({
                    "moved_from": told(&twins.old, one.old.key),
                    "action": proposal.action.map(Action::name),
                    "item": facts,
                })
            }),
        ];
        for (run, before, after, mut more) in sides {
            more["proposal_state"] = proposal.state.name().into();
            let key = before.key;
            let before = state(tables, before)?;
            let after = match after {
                Some(after) => state(tables, after)?,
                None => before.clone(),
            };
            let (mut new, by) = (after, before["assigned_by"].as_str());
            if let (Some(new), Json::Object(more)) = (new.as_object_mut(), more) {
                new.extend(more);
            }
            let machine = |prefix: &str| by.filter(|by| by.starts_with(prefix)).map(str::to_owned);
            let id = run.attribution_id(key);
            entries.push(Entry {
                attribution_id: Some(id.clone()),
                entity_type: "attribution".to_owned(),
                entity_id: id,
                stage: Stage::System.name().to_owned(),
                action_type: seal::MOVE.to_owned(),
                comments: Some(format!(
                    "the same difference is in the run of {}",
                    twins.new.batch_date
                )),
                proposal_id: Some(proposal.proposal_id.clone()),
                proposal_version: Some(proposal.version),
                proposal_hash: Some(proposal.hash.0),
                policy_version: Some(policy_version),
                model_version: machine("MODEL:"),
                rule_version: machine("RULE:"),
                control: Some(proposal.control.name().to_owned()),
                previous_value: Some(before.to_string()),
                new_value: Some(new.to_string()),
            });
        }
    }
    Ok(entries)
}

/// Makes the new items pending, with the reasons that the maker saw.
fn take(tables: &mut ReviewTables<'_>, twins: &Twins, moved: &[Moved<'_>]) -> Result<(), Problem> {
    let given = |item: &Item| {
        (item.reason_id, item.functional, item.confidence.to_bits(), item.assigner_id)
    };
    let mut same = Vec::new();
    for one in moved {
        match one.old.assigner_id {
            Some(assigner_id) if given(&one.old) != given(&one.new) => tables.settle(
                &[&one.new],
                &Settled {
                    status: Status::Pending,
                    reason_id: one.old.reason_id,
                    functional: one.old.functional.unwrap_or_default(),
                    confidence: one.old.confidence,
                    assigner_id,
                    at: one.old.assigned_at.as_deref().unwrap_or(&twins.old.attributed_at),
                },
            )?,
            _ => same.push(&one.new),
        }
    }
    tables.take(&same)
}

/// The proposal's next version, about its items as they are now.
fn change(
    tables: &mut ReviewTables<'_>,
    proposal: &mut Proposal,
    policy_version: i64,
    now: Instant,
) -> Result<(), Problem> {
    let items = tables.proposal_items(&proposal.proposal_id)?;
    let mut ids: Vec<(String, i64)> =
        items.into_iter().map(|item| (item.attribution_id, item.base_version)).collect();
    ids.sort_unstable();
    let reason = match proposal.reason_id {
        Some(reason_id) => tables.reason(reason_id)?,
        None => None,
    };
    proposal.version += 1;
    proposal.state = ProposalState::Open;
    proposal.hash = Content {
        kind: proposal.kind,
        action: proposal.action,
        reason: reason.as_ref().map(|reason| reason.code.as_str()),
        comments: proposal.comments.as_deref(),
        payload: proposal.payload.as_deref(),
        items: &ids,
    }
    .hash();
    tables.update_proposal(proposal, policy_version, &time_text(now))
}

fn state(tables: &mut ReviewTables<'_>, item: &Item) -> Result<Json, Problem> {
    Ok(json!({
        "status": item.status.name(),
        "reason_code": tables.reason(item.reason_id)?.map_or_else(String::new, |one| one.code),
        "confidence": item.confidence,
        "is_locked": item.locked,
        "version": item.version,
        "assigned_by": item.assigned_by,
        "functional": item.functional,
        "assigned_at": item.assigned_at,
    }))
}
