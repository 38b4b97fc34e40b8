//! Who there is: making people, changing their roles, disabling them. Nobody is ever deleted, since
//! the audit trail names them for good.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{Permission, Role, Roles};
use crate::review::actor::Given;
use crate::review::{Actor, Refusal};
use crate::store::rows::parameters;
use crate::store::transact::{self, Answer, Dialect, Transact, Transaction};

use super::login::{Attempt, Proved};
use super::principal::{SEPARATOR, SHUT, TABLES, fields, key_of, roles};
use super::record::{Change, audit, moment, read_moment};
use super::secret::Random;
use super::{AuthMethod, Hashing, Principal, login, name, password, principal, session};

/// A person with one of their logins, as lists show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What four eyes compare.
    pub person_id: String,
    /// The name by which they come in.
    pub login: String,
    /// Their name, for people.
    pub name: String,
    /// Their roles.
    pub roles: Roles,
    /// The masked fields that they may see.
    pub grants: BTreeSet<String>,
    /// Whether it is a program.
    pub is_service: bool,
    /// Whether they can't come in.
    pub is_disabled: bool,
    /// Whether this login has a password.
    pub has_password: bool,
    /// Whether somebody else chose that password: its owner chooses another before anything else.
    pub must_change: bool,
    /// Whether this second login waits for its person's consent, and opens nothing until then.
    pub awaits_consent: bool,
    /// When the login was made.
    pub created: Instant,
}

impl Person {
    /// As `--json` and the API show it.
    pub fn json(&self) -> Json {
        json!({
            "person_id": self.person_id,
            "login": self.login,
            "name": self.name,
            "roles": self.roles,
            "field_grants": self.grants,
            "is_service": self.is_service,
            "is_disabled": self.is_disabled,
            "has_password": self.has_password,
            "must_change_password": self.must_change,
            "awaits_consent": self.awaits_consent,
            "created_at": moment(self.created),
        })
    }
}

/// A person, or one more login of a person, to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewPerson<'a> {
    /// The name to come in by.
    pub login: &'a str,
    /// The name for people; the login if there is none.
    pub name: Option<&'a str>,
    /// The roles.
    pub roles: Roles,
    /// The password; `None` where a proxy vouches, for a program, or until an invitation is used. Whoever
    /// makes a person for somebody else chooses one that its owner must change.
    pub password: Option<&'a str>,
    /// The person's other login, whose roles this one shares.
    pub same_person_as: Option<&'a str>,
    /// Whether it is a program, which comes in by tokens only.
    pub is_service: bool,
}

/// Whoever asks may not.
pub(super) fn not_permitted(what: &str) -> Refusal {
    Refusal::new(Code::MissingPermission, format!("you may not {what}"))
}

fn must_administer(by: &Actor, what: &str) -> Result<(), Refusal> {
    if by.may(Permission::Administer) { Ok(()) } else { Err(not_permitted(what)) }
}

/// A login that there is.
pub(super) struct Known {
    /// Its folded name.
    pub key: String,
    /// Whose it is, disabled or not.
    pub principal: Principal,
}

/// The person of a login, disabled or not.
pub(super) fn known(tx: &mut dyn Transaction, login: &str) -> Result<Known, Refusal> {
    let key = key_of(tx, login)?;
    let sql = format!("SELECT {} FROM {TABLES} WHERE l.login_key = $2", principal::COLUMNS);
    let mut rows = tx.query(&sql, &[SEPARATOR.into(), (&key).into()])?;
    let missing = || {
        let message = format!("nobody has the login `{}`", login.escape_debug());
        Refusal::new(Code::NoSuchLogin, message)
    };
    let mut row = rows.pop().ok_or_else(missing)?;
    // Whether the person is disabled, or has agreed, is nothing that this needs to know.
    for column in SHUT {
        if let Some(shut) = row.0.get_mut(column) {
            *shut = false.into();
        }
    }
    match principal::principal(&row, AuthMethod::Cli)? {
        Some(principal) => Ok(Known { key, principal }),
        None => Err(missing()),
    }
}

