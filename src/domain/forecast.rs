//! How long breaks stay: the share that clears within some business days, by Kaplan and Meier's estimate. Breaks
//! that are still open count for as long as they have been watched.

/// Cleared episodes of a kind from which on a forecast is made.
pub const LEAST: u64 = 30;
/// The horizons, in business days.
pub const HORIZONS: [i64; 3] = [1, 2, 5];
/// Of the standard normal distribution: 95 % of it lies within this distance of 0.
const QUANTILE: f64 = 1.959_963_984_540_054;

/// Episodes that were watched for as many business days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    pub days: i64,
    /// True if they cleared then; false if they were still open.
    pub cleared: bool,
    pub count: u64,
}

/// The share that clears, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

pub fn cleared(watched: &[Watched]) -> u64 {
    watched.iter().filter(|one| one.cleared).map(|one| one.count).sum()
}

/// The share that clears within this many business days; `None` where fewer than [`LEAST`] have cleared.
pub fn within(watched: &[Watched], days: i64) -> Option<Share> {
    if cleared(watched) < LEAST {
        return None;
    }
    let all: u64 = watched.iter().map(|one| one.count).sum();
    let mut times: Vec<i64> =
        watched.iter().filter(|one| one.cleared).map(|one| one.days).collect();
    times.sort_unstable();
    times.dedup();
    let (mut stays, mut variance, mut last_at_risk) = (1.0, 0.0, real(all));
    for time in times.into_iter().filter(|time| *time <= days) {
        let sum = |keep: &dyn Fn(&Watched) -> bool| -> f64 {
            real(watched.iter().filter(|one| keep(one)).map(|one| one.count).sum())
        };
        let at_risk = sum(&|one| one.days >= time);
        let ends = sum(&|one| one.cleared && one.days == time);
        stays *= 1.0 - ends / at_risk;
        if at_risk > ends {
            variance += ends / (at_risk * (at_risk - ends));
        }
        last_at_risk = at_risk;
    }
    let (low, high) = if stays >= 1.0 {
        (0.0, 1.0 - 0.025_f64.powf(1.0 / last_at_risk))
    } else if stays <= 0.0 {
        (0.025_f64.powf(1.0 / last_at_risk), 1.0)
    } else {
        // On the scale of log(-log), where the interval stays between 0 and 1.
        let log: f64 = f64::ln(stays);
        let spread = (QUANTILE * variance.sqrt() / log.abs()).exp();
        (1.0 - stays.powf(1.0 / spread), 1.0 - stays.powf(spread))
    };
    Some(Share { share: 1.0 - stays, low, high })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(days: i64, cleared: bool, count: u64) -> Watched {
        Watched { days, cleared, count }
    }

    #[test]
    fn a_forecast_needs_thirty_cleared_episodes() {
        assert_eq!(within(&[watched(1, true, 29), watched(9, false, 500)], 1), None);
        let share = within(&[watched(1, true, 30), watched(9, false, 10)], 1).unwrap();
        assert!((share.share - 0.75).abs() < 1e-12, "{share:?}");
        assert!(share.low > 0.58 && share.low < 0.65, "{share:?}");
        assert!(share.high > 0.85 && share.high < 0.89, "{share:?}");
    }

    #[test]
    fn open_breaks_count_for_as_long_as_they_were_watched() {
        // 40 of 100 clear on day 1; of the 60 others 20 are new, and half of the rest clears on day 2.
        let all = [
            watched(1, true, 40),
            watched(1, false, 20),
            watched(2, true, 20),
            watched(3, false, 20),
        ];
        let share = |days| within(&all, days).unwrap().share;
        assert!((share(1) - 0.4).abs() < 1e-12);
        assert!((share(2) - 0.7).abs() < 1e-12);
        assert_eq!(share(5), share(2));
        assert_eq!(share(0), 0.0);
    }

    /// A small generator of uniform numbers.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    #[test]
    fn the_interval_covers_the_truth_in_simulated_histories() {
        // Every open break clears with this chance on each business day; histories end after 1 to 12 days.
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for chance in [0.15, 0.4, 0.7] {
            let (mut covered, mut histories) = (0, 0);
            while histories < 600 {
                let mut all = Vec::new();
                for _ in 0..120 {
                    let most = 1 + (random.next() * 12.0) as i64;
                    let cleared = (1..=most).find(|_| random.next() < chance);
                    all.push(watched(cleared.unwrap_or(most), cleared.is_some(), 1));
                }
                let Some(_) = within(&all, 1) else { continue };
                histories += 1;
                let holds = HORIZONS.iter().filter(|days| {
                    let share = within(&all, **days).unwrap();
                    let truth = 1.0 - (1.0f64 - chance).powi(**days as i32);
                    share.low <= truth && truth <= share.high
                });
                covered += holds.count();
            }
            let rate = covered as f64 / (600.0 * 3.0);
            assert!((0.93..=0.985).contains(&rate), "chance {chance}: {rate}");
        }
    }
}
