//! State transitions of proposals, and which decisions an item allows.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Code;
use crate::domain::Status;
use crate::domain::attribution::UNKNOWN;
use crate::domain::difference::names;

/// The code for ongoing investigation: like UNKNOWN, it is not a cause.
pub const PENDING_INVESTIGATION: &str = "PENDING_INVESTIGATION";

/// True for causes: no other code can be accepted.
pub fn is_cause(code: &str) -> bool {
    code != UNKNOWN && code != PENDING_INVESTIGATION
}

macro_rules! serde_names {
    ($($name:ident),+) => {
        $(impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::from_name(&name).ok_or_else(|| {
                    let names = Self::ALL.iter().map(|one| one.name()).collect::<Vec<_>>();
                    serde::de::Error::custom(format!("`{name}` is not one of {}", names.join(", ")))
                })
            }
        })+
    };
}
pub(crate) use serde_names;

names! {
    /// A maker's decision about an item.
    Action {
        /// The suggested reason is right.
        Approve = "APPROVE" = 1,
        /// Another reason is.
        Override = "OVERRIDE" = 2,
        /// A confirmed break, which no reason explains.
        Reject = "REJECT" = 3,
    }
}

impl Action {
    /// The status of an item once the decision is applied.
    pub const fn outcome(self) -> Status {
        match self {
            Self::Approve | Self::Override => Status::Accepted,
            Self::Reject => Status::Rejected,
        }
    }

    pub const fn needs_comment(self) -> bool {
        !matches!(self, Self::Approve)
    }
}

names! {
    ProposalKind {
        Attribution = "ATTRIBUTION" = 1,
        /// Many items at once.
        Bulk = "BULK" = 2,
        /// An item that had been decided.
        Reopen = "REOPEN" = 3,
        ReasonCode = "REASON_CODE" = 4,
        Rule = "RULE" = 5,
        /// The policy of the review.
        Policy = "POLICY" = 6,
    }
}

impl ProposalKind {
    /// True if its items are attributions.
    pub const fn has_items(self) -> bool {
        matches!(self, Self::Attribution | Self::Bulk | Self::Reopen)
    }
}

names! {
    ProposalState {
        /// Waits for a checker.
        Open = "OPEN" = 1,
        /// Checked; waits for an authorizer.
        Checked = "CHECKED" = 2,
        /// Done: its items are decided.
        Applied = "APPLIED" = 3,
        /// Sent back.
        Returned = "RETURNED" = 4,
        /// Taken back by one of its makers.
        Withdrawn = "WITHDRAWN" = 5,
        /// Its item has changed.
        Stale = "STALE" = 6,
        Expired = "EXPIRED" = 7,
    }
}

impl ProposalState {
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Checked)
    }

    /// The stage that decides next.
    pub const fn asks(self) -> Option<Stage> {
        match self {
            Self::Open => Some(Stage::Checker),
            Self::Checked => Some(Stage::Authorizer),
            _ => None,
        }
    }
}

names! {
    Stage {
        /// The machine.
        System = "SYSTEM" = 1,
        Maker = "MAKER" = 2,
        Checker = "CHECKER" = 3,
        Authorizer = "AUTHORIZER" = 4,
        Admin = "ADMIN" = 5,
    }
}

names! {
    /// Number of people that a decision needs.
    Eyes {
        /// One person.
        Two = "TWO_EYE" = 2,
        /// A maker and a checker.
        Four = "FOUR_EYE" = 4,
        /// A maker, a checker and an authorizer.
        Six = "SIX_EYE" = 6,
    }
}

names! {
    /// The control under which a decision was made, for the audit trail.
    Control {
        /// One user alone (`--solo`).
        None = "NONE" = 0,
        /// One user, allowed by the policy.
        TwoEye = "TWO_EYE" = 2,
        /// Two persons.
        FourEye = "FOUR_EYE" = 4,
        /// Three persons.
        SixEye = "SIX_EYE" = 6,
    }
}

impl From<Eyes> for Control {
    fn from(eyes: Eyes) -> Self {
        match eyes {
            Eyes::Two => Self::TwoEye,
            Eyes::Four => Self::FourEye,
            Eyes::Six => Self::SixEye,
        }
    }
}

serde_names!(Action, ProposalKind, ProposalState, Stage, Control, Status);

