//! `recon audit`: verifies the trail, writes checkpoints, exports.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::Path;

use serde_json::json;

use crate::diagnostic::{Code, Problem, Problems};
use crate::files;
use crate::report::figures;
use crate::store::audit::{self, Checkpoint, Verdict};
use crate::store::chain::{self, Examination};
use crate::store::checkpoint::{self, PublicKey, SigningKey};
use crate::store::{export, transact};

use super::args::{Audit, AuditCheckpoint, AuditExport, AuditVerify, TrailFormat};
use super::context::{Context, now, unwritable};
use super::exit::{DONE, code_of_verdict};

pub fn run(context: &Context, arguments: &Audit) -> Result<u8, Problems> {
    Ok(match arguments {
        Audit::Verify(arguments) => verify(context, arguments)?,
        Audit::Checkpoint(arguments) => note_down(context, arguments)?,
        Audit::Export(arguments) => export(context, arguments)?,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    files::read(path, files::LARGE).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Unreadable, format!("can't read {}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, Problem> {
    String::from_utf8(read(path)?)
        .map_err(|_| Problem::new(Code::Unreadable, "the file is not UTF-8 text").in_file(path))
}

fn verify(context: &Context, arguments: &AuditVerify) -> Result<u8, Problems> {
    let key = match &arguments.signed_by {
        Some(path) => Some(PublicKey::read(&read(path)?).map_err(|problem| problem.in_file(path))?),
        None => None,
    };
    let checkpoints = match &arguments.checkpoint {
        Some(path) => {
            let found = checkpoint::read(&text(path)?, key.as_ref())
                .map_err(|problem| problem.in_file(path))?;
            if found.is_empty() {
                return Err(Problem::new(Code::NoCheckpoint, "the file contains no checkpoint")
                    .in_file(path)
                    .help("`recon audit checkpoint --out FILE` writes one")
                    .into());
            }
            found
        }
        None => Vec::new(),
    };
    let verdict = match &arguments.export {
        Some(path) if path == Path::new("-") => {
            export::verify(&mut std::io::stdin().lock(), &checkpoints)?
        }
        Some(path) => {
            let file = files::open(path).map_err(|error| unreadable(path, &error))?;
            let mut file = BufReader::with_capacity(1 << 16, file);
            export::verify(&mut file, &checkpoints).map_err(|problem| problem.in_file(path))?
        }
        None => {
            let store = context.store(None)?;
            let ask = Examination { checkpoints: &checkpoints, replay: arguments.replay };
            transact::read(&*store, |tx| chain::examine(tx, ask))?
        }
    };
    if context.global.json {
        let mut shown = serde_json::to_value(&verdict).unwrap_or_default();
        shown["checkpoints"] = checkpoints.len().into();
        shown["replayed"] = (arguments.replay && verdict.first_bad.is_none()).into();
        context.json(&shown)?;
    } else {
        context.console.print(&sentences(&verdict, &checkpoints, arguments.replay))?;
    }
    Ok(code_of_verdict(&verdict))
}

fn sentences(verdict: &Verdict, checkpoints: &[Checkpoint], replay: bool) -> String {
    let mut said = match (verdict.first_bad, &verdict.what) {
        (Some(seq), what) => {
            let what = what.as_deref().unwrap_or("it is invalid");
            format!(
                "broken at row {seq}: {what}\nthe {} rows before it are intact\n",
                verdict.checked
            )
        }
        (None, _) if verdict.checked == 0 => "the trail is empty\n".to_owned(),
        (None, _) => {
            format!(
                "intact: {} rows; hash of the last row: {}\n",
                verdict.checked, verdict.head_hash
            )
        }
    };
    match (&verdict.against_checkpoint, checkpoints.last()) {
        (Some(differs), _) => said.push_str(&format!("{differs}\n")),
        (None, Some(last)) if verdict.first_bad.is_none() => said.push_str(&format!(
            "matches {}, the last taken at {} with {} rows\n",
            figures::counted(checkpoints.len() as u64, "checkpoint", "checkpoints"),
            last.time,
            last.n
        )),
        _ => {}
    }
    if replay && verdict.first_bad.is_some() {
        said.push_str("not replayed: a broken trail proves nothing about the tables\n");
    } else if replay && verdict.replay_differs.is_empty() {
        said.push_str("the tables match the trail\n");
    } else if replay {
        said.push_str("the tables disagree with the trail:\n");
        for item in &verdict.replay_differs {
            said.push_str(&format!("  {item}\n"));
        }
    }
    if let Some(runs @ 1..) = verdict.pruned_runs {
        said.push_str(&format!(
            "{runs} runs were pruned: their human decisions were compared; automatic decisions can't \
             be\n"
        ));
    }
    said
}

fn note_down(context: &Context, arguments: &AuditCheckpoint) -> Result<u8, Problems> {
    let key = match &arguments.sign {
        Some(path) => {
            Some(SigningKey::read(&read(path)?).map_err(|problem| problem.in_file(path))?)
        }
        None => None,
    };
    let mut file = arguments.out.as_deref().map(CheckpointFile::open).transpose()?;
    let kept = file.as_ref().map_or("", |file| file.text.as_str());
    let in_file = |problem: Problem| match &arguments.out {
        Some(path) => problem.in_file(path),
        None => problem,
    };
    let checkpoints = checkpoint::read(kept, None).map_err(in_file)?;
    let store = context.store(None)?;
    let ask = Examination { checkpoints: &checkpoints, replay: false };
    let (verdict, mut end) = transact::read(&*store, |tx| {
        let verdict = chain::examine(tx, ask)?;
        // A broken chain must not become the start of a new checkpoint.
        let end = if verdict.ok { Some(chain::checkpoint(tx, now())?) } else { None };
        Ok((verdict, end))
    })?;
    let Some(end) = &mut end else {
        let said = sentences(&verdict, &checkpoints, false);
        if context.global.json {
            context.json(&json!(verdict))?;
        } else {
            context.console.print(&format!("{said}no checkpoint was written\n"))?;
        }
        return Ok(code_of_verdict(&verdict));
    };
    if end.n == 0 {
        return Err(Problem::new(
            Code::EmptyTrail,
            "the audit trail is empty: no checkpoint to write",
        )
        .help("write a checkpoint after the first run")
        .into());
    }
    end.previous = checkpoint::link(kept);
    if let Some(key) = &key {
        checkpoint::sign(end, key);
    }
    let line = checkpoint::line(end);
    let Some(file) = &mut file else {
        context.console.print(&format!("{line}\n"))?;
        return Ok(DONE);
    };
    file.append(&line)?;
    if context.global.json {
        context.console.print(&format!("{line}\n"))?;
    } else {
        let number = checkpoints.len() + 1;
        context.console.print(&format!(
            "checkpoint {number} in {}: {} rows, hash {}\n",
            file.path.display(),
            end.n,
            end.head_hash
        ))?;
    }
    Ok(DONE)
}

/// A file of checkpoints, which other commands wait for.
struct CheckpointFile<'p> {
    path: &'p Path,
    file: File,
    text: String,
    /// It was not there before, and has no checkpoint yet.
    is_new: bool,
}

impl<'p> CheckpointFile<'p> {
    fn open(path: &'p Path) -> Result<Self, Problem> {
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| unwritable(path, &error))?;
        let mut opened = Self { path, file, text: String::new(), is_new };
        opened.file.lock().map_err(|error| unwritable(path, &error))?;
        opened.text = text(path)?;
        opened.is_new &= opened.text.is_empty();
        Ok(opened)
    }

    /// Appends a line, or leaves the file as it is.
    fn append(&mut self, line: &str) -> Result<(), Problem> {
        // A line pasted into the file by hand may lack its line break.
        let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
        let written = self.file.write_all(format!("{gap}{line}\n").as_bytes());
        let written = written.and_then(|()| self.file.sync_all()).map_err(|error| {
            // Half a line would look as if somebody had changed the file.
            let _ = self.file.set_len(self.text.len() as u64);
            unwritable(self.path, &error)
        });
        self.is_new &= written.is_err();
        written
    }
}

impl Drop for CheckpointFile<'_> {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn export(context: &Context, arguments: &AuditExport) -> Result<u8, Problems> {
    let format = match arguments.format {
        TrailFormat::Jsonl => export::Format::Jsonl,
        TrailFormat::Csv => export::Format::Csv,
    };
    let store = context.store(None)?;
    let mut rows = 0u64;
    context.console.result_to(arguments.out.as_deref(), |out| {
        let failed = |error: std::io::Error| crate::report::unwritable(&error);
        export::begin(format, out).map_err(failed)?;
        store.read(&mut |tx| {
            audit::each_row(tx, &mut |row| {
                rows += 1;
                export::write(format, row, out).map_err(failed)
            })
        })
    })?;
    if let Some(path) = &arguments.out {
        context.console.note(&format!("{rows} rows in {}", path.display()));
        if context.global.json {
            context.json(&json!({ "rows": rows, "file": path }))?;
        }
    }
    Ok(DONE)
}
