//! The end of the audit trail as this process saw it last. A store without that row is an older
//! copy: decisions made on it would repeat earlier ones and be lost.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::diagnostic::{Code, Problem};

use super::audit;
use super::transact::Transaction;

/// The last observed state, and when it was compared.
#[derive(Debug, Default)]
pub(super) struct TrailEnd(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    end: Option<(i64, [u8; 32])>,
    compared: Option<Instant>,
}

impl TrailEnd {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the row which was the last is still there.
    pub(super) fn check(&self, tx: &mut dyn Transaction) -> Result<(), Problem> {
        // Reading it first keeps it no newer than the transaction's view.
        let Some((seq, hash)) = self.state().end else { return Ok(()) };
        let rows = tx.query("SELECT hash FROM recon.audit_trail WHERE seq = $1", &[seq.into()])?;
        let found = rows.first().map(|row| row.blob(0)).transpose()?.flatten();
        if found.as_deref() != Some(&hash[..]) {
            return Err(replaced(&format!(
                "row {seq} of the audit trail, seen before, is gone or another: this is an older \
                 or a different store"
            )));
        }
        self.state().compared = Some(Instant::now());
        Ok(())
    }

    /// As [`TrailEnd::check`], if that is longer ago than `time`: where each statement is a round trip.
    pub(super) fn check_after(
        &self,
        time: Duration,
        tx: &mut dyn Transaction,
    ) -> Result<(), Problem> {
        if self.state().compared.is_some_and(|compared| compared.elapsed() < time) {
            return Ok(());
        }
        self.check(tx)
    }

    /// The end of the trail as the transaction sees it; [`TrailEnd::remember`] it once it is committed.
    pub(super) fn end(tx: &mut dyn Transaction) -> Result<(i64, [u8; 32]), Problem> {
        let head = audit::head(tx, false)?;
        Ok((head.seq, head.hash))
    }

    /// Remembers an end that is committed; an older one changes nothing.
    pub(super) fn remember(&self, end: (i64, [u8; 32])) {
        let mut state = self.state();
        if end.0 > 0 && state.end.is_none_or(|known| known.0 < end.0) {
            state.end = Some(end);
        }
    }
}

/// The store is not the one that was opened.
pub(super) fn replaced(what: &str) -> Problem {
    Problem::new(Code::StoreReplaced, format!("{what}; nothing more is written to it"))
        .help("put the store back, or start recon again if this is the store to go on with")
}
