//! Writes `recon.yaml` with each guess's confidence and reason as a comment.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use super::names::{names_a_currency, names_an_amount};
use super::words::script;
use super::{FieldGuess, Inference, SourceGuess, Uniting, kinds, percent};
use crate::diagnostic::Problem;
use crate::domain::unseen::visible;
use crate::domain::{Kind, Side};
use crate::normalize::{ArgumentSpec, StepSpec};
use crate::yaml;

/// A configuration to fill in.
const STARTER: &str = include_str!("starter.yaml");

/// The part that is the same for every job: scripts, reason codes, acceptance.
const TAIL: &str = include_str!("tail.yaml");

/// The configuration for a job without files yet.
pub fn starter() -> String {
    format!("{STARTER}{TAIL}")
}

/// The column of comments, if there is room.
const COMMENT_COLUMN: usize = 46;

/// Lines, each with a comment.
struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn commented(&mut self, text: &str, comment: &str) {
        let room = COMMENT_COLUMN.saturating_sub(text.chars().count()).max(1);
        let _ = writeln!(self.0, "{text}{}# {}", " ".repeat(room), one_line(comment));
    }
}

/// Text from a file must neither end a comment nor disguise what follows.
fn one_line(text: &str) -> Cow<'_, str> {
    visible(text)
}

impl Inference {
    /// `rules/normalize.rhai` with the functions that the fields need.
    pub fn normalize_rules(&self) -> Result<String, Problem> {
        script(&self.functions)
    }

    pub fn configuration(&self) -> String {
        let mut lines = Lines(String::new());
        lines.line("# Inferred by `recon init` from two files, with a confidence for each guess. Review anything well");
        lines.line("# below 100 %, then:");
        lines.line("#");
        lines.line("#   recon check                    validate this file");
        lines.line("#   recon run                      reconcile");
        lines.line("#   recon report                   show the result");
        lines.line("#");
        lines.line("# The JSON Schema of this file, for editors: recon check --schema");
        lines.line("version: 1");
        lines.line(&format!("job: {}", scalar(&self.job)));
        lines.commented(
            "store: sqlite:recon.db",
            "relative to this file; or postgres://user@host/db",
        );
        lines.line("");
        lines.line("sources:");
        for side in Side::BOTH {
            self.source(side, &mut lines);
        }
        self.key(&mut lines);
        lines.line("");
        let currency = self.currency();
        if let Some(currency) = currency {
            let line = format!("currency_field: {}", scalar(currency));
            lines.commented(&line, "amounts (`monetary: true`) are added up by it");
            lines.line("");
        }
        for note in &self.notes {
            lines.line(&format!("# {}", one_line(note)));
        }
        lines.line("fields:");
        lines.line("  # Nothing is trimmed or changed unless a step says so.");
        for field in &self.fields {
            self.field(field, currency.is_some() && field.is_amount(), &mut lines);
        }
        lines.line("");
        lines.0.push_str(TAIL);
        lines.0
    }

