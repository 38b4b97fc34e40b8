//! The JSON Schema of `recon.yaml`, generated from the types that read it.

use std::collections::HashMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::spec::Spec;

/// The schema of the whole file, draft 2020-12, for editors.
pub fn schema() -> Value {
    generate::<Spec>().to_value()
}

fn generate<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// The keys that each struct within `T` can't do without, by the name of the struct.
pub(super) fn required_keys<T: JsonSchema>() -> HashMap<String, Vec<String>> {
    let root = generate::<T>().to_value();
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
