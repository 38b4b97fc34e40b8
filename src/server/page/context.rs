//! What every handler of a page needs: who asks, the frame around the answer, the answer itself.

use askama::Template;
use sha2::{Digest, Sha256};

use crate::coding::hex;
use crate::domain::Instant;
use crate::domain::review::{Permission, Role};
use crate::review::people::Principal;
use crate::review::{Actor, Desk, Idempotency, PageAsk, ProposalDetail, Summary};
use crate::server::App;
use crate::server::authenticate::authenticate;
use crate::server::call::Call;
use crate::server::error::{Denied, PASSWORD_CHANGE};
use crate::server::http::{Request, Response, phrase};

use super::address::with_query;
use super::diff::revealed;
use super::frame::{Frame, Person, Place, Said, Tone, Undo};
use super::labels;
use super::prefs::Prefs;
use super::problem::Problem;

/// What only one person alone is told, on every page.
const SOLO: &str = "One person decides alone here. Nobody checks, and every audit row says so.";
/// Where log-ins happen.
pub const DOOR: &str = "/review/login";
/// Seconds without use after which a session ends, as the page warns of it.
const SESSION_SECONDS: u64 = 30 * 60;

/// A handler's tools.
pub struct Here<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Who asks.
    pub actor: Actor,
    /// The services.
    pub desk: Desk<'a>,
    /// The settings of the browser.
    pub prefs: Prefs,
    /// The time.
    pub now: Instant,
}

impl<'a> Here<'a> {
    /// The tools for a request of somebody who is logged in. A form's own key makes sending it twice
    /// one request.
    pub fn new(call: &'a Call<'a>) -> Result<Self, Denied> {
        let mut actor = call.actor()?;
        if !call.request.method.is_safe()
            && let Some(key) = call.field("key").filter(|key| !key.is_empty() && key.len() <= 200)
        {
            actor.idempotency = Some(Idempotency {
                key: key.to_owned(),
                route: format!("{} {}", call.request.method.name(), call.request.path()),
                body_hash: hex(&Sha256::digest(&call.request.body)),
            });
        }
        Ok(Self {
            call,
            actor,
            desk: call.desk(),
            prefs: Prefs::of(call.request),
            now: (call.app.clock)(),
        })
    }

    /// The names and values of the query.
    pub fn query(&self) -> &'a [(String, String)] {
        &self.call.request.target.query
    }

    /// A value of the query; empty if it is not there.
    pub fn asked(&self, name: &str) -> &'a str {
        self.query().iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str())
    }

    /// A value of the form, without spaces around it; none if it is empty.
    pub fn field(&self, name: &str) -> Option<String> {
        let value = self.call.field(name)?.trim();
        (!value.is_empty()).then(|| value.replace("\r\n", "\n"))
    }

    /// Whether the person may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.actor.may(permission)
    }

    /// Which page of a list.
    pub fn page(&self, cursor: Option<String>) -> PageAsk {
        PageAsk { limit: Some(u32::from(self.prefs.size)), cursor, ..PageAsk::default() }
    }

    /// Which page of a list, by the query.
    pub fn page_asked(&self) -> PageAsk {
        let cursor = Some(self.asked("cursor")).filter(|cursor| !cursor.is_empty());
        self.page(cursor.map(str::to_owned))
    }

    /// The counts of the head, and the frame with them.
    pub fn frame(&self, place: Place) -> Result<(Frame, Summary), Denied> {
        let summary = self.desk.summary(&self.actor)?;
        let mut frame = bare(&self.prefs);
        frame.place = place;
        frame.person = self.call.principal.as_ref().map(person);
        frame.reports = self.may(Permission::Reports);
        frame.to_check = summary.to_check + summary.to_authorize;
        frame.said = self.said();
        frame.banner = self.call.app.office.solo().then(|| SOLO.to_owned());
        frame.session_seconds = SESSION_SECONDS;
        Ok((frame, summary))
    }

    /// What the step before led to, as the address says it: a word of ours and a proposal.
    fn said(&self) -> Option<Said> {
        let (word, id) = self.asked("said").split_once('.').unwrap_or((self.asked("said"), ""));
        let good = |text: &str| {
            Some(Said { tone: Tone::Good, text: text.to_owned(), link: None, undo: None })
        };
        match word {
            "" => None,
            "commented" => good("Your comment is kept."),
            "taken" => good("It is yours."),
            "given" => good("They have it now."),
            "given-back" => good("Nobody has it now."),
            "nobody" => Some(Said {
                tone: Tone::Bad,
                text: "Nobody of that name may be given it.".to_owned(),
                link: None,
                undo: None,
            }),
            "agreed" => good("The login is yours now."),
            "saved" => good("Settings are kept in this browser."),
            "withdrawn" => good("Withdrawn. Everything is as it was."),
            "returned" => good("Sent back to its maker."),
            "done" => good("Decided."),
            "sampled" => good("Thank you. The sample is noted."),
            "proposed" | "approved" => {
                let page = PageAsk { limit: Some(1), ..PageAsk::default() };
                let detail = self.desk.proposal(&self.actor, id, &page).ok()?;
                Some(self.moved(word, &detail))
            }
            _ => None,
        }
    }

    fn moved(&self, word: &str, detail: &ProposalDetail) -> Said {
        use crate::domain::review::ProposalState::{Applied, Checked, Open};
        let proposal = &detail.proposal;
        let what = match detail.items.first() {
            Some(item) if proposal.count == 1 => super::difference::reference(item),
            Some(_) => labels::items(&proposal.count),
            None => super::check::title(proposal),
        };
        let text = match (word, proposal.state) {
            (_, Applied) => format!("Settled: {what}."),
            ("approved", Checked) => format!("Checked: {what}. An authorizer decides."),
            (_, Open) => format!("Proposed: {what}. A checker decides."),
            (_, state) => format!("{what}: {}.", labels::proposal(state).0.to_lowercase()),
        };
        let href = format!("/review/proposals/{}", proposal.proposal_id);
        let undo =
            (word == "proposed" && proposal.may_withdraw && proposal.state.is_open()).then(|| {
                Undo {
                    action: format!("{href}/withdraw"),
                    version: proposal.tag.clone(),
                    key: format!("undo-{}", proposal.proposal_id),
                }
            });
        let link = (proposal.count > 1).then(|| (href, "Look".to_owned()));
        Said { tone: Tone::Good, text, link, undo }
    }

    /// A fresh key for the forms of a page.
    pub fn key(&self) -> Result<String, Denied> {
        let mut bytes = [0; 16];
        crate::review::people::system_random(&mut bytes)
            .map_err(|problem| Denied::internal(problem.to_string()))?;
        Ok(hex(&bytes))
    }
}

