//! Human decisions across the commands that make runs, and the policy adopted by `recon serve`.

use serde_json::Value as Json;

use super::fixture::{approve, team};
use crate::api::Served;
use crate::program::Project;

/// A copy of the shipped example that uses a store.
struct Job {
    project: Project,
    store: String,
}

impl Job {
    fn json(&self, arguments: &[&str]) -> Json {
        self.project.json(
            &[&["--store", &self.store, "--json", "--batch-date", "2026-01-15"], arguments]
                .concat(),
        )
    }

    fn sql(&self, statement: &str) -> Vec<Json> {
        let said =
            self.project.json(&["--store", &self.store, "sql", statement, "--format", "json"]);
        said.as_array().unwrap().clone()
    }

    /// The references of items that users hold or decided in a run, with the decider.
    fn held(&self, run: &Json) -> Vec<String> {
        let run = run["run_id"].as_str().unwrap();
        self.sql(&format!(
            "SELECT r.source_a_ref_id || ' ' || a.status || ' ' || a.assigned_by AS held \
             FROM recon.attributions a JOIN recon.data_differences d ON d.diff_id = a.diff_id \
             JOIN recon.recon_records r ON r.record_id = d.record_id \
             WHERE a.run_id = '{run}' AND a.is_locked = true ORDER BY 1"
        ))
        .iter()
        .map(|row| row["held"].as_str().unwrap().to_owned())
        .collect()
    }
}

fn decisions_stay_through_all_commands(store: String) {
    let job = Job { project: Project::of("."), store };
    let first = job.json(&["run"]);
    let waiting = job.sql(
        "SELECT a.attribution_id, r.source_a_ref_id, d.value_a FROM recon.attributions a \
         JOIN recon.data_differences d ON d.diff_id = a.diff_id \
         JOIN recon.recon_records r ON r.record_id = d.record_id \
         WHERE a.status = 'UNKNOWN' AND d.field_name = 'trade_date' ORDER BY 2 LIMIT 2",
    );
    let text = |row: &Json, column: &str| row[column].as_str().unwrap().to_owned();
    let url = recon::database::StoreUrl::parse(&job.store, std::path::Path::new("")).unwrap();
    let store = recon::store::open(&url, recon::store::Opening::Existing).unwrap();
    let stage = team(true);
    for row in &waiting {
        let ask = approve(&text(row, "attribution_id"));
        stage.review(&*store).resolve(&stage.actor("ann"), &ask).unwrap();
    }
    let [kept, changed] = [&waiting[0], &waiting[1]].map(|row| text(row, "source_a_ref_id"));
    let both = [format!("{kept} ACCEPTED ann"), format!("{changed} ACCEPTED ann")];
    assert_eq!(job.held(&first), both);
    // Re-attributing does not touch human decisions.
    let again = job.json(&["attribute", "--again"]);
    assert_eq!(again["attributions"]["by_source"]["person"], 2);
    assert_eq!(job.held(&first), both);
    let told = "SELECT new_value ->> 'held_by_people' AS held FROM recon.audit_trail \
                WHERE action_type = 'ATTRIBUTE' ORDER BY seq";
    let told: Vec<String> = job.sql(told).iter().map(|row| row["held"].to_string()).collect();
    assert_eq!(told.join(" ").replace('"', ""), "0 2");

    // Another extract: one of the two differs, and rows come and go, so that all numbers change.
    let file = job.project.path("examples/fx_trades/front_office.csv");
    let lines = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    lines.remove(1);
    for line in &mut lines {
        if line.starts_with(&format!("{changed},")) {
            *line = line.replacen(&text(&waiting[1], "value_a"), "2025-12-01", 1);
        }
    }
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    job.json(&["ingest"]);
    job.json(&["diff"]);
    let second = job.json(&["attribute"]);
    assert_eq!(job.held(&second), both[..1]);
    // The run's summary shows it, like the later report.
    assert_eq!(second["attributions"]["by_source"]["person"], 1);
    let report = job.json(&["report", "--format", "json"]);
    assert_eq!(report["attributions"], second["attributions"]);
    assert_eq!(report["gate"], second["gate"]);
    // One pass gives the same, and re-attributing keeps it.
    let third = job.json(&["run"]);
    assert_eq!(job.held(&third), both[..1]);
    assert_eq!(third["attributions"], second["attributions"]);
    job.json(&["attribute", "--again"]);
    assert_eq!(job.held(&third), both[..1]);
    let carried =
        job.sql("SELECT count(*) AS n FROM recon.audit_trail WHERE action_type = 'CARRY'");
    assert_eq!(carried[0]["n"], 2);
}

#[test]
fn decisions_survive_all_commands_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    decisions_stay_through_all_commands(format!("sqlite:{}/r.db", folder.path().display()));
}

#[test]
fn decisions_survive_all_commands_on_postgres() {
    decisions_stay_through_all_commands(crate::postgres::new_database());
}

#[test]
fn the_server_adopts_the_configured_policy_once() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let review = "review: { first_of_signature: true, sla_hours: { critical: 4 } }\n";
    project.write("recon.yaml", format!("{yaml}\n{review}"));
    let served = Served::of(project, &[]);
    let policies = "SELECT policy_version, policy FROM recon.policies";
    let there = served.project().sql(policies).to_string();
    assert!(
        there.contains("first_of_signature") && there.contains("\\\"critical\\\":4"),
        "{there}"
    );
    // The first decision about such a difference now needs six eyes.
    let item = served.queue("ann", "limit=1").remove(0);
    let ask = serde_json::json!({
        "attribution_id": item["attribution_id"], "action": "REJECT", "comments": "to be mended",
    });
    let made = served.person("ann").post("/workflow/resolve", &ask);
    let made: Json = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(made["eyes_required"], 6, "{made}");
    assert!(made["triggers"].to_string().contains("FIRST_OF_SIGNATURE"), "{made}");
    served.server.assert_well();
}
