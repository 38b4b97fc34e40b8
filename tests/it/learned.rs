//! Measured confidence of rules, learnable data, and reproducible models, through the real program.

use serde_json::Value as Json;

use crate::learning::{Pair, decide, number, undecided};
use crate::program::Project;

/// The attributions of a rule in a run: confidence, status and explanation.
fn claims_of(pair: &Pair, run: &Json, rule: &str) -> Vec<Json> {
    let id = run["run_id"].as_str().unwrap();
    let found = pair.sql(&format!(
        "SELECT confidence_score, status, explanation FROM recon.attributions \
         WHERE run_id = '{id}' AND assigned_by = 'RULE:{rule}'"
    ));
    found.as_array().unwrap().clone()
}

/// A rule that claims more than its precision.
const HASTY: &str = r#"
fn attribute_hasty(d) {
    if d.diff_type == "NUMERIC_MISMATCH" && d.percent <= 3 {
        return reason("FX_VARIANCE", 0.95);
    }
}
"#;

/// With decisions at hand, a rule's confidence is its measured precision.
fn a_rules_confidence_is_its_precision(pair: &Pair) {
    pair.generate("s1", 8_000, 1, true).generate("s2", 8_000, 2, true);
    for folder in ["s1", "s2"] {
        let rules = pair.project.path(&format!("{folder}/rules/attribution.rhai"));
        let shipped = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("{HASTY}{shipped}")).unwrap();
    }
    let (first, second) = (Pair::labels("s1"), Pair::labels("s2"));
    pair.setting("s1", "{ model: { enabled: false } }");
    pair.setting("s2", "{ accept_at: 0.7, model: { enabled: false } }");
    pair.json("s1", &["run"]);
    // As claimed: a rule's 0.9 counts.
    let claimed = pair.json("s2", &["run"]);
    let believed = claims_of(pair, &claimed, "attribute_hasty");
    assert!(believed.len() > 50);
    assert!(believed.iter().any(|claim| claim["status"] == "ACCEPTED"));
    let before = pair.json("s2", &["evaluate", "--labels", &second]);
    assert!(number(&before, "/rules/ece") > 0.08, "{}", before["rules"]["ece"]);
    let rule = &before["rules"]["per_rule"]["attribute_hasty"];
    assert_eq!(rule["confidence"], rule["claimed"]);
    assert!(number(rule, "/claimed") > 0.7 && number(rule, "/precision") < 0.6, "{rule}");

    // Measured on the first pair, it applies to the second.
    let id = claimed["run_id"].as_str().unwrap();
    let newest = pair.sql("SELECT run_id FROM recon.recon_runs ORDER BY start_time LIMIT 1");
    let of_first = newest[0]["run_id"].as_str().unwrap();
    pair.json("s1", &["evaluate", "--labels", &first, "--run", of_first, "--keep"]);
    let after = pair.json("s2", &["evaluate", "--labels", &second, "--run", id]);
    assert!(number(&after, "/rules/ece") < 0.06, "{}", after["rules"]["ece"]);
    assert_eq!(after["rules"]["accuracy"], before["rules"]["accuracy"], "the guesses are the same");
    assert_eq!(after["rules"]["per_rule"]["attribute_hasty"]["claimed"], rule["claimed"]);

    let measured = pair.json("s2", &["attribute", "--run", id, "--again"]);
    assert!(measured["acceptance"]["says"].to_string().contains("measured"), "{measured}");
    let doubted = claims_of(pair, &measured, "attribute_hasty");
    assert_eq!(doubted.len(), believed.len());
    for claim in &doubted {
        assert!(number(claim, "/confidence_score") < 0.7, "{claim}");
        assert_eq!(claim["status"], "UNKNOWN");
        assert!(claim["explanation"].as_str().unwrap().contains("the rule claims 0."), "{claim}");
    }
    // A claim below accept_at is never accepted, however precise.
    let modest: Vec<Json> = claims_of(pair, &measured, "attribute_null");
    assert!(modest.iter().all(|claim| number(claim, "/confidence_score") > 0.7), "{modest:?}");
    assert!(!modest.is_empty());
    assert!(modest.iter().all(|claim| claim["status"] == "UNKNOWN"));

    // Changed rules count as claimed until measured.
    let rules = pair.project.path("s2/rules/attribution.rhai");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("{text}\n// another\n")).unwrap();
    let again = pair.json("s2", &["attribute", "--run", id, "--again"]);
    assert_eq!(claims_of(pair, &again, "attribute_hasty"), believed);
}

#[test]
fn a_rules_confidence_is_its_measured_precision_on_sqlite() {
    a_rules_confidence_is_its_precision(&Pair::new(None));
}

#[test]
fn a_rules_confidence_is_its_measured_precision_on_postgres() {
    a_rules_confidence_is_its_precision(&Pair::on_postgres());
}

