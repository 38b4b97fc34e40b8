//! The schema as a tree, and columns as paths in it. Fields within structs are dotted paths; elements of lists
//! have an index, as in JSON. A path that ends at a list or a struct is its compact JSON text.

use std::ops::Range;

use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::schema::types::Type;

use super::values::{Cursor, Leaf};
use crate::source::json::parts;

#[derive(Clone, Debug)]
pub struct Field {
    name: String,
    shape: Shape,
    /// The definition level from which it is not null.
    defined: i16,
    /// Its stored columns.
    leaves: Range<usize>,
}

#[derive(Clone, Debug)]
enum Shape {
    Value,
    Struct(Vec<Field>),
    /// `some` is the definition level from which a list has an element, `repeated` the repetition level of
    /// its further elements.
    List {
        element: Box<Field>,
        some: i16,
        repeated: i16,
    },
}

/// Levels, and the number of the next stored column.
#[derive(Clone, Copy)]
struct At {
    defined: i16,
    repeated: i16,
}

impl Field {
    /// The schema as a struct of its columns.
    pub fn root(schema: &Type) -> Self {
        let at = At { defined: 0, repeated: 0 };
        Self::group(schema, at, &mut 0)
    }

    fn group(node: &Type, at: At, next: &mut usize) -> Self {
        let start = *next;
        let fields = node.get_fields().iter().map(|field| Self::of(field, at, next)).collect();
        Self {
            name: node.name().to_owned(),
            shape: Shape::Struct(fields),
            defined: at.defined,
            leaves: start..*next,
        }
    }

    fn of(node: &Type, mut at: At, next: &mut usize) -> Self {
        let info = node.get_basic_info();
        match info.has_repetition().then(|| info.repetition()) {
            Some(Repetition::OPTIONAL) => at.defined += 1,
            // A list without a wrapper is never null.
            Some(Repetition::REPEATED) => {
                let inner = At { defined: at.defined + 1, repeated: at.repeated + 1 };
                return Self::list(node.name(), at, Self::inner(node, inner, next));
            }
            _ => {}
        }
        // Lists have wrappers: `items (LIST) > list (repeated) > element`.
        let is_list = matches!(info.logical_type_ref(), Some(LogicalType::List | LogicalType::Map))
            || matches!(
                info.converted_type(),
                ConvertedType::LIST | ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE
            );
        if !node.is_primitive()
            && is_list
            && let [repeated] = node.get_fields()
            && repeated.get_basic_info().has_repetition()
            && repeated.get_basic_info().repetition() == Repetition::REPEATED
        {
            let inner = At { defined: at.defined + 1, repeated: at.repeated + 1 };
            let element = match repeated.is_primitive() {
                false if repeated.get_fields().len() == 1 => {
                    Self::of(&repeated.get_fields()[0], inner, next)
                }
                _ => Self::inner(repeated, inner, next),
            };
            return Self::list(node.name(), at, element);
        }
        Self::inner(node, at, next)
    }

    /// The node, ignoring its repetition.
    fn inner(node: &Type, at: At, next: &mut usize) -> Self {
        if !node.is_primitive() {
            return Self::group(node, at, next);
        }
        *next += 1;
        Self {
            name: node.name().to_owned(),
            shape: Shape::Value,
            defined: at.defined,
            leaves: *next - 1..*next,
        }
    }

    fn list(name: &str, at: At, element: Self) -> Self {
        Self {
            name: name.to_owned(),
            defined: at.defined,
            leaves: element.leaves.clone(),
            shape: Shape::List {
                element: Box::new(element),
                some: at.defined + 1,
                repeated: at.repeated + 1,
            },
        }
    }

    /// The field at a path, and the indices on the way.
    fn at(&self, path: &[String], indices: &mut Vec<usize>) -> Option<&Self> {
        let Some((part, rest)) = path.split_first() else { return Some(self) };
        match &self.shape {
            Shape::Value => None,
            Shape::Struct(fields) => {
                fields.iter().find(|field| field.name == *part)?.at(rest, indices)
            }
            Shape::List { element, .. } => {
                indices.push(part.parse().ok()?);
                element.at(rest, indices)
            }
        }
    }

    /// The columns of all values within it; of lists, as many elements as `longest` says for a stored column and
    /// level.
    fn values(
        &self,
        path: &str,
        indices: &[usize],
        longest: &dyn Fn(usize, i16) -> usize,
        columns: &mut Vec<Column>,
    ) {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match &self.shape {
            Shape::Value => columns.push(Column {
                name: path.to_owned(),
                field: self.clone(),
                indices: indices.to_vec(),
            }),
            Shape::Struct(fields) => {
                for field in fields {
                    let path = below(&field.name.replace('.', "\\."));
                    field.values(&path, indices, longest, columns);
                }
            }
            Shape::List { element, repeated, .. } => {
                for index in 0..longest(self.leaves.start, *repeated) {
                    if index > 0 && columns.len() >= MOST_COLUMNS {
                        break;
                    }
                    let indices = [indices, &[index]].concat();
                    element.values(&below(&index.to_string()), &indices, longest, columns);
                }
            }
        }
    }

