//! The plain parts of rules, evaluated without running the script: most rules compare properties of the difference with
//! each other and with constants, and for most differences they need no more than that.
//!
//! The result is always that of Rhai. If a rule does something else (an assignment, an array of values, a closure), or
//! something fails, this gives up, and the script runs from its beginning: a rule has no effects.

mod native;
mod translation;

use std::borrow::Cow;
use std::cell::Cell as Slot;
use std::cmp::Ordering;

use rust_decimal::Decimal;

use self::native::Native;
use super::difference::Property;
use super::exact;
use super::rule::{MAX_NOTE_BYTES, MAX_NOTES, Reason, Verdict, reason_of};
use super::work;
use crate::domain::{Cell, DiffType, DifferenceContext, Severity, Side};
use crate::script::difference::Comparison;

pub(super) use translation::{ScriptFunction, SwitchNames};

/// The functions of a script, as far as they are plain.
pub(super) struct Plain {
    functions: Vec<ScriptNode>,
    /// The declared reason codes.
    codes: Vec<String>,
}

/// A function of a script.
struct ScriptNode {
    name: String,
    arity: usize,
    body: Node,
    /// A bit for each type of difference that it passes as a rule, whatever else the difference has: most rules are
    /// about one type.
    passes: Slot<u32>,
}

/// The names of the kinds of differences and of severities.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let kinds = DiffType::ALL.iter().map(|kind| kind.name());
    kinds.chain(Severity::ALL.iter().map(|severity| severity.name()))
}

enum Node {
    Constant(Constant),
    /// A variable, by its place among those that are alive.
    Local(usize),
    /// A property of a variable that is the difference.
    Read(usize, Property),
    /// The field of this name, of the record of a side.
    Field(usize, Side, Box<Node>),
    /// The number of a difference's differing or agreeing fields.
    Count(usize, Comparison),
    Compare(fn(Ordering) -> bool, Box<[Node; 2]>),
    /// Whether two values are equal, or not.
    Equal(bool, Box<[Node; 2]>),
    /// Whether one of the constants equals a value.
    In(Vec<Constant>, Box<Node>),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    /// A function that recon or Rhai offers, or an operator.
    Native(Native, Vec<Node>),
    /// A text of texts and integers.
    Join(Vec<Node>),
    /// A text contains one of the words, which are in lower case.
    HasWord(Box<Node>, Vec<String>),
    /// A function of the script.
    Call(usize, Vec<Node>),
    Let(Box<Node>),
    /// Changes a variable that is a text.
    Change(usize, Change),
    Block(Vec<Node>),
    If(Box<[Node; 3]>),
    For(Items, Box<Node>),
    /// The next round of a loop, or its end.
    Leave(bool),
    /// By the names that lead to a case; the last node is for all others.
    Switch(Box<Node>, Vec<(&'static str, usize)>, Vec<Node>),
    Note(Box<Node>),
    /// A reason by its code and confidence, with the line and column of the call.
    Reason(Box<[Node; 2]>, (u64, u64)),
    Return(Box<Node>),
    /// Anything else.
    Other,
}

/// What a loop goes through.
enum Items {
    Constants(Vec<Constant>),
    /// Names of fields.
    Fields(usize, Comparison),
}

enum Change {
    Trim,
    Replace(String, String),
}

enum Constant {
    Unit,
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(String),
}

#[derive(Clone)]
enum Value<'v> {
    Unit,
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Cow<'v, str>),
    Reason(Reason),
    Difference,
    /// A record that is there.
    Record,
}

/// The longest text that rules are given here, and how often they may use one: far less work than a script may do.
const LONGEST_TEXT: usize = 256;
const TEXT_USES: u32 = 256;
/// The same for everything that is evaluated, and for functions that call each other.
const STEPS: u32 = 4_096;
const DEPTH: u32 = 8;

/// A rule while it is evaluated.
struct Running<'v> {
    plain: &'v Plain,
    d: &'v DifferenceContext<'v>,
    /// The variables of all functions that have been called and not returned.
    locals: Vec<Value<'v>>,
    /// Where those of the present function begin.
    base: usize,
    depth: u32,
    steps: u32,
    text_uses: u32,
    notes: Vec<String>,
    /// It has read more of the difference than its type.
    reads_more: bool,
}

enum Stop<'v> {
    Return(Value<'v>),
    /// Of the innermost loop: its next round, or its end.
    Leave(bool),
    /// Only the script knows.
    GiveUp,
}

type Evaluated<'v> = Result<Value<'v>, Stop<'v>>;

