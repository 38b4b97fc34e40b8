//! The JSON summary of a run: a contract with programs. Names, order and meaning are fixed; keys
//! may be added.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diagnostic::{Code, Problem};
use crate::domain::attribution::UNKNOWN;
use crate::domain::metadata::{self, Seconds, Source, Warning};
use crate::domain::{AssignedBy, Books, Matches, Money, PerSide, Side, Stage, Status};
use crate::store::{AttributionCount, RejectedRow, RunRow};

use super::figures::ratio;

/// How many rejected rows the summary lists.
pub const REJECTED_SHOWN: usize = 5;
/// How many rules the summary lists.
const RULES_SHOWN: usize = 10;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub run_id: String,
    pub job: String,
    pub batch_date: String,
    /// How the last command on the run ended.
    pub status: &'static str,
    /// How far the run got.
    pub stage: Option<&'static str>,
    pub records: Records,
    /// How rows were matched; only of a job with `match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Matches>,
    /// The fate of rows that the previous date left open; only for a job with `open_items`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_items: Option<OpenItems>,
    pub differences: Differences,
    /// Exact amounts by field and currency; only of a compared job with monetary fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub money: Vec<Money>,
    pub attributions: Attributions,
    /// Null before attribution.
    pub gate: Option<GateCounts>,
    pub seconds: Seconds,
    pub sources: PerSide<Source>,
    pub rejected: Vec<RejectedSample>,
    pub warnings: Vec<Warning>,
    #[serde(skip_serializing_if = "is_zero")]
    pub rule_errors: u64,
    /// The rules that decided most.
    pub top_rules: Vec<RuleCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Automatic acceptance and its evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<serde_json::Value>,
    /// The newer run that replaced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
}

/// Rows of each side and the records they form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Records {
    /// Data rows of A: read, and taken over from the previous date.
    pub a: u64,
    /// Data rows of B: read, and taken over from the previous date.
    pub b: u64,
    /// Pairs.
    pub aligned: u64,
    /// Pairs without differences.
    pub matched: u64,
    /// Matched pairs that needed a tolerance.
    pub within_tolerance: u64,
    /// Records with any difference, missing and duplicates included.
    pub breaks: u64,
    pub missing_in_a: u64,
    pub missing_in_b: u64,
    /// Surplus rows of A.
    pub duplicates_a: u64,
    /// Surplus rows of B.
    pub duplicates_b: u64,
    pub rejected_a: u64,
    pub rejected_b: u64,
    pub filtered_a: u64,
    pub filtered_b: u64,
    /// Matches of several rows; only of a job with `match`, like the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<u64>,
    /// The rows of A in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouped_a: Option<u64>,
    /// The rows of B in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouped_b: Option<u64>,
    /// Rows of A taken over from the previous date; only of a job with `open_items`, like the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried_a: Option<u64>,
    /// Rows of B taken over from the previous date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried_b: Option<u64>,
}

impl Records {
    /// All records: pairs, groups, one-sided rows and surplus rows.
    pub fn total(&self) -> u64 {
        self.aligned
            + self.groups.unwrap_or_default()
            + self.missing_in_a
            + self.missing_in_b
            + self.duplicates_a
            + self.duplicates_b
    }

    /// The rows read, for A and B, and where they went: the first line is the sum of the others.
    pub fn rows(&self) -> Vec<(&'static str, u64, u64)> {
        let all = if self.carried_a.is_some() { "read and taken over" } else { "read" };
        let mut rows = vec![(all, self.a, self.b), ("paired", self.aligned, self.aligned)];
        if let (Some(a), Some(b)) = (self.grouped_a, self.grouped_b) {
            rows.push(("in groups", a, b));
        }
        rows.extend([
            ("unmatched", self.missing_in_b, self.missing_in_a),
            ("duplicates", self.duplicates_a, self.duplicates_b),
            ("rejected", self.rejected_a, self.rejected_b),
            ("filtered", self.filtered_a, self.filtered_b),
        ]);
        rows
    }
}

