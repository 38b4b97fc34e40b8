//! Context of every page handler: the user, the frame, rendering.

use askama::Template;
use sha2::{Digest, Sha256};

use crate::coding::hex;
use crate::domain::Instant;
use crate::domain::review::{Action, Permission, Permissions, Role};
use crate::review::people::{Principal, staffing};
use crate::review::{Actor, Idempotency, PageAsk, ProposalDetail, Refusal, Review, Summary};
use crate::server::App;
use crate::server::authenticate::authenticate;
use crate::server::call::Call;
use crate::server::error::{Denied, PASSWORD_CHANGE};
use crate::server::http::{Request, Response, phrase};

use super::address::with_query;
use super::diff::revealed;
use super::frame::{Frame, Message, Person, Screen, Tone, Undo};
use super::labels;
use super::prefs::Prefs;
use super::problem::Problem;

/// The banner of `--solo`.
const SOLO: &str = "One user decides alone here, unchecked. Every audit row records it.";
pub const LOGIN: &str = "/review/login";
/// Idle time after which a session ends, for the page's warning.
const SESSION_SECONDS: u64 = 30 * 60;

pub struct PageContext<'a> {
    pub call: &'a Call<'a>,
    pub actor: Actor,
    pub review: Review<'a>,
    pub prefs: Prefs,
    pub now: Instant,
}

impl<'a> PageContext<'a> {
    /// Fails for anonymous requests. The form field `key` serves as idempotency key.
    pub fn new(call: &'a Call<'a>) -> Result<Self, Denied> {
        let mut actor = call.actor()?;
        if !call.request.method.is_safe()
            && let Some(key) = call.field("key").filter(|key| Idempotency::is_key(key))
        {
            actor.idempotency = Some(Idempotency {
                key: key.to_owned(),
                route: format!("{} {}", call.request.method.name(), call.request.path()),
                body_hash: hex(Sha256::digest(&call.request.body)),
            });
        }
        Ok(Self {
            call,
            actor,
            review: call.review(),
            prefs: Prefs::of(call.request),
            now: (call.app.clock)(),
        })
    }

    pub fn query(&self) -> &'a [(String, String)] {
        &self.call.request.target.query
    }

    /// A value of the query; empty if missing.
    pub fn asked(&self, name: &str) -> &'a str {
        self.query().iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.as_str())
    }

    /// A trimmed value of the form; `None` if empty.
    pub fn field(&self, name: &str) -> Option<String> {
        let value = self.call.field(name)?.trim();
        (!value.is_empty()).then(|| value.replace("\r\n", "\n"))
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.actor.may(permission)
    }

    pub fn page(&self, cursor: Option<String>) -> PageAsk {
        PageAsk { limit: Some(u32::from(self.prefs.size)), cursor, ..PageAsk::default() }
    }

    pub fn page_asked(&self) -> PageAsk {
        let cursor = Some(self.asked("cursor")).filter(|cursor| !cursor.is_empty());
        self.page(cursor.map(str::to_owned))
    }

    /// The frame, and the counters in its head.
    pub fn frame(&self, place: Screen) -> Result<(Frame, Summary), Denied> {
        let summary = self.review.summary(&self.actor)?;
        let mut frame = bare(&self.prefs);
        frame.place = place;
        frame.person = self.call.principal.as_ref().map(person);
        open(&mut frame, self.actor.permissions, self.call.app.review_settings.solo());
        frame.light = self.light(place)?;
        frame.to_check = summary.to_check + summary.to_authorize;
        frame.said = self.said();
        frame.banner = self.call.app.review_settings.solo().then(|| SOLO.to_owned());
        frame.session_seconds = SESSION_SECONDS;
        Ok((frame, summary))
    }

    /// The warning about missing users, on the pages where decisions are made, for those it concerns.
    fn light(&self, place: Screen) -> Result<Option<&'static str>, Denied> {
        let concerns = [Permission::Propose, Permission::Check, Permission::Administer]
            .into_iter()
            .any(|permission| self.may(permission));
        let shown = matches!(place, Screen::Overview | Screen::Queue | Screen::Check);
        if !concerns || !shown || self.call.app.review_settings.solo() {
            return Ok(None);
        }
        Ok(staffing::light(&*self.call.app.store).map_err(Refusal::from)?)
    }

    /// The message about the previous step, from `said=WORD.PROPOSAL` in the address.
    fn said(&self) -> Option<Message> {
        let (word, id) = self.asked("said").split_once('.').unwrap_or((self.asked("said"), ""));
        let good = |text: &str| {
            Some(Message { tone: Tone::Good, text: text.to_owned(), link: None, undo: None })
        };
        match word {
            "" => None,
            "commented" => good("Comment saved."),
            "taken" => good("Assigned to you."),
            "given" => good("Assigned."),
            "given-back" => good("Unassigned."),
            "nobody" => Some(Message {
                tone: Tone::Bad,
                text: "No user of that name can decide it.".to_owned(),
                link: None,
                undo: None,
            }),
            "changed" => good("Changed."),
            "revoked" => good("Token revoked."),
            "saved-view" => good("View saved. Its address can be shared."),
            "agreed" => good("You agreed: the login is yours."),
            "saved" => good("Settings saved in this browser."),
            "withdrawn" => good("Withdrawn. The items are as before."),
            "returned" => good("Sent back to the maker."),
            "done" => good("Decided."),
            "sampled" => good("Sample recorded."),
            "several" => {
                let many: u64 = id.parse().ok()?;
                good(&format!("Approved: {}.", labels::counted(many, "proposal")))
            }
            "proposed" | "approved" => {
                let page = PageAsk { limit: Some(1), ..PageAsk::default() };
                let detail = self.review.proposal(&self.actor, id, &page).ok()?;
                Some(self.moved(word, &detail))
            }
            _ => None,
        }
    }

    fn moved(&self, word: &str, detail: &ProposalDetail) -> Message {
        use crate::domain::review::ProposalState::{Applied, Checked, Open};
        let proposal = &detail.proposal;
        let what = match detail.items.first() {
            Some(item) if proposal.count == 1 => super::difference::reference(item),
            Some(_) => labels::items(&proposal.count),
            None => super::check::title(proposal),
        };
        let text = match (word, proposal.state) {
            (_, Applied) if proposal.kind.has_items() && proposal.action.is_none() => {
                format!("Match taken apart: {what}.")
            }
            (_, Applied) if proposal.action == Some(Action::Reject) => {
                format!("Confirmed as break: {what}.")
            }
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
                    back: self.here(),
                }
            });
        let link = (proposal.count > 1).then(|| (href, "Look".to_owned()));
        Message { tone: Tone::Good, text, link, undo }
    }

    /// The address of this page, without its message.
    fn here(&self) -> String {
        let pairs = self.query().iter().filter(|(name, _)| name != "said");
        let pairs = pairs.map(|(name, value)| (name.as_str(), value.as_str()));
        with_query(self.call.request.path(), pairs)
    }

    pub fn key(&self) -> Result<String, Denied> {
        let mut bytes = [0; 16];
        crate::review::people::system_random(&mut bytes)
            .map_err(|problem| Denied::internal(problem.to_string()))?;
        Ok(hex(bytes))
    }
}

