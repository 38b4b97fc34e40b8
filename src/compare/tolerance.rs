//! Common parts of all kinds of tolerance. Each kind is one file with its keys in `recon.yaml`,
//! their bounds, when two values pass, and which setting would clear a difference. The list in
//! `compare/mod.rs` adds it to the configuration, its schema and its documentation.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Problem, SpecProblem};
use crate::domain::calendar::Calendar;
use crate::domain::{Cell, Decimal, Kind, Written};

use super::ToleranceSpec;

/// The distance allowed between two values.
pub(super) trait Tolerance: Debug + Send + Sync {
    /// Checks two values that are not equal.
    fn holds(&self, a: Cell<'_>, b: Cell<'_>) -> bool;

    /// In words, for reports: `±0.005`, `±2 business days`.
    fn describe(&self) -> String;

    /// The smallest setting that lets these values pass, in the words of `recon.yaml`; `None` if no
    /// setting does.
    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String>;

    /// By how much two values that it holds apart miss it, if that is one number.
    fn missed(&self, _: Cell<'_>, _: Cell<'_>) -> Option<String> {
        None
    }

    /// The business calendar that it counts by.
    fn calendar(&self) -> Option<&Calendar> {
        None
    }
}

/// The part of `tolerance` that belongs to one kind of tolerance. [`keys!`] gives the keys.
pub(super) trait Bounds: Keys {
    /// The types of fields that it is for.
    fn kinds(&self) -> &'static [Kind];

    /// The tolerance, or its problems. `base` is the folder that relative paths start from.
    fn resolve(&self, base: &Path, problems: &mut Vec<SpecProblem>) -> Option<Arc<dyn Tolerance>>;

    /// The tolerance that only equal values meet.
    fn tightest(&self) -> Box<dyn Tolerance>;
}

/// The keys of one kind of tolerance, the bound itself first.
pub(super) trait Keys {
    fn keys(&self) -> &'static [&'static str];

    /// The keys that are written.
    fn given(&self) -> Vec<&'static str>;
}

/// Declares `Bounds`: a struct with one optional setting for each key.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident: $type:ty,)+) => {
        #[derive(Clone, Debug, Default, schemars::JsonSchema)]
        pub struct Bounds {
            $($(#[$doc])* $key: Option<$type>,)+
        }

        impl Bounds {
            /// Reads the value of `key`, if it is one of these.
            pub(super) fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match key {
                    $(stringify!($key) => self.$key = map.next_value()?,)+
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl crate::compare::tolerance::Keys for Bounds {
            fn keys(&self) -> &'static [&'static str] {
                &[$(stringify!($key)),+]
            }

            fn given(&self) -> Vec<&'static str> {
                let given = [$((stringify!($key), self.$key.is_some())),+];
                given.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
            }
        }
    };
}
pub(super) use keys;

/// Declares the modules of all kinds of tolerance, and `tolerance` of `recon.yaml`, which takes the
/// keys of all of them.
macro_rules! tolerances {
    ($($kind:ident),+ $(,)?) => {
        $(mod $kind;)+

        /// How far two values of a field may be apart. Bounds are inclusive.
        #[derive(Clone, Debug, Default)]
        pub struct ToleranceSpec {
            $($kind: $kind::Bounds,)+
        }

        impl ToleranceSpec {
            fn all(&self) -> Vec<&dyn tolerance::Bounds> {
                vec![$(&self.$kind),+]
            }
        }

        impl<'de> serde::Deserialize<'de> for ToleranceSpec {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct EveryKey;

                impl<'de> serde::de::Visitor<'de> for EveryKey {
                    type Value = ToleranceSpec;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("struct ToleranceSpec")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<ToleranceSpec, A::Error> {
                        let mut spec = ToleranceSpec::default();
                        while let Some(key) = map.next_key::<String>()? {
                            if !($(spec.$kind.read(&key, &mut map)?)||+) {
                                return Err(serde::de::Error::unknown_field(&key, &KEYS));
                            }
                        }
                        Ok(spec)
                    }
                }

                static KEYS: std::sync::LazyLock<Vec<&'static str>> =
                    std::sync::LazyLock::new(|| {
                        ToleranceSpec::default().all().iter().flat_map(|one| one.keys()).copied().collect()
                    });
                deserializer.deserialize_struct("ToleranceSpec", &KEYS, EveryKey)
            }
        }

        impl schemars::JsonSchema for ToleranceSpec {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                "ToleranceSpec".into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let mut properties = serde_json::Map::new();
                $(
                    let mut schema = $kind::Bounds::json_schema(generator);
                    if let Some(serde_json::Value::Object(own)) = schema.remove("properties") {
                        properties.extend(own);
                    }
                )+
                schemars::json_schema!({
                    "description": "How far two values of a field may be apart. Bounds are inclusive.",
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                })
            }
        }
    };
}
pub(super) use tolerances;

/// Equal values only.
#[derive(Debug)]
pub(super) struct Exact(pub Kind);

impl Tolerance for Exact {
    fn holds(&self, _: Cell<'_>, _: Cell<'_>) -> bool {
        false
    }

    fn describe(&self) -> String {
        "exact".to_owned()
    }

    fn clearing(&self, a: Cell<'_>, b: Cell<'_>) -> Option<String> {
        let none = ToleranceSpec::default();
        let first = none.all().into_iter().find(|bounds| bounds.kinds().contains(&self.0))?;
        first.tightest().clearing(a, b)
    }
}