/// Refuses roles that must not meet in one person, and those that a program can't have.
fn check_roles(roles: Roles, is_service: bool) -> Result<(), Refusal> {
    if let Some(conflict) = roles.conflict() {
        return Err(Refusal::new(Code::SeparationOfDuties, conflict));
    }
    if is_service && (roles.contains(Role::Admin)) {
        return Err(Refusal::new(Code::ServiceRoles, "a program is no admin"));
    }
    Ok(())
}

/// The person's name for people, as it may be shown anywhere.
fn check_name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let hidden = |c: char| {
        // Marks of direction and what has no width make one name look like another.
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if text.is_empty() || text.chars().count() > 100 || text.chars().any(hidden) {
        return Err(Refusal::new(Code::BadPersonName, "a name has 1 to 100 visible characters"));
    }
    Ok(text.to_owned())
}

/// Makes a person, or one more login of a person.
///
/// # Errors
/// A [`Refusal`]: a login that is taken, roles that must not meet, a poor password.
pub fn add(
    store: &dyn Transact,
    hashing: &Hashing,
    by: &Actor,
    new: &NewPerson<'_>,
    now: Instant,
    random: Random<'_>,
) -> Result<Person, Refusal> {
    add_with(store, hashing, by, new, now, random, false, &mut |_| Ok(()))
}

/// As [`add`], if `first` agrees, in the same transaction. `own_password`: whoever asks is the person.
#[expect(clippy::too_many_arguments, reason = "what making a person needs, and one condition")]
pub(super) fn add_with(
    store: &dyn Transact,
    hashing: &Hashing,
    by: &Actor,
    new: &NewPerson<'_>,
    now: Instant,
    random: Random<'_>,
    own_password: bool,
    first: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Refusal>,
) -> Result<Person, Refusal> {
    must_administer(by, "make people")?;
    let key = name::checked(new.login)?;
    let shown = check_name(new.name.unwrap_or(new.login))?;
    check_roles(new.roles, new.is_service)?;
    if let Some(password) = new.password {
        if new.same_person_as.is_some() {
            let message =
                "the person chooses the password of a second login, when they agree to it";
            return Err(Refusal::new(Code::NotYourPassword, message));
        }
        password::check(password, &[new.login, &shown])?;
    }
    // A taken name is told before anybody pays for a hash.
    let looks = name::looks(new.login);
    let refuse_taken = |tx: &mut dyn Transaction| {
        for row in tx.query("SELECT login FROM recon.logins ORDER BY login_key", &[])? {
            let other = row.required(0)?;
            if name::fold(&other) == key {
                let message = format!("the login `{}` is taken", new.login);
                return Err(Refusal::new(Code::LoginTaken, message));
            }
            if !name::looks(&other).is_disjoint(&looks) {
                let message = format!(
                    "the login `{}` looks like `{}`, which is taken",
                    new.login,
                    other.escape_debug()
                );
                return Err(Refusal::new(Code::LoginTaken, message));
            }
        }
        Ok(())
    };
    transact::write(store, |tx| refuse_taken(tx))?;
    let hash = new.password.map(|password| hashing.hash(password, random)).transpose()?;
    let new_id = {
        let mut bytes = [0; 10];
        random(&mut bytes)?;
        let millis = u64::try_from(now.seconds()).unwrap_or_default() * 1_000;
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string()
    };
    transact::write(store, |tx| {
        first(tx)?;
        one_at_a_time(tx)?;
        refuse_taken(tx)?;
        let person_id = match new.same_person_as {
            Some(other) => known(tx, other)?.principal.person_id,
            None => {
                tx.execute(
                    "INSERT INTO recon.people (person_id, display_name, is_service, created_at, \
                     created_by) VALUES ($1, $2, $3, $4, $5)",
                    &parameters![&new_id, &shown, new.is_service, moment(now), &by.person_id],
                )?;
                new_id.clone()
            }
        };
        tx.execute(
            "INSERT INTO recon.logins (login_key, login, person_id, password, password_at, \
             created_at, must_change, agreed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &parameters![
                &key,
                new.login,
                &person_id,
                hash.as_deref(),
                hash.as_ref().map(|_| moment(now)),
                moment(now),
                hash.is_some() && !own_password,
                // A second login waits for its person.
                new.same_person_as.is_none().then(|| moment(now)),
            ],
        )?;
        let before =
            if new.same_person_as.is_some() { person(tx, &key)?.roles } else { Roles::NONE };
        let all = new.roles.iter().fold(before, Roles::with);
        if all != before {
            not_oneself(by, &person_id)?;
            replace_roles(tx, by, &person_id, before, all, now)?;
        }
        let person = person(tx, &key)?;
        let change = Change {
            action: if new.same_person_as.is_some() { "ADD_LOGIN" } else { "ADD_PERSON" },
            entity: "person",
            id: &person_id,
            before: Json::Null,
            after: person.json(),
        };
        audit(tx, by, now, &change)?;
        Ok(person)
    })
}

