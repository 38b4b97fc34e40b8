//! Lists of proposals: to check, to authorize, your own; and approving several at once.

pub mod proposal;

use std::collections::BTreeMap;

use askama::Template;

use crate::coding::escape;
use crate::domain::Instant;
use crate::domain::review::{Permission, ProposalKind, ProposalState};
use crate::review::{
    Actor, AmountSum, Approve, InboxEntry, Page, PageAsk, ProposalFilter, ProposalView,
    ProposalsFor, Summary,
};
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::proposals;
use crate::server::route::Route;
use crate::server::routes::{DECIDE, PROPOSE, VIEW, get, post};

use super::address::with_query;
use super::context::{PageContext, html, redirect, sentence};
use super::fragment::Value;
use super::frame::{Frame, Screen};
use super::queue::{Tab, bulk};
use super::{difference, file, labels, yes};

#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    vec![
        get("/review/check", "page_check", show, VIEW).takes(parameters()),
        get("/review/proposals/{id}", "page_proposal", proposal::show, VIEW).takes([yes("all"), Parameter::cursor()]),
        post("/review/check", "page_check_selected", selected, DECIDE),
        post("/review/check/commit", "page_check_commit", commit, DECIDE),
        post("/review/proposals/{id}/approve", "page_approve", proposal::approve, DECIDE),
        post("/review/proposals/{id}/return", "page_return", proposal::send_back, DECIDE),
        post("/review/proposals/{id}/withdraw", "page_withdraw", proposal::withdraw, PROPOSE),
        post("/review/proposals/{id}/amend", "page_amend", proposal::amend_form, PROPOSE),
    ]
}

#[derive(Template)]
#[template(path = "check/check.html")]
pub struct Check {
    pub frame: Frame,
    pub about: String,
    pub tabs: Vec<Tab>,
    pub proposals: Vec<Row>,
    /// Text of the empty list.
    pub nothing: (String, String),
    pub next: Option<String>,
    /// The list, for its forms.
    pub which: String,
    /// The names of the two systems.
    pub systems: [String; 2],
    /// Address and name of each file of this list.
    pub exports: Vec<(String, &'static str)>,
}

impl Check {
    /// How many proposals the list has, if that is known.
    fn listed(&self) -> Option<&u64> {
        self.tabs.iter().find(|tab| tab.present)?.count.as_ref()
    }

    fn may_approve(&self) -> bool {
        self.proposals.iter().any(|row| !row.ids.is_empty())
    }
}

/// A proposal, or look-alikes of one proposer.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    /// Value of the check box: each proposal with its version and content; empty if the user may not approve.
    pub ids: String,
    pub href: String,
    pub title: String,
    pub about: String,
    /// Items.
    pub count: u64,
    pub item: Option<About>,
    pub maker: String,
    pub comment: String,
    pub age: String,
    /// Required (2, 4 or 6) and done.
    pub eyes: (u8, u8),
    pub trigger: String,
    /// Word and class.
    pub state: (&'static str, &'static str),
    /// Why the user may not approve it.
    pub why_not: Option<String>,
    /// The look-alikes that are folded into it, itself too.
    pub folded: Vec<Folded>,
    /// Totals of the items, one for each currency.
    pub sums: Vec<AmountSum>,
}

impl Row {
    /// The items besides the one that is shown.
    fn others(&self) -> String {
        labels::count(&self.count.saturating_sub(1))
    }

    fn amount(&self) -> String {
        bulk::few_sums(&self.sums)
    }
}

/// The item of a proposal in a list.
#[derive(Clone, Debug)]
pub struct About {
    pub reference: String,
    pub field: String,
    pub counterparty: Option<String>,
    pub sides: (Value, Value),
    /// B − A and its currency.
    pub delta: (String, String),
}

