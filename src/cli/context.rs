//! What every command starts from: the global options, the console, and from there the store, the
//! configuration and the plan.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Loaded, Surroundings};
use crate::database::StoreUrl;
use crate::diagnostic::{Class, Code, Problem, Problems};
use crate::domain::{Date, Instant, PerSide, Side};
use crate::pipeline::{Plan, Session};
use crate::source::Opened;
use crate::store::{self, Opening, RunRow, Store};
use serde_json::Value as Json;

use super::account::Account;
use super::args::Global;
use super::output::{Console, Talk};
use super::progress::Bars;
use super::run_reference::{self, RunReference};

/// The options and the console of one invocation.
pub struct Context {
    /// The options of every command.
    pub global: Global,
    /// Where results and messages go.
    pub console: Console,
}

/// A job ready to run, and the warnings on the way there.
pub struct Prepared {
    /// The configuration with its places.
    pub loaded: Loaded,
    /// What the stages follow.
    pub plan: Plan,
    /// The sources, opened, their headers read.
    pub opened: PerSide<Opened>,
}

/// A job for commands on what is stored: its sources need not be there.
pub struct Stored {
    /// The configuration with its places.
    pub loaded: Loaded,
    /// What the stages follow.
    pub plan: Plan,
}

/// A stored run, and the job as it is for the run's business date.
pub struct OnRun {
    /// The store that holds it.
    pub store: Box<dyn Store>,
    /// The run.
    pub run: RunRow,
    /// What the stages follow.
    pub plan: Plan,
}

/// A stored run with the configuration that it was made with.
pub struct AsStored {
    /// The store that holds it.
    pub store: Box<dyn Store>,
    /// The run.
    pub run: RunRow,
    /// What the stages followed.
    pub plan: Plan,
    /// Where the present configuration is another.
    pub changed: Vec<Change>,
}

/// A part of the configuration that was another when a run was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its keys, joined by points, or a file.
    pub path: String,
    /// What it was; null if it was not there.
    pub then: Json,
    /// What it is.
    pub now: Json,
}

/// Where the present plan is another than the one a run was made with.
fn changes(run: &RunRow, present: &Plan) -> Vec<Change> {
    let mut found = Vec::new();
    let then = run.metadata.get("configuration").unwrap_or(&Json::Null);
    compare("", then, &present.record.configuration, &mut found);
    // Where runs are kept and who may review them explains no record.
    let is_elsewhere = |path: &str| ["store", "server", "review"].contains(&path);
    found.retain(|change| !is_elsewhere(change.path.split('.').next().unwrap_or_default()));
    let digests = |rules: &Json| -> BTreeMap<String, Json> {
        let digest = |file: &Json| {
            Some((file.get("path")?.as_str()?.to_owned(), file.get("sha256")?.clone()))
        };
        rules.as_array().into_iter().flatten().filter_map(digest).collect()
    };
    let then = digests(run.metadata.get("rules").unwrap_or(&Json::Null));
    let now = digests(&present.record.rules);
    for path in then.keys().chain(now.keys().filter(|path| !then.contains_key(*path))) {
        let of = |digests: &BTreeMap<String, Json>| digests.get(path).cloned().unwrap_or_default();
        if of(&then) != of(&now) {
            found.push(Change { path: path.clone(), then: of(&then), now: of(&now) });
        }
    }
    let lookups = |record: &Json| record.get("lookups").cloned().unwrap_or_default();
    let then = run.metadata.get("identity").map(lookups).unwrap_or_default();
    let now = lookups(&present.record.identity);
    if then != now {
        found.push(Change { path: "lookup files".to_owned(), then, now });
    }
    found
}

/// The leaves in which two JSON documents differ.
fn compare(path: &str, then: &Json, now: &Json, found: &mut Vec<Change>) {
    if let (Json::Object(then), Json::Object(now)) = (then, now) {
        for key in then.keys().chain(now.keys().filter(|key| !then.contains_key(*key))) {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let of =
                |map: &serde_json::Map<String, Json>| map.get(key).cloned().unwrap_or_default();
            compare(&inner, &of(then), &of(now), found);
        }
    } else if then != now {
        found.push(Change { path: path.to_owned(), then: then.clone(), now: now.clone() });
    }
}

impl Context {
    /// Sets the console up.
    pub fn new(mut global: Global) -> Self {
        // An empty RECON_STORE is as good as none.
        global.store.take_if(|store| store.is_empty());
        let console = Console::new(Talk {
            quiet: global.quiet,
            verbose: global.verbose,
            log_format: global.log_format,
            color: global.color,
        });
        Self { global, console }
    }

    /// Begins to listen for Ctrl-C, for commands that end cleanly when asked to.
    pub fn listen(&self) -> Result<&Bars, Problem> {
        self.console.progress().listen(self.global.quiet)?;
        Ok(self.console.progress())
    }

