//! One side's file, analyzed on its own: its form, its columns with their types, and a sample of
//! each column's values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use super::field::plain_steps;
use super::file::FileForm;
use super::joint::Joint;
use super::profile::{Profile, Profiler, follow_the_others};
use super::reading::{Reading, Trial, resolve};
use super::rows::{FileRows, Reach};
use super::sketch::{Sketch, hash_of};
use crate::diagnostic::Problem;
use crate::domain::{Cell, Kind, RawCells};
use crate::normalize::StepSpec;

pub struct Column {
    /// Its name in the file.
    pub name: String,
    pub profile: Profile,
    pub sketch: Sketch,
    /// The file has several columns of this name; they can't be mapped.
    pub is_ambiguous: bool,
}

pub struct Extract {
    pub form: FileForm,
    pub rows: FileRows,
    pub columns: Vec<Column>,
    /// Part of the file that was read.
    pub reach: Reach,
}

/// The fewest rows that are sampled, and the most.
const FEWEST_ROWS: usize = 500;
const MOST_ROWS: usize = 5_000;
/// Of files with many columns fewer rows are sampled, with about so many values.
const VALUES: usize = 400_000;
/// The longest text of a sample, in bytes: longer ones are cut, which says nothing else about their type.
const LONGEST: usize = 16 * 1_024;

/// How many rows are sampled of a file with so many columns.
pub fn sample_size(columns: usize) -> usize {
    (VALUES / columns.max(1)).clamp(FEWEST_ROWS, MOST_ROWS)
}

impl Extract {
    /// Analyzes the file at `path`.
    pub fn of(path: &Path, profiler: &mut Profiler) -> Result<Self, Problem> {
        let mut form = FileForm::of(path, profiler)?;
        let plan = form.plan(path)?;
        let names = plan.open(&[])?.columns().to_vec();
        if let Some(header) = &mut form.repeated_header
            && let Some(name) = names.get(header.at)
        {
            header.column.clone_from(name);
        }
        let mut rows =
            FileRows { plan, joint: None, repeated_header: form.repeated_header.clone() };
        let mut look = FirstLook::new(profiler, names.len(), &form.null_values);
        let mut reach = rows.each(|row| look.add(row))?;
        if let Some(header) = rows.repeated_header.take_if(|_| reach.like_header > 0) {
            form.repeated_header = None;
            form.notes.push(format!(
                "{}, and is read as data: other rows also have `{}` in `{}`",
                header.why(),
                header.text,
                header.column
            ));
            look = FirstLook::new(profiler, names.len(), &form.null_values);
            reach = rows.each(|row| look.add(row))?;
        }
        let (profiles, null_values) = look.profiles();
        let sketched = look.sketcher;
        form.null_values = null_values;
        rows.plan = form.plan(path)?;
        let mut times: HashMap<&str, usize> = HashMap::new();
        for name in &names {
            *times.entry(name).or_default() += 1;
        }
        let columns = names.iter().zip(profiles).map(|(name, profile)| Column {
            name: name.clone(),
            profile,
            sketch: Sketch::default(),
            is_ambiguous: times.get(name.as_str()).is_some_and(|times| *times > 1),
        });
        let mut extract = Self { form, columns: columns.collect(), rows, reach };
        match sketched.filter(|sketcher| sketcher.readings == extract.readings()) {
            Some(sketcher) => extract.set_sketches(sketcher),
            None => extract.sketch_columns()?,
        }
        Ok(extract)
    }

    /// Adds a column computed from two others.
    pub fn join(&mut self, joint: Joint, profiler: &mut Profiler) -> Result<(), Problem> {
        let mut sample = Reservoir::new(1);
        self.rows.each(|row| sample.offer(&[joint.text(row).as_str()][..]))?;
        let cells = sample.rows.iter().filter_map(|row| row.first()).map(String::as_str);
        let mut profile = profiler.profile(cells);
        profile.narrow();
        let name = joint.name.clone();
        self.rows.joint = Some(joint);
        let sketch = Sketch::default();
        self.columns.push(Column { name, profile, sketch, is_ambiguous: false });
        self.sketch_columns()
    }

    /// Reads columns with a further step.
    pub fn read_with(&mut self, steps: Vec<(usize, StepSpec)>) -> Result<(), Problem> {
        for (at, step) in steps {
            if let Some(column) = self.columns.get_mut(at) {
                column.profile.reading.steps.push(step);
            }
        }
        self.sketch_columns()
    }

    /// The position of the computed column, if any.
    pub fn joint(&self) -> Option<(usize, &Joint)> {
        Some((self.columns.len().checked_sub(1)?, self.rows.joint.as_ref()?))
    }

    fn sketch_columns(&mut self) -> Result<(), Problem> {
        let mut sketcher = Sketcher::new(self.readings());
        self.rows.each(|row| sketcher.add(row))?;
        self.set_sketches(sketcher);
        Ok(())
    }

