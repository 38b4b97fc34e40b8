//! The canonical fields and the key, and the settings that fit their types.

use super::{Checker, below};
use crate::compare::FieldCompare;
use crate::config::resolved::ResolvedField;
use crate::config::spec::{FieldSpec, Spec};
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem};
use crate::domain::layout::Field;
use crate::domain::{Date, Decimal, FieldRef, Instant, Kind, Layout, Severity, Side, Value};
use crate::store::MAX_FIELDS;

impl<'a> Checker<'a> {
    /// The layout and its fields; `None` if too much is wrong.
    pub(super) fn fields(&mut self) -> Option<(Layout, Vec<ResolvedField>)> {
        let key = self.key();
        let fields = self.spec.fields.as_ref()?;
        if self.document.keys(&path(["fields"])).next().is_none() {
            let problem = Problem::new(Code::NoFields, "`fields` is empty");
            self.complain_of_key(&path(["fields"]), problem);
        }
        let count = fields.0.len();
        if count > MAX_FIELDS {
            let message =
                format!("{count} fields are more than the {MAX_FIELDS} that a run may have");
            let problem = Problem::new(Code::TooManyFields, message);
            self.complain_of_key(&path(["fields"]), problem.help("map the fields that matter"));
        }
        let mut resolved: Vec<(Field, ResolvedField)> = Vec::new();
        for (name, spec) in fields.iter() {
            let field = self.field(name, spec, key.contains(&name));
            let compared = field.compare.is_compared();
            let mut named = self.spec.reference.iter().flatten();
            let in_ref = self.spec.matching.is_some() && named.any(|other| other == name);
            resolved.push((Field { compared, in_ref, ..Field::new(name, spec.kind) }, field));
        }
        // The key first, in its own order; sorting keeps the order of the others.
        let rank = |name: &str| key.iter().position(|part| *part == name).unwrap_or(key.len());
        resolved.sort_by_key(|(field, _)| rank(&field.name));
        let key_len = key.iter().filter(|part| fields.contains(part)).count();
        let (layout, treatment): (Vec<_>, Vec<_>) = resolved.into_iter().unzip();
        // Without a key that is whole there is a complaint, and the rest is checked nevertheless.
        let key_len = if self.spec.matching.is_some() { key_len } else { key_len.max(1) };
        (!layout.is_empty()).then(|| (Layout::new(layout, key_len), treatment))
    }