/// The screens that are for some users only.
fn open(frame: &mut Frame, permissions: Permissions, solo: bool) {
    frame.reports = permissions.contains(Permission::Reports);
    frame.people = permissions.contains(Permission::Administer) && !solo;
    frame.work = permissions.contains(Permission::Propose);
}

/// A frame for anonymous users.
pub fn bare(prefs: &Prefs) -> Frame {
    Frame { theme: prefs.theme, dense: prefs.dense, shortcuts: prefs.shortcuts, ..Frame::default() }
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

pub fn html(status: u16, page: &impl Template) -> Result<Response, Denied> {
    let text =
        page.render().map_err(|error| Denied::internal(format!("rendering failed: {error}")))?;
    Ok(Response::html(status, revealed(text)))
}

/// Redirects to a page that shows a message.
pub fn redirect(address: &str, said: &str) -> Response {
    if said.is_empty() {
        return Response::see_other(address);
    }
    let separator = if address.contains('?') { '&' } else { '?' };
    Response::see_other(&format!("{address}{separator}said={said}"))
}

/// The page for a problem, or a redirect to the log-in.
pub fn problem_page(app: &App, request: &Request, denied: Denied) -> Response {
    if denied.status == 401 {
        let then = if request.method.is_safe() { request.url.as_str() } else { "/review" };
        return Response::see_other(&with_query(LOGIN, [("then", then)]));
    }
    if denied.code == PASSWORD_CHANGE {
        let then = if request.method.is_safe() { request.url.as_str() } else { "/review" };
        return Response::see_other(&with_query("/review/password", [("then", then)]));
    }
    let mut frame = bare(&Prefs::of(request));
    let principal = authenticate(app, request).ok().flatten();
    frame.person = principal.as_ref().map(person);
    if let Some(principal) = &principal {
        open(&mut frame, principal.permissions, app.review_settings.solo());
    }
    frame.session_seconds = SESSION_SECONDS;
    let (title, next) = match denied.status {
        403 => ("You may not do this", ("/review", "Overview")),
        404 => ("There is nothing here", ("/review", "Overview")),
        409 | 412 => ("Changed meanwhile", ("/review/queue", "Queue")),
        410 => ("Expired", ("/review/queue", "Queue")),
        429 => ("Too fast", ("/review", "Overview")),
        500.. => ("Something went wrong", ("/review", "Overview")),
        _ => ("Not possible", ("/review", "Overview")),
    };
    let next = match &denied.item {
        Some(item) => (format!("/review/items/{item}"), "Where it is decided".to_owned()),
        None => (next.0.to_owned(), next.1.to_owned()),
    };
    let page = Problem {
        frame,
        status: denied.status,
        title: title.to_owned(),
        detail: sentence(&denied.detail),
        next,
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

/// Adds a capital and a full stop.
pub fn sentence(detail: &str) -> String {
    let mut characters = detail.chars();
    let Some(first) = characters.next() else { return String::new() };
    let mut text: String = first.to_uppercase().chain(characters).collect();
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}
