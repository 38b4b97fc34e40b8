//! Breaks from date to date, through the real program and on both stores.

use recon::database::StoreUrl;
use recon::review::{GroupBy, PageAsk, QueueFilter, QueueSort};
use recon::store::{Opening, chain, transact};
use serde_json::{Value as Json, json};

use crate::postgres;
use crate::program::Project;
use crate::review::fixture::{decide_all, team};

const CONFIGURATION: &str = r#"version: 1
job: days
store: sqlite:recon.db
sources:
  a:
    system: BANK
    read: { csv: { path: a.csv } }
    map: { id: id, amount: amount, day: day }
  b:
    system: LEDGER
    read: { csv: { path: b.csv } }
    map: { id: id, amount: amount, day: day }
KEY
fields:
  id: { type: text }
  amount: { type: decimal }
  day: { type: date, tolerance: { business_days: 0, calendar: { holidays: [2026-01-19] } } }
"#;

const HEADER: &str = "id,amount,day\n";

fn stores() -> [String; 2] {
    ["sqlite:recon.db".to_owned(), postgres::new_database()]
}

struct Job {
    project: Project,
    store: String,
}

impl Job {
    fn new(store: &str, key: &str) -> Self {
        let project = Project::new();
        project.write("recon.yaml", CONFIGURATION.replace("KEY", key));
        Self { project, store: store.to_owned() }
    }

    fn files(&self, a: &str, b: &str) {
        self.project.write("a.csv", format!("{HEADER}{a}"));
        self.project.write("b.csv", format!("{HEADER}{b}"));
    }

    fn run(&self, date: &str, a: &str, b: &str) -> Json {
        self.files(a, b);
        self.json(&["run", "--batch-date", date])
    }

    fn json(&self, arguments: &[&str]) -> Json {
        self.project.json(&[&["--store", &self.store, "--json"], arguments].concat())
    }

    /// Each break as its columns of these names.
    fn breaks(&self, columns: &str) -> Vec<Json> {
        let statement = format!(
            "SELECT {columns} FROM recon.recon_breaks ORDER BY first_seen, ref, field_name"
        );
        let said =
            self.project.json(&["--store", &self.store, "sql", &statement, "--format", "json"]);
        let rows = said.as_array().unwrap().iter();
        rows.map(|row| columns.split(", ").map(|name| row[name].clone()).collect()).collect()
    }
}

const LIFE: &str = "ref, field_name, diff_type, first_seen, last_seen, cleared_on, cleared_how, \
     occurrences, age_days, age_business_days";

