//! Commands on a stored run: one thread reads the run lot by lot, workers turn lots into batches, and the calling thread
//! writes the batches in the order of the lots. So the result is the same at any number of threads.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::diagnostic::Problem;
use crate::store::{Batch, RECORDS_OF_LOT, RunRow, Writer};
use crate::threads;

use super::halt::Halt;
use super::read::join;
use super::{Plan, Session};

/// Turns lots into batches, on one thread.
pub(super) trait Worker<Lot> {
    /// What it found in all of its lots.
    type Found: Send;

    fn work(&mut self, lot: &Lot) -> Result<Batch, Problem>;

    fn finish(self) -> Self::Found;
}

/// Passes a lot on; an error ends the reading.
pub(super) type PassOn<'p, Lot> = dyn FnMut(Lot) -> Result<(), Problem> + 'p;

/// Takes a batch; true if the next one is there already.
type Take<'t> = dyn FnMut(&Batch, bool) -> Result<(), Problem> + 't;

/// Has workers, made by `start`, work on all lots that `read` passes on, and gives each batch to `look` and to the writer.
/// Returns what each worker found.
pub(super) fn work_in_order<Lot: Send, W: Worker<Lot>>(
    (session, plan, run): (Session<'_>, &Plan, &RunRow),
    read: impl FnOnce(&mut PassOn<'_, Lot>) -> Result<(), Problem> + Send,
    start: impl Fn() -> Result<W, Problem> + Sync,
    look: &mut dyn FnMut(&Batch),
    writer: &mut dyn Writer,
) -> Result<Vec<W::Found>, Problem> {
    let lots = usize::try_from(run.total_records.div_ceil(RECORDS_OF_LOT)).unwrap_or(usize::MAX);
    let count = plan.options.threads.min(lots).max(1);
    threads::room_for(count + 1)?;
    let (halt, progress) = (&Halt::default(), session.progress);
    // The first problem is known before a channel closes because of it.
    let stop = |problem: &Problem| halt.stop(problem.clone());
    let (jobs, waiting) = bounded(count);
    let (order, batches) = bounded(2 * count);
    let work = |jobs: Receiver<(Lot, Sender<Batch>)>| {
        let mut worker = start().inspect_err(stop)?;
        for (lot, done) in jobs {
            // Nobody waits for it once the writer has failed.
            let _ = done.send(worker.work(&lot).inspect_err(stop)?);
        }
        Ok(worker.finish())
    };
    let work = &work;
    let workers = std::thread::scope(|scope| {
        let reading = threads::start(scope, move || {
            read(&mut |lot| {
                let (done, batch) = bounded(1);
                let is_over = halt.check(progress)
                    || order.send(batch).is_err()
                    || jobs.send((lot, done)).is_err();
                if is_over { Err(Problem::interrupted()) } else { Ok(()) }
            })
        });
        let reading = halt.guard(reading);
        let workers: Vec<_> = (0..count)
            .filter_map(|_| {
                let jobs = waiting.clone();
                halt.guard(threads::start(scope, move || work(jobs)))
            })
            .collect();
        drop(waiting);
        let written = take_in_order(batches, &mut |batch, more| {
            look(batch);
            let write = if more { Writer::write_before_another } else { Writer::write };
            write(writer, batch).inspect_err(stop)
        });
        halt.guard(written);
        reading.and_then(|reading| halt.guard(join(reading)));
        workers.into_iter().filter_map(|worker| halt.guard(join(worker))).collect()
    });
    halt.outcome()?;
    Ok(workers)
}

/// Gives batches to `take` in their order, until one does not come.
fn take_in_order(batches: Receiver<Receiver<Batch>>, take: &mut Take<'_>) -> Result<(), Problem> {
    let mut next: Option<Receiver<Batch>> = None;
    let mut ready: Option<Batch> = None;
    loop {
        let batch = match ready.take() {
            Some(batch) => batch,
            None => {
                let Some(coming) = next.take().or_else(|| batches.recv().ok()) else { break };
                let Ok(batch) = coming.recv() else { break };
                batch
            }
        };
        next = next.or_else(|| batches.try_recv().ok());
        ready = next.as_ref().and_then(|next| next.try_recv().ok());
        if ready.is_some() {
            next = None;
        }
        take(&batch, ready.is_some())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RejectedRow;

    fn batch(number: u64) -> Batch {
        let row = RejectedRow {
            side: crate::domain::Side::A,
            line: number,
            offset: 0,
            code: String::new(),
            message: String::new(),
            text: String::new(),
            key: None,
        };
        Batch::of_rejected(vec![row])
    }

    #[test]
    fn batches_are_taken_in_the_order_of_their_lots() {
        let (order, batches) = bounded(4);
        let (done, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| bounded(1)).unzip();
        receivers.into_iter().for_each(|receiver| order.send(receiver).unwrap());
        drop(order);
        let mut done = done.into_iter();
        let mut later = || done.next().unwrap();
        let (first, second, third, fourth) = (later(), later(), later(), later());
        second.send(batch(2)).unwrap();
        first.send(batch(1)).unwrap();
        let mut taken = Vec::new();
        let mut rest = Some((third, fourth));
        take_in_order(batches, &mut |batch, more| {
            taken.push((batch.rejected[0].line, more));
            if let Some((third, _fourth)) = rest.take_if(|_| taken.len() == 2) {
                third.send(super::tests::batch(3)).unwrap();
            }
            Ok(())
        })
        .unwrap();
        // Work on the fourth was given up.
        assert_eq!(taken, [(1, true), (2, false), (3, false)]);
    }
}
