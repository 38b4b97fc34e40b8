//! Random sequences of user actions, on the review and on a small model of it: after every step
//! both agree about every item and proposal, and the trail records it.
//!
//! `RECON_MODEL_CASES` sets the number of sequences on SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use recon::diagnostic::Code;
use recon::domain::review::{
    Action, Permission, Policy, ProposalKind, ProposalState as State, Role, Roles,
};
use recon::domain::{RunId, Status};
use recon::review::{
    Actor, Amend, Approve, BulkCommit, BulkPreviewAsk, Close, Idempotency, OnConflict, ProposalTag,
    Refusal, RefusalKind, Reopen, Resolve,
};
use recon::store::Store;
use recon::store::audit::Checkpoint;

use super::{assert_sound, checkpoint, examined};
use crate::review::fixture::{CLUELESS, GUESS, Given, ReviewStage, SETTLED, item_id, stock, team};
use crate::store::Place;
use crate::store::fixture::column;

const NAMES: [&str; 9] = ["ann", "bob", "sam", "sue", "sid", "max", "mia", "aud", "adm"];
/// Of [`NAMES`], as the team of the tests gives them.
const ROLES: [Role; 9] = [
    Role::Analyst,
    Role::Analyst,
    Role::Senior,
    Role::Supervisor,
    Role::Supervisor,
    Role::Manager,
    Role::Manager,
    Role::Auditor,
    Role::Admin,
];
const CODES: [Option<&str>; 6] =
    [Some("ROUNDING"), Some("TIMING"), Some("TYPO"), Some("UNKNOWN"), Some("NOWHERE"), None];
