//! The configuration as a tree of the file's contents, every part with its place.
//!
//! Keys have no meaning here. Scalars stay text: their type is parsed later, so that `0.005` and `"0.005"` are the
//! same exact decimal.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::diagnostic::{PathStep, Place, Problems, SpecProblem};

/// Position of a part in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// The first line of the part as written.
    pub text: String,
}

impl Spot {
    /// The place for a problem about this part.
    pub fn place(&self, file: &Path) -> Place {
        Place {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
            text: super::secrets::without_passwords(&self.text),
        }
    }
}

/// One part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub content: Content,
    /// Its position. An empty value stands where its key does.
    pub spot: Spot,
}

/// The content of a part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Scalar(Scalar),
    /// Keys with values, in the order of the file, no key twice.
    Map(Vec<Entry>),
    List(Vec<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text before `${NAME}` is replaced, as stored with a run.
    pub written: String,
    /// The text that counts.
    pub value: String,
    /// Without quotes, so that an empty text, `~` and `null` are no value.
    pub plain: bool,
}

impl Scalar {
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.written.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub key_spot: Spot,
    pub value: Node,
}

impl Node {
    /// The entries, where this is a map.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.is_null())
    }
}

/// A file and its contents.
#[derive(Clone)]
pub struct Document {
    /// The file, as the user named it.
    pub file: PathBuf,
    pub root: Node,
}

/// Only the name of the file: its contents may be secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Document {
    /// The part that `path` leads to.
    pub fn find(&self, path: &[PathStep]) -> Option<&Node> {
        let (_, node, rest) = self.follow(path);
        rest.is_empty().then_some(node)
    }

    /// True if there is a value under `path`, even a wrong one.
    pub fn has(&self, path: &[PathStep]) -> bool {
        self.find(path).is_some_and(|node| !node.is_null())
    }

    /// The keys under `path`, in the order of the file.
    pub fn keys(&self, path: &[PathStep]) -> impl Iterator<Item = &str> {
        let entries = self.find(path).map(Node::entries).unwrap_or_default();
        entries.iter().map(|entry| entry.key.as_str())
    }

    /// The place of the value that `path` leads to, or of the last key on the way that exists.
    pub fn place(&self, path: &[PathStep]) -> Place {
        let (key, node, rest) = self.follow(path);
        let spot = if rest.is_empty() { Some(&node.spot) } else { key };
        self.place_of(spot)
    }

    /// The place of the key that `path` leads to, or of the last one on the way that exists.
    pub fn key_place(&self, path: &[PathStep]) -> Place {
        self.place_of(self.follow(path).0)
    }

    /// Gives a stage's problems about the whole document their places.
    pub fn placed(&self, problems: Vec<SpecProblem>) -> Problems {
        let place = |SpecProblem { path, problem }| problem.at(self.place(&path));
        Problems(problems.into_iter().map(place).collect())
    }

    fn place_of(&self, spot: Option<&Spot>) -> Place {
        spot.cloned().unwrap_or_default().place(&self.file)
    }

    /// Goes along `path` as far as it exists: the last key or element, its node, the steps left.
    fn follow<'p>(&self, path: &'p [PathStep]) -> (Option<&Spot>, &Node, &'p [PathStep]) {
        let (mut spot, mut node, mut rest) = (None, &self.root, path);
        while let Some((step, after)) = rest.split_first() {
            let next = match (step, &node.content) {
                (PathStep::Key(key), _) => {
                    node.entry(key).map(|entry| (&entry.key_spot, &entry.value))
                }
                (PathStep::Index(at), Content::List(items)) => {
                    items.get(*at).map(|item| (&item.spot, item))
                }
                // A single value may be written where a list of one is meant.
                (PathStep::Index(0), Content::Scalar(_)) => Some((&node.spot, node)),
                (PathStep::Index(_), _) => None,
            };
            let Some((at, found)) = next else { break };
            (spot, node, rest) = (Some(at), found, after);
        }
        (spot, node, rest)
    }
}

pub fn path<const N: usize>(keys: [&str; N]) -> Vec<PathStep> {
    keys.into_iter().map(PathStep::from).collect()
}
