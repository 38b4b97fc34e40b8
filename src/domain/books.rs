//! The books of a run: every input row is counted exactly once, and the sums must close.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{DiffType, Money, PerSide, Side};

/// Counts of a run. Rows are counted on their side, pairs once.
///
/// They serialize, because a run's metadata keeps them (`counts`) for later reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Data rows read.
    pub read: PerSide<u64>,
    /// Rows that a filter left out.
    pub filtered: PerSide<u64>,
    /// Rows that could not take part.
    pub rejected: PerSide<u64>,
    /// Rejected rows with an unreadable key, or that may contain further rows: their partners are
    /// unknown.
    #[serde(default)]
    pub rejected_without_key: PerSide<u64>,
    /// Surplus rows of a repeated key.
    pub duplicates: PerSide<u64>,
    /// Records whose row of *this* side is missing.
    pub missing_in: PerSide<u64>,
    /// Pairs.
    pub aligned: u64,
    /// Matches of several rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub groups: u64,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub grouped: PerSide<u64>,
    /// How rows were matched; only of a job with `match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<Matches>,
    /// Amounts by field and currency; only of a job with monetary fields. Until records are compared, only the
    /// totals of both sides are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub money: Vec<Money>,
    /// Rows taken over from the previous date; only for a job with `open_items`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_items: Option<OpenItemCounts>,
    /// Pairs without differences.
    pub matched: u64,
    /// Pairs without differences that needed a tolerance.
    pub within_tolerance: u64,
    pub breaks: u64,
    #[serde(deserialize_with = "by_type")]
    pub by_type: BTreeMap<&'static str, u64>,
    /// Differences by field name, `ENTIRE_RECORD` included.
    pub by_field: BTreeMap<String, u64>,
    /// Differences by field name, and for each field by type.
    #[serde(deserialize_with = "by_field_and_type")]
    pub by_field_and_type: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

/// Counts of the rows that the previous date left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItemCounts {
    /// Rows that take part again.
    pub carried: PerSide<u64>,
    /// Rows that are too old to take part again.
    pub expired: PerSide<u64>,
    /// Rows that people closed.
    pub closed: PerSide<u64>,
}

/// How rows were matched, pass by pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Matches by the pass that made them.
    pub by_pass: BTreeMap<String, u64>,
    pub by_shape: BTreeMap<String, u64>,
    /// Matches by how sure they are.
    pub by_certificate: BTreeMap<String, u64>,
    /// Matches that no pass made because they were not certain.
    pub left_ambiguous: u64,
}

impl Matches {
    pub fn count(&mut self, pass: &str, shape: &str, certificate: &str, count: u64) {
        for (counts, name) in [
            (&mut self.by_pass, pass),
            (&mut self.by_shape, shape),
            (&mut self.by_certificate, certificate),
        ] {
            match counts.get_mut(name) {
                Some(known) => *known += count,
                None => {
                    counts.insert(name.to_owned(), count);
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.by_pass, &other.by_pass),
            (&mut self.by_shape, &other.by_shape),
            (&mut self.by_certificate, &other.by_certificate),
        ] {
            for (name, count) in theirs {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
        self.left_ambiguous += other.left_ambiguous;
    }

    pub fn total(&self) -> u64 {
        self.by_pass.values().sum()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_nothing(count: &PerSide<u64>) -> bool {
    *count == PerSide::default()
}

fn by_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    named(BTreeMap::deserialize(deserializer)?)
}

fn by_field_and_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, BTreeMap<&'static str, u64>>, D::Error> {
    BTreeMap::<String, BTreeMap<String, u64>>::deserialize(deserializer)?
        .into_iter()
        .map(|(field, types)| Ok((field, named(types)?)))
        .collect()
}

fn named<E: serde::de::Error>(
    counts: BTreeMap<String, u64>,
) -> Result<BTreeMap<&'static str, u64>, E> {
    counts
        .into_iter()
        .map(|(name, count)| {
            DiffType::from_name(&name)
                .map(|diff_type| (diff_type.name(), count))
                .ok_or_else(|| E::custom(format!("{name} is no type of difference")))
        })
        .collect()
}

impl Books {
    /// Records: pairs, groups, one-sided rows and surplus rows.
    pub fn records(&self) -> u64 {
        self.aligned
            + self.groups
            + self.missing_in.a
            + self.missing_in.b
            + self.duplicates.a
            + self.duplicates.b
    }

    /// The rows that take part or were left out: those read, and those taken over from the previous date.
    pub fn rows(&self, side: Side) -> u64 {
        self.read[side] + self.open_items.map_or(0, |items| items.carried[side])
    }

    pub fn differences(&self) -> u64 {
        self.by_type.values().sum()
    }

    /// Counts `count` differences of this type of the field called `field`.
    pub fn count_differences(&mut self, field: &str, diff_type: DiffType, count: u64) {
        let name = diff_type.name();
        *self.by_type.entry(name).or_default() += count;
        *self.by_field.entry(field.to_owned()).or_default() += count;
        let types = self.by_field_and_type.entry(field.to_owned()).or_default();
        *types.entry(name).or_default() += count;
    }

    /// Adds another part of the same run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.read, &other.read),
            (&mut self.filtered, &other.filtered),
            (&mut self.rejected, &other.rejected),
            (&mut self.rejected_without_key, &other.rejected_without_key),
            (&mut self.duplicates, &other.duplicates),
            (&mut self.missing_in, &other.missing_in),
            (&mut self.grouped, &other.grouped),
        ] {
            mine.a += theirs.a;
            mine.b += theirs.b;
        }
        if let Some(theirs) = &other.open_items {
            let mine = self.open_items.get_or_insert_default();
            for (mine, theirs) in [
                (&mut mine.carried, &theirs.carried),
                (&mut mine.expired, &theirs.expired),
                (&mut mine.closed, &theirs.closed),
            ] {
                mine.a += theirs.a;
                mine.b += theirs.b;
            }
        }
        self.aligned += other.aligned;
        self.groups += other.groups;
        if let Some(matches) = &other.matches {
            self.matches.get_or_insert_default().add(matches);
        }
        self.matched += other.matched;
        self.within_tolerance += other.within_tolerance;
        self.breaks += other.breaks;
        for (name, count) in &other.by_type {
            *self.by_type.entry(name).or_default() += count;
        }
        for (name, count) in &other.by_field {
            *self.by_field.entry(name.clone()).or_default() += count;
        }
        for (field, types) in &other.by_field_and_type {
            let mine = self.by_field_and_type.entry(field.clone()).or_default();
            for (name, count) in types {
                *mine.entry(name).or_default() += count;
            }
        }
    }