/// The number of eyes, as the field calls it.
impl Serialize for Eyes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl<'de> Deserialize<'de> for Eyes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = u8::deserialize(deserializer)?;
        Self::from_code(code).ok_or_else(|| serde::de::Error::custom("eyes are 2, 4 or 6"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The next stage approves.
    Approve,
    /// The next stage sends it back.
    Return,
    Withdraw,
    /// The maker amends it; earlier approvals are void.
    Amend,
    /// Its item has changed.
    Invalidate,
    Expire,
}

/// The next state; `None` if the transition does not exist.
pub const fn next(state: ProposalState, eyes: Eyes, happens: Move) -> Option<ProposalState> {
    use ProposalState as S;
    match (state, happens) {
        (S::Open, Move::Approve) => {
            Some(if matches!(eyes, Eyes::Six) { S::Checked } else { S::Applied })
        }
        (S::Checked, Move::Approve) => Some(S::Applied),
        (S::Open | S::Checked, Move::Return) => Some(S::Returned),
        (S::Open | S::Checked, Move::Withdraw) => Some(S::Withdrawn),
        (S::Open | S::Checked, Move::Amend) => Some(S::Open),
        (S::Open | S::Checked, Move::Invalidate) => Some(S::Stale),
        (S::Open | S::Checked, Move::Expire) => Some(S::Expired),
        _ => None,
    }
}

/// Why a maker may not decide this about an undecided item. `new` is the chosen code and whether it
/// is active.
pub fn refuse_decision(
    action: Action,
    current: Option<&str>,
    new: Option<(&str, bool)>,
) -> Option<Code> {
    match action {
        Action::Approve => match (current.filter(|code| is_cause(code)), new) {
            (None, _) => Some(Code::NoReasonToApprove),
            (Some(current), Some((code, _))) if current != code => Some(Code::ApproveTakesNoCode),
            (Some(_), _) => None,
        },
        Action::Override => match new {
            None => Some(Code::ReasonCodeRequired),
            Some((code, active)) if !active || !is_cause(code) => Some(Code::InvalidReasonCode),
            Some((code, _)) if current == Some(code) => Some(Code::SameReasonCode),
            Some(_) => None,
        },
        Action::Reject => new.is_some().then_some(Code::RejectTakesNoCode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_proposals_stay_closed() {
        let moves = [
            Move::Approve,
            Move::Return,
            Move::Withdraw,
            Move::Amend,
            Move::Invalidate,
            Move::Expire,
        ];
        for state in ProposalState::ALL {
            for eyes in Eyes::ALL {
                for happens in moves {
                    let to = next(*state, *eyes, happens);
                    assert_eq!(to.is_some(), state.is_open(), "{state} {happens:?}");
                }
            }
        }
    }

    #[test]
    fn six_eyes_are_three_persons() {
        assert_eq!(
            next(ProposalState::Open, Eyes::Six, Move::Approve),
            Some(ProposalState::Checked)
        );
        assert_eq!(
            next(ProposalState::Open, Eyes::Four, Move::Approve),
            Some(ProposalState::Applied)
        );
        assert_eq!(
            next(ProposalState::Checked, Eyes::Six, Move::Approve),
            Some(ProposalState::Applied)
        );
    }

    #[test]
    fn unknown_is_never_accepted() {
        for current in [None, Some("UNKNOWN"), Some("PENDING_INVESTIGATION")] {
            let refused = refuse_decision(Action::Approve, current, None);
            assert_eq!(refused, Some(Code::NoReasonToApprove));
        }
        assert_eq!(refuse_decision(Action::Approve, Some("FX"), None), None);
        assert_eq!(
            refuse_decision(Action::Override, Some("FX"), Some(("UNKNOWN", true))),
            Some(Code::InvalidReasonCode)
        );
        assert_eq!(
            refuse_decision(Action::Override, Some("FX"), Some(("FX", true))),
            Some(Code::SameReasonCode)
        );
        assert_eq!(
            refuse_decision(Action::Override, Some("FX"), Some(("OLD", false))),
            Some(Code::InvalidReasonCode)
        );
        assert_eq!(refuse_decision(Action::Override, Some("FX"), Some(("TIMING", true))), None);
        assert_eq!(refuse_decision(Action::Override, None, None), Some(Code::ReasonCodeRequired));
        assert_eq!(refuse_decision(Action::Reject, Some("UNKNOWN"), None), None);
    }
}
