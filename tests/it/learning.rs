//! Training, measuring and attributing with a model, through the real program on both stores.

use serde_json::Value as Json;

use crate::program::Project;

/// A generated pair with overlapping causes, and its run, in a folder of the project.
pub struct Pair {
    pub project: Project,
    store: String,
}

impl Pair {
    pub fn new(store: Option<String>) -> Self {
        let project = Project::new();
        project.write("hard.yaml", "hard: true\n");
        let store =
            store.unwrap_or_else(|| format!("sqlite:{}", project.path("recon.db").display()));
        Self { project, store }
    }

    pub fn on_postgres() -> Self {
        Self::new(Some(crate::postgres::new_database()))
    }

    pub fn generate(&self, folder: &str, rows: u32, seed: u32, hard: bool) -> &Self {
        let (rows, seed) = (rows.to_string(), seed.to_string());
        let mut arguments =
            vec!["generate", "--rows", &rows, "--seed", &seed, "-o", folder, "--json"];
        if hard {
            arguments.extend(["--noise", "hard.yaml"]);
        }
        self.project.json(&arguments);
        self
    }

    pub fn arguments<'a>(&'a self, config: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["-c", config, "--store", &self.store, "--json"];
        arguments.extend(rest);
        arguments
    }

    /// Runs the program in a folder's job, which must succeed.
    pub fn json(&self, folder: &str, rest: &[&str]) -> Json {
        let config = format!("{folder}/recon.yaml");
        self.project.json(&self.arguments(&config, rest))
    }

    pub fn labels(folder: &str) -> String {
        format!("{folder}/labels.csv")
    }

    pub fn sql(&self, statement: &str) -> Json {
        self.project.json(&["--store", &self.store, "sql", statement, "--format", "json"])
    }

    /// No rules: the model decides everything.
    pub fn without_rules(&self, folder: &str) -> &Self {
        let file = format!("{folder}/recon.yaml");
        self.project.replace(&file, "  attribute: [rules/attribution.rhai]\n", "");
        self
    }

    pub fn setting(&self, folder: &str, attribution: &str) -> &Self {
        let file = format!("{folder}/recon.yaml");
        let text = std::fs::read_to_string(self.project.path(&file)).unwrap();
        self.project.write(&file, format!("{text}\nattribution: {attribution}\n"));
        self
    }
}

pub fn number(json: &Json, pointer: &str) -> f64 {
    json.pointer(pointer).and_then(Json::as_f64).unwrap_or_else(|| panic!("{pointer} of {json}"))
}

