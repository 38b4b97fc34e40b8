//! Runs from their first row to their successor.

use recon::diagnostic::Code;
use recon::domain::gate::Gate;
use recon::domain::row::push_cell;
use recon::domain::run::IdClass;
use recon::domain::{
    Cell, Cells, DiffType, Quiet, RunStatus, Severity, Stage, Status, evidence, key,
};
use recon::store::{
    Batch, DifferenceRow, NewRun, PruneOrder, RecordKind, RunFilter, Store, difference_number,
};
use serde_json::{Value as Json, json};

use super::fixture::{
    Content, all_before, attribute, batches, codes, column, date, diff, differences, ingest,
    layout, new_run, outcome, records, rejected, row, rows, run_in_one_pass, visible, write,
};
use super::{Place, on_both_stores};

on_both_stores![
    one_pass_and_three_commands_store_the_same,
    views_show_the_written_rows,
    every_code_shows_under_its_name,
    rows_read_back_as_they_were_written,
    nothing_shows_before_a_command_ends,
    a_dropped_writer_is_repaired,
    a_failed_command_leaves_the_stage_before,
    only_breaks_are_kept_where_that_is_asked,
    matched_records_that_a_dead_command_left_are_deleted,
    the_newest_attributed_run_is_current,
    attributing_again_spares_people,
    runs_are_listed_newest_first,
    an_undeclared_reason_is_refused,
    a_thousand_rows_of_several_batches,
    old_runs_are_deleted_but_not_human_decisions,
    a_run_that_ends_while_others_are_pruned_stays,
];

/// Everything visible of a run, without parts that differ between runs.
fn everything(store: &dyn Store, run: &NewRun) -> Json {
    let id = run.id;
    let records = rows(
        store,
        &format!(
            "SELECT source_a_ref_id, source_b_ref_id, normalized_data_a, normalized_data_b, \
             line_a, offset_a, line_b, offset_b, gate_status, kind, partner_rejected, is_break, \
             record_number FROM recon.recon_records WHERE run_id = '{id}' ORDER BY record_id"
        ),
    );
    let differences = rows(
        store,
        &format!(
            "SELECT d.record_number, field_name, value_a, value_b, diff_type, severity, \
             r.source_a_ref_id, c.code, c.is_functional, confidence_score, a.status, assigned_by, \
             is_locked, version, explanation, signature, amount_abs \
             FROM recon.data_differences d \
             JOIN recon.attributions a ON a.diff_id = d.diff_id \
             JOIN recon.recon_records r ON r.record_id = d.record_id \
             JOIN recon.reason_codes c ON c.reason_id = a.reason_id \
             WHERE d.run_id = '{id}' ORDER BY d.diff_id"
        ),
    );
    let rejected = rows(
        store,
        &format!(
            "SELECT side, line, code, text, message, key FROM recon.rejected_rows \
             WHERE run_id = '{id}' ORDER BY rejected_row_id"
        ),
    );
    let run = rows(
        store,
        &format!(
            "SELECT job, source_system_a, source_system_b, batch_date, start_time, end_time, \
             status, stage, superseded_by, total_records, total_differences, metadata \
             FROM recon.recon_runs WHERE run_id = '{id}'"
        ),
    );
    json!({ "run": run, "records": records, "differences": differences, "rejected": rejected })
}

fn one_pass_and_three_commands_store_the_same(place: &Place) {
    let store = place.open();
    let (whole, steps) = (new_run("one", 0, true), new_run("three", 0, true));
    run_in_one_pass(&*store, &whole);
    ingest(&*store, &steps);
    diff(&*store, &steps);
    attribute(&*store, &steps);
    let mut expected = everything(&*store, &whole);
    assert_eq!(expected["records"].as_array().map(Vec::len), Some(records().len()));
    assert_eq!(expected["differences"].as_array().map(Vec::len), Some(differences().len()));
    assert_eq!(expected["rejected"].as_array().map(Vec::len), Some(rejected().len()));
    expected["run"][0][0] = json!("three");
    assert_eq!(everything(&*store, &steps), expected);
}

