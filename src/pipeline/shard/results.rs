//! The step that makes records, differences and reasons of a task's rows, and writes them as rows of tables with the
//! columns of a store's tables.

use std::borrow::Cow;
use std::io::Write;

use super::super::Plan;
use super::super::halt::Halt;
use super::super::join::join_partitions;
use super::super::recorder::Depth;
use super::counts::{Counts, State};
use super::rows::GatheredRows;
use super::{In, SLOTS, SpreadSource, Task};
use crate::align::SpillRoom;
use crate::diagnostic::{Code, Problem};
use crate::domain::evidence::write_json_string;
use crate::domain::gate;
use crate::domain::scan::Scanner;
use crate::domain::{FieldRef, Layout, Matched, Member, PerSide, Side, Status, place};
use crate::exchange::{Cell, ResultWriter, Table};
use crate::store::{Batch, DifferenceRow, RecordKind, RejectedRow, StoredRecord};

/// Makes the records of whole partitions, and writes them as rows of tables.
///
/// # Errors
/// The input is not the output of the steps before, or a rule exceeded its limits.
pub fn join<W: Write>(
    task: Task<'_>,
    state: &State,
    rows: &mut In<'_>,
    out: &mut ResultWriter<W>,
) -> Result<(), Problem> {
    let Task { plan, tag, progress, .. } = task;
    let room = SpillRoom::new(&plan.options.temp_dir);
    let mut tables = Tables::new(task, out);
    let rows = GatheredRows::read(task, &room, rows, &mut |slot, row| tables.rejected(slot, &row))?;
    let rows = rows.rows(task);
    let ready = task.machine(state)?;
    let mut counts = Counts::default();
    let mut sink = |partition: usize, batch: &mut Batch, _: bool| {
        // Records of passes come in the partitions behind those by the key, as their slots do.
        let slot = u32::try_from(partition).unwrap_or_default();
        let records = counts.records.entry(slot).or_default();
        tables.batch(slot, *records, batch)?;
        *records += batch.record_count();
        Ok(())
    };
    let halt = Halt::default();
    let joined =
        join_partitions(plan, &ready.machine, Depth::Attribute, &rows, &mut sink, &halt, progress)?;
    counts.records.retain(|_, records| *records > 0);
    counts.joined = joined.tally;
    counts.greedy_keys = joined.greedy_keys;
    counts.failures = joined.rule_failures;
    let mut payload = Vec::new();
    counts.payload(tag, &mut payload);
    out.row((0, 0), Table::Counts, &[Cell::Bytes(&payload)])
}

/// Writes results as rows of tables.
struct Tables<'t, W: Write> {
    plan: &'t Plan,
    sources: &'t PerSide<SpreadSource>,
    out: &'t mut ResultWriter<W>,
    /// The fields' names as they stand in JSON objects.
    names: Vec<String>,
}

#[derive(Default)]
struct RecordSide<'a> {
    reference: Option<Cow<'a, str>>,
    object: Option<String>,
    line: Option<u64>,
    within: Option<u64>,
    input: Option<u64>,
    file: Option<&'a str>,
    members: u64,
}

impl<'t, W: Write> Tables<'t, W> {
    fn new(task: Task<'t>, out: &'t mut ResultWriter<W>) -> Self {
        let names = task.plan.layout.names().map(|name| {
            let mut text = String::new();
            write_json_string(name, &mut text);
            text.push(':');
            text
        });
        let names = names.collect();
        Self { plan: task.plan, sources: &task.spread.sources, out, names }
    }

    fn rejected(&mut self, slot: u32, row: &RejectedRow) -> Result<(), Problem> {
        let cells = [
            Cell::Text(row.side.name()),
            Cell::Text(file_of(&self.sources[row.side], row.offset)),
            whole(row.line),
            whole(place::within(row.offset)),
            Cell::Text(&row.code),
            Cell::Text(&row.text),
            Cell::Text(&row.message),
            row.key.as_deref().into(),
            whole(place::input_of(row.offset) as u64),
        ];
        self.out.row((slot, 0), Table::Rejected, &cells)
    }