/// Trains on one seed and evaluates on another.
fn trained_on_one_seed_and_measured_on_another(pair: &Pair) {
    pair.generate("s1", 12_000, 1, true).generate("s2", 16_000, 2, true);
    for folder in ["s1", "s2"] {
        pair.without_rules(folder);
    }
    let first = pair.json("s1", &["run"]);
    let trained = pair.json("s1", &["train", "--labels", &Pair::labels("s1"), "--seed", "7"]);
    assert_eq!((&trained["promoted"], &trained["unmatched"]), (&Json::Bool(true), &0.into()));
    let run = pair.json("s2", &["run"]);
    assert_eq!(run["model"], trained["version"].to_string());
    let evaluated = pair.json("s2", &["evaluate", "--labels", &Pair::labels("s2")]);
    let total = run["differences"]["total"].as_u64().unwrap();
    for part in ["rules", "model", "combined"] {
        let n = evaluated[part]["n"].as_u64().unwrap();
        assert_eq!((n, &evaluated[part]["unmatched"]), (total, &0.into()), "{part}");
    }
    // Overlapping causes can't be separated; see docs/learning.md.
    assert!(number(&evaluated, "/model/accuracy") > 0.85, "{}", evaluated["model"]["accuracy"]);
    // With three thousand guesses chance alone gives about 0.01.
    assert!(number(&evaluated, "/combined/ece") < 0.02, "{}", evaluated["combined"]["ece"]);
    assert!(number(&evaluated, "/combined/coverage_at/0.99") > 0.3);
    // Training data are never scored.
    let id = first["run_id"].as_str().unwrap();
    let again = pair.json("s1", &["evaluate", "--labels", &Pair::labels("s1"), "--run", id]);
    let trained_on: u64 =
        trained["by_reason"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(again["trained_on"], trained_on);
    assert_eq!(again["model"]["n"], trained["held_out"]);
}

#[test]
fn trained_on_one_seed_and_measured_on_another_on_sqlite() {
    trained_on_one_seed_and_measured_on_another(&Pair::new(None));
}

#[test]
fn trained_on_one_seed_and_measured_on_another_on_postgres() {
    trained_on_one_seed_and_measured_on_another(&Pair::on_postgres());
}

/// One pass and three commands, with a model.
fn the_model_decides_the_same_in_one_pass_and_in_three(pair: &Pair) {
    pair.generate("s1", 4_000, 1, true).without_rules("s1").json("s1", &["run"]);
    pair.json("s1", &["train", "--labels", &Pair::labels("s1")]);
    pair.setting("s1", "{ audit_sample: 10% }");
    let content = |run: &Json| {
        let id = run["run_id"].as_str().unwrap();
        let attributions = pair.sql(&format!(
            "SELECT d.difference_number, c.code, a.confidence_score, a.status, a.assigned_by, \
             a.explanation FROM recon.attributions a \
             JOIN recon.data_differences d ON d.run_id = a.run_id AND d.diff_id = a.diff_id \
             JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
             WHERE a.run_id = '{id}' ORDER BY 1"
        ));
        let samples = pair.sql(&format!(
            "SELECT s.number FROM recon.audit_samples s \
             JOIN recon.recon_runs r ON r.run_no = s.run_no WHERE r.run_id = '{id}' ORDER BY 1"
        ));
        (attributions, samples)
    };
    let pass = pair.json("s1", &["run"]);
    pair.json("s1", &["ingest"]);
    pair.json("s1", &["diff"]);
    let steps = pair.json("s1", &["attribute"]);
    for part in ["attributions", "gate", "model", "acceptance"] {
        assert_eq!(pass[part], steps[part], "{part}");
    }
    let (attributions, samples) = content(&pass);
    assert_eq!((&attributions, &samples), (&content(&steps).0, &content(&steps).1));
    let accepted = number(&pass, "/attributions/by_status/ACCEPTED");
    let sampled = samples.as_array().unwrap().len() as f64;
    assert!((0.05..0.15).contains(&(sampled / accepted)), "{sampled} of {accepted}");
    // Every guess is explained, and the parts add up to the probability.
    let guess = attributions
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["assigned_by"].as_str().unwrap().starts_with("MODEL:"))
        .unwrap();
    let explanation: Json = serde_json::from_str(guess["explanation"].as_str().unwrap()).unwrap();
    let model = &explanation["model"];
    let moved: f64 = model["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| feature["moved"].as_f64().unwrap())
        .sum();
    let sum = moved + number(model, "/base") + number(model, "/other");
    let probability = number(model, "/reasons/0/probability");
    assert!((sum + number(model, "/calibration") - probability).abs() < 1e-6);
    assert!((probability - guess["confidence_score"].as_f64().unwrap()).abs() < 1e-5);
}

#[test]
fn the_model_decides_the_same_in_one_pass_and_in_three_on_sqlite() {
    the_model_decides_the_same_in_one_pass_and_in_three(&Pair::new(None));
}

#[test]
fn the_model_decides_the_same_in_one_pass_and_in_three_on_postgres() {
    the_model_decides_the_same_in_one_pass_and_in_three(&Pair::on_postgres());
}

#[test]
fn the_registry_promotes_better_models_and_rolls_back() {
    let pair = Pair::new(None);
    pair.generate("s1", 3_000, 1, false).json("s1", &["run"]);
    let labels = Pair::labels("s1");
    let train = |rest: &[&str]| {
        let mut arguments = vec!["train", "--labels", &labels];
        arguments.extend(rest);
        pair.json("s1", &arguments)
    };
    let first = train(&["--promote", "never"]);
    assert_eq!(first["promoted"], false);
    let second = train(&[]);
    assert_eq!((&second["promoted"], &second["version"]), (&true.into(), &2.into()));
    // The same data and seed: the same bytes, and so not better.
    assert_eq!(first["sha256"], second["sha256"]);
    assert_eq!(train(&[])["promoted"], false);
    assert_ne!(train(&["--seed", "5"])["sha256"], first["sha256"]);
    pair.json("s1", &["model", "promote", "1", "--why", "for the test"]);
    let list = pair.json("s1", &["model", "list"]);
    let champions: Vec<_> = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["champion"] == true)
        .map(|model| model["version"].as_u64().unwrap())
        .collect();
    assert_eq!(champions, [1]);
    let back = pair.json("s1", &["model", "rollback"]);
    assert_eq!((&back["champion"], &back["replaced"]), (&2.into(), &1.into()));
    let shown = pair.json("s1", &["model", "show", "1"]);
    assert_eq!(shown["promotions"][0]["why"], "for the test");
    let text =
        pair.project.recon(&["-c", "s1/recon.yaml", "--store", &pair.store, "model", "show"]);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(text.out.contains("champion") && text.out.contains("rolled back"), "{}", text.out);
}

