//! Which items of a run a list has: without looking at all of them, where an order tells where they are, or where a page is
//! full before.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{self, AtomicUsize};

use crate::store::layout::ItemKey;

use super::super::few::HeldItem;
use super::super::orders::Rank;
use super::super::query::ItemOrder;
use super::super::queue::STREAMS;
use super::conditions::Test;
use super::rows::{Row, RunItems};

/// The items that are looked at in the order of a list before all are: at least so many, and one in [`SHARE`]. Tests
/// set it.
#[doc(hidden)]
pub static LEAST_WALKED: AtomicUsize = AtomicUsize::new(4_096);
const SHARE: usize = 32;
/// Where no more than so many may be on a list, or one in so many may fulfil a condition, these are looked at first.
pub(super) const FEWEST: usize = 1_000;
const FEW: usize = 8;
/// Items that are looked at together in the order of a list.
const STEP: usize = 64;
/// Rows that are looked at together, so that all conditions on them cost one pass over memory.
const BLOCK: usize = 1_024;

/// A page of a list.
pub(super) struct Look<'a> {
    pub run_no: i64,
    pub order: ItemOrder,
    /// The chance that a break stays, by signature.
    pub chances: &'a [(i64, f64)],
    /// The page begins behind it.
    pub at: Option<Rank>,
    pub tests: &'a [Test],
    pub most: usize,
    /// The most items that are looked at, and the most where all of these few are.
    pub budget: usize,
    pub few: usize,
}

/// The most of so many items that are looked at in the order of a list before all are.
pub(super) fn budget(items: usize) -> usize {
    (items / SHARE).max(LEAST_WALKED.load(atomic::Ordering::Relaxed))
}

impl Look<'_> {
    fn rank(&self, row: &Row) -> Rank {
        self.order.rank(&row.item(self.run_no), self.chances)
    }

    /// The first and the last rank that an item at its place in the order may have.
    fn span(&self, row: &Row, chances: (f64, f64)) -> (Rank, Rank) {
        self.order.span(&row.item(self.run_no), chances).unwrap_or_else(|| {
            let rank = self.rank(row);
            (rank, rank)
        })
    }

    /// The least and the largest chance.
    fn chances(&self) -> (f64, f64) {
        let all = self.chances.iter().map(|(_, stays)| *stays);
        all.fold((1.0, 1.0), |(least, most), one| (one.min(least), one.max(most)))
    }
}

impl RunItems {
    /// The first items of a list; `None` where too many would have to be looked at.
    pub(super) fn first(&self, look: &Look<'_>) -> Option<Vec<(Rank, ItemKey)>> {
        let by_group = look.tests.iter().find(|test| test.is_of_groups());
        let few_groups = by_group.filter(|test| {
            let groups = self.orders.groups(ItemOrder::Confidence, self.rows.len(), self.item());
            test.groups(groups).len() <= STREAMS
        });
        let budget = look.budget;
        let mut page = FirstItems { look, budget, found: Vec::new(), room: Vec::new() };
        if let Some(few) = self.few(look.tests, look.few) {
            page.take(self, &few);
            return Some(page.found);
        }
        match few_groups {
            Some(test) => {
                let groups = self.orders.groups(look.order, self.rows.len(), self.item());
                test.groups(groups).into_iter().try_for_each(|own| page.walk(self, own))?;
            }
            None => {
                page.walk(self, self.orders.list(look.order, self.rows.len(), self.item()))?;
            }
        }
        Some(page.found)
    }

    /// The places of the rows that fulfil all of these.
    pub(super) fn places(&self, tests: &[Test]) -> Vec<u32> {
        if let Some(mut few) = self.few(tests, self.rows.len() / FEW) {
            let mut room = Vec::new();
            few.retain(|place| self.fulfils(*place, tests, &mut room));
            few.sort_unstable();
            return few;
        }
        let (mut found, mut block, mut now) = (Vec::new(), Vec::new(), Vec::new());
        for (count, rows) in self.rows.chunks(BLOCK).enumerate() {
            let rows = self.present(rows, &mut now);
            block.clear();
            block.extend(0..u16::try_from(rows.len()).unwrap_or(u16::MAX));
            for test in tests {
                test.narrow(rows, &mut block);
            }
            let first = u32::try_from(count * BLOCK).unwrap_or(u32::MAX);
            found.extend(block.iter().map(|place| first + u32::from(*place)));
        }
        found
    }

    /// Places among which are all that fulfil the tests, where it is known that they are few.
    fn few(&self, tests: &[Test], most: usize) -> Option<Vec<u32>> {
        // To look up an item takes as long as looking at several in a row.
        self.looked_up(tests, most / FEW).or_else(|| self.in_few(tests, most))
    }

    /// The same, where the tests name items or records.
    fn looked_up(&self, tests: &[Test], most: usize) -> Option<Vec<u32>> {
        let numbers = tests.iter().find_map(|test| test.numbers());
        if let Some(numbers) = numbers.filter(|numbers| numbers.len() <= most) {
            return Some(numbers.iter().filter_map(|number| self.place(*number)).collect());
        }
        let (records, mut places) = (tests.iter().find_map(Test::records)?, Vec::new());
        records.each_of_few(most, |record| places.extend(self.places_of(record)))?;
        Some(places)
    }

