//! Runs: one execution for one business date, how far it got and how its last command ended.

use std::fmt;

use super::difference::names;

/// The identity of a run, a UUIDv7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub uuid::Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RunId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "not the id of a run; `recon runs list` shows them")
    }
}

/// The classes of ids derived from a run's id. A derived id is the run's time and randomness (48 +
/// 12 + 12 bits), two bits for the class, and a 48-bit counter: UUIDv7 with the fixed-length
/// counter of RFC 9562, section 6.2. So compact storage keeps only the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdClass {
    Record,
    Difference,
    /// The attribution of the difference with the same counter.
    Attribution,
}

impl RunId {
    /// The id to give a new run that starts `unix_millis` after the epoch with `random` bits.
    pub fn new(unix_millis: u64, random: [u8; 10]) -> Self {
        let mut id = uuid::Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid();
        let mut bytes = *id.as_bytes();
        // The class bits of the run itself are 00.
        bytes[8] &= 0b1100_1111;
        id = uuid::Uuid::from_bytes(bytes);
        Self(id)
    }

    /// The first 24 characters (`…-…-…-…-`) of all ids of this class: the part before the counter.
    pub fn prefix(self, class: IdClass) -> String {
        let mut text = self.derived(class, 0).to_string();
        text.truncate(24);
        text
    }

    /// The id of the `counter`-th thing of this class. Only 48 bits of the counter count.
    pub fn derived(self, class: IdClass, counter: u64) -> uuid::Uuid {
        let mut bytes = *self.0.as_bytes();
        let class = match class {
            IdClass::Record => 1,
            IdClass::Difference => 2,
            IdClass::Attribution => 3,
        };
        bytes[8] = bytes[8] & 0b1100_1111 | class << 4;
        bytes[10..].copy_from_slice(&counter.to_be_bytes()[2..]);
        uuid::Uuid::from_bytes(bytes)
    }

    /// The counter of a derived id.
    pub fn counter(id: uuid::Uuid) -> u64 {
        let mut counter = [0; 8];
        counter[2..].copy_from_slice(&id.as_bytes()[10..]);
        u64::from_be_bytes(counter)
    }
}

names! {
    /// Result of the last command on a run.
    RunStatus {
        /// A command is working on it.
        Running = "RUNNING" = 1,
        /// All is well.
        Completed = "COMPLETED" = 2,
        /// Done, but some rows were rejected or some rules failed.
        CompletedWithErrors = "COMPLETED_WITH_ERRORS" = 3,
        /// It did not finish; its results are hidden.
        Failed = "FAILED" = 4,
    }
}

names! {
    /// Progress of a run.
    Stage {
        /// Its records are stored.
        Ingested = "INGESTED" = 1,
        /// Its differences are stored.
        Compared = "COMPARED" = 2,
        /// Every difference has a reason.
        Attributed = "ATTRIBUTED" = 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_version_7_ordered_and_keep_their_counter() {
        let run = RunId::new(1_700_000_000_000, [0xff; 10]);
        let first = run.derived(IdClass::Record, 1);
        let second = run.derived(IdClass::Record, 2);
        assert_eq!((first.get_version_num(), run.0.get_version_num()), (7, 7));
        assert_eq!(first.get_variant(), uuid::Variant::RFC4122);
        assert!(first < second);
        assert_eq!(RunId::counter(second), 2);
        assert_ne!(run.derived(IdClass::Difference, 1), first);
        assert_eq!(run.prefix(IdClass::Record).len(), 24);
        assert_eq!(format!("{}{:012x}", run.prefix(IdClass::Record), 2), second.to_string());
    }
}