#[test]
fn under_accept_risk_nothing_is_accepted_before_it_is_measured() {
    let pair = Pair::new(None);
    pair.generate("s1", 20_000, 1, false);
    pair.setting("s1", "{ accept_risk: { max_false: \"2%\", assurance: \"95%\" } }");
    let run = pair.project.recon(&pair.arguments("s1/recon.yaml", &["run"]));
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("nothing-accepted") && run.err.contains("149"), "{}", run.err);
    let before: Json = serde_json::from_str(&run.out).unwrap();
    assert!(before["attributions"]["by_status"].get("ACCEPTED").is_none());
    let trained = pair.json("s1", &["train", "--labels", &Pair::labels("s1")]);
    assert_eq!(trained["promoted"], true);
    pair.json("s1", &["attribute", "--again"]);
    let evaluated = pair.json("s1", &["evaluate", "--labels", &Pair::labels("s1")]);
    let run = pair.json("s1", &["run"]);
    let accepted = number(&run, "/attributions/by_status/ACCEPTED");
    assert!(accepted > 0.5 * number(&run, "/differences/total"), "{run}");
    let says = run["acceptance"]["says"].to_string();
    assert!(says.contains("wrong of") && says.contains("2 %"), "{says}");
    assert!(evaluated["acceptance"]["policy"]["groups"].is_object());
    // Rules other than the measured ones accept nothing.
    let rules = pair.project.path("s1/rules/attribution.rhai");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("{text}\n// another\n")).unwrap();
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["run"]));
    assert!(said.err.contains("have changed since the risk was measured"), "{}", said.err);
    std::fs::write(&rules, &text).unwrap();
    // Blind checks that exceed the budget stop acceptance.
    pair.setting_replaced("s1", "accept_risk:", "audit_sample: 20%, accept_risk:");
    let sampled = pair.json("s1", &["run"]);
    assert!(number(&sampled, "/acceptance/blind_checks") > 20.0);
    let connection = rusqlite::Connection::open(pair.project.path("recon.db")).unwrap();
    connection
        .execute_batch(
            "UPDATE audit_samples SET outcome = 'DISAGREED', checked_by = 'ann', \
             checked_at = '2026-01-15T00:00:00Z'",
        )
        .unwrap();
    drop(connection);
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["run"]));
    assert!(said.err.contains("exceeding the budget"), "{}", said.err);
    let stopped: Json = serde_json::from_str(&said.out).unwrap();
    assert!(stopped["attributions"]["by_status"].get("ACCEPTED").is_none());
}

impl Pair {
    pub fn setting_replaced(&self, folder: &str, from: &str, to: &str) {
        self.project.replace(&format!("{folder}/recon.yaml"), from, to);
    }
}

