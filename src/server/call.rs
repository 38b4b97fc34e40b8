//! A request as its handler gets it: validated, its user known.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::diagnostic::Code;
use crate::review::people::Principal;
use crate::review::{Actor, Done, Idempotency, Page, PageAsk, QueueSort, Refusal, Review};

use super::App;
use super::error::Denied;
use super::http::{Request, Response};
use crate::coding::{escape, escape_path, hex};

pub struct Call<'a> {
    pub app: &'a Arc<App>,
    pub request: &'a Request,
    /// Parameters of path, query and headers.
    pub values: Vec<(&'static str, String)>,
    /// The JSON body; null if the route takes none.
    pub document: Value,
    /// The fields of a page's form.
    pub form: Vec<(String, String)>,
    pub principal: Option<Principal>,
}

impl Call<'_> {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the path, which is always there.
    pub fn path(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// A numeric parameter, already validated.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Denied> {
        serde_path(&self.document)
    }

    pub fn person(&self) -> Result<&Principal, Denied> {
        self.principal.as_ref().ok_or_else(|| Denied::unauthorized("log in, or send a token"))
    }

    /// The user, with the details of the request for the audit trail.
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

    pub fn review(&self) -> Review<'_> {
        self.app.review()
    }

    /// Marks an answer that repeats the first one for the same `Idempotency-Key`.
    pub fn done<T: serde::Serialize>(
        &self,
        status: u16,
        done: Result<Done<T>, Refusal>,
    ) -> Result<Response, Denied> {
        let done = done?;
        let response = Response::json(status, &done.value);
        Ok(if done.replayed { response.header("idempotency-replayed", "true") } else { response })
    }

    /// One page of a list, with the link to the next.
    pub fn page<T: serde::Serialize>(
        &self,
        page: Result<Page<T>, Refusal>,
    ) -> Result<Response, Denied> {
        let page = page?;
        Ok(self.linked(Response::json(200, &page), page.next.as_deref()))
    }

    /// Adds the link to the next page.
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

    pub fn page_ask(&self) -> PageAsk {
        let sort = match self.text("sort") {
            Some("-confidence") => QueueSort::ConfidenceDescending,
            Some("age") => QueueSort::Age,
            Some("amount") => QueueSort::Amount,
            Some("at_risk") => QueueSort::AtRisk,
            Some("severity") => QueueSort::Severity,
            Some("teaches") => QueueSort::Teaches,
            _ => QueueSort::Confidence,
        };
        PageAsk {
            limit: self.number("limit"),
            cursor: self.text("cursor").map(str::to_owned),
            sort,
            count: self.text("count") == Some("exact"),
        }
    }

    /// The version in `If-Match`.
    pub fn if_match<T: std::str::FromStr>(&self) -> Result<Option<T>, Denied> {
        let Some(text) = self.request.headers.one("if-match") else { return Ok(None) };
        let version = text.trim().trim_start_matches("W/").trim_matches('"').parse();
        version
            .map(Some)
            .map_err(|_| Denied::new(Code::Stale, "`If-Match` is not a version of this"))
    }

    /// Adds the `ETag`; answers 304 if the client has that version.
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
