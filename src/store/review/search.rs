//! The search index: for each three characters in a row, the records of a run that contain them.
//!
//! The records with differences of a run are indexed in parts, after the run, by the server or by the first search,
//! so that a run does not pay for it. A part has one row for every three characters that occur in it, with the
//! numbers of the records. A search reads the rows of its own characters and intersects them; the remaining records
//! are compared with the text itself, within the user's permissions. Both stores have the same tables, and neither
//! needs an extension.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::diagnostic::Problem;
use crate::store::SqlValue;
use crate::store::batch::FIELD_BITS;
use crate::store::layout::{ItemKey, MAX_NUMBER, row_id};
use crate::store::rows::{self, Table, parameters};
use crate::store::transact::Dialect;

use super::condition::{Where, joined};
use super::{ItemQuery, Record, ReviewTables, Run};

/// Differences that are read for one part of the index.
const PART: usize = 5_000;
/// Characters of a value that are indexed.
const INDEXED: usize = 1_000;
/// Character triples of a text that are looked up; more would save little, because the found records are compared
/// anyway.
const LOOKED_UP: usize = 12;
const CHAR_BITS: u32 = 21;

/// A text to find, in any case.
#[derive(Clone, Debug)]
pub(crate) struct SearchText {
    /// In lower case.
    text: String,
    /// As a reference without its punctuation and leading zeros.
    bare: Option<String>,
    /// A number without separators of thousands.
    number: Option<String>,
}

impl SearchText {
    pub fn new(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        let bare = bare(&text);
        Self {
            bare: (bare != text && bare.chars().count() >= 3).then_some(bare),
            number: without_thousands(&text),
            text,
        }
    }

    pub fn is_in(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        value.contains(&self.text)
            || self.number.as_deref().is_some_and(|number| value.contains(number))
    }

    /// True if a reference contains the text, as normalized or as written.
    pub fn is_in_reference(&self, reference: &str) -> bool {
        self.is_in(reference)
            || self.bare.as_deref().is_some_and(|text| bare(reference).contains(text))
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        [Some(self.text.as_str()), self.bare.as_deref(), self.number.as_deref()]
            .into_iter()
            .flatten()
    }
}

/// Letters and digits in lower case, without leading zeros: the same for most ways to write a reference.
fn bare(reference: &str) -> String {
    let kept = reference.chars().filter(|one| one.is_alphanumeric());
    let text: String = kept.flat_map(char::to_lowercase).collect();
    text.trim_start_matches('0').to_owned()
}

/// `1,234.50` as `1234.50`; `None` for anything else.
fn without_thousands(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').map_or((text, ""), |(w, f)| (w, f));
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let first = groups.next().filter(|first| digits(first) && first.len() <= 3)?;
    let rest: Vec<&str> = groups.collect();
    let is_number = !rest.is_empty()
        && rest.iter().all(|part| digits(part) && part.len() == 3)
        && (fraction.is_empty() || digits(fraction));
    let point = if fraction.is_empty() { "" } else { "." };
    is_number.then(|| format!("{first}{}{point}{fraction}", rest.concat()))
}

fn gram(first: char, second: u32, third: u32) -> i64 {
    i64::from(u32::from(first)) << (2 * CHAR_BITS)
        | i64::from(second) << CHAR_BITS
        | i64::from(third)
}

/// Three characters from each place of a text; zeros stand behind its end.
fn grams(text: &str, out: &mut Vec<i64>) {
    let characters: Vec<char> = text.chars().take(INDEXED).collect();
    let at = |place: usize| characters.get(place).copied().map_or(0, u32::from);
    for (place, first) in characters.iter().enumerate() {
        out.push(gram(*first, at(place + 1), at(place + 2)));
    }
}

/// The index entries to look up for a text.
enum LookUp {
    /// Records that have all of these.
    All(Vec<i64>),
    /// Records that have any of these: the text is shorter than three characters.
    Between(i64, i64),
}

