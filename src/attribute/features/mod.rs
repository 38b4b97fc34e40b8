//! Features: the numbers from which the model judges a difference.
//!
//! [`catalogue`] is the one table: name, meaning, unit and extractor of every feature, in row
//! order. A new feature is one line in it. Models store the names and refuse rows of a different
//! shape. Money is compared as exact decimals; only magnitudes become floats. Every feature is
//! finite: an inapplicable one is [`ABSENT`], far below every value, so that a tree can split it
//! off.

mod date;
mod encode;
mod facts;
mod key;
mod matched;
mod number;
mod record;
mod seen;
mod text;
mod words;

pub(in crate::attribute) use date::swapped;
pub use encode::{Encoder, Learned, Learner, RunContext};
pub use facts::{Extractor, Together};
pub(in crate::attribute) use number::{power_of_ten, transposed as digits_transposed};
pub(in crate::attribute) use text::{
    accents_only, case_only, punctuation_only, spaces_only, transposed as characters_transposed,
};

use facts::Facts;

/// The value of an inapplicable feature.
pub const ABSENT: f32 = -1.0e9;

const fn flag(value: bool) -> f32 {
    if value { 1.0 } else { 0.0 }
}

/// How a feature's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Ordered.
    Number,
    /// 0 or 1.
    Flag,
    /// A number for a name.
    Category,
}

#[derive(Clone, Copy, serde::Serialize)]
pub struct Feature {
    /// The name, by which models identify it.
    pub name: &'static str,
    pub meaning: &'static str,
    pub unit: &'static str,
    pub scale: Scale,
    #[serde(skip)]
    extract: fn(&Facts) -> f32,
}

impl std::fmt::Debug for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn number(
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    extract: fn(&Facts) -> f32,
) -> Feature {
    Feature { name, meaning, unit, scale: Scale::Number, extract }
}

const fn yes(name: &'static str, meaning: &'static str, extract: fn(&Facts) -> f32) -> Feature {
    Feature { name, meaning, unit: "0 or 1", scale: Scale::Flag, extract }
}

const fn category(
    name: &'static str,
    meaning: &'static str,
    extract: fn(&Facts) -> f32,
) -> Feature {
    Feature { name, meaning, unit: "id", scale: Scale::Category, extract }
}

/// All features, in row order.
pub const fn catalogue() -> &'static [Feature] {
    TABLE
}

/// True for features of the run: all differences of one field and kind share the value.
pub(in crate::attribute) fn is_of_the_run(name: &str) -> bool {
    name.starts_with("run_")
}

/// The width of [`blur`], in powers of ten: a share may be three times as large or as small.
const BLUR: f32 = 1.0;

/// The features before those of the whole record, which drift and novelty are measured by: a whole
/// record has too many values for all of them to be usual.
pub const DESCRIBED: usize = COUNT - record::COUNT;

/// Features of a job without `match`: the last ones are about matches.
pub const WITHOUT_MATCH: usize = DESCRIBED - matched::COUNT;

/// How many of the features that describe a difference have a value.
pub(in crate::attribute) fn described(rows: &[f32]) -> usize {
    let is_matched =
        |row: &[f32]| row[WITHOUT_MATCH..DESCRIBED].iter().any(|value| *value > ABSENT);
    if rows.chunks_exact(COUNT).any(is_matched) { DESCRIBED } else { WITHOUT_MATCH }
}

/// The positions of the features that differ between rows; all if none does.
pub(in crate::attribute) fn varying(rows: &[f32]) -> Vec<usize> {
    let first = rows.get(..COUNT).unwrap_or_default();
    let mut varies = [false; COUNT];
    for row in rows.chunks_exact(COUNT) {
        for ((varies, value), first) in varies.iter_mut().zip(row).zip(first) {
            *varies |= value != first;
        }
    }
    let varying: Vec<usize> = (0..COUNT).filter(|at| varies[*at]).collect();
    if varying.is_empty() { (0..COUNT).collect() } else { varying }
}

/// These features of each row.
pub(in crate::attribute) fn chosen(rows: &[f32], columns: &[usize]) -> Vec<f32> {
    let of = |row: &[f32]| columns.iter().map(|at| row[*at]).collect::<Vec<_>>();
    rows.chunks_exact(COUNT).flat_map(of).collect()
}

