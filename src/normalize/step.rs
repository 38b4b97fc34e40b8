//! Steps turn a text into another, or null. This module resolves them and runs chains of them in
//! two reused buffers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::amount::NumberStep;
use super::catalogue::{Argument, Build, StepDoc, catalogue};
use super::function::Functions;
use super::spec::{ArgumentSpec, StepSpec};
use crate::diagnostic::{Code, Problem, SpecProblem, nearest};
use crate::domain::row::UuidLetters;
use crate::script::ScriptError;

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow<'a> {
    /// A part of the text, or all of it, without copying.
    Part(&'a str),
    /// The text in the buffer.
    Written,
    Null,
    /// The value is unparsable, for this reason.
    Refused(&'static str),
}

/// A step without an argument. The buffer is empty at the call.
pub(super) type Plain = for<'a> fn(&'a str, &mut String) -> Flow<'a>;

/// A step with an argument.
pub(super) trait Transform: Send + Sync {
    /// Transforms `text`: returns a part of it, or writes to `out`, which is empty.
    fn apply<'a>(&self, text: &'a str, out: &mut String) -> Flow<'a>;

    /// The SHA-256 of the file that the step has read, in hexadecimal.
    fn file_digest(&self) -> Option<&str> {
        None
    }

    /// How the step interprets its file.
    fn file_note(&self) -> Option<&FileNote> {
        None
    }
}

/// How a step interprets its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    /// In a sentence.
    pub says: String,
    /// Why that may be a mistake.
    pub warning: Option<Problem>,
}

#[derive(Clone)]
enum Action {
    Plain(Plain),
    With(Arc<dyn Transform>),
    Function(Arc<str>),
    Number(NumberStep),
}

/// A step, ready to run and shared by threads.
#[derive(Clone)]
pub struct Step {
    label: Arc<str>,
    action: Action,
    costly: bool,
}

impl Step {
    /// The step as written.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The script function that it calls, if it is one.
    pub fn function(&self) -> Option<&str> {
        match &self.action {
            Action::Function(name) => Some(name),
            _ => None,
        }
    }

    /// What it makes of the letters of a UUID, if it changes nothing else of one.
    pub(super) fn uuid_letters(&self) -> Option<UuidLetters> {
        match (&self.action, &*self.label) {
            (Action::Plain(_), "trim") => Some(UuidLetters::AsWritten),
            (Action::Plain(_), "upper") => Some(UuidLetters::Upper),
            (Action::Plain(_), "lower") => Some(UuidLetters::Lower),
            _ => None,
        }
    }

    /// The step on the parsed number, if it is one.
    pub(super) const fn number(&self) -> Option<NumberStep> {
        match &self.action {
            Action::Number(step) => Some(*step),
            _ => None,
        }
    }

    /// True if only number fields can have it.
    pub const fn is_for_numbers(&self) -> bool {
        self.number().is_some()
    }

    /// The SHA-256 of its file: its effect depends on that, too.
    pub fn file_digest(&self) -> Option<&str> {
        match &self.action {
            Action::With(transform) => transform.file_digest(),
            _ => None,
        }
    }

    /// How it interprets its file.
    pub fn file_note(&self) -> Option<&FileNote> {
        match &self.action {
            Action::With(transform) => transform.file_note(),
            _ => None,
        }
    }

    /// True if its results are worth remembering.
    pub(super) const fn is_costly(&self) -> bool {
        self.costly
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({})", self.label)
    }
}

/// Resolves steps; files are relative to `base`, and `functions` returns whether the scripts have a
/// function of one value with this name. Problems have their path inside `specs`.
pub fn resolve_steps(
    specs: &[StepSpec],
    base: &Path,
    functions: &dyn Fn(&str) -> bool,
) -> Result<Vec<Step>, Vec<SpecProblem>> {
    let mut steps = Vec::with_capacity(specs.len());
    let mut problems = Vec::new();
    for (at, spec) in specs.iter().enumerate() {
        match resolve(spec, base, functions) {
            Ok(step) => steps.push(step),
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.under(at))),
        }
    }
    if problems.is_empty() { Ok(steps) } else { Err(problems) }
}

/// Steps newer than functions of scripts: a script's own function of that name takes precedence, as
/// before.
const NEWER: [&str; 4] = ["negate", "scale", "debit_credit", "strip_invisible"];

