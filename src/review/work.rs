//! Common parts of all commands: one transaction, the policy in force, answers to repeated
//! requests, and audit rows.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{ContentHash, Control, Eyes, Policy, Stage, comment};
use crate::store::audit::{self, By, Entry};
use crate::store::review::{
    Item, ItemKey, ItemQuery, KeptAnswer, Proposal, ReviewTables, policy_in_force,
};
use crate::store::seal;
use crate::store::time_text;
use crate::store::transact::{self, Transaction};

use super::actor::{Actor, Directory, Idempotency};
use super::groups::CountedItems;
use super::refusal::{Refusal, RefusalKind};
use super::responses::Done;
use super::search::{Hits, Looked};
use super::visibility::Visibility;
use super::{CommandResult, Review};

/// A transaction of a command or query.
pub(super) struct Work<'t> {
    pub tables: ReviewTables<'t>,
    pub now: Instant,
    pub policy: Policy,
    pub policy_version: i64,
    pub solo: bool,
    pub directory: &'t dyn Directory,
    /// The hits of the searches of this transaction.
    pub hits: BTreeMap<String, Rc<Hits>>,
    pub looked: Looked,
    /// The last filter whose items were counted in memory.
    pub counted: Option<(ItemQuery, Rc<CountedItems>)>,
}

impl Review<'_> {
    pub(super) fn now(&self) -> Instant {
        (self.settings.clock)()
    }

    /// Runs a command: all of it, or nothing. A request with a key that was answered gets that answer.
    pub(super) fn write<T: Serialize + DeserializeOwned>(
        &self,
        actor: &Actor,
        mut work: impl FnMut(&mut Work<'_>) -> Result<T, Refusal>,
    ) -> CommandResult<T> {
        let done = transact::write(self.store, |tx| -> Result<Done<T>, Refusal> {
            if let Some(value) = answered(tx, actor)? {
                return Ok(Done { value, replayed: true });
            }
            let value = self.within(tx, &mut work)?;
            remember(tx, actor, &value, self.now())?;
            Ok(Done { value, replayed: false })
        });
        if let Err(refusal) = &done {
            self.note(actor, refusal);
        }
        done
    }

    /// Runs a query on one moment of the store.
    pub(super) fn read<T>(
        &self,
        mut work: impl FnMut(&mut Work<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut value = None;
        self.store.read(&mut |tx| {
            value = Some(self.within(tx, &mut work));
            Ok(())
        })?;
        value.unwrap_or_else(|| {
            Err(Problem::new(Code::NothingDone, "a query ended without a result").into())
        })
    }

    pub(super) fn within<T>(
        &self,
        tx: &mut dyn Transaction,
        work: &mut dyn FnMut(&mut Work<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (policy_version, policy) = policy_in_force(tx)?;
        work(&mut Work {
            tables: ReviewTables::new(tx),
            now: self.now(),
            policy,
            policy_version,
            solo: self.settings.solo,
            directory: &*self.settings.directory,
            hits: BTreeMap::new(),
            looked: Looked::default(),
            counted: None,
        })
    }

    /// Records refusals that the page itself never causes.
    fn note(&self, actor: &Actor, refusal: &Refusal) {
        if matches!(refusal.kind, RefusalKind::Forbidden | RefusalKind::Stale)
            || refusal.code == Code::ContentDiffers
        {
            self.note_refused(actor, refusal.code, None, &refusal.message);
        }
    }
}

fn answered<T: DeserializeOwned>(
    tx: &mut dyn Transaction,
    actor: &Actor,
) -> Result<Option<T>, Refusal> {
    let Some(asked) = &actor.idempotency else { return Ok(None) };
    if !Idempotency::is_key(&asked.key) {
        let message = "a key has 1 to 100 letters, digits, `_`, `.`, `:` and `-`";
        return Err(Refusal::new(Code::InvalidIdempotencyKey, message));
    }
    let Some((body_hash, answer)) = kept(actor, asked).find(tx)? else { return Ok(None) };
    if body_hash != asked.body_hash {
        return Err(Refusal::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used for another request",
        ));
    }
    let answer = serde_json::from_str(&answer).map_err(|error| {
        Problem::new(Code::StoreDamaged, format!("a kept answer can't be read: {error}"))
    })?;
    Ok(Some(answer))
}

fn remember<T: Serialize>(
    tx: &mut dyn Transaction,
    actor: &Actor,
    value: &T,
    now: Instant,
) -> Result<(), Problem> {
    let Some(asked) = &actor.idempotency else { return Ok(()) };
    let answer = serde_json::to_string(value).map_err(|error| {
        Problem::new(Code::AnswerUnwritable, format!("an answer is no JSON: {error}"))
    })?;
    // A day is long enough for a client to find out the result of its request.
    let oldest = time_text(Instant::new(now.seconds() - 86_400, 0));
    kept(actor, asked).store(tx, &answer, &time_text(now), &oldest)
}

fn kept<'a>(actor: &'a Actor, asked: &'a Idempotency) -> KeptAnswer<'a> {
    KeptAnswer {
        person_id: &actor.person_id,
        route: &asked.route,
        key: &asked.key,
        body_hash: &asked.body_hash,
    }
}

/// A comment as stored: trimmed, and checked for its length.
pub(super) fn checked_comment(
    comments: Option<&str>,
    needed: bool,
) -> Result<Option<String>, Refusal> {
    let comments = comments.map(str::trim).filter(|text| !text.is_empty());
    let comments = comments.map(|text| text.replace('\0', "\u{fffd}"));
    if needed && !comments.as_deref().is_some_and(comment::says_something) {
        let message = format!("say why, in at least {} visible characters", comment::LEAST);
        return Err(Refusal::new(Code::CommentRequired, message.clone()).with("comments", message));
    }
    if comments.as_deref().is_some_and(|text| text.chars().count() > comment::MOST) {
        let message = format!("a comment has at most {} characters", comment::MOST);
        return Err(Refusal::new(Code::CommentTooLong, message.clone()).with("comments", message));
    }
    Ok(comments)
}

/// An item's state, as audit rows show it.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub status: &'static str,
    pub reason_code: String,
    pub confidence: f64,
    pub locked: bool,
    pub version: i64,
    pub assigned_by: Option<String>,
    pub functional: Option<bool>,
    pub assigned_at: Option<String>,
}

