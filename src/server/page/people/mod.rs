//! Users: permissions, invitations, and a check that there are enough users to decide.

use askama::Template;

use crate::domain::Instant;
use crate::domain::review::{Role, Roles};
use crate::review::people::directory::{self, NewPerson, Person};
use crate::review::people::{invitation, staffing, system_random, token};
use crate::review::{Refusal, RefusalKind};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::route::Route;
use crate::server::routes::{ADMINISTER, get, post};

use super::context::{PageContext, html, redirect, sentence};
use super::frame::{Frame, Screen};
use super::{file, labels};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/people", "page_people", screen, ADMINISTER).takes([file::parameter()]),
        post("/review/people", "page_invite", create, ADMINISTER).lasting(),
        post("/review/people/tokens/revoke", "page_revoke_token_of", revoke, ADMINISTER).lasting(),
        post("/review/people/{login}", "page_change_person", change, ADMINISTER).lasting(),
        post("/review/people/{login}/invitation", "page_invitation", invite, ADMINISTER).lasting(),
    ]
}

#[derive(Template)]
#[template(path = "people/people.html")]
pub struct People {
    pub frame: Frame,
    pub people: Vec<Row>,
    /// The tokens that are good, of all users.
    pub tokens: Vec<TokenRow>,
    /// Decisions that the present users cannot complete.
    pub staffing: Vec<String>,
    /// Name and meaning.
    pub roles: Vec<(&'static str, &'static str)>,
    /// Login and link of the invitation that was just made.
    pub invited: Option<(String, String)>,
    pub login: String,
    pub name: String,
    pub wrong: Option<String>,
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

/// A token of a user.
#[derive(Clone, Debug)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    pub login: String,
    pub scopes: String,
    pub until: String,
    /// When it was last used.
    pub used: String,
}