impl Plain {
    /// The place of the function of one parameter that has this name.
    pub(super) fn rule(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|function| function.arity == 1 && function.name == name)
    }

    /// What the rule says of a difference; `None` if only the script knows.
    pub(super) fn answer(&self, rule: usize, d: &DifferenceContext<'_>) -> Option<Verdict> {
        let function = self.functions.get(rule)?;
        let its_type = 1 << d.diff_type.code();
        if function.passes.get() & its_type != 0 {
            return Some(Verdict::default());
        }
        // Nothing of what the functions of recon charge is left from another call.
        work::begin();
        let mut running = Running {
            plain: self,
            d,
            locals: vec![Value::Difference],
            base: 0,
            depth: 0,
            steps: 0,
            text_uses: 0,
            notes: Vec::new(),
            reads_more: false,
        };
        let reason = match function.body.value(&mut running) {
            Ok(Value::Unit) | Err(Stop::Return(Value::Unit)) => None,
            Ok(Value::Reason(reason)) | Err(Stop::Return(Value::Reason(reason))) => Some(reason),
            _ => return None,
        };
        if reason.is_none() && running.notes.is_empty() && !running.reads_more {
            function.passes.set(function.passes.get() | its_type);
        }
        Some(Verdict { reason, notes: running.notes })
    }
}

impl Node {
    fn value<'v>(&'v self, running: &mut Running<'v>) -> Evaluated<'v> {
        running.steps += 1;
        if running.steps > STEPS {
            return Err(Stop::GiveUp);
        }
        Ok(match self {
            Self::Constant(constant) => constant.value(),
            Self::Local(at) => {
                let value = running.local(*at)?.clone();
                running.used(value)?
            }
            Self::Read(at, property) => {
                running.difference(*at, *property != Property::DiffType)?;
                let value = read(property, running.d)?;
                running.used(value)?
            }
            Self::Compare(test, operands) => {
                let [left, right] = &**operands;
                match (left.value(running)?, right.value(running)?) {
                    (Value::Integer(left), Value::Integer(right)) => {
                        Value::Boolean(test(left.cmp(&right)))
                    }
                    (left, right) => match (left.number(), right.number()) {
                        (Some(left), Some(right)) => Value::Boolean(test(left.cmp(&right))),
                        // Nothing is less or more than a value that is not there.
                        (Some(_), None) if matches!(right, Value::Unit) => Value::Boolean(false),
                        (None, Some(_)) if matches!(left, Value::Unit) => Value::Boolean(false),
                        _ => return Err(Stop::GiveUp),
                    },
                }
            }
            Self::Equal(equal, operands) => {
                let [left, right] = &**operands;
                let (left, right) = (left.value(running)?, right.value(running)?);
                Value::Boolean(left.equals(&right).ok_or(Stop::GiveUp)? == *equal)
            }
            Self::Not(node) => Value::Boolean(!node.is_true(running)?),
            Self::All(nodes) => {
                for node in nodes {
                    if !node.is_true(running)? {
                        return Ok(Value::Boolean(false));
                    }
                }
                Value::Boolean(true)
            }
            Self::Any(nodes) => {
                for node in nodes {
                    if node.is_true(running)? {
                        return Ok(Value::Boolean(true));
                    }
                }
                Value::Boolean(false)
            }
            Self::Call(function, arguments) => running.call(*function, arguments)?,
            Self::Let(node) => {
                let value = node.value(running)?;
                running.locals.push(value);
                Value::Unit
            }
            Self::Block(nodes) => {
                let before = running.locals.len();
                let mut last = Value::Unit;
                for node in nodes {
                    last = node.value(running)?;
                }
                running.locals.truncate(before);
                last
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if condition.is_true(running)? { then } else { otherwise };
                chosen.value(running)?
            }
            Self::Leave(ends) => return Err(Stop::Leave(*ends)),
            Self::Return(node) => return Err(Stop::Return(node.value(running)?)),
            _ => self.other_value(running)?,
        })
    }

