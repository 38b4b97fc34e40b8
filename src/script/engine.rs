//! The engine: its limits, disabled features, and the translation of its errors.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::packages::{
    BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicStringPackage,
    LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    AST, ASTNode, Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, FnAccess,
    GlobalRuntimeState, LexError, OptimizationLevel, ParseErrorType, Position, Scope,
    ScriptFuncDef, Stmt, Token,
};

use super::plain::{self, Plain, ScriptFunction, SwitchNames};
use super::source::{FunctionInfo, ScriptOutline};
use super::{ScriptError, ScriptSource, dates, exact, functions, lint, work};
use crate::diagnostic::{Code, Place, Problem};

/// How many operations one call of a function may take: a few hundredths of a second.
pub(super) const MAX_OPERATIONS: u64 = 200_000;
/// How deep functions may call each other.
const MAX_CALL_LEVELS: usize = 32;
/// Maximum nesting of expressions and blocks.
const MAX_EXPRESSION_DEPTH: usize = 48;
/// The longest text, in bytes; the texts in an array or a map count together.
pub(super) const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The most elements in an array.
const MAX_ARRAY_ELEMENTS: usize = 5_000;
/// The most entries in a map. Rhai looks when the map is used in a call, not at `m[key] = value`; there
/// [`work`] is the limit.
const MAX_MAP_ENTRIES: usize = 5_000;
/// The most variables alive at a time.
const MAX_VARIABLES: usize = 256;
/// The most functions in a script.
const MAX_FUNCTIONS: usize = 500;

/// The result of whatever Rhai does. Its error is boxed by Rhai.
pub(super) type CallResult<T> = Result<T, Box<EvalAltResult>>;

/// An engine with only the functions that scripts may use.
///
/// The packages are chosen one by one. Left out are the language core (`sleep`, `exit`,
/// `parse_json`, reflection), the time, blobs and bit fields, and Rhai's own arithmetic and math,
/// which round without a word; [`exact`] and [`functions`] stand in for them.
pub(super) fn build() -> Engine {
    let mut engine = Engine::new_raw();
    LogicPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    exact::register(&mut engine);
    functions::register(&mut engine);
    dates::register(&mut engine);
    work::register(&mut engine);

    engine
        .set_max_operations(MAX_OPERATIONS)
        .set_max_call_levels(MAX_CALL_LEVELS)
        .set_max_expr_depths(MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_DEPTH)
        .set_max_string_size(MAX_TEXT_BYTES)
        .set_max_array_size(MAX_ARRAY_ELEMENTS)
        .set_max_map_size(MAX_MAP_ENTRIES)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_strings_interned(32)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // Else `+` on two decimals never asks for ours, and rounds.
        .set_fast_operators(false)
        .set_optimization_level(OptimizationLevel::Simple);
    for symbol in ["eval", "print", "debug"] {
        engine.disable_symbol(symbol);
    }
    engine
}

/// Watches the parser's tokens to check literals and keep the positions of function names, which
/// the syntax tree lacks.
fn watch_tokens(engine: &mut Engine) -> (Rc<RefCell<Vec<Position>>>, Rc<RefCell<Read>>) {
    let names = Rc::new(RefCell::new(Vec::new()));
    let read = Rc::new(RefCell::new(Read::default()));
    let (seen, reader) = (Rc::clone(&names), Rc::clone(&read));
    let after_fn = RefCell::new(false);
    #[expect(
        deprecated,
        reason = "marked so because it may change with Rhai, not because it is old"
    )]
    engine.on_parse_token(move |token, position, _| {
        let named = after_fn.replace(matches!(token, Token::Fn));
        reader.borrow_mut().add(&token, position);
        match token {
            Token::Identifier(_) if named => seen.borrow_mut().push(position),
            Token::DecimalConstant(ref constant) if !exact::is_literal_exact(constant) => {
                let message = format!("the number {} has more than 28 digits", constant.1);
                return Token::LexError(
                    LexError::ImproperSymbol(constant.1.to_string(), message).into(),
                );
            }
            _ => {}
        }
        token
    });
    (names, read)
}

/// What the parser has read when it can't go on.
#[derive(Default)]
struct Read {
    /// The brackets that are open, with their places.
    open: Vec<(Token, Position)>,
    /// The last token, and the one before.
    last: Option<(Token, Position)>,
    before: Option<(Token, Position)>,
}