#[test]
fn unlearnable_data_gives_a_clear_error() {
    let pair = Pair::new(None);
    pair.generate("s1", 600, 1, false).json("s1", &["run"]);
    let train = |rest: &[&str]| {
        let mut arguments = vec!["train"];
        arguments.extend(rest);
        pair.project.recon(&pair.arguments("s1/recon.yaml", &arguments))
    };
    let said = train(&[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("training-empty") && said.err.contains("--labels"), "{}", said.err);
    let all = std::fs::read_to_string(pair.project.path("s1/labels.csv")).unwrap();
    let of = |reasons: &[&str], most: usize| {
        let mut kept = vec!["transaction_id,field,reason"];
        for reason in reasons {
            let lines = all.lines().filter(|line| line.ends_with(&format!(",{reason}")));
            kept.extend(lines.take(most));
        }
        kept.join("\n") + "\n"
    };
    for (name, content, code, words) in [
        ("one.csv", of(&["ROUNDING_DIFF"], 99), "training-one-class", "at least two reasons"),
        ("few.csv", of(&["ROUNDING_DIFF", "TIMING_LAG"], 4), "training-too-few", "5 are needed"),
        ("columns.csv", "id,field,reason\n".to_owned(), "labels-columns", "transaction_id"),
        (
            "none.csv",
            "transaction_id,field,reason\nx,amount,ROUNDING_DIFF\n".to_owned(),
            "training-empty",
            "1 labels",
        ),
        (
            "typo.csv",
            "transaction_id,field,reason\nx,amount,ROUNDING_DIF\n".to_owned(),
            "undeclared-reason",
            "did you mean ROUNDING_DIFF?",
        ),
    ] {
        pair.project.write(name, content);
        let said = train(&["--labels", name]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{name}: {}", said.err);
        assert!(said.err.contains(code) && said.err.contains(words), "{name}: {}", said.err);
    }
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["evaluate", "--drift"]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("recon train"), "{}", said.err);
}

/// The items of the pair's store that have a reason and are undecided.
pub fn undecided(pair: &Pair) -> Vec<String> {
    let found = pair.sql(
        "SELECT a.attribution_id FROM recon.attributions a \
         JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
         WHERE a.status = 'UNKNOWN' AND c.code <> 'UNKNOWN' ORDER BY 1",
    );
    let ids = found.as_array().unwrap().iter();
    ids.map(|row| row["attribution_id"].as_str().unwrap().to_owned()).collect()
}

/// Confirms the automatic reason of these, and rejects every tenth.
pub fn decide(pair: &Pair, ids: &[String], solo: bool) {
    use recon::domain::review::Action;
    use recon::review::{Approve, BulkCommit, BulkPreviewAsk};

    let url = recon::database::StoreUrl::parse(&pair.store, std::path::Path::new("")).unwrap();
    let store = recon::store::open(&url, recon::store::Opening::Existing).unwrap();
    let stage = crate::review::fixture::team(solo);
    let review = stage.review(&*store);
    let (ann, sue) = (stage.actor("ann"), stage.actor("sue"));
    for some in ids.chunks(400) {
        let (rejected, approved) = some.split_at(some.len() / 10);
        for (ids, action) in [(rejected, Action::Reject), (approved, Action::Approve)] {
            let ask = BulkPreviewAsk {
                ids: ids.to_vec(),
                action: Some(action),
                ..BulkPreviewAsk::default()
            };
            let preview = review.bulk_preview(&ann, &ask).unwrap();
            assert_eq!(preview.count, ids.len() as u64);
            let commit = BulkCommit {
                token: preview.token,
                comments: Some("looked at together".to_owned()),
                ..BulkCommit::default()
            };
            let proposal = review.bulk_commit(&ann, &commit).unwrap().value.proposal;
            if !solo {
                let yes = Approve {
                    proposal_id: proposal.proposal_id,
                    if_match: Some(proposal.tag.parse().unwrap()),
                    content_hash: Some(proposal.content_hash),
                    comments: None,
                };
                let moved = review.approve(&sue, &yes).unwrap().value;
                assert_eq!(moved.status.as_deref(), Some(action.outcome().name()));
            }
        }
    }
}

#[test]
fn without_labels_a_model_learns_from_decisions() {
    let pair = Pair::new(None);
    pair.generate("s1", 6_000, 1, false);
    // Everything is decided.
    pair.setting("s1", "{ accept_at: 1 }").json("s1", &["run"]);
    // Solo decisions count only if requested.
    let ids = undecided(&pair);
    assert!(ids.len() > 300, "{}", ids.len());
    decide(&pair, &ids[..200], true);
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["train"]));
    assert!(said.err.contains("there are no decisions to learn from"), "{}", said.err);
    let alone = pair.json("s1", &["train", "--include", "solo", "--promote", "never"]);
    assert_eq!(alone["labelled"], 200);
    decide(&pair, &ids[200..], false);
    let trained = pair.json("s1", &["train"]);
    let by_reason = trained["by_reason"].as_object().unwrap();
    assert!(by_reason.contains_key("NONE") && by_reason.contains_key("TIMING_LAG"), "{trained}");
    let evaluated = pair.json("s1", &["evaluate"]);
    assert_eq!(evaluated["model"]["n"], trained["held_out"]);
    let again = pair.json("s1", &["run"]);
    let drift = pair.json("s1", &["evaluate", "--drift"]);
    assert_eq!(drift["drift"]["recent"], again["differences"]["total"]);
    assert_eq!(drift["drift"]["retrain"], false, "{}", drift["drift"]["why"]);
    let agreement = &drift["drift"]["agreement"];
    assert_eq!(agreement["decided"], trained["held_out"]);
    // A different population is detected.
    pair.project.write("hard.yaml", "hard: true\nprice_fluctuation: 30%\nfx_variance: 0%\n");
    pair.generate("s2", 3_000, 9, true).json("s2", &["run"]);
    let drift = pair.json("s2", &["evaluate", "--drift"]);
    assert_eq!(drift["drift"]["retrain"], true);
    assert!(!drift["drift"]["why"].as_array().unwrap().is_empty());
}

