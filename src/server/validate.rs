//! Validates JSON bodies against their schemas in the OpenAPI document, so that document and server
//! agree.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use crate::diagnostic::Code;

use super::error::Denied;
use super::route::{Route, Schemas, Shape};
use crate::review::Detail;

/// The schemas of all bodies, and the schemas they refer to.
pub struct BodyValidator {
    bodies: HashMap<&'static str, Value>,
    components: HashMap<String, Value>,
    patterns: HashMap<String, Regex>,
}

impl BodyValidator {
    pub fn new(routes: &[Route]) -> Self {
        let mut schemas = Schemas::new();
        let mut schema = |shape: Shape| serde_json::to_value(shape.schema(&mut schemas)).ok();
        let bodies = routes
            .iter()
            .filter_map(|route| Some((route.operation, schema(route.body?)?)))
            .collect::<HashMap<_, _>>();
        let components: HashMap<String, Value> = schemas
            .into_iter()
            .filter_map(|(name, schema)| Some((name, serde_json::to_value(schema).ok()?)))
            .collect();
        let mut patterns = HashMap::new();
        for schema in bodies.values().chain(components.values()) {
            collect(schema, &mut patterns);
        }
        Self { bodies, components, patterns }
    }

    /// Answers 422 with everything that does not fit.
    pub fn validate(&self, operation: &str, document: &Value) -> Result<(), Denied> {
        let Some(schema) = self.bodies.get(operation) else { return Ok(()) };
        let mut errors = Vec::new();
        self.visit(schema, document, "", &mut errors);
        let Some(first) = errors.first() else { return Ok(()) };
        let text = if first.pointer.is_empty() {
            first.detail.clone()
        } else {
            format!("{}: {}", first.pointer, first.detail)
        };
        let mut denied = Denied::new(Code::Invalid, text);
        denied.errors = errors.into();
        Err(denied)
    }

    fn visit(&self, schema: &Value, value: &Value, at: &str, errors: &mut Vec<Detail>) {
        let mut complain = |detail: String| {
            errors.push(Detail { pointer: at.to_owned(), detail });
        };
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            if let Some(schema) = self.components.get(name) {
                self.visit(schema, value, at, errors);
            }
            return;
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let fits = |choice: &Value| {
                let mut inner = Vec::new();
                self.visit(choice, value, at, &mut inner);
                inner
            };
            let tried: Vec<Vec<Detail>> = choices.iter().map(fits).collect();
            if !tried.iter().any(Vec::is_empty) {
                // Report the choice that fits best: the one whose errors are deepest.
                let depth = |found: &Vec<Detail>| found.iter().map(|one| one.pointer.len()).max();
                errors.extend(tried.into_iter().max_by_key(depth).unwrap_or_default());
            }
            return;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is = |name: &str| match name {
            "null" => value.is_null(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        };
        if !types.is_empty() && !types.iter().any(|name| is(name)) {
            return complain(format!("must be {}", types.join(" or ")));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !value.is_null()
            && !allowed.contains(value)
        {
            let names: Vec<String> = allowed.iter().map(Value::to_string).collect();
            return complain(format!("must be one of {}", names.join(", ")));
        }
        match value {
            Value::String(text) => self.text(schema, text, &mut complain),
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
                if least.is_some_and(|least| number < least) {
                    complain(format!("must be at least {}", schema["minimum"]));
                }
                if most.is_some_and(|most| number > most) {
                    complain(format!("must be at most {}", schema["maximum"]));
                }
            }
            Value::Array(items) => {
                let count = items.len() as u64;
                if schema["maxItems"].as_u64().is_some_and(|most| count > most) {
                    return complain(format!("at most {} elements", schema["maxItems"]));
                }
                if schema["minItems"].as_u64().is_some_and(|least| count < least) {
                    return complain(format!("at least {} elements", schema["minItems"]));
                }
                for (index, item) in items.iter().enumerate() {
                    self.visit(&schema["items"], item, &format!("{at}[{index}]"), errors);
                }
            }
            Value::Object(members) => self.object(schema, members, at, errors),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&self, schema: &Value, text: &str, complain: &mut impl FnMut(String)) {
        let count = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|least| count < least) {
            complain(format!("at least {} characters", schema["minLength"]));
        }
        if schema["maxLength"].as_u64().is_some_and(|most| count > most) {
            complain(format!("at most {} characters", schema["maxLength"]));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && self.patterns.get(pattern).is_some_and(|regex| !regex.is_match(text))
        {
            complain(format!("text matching {pattern}"));
        }
    }

    fn object(
        &self,
        schema: &Value,
        members: &serde_json::Map<String, Value>,
        at: &str,
        errors: &mut Vec<Detail>,
    ) {
        let inside = |name: &str| {
            if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
        };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                let detail = "missing".to_owned();
                errors.push(Detail { pointer: inside(name), detail });
            }
        }
        for (name, value) in members {
            match schema["properties"].get(name) {
                Some(schema) => self.visit(schema, value, &inside(name), errors),
                None if schema["additionalProperties"] == Value::Bool(false) => {
                    let detail = "unknown name".to_owned();
                    errors.push(Detail { pointer: inside(name), detail });
                }
                None => {}
            }
        }
    }
}

