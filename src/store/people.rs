//! People with their logins, roles and grants, and their sessions, tokens and invitations.
//!
//! Secrets arrive here as hashes. Permissions are checked in `review::people`.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::rows::parameters;
use super::stored::damaged;
use super::transact::{Dialect, SqlRow, Transaction};
use super::{SqlValue, read_time, time_text};
use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::domain::review::{Permission, Permissions, Role, Roles};

/// A person with one of their logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The identity that four eyes compare.
    pub person_id: String,
    /// The name they log in with.
    pub login: String,
    pub name: String,
    pub roles: Roles,
    /// The masked fields that they may see.
    pub grants: BTreeSet<String>,
    /// Whether this is a service account: token login only.
    pub is_service: bool,
    pub is_disabled: bool,
    /// Whether this login has a password.
    pub has_password: bool,
    /// Whether another user chose the password, so that it must be changed first.
    pub must_change: bool,
    pub awaits_consent: bool,
    /// When the login was made.
    pub created: Instant,
}

/// Separates the names of fields, which can't contain it.
const SEPARATOR: &str = "\u{1f}";

/// The columns of a person; `$1` is [`SEPARATOR`], `$2` a parameter of `rest`.
fn select(more: &str, rest: &str) -> String {
    format!(
        "SELECT l.login, l.person_id, p.display_name, p.is_service, p.is_disabled, \
         (SELECT string_agg(r.role, ',') FROM recon.person_roles r \
          WHERE r.person_id = p.person_id), \
         (SELECT string_agg(g.field_name, $1) FROM recon.field_grants g \
          WHERE g.person_id = p.person_id), \
         l.must_change, l.agreed_at IS NULL, l.password IS NOT NULL, l.created_at{more} \
         FROM recon.logins l JOIN recon.people p ON p.person_id = l.person_id {rest}"
    )
}

/// How many columns a person has; those of `more` follow.
const WIDTH: usize = 11;

fn read(row: &SqlRow) -> Result<Person, Problem> {
    let fields = row.text(6)?.unwrap_or_default();
    let fields = fields.split(SEPARATOR).filter(|field| !field.is_empty());
    Ok(Person {
        login: row.required(0)?,
        person_id: row.required(1)?,
        name: row.required(2)?,
        is_service: row.boolean(3)?,
        is_disabled: row.boolean(4)?,
        roles: roles(row.text(5)?.as_deref())?,
        grants: fields.map(str::to_owned).collect(),
        must_change: row.boolean(7)?,
        awaits_consent: row.boolean(8)?,
        has_password: row.boolean(9)?,
        created: read_time(&row.required(10)?)?,
    })
}

fn roles(names: Option<&str>) -> Result<Roles, Problem> {
    let names = names.unwrap_or_default();
    Roles::parse(names).ok_or_else(|| damaged("list of roles", names))
}

/// Runs a statement and ignores its number of rows.
fn run(tx: &mut dyn Transaction, sql: &str, values: &[SqlValue]) -> Result<(), Problem> {
    tx.execute(sql, values).map(drop)
}

/// The person of a login.
pub(crate) fn person(tx: &mut dyn Transaction, key: &str) -> Result<Option<Person>, Problem> {
    let sql = select("", "WHERE l.login_key = $2");
    tx.find(&sql, &parameters![SEPARATOR, key], read)
}

/// Everybody, one entry for each login, by login.
pub(crate) fn everybody(tx: &mut dyn Transaction) -> Result<Vec<Person>, Problem> {
    tx.list(&select("", "ORDER BY l.login_key"), &[SEPARATOR.into()], read)
}

pub(crate) fn has_login(tx: &mut dyn Transaction, key: &str) -> Result<bool, Problem> {
    tx.exists("SELECT 1 FROM recon.logins WHERE login_key = $1", &parameters![key])
}