const COMMENTS: [Option<&str>; 3] = [Some("it is so"), Some(" \u{200b}a "), None];
const ACTIONS: [Action; 3] = [Action::Approve, Action::Override, Action::Reject];
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// An attempted action. Numbers are taken modulo what exists.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Item; how wrong the version seen by the maker is (0: right, 3: none given).
    Resolve {
        who: usize,
        item: usize,
        what: Choice,
        stale: u8,
    },
    Reopen {
        who: usize,
        item: usize,
        what: Choice,
        stale: u8,
    },
    Amend {
        who: usize,
        proposal: usize,
        what: Choice,
        stale: bool,
    },
    Approve {
        who: usize,
        proposal: usize,
        stale: bool,
        other_hash: bool,
    },
    Return {
        who: usize,
        proposal: usize,
        comment: usize,
        stale: bool,
    },
    Withdraw {
        who: usize,
        proposal: usize,
        stale: bool,
    },
    Undo {
        who: usize,
    },
    /// Items by bits; the one decided between preview and commit, if any.
    Bulk {
        who: usize,
        items: u16,
        what: Choice,
        meanwhile: Option<usize>,
        skip: bool,
    },
    Comment {
        who: usize,
        item: usize,
    },
    Assign {
        who: usize,
        item: usize,
        to: usize,
    },
    Claim {
        who: usize,
        item: usize,
    },
    /// Disables or enables a user.
    Disable {
        who: usize,
    },
    /// Deactivates or activates a reason code.
    Switch {
        code: usize,
    },
    Clock {
        days: i64,
        minutes: i64,
    },
    Tidy,
    /// Repeats the last accepted request with its key; the second with another body.
    Repeat {
        other_body: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Choice {
    action: usize,
    code: usize,
    comment: usize,
}

/// Mostly allowed actions.
fn what() -> impl Strategy<Value = Choice> {
    let comment = prop_oneof![8 => Just(0usize), 1 => 1..3usize];
    let sensible = prop_oneof![
        3 => Just((0usize, 5usize)),
        2 => Just((1usize, 1usize)),
        1 => Just((1usize, 0usize)),
        1 => Just((1usize, 2usize)),
        2 => Just((2usize, 5usize)),
    ];
    let chosen = prop_oneof![6 => sensible, 1 => (0..3usize, 0..6usize)];
    (chosen, comment).prop_map(|((action, code), comment)| Choice { action, code, comment })
}

/// Rare actions.
fn seldom() -> impl Strategy<Value = bool> {
    prop_oneof![12 => Just(false), 1 => Just(true)]
}

fn op() -> impl Strategy<Value = Op> {
    let (anybody, item, proposal) = (0..NAMES.len(), 0..4096usize, 0..4096usize);
    let maker = prop_oneof![8 => 0..7usize, 1 => 7..9usize];
    let checker = prop_oneof![8 => 3..7usize, 1 => 0..9usize];
    let stale = prop_oneof![12 => Just(0u8), 1 => 1..4u8];
    prop_oneof![
        9 => (maker.clone(), item.clone(), what(), stale.clone())
            .prop_map(|(who, item, what, stale)| Op::Resolve { who, item, what, stale }),
        4 => (maker.clone(), item.clone(), what(), stale)
            .prop_map(|(who, item, what, stale)| Op::Reopen { who, item, what, stale }),
        3 => (maker.clone(), proposal.clone(), what(), seldom())
            .prop_map(|(who, proposal, what, stale)| Op::Amend { who, proposal, what, stale }),
        16 => (checker.clone(), proposal.clone(), seldom(), seldom()).prop_map(
            |(who, proposal, stale, other_hash)| Op::Approve { who, proposal, stale, other_hash }
        ),
        2 => (
            checker,
            proposal.clone(),
            prop_oneof![4 => Just(0usize), 1 => 1..3usize],
            seldom(),
        )
            .prop_map(|(who, proposal, comment, stale)| Op::Return {
                who,
                proposal,
                comment,
                stale
            }),
        2 => (maker.clone(), proposal.clone(), seldom())
            .prop_map(|(who, proposal, stale)| Op::Withdraw { who, proposal, stale }),
        1 => maker.clone().prop_map(|who| Op::Undo { who }),
        3 => (
            maker.clone(),
            any::<u16>(),
            what(),
            proptest::option::weighted(0.3, item.clone()),
            any::<bool>(),
        )
            .prop_map(|(who, items, what, meanwhile, skip)| Op::Bulk {
                who,
                items,
                what,
                meanwhile,
                skip
            }),
        1 => (anybody.clone(), item.clone()).prop_map(|(who, item)| Op::Comment { who, item }),
        1 => (anybody.clone(), item.clone(), anybody.clone())
            .prop_map(|(who, item, to)| Op::Assign { who, item, to }),
        1 => (anybody.clone(), item).prop_map(|(who, item)| Op::Claim { who, item }),
        2 => anybody.prop_map(|who| Op::Disable { who }),
        1 => (0..3usize).prop_map(|code| Op::Switch { code }),
        1 => prop_oneof![
            4 => (Just(0i64), -90..90i64),
            1 => (Just(31i64), Just(0i64)),
        ]
            .prop_map(|(days, minutes)| Op::Clock { days, minutes }),
        1 => Just(Op::Tidy),
        2 => any::<bool>().prop_map(|other_body| Op::Repeat { other_body }),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    status: Status,
    reason: &'static str,
    confidence: f64,
    locked: bool,
    version: i64,
    by: String,
}

impl Item {
    fn by_person(&self) -> bool {
        !self.by.contains(':') && self.by != "NONE"
    }
}

#[derive(Clone, Debug)]
struct Proposal {
    id: String,
    reopen: bool,
    state: State,
    eyes: u8,
    version: i64,
    tag: String,
    hash: recon::domain::review::ContentHash,
    action: Action,
    code: Option<&'static str>,
    maker: usize,
    contributors: BTreeSet<usize>,
    checker: Option<usize>,
    /// With the previous state of each item.
    items: Vec<(usize, Item)>,
    expires: i64,
}

/// The mode in which decisions are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// Four eyes, and six.
    Usual,
    /// One user may confirm if no trigger fires.
    TwoEye,
    /// One user decides alone.
    Solo,
}

struct World<'a> {
    rules: Rules,
    store: &'a dyn Store,
    place: &'a Place,
    stage: &'a ReviewStage,
    run: RunId,
    items: Vec<Item>,
    proposals: Vec<Proposal>,
    roles: BTreeMap<usize, Roles>,
    inactive: BTreeSet<&'static str>,
    /// Status changes: the trail has a row for each.
    changes: usize,
    /// Requests so far, for their keys.
    requests: usize,
    last: Option<(Actor, Resolve, Outcome)>,
    end: Checkpoint,
}

type Outcome = Result<String, &'static str>;

fn functional(code: &str) -> bool {
    code == "ROUNDING" || code == "TIMING"
}

fn is_cause(code: &str) -> bool {
    code != "UNKNOWN"
}

