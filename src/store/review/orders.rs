//! The orders of lists: the sort key of an item, and the places of the items of a run in memory in each order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::diagnostic::Problem;
use crate::store::layout::ItemKey;
use crate::store::transact::{Dialect, SqlRow};

use super::few::HeldItem;
use super::query::{ItemOrder, Position};

/// The sort key of an item: a level, a value, and its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank(i64, f64, (i64, i64));

impl Rank {
    pub fn compare(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then(self.1.total_cmp(&other.1)).then(self.2.cmp(&other.2))
    }

    /// As columns by [`ItemOrder::columns`] have it.
    pub fn read(row: &SqlRow) -> Result<Self, Problem> {
        let key = (row.count(2)?, row.count(3)?);
        Ok(Self(row.count(0)?, row.real(1)?.unwrap_or_default(), key))
    }

    /// The values of its columns.
    pub fn values(&self) -> (i64, f64, (i64, i64)) {
        (self.0, self.1, self.2)
    }

    pub const fn key(&self) -> ItemKey {
        // Both are negative in a descending order.
        ItemKey { run_no: self.2.0.abs(), number: self.2.1.abs() }
    }

    fn ascending(level: i64, value: f64, key: ItemKey) -> Self {
        Self(level, value, (key.run_no, key.number))
    }

    fn descending(level: i64, value: f64, key: ItemKey) -> Self {
        Self(level, -value, (-key.run_no, -key.number))
    }
}

impl ItemOrder {
    pub(super) fn rank(self, item: &HeldItem, chances: &[(i64, f64)]) -> Rank {
        let key = item.key;
        let by_amount = |stays: f64| match item.amount {
            Some(amount) => Rank::descending(0, amount * stays, key),
            None => Rank::ascending(1, 0.0, key),
        };
        let severity = item.severity;
        match self {
            Self::Number => Rank::ascending(0, 0.0, key),
            Self::Confidence => Rank::ascending(0, item.confidence, key),
            Self::HighestConfidence => Rank::descending(0, item.confidence, key),
            Self::Amount => by_amount(1.0),
            Self::AtRisk => {
                let of = |one: &&(i64, f64)| one.0 == item.signature_id;
                by_amount(chances.iter().find(of).map_or(1.0, |(_, stays)| *stays))
            }
            Self::Age => Rank::ascending(0, item.since.unwrap_or_default().into(), key),
            Self::Severity => Rank::ascending(-severity, item.confidence, key),
            Self::SeverityAndNumber => Rank::ascending(-severity, 0.0, key),
        }
    }

    /// The rank of items `d` in the columns `level`, `value`, `run_no` and `number`.
    pub(super) fn columns(self, dialect: Dialect, chances: &[(i64, f64)]) -> String {
        let (run, number) = (dialect.run_no("d"), dialect.number("d"));
        let (confidence, key) = ("coalesce(d.confidence, 0.0)", [run.clone(), number.clone()]);
        let has_amount = "d.amount_abs IS NOT NULL";
        let by_amount = |stays: &str| {
            let with_amount =
                |yes: &str, no: &str| format!("CASE WHEN {has_amount} THEN {yes} ELSE {no} END");
            let signed = |column: &String| with_amount(&format!("-{column}"), column);
            let value = with_amount(&format!("-(d.amount_abs * {stays})"), "0.0");
            (with_amount("0", "1"), value, key.each_ref().map(signed))
        };
        let (level, value, [run, number]) = match self {
            Self::Number => ("0".to_owned(), "0.0".to_owned(), key),
            Self::Confidence => ("0".to_owned(), confidence.to_owned(), key),
            Self::HighestConfidence => {
                ("0".to_owned(), format!("-{confidence}"), key.map(|column| format!("-{column}")))
            }
            Self::Amount => by_amount("1.0"),
            Self::AtRisk => {
                let arm =
                    |(signature, stays): &(i64, f64)| format!(" WHEN {signature} THEN {stays:?}");
                match chances.iter().map(arm).collect::<String>() {
                    none if none.is_empty() => by_amount("1.0"),
                    arms => by_amount(&format!("CASE d.signature_id{arms} ELSE 1.0 END")),
                }
            }
            Self::Age => ("0".to_owned(), "coalesce(d.since, 0)".to_owned(), key),
            Self::Severity => ("-d.severity".to_owned(), confidence.to_owned(), key),
            Self::SeverityAndNumber => ("-d.severity".to_owned(), "0.0".to_owned(), key),
        };
        format!(
            "CAST({level} AS bigint) AS level, CAST({value} AS double precision) AS value, \
             {run} AS run_no, {number} AS number"
        )
    }

