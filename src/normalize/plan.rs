//! The resolved plan of a side; shared by all threads.

use jiff::tz::TimeZone;

use super::condition::Condition;
use super::number::NumberFormat;
use super::step::Step;
use crate::diagnostic::{Code, Problem, nearest};
use crate::domain::time_format::TimeFormat;
use crate::domain::value::Kind;
use crate::script::ScriptSource;

/// How one canonical field is made from a row of a source.
#[derive(Clone, Debug)]
pub struct FieldPlan {
    pub name: String,
    pub kind: Kind,
    /// The source's column, from 0; `None` for a field that only the whole-row function sets.
    pub column: Option<usize>,
    /// The source's own steps, which run first.
    pub source_steps: Vec<Step>,
    pub steps: Vec<Step>,
    /// Formats of dates and datetimes; the first that fits is taken. Empty means
    /// [`TimeFormat::defaults`].
    pub formats: Vec<TimeFormat>,
    /// How numbers are written.
    pub numbers: NumberFormat,
}

/// How the rows of one side become typed rows.
#[derive(Clone, Debug)]
pub struct SidePlan {
    /// The names of the source's columns, each once.
    pub columns: Vec<String>,
    /// The canonical fields in layout order, the key's first.
    pub fields: Vec<FieldPlan>,
    /// How many of the first fields make up the key.
    pub key_len: usize,
    /// Rows with a null key take part: later passes may match them.
    pub key_may_be_null: bool,
    /// The cells that mean null, before any step; usually the empty one alone.
    pub null_values: Vec<String>,
    /// The time zone of datetimes without one; `None` is UTC.
    pub timezone: Option<TimeZone>,
    /// The scripts with the functions that steps, rows and filters name; of two functions of one
    /// name the earlier script's is meant.
    pub scripts: Vec<ScriptSource>,
    pub row_function: bool,
    /// The function that decides whether a row takes part.
    pub filter: Option<String>,
    /// Conditions with their columns (from 0), checked before the filter.
    pub conditions: Vec<(usize, Condition)>,
}

/// The IANA time zone of this name.
pub fn resolve_timezone(name: &str) -> Result<TimeZone, Problem> {
    TimeZone::get(name).map_err(|_| {
        let problem =
            Problem::new(Code::UnknownTimezone, format!("there is no time zone `{name}`"));
        let known: Vec<_> = jiff::tz::db().available().collect();
        match nearest(name, known.iter().map(|zone| zone.as_str())) {
            Some(zone) => problem.help(format!("did you mean `{zone}`?")),
            None => problem.help("time zones have IANA names, such as `Europe/London`"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_time_zone_gets_a_suggestion() {
        assert!(resolve_timezone("Europe/London").is_ok());
        assert!(resolve_timezone("UTC").is_ok());
        let problem = resolve_timezone("Europe/Lodnon").unwrap_err();
        assert_eq!(problem.help.as_deref(), Some("did you mean `Europe/London`?"));
    }
}