    /// The value of a node that is rarer, so that the frequent ones need little room on the stack.
    #[inline(never)]
    fn other_value<'v>(&'v self, running: &mut Running<'v>) -> Evaluated<'v> {
        Ok(match self {
            Self::Field(at, side, name) => {
                let Value::Text(name) = name.value(running)? else { return Err(Stop::GiveUp) };
                running.difference(*at, true)?;
                let value = read(&Property::RecordField(*side, name.into()), running.d)?;
                running.used(value)?
            }
            Self::Count(at, comparison) => {
                running.difference(*at, true)?;
                let count = comparison.names(running.d).count();
                Value::Integer(i64::try_from(count).map_err(|_| Stop::GiveUp)?)
            }
            Self::In(constants, node) => {
                let value = node.value(running)?;
                let is_comparable = matches!(
                    value,
                    Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) | Value::Text(_)
                );
                if !is_comparable {
                    return Err(Stop::GiveUp);
                }
                let equals = |constant: &Constant| constant.value().equals(&value) == Some(true);
                Value::Boolean(constants.iter().any(equals))
            }
            Self::Native(native, arguments) => {
                // None of them takes more.
                let mut values = [Value::Unit, Value::Unit, Value::Unit];
                for (value, argument) in values.iter_mut().zip(arguments) {
                    *value = argument.value(running)?;
                }
                let given = values.get_mut(..arguments.len()).ok_or(Stop::GiveUp)?;
                let value = native.call(given).ok_or(Stop::GiveUp)?;
                running.used(value)?
            }
            Self::Join(parts) => {
                let mut joined = String::new();
                for part in parts {
                    match part.value(running)? {
                        Value::Text(text) => joined.push_str(&text),
                        Value::Integer(value) => joined.push_str(&value.to_string()),
                        _ => return Err(Stop::GiveUp),
                    }
                }
                Value::Text(joined.into())
            }
            Self::HasWord(text, words) => {
                let Value::Text(text) = text.value(running)? else { return Err(Stop::GiveUp) };
                let is_lower = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
                let lower = match text.bytes().all(is_lower) {
                    true => text,
                    false => text.to_lowercase().into(),
                };
                Value::Boolean(words.iter().any(|word| lower.contains(word.as_str())))
            }
            Self::Change(at, change) => {
                let slot = running.local_mut(*at)?;
                let Value::Text(text) = std::mem::replace(slot, Value::Unit) else {
                    return Err(Stop::GiveUp);
                };
                let changed = running.used(Value::Text(change.of(text)))?;
                *running.local_mut(*at)? = changed;
                Value::Unit
            }
            Self::For(items, body) => {
                match items {
                    Items::Constants(constants) => {
                        running.each(constants.iter().map(Constant::value), body)?;
                    }
                    Items::Fields(at, comparison) => {
                        running.difference(*at, true)?;
                        let d = running.d;
                        let names = comparison.names(d).map(|name| Value::Text(name.into()));
                        running.each(names, body)?;
                    }
                }
                Value::Unit
            }
            Self::Switch(value, by_name, cases) => {
                let Value::Text(name) = value.value(running)? else { return Err(Stop::GiveUp) };
                // They are few.
                let at = match by_name.iter().find(|(known, _)| *known == name) {
                    Some((_, at)) => *at,
                    // Other names may have a case too.
                    None if names().any(|known| known == name) => cases.len().saturating_sub(1),
                    None => return Err(Stop::GiveUp),
                };
                cases.get(at).ok_or(Stop::GiveUp)?.value(running)?
            }
            Self::Note(text) => {
                let Value::Text(text) = text.value(running)? else { return Err(Stop::GiveUp) };
                let is_long = text.len() > MAX_NOTE_BYTES || running.notes.len() >= MAX_NOTES;
                if is_long || text.contains('\0') {
                    return Err(Stop::GiveUp);
                }
                running.notes.push(text.into_owned());
                Value::Unit
            }
            Self::Reason(parts, place) => {
                let [code, confidence] = &**parts;
                let (Value::Text(code), confidence) =
                    (code.value(running)?, confidence.value(running)?)
                else {
                    return Err(Stop::GiveUp);
                };
                let confidence = confidence.number().ok_or(Stop::GiveUp)?;
                let reason = reason_of(&running.plain.codes, &code, confidence, *place);
                Value::Reason(reason.map_err(|_| Stop::GiveUp)?)
            }
            _ => return Err(Stop::GiveUp),
        })
    }

    fn is_true<'v>(&'v self, running: &mut Running<'v>) -> Result<bool, Stop<'v>> {
        match self.value(running)? {
            Value::Boolean(value) => Ok(value),
            _ => Err(Stop::GiveUp),
        }
    }
}

impl<'v> Running<'v> {
    fn local(&self, at: usize) -> Result<&Value<'v>, Stop<'v>> {
        self.locals.get(self.base + at).ok_or(Stop::GiveUp)
    }