fn views_show_the_written_rows(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*store, &run);
    let shown = rows(
        &*store,
        "SELECT record_id, source_a_ref_id, source_b_ref_id, normalized_data_a, \
         normalized_data_b, gate_status, ingested_at, run_id \
         FROM recon.recon_records ORDER BY record_id",
    );
    for ((told, number), shown) in records().iter().zip(1..).zip(&shown) {
        let side = |row: &Option<recon::domain::Row>| match row {
            None => (Json::Null, Json::Null),
            Some(row) => {
                let cells = Cells::new(&row.cells);
                (json!(key::reference(cells, 2)), evidence::object(&layout(), cells))
            }
        };
        let ((ref_a, mut data_a), (ref_b, data_b)) = (side(&told.a), side(&told.b));
        if let (true, Some(note)) = (store.url().starts_with("postgres"), data_a.get_mut("note")) {
            // JSONB can't hold NUL characters.
            *note = json!(note.as_str().unwrap().replace('\0', "\u{fffd}"));
        }
        let gate = told.gate.unwrap_or(Gate::Passed).name();
        let id = run.id.derived(IdClass::Record, number).to_string();
        let ended = "2026-01-15T01:03:20.123456Z";
        let expected = json!([id, ref_a, ref_b, data_a, data_b, gate, ended, run.id.to_string()]);
        assert_eq!(&json!(shown), &expected, "record {number}");
    }
    let ids = rows(
        &*store,
        "SELECT d.diff_id, d.record_id, a.attribution_id, a.diff_id, d.created_at, a.assigned_at \
         FROM recon.data_differences d, recon.attributions a \
         WHERE a.diff_id = d.diff_id AND a.run_id = d.run_id ORDER BY d.diff_id",
    );
    for (told, ids) in differences().iter().zip(&ids) {
        let number = difference_number(told.0, told.1);
        let id = |class, number| run.id.derived(class, number).to_string();
        let time = "2026-01-15T01:03:20.123456Z";
        let expected = json!([
            id(IdClass::Difference, number),
            id(IdClass::Record, told.0),
            id(IdClass::Attribution, number),
            id(IdClass::Difference, number),
            time,
            time
        ]);
        assert_eq!(json!(ids), expected);
    }
    assert_eq!(ids.len(), differences().len());
}

