//! The words of the trade, as types: values and rows, keys, differences, reasons, runs and
//! the books that must close. Stages meet only here.
//!
//! Nothing in this module does I/O, reads a clock, speaks SQL or knows a file format; time and
//! the acting person are arguments.

pub mod attribution;
mod books;
pub mod calendar;
mod context;
pub mod decimal;
pub mod dictionary;
pub mod difference;
pub mod evidence;
pub mod forecast;
pub mod gate;
pub mod identity;
pub mod key;
pub mod layout;
pub mod matched;
pub mod metadata;
pub mod money;
mod one_or_many;
pub mod pairing;
pub mod place;
pub mod progress;
mod raw;
pub mod review;
pub mod row;
pub mod run;
pub mod scan;
mod side;
pub mod signature;
pub mod teaching;
mod time;
pub mod time_format;
pub mod unseen;
pub mod value;
pub mod words;
pub mod written;

pub use attribution::{AssignedBy, Attribution, Confidence, ReasonCode, Status};
pub use books::{Books, Matches, OpenItemCounts};
pub use context::DifferenceContext;
pub use decimal::Decimal;
pub use difference::{DiffType, FieldRef, Severity};
pub use layout::{Field, Layout};
pub use matched::{CandidateRow, Carried, Matched, Member};
pub use money::{Money, MoneyFields};
pub use one_or_many::OneOrMany;
pub use progress::{Progress, Quiet};
pub use raw::{RawCells, Rejection};
pub use row::{Cells, NextPair, RawCell, Row, RowRef};
pub use run::{RunId, RunStatus, Stage};
pub use side::{PerSide, Side};
pub use time::{Date, Instant};
pub use value::{Cell, Kind, Value};
pub use written::Written;
