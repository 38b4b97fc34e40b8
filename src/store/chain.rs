//! The audit trail verified: the chain itself, against a checkpoint, and the tables against what it tells.

use std::collections::HashMap;

use super::audit::{Checkpoint, GENESIS, Verdict, hash, head, hexadecimal};
use super::rows::parameters;
use super::time_text;
use super::transact::{Answer, Dialect, Transaction};
use crate::diagnostic::Problem;
use crate::domain::Instant;

/// The end of the chain, for an auditor to keep outside the store.
///
/// # Errors
/// What the store says.
pub fn checkpoint(tx: &mut dyn Transaction, now: Instant) -> Result<Checkpoint, Problem> {
    let end = head(tx, false)?;
    Ok(Checkpoint {
        n: end.seq,
        head_hash: hexadecimal(&end.hash),
        time: time_text(now),
        ..Checkpoint::default()
    })
}

/// A row as bytes, so that whatever became of it can be looked at.
pub(super) struct Link {
    pub seq: i64,
    pub fields: [Option<Vec<u8>>; 24],
    pub previous: Option<Vec<u8>>,
    pub hash: Option<Vec<u8>>,
    pub version: u8,
}

fn link(answer: &Answer) -> Link {
    use super::SqlValue as V;
    let bytes = |at: usize| -> Option<Vec<u8>> {
        Some(match answer.0.get(at)? {
            V::Null => return None,
            V::Integer(value) => value.to_string().into_bytes(),
            V::Real(value) => value.to_string().into_bytes(),
            V::Boolean(value) => value.to_string().into_bytes(),
            V::Text(text) => text.clone().into_bytes(),
            V::Json(json) => json.to_string().into_bytes(),
            V::Blob(bytes) => hexadecimal(bytes).into_bytes(),
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

    /// Whether nothing was wrong so far.
    pub const fn is_whole(&self) -> bool {
        self.verdict.ok
    }

    /// The hash of the last row, in hexadecimal.
    pub fn head_hash(&self) -> String {
        hexadecimal(&self.previous)
    }

    /// What was found.
    pub fn end(mut self) -> Verdict {
        self.verdict.head_hash = self.head_hash();
        self.verdict
    }
}

/// Checks the chain from row `from` to row `to`: numbers without gaps, each hash that of its row and of
/// the hash before, times that never go back.
///
/// # Errors
/// What the store says; a broken chain is no error but a [`Verdict`].
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
    // Rows before the first one are none of a whole chain.
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

/// What an examination of the trail looks at besides the chain itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Examination<'a> {
    /// Moments that were kept outside.
    pub checkpoints: &'a [Checkpoint],
    /// Whether the tables are compared with what the trail tells.
    pub replay: bool,
}

/// Examines the whole trail. What a broken chain tells is not replayed.
///
/// # Errors
/// What the store says.
pub fn examine(tx: &mut dyn Transaction, ask: Examination<'_>) -> Result<Verdict, Problem> {
    let mut verdict = verify(tx, None, None)?;
    for checkpoint in ask.checkpoints {
        verdict.against_checkpoint = against(tx, checkpoint)?;
        if verdict.against_checkpoint.is_some() {
            break;
        }
    }
    if ask.replay && verdict.ok {
        verdict.replay_differs = replay(tx)?;
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

/// What of the chain is fewer or other than a checkpoint says, if something is.
///
/// # Errors
/// What the store says.
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
    let found = hexadecimal(&row.blob(0)?.unwrap_or_default());
    Ok((found != checkpoint.head_hash).then(|| forked(checkpoint)))
}

/// The most differences that are named.
const NAMED: usize = 50;

/// Items whose tables differ from what the trail tells: what people decided is read from the trail, item
/// by item, and compared; items that look decided by people but are not in the trail are named too.
///
/// # Errors
/// What the store says.
pub fn replay(tx: &mut dyn Transaction) -> Result<Vec<String>, Problem> {
    let mut told: HashMap<String, String> = HashMap::new();
    tx.query_each(
        "SELECT attribution_id, new_value FROM recon.audit_trail \
         WHERE attribution_id IS NOT NULL AND new_value IS NOT NULL ORDER BY seq",
        &[],
        &mut |row| {
            let value: serde_json::Value =
                serde_json::from_str(&row.required(1)?).unwrap_or_default();
            if value.get("status").is_some() {
                told.insert(row.required(0)?, state_of(&value));
            }
            Ok(())
        },
    )?;
    let mut wrong = Vec::new();
    // Only items that people touched, or seem to have touched, are read one by one.
    let key = match tx.dialect() {
        Dialect::Sqlite => {
            "r.attribution_prefix || printf('%012x', d.id & 1099511627775) \
             FROM recon.difference_rows d \
             JOIN recon.recon_runs r ON r.run_no = d.id >> 40"
        }
        Dialect::Postgres => {
            "r.attribution_prefix || lpad(to_hex(d.number), 12, '0') \
             FROM recon.difference_rows d JOIN recon.recon_runs r ON r.run_no = d.run_no"
        }
    };
    let (id, from) = key.split_once(" FROM ").unwrap_or_default();
    let sql = format!(
        "SELECT {id}, d.status, c.code, d.confidence, d.is_locked, d.version, w.name \
         FROM {from} LEFT JOIN recon.reason_codes c ON c.reason_id = d.reason_id \
         LEFT JOIN recon.assigners w ON w.assigner_id = d.assigner_id \
         WHERE r.stage = 'ATTRIBUTED' AND d.status IS NOT NULL"
    );
    tx.query_each(&sql, &[], &mut |row| {
        let id = row.required(0)?;
        let status = u8::try_from(row.count(1)?).ok().and_then(crate::domain::Status::from_code);
        let status = status.map_or("", crate::domain::Status::name);
        let locked = row.boolean(4)?;
        let by = row.text(6)?;
        let person = by.as_deref().is_some_and(|by| {
            matches!(crate::domain::AssignedBy::parse(by), crate::domain::AssignedBy::Person(_))
        });
        let now = serde_json::json!({
            "status": status,
            "reason_code": row.text(2)?,
            "confidence": row.real(3)?,
            "is_locked": locked,
            "version": row.count(5)?,
            "assigned_by": by,
        });
        match told.remove(&id) {
            // The machine may have decided anew what people gave back: then it is the machine's.
            Some(state) if state != state_of(&now) => {
                let open = !locked && status != "PENDING" && status != "REJECTED" && !person;
                let given_back = state.starts_with("UNKNOWN|") || state.starts_with("ACCEPTED|");
                if !(open && given_back && is_unlocked(&state)) {
                    wrong.push(format!(
                        "{id}: the trail tells {state}, the table {}",
                        state_of(&now)
                    ));
                }
            }
            Some(_) => {}
            None if locked || person || status == "PENDING" || status == "REJECTED" => {
                wrong.push(format!("{id}: the table says {}, the trail nothing", state_of(&now)));
            }
            None => {}
        }
        Ok(())
    })?;
    // What is left was pruned with its run, unless the run is still there.
    let runs = tx
        .query("SELECT attribution_prefix FROM recon.recon_runs WHERE stage = 'ATTRIBUTED'", &[])?;
    let mut prefixes = std::collections::HashSet::new();
    for row in runs {
        prefixes.insert(row.required(0)?);
    }
    for (id, state) in told {
        if id.get(..24).is_some_and(|prefix| prefixes.contains(prefix)) {
            wrong.push(format!("{id}: the trail tells {state}, the table has no such item"));
        }
    }
    wrong.sort_unstable();
    wrong.truncate(NAMED);
    Ok(wrong)
}

fn is_unlocked(state: &str) -> bool {
    state.split('|').nth(3) == Some("false")
}

fn state_of(value: &serde_json::Value) -> String {
    let part = |name: &str| match value.get(name) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) if name == "confidence" => {
            number.as_f64().unwrap_or_default().to_string()
        }
        Some(other) => other.to_string(),
    };
    ["status", "reason_code", "confidence", "is_locked", "version", "assigned_by"]
        .map(part)
        .join("|")
}
