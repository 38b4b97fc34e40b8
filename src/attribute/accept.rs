//! Acceptance: whether the machine may settle a cause on its own.

use crate::domain::attribution::UNKNOWN;
use crate::domain::{Confidence, Status};

/// The code of differences that people are looking into; the machine never settles it.
const PENDING_INVESTIGATION: &str = "PENDING_INVESTIGATION";

/// What the machine may settle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance {
    /// From this confidence on; `None` settles nothing, because nobody has measured yet what may be
    /// settled.
    pub at: Option<Confidence>,
    /// Only reasons that business explains (`accept: functional`).
    pub functional_only: bool,
}

impl Acceptance {
    /// The status of a difference that got this reason, and why it was not accepted although the
    /// confidence would have sufficed.
    pub fn status(
        &self,
        reason: &str,
        functional: bool,
        confidence: Confidence,
        partner_rejected: bool,
    ) -> (Status, Option<&'static str>) {
        let is_named = !matches!(reason, UNKNOWN | PENDING_INVESTIGATION);
        if !is_named || self.at.is_none_or(|at| confidence < at) {
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
        let all = Acceptance { at: Confidence::new(0.9), functional_only: false };
        let functional = Acceptance { functional_only: true, ..all };
        let at = |value: f64| Confidence::new(value).unwrap();
        assert_eq!(all.status("X", false, at(0.9), false).0, Status::Accepted);
        assert_eq!(all.status("X", true, at(0.899), false).0, Status::Unknown);
        assert_eq!(all.status("X", true, at(1.0), true).0, Status::Unknown);
        assert_eq!(all.status(UNKNOWN, true, at(1.0), false).0, Status::Unknown);
        assert_eq!(functional.status("X", false, at(1.0), false).0, Status::Unknown);
        assert_eq!(functional.status("X", true, at(1.0), false).0, Status::Accepted);
        let nothing = Acceptance { at: None, ..all };
        assert_eq!(nothing.status("X", true, at(1.0), false).0, Status::Unknown);
    }
}
