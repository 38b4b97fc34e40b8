//! One decision about many items: a preview that fixes the items, and its commit.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Problem};
use crate::domain::review::trigger::{self, Decided};
use crate::domain::review::{Action, Eyes, Permission, ProposalKind};
use crate::domain::{Instant, Status};
use crate::store::review::{BulkPreviewRow, Item, ItemKey};
use crate::store::{time_text, transact};

use super::actor::Actor;
use super::proposal::{Draft, Weighed, sums};
use super::propose::{refused, required_action};
use super::refusal::Refusal;
use super::requests::{BulkCommit, BulkPreviewAsk, OnConflict};
use super::responses::{BulkCommitted, BulkPreview, Excluded, Share};
use super::visibility::Visibility;
use super::work::{Work, checked_comment};
use super::{CommandResult, QueryResult, Review};

/// The most items of a bulk.
const MOST: usize = 10_000;
/// Lifetime of a preview in seconds.
const LIFE: i64 = 600;
/// References of omitted items that are listed, and the most that a refusal names.
const REFERENCED: usize = 100;
const NAMED: usize = 5;
/// Items shown of a preview.
const SAMPLE: usize = 20;

impl Review<'_> {
    /// Previews one decision about many items, and fixes the items for ten minutes.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn bulk_preview(&self, actor: &Actor, ask: &BulkPreviewAsk) -> QueryResult<BulkPreview> {
        actor.must(Permission::Propose)?;
        let action = required_action(ask.action)?;
        if let Some(filter) = &ask.filter {
            self.prepare(filter)?;
        }
        transact::write(self.store, |tx| {
            self.within(tx, &mut |work| work.preview(actor, ask, action))
        })
    }

    /// Proposes the decision of a preview.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn bulk_commit(&self, actor: &Actor, ask: &BulkCommit) -> CommandResult<BulkCommitted> {
        self.write(actor, |work| work.commit(actor, ask))
    }
}