    fn set_sketches(&mut self, sketcher: Sketcher) {
        for (column, sketch) in self.columns.iter_mut().zip(sketcher.finish()) {
            column.sketch = sketch;
        }
    }

    fn readings(&self) -> Readings {
        let columns = self.columns.iter().map(|column| column.profile.reading.clone());
        Readings { columns: columns.collect(), null_values: self.form.null_values.clone() }
    }

    /// Reads rows according to the columns' types.
    pub fn reader(&self) -> Trial {
        self.reader_of(0..self.columns.len())
    }

    /// Reads only these columns, in this order.
    pub fn reader_of(&self, columns: impl IntoIterator<Item = usize>) -> Trial {
        self.readings().trial(columns)
    }
}

/// How columns are read.
#[derive(PartialEq)]
struct Readings {
    columns: Vec<Reading>,
    null_values: Vec<String>,
}

impl Readings {
    /// Reads only these columns, in this order.
    fn trial(&self, columns: impl IntoIterator<Item = usize>) -> Trial {
        let trim = resolve(&plain_steps(&["trim"]));
        let plan = |at: usize| Some(self.columns.get(at)?.plan(at, &trim));
        let fields = columns.into_iter().filter_map(plan).collect();
        Trial::new(fields, self.columns.len(), self.null_values.clone())
    }
}

/// Samples all rows, and sketches the columns as the first rows say that they are read. If the sample says
/// the same, the file need not be read again.
struct FirstLook<'p> {
    profiler: &'p mut Profiler,
    columns: usize,
    null_values: &'p [String],
    sample: Reservoir,
    sketcher: Option<Sketcher>,
}

impl<'p> FirstLook<'p> {
    fn new(profiler: &'p mut Profiler, columns: usize, null_values: &'p [String]) -> Self {
        let sample = Reservoir::new(columns);
        Self { profiler, columns, null_values, sample, sketcher: None }
    }

    fn add<R: RawCells + ?Sized>(&mut self, row: &R) {
        self.sample.offer(row);
        if let Some(sketcher) = &mut self.sketcher {
            sketcher.add(row);
        } else if self.sample.seen == self.sample.first as u64 && !self.sample.is_changed {
            self.sketcher = Some(self.sketch_first_rows());
        }
    }

    fn sketch_first_rows(&mut self) -> Sketcher {
        let (profiles, null_values) = self.profiles();
        let columns = profiles.into_iter().map(|profile| profile.reading).collect();
        let mut sketcher = Sketcher::new(Readings { columns, null_values });
        for row in &self.sample.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            sketcher.add(cells.as_slice());
        }
        sketcher
    }

    /// The columns as the rows sampled so far show them, and the cells that mean null.
    fn profiles(&mut self) -> (Vec<Profile>, Vec<String>) {
        let rows = &self.sample.rows;
        let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at).map(String::as_str));
        let mut profiles: Vec<Profile> =
            (0..self.columns).map(|at| self.profiler.profile(cells(at))).collect();
        follow_the_others(&mut profiles);
        profiles.iter_mut().for_each(Profile::narrow);
        let mut null_values = self.null_values.to_vec();
        for marker in profiles.iter().flat_map(|profile| &profile.null_markers) {
            if !null_values.contains(marker) {
                null_values.push(marker.clone());
            }
        }
        (profiles, null_values)
    }
}

/// Texts, and how often each occurs.
type Texts = foldhash::HashMap<Box<[u8]>, u64>;

/// Sketches all columns. Texts that repeat are read once.
struct Sketcher {
    readings: Readings,
    sketches: Vec<Sketch>,
    /// How often each text of a column occurs; `None` for columns with too many different ones.
    texts: Vec<Option<Texts>>,
    /// The columns whose texts are read row by row, with their reader.
    others: (Vec<usize>, Trial),
}

/// Most different texts of a column that are counted; a bank's clients or instruments are some thousands.
const COUNTED_TEXTS: usize = 16_384;
/// Most of all columns together.
const ALL_COUNTED_TEXTS: usize = 262_144;

impl Sketcher {
    fn new(readings: Readings) -> Self {
        let columns = readings.columns.len();
        Self {
            sketches: vec![Sketch::default(); columns],
            texts: vec![Some(Texts::default()); columns],
            others: (Vec::new(), readings.trial([])),
            readings,
        }
    }

