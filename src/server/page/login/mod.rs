//! Log-in, log-out, passwords, invitations; and the page's two files.

pub mod form;

use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::review::people::invitation::{self, Purpose};
use crate::review::people::login::LoginResult;
use crate::review::people::{directory, session, system_random};
use crate::review::{Refusal, RefusalKind};
use crate::server::auth::{attempt, renew};
use crate::server::authenticate::{cookie, set_cookie};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::route::Access::{LoggedIn, Open};
use crate::server::route::Route;
use crate::server::routes::{get, post};

use self::form::{FirstAdmin, Login, Password};
use super::assets::{self, Asset};
use super::context::{LOGIN, PageContext, bare, html, redirect, sentence};
use super::prefs::Prefs;
use super::profile;

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/", "page_root", root, Open),
        get("/review/login", "page_login", login_page, Open),
        post("/review/login", "page_log_in", log_in, Open),
        post("/review/logout", "page_log_out", log_out, Open),
        get("/review/first", "page_first", first_page, Open),
        post("/review/first", "page_make_first", first, Open).lasting(),
        get("/review/password", "page_password", password_page, LoggedIn).before_change().takes([then()]),
        post("/review/password", "page_change_password", change_password, LoggedIn).before_change().lasting(),
        post("/review/agree", "page_agree", agree, LoggedIn).lasting(),
        get("/assets/{file}", "page_asset", asset, Open),
    ]
}

fn then() -> Parameter {
    Parameter::query("then", "The page that follows", Kind::Text(4000))
}

/// Prevents open redirects: any other address leads to the overview.
pub fn safe(then: &str) -> &str {
    let ours =
        then == "/review" || ["/review/", "/review?"].iter().any(|start| then.starts_with(start));
    let plain = then.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'\\');
    if ours && plain { then } else { "/review" }
}

fn asked<'a>(call: &'a Call<'_>, name: &str) -> &'a str {
    let query = &call.request.target.query;
    query.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str())
}

/// The log-in form; redirects users who are logged in.
fn login_page(call: &Call<'_>) -> Result<Response, Denied> {
    let then = safe(asked(call, "then"));
    if call.principal.is_some() {
        return Ok(Response::see_other(then));
    }
    door(call, "", then, None, 200)
}

fn door(
    call: &Call<'_>,
    username: &str,
    then: &str,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let page = Login {
        frame: bare(&Prefs::of(call.request)),
        username: username.to_owned(),
        wrong,
        then: then.to_owned(),
    };
    html(status, &page)
}

pub fn log_in(call: &Call<'_>) -> Result<Response, Denied> {
    let name = call.field("username").unwrap_or_default();
    let password = call.field("password").unwrap_or_default();
    let then = safe(call.field("then").unwrap_or_default());
    match attempt(call, name, password, true)? {
        LoginResult::In { cookie, .. } => Ok(inside(call, then, &cookie)),
        LoginResult::Wrong => {
            door(call, name, then, Some("Name or password is wrong.".to_owned()), 401)
        }
        LoginResult::Throttled(seconds) => {
            let wrong = format!("Too many attempts. Try again in {seconds} seconds.");
            let page = door(call, name, then, Some(wrong), 429)?;
            Ok(page.header("retry-after", seconds.to_string()))
        }
    }
}

fn inside(call: &Call<'_>, then: &str, value: &str) -> Response {
    Response::see_other(then).header("set-cookie", set_cookie(call.app, call.request, value))
}

fn log_out(call: &Call<'_>) -> Result<Response, Denied> {
    if let Some(value) = cookie(call.app, call.request) {
        session::close(&*call.app.store, value).map_err(Refusal::from)?;
    }
    Ok(inside(call, LOGIN, ""))
}

/// The page behind an invitation.
pub fn first_page(call: &Call<'_>) -> Result<Response, Denied> {
    invited(call, asked(call, "token"), "", None, 200)
}

fn invited(
    call: &Call<'_>,
    token: &str,
    username: &str,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let purpose = invitation::purpose(&*call.app.store, token, (call.app.clock)())?;
    let known = match purpose {
        Purpose::FirstAdmin => None,
        Purpose::ChoosePassword(login) => Some(login),
    };
    let page = FirstAdmin {
        frame: bare(&Prefs::of(call.request)),
        token: token.to_owned(),
        username: known.clone().unwrap_or_else(|| username.to_owned()),
        invited: known.is_some(),
        wrong,
    };
    html(status, &page)
}