/// A proposal in a file.
#[derive(serde::Serialize)]
pub struct Line<'a> {
    proposal_id: &'a str,
    state: &'static str,
    decision: String,
    about: &'a str,
    items: u64,
    reference: String,
    counterparty: Option<&'a str>,
    field_name: Option<&'a str>,
    value_a: Option<&'a str>,
    value_b: Option<&'a str>,
    amounts: String,
    proposed_by: &'a str,
    comment: Option<&'a str>,
    eyes_required: u8,
    eyes_done: u8,
    proposed_at: &'a str,
    closed_at: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub fn of(entry: &'a InboxEntry) -> Self {
        let (view, item) = (&entry.proposal, entry.item.as_ref());
        let difference = item.map(|item| &item.difference);
        Self {
            proposal_id: &view.proposal_id,
            state: labels::proposal(view.state).0,
            decision: title(view),
            about: &view.label,
            items: view.count,
            reference: item.map(difference::reference).unwrap_or_default(),
            counterparty: item.and_then(|item| item.counterparty.as_deref()),
            field_name: difference.map(|one| one.field_name.as_str()),
            value_a: difference.and_then(|one| one.value_a.as_deref()),
            value_b: difference.and_then(|one| one.value_b.as_deref()),
            amounts: bulk::sums(&view.amount_sum).unwrap_or_default(),
            proposed_by: &view.maker_name,
            comment: view.comments.as_deref(),
            eyes_required: view.eyes_required.code(),
            eyes_done: view.eyes_done,
            proposed_at: &view.created_at,
            closed_at: view.closed_at.as_deref(),
        }
    }
}

/// A folded proposal.
#[derive(Clone, Debug)]
pub struct Folded {
    pub href: String,
    pub reference: String,
    pub sides: (Value, Value),
}

pub struct Data<'a> {
    pub filter: &'a ProposalFilter,
    pub page: &'a Page<InboxEntry>,
    pub summary: &'a Summary,
    pub actor: &'a Actor,
    pub now: Instant,
}

impl Check {
    pub fn new(frame: Frame, answers: &Data<'_>) -> Self {
        let (summary, actor) = (answers.summary, answers.actor);
        let present = LISTS.iter().find(|(list, ..)| list_named(list) == *answers.filter);
        let which = present.map_or("", |(list, ..)| *list);
        let tabs = LISTS.iter().filter_map(|(list, name, _)| {
            // A tab for those who can use it, with a number that goes on counting.
            let (may, count) = match *list {
                "to_check" => (actor.may(Permission::Check), Some(summary.to_check)),
                "to_authorize" => (actor.may(Permission::Authorize), Some(summary.to_authorize)),
                "mine" => (actor.may(Permission::Propose), Some(summary.mine)),
                _ => (true, None),
            };
            may.then(|| Tab {
                name: (*name).to_owned(),
                count,
                live: count.map_or("", |_| list),
                href: address(&list_named(list)),
                present: which == *list,
                urgent: false,
                more: false,
            })
        });
        let tabs = tabs.collect();
        let here = address(answers.filter);
        let nothing = match which {
            "to_check" => ("Nothing to check", "No proposal awaits you."),
            "to_authorize" => ("Nothing to authorize", "No proposal awaits you."),
            "mine" => ("Nothing open", "None of your proposals is open."),
            "returned" => ("Nothing sent back", "No proposal was sent back."),
            _ => ("No proposal", "Proposals appear here."),
        };
        Self {
            frame,
            about: present.map_or("", |(.., about)| about).to_owned(),
            tabs,
            proposals: rows(answers),
            nothing: (nothing.0.to_owned(), nothing.1.to_owned()),
            next: answers
                .page
                .next
                .as_ref()
                .map(|cursor| format!("{here}&cursor={}", escape(cursor))),
            which: which.to_owned(),
            systems: systems(&answers.page.items),
            exports: file::links(&here),
        }
    }
}

fn parameters() -> Vec<Parameter> {
    let lists = LISTS.iter().map(|(list, ..)| *list).collect();
    let mut all = proposals::filters().to_vec();
    all.extend([
        Parameter::query("list", "The list, in older addresses", Kind::One(lists)),
        Parameter::cursor(),
        file::parameter(),
    ]);
    all
}