/// Keys and names of the logins whose keys are not ASCII.
pub(crate) fn other_logins(tx: &mut dyn Transaction) -> Result<Vec<(String, String)>, Problem> {
    let condition = match tx.dialect() {
        Dialect::Sqlite => "login_key GLOB '*[^ -~]*'",
        Dialect::Postgres => "login_key ~ '[^ -~]'",
    };
    let sql = format!("SELECT login_key, login FROM recon.logins WHERE {condition}");
    tx.list(&sql, &[], |row| Ok((row.required(0)?, row.required(1)?)))
}

pub(crate) fn login_names(tx: &mut dyn Transaction) -> Result<Vec<String>, Problem> {
    tx.list("SELECT login FROM recon.logins ORDER BY login_key", &[], |row| row.required(0))
}

/// Lets only one transaction at a time make logins, until it ends.
pub(crate) fn lock_logins(tx: &mut dyn Transaction) -> Result<(), Problem> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended('recon.logins', 11))::text";
            tx.query(sql, &[]).map(drop)
        }
    }
}

pub(crate) fn add_person(
    tx: &mut dyn Transaction,
    person_id: &str,
    name: &str,
    is_service: bool,
    by: &str,
    at: Instant,
) -> Result<(), Problem> {
    run(
        tx,
        "INSERT INTO recon.people (person_id, display_name, is_service, created_at, created_by) \
         VALUES ($1, $2, $3, $4, $5)",
        &parameters![person_id, name, is_service, time_text(at), by],
    )
}

/// A login to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewLogin<'a> {
    pub key: &'a str,
    pub login: &'a str,
    pub person_id: &'a str,
    pub password: Option<&'a str>,
    pub must_change: bool,
    pub agreed: bool,
}

impl NewLogin<'_> {
    pub fn add(&self, tx: &mut dyn Transaction, at: Instant) -> Result<(), Problem> {
        let at = time_text(at);
        run(
            tx,
            "INSERT INTO recon.logins (login_key, login, person_id, password, password_at, \
             created_at, must_change, agreed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &parameters![
                self.key,
                self.login,
                self.person_id,
                self.password,
                self.password.map(|_| at.as_str()),
                at.as_str(),
                self.must_change,
                self.agreed.then_some(at.as_str()),
            ],
        )
    }
}

/// The hash of a login's password.
pub(crate) fn password(tx: &mut dyn Transaction, key: &str) -> Result<Option<String>, Problem> {
    let sql = "SELECT password FROM recon.logins WHERE login_key = $1";
    Ok(tx.find(sql, &parameters![key], |row| row.text(0))?.flatten())
}

pub(crate) fn set_password(
    tx: &mut dyn Transaction,
    key: &str,
    hash: &str,
    must_change: bool,
    at: Instant,
) -> Result<(), Problem> {
    let sql = "UPDATE recon.logins SET password = $2, password_at = $3, must_change = $4 \
               WHERE login_key = $1";
    run(tx, sql, &parameters![key, hash, time_text(at), must_change])
}

/// Notes that a person agreed to a login, and stores the password that they chose.
pub(crate) fn agree(
    tx: &mut dyn Transaction,
    key: &str,
    hash: Option<&str>,
    at: Instant,
) -> Result<(), Problem> {
    let sql = "UPDATE recon.logins SET agreed_at = $2, password = $3, password_at = $4, \
               must_change = $5 WHERE login_key = $1";
    let at = time_text(at);
    run(tx, sql, &parameters![key, at.as_str(), hash, hash.map(|_| at.as_str()), false])
}

pub(crate) fn set_disabled(
    tx: &mut dyn Transaction,
    person_id: &str,
    disabled: bool,
) -> Result<(), Problem> {
    let sql = "UPDATE recon.people SET is_disabled = $2 WHERE person_id = $1";
    run(tx, sql, &parameters![person_id, disabled])
}

pub(crate) fn add_role(
    tx: &mut dyn Transaction,
    person_id: &str,
    role: Role,
    by: &str,
    at: Instant,
) -> Result<(), Problem> {
    let sql = "INSERT INTO recon.person_roles (person_id, role, granted_at, granted_by) \
               VALUES ($1, $2, $3, $4)";
    run(tx, sql, &parameters![person_id, role.name(), time_text(at), by])
}

