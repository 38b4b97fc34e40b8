//! Amounts behind the figures: sums and largest differences of each field, amounts of missing and
//! duplicate records, and example rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::{Cells, Decimal, FieldRef, Kind, Layout};
use crate::store::{RunRow, Store, StoredDifference};

use super::differences::References;
use super::field_name;

/// Rows shown per field: the largest differences, and the first ones.
const SHOWN: usize = 3;

/// The fields that give a record's amount, currency and date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmountFields {
    amount: Option<usize>,
    currency: Option<usize>,
    date: Option<usize>,
}

impl AmountFields {
    /// The run's monetary field (else its first decimal), its currency (`currency_field`,
    /// else a field named like one), and its first date.
    pub fn of(run: &RunRow) -> Self {
        let fields = run.layout.fields();
        let configuration = run.metadata.get("configuration").unwrap_or(&Json::Null);
        let is_true = |value: &Json| value == true || value == "true";
        let monetary = |name: &str| is_true(&configuration["fields"][name]["monetary"]);
        let first = |is: &dyn Fn(&crate::domain::Field) -> bool| {
            fields
                .iter()
                .enumerate()
                .skip(run.layout.key_len())
                .find(|(_, field)| is(field))
                .map(|(at, _)| at)
        };
        let currency = configuration["currency_field"]
            .as_str()
            .or_else(|| configuration["review"]["currency_field"].as_str());
        Self {
            amount: first(&|field| monetary(&field.name))
                .or_else(|| first(&|field| field.kind == Kind::Decimal)),
            currency: currency.and_then(|name| run.layout.position(name)).or_else(|| {
                fields.iter().position(|field| {
                    let name = field.name.to_lowercase();
                    ["currency", "ccy", "curr", "currency_code"].contains(&name.as_str())
                })
            }),
            date: fields.iter().position(|field| matches!(field.kind, Kind::Date | Kind::Datetime)),
        }
    }

    /// Amount, currency and date of a row; empty if missing.
    pub(super) fn read(&self, cells: &[u8]) -> [String; 3] {
        [self.amount, self.currency, self.date].map(|at| {
            at.and_then(|at| Cells::new(cells).nth(at))
                .and_then(|cell| cell.decode(&mut [0; 36]).text())
                .unwrap_or_default()
        })
    }
}

/// B − A of a numeric difference, exactly.
pub(super) fn delta(layout: &Layout, difference: &StoredDifference<'_>) -> Option<Decimal> {
    let FieldRef::Field(at) = difference.field else { return None };
    let kind = layout.fields().get(usize::from(at))?.kind;
    if !matches!(kind, Kind::Decimal | Kind::Integer) {
        return None;
    }
    let number = |text: Option<&str>| text?.parse::<Decimal>().ok();
    number(difference.value_b)?.checked_sub(number(difference.value_a)?)
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub reference: String,
    /// The value of side A; for missing and duplicate records, the amount.
    pub a: Option<String>,
    pub b: Option<String>,
    /// B − A.
    pub delta: Option<String>,
    pub currency: String,
    pub date: String,
    /// The earlier date since when it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_since: Option<String>,
}

/// The totals of one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// How many differences the sums include.
    pub count: u64,
    /// The sum of B − A; for missing and duplicate records, the sum of their amounts.
    pub sum: Option<String>,
    /// The sum of absolute differences.
    pub size: Option<String>,
}

/// A field, or a type of missing or duplicate record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FieldDetails {
    /// The field's name, or the difference type of a whole record.
    pub name: String,
    pub entire: bool,
    pub count: u64,
    /// By currency; the empty name if no currency is known.
    pub sums: BTreeMap<String, Sums>,
    pub largest: Vec<Row>,
    /// The first differences, in record order.
    pub sample: Vec<Row>,
}

#[derive(Default)]
struct Gathered {
    details: FieldDetails,
    sums: BTreeMap<String, (u64, Option<Decimal>, Option<Decimal>)>,
    largest: Vec<(Decimal, Row)>,
}

/// `None` if a sum has more digits than a decimal can hold.
fn plus(sum: Option<Decimal>, more: Decimal) -> Option<Decimal> {
    sum?.checked_sub(Decimal::ZERO.checked_sub(more)?)
}

/// Reads the details of every field of a compared run.
pub fn read(store: &dyn Store, run: &RunRow) -> Result<Vec<FieldDetails>, Problem> {
    let mut all: BTreeMap<(bool, String), Gathered> = BTreeMap::new();
    let mut references = References::of_run(run);
    store.each_difference(run.id, &mut |difference, record| {
        references.of(record, &run.layout)?;
        let entire = difference.field == FieldRef::EntireRecord;
        let name = match entire {
            true => difference.diff_type.name(),
            false => field_name(&run.layout, difference.field),
        };
        let gathered = all.entry((entire, name.to_owned())).or_default();
        gathered.details.entire = entire;
        gathered.details.count += 1;
        let reference = if references.a.is_empty() { &references.b } else { &references.a };
        let [amount, currency, date] = &references.worth;
        let delta = if entire { amount.parse().ok() } else { delta(&run.layout, difference) };
        let has_a = difference.value_a.is_some();
        let row = || Row {
            reference: reference.clone(),
            a: if entire {
                has_a.then(|| amount.clone())
            } else {
                difference.value_a.map(str::to_owned)
            },
            b: if entire {
                (!has_a).then(|| amount.clone())
            } else {
                difference.value_b.map(str::to_owned)
            },
            delta: delta.filter(|_| !entire).map(|delta| delta.to_string()),
            currency: currency.clone(),
            date: date.clone(),
            open_since: references.open_since.clone(),
        };
        if gathered.details.sample.len() < SHOWN {
            gathered.details.sample.push(row());
        }
        let Some(delta) = delta else { return Ok(()) };
        let zero = Some(Decimal::ZERO);
        let sums = gathered.sums.entry(currency.clone()).or_insert((0, zero, zero));
        sums.0 += 1;
        sums.1 = plus(sums.1, delta);
        sums.2 = plus(sums.2, delta.abs());
        let size = delta.abs();
        let at = gathered.largest.iter().position(|(known, _)| *known < size);
        let at = at.unwrap_or(gathered.largest.len());
        if at < SHOWN {
            gathered.largest.insert(at, (size, row()));
            gathered.largest.truncate(SHOWN);
        }
        Ok(())
    })?;
    Ok(all
        .into_iter()
        .map(|((_, name), gathered)| {
            let text = |sum: Option<Decimal>| sum.map(|sum| sum.to_string());
            FieldDetails {
                name,
                sums: gathered
                    .sums
                    .into_iter()
                    .map(|(currency, (count, sum, size))| {
                        (currency, Sums { count, sum: text(sum), size: text(size) })
                    })
                    .collect(),
                largest: gathered.largest.into_iter().map(|(_, row)| row).collect(),
                ..gathered.details
            }
        })
        .collect())
}
