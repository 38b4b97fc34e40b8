//! Records of the passes: how they are made of rows, how they lie in partitions, and the description of rows that
//! stay open.

use std::borrow::Cow;

use crate::align::Placed;
use crate::domain::money::Sum;
use crate::domain::row::{push_cell, push_varint, read_varint};
use crate::domain::{
    CandidateRow, Cell, Cells, Decimal, Matched, Member, PerSide, RawCell, RowRef, Side, evidence,
    key,
};
use crate::matching::{Bound, Candidate, Match, Pass, Shape, Why};
use crate::store::RecordKind;

use super::{MatchPlan, Plan};

/// Records lie by one cell, which tells them apart.
pub(super) const PREFIX: usize = 1;

/// How many candidates an open row keeps.
const MOST_CANDIDATES: usize = 5;

/// A record of the passes, to be compared and stored.
#[derive(Clone, Debug)]
pub(super) struct Settled<'a> {
    pub kind: RecordKind,
    pub a: Option<Cells<'a>>,
    pub b: Option<Cells<'a>>,
    pub place_a: Option<(u64, u64)>,
    pub place_b: Option<(u64, u64)>,
    /// A row of the missing side with its key was rejected; that side's place is the rejected row's.
    pub partner_rejected: bool,
    /// The JSON of a [`Matched`].
    pub matched: &'a str,
}

impl Settled<'_> {
    /// The match, to be stored beside its evidence.
    pub fn matched(&self) -> Matched {
        serde_json::from_str(self.matched).unwrap_or_default()
    }
}

/// Context for describing the rows of a block.
pub(super) struct BlockText<'a> {
    pub plan: &'a Plan,
    pub matching: &'a MatchPlan,
    pub pass: &'a Pass,
    pub rows: PerSide<&'a Vec<RowRef<'a>>>,
}

impl BlockText<'_> {
    fn reference(&self, side: Side, row: u32) -> String {
        self.rows[side]
            .get(row as usize)
            .map_or_else(String::new, |row| reference(self.plan, self.matching, side, row))
    }

    fn references(&self, side: Side, rows: &[u32]) -> String {
        let names: Vec<_> = rows.iter().map(|row| self.reference(side, *row)).collect();
        names.join(" + ")
    }
}

/// A row's reference: its `ref` fields, else its key, else side and line.
pub(super) fn reference(plan: &Plan, matching: &MatchPlan, side: Side, row: &RowRef<'_>) -> String {
    named(plan, matching, row).unwrap_or_else(|| plan.carried.name(side, row))
}

fn named(plan: &Plan, matching: &MatchPlan, row: &RowRef<'_>) -> Option<String> {
    let all: Vec<RawCell<'_>> = row.cells().collect();
    let key: Vec<usize> = (0..plan.layout.key_len()).collect();
    let fields = if matching.refs.is_empty() { &key } else { &matching.refs };
    let cells: Vec<_> = fields.iter().filter_map(|field| all.get(*field).copied()).collect();
    let is_whole =
        !cells.is_empty() && !cells.iter().any(|cell| cell.is_null() || cell.is_unparsed());
    is_whole.then(|| key::joined(cells.into_iter()))
}

/// A row's reference, if that is not its key.
pub(super) fn own_reference(
    plan: &Plan,
    matching: &MatchPlan,
    side: Side,
    row: &RowRef<'_>,
) -> Option<String> {
    let name = reference(plan, matching, side, row);
    let key_len = plan.layout.key_len();
    (key_len == 0 || name != key::reference(row.cells(), key_len)).then_some(name)
}