    /// The first and the last rank that an item may have, if its chance of staying is between these two and counts.
    pub(super) fn span(self, item: &HeldItem, (least, most): (f64, f64)) -> Option<(Rank, Rank)> {
        let amount = item.amount.filter(|_| self == Self::AtRisk && least < most)?;
        let (first, last) = ((i64::MIN, i64::MIN), (i64::MAX, i64::MAX));
        Some((Rank(0, -(amount * most), first), Rank(0, -(amount * least), last)))
    }

    /// The same order, where all breaks are as likely to stay.
    const fn without_chances(self) -> Self {
        match self {
            Self::AtRisk => Self::Amount,
            other => other,
        }
    }

    /// The place of a rank, and the rank of a place, as other pages of the same list have them.
    pub(super) fn position(self, rank: &Rank, key: ItemKey) -> Position {
        let Rank(level, value, _) = *rank;
        let value = if self.descends(level) { -value } else { value };
        Position { level: self.level(level), bits: value.to_bits(), ..Position::after(key) }
    }

    pub(super) fn rank_of(self, at: Position) -> Rank {
        let level = i64::from(at.level);
        let level = if self.is_by_severity() { -level } else { level };
        // First position of a severity.
        let is_start = at.run_no == 0 && self.is_by_severity();
        let value = if is_start { f64::NEG_INFINITY } else { f64::from_bits(at.bits) };
        match self.descends(level) {
            true => Rank::descending(level, value, at.key()),
            false => Rank::ascending(level, value, at.key()),
        }
    }

    pub(super) const fn is_by_severity(self) -> bool {
        matches!(self, Self::Severity | Self::SeverityAndNumber)
    }

    const fn descends(self, level: i64) -> bool {
        match self {
            Self::HighestConfidence => true,
            // Items without an amount come behind, by their numbers.
            Self::Amount | Self::AtRisk => level == 0,
            _ => false,
        }
    }

    fn level(self, level: i64) -> u8 {
        u8::try_from(level.abs()).unwrap_or_default()
    }
}

/// By signature (0: none), the places of its items in an order.
pub(super) type Groups = BTreeMap<i64, Vec<u32>>;

/// The items of a run in the orders of lists, as places among its items. An order is made when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Orders {
    lists: [OnceLock<Vec<u32>>; ItemOrder::COUNT],
    groups: [OnceLock<Groups>; ItemOrder::COUNT],
}

impl Orders {
    /// All of `count` items in an order, whatever the chances of staying are; `item` gives the one at a place.
    pub(super) fn list(
        &self,
        order: ItemOrder,
        count: usize,
        item: impl Fn(u32) -> HeldItem,
    ) -> &[u32] {
        let order = order.without_chances();
        self.lists[order as usize].get_or_init(|| match order {
            ItemOrder::Number => all(count).collect(),
            order => sorted(count, |place| order.rank(&item(place), &[])),
        })
    }

    /// The same by signature.
    pub(super) fn groups(
        &self,
        order: ItemOrder,
        count: usize,
        item: impl Fn(u32) -> HeldItem,
    ) -> &Groups {
        self.groups[order.without_chances() as usize].get_or_init(|| {
            let mut groups = Groups::new();
            for place in self.list(order, count, &item) {
                groups.entry(item(*place).signature_id).or_default().push(*place);
            }
            groups.values_mut().for_each(Vec::shrink_to_fit);
            groups
        })
    }

    /// A list that was made before.
    pub(super) fn known(&self, order: ItemOrder) -> Option<&[u32]> {
        self.lists[order as usize].get().map(Vec::as_slice)
    }

    pub(super) fn known_groups(&self, order: ItemOrder) -> Option<&Groups> {
        self.groups[order as usize].get()
    }
}

/// The places of `count` items, in the order of their numbers.
fn all(count: usize) -> impl Iterator<Item = u32> {
    0..u32::try_from(count).unwrap_or(u32::MAX)
}

/// The places of `count` items in the order of their ranks.
fn sorted(count: usize, rank: impl Fn(u32) -> Rank) -> Vec<u32> {
    let mut ranks: Vec<(Rank, u32)> = all(count).map(|place| (rank(place), place)).collect();
    ranks.sort_unstable_by(|(rank, _), (than, _)| rank.compare(than));
    ranks.into_iter().map(|(_, place)| place).collect()
}
