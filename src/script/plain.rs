//! The plain part of a rule, evaluated without running the script: most rules begin by comparing the difference with
//! constants, and for most differences they end there.
//!
//! The result is always that of Rhai. If a rule does something else (calls another function, reads a long text, adds a
//! note), this gives up, and the script runs from its beginning: a rule has no effects.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use rhai::{Expr, FnCallExpr, Stmt, StmtBlock, SwitchCasesCollection};
use rust_decimal::Decimal;

use super::difference::{Property, property};
use super::exact;
use super::rule::Reason;
use crate::domain::{Cell, DiffType, DifferenceContext, Severity};

/// A rule, as far as it is plain.
pub(super) struct Plain(Node);

/// Where a `switch` has the names that differences have, by Rhai's hashes.
pub(super) type SwitchNames = HashMap<u64, &'static str>;

/// The names of the kinds of differences and of severities.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let kinds = DiffType::ALL.iter().map(|kind| kind.name());
    kinds.chain(Severity::ALL.iter().map(|severity| severity.name()))
}

/// The context in which a rule is translated.
pub(super) struct RuleContext<'k> {
    /// The reason that a call gives, if nothing is wrong with it.
    pub reason: &'k dyn Fn(&str, Decimal, rhai::Position) -> Option<Reason>,
    pub switch_names: &'k SwitchNames,
    /// The script has a function of this name, so that a method may mean that.
    pub is_own: &'k dyn Fn(&str) -> bool,
}

enum Node {
    Constant(Constant),
    /// A variable, by its place among those that are alive.
    Local(usize),
    Read(Property),
    Compare(fn(Ordering) -> bool, Box<[Node; 2]>),
    /// Whether two values are equal, or not.
    Equal(bool, Box<[Node; 2]>),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
    Let(Box<Node>),
    /// Changes a variable that is a text.
    Change(usize, Change),
    Block(Vec<Node>),
    If(Box<[Node; 3]>),
    /// By the names that lead to a case; the last node is for all others.
    Switch(Box<Node>, Vec<(&'static str, usize)>, Vec<Node>),
    Return(Box<Node>),
    /// Anything else.
    Other,
}

enum Change {
    Trim,
    Replace(String, String),
}

enum Constant {
    Unit,
    Boolean(bool),
    Number(Decimal),
    Text(String),
    Reason(Reason),
}

#[derive(Clone)]
enum Value<'v> {
    Unit,
    Boolean(bool),
    Number(Decimal),
    Text(Cow<'v, str>),
    Reason(Reason),
}

/// The longest text that rules are given here, and how often they may use one: far less work than a script may do.
const LONGEST_TEXT: usize = 256;
const TEXT_USES: u32 = 256;

/// A rule while it is evaluated.
struct Running<'v> {
    locals: Vec<Value<'v>>,
    text_uses: u32,
}

enum Stop<'v> {
    Return(Value<'v>),
    /// Only the script knows.
    GiveUp,
}

type Evaluated<'v> = Result<Value<'v>, Stop<'v>>;

impl Plain {
    /// Translates the statements of a function of one parameter.
    pub fn of(parameter: &str, statements: &[Stmt], known: &RuleContext<'_>) -> Self {
        Self(Translation { parameter, known, locals: Vec::new() }.statements(statements))
    }

    /// The rule's reason, or none, for a difference; `None` if only the script knows.
    pub fn answer(&self, d: &DifferenceContext<'_>) -> Option<Option<Reason>> {
        match self.0.value(d, &mut Running { locals: Vec::new(), text_uses: 0 }) {
            Ok(Value::Unit) | Err(Stop::Return(Value::Unit)) => Some(None),
            Ok(Value::Reason(reason)) | Err(Stop::Return(Value::Reason(reason))) => {
                Some(Some(reason))
            }
            _ => None,
        }
    }
}

struct Translation<'t> {
    parameter: &'t str,
    known: &'t RuleContext<'t>,
    /// The variables that are alive, and whether they are constants.
    locals: Vec<(String, bool)>,
}