fn resolve(
    spec: &StepSpec,
    base: &Path,
    functions: &dyn Fn(&str) -> bool,
) -> Result<Step, Vec<SpecProblem>> {
    let name = spec.name();
    let label: Arc<str> = spec.to_string().into();
    let here = |problem| Err(vec![SpecProblem { path: Vec::new(), problem }]);
    let function = |name: &str| {
        Ok(Step { label: label.clone(), action: Action::Function(name.into()), costly: true })
    };
    if let StepSpec::Function(name) = spec
        && NEWER.contains(&name.as_str())
        && functions(name)
    {
        return function(name);
    }
    let Some(doc) = catalogue().iter().find(|step| step.name == name) else {
        return match spec {
            StepSpec::Function(name) if functions(name) => function(name),
            _ => here(unknown(spec)),
        };
    };
    match (doc.build, spec) {
        (Build::Plain(plain) | Build::Either(plain, _), StepSpec::Function(_)) => {
            Ok(Step { label, action: Action::Plain(plain), costly: false })
        }
        (Build::Number(step), StepSpec::Function(_)) => {
            Ok(Step { label, action: Action::Number(step), costly: false })
        }
        (Build::Plain(_) | Build::Number(_), StepSpec::With(..)) => here(
            Problem::new(Code::StepArgument, format!("step `{name}` takes no argument"))
                .help(format!("write `{name}`")),
        ),
        (Build::With(_) | Build::Costly(_) | Build::NumberWith(_), StepSpec::Function(_)) => here(
            Problem::new(Code::StepArgument, format!("step `{name}` needs an argument"))
                .help(format!("for example `{{{name}: {}}}`", doc.example[0])),
        ),
        (build, StepSpec::With(_, argument)) => {
            let mut arguments = Arguments { doc, argument, base, problems: Vec::new() };
            arguments.check_shape();
            let action = if arguments.problems.is_empty() {
                match build {
                    Build::With(build) | Build::Costly(build) | Build::Either(_, build) => {
                        build(&mut arguments).map(Action::With)
                    }
                    Build::NumberWith(build) => build(&mut arguments).map(Action::Number),
                    // Handled above: they take no argument.
                    Build::Plain(_) | Build::Number(_) => None,
                }
            } else {
                None
            };
            let problems = arguments.problems;
            match action {
                Some(action) if problems.is_empty() => {
                    Ok(Step { label, action, costly: matches!(doc.build, Build::Costly(_)) })
                }
                _ => Err(problems),
            }
        }
    }
}

fn unknown(spec: &StepSpec) -> Problem {
    let name = spec.name();
    let message = match spec {
        StepSpec::Function(_) => {
            format!("`{name}` is neither a built-in step nor a function of the normalize script")
        }
        StepSpec::With(..) => format!("`{name}` is not a built-in step"),
    };
    let problem = Problem::new(Code::UnknownStep, message);
    match nearest(name, catalogue().iter().map(|step| step.name)) {
        Some(candidate) => problem.help(format!("did you mean `{candidate}`?")),
        None => problem,
    }
}

/// The argument of a step while the step is made: gives its parts and gathers the problems.
pub(super) struct Arguments<'a> {
    doc: &'a StepDoc,
    argument: &'a ArgumentSpec,
    base: &'a Path,
    problems: Vec<SpecProblem>,
}

