//! Dates in scripts: texts of the form YYYY-MM-DD, and functions to count, parse and format them.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rhai::{Array, Dynamic, Engine, INT};

use super::engine::CallResult;
use super::exact::failure;
use super::work::{charge, charge_texts};
use crate::domain::calendar::Calendar;
use crate::domain::time_format::TimeFormat;
use crate::domain::{Date, Instant, Kind};

/// Farther than this no script counts.
const MAX_DAYS: INT = 1_000_000;
/// Days that are one unit of work.
const DAYS: usize = 32;
/// Bytes of a format to compile that are one unit of work.
const FORMAT_BYTES: usize = 4;
/// Maximum number of cached formats.
const MAX_FORMATS: usize = 64;

/// Registers everything about dates; the business date is not known yet.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("days_between", |a: &str, b: &str| -> CallResult<INT> {
            Ok(INT::from(date(b)?.days()) - INT::from(date(a)?.days()))
        })
        .register_fn("add_days", |day: &str, days: INT| -> CallResult<String> {
            let (day, days) = (date(day)?, count(days)?);
            written(day.days().checked_add(days).map(Date::from_days))
        })
        .register_fn("add_months", |day: &str, months: INT| -> CallResult<String> {
            written(date(day)?.add_months(count(months)?))
        })
        .register_fn("weekday", |day: &str| -> CallResult<INT> {
            Ok(INT::from(date(day)?.weekday()) + 1)
        })
        .register_fn("is_month_end", |day: &str| -> CallResult<bool> {
            Ok(date(day)?.is_month_end())
        })
        .register_fn("is_business_day", |day: &str| -> CallResult<bool> {
            Ok(Calendar::default().is_business_day(date(day)?))
        })
        .register_fn("is_business_day", |day: &str, holidays: Array| -> CallResult<bool> {
            Ok(calendar(holidays)?.is_business_day(date(day)?))
        })
        .register_fn("add_business_days", |day: &str, days: INT| -> CallResult<String> {
            written(Calendar::default().add_business_days(date(day)?, business_days(days)?))
        })
        .register_fn(
            "add_business_days",
            |day: &str, days: INT, holidays: Array| -> CallResult<String> {
                written(calendar(holidays)?.add_business_days(date(day)?, business_days(days)?))
            },
        )
        .register_fn("business_days_between", |a: &str, b: &str| -> CallResult<INT> {
            let (a, b) = span(a, b)?;
            Ok(Calendar::default().business_days_between(a, b))
        })
        .register_fn(
            "business_days_between",
            |a: &str, b: &str, holidays: Array| -> CallResult<INT> {
                let (a, b) = span(a, b)?;
                Ok(calendar(holidays)?.business_days_between(a, b))
            },
        );
    register_formats(engine);
    register_batch_date(engine, None);
    register_calendars(engine, &Arc::default());
}

fn register_formats(engine: &mut Engine) {
    let formats = std::rc::Rc::new(RefCell::new(HashMap::new()));
    let of_reading = std::rc::Rc::clone(&formats);
    engine.register_fn("parse_date", move |text: &str, format: &str| -> CallResult<Dynamic> {
        charge_texts(&[text, format])?;
        with_format(&of_reading, format, |format| {
            let day = format.read(text.as_bytes()).map(|reading| reading.date.to_string());
            Ok(day.map_or(Dynamic::UNIT, Dynamic::from))
        })
    });
    engine.register_fn("format_date", move |day: &str, format: &str| -> CallResult<String> {
        charge_texts(&[day, format])?;
        let (date, second, nanoseconds) = match Instant::parse_rfc3339_utc(day) {
            None => (date(day)?, 0, 0),
            Some(instant) => {
                let second = instant.seconds().rem_euclid(86_400);
                (instant.date(), u32::try_from(second).unwrap_or_default(), instant.nanoseconds())
            }
        };
        with_format(&formats, format, |format| match format.write(date, second, nanoseconds) {
            Some(text) => Ok(text),
            None => failure(format!("`{format}` can't be written")),
        })
    });
}

/// Two dates, near enough to iterate over the days between them.
fn span(a: &str, b: &str) -> CallResult<(Date, Date)> {
    let (a, b) = (date(a)?, date(b)?);
    charge(a.days().abs_diff(b.days()) as usize / DAYS)?;
    Ok((a, b))
}

