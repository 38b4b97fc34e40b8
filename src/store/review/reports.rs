//! The data of reports about the review.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::diagnostic::Problem;
use crate::domain::RunId;
use crate::store::rows::parameters;
use crate::store::transact::Transaction;

use super::ReviewTables;
use super::condition::Where;

/// A period: from a time, before a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Between {
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Between {
    fn condition(&self, tables: &ReviewTables<'_>, column: &str) -> Where {
        let mut condition = Where::new(tables.dialect(), "1 = 1");
        for (sign, value) in [(">=", &self.from), ("<", &self.to)] {
            if let Some(value) = value {
                let place = condition.bind(value);
                condition.and(&format!("{column} {sign} {place}"));
            }
        }
        condition
    }
}

/// A decision against the machine, or without a second person.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    pub proposal_id: String,
    pub item_count: u64,
    pub action: String,
    pub figures: Json,
    pub reason_code: Option<String>,
    pub maker_id: String,
    pub comments: Option<String>,
    pub control: String,
    pub created_at: String,
    pub closed_at: Option<String>,
    pub attribution_id: Option<String>,
}

/// A person's actions at one stage: who, the stage, how often, and when last.
pub(crate) type Activity = (String, String, u64, Option<String>);

/// A finding about one person: a code or control, the person, the entity, a text or count, and when.
pub(crate) struct Finding {
    pub code: String,
    pub person_id: String,
    pub entity: String,
    pub what: String,
    pub at: String,
}

/// A decision by several people: when, under which control, and who took part.
pub(crate) type Together = (String, String, BTreeSet<String>);

