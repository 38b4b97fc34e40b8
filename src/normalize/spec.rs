//! The settings of normalizing in `recon.yaml`: number formats and steps.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::catalogue::{Argument, catalogue};
use crate::yaml;

/// How a source writes its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumberSpec {
    /// The decimal separator. Default `.`.
    pub decimal: Option<String>,
    /// The separator between groups of digits, or a list of which each number uses one; its
    /// positions are checked. Default none.
    pub thousands: Option<Texts>,
    /// How the separators part the digits. Default `thousands`.
    pub grouping: Option<GroupingSpec>,
    /// How negative numbers are written besides a leading minus.
    pub negative: Option<Vec<NegativeSpec>>,
    /// Currency signs and codes allowed before or after a number, such as `["€", EUR]`; `any`
    /// allows every sign and every code of three capital letters. They are removed, so compare the
    /// currency in its own field. Default none.
    pub currency: Option<Texts>,
    /// The meaning of `12.5 %`. Default: it is not a number.
    pub percent: Option<PercentSpec>,
}

/// How separators part the digits of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupingSpec {
    /// Groups of three: `1,234,567`
    #[default]
    Thousands,
    /// Three digits, then groups of two: `12,34,567` (lakh and crore)
    Indian,
    /// Groups of four: `123,4567`
    Myriads,
}

/// The meaning of a percent sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PercentSpec {
    /// `12.5 %` is 12.5
    AsWritten,
    /// `12.5 %` is 0.125; numbers without the sign stay as they are
    AsFraction,
}

/// One text, or a list of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;

        impl<'de> Visitor<'de> for TextOrList {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(Scalar(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_any(TextOrList)
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

/// A way to write negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativeSpec {
    /// `(1,234.50)`
    Parentheses,
    /// `1,234.50-`
    TrailingMinus,
    /// `−1,234.50` with a minus sign that is no hyphen: U+2212, U+2013, U+FE63 or U+FF0D
    UnicodeMinus,
}

/// A step as written: a name, or a map of one name to its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepSpec {
    /// `trim`: a built-in step, or else a function of the source's or the job's script.
    Function(String),
    /// `{replace: {from: x, to: y}}`: a built-in step with its argument.
    With(String, ArgumentSpec),
}

/// The argument of a step, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentSpec {
    /// `{truncate: 35}`
    Text(String),
    /// `{null_if: [N/A, "-"]}`
    Texts(Vec<String>),
    /// `{replace: {from: x, to: y}}`, in the order in which it is written.
    Map(Vec<(String, String)>),
}

impl StepSpec {
    /// The name of the step or function.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(name) | Self::With(name, _) => name,
        }
    }
}

impl fmt::Display for StepSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(name) => f.write_str(name),
            Self::With(name, argument) => write!(f, "{name}: {argument}"),
        }
    }
}

/// A text as it may stand in `recon.yaml`, in quotes unless it is one plain word.
fn in_yaml(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/');
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(yaml::quoted(text)),
    }
}

