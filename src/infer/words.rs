//! Translations between the code words of both systems: functions of `rules/normalize.rhai`,
//! existing or new.

use std::fmt::Write as _;

use super::field::{FieldGuess, plain_steps};
use super::joined::Translation;
use crate::diagnostic::Problem;
use crate::domain::Side;
use crate::domain::unseen::{quoted, visible};
use crate::script::{NormalizeScript, ScriptSource};

const NORMALIZE_RULES: &str = include_str!("../../rules/normalize.rhai");

/// Functions that translate code words.
const FOR_WORDS: [&str; 3] = ["side", "yes_no", "currency_code"];

pub struct Shipped(NormalizeScript);

/// A function that translates one system's words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WordFunction {
    pub name: String,
    pub about: String,
    /// Words and their translations.
    pub words: Vec<(String, String)>,
}

impl Shipped {
    pub fn compile() -> Result<Self, Problem> {
        let source = ScriptSource::from_text("rules/normalize.rhai", NORMALIZE_RULES);
        NormalizeScript::compile(&source).map(Self)
    }

    fn call(&mut self, function: &str, word: &str) -> Option<String> {
        self.0.call_value(function, word).ok().flatten()
    }
}

/// Translates the words of a field to one spelling. Returns the steps, with the source that needs
/// each.
pub fn translate(
    field: &mut FieldGuess,
    words: &Translation,
    shipped: &mut Shipped,
    functions: &mut Vec<WordFunction>,
) -> Vec<(Option<Side>, String)> {
    for function in FOR_WORDS {
        let mut all = |agree: &dyn Fn(&mut Shipped, &str, &str) -> bool| {
            words.pairs.iter().all(|(a, b)| agree(shipped, a, b))
        };
        let sides: &[Side] = if all(&|shipped, a, b| is(shipped.call(function, b), a)) {
            &[Side::B]
        } else if all(&|shipped, a, b| is(shipped.call(function, a), b)) {
            &[Side::A]
        } else if all(&|shipped, a, b| {
            let both = (shipped.call(function, a), shipped.call(function, b));
            both.0.is_some() && both.0 == both.1
        }) {
            &[Side::A, Side::B]
        } else {
            continue;
        };
        for side in sides {
            field.source_normalize[*side] = plain_steps(&[function]);
        }
        let mut steps: Vec<(Option<Side>, String)> =
            sides.iter().map(|side| (Some(*side), function.to_owned())).collect();
        let mut as_written = |side: Side, word: &str| match sides.contains(&side) {
            true => shipped.call(function, word),
            false => Some(word.to_owned()),
        };
        let are_alike =
            words.pairs.iter().all(|(a, b)| as_written(Side::A, a) == as_written(Side::B, b));
        if !are_alike {
            field.normalize = plain_steps(&["trim", "upper"]);
            steps.push((None, "upper".to_owned()));
        }
        return steps;
    }
    // The longer words are more descriptive.
    let length = |of: fn(&(String, String)) -> &String| -> usize {
        words.pairs.iter().map(|pair| of(pair).len()).sum()
    };
    let side = if length(|pair| &pair.1) > length(|pair| &pair.0) { Side::A } else { Side::B };
    let name = function_name(&field.name, side);
    field.source_normalize[side] = plain_steps(&[&name]);
    let steps = vec![(Some(side), name.clone())];
    let words = words.pairs.iter().map(|(a, b)| match side {
        Side::A => (a.clone(), b.clone()),
        Side::B => (b.clone(), a.clone()),
    });
    functions.push(WordFunction::of_side(name, &field.name, side, words.collect()));
    steps
}

/// The name of the function that translates a field of one side. Rhai names are ASCII.
pub fn function_name(field: &str, side: Side) -> String {
    let plain: String =
        field.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{}_of_{}", plain.trim_start_matches('_'), side.letter())
}

fn is(result: Option<String>, word: &str) -> bool {
    result.is_some_and(|result| result.to_uppercase() == word.to_uppercase())
}

impl WordFunction {
    /// Translates the words of a side for a field to those of the other side.
    pub fn of_side(name: String, field: &str, side: Side, words: Vec<(String, String)>) -> Self {
        let about = format!(
            "Translates the words of source {side} for `{field}` to those of the other source."
        );
        Self { name, about, words }
    }

    pub fn code(&self) -> String {
        let mut code = format!(
            "\n/// {}\nfn {}(v) {{\n    v.trim();\n    switch v {{\n",
            visible(&self.about),
            self.name
        );
        for (from, to) in &self.words {
            let _ = writeln!(code, "        {} => {},", quoted(from), quoted(to));
        }
        code.push_str("        _ => v\n    }\n}\n");
        code
    }
}

/// `rules/normalize.rhai` with these functions. Fails only if a generated function does not
/// compile, which would be a bug.
pub fn script(functions: &[WordFunction]) -> Result<String, Problem> {
    let mut script = NORMALIZE_RULES.to_owned();
    for function in functions {
        script.push_str(&function.code());
    }
    NormalizeScript::compile(&ScriptSource::from_text("rules/normalize.rhai", script.as_str()))?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_function_compiles_and_translates() {
        let function = WordFunction {
            name: "status_of_b".into(),
            about: "Words.".into(),
            words: vec![
                ("S".into(), "SETTLED".into()),
                ("\\\"x\"".into(), "OPEN".into()),
                ("\u{202e}a\u{e0001}".into(), "\u{2028}".into()),
            ],
        };
        let text = script(&[function]).unwrap();
        assert!(text.contains(r#""\u202Ea\U000E0001" => "\u2028""#), "{text}");
        let source = ScriptSource::from_text("x.rhai", text);
        let mut compiled = NormalizeScript::compile(&source).unwrap();
        let mut call = |word: &str| compiled.call_value("status_of_b", word).unwrap();
        assert_eq!(call(" S ").as_deref(), Some("SETTLED"));
        assert_eq!(call("\\\"x\"").as_deref(), Some("OPEN"));
        assert_eq!(call("\u{202e}a\u{e0001}").as_deref(), Some("\u{2028}"));
        assert_eq!(call("?").as_deref(), Some("?"));
    }
}
