//! Matches in the review: the rows of a group with their sum, and a tie as a choice.

use serde_json::Value as Json;

use super::{Served, json};
use crate::matching::{NEAR, SPLIT, job};
use crate::sources::{copied, trades};

#[test]
fn an_item_shows_the_rows_of_its_group_and_the_choices_of_a_tie() {
    let passes = format!("{NEAR}{}", SPLIT.replace("absolute: 0", "absolute: 1"));
    let project = job(
        "ref: [id]\n",
        &passes,
        "P1,100.50,EUR,2026-03-02\nP2,70.00,USD,2026-03-02\n",
        "I1,60.00,EUR,2026-03-02\nI2,40.00,EUR,2026-03-02\n\
         L1,70.00,USD,2026-03-02\nL2,70.00,USD,2026-03-02\n",
    );
    let summary = project.json(&["run", "--json"]);
    assert_eq!(summary["records"]["groups"], 1, "{summary}");
    let served = Served::of(project, &[]);
    let items = served.queue("ann", "limit=50");
    let id_of = |reference: &str| {
        let found = items.iter().find(|item| item["source_a_ref_id"] == reference).unwrap();
        found["attribution_id"].as_str().unwrap().to_owned()
    };
    let ann = served.person("ann");
    let matching = |id: &str| {
        let answer = ann.get(&format!("/v1/workflow/items/{id}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        json(&answer)["aggregation"].clone()
    };
    let page = |id: &str| {
        let answer = ann.get(&format!("/review/items/{id}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        String::from_utf8(answer.body).unwrap()
    };
    let names = |rows: &Json| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["ref"].as_str().unwrap().to_owned()).collect()
    };

    let group = id_of("P1");
    let told = matching(&group);
    assert_eq!((&told["pass"], &told["certificate"]), (&"split".into(), &"UNIQUE".into()));
    assert_eq!(names(&told["members_b"]), ["I1", "I2"]);
    assert_eq!(told["members_b"][0]["fields"]["amount"], "60.00");
    assert_eq!(told["sums_b"]["amount"], "100.00");
    let shown = page(&group);
    for part in ["Matching", "I1", "60.00", "I2", "40.00", "<th scope=\"row\">Sum</th>", "100.00"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let tie = id_of("P2");
    let told = matching(&tie);
    let mut candidates = names(&told["candidates"]);
    candidates.sort_unstable();
    assert_eq!(candidates, ["L1", "L2"]);
    let shown = page(&tie);
    for part in ["Tied: each of these fits", "<bdi>L1</bdi>", "<bdi>L2</bdi>", "data-phrase"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn an_item_shows_where_its_rows_are_in_the_words_of_their_kind() {
    for (file, read, place) in [
        ("trades.xlsx", "{ excel: { path: trades.xlsx } }", "trades.xlsx, sheet Trades, row 18"),
        ("trades_zstd.parquet", "{ parquet: { path: trades_zstd.parquet } }", "row 17"),
        ("trades.jsonl", "{ json: { path: trades.jsonl } }", "trades.jsonl:17"),
        (
            "trades.db",
            "{ sql: { url: \"sqlite:trades.db\", query: \"SELECT * FROM trades\" } }",
            "query row 17",
        ),
    ] {
        let project = trades(read);
        copied(&project, &[file]);
        project.replace("trades.csv", "T-017,23.29,", "T-017,24.29,");
        let summary = project.json(&["run", "--json"]);
        assert_eq!(summary["differences"]["total"], 1, "{summary}");
        let served = Served::of(project, &[]);
        let items = served.queue("ann", "limit=5");
        let id = items[0]["attribution_id"].as_str().unwrap();
        let ann = served.person("ann");
        let told = json(&ann.get(&format!("/v1/workflow/items/{id}")));
        let of = |side: &str| told[format!("record_{side}")]["place"].as_str().unwrap().to_owned();
        assert!(of("a").ends_with(place), "{told}");
        assert!(of("b").ends_with("trades.csv:18"), "{told}");
        let shown = ann.get(&format!("/review/items/{id}"));
        let shown = String::from_utf8(shown.body).unwrap();
        assert!(shown.contains(place) && shown.contains("trades.csv:18"), "{shown}");
    }
}
