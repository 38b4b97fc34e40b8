//! The start page: figures of runs that add up, each linked to its items.

pub mod breaks;
pub mod runs;
pub mod statement;

use askama::Template;

use crate::domain::Instant;
use crate::domain::attribution::UNKNOWN;
use crate::domain::money::Sum;
use crate::report::statement::title;
use crate::report::{self, Summary};
use crate::review;

use super::address::with_query;
use super::fragment::{Bar, Spark, Stack};
use super::frame::Frame;
use super::{file, labels};
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Route;
use crate::server::routes::{VIEW, get};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review", "page_overview", runs::overview, VIEW).takes([run(), job()]),
        get("/review/breaks", "page_breaks", breaks::show, VIEW).takes([job(), file::parameter()]),
        get("/review/statement", "page_statement", statement::show, VIEW).takes([run()]),
    ]
}

fn run() -> Parameter {
    Parameter::query("run", "The run", Kind::Text(200))
}

fn job() -> Parameter {
    Parameter::query("job", "The job", Kind::Text(200))
}

#[derive(Template)]
#[template(path = "overview/overview.html")]
pub struct Overview {
    pub frame: Frame,
    /// Name, address, present.
    pub jobs: Vec<(String, String, bool)>,
    /// `None` in a new store.
    pub run: Option<Run>,
    /// Number, text, address.
    pub inbox: Vec<(u64, String, String)>,
    /// Warnings about the run, with remedies.
    pub first: Vec<(String, String)>,
    /// First steps of an administrator: text, address, done.
    pub steps: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub job: String,
    pub date: String,
    /// Start and duration.
    pub ran: String,
    /// Text and CSS class.
    pub status: (String, &'static str),
    pub systems: (String, String),
    /// A summary in one sentence.
    pub gist: String,
    pub figures: Vec<Figure>,
    pub records: Whole,
    /// Differences by status.
    pub differences: Whole,
    /// Name, A, B.
    pub books: Vec<(String, String, String)>,
    /// Field and currency, A's total, B's total, B − A; empty if there is none, or it is masked.
    pub money: Vec<[String; 4]>,
    /// The address of the reconciliation statement.
    pub statement: String,
    /// Differences by kind of reason.
    pub causes: Whole,
    /// Passed and blocked records.
    pub gate: Option<(u64, u64)>,
    pub reasons: Vec<Reason>,
    /// Name, number, bar, address.
    pub ages: Vec<(String, u64, Bar, String)>,
    /// The address of the job's breaks.
    pub breaks_href: String,
    /// Breaks by their age: name, number, bar.
    pub ageing: Vec<(&'static str, u64, Bar)>,
    pub runs: Vec<PastRun>,
}

/// A figure with its history over the runs.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: &'static str,
    pub meaning: &'static str,
    pub value: String,
    /// The change since the previous run; empty without one.
    pub change: String,
    /// `better`, `worse` or empty.
    pub class: &'static str,
    pub href: String,
    pub spark: Spark,
}

#[derive(Clone, Debug)]
pub struct Whole {
    pub total: u64,
    pub stack: Stack,
    pub parts: Vec<(String, u64, String, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Reason {
    pub code: String,
    pub description: String,
    pub functional: bool,
    pub count: u64,
    pub bar: Bar,
    pub href: String,
}

#[derive(Clone, Debug)]
pub struct PastRun {
    pub job: String,
    pub date: String,
    pub href: String,
    /// Text and CSS class.
    pub status: (String, &'static str),
    pub records: u64,
    pub breaks: u64,
    pub breaks_href: String,
    /// Straight-through processing.
    pub stp: Bar,
    pub unknown: Bar,
    pub present: bool,
}

impl Run {
    fn wholes(&self) -> [(&'static str, &Whole); 2] {
        [("Records", &self.records), ("Differences", &self.differences)]
    }
}

pub struct Data<'a> {
    /// Newest first.
    pub runs: &'a [RunFigures],
    pub shown: &'a str,
    pub jobs: &'a [String],
    pub inbox: &'a review::Summary,
    /// Undecided differences: in time, nearly due, overdue.
    pub ages: [u64; 3],
    /// Breaks of 0 to 1, 2 to 5, 6 to 30, 31 to 90 and more days.
    pub ageing: [u64; 5],
    /// Warnings about the run, with remedies.
    pub first: &'a [(String, String)],
    /// First steps of an administrator: text, address, done.
    pub steps: &'a [(String, String, bool)],
    /// The user may see the amounts of the run shown.
    pub sees_money: bool,
    pub now: Instant,
}

#[derive(Clone, Debug)]
pub struct RunFigures {
    pub started: Instant,
    pub summary: Summary,
    /// Differences by status, by whom, functional or not.
    pub standing: Standing,
}

/// Differences of a run by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Accepted automatically with a functional reason.
    pub machine_functional: u64,
    /// Accepted automatically as an error.
    pub machine_error: u64,
    pub people: u64,
    pub rejected: u64,
    pub pending: u64,
    pub unknown: u64,
}

impl Overview {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let shown = answers.runs.iter().find(|run| run.summary.run_id == answers.shown);
        let present = shown.map(|run| run.summary.job.as_str());
        let mut inbox = Vec::new();
        let mut add = |number: u64, one: &str, many: &str, href: &str| {
            if number > 0 {
                let what = if number == 1 { one } else { many };
                inbox.push((number, what.to_owned(), href.to_owned()));
            }
        };
        let waits = answers.inbox;
        // Users who cannot decide see no waiting work.
        let undecided = |number: u64| if frame.work { number } else { 0 };
        add(
            waits.to_check,
            "proposal to check",
            "proposals to check",
            "/review/check?list=to_check",
        );
        add(
            waits.to_authorize,
            "proposal to authorize",
            "proposals to authorize",
            "/review/check?list=to_authorize",
        );
        add(
            undecided(waits.sent_back),
            "difference sent back",
            "differences sent back",
            "/review/queue?back=yes&view=items",
        );
        add(
            undecided(waits.overdue),
            "difference overdue",
            "differences overdue",
            "/review/queue?sla=overdue",
        );
        add(
            waits.assigned_to_me,
            "difference of mine",
            "differences of mine",
            "/review/queue?assignee=me&view=items",
        );
        Self {
            frame,
            jobs: answers
                .jobs
                .iter()
                .map(|job| {
                    let href = with_query("/review", [("job", job.as_str())]);
                    (job.clone(), href, present == Some(job.as_str()))
                })
                .collect(),
            run: shown.map(|run| Run::new(run, answers)),
            inbox,
            first: answers.first.to_vec(),
            steps: answers.steps.to_vec(),
        }
    }
}

/// The address of these differences of a run.
fn differences(run: &Summary, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![("run", run.run_id.as_str()), ("view", "items")];
    pairs.extend_from_slice(more);
    with_query("/review/queue", pairs)
}

fn page(run: &Summary) -> String {
    with_query("/review", [("run", run.run_id.as_str())])
}

impl Run {
    fn new(run: &RunFigures, answers: &Data<'_>) -> Self {
        let summary = &run.summary;
        let records = &summary.records;
        let age = u64::try_from(answers.now.seconds() - run.started.seconds()).unwrap_or_default();
        let ran = match labels::age(age).as_str() {
            "now" => "just now".to_owned(),
            age => format!("{age} ago"),
        };
        let took = format!("{ran}, in {:.1} s", summary.seconds.total);
        let mut course: Vec<&RunFigures> = answers
            .runs
            .iter()
            .filter(|one| one.summary.job == summary.job && one.started <= run.started)
            .collect();
        course.reverse();
        let all = differences(summary, &[("status", "ALL")]);
        let unknown = differences(summary, &[]);
        let figures = vec![
            figure(
                &course,
                "Differences",
                "Fields that differ, and records that are missing on one side",
                all.clone(),
                Better::Lower,
                &|one| one.summary.differences.total as f64,
                &|value| labels::count(&(value as u64)),
            ),
            figure(
                &course,
                "STP rate",
                "Differences accepted automatically with a functional reason",
                differences(
                    summary,
                    &[("status", "ACCEPTED"), ("functional", "yes"), ("by", "machine")],
                ),
                Better::Higher,
                &|one| one.summary.attributions.stp_rate,
                &labels::percent,
            ),
            figure(
                &course,
                "Unknown rate",
                "Differences without a known cause",
                differences(summary, &[("status", "ALL"), ("as", UNKNOWN)]),
                Better::Lower,
                &|one| one.summary.attributions.unknown_rate,
                &labels::percent,
            ),
            figure(
                &course,
                "To decide",
                "Differences that await a decision",
                unknown.clone(),
                Better::Lower,
                &|one| one.standing.unknown as f64,
                &|value| labels::count(&(value as u64)),
            ),
        ];
        Self {
            job: summary.job.clone(),
            date: summary.batch_date.clone(),
            ran: took,
            status: run_status(summary),
            systems: (summary.sources.a.system.clone(), summary.sources.b.system.clone()),
            gist: gist(run),
            figures,
            records: whole_records(summary, &all),
            differences: whole_differences(run),
            books: books(records),
            money: if answers.sees_money { money(summary) } else { Vec::new() },
            statement: with_query("/review/statement", [("run", summary.run_id.as_str())]),
            causes: whole_causes(summary),
            gate: summary.gate.as_ref().map(|gate| (gate.passed, gate.blocked)),
            reasons: reasons(summary),
            ages: ages(summary, answers.ages),
            breaks_href: with_query("/review/breaks", [("job", summary.job.as_str())]),
            ageing: ageing(answers.ageing),
            runs: answers.runs.iter().map(|one| past(one, answers.shown)).collect(),
        }
    }
}

fn run_status(summary: &Summary) -> (String, &'static str) {
    match summary.status {
        "COMPLETED" => ("Completed".to_owned(), "settled"),
        "COMPLETED_WITH_ERRORS" => ("Completed with rejected rows".to_owned(), "open"),
        "FAILED" => ("Failed".to_owned(), "failed"),
        other => (labels::sentence(other), "pending"),
    }
}

fn gist(run: &RunFigures) -> String {
    let (summary, standing) = (&run.summary, &run.standing);
    let total = summary.records.total();
    if summary.records.breaks == 0 {
        return format!("All {} records agree.", labels::count(&total));
    }
    let breaks = format!(
        "{} of {} records disagree.",
        labels::count(&summary.records.breaks),
        labels::count(&total)
    );
    let waiting = match standing.unknown + standing.pending {
        0 => "Every difference is settled.".to_owned(),
        1 => "One difference is not settled yet.".to_owned(),
        many => format!("{} differences are not settled yet.", labels::count(&many)),
    };
    format!("{breaks} {waiting}")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
}

fn figure(
    course: &[&RunFigures],
    name: &'static str,
    meaning: &'static str,
    href: String,
    better: Better,
    of: &dyn Fn(&RunFigures) -> f64,
    shown: &dyn Fn(f64) -> String,
) -> Figure {
    let values: Vec<f64> = course.iter().map(|run| of(run)).collect();
    let now = values.last().copied().unwrap_or_default();
    let before = values.len().checked_sub(2).and_then(|at| values.get(at)).copied();
    let (change, class) = match before.map(|before| (before, now - before)) {
        Some((before, change)) if shown(now) != shown(before) => {
            let good = (change > 0.0) == (better == Better::Higher);
            let arrow = if change > 0.0 { "↑" } else { "↓" };
            (format!("{arrow} from {}", shown(before)), if good { "better" } else { "worse" })
        }
        Some((_, change)) if change != 0.0 => ("nearly as before".to_owned(), ""),
        Some(_) => ("as before".to_owned(), ""),
        None => (String::new(), ""),
    };
    let points: Vec<(f64, String, String)> = course
        .iter()
        .zip(&values)
        .map(|(run, value)| {
            let title = format!("{}: {}", run.summary.batch_date, shown(*value));
            (*value, page(&run.summary), title)
        })
        .collect();
    Figure { name, meaning, value: shown(now), change, class, href, spark: Spark::new(&points) }
}

fn whole(parts: Vec<(&str, u64, String, &'static str)>) -> Whole {
    Whole {
        total: parts.iter().map(|(_, number, ..)| number).sum(),
        stack: Stack::new(&parts.iter().map(|part| (part.1, part.3)).collect::<Vec<_>>()),
        parts: parts
            .into_iter()
            .map(|(name, number, href, class)| (name.to_owned(), number, href, class))
            .collect(),
    }
}

fn whole_records(summary: &Summary, all: &str) -> Whole {
    let records = &summary.records;
    let (a, b) = (&summary.sources.a.system, &summary.sources.b.system);
    let names = [
        format!("Missing in {a}"),
        format!("Missing in {b}"),
        format!("Surplus in {a}"),
        format!("Surplus in {b}"),
    ];
    let [missing_a, missing_b, surplus_a, surplus_b] = names.each_ref().map(String::as_str);
    let missing = records.missing_in_a + records.missing_in_b;
    let surplus = records.duplicates_a + records.duplicates_b;
    let of = |diff_type: &str| format!("{all}&type={diff_type}");
    let mut parts = vec![
        ("Equal", records.matched - records.within_tolerance, String::new(), "s3"),
        ("Equal within tolerance", records.within_tolerance, String::new(), "s2"),
        (
            "Paired, but different",
            records.breaks.saturating_sub(missing + surplus),
            // No filter leaves out the records without a partner.
            if missing + surplus == 0 { all.to_owned() } else { String::new() },
            "s1",
        ),
        (missing_a, records.missing_in_a, of("MISSING_IN_SOURCE_A"), "s4"),
        (missing_b, records.missing_in_b, of("MISSING_IN_SOURCE_B"), "s4"),
    ];
    for (name, number, diff_type) in [
        (surplus_a, records.duplicates_a, "DUPLICATE_IN_SOURCE_A"),
        (surplus_b, records.duplicates_b, "DUPLICATE_IN_SOURCE_B"),
    ] {
        if number > 0 {
            parts.push((name, number, of(diff_type), "s5"));
        }
    }
    whole(parts)
}

fn whole_differences(run: &RunFigures) -> Whole {
    let (summary, standing) = (&run.summary, &run.standing);
    let status = |name: &str| differences(summary, &[("status", name)]);
    let settled = |more: &[(&str, &str)]| {
        let mut pairs = vec![("status", "ACCEPTED")];
        pairs.extend_from_slice(more);
        differences(summary, &pairs)
    };
    whole(vec![
        (
            "Accepted automatically, functional",
            standing.machine_functional,
            settled(&[("functional", "yes"), ("by", "machine")]),
            "s3",
        ),
        (
            "Accepted automatically, errors",
            standing.machine_error,
            settled(&[("functional", "no"), ("by", "machine")]),
            "s2",
        ),
        ("Settled by people", standing.people, settled(&[("by", "people")]), "s1"),
        ("Confirmed breaks", standing.rejected, status("REJECTED"), "s5"),
        ("Proposed", standing.pending, status("PENDING"), "s6"),
        ("To decide", standing.unknown, status("UNKNOWN"), "s4"),
    ])
}

fn whole_causes(summary: &Summary) -> Whole {
    let of = |functional: bool| {
        let reasons = &summary.attributions.reasons;
        reasons.iter().filter(|one| one.functional == functional).map(|one| one.count).sum()
    };
    let href = |word: &str| differences(summary, &[("status", "ALL"), ("functional", word)]);
    whole(vec![
        ("Functional: business explains it", of(true), href("yes"), "s2"),
        ("Not functional: an error, or unknown", of(false), href("no"), "s4"),
    ])
}

fn books(records: &report::Records) -> Vec<(String, String, String)> {
    let line = |name: &str, a: u64, b: u64| (name.to_owned(), labels::count(&a), labels::count(&b));
    let mut lines = vec![line("Paired", records.aligned, records.aligned)];
    if let (Some(a), Some(b)) = (records.grouped_a, records.grouped_b) {
        lines.push(line("In groups", a, b));
    }
    lines.push(line("Unmatched", records.missing_in_b, records.missing_in_a));
    for (name, a, b) in [
        ("Surplus", records.duplicates_a, records.duplicates_b),
        ("Rejected", records.rejected_a, records.rejected_b),
        ("Left out by a filter", records.filtered_a, records.filtered_b),
    ] {
        if a + b > 0 {
            lines.push(line(name, a, b));
        }
    }
    let all = if records.carried_a.is_some() { "Rows read and taken over" } else { "Rows read" };
    lines.push(line(all, records.a, records.b));
    lines
}

fn money(summary: &Summary) -> Vec<[String; 4]> {
    summary
        .money
        .iter()
        .map(|one| {
            let mut gap = one.b;
            gap.minus(&one.a);
            let shown = |sum: &Sum| labels::amount(&sum.at_scale(gap.scale()).to_string());
            [title(&one.field, one.currency.as_deref()), shown(&one.a), shown(&one.b), shown(&gap)]
        })
        .collect()
}

fn reasons(summary: &Summary) -> Vec<Reason> {
    let total = summary.differences.total.max(1) as f64;
    summary
        .attributions
        .reasons
        .iter()
        .map(|reason| Reason {
            code: reason.code.clone(),
            description: String::new(),
            functional: reason.functional,
            count: reason.count,
            bar: Bar::share(reason.count as f64 / total),
            href: differences(summary, &[("status", "ALL"), ("as", reason.code.as_str())]),
        })
        .collect()
}

fn ages(summary: &Summary, ages: [u64; 3]) -> Vec<(String, u64, Bar, String)> {
    let total = ages.iter().sum::<u64>();
    if total == 0 {
        return Vec::new();
    }
    [("In time", "ok"), ("Nearly due", "due"), ("Overdue", "overdue")]
        .into_iter()
        .zip(ages)
        .map(|((name, sla), number)| {
            let share = Bar::share(number as f64 / total as f64);
            (name.to_owned(), number, share, differences(summary, &[("sla", sla)]))
        })
        .collect()
}

fn ageing(numbers: [u64; 5]) -> Vec<(&'static str, u64, Bar)> {
    let total = numbers.iter().sum::<u64>();
    if total == 0 {
        return Vec::new();
    }
    ["0–1 days", "2–5 days", "6–30 days", "31–90 days", "over 90 days"]
        .into_iter()
        .zip(numbers)
        .map(|(name, number)| (name, number, Bar::share(number as f64 / total as f64)))
        .collect()
}

fn past(run: &RunFigures, shown: &str) -> PastRun {
    let summary = &run.summary;
    PastRun {
        job: summary.job.clone(),
        date: summary.batch_date.clone(),
        href: page(summary),
        status: run_status(summary),
        records: summary.records.total(),
        breaks: summary.records.breaks,
        breaks_href: differences(summary, &[("status", "ALL")]),
        stp: Bar::share(summary.attributions.stp_rate),
        unknown: Bar::share(summary.attributions.unknown_rate),
        present: summary.run_id == shown,
    }
}