fn every_code_shows_under_its_name(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    store.create_run(&run).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    let mut batch = Batch::default();
    let row = row("x", Cell::Null, Cell::Null);
    let cells = Some(Cells::new(&row.cells));
    for kind in RecordKind::ALL {
        batch.record(&recon::store::RecordRow {
            kind: *kind,
            a: cells,
            b: cells,
            partner_rejected: false,
            place_a: None,
            place_b: None,
            matched: None,
        });
    }
    for (number, diff_type) in (1..).zip(DiffType::ALL) {
        let at = number % 4;
        let (reason, assigned_by) = (batch.push("UNKNOWN"), batch.push("NONE"));
        batch.differences.push(DifferenceRow {
            row: 1,
            record: number as u64,
            field: recon::domain::FieldRef::Field(at as u16),
            diff_type: *diff_type,
            severity: Severity::ALL[at],
            value_a: None,
            value_b: None,
            amount_abs: None,
            attribution: Some(recon::store::AttributionRow {
                reason,
                confidence: recon::domain::Confidence::ZERO,
                // PENDING requires a lock, which only users set.
                status: [Status::Unknown, Status::Accepted, Status::Rejected, Status::Unknown][at],
                assigned_by,
                explanation: None,
                signature: None,
            }),
        });
    }
    writer.write(&batch).unwrap();
    let counts = writer.finish(&outcome(Stage::Attributed)).unwrap().counts.unwrap();
    assert_eq!(counts.attributions, store.attribution_counts(run.id).unwrap());
    assert_eq!(counts.gate, store.gate_counts(run.id).unwrap());
    let kinds = column(&*store, "SELECT kind FROM recon.recon_records ORDER BY record_number");
    assert_eq!(kinds, RecordKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    let shown = rows(
        &*store,
        "SELECT diff_type, severity, field_name FROM recon.data_differences ORDER BY diff_id",
    );
    for (row, number) in shown.iter().zip(1usize..) {
        let expected = json!([
            DiffType::ALL[number - 1].name(),
            Severity::ALL[number % 4].name(),
            layout().fields()[number % 4].name
        ]);
        assert_eq!(&json!(row), &expected);
    }
    assert_eq!(shown.len(), DiffType::ALL.len());
    let statuses =
        column(&*store, "SELECT DISTINCT status FROM recon.attributions ORDER BY status");
    assert_eq!(statuses, ["ACCEPTED", "REJECTED", "UNKNOWN"]);
}

fn rows_read_back_as_they_were_written(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*store, &run);
    let told = records();
    let cells = |text: Option<&str>| {
        text.map(|text| {
            let mut cells = Vec::new();
            evidence::read(&layout(), text, &mut cells).unwrap();
            cells
        })
    };
    let mut number = 0;
    store
        .each_record(run.id, &mut |record| {
            let told = &told[number];
            number += 1;
            assert_eq!((record.number, record.kind), (number as u64, told.kind));
            assert_eq!(cells(record.a), told.a.as_ref().map(|row| row.cells.clone()));
            assert_eq!(cells(record.b), told.b.as_ref().map(|row| row.cells.clone()));
            assert_eq!(record.partner_rejected, told.partner_rejected);
            let line = told.a.as_ref().map(|_| (number as u64 + 1, 100 * number as u64));
            assert_eq!(record.place_a, line);
            Ok(())
        })
        .unwrap();
    assert_eq!(number, told.len());
    let mut seen = Vec::new();
    store
        .each_difference(run.id, &mut |difference, record| {
            let (told_record, field, diff_type, severity, a, b, attribution) =
                differences()[seen.len()];
            assert_eq!((record.number, difference.field), (told_record, field));
            assert_eq!((difference.diff_type, difference.severity), (diff_type, severity));
            assert_eq!((difference.value_a, difference.value_b), (a, b));
            let stored = difference.attribution.unwrap();
            let stored = (
                stored.reason,
                stored.confidence,
                stored.status,
                stored.assigned_by,
                stored.explanation.map(|text| text.replace(' ', "")),
            );
            let explanation = attribution.4.map(|text| text.replace(' ', ""));
            let (reason, confidence, status, by, _) = attribution;
            assert_eq!(stored, (reason, confidence, status, by, explanation));
            seen.push(difference.number);
            Ok(())
        })
        .unwrap();
    let numbers = differences().iter().map(|told| difference_number(told.0, told.1)).collect();
    assert_eq!(seen, Vec::<u64>::from_iter::<Vec<u64>>(numbers));
    let reference = key::reference(
        Cells::new(&row("T3", super::fixture::amount(1), recon::domain::Cell::Null).cells),
        2,
    );
    let found = store.records_by_reference(run.id, &reference).unwrap();
    assert_eq!(found.iter().map(|record| record.number).collect::<Vec<_>>(), [3, 6]);
    assert_eq!(found[0].gate, Some(Gate::Passed));
    assert_eq!(found[0].differences.len(), 1);
    assert_eq!(found[0].differences[0].attribution.as_ref().unwrap().reason, "ROUNDING");
    assert_eq!(store.records_by_reference(run.id, "T3").unwrap(), []);
    let odd = key::reference(Cells::new(&told[1].a.as_ref().unwrap().cells), 2);
    assert_eq!(store.records_by_reference(run.id, &odd).unwrap().len(), 1);
    let lines: Vec<_> = store.rejected(run.id, 10).unwrap();
    let mut expected = rejected();
    expected.rotate_left(1);
    expected.swap(0, 1);
    assert_eq!(lines, expected);
    assert_eq!(store.rejected(run.id, 1).unwrap().len(), 1);
    assert_eq!(store.gate_counts(run.id).unwrap(), (3, 4));
    let counts = store.attribution_counts(run.id).unwrap();
    let counts: Vec<_> = counts
        .iter()
        .map(|count| (count.reason.as_str(), count.functional, count.status, count.count))
        .collect();
    assert_eq!(
        counts,
        [
            ("MISSING_SOURCE_B", false, Status::Accepted, 1),
            ("ROUNDING", true, Status::Accepted, 2),
            ("UNKNOWN", false, Status::Unknown, 3)
        ]
    );
    let stored = store.run(run.id).unwrap().unwrap();
    assert_eq!((stored.id, &stored.layout, stored.started), (run.id, &run.layout, run.started));
    assert_eq!(stored.metadata, outcome(Stage::Attributed).metadata);
    assert_eq!(stored.ended, Some(outcome(Stage::Attributed).ended));
}

