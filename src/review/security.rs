//! The security log: attempts that were refused, kept apart from the audit trail.

use crate::diagnostic::Code;
use crate::domain::Instant;
use crate::store::rows::parameters;
use crate::store::{time_text, transact};

use super::actor::Actor;
use super::{Desk, Refusal};

/// Entries that one person causes within a minute; the rest is not written.
const PER_MINUTE: i64 = 20;

impl Desk<'_> {
    /// Remembers an attempt that was refused (a forged actor, a role that is missing) in the security
    /// log, which is kept apart from the audit trail and takes only so much of one person. The desk
    /// does so itself for what it refuses; this is for callers who refuse before they ask it.
    pub fn note_refused(&self, actor: &Actor, code: Code, entity: Option<&str>, what: &str) {
        let now = self.now();
        let since = time_text(Instant::new(now.seconds() - 60, now.nanoseconds()));
        let clip =
            |text: &str| text.replace('\0', "\u{fffd}").chars().take(500).collect::<String>();
        // A log that can't be written is no reason to answer anything else than the refusal.
        let _ = transact::write(self.store, |tx| -> Result<(), Refusal> {
            let rows = tx.query(
                "SELECT count(*) FROM recon.security_log WHERE person_id = $1 AND at > $2",
                &parameters![clip(&actor.person_id), &since],
            )?;
            if rows.first().map_or(Ok(0), |row| row.count(0))? >= PER_MINUTE {
                return Ok(());
            }
            tx.execute(
                "INSERT INTO recon.security_log (at, person_id, code, entity, what, auth_method, \
                 request_id, ip, user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                &parameters![
                    time_text(now),
                    clip(&actor.person_id),
                    code.name(),
                    entity.map(clip),
                    clip(what),
                    clip(&actor.auth_method),
                    actor.request_id.as_deref().map(clip),
                    actor.ip.as_deref().map(clip),
                    actor.user_agent.as_deref().map(clip),
                ],
            )?;
            Ok(())
        });
    }
}
