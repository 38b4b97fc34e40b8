//! Which column of A is which of B: by their names, by their values, and, once the rows are joined,
//! by whether the values stand in the same rows.

use serde::Serialize;

use super::extract::{Column, Extract, are_comparable};
use super::file::percent;
use super::joined::{Agreement, Joined};
use super::names;
use crate::domain::{Kind, PerSide};

/// That a column of A is a column of B.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The columns' positions, from 0.
    pub columns: PerSide<usize>,
    /// How sure that is, from 0 to 1.
    pub confidence: f64,
    /// Why, in a few words.
    pub why: String,
}

/// From here on a pair is worth writing.
const WORTH: f64 = 0.4;

/// How many joined rows can tell whether two columns agree.
pub const TELLING_ROWS: usize = 10;

/// The pairs, best first, by names and values alone.
pub fn by_names_and_values(extracts: &PerSide<Extract>) -> Vec<Pair> {
    assign(extracts, |_, a, b| from_names_and_values(a, b))
}

/// The pairs, best first, now that rows are joined.
pub fn by_rows(extracts: &PerSide<Extract>, joined: &Joined) -> Vec<Pair> {
    assign(extracts, |columns, a, b| {
        let (alone, why) = from_names_and_values(a, b);
        let agreement = joined.agreement(columns);
        if agreement.rows < TELLING_ROWS {
            return (alone, why);
        }
        from_rows(a, b, alone, why, &agreement)
    })
}

/// The best assignment, greedily: the surest pair first, then the surest of the others.
fn assign(
    extracts: &PerSide<Extract>,
    mut score: impl FnMut(PerSide<usize>, &Column, &Column) -> (f64, String),
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (at_a, a) in extracts.a.columns.iter().enumerate() {
        for (at_b, b) in extracts.b.columns.iter().enumerate() {
            if a.is_ambiguous || b.is_ambiguous {
                continue;
            }
            let columns = PerSide { a: at_a, b: at_b };
            let (confidence, why) = score(columns, a, b);
            if confidence >= WORTH {
                pairs.push(Pair { columns, confidence: confidence.min(0.99), why });
            }
        }
    }
    pairs.sort_by(|left, right| {
        right
            .confidence
            .total_cmp(&left.confidence)
            .then_with(|| (left.columns.a, left.columns.b).cmp(&(right.columns.a, right.columns.b)))
    });
    let mut chosen: Vec<Pair> = Vec::new();
    for pair in pairs {
        let is_free =
            |known: &Pair| known.columns.a != pair.columns.a && known.columns.b != pair.columns.b;
        if chosen.iter().all(is_free) {
            chosen.push(pair);
        }
    }
    chosen
}

/// How alike names are, in words.
fn name_reason(likeness: f64) -> Option<&'static str> {
    match likeness {
        alike if alike >= 0.99 => Some("the same name"),
        alike if alike >= 0.85 => Some("names that mean the same"),
        alike if alike >= 0.5 => Some("similar names"),
        _ => None,
    }
}

fn from_names_and_values(a: &Column, b: &Column) -> (f64, String) {
    let alike = names::likeness(&a.name, &b.name);
    let (kind_a, kind_b) = (a.profile.reading.kind, b.profile.reading.kind);
    let is_empty = a.sketch.filled == 0 || b.sketch.filled == 0;
    if !is_empty && !are_comparable(kind_a, kind_b) {
        return (0.0, String::new());
    }
    let (common, share) = a.sketch.overlap(&b.sketch);
    // A few values in common say little: many columns have a 1, many have a EUR.
    // Days are few and every column has some of them; the same column has the same ones.
    let (share, enough) = match (kind_a, kind_b) {
        (Kind::Text, Kind::Text) => (share, 2.0),
        (Kind::Date | Kind::Datetime, _) => (a.sketch.likeness(&b.sketch), 1.0),
        _ => (share, 15.0),
    };
    #[expect(clippy::cast_precision_loss, reason = "a sketch keeps a few thousand values")]
    let telling = common as f64 / (common as f64 + enough);
    let by_values = share * telling * 0.95;
    // Texts of which none is in both are another field, whatever their names are, unless they are
    // words of a few for the same thing.
    let few = a.sketch.distinct().max(b.sketch.distinct()) <= 12;
    let by_name = if !is_empty && common == 0 && !few && kind_a == Kind::Text {
        alike * 0.3
    } else {
        alike * 0.8
    };
    let confidence = 1.0 - (1.0 - by_name) * (1.0 - by_values);
    let mut reasons: Vec<String> = name_reason(alike).map(str::to_owned).into_iter().collect();
    if by_values > 0.2 {
        reasons.push(format!("{} of the values are in both", percent(share)));
    }
    (confidence, reasons.join(", "))
}

fn from_rows(
    a: &Column,
    b: &Column,
    alone: f64,
    why: String,
    agreement: &Agreement,
) -> (f64, String) {
    let alike = names::likeness(&a.name, &b.name);
    let beyond_chance = agreement.beyond_chance();
    let mut reasons: Vec<String> = name_reason(alike).map(str::to_owned).into_iter().collect();
    if agreement.says_something() {
        let what = match agreement.by_words {
            true => "belong to the same value",
            false if agreement.near => "are nearly the same",
            false => "are the same",
        };
        let share = percent(agreement.share);
        reasons.push(format!("in {share} of the joined rows the values {what}"));
        // Names may mean the same while the systems seldom agree. Of texts that never do, only the
        // same name makes a pair.
        let is_text = a.profile.reading.kind == Kind::Text;
        let by_name = alike * if is_text && alike < 0.99 { 0.35 } else { 0.5 };
        let likely = 1.0 - (1.0 - by_name) * (1.0 - beyond_chance.max(0.0));
        return (likely, reasons.join(", "));
    }
    // Nearly all rows have one value. If it is the same one, that is something.
    if agreement.share >= 0.95 && a.profile.reading.kind == Kind::Text {
        reasons.push("nearly all rows of both have the same value".to_owned());
        return (alone.max(0.6), reasons.join(", "));
    }
    (alone * 0.9, why)
}