impl LookUp {
    fn of(text: &str) -> Option<Self> {
        let characters: Vec<char> = text.chars().collect();
        let most = (1 << CHAR_BITS) - 1;
        Some(match characters.as_slice() {
            [] => return None,
            [one] => Self::Between(gram(*one, 0, 0), gram(*one, most, most)),
            [one, two] => {
                let two = u32::from(*two);
                Self::Between(gram(*one, two, 0), gram(*one, two, most))
            }
            longer => {
                let mut all = Vec::new();
                grams(text, &mut all);
                all.truncate(longer.len() - 2);
                let step = all.len().div_ceil(LOOKED_UP);
                let mut chosen: Vec<i64> = all.iter().copied().step_by(step).collect();
                chosen.extend(all.last());
                chosen.sort_unstable();
                chosen.dedup();
                Self::All(chosen)
            }
        })
    }
}

/// Numbers in ascending order, as differences of seven bits a byte.
#[derive(Default)]
struct Postings {
    bytes: Vec<u8>,
    last: i64,
}

impl Postings {
    fn push(&mut self, number: i64) {
        let mut rest = (number - self.last).cast_unsigned();
        self.last = number;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn read(bytes: &[u8]) -> Vec<i64> {
        let mut numbers = Vec::new();
        let (mut last, mut value, mut shift) = (0_i64, 0_u64, 0);
        for byte in bytes {
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                last += value.cast_signed();
                numbers.push(last);
                (value, shift) = (0, 0);
            } else {
                shift = (shift + 7) % 63;
            }
        }
        numbers
    }
}

/// A run whose index is not complete: the next item to index, and the next part.
struct Unindexed {
    run_no: i64,
    from: i64,
    part: i64,
}

/// Records by runs and parts of the index.
pub(super) type PartRecords = HashMap<(i64, i64), Vec<i64>>;

/// A part of a run's index that was read and is to be added.
pub(crate) struct NextPart {
    at: Unindexed,
    grams: BTreeMap<i64, Postings>,
    /// Start of the next part.
    next: Option<i64>,
}

