//! Which undecided differences teach most.
//!
//! A reason can be learned from a minimum of labels on. What was seen of it once or twice and is short of that teaches
//! nothing yet, so most places go to the differences nearest to such labels. The others go to groups of look-alikes, by
//! doubt and number. In simulations of rare reasons (`benches/learn --asked`) this finds five labels of each of twelve
//! reasons among a hundred, where groups alone find them for eight.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Asked;
use crate::attribute::model::LABELS_PER_REASON;
use crate::domain::teaching::{Alike, COVERING, places};

/// Candidates kept of a group; more look the same.
const KEPT: usize = 64;

/// A hash of each feature's value in one byte, to count the features that two differences share. Different values have the
/// same byte once in 256 times.
pub(super) type Marks = Box<[u8]>;

pub(super) fn marks(row: &[f32]) -> Marks {
    row.iter().map(|value| (value.to_bits().wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
}

/// How many features differ.
fn distance(a: &Marks, b: &Marks) -> usize {
    a.iter().zip(b).filter(|(a, b)| a != b).count()
}

struct Candidate {
    doubt: f64,
    /// Puts equally doubtful candidates in an order of its own: neighbors often come from one batch.
    spread: u64,
    marks: Marks,
    asked: Asked,
}

/// Differences that look alike.
#[derive(Default)]
pub(super) struct Group {
    alike: u64,
    decided: u64,
    doubt: f64,
    /// The most doubtful.
    kept: Vec<Candidate>,
}

impl Group {
    pub(super) fn add(
        &mut self,
        doubt: f64,
        number: u64,
        row: &[f32],
        asked: impl FnOnce() -> Asked,
    ) {
        self.alike += 1;
        self.doubt += doubt;
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.kept.push(Candidate { doubt, spread, marks: marks(row), asked: asked() });
        if self.kept.len() == KEPT * 2 {
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        self.kept.sort_by(|a, b| b.doubt.total_cmp(&a.doubt).then(a.spread.cmp(&b.spread)));
        self.kept.truncate(KEPT);
    }

    /// One of its candidates, with what is known of the group.
    fn take(&mut self, at: usize) -> Asked {
        let asked = self.kept.remove(at).asked;
        Asked { alike: self.alike, doubt: self.doubt, ..asked }
    }
}

/// The first labels of each reason: the group and the features of each, as many as a reason needs.
#[derive(Default)]
pub(super) struct Known(BTreeMap<String, Vec<(usize, Marks)>>);

impl Known {
    pub(super) fn add(&mut self, reason: String, group: usize, row: &[f32]) {
        let labels = self.0.entry(reason).or_default();
        if labels.len() < LABELS_PER_REASON as usize {
            labels.push((group, marks(row)));
        }
    }

    /// Reasons that are not `learned` and short of labels, those that lack fewest first.
    fn short(&self, learned: &[String]) -> Vec<&[(usize, Marks)]> {
        let is_short = |(reason, labels): &(&String, &Vec<_>)| {
            labels.len() < LABELS_PER_REASON as usize && !learned.contains(reason)
        };
        let mut short: Vec<&[_]> =
            self.0.iter().filter(is_short).map(|(_, labels)| labels.as_slice()).collect();
        short.sort_by_key(|labels| Reverse(labels.len()));
        short
    }
}

#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    known: Known,
}

impl Groups {
    /// A new group's position.
    pub(super) fn open(&mut self) -> usize {
        self.groups.push(Group::default());
        self.groups.len() - 1
    }

    pub(super) fn group(&mut self, at: usize) -> &mut Group {
        &mut self.groups[at]
    }

    pub(super) fn decide(&mut self, at: usize, reason: String, row: &[f32]) {
        self.groups[at].decided += 1;
        self.known.add(reason, at, row);
    }

    /// Up to `count` candidates, the one that teaches most first. `learned` are the reasons that a model knows.
    pub(super) fn choose(mut self, learned: &[String], count: usize) -> Vec<Asked> {
        self.groups.iter_mut().for_each(Group::tidy);
        let mut asked = self.complete(learned, (count * 3).div_ceil(5));
        let worth: Vec<Alike> = self
            .groups
            .iter()
            .map(|group| Alike {
                doubt: group.doubt,
                most: group.kept.len(),
                decided: group.decided,
            })
            .collect();
        for at in places(&worth, COVERING, count - asked.len()) {
            asked.push(self.groups[at].take(0));
        }
        asked
    }

    /// Up to `most` candidates that likely complete a reason.
    fn complete(&mut self, learned: &[String], most: usize) -> Vec<Asked> {
        let mut asked = Vec::new();
        for labels in self.known.short(learned) {
            let missing = LABELS_PER_REASON as usize - labels.len();
            for _ in 0..missing.min(most - asked.len()) {
                let Some((group, at)) = nearest(&self.groups, labels) else { break };
                self.groups[group].decided += 1;
                asked.push(self.groups[group].take(at));
            }
        }
        asked
    }
}

/// The candidate that agrees with one of the labels in the most features, of the groups that the labels are of; its group
/// and place.
fn nearest(groups: &[Group], labels: &[(usize, Marks)]) -> Option<(usize, usize)> {
    let mut of: Vec<usize> = labels.iter().map(|(group, _)| *group).collect();
    of.sort_unstable();
    of.dedup();
    let all = of.into_iter().flat_map(|group| {
        groups[group].kept.iter().enumerate().map(move |(at, candidate)| (group, at, candidate))
    });
    let away = |candidate: &Candidate| {
        labels.iter().map(|(_, label)| distance(label, &candidate.marks)).min()
    };
    let best = all.min_by_key(|(group, at, candidate)| (away(candidate), *group, *at));
    best.map(|(group, at, _)| (group, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, doubt: f64) -> Asked {
        Asked {
            reference: name.to_owned(),
            field: String::new(),
            diff_type: "",
            attribution_id: String::new(),
            reason: String::new(),
            confidence: 1.0 - doubt,
            alike: 0,
            doubt: 0.0,
        }
    }

    /// Candidates of one group, each with a value.
    fn add(groups: &mut Groups, name: &str, candidates: &[(f64, f32)]) -> usize {
        let at = groups.open();
        for (number, (doubt, value)) in candidates.iter().enumerate() {
            let row = [1.0, *value, 3.0];
            groups.group(at).add(*doubt, number as u64, &row, || asked(name, *doubt));
        }
        at
    }

    fn named(chosen: &[Asked], name: &str) -> usize {
        chosen.iter().filter(|asked| asked.reference == name).count()
    }

    #[test]
    fn uncertain_and_frequent_differences_are_asked_about_first() {
        let mut groups = Groups::default();
        add(&mut groups, "few", &[(0.9, 0.0)]);
        add(&mut groups, "many", &[(0.2, 0.0); 300]);
        add(&mut groups, "sure", &[(0.01, 0.0), (0.3, 0.0)]);
        let chosen = groups.choose(&[], 70);
        assert_eq!((chosen[0].reference.as_str(), chosen[0].alike), ("many", 300));
        assert_eq!((named(&chosen, "few"), named(&chosen, "sure"), chosen.len()), (1, 2, KEPT + 3));
        // Within a group the most doubtful comes first.
        let sure = chosen.iter().find(|asked| asked.reference == "sure").unwrap();
        assert_eq!((sure.confidence, sure.alike), (0.7, 2));
        let mut one = Groups::default();
        add(&mut one, "few", &[(0.9, 0.0)]);
        assert_eq!(one.choose(&[], 0), []);
    }

    #[test]
    fn a_reason_that_is_short_of_labels_gets_most_places_for_its_nearest() {
        let world = |labels: usize| {
            let mut groups = Groups::default();
            add(&mut groups, "many", &[(0.9, 0.0); 300]);
            let near: Vec<(f64, f32)> = (0..60).map(|at| (0.5, f32::from(at % 20 == 0))).collect();
            let rare = add(&mut groups, "rare", &near);
            // The labels are like three of the sixty.
            (0..labels).for_each(|_| groups.decide(rare, "RARE".to_owned(), &[1.0, 1.0, 3.0]));
            groups
        };
        let chosen = world(2).choose(&[], 10);
        assert!(chosen[..3].iter().all(|asked| asked.reference == "rare"), "{chosen:?}");
        assert_eq!(chosen.len(), 10);
        let mut groups = world(2);
        groups.groups[1].tidy();
        let (group, at) = nearest(&groups.groups, &groups.known.0["RARE"]).unwrap();
        let found = &groups.groups[group].kept[at];
        assert_eq!((group, &found.marks), (1, &marks(&[1.0, 1.0, 3.0])));
        // A reason with enough labels or that the model knows needs no more of them.
        assert!(world(5).choose(&[], 10)[0].reference == "many");
        assert!(world(2).choose(&["RARE".to_owned()], 10)[0].reference == "many");
        // Three of five places are the most that completing gets.
        assert_eq!(named(&world(1).choose(&[], 5)[..3], "rare"), 3);
    }
}
