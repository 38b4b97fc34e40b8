//! The folder of a generated pair: its files appear under their final names all at once, at the
//! end.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::block::Block;
use super::{GenerateOptions, Scenario, payments, write};
use crate::diagnostic::{Code, Problem};

/// The configuration that reconciles a pair.
const RECONCILIATION: &str = include_str!("pair/recon.yaml");

const NORMALIZING_RULES: &str = include_str!("pair/normalize.rhai");

const SOURCE_A: &str = "source_a.csv";
const SOURCE_B: &str = "source_b.csv";
const LABELS: &str = "labels.csv";

/// A file that gets its name when complete; dropped earlier, it is removed.
struct NewFile {
    name: &'static str,
    unfinished: PathBuf,
    target: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl NewFile {
    fn create(folder: &Path, name: &'static str, force: bool) -> Result<Self, Problem> {
        let target = folder.join(name);
        if !force && target.exists() {
            return Err(Problem::new(Code::FileExists, format!("{} exists", target.display()))
                .help("choose another folder, or overwrite it with --force"));
        }
        let unfinished = folder.join(format!("{name}.unfinished"));
        let cannot = |error| cannot_write(&target, &error);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(cannot)?;
        }
        let writer = BufWriter::with_capacity(1 << 18, File::create(&unfinished).map_err(cannot)?);
        Ok(Self { name, unfinished, target, writer: Some(writer) })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_all(bytes).map_err(|error| cannot_write(&self.target, &error))
    }

    fn finish(&mut self) -> Result<(), Problem> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.flush().map_err(|error| cannot_write(&self.target, &error))
    }

    fn keep(mut self) -> Result<&'static str, Problem> {
        fs::rename(&self.unfinished, &self.target)
            .map_err(|error| cannot_write(&self.target, &error))?;
        self.writer = None;
        Ok(self.name)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // A file that can't be removed keeps a name that marks it as unfinished.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// The files of an unfinished pair.
pub struct PairFolder {
    source_a: NewFile,
    source_b: NewFile,
    labels: NewFile,
    /// Complete from the start.
    others: Vec<NewFile>,
}

impl PairFolder {
    pub fn create(folder: &Path, options: &GenerateOptions) -> Result<Self, Problem> {
        let file = |name, text: &str| {
            let mut file = NewFile::create(folder, name, options.force)?;
            file.append(text.as_bytes())?;
            Ok::<_, Problem>(file)
        };
        let mut others = vec![file("recon.yaml", &configuration(options))?];
        let headers = match options.scenario {
            Scenario::Trades => {
                others.push(file("rules/normalize.rhai", NORMALIZING_RULES)?);
                if let Some(rules) = &options.attribution_rules {
                    others.push(file("rules/attribution.rhai", rules)?);
                }
                [write::HEADER_A, write::HEADER_B, write::HEADER_OF_LABELS]
            }
            Scenario::Payments => {
                [payments::HEADER_A, payments::HEADER_B, payments::HEADER_OF_LABELS]
            }
        };
        let [a, b, labels] = headers;
        Ok(Self {
            source_a: file(SOURCE_A, a)?,
            source_b: file(SOURCE_B, b)?,
            labels: file(LABELS, labels)?,
            others,
        })
    }

    pub fn append(&mut self, block: &Block) -> Result<(), Problem> {
        self.source_a.append(&block.bytes.a)?;
        self.source_b.append(&block.bytes.b)?;
        self.labels.append(&block.labels)
    }

    /// Gives the files their final names and returns these.
    pub fn keep(self) -> Result<Vec<&'static str>, Problem> {
        let mut files = vec![self.source_a, self.source_b, self.labels];
        files.extend(self.others);
        for file in &mut files {
            file.finish()?;
        }
        files.into_iter().map(NewFile::keep).collect()
    }
}

fn configuration(options: &GenerateOptions) -> String {
    if options.scenario == Scenario::Payments {
        return format!(
            "# Synthetic payments with known matches: {} payments, seed {}.\n{}",
            options.rows,
            options.seed,
            payments::CONFIGURATION
        );
    }
    let attribution = match &options.attribution_rules {
        Some(_) => "  attribute: [rules/attribution.rhai]\n",
        None => "",
    };
    format!(
        "# A synthetic pair with known causes: {} trades, seed {}{}.\n{RECONCILIATION}{attribution}",
        options.rows,
        options.seed,
        if options.noise.hard { ", overlapping causes" } else { "" },
    )
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::CannotWrite, format!("cannot write {}: {error}", path.display()))
}
