//! Filters of the queue that a person gave a name. They are the person's own; the address of each can be shared.

use crate::diagnostic::Code;
use crate::domain::review::Permission;

use super::actor::Actor;
use super::refusal::Refusal;
use super::{CommandResult, QueryResult, Review};

/// The longest name in characters, the longest query in bytes, and the most views of a person.
const LONGEST_NAME: usize = 60;
const LONGEST_QUERY: usize = 4_000;
const MOST: usize = 50;

impl Review<'_> {
    /// The person's named filters: name and query.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn saved_views(&self, actor: &Actor) -> QueryResult<Vec<(String, String)>> {
        actor.must(Permission::View)?;
        self.read(|work| Ok(work.tables.saved_views(&actor.person_id)?))
    }

    /// Names a filter; another of the same name is replaced.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn save_view(&self, actor: &Actor, name: &str, query: &str) -> CommandResult<()> {
        self.write(actor, |work| {
            actor.must(Permission::View)?;
            work.refuse_lasting()?;
            let invalid =
                |message: &str| Refusal::new(Code::InvalidFilter, message).with("name", message);
            let name = name.trim();
            if name.is_empty()
                || name.chars().count() > LONGEST_NAME
                || name.chars().any(char::is_control)
            {
                return Err(invalid("a view has a name of 1 to 60 characters"));
            }
            if query.len() > LONGEST_QUERY {
                return Err(invalid("this filter is too long to be saved"));
            }
            let known = work.tables.saved_views(&actor.person_id)?;
            if known.len() >= MOST && !known.iter().any(|(own, _)| own == name) {
                return Err(invalid("you have 50 views: delete one first"));
            }
            let at = work.at();
            Ok(work.tables.save_view(&actor.person_id, name, query, &at)?)
        })
    }

    /// Deletes a named filter of the person.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn delete_view(&self, actor: &Actor, name: &str) -> CommandResult<()> {
        self.write(actor, |work| {
            actor.must(Permission::View)?;
            Ok(work.tables.delete_view(&actor.person_id, name)?)
        })
    }
}
