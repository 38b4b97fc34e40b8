//! Schemas of the review's types: enumerations by name, and types that JSON writes as text.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
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

/// Any JSON object.
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

/// Types of the domain in bodies, where the document gives them names of their own.
macro_rules! in_bodies {
    ($($name:ident($inner:ident),)+) => {
        $(#[derive(Clone, Copy)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                $inner::from_name(&name).map(Self).ok_or_else(|| D::Error::custom("unknown name"))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $inner::schema()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        })+
    };
}

in_bodies! { ActionName(Action), RoleName(Role), ScopeName(Permission), }