    /// The parts of the key, each once.
    fn key(&mut self) -> Vec<&'a str> {
        let spec: &'a Spec = self.spec;
        let at = path(["key"]);
        let Some(written) = &spec.key else {
            if !self.document.has(&at) && !self.document.has(&path(["match"])) {
                let message = "the key `key` is missing";
                let help = "name the fields by which a row of A and a row of B belong together; without \
                            such fields, say with `match` how rows are matched";
                self.complain_of_key(&[], Problem::new(Code::MissingKey, message).help(help));
            }
            return Vec::new();
        };
        if written.is_empty() {
            let problem = Problem::new(Code::NoKey, "the key is empty");
            let help = "name the fields by which a row of A and a row of B belong together";
            self.complain_of_key(&at, problem.help(help));
        }
        let mut parts: Vec<&'a str> = Vec::new();
        for (index, part) in written.iter().enumerate() {
            let here = below(&at, index);
            if parts.contains(&part.as_str()) {
                let message = format!("`{part}` is twice in the key");
                self.complain(&here, Problem::new(Code::DuplicateKeyField, message));
                continue;
            }
            if !self.has_field(part) {
                let problem = self.unknown_field(part);
                self.complain(&here, problem);
            }
            parts.push(part);
        }
        parts
    }

    fn field(&mut self, name: &str, spec: &FieldSpec, is_key: bool) -> ResolvedField {
        let at = path(["fields", name]);
        self.field_name(&at, name);
        if is_key {
            self.key_field(&at, name, spec);
        } else if !is_compared(spec) {
            self.informational_field(&at, name, spec);
        }
        if let Some(formats) = &spec.formats {
            self.formats(&below(&at, "formats"), name, spec.kind, formats);
        }
        if spec.numbers.is_some() {
            self.numbers(&below(&at, "numbers"), name, spec.kind);
        }
        let monetary = spec.monetary.is_some_and(|monetary| *monetary);
        if monetary && spec.kind != Kind::Decimal {
            let message =
                format!("`monetary` is for decimal fields; `{name}` is {}", of(spec.kind));
            self.complain(&below(&at, "monetary"), Problem::new(Code::WrongFieldType, message));
        }
        let one_sided = !is_key && self.is_one_sided(name);
        let compare = if one_sided {
            FieldCompare::informational(spec.kind)
        } else {
            self.comparison(&at, spec, is_key)
        };
        ResolvedField { compare, monetary }
    }

    /// With `match`, a field that one source maps is null on the other side and is not compared.
    fn is_one_sided(&self, name: &str) -> bool {
        let maps = |side: Side| {
            self.document.has(&path(["sources", side.letter(), "map", name]))
                || self.scripts.may_set_fields(side)
        };
        self.spec.matching.is_some() && maps(Side::A) != maps(Side::B)
    }

    fn field_name(&mut self, at: &[PathStep], name: &str) {
        let problem = if name == FieldRef::ENTIRE_RECORD {
            format!("`{name}` can't be a field: differences of whole records are called so")
        } else if name.trim().is_empty() || name.trim() != name {
            format!("the field name `{name}` is empty or has spaces around it")
        } else if name.chars().any(char::is_control) {
            "a field name contains a control character".to_owned()
        } else {
            return;
        };
        self.complain_of_key(at, Problem::new(Code::BadName, problem));
    }

    /// Warns about settings that only matter when the field is compared.
    fn informational_field(&mut self, at: &[PathStep], name: &str, spec: &FieldSpec) {
        let settings = [
            ("tolerance", spec.tolerance.is_some()),
            ("severity", spec.severity.is_some()),
            ("null_equals", spec.null_equals.is_some()),
        ];
        for (key, _) in settings.into_iter().filter(|(_, given)| *given) {
            let message =
                format!("`{key}` has no effect: `{name}` is not compared (`compare: false`)");
            let help = format!("remove `{key}`, or `compare: false`");
            let problem = Problem::new(Code::NotComparedSetting, message).help(help);
            self.complain_of_key(&below(at, key), problem);
        }
        let at_map = |side: &str| path(["sources", side, "map", name]);
        let script = Side::BOTH.into_iter().any(|side| self.scripts.may_set_fields(side));
        if !script && !self.document.has(&at_map("a")) && !self.document.has(&at_map("b")) {
            let message = format!("no source maps `{name}`");
            let help =
                format!("add `{name}: COLUMN` to the `map` of a source, or remove the field");
            let problem = Problem::new(Code::UnmappedField, message).help(help);
            self.complain_of_key(at, problem);
        }
    }

    /// Keys are compared exactly, and a row without one is rejected. Where passes match rows with other keys, these may
    /// say that they are never a difference.
    fn key_field(&mut self, at: &[PathStep], name: &str, spec: &FieldSpec) {
        if !is_compared(spec) && self.spec.matching.is_none() {
            let message = format!("`{name}` is in the key, which is always compared");
            let help = "remove `compare: false`, or take the field out of the key";
            let problem = Problem::new(Code::KeyNotCompared, message).help(help);
            self.complain_of_key(&below(at, "compare"), problem);
        }
        if spec.tolerance.is_some() {
            let message = format!("`{name}` is in the key; keys are compared without tolerance");
            let help = "remove the tolerance, or take the field out of the key";
            let problem = Problem::new(Code::KeyTolerance, message).help(help);
            self.complain_of_key(&below(at, "tolerance"), problem);
        }
        if spec.null_equals.is_some() {
            let message =
                format!("`{name}` is in the key; a row whose key is null is always rejected");
            let help = format!(
                "remove `null_equals`; to keep rows with an empty key, let the script fill it: \
                 `fn row(raw, r) {{ if r.{name} == () {{ r.{name} = \"-\"; }} r }}`"
            );
            let problem = Problem::new(Code::KeyNull, message).help(help);
            self.complain_of_key(&below(at, "null_equals"), problem);
        }
        if spec.severity.is_some() {
            let message = format!("`{name}` is in the key; no difference of it is ever reported");
            let problem = Problem::new(Code::KeySeverity, message);
            self.complain_of_key(&below(at, "severity"), problem);
        }
    }

    fn comparison(&mut self, at: &[PathStep], spec: &FieldSpec, is_key: bool) -> FieldCompare {
        if is_key {
            return FieldCompare::exact(spec.kind);
        }
        if !is_compared(spec) {
            return FieldCompare::informational(spec.kind);
        }
        let null_equals = spec.null_equals.as_deref().and_then(|text| {
            let value = read_value(spec.kind, text);
            if value.is_none() {
                let message = format!("`{text}` is not a value of type {}", spec.kind);
                let problem = Problem::new(Code::WrongFieldType, message);
                self.complain(
                    &below(at, "null_equals"),
                    match example(spec.kind) {
                        Some(example) => problem.help(format!("write it like `{example}`")),
                        None => problem,
                    },
                );
            }
            value
        });
        let mut compare = FieldCompare::exact(spec.kind)
            .with_severity(spec.severity.map(Severity::from))
            .with_null_equals(null_equals);
        if let Some(tolerance) = &spec.tolerance {
            let base = self.base.clone();
            if let Err(problems) = compare.set_tolerance(tolerance, &base) {
                self.adopt(at, problems);
            }
        }
        compare
    }

    /// Complains about formats at `at` that the field's type doesn't have.
    pub(super) fn formats(&mut self, at: &[PathStep], name: &str, kind: Kind, formats: &[String]) {
        if !matches!(kind, Kind::Date | Kind::Datetime) {
            let message = format!("formats are for dates and datetimes; `{name}` is {}", of(kind));
            self.complain_of_key(at, Problem::new(Code::WrongFieldType, message));
        } else if formats.is_empty() {
            self.complain_of_key(at, Problem::new(Code::NoFormats, "the list of formats is empty"));
        }
    }

    /// Complains about a number format at `at` that the field's type doesn't have.
    pub(super) fn numbers(&mut self, at: &[PathStep], name: &str, kind: Kind) {
        if !matches!(kind, Kind::Decimal | Kind::Integer) {
            let message =
                format!("number formats are for decimals and integers; `{name}` is {}", of(kind));
            self.complain_of_key(at, Problem::new(Code::WrongFieldType, message));
        }
    }
}

