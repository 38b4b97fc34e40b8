//! The audit trail verified: the chain itself, and against a checkpoint.

use super::audit::{Checkpoint, GENESIS, Verdict, hash, head};
use super::replay;
use super::rows::parameters;
use super::time_text;
use super::transact::{SqlRow, Transaction};
use crate::coding::hex;
use crate::diagnostic::Problem;
use crate::domain::Instant;

/// The end of the chain, for an auditor to keep outside the store.
///
/// # Errors
/// Errors of the store.
pub fn checkpoint(tx: &mut dyn Transaction, now: Instant) -> Result<Checkpoint, Problem> {
    let end = head(tx, false)?;
    Ok(Checkpoint {
        n: end.seq,
        head_hash: hex(end.hash),
        time: time_text(now),
        ..Checkpoint::default()
    })
}

/// A row as bytes, so that even a damaged one can be examined.
pub(super) struct Link {
    pub seq: i64,
    pub fields: [Option<Vec<u8>>; 24],
    pub previous: Option<Vec<u8>>,
    pub hash: Option<Vec<u8>>,
    pub version: u8,
}

fn link(answer: &SqlRow) -> Link {
    use super::SqlValue as V;
    let bytes = |at: usize| -> Option<Vec<u8>> {
        Some(match answer.0.get(at)? {
            V::Null => return None,
            V::Integer(value) => value.to_string().into_bytes(),
            V::Real(value) => value.to_string().into_bytes(),
            V::Boolean(value) => value.to_string().into_bytes(),
            V::Text(text) => text.clone().into_bytes(),
            V::Json(json) => json.to_string().into_bytes(),
            V::Blob(bytes) => hex(bytes).into_bytes(),
        })
    };
    let blob = |at: usize| answer.blob(at).ok().flatten();
    Link {
        seq: answer.count(0).unwrap_or_default(),
        fields: std::array::from_fn(bytes),
        previous: blob(24),
        hash: blob(25),
        version: answer
            .count(26)
            .ok()
            .and_then(|version| u8::try_from(version).ok())
            .unwrap_or_default(),
    }
}

/// The chain, link by link: numbers without gaps, each hash that of its row and of the hash before,
/// times that never go back. It remembers the first link that is wrong.
pub(super) struct Links {
    expected: i64,
    previous: Vec<u8>,
    last_time: Option<Vec<u8>>,
    /// The hash that the wrong row should have: the row after it tells which of both was changed.
    recomputed: Option<[u8; 32]>,
    verdict: Verdict,
}

impl Links {
    /// The chain from the row `from` on, after a row with the hash `previous`.
    pub fn new(from: i64, previous: Vec<u8>) -> Self {
        Self {
            expected: from,
            previous,
            last_time: None,
            recomputed: None,
            verdict: Verdict { ok: true, ..Verdict::default() },
        }
    }

    /// The next link.
    pub fn take(&mut self, row: Link) {
        if !self.verdict.ok {
            if let Some(recomputed) = self.recomputed.take()
                && row.previous.as_deref() == Some(recomputed.as_slice())
            {
                self.verdict.what = Some("its hash was changed, its content was not".to_owned());
            }
            return;
        }
        let time = row.fields.get(13).cloned().flatten();
        let fields: [Option<&[u8]>; 24] =
            std::array::from_fn(|at| row.fields.get(at).and_then(|field| field.as_deref()));
        let before: [u8; 32] = self.previous.as_slice().try_into().unwrap_or(GENESIS);
        let own = hash(row.version, &before, &fields);
        let wrong = if row.seq > self.expected {
            "the row is missing"
        } else if row.seq < self.expected {
            "another row comes where it should be"
        } else if row.previous.as_deref() != Some(self.previous.as_slice()) {
            "it does not follow the row before"
        } else if row.hash.as_deref() != Some(own.as_slice()) {
            self.recomputed = Some(own);
            "its content was changed: its hash is that of another content"
        } else if row.version != super::audit::HASH_VERSION {
            "its hash is of an unknown version"
        } else if self.last_time > time {
            "its time is before that of the row before"
        } else {
            self.verdict.checked += 1;
            self.expected += 1;
            self.previous = row.hash.unwrap_or_default();
            self.last_time = time;
            return;
        };
        self.bad(self.expected, wrong);
    }

    /// The row `seq` is wrong, unless one before it is.
    pub fn bad(&mut self, seq: i64, what: &str) {
        if self.verdict.ok {
            self.verdict.ok = false;
            self.verdict.first_bad = Some(seq);
            self.verdict.what = Some(what.to_owned());
        }
    }