impl Read {
    fn add(&mut self, token: &Token, position: Position) {
        self.before = self.last.replace((token.clone(), position));
        match token {
            Token::LeftBrace | Token::MapStart | Token::LeftParen | Token::LeftBracket => {
                self.open.push((token.clone(), position));
            }
            // One that closes another bracket leaves the last one open.
            Token::RightBrace | Token::RightParen | Token::RightBracket => {
                self.open.pop_if(|(bracket, _)| closing(bracket) == *token);
            }
            _ => {}
        }
    }

    /// The token at which the parser stopped; none at the end of the file, which is no token.
    fn at(&self, position: Position) -> Option<&Token> {
        let read = self.last.iter().chain(&self.before);
        let mut at = read.filter(|(_, place)| *place == position);
        at.next().map(|(token, _)| token)
    }
}

/// The token that closes a bracket.
const fn closing(bracket: &Token) -> Token {
    match bracket {
        Token::LeftParen => Token::RightParen,
        Token::LeftBracket => Token::RightBracket,
        _ => Token::RightBrace,
    }
}

/// A parser notices an unclosed bracket where it can't go on: at the end of the file, at the next function, or where
/// it misses the closing one. The problem is where the bracket was opened, so that is where it is reported.
fn unclosed(source: &ScriptSource, error: &rhai::ParseError, read: &Read) -> Option<Problem> {
    let (bracket, opened) = read.open.last()?;
    let (line, column) = line_and_column(*opened);
    let noticed = error.1.line().unwrap_or(usize::MAX) as u64;
    let closing = closing(bracket);
    let closing = closing.literal_syntax();
    let stopped_at = read.at(error.1);
    let can_be_that = match &*error.0 {
        ParseErrorType::UnexpectedEOF | ParseErrorType::WrongFnDefinition => true,
        ParseErrorType::MissingToken(wanted, _) if wanted == closing => true,
        ParseErrorType::MissingToken(..)
        | ParseErrorType::MissingSymbol(..)
        | ParseErrorType::ExprExpected(..)
        | ParseErrorType::BadInput(LexError::UnexpectedInput(_)) => match stopped_at {
            None | Some(Token::Fn | Token::Private) => true,
            // Neither ends a statement or a block within these brackets.
            Some(Token::SemiColon | Token::RightBrace) => {
                matches!(bracket, Token::LeftParen | Token::LeftBracket)
            }
            Some(_) => false,
        },
        _ => false,
    };
    let is_below = noticed > line;
    if !can_be_that || !(is_below || stopped_at.is_none()) {
        return None;
    }
    let bracket = bracket.literal_syntax();
    let place = source.place(line, column);
    let problem = Problem::new(Code::ScriptSyntax, format!("this `{bracket}` is not closed"));
    let help = match error.1.line() {
        Some(_) if is_below => format!("add the missing `{closing}` before line {noticed}"),
        _ => format!("add the missing `{closing}`"),
    };
    Some(problem.at(Place { text: bracket.to_owned(), ..place }).help(help))
}

/// A parser notices a missing `;` at the next statement, often a line below.
fn unended(source: &ScriptSource, error: &rhai::ParseError, read: &Read) -> Option<Problem> {
    match &*error.0 {
        ParseErrorType::MissingToken(wanted, _) if wanted == Token::SemiColon.literal_syntax() => {}
        _ => return None,
    }
    let (_, ends) = read.before.as_ref()?;
    let (line, column) = line_and_column(*ends);
    let (noticed, _) = line_and_column(error.1);
    let problem = Problem::new(Code::ScriptSyntax, "a `;` is missing at the end of this statement");
    let help = if noticed > line {
        format!("end it with `;` before line {noticed}, where the next one begins")
    } else {
        "write `;` between two statements".to_owned()
    };
    Some(problem.at(source.place(line, column)).help(help))
}

fn syntax_problem(source: &ScriptSource, error: &rhai::ParseError) -> Problem {
    let (line, column) = line_and_column(error.1);
    let problem = Problem::new(Code::ScriptSyntax, error.0.to_string());
    let problem = match &*error.0 {
        ParseErrorType::Reserved(word)
        | ParseErrorType::BadInput(LexError::ImproperSymbol(word, _)) => match word.as_str() {
            "print" | "debug" => problem.help("use note(\"…\") to add a sentence"),
            "eval" | "import" => problem.help("a script stands alone: no `eval`, no `import`"),
            _ => problem,
        },
        ParseErrorType::VariableUndefined(_) => problem
            .help("a function sees its parameters and its own variables, nothing from outside"),
        _ => problem,
    };
    problem.at(source.place(line, column))
}

/// True if a line begins a function. Any other file may contain secrets and is not quoted in messages.
fn looks_like_a_script(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        let line = line.strip_prefix("private").map_or(line, str::trim_start);
        line.strip_prefix("fn").is_some_and(|rest| rest.starts_with([' ', '\t']))
    })
}