/// The lists of the tabs: name, tab, and contents.
const LISTS: [(&str, &str, &str); 6] = [
    ("to_check", "To check", "Proposals of others that you may check, oldest first."),
    ("to_authorize", "To authorize", "Checked proposals that you may authorize, oldest first."),
    ("mine", "Mine", "Your open proposals, oldest first. Others check them."),
    ("open", "All open", "All open proposals, oldest first."),
    ("returned", "Sent back", "Proposals that a checker or authorizer sent back, newest first."),
    (
        "closed",
        "Closed",
        "Proposals that were settled, sent back, withdrawn or overtaken, or that expired, newest first.",
    ),
];

fn list_named(list: &str) -> ProposalFilter {
    let mut filter = ProposalFilter::default();
    match list {
        "to_check" => filter.stage = Some(ProposalsFor::ToCheck),
        "to_authorize" => filter.stage = Some(ProposalsFor::ToAuthorize),
        "mine" => {
            filter.stage = Some(ProposalsFor::Mine);
            filter.open = Some(true);
        }
        "closed" => filter.open = Some(false),
        "returned" => filter.state = Some(ProposalState::Returned),
        _ => filter.open = Some(true),
    }
    filter
}

/// A list of proposals, by the names that the API has for it.
pub fn address(filter: &ProposalFilter) -> String {
    let open = filter.open.map_or("", |open| if open { "true" } else { "false" });
    let stage = filter.stage.map_or("", |stage| match stage {
        ProposalsFor::Mine => "mine",
        ProposalsFor::ToCheck => "to_check",
        ProposalsFor::ToAuthorize => "to_authorize",
    });
    let pairs = [
        ("stage", stage),
        ("state", filter.state.map_or("", ProposalState::name)),
        ("open", open),
        ("kind", filter.kind.map_or("", ProposalKind::name)),
        ("maker", filter.maker.as_deref().unwrap_or_default()),
    ];
    with_query("/review/check", pairs)
}

fn systems(entries: &[InboxEntry]) -> [String; 2] {
    difference::systems(entries.iter().filter_map(|entry| entry.item.as_ref()))
}

/// The proposals in their order; look-alikes of one proposer stand with the first of them.
fn rows(answers: &Data<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let actor = answers.actor;
    let approves = actor.may(Permission::Check) || actor.may(Permission::Authorize);
    for entry in &answers.page.items {
        let mut row = row(entry, answers.now);
        // To those who approve nothing, no single row has to say so.
        row.why_not = row.why_not.filter(|_| approves);
        let Some(like) = look(entry).filter(|_| !row.ids.is_empty()) else {
            rows.push(row);
            continue;
        };
        match known.get(&like).and_then(|at| rows.get_mut(*at)) {
            Some(first) => {
                first.ids.push(' ');
                first.ids.push_str(&row.ids);
                first.count += row.count;
                first.folded.extend(row.folded);
                for sum in &row.sums {
                    add(&mut first.sums, sum);
                }
            }
            None => {
                known.insert(like, rows.len());
                rows.push(row);
            }
        }
    }
    rows
}

/// Properties that similar proposals share: the proposer, the decision and its reason, the group.
fn look(entry: &InboxEntry) -> Option<String> {
    let (view, item) = (&entry.proposal, entry.item.as_ref()?);
    let signature = item.signature.as_deref().or(item.signature_label.as_deref())?;
    (view.count == 1).then(|| {
        format!(
            "{} {:?} {:?} {signature} {} {:?}",
            view.maker_id,
            view.action,
            view.reason.as_ref().map(|reason| &reason.code),
            view.eyes_required.code(),
            view.comments,
        )
    })
}

/// True for matches by hand.
pub fn is_joint(proposal: &ProposalView) -> bool {
    let payload = proposal.payload.as_ref().filter(|_| proposal.kind.has_items());
    payload.is_some_and(|payload| payload.get("match").or(payload.get("unmatch")).is_some())
}

