//! The canonical fields and the key: which there are, and what fits their types.

use super::{Checker, below};
use crate::compare::{CompareSpec, FieldCompare};
use crate::config::resolved::ResolvedField;
use crate::config::spec::{FieldSpec, Spec};
use crate::config::tree::path;
use crate::diagnostic::{PathStep, Problem};
use crate::domain::layout::Field;
use crate::domain::{Date, Decimal, FieldRef, Instant, Kind, Layout, Severity, Value};
use crate::normalize::{NumberFormat, NumberSpec, Step, StepSpec, TimeFormat};
use crate::normalize::{ambiguous_formats, resolve_steps};

impl<'a> Checker<'a> {
    /// The layout and how its fields are treated; none if that can't be told.
    pub(super) fn fields(&mut self) -> Option<(Layout, Vec<ResolvedField>)> {
        let key = self.key();
        let fields = self.spec.fields.as_ref()?;
        if self.document.keys(&path(["fields"])).next().is_none() {
            let problem = Problem::usage("no-fields", "`fields` is empty");
            self.complain_of_key(&path(["fields"]), problem);
        }
        if fields.0.len() > usize::from(u16::MAX) {
            let problem = Problem::usage("too-many-fields", "there are too many fields");
            self.complain_of_key(&path(["fields"]), problem);
        }
        let mut resolved: Vec<(Field, ResolvedField)> = Vec::new();
        for (name, spec) in fields.iter() {
            let field = self.field(name, spec, key.contains(&name));
            resolved.push((Field { name: name.to_owned(), kind: spec.kind }, field));
        }
        // The key first, in its own order; sorting keeps the order of the others.
        let rank = |name: &str| key.iter().position(|part| *part == name).unwrap_or(key.len());
        resolved.sort_by_key(|(field, _)| rank(&field.name));
        let key_len = key.iter().filter(|part| fields.contains(part)).count();
        let (layout, treatment): (Vec<_>, Vec<_>) = resolved.into_iter().unzip();
        (key_len > 0).then(|| (Layout::new(layout, key_len), treatment))
    }

    /// The parts of the key, each once.
    fn key(&mut self) -> Vec<&'a str> {
        let spec: &'a Spec = self.spec;
        let Some(written) = &spec.key else { return Vec::new() };
        let at = path(["key"]);
        if written.is_empty() {
            let problem = Problem::usage("no-key", "the key is empty");
            let help = "name the fields by which a row of A and a row of B belong together";
            self.complain_of_key(&at, problem.help(help));
        }
        let mut parts: Vec<&'a str> = Vec::new();
        for (index, part) in written.iter().enumerate() {
            let here = below(&at, index);
            if parts.contains(&part.as_str()) {
                let message = format!("`{part}` is twice in the key");
                self.complain(&here, Problem::usage("duplicate-key-field", message));
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
        }
        let formats = spec.formats.as_deref();
        let formats = formats.map(|all| self.formats(&below(&at, "formats"), name, spec.kind, all));
        let numbers = spec.numbers.as_ref();
        let numbers = numbers.map(|one| self.numbers(&below(&at, "numbers"), name, spec.kind, one));
        let monetary = spec.monetary.is_some_and(|monetary| *monetary);
        if monetary && spec.kind != Kind::Decimal {
            let message = format!("`monetary` is for decimal fields; `{name}` is {}", of(spec.kind));
            self.complain(&below(&at, "monetary"), Problem::usage("wrong-field-type", message));
        }
        ResolvedField {
            steps: self.steps(&below(&at, "normalize"), spec.normalize.as_deref()),
            formats: formats.unwrap_or_default(),
            numbers: numbers.unwrap_or_default(),
            compare: self.comparison(&at, spec, is_key),
            monetary,
            description: spec.description.clone(),
        }
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
        self.complain_of_key(at, Problem::usage("bad-name", problem));
    }

