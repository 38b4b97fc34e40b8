//! The user's own tokens and sessions, on the profile.

use crate::review::Refusal;
use crate::review::people::session;
use crate::review::people::token::{self, NewToken, parse_scopes};
use crate::review::people::{AuthMethod, system_random};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;

use super::page;
use crate::server::page::context::{PageContext, redirect};
use crate::server::page::labels;

/// A token of the user.
#[derive(Clone, Debug)]
pub struct OwnToken {
    pub id: String,
    pub name: String,
    pub scopes: String,
    pub made: String,
    pub until: String,
}

/// A session of the user.
#[derive(Clone, Debug)]
pub struct OwnSession {
    pub id: String,
    /// The client in short, and as it names itself.
    pub client: String,
    pub agent: String,
    pub address: String,
    pub used: String,
    /// This one.
    pub present: bool,
}

/// The user's tokens and sessions. One user alone (`--solo`) has neither.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub tokens: Vec<OwnToken>,
    pub sessions: Vec<OwnSession>,
    /// Permissions that a token may have.
    pub scopes: Vec<&'static str>,
    /// The token that was just made: it is shown once.
    pub made: Option<String>,
}

/// `Firefox on Linux`; clients that are no known browser as they name themselves.
fn client(agent: &str) -> String {
    // In this order: most browsers name others, too.
    const BROWSERS: [(&str, &str); 4] =
        [("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |known: &[(&str, &'static str)]| {
        known.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ if agent.is_empty() => "Unnamed client".to_owned(),
        _ => agent.to_owned(),
    }
}

impl Account {
    pub fn of(context: &PageContext<'_>, made: Option<String>) -> Result<Self, Denied> {
        let (store, person) = (&*context.call.app.store, context.call.person()?);
        if context.call.app.review_settings.solo() {
            return Ok(Self::default());
        }
        let time = |at| crate::store::time_text(at);
        let tokens = token::list(store, &context.actor, Some(&person.login))?;
        let sessions = session::list(store, &person.person_id, context.now);
        let own = match &person.method {
            AuthMethod::Session(id) => Some(id.as_str()),
            _ => None,
        };
        Ok(Self {
            tokens: tokens
                .into_iter()
                .filter(|token| token.revoked.is_none() && token.expires > context.now)
                .map(|token| OwnToken {
                    scopes: token::scope_names(token.scopes).replace(',', ", "),
                    made: labels::ago(context.now, &time(token.created)),
                    until: labels::short_moment(&time(token.expires)),
                    id: token.id,
                    name: token.name,
                })
                .collect(),
            sessions: sessions
                .map_err(Refusal::from)?
                .into_iter()
                .map(|one| OwnSession {
                    present: own == Some(one.id.as_str()),
                    client: client(one.user_agent.as_deref().unwrap_or_default()),
                    agent: one.user_agent.unwrap_or_default(),
                    address: one.address.unwrap_or_default(),
                    used: labels::ago(context.now, &time(one.used)),
                    id: one.id,
                })
                .collect(),
            scopes: person.permissions.iter().map(|one| one.name()).collect(),
            made,
        })
    }
}

pub fn create_token(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let ticked = call.form.iter().filter(|(name, _)| name == "scope");
    let made = parse_scopes(ticked.map(|(_, scope)| scope.as_str())).and_then(|scopes| {
        let new = NewToken {
            name: &context.field("name").unwrap_or_default(),
            login: &call.person().map(|person| person.login.clone()).unwrap_or_default(),
            scopes,
            days: context.field("days").and_then(|days| days.parse().ok()).unwrap_or_default(),
        };
        token::create(&*call.app.store, &context.actor, &new, context.now, &system_random)
    });
    match made {
        Ok((_, text)) => page(&context, None, Some(text), 200),
        Err(refusal) if refusal.cause.is_none() => {
            let status = refusal.kind.status();
            page(&context, Some(refusal.message), None, status)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

pub fn revoke_token(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = context.field("id").unwrap_or_default();
    token::revoke(&*call.app.store, &context.actor, &id, context.now)?;
    Ok(redirect("/review/profile", "changed"))
}

pub fn end_session(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let id = context.field("id").unwrap_or_default();
    session::end(&*call.app.store, &call.person()?.person_id, &id).map_err(Refusal::from)?;
    Ok(redirect("/review/profile", "changed"))
}

#[cfg(test)]
mod tests {
    use super::client;

    #[test]
    fn browsers_are_named_in_short() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/130.0 Safari/537.36 Edg/130.0";
        assert_eq!(client(edge), "Edge on Windows");
        assert_eq!(client("curl/8.5.0"), "curl/8.5.0");
        assert_eq!(client(""), "Unnamed client");
    }
}