/// Calls `with` the compiled format, from the cache if possible.
fn with_format<T>(
    formats: &RefCell<HashMap<String, TimeFormat>>,
    text: &str,
    with: impl FnOnce(&TimeFormat) -> CallResult<T>,
) -> CallResult<T> {
    if let Some(format) = formats.borrow().get(text) {
        return with(format);
    }
    charge(text.len() / FORMAT_BYTES)?;
    let format = match TimeFormat::parse(text, Kind::Datetime) {
        Ok(format) => format,
        Err(problem) => return failure(problem.message),
    };
    let result = with(&format);
    let mut formats = formats.borrow_mut();
    if formats.len() >= MAX_FORMATS {
        formats.clear();
    }
    formats.insert(text.to_owned(), format);
    result
}

/// Registers the business date, if it is known.
pub(super) fn register_batch_date(engine: &mut Engine, batch_date: Option<Date>) {
    let batch_date = batch_date.map(|date| date.to_string());
    engine.register_fn("batch_date", move || -> CallResult<String> {
        match &batch_date {
            Some(date) => Ok(date.clone()),
            None => failure("the business date is not known here"),
        }
    });
}

/// Registers the business days of fields' calendars, by the name of the field.
pub(super) fn register_calendars(engine: &mut Engine, calendars: &Arc<BTreeMap<String, Calendar>>) {
    let of = Arc::clone(calendars);
    engine.register_fn("is_business_day", move |day: &str, field: &str| -> CallResult<bool> {
        Ok(named(&of, field)?.is_business_day(date(day)?))
    });
    let of = Arc::clone(calendars);
    engine.register_fn(
        "add_business_days",
        move |day: &str, days: INT, field: &str| -> CallResult<String> {
            let (day, days) = (date(day)?, business_days(days)?);
            written(named(&of, field)?.add_business_days(day, days))
        },
    );
    let of = Arc::clone(calendars);
    engine.register_fn(
        "business_days_between",
        move |a: &str, b: &str, field: &str| -> CallResult<INT> {
            let (a, b) = span(a, b)?;
            Ok(named(&of, field)?.business_days_between(a, b))
        },
    );
}

fn named<'c>(calendars: &'c BTreeMap<String, Calendar>, field: &str) -> CallResult<&'c Calendar> {
    let Some(calendar) = calendars.get(field) else {
        let known: Vec<&str> = calendars.keys().map(String::as_str).collect();
        let known = match known.as_slice() {
            [] => "no field has one".to_owned(),
            known => format!("these have one: {}", known.join(", ")),
        };
        return failure(format!(
            "`{field}` is no field with a tolerance in `business_days`, whose calendar could be used; {known}"
        ));
    };
    Ok(calendar)
}

/// The date at the start of an ISO date or instant.
fn date(text: &str) -> CallResult<Date> {
    let day = text.split_once('T').map_or(text, |(day, _)| day);
    day.parse()
        .map_or_else(|_| failure(format!("`{text}` is not a date of the form YYYY-MM-DD")), Ok)
}

/// A date as scripts have it.
fn written(date: Option<Date>) -> CallResult<String> {
    match date.filter(|date| date.iso().is_some()) {
        Some(date) => Ok(date.to_string()),
        None => failure("there is no such day in the years 0 to 9999"),
    }
}

fn count(days: INT) -> CallResult<i32> {
    match i32::try_from(days) {
        Ok(count) if days.abs() <= MAX_DAYS => Ok(count),
        _ => failure(format!("{days} is too far away")),
    }
}

/// Business days are counted one by one, so that there is a limit.
fn business_days(days: INT) -> CallResult<i32> {
    const MAX: INT = 10_000;
    if days.abs() > MAX {
        return failure(format!("{days} business days are more than {MAX}"));
    }
    charge(usize::try_from(days.unsigned_abs()).unwrap_or(usize::MAX) / DAYS)?;
    count(days)
}

/// Monday to Friday without these days.
fn calendar(holidays: Array) -> CallResult<Calendar> {
    charge(holidays.len() / 4)?;
    let mut days = Vec::with_capacity(holidays.len());
    for holiday in holidays {
        match holiday.into_immutable_string() {
            Ok(text) => days.push(date(&text)?),
            Err(kind) => return failure(format!("a holiday is a date as text, not {kind}")),
        }
    }
    Ok(Calendar::new(Calendar::default_weekend(), days))
}

