//! Problems as text, with the offending line and carets below it, or as one JSON object per line.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

use crate::config::secrets::masked;
use crate::diagnostic::{Place, Problem};
use crate::report::Paint;
use crate::report::figures::{clip, is_unseen, visible, width};

/// Only this much of a file is searched for the line to show; more would take too long.
const SEARCHED: u64 = 16 * 1024 * 1024;
/// Maximum columns shown of a line.
const SHOWN: usize = 96;
/// Columns shown before the offending text if a line is cut.
const BEFORE: usize = 30;

/// The problem as text, with its line if the file can be read; ends with a line break.
pub fn text(problem: &Problem, paint: Paint) -> String {
    let line = problem.place.as_ref().and_then(|place| line_of(&place.file, place.line));
    text_with(problem, line.as_deref(), paint)
}

fn text_with(problem: &Problem, line: Option<&str>, paint: Paint) -> String {
    let mut shown = String::new();
    let level = level(problem);
    let title = format!("{level}[{}]", problem.code);
    let title = if problem.is_warning() {
        paint.caution(title).to_string()
    } else {
        paint.bad(title).to_string()
    };
    let _ = writeln!(shown, "{title}: {}", paint.strong(lines(&problem.message, "  ")));
    let mut margin = 1;
    if let Some(place) = &problem.place {
        let number = place.line.to_string();
        margin = if line.is_some() { number.len() } else { 1 };
        let arrow = paint.accent("-->");
        let _ = writeln!(shown, "{:margin$}{arrow} {}", "", visible(&place.to_string()));
        if let Some(line) = line {
            let excerpt = Excerpt::new(&masked(line), place);
            let bar = paint.accent("|");
            let _ = writeln!(shown, "{:margin$} {bar}", "");
            let text = format!("{} {bar} {}", paint.accent(number), excerpt.text);
            let _ = writeln!(shown, "{}", text.trim_end());
            if excerpt.carets > 0 {
                let carets = paint.bad("^".repeat(excerpt.carets));
                let _ = writeln!(shown, "{:margin$} {bar} {:2$}{carets}", "", "", excerpt.indent);
            }
        } else if !place.text.is_empty() && !problem.message.contains(&place.text) {
            let text = masked(&place.text);
            let text = visible(&text);
            let _ = writeln!(shown, "{:margin$} {} {}", "", paint.accent("|"), clip(&text, SHOWN));
        }
    }
    if let Some(help) = &problem.help {
        let help = lines(help, &" ".repeat(margin + 9));
        let _ = writeln!(shown, "{:margin$} {} {help}", "", paint.accent("= help:"));
    }
    shown
}

/// The problem as one JSON object and a line break.
pub fn json(problem: &Problem) -> String {
    let place = problem.place.as_deref();
    let number = |number: u64| (number > 0).then_some(number);
    let entry = Entry {
        level: level(problem),
        code: Some(problem.code.name()),
        message: &problem.message,
        file: place.map(|place| place.file.display().to_string()),
        line: place.and_then(|place| number(place.line)),
        column: place.and_then(|place| number(place.column)),
        help: problem.help.as_deref(),
    };
    entry.json()
}

/// Any other message as one JSON object and a line break.
pub fn json_message(level: &str, message: &str) -> String {
    Entry { level, code: None, message, file: None, line: None, column: None, help: None }.json()
}

#[derive(Serialize)]
struct Entry<'a> {
    level: &'a str,
    code: Option<&'a str>,
    message: &'a str,
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    help: Option<&'a str>,
}

impl Entry<'_> {
    fn json(&self) -> String {
        // Strings and numbers always serialize.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

fn level(problem: &Problem) -> &'static str {
    if problem.is_warning() { "warning" } else { "error" }
}

/// Escapes control characters in external text and indents its continuation lines.
pub fn lines(text: &str, indent: &str) -> String {
    let mut shown = String::new();
    for (at, line) in text.trim_end().lines().enumerate() {
        if at > 0 {
            shown.push('\n');
            shown.push_str(indent);
        }
        shown.push_str(&visible(line));
    }
    shown
}