fn nothing_shows_before_a_command_ends(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    store.sync_reason_codes("trades", &codes()).unwrap();
    store.create_run(&run).unwrap();
    let stages = [
        (Content { records: true, ..Content::default() }, Stage::Ingested, ["7", "0", "0", "3"]),
        (Content { compared: true, ..Content::default() }, Stage::Compared, ["7", "6", "0", "3"]),
        (
            Content { attributed: true, ..Content::default() },
            Stage::Attributed,
            ["7", "6", "6", "3"],
        ),
    ];
    let mut before = ["0", "0", "0", "0"];
    for (content, stage, after) in stages {
        let mut writer = store.writer(run.id).unwrap();
        for batch in batches(content) {
            writer.write(&batch).unwrap();
            assert_eq!(visible(&*store), before, "{stage}");
        }
        let gates = column(&*store, "SELECT count(gate_status) FROM recon.recon_records");
        assert_eq!(gates, ["0"]);
        writer.finish(&outcome(stage)).unwrap();
        assert_eq!(visible(&*store), after, "{stage}");
        before = after;
        store.resume_run(run.id).unwrap();
    }
}

fn a_dropped_writer_is_repaired(place: &Place) {
    let store = place.open();
    let (done, dead) = (new_run("other", 0, true), new_run("job", 1, true));
    run_in_one_pass(&*store, &done);
    let untouched = everything(&*store, &done);
    store.create_run(&dead).unwrap();
    let mut writer = store.writer(dead.id).unwrap();
    let content = Content { records: true, compared: true, attributed: true };
    for batch in batches(content) {
        writer.write(&batch).unwrap();
    }
    drop(writer);
    assert_eq!(store.repair().unwrap(), [dead.id]);
    assert_eq!(store.repair().unwrap(), []);
    assert_eq!(store.run(dead.id).unwrap().unwrap().status, RunStatus::Failed);
    assert_eq!(store.run(dead.id).unwrap().unwrap().stage, None);
    assert_eq!(everything(&*store, &done), untouched);
    for table in ["record_rows", "difference_rows", "reject_rows"] {
        let count = column(&*store, &format!("SELECT count(*) FROM recon.{table}"));
        let left = match table {
            "record_rows" => 1,
            "difference_rows" => differences().len(),
            _ => rejected().len(),
        };
        assert_eq!(count, [left.to_string()], "{table}");
    }
}

