//! Users: adding them, changing their roles, disabling them. Users are never deleted, since the
//! audit trail names them for good.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{Permission, Role, Roles};
use crate::review::actor::CredentialsGiven;
use crate::review::{Actor, Refusal};
use crate::store::people;
use crate::store::time_text;
use crate::store::transact::{self, Transact, Transaction};

use super::login::{Attempt, Proved};
use super::principal::key_of;
use super::record::{Change, audit};
use super::secret::Random;
use super::token::refuse_token;
use super::{AuthMethod, Hashing, Principal, login, name, password};

pub use crate::store::people::Person;

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
            "created_at": time_text(self.created),
        })
    }
}

/// A person, or one more login of a person, to be made.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewPerson<'a> {
    /// The login name.
    pub login: &'a str,
    /// The display name; the login by default.
    pub name: Option<&'a str>,
    pub roles: Roles,
    /// The password; `None` for logins by proxy, service accounts and invitations. One chosen by another user must be
    /// changed first.
    pub password: Option<&'a str>,
    /// The person's other login, whose roles this one shares.
    pub same_person_as: Option<&'a str>,
    /// A program, which logs in with tokens only.
    pub is_service: bool,
}

/// Returns `Forbidden`.
pub(super) fn not_permitted(what: &str) -> Refusal {
    Refusal::new(Code::MissingPermission, format!("you may not {what}"))
}

fn must_administer(by: &Actor, what: &str) -> Result<(), Refusal> {
    if by.may(Permission::Administer) { Ok(()) } else { Err(not_permitted(what)) }
}

/// A login that there is.
pub(super) struct ExistingLogin {
    /// Its folded name.
    pub key: String,
    /// The owner, disabled or not.
    pub principal: Principal,
}

/// The person of a login, disabled or not.
pub(super) fn existing_login(
    tx: &mut dyn Transaction,
    login: &str,
) -> Result<ExistingLogin, Refusal> {
    let key = key_of(tx, login)?;
    let person = people::person(tx, &key)?.ok_or_else(|| no_such_login(login))?;
    // A disabled person, or one who has not agreed, is accepted here.
    Ok(ExistingLogin { key, principal: Principal::of(person, AuthMethod::Cli) })
}

