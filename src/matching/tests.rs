//! The laws of matching, each against an oracle that tries everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::domain::{Cell, Date, Decimal, Row, RowRef};

/// Amount in cents, day, and a third value of the row.
type Entry = (i64, i32, u8);

const AMOUNT: usize = 0;
const DAY: usize = 1;

fn rows(entries: &[Entry]) -> Vec<Row> {
    let row = |(at, (cents, day, id)): (usize, &Entry)| Row {
        line: at as u64 + 2,
        ..Row::of([
            Cell::Decimal(Decimal::new((*cents).into(), 2).unwrap()),
            Cell::Date(Date::from_days(20_000 + day)),
            Cell::Text(["x", "y", "z"][usize::from(*id) % 3]),
        ])
    };
    entries.iter().enumerate().map(row).collect()
}

fn cents(value: i64) -> Decimal {
    Decimal::new(value.into(), 2).unwrap()
}

fn amount(bound: i64, summed: bool) -> Near {
    let bound = Bound::Number { absolute: Some(cents(bound)), percent: None, either: false };
    Near { field: AMOUNT, bound, summed }
}

fn pass(shape: Shape, bound: i64, days: (i64, i64), max_rows: usize) -> Pass {
    let summed = shape != Shape::OneToOne;
    let near = vec![
        amount(bound, summed),
        Near { field: DAY, bound: Bound::Days(days.0, days.1), summed: false },
    ];
    Pass {
        name: "test".to_owned(),
        equal: Vec::new(),
        near,
        group: PerSide::default(),
        shape,
        max_rows,
        currency: None,
    }
}

fn run(pass: &Pass, settings: Settings, a: &[Entry], b: &[Entry]) -> BlockMatches {
    let (a, b) = (rows(a), rows(b));
    let a: Vec<RowRef<'_>> = a.iter().map(|row| row.borrow(0)).collect();
    let b: Vec<RowRef<'_>> = b.iter().map(|row| row.borrow(0)).collect();
    match_block(pass, settings, PerSide { a: &a, b: &b })
}

const LEAVE: Settings = Settings { take: false, effort: 1_000_000 };
const TAKE: Settings = Settings { take: true, effort: 1_000_000 };

/// A match by the values of its rows.
type Pair = (Vec<Entry>, Vec<Entry>);

fn by_value(a: &[Entry], b: &[Entry], one: &Match) -> Pair {
    let pick = |entries: &[Entry], rows: &[u32]| {
        let mut all: Vec<Entry> = rows.iter().map(|row| entries[*row as usize]).collect();
        all.sort_unstable();
        all
    };
    (pick(a, &one.a), pick(b, &one.b))
}

/// Everything that is best, by trying everything.
struct Oracle {
    /// The value of the best solutions.
    value: Vec<i64>,
    /// Each best solution, as how often it has each match.
    solutions: BTreeSet<BTreeMap<Pair, u32>>,
    /// For each row of A by its values the rows of A that compete with it, directly or over others.
    rivals: BTreeMap<Entry, BTreeSet<Entry>>,
}

impl Oracle {
    fn new(pass: &Pass, a: &[Entry], b: &[Entry]) -> Self {
        let most = |side: usize| match (pass.shape, side) {
            (Shape::OneToOne, _) | (Shape::OneToMany, 0) | (Shape::ManyToOne, 1) => 1,
            _ => pass.max_rows as u32,
        };
        let mut choices: Vec<(u32, u32, Vec<i64>)> = Vec::new();
        for x in 1u32..1 << a.len() {
            for y in 1u32..1 << b.len() {
                if x.count_ones() <= most(0) && y.count_ones() <= most(1) {
                    choices.extend(Self::worth(pass, a, b, x, y).map(|value| (x, y, value)));
                }
            }
        }
        let zero = vec![0; choices.first().map_or(0, |choice| choice.2.len())];
        let rivals = Self::rivals(a, &choices);
        let mut oracle = Self { value: zero.clone(), solutions: BTreeSet::new(), rivals };
        oracle.search(a, b, &choices, 0, (0, 0), &zero, &mut Vec::new());
        oracle
    }

