//! Rules: Rhai functions that name the cause of a difference.
//!
//! The functions `attribute…(d)` of all scripts run in file order until one gives a reason. This module never
//! inspects a difference itself and knows no reason code: `script` defines the properties that a rule may read.

mod memo;

use crate::diagnostic::{Place, Problem};
use crate::domain::{Confidence, DifferenceContext, key};
use crate::script::{Reads, RuleScript, ScriptError, ScriptSource, Verdict};
use memo::{Memo, Memoized, Room};

/// The scripts with rules and the declared codes, shared by threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesPlan {
    /// The scripts, in the order of `rules.attribute`.
    pub scripts: Vec<ScriptSource>,
    pub codes: Vec<String>,
}

/// The rules' decision about a difference.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    Claimed {
        /// The reason code, as its index in [`RulesPlan::codes`].
        code: usize,
        confidence: Confidence,
        /// The rule, as its index in [`Rules::rules`].
        rule: usize,
        /// The line of the deciding `reason(…)` in the rule's file.
        line: u64,
        column: u64,
        /// The notes of this rule and the ones before it.
        notes: Vec<String>,
    },
    /// No rule claims it, so the model decides.
    Passed {
        /// The notes of the rules.
        notes: Vec<String>,
        /// The rule that failed, if any; later rules were not called.
        error: Option<ScriptError>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// The name of the function.
    pub name: String,
    pub place: Place,
}

/// The compiled rules, for one thread.
///
/// Rules are pure functions of the properties they read, so results are memoized by these: a rule that only reads the
/// diff type runs once per diff type.
pub struct Rules {
    scripts: Vec<RuleScript>,
    rules: Vec<Rule>,
    infos: Vec<RuleInfo>,
    remembers: bool,
    room: Room,
    calls: u64,
    reads: Reads,
    scratch: Vec<u8>,
}

struct Rule {
    script: usize,
    function: usize,
    memo: Memo<RuleResult>,
}

type RuleResult = Result<Verdict, ScriptError>;

impl Rules {
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
            room: Room::new(),
            calls: 0,
            reads: Reads::default(),
            scratch: Vec::new(),
        })
    }

    /// The same rules, for which the script runs each time.
    #[cfg(test)]
    pub fn without_memory(mut self) -> Self {
        self.remembers = false;
        self
    }

    /// The rules in calling order.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.infos
    }

    /// How many times a script function has run; memoized answers do not count.
    #[cfg(test)]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls the rules in order until one claims the difference or fails.
    pub fn decide(&mut self, d: &DifferenceContext<'_>) -> Decision {
        let Self { scripts, rules, remembers, room, calls, reads, scratch, .. } = self;
        let mut notes = Vec::new();
        // The script that has the difference; if all its results are memoized, it needs no copy.
        let mut loaded = None;
        for (index, rule) in rules.iter_mut().enumerate() {
            let Some(script) = scripts.get_mut(rule.script) else { continue };
            let known =
                if *remembers { rule.memo.look_up(d, scratch, room) } else { Memoized::Never };
            let mut load = |script: &mut RuleScript| {
                if loaded.replace(rule.script) != Some(rule.script) {
                    script.load(d);
                }
            };
            let plain = match known {
                Memoized::NotYet | Memoized::Never if *remembers => {
                    script.plain_answer(rule.function, d).map(Ok)
                }
                _ => None,
            };
            let learned;
            let ran;
            let answer = match (known, &plain) {
                (Memoized::Answer(answer), _) | (_, Some(answer)) => answer,
                (Memoized::NotYet, None) => {
                    *calls += 1;
                    load(script);
                    let answer = script.call(rule.function, Some(reads));
                    learned = rule.memo.learn(reads, answer, room);
                    &*learned
                }
                (Memoized::Never, None) => {
                    *calls += 1;
                    load(script);
                    ran = script.call(rule.function, None);
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

/// Names the difference so that a user can find it.
fn subject(d: &DifferenceContext<'_>) -> String {
    let reference = d.a.or(d.b).map(|cells| key::reference(cells, d.layout.key_len()));
    format!("`{}` of record `{}`", d.field_name(), reference.unwrap_or_default())
}

#[cfg(test)]
mod tests;
