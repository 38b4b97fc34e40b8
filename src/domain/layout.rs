//! The layout of a job's records: the canonical fields in their fixed order, the key first.

use super::Kind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    /// Whether its two sides are compared. `false` for an informational field: it is kept and
    /// shown, and never a difference.
    pub compared: bool,
    /// The field is a part of `ref`.
    pub in_ref: bool,
}

impl Field {
    /// A field that is compared.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, compared: true, in_ref: false }
    }
}

/// The canonical fields of a job. The key's parts come first, in the order of `key:`; the others
/// follow in the order of `fields:`. Every compact row and every stored record follows this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    fields: Vec<Field>,
    key_len: usize,
}

impl Layout {
    /// A layout whose first `key_len` fields are the key; none for a job whose rows share no key.
    pub fn new(fields: Vec<Field>, key_len: usize) -> Self {
        debug_assert!(key_len <= fields.len());
        Self { fields, key_len }
    }

    /// All fields, the key's first.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True only without fields (never, for a layout of a checked configuration).
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// How many of the first fields make up the key.
    pub const fn key_len(&self) -> usize {
        self.key_len
    }

    /// How many of the first fields tell rows apart for partitions and samples: the key, or all without one.
    pub fn spread_len(&self) -> usize {
        if self.key_len == 0 { self.fields.len() } else { self.key_len }
    }

    /// The fields whose values stand in a row's reference: the key's and those of `ref`.
    pub fn naming(&self) -> impl Iterator<Item = &Field> {
        let key_len = self.key_len;
        let named = self.fields.iter().enumerate();
        named.filter(move |(at, field)| *at < key_len || field.in_ref).map(|(_, field)| field)
    }

    /// The position of the field called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}