pub fn title(proposal: &ProposalView) -> String {
    let payload = |name: &str| {
        proposal
            .payload
            .as_ref()
            .and_then(|payload| payload.get(name))
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    match proposal.kind {
        ProposalKind::ReasonCode => format!("New reason {}", payload("code")).trim().to_owned(),
        ProposalKind::Rule => "Change of a rule".to_owned(),
        ProposalKind::Policy => "Change of the policy".to_owned(),
        ProposalKind::Reopen if proposal.action.is_none() => "Take a match apart".to_owned(),
        ProposalKind::Bulk if is_joint(proposal) => {
            let code = proposal.reason.as_ref().map_or("", |reason| reason.code.as_str());
            format!("Match by hand as {code}")
        }
        ProposalKind::Attribution | ProposalKind::Bulk | ProposalKind::Reopen => {
            let code = proposal.reason.as_ref().map(|reason| reason.code.as_str());
            let code = code.or(match proposal.predicted.as_slice() {
                [only] => Some(only.code.as_str()),
                _ => None,
            });
            proposal
                .action
                .map_or_else(|| "Decision".to_owned(), |action| labels::decision(action, code))
        }
    }
}

fn row(entry: &InboxEntry, now: Instant) -> Row {
    let proposal = &entry.proposal;
    let href = format!("/review/proposals/{}", proposal.proposal_id);
    let approvable = proposal.state.is_open() && proposal.may_not_approve.is_none();
    let item = entry.item.as_ref().map(|item| About {
        reference: difference::reference(item),
        field: labels::field(&item.difference.field_name).to_owned(),
        counterparty: item.counterparty.clone(),
        sides: difference::brief(&item.difference),
        delta: difference::brief_delta(item),
    });
    Row {
        id: proposal.proposal_id.clone(),
        ids: if approvable { Chosen::of(proposal).text() } else { String::new() },
        title: title(proposal),
        about: difference::named(&proposal.label, &difference::systems(entry.item.iter())),
        count: proposal.count,
        folded: item
            .iter()
            .map(|item| Folded {
                href: href.clone(),
                reference: item.reference.clone(),
                sides: item.sides.clone(),
            })
            .collect(),
        item,
        maker: proposal.maker_name.clone(),
        comment: proposal.comments.clone().unwrap_or_default(),
        age: labels::age(labels::seconds_since(now, &proposal.created_at)),
        eyes: (proposal.eyes_required.code(), proposal.eyes_done),
        trigger: proposal
            .triggers
            .first()
            .map(|fired| labels::trigger(fired.trigger, &fired.value))
            .unwrap_or_default(),
        state: labels::proposal(proposal.state),
        why_not: proposal
            .may_not_approve
            .as_deref()
            .filter(|_| proposal.state.is_open())
            .map(sentence),
        sums: proposal.amount_sum.clone(),
        href,
    }
}

/// A proposal as it was seen, to approve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub proposal_id: String,
    pub tag: String,
    pub hash: String,
}

impl Chosen {
    fn of(proposal: &ProposalView) -> Self {
        Self {
            proposal_id: proposal.proposal_id.clone(),
            tag: proposal.tag.clone(),
            hash: proposal.content_hash.to_string(),
        }
    }

    fn text(&self) -> String {
        format!("{}~{}~{}", self.proposal_id, self.tag, self.hash)
    }

    /// All that tick boxes have sent.
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for text in values.flat_map(|value| value.split(' ')) {
            let mut parts = text.split('~').map(str::to_owned);
            if let (Some(proposal_id), Some(tag), Some(hash)) =
                (parts.next(), parts.next(), parts.next())
                && !all.iter().any(|one| one.proposal_id == proposal_id)
            {
                all.push(Self { proposal_id, tag, hash });
            }
        }
        all
    }
}

/// Effect of approving several proposals at once.
#[derive(Template)]
#[template(path = "check/approve.html")]
pub struct Several {
    pub frame: Frame,
    pub proposals: u64,
    pub items: u64,
    pub amount: Option<String>,
    /// Decisions with their numbers of items.
    pub kinds: Vec<(String, String, u64)>,
    pub rows: Vec<Row>,
    /// The names of the two systems.
    pub systems: [String; 2],
    /// Proposals that are not shown.
    pub more: u64,
    /// Value of the form.
    pub ids: String,
    pub which: String,
    pub wrong: Option<String>,
}

