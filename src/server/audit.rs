//! The audit trail: search, verification, export.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::diagnostic::{Code, Problem};
use crate::report::xlsx_table::TableBook;
use crate::review::{Actor, AuditFilter, Checkpoint, Refusal, Verdict};
use crate::store::export::{self, Format};

use super::call::Call;
use super::csv::Table;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::reports::period_parameters;
use super::route::{Content, Route};
use super::runs::{attachment, list_parameters};
use super::schema::Anything;

/// Values of `stage` in audit rows.
pub const STAGES: [&str; 5] = ["MAKER", "CHECKER", "AUTHORIZER", "ADMIN", "SYSTEM"];

pub fn describe(route: Route) -> Route {
    let numbers = || {
        let row = Kind::Integer(1, 1 << 53);
        [
            Parameter::query("from", "First row", row.clone()),
            Parameter::query("to", "Last row", row),
        ]
    };
    match route.operation {
        "audit" => route
            .about("Search the audit trail, newest rows first")
            .description(
                "Each row is one action of a person or of recon, with the values before and \
                 after and the hash that seals it. With only the permission `audit_own` you \
                 see your own rows.",
            )
            .takes(filters())
            .takes(period_parameters())
            .takes([Parameter::limit(), Parameter::cursor()])
            .page_of::<Anything>("Rows"),
        "audit_checkpoint" => route
            .about("Show the end of the hash chain, to keep elsewhere")
            .description(
                "The number of rows and the hash of the last one. Kept elsewhere, it proves \
                 later that no row was removed or changed.",
            )
            .json::<Checkpoint>(200, "The checkpoint"),
        "audit_verify" => route
            .about("Verify the hash chain")
            .description(
                "Computes the hash of each row from the one before and compares. Answers 200 \
                 either way: `ok` is false if the chain is broken, and `first_bad` names the \
                 row.",
            )
            .takes(numbers())
            .json::<Verdict>(200, "The result"),
        "audit_export" => route
            .about("Download the audit trail with its hashes")
            .description(
                "JSON lines and CSV with raw cells can be verified offline with `recon audit verify \
                 --export`, unless they hold only part of the trail. A workbook has at most 1,048,575 rows.",
            )
            .takes(filters())
            .takes(period_parameters())
            .takes(list_parameters())
            .answers(200, "The file", Content::Media("*/*")),
        _ => route,
    }
}

/// Filters of the trail, of the API and of the page.
pub fn filters() -> [Parameter; 5] {
    [
        Parameter::query("actor", "The user", Kind::Text(100)),
        Parameter::query("action", "The action", Kind::Text(50)),
        Parameter::query("stage", "The stage", Kind::One(STAGES.to_vec())),
        Parameter::query("entity", "The id of an item, a proposal or a user", Kind::Text(100)),
        Parameter::query("q", "Text in comments and values", Kind::Text(200)),
    ]
}

/// The parameters are already validated.
pub fn filter(call: &Call<'_>) -> AuditFilter {
    let text = |name: &str| call.text(name).map(str::to_owned);
    AuditFilter {
        actor: text("actor"),
        action: text("action"),
        stage: text("stage"),
        entity: text("entity"),
        from: text("from"),
        to: text("to"),
        q: text("q"),
        ..AuditFilter::default()
    }
}

pub fn search(call: &Call<'_>) -> Result<Response, Denied> {
    call.page(call.review().audit_search(&call.actor()?, &filter(call), &call.page_ask()))
}

pub fn checkpoint(call: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::json(200, &call.review().checkpoint(&call.actor()?)?))
}

pub fn verify(call: &Call<'_>) -> Result<Response, Denied> {
    let actor = call.actor()?;
    if call.app.verifying.swap(true, Ordering::SeqCst) {
        return Err(Denied::new(
            Code::AlreadyVerifying,
            "another verification of the audit chain is running",
        )
        .header("retry-after", "5"));
    }
    let verdict = call.review().verify(&actor, call.number("from"), call.number("to"));
    call.app.verifying.store(false, Ordering::SeqCst);
    Ok(Response::json(200, &verdict?))
}

pub fn download(call: &Call<'_>) -> Result<Response, Denied> {
    let (app, actor, filter) = (Arc::clone(call.app), call.actor()?, filter(call));
    let lines = call.text("format") != Some("csv");
    let safe = call.text("cells") != Some("raw");
    // Permission and filter errors must be raised before the file begins.
    let none = AuditFilter { to_seq: Some(0), ..filter.clone() };
    app.review().audit_export(&actor, &none, &mut |_| Ok(()))?;
    if call.text("format") == Some("xlsx") {
        return workbook(app, actor, filter);
    }
    let (media, ending) =
        if lines { ("application/x-ndjson", "jsonl") } else { ("text/csv; charset=utf-8", "csv") };
    let stream = Box::new(move |out: &mut dyn Write| {
        let gone = |refusal: Refusal| std::io::Error::other(refusal.message);
        let unwritable = |error: &std::io::Error| crate::report::unwritable(error);
        if lines || !safe {
            let format = if lines { Format::Jsonl } else { Format::Csv };
            export::begin(format, out)?;
            return app
                .review()
                .audit_export(&actor, &filter, &mut |row| {
                    export::write(format, row, out).map_err(|error| unwritable(&error))
                })
                .map_err(gone);
        }
        let columns: Vec<&str> = export::columns().collect();
        let mut table = Table::new(out, &columns, safe)?;
        app.review()
            .audit_export(&actor, &filter, &mut |row| {
                let cells = export::cells(row).into_iter().map(Option::unwrap_or_default);
                table.row(&cells.collect::<Vec<_>>()).map_err(|error| unwritable(&error))
            })
            .map_err(gone)?;
        table.finish()
    });
    Ok(attachment(Response::stream(media, stream), &format!("recon-audit.{ending}")))
}

/// A workbook is put together in memory before it is sent.
fn workbook(app: Arc<super::App>, actor: Actor, filter: AuditFilter) -> Result<Response, Denied> {
    let media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let stream = Box::new(move |out: &mut dyn Write| {
        let columns: Vec<&str> = export::columns().collect();
        let failed = |problem: Problem| std::io::Error::other(problem.to_string());
        let mut book = TableBook::new("Audit", &columns).map_err(failed)?;
        let written = app.review().audit_export(&actor, &filter, &mut |row| {
            let cells: Vec<String> =
                export::cells(row).into_iter().map(Option::unwrap_or_default).collect();
            match book.row(&cells)? {
                true => Ok(()),
                false => Err(crate::report::unwritable(&std::io::Error::other(
                    "a sheet has at most 1,048,575 rows",
                ))),
            }
        });
        written.map_err(|refusal| std::io::Error::other(refusal.message))?;
        out.write_all(&book.finish().map_err(failed)?)
    });
    Ok(attachment(Response::stream(media, stream), "recon-audit.xlsx"))
}
