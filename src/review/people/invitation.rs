//! One-time links: for the first administrator's login, and for choosing a password. There are no default
//! passwords.

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{Permission, Role, Roles};
use crate::review::{Actor, Refusal};
use crate::store::people;
use crate::store::transact::{self, Transact, Transaction};

use super::directory::{self, ExistingLogin, NewPerson, Person};
use super::record::{Change, audit};
use super::secret::{Pair, Random, digest, is_secret};
use super::token::refuse_token;
use super::{Hashing, password};

/// Lifetime of the first administrator's link in seconds; each start of the server makes a new one.
const FIRST_ADMIN: i64 = 24 * 3_600;
/// Lifetime of other links in seconds.
const INVITED: i64 = 7 * 24 * 3_600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The first to open it becomes the first administrator.
    FirstAdmin,
    /// The person of this login chooses a password.
    ChoosePassword(String),
}

/// The secret part of a link for the first admin, if there is no administrator yet; earlier ones
/// are void. The server prints it after its address.
///
/// # Errors
/// Errors of the store.
pub fn first_admin_link(
    store: &dyn Transact,
    now: Instant,
    random: Random<'_>,
) -> Result<Option<String>, Problem> {
    transact::write(store, |tx| {
        if people::has_admin(tx)? {
            return Ok(None);
        }
        people::Invitation::delete(tx, None)?;
        make(tx, None, now, FIRST_ADMIN, random).map(Some)
    })
}

/// The secret part of a link by which the person of a login chooses a password; earlier ones are
/// void.
///
/// # Errors
/// A [`Refusal`]: no such login, a program's.
pub fn invite(
    store: &dyn Transact,
    by: &Actor,
    login: &str,
    now: Instant,
    random: Random<'_>,
) -> Result<String, Refusal> {
    if !by.may(Permission::Administer) {
        return Err(directory::not_permitted("invite people"));
    }
    transact::write(store, |tx| {
        let ExistingLogin { key, principal } = directory::existing_login(tx, login)?;
        if principal.is_service {
            let message = "a program has tokens, no password";
            return Err(Refusal::new(Code::ServiceRoles, message));
        }
        if principal.roles.contains(Role::Admin) {
            refuse_token(by)?;
        }
        directory::refuse_waiting(
            tx,
            &ExistingLogin { key: key.clone(), principal: principal.clone() },
        )?;
        people::Invitation::delete(tx, Some(&key))?;
        let text = make(tx, Some(&key), now, INVITED, random)?;
        let change = Change {
            action: "INVITE",
            entity: "person",
            id: &principal.person_id,
            before: serde_json::Value::Null,
            after: serde_json::json!({ "login": principal.login }),
        };
        audit(tx, by, now, &change)?;
        Ok(text)
    })
}

fn make(
    tx: &mut dyn Transaction,
    key: Option<&str>,
    now: Instant,
    seconds: i64,
    random: Random<'_>,
) -> Result<String, Problem> {
    let pair = Pair::new(random)?;
    let expires = Instant::new(now.seconds() + seconds, now.nanoseconds());
    let secret_hash = digest(&pair.secret);
    people::Invitation { secret_hash, key: key.map(str::to_owned), expires }
        .add(tx, &pair.id, now)?;
    Ok(pair.text())
}

fn gone() -> Refusal {
    Refusal::new(Code::InvitationGone, "this link was used or is too old; ask for another one")
}

/// The purpose of a link, without using it.
///
/// # Errors
/// A link that is used, too old, or none.
pub fn purpose(store: &dyn Transact, link: &str, now: Instant) -> Result<Purpose, Refusal> {
    let pair = Pair::parse(link).ok_or_else(gone)?;
    transact::write(store, |tx| find(tx, &pair, now))
}

fn find(tx: &mut dyn Transaction, pair: &Pair, now: Instant) -> Result<Purpose, Refusal> {
    let found = people::Invitation::find(tx, &pair.id)?.ok_or_else(gone)?;
    if !is_secret(&pair.secret, &found.secret_hash) || now >= found.expires {
        return Err(gone());
    }
    match found.key {
        Some(key) => Ok(Purpose::ChoosePassword(key)),
        // An administrator was made on the command line meanwhile.
        None if people::has_admin(tx)? => Err(gone()),
        None => Ok(Purpose::FirstAdmin),
    }
}

/// Uses a link: makes the first admin with this login, or gives the invited login this password.
///
/// # Errors
/// A [`Refusal`]: a link that is used or too old, a poor password, a login that can't be.
pub fn accept(
    store: &dyn Transact,
    hashing: &Hashing,
    link: &str,
    login: &str,
    new: &str,
    now: Instant,
    random: Random<'_>,
) -> Result<Person, Refusal> {
    let pair = Pair::parse(link).ok_or_else(gone)?;
    let purpose = purpose(store, link, now)?;
    match purpose {
        Purpose::ChoosePassword(key) => {
            let found = transact::write(store, |tx| directory::existing_login(tx, &key))?;
            password::check(new, &[&found.principal.login, &found.principal.name])?;
            let hash = hashing.hash(new, random)?;
            transact::write(store, |tx| {
                // It may have been used while the hash was computed.
                find(tx, &pair, now)?;
                let found = directory::existing_login(tx, &key)?;
                let by = Actor { auth_method: "invitation".to_owned(), ..found.principal.actor() };
                directory::store_password(tx, &by, &found, &hash, now)
            })
        }
        Purpose::FirstAdmin => {
            let maker = Actor {
                auth_method: "invitation".to_owned(),
                permissions: Roles::of([Role::Admin]).permissions(),
                ..Actor::new("first-admin-link", "first admin's link", Roles::NONE)
            };
            let admin = NewPerson {
                login,
                roles: Roles::of([Role::Admin]),
                password: Some(new),
                ..NewPerson::default()
            };
            directory::add_with(store, hashing, &maker, &admin, now, random, true, &mut |tx| {
                find(tx, &pair, now)?;
                Ok(people::Invitation::delete(tx, None)?)
            })
        }
    }
}
