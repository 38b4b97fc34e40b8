//! The data quality gate: the verdict on a record once its differences are attributed.

use super::Status;
use super::difference::names;

names! {
    Gate {
        /// A difference is undecided, or its cause is an error.
        Blocked = "BLOCKED" = 0,
        /// It matched, or every difference is accepted with a functional reason.
        Passed = "PASSED" = 1,
    }
}

/// The verdict on a record whose differences have these statuses and kinds of reason
/// (`true`: functional). A record without differences has matched.
pub fn verdict(differences: impl IntoIterator<Item = (Status, bool)>) -> Gate {
    let mut differences = differences.into_iter();
    if differences.all(|(status, functional)| status == Status::Accepted && functional) {
        Gate::Passed
    } else {
        Gate::Blocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_undecided_or_non_functional_difference_blocks() {
        assert_eq!(verdict([]), Gate::Passed);
        assert_eq!(verdict([(Status::Accepted, true), (Status::Accepted, true)]), Gate::Passed);
        assert_eq!(verdict([(Status::Accepted, true), (Status::Accepted, false)]), Gate::Blocked);
        assert_eq!(verdict([(Status::Unknown, true)]), Gate::Blocked);
        assert_eq!(verdict([(Status::Pending, true)]), Gate::Blocked);
    }
}
