//! Detects conventions that the configuration lacks: fields in which nearly all records differ in
//! the same way.
//!
//! The search precedes the first decision of a run and uses a sample: the records whose keys have
//! the lowest hashes. The hash depends only on the key, so the sample is the same in one pass and
//! in three commands, at any thread count and memory limit. It covers all records of a small run,
//! and so few of a large one that it costs next to nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::align::{Placed, part_of};
use crate::attribute::HeldBack;
use crate::compare::pattern::{self, Pattern, SharedPattern, ValuePair};
use crate::diagnostic::{Code, Problem};
use crate::domain::metadata::Warning;
use crate::domain::{
    Books, Cells, Decimal, Kind, Layout, PerSide, RawCell, RowRef, Side, key, metadata,
};
use crate::normalize::Step;
use crate::store::RecordKind;

use super::Plan;
use super::matching::{Entry, Rows};

/// The metadata key for [`Conventions`].
const CONVENTIONS: &str = "conventions";
/// Approximate sample size in pairs.
const PAIRS: u64 = 5_000;
/// Approximate sample size in values, to bound memory for very wide records.
const VALUES: u64 = 2_000_000;
/// Fewer rows per side than this do not justify a warning that nothing pairs.
const LEAST_ROWS: u64 = 5;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Conventions {
    /// Fields with a pattern.
    fields: Vec<Convention>,
    /// There are records, but none is paired.
    unpaired: bool,
}

/// A difference that nearly all records of a field share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Convention {
    field: String,
    message: String,
    /// The change to make in `recon.yaml`.
    help: String,
}

impl Conventions {
    /// Reads them from the metadata of a run.
    pub fn of(metadata: &Json) -> Self {
        metadata::piece(metadata, CONVENTIONS).unwrap_or_default()
    }

    /// Writes them into the metadata of the run.
    pub fn keep(&self, metadata: &mut Json) {
        if let (Json::Object(map), Ok(json)) = (metadata, serde_json::to_value(self)) {
            map.insert(CONVENTIONS.to_owned(), json);
        }
    }

    /// One warning per convention, with the remedy.
    pub fn warnings(&self) -> Vec<Problem> {
        let warning = |found: &Convention| {
            Problem::new(Code::SameDifference, found.message.clone()).help(found.help.clone())
        };
        self.fields.iter().map(warning).collect()
    }

    /// Differences excluded from automatic acceptance: those of fields with a convention, and
    /// missing records that rejected or unpaired rows could explain.
    pub fn held_back(&self, layout: &Layout, books: &Books) -> HeldBack {
        let field = |found: &Convention| {
            let at = u16::try_from(layout.position(&found.field)?).ok()?;
            let why = "nearly all records differ this way; change the configuration instead";
            Some((at, why.to_owned()))
        };
        let missing_in = PerSide::of(|side| {
            let rejected = books.rejected_without_key[side];
            if self.unpaired {
                Some("no records are paired; check `key` and the files".to_owned())
            } else if rejected > 0 {
                Some(format!("source {side} has rejected rows with unknown keys ({rejected})"))
            } else {
                None
            }
        });
        HeldBack { fields: self.fields.iter().filter_map(field).collect(), missing_in }
    }
}

/// The sample of records searched for conventions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The highest key hash in the sample.
    highest: u64,
    is_all: bool,
    /// Each with the number of its partition or lot.
    pairs: Vec<(usize, Vec<u8>, Vec<u8>)>,
    records: u64,
    groups: u64,
    rows: PerSide<u64>,
}

impl Sample {
    /// An empty sample for a run with this many rows.
    pub fn new(layout: &Layout, rows: PerSide<u64>) -> Self {
        let wanted = PAIRS.min(VALUES / layout.len().max(1) as u64).max(1);
        // There are at most as many pairs as the smaller side has rows. A much larger other side
        // must not enlarge the sample.
        let (less, more) = (rows.a.min(rows.b), rows.a.max(rows.b));
        let base = less.max(more / 16);
        let is_all = base <= wanted;
        let highest = if is_all { u64::MAX } else { u64::MAX / base * wanted };
        Self { highest, is_all, pairs: Vec::new(), records: 0, groups: 0, rows }
    }

    /// The last of `1 << bits` partitions by the key from which rows belong to the sample.
    pub fn last_partition(&self, bits: u32) -> usize {
        part_of(self.highest, 0, bits)
    }

    /// Adds the sample of other partitions or lots.
    pub fn add(&mut self, other: Self) {
        self.pairs.extend(other.pairs);
        self.pairs.sort_by_key(|(partition, ..)| *partition);
        self.records += other.records;
        self.groups += other.groups;
    }

