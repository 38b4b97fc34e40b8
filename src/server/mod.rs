//! The review server.
//!
//! `guard` owns the public socket and parses requests, `backend` is the home of tiny_http and its
//! threads, `handle` answers a request by the table in `routes`.
//!
//! Decisions about differences, users and proposals are made in `review`, never here.

mod admin;
mod audit;
mod auth;
mod authenticate;
mod backend;
mod call;
mod csv;
mod decisions;
mod docs;
mod error;
mod example;
mod guard;
mod handle;
mod handover;
mod hosts;
mod http;
mod json;
mod lane;
mod limiter;
pub(crate) mod log;
mod matches;
mod metrics;
mod notify;
mod openapi;
mod page;
mod parameter;
mod proposals;
mod reasons;
mod refusals;
mod reports;
mod route;
mod routes;
mod runs;
mod schema;
mod system;
mod target;
mod validate;
mod workflow;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::database::patience;
use crate::diagnostic::{Code, Problem};
use crate::domain;
use crate::domain::review::proxy::client;
use crate::domain::review::server::ServerSettings;
use crate::review::people::{Hashing, Principal};
use crate::review::{Review, ReviewSettings};
use crate::store::audit::Checkpoint;
use crate::store::{Store, chain, transact};
use crate::threads;

use self::error::Denied;
use self::guard::limits::Caps;
use self::guard::{Guard, Setup};
use self::hosts::Hosts;
use self::http::{Method, Request, Response};
use self::lane::Lane;
use self::limiter::Limiter;
use self::log::{AccessLog, Line};
use self::metrics::Metrics;
use self::route::{Match, Route, Surface};
use self::validate::BodyValidator;

/// Headers that show that a proxy forwarded the request.
const FORWARDED: &[&str] =
    &["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via"];
/// The server's own store timeout, short so that it notices a stop signal.
const OWN_PATIENCE: Duration = Duration::from_millis(500);
/// Interval of requests to ourselves.
const SELF_REQUEST_EVERY: Duration = Duration::from_secs(10);
/// Consecutive failures of requests to ourselves after which the server exits.
const SELF_REQUESTS_LOST: u32 = 3;
/// Interval of looking for new runs to index.
const INDEX_EVERY: Duration = Duration::from_secs(2);
/// Pause between two parts of the search index.
const INDEX_PAUSE: Duration = Duration::from_millis(50);
/// Store timeout for a part of the search index.
const INDEX_PATIENCE: Duration = Duration::from_secs(10);
/// How long reading ahead waits for the store, and the pause after it has failed.
const READ_AHEAD_PATIENCE: Duration = Duration::from_secs(20);
const READ_AHEAD_PAUSE: Duration = Duration::from_secs(60);
/// Interval of closing expired proposals.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Interval of checking how much the audit trail has grown.
const CHECKPOINT_POLL: Duration = Duration::from_secs(2);
/// Audit rows between two checkpoints in the log.
const CHECKPOINT_EVERY_ROWS: i64 = 1_000;

/// Makes an HTML page of a refusal.
pub(crate) type ProblemPage = fn(&App, &Request, Denied) -> Response;

pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: ServerSettings,
    pub(crate) routes: Vec<Route>,
    pub(crate) bodies: BodyValidator,
    pub(crate) review_settings: ReviewSettings,
    /// Limits concurrent password hashing.
    pub(crate) hashing: Hashing,
    /// The user who decides alone (`--solo`).
    pub(crate) alone: Option<Principal>,
    pub(crate) limiter: Limiter,
    pub(crate) hosts: Hosts,
    pub(crate) metrics: Metrics,
    pub(crate) log: AccessLog,
    pub(crate) clock: fn() -> domain::Instant,
    pub(crate) problem_page: ProblemPage,
    /// The default Content-Security-Policy of pages.
    pub(crate) content_security_policy: &'static str,
    /// A verification of the audit chain is running; only one may.
    pub(crate) verifying: AtomicBool,
    document: OnceLock<Vec<u8>>,
    answers_itself: AtomicBool,
}

/// Arguments of [`App::new`].
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: ServerSettings,
    pub(crate) review_settings: ReviewSettings,
    /// The user who decides alone (`--solo`).
    pub(crate) alone: Option<Principal>,
    pub(crate) log: AccessLog,
    pub(crate) clock: fn() -> domain::Instant,
}

impl App {
    /// A server that will listen at `bound`.
    pub(crate) fn new(parts: Parts, bound: SocketAddr) -> Self {
        let routes = routes::all();
        let rate = parts.settings.requests_per_second;
        Self {
            bodies: BodyValidator::new(&routes),
            limiter: Limiter::new(rate, rate * 4.0),
            hosts: Hosts::new(bound, &parts.settings),
            metrics: Metrics::new(&routes),
            routes,
            store: parts.store,
            settings: parts.settings,
            review_settings: parts.review_settings,
            hashing: Hashing::default(),
            alone: parts.alone,
            verifying: AtomicBool::new(false),
            log: parts.log,
            clock: parts.clock,
            problem_page: page::problem_page,
            content_security_policy: page::CONTENT_SECURITY_POLICY,
            document: OnceLock::new(),
            answers_itself: AtomicBool::new(true),
        }
    }