impl Translation<'_> {
    fn block(&mut self, block: &StmtBlock) -> Node {
        self.statements(block.statements())
    }

    fn statements(&mut self, statements: &[Stmt]) -> Node {
        let before = self.locals.len();
        let nodes = statements.iter().map(|statement| self.statement(statement)).collect();
        self.locals.truncate(before);
        Node::Block(nodes)
    }

    fn statement(&mut self, statement: &Stmt) -> Node {
        match statement {
            Stmt::Noop(_) => Node::Constant(Constant::Unit),
            Stmt::Expr(expression) => self.expression(expression),
            Stmt::FnCall(call, position) => self.call(call, *position),
            Stmt::Block(block) => self.block(block),
            Stmt::If(flow, _) => Node::If(Box::new([
                self.expression(&flow.expr),
                self.block(&flow.body),
                self.block(&flow.branch),
            ])),
            Stmt::Switch(parts, _) => self.switch(&parts.0, &parts.1),
            Stmt::Var(parts, flags, _) => {
                let value = self.expression(&parts.1);
                self.locals.push((parts.0.name.to_string(), !flags.is_empty()));
                Node::Let(Box::new(value))
            }
            Stmt::Return(value, flags, _) if flags.is_empty() => {
                Node::Return(Box::new(match value {
                    Some(value) => self.expression(value),
                    None => Node::Constant(Constant::Unit),
                }))
            }
            _ => Node::Other,
        }
    }

    fn switch(&mut self, value: &Expr, cases: &SwitchCasesCollection) -> Node {
        let value = self.expression(value);
        let mut nodes = Vec::new();
        let mut by_name = Vec::new();
        for (hash, case) in &cases.cases {
            let Some(name) = self.known.switch_names.get(hash) else { continue };
            let node = match case.blocks.as_slice() {
                [at] => match cases.expressions.get(*at) {
                    Some(case) if matches!(case.lhs, Expr::BoolConstant(true, _)) => {
                        self.expression(&case.rhs)
                    }
                    _ => Node::Other,
                },
                _ => Node::Other,
            };
            by_name.push((*name, nodes.len()));
            nodes.push(node);
        }
        let default = cases.def_case.and_then(|at| cases.expressions.get(at));
        nodes.push(
            default.map_or(Node::Constant(Constant::Unit), |case| self.expression(&case.rhs)),
        );
        Node::Switch(Box::new(value), by_name, nodes)
    }

    fn expression(&mut self, expression: &Expr) -> Node {
        Node::Constant(match expression {
            Expr::Unit(_) => Constant::Unit,
            Expr::BoolConstant(value, _) => Constant::Boolean(*value),
            Expr::IntegerConstant(value, _) => Constant::Number((*value).into()),
            Expr::StringConstant(text, _) => Constant::Text(text.to_string()),
            Expr::DynamicConstant(value, _) => match value.as_decimal() {
                Ok(value) => Constant::Number(value),
                Err(_) => return Node::Other,
            },
            Expr::Variable(variable, _, _) => {
                return self.local(&variable.1).map_or(Node::Other, Node::Local);
            }
            Expr::Dot(parts, _, _) => return self.dot(&parts.lhs, &parts.rhs),
            Expr::FnCall(call, position) => return self.call(call, *position),
            Expr::And(parts, _) => {
                return Node::All(parts.iter().map(|part| self.expression(part)).collect());
            }
            Expr::Or(parts, _) => {
                return Node::Any(parts.iter().map(|part| self.expression(part)).collect());
            }
            Expr::Stmt(block) => return self.block(block),
            _ => return Node::Other,
        })
    }

    /// The place of the variable that has this name now.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|(known, _)| known == name)
    }

    /// A property of the difference, or a method of a variable.
    fn dot(&self, object: &Expr, name: &Expr) -> Node {
        let Expr::Variable(variable, _, _) = object else { return Node::Other };
        match (self.local(&variable.1), name) {
            (None, Expr::Property(name, _)) if variable.1 == self.parameter => {
                property(&name.2).map_or(Node::Other, Node::Read)
            }
            (Some(at), Expr::MethodCall(call, _)) if !self.locals[at].1 => {
                self.change(call).map_or(Node::Other, |change| Node::Change(at, change))
            }
            _ => Node::Other,
        }
    }

    /// What a method makes of a text, if it is one of those that rules use most.
    fn change(&self, call: &FnCallExpr) -> Option<Change> {
        if call.capture_parent_scope || (self.known.is_own)(&call.name) {
            return None;
        }
        match (call.name.as_str(), call.args.as_slice()) {
            ("trim", []) => Some(Change::Trim),
            ("replace", [Expr::StringConstant(from, _), Expr::StringConstant(to, _)]) => {
                Some(Change::Replace(from.to_string(), to.to_string()))
            }
            _ => None,
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: rhai::Position) -> Node {
        if call.op_token.is_none() {
            let [code, confidence] = call.args.as_slice() else { return Node::Other };
            let constants = (self.expression(code), self.expression(confidence));
            let (Node::Constant(Constant::Text(code)), Node::Constant(Constant::Number(value))) =
                constants
            else {
                return Node::Other;
            };
            let is_reason = call.name == "reason" && !call.capture_parent_scope;
            let reason = if is_reason { (self.known.reason)(&code, value, position) } else { None };
            return reason.map_or(Node::Other, |reason| Node::Constant(Constant::Reason(reason)));
        }
        let mut operands: Vec<Node> = call.args.iter().map(|part| self.expression(part)).collect();
        let compare: fn(Ordering) -> bool = match (call.name.as_str(), operands.len()) {
            ("!", 1) => return Node::Not(Box::new(operands.remove(0))),
            ("<", 2) => Ordering::is_lt,
            ("<=", 2) => Ordering::is_le,
            (">", 2) => Ordering::is_gt,
            (">=", 2) => Ordering::is_ge,
            ("==" | "!=", 2) => Ordering::is_eq,
            _ => return Node::Other,
        };
        let Ok(operands) = operands.try_into() else { return Node::Other };
        match call.name.as_str() {
            "==" => Node::Equal(true, Box::new(operands)),
            "!=" => Node::Equal(false, Box::new(operands)),
            _ => Node::Compare(compare, Box::new(operands)),
        }
    }
}

