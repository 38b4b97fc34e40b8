//! Rules: Rhai functions that name the cause of a difference.
