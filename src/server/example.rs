//! Examples of the OpenAPI document: a request and an answer of each operation, made from their schemas.

use serde_json::{Map, Value, json};

/// Deeper parts of an answer are not exemplified.
const DEEPEST: usize = 24;

/// Gives each JSON request and answer of the operations an example.
pub fn add(paths: &mut Map<String, Value>, schemas: &Map<String, Value>) {
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        if let Some(content) = operation
            .get_mut("requestBody")
            .and_then(|body| body.pointer_mut("/content/application~1json"))
        {
            content["example"] = of(&content["schema"], "", schemas, 0);
        }
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        for response in responses.values_mut() {
            let Some(content) = response.pointer_mut("/content/application~1json") else {
                continue;
            };
            let example = of(&content["schema"], "", schemas, 0);
            content["example"] = example;
        }
    }
}

/// A value that a schema allows; `name` is the field's.
fn of(schema: &Value, name: &str, schemas: &Map<String, Value>, depth: usize) -> Value {
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let component = reference.rsplit('/').next().unwrap_or_default();
        return match schemas.get(component) {
            Some(schema) if depth < DEEPEST => of(schema, name, schemas, depth + 1),
            _ => Value::Null,
        };
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(members) = of(part, name, schemas, depth + 1) {
                whole.extend(members);
            }
        }
        return whole.into();
    }
    for choices in ["anyOf", "oneOf"] {
        let choices = schema[choices].as_array().into_iter().flatten();
        if let Some(choice) = choices.into_iter().find(|choice| choice["type"] != "null") {
            return of(choice, name, schemas, depth + 1);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            let member = |(name, schema): (&String, &Value)| {
                (name.clone(), of(schema, name, schemas, depth + 1))
            };
            let current = properties.filter(|(_, schema)| schema["deprecated"] != true);
            current.map(member).collect::<Map<_, _>>().into()
        }
        Some("array") => json!([of(&schema["items"], name, schemas, depth + 1)]),
        Some("integer") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("number") => json!(0.9),
        Some("boolean") => true.into(),
        Some("string") => text(schema, name).into(),
        // Any JSON.
        _ => json!({}),
    }
}

fn text(schema: &Value, name: &str) -> String {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    match name {
        _ if pattern.contains("{64}") => "0".repeat(64),
        _ if pattern.contains("{12}") => "0190b5a0-0000-7000-8000-00000000000a".to_owned(),
        name if name.ends_with("_at") || ["at", "oldest", "time"].contains(&name) => {
            "2026-01-15T18:00:00.000000Z".to_owned()
        }
        name if name.ends_with("_date") || name.ends_with("_seen") => "2026-01-15".to_owned(),
        "currency" => "USD".to_owned(),
        name if name.contains("amount") || ["sum", "a", "b", "difference"].contains(&name) => {
            "12.50".to_owned()
        }
        name if name.starts_with("value_") => "100.00".to_owned(),
        name if name.ends_with("_id") => "0190b5a0-0000-7000-8000-00000000000a".to_owned(),
        "code" | "reason_code" => "ROUNDING_DIFF".to_owned(),
        "" => "text".to_owned(),
        name => name.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{openapi, routes};

    #[test]
    fn every_json_request_and_answer_has_an_example_that_its_schema_allows() {
        let document = openapi::document(&routes::all());
        let definitions = document["components"]["schemas"].to_string();
        let definitions = definitions.replace("#/components/schemas/", "#/$defs/");
        let definitions: Value = serde_json::from_str(&definitions).unwrap();
        let mut seen = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let answers = operation["responses"].as_object().unwrap().values();
                for one in answers.chain([&operation["requestBody"]]) {
                    let Some(content) = one.pointer("/content/application~1json") else {
                        continue;
                    };
                    let schema = content["schema"].to_string();
                    let schema = schema.replace("#/components/schemas/", "#/$defs/");
                    let mut schema: Value = serde_json::from_str(&schema).unwrap();
                    schema["$defs"] = definitions.clone();
                    let validator = jsonschema::validator_for(&schema).unwrap();
                    let wrong: Vec<String> = validator
                        .iter_errors(&content["example"])
                        .map(|error| format!("{}: {error}", error.instance_path()))
                        .collect();
                    assert!(wrong.is_empty(), "{method} {path}: {wrong:?}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "{seen} requests and answers of JSON");
    }
}