    pub(crate) fn time(&self) -> String {
        (self.clock)().to_string()
    }

    pub(crate) fn document(&self) -> &[u8] {
        self.document.get_or_init(|| openapi::document(&self.routes).to_string().into_bytes())
    }

    pub(crate) fn answers_itself(&self) -> bool {
        self.answers_itself.load(Ordering::Relaxed)
    }

    /// The review services for one request.
    pub(crate) fn review(&self) -> Review<'_> {
        Review::new(&*self.store, &self.review_settings)
    }

    /// Names of the tokens that may check and authorize.
    pub(crate) fn deciding_tokens(&self) -> BTreeSet<String> {
        let policy = self.review().policy(&authenticate::system_actor());
        policy.map(|(_, policy)| policy.deciding_tokens).unwrap_or_default()
    }

    /// The client's address: from a trusted proxy's header, else the connection's.
    pub(crate) fn client_of(&self, request: &Request) -> IpAddr {
        let said: Vec<&str> = request.headers.all("x-forwarded-for").collect();
        client(self.settings.proxies.as_ref(), request.peer, &said)
    }

    /// True if the client is on this machine. Forwarded requests never are, whatever their headers say.
    pub(crate) fn is_local(&self, request: &Request) -> bool {
        let passed_on = || FORWARDED.iter().any(|name| request.headers.has(name));
        request.peer.is_loopback() && !(self.settings.trusts(request.peer) && passed_on())
    }

    /// The lane whose threads answer a request.
    pub(crate) fn lane_of(&self, request: &Request) -> Lane {
        match route::find(&self.routes, request.method, request.path()) {
            Match::Route(route, _) => route.lane,
            Match::OtherMethods(_) | Match::Nothing => Lane::default(),
        }
    }

    pub(crate) fn is_https(&self, request: &Request) -> bool {
        let said = request.headers.one("x-forwarded-proto");
        self.settings.trusts(request.peer) && said.is_some_and(|scheme| scheme == "https")
    }

    /// Chooses HTML or JSON for problems of paths without a route.
    fn surface_of(&self, request: &Request) -> Option<Surface> {
        let first = request.path().split('/').nth(1).unwrap_or_default();
        let on_page = |route: &Route| {
            route.surface == Surface::Page && route.path.split('/').nth(1) == Some(first)
        };
        self.routes.iter().any(on_page).then_some(Surface::Page)
    }

    fn allowed_origin<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let origin = request.headers.one("origin")?;
        self.settings.origins.iter().any(|allowed| allowed == origin).then_some(origin)
    }

    /// The answer to a CORS preflight request.
    fn preflight(&self, request: &Request, methods: &[Method]) -> Option<Response> {
        if request.method != Method::Options
            || !request.headers.has("access-control-request-method")
        {
            return None;
        }
        self.allowed_origin(request)?;
        let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
        Some(
            Response::new(204)
                .header("access-control-allow-methods", names.join(", "))
                .header(
                    "access-control-allow-headers",
                    "authorization, content-type, if-match, if-none-match, idempotency-key",
                )
                .header("access-control-max-age", "600"),
        )
    }

    fn allow_origin(&self, request: &Request, response: &mut Response) {
        if self.settings.origins.is_empty() {
            return;
        }
        response.set("vary", "Origin");
        if let Some(origin) = self.allowed_origin(request) {
            response.set("access-control-allow-origin", origin);
            response.set("access-control-expose-headers", "etag, link, location, x-request-id");
            response.set("cross-origin-resource-policy", "cross-origin");
        }
    }
}

/// Every route as an OpenAPI document, those of pages too: for tests of all routes.
pub fn every_route() -> serde_json::Value {
    openapi::whole(&routes::all())
}

