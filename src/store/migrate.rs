//! The numbered migrations of each backend: applied once each, in order, under a lock, checksummed.
//! A released migration stays as it is.

use sha2::{Digest, Sha256};

use crate::coding::hex;
use crate::diagnostic::{Code, Problem};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub version: i32,
    /// Its name, the same for every backend.
    pub name: &'static str,
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
        pub const SQLITE: &[Migration] = migrations!("sqlite": $($version $file $name,)+);
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
    15 "0015" "open_items",
    16 "0016" "search",
    17 "0017" "breaks",
    18 "0018" "ages",
    19 "0019" "matches_and_views",
    20 "0020" "records_first",
    21 "0021" "kinds_cleared",
    22 "0022" "cleared_breaks",
    23 "0023" "runs_that_left",
    24 "0024" "days_of_items",
    25 "0025" "open_at_older_dates",
    26 "0026" "run_fields",
    27 "0027" "known_evidence",
    28 "0028" "changes_of_side_b",
    29 "0029" "lists_of_large_runs",
    30 "0030" "records_by_the_million",
}

/// A migration that a store says it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub version: i32,
    pub name: String,
    /// The checksum of the applied migration.
    pub checksum: String,
}

/// The migrations of `known` that are not among `applied` (in the order of their numbers).
///
/// # Errors
/// A store that a newer recon has migrated, or whose migrations are not those of this recon.
pub fn pending<'a>(
    known: &'a [Migration],
    applied: &[Applied],
) -> Result<&'a [Migration], Problem> {
    for (at, done) in applied.iter().enumerate() {
        match known.get(at) {
            None => {
                return Err(Problem::new(
                    Code::StoreNewer,
                    format!(
                        "the store was made by a newer recon: it has migration {:04}_{}, this one \
                         knows {:04} and earlier",
                        done.version,
                        done.name,
                        known.len()
                    ),
                )
                .help("use that version of recon, or another store"));
            }
            Some(ours) if ours.version != done.version || ours.checksum() != done.checksum => {
                return Err(Problem::new(
                    Code::StoreMigrationsDiffer,
                    format!(
                        "the store's migration {:04}_{} is not the one that this recon knows as {}",
                        done.version,
                        done.name,
                        ours.full_name()
                    ),
                )
                .help("the store was made by another build of recon; use that one"));
            }
            Some(_) => {}
        }
    }
    Ok(known.get(applied.len()..).unwrap_or_default())
}

/// A store whose schema lacks `missing` migrations, for commands that do not change it.
pub(super) fn outdated(missing: &[Migration]) -> Problem {
    Problem::new(
        Code::StoreOutdated,
        format!("the store lacks {} of this recon's migrations", missing.len()),
    )
    .help("run `recon migrate`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(migrations: &[Migration]) -> Vec<Applied> {
        let done = |migration: &Migration| Applied {
            version: migration.version,
            name: migration.name.to_owned(),
            checksum: migration.checksum(),
        };
        migrations.iter().map(done).collect()
    }

    #[test]
    fn both_backends_have_the_same_steps() {
        let steps = |list: &[Migration]| {
            list.iter().map(|step| (step.version, step.name)).collect::<Vec<_>>()
        };
        assert_eq!(steps(SQLITE), steps(POSTGRES));
        for (at, step) in SQLITE.iter().enumerate() {
            assert_eq!(usize::try_from(step.version), Ok(at + 1));
        }
    }

    #[test]
    fn applied_migrations_are_not_pending() {
        assert_eq!(pending(SQLITE, &[]).unwrap().len(), SQLITE.len());
        assert_eq!(pending(SQLITE, &applied(&SQLITE[..2])).unwrap(), &SQLITE[2..]);
        assert_eq!(pending(SQLITE, &applied(SQLITE)).unwrap(), &[]);
    }

    #[test]
    fn a_newer_or_foreign_schema_is_refused() {
        let problem = pending(&SQLITE[..2], &applied(SQLITE)).unwrap_err();
        assert_eq!(problem.code, Code::StoreNewer);
        let mut foreign = applied(SQLITE);
        foreign[1].checksum = "0".repeat(64);
        assert_eq!(pending(SQLITE, &foreign).unwrap_err().code, Code::StoreMigrationsDiffer);
    }
}
