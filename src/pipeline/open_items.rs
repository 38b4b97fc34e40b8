//! Open items: rows of the previous business date that take part again today.
//!
//! They come from the records of the previous date's run, never from its source files. What today's files deliver
//! again is not taken over, so that every row takes part once. From there on a row taken over is a row of today's
//! run like any other; only its place says where it was first read.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use crate::align::{BEFORE, BlockRows, Gathered, Partitioning, Partitions, SpillRoom};
use crate::diagnostic::{Code, Problem};

use crate::domain::metadata::{self, Source};
use crate::domain::row::push_cell;
use crate::domain::{
    Carried, Cell, Cells, Date, Decimal, Instant, Kind, Layout, Matched, OpenItemCounts, PerSide,
    RawCell, RowRef, RunId, Side, evidence, key, place,
};
use crate::store::{Decided, RecordKind, RunRow, Store, StoredRecord};

use super::Plan;
use super::diff::read_matched;
use super::matching::has_all;
use super::plan::OpenItems;

/// Origins of the rows that take part again. Their places are numbers beyond all inputs of a source.
#[derive(Clone, Debug, Default)]
pub struct CarriedRows {
    rows: Vec<CarriedRow>,
    files: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct CarriedRow {
    from: Date,
    /// Its record in the previous run.
    record: u64,
    offset: u64,
    file: u32,
    /// It had a partner and agreed with it.
    agreed: bool,
}

impl CarriedRows {
    fn row(&self, offset: u64) -> Option<&CarriedRow> {
        if place::input_of(offset) != place::CARRIED {
            return None;
        }
        self.rows.get(usize::try_from(place::within(offset)).ok()?)
    }

    /// Origin of a row, if it was carried.
    pub(super) fn of(&self, row: &RowRef<'_>) -> Option<Carried> {
        self.row(row.offset).map(|carried| Carried {
            from: carried.from.to_string(),
            record: carried.record,
            file: self.files.get(carried.file as usize).cloned().unwrap_or_default(),
            agreed: carried.agreed,
        })
    }

    /// Line and offset at which a row was read.
    pub(super) fn place(&self, row: &RowRef<'_>) -> (u64, u64) {
        (row.line, self.row(row.offset).map_or(row.offset, |carried| carried.offset))
    }

