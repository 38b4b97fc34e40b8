//! Log-in, sessions and tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::diagnostic::Code;
use crate::domain::review::{Permission, Role};
use crate::review::Refusal;
use crate::review::people::login::{Attempt, LoginResult, login as log_in};
use crate::review::people::token::{self, NewToken, Token, parse_scopes, scope_names};
use crate::review::people::{AuthMethod, Person, Principal, directory, session, system_random};

use super::authenticate::{cookie, set_cookie};
use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};
use super::schema::ScopeName;

pub fn describe(route: Route) -> Route {
    match route.operation {
        "login" => route
            .about("Log in with a password; sets the session cookie")
            .description(
                "Sets the cookie `recon` (`__Host-recon` over https), which browsers send \
                 with each request. Programs use a token instead: `Authorization: Bearer \
                 TOKEN`.",
            )
            .body::<Credentials>()
            .answers(204, "Logged in", Content::None),
        "logout" => route
            .about("Log out: ends the session")
            .description(
                "Without a session, it does nothing.",
            )
            .answers(204, "Logged out", Content::None),
        "password_change" => route
            .about("Change your password; sets a new session cookie")
            .description(
                "After a log-in with a password that an administrator chose, every other route answers 403 \
                 `password-change-required`. Ends all your other sessions.",
            )
            .body::<PasswordChange>()
            .answers(204, "Changed", Content::None),
        "logins" => route
            .about("List your logins, and which of them await your consent")
            .description(
                "A person may have several logins; they count as one person for four eyes.",
            )
            .list::<LoginView>(200, "Logins"),
        "login_agree" => route
            .about("Agree to a second login that an administrator created")
            .description(
                "A second login does not work until its user agrees. Needs a session, not a token. Choose its \
                 password here; without one, only a trusted proxy can use it.",
            )
            .takes([Parameter::path("login", "The login", Kind::Text(100)).example("ann.mobile")])
            .body::<Agreement>()
            .json::<LoginView>(200, "The login"),
        "me" => route.about("Show who you are and what you may do")
            .description(
                "With a token, the permissions are those of the token.",
            ).json::<Me>(200, "You"),
        "tokens" => route
            .about("List your tokens, without their secrets")
            .description(
                "The store keeps only a hash of each secret, so none is shown again.",
            )
            .list::<TokenView>(200, "Tokens"),
        "token_create" => route
            .about("Create a token; its secret is shown only once")
            .description(
                "A token has some of your permissions for at most 90 days. Programs send it \
                 as `Authorization: Bearer TOKEN`. Needs a session: a token cannot create \
                 tokens.",
            )
            .body::<TokenWanted>()
            .json::<TokenMade>(201, "The token")
            .located(),
        "token_revoke" => route
            .about("Revoke a token")
            .description(
                "It works no longer from the next request on. Needs a session, not a token.",
            )
            .takes([Parameter::path("id", "The token", Kind::Pattern("^[A-Za-z0-9_-]{1,64}$"))])
            .answers(204, "Revoked", Content::None),
        _ => route,
    }
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The name.
    #[schema(min_length = 1, max_length = 200, example = "ann")]
    username: String,
    /// The password.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 1024,
        example = "a sentence is a good password"
    )]
    password: Zeroizing<String>,
}

/// Logs in with a password. `replaces`: ends the session of the request's cookie.
pub fn attempt(
    call: &Call<'_>,
    name: &str,
    password: &str,
    replaces: bool,
) -> Result<LoginResult, Refusal> {
    let (app, request) = (call.app, call.request);
    let attempt = Attempt {
        name,
        password,
        address: Some(app.client_of(request)),
        user_agent: request.headers.one("user-agent"),
        cookie: if replaces { cookie(app, request) } else { None },
    };
    Ok(log_in(&*app.store, &app.hashing, &attempt, (app.clock)(), &system_random)?)
}

