//! The start of every command: global options, console, and from these the store, the configuration
//! and the plan.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Loaded, Surroundings};
use crate::database::StoreUrl;
use crate::diagnostic::{Class, Code, Problem, Problems};
use crate::domain::{Date, Instant, Layout, PerSide, Side};
use crate::pipeline::{Plan, Session};
use crate::source::Opened;
use crate::store::run_reference::{self, RunReference};
use crate::store::{self, Opening, RunRow, Store};
use serde_json::{Map, Value as Json};

use super::account::Account;
use super::args::Global;
use super::output::{Console, OutputOptions};
use super::progress::Bars;

pub struct Context {
    pub global: Global,
    pub console: Console,
}

/// A job ready to run.
pub struct Prepared {
    pub loaded: Loaded,
    pub plan: Plan,
    /// The sources, opened and with their headers read.
    pub opened: PerSide<Opened>,
}

/// A job for commands on stored data, whose sources may be missing.
pub struct Stored {
    pub loaded: Loaded,
    pub plan: Plan,
}

/// A stored run, and the current job resolved for the run's business date.
pub struct OnRun {
    pub store: Box<dyn Store>,
    pub run: RunRow,
    pub plan: Plan,
}

/// A stored run with the configuration it was made with.
pub struct AsStored {
    pub store: Box<dyn Store>,
    pub run: RunRow,
    pub plan: Plan,
    /// Where the current configuration differs.
    pub changed: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// A key path joined by dots, or a file.
    pub path: String,
    /// Null if absent then.
    pub then: Json,
    /// Null if absent now.
    pub now: Json,
}

fn changes(run: &RunRow, present: &Plan) -> Vec<Change> {
    let mut found = Vec::new();
    let then = run.metadata.get("configuration").unwrap_or(&Json::Null);
    compare("", then, &present.record.configuration, &mut found);
    // These sections can't change a record.
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
    pub fn new(mut global: Global) -> Self {
        // An empty RECON_STORE counts as unset.
        global.store.take_if(|store| store.is_empty());
        let console = Console::new(OutputOptions {
            quiet: global.quiet,
            verbose: global.verbose,
            log_format: global.log_format,
            color: global.color,
        });
        Self { global, console }
    }

    /// Handles Ctrl-C, for commands that stop cleanly.
    pub fn listen(&self) -> Result<&Bars, Problem> {
        self.console.progress().listen(self.global.quiet)?;
        Ok(self.console.progress())
    }

    /// The business date: the option's, or today by the local clock.
    pub fn batch_date(&self) -> Date {
        self.global.batch_date.unwrap_or_else(|| {
            let today = jiff::Zoned::now().date();
            let (month, day) = (today.month().unsigned_abs(), today.day().unsigned_abs());
            Date::from_civil(today.year().into(), month.into(), day.into())
                .unwrap_or(Date::from_days(0))
        })
    }

    pub fn surroundings(&self) -> Surroundings<'static> {
        surroundings(self.batch_date())
    }

    /// Reads and checks `recon.yaml`; prints warnings.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        self.warn_of(&loaded);
        Ok(loaded)
    }

    /// Prints warnings. Script errors are fatal only to `recon check`.
    fn warn_of(&self, loaded: &Loaded) {
        self.warn(&loaded.warnings);
        self.warn_as_warnings(&loaded.findings);
    }

    fn warn_as_warnings(&self, findings: &[Problem]) {
        for finding in findings {
            self.console.problem(&Problem { class: Class::Warning, ..finding.clone() });
        }
    }

    pub fn warn(&self, warnings: &[Problem]) {
        for warning in warnings {
            self.console.problem(warning);
        }
    }

    pub fn json(&self, json: &Json) -> Result<(), Problem> {
        self.console.print(&format!("{json}\n"))
    }

    /// Opens the sources, checks their headers against the map and resolves the plan.
    pub fn prepare(&self) -> Result<Prepared, Problems> {
        let loaded = self.load()?;
        let opened = loaded.open_sources()?;
        let prepared = self.prepared(loaded, opened)?;
        self.warn_as_warnings(&prepared.plan.findings);
        Ok(prepared)
    }

    /// Like [`Self::prepare`], but script problems are errors.
    pub fn prepare_strictly(&self) -> Result<Prepared, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        if !loaded.findings.is_empty() {
            let found = loaded.warnings.into_iter().chain(loaded.findings);
            return Err(Problems(found.collect()));
        }
        self.warn(&loaded.warnings);
        let opened = loaded.look_at_sources()?;
        let prepared = self.prepared(loaded, opened)?;
        if prepared.plan.findings.is_empty() {
            Ok(prepared)
        } else {
            Err(Problems(prepared.plan.findings))
        }
    }

    fn prepared(&self, loaded: Loaded, opened: PerSide<Opened>) -> Result<Prepared, Problems> {
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

    /// Resolves the plan for commands on stored data.
    pub fn prepare_stored(&self) -> Result<Stored, Problems> {
        let loaded = self.load()?;
        let plan = loaded.plan_of_stored()?;
        Ok(Stored { loaded, plan })
    }

    /// Finds the run that a command names and resolves the configuration for its business date. The
    /// sources are not opened; they may no longer exist.
    pub fn on_run(&self, run: Option<&RunReference>) -> Result<OnRun, Problems> {
        let loaded = config::load(&self.global.config, self.surroundings())?;
        let store = self.store(Some(&loaded))?;
        let (job, date) = (Some(loaded.resolved.job.as_str()), self.global.batch_date);
        let run = run_reference::find_to_go_on(&*store, run, job, date)?;
        let loaded = if run.batch_date == loaded.resolved.batch_date {
            loaded
        } else {
            config::load(&self.global.config, surroundings(run.batch_date))?
        };
        self.warn_of(&loaded);
        let plan = loaded.plan_of_stored()?;
        Ok(OnRun { store, run, plan })
    }

    /// Finds a stored run, resolves the configuration stored with it, and lists where the current
    /// one differs. If the stored one can no longer be resolved because a script or lookup file is
    /// gone, warns and uses the current one.
    pub fn on_stored_run(&self, run: Option<&RunReference>) -> Result<AsStored, Problems> {
        let job = self.job_name().ok().flatten();
        let store = self.store(None)?;
        let run = self.which_run(&*store, run, job.as_deref())?;
        let file = &self.global.config;
        let present = file.exists().then(|| config::load(file, surroundings(run.batch_date)));
        let plan = plan_stored_with(&run, file);
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
                    "the configuration of run {} can no longer be read ({why}); \
                     using the current one",
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

    /// The store's URL: from the option or the variable, relative to the working directory; else
    /// from the file, relative to the file.
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
        Err(Problem::new(Code::NoStore, format!("{} does not exist", self.global.config.display()))
            .help("name a store with --store or RECON_STORE, or a configuration with --config")
            .into())
    }

    /// The configured job, if any. Other mistakes in the configuration don't matter here.
    pub fn job_name(&self) -> Result<Option<String>, Problems> {
        if self.global.store.is_some() && !self.global.config.exists() {
            return Ok(None);
        }
        config::job_name(&self.global.config, self.surroundings()).map(Some)
    }

    /// The configured address of the review page in browsers. Mistakes in the configuration don't matter here.
    pub fn public_url(&self) -> Option<String> {
        let loaded = config::load(&self.global.config, self.surroundings()).ok()?;
        loaded.resolved.server.settings.public_url
    }

    /// Opens the store, creating it or migrating its tables if necessary.
    pub fn make_store(&self, loaded: &Loaded) -> Result<Box<dyn Store>, Problems> {
        let store = store::open(&self.store_url(Some(loaded))?, Opening::Create)?;
        self.opened(&*store);
        Ok(store)
    }

    fn opened(&self, store: &dyn Store) {
        self.console.detail(&format!("the store is {}", store.url()));
        if let Some(warning) = store.exposed() {
            self.console.problem(&warning);
        }
    }

    /// Opens an existing store and cleans up after commands that died.
    pub fn store(&self, loaded: Option<&Loaded>) -> Result<Box<dyn Store>, Problems> {
        let store = store::open(&self.store_url(loaded)?, Opening::Existing)?;
        self.opened(&*store);
        // A read-only role or a full disk must still allow reading.
        if let Err(problem) = store.repair() {
            let message = format!("could not clean up after a run that died: {}", problem.message);
            self.console.problem(&Problem::new(Code::NotRepaired, message));
        }
        Ok(store)
    }

    /// The named run; else the job's newest that is not FAILED, on the given business date if any.
    pub fn which_run(
        &self,
        store: &dyn Store,
        run: Option<&RunReference>,
        job: Option<&str>,
    ) -> Result<RunRow, Problem> {
        run_reference::find(store, run, job, self.global.batch_date)
    }

    /// The current user, for the record.
    #[expect(clippy::unused_self, reason = "the person belongs to the invocation")]
    pub fn person(&self) -> String {
        Account::of_process().actor().person_id
    }

    pub fn session<'a>(&'a self, store: &'a dyn Store, lock_timeout: u64) -> Session<'a> {
        Session {
            store,
            progress: self.console.progress(),
            lock_timeout: Duration::from_secs(lock_timeout),
            now: &now,
        }
    }
}

