//! Marks characters: where two values differ, and which characters are deceptive.
//!
//! Cuts values into spans; the template escapes and isolates each. Never emits markup.

use std::time::{Duration, Instant};

use crate::report::characters::Scripts;
use crate::review::MASKED;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Longest value on a page, in characters; the rest is counted.
pub const SHOWN: usize = 2_000;
/// Longest value in a list, in characters.
const BRIEF: usize = 160;
/// Characters before the first difference of two long values in a list.
const LEAD: usize = 24;
/// Time limit for comparing; the rest then counts as one change.
const DEADLINE: Duration = Duration::from_millis(20);
/// Equal runs up to this length between two changes are merged with them: many short marks are hard
/// to read.
const CONFETTI: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Same,
    Deleted,
    Inserted,
}

/// Characters with the same mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub mark: Mark,
    pub pieces: Vec<Piece>,
}

/// Plain text, or a sign for an invisible or deceptive character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// The sign and its meaning.
    Odd {
        sign: String,
        /// For tooltips and screen readers.
        name: String,
    },
}

/// One side's value for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The user may not see it.
    Masked,
    NoRecord,
    /// The side has the record.
    Record,
    Null,
    Empty,
    Text {
        /// Characters left out before the first piece.
        before: usize,
        spans: Vec<Span>,
        /// Characters left out after the last piece.
        more: usize,
    },
}

