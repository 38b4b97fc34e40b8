//! The sides whose rows stay open from date to date.

use super::Checker;
use crate::config::spec::DeliverySpec;
use crate::config::tree::path;
use crate::diagnostic::{Code, Problem};
use crate::domain::PerSide;
use crate::pipeline::OpenItems;

impl Checker<'_> {
    /// None if both sources deliver everything.
    pub(super) fn open_items(&mut self) -> Option<OpenItems> {
        let spec = self.spec.open_items.clone()?;
        let moves = |delivery: Option<DeliverySpec>| {
            delivery.unwrap_or_default() == DeliverySpec::Movements
        };
        let movements = PerSide { a: moves(spec.a), b: moves(spec.b) };
        if !movements.a && !movements.b {
            if spec.max_age_days.is_some() {
                let message = "`max_age_days` has no effect: neither source delivers movements";
                let problem = Problem::new(Code::AgeUnused, message)
                    .help("write `a: movements` for a source that delivers only new rows");
                self.complain_of_key(&path(["open_items", "max_age_days"]), problem);
            }
            return None;
        }
        Some(OpenItems { movements, max_age_days: spec.max_age_days.map(|days| days.0) })
    }
}
