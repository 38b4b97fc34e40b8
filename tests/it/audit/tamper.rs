//! Changes of the trail are refused by the database, or detected.

use recon::cli::exit::code_of_verdict;
use recon::store::Store;
use recon::store::audit::{GENESIS, hash};

use super::{ROWS, checkpoint, decide, examined, rows};
use crate::review::fixture::{GUESS, item_id, stock, team};
use crate::store::{Place, on_both_stores};

on_both_stores! {
    the_database_refuses_rows_that_do_not_continue_the_chain,
    runs_and_proposals_that_are_gone_are_missed,
    changes_that_the_database_cannot_refuse_are_found,
    a_trail_that_was_rewritten_is_known_by_its_checkpoint,
    edited_tables_disagree_with_the_trail,
}

/// Fields that exercise every case of the hash: absent, empty, non-ASCII.
fn fields() -> [Option<&'static [u8]>; 24] {
    const PROPOSAL: &str = "abababababababababababababababababababababababababababababababab";
    [
        Some("1"),
        Some("01990000-0000-7000-8000-000000000001"),
        None,
        Some("reason_code"),
        Some("FX_É"),
        Some("ann"),
        Some("analyst,senior"),
        Some("session"),
        Some("MAKER"),
        Some("APPROVE"),
        None,
        Some("{\"status\":\"PENDING\",\"confidence\":0.8}"),
        Some(""),
        Some("2026-01-15T10:00:00.000250Z"),
        None,
        Some("127.0.0.1"),
        Some("a \"client\""),
        Some("p1"),
        Some("2"),
        Some(PROPOSAL),
        Some("1"),
        Some("MODEL:3"),
        Some("RULE:near"),
        Some("FOUR_EYE"),
    ]
    .map(|field| field.map(str::as_bytes))
}

/// Computed by another program. If they change, no existing trail verifies.
#[test]
fn the_hash_of_a_row_never_changes() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut fields = fields();
    assert_eq!(
        hex(hash(1, &GENESIS, &fields)),
        "d67e9b950645dcc584d9f256d75c4b9aa7a564c10614c7bd2bcdb3b23379c772"
    );
    fields[12] = None;
    assert_eq!(
        hex(hash(1, &GENESIS, &fields)),
        "a3418466ac4a2f708569b57d42187d00f56be8c3d5bd8e740f240c6c7459fe9a"
    );
}

/// Columns of the trail except `seq`, `audit_id` and `hash`.
const REST: &str = "attribution_id, entity_type, entity_id, actor_id, actor_roles, auth_method, \
     stage, action_type, previous_value, new_value, comments, performed_at, request_id, ip, \
     user_agent, proposal_id, proposal_version, proposal_hash, policy_version, model_version, \
     rule_version, control, prev_hash, hash_version";

