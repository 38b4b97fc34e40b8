//! Deadline of a thread's work with the store.
//!
//! A request of the review server has one deadline for everything that it waits for: its turn to write, a
//! connection, a lock. Without one (the command line) each wait has its own limit.
//!
//! A stopped session never ends a wait. So the thread that answers a request can check from outside that the
//! session is still there ([`Watch`]).

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static STRICT: Cell<bool> = const { Cell::new(false) };
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Tells if a session exists and can answer.
type IsThere = Arc<dyn Fn() -> bool + Send + Sync>;

/// The wait of another thread, which may be asked whether it can still end.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Option<IsThere>>>);

impl Watch {
    /// Runs `work`, whose sessions this watch sees.
    pub fn over<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = WATCH.replace(Some(self.clone()));
        let done = work();
        WATCH.set(before);
        done
    }

    /// True if the work waits for a session that will not answer.
    pub fn is_hopeless(&self) -> bool {
        let is_there = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        is_there.is_some_and(|is_there| !is_there())
    }
}

/// This thread's work waits for a session from now on, which `is_there` asks about.
pub fn waits_for(is_there: impl Fn() -> bool + Send + Sync + 'static) {
    WATCH.with_borrow(|watch| {
        if let Some(Watch(seen)) = watch {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(is_there));
        }
    });
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

/// The same for work that never takes long if it succeeds: late answers are given up.
pub fn strictly<T>(time: Duration, work: impl FnOnce() -> T) -> T {
    let before = STRICT.replace(true);
    let done = within(time, work);
    STRICT.set(before);
    done
}

pub fn is_strict() -> bool {
    STRICT.get()
}

/// Time that is left to this thread; `otherwise` without a deadline.
pub fn left(otherwise: Duration) -> Duration {
    UNTIL.get().map_or(otherwise, |until| until.saturating_duration_since(Instant::now()))
}

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

    #[test]
    fn a_watch_sees_the_sessions_of_its_own_work() {
        let watch = Watch::default();
        assert!(!watch.is_hopeless());
        watch.over(|| waits_for(|| true));
        assert!(!watch.is_hopeless());
        watch.over(|| waits_for(|| false));
        assert!(watch.is_hopeless());
        waits_for(|| true);
        assert!(watch.is_hopeless());
    }
}
