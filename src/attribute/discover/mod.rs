//! Groups unexplained differences into candidate rules.
//!
//! A group's key is deterministic: field, kind and the most specific condition that holds for the
//! values. Each group is described in words and numbers, with examples, and as a candidate Rhai
//! rule. The effect of a rule is counted, not estimated: a second pass over all differences,
//! decided ones included, tests every candidate's condition.
//!
//! A candidate contains a placeholder instead of a reason, which `recon check` rejects: only a
//! person can turn a group into a rule.

mod condition;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::unseen::{quoted, visible};
use crate::domain::{DiffType, DifferenceContext};
use condition::{Condition, observed};

/// The placeholder reason of a candidate, for the user to replace.
const PLACEHOLDER: &str = "CHOOSE_A_REASON";
/// Examples per group.
const EXAMPLES: usize = 5;
/// Maximum number of distinct deltas counted per group.
const MAX_DELTAS: usize = 256;
/// Minimum share of a group for one exact delta to become its condition.
const ONE_DELTA: f64 = 0.8;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Example {
    /// The record's key.
    pub reference: String,
    /// Side A's canonical text; `None` for null.
    pub a: Option<String>,
    /// Side B's.
    pub b: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Gathered {
    count: u64,
    examples: Vec<Example>,
    remarks: BTreeMap<&'static str, u64>,
    deltas: BTreeMap<String, u64>,
}

/// The first pass: groups the unknown differences.
#[derive(Clone, Debug, Default)]
pub struct Miner {
    groups: BTreeMap<(String, DiffType, Condition), Gathered>,
    unknown: u64,
}

/// A group of unknown differences with its candidate rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    pub field: String,
    pub diff_type: &'static str,
    /// The common property in a sentence.
    pub words: String,
    /// Unknown differences in the group.
    pub count: u64,
    /// Their share of all unknown differences.
    pub share: f64,
    /// Remarks, with the number of differences they hold for.
    pub remarks: BTreeMap<&'static str, u64>,
    /// In the order of their keys.
    pub examples: Vec<Example>,
    /// The name of the candidate's function.
    pub function: String,
    /// The differences the candidate would claim, once measured.
    pub support: Support,
    #[serde(skip)]
    key: (DiffType, Condition),
}

/// The differences that a candidate rule would claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Support {
    /// Differences that meet its condition.
    pub fires: u64,
    /// Differences without a reason.
    pub unknown: u64,
    /// Differences with a reason, by reason.
    pub decided: BTreeMap<String, u64>,
}

impl Miner {
    /// Adds an unknown difference. The order of calls does not matter.
    pub fn observe(&mut self, difference: &DifferenceContext<'_>) {
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        let seen = observed(difference, &mut buffer_a, &mut buffer_b);
        let key = (difference.field_name().to_owned(), difference.diff_type, seen.condition());
        self.unknown += 1;
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        for remark in seen.remarks() {
            *group.remarks.entry(remark).or_default() += 1;
        }
        if let Some(delta) = seen.delta() {
            let delta = delta.normalized().to_string();
            if group.deltas.len() < MAX_DELTAS || group.deltas.contains_key(&delta) {
                *group.deltas.entry(delta).or_default() += 1;
            }
        }
        let key_len = difference.layout.key_len();
        let reference = difference
            .a
            .or(difference.b)
            .map(|cells| crate::domain::key::reference(cells, key_len))
            .unwrap_or_default();
        let example = Example { reference, a: seen.a.text(), b: seen.b.text() };
        let at = group.examples.partition_point(|other| *other < example);
        if at < EXAMPLES {
            group.examples.insert(at, example);
            group.examples.truncate(EXAMPLES);
        }
    }

