//! Statements that are executed many times with nearly the same values.

use rusqlite::{CachedStatement, Connection, Error, ToSql};

/// A statement and what its parameters hold. SQLite keeps them from one execution to the next; most columns of a
/// difference have the value of the one before, and looking at it costs less than binding it again.
pub(super) struct Bound<'c> {
    statement: CachedStatement<'c>,
    held: Vec<Held>,
}

#[derive(Clone, Copy, PartialEq)]
enum Held {
    Null,
    Integer(i64),
    /// The bits of a number: 0 and -0 are two.
    Real(u64),
    Text,
}

impl<'c> Bound<'c> {
    /// A prepared statement, without values.
    pub(super) fn prepare(connection: &'c Connection, sql: &str) -> Result<Self, Error> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.clear_bindings();
        // Parameters count from 1.
        let held = vec![Held::Null; statement.parameter_count() + 1];
        Ok(Self { statement, held })
    }

    /// How many parameters it has.
    pub(super) fn parameters(&self) -> usize {
        self.statement.parameter_count()
    }

    /// Binds a value unless it is there already.
    #[inline]
    fn bind(&mut self, at: usize, held: Held, value: impl ToSql) -> Result<(), Error> {
        match self.held.get_mut(at) {
            Some(known) if *known == held && held != Held::Text => return Ok(()),
            Some(known) => *known = held,
            // SQLite says that there is no such parameter.
            None => {}
        }
        self.statement.raw_bind_parameter(at, value)
    }

    pub(super) fn integer(&mut self, at: usize, value: Option<i64>) -> Result<(), Error> {
        self.bind(at, value.map_or(Held::Null, Held::Integer), value)
    }

    pub(super) fn real(&mut self, at: usize, value: Option<f64>) -> Result<(), Error> {
        self.bind(at, value.map_or(Held::Null, |value| Held::Real(value.to_bits())), value)
    }

    pub(super) fn text(&mut self, at: usize, value: Option<&str>) -> Result<(), Error> {
        self.bind(at, value.map_or(Held::Null, |_| Held::Text), value)
    }

    pub(super) fn execute(&mut self) -> Result<(), Error> {
        self.statement.raw_execute().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_own_values() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (i, r, s)").unwrap();
        let rows = [
            (Some(1), Some(0.5), Some("a")),
            (Some(1), Some(0.5), Some("b")),
            (None, Some(0.5), None),
            (None, None, None),
            (Some(0), Some(0.0), Some("")),
            (Some(0), Some(-0.0), Some("")),
            (Some(1), Some(0.5), Some("a")),
        ];
        // A statement that is taken out of the cache again begins without values.
        for some in rows.chunks(4) {
            let mut insert = Bound::prepare(&connection, "INSERT INTO t VALUES (?, ?, ?)").unwrap();
            assert_eq!(insert.parameters(), 3);
            for (integer, real, text) in some {
                insert.integer(1, *integer).unwrap();
                insert.real(2, *real).unwrap();
                insert.text(3, *text).unwrap();
                insert.execute().unwrap();
            }
        }
        let mut read = connection.prepare("SELECT i, r, s FROM t ORDER BY rowid").unwrap();
        let read = read.query_map([], |row| {
            let real: Option<f64> = row.get(1)?;
            Ok((row.get(0)?, real.map(f64::to_bits), row.get(2)?))
        });
        let read: Vec<_> = read.unwrap().map(Result::unwrap).collect();
        let owned = rows.map(|(i, r, s)| (i, r.map(f64::to_bits), s.map(str::to_owned)));
        assert_eq!(read, owned);
    }

    #[test]
    fn a_parameter_that_is_not_there_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        let mut select = Bound::prepare(&connection, "SELECT ?").unwrap();
        select.integer(2, Some(1)).unwrap_err();
    }
}
