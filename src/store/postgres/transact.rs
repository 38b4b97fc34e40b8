//! Transactions of the review on PostgreSQL.
//!
//! Parameters travel as text, whose type the server infers from their context, so that one statement serves uuid,
//! timestamptz and text columns alike; each statement is one round trip.

use std::error::Error as StdError;
use std::time::Duration;

use ::postgres::error::SqlState;
use ::postgres::fallible_iterator::FallibleIterator as _;
use ::postgres::types::{Format, FromSql, IsNull, ToSql, Type};
use ::postgres::{Client, GenericClient, Row};
use bytes::BytesMut;

use super::PostgresStore;
use crate::coding::hex;
use crate::database::patience;
use crate::database::postgres::Plans;
use crate::diagnostic::{Code, Problem};
use crate::store::SqlValue;
use crate::store::transact::{Dialect, SqlRow, Transact, Transaction, Work};

/// Interval at which the end of the audit trail is compared with the last known one: each comparison is a round trip.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

impl Transact for PostgresStore {
    fn read(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        let mut connection = self.connection()?;
        let (client, plans) = connection.parts();
        let open = self.begin(client, "ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        work(&mut PostgresTransaction {
            problem: &|error| self.problem(error),
            client: &mut *open.client,
            plans: Some(plans),
        })?;
        open.commit().map_err(|error| self.problem(&error))
    }

    fn write(&self, work: &mut Work<'_>) -> Result<(), Problem> {
        let mut client = self.connection()?;
        let open = self.begin(&mut client, "")?;
        let mut transaction = PostgresTransaction {
            problem: &|error| self.problem(error),
            client: &mut *open.client,
            plans: None,
        };
        self.trail_end.check_after(COMPARE_EVERY, &mut transaction)?;
        work(&mut transaction)?;
        open.commit().map_err(|error| match error.as_db_error() {
            Some(_) => self.problem(&error),
            None => Problem::new(
                Code::StoreUnconfirmed,
                format!("{} did not confirm the change, which may be stored or not", self.shown),
            )
            .help("look before you repeat it"),
        })
    }
}

impl PostgresStore {
    /// Begins a transaction. Where this thread has a deadline, locks are waited for no longer than
    /// that.
    fn begin<'c>(&self, client: &'c mut Client, how: &str) -> Result<Open<'c>, Problem> {
        let mut begin = format!("START TRANSACTION {how}");
        if patience::is_limited() {
            // 0 would mean without end.
            let left = patience::left(Duration::ZERO).as_millis().max(1);
            begin.push_str(&format!("; SET LOCAL lock_timeout = {left}"));
        }
        client.batch_execute(&begin).map_err(|error| self.problem(&error))?;
        Ok(Open { client, committed: false })
    }
}

/// A transaction, which is rolled back unless it is committed.
struct Open<'c> {
    client: &'c mut Client,
    committed: bool,
}

impl Open<'_> {
    fn commit(mut self) -> Result<(), ::postgres::Error> {
        self.committed = true;
        self.client.batch_execute("COMMIT")
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // A connection on which that fails is no good, which the pool finds out.
            let _ = self.client.batch_execute("ROLLBACK");
        }
    }
}

/// The transaction that is open on a connection.
pub(super) struct PostgresTransaction<'c, C: GenericClient> {
    /// The meaning of a server's error.
    pub problem: &'c dyn Fn(&::postgres::Error) -> Problem,
    pub client: &'c mut C,
    /// Of a connection of the pool.
    pub plans: Option<&'c mut Plans>,
}

impl<C: GenericClient> PostgresTransaction<'_, C> {
    fn problem(&self, error: &::postgres::Error) -> Problem {
        let refused = |state: &SqlState| {
            // Class 23 is integrity, P0001 comes from our triggers.
            state.code().starts_with("23") || *state == SqlState::RAISE_EXCEPTION
        };
        match error.as_db_error() {
            Some(said) if refused(said.code()) => Problem::new(
                Code::StoreConstraint,
                format!("the store refused: {}", said.message()),
            ),
            _ => (self.problem)(error),
        }
    }
}

/// Parameters with the type that lets the server infer theirs.
fn typed(parameters: &[SqlValue]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    parameters.iter().map(|value| (value as &(dyn ToSql + Sync), Type::UNKNOWN)).collect()
}

