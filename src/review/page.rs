//! Pages of lists: limits, and cursors that can't be used for another list or by another person.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::coding::{hex, unhex};
use crate::diagnostic::Code;

use super::actor::Actor;
use super::refusal::Refusal;
use super::requests::PageAsk;

/// The rows of a page.
pub(super) fn limit(page: &PageAsk) -> Result<usize, Refusal> {
    match page.limit {
        None => Ok(50),
        Some(limit @ 1..=200) => Ok(limit as usize),
        Some(_) => {
            Err(Refusal::new(Code::InvalidLimit, "limit is 1 to 200").with("limit", "is 1 to 200"))
        }
    }
}

fn seal(payload: &[u8], list: &str, actor: &Actor) -> String {
    let mut hash = Sha256::new();
    for part in [payload, list.as_bytes(), actor.person_id.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(hash.finalize().get(..8).unwrap_or_default())
}

/// A cursor that says where a page of `list` ended.
pub(super) fn cursor<T: Serialize>(at: &T, list: &str, actor: &Actor) -> String {
    let payload = serde_json::to_vec(at).unwrap_or_default();
    format!("{}{}", seal(&payload, list, actor), hex(payload))
}

/// Position where the previous page ended.
pub(super) fn position<T: for<'de> Deserialize<'de>>(
    page: &PageAsk,
    list: &str,
    actor: &Actor,
) -> Result<Option<T>, Refusal> {
    let Some(text) = &page.cursor else { return Ok(None) };
    let wrong = || Refusal::new(Code::InvalidCursor, "the cursor is not one of this list");
    let (sealed, payload) = text.split_at_checked(16).ok_or_else(wrong)?;
    if text.len() > 2_000 {
        return Err(wrong());
    }
    let bytes = unhex(payload).ok_or_else(wrong)?;
    if seal(&bytes, list, actor) != sealed {
        return Err(wrong());
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|_| wrong())
}