pub fn login(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Credentials = call.body()?;
    match attempt(call, &body.username, &body.password, true)? {
        LoginResult::In { cookie, .. } => {
            Ok(Response::new(204).header("set-cookie", set_cookie(call.app, call.request, &cookie)))
        }
        LoginResult::Wrong => {
            let detail = "wrong user name or password";
            Err(Denied::new(Code::WrongCredentials, detail)
                .header("www-authenticate", "Bearer realm=\"recon\""))
        }
        LoginResult::Throttled(seconds) => {
            Err(Denied::new(Code::TooManyAttempts, "too many attempts; wait and try again")
                .header("retry-after", seconds.max(1).to_string()))
        }
    }
}

/// The present password and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    /// The present password.
    #[schema(value_type = String, min_length = 1, max_length = 1024, example = "chosen by an administrator")]
    present: Zeroizing<String>,
    /// The new password.
    #[schema(
        value_type = String,
        min_length = 1,
        max_length = 1024,
        example = "a sentence is a good password"
    )]
    new: Zeroizing<String>,
}

pub fn change_password(call: &Call<'_>) -> Result<Response, Denied> {
    let body: PasswordChange = call.body()?;
    let cookie = renew(call, &body.present, &body.new)?;
    Ok(Response::new(204).header("set-cookie", set_cookie(call.app, call.request, &cookie)))
}

/// Changes the user's own password and opens a new session; returns its cookie.
pub fn renew(call: &Call<'_>, present: &str, new: &str) -> Result<String, Refusal> {
    let session = |person: &&Principal| matches!(person.method, AuthMethod::Session(_));
    let Some(person) = call.principal.as_ref().filter(session) else {
        let message = "only a user who logged in with a password can change it";
        return Err(Refusal::new(Code::SessionRequired, message));
    };
    let (app, now) = (call.app, (call.app.clock)());
    directory::change_password(
        &*app.store,
        &app.hashing,
        person,
        present,
        new,
        now,
        &system_random,
    )?;
    match attempt(call, &person.login, new, false)? {
        LoginResult::In { cookie, .. } => Ok(cookie),
        // The password has changed anyway; the user logs in again.
        LoginResult::Wrong | LoginResult::Throttled(_) => Ok(String::new()),
    }
}

/// One of your logins.
#[derive(Serialize, ToSchema)]
struct LoginView {
    /// The log-in name
    login: String,
    /// Whether it has a password
    has_password: bool,
    /// Whether it awaits your consent
    awaits_consent: bool,
}

fn login_view(person: &Person) -> LoginView {
    LoginView {
        login: person.login.clone(),
        has_password: person.has_password,
        awaits_consent: person.awaits_consent,
    }
}

pub fn logins(call: &Call<'_>) -> Result<Response, Denied> {
    let person = call.person()?;
    let own = directory::logins_of(&*call.app.store, &person.person_id).map_err(Refusal::from)?;
    Ok(Response::json(200, &own.iter().map(login_view).collect::<Vec<_>>()))
}

/// Consent to a second login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Agreement {
    /// Its password; without one, only a trusted proxy can use it
    #[schema(value_type = Option<String>, max_length = 1024)]
    password: Option<Zeroizing<String>>,
}

pub fn agree(call: &Call<'_>) -> Result<Response, Denied> {
    let body: Agreement = call.body()?;
    let app = call.app;
    let agreed = directory::agree(
        &*app.store,
        &app.hashing,
        call.person()?,
        call.path("login"),
        body.password.as_ref().map(|password| password.as_str()),
        (app.clock)(),
        &system_random,
    )?;
    Ok(Response::json(200, &login_view(&agreed)))
}

pub fn logout(call: &Call<'_>) -> Result<Response, Denied> {
    if let Some(cookie) = cookie(call.app, call.request) {
        session::close(&*call.app.store, cookie).map_err(Refusal::from)?;
    }
    Ok(Response::new(204).header("set-cookie", set_cookie(call.app, call.request, "")))
}

