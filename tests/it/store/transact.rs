//! The transactions for human decisions.

use recon::diagnostic::{Code, Problem};
use recon::store::SqlValue;
use recon::store::transact::{self, Dialect, Transaction};

use super::{Place, on_both_stores};

on_both_stores! {
    values_come_back_as_they_went,
    a_failed_transaction_leaves_nothing,
    readers_see_one_moment_and_cannot_write,
    one_writer_after_the_other,
}

/// A table of every type that the review's tables use.
fn make_table(place: &Place, dialect: Dialect) {
    place.execute(match dialect {
        Dialect::Sqlite => {
            "CREATE TABLE tried (id INTEGER PRIMARY KEY, name TEXT, ok INTEGER, score REAL, \
             raw BLOB, at TEXT, uuid TEXT, doc TEXT)"
        }
        Dialect::Postgres => {
            "CREATE TABLE recon.tried (id bigint PRIMARY KEY, name text, ok boolean, \
             score double precision, raw bytea, at timestamptz, uuid uuid, doc jsonb)"
        }
    });
}

fn dialect(store: &dyn recon::store::Store) -> Dialect {
    transact::read(store, |transaction| Ok(transaction.dialect())).unwrap()
}

fn insert(transaction: &mut dyn Transaction, id: i64) -> Result<u64, Problem> {
    transaction.execute("INSERT INTO recon.tried (id) VALUES ($1)", &[id.into()])
}

fn count(store: &dyn recon::store::Store) -> i64 {
    let rows = |transaction: &mut dyn Transaction| {
        transaction.query("SELECT count(*) FROM recon.tried", &[])?[0].count(0)
    };
    transact::read(store, rows).unwrap()
}

fn values_come_back_as_they_went(place: &Place) {
    let store = place.open();
    make_table(place, dialect(&*store));
    let name = "quote ' backslash \\ dollar $1 ü\u{1F600}";
    let uuid = "0197a5d0-0000-7000-8000-00000000002a";
    let written: [SqlValue; 8] = [
        7i64.into(),
        name.into(),
        true.into(),
        0.1f64.into(),
        vec![0u8, 255, 92].into(),
        "2026-01-15T10:00:00.000250Z".into(),
        uuid.into(),
        r#"{"a": "é"}"#.into(),
    ];
    let answer = transact::write(&*store, |transaction| {
        transaction.execute(
            "INSERT INTO recon.tried (id, name, ok, score, raw, at, uuid, doc) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &written,
        )?;
        transaction.query(
            "SELECT id, name, ok, score, raw, at, uuid, doc ->> 'a' FROM recon.tried \
             WHERE name = $1 AND id = $2 AND name = $1",
            &[written[1].clone(), written[0].clone()],
        )
    });
    let answers: Result<_, Problem> = answer;
    let answers = answers.unwrap();
    let row = &answers[0];
    assert_eq!(row.count(0).unwrap(), 7);
    assert_eq!(row.required(1).unwrap(), name);
    assert!(row.boolean(2).unwrap());
    assert_eq!(row.real(3).unwrap(), Some(0.1));
    assert_eq!(row.blob(4).unwrap(), Some(vec![0, 255, 92]));
    assert_eq!(row.required(5).unwrap(), "2026-01-15T10:00:00.000250Z");
    assert_eq!(row.required(6).unwrap(), uuid);
    assert_eq!(row.required(7).unwrap(), "é");
    assert!(row.count(1).is_err(), "a text is no number");
}

fn a_failed_transaction_leaves_nothing(place: &Place) {
    let store = place.open();
    make_table(place, dialect(&*store));
    let refused = transact::write(&*store, |transaction| {
        insert(transaction, 1)?;
        insert(transaction, 1)
    });
    assert_eq!(refused.unwrap_err().code, Code::StoreConstraint);
    assert_eq!(count(&*store), 0);
    // An error of the work itself is returned unchanged.
    #[derive(Debug, PartialEq)]
    struct Refusal(&'static str);
    impl From<Problem> for Refusal {
        fn from(_: Problem) -> Self {
            Self("the store")
        }
    }
    let refused: Result<(), Refusal> = transact::write(&*store, |transaction| {
        insert(transaction, 1)?;
        Err(Refusal("not yours"))
    });
    assert_eq!(refused, Err(Refusal("not yours")));
    assert_eq!(count(&*store), 0);
}

fn readers_see_one_moment_and_cannot_write(place: &Place) {
    let store = place.open();
    make_table(place, dialect(&*store));
    transact::read(&*store, |reading| {
        let before = reading.query("SELECT count(*) FROM recon.tried", &[])?;
        let done: Result<_, Problem> = transact::write(&*store, |writing| insert(writing, 1));
        assert_eq!(done?, 1);
        assert_eq!(reading.query("SELECT count(*) FROM recon.tried", &[])?, before);
        Ok(())
    })
    .unwrap();
    assert_eq!(count(&*store), 1);
    assert!(transact::read(&*store, |reading| insert(reading, 2)).is_err());
    assert_eq!(count(&*store), 1);
}

fn one_writer_after_the_other(place: &Place) {
    let store = place.open();
    make_table(place, dialect(&*store));
    let done: Result<_, Problem> = transact::write(&*store, |writing| insert(writing, 0));
    done.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let done: Result<_, Problem> = transact::write(&*store, |writing| {
                        let lock = writing.dialect().for_update();
                        let sql = format!("SELECT score FROM recon.tried WHERE id = 0{lock}");
                        let score = writing.query(&sql, &[])?[0].real(0)?.unwrap_or_default();
                        let sql = "UPDATE recon.tried SET score = $1 WHERE id = 0";
                        writing.execute(sql, &[(score + 1.0).into()])
                    });
                    assert_eq!(done.unwrap(), 1);
                }
            });
        }
    });
    let score = transact::read(&*store, |reading| {
        reading.query("SELECT score FROM recon.tried WHERE id = 0", &[])?[0].real(0)
    });
    assert_eq!(score.unwrap(), Some(200.0), "no update was lost");
}
