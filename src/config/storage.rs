//! The configuration as stored with a run: values before `${NAME}` is replaced, without passwords.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::resolved::ResolvedSource;
use super::secrets::{is_secret, without_passwords};
use super::tree::{Content, Document, Node, path};
use crate::diagnostic::PathStep;
use crate::domain::{PerSide, Side};
use crate::normalize::Step;
use crate::pipeline::OpenItems;
use crate::script::ScriptSource;

impl Document {
    /// The whole configuration, to be stored with a run. Every scalar is its text.
    pub fn for_storage(&self) -> Value {
        stored(&self.root, &[])
    }

    /// Fingerprint of the settings that define a stored record: a run can be compared again only while these are the
    /// same, including the texts of the normalizing scripts and of lookup files. Two configurations with equal
    /// fingerprints make equal records of equal sources.
    pub fn fingerprint(
        &self,
        normalize_script: Option<&ScriptSource>,
        sources: &PerSide<ResolvedSource>,
        open_items: Option<OpenItems>,
    ) -> Value {
        let part =
            |keys: &[PathStep]| self.find(keys).map_or(Value::Null, |node| stored(node, keys));
        let source = |side: &str| {
            let keys = ["map", "formats", "numbers", "normalize", "timezone", "filter"];
            let entries = keys.map(|key| (key.to_owned(), part(&path(["sources", side, key]))));
            // Keys that came later are only there where they are written: else runs that were stored
            // before would not be comparable any more.
            let later = ["where", "fill"].map(|key| (key, part(&path(["sources", side, key]))));
            let later = later.into_iter().filter(|(_, value)| !value.is_null());
            let later = later.map(|(key, value)| (key.to_owned(), value));
            Value::Object(entries.into_iter().chain(later).collect())
        };
        let mut fingerprint = json!({
            "key": part(&path(["key"])),
            "fields": part(&path(["fields"])),
            "sources": { "a": source("a"), "b": source("b") },
            "normalize_script": normalize_script.map(|script| digest(script.text())),
            "source_scripts": {
                "a": sources.a.script.as_ref().map(|script| digest(script.text())),
                "b": sources.b.script.as_ref().map(|script| digest(script.text())),
            },
            "lookups": lookups(sources),
        });
        for key in ["match", "ref", "currency_field"] {
            let value = part(&path([key]));
            if !value.is_null() {
                fingerprint[key] = value;
            }
        }
        if let Some(open_items) = open_items {
            fingerprint["open_items"] = open_items.to_json();
        }
        fingerprint
    }
}

/// The SHA-256 of each lookup file, in the order of the steps that read them: renaming a file does
/// not matter.
fn lookups(sources: &PerSide<ResolvedSource>) -> Value {
    let fields = Side::BOTH.into_iter().flat_map(|side| &sources[side].fields);
    let steps = fields.flat_map(|reading| reading.source_steps.iter().chain(&reading.steps));
    let digests: Vec<&str> = steps.filter_map(Step::file_digest).collect();
    json!(digests)
}

/// SHA-256 in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    crate::coding::hex(Sha256::digest(text))
}

fn stored(node: &Node, at: &[PathStep]) -> Value {
    match &node.content {
        Content::Scalar(scalar) if scalar.is_null() => Value::Null,
        Content::Scalar(scalar) => without_passwords(&scalar.written).into(),
        Content::List(items) => items.iter().map(|item| stored_item(item, at)).collect(),
        Content::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                let mut inner = at.to_vec();
                inner.push(entry.key.as_str().into());
                if !(is_secret(&entry.key) && may_hold_secrets(&inner)) {
                    map.insert(entry.key.clone(), stored(&entry.value, &inner));
                }
            }
            Value::Object(map)
        }
    }
}

/// In a list, `null` is a word like any other.
fn stored_item(node: &Node, at: &[PathStep]) -> Value {
    match &node.content {
        Content::Scalar(scalar) if !scalar.written.is_empty() => {
            without_passwords(&scalar.written).into()
        }
        _ => stored(node, at),
    }
}

/// True if keys here are settings: a canonical field or a reason may well be called `token`.
fn may_hold_secrets(at: &[PathStep]) -> bool {
    let key = |index: usize| match at.get(index) {
        Some(PathStep::Key(key)) => key.as_str(),
        _ => "",
    };
    match key(0) {
        "sources" => !matches!(key(2), "map" | "formats" | "numbers" | "normalize"),
        section => !matches!(section, "fields" | "reason_codes" | "match"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_stored_configuration_has_variables_and_no_passwords() {
        let text = "store: postgres://me:pw@${HOST}/recon\n\
                    server: {bind: 127.0.0.1:80, proxy_token: t0k, nested: {password: x}}\n\
                    fields: {token: {type: text, description: ~}}\n\
                    key: [token]\n";
        let file = Path::new("recon.yaml");
        let (root, problems) = super::super::parse::parse(text, file);
        assert_eq!(problems, []);
        let mut document = Document { file: file.to_owned(), root: root.unwrap() };
        let date = crate::domain::Date::from_days(0);
        let environment = |_: &str| Some("secret-host".to_owned());
        super::super::substitute::substitute(&mut document.root, file, date, &environment);
        assert_eq!(
            document.for_storage(),
            json!({
                "store": "postgres://me@${HOST}/recon",
                "server": { "bind": "127.0.0.1:80", "nested": {} },
                "fields": { "token": { "type": "text", "description": null } },
                "key": ["token"],
            })
        );
    }
}
