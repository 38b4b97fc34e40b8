//! Checks that a format neither ignores nor omits a part of the time.

/// A part that a directive reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Hour12,
    Half,
    Minute,
    Second,
    Fraction,
    Instant,
    Other,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour | Self::Hour12 => "hour",
            Self::Half => "half of the day",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Fraction => "fraction of the second",
            Self::Instant => "instant",
            Self::Other => "rest",
        }
    }
}

/// The directives of a format, each with the part that it reads.
fn directives(format: &str) -> Vec<(String, Part)> {
    let mut found = Vec::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        let mut written = "%".to_owned();
        let directive = loop {
            let Some(next) = characters.next() else { return found };
            written.push(next);
            if !matches!(next, '-' | '_' | '^' | '#' | '.' | ':' | '0'..='9') {
                break next;
            }
        };
        let parts: &[Part] = match directive {
            'Y' | 'y' => &[Part::Year],
            'm' | 'b' | 'B' | 'h' => &[Part::Month],
            'd' | 'e' => &[Part::Day],
            'F' | 'D' => &[Part::Year, Part::Month, Part::Day],
            'H' | 'k' => &[Part::Hour],
            'I' | 'l' => &[Part::Hour12],
            'p' | 'P' => &[Part::Half],
            'M' => &[Part::Minute],
            'S' => &[Part::Second],
            'T' => &[Part::Hour, Part::Minute, Part::Second],
            'R' => &[Part::Hour, Part::Minute],
            'f' | 'N' => &[Part::Fraction],
            's' => &[Part::Instant],
            '%' | 'n' | 't' => &[],
            _ => &[Part::Other],
        };
        found.extend(parts.iter().map(|part| (written.clone(), *part)));
    }
    found
}

pub(super) fn has_time(format: &str) -> bool {
    let is_time = |part| matches!(part, Part::Hour | Part::Hour12 | Part::Instant);
    directives(format).into_iter().any(|(_, part)| is_time(part))
}

/// The mistake in a format, and how to mend it.
pub(super) fn complaint(format: &str) -> Option<(String, &'static str)> {
    let directives = directives(format);
    let of = |part: Part| directives.iter().find(|(_, other)| *other == part);
    let name = |part: Part| of(part).map(|(written, _)| written.as_str());
    for (at, (written, part)) in directives.iter().enumerate() {
        let before = directives.iter().take(at).find(|(_, other)| other == part);
        if let (Some((first, _)), false) = (before, *part == Part::Other) {
            let message = format!("`{first}` and `{written}` both read the {}", part.name());
            return Some((message, "keep one of them; write ignored parts as plain text"));
        }
    }
    if let Some(epoch) = name(Part::Instant) {
        let other =
            directives.iter().find(|(_, part)| !matches!(part, Part::Instant | Part::Fraction));
        return other.map(|(written, _)| {
            let message = format!("`{epoch}` is the whole instant: `{written}` would be ignored");
            (message, "keep one of them")
        });
    }
    match (name(Part::Hour), name(Part::Hour12), name(Part::Half)) {
        (Some(hour), _, Some(half)) => {
            let message = format!("`{half}` would be read and ignored beside `{hour}`");
            return Some((message, "write `%I` for the hours 1 to 12, or leave `%p` out"));
        }
        (Some(hour), Some(hour12), None) => {
            return Some((
                format!("`{hour}` and `{hour12}` both read the hour"),
                "keep one of them",
            ));
        }
        (None, Some(hour12), None) => {
            let message =
                format!("`{hour12}` is an hour from 1 to 12, and `%p` (AM or PM) is missing");
            return Some((message, "add `%p`, or write `%H` for the hours 0 to 23"));
        }
        (None, None, Some(half)) => {
            return Some((format!("`{half}` without an hour would be ignored"), "add `%I`"));
        }
        _ => {}
    }
    let has_hour = of(Part::Hour).or(of(Part::Hour12)).is_some();
    let needs = [
        (Part::Minute, has_hour, "an hour", "add `%H`"),
        (Part::Second, of(Part::Minute).is_some(), "a minute", "add `%M`"),
        (Part::Fraction, of(Part::Second).is_some(), "a second", "add `%S`"),
    ];
    needs.into_iter().find(|(part, has, ..)| of(*part).is_some() && !has).map(
        |(part, _, what, help)| {
            let written = name(part).unwrap_or_default();
            (format!("`{written}` is read without {what} before it"), help)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_and_incomplete_directives_are_reported() {
        for (format, part) in [
            ("%Y-%m-%d %H:%M %p", "`%p` would be read and ignored beside `%H`"),
            ("%F %T %P", "`%P` would be read and ignored beside `%T`"),
            ("%F %I:%M", "`%p` (AM or PM) is missing"),
            ("%F %l:%M:%S", "`%l` is an hour from 1 to 12"),
            ("%F %p", "without an hour"),
            ("%F %H:%I %p", "ignored beside"),
            ("%F %H:%I", "both read the hour"),
            ("%Y-%m-%d %y", "`%Y` and `%y` both read the year"),
            ("%F %d", "`%F` and `%d` both read the day"),
            ("%b %m %d %Y", "`%b` and `%m` both read the month"),
            ("%s %Y", "`%Y` would be ignored"),
            ("%s%z", "`%z` would be ignored"),
            ("%F %M", "`%M` is read without an hour"),
            ("%F %H %S", "`%S` is read without a minute"),
            ("%F %R%.f", "`%.f` is read without a second"),
        ] {
            let (message, _) = complaint(format).unwrap_or_else(|| panic!("{format}"));
            assert!(message.contains(part), "{format}: {message}");
        }
        for fine in [
            "%Y-%m-%d",
            "%F %T%.f%:z",
            "%d/%m/%y %I:%M %p",
            "%a %-d %B %Y %H",
            "%s",
            "%s%3f",
            "%s%.f",
            "%G-W%V-%u",
            "%Y-%j",
            "%A %F",
            "100%% %F",
            "%F %T %Q",
            "excel",
        ] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
    }
}
