//! Inference for `recon init` from two files: how each is read, what its columns hold, which columns
//! correspond, and the key, each with a confidence.
//!
//! Files are read by `source` and cells by `normalize`, exactly as in a run. Nothing is decided
//! silently: every guess goes into `recon.yaml` with its confidence and reason as a comment.

mod codes;
mod extract;
mod field;
mod file;
mod fixed;
mod footer;
mod foreign;
mod headings;
mod joined;
mod joint;
mod key;
mod kinds;
mod mapping;
mod money;
mod names;
mod passes;
mod prefix;
mod profile;
mod reading;
mod records;
mod rows;
mod sketch;
mod words;
mod write;

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use crate::diagnostic::{Code, Problem};
use crate::domain::{PerSide, Side};

use extract::Extract;
use field::FieldInputs;
pub use field::{FieldGuess, Uniting};
pub use file::{FileForm, percent};
use joined::Joined;
use joint::Joint;
pub use key::KeyCandidate;
use mapping::Pair;
pub use passes::ProposedPass;
use profile::Profiler;
use words::Shipped;
pub use words::WordFunction;
pub use write::starter;

pub const ATTRIBUTION_RULES: &str = include_str!("../../rules/attribution.rhai");

/// Maximum number of fields in a configuration.
const MAX_FIELDS: usize = crate::store::MAX_FIELDS;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceGuess {
    /// The path as written in `recon.yaml`.
    pub path: String,
    /// The system's name.
    pub system: String,
    #[serde(flatten)]
    pub form: FileForm,
    pub rows: u64,
    /// Rows that would be rejected.
    pub unusable_rows: u64,
    /// The whole file was read.
    pub whole: bool,
    pub unmapped: Vec<String>,
    /// A function that computes a field from two columns.
    #[serde(skip)]
    pub row: Option<RowFunction>,
}

/// A function that computes a field from two columns.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFunction {
    pub field: String,
    joint: Joint,
}

impl RowFunction {
    pub fn sentence(&self) -> String {
        self.joint.sentence()
    }

    pub fn script(&self) -> String {
        self.joint.script(&self.field)
    }
}

