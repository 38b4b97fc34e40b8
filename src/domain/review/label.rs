//! Labels for training from users' decisions: a pure function of the audit trail.
//!
//! An applied proposal makes a label; proposals that were sent back, withdrawn, stale or expired do
//! not, nor does automatic acceptance. A new decision retracts the previous label, and a decision
//! that is carried to another run takes its label along, so that an item has at most one live
//! label. The n items of a bulk together weigh √n, so that a thousand look-alikes do not dominate.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::state::is_cause;
use crate::domain::attribution::NO_REASON;

/// A row of the audit trail about an attribution.
#[derive(Clone, Copy, Debug)]
pub struct AuditedRow<'a> {
    pub seq: i64,
    pub attribution_id: &'a str,
    pub proposal_id: Option<&'a str>,
    pub stage: &'a str,
    /// The control that applied.
    pub control: Option<&'a str>,
    /// The item before.
    pub previous: Option<&'a Json>,
    /// The item afterwards, and further details of the row.
    pub new: &'a Json,
}

/// A label: the users' decision about an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    pub attribution_id: String,
    /// The code of the reason; [`NO_REASON`] for a confirmed break.
    pub reason: String,
    /// The prediction and its confidence when the item was proposed.
    pub predicted: Option<(String, f64)>,
    pub blind: bool,
    /// One user decided alone (`--solo`).
    pub solo: bool,
    /// The row of the audit trail that made it.
    pub decision: i64,
    /// The proposal: its labels share a weight.
    pub group: String,
}

/// A label is made or retracted.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Label(Label),
    /// A label is taken back.
    Retraction {
        attribution_id: String,
        /// The row of the audit trail that takes it back.
        decision: i64,
        /// The row that had made it.
        of: i64,
    },
}

/// Labels in the order of the audit trail.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    pub events: Vec<Event>,
    /// Index in `events` of each item's live label.
    live: HashMap<String, usize>,
    /// Number of items of each proposal.
    groups: HashMap<String, u64>,
    /// Predictions of the items of open proposals.
    guesses: HashMap<String, (Option<(String, f64)>, bool)>,
}

fn text<'j>(json: &'j Json, at: &str) -> Option<&'j str> {
    json.pointer(at).and_then(Json::as_str)
}

impl Labels {
    pub fn read(&mut self, row: &AuditedRow<'_>) {
        if let Some(from) = text(row.new, "/carried_from/attribution_id") {
            self.carry(row, from);
            return;
        }
        if let Some(from) = text(row.new, "/moved_from/attribution_id")
            && let Some(guess) = self.guesses.remove(from)
        {
            self.guesses.insert(row.attribution_id.to_owned(), guess);
        }
        if row.stage == "MAKER" && text(row.new, "/status") == Some("PENDING") {
            self.propose(row);
        }
        let applied = text(row.new, "/proposal_state") == Some("APPLIED");
        let (Some(group), true) = (row.proposal_id, applied) else { return };
        if row.new.pointer("/is_locked") != Some(&Json::Bool(true)) {
            // The match was undone, so the item is undecided again.
            self.retract(row.attribution_id, row.seq);
            return;
        }
        let reason = match text(row.new, "/status") {
            Some("REJECTED") => NO_REASON,
            Some("ACCEPTED") => text(row.new, "/reason_code").unwrap_or_default(),
            _ => return,
        };
        self.retract(row.attribution_id, row.seq);
        *self.groups.entry(group.to_owned()).or_default() += 1;
        let (predicted, blind) = self.guesses.remove(row.attribution_id).unwrap_or_default();
        if reason.is_empty() || !is_cause(reason) {
            return;
        }
        self.add(Label {
            attribution_id: row.attribution_id.to_owned(),
            reason: reason.to_owned(),
            predicted,
            blind,
            solo: row.control == Some("NONE"),
            decision: row.seq,
            group: group.to_owned(),
        });
    }

