//! The conductors of learning: training, measuring, watching, and mining the unknown.
//!
//! They read what runs and people left in the store and write nothing but the registry: no
//! attribution changes because something was learned.

mod cases;
mod discover;
mod evaluate;
mod labels;
mod measure;
mod train;

pub use cases::{Also, Source};
pub use discover::{Discovered, discover};
pub use evaluate::{EvaluateRequest, Evaluated, drift, evaluate};
pub use measure::{Measured, RuleMeasured, RulesMeasured};
pub use train::{Promote, TrainRequest, Trained, train};
