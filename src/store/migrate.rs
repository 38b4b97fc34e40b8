//! The numbered migrations of each backend: applied once each, in order, under a lock, checksummed.
//! A released migration stays as it is.

use sha2::{Digest, Sha256};

use crate::coding::hex;
use crate::diagnostic::{Code, Problem};

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub version: i32,
    /// Its name, the same for every backend.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 of the statements.
    pub fn checksum(&self) -> String {
        hex(Sha256::digest(self.sql.as_bytes()))
    }

    /// `0001_runs`.
    pub fn full_name(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }
}

macro_rules! migrations {
    ($($version:literal $file:literal $name:literal,)+) => {
        /// The migrations of SQLite.
        pub const SQLITE: &[Migration] = migrations!("sqlite": $($version $file $name,)+);
        /// The migrations of PostgreSQL.
        pub const POSTGRES: &[Migration] = migrations!("postgres": $($version $file $name,)+);
    };
    ($folder:literal: $($version:literal $file:literal $name:literal,)+) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!(
                "../../migrations/", $folder, "/", $file, "_", $name, ".sql"
            )),
        },)+]
    };
}

migrations! {
    1 "0001" "runs",
    2 "0002" "reason_codes",
    3 "0003" "records",
    4 "0004" "differences",
    5 "0005" "audit_trail",
    6 "0006" "models",
    7 "0007" "workflow",
    8 "0008" "people",
    9 "0009" "audit_chain",
    10 "0010" "valid_json",
    11 "0011" "own_passwords",
    12 "0012" "current_views",
    13 "0013" "files",
    14 "0014" "matching",
    16 "0016" "search",
