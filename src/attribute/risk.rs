//! Acceptance that keeps a risk budget.
//!
//! The guarantee: with probability `assurance`, at most `max_false` of all automatic acceptances are
//! wrong. From decided data (guess, confidence, right or wrong) it finds the lowest confidence whose
//! acceptances keep the budget, by testing the hypotheses "at this threshold the budget is exceeded"
//! with the exact binomial tail (Clopper and Pearson, Biometrika 26, 1934).
//!
//! Trying many thresholds must not consume the assurance. A fixed grid is walked from strict to lax at
//! the full level, ending at the first unproven threshold (fixed-sequence testing: Angelopoulos, Bates,
//! Candès, Jordan and Lei, "Learn then test", arXiv:2110.01052, section 2). The walk starts at the
//! strictest threshold with enough decisions to prove anything, which depends on counts of guesses and
//! never on which of them are right. With such a start, wrong guesses are at least as many as the
//! binomial expects wherever risk does not fall with confidence, so the level holds; where risk does
//! fall, the start could shift them by a fraction of one decision, which no proof here covers and the
//! tests check. Several fixed starts that share the error need no such argument and were tried: four
//! of them need half as many decisions again before they prove anything, and accepted next to nothing
//! of calibrated guesses. (They are better in one case: if the most confident guesses are the worst,
//! a single walk ends at once.) Reasons with many decisions get their own thresholds, the others are
//! judged together, and all share the error (Bonferroni), so the whole guarantee holds at once.
//!
//! Later acceptances are sampled ([`is_audited`]) and checked blind. [`AuditCheck`] evaluates these
//! checks with an e-process, whose verdict stays valid however often it is evaluated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

use crate::diagnostic::{Code, Problem};

/// The lowest threshold tried.
const LAXEST: f64 = 0.05;
/// The distance of neighboring thresholds below 0.99; above it a fifth of that.
const STEP: f64 = 0.005;
/// A group gets its own threshold if it has this many times the decisions that would prove the
/// budget without any mistake: with fewer, sharing the error costs more than it gains.
const PLENTY: u64 = 16;
/// The first test of a walk needs at most this many times that number.
const FIRST_TEST: u64 = 4;
/// The least share of its level that a group's test uses; with fewer decisions, the share that they can prove
/// without a mistake. Where the budget is the limit, a test at the full level breaks it as often as it may, and
/// decisions that depend on each other would break it more often.
const CAUTION: f64 = 0.4;
/// Maximum number of required decisions; beyond it the budget is out of reach.
const MAX_NEEDED: u64 = 100_000_000;

/// A bound on wrong acceptances, and its assurance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// The share of acceptances that may be wrong, above 0 and below 1.
    pub max_false: f64,
    /// The probability that the bound holds, above 0 and below 1.
    pub assurance: f64,
}

impl Budget {
    /// A budget of these shares (0.005 is 0.5 %).
    ///
    /// # Errors `risk-budget` if one of them is not between 0 and 1.
    pub fn new(max_false: f64, assurance: f64) -> Result<Self, Problem> {
        let open = |value: f64| value > 0.0 && value < 1.0;
        if open(max_false) && open(assurance) {
            return Ok(Self { max_false, assurance });
        }
        Err(Problem::new(
            Code::RiskBudget,
            "max_false and assurance must be more than 0 % and less than 100 %",
        )
        .help("for example max_false: 0.5%, assurance: 95%"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided<'a> {
    /// The group that shares a threshold: the model's guess (`FX_VARIANCE`), or a rule
    /// (`RULE:rounding`).
    pub group: &'a str,
    /// The confidence of the guess.
    pub confidence: f64,
    /// Whether users gave the same reason.
    pub right: bool,
}

/// Why a group has no threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    /// The smallest number of additional decisions with which a threshold would hold, if none of them is wrong and all
    /// are as confident as the threshold demands.
    Decisions(u64),
    /// More decisions would not help: too many are wrong at every threshold.
    TooManyWrong,
}

/// The acceptance threshold of one group, with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Accepted at this confidence or more; `None` accepts nothing.
    pub threshold: Option<f64>,
    /// Decisions at or above the threshold; without one, those above the strictest threshold tried,
    /// or all.
    pub decided: u64,
    /// Wrong ones among them.
    pub wrong: u64,
    /// The largest false-acceptance rate that this evidence allows at the group's level.
    pub upper: f64,
    /// The error probability assigned to the group's test.
    pub level: f64,
    /// Why there is no threshold.
    pub shortage: Option<Shortage>,
}

/// The acceptance thresholds of all groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The budget that every threshold keeps.
    pub budget: Budget,
    /// Groups with enough decisions for their own threshold.
    pub groups: BTreeMap<String, Bound>,
    /// The groups that are judged together.
    pub together: Vec<String>,
    /// Their common bound.
    pub others: Bound,
}

