//! GET handlers of pages. They change nothing.

use crate::domain::review::{Action, Permission, ProposalKind, ProposalState};
use crate::review::people::{AuthMethod, directory};
use crate::review::{
    AuditFilter, BulkPreviewAsk, GroupBy, InboxEntry, PageAsk, Period, ProposalFilter,
    ProposalsFor, QueueFilter,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;

use super::account::Account;
use super::address::Listing;
use super::context::{PageContext, html, sentence};
use super::frame::Screen;
use super::profile::{Help, Profile};
use super::{audit, bulk, check, file, item, proposal, queue, reasons, reports, work};

pub fn queue(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Queue)?;
    let mut listing = Listing::parse(context.query());
    if let Some(name) = &listing.unknown {
        return Err(Denied::invalid(
            name.clone(),
            "is no filter of the queue, or has no such value",
        ));
    }
    // Only undecided items are grouped.
    listing.items |= listing.filter.status.as_deref().is_some_and(|status| status != "UNKNOWN");
    listing.items |= listing.filter.signature.is_some();
    let reasons = context.desk.reasons(&context.actor, None, None)?;
    let facets = context.desk.facets(&context.actor, &listing.filter)?;
    let mut ask = context.page(listing.cursor.clone());
    ask.sort = listing.sort;
    let runs = context.desk.current_runs(&context.actor)?;
    let views = super::views::of(&context, &listing)?;
    let text = listing.filter.q.as_deref().filter(|q| !q.trim().is_empty());
    let search = text.map(|q| context.desk.search_counts(&context.actor, q)).transpose()?;
    let answers = queue::Data {
        listing: &listing,
        summary: &summary,
        search,
        facets: &facets,
        runs: &runs,
        views: &views,
        may_save: !context.call.app.office.solo(),
        reasons: &reasons,
        may_decide: context.may(Permission::Propose),
        now: context.now,
    };
    let page = if listing.items {
        let items = context.desk.queue(&context.actor, &listing.filter, &ask)?;
        queue::Queue::new(frame, &answers, &queue::Rows::Items(&items))
    } else {
        let groups =
            context.desk.groups(&context.actor, &listing.filter, GroupBy::Signature, &ask)?;
        queue::Queue::new(frame, &answers, &queue::Rows::Groups(&groups))
    };
    html(200, &page)
}

pub fn item(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    item_page(&context, call.path("id"), None, 200)
}

/// `refused`: a decision that was refused.
pub fn item_page(
    context: &PageContext<'_>,
    id: &str,
    refused: Option<item::Refused>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, summary) = context.frame(Screen::Queue)?;
    let detail = context.desk.item(&context.actor, id)?;
    let listing = Listing::parse(context.query());
    let around = context.desk.queue(&context.actor, &listing.filter, &around(context, &listing))?;
    let reasons = context.desk.reasons(&context.actor, None, None)?;
    let ahead = context.call.request.headers.has("x-recon-ahead");
    if detail.item.status == "UNKNOWN" && context.may(Permission::Propose) && !ahead {
        // A claim is a hint: show the page even if it fails.
        let _ = context.desk.claim(&context.actor, id);
    }
    // Of a filtered list the number would have to be counted.
    let total = (listing.filter == QueueFilter::default())
        .then(|| summary.by_status.get("UNKNOWN").copied())
        .flatten();
    let answers = item::Data {
        detail: &detail,
        listing: &listing,
        around: &around.items,
        total,
        page_size: context.prefs.size,
        reasons: &reasons,
        actor: &context.actor,
        inline: context.asked("mode") == "inline",
        invisible: context.asked("signs") == "all",
        now: context.now,
        key: context.key()?,
        refused,
    };
    html(status, &item::Item::new(frame, &answers))
}

/// The page of the list from which an item was opened.
pub fn around(context: &PageContext<'_>, listing: &Listing) -> PageAsk {
    let mut ask = context.page(listing.cursor.clone());
    ask.sort = listing.sort;
    ask
}

/// The page's choice as an action.
pub fn bulk_action(choice: &str, code: Option<&str>) -> Option<(Action, Option<String>)> {
    match (choice, code) {
        ("*", _) => Some((Action::Approve, None)),
        ("-", _) => Some((Action::Reject, None)),
        ("code", code) => code.map(|code| (Action::Override, Some(code.to_owned()))),
        ("", _) => None,
        (code, _) => Some((Action::Override, Some(code.to_owned()))),
    }
}

pub fn bulk(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let listing = Listing::parse(context.query());
    if listing.filter == QueueFilter::default() {
        return Err(Denied::invalid("signature", "which differences?"));
    }
    let code = Some(context.asked("code")).filter(|code| !code.is_empty());
    let asked = bulk::Request {
        choice: context.asked("choice").to_owned(),
        code: code.map(str::to_owned),
        filter: listing.context(),
        ids: Vec::new(),
    };
    bulk_page(&context, &asked, None, 200)
}