    /// The first sum that does not close, in words: every row read must be paired, one-sided,
    /// a duplicate, rejected or filtered, exactly once. `None` if all is well.
    pub fn discrepancy(&self) -> Option<String> {
        for side in Side::BOTH {
            let (read, alone) = (self.rows(side), self.missing_in[side.other()]);
            let (duplicates, grouped) = (self.duplicates[side], self.grouped[side]);
            let (rejected, filtered) = (self.rejected[side], self.filtered[side]);
            let placed = self.aligned + grouped + alone + duplicates + rejected + filtered;
            if placed != read {
                let groups =
                    if grouped == 0 { String::new() } else { format!("{grouped} in groups, ") };
                let carried = if self.open_items.is_some() { " or taken over" } else { "" };
                return Some(format!(
                    "{read} rows of source {side} were read{carried}, but {placed} are accounted for \
                     ({} paired, {groups}{alone} without partner, {duplicates} duplicates, \
                     {rejected} rejected, {filtered} filtered)",
                    self.aligned
                ));
            }
        }
        if let Some(matches) = &self.matches {
            let (made, counted) = (self.aligned + self.groups, matches.total());
            if made != counted {
                return Some(format!(
                    "{made} pairs and groups were made, but {counted} are counted by their pass"
                ));
            }
        }
        let types: u64 = self.by_type.values().sum();
        let fields: u64 = self.by_field.values().sum();
        let cells: u64 = self.by_field_and_type.values().flat_map(BTreeMap::values).sum();
        (types != fields || types != cells).then(|| {
            format!(
                "{types} differences by type, but {fields} by field and {cells} by field and type"
            )
        })
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

    #[test]
    fn books_read_back_from_a_run_s_metadata() {
        let mut books = Books { aligned: 2, filtered: PerSide { a: 1, b: 0 }, ..Books::default() };
        books.count_differences("amount", DiffType::NumericMismatch, 1);
        books.count_differences("amount", DiffType::NullMismatch, 1);
        books.count_differences("amount", DiffType::NullMismatch, 1);
        let mut twice = books.clone();
        twice.add(&books);
        assert_eq!((twice.differences(), twice.by_field["amount"]), (6, 6));
        assert_eq!(twice.by_field_and_type["amount"]["NULL_MISMATCH"], 4);

        let json = serde_json::to_value(&twice).unwrap();
        assert_eq!(serde_json::from_value::<Books>(json.clone()).unwrap(), twice);
        let foreign = json.to_string().replace("NULL_MISMATCH", "NUL_MISMATCH");
        assert!(serde_json::from_str::<Books>(&foreign).is_err());
    }

    #[test]
    fn a_difference_counted_in_one_table_only_is_noticed() {
        let mut books = Books::default();
        books.count_differences("amount", DiffType::NumericMismatch, 1);
        assert_eq!(books.discrepancy(), None);
        books.by_field_and_type.clear();
        assert!(books.discrepancy().is_some());
    }
}