impl<'a> Arguments<'a> {
    /// The folder that files are relative to.
    pub(super) const fn base(&self) -> &'a Path {
        self.base
    }

    /// Reports a problem with the whole argument, or with its key.
    pub(super) fn problem(&mut self, key: Option<&str>, problem: Problem) {
        let steps = std::iter::once(self.doc.name).chain(key);
        self.problems.push(SpecProblem::new(steps, problem));
    }

    /// The only text; empty if the shape is another.
    pub(super) fn text(&self) -> &'a str {
        match self.argument {
            ArgumentSpec::Text(text) => text,
            _ => "",
        }
    }

    /// The texts of a list; empty if the shape is another.
    pub(super) fn texts(&self) -> &'a [String] {
        match self.argument {
            ArgumentSpec::Texts(texts) => texts,
            _ => &[],
        }
    }

    /// The text of a key.
    pub(super) fn key(&self, name: &str) -> Option<&'a str> {
        match self.argument {
            ArgumentSpec::Map(entries) => {
                entries.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
            }
            _ => None,
        }
    }

    /// Parses a whole number from 1; reports anything else.
    pub(super) fn count(&mut self, key: Option<&str>, text: &str) -> Option<usize> {
        let count = text.parse::<u32>().ok().filter(|count| *count > 0);
        if count.is_none() {
            let message = format!("`{text}` is not a whole number from 1");
            self.problem(key, Problem::new(Code::StepArgument, message));
        }
        usize::try_from(count?).ok()
    }

    fn check_shape(&mut self) {
        let expected = match (self.doc.argument, self.argument) {
            (Argument::Text | Argument::Number | Argument::Count, ArgumentSpec::Text(_))
            | (Argument::Texts, ArgumentSpec::Texts(_)) => return,
            (Argument::Map(_), ArgumentSpec::Map(entries)) => return self.check_keys(entries),
            (Argument::None, _) => "no argument",
            (Argument::Text, _) => "a text",
            (Argument::Number, _) => "a number",
            (Argument::Count, _) => "a whole number",
            (Argument::Texts, _) => "a list of texts",
            (Argument::Map(_), _) => "a map",
        };
        let message = format!("step `{}` needs {expected}", self.doc.name);
        let help = format!("for example `{{{}: {}}}`", self.doc.name, self.doc.example[0]);
        self.problem(None, Problem::new(Code::StepArgument, message).help(help));
    }

    fn check_keys(&mut self, entries: &[(String, String)]) {
        let Argument::Map(keys) = self.doc.argument else { return };
        for (name, value) in entries {
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                let message = format!("step `{}` has no `{name}`", self.doc.name);
                let names = keys.iter().map(|key| key.name);
                let help = match nearest(name, names.clone()) {
                    Some(candidate) => format!("did you mean `{candidate}`?"),
                    None => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
                };
                let problem = Problem::new(Code::UnknownKey, message).help(help);
                self.problem(Some(name), problem);
                continue;
            };
            if !key.choices.is_empty() && !key.choices.contains(&value.as_str()) {
                let message = format!("`{value}` is not one of {}", key.choices.join(", "));
                self.problem(Some(name), Problem::new(Code::StepArgument, message));
            }
        }
        for key in keys {
            if key.required && !entries.iter().any(|(name, _)| name == key.name) {
                let message = format!("step `{}` needs `{}`", self.doc.name, key.name);
                self.problem(None, Problem::new(Code::StepArgument, message).help(key.description));
            }
        }
    }
}

/// The two buffers that a chain writes to in turn.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    front: String,
    back: String,
}

/// The result of a chain of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chained<'a> {
    Text(&'a str),
    Null,
    /// The value counts as unparsable, for this reason.
    Refused(&'static str),
}

/// Runs a chain of steps on texts, skipping those on numbers. `seen` gets each step and its result,
/// null as `None`.
pub(super) fn run<'a>(
    steps: &[Step],
    input: &'a str,
    buffers: &'a mut Buffers,
    functions: &mut dyn Functions,
    mut seen: impl FnMut(&Step, Option<&str>),
) -> Result<Chained<'a>, ScriptError> {
    // The text is a range of the input, or of the front buffer once something was written.
    let (mut start, mut end, mut written) = (0, input.len(), false);
    for step in steps {
        let source = if written { buffers.front.as_str() } else { input };
        let text = source.get(start..end).unwrap_or_default();
        buffers.back.clear();
        let flow = match &step.action {
            Action::Plain(plain) => plain(text, &mut buffers.back),
            Action::With(transform) => transform.apply(text, &mut buffers.back),
            Action::Function(name) => match functions.value(name, text)? {
                Some(result) if result == text => Flow::Part(text),
                Some(result) => {
                    buffers.back = result;
                    Flow::Written
                }
                None => Flow::Null,
            },
            Action::Number(_) => continue,
        };
        match flow {
            Flow::Part(part) => {
                start += offset_within(text, part);
                end = start + part.len();
                seen(step, Some(part));
            }
            Flow::Written => {
                std::mem::swap(&mut buffers.front, &mut buffers.back);
                (start, end, written) = (0, buffers.front.len(), true);
                seen(step, Some(&buffers.front));
            }
            Flow::Null => {
                seen(step, None);
                return Ok(Chained::Null);
            }
            Flow::Refused(reason) => return Ok(Chained::Refused(reason)),
        }
    }
    let source = if written { buffers.front.as_str() } else { input };
    Ok(Chained::Text(source.get(start..end).unwrap_or_default()))
}

