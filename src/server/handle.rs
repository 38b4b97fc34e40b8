//! From request to answer, without sockets. Rules for all routes are applied here, in one order,
//! before the handler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use zeroize::Zeroize as _;

use crate::diagnostic::Code;
use crate::domain::RunId;
use crate::review::Refusal;
use crate::review::people::Principal;
use crate::store::run_reference::{self, RunReference};

use super::authenticate::authenticate;
use super::call::Call;
use super::error::{Denied, PASSWORD_CHANGE, SECURITY_HEADERS};
use super::http::{Body, Method, Request, Response};
use super::lane::Lane;
use super::log::Line;
use super::page::address::with_query;
use super::parameter::{Kind, Location};
use super::route::{self, Access, Content, Match, Route, Surface};
use super::target::pairs;
use super::{App, json};

/// Never panics.
pub fn handle(app: &Arc<App>, request: &Request) -> Response {
    let began = Instant::now();
    let mut trace = Trace::default();
    let answered = catch_unwind(AssertUnwindSafe(|| answer(app, request, &mut trace)));
    let answered = answered.unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Err(Denied::internal(format!("panic: {}", said.unwrap_or_default())))
    });
    let (mut response, code, cause) = match answered {
        Ok(response) => (response, None, None),
        Err(denied) => {
            let (code, cause) = (denied.code, denied.cause.clone());
            let response = match trace.surface {
                Some(Surface::Page) => (app.problem_page)(app, request, denied),
                _ => denied.into_response(&request.id),
            };
            (response, Some(code.name()), cause)
        }
    };
    finish(app, request, &mut response);
    response.known = trace.person.is_some();
    let took = began.elapsed();
    app.metrics.count(trace.operation, request.method, response.status, took);
    app.log.write(&Line {
        time: app.time(),
        id: &request.id,
        client: app.client_of(request).to_string(),
        person: trace.person.as_deref(),
        method: request.method.name(),
        path: request.path(),
        status: response.status,
        ms: milliseconds(took),
        agent: request.headers.one("user-agent").map(|text| clip(text, 200)),
        code,
        cause: cause.as_deref(),
    });
    response
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn clip(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}

/// For the log and the metrics.
#[derive(Default)]
struct Trace {
    operation: Option<&'static str>,
    surface: Option<Surface>,
    person: Option<String>,
}

fn answer(app: &Arc<App>, request: &Request, trace: &mut Trace) -> Result<Response, Denied> {
    app.hosts.admit(request)?;
    let path = request.path();
    let route = match route::find(&app.routes, request.method, path) {
        Match::Route(route, values) => Ok((route, values)),
        Match::OtherMethods(methods) => {
            if let Some(preflight) = app.preflight(request, &methods) {
                return Ok(preflight);
            }
            let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
            Err(Denied::new(Code::MethodNotAllowed, "this path does not support this method")
                .header("allow", names.join(", ")))
        }
        Match::Nothing => Err(Denied::not_found()),
    };
    let (route, mut values) = match route {
        Ok(found) => found,
        Err(denied) => {
            trace.surface = app.surface_of(request);
            return Err(denied);
        }
    };
    trace.operation = Some(route.operation);
    trace.surface = Some(route.surface);
    same_origin(request)?;
    let principal = match (&route.access, route.lane) {
        // `/health` must not depend on the store.
        (Access::Open, Lane::Health) => None,
        (Access::Open, lane) => match authenticate(app, request) {
            // Invalid credentials don't matter on open routes.
            Err(denied) if denied.status == 401 => None,
            Err(denied) if denied.status == 503 && lane == Lane::Watch => None,
            found => found?,
        },
        _ => authenticate(app, request)?,
    };
    trace.person = principal.as_ref().map(|principal| principal.name.clone());
    limit(app, route, request, principal.as_ref())?;
    permit(app, route, request, principal.as_ref())?;
    own_password(route, principal.as_ref())?;
    if route.lasting && app.settings.solo {
        let detail = "users, logins and tokens can't be created or changed with `--solo`";
        return Err(Denied::new(Code::Solo, detail));
    }
    acceptable(route, request)?;
    values.extend(parameters(route, request, &values)?);
    name_runs(app, route, &mut values)?;
    if let Some(address) = name_run_of_page(app, route, request)? {
        return Ok(Response::see_other(&address));
    }
    let (document, form) = body(app, route, request)?;
    let mut call = Call { app, request, values, document, form, principal };
    let answer = (route.handler)(&call);
    // Bodies may hold passwords and invitation secrets.
    wipe(&mut call.document);
    call.form.iter_mut().for_each(|(_, value)| value.zeroize());
    answer
}