#[test]
fn the_same_data_and_seed_give_the_same_bytes_at_any_thread_count_and_after_pruning() {
    let pair = Pair::new(None);
    // Everything is decided.
    pair.generate("s1", 2_000, 1, true).setting("s1", "{ accept_at: 1 }");
    let labels = Pair::labels("s1");
    let first = pair.json("s1", &["run"]);
    let config = pair.project.path("s1/recon.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let hash = |threads: u8, rest: &[&str]| {
        std::fs::write(&config, format!("{text}\noptions: {{ threads: {threads} }}\n")).unwrap();
        let mut arguments = vec!["train", "--promote", "never"];
        arguments.extend(rest);
        let trained = pair.json("s1", &arguments);
        (trained["sha256"].clone(), trained["training_hash"].clone(), trained["labelled"].clone())
    };
    let labelled = ["--labels", labels.as_str()];
    let alone = hash(1, &labelled);
    assert_eq!(hash(2, &labelled), alone);
    assert_eq!(hash(3, &labelled), alone);
    // A repeated run of the same data is the same data.
    let second = pair.json("s1", &["run"]);
    assert_ne!(first["run_id"], second["run_id"]);
    assert_eq!(hash(2, &labelled), alone);
    // Pruning the older run does not change training on the newer one.
    let ids = undecided(&pair);
    decide(&pair, &ids[ids.len() / 2..], false);
    let connection = rusqlite::Connection::open(pair.project.path("recon.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE recon_runs SET start_time = '2020-01-01T00:00:00.000000Z' \
             WHERE run_no = (SELECT min(run_no) FROM recon_runs)",
        )
        .unwrap();
    drop(connection);
    let decided = hash(2, &[]);
    assert!(decided.2.as_u64().unwrap() > 150, "{decided:?}");
    let pruned = pair.json("s1", &["runs", "prune", "--keep", "90d"]);
    assert_eq!(pruned["pruned"][0]["run_id"], first["run_id"]);
    assert_eq!(hash(1, &labelled), alone);
    assert_eq!(hash(1, &[]), decided);
}

#[test]
fn an_old_run_is_explained_by_its_own_model() {
    let pair = Pair::new(None);
    pair.generate("s1", 1_000, 1, false).without_rules("s1").json("s1", &["run"]);
    let labels = Pair::labels("s1");
    pair.json("s1", &["train", "--labels", &labels]);
    let old = pair.json("s1", &["run"]);
    pair.json("s1", &["train", "--labels", &labels, "--seed", "5", "--promote", "always"]);
    let new = pair.json("s1", &["run"]);
    assert_eq!((&old["model"], &new["model"]), (&"1".into(), &"2".into()));
    let found = pair.sql(
        "SELECT r.source_a_ref_id AS a, r.source_b_ref_id AS b FROM recon.attributions t \
         JOIN recon.data_differences d ON d.run_id = t.run_id AND d.diff_id = t.diff_id \
         JOIN recon.recon_records r ON r.run_id = d.run_id AND r.record_id = d.record_id \
         WHERE t.assigned_by = 'MODEL:2' AND r.source_a_ref_id IS NOT NULL LIMIT 1",
    );
    let reference = found[0]["a"].as_str().unwrap();
    for (run, version) in [(&old, "model 1:"), (&new, "model 2:")] {
        let id = run["run_id"].as_str().unwrap();
        let arguments = pair.arguments("s1/recon.yaml", &["explain", reference, "--run", id]);
        let told: Vec<&str> =
            arguments.into_iter().filter(|argument| *argument != "--json").collect();
        let told = pair.project.recon(&told);
        assert_eq!(told.code, 0, "{}", told.err);
        assert!(told.out.contains(version) && told.out.contains("calibration"), "{}", told.out);
    }
    // Back to the first: the next run uses the first model again.
    pair.json("s1", &["model", "rollback"]);
    assert_eq!(pair.json("s1", &["run"])["model"], "1");
    let again = pair.project.recon(&pair.arguments("s1/recon.yaml", &["model", "rollback"]));
    assert_eq!((again.code, again.out.as_str()), (2, ""), "{}", again.err);
}

#[test]
fn a_model_of_another_shape_is_not_used() {
    let pair = Pair::new(None);
    pair.generate("s1", 1_000, 1, false).without_rules("s1").json("s1", &["run"]);
    let labels = Pair::labels("s1");
    pair.json("s1", &["train", "--labels", &labels]);
    let config = pair.project.path("s1/recon.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    pair.setting_replaced("s1", "trader_id:", "desk:");
    let run = pair.project.recon(&pair.arguments("s1/recon.yaml", &["run"]));
    assert_eq!(run.code, 0, "{}", run.err);
    for word in ["model-left-aside", "trader_id", "retrain: recon train"] {
        assert!(run.err.contains(word), "{word}: {}", run.err);
    }
    let run: Json = serde_json::from_str(&run.out).unwrap();
    assert!(run["attributions"]["by_source"].get("model").is_none(), "{run}");
    assert_eq!(run["model"], Json::Null);
    let said =
        pair.project.recon(&pair.arguments("s1/recon.yaml", &["evaluate", "--labels", &labels]));
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert!(said.err.contains("model-shape") && said.err.contains("retrain"), "{}", said.err);
    // Training replaces it without a comparison.
    let trained = pair.json("s1", &["train", "--labels", &labels]);
    assert_eq!(trained["promoted"], true, "{trained}");
    // Altered bytes are not a model.
    std::fs::write(&config, &text).unwrap();
    pair.json("s1", &["model", "promote", "1"]);
    let connection = rusqlite::Connection::open(pair.project.path("recon.db")).unwrap();
    connection.execute_batch("UPDATE models SET bytes = x'00' WHERE version = 1").unwrap();
    drop(connection);
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["run"]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("model-left-aside") && said.err.contains("retrain"), "{}", said.err);
}

#[test]
fn unmatched_labels_are_counted() {
    let pair = Pair::new(None);
    pair.generate("s1", 1_000, 1, false).json("s1", &["run"]);
    let labels = std::fs::read_to_string(pair.project.path("s1/labels.csv")).unwrap();
    pair.project.write(
        "more.csv",
        format!(
            "{labels}NO-SUCH-1,amount,ROUNDING_DIFF\nNO-SUCH-2,ENTIRE_RECORD,MISSING_SOURCE_A\n\
             NO-SUCH-3,price,UNKNOWN\n"
        ),
    );
    let trained = pair.json("s1", &["train", "--labels", "more.csv"]);
    assert_eq!(trained["unmatched"], 3);
    let evaluated = pair.json("s1", &["evaluate", "--labels", "more.csv"]);
    assert_eq!(
        (&evaluated["unmatched_labels"], &evaluated["unmatched_differences"]),
        (&3.into(), &0.into())
    );
}

const SMALL: &str = r#"version: 1
job: small
sources:
  a: { system: LEFT, read: { csv: { path: a.csv } }, map: { id: id, amount: amount } }
  b: { system: RIGHT, read: { csv: { path: b.csv } }, map: { id: id, amount: amount } }
key: [id]
fields:
  id: { type: text }
  amount: { type: decimal }
reason_codes:
  ONE: { functional: true, description: "one" }
  TWO: { functional: true, description: "two" }
"#;

/// Sixty differing records with these amounts on side B, and alternating labels.
fn small(amount: impl Fn(usize) -> String) -> Project {
    let project = Project::new();
    let mut files =
        ["id,amount\n".to_owned(), "id,amount\n".to_owned(), "id,field,reason\n".to_owned()];
    for at in 0..60 {
        let reason = if at % 2 == 0 { "ONE" } else { "TWO" };
        files[0] += &format!("K{at:03},10.00\n");
        files[1] += &format!("K{at:03},{}\n", amount(at));
        files[2] += &format!("K{at:03},amount,{reason}\n");
    }
    project.write("recon.yaml", SMALL);
    for (name, content) in ["a.csv", "b.csv", "labels.csv"].iter().zip(files) {
        project.write(name, content);
    }
    project.json(&["run", "--json"]);
    project
}

#[test]
fn constant_features_cannot_be_learned_from() {
    let project = small(|_| "12.00".to_owned());
    let said = project.recon(&["train", "--labels", "labels.csv", "--json"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert!(said.err.contains("training-constant"), "{}", said.err);
    assert!(said.err.contains("nothing distinguishes the reasons"), "{}", said.err);
    // Neither a model nor evidence is stored.
    assert_eq!(project.json(&["model", "list", "--json"])["models"], Json::Array(Vec::new()));
    // Differences of several kinds.
    let project = small(|at| if at % 2 == 0 { "10.01" } else { "99.00" }.to_owned());
    let said = project.recon(&["train", "--labels", "labels.csv", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn non_numeric_rows_do_no_harm() {
    let odd = ["NaN", "inf", "-1e-9", "9999999999999999999999999999", "1e27", "0", "ten", "10.01"];
    let project = small(|at| odd[at / 2 % odd.len()].to_owned());
    let trained = project.json(&["train", "--labels", "labels.csv", "--json"]);
    assert_eq!(trained["promoted"], true, "{trained}");
    for figure in ["/model/log_loss", "/model/ece", "/model/brier", "/combined/accuracy"] {
        assert!(number(&trained, figure).is_finite(), "{figure}");
    }
    let run = project.json(&["run", "--json"]);
    assert_eq!(run["status"], "COMPLETED");
    assert_eq!(run["model"], "1");
    // Random labels: the model's confidence is low.
    let sure = project.sql("SELECT max(confidence_score) AS sure FROM recon.attributions");
    assert!(number(&sure[0], "/sure") < 0.9, "{sure}");
}
