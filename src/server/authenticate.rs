//! Authentication of requests: bearer token, session cookie or trusted proxy, in this order.

use crate::diagnostic::Code;
use crate::domain::review::{Permission, Permissions};
use crate::review::people::{AuthMethod, Principal, proxy, session, token};
use crate::review::{Actor, Refusal};

use super::App;
use super::error::Denied;
use super::http::Request;

/// The session cookie over https; browsers accept this prefix only from the host itself.
const COOKIE_HTTPS: &str = "__Host-recon";
/// The session cookie over plain http on loopback.
const COOKIE: &str = "recon";

/// The user who sent the request; `None` if anonymous.
pub fn authenticate(app: &App, request: &Request) -> Result<Option<Principal>, Denied> {
    let now = (app.clock)();
    let store = &*app.store;
    if let Some(value) = request.headers.one("authorization") {
        let bearer = value
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, text)| text.trim());
        let invalid = || {
            Denied::unauthorized("the token is invalid, expired or revoked")
                .header("www-authenticate", "Bearer realm=\"recon\", error=\"invalid_token\"")
        };
        let bearer = bearer.ok_or_else(invalid)?;
        let deciding = |name: &str| app.deciding_tokens().contains(name);
        return match token::authenticate(store, bearer, &deciding, now).map_err(Refusal::from)? {
            Some(principal) => Ok(Some(principal)),
            None => Err(invalid()),
        };
    }
    if let Some(cookie) = cookie(app, request)
        && let Some(session) = session::authenticate(store, cookie, now).map_err(Refusal::from)?
    {
        return Ok(Some(session.principal));
    }
    if let Some(proxies) = &app.settings.proxies
        && app.settings.proxy_names_people
    {
        let values: Vec<&str> = request.headers.all(proxies.header()).collect();
        let login = proxies.identity(request.peer, &values).map_err(|_| {
            Denied::new(Code::AmbiguousIdentity, "the proxy's user header is repeated")
        })?;
        if let Some(login) = login {
            let found = proxy::authenticate(store, login).map_err(Refusal::from)?;
            return match found {
                Some(principal) => Ok(Some(principal)),
                None => Err(Denied::unauthorized("no user has the login that the proxy names")),
            };
        }
    }
    Ok(app.alone.clone())
}

pub fn cookie<'a>(app: &App, request: &'a Request) -> Option<&'a str> {
    request.cookie(cookie_name(app, request))
}

fn cookie_name(app: &App, request: &Request) -> &'static str {
    if app.is_https(request) { COOKIE_HTTPS } else { COOKIE }
}

/// The `Set-Cookie` header for a session; an empty value deletes the cookie.
pub fn set_cookie(app: &App, request: &Request, value: &str) -> String {
    let name = cookie_name(app, request);
    let secure = if app.is_https(request) { "; Secure" } else { "" };
    let gone = if value.is_empty() { "; Max-Age=0" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{gone}")
}

/// The server itself, for calls without a user.
pub fn system_actor() -> Actor {
    Actor {
        person_id: "SYSTEM".to_owned(),
        name: "recon".to_owned(),
        permissions: Permissions::of(&[Permission::View, Permission::AuditAll]),
        auth_method: AuthMethod::Cli.to_string(),
        ..Actor::default()
    }
}
