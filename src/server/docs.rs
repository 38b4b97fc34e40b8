//! The OpenAPI document, and Swagger UI for it from files inside the program.

use std::io::{Cursor, Read};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::result::ZipResult;
use zip::{CompressionMethod, ZipArchive};

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

/// Swagger UI with the document as its page. Without `validatorUrl` it would load a badge from an external validator.
const INITIALIZER: &str = r##"window.onload = () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayOperationId: true,
    validatorUrl: "none",
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  });
};
"##;

fn served(call: &Call<'_>, name: &str) -> Result<Response, Denied> {
    let content_type = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "png" => "image/png",
        _ => return Err(Denied::not_found()),
    };
    if name == "swagger-initializer.js" {
        return Ok(with_headers(Response::with_body(
            200,
            content_type,
            INITIALIZER.as_bytes().to_vec(),
        )));
    }
    let (bytes, is_gzip) = vendored(name)
        .map_err(|error| Denied::internal(error.to_string()))?
        .ok_or_else(Denied::not_found)?;
    let accepted = call.request.headers.accepts_gzip();
    let mut response = if is_gzip && !accepted {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*bytes)
            .read_to_end(&mut plain)
            .map_err(|error| Denied::internal(error.to_string()))?;
        Response::with_body(200, content_type, plain)
    } else {
        Response::with_body(200, content_type, bytes)
    };
    if is_gzip && accepted {
        response.set("content-encoding", "gzip");
    }
    Ok(with_headers(response))
}

fn with_headers(response: Response) -> Response {
    response
        .header("content-security-policy", POLICY)
        .header("vary", "Accept-Encoding")
        .header("cache-control", "no-cache")
}

/// A file of Swagger UI, and whether it is gzip (RFC 1952): the bytes as they are deflated in the archive, with gzip's
/// header and trailer.
fn vendored(name: &str) -> ZipResult<Option<(Vec<u8>, bool)>> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    let is_wanted = |path: &str| {
        path.split_once('/').and_then(|(_, path)| path.strip_prefix("dist/")) == Some(name)
    };
    let names = (0..archive.len()).map(|index| (index, archive.name_for_index(index)));
    let found = names
        .filter_map(|(index, name)| Some((index, name?.ok()?)))
        .find_map(|(index, path)| is_wanted(&path).then_some(index));
    let Some(index) = found else { return Ok(None) };
    let mut file = archive.by_index_raw(index)?;
    let is_deflated = file.compression() == CompressionMethod::Deflated;
    let mut bytes = Vec::new();
    if is_deflated {
        bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }
    file.read_to_end(&mut bytes)?;
    if is_deflated {
        bytes.extend(file.crc32().to_le_bytes());
        // The size modulo 2^32 (RFC 1952, section 2.3.1).
        bytes.extend(&file.size().to_le_bytes()[..4]);
    }
    Ok(Some((bytes, is_deflated)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deflated_files_of_the_archive_are_valid_gzip() {
        for name in ["index.html", "swagger-ui-bundle.js", "swagger-ui.css"] {
            let (bytes, is_gzip) = vendored(name).unwrap().unwrap();
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain).unwrap();
            assert!(is_gzip && plain.len() > 500, "{name}");
        }
        let (picture, is_gzip) = vendored("favicon-16x16.png").unwrap().unwrap();
        assert!(!is_gzip && picture.starts_with(b"\x89PNG"));
        assert!(vendored("no-such.js").unwrap().is_none());
    }
}