impl ReviewTables<'_> {
    /// The first of these runs whose index is not complete.
    pub fn first_unindexed(&mut self, runs: &[i64]) -> Result<Option<i64>, Problem> {
        if runs.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT r.run_no FROM recon.recon_runs r \
             LEFT JOIN recon.search_runs s ON s.run_no = r.run_no AND s.complete = $1 \
             WHERE r.run_no IN ({}) AND s.run_no IS NULL ORDER BY r.run_no LIMIT 1",
            joined(runs)
        );
        self.tx.find(&sql, &parameters![true], |row| row.count(0))
    }

    /// Reads the next part of a run's index, so that it is written quickly.
    pub fn next_part(&mut self, run_no: i64) -> Result<NextPart, Problem> {
        let sql = "SELECT next_number, parts FROM recon.search_runs WHERE run_no = $1";
        let at = self.tx.find(sql, &parameters![run_no], |row| {
            Ok(Unindexed { run_no, from: row.count(0)?, part: row.count(1)? })
        })?;
        let at = at.unwrap_or(Unindexed { run_no, from: 0, part: 0 });
        let (grams, next) = self.postings(&at)?;
        Ok(NextPart { at, grams, next })
    }

    /// Adds a part to a run's index, unless another process has done so meanwhile.
    pub fn add_part(&mut self, part: &NextPart) -> Result<(), Problem> {
        let NextPart { at, grams, next } = part;
        self.tx.execute(
            "INSERT INTO recon.search_runs (run_no, next_number, parts, complete) \
             VALUES ($1, 0, 0, $2) ON CONFLICT (run_no) DO NOTHING",
            &parameters![at.run_no, false],
        )?;
        let sql = format!(
            "SELECT 1 FROM recon.search_runs \
             WHERE run_no = $1 AND next_number = $2 AND parts = $3 AND complete = $4{}",
            self.dialect().for_update()
        );
        if !self.tx.exists(&sql, &parameters![at.run_no, at.from, at.part, false])? {
            return Ok(());
        }
        let row = |(gram, postings): (&i64, &Postings)| {
            parameters![at.run_no, at.part, *gram, postings.bytes.as_slice()].to_vec()
        };
        let rows: Vec<Vec<SqlValue>> = grams.iter().map(row).collect();
        let added = i64::from(!rows.is_empty());
        if added > 0 {
            rows::insert(self.tx, &PARTS, &[parameters![at.run_no, at.part].to_vec()])?;
            rows::insert(self.tx, &GRAMS, &rows)?;
        }
        self.tx
            .execute(
                "UPDATE recon.search_runs SET next_number = $2, parts = $3, complete = $4 \
                 WHERE run_no = $1",
                &parameters![at.run_no, next.unwrap_or(at.from), at.part + added, next.is_none()],
            )
            .map(drop)
    }

    /// The records of the next part by the characters that they contain, and where the part after it begins.
    fn postings(
        &mut self,
        at: &Unindexed,
    ) -> Result<(BTreeMap<i64, Postings>, Option<i64>), Problem> {
        let dialect = self.dialect();
        let run = self.run(at.run_no)?;
        let sql = format!(
            "SELECT {}, d.value_a, d.value_b FROM recon.difference_rows d \
             WHERE {} ORDER BY {} LIMIT {PART}",
            dialect.number("d"),
            dialect.between("d", at.run_no, at.from + 1, MAX_NUMBER),
            dialect.order("d", "")
        );
        // By record, in ascending order.
        let mut texts: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        let (mut count, mut last) = (0, 0);
        self.tx.query_each(&sql, &[], &mut |row| {
            let key = ItemKey { run_no: at.run_no, number: row.count(0)? };
            (count, last) = (count + 1, key.number);
            let own = texts.entry(key.record()).or_default();
            own.insert(run.field_name(key.field()).to_lowercase());
            own.extend([row.str(1)?, row.str(2)?].into_iter().flatten().map(beginning));
            Ok(())
        })?;
        // The differences of a record belong to one part.
        let next = (count == PART).then_some(last | MASK);
        let keys: Vec<ItemKey> = texts
            .keys()
            .map(|record| ItemKey { run_no: at.run_no, number: record << FIELD_BITS })
            .collect();
        for ((_, record), evidence) in self.records(&keys)? {
            if let Some(own) = texts.get_mut(&record) {
                own.extend(words(&run, &evidence));
            }
        }
        let mut postings: HashMap<i64, Postings> = HashMap::new();
        let mut own = Vec::new();
        for (record, texts) in &texts {
            own.clear();
            for text in texts {
                grams(text, &mut own);
            }
            own.sort_unstable();
            own.dedup();
            for gram in &own {
                postings.entry(*gram).or_default().push(*record);
            }
        }
        Ok((postings.into_iter().collect(), next))
    }

    /// The parts of the index of these runs, in the order of runs and numbers.
    pub fn parts(&mut self, runs: &[i64]) -> Result<Vec<(i64, i64)>, Problem> {
        let mut condition = Where::new(self.dialect(), "1 = 1");
        condition.of_runs("p.run_no", runs);
        let sql = format!(
            "SELECT p.run_no, p.part FROM recon.search_parts p WHERE {} ORDER BY 1, 2",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| Ok((row.count(0)?, row.count(1)?)))
    }

    /// The records of these parts that may contain the text, in the order of runs and numbers. Several lists of a page
    /// ask for the same text.
    pub fn candidates(
        &mut self,
        parts: &[(i64, i64)],
        text: &SearchText,
    ) -> Result<Vec<ItemKey>, Problem> {
        let mut known = match self.candidates.take() {
            Some((of, known)) if of == text.text => known,
            _ => HashMap::new(),
        };
        let new: Vec<(i64, i64)> =
            parts.iter().filter(|part| !known.contains_key(*part)).copied().collect();
        for text in text.texts().filter(|_| !new.is_empty()) {
            let Some(look_up) = LookUp::of(text) else { continue };
            self.look_up(&new, &look_up, &mut known)?;
        }
        let mut found = Vec::new();
        for part in parts {
            let records = known.entry(*part).or_default();
            records.sort_unstable();
            records.dedup();
            found.extend(records.iter().map(|number| ItemKey { run_no: part.0, number: *number }));
        }
        self.candidates = Some((text.text.clone(), known));
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn look_up(
        &mut self,
        parts: &[(i64, i64)],
        look_up: &LookUp,
        found: &mut PartRecords,
    ) -> Result<(), Problem> {
        let dialect = self.dialect();
        let (condition, values, wanted) = match look_up {
            LookUp::All(grams) => (
                rows::is_among(dialect, "g.gram", "$1"),
                vec![rows::numbers(grams.iter().copied())],
                grams.len(),
            ),
            LookUp::Between(from, to) => {
                ("g.gram BETWEEN $1 AND $2".to_owned(), parameters![*from, *to].to_vec(), 1)
            }
        };
        let places: Vec<String> =
            parts.iter().map(|(run_no, part)| format!("({run_no}, {part})")).collect();
        // Both databases call columns of values so.
        let sql = format!(
            "SELECT p.column1, p.column2, g.records \
             FROM (VALUES {}) p CROSS JOIN recon.search_grams g \
             WHERE g.run_no = p.column1 AND g.part = p.column2 AND {condition}",
            places.join(", ")
        );
        let mut parts: BTreeMap<(i64, i64), Vec<Vec<u8>>> = BTreeMap::new();
        self.tx.query_each(&sql, &values, &mut |row| {
            let part = parts.entry((row.count(0)?, row.count(1)?)).or_default();
            part.extend(row.blob(2)?);
            Ok(())
        })?;
        let all = matches!(look_up, LookUp::All(_));
        for (part, mut lists) in parts {
            if all && lists.len() < wanted {
                continue;
            }
            lists.sort_by_key(Vec::len);
            let mut lists = lists.iter().map(|bytes| Postings::read(bytes));
            let mut records = lists.next().unwrap_or_default();
            for other in lists {
                if all {
                    records = both(&records, &other);
                } else {
                    records.extend(other);
                }
            }
            found.entry(part).or_default().extend(records);
        }
        Ok(())
    }

    /// The items of these records (their keys hold the record's number) that match a query, behind `from`.
    pub fn items_of_records(
        &mut self,
        query: &ItemQuery,
        records: &[ItemKey],
        from: ItemKey,
    ) -> Result<Vec<ItemKey>, Problem> {
        let dialect = self.dialect();
        let mut runs: BTreeMap<i64, Vec<ItemKey>> = BTreeMap::new();
        for record in records {
            runs.entry(record.run_no).or_default().push(*record);
        }
        let mut found = Vec::new();
        for (run_no, records) in runs {
            let (table, mut condition) = in_records(dialect, run_no, &records);
            condition.matching(query);
            let sql = format!("SELECT {} FROM {table} WHERE {}", dialect.key("d"), condition.sql);
            found.extend(self.tx.list(&sql, &condition.values, super::read_key)?);
        }
        found.retain(|key| *key > from);
        found.sort_unstable();
        Ok(found)
    }

    /// In how many of these records of a run a difference `d` fulfils a condition.
    pub(super) fn count_in_records(
        &mut self,
        run_no: i64,
        records: &[ItemKey],
        fulfils: &str,
    ) -> Result<i64, Problem> {
        let dialect = self.dialect();
        let (table, mut condition) = in_records(dialect, run_no, records);
        condition.and(fulfils);
        let sql = format!(
            "SELECT count(DISTINCT {} >> {FIELD_BITS}) FROM {table} WHERE {}",
            dialect.number("d"),
            condition.sql
        );
        self.tx.count(&sql, &condition.values)
    }
}

