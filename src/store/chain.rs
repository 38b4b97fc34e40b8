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
        previous: None,
    })
}

/// A row as bytes, so that whatever became of it can be looked at.
struct Raw {
    seq: i64,
    fields: [Option<Vec<u8>>; 24],
    previous: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    version: u8,
}

fn raw(answer: &Answer) -> Raw {
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
    Raw {
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
    let mut expected = from;
    let mut previous = GENESIS.to_vec();
    if from > 1 {
        let rows =
            tx.query("SELECT hash FROM recon.audit_trail WHERE seq = $1", &parameters![from - 1])?;
        previous = match rows.first() {
            Some(row) => row.blob(0).ok().flatten().unwrap_or_default(),
            None => Vec::new(),
        };
    }
    let mut verdict = Verdict { ok: true, ..Verdict::default() };
    let mut last_time: Option<Vec<u8>> = None;
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
            verdict.ok = false;
            verdict.first_bad = Some(first);
            verdict.what = Some("there is a row before the first".to_owned());
        }
    }
    tx.query_each(&sql, &parameters![from, to.unwrap_or(i64::MAX)], &mut |answer| {
        if !verdict.ok {
            return Ok(());
        }
        let row = raw(&answer);
        let bad = |what: &str| Some(what.to_owned());
        let time = row.fields.get(13).cloned().flatten();
        let wrong = if row.seq != expected {
            verdict.first_bad = Some(expected);
            bad("the row is missing")
        } else if row.previous.as_deref() != Some(previous.as_slice()) {
            bad("it does not follow the row before")
        } else {
            let fields: [Option<&[u8]>; 24] =
                std::array::from_fn(|at| row.fields.get(at).and_then(|field| field.as_deref()));
            let before: [u8; 32] = previous.as_slice().try_into().unwrap_or(GENESIS);
            if row.hash.as_deref() != Some(hash(row.version, &before, &fields).as_slice()) {
                bad("its hash is not that of its content")
            } else if row.version != super::audit::HASH_VERSION {
                bad("its hash is of an unknown version")
            } else if last_time > time {
                bad("its time is before that of the row before")
            } else {
                None
            }
        };
        if let Some(what) = wrong {
            verdict.ok = false;
            verdict.first_bad = verdict.first_bad.or(Some(expected));
            verdict.what = Some(what);
            return Ok(());
        }
        verdict.checked += 1;
        expected += 1;
        previous = row.hash.unwrap_or_default();
        last_time = time;
        Ok(())
    })?;
    verdict.head_hash = hexadecimal(&previous);
    Ok(verdict)
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
        return Ok(Some(format!(
            "the checkpoint of {} knows {} rows, the trail has {}: its end was cut off",
            checkpoint.time, checkpoint.n, end.seq
        )));
    };
    let found = hexadecimal(&row.blob(0)?.unwrap_or_default());
    Ok((found != checkpoint.head_hash).then(|| {
        format!(
            "row {} is not the one that the checkpoint of {} knows: the trail was forked",
            checkpoint.n, checkpoint.time
        )
    }))
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
