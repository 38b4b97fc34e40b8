//! What `recon init` guesses from two files: how each is read, what its columns hold, which columns
//! are the same field, what the key is, and how sure all of that is.
//!
//! Files are read by `source` and cells by `normalize`, so that what is guessed is what a run reads.
//! Nothing is decided in silence: every guess has a confidence and a reason, and goes into
//! `recon.yaml` as a comment, for a person to look at.

mod extract;
mod field;
mod file;
mod footer;
mod foreign;
mod joined;
mod joint;
mod key;
mod mapping;
mod money;
mod names;
mod profile;
mod reading;
mod sketch;
mod words;
mod write;

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use crate::diagnostic::{Code, Problem};
use crate::domain::{PerSide, Side};

use extract::Extract;
use field::Evidence;
pub use field::{FieldGuess, Measured, Uniting};
pub use file::{FileForm, Guess, percent};
use joined::Joined;
use joint::Joint;
pub use key::KeyCandidate;
use mapping::Pair;
use profile::Profiler;
pub use reading::NumberStyle;
use words::Shipped;
pub use words::WordFunction;
pub use write::starter;

/// The functions that name the causes of differences, as they come with recon.
pub const ATTRIBUTION_RULES: &str = include_str!("../../rules/attribution.rhai");

/// How many fields a configuration gets.
const MAX_FIELDS: usize = crate::store::MAX_FIELDS;

/// One source as guessed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceGuess {
    /// The file as `recon.yaml` names it.
    pub path: String,
    /// The system's name.
    pub system: String,
    /// How the file is read.
    #[serde(flatten)]
    pub form: FileForm,
    /// Rows that were read.
    pub rows: u64,
    /// Rows that could not be.
    pub unusable_rows: u64,
    /// Whether that is all of the file.
    pub whole: bool,
    /// Columns that no field is mapped to.
    pub unmapped: Vec<String>,
    /// The function that makes a field of two columns.
    #[serde(skip)]
    pub row: Option<RowFunction>,
}

/// A function that makes a field of two columns.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFunction {
    /// The field.
    pub field: String,
    joint: Joint,
}

impl RowFunction {
    /// What it does, for people.
    pub fn sentence(&self) -> String {
        self.joint.sentence()
    }

    /// The script that has it.
    pub fn script(&self) -> String {
        self.joint.script(&self.field)
    }
}

impl SourceGuess {
    /// The file of the source's own script, relative to the configuration.
    pub fn script_file(&self, side: Side) -> Option<String> {
        self.row.as_ref().map(|_| format!("rules/source_{}.rhai", side.letter()))
    }
}

/// Everything that was guessed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inference {
    /// The job's name.
    pub job: String,
    /// The two sources.
    pub sources: PerSide<SourceGuess>,
    /// The rows that were found to have the same key, of those sampled.
    pub joined_rows: usize,
    /// The keys that are possible, the best first.
    pub key_candidates: Vec<KeyCandidate>,
    /// The fields, those of the key first.
    pub fields: Vec<FieldGuess>,
    /// The functions that the fields need.
    pub functions: Vec<WordFunction>,
    /// What a person should know beside what the fields say.
    pub notes: Vec<String>,
}