/// Creates the first administrator or sets an invited user's password, then logs in.
pub fn first(call: &Call<'_>) -> Result<Response, Denied> {
    let field = |name: &str| call.field(name).unwrap_or_default();
    let (token, name, password) = (field("token"), field("username"), field("password"));
    if password != field("again") {
        let wrong = Some("The two passwords differ.".to_owned());
        return invited(call, token, name, wrong, 422);
    }
    let app = call.app;
    let made = invitation::accept(
        &*app.store,
        &app.hashing,
        token,
        name,
        password,
        (app.clock)(),
        &system_random,
    );
    match made {
        Ok(_) => match attempt(call, name, password, true)? {
            LoginResult::In { cookie, .. } => Ok(inside(call, "/review", &cookie)),
            LoginResult::Wrong | LoginResult::Throttled(_) => Ok(Response::see_other(LOGIN)),
        },
        Err(refusal) => match refusal.kind {
            RefusalKind::Invalid | RefusalKind::Malformed | RefusalKind::Conflict => {
                let wrong = Some(sentence(&refusal.message));
                invited(call, token, name, wrong, refusal.kind.status())
            }
            _ => Err(refusal.into()),
        },
    }
}

fn password_page(call: &Call<'_>) -> Result<Response, Denied> {
    changing(call, safe(asked(call, "then")), None, 200)
}

fn changing(
    call: &Call<'_>,
    then: &str,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let person = call.person()?;
    let page = Password {
        frame: bare(&Prefs::of(call.request)),
        username: person.login.clone(),
        forced: person.must_change,
        wrong,
        then: then.to_owned(),
    };
    html(status, &page)
}

pub fn change_password(call: &Call<'_>) -> Result<Response, Denied> {
    let then = safe(call.field("then").unwrap_or_default());
    let field = |name: &str| call.field(name).unwrap_or_default();
    if field("password") != field("again") {
        return changing(call, then, Some("The two new passwords differ.".to_owned()), 422);
    }
    match renew(call, field("present"), field("password")) {
        Ok(cookie) => Ok(inside(call, then, &cookie)),
        Err(refusal) => match refusal.kind {
            RefusalKind::Invalid | RefusalKind::Forbidden | RefusalKind::TooMany => {
                changing(call, then, Some(sentence(&refusal.message)), refusal.kind.status())
            }
            _ => Err(refusal.into()),
        },
    }
}

pub fn agree(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let field = |name: &str| call.field(name).unwrap_or_default();
    if field("password") != field("again") {
        return profile::page(&context, Some("the two passwords differ".to_owned()), None, 422);
    }
    let password = Some(field("password")).filter(|password| !password.is_empty());
    let app = call.app;
    let agreed = directory::agree(
        &*app.store,
        &app.hashing,
        call.person()?,
        field("login"),
        password,
        (app.clock)(),
        &system_random,
    );
    match agreed {
        Ok(_) => Ok(redirect("/review/profile", "agreed")),
        Err(refusal) => match refusal.kind {
            RefusalKind::Invalid => {
                profile::page(&context, Some(refusal.message.clone()), None, refusal.kind.status())
            }
            _ => Err(refusal.into()),
        },
    }
}

pub fn root(_: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::see_other("/review"))
}

pub fn asset(call: &Call<'_>) -> Result<Response, Denied> {
    let asset = assets::find(call.path("file")).ok_or_else(Denied::not_found)?;
    let tag = format!("\"{}\"", asset.hash());
    let known = call.request.headers.one("if-none-match") == Some(tag.as_str());
    let zips = call.request.headers.accepts_gzip();
    let response = match (known, zipped(asset).filter(|_| zips)) {
        (true, _) => Response::new(304),
        (false, Some(bytes)) => {
            Response::with_body(200, asset.content_type, bytes).header("content-encoding", "gzip")
        }
        (false, None) => Response::with_body(200, asset.content_type, asset.bytes),
    };
    Ok(response
        .header("cache-control", "public, max-age=31536000, immutable")
        .header("vary", "accept-encoding")
        .header("etag", tag))
}

fn zipped(asset: &'static Asset) -> Option<&'static [u8]> {
    static ZIPPED: [OnceLock<Option<Vec<u8>>>; 2] = [OnceLock::new(), OnceLock::new()];
    let at = assets::ALL.iter().position(|own| own.path() == asset.path())?;
    let bytes = ZIPPED.get(at)?.get_or_init(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(asset.bytes).ok()?;
        encoder.finish().ok()
    });
    bytes.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_redirects_to_own_pages_only() {
        for (then, safely) in [
            ("/review/queue?q=a", "/review/queue?q=a"),
            ("/review?run=1", "/review?run=1"),
            ("", "/review"),
            ("//evil.example/review", "/review"),
            ("https://evil.example", "/review"),
            ("/review/\\evil", "/review"),
            ("/reviewer.evil", "/review"),
            ("/review/\r\nSet-Cookie: a=b", "/review"),
            ("javascript:alert(1)", "/review"),
        ] {
            assert_eq!(safe(then), safely, "{then:?}");
        }
    }
}
