//! A route: its row in the table of [`routes`](super::routes), and the descriptions from its handler's file for the
//! OpenAPI document.

use std::borrow::Cow;

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::review::Permission;

use super::call::Call;
use super::error::Denied;
use super::http::{Method, Response};
use super::lane::Lane;
use super::parameter::{Location, Parameter};

pub type Handler = fn(&Call<'_>) -> Result<Response, Denied>;

/// The permission that a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    /// Clients on this machine, and users who are logged in.
    LocalOrLoggedIn,
    LoggedIn,
    /// Users who have one of these permissions.
    OneOf(&'static [Permission]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// For programs: JSON bodies, JSON problems.
    Api,
    /// For people: HTML forms, HTML problem pages.
    Page,
}

/// The named schemas that the document's other parts refer to.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// The schema of a JSON document.
#[derive(Clone, Copy)]
pub struct Shape(fn(&mut Schemas) -> RefOr<Schema>);

impl Shape {
    pub fn of<T: ToSchema>() -> Self {
        Self(reference::<T>)
    }

    pub fn list_of<T: ToSchema>() -> Self {
        Self(|schemas| {
            let items = reference::<T>(schemas);
            RefOr::T(Schema::Array(ArrayBuilder::new().items(items).build()))
        })
    }

    /// One page of a list.
    pub fn page_of<T: ToSchema>() -> Self {
        Self(|schemas| {
            let items = reference::<T>(schemas);
            let text = |description: &str| {
                ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                    .description(Some(description))
            };
            let total = ObjectBuilder::new().schema_type(Type::Integer).description(Some(
                "Number of all matching elements, if `count=exact` asked for it",
            ));
            let page = ObjectBuilder::new()
                .property("items", ArrayBuilder::new().items(items).build())
                .property("next", text("Cursor of the next page; null on the last page"))
                .property("total", total)
                .required("items")
                .required("next");
            RefOr::T(Schema::Object(page.build()))
        })
    }

    /// The schema itself; those it refers to are added to `schemas`.
    pub fn schema(self, schemas: &mut Schemas) -> RefOr<Schema> {
        (self.0)(schemas)
    }
}

fn reference<T: ToSchema>(schemas: &mut Schemas) -> RefOr<Schema> {
    let name: Cow<'static, str> = T::name();
    schemas.push((name.to_string(), <T as PartialSchema>::schema()));
    T::schemas(schemas);
    RefOr::Ref(Ref::from_schema_name(name.to_string()))
}

#[derive(Clone, Copy)]
pub enum Content {
    None,
    Json(Shape),
    /// Something else of this media type.
    Media(&'static str),
}

/// An answer that a route may give.
#[derive(Clone, Copy)]
pub struct ResponseSpec {
    pub status: u16,
    pub description: &'static str,
    pub content: Content,
}

pub struct Route {
    pub method: Method,
    /// With `{names}` for segments that vary.
    pub path: &'static str,
    /// The `operationId`.
    pub operation: &'static str,
    pub handler: Handler,
    pub access: Access,
    pub lane: Lane,
    /// Also answers users who must first change a password that someone else chose.
    pub before_change: bool,
    /// Creates or changes users, logins or tokens: refused with `--solo`.
    pub lasting: bool,
    pub surface: Surface,
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    pub parameters: Vec<Parameter>,
    pub body: Option<Shape>,
    /// Without those that every route may give.
    pub answers: Vec<ResponseSpec>,
    /// Answers carry their version (`ETag`).
    pub tagged: bool,
    /// Answers are pages of a list (`Link`).
    pub paged: bool,
    /// Answers with 201 have the address of what was made (`Location`).
    pub located: bool,
}

impl Route {
    pub fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        handler: Handler,
        access: Access,
    ) -> Self {
        Self {
            method,
            path,
            operation,
            handler,
            access,
            lane: Lane::default(),
            before_change: false,
            lasting: false,
            surface: Surface::Api,
            tag: "",
            summary: "",
            description: "",
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            tagged: false,
            paged: false,
            located: false,
        }
    }

    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    pub fn before_change(mut self) -> Self {
        self.before_change = true;
        self
    }

    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    pub fn page(mut self) -> Self {
        self.surface = Surface::Page;
        self
    }

    /// One line about the route.
    pub fn about(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    pub fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    pub fn takes(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a JSON document of this type.
    pub fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(Shape::of::<T>());
        self
    }

    pub fn answers(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.answers.push(ResponseSpec { status, description, content });
        self
    }

    pub fn json<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Content::Json(Shape::of::<T>()))
    }

    pub fn list<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Content::Json(Shape::list_of::<T>()))
    }

    pub fn page_of<T: ToSchema>(self, description: &'static str) -> Self {
        self.answers(200, description, Content::Json(Shape::page_of::<T>())).paged()
    }

    pub fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    pub fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    pub fn located(mut self) -> Self {
        self.located = true;
        self
    }

    fn has_version(&self) -> bool {
        let first = self.path.split('/').nth(1).unwrap_or_default();
        self.surface == Surface::Api && VERSIONED.contains(&first)
    }

    pub fn documented_path(&self) -> String {
        let version =
            if self.has_version() && !PREDECESSOR.contains(&self.path) { VERSION } else { "" };
        format!("{version}{}", self.path)
    }

    /// The values of the `{names}`, if this is a path of this route.
    pub fn matches(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let mut values = Vec::new();
        let (mut own, mut its) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), its.next()) {
                (None, None) => return Some(values),
                (Some(template), Some(segment)) => {
                    match template.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                        Some(_) if segment.is_empty() => return None,
                        Some(name) => values.push((name, segment.to_owned())),
                        None if template == segment => {}
                        None => return None,
                    }
                }
                _ => return None,
            }
        }
    }

    pub fn parameters_in(&self, location: Location) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.location == location)
    }
}

pub enum Match<'a> {
    /// A route and the values of its `{names}`.
    Route(&'a Route, Vec<(&'static str, String)>),
    /// The path only has these methods.
    OtherMethods(Vec<Method>),
    Nothing,
}

/// The version of the API, which its paths begin with.
pub const VERSION: &str = "/v1";
/// The first segments of the paths that have a version; the others are about the server itself.
const VERSIONED: [&str; 7] = ["workflow", "reasons", "runs", "audit", "reports", "auth", "admin"];
/// Paths of the predecessor's API, which its clients use without a version.
const PREDECESSOR: [&str; 2] = ["/workflow/queue", "/workflow/resolve"];

/// Finds the route. HEAD is GET without the body. Paths of the API work with the version and without it.
pub fn find<'a>(routes: &'a [Route], method: Method, path: &str) -> Match<'a> {
    let wanted = if method == Method::Head { Method::Get } else { method };
    let mut methods = Vec::new();
    let rest = path.strip_prefix(VERSION).filter(|rest| rest.starts_with('/'));
    for route in routes {
        if rest.is_some() && !route.has_version() {
            continue;
        }
        let Some(values) = route.matches(rest.unwrap_or(path)) else { continue };
        if route.method == wanted {
            return Match::Route(route, values);
        }
        methods.push(route.method);
        if route.method == Method::Get {
            methods.push(Method::Head);
        }
    }
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() { Match::Nothing } else { Match::OtherMethods(methods) }
}
