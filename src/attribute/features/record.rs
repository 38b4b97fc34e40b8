//! Facts about the whole record of a difference: the values of its fields, and how the sides agree.
//!
//! Fields are counted by kind in the job's order, without the key: the first [`NUMBERS`] numbers, the
//! first [`TEXTS`] texts and the first [`DATES`] dates have features of their own.

use std::collections::BTreeSet;

use super::encode::id;
use super::facts::Together;
use super::number::Roundness;
use super::text::{clipped, overlap};
use super::words::{CodeFacts, Codes, WordFacts, Words};
use super::{ABSENT, flag};
use crate::domain::{Cell, Cells, Date, Decimal, DifferenceContext, FieldRef, Kind};

/// How many features there are, with those of seen reasons and of the key's structure.
pub const COUNT: usize =
    NUMBERS * 2 + TEXTS * 5 + DATES * 3 + 18 + 11 + 2 + super::seen::REASONS + 2;

const NUMBERS: usize = 8;
const TEXTS: usize = 10;
const DATES: usize = 3;

/// Sums and products are rounded to cents by the systems that compute them.
const CENT: f64 = 0.0051;
/// A part of another number is looked for if rounding can move its multiple by this share of it at most.
const TOLD_APART: f64 = 0.05;
/// Two relative differences are the same up to this share.
const SAME: f64 = 1e-6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NumberField {
    pub size: f32,
    pub relative: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TextField {
    pub similarity: f32,
    pub overlap: f32,
    pub id: f32,
    /// The overlap with rare words weighing more, and the larger share of one side's words that the other has.
    pub weight: f32,
    pub contained: f32,
}

impl TextField {
    const NONE: Self =
        Self { similarity: ABSENT, overlap: ABSENT, id: ABSENT, weight: ABSENT, contained: ABSENT };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DateField {
    pub days: f32,
    pub weekday: f32,
    pub age: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RecordFacts {
    pub numbers: [NumberField; NUMBERS],
    pub texts: [TextField; TEXTS],
    pub dates: [DateField; DATES],
    pub equal: f32,
    pub missing: [f32; 2],
    pub missing_pattern: f32,
    pub differing_pattern: f32,
    pub words: f32,
    pub numbered_words: f32,
    pub elsewhere: f32,
    pub product: [f32; 2],
    pub sum: [f32; 2],
    pub delta_elsewhere: f32,
    pub same_relative: f32,
    pub roundness: Roundness,
    pub delta_is_part: f32,
    pub rare: WordFacts,
    pub codes: CodeFacts,
}

impl RecordFacts {
    const NONE: Self = Self {
        numbers: [NumberField { size: ABSENT, relative: ABSENT }; NUMBERS],
        texts: [TextField::NONE; TEXTS],
        dates: [DateField { days: ABSENT, weekday: ABSENT, age: ABSENT }; DATES],
        equal: ABSENT,
        missing: [0.0; 2],
        missing_pattern: 0.0,
        differing_pattern: 0.0,
        words: ABSENT,
        numbered_words: ABSENT,
        elsewhere: 0.0,
        product: [0.0; 2],
        sum: [0.0; 2],
        delta_elsewhere: 0.0,
        same_relative: 0.0,
        roundness: Roundness::NONE,
        delta_is_part: 0.0,
        rare: WordFacts::NONE,
        codes: CodeFacts::NONE,
    };

    /// `words` come with 1 if the record is one that they were learned from.
    pub(super) fn of(
        difference: &DifferenceContext<'_>,
        together: Together<'_>,
        batch_date: Option<Date>,
        words: (&Words, u32),
    ) -> Self {
        let mut reading = Reading::new(words);
        reading.read(difference, batch_date);
        let mut facts = reading.facts;
        facts.differing_pattern = pattern(together);
        facts.words = shared(&mut reading.words);
        facts.numbered_words = shared(&mut reading.numbered);
        let [a, b] = &reading.words;
        facts.rare = WordFacts::of(words.0, words.1, [a, b]);
        facts.codes = CodeFacts::of(&mut reading.codes);
        if reading.both > 0 {
            facts.equal = reading.same as f32 / reading.both as f32;
        }
        reading.relations(&mut facts);
        facts
    }
}

/// The record's values by type, gathered field by field.
struct Reading<'w> {
    known: (&'w Words, u32),
    facts: RecordFacts,
    /// Fields that both sides have, and those of them that are the same.
    both: u32,
    same: u32,
    /// Hashes of the words of each side, and of those with a digit.
    words: [Vec<u64>; 2],
    numbered: [Vec<u64>; 2],
    codes: [Codes; 2],
    /// The numbers of each side other than the difference's own.
    others: [Vec<f64>; 2],
    own: [Option<Decimal>; 2],
    relatives: Vec<f64>,
    missing: String,
}

impl<'w> Reading<'w> {
    fn new(known: (&'w Words, u32)) -> Self {
        Self {
            known,
            facts: RecordFacts::NONE,
            both: 0,
            same: 0,
            words: Default::default(),
            numbered: Default::default(),
            codes: Default::default(),
            others: Default::default(),
            own: [None; 2],
            relatives: Vec::new(),
            missing: String::new(),
        }
    }

    fn read(&mut self, difference: &DifferenceContext<'_>, batch_date: Option<Date>) {
        let key = difference.layout.key_len();
        let (mut numbers, mut texts, mut dates) = (0, 0, 0);
        let mut sides =
            [difference.a, difference.b].map(|cells| cells.map(|cells| cells.skip(key)));
        for (at, field) in difference.layout.fields().iter().enumerate().skip(key) {
            let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
            let [raw_a, raw_b] =
                sides.each_mut().map(|side| side.as_mut().and_then(Iterator::next));
            let a = raw_a.map_or(Cell::Null, |raw| raw.decode(&mut buffer_a));
            let b = raw_b.map_or(Cell::Null, |raw| raw.decode(&mut buffer_b));
            let is_own = difference.field == FieldRef::Field(at as u16);
            self.presence(a, b);
            match field.kind {
                Kind::Decimal | Kind::Integer => {
                    self.number(numbers, a, b, is_own);
                    numbers += 1;
                }
                Kind::Date | Kind::Datetime => {
                    self.date(dates, a, b, batch_date);
                    dates += 1;
                }
                _ => {
                    self.text(texts, a, b);
                    texts += 1;
                }
            }
        }
        if let (FieldRef::Field(own), Some(a), Some(b)) =
            (difference.field, difference.a, difference.b)
        {
            self.facts.elsewhere = flag(is_elsewhere(usize::from(own), key, [a, b]));
        }
        self.facts.missing_pattern = id(&self.missing);
    }

    fn presence(&mut self, a: Cell<'_>, b: Cell<'_>) {
        for (missing, cell) in self.facts.missing.iter_mut().zip([a, b]) {
            *missing += flag(cell.is_null());
        }
        self.missing.push(match (a.is_null(), b.is_null()) {
            (false, false) => '.',
            (true, false) => 'a',
            (false, true) => 'b',
            (true, true) => '-',
        });
        if !a.is_null() && !b.is_null() {
            self.both += 1;
            self.same += u32::from(a == b);
        }
    }

    fn number(&mut self, at: usize, a: Cell<'_>, b: Cell<'_>, is_own: bool) {
        let exact = [a, b].map(|cell| cell.number());
        let values = exact.map(|number| number.map(Decimal::to_f64));
        let relative = match values {
            [Some(a), Some(b)] => {
                let larger = a.abs().max(b.abs());
                if larger > 0.0 { (b - a) / larger } else { 0.0 }
            }
            _ => f64::NAN,
        };
        if is_own {
            self.own = exact;
        } else {
            for (others, value) in self.others.iter_mut().zip(values) {
                others.extend(value);
            }
            self.relatives.push(relative);
        }
        if let (Some(field), Some(value)) =
            (self.facts.numbers.get_mut(at), values[0].or(values[1]))
        {
            field.size = (value.signum() * (1.0 + value.abs()).log10()) as f32;
            // Not a number becomes ABSENT when the row is written.
            field.relative = relative as f32;
        }
    }

    fn date(&mut self, at: usize, a: Cell<'_>, b: Cell<'_>, batch_date: Option<Date>) {
        let Some(field) = self.facts.dates.get_mut(at) else { return };
        let facts = super::date::DateFacts::of(a, b, batch_date);
        (field.days, field.age) = (facts.days, facts.age);
        if let Some(date) = super::date::day(a).or_else(|| super::date::day(b)) {
            field.weekday = date.weekday() as f32;
        }
    }

    fn text(&mut self, at: usize, a: Cell<'_>, b: Cell<'_>) {
        let texts = [a, b].map(|cell| match cell {
            Cell::Text(text) | Cell::Unparsed(text) => Some(clipped(text)),
            Cell::Boolean(true) => Some("true"),
            Cell::Boolean(false) => Some("false"),
            _ => None,
        });
        let mut own: [Vec<u64>; 2] = Default::default();
        for (side, text) in texts.into_iter().enumerate() {
            let text = text.unwrap_or_default();
            self.codes[side].read(text);
            for word in words(text) {
                let hash = hash(word);
                own[side].push(hash);
                if word.bytes().any(|byte| byte.is_ascii_digit()) {
                    self.numbered[side].push(hash);
                }
            }
            self.words[side].extend(&own[side]);
        }
        let (known, is_own) = self.known;
        let Some(field) = self.facts.texts.get_mut(at) else { return };
        field.id = texts[0].or(texts[1]).map_or(ABSENT, id);
        if let [Some(a), Some(b)] = texts {
            let same = a == b;
            field.similarity = if same { 1.0 } else { strsim::sorensen_dice(a, b) as f32 };
            field.overlap = if same { 1.0 } else { overlap(a, b) };
            own.iter_mut().for_each(tidy);
            let facts = WordFacts::of(known, is_own, [&own[0], &own[1]]);
            (field.weight, field.contained) = (facts.overlap, facts.contained());
        }
    }

    /// Adds relations between the difference's numbers and the record's others.
    fn relations(&self, facts: &mut RecordFacts) {
        facts.roundness = Roundness::of(self.own);
        let values = self.own.map(|own| own.map(Decimal::to_f64));
        for (side, own) in values.into_iter().enumerate() {
            let Some(own) = own.filter(|own| *own != 0.0) else { continue };
            let near = |value: f64| (value - own).abs() <= CENT.max(own.abs() * 1e-7);
            let others = &self.others[side];
            for (at, one) in others.iter().enumerate() {
                for other in &others[at + 1..] {
                    let ratios = [one * other, one / other, other / one];
                    facts.product[side] =
                        facts.product[side].max(flag(ratios.into_iter().any(near)));
                    let sums = [one + other, one - other, other - one];
                    facts.sum[side] = facts.sum[side].max(flag(sums.into_iter().any(near)));
                }
            }
        }
        let [Some(a), Some(b)] = values else { return };
        let delta = (b - a).abs();
        let is_delta =
            |other: &f64| delta > 0.0 && (other.abs() - delta).abs() < CENT.min(delta * 1e-3);
        facts.delta_elsewhere = flag(self.others.iter().flatten().any(is_delta));
        facts.delta_is_part =
            flag(self.others.iter().flatten().any(|other| is_part(delta, *other)));
        let relative = (b - a) / a.abs().max(b.abs());
        let is_same = |other: &f64| *other != 0.0 && (other - relative).abs() < SAME;
        facts.same_relative = flag(self.relatives.iter().any(is_same));
    }
}

/// Whether one, two or three times `whole` is a multiple of `part`, both rounded to cents: interest of a
/// few days is such a part of the interest accrued so far, and one item of a total.
fn is_part(part: f64, whole: f64) -> bool {
    let whole = whole.abs();
    (1..=3u8).map(f64::from).any(|times| {
        let count = (times * whole / part).round();
        let rounding = CENT * (count + times);
        count >= 1.0
            && rounding <= TOLD_APART * part
            && (times * whole - count * part).abs() <= 2.0 * rounding
    })
}

/// The record's differing fields, as a number.
fn pattern(together: Together<'_>) -> f32 {
    use std::fmt::Write as _;
    let mut fields: Vec<u32> = together
        .iter()
        .map(|(field, _)| match field {
            FieldRef::EntireRecord => 0,
            FieldRef::Field(at) => u32::from(*at) + 1,
        })
        .collect();
    fields.sort_unstable();
    let mut text = String::new();
    for field in fields {
        let _ = write!(text, "{field},");
    }
    id(&text)
}

/// Whether a side's value is the value of another field on the other side.
fn is_elsewhere(own: usize, key: usize, sides: [Cells<'_>; 2]) -> bool {
    sides.iter().enumerate().any(|(side, cells)| {
        let mut buffer = [0; 36];
        let value = cells.clone().nth(own).map(|raw| raw.decode(&mut buffer));
        let Some(value) = value.filter(|value| !value.is_null()) else { return false };
        sides[1 - side]
            .enumerate()
            .skip(key)
            .any(|(at, raw)| at != own && raw.decode(&mut [0; 36]) == value)
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn hash(word: &str) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325u64;
    for character in word.chars().flat_map(char::to_lowercase) {
        state = (state ^ u64::from(u32::from(character))).wrapping_mul(0x0100_0000_01b3);
    }
    state
}

fn tidy(words: &mut Vec<u64>) {
    words.sort_unstable();
    words.dedup();
}

/// The words of a record's texts on either side, without the key's.
pub(super) fn texts_of(difference: &DifferenceContext<'_>) -> BTreeSet<u64> {
    let key = difference.layout.key_len();
    let mut found = BTreeSet::new();
    for cells in [difference.a, difference.b].into_iter().flatten() {
        for raw in cells.skip(key) {
            if let Cell::Text(text) | Cell::Unparsed(text) = raw.decode(&mut [0; 36]) {
                found.extend(words(clipped(text)).map(hash));
            }
        }
    }
    found
}

/// Words of both sides ÷ words of either.
fn shared(words: &mut [Vec<u64>; 2]) -> f32 {
    words.iter_mut().for_each(tidy);
    let [a, b] = words;
    let both = a.iter().filter(|word| b.binary_search(word).is_ok()).count();
    let either = a.len() + b.len() - both;
    if a.is_empty() || b.is_empty() { ABSENT } else { both as f32 / either as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DiffType, Field, Layout, Row, Severity, Value};

    #[test]
    fn a_record_is_read_as_a_whole() {
        let field = |name: &str, kind| Field::new(name, kind);
        let layout = Layout::new(
            vec![
                field("id", Kind::Text),
                field("title", Kind::Text),
                field("quantity", Kind::Decimal),
                field("price", Kind::Decimal),
                field("amount", Kind::Decimal),
                field("fee", Kind::Decimal),
                field("day", Kind::Date),
                field("maker", Kind::Text),
            ],
            1,
        );
        let number = |text: &str| Value::Decimal(text.parse().unwrap());
        let text = |text: &str| Value::Text(text.to_owned());
        let day = |text: &str| Value::Date(text.parse().unwrap());
        let row = |values: &[Value]| Row::of(values.iter().map(Value::as_cell));
        let a = row(&[
            text("T1"),
            text("Camera DSC-90 black"),
            number("3"),
            number("2.5"),
            number("7.50"),
            number("0.50"),
            day("2026-01-30"),
            Value::Null,
        ]);
        let b = row(&[
            text("T1"),
            text("camera dsc-90"),
            number("3"),
            number("2.5"),
            number("7.00"),
            number("0.50"),
            day("2026-02-02"),
            text("Camera DSC-90 black"),
        ]);
        let mut difference = DifferenceContext {
            layout: &layout,
            field: FieldRef::Field(4),
            diff_type: DiffType::NumericMismatch,
            severity: Severity::Medium,
            a: Some(a.borrow(1).cells()),
            b: Some(b.borrow(1).cells()),
            partner_rejected: false,
            matched: None,
        };
        let together = [
            (FieldRef::Field(4), DiffType::NumericMismatch),
            (FieldRef::Field(1), DiffType::StringMismatch),
        ];
        let facts = RecordFacts::of(&difference, &together, None, (&Words::default(), 0));
        assert_eq!((facts.product, facts.sum), ([1.0, 0.0], [0.0, 0.0]));
        assert_eq!((facts.delta_elsewhere, facts.same_relative, facts.elsewhere), (1.0, 0.0, 0.0));
        assert_eq!((facts.missing, facts.equal), ([1.0, 0.0], 0.5));
        assert_eq!((facts.words, facts.numbered_words), (1.0, 1.0));
        // Characters are compared as they are written, words in any case.
        let title = facts.texts[0];
        assert!((0.4..1.0).contains(&title.similarity) && title.overlap == 0.75, "{title:?}");
        assert_eq!((facts.dates[0].days, facts.dates[0].weekday), (3.0, 4.0));
        assert_eq!((facts.numbers[0].relative, facts.numbers[3].relative), (0.0, 0.0));
        assert!(facts.numbers[2].relative < 0.0);
        assert_eq!(facts.numbers[7], RecordFacts::NONE.numbers[7]);
        // Side A has a code that B has, written the same way.
        assert_eq!((facts.codes.found[0], facts.codes.conflict), (1.0, 0.0));
        // The order in which differences come does not matter.
        let turned = [together[1], together[0]];
        assert_eq!(RecordFacts::of(&difference, &turned, None, (&Words::default(), 0)), facts);
        // 7.50 is halfway between whole numbers, and 7 is one of them.
        assert_eq!((facts.roundness.sides, facts.roundness.rounded), ([-1.0, 0.0], 0.0));
        difference.field = FieldRef::Field(1);
        assert_eq!(
            RecordFacts::of(&difference, &together, None, (&Words::default(), 0)).elsewhere,
            1.0
        );
    }

    #[test]
    fn a_part_of_another_number_is_recognized_despite_rounding() {
        // Interest of 180 days, cut to cents, and of one, two and three days of it.
        let a_day = 123.4567f64;
        let cents = |value: f64| (value * 100.0).floor() / 100.0;
        for days in 1..=3u8 {
            assert!(is_part(cents(a_day * f64::from(days)), cents(a_day * 180.0)), "{days} days");
        }
        // Neither an amount in between, nor one so small that any number is near a multiple of it.
        assert!(!is_part(cents(a_day * 1.3), cents(a_day * 180.0)));
        assert!(!is_part(0.07, cents(a_day * 180.0)) && !is_part(300.0, 20.0));
    }
}