    fn rivals(a: &[Entry], choices: &[(u32, u32, Vec<i64>)]) -> BTreeMap<Entry, BTreeSet<Entry>> {
        // Choices that share a row belong together; so do rows with the same values.
        let mut groups: Vec<(u32, u32)> = choices.iter().map(|(x, y, _)| (*x, *y)).collect();
        for (at, entry) in a.iter().enumerate() {
            let alike = a.iter().enumerate().filter(|(_, other)| *other == entry);
            let mask = alike.fold(0, |mask, (at, _)| mask | 1 << at);
            groups.push((mask | 1 << at, 0));
        }
        loop {
            let before = groups.clone();
            for one in &mut groups {
                for (x, y) in &before {
                    if one.0 & x != 0 || one.1 & y != 0 {
                        one.0 |= x;
                        one.1 |= y;
                    }
                }
            }
            if groups == before {
                break;
            }
        }
        let rows = |mask: u32| {
            let rows = a.iter().enumerate().filter(move |(at, _)| mask >> at & 1 == 1);
            rows.map(|(_, entry)| *entry).collect::<BTreeSet<Entry>>()
        };
        let group =
            |at: usize| groups.iter().find(|(x, _)| x >> at & 1 == 1).map_or(0, |one| one.0);
        a.iter().enumerate().map(|(at, entry)| (*entry, rows(group(at)))).collect()
    }

    /// The best solutions among the rivals of a match that have it less than `count` times.
    fn without(&self, pair: &Pair, count: u32) -> usize {
        let rivals = &self.rivals[&pair.0[0]];
        let without: BTreeSet<BTreeMap<&Pair, u32>> = self
            .solutions
            .iter()
            .map(|solution| {
                let among = solution.iter().filter(|(other, _)| rivals.contains(&other.0[0]));
                among.map(|(other, count)| (other, *count)).collect()
            })
            .filter(|solution: &BTreeMap<&Pair, u32>| {
                solution.get(pair).copied().unwrap_or_default() < count
            })
            .collect();
        without.len()
    }

    fn worth(pass: &Pass, a: &[Entry], b: &[Entry], x: u32, y: u32) -> Option<Vec<i64>> {
        let of = |entries: &[Entry], mask: u32| -> Vec<Entry> {
            let set = entries.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
            set.map(|(_, entry)| *entry).collect()
        };
        let (left, right) = (of(a, x), of(b, y));
        let sum = |entries: &[Entry]| entries.iter().map(|entry| entry.0).sum::<i64>();
        let apart = (sum(&left) - sum(&right)).abs();
        let Bound::Number { absolute: Some(bound), .. } = &pass.near[0].bound else { return None };
        let Bound::Days(from, to) = pass.near[1].bound else { return None };
        if i128::from(apart) > bound.coefficient() {
            return None;
        }
        let mut days = 0;
        for one in &left {
            for other in &right {
                let later = i64::from(other.1 - one.1);
                if !(from..=to).contains(&later) {
                    return None;
                }
                days += later.abs();
            }
        }
        let (rows_a, rows_b) = (left.len() as i64, right.len() as i64);
        let mut value = match pass.shape {
            Shape::OneToOne => vec![1],
            Shape::OneToMany => vec![1, -rows_b],
            Shape::ManyToOne => vec![1, -rows_a],
            Shape::ManyToMany => vec![rows_a + rows_b, 1],
        };
        value.extend([-apart, -days]);
        Some(value)
    }

    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn search(
        &mut self,
        a: &[Entry],
        b: &[Entry],
        choices: &[(u32, u32, Vec<i64>)],
        from: usize,
        used: (u32, u32),
        value: &[i64],
        chosen: &mut Vec<usize>,
    ) {
        if value > self.value.as_slice() {
            self.value = value.to_vec();
            self.solutions.clear();
        }
        if value == self.value.as_slice() {
            let mut solution = BTreeMap::new();
            for at in chosen.iter() {
                let (x, y, _) = &choices[*at];
                let rows = |mask: u32| (0..32).filter(|at| mask >> at & 1 == 1).collect();
                let one = Match {
                    a: rows(*x),
                    b: rows(*y),
                    certificate: Certificate::Unique,
                    alternatives: 0,
                    made: true,
                };
                *solution.entry(by_value(a, b, &one)).or_default() += 1;
            }
            self.solutions.insert(solution);
        }
        for at in from..choices.len() {
            let (x, y, worth) = &choices[at];
            if x & used.0 == 0 && y & used.1 == 0 {
                chosen.push(at);
                let value: Vec<i64> = value.iter().zip(worth).map(|(sum, add)| sum + add).collect();
                self.search(a, b, choices, at + 1, (used.0 | x, used.1 | y), &value, chosen);
                chosen.pop();
            }
        }
    }
}