fn a_failed_command_leaves_the_stage_before(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    ingest(&*store, &run);
    let before = everything(&*store, &run);
    store.resume_run(run.id).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    for batch in batches(Content { compared: true, ..Content::default() }) {
        writer.write(&batch).unwrap();
    }
    drop(writer);
    store.fail_run(run.id, "the disk is full").unwrap();
    let failed = store.run(run.id).unwrap().unwrap();
    assert_eq!((failed.status, failed.stage), (RunStatus::Failed, Some(Stage::Ingested)));
    assert_eq!(failed.metadata["failure"], "the disk is full");
    assert_eq!(everything(&*store, &run)["records"], before["records"]);
    diff(&*store, &run);
    attribute(&*store, &run);
    assert_eq!(store.gate_counts(run.id).unwrap(), (3, 4));
    // The writer notices that its run was deleted.
    store.resume_run(run.id).unwrap();
    let writer = store.writer(run.id).unwrap();
    store.fail_run(run.id, "somebody else").unwrap();
    assert_eq!(writer.finish(&outcome(Stage::Attributed)).unwrap_err().code, Code::RunLost);
}

/// Number of records that a store keeps, visible or not.
fn kept(store: &dyn Store) -> usize {
    let rows = column(store, "SELECT records FROM recon.record_rows");
    let entries = |row: &String| {
        let entries: Vec<Json> = serde_json::from_str(row).unwrap();
        entries.iter().filter(|entry| !entry.is_null()).count()
    };
    rows.iter().map(entries).sum()
}

fn only_breaks_are_kept_where_that_is_asked(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, false);
    ingest(&*store, &run);
    assert_eq!(visible(&*store)[0], "7");
    diff(&*store, &run);
    assert_eq!(visible(&*store), ["5", "6", "0", "3"]);
    assert_eq!(kept(&*store), 5);
    assert_eq!(column(&*store, "SELECT trim_pending FROM recon.recon_runs"), ["0"]);
    let mut numbers = Vec::new();
    store
        .each_record(run.id, &mut |record| {
            numbers.push(record.number);
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers, [3, 4, 5, 6, 7]);
    attribute(&*store, &run);
    // Matched ones still count.
    assert_eq!(store.gate_counts(run.id).unwrap(), (3, 4));
    assert_eq!(store.run(run.id).unwrap().unwrap().total_records, 7);
}

fn matched_records_that_a_dead_command_left_are_deleted(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*store, &run);
    // As if `keep: breaks` had been set and the command killed before it deleted anything.
    place.execute("UPDATE recon_runs SET keep_all = false, trim_pending = true");
    assert_eq!(visible(&*store), ["5", "6", "6", "3"]);
    assert_eq!(kept(&*store), 7);
    assert_eq!(store.repair().unwrap(), []);
    assert_eq!(kept(&*store), 5);
    assert_eq!(column(&*store, "SELECT trim_pending FROM recon.recon_runs"), ["0"]);
    assert_eq!(store.run(run.id).unwrap().unwrap().status, RunStatus::CompletedWithErrors);
}

fn the_newest_attributed_run_is_current(place: &Place) {
    let store = place.open();
    let (first, second, third) =
        (new_run("job", 0, true), new_run("job", 1, true), new_run("job", 2, true));
    let superseded = |run: &NewRun| store.run(run.id).unwrap().unwrap().superseded_by;
    run_in_one_pass(&*store, &first);
    run_in_one_pass(&*store, &new_run("other", 1, true));
    assert_eq!(superseded(&first), None);
    run_in_one_pass(&*store, &second);
    assert_eq!((superseded(&first), superseded(&second)), (Some(second.id), None));
    // An unattributed run supersedes nothing, nor does an older one that is attributed again.
    ingest(&*store, &third);
    attribute(&*store, &first);
    assert_eq!((superseded(&first), superseded(&second)), (Some(second.id), None));
    diff(&*store, &third);
    attribute(&*store, &third);
    assert_eq!(superseded(&first), Some(third.id));
    assert_eq!((superseded(&second), superseded(&third)), (Some(third.id), None));
}