/// Counts of the rows that the previous date left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenItems {
    /// Rows of A that take part again.
    pub carried_a: u64,
    /// Rows of B that take part again.
    pub carried_b: u64,
    /// Rows of A that are too old to take part again.
    pub expired_a: u64,
    /// Rows of B that are too old to take part again.
    pub expired_b: u64,
    /// Rows of A that people closed.
    pub closed_a: u64,
    /// Rows of B that people closed.
    pub closed_b: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    pub total: u64,
    pub by_type: BTreeMap<&'static str, u64>,
    /// By field, `ENTIRE_RECORD` included.
    pub by_field: BTreeMap<String, u64>,
    pub by_field_and_type: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Attributions {
    pub by_reason: BTreeMap<String, u64>,
    pub by_status: BTreeMap<&'static str, u64>,
    pub by_source: BySource,
    /// Differences accepted automatically with a functional reason ÷ all.
    pub stp_rate: f64,
    /// Differences whose reason is UNKNOWN ÷ all.
    pub unknown_rate: f64,
    /// Differences whose status is UNKNOWN ÷ all.
    pub awaiting_rate: f64,
    /// The reasons, most frequent first.
    pub reasons: Vec<ReasonCount>,
}

/// Attributions by source; zero counts are omitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BySource {
    #[serde(skip_serializing_if = "is_zero")]
    pub rule: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub model: u64,
    /// Unclaimed.
    #[serde(skip_serializing_if = "is_zero")]
    pub none: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub person: u64,
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    pub code: String,
    pub functional: bool,
    pub count: u64,
    /// Accepted differences with this reason.
    pub accepted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GateCounts {
    /// Records that matched or whose differences all have accepted functional reasons.
    pub passed: u64,
    pub blocked: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedSample {
    /// `a` or `b`.
    pub side: &'static str,
    pub file: String,
    /// The first line of the row.
    pub line: u64,
    /// The place in words, if it is more than a line: `sheet Trades, row 17`.
    #[serde(rename = "place", skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    pub rule: String,
    pub count: u64,
}

impl Summary {
    /// The summary of `run` with the counts in `books`; `gate` is `(passed, blocked)`, once
    /// attributed. Sources and warnings come from the run's metadata.
    pub fn new(
        run: &RunRow,
        books: &Books,
        attributions: &[AttributionCount],
        gate: Option<(u64, u64)>,
        seconds: &Seconds,
    ) -> Self {
        let sources = run.metadata.get(metadata::SOURCES).unwrap_or(&serde_json::Value::Null);
        let source = |letter, system: &str| Source {
            system: system.to_owned(),
            ..metadata::piece(sources, letter).unwrap_or_default()
        };
        Self {
            run_id: run.id.to_string(),
            job: run.job.clone(),
            batch_date: run.batch_date.to_string(),
            status: run.status.name(),
            stage: run.stage.map(Stage::name),
            records: records(books),
            matches: books.matches.clone(),
            open_items: books.open_items.map(|items| OpenItems {
                carried_a: items.carried.a,
                carried_b: items.carried.b,
                expired_a: items.expired.a,
                expired_b: items.expired.b,
                closed_a: items.closed.a,
                closed_b: items.closed.b,
            }),
            differences: Differences {
                total: books.differences(),
                by_type: books.by_type.clone(),
                by_field: books.by_field.clone(),
                by_field_and_type: books.by_field_and_type.clone(),
            },
            money: if run.stage >= Some(Stage::Compared) {
                books.money.clone()
            } else {
                Vec::new()
            },
            attributions: counted(attributions),
            gate: gate.map(|(passed, blocked)| GateCounts { passed, blocked }),
            seconds: Seconds {
                total: thousandth(seconds.total),
                read: whole_thousandths(seconds.read),
                align: whole_thousandths(seconds.align),
                compare: whole_thousandths(seconds.compare),
                store: whole_thousandths(seconds.store),
            },
            sources: PerSide { a: source("a", &run.system_a), b: source("b", &run.system_b) },
            rejected: Vec::new(),
            warnings: metadata::piece(&run.metadata, metadata::WARNINGS).unwrap_or_default(),
            rule_errors: metadata::piece(&run.metadata, metadata::RULE_ERRORS).unwrap_or_default(),
            top_rules: top_rules(attributions),
            model: metadata::piece(&run.metadata, "model"),
            acceptance: run.metadata.get("acceptance").cloned(),
            superseded_by: run.superseded_by.map(|id| id.to_string()),
        }
    }

    /// Adds the first of these rejected rows.
    #[must_use]
    pub fn with_rejected(mut self, rows: &[RejectedRow]) -> Self {
        self.rejected = rows
            .iter()
            .take(REJECTED_SHOWN)
            .map(|row| RejectedSample {
                side: row.side.letter(),
                file: self.sources[row.side].file(row.offset).to_owned(),
                line: row.line,
                words: self.sources[row.side].describe(row.line, row.offset),
                code: row.code.clone(),
                message: row.message.clone(),
            })
            .collect();
        self
    }

    /// The rows that the previous date left open, with the count of A and of B: those that take part again, and
    /// those that are too old or closed, if there are any.
    pub fn open_rows(&self) -> Vec<(&'static str, u64, u64)> {
        let Some(items) = self.open_items else { return Vec::new() };
        let mut rows = vec![("taken over", items.carried_a, items.carried_b)];
        let left = [
            ("expired", items.expired_a, items.expired_b),
            ("closed by people", items.closed_a, items.closed_b),
        ];
        rows.extend(left.into_iter().filter(|(_, a, b)| a + b > 0));
        rows
    }

    pub fn is_compared(&self) -> bool {
        [Stage::Compared, Stage::Attributed].iter().any(|stage| self.stage == Some(stage.name()))
    }

    pub fn is_attributed(&self) -> bool {
        self.stage == Some(Stage::Attributed.name())
    }

    /// Matches by pass, shape and certificate, and the number left because they were not certain; empty without
    /// `match`.
    pub fn match_figures(&self) -> Vec<(String, u64)> {
        let Some(matches) = &self.matches else { return Vec::new() };
        let kinds = [
            ("pass", &matches.by_pass),
            ("shape", &matches.by_shape),
            ("certificate", &matches.by_certificate),
        ];
        let figures = kinds.into_iter().flat_map(|(kind, counts)| {
            counts.iter().map(move |(name, count)| (format!("{kind} {name}"), *count))
        });
        figures.chain([("left ambiguous".to_owned(), matches.left_ambiguous)]).collect()
    }

    /// All matches that were made.
    pub fn match_total(&self) -> u64 {
        self.matches.as_ref().map_or(0, |matches| matches.by_pass.values().sum())
    }

    /// The acceptance decision in sentences.
    pub fn acceptance_says(&self) -> Vec<String> {
        let says = self.acceptance.as_ref().and_then(|acceptance| acceptance.get("says"));
        says.and_then(|says| serde_json::from_value(says.clone()).ok()).unwrap_or_default()
    }

    /// The first figure that contradicts another one, in words.
    pub fn discrepancy(&self) -> Option<String> {
        let records = &self.records;
        let rows = records.rows();
        for (side, of) in [("A", 0), ("B", 1)] {
            let count = |row: &(&str, u64, u64)| if of == 0 { row.1 } else { row.2 };
            let read = rows.first().map_or(0, count);
            let placed: u64 = rows.iter().skip(1).map(count).sum();
            if placed != read {
                return Some(format!(
                    "{read} rows of source {side} were read, but {placed} are accounted for"
                ));
            }
        }
        let total = records.total();
        if self.is_compared() && records.matched + records.breaks != total {
            return Some(format!(
                "{} records matched and {} are breaks, but there are {total} records",
                records.matched, records.breaks
            ));
        }
        if records.within_tolerance > records.matched {
            return Some(format!(
                "{} records are within tolerance, but only {} matched",
                records.within_tolerance, records.matched
            ));
        }
        let by_field: u64 = self.differences.by_field.values().sum();
        if by_field != self.differences.total {
            return Some(format!(
                "{} differences, but {by_field} by field",
                self.differences.total
            ));
        }
        let attributed: u64 = self.attributions.by_reason.values().sum();
        if self.is_attributed() && attributed != self.differences.total {
            return Some(format!(
                "{} differences, but {attributed} attributions",
                self.differences.total
            ));
        }
        if let Some(untied) = Money::discrepancy(&self.money) {
            return Some(untied);
        }
        let gate = self.gate?;
        (gate.passed + gate.blocked != total).then(|| {
            format!(
                "{} records passed the gate and {} are blocked, but there are {total} records",
                gate.passed, gate.blocked
            )
        })
    }

    /// The summary, or an error if its figures contradict each other.
    pub fn proved(self) -> Result<Self, Problem> {
        match self.discrepancy() {
            None => Ok(self),
            Some(discrepancy) => Err(Problem::new(Code::BooksDoNotClose, discrepancy).help(
                format!("this is a bug in recon, not in the data; do not use run {}", self.run_id),
            )),
        }
    }

    /// Differences that await review: status UNKNOWN.
    pub fn awaiting(&self) -> u64 {
        self.attributions.by_status.get(Status::Unknown.name()).copied().unwrap_or_default()
    }
}

fn records(books: &Books) -> Records {
    Records {
        a: books.rows(Side::A),
        b: books.rows(Side::B),
        aligned: books.aligned,
        matched: books.matched,
        within_tolerance: books.within_tolerance,
        breaks: books.breaks,
        missing_in_a: books.missing_in.a,
        missing_in_b: books.missing_in.b,
        duplicates_a: books.duplicates.a,
        duplicates_b: books.duplicates.b,
        rejected_a: books.rejected.a,
        rejected_b: books.rejected.b,
        filtered_a: books.filtered.a,
        filtered_b: books.filtered.b,
        groups: books.matches.as_ref().map(|_| books.groups),
        grouped_a: books.matches.as_ref().map(|_| books.grouped.a),
        grouped_b: books.matches.as_ref().map(|_| books.grouped.b),
        carried_a: books.open_items.map(|items| items.carried.a),
        carried_b: books.open_items.map(|items| items.carried.b),
    }
}

fn counted(counts: &[AttributionCount]) -> Attributions {
    let mut result = Attributions::default();
    let mut reasons: BTreeMap<&str, ReasonCount> = BTreeMap::new();
    let (mut all, mut machine, mut unknown, mut awaiting) = (0, 0, 0, 0);
    for AttributionCount { reason, functional, status, assigned_by, count } in counts {
        if *count == 0 {
            continue;
        }
        all += count;
        *result.by_reason.entry(reason.clone()).or_default() += count;
        *result.by_status.entry(status.name()).or_default() += count;
        let accepted = if *status == Status::Accepted { *count } else { 0 };
        let sources = &mut result.by_source;
        match AssignedBy::parse(assigned_by) {
            AssignedBy::Rule(_) => sources.rule += count,
            AssignedBy::Model(_) => sources.model += count,
            AssignedBy::Nobody => sources.none += count,
            AssignedBy::Person(_) => sources.person += count,
        }
        if *functional
            && matches!(AssignedBy::parse(assigned_by), AssignedBy::Rule(_) | AssignedBy::Model(_))
        {
            machine += accepted;
        }
        if reason == UNKNOWN {
            unknown += count;
        }
        if *status == Status::Unknown {
            awaiting += count;
        }
        let entry = reasons.entry(reason).or_insert_with(|| ReasonCount {
            code: reason.clone(),
            functional: *functional,
            count: 0,
            accepted: 0,
        });
        entry.count += count;
        entry.accepted += accepted;
    }
    result.stp_rate = millionth(ratio(machine, all));
    result.unknown_rate = millionth(ratio(unknown, all));
    result.awaiting_rate = millionth(ratio(awaiting, all));
    result.reasons = reasons.into_values().collect();
    // The sort is stable: equal counts stay ordered by code.
    result.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    result
}

fn top_rules(counts: &[AttributionCount]) -> Vec<RuleCount> {
    let mut rules: BTreeMap<String, u64> = BTreeMap::new();
    for count in counts {
        if let AssignedBy::Rule(rule) = AssignedBy::parse(&count.assigned_by) {
            *rules.entry(rule).or_default() += count.count;
        }
    }
    let mut rules: Vec<RuleCount> =
        rules.into_iter().map(|(rule, count)| RuleCount { rule, count }).collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.count));
    rules.truncate(RULES_SHOWN);
    rules
}

