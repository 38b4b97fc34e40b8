//! The configuration as written, with every default filled in: `recon check --resolved`. Variables
//! keep their names and secrets are left out.

use serde_json::{Map, Value};

use super::schema::schema;
use super::tree::Document;

/// A setting, and the one that takes its place: where that is written, the first has no default.
const INSTEAD: [(&str, &str); 1] = [("accept_at", "accept_risk")];

impl Document {
    /// This configuration with the defaults of the schema.
    pub fn filled(&self) -> Value {
        let schema = schema();
        let mut root = self.for_storage();
        fill(&mut root, &schema, &schema, true);
        simplify(&mut root);
        root
    }
}

/// Fills in the defaults of a map and of the maps below it. Missing sections are added if `sections` is true:
/// elsewhere a missing map means something else than its defaults.
fn fill(value: &mut Value, schema: &Value, root: &Value, sections: bool) {
    let schema = resolved(schema, root);
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| fill(item, &schema["items"], root, false));
        }
        Value::Object(map) => {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                fill_setting(map, name, property, root, sections);
            }
            let known = |name: &str| schema["properties"].get(name).is_some();
            if schema["additionalProperties"].is_object() {
                let invented = map.iter_mut().filter(|(name, _)| !known(name));
                invented.for_each(|(_, value)| {
                    fill(value, &schema["additionalProperties"], root, false);
                });
            }
            // A choice, such as the kind of a source, is a map with one key.
            for choice in schema["oneOf"].as_array().into_iter().flatten() {
                for (name, property) in choice["properties"].as_object().into_iter().flatten() {
                    if let Some(chosen) = map.get_mut(name) {
                        fill(chosen, property, root, false);
                    }
                }
            }
        }
        _ => {}
    }
}

fn fill_setting(
    map: &mut Map<String, Value>,
    name: &str,
    property: &Value,
    root: &Value,
    sections: bool,
) {
    if let Some(value) = map.get_mut(name).filter(|value| !value.is_null()) {
        return fill(value, property, root, sections);
    }
    let replaced = INSTEAD.iter().any(|(this, other)| *this == name && map.contains_key(*other));
    let default = property.get("default").cloned().filter(|_| !replaced);
    // A section that must have a key of its own says nothing while it is missing.
    let has_to_be_written = !resolved(property, root)["required"].is_null();
    let section = || {
        let mut section = Value::Object(Map::new());
        fill(&mut section, property, root, true);
        Some(section).filter(|section| section.as_object().is_some_and(|map| !map.is_empty()))
    };
    if let Some(value) =
        default.or_else(|| (sections && !has_to_be_written).then(section).flatten())
    {
        map.insert(name.to_owned(), value);
    }
}

/// The definition that a schema refers to, or the schema itself.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let optional = schema["anyOf"].get(0).unwrap_or(schema);
    match optional["$ref"].as_str().and_then(|name| root.pointer(name.trim_start_matches('#'))) {
        Some(definition) => definition,
        None => schema,
    }
}