fn attributing_again_spares_people(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    run_in_one_pass(&*store, &run);
    let before = everything(&*store, &run);
    attribute(&*store, &run);
    assert_eq!(everything(&*store, &run), before, "the same decisions change nothing");
    // Users reject difference 3, hold 4 in a proposal and have accepted 5; the rules now say
    // ROUNDING for all.
    place.execute("INSERT INTO assigners (name, is_person) VALUES ('ann', true)");
    let numbers: Vec<u64> =
        differences().iter().map(|told| difference_number(told.0, told.1)).collect();
    let held = |sets: &str, at: usize| {
        format!("UPDATE difference_rows SET {sets} WHERE number_is = {}", numbers[at])
    };
    place.execute(&held("status = 4, is_locked = true", 2));
    place.execute(&held("status = 2, is_locked = true", 3));
    place.execute(&held(
        "status = 3, assigner_id = (SELECT assigner_id FROM assigners WHERE name = 'ann')",
        4,
    ));
    let mut held = Vec::new();
    store
        .each_difference(run.id, &mut |difference, _| {
            held.push(difference.attribution.unwrap().held_by_people);
            Ok(())
        })
        .unwrap();
    assert_eq!(held, [false, false, true, true, true, false]);
    store.resume_run(run.id).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    let mut batch = Batch::default();
    for number in numbers {
        let attribution = recon::store::AttributionRow {
            reason: batch.push("ROUNDING"),
            confidence: recon::domain::Confidence::new(0.95).unwrap(),
            status: Status::Accepted,
            assigned_by: batch.push("RULE:attribute_rounding"),
            explanation: None,
            signature: None,
        };
        batch.decisions.push(recon::store::DecisionRow { number, attribution });
    }
    writer.write(&batch).unwrap();
    let codes = "SELECT c.code FROM recon.attributions a JOIN recon.reason_codes c \
         ON c.reason_id = a.reason_id ORDER BY a.diff_id";
    let unknown = "UNKNOWN";
    let old = ["ROUNDING", "MISSING_SOURCE_B", unknown, unknown, unknown, "ROUNDING"];
    assert_eq!(column(&*store, codes), old, "nothing shows yet");
    let mut later = outcome(Stage::Attributed);
    later.ended = recon::domain::Instant::new(1_768_440_000, 0);
    writer.finish(&later).unwrap();
    let new = ["ROUNDING", "ROUNDING", unknown, unknown, unknown, "ROUNDING"];
    assert_eq!(column(&*store, codes), new);
    let versions = column(&*store, "SELECT version FROM recon.attributions ORDER BY diff_id");
    assert_eq!(versions, ["1", "2", "1", "1", "1", "1"]);
    let times = column(&*store, "SELECT assigned_at FROM recon.attributions ORDER BY diff_id");
    assert_eq!(times[0], "2026-01-15T01:03:20.123456Z");
    assert_eq!(times[1], "2026-01-15T01:20:00.000000Z");
    // Only record 4 is fixed: human decisions still block.
    assert_eq!(store.gate_counts(run.id).unwrap(), (4, 3));
}

fn runs_are_listed_newest_first(place: &Place) {
    let store = place.open();
    let (first, second, other) =
        (new_run("job", 0, true), new_run("job", 1, true), new_run("other", 2, true));
    for run in [&first, &second, &other] {
        store.create_run(run).unwrap();
    }
    store.fail_run(second.id, "no reason").unwrap();
    let list = |filter: RunFilter| -> Vec<_> {
        store.runs(&filter).unwrap().iter().map(|run| run.id).collect()
    };
    assert_eq!(list(RunFilter::default()), [other.id, second.id, first.id]);
    let job = RunFilter { job: Some("job".to_owned()), ..RunFilter::default() };
    assert_eq!(list(job.clone()), [second.id, first.id]);
    assert_eq!(list(RunFilter { not_failed: true, ..job.clone() }), [first.id]);
    assert_eq!(list(RunFilter { limit: Some(1), ..job.clone() }), [second.id]);
    assert_eq!(list(RunFilter { batch_date: Some(date()), ..job.clone() }).len(), 2);
    let other_day = recon::domain::Date::from_days(0);
    assert_eq!(list(RunFilter { batch_date: Some(other_day), ..job }), []);
    let nobody = super::fixture::new_id();
    assert_eq!(store.run(nobody).unwrap(), None);
    assert_eq!(store.resume_run(nobody).unwrap_err().code, Code::NoSuchRun);
    assert_eq!(store.writer(nobody).err().unwrap().code, Code::NoSuchRun);
}

