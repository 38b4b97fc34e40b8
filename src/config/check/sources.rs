//! The sources: what they are mapped to, and how each one's own ways fit the fields.

use std::collections::HashMap;

use super::{Checker, below};
use crate::config::resolved::{ResolvedField, ResolvedSource, SourceWays};
use crate::config::spec::SourceSpec;
use crate::config::tree::path;
use crate::diagnostic::{PathStep, Problem};
use crate::domain::{Kind, Layout, PerSide, Side};
use crate::normalize::resolve_timezone;

impl Checker<'_> {
    /// Both sources; none if that can't be told.
    pub(super) fn sources(
        &mut self,
        fields: Option<&(Layout, Vec<ResolvedField>)>,
    ) -> Option<PerSide<ResolvedSource>> {
        let sources = self.spec.sources.as_ref()?;
        let mut source = |spec: &Option<SourceSpec>, side| {
            spec.as_ref().and_then(|spec| self.source(side, spec, fields.map(|(layout, _)| layout)))
        };
        let (a, b) = (source(&sources.a, Side::A), source(&sources.b, Side::B));
        Some(PerSide { a: a?, b: b? })
    }

    fn source(
        &mut self,
        side: Side,
        spec: &SourceSpec,
        layout: Option<&Layout>,
    ) -> Option<ResolvedSource> {
        let at = path(["sources", side.letter()]);
        if let Some(system) = &spec.system {
            self.name(&below(&at, "system"), "the system's name", system);
        }
        self.map(&below(&at, "map"), side, spec);
        let ways = self.ways(&at, spec);
        let timezone = spec.timezone.as_deref().and_then(|name| {
            let found = resolve_timezone(name);
            found.map_err(|problem| self.complain(&below(&at, "timezone"), problem)).ok()
        });
        if let Some(filter) = &spec.filter {
            self.filter(&below(&at, "filter"), filter);
        }
        let read = spec.read.as_ref().and_then(|read| {
            let found = read.resolve(&self.base);
            found.map_err(|problems| self.adopt(&below(&at, "read"), problems)).ok()
        });
        let map = spec.map.as_ref()?;
        Some(ResolvedSource {
            system: spec.system.clone()?,
            read: read?,
            columns: layout?.names().map(|name| map.get(name).cloned()).collect(),
            ways: layout?.names().map(|name| ways.get(name).cloned().unwrap_or_default()).collect(),
            timezone,
            filter: spec.filter.clone(),
        })
    }

    fn map(&mut self, at: &[PathStep], side: Side, spec: &SourceSpec) {
        let Some(map) = &spec.map else { return };
        let mut meant = Vec::new();
        for (field, column) in map.iter() {
            if !self.has_field(field) {
                meant.extend(self.nearest_field(field));
                let problem = self.unknown_field(field);
                self.complain_of_key(&below(at, field), problem);
            }
            if column.is_empty() {
                let problem = Problem::usage("empty-column", "the column has no name");
                self.complain(&below(at, field), problem);
            }
        }
        let document = self.document;
        for field in document.keys(&path(["fields"])) {
            // A mapping whose value is broken is a mapping; so is one with a typing error.
            let is_mapped = document.find(&below(at, field)).is_some() || meant.contains(&field);
            if !is_mapped && !self.scripts.may_set_fields() {
                let message = format!("the field `{field}` has no column in source {side}");
                let help = format!("add `{field}: COLUMN`");
                let problem = Problem::usage("unmapped-field", message).help(help);
                self.complain_of_key(at, problem);
            }
        }
    }

    /// The source's formats, number formats and steps, each of a field that can have them.
    fn ways(&mut self, at: &[PathStep], spec: &SourceSpec) -> HashMap<String, SourceWays> {
        let mut ways: HashMap<String, SourceWays> = HashMap::new();
        for (field, formats) in spec.formats.iter().flat_map(|formats| formats.iter()) {
            let at = below(&below(at, "formats"), field);
            if let Some(kind) = self.kind_of(&at, field) {
                let formats = self.formats(&at, field, kind, formats);
                ways.entry(field.to_owned()).or_default().formats = Some(formats);
            }
        }
        for (field, numbers) in spec.numbers.iter().flat_map(|numbers| numbers.iter()) {
            let at = below(&below(at, "numbers"), field);
            if let Some(kind) = self.kind_of(&at, field) {
                let numbers = self.numbers(&at, field, kind, numbers);
                ways.entry(field.to_owned()).or_default().numbers = Some(numbers);
            }
        }
        for (field, steps) in spec.normalize.iter().flat_map(|steps| steps.iter()) {
            let at = below(&below(at, "normalize"), field);
            self.kind_of(&at, field);
            let steps = self.steps(&at, Some(steps));
            ways.entry(field.to_owned()).or_default().steps = steps;
        }
        ways
    }

    /// The type of a field that the key at `at` names; complains about an unknown one.
    fn kind_of(&mut self, at: &[PathStep], field: &str) -> Option<Kind> {
        if !self.has_field(field) {
            let problem = self.unknown_field(field);
            self.complain_of_key(at, problem);
        }
        self.spec.fields.as_ref()?.get(field).map(|spec| spec.kind)
    }
}
