//! Amounts of money by currency: the exact totals of both sides, and the differences between them.
//!
//! Sums never round and never overflow. A row's part in the total of its side is counted separately from its record's
//! part in the differences, so that the two can be checked against each other.

mod sum;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Cells, Decimal, FieldRef, Layout, Matched, Member, PerSide, RawCell, Side, evidence, metadata,
    place,
};

pub use sum::Sum;

/// How many unreadable amounts of a field and currency are listed.
const UNREADABLE_LISTED: usize = 20;
/// The most characters of an unreadable amount that are kept.
const TEXT_KEPT: usize = 200;

/// Fields that are amounts of money, and the one with their currency: positions in the layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyFields {
    pub amounts: Vec<usize>,
    pub currency: Option<usize>,
}

/// The rows that make up a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Rows of both sides.
    Matched,
    /// A row of this side without partner.
    Alone(Side),
    /// A surplus row of this side.
    Surplus(Side),
}

/// Why an amount of a record leads from A's total to B's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The row of this side has no partner.
    Alone(Side),
    /// The row of this side is one too many.
    Surplus(Side),
    /// The rows differ in the field at this position: the amount, or its currency.
    Field(usize),
    /// The rows agree: within tolerance, or apart from fields that are not compared.
    Within,
}

impl Cause {
    /// What the difference behind it is of; `None` without one.
    pub fn difference(self) -> Option<FieldRef> {
        match self {
            Self::Alone(_) | Self::Surplus(_) => Some(FieldRef::EntireRecord),
            Self::Field(at) => Some(FieldRef::Field(u16::try_from(at).unwrap_or(u16::MAX))),
            Self::Within => None,
        }
    }
}

/// One amount of a record on the way from A's total to B's.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Index of the amount field.
    pub amount: usize,
    pub currency: Option<RawCell<'a>>,
    /// The amount added; zero for an unreadable one.
    pub value: Decimal,
    pub cause: Cause,
}

impl MoneyFields {
    /// The money figures of a stored run.
    pub fn of(metadata: &serde_json::Value) -> Self {
        metadata::piece(metadata, metadata::MONEY_FIELDS).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.amounts.is_empty()
    }