/// Adds noise to run-level features, row by row.
///
/// A model sees few runs, and in each of them all differences of a field have the same share. Trees
/// learn to identify the field by this number and split close to it; in the next run the share
/// differs slightly, falls on the wrong side, and the differences are attributed like those of
/// another field. Blurred, the feature still separates rare from common but no longer identifies a
/// field. Rows to predict are not blurred.
pub(in crate::attribute) fn blur(rows: &mut [f32], columns: &[usize], seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let of_the_run: Vec<usize> =
        (0..columns.len()).filter(|at| is_of_the_run(TABLE[columns[*at]].name)).collect();
    for row in rows.chunks_exact_mut(columns.len().max(1)) {
        for at in &of_the_run {
            let moved = (random.f32() - 0.5) * BLUR;
            if row[*at] > ABSENT {
                row[*at] += moved;
            }
        }
    }
}

/// The length of a row.
pub const COUNT: usize = TABLE.len();

/// A feature of one of the record's numbers.
macro_rules! of_number {
    ($at:literal, $n:literal, $nth:literal, size) => {
        number(
            concat!("number_", $n),
            "signed log10(1 + |x|)",
            concat!($nth, " number of the record"),
            |f| f.record.numbers[$at].size,
        )
    };
    ($at:literal, $n:literal, $nth:literal, relative) => {
        number(
            concat!("number_", $n, "_relative"),
            "share of the larger",
            concat!("(B − A) ÷ the larger, ", $nth, " number of the record"),
            |f| f.record.numbers[$at].relative,
        )
    };
}

/// A feature of one of the record's texts.
macro_rules! of_text {
    ($at:literal, $n:literal, $nth:literal, id) => {
        category(concat!("text_", $n, "_id"), concat!($nth, " text of the record"), |f| {
            f.record.texts[$at].id
        })
    };
    ($at:literal, $n:literal, $nth:literal, similarity) => {
        of_text!($at, $n, $nth, similarity, "0 to 1", "shared pairs of characters, ")
    };
    ($at:literal, $n:literal, $nth:literal, overlap) => {
        of_text!($at, $n, $nth, overlap, "share", "words of both ÷ words of either, ")
    };
    ($at:literal, $n:literal, $nth:literal, weight) => {
        of_text!($at, $n, $nth, weight, "share", "the same with rare words weighing more, ")
    };
    ($at:literal, $n:literal, $nth:literal, contained) => {
        of_text!(
            $at,
            $n,
            $nth,
            contained,
            "share",
            "words of one side, by weight, that the other has, "
        )
    };
    ($at:literal, $n:literal, $nth:literal, $what:ident, $unit:literal, $meaning:literal) => {
        number(
            concat!("text_", $n, "_", stringify!($what)),
            $unit,
            concat!($meaning, $nth, " text of the record"),
            |f| f.record.texts[$at].$what,
        )
    };
}

/// A feature of one of the record's dates.
macro_rules! of_date {
    ($at:literal, $n:literal, $nth:literal, days) => {
        of_date!($at, $n, $nth, days, "days", "B − A, ")
    };
    ($at:literal, $n:literal, $nth:literal, weekday) => {
        of_date!($at, $n, $nth, weekday, "0 to 6", "day of the week from Monday, ")
    };
    ($at:literal, $n:literal, $nth:literal, age) => {
        of_date!($at, $n, $nth, age, "days", "business date of the run − the date, ")
    };
    ($at:literal, $n:literal, $nth:literal, $what:ident, $unit:literal, $meaning:literal) => {
        number(
            concat!("date_", $n, "_", stringify!($what)),
            $unit,
            concat!($meaning, $nth, " date of the record"),
            |f| f.record.dates[$at].$what,
        )
    };
}

/// Likelihood ratio of a reason, given the values of the record.
macro_rules! of_seen {
    ($at:literal, $n:literal, $nth:literal) => {
        number(
            concat!("seen_", $n),
            "natural logarithm",
            concat!("how much likelier the record's values make the ", $nth, " most common reason"),
            |f| f.seen.gains[$at],
        )
    };
}

