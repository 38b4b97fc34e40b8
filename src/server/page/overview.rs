//! The start page: where the runs stand, in counts that add up, each a link to what it counts.

use askama::Template;

use crate::domain::Instant;
use crate::domain::attribution::UNKNOWN;
use crate::report::{self, Summary};
use crate::review;

use super::address::with_query;
use super::fragment::{Bar, Spark, Stack};
use super::frame::Frame;
use super::labels;

/// The start page.
#[derive(Template)]
#[template(path = "overview.html")]
pub struct Overview {
    /// The frame.
    pub frame: Frame,
    /// The jobs there are: name, address, present.
    pub jobs: Vec<(String, String, bool)>,
    /// The run shown; none yet on a new store.
    pub run: Option<Run>,
    /// What waits for this person: number, what, address.
    pub inbox: Vec<(u64, String, String)>,
    /// What to read before any figure: sentences and what to do.
    pub first: Vec<(String, String)>,
}

/// A run in figures.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its job.
    pub job: String,
    /// Its business date.
    pub date: String,
    /// When it ran and how long it took.
    pub ran: String,
    /// How it ended, and the class of its mark.
    pub status: (String, &'static str),
    /// The two systems.
    pub systems: (String, String),
    /// One sentence with the gist.
    pub gist: String,
    /// Key figures.
    pub figures: Vec<Figure>,
    /// Records: parts of the whole.
    pub records: Whole,
    /// Differences by where they stand.
    pub differences: Whole,
    /// Rows of each side, and where they went: name, A, B.
    pub books: Vec<(String, String, String)>,
    /// Differences by what their reason is, functional or not.
    pub causes: Whole,
    /// Records that passed the gate and that it blocked.
    pub gate: Option<(u64, u64)>,
    /// Reasons, most frequent first.
    pub reasons: Vec<Reason>,
    /// Ages of what is unknown: name, number, bar, address.
    pub ages: Vec<(String, u64, Bar, String)>,
    /// Earlier runs, newest first.
    pub runs: Vec<PastRun>,
}

/// A figure with its course over the runs.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// What the word means.
    pub meaning: &'static str,
    /// Its value.
    pub value: String,
    /// The change against the run before; empty without one.
    pub change: String,
    /// Whether that is good: `better`, `worse` or empty.
    pub class: &'static str,
    /// What it counts.
    pub href: String,
    /// Its course.
    pub spark: Spark,
}

/// A whole and its parts.
#[derive(Clone, Debug)]
pub struct Whole {
    /// How many in all.
    pub total: u64,
    /// The bar.
    pub stack: Stack,
    /// Name, number, address, class.
    pub parts: Vec<(String, u64, String, &'static str)>,
}

/// A reason and how often it was given.
#[derive(Clone, Debug)]
pub struct Reason {
    /// The code.
    pub code: String,
    /// What it means.
    pub description: String,
    /// Whether business explains it.
    pub functional: bool,
    /// How often.
    pub count: u64,
    /// Its share.
    pub bar: Bar,
    /// Those it counts.
    pub href: String,
}

/// An earlier run.
#[derive(Clone, Debug)]
pub struct PastRun {
    /// Its job.
    pub job: String,
    /// Its business date.
    pub date: String,
    /// Its page.
    pub href: String,
    /// How it ended, and the class of its mark.
    pub status: (String, &'static str),
    /// Records.
    pub records: u64,
    /// Breaks.
    pub breaks: u64,
    /// Its differences.
    pub breaks_href: String,
    /// Settled by the machine alone.
    pub stp: Bar,
    /// Without a cause.
    pub unknown: Bar,
    /// Whether it is the one shown.
    pub present: bool,
}

impl Run {
    /// The wholes and what they are of.
    fn wholes(&self) -> [(&'static str, &Whole); 2] {
        [("Records", &self.records), ("Differences", &self.differences)]
    }
}

/// What the services say.
pub struct Answers<'a> {
    /// Runs with their figures, newest first; the first is not always the one shown.
    pub runs: &'a [RunFigures],
    /// The id of the one shown.
    pub shown: &'a str,
    /// Every job.
    pub jobs: &'a [String],
    /// Counts of the review.
    pub inbox: &'a review::Summary,
    /// Unknown differences of the run by time left: in time, nearly due, overdue.
    pub ages: [u64; 3],
    /// What to read before any figure of the run: sentences and what to do.
    pub first: &'a [(String, String)],
    /// The time.
    pub now: Instant,
}

/// A run and its figures.
#[derive(Clone, Debug)]
pub struct RunFigures {
    /// When it began.
    pub started: Instant,
    /// The figures.
    pub summary: Summary,
    /// How often differences stand where: status, by the machine, functional, number.
    pub standing: Standing,
}

/// Where the differences of a run stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Accepted by the machine, with a functional reason.
    pub machine_functional: u64,
    /// Accepted by the machine, with an error to mend.
    pub machine_error: u64,
    /// Accepted by people.
    pub people: u64,
    /// Confirmed breaks.
    pub rejected: u64,
    /// People are deciding.
    pub pending: u64,
    /// Nobody is sure.
    pub unknown: u64,
}

impl Overview {
    /// The start page as the services see it.
    pub fn new(frame: Frame, answers: &Answers<'_>) -> Self {
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
            waits.sent_back,
            "difference sent back",
            "differences sent back",
            "/review/queue?back=yes&view=items",
        );
        add(
            waits.overdue,
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
        }
    }
}

