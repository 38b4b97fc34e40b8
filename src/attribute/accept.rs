//! Automatic acceptance of a cause.

use super::risk::Budget;
use crate::domain::attribution::UNKNOWN;
use crate::domain::{Confidence, Status};

/// The code of differences under investigation; never accepted automatically.
const PENDING_INVESTIGATION: &str = "PENDING_INVESTIGATION";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sure {
    /// A claimed confidence of at least this.
    From(Confidence),
    /// A measured confidence that keeps this budget.
    Within(Budget),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance {
    pub sure: Sure,
    /// Accept only functional reasons (`accept: functional`).
    pub functional_only: bool,
}

impl Acceptance {
    /// The status of a difference with this reason, and why it was not accepted although it is
    /// `sure` enough. `held_back` gives a reason to withhold acceptance.
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
    fn accepts_only_sufficient_confidence_and_allowed_reasons() {
        let all = Acceptance { sure: Sure::From(Confidence::ONE), functional_only: false };
        let functional = Acceptance { functional_only: true, ..all };
        assert_eq!(all.status("X", false, true, None).0, Status::Accepted);
        assert_eq!(all.status("X", true, false, None).0, Status::Unknown);
        let held_back = all.status("X", true, true, Some("all differ this way"));
        let why = "not accepted: all differ this way".to_owned();
        assert_eq!(held_back, (Status::Unknown, Some(why)));
        assert_eq!(all.status(UNKNOWN, true, true, None).0, Status::Unknown);
        assert_eq!(functional.status("X", false, true, None).0, Status::Unknown);
        assert_eq!(functional.status("X", true, true, None).0, Status::Accepted);
    }
}