fn no_such_login(login: &str) -> Refusal {
    let message = format!("there is no login `{}`", login.escape_debug());
    Refusal::new(Code::NoSuchLogin, message)
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
        // Marks of direction and characters without width make one name look like another.
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

/// As [`add`], after `first` in the same transaction. `own_password`: the person chose it themselves.
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
    // Refuse a taken name before computing an expensive hash.
    let looks = name::looks(new.login);
    let refuse_taken = |tx: &mut dyn Transaction| {
        for other in people::login_names(tx)? {
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
        // Two logins that look alike are not made at the same moment.
        people::lock_logins(tx)?;
        refuse_taken(tx)?;
        let person_id = match new.same_person_as {
            Some(other) => existing_login(tx, other)?.principal.person_id,
            None => {
                people::add_person(tx, &new_id, &shown, new.is_service, &by.person_id, now)?;
                new_id.clone()
            }
        };
        let login = people::NewLogin {
            key: &key,
            login: new.login,
            person_id: &person_id,
            password: hash.as_deref(),
            must_change: hash.is_some() && !own_password,
            // A second login waits for its person.
            agreed: new.same_person_as.is_none(),
        };
        login.add(tx, now)?;
        let before =
            if new.same_person_as.is_some() { person(tx, &key)?.roles } else { Roles::NONE };
        let all = new.roles.iter().fold(before, Roles::with);
        if all.contains(Role::Admin) {
            refuse_token(by)?;
        }
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
        people::lock_admins(tx)?;
        let ExistingLogin { key, principal } = existing_login(tx, login)?;
        check_roles(roles, principal.is_service)?;
        if roles.contains(Role::Admin) && !principal.roles.contains(Role::Admin) {
            refuse_token(by)?;
        }
        if roles != principal.roles {
            not_oneself(by, &principal.person_id)?;
            replace_roles(tx, by, &principal.person_id, principal.roles, roles, now)?;
            people::end_sessions_of(tx, &principal.person_id)?;
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

/// Refuses to change one's own roles: one person could take every stage in turn.
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
        people::remove_role(tx, person_id, role)?;
    }
    for role in after.iter().filter(|role| !before.contains(*role)) {
        people::add_role(tx, person_id, role, &by.person_id, now)?;
    }
    Ok(())
}

/// Refuses a change that would leave no administrator.
fn keep_an_admin(tx: &mut dyn Transaction, changed: Roles) -> Result<(), Refusal> {
    if changed.contains(Role::Admin) && !people::has_admin(tx)? {
        let message = "this is the last admin; make another one first";
        return Err(Refusal::new(Code::LastAdmin, message));
    }
    Ok(())
}

/// Disables a person: ends sessions, disables logins and tokens. Or enables them again; their sessions stay
/// ended.
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
        people::lock_admins(tx)?;
        let ExistingLogin { key, principal } = existing_login(tx, login)?;
        let before = person(tx, &key)?.is_disabled;
        if before != disabled {
            people::set_disabled(tx, &principal.person_id, disabled)?;
            people::end_sessions_of(tx, &principal.person_id)?;
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
    must_administer(by, "set another user's password")?;
    let found = transact::write(store, |tx| {
        let found = existing_login(tx, login)?;
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

/// Refuses to set the password of a login that waits for its person's consent.
pub(super) fn refuse_waiting(
    tx: &mut dyn Transaction,
    found: &ExistingLogin,
) -> Result<(), Refusal> {
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
            return Err(Refusal::new(Code::TooManyLogins, message));
        }
    }
    password::check(new, &[&of.login, &of.name])?;
    if new == present {
        let message = "that is the password you have: choose another one";
        return Err(Refusal::new(Code::PasswordSame, message));
    }
    let hash = hashing.hash(new, random)?;
    transact::write(store, |tx| {
        let found = existing_login(tx, &of.login)?;
        store_password(tx, &of.actor(), &found, &hash, now)
    })
}

/// Stores the hash of a new password, and ends the old one's sessions. A password that another user chose must be
/// changed.
pub(super) fn store_password(
    tx: &mut dyn Transaction,
    by: &Actor,
    of: &ExistingLogin,
    hash: &str,
    now: Instant,
) -> Result<Person, Refusal> {
    let own = by.person_id == of.principal.person_id;
    people::set_password(tx, &of.key, hash, !own, now)?;
    people::end_sessions_of(tx, &of.principal.person_id)?;
    // A link that was still waiting to be opened is one password too many.
    people::Invitation::delete(tx, Some(&of.key))?;
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
        let found = existing_login(tx, login).map_err(|_| missing())?;
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
        people::agree(tx, &found.key, hash.as_deref(), now)?;
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
/// Errors of the store.
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
        let ExistingLogin { key, principal } = existing_login(tx, login)?;
        let person_id = &principal.person_id;
        if granted && by.person_id == *person_id {
            let message = "nobody grants a field to themselves; another admin does";
            return Err(Refusal::new(Code::OwnRoles, message));
        }
        let changed = if granted {
            people::add_grant(tx, person_id, field, &by.person_id, now)?
        } else {
            people::remove_grant(tx, person_id, field)?
        };
        if changed {
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
/// Errors of the store.
pub fn list(store: &dyn Transact) -> Result<Vec<Person>, Problem> {
    transact::read(store, |tx| people::everybody(tx))
}

/// One login.
///
/// # Errors
/// No such login.
pub fn show(store: &dyn Transact, login: &str) -> Result<Person, Refusal> {
    let found = transact::read(store, |tx| {
        let key = key_of(tx, login)?;
        people::person(tx, &key)
    })?;
    found.ok_or_else(|| no_such_login(login))
}

fn person(tx: &mut dyn Transaction, key: &str) -> Result<Person, Problem> {
    let gone = || Problem::new(Code::NothingDone, "a person is not where they were written");
    people::person(tx, key)?.ok_or_else(gone)
}

/// Last time when another user chose or could choose a person's password, according to the audit trail.
fn credentials(
    tx: &mut dyn Transaction,
    person_id: Option<&str>,
) -> Result<Vec<CredentialsGiven>, Problem> {
    let given = people::credentials_given(tx, person_id)?;
    Ok(given
        .into_iter()
        .map(|(person_id, by, at)| CredentialsGiven { person_id, by, at })
        .collect())
}

/// The directory as the workflow asks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoredDirectory;

impl crate::review::actor::Directory for StoredDirectory {
    fn roles(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<Roles, Problem> {
        let roles = people::roles_of(tx, person_id)?;
        Ok(roles.into_iter().fold(Roles::NONE, |all, (role, _)| all.with(role)))
    }

    fn roles_since(
        &self,
        tx: &mut dyn Transaction,
        person_id: &str,
        since: Instant,
    ) -> Result<Roles, Problem> {
        // A disabled person has no roles meanwhile.
        if people::was_disabled_since(tx, person_id, since)? {
            return Ok(Roles::NONE);
        }
        let roles = people::roles_of(tx, person_id)?.into_iter().filter(|(_, at)| *at <= since);
        Ok(roles.fold(Roles::NONE, |all, (role, _)| all.with(role)))
    }

    fn credentials_given(
        &self,
        tx: &mut dyn Transaction,
        person_id: &str,
    ) -> Result<Vec<CredentialsGiven>, Problem> {
        credentials(tx, Some(person_id))
    }

    fn all_credentials_given(
        &self,
        tx: &mut dyn Transaction,
    ) -> Result<Vec<CredentialsGiven>, Problem> {
        credentials(tx, None)
    }

    fn name(&self, tx: &mut dyn Transaction, person_id: &str) -> Result<String, Problem> {
        people::name(tx, person_id)
    }

    fn find(&self, tx: &mut dyn Transaction, login: &str) -> Result<Option<String>, Problem> {
        let key = key_of(tx, login)?;
        people::find(tx, login, &key)
    }
}
