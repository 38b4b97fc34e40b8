//! The audit trail: rows that are only ever added, each chained to the one before by its hash.
//!
//! A row is appended within the transaction of the change that it records, so that there is never one without the
//! other. Its hash is taken over the bytes that are stored, in the order of [`COLUMNS`]; a reader without recon can
//! recompute it (docs/audit.md).

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::rows::parameters;
use super::stored::{read_time, time_text};
use super::transact::{Dialect, SqlRow, Transaction};
use crate::coding::hex;
use crate::diagnostic::{Code, Problem};
use crate::domain::Instant;

/// The way in which hashes are taken.
pub const HASH_VERSION: u8 = 1;

/// The first row's value in place of the hash before it.
pub const GENESIS: [u8; 32] = [0; 32];

/// The columns that are hashed, in this order, after the version and the previous hash.
pub const COLUMNS: [&str; 24] = [
    "seq",
    "audit_id",
    "attribution_id",
    "entity_type",
    "entity_id",
    "actor_id",
    "actor_roles",
    "auth_method",
    "stage",
    "action_type",
    "previous_value",
    "new_value",
    "comments",
    "performed_at",
    "request_id",
    "ip",
    "user_agent",
    "proposal_id",
    "proposal_version",
    "proposal_hash",
    "policy_version",
    "model_version",
    "rule_version",
    "control",
];

/// The actor and the origin of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The person, or `SYSTEM`.
    pub actor_id: String,
    /// The roles that the person held at that moment.
    pub actor_roles: Option<String>,
    /// `session`, `token:<id>`, `proxy` or `cli`.
    pub auth_method: Option<String>,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    /// The client, at most 200 characters.
    pub user_agent: Option<String>,
}

impl By {
    /// The machine.
    pub fn system() -> Self {
        Self { actor_id: "SYSTEM".to_owned(), ..Self::default() }
    }
}

/// An action to be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The attribution that it is about, if it is about one.
    pub attribution_id: Option<String>,
    /// `attribution`, `proposal`, `reason_code`, `person`, `token`, `policy`, `run`, …
    pub entity_type: String,
    pub entity_id: String,
    /// `SYSTEM`, `MAKER`, `CHECKER`, `AUTHORIZER` or `ADMIN`.
    pub stage: String,
    pub action_type: String,
    /// Before: a JSON text, kept byte for byte.
    pub previous_value: Option<String>,
    /// After: a JSON text, kept byte for byte.
    pub new_value: Option<String>,
    pub comments: Option<String>,
    pub proposal_id: Option<String>,
    pub proposal_version: Option<i64>,
    /// The hash of its content.
    pub proposal_hash: Option<[u8; 32]>,
    pub policy_version: Option<i64>,
    /// The model that had predicted.
    pub model_version: Option<String>,
    /// The rules that had decided.
    pub rule_version: Option<String>,
    /// `SIX_EYE`, `FOUR_EYE`, `TWO_EYE` or `NONE`.
    pub control: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AuditRow {
    /// Its number, from 1 without gaps.
    pub seq: i64,
    pub audit_id: String,
    /// The attribution that it is about.
    pub attribution_id: Option<String>,
    pub entity_type: String,
    pub entity_id: String,
    pub actor_id: String,
    /// With which roles.
    pub actor_roles: Option<String>,
    /// Authenticated how.
    pub auth_method: Option<String>,
    pub stage: String,
    pub action_type: String,
    /// Before, as stored.
    pub previous_value: Option<Box<RawValue>>,
    /// After, as stored.
    pub new_value: Option<Box<RawValue>>,
    pub comments: Option<String>,
    pub performed_at: String,
    pub request_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub proposal_id: Option<String>,
    pub proposal_version: Option<i64>,
    /// The hash of its content, in hexadecimal.
    pub proposal_hash: Option<String>,
    pub policy_version: Option<i64>,
    pub model_version: Option<String>,
    pub rule_version: Option<String>,
    pub control: Option<String>,
    /// The hash of the row before, in hexadecimal.
    pub prev_hash: String,
    /// The hash, in hexadecimal.
    pub hash: String,
    pub hash_version: u8,
}

/// Rows are equal if their texts are.
impl PartialEq for AuditRow {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
            && self.hash == other.hash
            && self.prev_hash == other.prev_hash
    }
}

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last row; 0 for none.
    pub seq: i64,
    pub hash: [u8; 32],
    /// When it was written.
    pub performed_at: Option<Instant>,
}

/// A moment of the chain, for an auditor to keep outside the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Checkpoint {
    /// The number of rows.
    pub n: i64,
    /// The hash of the last, in hexadecimal.
    pub head_hash: String,
    /// When the checkpoint was taken.
    pub time: String,
    /// The SHA-256 of the checkpoint before, in hexadecimal, if that is kept in the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The signature (Ed25519), in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The signer's public key, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// The result of verifying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verdict {
    /// The chain and everything else that was checked are as they should be.
    pub ok: bool,
    /// How many rows were looked at.
    pub checked: i64,
    /// The first row that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The hash of the last row, in hexadecimal.
    pub head_hash: String,
    /// Rows fewer or other than a checkpoint says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against_checkpoint: Option<String>,
    /// Items whose tables differ from the trail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replay_differs: Vec<String>,
    /// Runs that were pruned: their automatic decisions can't be compared any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned_runs: Option<u64>,
}

