//! The pages that are looked at. They change nothing.

use crate::domain::review::{Action, Permission, ProposalKind, ProposalState};
use crate::review::people::{AuthMethod, directory};
use crate::review::{
    AuditFilter, BulkPreviewAsk, GroupBy, PageAsk, Period, ProposalFilter, ProposalsFor,
    QueueFilter,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;

use super::address::Listing;
use super::context::{Here, html, sentence};
use super::frame::Place;
use super::profile::{Help, MOVABLE, Profile};
use super::{audit, bulk, check, item, proposal, queue, reasons, reports, work};

/// The queue.
pub fn queue(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, summary) = here.frame(Place::Queue)?;
    let mut listing = Listing::parse(here.query());
    // Only what waits is grouped by what it looks like.
    listing.items |= listing.filter.status.as_deref().is_some_and(|status| status != "UNKNOWN");
    listing.items |= listing.filter.signature.is_some();
    let reasons = here.desk.reasons(&here.actor, None, None)?;
    let facets = here.desk.facets(&here.actor, &listing.filter)?;
    let mut ask = here.page(listing.cursor.clone());
    ask.sort = listing.sort;
    let answers = queue::Answers {
        listing: &listing,
        summary: &summary,
        facets: &facets,
        reasons: &reasons,
        may_decide: here.may(Permission::Propose),
        now: here.now,
    };
    let page = if listing.items {
        let items = here.desk.queue(&here.actor, &listing.filter, &ask)?;
        queue::Queue::new(frame, &answers, &queue::Found::Items(&items))
    } else {
        let groups = here.desk.groups(&here.actor, &listing.filter, GroupBy::Signature, &ask)?;
        queue::Queue::new(frame, &answers, &queue::Found::Groups(&groups))
    };
    html(200, &page)
}

/// One difference.
pub fn item(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    item_page(&here, call.path("id"), None, 200)
}

/// The page of a difference, perhaps after a decision about it was refused.
pub fn item_page(
    here: &Here<'_>,
    id: &str,
    refused: Option<item::Refused>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = here.frame(Place::Queue)?;
    let detail = here.desk.item(&here.actor, id)?;
    let listing = Listing::parse(here.query());
    let around = here.desk.queue(&here.actor, &listing.filter, &around(here, &listing))?;
    let reasons = here.desk.reasons(&here.actor, None, None)?;
    let ahead = here.call.request.headers.has("x-recon-ahead");
    if detail.item.status == "UNKNOWN" && here.may(Permission::Propose) && !ahead {
        // A hint for others; that it can't be kept now is no reason to show nothing.
        let _ = here.desk.claim(&here.actor, id);
    }
    let answers = item::Answers {
        detail: &detail,
        listing: &listing,
        around: &around.items,
        reasons: &reasons,
        actor: &here.actor,
        mode: here.asked("mode"),
        invisible: here.asked("signs") == "all",
        now: here.now,
        key: here.key()?,
        refused,
    };
    html(status, &item::Item::new(frame, &answers))
}

/// The page of the list that an item was opened from.
pub fn around(here: &Here<'_>, listing: &Listing) -> PageAsk {
    let mut ask = here.page(listing.cursor.clone());
    ask.sort = listing.sort;
    ask
}

/// What a bulk decides: the choice as the page sends it.
pub fn bulk_action(choice: &str, code: Option<&str>) -> Option<(Action, Option<String>)> {
    match (choice, code) {
        ("*", _) => Some((Action::Approve, None)),
        ("-", _) => Some((Action::Reject, None)),
        ("code", code) => code.map(|code| (Action::Override, Some(code.to_owned()))),
        ("", _) => None,
        (code, _) => Some((Action::Override, Some(code.to_owned()))),
    }
}

/// The preview of a decision about all look-alikes, or about all of a filter.
pub fn bulk(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let listing = Listing::parse(here.query());
    if listing.filter == QueueFilter::default() {
        return Err(Denied::invalid("signature", "which differences?"));
    }
    let code = Some(here.asked("code")).filter(|code| !code.is_empty());
    let asked = bulk::Asked {
        choice: here.asked("choice").to_owned(),
        code: code.map(str::to_owned),
        filter: listing.context(),
        ids: Vec::new(),
    };
    bulk_page(&here, &asked, None, 200)
}

