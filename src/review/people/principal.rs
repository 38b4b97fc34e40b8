//! Authenticated people and service accounts, from which an [`Actor`] is made.

use std::collections::BTreeSet;
use std::fmt;

use crate::diagnostic::Problem;
use crate::domain::review::{Permission, Permissions, Roles};
use crate::review::Actor;
use crate::store::people::{self, Person};
use crate::store::transact::Transaction;

use super::name::fold;

/// How a principal was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Password; the public half of the session's cookie.
    Session(String),
    /// A bearer token; its id.
    Token(String),
    /// A header of a trusted proxy.
    Proxy,
    /// The command line: access to the store.
    Cli,
}

/// As the audit trail keeps it.
impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The id of a session is half of its secret, and belongs into no log.
            Self::Session(_) => f.write_str("session"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Proxy => f.write_str("proxy"),
            Self::Cli => f.write_str("cli"),
        }
    }
}

/// A person, with their permissions for this kind of login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person, the unit of four eyes.
    pub person_id: String,
    /// The name they came in by.
    pub login: String,
    /// The person's name, for people.
    pub name: String,
    pub roles: Roles,
    /// The roles' permissions without those that a token leaves out.
    pub permissions: Permissions,
    /// The masked fields that the person may see.
    pub grants: BTreeSet<String>,
    pub is_service: bool,
    /// Somebody else chose the password; it must be changed before anything else.
    pub must_change: bool,
    pub method: AuthMethod,
}

impl Principal {
    /// The person of a login, whether or not it is valid.
    pub(super) fn of(person: Person, method: AuthMethod) -> Self {
        Self {
            person_id: person.person_id,
            login: person.login,
            name: person.name,
            roles: person.roles,
            permissions: person.roles.permissions(),
            grants: person.grants,
            is_service: person.is_service,
            // A token or a proxy does not use the password.
            must_change: matches!(method, AuthMethod::Session(_)) && person.must_change,
            method,
        }
    }

    /// The actor of a request; the caller adds the request's id, address and client.
    pub fn actor(&self) -> Actor {
        Actor {
            person_id: self.person_id.clone(),
            name: self.name.clone(),
            roles: self.roles,
            permissions: self.permissions,
            grants: self.grants.clone(),
            auth_method: self.method.to_string(),
            ..Actor::default()
        }
    }
}

/// The operating-system user who runs the command. They could change the tables by hand, so they may manage
/// people, but they can't decide anything.
pub fn command_line_actor(system_name: &str) -> Actor {
    Actor {
        person_id: format!("cli:{system_name}"),
        name: system_name.to_owned(),
        permissions: Permissions::of(&[
            Permission::View,
            Permission::Administer,
            Permission::AuditOwn,
            Permission::AuditAll,
            Permission::Reports,
        ]),
        auth_method: AuthMethod::Cli.to_string(),
        ..Actor::default()
    }
}

/// The person of a login; `None` if that person is disabled, or has not agreed to this login.
pub(super) fn principal(person: Person, method: AuthMethod) -> Option<Principal> {
    let valid = !person.is_disabled && !person.awaits_consent;
    valid.then(|| Principal::of(person, method))
}

/// The key of the login that a name means: the folded name, or that of an older login which was folded
/// otherwise.
pub(super) fn key_of(tx: &mut dyn Transaction, name: &str) -> Result<String, Problem> {
    let key = fold(name);
    if people::has_login(tx, &key)? {
        return Ok(key);
    }
    // Before full case folding some names kept letters such as `ß`; only those that are not ASCII did.
    let others = people::other_logins(tx)?;
    let older = others.into_iter().find(|(_, login)| fold(login) == key);
    Ok(older.map_or(key, |(older, _)| older))
}

/// The person of a login's key; `None` if it is unknown, disabled, or waits for consent.
pub(super) fn by_key(
    tx: &mut dyn Transaction,
    key: &str,
    method: AuthMethod,
) -> Result<Option<Principal>, Problem> {
    Ok(people::person(tx, key)?.and_then(|person| principal(person, method)))
}