/// The plan of the configuration that was stored with a run. Paths in it are relative to `file`.
pub fn plan_stored_with(run: &RunRow, file: &Path) -> Result<Plan, Problems> {
    let mut written = run.metadata.get("configuration").cloned();
    if let Some(sections) = written.as_mut().and_then(Json::as_object_mut) {
        // Server settings change no result, and cannot be checked without their secrets.
        sections.remove("server");
        if let Some(Json::Object(fields)) = sections.get_mut("fields") {
            in_order(fields, &run.layout);
        }
    }
    let written = written.map(|written| written.to_string()).unwrap_or_default();
    config::load_text(&written, file, surroundings(run.batch_date))?.plan_of_stored()
}

/// Puts the fields in the order of the run's rows: PostgreSQL does not keep the order of members.
fn in_order(fields: &mut Map<String, Json>, layout: &Layout) {
    let mut left = std::mem::take(fields);
    for field in layout.fields() {
        if let Some((name, value)) = left.shift_remove_entry(&field.name) {
            fields.insert(name, value);
        }
    }
    fields.extend(left);
}

fn surroundings(batch_date: Date) -> Surroundings<'static> {
    Surroundings { batch_date, environment: &variable }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(Code::Unwritable, format!("can't write {}: {error}", path.display()))
}

/// Refuses an impossible clock: ids begin with the time since 1970.
pub fn clock() -> Result<(), Problem> {
    if now().seconds() >= 0 {
        return Ok(());
    }
    Err(Problem::new(
        Code::Clock,
        format!("this machine's clock says {}, which is impossible", now()),
    )
    .help("set the clock and try again"))
}

/// The current time, UTC.
pub fn now() -> Instant {
    let now = jiff::Timestamp::now();
    Instant::new(now.as_second(), now.subsec_nanosecond().unsigned_abs())
}
