//! Rules: Rhai functions that name the cause of a difference.
//!
//! The functions `attribute…(d)` of all scripts run in the order in which they stand in the files,
//! until one gives a reason. This module never looks into a difference by itself and knows no
//! reason code: what a rule may see is in `script`, what it says is in the scripts.

mod memo;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::diagnostic::{Code, Place, Problem, nearest};
use crate::domain::{Confidence, DifferenceContext, key};
use crate::script::{Reads, RuleScript, ScriptError, ScriptSource, Verdict};
use memo::{Known, Memo};

/// The scripts with rules and what they may say, shared by the threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesPlan {
    /// The scripts, in the order of `rules.attribute`.
    pub scripts: Vec<ScriptSource>,
    /// The declared reason codes.
    pub codes: Vec<String>,
}

impl RulesPlan {
    /// Everything that is wrong with the scripts, without running any: syntax, rules that take
    /// the wrong number of arguments, and string literals of `reason` that are not declared. Scripts
    /// without a rule, and rules of one name, are worth a warning.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
        for source in &self.scripts {
            let outline = match source.check() {
                Ok(outline) => outline,
                Err(wrong) => {
                    problems.extend(wrong);
                    continue;
                }
            };
            for (code, place) in outline.reasons {
                if !self.codes.contains(&code) {
                    problems.push(undeclared(&code, &self.codes).at(place));
                }
            }
            match RuleScript::compile(source, &self.codes) {
                Ok(script) if script.functions().is_empty() => problems.push(
                    Problem::new(Code::RulesEmpty, "no function of this script is a rule")
                        .help("rules are the functions whose names begin with `attribute`")
                        .in_file(source.path()),
                ),
                Ok(script) => {
                    for function in script.functions() {
                        let path = source.path().to_owned();
                        let Some(other) = names.insert(function.name.clone(), path) else {
                            continue;
                        };
                        let message = format!(
                            "`{}` is also the name of a rule in {}; results could not tell which \
                             one decided",
                            function.name,
                            other.display()
                        );
                        problems.push(
                            Problem::new(Code::RuleNameTwice, message)
                                .at(source.place(function.line, function.column)),
                        );
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }
}

fn undeclared(code: &str, codes: &[String]) -> Problem {
    let problem = Problem::new(
        Code::UndeclaredReason,
        format!("the reason code {code} is not declared in `reason_codes`"),
    );
    match nearest(code, codes.iter().map(String::as_str)) {
        Some(meant) => problem.help(format!("did you mean {meant}?")),
        None => problem,
    }
}

/// What the rules say about a difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// A rule claims it.
    Claimed {
        /// The reason code, as its index in [`RulesPlan::codes`].
        code: usize,
        /// How sure the rule is.
        confidence: Confidence,
        /// The rule, as its index in [`Rules::rules`].
        rule: usize,
        /// The line of the `reason(…)` that claimed it, in the rule's file.
        line: u64,
        /// Its column.
        column: u64,
        /// The sentences that it and the rules before it noted.
        notes: Vec<String>,
    },
    /// No rule claims it: it goes on to the model.
    Passed {
        /// The sentences that the rules noted.
        notes: Vec<String>,
        /// The rule that failed, if one did; the rules behind it were not asked.
        error: Option<ScriptError>,
    },
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// The name of the function.
    pub name: String,
    /// Where it is declared.
    pub place: Place,
}

/// The compiled rules, for one thread.
///
/// Rules are pure functions of the properties they read, so each one's answers are remembered by
/// what it read: a rule that only looks at the diff type runs once for each diff type.
pub struct Rules {
    scripts: Vec<RuleScript>,
    rules: Vec<Rule>,
    infos: Vec<RuleInfo>,
    remembers: bool,
    calls: u64,
    reads: Reads,
    scratch: Vec<u8>,
}

struct Rule {
    script: usize,
    function: usize,
    memo: Memo<Answer>,
}

/// What a rule said, or how it failed.
type Answer = Result<Verdict, ScriptError>;

impl Rules {
    /// Compiles the scripts.
    pub fn new(plan: &RulesPlan) -> Result<Self, Problem> {
        let mut scripts = Vec::with_capacity(plan.scripts.len());
        let mut rules = Vec::new();
        let mut infos = Vec::new();
        for source in &plan.scripts {
            let script = RuleScript::compile(source, &plan.codes)?;
            for (function, info) in script.functions().iter().enumerate() {
                rules.push(Rule { script: scripts.len(), function, memo: Memo::new() });
                infos.push(RuleInfo {
                    name: info.name.clone(),
                    place: source.place(info.line, info.column),
                });
            }
            scripts.push(script);
        }
        Ok(Self {
            scripts,
            rules,
            infos,
            remembers: true,
            calls: 0,
            reads: Reads::default(),
            scratch: Vec::new(),
        })
    }

    /// The same rules, but every one runs for every difference.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.remembers = false;
        self
    }

    /// The rules in the order in which they are asked.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.infos
    }

    /// How many times a function of a script has run; what was remembered does not count.
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Asks the rules one by one, until one claims the difference or fails.
    pub fn decide(&mut self, d: &DifferenceContext<'_>) -> Decision {
        let Self { scripts, rules, remembers, calls, reads, scratch, .. } = self;
        let mut notes = Vec::new();
        for (index, rule) in rules.iter_mut().enumerate() {
            let Some(script) = scripts.get_mut(rule.script) else { continue };
            let known =
                if *remembers { rule.memo.look_up(d, scratch) } else { Known::NotToBeLearned };
            let learned;
            let ran;
            let answer = match known {
                Known::Answer(answer) => answer,
                Known::NotYet => {
                    *calls += 1;
                    let answer = script.call(rule.function, d, Some(reads));
                    learned = rule.memo.learn(reads, answer);
                    &*learned
                }
                Known::NotToBeLearned => {
                    *calls += 1;
                    ran = script.call(rule.function, d, None);
                    &ran
                }
            };
            let verdict = match answer {
                Ok(verdict) => verdict,
                Err(error) => {
                    let error = ScriptError { subject: Some(subject(d).into()), ..error.clone() };
                    return Decision::Passed { notes, error: Some(error) };
                }
            };
            notes.extend(verdict.notes.iter().cloned());
            if let Some(reason) = verdict.reason {
                return Decision::Claimed {
                    code: reason.code,
                    confidence: reason.confidence,
                    rule: index,
                    line: reason.line,
                    column: reason.column,
                    notes,
                };
            }
        }
        Decision::Passed { notes, error: None }
    }
}

/// The difference as a person finds it again.
fn subject(d: &DifferenceContext<'_>) -> String {
    let reference = d.a.or(d.b).map(|cells| key::reference(cells, d.layout.key_len()));
    format!("`{}` of record `{}`", d.field_name(), reference.unwrap_or_default())
}

#[cfg(test)]
mod tests;