/// Numbers and booleans without quotes: whatever has the same text is the same setting.
fn simplify(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(map) => map.values_mut().for_each(simplify),
        Value::String(text) => {
            if let Ok(simple) = serde_json::from_str::<Value>(text)
                && (simple.is_number() || simple.is_boolean())
                && simple.to_string().as_str() == text.as_str()
            {
                *value = simple;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config::tree::{Content, Node};
    use crate::config::{Loaded, Surroundings, load, load_text, parse};
    use crate::domain::Date;
    use crate::yaml;

    fn surroundings() -> Surroundings<'static> {
        Surroundings { batch_date: Date::from_days(20_000), environment: &|_| Some("x".to_owned()) }
    }

    /// Describes every setting in words.
    fn meaning(loaded: &Loaded) -> String {
        let it = &loaded.resolved;
        format!(
            "{:?}",
            (
                (&it.job, &it.store, &it.fields, &it.attribution, &it.options),
                (&it.review, &it.server, &it.reason_codes, &it.layout, &it.sources),
                it.open_items,
            )
        )
    }

    #[test]
    fn with_its_defaults_a_configuration_means_the_same() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let examples = root.join("examples").read_dir().unwrap();
        let files = examples.map(|entry| entry.unwrap().path().join("recon.yaml"));
        let mut read = 0;
        for file in files.chain([root.join("recon.yaml")]).filter(|file| file.exists()) {
            let loaded = load(&file, surroundings()).unwrap();
            let text = yaml::document(&loaded.document.filled());
            let again = load_text(&text, &file, surroundings())
                .unwrap_or_else(|problems| panic!("{}: {problems}\n{text}", file.display()));
            assert_eq!(meaning(&loaded), meaning(&again), "{}", file.display());
            assert_eq!(loaded.warnings.len(), again.warnings.len(), "{}", file.display());
            assert_eq!(yaml::document(&again.document.filled()), text, "{}", file.display());
            read += 1;
        }
        assert!(read > 2, "{read}");
    }

    #[test]
    fn defaults_are_filled_in_and_secrets_left_out() {
        let text = "store: postgres://me:pw@${HOST}/recon\njob: demo\nversion: 1\nkey: [id]\n\
                    sources:\n  a: { system: A, read: { csv: { path: a.csv, null_values: [~, null] } }, map: { id: x } }\n  \
                    b: { system: B, read: { csv: { path: b.csv } }, map: { id: x } }\n\
                    fields: { id: { type: text } }\nattribution: { accept_risk: { max_false: 1%, assurance: 0.95 } }\n";
        let loaded = load_text(text, Path::new("recon.yaml"), surroundings()).unwrap();
        let filled = loaded.document.filled();
        assert_eq!(filled["store"], "postgres://me@${HOST}/recon");
        assert_eq!(filled["options"]["memory_limit"], "4GiB");
        assert_eq!(filled["review"]["sla_hours"]["critical"], 8);
        assert_eq!(filled["sources"]["a"]["read"]["csv"]["delimiter"], ",");
        assert_eq!(filled["sources"]["a"]["read"]["csv"]["null_values"], json!(["~", "null"]));
        assert_eq!(filled["attribution"]["accept_at"], Value::Null);
        assert_eq!(filled["version"], 1);
    }

    /// The texts that our own reader finds in a document, passwords included.
    fn texts(yaml: &str) -> Vec<String> {
        fn walk(node: &Node, found: &mut Vec<String>) {
            match &node.content {
                Content::List(items) => items.iter().for_each(|item| walk(item, found)),
                Content::Map(entries) => entries.iter().for_each(|entry| {
                    found.push(entry.key.clone());
                    walk(&entry.value, found);
                }),
                Content::Scalar(scalar) => {
                    assert!(!scalar.is_null(), "a text became null");
                    found.push(scalar.value.clone());
                }
            }
        }
        let (root, problems) = parse::parse(yaml, Path::new("recon.yaml"));
        assert_eq!(problems, [], "{yaml}");
        let mut found = Vec::new();
        walk(&root.unwrap(), &mut found);
        found
    }

    proptest! {
        #[test]
        fn every_written_text_reads_back(
            any in any::<String>(),
            odd in "[ \\n\\r\\t:#'\"a~|>%@&*!?,{}\\[\\]\\\\0.$\u{85}\u{2028}\u{2029}\u{7f}\u{feff}\u{1}-]{0,9}",
            word in "null|~|true|No|1|1e3|---|0x1F|=|<<",
        ) {
            for text in [any, odd, word] {
                let value = json!({ "top": { text.clone(): [text.clone(), { "k": text.clone() }] } });
                let expected = ["top", &text, &text, "k", &text];
                prop_assert_eq!(texts(&yaml::document(&value)), expected);
                let line = yaml::quoted(&text);
                let flow = format!("top: {{ {line}: [{line}, {{ k: {line} }}] }}\n");
                prop_assert_eq!(texts(&flow), expected);
            }
        }
    }
}