    fn propose(&mut self, row: &AuditedRow<'_>) {
        // An amendment repeats the item; the state before the proposal counts.
        let Some(previous) = row.previous.filter(|json| text(json, "/status") != Some("PENDING"))
        else {
            return;
        };
        let by_machine = text(previous, "/assigned_by")
            .is_some_and(|by| by.starts_with("RULE:") || by.starts_with("MODEL:"));
        let guess = text(previous, "/reason_code").filter(|code| by_machine && is_cause(code));
        let confidence = previous.pointer("/confidence").and_then(Json::as_f64);
        let predicted = guess.map(|code| (code.to_owned(), confidence.unwrap_or_default()));
        let blind = row.new.pointer("/blind") == Some(&Json::Bool(true));
        self.guesses.insert(row.attribution_id.to_owned(), (predicted, blind));
    }

    fn carry(&mut self, row: &AuditedRow<'_>, from: &str) {
        let Some(Event::Label(label)) = self.live.get(from).and_then(|at| self.events.get(*at))
        else {
            return;
        };
        let label = Label {
            attribution_id: row.attribution_id.to_owned(),
            decision: row.seq,
            ..label.clone()
        };
        self.retract(from, row.seq);
        self.add(label);
    }

    fn add(&mut self, label: Label) {
        self.live.insert(label.attribution_id.clone(), self.events.len());
        self.events.push(Event::Label(label));
    }

    fn retract(&mut self, attribution_id: &str, decision: i64) {
        let Some(at) = self.live.remove(attribution_id) else { return };
        if let Some(Event::Label(label)) = self.events.get(at) {
            let of = label.decision;
            let attribution_id = attribution_id.to_owned();
            self.events.push(Event::Retraction { attribution_id, decision, of });
        }
    }

    /// The live label of an item.
    pub fn of(&self, attribution_id: &str) -> Option<&Label> {
        match self.events.get(*self.live.get(attribution_id)?) {
            Some(Event::Label(label)) => Some(label),
            _ => None,
        }
    }

    /// The live labels, in the order they were made.
    pub fn live(&self) -> impl Iterator<Item = &Label> {
        self.events.iter().enumerate().filter_map(|(at, event)| match event {
            Event::Label(label) if self.live.get(&label.attribution_id) == Some(&at) => Some(label),
            _ => None,
        })
    }

