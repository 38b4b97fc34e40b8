//! Items that are decided without seeing the machine's suggestion.

use sha2::{Digest, Sha256};

/// Chooses this share of all items, by id alone: the same for every user at any time.
pub fn is_blind(attribution_id: &str, share: f64) -> bool {
    if share <= 0.0 {
        return false;
    }
    let hash = Sha256::digest(attribution_id.as_bytes());
    let number = hash.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / 4_294_967_296.0 < share
}