impl State {
    /// As a JSON object; `more` follows.
    pub fn json(&self) -> Json {
        json!({
            "status": self.status,
            "reason_code": self.reason_code,
            "confidence": self.confidence,
            "is_locked": self.locked,
            "version": self.version,
            "assigned_by": self.assigned_by,
            "functional": self.functional,
            "assigned_at": self.assigned_at,
        })
    }

    /// The same with more values of the row.
    pub fn with(&self, more: Json) -> Json {
        let mut all = self.json();
        if let (Some(all), Json::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        all
    }
}

/// A proposal's version and content, for audit rows.
#[derive(Clone, Debug)]
pub(super) struct Moment<'a> {
    pub proposal_id: &'a str,
    pub version: i64,
    pub hash: ContentHash,
    pub control: Control,
}

impl Work<'_> {
    pub fn visibility(&self, actor: &Actor) -> Visibility {
        Visibility::of(&self.policy, actor)
    }

    pub fn at(&self) -> String {
        time_text(self.now)
    }

    /// A new id, ordered by time.
    pub fn new_id(&self) -> String {
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            self.now.seconds().cast_unsigned(),
            self.now.nanoseconds(),
        ))
        .to_string()
    }

    pub fn item(&mut self, attribution_id: &str, lock: bool) -> Result<Item, Refusal> {
        self.tables.item(attribution_id, lock)?.ok_or_else(no_such_item)
    }

    /// Where the items of these attribution ids are.
    pub fn keys<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<Vec<ItemKey>, Refusal> {
        self.tables.keys(ids)?.ok_or_else(no_such_item)
    }

    /// The proposal of this id, locked if it is to be changed.
    pub fn proposal(&mut self, proposal_id: &str, lock: bool) -> Result<Proposal, Refusal> {
        self.tables
            .proposal(proposal_id, lock)?
            .ok_or_else(|| Refusal::new(Code::NoSuchProposal, "there is no such proposal"))
    }

    pub fn state(&mut self, item: &Item) -> Result<State, Problem> {
        Ok(State {
            status: item.status.name(),
            reason_code: self.tables.reason(item.reason_id)?.map_or_else(String::new, |r| r.code),
            confidence: item.confidence,
            locked: item.locked,
            version: item.version,
            assigned_by: item.assigned_by.clone(),
            functional: item.functional,
            assigned_at: item.assigned_at.clone(),
        })
    }

    /// An entry about an item of a proposal.
    #[expect(clippy::too_many_arguments, reason = "an audit row says this much")]
    pub fn entry(
        &self,
        stage: Stage,
        action_type: &str,
        attribution_id: &str,
        moment: &Moment<'_>,
        before: &State,
        after: &State,
        comments: Option<&str>,
        more: Json,
    ) -> Entry {
        let versions = |prefix: &str| {
            before.assigned_by.as_deref().filter(|by| by.starts_with(prefix)).map(str::to_owned)
        };
        Entry {
            attribution_id: Some(attribution_id.to_owned()),
            entity_type: "attribution".to_owned(),
            entity_id: attribution_id.to_owned(),
            stage: stage.name().to_owned(),
            action_type: action_type.to_owned(),
            previous_value: Some(before.json().to_string()),
            new_value: Some(after.with(more).to_string()),
            comments: comments.map(str::to_owned),
            proposal_id: Some(moment.proposal_id.to_owned()),
            proposal_version: Some(moment.version),
            proposal_hash: Some(moment.hash.0),
            policy_version: Some(self.policy_version),
            model_version: versions("MODEL:"),
            rule_version: versions("RULE:"),
            control: Some(moment.control.name().to_owned()),
        }
    }

    /// Appends audit rows, the last about each proposal with a digest of the proposal as it is now. Comes
    /// after all other locks, to avoid deadlock. Under `--solo` every row says so.
    pub fn audit(&mut self, by: &By, entries: &[Entry]) -> Result<(), Problem> {
        audit::head(self.tables.tx, true)?;
        self.tables.write_counts()?;
        let mut entries = entries.to_vec();
        if self.solo {
            for entry in &mut entries {
                entry.control = Some(Control::None.name().to_owned());
            }
        }
        seal::seal(self.tables.tx, &mut entries)?;
        audit::append(self.tables.tx, self.now, by, &entries).map(drop)
    }

    /// Refuses changes that would outlive a session under `--solo`.
    pub fn refuse_lasting(&self) -> Result<(), Refusal> {
        if self.solo {
            return Err(Refusal::new(
                Code::Solo,
                "one person alone (`--solo`) makes nothing that outlives it: reasons, policies, people \
                 and tokens are made by a server with people",
            ));
        }
        Ok(())
    }

    /// The control under which a decision with these eyes is made.
    pub const fn control(&self, eyes: Eyes) -> Control {
        if self.solo {
            return Control::None;
        }
        match eyes {
            Eyes::Two => Control::TwoEye,
            Eyes::Four => Control::FourEye,
            Eyes::Six => Control::SixEye,
        }
    }
}

// The words are those of the predecessor's API, which its clients know.
fn no_such_item() -> Refusal {
    Refusal::new(Code::NoSuchItem, "Attribution record not found")
}
