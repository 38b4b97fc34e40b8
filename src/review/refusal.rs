//! Refusals of the review, with reasons. The server turns them into HTTP statuses, the command line into exit codes.

use std::fmt;

use serde::Serialize;

use crate::diagnostic::{Code, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The request can't be read as it is meant (400).
    Malformed,
    /// The person may not do this (403).
    Forbidden,
    /// There is no such thing (404).
    NotFound,
    /// The state does not allow it (409).
    Conflict,
    /// It was there, and its time is over (410).
    Gone,
    /// It has changed since the person looked (412).
    Stale,
    /// It can be read, but makes no sense (422).
    Invalid,
    /// It must say which version it is about (428).
    PreconditionRequired,
    /// Too much of it (429).
    TooMany,
    /// Not now (503).
    Unavailable,
    /// The store failed (500); the client's message differs from the one in the log.
    Failed,
}

impl RefusalKind {
    fn of(code: Code) -> Self {
        match code.status() {
            400 => Self::Malformed,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Conflict,
            410 => Self::Gone,
            412 => Self::Stale,
            422 => Self::Invalid,
            428 => Self::PreconditionRequired,
            429 => Self::TooMany,
            503 => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::Stale => 412,
            Self::Invalid => 422,
            Self::PreconditionRequired => 428,
            Self::TooMany => 429,
            Self::Unavailable => 503,
            Self::Failed => 500,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The field of the request, or the id of the item, that it is about.
    pub pointer: String,
    pub detail: String,
}

/// A refused command with its reason. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable name, such as `self-approval`.
    pub code: Code,
    pub kind: RefusalKind,
    /// A sentence for people.
    pub message: String,
    /// Details, where there are several things to say.
    pub errors: Vec<Detail>,
    /// The id of the open proposal that is in the way.
    pub blocking: Option<String>,
    /// The id of the item that is to be decided instead.
    pub instead: Option<String>,
    /// The store's message, for the log only.
    pub cause: Option<Box<Problem>>,
}

impl Refusal {
    /// A refusal; its code decides on its kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            kind: RefusalKind::of(code),
            message: message.into(),
            errors: Vec::new(),
            blocking: None,
            instead: None,
            cause: None,
        }
    }

    /// The same refusal with one more detail.
    #[must_use]
    pub fn with(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Detail { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// The same refusal, naming the proposal that stands in the way.
    #[must_use]
    pub fn blocked_by(mut self, proposal_id: impl Into<String>) -> Self {
        self.blocking = Some(proposal_id.into());
        self
    }

    /// The same refusal, naming the item that is to be decided instead.
    #[must_use]
    pub fn instead(mut self, attribution_id: impl Into<String>) -> Self {
        self.instead = Some(attribution_id.into());
        self
    }

    /// As a problem, for the command line.
    pub fn into_problem(self) -> Problem {
        match self.cause {
            Some(cause) => *cause,
            None => Problem::new(self.code, self.message),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let busy = matches!(
            problem.code,
            Code::StoreBusy
                | Code::StoreUnreachable
                | Code::StoreReplaced
                | Code::StoreMissing
                | Code::DiskFull
                | Code::StoreReadOnly
        );
        let (kind, message) = if busy {
            (RefusalKind::Unavailable, "the store can't be written or reached now")
        } else if problem.code == Code::StoreUnconfirmed {
            (
                RefusalKind::Unavailable,
                "the store did not confirm the change: look whether it was made before you repeat it",
            )
        } else {
            (RefusalKind::Failed, "the store failed")
        };
        Self { kind, cause: Some(Box::new(problem.clone())), ..Self::new(problem.code, message) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
