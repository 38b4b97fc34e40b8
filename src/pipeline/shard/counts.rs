//! Counts of the tasks of a spread run, and the driver's decisions from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::super::conclusion::check_rejected;
use super::super::conventions::{Conventions, Sample};
use super::super::read::{DoubtfulFields, add_doubtful};
use super::super::tally::Tally;
use super::{DRIVER, In, Out, Task};
use crate::align::FIXED_BITS;
use crate::attribute::RuleFailures;
use crate::diagnostic::{Code, Problem};
use crate::domain::place::{self, SourceFile};
use crate::domain::{PerSide, Side};
use crate::exchange::{Kind, Payload, Tag, stream_problem};
use crate::matching::Incomplete;
use crate::source::SourceDigest;
use crate::store::RejectedRow;

/// How many rejected rows of a side are kept: as many as a summary shows.
const REJECTED_KEPT: usize = 5;

/// An entry of [`DoubtfulFields`], whose keys can't be those of a JSON object.
type Doubtful = ((String, u8), (u64, String));

/// Counts of one or more tasks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Rows read, filtered and rejected.
    pub read: Tally,
    pub doubtful: PerSide<Vec<Doubtful>>,
    /// The inputs by their numbers, with warnings about them.
    pub files: PerSide<BTreeMap<u64, (SourceFile, Vec<Problem>)>>,
    pub rejected: PerSide<Vec<RejectedRow>>,
    /// The totals of the rows that passes were given.
    pub passes: Tally,
    pub left_ambiguous: u64,
    /// For each pass, the groups that it leaves out.
    pub incomplete: Vec<Incomplete>,
    /// The differences of all records, if a model asks.
    pub counted: Option<Tally>,
    /// The sample of records that is searched for conventions.
    pub sample: Option<Sample>,
    pub joined: Tally,
    pub greedy_keys: u64,
    pub failures: RuleFailures,
    /// How many records each slot has.
    pub records: BTreeMap<u32, u64>,
}

impl Counts {
    pub fn set_doubtful(&mut self, doubtful: PerSide<DoubtfulFields>) {
        self.doubtful = doubtful.map(|_, fields| fields.into_iter().collect());
    }

    pub fn doubtful(&self) -> PerSide<DoubtfulFields> {
        PerSide::of(|side| self.doubtful[side].iter().cloned().collect())
    }

    /// Adds a rejected row to the first ones.
    pub fn reject(&mut self, row: &RejectedRow) {
        let first = &mut self.rejected[row.side];
        let order = |row: &RejectedRow| (place::input_of(row.offset), row.line, row.offset);
        let at = first.partition_point(|known| order(known) <= order(row));
        if at < REJECTED_KEPT {
            first.insert(at, row.clone());
            first.truncate(REJECTED_KEPT);
        }
    }

