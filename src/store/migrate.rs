//! Applies the numbered migrations of a backend, under a lock, each once, checksummed.
