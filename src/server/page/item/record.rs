//! The record of a difference: its other fields, its match, and its candidates.

use crate::domain::Decimal;
use crate::review::{FieldValue, ItemDetail, RecordSide};
use crate::server::page::address::Listing;
use crate::server::page::diff::{self, Shown, Signs};
use crate::server::page::fragment::Value;
use crate::server::page::{difference, labels};

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub sides: (Value, Value),
    pub differs: bool,
    pub compared: bool,
    /// The page of its difference, if it has one.
    pub href: Option<String>,
}

impl Field {
    /// True if both sides show the same, which is then shown once.
    pub fn is_same(&self) -> bool {
        !self.differs && self.sides.0 == self.sides.1
    }
}

/// The record's match or candidates.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// The pass and how sure it is; empty for an open row.
    pub how: String,
    /// The rows of a group, A's and B's.
    pub sides: Vec<Members>,
    /// The fields of the tied candidates and the values of this row and of theirs.
    pub fields: Vec<(String, Vec<Value>)>,
    /// The tied candidates: their references, and a comment that chooses them.
    pub choices: Vec<(String, String)>,
    /// The other candidates, a sentence each.
    pub others: Vec<String>,
}

impl Matching {
    pub fn is_empty(&self) -> bool {
        self.how.is_empty() && self.choices.is_empty() && self.others.is_empty()
    }
}

/// The rows of one side of a group.
#[derive(Clone, Debug)]
pub struct Members {
    pub system: String,
    /// The fields in which one of the rows has a value.
    pub fields: Vec<String>,
    /// Each row's reference and values.
    pub rows: Vec<(String, Vec<Value>)>,
    /// Totals of the rows; empty for a single row.
    pub sums: Vec<Value>,
}

fn plain(value: &serde_json::Value) -> Value {
    diff::plain(text_of(value).as_deref(), Signs::Deceiving).into()
}

fn members(
    matched: &serde_json::Value,
    keys: (&str, &str),
    record: &Option<RecordSide>,
) -> Option<Members> {
    let rows = matched[keys.0].as_array().filter(|rows| !rows.is_empty())?;
    let record = record.as_ref()?;
    let names = record.fields.iter().map(|field| field.name.clone());
    let fields: Vec<String> =
        names.filter(|name| rows.iter().any(|row| !row["fields"][name].is_null())).collect();
    let values = |of: &serde_json::Value| fields.iter().map(|name| plain(&of[name])).collect();
    let sums = &matched[keys.1];
    let blank = || diff::plain(Some(""), Signs::Deceiving).into();
    let is_summed = sums.as_object().is_some_and(|sums| !sums.is_empty());
    Some(Members {
        system: record.system.clone(),
        rows: rows
            .iter()
            .map(|row| (row["ref"].as_str().unwrap_or_default().to_owned(), values(&row["fields"])))
            .collect(),
        sums: fields
            .iter()
            .filter(|_| is_summed)
            .map(|name| if sums[name].is_null() { blank() } else { plain(&sums[name]) })
            .collect(),
        fields,
    })
}

/// The fields of this row and of its tied candidates.
fn compared(detail: &ItemDetail, tied: &[&serde_json::Value]) -> Vec<(String, Vec<Value>)> {
    let own = detail.record_a.as_ref().or(detail.record_b.as_ref());
    let own = own.map_or(&[][..], |side| side.fields.as_slice());
    let row = |name: &str, value: &serde_json::Value| {
        let others = tied.iter().map(|one| {
            let rows = one["rows"].as_array().into_iter().flatten();
            let texts: Vec<String> = rows.filter_map(|row| text_of(&row["fields"][name])).collect();
            (!texts.is_empty()).then(|| texts.join(" + "))
        });
        let texts: Vec<Option<String>> = std::iter::once(text_of(value)).chain(others).collect();
        let shown = |text: &Option<String>| diff::plain(text.as_deref(), Signs::Deceiving).into();
        let values = texts.iter().map(shown).collect();
        texts.iter().any(Option::is_some).then(|| (name.to_owned(), values))
    };
    own.iter().filter_map(|field| row(&field.name, &field.value)).collect()
}

pub fn matching(detail: &ItemDetail) -> Matching {
    let Some(matched) = &detail.aggregation else { return Matching::default() };
    let text = |value: &serde_json::Value, key: &str| -> String {
        match &value[key] {
            serde_json::Value::String(text) => text.clone(),
            _ => String::new(),
        }
    };
    let mut how = String::new();
    if matched["pass"].is_string() {
        let (pass, sure) = (text(matched, "pass"), text(matched, "certificate").to_lowercase());
        how = format!("Matched by pass {pass}; {sure}");
    }
    let candidates: Vec<_> = matched["candidates"].as_array().into_iter().flatten().collect();
    let (tied, others): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .partition(|one| one["rows"].as_array().is_some_and(|rows| !rows.is_empty()));
    let sides = [
        members(matched, ("members_a", "sums_a"), &detail.record_a),
        members(matched, ("members_b", "sums_b"), &detail.record_b),
    ];
    Matching {
        how,
        sides: sides.into_iter().flatten().collect(),
        fields: compared(detail, &tied),
        choices: tied
            .iter()
            .map(|one| (text(one, "ref"), format!("Belongs to {}.", text(one, "ref"))))
            .collect(),
        others: others
            .into_iter()
            .map(|one| {
                format!("{} was not taken: {}", text(one, "ref"), distance(&text(one, "why")))
            })
            .collect(),
    }
}

