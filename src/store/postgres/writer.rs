//! Writes the rows of one command into PostgreSQL.
//!
//! Everything is one transaction on a connection of its own: if the process dies, the server takes
//! all of it back. New rows go by `COPY` into tables that are invisible until they are attached.

use std::collections::{BTreeMap, HashMap};

use ::postgres::types::Json;
use ::postgres::{Client, Error};
use crossbeam_channel::bounded;

use super::copy::{Copy, CopyFailure};
use super::pipe::{Job, Pipe};
use super::runs::{RunKey, find_key, trim};
use super::transact::PostgresTransaction;
use crate::database::postgres::{Connector, PostgresPool};
use crate::diagnostic::{Code, Problem};
use crate::domain::{AssignedBy, RunId, RunStatus, Stage, Status};
use crate::store::breaks::Breaks;
use crate::store::chunk::Chunks;
use crate::store::layout::Listing;
use crate::store::machine_results::MachineResults;
use crate::store::publication::{self, CodedAttribution, Gathered, ITEMS, Publication};
use crate::store::{
    AttributionRow, Batch, DifferenceRow, FinishRun, Published, Text, Writer, difference_number,
    stored,
};
use crate::threads;

/// How many rows of records may wait to be sent: more than a piece of a copy has.
const ROWS_AHEAD: usize = 512;

/// A table of the run's own, and the one that it becomes a part of.
struct Part {
    parent: &'static str,
    copy: Copy,
    exists: bool,
}

impl Part {
    fn new(parent: &'static str, run_no: i32, columns: &[&str]) -> Self {
        let copy = Copy::new(&format!("{parent}_{run_no}"), columns, true);
        Self { parent, copy, exists: false }
    }

    fn create(&mut self, pipe: &mut Pipe, run_no: i32) -> Result<(), CopyFailure> {
        if self.exists {
            return Ok(());
        }
        self.exists = true;
        // The check lets the table be attached without being read again.
        let parent = self.parent;
        pipe.send(Job::Statements(format!(
            "CREATE TABLE {parent}_{run_no} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES, \
             CHECK (run_no = {run_no}))"
        )))
    }

    fn send(&mut self, pipe: &mut Pipe, run_no: i32) -> Result<(), CopyFailure> {
        if self.copy.is_empty() {
            return Ok(());
        }
        self.create(pipe, run_no)?;
        pipe.send(Job::Rows(self.copy.take()))
    }

    /// Indexes the table, then makes it a part: the lock on the parent is short.
    fn attach(&self, client: &mut Client, run_no: i32, listed: bool) -> Result<(), Error> {
        let (parent, table) = (self.parent, format!("{}_{run_no}", self.parent));
        index(client, parent, &table, listed)?;
        client.batch_execute(&format!(
            "ALTER TABLE {parent} ATTACH PARTITION {table} FOR VALUES IN ({run_no})"
        ))
    }
}

/// Makes the indexes that a run's part of `parent` has; those of differences for lists of the review only where these
/// are `listed`.
fn index(client: &mut Client, parent: &str, table: &str, listed: bool) -> Result<(), Error> {
    client.batch_execute(&format!("ALTER TABLE {table} ADD PRIMARY KEY (run_no, number)"))?;
    if parent == ITEMS {
        client.batch_execute(&format!(
            "CREATE INDEX ON {table} (run_no, number) WHERE status = 1 AND later < 0"
        ))?;
    }
    if parent == ITEMS && listed {
        client.batch_execute(&format!(
            "CREATE INDEX ON {table} (confidence, run_no, number) \
             WHERE status = 1 AND later IS NULL; \
             CREATE INDEX ON {table} (signature_id, confidence, run_no, number) \
             WHERE status = 1 AND later IS NULL; \
             CREATE INDEX ON {table} (amount_abs, run_no, number) \
             WHERE status = 1 AND later IS NULL AND amount_abs IS NOT NULL; \
             CREATE INDEX ON {table} (severity, since, run_no, number, signature_id) \
             WHERE status = 1 AND later IS NULL; \
             CREATE INDEX ON {table} (signature_id, status, run_no, number)"
        ))?;
    }
    if parent == ITEMS && listed {
        return client.batch_execute(&format!("ANALYZE {table}"));
    }
    // Fewer rows than usual are looked at, until the server looks itself: a tenth of the time of writing a large run.
    client.batch_execute(&format!(
        "SET LOCAL default_statistics_target = 10; ANALYZE {table}; \
         SET LOCAL default_statistics_target TO DEFAULT"
    ))
}

