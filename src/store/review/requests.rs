//! Data of commands besides decisions: answers to repeat, previews of bulk decisions, policies, and the security log.

use sha2::{Digest, Sha256};

use crate::diagnostic::{Code, Problem};
use crate::domain::review::{Action, Policy};
use crate::store::layout::ItemKey;
use crate::store::rows::parameters;
use crate::store::transact::{Dialect, Transaction};

use super::ReviewTables;

/// The answer to a request, for when the request comes again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptAnswer<'a> {
    pub person_id: &'a str,
    pub route: &'a str,
    pub key: &'a str,
    pub body_hash: &'a str,
}

impl KeptAnswer<'_> {
    /// The hash of the request's body and the answer, if it was answered. Requests with the same key wait
    /// for each other until their transactions end.
    pub fn find(&self, tx: &mut dyn Transaction) -> Result<Option<(String, String)>, Problem> {
        if tx.dialect() == Dialect::Postgres {
            // On SQLite every writer waits.
            let name = format!("{}\n{}\n{}", self.person_id, self.route, self.key);
            tx.query(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))::text",
                &parameters![name],
            )?;
        }
        tx.find(
            "SELECT body_hash, response FROM recon.idempotency \
             WHERE actor_id = $1 AND route = $2 AND key = $3",
            &parameters![self.person_id, self.route, self.key],
            |row| Ok((row.required(0)?, row.required(1)?)),
        )
    }

    /// Stores an answer, and deletes those from before `oldest`.
    pub fn store(
        &self,
        tx: &mut dyn Transaction,
        answer: &str,
        now: &str,
        oldest: &str,
    ) -> Result<(), Problem> {
        tx.execute("DELETE FROM recon.idempotency WHERE at < $1", &parameters![oldest])?;
        tx.execute(
            "INSERT INTO recon.idempotency (actor_id, route, key, body_hash, response, at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &parameters![self.person_id, self.route, self.key, self.body_hash, answer, now],
        )
        .map(drop)
    }
}

/// The policy in force and its version: the built-in one, as version 0, until one has been adopted.
pub(crate) fn policy_in_force(tx: &mut dyn Transaction) -> Result<(i64, Policy), Problem> {
    let sql = "SELECT policy_version, policy FROM recon.policies \
               ORDER BY policy_version DESC LIMIT 1";
    let found = tx.find(sql, &[], |row| Ok((row.count(0)?, row.required(1)?)))?;
    let Some((version, policy)) = found else { return Ok((0, Policy::default())) };
    let policy = serde_json::from_str(&policy).map_err(|error| {
        Problem::new(Code::StoreDamaged, format!("the policy in force can't be read: {error}"))
    })?;
    Ok((version, policy))
}

/// An attempt that was refused, for the security log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused<'a> {
    pub person_id: &'a str,
    pub code: &'a str,
    pub entity: Option<&'a str>,
    pub what: &'a str,
    pub auth_method: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
}

impl Refused<'_> {
    /// Adds it to the log.
    pub fn log(&self, tx: &mut dyn Transaction, at: &str) -> Result<(), Problem> {
        tx.execute(
            "INSERT INTO recon.security_log (at, person_id, code, entity, what, auth_method, \
             request_id, ip, user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            &parameters![
                at,
                self.person_id,
                self.code,
                self.entity,
                self.what,
                self.auth_method,
                self.request_id,
                self.ip,
                self.user_agent,
            ],
        )
        .map(drop)
    }

    /// How many entries of this person the log has since then.
    pub fn count_of_person(
        tx: &mut dyn Transaction,
        person_id: &str,
        since: &str,
    ) -> Result<i64, Problem> {
        let sql = "SELECT count(*) FROM recon.security_log WHERE person_id = $1 AND at > $2";
        tx.count(sql, &parameters![person_id, since])
    }

    /// How many entries of this code the log has since then.
    pub fn count_of_code(
        tx: &mut dyn Transaction,
        code: &str,
        since: &str,
    ) -> Result<i64, Problem> {
        let sql = "SELECT count(*) FROM recon.security_log WHERE at > $1 AND code = $2";
        tx.count(sql, &parameters![since, code])
    }
}

/// The items of a bulk preview, with their versions.
#[derive(Clone, Debug)]
pub(crate) struct BulkPreviewRow {
    pub person_id: String,
    pub action: Action,
    pub reason_code: Option<String>,
    pub items: Vec<(ItemKey, i64)>,
    pub expires_at: String,
}

impl ReviewTables<'_> {
    /// Stores a preview, and deletes those that have expired.
    pub fn add_preview(
        &mut self,
        token: &str,
        preview: &BulkPreviewRow,
        now: &str,
    ) -> Result<(), Problem> {
        let items: Vec<String> = preview
            .items
            .iter()
            .map(|(key, version)| format!("[{},{},{version}]", key.run_no, key.number))
            .collect();
        let items = format!("[{}]", items.join(","));
        self.tx
            .execute("DELETE FROM recon.bulk_previews WHERE expires_at < $1", &parameters![now])?;
        self.tx
            .execute(
                "INSERT INTO recon.bulk_previews (token, person_id, action, reason_code, items, \
                 hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                &parameters![
                    token,
                    &preview.person_id,
                    preview.action.name(),
                    preview.reason_code.as_deref(),
                    &items,
                    Sha256::digest(items.as_bytes()).to_vec(),
                    now,
                    &preview.expires_at,
                ],
            )
            .map(drop)
    }

    pub fn preview(&mut self, token: &str) -> Result<Option<BulkPreviewRow>, Problem> {
        let damaged = |what: &str| Problem::new(Code::StoreDamaged, format!("a preview {what}"));
        self.tx.find(
            "SELECT person_id, action, reason_code, items, hash, expires_at \
             FROM recon.bulk_previews WHERE token = $1",
            &parameters![token],
            |row| {
                let items = row.required(3)?;
                if row.blob(4)?.as_deref() != Some(Sha256::digest(items.as_bytes()).as_slice()) {
                    return Err(damaged("was changed by another program"));
                }
                let items: Vec<(i64, i64, i64)> = serde_json::from_str(&items)
                    .map_err(|error| damaged(&format!("can't be read: {error}")))?;
                Ok(BulkPreviewRow {
                    person_id: row.required(0)?,
                    action: Action::from_name(&row.required(1)?)
                        .ok_or_else(|| damaged("has an unknown action"))?,
                    reason_code: row.text(2)?,
                    items: items
                        .into_iter()
                        .map(|(run_no, number, version)| (ItemKey { run_no, number }, version))
                        .collect(),
                    expires_at: row.required(5)?,
                })
            },
        )
    }

    pub fn delete_preview(&mut self, token: &str) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.bulk_previews WHERE token = $1";
        self.tx.execute(sql, &parameters![token]).map(drop)
    }

    /// Puts a policy in force.
    pub fn add_policy(
        &mut self,
        version: i64,
        policy: &str,
        at: &str,
        proposal_id: Option<&str>,
    ) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.policies (policy_version, policy, adopted_at, proposal_id) \
                   VALUES ($1, $2, $3, $4)";
        self.tx.execute(sql, &parameters![version, policy, at, proposal_id]).map(drop)
    }
}
