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
    /// `sure` enough.
    pub fn status(
        &self,
        reason: &str,
        functional: bool,
        sure: bool,
        partner_rejected: bool,
    ) -> (Status, Option<&'static str>) {
        let is_named = !matches!(reason, UNKNOWN | PENDING_INVESTIGATION);
        if !is_named || !sure {
            (Status::Unknown, None)
        } else if partner_rejected {
            (Status::Unknown, Some("not accepted: the partner's row was rejected, not missing"))
        } else if self.functional_only && !functional {
            (Status::Unknown, Some("not accepted: the machine settles functional reasons only"))
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
        assert_eq!(all.status("X", false, true, false).0, Status::Accepted);
        assert_eq!(all.status("X", true, false, false).0, Status::Unknown);
        assert_eq!(all.status("X", true, true, true).0, Status::Unknown);
        assert_eq!(all.status(UNKNOWN, true, true, false).0, Status::Unknown);
        assert_eq!(functional.status("X", false, true, false).0, Status::Unknown);
        assert_eq!(functional.status("X", true, true, false).0, Status::Accepted);
    }
}