/// Two logins that look alike are not made at the same moment.
fn one_at_a_time(tx: &mut dyn Transaction) -> Result<(), Problem> {
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => {
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended('recon.logins', 11))::text";
            tx.query(sql, &[]).map(drop)
        }
    }
}

/// Gives a person these roles and no others. Their sessions end.
///
/// # Errors
/// A [`Refusal`]: one's own roles, roles that must not meet, the last admin.
pub fn set_roles(
    store: &dyn Transact,
    by: &Actor,
    login: &str,
    roles: Roles,
    now: Instant,
) -> Result<Person, Refusal> {
    must_administer(by, "change roles")?;
    transact::write(store, |tx| {
        lock_admins(tx)?;
        let Known { key, principal } = known(tx, login)?;
        check_roles(roles, principal.is_service)?;
        if roles != principal.roles {
            not_oneself(by, &principal.person_id)?;
            replace_roles(tx, by, &principal.person_id, principal.roles, roles, now)?;
            session::close_all(tx, &principal.person_id)?;
            keep_an_admin(tx, principal.roles)?;
            let change = Change {
                action: "SET_ROLES",
                entity: "person",
                id: &principal.person_id,
                before: json!({ "roles": principal.roles }),
                after: json!({ "roles": roles }),
            };
            audit(tx, by, now, &change)?;
        }
        Ok(person(tx, &key)?)
    })
}

/// Who could change their own roles could be everybody in turn.
fn not_oneself(by: &Actor, person_id: &str) -> Result<(), Refusal> {
    if by.person_id == person_id {
        let message = "nobody changes their own roles; another admin does";
        return Err(Refusal::new(Code::OwnRoles, message));
    }
    Ok(())
}

fn replace_roles(
    tx: &mut dyn Transaction,
    by: &Actor,
    person_id: &str,
    before: Roles,
    after: Roles,
    now: Instant,
) -> Result<(), Refusal> {
    check_roles(after, false)?;
    for role in before.iter().filter(|role| !after.contains(*role)) {
        let sql = "DELETE FROM recon.person_roles WHERE person_id = $1 AND role = $2";
        tx.execute(sql, &parameters![person_id, role.name()])?;
    }
    for role in after.iter().filter(|role| !before.contains(*role)) {
        tx.execute(
            "INSERT INTO recon.person_roles (person_id, role, granted_at, granted_by) \
             VALUES ($1, $2, $3, $4)",
            &parameters![person_id, role.name(), moment(now), &by.person_id],
        )?;
    }
    Ok(())
}

/// Two that would each remove the other admin take turns.
fn lock_admins(tx: &mut dyn Transaction) -> Result<(), Problem> {
    let lock = tx.dialect().for_update();
    let sql = format!(
        "SELECT person_id FROM recon.person_roles WHERE role = 'admin' ORDER BY person_id{lock}"
    );
    tx.query(&sql, &[]).map(drop)
}

/// Refuses a change after which nobody could manage people any more.
fn keep_an_admin(tx: &mut dyn Transaction, changed: Roles) -> Result<(), Refusal> {
    if changed.contains(Role::Admin) && !has_admin(tx)? {
        let message = "this is the last admin; make another one first";
        return Err(Refusal::new(Code::LastAdmin, message));
    }
    Ok(())
}