/// A frame without a person.
pub fn bare(prefs: &Prefs) -> Frame {
    Frame {
        theme: prefs.theme,
        shortcuts: prefs.shortcuts,
        moved_keys: prefs.moved(),
        ..Frame::default()
    }
}

fn person(principal: &Principal) -> Person {
    let roles: Vec<&str> = principal
        .roles
        .iter()
        .map(|role| match role {
            Role::Analyst => "analyst",
            Role::Senior => "senior analyst",
            Role::Supervisor => "supervisor",
            Role::Manager => "manager",
            Role::Auditor => "auditor",
            Role::Admin => "administrator",
        })
        .collect();
    let roles = if roles.is_empty() { "no role".to_owned() } else { roles.join(", ") };
    Person { name: principal.name.clone(), roles }
}

/// A page.
pub fn html(status: u16, page: &impl Template) -> Result<Response, Denied> {
    let text = page.render().map_err(|error| Denied::internal(format!("a template: {error}")))?;
    Ok(Response::html(status, revealed(text)))
}

/// On to another page, which says what has happened.
pub fn on(address: &str, said: &str) -> Response {
    if said.is_empty() {
        return Response::see_other(address);
    }
    let separator = if address.contains('?') { '&' } else { '?' };
    Response::see_other(&format!("{address}{separator}said={said}"))
}

/// The page for a problem; whoever has to log in is sent to the door.
pub fn problem_page(app: &App, request: &Request, denied: Denied) -> Response {
    if denied.status == 401 {
        let then = if request.method.is_safe() { request.url.as_str() } else { "/review" };
        return Response::see_other(&with_query(DOOR, [("then", then)]));
    }
    if denied.code == PASSWORD_CHANGE {
        let then = if request.method.is_safe() { request.url.as_str() } else { "/review" };
        return Response::see_other(&with_query("/review/password", [("then", then)]));
    }
    let mut frame = bare(&Prefs::of(request));
    let principal = authenticate(app, request).ok().flatten();
    frame.person = principal.as_ref().map(person);
    frame.session_seconds = SESSION_SECONDS;
    let (title, next) = match denied.status {
        403 => ("You may not do this", ("/review", "Overview")),
        404 => ("There is nothing here", ("/review", "Overview")),
        409 | 412 => ("It has changed meanwhile", ("/review/queue", "Queue")),
        410 => ("Its time is over", ("/review/queue", "Queue")),
        429 => ("Too fast", ("/review", "Overview")),
        500.. => ("That did not work", ("/review", "Overview")),
        _ => ("That can't be", ("/review", "Overview")),
    };
    let page = Problem {
        frame,
        status: denied.status,
        title: title.to_owned(),
        detail: sentence(&denied.detail),
        next: (next.0.to_owned(), next.1.to_owned()),
        request_id: request.id.clone(),
    };
    let mut response = match page.render() {
        Ok(text) => Response::html(denied.status, revealed(text)),
        Err(_) => Response::with_body(500, "text/plain; charset=utf-8", phrase(500).as_bytes()),
    };
    for (name, value) in &denied.headers {
        response.set(name, value);
    }
    response
}

/// A detail as a sentence: with a capital, and an end.
pub fn sentence(detail: &str) -> String {
    let mut characters = detail.chars();
    let Some(first) = characters.next() else { return String::new() };
    let mut text: String = first.to_uppercase().chain(characters).collect();
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}
