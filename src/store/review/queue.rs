//! The queue: pages of items, at the same cost wherever the page is.
//!
//! Undecided items are found through small indexes: in the order of confidence or amount, and within each signature
//! in the order of confidence. Conditions on a signature's properties (job, field, type, reason) select signatures,
//! whose items are merged. Items of other statuses come in the order of their numbers, from an index of status and
//! signature; in any other order all of them are looked at (`ranked`). Lists of a small table (assigned, sent back, proposed,
//! samples) start from that table. Items of runs that no index has come from memory (`unlisted`). With conditions that
//! need each row, reading goes on until a page is full or there are no more rows, so that a page is never empty while
//! items follow.

use crate::diagnostic::Problem;
use crate::domain::review::is_blind;
use crate::domain::{Severity, Status};
use crate::store::SqlValue;
use crate::store::layout::{ItemKey, LISTED, MAX_NUMBER};
use crate::store::transact::{Dialect, SqlRow};

use super::ReviewTables;
use super::ages::Ages;
use super::condition::Where;
use super::query::{
    Column, Condition, HIGHEST_CONFIDENCE, ItemOrder, ItemQuery, LARGEST_AMOUNT, LOWEST_CONFIDENCE,
    Ordered, Position,
};
use super::sections::{Section, ordered};

/// Rows that one statement examines if no index finds the matching ones.
pub(super) const BUDGET: usize = 20_000;
/// Signatures whose items are merged; if more match, the queue is read in its own order.
pub(super) const STREAMS: usize = 48;

/// A page's items, and where the next begins.
pub(super) type Page = (Vec<Ordered>, Option<Position>);