/// Whether anybody can manage people.
pub(super) fn has_admin(tx: &mut dyn Transaction) -> Result<bool, Problem> {
    let sql = "SELECT 1 FROM recon.person_roles r JOIN recon.people p \
               ON p.person_id = r.person_id AND NOT p.is_disabled WHERE r.role = 'admin' LIMIT 1";
    Ok(!tx.query(sql, &[])?.is_empty())
}

/// Shuts a person out, with every login, session and token; or lets them in again (their sessions
/// stay ended).
///
/// # Errors
/// A [`Refusal`]: the last admin, oneself.
pub fn set_disabled(
    store: &dyn Transact,
    by: &Actor,
    login: &str,
    disabled: bool,
    now: Instant,
) -> Result<Person, Refusal> {
    must_administer(by, "disable people")?;
    transact::write(store, |tx| {
        lock_admins(tx)?;
        let Known { key, principal } = known(tx, login)?;
        let before = person(tx, &key)?.is_disabled;
        if before != disabled {
            let sql = "UPDATE recon.people SET is_disabled = $2 WHERE person_id = $1";
            tx.execute(sql, &parameters![&principal.person_id, disabled])?;
            session::close_all(tx, &principal.person_id)?;
            keep_an_admin(tx, principal.roles)?;
            let change = Change {
                action: if disabled { "DISABLE_PERSON" } else { "ENABLE_PERSON" },
                entity: "person",
                id: &principal.person_id,
                before: json!({ "is_disabled": before }),
                after: json!({ "is_disabled": disabled }),
            };
            audit(tx, by, now, &change)?;
        }
        Ok(person(tx, &key)?)
    })
}

/// Gives a login another password, as an admin: one that its owner must change before anything else. The
/// person's sessions end.
///
/// # Errors
/// A [`Refusal`]: a poor password, no such login.
pub fn set_password(
    store: &dyn Transact,
    hashing: &Hashing,
    by: &Actor,
    login: &str,
    new: &str,
    now: Instant,
    random: Random<'_>,
) -> Result<Person, Refusal> {
    must_administer(by, "set somebody's password")?;
    let found = transact::write(store, |tx| {
        let found = known(tx, login)?;
        refuse_waiting(tx, &found)?;
        Ok::<_, Refusal>(found)
    })?;
    if found.principal.is_service {
        let message = "a program has tokens, no password";
        return Err(Refusal::new(Code::ServiceRoles, message));
    }
    password::check(new, &[login, &found.principal.name])?;
    let hash = hashing.hash(new, random)?;
    transact::write(store, |tx| {
        refuse_waiting(tx, &found)?;
        store_password(tx, by, &found, &hash, now)
    })
}

/// Nobody gives a password to a second login whose person has not agreed to it.
pub(super) fn refuse_waiting(tx: &mut dyn Transaction, found: &Known) -> Result<(), Refusal> {
    if person(tx, &found.key)?.awaits_consent {
        let message = format!(
            "`{}` waits for its person's consent: they agree to it in their profile",
            found.principal.login
        );
        return Err(Refusal::new(Code::AwaitsConsent, message));
    }
    Ok(())
}

/// Gives one's own login another password; the present one is asked for. All sessions end.
///
/// # Errors
/// A [`Refusal`]: the present password is wrong, the new one is poor, too many attempts.
pub fn change_password(
    store: &dyn Transact,
    hashing: &Hashing,
    of: &Principal,
    present: &str,
    new: &str,
    now: Instant,
    random: Random<'_>,
) -> Result<Person, Refusal> {
    let key = transact::write(store, |tx| key_of(tx, &of.login))?;
    let attempt = Attempt {
        name: &of.login,
        password: present,
        address: None,
        user_agent: None,
        cookie: None,
    };
    match login::prove(store, hashing, &key, &attempt, now, &mut |_| Ok(()))? {
        Proved::Right(()) => {}
        Proved::Wrong => {
            let message = "that is not your present password";
            return Err(Refusal::new(Code::PasswordWrong, message));
        }
        Proved::Throttled(seconds) => {
            let message = format!("too many attempts; try again in {seconds} seconds");
            return Err(Refusal::new(Code::TooManyAttempts, message));
        }
    }
    password::check(new, &[&of.login, &of.name])?;
    if new == present {
        let message = "that is the password you have: choose another one";
        return Err(Refusal::new(Code::PasswordSame, message));
    }
    let hash = hashing.hash(new, random)?;
    transact::write(store, |tx| {
        let found = known(tx, &of.login)?;
        store_password(tx, &of.actor(), &found, &hash, now)
    })
}