static TABLE: &[Feature] = &[
    // The difference itself.
    category("diff_type", "kind of difference", |f| f.diff_type),
    category("field_type", "type of the field", |f| f.kind),
    number("severity", "1 to 4", "how much the field matters", |f| f.severity),
    yes("entire_record", "the whole record is missing or a duplicate", |f| f.entire_record),
    yes("side_a_present", "side A has the record", |f| f.present[0]),
    yes("side_b_present", "side B has the record", |f| f.present[1]),
    yes("null_a", "side A has the record but no value", |f| f.null[0]),
    yes("null_b", "side B has the record but no value", |f| f.null[1]),
    yes("unparsed_a", "side A's text is not of the field's type", |f| f.unparsed[0]),
    yes("unparsed_b", "side B's text is not of the field's type", |f| f.unparsed[1]),
    yes("unparsed_same_number", "only separators or signs around the number differ", |f| {
        f.unparsed_same_number
    }),
    yes("partner_rejected", "a row of the missing side with this key was rejected", |f| {
        f.partner_rejected
    }),
    // Numbers.
    number("delta", "signed log10(1 + |delta|)", "B − A", |f| f.number.delta),
    number("delta_size", "log10", "size of B − A", |f| f.number.delta_size),
    number(
        "delta_relative",
        "share of the larger",
        "(B − A) ÷ the larger of |A| and |B|",
        |f| f.number.relative,
    ),
    number(
        "delta_last_decimals",
        "units of the last decimal",
        "|B − A| in units of the finer side's last decimal",
        |f| f.number.last_decimals,
    ),
    number(
        "delta_coarse_decimals",
        "units of the last decimal",
        "|B − A| in units of the coarser side's last decimal",
        |f| f.number.coarse_decimals,
    ),
    number("delta_sign", "-1, 0 or 1", "whether B is less or more than A", |f| f.number.sign),
    number("delta_digits", "digits", "significant digits of B − A", |f| f.number.delta_digits),
    yes("equal_rounded_0", "equal after rounding to 0 decimals", |f| f.number.equal_rounded[0]),
    yes("equal_rounded_1", "equal after rounding to 1 decimal", |f| f.number.equal_rounded[1]),
    yes("equal_rounded_2", "equal after rounding to 2 decimals", |f| f.number.equal_rounded[2]),
    yes("equal_rounded_3", "equal after rounding to 3 decimals", |f| f.number.equal_rounded[3]),
    yes("equal_rounded_4", "equal after rounding to 4 decimals", |f| f.number.equal_rounded[4]),
    yes("equal_rounded_5", "equal after rounding to 5 decimals", |f| f.number.equal_rounded[5]),
    yes("equal_rounded_6", "equal after rounding to 6 decimals", |f| f.number.equal_rounded[6]),
    yes("rounds_to_other", "the finer side rounded is the coarser side", |f| {
        f.number.rounds_to_other
    }),
    yes("truncates_to_other", "the finer side truncated is the coarser side", |f| {
        f.number.truncates_to_other
    }),
    yes("digits_transposed", "two neighboring digits are swapped", |f| f.number.transposed),
    number("digits_changed", "digits", "edit distance of the digits", |f| f.number.digits_changed),
    number("same_leading_digits", "digits", "how many leading digits are the same", |f| {
        f.number.same_leading
    }),
    number("power_of_ten", "power of ten", "k with B = A × 10^k, else 0", |f| {
        f.number.power_of_ten
    }),
    yes("factor_10", "one side is 10 times the other", |f| f.number.factor[0]),
    yes("factor_100", "one side is 100 times the other", |f| f.number.factor[1]),
    yes("factor_1000", "one side is 1000 times the other", |f| f.number.factor[2]),
    yes("sign_flip", "B is −A", |f| f.number.sign_flip),
    number("ratio", "ratio", "B ÷ A", |f| f.number.ratio),
    yes("ratio_near_1", "B ÷ A is within 1 % of 1", |f| f.number.ratio_near_1),
    yes("zero_side", "one side is zero, the other is not", |f| f.number.zero_side),
    number("magnitude", "log10", "size of the larger number", |f| f.number.magnitude),
    number("magnitude_gap", "log10", "distance of the magnitudes", |f| f.number.magnitude_gap),
    number("decimals_a", "digits", "decimals as side A wrote them", |f| f.number.scale_a),
    number("decimals_b", "digits", "decimals as side B wrote them", |f| f.number.scale_b),
    yes("whole_numbers", "no side has a fraction", |f| f.number.whole),
    // Dates.
    number("days", "days", "B − A", |f| f.date.days),
    number("days_apart", "days", "distance", |f| f.date.days_apart),
    number("business_days", "days", "B − A, Monday to Friday", |f| f.date.business_days),
    yes("month_end", "one side is the last day of its month", |f| f.date.month_end),
    yes("weekend", "one side is a Saturday or Sunday", |f| f.date.weekend),
    yes("month_crossed", "the sides are in different months", |f| f.date.month_crossed),
    yes("year_crossed", "the sides are in different years", |f| f.date.year_crossed),
    yes("day_month_swapped", "day and month are swapped", |f| f.date.day_month_swapped),
    yes("same_day_of_month", "the same day of another month", |f| f.date.same_day_of_month),
    number("seconds", "seconds", "B − A of instants", |f| f.date.seconds),
    yes("whole_hours", "the instants are whole hours apart", |f| f.date.whole_hours),
    yes("midnight_side", "one instant is midnight, the other is not", |f| f.date.midnight_side),
    number("date_age", "days", "business date of the run − the date", |f| f.date.age),
    // Texts.
    number("similarity", "0 to 1", "Jaro–Winkler similarity", |f| f.text.similarity),
    number("edits", "edits", "Levenshtein distance", |f| f.text.edits),
    number("edit_share", "share of the longer", "Levenshtein distance ÷ length", |f| {
        f.text.edit_share
    }),
    yes("prefix", "one text begins with the other", |f| f.text.prefix),
    yes("suffix", "one text ends with the other", |f| f.text.suffix),
    yes("substring", "one text contains the other", |f| f.text.substring),
    yes("same_tokens", "the same words in another order or case", |f| f.text.same_tokens),
    number("token_overlap", "share", "words of both ÷ words of either", |f| f.text.token_overlap),
    yes("case_only", "only upper and lower case differ", |f| f.text.case_only),
    yes("punctuation_only", "only punctuation differs", |f| f.text.punctuation_only),
    yes("accents_only", "only accents differ", |f| f.text.accents_only),
    yes("spaces_only", "only white space differs", |f| f.text.spaces_only),
    yes("same_digits", "both have the same digits in the same order", |f| f.text.same_digits),
    yes("characters_transposed", "two neighboring characters are swapped", |f| f.text.transposed),
    yes(
        "at_length_limit",
        "the shorter is a prefix of the longer and ends at a common limit",
        |f| f.text.at_limit,
    ),
    number("shorter_length", "characters", "length of the shorter text", |f| f.text.shorter_length),
    number("length_gap", "characters", "length of B − length of A", |f| f.text.length_gap),
    yes("empty_side", "a text is empty", |f| f.text.empty_side),
    number("digit_share", "share", "digits in the shorter text", |f| f.text.digit_share),
    number("common_prefix", "characters", "how many first characters are the same", |f| {
        f.text.common_prefix
    }),
    // Other differences of the record.
    number("together", "differences", "how many fields of this record differ", |f| {
        f.together.count
    }),
    number("together_share", "share", "fields of this record that differ ÷ its fields", |f| {
        f.together.share
    }),
    yes("together_numeric", "another number of this record differs", |f| f.together.numeric),
    yes("together_date", "another date of this record differs", |f| f.together.date),
    yes("together_text", "another text of this record differs", |f| f.together.text),
    yes("together_null", "another field of this record is null on one side", |f| f.together.null),
    yes("together_unparsed", "another field of this record is not of its type", |f| {
        f.together.unparsed
    }),
    yes("together_currency", "the record's currency differs", |f| f.together.currency),
    number("record_nulls", "fields", "fields that are null on a side of this record", |f| {
        f.record_nulls
    }),
    yes("amount_zero", "all numbers of a side of this record are zero", |f| f.amounts_zero),
    // Frequency in the run.
    number(
        "run_field_share",
        "log10",
        "share of the run's records with a difference of this field",
        |f| f.run[0],
    ),
    number(
        "run_type_share",
        "log10",
        "share of the run's differences that are of this kind",
        |f| f.run[1],
    ),
    number(
        "run_pair_share",
        "log10",
        "share of the run's differences that are of this field and kind",
        |f| f.run[2],
    ),
    // The key.
    number("key_length", "characters", "length of the key's text", |f| f.key.length),
    number("key_length_gap", "characters", "length of the key's text − the mean", |f| {
        f.key.length_gap
    }),
    number("key_digit_share", "share", "digits in the key's text", |f| f.key.digit_share),
    yes("key_lower_case", "the key has a lower-case letter", |f| f.key.lower_case),
    yes("key_leading_zero", "the key begins with a zero", |f| f.key.leading_zero),
    yes("key_punctuation", "the key has a character that is neither letter nor digit", |f| {
        f.key.punctuation
    }),
    // Categories: frequency in the training set, and a hashed id.
    number("field_share", "share", "training differences of this field", |f| f.categories[0].share),
    category("field_id", "the field", |f| f.categories[0].id),
    number("field_and_type_share", "share", "training differences of this field and kind", |f| {
        f.categories[1].share
    }),
    number("system_a_share", "share", "training differences of this system A", |f| {
        f.categories[2].share
    }),
    category("system_a_id", "system A", |f| f.categories[2].id),
    number("system_b_share", "share", "training differences of this system B", |f| {
        f.categories[3].share
    }),
    category("system_b_id", "system B", |f| f.categories[3].id),
    number("currency_share", "share", "training differences in this currency", |f| {
        f.categories[4].share
    }),
    category("currency_id", "the record's currency", |f| f.categories[4].id),
    number("direction_share", "share", "training differences of this direction", |f| {
        f.categories[5].share
    }),
    category("direction_id", "the record's direction, such as buy or sell", |f| f.categories[5].id),
    number("counterparty_share", "share", "training differences with this counterparty", |f| {
        f.categories[6].share
    }),
    category("counterparty_id", "the record's counterparty", |f| f.categories[6].id),
    // How the record was matched; absent without `match`. A model that never saw a match has none of these.
    category("match_pass", "the pass that matched the record", |f| f.matched.pass),
    category("match_certificate", "how sure the match is", |f| f.matched.certificate),
    category("match_shape", "how many rows the match has on both sides", |f| f.matched.shape),
    number("match_members", "rows", "the rows of the match on both sides", |f| f.matched.members),
    number("match_distance", "log10(1 + distance)", "distance in the first near field", |f| {
        f.matched.distance
    }),
    number("match_candidates", "rows", "what an open row could have matched", |f| {
        f.matched.candidates
    }),
    // The whole record: values and agreement of its first fields of each kind, in the job's order.
    of_number!(0, "1", "1st", size),
    of_number!(0, "1", "1st", relative),
    of_number!(1, "2", "2nd", size),
    of_number!(1, "2", "2nd", relative),
    of_number!(2, "3", "3rd", size),
    of_number!(2, "3", "3rd", relative),
    of_number!(3, "4", "4th", size),
    of_number!(3, "4", "4th", relative),
    of_number!(4, "5", "5th", size),
    of_number!(4, "5", "5th", relative),
    of_number!(5, "6", "6th", size),
    of_number!(5, "6", "6th", relative),
    of_number!(6, "7", "7th", size),
    of_number!(6, "7", "7th", relative),
    of_number!(7, "8", "8th", size),
    of_number!(7, "8", "8th", relative),
    of_text!(0, "1", "1st", similarity),
    of_text!(0, "1", "1st", overlap),
    of_text!(0, "1", "1st", id),
    of_text!(0, "1", "1st", weight),
    of_text!(0, "1", "1st", contained),
    of_text!(1, "2", "2nd", similarity),
    of_text!(1, "2", "2nd", overlap),
    of_text!(1, "2", "2nd", id),
    of_text!(1, "2", "2nd", weight),
    of_text!(1, "2", "2nd", contained),
    of_text!(2, "3", "3rd", similarity),
    of_text!(2, "3", "3rd", overlap),
    of_text!(2, "3", "3rd", id),
    of_text!(2, "3", "3rd", weight),
    of_text!(2, "3", "3rd", contained),
    of_text!(3, "4", "4th", similarity),
    of_text!(3, "4", "4th", overlap),
    of_text!(3, "4", "4th", id),
    of_text!(3, "4", "4th", weight),
    of_text!(3, "4", "4th", contained),
    of_text!(4, "5", "5th", similarity),
    of_text!(4, "5", "5th", overlap),
    of_text!(4, "5", "5th", id),
    of_text!(4, "5", "5th", weight),
    of_text!(4, "5", "5th", contained),
    of_text!(5, "6", "6th", similarity),
    of_text!(5, "6", "6th", overlap),
    of_text!(5, "6", "6th", id),
    of_text!(5, "6", "6th", weight),
    of_text!(5, "6", "6th", contained),
    of_text!(6, "7", "7th", similarity),
    of_text!(6, "7", "7th", overlap),
    of_text!(6, "7", "7th", id),
    of_text!(6, "7", "7th", weight),
    of_text!(6, "7", "7th", contained),
    of_text!(7, "8", "8th", similarity),
    of_text!(7, "8", "8th", overlap),
    of_text!(7, "8", "8th", id),
    of_text!(7, "8", "8th", weight),
    of_text!(7, "8", "8th", contained),
    of_text!(8, "9", "9th", similarity),
    of_text!(8, "9", "9th", overlap),
    of_text!(8, "9", "9th", id),
    of_text!(8, "9", "9th", weight),
    of_text!(8, "9", "9th", contained),
    of_text!(9, "10", "10th", similarity),
    of_text!(9, "10", "10th", overlap),
    of_text!(9, "10", "10th", id),
    of_text!(9, "10", "10th", weight),
    of_text!(9, "10", "10th", contained),
    of_date!(0, "1", "1st", days),
    of_date!(0, "1", "1st", weekday),
    of_date!(0, "1", "1st", age),
    of_date!(1, "2", "2nd", days),
    of_date!(1, "2", "2nd", weekday),
    of_date!(1, "2", "2nd", age),
    of_date!(2, "3", "3rd", days),
    of_date!(2, "3", "3rd", weekday),
    of_date!(2, "3", "3rd", age),
    number("fields_equal", "share", "equal fields ÷ fields that both sides have", |f| {
        f.record.equal
    }),
    number("missing_a", "fields", "fields without a value on side A", |f| f.record.missing[0]),
    number("missing_b", "fields", "fields without a value on side B", |f| f.record.missing[1]),
    category("missing_pattern", "which fields have no value on which side", |f| {
        f.record.missing_pattern
    }),
    category("differing_pattern", "which fields of the record differ", |f| {
        f.record.differing_pattern
    }),
    number(
        "record_words",
        "share",
        "words of both ÷ words of either, in all texts of the record",
        |f| f.record.words,
    ),
    number("record_numbered_words", "share", "the same for words with a digit", |f| {
        f.record.numbered_words
    }),
    yes("value_elsewhere", "a side has the value in another field than the other side", |f| {
        f.record.elsewhere
    }),
    yes("product_a", "A is the product or ratio of two other numbers of its record", |f| {
        f.record.product[0]
    }),
    yes("product_b", "B is the product or ratio of two other numbers of its record", |f| {
        f.record.product[1]
    }),
    yes("sum_a", "A is the sum or difference of two other numbers of its record", |f| {
        f.record.sum[0]
    }),
    yes("sum_b", "B is the sum or difference of two other numbers of its record", |f| {
        f.record.sum[1]
    }),
    yes("delta_elsewhere", "|B − A| is another number of the record", |f| {
        f.record.delta_elsewhere
    }),
    yes("same_relative", "another number of the record differs by the same share", |f| {
        f.record.same_relative
    }),
    number("roundness_a", "power of ten", "largest power of ten that A is a multiple of", |f| {
        f.record.roundness.sides[0]
    }),
    number("roundness_b", "power of ten", "largest power of ten that B is a multiple of", |f| {
        f.record.roundness.sides[1]
    }),
    number(
        "rounded_to",
        "power of ten",
        "largest power of ten to which one side is the other, rounded",
        |f| f.record.roundness.rounded,
    ),
    yes(
        "delta_is_part",
        "another number of the record, or twice or three times it, is a multiple of |B − A|",
        |f| f.record.delta_is_part,
    ),
    // Rare words, codes and numbers in the texts.
    number(
        "record_weight",
        "share",
        "words of both ÷ words of either, rare ones weighing more",
        |f| f.record.rare.overlap,
    ),
    number("words_a_in_b", "share", "words of A, by weight, that B has", |f| {
        f.record.rare.shares[0]
    }),
    number("words_b_in_a", "share", "words of B, by weight, that A has", |f| {
        f.record.rare.shares[1]
    }),
    number("words_rarest", "0 to 1", "weight of the rarest word of both", |f| f.record.rare.rarest),
    number("words_only_a", "weight", "words that only A has", |f| f.record.rare.alone[0]),
    number("words_only_b", "weight", "words that only B has", |f| f.record.rare.alone[1]),
    number(
        "codes_a_in_b",
        "share",
        "words of A with a digit that B's texts have, however they are written",
        |f| f.record.codes.found[0],
    ),
    number("codes_b_in_a", "share", "the same for words of B in A's texts", |f| {
        f.record.codes.found[1]
    }),
    number("codes_longest", "characters", "longest of these words that both sides have", |f| {
        f.record.codes.longest
    }),
    yes("codes_conflict", "words with the same letters and other digits on each side", |f| {
        f.record.codes.conflict
    }),
    number("codes_numbers", "share", "numbers in the texts of both ÷ of either", |f| {
        f.record.codes.numbers
    }),
    // Reasons seen with the record's values.
    category(
        "seen_reason",
        "the reason that the record's values were most seen with, by how common it is",
        |f| f.seen.reason,
    ),
    number("seen_share", "share", "how likely that reason is by these values alone", |f| {
        f.seen.share
    }),
    of_seen!(0, "1", "1st"),
    of_seen!(1, "2", "2nd"),
    of_seen!(2, "3", "3rd"),
    of_seen!(3, "4", "4th"),
    of_seen!(4, "5", "5th"),
    of_seen!(5, "6", "6th"),
    of_seen!(6, "7", "7th"),
    of_seen!(7, "8", "8th"),
    of_seen!(8, "9", "9th"),
    of_seen!(9, "10", "10th"),
    of_seen!(10, "11", "11th"),
    of_seen!(11, "12", "12th"),
    // The key again; models keep the order of features, so new ones come last.
    category("key_pattern", "which places of the key have digits, and which letters", |f| {
        f.key.pattern
    }),
    category("key_prefix", "the letters that the key begins with", |f| f.key.prefix),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_run_level_features_are_blurred() {
        let mut rows = vec![2.0; COUNT * 200];
        rows[COUNT..2 * COUNT].fill(ABSENT);
        let all: Vec<usize> = (0..COUNT).collect();
        blur(&mut rows, &all, 7);
        let mut again = vec![2.0; COUNT * 200];
        again[COUNT..2 * COUNT].fill(ABSENT);
        blur(&mut again, &all, 7);
        assert_eq!(rows, again, "the same seed");
        assert!(rows[COUNT..2 * COUNT].iter().all(|value| *value == ABSENT));
        for (at, feature) in catalogue().iter().enumerate() {
            let column: Vec<f32> = rows.iter().skip(at).step_by(COUNT).copied().collect();
            let moved = column.iter().filter(|value| **value != 2.0 && **value > ABSENT).count();
            assert_eq!(moved > 150, is_of_the_run(feature.name), "{}", feature.name);
            assert!(column.iter().all(|v| *v == ABSENT || (1.5..=2.5).contains(v)));
        }
    }

    #[test]
    fn only_features_that_differ_are_learned_from() {
        let mut rows = vec![1.0; COUNT * 2];
        assert_eq!(described(&rows), DESCRIBED);
        assert_eq!(varying(&rows).len(), COUNT, "nothing differs, which training refuses");
        for row in rows.chunks_exact_mut(COUNT) {
            row[WITHOUT_MATCH..DESCRIBED].fill(ABSENT);
        }
        assert_eq!(described(&rows), WITHOUT_MATCH);
        (rows[COUNT + 3], rows[COUNT + 7]) = (2.0, 4.0);
        assert_eq!(varying(&rows), [3, 7]);
        assert_eq!(chosen(&rows, &[3, 7]), [1.0, 1.0, 2.0, 4.0]);
        assert_eq!(catalogue()[WITHOUT_MATCH].name, "match_pass");
    }

    #[test]
    fn names_are_unique_and_every_feature_is_described() {
        let mut names: Vec<_> = catalogue().iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for feature in catalogue() {
            assert!(!feature.meaning.is_empty() && !feature.unit.is_empty(), "{}", feature.name);
            assert!(
                feature
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
        }
    }
}