impl ReviewTables<'_> {
    /// A page of items in this order, from behind `at`.
    pub fn page(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<ItemKey>, Option<Position>), Problem> {
        if query.runs.is_empty() || query.signatures.as_ref().is_some_and(Vec::is_empty) {
            return Ok((Vec::new(), None));
        }
        if let Some(page) = self.few(query, order, at, limit)? {
            return Ok(page);
        }
        let (found, next) = match order {
            _ if query.samples => self.samples(query, at, limit)?,
            _ if query.status == Some(Status::Pending) => self.pending(query, order, at, limit)?,
            _ if query.is_kept_by_item() => self.noted(query, order, at, limit)?,
            _ if query.ages().is_some() && query.waits() && query.without_blind.is_none() => {
                self.by_age(query, at, limit)?
            }
            ItemOrder::Number => self.by_number(query, at, limit)?,
            _ if !query.waits() || query.without_blind.is_some() => {
                self.by_rank(query, order, at, limit)?
            }
            ItemOrder::Confidence => self.ordered(query, LOWEST_CONFIDENCE, at, limit)?,
            ItemOrder::HighestConfidence => self.ordered(query, HIGHEST_CONFIDENCE, at, limit)?,
            ItemOrder::Amount => self.by_amount(query, at, limit)?,
            ItemOrder::AtRisk => self.by_rank(query, order, at, limit)?,
            ItemOrder::Age => self.by_age(query, at, limit)?,
            ItemOrder::Severity => self.by_severity(query, false, at, limit)?,
            ItemOrder::SeverityAndNumber => self.by_severity(query, true, at, limit)?,
        };
        Ok((found.into_iter().map(|(key, _)| key).collect(), next))
    }

    pub fn count(&mut self, query: &ItemQuery) -> Result<u64, Problem> {
        if let Some(items) = self.found_items(query)? {
            return Ok(items.count());
        }
        if let Some(ages) = query.ages()
            && query.status == Some(Status::Unknown)
            && !query.with_later
        {
            return self.count_aged(query, &Ages::new(ages));
        }
        let mut items = 0;
        for condition in self.row_conditions(query)? {
            let sql =
                format!("SELECT count(*) FROM recon.difference_rows d WHERE {}", condition.sql);
            items += self.tx.count(&sql, &condition.values)?.cast_unsigned();
        }
        Ok(items)
    }

    /// Conditions on items `d` that together choose those of a query, each once.
    pub(super) fn row_conditions(&mut self, query: &ItemQuery) -> Result<Vec<Where>, Problem> {
        if !query.waits() {
            return self.settled_conditions(query);
        }
        let sections = self.sections(&query.runs)?;
        let conditions = sections.iter().map(|section| {
            let mut condition = section.all_rows();
            condition.narrow(query, "d");
            condition
        });
        Ok(conditions.collect())
    }

    /// The same of a query for other than undecided items. On SQLite those of runs in no index are found by their run.
    fn settled_conditions(&mut self, query: &ItemQuery) -> Result<Vec<Where>, Problem> {
        let dialect = self.dialect();
        let run = dialect.run_no("d");
        if dialect == Dialect::Postgres {
            let mut all = self.condition(query, &run);
            all.newest(query);
            return Ok(vec![all]);
        }
        let all = self.unlisted()?;
        let unlisted: Vec<i64> =
            query.runs.iter().copied().filter(|run| all.contains(run)).collect();
        let mut listed = self.condition(&query.without_runs(&unlisted), &run);
        listed.and(LISTED);
        listed.newest(query);
        let mut conditions = vec![listed];
        for run_no in unlisted {
            let mut own = self.condition(&query.of_runs(vec![run_no]), &run);
            own.and(&dialect.of_run("d", run_no));
            own.newest(query);
            conditions.push(own);
        }
        Ok(conditions)
    }

    /// All of a query as one condition on items `d`, whose run is in this column.
    pub(super) fn condition(&self, query: &ItemQuery, run: &str) -> Where {
        let dialect = self.dialect();
        let mut condition = Where::new(
            dialect,
            match query.status {
                Some(status) => format!("d.status = {}", status.code()),
                None => "d.status IS NOT NULL".to_owned(),
            },
        );
        if query.some_runs || query.status != Some(Status::Unknown) {
            condition.of_runs(run, &query.runs);
        }
        condition.narrow(query, "d");
        if query.samples {
            let is_sample = condition.is_sample();
            condition.and(&is_sample);
        }
        condition
    }

    /// Unchecked blind samples, in the order of their numbers.
    fn samples(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "x.outcome IS NULL AND d.status = 3");
        let unlocked = condition.bind(false);
        condition.and(&format!("d.is_locked = {unlocked}"));
        condition.narrow(query, "d");
        // Another order would reveal the machine's reason.
        self.kept_in("audit_samples", condition, (query, ItemOrder::Number), at, limit)
    }

    /// Items that are assigned or were sent back.
    fn noted(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "1 = 1");
        condition.matching(query);
        let assigned = |one: &Condition| matches!(one, Condition::AssignedTo(_));
        let table = if query.conditions.iter().any(assigned) { "assignments" } else { "sent_back" };
        self.kept_in(table, condition, (query, order), at, limit)
    }

    /// Items of open proposals.
    fn pending(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut condition = Where::new(self.dialect(), "x.open = $1");
        condition.bind(true);
        condition.narrow(query, "x");
        self.kept_in("proposal_items", condition, (query, order), at, limit)
    }

    /// Items that another table `x` keeps something about.
    fn kept_in(
        &mut self,
        table: &str,
        mut condition: Where,
        (query, order): (&ItemQuery, ItemOrder),
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        condition.of_runs("x.run_no", &query.runs);
        let place = self.dialect().located("d", "x");
        let tables = format!("recon.{table} x JOIN recon.difference_rows d ON {place}");
        if order != ItemOrder::Number {
            let from = at.map(|at| order.rank_of(at));
            let found = self.first_ranked(&tables, &condition, (query, order), from, limit + 1)?;
            return Ok(order.page(found, limit));
        }
        let at = at.map_or(ItemKey::default(), Position::key);
        let sql = format!(
            "SELECT x.run_no, x.number, 0 FROM {tables} \
             WHERE {} AND (x.run_no, x.number) > ({}, {}) ORDER BY x.run_no, x.number LIMIT {}",
            condition.sql,
            at.run_no,
            at.number,
            limit + 1
        );
        let found = self.ordered_keys(&sql, &condition.values)?;
        Ok(cut(found, limit).unwrap_or_else(|found| (found, None)))
    }

    /// The highest severity first, and within one by number or by confidence.
    fn by_severity(
        &mut self,
        query: &ItemQuery,
        by_number: bool,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut found = Vec::new();
        let mut level = at.map_or(4, |at| at.level);
        let mut at = at.filter(|at| at.run_no != 0);
        while let Some(severity) = Severity::from_code(level) {
            let mut narrowed = query.clone();
            narrowed.conditions.push(Condition::Severity(severity));
            narrowed.signatures = self.signatures_of_severity(query, severity)?;
            if !narrowed.signatures.as_ref().is_some_and(Vec::is_empty) {
                let room = limit - found.len();
                let (more, next) = if by_number {
                    self.by_number(&narrowed, at, room)?
                } else {
                    self.ordered(&narrowed, LOWEST_CONFIDENCE, at, room)?
                };
                found.extend(more);
                if let Some(next) = next {
                    return Ok((found, Some(Position { level, ..next })));
                }
            }
            level -= 1;
            at = None;
            if found.len() == limit && level > 0 {
                return Ok((found, Some(Position { level, bits: 0, run_no: 0, number: 0 })));
            }
        }
        Ok((found, None))
    }

    pub(super) fn signatures_of_severity(
        &mut self,
        query: &ItemQuery,
        severity: Severity,
    ) -> Result<Option<Vec<i64>>, Problem> {
        let all = self.signatures()?;
        // If a signature does not imply its severity, the condition on the row decides.
        if all.iter().any(|signature| signature.severity.is_empty()) {
            return Ok(query.signatures.clone());
        }
        let chosen = |id: i64| query.signatures.as_ref().is_none_or(|ids| ids.contains(&id));
        Ok(Some(
            all.iter()
                .filter(|signature| {
                    signature.severity == severity.name() && chosen(signature.signature_id)
                })
                .map(|signature| signature.signature_id)
                .collect(),
        ))
    }

    /// Undecided items in the order of a column.
    fn ordered(
        &mut self,
        query: &ItemQuery,
        column: Column,
        mut at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        loop {
            let (found, next) = self.ordered_step(query, column, at, limit)?;
            if !found.is_empty() || next.is_none() {
                return Ok((found, next));
            }
            at = next;
        }
    }

    /// Some of them: from the column's index or, where few signatures are chosen, merged from the items of
    /// each.
    fn ordered_step(
        &mut self,
        query: &ItemQuery,
        column: Column,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let streams: Vec<Option<i64>> = match &query.signatures {
            Some(ids) if ids.len() <= STREAMS && column.by_signature => {
                ids.iter().copied().map(Some).collect()
            }
            _ => vec![None],
        };
        let mut reading = Reading {
            column,
            at,
            limit,
            budget: (BUDGET / streams.len()).max(limit + 1),
            found: Vec::new(),
            horizon: None,
        };
        for section in self.sections(&query.runs)? {
            for stream in &streams {
                self.read_stream(query, &section, *stream, &mut reading)?;
            }
        }
        let Reading { mut found, horizon, .. } = reading;
        found.sort_by(|left, right| column.compare(left, right));
        if let Some(horizon) = horizon {
            found.retain(|one| column.compare(one, &horizon).is_le());
        }
        Ok(cut(found, limit).unwrap_or_else(|found| (found, horizon.map(Position::of))))
    }

    /// Reads the first items of a section, and of a signature, in the order of a column.
    fn read_stream(
        &mut self,
        query: &ItemQuery,
        section: &Section,
        signature: Option<i64>,
        reading: &mut Reading,
    ) -> Result<(), Problem> {
        let Reading { column, at, limit, budget, .. } = *reading;
        let dialect = section.dialect;
        // Conditions that an index answers.
        let indexed = |rows: &mut Where| {
            if let Some(id) = signature {
                rows.and(&format!("d.signature_id = {id}"));
            }
            if column.name == LARGEST_AMOUNT.name {
                rows.and("d.amount_abs IS NOT NULL");
            }
            if let Some(at) = at {
                rows.behind(column, at);
            }
            for condition in query.conditions.iter().filter(|one| one.bounds(column)) {
                let sql = rows.sql_of(condition);
                rows.and(&sql);
            }
        };
        // Conditions that are checked row by row.
        let mut rest = query.clone();
        rest.conditions.retain(|one| !one.bounds(column));
        if signature.is_some() {
            rest.signatures = None;
        }
        let narrow = |condition: &mut Where| condition.narrow(&rest, "d");
        let is_narrow = !rest.conditions.is_empty() || rest.signatures.is_some();
        let has_bounds = dialect == Dialect::Sqlite
            || (column.name == LOWEST_CONFIDENCE.name && !column.descending && !is_narrow);
        let places = match signature {
            _ if !has_bounds => Vec::new(),
            // On SQLite the index tells which places have nothing behind the page before.
            Some(id)
                if column.name == LOWEST_CONFIDENCE.name
                    && !column.descending
                    && (dialect == Dialect::Postgres || at.is_none()) =>
            {
                self.kept_bounds(section, id)?
            }
            _ => self.bounds(column, section, signature, &indexed)?,
        };
        if has_bounds && !is_narrow {
            let first = self.first(column, section, &places, limit + 1, &indexed)?;
            reading.take(first, None);
            return Ok(());
        }
        let order = column.order(dialect);
        let value = format!("d.{}", column.name);
        let mut read = |places: &[i64], budget: usize| {
            let mut rows = section.rows(places);
            indexed(&mut rows);
            let window = Window { rows: &rows, value: &value, order: &order, budget };
            self.window(&window, narrow, limit)
        };
        if dialect == Dialect::Postgres {
            let (found, last) = read(&section.places, budget)?;
            reading.take(found, last);
            return Ok(());
        }
        for (count, bound) in places.iter().enumerate() {
            if reading.is_behind(&bound.first) {
                break;
            }
            let budget = (budget >> count.min(16)).max(limit + 1);
            let (found, last) = read(&[bound.place], budget)?;
            reading.take(found, last);
        }
        Ok(())
    }

    /// Largest amount first, then the items without an amount by their numbers.
    fn by_amount(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let behind_amounts = at.filter(|at| at.level == 1);
        let mut found = Vec::new();
        if behind_amounts.is_none() {
            let (more, next) = self.ordered(query, LARGEST_AMOUNT, at, limit)?;
            if next.is_some() {
                return Ok((more, next));
            }
            found = more;
        }
        if query.conditions.iter().any(|one| one.bounds(LARGEST_AMOUNT)) {
            return Ok((found, None));
        }
        let mut rest = query.clone();
        rest.conditions.push(Condition::NoAmount);
        let level = |at: Position| Position { level: 1, ..at };
        if found.len() == limit {
            let follows = !self.by_number(&rest, None, 1)?.0.is_empty();
            let next = follows.then(|| level(Position::after(ItemKey::default())));
            return Ok((found, next));
        }
        let (more, next) = self.by_number(&rest, behind_amounts, limit - found.len())?;
        found.extend(more);
        Ok((found, next.map(level)))
    }

    /// Items of any status, in the order of their numbers: those of each status and signature of a run come from
    /// the index, and are merged.
    fn by_number(
        &mut self,
        query: &ItemQuery,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let mut found: Vec<Ordered> = Vec::new();
        for run_no in query.sorted_runs() {
            let mut from = match at {
                Some(at) if at.run_no > run_no => continue,
                Some(at) if at.run_no == run_no => at.number,
                _ => 0,
            };
            let kinds = self.kinds_of(query, run_no)?;
            loop {
                let batch = self.merged(query, run_no, &kinds, from, limit + 1)?;
                let last = batch.last().map(|(key, _)| key.number);
                let whole = batch.len() <= limit;
                found.extend(self.without_blind(query, batch, |(key, _)| *key)?);
                found = match cut(found, limit) {
                    Ok(page) => return Ok(page),
                    Err(found) => found,
                };
                match last {
                    Some(last) if !whole => from = last,
                    _ => break,
                }
            }
        }
        Ok((found, None))
    }

    /// The statuses and signatures (0: none) of which a run has items, as far as a query wants them; and how many.
    fn kinds_of(
        &mut self,
        query: &ItemQuery,
        run_no: i64,
    ) -> Result<Vec<(i64, i64, u64)>, Problem> {
        let mut condition = Where::new(self.dialect(), format!("n.run_no = {run_no}"));
        // Kinds whose items all go on at a later date have a count of 0.
        if !query.with_later {
            condition.and("n.items > 0");
        }
        if let Some(status) = query.status {
            condition.and(&format!("n.status = {}", status.code()));
        }
        if let Some(ids) = &query.signatures {
            condition.one_of("n.signature_id", ids);
        }
        let sql = format!(
            "SELECT n.status, n.signature_id, n.items FROM recon.item_counts n WHERE {}",
            condition.sql
        );
        let kind = |row: &SqlRow| Ok((row.count(0)?, row.count(1)?, row.count(2)?.cast_unsigned()));
        self.tx.list(&sql, &condition.values, kind)
    }

    /// The first items behind `from` of these statuses and signatures of a run.
    fn merged(
        &mut self,
        query: &ItemQuery,
        run_no: i64,
        kinds: &[(i64, i64, u64)],
        from: i64,
        most: usize,
    ) -> Result<Vec<Ordered>, Problem> {
        if self.unlisted()?.contains(&run_no) && !kinds.is_empty() {
            let items = kinds.iter().map(|(_, _, items)| items).sum();
            return self.of_all_rows(query, (run_no, items), from, most);
        }
        let dialect = self.dialect();
        let narrowed = ItemQuery { signatures: None, ..query.clone() };
        let mut found = Vec::new();
        for (status, signature, _) in kinds {
            let signature = match signature {
                0 => "d.signature_id IS NULL".to_owned(),
                id => format!("d.signature_id = {id}"),
            };
            let place = dialect.between("d", run_no, from + 1, MAX_NUMBER);
            let mut condition =
                Where::new(dialect, format!("d.status = {status} AND {signature} AND {place}"));
            if dialect == Dialect::Sqlite {
                condition.and(LISTED);
            }
            condition.narrow(&narrowed, "d");
            if *status == i64::from(Status::Unknown.code()) {
                condition.newest(query);
            }
            let sql = format!(
                "SELECT {}, 0 FROM recon.difference_rows d WHERE {} ORDER BY {} LIMIT {most}",
                dialect.key("d"),
                condition.sql,
                dialect.order("d", "")
            );
            found.extend(self.ordered_keys(&sql, &condition.values)?);
        }
        found.sort_unstable_by_key(|(key, _)| *key);
        found.truncate(most);
        Ok(found)
    }

    /// Reads rows in an order, and of these the ones that `narrow` leaves: one more than `limit`. Where it
    /// leaves out some, no more rows are looked at than the budget; then the last of these is the second
    /// answer.
    fn window(
        &mut self,
        window: &Window<'_>,
        narrow: impl Fn(&mut Where),
        limit: usize,
    ) -> Result<(Vec<Ordered>, Option<Ordered>), Problem> {
        let dialect = self.dialect();
        let Window { rows, value, order, budget } = *window;
        let columns = format!("{}, {value}", dialect.key("d"));
        let from = "FROM recon.difference_rows d";
        let mut narrowed = Where { sql: String::new(), ..rows.clone() };
        narrow(&mut narrowed);
        let wanted = limit + 1;
        if narrowed.sql.is_empty() {
            let sql = format!(
                "SELECT {columns} {from} WHERE {} ORDER BY {order} LIMIT {wanted}",
                rows.sql
            );
            return Ok((self.ordered_keys(&sql, &rows.values)?, None));
        }
        let found = self.ordered_keys(
            &format!(
                "SELECT {columns} FROM (SELECT d.* {from} WHERE {} ORDER BY {order} LIMIT {budget}) d \
                 WHERE 1 = 1{} ORDER BY {order} LIMIT {wanted}",
                rows.sql, narrowed.sql
            ),
            &narrowed.values,
        )?;
        if found.len() > limit {
            return Ok((found, None));
        }
        let last = self.ordered_keys(
            &format!(
                "SELECT {columns} {from} WHERE {} ORDER BY {order} LIMIT 1 OFFSET {}",
                rows.sql,
                budget - 1
            ),
            &rows.values,
        )?;
        Ok((found, last.first().copied()))
    }

    /// Those of these items whose automatic reason is not hidden.
    pub(super) fn without_blind<T>(
        &mut self,
        query: &ItemQuery,
        items: Vec<T>,
        key: impl Fn(&T) -> ItemKey,
    ) -> Result<Vec<T>, Problem> {
        let Some(share) = query.without_blind else { return Ok(items) };
        let places: Vec<ItemKey> = items.iter().map(&key).collect();
        let undecided: std::collections::HashSet<ItemKey> = match query.status {
            Some(Status::Unknown) => places.into_iter().collect(),
            Some(_) => return Ok(items),
            None => {
                let items = self.items(&places, false)?;
                let unknown = items.iter().filter(|item| item.status == Status::Unknown);
                unknown.map(|item| item.key).collect()
            }
        };
        let mut shown = Vec::with_capacity(items.len());
        for item in items {
            let key = key(&item);
            let run = self.run(key.run_no)?;
            if !(undecided.contains(&key) && is_blind(&run.attribution_id(key), share)) {
                shown.push(item);
            }
        }
        Ok(shown)
    }

    pub(super) fn ordered_keys(
        &mut self,
        sql: &str,
        values: &[SqlValue],
    ) -> Result<Vec<Ordered>, Problem> {
        self.tx.list_again(sql, values, ordered)
    }
}

