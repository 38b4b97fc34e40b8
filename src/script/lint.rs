//! Finds mistakes in scripts without running them: unknown functions, and unknown properties of a
//! difference.
//!
//! A finding matters only if it is reached, so it does not keep a script from running.

use std::any::TypeId;
use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, Stmt};

use super::difference::ScriptDifference;
use super::engine::line_and_column;
use super::{ColumnRead, ScriptSource, difference, engine};
use crate::diagnostic::{Code, Place, Problem, nearest};
use crate::domain::Decimal;

/// Rhai's keywords that look like functions, with any number of arguments.
const BUILT_IN: &[&str] =
    &["call", "curry", "Fn", "type_of", "is_def_var", "is_def_fn", "is_shared"];
/// Functions only for rules.
const OF_RULES: &[(&str, usize)] = &[("reason", 2), ("note", 1)];
const GETTER: &str = "get$";

/// Every finding in the script, in no order.
pub(super) fn findings(ast: &AST, source: &ScriptSource) -> Vec<Problem> {
    let mut engine = engine::build();
    difference::register(&mut engine);
    let known = AllowedNames::of(&engine, ast);
    let rules: Vec<(&str, Position, Position)> = ast
        .iter_fn_def()
        .filter(|function| function.name.starts_with("attribute") && function.params.len() == 1)
        .filter_map(|function| {
            let body = &function.body;
            Some((function.params.first()?.as_str(), body.start_position(), body.end_position()))
        })
        .collect();
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let finding = match path.last() {
            Some(
                ASTNode::Expr(Expr::FnCall(call, position))
                | ASTNode::Stmt(Stmt::FnCall(call, position)),
            ) => known
                .call(call, false)
                .map(|problem| (problem, *position))
                .or_else(|| confidence(call)),
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                known.call(call, true).map(|problem| (problem, *position))
            }
            Some(ASTNode::Expr(Expr::Dot(pair, ..))) => match (&pair.lhs, property(&pair.rhs)) {
                (Expr::Variable(variable, _, at), Some((name, position)))
                    if rules.iter().any(|(parameter, begin, end)| {
                        *parameter == variable.1.as_str() && begin <= at && at <= end
                    }) =>
                {
                    known.property(name).map(|problem| (problem, position))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some((problem, position)) = finding {
            let (line, column) = line_and_column(position);
            let problem = problem.at(source.place(line, column));
            if !found.contains(&problem) {
                found.push(problem);
            }
        }
        true
    });
    found
}

/// The columns that functions ask their first parameter for.
pub(super) fn columns(ast: &AST, source: &ScriptSource) -> Vec<ColumnRead> {
    let functions: Vec<_> = ast
        .iter_fn_def()
        .filter_map(|function| {
            let body = &function.body;
            let parameter = function.params.first()?.as_str();
            Some((function.name.as_str(), parameter, body.start_position(), body.end_position()))
        })
        .collect();
    let mut reads: Vec<ColumnRead> = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let pair = match path.last() {
            Some(ASTNode::Expr(Expr::Dot(pair, ..) | Expr::Index(pair, ..))) => pair,
            _ => return true,
        };
        let Expr::Variable(variable, _, at) = &pair.lhs else { return true };
        let function = functions.iter().find(|(_, parameter, begin, end)| {
            *parameter == variable.1.as_str() && begin <= at && at <= end
        });
        if let (Some((function, ..)), Some((column, position))) = (function, column(&pair.rhs)) {
            let (line, number) = line_and_column(position);
            let place = source.place(line, number);
            let place = Place { text: column.to_owned(), ..place };
            let read =
                ColumnRead { function: (*function).to_owned(), column: column.to_owned(), place };
            if !reads.contains(&read) {
                reads.push(read);
            }
        }
        true
    });
    reads
}

/// The column behind `raw.` or in `raw[…]`.
fn column(behind: &Expr) -> Option<(&str, Position)> {
    match behind {
        Expr::Property(names, position) => Some((names.2.as_str(), *position)),
        Expr::StringConstant(name, position) => Some((name.as_str(), *position)),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => column(&pair.lhs),
        _ => None,
    }
}

/// Every property and text in the script.
pub(super) fn mentions(ast: &AST) -> BTreeSet<String> {
    let mut mentions = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Property(names, _))) => {
                mentions.insert(names.2.to_string());
            }
            Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                mentions.insert(text.to_string());
            }
            _ => {}
        }
        true
    });
    mentions
}

