//! From the tree to the typed settings, with every mistake at once.
//!
//! A serde deserializer reads the tree itself, so each complaint is raised where the offending
//! value stands. serde ends at the first error; so a value that can't be read is remembered as
//! broken and reading begins again without it, until the rest can be read. Something with a broken
//! required part is broken as a whole and left out, never filled with an invented value.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::{Content, Document, Entry, Node};
use crate::diagnostic::{Code, PathStep, Problem, nearest};

type Path = Vec<PathStep>;

/// Maximum number of attempts, each of which finds one wrong value.
const MAX_ATTEMPTS: usize = 1_000;

/// Reads as much of the document as possible, and gives every error. Each part that is written but not in the result
/// has one.
pub fn read<T: DeserializeOwned + JsonSchema>(document: &Document) -> (Option<T>, Vec<Problem>) {
    let reader = Reader {
        document,
        problems: RefCell::default(),
        broken: RefCell::default(),
        required: super::schema::required_keys::<T>(),
        homes: super::schema::homes::<T>,
    };
    for _ in 0..MAX_ATTEMPTS {
        let root = Part { reader: &reader, node: &document.root, path: Path::new(), item: false };
        match T::deserialize(root) {
            Ok(value) => return (Some(value), reader.problems.into_inner()),
            Err(_) if reader.is_broken(&[]) => break,
            Err(_) => {}
        }
    }
    (None, reader.problems.into_inner())
}

struct Reader<'a> {
    document: &'a Document,
    problems: RefCell<Vec<Problem>>,
    /// Parts that can't be read, and are reported already.
    broken: RefCell<HashSet<Path>>,
    /// The keys that a struct of this name can't do without.
    required: HashMap<String, Vec<String>>,
    /// The maps that have a key of this name.
    homes: fn(&str) -> Vec<Vec<String>>,
}

impl Reader<'_> {
    fn complain(&self, problem: Problem) {
        let mut problems = self.problems.borrow_mut();
        // The same value is read again after each mistake.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    fn is_broken(&self, path: &[PathStep]) -> bool {
        self.broken.borrow().contains(path)
    }

    fn give_up(&self, path: &[PathStep]) -> Stopped {
        self.broken.borrow_mut().insert(path.to_vec());
        Stopped::Reported
    }
}

#[derive(Debug)]
pub(super) enum Stopped {
    /// A complaint whose place is not known yet.
    Unplaced(Problem),
    /// A required key is not there.
    MissingKey(&'static str),
    /// The complaint is made.
    Reported,
}

impl Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplaced(problem) => problem.fmt(f),
            Self::MissingKey(key) => write!(f, "the key `{key}` is missing"),
            Self::Reported => f.write_str("reported"),
        }
    }
}

impl std::error::Error for Stopped {}

