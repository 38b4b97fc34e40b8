//! The sources: their maps, formats, numbers and steps.

use std::sync::Arc;

use super::fields::is_compared;
use super::{Checker, below};
use crate::config::resolved::{ResolvedField, ResolvedSource};
use crate::config::spec::SourceSpec;
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem};
use crate::domain::{Kind, Layout, PerSide, Side};
use crate::normalize::Condition;
use crate::source::{ReadNumber, SourcePlan};

impl Checker<'_> {
    /// Both sources; `None` if too much is wrong.
    pub(super) fn sources(
        &mut self,
        fields: Option<&(Layout, Vec<ResolvedField>)>,
    ) -> Option<PerSide<ResolvedSource>> {
        let sources = self.spec.sources.as_ref()?;
        let mut source = |spec: &Option<SourceSpec>, side| {
            spec.as_ref().and_then(|spec| self.source(side, spec, fields.map(|(layout, _)| layout)))
        };
        let (a, b) = (source(&sources.a, Side::A), source(&sources.b, Side::B));
        let sources = PerSide { a: a?, b: b? };
        if sources.a.read.is_stdin() && sources.b.read.is_stdin() {
            let problem = Problem::new(Code::StdinTwice, "both sources are standard input");
            let problem = problem.help("it can be read once: write one of them to a file");
            self.complain(&path(["sources", "b", "read"]), problem);
        }
        Some(sources)
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
        self.own_ways(&at, spec);
        if let Some(filter) = &spec.filter {
            self.filter(&below(&at, "filter"), side, filter);
        }
        let conditions = self.conditions(&below(&at, "where"), spec);
        let timezone = self.timezone(&at, spec);
        let read = self.read(&below(&at, "read"), spec);
        let fields = layout.map(|layout| self.readings(side, spec, layout, timezone.as_ref()));
        if let (Some(layout), Some(fields)) = (layout, &fields) {
            self.unused_timezone(&at, spec, layout, fields);
        }
        let map = spec.map.as_ref()?;
        let (mut read, fields) = (read?, fields?);
        let columns: Vec<Option<String>> =
            layout?.names().map(|name| map.get(name).cloned()).collect();
        let numbers = read.summed_columns().into_iter().map(|column| {
            let at = columns.iter().position(|mapped| mapped.as_ref() == Some(&column));
            let format = at.and_then(|at| fields.get(at)).map(|field| field.numbers.clone());
            let format = format.unwrap_or_default();
            let read: ReadNumber = Arc::new(move |text| format.decimal(text, &mut Vec::new()).ok());
            read
        });
        let numbers = numbers.collect();
        read.read_sums_with(numbers);
        Some(ResolvedSource {
            system: spec.system.clone()?,
            columns,
            filter: spec.filter.clone(),
            conditions,
            fill: spec.fill.clone().unwrap_or_default(),
            script: self.scripts.source(side).cloned(),
            row_function: self.scripts.sets_fields(side),
            read,
            fields,
            timezone,
        })
    }

    fn conditions(&mut self, at: &[PathStep], spec: &SourceSpec) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for (index, spec) in spec.conditions.iter().flatten().enumerate() {
            match spec.resolve() {
                Ok(condition) => conditions.push(condition),
                Err(problems) => self.adopt(&below(at, index), problems),
            }
        }
        conditions
    }

    fn read(&mut self, at: &[PathStep], spec: &SourceSpec) -> Option<SourcePlan> {
        let resolved = spec.read.as_ref()?.resolve(&self.base);
        resolved.map_err(|problems| self.adopt(at, problems)).ok()
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
                let problem = Problem::new(Code::EmptyColumn, "the column has no name");
                self.complain(&below(at, field), problem);
            }
        }
        let document = self.document;
        for field in document.keys(&path(["fields"])) {
            // A mapping whose value is broken is a mapping; so is one with a typing error.
            let is_mapped = document.find(&below(at, field)).is_some() || meant.contains(&field);
            let fields = self.spec.fields.as_ref();
            let is_informational =
                fields.and_then(|fields| fields.get(field)).is_some_and(|spec| !is_compared(spec));
            // With `match`, it is enough that one source has a field.
            let other = path(["sources", side.other().letter(), "map", field]);
            let is_informational = is_informational
                || (self.spec.matching.is_some() && document.find(&other).is_some());
            if !is_mapped && !is_informational && !self.scripts.may_set_fields(side) {
                let message = format!("the field `{field}` has no column in source {side}");
                let help = format!(
                    "add `{field}: COLUMN`, or `compare: false` to the field if only one source has it"
                );
                let problem = Problem::new(Code::UnmappedField, message).help(help);
                self.complain_of_key(at, problem);
            }
        }
    }

    /// Checks that the source's formats, number formats and steps fit their fields.
    fn own_ways(&mut self, at: &[PathStep], spec: &SourceSpec) {
        for (field, formats) in spec.formats.iter().flat_map(|formats| formats.iter()) {
            let at = below(&below(at, "formats"), field);
            if let Some(kind) = self.kind_of(&at, field) {
                self.formats(&at, field, kind, formats);
            }
        }
        for (field, _) in spec.numbers.iter().flat_map(|numbers| numbers.iter()) {
            let at = below(&below(at, "numbers"), field);
            if let Some(kind) = self.kind_of(&at, field) {
                self.numbers(&at, field, kind);
            }
        }
        for (field, _) in spec.normalize.iter().flat_map(|steps| steps.iter()) {
            self.kind_of(&below(&below(at, "normalize"), field), field);
        }
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