fn no_script(source: &ScriptSource) -> Problem {
    Problem::new(Code::NoScript, "this file is not a script: it declares no function")
        .help("a script is a file of functions, `fn attribute_rounding(d) { … }`")
        .in_file(source.path())
}

/// The declarations of a script, or all its syntax errors.
pub(super) fn outline(source: &ScriptSource) -> Result<ScriptOutline, Vec<Problem>> {
    let mut engine = build();
    // The optimizer would drop unreachable branches, which are checked too.
    engine.set_optimization_level(OptimizationLevel::None);
    let (names, read) = watch_tokens(&mut engine);
    let ast = engine.compile(source.text()).map_err(|error| {
        vec![if looks_like_a_script(source.text()) {
            let read = read.borrow();
            unclosed(source, &error, &read)
                .or_else(|| unended(source, &error, &read))
                .unwrap_or_else(|| syntax_problem(source, &error))
        } else {
            no_script(source)
        }]
    })?;

    let mut definitions: Vec<_> =
        ast.iter_fn_def().filter(|function| !function.name.starts_with("anon$")).collect();
    // Rhai iterates functions by hash; sort them by position.
    definitions.sort_by_key(|function| function.body.start_position());
    let functions = definitions
        .into_iter()
        .zip(names.take())
        .map(|(function, position)| {
            let (line, column) = line_and_column(position);
            FunctionInfo {
                name: function.name.to_string(),
                arity: function.params.len(),
                private: function.access == FnAccess::Private,
                line,
                column,
            }
        })
        .collect();

    if let Some(statement) = ast.statements().iter().find(|statement| !statement.is_noop()) {
        if !looks_like_a_script(source.text()) {
            return Err(vec![no_script(source)]);
        }
        let (line, column) = line_and_column(statement.position());
        return Err(vec![
            Problem::new(Code::ScriptStatement, "this statement is outside of a function")
                .help("only functions are called; give a table as a function that returns it")
                .at(source.place(line, column)),
        ]);
    }
    let findings = lint::findings(&ast, source);
    Ok(ScriptOutline {
        functions,
        reasons: reason_literals(&ast, source),
        columns: lint::columns(&ast, source),
        mentions: lint::mentions(&ast),
        findings,
    })
}

/// The string literals given to `reason`, with their places.
fn reason_literals(ast: &AST, source: &ScriptSource) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        let call = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _))) => call,
            Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => call,
            _ => return true,
        };
        if call.name == "reason"
            && let Some(Expr::StringConstant(code, position)) = call.args.first()
        {
            let (line, column) = line_and_column(*position);
            let found_before = found
                .iter()
                .any(|(_, place): &(String, Place)| place.line == line && place.column == column);
            if !found_before {
                found.push((code.to_string(), source.place(line, column)));
            }
        }
        true
    });
    found.sort_by_key(|(_, place)| (place.line, place.column));
    found
}

/// Rhai's position as line and column from 1; 0 if unknown.
pub(super) fn line_and_column(position: Position) -> (u64, u64) {
    let number = |part: Option<usize>| part.map_or(0, |part| part as u64);
    // Rhai gives an empty line the column 0.
    match position.line() {
        Some(line) => (line as u64, number(position.position()).max(1)),
        None => (0, 0),
    }
}

/// A compiled script, prepared for running it again and again: which function a call means is looked up once, not at
/// every call (that lookup is most of the cost of a short function).
pub(super) struct Program {
    engine: Engine,
    global: GlobalRuntimeState,
    caches: Caches,
    source: ScriptSource,
    outline: ScriptOutline,
}

impl Program {
    /// Compiles `source` with an engine made by [`build`], perhaps with more functions.
    pub(super) fn compile(mut engine: Engine, source: &ScriptSource) -> Result<Self, Problem> {
        let outline = source.check().map_err(|mut problems| problems.remove(0))?;
        dates::register_batch_date(&mut engine, source.batch_date());
        dates::register_calendars(&mut engine, source.calendars());
        watch_tokens(&mut engine);
        let mut ast =
            engine.compile(source.text()).map_err(|error| syntax_problem(source, &error))?;
        ast.clear_statements();
        let mut global = engine.new_global_runtime_state();
        global.lib.push(ast.shared_lib().clone());
        Ok(Self { engine, global, caches: Caches::new(), source: source.clone(), outline })
    }

    pub(super) fn outline(&self) -> &ScriptOutline {
        &self.outline
    }