pub(crate) fn remove_role(
    tx: &mut dyn Transaction,
    person_id: &str,
    role: Role,
) -> Result<(), Problem> {
    let sql = "DELETE FROM recon.person_roles WHERE person_id = $1 AND role = $2";
    run(tx, sql, &parameters![person_id, role.name()])
}

/// Lets two changes that would each remove the other admin wait for each other.
pub(crate) fn lock_admins(tx: &mut dyn Transaction) -> Result<(), Problem> {
    let lock = tx.dialect().for_update();
    let sql = format!(
        "SELECT person_id FROM recon.person_roles WHERE role = 'admin' ORDER BY person_id{lock}"
    );
    tx.query(&sql, &[]).map(drop)
}

/// True if there is an administrator who is not disabled.
pub(crate) fn has_admin(tx: &mut dyn Transaction) -> Result<bool, Problem> {
    let sql = "SELECT 1 FROM recon.person_roles r JOIN recon.people p \
               ON p.person_id = r.person_id AND NOT p.is_disabled WHERE r.role = 'admin' LIMIT 1";
    tx.exists(sql, &[])
}

/// Grants a masked field to a person; whether that is new.
pub(crate) fn add_grant(
    tx: &mut dyn Transaction,
    person_id: &str,
    field: &str,
    by: &str,
    at: Instant,
) -> Result<bool, Problem> {
    let sql = "INSERT INTO recon.field_grants (person_id, field_name, granted_at, granted_by) \
               VALUES ($1, $2, $3, $4) ON CONFLICT (person_id, field_name) DO NOTHING";
    Ok(tx.execute(sql, &parameters![person_id, field, time_text(at), by])? > 0)
}

/// Revokes the grant of a masked field; whether there was one.
pub(crate) fn remove_grant(
    tx: &mut dyn Transaction,
    person_id: &str,
    field: &str,
) -> Result<bool, Problem> {
    let sql = "DELETE FROM recon.field_grants WHERE person_id = $1 AND field_name = $2";
    Ok(tx.execute(sql, &parameters![person_id, field])? > 0)
}

/// The roles of a person who is not disabled, each with the time it was granted. Ids are compared as texts, so that a
/// malformed id finds no one.
pub(crate) fn roles_of(
    tx: &mut dyn Transaction,
    person_id: &str,
) -> Result<Vec<(Role, Instant)>, Problem> {
    let sql = "SELECT r.role, r.granted_at FROM recon.person_roles r \
               JOIN recon.people p ON p.person_id = r.person_id AND NOT p.is_disabled \
               WHERE CAST(p.person_id AS text) = $1";
    tx.list(sql, &parameters![person_id], |row| {
        let name = row.required(0)?;
        let role = Role::from_name(&name).ok_or_else(|| damaged("role", &name))?;
        Ok((role, read_time(&row.required(1)?)?))
    })
}

/// The roles of every person who is not disabled and no service account.
pub(crate) fn all_roles(tx: &mut dyn Transaction) -> Result<Vec<Roles>, Problem> {
    let sql = "SELECT string_agg(r.role, ',') FROM recon.person_roles r JOIN recon.people p \
               ON p.person_id = r.person_id AND NOT p.is_disabled AND NOT p.is_service \
               GROUP BY r.person_id";
    tx.list(sql, &[], |row| roles(row.text(0)?.as_deref()))
}

pub(crate) fn was_disabled_since(
    tx: &mut dyn Transaction,
    person_id: &str,
    since: Instant,
) -> Result<bool, Problem> {
    let sql = "SELECT 1 FROM recon.audit_trail WHERE entity_id = $1 \
               AND action_type = 'DISABLE_PERSON' AND performed_at > $2 LIMIT 1";
    tx.exists(sql, &parameters![person_id, time_text(since)])
}