impl<'a> World<'a> {
    fn new(rules: Rules, place: &'a Place, store: &'a dyn Store, stage: &'a ReviewStage) -> Self {
        if rules == Rules::TwoEye {
            let policy = Policy { two_eye_low_risk: true, ..Policy::default() };
            stage.review(store).adopt_policy(&policy).unwrap();
        }
        let given = [
            GUESS,
            GUESS,
            CLUELESS,
            SETTLED,
            Given { confidence: 0.95, ..GUESS },
            Given { reason: "TYPO", ..GUESS },
            Given { amount: 7, ..SETTLED },
            CLUELESS,
        ];
        let items = given.iter().map(|given| Item {
            status: given.status,
            reason: given.reason,
            confidence: given.confidence,
            locked: false,
            version: 1,
            by: if given.reason == "UNKNOWN" { "NONE" } else { "RULE:near" }.to_owned(),
        });
        let items = items.collect();
        let run = stock(store, "fx", &given);
        Self {
            rules,
            store,
            place,
            stage,
            run,
            items,
            proposals: Vec::new(),
            roles: ROLES.iter().map(|role| Roles::of([*role])).enumerate().collect(),
            inactive: BTreeSet::new(),
            changes: 0,
            requests: 0,
            last: None,
            end: checkpoint(store),
        }
    }

    fn actor(&mut self, who: usize) -> Actor {
        self.requests += 1;
        let mut actor = self.stage.actor(NAMES[who]);
        actor.idempotency = Some(Idempotency {
            key: format!("request-{}", self.requests),
            route: "POST /somewhere".to_owned(),
            body_hash: "00".to_owned(),
        });
        actor
    }

    fn may(&self, who: usize, permission: Permission) -> bool {
        self.roles.get(&who).is_some_and(|roles| roles.permissions().contains(permission))
    }

    fn id(&self, item: usize) -> String {
        item_id(self.run, item as u64 + 1)
    }

    fn now(&self) -> i64 {
        self.stage.clock.load(Ordering::Relaxed)
    }

    /// True if a decision about an item in this state is allowed, apart from its status.
    fn choice(&self, item: &Item, what: Choice) -> bool {
        let code = CODES[what.code];
        match ACTIONS[what.action] {
            Action::Approve => {
                is_cause(item.reason)
                    && !self.inactive.contains(item.reason)
                    && code.is_none_or(|code| code == item.reason)
            }
            Action::Override => code.is_some_and(|code| {
                is_cause(code)
                    && code != "NOWHERE"
                    && code != item.reason
                    && !self.inactive.contains(code)
            }),
            Action::Reject => code.is_none(),
        }
    }

    fn said(what: Choice, always: bool) -> bool {
        !(always || ACTIONS[what.action].needs_comment()) || what.comment == 0
    }

    /// Six if a trigger of the default policy fires.
    fn eyes(&self, action: Action, code: Option<&str>, items: &[&Item]) -> u8 {
        let fires = |item: &&Item| {
            let predicted = is_cause(item.reason);
            let sure = action == Action::Override && predicted && item.confidence > 0.9;
            let crosses = action == Action::Override
                && predicted
                && code.is_some_and(|code| functional(code) != functional(item.reason));
            sure || crosses || item.by_person()
        };
        if items.iter().any(fires) { 6 } else { 4 }
    }

    fn take(
        &mut self,
        who: usize,
        what: Choice,
        members: &[usize],
        kind: ProposalKind,
        moved: Moved,
    ) {
        let (reopen, bulk) = (kind == ProposalKind::Reopen, kind == ProposalKind::Bulk);
        let action = ACTIONS[what.action];
        let code = if action == Action::Override { CODES[what.code] } else { None };
        let before: Vec<(usize, Item)> =
            members.iter().map(|at| (*at, self.items[*at].clone())).collect();
        let items: Vec<&Item> = before.iter().map(|(_, item)| item).collect();
        let eyes = self.eyes(action, code, &items);
        for at in members {
            let item = &mut self.items[*at];
            item.status = Status::Pending;
            item.locked = true;
            item.version += 1;
            self.changes += 1;
        }
        self.proposals.push(Proposal {
            id: moved.id,
            reopen,
            state: State::Open,
            eyes,
            version: 1,
            tag: moved.tag,
            hash: moved.hash,
            action,
            code,
            maker: who,
            contributors: BTreeSet::from([who]),
            checker: None,
            items: before,
            expires: self.now() + 30 * DAY,
        });
        let at = self.proposals.len() - 1;
        let low_risk = self.rules == Rules::TwoEye
            && action == Action::Approve
            && eyes == 4
            && !bulk
            && !self.proposals[at].items[0].1.locked
            && !reopen;
        if low_risk {
            self.proposals[at].eyes = 2;
        }
        if low_risk || self.rules == Rules::Solo {
            self.settle(at);
        }
    }

