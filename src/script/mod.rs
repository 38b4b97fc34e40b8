//! The only Rhai engine: its limits, the places of its errors, and what scripts may call.
