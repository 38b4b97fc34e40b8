//! Scripts that attribute: each function `attribute…(d)` gives a reason for a difference, or passes.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, INT, NativeCallContext};
use rust_decimal::Decimal;

use super::difference::{self, Reads, ScriptDifference, Subject};
use super::engine::{self, CallResult, Program, line_and_column};
use super::exact::failure;
use super::plain::Plain;
use super::{ScriptError, ScriptSource};
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::{Confidence, DifferenceContext};

/// The prefix of rules' names.
const PREFIX: &str = "attribute";
/// Maximum number of notes of one call.
pub(super) const MAX_NOTES: usize = 20;
/// The longest note, in bytes.
pub(super) const MAX_NOTE_BYTES: usize = 2_000;

/// A function of a script that gives reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFunction {
    /// Its name, `attribute…`.
    pub name: String,
    /// The line of its name, from 1.
    pub line: u64,
    /// The column of its name, from 1.
    pub column: u64,
}

/// The reason that a function gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reason {
    /// The code, as its index in the declared codes.
    pub code: usize,
    pub confidence: Confidence,
    /// The line of the `reason(…)` that gave it, from 1.
    pub line: u64,
    /// Its column, from 1.
    pub column: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The reason, or `None` to ask the next function.
    pub reason: Option<Reason>,
    pub notes: Vec<String>,
}

/// A compiled script of `rules.attribute`, for one thread.
pub struct RuleScript {
    program: Program,
    functions: Vec<RuleFunction>,
    plain: Plain,
    /// The functions in `plain`.
    in_plain: Vec<Option<usize>>,
    subject: Rc<RefCell<Subject>>,
    notes: Rc<RefCell<Vec<String>>>,
}

impl RuleScript {
    /// Compiles the script. `codes` are the declared reason codes; any other is a script error.
    pub fn compile(source: &ScriptSource, codes: &[String]) -> Result<Self, Problem> {
        let notes = Rc::new(RefCell::new(Vec::new()));
        let mut engine = engine::build();
        difference::register(&mut engine);
        engine.register_type_with_name::<Reason>("reason");

        let declared: Rc<[String]> = codes.into();
        let of_decimal = Rc::clone(&declared);
        engine.register_fn(
            "reason",
            move |context: NativeCallContext<'_>, code: &str, confidence: Decimal| {
                reason(&context, &of_decimal, code, confidence)
            },
        );
        engine.register_fn(
            "reason",
            move |context: NativeCallContext<'_>, code: &str, confidence: INT| {
                reason(&context, &declared, code, Decimal::from(confidence))
            },
        );
        let taken = Rc::clone(&notes);
        engine.register_fn("note", move |sentence: &str| -> CallResult<()> {
            let mut notes = taken.borrow_mut();
            if notes.len() >= MAX_NOTES {
                return failure(format!("more than {MAX_NOTES} notes"));
            }
            if sentence.len() > MAX_NOTE_BYTES {
                return failure(format!("a note has at most {MAX_NOTE_BYTES} bytes"));
            }
            if sentence.contains('\0') {
                return failure("a note with the character NUL".to_owned());
            }
            notes.push(sentence.to_owned());
            Ok(())
        });

        let program = Program::compile(engine, source)?;
        let mut functions = Vec::new();
        for info in &program.outline().functions {
            if info.private || !info.name.starts_with(PREFIX) {
                continue;
            }
            if info.arity != 1 {
                return Err(Problem::new(
                    Code::RuleArity,
                    format!("the rule `{}` must take one argument, the difference", info.name),
                )
                .help("declare helpers `private fn` or name them differently")
                .at(source.place(info.line, info.column)));
            }
            functions.push(RuleFunction {
                name: info.name.clone(),
                line: info.line,
                column: info.column,
            });
        }
        let plain = program.plain(codes);
        let in_plain = functions.iter().map(|function| plain.rule(&function.name)).collect();
        let subject = Rc::new(RefCell::new(Subject::new()));
        Ok(Self { program, functions, plain, in_plain, subject, notes })
    }

    /// The result of the rule at `index` of [`functions`](Self::functions) if it is plain enough to be evaluated
    /// without running the script.
    pub fn plain_answer(&self, index: usize, d: &DifferenceContext<'_>) -> Option<Verdict> {
        self.plain.answer((*self.in_plain.get(index)?)?, d)
    }

    /// The rules in the order of the file.
    pub fn functions(&self) -> &[RuleFunction] {
        &self.functions
    }

    /// Calls the only rule.
    #[cfg(test)]
    pub fn call_once(
        &mut self,
        d: &DifferenceContext<'_>,
        reads: Option<&mut Reads>,
    ) -> Result<Verdict, ScriptError> {
        self.load(d);
        self.call(0, reads)
    }

    /// Sets the difference for the calls that follow.
    pub fn load(&mut self, d: &DifferenceContext<'_>) {
        self.subject.borrow_mut().load(d);
    }

    /// Calls the rule at `index` of [`functions`](Self::functions) for the loaded difference. With `reads`, records
    /// the properties that the rule read: differences with the same reads get the same result.
    pub fn call(
        &mut self,
        index: usize,
        reads: Option<&mut Reads>,
    ) -> Result<Verdict, ScriptError> {
        let Some(function) = self.functions.get(index) else {
            return Ok(Verdict { reason: None, notes: Vec::new() });
        };
        self.subject.borrow_mut().begin(reads.is_some());
        self.notes.borrow_mut().clear();
        let subject = &self.subject;
        let result = self
            .program
            .call(&function.name, || [Dynamic::from(ScriptDifference(Rc::clone(subject)))]);
        if let Some(reads) = reads {
            std::mem::swap(reads, &mut self.subject.borrow_mut().reads);
        }
        let result = result?;
        let reason = if result.is_unit() {
            None
        } else if let Some(reason) = result.read_lock::<Reason>() {
            Some(*reason)
        } else {
            return Err(self.program.wrong_result(
                &function.name,
                &result,
                "reason(\"CODE\", confidence) or ()",
            ));
        };
        Ok(Verdict { reason, notes: self.notes.take() })
    }
}

fn reason(
    context: &NativeCallContext<'_>,
    declared: &[String],
    code: &str,
    confidence: Decimal,
) -> CallResult<Reason> {
    let place = line_and_column(context.call_position());
    reason_of(declared, code, confidence, place)
}

/// The reason that a call at this line and column gives.
pub(super) fn reason_of(
    declared: &[String],
    code: &str,
    confidence: Decimal,
    (line, column): (u64, u64),
) -> CallResult<Reason> {
    let Some(index) = declared.iter().position(|known| known == code) else {
        let meant = nearest(code, declared.iter().map(String::as_str));
        return failure(match meant {
            Some(meant) => format!(
                "the reason code {code} is not declared in `reason_codes`; did you mean {meant}?"
            ),
            None => format!("the reason code {code} is not declared in `reason_codes`"),
        });
    };
    // Through its text, because that conversion is rounded correctly.
    let Some(value) = confidence.to_string().parse().ok().and_then(Confidence::new) else {
        return failure(format!("the confidence {confidence} is not within 0..1"));
    };
    Ok(Reason { code: index, confidence: value, line, column })
}