fn the_database_refuses_rows_that_do_not_continue_the_chain(place: &Place) {
    let store = place.open();
    decide(&*store, &team(false));
    let before = rows(&*store);
    let copy = |how: &str, seq: &str, id: &str, hash: &str, of: i64| {
        format!(
            "{how} INTO audit_trail (seq, audit_id, hash, {REST}) \
             SELECT {seq}, {id}, {hash}, {REST} FROM audit_trail WHERE seq = {of}"
        )
    };
    let next = (ROWS + 1).to_string();
    let (new_id, new_hash) = if place.is_sqlite() {
        ("'01990000-0000-7000-8000-00000000ffff'", "x'00'")
    } else {
        ("'01990000-0000-7000-8000-00000000ffff'::uuid", "'\\x00'::bytea")
    };
    let mut tried = vec![
        "UPDATE audit_trail SET comments = 'x' WHERE seq = 3".to_owned(),
        "UPDATE audit_trail SET seq = seq + 100".to_owned(),
        "DELETE FROM audit_trail WHERE seq = 3".to_owned(),
        format!("DELETE FROM audit_trail WHERE seq = {ROWS}"),
        "DELETE FROM audit_trail".to_owned(),
        copy("INSERT", "3", new_id, new_hash, 3),
        copy("INSERT", "100", new_id, new_hash, 3),
        copy("INSERT", "0", new_id, new_hash, 3),
        copy("INSERT", "NULL", new_id, new_hash, 3),
        // The next number, but not after the last row.
        copy("INSERT", &next, new_id, new_hash, 3),
    ];
    if place.is_sqlite() {
        tried.extend([
            "UPDATE OR REPLACE audit_trail SET seq = 2 WHERE seq = 3".to_owned(),
            "UPDATE OR IGNORE audit_trail SET comments = 'x'".to_owned(),
            copy("REPLACE", "3", new_id, new_hash, 3),
            copy("INSERT OR REPLACE", "3", "audit_id", "hash", 3),
            copy("INSERT OR IGNORE", "100", new_id, new_hash, 3),
            // Would replace row 3, whose id or hash it repeats.
            copy("INSERT OR REPLACE", &next, "audit_id", new_hash, 3),
            copy("INSERT OR REPLACE", &next, new_id, "hash", 3),
            format!(
                "PRAGMA recursive_triggers = OFF; {}",
                copy("INSERT OR REPLACE", &next, "audit_id", "hash", ROWS)
            ),
            copy("INSERT", "3", new_id, new_hash, 3) + " ON CONFLICT DO UPDATE SET comments = 'x'",
        ]);
    } else {
        tried.extend([
            "TRUNCATE audit_trail".to_owned(),
            "TRUNCATE audit_trail CASCADE".to_owned(),
            "SET session_replication_role = replica; DELETE FROM audit_trail".to_owned(),
            "SET session_replication_role = replica; TRUNCATE audit_trail".to_owned(),
            "SET session_replication_role = replica; UPDATE audit_trail SET comments = 'x'"
                .to_owned(),
            format!(
                "{} ON CONFLICT (seq) DO UPDATE SET comments = 'x'",
                copy("INSERT", "3", new_id, new_hash, 3)
            ),
            "MERGE INTO audit_trail USING (SELECT 1) x ON seq = 3 WHEN MATCHED THEN DELETE"
                .to_owned(),
            "TRUNCATE proposals CASCADE".to_owned(),
        ]);
    }
    tried.extend(
        ["DELETE FROM proposals", "DELETE FROM approvals", "DELETE FROM contributors"]
            .map(str::to_owned),
    );
    for sql in tried {
        let Err(refused) = place.try_execute(&sql) else { panic!("was not refused: {sql}") };
        assert!(!refused.contains("syntax"), "{refused}: {sql}");
    }
    assert!(rows(&*store) == before);
    // Tables without triggers can't remove rows of the trail.
    let cascades = "DELETE FROM item_comments; DELETE FROM proposal_items; DELETE FROM sent_back";
    place.execute(cascades);
    assert!(rows(&*store) == before);
}

/// Removes every protection that the owner of the tables can remove.
fn unguard(place: &Place) {
    place.execute(if place.is_sqlite() {
        "DROP TRIGGER audit_trail_keeps_rows; DROP TRIGGER audit_trail_keeps_values; \
         DROP TRIGGER audit_trail_has_no_gaps"
    } else {
        "ALTER TABLE audit_trail DISABLE TRIGGER ALL"
    });
    place.execute("CREATE TABLE kept AS SELECT * FROM audit_trail");
}

