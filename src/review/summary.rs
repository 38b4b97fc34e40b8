//! The counts at the head of every page.

use std::collections::BTreeMap;

use crate::diagnostic::Problem;
use crate::domain::review::Permission;
use crate::domain::{Instant, Severity, Status};
use crate::store::rows::parameters;
use crate::store::{SqlValue, time_text};

use super::actor::Actor;
use super::answer::Summary;
use super::work::Work;
use super::{Desk, Found};

impl Desk<'_> {
    /// Counts for the page's head.
    ///
    /// # Errors
    /// A [`super::Refusal`].
    pub fn summary(&self, actor: &Actor) -> Found<Summary> {
        actor.must(Permission::View)?;
        self.look(|work| Ok(work.summary(actor)?))
    }

    /// What changes whenever the queue may have changed, at the cost of one small look.
    ///
    /// # Errors
    /// What the store says.
    pub fn data_version(&self) -> Found<String> {
        self.look(|work| Ok(work.data_version()?))
    }
}

impl Work<'_> {
    fn one(&mut self, sql: &str, values: &[SqlValue]) -> Result<u64, Problem> {
        let rows = self.shelf.tx.query(sql, values)?;
        Ok(rows.first().map_or(Ok(0), |row| row.count(0))?.cast_unsigned())
    }

    fn data_version(&mut self) -> Result<String, Problem> {
        let seq = self.one("SELECT coalesce(max(seq), 0) FROM recon.audit_trail", &[])?;
        let rows = self.shelf.tx.query(
            "SELECT count(*), max(attributed_at), max(end_time) FROM recon.recon_runs",
            &[],
        )?;
        let Some(row) = rows.first() else { return Ok(format!("{seq}")) };
        let (runs, attributed, ended) = (row.count(0)?, row.text(1)?, row.text(2)?);
        let time = |text: Option<String>| text.unwrap_or_default().replace([':', '-'], "");
        Ok(format!("{seq}-{runs}-{}-{}", time(attributed), time(ended)))
    }

    fn summary(&mut self, actor: &Actor) -> Result<Summary, Problem> {
        let me = &actor.person_id;
        let mut by_status: BTreeMap<String, u64> =
            Status::ALL.iter().map(|status| (status.name().to_owned(), 0)).collect();
        let mut overdue = 0;
        let rows = self.shelf.tx.query(
            "SELECT n.run_no, n.signature_id, n.status, n.items FROM recon.item_counts n \
             JOIN recon.recon_runs r ON r.run_no = n.run_no \
             WHERE r.stage = 'ATTRIBUTED' AND r.superseded_by IS NULL",
            &[],
        )?;
        self.shelf.current_runs()?;
        self.shelf.signatures()?;
        for row in rows {
            let items = row.count(3)?.cast_unsigned();
            let status = u8::try_from(row.count(2)?).ok().and_then(Status::from_code);
            let Some(status) = status else { continue };
            *by_status.entry(status.name().to_owned()).or_default() += items;
            if status == Status::Unknown {
                let signature = self.shelf.signature(row.count(1)?)?;
                let severity = signature.and_then(|found| Severity::from_name(&found.severity));
                let hours = self.policy.sla_hours.of(severity.unwrap_or(Severity::Medium));
                let run = self.shelf.run(row.count(0)?)?;
                if self.due(&run, hours)?.seconds() <= self.now.seconds() {
                    overdue += items;
                }
            }
        }
        let same = self.same_item("a");
        let open_of = |table: &str, condition: &str| {
            let placed = match self.shelf.dialect() {
                crate::store::transact::Dialect::Sqlite => "d.id = a.run_no << 40 | a.number",
                crate::store::transact::Dialect::Postgres => same.as_str(),
            };
            format!(
                "SELECT count(*) FROM recon.{table} a \
                 JOIN recon.recon_runs r ON r.run_no = a.run_no \
                 JOIN recon.difference_rows d ON {placed} \
                 WHERE r.superseded_by IS NULL AND {condition}"
            )
        };
        let sent_back = open_of("sent_back", "d.status = 1");
        let assigned = open_of("assignments", "d.status = 1 AND a.assignee = $1");
        let samples = open_of("audit_samples", "d.status = 3 AND a.outcome IS NULL");
        let sent_back = self.one(&sent_back, &[])?;
        let assigned_to_me = self.one(&assigned, &parameters![me])?;
        let samples = self.one(&samples, &[])?;
        let mine = "EXISTS (SELECT 1 FROM recon.contributors c \
                    WHERE c.proposal_id = p.proposal_id AND c.person_id = $1)";
        let mine_open = self.one(
            &format!(
                "SELECT count(*) FROM recon.proposals p \
                 WHERE p.state IN ('OPEN', 'CHECKED') AND {mine}"
            ),
            &parameters![me],
        )?;
        let to_check = if actor.may(Permission::Check) {
            self.one(
                &format!(
                    "SELECT count(*) FROM recon.proposals p WHERE p.state = 'OPEN' AND NOT {mine}"
                ),
                &parameters![me],
            )?
        } else {
            0
        };
        let to_authorize = if actor.may(Permission::Authorize) {
            self.one(
                &format!(
                    "SELECT count(*) FROM recon.proposals p \
                     WHERE p.state = 'CHECKED' AND NOT {mine} \
                       AND NOT EXISTS (SELECT 1 FROM recon.approvals a \
                         WHERE a.proposal_id = p.proposal_id \
                           AND a.proposal_version = p.version AND a.person_id = $1)"
                ),
                &parameters![me],
            )?
        } else {
            0
        };
        let (decisions_per_minute, decided_today) = self.pace(me)?;
        let month = time_text(Instant::new(self.now.seconds() - 30 * 86_400, 0));
        let rows = self.shelf.tx.query(
            "SELECT count(*), sum(CASE WHEN state = 'RETURNED' THEN 1 ELSE 0 END) \
             FROM recon.proposals WHERE maker_id = $1 AND created_at > $2",
            &parameters![me, month],
        )?;
        let (all, back) = match rows.first() {
            Some(row) => (row.real(0)?.unwrap_or_default(), row.real(1)?.unwrap_or_default()),
            None => (0.0, 0.0),
        };
        Ok(Summary {
            data_version: self.data_version()?,
            by_status,
            overdue,
            sent_back,
            assigned_to_me,
            mine: mine_open,
            to_check,
            to_authorize,
            samples,
            decisions_per_minute,
            decided_today,
            sent_back_rate: if all > 0.0 { back / all } else { 0.0 },
            solo: self.solo,
        })
    }

    /// Decisions within the last hour per minute that had one, and those since midnight (UTC).
    fn pace(&mut self, person_id: &str) -> Result<(f64, u64), Problem> {
        let hour = time_text(Instant::new(self.now.seconds() - 3_600, 0));
        let rows = self.shelf.tx.query(
            "SELECT created_at, item_count FROM recon.proposals \
             WHERE maker_id = $1 AND created_at > $2 ORDER BY created_at LIMIT 5000",
            &parameters![person_id, hour],
        )?;
        let mut minutes = std::collections::BTreeSet::new();
        let mut decisions = 0.0;
        for row in rows {
            minutes.insert(row.required(0)?.chars().take(16).collect::<String>());
            decisions += row.real(1)?.unwrap_or_default();
        }
        #[expect(clippy::cast_precision_loss, reason = "at most sixty")]
        let pace = if minutes.is_empty() { 0.0 } else { decisions / minutes.len() as f64 };
        let midnight =
            time_text(Instant::new(self.now.seconds() - self.now.seconds().rem_euclid(86_400), 0));
        let today = self.one(
            "SELECT coalesce(sum(item_count), 0) FROM recon.proposals \
             WHERE maker_id = $1 AND created_at >= $2",
            &parameters![person_id, midnight],
        )?;
        Ok((pace, today))
    }
}
