//! Whoever has proved who they are. What they may do is in the [`Actor`] made of them.

use std::collections::BTreeSet;
use std::fmt;

use crate::diagnostic::{Code, Problem};
use crate::domain::review::{Permission, Permissions, Roles};
use crate::review::Actor;
use crate::store::transact::{Answer, Dialect, Transaction};

use super::name::fold;

/// How somebody proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A log-in with a password; the public half of the session's cookie.
    Session(String),
    /// A bearer token; its id.
    Token(String),
    /// A trusted proxy vouches.
    Proxy,
    /// The command line: whoever may open the store.
    Cli,
}

/// As the audit trail keeps it.
impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The id of a session is half of what opens it, and belongs into no log.
            Self::Session(_) => f.write_str("session"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Proxy => f.write_str("proxy"),
            Self::Cli => f.write_str("cli"),
        }
    }
}

/// A person, and what that person may do by the way they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person: what four eyes compare.
    pub person_id: String,
    /// The name they came in by.
    pub login: String,
    /// The person's name, for people.
    pub name: String,
    /// The person's roles.
    pub roles: Roles,
    /// What those permit, less what a token leaves out.
    pub permissions: Permissions,
    /// The masked fields that the person may see.
    pub grants: BTreeSet<String>,
    /// Whether it is a program.
    pub is_service: bool,
    /// Whether they came in by a password that somebody else chose: they choose another before anything
    /// else.
    pub must_change: bool,
    /// How they came in.
    pub method: AuthMethod,
}

impl Principal {
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

/// Whoever runs the program beside the store, by the name that the system gives them. They could
/// change the tables by hand, so they may manage people; they take no part in decisions.
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

/// What [`principal`] reads, from [`TABLES`]; `$1` is [`SEPARATOR`].
pub(super) const COLUMNS: &str = "l.login, l.person_id, p.display_name, p.is_service, \
     p.is_disabled, \
     (SELECT string_agg(r.role, ',') FROM recon.person_roles r WHERE r.person_id = p.person_id), \
     (SELECT string_agg(g.field_name, $1) FROM recon.field_grants g \
      WHERE g.person_id = p.person_id), \
     l.must_change, l.agreed_at IS NULL";

/// How many columns these are.
pub(super) const WIDTH: usize = 9;

/// Of these columns, whether the person is disabled, and whether the login waits for its person's consent.
pub(super) const SHUT: [usize; 2] = [4, 8];

/// The tables of [`COLUMNS`].
pub(super) const TABLES: &str = "recon.logins l JOIN recon.people p ON p.person_id = l.person_id";

/// Between the names of fields, which have none of these.
pub(super) const SEPARATOR: &str = "\u{1f}";

/// The person of a row of [`COLUMNS`]; `None` if that person is disabled, or has not agreed to this login.
pub(super) fn principal(row: &Answer, method: AuthMethod) -> Result<Option<Principal>, Problem> {
    for column in SHUT {
        if row.boolean(column)? {
            return Ok(None);
        }
    }
    let roles = roles(row.text(5)?.as_deref())?;
    Ok(Some(Principal {
        person_id: row.required(1)?,
        login: row.required(0)?,
        name: row.required(2)?,
        roles,
        permissions: roles.permissions(),
        grants: fields(row.text(6)?.as_deref()),
        is_service: row.boolean(3)?,
        // What came by a token or a proxy did not come by the password.
        must_change: matches!(method, AuthMethod::Session(_)) && row.boolean(7)?,
        method,
    }))
}

/// Names of fields as the store aggregates them.
pub(super) fn fields(names: Option<&str>) -> BTreeSet<String> {
    let names = names.unwrap_or_default().split(SEPARATOR);
    names.filter(|field| !field.is_empty()).map(str::to_owned).collect()
}

/// Roles as the store aggregates them.
pub(super) fn roles(names: Option<&str>) -> Result<Roles, Problem> {
    Roles::parse(names.unwrap_or_default()).ok_or_else(|| {
        Problem::new(Code::StoreDamaged, format!("{names:?} are not roles that this recon knows"))
    })
}

/// The key of the login that a name means: the folded name, or that of an older login which was folded
/// otherwise.
pub(super) fn key_of(tx: &mut dyn Transaction, name: &str) -> Result<String, Problem> {
    let key = fold(name);
    let known = "SELECT 1 FROM recon.logins WHERE login_key = $1";
    if !tx.query(known, &[(&key).into()])?.is_empty() {
        return Ok(key);
    }
    // Before full case folding some names kept letters such as `ß`; only those that are not ASCII did.
    let older = match tx.dialect() {
        Dialect::Sqlite => "login_key GLOB '*[^ -~]*'",
        Dialect::Postgres => "login_key ~ '[^ -~]'",
    };
    for row in tx.query(&format!("SELECT login_key, login FROM recon.logins WHERE {older}"), &[])? {
        if fold(&row.required(1)?) == key {
            return row.required(0);
        }
    }
    Ok(key)
}

/// The person behind a login, by its key; `None` if there is none, it is disabled, or waits for consent.
pub(super) fn by_key(
    tx: &mut dyn Transaction,
    key: &str,
    method: AuthMethod,
) -> Result<Option<Principal>, Problem> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE l.login_key = $2");
    match tx.query(&sql, &[SEPARATOR.into(), key.into()])?.first() {
        None => Ok(None),
        Some(row) => principal(row, method),
    }
}
