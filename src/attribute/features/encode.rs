//! Encodes names and categorical values as numbers.
//!
//! A category becomes two numbers: its frequency in the training set, and a hashed id. Neither
//! depends on the target, so no label leaks into a feature; reasons seen with a value are apart ([`super::seen`]).
//! The encoding belongs to the model; nothing is learned at prediction time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ABSENT;
use super::key;
use super::record::texts_of;
use super::seen::{FOLDS, Seen, SeenFacts, Witness};
use super::words::{Counter, Words};
use crate::domain::{Cell, DiffType, DifferenceContext, FieldRef, Kind, Layout, PerSide, Side};

/// Maximum number of remembered values of a category; rarer ones count as new.
const MAX_VALUES: usize = 4_096;

/// A categorical property of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Category {
    Field,
    /// Field and kind of difference.
    FieldAndType,
    SystemA,
    SystemB,
    Currency,
    /// Such as buy or sell, debit or credit.
    Direction,
    Counterparty,
}

impl Category {
    /// All, in order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Field,
        Self::FieldAndType,
        Self::SystemA,
        Self::SystemB,
        Self::Currency,
        Self::Direction,
        Self::Counterparty,
    ];
    /// Features read from a field of the record.
    const READ: [Self; 3] = [Self::Currency, Self::Direction, Self::Counterparty];

    /// Words in a field's name that identify this category.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Currency => &["currency", "ccy", "curr", "cur"],
            Self::Direction => {
                &["side", "direction", "buysell", "buy", "sell", "bs", "debit", "credit", "sign"]
            }
            Self::Counterparty => &[
                "counterparty",
                "cpty",
                "counter",
                "broker",
                "client",
                "customer",
                "party",
                "merchant",
                "vendor",
                "supplier",
                "payee",
                "beneficiary",
                "custodian",
                "account",
            ],
            _ => &[],
        }
    }
}

/// FNV-1a, 64 bits. Implemented here because models outlive versions of hashing crates.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    state
}

/// The hashed id of a name: 0 to 65535.
pub(super) fn id(name: &str) -> f32 {
    f32::from((hash(&[name.as_bytes()]) >> 48) as u16)
}

/// A category's values in the training set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Values {
    /// Hash and share of the training set, ascending by hash.
    shares: Vec<(u64, f32)>,
}

impl Values {
    fn share(&self, hash: u64) -> f32 {
        self.shares
            .binary_search_by_key(&hash, |(hash, _)| *hash)
            .ok()
            .and_then(|at| self.shares.get(at))
            .map_or(0.0, |(_, share)| *share)
    }

    fn of(counts: &BTreeMap<u64, u64>) -> Self {
        let total: u64 = counts.values().sum();
        let mut ranked: Vec<_> = counts.iter().map(|(hash, count)| (*hash, *count)).collect();
        ranked.sort_by_key(|(hash, count)| (std::cmp::Reverse(*count), *hash));
        ranked.truncate(MAX_VALUES);
        let mut shares: Vec<_> = ranked
            .into_iter()
            .map(|(hash, count)| (hash, (count as f64 / total as f64) as f32))
            .collect();
        shares.sort_by_key(|(hash, _)| *hash);
        Self { shares }
    }
}

/// The encoding learned from the training set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    values: Vec<Values>,
    /// The fields that hold currency, direction and counterparty.
    read_from: Vec<Option<String>>,
    /// The longest text of each text field, in characters.
    longest: Vec<(String, u32)>,
    /// The mean length of the keys' texts, in characters.
    key_length: f32,
    /// Not in models of older formats, which are stored without it.
    #[serde(skip)]
    learned: Learned,
    /// The same without each fold of the training set; only while training.
    #[serde(skip)]
    folds: Vec<Seen>,
}

/// Training statistics of words and values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    pub words: Words,
    pub seen: Seen,
}

/// A category's two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Encoded {
    /// The share of the training set; 0 for a new value, [`ABSENT`] for none.
    pub share: f32,
    /// The hashed id: 0 to 65535, [`ABSENT`] for none.
    pub id: f32,
}

impl Encoded {
    pub(super) const NONE: Self = Self { share: ABSENT, id: ABSENT };
}

impl Encoder {
    fn encoded(&self, category: Category, hash: u64) -> Encoded {
        let share = self.values.get(category as usize).map_or(0.0, |values| values.share(hash));
        Encoded { share, id: f32::from((hash >> 48) as u16) }
    }

    pub(super) fn longest(&self, field: &str) -> usize {
        self.longest
            .iter()
            .find(|(name, _)| name == field)
            .map_or(0, |(_, length)| *length as usize)
    }

    pub(super) const fn key_length(&self) -> f32 {
        self.key_length
    }

    pub(super) const fn words(&self) -> &Words {
        &self.learned.words
    }

    /// The reasons seen with values; for a difference of the training set, those of other folds.
    pub(super) fn seen(&self, difference: &DifferenceContext<'_>, is_known: bool) -> SeenFacts {
        let other_folds = is_known.then(|| self.folds.get(fold(difference))).flatten();
        let whole = &self.learned.seen;
        other_folds.unwrap_or(whole).of(whole, &value_hashes(difference))
    }

