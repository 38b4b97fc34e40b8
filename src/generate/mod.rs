//! Synthetic sources with known causes.