    fn add<R: RawCells + ?Sized>(&mut self, row: &R) {
        let (columns, reader) = &mut self.others;
        if !columns.is_empty() {
            sketch(reader, row, 1, columns, &mut self.sketches);
        }
        let mut full = Vec::new();
        let most = (ALL_COUNTED_TEXTS / self.texts.len().max(1)).min(COUNTED_TEXTS);
        for (at, texts) in self.texts.iter_mut().enumerate() {
            let Some(texts) = texts else { continue };
            let text = if at < row.len() { row.cell(at) } else { b"" };
            match texts.get_mut(text) {
                Some(count) => *count += 1,
                None => {
                    texts.insert(text.into(), 1);
                    if texts.len() > most {
                        full.push(at);
                    }
                }
            }
        }
        if !full.is_empty() {
            full.into_iter().for_each(|at| self.read_counted(at));
            let others = self.texts.iter().enumerate().filter(|(_, texts)| texts.is_none());
            let others: Vec<usize> = others.map(|(at, _)| at).collect();
            self.others = (others.clone(), self.readings.trial(others));
        }
    }

    /// Reads the texts of a column that were counted so far.
    fn read_counted(&mut self, at: usize) {
        let Some(texts) = self.texts.get_mut(at).and_then(Option::take) else { return };
        let mut reader = self.readings.trial([at]);
        for (text, count) in &texts {
            let row = OnlyCell { columns: self.texts.len(), at, text };
            sketch(&mut reader, &row, *count, &[at], &mut self.sketches);
        }
    }

    fn finish(mut self) -> Vec<Sketch> {
        (0..self.texts.len()).for_each(|at| self.read_counted(at));
        self.sketches
    }
}

/// Adds these columns' values of a row, which occurs `count` times, to their sketches.
fn sketch<R: RawCells + ?Sized>(
    reader: &mut Trial,
    row: &R,
    count: u64,
    columns: &[usize],
    sketches: &mut [Sketch],
) {
    let mut text = Vec::new();
    reader.row(row, |at, cell| {
        text.clear();
        if write_loose(cell, &mut text)
            && let Some(sketch) = columns.get(at).and_then(|at| sketches.get_mut(*at))
        {
            sketch.add(hash_of(text.as_slice()), count);
        }
    });
}

/// A row of which only one cell is of interest.
struct OnlyCell<'t> {
    columns: usize,
    at: usize,
    text: &'t [u8],
}

impl RawCells for OnlyCell<'_> {
    fn len(&self) -> usize {
        self.columns
    }

    fn cell(&self, index: usize) -> &[u8] {
        if index == self.at { self.text } else { b"" }
    }
}

/// A cell's text as a sample has it.
pub fn sampled(cell: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(cell.get(..LONGEST).unwrap_or(cell))
}

/// A sample of the first rows, and of all others evenly distributed; deterministic for a file.
struct Reservoir {
    rows: Vec<Vec<String>>,
    /// How many of the first rows are in it, and how many others.
    first: usize,
    others: usize,
    seen: u64,
    /// A cell was not UTF-8 or very long, and is kept otherwise than written.
    is_changed: bool,
}

impl Reservoir {
    fn new(columns: usize) -> Self {
        let size = sample_size(columns);
        let first = size / 5;
        Self { rows: Vec::new(), first, others: size - first, seen: 0, is_changed: false }
    }

    fn offer<R: RawCells + ?Sized>(&mut self, row: &R) {
        self.seen += 1;
        let (first, others) = (self.first as u64, self.others as u64);
        let slot = if self.seen <= first + others {
            None
        } else {
            // Reservoir sampling: each row so far has the same chance to be kept.
            let place = hash_of(self.seen) % (self.seen - first);
            if place >= others {
                return;
            }
            Some(self.first + usize::try_from(place).unwrap_or(0))
        };
        let cells = (0..row.len()).map(|at| {
            let cell = row.cell(at);
            let text = sampled(cell);
            self.is_changed |= matches!(text, Cow::Owned(_)) || cell.len() > LONGEST;
            text.into_owned()
        });
        let cells = cells.collect();
        match slot {
            None => self.rows.push(cells),
            Some(slot) => {
                if let Some(kept) = self.rows.get_mut(slot) {
                    *kept = cells;
                }
            }
        }
    }
}

/// A value without insignificant variations: case, punctuation, spaces, leading zeros, the time of
/// a day. `None` for null.
pub fn loose(cell: Cell<'_>) -> Option<String> {
    let mut text = Vec::new();
    let is_value = write_loose(cell, &mut text);
    is_value.then(|| String::from_utf8(text).unwrap_or_default())
}

/// Appends the result of [`loose`] to an empty text; true if there is a value.
fn write_loose(cell: Cell<'_>, to: &mut Vec<u8>) -> bool {
    // Writing to memory doesn't fail.
    let _ = match cell {
        Cell::Null => return false,
        Cell::Decimal(value) => write!(to, "{}", value.normalized()),
        Cell::Instant(instant) => write!(to, "{}", instant.date()),
        Cell::Text(text) | Cell::Unparsed(text) => return write_loose_text(text, to),
        other => write!(to, "{other}"),
    };
    true
}

