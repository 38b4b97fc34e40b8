//! Writes shared by the services here: times as the store keeps them, and rows of the audit trail.

use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::Instant;
use crate::domain::review::Stage;
use crate::review::Actor;
use crate::store::audit::{Entry, append};
use crate::store::transact::Transaction;

/// A change of a person, for the audit trail.
pub(super) struct Change<'a> {
    /// Such as `GRANT_ROLES`.
    pub action: &'static str,
    /// `person`, `token` …
    pub entity: &'static str,
    pub id: &'a str,
    pub before: Json,
    pub after: Json,
}

/// Writes the row, in the transaction of the change and after all else that locks something.
pub(super) fn audit(
    tx: &mut dyn Transaction,
    by: &Actor,
    now: Instant,
    change: &Change<'_>,
) -> Result<(), Problem> {
    let text = |value: &Json| (!value.is_null()).then(|| value.to_string());
    let entry = Entry {
        entity_type: change.entity.to_owned(),
        entity_id: change.id.to_owned(),
        stage: Stage::Admin.name().to_owned(),
        action_type: change.action.to_owned(),
        previous_value: text(&change.before),
        new_value: text(&change.after),
        ..Entry::default()
    };
    append(tx, now, &by.by(), &[entry]).map(drop)
}
