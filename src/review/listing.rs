//! All that the page of the queue shows of a filter, from one moment of the store: what its parts have in common is read
//! once.

use crate::domain::review::Permission;

use super::actor::Actor;
use super::facets::Facets;
use super::filter::QueueFilter;
use super::requests::{GroupBy, PageAsk};
use super::responses::{Group, Page, ReviewItem, RunChoice, SearchCounts};
use super::search::anywhere;
use super::{QueryResult, Review};

/// A page of the queue, with the counts of its filters.
#[derive(Clone, Debug)]
pub struct Listed {
    pub rows: ListedRows,
    pub facets: Facets,
    /// The runs whose items the queue has, newest date first.
    pub runs: Vec<RunChoice>,
    /// How many items of each list contain the text that is searched.
    pub search: Option<SearchCounts>,
}

#[derive(Clone, Debug)]
pub enum ListedRows {
    Groups(Page<Group>),
    Items(Page<ReviewItem>),
}

impl Review<'_> {
    /// A page of a filter's items, or of their groups.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn listing(
        &self,
        actor: &Actor,
        filter: &QueueFilter,
        ask: &PageAsk,
        grouped: bool,
    ) -> QueryResult<Listed> {
        actor.must(Permission::View)?;
        let text = filter.q.as_deref().filter(|q| !q.trim().is_empty());
        self.prepare(filter)?;
        if let Some(text) = text {
            self.prepare(&anywhere(text))?;
        }
        self.read(|work| {
            let facets = work.facets(actor, filter)?;
            let search = text.map(|text| work.search_counts(actor, text)).transpose()?;
            let rows = match grouped {
                true => {
                    ListedRows::Groups(work.groups_page(actor, filter, GroupBy::Signature, ask)?)
                }
                false => ListedRows::Items(work.queue_page(
                    actor,
                    "queue",
                    filter,
                    ask,
                    Some(ask.sort),
                )?),
            };
            Ok(Listed { rows, facets, runs: work.run_choices()?, search })
        })
    }
}
