//! Numbers, shares and ages as people read them.

use crate::domain::Status;

/// `1,234,567`.
pub fn count(number: &u64) -> String {
    group(&number.to_string())
}

/// Puts separators into the integer part of a plain decimal; anything else stays as it is.
pub fn amount(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !fraction.is_none_or(digits) {
        return text.to_owned();
    }
    let whole = group(whole);
    fraction
        .map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}"))
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `97 %`, and never 100 % or 0 % for what is only almost so.
pub fn percent(share: f64) -> String {
    let whole = (share * 100.0).round();
    if share < 1.0 && whole >= 100.0 {
        return ">99 %".to_owned();
    }
    if share > 0.0 && whole <= 0.0 {
        return "<1 %".to_owned();
    }
    format!("{whole:.0} %")
}

/// `one item`, `12 items`.
pub fn items(number: &u64) -> String {
    if *number == 1 { "1 item".to_owned() } else { format!("{} items", count(number)) }
}

/// How long ago or how long yet, in the largest unit that fits.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "now".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..5_184_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} mo", seconds / 2_592_000),
    }
}

/// `NUMERIC_MISMATCH` as `Numeric mismatch`.
pub fn sentence(code: &str) -> String {
    let lower = code.replace('_', " ").to_lowercase();
    let mut characters = lower.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A field's name for people: the whole record is not a field.
pub fn field(name: &str) -> &str {
    if name == "ENTIRE_RECORD" { "whole record" } else { name }
}

/// The statuses in words, with the class of their mark.
pub const fn status(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Unknown => ("Unknown", "open"),
        Status::Pending => ("Pending", "pending"),
        Status::Accepted => ("Accepted", "settled"),
        Status::Rejected => ("Confirmed break", "rejected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_stay_honest() {
        assert_eq!(count(&1_234_567), "1,234,567");
        assert_eq!(count(&999), "999");
        assert_eq!(amount("-1234567.050"), "−1,234,567.050");
        assert_eq!(amount("12e4"), "12e4");
        assert_eq!(percent(0.999), ">99 %");
        assert_eq!(percent(0.001), "<1 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(age(90_000), "1 d");
        assert_eq!(sentence("NUMERIC_MISMATCH"), "Numeric mismatch");
    }
}
