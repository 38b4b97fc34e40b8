//! The whole API on a page: one table from which the router, the OpenAPI document and the matrix of
//! permissions all come. A noun has a file of its own, and one line in [`all`].

use std::borrow::Cow;

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::review::Permission;

use super::call::Call;
use super::error::Denied;
use super::http::{Method, Response};
use super::lane::Lane;
use super::parameter::{Parameter, Place};

/// Every route there is.
pub fn all() -> Vec<Route> {
    let nouns: &[fn() -> Vec<Route>] = &[
        super::workflow::routes,
        super::decisions::routes,
        super::proposals::routes,
        super::reasons::routes,
        super::runs::routes,
        super::audit::routes,
        super::reports::routes,
        super::auth::routes,
        super::admin::routes,
        super::docs::routes,
        super::system::routes,
        super::page::routes,
    ];
    nouns.iter().flat_map(|noun| noun()).collect()
}

/// What answers a request.
pub type Handler = fn(&Call<'_>) -> Result<Response, Denied>;

/// Who may call a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Anybody on this machine, and whoever is logged in.
    LocalOrPerson,
    /// Whoever is logged in.
    Person,
    /// Whoever has one of these.
    OneOf(Vec<Permission>),
}

/// For whom an answer is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// For programs: problems are JSON, bodies too.
    Api,
    /// For people: problems are pages, bodies are forms.
    Page,
}

/// The schemas that a document needs beside the one that refers to them.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// The form of a JSON document.
#[derive(Clone, Copy)]
pub struct Shape(fn(&mut Schemas) -> RefOr<Schema>);

impl Shape {
    /// The form of this type.
    pub fn of<T: ToSchema>() -> Self {
        Self(reference::<T>)
    }

    /// The form of a list of this type.
    pub fn list_of<T: ToSchema>() -> Self {
        Self(|schemas| {
            let items = reference::<T>(schemas);
            RefOr::T(Schema::Array(ArrayBuilder::new().items(items).build()))
        })
    }

    /// The form of a page of a list of this type.
    pub fn page_of<T: ToSchema>() -> Self {
        Self(|schemas| {
            let items = reference::<T>(schemas);
            let text = |description: &str| {
                ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                    .description(Some(description))
            };
            let total = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .description(Some("How many match in all, if that was asked for"));
            let page = ObjectBuilder::new()
                .property("items", ArrayBuilder::new().items(items).build())
                .property("next", text("The cursor of the next page, if there is one"))
                .property("total", total)
                .required("items")
                .required("next");
            RefOr::T(Schema::Object(page.build()))
        })
    }

    /// The schema itself; those it refers to go to `schemas`.
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

/// What an answer's body is.
#[derive(Clone, Copy)]
pub enum Content {
    /// Nothing.
    None,
    /// A JSON document of this form.
    Json(Shape),
    /// Something else of this media type.
    Media(&'static str),
}

/// An answer that a route gives.
#[derive(Clone, Copy)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it means.
    pub description: &'static str,
    /// Its body.
    pub content: Content,
}

/// One operation.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{names}` for segments that vary.
    pub path: &'static str,
    /// The operation's name.
    pub operation: &'static str,
    /// The noun it belongs to.
    pub tag: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else is to know.
    pub description: &'static str,
    /// Who may call it.
    pub access: Access,
    /// For whom it answers.
    pub surface: Surface,
    /// Whose threads answer.
    pub lane: Lane,
    /// What varies in path, query and headers.
    pub parameters: Vec<Parameter>,
    /// The JSON document that it takes.
    pub body: Option<Shape>,
    /// The answers that are its own; those that every route may give are not repeated.
    pub answers: Vec<Answer>,
    /// Whether its answers name their version (`ETag`).
    pub tagged: bool,
    /// Whether its answers are pages of a list (`Link`).
    pub paged: bool,
    /// Whether it answers people who have not yet changed a password that somebody else chose.
    pub before_change: bool,
    /// Whether it makes or changes people, logins or tokens: not where one person is alone.
    pub lasting: bool,
    /// What answers.
    pub handler: Handler,
}