    /// The groups of at least `least` differences, largest first, not yet measured.
    pub fn finish(self, least: u64) -> Vec<Group> {
        let whole = self.unknown.max(1) as f64;
        let mut groups: Vec<Group> = self
            .groups
            .into_iter()
            .filter(|(_, group)| group.count >= least)
            .map(|((field, diff_type, condition), group)| {
                let condition = one_delta(&group).unwrap_or(condition);
                Group {
                    words: condition.words(),
                    function: String::new(),
                    share: group.count as f64 / whole,
                    count: group.count,
                    remarks: group.remarks,
                    examples: group.examples,
                    support: Support::default(),
                    diff_type: diff_type.name(),
                    field,
                    key: (diff_type, condition),
                }
            })
            .collect();
        groups.sort_by(|a, b| {
            b.count.cmp(&a.count).then_with(|| (&a.field, &a.key).cmp(&(&b.field, &b.key)))
        });
        for (at, group) in groups.iter_mut().enumerate() {
            group.function = function_name(&group.field, group.diff_type, at + 1);
        }
        groups
    }
}

fn one_delta(group: &Gathered) -> Option<Condition> {
    let (delta, count) = group.deltas.iter().max_by_key(|(_, count)| **count)?;
    // Scripts hold 28 digits.
    let fits = delta.bytes().filter(u8::is_ascii_digit).count() <= 28;
    (group.count > 1 && fits && *count as f64 >= ONE_DELTA * group.count as f64)
        .then(|| Condition::Delta(delta.clone()))
}

fn function_name(field: &str, diff_type: &str, number: usize) -> String {
    let mut name = String::from("attribute_");
    for character in
        field.to_lowercase().chars().chain(['_']).chain(diff_type.to_lowercase().chars())
    {
        name.push(if character.is_ascii_alphanumeric() { character } else { '_' });
    }
    let _ = write!(name, "_{number}");
    name
}

/// The second pass, over *all* differences: tests which of them the candidates would claim.
pub struct Measuring<'g> {
    groups: &'g mut [Group],
    /// The places of a field's groups.
    of_field: HashMap<String, Vec<usize>>,
}

impl<'g> Measuring<'g> {
    pub fn new(groups: &'g mut [Group]) -> Self {
        let mut of_field: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, group) in groups.iter().enumerate() {
            of_field.entry(group.field.clone()).or_default().push(at);
        }
        Self { groups, of_field }
    }

    /// Tests a difference; `reason` is the decided one, `None` for unknown.
    pub fn measure(&mut self, difference: &DifferenceContext<'_>, reason: Option<&str>) {
        let Some(places) = self.of_field.get(difference.field_name()) else { return };
        let (mut buffer_a, mut buffer_b) = ([0; 36], [0; 36]);
        let observed = observed(difference, &mut buffer_a, &mut buffer_b);
        for at in places {
            let Some(group) = self.groups.get_mut(*at) else { continue };
            if difference.diff_type != group.key.0 || !group.key.1.holds(&observed) {
                continue;
            }
            group.support.fires += 1;
            match reason {
                None => group.support.unknown += 1,
                Some(reason) => *group.support.decided.entry(reason.to_owned()).or_default() += 1,
            }
        }
    }
}

impl Group {
    /// The candidate rule as Rhai: a description in comments, and one function.
    pub fn rhai(&self) -> String {
        let mut text = format!(
            "// {} unknown differences of {} ({}): {}.\n",
            self.count,
            one_line(&self.field),
            self.diff_type,
            self.words
        );
        for (remark, count) in &self.remarks {
            let _ = writeln!(text, "// In {count} of them {remark}.");
        }
        for example in &self.examples {
            let shown =
                |value: &Option<String>| value.as_deref().map_or("null".to_owned(), one_line);
            let _ = writeln!(
                text,
                "//   {}: {} | {}",
                one_line(&example.reference),
                shown(&example.a),
                shown(&example.b)
            );
        }
        let Support { fires, unknown, decided } = &self.support;
        let _ = write!(text, "// Measured: claims {fires} differences, {unknown} of them unknown");
        for (reason, count) in decided {
            let _ = write!(text, ", {count} {reason}");
        }
        text.push_str(".\n// Fill in the reason, and a confidence that you have verified.\n");
        let _ = write!(
            text,
            "fn {}(d) {{\n    if d.field == {} && d.diff_type == \"{}\"",
            self.function,
            quoted(&self.field),
            self.diff_type
        );
        if let Some(condition) = self.key.1.rhai() {
            let _ = write!(text, "\n        && {condition}");
        }
        let _ = write!(text, " {{\n        reason(\"{PLACEHOLDER}\", 0.5)\n    }}\n}}\n");
        text
    }
}