/// One line of a file, without its line break; `None` if it can't be read cheaply.
fn line_of(file: &Path, number: u64) -> Option<String> {
    let wanted = usize::try_from(number.checked_sub(1)?).ok()?;
    let mut reader = BufReader::new(crate::files::open(file).ok()?.take(SEARCHED));
    let mut bytes = Vec::new();
    for _ in 0..=wanted {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Some(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

/// The visible part of a line, with the position of the carets.
struct Excerpt {
    text: String,
    /// Terminal columns before the carets.
    indent: usize,
    /// 0 if the whole line is meant.
    carets: usize,
}

impl Excerpt {
    fn new(line: &str, place: &Place) -> Self {
        let characters: Vec<char> = line.chars().collect();
        let Some(start) = usize::try_from(place.column).unwrap_or(usize::MAX).checked_sub(1) else {
            return Self {
                text: clip(&spread(&characters), SHOWN).into_owned(),
                indent: 0,
                carets: 0,
            };
        };
        // The column just after the end is valid: something is missing there.
        let start = start.min(characters.len());
        let rest = characters.get(start..).unwrap_or_default();
        let offending = masked(place.text.lines().next().unwrap_or_default());
        let offending: Vec<char> = offending.chars().collect();
        let length =
            if !offending.is_empty() && rest.starts_with(&offending) { offending.len() } else { 1 };
        let before = spread(characters.get(..start).unwrap_or_default());
        let marked = spread(rest.get(..length).unwrap_or_default());
        let after = spread(rest.get(length..).unwrap_or_default());
        // A long line is shown from a little before the offending text.
        let (before, dots) = if width(&before) + width(&marked) > SHOWN {
            (last_columns(&before, BEFORE), "…")
        } else {
            (before.as_str(), "")
        };
        let indent = width(dots) + width(before);
        let text = format!("{dots}{before}{marked}{after}");
        let carets = width(&marked).clamp(1, SHOWN.saturating_sub(indent).max(1));
        Self { text: clip(&text, SHOWN).into_owned(), indent, carets }
    }
}

/// Characters as displayed: tabs as four spaces, other controls escaped.
fn spread(characters: &[char]) -> String {
    let mut shown = String::new();
    for character in characters {
        match character {
            '\t' => shown.push_str("    "),
            unseen if is_unseen(*unseen) => {
                shown.push_str(&visible(unseen.encode_utf8(&mut [0; 4])));
            }
            plain => shown.push(*plain),
        }
    }
    shown
}

/// The end of `text`, at most `columns` wide.
fn last_columns(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > columns {
            return text.get(at + character.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use std::io::Write as _;

    fn place(line: u64, column: u64, text: &str) -> Place {
        Place { file: "recon.yaml".into(), line, column, text: text.into() }
    }

    fn shown(problem: &Problem, line: &str) -> String {
        text_with(problem, Some(line), Paint::Plain)
    }

    #[test]
    fn shows_the_line_and_underlines_the_mistake() {
        let problem = Problem::new(Code::UnknownKey, "unknown key `tolerence`")
            .at(place(12, 13, "tolerence"))
            .help("did you mean `tolerance`?");
        assert_eq!(
            shown(&problem, "  amount: { tolerence: { absolute: 0.005 } }"),
            "\
error[unknown-key]: unknown key `tolerence`
  --> recon.yaml:12:13
   |
12 |   amount: { tolerence: { absolute: 0.005 } }
   |             ^^^^^^^^^
   = help: did you mean `tolerance`?
"
        );
    }

    #[test]
    fn columns_count_characters_but_carets_align_with_the_display() {
        let problem = Problem::new(Code::AmbiguousFormat, "odd").at(place(3, 5, "é漢"));
        assert_eq!(
            shown(&problem, "\t漢: é漢!"),
            "\
warning[ambiguous-format]: odd
 --> recon.yaml:3:5
  |
3 |     漢: é漢!
  |         ^^^
"
        );
    }

    #[test]
    fn without_a_line_the_offending_text_is_shown() {
        let problem = Problem::new(Code::RaggedRow, "5 fields where the header has 6").at(Place {
            file: "/no/such/a.csv".into(),
            line: 17,
            column: 0,
            text: "TX-1,\u{1b}[2J".into(),
        });
        assert_eq!(
            text(&problem, Paint::Plain),
            "\
error[RAGGED_ROW]: 5 fields where the header has 6
 --> /no/such/a.csv:17
  | TX-1,\\u{1b}[2J
"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        let problem = Problem::new(Code::UnknownKey, "x").at(place(1, 501, "bad"));
        let shown = shown(&problem, &line);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3], format!("1 | …{}bad{}…", "x".repeat(30), "y".repeat(61)));
        assert_eq!(lines[4], format!("  | {}^^^", " ".repeat(31)));
    }

    #[test]
    fn data_cannot_forge_a_message() {
        let problem = Problem::new(Code::UnknownKey, "a\nerror[fake]: b\u{7}").help("c\nd");
        assert_eq!(
            text(&problem, Paint::Plain),
            "error[unknown-key]: a\n  error[fake]: b\\u{7}\n  = help: c\n          d\n"
        );
    }

    #[test]
    fn reads_the_line_from_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("\u{feff}version: 1\r\njob: x\n".as_bytes()).unwrap();
        assert_eq!(line_of(file.path(), 1).unwrap(), "version: 1");
        assert_eq!(line_of(file.path(), 2).unwrap(), "job: x");
        assert_eq!(line_of(file.path(), 3), None);
        assert_eq!(line_of(file.path(), 0), None);
        assert_eq!(line_of(Path::new("/"), 1), None);
    }

    #[test]
    fn json_output_is_one_object_per_line() {
        let problem = Problem::new(Code::UnknownKey, "a\nb").at(place(12, 5, "x")).help("h");
        assert_eq!(
            json(&problem),
            "{\"level\":\"error\",\"code\":\"unknown-key\",\"message\":\"a\\nb\",\
             \"file\":\"recon.yaml\",\"line\":12,\"column\":5,\"help\":\"h\"}\n"
        );
        assert_eq!(
            json_message("info", "done"),
            "{\"level\":\"info\",\"code\":null,\"message\":\"done\",\"file\":null,\"line\":null,\
             \"column\":null,\"help\":null}\n"
        );
    }
}