fn changes_that_the_database_cannot_refuse_are_found(place: &Place) {
    let store = place.open();
    let stage = team(false);
    decide(&*store, &stage);
    let end = checkpoint(&*store);
    assert_eq!(end.n, ROWS);
    unguard(place);
    let zeros = if place.is_sqlite() { "x'0000'" } else { "'\\x0000'" };
    let cases: &[(&str, u8, Option<i64>, &str)] = &[
        ("UPDATE audit_trail SET comments = 'it is  so' WHERE seq = 4", 10, Some(4), "its content"),
        ("UPDATE audit_trail SET comments = '' WHERE seq = 2", 10, Some(2), "its content"),
        ("UPDATE audit_trail SET comments = NULL WHERE seq = 4", 10, Some(4), "its content"),
        ("UPDATE audit_trail SET actor_id = 'bob' WHERE seq = 6", 10, Some(6), "its content"),
        ("UPDATE audit_trail SET policy_version = 7 WHERE seq = 3", 10, Some(3), "its content"),
        (
            "UPDATE audit_trail SET performed_at = '2026-01-15T18:00:00.000001Z' WHERE seq = 5",
            10,
            Some(5),
            "its content",
        ),
        ("UPDATE audit_trail SET new_value = '{}' WHERE seq = 3", 10, Some(3), "its content"),
        ("UPDATE audit_trail SET control = 'SIX_EYE' WHERE seq = 2", 10, Some(2), "its content"),
        ("UPDATE audit_trail SET hash = ZEROS WHERE seq = 5", 10, Some(5), "its hash was changed"),
        ("UPDATE audit_trail SET hash = ZEROS WHERE seq = 12", 10, Some(12), "its content"),
        ("UPDATE audit_trail SET hash_version = 2 WHERE seq = 7", 10, Some(7), "its content"),
        ("UPDATE audit_trail SET prev_hash = ZEROS WHERE seq = 6", 10, Some(6), "follow"),
        ("DELETE FROM audit_trail WHERE seq = 4", 10, Some(4), "missing"),
        ("DELETE FROM audit_trail WHERE seq = 2", 10, Some(2), "missing"),
        ("DELETE FROM audit_trail WHERE seq = 1", 10, Some(1), "missing"),
        ("DELETE FROM audit_trail WHERE seq IN (5, 8)", 10, Some(5), "missing"),
        ("UPDATE audit_trail SET seq = 0 WHERE seq = 1", 10, Some(0), "before the first"),
        (
            "UPDATE audit_trail SET seq = -1 WHERE seq = 4; \
             UPDATE audit_trail SET seq = 4 WHERE seq = 5; \
             UPDATE audit_trail SET seq = 5 WHERE seq = -1",
            10,
            Some(4),
            "follow",
        ),
        // An inserted row: later ones were renumbered.
        ("UPDATE audit_trail SET seq = 13 WHERE seq = 12", 10, Some(12), "missing"),
        ("DELETE FROM audit_trail WHERE seq > 9", 11, None, "9: its end was cut off"),
        ("DELETE FROM audit_trail", 11, None, "0: its end was cut off"),
    ];
    for (sql, code, first_bad, what) in cases {
        place.execute(&sql.replace("ZEROS", zeros));
        let verdict = examined(&*store, std::slice::from_ref(&end), false);
        let said = verdict.what.clone().or_else(|| verdict.against_checkpoint.clone());
        assert_eq!((code_of_verdict(&verdict), verdict.first_bad), (*code, *first_bad), "{sql}");
        assert!(said.as_deref().unwrap_or_default().contains(what), "{said:?}: {sql}");
        if let Some(seq) = first_bad {
            assert_eq!(verdict.checked, (seq - 1).max(0), "{sql}");
        } else {
            // Not detectable without a checkpoint.
            assert!(examined(&*store, &[], false).ok);
        }
        place.execute("DELETE FROM audit_trail; INSERT INTO audit_trail SELECT * FROM kept");
        assert!(examined(&*store, std::slice::from_ref(&end), true).ok);
    }
}

fn a_trail_that_was_rewritten_is_known_by_its_checkpoint(place: &Place) {
    let store = place.open();
    let stage = team(false);
    decide(&*store, &stage);
    let early = checkpoint(&*store);
    decide(&*store, &stage);
    let late = checkpoint(&*store);
    assert!(examined(&*store, &[early.clone(), late.clone()], true).ok);
    unguard(place);
    // Row 8 was changed, and everything after it rehashed, as a forger's own recon would.
    let mut previous = GENESIS;
    for row in rows(&*store) {
        let mut texts = row.texts();
        if row.seq == 8 {
            texts[12] = Some("all is well".to_owned());
        }
        let fields = std::array::from_fn(|at| texts[at].as_deref().map(str::as_bytes));
        let own = hash(1, &previous, &fields);
        let literal = |bytes: [u8; 32]| {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if place.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'") }
        };
        place.execute(&format!(
            "UPDATE audit_trail SET prev_hash = {}, hash = {} WHERE seq = {}",
            literal(previous),
            literal(own),
            row.seq
        ));
        previous = own;
    }
    place.execute("UPDATE audit_trail SET comments = 'all is well' WHERE seq = 8");
    assert!(examined(&*store, &[], true).ok, "no chain can see that");
    let verdict = examined(&*store, &[early, late], true);
    assert_eq!(code_of_verdict(&verdict), 11);
    let said = verdict.against_checkpoint.unwrap();
    assert!(said.starts_with(&format!("row {ROWS} is not the one")), "{said}");
}

