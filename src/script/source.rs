//! Scripts as written: text and declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::engine;
use crate::diagnostic::{Code, Place, Problem};
use crate::domain::Date;
use crate::domain::calendar::Calendar;
use crate::files;

/// Rhai counts lines in 16 bits, so positions beyond are lost.
const MAX_LINES: usize = 60_000;

/// The text of a script, shared by the threads that each compile their own copy of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptSource {
    written: Arc<Written>,
    /// The business date that the script may ask for.
    batch_date: Option<Date>,
    /// The calendars of fields that the script may name.
    calendars: Arc<BTreeMap<String, Calendar>>,
}

#[derive(Debug)]
struct Written {
    path: PathBuf,
    text: String,
    /// Each thread compiles the script, but its text is checked once.
    checked: OnceLock<Result<ScriptOutline, Vec<Problem>>>,
    /// Where each line begins, for places.
    lines: OnceLock<Vec<usize>>,
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.text == other.text
    }
}

impl Eq for Written {}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionInfo {
    pub name: String,
    pub arity: usize,
    /// Declared `private`: a helper that recon does not call by itself.
    pub private: bool,
    /// The line of its name, from 1.
    pub line: u64,
    /// The column of its name, from 1.
    pub column: u64,
}

/// A column that a function of a row reads: `raw.NAME` or `raw["NAME"]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRead {
    pub function: String,
    pub column: String,
    pub place: Place,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptOutline {
    /// Its functions in the order of the file.
    pub functions: Vec<FunctionInfo>,
    /// The string literals given to `reason("CODE", …)`, with their places, in no order.
    pub reasons: Vec<(String, Place)>,
    /// The columns that functions of a row ask their first parameter for, by literal name.
    pub columns: Vec<ColumnRead>,
    /// Every property and text in the script: a column among them may be used.
    pub mentions: BTreeSet<String>,
    /// Mistakes that matter only if they are reached, such as calls of unknown functions.
    pub findings: Vec<Problem>,
}

impl ScriptOutline {
    /// The function called `name` that recon may call with `arity` arguments.
    pub fn function(&self, name: &str, arity: usize) -> Option<&FunctionInfo> {
        self.functions
            .iter()
            .find(|function| function.name == name && function.arity == arity && !function.private)
    }
}

impl ScriptSource {
    /// Reads the script at `path`. Its places name the file as `path` is written.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, Problem> {
        let path = path.into();
        match files::read_text(&path, files::SMALL) {
            Ok(text) => Ok(Self::from_text(path, text)),
            Err(error) => Err(Problem::new(
                Code::ScriptUnreadable,
                format!("can't read the script {}: {error}", path.display()),
            )
            .in_file(path)),
        }
    }

    /// A script of this text, named `name` in places.
    pub fn from_text(name: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let written = Arc::new(Written {
            path: name.into(),
            text,
            checked: OnceLock::new(),
            lines: OnceLock::new(),
        });
        Self { written, batch_date: None, calendars: Arc::default() }
    }

    /// The script in a run for this business date.
    pub fn for_date(mut self, batch_date: Date) -> Self {
        self.batch_date = Some(batch_date);
        self
    }

    /// The script in a job whose fields have these calendars.
    pub fn with_calendars(mut self, calendars: Arc<BTreeMap<String, Calendar>>) -> Self {
        self.calendars = calendars;
        self
    }

    /// The calendars that it may name.
    pub(super) const fn calendars(&self) -> &Arc<BTreeMap<String, Calendar>> {
        &self.calendars
    }

    /// The business date that it may ask for.
    pub(super) const fn batch_date(&self) -> Option<Date> {
        self.batch_date
    }

    /// The file, as the user named it.
    pub fn path(&self) -> &Path {
        &self.written.path
    }

    pub fn text(&self) -> &str {
        &self.written.text
    }

    /// The place of a line and column (from 1; 0 if unknown), with the line as written.
    pub fn place(&self, line: u64, column: u64) -> Place {
        let lines = self.written.lines.get_or_init(|| {
            let ends = memchr::memchr_iter(b'\n', self.text().as_bytes());
            std::iter::once(0).chain(ends.map(|end| end + 1)).collect()
        });
        let text = usize::try_from(line)
            .ok()
            .and_then(|line| lines.get(line.checked_sub(1)?))
            .and_then(|start| self.text().get(*start..)?.lines().next())
            .unwrap_or_default();
        Place { file: self.path().to_owned(), line, column, text: text.to_owned() }
    }

    /// Compiles the script without running any of it: its declarations, or its errors.
    pub fn check(&self) -> Result<ScriptOutline, Vec<Problem>> {
        self.written.checked.get_or_init(|| self.outline()).clone()
    }

    fn outline(&self) -> Result<ScriptOutline, Vec<Problem>> {
        if self.text().lines().count() > MAX_LINES {
            let message = format!("the script has more than {MAX_LINES} lines");
            return Err(vec![Problem::new(Code::ScriptTooLong, message).in_file(self.path())]);
        }
        engine::outline(self)
    }
}