    /// Restores its items.
    fn give_back(&mut self, at: usize, state: State) {
        self.proposals[at].state = state;
        for (item, before) in self.proposals[at].items.clone() {
            let version = self.items[item].version + 1;
            self.items[item] = Item { version, ..before };
            self.changes += 1;
        }
    }

    fn settle(&mut self, at: usize) {
        let proposal = &mut self.proposals[at];
        proposal.state = State::Applied;
        let (action, code, maker) = (proposal.action, proposal.code, proposal.maker);
        let members: Vec<usize> = proposal.items.iter().map(|(item, _)| *item).collect();
        for at in members {
            let item = &mut self.items[at];
            item.status = action.outcome();
            item.reason = match action {
                Action::Approve => item.reason,
                Action::Override => code.unwrap(),
                Action::Reject => "UNKNOWN",
            };
            item.confidence = if action == Action::Reject { 0.0 } else { 1.0 };
            item.version += 1;
            item.by = NAMES[maker].to_owned();
            self.changes += 1;
        }
    }

    fn tag_of(&self, at: usize, stale: bool) -> Option<ProposalTag> {
        let mut tag: ProposalTag = self.proposals[at].tag.parse().unwrap();
        tag.version += i64::from(stale);
        Some(tag)
    }

    /// A proposal, mostly an open one.
    fn pick(&self, proposal: usize) -> Option<usize> {
        let open: Vec<usize> =
            (0..self.proposals.len()).filter(|at| self.proposals[*at].state.is_open()).collect();
        let (any, which) = (proposal.is_multiple_of(10), proposal / 10);
        if any || open.is_empty() {
            which.checked_rem(self.proposals.len())
        } else {
            Some(open[which % open.len()])
        }
    }

    /// An item, mostly of this kind.
    fn pick_item(&self, item: usize, wanted: impl Fn(&Item) -> bool) -> usize {
        let fitting: Vec<usize> =
            (0..self.items.len()).filter(|at| wanted(&self.items[*at])).collect();
        let (any, which) = (item.is_multiple_of(8), item / 8);
        if any || fitting.is_empty() {
            which % self.items.len()
        } else {
            fitting[which % fitting.len()]
        }
    }