/// Passwords, and links to choose one, that another user made: for whom, by whom, and when.
pub(crate) fn credentials_given(
    tx: &mut dyn Transaction,
    person_id: Option<&str>,
) -> Result<Vec<(String, String, Instant)>, Problem> {
    let of_whom = if person_id.is_some() { " AND entity_id = $1" } else { "" };
    let sql = format!(
        "SELECT entity_id, actor_id, performed_at, action_type, new_value FROM recon.audit_trail \
         WHERE entity_type = 'person' AND actor_id <> entity_id{of_whom} \
           AND action_type IN ('ADD_PERSON', 'SET_PASSWORD', 'INVITE') ORDER BY seq"
    );
    let values: Vec<SqlValue> = person_id.map(Into::into).into_iter().collect();
    let given = tx.list(&sql, &values, |row| {
        let value: Json =
            serde_json::from_str(&row.text(4)?.unwrap_or_default()).unwrap_or_default();
        let without = value.get("has_password") == Some(&Json::Bool(false));
        // A login by proxy has no password that another user could know.
        if row.required(3)? == "ADD_PERSON" && without {
            return Ok(None);
        }
        Ok(Some((row.required(0)?, row.required(1)?, read_time(&row.required(2)?)?)))
    })?;
    Ok(given.into_iter().flatten().collect())
}

/// The display name of a person; the id of an unknown one.
pub(crate) fn name(tx: &mut dyn Transaction, person_id: &str) -> Result<String, Problem> {
    let sql = "SELECT display_name FROM recon.people WHERE CAST(person_id AS text) = $1";
    let name = tx.find(sql, &parameters![person_id], |row| row.required(0))?;
    Ok(name.unwrap_or_else(|| person_id.to_owned()))
}

/// The display names of all people, by their ids.
pub(crate) fn names(tx: &mut dyn Transaction) -> Result<Vec<(String, String)>, Problem> {
    let sql = "SELECT person_id, display_name FROM recon.people";
    tx.list(sql, &[], |row| Ok((row.required(0)?, row.required(1)?)))
}

/// The id of the person, not disabled, with this id or this login.
pub(crate) fn find(
    tx: &mut dyn Transaction,
    person_id: &str,
    key: &str,
) -> Result<Option<String>, Problem> {
    let sql = "SELECT CAST(p.person_id AS text) FROM recon.people p WHERE NOT p.is_disabled \
               AND (CAST(p.person_id AS text) = $1 OR p.person_id = \
               (SELECT l.person_id FROM recon.logins l \
                WHERE l.login_key = $2 AND l.agreed_at IS NOT NULL))";
    tx.find(sql, &parameters![person_id, key], |row| row.required(0))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    pub id: String,
    pub created: Instant,
    /// When it was last used, to the minute.
    pub used: Instant,
    pub address: Option<String>,
    /// The client, as it names itself.
    pub user_agent: Option<String>,
}

/// A session with its person.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub person: Person,
    pub secret_hash: Vec<u8>,
    pub created: Instant,
    pub used: Instant,
}

pub(crate) fn session(tx: &mut dyn Transaction, id: &str) -> Result<Option<SessionRow>, Problem> {
    let sql = select(
        ", s.secret_hash, s.created_at, s.used_at",
        "JOIN recon.sessions s ON s.login_key = l.login_key WHERE s.session_id = $2",
    );
    tx.find(&sql, &parameters![SEPARATOR, id], |row| {
        Ok(SessionRow {
            person: read(row)?,
            secret_hash: row.blob(WIDTH)?.unwrap_or_default(),
            created: read_time(&row.required(WIDTH + 1)?)?,
            used: read_time(&row.required(WIDTH + 2)?)?,
        })
    })
}

/// A session to be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSession<'a> {
    pub id: &'a str,
    pub secret_hash: &'a [u8],
    pub key: &'a str,
    pub person_id: &'a str,
    pub address: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