/// The offset of `part` in `whole`. The lifetimes of [`Flow::Part`] allow only parts of the text
/// and constants, which are empty.
fn offset_within(whole: &str, part: &str) -> usize {
    if part.is_empty() {
        return 0;
    }
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

/// The result of a chain without functions, for tests.
#[cfg(test)]
pub(super) fn apply_all(steps: &[Step], text: &str) -> Option<String> {
    let mut buffers = Buffers::default();
    let mut functions = super::function::NoFunctions;
    match run(steps, text, &mut buffers, &mut functions, |_, _| ()).unwrap() {
        Chained::Text(text) if steps.iter().any(Step::is_for_numbers) => {
            let number = text.parse::<crate::domain::Decimal>().unwrap();
            let steps = steps.iter().filter_map(Step::number);
            let result = steps.fold(number, |number, step| step.decimal(number).unwrap());
            Some(result.to_string())
        }
        Chained::Text(text) => Some(text.to_owned()),
        Chained::Null => None,
        Chained::Refused(reason) => panic!("{reason}"),
    }
}

/// Steps from YAML, for tests.
#[cfg(test)]
pub(super) fn steps(yaml: &str) -> Vec<Step> {
    let specs: Vec<StepSpec> = serde_yaml::from_str(yaml).unwrap();
    resolve_steps(&specs, Path::new("."), &|name| name.starts_with("fn_")).unwrap()
}

/// The path of a problem as text, for tests.
#[cfg(test)]
pub(super) fn path_text(path: &[crate::diagnostic::PathStep]) -> String {
    use crate::diagnostic::PathStep;
    let steps = path.iter().map(|step| match step {
        PathStep::Key(key) => key.clone(),
        PathStep::Index(index) => index.to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chain_goes_through_parts_and_buffers() {
        let chain =
            steps("[trim, upper, {replace: {from: A, to: bb}}, {last: 5}, upper, {first: 4}]");
        assert_eq!(apply_all(&chain, "  xaya  ").unwrap(), "BBYB");
        assert_eq!(apply_all(&chain, "  "), Some(String::new()));
        assert_eq!(apply_all(&[], " x "), Some(" x ".into()));
        assert_eq!(apply_all(&steps("[trim, {null_if: [x]}, upper]"), " x "), None);
    }

    #[test]
    fn every_problem_of_a_list_is_reported_with_its_path() {
        let specs: Vec<StepSpec> = serde_yaml::from_str(
            "[trimm, trim, {upper: 1}, replace, {replace: {form: x, to: y}}, {truncate: -1}, \
             {null_if: x}, fn_side, {lookup: {file: none.csv, otherwise: maybe}}, {side: 1}]",
        )
        .unwrap();
        let problems =
            resolve_steps(&specs, Path::new("."), &|name| name == "fn_side").unwrap_err();
        let found: Vec<(String, String)> = problems
            .iter()
            .map(|found| (path_text(&found.path), found.problem.to_string()))
            .collect();
        let expected = [
            ("0", "did you mean `trim`"),
            ("2", "takes no argument"),
            ("3", "needs an argument"),
            ("4.replace.form", "did you mean `from`"),
            ("4.replace", "needs `from`"),
            ("5.truncate", "`-1` is not a whole number"),
            ("6.null_if", "needs a list"),
            ("8.lookup.otherwise", "keep, null, error"),
            ("9", "`side` is not a built-in step"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((path, message), (at, part)) in found.iter().zip(expected) {
            assert_eq!(path, at);
            assert!(message.contains(part), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_step_panics_and_a_second_time_changes_little(text in "\\PC*|[ -~\u{a0}]*") {
            for doc in catalogue() {
                if let Build::Plain(plain) = doc.build {
                    let chain = [Step { label: doc.name.into(), action: Action::Plain(plain), costly: false }];
                    let once = apply_all(&chain, &text).unwrap();
                    let twice = apply_all(&chain, &once).unwrap();
                    if doc.name != "lower" {
                        prop_assert_eq!(&once, &twice, "{}", doc.name);
                    }
                }
            }
        }

        #[test]
        fn ascii_takes_the_short_way_to_the_same_result(text in "[ -~\t]*") {
            // One character beyond ASCII, which no step below touches, forces the long way.
            for name in ["trim", "upper", "lower", "collapse_spaces", "remove_spaces",
                         "letters_only", "alphanumeric_only", "strip_punctuation", "nfc", "nfkc",
                         "strip_invisible",
                         "strip_accents", "account_number", "reference"] {
                let chain = steps(&format!("[{name}]"));
                let short = apply_all(&chain, &format!("x{text}x")).unwrap();
                let long = apply_all(&chain, &format!("x{text}x\u{4e2d}")).unwrap();
                prop_assert_eq!(format!("{short}\u{4e2d}"), long, "{}", name);
            }
        }
    }
}