    /// The number that the next row should have.
    pub const fn expected(&self) -> i64 {
        self.expected
    }

    pub const fn is_whole(&self) -> bool {
        self.verdict.ok
    }

    /// The hash of the last row, in hexadecimal.
    pub fn head_hash(&self) -> String {
        hex(&self.previous)
    }

    pub fn end(mut self) -> Verdict {
        self.verdict.head_hash = self.head_hash();
        self.verdict
    }
}

/// Checks the chain from row `from` to row `to`: numbers without gaps, each hash that of its row and of
/// the hash before, times that never go back.
///
/// # Errors
/// Errors of the store. A broken chain is a [`Verdict`], not an error.
pub fn verify(
    tx: &mut dyn Transaction,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Verdict, Problem> {
    let from = from.unwrap_or(1).max(1);
    let mut previous = GENESIS.to_vec();
    if from > 1 {
        let rows =
            tx.query("SELECT hash FROM recon.audit_trail WHERE seq = $1", &parameters![from - 1])?;
        previous = match rows.first() {
            Some(row) => row.blob(0).ok().flatten().unwrap_or_default(),
            None => Vec::new(),
        };
    }
    let mut links = Links::new(from, previous);
    let sql = format!(
        "SELECT {} FROM recon.audit_trail WHERE seq >= $1 AND seq <= $2 ORDER BY seq",
        super::audit::SELECT
    );
    // Rows before the first one belong to no whole chain.
    if from == 1 {
        let rows = tx.query("SELECT min(seq) FROM recon.audit_trail", &[])?;
        if let Some(first) = rows.first().and_then(|row| row.integer(0).ok().flatten())
            && first < 1
        {
            links.bad(first, "there is a row before the first");
        }
    }
    tx.query_each(&sql, &parameters![from, to.unwrap_or(i64::MAX)], &mut |answer| {
        links.take(link(&answer));
        Ok(())
    })?;
    Ok(links.end())
}

/// Checks of the trail besides the chain itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Examination<'a> {
    /// Moments that were kept outside.
    pub checkpoints: &'a [Checkpoint],
    /// The tables are compared with the trail.
    pub replay: bool,
}

/// Examines the whole trail. A broken chain is not replayed.
///
/// # Errors
/// Errors of the store.
pub fn examine(tx: &mut dyn Transaction, ask: Examination<'_>) -> Result<Verdict, Problem> {
    let mut verdict = verify(tx, None, None)?;
    for checkpoint in ask.checkpoints {
        verdict.against_checkpoint = against(tx, checkpoint)?;
        if verdict.against_checkpoint.is_some() {
            break;
        }
    }
    if ask.replay && verdict.ok {
        let replay = replay::replay(tx)?;
        verdict.replay_differs = replay.differs;
        verdict.pruned_runs = Some(replay.pruned);
    }
    verdict.ok &= verdict.against_checkpoint.is_none() && verdict.replay_differs.is_empty();
    Ok(verdict)
}

/// The trail has fewer rows than a checkpoint knows.
pub(super) fn cut_off(checkpoint: &Checkpoint, rows: i64) -> String {
    format!(
        "the checkpoint of {} knows {} rows, the trail has {rows}: its end was cut off",
        checkpoint.time, checkpoint.n
    )
}

/// A row is another than a checkpoint knows.
pub(super) fn forked(checkpoint: &Checkpoint) -> String {
    format!(
        "row {} is not the one that the checkpoint of {} knows: the trail was forked",
        checkpoint.n, checkpoint.time
    )
}

/// The first deviation of the chain from a checkpoint, if any.
///
/// # Errors
/// Errors of the store.
pub fn against(
    tx: &mut dyn Transaction,
    checkpoint: &Checkpoint,
) -> Result<Option<String>, Problem> {
    if checkpoint.n == 0 {
        return Ok(None);
    }
    let rows =
        tx.query("SELECT hash FROM recon.audit_trail WHERE seq = $1", &parameters![checkpoint.n])?;
    let Some(row) = rows.first() else {
        let end = head(tx, false)?;
        return Ok(Some(cut_off(checkpoint, end.seq)));
    };
    let found = hex(row.blob(0)?.unwrap_or_default());
    Ok((found != checkpoint.head_hash).then(|| forked(checkpoint)))
}

/// Items and runs whose tables disagree with the trail, at most fifty.
///
/// # Errors
/// Errors of the store.
pub fn replay(tx: &mut dyn Transaction) -> Result<Vec<String>, Problem> {
    Ok(replay::replay(tx)?.differs)
}