/// Stores the hash of a new password, and ends what the old one opened. One that somebody else chose must
/// be changed.
pub(super) fn store_password(
    tx: &mut dyn Transaction,
    by: &Actor,
    of: &Known,
    hash: &str,
    now: Instant,
) -> Result<Person, Refusal> {
    let own = by.person_id == of.principal.person_id;
    let sql = "UPDATE recon.logins SET password = $2, password_at = $3, must_change = $4 \
               WHERE login_key = $1";
    tx.execute(sql, &parameters![&of.key, hash, moment(now), !own])?;
    session::close_all(tx, &of.principal.person_id)?;
    // A link that was still waiting to be opened is one password too many.
    let sql = "DELETE FROM recon.invitations WHERE login_key = $1";
    tx.execute(sql, &[(&of.key).into()])?;
    let change = Change {
        action: "SET_PASSWORD",
        entity: "person",
        id: &of.principal.person_id,
        before: Json::Null,
        after: json!({ "login": of.principal.login, "must_change_password": !own }),
    };
    audit(tx, by, now, &change)?;
    Ok(person(tx, &of.key)?)
}

/// Agrees to a second login that an admin made for the person, who comes in by another one; the person
/// chooses its password (`None` where a proxy vouches).
///
/// # Errors
/// A [`Refusal`]: a token, no such login of one's own, a poor password.
pub fn agree(
    store: &dyn Transact,
    hashing: &Hashing,
    of: &Principal,
    login: &str,
    new: Option<&str>,
    now: Instant,
    random: Random<'_>,
) -> Result<Person, Refusal> {
    if !matches!(of.method, AuthMethod::Session(_) | AuthMethod::Proxy) {
        let message = "only the person themselves agrees to a login, not a token or a command";
        return Err(Refusal::new(Code::SessionRequired, message));
    }
    let missing = || {
        let message = format!("none of your logins waits as `{}`", login.escape_debug());
        Refusal::new(Code::NoSuchLogin, message)
    };
    let waiting = |tx: &mut dyn Transaction| {
        let found = known(tx, login).map_err(|_| missing())?;
        let waits = person(tx, &found.key)?.awaits_consent;
        if waits && found.principal.person_id == of.person_id { Ok(found) } else { Err(missing()) }
    };
    let found = transact::write(store, |tx| waiting(tx))?;
    let hash = match new {
        Some(new) => {
            password::check(new, &[&found.principal.login, &found.principal.name])?;
            Some(hashing.hash(new, random)?)
        }
        None => None,
    };
    transact::write(store, |tx| {
        let found = waiting(tx)?;
        let sql = "UPDATE recon.logins SET agreed_at = $2, password = $3, password_at = $4, \
                   must_change = $5 WHERE login_key = $1";
        let at = hash.as_ref().map(|_| moment(now));
        tx.execute(sql, &parameters![&found.key, moment(now), hash.as_deref(), at, false])?;
        let change = Change {
            action: "AGREE_LOGIN",
            entity: "person",
            id: &found.principal.person_id,
            before: json!({ "login": found.principal.login, "awaits_consent": true }),
            after: json!({
                "login": found.principal.login,
                "awaits_consent": false,
                "has_password": hash.is_some(),
            }),
        };
        audit(tx, &of.actor(), now, &change)?;
        Ok(person(tx, &found.key)?)
    })
}

