//! The security log: attempts that were refused, kept apart from the audit trail.

use crate::diagnostic::Code;
use crate::domain::Instant;
use crate::store::review::Refused;
use crate::store::{time_text, transact};

use super::actor::Actor;
use super::{Refusal, Review};

/// Entries of one person within a minute; more are dropped, so that the log cannot fill the disk.
const PER_MINUTE: i64 = 20;

impl Review<'_> {
    /// Records a refused attempt (a forged actor, a missing role) in the security log, at most
    /// `PER_MINUTE` of one person. Refusals of the review are recorded already; this is for callers that
    /// refuse on their own.
    pub fn note_refused(&self, actor: &Actor, code: Code, entity: Option<&str>, what: &str) {
        let now = self.now();
        let since = time_text(Instant::new(now.seconds() - 60, now.nanoseconds()));
        let clip =
            |text: &str| text.replace('\0', "\u{fffd}").chars().take(500).collect::<String>();
        // Write errors are ignored: the answer stays the refusal.
        let _ = transact::write(self.store, |tx| -> Result<(), Refusal> {
            if Refused::count_of_person(tx, &clip(&actor.person_id), &since)? >= PER_MINUTE {
                return Ok(());
            }
            let clipped = |text: Option<&str>| text.map(clip);
            let (request_id, ip, user_agent) = (
                clipped(actor.request_id.as_deref()),
                clipped(actor.ip.as_deref()),
                clipped(actor.user_agent.as_deref()),
            );
            Refused {
                person_id: &clip(&actor.person_id),
                code: code.name(),
                entity: clipped(entity).as_deref(),
                what: &clip(what),
                auth_method: Some(&clip(&actor.auth_method)),
                request_id: request_id.as_deref(),
                ip: ip.as_deref(),
                user_agent: user_agent.as_deref(),
            }
            .log(tx, &time_text(now))?;
            Ok(())
        });
    }
}