    /// Statistics that are stored apart from the encoding.
    pub const fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Without data that only training needs.
    #[must_use]
    pub fn trained(self) -> Self {
        Self { folds: Vec::new(), ..self }
    }

    #[must_use]
    pub fn with(self, learned: Learned) -> Self {
        Self { learned, ..self }
    }

    /// All categories of a difference, in the order of [`Category::ALL`].
    pub(super) fn encode(
        &self,
        difference: &DifferenceContext<'_>,
        positions: &[Option<usize>; 3],
        systems: &PerSide<String>,
    ) -> [Encoded; 7] {
        let name = difference.field_name();
        let mut encoded = [Encoded::NONE; 7];
        let mut set = |category: Category, hash| {
            encoded[category as usize] = self.encoded(category, hash);
        };
        set(Category::Field, hash(&[name.as_bytes()]));
        set(Category::FieldAndType, pair_hash(name, difference.diff_type));
        set(Category::SystemA, hash(&[systems.a.as_bytes()]));
        set(Category::SystemB, hash(&[systems.b.as_bytes()]));
        for (category, position) in Category::READ.into_iter().zip(positions) {
            if let Some(value) = position.and_then(|at| value_hash(difference, at)) {
                set(category, value);
            }
        }
        encoded
    }

    /// The positions of the record's categories in this layout.
    pub(super) fn positions(&self, layout: &Layout) -> [Option<usize>; 3] {
        std::array::from_fn(|at| layout.position(self.read_from.get(at)?.as_deref()?))
    }
}

/// A hash of the record: of its key, or of all it has where there is no key.
fn record_hash(difference: &DifferenceContext<'_>) -> u64 {
    let spread = difference.layout.spread_len();
    let cells = difference.a.or(difference.b);
    cells.map_or(0, |cells| hash(&[crate::domain::key::reference(cells, spread).as_bytes()]))
}

/// The fold of a difference's record.
fn fold(difference: &DifferenceContext<'_>) -> usize {
    // The highest bits choose the held-out records.
    (record_hash(difference) >> 9) as usize % FOLDS
}

/// Hashes of the values of the record's texts, each with its field, and of the structure of its key; side A's, else B's.
fn value_hashes(difference: &DifferenceContext<'_>) -> Vec<u64> {
    let fields = difference.layout.fields().iter().enumerate().skip(difference.layout.key_len());
    let texts = fields.filter(|(_, field)| matches!(field.kind, Kind::Text | Kind::Boolean));
    let value = |(at, field): (usize, &crate::domain::Field)| {
        let value = value_hash(difference, at)?;
        Some(hash(&[field.name.as_bytes(), &value.to_le_bytes()]))
    };
    let mut text = String::new();
    key::write(difference, &mut text);
    let structure = [("pattern", &*key::pattern(&text)), ("prefix", key::prefix(&text))];
    let structure = structure
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| hash(&[b"key", name.as_bytes(), value.as_bytes()]));
    texts
        .filter_map(value)
        .chain([pair_hash(difference.field_name(), difference.diff_type)])
        .chain(structure)
        .collect()
}

fn pair_hash(field: &str, diff_type: DiffType) -> u64 {
    hash(&[field.as_bytes(), diff_type.name().as_bytes()])
}

/// A field's text: side A's, else B's.
fn value_hash(difference: &DifferenceContext<'_>, at: usize) -> Option<u64> {
    [difference.a, difference.b].into_iter().flatten().find_map(|mut cells| {
        match cells.nth(at)?.decode(&mut [0; 36]) {
            Cell::Text(text) | Cell::Unparsed(text) => Some(hash(&[text.as_bytes()])),
            Cell::Boolean(value) => Some(hash(&[value.to_string().as_bytes()])),
            _ => None,
        }
    })
}

/// The field that holds a category: the first text field with one of its words in the name.
fn field_of(layout: &Layout, category: Category) -> Option<String> {
    let candidates = layout.fields().iter().skip(layout.key_len());
    category.words().iter().find_map(|word| {
        candidates
            .clone()
            .filter(|field| matches!(field.kind, Kind::Text | Kind::Boolean))
            .find(|field| {
                let name = field.name.to_lowercase();
                name.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word)
            })
            .map(|field| field.name.clone())
    })
}

/// Learns an [`Encoder`] from the differences of a training set.
#[derive(Clone, Debug)]
pub struct Learner {
    counts: Vec<BTreeMap<u64, u64>>,
    read_from: Vec<Option<String>>,
    positions: Vec<Option<usize>>,
    longest: BTreeMap<String, u32>,
    key_lengths: (u64, u64),
    seen_keys: BTreeSet<u64>,
    seen_records: BTreeSet<u64>,
    words: Counter,
    witness: Witness,
}

