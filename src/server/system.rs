//! Health, readiness and metrics.

use serde::Serialize;
use utoipa::ToSchema;

use crate::diagnostic::Problem;
use crate::store::{audit, chain, transact};

use super::App;
use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::route::{Content, Route};

/// Audit rows that `/ready` verifies; few enough for a request per second.
const ROWS_CHECKED: i64 = 100;
/// Free bytes on disk below which the server is not ready.
const ROOM: u64 = 64 << 20;

pub fn describe(route: Route) -> Route {
    match route.operation {
        "health" => route
            .about("Check that the process is alive")
            .description(
                "Answers without looking at the store. For a supervisor that restarts a dead \
                 process.",
            )
            .json::<Health>(200, "It is alive"),
        "ready" => route
            .about("Check that the server can handle requests")
            .description(
                "Asks the store, the schema, the audit chain, the disk and the server itself. \
                 For a load balancer. Users who are logged in see each check.",
            )
            .json::<Readiness>(200, "Ready")
            .json::<Readiness>(503, "Not ready"),
        "metrics" => route
            .about("Metrics for Prometheus")
            .description(
                "Requests, response times, the queue, runs and the store, in the text format \
                 of Prometheus. Open to clients on this machine and to users who are logged \
                 in.",
            )
            .answers(200, "Text format 0.0.4", Content::Media("text/plain")),
        _ => route,
    }
}

/// The process is alive.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

pub fn health(_: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &Health { status: "ok" }))
}

/// Whether the server can handle requests.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Readiness {
    /// `ready` or `unavailable`.
    status: &'static str,
    /// Each check, for users who are logged in
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<Checks>,
}

/// The checks.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Checks {
    /// The store answers, and is still the one that was opened
    db: bool,
    /// The store's schema is this version's
    migrations: bool,
    /// The last rows of the audit chain are intact
    audit_chain: bool,
    /// There is free disk space; always true for stores on other machines
    disk: bool,
    /// The server answers its own requests
    self_request: bool,
}

impl Checks {
    fn of(app: &App) -> Self {
        let same = app.store.is_same();
        let chained = transact::read(&*app.store, |tx| {
            let first = audit::head(tx, false)?.seq - ROWS_CHECKED + 1;
            Ok::<_, Problem>(chain::verify(tx, Some(first), None)?.ok)
        });
        Self {
            db: same.is_ok() && chained.is_ok(),
            migrations: app.store.is_current().unwrap_or_default(),
            audit_chain: chained.unwrap_or_default(),
            disk: app.store.free_space().is_none_or(|free| free >= ROOM),
            self_request: app.answers_itself(),
        }
    }

    fn all(&self) -> bool {
        self.db && self.migrations && self.audit_chain && self.disk && self.self_request
    }
}

pub fn ready(call: &Call<'_>) -> Result<Response, Denied> {
    let checks = Checks::of(call.app);
    let (status, word) = if checks.all() { (200, "ready") } else { (503, "unavailable") };
    let checks = call.principal.is_some().then_some(checks);
    Ok(Response::json(status, &Readiness { status: word, checks }))
}

pub fn metrics(call: &Call<'_>) -> Result<Response, Denied> {
    let text = call.app.metrics.text();
    Ok(Response::with_body(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}
