//! How long the work of a thread may wait for the store.
//!
//! A request of the review server has one deadline for everything that it waits for: its turn to
//! write, a connection, a lock. Without one (the command line) each wait has its own limit.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static STRICT: Cell<bool> = const { Cell::new(false) };
}

/// Restores the deadline that was there before, also after a panic.
struct Before(Option<Instant>);

impl Drop for Before {
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// Runs `work`, whose waits for the store end after `time` at the latest.
pub fn within<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    let before = Before(UNTIL.get());
    let until = Instant::now() + time;
    UNTIL.set(Some(before.0.map_or(until, |earlier| earlier.min(until))));
    work()
}

/// The same where nothing takes longer that goes well: whoever is late is not waited for.
pub fn strictly<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    let before = STRICT.replace(true);
    let done = within(time, work);
    STRICT.set(before);
    done
}

/// Whether the deadline of this thread is strict.
pub fn is_strict() -> bool {
    STRICT.get()
}

/// How long this thread may wait from now; `otherwise` where it has no deadline.
pub fn left(otherwise: Duration) -> Duration {
    UNTIL.get().map_or(otherwise, |until| until.saturating_duration_since(Instant::now()))
}

/// Whether this thread has a deadline.
pub fn is_limited() -> bool {
    UNTIL.get().is_some()
}

/// The deadline of this thread.
pub fn until() -> Option<Instant> {
    UNTIL.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_deadline_is_never_later_than_the_outer_one() {
        const HOUR: Duration = Duration::from_secs(3_600);
        assert_eq!((left(HOUR), is_limited()), (HOUR, false));
        within(Duration::from_secs(60), || {
            assert!(left(HOUR) <= Duration::from_secs(60));
            within(HOUR, || assert!(left(HOUR) <= Duration::from_secs(60)));
            within(Duration::ZERO, || assert_eq!(left(HOUR), Duration::ZERO));
            assert!(left(HOUR) > Duration::from_secs(50));
        });
        assert!(std::panic::catch_unwind(|| within(HOUR, || panic!("gone"))).is_err());
        assert!(!is_limited());
        strictly(HOUR, || assert!(is_strict() && is_limited()));
        assert!(!is_strict());
    }
}