/// The hash of a row with these stored texts.
pub fn hash(version: u8, previous: &[u8; 32], fields: &[Option<&[u8]>; 24]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([version]);
    hash.update(previous);
    for field in fields {
        match field {
            // Absent is a length that no text has.
            None => hash.update(u64::MAX.to_be_bytes()),
            Some(bytes) => {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
    }
    hash.finalize().into()
}

impl AuditRow {
    /// The texts that are hashed, in the order of [`COLUMNS`].
    pub fn texts(&self) -> [Option<String>; 24] {
        let number = |value: Option<i64>| value.map(|value| value.to_string());
        let json = |value: &Option<Box<RawValue>>| value.as_ref().map(|raw| raw.get().to_owned());
        [
            Some(self.seq.to_string()),
            Some(self.audit_id.clone()),
            self.attribution_id.clone(),
            Some(self.entity_type.clone()),
            Some(self.entity_id.clone()),
            Some(self.actor_id.clone()),
            self.actor_roles.clone(),
            self.auth_method.clone(),
            Some(self.stage.clone()),
            Some(self.action_type.clone()),
            json(&self.previous_value),
            json(&self.new_value),
            self.comments.clone(),
            Some(self.performed_at.clone()),
            self.request_id.clone(),
            self.ip.clone(),
            self.user_agent.clone(),
            self.proposal_id.clone(),
            number(self.proposal_version),
            self.proposal_hash.clone(),
            number(self.policy_version),
            self.model_version.clone(),
            self.rule_version.clone(),
            self.control.clone(),
        ]
    }
}

/// The end of the chain. Where rows are to be added it is locked until the transaction ends, so
/// take this lock last, to avoid deadlock.
///
/// # Errors
/// Errors of the store.
pub fn head(tx: &mut dyn Transaction, locked: bool) -> Result<Head, Problem> {
    if locked && tx.dialect() == Dialect::Postgres {
        // The head itself can't be locked: the first row has none before it.
        tx.query("SELECT pg_advisory_xact_lock(7264369208471)::text", &[])?;
    }
    let rows = tx.query(
        "SELECT seq, hash, performed_at FROM recon.audit_trail ORDER BY seq DESC LIMIT 1",
        &[],
    )?;
    match rows.first() {
        None => Ok(Head { seq: 0, hash: GENESIS, performed_at: None }),
        Some(row) => Ok(Head {
            seq: row.count(0)?,
            hash: digest(row.blob(1)?.unwrap_or_default())?,
            performed_at: Some(read_time(&row.required(2)?)?),
        }),
    }
}

pub(super) fn digest(bytes: Vec<u8>) -> Result<[u8; 32], Problem> {
    bytes.try_into().map_err(|_| {
        Problem::new(Code::StoreDamaged, "a hash of the audit trail is not 32 bytes long")
    })
}

/// A text without the character U+0000, which PostgreSQL can't hold.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A JSON text without an escape of U+0000 can be parsed by both stores.
fn clean_json(text: &str) -> String {
    text.replace("\\u0000", "\\ufffd")
}

/// Appends rows and gives the new end of the chain. Their moment is `now`, or that of the last row if
/// the clock was set back since.
///
/// # Errors
/// Errors of the store; then the whole transaction must be rolled back.
pub fn append(
    tx: &mut dyn Transaction,
    now: Instant,
    by: &By,
    entries: &[Entry],
) -> Result<Head, Problem> {
    let mut end = head(tx, true)?;
    // Stored in microseconds, so compared in microseconds.
    let now = Instant::new(now.seconds(), now.nanoseconds() / 1_000 * 1_000);
    let at = end.performed_at.map_or(now, |last| last.max(now));
    let performed_at = time_text(at);
    let optional = |text: &Option<String>| text.as_deref().map(clean);
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let seq = end.seq + 1;
        let audit_id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            at.seconds().cast_unsigned(),
            at.nanoseconds(),
        ));
        let texts: [Option<String>; 24] = [
            Some(seq.to_string()),
            Some(audit_id.to_string()),
            entry.attribution_id.clone(),
            Some(clean(&entry.entity_type)),
            Some(clean(&entry.entity_id)),
            Some(clean(&by.actor_id)),
            optional(&by.actor_roles),
            optional(&by.auth_method),
            Some(entry.stage.clone()),
            Some(entry.action_type.clone()),
            entry.previous_value.as_deref().map(clean_json),
            entry.new_value.as_deref().map(clean_json),
            optional(&entry.comments),
            Some(performed_at.clone()),
            optional(&by.request_id),
            optional(&by.ip),
            optional(&by.user_agent),
            entry.proposal_id.clone(),
            entry.proposal_version.map(|version| version.to_string()),
            entry.proposal_hash.map(hex),
            entry.policy_version.map(|version| version.to_string()),
            optional(&entry.model_version),
            optional(&entry.rule_version),
            entry.control.clone(),
        ];
        let fields: [Option<&[u8]>; 24] = std::array::from_fn(|at| {
            texts.get(at).and_then(|text| text.as_deref()).map(str::as_bytes)
        });
        let own = hash(HASH_VERSION, &end.hash, &fields);
        let [
            _,
            audit_id,
            attribution_id,
            entity_type,
            entity_id,
            actor_id,
            actor_roles,
            auth_method,
            stage,
            action_type,
            previous_value,
            new_value,
            comments,
            performed_at,
            request_id,
            ip,
            user_agent,
            proposal_id,
            _,
            _,
            _,
            model_version,
            rule_version,
            control,
        ] = texts;
        rows.push(
            parameters![
                seq,
                audit_id,
                attribution_id,
                entity_type,
                entity_id,
                actor_id,
                actor_roles,
                auth_method,
                stage,
                action_type,
                previous_value,
                new_value,
                comments,
                performed_at,
                request_id,
                ip,
                user_agent,
                proposal_id,
                entry.proposal_version,
                entry.proposal_hash.map(|hash| hash.to_vec()),
                entry.policy_version,
                model_version,
                rule_version,
                control,
                end.hash.to_vec(),
                own.to_vec(),
                HASH_VERSION,
            ]
            .to_vec(),
        );
        end = Head { seq, hash: own, performed_at: Some(at) };
    }
    super::rows::insert(tx, &TABLE, &rows)?;
    Ok(end)
}

