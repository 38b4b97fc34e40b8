//! Lists in an order that no index has.

use crate::diagnostic::Problem;

use super::ReviewTables;
use super::condition::Where;
use super::orders::Rank;
use super::query::{ItemOrder, ItemQuery, Position};
use super::queue::Page;

impl ReviewTables<'_> {
    /// Items in an order that no index has: all of them are looked at.
    pub(super) fn by_rank(
        &mut self,
        query: &ItemQuery,
        order: ItemOrder,
        at: Option<Position>,
        limit: usize,
    ) -> Result<Page, Problem> {
        let conditions = self.row_conditions(query)?;
        let (mut found, mut from) = (Vec::new(), at.map(|at| order.rank_of(at)));
        loop {
            let mut ranks: Vec<Rank> = Vec::new();
            for condition in &conditions {
                let rows = "recon.difference_rows d";
                ranks.extend(self.first_ranked(
                    rows,
                    condition,
                    (query, order),
                    from,
                    limit + 1,
                )?);
            }
            ranks.sort_by(Rank::compare);
            ranks.truncate(limit + 1);
            let last = ranks.last().copied();
            let is_all = ranks.len() <= limit;
            let shown = self.without_blind(query, ranks, Rank::key)?;
            found.extend(shown);
            if is_all || found.len() > limit {
                return Ok(order.page(found, limit));
            }
            from = last;
        }
    }

    /// The first items `d` of these tables behind a rank, in an order.
    pub(super) fn first_ranked(
        &mut self,
        tables: &str,
        condition: &Where,
        (query, order): (&ItemQuery, ItemOrder),
        from: Option<Rank>,
        most: usize,
    ) -> Result<Vec<Rank>, Problem> {
        let columns = order.columns(self.dialect(), &query.chances);
        let mut behind = Where { sql: "1 = 1".to_owned(), ..condition.clone() };
        let place = "o.level, o.value, o.run_no, o.number";
        if let Some(from) = from {
            let (level, value, (run_no, number)) = from.values();
            let value = behind.bind(value);
            behind.and(&format!("({place}) > ({level}, {value}, {run_no}, {number})"));
        }
        let sql = format!(
            "SELECT {place} FROM (SELECT {columns} FROM {tables} WHERE {}) o \
             WHERE {} ORDER BY {place} LIMIT {most}",
            condition.sql, behind.sql
        );
        self.tx.list_again(&sql, &behind.values, Rank::read)
    }
}

impl ItemOrder {
    /// The first of some items in this order, with the start of the next page if there are more.
    pub(super) fn page(self, mut ranks: Vec<Rank>, limit: usize) -> Page {
        let more = ranks.len() > limit;
        ranks.truncate(limit);
        let next = ranks.last().filter(|_| more).map(|last| self.position(last, last.key()));
        (ranks.iter().map(|rank| (rank.key(), 0.0)).collect(), next)
    }
}