/// A writer on a connection of its own.
pub(super) struct PostgresWriter {
    /// Writes the rows until the run is published.
    pipe: Pipe,
    /// The connection, once all are written.
    client: Option<Client>,
    connector: Connector,
    pool: PostgresPool,
    run: RunId,
    key: RunKey,
    reasons: HashMap<String, (i32, bool)>,
    assigners: HashMap<String, i32>,
    signatures: HashMap<String, i32>,
    chunks: Chunks,
    records: Part,
    differences: Part,
    rejected: Copy,
    decisions: Copy,
    /// Rows written by this writer.
    written: publication::Written,
    listing: Listing,
    rejected_count: i64,
    results: MachineResults,
    /// Of a command that writes differences.
    breaks: Option<Breaks>,
}

impl PostgresWriter {
    pub(super) fn open(
        connector: &Connector,
        pool: &PostgresPool,
        run: RunId,
    ) -> Result<Self, Problem> {
        let problem = |error: Error| connector.problem(&error);
        let mut client = connector.connect()?;
        let key = find_key(&mut client, run, |error| connector.problem(error))?;
        let reasons = client
            .query("SELECT code, reason_id, is_functional FROM reason_codes", &[])
            .map_err(problem)?
            .iter()
            .map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))))
            .collect::<Result<_, Error>>()
            .map_err(problem)?;
        client.batch_execute("BEGIN").map_err(problem)?;
        let run_no = key.run_no;
        let breaks = match key.stage {
            None | Some(Stage::Ingested) => {
                let mut tx = PostgresTransaction {
                    problem: &|error: &Error| connector.problem(error),
                    client: &mut client,
                    plans: None,
                };
                Some(Breaks::open(&mut tx, run_no.into())?)
            }
            Some(Stage::Compared | Stage::Attributed) => None,
        };
        let mut writer = Self {
            pipe: Pipe::start(client, connector)?,
            client: None,
            connector: connector.clone(),
            pool: pool.clone(),
            run,
            key,
            reasons,
            assigners: HashMap::new(),
            signatures: HashMap::new(),
            chunks: Chunks::default(),
            records: Part::new("record_rows", run_no, &["run_no", "number", "records"]),
            differences: Part::new(
                ITEMS,
                run_no,
                &[
                    "run_no",
                    "number",
                    "diff_type",
                    "severity",
                    "value_a",
                    "value_b",
                    "amount_abs",
                    "reason_id",
                    "functional",
                    "confidence",
                    "status",
                    "assigner_id",
                    "explanation",
                    "signature_id",
                    "break_key",
                    "since",
                ],
            ),
            rejected: Copy::new(
                "reject_rows",
                &["run_no", "number", "side", "line", "place", "code", "message", "text", "key"],
                false,
            ),
            decisions: Copy::new(
                "staged_decisions",
                &[
                    "number",
                    "reason_id",
                    "functional",
                    "confidence",
                    "status",
                    "assigner_id",
                    "explanation",
                    "signature_id",
                ],
                false,
            ),
            written: publication::Written::default(),
            listing: Listing::new(),
            rejected_count: 0,
            results: MachineResults::default(),
            breaks,
        };
        writer.prepare().map_err(|failure| writer.problem(&failure))?;
        Ok(writer)
    }

    fn prepare(&mut self) -> Result<(), CopyFailure> {
        match self.key.stage {
            None => self.records.create(&mut self.pipe, self.key.run_no),
            Some(Stage::Ingested) => Ok(()),
            Some(Stage::Compared | Stage::Attributed) => self.pipe.send(Job::Statements(
                "CREATE TEMP TABLE staged_decisions (number bigint NOT NULL, reason_id integer, \
                 functional boolean, confidence double precision, status smallint, \
                 assigner_id integer, explanation text, signature_id integer) ON COMMIT DROP"
                    .to_owned(),
            )),
        }
    }

    /// Reads the numbers of all assigners and signatures, and checks all reasons that the batch names.
    fn resolve(&mut self, batch: &Batch) -> Result<(), Problem> {
        let given = batch.differences.iter().filter_map(|difference| difference.attribution);
        let decided = batch.decisions.iter().map(|decision| decision.attribution);
        let mut unknown = BTreeMap::new();
        for attribution in given.chain(decided) {
            let code = batch.text(attribution.reason);
            if !self.reasons.contains_key(code) {
                return Err(stored::unknown_reason(code));
            }
            let name = batch.text(attribution.assigned_by);
            if !self.assigners.contains_key(name) {
                let id = self.assigner_id(name)?;
                self.assigners.insert(name.to_owned(), id);
            }
            if let Some((signature, label)) = attribution.signature {
                let signature = batch.text(signature);
                if !self.signatures.contains_key(signature) {
                    unknown.insert(signature, batch.text(label));
                }
            }
        }
        if !unknown.is_empty() {
            self.learn_signatures(&unknown)?;
        }
        Ok(())
    }

    /// Outside the writer's transaction, as for assigners, and all in one round trip; in the order of
    /// their keys, so that two runs never wait for each other crosswise.
    fn learn_signatures(&mut self, unknown: &BTreeMap<&str, &str>) -> Result<(), Problem> {
        let clean = |text: &&str| text.replace('\0', "\u{fffd}");
        let keys: Vec<String> = unknown.keys().map(clean).collect();
        let labels: Vec<String> = unknown.values().map(clean).collect();
        let mut connection = self.pool.get().map_err(|error| {
            Problem::new(Code::StoreUnreachable, format!("no connection to the store: {error}"))
        })?;
        let rows = connection
            .execute(
                "INSERT INTO signatures (signature, label) \
                 SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (signature) DO NOTHING",
                &[&keys, &labels],
            )
            .and_then(|_| {
                connection.query(
                    "SELECT signature, signature_id FROM signatures \
                     WHERE signature = ANY ($1::text[])",
                    &[&keys],
                )
            })
            .map_err(|error| self.connector.problem(&error))?;
        let mut ids = HashMap::new();
        for row in &rows {
            let read = || Ok((row.try_get::<_, &str>(0)?, row.try_get::<_, i32>(1)?));
            let (key, id) = read().map_err(|error| self.connector.problem(&error))?;
            ids.insert(key, id);
        }
        for (signature, key) in unknown.keys().zip(&keys) {
            if let Some(id) = ids.get(key.as_str()) {
                self.signatures.insert((*signature).to_owned(), *id);
            }
        }
        Ok(())
    }

    /// Outside the writer's transaction, so that no other run waits for its end.
    fn assigner_id(&self, name: &str) -> Result<i32, Problem> {
        let person = matches!(AssignedBy::parse(name), AssignedBy::Person(_));
        let mut connection = self.pool.get().map_err(|error| {
            Problem::new(Code::StoreUnreachable, format!("no connection to the store: {error}"))
        })?;
        connection
            .execute(
                "INSERT INTO assigners (name, is_person) VALUES ($1, $2) \
                 ON CONFLICT (name) DO NOTHING",
                &[&name, &person],
            )
            .and_then(|_| {
                connection.query_one("SELECT assigner_id FROM assigners WHERE name = $1", &[&name])
            })
            .and_then(|row| row.try_get(0))
            .map_err(|error| self.connector.problem(&error))
    }

    fn write_rows(&mut self, batch: &Batch) -> Result<(), CopyFailure> {
        let run_no = self.key.run_no;
        let is_digested = self.key.stage != Some(Stage::Attributed);
        let names = Names {
            reasons: &self.reasons,
            assigners: &self.assigners,
            signatures: &self.signatures,
            batch,
        };
        let pipe = &mut self.pipe;
        let (chunks, results, reasons) = (&mut self.chunks, &mut self.results, &self.reasons);
        let (records, differences) = (&mut self.records, &mut self.differences);
        let (written, listing, breaks) = (&mut self.written, &mut self.listing, &mut self.breaks);
        // This thread waits for the server; another makes rows of the records, and digests of all.
        std::thread::scope(|scope| -> Result<(), CopyFailure> {
            let (sender, rows) = bounded::<(u64, String)>(ROWS_AHEAD);
            let functional = |code: &str| reasons.get(code).map(|(_, functional)| *functional);
            let take = move || results.take_while_stored(batch, chunks, sender, functional);
            if is_digested {
                threads::start(scope, take)?;
            } else {
                // With it goes the sender, so that no rows are waited for: new decisions have none.
                drop(take);
            }
            for (chunk, text) in rows {
                push_chunk(&mut records.copy, run_no, chunk, &text);
                if records.copy.is_full() {
                    records.send(pipe, run_no)?;
                }
            }
            for row in &batch.differences {
                listing.leaves_out();
                let known = breaks.as_mut().map(|breaks| breaks.take(row));
                let given = names.push_difference(&mut differences.copy, run_no, row, known);
                if let Some(given) = given {
                    written.add(row.record, given, row.amount_abs);
                }
                if differences.copy.is_full() {
                    differences.send(pipe, run_no)?;
                }
            }
            Ok(())
        })?;
        if let Some(breaks) = &mut self.breaks {
            breaks.take_partners(&batch.partners);
            breaks.flush(pipe, false)?;
        }
        for row in &batch.decisions {
            self.decisions.row();
            self.decisions.int8(Some(row.number.cast_signed()));
            names.push(&mut self.decisions, Some(&row.attribution));
        }
        for row in &batch.rejected {
            self.rejected_count += 1;
            let copy = &mut self.rejected;
            copy.row();
            copy.int4(Some(run_no));
            copy.int8(Some(self.rejected_count));
            copy.text(Some(row.side.name()));
            copy.int8(Some(row.line.cast_signed()));
            copy.int8(Some(row.offset.cast_signed()));
            copy.text(Some(&row.code));
            copy.text(Some(&row.message));
            copy.text(Some(&row.text));
            copy.text(row.key.as_deref());
        }
        self.send(false)
    }

    /// Sends the pieces that are full, or all.
    fn send(&mut self, all: bool) -> Result<(), CopyFailure> {
        let (pipe, run_no) = (&mut self.pipe, self.key.run_no);
        for part in [&mut self.records, &mut self.differences] {
            if all || part.copy.is_full() {
                part.send(pipe, run_no)?;
            }
        }
        for copy in [&mut self.rejected, &mut self.decisions] {
            if copy.is_full() || all && !copy.is_empty() {
                pipe.send(Job::Rows(copy.take()))?;
            }
        }
        Ok(())
    }

    fn problem(&self, failure: &CopyFailure) -> Problem {
        failure.problem(&self.connector)
    }

    fn publish(&mut self, outcome: &FinishRun) -> Result<(u64, u64), CopyFailure> {
        let mut carried = 0;
        let (stage, run_no, trims) = (self.key.stage, self.key.run_no, self.trims(outcome));
        if outcome.stage >= Stage::Compared && stage < Some(Stage::Compared) {
            self.differences.create(&mut self.pipe, run_no)?;
        }
        let (records, results) = (&mut self.records.copy, &mut self.results);
        self.chunks.flush(|chunk, text| -> Result<(), CopyFailure> {
            results.take_records(chunk, &text);
            push_chunk(records, run_no, chunk, &text);
            Ok(())
        })?;
        self.send(true)?;
        let client = &mut *self.client.insert(self.pipe.end()?);
        if outcome.stage >= Stage::Compared
            && let Some(breaks) = &mut self.breaks
        {
            let connector = &self.connector;
            let mut tx = PostgresTransaction {
                problem: &|error| connector.problem(error),
                client,
                plans: None,
            };
            breaks.flush(&mut tx, true)?;
        }
        let unlisted = self.breaks.as_ref().map(|_| self.listing.is_unlisted());
        for part in [&self.records, &self.differences] {
            if part.exists {
                part.attach(client, run_no, unlisted == Some(false))?;
            }
        }
        let ended = stored::time_text(outcome.ended);
        match stage {
            Some(Stage::Compared) => decide(client, run_no)?,
            Some(Stage::Attributed) => decide_again(client, run_no, &ended)?,
            None | Some(Stage::Ingested) => {}
        }
        let reached = |stage: Stage| (outcome.stage >= stage).then_some(ended.as_str());
        let updated = client.execute(
            "UPDATE recon_runs SET status = $2, stage = $3, end_time = $4::text::timestamptz, \
             total_records = $5, total_differences = $6, metadata = $7, \
             ingested_at = coalesce(ingested_at, $8::text::timestamptz), \
             compared_at = coalesce(compared_at, $9::text::timestamptz), \
             attributed_at = coalesce(attributed_at, $10::text::timestamptz), \
             trim_pending = trim_pending OR $11, unlisted = coalesce($13, unlisted) \
             WHERE run_no = $1 AND status = $12",
            &[
                &run_no,
                &outcome.status.name(),
                &outcome.stage.name(),
                &ended,
                &outcome.total_records.cast_signed(),
                &outcome.total_differences.cast_signed(),
                &Json(&*stored::clean_json(&outcome.metadata)),
                &reached(Stage::Ingested),
                &reached(Stage::Compared),
                &reached(Stage::Attributed),
                &trims,
                &RunStatus::Running.name(),
                &unlisted,
            ],
        )?;
        if updated == 1 && outcome.stage == Stage::Attributed {
            // The newest attributed run of a job's date is current. A decision about the run before
            // holds its row: from here on there is none in flight, so all decisions are visible.
            client.execute(
                "UPDATE recon_runs r SET superseded_by = nullif(( \
                     SELECT n.run_id FROM recon_runs n \
                     WHERE n.job = r.job AND n.batch_date = r.batch_date \
                       AND n.stage = 'ATTRIBUTED' \
                     ORDER BY n.start_time DESC, n.run_no DESC LIMIT 1), r.run_id) \
                 WHERE stage = 'ATTRIBUTED' AND (job, batch_date) = \
                     (SELECT job, batch_date FROM recon_runs WHERE run_no = $1)",
                &[&run_no],
            )?;
            let connector = &self.connector;
            let mut tx = PostgresTransaction {
                problem: &|error| connector.problem(error),
                client,
                plans: None,
            };
            let decided = decided_table(run_no);
            let results = std::mem::take(&mut self.results);
            let gathered = Gathered { results, before: stage, trims };
            let publication = match stage {
                Some(Stage::Attributed) => Publication::again(&mut tx, run_no.into())?,
                Some(Stage::Compared) => {
                    Publication::first(&mut tx, &decided, run_no.into(), gathered, None)?
                }
                None | Some(Stage::Ingested) => {
                    let counts = stage.is_none().then(|| std::mem::take(&mut self.written.items));
                    Publication::first(&mut tx, ITEMS, run_no.into(), gathered, counts)?
                }
            };
            if stage == Some(Stage::Compared) {
                take_decided(client, run_no)?;
            }
            let mut tx = PostgresTransaction {
                problem: &|error| connector.problem(error),
                client,
                plans: None,
            };
            let breaks = self.breaks.take();
            carried = publication.complete(&mut tx, run_no.into(), breaks, outcome.ended)?;
        } else if updated == 1 {
            let connector = &self.connector;
            let mut tx = PostgresTransaction {
                problem: &|error| connector.problem(error),
                client,
                plans: None,
            };
            let results = std::mem::take(&mut self.results);
            Gathered { results, before: stage, trims }
                .complete(&mut tx, ITEMS, run_no.into())?
                .append(&mut tx, run_no.into(), outcome.ended)?;
        }
        client.batch_execute(if updated == 1 { "COMMIT" } else { "ROLLBACK" })?;
        Ok((updated, carried))
    }

    /// True if matched records are deleted when the command has ended.
    fn trims(&self, outcome: &FinishRun) -> bool {
        !self.key.keep_all
            && self.key.stage == Some(Stage::Ingested)
            && outcome.stage >= Stage::Compared
    }
}

