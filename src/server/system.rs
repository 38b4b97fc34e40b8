//! The server itself: whether it lives, whether it is ready, what it counted.

use serde::Serialize;
use utoipa::ToSchema;

use crate::diagnostic::Problem;
use crate::store::{RowSink, SqlValue};

use super::App;
use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::routes::{Access, Content, Route};

/// The routes.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/health", "health", health)
            .about("system", "Whether the process lives")
            .access(Access::Open)
            .json::<Health>(200, "It lives"),
        Route::get("/ready", "ready", ready)
            .about("system", "Whether requests would be answered")
            .description("Who is logged in sees the checks one by one.")
            .access(Access::Open)
            .json::<Readiness>(200, "They would")
            .json::<Readiness>(503, "They would not"),
        Route::get("/metrics", "metrics", metrics)
            .about("system", "What happened so far, for Prometheus")
            .access(Access::LocalOrPerson)
            .answers(200, "Text format 0.0.4", Content::Media("text/plain")),
    ]
}

/// Whether the process lives.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

fn health(_: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &Health { status: "ok" }))
}

/// Whether requests would be answered.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Readiness {
    /// `ready` or `unavailable`.
    status: &'static str,
    /// The checks, for who is logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<Checks>,
}

/// The checks.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Checks {
    /// Whether the store answers.
    store: bool,
    /// Whether the server answers its own requests.
    self_request: bool,
}

fn ready(call: &Call<'_>) -> Result<Response, Denied> {
    let checks = Checks { store: store_answers(call.app), self_request: call.app.answers_itself() };
    let good = checks.store && checks.self_request;
    let (status, word) = if good { (200, "ready") } else { (503, "unavailable") };
    let checks = call.principal.is_some().then_some(checks);
    Ok(Response::json(status, &Readiness { status: word, checks }))
}

fn store_answers(app: &App) -> bool {
    struct Any(bool);
    impl RowSink for Any {
        fn columns(&mut self, _: &[String]) -> Result<(), Problem> {
            Ok(())
        }
        fn row(&mut self, _: &[SqlValue]) -> Result<(), Problem> {
            self.0 = true;
            Ok(())
        }
    }
    let mut any = Any(false);
    app.store.query("SELECT 1", &mut any).is_ok() && any.0
}

fn metrics(call: &Call<'_>) -> Result<Response, Denied> {
    let text = call.app.metrics.text();
    Ok(Response::with_body(200, "text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
}
