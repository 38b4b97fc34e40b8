//! From the written configuration to its meaning: every check that needs more than one setting.
//!
//! A check reports a problem and continues. Unreadable parts have been reported and are missing in the spec; ask the
//! document whether a part *is written*, so that one mistake is not reported twice.

mod attribution;
mod fields;
mod headers;
mod matching;
mod money;
mod open_items;
mod options;
mod readings;
mod review;
mod scripts;
mod server;
mod sources;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use headers::{Columns, check_headers};

use self::scripts::Scripts;
use super::DEFAULT_STORE;
use super::resolved::Resolved;
use super::spec::Spec;
use super::tree::{Document, path};
use crate::database::StoreUrl;
use crate::diagnostic::{Code, PathStep, Problem, SpecProblem, nearest};
use crate::domain::calendar::Calendar;
use crate::domain::{Date, FieldRef};

pub struct Checked {
    /// The resolved configuration, unless too much is wrong.
    pub resolved: Option<Resolved>,
    pub problems: Vec<Problem>,
    /// Mistakes in scripts that matter only if a row reaches them. They do not prevent a run:
    /// reaching one is a script error.
    pub findings: Vec<Problem>,
}

/// Checks everything that needs no source and no store.
pub fn check(document: &Document, spec: &Spec, batch_date: Date) -> Checked {
    let base = document.file.parent().map_or_else(PathBuf::new, PathBuf::from);
    let scripts = Scripts::default();
    let (problems, findings) = (Vec::new(), Vec::new());
    let calendars = Arc::default();
    let mut checker =
        Checker { document, spec, batch_date, base, scripts, calendars, problems, findings };
    let resolved = checker.resolve();
    Checked { resolved, problems: checker.problems, findings: checker.findings }
}

/// The checks' common ground.
struct Checker<'a> {
    document: &'a Document,
    spec: &'a Spec,
    batch_date: Date,
    /// The folder that relative paths start from.
    base: PathBuf,
    scripts: Scripts,
    /// The calendars that scripts may name, by field.
    calendars: Arc<BTreeMap<String, Calendar>>,
    problems: Vec<Problem>,
    findings: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn resolve(&mut self) -> Option<Resolved> {
        self.version();
        let job = self.job();
        let store = self.store();
        self.load_scripts();
        let fields = self.fields();
        let sources = self.sources(fields.as_ref());
        let matching = self.matching(fields.as_ref().map(|(layout, _)| layout));
        let open_items = self.open_items();
        let reason_codes = self.reason_codes();
        let attribution = self.attribution();
        let options = self.options();
        let review = self.review();
        let carried = self.spec.review.as_ref().and_then(|review| review.carry_across_dates);
        let carry_across_dates = carried.is_none_or(|written| *written);
        let server = self.server();
        let (layout, fields) = fields?;
        let sources = sources?;
        let money = self.money(&layout, &fields);
        let normalize_script = self.scripts.job().cloned();
        let fingerprint =
            self.document.fingerprint(normalize_script.as_ref(), &sources, open_items);
        Some(Resolved {
            job: job?,
            batch_date: self.batch_date,
            base: self.base.clone(),
            layout,
            fields,
            money,
            sources,
            matching,
            open_items,
            reason_codes,
            attribution,
            options,
            review,
            carry_across_dates,
            server,
            store: store?,
            normalize_script,
            attribute_scripts: self.scripts.attribute.clone(),
            stored: self.document.for_storage(),
            fingerprint,
        })
    }

    /// Complains about the value that `path` leads to.
    fn complain(&mut self, path: &[PathStep], problem: Problem) {
        // Problems of scripts have a place already.
        let problem = match problem.place {
            Some(_) => problem,
            None => problem.at(self.document.place(path)),
        };
        self.problems.push(problem);
    }

    /// Complains about the key that `path` leads to.
    fn complain_of_key(&mut self, path: &[PathStep], problem: Problem) {
        let place = self.document.key_place(path);
        self.problems.push(problem.at(place));
    }

    /// Adopts a stage's problems with the piece at `path`.
    fn adopt(&mut self, path: &[PathStep], problems: Vec<SpecProblem>) {
        for SpecProblem { path: inner, problem } in problems {
            let path: Vec<PathStep> = path.iter().cloned().chain(inner).collect();
            self.complain(&path, problem);
        }
    }

    /// True if a field of this name is written, even if it has other errors, or if `fields` itself is missing or
    /// wrong.
    fn has_field(&self, name: &str) -> bool {
        let at = path(["fields"]);
        let is_map = self.document.find(&at).is_some_and(|node| !node.entries().is_empty());
        !is_map || self.document.keys(&at).any(|field| field == name)
    }

    /// A complaint about a name that `fields` does not have.
    fn unknown_field(&self, name: &str) -> Problem {
        let problem = Problem::new(Code::UnknownField, format!("`{name}` is not in `fields`"));
        if name == FieldRef::ENTIRE_RECORD {
            return problem.help("only fields can be named here; missing records have no field");
        }
        match self.nearest_field(name) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help(format!("add `{name}: {{ type: … }}` to `fields`")),
        }
    }

    fn nearest_field(&self, name: &str) -> Option<&'a str> {
        let document: &'a Document = self.document;
        let fields: &'a super::tree::Node = document.find(&path(["fields"]))?;
        nearest(name, fields.entries().iter().map(|entry| entry.key.as_str()))
    }

    fn store(&mut self) -> Option<StoreUrl> {
        let text = self.spec.store.as_deref().unwrap_or(DEFAULT_STORE);
        let found = StoreUrl::parse(text, &self.base);
        found.map_err(|problem| self.complain(&path(["store"]), problem)).ok()
    }

    fn version(&mut self) {
        let Some(version) = self.spec.version else { return };
        if *version != 1 {
            let message = format!("version {} of the configuration is not known", *version);
            let problem = Problem::new(Code::UnknownVersion, message).help("write `version: 1`");
            self.complain(&path(["version"]), problem);
        }
    }

    fn job(&mut self) -> Option<String> {
        let job = self.spec.job.as_deref()?;
        self.name(&path(["job"]), "the name of the job", job);
        Some(job.to_owned())
    }

    /// Names appear in tables, file names and reports, so they must be readable.
    fn name(&mut self, path: &[PathStep], what: &str, name: &str) {
        const LONGEST: usize = 200;
        let message = if name.trim().is_empty() {
            format!("{what} is empty")
        } else if name.trim() != name {
            format!("{what} has spaces around it")
        } else if name.chars().any(char::is_control) {
            format!("{what} contains a control character")
        } else if name.chars().count() > LONGEST {
            format!("{what} is longer than {LONGEST} characters")
        } else {
            return;
        };
        self.complain(path, Problem::new(Code::BadName, message));
    }
}

fn below(path: &[PathStep], inner: impl Into<PathStep>) -> Vec<PathStep> {
    let mut path = path.to_vec();
    path.push(inner.into());
    path
}
