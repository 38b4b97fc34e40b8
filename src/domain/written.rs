//! Scalars as written in the user's files: text until they are parsed as a type.
//!
//! `recon.yaml` gives every scalar as its text, so that `0.005` and `"0.005"` are the same exact decimal. [`Written`]
//! is that text parsed as a setting, with an error in the words of the type.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Decimal;

/// A setting that is read from its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written<T>(pub T);

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A setting that is parsed from its text.
pub trait Setting: Sized {
    /// In a sentence: "expected …".
    const EXPECTED: &'static str;
    /// The types it has in a JSON Schema.
    const JSON_TYPES: &'static [&'static str];

    fn read(text: &str) -> Option<Self>;
}

macro_rules! settings {
    ($($type:ty, $expected:literal, $json:expr, $read:expr;)+) => {
        $(impl Setting for $type {
            const EXPECTED: &'static str = $expected;
            const JSON_TYPES: &'static [&'static str] = $json;

            fn read(text: &str) -> Option<Self> {
                #[allow(clippy::redundant_closure_call)]
                ($read)(text)
            }
        })+
    };
}

settings! {
    bool, "true or false", &["boolean"], |text: &str| match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    u32, "a whole number", &["integer"], |text: &str| u32::from_str(text).ok();
    i32, "a whole number", &["integer"], |text: &str| i32::from_str(text).ok();
    u64, "a whole number", &["integer"], |text: &str| u64::from_str(text).ok();
    Decimal, "a number", &["number", "string"], |text: &str| Decimal::from_str(text).ok();
}

impl<'de, T: Setting> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(std::marker::PhantomData<T>);

        impl<T: Setting> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::read(text)
                    .ok_or_else(|| E::custom(format_args!("`{text}` is not {}", T::EXPECTED)))
            }
        }

        deserializer.deserialize_str(Text(std::marker::PhantomData)).map(Self)
    }
}

impl<T: Setting> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::EXPECTED.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": T::JSON_TYPES })
    }
}
