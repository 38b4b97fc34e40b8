//! A thread that writes into PostgreSQL what another one prepares, so that neither the server nor the writer waits for
//! the other. A `COPY` goes on for as long as rows of its table come.

use std::io::Write as _;
use std::sync::Arc;
use std::thread::JoinHandle;

use ::postgres::{Client, Error};
use crossbeam_channel::{Receiver, Sender, bounded};

use super::copy::{CopyFailure, HEADER, Rows, TRAILER};
use super::transact::PostgresTransaction;
use crate::database::postgres::Connector;
use crate::diagnostic::{Code, Problem};
use crate::store::SqlValue;
use crate::store::transact::{Dialect, SqlRow, Transaction};
use crate::threads::not_started;

/// How many jobs may wait. Most are rows of a megabyte.
const AHEAD: usize = 4;

/// What the thread does.
pub(super) enum Job {
    Rows(Rows),
    Statements(String),
    Execute(String, Vec<SqlValue>),
}

/// The way to the thread, which has the connection meanwhile.
pub(super) struct Pipe {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<Result<Client, CopyFailure>>>,
    connector: Connector,
}

impl Pipe {
    pub(super) fn start(client: Client, connector: &Connector) -> Result<Self, Problem> {
        let (sender, jobs) = bounded(AHEAD);
        let own = connector.clone();
        let work = move || work(client, &own, &jobs);
        let thread =
            std::thread::Builder::new().spawn(work).map_err(|error| not_started(&error))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), connector: connector.clone() })
    }

    /// Has a job done after those before it.
    ///
    /// # Errors
    /// One of those before it failed.
    pub(super) fn send(&mut self, job: Job) -> Result<(), CopyFailure> {
        let is_sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if is_sent { Ok(()) } else { self.end().map(drop) }
    }

    /// Waits for the end of all jobs and gives the connection back.
    pub(super) fn end(&mut self) -> Result<Client, CopyFailure> {
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            let message = "the writer of the run has failed before";
            return Err(Problem::new(Code::StoreFailed, message).into());
        };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Where the run fails, its connection is closed before that is said.
impl Drop for Pipe {
    fn drop(&mut self) {
        self.jobs = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Of statements whose results nobody needs.
impl Transaction for Pipe {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<u64, Problem> {
        let job = Job::Execute(sql.to_owned(), parameters.to_vec());
        self.send(job).map_err(|failure| failure.problem(&self.connector))?;
        Ok(0)
    }

    fn query(&mut self, _: &str, _: &[SqlValue]) -> Result<Vec<SqlRow>, Problem> {
        Err(Problem::new(Code::StoreFailed, "rows are written only"))
    }

    fn query_each(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        _: &mut dyn FnMut(SqlRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.query(sql, parameters).map(drop)
    }
}

fn work(
    mut client: Client,
    connector: &Connector,
    jobs: &Receiver<Job>,
) -> Result<Client, CopyFailure> {
    let mut next = jobs.recv().ok();
    while let Some(job) = next.take() {
        match job {
            Job::Rows(rows) => {
                next = copy(&mut client, rows, jobs)?;
                continue;
            }
            Job::Statements(sql) => client.batch_execute(&sql)?,
            Job::Execute(sql, parameters) => {
                let problem = |error: &Error| connector.problem(error);
                let client = &mut client;
                PostgresTransaction { problem: &problem, client, plans: None }
                    .execute(&sql, &parameters)?;
            }
        }
        next = jobs.recv().ok();
    }
    Ok(client)
}

/// Copies rows as long as they are of one table, and gives the job that is another.
fn copy(client: &mut Client, rows: Rows, jobs: &Receiver<Job>) -> Result<Option<Job>, CopyFailure> {
    let statement = Arc::clone(&rows.statement);
    let mut sink = client.copy_in(&*statement)?;
    let mut written = sink.write_all(HEADER);
    let mut next = Some(Job::Rows(rows));
    while written.is_ok()
        && let Some(Job::Rows(rows)) = &next
        && rows.statement == statement
    {
        written = sink.write_all(&rows.bytes);
        next = jobs.recv().ok();
    }
    let written = written.and_then(|()| sink.write_all(TRAILER));
    // The server's own complaint comes with the end of the copy; it says more.
    sink.finish()?;
    written?;
    Ok(next)
}
