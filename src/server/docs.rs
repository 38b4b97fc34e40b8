//! The OpenAPI document, and Swagger UI for it from files inside the program.

use std::io::Read;
use std::sync::{Arc, OnceLock};

use utoipa_swagger_ui::Config;

use super::call::Call;
use super::error::Denied;
use super::http::Response;
use super::parameter::{Kind, Parameter};
use super::route::{Content, Route};

/// Swagger UI uses inline styles and `data:` images; its scripts are files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'";

pub fn describe(route: Route) -> Route {
    match route.operation {
        "openapi" => route
            .about("Show this document")
            .description("The API as OpenAPI 3.1.")
            .answers(200, "An OpenAPI 3.1 document", Content::Media("application/json")),
        "docs" => route.about("Redirect to Swagger UI").description("To `/docs/`.").answers(
            308,
            "To `/docs/`",
            Content::None,
        ),
        "docs_index" => route
            .about("Show this document as a page")
            .description("With Swagger UI, which needs nothing from elsewhere.")
            .answers(200, "A page", Content::Media("text/html")),
        "docs_file" => route
            .about("A file of Swagger UI")
            .description("Its script, style or picture.")
            .takes([Parameter::path(
                "file",
                "The file's name",
                Kind::Pattern("^[a-z0-9-]{1,40}\\.[a-z]{2,4}$"),
            )
            .example("index.html")])
            .answers(200, "The file", Content::Media("*/*")),
        _ => route,
    }
}

fn may_read(call: &Call<'_>) -> Result<(), Denied> {
    if call.app.settings.docs_need_login { call.person().map(|_| ()) } else { Ok(()) }
}

pub fn document(call: &Call<'_>) -> Result<Response, Denied> {
    may_read(call)?;
    Ok(Response::with_body(200, "application/json", call.app.document().to_vec()))
}

pub fn redirect(_: &Call<'_>) -> Result<Response, Denied> {
    Ok(Response::new(308).header("location", "/docs/"))
}

pub fn index(call: &Call<'_>) -> Result<Response, Denied> {
    may_read(call)?;
    served(call, "index.html")
}

pub fn file(call: &Call<'_>) -> Result<Response, Denied> {
    may_read(call)?;
    served(call, call.path("file"))
}

fn config() -> Arc<Config<'static>> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let made = || {
        // Otherwise the page would load a badge from an external validator.
        Arc::new(Config::from("/openapi.json").validator_url("none").display_operation_id(true))
    };
    Arc::clone(CONFIG.get_or_init(made))
}

fn served(call: &Call<'_>, name: &str) -> Result<Response, Denied> {
    let found = utoipa_swagger_ui::serve(name, config())
        .map_err(|error| Denied::internal(error.to_string()))?
        .ok_or_else(Denied::not_found)?;
    let mut content_type = found.content_type;
    if content_type.starts_with("text/") && !content_type.contains("charset") {
        content_type.push_str("; charset=utf-8");
    }
    let zipped = found.gzpipped;
    let accepted = call.request.headers.accepts_gzip();
    let mut response = if zipped && !accepted {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*found.bytes)
            .read_to_end(&mut plain)
            .map_err(|error| Denied::internal(error.to_string()))?;
        Response::with_body(200, &content_type, plain)
    } else {
        Response::with_body(200, &content_type, found.bytes.into_owned())
    };
    if zipped && accepted {
        response.set("content-encoding", "gzip");
    }
    Ok(response
        .header("content-security-policy", POLICY)
        .header("vary", "Accept-Encoding")
        .header("cache-control", "no-cache"))
}
