//! The OpenAPI document, made from the table of routes.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::diagnostic::Code;

use super::http::{Method, phrase};
use super::parameter::{Kind, Location};
use super::refusals;
use super::route::{Access, Content, Route, Schemas, Shape, Surface};

/// An error (RFC 9457).
#[derive(ToSchema)]
#[allow(dead_code, reason = "only for the document; `error` writes it")]
struct Problem {
    /// `urn:recon:problem:<code>`
    r#type: String,
    /// The status phrase
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// An explanation
    detail: String,
    /// The error code
    code: String,
    /// The request id
    instance: String,
    /// Details about several fields
    #[schema(nullable = false)]
    errors: Option<Vec<ProblemDetail>>,
    /// The open proposal that blocks this.
    #[schema(nullable = false)]
    proposal: Option<String>,
    /// The item that is to be decided instead.
    #[schema(nullable = false)]
    item: Option<String>,
}

/// A detail of an error.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "only for the document; `error` writes it")]
#[serde(deny_unknown_fields)]
struct ProblemDetail {
    /// The field, parameter or item in question.
    pointer: String,
    detail: String,
}

/// Error statuses of every route, the names of their responses, and their codes.
const COMMON: &[(u16, &str, &[Code])] = &[
    (400, "Malformed", &[Code::Malformed, Code::MalformedJson, Code::AmbiguousIdentity]),
    (401, "Unauthorized", &[Code::Unauthorized]),
    (403, "Forbidden", &[Code::MissingPermission, Code::CrossOrigin, Code::PasswordChangeRequired]),
    (404, "NotFound", &[Code::NotFound]),
    (405, "MethodNotAllowed", &[Code::MethodNotAllowed]),
    (406, "NotAcceptable", &[Code::NotAcceptable]),
    (408, "Timeout", &[Code::Timeout]),
    (413, "TooLarge", &[Code::TooLarge]),
    (414, "UriTooLong", &[Code::Malformed]),
    (415, "UnsupportedMediaType", &[Code::UnsupportedMediaType]),
    (421, "Misdirected", &[Code::Misdirected]),
    (422, "Invalid", &[Code::Invalid]),
    (429, "TooManyRequests", &[Code::TooManyRequests]),
    (431, "HeadTooLarge", &[Code::Malformed]),
    (500, "Internal", &[Code::Internal]),
    (503, "Unavailable", &[Code::Unavailable]),
];

/// The document of the API, without the routes of pages.
pub fn document(routes: &[Route]) -> Value {
    let api: Vec<&Route> = routes.iter().filter(|route| route.surface == Surface::Api).collect();
    document_of(&api, &Route::documented_path)
}

/// The document of every route, with the paths as the table of routes has them.
pub fn whole(routes: &[Route]) -> Value {
    document_of(&routes.iter().collect::<Vec<_>>(), &|route| route.path.to_owned())
}

fn document_of(routes: &[&Route], path_of: &dyn Fn(&Route) -> String) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    // Every refusal refers to it.
    Shape::of::<Problem>().schema(&mut schemas);
    for route in routes {
        let operation = operation(route, &mut schemas);
        let path = paths.entry(path_of(route)).or_insert_with(|| json!({}));
        path[route.method.name().to_ascii_lowercase()] = operation;
    }
    let schemas: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| {
            let mut schema = serde_json::to_value(schema).unwrap_or_default();
            either(&mut schema);
            let meaning = meaning(&name);
            if !meaning.is_empty() && schema["description"].is_null() {
                schema["description"] = meaning.into();
            }
            (name, schema)
        })
        .collect();
    super::example::add(&mut paths, &schemas);
    // In the order of the table of routes: the most needed ones come first.
    let mut tags: Vec<&str> = Vec::new();
    for route in routes {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "recon",
            "description": INTRODUCTION,
            "version": "1",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server" }],
        "tags": tags.iter().map(|tag| json!({ "name": tag, "description": noun(tag) }))
            .collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": common(),
            "headers": {
                "RequestId": {
                    "description": "The request id, as in access log and audit trail",
                    "schema": { "type": "string" },
                },
                "ETag": {
                    "description": "The version of the answer",
                    "schema": { "type": "string" },
                },
                "Link": {
                    "description": "The next page, if any",
                    "schema": { "type": "string" },
                },
                "Location": {
                    "description": "The address",
                    "schema": { "type": "string" },
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token created with `recon token` or `POST /auth/tokens`",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "recon",
                    "description": "The cookie of `POST /auth/login` (`__Host-recon` over https)",
                },
            },
        },
    })
}