    /// The business date: the option's, or today's by the local clock.
    pub fn batch_date(&self) -> Date {
        self.global.batch_date.unwrap_or_else(|| {
            let today = jiff::Zoned::now().date();
            let (month, day) = (today.month().unsigned_abs(), today.day().unsigned_abs());
            Date::from_civil(today.year().into(), month.into(), day.into())
                .unwrap_or(Date::from_days(0))
        })
    }

    fn surroundings(&self) -> Surroundings<'static> {
        surroundings(self.batch_date())
    }

    /// Reads and checks `recon.yaml`; warnings go to the console.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        self.warn_of(&loaded);
        Ok(loaded)
    }

    /// Shows what a person should look at in a configuration. What is wrong in a script keeps no
    /// command but `recon check` from its work.
    fn warn_of(&self, loaded: &Loaded) {
        self.warn(&loaded.warnings);
        self.warn_as_warnings(&loaded.findings);
    }

    /// Shows findings, which are errors only for `recon check`.
    fn warn_as_warnings(&self, findings: &[Problem]) {
        for finding in findings {
            self.console.problem(&Problem { class: Class::Warning, ..finding.clone() });
        }
    }

    /// Shows what a person should look at.
    pub fn warn(&self, warnings: &[Problem]) {
        for warning in warnings {
            self.console.problem(warning);
        }
    }

    /// Writes one JSON object to stdout.
    pub fn json(&self, json: &Json) -> Result<(), Problem> {
        self.console.say(&format!("{json}\n"))
    }

    /// Opens the sources, checks their headers against the map and resolves the plan.
    pub fn prepare(&self) -> Result<Prepared, Problems> {
        let prepared = self.prepared(self.load()?)?;
        self.warn_as_warnings(&prepared.plan.findings);
        Ok(prepared)
    }

    /// The same, and whatever is wrong in the scripts is an error.
    pub fn prepare_strictly(&self) -> Result<Prepared, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        if !loaded.findings.is_empty() {
            let found = loaded.warnings.into_iter().chain(loaded.findings);
            return Err(Problems(found.collect()));
        }
        self.warn(&loaded.warnings);
        let prepared = self.prepared(loaded)?;
        if prepared.plan.findings.is_empty() {
            Ok(prepared)
        } else {
            Err(Problems(prepared.plan.findings))
        }
    }

    fn prepared(&self, loaded: Loaded) -> Result<Prepared, Problems> {
        let opened = loaded.open_sources()?;
        let plan = loaded.plan(&opened)?;
        for side in Side::BOTH {
            let (system, opened) = (&plan.systems[side], &opened[side]);
            let file = plan.sources[side].path().display();
            let columns = opened.columns().join(", ");
            let size = opened.size();
            self.console.detail(&format!(
                "source {side} is {system}: {file}, {size} bytes, columns {columns}"
            ));
        }
        Ok(Prepared { loaded, plan, opened })
    }

    /// Resolves the plan for commands on what is stored.
    pub fn prepare_stored(&self) -> Result<Stored, Problems> {
        let loaded = self.load()?;
        let plan = loaded.plan_of_stored()?;
        Ok(Stored { loaded, plan })
    }

    /// Finds the stored run that a command means, and reads the configuration as it is for that
    /// run's business date. The sources are not needed: they may be gone since.
    pub fn on_run(&self, run: Option<&RunReference>) -> Result<OnRun, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        let store = self.store(Some(&loaded))?;
        let run = self.which_run(&*store, run, Some(&loaded.resolved.job))?;
        let loaded = if run.batch_date == loaded.resolved.batch_date {
            loaded
        } else {
            config::load(&self.global.config, surroundings(run.batch_date))?
        };
        self.warn_of(&loaded);
        let plan = loaded.plan_of_stored()?;
        Ok(OnRun { store, run, plan })
    }

    /// Finds a stored run and the configuration that it was made with, which the store keeps, and where
    /// the present one differs. If what it was made with can't be read any more, because a script or
    /// a lookup file is gone, the present one is used, and that is said.
    pub fn on_stored_run(&self, run: Option<&RunReference>) -> Result<AsStored, Problems> {
        let job = self.job_name().ok().flatten();
        let store = self.store(None)?;
        let run = self.which_run(&*store, run, job.as_deref())?;
        let file = &self.global.config;
        let present = file.exists().then(|| config::load(file, surroundings(run.batch_date)));
        let written = run.metadata.get("configuration").map(Json::to_string).unwrap_or_default();
        let plan = config::load_text(&written, file, surroundings(run.batch_date))
            .and_then(|loaded| loaded.plan_of_stored());
        let present = match present {
            Some(Ok(loaded)) => Some(loaded),
            Some(Err(problems)) if plan.is_err() => return Err(problems),
            Some(Err(_)) => {
                let message = format!("{} has mistakes: `recon check` shows them", file.display());
                self.console.problem(&Problem::new(Code::ConfigurationBroken, message));
                None
            }
            None => None,
        };
        let plan = match (plan, &present) {
            (Ok(plan), _) => plan,
            (Err(problems), None) => return Err(problems),
            (Err(Problems(problems)), Some(present)) => {
                let why = problems.first().map_or("", |problem| problem.message.as_str());
                let message = format!(
                    "the configuration that run {} was made with can't be read any more ({why}): \
                     the present one is used",
                    run.id
                );
                self.console.problem(&Problem::new(Code::ConfigurationGone, message));
                present.plan_of_stored()?
            }
        };
        let changed = match &present {
            Some(present) => changes(&run, &present.plan_of_stored()?),
            None => Vec::new(),
        };
        Ok(AsStored { store, run, plan, changed })
    }

    /// The store's URL: the option's or the variable's, relative to the working directory, else the
    /// file's, relative to the file.
    pub fn store_url(&self, loaded: Option<&Loaded>) -> Result<StoreUrl, Problems> {
        if let Some(text) = &self.global.store {
            return Ok(StoreUrl::parse(text, Path::new(""))?);
        }
        if let Some(loaded) = loaded {
            return Ok(loaded.resolved.store.clone());
        }
        if self.global.config.exists() {
            return config::store_url(&self.global.config, self.surroundings());
        }
        Err(Problem::new(Code::NoStore, format!("there is no {}", self.global.config.display()))
            .help("name a store with --store or RECON_STORE, or a configuration with --config")
            .into())
    }

    /// The job of the configuration, if there is one; what else is wrong in it does not matter.
    pub fn job_name(&self) -> Result<Option<String>, Problems> {
        if self.global.store.is_some() && !self.global.config.exists() {
            return Ok(None);
        }
        config::job_name(&self.global.config, self.surroundings()).map(Some)
    }

    /// Opens the store and brings its tables up to date; makes it if there is none.
    pub fn make_store(&self, loaded: &Loaded) -> Result<Box<dyn Store>, Problems> {
        let store = store::open(&self.store_url(Some(loaded))?, Opening::Create)?;
        self.opened(&*store);
        Ok(store)
    }

    /// Says what there is to say of a store.
    fn opened(&self, store: &dyn Store) {
        self.console.detail(&format!("the store is {}", store.url()));
        if let Some(warning) = store.exposed() {
            self.console.problem(&warning);
        }
    }

    /// Opens a store that must be there, and clears away what a command that died has left.
    pub fn store(&self, loaded: Option<&Loaded>) -> Result<Box<dyn Store>, Problems> {
        let store = store::open(&self.store_url(loaded)?, Opening::Existing)?;
        self.opened(&*store);
        // Who may only read, or finds the disk full, is to see what there is nevertheless.
        if let Err(problem) = store.repair() {
            let message = format!("a run that died could not be cleared away: {}", problem.message);
            self.console.problem(&Problem::new(Code::NotRepaired, message));
        }
        Ok(store)
    }

    /// The run that is named; else the newest of the job that is not FAILED, and of the business date
    /// if one was asked for.
    pub fn which_run(
        &self,
        store: &dyn Store,
        run: Option<&RunReference>,
        job: Option<&str>,
    ) -> Result<RunRow, Problem> {
        run_reference::find(store, run, job, self.global.batch_date)
    }

    /// Who works at the command line, for the record.
    #[expect(clippy::unused_self, reason = "the person belongs to the invocation")]
    pub fn person(&self) -> String {
        Account::of_process().actor().person_id
    }

    /// What a command on a run works with.
    pub fn session<'a>(&'a self, store: &'a dyn Store, lock_timeout: u64) -> Session<'a> {
        Session {
            store,
            progress: self.console.progress(),
            lock_timeout: Duration::from_secs(lock_timeout),
            now: &now,
        }
    }
}

fn surroundings(batch_date: Date) -> Surroundings<'static> {
    Surroundings { batch_date, environment: &variable }
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A file that could not be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Unwritable, format!("can't write {}: {error}", path.display()))
}

/// Refuses to work with a clock that can't be right: ids begin with the time since 1970.
pub fn clock() -> Result<(), Problem> {
    if now().seconds() >= 0 {
        return Ok(());
    }
    Err(Problem::new(Code::Clock, format!("this machine's clock says {}, which can't be", now()))
        .help("set the clock, and run this again"))
}

/// The time, UTC.
pub fn now() -> Instant {
    let now = jiff::Timestamp::now();
    Instant::new(now.as_second(), now.subsec_nanosecond().unsigned_abs())
}
