//! The content hash that an approval refers to: it covers everything that a proposal would change.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::coding::{hex, unhex};

use super::state::{Action, ProposalKind};

/// SHA-256 of the content of a proposal's version.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// The content of a proposal's version.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub kind: ProposalKind,
    /// The decision about its items.
    pub action: Option<Action>,
    /// The proposed reason of its items.
    pub reason: Option<&'a str>,
    pub comments: Option<&'a str>,
    /// The proposed reason code or policy, as JSON.
    pub payload: Option<&'a str>,
    /// Its items and their versions, in ascending order of ids.
    pub items: &'a [(String, i64)],
}

impl Content<'_> {
    pub fn hash(&self) -> ContentHash {
        let mut hash = Sha256::new();
        let mut field = |text: Option<&str>| match text {
            // Absent and empty are two things.
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        };
        field(Some("recon proposal 1"));
        field(Some(self.kind.name()));
        field(self.action.map(Action::name));
        field(self.reason);
        field(self.comments);
        field(self.payload);
        for (id, version) in self.items {
            field(Some(id));
            field(Some(&version.to_string()));
        }
        ContentHash(hash.finalize().into())
    }
}

impl ContentHash {
    /// The first eight digits, for display and tags.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for ContentHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hash = unhex(text).and_then(|bytes| bytes.try_into().ok());
        hash.map(Self).ok_or("not 64 hexadecimal digits")
    }
}

impl Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let items = vec![("a".to_owned(), 1), ("b".to_owned(), 2)];
        let told = Content {
            kind: ProposalKind::Attribution,
            action: Some(Action::Override),
            reason: Some("FX"),
            comments: Some("spot"),
            payload: None,
            items: &items,
        };
        let hash = told.hash();
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let others = [
            Content { kind: ProposalKind::Bulk, ..told },
            Content { action: Some(Action::Approve), ..told },
            Content { reason: Some("FY"), ..told },
            Content { comments: None, ..told },
            Content { comments: Some(""), ..told },
            Content { payload: Some("{}"), ..told },
            Content { items: &items[..1], ..told },
        ];
        for other in others {
            assert_ne!(other.hash(), hash, "{other:?}");
        }
    }
}