impl ToleranceSpec {
    /// The calendar of a bound in business days; `base` is the folder that relative paths start from.
    pub fn calendar(&self, base: &Path) -> Option<Calendar> {
        self.business_days.calendar(base)
    }

    pub(super) fn resolve(
        &self,
        kind: Kind,
        base: &Path,
    ) -> Result<Arc<dyn Tolerance>, Vec<SpecProblem>> {
        let (fitting, others): (Vec<_>, Vec<_>) =
            self.all().into_iter().partition(|bounds| bounds.kinds().contains(&kind));
        let known: Vec<String> =
            fitting.iter().flat_map(|bounds| bounds.keys()).map(|key| format!("`{key}`")).collect();
        let help = match known.as_slice() {
            [] => format!("a {kind} field has no tolerance"),
            known => format!("a {kind} field may have {}", known.join(", ")),
        };
        let misplaced = |key: &str| {
            let message = format!("a {kind} field has no tolerance `{key}`");
            let problem = Problem::new(Code::ToleranceType, message).help(help.clone());
            SpecProblem::new([key], problem)
        };
        let mut problems: Vec<SpecProblem> =
            others.iter().flat_map(|bounds| bounds.given()).map(misplaced).collect();

        let mut chosen: Option<Arc<dyn Tolerance>> = None;
        let mut first: Option<&str> = None;
        for bounds in fitting {
            let (given, main) = (bounds.given(), bounds.keys().first().copied());
            if given.is_empty() {
                continue;
            }
            if let Some(main) = main.filter(|main| given.contains(main)) {
                match first {
                    Some(first) => problems
                        .push(wrong(main, format!("`{first}` and `{main}` exclude each other"))),
                    None => first = Some(main),
                }
            }
            chosen = bounds.resolve(base, &mut problems).or(chosen);
        }
        if problems.is_empty() {
            Ok(chosen.unwrap_or_else(|| Arc::new(Exact(kind))))
        } else {
            Err(problems)
        }
    }
}

pub(super) fn wrong(key: &str, message: impl Into<String>) -> SpecProblem {
    SpecProblem::new([key], Problem::new(Code::Tolerance, message))
}

/// Complains about a negative bound.
pub(super) fn not_negative(
    key: &str,
    bound: Option<Written<Decimal>>,
    problems: &mut Vec<SpecProblem>,
) {
    if bound.is_some_and(|bound| bound.0 < Decimal::ZERO) {
        problems.push(wrong(key, format!("`{key}` can't be negative")));
    }
}

/// A similarity of 0 to 1; reports any other number.
pub(super) fn likeness(
    key: &str,
    least: Written<Decimal>,
    problems: &mut Vec<SpecProblem>,
) -> Option<Decimal> {
    let fits = (Decimal::ZERO..=Decimal::ONE).contains(&least.0);
    if !fits {
        problems.push(wrong(key, format!("`{key}` is between 0 and 1")));
    }
    fits.then_some(least.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{FieldCompare, FieldResult};
    use super::*;
    use crate::diagnostic::PathStep;
    use crate::domain::{Cells, Row};

    pub(in crate::compare) fn resolve(
        kind: Kind,
        tolerance: &str,
    ) -> Result<FieldCompare, Vec<SpecProblem>> {
        let spec: ToleranceSpec = serde_yaml::from_str(tolerance).unwrap();
        let mut field = FieldCompare::exact(kind);
        field.set_tolerance(&spec, Path::new("."))?;
        Ok(field)
    }

    /// A field with this `tolerance`.
    pub(in crate::compare) fn field(kind: Kind, tolerance: &str) -> FieldCompare {
        resolve(kind, tolerance).unwrap()
    }

    /// The error messages for this `tolerance`.
    pub(in crate::compare) fn complaints(kind: Kind, tolerance: &str) -> Vec<String> {
        let problems = resolve(kind, tolerance).unwrap_err();
        problems.into_iter().map(|problem| problem.problem.message).collect()
    }

    pub(in crate::compare) fn compare(
        field: &FieldCompare,
        a: Cell<'_>,
        b: Cell<'_>,
    ) -> FieldResult {
        let (a, b) = (Row::of([a]), Row::of([b]));
        field.compare(Cells::new(&a.cells).next().unwrap(), Cells::new(&b.cells).next().unwrap())
    }

    #[test]
    fn names_every_mistake_at_once() {
        let yaml = "{ days: '1', absolute: '-1', percent: '1', base: a, similarity: '0.5' }";
        assert_eq!(
            complaints(Kind::Decimal, yaml),
            [
                "a decimal field has no tolerance `days`",
                "a decimal field has no tolerance `similarity`",
                "`absolute` can't be negative",
                "with both `absolute` and `percent`, say how they join",
            ]
        );
        let problems = resolve(Kind::Decimal, yaml).unwrap_err();
        assert_eq!(problems[0].path, [PathStep::from("tolerance"), PathStep::from("days")]);
        assert_eq!(
            complaints(Kind::Date, "{ days: '1', business_days: '1' }"),
            ["`days` and `business_days` exclude each other"]
        );
        assert_eq!(
            complaints(Kind::Boolean, "{ absolute: '1' }"),
            ["a boolean field has no tolerance `absolute`"]
        );
    }

    #[test]
    fn every_key_belongs_to_one_kind_of_tolerance() {
        let none = ToleranceSpec::default();
        let keys: Vec<_> = none.all().iter().flat_map(|bounds| bounds.keys()).collect();
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(keys.len(), distinct.len());
    }
}