impl fmt::Display for ArgumentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&in_yaml(text)),
            Self::Texts(texts) => {
                let texts: Vec<Cow<'_, str>> = texts.iter().map(|text| in_yaml(text)).collect();
                write!(f, "[{}]", texts.join(", "))
            }
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    let value = in_yaml(value);
                    write!(f, "{}{key}: {value}", if at == 0 { "{" } else { ", " })?;
                }
                f.write_str(if entries.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// A scalar as its text; from JSON also whole numbers and booleans.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for ArgumentSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Argument;

        impl<'de> Visitor<'de> for Argument {
            type Value = ArgumentSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the argument of a step: a text, a list of texts or a map of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ArgumentSpec, E> {
                Ok(ArgumentSpec::Text(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<ArgumentSpec, E> {
                Ok(ArgumentSpec::Text(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<ArgumentSpec, E> {
                Ok(ArgumentSpec::Text(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<ArgumentSpec, E> {
                Ok(ArgumentSpec::Text(value.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ArgumentSpec, A::Error> {
                let mut texts = Vec::new();
                while let Some(Scalar(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(ArgumentSpec::Texts(texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ArgumentSpec, A::Error> {
                let mut entries = Vec::new();
                while let Some((Scalar(key), Scalar(value))) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(ArgumentSpec::Map(entries))
            }
        }

        deserializer.deserialize_any(Argument)
    }
}

impl<'de> Deserialize<'de> for StepSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Step;

        impl<'de> Visitor<'de> for Step {
            type Value = StepSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step: its name, or a map of its name to its argument")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<StepSpec, E> {
                Ok(StepSpec::Function(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepSpec, A::Error> {
                let Some((Scalar(name), argument)) = map.next_entry()? else {
                    return Err(A::Error::custom("a step needs a name"));
                };
                if let Some(Scalar(second)) = map.next_key()? {
                    return Err(A::Error::custom(format_args!(
                        "`{name}` and `{second}` are two steps; write them as two list elements"
                    )));
                }
                Ok(StepSpec::With(name, argument))
            }
        }

        deserializer.deserialize_any(Step)
    }
}

impl JsonSchema for StepSpec {
    fn schema_name() -> Cow<'static, str> {
        "StepSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names = Vec::new();
        let mut maps = Map::new();
        for step in catalogue() {
            match schema_of(step.argument) {
                None => names.push(json!({ "const": step.name, "description": step.description })),
                Some(mut argument) => {
                    if step.argument_is_optional() {
                        names.push(json!({ "const": step.name, "description": step.description }));
                    }
                    if let Some(schema) = argument.as_object_mut() {
                        schema.insert("description".to_owned(), step.description.into());
                    }
                    maps.insert(step.name.to_owned(), argument);
                }
            }
        }
        names.push(json!({
            "type": "string",
            "description": "A function of the source's or the job's normalize script."
        }));
        json_schema!({
            "description": "A step of normalizing: a name, or a map of a name to its argument.",
            "anyOf": [
                { "type": "string", "anyOf": names },
                {
                    "type": "object",
                    "properties": maps,
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1
                }
            ]
        })
    }
}

/// The schema of a step's argument; `None` for a step without one.
fn schema_of(argument: Argument) -> Option<Value> {
    Some(match argument {
        Argument::None => return None,
        Argument::Text => json!({ "type": "string" }),
        Argument::Number => json!({ "type": ["number", "string"] }),
        Argument::Count => json!({ "type": "integer", "minimum": 1 }),
        Argument::Texts => json!({ "type": "array", "items": { "type": ["string", "number"] } }),
        Argument::Map(keys) => {
            let properties: Map<String, Value> = keys
                .iter()
                .map(|key| {
                    let mut schema =
                        json!({ "type": ["string", "number"], "description": key.description });
                    if let (false, Some(object)) = (key.choices.is_empty(), schema.as_object_mut())
                    {
                        object.insert("enum".to_owned(), key.choices.into());
                    }
                    (key.name.to_owned(), schema)
                })
                .collect();
            let required: Vec<&str> =
                keys.iter().filter(|key| key.required).map(|key| key.name).collect();
            json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(yaml: &str) -> Result<StepSpec, serde_yaml::Error> {
        serde_yaml::from_str(yaml)
    }

    #[test]
    fn a_step_is_a_name_or_a_map_of_one_name() {
        assert_eq!(step("trim").unwrap(), StepSpec::Function("trim".into()));
        assert_eq!(
            step("{null_if: [N/A, 0]}").unwrap(),
            StepSpec::With("null_if".into(), ArgumentSpec::Texts(vec!["N/A".into(), "0".into()]))
        );
        assert_eq!(
            step("{replace: {from: x, to: y}}").unwrap().to_string(),
            "replace: {from: x, to: y}"
        );
        assert_eq!(step("{truncate: 3}").unwrap().to_string(), "truncate: 3");
    }

    #[test]
    fn two_steps_in_one_map_are_a_mistake_with_both_names() {
        let message = step("{strip_prefix: x, strip_suffix: y}").unwrap_err().to_string();
        assert!(message.contains("`strip_prefix` and `strip_suffix`"), "{message}");
        assert!(step("[trim]").is_err());
        assert!(step("{}").is_err());
    }

    #[test]
    fn the_schema_lists_every_built_in_step() {
        let schema = schemars::schema_for!(StepSpec);
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        for good in [
            json!("trim"),
            json!("side"),
            json!({"truncate": 3}),
            json!({"replace": {"from": "x", "to": "y"}}),
            json!({"lookup": {"file": "a.csv", "otherwise": "null"}}),
        ] {
            assert!(validator.is_valid(&good), "{good}");
        }
        for bad in [
            json!({"trunkate": 3}),
            json!({"replace": {"from": "x"}}),
            json!({"lookup": {"file": "a.csv", "otherwise": "maybe"}}),
            json!({"truncate": 3, "last": 2}),
        ] {
            assert!(!validator.is_valid(&bad), "{bad}");
        }
        let text = schema.as_value().to_string();
        for step in catalogue() {
            assert!(text.contains(&format!("\"{}\"", step.name)), "{}", step.name);
        }
    }
}
