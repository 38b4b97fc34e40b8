//! From the syntax tree of a script to nodes.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;

use rhai::{
    ASTFlags, Dynamic, Expr, FnCallExpr, ImmutableString, Stmt, StmtBlock, SwitchCasesCollection,
};

use super::native::Native;
use super::{Change, Constant, Items, Node, Plain, ScriptNode};
use crate::domain::Side;
use crate::script::difference::{Property, property};
use crate::script::engine::line_and_column;

/// A function of a script without closures.
pub(in crate::script) struct ScriptFunction {
    pub name: String,
    pub parameters: Vec<String>,
    pub statements: Vec<Stmt>,
}

/// Where a `switch` has the names that differences have, by Rhai's hashes.
pub(in crate::script) type SwitchNames = HashMap<u64, &'static str>;

impl Plain {
    /// Translates these functions. `own` are the names of all functions of the script, `codes` the declared reason codes.
    pub(in crate::script) fn of(
        functions: &[ScriptFunction],
        own: &[&str],
        codes: &[String],
        switch_names: &SwitchNames,
    ) -> Self {
        let known = Known { functions, own, switch_names };
        let translate = |function: &ScriptFunction| {
            let locals = function.parameters.iter().map(|name| (name.clone(), false)).collect();
            ScriptNode {
                name: function.name.clone(),
                arity: function.parameters.len(),
                body: Translation { known: &known, locals }.statements(&function.statements),
                passes: Cell::new(0),
            }
        };
        Self { functions: functions.iter().map(translate).collect(), codes: codes.to_vec() }
    }
}

struct Known<'k> {
    functions: &'k [ScriptFunction],
    own: &'k [&'k str],
    switch_names: &'k SwitchNames,
}

struct Translation<'t> {
    known: &'t Known<'t>,
    /// The variables that are alive, and whether they are constants.
    locals: Vec<(String, bool)>,
}

