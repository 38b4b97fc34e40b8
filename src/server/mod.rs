//! The review server.
//!
//! [`guard`] owns the public socket and hands whole, canonical requests to `backend`, the home of
//! the HTTP library; [`handle`] is the pure function from a request to an answer, by the table in
//! [`routes`]. A noun of the API is one file and one line of that table.
//!
//! Nothing here decides anything about a difference, a person or a proposal: the services in
//! `review` do, and the server says what they said.

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
mod guard;
mod handle;
mod handover;
mod hosts;
mod http;
mod json;
mod lane;
mod limiter;
pub mod log;
mod metrics;
mod openapi;
mod page;
mod parameter;
mod proposals;
mod reasons;
mod reports;
mod route;
mod routes;
mod runs;
mod schema;
mod shape;
mod system;
mod target;
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
use crate::review::{Desk, Office};
use crate::store::audit::Checkpoint;
use crate::store::{Store, chain, transact};

use self::error::Denied;
use self::guard::limits::Caps;
use self::guard::{Counts, Guard, Setup};
use self::hosts::Hosts;
use self::http::{Method, Request, Response};
use self::lane::Lane;
use self::limiter::Limiter;
use self::log::{AccessLog, Line};
use self::metrics::Metrics;
use self::route::{Found, Route, Surface};
use self::shape::Judge;

/// Headers by which proxies tell that they pass something on.
const FORWARDED: &[&str] =
    &["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via"];
/// How long the server itself waits for the store between two looks at whether it shall stop.
const OWN_PATIENCE: Duration = Duration::from_millis(500);
/// How often the server asks itself whether it still answers.
const SELF_REQUEST_EVERY: Duration = Duration::from_secs(10);
/// After so many silent answers it is not worth the port it holds.
const SELF_REQUESTS_LOST: u32 = 3;
/// How often proposals are looked through for those whose time is over.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// How often the end of the audit trail is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After so many rows of the audit trail its end is kept in the log.
pub const KEEP_EVERY_ROWS: i64 = 1_000;

/// Makes the answer that people see where a page can't be shown.
pub type ProblemPage = fn(&App, &Request, Denied) -> Response;

/// Everything that handlers know.
pub struct App {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What was configured.
    pub settings: ServerSettings,
    /// The table of routes.
    pub routes: Vec<Route>,
    /// Holds documents to their schemas.
    pub judge: Judge,
    /// What all desks share: the policy in force, the clock, who the people are.
    pub office: Office,
    /// The turnstile before the hashes of passwords.
    pub hashing: Hashing,
    /// Whoever decides alone; everybody else logs in.
    pub alone: Option<Principal>,
    /// How often somebody may ask.
    pub limiter: Limiter,
    /// The names of this server.
    pub hosts: Hosts,
    /// What happened so far.
    pub metrics: Metrics,
    /// Where each request is noted.
    pub log: AccessLog,
    /// The time, UTC.
    pub clock: fn() -> domain::Instant,
    /// Problems on pages.
    pub problem_page: ProblemPage,
    /// What pages may load, unless they say otherwise.
    pub content_security_policy: &'static str,
    /// Whether somebody has the chain verified; once at a time is enough.
    pub verifying: AtomicBool,
    document: OnceLock<Vec<u8>>,
    answers_itself: AtomicBool,
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What was configured.
    pub settings: ServerSettings,
    /// What all desks share.
    pub office: Office,
    /// Whoever decides alone; everybody else logs in.
    pub alone: Option<Principal>,
    /// Where each request is noted.
    pub log: AccessLog,
    /// The time, UTC.
    pub clock: fn() -> domain::Instant,
}