/// A confidence outside 0 to 1, where it is written as a number.
fn confidence(call: &FnCallExpr) -> Option<(Problem, Position)> {
    let [_, confidence] = call.args.as_slice() else { return None };
    if call.name != "reason" {
        return None;
    }
    let text = number(confidence)?;
    let value: Decimal = text.parse().ok()?;
    let one = Decimal::new(1, 0)?;
    if (Decimal::ZERO..=one).contains(&value) {
        return None;
    }
    let problem =
        Problem::new(Code::ConfidenceRange, format!("a confidence is between 0 and 1, not {text}"))
            .help("90 % is written `0.9`");
    Some((problem, confidence.position()))
}

fn number(expression: &Expr) -> Option<String> {
    match expression {
        Expr::IntegerConstant(number, _) => Some(number.to_string()),
        Expr::DynamicConstant(value, _) => Some(value.to_string()),
        Expr::FnCall(call, _) if call.name == "-" && call.args.len() == 1 => {
            Some(format!("-{}", number(call.args.first()?)?))
        }
        _ => None,
    }
}

/// The property that is asked for first: `d.record_a.amount` asks `d` for `record_a`.
fn property(behind_the_dot: &Expr) -> Option<(&str, Position)> {
    match behind_the_dot {
        Expr::Property(names, position) => Some((names.2.as_str(), *position)),
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => property(&pair.lhs),
        _ => None,
    }
}

/// The functions and properties that a script may use.
struct AllowedNames {
    functions: BTreeSet<(String, usize)>,
    properties: BTreeSet<String>,
}

impl AllowedNames {
    fn of(engine: &Engine, ast: &AST) -> Self {
        let registered = engine.collect_fn_metadata(
            None,
            |function| Some((function.metadata.name.to_string(), function.metadata.num_params)),
            true,
        );
        let functions = registered.into_iter().filter(|(name, _)| !name.starts_with(GETTER));
        let of_difference = TypeId::of::<ScriptDifference>();
        let properties = engine.collect_fn_metadata(
            None,
            |function| {
                let name = function.metadata.name.strip_prefix(GETTER)?;
                let of = function.metadata.param_types.first()?;
                (*of == of_difference).then(|| name.to_owned())
            },
            true,
        );
        let of_rules = OF_RULES.iter().map(|(name, arity)| ((*name).to_owned(), *arity));
        let declared =
            ast.iter_fn_def().map(|function| (function.name.to_string(), function.params.len()));
        Self {
            functions: functions.chain(of_rules).chain(declared).collect(),
            properties: properties.into_iter().collect(),
        }
    }

    /// Checks a call. In a method call, the value before the dot is the first argument of a
    /// function of recon, and `this` in a function of the script.
    fn call(&self, call: &FnCallExpr, is_method: bool) -> Option<Problem> {
        let name = call.name.as_str();
        let is_name = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if call.op_token.is_some() || !is_name || name.contains('$') || BUILT_IN.contains(&name) {
            return None;
        }
        let given = call.args.len();
        let all = given + usize::from(is_method);
        let has = |arity| self.functions.contains(&(name.to_owned(), arity));
        if has(all) || has(given) {
            return None;
        }
        let arities: Vec<String> = self
            .functions
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, arity)| arity.to_string())
            .collect();
        if !arities.is_empty() {
            let takes = arities.join(" or ");
            let message = format!("`{name}` takes {takes} arguments, here it is given {all}");
            return Some(Problem::new(Code::UnknownFunction, message));
        }
        let problem = Problem::new(Code::UnknownFunction, format!("there is no function `{name}`"));
        let names = self.functions.iter().map(|(name, _)| name.as_str());
        let words = names.filter(|name| name.starts_with(|first: char| first.is_alphabetic()));
        Some(match nearest(name, words) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem,
        })
    }

    fn property(&self, name: &str) -> Option<Problem> {
        if self.properties.contains(name) {
            return None;
        }
        let message = format!("a difference has no property `{name}`");
        let problem = Problem::new(Code::UnknownProperty, message);
        Some(match nearest(name, self.properties.iter().map(String::as_str)) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => {
                let all: Vec<&str> = self.properties.iter().map(String::as_str).collect();
                problem.help(format!(
                    "it has {}; fields are in `record_a` and `record_b`",
                    all.join(", ")
                ))
            }
        })
    }
}