    /// Side and line, as the name of a row that has no other.
    pub(super) fn name(&self, side: Side, row: &RowRef<'_>) -> String {
        match self.row(row.offset) {
            Some(carried) => format!("{side}:{}@{}", row.line, carried.from),
            None => format!("{side}:{}", row.line),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl OpenItems {
    /// As `recon.yaml` says it.
    pub fn to_json(self) -> Json {
        let delivers = |side: Side| if self.movements[side] { "movements" } else { "snapshot" };
        let mut json = json!({ "a": delivers(Side::A), "b": delivers(Side::B) });
        if let Some(days) = self.max_age_days {
            json["max_age_days"] = days.into();
        }
        json
    }
}

/// Rows that the previous date leaves open.
pub(super) struct Waiting {
    items: OpenItems,
    previous: Option<(RunId, Date)>,
    rows: Vec<WaitingRow>,
    /// Movements that matched, with the rows that the snapshot must still deliver.
    matches: Vec<Vec<Vec<u8>>>,
    files: Vec<String>,
    expired: PerSide<u64>,
    /// The first of them, with the date they were first read.
    expired_names: Vec<String>,
    closed: PerSide<u64>,
    warnings: Vec<Problem>,
}

struct WaitingRow {
    side: Side,
    cells: Vec<u8>,
    line: u64,
    carried: CarriedRow,
    /// The match it takes part in as long as the snapshot delivers the other side.
    matched: Option<usize>,
}

/// Rows taken over.
pub(super) struct Taken {
    pub rows: CarriedRows,
    pub counts: OpenItemCounts,
    pub record: Json,
    pub warnings: Vec<Problem>,
}

/// Rows that the previous date leaves open; `None` for a job without open items.
pub(super) fn waiting(store: &dyn Store, plan: &Plan) -> Result<Option<Waiting>, Problem> {
    let Some(items) = plan.open_items else { return Ok(None) };
    let previous = store.previous_run(&plan.job, plan.batch_date)?;
    is_whole(store, plan, previous.as_ref())?;
    let mut waiting = Waiting {
        items,
        previous: previous.as_ref().map(|run| (run.id, run.batch_date)),
        rows: Vec::new(),
        matches: Vec::new(),
        files: Vec::new(),
        expired: PerSide::default(),
        expired_names: Vec::new(),
        closed: PerSide::default(),
        warnings: Vec::new(),
    };
    if let Some(run) = previous {
        Reader::new(store, plan, items, &run, &mut waiting)?.read(store)?;
    }
    Ok(Some(waiting))
}

/// Refuses to go on without the rows that this date once took over: its previous run was pruned.
fn is_whole(store: &dyn Store, plan: &Plan, previous: Option<&RunRow>) -> Result<(), Problem> {
    let pruned = |date: &dyn std::fmt::Display| {
        let message = format!(
            "the run of {date}, whose open items take part on {}, was pruned",
            plan.batch_date
        );
        Problem::new(Code::OpenItemsPruned, message).help(
            "run the dates from there on again, the oldest first, or keep this date's run as it is",
        )
    };
    if let Some(run) = previous.filter(|run| run.metadata.get("pruned_at").is_some()) {
        return Err(pruned(&run.batch_date));
    }
    let Some(before) = store.current_run(&plan.job, plan.batch_date)? else { return Ok(()) };
    let rested_on = before.metadata.pointer("/open_items/previous/date").and_then(Json::as_str);
    let Some(date) = rested_on.and_then(|date| Date::parse_iso(date.as_bytes())) else {
        return Ok(());
    };
    if previous.is_none_or(|run| run.batch_date < date) { Err(pruned(&date)) } else { Ok(()) }
}

/// A warning that names the later dates whose runs took over rows before this one.
pub(super) fn later_runs(store: &dyn Store, plan: &Plan) -> Result<Option<Problem>, Problem> {
    if plan.open_items.is_none() {
        return Ok(None);
    }
    let later = store.later_dates(&plan.job, plan.batch_date)?;
    let Some(first) = later.first() else { return Ok(None) };
    const SHOWN: usize = 10;
    let mut dates: Vec<String> = later.iter().take(SHOWN).map(Date::to_string).collect();
    if later.len() > SHOWN {
        dates.push(format!("and {} more", later.len() - SHOWN));
    }
    let message = format!(
        "runs of later dates rest on the open items that {} had before: {}",
        plan.batch_date,
        dates.join(", ")
    );
    let help = format!("run these dates again, the oldest first: `recon run --batch-date {first}`");
    Ok(Some(Problem::new(Code::LaterRuns, message).help(help)))
}

/// Reads the open rows of a run.
struct Reader<'a> {
    plan: &'a Plan,
    items: OpenItems,
    run: &'a RunRow,
    decided: BTreeMap<u64, Decided>,
    sources: PerSide<Source>,
    known_files: HashMap<String, u32>,
    /// Source of each of today's fields in a stored row; `None` if all are as they were.
    fit: Option<Vec<Option<usize>>>,
    unfit: BTreeMap<String, u64>,
    waiting: &'a mut Waiting,
}

/// A row of a stored record.
struct StoredRow<'a> {
    side: Side,
    values: &'a str,
    place: (u64, u64),
    carried: Option<&'a Carried>,
}

impl<'a> Reader<'a> {
    fn new(
        store: &dyn Store,
        plan: &'a Plan,
        items: OpenItems,
        run: &'a RunRow,
        waiting: &'a mut Waiting,
    ) -> Result<Self, Problem> {
        let sources = run.metadata.get(metadata::SOURCES).unwrap_or(&Json::Null);
        Ok(Self {
            plan,
            items,
            run,
            decided: store.decided_records(run.id)?,
            sources: PerSide::of(|side| {
                metadata::piece(sources, side.letter()).unwrap_or_default()
            }),
            known_files: HashMap::new(),
            fit: fit(&run.layout, &plan.layout),
            unfit: BTreeMap::new(),
            waiting,
        })
    }

    fn read(mut self, store: &dyn Store) -> Result<(), Problem> {
        store.each_record(self.run.id, &mut |record| self.record(record))?;
        if self.items.is_mixed() && !self.run.keep_all {
            let message = format!(
                "the run of {} did not keep what matched (`keep: breaks`), so movements that matched \
                 then take no part today",
                self.run.batch_date
            );
            let help = "run that date again with the present configuration";
            self.waiting.warnings.push(Problem::new(Code::CarriedFields, message).help(help));
        }
        self.waiting.warnings.extend(self.waiting.expired_warning());
        if !self.waiting.rows.is_empty() && self.has_changed() {
            self.waiting.warnings.push(self.changed());
        }
        Ok(())
    }