impl App {
    /// A server that listens at `bound`.
    pub fn new(parts: Parts, bound: SocketAddr) -> Self {
        let routes = routes::all();
        let rate = parts.settings.requests_per_second;
        Self {
            judge: Judge::new(&routes),
            limiter: Limiter::new(rate, rate * 4.0),
            hosts: Hosts::new(bound, &parts.settings),
            metrics: Metrics::new(&routes),
            routes,
            store: parts.store,
            settings: parts.settings,
            office: parts.office,
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

    /// The time as log lines say it.
    pub fn time(&self) -> String {
        (self.clock)().to_string()
    }

    /// The OpenAPI document.
    pub fn document(&self) -> &[u8] {
        self.document.get_or_init(|| openapi::document(&self.routes).to_string().into_bytes())
    }

    /// Whether the last request of the server to itself was answered.
    pub fn answers_itself(&self) -> bool {
        self.answers_itself.load(Ordering::Relaxed)
    }

    /// The services, for one request.
    pub fn desk(&self) -> Desk<'_> {
        Desk::new(&*self.store, &self.office)
    }

    /// Tokens with which programs may check and authorize, by name.
    pub fn deciding_tokens(&self) -> BTreeSet<String> {
        let policy = self.desk().policy(&authenticate::system_actor());
        policy.map(|(_, policy)| policy.deciding_tokens).unwrap_or_default()
    }

    /// Where a request came from: what a trusted proxy says, else the connection's address.
    pub fn client_of(&self, request: &Request) -> IpAddr {
        let said: Vec<&str> = request.headers.all("x-forwarded-for").collect();
        client(self.settings.proxies.as_ref(), request.peer, &said)
    }

    /// Whether the client is on this machine, as far as anybody can tell. What a proxy passes on is
    /// never local, whatever it says about where it came from.
    pub fn is_local(&self, request: &Request) -> bool {
        let passed_on = || FORWARDED.iter().any(|name| request.headers.has(name));
        request.peer.is_loopback() && !(self.settings.trusts(request.peer) && passed_on())
    }

    /// Which threads answer a request.
    pub fn lane_of(&self, request: &Request) -> Lane {
        match route::find(&self.routes, request.method, request.path()) {
            Found::Route(route, _) => route.lane,
            Found::OtherMethods(_) | Found::Nothing => Lane::default(),
        }
    }

    /// Whether the client came by https, as far as anybody can tell.
    pub fn is_https(&self, request: &Request) -> bool {
        let said = request.headers.one("x-forwarded-proto");
        self.settings.trusts(request.peer) && said.is_some_and(|scheme| scheme == "https")
    }

    /// The surface of a path that has no route.
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

    /// The answer to a browser that asks whether a page of another origin may call.
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

/// Serves until `stop` says so, then lets the requests at work come to their end. `keep` is told the
/// end of the audit trail at the start, every [`KEEP_EVERY_ROWS`] rows, and at the end.
///
/// # Errors
/// The private socket can't be made, or the server does not answer any more.
pub fn serve(
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
    let mut kept = Kept { rows: 0, keep };
    kept.look(&app, true);
    let watched = watch(&guard, &backend, &app, stop, &mut kept);
    let drained = guard.drain();
    backend.stop();
    kept.look(&app, true);
    watched?;
    if !drained {
        return Err(Problem::new(
            Code::RequestsCut,
            "some requests were still at work when the server stopped",
        ));
    }
    Ok(())
}

/// Waits for the end, and now and then makes sure that the server still answers.
fn watch(
    guard: &Guard,
    backend: &backend::Backend,
    app: &App,
    stop: &AtomicBool,
    kept: &mut Kept<'_>,
) -> Result<(), Problem> {
    let mut looked = Instant::now();
    let mut next = Instant::now() + SELF_REQUEST_EVERY;
    let mut tidied = Instant::now();
    let mut lost = 0;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
        if !guard.is_alive() || !backend.is_alive() {
            return Err(dead("a thread that it needs has ended"));
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
        if looked.elapsed() >= LOOK_EVERY {
            kept.look(app, false);
            looked = Instant::now();
        }
        if tidied.elapsed() >= TIDY_EVERY {
            // What could not be done now is done a minute later.
            let _ = patience::within(OWN_PATIENCE, || app.desk().tidy());
            tidied = Instant::now();
        }
    }
    Ok(())
}

/// The checkpoints that the log keeps.
struct Kept<'a> {
    rows: i64,
    keep: &'a dyn Fn(&Checkpoint),
}

impl Kept<'_> {
    /// Keeps the end of the trail, if enough rows have come since or it is `now` that matters. A store
    /// that can't be read says so elsewhere.
    fn look(&mut self, app: &App, now: bool) {
        let end = patience::within(OWN_PATIENCE, || {
            app.store.is_same()?;
            transact::read(&*app.store, |tx| chain::checkpoint(tx, (app.clock)()))
        });
        let Ok(end) = end else { return };
        if now || end.n / KEEP_EVERY_ROWS > self.rows / KEEP_EVERY_ROWS {
            self.rows = end.n;
            (self.keep)(&end);
        }
    }
}

fn dead(why: &str) -> Problem {
    Problem::new(Code::ServerStuck, format!("the server gives up: {why}"))
        .help("start it again; its supervisor should")
}

/// What the guard counted, for the metrics.
pub type GuardCounts = Arc<Counts>;