#[test]
fn discover_writes_candidate_rules_to_complete() {
    let pair = Pair::new(None);
    pair.generate("s1", 2_000, 1, false).without_rules("s1");
    let run = pair.json("s1", &["run"]);
    let found = pair.json("s1", &["discover", "-o", "candidates.rhai"]);
    assert_eq!(found["unknown"], run["differences"]["total"]);
    let groups = found["groups"].as_array().unwrap();
    assert!(groups.len() > 5);
    assert!(groups.iter().all(|group| group["support"]["unknown"] == group["support"]["fires"]));
    let script = std::fs::read_to_string(pair.project.path("candidates.rhai")).unwrap();
    // A candidate is invalid until a reason is filled in; then it claims the promised differences.
    pair.project.write("s1/rules/candidates.rhai", &script);
    pair.setting("s1", "{ accept_at: 0.9 }");
    pair.project.replace(
        "s1/recon.yaml",
        "rules:\n",
        "rules:\n  attribute: [rules/candidates.rhai]\n",
    );
    let said = pair.project.recon(&pair.arguments("s1/recon.yaml", &["check"]));
    assert_eq!(said.code, 2);
    assert!(said.err.contains("CHOOSE_A_REASON"), "{}", said.err);
    pair.project
        .write("s1/rules/candidates.rhai", script.replace("CHOOSE_A_REASON", "SYSTEM_CONVERSION"));
    let again = pair.json("s1", &["run"]);
    let claimed: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
    let by_reason = &again["attributions"]["by_reason"];
    assert!(by_reason["SYSTEM_CONVERSION"].as_u64().unwrap() >= claimed, "{by_reason}");
    assert_eq!(again["status"], "COMPLETED");
    // The first candidate claims all it promised, the others the rest.
    let claimed_by = pair.sql(
        "SELECT assigned_by, count(*) AS n FROM recon.attributions \
         WHERE run_id = (SELECT run_id FROM recon.recon_runs ORDER BY start_time DESC LIMIT 1) \
         GROUP BY assigned_by",
    );
    let of = |function: &Json| {
        let rule = format!("RULE:{}", function.as_str().unwrap());
        let rows = claimed_by.as_array().unwrap().iter();
        rows.filter(|row| row["assigned_by"] == rule).map(|row| row["n"].as_u64().unwrap()).sum()
    };
    for (at, group) in groups.iter().enumerate() {
        let (fires, claims): (u64, u64) =
            (group["support"]["fires"].as_u64().unwrap(), of(&group["function"]));
        assert!(claims <= fires && (at > 0 || claims == fires), "{claims} of {group}");
    }
}