/// `refused`: a commit that was refused.
pub fn bulk_page(
    context: &PageContext<'_>,
    asked: &bulk::Request,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Queue)?;
    let listing = asked.listing();
    let back = listing.address("/review/queue");
    let Some((action, code)) = bulk_action(&asked.choice, asked.code.as_deref()) else {
        let reasons = context.desk.reasons(&context.actor, Some(true), None)?;
        return html(status, &bulk::Choose::new(frame, asked, back, &reasons));
    };
    let filter = asked.ids.is_empty().then(|| listing.filter.clone());
    let ask = BulkPreviewAsk {
        ids: asked.ids.clone(),
        filter,
        action: Some(action),
        new_reason_code: code,
    };
    let preview = context.desk.bulk_preview(&context.actor, &ask)?;
    let answers = bulk::Data { preview: &preview, asked, back, key: context.key()?, refused };
    html(status, &bulk::Bulk::new(frame, &answers))
}

pub fn check(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Check)?;
    context.only(&["list", "stage", "state", "open"])?;
    // The names of the API; `list` is that of older addresses.
    let asked = match (context.asked("open"), context.asked("state"), context.asked("stage")) {
        ("true", ..) => "open",
        ("false", ..) => "closed",
        (_, "RETURNED", _) => "returned",
        (_, _, "") => context.asked("list"),
        (_, _, stage) => stage,
    };
    let which = match asked {
        "to_check" | "to_authorize" | "mine" | "open" | "closed" | "returned" => asked,
        _ if context.may(Permission::Authorize)
            && summary.to_check == 0
            && summary.to_authorize > 0 =>
        {
            "to_authorize"
        }
        _ if context.may(Permission::Check) => "to_check",
        _ if context.may(Permission::Propose) => "mine",
        _ => "open",
    };
    let mut filter = ProposalFilter::default();
    match which {
        "to_check" => filter.stage = Some(ProposalsFor::ToCheck),
        "to_authorize" => filter.stage = Some(ProposalsFor::ToAuthorize),
        "mine" => filter.stage = Some(ProposalsFor::Mine),
        "closed" => filter.open = Some(false),
        "returned" => filter.state = Some(ProposalState::Returned),
        _ => filter.open = Some(true),
    }
    if let Some(format) = file::asked(&context) {
        return proposals_file(&context, &filter, format);
    }
    let mut ask = context.page_asked();
    // Look-alikes are folded, so many fit on a page.
    ask.limit = Some(200);
    let page = context.desk.inbox(&context.actor, &filter, &ask)?;
    let answers = check::Data {
        which,
        page: &page,
        summary: &summary,
        actor: &context.actor,
        now: context.now,
    };
    html(200, &check::Check::new(frame, &answers))
}

/// All proposals of a list as a file.
fn proposals_file(
    context: &PageContext<'_>,
    filter: &ProposalFilter,
    format: &str,
) -> Result<Response, Denied> {
    let mut ask = PageAsk { limit: Some(200), ..PageAsk::default() };
    let mut entries = Vec::new();
    loop {
        let page = context.desk.inbox(&context.actor, filter, &ask)?;
        entries.extend(page.items);
        match page.next {
            Some(next) => ask.cursor = Some(next),
            None => break,
        }
    }
    let lines: Vec<_> = entries.iter().map(check::Line::of).collect();
    file::response(format, "recon-proposals", &lines)
}

/// `wrong`: what went wrong with an earlier try.
pub fn several_page(
    context: &PageContext<'_>,
    chosen: &[check::Chosen],
    which: &str,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Check)?;
    let one = PageAsk { limit: Some(1), ..PageAsk::default() };
    let mut entries = Vec::with_capacity(chosen.len());
    for chosen in chosen {
        let detail = context.desk.proposal(&context.actor, &chosen.proposal_id, &one)?;
        entries
            .push(InboxEntry { item: detail.items.into_iter().next(), proposal: detail.proposal });
    }
    html(status, &check::Several::new(frame, &entries, which, context.now, wrong))
}

pub fn proposal(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    proposal_page(&context, call.path("id"), None, 200)
}

/// The page of the oldest other proposal that awaits the user.
pub fn next_proposal(context: &PageContext<'_>, id: &str) -> Result<Option<String>, Denied> {
    let ask = PageAsk { limit: Some(2), ..PageAsk::default() };
    for stage in [ProposalsFor::ToCheck, ProposalsFor::ToAuthorize] {
        let filter = ProposalFilter { stage: Some(stage), ..ProposalFilter::default() };
        let found = context.desk.proposals(&context.actor, &filter, &ask)?;
        if let Some(next) = found.items.iter().find(|one| one.proposal_id != id) {
            return Ok(Some(format!("/review/proposals/{}", next.proposal_id)));
        }
    }
    Ok(None)
}