/// Most proposals that a preview shows.
const SHOWN: usize = 20;

impl Several {
    pub fn new(
        frame: Frame,
        entries: &[InboxEntry],
        which: &str,
        now: Instant,
        wrong: Option<String>,
    ) -> Self {
        let mut kinds: BTreeMap<(String, String), u64> = BTreeMap::new();
        let mut sums: Vec<AmountSum> = Vec::new();
        let mut items = 0;
        for entry in entries {
            let view = &entry.proposal;
            *kinds.entry((title(view), view.maker_name.clone())).or_default() += view.count;
            items += view.count;
            for sum in &view.amount_sum {
                add(&mut sums, sum);
            }
        }
        let ids: Vec<String> =
            entries.iter().map(|entry| Chosen::of(&entry.proposal).text()).collect();
        Self {
            frame,
            proposals: entries.len() as u64,
            items,
            amount: bulk::sums(&sums),
            kinds: kinds.into_iter().map(|((what, who), count)| (what, who, count)).collect(),
            systems: systems(entries),
            rows: entries.iter().take(SHOWN).map(|entry| row(entry, now)).collect(),
            more: entries.len().saturating_sub(SHOWN) as u64,
            ids: ids.join(" "),
            which: which.to_owned(),
            wrong,
        }
    }
}

/// Adds a sum to those of its currency.
fn add(sums: &mut Vec<AmountSum>, sum: &AmountSum) {
    use crate::domain::Decimal;
    let parse = |text: &str| Decimal::parse(text.as_bytes()).ok();
    let plus = |left: Decimal, right: Decimal| {
        let minus = parse("0")?.checked_sub(right)?;
        left.checked_sub(minus)
    };
    match sums.iter_mut().find(|one| one.currency == sum.currency) {
        Some(known) => {
            let both = parse(&known.sum).zip(parse(&sum.sum));
            if let Some(total) = both.and_then(|(left, right)| plus(left, right)) {
                known.sum = total.to_string();
            }
        }
        None => sums.push(sum.clone()),
    }
}

pub fn show(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let (frame, summary) = context.frame(Screen::Check)?;
    let mut filter = proposals::filter(call);
    if filter == ProposalFilter::default() {
        // `list` is the name of older addresses.
        let usual = match context.asked("list") {
            "" if context.may(Permission::Authorize)
                && summary.to_check == 0
                && summary.to_authorize > 0 =>
            {
                "to_authorize"
            }
            "" if context.may(Permission::Check) => "to_check",
            "" if context.may(Permission::Propose) => "mine",
            "" => "open",
            asked => asked,
        };
        filter = list_named(usual);
    }
    if let Some(format) = file::asked(&context) {
        return proposals_file(&context, &filter, format);
    }
    let mut ask = context.page_asked();
    // Look-alikes are folded, so many fit on a page.
    ask.limit = Some(200);
    let page = context.review.inbox(&context.actor, &filter, &ask)?;
    let answers = Data {
        filter: &filter,
        page: &page,
        summary: &summary,
        actor: &context.actor,
        now: context.now,
    };
    html(200, &Check::new(frame, &answers))
}

/// All proposals of a list as a file.
pub fn proposals_file(
    context: &PageContext<'_>,
    filter: &ProposalFilter,
    format: &str,
) -> Result<Response, Denied> {
    let mut ask = PageAsk { limit: Some(200), ..PageAsk::default() };
    let mut entries = Vec::new();
    loop {
        let page = context.review.inbox(&context.actor, filter, &ask)?;
        entries.extend(page.items);
        match page.next {
            Some(next) => ask.cursor = Some(next),
            None => break,
        }
    }
    let lines: Vec<_> = entries.iter().map(Line::of).collect();
    file::response(format, "recon-proposals", &lines)
}