impl ReviewTables<'_> {
    /// Decisions against the machine and those without a second person; at most 10,000.
    pub fn overrides(&mut self, period: &Between) -> Result<Vec<Override>, Problem> {
        let condition = period.condition(self, "p.created_at");
        let sql = format!(
            "SELECT p.proposal_id, p.item_count, p.action, p.figures, c.code, p.maker_id, \
             p.comments, p.control, p.created_at, p.closed_at, \
             (SELECT min(CAST(i.attribution_id AS text)) FROM recon.proposal_items i \
              WHERE i.proposal_id = p.proposal_id) \
             FROM recon.proposals p \
             LEFT JOIN recon.reason_codes c ON c.reason_id = p.reason_id \
             WHERE p.state = 'APPLIED' AND p.action IS NOT NULL \
               AND (p.action <> 'APPROVE' OR p.control IN ('NONE', 'TWO_EYE')) AND {} \
             ORDER BY p.created_at, p.proposal_id LIMIT 10000",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| {
            Ok(Override {
                proposal_id: row.required(0)?,
                item_count: row.count(1)?.cast_unsigned(),
                action: row.required(2)?,
                figures: serde_json::from_str(&row.required(3)?).unwrap_or(Json::Null),
                reason_code: row.text(4)?,
                maker_id: row.required(5)?,
                comments: row.text(6)?,
                control: row.required(7)?,
                created_at: row.required(8)?,
                closed_at: row.text(9)?,
                attribution_id: row.text(10)?,
            })
        })
    }

    pub fn activity(&mut self, period: &Between) -> Result<Vec<Activity>, Problem> {
        let condition = period.condition(self, "performed_at");
        let sql = format!(
            "SELECT actor_id, stage, count(*), max(performed_at) FROM recon.audit_trail \
             WHERE {} GROUP BY actor_id, stage ORDER BY actor_id, stage",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| {
            Ok((row.required(0)?, row.required(1)?, row.count(2)?.cast_unsigned(), row.text(3)?))
        })
    }

    /// The ids of all people.
    pub fn people(&mut self) -> Result<Vec<String>, Problem> {
        self.tx.list("SELECT person_id FROM recon.people", &[], |row| row.required(0))
    }

    /// Applied decisions with more than one person, by proposal.
    pub fn decided_together(
        &mut self,
        period: &Between,
    ) -> Result<BTreeMap<String, Together>, Problem> {
        let condition = period.condition(self, "p.closed_at");
        let applied = format!(
            "p.state = 'APPLIED' AND p.control IN ('FOUR_EYE', 'SIX_EYE') AND {}",
            condition.sql
        );
        let sql = format!(
            "SELECT p.proposal_id, p.closed_at, p.control, c.person_id FROM recon.proposals p \
             JOIN recon.contributors c ON c.proposal_id = p.proposal_id WHERE {applied} \
             UNION SELECT p.proposal_id, p.closed_at, p.control, a.person_id \
             FROM recon.proposals p JOIN recon.approvals a ON a.proposal_id = p.proposal_id \
             WHERE {applied} AND a.decision = 'APPROVE' AND a.proposal_version = p.version \
             ORDER BY 1, 4"
        );
        let mut decided: BTreeMap<String, Together> = BTreeMap::new();
        for row in self.tx.query(&sql, &condition.values)? {
            let (at, control) = (row.required(1)?, row.required(2)?);
            let people = decided.entry(row.required(0)?).or_insert((at, control, BTreeSet::new()));
            people.2.insert(row.required(3)?);
        }
        Ok(decided)
    }

    /// Attempts that were refused, newest first; at most 5,000.
    pub fn refused_attempts(&mut self, period: &Between) -> Result<Vec<Finding>, Problem> {
        let condition = period.condition(self, "at");
        let sql = format!(
            "SELECT code, person_id, coalesce(entity, ''), what, at FROM recon.security_log \
             WHERE {} ORDER BY at DESC LIMIT 5000",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| {
            Ok(Finding {
                code: row.required(0)?,
                person_id: row.required(1)?,
                entity: row.required(2)?,
                what: row.required(3)?,
                at: row.required(4)?,
            })
        })
    }

    /// Decisions of one person alone, by their control; at most 5,000.
    pub fn decided_alone(&mut self, period: &Between) -> Result<Vec<Finding>, Problem> {
        let condition = period.condition(self, "closed_at");
        let sql = format!(
            "SELECT control, maker_id, proposal_id, item_count, closed_at \
             FROM recon.proposals WHERE state = 'APPLIED' \
             AND control IN ('NONE', 'TWO_EYE') AND {} ORDER BY closed_at LIMIT 5000",
            condition.sql
        );
        self.tx.list(&sql, &condition.values, |row| {
            Ok(Finding {
                code: row.required(0)?,
                person_id: row.required(1)?,
                entity: row.required(2)?,
                what: match row.count(3)? {
                    1 => "1 item was decided by one person".to_owned(),
                    many => format!("{many} items were decided by one person"),
                },
                at: row.text(4)?.unwrap_or_default(),
            })
        })
    }

    /// Applied proposals that one person made and approved. The schema makes that impossible.
    pub fn self_approvals(&mut self) -> Result<Vec<Finding>, Problem> {
        let sql = "SELECT a.person_id, a.proposal_id, a.at FROM recon.approvals a \
                   JOIN recon.contributors c \
                     ON c.proposal_id = a.proposal_id AND c.person_id = a.person_id \
                   WHERE a.decision = 'APPROVE' AND EXISTS (SELECT 1 FROM recon.proposals p \
                     WHERE p.proposal_id = a.proposal_id AND p.state = 'APPLIED' \
                       AND p.version = a.proposal_version)";
        self.tx.list(sql, &[], |row| {
            Ok(Finding {
                code: "self-approval".to_owned(),
                person_id: row.required(0)?,
                entity: row.required(1)?,
                what: "one person made and approved a proposal".to_owned(),
                at: row.required(2)?,
            })
        })
    }
}

/// A decision of people about one difference, once for each approval.
pub(crate) struct DecisionOfRun {
    /// The number of the difference within its run.
    pub number: u64,
    pub made: Option<String>,
    pub stage: Option<String>,
    pub person_id: Option<String>,
    pub approved: Option<String>,
}

/// The applied decisions about a run's differences.
pub(crate) fn decisions_of(
    tx: &mut dyn Transaction,
    run: RunId,
) -> Result<Vec<DecisionOfRun>, Problem> {
    let sql = "SELECT i.number, p.comments, a.stage, a.person_id, a.comments \
               FROM recon.proposal_items i \
               JOIN recon.recon_runs r ON r.run_no = i.run_no \
               JOIN recon.proposals p ON p.proposal_id = i.proposal_id \
               LEFT JOIN recon.approvals a ON a.proposal_id = p.proposal_id \
                 AND a.proposal_version = p.version AND a.decision = 'APPROVE' AND NOT a.void \
               WHERE r.run_id = $1 AND p.state = 'APPLIED' \
               ORDER BY p.proposal_id, i.number, a.stage DESC";
    tx.list(sql, &parameters![run.to_string()], |row| {
        Ok(DecisionOfRun {
            number: row.count(0)?.cast_unsigned(),
            made: row.text(1)?,
            stage: row.text(2)?,
            person_id: row.text(3)?,
            approved: row.text(4)?,
        })
    })
}