/// The table, for [`super::rows::insert`].
const TABLE: super::rows::Table = super::rows::Table {
    name: "audit_trail",
    columns: &[
        ("seq", "bigint"),
        ("audit_id", "uuid"),
        ("attribution_id", "uuid"),
        ("entity_type", "text"),
        ("entity_id", "text"),
        ("actor_id", "text"),
        ("actor_roles", "text"),
        ("auth_method", "text"),
        ("stage", "text"),
        ("action_type", "text"),
        ("previous_value", "json"),
        ("new_value", "json"),
        ("comments", "text"),
        ("performed_at", "timestamptz"),
        ("request_id", "text"),
        ("ip", "text"),
        ("user_agent", "text"),
        ("proposal_id", "text"),
        ("proposal_version", "integer"),
        ("proposal_hash", "bytea"),
        ("policy_version", "integer"),
        ("model_version", "text"),
        ("rule_version", "text"),
        ("control", "text"),
        ("prev_hash", "bytea"),
        ("hash", "bytea"),
        ("hash_version", "integer"),
    ],
};

/// The columns of [`row`].
pub const SELECT: &str = "seq, audit_id, attribution_id, entity_type, entity_id, actor_id, \
     actor_roles, auth_method, stage, action_type, previous_value, new_value, comments, \
     performed_at, request_id, ip, user_agent, proposal_id, proposal_version, proposal_hash, \
     policy_version, model_version, rule_version, control, prev_hash, hash, hash_version";

/// Calls `each` for every row, in the order of their numbers.
///
/// # Errors
/// Errors of the store or of `each`.
pub fn each_row(
    tx: &mut dyn Transaction,
    each: &mut dyn FnMut(&AuditRow) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let sql = format!("SELECT {SELECT} FROM recon.audit_trail ORDER BY seq");
    tx.query_each(&sql, &[], &mut |found| each(&row(&found)?))
}

/// A row of an answer to a query of [`SELECT`].
///
/// # Errors
/// A column of another type.
pub fn row(answer: &SqlRow) -> Result<AuditRow, Problem> {
    let json = |column: usize| -> Result<Option<Box<RawValue>>, Problem> {
        answer
            .text(column)?
            .map(|text| {
                RawValue::from_string(text).map_err(|error| {
                    Problem::new(Code::StoreDamaged, format!("a value of the audit trail: {error}"))
                })
            })
            .transpose()
    };
    let bytes =
        |column: usize| -> Result<Option<String>, Problem> { Ok(answer.blob(column)?.map(hex)) };
    Ok(AuditRow {
        seq: answer.count(0)?,
        audit_id: answer.required(1)?,
        attribution_id: answer.text(2)?,
        entity_type: answer.required(3)?,
        entity_id: answer.required(4)?,
        actor_id: answer.required(5)?,
        actor_roles: answer.text(6)?,
        auth_method: answer.text(7)?,
        stage: answer.required(8)?,
        action_type: answer.required(9)?,
        previous_value: json(10)?,
        new_value: json(11)?,
        comments: answer.text(12)?,
        performed_at: answer.required(13)?,
        request_id: answer.text(14)?,
        ip: answer.text(15)?,
        user_agent: answer.text(16)?,
        proposal_id: answer.text(17)?,
        proposal_version: answer.integer(18)?,
        proposal_hash: bytes(19)?,
        policy_version: answer.integer(20)?,
        model_version: answer.text(21)?,
        rule_version: answer.text(22)?,
        control: answer.text(23)?,
        prev_hash: bytes(24)?.unwrap_or_default(),
        hash: bytes(25)?.unwrap_or_default(),
        hash_version: u8::try_from(answer.count(26)?).unwrap_or_default(),
    })
}
