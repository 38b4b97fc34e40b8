//! Checks the scripts: that they exist and compile, and that script and configuration name each other's functions and
//! codes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Checker, below};
use crate::config::spec::Spec;
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Place, Problem, nearest};
use crate::domain::attribution::UNKNOWN;
use crate::domain::{PerSide, Side};
use crate::script::{FunctionInfo, ScriptOutline, ScriptSource};

/// The scripts of a job, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    job: Normalizing,
    /// Each source's own script, which takes precedence over the job's.
    sources: PerSide<Normalizing>,
    pub(super) attribute: Vec<ScriptSource>,
}

/// A script that normalizes.
#[derive(Debug, Default)]
struct Normalizing {
    source: Option<ScriptSource>,
    /// Its declarations; `None` without a script.
    outline: Option<ScriptOutline>,
    /// It is written but can't be read, so its declarations are unknown.
    broken: bool,
}

impl Scripts {
    /// The scripts of a side, in the order in which a function is looked for.
    fn of(&self, side: Side) -> [&Normalizing; 2] {
        [&self.sources[side], &self.job]
    }

    /// True if a script of the side has this function, or is unreadable.
    pub(super) fn has(&self, side: Side, name: &str, arity: usize) -> bool {
        self.of(side).iter().any(|script| script.broken) || self.declares(side, name, arity)
    }

    fn declares(&self, side: Side, name: &str, arity: usize) -> bool {
        self.outlines(side).any(|outline| outline.function(name, arity).is_some())
    }

    fn outlines(&self, side: Side) -> impl Iterator<Item = &ScriptOutline> {
        self.of(side).into_iter().filter_map(|script| script.outline.as_ref())
    }

    /// The function with this number of parameters whose name is most like `name`.
    pub(super) fn nearest(&self, side: Side, name: &str, arity: usize) -> Option<&str> {
        let functions = self.outlines(side).flat_map(|outline| &outline.functions);
        let callable = functions.filter(|function| function.arity == arity && !function.private);
        nearest(name, callable.map(|function| function.name.as_str()))
    }

    /// How many values a function of this name takes, if there is one at all.
    pub(super) fn arity(&self, side: Side, name: &str) -> Option<usize> {
        let mut functions = self.outlines(side).flat_map(|outline| &outline.functions);
        functions.find(|function| function.name == name).map(|function| function.arity)
    }

    pub(super) fn sets_fields(&self, side: Side) -> bool {
        self.declares(side, "row", 2)
    }

    /// True if a script of the side has `fn row`, or is unreadable.
    pub(super) fn may_set_fields(&self, side: Side) -> bool {
        self.has(side, "row", 2)
    }

    pub(super) fn job(&self) -> Option<&ScriptSource> {
        self.job.source.as_ref()
    }

    pub(super) fn source(&self, side: Side) -> Option<&ScriptSource> {
        self.sources[side].source.as_ref()
    }
}