impl SourceGuess {
    /// The source's own script, relative to the configuration.
    pub fn script_file(&self, side: Side) -> Option<String> {
        self.row.as_ref().map(|_| format!("rules/source_{}.rhai", side.letter()))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inference {
    pub job: String,
    pub sources: PerSide<SourceGuess>,
    /// Sampled rows that have the same key on both sides.
    pub joined_rows: usize,
    /// Possible keys, best first.
    pub key_candidates: Vec<KeyCandidate>,
    /// Passes that match rows without a key; only where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes: Vec<ProposedPass>,
    /// Fields, those of the key first.
    pub fields: Vec<FieldGuess>,
    /// Functions that the fields need.
    pub functions: Vec<WordFunction>,
    pub notes: Vec<String>,
}

/// Infers a configuration from two files; `shown` are their paths as written in `recon.yaml`.
pub fn infer(paths: PerSide<&Path>, shown: PerSide<String>) -> Result<Inference, Problem> {
    let mut profiler = Profiler::new();
    let mut extracts = PerSide::try_of_both(|side| Extract::of(paths[side], &mut Profiler::new()))?;
    let joints = PerSide::try_of_both(|side| match extracts[side].form.has_names() {
        true => Joint::detect(&extracts[side]),
        // The script would have to name columns that have no names.
        false => Ok(None),
    })?;
    // If both sides separate debits and credits, they are compared separately.
    let joints = match joints {
        PerSide { a: Some(_), b: Some(_) } => PerSide { a: None, b: None },
        others => others,
    };
    for (side, joint) in [(Side::A, joints.a), (Side::B, joints.b)] {
        if let Some(joint) = joint {
            extracts[side].join(joint, &mut profiler)?;
        }
    }
    prefix::strip(&mut extracts)?;
    let alone = mapping::by_names_and_values(&extracts);
    let mut key_candidates = key::candidates(&extracts, &alone)?;
    let (mut joined, doubted) = key::join(&extracts, &alone, &mut key_candidates)?;
    if let Some((side, joint)) = Joint::learned(&extracts, &joined)
        && let Some(key) = key_candidates.first()
    {
        extracts[side].join(joint, &mut profiler)?;
        joined = Joined::on(&extracts, &key.columns)?;
    }
    let key = key_candidates.first().map(|key| key.columns.clone()).unwrap_or_default();
    let mut pairs = order(mapping::by_rows(&extracts, &joined), &key);
    if key_candidates.first().is_none_or(KeyCandidate::is_often_missing) {
        pairs.extend(mapping::only_dates(&extracts, &pairs));
    }
    if let Some(doubted) = &doubted {
        pairs.retain(|pair| !doubted.columns.contains(&pair.columns));
    }
    if pairs.is_empty() {
        return Err(nothing_in_common(&extracts, paths));
    }
    let mut notes = mapping::notes(&extracts, &pairs);
    notes.extend(doubted.map(|doubted| doubted.why));
    for side in Side::BOTH {
        notes.extend(extracts[side].form.notes.iter().map(|note| format!("in {side}, {note}")));
    }
    if pairs.len() > MAX_FIELDS {
        notes.push(format!(
            "{} columns match; only the first {MAX_FIELDS} are mapped, the maximum for a run: \
             use a second configuration for the others",
            pairs.len()
        ));
        pairs.truncate(MAX_FIELDS);
    }
    let names = canonical_names(&extracts, &pairs);
    name_columns(&mut extracts, &pairs, &names);
    let mut evidence =
        FieldInputs { extracts: &extracts, joined: &joined, shipped: &mut Shipped::compile()? };
    let (mut fields, mut functions) = (Vec::new(), Vec::new());
    for (pair, name) in pairs.iter().zip(names) {
        let is_key = key.contains(&pair.columns);
        fields.extend(evidence.field(name, pair, is_key, &mut functions)?);
    }
    let passes = match key_candidates.first() {
        Some(best) if !best.is_often_missing() => Vec::new(),
        _ => passes::propose(&extracts, &fields, &pairs)?,
    };
    // They come last: a field's place is that of its pair.
    let codes = evidence.codes(&mut fields, &pairs, &mut functions);
    fields.extend(codes);
    if !passes.is_empty() {
        key_candidates.clear();
        fields.iter_mut().for_each(|field| field.key = false);
    }
    if let Some(best) = key_candidates.first_mut() {
        key::measure(&extracts, best, &fields, &joined)?;
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
        let is_used = |name: &str| fields.iter().any(|field| field.columns[side] == name);
        let unmapped = columns.filter(|(at, column)| {
            !mapped.contains(at)
                && !is_used(&column.name)
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
            unmapped: unmapped.map(|(at, column)| name_or_place(at, &column.name)).collect(),
            row,
        }
    });
    let joined_rows = joined.rows;
    Ok(Inference { job, sources, joined_rows, key_candidates, passes, fields, functions, notes })
}

/// No columns match: a file has no rows, or one may be read wrongly, so it says how each was read.
fn nothing_in_common(extracts: &PerSide<Extract>, paths: PerSide<&Path>) -> Problem {
    if let Some(side) = Side::BOTH.into_iter().find(|side| extracts[*side].reach.rows == 0) {
        let message = "the file has no rows, so nothing can be inferred";
        return Problem::new(Code::NoHeader, message).in_file(paths[side]);
    }
    let read = PerSide::of(|side| {
        const SHOWN: usize = 8;
        let Extract { form, columns, .. } = &extracts[side];
        let how = match &form.kind {
            Some(kind) => kind.spoken().to_owned(),
            None => format!("text with the delimiter {:?}", form.delimiter.value),
        };
        let names = columns.iter().take(SHOWN).map(|column| write::clipped(column.name.trim()));
        let names = names.collect::<Vec<_>>().join(", ");
        let names = match (form.has_names(), columns.len() > SHOWN) {
            (false, _) => "without names".to_owned(),
            (true, false) => format!("named {names}"),
            (true, true) => format!("named {names}, …"),
        };
        let columns = match columns.len() {
            1 => "1 column".to_owned(),
            many => format!("{many} columns"),
        };
        format!("{side} was read as {how}, with {columns} {names}")
    });
    Problem::new(Code::NothingInCommon, "no column of the first file matches one of the second")
        .help(format!(
            "{}; {}. Check the files, or run `recon init` without files for a configuration to fill in",
            read.a, read.b
        ))
}

/// A column's name, or its place if it has none.
fn name_or_place(at: usize, name: &str) -> String {
    match name.trim().is_empty() {
        true => format!("column {} (without a name)", at + 1),
        false => name.to_owned(),
    }
}

/// The key's pairs in key order, then the others in the order of A's columns.
fn order(mut pairs: Vec<Pair>, key: &[PerSide<usize>]) -> Vec<Pair> {
    // A key column is mapped only within the key.
    let is_apart =
        |pair: &Pair| key.iter().all(|part| part.a != pair.columns.a && part.b != pair.columns.b);
    let mut ordered = Vec::new();
    for part in key {
        let known = pairs.iter().find(|pair| pair.columns == *part).cloned();
        ordered.push(known.unwrap_or_else(|| Pair {
            columns: *part,
            confidence: 0.9,
            why: "their values identify the rows".to_owned(),
        }));
    }
    pairs.retain(is_apart);
    pairs.sort_by_key(|pair| pair.columns.a);
    ordered.extend(pairs);
    ordered
}

/// A's names if it has any, else B's.
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

/// Names unnamed columns after their fields.
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

/// Named after the files.
fn system_names(paths: PerSide<&Path>) -> PerSide<String> {
    let names = paths.map(|side, path| {
        let mut parts = path.iter().rev().map(|part| part.to_string_lossy().into_owned());
        let name = parts.next().unwrap_or_default();
        let is_url = name.contains('?') && path.to_string_lossy().contains("://");
        let name = if is_url { name.split('?').next().unwrap_or_default() } else { &name };
        let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default();
        // Of a glob, its fixed part; `in/*.csv` has the name of the folder.
        let stem = match stem.contains(['*', '?', '[']) {
            true => stem.trim_matches(|sign: char| !sign.is_alphanumeric()).to_owned(),
            false => stem.to_owned(),
        };
        let stem = if stem.is_empty() { parts.next().unwrap_or_default() } else { stem };
        let words = names::canonical(&stem).to_uppercase();
        if words.is_empty() { side.letter().to_uppercase() } else { words }
    });
    if names.a == names.b {
        return names.map(|side, name| format!("{name}_{}", side.letter().to_uppercase()));
    }
    names
}