/// A table of the differences `d` of these records of a run (their keys hold the record's number), and the condition that
/// goes with it.
fn in_records(dialect: Dialect, run_no: i64, records: &[ItemKey]) -> (String, Where) {
    let mut condition = Where::new(dialect, "");
    let first = |record: &ItemKey| match dialect {
        Dialect::Sqlite => row_id(run_no, record.number << FIELD_BITS),
        Dialect::Postgres => record.number << FIELD_BITS,
    };
    let place = condition.bind(rows::numbers(records.iter().map(first)));
    let table = match dialect {
        Dialect::Sqlite => {
            condition.sql = format!("d.id BETWEEN k.value AND k.value + {MASK}");
            format!("json_each({place}) k CROSS JOIN recon.difference_rows d")
        }
        Dialect::Postgres => {
            condition.sql = "1 = 1".to_owned();
            // The planner estimates a range as a ninth of the table, and would read all of it once: this makes it
            // look each record up.
            format!(
                "json_array_elements_text({place}::json) k (value) CROSS JOIN LATERAL \
                 (SELECT d.* FROM recon.difference_rows d WHERE d.run_no = {run_no} AND d.number \
                  BETWEEN k.value::bigint AND k.value::bigint + {MASK} OFFSET 0) d"
            )
        }
    };
    (table, condition)
}