    /// Tries the operation on the review; `Some` is the model's expectation. Updates the model if
    /// allowed.
    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        let stage = self.stage;
        let review = stage.review(self.store);
        match op {
            Op::Resolve { who, item, what, stale } => {
                let at = self.pick_item(item, |item| item.status == Status::Unknown);
                let item = &self.items[at];
                let allowed = self.may(who, Permission::Propose)
                    && Self::said(what, false)
                    && (stale == 0 || stale == 3)
                    && item.status == Status::Unknown
                    && self.choice(item, what);
                let ask = Resolve {
                    attribution_id: self.id(at),
                    action: Some(ACTIONS[what.action]),
                    new_reason_code: CODES[what.code].map(str::to_owned),
                    comments: COMMENTS[what.comment].map(str::to_owned),
                    version: match stale {
                        3 => None,
                        stale => Some(item.version + i64::from(stale)),
                    },
                };
                let actor = self.actor(who);
                let done = review.resolve(&actor, &ask).map(|done| done.value);
                let outcome = done.as_ref().map(|value| format!("{value:?}"));
                self.last = Some((actor, ask, outcome.map_err(|refusal| refusal.code.name())));
                if let Some(done) = agreed(op, allowed, done)? {
                    let tag = done.proposal_tag.unwrap();
                    let moved = self.look(done.proposal_id.unwrap(), tag);
                    self.take(who, what, &[at], ProposalKind::Attribution, moved);
                    prop_assert_eq!(done.version, self.items[at].version);
                }
            }
            Op::Reopen { who, item, what, stale } => {
                let decided =
                    |item: &Item| matches!(item.status, Status::Accepted | Status::Rejected);
                let at = self.pick_item(item, decided);
                let item = &self.items[at];
                let decided = decided(item);
                let again =
                    ACTIONS[what.action] == Action::Reject && item.status == Status::Rejected;
                let allowed = self.may(who, Permission::Propose)
                    && Self::said(what, true)
                    && stale == 0
                    && decided
                    && !again
                    && self.choice(item, what);
                let ask = Reopen {
                    attribution_id: self.id(at),
                    action: Some(ACTIONS[what.action]),
                    new_reason_code: CODES[what.code].map(str::to_owned),
                    comments: COMMENTS[what.comment].map(str::to_owned),
                    version: match stale {
                        3 => None,
                        stale => Some(item.version + i64::from(stale)),
                    },
                };
                let actor = self.actor(who);
                let done = review.reopen(&actor, &ask).map(|done| done.value);
                if let Some(done) = agreed(op, allowed, done)? {
                    let tag = done.proposal_tag.unwrap();
                    let moved = self.look(done.proposal_id.unwrap(), tag);
                    self.take(who, what, &[at], ProposalKind::Reopen, moved);
                    prop_assert_eq!(done.version, self.items[at].version);
                }
            }
            Op::Amend { who, proposal, what, stale } => {
                let Some(at) = self.pick(proposal) else { return Ok(()) };
                let known = &self.proposals[at];
                let now: Vec<&Item> =
                    known.items.iter().map(|(item, _)| &self.items[*item]).collect();
                let allowed = self.may(who, Permission::Propose)
                    && known.state.is_open()
                    && !stale
                    && Self::said(what, known.reopen)
                    && now.iter().all(|item| self.choice(item, what));
                let ask = Amend {
                    proposal_id: known.id.clone(),
                    if_match: self.tag_of(at, stale),
                    action: Some(ACTIONS[what.action]),
                    new_reason_code: CODES[what.code].map(str::to_owned),
                    comments: COMMENTS[what.comment].map(str::to_owned),
                };
                let actor = self.actor(who);
                let done = review.amend(&actor, &ask).map(|done| done.value);
                if let Some(done) = agreed(op, allowed, done)? {
                    let action = ACTIONS[what.action];
                    let code = if action == Action::Override { CODES[what.code] } else { None };
                    let before = self.proposals[at].items.clone();
                    let items: Vec<&Item> = before.iter().map(|(_, item)| item).collect();
                    let eyes = self.eyes(action, code, &items);
                    let known = &mut self.proposals[at];
                    known.version += 1;
                    known.state = State::Open;
                    known.checker = None;
                    known.contributors.insert(who);
                    (known.action, known.code) = (action, code);
                    known.eyes = known.eyes.max(eyes);
                    (known.tag, known.hash) = (done.tag, done.content_hash);
                }
            }
            Op::Approve { who, proposal, stale, other_hash } => {
                let Some(at) = self.pick(proposal) else { return Ok(()) };
                let known = &self.proposals[at];
                let stands = known.checker.is_some_and(|who| self.may(who, Permission::Check));
                let asked = match known.state {
                    State::Open => self.may(who, Permission::Check),
                    // A checker who may no longer check does not count; another is needed.
                    State::Checked => {
                        self.may(who, Permission::Authorize)
                            && (stands || self.may(who, Permission::Check))
                    }
                    _ => false,
                };
                let active = |code: &&'static str| !self.inactive.contains(code);
                let reasons = match known.action {
                    Action::Approve => {
                        known.items.iter().all(|(item, _)| active(&self.items[*item].reason))
                    }
                    Action::Override => known.code.as_ref().is_some_and(active),
                    Action::Reject => true,
                };
                let allowed = asked
                    && reasons
                    && !known.contributors.contains(&who)
                    && known.checker != Some(who)
                    && !stale
                    && !other_hash;
                let mut hash = known.hash;
                hash.0[5] ^= u8::from(other_hash);
                let ask = Approve {
                    proposal_id: known.id.clone(),
                    if_match: self.tag_of(at, stale),
                    content_hash: Some(hash),
                    comments: None,
                };
                let actor = self.actor(who);
                let done = review.approve(&actor, &ask).map(|done| done.value);
                if let Some(done) = agreed(op, allowed, done)? {
                    let known = &mut self.proposals[at];
                    if known.eyes == 6 && (known.state == State::Open || !stands) {
                        known.checker = Some(who);
                        known.state = State::Checked;
                    } else {
                        self.settle(at);
                    }
                    prop_assert_eq!(done.state, self.proposals[at].state);
                }
            }
            Op::Return { who, proposal, comment, stale } => {
                let Some(at) = self.pick(proposal) else { return Ok(()) };
                let known = &self.proposals[at];
                let asked = match known.state {
                    State::Open => self.may(who, Permission::Check),
                    State::Checked => self.may(who, Permission::Authorize),
                    _ => false,
                };
                let allowed = asked
                    && !known.contributors.contains(&who)
                    && known.checker != Some(who)
                    && comment == 0
                    && !stale;
                let ask = self.close(at, comment, stale);
                let actor = self.actor(who);
                let done = review.send_back(&actor, &ask).map(|done| done.value);
                if agreed(op, allowed, done)?.is_some() {
                    self.give_back(at, State::Returned);
                }
            }
            Op::Withdraw { who, proposal, stale } => {
                let Some(at) = self.pick(proposal) else { return Ok(()) };
                let known = &self.proposals[at];
                let allowed = self.may(who, Permission::Propose)
                    && known.state.is_open()
                    && known.contributors.contains(&who)
                    && !stale;
                let ask = self.close(at, 2, stale);
                let actor = self.actor(who);
                let done = review.withdraw(&actor, &ask).map(|done| done.value);
                if agreed(op, allowed, done)?.is_some() {
                    self.give_back(at, State::Withdrawn);
                }
            }
            Op::Undo { who } => {
                let mine =
                    |known: &Proposal| known.state.is_open() && known.contributors.contains(&who);
                let allowed = self.may(who, Permission::Propose) && self.proposals.iter().any(mine);
                let actor = self.actor(who);
                let done = review.undo(&actor).map(|done| done.value);
                if let Some(done) = agreed(op, allowed, done)? {
                    let at = self.proposals.iter().position(|known| known.id == done.proposal_id);
                    prop_assert!(at.is_some_and(|at| mine(&self.proposals[at])));
                    self.give_back(at.unwrap(), State::Withdrawn);
                }
            }
            Op::Bulk { who, items, what, meanwhile, skip } => {
                self.bulk(op, who, items, what, meanwhile, skip)?;
            }
            Op::Comment { who, item } => {
                let at = item % self.items.len();
                let allowed = self.may(who, Permission::Comment);
                let (actor, id) = (self.actor(who), self.id(at));
                agreed(op, allowed, review.comment(&actor, &id, "look at this"))?;
            }
            Op::Assign { who, item, to } => {
                let at = item % self.items.len();
                let allowed = (self.may(who, Permission::Propose)
                    || self.may(who, Permission::Check))
                    && self.roles.contains_key(&to);
                let (actor, id) = (self.actor(who), self.id(at));
                agreed(op, allowed, review.assign(&actor, &id, Some(NAMES[to])))?;
            }
            Op::Claim { who, item } => {
                let at = item % self.items.len();
                let allowed =
                    self.may(who, Permission::Propose) || self.may(who, Permission::Check);
                let (actor, id) = (self.actor(who), self.id(at));
                agreed(op, allowed, review.claim(&actor, &id))?;
            }
            Op::Disable { who } => {
                let mut people = stage.people.0.lock().unwrap();
                if self.roles.remove(&who).is_some() {
                    people.remove(NAMES[who]);
                } else {
                    self.roles.insert(who, Roles::of([ROLES[who]]));
                    people.insert(NAMES[who].to_owned(), Roles::of([ROLES[who]]));
                }
            }
            Op::Switch { code } => {
                let code = CODES[code].unwrap();
                let active = self.inactive.remove(code);
                if !active {
                    self.inactive.insert(code);
                }
                self.place.execute(&format!(
                    "UPDATE reason_codes SET is_active = {active} WHERE code = '{code}'"
                ));
            }
            Op::Clock { days, minutes } => {
                if days > 0 {
                    // Responses are kept for a day.
                    self.last = None;
                }
                stage.clock.fetch_add(days * DAY + minutes * MINUTE, Ordering::Relaxed);
            }
            Op::Tidy => {
                let closed = review.tidy().map_err(failed)?;
                let mut expected = 0;
                for at in 0..self.proposals.len() {
                    let known = &self.proposals[at];
                    if !known.state.is_open() {
                        continue;
                    }
                    let expired = known.expires <= self.now();
                    if expired {
                        self.give_back(at, State::Expired);
                    } else if known.code.is_some_and(|code| self.inactive.contains(code)) {
                        self.give_back(at, State::Stale);
                    } else {
                        continue;
                    }
                    expected += 1;
                }
                prop_assert_eq!(closed, expected);
            }
            Op::Repeat { other_body } => {
                let Some((mut actor, ask, outcome)) = self.last.clone() else { return Ok(()) };
                if outcome.is_err() {
                    // Refusals are not remembered: the request may be allowed by now.
                    return Ok(());
                }
                if let Some(asked) = &mut actor.idempotency
                    && other_body
                {
                    asked.body_hash = "01".to_owned();
                }
                let again = review.resolve(&actor, &ask);
                if other_body {
                    prop_assert_eq!(again.unwrap_err().code, Code::IdempotencyKeyReused);
                } else {
                    let again = again.map_err(failed)?;
                    prop_assert!(again.replayed);
                    prop_assert_eq!(Ok(format!("{:?}", again.value)), outcome);
                }
            }
        }
        Ok(())
    }

    fn close(&self, at: usize, comment: usize, stale: bool) -> Close {
        Close {
            proposal_id: self.proposals[at].id.clone(),
            if_match: self.tag_of(at, stale),
            comments: COMMENTS[comment].map(str::to_owned),
        }
    }

    fn bulk(
        &mut self,
        op: Op,
        who: usize,
        items: u16,
        what: Choice,
        meanwhile: Option<usize>,
        skip: bool,
    ) -> Result<(), TestCaseError> {
        let review = self.stage.review(self.store);
        let asked: Vec<usize> = (0..self.items.len()).filter(|at| items >> at & 1 == 1).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let (action, code) = (ACTIONS[what.action], CODES[what.code]);
        let codes_fit = match action {
            Action::Override => {
                code.is_some_and(|code| code != "NOWHERE" && !self.inactive.contains(code))
            }
            _ => code.is_none(),
        };
        let fits: Vec<usize> = asked
            .iter()
            .copied()
            .filter(|at| {
                self.items[*at].status == Status::Unknown && self.choice(&self.items[*at], what)
            })
            .collect();
        let actor = self.actor(who);
        let preview = review.bulk_preview(
            &actor,
            &BulkPreviewAsk {
                ids: asked.iter().map(|at| self.id(*at)).collect(),
                filter: None,
                action: Some(action),
                new_reason_code: code.map(str::to_owned),
            },
        );
        let allowed = self.may(who, Permission::Propose) && codes_fit;
        let Some(preview) = agreed(op, allowed, preview)? else { return Ok(()) };
        prop_assert_eq!(preview.count, fits.len() as u64);
        prop_assert_eq!(preview.excluded.len(), asked.len() - fits.len());
        // One of them may be decided before the commit.
        if let Some(item) = meanwhile {
            let what = Choice { action: 2, code: 5, comment: 0 };
            self.step(Op::Resolve { who: 1, item, what, stale: 0 })?;
        }
        let left: Vec<usize> =
            fits.iter().copied().filter(|at| self.items[*at].status == Status::Unknown).collect();
        let allowed =
            Self::said(what, false) && !left.is_empty() && (skip || left.len() == fits.len());
        let commit = review.bulk_commit(
            &actor,
            &BulkCommit {
                token: preview.token,
                comments: COMMENTS[what.comment].map(str::to_owned),
                on_conflict: if skip { OnConflict::Skip } else { OnConflict::Abort },
            },
        );
        let commit = commit.map(|done| done.value);
        if let Some(done) = agreed(op, allowed, commit)? {
            prop_assert_eq!(done.skipped.len(), fits.len() - left.len());
            prop_assert_eq!(done.proposal.count, left.len() as u64);
            let moved = Moved {
                id: done.proposal.proposal_id,
                tag: done.proposal.tag,
                hash: done.proposal.content_hash,
            };
            self.take(who, what, &left, ProposalKind::Bulk, moved);
        }
        Ok(())
    }

    /// The remaining properties of a new proposal, read if the response lacks them.
    fn look(&self, id: String, tag: String) -> Moved {
        let auditor = Actor::new("aud", "aud", Roles::of([Role::Auditor]));
        let review = self.stage.review(self.store);
        let seen = review.proposal(&auditor, &id, &recon::review::PageAsk::default()).unwrap();
        Moved { id, tag, hash: seen.proposal.content_hash }
    }

    /// Compares the store with the model.
    fn compare(&mut self) -> Result<(), TestCaseError> {
        let of = |sql: &str| column(self.store, sql);
        let items = of("SELECT a.status || ' ' || c.code || ' ' || a.confidence_score || ' ' || \
                        CAST(a.is_locked AS integer) || ' ' || a.version || ' ' || a.assigned_by \
                        FROM recon.attributions a \
                        JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
                        ORDER BY a.attribution_id");
        let number = |value: f64| {
            // As each backend writes integers.
            if value.fract() != 0.0 {
                value.to_string()
            } else if self.place.is_sqlite() {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            }
        };
        let expected: Vec<String> = self
            .items
            .iter()
            .map(|item| {
                format!(
                    "{} {} {} {} {} {}",
                    item.status,
                    item.reason,
                    number(item.confidence),
                    u8::from(item.locked),
                    item.version,
                    item.by
                )
            })
            .collect();
        prop_assert_eq!(items, expected);
        let mut proposals =
            of("SELECT p.proposal_id || ' ' || p.state || ' ' || p.eyes || ' ' || \
             p.version || ' ' || (SELECT count(*) FROM recon.contributors c \
                                  WHERE c.proposal_id = p.proposal_id) FROM recon.proposals p");
        proposals.sort();
        let mut expected: Vec<String> = self
            .proposals
            .iter()
            .map(|known| {
                let (state, eyes, version) = (known.state, known.eyes, known.version);
                format!("{} {state} {eyes} {version} {}", known.id, known.contributors.len())
            })
            .collect();
        expected.sort();
        prop_assert_eq!(proposals, expected);
        // One row of the trail per status change, and no others.
        let changes = of("SELECT count(*) FROM recon.audit_trail \
             WHERE previous_value ->> 'status' <> new_value ->> 'status'");
        prop_assert_eq!(changes, [self.changes.to_string()]);
        // Earlier rows are unchanged.
        let verdict = examined(self.store, std::slice::from_ref(&self.end), false);
        prop_assert!(verdict.ok, "{verdict:?}");
        assert_sound(self.store);
        self.end = checkpoint(self.store);
        Ok(())
    }
}

