//! The books of a run: every input row is counted exactly once, and the sums must close.

use std::collections::BTreeMap;

use super::PerSide;

/// Counts of a run. Rows are counted on their side, pairs once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Data rows read.
    pub read: PerSide<u64>,
    /// Rows that a filter left out.
    pub filtered: PerSide<u64>,
    /// Rows that could not take part.
    pub rejected: PerSide<u64>,
    /// Surplus rows of a repeated key.
    pub duplicates: PerSide<u64>,
    /// Records whose row of *this* side is missing.
    pub missing_in: PerSide<u64>,
    /// Pairs.
    pub aligned: u64,
    /// Pairs without differences.
    pub matched: u64,
    /// Pairs without differences that needed a tolerance.
    pub within_tolerance: u64,
    /// Records with any difference.
    pub breaks: u64,
    /// Differences by type.
    pub by_type: BTreeMap<&'static str, u64>,
    /// Differences by field name, `ENTIRE_RECORD` included.
    pub by_field: BTreeMap<String, u64>,
}

impl Books {
    /// Records: pairs, one-sided rows and surplus rows.
    pub fn records(&self) -> u64 {
        self.aligned + self.missing_in.a + self.missing_in.b + self.duplicates.a + self.duplicates.b
    }

    /// All differences.
    pub fn differences(&self) -> u64 {
        self.by_type.values().sum()
    }

    /// Adds another part of the same run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.read, &other.read),
            (&mut self.filtered, &other.filtered),
            (&mut self.rejected, &other.rejected),
            (&mut self.duplicates, &other.duplicates),
            (&mut self.missing_in, &other.missing_in),
        ] {
            mine.a += theirs.a;
            mine.b += theirs.b;
        }
        self.aligned += other.aligned;
        self.matched += other.matched;
        self.within_tolerance += other.within_tolerance;
        self.breaks += other.breaks;
        for (name, count) in &other.by_type {
            *self.by_type.entry(name).or_default() += count;
        }
        for (name, count) in &other.by_field {
            *self.by_field.entry(name.clone()).or_default() += count;
        }
    }

    /// The first sum that does not close, in words: every row read must be paired, one-sided,
    /// a duplicate, rejected or filtered, exactly once. `None` if all is well.
    pub fn discrepancy(&self) -> Option<String> {
        let sides = [
            (
                "A",
                self.read.a,
                self.missing_in.b,
                self.duplicates.a,
                self.rejected.a,
                self.filtered.a,
            ),
            (
                "B",
                self.read.b,
                self.missing_in.a,
                self.duplicates.b,
                self.rejected.b,
                self.filtered.b,
            ),
        ];
        for (side, read, alone, duplicates, rejected, filtered) in sides {
            let placed = self.aligned + alone + duplicates + rejected + filtered;
            if placed != read {
                return Some(format!(
                    "{read} rows of source {side} were read, but {placed} are accounted for \
                     ({} paired, {alone} without partner, {duplicates} duplicates, \
                     {rejected} rejected, {filtered} filtered)",
                    self.aligned
                ));
            }
        }
        let types: u64 = self.by_type.values().sum();
        let fields: u64 = self.by_field.values().sum();
        (types != fields)
            .then(|| format!("{types} differences by type, but {fields} differences by field"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_row_is_noticed() {
        let mut books = Books {
            read: PerSide { a: 3, b: 2 },
            aligned: 2,
            missing_in: PerSide { a: 0, b: 1 },
            ..Books::default()
        };
        assert_eq!(books.discrepancy(), None);
        assert_eq!(books.records(), 3);
        books.read.b = 3;
        assert!(books.discrepancy().is_some_and(|text| text.contains("source B")));
    }
}
