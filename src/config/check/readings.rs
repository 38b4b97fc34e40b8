//! How the cells of a source are read: steps, formats, number formats and the time zone.

use jiff::tz::TimeZone;

use super::{Checker, below};
use crate::config::resolved::Reading;
use crate::config::spec::{FieldSpec, SourceSpec};
use crate::config::tree::path;
use crate::diagnostic::{Code, PathStep, Problem, SpecProblem};
use crate::domain::{Kind, Layout, Side};
use crate::normalize::{
    NumberFormat, NumberSpec, Step, StepSpec, TimeFormat, ambiguous_formats, resolve_steps,
    resolve_timezone,
};

impl Checker<'_> {
    /// How each field of the layout is read from this source.
    pub(super) fn readings(
        &mut self,
        side: Side,
        spec: &SourceSpec,
        layout: &Layout,
        zone: Option<&TimeZone>,
    ) -> Vec<Reading> {
        let source = path(["sources", side.letter()]);
        let fields = self.spec.fields.as_ref();
        let names: Vec<_> = layout.names().collect();
        names
            .into_iter()
            .filter_map(|name| Some((name, fields?.get(name)?)))
            .map(|(name, field)| self.reading(side, &source, spec, (name, field), zone))
            .collect()
    }

    fn reading(
        &mut self,
        side: Side,
        source: &[PathStep],
        spec: &SourceSpec,
        (name, field): (&str, &FieldSpec),
        zone: Option<&TimeZone>,
    ) -> Reading {
        let own = |section: &str| below(&below(source, section), name);
        let fields = path(["fields", name]);
        let source_steps = spec.normalize.as_ref().and_then(|steps| steps.get(name));
        let source_formats = spec.formats.as_ref().and_then(|formats| formats.get(name));
        let source_numbers = spec.numbers.as_ref().and_then(|numbers| numbers.get(name));
        // The field's own are looked at even where this source has others.
        let formats = field.formats.as_ref();
        let formats =
            formats.map(|all| self.time_formats(&below(&fields, "formats"), field.kind, all, zone));
        let numbers = field.numbers.as_ref();
        let numbers = numbers.map(|spec| self.number_format(&below(&fields, "numbers"), spec));
        let formats = match source_formats {
            Some(all) => self.time_formats(&own("formats"), field.kind, all, zone),
            None => formats.unwrap_or_default(),
        };
        let numbers = match source_numbers {
            Some(spec) => self.number_format(&own("numbers"), spec),
            None => numbers.unwrap_or_default(),
        };
        let own_steps = own("normalize");
        let field_steps = below(&fields, "normalize");
        Reading {
            source_steps: source_steps
                .map_or_else(Vec::new, |steps| self.steps(side, &own_steps, name, field, steps)),
            steps: field
                .normalize
                .as_ref()
                .map_or_else(Vec::new, |steps| self.steps(side, &field_steps, name, field, steps)),
            formats,
            numbers,
        }
    }

    fn steps(
        &mut self,
        side: Side,
        at: &[PathStep],
        name: &str,
        field: &FieldSpec,
        specs: &[StepSpec],
    ) -> Vec<Step> {
        let resolved = resolve_steps(specs, &self.base, &|name| self.scripts.has(side, name, 1));
        for (index, step) in resolved.iter().flatten().enumerate() {
            if let Some(warning) = step.file_note().and_then(|note| note.warning.clone()) {
                self.complain_once(&below(at, index), warning);
            }
        }
        if let (Ok(steps), false) = (&resolved, matches!(field.kind, Kind::Decimal | Kind::Integer))
        {
            for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.is_for_numbers())
            {
                let message = format!(
                    "step `{}` is for decimals and integers; `{name}` is {}",
                    step.label(),
                    field.kind
                );
                self.complain(&below(at, index), Problem::new(Code::WrongFieldType, message));
            }
        }
        resolved.unwrap_or_else(|mut problems| {
            for SpecProblem { path, problem } in &mut problems {
                // The stage knows its own steps, not the names in the script.
                let ([PathStep::Index(index), ..], None) = (path.as_slice(), &problem.help) else {
                    continue;
                };
                let Some(name) = specs.get(*index).map(StepSpec::name) else { continue };
                problem.help = match self.scripts.arity(side, name) {
                    Some(arity) => Some(format!(
                        "the script's `{name}` takes {arity} values; a step is a function of one"
                    )),
                    None => self
                        .scripts
                        .nearest(side, name, 1)
                        .map(|meant| format!("did you mean `{meant}`?")),
                };
            }
            self.adopt(at, problems);
            Vec::new()
        })
    }

    /// Reports a problem once that both sources share.
    fn complain_once(&mut self, at: &[PathStep], problem: Problem) {
        let place = Some(Box::new(self.document.place(at)));
        if !self.problems.iter().any(|known| known.code == problem.code && known.place == place) {
            self.complain(at, problem);
        }
    }

    fn number_format(&mut self, at: &[PathStep], spec: &NumberSpec) -> NumberFormat {
        spec.resolve().unwrap_or_else(|problems| {
            self.adopt(at, problems);
            NumberFormat::default()
        })
    }

    fn time_formats(
        &mut self,
        at: &[PathStep],
        kind: Kind,
        texts: &[String],
        zone: Option<&TimeZone>,
    ) -> Vec<TimeFormat> {
        if !matches!(kind, Kind::Date | Kind::Datetime) {
            // An error was already given where the field is checked.
            return Vec::new();
        }
        let mut formats = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match TimeFormat::parse(text, kind) {
                Ok(format) => formats.push(format),
                Err(problem) => self.complain(&below(at, index), problem),
            }
        }
        if let Some(ambiguous) = ambiguous_formats(&formats, kind, zone) {
            let problem = Problem::new(Code::AmbiguousFormat, ambiguous.to_string());
            self.complain_once(at, problem);
        }
        formats
    }

    /// Warns about a time zone without effect.
    pub(super) fn unused_timezone(
        &mut self,
        at: &[PathStep],
        spec: &SourceSpec,
        layout: &Layout,
        fields: &[Reading],
    ) {
        if spec.timezone.is_none() {
            return;
        }
        let needs_it =
            layout.fields().iter().zip(fields).any(|(field, reading)| match field.kind {
                Kind::Datetime => true,
                Kind::Date => reading.formats.iter().any(TimeFormat::has_offset),
                _ => false,
            });
        if !needs_it {
            let message = "the time zone changes nothing: no field of this source is a datetime, or a \
                           date that is read from a time with an offset";
            let problem = Problem::new(Code::UnusedTimezone, message)
                .help("remove it; a date without a time is the same day everywhere");
            self.complain(&below(at, "timezone"), problem);
        }
    }

    /// The time zone of a source's datetimes without one.
    pub(super) fn timezone(&mut self, at: &[PathStep], spec: &SourceSpec) -> Option<TimeZone> {
        let name = spec.timezone.as_deref()?;
        match resolve_timezone(name) {
            Ok(zone) => Some(zone),
            Err(problem) => {
                self.complain(&below(at, "timezone"), problem);
                None
            }
        }
    }
}