fn edited_tables_disagree_with_the_trail(place: &Place) {
    let store = place.open();
    let run = decide(&*store, &team(false));
    let _other = stock(&*store, "pay", &[GUESS]);
    let number = |record: u64| format!("number_is = {}", record << 10 | 3);
    let of_run = if place.is_sqlite() {
        "id >> 40 = (SELECT min(run_no) FROM recon_runs)"
    } else {
        "run_no = (SELECT min(run_no) FROM recon_runs)"
    };
    place.execute("CREATE TABLE kept AS SELECT * FROM difference_rows");
    assert!(examined(&*store, &[], true).ok);
    let typo = "(SELECT reason_id FROM reason_codes WHERE code = 'TIMING')";
    let bob = "(SELECT min(assigner_id) FROM assigners WHERE is_person = ONE AND name <> 'ann')";
    place.execute(if place.is_sqlite() {
        "INSERT INTO assigners (name, is_person) VALUES ('eve', 1)"
    } else {
        "INSERT INTO assigners (name, is_person) VALUES ('eve', true)"
    });
    let one = if place.is_sqlite() { "1" } else { "true" };
    for (record, set) in [
        // Decided by users.
        (1, "status = 4".to_owned()),
        (1, format!("reason_id = {typo}")),
        (2, "confidence = 0.5".to_owned()),
        (2, "is_locked = false".to_owned()),
        (1, "version = version + 1".to_owned()),
        (1, format!("assigner_id = {bob}")),
        (1, "status = 1, is_locked = false".to_owned()),
        // Awaits approval.
        (5, "status = 3".to_owned()),
        // Sent back.
        (3, "status = 4, is_locked = true".to_owned()),
        (3, "status = 3".to_owned()),
        (4, "version = 9".to_owned()),
        // Never touched: the message names the run, and the item if it claims to be decided.
        (7, "confidence = 0.9".to_owned()),
        (6, "status = 3".to_owned()),
        (7, format!("reason_id = {typo}")),
        (6, "status = 3, is_locked = true".to_owned()),
        (7, "status = 4, is_locked = true".to_owned()),
        (7, format!("assigner_id = {bob}, status = 3")),
    ] {
        let sql = format!(
            "UPDATE difference_rows SET {} WHERE {} AND {of_run}",
            set.replace("ONE", one),
            number(record)
        );
        let sql = sql.replace("ONE", one);
        place.execute(&sql);
        let verdict = examined(&*store, &[], true);
        assert_eq!(code_of_verdict(&verdict), 12, "{sql}");
        let named: Vec<bool> = verdict
            .replay_differs
            .iter()
            .filter(|named| !named.contains("the counts of its items"))
            .map(|named| named.starts_with(&item_id(run, record)))
            .collect();
        let of_people = set.contains("true") || set.contains("ONE");
        let expected: &[bool] = match (record, of_people) {
            (6 | 7, true) => &[true, false],
            (6 | 7, false) => &[false],
            _ => &[true],
        };
        assert_eq!(named, expected, "{sql}: {verdict:?}");
        if record > 5 {
            let of_run = verdict.replay_differs.last().unwrap();
            assert!(
                of_run.starts_with(&format!("run {run}: what the machine decided")),
                "{of_run}"
            );
        }
        assert!(examined(&*store, &[], false).ok, "the chain itself is whole");
        place
            .execute("DELETE FROM difference_rows; INSERT INTO difference_rows SELECT * FROM kept");
    }
    place.execute(&format!("DELETE FROM difference_rows WHERE {} AND {of_run}", number(1)));
    let verdict = examined(&*store, &[], true);
    assert_eq!(code_of_verdict(&verdict), 12);
    assert!(verdict.replay_differs[0].contains("no such item"), "{verdict:?}");
}