/// Guesses from two files; `shown` are their paths as `recon.yaml` shall name them.
///
/// # Errors
/// A file can't be read, or no column of A is one of B.
pub fn infer(paths: PerSide<&Path>, shown: PerSide<String>) -> Result<Inference, Problem> {
    let mut profiler = Profiler::new();
    let mut extracts = PerSide::try_of(|side| Extract::of(paths[side], &mut profiler))?;
    let joints = PerSide::try_of(|side| match extracts[side].form.has_names() {
        true => Joint::detect(&extracts[side]),
        // The script would have to name columns that have no names.
        false => Ok(None),
    })?;
    // Where both sides have debits and credits apart, they are compared apart.
    let joints = match joints {
        PerSide { a: Some(_), b: Some(_) } => PerSide { a: None, b: None },
        others => others,
    };
    for (side, joint) in [(Side::A, joints.a), (Side::B, joints.b)] {
        if let Some(joint) = joint {
            extracts[side].join(joint, &mut profiler)?;
        }
    }
    let alone = mapping::by_names_and_values(&extracts);
    let mut key_candidates = key::candidates(&extracts, &alone)?;
    let joined = match key_candidates.first() {
        Some(key) => Joined::on(&extracts, &key.columns)?,
        None => Joined::nothing(&extracts),
    };
    let key = key_candidates.first().map(|key| key.columns.clone()).unwrap_or_default();
    let mut pairs = order(mapping::by_rows(&extracts, &joined), &key);
    if pairs.is_empty() {
        let message = "no column of the first file seems to be one of the second";
        return Err(Problem::new(Code::NothingInCommon, message).help(
            "are these the right files? `recon init` alone writes a configuration to fill in",
        ));
    }
    let mut notes = mapping::notes(&extracts, &pairs);
    for side in Side::BOTH {
        notes.extend(extracts[side].form.notes.iter().map(|note| format!("in {side}, {note}")));
    }
    if pairs.len() > MAX_FIELDS {
        notes.push(format!(
            "{} columns are the same on both sides; the first {MAX_FIELDS} are mapped, as many as a \
             run can compare: write a second configuration for the others",
            pairs.len()
        ));
        pairs.truncate(MAX_FIELDS);
    }
    let names = canonical_names(&extracts, &pairs);
    name_columns(&mut extracts, &pairs, &names);
    let mut evidence =
        Evidence { extracts: &extracts, joined: &joined, shipped: &mut Shipped::compile()? };
    let (mut fields, mut functions) = (Vec::new(), Vec::new());
    for (pair, name) in pairs.iter().zip(names) {
        let is_key = key.contains(&pair.columns);
        fields.extend(evidence.field(name, pair, is_key, &mut functions)?);
    }
    if let Some(best) = key_candidates.first_mut() {
        key::measure(&extracts, best, &fields)?;
    }
    let systems = system_names(paths);
    let job = format!("{}_{}", systems.a.to_lowercase(), systems.b.to_lowercase());
    let sources = PerSide::of(|side| {
        let extract = &extracts[side];
        let mapped: HashSet<usize> = pairs.iter().map(|pair| pair.columns[side]).collect();
        let columns = extract.columns.iter().enumerate();
        let joint = extract.joint().filter(|(at, _)| mapped.contains(at));
        let row = joint.and_then(|(at, joint)| {
            let field = pairs.iter().position(|pair| pair.columns[side] == at)?;
            Some(RowFunction { field: fields.get(field)?.name.clone(), joint: joint.clone() })
        });
        let is_part =
            |name: &str| joint.is_some_and(|(_, it)| it.columns.iter().any(|c| c == name));
        let unmapped = columns.filter(|(at, column)| {
            !mapped.contains(at)
                && extract.joint().is_none_or(|(joint, _)| joint != *at)
                && !is_part(&column.name)
        });
        SourceGuess {
            path: shown[side].clone(),
            system: systems[side].clone(),
            form: extract.form.clone(),
            rows: extract.reach.rows,
            unusable_rows: extract.reach.unusable,
            whole: extract.reach.whole,
            unmapped: unmapped.map(|(_, column)| column.name.clone()).collect(),
            row,
        }
    });
    let joined_rows = joined.rows;
    Ok(Inference { job, sources, joined_rows, key_candidates, fields, functions, notes })
}

/// The key's pairs first, as the key has them, then the others in the order of A's columns.
fn order(mut pairs: Vec<Pair>, key: &[PerSide<usize>]) -> Vec<Pair> {
    // A column of the key belongs to the key and to nothing else.
    let is_apart =
        |pair: &Pair| key.iter().all(|part| part.a != pair.columns.a && part.b != pair.columns.b);
    let mut ordered = Vec::new();
    for part in key {
        let known = pairs.iter().find(|pair| pair.columns == *part).cloned();
        ordered.push(known.unwrap_or_else(|| Pair {
            columns: *part,
            confidence: 0.9,
            why: "the values bring the rows together".to_owned(),
        }));
    }
    pairs.retain(is_apart);
    pairs.sort_by_key(|pair| pair.columns.a);
    ordered.extend(pairs);
    ordered
}

/// A's names where it has some, else B's.
fn canonical_names(extracts: &PerSide<Extract>, pairs: &[Pair]) -> Vec<String> {
    let side = if extracts.a.form.has_names() { Side::A } else { Side::B };
    let mut names: Vec<String> = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    for pair in pairs {
        let column = extracts[side].columns.get(pair.columns[side]);
        let name = names::canonical(column.map_or("", |column| &column.name));
        let mut unique = name.clone();
        let mut number = 2;
        while !known.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        names.push(unique);
    }
    names
}

/// Columns that have no names get those of their fields.
fn name_columns(extracts: &mut PerSide<Extract>, pairs: &[Pair], names: &[String]) {
    for side in Side::BOTH {
        let extract = &mut extracts[side];
        if extract.form.has_names() {
            continue;
        }
        for (at, column) in extract.columns.iter_mut().enumerate() {
            let field = pairs.iter().position(|pair| pair.columns[side] == at);
            column.name = match field.and_then(|field| names.get(field)) {
                Some(name) => name.clone(),
                None => format!("column {}", at + 1),
            };
        }
        extract.form.columns =
            Some(extract.columns.iter().map(|column| column.name.clone()).collect());
    }
}

/// The systems' names: those of the files.
fn system_names(paths: PerSide<&Path>) -> PerSide<String> {
    let names = paths.map(|side, path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default();
        let words = names::canonical(stem).to_uppercase();
        if words.is_empty() { side.letter().to_uppercase() } else { words }
    });
    if names.a == names.b {
        return names.map(|side, name| format!("{name}_{}", side.letter().to_uppercase()));
    }
    names
}