/// References of a keyed record's sides, where they differ from its key, and the dates since which they are open, as
/// the JSON of a [`Matched`]; `None` if there is neither.
pub(super) fn known(plan: &Plan, placed: &Placed<'_>) -> Option<String> {
    let matching = plan.matching.as_ref().filter(|matching| !matching.refs.is_empty());
    if matching.is_none() && plan.carried.is_empty() {
        return None;
    }
    let mut known = Matched::default();
    match placed {
        Placed::Pair(a, b) => {
            if let Some(matching) = matching {
                known.ref_a = own_reference(plan, matching, Side::A, a);
                known.ref_b = own_reference(plan, matching, Side::B, b);
            }
            known.carried_a = plan.carried.of(a);
            known.carried_b = plan.carried.of(b);
        }
        Placed::Alone { side, row, .. } | Placed::Surplus { side, row, .. } => match side {
            Side::A => known.carried_a = plan.carried.of(row),
            Side::B => known.carried_b = plan.carried.of(row),
        },
    }
    let has_any = known.ref_a.is_some() || known.ref_b.is_some();
    let is_carried = known.carried_a.is_some() || known.carried_b.is_some();
    (has_any || is_carried).then(|| serde_json::to_string(&known).ok()).flatten()
}

/// A row as it is kept of a group or a tied candidate.
fn member(plan: &Plan, matching: &MatchPlan, side: Side, row: &RowRef<'_>) -> Option<Member> {
    let mut values = Vec::new();
    evidence::write(row.cells(), &mut values);
    let values = String::from_utf8_lossy(&values).into_owned();
    let (line, offset) = plan.carried.place(row);
    Some(Member {
        line,
        offset,
        carried: plan.carried.of(row),
        reference: reference(plan, matching, side, row),
        values: serde_json::value::RawValue::from_string(values).ok()?,
    })
}

/// The place of a record among others: that of one of its rows.
pub(super) fn placed<'a>(side: Side, row: &RowRef<'a>) -> RowRef<'a> {
    let mut cell = Vec::new();
    push_identity(side, row, &mut cell);
    row.with_hash(key::hash(Cells::new(&cell), PREFIX))
}

fn push_identity(side: Side, row: &RowRef<'_>, out: &mut Vec<u8>) {
    let number = i128::from(row.line) << 1 | i128::from(side as u8);
    push_cell(out, Cell::Integer(number));
}

/// Writes the record of a match into `out`; says under which row of which side it lies.
pub(super) fn made<'a>(
    words: &BlockText<'a>,
    one: &Match,
    out: &mut Vec<u8>,
) -> (Side, RowRef<'a>) {
    let rows = PerSide::of(|side| {
        let members = if side == Side::A { &one.a } else { &one.b };
        let rows = words.rows[side];
        members.iter().filter_map(|row| rows.get(*row as usize).copied()).collect::<Vec<_>>()
    });
    let is_pair = one.a.len() == 1 && one.b.len() == 1;
    let mut skip = Vec::new();
    let mut sides = PerSide::of(|_| Vec::new());
    for side in Side::BOTH {
        match rows[side].as_slice() {
            [row] => row.cells().push_to(&mut sides[side]),
            all => together(words.pass, all, &mut sides[side], &mut skip),
        }
    }
    skip.sort_unstable();
    skip.dedup();
    let name = |side: Side| {
        let first = rows[side].first()?;
        match rows[side].len() {
            1 => own_reference(words.plan, words.matching, side, first),
            count => {
                let first = reference(words.plan, words.matching, side, first);
                Some(format!("{first}+{}", count - 1))
            }
        }
    };
    let members = |side: Side| -> Vec<Member> {
        if is_pair {
            return Vec::new();
        }
        let members = rows[side].iter();
        members.filter_map(|row| member(words.plan, words.matching, side, row)).collect()
    };
    let carried = |side: Side| {
        let carried = rows[side].iter().filter_map(|row| words.plan.carried.of(row));
        carried.min_by(|left, right| left.from.cmp(&right.from))
    };
    let tied = one.alternatives > 0;
    let matched = Matched {
        pass: Some(words.pass.name.clone()),
        shape: Some(Shape::of(one.a.len(), one.b.len()).name().to_owned()),
        certificate: Some(one.certificate.name().to_owned()),
        alternatives: tied.then_some(one.alternatives),
        distance: distance_of(words.pass, &sides),
        skip,
        ref_a: name(Side::A),
        ref_b: name(Side::B),
        carried_a: carried(Side::A),
        carried_b: carried(Side::B),
        a: members(Side::A),
        b: members(Side::B),
        candidates: Vec::new(),
    };
    let kind = if is_pair { RecordKind::Pair } else { RecordKind::Group };
    let place = |side: Side| rows[side].first().map(|row| words.plan.carried.place(row));
    let first = rows.a.first().copied().unwrap_or(RowRef::new(0, 0, 0, &[]));
    out.clear();
    push_identity(Side::A, &first, out);
    let settled = Settled {
        kind,
        a: Some(Cells::new(&sides.a)),
        b: Some(Cells::new(&sides.b)),
        place_a: place(Side::A),
        place_b: place(Side::B),
        partner_rejected: false,
        matched: &serde_json::to_string(&matched).unwrap_or_default(),
    };
    push(&settled, out);
    (Side::A, placed(Side::A, &first))
}