impl Learner {
    /// The fields for currency, direction and counterparty are identified by name.
    pub fn new(layout: &Layout) -> Self {
        let read_from: Vec<_> =
            Category::READ.iter().map(|category| field_of(layout, *category)).collect();
        let positions = read_from.iter().map(|name| layout.position(name.as_deref()?)).collect();
        Self {
            counts: vec![BTreeMap::new(); Category::ALL.len()],
            read_from,
            positions,
            longest: BTreeMap::new(),
            key_lengths: (0, 0),
            seen_keys: BTreeSet::new(),
            seen_records: BTreeSet::new(),
            words: Counter::default(),
            witness: Witness::default(),
        }
    }

    /// Adds a difference of the training set and its reason.
    pub fn observe(
        &mut self,
        difference: &DifferenceContext<'_>,
        systems: &PerSide<String>,
        reason: &str,
    ) {
        self.witness.add(reason, fold(difference), value_hashes(difference));
        if self.seen_records.insert(record_hash(difference)) {
            self.words.add(&texts_of(difference));
        }
        let name = difference.field_name();
        self.count(Category::Field, hash(&[name.as_bytes()]));
        self.count(Category::FieldAndType, pair_hash(name, difference.diff_type));
        self.count(Category::SystemA, hash(&[systems.a.as_bytes()]));
        self.count(Category::SystemB, hash(&[systems.b.as_bytes()]));
        for (category, position) in Category::READ.into_iter().zip(self.positions.clone()) {
            if let Some(value) = position.and_then(|at| value_hash(difference, at)) {
                self.count(category, value);
            }
        }
        for side in [difference.a, difference.b].into_iter().flatten() {
            let mut buffer = [0; 36];
            if let Cell::Text(text) | Cell::Unparsed(text) =
                difference.cell(Some(side), &mut buffer)
            {
                let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                match self.longest.get_mut(name) {
                    Some(longest) => *longest = (*longest).max(length),
                    None => drop(self.longest.insert(name.to_owned(), length)),
                }
            }
        }
        if let Some(cells) = difference.a.or(difference.b) {
            let key = crate::domain::key::hash(cells, difference.layout.key_len());
            // A record with many differences counts its key once.
            if self.seen_keys.insert(key) {
                let text = crate::domain::key::reference(cells, difference.layout.key_len());
                self.key_lengths.0 += text.chars().count() as u64;
                self.key_lengths.1 += 1;
            }
        }
    }

    fn count(&mut self, category: Category, value: u64) {
        *self.counts[category as usize].entry(value).or_default() += 1;
    }

    pub fn finish(self) -> Encoder {
        let (length, keys) = self.key_lengths;
        let (seen, folds) = self.witness.finish();
        Encoder {
            values: self.counts.iter().map(Values::of).collect(),
            read_from: self.read_from,
            longest: self.longest.into_iter().collect(),
            key_length: (length as f64 / keys.max(1) as f64) as f32,
            learned: Learned { words: self.words.finish(), seen },
            folds,
        }
    }
}

/// Run-level features: how common each kind of difference is in each field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunContext {
    pub systems: PerSide<String>,
    pub batch_date: Option<crate::domain::Date>,
    pub records: u64,
    counts: Vec<[u64; 11]>,
    differences: u64,
}

impl RunContext {
    /// For a run with this many records, before its differences are counted.
    pub fn new(
        systems: PerSide<String>,
        batch_date: Option<crate::domain::Date>,
        records: u64,
    ) -> Self {
        Self { systems, batch_date, records, ..Self::default() }
    }

    /// Counts differences of a field and kind. All of a run's must be counted before the first
    /// feature is read, or features would depend on the order of records.
    pub fn count(&mut self, field: FieldRef, diff_type: DiffType, differences: u64) {
        let at = slot(field);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, [0; 11]);
        }
        self.counts[at][usize::from(diff_type.code())] += differences;
        self.differences += differences;
    }

    /// The share of records with a difference in this field, of this kind among the run's
    /// differences, and of this field and kind together; 0 if nothing was counted.
    pub(super) fn shares(&self, field: FieldRef, diff_type: DiffType) -> [f32; 3] {
        let type_at = usize::from(diff_type.code());
        let of_field = self.counts.get(slot(field));
        let share = |part: u64, whole: u64| {
            if whole == 0 { 0.0 } else { (part as f64 / whole as f64) as f32 }
        };
        [
            share(of_field.map_or(0, |counts| counts.iter().sum()), self.records),
            share(self.counts.iter().map(|counts| counts[type_at]).sum(), self.differences),
            share(of_field.map_or(0, |counts| counts[type_at]), self.differences),
        ]
    }
}

fn slot(field: FieldRef) -> usize {
    match field {
        FieldRef::EntireRecord => 0,
        FieldRef::Field(at) => usize::from(at) + 1,
    }
}

/// The present sides of a difference, A first.
pub(super) fn sides<'a>(
    difference: &DifferenceContext<'a>,
) -> impl Iterator<Item = (Side, crate::domain::Cells<'a>)> {
    [(Side::A, difference.a), (Side::B, difference.b)]
        .into_iter()
        .filter_map(|(side, cells)| Some((side, cells?)))
}
