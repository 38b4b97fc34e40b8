//! Tries types, steps and factors on the joined rows of both sides.

use std::collections::BTreeSet;

use super::super::extract::{Column, Extract, loose};
use super::super::joined::{Fact, Joined};
use super::super::mapping::{Pair, TELLING_ROWS};
use super::super::profile::{Profile, Profiler};
use super::super::reading::{COUNTED, Reading, Trial, resolve};
use super::super::sketch::ratio;
use super::super::words::{Shipped, WordFunction, translate};
use super::super::write::{clipped, step_text};
use super::{FieldGuess, Measured, Uniting, kind_of, plain_steps, type_confidence};
use crate::diagnostic::Problem;
use crate::domain::{Cell, Decimal, Kind, PerSide, Side};
use crate::normalize::{ArgumentSpec, PercentSpec, StepSpec};

/// The input of field inference.
pub struct FieldInputs<'e> {
    pub extracts: &'e PerSide<Extract>,
    /// The joined rows of both sides.
    pub joined: &'e Joined,
    /// The functions already in `rules/normalize.rhai`.
    pub shipped: &'e mut Shipped,
}

impl FieldInputs<'_> {
    /// Infers the field of a pair of columns. Adds a function to `functions` if the field needs
    /// one.
    pub fn field(
        &mut self,
        name: String,
        pair: &Pair,
        is_key: bool,
        functions: &mut Vec<WordFunction>,
    ) -> Result<Option<FieldGuess>, Problem> {
        let (Some(a), Some(b)) = (
            self.extracts.a.columns.get(pair.columns.a),
            self.extracts.b.columns.get(pair.columns.b),
        ) else {
            return Ok(None);
        };
        let mut profiles = PerSide { a: a.profile.clone(), b: b.profile.clone() };
        let mut kind = kind_of(a, b, is_key);
        if kind == Kind::Text
            && let Some(time) = self.counted_time(pair.columns, &mut profiles)?
        {
            kind = time;
        }
        if matches!(kind, Kind::Decimal | Kind::Integer) {
            profiles.a.read_as_number();
            profiles.b.read_as_number();
        }
        let names = PerSide { a: a.name.clone(), b: b.name.clone() };
        let mut field = FieldGuess::new(name, names, pair.confidence, pair.why.clone(), kind);
        field.key = is_key;
        field.readings = profiles.as_ref().map(|_, profile| profile.reading.clone());
        let shortened =
            Side::BOTH.into_iter().find_map(|side| Some((side, profiles[side].shortened()?)));
        if let Some((side, value)) = shortened {
            field.notes.push(format!(
                "values of {side} such as `{value}` lack digits, as spreadsheets show long numbers: export the \
                 column as text"
            ));
        }
        if field.kind != Kind::Text {
            self.settle(pair.columns, &mut profiles)?;
        }
        field.type_confidence = type_confidence(&field, &profiles);
        let mut words = None;
        match field.kind {
            Kind::Text => {
                // Marks of debits and credits are a part of numbers only.
                let steps = profiles.as_ref().map(|_, profile| profile.reading.steps.clone());
                field.source_normalize = self.needed(pair.columns, steps);
                words = self.text(&mut field, pair, functions);
            }
            Kind::Decimal | Kind::Integer => {
                self.signs_and_units(&mut field, pair.columns, &mut profiles);
                field.set_tolerance(profiles.a.scale, profiles.b.scale, false);
                self.zero_for_null(&mut field, pair.columns);
            }
            _ => {}
        }
        field.set_readings(&profiles);
        field.readings = profiles.as_ref().map(|_, profile| profile.reading.clone());
        let mut measured = self.measure(&field, pair.columns, words.as_deref());
        // A side that rounds does so in many rows. If few need it, fewer decimals are zeros that were left out, and
        // the coarser tolerance would hide errors.
        if measured.within_tolerance * 5 < measured.of {
            field.set_tolerance(profiles.a.scale, profiles.b.scale, true);
            measured = self.measure(&field, pair.columns, words.as_deref());
        }
        self.tell_of_steps(&mut field, pair.columns, words.as_deref(), measured);
        self.doubts(&mut field, pair.columns, measured);
        field.set_measured(measured);
        Ok(Some(field))
    }

    /// Notes on values that seldom agree, and on texts that seem to mean null.
    fn doubts(&self, field: &mut FieldGuess, columns: PerSide<usize>, measured: Measured) {
        let agreeing = measured.equal + measured.within_tolerance;
        let agreement = self.joined.agreement(columns);
        if agreement.near && measured.of >= TELLING_ROWS as u64 && agreeing * 10 < measured.of * 9 {
            field.notes.push(
                "the values are often close but unequal: find out why, such as rounding or another price source, and \
                 set `tolerance` only for what may be ignored"
                    .to_owned(),
            );
        } else if agreeing == 0 && measured.of >= 3 {
            let written =
                self.joined.pairs(columns).find(|(a, b)| a.loose.is_some() && b.loose.is_some());
            if let Some((a, b)) = written {
                field.notes.push(format!(
                    "none of the {} joined rows agree, such as `{}` and `{}`: check that the columns are the same fact, \
                     and how each side writes it",
                    measured.of,
                    clipped(a.written.trim()),
                    clipped(b.written.trim())
                ));
            }
        }
        for side in Side::BOTH {
            let texts = self.joined.pairs(columns).filter_map(|(a, b)| {
                let (own, other) = if side == Side::A { (a, b) } else { (b, a) };
                (own.loose.is_some() && Profiler::is_null_marker(own.written.trim()))
                    .then_some((own.written.trim(), other.loose.is_none()))
            });
            let texts: Vec<(&str, bool)> = texts.collect();
            let empty = texts.iter().filter(|(_, is_empty)| *is_empty).count();
            if let Some((text, _)) =
                texts.first().filter(|_| empty >= 3 && empty * 10 >= texts.len() * 9)
            {
                field.notes.push(format!(
                    "{side} has `{text}` in {empty} rows where {} has nothing: if it means that, add it to \
                     `null_values` of {side}",
                    side.other()
                ));
            }
        }
    }

    /// Reads the numbers of one side as the days or seconds that they count, if they then are the dates of
    /// the other side.
    fn counted_time(
        &self,
        columns: PerSide<usize>,
        profiles: &mut PerSide<Profile>,
    ) -> Result<Option<Kind>, Problem> {
        let is_time =
            |side: Side| matches!(profiles[side].reading.kind, Kind::Date | Kind::Datetime);
        let Some(side) = Side::BOTH
            .into_iter()
            .find(|side| profiles[*side].is_number() && is_time(side.other()))
        else {
            return Ok(None);
        };
        let kind = profiles[side.other()].reading.kind;
        let mut tried = profiles.clone();
        let mut readings = COUNTED.map(|format| Reading::time(kind, format)).into_iter();
        let profile = &mut tried[side];
        profile.fit = 1.0;
        profile.reading = readings.next().unwrap_or_else(Reading::text);
        profile.alternatives = readings.collect();
        let agreeing = self.settle(columns, &mut tried)?;
        let rows = self.joined.pairs(columns).count() as u64;
        let is_one = agreeing >= 3 && agreeing * 10 >= rows * 9 && !tried[side].is_ambiguous();
        if is_one {
            *profiles = tried;
        }
        Ok(is_one.then_some(kind))
    }

    /// Chooses between ambiguous readings of a column by the other side's values in the same rows; returns in how
    /// many of them the best choice agrees.
    fn settle(
        &self,
        columns: PerSide<usize>,
        profiles: &mut PerSide<Profile>,
    ) -> Result<u64, Problem> {
        if !profiles.a.is_ambiguous() && !profiles.b.is_ambiguous() {
            return Ok(0);
        }
        let ways = |profile: &Profile| -> Vec<Reading> {
            std::iter::once(&profile.reading).chain(&profile.alternatives).cloned().collect()
        };
        let (ways_a, ways_b) = (ways(&profiles.a), ways(&profiles.b));
        let (mut trial_a, mut trial_b) = (Trial::of_one(&ways_a), Trial::of_one(&ways_b));
        let mut agreeing = vec![0u64; ways_a.len() * ways_b.len()];
        for (a, b) in self.joined.pairs(columns) {
            let read = |trial: &mut Trial, fact: &Fact| {
                let mut values = Vec::new();
                trial.text(fact.written.trim(), |_, cell| {
                    values.push(loose(cell).filter(|_| !cell.is_unparsed()));
                });
                values
            };
            let (values_a, values_b) = (read(&mut trial_a, a), read(&mut trial_b, b));
            for (at, count) in agreeing.iter_mut().enumerate() {
                let value_a = values_a.get(at / ways_b.len()).cloned().flatten();
                let value_b = values_b.get(at % ways_b.len()).cloned().flatten();
                *count += u64::from(value_a.is_some() && value_a == value_b);
            }
        }
        let best = agreeing.iter().copied().max().unwrap_or(0);
        let mut winners = agreeing.iter().enumerate().filter(|(_, count)| **count == best);
        let first = winners.next();
        let is_only = winners.next().is_none();
        // Of numbers that agree in several ways, one way is proposed; a unit of one side would be less likely.
        let are_numbers = profiles.a.is_number() && profiles.b.is_number();
        let is_better = are_numbers && agreeing.first().is_some_and(|count| *count < best);
        if let Some((winner, _)) = first.filter(|_| is_only || is_better) {
            for (profile, at) in
                [(&mut profiles.a, winner / ways_b.len()), (&mut profiles.b, winner % ways_b.len())]
            {
                if let Some(at) = at.checked_sub(1) {
                    profile.prefer(at);
                }
                if is_only {
                    profile.alternatives.clear();
                }
            }
        }
        Ok(best)
    }

    /// Of the steps with which the columns were read, those that more than half of the joined rows need to agree. If no
    /// joined row tells, those that more than half of the values need to occur on both sides.
    fn needed(
        &self,
        columns: PerSide<usize>,
        steps: PerSide<Vec<StepSpec>>,
    ) -> PerSide<Vec<StepSpec>> {
        if steps.a.is_empty() && steps.b.is_empty() {
            return steps;
        }
        let mut trials = PerSide::of(|side| {
            let of = |steps: &[StepSpec]| {
                let reading = Reading { steps: steps.to_vec(), ..Reading::text() };
                reading.plan(0, &resolve(&plain_steps(&["trim"])))
            };
            Trial::new(vec![of(&[]), of(&steps[side])], 1, Vec::new())
        });
        // Each text as written and loosely, first without the steps and then with them.
        let mut read = |side: Side, text: &str| -> [[Option<String>; 2]; 2] {
            let mut results = [[None, None], [None, None]];
            trials[side].text(text, |at, cell| {
                if let Some(result) = results.get_mut(at) {
                    *result = [cell.text(), loose(cell)];
                }
            });
            results
        };
        let (mut agreeing, mut all) = ([[0u64; 2]; WAYS.len()], 0);
        for (a, b) in self.joined.pairs(columns) {
            if a.loose.is_none() || b.loose.is_none() {
                continue;
            }
            all += 1;
            let (a, b) = (read(Side::A, &a.written), read(Side::B, &b.written));
            for (counts, (of_a, of_b)) in agreeing.iter_mut().zip(WAYS) {
                for (count, (a, b)) in counts.iter_mut().zip(a[of_a].iter().zip(&b[of_b])) {
                    *count += u64::from(a.is_some() && a == b);
                }
            }
        }
        if all == 0 {
            let mut values = PerSide::of(|_| [BTreeSet::new(), BTreeSet::new()]);
            for side in Side::BOTH {
                let column = self.extracts[side].columns.get(columns[side]);
                for (text, _) in column.iter().flat_map(|column| &column.profile.values) {
                    for (values, [_, value]) in values[side].iter_mut().zip(read(side, text)) {
                        values.extend(value);
                    }
                }
            }
            all = values.a[0].len().min(values.b[0].len()) as u64;
            for (counts, (of_a, of_b)) in agreeing.iter_mut().zip(WAYS) {
                *counts = [values.a[of_a].intersection(&values.b[of_b]).count() as u64; 2];
            }
        }
        let mut chosen = 0;
        for at in 1..WAYS.len() {
            let is_needed = |(more, less): (&u64, &u64)| more.saturating_sub(*less) * 2 > all;
            if agreeing[at].iter().zip(&agreeing[chosen]).any(is_needed) {
                chosen = at;
            }
        }
        let (of_a, of_b) = WAYS[chosen];
        let keep = |steps: Vec<StepSpec>, is_needed: usize| match is_needed {
            0 => Vec::new(),
            _ => steps,
        };
        PerSide { a: keep(steps.a, of_a), b: keep(steps.b, of_b) }
    }

    /// Tells of the steps with which the columns were read: how many joined rows agree only with them.
    fn tell_of_steps(
        &self,
        field: &mut FieldGuess,
        columns: PerSide<usize>,
        words: Option<&[(String, String)]>,
        measured: Measured,
    ) {
        let agreeing = |measured: Measured| measured.equal + measured.within_tolerance;
        let mut told = Vec::new();
        for side in Side::BOTH {
            let own = field.readings[side].source_steps();
            let is_told = |step: &StepSpec| {
                let step = step_text(step);
                field.uniting.iter().any(|known| known.side == Some(side) && known.step == step)
            };
            let steps = field.source_normalize[side].iter();
            for step in steps.filter(|step| own.contains(step) && !is_told(step)) {
                let mut without = field.clone();
                without.source_normalize[side].retain(|other| other != step);
                let without = self.measure(&without, columns, words);
                let rows = agreeing(measured).saturating_sub(agreeing(without));
                let pairs = self.joined.pairs(columns);
                let filled = pairs.filter(|(a, b)| a.loose.is_some() && b.loose.is_some());
                let texts = |(a, b): (&Fact, &Fact)| [a.written.clone(), b.written.clone()];
                let differing =
                    filled.clone().filter(|(a, b)| a.written.trim() != b.written.trim());
                let mut examples: Vec<_> = differing.take(EXAMPLES).map(texts).collect();
                if examples.is_empty() {
                    examples.extend(filled.take(EXAMPLES).map(texts));
                }
                let of = if rows > 0 { measured.of } else { 0 };
                let step = step_text(step);
                told.push(Uniting { side: Some(side), step, rows, of, examples, written: true });
            }
        }
        field.uniting.splice(0..0, told);
    }

    /// Finds the steps that make texts agree. A step that most rows need is written; one that few
    /// rows need is only proposed, because it may hide errors. Returns the words that a function
    /// translates, if any.
    fn text(
        &mut self,
        field: &mut FieldGuess,
        pair: &Pair,
        functions: &mut Vec<WordFunction>,
    ) -> Option<Vec<(String, String)>> {
        let is_by_words = || self.joined.agreement(pair.columns).by_words;
        if let Some(words) = self.joined.words(pair.columns).filter(|_| is_by_words()) {
            let (mut rows, mut of) = (0, 0);
            for (a, b) in self.joined.pairs(pair.columns) {
                let (Some(_), Some(_)) = (&a.loose, &b.loose) else { continue };
                let (a, b) = (a.written.trim(), b.written.trim());
                of += 1;
                rows += u64::from(a != b && words.pairs.iter().any(|(x, y)| x == a && y == b));
            }
            let is_habit = rows * 2 > of;
            let steps = if is_habit {
                translate(field, &words, self.shipped, functions)
            } else {
                vec![(None, "different words for the same values".to_owned())]
            };
            for (side, step) in steps {
                let differing = words.pairs.iter().filter(|(a, b)| a != b).take(EXAMPLES);
                let examples = differing.map(|(a, b)| [a.clone(), b.clone()]).collect();
                field.uniting.push(Uniting { side, step, rows, of, examples, written: is_habit });
            }
            if is_habit {
                return Some(words.pairs);
            }
        }
        let mut trials = PerSide::of(|side| {
            let reading =
                Reading { steps: field.source_normalize[side].clone(), ..Reading::text() };
            let plans = LADDER.map(|(names, _)| reading.plan(0, &resolve(&plain_steps(names))));
            Trial::new(plans.to_vec(), 1, Vec::new())
        });
        let mut agreeing = [0u64; LADDER.len()];
        let mut examples: Vec<BTreeSet<[String; 2]>> = vec![BTreeSet::new(); LADDER.len()];
        let mut all = 0;
        for (a, b) in self.joined.pairs(pair.columns) {
            if a.loose.is_none() || b.loose.is_none() {
                continue;
            }
            all += 1;
            let mut results: Vec<Option<String>> = Vec::with_capacity(LADDER.len());
            let mut differs = false;
            trials.a.text(&a.written, |_, cell| results.push(cell.text()));
            trials.b.text(&b.written, |at, cell| {
                let (Some(count), Some(result)) = (agreeing.get_mut(at), results.get(at)) else {
                    return;
                };
                let agrees = *result == cell.text();
                *count += u64::from(agrees);
                differs |= at == 0 && !agrees;
                if let (true, true, Some(some)) = (agrees, differs, examples.get_mut(at))
                    && some.len() < EXAMPLES
                {
                    some.insert([a.written.clone(), b.written.clone()]);
                }
            });
        }
        // Steps that take away signs and points would make wrong amounts agree.
        let columns = PerSide::of(|side| self.extracts[side].columns.get(pair.columns[side]));
        let is_amount = |column: Option<&Column>| column.is_some_and(|one| one.profile.is_amount());
        if Side::BOTH.into_iter().any(|side| is_amount(columns[side])) {
            agreeing.iter_mut().skip(KEEPING).for_each(|count| *count = 0);
        }
        let is_unread = |column: Option<&Column>| {
            is_amount(column) && column.is_some_and(|one| one.profile.shortened().is_none())
        };
        if let Some(side) = Side::BOTH.into_iter().find(|side| is_unread(columns[*side])) {
            field.notes.push(format!(
                "the values of {side} are numbers, those of {} are not recognized as such: to compare them \
                 as numbers, set `normalize` or `numbers` for it, and `type: decimal`",
                side.other()
            ));
        }
        let of = |at: usize| agreeing.get(at).copied().unwrap_or(0);
        let plain = of(0);
        let is_habit = |at: usize, simpler: &[usize]| {
            simpler.iter().all(|other| of(at).saturating_sub(of(*other)) * 2 > all)
        };
        let mut chosen = 0;
        for (at, (_, simpler)) in LADDER.iter().enumerate().skip(1) {
            if is_habit(at, simpler) && of(at) - plain >= 2 && of(at) > of(chosen) {
                chosen = at;
            }
        }
        let most = (0..LADDER.len()).max_by_key(|at| (of(*at), std::cmp::Reverse(*at)));
        let proposed = most.filter(|at| of(*at) > of(chosen));
        for (at, written) in [(Some(chosen).filter(|at| *at > 0), true), (proposed, false)] {
            let Some((at, (names, _))) = at.and_then(|at| Some((at, LADDER.get(at)?))) else {
                continue;
            };
            if written {
                field.normalize = plain_steps(names);
            }
            let without = if written { plain } else { of(chosen) };
            field.uniting.push(Uniting {
                side: None,
                step: names
                    .iter()
                    .filter(|name| **name != "trim")
                    .copied()
                    .collect::<Vec<_>>()
                    .join(", "),
                rows: of(at) - without,
                of: all,
                examples: examples.get(at).into_iter().flatten().cloned().collect(),
                written,
            });
        }
        None
    }

    /// Detects an opposite sign or a different unit in nearly all rows.
    fn signs_and_units(
        &self,
        field: &mut FieldGuess,
        columns: PerSide<usize>,
        profiles: &mut PerSide<Profile>,
    ) {
        let mut read_a = Trial::of_one(std::slice::from_ref(&profiles.a.reading));
        let mut read_b = Trial::of_one(std::slice::from_ref(&profiles.b.reading));
        let number = |trial: &mut Trial, fact: &Fact| -> Option<Decimal> {
            let mut number = None;
            trial.text(fact.written.trim(), |_, cell| number = cell.number());
            number.filter(|number| !number.is_zero())
        };
        let pairs: Vec<(Decimal, Decimal, [&str; 2])> = self
            .joined
            .pairs(columns)
            .filter_map(|(a, b)| {
                let numbers = (number(&mut read_a, a)?, number(&mut read_b, b)?);
                Some((numbers.0, numbers.1, [a.written.as_str(), b.written.as_str()]))
            })
            .collect();
        let of = pairs.len() as u64;
        let is_nearly_all = |count: u64| count >= 3 && count * 10 >= of * 9;
        let differing = || pairs.iter().filter(|(a, b, _)| a != b);
        if is_nearly_all(of - differing().count() as u64) {
            return;
        }
        let examples: Vec<[String; 2]> =
            differing().take(EXAMPLES).map(|(.., texts)| texts.map(str::to_owned)).collect();
        let turned = pairs.iter().filter(|(a, b, _)| *a == b.negated()).count() as u64;
        let times = |number: Decimal, factor: i128| {
            Decimal::new(factor, 0).and_then(|factor| number.abs().checked_mul(factor))
        };
        // Compares digits only; the sign is checked separately.
        let factors = FACTORS.map(|(of_a, of_b)| {
            let agrees = |(a, b, _): &&(Decimal, Decimal, [&str; 2])| {
                times(*a, of_a).is_some_and(|a| Some(a) == times(*b, of_b))
            };
            pairs.iter().filter(agrees).count() as u64
        });
        let unit = factors.iter().position(|count| is_nearly_all(*count));
        if unit.is_none() && !is_nearly_all(turned) {
            return;
        }
        let mut unite = |side: Side, steps: StepSpec, rows: u64| {
            let step = step_text(&steps);
            field.source_normalize[side].push(steps);
            let examples = examples.clone();
            field.uniting.push(Uniting {
                side: Some(side),
                step,
                rows,
                of,
                examples,
                written: true,
            });
        };
        if let Some((at, (of_a, of_b))) = unit.and_then(|at| Some((at, FACTORS.get(at)?))) {
            let rows = factors.get(at).copied().unwrap_or(0);
            // The side with the larger numbers has the smaller unit.
            let (side, factor) = if of_a < of_b { (Side::A, of_b) } else { (Side::B, of_a) };
            // The tolerance is that of the numbers that are compared.
            profiles[side].scale += u8::try_from(factor.ilog10()).unwrap_or_default();
            let percent = &mut profiles[side].reading.numbers.around.percent;
            if *factor == 100 && percent.is_some() {
                *percent = Some(PercentSpec::AsFraction);
            } else {
                let factor = format!("0.{}1", "0".repeat(factor.to_string().len() - 2));
                unite(side, StepSpec::With("scale".into(), ArgumentSpec::Text(factor)), rows);
            }
            let is_negative = |number: &Decimal| number.coefficient() < 0;
            let same_sign =
                pairs.iter().filter(|(a, b, _)| is_negative(a) == is_negative(b)).count() as u64;
            if same_sign * 10 <= of {
                unite(Side::B, StepSpec::Function("negate".into()), rows);
            }
            return;
        }
        unite(Side::B, StepSpec::Function("negate".into()), turned);
    }

    /// Counts the joined rows that agree under the inferred configuration.
    pub fn measure(
        &self,
        field: &FieldGuess,
        columns: PerSide<usize>,
        words: Option<&[(String, String)]>,
    ) -> Measured {
        let mut trials = PerSide::of(|side| {
            Trial::new(vec![field.plan(side, 0)], 1, self.extracts[side].form.null_values.clone())
        });
        let tolerance: Option<Decimal> =
            field.tolerance.as_ref().and_then(|tolerance| tolerance.parse().ok());
        let mut measured = Measured::default();
        for (a, b) in self.joined.pairs(columns) {
            let a = value(&mut trials.a, &a.written);
            let b = value(&mut trials.b, &b.written);
            let equal = match (&a, &b) {
                (Some(Written::Null), Some(Written::Null)) => continue,
                (Some(Written::Text(a)), Some(Written::Text(b))) => {
                    a == b || words.is_some_and(|words| words.iter().any(|(x, y)| x == a && y == b))
                }
                (Some(Written::Null), Some(Written::Number(number)))
                | (Some(Written::Number(number)), Some(Written::Null)) => {
                    field.null_equals.is_some() && number.is_zero()
                }
                (Some(a), Some(b)) => a == b,
                _ => false,
            };
            let within = match (&a, &b, tolerance) {
                (Some(Written::Number(a)), Some(Written::Number(b)), Some(bound)) => {
                    Decimal::within_absolute(*a, *b, bound)
                }
                _ => false,
            };
            measured.of += 1;
            measured.equal += u64::from(equal);
            measured.within_tolerance += u64::from(within && !equal);
        }
        measured
    }

    /// Sets `null_equals` if one side leaves cells empty where the other writes 0, in more than half of the rows; in
    /// fewer, a value may be missing, so it is only proposed. A dash for 0 is written there, so nothing is missing.
    fn zero_for_null(&self, field: &mut FieldGuess, columns: PerSide<usize>) {
        let (mut zeros, mut dashes, mut alone, mut of) = (0u64, 0u64, 0u64, 0u64);
        let mut examples = BTreeSet::new();
        for (a, b) in self.joined.pairs(columns) {
            of += u64::from(a.loose.is_some() || b.loose.is_some());
            let value = match (&a.loose, &b.loose) {
                (None, Some(value)) | (Some(value), None) => value,
                _ => continue,
            };
            alone += 1;
            if value == "0" {
                zeros += 1;
                dashes += u64::from(!a.written.trim().is_empty() && !b.written.trim().is_empty());
                if examples.len() < EXAMPLES {
                    examples.insert([&a.written, &b.written].map(|text| text.trim().to_owned()));
                }
            }
        }
        if zeros > 0 && ratio(zeros, alone) > 0.5 {
            let written = zeros * 2 > of || dashes >= 3 && dashes * 2 > zeros;
            field.null_equals = written.then(|| "0".to_owned());
            field.uniting.push(Uniting {
                side: None,
                step: "null_equals: 0".to_owned(),
                rows: zeros,
                of,
                examples: examples.into_iter().collect(),
                written,
            });
        }
    }
}