impl NewSession<'_> {
    pub fn add(&self, tx: &mut dyn Transaction, at: Instant) -> Result<(), Problem> {
        run(
            tx,
            "INSERT INTO recon.sessions (session_id, secret_hash, login_key, person_id, created_at, \
             used_at, address, user_agent) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)",
            &parameters![
                self.id,
                self.secret_hash,
                self.key,
                self.person_id,
                time_text(at),
                self.address,
                self.user_agent,
            ],
        )
    }
}

/// Notes that a session is in use; of two notes the later one counts.
pub(crate) fn touch_session(
    tx: &mut dyn Transaction,
    id: &str,
    at: Instant,
) -> Result<(), Problem> {
    let sql = "UPDATE recon.sessions SET used_at = $2 WHERE session_id = $1 AND used_at < $2";
    run(tx, sql, &parameters![id, time_text(at)])
}

/// Ends a session. The public half of its cookie alone does not suffice.
pub(crate) fn end_session(
    tx: &mut dyn Transaction,
    id: &str,
    secret_hash: &[u8],
) -> Result<(), Problem> {
    let sql = "DELETE FROM recon.sessions WHERE session_id = $1 AND secret_hash = $2";
    run(tx, sql, &parameters![id, secret_hash])
}

/// Sessions of a person that were opened and used after these moments, the last used first.
pub(crate) fn sessions_of(
    tx: &mut dyn Transaction,
    person_id: &str,
    opened: Instant,
    used: Instant,
) -> Result<Vec<OpenSession>, Problem> {
    let sql = "SELECT session_id, created_at, used_at, address, user_agent FROM recon.sessions \
               WHERE person_id = $1 AND created_at > $2 AND used_at > $3 \
               ORDER BY used_at DESC, session_id";
    tx.list(sql, &parameters![person_id, time_text(opened), time_text(used)], |row| {
        Ok(OpenSession {
            id: row.required(0)?,
            created: read_time(&row.required(1)?)?,
            used: read_time(&row.required(2)?)?,
            address: row.text(3)?,
            user_agent: row.text(4)?,
        })
    })
}

/// Ends one session of a person.
pub(crate) fn end_session_of(
    tx: &mut dyn Transaction,
    person_id: &str,
    id: &str,
) -> Result<(), Problem> {
    let sql = "DELETE FROM recon.sessions WHERE person_id = $1 AND session_id = $2";
    run(tx, sql, &parameters![person_id, id])
}

/// Ends every session of a person.
pub(crate) fn end_sessions_of(tx: &mut dyn Transaction, person_id: &str) -> Result<(), Problem> {
    run(tx, "DELETE FROM recon.sessions WHERE person_id = $1", &parameters![person_id])
}

/// Ends sessions that were opened before that time.
pub(crate) fn end_sessions_before(
    tx: &mut dyn Transaction,
    created: Instant,
) -> Result<(), Problem> {
    let sql = "DELETE FROM recon.sessions WHERE created_at < $1";
    run(tx, sql, &parameters![time_text(created)])
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    pub name: String,
    /// The login that the token belongs to.
    pub login: String,
    /// The person of the login.
    pub person_id: String,
    /// The permissions it may use.
    pub scopes: Permissions,
    pub created: Instant,
    pub expires: Instant,
    /// When it was last used, to the minute.
    pub used: Option<Instant>,
    pub revoked: Option<Instant>,
}

/// A presented token with its person.
#[derive(Clone, Debug)]
pub(crate) struct TokenRow {
    pub person: Person,
    pub secret_hash: Vec<u8>,
    pub name: String,
    pub scopes: Permissions,
    pub expires: Instant,
    pub used: Option<Instant>,
    pub revoked: bool,
}

/// Scopes by their names. One that only a newer recon knows gives no permission here.
fn scopes(names: &str) -> Permissions {
    let scopes = names.split(',').filter_map(Permission::from_name);
    scopes.fold(Permissions::NONE, |all, one| all.union(Permissions::of(&[one])))
}