    /// Calls a function of the script. `arguments` makes the arguments, once more if the call
    /// fails in a way that hides its place.
    pub(super) fn call<const N: usize>(
        &mut self,
        function: &str,
        arguments: impl Fn() -> [Dynamic; N],
    ) -> Result<Dynamic, ScriptError> {
        work::begin();
        // Remains of a failed call.
        self.global.num_operations = 0;
        self.global.level = 0;
        self.global.scope_level = 0;
        self.global.lib.truncate(1);
        let mut scope = Scope::new();
        let mut context =
            EvalContext::new(&self.engine, &mut self.global, &mut self.caches, &mut scope, None);
        let mut given = arguments();
        context
            .call_fn_raw(function, false, false, &mut given.each_mut())
            .map_err(|error| self.error(function, *error, arguments()))
    }

    /// The functions as far as they are plain. `codes` are the declared reason codes.
    pub(super) fn plain(&self, codes: &[String]) -> Plain {
        let own: Vec<&str> =
            self.outline.functions.iter().map(|function| function.name.as_str()).collect();
        Plain::of(&self.without_closures(), &own, codes, &self.switch_names())
    }

    /// The functions that have no closures.
    fn without_closures(&self) -> Vec<ScriptFunction> {
        let Some(library) = self.global.lib.first() else { return Vec::new() };
        let ast = AST::new_from_module(library.clone());
        // Rhai gives the bodies of functions as the statements of the whole script.
        let mut statements = Vec::new();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        if statements.iter().any(|statement| statement.position().is_none()) {
            return Vec::new();
        }
        let bodies = || {
            let body = |body: &ScriptFuncDef| body.body.start_position()..=body.body.end_position();
            ast.iter_fn_def().map(move |function| (function, body(function)))
        };
        let without = bodies().filter(|(_, body)| {
            bodies().filter(|(_, other)| body.contains(other.start())).count() == 1
        });
        without
            .map(|(function, body)| ScriptFunction {
                name: function.name.to_string(),
                parameters: function.params.iter().map(ToString::to_string).collect(),
                statements: statements
                    .iter()
                    .filter(|statement| body.contains(&statement.position()))
                    .cloned()
                    .collect(),
            })
            .collect()
    }

    /// The names by the hashes under which a `switch` keeps them.
    fn switch_names(&self) -> SwitchNames {
        let mut text = "fn at(name) { switch name {".to_owned();
        for (at, name) in plain::names().enumerate() {
            text.push_str(&format!("\"{name}\" => {at},"));
        }
        text.push_str("} }");
        let mut names = SwitchNames::new();
        let Ok(ast) = self.engine.compile(text) else { return names };
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Stmt(Stmt::Switch(parts, _))) = path.last() {
                for (hash, case) in &parts.1.cases {
                    let case = case.blocks.first().and_then(|at| parts.1.expressions.get(*at));
                    if let Some(Expr::IntegerConstant(at, _)) = case.map(|case| &case.rhs)
                        && let Some(name) =
                            plain::names().nth(usize::try_from(*at).unwrap_or(usize::MAX))
                    {
                        names.insert(*hash, name);
                    }
                }
            }
            true
        });
        names
    }

    /// A failed call in our words.
    fn error<const N: usize>(
        &self,
        function: &str,
        error: EvalAltResult,
        arguments: [Dynamic; N],
    ) -> ScriptError {
        let (inner, error) = innermost(error);
        let mut position = error.position();
        if position.is_none() && error.is_system_exception() {
            position = self.locate(function, arguments).unwrap_or(position);
        }
        let (line, column) = line_and_column(position);
        let ran_out = matches!(
            error,
            EvalAltResult::ErrorTooManyOperations(_) | EvalAltResult::ErrorTerminated(..)
        );
        let mut message = explain(error);
        if let Some(inner) = inner.filter(|inner| inner != function) {
            message = format!("{message} (in `{inner}`, which it calls)");
        }
        let place = match line {
            0 => self.declaration(function),
            _ => self.source.place(line, column),
        };
        ScriptError {
            function: function.into(),
            place,
            // An error thrown by a script can contain anything; text in PostgreSQL cannot contain NUL.
            message: message.replace('\0', "\u{fffd}").into(),
            subject: None,
            ran_out,
        }
    }

    /// The position where a call hits a limit. Rhai gives the position of the call, and ours has
    /// none, so the function's body runs again outside of a function.
    fn locate<const N: usize>(&self, function: &str, arguments: [Dynamic; N]) -> Option<Position> {
        let library = self.global.lib.first()?;
        // Reset the budget, which the first call used up.
        work::begin();
        let ast = AST::new_from_module(library.clone());
        let definition = ast
            .iter_fn_def()
            .find(|definition| definition.name == function && definition.params.len() == N)?;
        let body = definition.body.start_position()..=definition.body.end_position();
        // The statements of a closure can't be told from those around it.
        let has_closure = ast.iter_fn_def().any(|other| {
            let start = other.body.start_position();
            other.name.starts_with("anon$") && (start.is_none() || body.contains(&start))
        });
        if has_closure {
            return None;
        }
        let mut statements = Vec::new();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            if let [ASTNode::Stmt(statement)] = path
                && body.contains(&statement.position())
            {
                statements.push((*statement).clone());
            }
            true
        });
        let mut scope = Scope::new();
        for (name, value) in definition.params.iter().zip(arguments) {
            scope.push_dynamic(name.clone(), value);
        }
        let body = AST::new(statements, library.clone());
        let error = self.engine.eval_ast_with_scope::<Dynamic>(&mut scope, &body).err()?;
        Some(error.position())
    }

    /// Where a function is declared.
    fn declaration(&self, function: &str) -> Place {
        let info = self.outline.functions.iter().find(|info| info.name == function);
        let (line, column) = info.map_or((0, 0), |info| (info.line, info.column));
        self.source.place(line, column)
    }

    /// A complaint about a function's result.
    pub(super) fn wrong_result(
        &self,
        function: &str,
        result: &Dynamic,
        expected: &str,
    ) -> ScriptError {
        ScriptError {
            function: function.into(),
            place: self.declaration(function),
            message: format!("it returned {}, expected {expected}", name_of(result)).into(),
            subject: None,
            ran_out: false,
        }
    }
}

