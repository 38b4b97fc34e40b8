//! Records of a run by value, for fields with few values, such as the currency. A run's records never change, so this
//! is read once and kept in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use crate::diagnostic::Problem;
use crate::domain::scan::Scanner;
use crate::store::batch::FIELD_BITS;
use crate::store::chunk;

use super::bits::Bits;
use super::items::{at_numbers, place_parameters};
use super::{ReviewTables, cell_text};

/// Of a field with more values nothing is kept.
const MOST_VALUES: usize = 200;
/// The most fields of runs that are kept.
const MOST_KNOWN: usize = 50;
/// Rows of records that are read by one statement.
const STEP: usize = 1_000;

/// By the run's id and the field's position; `None` where there are too many values.
static CACHE: Mutex<BTreeMap<(String, usize), CachedHolders>> = Mutex::new(BTreeMap::new());
type CachedHolders = Option<Arc<Holders>>;
/// Held while a field is read, so that it is read once.
static READING: Mutex<()> = Mutex::new(());

/// By value, the records that hold it on either side.
#[derive(Debug, Default)]
pub(super) struct Holders(HashMap<String, Bits>);

impl Holders {
    /// The records that hold this value.
    pub fn of(&self, text: &str) -> Bits {
        self.0.get(text).cloned().unwrap_or_default()
    }

    fn add(&mut self, text: &str, record: i64) {
        match self.0.get_mut(text) {
            Some(found) => found.add(record),
            None => drop(self.0.insert(text.to_owned(), Bits::from_iter([record]))),
        }
    }

    /// The text of a cell at a position of an evidence array.
    fn take(&mut self, side: &str, at: usize, record: i64) {
        let mut scan = Scanner::new(side);
        for before in 0..=at {
            if !scan.take(if before == 0 { b'[' } else { b',' }) {
                return;
            }
            if before < at {
                scan.value();
            }
        }
        if scan.peek() == Some(b'"') {
            if let Some(text) = scan.string() {
                self.add(&text, record);
            }
        } else if let Some(json) = scan.value()
            && let Ok(value) = serde_json::from_str(json)
            && let Some(text) = cell_text(&value)
        {
            self.add(&text, record);
        }
    }
}

impl ReviewTables<'_> {
    /// The holders of each value that a run's records with differences have in a field; `None` where these are too many.
    pub(super) fn holders(
        &mut self,
        run_no: i64,
        at: usize,
    ) -> Result<Option<Arc<Holders>>, Problem> {
        let place = (self.run(run_no)?.run_id.clone(), at);
        let known = || CACHE.lock().ok().and_then(|known| known.get(&place).cloned());
        if let Some(known) = known() {
            return Ok(known);
        }
        let _guard = READING.lock();
        if let Some(known) = known() {
            return Ok(known);
        }
        let holders = self.read_holders(run_no, at)?.map(Arc::new);
        if let Ok(mut known) = CACHE.lock() {
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(place, holders.clone());
        }
        Ok(holders)
    }

    fn read_holders(&mut self, run_no: i64, at: usize) -> Result<Option<Holders>, Problem> {
        let dialect = self.dialect();
        let sql = format!(
            "SELECT DISTINCT (({} >> {FIELD_BITS}) - 1) / {} FROM recon.difference_rows d WHERE {}",
            dialect.number("d"),
            chunk::RECORDS,
            dialect.of_run("d", run_no)
        );
        let mut rows = self.tx.list(&sql, &[], |row| row.count(0))?;
        rows.sort_unstable();
        let sql = format!(
            "SELECT {}, d.records FROM recon.record_rows d WHERE {}",
            dialect.number("d"),
            at_numbers(dialect)
        );
        let mut holders = Holders::default();
        for some in rows.chunks(STEP) {
            let places = place_parameters(dialect, run_no, some);
            self.tx.query_each(&sql, &places, &mut |row| {
                let text = row.str(1)?.unwrap_or_default();
                chunk::read(row.count(0)?.cast_unsigned(), text, |record| {
                    for side in [record.a, record.b].into_iter().flatten() {
                        holders.take(side, at, record.number.cast_signed());
                    }
                    Ok::<_, Problem>(())
                })
            })?;
            if holders.0.len() > MOST_VALUES {
                return Ok(None);
            }
        }
        Ok(Some(holders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_at_a_position_is_that_of_the_cell() {
        let mut holders = Holders::default();
        holders.take(r#"["a,\"[b", "EUR", 12, {"unparsed":"x"}, null]"#, 1, 5);
        holders.take(r#"["a", 12]"#, 1, 6);
        holders.take(r#"["a", {"unparsed":"x"}]"#, 1, 700);
        holders.take(r#"["a", null]"#, 1, 8);
        holders.take(r#"["a"]"#, 1, 9);
        let has = |text: &str, record| holders.of(text).has(record);
        assert!(has("EUR", 5) && has("12", 6) && has("x", 700));
        assert!(!has("EUR", 6) && !has("x", 64) && !has("null", 8));
        assert_eq!(holders.0.len(), 3);
    }
}