#[test]
fn breaks_live_until_they_clear_and_come_back_as_new_episodes() {
    for store in stores() {
        let job = Job::new(&store, "key: [id]");
        // A Thursday; the next Monday is a holiday.
        job.run(
            "2026-01-15",
            "T1,1,2026-01-15\nT2,1,2026-01-15\nT3,1,2026-01-15\n",
            "T2,2,2026-01-15\nT4,1,2026-01-15\n",
        );
        job.run(
            "2026-01-16",
            "T1,1,2026-01-15\nT2,1,2026-01-15\nT3,1,2026-01-15\n",
            "T2,3,2026-01-15\nT3,1,2026-01-15\n",
        );
        job.run(
            "2026-01-20",
            "T1,1,2026-01-15\nT2,1,2026-01-15\nT3,1,2026-01-15\n",
            "T2,1,2026-01-15\nT4,1,2026-01-15\n",
        );
        let expected = [
            json!([
                "T1",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-15",
                "2026-01-20",
                null,
                null,
                3,
                5,
                2
            ]),
            json!([
                "T2",
                "amount",
                "NUMERIC_MISMATCH",
                "2026-01-15",
                "2026-01-16",
                "2026-01-20",
                "AGREES",
                2,
                5,
                2
            ]),
            json!([
                "T3",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-15",
                "2026-01-15",
                "2026-01-16",
                "MATCHED",
                1,
                1,
                1
            ]),
            json!([
                "T4",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_A",
                "2026-01-15",
                "2026-01-15",
                "2026-01-16",
                "GONE",
                1,
                1,
                1
            ]),
            json!([
                "T3",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-20",
                "2026-01-20",
                null,
                null,
                1,
                0,
                0
            ]),
            json!([
                "T4",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_A",
                "2026-01-20",
                "2026-01-20",
                null,
                null,
                1,
                0,
                0
            ]),
        ];
        assert_eq!(job.breaks(LIFE), expected, "{store}");
        let list = job.json(&["breaks", "list", "--open"]);
        let open = list["breaks"].as_array().unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!((&open[0]["ref"], &open[0]["status"]), (&json!("T1"), &json!("UNKNOWN")));
        assert_eq!(list["forecast"], json!([]));
        let cleared = job.json(&["breaks", "list", "--cleared", "--since", "2026-01-20"]);
        assert_eq!(cleared["breaks"].as_array().unwrap().len(), 1);
        assert_eq!(cleared["breaks"][0]["value_b"], "3");
        assert_eq!(job.json(&["breaks", "list"])["breaks"].as_array().unwrap().len(), 6);
        assert_eq!(job.json(&["breaks", "list", "--job", "x"])["breaks"], json!([]));
        // The new episode names the old one.
        let shown = job.json(&["breaks", "show", "T4"]);
        let [now, old] = shown["breaks"].as_array().unwrap().as_slice() else { panic!("{shown}") };
        assert_eq!(now["reopens"], old["break_id"]);
        let history = |one: &Json| -> Vec<Json> {
            let events = one["history"].as_array().unwrap().iter();
            events.map(|event| json!([event["at"], event["what"]])).collect()
        };
        assert_eq!(history(old), [json!(["2026-01-15", "SEEN"]), json!(["2026-01-16", "CLEARED"])]);
        let amount = job.json(&["breaks", "show", "T2"]);
        assert_eq!(
            history(&amount["breaks"][0]),
            [
                json!(["2026-01-15", "SEEN"]),
                json!(["2026-01-16", "CHANGED"]),
                json!(["2026-01-20", "CLEARED"]),
            ]
        );
        let id = now["break_id"].as_str().unwrap();
        assert_eq!(job.json(&["breaks", "show", id])["breaks"][0]["ref"], "T4");
        let said = job.project.recon(&["--store", &job.store, "breaks", "show", "T9"]);
        assert_eq!((said.code, said.err.contains("no break is called `T9`")), (2, true));
        let said = job.project.recon(&["--store", &job.store, "breaks", "list"]);
        assert!(said.out.contains("T1") && said.out.contains("MATCHED"), "{}", said.out);

        // An earlier date again: T1 is there on one date only now, T3 always matched.
        job.run("2026-01-16", "T3,1,2026-01-15\n", "T3,1,2026-01-15\nT4,1,2026-01-15\n");
        let expected = [
            json!([
                "T1",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-15",
                "2026-01-15",
                "2026-01-16",
                "GONE",
                1,
                1,
                1
            ]),
            json!([
                "T2",
                "amount",
                "NUMERIC_MISMATCH",
                "2026-01-15",
                "2026-01-15",
                "2026-01-16",
                "GONE",
                1,
                1,
                1
            ]),
            json!([
                "T3",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-15",
                "2026-01-15",
                "2026-01-16",
                "MATCHED",
                1,
                1,
                1
            ]),
            json!([
                "T4",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_A",
                "2026-01-15",
                "2026-01-20",
                null,
                null,
                3,
                5,
                2
            ]),
            json!([
                "T1",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-20",
                "2026-01-20",
                null,
                null,
                1,
                0,
                0
            ]),
            json!([
                "T3",
                "ENTIRE_RECORD",
                "MISSING_IN_SOURCE_B",
                "2026-01-20",
                "2026-01-20",
                null,
                null,
                1,
                0,
                0
            ]),
        ];
        assert_eq!(job.breaks(LIFE), expected, "{store}");
        assert_eq!(job.json(&["audit", "verify", "--replay"])["ok"], true);
    }
}

