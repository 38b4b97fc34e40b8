//! Bearer tokens for programs: `rcn_<id>_<secret>_<checksum>`, shown once, kept as SHA-256.
//!
//! The checksum lets a scanner of source code know a leaked one from a text that looks like it, and
//! us refuse a mistyped one without asking the store.

use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;
use crate::domain::review::{Permission, Permissions};
use crate::review::{Actor, Refusal};
use crate::store::review::policy_in_force;
use crate::store::transact::{self, Transact};
use crate::store::{people, time_text};

use super::directory::{self, ExistingLogin};
use super::principal::principal;
use super::record::{Change, audit};
use super::secret::{Random, base62, digest, is_secret};
use super::{AuthMethod, Principal};

pub use crate::store::people::Token;

/// Maximum lifetime in days.
const LONGEST_DAYS: i64 = 90;
/// Seconds between two notes of its last use: not every request writes.
const GRAIN: i64 = 60;

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    pub name: &'a str,
    pub login: &'a str,
    /// Its permissions: at most its person's.
    pub scopes: Permissions,
    /// For how many days it is good.
    pub days: i64,
}

/// Makes a token for oneself or, as an admin, for a service account; gives it with its text, which is never shown
/// again.
///
/// # Errors
/// A [`Refusal`]: scopes that the person lacks, a lifetime too long, another user's token.
pub fn create(
    store: &dyn Transact,
    by: &Actor,
    new: &NewToken<'_>,
    now: Instant,
    random: Random<'_>,
) -> Result<(Token, String), Refusal> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        let message = "a token has a name of 1 to 100 characters";
        return Err(Refusal::new(Code::BadTokenName, message));
    }
    if !(1..=LONGEST_DAYS).contains(&new.days) {
        let message = format!("a token is good for 1 to {LONGEST_DAYS} days");
        return Err(Refusal::new(Code::BadExpiry, message));
    }
    let (id, secret) = {
        let mut bytes = [0; 40];
        random(&mut bytes)?;
        let (id, secret) = bytes.split_at(8);
        (base62(id), base62(secret))
    };
    refuse_token(by)?;
    let token = transact::write(store, |tx| {
        let ExistingLogin { key, principal } = directory::existing_login(tx, new.login)?;
        let (_, policy) = policy_in_force(tx)?;
        if policy.deciding_tokens.contains(name) && !by.may(Permission::Administer) {
            let message = "a token of this name may check: only an administrator makes it";
            return Err(Refusal::new(Code::DecidingToken, message));
        }
        // An admin with a checker's token would be the checker. Programs have no other way in.
        let own = by.person_id == principal.person_id;
        let for_others = principal.is_service || by.auth_method == AuthMethod::Cli.to_string();
        if !(own || for_others && by.may(Permission::Administer)) {
            return Err(directory::not_permitted("make a token for another user"));
        }
        let most = principal.permissions.intersection(if own {
            by.permissions
        } else {
            principal.permissions
        });
        let lacking = new.scopes.iter().find(|scope| !most.contains(*scope));
        if let Some(scope) = lacking {
            let message = format!("`{}` may not {scope}, nor may a token of theirs", new.login);
            return Err(Refusal::new(Code::BadScope, message));
        }
        if new.scopes == Permissions::NONE {
            return Err(Refusal::new(Code::BadScope, "a token without scopes opens nothing"));
        }
        let token = Token {
            id: id.clone(),
            name: name.to_owned(),
            login: principal.login,
            person_id: principal.person_id,
            scopes: new.scopes,
            created: now,
            expires: Instant::new(now.seconds() + new.days * 86_400, now.nanoseconds()),
            used: None,
            revoked: None,
        };
        people::add_token(tx, &token, &key, &digest(&secret), &scope_names(token.scopes))?;
        let change = Change {
            action: "CREATE_TOKEN",
            entity: "token",
            id: &token.id,
            before: serde_json::Value::Null,
            after: serde_json::json!({
                "name": token.name, "person_id": token.person_id, "scopes": token.scopes,
                "expires_at": time_text(token.expires),
            }),
        };
        audit(tx, by, now, &change)?;
        Ok(token)
    })?;
    Ok((token, text(&id, &secret)))
}

/// Tokens can't manage tokens: a leaked one could outlive its expiry. Nor can they make an admin, whose login
/// makes tokens.
pub(super) fn refuse_token(by: &Actor) -> Result<(), Refusal> {
    if by.auth_method.starts_with("token:") {
        let message =
            "a token neither makes nor revokes tokens, and makes no admin: log in for that";
        return Err(Refusal::new(Code::TokenByToken, message));
    }
    Ok(())
}

fn own_or_admin(by: &Actor, person_id: &str, what: &str) -> Result<(), Refusal> {
    if by.person_id == person_id || by.may(Permission::Administer) {
        Ok(())
    } else {
        Err(directory::not_permitted(what))
    }
}

/// The names of scopes, joined by commas.
pub fn scope_names(scopes: Permissions) -> String {
    scopes.iter().map(Permission::name).collect::<Vec<_>>().join(",")
}

