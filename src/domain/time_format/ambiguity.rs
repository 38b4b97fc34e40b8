//! Formats of one field that read the same text differently.

use std::fmt;

use jiff::tz::TimeZone;

use super::TimeFormat;
use crate::domain::value::Kind;
use crate::domain::{Cell, Date};

/// Two formats of one field that read a text differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmbiguousFormats {
    /// The positions of both formats; the first one wins.
    pub formats: (usize, usize),
    /// A text that both read.
    pub example: String,
    /// Both readings of the text.
    pub readings: (String, String),
}

impl fmt::Display for AmbiguousFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "two of these formats read `{}` differently: as {} and as {}; the first that fits wins",
            self.example, self.readings.0, self.readings.1
        )
    }
}

/// The first two formats that read some text as different dates, found by writing sample days in
/// one format and reading them in another. The field should keep only one of them.
pub fn ambiguous_formats(
    formats: &[TimeFormat],
    kind: Kind,
    zone: Option<&TimeZone>,
) -> Option<AmbiguousFormats> {
    // Days and months that can change places, in years that can change places with days.
    let samples = [(2026, 1, 2), (2026, 12, 11), (2011, 10, 12), (2012, 1, 3)];
    for (first, earlier) in formats.iter().enumerate() {
        for (second, later) in formats.iter().enumerate().skip(first + 1) {
            for (year, month, day) in samples {
                let day = Date::from_civil(year, month, day)?;
                for format in [earlier, later] {
                    let Some(example) = format.write(day, 14_706, 0) else { continue };
                    let value = |format: &TimeFormat| {
                        format.read(example.as_bytes())?.value(kind, zone).map(|(value, _)| value)
                    };
                    if let (Some(one), Some(other)) = (value(earlier), value(later))
                        && one != other
                    {
                        let readings = (describe(one), describe(other));
                        return Some(AmbiguousFormats {
                            formats: (first, second),
                            example,
                            readings,
                        });
                    }
                }
            }
        }
    }
    None
}

/// The day alone if that is all, else the instant.
fn describe(value: Cell<'_>) -> String {
    let text = value.to_string();
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.clone(), str::to_owned)
}