impl Policy {
    /// Chooses thresholds from decided data.
    pub fn choose(decided: &[Decided<'_>], budget: Budget) -> Self {
        let mut by_group: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
        for item in decided.iter().filter(|item| !item.confidence.is_nan()) {
            by_group.entry(item.group).or_default().push((item.confidence, item.right));
        }
        let mut ranked: Vec<_> = by_group.into_iter().collect();
        ranked.sort_by_key(|(group, items)| (std::cmp::Reverse(items.len()), *group));
        // One share for each group with its own threshold, and one for the rest.
        let error = 1.0 - budget.assurance;
        let level = |own: usize| error / (own + usize::from(own < ranked.len())).max(1) as f64;
        let has_plenty = |own: usize| {
            let needed = needed(0, budget.max_false, level(own));
            ranked.get(own - 1).is_some_and(|(_, items)| items.len() as u64 >= PLENTY * needed)
        };
        let own = (1..=ranked.len()).rev().find(|own| has_plenty(*own)).unwrap_or(0);
        let level = level(own);
        let (own, rest) = ranked.split_at(own);
        let pooled: Vec<(f64, bool)> = rest.iter().flat_map(|(_, items)| items).copied().collect();
        Self {
            budget,
            groups: own
                .iter()
                .map(|(group, items)| ((*group).to_owned(), bound(items, budget.max_false, level)))
                .collect(),
            together: rest.iter().map(|(group, _)| (*group).to_owned()).collect(),
            others: bound(&pooled, budget.max_false, level),
        }
    }

    /// The bound for a group; `None` without any decision in the group.
    pub fn bound_of(&self, group: &str) -> Option<&Bound> {
        self.groups
            .get(group)
            .or_else(|| self.together.iter().any(|name| name == group).then_some(&self.others))
    }

    pub fn accepts(&self, group: &str, confidence: f64) -> bool {
        self.bound_of(group)
            .and_then(|bound| bound.threshold)
            .is_some_and(|threshold| confidence >= threshold)
    }
}

/// The grid, strict to lax.
fn thresholds() -> impl Iterator<Item = f64> {
    let fine = (1..10u32).map(|step| 1.0 - f64::from(step) * STEP / 5.0);
    let steps = ((0.99 - LAXEST) / STEP).round() as u32;
    fine.chain((0..=steps).map(|step| 0.99 - f64::from(step) * STEP))
}

fn bound(items: &[(f64, bool)], max_false: f64, level: f64) -> Bound {
    let mut ranked = items.to_vec();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let wrong_before: Vec<u64> = std::iter::once(0)
        .chain(ranked.iter().scan(0, |wrong, (_, right)| {
            *wrong += u64::from(!right);
            Some(*wrong)
        }))
        .collect();
    let at = |threshold: f64| {
        let count = ranked.partition_point(|(confidence, _)| *confidence >= threshold);
        (count as u64, wrong_before.get(count).copied().unwrap_or_default())
    };
    let all = items.len() as u64;
    let walk = Walk::of(all, max_false, level);
    let (group, level) = (level, walk.level);
    let start = thresholds().find(|threshold| at(*threshold).0 >= walk.first);
    let lowest = start.and_then(|start| {
        thresholds()
            .skip_while(|threshold| *threshold > start)
            .take_while(|threshold| {
                let (count, wrong) = at(*threshold);
                tail(wrong, count, max_false) <= level
            })
            .last()
    });
    let (decided, wrong) = at(lowest.or(start).unwrap_or(f64::NEG_INFINITY));
    let shortage = lowest.is_none().then(|| {
        // A walk never starts laxer than now because of further decisions.
        let stricter = thresholds().take_while(|threshold| start.is_none_or(|at| *threshold >= at));
        let counts: Vec<(u64, u64)> = stricter.map(at).collect();
        missing(&counts, all, max_false, group)
    });
    let upper = upper_bound(wrong, decided, level);
    Bound { threshold: lowest, decided, wrong, upper, level, shortage }
}

/// How a group's thresholds are tested.
struct Walk {
    /// The level of each test.
    level: f64,
    /// The decisions of the first test.
    first: u64,
}

impl Walk {
    /// The tests of a group with this many decisions and this share of the error.
    fn of(all: u64, max_false: f64, group: f64) -> Self {
        let without_mistake = tail(0, all, max_false);
        let level = group.min(without_mistake.max(group * CAUTION));
        // The first test needs at least enough decisions to prove the budget without a mistake, and
        // with more data proportionally more: a single wrong decision should not end the walk.
        let least = needed(0, max_false, level);
        Self { level, first: (all / 16).clamp(least, FIRST_TEST * least) }
    }
}

/// The smallest number of further right decisions with which a threshold would hold. `counts`: all and wrong decisions
/// at each threshold that could be the first one tested, which are `all` and those with as many or fewer.
///
/// Further decisions at a threshold make it the first one tested once it has enough of them; wrong decisions below it
/// then do not count. Thresholds above every decision are left out, because nothing tells that the guesses get so
/// confident, and so are those at which too large a share is wrong for more of the same to prove the budget.
fn missing(counts: &[(u64, u64)], all: u64, max_false: f64, group: f64) -> Shortage {
    let holds = |(count, wrong): (u64, u64), more: u64| {
        let walk = Walk::of(all + more, max_false, group);
        count + more >= walk.first && tail(wrong, count + more, max_false) <= walk.level
    };
    let mut best = None;
    let mut last = None;
    for one in counts.iter().copied().filter(|(count, _)| *count > 0 || all == 0) {
        let (count, wrong) = one;
        let is_reachable = wrong == 0 || (wrong as f64) < max_false * count as f64;
        // Many thresholds have the same decisions.
        if last.replace(one) == Some(one) || !is_reachable {
            continue;
        }
        let (mut low, mut high) = (0, best.unwrap_or(MAX_NEEDED));
        if best.is_some() && (high <= 1 || !holds(one, high - 1)) {
            continue;
        }
        // What holds with some decisions holds with more.
        while low + 1 < high {
            let middle = u64::midpoint(low, high);
            if holds(one, middle) { high = middle } else { low = middle }
        }
        best = Some(high);
    }
    best.map_or(Shortage::TooManyWrong, Shortage::Decisions)
}

/// P(X ≤ `wrong`) for X binomial with `count` trials of probability `rate`.
fn tail(wrong: u64, count: u64, rate: f64) -> f64 {
    if wrong >= count {
        return 1.0;
    }
    beta_reg((count - wrong) as f64, wrong as f64 + 1.0, 1.0 - rate)
}

/// The fewest decisions, `wrong` of them wrong, that prove `max_false` at this level.
pub fn needed(wrong: u64, max_false: f64, level: f64) -> u64 {
    let (mut low, mut high) = (wrong, wrong + 1);
    while tail(wrong, high, max_false) > level {
        if high >= MAX_NEEDED {
            return MAX_NEEDED;
        }
        (low, high) = (high, high * 2);
    }
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if tail(wrong, middle, max_false) > level { low = middle } else { high = middle }
    }
    high
}