fn optional_time(text: Option<String>) -> Result<Option<Instant>, Problem> {
    text.as_deref().map(read_time).transpose()
}

pub(crate) fn token(tx: &mut dyn Transaction, id: &str) -> Result<Option<TokenRow>, Problem> {
    let sql = select(
        ", t.secret_hash, t.name, t.scopes, t.expires_at, t.used_at, t.revoked_at",
        "JOIN recon.tokens t ON t.login_key = l.login_key WHERE t.token_id = $2",
    );
    tx.find(&sql, &parameters![SEPARATOR, id], |row| {
        Ok(TokenRow {
            person: read(row)?,
            secret_hash: row.blob(WIDTH)?.unwrap_or_default(),
            name: row.required(WIDTH + 1)?,
            scopes: scopes(&row.required(WIDTH + 2)?),
            expires: read_time(&row.required(WIDTH + 3)?)?,
            used: optional_time(row.text(WIDTH + 4)?)?,
            revoked: row.text(WIDTH + 5)?.is_some(),
        })
    })
}

/// The tokens of a person, or all, newest first.
pub(crate) fn tokens(
    tx: &mut dyn Transaction,
    person_id: Option<&str>,
) -> Result<Vec<Token>, Problem> {
    let condition = person_id.map_or("", |_| "WHERE t.person_id = $1 ");
    let sql = format!(
        "SELECT t.token_id, t.name, l.login, t.person_id, t.scopes, t.created_at, \
         t.expires_at, t.used_at, t.revoked_at FROM recon.tokens t \
         JOIN recon.logins l ON l.login_key = t.login_key {condition}\
         ORDER BY t.created_at DESC, t.token_id"
    );
    let values: Vec<SqlValue> = person_id.map(Into::into).into_iter().collect();
    tx.list(&sql, &values, |row| {
        Ok(Token {
            id: row.required(0)?,
            name: row.required(1)?,
            login: row.required(2)?,
            person_id: row.required(3)?,
            scopes: scopes(&row.required(4)?),
            created: read_time(&row.required(5)?)?,
            expires: read_time(&row.required(6)?)?,
            used: optional_time(row.text(7)?)?,
            revoked: optional_time(row.text(8)?)?,
        })
    })
}

pub(crate) fn add_token(
    tx: &mut dyn Transaction,
    token: &Token,
    key: &str,
    secret_hash: &[u8],
    scopes: &str,
) -> Result<(), Problem> {
    run(
        tx,
        "INSERT INTO recon.tokens (token_id, name, secret_hash, login_key, person_id, scopes, \
         created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &parameters![
            &token.id,
            &token.name,
            secret_hash,
            key,
            &token.person_id,
            scopes,
            time_text(token.created),
            time_text(token.expires),
        ],
    )
}

pub(crate) fn touch_token(tx: &mut dyn Transaction, id: &str, at: Instant) -> Result<(), Problem> {
    let sql = "UPDATE recon.tokens SET used_at = $2 WHERE token_id = $1";
    run(tx, sql, &parameters![id, time_text(at)])
}

/// The owner and the name of a token.
pub(crate) fn owner_of_token(
    tx: &mut dyn Transaction,
    id: &str,
) -> Result<Option<(String, String)>, Problem> {
    let sql = "SELECT person_id, name FROM recon.tokens WHERE token_id = $1";
    tx.find(sql, &parameters![id], |row| Ok((row.required(0)?, row.required(1)?)))
}

/// Revokes a token; whether it was valid until now.
pub(crate) fn revoke_token(
    tx: &mut dyn Transaction,
    id: &str,
    at: Instant,
) -> Result<bool, Problem> {
    let sql = "UPDATE recon.tokens SET revoked_at = $2 WHERE token_id = $1 AND revoked_at IS NULL";
    Ok(tx.execute(sql, &parameters![id, time_text(at)])? > 0)
}