impl Writer for PostgresWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), Problem> {
        self.resolve(batch)?;
        self.write_rows(batch).map_err(|failure| self.problem(&failure))
    }

    fn finish(mut self: Box<Self>, outcome: &FinishRun) -> Result<Published, Problem> {
        let (updated, carried) = self.publish(outcome).map_err(|failure| self.problem(&failure))?;
        if updated == 0 {
            return Err(stored::lost_run(self.run));
        }
        if self.trims(outcome)
            && let Some(client) = &mut self.client
        {
            trim(client, self.key.run_no).map_err(|error| self.connector.problem(&error))?;
        }
        let is_whole = self.key.stage.is_none() && outcome.stage == Stage::Attributed;
        let counts = (is_whole && carried == 0)
            .then(|| self.written.counts(outcome.total_records, &self.reasons, &self.assigners));
        Ok(Published { counts, carried })
    }
}

fn push_chunk(copy: &mut Copy, run_no: i32, chunk: u64, text: &str) {
    copy.row();
    copy.int4(Some(run_no));
    copy.int8(Some(chunk.cast_signed()));
    copy.text(Some(text));
}

/// The ids of a batch's names, which were resolved before.
struct Names<'a> {
    reasons: &'a HashMap<String, (i32, bool)>,
    assigners: &'a HashMap<String, i32>,
    signatures: &'a HashMap<String, i32>,
    batch: &'a Batch,
}