/// Turns a nullable `oneOf` into `anyOf`: if the other choice accepts null too, `oneOf` would
/// reject it.
fn either(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let nullable = members
                .get("oneOf")
                .and_then(Value::as_array)
                .is_some_and(|choices| choices.iter().any(|choice| choice["type"] == "null"));
            if nullable && let Some(choices) = members.remove("oneOf") {
                members.insert("anyOf".to_owned(), choices);
            }
            members.values_mut().for_each(either);
        }
        Value::Array(items) => items.iter_mut().for_each(either),
        _ => {}
    }
}

/// Introduction for readers of the API.
const INTRODUCTION: &str = "Review of the differences between two systems.\n\n\
    An *item* is one difference with its likely reason. A maker decides it (`POST /workflow/resolve`), which makes a \
    *proposal*; a checker approves it, and if it needs six eyes, an authorizer, too \
    (`POST /v1/workflow/proposals/{id}/approve`). Then the item is settled, or a confirmed break. Every step is a row of \
    the audit trail.\n\n\
    Programs send a token: `Authorization: Bearer TOKEN` (`recon token create`). Every error is a problem document \
    (RFC 9457) whose `code` says what is wrong. Lists take `limit` and `cursor`; the header `Link` names the next page. \
    A client that changes a proposal or decides an item again sends the `ETag` it saw as `If-Match`, so that nobody decides \
    about what they have not seen. A request with an `Idempotency-Key` can be repeated: it acts once.\n\n\
    Paths without `/v1` work as well. Amounts are decimal strings; times are RFC 3339 in UTC.";

/// Describes the values of enumerations, and other types without a description of their own.
fn meaning(schema: &str) -> &'static str {
    match schema {
        "Action" | "ActionName" => {
            "A maker's decision. `APPROVE`: the likeliest reason is right. `OVERRIDE`: another reason is. `REJECT`: a \
             confirmed break, which no reason explains."
        }
        "Eyes" => {
            "How many eyes a decision needs: 2 (the maker alone), 4 (and a checker) or 6 (and an authorizer)."
        }
        "ProposalKind" => {
            "What a proposal is about. `ATTRIBUTION`: one item. `BULK`: many items, or a match by hand. `REOPEN`: an \
             item that was decided before. `REASON_CODE`: a new reason code. `RULE`, `POLICY`: a change of how recon \
             decides."
        }
        "ProposalState" => {
            "Where a proposal is. `OPEN`: awaits a checker. `CHECKED`: awaits an authorizer. `APPLIED`: approved and \
             in effect. `RETURNED`: sent back by a checker or authorizer. `WITHDRAWN`: taken back by its maker. \
             `STALE`: its items changed meanwhile. `EXPIRED`: nobody approved it in time."
        }
        "Trigger" => {
            "Why a decision needs six eyes. `REASON_CODE`: a reason code is new or changes. `CONFIDENT_OVERRIDE`: \
             recon was quite sure of another reason. `AMOUNT`: the amount reaches the threshold of its currency, or \
             has none. `REGULATORY`: the field or type is regulated. `FIRST_OF_SIGNATURE`: the first decision about \
             this group. `FUNCTIONAL_CHANGE`: a functional reason becomes an error, or the reverse. `POLICY`: a \
             change of the policy. `REOPEN`: people had decided it before. `BULK`: many items or a large sum at once. \
             `SPLITTING`: one maker's proposals about one group add up to a large sum."
        }
        "Role" | "RoleName" => {
            "A role: `analyst` proposes, `senior` also proposes reason codes, `supervisor` also checks, `manager` also \
             authorizes; `auditor` reads everything and decides nothing, `admin` manages users and decides nothing."
        }
        "Permission" | "ScopeName" => {
            "Something that a user or token may do; each operation says what it needs."
        }
        "ContentHash" => {
            "The SHA-256 of a proposal's content, in hexadecimal. An approval names it."
        }
        "Object" | "Value" => "Any JSON value.",
        _ => "",
    }
}