    /// The weight of a label: 1/√n in a proposal of n items.
    pub fn weight(&self, label: &Label) -> f64 {
        let items = self.groups.get(&label.group).copied().unwrap_or(1).max(1);
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        let items = items as f64;
        items.sqrt().recip()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Trail {
        labels: Labels,
        seq: i64,
    }

    impl Trail {
        fn new() -> Self {
            Self { labels: Labels::default(), seq: 0 }
        }

        fn row(
            &mut self,
            item: &str,
            proposal: Option<&str>,
            stage: &str,
            previous: Json,
            new: Json,
        ) {
            self.controlled(item, proposal, stage, "FOUR_EYE", previous, new);
        }

        fn controlled(
            &mut self,
            item: &str,
            proposal: Option<&str>,
            stage: &str,
            control: &str,
            previous: Json,
            new: Json,
        ) {
            self.seq += 1;
            self.labels.read(&AuditedRow {
                seq: self.seq,
                attribution_id: item,
                proposal_id: proposal,
                stage,
                control: Some(control),
                previous: Some(&previous),
                new: &new,
            });
        }

        fn propose(&mut self, item: &str, proposal: &str) {
            let before = json!({
                "status": "UNKNOWN", "reason_code": "FX", "confidence": 0.8, "is_locked": false,
                "assigned_by": "RULE:fx",
            });
            let after = json!({ "status": "PENDING", "is_locked": true, "blind": true });
            self.row(item, Some(proposal), "MAKER", before, after);
        }

        fn apply(&mut self, item: &str, proposal: &str, status: &str, code: &str) {
            let new = json!({
                "status": status, "reason_code": code, "is_locked": true,
                "proposal_state": "APPLIED",
            });
            self.row(item, Some(proposal), "CHECKER", json!({ "status": "PENDING" }), new);
        }

        fn standing(&self) -> Vec<(String, String)> {
            self.labels
                .live()
                .map(|label| (label.attribution_id.clone(), label.reason.clone()))
                .collect()
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(item, code)| ((*item).to_owned(), (*code).to_owned())).collect()
    }

    #[test]
    fn only_applied_decisions_are_labels() {
        let mut trail = Trail::new();
        trail.propose("a", "p1");
        assert_eq!(trail.standing(), []);
        // Sent back: the item is as it was.
        let back = json!({
            "status": "UNKNOWN", "reason_code": "FX", "is_locked": false,
            "proposal_state": "RETURNED",
        });
        trail.row("a", Some("p1"), "CHECKER", json!({ "status": "PENDING" }), back);
        assert_eq!(trail.standing(), []);
        trail.propose("a", "p2");
        let checked = json!({
            "status": "PENDING", "reason_code": "FX", "is_locked": true,
            "proposal_state": "CHECKED",
        });
        trail.row("a", Some("p2"), "CHECKER", json!({ "status": "PENDING" }), checked);
        assert_eq!(trail.standing(), []);
        trail.apply("a", "p2", "ACCEPTED", "TIMING");
        trail.apply("b", "p3", "REJECTED", "UNKNOWN");
        // A label UNKNOWN teaches nothing.
        trail.apply("c", "p4", "ACCEPTED", "UNKNOWN");
        trail.apply("d", "p5", "ACCEPTED", "PENDING_INVESTIGATION");
        // A blind sample that agrees is locked without a proposal, so no checker has seen it.
        let sampled = json!({ "status": "ACCEPTED", "reason_code": "FX", "is_locked": true });
        trail.row("e", None, "MAKER", json!({ "status": "ACCEPTED" }), sampled);
        assert_eq!(trail.standing(), pairs(&[("a", "TIMING"), ("b", NO_REASON)]));
        let label = trail.labels.of("a").unwrap();
        assert_eq!(label.predicted, Some(("FX".to_owned(), 0.8)));
        assert!(label.blind && !label.solo);
        assert!(trail.labels.of("c").is_none());
    }

    #[test]
    fn deciding_anew_takes_the_label_before_back() {
        let mut trail = Trail::new();
        trail.apply("a", "p1", "ACCEPTED", "FX");
        trail.apply("a", "p2", "ACCEPTED", "TIMING");
        trail.apply("a", "p3", "ACCEPTED", "UNKNOWN");
        assert_eq!(trail.standing(), []);
        let taken: Vec<(i64, i64)> = trail
            .labels
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Retraction { decision, of, .. } => Some((*decision, *of)),
                Event::Label(_) => None,
            })
            .collect();
        assert_eq!(taken, [(2, 1), (3, 2)]);
    }

    #[test]
    fn a_carried_decision_goes_with_its_label() {
        let mut trail = Trail::new();
        for item in ["a", "b"] {
            trail.apply(item, "p1", "ACCEPTED", "FX");
        }
        let carried = |from: &str| {
            json!({
                "status": "ACCEPTED", "reason_code": "FX", "is_locked": true,
                "carried_from": { "attribution_id": from },
            })
        };
        trail.row("n", None, "SYSTEM", json!({ "status": "UNKNOWN" }), carried("a"));
        trail.row("m", None, "SYSTEM", json!({ "status": "UNKNOWN" }), carried("x"));
        assert_eq!(trail.standing(), pairs(&[("b", "FX"), ("n", "FX")]));
        let label = trail.labels.of("n").unwrap();
        assert_eq!(label.group, "p1");
        assert!((trail.labels.weight(label) - 0.5f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_bulk_of_look_alikes_weighs_less_than_as_many_decisions() {
        let mut trail = Trail::new();
        for at in 0..100 {
            trail.apply(&format!("b{at}"), "bulk", "ACCEPTED", "FX");
        }
        let new = json!({
            "status": "ACCEPTED", "reason_code": "FX", "is_locked": true,
            "proposal_state": "APPLIED",
        });
        trail.controlled("s", Some("alone"), "MAKER", "NONE", json!({}), new);
        let weight = |item: &str| trail.labels.weight(trail.labels.of(item).unwrap());
        assert!((weight("b7") - 0.1).abs() < 1e-12);
        assert!((weight("s") - 1.0).abs() < 1e-12);
        assert!(trail.labels.of("s").unwrap().solo);
    }
}
