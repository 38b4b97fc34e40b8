//! How the words of the review are told in the OpenAPI document: names as enumerations, and what is
//! text in JSON as text.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::review::{
    Action, ContentHash, Eyes, Permission, ProposalKind, ProposalState, Role, Trigger,
};

macro_rules! named {
    ($($name:ident),+) => {
        $(impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let names = Self::ALL.iter().map(|one| one.name());
                RefOr::T(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into())
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        })+
    };
}

named!(Action, ProposalKind, ProposalState, Trigger, Permission, Role);

impl PartialSchema for Eyes {
    fn schema() -> RefOr<Schema> {
        let numbers = Self::ALL.iter().map(|one| one.code());
        RefOr::T(ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(numbers)).into())
    }
}

impl ToSchema for Eyes {
    fn name() -> Cow<'static, str> {
        "Eyes".into()
    }
}

impl PartialSchema for ContentHash {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-f]{64}$"));
        RefOr::T(text.into())
    }
}

impl ToSchema for ContentHash {
    fn name() -> Cow<'static, str> {
        "ContentHash".into()
    }
}

/// Any JSON object: what services give that has a form of its own.
pub struct Anything;

impl PartialSchema for Anything {
    fn schema() -> RefOr<Schema> {
        RefOr::T(ObjectBuilder::new().schema_type(Type::Object).into())
    }
}

impl ToSchema for Anything {
    fn name() -> Cow<'static, str> {
        "Object".into()
    }
}