fn noun(tag: &str) -> &'static str {
    match tag {
        "workflow" => "The queue and the decisions about its items",
        "proposals" => "Decisions that need four or six eyes",
        "reasons" => "Reason codes",
        "runs" => "Runs and their differences",
        "audit" => "The audit trail",
        "reports" => "Lists for auditors",
        "auth" => "Log-in, sessions and tokens",
        "admin" => "Users and the policy",
        "system" => "The server itself",
        "docs" => "This document",
        "page" => "Pages for people",
        _ => "More",
    }
}

fn common() -> Value {
    let all =
        COMMON.iter().map(|(status, name, codes)| ((*name).to_owned(), refusal(*status, codes)));
    all.collect::<Map<_, _>>().into()
}

/// A response that refuses a request, with the meaning of each of its codes.
fn refusal(status: u16, codes: &[Code]) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    let text = json!({ "schema": { "type": "string" } });
    match status {
        401 => headers["WWW-Authenticate"] = text,
        405 => headers["Allow"] = text,
        429 | 503 => headers["Retry-After"] = text,
        _ => {}
    }
    let meanings: Vec<String> = codes
        .iter()
        .map(|code| format!("`{code}`: {} {}", code.meaning(), code.remedy()))
        .collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (code.name().to_owned(), json!({ "value": example(status, *code) })))
        .collect();
    json!({
        "description": meanings.join("\n\n"),
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
    })
}

fn example(status: u16, code: Code) -> Value {
    json!({
        "type": format!("urn:recon:problem:{code}"),
        "title": phrase(status),
        "status": status,
        "detail": code.meaning(),
        "code": code.name(),
        "instance": "0190b5a0-0000-7000-8000-000000000001",
    })
}

/// The refusals of an operation by status: those of every operation, and its own codes.
fn refusals(route: &Route) -> Map<String, Value> {
    let mut own = refusals::of(route.operation);
    if route.parameters.iter().any(|parameter| parameter.kind == Kind::Run) {
        own.push(Code::RunAmbiguous);
    }
    let mut refused: Map<String, Value> = COMMON
        .iter()
        .map(|(status, name, _)| {
            let reference = format!("#/components/responses/{name}");
            (status.to_string(), json!({ "$ref": reference }))
        })
        .collect();
    let statuses: BTreeSet<u16> = own.iter().map(|code| code.status()).collect();
    for status in statuses {
        let general = COMMON.iter().find(|(known, ..)| *known == status);
        let general = general.map_or(&[][..], |(.., codes)| *codes);
        let of_status = own.iter().filter(|code| code.status() == status);
        let codes: Vec<Code> = of_status.chain(general).copied().collect();
        refused.insert(status.to_string(), refusal(status, &codes));
    }
    refused
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut responses = refusals(route);
    for answer in &route.answers {
        let mut headers = Map::new();
        let mut header = |name: &str, component: &str| {
            let reference = json!({ "$ref": format!("#/components/headers/{component}") });
            headers.insert(name.to_owned(), reference);
        };
        header("X-Request-Id", "RequestId");
        if route.tagged && answer.status < 400 {
            header("ETag", "ETag");
        }
        if route.paged && answer.status == 200 {
            header("Link", "Link");
        }
        if matches!(answer.status, 303 | 308) || (answer.status == 201 && route.located) {
            header("Location", "Location");
        }
        let mut response = json!({ "description": answer.description, "headers": headers });
        match answer.content {
            Content::None => {}
            Content::Json(shape) => {
                let schema = serde_json::to_value(shape.schema(schemas)).unwrap_or_default();
                response["content"] = json!({ "application/json": { "schema": schema } });
            }
            Content::Media(media) => {
                let entry = &mut response["content"][media];
                *entry = json!({ "schema": { "type": "string" } });
            }
        }
        responses.insert(answer.status.to_string(), response);
    }
    responses.sort_keys();
    let parameters: Vec<Value> = route.parameters.iter().map(parameter).collect();
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
        "security": security(&route.access),
    });
    let mut description = route.description.to_owned();
    if let Access::OneOf(permissions) = &route.access {
        let names: Vec<String> = permissions.iter().map(|one| format!("`{one}`")).collect();
        let needs = format!("Needs the permission {}.", names.join(" or "));
        description = if description.is_empty() { needs } else { format!("{description} {needs}") };
    }
    operation["description"] =
        if description.is_empty() { format!("{}.", route.summary) } else { description }.into();
    if let Some(shape) = route.body {
        let schema = serde_json::to_value(shape.schema(schemas)).unwrap_or_default();
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    } else if route.surface == Surface::Page && route.method == Method::Post {
        operation["requestBody"] = json!({
            "required": false,
            "content": { "application/x-www-form-urlencoded": { "schema": { "type": "object" } } },
        });
    }
    operation
}