impl Names<'_> {
    fn text(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.batch.text(text))
    }

    /// A difference with its decision, its break and the break's first date; and gives the numbers of its texts, where
    /// there are any.
    fn push_difference(
        &self,
        copy: &mut Copy,
        run_no: i32,
        row: &DifferenceRow,
        known: Option<(i64, i32)>,
    ) -> Option<CodedAttribution> {
        copy.row();
        copy.int4(Some(run_no));
        copy.int8(Some(difference_number(row.record, row.field).cast_signed()));
        copy.int2(Some(row.diff_type.code().into()));
        copy.int2(Some(row.severity.code().into()));
        copy.text(self.text(row.value_a));
        copy.text(self.text(row.value_b));
        copy.float8(row.amount_abs);
        let given = self.push(copy, row.attribution.as_ref());
        copy.int8(known.map(|(key, _)| key));
        copy.int4(known.map(|(_, since)| since));
        given
    }

    /// Reason, functional, confidence, status, assigner, explanation and signature; and gives their
    /// numbers, where there are any.
    fn push(&self, copy: &mut Copy, given: Option<&AttributionRow>) -> Option<CodedAttribution> {
        let number = |numbers: &HashMap<String, i32>, name: Text| {
            numbers.get(self.batch.text(name)).copied()
        };
        let reason = given.and_then(|given| self.reasons.get(self.batch.text(given.reason)));
        copy.int4(reason.map(|(id, _)| *id));
        copy.boolean(reason.map(|(_, functional)| *functional));
        copy.float8(given.map(|given| given.confidence.get()));
        copy.int2(given.map(|given| given.status.code().into()));
        let assigner = given.and_then(|given| number(self.assigners, given.assigned_by));
        copy.int4(assigner);
        copy.text(given.and_then(|given| self.text(given.explanation)));
        let signature = given.and_then(|given| given.signature);
        let signature = signature.and_then(|(signature, _)| number(self.signatures, signature));
        copy.int4(signature);
        let (reason, functional) = reason?;
        Some(CodedAttribution {
            reason: (*reason).into(),
            functional: *functional,
            status: given?.status,
            assigner: assigner?.into(),
            signature: signature.map(i64::from),
        })
    }
}