/// Checks a result against everything that is best.
fn check(pass: &Pass, settings: Settings, a: &[Entry], b: &[Entry]) -> Result<(), TestCaseError> {
    let outcome = run(pass, settings, a, b);
    let oracle = Oracle::new(pass, a, b);
    let mut solution: BTreeMap<Pair, u32> = BTreeMap::new();
    let mut unique: BTreeMap<Pair, u32> = BTreeMap::new();
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for one in &outcome.matches {
        let pair = by_value(a, b, one);
        *solution.entry(pair.clone()).or_default() += 1;
        *unique.entry(pair).or_default() += u32::from(one.certificate == Certificate::Unique);
        prop_assert!(one.a.iter().all(|row| seen[0].insert(*row)), "a row of A twice");
        prop_assert!(one.b.iter().all(|row| seen[1].insert(*row)), "a row of B twice");
        prop_assert!(one.certificate != Certificate::Undetermined);
        prop_assert_eq!(one.made, settings.take || one.certificate == Certificate::Unique);
    }
    prop_assert!(
        oracle.solutions.contains(&solution),
        "{solution:?} is not among the best, {:?}: {:?}",
        oracle.value,
        oracle.solutions
    );
    for (pair, count) in &solution {
        let of = |other: &BTreeMap<Pair, u32>| other.get(pair).copied().unwrap_or_default();
        let certain = oracle.solutions.iter().map(of).min().unwrap_or_default();
        prop_assert_eq!(unique[pair], certain, "{:?} among {:?}", pair, oracle.solutions);
        if settings.take && certain < *count {
            for one in &outcome.matches {
                if by_value(a, b, one) == *pair && one.certificate == Certificate::Tied {
                    let expected = oracle.without(pair, *count).min(100) as u32;
                    prop_assert_eq!(one.alternatives, expected, "{:?}", oracle.solutions);
                }
            }
        }
    }
    Ok(())
}

fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let cents = prop_oneof![4 => 1i64..6, 1 => -4i64..0, 1 => Just(100)];
    proptest::collection::vec((cents, 0i32..3, 0u8..3), 0..=most)
}

fn shapes() -> impl Strategy<Value = Shape> {
    proptest::sample::select(Shape::ALL.to_vec())
}

fn settings() -> impl Strategy<Value = Settings> {
    proptest::sample::select(vec![LEAVE, TAKE])
}