/// All logins of a person.
///
/// # Errors
/// What the store says.
pub fn logins_of(store: &dyn Transact, person_id: &str) -> Result<Vec<Person>, Problem> {
    let all = list(store)?;
    Ok(all.into_iter().filter(|person| person.person_id == person_id).collect())
}

/// Lets a person see the values of a masked field, or no longer.
///
/// # Errors
/// A [`Refusal`]: no such login, a name that is no field's.
pub fn set_grant(
    store: &dyn Transact,
    by: &Actor,
    login: &str,
    field: &str,
    granted: bool,
    now: Instant,
) -> Result<Person, Refusal> {
    must_administer(by, "grant fields")?;
    if field.is_empty() || field.len() > 200 || field.chars().any(char::is_control) {
        return Err(Refusal::new(Code::BadFieldName, "that is no name of a field"));
    }
    transact::write(store, |tx| {
        let Known { key, principal } = known(tx, login)?;
        let person_id = &principal.person_id;
        if granted && by.person_id == *person_id {
            let message = "nobody grants a field to themselves; another admin does";
            return Err(Refusal::new(Code::OwnRoles, message));
        }
        let changed = if granted {
            tx.execute(
                "INSERT INTO recon.field_grants (person_id, field_name, granted_at, granted_by) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (person_id, field_name) DO NOTHING",
                &parameters![person_id, field, moment(now), &by.person_id],
            )?
        } else {
            let sql = "DELETE FROM recon.field_grants WHERE person_id = $1 AND field_name = $2";
            tx.execute(sql, &parameters![person_id, field])?
        };
        if changed > 0 {
            let change = Change {
                action: if granted { "GRANT_FIELD" } else { "REVOKE_FIELD" },
                entity: "person",
                id: person_id,
                before: json!({ "field_grants": principal.grants }),
                after: json!({ "field_grants": person(tx, &key)?.grants }),
            };
            audit(tx, by, now, &change)?;
        }
        Ok(person(tx, &key)?)
    })
}

/// Everybody, by login.
///
/// # Errors
/// What the store says.
pub fn list(store: &dyn Transact) -> Result<Vec<Person>, Problem> {
    transact::read(store, |tx| {
        let rows = tx.query(&people_sql("ORDER BY l.login_key"), &[SEPARATOR.into()])?;
        rows.iter().map(read_person).collect()
    })
}

/// One login.
///
/// # Errors
/// No such login.
pub fn show(store: &dyn Transact, login: &str) -> Result<Person, Refusal> {
    let found = transact::read(store, |tx| {
        let key = key_of(tx, login)?;
        let rows =
            tx.query(&people_sql("WHERE l.login_key = $2"), &[SEPARATOR.into(), (&key).into()])?;
        rows.first().map(read_person).transpose()
    })?;
    found.ok_or_else(|| {
        let message = format!("nobody has the login `{}`", login.escape_debug());
        Refusal::new(Code::NoSuchLogin, message)
    })
}

fn people_sql(end: &str) -> String {
    format!(
        "SELECT {}, l.password IS NOT NULL, l.created_at FROM {TABLES} {end}",
        principal::COLUMNS
    )
}

fn person(tx: &mut dyn Transaction, key: &str) -> Result<Person, Problem> {
    let sql = people_sql("WHERE l.login_key = $2");
    let rows = tx.query(&sql, &[SEPARATOR.into(), key.into()])?;
    let gone = || Problem::new(Code::NothingDone, "a person is not where they were written");
    read_person(rows.first().ok_or_else(gone)?)
}

fn read_person(row: &Answer) -> Result<Person, Problem> {
    Ok(Person {
        login: row.required(0)?,
        person_id: row.required(1)?,
        name: row.required(2)?,
        is_service: row.boolean(3)?,
        is_disabled: row.boolean(4)?,
        roles: roles(row.text(5)?.as_deref())?,
        grants: fields(row.text(6)?.as_deref()),
        must_change: row.boolean(7)?,
        awaits_consent: row.boolean(8)?,
        has_password: row.boolean(principal::WIDTH)?,
        created: read_moment(&row.required(principal::WIDTH + 1)?)?,
    })
}

