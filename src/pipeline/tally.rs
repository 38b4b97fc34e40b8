//! The counts of one worker; their sum is the books of the run.

use serde::{Deserialize, Serialize};

use crate::domain::gate::Gate;
use crate::domain::money::MoneyTally;
use crate::domain::{Attribution, Books, DiffType, FieldRef, Layout, Status};
use crate::store::AttributionCount;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub books: Books,
    /// Differences by field (whole records first, then the layout's fields) and type code.
    differences: Vec<[u64; 16]>,
    pub money: MoneyTally,
    /// Reasons, statuses and their sources.
    pub attributions: Vec<AttributionCount>,
    /// Records that passed the gate.
    pub passed: u64,
    pub blocked: u64,
}

impl Tally {
    pub fn difference(&mut self, field: FieldRef, diff_type: DiffType) {
        let at = match field {
            FieldRef::EntireRecord => 0,
            FieldRef::Field(at) => usize::from(at) + 1,
        };
        if self.differences.len() <= at {
            self.differences.resize(at + 1, [0; 16]);
        }
        self.differences[at][usize::from(diff_type.code() & 15)] += 1;
    }

    /// Counts an attribution that is written like this.
    pub fn attribution_of(&mut self, reason: &str, status: Status, by: &str, functional: bool) {
        let same = |count: &&mut AttributionCount| {
            count.status == status && count.reason == reason && count.assigned_by == by
        };
        match self.attributions.iter_mut().find(same) {
            Some(count) => count.count += 1,
            None => self.attributions.push(AttributionCount {
                reason: reason.to_owned(),
                functional,
                status,
                assigned_by: by.to_owned(),
                count: 1,
            }),
        }
    }

    /// Counts an attribution, and says if its reason is functional, which is asked of each once. Reasons and rules are
    /// few, so a scan beats hashing their names.
    pub fn attribution(
        &mut self,
        attribution: &Attribution,
        is_functional: impl FnOnce(&str) -> bool,
    ) -> bool {
        let same = |count: &&mut AttributionCount| {
            count.status == attribution.status
                && count.reason == attribution.reason
                && attribution.assigned_by.is_written(&count.assigned_by)
        };
        match self.attributions.iter_mut().find(same) {
            Some(count) => {
                count.count += 1;
                count.functional
            }
            None => {
                let functional = is_functional(&attribution.reason);
                self.attributions.push(AttributionCount {
                    reason: attribution.reason.clone(),
                    functional,
                    status: attribution.status,
                    assigned_by: attribution.assigned_by.to_string(),
                    count: 1,
                });
                functional
            }
        }
    }

    pub fn gate(&mut self, gate: Gate) {
        match gate {
            Gate::Passed => self.passed += 1,
            Gate::Blocked => self.blocked += 1,
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.books.add(&other.books);
        self.money.add(&other.money);
        if self.differences.len() < other.differences.len() {
            self.differences.resize(other.differences.len(), [0; 16]);
        }
        for (mine, theirs) in self.differences.iter_mut().zip(&other.differences) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
        for theirs in &other.attributions {
            let same = |mine: &&mut AttributionCount| {
                mine.status == theirs.status
                    && mine.reason == theirs.reason
                    && mine.assigned_by == theirs.assigned_by
            };
            match self.attributions.iter_mut().find(same) {
                Some(mine) => mine.count += theirs.count,
                None => self.attributions.push(theirs.clone()),
            }
        }
        self.passed += other.passed;
        self.blocked += other.blocked;
    }

    /// The books, with names of types and fields.
    pub fn books(&self, layout: &Layout) -> Books {
        let mut books = self.books.clone();
        let names = std::iter::once(FieldRef::ENTIRE_RECORD).chain(layout.names());
        for (name, counts) in names.zip(&self.differences) {
            for diff_type in DiffType::ALL {
                let count = counts[usize::from(diff_type.code())];
                if count > 0 {
                    books.count_differences(name, *diff_type, count);
                }
            }
        }
        books
    }
}
