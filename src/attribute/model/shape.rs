//! The input a model expects: features by name and order, and the job's fields.

use serde::{Deserialize, Serialize};

use crate::attribute::features::catalogue;
use crate::domain::{Kind, Layout};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) features: Vec<String>,
    fields: Vec<(String, Kind)>,
    key_len: usize,
}

impl Shape {
    /// With the features at these positions of the catalogue.
    pub(super) fn of(layout: &Layout, columns: &[usize]) -> Self {
        let name = |at: &usize| catalogue().get(*at).map(|feature| feature.name.to_owned());
        Self {
            features: columns.iter().filter_map(name).collect(),
            fields: layout.fields().iter().map(|field| (field.name.clone(), field.kind)).collect(),
            key_len: layout.key_len(),
        }
    }

    /// The positions of its features in the catalogue of this version.
    ///
    /// # Errors
    /// A sentence about features that do not fit.
    pub(super) fn columns(&self) -> Result<Vec<usize>, String> {
        let wrong = |what: String| format!("its features are not this version's: {what}");
        let mut columns = Vec::with_capacity(self.features.len());
        for name in &self.features {
            let at = catalogue().iter().position(|feature| feature.name == name.as_str());
            columns.push(at.ok_or_else(|| wrong(format!("`{name}` is gone")))?);
        }
        if columns.is_sorted_by(|a, b| a < b) {
            Ok(columns)
        } else {
            Err(wrong("their order has changed".to_owned()))
        }
    }

    /// How the job differs, in words.
    pub(super) fn mismatch(&self, now: &Self) -> Option<String> {
        let first = |then: &[String], now: &[String]| {
            let gone = then.iter().find(|name| !now.contains(name));
            let new = now.iter().find(|name| !then.contains(name));
            match (gone, new) {
                (Some(gone), _) => format!("`{gone}` is gone"),
                (_, Some(new)) => format!("`{new}` is new"),
                _ => "their order has changed".to_owned(),
            }
        };
        let names = |shape: &Self| -> Vec<String> {
            shape.fields.iter().map(|(name, kind)| format!("{name}: {kind}")).collect()
        };
        if self.fields != now.fields {
            return Some(format!(
                "the job's fields have changed: {}",
                first(&names(self), &names(now))
            ));
        }
        (self.key_len != now.key_len).then(|| "the job's key has changed".to_owned())
    }
}
