//! The scripts: they exist, they compile, and what they and the file say of each other is true.

use super::{Checker, below};
use crate::config::tree::path;
use crate::diagnostic::{PathStep, Problem, nearest};
use crate::domain::attribution::UNKNOWN;
use crate::script::{ScriptOutline, ScriptSource};

/// The scripts of a job, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    pub(super) normalize: Option<ScriptSource>,
    pub(super) attribute: Vec<ScriptSource>,
    /// What the normalize script declares; none also when there is no such script.
    outline: Option<ScriptOutline>,
    /// A normalize script is written but can't be read: what it would declare is unknown.
    broken: bool,
}

impl Scripts {
    /// Whether the normalize script has a function of this name and number of parameters; also
    /// when that can't be told.
    pub(super) fn has(&self, name: &str, arity: usize) -> bool {
        self.broken
            || self.outline.as_ref().is_some_and(|outline| outline.function(name, arity).is_some())
    }

    /// The function with this number of parameters whose name is most like `name`.
    pub(super) fn nearest(&self, name: &str, arity: usize) -> Option<&str> {
        let functions = self.outline.iter().flat_map(|outline| &outline.functions);
        let callable = functions.filter(|function| function.arity == arity && !function.private);
        nearest(name, callable.map(|function| function.name.as_str()))
    }

    /// Whether it has the function of a whole row.
    pub(super) fn sets_fields(&self) -> bool {
        self.outline.as_ref().is_some_and(|outline| outline.function("row", 2).is_some())
    }

    /// Whether it has the function of a whole row; also when that can't be told.
    pub(super) fn may_set_fields(&self) -> bool {
        self.has("row", 2)
    }
}

impl Checker<'_> {
    /// Reads the scripts.
    pub(super) fn load_scripts(&mut self) {
        let Some(rules) = &self.spec.rules else {
            self.scripts.broken = self.document.has(&path(["rules", "normalize"]));
            return;
        };
        if let Some(file) = &rules.normalize {
            let loaded = self.load_script(&path(["rules", "normalize"]), file);
            self.scripts.broken = loaded.is_none();
            if let Some((source, outline)) = loaded {
                self.scripts.normalize = Some(source);
                self.scripts.outline = Some(outline);
            }
        }
        let at = path(["rules", "attribute"]);
        let mut files: Vec<&str> = Vec::new();
        for (index, file) in rules.attribute.iter().flat_map(|files| &files.0).enumerate() {
            let here = below(&at, index);
            if files.contains(&file.as_str()) {
                let problem = Problem::usage("duplicate-script", "this script is given twice");
                self.complain(&here, problem);
                continue;
            }
            files.push(file);
            let Some((source, outline)) = self.load_script(&here, file) else { continue };
            self.rule_functions(&here, file, &outline);
            self.reason_literals(&outline);
            self.scripts.attribute.push(source);
        }
    }

    fn load_script(
        &mut self,
        at: &[PathStep],
        file: &str,
    ) -> Option<(ScriptSource, ScriptOutline)> {
        let source = match ScriptSource::load(self.base.join(file)) {
            Ok(source) => source,
            Err(problem) => {
                // The mistake is here, not in a file that does not exist.
                self.complain(at, Problem { place: None, ..problem });
                return None;
            }
        };
        match source.check() {
            Ok(outline) => Some((source, outline)),
            Err(problems) => {
                problems.into_iter().for_each(|problem| self.complain(at, problem));
                None
            }
        }
    }

    /// A script without a rule is probably a script whose rules have other names.
    fn rule_functions(&mut self, at: &[PathStep], file: &str, outline: &ScriptOutline) {
        let is_rule = |function: &&crate::script::FunctionInfo| {
            function.name.starts_with("attribute") && function.arity == 1 && !function.private
        };
        if !outline.functions.iter().any(|function| is_rule(&function)) {
            let message = format!("{file} has no function `attribute…(d)`, so it has no rules");
            self.complain(at, Problem::warning("no-rules", message));
        }
    }

    /// Every `reason("CODE", …)` must name a declared code.
    fn reason_literals(&mut self, outline: &ScriptOutline) {
        let document = self.document;
        let at = path(["reason_codes"]);
        let declared: Vec<&str> = document.keys(&at).chain([UNKNOWN]).collect();
        for (code, place) in &outline.reasons {
            if declared.contains(&code.as_str()) {
                continue;
            }
            let message = format!("the reason code `{code}` is not in `reason_codes`");
            let problem = Problem::usage("undeclared-reason", message).at(place.clone());
            let help = match nearest(code, declared.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add `{code}: {{ functional: …, description: … }}`"),
            };
            self.complain(&at, problem.help(help));
        }
    }

    /// The function that filters a source.
    pub(super) fn filter(&mut self, at: &[PathStep], name: &str) {
        if self.scripts.has(name, 1) {
            return;
        }
        let problem = match &self.scripts.outline {
            None => {
                let message = format!("the filter `{name}` is a function, but there is no script");
                Problem::usage("unknown-function", message)
                    .help("name the script: `rules: { normalize: rules/normalize.rhai }`")
            }
            Some(_) => {
                let message = format!("the script has no function `{name}(raw)`");
                let problem = Problem::usage("unknown-function", message);
                match self.scripts.nearest(name, 1) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem.help(format!("add `fn {name}(raw) {{ … }}` to it")),
                }
            }
        };
        self.complain(at, problem);
    }
}
