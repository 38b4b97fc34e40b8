//! The whole API on one page; the routes of a screen stand with the screen. The router, the OpenAPI document and the
//! matrix of permissions all come from this table; `describe` of each section adds text for the document only.

use crate::domain::review::Permission::{
    Administer, AuditAll, AuditOwn, Authorize, Check, Comment, Propose, ProposePolicy,
    ProposeReason, Reports, View,
};

use super::http::Method;
use super::lane::Lane::{Export, Health, Watch};
use super::route::Access::{self, LocalOrLoggedIn, LoggedIn, OneOf, Open};
use super::route::{Handler, Route};
use super::{
    admin, audit, auth, decisions, docs, matches, page, proposals, reasons, reports, runs, system,
    workflow,
};

pub(super) const VIEW: Access = OneOf(&[View]);
pub(super) const PROPOSE: Access = OneOf(&[Propose]);
pub(super) const DECIDE: Access = OneOf(&[Check, Authorize]);
pub(super) const CHECK_OR_PROPOSE: Access = OneOf(&[Propose, Check]);
pub(super) const COMMENT: Access = OneOf(&[Comment]);
pub(super) const ADMINISTER: Access = OneOf(&[Administer]);

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
        post("/workflow/items/{id}/comments", "item_comment", workflow::comment, COMMENT),
        put("/workflow/items/{id}/assignee", "item_assign", workflow::assign, CHECK_OR_PROPOSE),
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
        get("/admin/users", "users", admin::users, ADMINISTER),
        post("/admin/users", "user_create", admin::create, ADMINISTER).lasting(),
        patch("/admin/users/{login}", "user_change", admin::change, ADMINISTER).lasting(),
        post("/admin/users/{login}/invitation", "user_invite", admin::invite, ADMINISTER).lasting(),
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
    all.extend(page::routes().into_iter().map(|route| page::describe(Route { tag: "pages", ..route })));
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
        $(pub(super) fn $name(
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