    fn currency<'a>(&self, cells: Cells<'a>) -> Option<RawCell<'a>> {
        let mut cells = cells;
        self.currency.and_then(|at| cells.nth(at))
    }

    /// True if two rows have the same amounts in the same currency (nearly all pairs), so that they add nothing to
    /// the difference of the totals.
    pub fn agree(&self, a: Cells<'_>, b: Cells<'_>) -> bool {
        let cells = |at: usize| {
            let (mut a, mut b) = (a, b);
            (a.nth(at), b.nth(at))
        };
        let is_one_currency = self.currency.is_none_or(|at| {
            let (a, b) = cells(at);
            a == b
        });
        is_one_currency
            && self.amounts.iter().all(|at| {
                let (a, b) = cells(*at);
                a == b || a.and_then(amount_of).is_some_and(|a| Some(a) == b.and_then(amount_of))
            })
    }

    /// Calls `each` with the amounts of a row that are not null: their place in `amounts`, the currency and the
    /// cell.
    fn each_amount<'a>(
        &self,
        cells: Cells<'a>,
        mut each: impl FnMut(usize, Option<RawCell<'a>>, RawCell<'a>),
    ) {
        let currency = self.currency(cells);
        let (mut rest, mut passed) = (cells, 0);
        for (number, at) in self.amounts.iter().enumerate() {
            let Some(cell) = at.checked_sub(passed).and_then(|skip| rest.nth(skip)) else { return };
            passed = at + 1;
            if !cell.is_null() {
                each(number, currency, cell);
            }
        }
    }

    /// Calls `each` with every step of a record from A's total to B's. `is_different` says whether the sides
    /// differ in the field at a position.
    pub fn steps<'a>(
        &self,
        fate: Fate,
        rows: PerSide<&[Cells<'a>]>,
        is_different: &dyn Fn(usize) -> bool,
        mut each: impl FnMut(Step<'a>),
    ) {
        let same_currency = match fate {
            Fate::Matched => self.is_one_currency(rows),
            _ => true,
        };
        let causes: Vec<Cause> = self
            .amounts
            .iter()
            .map(|at| match (fate, self.currency) {
                (Fate::Alone(side), _) => Cause::Alone(side),
                (Fate::Surplus(side), _) => Cause::Surplus(side),
                (_, Some(currency)) if !same_currency && is_different(currency) => {
                    Cause::Field(currency)
                }
                _ if is_different(*at) => Cause::Field(*at),
                _ => Cause::Within,
            })
            .collect();
        let quiet = |amount: usize| {
            causes[amount] == Cause::Within && same_currency && self.is_balanced(amount, rows)
        };
        let quiet: Vec<bool> = (0..causes.len()).map(quiet).collect();
        for side in Side::BOTH {
            for cells in rows[side] {
                self.each_amount(*cells, |amount, currency, cell| {
                    if quiet[amount] {
                        return;
                    }
                    let value = amount_of(cell).unwrap_or(Decimal::ZERO);
                    let value = if side == Side::A { value.negated() } else { value };
                    each(Step { amount, currency, value, cause: causes[amount] });
                });
            }
        }
    }

    fn is_one_currency(&self, rows: PerSide<&[Cells<'_>]>) -> bool {
        let mut currencies =
            rows.a.iter().chain(rows.b).map(|cells| name_of(self.currency(*cells)));
        let first = currencies.next();
        currencies.all(|currency| Some(&currency) == first.as_ref())
    }

    /// True if both sides of a record have the same sum in an amount field.
    fn is_balanced(&self, amount: usize, rows: PerSide<&[Cells<'_>]>) -> bool {
        let mut sums = PerSide { a: Sum::default(), b: Sum::default() };
        for side in Side::BOTH {
            for cells in rows[side] {
                let cell = cells.into_iter().nth(self.amounts[amount]);
                if let Some(value) = cell.and_then(amount_of) {
                    sums[side].add(value);
                }
            }
        }
        sums.a == sums.b
    }
}

fn amount_of(cell: RawCell<'_>) -> Option<Decimal> {
    cell.decode(&mut [0; 36]).number()
}

/// The text of a currency; null is one of its own.
pub fn name_of(currency: Option<RawCell<'_>>) -> Option<String> {
    currency.and_then(|cell| cell.decode(&mut [0; 36]).text())
}

/// Calls `each` with the rows of a record: a group's are its members.
pub fn with_rows<T>(
    layout: &Layout,
    sides: PerSide<Option<Cells<'_>>>,
    matched: Option<&Matched>,
    each: impl FnOnce(PerSide<&[Cells<'_>]>) -> T,
) -> T {
    let members = PerSide::of(|side| match matched {
        Some(matched) if side == Side::A => matched.a.as_slice(),
        Some(matched) => matched.b.as_slice(),
        None => &[],
    });
    let read = |member: &Member| {
        let mut cells = Vec::new();
        evidence::read(layout, member.values.get(), &mut cells).ok().map(|()| cells)
    };
    let buffers = members.map(|_, members| members.iter().filter_map(read).collect::<Vec<_>>());
    let rows = PerSide::of(|side| match members[side] {
        [] => sides[side].into_iter().collect::<Vec<_>>(),
        _ => buffers[side].iter().map(|cells| Cells::new(cells)).collect(),
    });
    each(PerSide { a: &rows.a, b: &rows.b })
}

/// An amount that can't be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// `a` or `b`.
    pub side: String,
    pub file: String,
    pub line: u64,
    pub text: String,
    /// Tells the file while the run is at work.
    #[serde(skip)]
    pub offset: u64,
}

impl Unreadable {
    fn order(&self) -> (&str, usize, u64, u64) {
        (&self.side, place::input_of(self.offset), self.line, self.offset)
    }
}

/// The parts of an amount field's totals in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    pub field: String,
    /// Null for amounts without a currency.
    pub currency: Option<String>,
    /// The total of A's rows that take part.
    pub a: Sum,
    /// Of rows of A without partner.
    pub missing_in_b: Sum,
    /// Of surplus rows of A.
    pub duplicates_a: Sum,
    /// B − A of records that differ in the amount or its currency.
    pub differences: Sum,
    /// B − A of records whose amounts agree within tolerance, or are not compared.
    pub within_tolerance: Sum,
    /// Of rows of B without partner.
    pub missing_in_a: Sum,
    /// Of surplus rows of B.
    pub duplicates_b: Sum,
    /// The total of B's rows that take part.
    pub b: Sum,
    /// Amounts that can't be read; they count 0.
    pub unreadable_a: u64,
    pub unreadable_b: u64,
    /// The first of those.
    pub unreadable: Vec<Unreadable>,
    /// Rows of the source that a filter left out, whatever their currency.
    pub filtered_a: u64,
    pub filtered_b: u64,
    /// Rows of the source that were rejected, whatever their currency.
    pub rejected_a: u64,
    pub rejected_b: u64,
    /// Number of records behind `within_tolerance`.
    #[serde(default)]
    pub within_tolerance_records: u64,
}

impl Money {
    /// B's expected total: A's total plus the differences.
    pub fn expected(&self) -> Sum {
        let mut sum = self.a;
        sum.minus(&self.missing_in_b);
        sum.minus(&self.duplicates_a);
        sum.plus(&self.differences);
        sum.plus(&self.within_tolerance);
        sum.plus(&self.missing_in_a);
        sum.plus(&self.duplicates_b);
        sum
    }

    /// The first totals that do not tie, in words.
    pub fn discrepancy(all: &[Self]) -> Option<String> {
        let one = all.iter().find(|one| one.expected() != one.b)?;
        Some(format!(
            "the totals of `{}` in {} do not tie: A's total {} leads to {}, but B's total is {}",
            one.field,
            one.currency_name(),
            one.a,
            one.expected(),
            one.b
        ))
    }

    /// The currency as people read it.
    pub fn currency_name(&self) -> &str {
        self.currency.as_deref().unwrap_or("no currency")
    }
}

/// The running totals of one amount field in one currency.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Line {
    occurs: bool,
    totals: PerSide<Sum>,
    alone: PerSide<Sum>,
    surplus: PerSide<Sum>,
    differences: Sum,
    within: Sum,
    within_records: u64,
    unreadable: PerSide<u64>,
    #[serde(with = "placed")]
    listed: Vec<Unreadable>,
}

/// Unreadable amounts with their offsets, which are needed until their files are known.
mod placed {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Unreadable;

    pub fn serialize<S: Serializer>(all: &[Unreadable], to: S) -> Result<S::Ok, S::Error> {
        all.iter().map(|one| (one.offset, one)).collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Unreadable>, D::Error> {
        let all = Vec::<(u64, Unreadable)>::deserialize(from)?;
        Ok(all.into_iter().map(|(offset, one)| Unreadable { offset, ..one }).collect())
    }
}

impl Line {
    fn add(&mut self, other: &Self) {
        self.occurs |= other.occurs;
        for side in Side::BOTH {
            self.totals[side].plus(&other.totals[side]);
            self.alone[side].plus(&other.alone[side]);
            self.surplus[side].plus(&other.surplus[side]);
            self.unreadable[side] += other.unreadable[side];
        }
        self.differences.plus(&other.differences);
        self.within.plus(&other.within);
        self.within_records += other.within_records;
        other.listed.iter().for_each(|one| self.list(one.clone()));
    }

    /// Keeps the first ones by their place, whatever the order in which they come.
    fn list(&mut self, one: Unreadable) {
        let at = self.listed.partition_point(|known| known.order() <= one.order());
        if at < UNREADABLE_LISTED {
            self.listed.insert(at, one);
            self.listed.truncate(UNREADABLE_LISTED);
        }
    }
}

/// The sums of one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "Vec<Currency>", from = "Vec<Currency>")]
pub struct MoneyTally {
    /// The number of a currency, by its encoded cell.
    numbers: HashMap<Vec<u8>, usize>,
    /// The currency seen last: rows of one currency often follow each other.
    last: (Vec<u8>, usize),
    /// Of each currency, its name and a line for each amount field.
    currencies: Vec<(Option<String>, Vec<Line>)>,
}

/// The sums in one currency: its encoded cell, its name, and a line for each amount field.
type Currency = (Vec<u8>, Option<String>, Vec<Line>);

impl From<MoneyTally> for Vec<Currency> {
    fn from(tally: MoneyTally) -> Self {
        let mut cells: Vec<(Vec<u8>, usize)> = tally.numbers.into_iter().collect();
        cells.sort_unstable_by_key(|(_, number)| *number);
        let all = cells.into_iter().zip(tally.currencies);
        all.map(|((cell, _), (name, lines))| (cell, name, lines)).collect()
    }
}

impl From<Vec<Currency>> for MoneyTally {
    fn from(all: Vec<Currency>) -> Self {
        let mut tally = Self::default();
        for (number, (cell, name, lines)) in all.into_iter().enumerate() {
            tally.numbers.insert(cell, number);
            tally.currencies.push((name, lines));
        }
        tally
    }
}

impl MoneyTally {
    fn lines(&mut self, fields: &MoneyFields, currency: Option<RawCell<'_>>) -> &mut [Line] {
        let bytes = currency.map_or(&[][..], RawCell::bytes);
        if self.currencies.is_empty() || self.last.0 != bytes {
            let number = match self.numbers.get(bytes) {
                Some(number) => *number,
                None => {
                    let lines = vec![Line::default(); fields.amounts.len()];
                    self.currencies.push((name_of(currency), lines));
                    self.numbers.insert(bytes.to_vec(), self.currencies.len() - 1);
                    self.currencies.len() - 1
                }
            };
            self.last = (bytes.to_vec(), number);
        }
        &mut self.currencies[self.last.1].1
    }

    /// Adds a row that takes part to the totals of its side; `place` is its line and byte offset.
    pub fn row(
        &mut self,
        fields: &MoneyFields,
        side: Side,
        cells: Cells<'_>,
        (line, offset): (u64, u64),
    ) {
        fields.each_amount(cells, |amount, currency, cell| {
            let Some(of) = self.lines(fields, currency).get_mut(amount) else { return };
            of.occurs = true;
            if let Some(value) = amount_of(cell) {
                of.totals[side].add(value);
                return;
            }
            of.unreadable[side] += 1;
            let text = cell.decode(&mut [0; 36]).text().unwrap_or_default();
            let text = text.chars().take(TEXT_KEPT).collect();
            let side = side.letter().to_owned();
            of.list(Unreadable { side, file: String::new(), line, text, offset });
        });
    }

    /// Adds a record's part in the differences.
    pub fn record(
        &mut self,
        fields: &MoneyFields,
        fate: Fate,
        rows: PerSide<&[Cells<'_>]>,
        is_different: &dyn Fn(usize) -> bool,
    ) {
        let mut within: Vec<(usize, Option<RawCell<'_>>)> = Vec::new();
        fields.steps(fate, rows, is_different, |step| {
            let Some(line) = self.lines(fields, step.currency).get_mut(step.amount) else { return };
            line.occurs = true;
            match step.cause {
                // A's amounts are subtracted.
                Cause::Alone(Side::A) => line.alone.a.subtract(step.value),
                Cause::Alone(Side::B) => line.alone.b.add(step.value),
                Cause::Surplus(Side::A) => line.surplus.a.subtract(step.value),
                Cause::Surplus(Side::B) => line.surplus.b.add(step.value),
                Cause::Field(_) => line.differences.add(step.value),
                Cause::Within => {
                    line.within.add(step.value);
                    let known = |(amount, currency): &(usize, Option<RawCell<'_>>)| {
                        *amount == step.amount && *currency == step.currency
                    };
                    if !within.iter().any(known) {
                        within.push((step.amount, step.currency));
                        line.within_records += 1;
                    }
                }
            }
        });
    }

    /// Adds another worker's sums.
    pub fn add(&mut self, other: &Self) {
        for (bytes, number) in &other.numbers {
            let (name, theirs) = &other.currencies[*number];
            let mine = match self.numbers.get(bytes) {
                Some(mine) => *mine,
                None => {
                    self.currencies.push((name.clone(), Vec::new()));
                    self.numbers.insert(bytes.clone(), self.currencies.len() - 1);
                    self.currencies.len() - 1
                }
            };
            let mine = &mut self.currencies[mine].1;
            if mine.len() < theirs.len() {
                mine.resize_with(theirs.len(), Line::default);
            }
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                mine.add(theirs);
            }
        }
    }

    /// The sums by field, then by currency; amounts without a currency come last.
    pub fn money(&self, fields: &MoneyFields, layout: &Layout) -> Vec<Money> {
        let mut by_name: BTreeMap<(usize, bool, &Option<String>), Line> = BTreeMap::new();
        for (name, lines) in &self.currencies {
            for (amount, line) in lines.iter().enumerate() {
                by_name.entry((amount, name.is_none(), name)).or_default().add(line);
            }
        }
        let name = |amount: usize| {
            let at = fields.amounts.get(amount).copied().unwrap_or_default();
            layout.fields().get(at).map(|field| field.name.clone()).unwrap_or_default()
        };
        let money = |((amount, _, currency), line): ((usize, bool, &Option<String>), Line)| Money {
            field: name(amount),
            currency: currency.clone(),
            a: line.totals.a,
            missing_in_b: line.alone.a,
            duplicates_a: line.surplus.a,
            differences: line.differences,
            within_tolerance: line.within,
            missing_in_a: line.alone.b,
            duplicates_b: line.surplus.b,
            b: line.totals.b,
            unreadable_a: line.unreadable.a,
            unreadable_b: line.unreadable.b,
            unreadable: line.listed,
            within_tolerance_records: line.within_records,
            ..Money::default()
        };
        by_name.into_iter().filter(|(_, line)| line.occurs).map(money).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Field, Kind, Row};
    use proptest::prelude::*;

    fn layout() -> Layout {
        let fields = ["id", "currency", "amount"];
        let kinds = [Kind::Text, Kind::Text, Kind::Decimal];
        let fields = fields.into_iter().zip(kinds).map(|(name, kind)| Field::new(name, kind));
        Layout::new(fields.collect(), 1)
    }

    /// The cells of a row with a currency and an amount, which may be null or unreadable.
    fn cells() -> impl Strategy<Value = Vec<u8>> {
        use crate::domain::Cell;
        (0..4usize, any::<i64>(), 0u8..10, 0..10usize).prop_map(
            |(currency, amount, scale, what)| {
                let currencies =
                    [Cell::Null, Cell::Text("EUR"), Cell::Text("USD"), Cell::Text("CHF")];
                let amount = match what {
                    0 => Cell::Null,
                    1 => Cell::Unparsed("n/a"),
                    _ => Cell::Decimal(Decimal::new(amount.into(), scale).unwrap()),
                };
                Row::of([Cell::Text("1"), currencies[currency], amount]).cells
            },
        )
    }

    proptest! {
        #[test]
        fn the_totals_tie_whatever_the_records(
            records in proptest::collection::vec(
                (
                    proptest::collection::vec(cells(), 0..4),
                    proptest::collection::vec(cells(), 0..4),
                    any::<[bool; 2]>(),
                ),
                0..30,
            ),
        ) {
            let fields = MoneyFields { amounts: vec![2], currency: Some(1) };
            let mut tally = MoneyTally::default();
            for (a, b, different) in &records {
                let rows = PerSide { a, b }.map(|_, rows| {
                    rows.iter().map(|cells| Cells::new(cells)).collect::<Vec<_>>()
                });
                for side in Side::BOTH {
                    rows[side].iter().for_each(|row| tally.row(&fields, side, *row, (2, 0)));
                }
                let is_different = |at: usize| different[at - 1];
                if !a.is_empty() && !b.is_empty() {
                    let rows = PerSide { a: &rows.a[..], b: &rows.b[..] };
                    if rows.a.len() > 1 || rows.b.len() > 1 || !fields.agree(rows.a[0], rows.b[0]) {
                        tally.record(&fields, Fate::Matched, rows, &is_different);
                    }
                    continue;
                }
                for side in Side::BOTH {
                    for row in &rows[side] {
                        let fate = if different[0] { Fate::Alone(side) } else { Fate::Surplus(side) };
                        let one = std::slice::from_ref(row);
                        let rows = match side {
                            Side::A => PerSide { a: one, b: &one[..0] },
                            Side::B => PerSide { a: &one[..0], b: one },
                        };
                        tally.record(&fields, fate, rows, &is_different);
                    }
                }
            }
            prop_assert_eq!(Money::discrepancy(&tally.money(&fields, &layout())), None);
        }
    }

    #[test]
    fn a_lost_row_or_amount_is_noticed() {
        use crate::domain::Cell;
        let fields = MoneyFields { amounts: vec![2], currency: Some(1) };
        let row = |currency: &'static str, amount: &str| {
            let amount = Cell::Decimal(amount.parse().unwrap());
            Row::of([Cell::Text("1"), Cell::Text(currency), amount])
        };
        let (a, b) = (row("EUR", "5"), row("USD", "7"));
        let cells = |row: &Row| row.cells.clone();
        let (bytes_a, bytes_b) = (cells(&a), cells(&b));
        let (cells_a, cells_b) = (Cells::new(&bytes_a), Cells::new(&bytes_b));
        let mut tally = MoneyTally::default();
        tally.row(&fields, Side::A, cells_a, (2, 0));
        tally.row(&fields, Side::B, cells_b, (2, 0));
        let untied = Money::discrepancy(&tally.money(&fields, &layout()));
        assert!(untied.is_some_and(|text| text.contains("`amount` in EUR do not tie")));
        let rows = PerSide { a: &[cells_a][..], b: &[cells_b][..] };
        tally.record(&fields, Fate::Matched, rows, &|at| at == 1);
        let money = tally.money(&fields, &layout());
        assert_eq!(Money::discrepancy(&money), None);
        assert_eq!(
            (money[0].differences.to_string(), money[1].differences.to_string()),
            ("-5".to_owned(), "7".to_owned())
        );
        assert_eq!(money[0].within_tolerance, Sum::default());
    }
}
