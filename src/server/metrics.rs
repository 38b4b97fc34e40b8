//! Metrics in the text format of Prometheus, version 0.0.4.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::guard::Counts;
use super::http::Method;
use super::route::Route;

/// Upper bounds of the histogram's buckets in seconds.
const BOUNDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];

pub struct Metrics {
    began: Instant,
    guard: Arc<Counts>,
    requests: Mutex<HashMap<(&'static str, &'static str, u16), u64>>,
    times: HashMap<&'static str, Times>,
}

#[derive(Default)]
struct Times {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Metrics {
    pub fn new(routes: &[Route]) -> Self {
        Self {
            began: Instant::now(),
            guard: Arc::default(),
            requests: Mutex::default(),
            times: routes.iter().map(|route| (route.operation, Times::default())).collect(),
        }
    }

    pub fn guard(&self) -> Arc<Counts> {
        Arc::clone(&self.guard)
    }

    pub fn count(
        &self,
        operation: Option<&'static str>,
        method: Method,
        status: u16,
        took: Duration,
    ) {
        let key = (operation.unwrap_or("none"), method.name(), status);
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
        let Some(times) = operation.and_then(|operation| self.times.get(operation)) else { return };
        let seconds = took.as_secs_f64();
        for (bound, bucket) in BOUNDS.iter().zip(&times.buckets) {
            if seconds <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        times.count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        times.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let guard = &self.guard;
        for (name, help, value) in [
            ("recon_connections_accepted_total", "Connections accepted", of(&guard.accepted)),
            (
                "recon_connections_turned_away_total",
                "Connections refused for lack of a slot",
                of(&guard.refused_busy),
            ),
            ("recon_requests_refused_total", "Malformed or late requests", of(&guard.refused)),
            ("recon_requests_passed_total", "Requests passed to a handler", of(&guard.passed)),
            ("recon_accept_errors_total", "Errors while accepting", of(&guard.accept_errors)),
        ] {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}")?;
        }
        writeln!(
            out,
            "# HELP recon_uptime_seconds Seconds since the start\n# TYPE recon_uptime_seconds gauge\n\
             recon_uptime_seconds {:.3}",
            self.began.elapsed().as_secs_f64()
        )?;
        let name = "recon_http_requests_total";
        writeln!(out, "# HELP {name} Requests answered\n# TYPE {name} counter")?;
        let mut requests: Vec<_> = {
            let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.iter().map(|(key, count)| (*key, *count)).collect()
        };
        requests.sort_unstable();
        for ((route, method, status), count) in requests {
            writeln!(
                out,
                "{name}{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
            )?;
        }
        let name = "recon_http_request_seconds";
        writeln!(out, "# HELP {name} Seconds until the answer\n# TYPE {name} histogram")?;
        let mut times: Vec<_> = self.times.iter().filter(|(_, t)| of(&t.count) > 0).collect();
        times.sort_unstable_by_key(|(route, _)| **route);
        for (route, times) in times {
            for (bound, bucket) in BOUNDS.iter().zip(&times.buckets) {
                writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {}", of(bucket))?;
            }
            let (count, seconds) = (of(&times.count), of(&times.micros) as f64 / 1e6);
            writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}")?;
            writeln!(out, "{name}_sum{{route=\"{route}\"}} {seconds}")?;
            writeln!(out, "{name}_count{{route=\"{route}\"}} {count}")?;
        }
        Ok(())
    }
}