/// Scopes by their names.
///
/// # Errors
/// An unknown name.
pub fn parse_scopes<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Permissions, Refusal> {
    let mut scopes = Permissions::NONE;
    for name in names.into_iter().map(str::trim) {
        let scope = Permission::from_name(name).ok_or_else(|| {
            let all = Permission::ALL.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ");
            let message = format!("`{}` is no scope; there are {all}", name.escape_debug());
            Refusal::new(Code::BadScope, message)
        })?;
        scopes = scopes.union(Permissions::of(&[scope]));
    }
    Ok(scopes)
}

fn text(id: &str, secret: &str) -> String {
    let body = format!("rcn_{id}_{secret}");
    let checksum = base62(&crc32fast::hash(body.as_bytes()).to_be_bytes());
    format!("{body}_{checksum}")
}

/// The id and the secret of a token's text; `None` if its checksum is wrong.
fn parse(written: &str) -> Option<(&str, &str)> {
    let mut parts = written.strip_prefix("rcn_")?.split('_');
    let (id, secret, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let alphanumeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let shaped = id.len() == 11 && secret.len() == 43 && alphanumeric(id) && alphanumeric(secret);
    (shaped && text(id, secret) == written).then_some((id, secret))
}

/// The owner of a token; `None` if it is unknown, expired or revoked, or the person is disabled.
/// `deciding` names the tokens (by name or id) with which programs may check and authorize.
///
/// # Errors
/// Errors of the store.
pub fn authenticate(
    store: &dyn Transact,
    bearer: &str,
    deciding: &dyn Fn(&str) -> bool,
    now: Instant,
) -> Result<Option<Principal>, Problem> {
    let Some((id, secret)) = parse(bearer) else { return Ok(None) };
    let found = transact::read(store, |tx| {
        let Some(row) = people::token(tx, id)? else { return Ok(None) };
        if !is_secret(secret, &row.secret_hash) || row.revoked || now >= row.expires {
            return Ok(None);
        }
        let Some(mut principal) = principal(row.person, AuthMethod::Token(id.to_owned())) else {
            return Ok(None);
        };
        // The person may have lost a role since; the token never has more than they have now.
        principal.permissions = principal.permissions.intersection(row.scopes);
        if !deciding(&row.name) && !deciding(id) {
            // Tokens can't approve, unless the policy names them.
            principal.permissions =
                principal.permissions.without(Permission::Check).without(Permission::Authorize);
        }
        Ok(Some((principal, row.used)))
    })?;
    let Some((principal, used)) = found else { return Ok(None) };
    if used.is_none_or(|used| now.seconds() >= used.seconds() + GRAIN) {
        transact::write_if_free(store, |tx| people::touch_token(tx, id, now))?;
    }
    Ok(Some(principal))
}

/// The tokens, newest first: one's own or, as an admin, everybody's.
///
/// # Errors
/// Errors of the store; another person's token.
pub fn list(store: &dyn Transact, by: &Actor, login: Option<&str>) -> Result<Vec<Token>, Refusal> {
    let tokens: Result<Vec<Token>, Refusal> = transact::read(store, |tx| {
        let only = match login {
            None if by.may(Permission::Administer) => None,
            None => Some(by.person_id.clone()),
            Some(login) => match directory::existing_login(tx, login) {
                Ok(known) => Some(known.principal.person_id),
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        if let Some(person_id) = &only
            && let Err(refusal) = own_or_admin(by, person_id, "see another user's tokens")
        {
            return Ok(Err(refusal));
        }
        people::tokens(tx, only.as_deref()).map(Ok)
    })?;
    tokens
}

/// Revokes a token of one's own or, as an administrator, any. For others it does not exist.
///
/// # Errors
/// No such token.
pub fn revoke(store: &dyn Transact, by: &Actor, id: &str, now: Instant) -> Result<(), Refusal> {
    refuse_token(by)?;
    transact::write(store, |tx| {
        let missing = || {
            let message = format!("there is no token `{}`", id.escape_debug());
            Refusal::new(Code::NoSuchToken, message)
        };
        let (person_id, name) = people::owner_of_token(tx, id)?.ok_or_else(missing)?;
        own_or_admin(by, &person_id, "").map_err(|_| missing())?;
        if !people::revoke_token(tx, id, now)? {
            return Ok(());
        }
        let change = Change {
            action: "REVOKE_TOKEN",
            entity: "token",
            id,
            before: serde_json::json!({ "name": name, "person_id": person_id }),
            after: serde_json::Value::Null,
        };
        Ok(audit(tx, by, now, &change)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_a_mistyped_one_does_not() {
        let written = text("0123456789A", &"s".repeat(43));
        assert_eq!(parse(&written), Some(("0123456789A", "s".repeat(43).as_str())));
        for at in 0..written.len() {
            let mut wrong = written.clone();
            wrong.replace_range(at..=at, if &written[at..=at] == "x" { "y" } else { "x" });
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
        for wrong in ["", "rcn_", "rcn___", &written[1..], &format!("{written}_x")] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn scopes_read_back() {
        let scopes = Permissions::of(&[Permission::View, Permission::Propose]);
        assert_eq!(parse_scopes(scope_names(scopes).split(',')), Ok(scopes));
        assert_eq!(parse_scopes(["view", "rule"]).unwrap_err().code, Code::BadScope);
    }
}
