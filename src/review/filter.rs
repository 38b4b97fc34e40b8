//! The filter and order of a list of items: one filter for the API, the page and bulk decisions.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

/// How the queue is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QueueSort {
    /// Lowest confidence first.
    #[default]
    #[serde(rename = "confidence")]
    Confidence,
    /// Highest confidence first.
    #[serde(rename = "-confidence")]
    ConfidenceDescending,
    /// Oldest first.
    #[serde(rename = "age")]
    Age,
    /// Largest amount first.
    #[serde(rename = "amount")]
    Amount,
    /// Largest product of the amount and the chance that the break stays first.
    #[serde(rename = "at_risk")]
    AtRisk,
    /// Highest severity first.
    #[serde(rename = "severity")]
    Severity,
    /// Active learning first: one page of undecided items, without a next one.
    #[serde(rename = "teaches")]
    Teaches,
}

/// Time left to decide an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sla {
    /// More than a quarter.
    Ok,
    /// A quarter or less.
    Due,
    /// None.
    Overdue,
}

/// Whether an item waits for a decision or for a blind check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ItemKind {
    /// An item to decide.
    #[default]
    #[serde(rename = "ITEM")]
    Item,
    /// A sample of automatic acceptances; the reason is hidden until a user has chosen one.
    #[serde(rename = "AUDIT_SAMPLE")]
    AuditSample,
}

/// Conditions on items. An absent field does not narrow the list.
// The names are those of the API's query and JSON. `set` and `texts` are the way from and to text, so that a new
// condition is one field here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ItemFilter)]
pub struct QueueFilter {
    /// `UNKNOWN` (the default), `PENDING`, `ACCEPTED`, `REJECTED`, or `ALL`.
    #[schema(max_length = 20)]
    pub status: Option<String>,
    /// The run; all current ones unless given.
    #[schema(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    pub run_id: Option<String>,
    /// The job.
    #[schema(max_length = 200)]
    pub job: Option<String>,
    /// The id of a group of similar items.
    #[schema(max_length = 200)]
    pub signature: Option<String>,
    /// The field.
    #[schema(max_length = 200)]
    pub field_name: Option<String>,
    /// The type of difference.
    #[schema(max_length = 50)]
    pub diff_type: Option<String>,
    /// The severity.
    #[schema(max_length = 20)]
    pub severity: Option<String>,
    /// The likeliest reason.
    #[schema(max_length = 50)]
    pub reason_code: Option<String>,
    /// Minimum confidence.
    #[schema(minimum = 0, maximum = 1)]
    pub min_confidence: Option<f64>,
    /// Maximum confidence.
    #[schema(minimum = 0, maximum = 1)]
    pub max_confidence: Option<f64>,
    /// Minimum amount.
    #[schema(minimum = 0)]
    pub min_amount: Option<f64>,
    /// Maximum amount.
    #[schema(minimum = 0)]
    pub max_amount: Option<f64>,
    /// Assigned to: `me`, `none`, or a person's id.
    #[schema(max_length = 100)]
    pub assignee: Option<String>,
    /// Time left.
    pub sla: Option<Sla>,
    /// Text contained in a reference, a value or the field's name.
    #[schema(max_length = 200)]
    pub q: Option<String>,
    /// Only items that a checker sent back, or only the others.
    pub sent_back: Option<bool>,
    /// The present reason, given by the machine or by people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    pub present_reason: Option<String>,
    /// Only items with a functional reason, or only the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional: Option<bool>,
    /// Only items that people decided, or only those accepted automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_people: Option<bool>,
    /// Only differences that move the total of this monetary field, of any currency or of the one asked for: as a line of
    /// the statement counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub monetary_field: Option<String>,
    /// The currency of the record, on either side; with `monetary_field`, the currency of the total.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    pub currency: Option<String>,
    /// `true`: only differences that move a total of amounts without a currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_currency: Option<bool>,
    /// `AUDIT_SAMPLE`: only blind samples. Without it no list tells which items are samples.
    pub kind: Option<ItemKind>,
}

impl QueueFilter {
    /// Sets the condition of this name from its text; an empty text removes it. Returns false, and changes
    /// nothing, where the name is unknown or the text makes no sense.
    pub fn set(&mut self, name: &str, text: &str) -> bool {
        let value = match name {
            _ if text.is_empty() => Json::Null,
            "min_confidence" | "max_confidence" | "min_amount" | "max_amount" => {
                text.parse::<f64>().map_or(Json::from(text), |number| {
                    // No number of JSON is infinite or NaN: it becomes null, which would remove the condition.
                    if number.is_finite() { number.into() } else { text.into() }
                })
            }
            "sent_back" | "functional" | "by_people" | "no_currency" => {
                text.parse::<bool>().map_or(Json::from(text), Json::from)
            }
            _ => text.into(),
        };
        let Ok(Json::Object(mut fields)) = serde_json::to_value(&*self) else { return false };
        fields.insert(name.to_owned(), value);
        match serde_json::from_value(Json::Object(fields)) {
            Ok(filter) => {
                *self = filter;
                true
            }
            Err(_) => false,
        }
    }

    /// The conditions of which kept counts tell how many items match.
    pub fn counted_part(&self) -> Self {
        Self {
            status: self.status.clone(),
            run_id: self.run_id.clone(),
            job: self.job.clone(),
            signature: self.signature.clone(),
            field_name: self.field_name.clone(),
            diff_type: self.diff_type.clone(),
            reason_code: self.reason_code.clone(),
            severity: self.severity.clone(),
            ..Self::default()
        }
    }

    /// True if stored counts give the number of items that match.
    pub fn is_counted(&self) -> bool {
        *self == self.counted_part()
    }

    /// The name and text of every condition, as [`Self::set`] takes them.
    pub fn texts(&self) -> Vec<(String, String)> {
        let Ok(Json::Object(fields)) = serde_json::to_value(self) else { return Vec::new() };
        let text = |value: Json| match value {
            Json::Null => None,
            Json::String(text) => Some(text),
            // As people write it: `1`, not `1.0`.
            Json::Number(number) => number.as_f64().map(|number| number.to_string()),
            other => Some(other.to_string()),
        };
        fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_back_from_their_texts() {
        let mut filter = QueueFilter::default();
        for (name, text) in [
            ("status", "ALL"),
            ("min_amount", "1000000"),
            ("sla", "overdue"),
            ("sent_back", "false"),
            ("kind", "AUDIT_SAMPLE"),
            ("q", "0.10"),
        ] {
            assert!(filter.set(name, text), "{name}");
            assert!(filter.texts().contains(&(name.to_owned(), text.to_owned())), "{name}");
        }
        assert_eq!(filter.sla, Some(Sla::Overdue));
        assert_eq!(filter.sent_back, Some(false));
        assert!(filter.set("sla", ""));
        assert_eq!(filter.sla, None);
    }

    #[test]
    fn invalid_parameters_are_ignored() {
        let mut filter = QueueFilter { min_amount: Some(2.0), ..QueueFilter::default() };
        for (name, text) in
            [("sla", "late"), ("min_amount", "NaN"), ("min_amount", "much"), ("colour", "red")]
        {
            assert!(!filter.set(name, text), "{name}");
        }
        assert_eq!(filter, QueueFilter { min_amount: Some(2.0), ..QueueFilter::default() });
    }
}