/// Distance of both sides in the first near field; `None` for texts, and where a side has several values.
fn distance_of(pass: &Pass, sides: &PerSide<Vec<u8>>) -> Option<f64> {
    let field = pass.near.first()?.field;
    let (mut text_a, mut text_b) = ([0; 36], [0; 36]);
    let a = Cells::new(&sides.a).nth(field)?.decode(&mut text_a);
    let b = Cells::new(&sides.b).nth(field)?.decode(&mut text_b);
    match (a, b) {
        (Cell::Date(a), Cell::Date(b)) => Some(f64::from(b.days() - a.days()).abs()),
        (Cell::Instant(a), Cell::Instant(b)) => Some((b.nanoseconds_since(a) as f64 / 1e9).abs()),
        _ => Some(b.number()?.checked_sub(a.number()?)?.abs().to_f64()),
    }
}

/// Writes the record of a row that no pass matched into `out`.
pub(super) fn left(
    plan: &Plan,
    kind: RecordKind,
    side: Side,
    row: &RowRef<'_>,
    rejected: Option<(u64, u64)>,
    matched: &Matched,
    out: &mut Vec<u8>,
) {
    out.clear();
    push_identity(side, row, out);
    let cells = |of: Side| (of == side).then(|| row.cells());
    let place = |of: Side| if of == side { Some(plan.carried.place(row)) } else { rejected };
    let settled = Settled {
        kind,
        a: cells(Side::A),
        b: cells(Side::B),
        place_a: place(Side::A),
        place_b: place(Side::B),
        partner_rejected: rejected.is_some(),
        matched: &serde_json::to_string(matched).unwrap_or_default(),
    };
    push(&settled, out);
}