/// ASCII letters, as capitals, and digits; 0 for all other bytes.
const LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut byte = 0u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            letters[byte as usize] = byte.to_ascii_uppercase();
        }
        byte += 1;
    }
    letters
};

fn write_loose_text(text: &str, to: &mut Vec<u8>) -> bool {
    if text.is_ascii() {
        // Written whether it counts or not, which saves a branch for each byte.
        to.resize(text.len(), 0);
        let mut letters = 0;
        for byte in text.bytes() {
            let letter = LETTERS[usize::from(byte)];
            if let Some(place) = to.get_mut(letters) {
                *place = letter;
            }
            letters += usize::from(letter != 0);
        }
        to.truncate(letters);
    } else {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        to.extend(letters.flat_map(char::to_uppercase).collect::<String>().bytes());
    }
    if to.is_empty() {
        to.extend_from_slice(text.as_bytes());
        return !text.trim().is_empty();
    }
    let zeros = to.iter().take_while(|byte| **byte == b'0').count();
    to.drain(..zeros.min(to.len() - 1));
    true
}

/// Whether values of these types can be compared.
pub fn are_comparable(a: Kind, b: Kind) -> bool {
    use Kind::{Boolean, Date, Datetime, Decimal, Integer, Text};
    matches!(
        (a, b),
        (Decimal | Integer, Decimal | Integer)
            | (Date | Datetime, Date | Datetime)
            | (Text | Integer | Boolean, Text | Integer | Boolean)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insignificant_variations_are_ignored() {
        for (a, b) in [
            ("pay_00042", "PAY-00042"),
            ("0000410001", "410001"),
            ("Société  Générale", "SOCIÉTÉ GÉNÉRALE"),
        ] {
            assert_eq!(loose(Cell::Text(a)), loose(Cell::Text(b)));
        }
        assert_ne!(loose(Cell::Text("Müller")), loose(Cell::Text("Mueller")));
        assert_eq!(loose(Cell::Text("410001")), loose(Cell::Integer(410_001)));
        assert_eq!(loose(Cell::Text("000")).as_deref(), Some("0"));
        assert_eq!(loose(Cell::Text("-")).as_deref(), Some("-"));
        assert_eq!(loose(Cell::Text("  ")), None);
    }

    /// An extract of 3,000 rows; the amounts after the first 1,500 are given.
    fn extract(late: &str) -> Extract {
        let file = tempfile::NamedTempFile::new().unwrap();
        let amount = |at: usize| if at < 1_500 { format!("{at}.25") } else { late.to_owned() };
        let rows = (0..3_000).map(|at| format!("K{at:05},{},EUR\n", amount(at)));
        std::fs::write(file.path(), format!("id,amount,currency\n{}", rows.collect::<String>()))
            .unwrap();
        let mut extract = Extract::of(file.path(), &mut Profiler::new()).unwrap();
        let sketches = |extract: &Extract| -> Vec<Sketch> {
            extract.columns.iter().map(|column| column.sketch.clone()).collect()
        };
        let first = sketches(&extract);
        extract.sketch_columns().unwrap();
        assert_eq!(first, sketches(&extract), "read again");
        extract
    }

    #[test]
    fn sketches_are_the_same_whether_the_first_rows_told_the_types_or_not() {
        let kind = |extract: &Extract| extract.columns[1].profile.reading.kind;
        assert_eq!(kind(&extract("7.50")), Kind::Decimal);
        assert_eq!(kind(&extract("seven")), Kind::Text);
        assert_eq!(extract("n/a").form.null_values.len(), 2);
    }

    #[test]
    fn the_first_look_sketches_what_it_samples() {
        let mut profiler = Profiler::new();
        let mut look = FirstLook::new(&mut profiler, 2, &[]);
        for at in 0..2_000 {
            let (id, amount) = (format!("K{at:05}"), format!("{at}.5"));
            look.add(&[id.as_str(), amount.as_str()][..]);
        }
        let (profiles, null_values) = look.profiles();
        let columns = profiles.into_iter().map(|profile| profile.reading).collect();
        let sketcher = look.sketcher.unwrap();
        assert!(sketcher.readings == Readings { columns, null_values });
        assert_eq!(sketcher.finish()[0].filled, 2_000);
    }

    #[test]
    fn a_reservoir_samples_the_whole_file() {
        let mut reservoir = Reservoir::new(1);
        for row in 0..20_000 {
            reservoir.offer(&[row.to_string().as_str()][..]);
        }
        let kept: Vec<u32> = reservoir.rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(kept.len(), 5_000);
        assert!(kept[..1_000].iter().copied().eq(0..1_000));
        assert!(kept.iter().filter(|row| **row >= 10_000).count() > 1_000);
    }
}