/// Items read so far for a page.
struct Reading {
    column: Column,
    at: Option<Position>,
    limit: usize,
    budget: usize,
    found: Vec<Ordered>,
    /// If a stream was not read to its end, nothing after this position may be shown yet.
    horizon: Option<Ordered>,
}

impl Reading {
    fn take(&mut self, found: Vec<Ordered>, last: Option<Ordered>) {
        let column = self.column;
        if let Some(last) = last
            && self.horizon.is_none_or(|known| column.compare(&last, &known).is_lt())
        {
            self.horizon = Some(last);
        }
        self.found.extend(found);
        self.found.sort_by(|left, right| column.compare(left, right));
        self.found.truncate(self.limit + 1);
    }

    /// True if an item comes after all that the page can show.
    fn is_behind(&self, item: &Ordered) -> bool {
        let full = self.found.get(self.limit);
        full.into_iter().chain(&self.horizon).any(|end| self.column.compare(item, end).is_gt())
    }
}

/// Rows that are read in an order.
#[derive(Clone, Copy)]
struct Window<'a> {
    rows: &'a Where,
    /// The sort column, before their numbers.
    value: &'a str,
    order: &'a str,
    /// Most items that are examined if some are left out.
    budget: usize,
}

/// A page and the start of the next one, if there are more items than a page; else the items found.
pub(super) fn cut(mut found: Vec<Ordered>, limit: usize) -> Result<Page, Vec<Ordered>> {
    if found.len() <= limit {
        return Err(found);
    }
    found.truncate(limit);
    let next = found.last().map(|last| Position::of(*last));
    Ok((found, next))
}
