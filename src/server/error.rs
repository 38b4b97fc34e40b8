//! Refusals as `application/problem+json`. The client and the log get two different messages.

use serde_json::json;

use crate::diagnostic::Code;
use crate::review::{Detail, Refusal, RefusalKind};

use super::http::{Response, phrase};

/// A user must change a password that someone else chose before doing anything else.
pub const PASSWORD_CHANGE: Code = Code::PasswordChangeRequired;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub status: u16,
    /// A stable name, such as `not-found`.
    pub code: Code,
    /// For the client.
    pub detail: String,
    pub errors: Box<[Detail]>,
    /// The open proposal that blocks this.
    pub proposal: Option<Box<str>>,
    /// The item that is to be decided instead.
    pub item: Option<Box<str>>,
    pub headers: Vec<(&'static str, String)>,
    /// For the log only.
    pub cause: Option<Box<str>>,
}

impl Denied {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            detail: detail.into(),
            errors: Box::default(),
            proposal: None,
            item: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing at this address")
    }

    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, detail).header("www-authenticate", "Bearer realm=\"recon\"")
    }

    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let pointer = pointer.into();
        let text = if pointer.is_empty() { detail.clone() } else { format!("{pointer}: {detail}") };
        let mut denied = Self::new(Code::Invalid, text);
        denied.errors = Box::new([Detail { pointer, detail }]);
        denied
    }

    /// The same with a code of its own.
    #[must_use]
    pub fn coded(mut self, code: Code) -> Self {
        (self.status, self.code) = (code.status(), code);
        self
    }

    pub fn internal(cause: impl Into<String>) -> Self {
        Self {
            cause: Some(cause.into().into()),
            ..Self::new(Code::Internal, "internal error; the server's log has details")
        }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn into_response(self, id: &str) -> Response {
        let mut body = json!({
            "type": format!("urn:recon:problem:{}", self.code),
            "title": phrase(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.code.name(),
            "instance": id,
        });
        if let Some(members) = body.as_object_mut() {
            if let Some(proposal) = self.proposal {
                members.insert("proposal".to_owned(), proposal.into_string().into());
            }
            if let Some(item) = self.item {
                members.insert("item".to_owned(), item.into_string().into());
            }
            if !self.errors.is_empty() {
                members.insert("errors".to_owned(), json!(self.errors));
            }
        }
        let response = Response::json(self.status, &body);
        self.headers
            .into_iter()
            .fold(response, |response, (name, value)| response.header(name, value))
            .header("content-type", "application/problem+json")
    }
}

/// Store errors go to the log only.
impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let mut denied = Self::new(refusal.code, refusal.message);
        denied.status = refusal.kind.status();
        denied.errors = refusal.errors.into();
        if let Some(proposal) = refusal.blocking {
            let link = format!("</workflow/proposals/{proposal}>; rel=\"related\"");
            denied.headers.push(("link", link));
            denied.proposal = Some(proposal.into());
        }
        if let Some(item) = refusal.instead {
            denied.headers.push(("link", format!("</workflow/items/{item}>; rel=\"related\"")));
            denied.item = Some(item.into());
        }
        if matches!(refusal.kind, RefusalKind::TooMany | RefusalKind::Unavailable) {
            denied.headers.push(("retry-after", "1".to_owned()));
        }
        denied.cause = refusal.cause.map(|problem| problem.to_string().into());
        denied
    }
}

pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The guard's answer to a change whose store no longer responds.
pub const UNCONFIRMED: &str =
    "the store did not confirm the change: look whether it was made before you repeat it";

/// The bytes of a whole answer, for requests that the guard refuses.
pub fn plain(status: u16, detail: &str, id: &str) -> Vec<u8> {
    let code = match status {
        408 => Code::Timeout,
        413 => Code::TooLarge,
        503 if detail == UNCONFIRMED => Code::StoreUnconfirmed,
        503 => Code::Unavailable,
        _ => Code::Malformed,
    };
    let denied = Denied { status, ..Denied::new(code, detail) };
    let mut response = denied.into_response(id);
    for (name, value) in SECURITY_HEADERS {
        response.set(name, value);
    }
    if status == 503 {
        response.set("retry-after", "1");
    }
    response.set("x-request-id", id);
    response.set("connection", "close");
    let mut bytes = Vec::new();
    // Writing into memory can't fail.
    let _ = response.write(&mut bytes, false);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_a_problem_document() {
        let denied = Denied::invalid("comments", "too short");
        let response = denied.into_response("id-1");
        assert_eq!(response.header_value("content-type"), Some("application/problem+json"));
        let body: serde_json::Value = serde_json::from_slice(response.bytes()).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "urn:recon:problem:invalid",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "comments: too short",
                "code": "invalid",
                "instance": "id-1",
                "errors": [{"pointer": "comments", "detail": "too short"}],
            })
        );
        let internal = Denied::internal("SELECT secret").into_response("id-2");
        assert!(!String::from_utf8_lossy(internal.bytes()).contains("secret"));
    }
}
