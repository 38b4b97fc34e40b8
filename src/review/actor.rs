//! The acting person: authenticated by the caller, never a name from a request's body.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{Permission, Permissions, Roles};
use crate::store::audit::By;
use crate::store::transact::Transaction;

use super::refusal::Refusal;

/// The acting person, their permissions in this request, and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The person, of whom there is one however many log-ins they have.
    pub person_id: String,
    /// The name that people see.
    pub name: String,
    /// The roles that the person holds now.
    pub roles: Roles,
    /// The request's permissions: those of the roles, narrowed by a token's scopes.
    pub permissions: Permissions,
    /// Masked fields whose values the person may see.
    pub grants: BTreeSet<String>,
    /// `session`, `token:<id>`, `proxy` or `cli`.
    pub auth_method: String,
    pub request_id: Option<String>,
    /// The address that the request came from.
    pub ip: Option<String>,
    /// The client as it names itself, at most 200 characters.
    pub user_agent: Option<String>,
    /// The key under which a repeated request gets the first one's answer.
    pub idempotency: Option<Idempotency>,
}

/// A request that the client may repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's choice.
    pub key: String,
    /// Method and path.
    pub route: String,
    /// SHA-256 of the body (and of `If-Match`), in hexadecimal.
    pub body_hash: String,
}

impl Idempotency {
    /// What a key looks like.
    pub const PATTERN: &'static str = "^[A-Za-z0-9_.:-]{1,100}$";

    /// Whether a text can be a key, as [`Self::PATTERN`] says.
    pub fn is_key(text: &str) -> bool {
        let is_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        (1..=100).contains(&text.len()) && text.bytes().all(is_of_key)
    }
}

impl Actor {
    /// An actor with these roles and their permissions.
    pub fn new(person_id: impl Into<String>, name: impl Into<String>, roles: Roles) -> Self {
        Self {
            person_id: person_id.into(),
            name: name.into(),
            roles,
            permissions: roles.permissions(),
            auth_method: "cli".to_owned(),
            ..Self::default()
        }
    }

    pub const fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Returns `Forbidden` without this permission.
    pub fn must(&self, permission: Permission) -> Result<(), Refusal> {
        if self.may(permission) {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::MissingPermission,
                format!("this needs the permission `{permission}`"),
            ))
        }
    }

    /// As the audit trail keeps it.
    pub fn by(&self) -> By {
        By {
            actor_id: self.person_id.clone(),
            actor_roles: Some(self.roles.names()),
            auth_method: Some(self.auth_method.clone()),
            request_id: self.request_id.clone(),
            ip: self.ip.clone(),
            user_agent: self.user_agent.as_ref().map(|text| text.chars().take(200).collect()),
        }
    }
}

/// Another user set a person's password, or made a link to choose one: since then they could have come in as that
/// person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsGiven {
    pub person_id: String,
    pub by: String,
    pub at: Instant,
}

/// The people, as of the present transaction.
pub trait Directory: Send + Sync {
    /// The roles that the person holds now; none for who is disabled or unknown.
    ///
    /// # Errors
    /// Errors of the store.
    fn roles(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<Roles, Problem>;

    /// Of the roles that the person holds now, those held without a break since that moment.
    ///
    /// # Errors
    /// Errors of the store.
    fn roles_since(
        &self,
        tx: &mut dyn Transaction,
        person_id: &str,
        since: Instant,
    ) -> Result<Roles, Problem> {
        let _ = since;
        self.roles(tx, person_id)
    }

    /// Finds the last time when another user chose, or could have chosen, this person's password.
    ///
    /// # Errors
    /// Errors of the store.
    fn credentials_given(
        &self,
        tx: &mut dyn Transaction,
        person_id: &str,
    ) -> Result<Vec<CredentialsGiven>, Problem> {
        let _ = (tx, person_id);
        Ok(Vec::new())
    }

    /// The same of everybody.
    ///
    /// # Errors
    /// Errors of the store.
    fn all_credentials_given(
        &self,
        tx: &mut dyn Transaction,
    ) -> Result<Vec<CredentialsGiven>, Problem> {
        let _ = tx;
        Ok(Vec::new())
    }

    /// The name that people see; the id if there is none.
    ///
    /// # Errors
    /// Errors of the store.
    fn name(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<String, Problem>;

    /// The person of this log-in name or id, if they are active.
    ///
    /// # Errors
    /// Errors of the store.
    fn find(&self, tx: &mut dyn Transaction, login: &str) -> Result<Option<String>, Problem>;
}