/// The differences of a run that are so.
fn differences(run: &Summary, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![("run", run.run_id.as_str()), ("view", "items")];
    pairs.extend_from_slice(more);
    with_query("/review/queue", pairs)
}

/// The run's page.
fn page(run: &Summary) -> String {
    with_query("/review", [("run", run.run_id.as_str())])
}

impl Run {
    fn new(run: &RunFigures, answers: &Answers<'_>) -> Self {
        let summary = &run.summary;
        let records = &summary.records;
        let age = u64::try_from(answers.now.seconds() - run.started.seconds()).unwrap_or_default();
        let ran = match labels::age(age).as_str() {
            "now" => "just now".to_owned(),
            age => format!("{age} ago"),
        };
        let took = format!("{ran}, in {:.1} s", summary.seconds.total);
        // Oldest first, up to the run shown.
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
                "Fields on which the sides disagree, and records that one of them lacks",
                all.clone(),
                Better::Lower,
                &|one| one.summary.differences.total as f64,
                &|value| labels::count(&(value as u64)),
            ),
            figure(
                &course,
                "STP rate",
                "Differences that the machine alone settled with a functional reason",
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
                "Waiting",
                "Differences that wait for a person",
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
            records: whole_records(records, &all),
            differences: whole_differences(run),
            books: books(records),
            causes: whole_causes(summary),
            gate: summary.gate.as_ref().map(|gate| (gate.passed, gate.blocked)),
            reasons: reasons(summary),
            ages: ages(summary, answers.ages),
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

fn whole_records(records: &report::Records, all: &str) -> Whole {
    let missing = records.missing_in_a + records.missing_in_b;
    let surplus = records.duplicates_a + records.duplicates_b;
    let of = |diff_type: &str| format!("{all}&type={diff_type}");
    let mut parts = vec![
        ("Equal", records.matched - records.within_tolerance, String::new(), "s3"),
        ("Equal within tolerance", records.within_tolerance, String::new(), "s2"),
        (
            "Paired, but different",
            records.breaks.saturating_sub(missing + surplus),
            all.to_owned(),
            "s1",
        ),
        ("Missing in A", records.missing_in_a, of("MISSING_IN_SOURCE_A"), "s4"),
        ("Missing in B", records.missing_in_b, of("MISSING_IN_SOURCE_B"), "s4"),
    ];
    for (name, number, diff_type) in [
        ("Surplus in A", records.duplicates_a, "DUPLICATE_IN_SOURCE_A"),
        ("Surplus in B", records.duplicates_b, "DUPLICATE_IN_SOURCE_B"),
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
            "Settled by the machine, functional",
            standing.machine_functional,
            settled(&[("functional", "yes"), ("by", "machine")]),
            "s3",
        ),
        (
            "Settled by the machine, errors",
            standing.machine_error,
            settled(&[("functional", "no"), ("by", "machine")]),
            "s2",
        ),
        ("Settled by people", standing.people, settled(&[("by", "people")]), "s1"),
        ("Confirmed breaks", standing.rejected, status("REJECTED"), "s5"),
        ("People are deciding", standing.pending, status("PENDING"), "s6"),
        ("Unknown", standing.unknown, status("UNKNOWN"), "s4"),
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
    let mut lines = vec![
        line("Paired", records.aligned, records.aligned),
        line("Without a partner", records.missing_in_b, records.missing_in_a),
    ];
    for (name, a, b) in [
        ("Surplus", records.duplicates_a, records.duplicates_b),
        ("Rejected", records.rejected_a, records.rejected_b),
        ("Left out by a filter", records.filtered_a, records.filtered_b),
    ] {
        if a + b > 0 {
            lines.push(line(name, a, b));
        }
    }
    lines.push(line("Rows read", records.a, records.b));
    lines
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
