//! Learning: training, evaluation, drift detection, and mining of unexplained differences.
//!
//! These functions read what runs and users left in the store and write only to the registry:
//! learning never changes an attribution.

mod ask;
mod cases;
mod discover;
mod evaluate;
mod labels;
mod measure;
mod train;

pub use ask::{Asked, ask};
pub use cases::{Also, Source};
pub use discover::{Discovered, discover};
pub use evaluate::{EvaluateRequest, Evaluated, drift, evaluate};
pub use measure::Measured;
pub use train::{Promote, TrainRequest, Trained, train};