/// A link that lets a person choose a password, or lets the first administrator in.
#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub secret_hash: Vec<u8>,
    /// `None`: for the first administrator.
    pub key: Option<String>,
    pub expires: Instant,
}

impl Invitation {
    /// The invitation of this id, locked.
    pub fn find(tx: &mut dyn Transaction, id: &str) -> Result<Option<Self>, Problem> {
        let lock = tx.dialect().for_update();
        let sql = format!(
            "SELECT secret_hash, login_key, expires_at FROM recon.invitations \
             WHERE invitation_id = $1{lock}"
        );
        tx.find(&sql, &parameters![id], |row| {
            Ok(Self {
                secret_hash: row.blob(0)?.unwrap_or_default(),
                key: row.text(1)?,
                expires: read_time(&row.required(2)?)?,
            })
        })
    }

    pub fn add(&self, tx: &mut dyn Transaction, id: &str, at: Instant) -> Result<(), Problem> {
        run(
            tx,
            "INSERT INTO recon.invitations (invitation_id, secret_hash, login_key, created_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5)",
            &parameters![
                id,
                self.secret_hash.as_slice(),
                self.key.as_deref(),
                time_text(at),
                time_text(self.expires),
            ],
        )
    }

    /// Deletes those of a login, or those for the first administrator.
    pub fn delete(tx: &mut dyn Transaction, key: Option<&str>) -> Result<(), Problem> {
        match key {
            Some(key) => {
                let sql = "DELETE FROM recon.invitations WHERE login_key = $1";
                run(tx, sql, &parameters![key])
            }
            None => run(tx, "DELETE FROM recon.invitations WHERE login_key IS NULL", &[]),
        }
    }
}

/// Attempts to log in, counted for one account or address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginAttempts {
    pub since: Instant,
    pub attempts: i64,
    pub strikes: i64,
}

impl LoginAttempts {
    /// The count of a subject, locked; a new one if there was none.
    pub fn of(tx: &mut dyn Transaction, subject: &str, now: Instant) -> Result<Self, Problem> {
        // The row is there before it is read, so that the first attempts of many at once wait in line.
        run(
            tx,
            "INSERT INTO recon.login_attempts (subject, since, attempts, strikes) \
             VALUES ($1, $2, 0, 0) ON CONFLICT (subject) DO NOTHING",
            &parameters![subject, time_text(now)],
        )?;
        let lock = tx.dialect().for_update();
        let sql = format!(
            "SELECT since, attempts, strikes FROM recon.login_attempts WHERE subject = $1{lock}"
        );
        let found = tx.find(&sql, &parameters![subject], |row| {
            Ok(Self {
                since: read_time(&row.required(0)?)?,
                attempts: row.count(1)?,
                strikes: row.count(2)?,
            })
        })?;
        Ok(found.unwrap_or(Self { since: now, attempts: 0, strikes: 0 }))
    }

    pub fn store(&self, tx: &mut dyn Transaction, subject: &str) -> Result<(), Problem> {
        let sql = "UPDATE recon.login_attempts SET since = $2, attempts = $3, strikes = $4 \
                   WHERE subject = $1";
        run(tx, sql, &parameters![subject, time_text(self.since), self.attempts, self.strikes])
    }

    /// Forgets the count of a subject.
    pub fn forget(tx: &mut dyn Transaction, subject: &str) -> Result<(), Problem> {
        run(tx, "DELETE FROM recon.login_attempts WHERE subject = $1", &parameters![subject])
    }

    /// Forgets counts from before that time.
    pub fn forget_before(tx: &mut dyn Transaction, since: Instant) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.login_attempts WHERE since < $1";
        run(tx, sql, &parameters![time_text(since)])
    }

    /// Takes one attempt back.
    pub fn take_back(tx: &mut dyn Transaction, subject: &str) -> Result<(), Problem> {
        let sql = "UPDATE recon.login_attempts SET attempts = attempts - 1 \
                   WHERE subject = $1 AND attempts > 0";
        run(tx, sql, &parameters![subject])
    }
}