struct Moved {
    id: String,
    tag: String,
    hash: recon::domain::review::ContentHash,
}

fn failed(refusal: Refusal) -> TestCaseError {
    TestCaseError::fail(format!("{}: {}", refusal.code, refusal.message))
}

/// Compares the review's result with the model's expectation. A refusal is never a store failure.
fn agreed<T: std::fmt::Debug>(
    op: Op,
    allowed: bool,
    done: Result<T, Refusal>,
) -> Result<Option<T>, TestCaseError> {
    match done {
        Ok(done) => {
            prop_assert!(allowed, "was not refused: {op:?} gave {done:?}");
            Ok(Some(done))
        }
        Err(refusal) => {
            prop_assert!(refusal.kind != RefusalKind::Failed, "{op:?}: {refusal:?}");
            prop_assert!(!allowed, "{op:?} was refused: {}: {}", refusal.code, refusal.message);
            Ok(None)
        }
    }
}

fn sequences(cases: u32, steps: usize, place: fn() -> Place) {
    let config =
        Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let mut seen = [0usize; 3];
    let counted = std::cell::RefCell::new(&mut seen);
    let rules =
        prop_oneof![5 => Just(Rules::Usual), 2 => Just(Rules::TwoEye), 1 => Just(Rules::Solo)];
    let sequence = (rules, proptest::collection::vec(op(), steps / 2..steps));
    let result = runner.run(&sequence, |(rules, ops)| {
        let place = place();
        let store = place.open();
        let stage = team(rules == Rules::Solo);
        let mut world = World::new(rules, &place, &*store, &stage);
        let mut seen = counted.borrow_mut();
        seen[2] += ops.len();
        for op in ops {
            world.step(op)?;
            world.compare()?;
        }
        seen[0] += world.proposals.len();
        seen[1] += world.proposals.iter().filter(|known| known.state == State::Applied).count();
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{} steps: {} proposals, {} of them applied", seen[2], seen[0], seen[1]);
    assert!(seen[1] > 0, "nobody ever decided anything: the sequences are no good");
}

#[test]
fn the_review_matches_its_model_on_sqlite() {
    let cases = std::env::var("RECON_MODEL_CASES").ok().and_then(|cases| cases.parse().ok());
    sequences(cases.unwrap_or(24), 80, Place::quick);
}

#[test]
fn the_review_matches_its_model_on_postgres() {
    sequences(4, 60, Place::postgres);
}