/// Serves until `stop` is set, then lets in-flight requests finish. `keep` gets a checkpoint of the
/// audit trail at start, at stop and every [`CHECKPOINT_EVERY_ROWS`] rows.
pub(crate) fn serve(
    listener: TcpListener,
    app: Arc<App>,
    stop: &AtomicBool,
    keep: &dyn Fn(&Checkpoint),
) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::new(Code::ServerFailed, format!("the server can't start: {error}"))
    };
    let caps = Caps::of_process()?;
    app.store.is_same()?;
    let backend = backend::Backend::start(&app, caps.threads)?;
    let (seen, many, lanes) = (Arc::clone(&app), Arc::clone(&app), Arc::clone(&app));
    let setup = Setup {
        caps,
        backend: backend.socket().to_owned(),
        handover: backend.handover(),
        lane_of: Box::new(move |request| lanes.lane_of(request)),
        speaks_for_many: Box::new(move |address| many.settings.trusts(address)),
        on_refused: Box::new(move |client, id, refused| {
            seen.log.write(&Line {
                time: seen.time(),
                id,
                client: client.to_string(),
                method: "-",
                path: "-",
                status: refused.status,
                code: Some(refused.detail),
                ..Line::default()
            });
        }),
        counts: app.metrics.guard(),
    };
    let guard = Guard::start(listener, setup).map_err(failed)?;
    let mut checkpoints = Checkpoints { rows: 0, keep };
    checkpoints.log(&app, true);
    let ended = AtomicBool::new(false);
    let watched = std::thread::scope(|scope| {
        let started = threads::start(scope, || keep_indexed(&app, &[stop, &ended]));
        let started = started.and_then(|_| match &app.settings.notify {
            Some(notify) => threads::start(scope, || {
                // Without a thread for deliveries nothing is sent; `watch` reports all other failures.
                let _ = notify::run(&app, notify, &[stop, &ended]);
            })
            .map(drop),
            None => Ok(()),
        });
        let watched = started.and_then(|()| watch(&guard, &backend, &app, stop, &mut checkpoints));
        ended.store(true, Ordering::SeqCst);
        watched
    });
    let drained = guard.drain();
    backend.stop();
    checkpoints.log(&app, true);
    watched?;
    if !drained {
        return Err(Problem::new(
            Code::RequestsCut,
            "some requests were still running when the server stopped",
        ));
    }
    Ok(())
}

/// Indexes new runs for searches and refreshes the items in memory, until one of `ends` is set. Failures are retried.
fn keep_indexed(app: &App, ends: &[&AtomicBool]) {
    let ended = || ends.iter().any(|end| end.load(Ordering::SeqCst));
    let mut read_ahead_at = Instant::now();
    while !ended() {
        let added = patience::within(INDEX_PATIENCE, || app.review().index_next());
        if matches!(added, Ok(false)) && read_ahead_at <= Instant::now() {
            let read = patience::within(READ_AHEAD_PATIENCE, || app.review().read_ahead());
            // If it takes too long, requests read the data themselves.
            let pause = if read.is_ok() { Duration::ZERO } else { READ_AHEAD_PAUSE };
            read_ahead_at = Instant::now() + pause;
        }
        // A pause lets others write to the store.
        let pause = if matches!(added, Ok(true)) { INDEX_PAUSE } else { INDEX_EVERY };
        let began = Instant::now();
        while began.elapsed() < pause && !ended() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits for `stop`; fails if the server no longer answers its own requests.
fn watch(
    guard: &Guard,
    backend: &backend::Backend,
    app: &App,
    stop: &AtomicBool,
    checkpoints: &mut Checkpoints<'_>,
) -> Result<(), Problem> {
    let mut polled = Instant::now();
    let mut next = Instant::now() + SELF_REQUEST_EVERY;
    let mut tidied = Instant::now();
    let mut lost = 0;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
        if !guard.is_alive() || !backend.is_alive() {
            return Err(dead("a thread has ended unexpectedly"));
        }
        if Instant::now() >= next {
            let answered = backend.answers();
            app.answers_itself.store(answered, Ordering::Relaxed);
            lost = if answered { 0 } else { lost + 1 };
            if lost >= SELF_REQUESTS_LOST {
                return Err(dead("it does not answer its own requests"));
            }
            next = Instant::now() + SELF_REQUEST_EVERY;
        }
        if polled.elapsed() >= CHECKPOINT_POLL {
            checkpoints.log(app, false);
            polled = Instant::now();
        }
        if tidied.elapsed() >= TIDY_EVERY {
            // Failures are retried a minute later.
            let _ = patience::within(OWN_PATIENCE, || app.review().tidy());
            tidied = Instant::now();
        }
    }
    Ok(())
}

struct Checkpoints<'a> {
    rows: i64,
    keep: &'a dyn Fn(&Checkpoint),
}

impl Checkpoints<'_> {
    /// Logs a checkpoint if enough rows were added, or always with `now`. Store errors are reported
    /// elsewhere.
    fn log(&mut self, app: &App, now: bool) {
        let end = patience::within(OWN_PATIENCE, || {
            app.store.is_same()?;
            transact::read(&*app.store, |tx| chain::checkpoint(tx, (app.clock)()))
        });
        let Ok(end) = end else { return };
        if now || end.n / CHECKPOINT_EVERY_ROWS > self.rows / CHECKPOINT_EVERY_ROWS {
            self.rows = end.n;
            (self.keep)(&end);
        }
    }
}

fn dead(why: &str) -> Problem {
    Problem::new(Code::ServerStuck, format!("the server exits: {why}"))
        .help("restart it, or let its supervisor do that")
}