fn an_undeclared_reason_is_refused(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, true);
    store.create_run(&run).unwrap();
    let content = Content { records: true, compared: true, attributed: true };
    let problem = write(&*store, run.id, content, Stage::Attributed).unwrap_err();
    assert_eq!(problem.code, Code::UnknownReason);
    store.fail_run(run.id, &problem.message).unwrap();
    assert_eq!(visible(&*store), ["0", "0", "0", "0"]);
}

fn a_thousand_rows_of_several_batches(place: &Place) {
    let store = place.open();
    let run = new_run("job", 0, false);
    store.create_run(&run).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    for start in (0..5_000u64).step_by(1_000) {
        let mut batch = Batch::default();
        for number in start + 1..=start + 1_000 {
            let mut row = recon::domain::Row::of([
                Cell::Text(&format!("T{number}")),
                Cell::Integer(number.into()),
            ]);
            (2..layout().len()).for_each(|_| push_cell(&mut row.cells, Cell::Null));
            batch.record(&recon::store::RecordRow {
                kind: RecordKind::Pair,
                a: Some(Cells::new(&row.cells)),
                b: Some(Cells::new(&row.cells)),
                partner_rejected: false,
                place_a: Some((number, 0)),
                place_b: Some((number, 0)),
                matched: None,
            });
        }
        writer.write(&batch).unwrap();
    }
    writer.finish(&outcome(Stage::Ingested)).unwrap();
    assert_eq!(visible(&*store)[0], "5000");
    assert_eq!(store.records_by_reference(run.id, "T4321|4321").unwrap()[0].number, 4_321);
    store.resume_run(run.id).unwrap();
    let mut writer = store.writer(run.id).unwrap();
    let mut batch = Batch::default();
    for record in [7, 4_999] {
        batch.differences.push(DifferenceRow {
            row: 1,
            record,
            field: recon::domain::FieldRef::Field(2),
            diff_type: DiffType::NullMismatch,
            severity: Severity::Low,
            value_a: None,
            value_b: None,
            amount_abs: None,
            attribution: None,
        });
    }
    writer.write(&batch).unwrap();
    writer.finish(&outcome(Stage::Compared)).unwrap();
    assert_eq!(visible(&*store)[0], "2");
    assert_eq!(kept(&*store), 2);
    let numbers = column(&*store, "SELECT record_number FROM recon.recon_records ORDER BY 1");
    assert_eq!(numbers, ["7", "4999"]);
    let found = store.records_by_reference(run.id, "T4999|4999").unwrap();
    assert_eq!((found.len(), found[0].differences.len()), (1, 1));
    assert_eq!(store.records_by_reference(run.id, "T4998|4998").unwrap(), []);
}