/// `wrong`: the problem of an earlier try.
fn several_page(
    context: &PageContext<'_>,
    chosen: &[Chosen],
    which: &str,
    wrong: Option<String>,
    status: u16,
) -> Result<Response, Denied> {
    let (frame, _) = context.frame(Screen::Check)?;
    let one = PageAsk { limit: Some(1), ..PageAsk::default() };
    let mut entries = Vec::with_capacity(chosen.len());
    for chosen in chosen {
        let detail = context.review.proposal(&context.actor, &chosen.proposal_id, &one)?;
        entries
            .push(InboxEntry { item: detail.items.into_iter().next(), proposal: detail.proposal });
    }
    html(status, &Several::new(frame, &entries, which, context.now, wrong))
}

/// Proposals that were ticked in the list: one is approved at once, several after a preview.
pub fn selected(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let which = list_of(&context);
    let values = |name: &'static str| {
        let fields = call.form.iter().filter(move |(own, _)| own == name);
        fields.map(|(_, value)| value.as_str())
    };
    let only = Chosen::parse(values("only"));
    let chosen = if only.is_empty() { Chosen::parse(values("id")) } else { only };
    let [one] = chosen.as_slice() else {
        if chosen.is_empty() {
            return Err(Denied::invalid("", "select some proposals first"));
        }
        return several_page(&context, &chosen, &which, None, 200);
    };
    let ask = PageAsk { limit: Some(1), ..PageAsk::default() };
    let detail = context.review.proposal(&context.actor, &one.proposal_id, &ask)?;
    if detail.proposal.count != 1 {
        return Ok(Response::see_other(&format!("/review/proposals/{}", one.proposal_id)));
    }
    match context.review.approve(&context.actor, &approval(one)) {
        Ok(_) => {
            Ok(redirect(&address(&list_named(&which)), &format!("approved.{}", one.proposal_id)))
        }
        Err(refusal) => proposal::refused(&context, &one.proposal_id, refusal, String::new()),
    }
}

/// Approves the previewed proposals, each by itself; those that can't be are shown again.
pub fn commit(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let which = list_of(&context);
    let sent = call.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.as_str());
    let chosen = Chosen::parse(sent);
    // Each approval is a request of its own.
    let actor = Actor { idempotency: None, ..context.actor.clone() };
    let (mut left, mut why) = (Vec::new(), None);
    for one in &chosen {
        if let Err(refusal) = context.review.approve(&actor, &approval(one)) {
            why.get_or_insert(sentence(&refusal.message));
            left.push(one.clone());
        }
    }
    let Some(why) = why else {
        return Ok(redirect(&address(&list_named(&which)), &format!("several.{}", chosen.len())));
    };
    let (done, all) = (chosen.len() - left.len(), chosen.len());
    let wrong = format!("{done} of {all} were approved. The others were not: {why}");
    several_page(&context, &left, &which, Some(wrong), 409)
}

fn list_of(context: &PageContext<'_>) -> String {
    let list = context.field("list").unwrap_or_default();
    if list == "to_authorize" { list } else { "to_check".to_owned() }
}

fn approval(chosen: &Chosen) -> Approve {
    Approve {
        proposal_id: chosen.proposal_id.clone(),
        if_match: chosen.tag.parse().ok(),
        content_hash: chosen.hash.parse().ok(),
        comments: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_proposals_read_back_each_once() {
        let one = Chosen { proposal_id: "p".into(), tag: "p1-ab".into(), hash: "cd".into() };
        let other = Chosen { proposal_id: "q".into(), ..one.clone() };
        let sent = [format!("{} {}", one.text(), other.text()), one.text(), "nonsense".into()];
        assert_eq!(Chosen::parse(sent.iter().map(String::as_str)), [one, other]);
    }

    #[test]
    fn sums_stay_apart_by_currency() {
        let sum = |currency: &str, sum: &str| AmountSum {
            currency: Some(currency.into()),
            sum: sum.into(),
        };
        let mut sums = Vec::new();
        for one in [sum("EUR", "1.50"), sum("USD", "2"), sum("EUR", "0.25")] {
            add(&mut sums, &one);
        }
        assert_eq!(sums, [sum("EUR", "1.75"), sum("USD", "2")]);
    }
}
