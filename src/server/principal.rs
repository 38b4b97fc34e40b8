//! Who asks. The services know the people; the server only asks them.

use crate::domain::review::{Permissions, Roles};

use super::error::Denied;
use super::http::Request;

/// A person as authenticated for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub person_id: String,
    /// The name that people see.
    pub name: String,
    /// The roles held now.
    pub roles: Roles,
    /// What this request may do.
    pub permissions: Permissions,
    /// `session`, `token:<id>`, `proxy` or `solo`.
    pub auth_method: String,
}

/// Tells who sent a request.
pub trait Authenticator: Send + Sync {
    /// The person; `None` if the request names nobody.
    ///
    /// # Errors
    /// 401 for credentials that are none (any more), 400 for ambiguous ones.
    fn authenticate(&self, request: &Request) -> Result<Option<Principal>, Denied>;
}

/// Nobody, ever.
pub struct Nobody;

impl Authenticator for Nobody {
    fn authenticate(&self, request: &Request) -> Result<Option<Principal>, Denied> {
        if request.headers.has("authorization") {
            return Err(Denied::unauthorized("this token is not valid"));
        }
        Ok(None)
    }
}