fn parameter(parameter: &super::parameter::Parameter) -> Value {
    let mut shown = json!({
        "name": parameter.name,
        "in": match parameter.location {
            Location::Path => "path",
            Location::Query => "query",
            Location::Header => "header",
        },
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema(),
    });
    if let Some(example) = parameter.example {
        let number = matches!(shown["schema"]["type"].as_str(), Some("integer" | "number"));
        let value = serde_json::from_str(example).ok().filter(|_| number);
        shown["example"] = value.unwrap_or_else(|| example.into());
    }
    shown
}

fn security(access: &Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::LocalOrLoggedIn => json!([{}, { "token": [] }, { "session": [] }]),
        Access::LoggedIn | Access::OneOf(_) => json!([{ "token": [] }, { "session": [] }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes;

    #[test]
    fn document_and_table_have_the_same_routes() {
        let routes = routes::all();
        let told = |document: &Value| -> BTreeSet<String> {
            let operations = document["paths"].as_object().unwrap().iter();
            operations
                .flat_map(|(path, item)| {
                    item.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
                })
                .collect()
        };
        let named = |route: &Route, path: &str| {
            format!("{} {path}", route.method.name().to_ascii_lowercase())
        };
        let own: BTreeSet<String> = routes.iter().map(|route| named(route, route.path)).collect();
        assert_eq!(told(&whole(&routes)), own);
        let api = routes.iter().filter(|route| route.surface == Surface::Api);
        let api: BTreeSet<String> =
            api.map(|route| named(route, &route.documented_path())).collect();
        assert_eq!(told(&document(&routes)), api);
        assert_eq!(own.len(), routes.len(), "two routes are the same");
        let operations: BTreeSet<&str> = routes.iter().map(|route| route.operation).collect();
        assert_eq!(operations.len(), routes.len(), "two operations have one name");
    }

    #[test]
    fn every_operation_is_described() {
        let routes = routes::all();
        for route in &routes {
            let name = route.operation;
            assert!(!route.tag.is_empty() && !route.summary.is_empty(), "{name}");
            assert!(route.answers.iter().any(|answer| answer.status < 400), "{name}");
            let is_plain = route.surface == Surface::Page || !route.description.is_empty();
            assert!(is_plain, "{name} is not explained");
            for segment in route.path.split('/').filter(|segment| segment.starts_with('{')) {
                let parameter = segment.trim_matches(['{', '}']);
                let found = route.parameters_in(Location::Path).any(|own| own.name == parameter);
                assert!(found, "{name}: {parameter} is not described");
            }
        }
        let document = whole(&routes);
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name} is not explained");
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let pointer = reference.split('"').next().unwrap().trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
    }
}
