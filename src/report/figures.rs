//! Formatting of figures and external text.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use super::characters::{is_unseen, visible};

/// A count with thousands separators: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part` of `whole` in percent: `33.8 %`. Only 0 is shown as `0.0 %` and only the whole as `100.0
/// %`, so that one row in a million stays visible.
pub fn share(part: u64, whole: u64) -> String {
    percent(ratio(part, whole))
}

/// A rate from 0 to 1 in percent, formatted like [`share`].
pub fn percent(rate: f64) -> String {
    let value = rate * 100.0;
    if rate > 0.0 && value < 0.05 {
        "< 0.1 %".to_owned()
    } else if rate < 1.0 && value >= 99.95 {
        "> 99.9 %".to_owned()
    } else {
        format!("{value:.1} %")
    }
}

/// `part` ÷ `whole`; 0 if `whole` is 0.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A bar of up to `width` characters; any nonzero part is visible.
pub fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (ratio(part, whole).min(1.0) * width as f64 * 8.0).round() as usize;
    let eighths = eighths.max(usize::from(part > 0));
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A size: `512 B`, `61.2 KiB`, `1.4 GiB`.
pub fn bytes(size: u64) -> String {
    if size < 1024 {
        return format!("{size} B");
    }
    let mut value = size as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        // 1023.96 would round to 1024.0.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A duration: `0.41 s`, `12.3 s`, `2 min 5 s`, `1 h 2 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 9.995 {
        return format!("{seconds:.2} s");
    }
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 3_600 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{} h {} min", whole / 3_600, whole % 3_600 / 60)
    }
}

/// `1 row`, `2 rows`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// The display width of `text` on a terminal.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text`, cut to `columns` with a final `…` if it is wider.
pub fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut clipped = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        clipped.push(character);
    }
    clipped.push('…');
    Cow::Owned(clipped)
}

/// `text` padded to `columns` with spaces on the right, or on the left if `right`.
pub fn pad(text: &str, columns: usize, right: bool) -> String {
    let spaces = " ".repeat(columns.saturating_sub(width(text)));
    if right { spaces + text } else { text.to_owned() + spaces.as_str() }
}

/// Quotes a shell word if necessary.
pub fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(count)[..]);
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1_048_575), "1.0 MiB");
        assert_eq!(
            [0.414, 12.34, 59.99, 125.2, 3_725.0].map(duration),
            ["0.41 s", "12.3 s", "1 min 0 s", "2 min 5 s", "1 h 2 min"]
        );
        assert_eq!(counted(1, "row", "rows"), "1 row");
    }

    #[test]
    fn one_in_a_million_is_not_rounded_away() {
        assert_eq!(share(0, 0), "0.0 %");
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(3, 3), "100.0 %");
        assert_eq!(bar(1, 1_000_000, 10), "▏");
        assert_eq!(bar(1, 2, 3), "█▌");
        assert_eq!(bar(0, 0, 10), "");
    }

    #[test]
    fn a_shell_word_is_quoted_only_if_necessary() {
        assert_eq!(shell_word("A|B's"), r"'A|B'\''s'");
        assert_eq!(shell_word("TX-1"), "TX-1");
        assert_eq!(shell_word("-1"), "'-1'");
    }

    proptest! {
        #[test]
        fn clipped_text_fits(text in "[a-z漢é]{0,30}", columns in 1usize..20) {
            prop_assert!(width(&clip(&text, columns)) <= columns);
            prop_assert!(width(&pad(&clip(&text, columns), columns, true)) == columns);
        }
    }
}
