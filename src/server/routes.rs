//! The whole API on one page. The router, the OpenAPI document and the matrix of permissions all
//! come from this table; `describe` of each section adds what only the document says.

use crate::domain::review::Permission::{
    Administer, AuditAll, AuditOwn, Authorize, Check, Comment, Propose, ProposePolicy,
    ProposeReason, Reports, View,
};

use super::http::Method;
use super::lane::Lane::{Export, Health, Watch};
use super::page::{forms, login, screens};
use super::route::Access::{self, LocalOrLoggedIn, LoggedIn, OneOf, Open};
use super::route::{Handler, Route};
use super::{
    admin, audit, auth, decisions, docs, matches, page, proposals, reasons, reports, runs, system,
    workflow,
};

const VIEW: Access = OneOf(&[View]);
const PROPOSE: Access = OneOf(&[Propose]);
const DECIDE: Access = OneOf(&[Check, Authorize]);

#[rustfmt::skip]
pub fn all() -> Vec<Route> {
    let mut all = Vec::new();

    all.extend(section("workflow", workflow::describe, [
        get("/workflow/queue", "queue", workflow::queue, VIEW),
        get("/workflow/export", "queue_export", runs::export_queue, VIEW).lane(Export),
        get("/workflow/groups", "groups", workflow::groups, VIEW),
        get("/workflow/summary", "summary", workflow::summary, VIEW),
        get("/workflow/items/{id}", "item", workflow::item, VIEW),
        get("/workflow/items/{id}/history", "item_history", workflow::history, VIEW),
        get("/workflow/items/{id}/similar", "item_similar", workflow::similar, VIEW),
        post("/workflow/items/{id}/comments", "item_comment", workflow::comment, OneOf(&[Comment])),
        put("/workflow/items/{id}/assignee", "item_assign", workflow::assign, OneOf(&[Propose, Check])),
    ]));
    all.extend(section("workflow", decisions::describe, [
        post("/workflow/resolve", "resolve", decisions::resolve, PROPOSE),
        post("/workflow/items/{id}/reopen", "reopen", decisions::reopen, PROPOSE),
        post("/workflow/items/{id}/sample", "sample", decisions::sample, PROPOSE),
        post("/workflow/bulk/preview", "bulk_preview", decisions::preview, PROPOSE),
        post("/workflow/bulk", "bulk_commit", decisions::commit, PROPOSE),
    ]));
    all.extend(section("workflow", matches::describe, [
        get("/workflow/items/{id}/candidates", "match_candidates", matches::candidates, VIEW),
        post("/workflow/matches/preview", "match_preview", matches::preview, PROPOSE),
        post("/workflow/matches", "match", matches::propose, PROPOSE),
        post("/workflow/matches/{id}/unmatch", "unmatch", matches::unmatch, PROPOSE),
    ]));
    all.extend(section("proposals", proposals::describe, [
        get("/workflow/proposals", "proposals", proposals::list, VIEW),
        get("/workflow/proposals/{id}", "proposal", proposals::show, VIEW),
        put("/workflow/proposals/{id}", "proposal_amend", proposals::amend, PROPOSE),
        post("/workflow/proposals/{id}/approve", "proposal_approve", proposals::approve, DECIDE),
        post("/workflow/proposals/{id}/return", "proposal_return", proposals::send_back, DECIDE),
        post("/workflow/proposals/{id}/withdraw", "proposal_withdraw", proposals::withdraw, OneOf(&[Propose, ProposePolicy])),
    ]));
    all.extend(section("reasons", reasons::describe, [
        get("/reasons", "reasons", reasons::list, VIEW),
        post("/reasons/proposals", "reason_propose", reasons::propose, OneOf(&[ProposeReason])),
    ]));
    all.extend(section("runs", runs::describe, [
        get("/runs", "runs", runs::list, VIEW),
        get("/runs/{id}", "run", runs::show, VIEW),
        get("/runs/{id}/differences", "run_differences", runs::differences, VIEW),
        get("/runs/{id}/export", "run_export", runs::export, VIEW).lane(Export),
    ]));
    all.extend(section("audit", audit::describe, [
        get("/audit", "audit", audit::search, OneOf(&[AuditOwn, AuditAll])),
        get("/audit/checkpoint", "audit_checkpoint", audit::checkpoint, OneOf(&[AuditAll])),
        get("/audit/verify", "audit_verify", audit::verify, OneOf(&[AuditAll])),
        get("/audit/export", "audit_export", audit::download, OneOf(&[AuditAll])).lane(Export),
    ]));
    all.extend(section("reports", reports::describe, [
        get("/reports/overrides", "report_overrides", reports::overrides, OneOf(&[Reports])),
        get("/reports/access", "report_access", reports::access, OneOf(&[Reports])),
    ]));
    all.extend(section("auth", auth::describe, [
        post("/auth/login", "login", auth::login, Open),
        post("/auth/logout", "logout", auth::logout, Open),
        post("/auth/password", "password_change", auth::change_password, LoggedIn).before_change().lasting(),
        get("/auth/logins", "logins", auth::logins, LoggedIn),
        post("/auth/logins/{login}/agree", "login_agree", auth::agree, LoggedIn).lasting(),
        get("/auth/me", "me", auth::me, LoggedIn).before_change(),
        get("/auth/tokens", "tokens", auth::list, LoggedIn),
        post("/auth/tokens", "token_create", auth::create, LoggedIn).lasting(),
        delete("/auth/tokens/{id}", "token_revoke", auth::revoke, LoggedIn).lasting(),
    ]));
    all.extend(section("admin", admin::describe, [
        get("/admin/users", "users", admin::users, OneOf(&[Administer])),
        post("/admin/users", "user_create", admin::create, OneOf(&[Administer])).lasting(),
        patch("/admin/users/{login}", "user_change", admin::change, OneOf(&[Administer])).lasting(),
        post("/admin/users/{login}/invitation", "user_invite", admin::invite, OneOf(&[Administer])).lasting(),
        get("/admin/policy", "policy", admin::show_policy, OneOf(&[ProposePolicy, Administer])),
        post("/admin/policy/proposals", "policy_propose", admin::propose_policy, OneOf(&[ProposePolicy])),
    ]));
    all.extend(section("docs", docs::describe, [
        get("/openapi.json", "openapi", docs::document, Open),
        get("/docs", "docs", docs::redirect, Open),
        get("/docs/", "docs_index", docs::index, Open),
        get("/docs/{file}", "docs_file", docs::file, Open),
    ]));
    all.extend(section("system", system::describe, [
        get("/health", "health", system::health, Open).lane(Health),
        get("/ready", "ready", system::ready, Open).lane(Watch),
        get("/metrics", "metrics", system::metrics, LocalOrLoggedIn).lane(Watch),
    ]));
    all.extend(section("pages", page::describe, [
        get("/", "page_root", login::root, Open),
        get("/review/login", "page_login", login::login_page, Open),
        post("/review/login", "page_log_in", login::log_in, Open),
        post("/review/logout", "page_log_out", login::log_out, Open),
        get("/review/first", "page_first", login::first_page, Open),
        post("/review/first", "page_make_first", login::first, Open).lasting(),
        get("/review/password", "page_password", login::password_page, LoggedIn).before_change(),
        post("/review/password", "page_change_password", login::change_password, LoggedIn).before_change().lasting(),
        post("/review/agree", "page_agree", login::agree, LoggedIn).lasting(),
        get("/assets/{file}", "page_asset", login::asset, Open),
        get("/review/profile", "page_profile", screens::profile, LoggedIn),
        post("/review/profile", "page_set_profile", forms::profile, LoggedIn),
        post("/review/profile/tokens", "page_create_token", page::account::create_token, LoggedIn).lasting(),
        post("/review/profile/tokens/revoke", "page_revoke_token", page::account::revoke_token, LoggedIn).lasting(),
        post("/review/profile/sessions", "page_end_session", page::account::end_session, LoggedIn),
        get("/review/help", "page_help", screens::help, LoggedIn),
        get("/review", "page_overview", page::runs::overview, VIEW),
        get("/review/breaks", "page_breaks", page::breaks::show, VIEW),
        get("/review/statement", "page_statement", page::statement::show, VIEW),
        get("/review/queue", "page_queue", screens::queue, VIEW),
        get("/review/items/{id}", "page_item", screens::item, VIEW),
        get("/review/items/{id}/why", "page_why", page::why::show, VIEW),
        get("/review/match", "page_match", page::by_hand::show, PROPOSE),
        get("/review/check", "page_check", screens::check, VIEW),
        get("/review/proposals/{id}", "page_proposal", screens::proposal, VIEW),
        get("/review/reasons", "page_reasons", screens::reasons, VIEW),
        get("/review/work", "page_work", screens::work, VIEW),
        get("/review/audit", "page_audit", screens::audit, OneOf(&[AuditOwn, AuditAll])),
        get("/review/bulk", "page_bulk", screens::bulk, PROPOSE),
        get("/review/reports", "page_reports", screens::reports, OneOf(&[Reports])),
        post("/review/items/{id}/decide", "page_decide", forms::decide, PROPOSE),
        post("/review/items/{id}/reopen", "page_reopen", forms::decide, PROPOSE),
        post("/review/items/{id}/sample", "page_sample", forms::sample, PROPOSE),
        post("/review/items/{id}/comment", "page_comment", forms::comment, OneOf(&[Comment])),
        post("/review/items/{id}/assign", "page_assign", forms::assign, OneOf(&[Propose, Check])),
        post("/review/views", "page_save_view", page::views::save, VIEW).lasting(),
        post("/review/views/delete", "page_delete_view", page::views::delete, VIEW),
        post("/review/match", "page_propose_match", page::by_hand::propose, PROPOSE),
        post("/review/matches/{id}/unmatch", "page_unmatch", page::by_hand::unmatch, PROPOSE),
        post("/review/bulk", "page_select", forms::bulk, PROPOSE),
        post("/review/bulk/commit", "page_commit", forms::bulk_commit, PROPOSE),
        post("/review/check", "page_check_selected", forms::check, DECIDE),
        post("/review/check/commit", "page_check_commit", forms::check_commit, DECIDE),
        post("/review/proposals/{id}/approve", "page_approve", forms::approve, DECIDE),
        post("/review/proposals/{id}/return", "page_return", forms::send_back, DECIDE),
        post("/review/proposals/{id}/withdraw", "page_withdraw", forms::withdraw, PROPOSE),
        post("/review/proposals/{id}/amend", "page_amend", forms::amend, PROPOSE),
        post("/review/reasons", "page_propose_reason", forms::propose_reason, OneOf(&[ProposeReason])),
        get("/review/people", "page_people", page::people::screen, OneOf(&[Administer])),
        post("/review/people", "page_invite", page::people::create, OneOf(&[Administer])).lasting(),
        post("/review/people/{login}", "page_change_person", page::people::change, OneOf(&[Administer])).lasting(),
        post("/review/people/{login}/invitation", "page_invitation", page::people::invite, OneOf(&[Administer])).lasting(),
        post("/review/undo", "page_undo", forms::undo, PROPOSE),
    ]));
    all
}

fn section<const N: usize>(
    tag: &'static str,
    describe: fn(Route) -> Route,
    routes: [Route; N],
) -> [Route; N] {
    routes.map(|route| describe(Route { tag, ..route }))
}

macro_rules! methods {
    ($($name:ident $method:ident,)+) => {
        $(fn $name(
            path: &'static str,
            operation: &'static str,
            handler: Handler,
            access: Access,
        ) -> Route {
            Route::new(Method::$method, path, operation, handler, access)
        })+
    };
}

methods! { get Get, post Post, put Put, patch Patch, delete Delete, }