/// Distance of a row, with separated thousands.
pub fn distance(why: &str) -> String {
    match why.split_once(' ') {
        Some((number, rest)) if rest.starts_with("away") => {
            format!("{} {rest}", labels::amount(number))
        }
        _ => why.to_owned(),
    }
}

/// File and place; the line alone where the run does not say more.
pub fn line(side: &Option<RecordSide>) -> Option<String> {
    let side = side.as_ref()?;
    let line = || Some(format!("line {}", labels::count(&side.line?)));
    side.place.clone().or_else(line)
}

fn text_of(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(object) => match object.get("unparsed") {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => Some(value.to_string()),
        },
        other => Some(other.to_string()),
    }
}

/// A value as people read it: a decimal with its thousands apart.
fn readable(field: &FieldValue) -> Option<String> {
    let text = text_of(&field.value)?;
    Some(if field.kind == "decimal" && !field.masked { labels::amount(&text) } else { text })
}

fn is_one_number(a: &Option<Option<String>>, b: &Option<Option<String>>) -> bool {
    let number = |side: &Option<Option<String>>| {
        let text = side.as_ref()?.as_ref()?.replace(',', "").replace('−', "-");
        text.contains('.').then(|| Decimal::parse(text.as_bytes()).ok()).flatten()
    };
    number(a).is_some_and(|a| number(b) == Some(a))
}

/// The other fields of the record, differing ones first.
pub fn fields(detail: &ItemDetail, listing: &Listing) -> Vec<Field> {
    let own = &detail.item.difference.field_name;
    let empty = Vec::new();
    let names = |side: &Option<RecordSide>| -> Vec<String> {
        side.as_ref().map_or(&empty, |side| &side.fields).iter().map(|f| f.name.clone()).collect()
    };
    let value = |side: &Option<RecordSide>, name: &str| -> Option<Option<String>> {
        let side = side.as_ref()?;
        Some(side.fields.iter().find(|field| field.name == name).and_then(readable))
    };
    let mut all = names(&detail.record_a);
    all.extend(
        names(&detail.record_b).into_iter().filter(|name| !all.contains(name)).collect::<Vec<_>>(),
    );
    let mut rows: Vec<Field> = all
        .into_iter()
        .filter(|name| name != own)
        .map(|name| {
            let (a, b) = (value(&detail.record_a, &name), value(&detail.record_b, &name));
            // Of a record without a partner there is one column.
            let (a, b) = (a.clone().or_else(|| b.clone()), b.or(a));
            // The same number is shown once, however many zeros end it.
            let b = if is_one_number(&a, &b) { a.clone() } else { b };
            let sibling = detail.siblings.iter().find(|one| one.difference.field_name == name);
            let differs = sibling.is_some();
            let compared = [&detail.record_a, &detail.record_b]
                .into_iter()
                .flatten()
                .all(|side| side.fields.iter().all(|field| field.name != name || field.compared));
            let sides = match sibling {
                Some(one) if a.is_some() && b.is_some() => {
                    difference::sides(&one.difference, Signs::Deceiving)
                }
                _ => {
                    let shown = |side: &Option<Option<String>>| -> Value {
                        side.as_ref()
                            .map_or(Shown::NoRecord, |value| {
                                diff::plain(value.as_deref(), Signs::Deceiving)
                            })
                            .into()
                    };
                    (shown(&a), shown(&b))
                }
            };
            let href = sibling
                .map(|one| listing.with_position(&format!("/review/items/{}", one.attribution_id)));
            Field { name, sides, differs, compared, href }
        })
        .collect();
    rows.sort_by_key(|field| !field.differs);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_their_thousands_apart_and_equal_ones_are_one() {
        let field = |kind: &str, text: &str, masked: bool| FieldValue {
            name: "x".to_owned(),
            kind: kind.to_owned(),
            compared: true,
            value: text.into(),
            masked,
        };
        let shown = |kind: &str, text: &str| readable(&field(kind, text, false)).unwrap();
        assert_eq!(shown("decimal", "-1234567.50"), "−1,234,567.50");
        assert_eq!(shown("text", "1234567"), "1234567", "a name made of digits is no amount");
        assert_eq!(shown("integer", "1234567"), "1234567", "nor need an integer be one");
        let one = |a: &str, b: &str| is_one_number(&Some(Some(a.into())), &Some(Some(b.into())));
        assert!(one("−1,234.5", "−1,234.50"));
        assert!(!one("1.5", "−1.5") && !one("1.51", "1.5") && !one("a.b", "a.b"));
        assert!(!one("100", "100.00"), "without a point it may be a name");
    }

    #[test]
    fn distances_have_separated_thousands() {
        assert_eq!(distance("1439.04 away, 0 allowed"), "1,439.04 away, 0 allowed");
        assert_eq!(distance("3 days away, 2 allowed"), "3 days away, 2 allowed");
    }
}
