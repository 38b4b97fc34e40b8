//! Aligning: rows of both sides that share a key become records, one to one.
