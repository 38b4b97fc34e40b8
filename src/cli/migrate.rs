//! `recon migrate`: brings the store's tables up to date.

use std::path::Path;

use serde_json::json;

use crate::database::StoreUrl;
use crate::diagnostic::{Code, Problem, Problems};
use crate::store::{self, Opening, append_only};

use super::args::Migrate;
use super::context::Context;
use super::serve::one_role;

pub fn run(context: &Context, arguments: &Migrate) -> Result<u8, Problems> {
    let url = context.store_url(None)?;
    let owner = arguments.owner_url.as_deref().map(|text| owner(&url, text)).transpose()?;
    let (migrated, role) = match &owner {
        Some((url, role)) => (url, Some(role.as_str())),
        None => (&url, None),
    };
    let store = store::open(migrated, Opening::Unmigrated)?;
    let applied = store.migrate()?;
    match role {
        Some(role) => {
            append_only::let_serve(&*store, role)?;
            // Checks that the serving role can use the owner's tables.
            let store = store::open(&url, Opening::Existing)?;
            one_role(context, &*store)?;
        }
        None => one_role(context, &*store)?,
    }
    if context.global.json {
        context.json(&json!({ "store": store.url(), "applied": applied, "serving_role": role }))?;
        return Ok(0);
    }
    if applied.is_empty() {
        context.console.print(&format!("{} is up to date\n", store.url()))?;
    }
    for name in applied {
        context.console.print(&format!("applied {name}\n"))?;
    }
    if let Some(role) = role {
        context.console.print(&format!("the role {role} can serve\n"))?;
    }
    Ok(0)
}

/// The owner's URL and the serving role.
fn owner(url: &StoreUrl, text: &str) -> Result<(StoreUrl, String), Problem> {
    let wrong = |why: &str| {
        Problem::new(Code::OwnerUrl, why).help(
            "--store postgres://recon_server@host/db --owner-url postgres://recon_owner@host/db",
        )
    };
    let (StoreUrl::Postgres(serving), StoreUrl::Postgres(owning)) =
        (url, StoreUrl::parse(text, Path::new(""))?)
    else {
        return Err(wrong("--owner-url and --store must both be PostgreSQL URLs"));
    };
    let role =
        serving.user.clone().ok_or_else(|| wrong("--store must name the role that serves"))?;
    if owning.user.as_ref() == Some(&role) {
        return Err(wrong("the owning role and the serving role must differ"));
    }
    Ok((StoreUrl::Postgres(owning), role))
}