impl<C: GenericClient> Transaction for PostgresTransaction<'_, C> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<u64, Problem> {
        let rows = self.client.query_typed_raw(sql, typed(parameters)).and_then(|mut rows| {
            while rows.next()?.is_some() {}
            Ok(rows.rows_affected())
        });
        rows.map(Option::unwrap_or_default).map_err(|error| self.problem(&error))
    }

    fn query(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<Vec<SqlRow>, Problem> {
        let rows = self.client.query_typed(sql, &typed(parameters));
        let rows = rows.map_err(|error| self.problem(&error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.problem(&error))).collect()
    }

    fn query_again(&mut self, sql: &str, parameters: &[SqlValue]) -> Result<Vec<SqlRow>, Problem> {
        let Some(plans) = &mut self.plans else { return self.query(sql, parameters) };
        let values: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        let rows = plans
            .get(self.client, sql, parameters.len())
            .and_then(|statement| self.client.query(&statement, &values));
        let rows = rows.map_err(|error| self.problem(&error))?;
        rows.iter().map(|row| read(row).map_err(|error| self.problem(&error))).collect()
    }

    fn query_each(
        &mut self,
        sql: &str,
        parameters: &[SqlValue],
        each: &mut dyn FnMut(SqlRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // The client reads as fast as `each` takes: rows arrive as they are asked for.
        let PostgresTransaction { problem, client, .. } = self;
        let failed = |error: ::postgres::Error| problem(&error);
        let mut rows = client.query_typed_raw(sql, typed(parameters)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(read(&row).map_err(failed)?)?;
        }
        Ok(())
    }
}

fn read(row: &Row) -> Result<SqlRow, ::postgres::Error> {
    (0..row.len())
        .map(|at| Ok(row.try_get::<_, Option<Received>>(at)?.map_or(SqlValue::Null, |cell| cell.0)))
        .collect::<Result<_, _>>()
        .map(SqlRow)
}

/// A value as PostgreSQL sends it.
struct Received(SqlValue);

impl<'a> FromSql<'a> for Received {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *kind {
            Type::BOOL => SqlValue::Boolean(bool::from_sql(kind, raw)?),
            Type::INT2 => SqlValue::Integer(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => SqlValue::Integer(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => SqlValue::Integer(i64::from_sql(kind, raw)?),
            Type::FLOAT4 => SqlValue::Real(f32::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => SqlValue::Real(f64::from_sql(kind, raw)?),
            Type::BYTEA => SqlValue::Blob(raw.to_vec()),
            Type::UUID => SqlValue::Text(uuid::Uuid::from_slice(raw)?.to_string()),
            // One byte of version before the text.
            Type::JSONB => {
                SqlValue::Text(std::str::from_utf8(raw.get(1..).unwrap_or_default())?.to_owned())
            }
            Type::TIMESTAMPTZ => {
                let micros = i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH_2000_MICROS);
                SqlValue::Text(crate::store::stored::time_text(crate::domain::Instant::new(
                    micros.div_euclid(1_000_000),
                    u32::try_from(micros.rem_euclid(1_000_000) * 1_000)?,
                )))
            }
            Type::DATE => {
                let days = i32::from_sql(&Type::INT4, raw)?.saturating_add(EPOCH_2000_DAYS);
                SqlValue::Text(crate::domain::Date::from_days(days).to_string())
            }
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR | Type::UNKNOWN | Type::JSON => {
                SqlValue::Text(std::str::from_utf8(raw)?.to_owned())
            }
            _ => return Err(format!("a value of type {kind} needs a cast in the statement").into()),
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// From 1970 to 2000, from which PostgreSQL counts.
const EPOCH_2000_DAYS: i32 = 10_957;
const EPOCH_2000_MICROS: i64 = 10_957 * 86_400 * 1_000_000;

impl ToSql for SqlValue {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Real(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Boolean(value) => out.extend_from_slice(if *value { b"t" } else { b"f" }),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Json(json) => out.extend_from_slice(json.to_string().as_bytes()),
            Self::Blob(bytes) => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(hex(bytes).as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    ::postgres::types::to_sql_checked!();
}