impl Node {
    fn value<'v>(
        &'v self,
        d: &'v DifferenceContext<'v>,
        running: &mut Running<'v>,
    ) -> Evaluated<'v> {
        Ok(match self {
            Self::Constant(constant) => match constant {
                Constant::Unit => Value::Unit,
                Constant::Boolean(value) => Value::Boolean(*value),
                Constant::Number(value) => Value::Number(*value),
                Constant::Text(text) => Value::Text(text.into()),
                Constant::Reason(reason) => Value::Reason(*reason),
            },
            Self::Local(at) => {
                let value = running.locals.get(*at).ok_or(Stop::GiveUp)?.clone();
                running.used(value)?
            }
            Self::Read(property) => running.used(read(property, d)?)?,
            Self::Compare(test, operands) => {
                let [left, right] = &**operands;
                match (left.value(d, running)?, right.value(d, running)?) {
                    (Value::Number(left), Value::Number(right)) => {
                        Value::Boolean(test(left.cmp(&right)))
                    }
                    _ => return Err(Stop::GiveUp),
                }
            }
            Self::Equal(equal, operands) => {
                let [left, right] = &**operands;
                let is_equal = match (left.value(d, running)?, right.value(d, running)?) {
                    (Value::Number(left), Value::Number(right)) => left == right,
                    (Value::Text(left), Value::Text(right)) => left == right,
                    _ => return Err(Stop::GiveUp),
                };
                Value::Boolean(is_equal == *equal)
            }
            Self::Not(node) => Value::Boolean(!node.is_true(d, running)?),
            Self::All(nodes) => {
                for node in nodes {
                    if !node.is_true(d, running)? {
                        return Ok(Value::Boolean(false));
                    }
                }
                Value::Boolean(true)
            }
            Self::Any(nodes) => {
                for node in nodes {
                    if node.is_true(d, running)? {
                        return Ok(Value::Boolean(true));
                    }
                }
                Value::Boolean(false)
            }
            Self::Let(node) => {
                let value = node.value(d, running)?;
                running.locals.push(value);
                Value::Unit
            }
            Self::Change(at, change) => {
                let slot = running.locals.get_mut(*at).ok_or(Stop::GiveUp)?;
                let Value::Text(text) = std::mem::replace(slot, Value::Unit) else {
                    return Err(Stop::GiveUp);
                };
                let changed = running.used(Value::Text(change.of(text)))?;
                if let Some(slot) = running.locals.get_mut(*at) {
                    *slot = changed;
                }
                Value::Unit
            }
            Self::Block(nodes) => {
                let before = running.locals.len();
                let mut last = Value::Unit;
                for node in nodes {
                    last = node.value(d, running)?;
                }
                running.locals.truncate(before);
                last
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let chosen = if condition.is_true(d, running)? { then } else { otherwise };
                chosen.value(d, running)?
            }
            Self::Switch(value, by_name, cases) => {
                let Value::Text(name) = value.value(d, running)? else { return Err(Stop::GiveUp) };
                // They are few.
                let at = match by_name.iter().find(|(known, _)| *known == name) {
                    Some((_, at)) => *at,
                    // Other names may have a case too.
                    None if names().any(|known| known == name) => cases.len().saturating_sub(1),
                    None => return Err(Stop::GiveUp),
                };
                cases.get(at).ok_or(Stop::GiveUp)?.value(d, running)?
            }
            Self::Return(node) => return Err(Stop::Return(node.value(d, running)?)),
            Self::Other => return Err(Stop::GiveUp),
        })
    }

    fn is_true<'v>(
        &'v self,
        d: &'v DifferenceContext<'v>,
        running: &mut Running<'v>,
    ) -> Result<bool, Stop<'v>> {
        match self.value(d, running)? {
            Value::Boolean(value) => Ok(value),
            _ => Err(Stop::GiveUp),
        }
    }
}

impl<'v> Running<'v> {
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

/// A property with a value that rules compare: a name, a number, a flag or a text.
fn read<'v>(property: &Property, d: &'v DifferenceContext<'v>) -> Evaluated<'v> {
    match property {
        Property::DiffType => return Ok(Value::Text(d.diff_type.name().into())),
        Property::Severity => return Ok(Value::Text(d.severity.name().into())),
        Property::Field => return Ok(Value::Text(d.field_name().into())),
        Property::TextA | Property::TextB | Property::Fields(_) => return Err(Stop::GiveUp),
        _ => {}
    }
    let number = match property.read(d, &mut [[0; 36]; 2]) {
        Ok(Cell::Boolean(value)) => return Ok(Value::Boolean(value)),
        Ok(Cell::Text(text) | Cell::Unparsed(text))
            if matches!(property, Property::A | Property::B) =>
        {
            return Ok(Value::Text(text.to_owned().into()));
        }
        Ok(Cell::Decimal(value)) => exact::from_domain(value),
        Ok(Cell::Integer(value)) => i64::try_from(value).ok().map(Decimal::from),
        _ => None,
    };
    number.map(Value::Number).ok_or(Stop::GiveUp)
}