#[test]
fn three_commands_follow_breaks_as_one_pass_does() {
    for store in stores() {
        let job = Job::new(&store, "key: [id]");
        job.run("2026-01-15", "T1,1,2026-01-15\nT2,1,2026-01-15\n", "T2,2,2026-01-15\n");
        job.files("T1,1,2026-01-15\nT2,1,2026-01-15\n", "T2,1,2026-01-15\n");
        for command in ["ingest", "diff", "attribute"] {
            job.json(&[command, "--batch-date", "2026-01-16"]);
        }
        let expected =
            [json!(["T1", "2026-01-16", null, 2]), json!(["T2", "2026-01-15", "AGREES", 1])];
        assert_eq!(job.breaks("ref, last_seen, cleared_how, occurrences"), expected, "{store}");
    }
}

#[test]
fn rows_without_a_key_are_known_by_their_ref_or_by_all_their_values() {
    let passes =
        "match: { passes: [ { name: near, equal: [day], near: { amount: { absolute: 0 } } } ] }";
    for store in stores() {
        let job = Job::new(&store, &format!("ref: [id]\n{passes}"));
        job.run("2026-01-15", "T1,1,2026-01-15\nT2,9,2026-01-15\n", "L7,5,2026-01-15\n");
        // T1 has another amount, which the ledger's new row has, too.
        job.run(
            "2026-01-16",
            "T1,3,2026-01-15\nT2,9,2026-01-15\n",
            "L7,5,2026-01-15\nL8,3,2026-01-15\n",
        );
        let columns = "ref, last_seen, cleared_how";
        let expected = [
            json!(["L7", "2026-01-16", null]),
            json!(["T1", "2026-01-15", "MATCHED"]),
            json!(["T2", "2026-01-16", null]),
            // Its new partner is called L8.
            json!(["T1", "2026-01-16", null]),
        ];
        assert_eq!(job.breaks(columns), expected, "{store}");

        let other = if store.starts_with("sqlite") { store } else { postgres::new_database() };
        let job = Job::new(&other, passes);
        // Two rows are alike; one of them is gone on the next date, and the other has another amount then.
        job.run(
            "2026-01-15",
            "T1,1,2026-01-15\nT1,1,2026-01-15\nT2,2,2026-01-15\n",
            "L,5,2026-01-16\n",
        );
        job.run("2026-01-16", "T1,1,2026-01-15\nT2,3,2026-01-15\n", "L,5,2026-01-16\n");
        let columns = "field_name, first_seen, last_seen, cleared_how";
        let mut found = job.breaks(columns);
        found.sort_by_key(ToString::to_string);
        let expected = [
            json!(["ENTIRE_RECORD", "2026-01-15", "2026-01-15", "GONE"]),
            json!(["ENTIRE_RECORD", "2026-01-15", "2026-01-15", "GONE"]),
            json!(["ENTIRE_RECORD", "2026-01-15", "2026-01-16", null]),
            json!(["ENTIRE_RECORD", "2026-01-15", "2026-01-16", null]),
            json!(["ENTIRE_RECORD", "2026-01-16", "2026-01-16", null]),
        ];
        assert_eq!(found, expected, "{other}");
    }
}