    /// Gives up unless this variable is the difference, of which more than the type is read, or not.
    fn difference(&mut self, at: usize, reads_more: bool) -> Result<(), Stop<'v>> {
        self.reads_more |= reads_more;
        match self.local(at)? {
            Value::Difference => Ok(()),
            _ => Err(Stop::GiveUp),
        }
    }

    fn local_mut(&mut self, at: usize) -> Result<&mut Value<'v>, Stop<'v>> {
        self.locals.get_mut(self.base + at).ok_or(Stop::GiveUp)
    }

    /// Evaluates the body of a loop for each of these values.
    fn each(
        &mut self,
        items: impl Iterator<Item = Value<'v>>,
        body: &'v Node,
    ) -> Result<(), Stop<'v>> {
        let before = self.locals.len();
        for item in items {
            let item = self.used(item)?;
            self.locals.push(item);
            let ends = match body.value(self) {
                Ok(_) => false,
                Err(Stop::Leave(ends)) => ends,
                Err(stop) => return Err(stop),
            };
            self.locals.truncate(before);
            if ends {
                break;
            }
        }
        Ok(())
    }

    /// The value of a function of the script.
    fn call(&mut self, function: usize, arguments: &'v [Node]) -> Evaluated<'v> {
        let function = self.plain.functions.get(function).ok_or(Stop::GiveUp)?;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Stop::GiveUp);
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(argument.value(self)?);
        }
        let before = std::mem::replace(&mut self.base, self.locals.len());
        self.locals.append(&mut values);
        let value = match function.body.value(self) {
            Ok(value) | Err(Stop::Return(value)) => value,
            Err(_) => return Err(Stop::GiveUp),
        };
        self.locals.truncate(self.base);
        self.base = before;
        self.depth -= 1;
        Ok(value)
    }

    /// The same value, if it is no text that takes more work than is done here.
    fn used(&mut self, value: Value<'v>) -> Evaluated<'v> {
        if let Value::Text(text) = &value {
            self.text_uses += 1;
            if text.len() > LONGEST_TEXT || self.text_uses > TEXT_USES {
                return Err(Stop::GiveUp);
            }
        }
        Ok(value)
    }
}

impl Value<'_> {
    fn number(&self) -> Option<Decimal> {
        match self {
            Value::Integer(value) => Some(Decimal::from(*value)),
            Value::Decimal(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether two values are equal; `None` for types that only the script compares.
    fn equals(&self, other: &Self) -> Option<bool> {
        Some(match (self, other) {
            (Value::Integer(left), Value::Integer(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::Boolean(left), Value::Boolean(right)) => left == right,
            (Value::Unit, Value::Unit) => true,
            (Value::Unit, _) | (_, Value::Unit) => false,
            _ => self.number()? == other.number()?,
        })
    }
}

impl Constant {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Unit => Value::Unit,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Integer(value) => Value::Integer(*value),
            Self::Decimal(value) => Value::Decimal(*value),
            Self::Text(text) => Value::Text(text.into()),
        }
    }
}

impl Change {
    fn of<'v>(&self, text: Cow<'v, str>) -> Cow<'v, str> {
        match self {
            Self::Trim => match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            },
            Self::Replace(from, to) if text.contains(from.as_str()) => {
                Cow::Owned(text.replace(from.as_str(), to))
            }
            Self::Replace(..) => text,
        }
    }
}

/// A property as a script gets it.
fn read<'v>(property: &Property, d: &'v DifferenceContext<'v>) -> Evaluated<'v> {
    match property {
        Property::DiffType => return Ok(Value::Text(d.diff_type.name().into())),
        Property::Severity => return Ok(Value::Text(d.severity.name().into())),
        Property::Field => return Ok(Value::Text(d.field_name().into())),
        Property::Fields(_) | Property::Matched => return Err(Stop::GiveUp),
        // A script that reads a field of a missing record fails.
        Property::RecordField(Side::A, _) if d.a.is_none() => return Err(Stop::GiveUp),
        Property::RecordField(Side::B, _) if d.b.is_none() => return Err(Stop::GiveUp),
        _ => {}
    }
    let mut buffers = [[0; 36]; 2];
    let cell = property.read(d, &mut buffers).map_err(|_| Stop::GiveUp)?;
    Ok(match (property, cell) {
        (Property::Record(_), Cell::Boolean(true)) => Value::Record,
        (Property::Record(_), _) | (_, Cell::Null) => Value::Unit,
        (_, Cell::Text(text) | Cell::Unparsed(text)) => Value::Text(text.to_owned().into()),
        (Property::TextA | Property::TextB, cell) => Value::Text(cell.to_string().into()),
        (_, Cell::Date(_) | Cell::Instant(_)) => Value::Text(cell.to_string().into()),
        (_, Cell::Boolean(value)) => Value::Boolean(value),
        (_, Cell::Decimal(value)) => {
            exact::from_domain(value).map(Value::Decimal).ok_or(Stop::GiveUp)?
        }
        (_, Cell::Integer(value)) => {
            i64::try_from(value).map(Value::Integer).map_err(|_| Stop::GiveUp)?
        }
    })
}
