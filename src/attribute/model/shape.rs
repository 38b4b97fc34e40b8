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
    /// With the first `width` features.
    pub(super) fn of(layout: &Layout, width: usize) -> Self {
        Self {
            features: catalogue()
                .iter()
                .take(width)
                .map(|feature| feature.name.to_owned())
                .collect(),
            fields: layout.fields().iter().map(|field| (field.name.clone(), field.kind)).collect(),
            key_len: layout.key_len(),
        }
    }

    /// The mismatch in words.
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
        if self.features != now.features {
            return Some(format!(
                "its features are not this version's: {}",
                first(&self.features, &now.features)
            ));
        }
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