    fn source(&self, side: Side, lines: &mut Lines) {
        let source = &self.sources[side];
        lines.line(&format!("  {}:", side.letter()));
        lines.line(&format!("    system: {}", scalar(&source.system)));
        lines.line("    read:");
        let kind = source.form.kind.as_ref();
        match kind {
            Some(kind) => lines.commented(&format!("      {}:", kind.name), &one_line(kind.why)),
            None => lines.line("      csv:"),
        }
        match kind {
            Some(kind) if kind.name == "sql" => {
                lines.line(&format!("        url: {}", scalar(&source.url())));
            }
            _ => lines.line(&format!("        path: {}", scalar(&source.path))),
        }
        source.form_lines(lines);
        if let Some(header) = &source.form.repeated_header {
            let (column, text) = (quoted(&header.column), quoted(&header.text));
            lines.commented(
                &format!("    where: [{{ column: {column}, not_equals: [{text}] }}]"),
                &sure(0.95, &header.why()),
            );
        }
        lines.commented("    map:", "canonical field: source column");
        for field in &self.fields {
            if let Some(row) = source.row.as_ref().filter(|row| row.field == field.name) {
                let file = source.script_file(side).unwrap_or_default();
                lines.line(&format!(
                    "      # {}: set by `row` in {file}: {}",
                    one_line(&field.name),
                    one_line(&row.sentence())
                ));
                continue;
            }
            let line =
                format!("      {}: {}", scalar_key(&field.name), scalar(&field.columns[side]));
            match side {
                Side::A => lines.line(&line),
                Side::B => lines.commented(&line, &sure(field.confidence, &field.why)),
            }
        }
        if !source.unmapped.is_empty() {
            let columns = source.unmapped.join(", ");
            let columns = one_line(&columns);
            lines.line(&format!("      # Not mapped and therefore not compared: {columns}"));
        }
        if let Some(file) = source.script_file(side) {
            lines.commented(&format!("    script: {file}"), "functions for this source only");
        }
        let section =
            |lines: &mut Lines, name: &str, value: &dyn Fn(&FieldGuess) -> Option<String>| {
                let entries: Vec<_> =
                    self.fields.iter().filter_map(|field| Some((field, value(field)?))).collect();
                if !entries.is_empty() {
                    lines.line(&format!("    {name}:"));
                }
                for (field, value) in entries {
                    let line = format!("      {}: {value}", scalar_key(&field.name));
                    if name == "normalize" {
                        lines.line(&line);
                    } else {
                        lines.commented(&line, &percent(field.type_confidence));
                    }
                }
            };
        section(lines, "formats", &|field| {
            let formats = &field.formats[side];
            (!formats.is_empty()).then(|| list(formats))
        });
        section(lines, "numbers", &|field| field.numbers[side].as_ref().map(ToString::to_string));
        section(lines, "normalize", &|field| {
            let steps = &field.source_normalize[side];
            (!steps.is_empty()).then(|| steps_text(steps))
        });
    }

    fn passes(&self, lines: &mut Lines) {
        lines.line("");
        lines.line("# No one, two or three columns identify the rows of each side, so rows are matched in passes, each over the");
        lines.line("# rows that no earlier one matched (docs/matching.md). The figures are those of the files at hand.");
        lines.line("match:");
        lines.line("  passes:");
        for pass in &self.passes {
            lines.commented(&format!("    - name: {}", scalar(&pass.name)), &pass.why());
            let equal: Vec<String> = pass.equal.iter().map(|name| scalar(name)).collect();
            if !equal.is_empty() {
                lines.line(&format!("      equal: [{}]", equal.join(", ")));
            }
            let near = pass.near.iter();
            let near: Vec<String> =
                near.map(|(field, bound)| format!("{}: {bound}", scalar_key(field))).collect();
            if !near.is_empty() {
                lines.line(&format!("      near: {{ {} }}", near.join(", ")));
            }
            if let Some(sum) = &pass.sum {
                lines.line(&format!("      sum: [{}]", scalar(sum)));
                lines.line(&format!("      shape: {}", pass.shape));
                lines.line(&format!("      max_rows: {}", super::passes::SPLIT));
            }
        }
    }

    fn key(&self, lines: &mut Lines) {
        if !self.passes.is_empty() {
            return self.passes(lines);
        }
        lines.line("");
        lines.line("# Rows with equal keys form one record.");
        let key: Vec<String> =
            self.fields.iter().filter(|field| field.key).map(|field| scalar(&field.name)).collect();
        if key.is_empty() {
            lines.line("# NOT FOUND: no one, two or three columns identify the rows of each side and share values");
            lines.line("# between the files. Write the key fields, such as `key: [invoice, position]`; without a");
            lines.line("# key, `recon check` and `recon run` stop here.");
            lines.line("key: []");
            return;
        }
        if let Some((best, others)) = self.key_candidates.split_first() {
            lines.line(&format!("# {}", sure(best.confidence, &best.why())));
            for other in others {
                lines.line(&format!(
                    "# Also possible: {} with {} ({})",
                    one_line(&other.names.a.join(" + ")),
                    one_line(&other.names.b.join(" + ")),
                    sure(other.confidence, &other.why()),
                ));
            }
        }
        lines.line(&format!("key: [{}]", key.join(", ")));
    }

    /// The one field that is called a currency, if there are amounts beside it.
    fn currency(&self) -> Option<&str> {
        let is_currency =
            |field: &&FieldGuess| field.kind == Kind::Text && names_a_currency(&field.name);
        let mut currencies = self.fields.iter().filter(is_currency);
        let currency = currencies.next().filter(|_| currencies.next().is_none())?;
        self.fields.iter().any(FieldGuess::is_amount).then_some(&currency.name)
    }