/// The columns that a decision sets.
const DECIDED: &str =
    "reason_id, functional, confidence, status, assigner_id, explanation, signature_id";
/// The same columns of the difference and of the staged decision.
const DECIDED_BEFORE: &str = "d.reason_id, d.functional, d.confidence, d.status, d.assigner_id, \
     d.explanation, d.signature_id";
const DECIDED_NOW: &str = "s.reason_id, s.functional, s.confidence, s.status, s.assigner_id, \
     s.explanation, s.signature_id";

/// Name of the table for a run's differences and their first decisions.
fn decided_table(run_no: i32) -> String {
    format!("difference_rows_{run_no}_decided")
}

/// Writes the differences of a run that does not show as attributed yet once more, with the decisions:
/// a new table with indexes made at its end takes a fraction of the time of updating each row and each
/// index, and leaves nothing to be cleaned up.
fn decide(client: &mut Client, run_no: i32) -> Result<(), Error> {
    let decided = decided_table(run_no);
    client.batch_execute(&format!(
        "ANALYZE staged_decisions; \
         CREATE TABLE {decided} (LIKE difference_rows INCLUDING ALL EXCLUDING INDEXES, \
         CHECK (run_no = {run_no})); \
         INSERT INTO {decided} (run_no, number, diff_type, severity, value_a, value_b, amount_abs, \
             audit_sample, break_key, since, {DECIDED}) \
         SELECT d.run_no, d.number, d.diff_type, d.severity, d.value_a, d.value_b, d.amount_abs, \
             d.audit_sample, d.break_key, d.since, {DECIDED_NOW} \
         FROM difference_rows_{run_no} d LEFT JOIN staged_decisions s ON s.number = d.number"
    ))?;
    let sql = "SELECT unlisted FROM recon_runs WHERE run_no = $1";
    let unlisted: bool = client.query_one(sql, &[&run_no])?.try_get(0)?;
    index(client, ITEMS, &decided, !unlisted)
}