/// Replaces abbreviated run ids and `latest` by whole ids.
fn name_runs(
    app: &App,
    route: &Route,
    values: &mut [(&'static str, String)],
) -> Result<(), Denied> {
    let job = values.iter().find(|(name, _)| *name == "job").map(|(_, job)| job.clone());
    for (name, value) in values {
        if route.parameters.iter().any(|own| own.name == *name && own.kind == Kind::Run) {
            *value = run_named(app, value, job.as_deref())?;
        }
    }
    Ok(())
}

/// Whole ids are not looked up; their handler does that.
fn run_named(app: &App, text: &str, job: Option<&str>) -> Result<String, Denied> {
    if let Ok(id) = text.parse::<RunId>() {
        return Ok(id.to_string());
    }
    let reference = text.parse().map_err(|_| Denied::not_found())?;
    match run_reference::find(&*app.store, Some(&reference), job, None) {
        Ok(run) => Ok(run.id.to_string()),
        Err(problem) if matches!(problem.code, Code::NoRun | Code::RunAmbiguous) => {
            Err(Denied::new(problem.code, problem.to_string()))
        }
        Err(problem) => Err(Refusal::from(problem).into()),
    }
}

/// The address of a page with the whole id of its run.
fn name_run_of_page(app: &App, route: &Route, request: &Request) -> Result<Option<String>, Denied> {
    if route.surface != Surface::Page || !request.method.is_safe() {
        return Ok(None);
    }
    let query = &request.target.query;
    let value = |name: &str| {
        let found = query.iter().find(|(own, value)| own == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    };
    let given = value("run").or_else(|| value("run_id"));
    let Some(run) = given.filter(|run| run.parse::<RunReference>().is_ok()) else {
        return Ok(None);
    };
    let id = run_named(app, run, value("job"))?;
    let pairs = query.iter().map(|(name, value)| {
        (
            name.as_str(),
            if ["run", "run_id"].contains(&name.as_str()) { &id } else { value.as_str() },
        )
    });
    Ok((id != run).then(|| with_query(request.path(), pairs)))
}

fn wipe(document: &mut Value) {
    match document {
        Value::String(text) => text.zeroize(),
        Value::Array(all) => all.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A user must change a password that someone else chose before doing anything else.
fn own_password(route: &Route, principal: Option<&Principal>) -> Result<(), Denied> {
    let open = matches!(route.access, Access::Open);
    if open || route.before_change || !principal.is_some_and(|person| person.must_change) {
        return Ok(());
    }
    let detail = "someone else chose your password: change it first, at /auth/password";
    Err(Denied::new(PASSWORD_CHANGE, detail))
}

/// CSRF protection: unsafe requests must come from our own pages, or from no page.
fn same_origin(request: &Request) -> Result<(), Denied> {
    if request.method.is_safe() {
        return Ok(());
    }
    let bearer = request.headers.one("authorization").is_some_and(|value| {
        value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))
    });
    // Browsers never add a token on their own, as they do with cookies.
    if bearer && !request.headers.has("cookie") {
        return Ok(());
    }
    let own = match request.headers.one("sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => match request.headers.one("origin") {
            Some(origin) => {
                let host = origin.split_once("://").map(|(_, host)| host);
                host.is_some() && host == request.headers.one("host")
            }
            None => true,
        },
    };
    if own {
        Ok(())
    } else {
        Err(Denied::new(Code::CrossOrigin, "this request comes from a page of another site"))
    }
}

/// Open routes are not limited: they are cheap, and many users may share one address.
fn limit(
    app: &App,
    route: &Route,
    request: &Request,
    principal: Option<&Principal>,
) -> Result<(), Denied> {
    if app.settings.solo || matches!(route.access, Access::Open | Access::LocalOrLoggedIn) {
        return Ok(());
    }
    let name = match principal {
        Some(principal) => format!("person {}", principal.person_id),
        None => format!("address {}", app.client_of(request)),
    };
    app.limiter.take(&name, Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        Denied::new(Code::TooManyRequests, "too many requests; slow down")
            .header("retry-after", format!("{seconds}"))
    })
}

fn permit(
    app: &App,
    route: &Route,
    request: &Request,
    principal: Option<&Principal>,
) -> Result<(), Denied> {
    let log_in = || Denied::unauthorized("log in, or send a token");
    match &route.access {
        Access::Open => Ok(()),
        Access::LocalOrLoggedIn => {
            let local = app.is_local(request);
            if local || principal.is_some() { Ok(()) } else { Err(log_in()) }
        }
        Access::LoggedIn => principal.map(|_| ()).ok_or_else(log_in),
        Access::OneOf(permissions) => {
            let own = principal.ok_or_else(log_in)?.permissions;
            if permissions.iter().any(|one| own.contains(*one)) {
                return Ok(());
            }
            let names: Vec<&str> = permissions.iter().map(|one| one.name()).collect();
            let detail = format!("this needs the permission {}", names.join(" or "));
            Err(Denied::new(Code::MissingPermission, detail))
        }
    }
}

/// Content negotiation.
fn acceptable(route: &Route, request: &Request) -> Result<(), Denied> {
    let mut accepts = request.headers.all("accept").flat_map(|value| value.split(',')).peekable();
    if accepts.peek().is_none() || route.surface == Surface::Page {
        return Ok(());
    }
    let gives: Vec<&str> = route
        .answers
        .iter()
        .filter(|answer| answer.status < 400)
        .filter_map(|answer| match answer.content {
            Content::None => None,
            Content::Json(_) => Some("application/json"),
            Content::Media(media) => Some(media.split(';').next().unwrap_or(media)),
        })
        .collect();
    let mut accepts: Vec<String> = Vec::new();
    for value in request.headers.all("accept").flat_map(|value| value.split(',')) {
        let mut parts = value.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero));
        if !refused {
            accepts.push(range);
        }
    }
    let takes = |media: &str| {
        accepts.iter().any(|range| match range.strip_suffix("/*") {
            Some("*") => true,
            Some(family) => media.split('/').next() == Some(family),
            None => range == media,
        })
    };
    if gives.is_empty() || gives.contains(&"*/*") || gives.iter().any(|media| takes(media)) {
        Ok(())
    } else {
        Err(Denied::new(
            Code::NotAcceptable,
            format!("this route answers with {}", gives.join(" or ")),
        ))
    }
}

