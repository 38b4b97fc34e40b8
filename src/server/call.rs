//! A request on its way through a route: judged, its person known.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::diagnostic::Code;
use crate::review::people::Principal;
use crate::review::{Actor, Desk, Done, Idempotency, Page, PageAsk, QueueSort, Refusal};

use super::App;
use super::error::Denied;
use super::http::{Request, Response};
use super::route::Route;
use crate::coding::{escape, escape_path, hex};

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

    /// The answer to what may be repeated with the same key.
    ///
    /// # Errors
    /// What was refused.
    pub fn done<T: serde::Serialize>(
        &self,
        status: u16,
        done: Result<Done<T>, Refusal>,
    ) -> Result<Response, Denied> {
        let done = done?;
        let response = Response::json(status, &done.value);
        Ok(if done.replayed { response.header("idempotency-replayed", "true") } else { response })
    }

    /// A page of a list, and the link to the next one.
    ///
    /// # Errors
    /// What was refused.
    pub fn page<T: serde::Serialize>(
        &self,
        page: Result<Page<T>, Refusal>,
    ) -> Result<Response, Denied> {
        let page = page?;
        Ok(self.linked(Response::json(200, &page), page.next.as_deref()))
    }

    /// The answer with the link to the next page.
    pub fn linked(&self, response: Response, next: Option<&str>) -> Response {
        let Some(next) = next else { return response };
        let mut link = escape_path(self.request.path());
        link.push('?');
        for (name, value) in &self.request.target.query {
            if name != "cursor" {
                link.extend([&escape(name), "=", &escape(value), "&"]);
            }
        }
        response.header("link", format!("<{link}cursor={}>; rel=\"next\"", escape(next)))
    }

    /// Which page of a list is asked for.
    pub fn page_ask(&self) -> PageAsk {
        let sort = match self.text("sort") {
            Some("-confidence") => QueueSort::ConfidenceDescending,
            Some("age") => QueueSort::Age,
            Some("amount") => QueueSort::Amount,
            Some("severity") => QueueSort::Severity,
            _ => QueueSort::Confidence,
        };
        PageAsk {
            limit: self.number("limit"),
            cursor: self.text("cursor").map(str::to_owned),
            sort,
            count: self.text("count") == Some("exact"),
        }
    }

    /// The version that the client saw (`If-Match`), if it names one.
    ///
    /// # Errors
    /// 412 for what no version is.
    pub fn if_match<T: std::str::FromStr>(&self) -> Result<Option<T>, Denied> {
        let Some(text) = self.request.headers.one("if-match") else { return Ok(None) };
        let version = text.trim().trim_start_matches("W/").trim_matches('"').parse();
        version
            .map(Some)
            .map_err(|_| Denied::new(Code::Stale, "`If-Match` names no version of this"))
    }

    /// The answer with its version; without a body if the client has that version.
    pub fn tagged(&self, response: Response, tag: &str) -> Response {
        let tag = format!("\"{tag}\"");
        let known = self.request.headers.one("if-none-match").is_some_and(|known| {
            known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
        });
        if known { Response::new(304) } else { response }.header("etag", tag)
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
        Some(Idempotency {
            key: key.to_owned(),
            route: format!("{} {}", request.method.name(), request.path()),
            body_hash: hex(hash.finalize()),
        })
    }
}

fn serde_path<T: DeserializeOwned>(document: &Value) -> Result<T, Denied> {
    T::deserialize(document).map_err(|error| Denied::invalid("", error.to_string()))
}