/// The preview page, perhaps after the commit was refused.
pub fn bulk_page(
    here: &Here<'_>,
    asked: &bulk::Asked,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = here.frame(Place::Queue)?;
    let listing = asked.listing();
    let back = listing.address("/review/queue");
    let Some((action, code)) = bulk_action(&asked.choice, asked.code.as_deref()) else {
        let reasons = here.desk.reasons(&here.actor, Some(true), None)?;
        return html(status, &bulk::Choose::new(frame, asked, back, &reasons));
    };
    let filter = asked.ids.is_empty().then(|| listing.filter.clone());
    let ask = BulkPreviewAsk {
        ids: asked.ids.clone(),
        filter,
        action: Some(action),
        new_reason_code: code,
    };
    let preview = here.desk.bulk_preview(&here.actor, &ask)?;
    let answers = bulk::Answers { preview: &preview, asked, back, key: here.key()?, refused };
    html(status, &bulk::Bulk::new(frame, &answers))
}

/// Proposals that wait.
pub fn check(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, summary) = here.frame(Place::Check)?;
    let asked = here.asked("list");
    let which = match asked {
        "to_check" | "to_authorize" | "mine" | "open" | "closed" => asked,
        _ if here.may(Permission::Authorize)
            && summary.to_check == 0
            && summary.to_authorize > 0 =>
        {
            "to_authorize"
        }
        _ if here.may(Permission::Check) => "to_check",
        _ if here.may(Permission::Propose) => "mine",
        _ => "open",
    };
    let mut filter = ProposalFilter::default();
    match which {
        "to_check" => filter.stage = Some(ProposalsFor::ToCheck),
        "to_authorize" => filter.stage = Some(ProposalsFor::ToAuthorize),
        "mine" => filter.stage = Some(ProposalsFor::Mine),
        "closed" => filter.state = Some(ProposalState::Applied),
        _ => filter.state = Some(ProposalState::Open),
    }
    let page = here.desk.proposals(&here.actor, &filter, &here.page_asked())?;
    let answers =
        check::Answers { which, page: &page, summary: &summary, actor: &here.actor, now: here.now };
    html(200, &check::Check::new(frame, &answers))
}

/// One proposal.
pub fn proposal(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    proposal_page(&here, call.path("id"), None, 200)
}

/// The page of a proposal, perhaps after a step was refused.
pub fn proposal_page(
    here: &Here<'_>,
    id: &str,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = here.frame(Place::Check)?;
    let detail = here.desk.proposal(&here.actor, id, &here.page_asked())?;
    let trail = if here.may(Permission::AuditAll) {
        let filter = AuditFilter { entity: Some(id.to_owned()), ..AuditFilter::default() };
        here.desk.audit_search(&here.actor, &filter, &here.page(None))?.items
    } else {
        Vec::new()
    };
    let reasons = here.desk.reasons(&here.actor, Some(true), None)?;
    let answers = proposal::Answers {
        detail: &detail,
        actor: &here.actor,
        reasons: &reasons,
        next: None,
        trail: trail.iter().map(|row| audit::event(row, here.now)).collect(),
        now: here.now,
        key: here.key()?,
        refused,
    };
    html(status, &proposal::Proposal::new(frame, &answers))
}

/// The audit trail.
pub fn audit(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, _) = here.frame(Place::Audit)?;
    let text = |name: &str| {
        let value: String = here.asked(name).chars().take(500).collect();
        (!value.is_empty() && !value.contains('\0')).then_some(value)
    };
    let filter = AuditFilter {
        actor: text("actor"),
        action: text("action"),
        stage: text("stage"),
        entity: text("entity"),
        from: text("from"),
        to: text("to"),
        q: text("q"),
        ..AuditFilter::default()
    };
    let page = here.desk.audit_search(&here.actor, &filter, &here.page_asked())?;
    let all = here.may(Permission::AuditAll);
    let checkpoint = if all { Some(here.desk.checkpoint(&here.actor)?) } else { None };
    let verdict = if all && here.asked("verify") == "yes" {
        Some(here.desk.verify(&here.actor, None, None)?)
    } else {
        None
    };
    let answers = audit::Answers {
        filter: &filter,
        page: &page,
        chain: checkpoint.as_ref().map(|checkpoint| (checkpoint, verdict.as_ref())),
        own_only: !all,
    };
    html(200, &audit::Audit::new(frame, &answers))
}

