//! A request on its way through a route: judged, its person known.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::review::people::Principal;
use crate::review::{Actor, Desk, Idempotency};

use super::App;
use super::error::Denied;
use super::http::Request;
use super::routes::Route;

/// What a handler gets.
pub struct Call<'a> {
    /// The server.
    pub app: &'a Arc<App>,
    /// The request as it came.
    pub request: &'a Request,
    /// The route.
    pub route: &'a Route,
    /// The values of the parameters in path and query.
    pub values: Vec<(&'static str, String)>,
    /// The JSON document, null if the route takes none.
    pub document: Value,
    /// The names and values of the form, on pages.
    pub form: Vec<(String, String)>,
    /// Who asks.
    pub principal: Option<Principal>,
}

impl Call<'_> {
    /// The value of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter of the path; it is there.
    pub fn path(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// The value of a parameter that is a number; its range has been judged.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The first value of a name in the form.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The JSON document as this type.
    ///
    /// # Errors
    /// 422 where it does not fit.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Denied> {
        serde_path(&self.document)
    }

    /// Who asks.
    ///
    /// # Errors
    /// 401 if nobody is logged in.
    pub fn person(&self) -> Result<&Principal, Denied> {
        self.principal.as_ref().ok_or_else(|| Denied::unauthorized("log in, or send a token"))
    }

    /// Who asks, with all that the audit trail keeps of the request.
    ///
    /// # Errors
    /// 401 if nobody is logged in.
    pub fn actor(&self) -> Result<Actor, Denied> {
        let request = self.request;
        let agent = request.headers.one("user-agent");
        Ok(Actor {
            request_id: Some(request.id.clone()),
            ip: Some(self.app.client_of(request).to_string()),
            user_agent: agent.map(|text| text.chars().take(200).collect()),
            idempotency: self.idempotency(),
            ..self.person()?.actor()
        })
    }

    /// The services.
    pub fn desk(&self) -> Desk<'_> {
        self.app.desk()
    }

    fn idempotency(&self) -> Option<Idempotency> {
        let request = self.request;
        let key = request.headers.one("idempotency-key")?;
        if request.method.is_safe() || key.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(request.headers.one("if-match").unwrap_or_default());
        hash.update([0]);
        hash.update(&request.body);
        let body_hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Idempotency {
            key: key.to_owned(),
            route: format!("{} {}", request.method.name(), request.path()),
            body_hash,
        })
    }
}

fn serde_path<T: DeserializeOwned>(document: &Value) -> Result<T, Denied> {
    T::deserialize(document).map_err(|error| Denied::invalid("", error.to_string()))
}
