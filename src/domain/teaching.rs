//! Active learning: the differences whose decision improves a model most.
//!
//! The gain of a decision grows with the model's uncertainty about a difference, and with the number of undecided
//! ones like it. Each group of similar differences gets places by a root of its uncertainty, divided by the places
//! and decisions it has already (D'Hondt): a large group is asked about more often, but variety teaches more than
//! repetition. The powers are from simulations (`benches/learn --asked`): by the uncertainty itself large groups crowd out
//! others.

/// The power of a group's uncertainty that it gets places by, if groups are all that there is to go by.
pub const WEIGHING: f64 = 0.75;
/// The power if rare reasons are completed by themselves, so that the groups only have to show what there is.
pub const COVERING: f64 = 0.25;

/// A group of differences that look alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    /// The doubt about all of them: the sum of 1 − confidence.
    pub doubt: f64,
    /// Number of differences to choose.
    pub most: usize,
    /// How many others that look like them are decided.
    pub decided: u64,
}

/// The group that each of up to `count` places goes to, by its position.
pub fn places(groups: &[Alike], power: f64, count: usize) -> Vec<usize> {
    let mut given = vec![0usize; groups.len()];
    let mut places = Vec::new();
    while places.len() < count {
        let worth = |at: usize| {
            let before = groups[at].decided as f64 + given[at] as f64;
            groups[at].doubt.max(0.0).powf(power) / (before + 1.0)
        };
        let open = (0..groups.len()).filter(|at| given[*at] < groups[*at].most);
        let Some(best) = open.max_by(|a, b| worth(*a).total_cmp(&worth(*b)).then(b.cmp(a))) else {
            break;
        };
        given[best] += 1;
        places.push(best);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_group_is_asked_about_more_often_but_not_alone() {
        let group = |doubt, most| Alike { doubt, most, decided: 0 };
        let groups = [group(0.9, 1), group(15.3, 64), group(0.458, 2)];
        let asked = places(&groups, WEIGHING, 15);
        let of = |at: usize| asked.iter().filter(|own| **own == at).count();
        assert_eq!((asked[0], of(0), of(1), of(2)), (1, 1, 13, 1));
        assert_eq!(places(&groups, WEIGHING, 100).len(), 67, "no more than there are");
        assert!(places(&[], WEIGHING, 3).is_empty());
        // What is decided already counts like a place.
        let known = [Alike { decided: 30, ..groups[1] }, groups[2]];
        assert_eq!(places(&known, WEIGHING, 3), [1, 1, 0]);
        // Without any doubt the first come first.
        assert_eq!(places(&[group(0.0, 1), group(0.0, 1)], WEIGHING, 2), [0, 1]);
    }
}
