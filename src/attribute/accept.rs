//! Acceptance: whether the machine may settle a cause on its own.

use super::risk::Budget;
use crate::domain::attribution::UNKNOWN;
use crate::domain::{Confidence, Status};

/// The code of differences that people are looking into; the machine never settles it.
const PENDING_INVESTIGATION: &str = "PENDING_INVESTIGATION";

/// How it is told what is sure enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sure {
    /// A claimed confidence of at least this.
    From(Confidence),
    /// A measured confidence that keeps this budget.
    Within(Budget),
}

/// What the machine may settle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance {
    /// What is sure enough.
    pub sure: Sure,
    /// Only reasons that business explains (`accept: functional`).
    pub functional_only: bool,
}

impl Acceptance {
    /// The status of a difference that got this reason, and why it was not accepted although it is
    /// `sure` enough. `held_back` says why the machine must not accept it.
    pub fn status(
        &self,
        reason: &str,
        functional: bool,
        sure: bool,
        held_back: Option<&str>,
    ) -> (Status, Option<String>) {
        let is_named = !matches!(reason, UNKNOWN | PENDING_INVESTIGATION);
        if !is_named || !sure {
            (Status::Unknown, None)
        } else if let Some(why) = held_back {
            (Status::Unknown, Some(format!("not accepted: {why}")))
        } else if self.functional_only && !functional {
            let why = "not accepted: only functional reasons are accepted automatically";
            (Status::Unknown, Some(why.to_owned()))
        } else {
            (Status::Accepted, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_is_sure_enough_and_allowed() {
        let all = Acceptance { sure: Sure::From(Confidence::ONE), functional_only: false };
        let functional = Acceptance { functional_only: true, ..all };
        assert_eq!(all.status("X", false, true, None).0, Status::Accepted);
        assert_eq!(all.status("X", true, false, None).0, Status::Unknown);
        let held_back = all.status("X", true, true, Some("all differ so"));
        let why = "not accepted: all differ so".to_owned();
        assert_eq!(held_back, (Status::Unknown, Some(why)));
        assert_eq!(all.status(UNKNOWN, true, true, None).0, Status::Unknown);
        assert_eq!(functional.status("X", false, true, None).0, Status::Unknown);
        assert_eq!(functional.status("X", true, true, None).0, Status::Accepted);
    }
}