fn millionth(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Truncated to milliseconds: the total is rounded, so truncated parts never exceed it.
fn whole_thousandths(seconds: f64) -> f64 {
    (seconds * 1_000.0 + 1e-6).floor() / 1_000.0
}

fn thousandth(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::domain::Side;

    #[test]
    fn is_the_documented_json_in_its_order() {
        let json = serde_json::to_string(&sample::summary()).unwrap();
        let expected = concat!(
            r#"{"run_id":"019421bc-fc08-7aaa-8aaa-aaaaaaaaaaaa","job":"fx_trades_eod","#,
            r#""batch_date":"2026-01-15","status":"COMPLETED_WITH_ERRORS","stage":"ATTRIBUTED","#,
            r#""records":{"a":950,"b":948,"aligned":900,"matched":760,"within_tolerance":12,"#,
            r#""breaks":233,"missing_in_a":45,"missing_in_b":47,"duplicates_a":1,"#,
            r#""duplicates_b":0,"rejected_a":2,"rejected_b":0,"filtered_a":0,"filtered_b":3},"#,
            r#""differences":{"total":240,"by_type":{"DUPLICATE_IN_SOURCE_A":1,"#,
            r#""MISSING_IN_SOURCE_A":45,"MISSING_IN_SOURCE_B":47,"NULL_MISMATCH":7,"#,
            r#""NUMERIC_MISMATCH":90,"STRING_MISMATCH":50},"by_field":{"ENTIRE_RECORD":93,"#,
            r#""amount":95,"counterparty":52},"by_field_and_type":{"ENTIRE_RECORD":"#,
            r#"{"DUPLICATE_IN_SOURCE_A":1,"MISSING_IN_SOURCE_A":45,"MISSING_IN_SOURCE_B":47},"#,
            r#""amount":{"NULL_MISMATCH":5,"NUMERIC_MISMATCH":90},"counterparty":"#,
            r#"{"NULL_MISMATCH":2,"STRING_MISMATCH":50}}},"#,
            r#""attributions":{"by_reason":{"MANUAL_ENTRY_ERR":50,"MISSING_SOURCE_A":45,"#,
            r#""MISSING_SOURCE_B":47,"ROUNDING_DIFF":81,"UNKNOWN":17},"#,
            r#""by_status":{"ACCEPTED":220,"UNKNOWN":20},"#,
            r#""by_source":{"rule":170,"model":50,"none":17,"person":3},"#,
            r#""stp_rate":0.325,"unknown_rate":0.070833,"awaiting_rate":0.083333,"#,
            r#""reasons":[{"code":"ROUNDING_DIFF","functional":true,"count":81,"accepted":81},"#,
            r#"{"code":"MANUAL_ENTRY_ERR","functional":false,"count":50,"accepted":47},"#,
            r#"{"code":"MISSING_SOURCE_B","functional":false,"count":47,"accepted":47},"#,
            r#"{"code":"MISSING_SOURCE_A","functional":false,"count":45,"accepted":45},"#,
            r#"{"code":"UNKNOWN","functional":false,"count":17,"accepted":0}]},"#,
            r#""gate":{"passed":838,"blocked":155},"#,
            r#""seconds":{"total":0.412,"read":0.1,"align":0.11,"compare":0.1,"store":0.1},"#,
            r#""sources":{"a":{"system":"FRONT_OFFICE","path":"front_office.csv","bytes":62669,"#,
            r#""sha256":"9f86d081","rows":950,"unused_columns":["trader","book|desk"]},"#,
            r#""b":{"system":"RISK","path":"risk.csv","bytes":59392,"sha256":"60303ae2","#,
            r#""rows":948,"unused_columns":[]}},"#,
            r#""rejected":[{"side":"a","file":"front_office.csv","line":17,"code":"RAGGED_ROW","#,
            r#""message":"5 fields where the header has 6"},{"side":"a","#,
            r#""file":"front_office.csv","line":40,"#,
            r#""code":"NULL_KEY","message":"transaction_id is null"}],"#,
            r#""warnings":[{"code":"ambiguous-dates","#,
            r#""message":"two formats of trade_date read 01/02/2026 differently","#,
            r#""place":"recon.yaml:21:5"}],"#,
            r#""top_rules":[{"rule":"attribute_missing","count":92},"#,
            r#"{"rule":"attribute_rounding","count":78}]}"#,
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn a_run_without_differences_has_zero_rates() {
        let summary =
            Summary::new(&sample::run(), &Books::default(), &[], Some((0, 0)), &Seconds::default());
        assert_eq!(summary.attributions.stp_rate, 0.0);
        assert_eq!(summary.attributions.unknown_rate, 0.0);
        assert_eq!(summary.attributions.awaiting_rate, 0.0);
        assert_eq!(summary.discrepancy(), None);
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.contains(r#""by_source":{}"#), "{json}");
    }

    #[test]
    fn every_contradictory_figure_is_detected() {
        let summary = sample::summary();
        assert_eq!(summary.discrepancy(), None);
        type Lie = fn(&mut Summary);
        let lies: [(Lie, &str); 7] = [
            (|summary| summary.records.a += 1, "source A"),
            (|summary| summary.records.filtered_b += 1, "source B"),
            (|summary| summary.records.breaks -= 1, "are breaks"),
            (|summary| summary.records.within_tolerance = 761, "within tolerance"),
            (|summary| summary.differences.total += 1, "by field"),
            (|summary| summary.attributions.by_reason.clear(), "attributions"),
            (|summary| summary.gate = Some(GateCounts { passed: 1, blocked: 1 }), "the gate"),
        ];
        for (lie, expected) in lies {
            let mut wrong = summary.clone();
            lie(&mut wrong);
            let problem = wrong.proved().unwrap_err();
            assert_eq!(problem.class, crate::diagnostic::Class::Inconsistent);
            assert!(problem.message.contains(expected), "{} / {expected}", problem.message);
        }
    }

    #[test]
    fn only_the_first_rejected_rows_are_shown() {
        let row = RejectedRow {
            side: Side::B,
            line: 2,
            offset: 0,
            code: "X".into(),
            message: "m".into(),
            text: "t".into(),
            key: None,
        };
        let summary = sample::summary().with_rejected(&vec![row; REJECTED_SHOWN + 1]);
        assert_eq!(summary.rejected.len(), REJECTED_SHOWN);
    }
}
