//! Named filters of the queue.

use crate::server::call::Call;
use crate::server::error::Denied;
use crate::server::http::Response;
use crate::server::page::address::Listing;
use crate::server::page::context::{PageContext, redirect};
use crate::server::target::pairs;

/// A named filter, and whether it is the list shown.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub href: String,
    pub present: bool,
}

/// The person's views beside this list.
pub fn of(context: &PageContext<'_>, listing: &Listing) -> Result<Vec<View>, Denied> {
    let here = listing.address("");
    let views = context.review.saved_views(&context.actor)?;
    Ok(views
        .into_iter()
        .map(|(name, query)| View {
            present: query == here,
            href: format!("/review/queue{query}"),
            name,
        })
        .collect())
}

/// The list that the form names; parameters of other pages are dropped.
fn listing(context: &PageContext<'_>) -> Listing {
    let query = context.field("filter").unwrap_or_default();
    Listing::parse(&pairs(query.strip_prefix('?').unwrap_or(&query)).unwrap_or_default())
}

pub fn save(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let listing = listing(&context);
    let name = context.field("name").unwrap_or_default();
    context.review.save_view(&context.actor, &name, &listing.address(""))?;
    Ok(redirect(&listing.address("/review/queue"), "saved-view"))
}

pub fn delete(call: &Call<'_>) -> Result<Response, Denied> {
    let context = PageContext::new(call)?;
    let name = context.field("name").unwrap_or_default();
    context.review.delete_view(&context.actor, &name)?;
    Ok(redirect(&listing(&context).address("/review/queue"), "changed"))
}