    /// True if the settings that make rows have changed since the previous date.
    fn has_changed(&self) -> bool {
        let rows = |identity: Option<&Json>| {
            let mut identity = identity.cloned().unwrap_or_default();
            if let Some(map) = identity.as_object_mut() {
                for other in ["open_items", "match", "ref"] {
                    map.remove(other);
                }
            }
            identity
        };
        rows(self.run.metadata.get("identity")) != rows(Some(&self.plan.record.identity))
    }

    fn changed(&self) -> Problem {
        let mut message = format!(
            "rows taken over from {} keep the values they were stored with, although `key`, `map`, `fields` \
             or `normalize` have changed since",
            self.run.batch_date
        );
        let known = |name: &str| self.run.layout.position(name).is_some();
        let new: Vec<_> = self.plan.layout.names().filter(|name| !known(name)).collect();
        if !new.is_empty() {
            message += &format!("; without a value: {}", new.join(", "));
        }
        if !self.unfit.is_empty() {
            let unfit: Vec<_> =
                self.unfit.iter().map(|(name, rows)| format!("{name} ({rows})")).collect();
            message += &format!("; not of the present type: {}", unfit.join(", "));
        }
        Problem::new(Code::CarriedFields, message)
    }

    fn record(&mut self, record: &StoredRecord<'_>) -> Result<(), Problem> {
        let decided = self.decided.get(&record.number).copied();
        if decided.is_none() && !self.items.is_mixed() {
            return Ok(());
        }
        let matched = match record.matched {
            Some(text) => read_matched(record.number, text)?,
            None => Matched::default(),
        };
        let rows = rows_of(record, &matched);
        if !matches!(record.kind, RecordKind::Pair | RecordKind::Group) {
            return rows
                .iter()
                .try_for_each(|row| self.alone(record.number, row, &matched, decided));
        }
        match self.items.movements {
            PerSide { a: true, b: true } => {
                let Some(decided) = decided else { return Ok(()) };
                if decided.settled {
                    for row in rows.iter().filter(|_| decided.closed) {
                        self.waiting.closed[row.side] += 1;
                    }
                    return Ok(());
                }
                rows.iter().try_for_each(|row| self.keep(record.number, row, None, false))
            }
            PerSide { a: false, b: false } => Ok(()),
            mixed => {
                let mut delivered = Vec::new();
                for row in rows.iter().filter(|row| !mixed[row.side]) {
                    let cells = self.cells(row)?;
                    delivered.push(cells);
                }
                let at = self.waiting.matches.len();
                self.waiting.matches.push(delivered);
                let moving = rows.iter().filter(|row| mixed[row.side]);
                let agreed = decided.is_none();
                moving
                    .into_iter()
                    .try_for_each(|row| self.keep(record.number, row, Some(at), agreed))
            }
        }
    }

    /// A row without a partner.
    fn alone(
        &mut self,
        record: u64,
        row: &StoredRow<'_>,
        matched: &Matched,
        decided: Option<Decided>,
    ) -> Result<(), Problem> {
        if !self.items.movements[row.side] {
            return Ok(());
        }
        if decided.is_some_and(|decided| decided.closed) {
            self.waiting.closed[row.side] += 1;
            return Ok(());
        }
        let age = i64::from(self.plan.batch_date.days()) - i64::from(self.from(row).days());
        if self.items.max_age_days.is_some_and(|most| age > i64::from(most)) {
            self.waiting.expired[row.side] += 1;
            if self.waiting.expired_names.len() < EXPIRED_SHOWN {
                let key_len = self.plan.layout.key_len();
                let name = match matched.reference(row.side) {
                    Some(name) => name.to_owned(),
                    None => key::reference(Cells::new(&self.cells(row)?), key_len),
                };
                let from = self.from(row);
                self.waiting.expired_names.push(format!("{name} ({}, {from})", row.side));
            }
            return Ok(());
        }
        self.keep(record, row, None, false)
    }

    /// The date a row was first read.
    fn from(&self, row: &StoredRow<'_>) -> Date {
        row.carried
            .and_then(|carried| Date::parse_iso(carried.from.as_bytes()))
            .unwrap_or(self.run.batch_date)
    }