/// A side of several rows: exact sums, values that all rows have in common, and null where they disagree.
fn together(pass: &Pass, rows: &[RowRef<'_>], out: &mut Vec<u8>, skip: &mut Vec<usize>) {
    let columns: Vec<Vec<RawCell<'_>>> = rows.iter().map(|row| row.cells().collect()).collect();
    let fields = columns.first().map_or(0, Vec::len);
    for field in 0..fields {
        let values: Vec<RawCell<'_>> =
            columns.iter().filter_map(|row| row.get(field).copied()).collect();
        let is_summed = pass.near.iter().any(|near| near.field == field && near.summed);
        if is_summed && push_sum(&values, out) {
            continue;
        }
        let equal = |x: &RawCell<'_>, y: &RawCell<'_>| {
            x == y || x.decode(&mut [0; 36]) == y.decode(&mut [0; 36])
        };
        match values.first() {
            Some(first) if values.iter().all(|value| equal(first, value)) => {
                out.extend_from_slice(first.bytes());
            }
            _ => {
                push_cell(out, Cell::Null);
                skip.push(field);
            }
        }
    }
}

/// Writes the exact sum of numbers; false if these are not all numbers. A sum with more digits than a number has is
/// written as a value that can't be read: it equals nothing.
fn push_sum(values: &[RawCell<'_>], out: &mut Vec<u8>) -> bool {
    let mut sum = Sum::default();
    let mut whole = true;
    for value in values {
        match value.decode(&mut [0; 36]) {
            Cell::Decimal(value) => {
                whole = false;
                sum.add(value);
            }
            Cell::Integer(value) => match Decimal::new(value, 0) {
                Some(value) => sum.add(value),
                None => return false,
            },
            _ => return false,
        }
    }
    let text = sum.to_string();
    let short = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text.as_str(),
    };
    let number = text.parse::<Decimal>().or_else(|_| short.parse());
    let cell = match number {
        Ok(number) if whole => Cell::Integer(number.coefficient()),
        Ok(number) => Cell::Decimal(number),
        Err(_) => Cell::Unparsed(&text),
    };
    push_cell(out, cell);
    true
}

fn push(settled: &Settled<'_>, out: &mut Vec<u8>) {
    out.push(settled.kind.code());
    out.push(u8::from(settled.partner_rejected));
    for place in [settled.place_a, settled.place_b] {
        let (line, offset) = place.unwrap_or_default();
        push_varint(out, line << 1 | u64::from(place.is_some()));
        push_varint(out, offset);
    }
    push_varint(out, settled.matched.len() as u64);
    out.extend_from_slice(settled.matched.as_bytes());
    for side in [settled.a, settled.b] {
        let bytes = side.map_or_else(Cow::default, Cells::whole);
        push_varint(out, (bytes.len() as u64) << 1 | u64::from(side.is_some()));
        out.extend_from_slice(&bytes);
    }
}

/// Calls `each` with the records of a partition, in an order that depends on nothing but the records.
pub(super) fn read<'a>(rows: PerSide<&[RowRef<'a>]>, mut each: impl FnMut(Settled<'a>)) {
    let mut all: Vec<(Side, &RowRef<'a>)> = Vec::new();
    for side in Side::BOTH {
        all.extend(rows[side].iter().map(|row| (side, row)));
    }
    all.sort_by_cached_key(|(side, row)| {
        (row.hash, *side as usize, row.order(), row.cells().whole())
    });
    for (_, row) in all {
        if let Some(settled) = read_one(row.cells()) {
            each(settled);
        }
    }
}

fn read_one(mut cells: Cells<'_>) -> Option<Settled<'_>> {
    cells.by_ref().take(PREFIX).for_each(drop);
    let (kind, rest) = cells.rest().split_first()?;
    let (partner_rejected, mut rest) = rest.split_first()?;
    let mut number = || {
        let (number, width) = read_varint(rest);
        rest = rest.get(width..)?;
        Some(number)
    };
    let mut place = || {
        let (line, offset) = (number()?, number()?);
        Some((line & 1 == 1).then_some((line >> 1, offset)))
    };
    let (place_a, place_b) = (place()?, place()?);
    let length = number()?;
    let (matched, mut rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let mut side = || {
        let (length, width) = read_varint(rest);
        let after = rest.get(width..)?;
        let (bytes, after) = after.split_at_checked(usize::try_from(length >> 1).ok()?)?;
        rest = after;
        Some((length & 1 == 1).then_some(Cells::new(bytes)))
    };
    let (a, b) = (side()?, side()?);
    Some(Settled {
        kind: RecordKind::from_code(*kind)?,
        a,
        b,
        place_a,
        place_b,
        partner_rejected: *partner_rejected == 1,
        matched: std::str::from_utf8(matched).ok()?,
    })
}

/// Adds an open row's candidates in a pass to those of earlier passes. A tie is worth more than a bound that was
/// missed.
pub(super) fn add_candidates(
    words: &BlockText<'_>,
    side: Side,
    candidates: &[Candidate],
    known: &mut Vec<CandidateRow>,
) {
    for candidate in candidates {
        let new = words.candidate(side, candidate);
        match known.iter_mut().find(|old| old.reference == new.reference) {
            Some(old) if old.field.is_some() => *old = new,
            Some(_) => {}
            None => known.push(new),
        }
    }
    if known.len() > MOST_CANDIDATES {
        known.sort_by_key(|candidate| candidate.field.is_some());
        known.truncate(MOST_CANDIDATES);
    }
}

impl BlockText<'_> {
    /// Describes a candidate of a row of this side.
    fn candidate(&self, side: Side, candidate: &Candidate) -> CandidateRow {
        let mut row = CandidateRow {
            reference: self.references(side.other(), &candidate.rows),
            why: String::new(),
            field: None,
            by: None,
            taken_by: None,
            rows: Vec::new(),
        };
        match &candidate.why {
            Why::Missed { near, apart, by } => {
                let near = &self.pass.near[*near];
                row.why = distance(&near.bound, *apart);
                row.field = self.plan.layout.names().nth(near.field).map(str::to_owned);
                row.by = by.map(|by| shown(&near.bound, by));
            }
            Why::Taken(rows) => {
                let taken_by = self.references(side, rows);
                row.why = format!("taken by {taken_by}");
                row.taken_by = Some(taken_by);
            }
            Why::Tied => {
                "tied: another solution is as good".clone_into(&mut row.why);
                let rows = self.rows[side.other()];
                let tied = candidate.rows.iter().filter_map(|row| rows.get(*row as usize));
                row.rows = tied
                    .filter_map(|row| member(self.plan, self.matching, side.other(), row))
                    .collect();
            }
            Why::Undetermined => {
                "undetermined: the effort ran out before the best solution was proven"
                    .clone_into(&mut row.why);
            }
        }
        row
    }
}

/// A distance in the unit that people use.
fn shown(bound: &Bound, value: Decimal) -> String {
    match bound {
        Bound::Nanoseconds(_) => seconds(value),
        _ => value.to_string(),
    }
}

fn seconds(nanoseconds: Decimal) -> String {
    Decimal::new(nanoseconds.coefficient(), 9)
        .map_or_else(|| nanoseconds.to_string(), |seconds| seconds.normalized().to_string())
}

/// The distance of two rows, and its bound.
fn distance(bound: &Bound, apart: Decimal) -> String {
    let size = apart.abs();
    let days = |count: Decimal| {
        if count == Decimal::new(1, 0).unwrap_or(Decimal::ZERO) { "day" } else { "days" }
    };
    match bound {
        Bound::Days(from, to) if -from == *to => {
            format!("{size} {} away, {to} allowed", days(size))
        }
        Bound::Days(from, to) => {
            let direction = if apart < Decimal::ZERO { "earlier" } else { "later" };
            format!("{size} {} {direction} in B, {from} to {to} allowed", days(size))
        }
        Bound::BusinessDays(most, _) => {
            format!("{size} business {} away, {most} allowed", days(size))
        }
        Bound::Nanoseconds(most) => {
            let most = Decimal::new(*most, 0).map(seconds).unwrap_or_default();
            format!("{} seconds away, {most} allowed", seconds(size))
        }
        Bound::Similarity(least) | Bound::Words(least) => {
            format!("similarity {apart}, at least {} needed", least.normalized())
        }
        Bound::Number { absolute, percent, either } => {
            let absolute = absolute.map(|bound| bound.to_string());
            let percent = percent.map(|(percent, _)| format!("{percent} %"));
            let join = if *either { " or " } else { " and " };
            let allowed: Vec<String> = absolute.into_iter().chain(percent).collect();
            format!("{size} away, {} allowed", allowed.join(join))
        }
    }
}