impl Checker<'_> {
    /// Reads the scripts.
    pub(super) fn load_scripts(&mut self) {
        let spec: &Spec = self.spec;
        let fields = spec.fields.iter().flat_map(|fields| fields.iter());
        let calendars = fields.filter_map(|(name, field)| {
            let calendar = field.tolerance.as_ref()?.calendar(&self.base)?;
            Some((name.to_owned(), calendar))
        });
        self.calendars = Arc::new(calendars.collect());
        let job = spec.rules.as_ref().and_then(|rules| rules.normalize.as_deref());
        self.scripts.job = self.normalizing(&path(["rules", "normalize"]), job);
        for side in Side::BOTH {
            let source = spec.sources.as_ref().and_then(|sources| match side {
                Side::A => sources.a.as_ref(),
                Side::B => sources.b.as_ref(),
            });
            let file = source.and_then(|source| source.script.as_deref());
            let at = path(["sources", side.letter(), "script"]);
            self.scripts.sources[side] = self.normalizing(&at, file);
        }
        let Some(rules) = &spec.rules else { return };
        let at = path(["rules", "attribute"]);
        let mut files: Vec<&str> = Vec::new();
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for (index, file) in rules.attribute.iter().flat_map(|files| &files.0).enumerate() {
            let here = below(&at, index);
            if files.contains(&file.as_str()) {
                let problem = Problem::new(Code::DuplicateScript, "this script is given twice");
                self.complain(&here, problem);
                continue;
            }
            files.push(file);
            let Some((source, outline)) = self.load_script(&here, file) else { continue };
            self.rule_functions(&here, file, &outline);
            self.rule_names(file, &outline, &mut names);
            self.reason_literals(&outline);
            self.scripts.attribute.push(source);
        }
    }

    fn normalizing(&mut self, at: &[PathStep], file: Option<&str>) -> Normalizing {
        let Some(file) = file else {
            return Normalizing { broken: self.document.has(at), ..Normalizing::default() };
        };
        match self.load_script(at, file) {
            Some((source, outline)) => {
                Normalizing { source: Some(source), outline: Some(outline), broken: false }
            }
            None => Normalizing { broken: true, ..Normalizing::default() },
        }
    }

    fn load_script(
        &mut self,
        at: &[PathStep],
        file: &str,
    ) -> Option<(ScriptSource, ScriptOutline)> {
        let source = match ScriptSource::load(self.base.join(file)) {
            Ok(source) => {
                source.for_date(self.batch_date).with_calendars(Arc::clone(&self.calendars))
            }
            Err(problem) => {
                // The mistake is here, not in a file that does not exist.
                self.complain(at, Problem { place: None, ..problem });
                return None;
            }
        };
        match source.check() {
            Ok(outline) => {
                self.findings.extend(outline.findings.iter().cloned());
                Some((source, outline))
            }
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.complain(at, problem));
                None
            }
        }
    }

    /// Reports and statistics know a rule by its name.
    fn rule_names<'f>(
        &mut self,
        file: &'f str,
        outline: &ScriptOutline,
        names: &mut BTreeMap<String, &'f str>,
    ) {
        for function in outline.functions.iter().filter(|function| is_rule(function)) {
            let Some(other) = names.insert(function.name.clone(), file) else { continue };
            let message = format!(
                "`{}` is also the name of a rule in {other}; results could not show which one decided",
                function.name
            );
            let place = Place {
                file: self.base.join(file),
                line: function.line,
                column: function.column,
                text: function.name.clone(),
            };
            self.problems
                .push(Problem::new(Code::RuleNameTwice, message).at(place).help("rename one"));
        }
    }

    /// A script without a rule is probably a script whose rules have other names.
    fn rule_functions(&mut self, at: &[PathStep], file: &str, outline: &ScriptOutline) {
        let source = self.base.join(file);
        let wrong = outline.functions.iter().filter(|function| {
            function.name.starts_with("attribute") && function.arity != 1 && !function.private
        });
        let mut complaints = Vec::new();
        for function in wrong {
            let message = format!(
                "the rule `{}` takes {} values; a rule takes one, the difference",
                function.name, function.arity
            );
            let place = Place {
                file: source.clone(),
                line: function.line,
                column: function.column,
                text: function.name.clone(),
            };
            let help = format!(
                "write `fn {0}(d)`, or `private fn {0}` if it is a helper of other rules",
                function.name
            );
            complaints.push(Problem::new(Code::RuleArity, message).at(place).help(help));
        }
        let has_wrong = !complaints.is_empty();
        self.problems.extend(complaints);
        if !has_wrong && !outline.functions.iter().any(is_rule) {
            let message = format!("{file} has no function `attribute…(d)`, so it has no rules");
            self.complain(at, Problem::new(Code::NoRules, message));
        }
    }

    /// Every `reason("CODE", …)` must name a declared code.
    fn reason_literals(&mut self, outline: &ScriptOutline) {
        let at = path(["reason_codes"]);
        let declared: Vec<&str> = self.document.keys(&at).chain([UNKNOWN]).collect();
        for (code, place) in &outline.reasons {
            if declared.contains(&code.as_str()) {
                continue;
            }
            let message = format!("the reason code `{code}` is not in `reason_codes`");
            let problem = Problem::new(Code::UndeclaredReason, message).at(place.clone());
            let help = match nearest(code, declared.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add `{code}: {{ functional: …, description: … }}`"),
            };
            self.findings.push(problem.help(help));
        }
    }

    /// The function that filters a source.
    pub(super) fn filter(&mut self, at: &[PathStep], side: Side, name: &str) {
        if self.scripts.has(side, name, 1) {
            return;
        }
        let problem = match self.scripts.outlines(side).next() {
            None => {
                let message = format!("the filter `{name}` is a function, but there is no script");
                Problem::new(Code::UnknownFunction, message)
                    .help("name the script: `rules: { normalize: rules/normalize.rhai }`")
            }
            Some(_) if self.scripts.arity(side, name).is_some() => {
                let arity = self.scripts.arity(side, name).unwrap_or_default();
                let message = format!(
                    "the filter `{name}` takes {arity} values; a filter takes one, the row"
                );
                Problem::new(Code::UnknownFunction, message).help(format!("write `fn {name}(raw)`"))
            }
            Some(_) => {
                let message = format!("the script has no function `{name}(raw)`");
                let problem = Problem::new(Code::UnknownFunction, message);
                match self.scripts.nearest(side, name, 1) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem.help(format!("add `fn {name}(raw) {{ … }}` to it")),
                }
            }
        };
        self.complain(at, problem);
    }
}

fn is_rule(function: &FunctionInfo) -> bool {
    function.name.starts_with("attribute") && function.arity == 1 && !function.private
}