    /// The records of a batch, the first of which has this index in its slot, each with its differences.
    fn batch(&mut self, slot: u32, first: u64, batch: &Batch) -> Result<(), Problem> {
        let mut differences = batch.differences.as_slice();
        batch.each_record(|record| {
            let count = differences.iter().take_while(|row| row.record == record.number).count();
            let (own, rest) = differences.split_at(count);
            differences = rest;
            let at = (slot, first + record.number - 1);
            self.record(at, record, batch, own)?;
            own.iter().try_for_each(|row| self.difference(at, batch, row))
        })
    }

    fn record(
        &mut self,
        at: (u32, u64),
        record: &StoredRecord<'_>,
        batch: &Batch,
        differences: &[DifferenceRow],
    ) -> Result<(), Problem> {
        let matched: Option<Matched> = match record.matched {
            None => None,
            Some(text) => Some(serde_json::from_str(text).map_err(|error| {
                let message = format!("how a record was matched can't be read: {error}");
                Problem::new(Code::Evidence, message)
            })?),
        };
        let told = PerSide::of(|side| self.side(side, record, matched.as_ref()));
        let verdicts = differences.iter().filter_map(|row| row.attribution).map(|given| {
            let reason = batch.text(given.reason);
            (given.status, self.plan.attribution.is_functional(reason))
        });
        let verdict = gate::verdict(verdicts.collect::<Vec<(Status, bool)>>());
        let kind = record.kind;
        let is_match = matches!(kind, RecordKind::Pair | RecordKind::Group);
        let known = matched.as_ref();
        // A pair that no pass made is one by the key.
        let how = |own: Option<&String>, by_key: &str| {
            let by_key = (kind == RecordKind::Pair).then(|| by_key.to_owned());
            own.cloned().or(by_key).filter(|_| is_match)
        };
        let pass = how(known.and_then(|one| one.pass.as_ref()), "key");
        let shape = how(known.and_then(|one| one.shape.as_ref()), "one_to_one");
        let certificate = how(known.and_then(|one| one.certificate.as_ref()), "UNIQUE");
        let alternatives = known.and_then(|one| one.alternatives).unwrap_or_default();
        let PerSide { a, b } = &told;
        let cells = [
            a.reference.as_deref().into(),
            b.reference.as_deref().into(),
            a.object.as_deref().into(),
            b.object.as_deref().into(),
            a.line.into(),
            a.within.into(),
            b.line.into(),
            b.within.into(),
            Cell::Text(verdict.name()),
            Cell::Text(kind.name()),
            Cell::Flag(record.partner_rejected),
            Cell::Flag(!differences.is_empty()),
            a.file.into(),
            b.file.into(),
            pass.as_deref().into(),
            shape.as_deref().into(),
            certificate.as_deref().into(),
            is_match.then(|| u64::from(alternatives)).into(),
            whole(a.members),
            whole(b.members),
            record.matched.into(),
            a.input.into(),
            b.input.into(),
        ];
        self.out.row(at, Table::Record, &cells)?;
        if kind != RecordKind::Group {
            return Ok(());
        }
        for (side, members) in known.iter().flat_map(|one| [(Side::A, &one.a), (Side::B, &one.b)]) {
            members.iter().try_for_each(|member| self.member(at, side, member))?;
        }
        Ok(())
    }

