//! Users and the policy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::domain::review::{Policy, Roles};
use crate::review::people::directory::{self, NewPerson, Person};
use crate::review::people::{invitation, system_random};
use crate::review::{ProposalMoved, Refusal};

use super::call::Call;
use super::decisions::located;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::Route;
use super::schema::{Anything, RoleName};

pub fn describe(route: Route) -> Route {
    let login = || Parameter::path("login", "The login", Kind::Text(100)).example("ann");
    match route.operation {
        "users" => route
            .about("List users with their logins and roles")
            .description(
                "Each row is one login; a person with two logins has two rows with the same \
                 `person_id`.",
            )
            .list::<PersonView>(200, "Users"),
        "user_create" => route
            .about("Create a user, or another login of a user")
            .description(
                "A user must change the password given here at the first log-in. A second login takes no \
                 password: it does not work until its user agrees to it and chooses one.",
            )
            .body::<PersonWanted>()
            .json::<PersonView>(201, "The user"),
        "user_change" => route
            .about("Change a user's roles, or disable or enable a user")
            .description(
                "New roles replace all earlier ones. Ends the user's sessions. The last \
                 administrator cannot be disabled.",
            )
            .takes([login()])
            .body::<PersonChange>()
            .json::<PersonView>(200, "The user"),
        "user_invite" => route
            .about("Create a link where a user chooses a password; works once, for 7 days")
            .description(
                "The user opens the link and chooses the password; no administrator knows it. An \
                 earlier link of the user becomes invalid.",
            )
            .takes([login()])
            .json::<Invitation>(201, "The link"),
        "policy" => route
            .about("Show the policy in force")
            .description(
                "The thresholds and rules that say when a decision needs four or six eyes.",
            )
            .json::<PolicyView>(200, "The policy and its version"),
        "policy_propose" => route
            .about("Propose a policy; needs six eyes")
            .description(
                "The policy comes into force once a checker and an authorizer have approved \
                 it.",
            )
            .takes([Parameter::idempotency_key()])
            .body::<PolicyWanted>()
            .json::<ProposalMoved>(201, "The proposal")
            .located(),
        _ => route,
    }
}

/// A user with one login.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only for the document; the directory writes it")]
struct PersonView {
    /// The same for all logins of a user; approvals compare it
    person_id: String,
    /// The log-in name
    login: String,
    /// The display name
    name: String,
    /// The roles.
    roles: Vec<RoleName>,
    /// Masked fields that the user may see
    field_grants: Vec<String>,
    /// Whether it is a service account
    is_service: bool,
    /// Whether the user is disabled
    is_disabled: bool,
    /// Whether the login has a password
    has_password: bool,
    /// Whether the user must change the password at the next log-in
    must_change_password: bool,
    /// Whether the login awaits its user's consent
    awaits_consent: bool,
    /// When the login was created
    created_at: String,
}

fn roles(names: &[RoleName]) -> Roles {
    Roles::of(names.iter().map(|name| name.0))
}

pub fn users(call: &Call<'_>) -> Result<Response, Denied> {
    let people = directory::list(&*call.app.store).map_err(Refusal::from)?;
    Ok(Response::json(200, &people.iter().map(Person::json).collect::<Vec<_>>()))
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "login": "ann", "name": "Ann Example", "roles": ["analyst"],
}))]
struct PersonWanted {
    /// The log-in name
    #[schema(min_length = 1, max_length = 64, example = "ann")]
    login: String,
    /// The display name
    #[schema(max_length = 100, example = "Ann Example")]
    name: Option<String>,
    /// The roles.
    #[schema(max_items = 6)]
    roles: Vec<RoleName>,
    /// The password, to be changed at the first log-in; without one, only a trusted proxy or an
    /// invitation works
    #[schema(value_type = Option<String>, max_length = 1024)]
    password: Option<Zeroizing<String>>,
    /// Another login of the same user
    #[schema(max_length = 64)]
    same_person_as: Option<String>,
    /// Whether it is a service account
    is_service: Option<bool>,
}

pub fn create(call: &Call<'_>) -> Result<Response, Denied> {
    let body: PersonWanted = call.body()?;
    let new = NewPerson {
        login: &body.login,
        name: body.name.as_deref(),
        roles: roles(&body.roles),
        password: body.password.as_ref().map(|password| password.as_str()),
        same_person_as: body.same_person_as.as_deref(),
        is_service: body.is_service.unwrap_or(false),
    };
    let app = call.app;
    let now = (app.clock)();
    let person =
        directory::add(&*app.store, &app.hashing, &call.actor()?, &new, now, &system_random)?;
    Ok(Response::json(201, &person.json()))
}

/// A link where a user chooses a password.
#[derive(Serialize, ToSchema)]
struct Invitation {
    /// The login.
    login: String,
    /// The link, to be appended to the server's address
    #[schema(example = "/review/first?token=…")]
    path: String,
}

pub fn invite(call: &Call<'_>) -> Result<Response, Denied> {
    let (store, actor, now) = (&*call.app.store, call.actor()?, (call.app.clock)());
    let login = call.path("login");
    let link = invitation::invite(store, &actor, login, now, &system_random)?;
    let path = format!("/review/first?token={link}");
    Ok(Response::json(201, &Invitation { login: login.to_owned(), path }))
}

/// A change of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "roles": ["supervisor"] }))]
struct PersonChange {
    /// The new roles
    #[schema(max_items = 6)]
    roles: Option<Vec<RoleName>>,
    /// Whether to disable the user
    disabled: Option<bool>,
}

pub fn change(call: &Call<'_>) -> Result<Response, Denied> {
    let body: PersonChange = call.body()?;
    let (store, actor, now) = (&*call.app.store, call.actor()?, (call.app.clock)());
    let login = call.path("login");
    let mut person = directory::show(store, login)?;
    if let Some(names) = &body.roles {
        person = directory::set_roles(store, &actor, login, roles(names), now)?;
    }
    if let Some(disabled) = body.disabled {
        person = directory::set_disabled(store, &actor, login, disabled, now)?;
    }
    Ok(Response::json(200, &person.json()))
}

/// The policy in force.
#[derive(Serialize, ToSchema)]
struct PolicyView {
    /// Its version.
    version: i64,
    /// The policy, as in the section `review` of `recon.yaml`.
    #[schema(value_type = Anything)]
    policy: Policy,
}

pub fn show_policy(call: &Call<'_>) -> Result<Response, Denied> {
    let (version, policy) = call.review().policy(&call.actor()?)?;
    Ok(Response::json(200, &PolicyView { version, policy }))
}

/// A proposed policy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "policy": { "thresholds": { "USD": "1000000" } },
    "comments": "as agreed with internal audit",
}))]
struct PolicyWanted {
    /// The policy, as in the section `review` of `recon.yaml`.
    #[schema(value_type = Anything)]
    policy: serde_json::Value,
    /// Why.
    #[schema(max_length = 2000)]
    comments: Option<String>,
}

pub fn propose_policy(call: &Call<'_>) -> Result<Response, Denied> {
    let body: PolicyWanted = call.body()?;
    let policy: Policy = serde_json::from_value(body.policy)
        .map_err(|error| Denied::invalid("policy", error.to_string()))?;
    let done = call.review().propose_policy(&call.actor()?, &policy, body.comments.as_deref());
    let location = done.as_ref().ok().map(|done| done.value.proposal_id.clone());
    Ok(located(call.done(201, done)?, location.as_deref()))
}