fn a_run_that_ends_while_others_are_pruned_stays(place: &Place) {
    let store = place.open();
    let store = &*store;
    let before = recon::domain::Instant::new(2_000_000_000, 0);
    let order = PruneOrder { current: false, ..all_before(before, false) };
    for round in 0..3 {
        // Superseded ones, which are pruned before the last run is looked at.
        (0..12).for_each(|minute| run_in_one_pass(store, &new_run("old", minute, true)));
        let run = new_run("one", round, true);
        let wait = std::time::Duration::from_secs(60);
        let lock = store.lock(&run.job, run.batch_date, wait, &Quiet).unwrap();
        store.create_run(&run).unwrap();
        std::thread::scope(|scope| {
            let pruning = scope.spawn(|| store.prune(&order).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(2));
            let content = Content { records: true, compared: true, attributed: true };
            write(store, run.id, content, Stage::Attributed).unwrap();
            drop(lock);
            assert!(pruning.join().unwrap().runs.len() >= 11);
        });
        assert!(store.run(run.id).unwrap().is_some(), "round {round}");
    }
}

fn old_runs_are_deleted_but_not_human_decisions(place: &Place) {
    let store = place.open();
    let (left_alone, decided, young) =
        (new_run("one", 0, true), new_run("two", 0, true), new_run("three", 60, true));
    for run in [&left_alone, &decided, &young] {
        run_in_one_pass(&*store, run);
    }
    let untouched = everything(&*store, &young);
    // A user accepted the first difference of record 7, and the trail names the second.
    place.execute("INSERT INTO assigners (name, is_person) VALUES ('ann', true)");
    let run_no = column(
        &*store,
        &format!("SELECT run_no FROM recon.recon_runs WHERE run_id = '{}'", decided.id),
    );
    let of_run = if store.url().starts_with("sqlite") { "id >> 40" } else { "run_no" };
    let numbers: Vec<u64> = differences()
        .iter()
        .filter(|told| told.0 == 7)
        .map(|told| difference_number(told.0, told.1))
        .collect();
    place.execute(&format!(
        "UPDATE difference_rows SET status = 3, assigner_id = \
         (SELECT assigner_id FROM assigners WHERE name = 'ann') \
         WHERE number_is = {} AND {of_run} = {}",
        numbers[0], run_no[0]
    ));
    let hash = if store.url().starts_with("sqlite") {
        "zeroblob(32)"
    } else {
        "decode(repeat('00', 32), 'hex')"
    };
    let named = decided.id.derived(IdClass::Attribution, numbers[1]);
    place.execute(&format!(
        "INSERT INTO audit_trail (seq, audit_id, attribution_id, entity_type, entity_id, actor_id, \
         stage, action_type, performed_at, prev_hash, hash, hash_version) VALUES ( \
         (SELECT max(seq) + 1 FROM audit_trail), '{named}', '{named}', 'ATTRIBUTION', 'x', 'ann', 'MAKER', 'APPROVE', \
         '2026-01-15T00:00:00.000000Z', (SELECT hash FROM audit_trail ORDER BY seq DESC LIMIT 1), {hash}, 1)"
    ));
    let before = recon::domain::Instant::new(young.started.seconds() - 1, 0);
    let expected = [(left_alone.id, 0), (decided.id, 2)];
    for dry_run in [true, false] {
        let pruned = store.prune(&all_before(before, dry_run)).unwrap().runs;
        assert_eq!(pruned.iter().map(|run| (run.run, run.kept)).collect::<Vec<_>>(), expected);
        assert_eq!(store.run(left_alone.id).unwrap().is_some(), dry_run);
    }
    assert_eq!(store.prune(&all_before(before, false)).unwrap().runs, []);
    let left = everything(&*store, &decided);
    assert_eq!(left["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(left["records"][0][12], 7);
    assert_eq!(left["differences"].as_array().map(Vec::len), Some(2));
    assert_eq!(everything(&*store, &young), untouched);
    // The row about the item, those of the three runs, and those about the two pruned ones.
    assert_eq!(column(&*store, "SELECT count(*) FROM recon.audit_trail"), ["6"]);
    let told = "SELECT entity_id FROM recon.audit_trail WHERE action_type = 'PRUNE' ORDER BY seq";
    assert_eq!(column(&*store, told), [left_alone.id.to_string(), decided.id.to_string()]);
    assert_eq!(kept(&*store), 8);
}