/// The innermost error that has a place, and the function that raised it.
fn innermost(mut error: EvalAltResult) -> (Option<String>, EvalAltResult) {
    let mut function = None;
    loop {
        match error {
            EvalAltResult::ErrorInFunctionCall(name, _, mut inner, position) => {
                if inner.position().is_none() {
                    inner.set_position(position);
                }
                if !name.starts_with("anon$") {
                    function = Some(name);
                }
                error = *inner;
            }
            other => return (function, other),
        }
    }
}

fn too_many_operations() -> String {
    format!(
        "it took more than {MAX_OPERATIONS} operations, where long texts and large arrays count for \
         more: does a loop never end?"
    )
}

/// The error's message without its position and without terms of Rust.
fn explain(mut error: EvalAltResult) -> String {
    let _ = error.take_position();
    match error {
        EvalAltResult::ErrorTooManyOperations(_) => too_many_operations(),
        EvalAltResult::ErrorTerminated(by_work, _) if by_work.is_bool() => too_many_operations(),
        EvalAltResult::ErrorTerminated(..) => {
            "it took more than 2 seconds of processor time: does a loop never end?".to_owned()
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            format!("functions call each other more than {MAX_CALL_LEVELS} levels deep")
        }
        EvalAltResult::ErrorTooManyVariables(_) => {
            format!("more than {MAX_VARIABLES} variables are alive at a time")
        }
        EvalAltResult::ErrorDataTooLarge(..) => format!(
            "a value is too large (a text has at most {MAX_TEXT_BYTES} bytes, an array \
             {MAX_ARRAY_ELEMENTS} elements, a map {MAX_MAP_ENTRIES} entries; they may be nested {} \
             levels deep)",
            work::MAX_DEPTH
        ),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            format!("there is no function {}", plain_types(&signature))
        }
        EvalAltResult::ErrorRuntime(value, _) if value.is_string() => value.to_string(),
        EvalAltResult::ErrorArithmetic(message, _) => message,
        other => plain_types(&other.to_string()),
    }
}

/// Rhai's type names in plain words.
fn plain_types(message: &str) -> String {
    let mut message = message.to_owned();
    for (rust, plain) in [
        ("&str | ImmutableString | String", "text"),
        ("&str | ImmutableString", "text"),
        ("string", "text"),
        ("i64", "integer"),
        ("rust_decimal::decimal::Decimal", "decimal"),
    ] {
        message = message.replace(rust, plain);
    }
    message
}

/// The type of a value, for messages.
pub(super) fn name_of(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "()"
    } else if value.is_string() {
        "a text"
    } else if value.is_bool() {
        "true or false"
    } else if value.is_int() {
        "an integer"
    } else if value.is_decimal() {
        "a decimal"
    } else if value.is_map() {
        "a map"
    } else if value.is_array() {
        "an array"
    } else {
        "something else"
    }
}
