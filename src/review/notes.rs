//! Comments, assignments and claims, which decide nothing.

use serde_json::json;

use crate::diagnostic::Code;
use crate::domain::Instant;
use crate::domain::review::{Permission, Stage, comment};
use crate::store::audit::Entry;
use crate::store::review::Item;
use crate::store::time_text;

use super::actor::Actor;
use super::responses::{Assigned, Claimed, CommentView};
use super::work::Work;
use super::{CommandResult, Refusal, Review};

/// Lifetime of a claim in seconds.
const CLAIM: i64 = 300;

impl Review<'_> {
    /// Adds a comment to an item (1 to 2,000 characters).
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn comment(
        &self,
        actor: &Actor,
        attribution_id: &str,
        text: &str,
    ) -> CommandResult<CommentView> {
        self.write(actor, |work| {
            actor.must(Permission::Comment)?;
            let text = text.trim().replace('\0', "\u{fffd}");
            let length = text.chars().count();
            if comment::visible(&text) == 0 || length > comment::MOST {
                let message = format!("a comment has 1 to {} characters", comment::MOST);
                return Err(
                    Refusal::new(Code::InvalidComment, message.clone()).with("text", message)
                );
            }
            let item = work.item(attribution_id, false)?;
            let view = CommentView {
                comment_id: work.new_id(),
                by: actor.person_id.clone(),
                by_name: actor.name.clone(),
                text,
                at: work.at(),
            };
            let comment = (&*view.comment_id, &*view.by, &*view.text, &*view.at);
            work.tables.add_comment(item.key, comment)?;
            let new = json!({ "comment_id": view.comment_id });
            let entry = work.said(actor, &item, "COMMENT", None, Some(new), Some(&view.text))?;
            work.audit(&actor.by(), &[entry])?;
            Ok(view)
        })
    }

    /// Assigns an item to a person (login or id), or removes the assignment.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn assign(
        &self,
        actor: &Actor,
        attribution_id: &str,
        assignee: Option<&str>,
    ) -> CommandResult<Assigned> {
        self.write(actor, |work| {
            if !actor.may(Permission::Propose) {
                actor.must(Permission::Check)?;
            }
            let item = work.item(attribution_id, false)?;
            let person = match assignee {
                None => None,
                Some("me") => Some(actor.person_id.clone()),
                Some(login) => {
                    let found = work.directory.find(work.tables.tx, login)?;
                    Some(found.ok_or_else(|| {
                        Refusal::new(Code::UnknownPerson, "there is no such active person")
                    })?)
                }
            };
            let now = work.at();
            let by = &actor.person_id;
            let before = work.tables.assign(item.key, person.as_deref(), by, &now)?;
            if before != person {
                let entry = work.said(
                    actor,
                    &item,
                    "ASSIGN",
                    Some(json!({ "assignee": before })),
                    Some(json!({ "assignee": person })),
                    None,
                )?;
                work.audit(&actor.by(), &[entry])?;
            }
            let run = work.tables.run(item.key.run_no)?;
            Ok(Assigned { attribution_id: run.attribution_id(item.key), assignee: person })
        })
    }

    /// Shows others for five minutes that the person works on an item.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing has changed.
    pub fn claim(&self, actor: &Actor, attribution_id: &str) -> CommandResult<Claimed> {
        self.write(actor, |work| {
            if !actor.may(Permission::Propose) {
                actor.must(Permission::Check)?;
            }
            let item = work.item(attribution_id, false)?;
            let until = time_text(Instant::new(work.now.seconds() + CLAIM, work.now.nanoseconds()));
            let now = work.at();
            work.tables.claim(item.key, &actor.person_id, &now, &until)?;
            let run = work.tables.run(item.key.run_no)?;
            Ok(Claimed {
                attribution_id: run.attribution_id(item.key),
                claimed_by: actor.name.clone(),
                until,
            })
        })
    }
}

impl Work<'_> {
    /// An audit row about an item, without a decision.
    pub fn said(
        &mut self,
        actor: &Actor,
        item: &Item,
        action_type: &str,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
        comments: Option<&str>,
    ) -> Result<Entry, Refusal> {
        let run = self.tables.run(item.key.run_no)?;
        let id = run.attribution_id(item.key);
        let stage = if actor.may(Permission::Propose) { Stage::Maker } else { Stage::Checker };
        Ok(Entry {
            attribution_id: Some(id.clone()),
            entity_type: "attribution".to_owned(),
            entity_id: id,
            stage: stage.name().to_owned(),
            action_type: action_type.to_owned(),
            previous_value: before.map(|value| value.to_string()),
            new_value: after.map(|value| value.to_string()),
            comments: comments.map(str::to_owned),
            policy_version: Some(self.policy_version),
            ..Entry::default()
        })
    }
}