impl Shown {
    /// A number, which is `raw`, with its thousands set apart.
    pub fn grouped(self, raw: &str) -> Self {
        let digits = raw.trim_start_matches('-');
        let whole = digits.find('.').unwrap_or(digits.len());
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let mut at = 0;
        let mut group = |text: String| {
            let mut grouped = String::new();
            for character in text.chars() {
                if character.is_ascii_digit() && at < whole {
                    if at > 0 && (whole - at).is_multiple_of(3) {
                        grouped.push(',');
                    }
                    at += 1;
                }
                grouped.push(if character == '-' { '−' } else { character });
            }
            grouped
        };
        match self {
            Self::Text { before: 0, spans, more: 0 } if is_plain => {
                let mut piece = |piece| match piece {
                    Piece::Text(text) => Piece::Text(group(text)),
                    odd @ Piece::Odd { .. } => odd,
                };
                let span = |span: Span| Span {
                    mark: span.mark,
                    pieces: span.pieces.into_iter().map(&mut piece).collect(),
                };
                Self::Text { before: 0, spans: spans.into_iter().map(span).collect(), more: 0 }
            }
            other => other,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signs {
    /// Deceptive ones: direction marks, zero width, controls, unusual spaces, spaces at an end or
    /// repeated, letters of a second script.
    #[default]
    Deceiving,
    All,
}

pub fn plain(value: Option<&str>, signs: Signs) -> Shown {
    let Some(text) = value else { return Shown::Null };
    if text == MASKED {
        return Shown::Masked;
    }
    if text.is_empty() {
        return Shown::Empty;
    }
    let (characters, more) = clip(text);
    let scripts = Scripts::of(characters.iter().copied());
    let span =
        Span { mark: Mark::Same, pieces: pieces(&characters, 0..characters.len(), signs, scripts) };
    Shown::Text { before: 0, spans: vec![span], more }
}

pub fn pair(a: Option<&str>, b: Option<&str>, signs: Signs) -> (Shown, Shown) {
    marked(a, b, signs, 0, SHOWN)
}

/// Like [`pair`], but long values are cut around the first difference.
pub fn brief(a: Option<&str>, b: Option<&str>, signs: Signs) -> (Shown, Shown) {
    let (left, right) = (a.unwrap_or_default().chars(), b.unwrap_or_default().chars());
    let common = left.zip(right).take_while(|(left, right)| left == right).count();
    let skipped = if common > 2 * LEAD { common - LEAD } else { 0 };
    marked(a, b, signs, skipped, BRIEF)
}

fn marked(
    a: Option<&str>,
    b: Option<&str>,
    signs: Signs,
    before: usize,
    most: usize,
) -> (Shown, Shown) {
    let alone = |value: Option<&str>| match plain(value, signs) {
        Shown::Text { .. } => {
            let text = value.unwrap_or_default();
            let (characters, more) = cut(text, 0, most);
            let scripts = Scripts::of(characters.iter().copied());
            let pieces = pieces(&characters, 0..characters.len(), signs, scripts);
            Shown::Text { before: 0, spans: vec![Span { mark: Mark::Same, pieces }], more }
        }
        other => other,
    };
    let (Some(left), Some(right)) = (a, b) else { return (alone(a), alone(b)) };
    if [left, right].iter().any(|text| text.is_empty() || *text == MASKED) {
        return (alone(a), alone(b));
    }
    let (left, more_left) = cut(left, before, most);
    let (right, more_right) = cut(right, before, most);
    let (in_left, in_right) =
        (Scripts::of(left.iter().copied()), Scripts::of(right.iter().copied()));
    let (mut spans_left, mut spans_right) = (Vec::new(), Vec::new());
    for (equal, old, new) in changes(&left, &right) {
        let (mark_left, mark_right) =
            if equal { (Mark::Same, Mark::Same) } else { (Mark::Deleted, Mark::Inserted) };
        if !old.is_empty() {
            spans_left.push(Span { mark: mark_left, pieces: pieces(&left, old, signs, in_left) });
        }
        if !new.is_empty() {
            spans_right
                .push(Span { mark: mark_right, pieces: pieces(&right, new, signs, in_right) });
        }
    }
    (
        Shown::Text { before, spans: spans_left, more: more_left },
        Shown::Text { before, spans: spans_right, more: more_right },
    )
}

/// Both values in one line: deletions from A, insertions from B.
pub fn inline(a: Option<&str>, b: Option<&str>, signs: Signs) -> Shown {
    let (Some(left), Some(right)) = (a, b) else {
        return plain(b.or(a), signs);
    };
    if left == MASKED || right == MASKED {
        return Shown::Masked;
    }
    let (left, more_left) = clip(left);
    let (right, more_right) = clip(right);
    let (in_left, in_right) =
        (Scripts::of(left.iter().copied()), Scripts::of(right.iter().copied()));
    let mut spans = Vec::new();
    for (equal, old, new) in changes(&left, &right) {
        if equal {
            spans.push(Span { mark: Mark::Same, pieces: pieces(&left, old, signs, in_left) });
            continue;
        }
        if !old.is_empty() {
            spans.push(Span { mark: Mark::Deleted, pieces: pieces(&left, old, signs, in_left) });
        }
        if !new.is_empty() {
            spans.push(Span { mark: Mark::Inserted, pieces: pieces(&right, new, signs, in_right) });
        }
    }
    if spans.is_empty() {
        Shown::Empty
    } else {
        Shown::Text { before: 0, spans, more: more_left.max(more_right) }
    }
}

fn clip(text: &str) -> (Vec<char>, usize) {
    cut(text, 0, SHOWN)
}

/// At most `most` characters after `skipped`, and how many follow.
fn cut(text: &str, skipped: usize, most: usize) -> (Vec<char>, usize) {
    let mut rest = text.chars().skip(skipped);
    let characters: Vec<char> = rest.by_ref().take(most).collect();
    (characters, rest.count())
}

type Change = (bool, std::ops::Range<usize>, std::ops::Range<usize>);

fn changes(left: &[char], right: &[char]) -> Vec<Change> {
    let deadline = Instant::now() + DEADLINE;
    let ops = capture_diff_slices_deadline(Algorithm::Myers, left, right, Some(deadline));
    let mut runs: Vec<Change> = Vec::new();
    let last = ops.len().saturating_sub(1);
    for (at, op) in ops.iter().enumerate() {
        let equal = matches!(op, DiffOp::Equal { .. });
        let inner = at > 0 && at < last;
        let equal = equal && !(inner && op.old_range().len() <= CONFETTI);
        match runs.last_mut() {
            Some((before, old, new)) if *before == equal => {
                old.end = op.old_range().end;
                new.end = op.new_range().end;
            }
            _ => runs.push((equal, op.old_range(), op.new_range())),
        }
    }
    runs
}

fn pieces(
    characters: &[char],
    range: std::ops::Range<usize>,
    signs: Signs,
    scripts: Scripts,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    for at in range {
        let character = characters[at];
        let odd = sign(characters, at, signs).or_else(|| {
            scripts.foreign(character).map(|script| {
                (character.to_string(), format!("{script} letter, U+{:04X}", u32::from(character)))
            })
        });
        match odd {
            None => text.push(character),
            Some((sign, name)) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Odd { sign, name });
            }
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The sign for an invisible or deceptive character.
fn sign(characters: &[char], at: usize, signs: Signs) -> Option<(String, String)> {
    let character = characters[at];
    let code = u32::from(character);
    let named = |sign: &str, name: &str| Some((sign.to_owned(), format!("{name}, U+{code:04X}")));
    match character {
        ' ' => {
            let space = |at: Option<usize>| at.and_then(|at| characters.get(at)) == Some(&' ');
            let edge = at == 0 || at + 1 == characters.len();
            let doubled = space(at.checked_sub(1)) || space(Some(at + 1));
            (edge || doubled || signs == Signs::All).then(|| ("·".into(), "space".into()))
        }
        '\t' => named("→", "tab"),
        '\n' => named("↵", "line feed"),
        '\r' => named("␍", "carriage return"),
        '\0' => named("␀", "null character"),
        '\u{A0}' => named("⍽", "no-break space"),
        '\u{AD}' => named("SHY", "soft hyphen"),
        '\u{200B}' => named("ZWSP", "zero-width space"),
        '\u{200C}' => named("ZWNJ", "zero-width non-joiner"),
        '\u{200D}' => named("ZWJ", "zero-width joiner"),
        '\u{200E}' => named("LRM", "left-to-right mark"),
        '\u{200F}' => named("RLM", "right-to-left mark"),
        '\u{202A}' => named("LRE", "left-to-right embedding"),
        '\u{202B}' => named("RLE", "right-to-left embedding"),
        '\u{202C}' => named("PDF", "pop directional formatting"),
        '\u{202D}' => named("LRO", "left-to-right override"),
        '\u{202E}' => named("RLO", "right-to-left override"),
        '\u{2066}' => named("LRI", "left-to-right isolate"),
        '\u{2067}' => named("RLI", "right-to-left isolate"),
        '\u{2068}' => named("FSI", "first strong isolate"),
        '\u{2069}' => named("PDI", "pop directional isolate"),
        '\u{FEFF}' => named("BOM", "byte order mark"),
        '\u{FFFD}' => named("\u{FFFD}", "replacement character"),
        _ => match character.general_category() {
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::Surrogate => {
                Some((format!("U+{code:04X}"), format!("invisible character, U+{code:04X}")))
            }
            GeneralCategory::SpaceSeparator
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => named("␣", "unusual space"),
            _ if ('\u{FE00}'..='\u{FE0F}').contains(&character) => {
                named("VS", "variation selector")
            }
            _ if ('\u{FF01}'..='\u{FF5E}').contains(&character) => {
                Some((character.to_string(), format!("full-width form, U+{code:04X}")))
            }
            _ => None,
        },
    }
}

/// Replaces characters of a page that change the direction of writing, have no width or control a
/// terminal by a sign, such as `‹RLO›`. Form fields keep them, because they send them back.
pub fn revealed(html: String) -> String {
    if html.is_ascii() && !html.bytes().any(|byte| byte < b' ' && !byte.is_ascii_whitespace()) {
        return html;
    }
    let mut shown = String::with_capacity(html.len());
    for (at, character) in html.char_indices() {
        match hidden(character) {
            Some(sign) if !is_field(&html[..at]) => {
                shown.push('‹');
                shown.push_str(&sign);
                shown.push('›');
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// The sign of a control or invisible character. Joiners are left alone: scripts and emoji need
/// them.
fn hidden(character: char) -> Option<String> {
    match character {
        '\n' | '\r' | '\t' | '\u{200c}' | '\u{200d}' => None,
        _ if character.is_ascii() && !character.is_ascii_control() => None,
        _ => match character.general_category() {
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => {
                sign(&[character], 0, Signs::Deceiving).map(|(sign, _)| sign)
            }
            _ => None,
        },
    }
}

/// True if the text after `before` is the content of a form field.
fn is_field(before: &str) -> bool {
    let last = |text: &str| before.rfind(text);
    let value = last(" value=\"").is_some_and(|at| !before[at + 8..].contains('"'));
    value || last("<textarea").is_some_and(|at| last("</textarea>").is_none_or(|end| end < at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shown: &Shown) -> String {
        let Shown::Text { spans, .. } = shown else { return format!("{shown:?}") };
        let mut line = String::new();
        for span in spans {
            let inner: String = span
                .pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Odd { sign, .. } => format!("‹{sign}›"),
                })
                .collect();
            match span.mark {
                Mark::Same => line.push_str(&inner),
                Mark::Deleted => line.push_str(&format!("[-{inner}-]")),
                Mark::Inserted => line.push_str(&format!("[+{inner}+]")),
            }
        }
        line
    }

    fn both(a: &str, b: &str) -> (String, String) {
        let (a, b) = pair(Some(a), Some(b), Signs::Deceiving);
        (text(&a), text(&b))
    }

    #[test]
    fn differing_characters_are_marked() {
        assert_eq!(both("1250.30", "1250.35"), ("1250.3[-0-]".into(), "1250.3[+5+]".into()));
        assert_eq!(both("BANK AG", "BANK A.G."), ("BANK A[-G-]".into(), "BANK A[+.G.+]".into()));
        assert_eq!(
            text(&inline(Some("cat"), Some("cart"), Signs::Deceiving)),
            "ca[+r+]t",
            "one line shows both"
        );
    }

    #[test]
    fn deceptive_characters_get_a_sign() {
        assert_eq!(text(&plain(Some("a\u{202E}b"), Signs::Deceiving)), "a‹RLO›b");
        assert_eq!(text(&plain(Some("p\u{430}y"), Signs::Deceiving)), "p‹а›y");
        assert_eq!(text(&plain(Some("\u{43F}\u{430}"), Signs::Deceiving)), "па");
        assert_eq!(text(&plain(Some(" a b  c"), Signs::Deceiving)), "‹·›a b‹·›‹·›c");
        assert_eq!(text(&plain(Some("a b"), Signs::All)), "a‹·›b");
        assert_eq!(text(&plain(Some("\u{E0041}\u{1}"), Signs::Deceiving)), "‹U+E0041›‹U+0001›");
        assert_eq!(plain(Some(""), Signs::All), Shown::Empty);
        assert_eq!(plain(None, Signs::All), Shown::Null);
    }

    #[test]
    fn a_list_shows_where_long_values_differ() {
        let long = |end: &str| format!("{}{end}", "a".repeat(500));
        let (a, b) = brief(Some(&long("x")), Some(&long("y")), Signs::Deceiving);
        assert_eq!(text(&a), format!("{}[-x-]", "a".repeat(LEAD)));
        assert_eq!(text(&b), format!("{}[+y+]", "a".repeat(LEAD)));
        let Shown::Text { before, .. } = a else { panic!("{a:?}") };
        assert_eq!(before, 500 - LEAD);
        let (a, _) = brief(Some(&long("x")), None, Signs::Deceiving);
        let Shown::Text { more, .. } = a else { panic!("{a:?}") };
        assert_eq!(more, 501 - BRIEF);
    }

    #[test]
    fn invisible_characters_of_a_page_become_signs_except_in_form_fields() {
        let field = "<input value=\"\u{202e}x\">";
        let area = "<textarea name=\"c\">\u{200b}</textarea>";
        let page = format!("<p title=\"\u{202e}\">a\u{200b}b\u{1}\n</p>{field}{area}\u{feff}");
        let want = format!("<p title=\"‹RLO›\">a‹ZWSP›b‹U+0001›\n</p>{field}{area}‹BOM›");
        assert_eq!(revealed(page), want);
        assert_eq!(revealed("plain é 漢 👩\u{200d}🚀".to_owned()), "plain é 漢 👩\u{200d}🚀");
    }

    #[test]
    fn masked_values_are_not_compared() {
        assert_eq!(pair(Some(MASKED), Some(MASKED), Signs::All), (Shown::Masked, Shown::Masked));
        assert_eq!(inline(Some(MASKED), Some(MASKED), Signs::All), Shown::Masked);
    }

    #[test]
    fn a_huge_cell_is_clipped_and_cheap() {
        let (a, b) = ("x".repeat(1 << 20), "y".repeat(1 << 20));
        let started = Instant::now();
        let (a, _) = pair(Some(&a), Some(&b), Signs::Deceiving);
        assert!(started.elapsed() < Duration::from_secs(1));
        let Shown::Text { more, .. } = a else { panic!("{a:?}") };
        assert_eq!(more, (1 << 20) - SHOWN);
    }
}
