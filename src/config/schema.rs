//! The JSON Schema of `recon.yaml`, generated from the types that read it.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::spec::Spec;

/// The schema of the whole file, draft 2020-12, for editors.
pub fn schema() -> Value {
    generate::<Spec>().to_value()
}

fn generate<T: JsonSchema>() -> Schema {
    let mut schema = of_types::<T>();
    take_scalars_for_text(&mut schema);
    name_defaults(&mut schema);
    schema
}

/// The schema as the types alone give it.
fn of_types<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// Settings say their default in their description, such as "Default `all`." or "Default 30.": one
/// text for people, editors and `recon check --resolved`.
fn name_defaults(schema: &mut Schema) {
    static DEFAULT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"Default\s+(?:`([^`]+)`|(\d+(?:\.\d+)?))(?:[.:;]|$)").ok());
    let default = DEFAULT.as_ref().and_then(|pattern| {
        let found = pattern.captures(schema.get("description")?.as_str()?)?;
        let text = found.get(1).or(found.get(2))?.as_str();
        let types = schema.get("type").map(Value::to_string).unwrap_or_default();
        let simple = serde_json::from_str(text).ok().filter(|simple: &Value| {
            simple.is_boolean() && types.contains("boolean")
                || simple.is_number() && (types.contains("integer") || types.contains("number"))
        });
        Some(simple.unwrap_or_else(|| text.into()))
    });
    if let Some(default) = default {
        schema.insert("default".to_owned(), default);
    }
    transform_subschemas(&mut name_defaults, schema);
}

/// Scalars are taken as their text, so where a text is wanted, `0` without quotes is one.
fn take_scalars_for_text(schema: &mut Schema) {
    let names_its_values = schema.get("enum").is_some() || schema.get("const").is_some();
    if let Some(types) = schema.get_mut("type").filter(|_| !names_its_values) {
        let mut all: Vec<Value> = match types.take() {
            Value::Array(all) => all,
            one => vec![one],
        };
        let has = |name: &str| all.iter().any(|known| known == name);
        if has("string") && !has("number") && !has("integer") {
            all.extend(["number", "boolean"].map(Value::from));
        }
        *types = if let [one] = all.as_slice() { one.clone() } else { all.into() };
    }
    transform_subschemas(&mut take_scalars_for_text, schema);
}

/// The keys that each struct within `T` can't do without, by the name of the struct.
pub(super) fn required_keys<T: JsonSchema>() -> HashMap<String, Vec<String>> {
    let root = of_types::<T>().to_value();
    let definitions = root.get("$defs").and_then(Value::as_object);
    let inner = definitions.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema));
    std::iter::once((T::schema_name().as_ref(), &root))
        .chain(inner)
        .map(|(name, schema)| {
            let required = schema.get("required").and_then(Value::as_array);
            let keys = required.into_iter().flatten().filter_map(Value::as_str);
            (name.to_owned(), keys.map(str::to_owned).collect())
        })
        .collect()
}

/// Where the settings of `T` have a key: the paths of its maps. A name that users choose is `NAME`.
pub(super) fn homes<T: JsonSchema>(key: &str) -> Vec<Vec<String>> {
    let root = of_types::<T>().to_value();
    let mut search =
        Search { root: &root, key, path: Vec::new(), within: Vec::new(), homes: Vec::new() };
    search.visit(&root);
    search.homes
}

/// A search for a key through a schema.
struct Search<'s> {
    root: &'s Value,
    key: &'s str,
    path: Vec<String>,
    /// The definitions that are being searched: some contain themselves.
    within: Vec<&'s str>,
    homes: Vec<Vec<String>>,
}

impl<'s> Search<'s> {
    fn visit(&mut self, schema: &'s Value) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(pointer) = reference.and_then(|reference| reference.strip_prefix('#'))
            && !self.within.contains(&pointer)
            && let Some(inner) = self.root.pointer(pointer)
        {
            self.within.push(pointer);
            self.visit(inner);
            self.within.pop();
        }
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|name| schema.get(name));
        choices.filter_map(Value::as_array).flatten().for_each(|inner| self.visit(inner));
        schema.get("items").into_iter().for_each(|inner| self.visit(inner));
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, inner) in properties.into_iter().flatten() {
            if name == self.key && !self.homes.contains(&self.path) {
                self.homes.push(self.path.clone());
            }
            self.step(name, inner);
        }
        schema.get("additionalProperties").into_iter().for_each(|inner| self.step("NAME", inner));
    }

    fn step(&mut self, name: &str, inner: &'s Value) {
        self.path.push(name.to_owned());
        self.visit(inner);
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn validator() -> jsonschema::Validator {
        jsonschema::draft202012::new(&schema()).unwrap()
    }

    /// The file as an editor sees it: YAML's own types.
    fn as_json(file: &Path) -> Value {
        serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn the_shipped_configurations_are_valid() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let examples = root.join("examples").read_dir().unwrap();
        let files = examples.map(|entry| entry.unwrap().path().join("recon.yaml"));
        let validator = validator();
        for file in files.chain([root.join("recon.yaml")]).filter(|file| file.exists()) {
            let errors: Vec<String> =
                validator.iter_errors(&as_json(&file)).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0], "{}", file.display());
        }
    }

    #[test]
    fn the_schema_refuses_what_check_refuses() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors/config");
        let validator = validator();
        for mistake in ["unknown_key", "missing_keys", "unknown_type", "wrong_shape", "version"] {
            let file = root.join(mistake).join("recon.yaml");
            assert!(!validator.is_valid(&as_json(&file)), "{mistake}");
        }
    }

    #[test]
    fn the_schema_has_the_usual_draft_and_an_example() {
        let schema = schema();
        assert_eq!(schema["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
        assert_eq!(schema["title"], json!("recon.yaml"));
        let example = &schema["examples"][0];
        assert!(validator().is_valid(example), "{example}");
    }

    #[test]
    fn every_key_is_described() {
        fn walk(at: &str, schema: &Value, silent: &mut Vec<String>) {
            let entries = schema.as_object().into_iter().flatten();
            for (key, inner) in entries {
                if key == "properties" {
                    for (name, property) in inner.as_object().into_iter().flatten() {
                        // A choice with one key is described as a choice.
                        let choice = schema
                            .get("description")
                            .filter(|_| inner.as_object().is_some_and(|all| all.len() == 1));
                        if property.get("description").or(choice).is_none() {
                            silent.push(format!("{at}.{name}"));
                        }
                    }
                }
                if key != "examples" {
                    walk(&format!("{at}.{key}"), inner, silent);
                }
            }
            for inner in schema.as_array().into_iter().flatten() {
                walk(at, inner, silent);
            }
        }
        let mut silent = Vec::new();
        walk("", &schema(), &mut silent);
        assert_eq!(silent, [""; 0]);
    }
}