    /// The same, where groups or a range of an order that is known have all of them.
    fn in_few(&self, tests: &[Test], most: usize) -> Option<Vec<u32>> {
        let ordered = [ItemOrder::Confidence, ItemOrder::Age, ItemOrder::Amount];
        let ranges = ordered.into_iter().filter_map(|order| {
            let list = self.orders.known(order)?;
            let is_bound = tests.iter().any(|test| test.bounds(order));
            is_bound.then(|| vec![&list[self.range(list, order, tests)]])
        });
        let groups = self.orders.known_groups(ItemOrder::Confidence);
        let of_groups = tests
            .iter()
            .filter(|test| test.is_of_groups())
            .filter_map(|test| Some(test.groups(groups?)));
        let count = |lists: &Vec<&[u32]>| lists.iter().map(|list| list.len()).sum::<usize>();
        let fewest = ranges.chain(of_groups).min_by_key(count)?;
        (count(&fewest) <= most).then(|| fewest.concat())
    }

    /// Where in a list all are that fulfil the tests.
    fn range(&self, list: &[u32], order: ItemOrder, tests: &[Test]) -> Range<usize> {
        if !tests.iter().any(|test| test.bounds(order)) {
            return 0..list.len();
        }
        let is_at = |place: u32, side: Ordering| {
            let row = &self.rows[place as usize];
            tests.iter().any(|test| test.side(order, row) == side)
        };
        let start = list.partition_point(|place| is_at(*place, Ordering::Less));
        let end = list.partition_point(|place| !is_at(*place, Ordering::Greater));
        start..end.max(start)
    }

    /// Whether the row at a place is as all tests want it.
    fn fulfils(&self, place: u32, tests: &[Test], room: &mut Vec<u16>) -> bool {
        let row = &self.rows[place as usize];
        let now = std::slice::from_ref(self.changed.get(&row.number).unwrap_or(row));
        room.clear();
        room.push(0);
        tests.iter().for_each(|test| test.narrow(now, room));
        !room.is_empty()
    }

    fn place(&self, number: i64) -> Option<u32> {
        let at = self.rows.binary_search_by_key(&number, |row| row.number).ok()?;
        u32::try_from(at).ok()
    }

    /// The item at a place, as far as orders are about it.
    fn item(&self) -> impl Fn(u32) -> HeldItem {
        |place| self.rows[place as usize].item(0)
    }

    /// Makes the orders in which the queue and its groups are listed first, and by which the overdue ones are counted.
    pub(super) fn put_in_order(&self) {
        for order in [ItemOrder::Confidence, ItemOrder::Age] {
            self.orders.list(order, self.rows.len(), self.item());
        }
        self.orders.groups(ItemOrder::Confidence, self.rows.len(), self.item());
    }
}

/// The first items that were found for a page.
struct FirstItems<'a> {
    look: &'a Look<'a>,
    /// Items that may yet be looked at.
    budget: usize,
    found: Vec<(Rank, ItemKey)>,
    room: Vec<u16>,
}