const PARTS: Table =
    Table { name: "search_parts", columns: &[("run_no", "integer"), ("part", "integer")] };
const GRAMS: Table = Table {
    name: "search_grams",
    columns: &[
        ("run_no", "integer"),
        ("part", "integer"),
        ("gram", "bigint"),
        ("records", "bytea"),
    ],
};

const MASK: i64 = (1 << FIELD_BITS) - 1;

/// The searchable texts of a record, besides its differences: references, names of a group's rows, and all values.
fn words(run: &Run, record: &Record) -> Vec<String> {
    let mut words = Vec::new();
    for reference in record.references(&run.layout) {
        words.push(bare(&reference));
        words.push(reference.to_lowercase());
    }
    for values in record.sides.iter().flatten() {
        words.extend(values.iter().filter_map(cell_text).map(|text| beginning(&text)));
    }
    words
}

/// The indexed part of a value, in lower case.
fn beginning(value: &str) -> String {
    value.chars().take(INDEXED).flat_map(char::to_lowercase).collect()
}

/// The text of a cell; `None` for null.
pub(crate) fn cell_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(cell) => {
            cell.get("unparsed").and_then(|text| text.as_str()).map(str::to_owned)
        }
        other => Some(other.to_string()),
    }
}

/// The numbers that two ascending lists share.
fn both(left: &[i64], right: &[i64]) -> Vec<i64> {
    let mut shared = Vec::with_capacity(left.len());
    let mut rest = right;
    for number in left {
        let skip = rest.partition_point(|other| other < number);
        rest = rest.get(skip..).unwrap_or_default();
        if rest.first() == Some(number) {
            shared.push(*number);
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_from_their_postings() {
        let mut postings = Postings::default();
        let numbers = [1, 2, 130, 20_000, 1 << 29];
        for number in numbers {
            postings.push(number);
        }
        assert_eq!(Postings::read(&postings.bytes), numbers);
    }

    #[test]
    fn intersecting_lists_gives_their_common_numbers() {
        assert_eq!(both(&[1, 4, 9, 12], &[2, 4, 5, 12, 13]), [4, 12]);
        assert_eq!(both(&[], &[1]), Vec::<i64>::new());
    }

    #[test]
    fn a_text_is_found_in_any_case_and_with_or_without_punctuation() {
        let search = SearchText::new(" ab-0017 ");
        assert!(search.is_in("xAB-0017y"));
        assert!(search.is_in_reference("AB0017"));
        assert!(!search.is_in("AB0017"), "values keep their punctuation");
        assert!(SearchText::new("000123").is_in_reference("123"));
        assert!(SearchText::new("1,234.50").is_in("-1234.50"));
        assert!(!SearchText::new("1,23").is_in("123"));
    }

    #[test]
    fn every_part_of_a_text_is_found_by_its_index_entries() {
        let mut has = Vec::new();
        grams("grüße-2026", &mut has);
        for part in ["grüße-2026", "üße", "026", "26", "6", "ß"] {
            match LookUp::of(part).unwrap() {
                LookUp::All(wanted) => {
                    assert!(wanted.iter().all(|gram| has.contains(gram)), "{part}");
                }
                LookUp::Between(from, to) => {
                    assert!(has.iter().any(|gram| (from..=to).contains(gram)), "{part}");
                }
            }
        }
        let long = "0123456789".repeat(20);
        let Some(LookUp::All(wanted)) = LookUp::of(&long) else { panic!("a long text") };
        assert!(wanted.len() <= LOOKED_UP + 1);
    }
}