#[test]
fn a_break_of_a_group_goes_by_its_one_side() {
    let passes = "ref: [id]\nmatch: { passes: [ { name: parts, equal: [day], sum: [amount], \
                  near: { amount: { absolute: 5 } }, shape: many_to_one } ] }";
    for store in stores() {
        let job = Job::new(&store, passes);
        let day = |rows: &[(&str, &str)]| -> String {
            rows.iter().map(|(id, amount)| format!("{id},{amount},2026-01-15\n")).collect()
        };
        let invoice = day(&[("I1", "32")]);
        let first = job.run("2026-01-15", &day(&[("P1", "10"), ("P2", "20")]), &invoice);
        assert_eq!(first["records"]["groups"], 1, "{first}");
        // Other parts, and another sum: it is the same invoice.
        job.run("2026-01-16", &day(&[("P3", "11"), ("P2", "20")]), &invoice);
        let columns = "ref, field_name, diff_type, first_seen, last_seen, cleared_how, value_a";
        let goes_on =
            ["I1", "amount", "NUMERIC_MISMATCH", "2026-01-15", "2026-01-16"].map(Json::from);
        let mut expected = [&goes_on[..], &[json!(null), json!("31")]].concat();
        assert_eq!(job.breaks(columns), [json!(expected)], "{store}");
        let shown = job.json(&["breaks", "show", "I1"]);
        let life = shown["breaks"][0]["history"].as_array().unwrap();
        let life: Vec<&Json> = life.iter().map(|event| &event["what"]).collect();
        assert_eq!(life, ["SEEN", "CHANGED"]);
        let third = job.run("2026-01-19", &day(&[("P3", "12"), ("P2", "20")]), &invoice);
        assert_eq!(third["records"]["groups"], 1, "{third}");
        expected[5] = "AGREES".into();
        assert_eq!(job.breaks(columns), [json!(expected)], "{store}");
        // Not matched any more: its rows lack their partners.
        job.run("2026-01-20", &day(&[("P3", "12")]), &invoice);
        let open = job.json(&["breaks", "list", "--open"]);
        let open = open["breaks"].as_array().unwrap().iter();
        let mut open: Vec<&str> = open.map(|one| one["ref"].as_str().unwrap()).collect();
        open.sort_unstable();
        assert_eq!(open, ["I1", "P3"]);
    }
}

#[test]
fn open_items_are_closed_by_people_or_expire() {
    let open = "key: [id]\nopen_items: { a: movements, b: movements, max_age_days: 3 }";
    for store in stores() {
        let job = Job::new(&store, open);
        job.run("2026-01-15", "T1,1,2026-01-15\n", "");
        job.run("2026-01-16", "T2,1,2026-01-16\n", "");
        job.run("2026-01-19", "", "");
        let expected = [
            json!(["T1", "2026-01-16", "2026-01-19", "EXPIRED", 2]),
            json!(["T2", "2026-01-19", null, null, 2]),
        ];
        let columns = "ref, last_seen, cleared_on, cleared_how, occurrences";
        assert_eq!(job.breaks(columns), expected, "{store}");
    }
}