fn collect(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    match schema {
        Value::Object(members) => {
            if let Some(pattern) = members.get("pattern").and_then(Value::as_str)
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.to_owned(), regex);
            }
            members.values().for_each(|inner| collect(inner, patterns));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, patterns)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::{Method, Response};
    use crate::server::route::Access;
    use serde_json::json;
    use utoipa::ToSchema;

    #[derive(serde::Deserialize, ToSchema)]
    #[allow(dead_code)]
    #[serde(deny_unknown_fields)]
    struct Decision {
        #[schema(min_length = 2, max_length = 5, pattern = "^[A-Z]+$")]
        code: String,
        #[schema(minimum = 1)]
        version: Option<i64>,
        #[schema(max_items = 2)]
        ids: Vec<String>,
        kind: Kind,
        inner: Option<Inner>,
    }

    #[derive(serde::Deserialize, ToSchema)]
    #[allow(dead_code)]
    #[serde(rename_all = "UPPERCASE")]
    enum Kind {
        One,
        Two,
    }

    #[derive(serde::Deserialize, ToSchema)]
    #[allow(dead_code)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        flag: bool,
    }

    #[test]
    fn documents_are_validated_against_their_schema() {
        let route =
            Route::new(Method::Post, "/x", "decide", |_| Ok(Response::new(200)), Access::Open)
                .body::<Decision>();
        let judge = BodyValidator::new(&[route]);
        let pointers = |document: Value| {
            judge.validate("decide", &document).map_or_else(
                |denied| denied.errors.into_iter().map(|error| error.pointer).collect(),
                |()| Vec::new(),
            )
        };
        let good = json!({ "code": "AB", "ids": ["x"], "kind": "ONE" });
        assert_eq!(pointers(good.clone()), Vec::<String>::new());
        let mut full = good.clone();
        full["version"] = 3.into();
        full["inner"] = json!({ "flag": true });
        assert_eq!(pointers(full.clone()), Vec::<String>::new());
        full["inner"] = Value::Null;
        full["version"] = Value::Null;
        assert_eq!(pointers(full), Vec::<String>::new());
        for (name, value) in [
            ("code", json!("A")),
            ("code", json!("ABCDEF")),
            ("code", json!("ab")),
            ("code", json!(7)),
            ("code", Value::Null),
            ("version", json!(0)),
            ("version", json!(1.5)),
            ("version", json!("1")),
            ("ids", json!(["a", "b", "c"])),
            ("kind", json!("THREE")),
            ("inner", json!([])),
            ("status", json!("ACCEPTED")),
        ] {
            let mut bad = good.clone();
            bad[name] = value.clone();
            assert_eq!(pointers(bad), [name], "{value}");
        }
        let mut bad = good;
        bad["inner"] = json!({ "flag": 1, "flog": 2 });
        bad["ids"] = json!(["a", 1]);
        bad.as_object_mut().unwrap().remove("code");
        let mut found = pointers(bad);
        found.sort();
        assert_eq!(found, ["code", "ids[1]", "inner.flag", "inner.flog"]);
        assert_eq!(pointers(json!([])), [""]);
    }
}