fn is_zero(quality: &str) -> bool {
    quality.parse::<f64>().is_ok_and(|quality| quality == 0.0)
}

/// Validates path, query and headers; returns the values of query and headers.
fn parameters(
    route: &Route,
    request: &Request,
    path: &[(&'static str, String)],
) -> Result<Vec<(&'static str, String)>, Denied> {
    for parameter in route.parameters_in(Location::Path) {
        if let Some((_, value)) = path.iter().find(|(name, _)| *name == parameter.name) {
            parameter.validate(value)?;
        }
    }
    let mut values: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in &request.target.query {
        let known = route.parameters_in(Location::Query).find(|own| own.name == name.as_str());
        let of_page = route.surface == Surface::Page;
        let Some(parameter) = known else {
            // A form sends its list along; links to the log-in may carry parameters of other sites.
            if of_page && (!request.method.is_safe() || matches!(route.access, Access::Open)) {
                continue;
            }
            if of_page {
                let detail = format!("this page has no filter “{name}”");
                return Err(Denied::new(Code::Invalid, detail));
            }
            return Err(Denied::invalid(name.clone(), "unknown name"));
        };
        if !parameter.many && values.iter().any(|(own, _)| *own == parameter.name) {
            return Err(Denied::invalid(parameter.name, "given twice"));
        }
        // Forms send fields that were left empty.
        if of_page && value.is_empty() {
            continue;
        }
        parameter.validate(value)?;
        values.push((parameter.name, value.clone()));
    }
    for parameter in route.parameters_in(Location::Header) {
        let name = parameter.name.to_ascii_lowercase();
        if let Some(value) = request.headers.one(&name) {
            parameter.validate(value)?;
            values.push((parameter.name, value.to_owned()));
        }
    }
    for parameter in &route.parameters {
        if parameter.required
            && parameter.location == Location::Query
            && !values.iter().any(|(own, _)| *own == parameter.name)
        {
            return Err(Denied::invalid(parameter.name, "missing"));
        }
    }
    Ok(values)
}

fn body(
    app: &App,
    route: &Route,
    request: &Request,
) -> Result<(Value, Vec<(String, String)>), Denied> {
    if route.method.is_safe() {
        return Ok((Value::Null, Vec::new()));
    }
    let media = request
        .headers
        .one("content-type")
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let wrong = |expected: &str| {
        Err(Denied::new(Code::UnsupportedMediaType, format!("the body must be {expected}"))
            .header("accept", expected))
    };
    if route.surface == Surface::Page {
        const FORM: &str = "application/x-www-form-urlencoded";
        if !request.body.is_empty() && media.as_deref() != Some(FORM) {
            return wrong(FORM);
        }
        let malformed = |detail: &str| Denied::new(Code::MalformedForm, detail);
        let text = std::str::from_utf8(&request.body).map_err(|_| malformed("not UTF-8"))?;
        let form = pairs(text).map_err(malformed)?;
        if form.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(malformed("a NUL character"));
        }
        return Ok((Value::Null, form));
    }
    if route.body.is_none() {
        if request.body.is_empty() {
            return Ok((Value::Null, Vec::new()));
        }
        if media.as_deref() != Some("application/json") {
            return wrong("application/json");
        }
        // Some clients always send a document, even an empty one.
        let document = json::parse(&request.body)?;
        let empty = document.as_object().is_some_and(serde_json::Map::is_empty);
        if empty || document.is_null() {
            return Ok((Value::Null, Vec::new()));
        }
        return Err(Denied::invalid("", "this route takes no body"));
    }
    if media.as_deref() != Some("application/json") {
        return wrong("application/json");
    }
    let document = json::parse(&request.body)?;
    app.bodies.validate(route.operation, &document)?;
    Ok((document, Vec::new()))
}

fn finish(app: &App, request: &Request, response: &mut Response) {
    for (name, value) in SECURITY_HEADERS {
        if response.header_value(name).is_none() {
            response.set(name, value);
        }
    }
    let html = response.header_value("content-type").is_some_and(|t| t.starts_with("text/html"));
    if html {
        response.set("x-frame-options", "DENY");
        if response.header_value("content-security-policy").is_none() {
            response.set("content-security-policy", app.content_security_policy);
        }
    }
    if app.is_https(request) {
        response.set("strict-transport-security", "max-age=31536000");
    }
    app.allow_origin(request, response);
    if response.status == 503 && response.header_value("retry-after").is_none() {
        response.set("retry-after", "1");
    }
    if request.method == Method::Head && matches!(response.body, Body::Stream(_)) {
        response.body = Body::Empty;
    }
    response.set("x-request-id", &request.id);
}