    fn takes(&self, hash: u64) -> bool {
        hash <= self.highest
    }

    fn pair(&mut self, partition: usize, a: Cells<'_>, b: Cells<'_>) {
        self.records += 1;
        self.pairs.push((partition, a.whole().into_owned(), b.whole().into_owned()));
    }

    /// Takes those rows that belong to the sample.
    pub fn gather(&mut self, plan: &Plan, rows: &Rows) -> Result<(), Problem> {
        let spread = plan.layout.spread_len();
        let last = self.last_partition(rows.keyed_len().ilog2());
        // Records of passes lie by another hash.
        for index in (0..=last).chain(rows.keyed_len()..rows.len()) {
            rows.parts(plan, index, false, |part| {
                let all = part.rows();
                let chosen = all.map(|_, rows| {
                    let rows = rows.iter().filter(|row| part.is_settled() || self.takes(row.hash));
                    rows.copied().collect::<Vec<RowRef<'_>>>()
                });
                let chosen = PerSide { a: chosen.a.as_slice(), b: chosen.b.as_slice() };
                part.with_rows(chosen).place(plan, |entry| match entry {
                    Entry::Keyed(Placed::Pair(a, b)) => self.pair(index, a.cells(), b.cells()),
                    Entry::Keyed(_) => self.records += 1,
                    Entry::Settled(settled) => {
                        self.offer(index, spread, settled.kind, settled.a, settled.b);
                    }
                });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Takes a record of a partition, or of a lot of a stored run, if it belongs to the sample.
    pub fn offer(
        &mut self,
        partition: usize,
        spread: usize,
        kind: RecordKind,
        a: Option<Cells<'_>>,
        b: Option<Cells<'_>>,
    ) {
        let Some(cells) = a.or(b) else { return };
        if !self.takes(key::hash(cells, spread)) {
            return;
        }
        match (kind, a, b) {
            (RecordKind::Pair, Some(a), Some(b)) => self.pair(partition, a, b),
            // The sides of a group are sums and common values, which say nothing about how values are written.
            (RecordKind::Group, ..) => self.groups += 1,
            _ => self.records += 1,
        }
    }

    pub fn conventions(&self, plan: &Plan) -> Conventions {
        let fields = plan.layout.fields().iter().enumerate();
        // All pairs go on from field to field together: each cell is passed once.
        let sides = self.pairs.iter().map(|(_, a, b)| (Cells::new(a), Cells::new(b)));
        let mut sides: Vec<(Cells<'_>, Cells<'_>)> = sides.collect();
        let fields = fields.filter_map(|(at, field)| {
            let cells: Vec<(RawCell<'_>, RawCell<'_>)> =
                sides.iter_mut().filter_map(|(a, b)| Some((a.next()?, b.next()?))).collect();
            if at < plan.layout.key_len() {
                return None;
            }
            let compare = plan.comparison.field(at)?;
            let raw: Vec<(RawCell<'_>, RawCell<'_>, bool)> =
                cells.into_iter().map(|(a, b)| (a, b, compare.differs(a, b))).collect();
            if !pattern::is_possible(raw.iter().map(|(.., differs)| *differs)) {
                return None;
            }
            let value = |raw: RawCell<'_>| raw.decode(&mut [0; 36]).to_value();
            let pairs: Vec<ValuePair> = raw
                .into_iter()
                .map(|(a, b, differs)| ValuePair { a: value(a), b: value(b), differs })
                .collect();
            let found = pattern::find(&pairs)?;
            let words = ConventionText { plan, at, field: &field.name, kind: field.kind };
            Some(words.convention(&found, self.is_all))
        });
        let rows = self.rows.a.max(self.rows.b);
        let unpaired =
            self.pairs.is_empty() && self.groups == 0 && self.records > 0 && rows >= LEAST_ROWS;
        Conventions { fields: fields.collect(), unpaired }
    }
}

/// Warnings that come before all others, whatever the differences are.
pub(super) fn first_warnings(plan: &Plan, books: &Books) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for side in Side::BOTH {
        // On a quiet day there is nothing new.
        let may_be_empty = plan.open_items.is_some_and(|items| items.movements[side]);
        if books.read[side] == 0 && !may_be_empty {
            let message = format!("source {side} ({}) has no rows", plan.systems[side]);
            warnings.push(
                Problem::new(Code::NoRows, message)
                    .help("check that the file is the right one and complete")
                    .in_file(plan.sources[side].path()),
            );
        }
    }
    let taking_part =
        PerSide::of(|side| books.read[side] - books.rejected[side] - books.filtered[side]);
    if books.aligned + books.groups == 0 && taking_part.a > 0 && taking_part.b > 0 {
        let keys = plan.layout.names().take(plan.layout.key_len()).collect::<Vec<_>>().join(", ");
        let message = match &plan.matching {
            Some(_) => "no row of source A was matched with a row of source B".to_owned(),
            None => format!("no row of source A has the same `{keys}` as a row of source B"),
        };
        warnings.push(Problem::new(Code::NoPairs, message).help(
            "check `key`, and whether both systems write it the same way: \
             `recon sql \"SELECT source_a_ref_id, source_b_ref_id FROM recon.current_records LIMIT 20\"`",
        ));
    }
    if !plan.comparison.compares_fields() {
        let message =
            "no field is compared besides the key: rows match if they exist on both sides";
        warnings.push(
            Problem::new(Code::NothingCompared, message)
                .help("to compare more, add fields to `map` and `fields`"),
        );
    }
    warnings
}

pub(super) fn as_warning(problem: &Problem) -> Warning {
    Warning {
        code: problem.code.name().to_owned(),
        message: problem.message.clone(),
        place: problem.place.as_ref().map(ToString::to_string),
        help: problem.help.clone(),
    }
}

/// Describes the convention of a field and the change to `recon.yaml`.
struct ConventionText<'p> {
    plan: &'p Plan,
    at: usize,
    field: &'p str,
    kind: Kind,
}

impl ConventionText<'_> {
    fn convention(&self, found: &SharedPattern, is_all: bool) -> Convention {
        let SharedPattern { pattern, alike, of } = found;
        let (how, help) = self.say(pattern);
        let records = if alike == of { format!("all {of}") } else { format!("{alike} of {of}") };
        let sample = if is_all { "records" } else { "records of a sample" };
        let message = format!("`{}`: {how}, in {records} {sample}", self.field);
        Convention { field: self.field.to_owned(), message, help }
    }

    /// A setting for the field under one source.
    fn of_source(&self, side: Side, setting: &str, value: &str) -> String {
        format!("add to `sources.{}`: `{setting}: {{ {}: {value} }}`", side.letter(), self.field)
    }

    /// This side's steps for the field, followed by `steps`.
    fn normalize(&self, side: Side, steps: &str) -> String {
        let present = self.plan.normalize[side].fields.get(self.at);
        let present = present.map(|field| field.source_steps.as_slice()).unwrap_or_default();
        self.of_source(side, "normalize", &list(present, steps))
    }

    fn of_field(&self, setting: &str) -> String {
        format!("add to `fields.{}`: `{setting}`", self.field)
    }

    /// The field's own steps, followed by `steps`.
    fn with_own_steps(&self, steps: &str) -> String {
        let present = self.plan.normalize.a.fields.get(self.at);
        list(present.map(|field| field.steps.as_slice()).unwrap_or_default(), steps)
    }

    /// The description, and the remedy.
    fn say(&self, pattern: &Pattern) -> (String, String) {
        match pattern {
            Pattern::Unparsed(sides) => self.unparsed(*sides),
            Pattern::Absent(side) => (
                format!("{side} has no value where {} has one", side.other()),
                format!(
                    "check `sources.{}.map.{}`: another column may hold the values; if it has none, \
                     {}",
                    side.letter(),
                    self.field,
                    self.of_field("compare: false")
                ),
            ),
            Pattern::Sign => (
                "B has the opposite sign of A".to_owned(),
                format!(
                    "{}; or to `sources.a`, if A has the wrong sign",
                    self.normalize(Side::B, "negate")
                ),
            ),
            Pattern::Unsigned(side) => (
                format!("{side} has no minus where {} has one", side.other()),
                format!(
                    "find the column in source {side} that distinguishes debits from credits, and set the sign \
                     in `fn row(raw, r)`; a debit or credit mark beside the amount is read by `{}`",
                    format_args!("normalize: {{ {}: [debit_credit] }}", self.field)
                ),
            ),
            Pattern::Factor(larger, factor) => self.factor(*larger, factor),
            Pattern::Offset(by) => (
                format!("B is A {}", signed(*by)),
                format!(
                    "check that `map` uses the same amount in both systems (for example before or after fees); \
                     to accept a constant difference, {}",
                    self.of_field(&format!("tolerance: {{ absolute: {} }}", by.abs()))
                ),
            ),
            Pattern::Rounded(side, unit) => {
                let half = unit.checked_mul(Decimal::new(5, 1).unwrap_or(Decimal::ZERO));
                self.fewer_digits(*side, &format!("rounded to {unit}"), half.unwrap_or(*unit))
            }
            Pattern::CutTo(side, unit) => {
                self.fewer_digits(*side, &format!("cut to multiples of {unit}"), *unit)
            }
            Pattern::DayAndMonth => {
                ("day and month are swapped".to_owned(), self.exchanged_format())
            }
            Pattern::Years(years) => (
                format!("B is {}", later(i64::from(*years), "year", "years")),
                self.of_source(Side::B, "formats", "[…]")
                    + " with the format that B uses (`%y` takes 00 to 68 for 2000 to 2068)",
            ),
            Pattern::Days(days) => (
                format!("B is {}", later(*days, "day", "days")),
                self.other_date(&format!("days: {}", days.abs())),
            ),
            Pattern::BusinessDays(days) => (
                format!("B is {}", later(*days, "business day", "business days")),
                self.other_date(&format!("business_days: {}", days.abs())),
            ),
            Pattern::Nanoseconds(away) if away % MINUTE == 0 => {
                self.zone(i64::try_from(away / MINUTE).unwrap_or_default(), false)
            }
            Pattern::Nanoseconds(away) => {
                let seconds = Decimal::new(away.abs(), 9).unwrap_or(Decimal::ZERO);
                let seconds = seconds.normalized();
                let direction = if *away < 0 { "earlier" } else { "later" };
                (
                    format!("B is {seconds} seconds {direction}"),
                    self.of_field(&format!("tolerance: {{ seconds: {seconds} }}")),
                )
            }
            Pattern::Zone(minutes) => self.zone(*minutes, true),
            Pattern::Midnight(side) => (
                format!("{side} has the date without the time"),
                format!("to compare days, change `fields.{}` to `type: date`", self.field),
            ),
            Pattern::Minutes(side) => (
                format!("{side} has the time without the seconds"),
                self.of_field("tolerance: { seconds: 59.999 }"),
            ),
            Pattern::Seconds(side) => (
                format!("{side} has the time without the fractions of a second"),
                self.of_field("tolerance: { seconds: 0.999 }"),
            ),
            Pattern::Opposite => (
                "true on one side is false on the other".to_owned(),
                format!(
                    "write `fn turned(v) {{ if v == \"true\" {{ \"false\" }} else {{ \"true\" }} }}` into the \
                     normalize script, with B's words for true and false, and {}",
                    self.normalize(Side::B, "turned")
                ),
            ),
            Pattern::Steps(steps) => (
                format!("the values agree after {}", steps.join(", ")),
                self.of_field(&format!("normalize: {}", self.with_own_steps(&steps.join(", ")))),
            ),
            Pattern::Prefix(side, text) => (
                format!("{side} starts with {text:?}"),
                self.normalize(*side, &format!("{{ strip_prefix: {} }}", quoted(text))),
            ),
            Pattern::Suffix(side, text) => (
                format!("{side} ends with {text:?}"),
                self.normalize(*side, &format!("{{ strip_suffix: {} }}", quoted(text))),
            ),
            Pattern::Cut(side, length) => (
                format!("{side} has only the first {length} characters"),
                self.normalize(side.other(), &format!("{{ truncate: {length} }}")),
            ),
            Pattern::Words(words) => self.words(words),
        }
    }

    fn unparsed(&self, sides: PerSide<bool>) -> (String, String) {
        let side = if sides.a { Side::A } else { Side::B };
        let names = if sides.a && sides.b { "both sides".to_owned() } else { format!("{side}") };
        let setting = match self.kind {
            Kind::Date | Kind::Datetime => {
                self.of_source(side, "formats", "[…]") + ", such as `\"%d.%m.%Y\"`"
            }
            Kind::Decimal | Kind::Integer => {
                self.of_source(side, "numbers", "{ decimal: \",\", thousands: \".\" }")
                    + ", as the source writes them"
            }
            _ => format!("check the steps of `{}`", self.field),
        };
        (
            format!("the values of {names} can't be read as {}", self.kind),
            format!("{setting}; or change `fields.{}` to `type: text`", self.field),
        )
    }

    fn fewer_digits(&self, side: Side, how: &str, most: Decimal) -> (String, String) {
        let tolerance = format!("tolerance: {{ absolute: {} }}", most.normalized());
        (
            format!("{side} has the numbers of {} {how}", side.other()),
            format!(
                "check whether another column of {side} has all digits; to accept fewer, {}",
                self.of_field(&tolerance)
            ),
        )
    }

    fn factor(&self, larger: Side, factor: &str) -> (String, String) {
        let how = format!("{larger} is {factor} times {}", larger.other());
        let zeros = factor.len() - 1;
        let help = if factor == format!("1{}", "0".repeat(zeros)) {
            let by = format!("0.{}1", "0".repeat(zeros - 1));
            self.normalize(larger, &format!("{{ scale: {by} }}"))
        } else {
            format!(
                "check that `map` uses the same amount in both systems (for example net or gross); if so, {}",
                self.normalize(larger.other(), &format!("{{ scale: {factor} }}"))
            )
        };
        (how, help)
    }

    /// The first numeric date format of a side, with day and month swapped.
    fn exchanged_format(&self) -> String {
        let exchanged = |side: Side| {
            let formats = &self.plan.normalize[side].fields.get(self.at)?.formats;
            // Year, day, month is not a format in use.
            let text = formats.iter().map(ToString::to_string).find(|text| {
                text.contains("%d") && text.contains("%m") && !text.starts_with("%Y")
            })?;
            let text = text.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m");
            Some(self.of_source(side, "formats", &format!("[{}]", quoted(&text))))
        };
        match (exchanged(Side::A), exchanged(Side::B)) {
            (Some(a), Some(b)) => format!("{b}; or, if A is wrong, {a}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => {
                self.of_source(Side::B, "formats", "[\"%Y-%d-%m\"]") + ", or to `sources.a`"
            }
        }
    }

    fn other_date(&self, tolerance: &str) -> String {
        format!(
            "check that `map` uses the same date in both systems (for example trade or settlement); to accept a \
             constant difference, {}",
            self.of_field(&format!("tolerance: {{ {tolerance} }}"))
        )
    }

    fn zone(&self, minutes: i64, summer: bool) -> (String, String) {
        let clock = |minutes: i64| {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        };
        let how = if summer {
            format!("B is {} or {} hours from A", clock(minutes), clock(minutes + 60))
        } else {
            format!("B is {} hours from A", clock(minutes))
        };
        // If B's clock is ahead, its zone is east; without a zone it was read as UTC.
        let (side, minutes) =
            if minutes < 0 && !summer { (Side::A, -minutes) } else { (Side::B, minutes) };
        let zone = match (summer, minutes % 60 == 0 && minutes.abs() <= 14 * 60) {
            (true, _) => {
                "the time zone of that system, such as `timezone: Europe/Berlin`".to_owned()
            }
            (false, true) => {
                // Etc/GMT names have the opposite sign.
                format!("`timezone: Etc/GMT-{}`, or a named zone", minutes / 60)
            }
            (false, false) => {
                "the time zone of that system, such as `timezone: Asia/Kolkata`".to_owned()
            }
        };
        (how, format!("add to `sources.{}`: {zone}", side.letter()))
    }

    fn words(&self, words: &[(String, String)]) -> (String, String) {
        const SHOWN: usize = 3;
        let shown = words.iter().take(SHOWN).map(|(a, b)| format!("{a:?} against {b:?}"));
        let mut shown = shown.collect::<Vec<_>>().join(", ");
        if words.len() > SHOWN {
            shown += ", …";
        }
        let pairs = words
            .iter()
            .map(|(a, b)| format!("{{ replace: {{ from: {}, to: {} }} }}", quoted(b), quoted(a)));
        let step = pairs.collect::<Vec<_>>().join(", ");
        let help = if words.len() <= SHOWN {
            format!("if they mean the same, {}", self.normalize(Side::B, &step))
        } else {
            let lookup = format!("{{ lookup: {{ file: {}.csv }} }}", self.field);
            format!(
                "if they mean the same, write B's words and A's words into a CSV file and {}",
                self.normalize(Side::B, &lookup)
            )
        };
        (format!("each word of A always meets the same word of B ({shown})"), help)
    }
}

const MINUTE: i128 = 60 * 1_000_000_000;

fn list(present: &[Step], more: &str) -> String {
    let with_argument = |label: &str| match label.contains(": ") {
        true => format!("{{ {} }}", label.replace('$', "$$")),
        false => label.to_owned(),
    };
    let present = present.iter().map(|step| with_argument(step.label()));
    format!("[{}]", present.chain([more.to_owned()]).collect::<Vec<_>>().join(", "))
}

fn signed(by: Decimal) -> String {
    let sign = if by.coefficient() < 0 { "minus" } else { "plus" };
    format!("{sign} {}", by.abs())
}

fn later(count: i64, one: &str, many: &str) -> String {
    let direction = if count < 0 { "before" } else { "after" };
    let unit = if count.abs() == 1 { one } else { many };
    format!("{} {unit} {direction} A", count.abs())
}

/// Any text as a quoted YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