pub(super) fn is_compared(spec: &FieldSpec) -> bool {
    spec.compare.is_none_or(|compare| *compare)
}

/// A type with its article.
pub(super) fn of(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Integer => "an integer".to_owned(),
        other => format!("a {other}"),
    }
}

/// The value of a setting in canonical notation, as `null_equals` has it.
fn read_value(kind: Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Decimal => Value::Decimal(text.parse::<Decimal>().ok()?),
        Kind::Integer => {
            let number = text.parse::<Decimal>().ok()?;
            Value::Integer((number.scale() == 0).then_some(number.coefficient())?)
        }
        Kind::Date => Value::Date(text.parse::<Date>().ok()?),
        Kind::Datetime => Value::Instant(match Instant::parse_rfc3339_utc(text) {
            Some(instant) => instant,
            None => Instant::new(i64::from(text.parse::<Date>().ok()?.days()) * 86_400, 0),
        }),
        Kind::Boolean => Value::Boolean(match text {
            "true" => true,
            "false" => false,
            _ => return None,
        }),
    })
}

const fn example(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Text => None,
        Kind::Decimal => Some("0.00"),
        Kind::Integer => Some("0"),
        Kind::Date => Some("1900-01-01"),
        Kind::Datetime => Some("1900-01-01T00:00:00Z"),
        Kind::Boolean => Some("false"),
    }
}