fn runs_and_proposals_that_are_gone_are_missed(place: &Place) {
    let store = place.open();
    decide(&*store, &team(false));
    let run = stock(&*store, "untouched", &[GUESS]);
    assert!(examined(&*store, &[], true).ok);
    unguard(place);
    let of_run = "run_no = (SELECT max(run_no) FROM recon_runs)";
    place.execute(&if place.is_sqlite() {
        format!(
            "DELETE FROM difference_rows WHERE id >> 40 = (SELECT max(run_no) FROM recon_runs); \
             DELETE FROM record_rows WHERE id >> 40 = (SELECT max(run_no) FROM recon_runs); \
             DELETE FROM item_counts WHERE {of_run}; DELETE FROM recon_runs WHERE {of_run}"
        )
    } else {
        format!(
            "DELETE FROM difference_rows WHERE {of_run}; DELETE FROM record_rows WHERE {of_run}; \
             DELETE FROM item_counts WHERE {of_run}; DELETE FROM recon_runs WHERE {of_run}"
        )
    });
    let verdict = examined(&*store, &[], true);
    assert_eq!(verdict.replay_differs.len(), 1, "{verdict:?}");
    let said = &verdict.replay_differs[0];
    assert!(said.starts_with(&format!("run {run}: ")) && said.contains("no such run"), "{said}");
}

/// Any bit of any cell: the message names the row.
#[test]
fn every_flipped_bit_is_detected() {
    let place = Place::sqlite();
    let store = place.open();
    decide(&*store, &team(false));
    drop(store);
    let recon::database::StoreUrl::Sqlite(path) = &place.url else { panic!() };
    let whole = std::fs::read(path).unwrap();
    // Finds the rows of the trail by their hashes.
    let store = place.open();
    let hashes: Vec<(i64, Vec<u8>)> = rows(&*store)
        .iter()
        .map(|row| {
            let byte = |at: usize| u8::from_str_radix(&row.hash[2 * at..2 * at + 2], 16).unwrap();
            (row.seq, (0..32).map(byte).collect())
        })
        .collect();
    drop(store);
    for (seq, hash) in &hashes {
        let places: Vec<usize> = whole
            .windows(32)
            .enumerate()
            .filter(|(_, window)| window == hash)
            .map(|(at, _)| at)
            .collect();
        let mut found = Vec::new();
        for at in places {
            for bit in [0, 7] {
                let mut flipped = whole.clone();
                flipped[at + 13] ^= 1 << bit;
                std::fs::write(path, &flipped).unwrap();
                let store = place.open();
                found.push(examined(&*store, &[], false).first_bad);
            }
        }
        // In its own row, in the next row, and in an index that verification ignores.
        found.sort();
        found.dedup();
        let after = (*seq < ROWS).then_some(seq + 1);
        let mut expected = vec![None, Some(*seq)];
        expected.extend(after.map(Some));
        assert_eq!(found, expected, "row {seq}");
    }
    // Anywhere: a result or a store problem, never a panic.
    let mut seed = 7u64;
    for _ in 0..150 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut flipped = whole.clone();
        let at = (seed >> 16) as usize % flipped.len();
        flipped[at] ^= 1 << (seed >> 60 & 7);
        std::fs::write(path, &flipped).unwrap();
        if let Ok(store) = recon::store::open(&place.url, recon::store::Opening::Existing) {
            let store: &dyn Store = &*store;
            let _ = recon::store::transact::read(store, |tx| {
                recon::store::chain::examine(
                    tx,
                    recon::store::chain::Examination { replay: true, ..Default::default() },
                )
            });
        }
    }
}