    fn keep(
        &mut self,
        record: u64,
        row: &StoredRow<'_>,
        matched: Option<usize>,
        agreed: bool,
    ) -> Result<(), Problem> {
        let cells = self.cells(row)?;
        let file = match row.carried {
            Some(carried) => carried.file.clone(),
            None => self.sources[row.side].file(row.place.1).to_owned(),
        };
        let file = match self.known_files.get(&file) {
            Some(known) => *known,
            None => {
                let at = u32::try_from(self.waiting.files.len()).unwrap_or(u32::MAX);
                self.known_files.insert(file.clone(), at);
                self.waiting.files.push(file);
                at
            }
        };
        let (line, offset) = row.place;
        let carried = CarriedRow { from: self.from(row), record, offset, file, agreed };
        self.waiting.rows.push(WaitingRow { side: row.side, cells, line, carried, matched });
        Ok(())
    }

    /// A stored row's cells in the order of today's fields.
    fn cells(&mut self, row: &StoredRow<'_>) -> Result<Vec<u8>, Problem> {
        let mut stored = Vec::new();
        evidence::read(&self.run.layout, row.values, &mut stored).map_err(|reason| {
            let message = format!("a record of run {} can't be read: {reason}", self.run.id);
            Problem::new(Code::Evidence, message)
                .help("the store was changed from outside; run that date again")
        })?;
        let Some(fit) = &self.fit else { return Ok(stored) };
        let all: Vec<RawCell<'_>> = Cells::new(&stored).collect();
        let mut cells = Vec::new();
        for (field, at) in self.plan.layout.fields().iter().zip(fit) {
            let cell = at.and_then(|at| all.get(at).copied().zip(self.run.layout.fields().get(at)));
            match cell {
                None => push_cell(&mut cells, Cell::Null),
                Some((cell, before)) if before.kind == field.kind => {
                    cells.extend_from_slice(cell.bytes());
                }
                Some((cell, _)) => {
                    let mut buffer = [0; 36];
                    let text = cell.decode(&mut buffer).text();
                    let new = text.as_deref().map_or(Cell::Null, |text| typed(text, field.kind));
                    if matches!(new, Cell::Unparsed(_)) {
                        *self.unfit.entry(field.name.clone()).or_default() += 1;
                    }
                    push_cell(&mut cells, new);
                }
            }
        }
        Ok(cells)
    }
}

/// A value as one of another type, if its text is one.
fn typed(text: &str, kind: Kind) -> Cell<'_> {
    let cell = match kind {
        Kind::Text => Some(Cell::Text(text)),
        Kind::Decimal => Decimal::parse(text.as_bytes()).ok().map(Cell::Decimal),
        Kind::Integer => text.parse().ok().map(Cell::Integer),
        Kind::Date => Date::parse_iso(text.as_bytes()).map(Cell::Date),
        Kind::Datetime => Instant::parse_rfc3339_utc(text).map(Cell::Instant),
        Kind::Boolean => text.parse().ok().map(Cell::Boolean),
    };
    cell.unwrap_or(Cell::Unparsed(text))
}

/// Position of each field of `new` in `old`; `None` if both have the same fields.
fn fit(old: &Layout, new: &Layout) -> Option<Vec<Option<usize>>> {
    let field = |field: &crate::domain::Field| (field.name.clone(), field.kind);
    if old.fields().iter().map(field).eq(new.fields().iter().map(field)) {
        return None;
    }
    Some(new.names().map(|name| old.position(name)).collect())
}

/// The rows of a record on both sides, a group's one by one.
fn rows_of<'a>(record: &StoredRecord<'a>, matched: &'a Matched) -> Vec<StoredRow<'a>> {
    let mut rows = Vec::new();
    for side in Side::BOTH {
        let (values, place, members) = match side {
            Side::A => (record.a, record.place_a, &matched.a),
            Side::B => (record.b, record.place_b, &matched.b),
        };
        if members.is_empty() {
            let carried = matched.carried(side);
            let place = place.unwrap_or_default();
            rows.extend(values.map(|values| StoredRow { side, values, place, carried }));
        }
        rows.extend(members.iter().map(|member| StoredRow {
            side,
            values: member.values.get(),
            place: (member.line, member.offset),
            carried: member.carried.as_ref(),
        }));
    }
    rows
}

/// Identifies a row: kind and hash. Rows identified by different kinds are different.
type RowIdentity = (By, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum By {
    Key,
    /// The `ref` fields.
    Ref,
    All,
}

impl By {
    /// Identity of a row among those of its side: the key, or a snapshot row's `ref` if there is no key.
    fn of(plan: &Plan, cells: Cells<'_>, of_snapshot: bool) -> Self {
        let key_len = plan.layout.key_len();
        if key_len > 0 && has_all(cells.take(key_len)) {
            return Self::Key;
        }
        let named = || {
            refs(plan).iter().filter_map(|at| {
                let mut cells = cells;
                cells.nth(*at)
            })
        };
        if of_snapshot && !refs(plan).is_empty() && has_all(named()) {
            Self::Ref
        } else {
            Self::All
        }
    }

    fn told(plan: &Plan, cells: Cells<'_>, of_snapshot: bool) -> RowIdentity {
        let by = Self::of(plan, cells, of_snapshot);
        let hash = match by {
            Self::Key => key::hash(cells, plan.layout.key_len()),
            Self::Ref => key::hash(Cells::new(&named(plan, cells)), refs(plan).len()),
            Self::All => key::hash(cells, plan.layout.len()),
        };
        (by, hash)
    }

    /// Compares the identities of two rows.
    fn is_same(self, plan: &Plan, left: &[u8], right: &[u8]) -> bool {
        let (left, right) = (Cells::new(left), Cells::new(right));
        match self {
            Self::Key => key::equal(left, right, plan.layout.key_len()),
            Self::Ref => {
                let (left, right) = (named(plan, left), named(plan, right));
                key::equal(Cells::new(&left), Cells::new(&right), refs(plan).len())
            }
            Self::All => key::equal(left, right, plan.layout.len()),
        }
    }
}

fn refs(plan: &Plan) -> &[usize] {
    plan.matching.as_ref().map_or(&[], |matching| matching.refs.as_slice())
}

/// The cells of the `ref` fields.
fn named(plan: &Plan, cells: Cells<'_>) -> Vec<u8> {
    let all: Vec<_> = cells.collect();
    let named = refs(plan).iter().filter_map(|at| all.get(*at));
    named.flat_map(|cell| cell.bytes().iter().copied()).collect()
}

/// Waiting rows that today's files deliver again.
struct Today<'w> {
    /// Rows of movements that may be rows that wait.
    again: HashMap<(Side, RowIdentity), Vec<Vec<u8>>>,
    /// Rows that the snapshot must deliver, and how often it does.
    wanted: HashMap<RowIdentity, Vec<(&'w [u8], u64)>>,
}

impl Waiting {
    fn expired_warning(&self) -> Option<Problem> {
        let count = self.expired.a + self.expired.b;
        let more = count.saturating_sub(self.expired_names.len() as u64);
        let days = self.items.max_age_days.filter(|_| count > 0)?;
        let mut message = format!(
            "{count} open {} than {days} days and {} not take part any more: {}",
            if count == 1 { "row is older" } else { "rows are older" },
            if count == 1 { "does" } else { "do" },
            self.expired_names.join(", ")
        );
        if more > 0 {
            message += &format!(" and {more} more");
        }
        Some(Problem::new(Code::ExpiredItems, message))
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds rows that take part again to today's rows.
    pub fn take_over(
        mut self,
        plan: &Plan,
        partitions: &mut Partitions,
        (how, room): (Partitioning, &SpillRoom),
    ) -> Result<Taken, Problem> {
        // The oldest come first, so that of rows that are alike they match first.
        self.rows.sort_by_key(|row| (row.carried.from, row.side, row.line, row.carried.record));
        let stays = self.stays(plan, partitions)?;
        let mut rows = CarriedRows { rows: Vec::new(), files: std::mem::take(&mut self.files) };
        let mut carried = PerSide::default();
        let mut oldest = self.previous.map_or(plan.batch_date, |(_, date)| date);
        let mut gathered = Gathered::new(how, room);
        let mut blocks: PerSide<BlockRows> = PerSide::default();
        let spread_len = plan.layout.spread_len();
        let mut sequence = BEFORE;
        for (row, _) in self.rows.iter().zip(stays).filter(|(_, stays)| *stays) {
            carried[row.side] += 1;
            if !row.carried.agreed {
                oldest = oldest.min(row.carried.from);
            }
            let offset = place::in_input(place::CARRIED as u64, rows.rows.len() as u64);
            rows.rows.push(row.carried);
            let hash = key::hash(Cells::new(&row.cells), spread_len);
            let block = &mut blocks[row.side];
            block.push(&RowRef::new(hash, row.line, offset, &row.cells));
            if block.len() >= BLOCK {
                gathered.add(row.side, sequence, block)?;
                block.clear();
                sequence += 1;
            }
        }
        for side in Side::BOTH {
            gathered.add(side, sequence, &blocks[side])?;
        }
        partitions.add(gathered);
        let mut record = self.items.to_json();
        record["oldest"] = oldest.to_string().into();
        if let Some((run, date)) = self.previous {
            record["previous"] = json!({ "run": run.to_string(), "date": date.to_string() });
        }
        let (expired, closed) = (self.expired, self.closed);
        let counts = OpenItemCounts { carried, expired, closed };
        Ok(Taken { rows, counts, record, warnings: self.warnings })
    }

    /// Rows that take part again: not those that today's file delivers again, and a matched movement only as long as
    /// the snapshot delivers its partner.
    fn stays(&self, plan: &Plan, partitions: &Partitions) -> Result<Vec<bool>, Problem> {
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut own: HashMap<(Side, RowIdentity), Vec<usize>> = HashMap::new();
        for (at, row) in self.rows.iter().enumerate() {
            let told = By::told(plan, Cells::new(&row.cells), false);
            own.entry((row.side, told)).or_default().push(at);
        }
        let Today { again, mut wanted } = self.today(plan, partitions, &own)?;
        let mut is_delivered = vec![false; self.matches.len()];
        for (is_delivered, partners) in is_delivered.iter_mut().zip(&self.matches) {
            for cells in partners {
                let told = By::told(plan, Cells::new(cells), true);
                let alike = wanted.get_mut(&told).into_iter().flatten();
                for (_, count) in alike.filter(|(known, _)| told.0.is_same(plan, known, cells)) {
                    *is_delivered |= *count > 0;
                    *count = count.saturating_sub(1);
                }
            }
        }
        let stays = |row: &WaitingRow| row.matched.is_none_or(|at| is_delivered[at]);
        let mut stays: Vec<bool> = self.rows.iter().map(stays).collect();
        for (told, mut delivered) in again {
            let waiting = own.get(&told).map_or(&[][..], Vec::as_slice);
            let by_key = told.1.0 == By::Key;
            for by in [Some(By::All), by_key.then_some(By::Key)].into_iter().flatten() {
                delivered.retain(|cells| {
                    let again = waiting
                        .iter()
                        .find(|at| stays[**at] && by.is_same(plan, &self.rows[**at].cells, cells));
                    again.is_none_or(|at| {
                        stays[*at] = false;
                        false
                    })
                });
            }
        }
        Ok(stays)
    }

    fn today(
        &self,
        plan: &Plan,
        partitions: &Partitions,
        own: &HashMap<(Side, RowIdentity), Vec<usize>>,
    ) -> Result<Today<'_>, Problem> {
        let mut wanted: HashMap<RowIdentity, Vec<(&[u8], u64)>> = HashMap::new();
        for cells in self.matches.iter().flatten() {
            let told = By::told(plan, Cells::new(cells), true);
            let alike = wanted.entry(told).or_default();
            if !alike.iter().any(|(known, _)| told.0.is_same(plan, known, cells)) {
                alike.push((cells, 0));
            }
        }
        let mut again: HashMap<(Side, RowIdentity), Vec<Vec<u8>>> = HashMap::new();
        let mut look = |side: Side, row: &RowRef<'_>| {
            let cells = row.cells();
            if self.items.movements[side] {
                let told = (side, By::told(plan, cells, false));
                if own.contains_key(&told) {
                    again.entry(told).or_default().push(cells.whole().into_owned());
                }
            } else if !wanted.is_empty() {
                let told = By::told(plan, cells, true);
                for (known, count) in wanted.get_mut(&told).into_iter().flatten() {
                    *count += u64::from(told.0.is_same(plan, known, &cells.whole()));
                }
            }
        };
        for index in 0..partitions.len() {
            partitions.look(index, plan.layout.spread_len(), |rows| {
                for side in Side::BOTH {
                    let rows = rows[side].iter().filter(|row| !row.rejected);
                    rows.for_each(|row| look(side, row));
                }
                Ok(())
            })?;
        }
        Ok(Today { again, wanted })
    }
}

/// How many expired rows are named.
const EXPIRED_SHOWN: usize = 20;

/// The rows that are sorted apart at once.
const BLOCK: usize = 1 << 14;