#[test]
fn a_rule_yields_to_a_model_that_is_surer_than_the_rule_was_right() {
    let pair = Pair::new(None);
    pair.generate("s1", 6_000, 1, true).json("s1", &["run"]);
    let labels = Pair::labels("s1");
    let trained = pair.json("s1", &["train", "--labels", &labels]);
    let learners = trained["learners"].as_array().unwrap();
    assert_eq!((learners.len(), &learners[0]["learner"]), (2, &trained["learner"]));
    assert!(number(&learners[0], "/log_loss") <= number(&learners[1], "/log_loss"));
    let by_default = pair.json("s1", &["evaluate", "--labels", &labels]);
    let gain = number(&by_default, "/combined/accuracy") - number(&by_default, "/rules/accuracy");
    assert!(gain > 0.05, "{gain}");
    let run = pair.json("s1", &["run"]);
    let by_model = number(&run, "/attributions/by_source/model");
    assert!(by_model > 100.0 && number(&run, "/attributions/by_source/rule") > 0.0, "{run}");
    let notes = |words: &str| {
        let id = run["run_id"].as_str().unwrap();
        let found = pair.sql(&format!(
            "SELECT count(*) AS n FROM recon.attributions \
             WHERE run_id = '{id}' AND explanation LIKE '%{words}%'"
        ));
        found[0]["n"].as_u64().unwrap()
    };
    assert!(notes("the model is surer") > 50);
    // Rules that stay were right often enough.
    assert!(notes("the rule claims") > 0);
    // A fixed line counts instead, if there is one; here no rule claims less.
    pair.setting("s1", "{ model: { overrule_below: 0.01 } }");
    let fixed = pair.json("s1", &["run"]);
    assert!(number(&fixed, "/attributions/by_source/model") < by_model, "{fixed}");
    pair.setting_replaced("s1", "0.01", "0.95");
    let overruling = pair.json("s1", &["evaluate", "--labels", &labels]);
    let gain = number(&overruling, "/combined/accuracy") - number(&overruling, "/rules/accuracy");
    assert!(gain > 0.05, "{gain}");
    pair.json("s1", &["run"]);
    let hints = pair
        .sql("SELECT count(*) AS n FROM recon.attributions WHERE explanation LIKE '%hinted at%'");
    assert!(hints[0]["n"].as_u64().unwrap() > 50);
}

#[test]
fn the_next_differences_to_decide_are_listed() {
    let pair = Pair::new(None);
    pair.generate("s1", 2_000, 1, true).setting("s1", "{ accept_at: 1 }").json("s1", &["run"]);
    let asked = pair.json("s1", &["train", "--ask", "20"]);
    let asked = asked["ask"].as_array().unwrap();
    assert_eq!(asked.len(), 20);
    let undecided = undecided(&pair);
    for one in asked {
        assert!(number(one, "/alike") >= 1.0 && number(one, "/doubt") > 0.0, "{one}");
        let id = one["attribution_id"].as_str().unwrap();
        assert!(one["reason"] == "UNKNOWN" || undecided.iter().any(|other| other == id), "{one}");
    }
    // The first is asked for the sake of many.
    assert!(asked.iter().all(|one| number(one, "/doubt") <= number(&asked[0], "/doubt")));
    // A reason with two labels gets the three others that it needs, of what looks like it.
    let every = std::fs::read_to_string(pair.project.path("s1/labels.csv")).unwrap();
    let (header, rows) = every.split_once('\n').unwrap();
    let duplicates = rows.lines().filter(|row| row.ends_with(",DUPLICATE_ENTRY"));
    let two: Vec<&str> = std::iter::once(header).chain(duplicates.take(2)).collect();
    pair.project.write("two.csv", two.join("\n"));
    let like = pair.json("s1", &["train", "--ask", "10", "--labels", "two.csv"]);
    let kind = |at: usize| like["ask"][at]["diff_type"].as_str().unwrap().starts_with("DUPLICATE");
    assert!((0..3).all(kind) && !kind(3), "{like}");
    // With a model, its uncertainty counts; decided differences are not asked about again.
    pair.json("s1", &["train", "--labels", &Pair::labels("s1")]);
    let decided = &undecided[..10];
    decide(&pair, decided, false);
    let again = pair.json("s1", &["train", "--ask", "2000"]);
    let again = again["ask"].as_array().unwrap();
    let is_decided = |one: &Json| decided.iter().any(|id| one["attribution_id"] == id.as_str());
    assert!(again.len() > 100 && !again.iter().any(is_decided));
    // Nor is what a file of labels names; here that is all.
    let labels = Pair::labels("s1");
    let none = pair.json("s1", &["train", "--ask", "20", "--labels", &labels]);
    assert_eq!(none["ask"].as_array().map(Vec::len), Some(0), "{none}");
    let text =
        pair.project.recon(&["-c", "s1/recon.yaml", "--store", &pair.store, "train", "--ask", "3"]);
    assert_eq!((text.code, text.out.lines().count()), (0, 5), "{}", text.out);
    assert!(text.out.contains("alike") && text.out.contains("recon explain"), "{}", text.out);
}

#[test]
fn the_table_of_features_is_printed() {
    let project = Project::new();
    let told = project.json(&["train", "--features", "--json"]);
    let features = told["features"].as_array().unwrap();
    assert!(features.len() > 90);
    assert!(features.iter().all(|feature| feature["meaning"].as_str().unwrap().len() > 3));
    let text = project.recon(&["train", "--features"]);
    assert_eq!(text.out.lines().count(), features.len());
}