macro_rules! by_method {
    ($($(#[$doc:meta])* $name:ident $method:ident,)+) => {
        $($(#[$doc])*
        pub fn $name(path: &'static str, operation: &'static str, handler: Handler) -> Self {
            Self::new(Method::$method, path, operation, handler)
        })+
    };
}

impl Route {
    fn new(method: Method, path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self {
            method,
            path,
            operation,
            tag: "",
            summary: "",
            description: "",
            access: Access::Person,
            surface: Surface::Api,
            lane: Lane::default(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            tagged: false,
            paged: false,
            before_change: false,
            lasting: false,
            handler,
        }
    }

    by_method! {
        /// A route that looks.
        get Get,
        /// A route that does something.
        post Post,
        /// A route that replaces.
        put Put,
        /// A route that changes.
        patch Patch,
        /// A route that removes.
        delete Delete,
    }

    /// The noun, and what the route does in a line.
    #[must_use]
    pub fn about(mut self, tag: &'static str, summary: &'static str) -> Self {
        self.tag = tag;
        self.summary = summary;
        self
    }

    /// What else is to know.
    #[must_use]
    pub fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    /// Who may call it; without this, whoever is logged in.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Only whoever has one of these may call it.
    #[must_use]
    pub fn needs(self, permissions: &[Permission]) -> Self {
        self.access(Access::OneOf(permissions.to_vec()))
    }

    /// It answers with pages for people.
    #[must_use]
    pub fn page(mut self) -> Self {
        self.surface = Surface::Page;
        self
    }

    /// It is answered by the threads of this lane.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// It takes these parameters.
    #[must_use]
    pub fn takes(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// It takes a JSON document of this type.
    #[must_use]
    pub fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(Shape::of::<T>());
        self
    }

    /// It may answer so.
    #[must_use]
    pub fn answers(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.answers.push(Answer { status, description, content });
        self
    }

    /// It may answer with a JSON document of this type.
    #[must_use]
    pub fn json<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Content::Json(Shape::of::<T>()))
    }

    /// It may answer with a list of this type.
    #[must_use]
    pub fn list<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Content::Json(Shape::list_of::<T>()))
    }

    /// It may answer with a page of a list of this type.
    #[must_use]
    pub fn page_of<T: ToSchema>(self, description: &'static str) -> Self {
        self.answers(200, description, Content::Json(Shape::page_of::<T>())).paged()
    }

    /// It may deny with this status, for a reason of its own.
    #[must_use]
    pub fn denies(self, status: u16, description: &'static str) -> Self {
        self.answers(status, description, Content::Media("application/problem+json"))
    }

    /// Its answers name their version.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    /// Its answers are pages of a list.
    #[must_use]
    pub fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    /// It answers people who have yet to change a password that somebody else chose.
    #[must_use]
    pub fn before_change(mut self) -> Self {
        self.before_change = true;
        self
    }

    /// It makes or changes people, logins or tokens.
    #[must_use]
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }

    /// The values of the path's names, if the path is this route's.
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

    /// The parameters at this place.
    pub fn parameters_in(&self, place: Place) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.place == place)
    }
}

/// What a path and method lead to.
pub enum Found<'a> {
    /// A route and the values of its path's names.
    Route(&'a Route, Vec<(&'static str, String)>),
    /// The path has other methods.
    OtherMethods(Vec<Method>),
    /// There is no such path.
    Nothing,
}

/// Finds the route. HEAD is GET without the body.
pub fn find<'a>(routes: &'a [Route], method: Method, path: &str) -> Found<'a> {
    let wanted = if method == Method::Head { Method::Get } else { method };
    let mut methods = Vec::new();
    for route in routes {
        let Some(values) = route.matches(path) else { continue };
        if route.method == wanted {
            return Found::Route(route, values);
        }
        methods.push(route.method);
        if route.method == Method::Get {
            methods.push(Method::Head);
        }
    }
    methods.sort_unstable();
    methods.dedup();
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods) }
}