/// A text that can't end its comment, span lines or disguise itself.
fn one_line(text: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    let mut line = visible(&shown).into_owned();
    if text.chars().nth(60).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Field, FieldRef, Kind, Layout, Row, Severity, Value};
    use proptest::prelude::*;

    fn layout(kind: Kind) -> Layout {
        let field = |name: &str, kind| Field::new(name, kind);
        Layout::new(vec![field("id", Kind::Text), field("value", kind)], 1)
    }

    fn with<T>(
        kind: Kind,
        diff_type: DiffType,
        id: usize,
        a: Value,
        b: Value,
        then: impl FnOnce(&DifferenceContext<'_>) -> T,
    ) -> T {
        let layout = layout(kind);
        let id = Value::Text(format!("T{id:03}"));
        let rows = [a, b].map(|value| Row::of([id.as_cell(), value.as_cell()]));
        then(&DifferenceContext {
            layout: &layout,
            field: FieldRef::Field(1),
            diff_type,
            severity: Severity::Medium,
            a: Some(rows[0].borrow(1).cells()),
            b: Some(rows[1].borrow(1).cells()),
            partner_rejected: false,
            matched: None,
        })
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(text.parse().unwrap())
    }

    fn only(kind: Kind, diff_type: DiffType, pairs: &[(Value, Value)]) -> Group {
        let mut miner = Miner::default();
        for (at, (a, b)) in pairs.iter().enumerate() {
            with(kind, diff_type, at, a.clone(), b.clone(), |seen| miner.observe(seen));
        }
        let mut groups = miner.finish(1);
        assert_eq!(groups.len(), 1, "{groups:?}");
        groups.remove(0)
    }

    #[test]
    fn patterns_become_words_and_rules() {
        let text = |text: &str| Value::Text(text.to_owned());
        let date = |text: &str| Value::Date(text.parse().unwrap());
        for (kind, diff_type, a, b, words, rule) in [
            (
                Kind::Decimal,
                DiffType::NumericMismatch,
                decimal("5"),
                decimal("-5.0"),
                "the opposite sign",
                "d.b == -d.a",
            ),
            (
                Kind::Decimal,
                DiffType::NumericMismatch,
                decimal("1250"),
                decimal("12.5"),
                "10^-2",
                "d.a == d.b * 100 && d.a != 0",
            ),
            (
                Kind::Decimal,
                DiffType::NumericMismatch,
                decimal("1"),
                decimal("1.05"),
                "by 0.01 to 0.1",
                "d.delta > 0.0 && d.abs_delta >= 0.01 && d.abs_delta < 0.1",
            ),
            (
                Kind::Date,
                DiffType::DateMismatch,
                date("2026-01-02"),
                date("2026-01-01"),
                "1 days before",
                "d.days == -1",
            ),
            (
                Kind::Date,
                DiffType::DateMismatch,
                date("2026-01-02"),
                date("2025-01-01"),
                "more than 31 days before",
                "d.days < -31",
            ),
            (
                Kind::Text,
                DiffType::StringMismatch,
                text("Acme"),
                text("ACME"),
                "case",
                "d.text_a.to_upper() == d.text_b.to_upper()",
            ),
            (
                Kind::Text,
                DiffType::StringMismatch,
                text("Acme Lt"),
                text("Acme Ltd"),
                "side A is a prefix",
                "d.text_b.starts_with(d.text_a)",
            ),
            (
                Kind::Text,
                DiffType::NullMismatch,
                Value::Null,
                text("x"),
                "side A is null",
                "d.a == ()",
            ),
        ] {
            let group = only(kind, diff_type, &[(a, b)]);
            assert!(group.words.contains(words), "{}", group.words);
            assert!(group.rhai().contains(rule), "{}", group.rhai());
        }
    }

    #[test]
    fn a_constant_delta_becomes_the_condition_and_support_is_counted() {
        let pairs: Vec<_> = (10..20)
            .map(|at| (decimal(&format!("{at}.5")), decimal(&format!("{at}.75"))))
            .collect();
        let mut group = only(Kind::Decimal, DiffType::NumericMismatch, &pairs);
        let mut measure = |a: &str, b: &str, reason| {
            with(Kind::Decimal, DiffType::NumericMismatch, 0, decimal(a), decimal(b), |seen| {
                Measuring::new(std::slice::from_mut(&mut group)).measure(seen, reason);
            });
        };
        measure("1", "1.25", None);
        measure("1", "1.250", Some("FEE"));
        measure("1", "1.26", Some("FEE"));
        assert_eq!((group.support.fires, group.support.unknown), (2, 1));
        let rule = group.rhai();
        assert!(rule.contains("d.delta == 0.25\n") || rule.contains("d.delta == 0.25 {"), "{rule}");
        assert!(rule.contains("1 of them unknown, 1 FEE") && rule.contains("T000: 10.5 | 10.75"));
        assert!(
            rule.contains("fn attribute_value_numeric_mismatch_1(d)") && rule.contains(PLACEHOLDER)
        );
    }

    #[test]
    fn data_cannot_escape_its_comment() {
        let text = |text: &str| Value::Text(text.to_owned());
        let group = only(
            Kind::Text,
            DiffType::StringMismatch,
            &[(text("\u{202e}x\nfn evil() {}"), text("\u{2028}y\r\nreason(\"A\", 1.0)"))],
        );
        let rule = group.rhai();
        assert!(
            rule.lines().filter(|line| !line.starts_with("//")).all(|line| !line.contains("evil"))
        );
        assert!(rule.contains(r"\u{202e}x\nfn evil() {} | \u{2028}y\r\n"), "{rule}");
    }

    proptest! {
        #[test]
        fn groups_do_not_depend_on_order_and_their_condition_holds_for_all_members(
            pairs in proptest::collection::vec((-3_000i64..3_000, -3_000i64..3_000, 0u8..4, 0u8..4), 1..30)
        ) {
            let pairs: Vec<(Value, Value)> = pairs
                .into_iter()
                .map(|(a, b, left, right)| {
                    let decimal = |value: i64, scale| crate::domain::Decimal::new(value.into(), scale).unwrap();
                    (Value::Decimal(decimal(a, left)), Value::Decimal(decimal(b, right)))
                })
                .filter(|(a, b)| a.as_cell().number() != b.as_cell().number())
                .collect();
            let mut forward = Miner::default();
            let mut backward = Miner::default();
            let kind = (Kind::Decimal, DiffType::NumericMismatch);
            for (at, (a, b)) in pairs.iter().enumerate() {
                with(kind.0, kind.1, at, a.clone(), b.clone(), |seen| {
                    let (mut left, mut right) = ([0; 36], [0; 36]);
                    let seen = observed(seen, &mut left, &mut right);
                    assert!(seen.condition().holds(&seen), "{:?}", seen.condition());
                });
                with(kind.0, kind.1, at, a.clone(), b.clone(), |seen| forward.observe(seen));
            }
            for (at, (a, b)) in pairs.iter().enumerate().rev() {
                with(kind.0, kind.1, at, a.clone(), b.clone(), |seen| backward.observe(seen));
            }
            prop_assert_eq!(forward.finish(1), backward.finish(1));
        }
    }
}
