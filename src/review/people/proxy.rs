//! Log-in through a trusted proxy; [`domain::review::proxy`](crate::domain::review::proxy) decides
//! which proxies are trusted.

use crate::diagnostic::Problem;
use crate::store::transact::{self, Transact};

use super::{AuthMethod, Principal, principal};

/// The user that a trusted proxy named; `None` if there is no such login. Never creates one.
///
/// # Errors
/// The store failed.
pub fn authenticate(store: &dyn Transact, login: &str) -> Result<Option<Principal>, Problem> {
    let person = transact::read(store, |tx| {
        let key = principal::key_of(tx, login)?;
        principal::by_key(tx, &key, AuthMethod::Proxy)
    })?;
    Ok(person.filter(|person| !person.is_service))
}
