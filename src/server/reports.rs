//! Lists for auditors: overrides and access.

use crate::review::{AccessRow, OverrideRow, Period};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::Route;

/// A date or a UTC time.
pub const MOMENT: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z)?$";

pub fn describe(route: Route) -> Route {
    let route = route.takes(period_parameters());
    match route.operation {
        "report_overrides" => route
            .about("List decisions against the prediction, and those without a second person")
            .description(
                "Settled decisions that gave another reason than recon had predicted, and \
                 those that one person made alone.",
            )
            .list::<OverrideRow>(200, "Decisions"),
        "report_access" => route
            .about("List what each user was allowed to do and did")
            .description(
                "One row for each user and for programs, with the roles of now and the \
                 actions of the period.",
            )
            .list::<AccessRow>(200, "Users"),
        _ => route,
    }
}

pub fn period_parameters() -> [Parameter; 2] {
    [
        Parameter::query("from", "From this time or day (inclusive)", Kind::Pattern(MOMENT))
            .example("2026-01-01"),
        Parameter::query("to", "Before this time or day (exclusive)", Kind::Pattern(MOMENT))
            .example("2026-02-01"),
    ]
}

/// The parameters are already validated.
pub fn period(call: &Call<'_>) -> Period {
    let text = |name: &str| call.text(name).map(str::to_owned);
    Period { from: text("from"), to: text("to") }
}

pub fn overrides(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.review().report_overrides(&call.actor()?, &period(call))?))
}

pub fn access(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.review().report_access(&call.actor()?, &period(call))?))
}