    /// Writes the values at the cursors as JSON, and moves past them.
    fn json(&self, leaves: &[Leaf], at: &mut [Cursor], out: &mut Vec<u8>) {
        let first = self.leaves.start;
        let (Some(leaf), Some(cursor)) = (leaves.get(first), at.get(first)) else { return };
        let defined = leaf.defined_at(cursor.level);
        if defined < self.defined {
            out.extend_from_slice(b"null");
            return self.pass(leaves, at);
        }
        match &self.shape {
            Shape::Value => {
                leaf.write_json(*cursor, out);
                self.pass(leaves, at);
            }
            Shape::Struct(fields) => {
                for (number, field) in fields.iter().enumerate() {
                    out.push(if number == 0 { b'{' } else { b',' });
                    // Writing into a Vec can't fail.
                    let _ = serde_json::to_writer(&mut *out, &field.name);
                    out.push(b':');
                    field.json(leaves, at, out);
                }
                out.push(b'}');
            }
            Shape::List { some, .. } if defined < *some => {
                out.extend_from_slice(b"[]");
                self.pass(leaves, at);
            }
            Shape::List { element, repeated, .. } => {
                out.push(b'[');
                loop {
                    element.json(leaves, at, out);
                    let next = at.get(first).map_or(0, |cursor| leaf.repeated_at(cursor.level));
                    if next != *repeated {
                        break;
                    }
                    out.push(b',');
                }
                out.push(b']');
            }
        }
    }

    fn pass(&self, leaves: &[Leaf], at: &mut [Cursor]) {
        for number in self.leaves.clone() {
            if let (Some(leaf), Some(cursor)) = (leaves.get(number), at.get_mut(number)) {
                leaf.pass(cursor);
            }
        }
    }
}

/// A column of the source: a field, and where in its lists.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    field: Field,
    indices: Vec<usize>,
}

/// More columns than this are not made of elements of lists; those that are mapped are there nevertheless.
const MOST_COLUMNS: usize = 1_000;

impl Column {
    /// Every value of the schema, and the configured columns besides.
    pub fn all<'w>(
        root: &Field,
        longest: &dyn Fn(usize, i16) -> usize,
        wanted: impl Iterator<Item = &'w String>,
    ) -> Vec<Self> {
        let mut columns = Vec::new();
        root.values("", &[], longest, &mut columns);
        for name in wanted {
            let mut indices = Vec::new();
            if let Some(field) = root.at(&parts(name), &mut indices)
                && !columns.iter().any(|one| one.name == *name)
            {
                columns.push(Self { name: name.clone(), field: field.clone(), indices });
            }
        }
        columns
    }

    /// Writes the cell of the record that begins at the cursors; says whether there is one.
    pub fn write(&self, leaves: &[Leaf], at: &[Cursor], out: &mut Vec<u8>) -> bool {
        let find = |number: usize| leaves.get(number)?.find(&self.indices, *at.get(number)?);
        let first = self.field.leaves.start;
        let (Some(leaf), Some(cursor)) = (leaves.get(first), find(first)) else { return false };
        if matches!(self.field.shape, Shape::Value) {
            return leaf.write(cursor, out);
        }
        if leaf.defined_at(cursor.level) < self.field.defined {
            return false;
        }
        let mut at = at.to_vec();
        for number in self.field.leaves.clone() {
            if let (Some(cursor), Some(slot)) = (find(number), at.get_mut(number)) {
                *slot = cursor;
            }
        }
        self.field.json(leaves, &mut at, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use parquet::schema::parser::parse_message_type;

    use super::*;

    #[test]
    fn columns_are_dotted_paths_with_indices() {
        let schema = parse_message_type(
            "message rows { required int64 id; optional group items (LIST) { repeated group list { optional group \
             element { optional binary sku (UTF8); } } } repeated int32 old; optional group a.b { optional int32 c; } }",
        );
        let root = Field::root(&schema.unwrap());
        let wanted =
            ["items.2.sku", "items.x.sku", "items", "items.1", "id", "gone"].map(str::to_owned);
        let columns = Column::all(&root, &|leaf, _| if leaf == 1 { 2 } else { 1 }, wanted.iter());
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "id",
                "items.0.sku",
                "items.1.sku",
                "old.0",
                "a\\.b.c",
                "items.2.sku",
                "items",
                "items.1"
            ]
        );
        assert_eq!(columns[5].indices, [2]);
    }
}
