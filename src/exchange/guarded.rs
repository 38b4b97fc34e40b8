//! Calls libraries that panic on damaged files and streams. The panic becomes an error about the input, not a fault
//! of recon.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does the work of a library; none if it panics, about which nothing is printed.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                hook(panic);
            }
        }));
    });
    let before = IS_GUARDED.replace(true);
    // Half-done work is dropped with the file.
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_answer() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| [1_u8][usize::from(std::env::args().count() > 0)]), None);
        assert!(!IS_GUARDED.get());
    }
}
