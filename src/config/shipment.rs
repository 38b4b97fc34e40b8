//! A configuration on its way to another machine: its text without passwords, and everything it names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Loaded, Surroundings, load_text};
use crate::diagnostic::{Code, Problem, Problems};
use crate::files::{self, Texts};

/// Sections that only matter where the store is.
const LEFT_AT_HOME: [&str; 2] = ["store", "server"];

/// The parts of a [`Loaded`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shipment {
    file: PathBuf,
    batch_date: String,
    /// The configuration as it is stored with the run.
    stored: Json,
    /// The variables that it names.
    variables: BTreeMap<String, String>,
    /// Scripts, lookups and calendars.
    texts: Texts,
}

impl Shipment {
    /// Packs the configuration of `loaded`, which stands in `file`, and loads it as it will be loaded
    /// elsewhere.
    ///
    /// # Errors
    /// It can't be loaded again.
    pub fn pack(
        loaded: &Loaded,
        file: &Path,
        surroundings: Surroundings<'_>,
    ) -> Result<(Self, Loaded), Problems> {
        let stored = loaded.resolved.stored.clone();
        let variables = RefCell::new(BTreeMap::new());
        let environment = |name: &str| {
            let value = (surroundings.environment)(name)?;
            variables.borrow_mut().insert(name.to_owned(), value.clone());
            Some(value)
        };
        let batch_date = surroundings.batch_date;
        let noting = Surroundings { batch_date, environment: &environment };
        let (again, texts) = files::packing(|| load_text(&text(&stored), file, noting));
        let again = again?;
        let shipment = Self {
            file: file.to_owned(),
            batch_date: batch_date.to_string(),
            stored,
            variables: variables.into_inner(),
            texts,
        };
        Ok((shipment, again))
    }

    /// Loads the configuration. From then on, this process reads no other scripts, lookups and
    /// calendars.
    ///
    /// # Errors
    /// It was changed on its way.
    pub fn unpack(&self) -> Result<Loaded, Problems> {
        files::arrived(self.texts.clone());
        let batch_date = self.batch_date.parse().map_err(|_| {
            let message = format!("the job has `{}` for a business date", self.batch_date);
            Problem::new(Code::ShardJob, message)
        })?;
        let environment = |name: &str| self.variables.get(name).cloned();
        let surroundings = Surroundings { batch_date, environment: &environment };
        load_text(&text(&self.stored), &self.file, surroundings)
    }

    /// The configuration as it is stored with the run.
    pub const fn stored(&self) -> &Json {
        &self.stored
    }
}

fn text(stored: &Json) -> String {
    let mut stored = stored.clone();
    if let Json::Object(sections) = &mut stored {
        sections.retain(|name, _| !LEFT_AT_HOME.contains(&name.as_str()));
    }
    stored.to_string()
}
