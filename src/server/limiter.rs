//! Rate limits: a token bucket for each client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most buckets in memory.
const REMEMBERED: usize = 10_000;

pub struct Limiter {
    rate: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Limiter {
    /// `rate` in requests per second; 0 for no limit.
    pub fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, buckets: Mutex::default() }
    }

    /// Takes a token; else returns the time until there is one.
    pub fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        if self.rate <= 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(name) {
            // Full buckets equal new ones, so drop them.
            let full = self.burst / self.rate;
            buckets.retain(|_, b| now.saturating_duration_since(b.at).as_secs_f64() < full);
            if buckets.len() >= REMEMBERED {
                buckets.clear();
            }
        }
        let bucket = buckets
            .entry(name.to_owned())
            .or_insert_with(|| Bucket { tokens: self.burst, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.rate).min(self.burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.rate))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own_bucket() {
        let limiter = Limiter::new(2.0, 3.0);
        let start = Instant::now();
        let take = |name: &str, ms: u64| limiter.take(name, start + Duration::from_millis(ms));
        assert_eq!([take("a", 0), take("a", 0), take("a", 0)], [Ok(()); 3]);
        assert_eq!(take("a", 0), Err(Duration::from_millis(500)));
        assert_eq!(take("b", 0), Ok(()));
        assert!(take("a", 499).is_err());
        assert_eq!(take("a", 500), Ok(()));
        assert!(take("a", 501).is_err());
        assert_eq!([take("a", 60_000), take("a", 60_000), take("a", 60_000)], [Ok(()); 3]);
        assert!(take("a", 60_000).is_err());
        assert_eq!(Limiter::new(0.0, 0.0).take("a", start), Ok(()));
    }
}