/// Found by `larger_sets_are_searched_where_smaller_ones_get_in_each_others_way`.
#[test]
fn prices_do_not_outgrow_the_numbers() {
    let a = [(7, 0, 0), (9, 0, 0), (12, 0, 0)];
    let b = [(3, 0, 0), (1, 0, 0), (2, 0, 0), (4, 1, 1), (3, 0, 0), (4, 1, 1)];
    let settings = Settings { take: false, effort: 1_000_000 };
    check(&pass(Shape::OneToMany, 0, (-1, 1), 4), settings, &a, &b).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn pairs_are_best_and_certificates_agree_with_all_best_solutions(
        a in entries(5), b in entries(5), bound in 0i64..3, from in -2i64..1, to in 0i64..3,
        settings in settings(),
    ) {
        check(&pass(Shape::OneToOne, bound, (from, to), 8), settings, &a, &b)?;
    }

    #[test]
    fn groups_are_best_and_certificates_agree_with_all_best_solutions(
        a in entries(4), b in entries(5), bound in 0i64..2, to in 0i64..3, max_rows in 1usize..4,
        many_to_one: bool, settings in settings(),
    ) {
        let shape = if many_to_one { Shape::ManyToOne } else { Shape::OneToMany };
        check(&pass(shape, bound, (-2, to), max_rows), settings, &a, &b)?;
    }

    #[test]
    fn larger_sets_are_searched_where_smaller_ones_get_in_each_others_way(
        a in proptest::collection::vec((3i64..14, 0i32..2, 0u8..1), 1..4),
        b in proptest::collection::vec((1i64..6, 0i32..2, 0u8..3), 0..8),
        max_rows in 2usize..7, settings in settings(),
    ) {
        check(&pass(Shape::OneToMany, 0, (-1, 1), max_rows), settings, &a, &b)?;
    }

    #[test]
    fn many_to_many_is_best_and_certificates_agree_with_all_best_solutions(
        a in entries(4), b in entries(4), bound in 0i64..2, to in 0i64..3, max_rows in 1usize..4,
        settings in settings(),
    ) {
        check(&pass(Shape::ManyToMany, bound, (-2, to), max_rows), settings, &a, &b)?;
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing(
        a in entries(6), b in entries(6), bound in 0i64..3, shape in shapes(),
        settings in settings(), seed: u64,
    ) {
        let pass = pass(shape, bound, (-1, 2), 3);
        let shuffled = |entries: &[Entry], seed: u64| {
            let mut entries = entries.to_vec();
            let mut state = seed | 1;
            for at in (1..entries.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                entries.swap(at, (state >> 33) as usize % (at + 1));
            }
            entries
        };
        let told = |a: &[Entry], b: &[Entry]| {
            let mut all: Vec<_> = run(&pass, settings, a, b)
                .matches
                .iter()
                .map(|one| (by_value(a, b, one), one.certificate.name(), one.alternatives))
                .collect();
            all.sort();
            all
        };
        prop_assert_eq!(told(&a, &b), told(&shuffled(&a, seed), &shuffled(&b, seed / 7)));
    }

    #[test]
    fn swapping_the_sides_mirrors_the_matches(
        a in entries(5), b in entries(5), bound in 0i64..3, from in -2i64..1, to in 0i64..3,
        shape in shapes(),
    ) {
        let mirrored = match shape {
            Shape::OneToMany => Shape::ManyToOne,
            Shape::ManyToOne => Shape::OneToMany,
            other => other,
        };
        let told = |pass: &Pass, a: &[Entry], b: &[Entry], swap: bool| {
            let outcome = run(pass, LEAVE, a, b);
            let made = outcome.matches.iter().filter(|one| one.made);
            let mut made: Vec<Pair> = made
                .map(|one| by_value(a, b, one))
                .map(|(a, b)| if swap { (b, a) } else { (a, b) })
                .collect();
            made.sort();
            (made, outcome.matches.len())
        };
        let forward = told(&pass(shape, bound, (from, to), 3), &a, &b, false);
        let backward = told(&pass(mirrored, bound, (-to, -from), 3), &b, &a, true);
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn a_wider_bound_never_matches_fewer_rows(
        a in entries(5), b in entries(5), bound in 0i64..3, wider in 0i64..3, days in 0i64..3,
        shape in shapes(),
    ) {
        let matched = |bound: i64, days: i64| {
            let outcome = run(&pass(shape, bound, (-days, days), 3), TAKE, &a, &b);
            let count = |one: &Match| match shape {
                Shape::ManyToMany => one.a.len() + one.b.len(),
                _ => 1,
            };
            outcome.matches.iter().map(count).sum::<usize>()
        };
        prop_assert!(matched(bound, days) <= matched(bound + wider, days));
        prop_assert!(matched(bound, days) <= matched(bound, days + wider));
    }

    #[test]
    fn sums_tie_exactly_where_nothing_is_tolerated(
        a in entries(6), b in entries(6), shape in shapes(),
    ) {
        for one in run(&pass(shape, 0, (-2, 2), 4), TAKE, &a, &b).matches {
            let (left, right) = by_value(&a, &b, &one);
            let sum = |entries: &[Entry]| entries.iter().map(|entry| entry.0).sum::<i64>();
            prop_assert_eq!(sum(&left), sum(&right));
        }
    }

    #[test]
    fn with_little_effort_matches_are_valid_and_say_that_they_are_not_proven(
        a in entries(6), b in entries(6), effort in 1u64..200, shape in shapes(),
    ) {
        let pass = pass(shape, 1, (-2, 2), 3);
        let outcome = run(&pass, Settings { take: true, effort }, &a, &b);
        let oracle = (a.len() <= 4 && b.len() <= 4).then(|| Oracle::new(&pass, &a, &b));
        let mut seen = [BTreeSet::new(), BTreeSet::new()];
        for one in &outcome.matches {
            prop_assert!(one.a.iter().all(|row| seen[0].insert(*row)));
            prop_assert!(one.b.iter().all(|row| seen[1].insert(*row)));
            if let Some(oracle) = &oracle && one.certificate == Certificate::Unique {
                let pair = by_value(&a, &b, one);
                prop_assert!(oracle.solutions.iter().all(|solution| solution.contains_key(&pair)));
            }
        }
    }

    #[test]
    fn wide_numbers_are_matched_as_small_ones(
        a in entries(5), b in entries(5), shape in shapes(),
    ) {
        // One row of another size takes the whole block to wide arithmetic, and the many near fields do not fit
        // one number any more.
        let huge = Decimal::new(10i128.pow(37), 0).unwrap();
        let pass = pass(shape, 1, (-1, 1), 3);
        let told = |huge: Option<Decimal>| {
            let (mut a, b) = (rows(&a), rows(&b));
            if let Some(huge) = huge {
                let cells = [Cell::Decimal(huge), Cell::Date(Date::from_days(1)), Cell::Text("h")];
                a.push(Row { line: 1_000, ..Row::of(cells) });
            }
            let a: Vec<RowRef<'_>> = a.iter().map(|row| row.borrow(0)).collect();
            let b: Vec<RowRef<'_>> = b.iter().map(|row| row.borrow(0)).collect();
            match_block(&pass, TAKE, PerSide { a: &a, b: &b }).matches
        };
        prop_assert_eq!(told(None), told(Some(huge)));
    }
}

fn pairs(outcome: &BlockMatches) -> Vec<(Vec<u32>, Vec<u32>, Certificate)> {
    outcome.matches.iter().map(|one| (one.a.clone(), one.b.clone(), one.certificate)).collect()
}

#[test]
fn thirty_sixty_seventy_for_a_hundred_gives_thirty_and_seventy() {
    let pass = pass(Shape::OneToMany, 0, (0, 0), 8);
    let payment = [(10_000, 0, 0)];
    for items in [[3_000, 6_000, 7_000], [6_000, 7_000, 3_000], [7_000, 6_000, 3_000]] {
        let items = items.map(|cents| (cents, 0, 1));
        let outcome = run(&pass, LEAVE, &payment, &items);
        let [one] = outcome.matches.as_slice() else { panic!("{outcome:?}") };
        let sum: Vec<i64> = one.b.iter().map(|row| items[*row as usize].0).collect();
        assert_eq!(sum.iter().sum::<i64>(), 10_000);
        assert!(!sum.contains(&6_000));
        assert_eq!(one.certificate, Certificate::Unique);
    }
}

#[test]
fn a_hundred_takes_a_hundred_before_ninety_nine_fifty_whatever_the_order() {
    let pass = pass(Shape::OneToOne, 100, (0, 0), 8);
    for b in [[(10_000, 0, 0), (9_950, 0, 0)], [(9_950, 0, 0), (10_000, 0, 0)]] {
        let outcome = run(&pass, LEAVE, &[(10_000, 0, 1)], &b);
        let exact = b.iter().position(|entry| entry.0 == 10_000).unwrap() as u32;
        assert_eq!(pairs(&outcome), [(vec![0], vec![exact], Certificate::Unique)]);
    }
}

#[test]
fn two_equal_answers_stay_open_and_both_are_shown() {
    let pass = pass(Shape::OneToOne, 0, (0, 0), 8);
    let outcome = run(&pass, LEAVE, &[(10_000, 0, 0)], &[(10_000, 0, 1), (10_000, 0, 2)]);
    assert_eq!(outcome.matches.len(), 1);
    assert!(!outcome.matches[0].made);
    assert_eq!(outcome.matches[0].certificate, Certificate::Tied);
    let tied = |row| Candidate { rows: vec![row], why: Why::Tied };
    assert_eq!(outcome.candidates.a, [(0, vec![tied(0), tied(1)])]);
    assert_eq!(outcome.candidates.b.len(), 2);

    let taken = run(&pass, TAKE, &[(10_000, 0, 0)], &[(10_000, 0, 1), (10_000, 0, 2)]);
    assert_eq!(taken.matches[0].alternatives, 1);
    assert_eq!(taken.matches[0].b, [0]);
}

/// The matches of texts under a bound of their similarity.
fn run_texts(least: &str, a: &[&str], b: &[&str]) -> BlockMatches {
    let bound = Bound::Similarity(least.parse().unwrap());
    let near = vec![Near { field: 0, bound, summed: false }];
    let pass = Pass { near, ..pass(Shape::OneToOne, 0, (0, 0), 8) };
    let rows = |texts: &[&str]| -> Vec<Row> {
        let row =
            |(at, text): (usize, &&str)| Row { line: at as u64 + 2, ..Row::of([Cell::Text(text)]) };
        texts.iter().enumerate().map(row).collect()
    };
    let (a, b) = (rows(a), rows(b));
    let a: Vec<RowRef<'_>> = a.iter().map(|row| row.borrow(0)).collect();
    let b: Vec<RowRef<'_>> = b.iter().map(|row| row.borrow(0)).collect();
    match_block(&pass, LEAVE, PerSide { a: &a, b: &b })
}

#[test]
fn distances_of_texts_add_up_exactly() {
    // 1/6 + 1/2 is as far as 1/3 + 1/3.
    let outcome = run_texts("0.5", &["abbc", "abaa"], &["cabc", "cbcc"]);
    assert_eq!(outcome.matches.len(), 2);
    assert!(outcome.matches.iter().all(|one| one.certificate == Certificate::Tied), "{outcome:?}");
    assert!(outcome.matches.iter().all(|one| !one.made));
}

#[test]
fn texts_that_are_as_alike_as_the_bound_match() {
    // Their similarity is 4/5.
    let at = |least| run_texts(least, &["abb"], &["aab"]);
    assert_eq!(pairs(&at("0.8")), [(vec![0], vec![0], Certificate::Unique)]);
    let above = at("0.80000000000000000001");
    assert!(above.matches.is_empty());
    let Why::Missed { apart, by, .. } = above.candidates.a[0].1[0].why else { panic!("{above:?}") };
    assert_eq!(apart.to_string(), "0.8000");
    assert_eq!(by.unwrap().to_string(), "0.00000000000000000001");
}

#[test]
fn two_ways_to_split_a_payment_stay_open_and_both_are_shown() {
    let pass = pass(Shape::OneToMany, 0, (0, 0), 8);
    let items = [(3_000, 0, 0), (7_000, 0, 0), (4_000, 0, 0), (6_000, 0, 0)];
    let outcome = run(&pass, LEAVE, &[(10_000, 0, 0)], &items);
    assert!(outcome.matches.iter().all(|one| !one.made));
    let (_, candidates) = &outcome.candidates.a[0];
    let tied: Vec<_> = candidates.iter().filter(|one| one.why == Why::Tied).collect();
    assert_eq!(tied.len(), 2, "{candidates:?}");
}

#[test]
fn alike_rows_go_by_line_and_are_no_tie() {
    let pass = pass(Shape::OneToOne, 0, (0, 0), 8);
    let outcome = run(&pass, LEAVE, &[(100, 0, 0); 3], &[(100, 0, 1); 2]);
    assert_eq!(
        pairs(&outcome),
        [(vec![0], vec![0], Certificate::Unique), (vec![1], vec![1], Certificate::Unique)]
    );
}

#[test]
fn alike_payments_of_alike_items_are_proven() {
    let pass = pass(Shape::OneToMany, 0, (0, 1), 2);
    let outcome = run(&pass, LEAVE, &[(100, 0, 0); 3], &[(100, 1, 1); 3]);
    assert_eq!(outcome.matches.len(), 3);
    assert!(outcome.matches.iter().all(|one| one.certificate == Certificate::Unique));
}

#[test]
fn an_open_row_has_the_distance_and_the_taker_of_its_candidates() {
    let pass = pass(Shape::OneToOne, 0, (0, 3), 8);
    let a = [(10_000, 0, 0), (10_000, 1, 0)];
    let outcome = run(&pass, LEAVE, &a, &[(10_000, 1, 0), (10_000, 5, 0)]);
    assert_eq!(pairs(&outcome), [(vec![1], vec![0], Certificate::Unique)]);
    let five = Decimal::new(5, 0).unwrap();
    let two = Decimal::new(2, 0);
    assert_eq!(
        outcome.candidates.a,
        [(
            0,
            vec![
                Candidate { rows: vec![0], why: Why::Taken(vec![1]) },
                Candidate { rows: vec![1], why: Why::Missed { near: 1, apart: five, by: two } },
            ]
        )]
    );
}

#[test]
fn a_group_is_whole_and_counts_as_one() {
    let mut pass = pass(Shape::OneToOne, 0, (0, 3), 1);
    pass.near[0].summed = true;
    pass.group.b = vec![2];
    let b = [(3_000, 1, 0), (2_000, 1, 1), (7_000, 2, 0), (8_000, 3, 1), (10_000, 1, 2)];
    let outcome = run(&pass, LEAVE, &[(10_000, 0, 0)], &b[..4]);
    assert_eq!(outcome.matches.len(), 1);
    assert_eq!(outcome.matches[0].b, [0, 2], "the nearer group");
    let single = run(&pass, LEAVE, &[(10_000, 0, 0)], &b);
    assert_eq!(single.matches[0].b, [4]);
}

#[test]
fn a_many_side_never_mixes_currencies() {
    let mut pass = pass(Shape::OneToMany, 0, (0, 0), 8);
    pass.currency = Some(2);
    let mixed = run(&pass, LEAVE, &[(100, 0, 0)], &[(40, 0, 0), (60, 0, 1)]);
    assert!(mixed.matches.is_empty());
    let one = run(&pass, LEAVE, &[(100, 0, 0)], &[(40, 0, 1), (60, 0, 1)]);
    assert_eq!(one.matches.len(), 1);
}

#[test]
fn a_row_without_a_value_takes_no_part() {
    let pass = pass(Shape::OneToOne, 0, (0, 0), 8);
    let mut a = rows(&[(100, 0, 0)]);
    a[0] = Row {
        line: 2,
        ..Row::of([Cell::Null, Cell::Date(Date::from_days(20_000)), Cell::Text("x")])
    };
    let b = rows(&[(100, 0, 0)]);
    let (a, b) = ([a[0].borrow(0)], [b[0].borrow(0)]);
    let outcome = match_block(&pass, LEAVE, PerSide { a: &a, b: &b });
    assert!(outcome.matches.is_empty());
    assert!(outcome.candidates.a.is_empty());
}

#[test]
fn alternatives_are_counted_to_a_hundred() {
    let pass = pass(Shape::OneToOne, 0, (-200, 200), 8);
    let a: Vec<Entry> = vec![(100, 0, 0)];
    // As far before as after: all the same distance, none alike.
    let b: Vec<Entry> = vec![(100, 1, 0), (100, 1, 1), (100, 1, 2), (100, -1, 0), (100, -1, 1)];
    let outcome = run(&pass, TAKE, &a, &b);
    assert_eq!(outcome.matches[0].alternatives, 4);
    let same_day: Vec<Entry> = (0..6).map(|id| (100, id / 3, (id % 3) as u8)).collect();
    let crowd = run(&pass, TAKE, &same_day, &same_day);
    assert_eq!(crowd.matches.len(), 6);
}

/// Random payments that each settle some of many items of one block, and which items each settles.
fn payments(count: usize, each: usize, seed: u64) -> (Vec<Entry>, Vec<Entry>, Vec<Vec<u32>>) {
    let mut state = seed;
    let mut random = |most: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let (mut a, mut b, mut sets) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let size = 1 + random(each as u64) as usize;
        let first = b.len() as u32;
        let day = random(5) as i32;
        b.extend((0..size).map(|_| (1_000 + random(90_000_000) as i64, day, 0)));
        a.push((b[first as usize..].iter().map(|item| item.0).sum(), day, 0));
        sets.push((first..b.len() as u32).collect());
    }
    (a, b, sets)
}

#[test]
fn payments_with_two_hundred_candidates_each_are_proven() {
    let (a, b, sets) = payments(80, 4, 7);
    assert!(b.len() > 180, "{}", b.len());
    let pass = pass(Shape::OneToMany, 0, (-5, 5), 6);
    let settings = Settings { take: false, effort: EFFORT };
    let outcome = run(&pass, settings, &a, &b);
    let found: BTreeMap<u32, Vec<u32>> =
        outcome.matches.iter().map(|one| (one.a[0], one.b.clone())).collect();
    let expected: BTreeMap<u32, Vec<u32>> = (0..).zip(sets).collect();
    assert_eq!(found, expected);
    assert!(outcome.matches.iter().all(|one| one.certificate == Certificate::Unique));
}

#[test]
fn of_many_ways_to_make_a_sum_two_suffice_for_a_tie() {
    let items: Vec<Entry> =
        (0..200).map(|at| (1_000 + 50 * (at % 40), (at % 3) as i32, 0)).collect();
    let pass = pass(Shape::OneToMany, 0, (-5, 5), 6);
    let settings = Settings { take: false, effort: EFFORT };
    let outcome = run(&pass, settings, &[(3_000, 1, 0), (3_050, 1, 0)], &items);
    assert_eq!(outcome.matches.len(), 2);
    assert!(outcome.matches.iter().all(|one| one.certificate == Certificate::Tied && !one.made));
}

#[test]
fn effort_bounds_proofs_and_the_number_of_rows_does_not() {
    let pass = pass(Shape::OneToMany, 0, (0, 1), 2);
    // Each payment could also take the item of the next day, so all of them depend on one another.
    let rows: Vec<Entry> = (0..2_500).map(|day| (100, day, 0)).collect();
    let outcome = run(&pass, LEAVE, &rows, &rows);
    assert_eq!(outcome.matches.len(), rows.len());
    assert!(
        outcome.matches.iter().all(|one| one.certificate == Certificate::Unique && one.a == one.b)
    );
    let little = run(&pass, Settings { take: false, effort: 3_000 }, &rows, &rows);
    assert!(little.matches.iter().all(|one| one.certificate == Certificate::Undetermined));
}
