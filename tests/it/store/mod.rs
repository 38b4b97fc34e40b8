//! One story for both stores, with the same functions.

mod answers;
mod breaks;
pub(crate) mod fixture;
mod lock;
mod postgres;
mod registry;
mod sqlite;
mod story;
mod transact;

use std::path::Path;

use recon::database::StoreUrl;
use recon::store::{Opening, Store, open};

/// A place for a store of one test.
pub struct Place {
    pub url: StoreUrl,
    /// Removed with the test.
    _folder: tempfile::TempDir,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A name that needs escaping in a URI.
        let url = StoreUrl::parse("sqlite:re con%20#?.db", folder.path()).unwrap();
        Self { url, _folder: folder }
    }

    /// A SQLite store in memory-backed storage, if there is any.
    pub fn quick() -> Self {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.unwrap();
        let url = StoreUrl::parse("sqlite:recon.db", folder.path()).unwrap();
        Self { url, _folder: folder }
    }

    pub fn postgres() -> Self {
        Self::at(&crate::postgres::new_database())
    }

    /// The database of this URL.
    pub fn at(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: StoreUrl::parse(url, Path::new("")).unwrap(), _folder: folder }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.url, StoreUrl::Sqlite(_))
    }

    pub fn open(&self) -> Box<dyn Store> {
        open(&self.url, Opening::Create).unwrap_or_else(|problem| panic!("{problem}"))
    }
}

impl Place {
    /// Runs statements with full rights; unqualified names are the store's. `number_is` and boolean
    /// literals are translated for the backend.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        match &self.url {
            StoreUrl::Sqlite(path) => {
                let sql = sql.replace("number_is", "(id & 1099511627775)");
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch(&sql).map_err(|error| error.to_string())
            }
            StoreUrl::Postgres(url) => {
                let sql = sql.replace("number_is", "number");
                let connector = recon::database::postgres::Connector::new(url).unwrap();
                let mut client = connector.connect().unwrap();
                client.batch_execute(&sql).map_err(|error| {
                    let said = error.as_db_error().map(|said| said.message().to_owned());
                    said.unwrap_or_else(|| error.to_string())
                })
            }
        }
    }

    /// As [`Place::try_execute`], which must succeed.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

/// A test for each backend that hands a fresh place to the function of this name.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(&$crate::store::Place::sqlite()); })+
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name(&$crate::store::Place::postgres()); })+
        }
    };
}
pub(crate) use on_both_stores;