impl FirstItems<'_> {
    /// Looks at the items of a list in its order until no other can be on the page.
    fn walk(&mut self, items: &RunItems, list: &[u32]) -> Option<()> {
        let (look, chances) = (self.look, self.look.chances());
        let span = |place: u32| look.span(&items.rows[place as usize], chances);
        let list = &list[items.range(list, look.order, look.tests)];
        let before = |at: Rank| list.partition_point(|place| span(*place).1.compare(&at).is_le());
        for some in list[look.at.map_or(0, before)..].chunks(STEP) {
            let next = some.first().map(|place| span(*place).0);
            if next.zip(self.end()).is_some_and(|(next, end)| next.compare(&end).is_gt()) {
                break;
            }
            self.budget = self.budget.checked_sub(some.len())?;
            self.take(items, some);
        }
        Some(())
    }

    /// The last one on the page, once it is full.
    fn end(&self) -> Option<Rank> {
        Some(self.found.get(self.look.most.checked_sub(1)?)?.0)
    }

    /// Looks at the items at some places, which may be in any order.
    fn take(&mut self, items: &RunItems, places: &[u32]) {
        let (look, end) = (self.look, self.end());
        for place in places {
            let row = &items.rows[*place as usize];
            let rank = look.rank(row);
            if look.at.is_none_or(|at| rank.compare(&at).is_gt())
                && end.is_none_or(|end| rank.compare(&end).is_lt())
                && items.fulfils(*place, look.tests, &mut self.room)
            {
                self.found.push((rank, row.item(look.run_no).key));
            }
        }
        self.found.sort_by(|(left, _), (right, _)| left.compare(right));
        self.found.truncate(look.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Status;
    use crate::store::audit;

    const ORDERS: [ItemOrder; ItemOrder::COUNT] = [
        ItemOrder::Number,
        ItemOrder::Confidence,
        ItemOrder::HighestConfidence,
        ItemOrder::Amount,
        ItemOrder::AtRisk,
        ItemOrder::Age,
        ItemOrder::Severity,
        ItemOrder::SeverityAndNumber,
    ];

    prop_compose! {
        fn rows()(all in vec(
            (0_u8..4, option::weighted(0.9, 0_u8..20), option::of(-1_i32..3), 0_u32..4, 1_u8..5, any::<bool>()),
            0..400,
        )) -> Vec<Row> {
            let row = |(at, (confidence, amount, since, signature, severity, decided)): (i64, _)| Row {
                // Two items of each record.
                number: ((at / 2 + 1) << 10) | (at % 2),
                confidence: f64::from(confidence) / 4.0,
                amount: Option::<u8>::map_or(amount, f64::NAN, f64::from),
                since: Option::<i32>::unwrap_or(since, i32::MIN),
                signature,
                reason: 1,
                severity,
                status: if decided { Status::Accepted } else { Status::Unknown }.code(),
                locked: false,
                has_left: false,
            };
            (0_i64..).zip(all).map(row).collect()
        }
    }

    fn tests() -> impl Strategy<Value = Test> {
        let bounds =
            |most: u8| (0..most, 0..most).prop_map(|(one, two)| (f64::from(one), f64::from(two)));
        let day = || option::of(-1_i32..3);
        prop_oneof![
            Just(Test::Status(Status::Unknown.code())),
            (1_u8..5).prop_map(Test::Severity),
            bounds(4).prop_map(|(least, most)| Test::Confidence(least / 4.0, most / 4.0)),
            bounds(20).prop_map(|(least, most)| Test::Amount(least, most)),
            Just(Test::NoAmount),
            Just(Test::NoSignature),
            vec(1_i64..4, 0..3).prop_map(|ids| Test::Signatures(ids.into_iter().collect())),
            (day(), day()).prop_map(Test::any_within),
            vec(0_i64..200, 0..9).prop_map(|ids| Test::Holds(ids.into_iter().collect())),
            (vec(1_i64..400, 0..9), any::<bool>()).prop_map(|(mut numbers, yes)| {
                numbers.sort_unstable();
                numbers.dedup();
                Test::Among(numbers.into_iter().map(|number| number << 10).collect(), yes)
            }),
        ]
    }

    /// What a page has, as every item tells that is looked at.
    fn expected(items: &RunItems, look: &Look<'_>) -> Vec<(Rank, ItemKey)> {
        let is_found = |place: &u32| items.fulfils(*place, look.tests, &mut Vec::new());
        let places = (0..u32::try_from(items.len()).unwrap()).filter(is_found);
        let mut all: Vec<_> = places
            .map(|place| &items.rows[place as usize])
            .map(|row| (look.rank(row), row.item(look.run_no).key))
            .filter(|(rank, _)| look.at.is_none_or(|at| rank.compare(&at).is_gt()))
            .collect();
        all.sort_by(|(left, _), (right, _)| left.compare(right));
        all.truncate(look.most);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn a_walked_page_is_that_of_all_items(
            rows in rows(),
            decided in vec(any::<prop::sample::Index>(), 0..5),
            tests in vec(tests(), 0..3),
            order in prop::sample::select(&ORDERS[..]),
            chances in vec((1_i64..4, 0_u8..5), 0..3),
            most in 1_usize..80,
            (budget, few) in prop::sample::select(&[(0, 100), (100, 0), (usize::MAX, 0)][..]),
            is_ordered: bool,
        ) {
            let head = audit::Head { seq: 0, hash: [0; 32], performed_at: None };
            let mut items = RunItems::new(String::new(), &head, rows);
            for at in decided.iter().filter(|_| items.len() > 0).copied().collect::<Vec<_>>() {
                let row = *at.get(&items.rows);
                items.change(vec![Row { status: Status::Rejected.code(), ..row }]).unwrap();
            }
            if is_ordered {
                items.put_in_order();
                items.orders.list(ItemOrder::Amount, items.len(), items.item());
            }
            let chances: Vec<(i64, f64)> =
                chances.into_iter().map(|(id, stays)| (id, f64::from(stays) / 4.0)).collect();
            let mut look = Look {
                run_no: 3, order, chances: &chances, at: None, tests: &tests, most, budget, few,
            };
            // Page by page.
            loop {
                let expected = expected(&items, &look);
                let ids = |page: &[(Rank, ItemKey)]| page.iter().map(|one| one.1).collect::<Vec<_>>();
                match items.first(&look) {
                    Some(found) => prop_assert_eq!(ids(&found), ids(&expected)),
                    None => prop_assert!(budget < items.len()),
                }
                let Some((last, _)) = expected.last() else { break };
                look.at = Some(*last);
            }
            let places = items.places(&tests);
            let all = (0..u32::try_from(items.len()).unwrap())
                .filter(|place| items.fulfils(*place, &tests, &mut Vec::new()));
            prop_assert_eq!(places, all.collect::<Vec<_>>());
        }
    }
}