/// The user who sent the request.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The person.
    person_id: String,
    /// The log-in name
    login: String,
    /// The display name
    name: String,
    /// The roles.
    #[schema(value_type = Vec<Role>)]
    roles: Vec<&'static str>,
    /// Permissions of this request
    #[schema(value_type = Vec<Permission>)]
    permissions: Vec<&'static str>,
    /// Whether you must change your password before anything else
    must_change_password: bool,
    /// How you logged in
    auth_method: String,
    /// Whether one user decides alone (`--solo`)
    solo: bool,
    /// Whether forms need a CSRF token; requests from other sites are refused without one
    csrf: &'static str,
}

pub fn me(call: &Call<'_>) -> Result<Response, Denied> {
    let person = call.person()?;
    Ok(Response::json(
        200,
        &Me {
            person_id: person.person_id.clone(),
            login: person.login.clone(),
            name: person.name.clone(),
            roles: person.roles.iter().map(Role::name).collect(),
            permissions: person.permissions.iter().map(Permission::name).collect(),
            must_change_password: person.must_change,
            auth_method: person.method.to_string(),
            solo: call.app.settings.solo,
            csrf: "none needed",
        },
    ))
}

/// A token without its secret.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// Its id.
    token_id: String,
    name: String,
    /// The owner's login
    login: String,
    /// Scopes of the token.
    scopes: Vec<String>,
    /// When it was created
    created_at: String,
    /// When it expires
    expires_at: String,
    /// When it was last used.
    used_at: Option<String>,
    /// When it was revoked.
    revoked_at: Option<String>,
}

fn view(token: &Token) -> TokenView {
    TokenView {
        token_id: token.id.clone(),
        name: token.name.clone(),
        login: token.login.clone(),
        scopes: scope_names(token.scopes).split(',').map(str::to_owned).collect(),
        created_at: token.created.to_string(),
        expires_at: token.expires.to_string(),
        used_at: token.used.map(|time| time.to_string()),
        revoked_at: token.revoked.map(|time| time.to_string()),
    }
}

pub fn list(call: &Call<'_>) -> Result<Response, Denied> {
    let login = &call.person()?.login;
    let tokens = token::list(&*call.app.store, &call.actor()?, Some(login))?;
    Ok(Response::json(200, &tokens.iter().map(view).collect::<Vec<_>>()))
}

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "nightly export", "scopes": ["view"], "expires_in": 30,
}))]
struct TokenWanted {
    #[schema(min_length = 1, max_length = 100, example = "nightly export")]
    name: String,
    /// Scopes of the token; never more than its owner's permissions
    #[schema(min_items = 1, max_items = 20)]
    scopes: Vec<ScopeName>,
    /// Lifetime in days
    #[schema(minimum = 1, maximum = 90, example = 30)]
    expires_in: i64,
}

/// A new token with its secret.
#[derive(Serialize, ToSchema)]
struct TokenMade {
    /// The token.
    #[serde(flatten)]
    view: TokenView,
    /// The secret; never shown again
    token: String,
}

pub fn create(call: &Call<'_>) -> Result<Response, Denied> {
    let body: TokenWanted = call.body()?;
    let scopes = parse_scopes(body.scopes.iter().map(|scope| scope.0.name()))?;
    let person = call.person()?;
    let new = NewToken { name: &body.name, login: &person.login, scopes, days: body.expires_in };
    let now = (call.app.clock)();
    let (token, text) = token::create(&*call.app.store, &call.actor()?, &new, now, &system_random)?;
    let location = format!("/auth/tokens/{}", token.id);
    Ok(Response::json(201, &TokenMade { view: view(&token), token: text })
        .header("location", location))
}

pub fn revoke(call: &Call<'_>) -> Result<Response, Denied> {
    let now = (call.app.clock)();
    token::revoke(&*call.app.store, &call.actor()?, call.path("id"), now)?;
    Ok(Response::new(204))
}