/// When somebody else chose or could choose a person's password, as the audit trail tells it.
fn given(tx: &mut dyn Transaction, person_id: Option<&str>) -> Result<Vec<Given>, Problem> {
    let of_whom = if person_id.is_some() { " AND entity_id = $1" } else { "" };
    let sql = format!(
        "SELECT entity_id, actor_id, performed_at, action_type, new_value FROM recon.audit_trail \
         WHERE entity_type = 'person' AND actor_id <> entity_id{of_whom} \
           AND action_type IN ('ADD_PERSON', 'SET_PASSWORD', 'INVITE') ORDER BY seq"
    );
    let mut all = Vec::new();
    for row in tx.query(&sql, &person_id.map(Into::into).into_iter().collect::<Vec<_>>())? {
        let value: Json =
            serde_json::from_str(&row.text(4)?.unwrap_or_default()).unwrap_or_default();
        let without = value.get("has_password") == Some(&Json::Bool(false));
        // Whoever comes by a proxy has no password that anybody else could know.
        if row.required(3)? == "ADD_PERSON" && without {
            continue;
        }
        all.push(Given {
            person_id: row.required(0)?,
            by: row.required(1)?,
            at: read_moment(&row.required(2)?)?,
        });
    }
    Ok(all)
}

/// The directory as the workflow asks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoredDirectory;

impl crate::review::actor::Directory for StoredDirectory {
    fn roles(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<Roles, Problem> {
        // Compared as text: whatever comes as an id is then simply nobody's.
        let sql = "SELECT string_agg(r.role, ',') FROM recon.person_roles r \
                   JOIN recon.people p ON p.person_id = r.person_id AND NOT p.is_disabled \
                   WHERE CAST(p.person_id AS text) = $1";
        let rows = tx.query(sql, &[person_id.into()])?;
        roles(rows.first().map(|row| row.text(0)).transpose()?.flatten().as_deref())
    }

    fn roles_since(
        &self,
        tx: &mut dyn Transaction,
        person_id: &str,
        since: Instant,
    ) -> Result<Roles, Problem> {
        let sql = "SELECT r.role, r.granted_at FROM recon.person_roles r \
                   JOIN recon.people p ON p.person_id = r.person_id AND NOT p.is_disabled \
                   WHERE CAST(p.person_id AS text) = $1";
        let mut held = Roles::NONE;
        for row in tx.query(sql, &[person_id.into()])? {
            if read_moment(&row.required(1)?)? <= since {
                held = roles(Some(&row.required(0)?))?.iter().fold(held, Roles::with);
            }
        }
        // Whoever was disabled in between had none for that time.
        let sql = "SELECT 1 FROM recon.audit_trail WHERE entity_id = $1 \
                   AND action_type = 'DISABLE_PERSON' AND performed_at > $2 LIMIT 1";
        let disabled = !tx.query(sql, &parameters![person_id, moment(since)])?.is_empty();
        Ok(if disabled { Roles::NONE } else { held })
    }

    fn given(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<Vec<Given>, Problem> {
        given(tx, Some(person_id))
    }

    fn all_given(&self, tx: &mut dyn Transaction) -> Result<Vec<Given>, Problem> {
        given(tx, None)
    }

    fn name(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<String, Problem> {
        let sql = "SELECT display_name FROM recon.people WHERE CAST(person_id AS text) = $1";
        let rows = tx.query(sql, &[person_id.into()])?;
        rows.first().map_or_else(|| Ok(person_id.to_owned()), |row| row.required(0))
    }

    fn find(&self, tx: &mut dyn Transaction, login: &str) -> Result<Option<String>, Problem> {
        let sql = "SELECT CAST(p.person_id AS text) FROM recon.people p WHERE NOT p.is_disabled \
                   AND (CAST(p.person_id AS text) = $1 OR p.person_id = \
                   (SELECT l.person_id FROM recon.logins l \
                    WHERE l.login_key = $2 AND l.agreed_at IS NOT NULL))";
        let key = key_of(tx, login)?;
        let rows = tx.query(sql, &parameters![login, key])?;
        rows.first().map(|row| row.required(0)).transpose()
    }
}