    fn field(&self, field: &FieldGuess, monetary: bool, lines: &mut Lines) {
        for uniting in &field.uniting {
            lines.line(&format!("  # {}", one_line(&uniting.sentence())));
        }
        for note in &field.notes {
            lines.line(&format!("  # {}", one_line(note)));
        }
        let mut parts = vec![
            format!("type: {}", field.kind.name()),
            format!("normalize: {}", steps_text(&field.normalize)),
        ];
        if monetary {
            parts.push("monetary: true".to_owned());
        }
        if let Some(zero) = &field.null_equals {
            parts.push(format!("null_equals: {zero}"));
        }
        if let Some(bound) = &field.tolerance {
            parts.push(format!("tolerance: {{ absolute: {bound} }}"));
        }
        let line = format!("  {}: {{ {} }}", scalar_key(&field.name), parts.join(", "));
        let what = match (field.kind, &field.tolerance) {
            (Kind::Text, _) => format!("text: {}", percent(field.type_confidence)),
            (kind, None) => format!("{kind}: {}", percent(field.type_confidence)),
            (kind, Some(_)) => {
                format!(
                    "{kind}: {}; tolerance: rounding of the last decimal",
                    percent(field.type_confidence)
                )
            }
        };
        lines.commented(&line, &what);
    }
}

impl FieldGuess {
    fn is_amount(&self) -> bool {
        self.kind == Kind::Decimal && !self.key && names_an_amount(&self.name)
    }
}

impl Uniting {
    pub fn sentence(&self) -> String {
        let examples: Vec<String> = self
            .examples
            .iter()
            .map(|[a, b]| format!("`{}` = `{}`", clipped(a), clipped(b)))
            .collect();
        let examples =
            if examples.is_empty() { String::new() } else { format!(": {}", examples.join(", ")) };
        let side = self.side.map_or_else(String::new, |side| format!(" in {side}"));
        if self.written && self.of == 0 {
            format!("`{}`{side} reads its values; no joined row needs it{examples}", self.step)
        } else if self.written {
            format!("`{}`{side} makes {} of {} rows agree{examples}", self.step, self.rows, self.of)
        } else {
            format!(
                "not written: `{}`{side} would make {} more of {} rows agree{examples}",
                self.step, self.rows, self.of
            )
        }
    }
}

