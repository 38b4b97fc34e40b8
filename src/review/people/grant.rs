//! Masked fields: whose values only people with a grant see, in every answer of the review.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

/// What stands where a value is hidden. It says neither how long the value is nor whether two are
/// the same.
pub const MASK: &str = "•••";

/// What one person does not see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masking {
    hidden: BTreeSet<String>,
}

impl Masking {
    /// Of the masked fields, those without a grant.
    pub fn new(masked: &BTreeSet<String>, grants: &BTreeSet<String>) -> Self {
        Self { hidden: masked.difference(grants).cloned().collect() }
    }

    /// Whether the values of a field are hidden.
    pub fn hides(&self, field: &str) -> bool {
        self.hidden.contains(field)
    }

    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }

    /// The hidden fields: a search must not look into them either, or it would tell what they hold.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.hidden.iter().map(String::as_str)
    }

    /// A value as the person sees it. Null stays null: that a value is missing is the difference.
    pub fn value<'v>(&self, field: &str, value: Option<&'v str>) -> Option<Cow<'v, str>> {
        value.map(|value| if self.hides(field) { MASK.into() } else { value.into() })
    }

    /// Hides values in the object of a record, whose keys are names of fields.
    pub fn record(&self, record: &mut Map<String, Json>) {
        for (field, value) in record.iter_mut() {
            if self.hides(field) && !value.is_null() {
                *value = MASK.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_has_no_grant_is_hidden_and_null_stays_null() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let masking = Masking::new(&set(&["account", "name"]), &set(&["name", "amount"]));
        assert_eq!(masking.value("account", Some("4711")).as_deref(), Some(MASK));
        assert_eq!(masking.value("account", None), None);
        assert_eq!(masking.value("name", Some("Ann")).as_deref(), Some("Ann"));
        let mut record = json!({ "account": "4711", "name": null, "amount": 7 });
        masking.record(record.as_object_mut().unwrap());
        assert_eq!(record, json!({ "account": MASK, "name": null, "amount": 7 }));
    }
}