impl Work<'_> {
    fn preview(
        &mut self,
        actor: &Actor,
        ask: &BulkPreviewAsk,
        action: Action,
    ) -> Result<BulkPreview, Refusal> {
        let keys = match &ask.filter {
            _ if ask.ids.len() > MOST => {
                return Err(Refusal::new(
                    Code::TooManyItems,
                    format!("a bulk has at most {MOST} items"),
                ));
            }
            Some(filter) if ask.ids.is_empty() => {
                let wanted = self.wanted(actor, filter)?;
                self.all_of(&wanted, MOST)?
            }
            _ => self.keys(ask.ids.iter().map(String::as_str))?,
        };
        let code = ask.new_reason_code.as_deref().filter(|code| !code.is_empty());
        let reason = match code {
            Some(code) => self.tables.reason_by_code(code)?.filter(|reason| reason.active),
            None => None,
        };
        match action {
            Action::Override if code.is_none() => return Err(refused(Code::ReasonCodeRequired)),
            Action::Override if reason.is_none() => return Err(refused(Code::InvalidReasonCode)),
            Action::Approve | Action::Reject if code.is_some() => {
                return Err(refused(Code::RejectTakesNoCode));
            }
            _ => {}
        }
        let mut found = self.tables.items(&keys, false)?;
        found.sort_by_key(|item| item.key);
        found.dedup_by_key(|item| item.key);
        let mut excluded = Vec::new();
        let mut items: Vec<Item> = Vec::with_capacity(found.len());
        for item in found {
            match self.fits(&item, action, code)? {
                None => items.push(item),
                Some(why) => excluded.push((item, why)),
            }
        }
        let excluded = self.excluded(actor, excluded)?;
        let weighed = self.weigh(items)?;
        let decided = Decided {
            kind: ProposalKind::Bulk,
            action: Some(action),
            functional: reason.as_ref().map(|reason| reason.functional),
        };
        let triggers = self.triggers(decided, &weighed, &actor.person_id, None)?;
        let eyes = trigger::eyes(&self.policy, decided, &triggers, false);
        let token = self.freeze(actor, &weighed, action, code)?;
        let expires = Instant::new(self.now.seconds() + LIFE, self.now.nanoseconds());
        let breakdown = breakdown(&weighed);
        let visible = self.visibility(actor);
        let hidden = self.hides_amounts(&visible, &weighed)?;
        let (outliers, sample) = shown(&weighed, &token, !hidden);
        let outliers = self.views(actor, outliers)?;
        let sample = self.views(actor, sample)?;
        let people = match eyes {
            _ if self.solo => "It takes effect at once: one person decides alone here.",
            Eyes::Six => "It needs 6 eyes: a checker and an authorizer other than you.",
            Eyes::Four | Eyes::Two => "It needs 4 eyes: a checker other than you.",
        };
        Ok(BulkPreview {
            token,
            expires_at: time_text(expires),
            count: weighed.len() as u64,
            amount_sum: visible.sums(hidden, sums(&weighed)),
            eyes,
            triggers: visible.triggers(hidden, triggers),
            excluded,
            breakdown,
            outliers,
            sample,
            action,
            new_reason_code: code.map(str::to_owned),
            what_next: match weighed.len() {
                1 => format!("One item. {people}"),
                many => format!("{} items at once. {people}", grouped(many)),
            },
        })
    }

    /// Items that are left out, with their references as far as the person may see them.
    fn excluded(
        &mut self,
        actor: &Actor,
        items: Vec<(Item, Refusal)>,
    ) -> Result<Vec<Excluded>, Problem> {
        let keys: Vec<ItemKey> = items.iter().take(REFERENCED).map(|(item, _)| item.key).collect();
        let records = self.tables.records(&keys)?;
        let visible = self.visibility(actor);
        let mut excluded = Vec::with_capacity(items.len());
        for (item, why) in items {
            let run = self.tables.run(item.key.run_no)?;
            let reference = records
                .get(&(item.key.run_no, item.key.record()))
                .and_then(|one| one.reference(0, &run.layout).or(one.reference(1, &run.layout)));
            excluded.push(Excluded {
                id: run.attribution_id(item.key),
                reference: visible.reference(&run.layout, reference),
                field_name: run.field_name(item.key.field()).to_owned(),
                code: why.code.name().to_owned(),
                why: why.message,
            });
        }
        Ok(excluded)
    }

    /// True if any item's amount is hidden from the user.
    fn hides_amounts(&mut self, visible: &Visibility, items: &[Weighed]) -> Result<bool, Problem> {
        for one in items {
            let run = self.tables.run(one.item.key.run_no)?;
            if visible.hides_amount(&run, one.item.key.field()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why an item is excluded from a bulk decision; `None` if it is not.
    fn fits(
        &mut self,
        item: &Item,
        action: Action,
        code: Option<&str>,
    ) -> Result<Option<Refusal>, Refusal> {
        if let Err(refusal) = self.undecided(item) {
            return Ok(Some(refusal));
        }
        if self.is_blind(item)? {
            let why = "its suggestion is hidden: it is decided on its own";
            return Ok(Some(Refusal::new(Code::SuggestionHidden, why)));
        }
        match self.choice(action, item, code) {
            Ok(_) => Ok(None),
            Err(refusal) if refusal.cause.is_some() => Err(refusal),
            Err(refusal) => Ok(Some(refusal)),
        }
    }

    /// Stores the items with their versions.
    fn freeze(
        &mut self,
        actor: &Actor,
        items: &[Weighed],
        action: Action,
        code: Option<&str>,
    ) -> Result<String, Problem> {
        let token = self.new_id();
        let preview = BulkPreviewRow {
            person_id: actor.person_id.clone(),
            action,
            reason_code: code.map(str::to_owned),
            items: items.iter().map(|one| (one.item.key, one.item.version)).collect(),
            expires_at: time_text(Instant::new(self.now.seconds() + LIFE, self.now.nanoseconds())),
        };
        let now = self.at();
        self.tables.add_preview(&token, &preview, &now)?;
        Ok(token)
    }

    fn commit(&mut self, actor: &Actor, ask: &BulkCommit) -> Result<BulkCommitted, Refusal> {
        actor.must(Permission::Propose)?;
        let gone = || {
            Refusal::new(
                Code::PreviewExpired,
                "the preview is too old, or was used: look once more",
            )
        };
        let preview = self.tables.preview(&ask.token)?.ok_or_else(gone)?;
        if preview.person_id != actor.person_id || preview.expires_at <= self.at() {
            return Err(gone());
        }
        let (action, code) = (preview.action, preview.reason_code);
        let comments = checked_comment(ask.comments.as_deref(), action.needs_comment())?;
        let keys: Vec<ItemKey> = preview.items.iter().map(|(key, _)| *key).collect();
        let versions: HashMap<ItemKey, i64> = preview.items.into_iter().collect();
        let found = self.tables.items(&keys, true)?;
        let mut changed = Vec::new();
        let mut items = Vec::with_capacity(found.len());
        for item in found {
            let why = if versions.get(&item.key) == Some(&item.version) {
                self.fits(&item, action, code.as_deref())?
            } else if item.status == Status::Pending {
                let why = "it is proposed already and awaits approval";
                Some(Refusal::new(Code::AlreadyPending, why))
            } else {
                Some(Refusal::new(Code::Stale, "it has changed since the preview"))
            };
            match why {
                None => items.push(item),
                Some(why) => changed.push((item, why)),
            }
        }
        let changed = self.excluded(actor, changed)?;
        if !changed.is_empty() && ask.on_conflict == OnConflict::Abort {
            let name =
                |one: &Excluded| Some(format!("{} {}", one.reference.as_ref()?, one.field_name));
            let names: Vec<String> = changed.iter().filter_map(name).take(NAMED).collect();
            let more = if changed.len() > names.len() { " and others" } else { "" };
            let message = match changed.len() {
                1 => format!("one item has changed since the preview: {}", names.join(", ")),
                many => format!(
                    "{many} items have changed since the preview: {}{more}",
                    names.join(", ")
                ),
            };
            let mut refusal = Refusal::new(Code::MembershipChanged, message);
            for one in changed.into_iter().take(100) {
                refusal = refusal.with(one.id, one.why);
            }
            return Err(refusal);
        }
        if items.is_empty() {
            return Err(Refusal::new(Code::NothingLeft, "none of the items can be decided now"));
        }
        let reason = match code.as_deref() {
            Some(code) => self.tables.reason_by_code(code)?,
            None => None,
        };
        self.tables.delete_preview(&ask.token)?;
        let (proposal, _) = self.open(
            actor,
            Draft {
                kind: ProposalKind::Bulk,
                action: Some(action),
                reason,
                payload: None,
                comments,
                items,
                label: None,
            },
        )?;
        Ok(BulkCommitted { proposal: self.moved(actor, &proposal)?, skipped: changed })
    }
}

/// `1,423`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Counts of the items by field, type, severity and reason.
fn breakdown(items: &[Weighed]) -> Vec<Share> {
    let mut shares: BTreeMap<(u8, &'static str, String), u64> = BTreeMap::new();
    for one in items {
        for (at, by, value) in [
            (0, "field_name", one.field.clone()),
            (1, "diff_type", one.item.diff_type.name().to_owned()),
            (2, "severity", one.item.severity.name().to_owned()),
            (3, "reason_code", one.predicted_code.clone()),
        ] {
            *shares.entry((at, by, value)).or_default() += 1;
        }
    }
    shares
        .into_iter()
        .map(|((_, by, value), count)| Share { by: by.to_owned(), value, count })
        .collect()
}

/// Outliers (of a rare kind, or with the largest amounts if the person may see those), and twenty random items.
fn shown(items: &[Weighed], token: &str, by_amount: bool) -> (Vec<Item>, Vec<Item>) {
    let mut kinds: HashMap<Option<i64>, usize> = HashMap::new();
    for one in items {
        *kinds.entry(one.item.signature_id).or_default() += 1;
    }
    let rare = items.len() / 20;
    let mut outliers: Vec<&Weighed> = items
        .iter()
        .filter(|one| kinds.get(&one.item.signature_id).is_some_and(|count| *count <= rare))
        .collect();
    let amount = |one: &Weighed| one.amount.filter(|_| by_amount);
    let size = |one: &Weighed| amount(one).map_or(0.0, crate::domain::Decimal::to_f64);
    outliers.sort_by(|left, right| size(right).total_cmp(&size(left)));
    if outliers.is_empty() && items.len() > SAMPLE {
        let mut amounts: Vec<f64> = items.iter().map(size).collect();
        amounts.sort_by(f64::total_cmp);
        let median = amounts.get(amounts.len() / 2).copied().unwrap_or_default();
        outliers = items.iter().filter(|one| median > 0.0 && size(one) > 10.0 * median).collect();
        outliers.sort_by(|left, right| size(right).total_cmp(&size(left)));
    }
    let outliers = outliers.into_iter().take(5).map(|one| one.item.clone()).collect();
    let mut drawn: Vec<(Vec<u8>, &Weighed)> = items
        .iter()
        .map(|one| {
            let ItemKey { run_no, number } = one.item.key;
            let lot = Sha256::digest(format!("{token} {run_no} {number}").as_bytes());
            (lot.to_vec(), one)
        })
        .collect();
    drawn.sort_by(|left, right| left.0.cmp(&right.0));
    let sample = drawn.into_iter().take(SAMPLE).map(|(_, one)| one.item.clone()).collect();
    (outliers, sample)
}