/// Replaces the former decisions by those that [`decide`] has written. Readers wait only for this, the last step
/// before the end of the transaction.
fn take_decided(client: &mut Client, run_no: i32) -> Result<(), Error> {
    let (table, decided) = (format!("difference_rows_{run_no}"), decided_table(run_no));
    client.batch_execute(&format!(
        "ALTER TABLE difference_rows DETACH PARTITION {table}; DROP TABLE {table}; \
         ALTER TABLE {decided} RENAME TO {table}; \
         ALTER TABLE difference_rows ATTACH PARTITION {table} FOR VALUES IN ({run_no})"
    ))
}

/// Applies the decisions that change something, except to items that people hold: they may have decided meanwhile.
fn decide_again(client: &mut Client, run_no: i32, now: &str) -> Result<(), Error> {
    let (pending, rejected) = (Status::Pending.code(), Status::Rejected.code());
    client.batch_execute("ANALYZE staged_decisions")?;
    client
        .execute(
            &format!(
                "UPDATE difference_rows d SET ({DECIDED}) = ROW({DECIDED_NOW}), \
                 assigned_at = $1::text::timestamptz, version = d.version + 1 \
                 FROM staged_decisions s WHERE d.run_no = {run_no} AND d.number = s.number \
                 AND ({DECIDED_BEFORE}) IS DISTINCT FROM ({DECIDED_NOW}) \
                 AND NOT d.is_locked AND d.status NOT IN ({pending}, {rejected}) \
                 AND NOT EXISTS (SELECT FROM assigners w \
                     WHERE w.assigner_id = d.assigner_id AND w.is_person)"
            ),
            &[&now],
        )
        .map(drop)
}