    /// Keys are compared exactly, and a row without one is rejected.
    fn key_field(&mut self, at: &[PathStep], name: &str, spec: &FieldSpec) {
        if spec.tolerance.is_some() {
            let message = format!("`{name}` is in the key; keys are compared without tolerance");
            let help = "remove the tolerance, or take the field out of the key";
            let problem = Problem::usage("key-tolerance", message).help(help);
            self.complain_of_key(&below(at, "tolerance"), problem);
        }
        if spec.null_equals.is_some() {
            let message =
                format!("`{name}` is in the key; a row whose key is null is always rejected");
            let help = "use a step such as `default`, or remove `null_equals`";
            let problem = Problem::usage("key-null", message).help(help);
            self.complain_of_key(&below(at, "null_equals"), problem);
        }
        if spec.severity.is_some() {
            let message = format!("`{name}` is in the key; no difference of it is ever reported");
            let problem = Problem::warning("key-severity", message);
            self.complain_of_key(&below(at, "severity"), problem);
        }
    }

    fn comparison(&mut self, at: &[PathStep], spec: &FieldSpec, is_key: bool) -> FieldCompare {
        if is_key {
            return FieldCompare::exact(spec.kind);
        }
        let null_equals = spec.null_equals.as_deref().and_then(|text| {
            let value = read_value(spec.kind, text);
            if value.is_none() {
                let message = format!("`{text}` is not a value of type {}", spec.kind);
                let problem = Problem::usage("wrong-field-type", message);
                self.complain(&below(at, "null_equals"), match example(spec.kind) {
                    Some(example) => problem.help(format!("write it like `{example}`")),
                    None => problem,
                });
            }
            value
        });
        let compare = CompareSpec {
            kind: spec.kind,
            tolerance: spec.tolerance.as_ref(),
            severity: spec.severity.map(Severity::from),
            null_equals,
        };
        compare.resolve(&self.base).unwrap_or_else(|problems| {
            self.adopt(at, problems);
            FieldCompare::exact(spec.kind)
        })
    }

    /// Resolves the steps at `at`.
    pub(super) fn steps(&mut self, at: &[PathStep], steps: Option<&[StepSpec]>) -> Vec<Step> {
        let scripts = &self.scripts;
        let is_function = |name: &str| scripts.has(name, 1);
        resolve_steps(steps.unwrap_or_default(), &self.base, &is_function).unwrap_or_else(|found| {
            self.adopt(at, found);
            Vec::new()
        })
    }

    /// Resolves the formats at `at`.
    pub(super) fn formats(
        &mut self,
        at: &[PathStep],
        name: &str,
        kind: Kind,
        formats: &[String],
    ) -> Vec<TimeFormat> {
        if !matches!(kind, Kind::Date | Kind::Datetime) {
            let message = format!("formats are for dates and datetimes; `{name}` is {}", of(kind));
            self.complain_of_key(at, Problem::usage("wrong-field-type", message));
            return Vec::new();
        }
        if formats.is_empty() {
            self.complain_of_key(at, Problem::usage("no-formats", "the list of formats is empty"));
        }
        let mut resolved = Vec::new();
        for (index, format) in formats.iter().enumerate() {
            match TimeFormat::parse(format, kind) {
                Ok(format) => resolved.push(format),
                Err(problem) => self.complain(&below(at, index), problem),
            }
        }
        if resolved.len() == formats.len()
            && let Some(two) = ambiguous_formats(&resolved)
        {
            let format = |index: usize| formats.get(index).map_or("", String::as_str);
            let message = format!(
                "`{}` is {} as `{}` and {} as `{}`",
                two.example,
                two.readings.0,
                format(two.formats.0),
                two.readings.1,
                format(two.formats.1),
            );
            let help = "the first format that fits is taken; keep one of the two";
            let problem = Problem::warning("ambiguous-formats", message).help(help);
            self.complain(&below(at, two.formats.1), problem);
        }
        resolved
    }

    /// Resolves the number format at `at`.
    pub(super) fn numbers(
        &mut self,
        at: &[PathStep],
        name: &str,
        kind: Kind,
        numbers: &NumberSpec,
    ) -> NumberFormat {
        if !matches!(kind, Kind::Decimal | Kind::Integer) {
            let message =
                format!("number formats are for decimals and integers; `{name}` is {}", of(kind));
            self.complain_of_key(at, Problem::usage("wrong-field-type", message));
        }
        numbers.resolve().unwrap_or_else(|found| {
            self.adopt(at, found);
            NumberFormat::default()
        })
    }
}

/// A type with its article.
fn of(kind: Kind) -> String {
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