/// The start of a value, on one line.
pub fn clipped(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

impl SourceGuess {
    /// The database, of a source that is one.
    fn url(&self) -> String {
        match kinds::postgres_url(Path::new(&self.path)) {
            Some(url) => url,
            None => format!("sqlite:{}", self.path),
        }
    }

    fn form_lines(&self, lines: &mut Lines) {
        let form = &self.form;
        if let Some(kind) = &form.kind {
            for (option, value, why) in &kind.options {
                lines.commented(&format!("        {option}: {}", scalar(value)), &one_line(why));
            }
            if let Some(layout) = &kind.layout {
                let why = "by the spaces between them, and where the kind of character changes";
                lines.commented("        columns:", &sure(kind.confidence, why));
                for column in kind.fixed_columns(form.columns.as_ref()) {
                    let width = column.width.map(|width| format!(", width: {}", *width));
                    lines.line(&format!(
                        "          - {{ name: {}, start: {}{} }}",
                        quoted(&column.name),
                        *column.start,
                        width.unwrap_or_default()
                    ));
                }
                if let Some((start, text)) = &layout.condition {
                    let (start, width) = (start + 1, text.chars().count());
                    let text = quoted(text);
                    lines.commented(
                        &format!(
                            "        where: {{ start: {start}, width: {width}, equals: {text} }}"
                        ),
                        "other lines, such as a header, do not have it",
                    );
                }
            } else if let Some(columns) = &form.columns {
                lines
                    .commented(&format!("        columns: {}", list(columns)), "no row names them");
            }
            if form.null_values.len() > 1 {
                let why = "seen where the other values have a type";
                lines.commented(&format!("        null_values: {}", list(&form.null_values)), why);
            }
            return;
        }
        let mut option = |text: String, confidence: f64, why: &str| {
            lines.commented(&format!("        {text}"), &sure(confidence, why));
        };
        option(
            format!("encoding: {}", scalar(&form.encoding.value)),
            form.encoding.confidence,
            &form.encoding.why,
        );
        let delimiter = match form.delimiter.value {
            '\t' => "\\t".to_owned(),
            plain => plain.to_string(),
        };
        option(
            format!("delimiter: \"{delimiter}\""),
            form.delimiter.confidence,
            &form.delimiter.why,
        );
        if form.quote != '"' {
            option(format!("quote: \"{}\"", form.quote), 0.8, "rows split evenly with it");
        }
        if form.skip_rows.value > 0 {
            let skip = &form.skip_rows;
            option(format!("skip_rows: {}", skip.value), skip.confidence, &skip.why);
        }
        if form.skip_footer.value > 0 {
            let skip = &form.skip_footer;
            option(format!("skip_footer: {}", skip.value), skip.confidence, &skip.why);
        }
        for (name, why) in [
            ("ignore_empty_extras", &form.ignore_empty_extras),
            ("pad_short_rows", &form.pad_short_rows),
        ] {
            if let Some(why) = why {
                option(format!("{name}: true"), 0.9, why);
            }
        }
        if let Some(comment) = &form.comment {
            option(format!("comment: \"{}\"", comment.value), comment.confidence, &comment.why);
        }
        let header_why = match form.columns_why.as_str() {
            "" => form.header.why.as_str(),
            _ => "its names are in `columns`",
        };
        option(format!("header: {}", form.header.value), form.header.confidence, header_why);
        if let Some(columns) = &form.columns {
            let (sure, why) = match form.columns_why.as_str() {
                "" => (0.5, "the file does not name them"),
                why => (0.95, why),
            };
            option(format!("columns: {}", list(columns)), sure, why);
        }
        if form.null_values.len() > 1 {
            let why = "seen where the other values have a type";
            option(format!("null_values: {}", list(&form.null_values)), 0.95, why);
        }
    }
}

fn steps_text(steps: &[StepSpec]) -> String {
    format!("[{}]", steps.iter().map(step_text).collect::<Vec<_>>().join(", "))
}

/// A step as written in `recon.yaml`.
pub fn step_text(step: &StepSpec) -> String {
    match step {
        StepSpec::Function(name) => name.clone(),
        StepSpec::With(name, ArgumentSpec::Map(entries)) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", quoted(value))).collect();
            format!("{{ {name}: {{ {} }} }}", entries.join(", "))
        }
        StepSpec::With(name, ArgumentSpec::Text(text)) if !is_number_or_word(text) => {
            format!("{{ {name}: {} }}", quoted(text))
        }
        StepSpec::With(name, argument) => format!("{{ {name}: {argument} }}"),
    }
}

fn is_number_or_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn sure(confidence: f64, why: &str) -> String {
    if why.is_empty() {
        return percent(confidence);
    }
    format!("{}: {why}", percent(confidence))
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A YAML key, in which variables are not replaced.
fn scalar_key(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { yaml::quoted(text) }
}

/// A YAML value, quoted only if necessary.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// A YAML value in double quotes. A single `$` could start a variable.
pub fn quoted(text: &str) -> String {
    yaml::quoted(&text.replace('$', "$$"))
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 11] =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "~", "nan"];
    let mut characters = text.chars();
    characters.next().is_some_and(char::is_alphabetic)
        && characters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_survives_in_yaml() {
        for (text, expected) in [
            ("trade_date", "trade_date"),
            ("B/S", "B/S"),
            ("no", "\"no\""),
            ("Betrag €", "\"Betrag €\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("${HOME}", "\"$${HOME}\""),
            ("a: b # c", "\"a: b # c\""),
            ("", "\"\""),
            ("1", "\"1\""),
        ] {
            assert_eq!(scalar(text), expected);
        }
        for text in ["B/S", "a\"b\\", "x\ny", "\u{7}", "- a", "\u{202e}a\u{e0001}\u{a0}"] {
            let read: String = serde_yaml::from_str(&scalar_key(text)).unwrap();
            assert_eq!(read, text);
        }
        assert_eq!(one_line("a\n- b\u{202e}"), r"a\n- b\u{202e}");
    }

    #[test]
    fn reason_codes_match_the_shipped_example() {
        let shipped = include_str!("../../recon.yaml");
        let codes = |text: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| *line != "reason_codes:");
            lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        assert!(codes(shipped).len() > 14);
        assert_eq!(codes(&starter()), codes(shipped));
    }
}