impl de::Error for Stopped {
    fn custom<T: Display>(message: T) -> Self {
        Self::Unplaced(Problem::new(Code::BadValue, message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expectation(&expected.to_string());
        let message = match found {
            Unexpected::Str(text) => format!("`{text}` is not {expected}"),
            other => format!("expected {expected}, found {}", finding(&other)),
        };
        let problem = Problem::new(Code::WrongType, message);
        Self::Unplaced(match found {
            Unexpected::Unit if expected == "text" => {
                problem.help("if the word itself or the empty text is meant, put it in quotes")
            }
            Unexpected::Str(text) if expected == "a list" => {
                problem.help(format!("write `[{text}]`"))
            }
            _ => problem,
        })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::Unplaced(unknown("value", name, known))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        Self::Unplaced(unknown("key", name, known))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::MissingKey(key)
    }
}

/// Translates serde's name of a type into words for users.
fn expectation(words: &str) -> String {
    match words {
        "a string" | "string" | "a borrowed string" => "text".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        _ if words.starts_with("struct ") => "a map of settings".to_owned(),
        _ => words.to_owned(),
    }
}

fn finding(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// An unknown name, with the known one that was probably meant, else with all known ones.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> Problem {
    let code = if what == "key" { Code::UnknownKey } else { Code::UnknownValue };
    let problem = Problem::new(code, format!("unknown {what} `{name}`"));
    match nearest(name, known.iter().copied()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => match known {
            [] => problem,
            [only] => problem.help(format!("only `{only}` is known")),
            _ => problem.help(format!("known are {}", listed(known))),
        },
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// One part of the tree, as serde reads it.
#[derive(Clone)]
struct Part<'r> {
    reader: &'r Reader<'r>,
    node: &'r Node,
    path: Path,
    /// An element of a list, where `null` is text like any other.
    item: bool,
}

impl<'r> Part<'r> {
    fn value(&self, entry: &'r Entry) -> Self {
        let path = self.inner(&entry.key);
        Self { reader: self.reader, node: &entry.value, path, item: false }
    }

    fn is_null(&self) -> bool {
        match &self.node.content {
            Content::Scalar(scalar) if self.item => scalar.is_null() && scalar.written.is_empty(),
            _ => self.node.is_null(),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.node.content {
            Content::Scalar(_) if self.is_null() => Unexpected::Unit,
            Content::Scalar(scalar) => Unexpected::Str(&scalar.value),
            Content::Map(_) => Unexpected::Map,
            Content::List(_) => Unexpected::Seq,
        }
    }

    /// Gives a complaint its place: here.
    fn place<V>(&self, result: Result<V, Stopped>) -> Result<V, Stopped> {
        let (reader, document) = (self.reader, self.reader.document);
        result.map_err(|halt| match halt {
            Stopped::Reported => Stopped::Reported,
            Stopped::Unplaced(problem) => {
                reader.complain(problem.at(document.place(&self.path)));
                reader.give_up(&self.path)
            }
            Stopped::MissingKey(key) => {
                self.complain_of_missing(key);
                reader.give_up(&self.path)
            }
        })
    }

    fn read_any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Stopped> {
        match &self.node.content {
            Content::Scalar(_) if self.is_null() => visitor.visit_unit(),
            Content::Scalar(scalar) => visitor.visit_str(&scalar.value),
            Content::Map(entries) => visitor.visit_map(self.map(entries.iter().collect())),
            Content::List(items) => visitor.visit_seq(Items { part: self, items, at: 0 }),
        }
    }

    fn map(&self, entries: Vec<&'r Entry>) -> Entries<'r> {
        let whole = |entry: &&Entry| !self.reader.is_broken(&self.value(entry).path);
        // Every broken entry is left out; the reader knows why.
        let entries: Vec<&Entry> = entries.into_iter().filter(whole).collect();
        Entries { part: self.clone(), entries: entries.into_iter(), value: None }
    }

    fn read_struct<'de, V: Visitor<'de>>(
        &self,
        name: &str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        let entries = match &self.node.content {
            Content::Map(entries) => entries.as_slice(),
            Content::Scalar(_) if self.is_null() => &[],
            _ => {
                let found = finding(&self.unexpected());
                let found = match self.unexpected() {
                    Unexpected::Str(text) => format!("`{text}`"),
                    _ => found,
                };
                let message = format!("expected a map of settings, found {found}");
                let help = format!("its keys are {}", listed(known));
                return Err(Stopped::Unplaced(Problem::new(Code::WrongType, message).help(help)));
            }
        };
        let (expected, others): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| known.contains(&entry.key.as_str()));
        for other in others {
            // A misspelled key is one mistake: it is not missing as well.
            if let Some(meant) = nearest(&other.key, known.iter().copied())
                && !expected.iter().any(|entry| entry.key == meant)
            {
                self.reader.give_up(&self.inner(meant));
            }
            self.complain_of_unknown(&other.key, known);
        }
        for key in self.reader.required.get(name).into_iter().flatten() {
            if !expected.iter().any(|entry| entry.key == *key && !entry.value.is_null()) {
                self.complain_of_missing(key);
            }
        }
        visitor.visit_map(self.map(expected))
    }

    fn inner(&self, key: &str) -> Path {
        let mut path = self.path.clone();
        path.push(key.into());
        path
    }

    /// Reports an unknown key, and where it belongs if it exists elsewhere.
    fn complain_of_unknown(&self, key: &str, known: &[&str]) {
        let mut problem = unknown("key", key, known);
        if nearest(key, known.iter().copied()).is_none()
            && let Some(help) = self.home_of(key)
        {
            problem.help = Some(help);
        }
        let place = self.reader.document.key_place(&self.inner(key));
        self.reader.complain(problem.at(place));
    }

    /// Where a key belongs: around this place if possible, else where most of the path is the same.
    fn home_of(&self, key: &str) -> Option<String> {
        let mut homes = (self.reader.homes)(key);
        let keys = self.path.iter().filter_map(|step| match step {
            PathStep::Key(key) => Some(key.as_str()),
            PathStep::Index(_) => None,
        });
        let here: Vec<&str> = keys.collect();
        let shared = |home: &[String]| {
            let steps = home.iter().zip(&here);
            steps.take_while(|(step, here)| *step == *here || *step == "NAME").count()
        };
        let around = homes.iter().filter(|home| shared(home) == home.len());
        if let Some(around) = around.max_by_key(|home| home.len()).cloned() {
            homes = vec![around];
        }
        let most = homes.iter().map(|home| shared(home)).max()?;
        homes.retain(|home| shared(home) == most);
        let shown = homes.iter().map(|home| {
            let known = here.iter().take(most).copied();
            let steps = known.chain(home.iter().skip(most).map(String::as_str));
            match steps.collect::<Vec<_>>().join(".") {
                path if path.is_empty() => "at the top level".to_owned(),
                path => format!("under `{path}`"),
            }
        });
        let shown: Vec<String> = shown.collect();
        match shown.as_slice() {
            [] => None,
            [only] => Some(format!("`{key}` belongs {only}")),
            [first, second] => Some(format!("`{key}` belongs {first} or {second}")),
            [first, ..] => Some(format!("`{key}` belongs elsewhere, for example {first}")),
        }
    }

    /// Reports a missing required key, unless it has an error already.
    fn complain_of_missing(&self, key: &str) {
        let (document, inner) = (self.reader.document, self.inner(key));
        if self.reader.is_broken(&inner) {
            return;
        }
        let (message, place) = if document.find(&inner).is_some() {
            (format!("the key `{key}` has no value"), document.key_place(&inner))
        } else {
            (format!("the key `{key}` is missing"), document.key_place(&self.path))
        };
        self.reader.complain(Problem::new(Code::MissingKey, message).at(place));
    }

    fn read_enum<'de, V: Visitor<'de>>(
        &self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        match &self.node.content {
            Content::Scalar(_) if self.is_null() => {
                let message = format!("expected one of {}, found nothing", listed(known));
                Err(Stopped::Unplaced(Problem::new(Code::WrongType, message)))
            }
            Content::Scalar(scalar) => {
                if !known.contains(&scalar.value.as_str()) {
                    return Err(Stopped::Unplaced(unknown("value", &scalar.value, known)));
                }
                visitor.visit_enum(Choice { name: &scalar.value, settings: None })
            }
            Content::Map(entries) => {
                let [entry] = entries.as_slice() else {
                    let message = format!("expected exactly one of {}", listed(known));
                    return Err(Stopped::Unplaced(Problem::new(Code::WrongType, message)));
                };
                let settings = self.value(entry);
                if self.reader.is_broken(&settings.path) {
                    return Err(self.reader.give_up(&self.path));
                }
                if !known.contains(&entry.key.as_str()) {
                    self.complain_of_unknown(&entry.key, known);
                    return Err(self.reader.give_up(&self.path));
                }
                visitor.visit_enum(Choice { name: &entry.key, settings: Some(settings) })
            }
            Content::List(_) => {
                let message = format!("expected one of {}, found a list", listed(known));
                Err(Stopped::Unplaced(Problem::new(Code::WrongType, message)))
            }
        }
    }

    /// An optional setting without a value: is it meant?
    fn note_empty(&self) {
        let Content::Scalar(scalar) = &self.node.content else { return };
        let Some(PathStep::Key(key)) = self.path.last() else { return };
        if scalar.written.is_empty() {
            let problem = Problem::new(Code::EmptyValue, format!("`{key}` has no value"));
            let help = "write the value, in quotes if it begins with `#`, or remove the key";
            let place = self.reader.document.key_place(&self.path);
            self.reader.complain(problem.help(help).at(place));
        }
    }
}

impl<'de> Deserializer<'de> for Part<'_> {
    type Error = Stopped;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stopped> {
        self.place(self.read_any(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stopped> {
        if self.is_null() {
            self.note_empty();
            self.place(visitor.visit_none())
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stopped> {
        if self.is_null() {
            return self.place(visitor.visit_seq(Items { part: &self, items: &[], at: 0 }));
        }
        self.place(self.read_any(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stopped> {
        if self.is_null() {
            return self.place(visitor.visit_map(self.map(Vec::new())));
        }
        self.place(self.read_any(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        self.place(self.read_struct(name, known, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        self.place(self.read_enum(known, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stopped> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct identifier
    }
}

struct Items<'p, 'r> {
    part: &'p Part<'r>,
    items: &'r [Node],
    at: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Stopped;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stopped> {
        while let Some(node) = self.items.get(self.at) {
            let mut path = self.part.path.clone();
            path.push(PathStep::Index(self.at));
            self.at += 1;
            if !self.part.reader.is_broken(&path) {
                let part = Part { reader: self.part.reader, node, path, item: true };
                return seed.deserialize(part).map(Some);
            }
        }
        Ok(None)
    }
}

struct Entries<'r> {
    part: Part<'r>,
    entries: std::vec::IntoIter<&'r Entry>,
    value: Option<&'r Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Stopped;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stopped> {
        self.value = self.entries.next();
        let Some(entry) = self.value else { return Ok(None) };
        let key: StrDeserializer<'_, Stopped> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stopped> {
        match self.value.take() {
            Some(entry) => seed.deserialize(self.part.value(entry)),
            None => Err(de::Error::custom("a value was asked for before its key")),
        }
    }
}

/// A choice between named things: the name alone, or the name with settings.
struct Choice<'r> {
    name: &'r str,
    settings: Option<Part<'r>>,
}

impl<'de, 'r> EnumAccess<'de> for Choice<'r> {
    type Error = Stopped;
    type Variant = Settings<'r>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Settings<'r>), Stopped> {
        let name: StrDeserializer<'_, Stopped> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Settings { name: self.name, settings: self.settings }))
    }
}

struct Settings<'r> {
    name: &'r str,
    settings: Option<Part<'r>>,
}

impl<'r> Settings<'r> {
    fn needed(self) -> Result<Part<'r>, Stopped> {
        self.settings.ok_or_else(|| {
            let name = self.name;
            let problem = Problem::new(Code::WrongType, format!("`{name}` needs settings"));
            Stopped::Unplaced(problem.help(format!("write `{name}: {{ … }}`")))
        })
    }
}

impl<'de> VariantAccess<'de> for Settings<'_> {
    type Error = Stopped;

    fn unit_variant(self) -> Result<(), Stopped> {
        match self.settings {
            Some(part) if !part.is_null() => {
                let message = format!("`{}` takes no settings", self.name);
                part.place(Err(Stopped::Unplaced(Problem::new(Code::WrongType, message))))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stopped> {
        seed.deserialize(self.needed()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stopped> {
        self.needed()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stopped> {
        self.needed()?.deserialize_struct("", known, visitor)
    }
}
