//! Lists for auditors: decisions against the machine, access, separation of duties.

use crate::domain::review::Permission;
use crate::review::{AccessRow, OverrideRow, Period, SodFinding};

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::routes::Route;

/// The form of moments in queries.
pub const MOMENT: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z)?$";

/// The routes.
pub fn routes() -> Vec<Route> {
    let report = |route: Route| route.needs(&[Permission::Reports]).takes(period_parameters());
    vec![
        report(Route::get("/reports/overrides", "report_overrides", overrides))
            .about("reports", "Decisions against the machine, and those without a second person")
            .list::<OverrideRow>(200, "Decisions"),
        report(Route::get("/reports/access", "report_access", access))
            .about("reports", "Who could do what, and what of it they did")
            .list::<AccessRow>(200, "People"),
        report(Route::get("/reports/sod", "report_sod", sod))
            .about("reports", "Where duties were not separate, or somebody tried")
            .list::<SodFinding>(200, "Findings"),
    ]
}

/// From when to when.
pub fn period_parameters() -> [Parameter; 2] {
    [
        Parameter::query("from", "From this moment or day on", Kind::Pattern(MOMENT))
            .example("2026-01-01"),
        Parameter::query("to", "Before this moment or day", Kind::Pattern(MOMENT))
            .example("2026-02-01"),
    ]
}

fn period(call: &Call<'_>) -> Period {
    let text = |name: &str| call.text(name).map(str::to_owned);
    Period { from: text("from"), to: text("to") }
}

fn overrides(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.desk().report_overrides(&call.actor()?, &period(call))?))
}

fn access(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.desk().report_access(&call.actor()?, &period(call))?))
}

fn sod(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.desk().report_sod(&call.actor()?, &period(call))?))
}
