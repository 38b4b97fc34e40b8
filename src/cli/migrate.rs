//! `recon migrate`: brings the store's tables up to date.

use serde_json::json;

use crate::diagnostic::Problems;
use crate::store::{self, Opening};

use super::context::Context;

/// Applies the missing migrations and says which.
pub fn run(context: &Context) -> Result<u8, Problems> {
    let url = context.store_url(None)?;
    let store = store::open(&url, Opening::Unmigrated)?;
    let applied = store.migrate()?;
    if context.global.json {
        context.json(&json!({ "store": store.url(), "applied": applied }))?;
    } else if applied.is_empty() {
        context.console.say(&format!("{} is up to date\n", store.url()))?;
    } else {
        for name in applied {
            context.console.say(&format!("applied {name}\n"))?;
        }
    }
    Ok(0)
}