/// The reports for auditors.
pub fn reports(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, _) = here.frame(Place::Reports)?;
    let day = |name: &str| {
        let text = here.asked(name);
        let parts: Vec<&str> = text.split('-').collect();
        let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        (lengths == [4, 2, 2] && parts.iter().all(digits)).then(|| text.to_owned())
    };
    let period = Period { from: day("from"), to: day("to") };
    let found = match here.asked("report") {
        "access" => reports::Found::Access(here.desk.report_access(&here.actor, &period)?),
        "duties" => reports::Found::Duties(here.desk.report_sod(&here.actor, &period)?),
        _ => reports::Found::Overrides(here.desk.report_overrides(&here.actor, &period)?),
    };
    html(200, &reports::Reports::new(frame, &period, &found))
}

/// The catalogue of reasons.
pub fn reasons(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let like = Some(here.asked("like").to_owned()).filter(|like| !like.is_empty());
    let form = reasons::Form { key: here.key()?, like, ..reasons::Form::default() };
    reasons_page(&here, form, 200)
}

/// The catalogue, perhaps after a proposal was refused.
pub fn reasons_page(here: &Here<'_>, form: reasons::Form, status: u16) -> Result<Response, Denied> {
    let (frame, _) = here.frame(Place::Reasons)?;
    let entries = here.desk.reasons(&here.actor, None, None)?;
    let filter =
        ProposalFilter { kind: Some(ProposalKind::ReasonCode), ..ProposalFilter::default() };
    let proposed = here.desk.proposals(&here.actor, &filter, &here.page(None))?;
    let like = match form.like.as_deref() {
        Some(id) => Some(here.desk.item(&here.actor, id)?.item),
        None => None,
    };
    let answers = reasons::Answers {
        entries: &entries,
        proposed: &proposed.items,
        may_propose: here.may(Permission::ProposeReason),
        like: like.as_ref(),
        now: here.now,
    };
    html(status, &reasons::Reasons::new(frame, &answers, form))
}

/// One's own work.
pub fn work(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, summary) = here.frame(Place::Work)?;
    let filter =
        ProposalFilter { maker: Some(here.actor.person_id.clone()), ..ProposalFilter::default() };
    let page = here.desk.proposals(&here.actor, &filter, &here.page_asked())?;
    html(200, &work::Work::new(frame, &summary, &page, here.now, &here.key()?))
}

/// The settings of the page.
pub fn profile(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    profile_page(&here, None, 200)
}

/// The settings, perhaps after they were refused.
pub fn profile_page(
    here: &Here<'_>,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = here.frame(Place::Profile)?;
    let keys = MOVABLE.map(|(name, usual, what)| (what, name, usual, here.prefs.present(usual)));
    let person = here.call.person()?;
    let logins = directory::logins_of(&*here.call.app.store, &person.person_id)
        .map_err(crate::review::Refusal::from)?;
    let waiting = logins.into_iter().filter(|own| own.awaits_consent).map(|own| own.login);
    let page = Profile {
        frame,
        waiting: waiting.collect(),
        has_password: matches!(person.method, AuthMethod::Session(_)),
        page_size: here.prefs.size,
        keys: keys.into(),
        wrong: wrong.as_deref().map(sentence),
    };
    html(status, &page)
}

/// The keyboard map and the words.
pub fn help(call: &Call<'_>) -> Result<Response, Denied> {
    let here = Here::new(call)?;
    let (frame, _) = here.frame(Place::Help)?;
    html(200, &Help { frame })
}