#[cfg(test)]
mod tests {
    use super::super::{NormalizeScript, ScriptSource};
    use super::*;

    fn call(body: &str) -> Result<Option<String>, String> {
        let source = ScriptSource::from_text("x.rhai", format!("fn f(v) {{ {body} }}"));
        let source = source.for_date(Date::from_civil(2026, 1, 16).unwrap());
        let mut script = NormalizeScript::compile(&source).unwrap();
        script.call_value("f", "2026-01-16").map_err(|error| error.message.into_string())
    }

    #[test]
    fn dates_are_counted_read_and_written() {
        for (body, expected) in [
            ("add_days(v, -16)", "2025-12-31"),
            ("add_days(\"2024-02-28T23:00:00Z\", 1)", "2024-02-29"),
            ("add_months(v, -11)", "2025-02-16"),
            ("add_business_days(v, 1)", "2026-01-19"),
            ("add_business_days(v, -1)", "2026-01-15"),
            ("add_business_days(v, 1, [\"2026-01-19\"])", "2026-01-20"),
            ("business_days_between(v, \"2026-01-26\", [\"2026-01-19\"])", "5"),
            ("is_business_day(\"2026-01-17\")", "false"),
            ("parse_date(\"16/01/26 10:30\", \"%d/%m/%y %H:%M\")", "2026-01-16"),
            ("parse_date(\"46038\", \"excel\")", "2026-01-16"),
            ("format_date(v, \"[fr] %d %B %Y\")", "16 janvier 2026"),
            (
                "format_date(\"2026-01-16T10:20:30.5Z\", \"%H%M%S%.f\".sub_string(0) + \" %F\")",
                "102030.5 2026-01-16",
            ),
            ("batch_date()", "2026-01-16"),
            ("if days_between(v, batch_date()) == 0 { \"today\" } else { v }", "today"),
        ] {
            assert_eq!(call(body).as_ref().map(Option::as_deref), Ok(Some(expected)), "{body}");
        }
        assert_eq!(call("parse_date(\"31/02/2026\", \"%d/%m/%Y\")"), Ok(None));
    }

    #[test]
    fn the_calendar_of_a_field_is_used_by_its_name() {
        let holiday = Date::from_civil(2026, 1, 19).unwrap();
        let calendar = Calendar::new(Calendar::default_weekend(), vec![holiday]);
        let calendars = BTreeMap::from([("settled_on".to_owned(), calendar)]);
        let call = |body: &str| {
            let source = ScriptSource::from_text("x.rhai", format!("fn f(v) {{ {body} }}"));
            let source = source.with_calendars(Arc::new(calendars.clone()));
            let mut script = NormalizeScript::compile(&source).unwrap();
            script.call_value("f", "2026-01-16").map_err(|error| error.message.into_string())
        };
        for (body, expected) in [
            ("is_business_day(\"2026-01-19\", \"settled_on\")", "false"),
            ("add_business_days(v, 1, \"settled_on\")", "2026-01-20"),
            ("business_days_between(v, \"2026-01-26\", \"settled_on\")", "5"),
        ] {
            assert_eq!(call(body).as_ref().map(Option::as_deref), Ok(Some(expected)), "{body}");
        }
        let message = call("is_business_day(v, \"settled\")").unwrap_err();
        assert!(
            message.contains("`settled` is no field") && message.contains("settled_on"),
            "{message}"
        );
    }

    #[test]
    fn invalid_dates_and_formats_are_plain_errors() {
        for (body, part) in [
            ("add_days(\"16.1.2026\", 1)", "not a date of the form YYYY-MM-DD"),
            ("add_days(v, 99999999999)", "too far away"),
            ("add_days(\"9999-12-31\", 1)", "no such day"),
            ("add_business_days(v, 10001)", "more than 10000"),
            ("add_business_days(v, 1, [1])", "a holiday is a date"),
            ("parse_date(v, \"%H:%M %p\")", "`%p` would be read and ignored"),
            ("format_date(v, \"%Q%Q\")", "not a format"),
        ] {
            let message = call(body).unwrap_err();
            assert!(message.contains(part), "{body}: {message}");
        }
        let source = ScriptSource::from_text("x.rhai", "fn f(v) { batch_date() }");
        let error = NormalizeScript::compile(&source).unwrap().call_value("f", "").unwrap_err();
        assert!(error.message.contains("not known here"), "{}", error.message);
    }
}