/// What stands before a point.
enum Object {
    /// A variable.
    Local(usize),
    /// The record of a side, of a variable that is the difference.
    Record(usize, Side),
    Value(Node),
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
            Stmt::For(parts, _) if parts.1.is_none() => {
                let Some(items) = self.items(&parts.2.expr) else { return Node::Other };
                self.locals.push((parts.0.name.to_string(), false));
                let body = self.block(&parts.2.body);
                self.locals.pop();
                Node::For(items, Box::new(body))
            }
            Stmt::BreakLoop(None, flags, _) => Node::Leave(flags.contains(ASTFlags::BREAK)),
            _ => Node::Other,
        }
    }

    /// What a loop goes through.
    fn items(&self, list: &Expr) -> Option<Items> {
        let Expr::Dot(parts, _, _) = list else { return constants(list).map(Items::Constants) };
        match (&parts.lhs, &parts.rhs) {
            (Expr::Variable(variable, _, _), Expr::Property(name, _)) => {
                match (self.local(&variable.1)?, property(&name.2)?) {
                    (at, Property::Fields(comparison)) => Some(Items::Fields(at, comparison)),
                    _ => None,
                }
            }
            _ => None,
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
        match expression {
            Expr::Variable(variable, _, _) => {
                self.local(&variable.1).map_or(Node::Other, Node::Local)
            }
            Expr::Dot(parts, _, _) => self.chain(&parts.lhs, &parts.rhs),
            Expr::FnCall(call, position) => self.call(call, *position),
            Expr::And(parts, _) => Node::All(self.expressions(parts)),
            Expr::Or(parts, _) => Node::Any(self.expressions(parts)),
            Expr::Stmt(block) => self.block(block),
            Expr::InterpolatedString(parts, _) => Node::Join(self.expressions(parts)),
            _ => {
                let value = expression.get_literal_value(None);
                let constant = value.as_ref().and_then(constant);
                constant.map_or(Node::Other, Node::Constant)
            }
        }
    }

    fn expressions(&mut self, expressions: &[Expr]) -> Vec<Node> {
        expressions.iter().map(|part| self.expression(part)).collect()
    }

    /// The place of the variable that has this name now.
    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|(known, _)| known == name)
    }

    /// Properties and methods behind a variable: `d.text_a.len()`.
    fn chain(&mut self, object: &Expr, rest: &Expr) -> Node {
        let Expr::Variable(variable, _, _) = object else { return Node::Other };
        let Some(at) = self.local(&variable.1) else { return Node::Other };
        let mut object = Object::Local(at);
        let mut rest = rest;
        loop {
            let (link, next) = match rest {
                Expr::Dot(parts, _, _) => (&parts.lhs, Some(&parts.rhs)),
                Expr::Index(parts, flags, _) => match (&parts.lhs, &parts.rhs) {
                    // Something behind the index.
                    (_, Expr::Dot(..) | Expr::Index(..)) if !flags.contains(ASTFlags::BREAK) => {
                        return Node::Other;
                    }
                    // A field of a record: `d.record_a["currency"]`.
                    (Expr::Property(side, _), name) => {
                        return match self.property(object, &side.2) {
                            Some(Object::Record(at, side)) => {
                                Node::Field(at, side, Box::new(self.expression(name)))
                            }
                            _ => Node::Other,
                        };
                    }
                    _ => return Node::Other,
                },
                _ => (rest, None),
            };
            let linked = match link {
                Expr::Property(name, _) => self.property(object, &name.2),
                Expr::MethodCall(call, _) => self.method(object, call).map(Object::Value),
                _ => None,
            };
            let Some(linked) = linked else { return Node::Other };
            object = linked;
            match next {
                Some(next) => rest = next,
                None => return object.node(),
            }
        }
    }

    #[expect(clippy::unused_self, reason = "it stands beside the methods")]
    fn property(&self, object: Object, name: &ImmutableString) -> Option<Object> {
        match object {
            Object::Local(at) => match name.as_str() {
                "record_a" => Some(Object::Record(at, Side::A)),
                "record_b" => Some(Object::Record(at, Side::B)),
                name => property(name).map(|property| Object::Value(Node::Read(at, property))),
            },
            Object::Record(at, side) => {
                let field = Property::RecordField(side, name.as_str().into());
                Some(Object::Value(Node::Read(at, field)))
            }
            Object::Value(_) => None,
        }
    }

    fn method(&mut self, object: Object, call: &FnCallExpr) -> Option<Node> {
        if call.capture_parent_scope || self.is_own(&call.name) {
            return None;
        }
        if let Object::Local(at) = object {
            let change = match (call.name.as_str(), call.args.as_slice()) {
                ("trim", []) => Some(Change::Trim),
                ("replace", [Expr::StringConstant(from, _), Expr::StringConstant(to, _)]) => {
                    Some(Change::Replace(from.to_string(), to.to_string()))
                }
                _ => None,
            };
            if let Some(change) = change {
                let is_constant = self.locals.get(at).is_none_or(|(_, constant)| *constant);
                return (!is_constant).then_some(Node::Change(at, change));
            }
        }
        if let (Object::Value(Node::Read(at, Property::Fields(comparison))), "len", []) =
            (&object, call.name.as_str(), call.args.as_slice())
        {
            return Some(Node::Count(*at, *comparison));
        }
        let native = Native::function(&call.name, call.args.len() + 1)?;
        let mut arguments = vec![object.node()];
        arguments.extend(self.expressions(&call.args));
        Some(Node::Native(native, arguments))
    }

    fn is_own(&self, name: &str) -> bool {
        self.known.own.contains(&name)
    }

    fn call(&mut self, call: &FnCallExpr, position: rhai::Position) -> Node {
        if call.capture_parent_scope {
            return Node::Other;
        }
        let name = call.name.as_str();
        if call.op_token.is_some() {
            return self.operator(name, &call.args);
        }
        if self.is_own(name) {
            let its = |function: &ScriptFunction| {
                function.name == name && function.parameters.len() == call.args.len()
            };
            return match self.known.functions.iter().position(its) {
                Some(at) => Node::Call(at, self.expressions(&call.args)),
                None => Node::Other,
            };
        }
        match (name, call.args.as_slice()) {
            ("reason", [code, confidence]) => {
                let parts = [self.expression(code), self.expression(confidence)];
                Node::Reason(Box::new(parts), line_and_column(position))
            }
            ("note", [text]) => Node::Note(Box::new(self.expression(text))),
            ("has_word", [text, words]) => match constants(words) {
                Some(words) => {
                    let text = Box::new(self.expression(text));
                    let word = |constant| match constant {
                        Constant::Text(word) => Some(word.to_lowercase()),
                        _ => None,
                    };
                    Node::HasWord(text, words.into_iter().filter_map(word).collect())
                }
                None => Node::Other,
            },
            // `value in list`; `part in text` is a native function.
            ("contains", [list, value]) if let Some(constants) = constants(list) => {
                Node::In(constants, Box::new(self.expression(value)))
            }
            (name, arguments) => match Native::function(name, arguments.len()) {
                Some(native) => Node::Native(native, self.expressions(arguments)),
                None => Node::Other,
            },
        }
    }

    fn operator(&mut self, sign: &str, operands: &[Expr]) -> Node {
        let compare: fn(Ordering) -> bool = match sign {
            "<" => Ordering::is_lt,
            "<=" => Ordering::is_le,
            ">" => Ordering::is_gt,
            ">=" => Ordering::is_ge,
            _ => Ordering::is_eq,
        };
        let mut nodes = self.expressions(operands);
        match (sign, nodes.len()) {
            ("!", 1) => Node::Not(Box::new(nodes.remove(0))),
            ("<" | "<=" | ">" | ">=" | "==" | "!=", 2) => {
                let Ok(nodes) = nodes.try_into() else { return Node::Other };
                match sign {
                    "==" => Node::Equal(true, Box::new(nodes)),
                    "!=" => Node::Equal(false, Box::new(nodes)),
                    _ => Node::Compare(compare, Box::new(nodes)),
                }
            }
            _ => Native::operator(sign, nodes.len())
                .map_or(Node::Other, |native| Node::Native(native, nodes)),
        }
    }
}

impl Object {
    fn node(self) -> Node {
        match self {
            Self::Local(at) => Node::Local(at),
            Self::Record(at, side) => Node::Read(at, Property::Record(side)),
            Self::Value(node) => node,
        }
    }
}

fn constant(value: &Dynamic) -> Option<Constant> {
    Some(if value.is_unit() {
        Constant::Unit
    } else if let Ok(value) = value.as_bool() {
        Constant::Boolean(value)
    } else if let Ok(value) = value.as_int() {
        Constant::Integer(value)
    } else if let Ok(value) = value.as_decimal() {
        Constant::Decimal(value)
    } else {
        Constant::Text(value.read_lock::<ImmutableString>()?.to_string())
    })
}

/// The elements of a list of constants.
fn constants(list: &Expr) -> Option<Vec<Constant>> {
    list.get_literal_value(None)?.read_lock::<rhai::Array>()?.iter().map(constant).collect()
}