/// Examples per note.
const EXAMPLES: usize = 3;

/// The sides whose steps are tried: of A, of B.
const WAYS: [(usize, usize); 4] = [(0, 0), (1, 0), (0, 1), (1, 1)];

/// The step chains tried for texts, and for each the simpler ones it must beat.
const LADDER: [(&[&str], &[usize]); 11] = [
    (&["trim"], &[]),
    (&["trim", "nfc"], &[0]),
    (&["trim", "upper"], &[0]),
    (&["trim", "collapse_spaces"], &[0]),
    (&["trim", "strip_invisible"], &[0]),
    (&["trim", "collapse_spaces", "upper"], &[2, 3]),
    (&["remove_spaces"], &[0, 3]),
    (&["trim", "strip_leading_zeros"], &[0]),
    (&["trim", "upper", "strip_leading_zeros"], &[2, 7]),
    (&["reference"], &[0, 1, 2, 3, 4, 5, 6]),
    (&["reference", "strip_leading_zeros"], &[7, 8, 9]),
];

/// How many of them keep every letter, digit and sign.
const KEEPING: usize = 6;

/// The unit factors tried: of A, of B.
const FACTORS: [(i128, i128); 10] = [
    (1, 100),
    (100, 1),
    (1, 1_000),
    (1_000, 1),
    (1, 1_000_000),
    (1_000_000, 1),
    (1, 10),
    (10, 1),
    (1, 10_000),
    (10_000, 1),
];

/// A value as the run compares it.
#[derive(Clone, Debug, PartialEq)]
enum Written {
    Null,
    Number(Decimal),
    Text(String),
}

/// `None` if unparsable, which agrees with nothing.
fn value(trial: &mut Trial, text: &str) -> Option<Written> {
    let mut value = None;
    trial.text(text, |_, cell| {
        value = match cell {
            Cell::Null => Some(Written::Null),
            Cell::Unparsed(_) => None,
            Cell::Decimal(_) | Cell::Integer(_) => cell.number().map(Written::Number),
            other => other.text().map(Written::Text),
        };
    });
    value
}
