//! The routes of the pages.

use crate::domain::review::Permission;
use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::parameter::{Kind, Parameter};
use crate::server::routes::{Access, Content, Route};

use super::{act, door, look, runs};

type Page = fn(&Call<'_>) -> Result<Response, Denied>;

/// Every route of the pages.
pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        open(Route::get("/", "page_root", door::root)),
        open(Route::get("/review/login", "page_login", door::login_page)),
        open(Route::post("/review/login", "page_log_in", door::log_in)),
        open(Route::post("/review/logout", "page_log_out", door::log_out)),
        open(Route::get("/review/first", "page_first", door::first_page)),
        open(Route::post("/review/first", "page_make_first", door::first)).lasting(),
        shown(Route::get("/review/password", "page_password", door::password_page)).before_change(),
        shown(Route::post("/review/password", "page_change_password", door::change_password))
            .before_change()
            .lasting(),
        shown(Route::post("/review/agree", "page_agree", door::agree)).lasting(),
        open(Route::get("/assets/{file}", "page_asset", door::asset)).takes([Parameter::path(
            "file",
            "The file",
            Kind::Text(100),
        )]),
        shown(Route::get("/review/profile", "page_profile", look::profile)),
        shown(Route::post("/review/profile", "page_set_profile", act::profile)),
        shown(Route::get("/review/help", "page_help", look::help)),
    ];
    let seen: [(&'static str, &'static str, Page); 10] = [
        ("/review", "page_overview", runs::overview),
        ("/review/queue", "page_queue", look::queue),
        ("/review/items/{id}", "page_item", look::item),
        ("/review/check", "page_check", look::check),
        ("/review/proposals/{id}", "page_proposal", look::proposal),
        ("/review/reasons", "page_reasons", look::reasons),
        ("/review/work", "page_work", look::work),
        ("/review/audit", "page_audit", look::audit),
        ("/review/bulk", "page_bulk", look::bulk),
        ("/review/reports", "page_reports", look::reports),
    ];
    for (path, name, handler) in seen {
        let needs: &[Permission] = match name {
            "page_audit" => &[Permission::AuditOwn, Permission::AuditAll],
            "page_bulk" => &[Permission::Propose],
            "page_reports" => &[Permission::Reports],
            _ => &[Permission::View],
        };
        routes.push(with_id(shown(Route::get(path, name, handler)).needs(needs)));
    }
    use Permission::{Authorize, Check, Comment, Propose, ProposeReason};
    let done: [(&'static str, &'static str, Page, &[Permission]); 13] = [
        ("/review/items/{id}/decide", "page_decide", act::decide, &[Propose]),
        ("/review/items/{id}/reopen", "page_reopen", act::decide, &[Propose]),
        ("/review/items/{id}/sample", "page_sample", act::sample, &[Propose]),
        ("/review/items/{id}/comment", "page_comment", act::comment, &[Comment]),
        ("/review/items/{id}/assign", "page_assign", act::assign, &[Propose, Check]),
        ("/review/bulk", "page_select", act::bulk, &[Propose]),
        ("/review/bulk/commit", "page_commit", act::bulk_commit, &[Propose]),
        ("/review/proposals/{id}/approve", "page_approve", act::approve, &[Check, Authorize]),
        ("/review/proposals/{id}/return", "page_return", act::send_back, &[Check, Authorize]),
        ("/review/proposals/{id}/withdraw", "page_withdraw", act::withdraw, &[Propose]),
        ("/review/proposals/{id}/amend", "page_amend", act::amend, &[Propose]),
        ("/review/reasons", "page_propose_reason", act::propose_reason, &[ProposeReason]),
        ("/review/undo", "page_undo", act::undo, &[Propose]),
    ];
    for (path, name, handler, needs) in done {
        routes.push(with_id(shown(Route::post(path, name, handler)).needs(needs)));
    }
    routes
}

fn shown(route: Route) -> Route {
    route
        .page()
        .about("pages", "A page for people")
        .answers(200, "The page", Content::Media("text/html"))
        .answers(303, "On to another page", Content::None)
}

fn open(route: Route) -> Route {
    shown(route).access(Access::Open)
}

fn with_id(route: Route) -> Route {
    if route.path.contains("{id}") {
        return route.takes([Parameter::id("id", "The id")]);
    }
    route
}