/// Clopper and Pearson's upper bound: the rate at which so few wrong ones have probability `level`.
pub fn upper_bound(wrong: u64, count: u64, level: f64) -> f64 {
    bisect(|rate| tail(wrong, count, rate) > level)
}

/// Clopper and Pearson's lower bound: the rate at which so many wrong ones have probability
/// `level`.
pub fn lower_bound(wrong: u64, count: u64, level: f64) -> f64 {
    if wrong == 0 { 0.0 } else { bisect(|rate| 1.0 - tail(wrong - 1, count, rate) < level) }
}

/// The rate up to which `below` holds.
fn bisect(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    high
}

/// Chooses accepted differences for blind checks: a fixed share, by number alone, so that repeating a run chooses the
/// same ones and nobody can influence the choice.
pub fn is_audited(counter: u64, seed: u64, share: f64) -> bool {
    fastrand::Rng::with_seed(seed ^ counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)).f64() < share
}

/// Blind checks of accepted differences, and whether they break the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditCheck {
    pub checked: u64,
    /// Wrong ones among them.
    pub wrong: u64,
    /// The evidence against the budget: how much likelier the checks are if it is broken.
    pub evidence: f64,
    /// Lower bound of the wrong share with the budget's assurance, for a single look.
    pub lower: f64,
    /// The budget is broken: automatic acceptance must stop.
    pub broken: bool,
}

