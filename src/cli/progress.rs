//! Progress bars and signal handling.
//!
//! A bar shows only on a terminal, and only for a phase longer than a second. Workers just
//! increment a counter; a separate thread draws.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::diagnostic::{Code, Problem};
use crate::domain::Progress;
use crate::domain::progress::Unit;

use super::exit;
use crate::diagnostic::Class;

/// Time before a phase shows its bar.
const PATIENCE: Duration = Duration::from_secs(1);
const PAINT_EVERY: Duration = Duration::from_millis(100);

/// Progress bars on stderr, and whether a stop was requested.
pub struct Bars {
    shown: bool,
    shared: Arc<Shared>,
    painter: Mutex<Option<JoinHandle<()>>>,
    interrupted: Arc<AtomicBool>,
}

struct Shared {
    done: AtomicU64,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    phase: Option<Phase>,
    closed: bool,
}

struct Phase {
    name: &'static str,
    total: u64,
    unit: Unit,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Bars {
    /// Bars for a terminal, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        let able =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        Self {
            shown: able && !quiet,
            shared: Arc::new(Shared {
                done: AtomicU64::new(0),
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            painter: Mutex::default(),
            interrupted: Arc::default(),
        }
    }

    /// Handles Ctrl-C and SIGTERM: the first requests a stop, the second exits immediately. A
    /// process can have only one handler.
    pub fn listen(&self, quiet: bool) -> Result<(), Problem> {
        let interrupted = Arc::clone(&self.interrupted);
        ctrlc::set_handler(move || {
            if interrupted.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(exit::code(Class::Interrupted)));
            }
            if !quiet && io::stderr().is_terminal() {
                // stderr is gone; ignore the error.
                let _ =
                    writeln!(io::stderr(), "\nstopping; press Ctrl-C again to stop immediately");
            }
        })
        .map_err(|error| {
            Problem::new(Code::SignalsUnavailable, format!("can't handle signals: {error}"))
        })
    }

    /// The stop flag for loops without a progress listener, such as the server's.
    pub fn interrupt_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Writes to stderr while the bar is hidden.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        let state = locked(&self.shared.state);
        match state.phase.as_ref().and_then(|phase| phase.bar.as_ref()) {
            Some(bar) => bar.suspend(act),
            None => act(),
        }
    }

    fn paint_from_now_on(&self) {
        let mut painter = locked(&self.painter);
        if painter.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("progress".into());
            // Without the thread there are no bars; the work is unaffected.
            *painter = thread.spawn(move || paint(&shared)).ok();
        }
    }
}

impl Progress for Bars {
    fn start(&self, phase: &'static str, total: u64, unit: Unit) {
        if !self.shown {
            return;
        }
        let began = Instant::now();
        let mut state = locked(&self.shared.state);
        clear(&mut state);
        self.shared.done.store(0, Ordering::Relaxed);
        state.phase = Some(Phase { name: phase, total, unit, began, bar: None });
        drop(state);
        self.paint_from_now_on();
    }

    fn advance(&self, amount: u64) {
        self.shared.done.fetch_add(amount, Ordering::Relaxed);
    }

    fn finish(&self) {
        clear(&mut locked(&self.shared.state));
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let mut state = locked(&self.shared.state);
        clear(&mut state);
        state.closed = true;
        drop(state);
        self.shared.wake.notify_all();
        if let Some(painter) = locked(&self.painter).take() {
            // A painter that panicked leaves nothing to clean up.
            let _ = painter.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clear(state: &mut State) {
    if let Some(bar) = state.phase.take().and_then(|phase| phase.bar) {
        bar.finish_and_clear();
    }
}

/// Draws until the bars are closed.
fn paint(shared: &Shared) {
    let mut state = locked(&shared.state);
    while !state.closed {
        let done = shared.done.load(Ordering::Relaxed);
        if let Some(phase) = &mut state.phase {
            phase.show(done, Instant::now(), ProgressDrawTarget::stderr);
        }
        let waited = shared.wake.wait_timeout(state, PAINT_EVERY);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

impl Phase {
    /// Updates the bar; creates it once the phase has lasted [`PATIENCE`].
    fn show(&mut self, done: u64, now: Instant, target: impl FnOnce() -> ProgressDrawTarget) {
        let elapsed = now.saturating_duration_since(self.began);
        if self.bar.is_none() && elapsed >= PATIENCE {
            let total = (self.total > 0).then_some(self.total);
            let bar = ProgressBar::with_draw_target(total, target())
                .with_style(style(self.unit, self.total > 0))
                .with_prefix(self.name)
                .with_elapsed(elapsed);
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.tick();
        }
    }
}

/// Bars have no color, so `--color` does not affect them.
fn style(unit: Unit, total_known: bool) -> ProgressStyle {
    let template = match (unit, total_known) {
        (Unit::Bytes, true) => {
            "{prefix:12} {bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left"
        }
        (Unit::Bytes, false) => "{prefix:12} {spinner} {bytes}  {bytes_per_sec}",
        (Unit::Items, true) => {
            "{prefix:12} {bar:30} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left"
        }
        (Unit::Items, false) => "{prefix:12} {spinner} {human_pos}  {per_sec}",
    };
    // A test covers all templates; the plain bar is only a fallback.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::TermLike;

    /// A terminal that records its output.
    #[derive(Clone, Debug, Default)]
    struct Recorder(Arc<Mutex<String>>);

    impl TermLike for Recorder {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            locked(&self.0).push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_appears_once_its_phase_has_lasted() {
        for (unit, total, expected) in [
            (Unit::Bytes, 2048, "50 %  1.00 KiB of 2.00 KiB"),
            (Unit::Items, 2048, "50 %  1,024 of 2,048"),
            (Unit::Bytes, 0, "1.00 KiB"),
            (Unit::Items, 0, "1,024"),
        ] {
            let paper = Recorder::default();
            let target = || ProgressDrawTarget::term_like(Box::new(paper.clone()));
            let began = Instant::now();
            let mut phase = Phase { name: "reading", total, unit, began, bar: None };
            phase.show(1024, began + PATIENCE - Duration::from_millis(1), target);
            assert!(phase.bar.is_none());
            phase.show(1024, began + PATIENCE, target);
            let text = locked(&paper.0).clone();
            assert!(text.contains("reading") && text.contains(expected), "{text}");
        }
    }

    #[test]
    fn quiet_bars_print_nothing_and_close_cleanly() {
        let bars = Bars::new(true);
        bars.start("reading", 10, Unit::Items);
        bars.advance(3);
        assert_eq!(bars.aside(|| 7), 7);
        assert!(!bars.interrupted());
        bars.interrupt_flag().store(true, Ordering::SeqCst);
        assert!(bars.interrupted());
        bars.finish();
    }
}