    fn side<'a>(
        &self,
        side: Side,
        record: &StoredRecord<'a>,
        matched: Option<&Matched>,
    ) -> RecordSide<'a>
    where
        't: 'a,
    {
        let (values, place) = match side {
            Side::A => (record.a, record.place_a),
            Side::B => (record.b, record.place_b),
        };
        let own = matched.and_then(|one| one.reference(side)).map(|name| Cow::Owned(name.into()));
        let key_len = self.plan.layout.key_len();
        let reference = own.or_else(|| reference_of(values?, key_len).map(Cow::Owned));
        let source: &'t SpreadSource = &self.sources[side];
        let lacks = match side {
            Side::A => [RecordKind::OnlyB, RecordKind::SurplusB],
            Side::B => [RecordKind::OnlyA, RecordKind::SurplusA],
        };
        let members = match record.kind {
            RecordKind::Group => matched.map_or(0, |one| one.members()[side] as u64),
            kind => u64::from(!lacks.contains(&kind)),
        };
        RecordSide {
            reference,
            object: values.map(|values| self.object(values)),
            line: place.map(|(line, _)| line),
            within: place.map(|(_, offset)| place::within(offset)),
            input: place.map(|(_, offset)| place::input_of(offset) as u64),
            file: place.map(|(_, offset)| file_of(source, offset)),
            members,
        }
    }

    /// The array of a side's values as an object.
    fn object(&self, values: &str) -> String {
        let mut object = String::with_capacity(values.len() * 2);
        let mut scan = Scanner::new(values);
        for (at, name) in self.names.iter().enumerate() {
            if !scan.take(if at == 0 { b'[' } else { b',' }) {
                break;
            }
            object.push(if at == 0 { '{' } else { ',' });
            object.push_str(name);
            object.push_str(scan.value().unwrap_or("null"));
        }
        object.push('}');
        object
    }

    fn member(&mut self, at: (u32, u64), side: Side, member: &Member) -> Result<(), Problem> {
        let object = self.object(member.values.get());
        let cells = [
            Cell::Text(side.name()),
            Cell::Text(file_of(&self.sources[side], member.offset)),
            whole(member.line),
            whole(place::within(member.offset)),
            Cell::Text(&member.reference),
            Cell::Text(&object),
            whole(place::input_of(member.offset) as u64),
        ];
        self.out.row(at, Table::Member, &cells)
    }

    fn difference(
        &mut self,
        at: (u32, u64),
        batch: &Batch,
        row: &DifferenceRow,
    ) -> Result<(), Problem> {
        let text = |text: Option<crate::store::Text>| Cell::from(text.map(|text| batch.text(text)));
        let (field, name) = match row.field {
            FieldRef::EntireRecord => (0, FieldRef::ENTIRE_RECORD),
            FieldRef::Field(at) => (u64::from(at) + 1, name_of(&self.plan.layout, at)),
        };
        let mut cells = vec![
            whole(field),
            Cell::Text(name),
            text(row.value_a),
            text(row.value_b),
            Cell::Text(row.diff_type.name()),
            Cell::Text(row.severity.name()),
        ];
        if let Some(given) = &row.attribution {
            cells.extend([
                text(Some(given.reason)),
                Cell::Real(given.confidence.get()),
                Cell::Text(given.status.name()),
                text(Some(given.assigned_by)),
                text(given.explanation),
                text(given.signature.map(|(key, _)| key)),
                text(given.signature.map(|(_, label)| label)),
                row.amount_abs.map_or(Cell::Null, Cell::Real),
            ]);
        }
        self.out.row(at, Table::Difference, &cells)
    }
}

const fn whole<'a>(number: u64) -> Cell<'a> {
    Cell::Whole(number.cast_signed())
}

fn name_of(layout: &Layout, at: u16) -> &str {
    layout.fields().get(usize::from(at)).map_or("", |field| field.name.as_str())
}

/// The file of a row.
fn file_of(source: &SpreadSource, offset: u64) -> &str {
    source.files.get(place::input_of(offset)).unwrap_or(&source.name)
}

/// The key in an array of values as people read it, as [`crate::domain::key::reference`] writes it.
fn reference_of(values: &str, key_len: usize) -> Option<String> {
    if key_len == 0 {
        return None;
    }
    let mut scan = Scanner::new(values);
    let mut text = String::new();
    for at in 0..key_len {
        scan.take(if at == 0 { b'[' } else { b',' });
        let part = match scan.peek()? {
            b'"' => scan.string()?,
            _ => Cow::Borrowed(scan.value()?),
        };
        if at > 0 {
            text.push('|');
        }
        for character in part.chars() {
            if matches!(character, '|' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
    }
    Some(text)
}

/// Number of slots that can have records.
pub(super) const RECORD_SLOTS: usize = 2 * SLOTS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_that_of_the_key() {
        use crate::domain::{Cell, Cells, Row, evidence, key};
        let row = Row::of([Cell::Text("a|\"b\\"), Cell::Integer(-7), Cell::Boolean(true)]);
        let mut values = Vec::new();
        evidence::write(Cells::new(&row.cells), &mut values);
        let values = String::from_utf8(values).unwrap();
        for key_len in 1..=3 {
            let told = key::reference(Cells::new(&row.cells), key_len);
            assert_eq!(reference_of(&values, key_len), Some(told));
        }
        assert_eq!(reference_of(&values, 0), None);
    }
}