impl AuditCheck {
    /// Judges the checks so far. May be called after every check: if the budget is kept, the
    /// probability of *ever* reporting it broken is at most 1 − assurance.
    ///
    /// The evidence is the likelihood of the checks under an even mixture of larger rates, over
    /// their likelihood at `max_false`. While the rate is at most that, it is a supermartingale,
    /// and Ville's inequality bounds how often it reaches 1 / (1 − assurance) (Robbins,
    /// "Statistical methods related to the law of the iterated logarithm", 1970).
    pub fn of(checked: u64, wrong: u64, budget: Budget) -> Self {
        const RATES: u32 = 64;
        let wrong = wrong.min(checked);
        let null = budget.max_false;
        let evidence = (1..=RATES)
            .map(|at| {
                // Spread over the logarithm of the rate, from just above the budget to 1.
                let rate = null.powf(1.0 - f64::from(at) / f64::from(RATES + 1));
                let each = wrong as f64 * (rate / null).ln()
                    + (checked - wrong) as f64 * ((1.0 - rate) / (1.0 - null)).ln();
                each.exp()
            })
            .sum::<f64>()
            / f64::from(RATES);
        let error = 1.0 - budget.assurance;
        let lower = lower_bound(wrong, checked, error);
        Self { checked, wrong, evidence, lower, broken: evidence * error >= 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(0.02, 0.95).unwrap()
    }

    /// The true risk of a guess by group and confidence, in a simulated world.
    type World = fn(group: usize, confidence: f64) -> f64;

    fn draw(random: &mut fastrand::Rng, world: World) -> (usize, f64, bool) {
        let group = [0, 0, 0, 0, 1, 1, 2][random.usize(..7)];
        let confidence = 1.0 - random.f64() * random.f64();
        (group, confidence, random.f64() >= world(group, confidence))
    }

    const GROUPS: [&str; 3] = ["FX", "TIMING", "RARE"];

    /// How many of 200 resamples break the promise, judged by the worlds' true rates, and how much
    /// the policies accept.
    fn broken_promises(world: World, decided: usize) -> (u32, f64) {
        let mut random = fastrand::Rng::with_seed(7);
        let population: Vec<_> = (0..5_000).map(|_| draw(&mut random, world)).collect();
        let (mut broken, mut coverage) = (0, 0.0);
        for _ in 0..200 {
            let sample: Vec<_> = (0..decided)
                .map(|_| draw(&mut random, world))
                .map(|(group, confidence, right)| Decided {
                    group: GROUPS[group],
                    confidence,
                    right,
                })
                .collect();
            let policy = Policy::choose(&sample, budget());
            let accepted: Vec<f64> = population
                .iter()
                .filter(|(group, confidence, _)| policy.accepts(GROUPS[*group], *confidence))
                .map(|(group, confidence, _)| world(*group, *confidence))
                .collect();
            let wrong: f64 = accepted.iter().sum();
            broken += u32::from(wrong > budget().max_false * accepted.len() as f64);
            coverage += accepted.len() as f64 / population.len() as f64 / 200.0;
        }
        (broken, coverage)
    }

    #[test]
    fn the_budget_is_kept_in_favorable_and_adverse_worlds() {
        let worlds: [(&str, World); 6] = [
            ("calibrated", |_, confidence| 1.0 - confidence),
            ("overconfident", |_, confidence| (3.0 * (1.0 - confidence)).min(1.0)),
            (
                "one group is bad",
                |group, confidence| if group == 1 { 0.3 } else { (1.0 - confidence) / 4.0 },
            ),
            (
                "the most confident are the worst",
                |_, confidence| if confidence > 0.97 { 0.03 } else { 0.005 },
            ),
            // Here every acceptance breaks the promise, and it is hardest to detect.
            ("just over the budget", |_, _| 0.0205),
            (
                "the most confident are just over",
                |_, confidence| if confidence > 0.97 { 0.0205 } else { 0.02 },
            ),
        ];
        for (name, world) in worlds {
            for decided in [1_500, 8_000] {
                let (broken, _) = broken_promises(world, decided);
                assert!(broken <= 10, "{name}: {broken} of 200 broken");
            }
        }
        // A promise could be kept by accepting nothing; it must not be.
        let (_, accepted) = broken_promises(|_, confidence| (1.0 - confidence) / 10.0, 8_000);
        assert!(accepted > 0.65, "{accepted}");
    }

    #[test]
    fn too_little_data_accepts_nothing_and_says_how_much_is_missing() {
        let items = vec![Decided { group: "FX", confidence: 0.999, right: true }; 100];
        let policy = Policy::choose(&items, budget());
        assert!(!policy.accepts("FX", 1.0));
        // ln(0.05) / ln(0.98) = 148.3.
        assert_eq!(policy.others.shortage, Some(Shortage::Decisions(49)));
        let enough = vec![items[0]; 149];
        let policy = Policy::choose(&enough, budget());
        assert!(policy.accepts("FX", 0.99) && policy.others.upper <= 0.02);
        let plenty = vec![items[0]; 2_400];
        assert!(Policy::choose(&plenty, budget()).groups["FX"].threshold.is_some());
        assert!(!policy.accepts("NEVER_SEEN", 1.0));
        let wrong = vec![Decided { right: false, ..items[0] }; 500];
        assert_eq!(Policy::choose(&wrong, budget()).others.shortage, Some(Shortage::TooManyWrong));
        assert_eq!(
            Policy::choose(&[], budget()).others.shortage,
            Some(Shortage::Decisions(149)),
            "no data at all"
        );
    }

    #[test]
    fn the_shortage_is_the_smallest_number_of_right_decisions_that_helps() {
        let few_wrong_below: &[(f64, u64, u64)] = &[(0.95, 100, 0), (0.5, 5, 5)];
        let cases: [&[(f64, u64, u64)]; 6] = [
            few_wrong_below,
            &[(0.999, 90, 0), (0.9, 20, 1), (0.2, 10, 10)],
            &[(0.97, 140, 0), (0.9, 40, 2), (0.5, 100, 30)],
            &[(0.97, 300, 3), (0.6, 50, 20)],
            &[(0.99, 30, 0), (0.9, 4_000, 70), (0.4, 500, 200)],
            &[(0.9, 100, 0)],
        ];
        let items = |counts: &[(f64, u64, u64)]| -> Vec<(f64, bool)> {
            let each = |&(confidence, count, wrong): &(f64, u64, u64)| {
                (0..count).map(move |at| (confidence, at >= wrong))
            };
            counts.iter().flat_map(each).collect()
        };
        for counts in cases {
            let now = items(counts);
            let found = bound(&now, 0.02, 0.05);
            let Some(Shortage::Decisions(more)) = found.shortage else {
                panic!("{counts:?}: {found:?}")
            };
            let helps = |more: u64| {
                counts.iter().any(|(confidence, ..)| {
                    let further = items(&[(*confidence, more, 0)]);
                    let all = [now.as_slice(), further.as_slice()].concat();
                    bound(&all, 0.02, 0.05).threshold.is_some()
                })
            };
            assert!(helps(more) && !helps(more - 1), "{counts:?}: {more}");
        }
        // Five wrong guesses at half the confidence say nothing about the confident ones.
        let found = bound(&items(few_wrong_below), 0.02, 0.05);
        assert!(
            matches!(found.shortage, Some(Shortage::Decisions(more)) if more < 100),
            "{found:?}"
        );
        let wrong = bound(&items(&[(0.9, 500, 500), (0.5, 500, 0)]), 0.02, 0.05);
        assert_eq!(wrong.shortage, Some(Shortage::TooManyWrong));
    }

    #[test]
    fn bounds_are_those_of_published_tables() {
        // Clopper–Pearson 95 % two-sided for 5 of 50: 0.0333 to 0.2181.
        assert!((lower_bound(5, 50, 0.025) - 0.0333).abs() < 1e-4);
        assert!((upper_bound(5, 50, 0.025) - 0.2181).abs() < 1e-4);
        // The rule of three.
        assert!((upper_bound(0, 300, 0.05) - 0.00994).abs() < 1e-4);
        assert_eq!((upper_bound(3, 3, 0.05), lower_bound(0, 9, 0.05)), (1.0, 0.0));
        assert!(Budget::new(0.0, 0.95).is_err() && Budget::new(0.01, 1.0).is_err());
    }

    #[test]
    fn blind_checks_detect_a_broken_budget_with_few_false_alarms() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut ever_broken = |rate: f64, checks: u64| {
            let mut wrong = 0;
            (1..=checks).any(|checked| {
                wrong += u64::from(random.f64() < rate);
                AuditCheck::of(checked, wrong, budget()).broken
            })
        };
        let false_alarms = (0..200).filter(|_| ever_broken(0.02, 1_000)).count();
        assert!(false_alarms <= 10, "{false_alarms} of 200");
        let noticed = (0..200).filter(|_| ever_broken(0.06, 1_000)).count();
        assert!(noticed >= 195, "{noticed} of 200");
        let audited = (0..20_000).filter(|counter| is_audited(*counter, 1, 0.05)).count();
        assert!((900..1_100).contains(&audited), "{audited}");
    }
}