    pub fn add(&mut self, other: Self) {
        self.read.add(&other.read);
        for side in Side::BOTH {
            let mut doubtful: DoubtfulFields = self.doubtful[side].drain(..).collect();
            for (key, (values, example)) in other.doubtful[side].iter().cloned() {
                add_doubtful(&mut doubtful, key, values, example);
            }
            self.doubtful[side] = doubtful.into_iter().collect();
            for (number, (file, warnings)) in &other.files[side] {
                let known = self.files[side].entry(*number).or_default();
                if known.0.path.is_empty() {
                    let rows = known.0.rows;
                    known.0 = SourceFile { rows, ..file.clone() };
                }
                known.0.rows += file.rows;
                known.1.extend(warnings.iter().cloned());
            }
            other.rejected[side].iter().for_each(|row| self.reject(row));
        }
        self.passes.add(&other.passes);
        self.left_ambiguous += other.left_ambiguous;
        if self.incomplete.len() < other.incomplete.len() {
            self.incomplete.resize_with(other.incomplete.len(), Incomplete::default);
        }
        for (mine, theirs) in self.incomplete.iter_mut().zip(other.incomplete) {
            mine.merge(theirs);
        }
        match (&mut self.counted, other.counted) {
            (Some(mine), Some(theirs)) => mine.add(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        match (&mut self.sample, other.sample) {
            (Some(mine), Some(theirs)) => mine.add(theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.joined.add(&other.joined);
        self.greedy_keys += other.greedy_keys;
        self.failures.merge(other.failures);
        for (slot, records) in other.records {
            *self.records.entry(slot).or_default() += records;
        }
    }

    /// Sends them to the driver.
    pub fn send(&self, tag: Tag, out: &mut Out<'_>) -> Result<(), Problem> {
        let mut bytes = Vec::new();
        self.payload(tag, &mut bytes);
        out(DRIVER, &bytes)
    }

    pub fn payload(&self, tag: Tag, out: &mut Vec<u8>) {
        // Counts are numbers and texts, which always serialize.
        let body = serde_json::to_vec(self).unwrap_or_default();
        Payload { kind: Kind::Counts, number: 0, body: &body }.write(tag, out);
    }

    /// Adds up the tasks' counts for the driver.
    pub fn collect(tag: Tag, rows: &mut In<'_>) -> Result<Self, Problem> {
        let mut sum = Self::default();
        rows(&mut |_, bytes| {
            let payload = Payload::read(bytes, tag)?;
            if payload.kind != Kind::Counts {
                return Err(stream_problem("the stream has rows where only counts are expected")
                    .help("only rows with the slot -1 go to the driver"));
            }
            let counts: Self = serde_json::from_slice(payload.body)
                .map_err(|error| stream_problem(format!("counts can't be read: {error}")))?;
            sum.add(counts);
            Ok(())
        })?;
        Ok(sum)
    }
}

/// The driver's state after a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub(super) counts: Counts,
    pub(super) conventions: Conventions,
}

impl State {
    /// The sample that the rows read so far call for.
    pub(super) fn sample(&self, task: Task<'_>) -> Sample {
        Sample::new(&task.plan.layout, self.counts.read.books.read)
    }

    /// The sources as they were read.
    pub(super) fn digests(&self, task: Task<'_>) -> PerSide<SourceDigest> {
        PerSide::of(|side| {
            let source = &task.spread.sources[side];
            let known = &self.counts.files[side];
            let mut files: Vec<SourceFile> = known.values().map(|(file, _)| file.clone()).collect();
            if source.is_given {
                let rows = |number: u64| known.get(&number).map_or(0, |(file, _)| file.rows);
                let named = source.files.iter().zip(0..);
                files = named
                    .map(|(path, number)| SourceFile {
                        path: path.clone(),
                        rows: rows(number),
                        ..SourceFile::default()
                    })
                    .collect();
                let path = source.name.clone().into();
                return SourceDigest {
                    path,
                    bytes: 0,
                    sha256: String::new(),
                    files,
                    warnings: Vec::new(),
                };
            }
            let warnings = known.values().flat_map(|(_, warnings)| warnings.iter().cloned());
            SourceDigest::of(task.plan.sources[side].path(), files, warnings.collect())
        })
    }
}

/// The driver's next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The survey is still to come, and needs the rows up to this slot (or all, with a model).
    pub survey: Option<usize>,
    read: PerSide<u64>,
    rejected: PerSide<u64>,
}

impl Decision {
    pub fn to_json(&self) -> Json {
        json!({
            "survey": { "needed": self.survey.is_some(), "max_slot": self.survey },
            "read": self.read,
            "rejected": self.rejected,
        })
    }
}

/// Adds up the counts of a step's tasks, and decides the state for the later steps.
///
/// # Errors
/// Too many rows were rejected, or the input is not the output of the tasks.
pub fn decide(
    task: Task<'_>,
    mut state: State,
    rows: &mut In<'_>,
) -> Result<(State, Decision), Problem> {
    state.counts.add(Counts::collect(task.tag, rows)?);
    let books = &state.counts.read.books;
    let first = PerSide::of(|side| state.counts.rejected[side].first().cloned());
    check_rejected(task.plan, books, &state.digests(task), &first)?;
    let wanted = state.sample(task);
    let has_surveyed = state.counts.sample.is_some();
    if let Some(sample) = state.counts.sample.take() {
        state.conventions = sample.conventions(task.plan);
    }
    let decision = Decision {
        survey: (!has_surveyed).then(|| wanted.last_partition(FIXED_BITS)),
        read: books.read,
        rejected: books.rejected,
    };
    Ok((state, decision))
}

impl State {
    /// Reads the state of this job.
    ///
    /// # Errors
    /// It can't be read, or is of another job.
    pub fn read(text: &str, tag: Tag) -> Result<Self, Problem> {
        let wrong = |message: String| {
            Problem::new(Code::ShardJob, message).help("write it anew: `recon shard decide`")
        };
        let (of, state): (Tag, Self) = serde_json::from_str(text)
            .map_err(|error| wrong(format!("the state can't be read: {error}")))?;
        if of == tag { Ok(state) } else { Err(wrong("the state is of another job".to_owned())) }
    }

    /// The state as text.
    pub fn write(&self, tag: Tag) -> String {
        // Counts are numbers and texts, which always serialize.
        serde_json::to_string(&(tag, self)).unwrap_or_default()
    }
}