/// A user in a file.
#[derive(serde::Serialize)]
struct Line {
    login: String,
    name: String,
    roles: Vec<&'static str>,
    state: &'static str,
    created_at: String,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub login: String,
    pub name: String,
    /// Each role, and whether the person has it.
    pub roles: Vec<(&'static str, bool)>,
    /// Word and class.
    pub state: (&'static str, &'static str),
    pub since: String,
    pub is_disabled: bool,
    /// A link may be made for the login.
    pub may_invite: bool,
    /// The user's own row: users can't change their own roles.
    pub own: bool,
}

const ROLES: [(Role, &str); 6] = [
    (Role::Analyst, "proposes decisions"),
    (Role::Senior, "also proposes reason codes"),
    (Role::Supervisor, "also checks"),
    (Role::Manager, "also authorizes"),
    (Role::Auditor, "sees everything, decides nothing"),
    (Role::Admin, "manages users, decides nothing"),
];

/// The administrator's last input or result.
#[derive(Default)]
struct PeopleNotice {
    invited: Option<(String, String)>,
    login: String,
    name: String,
    wrong: Option<String>,
}

pub fn screen(call: &Call<'_>) -> Result<Response, Denied> {
    show(&PageContext::new(call)?, PeopleNotice::default(), 200)
}

fn show(context: &PageContext<'_>, shown: PeopleNotice, status: u16) -> Result<Response, Denied> {
    let store = &*context.call.app.store;
    let (frame, _) = context.frame(Screen::People)?;
    let people = directory::list(store).map_err(Refusal::from)?;
    if let Some(format) = file::asked(context) {
        let line = |one: &Person| Line {
            login: one.login.clone(),
            name: one.name.clone(),
            roles: ROLES
                .iter()
                .filter(|(role, _)| one.roles.contains(*role))
                .map(|(role, _)| role.name())
                .collect(),
            state: state(one).0,
            created_at: crate::store::time_text(one.created),
        };
        return file::response(
            format,
            "recon-people",
            &people.iter().map(line).collect::<Vec<_>>(),
        );
    }
    let mut missing = Vec::new();
    for (eyes, what) in [(4, "Decisions"), (6, "Six-eye items")] {
        if let Some(why) = staffing::warning(store, eyes).map_err(Refusal::from)? {
            missing.push(format!("{what} cannot be settled: {why}."));
        }
    }
    let page = People {
        frame,
        tokens: tokens(context)?,
        people: people.iter().map(|one| row(one, context)).collect(),
        staffing: missing,
        roles: ROLES.map(|(role, meaning)| (role.name(), meaning)).to_vec(),
        invited: shown.invited,
        login: shown.login,
        name: shown.name,
        wrong: shown.wrong,
        exports: file::links("/review/people"),
    };
    html(status, &page)
}

/// The tokens that are good.
fn tokens(context: &PageContext<'_>) -> Result<Vec<TokenRow>, Denied> {
    let time = crate::store::time_text;
    let all = token::list(&*context.call.app.store, &context.actor, None)?;
    let good = all.into_iter().filter(|one| one.revoked.is_none() && one.expires > context.now);
    let row = |one: token::Token| TokenRow {
        scopes: token::scope_names(one.scopes).replace(',', ", "),
        until: labels::short_moment(&time(one.expires)),
        used: one.used.map_or_else(
            || "never used".to_owned(),
            |used| format!("used {}", labels::ago(context.now, &time(used))),
        ),
        id: one.id,
        name: one.name,
        login: one.login,
    };
    Ok(good.map(row).collect())
}

/// Revokes a token of any user.
pub fn revoke(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = context.field("id").unwrap_or_default();
    token::revoke(&*call.app.store, &context.actor, &id, context.now)?;
    Ok(redirect("/review/people", "revoked"))
}

/// Word and class.
fn state(person: &Person) -> (&'static str, &'static str) {
    match person {
        person if person.is_disabled => ("Disabled", "closed"),
        person if person.awaits_consent => ("Awaits consent", "pending"),
        person if person.is_service => ("Service account", "settled"),
        person if person.must_change => ("Must choose a password", "pending"),
        person if person.has_password => ("Active", "settled"),
        _ => ("Has no password", "open"),
    }
}

fn row(person: &Person, context: &PageContext<'_>) -> Row {
    let now: Instant = context.now;
    let created = crate::store::time_text(person.created);
    Row {
        login: person.login.clone(),
        name: person.name.clone(),
        roles: ROLES.iter().map(|(role, _)| (role.name(), person.roles.contains(*role))).collect(),
        state: state(person),
        since: labels::ago(now, &created),
        is_disabled: person.is_disabled,
        may_invite: !person.is_disabled && !person.is_service && !person.awaits_consent,
        own: person.person_id == context.actor.person_id,
    }
}

/// The roles that the form names.
fn roles(call: &Call<'_>) -> Roles {
    let named = call.form.iter().filter(|(name, _)| name == "role");
    Roles::of(named.filter_map(|(_, role)| Role::from_name(role)))
}

/// Creates a user and the link with which the user chooses a password.
pub fn create(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let app = call.app;
    let (login, name) = (context.field("login").unwrap_or_default(), context.field("name"));
    let new = NewPerson {
        login: &login,
        name: name.as_deref(),
        roles: roles(call),
        ..NewPerson::default()
    };
    let (store, now) = (&*app.store, (app.clock)());
    let made = directory::add(store, &app.hashing, &context.actor, &new, now, &system_random);
    match made {
        Ok(person) => linked(&context, &person.login),
        Err(refusal) => {
            let typed = PeopleNotice {
                login: login.clone(),
                name: name.unwrap_or_default(),
                ..PeopleNotice::default()
            };
            refused(&context, refusal, typed)
        }
    }
}

/// Makes another link for a user.
pub fn invite(call: &Call<'_>) -> Result<Response, Denied> {
    linked(&PageContext::new(call)?, call.path("login"))
}

/// How others reach this server: its public address, or the one that the administrator uses.
fn base(context: &PageContext<'_>) -> String {
    let host = || context.call.request.headers.one("host").map(|host| format!("http://{host}"));
    let public = context.call.app.settings.public_url.as_ref().map(ToString::to_string);
    public.or_else(host).unwrap_or_default().trim_end_matches('/').to_owned()
}

fn linked(context: &PageContext<'_>, login: &str) -> Result<Response, Denied> {
    let app = context.call.app;
    let made =
        invitation::invite(&*app.store, &context.actor, login, (app.clock)(), &system_random);
    match made {
        Ok(token) => {
            let link = format!("{}/review/first?token={token}", base(context));
            let invited = Some((login.to_owned(), link));
            show(context, PeopleNotice { invited, ..PeopleNotice::default() }, 200)
        }
        Err(refusal) => refused(context, refusal, PeopleNotice::default()),
    }
}

/// Changes roles, or disables or enables a user.
pub fn change(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (store, now) = (&*call.app.store, (call.app.clock)());
    let login = call.path("login");
    let done = match context.field("do").as_deref() {
        Some("disable") => directory::set_disabled(store, &context.actor, login, true, now),
        Some("enable") => directory::set_disabled(store, &context.actor, login, false, now),
        _ => directory::set_roles(store, &context.actor, login, roles(call), now),
    };
    match done {
        Ok(_) => Ok(redirect("/review/people", "changed")),
        Err(refusal) => refused(&context, refusal, PeopleNotice::default()),
    }
}

fn refused(
    context: &PageContext<'_>,
    refusal: Refusal,
    typed: PeopleNotice,
) -> Result<Response, Denied> {
    let told = matches!(
        refusal.kind,
        RefusalKind::Conflict | RefusalKind::Invalid | RefusalKind::Malformed
    );
    if !told {
        return Err(refusal.into());
    }
    let status = refusal.kind.status();
    show(context, PeopleNotice { wrong: Some(sentence(&refusal.message)), ..typed }, status)
}