#[test]
fn a_forecast_is_made_from_thirty_cleared_episodes_on() {
    let job = Job::new("sqlite:recon.db", "key: [id]");
    let rows =
        |count: usize| -> String { (0..count).map(|at| format!("T{at},1,2026-01-15\n")).collect() };
    job.run("2026-01-13", &rows(40), "X,1,2026-01-15\n");
    job.run("2026-01-14", &rows(12), "X,1,2026-01-15\n");
    let none = job.json(&["breaks", "list"]);
    assert_eq!(none["forecast"], json!([]), "28 cleared");
    job.run("2026-01-15", &rows(8), "X,1,2026-01-15\n");
    let list = job.json(&["breaks", "list"]);
    let [forecast] = list["forecast"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(forecast["cleared"], 32);
    assert_eq!(forecast["kind"], "ENTIRE_RECORD MISSING_IN_SOURCE_B");
    let share = |days: &str, key: &str| forecast["within"][days][key].as_f64().unwrap();
    assert!((share("1", "share") - 0.7).abs() < 1e-9, "{forecast}");
    assert!((share("2", "share") - 0.8).abs() < 1e-9, "{forecast}");
    for days in ["1", "2", "5"] {
        assert!(share(days, "low") < share(days, "share"), "{forecast}");
        assert!(share(days, "high") > share(days, "share"), "{forecast}");
    }
    let text = job.project.recon(&["breaks", "list", "--open"]);
    assert!(text.out.contains("70 %"), "{}", text.out);
}

/// Items in the queue, as date and reference.
fn queue(job: &Job) -> Vec<String> {
    let configuration = job.project.path("recon.yaml");
    let url = StoreUrl::parse(&job.store, configuration.parent().unwrap()).unwrap();
    let store = recon::store::open(&url, Opening::Existing).unwrap();
    let stage = team(true);
    let (review, ann) = (stage.review(&*store), stage.actor("ann"));
    let ask = PageAsk { count: true, sort: QueueSort::Age, ..PageAsk::default() };
    let page = review.queue(&ann, &QueueFilter::default(), &ask).unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64));
    let summary = review.summary(&ann).unwrap();
    assert_eq!(summary.by_status["UNKNOWN"], page.items.len() as u64);
    let groups = review.groups(&ann, &QueueFilter::default(), GroupBy::Signature, &ask).unwrap();
    let grouped: u64 = groups.items.iter().map(|group| group.count).sum();
    assert_eq!(grouped, page.items.len() as u64);
    for id in page.items.iter().map(|item| &item.attribution_id) {
        assert_eq!(review.item(&ann, id).unwrap().goes_on, None);
    }
    assert_eq!(transact::read(&*store, |tx| chain::replay(tx)).unwrap(), [""; 0]);
    let mut names: Vec<_> = page
        .items
        .into_iter()
        .map(|item| {
            let reference = item.source_a_ref_id.or(item.source_b_ref_id).unwrap();
            format!("{} {reference}", &item.batch_date[8..])
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_break_that_has_cleared_leaves_the_queue_and_a_rerun_brings_it_back() {
    let declared = "open_items: { a: snapshot, b: snapshot }";
    let codes = "reason_codes:\n  TIMING: { functional: true, description: \"Booked later\" }\n  \
                 UNKNOWN: { functional: false, description: \"No cause found\" }";
    let row = |id: &str, amount: u32| format!("{id},{amount},2026-01-15\n");
    for (store, open) in stores().into_iter().zip([declared, ""]) {
        let job = Job::new(&store, &format!("key: [id]\n{open}\n{codes}"));
        let rows = |given: &[(&str, u32)]| -> String {
            given.iter().map(|(id, amount)| row(id, *amount)).collect()
        };
        let first = rows(&[("AGREES", 1), ("GONE", 1), ("STAYS", 1), ("MATCHED", 1)]);
        job.run("2026-01-15", &first, &rows(&[("AGREES", 2), ("GONE", 2), ("STAYS", 2)]));
        assert_eq!(queue(&job), ["15 AGREES", "15 GONE", "15 MATCHED", "15 STAYS"]);
        // Without `open_items` a file may have only the rows of its date.
        let gone = || (open.is_empty()).then_some("15 GONE");
        let second = rows(&[("AGREES", 1), ("STAYS", 1), ("MATCHED", 1)]);
        let with = |agrees| rows(&[("AGREES", agrees), ("STAYS", 2), ("MATCHED", 1)]);
        job.run("2026-01-16", &second, &with(1));
        let left: Vec<&str> = gone().into_iter().chain(["16 STAYS"]).collect();
        assert_eq!(queue(&job), left, "{store}");
        job.run("2026-01-16", &second, &with(3));
        let left: Vec<&str> = gone().into_iter().chain(["16 AGREES", "16 STAYS"]).collect();
        assert_eq!(queue(&job), left, "{store}");
        // Cleared breaks need no decision, but may get one.
        job.run("2026-01-16", &second, &with(1));
        let cleared = job.project.json(&[
            "--store",
            &store,
            "sql",
            "SELECT attribution_id FROM recon.recon_breaks WHERE ref = 'AGREES'",
            "--format",
            "json",
        ]);
        decide_all(&job.project, &store, cleared.as_array().unwrap(), "TIMING");
        assert_eq!(queue(&job).len(), 1 + usize::from(open.is_empty()), "{store}");
    }
}

#[test]
fn an_item_that_expired_stays_in_the_queue_until_it_is_explained() {
    let open = "key: [id]\nopen_items: { a: movements, b: movements, max_age_days: 3 }";
    for store in stores() {
        let job = Job::new(&store, open);
        job.run("2026-01-15", "T1,1,2026-01-15\n", "");
        job.run("2026-01-16", "", "");
        job.run("2026-01-19", "T2,1,2026-01-15\n", "");
        assert_eq!(queue(&job), ["16 T1", "19 T2"], "{store}");
        // A row that matches once it is on both sides needs no decision.
        job.run("2026-01-20", "", "T2,1,2026-01-15\n");
        assert_eq!(queue(&job), ["16 T1"], "{store}");
    }
}

#[test]
fn an_open_item_of_an_earlier_date_waits_until_later_dates_take_it_over() {
    let open = "key: [id]\nopen_items: { a: movements, b: movements }";
    let row = |id: &str| format!("{id},1,2026-01-15\n");
    for store in stores() {
        let job = Job::new(&store, open);
        let lives = || job.breaks("ref, first_seen, last_seen, cleared_on, cleared_how, age_days");
        let life = |id: &str, first: u32, last: u32| {
            json!([
                id,
                format!("2026-01-{first}"),
                format!("2026-01-{last}"),
                null,
                null,
                16 - first
            ])
        };
        job.run("2026-01-16", &row("T2"), "");
        job.run("2026-01-15", &row("T1"), "");
        // T1 did not exist when the 16th ran, so its absence there clears nothing.
        assert_eq!(queue(&job), ["15 T1", "16 T2"], "{store}");
        assert_eq!(lives(), [life("T1", 15, 15), life("T2", 16, 16)], "{store}");
        job.run("2026-01-16", &row("T2"), "");
        assert_eq!(queue(&job), ["16 T1", "16 T2"], "{store}");
        assert_eq!(lives(), [life("T1", 15, 16), life("T2", 16, 16)], "{store}");
        // An earlier date that is run again: breaks that the 16th took over from its former run go on.
        job.run("2026-01-15", &format!("{}{}", row("T1"), row("T3")), "");
        assert_eq!(queue(&job), ["15 T3", "16 T1", "16 T2"], "{store}");
        job.run("2026-01-16", &row("T2"), &row("T3"));
        assert_eq!(queue(&job), ["16 T1", "16 T2"], "{store}");
        let cleared = job.breaks("ref, cleared_on, cleared_how");
        assert_eq!(cleared[1], json!(["T3", "2026-01-16", "MATCHED"]), "{store}");
    }
}

#[test]
fn an_earlier_date_that_runs_again_writes_every_state_of_later_dates_once() {
    let job = Job::new("sqlite:recon.db", "key: [id]");
    let day = "2026-01-05\n";
    let side =
        |amount: u32| (1..4).map(|id| format!("{id},{amount}{id},{day}")).collect::<String>();
    let (a, b) = (side(1), side(2));
    job.run("2026-01-05", &a, &b);
    job.run("2026-01-06", &a, &b);
    let store = rusqlite::Connection::open(job.project.path("recon.db")).unwrap();
    // A part that begins where none of the new parts does, as in a run that was written in several batches.
    let part = "INSERT INTO break_states SELECT max(id) + 1, entries, form FROM break_states";
    assert_eq!(store.execute(part, []).unwrap(), 1);
    job.run("2026-01-05", &a, &b);
    // Each entry has the eight bytes of its row and three others, or more.
    let entries = "SELECT sum(length(entries)) / 11 FROM break_states WHERE id >> 40 = 2";
    assert_eq!(store.query_row(entries, [], |row| row.get(0)), Ok(3));
}