/// `refused`: a step that was refused.
pub fn proposal_page(
    context: &PageContext<'_>,
    id: &str,
    refused: Option<(String, String)>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Check)?;
    let detail = context.desk.proposal(&context.actor, id, &context.page_asked())?;
    let reasons = context.desk.reasons(&context.actor, Some(true), None)?;
    let answers = proposal::Data {
        detail: &detail,
        actor: &context.actor,
        reasons: &reasons,
        next: next_proposal(context, id)?,
        all: context.asked("all") == "yes" || !context.asked("cursor").is_empty(),
        now: context.now,
        key: context.key()?,
        refused,
    };
    html(status, &proposal::Proposal::new(frame, &answers))
}

pub fn audit(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Audit)?;
    context.only(&["actor", "action", "stage", "entity", "from", "to", "q", "each", "verify"])?;
    let text = |name: &str| {
        let value: String = context.asked(name).chars().take(500).collect();
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
        folded: context.asked("each") != "yes",
        ..AuditFilter::default()
    };
    let page = context.desk.audit_search(&context.actor, &filter, &context.page_asked())?;
    let all = context.may(Permission::AuditAll);
    let checkpoint = if all { Some(context.desk.checkpoint(&context.actor)?) } else { None };
    let verdict = if all && context.asked("verify") == "yes" {
        Some(context.desk.verify(&context.actor, None, None)?)
    } else {
        None
    };
    let answers = audit::Data {
        filter: &filter,
        page: &page,
        chain: checkpoint.as_ref().map(|checkpoint| (checkpoint, verdict.as_ref())),
        own_only: !all,
    };
    html(200, &audit::Audit::new(frame, &answers))
}

pub fn reports(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Reports)?;
    context.only(&["report", "from", "to"])?;
    let day = |name: &str| {
        let text = context.asked(name);
        let parts: Vec<&str> = text.split('-').collect();
        let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        (lengths == [4, 2, 2] && parts.iter().all(digits)).then(|| text.to_owned())
    };
    let period = Period { from: day("from"), to: day("to") };
    let found = match context.asked("report") {
        "access" => reports::Report::Access(context.desk.report_access(&context.actor, &period)?),
        "duties" => reports::Report::Duties(context.desk.report_sod(&context.actor, &period)?),
        _ => reports::Report::Overrides(context.desk.report_overrides(&context.actor, &period)?),
    };
    if let Some(format) = file::asked(&context) {
        return match &found {
            reports::Report::Overrides(rows) => file::response(format, "recon-overrides", rows),
            reports::Report::Access(rows) => file::response(format, "recon-access", rows),
            reports::Report::Duties(rows) => file::response(format, "recon-duties", rows),
        };
    }
    html(200, &reports::Reports::new(frame, &period, &found))
}

pub fn reasons(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let like = Some(context.asked("like").to_owned()).filter(|like| !like.is_empty());
    let form = reasons::Form { key: context.key()?, like, ..reasons::Form::default() };
    reasons_page(&context, form, 200)
}

/// `form` may hold a refused proposal.
pub fn reasons_page(
    context: &PageContext<'_>,
    form: reasons::Form,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Reasons)?;
    let entries = context.desk.reasons(&context.actor, None, None)?;
    if let Some(format) = file::asked(context) {
        return file::response(format, "recon-reasons", &entries);
    }
    let filter =
        ProposalFilter { kind: Some(ProposalKind::ReasonCode), ..ProposalFilter::default() };
    let proposed = context.desk.proposals(&context.actor, &filter, &context.page(None))?;
    let like = match form.like.as_deref() {
        Some(id) => Some(context.desk.item(&context.actor, id)?.item),
        None => None,
    };
    let answers = reasons::Data {
        entries: &entries,
        proposed: &proposed.items,
        may_propose: context.may(Permission::ProposeReason),
        like: like.as_ref(),
        now: context.now,
    };
    html(status, &reasons::Reasons::new(frame, &answers, form))
}

pub fn work(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Work)?;
    let filter = ProposalFilter {
        maker: Some(context.actor.person_id.clone()),
        ..ProposalFilter::default()
    };
    if let Some(format) = file::asked(&context) {
        return proposals_file(&context, &filter, format);
    }
    let page = context.desk.proposals(&context.actor, &filter, &context.page_asked())?;
    html(200, &work::Work::new(frame, &summary, &page, context.now, &context.key()?))
}

pub fn profile(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    profile_page(&context, None, None, 200)
}

pub fn profile_page(
    context: &PageContext<'_>,
    wrong: Option<String>,
    made: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Profile)?;
    let person = context.call.person()?;
    let logins = directory::logins_of(&*context.call.app.store, &person.person_id)
        .map_err(crate::review::Refusal::from)?;
    let waiting = logins.into_iter().filter(|own| own.awaits_consent).map(|own| own.login);
    let page = Profile {
        frame,
        waiting: waiting.collect(),
        has_password: matches!(person.method, AuthMethod::Session(_)),
        page_size: context.prefs.size,
        account: Account::of(context, made)?,
        wrong: wrong.as_deref().map(sentence),
    };
    html(status, &page)
}

/// Keyboard map and glossary.
pub fn help(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, _) = context.frame(Screen::Help)?;
    html(200, &Help { frame })
}
