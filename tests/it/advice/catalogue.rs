//! The help of every code is followed by a test that gets further, or stands here with the reason why none does.

use std::collections::BTreeSet;
use std::path::Path;

use recon::diagnostic::{Code, Shows};

use super::{server, settings};

/// Tests outside of this folder that follow the help of these codes: file, test, codes.
const ELSEWHERE: &[(&str, &str, &[&str])] = &[
    ("settled.rs", "following_the_advice_makes_the_records_match", &["same-difference"]),
    (
        "commands.rs",
        "a_compared_run_is_not_compared_with_another_configuration",
        &["configuration-changed"],
    ),
    ("commands.rs", "attributing_goes_on_with_the_run_on_which_it_failed", &["script-limit"]),
    ("commands.rs", "a_statement_sees_no_secrets_and_has_limits", &["sql-timeout"]),
    (
        "commands.rs",
        "a_statement_on_postgres_cannot_call_functions_with_side_effects",
        &["sql-function-refused"],
    ),
    ("awkward.rs", "too_many_rejected_rows_are_exit_3", &["too-many-rejected"]),
    (
        "shard.rs",
        "an_imported_run_is_reported_and_audited_like_any_other_on_both_stores",
        &["run-exists"],
    ),
    (
        "shard.rs",
        "a_result_that_lacks_rows_or_has_them_twice_is_not_imported",
        &["result-incomplete", "result-unreadable"],
    ),
    ("shard.rs", "a_stream_that_is_not_of_this_job_is_refused", &["shard-stream", "shard-job"]),
    ("shard.rs", "failures_have_the_exit_codes_of_a_run", &["shard-unsupported"]),
    ("runs.rs", "an_interrupted_run_exits_130_and_is_failed", &["interrupted"]),
    ("open_items.rs", "pruning_keeps_the_runs_that_open_items_stand_in", &["open-items-pruned"]),
    ("learned.rs", "constant_features_cannot_be_learned_from", &["training-constant"]),
    ("availability.rs", "a_deleted_or_replaced_store_accepts_no_decisions", &["store-replaced"]),
    (
        "availability.rs",
        "a_change_whose_commit_gets_no_answer_is_said_to_be_unconfirmed",
        &["store-unconfirmed"],
    ),
    (
        "store/postgres.rs",
        "an_unreachable_server_is_distinguished_from_a_refusal",
        &["store-login", "store-tls"],
    ),
    (
        "store/postgres.rs",
        "a_role_without_privileges_gets_a_clear_error",
        &["store-permission", "store-read-only"],
    ),
    ("store/answers.rs", "long_values_are_refused", &["sql-too-long"]),
    ("store/answers.rs", "an_existing_store_is_not_made", &["store-outdated"]),
    ("store/lock.rs", "a_second_command_waits_or_gets_the_owner_of_the_lock", &["locked"]),
    ("open_items.rs", "people_close_rows_and_age_expires_them_once", &["expired-items"]),
    ("open_items.rs", "a_rerun_names_the_later_dates_and_they_follow_it", &["later-runs"]),
    ("learned.rs", "a_model_of_another_shape_is_not_used", &["model-shape", "model-left-aside"]),
    (
        "learning.rs",
        "under_accept_risk_nothing_is_accepted_before_it_is_measured",
        &["nothing-accepted"],
    ),
    (
        "api/owners.rs",
        "two_new_logins_of_one_administrator_are_not_six_eyes",
        &["one-administrator"],
    ),
    ("people/story.rs", "a_person_chooses_a_password_by_a_link", &["invitation-gone"]),
    ("people/owners.rs", "a_second_login_waits_for_its_person", &["not-your-password"]),
    ("review/sample.rs", "agreeing_locks_and_disagreeing_proposes", &["not-a-sample"]),
    ("review/workflow.rs", "an_inactive_reason_is_not_applied", &["reason-inactive"]),
];

/// Codes whose remedy no test follows, by the reason.
const NOT_FOLLOWED: &[(&str, &[&str])] = &[
    (
        "the machine fails: its clock, disk, memory, threads, signals or random numbers",
        &[
            "clock",
            "disk-full",
            "export-unreadable",
            "internal",
            "lock-failed",
            "no-memory",
            "no-randomness",
            "no-thread",
            "not-repaired",
            "server-stuck",
            "signals-unavailable",
            "tls",
        ],
    ),
    (
        "two requests or processes must meet in an instant; the remedy is to try again",
        &[
            "already-verifying",
            "item-lost",
            "items-changed",
            "proposal-lost",
            "requests-cut",
            "rolled-back",
            "run-gone",
            "run-lost",
            "search-not-ready",
            "source-changed",
            "store-busy",
            "store-constraint",
            "too-many-exports",
            "too-many-logins",
            "unavailable",
        ],
    ),
    (
        "a mistake of recon, or what only a damaged proposal shows",
        &["books-do-not-close", "policy-unreadable"],
    ),
    (
        "takes gigabytes, or tens of thousands of files or runs",
        &["source-too-large", "store-full", "too-many-files"],
    ),
    ("the remedy is another build of recon", &["store-migrations-differ", "store-newer"]),
    (
        "the schema of the API refuses it first, as `invalid` with the same bounds",
        &[
            "bad-expiry",
            "bad-field-name",
            "comment-too-long",
            "content-hash-required",
            "invalid-code",
            "invalid-description",
            "invalid-idempotency-key",
            "invalid-limit",
            "password-long",
            "too-many-examples",
        ],
    ),
    ("there is nothing to remedy", &["nothing-to-undo", "run-left-out"]),
    (
        "other code refuses it first: the command line, a terminal, the check of the configuration, or what needs \
         as many labels",
        &[
            "calibration-too-few",
            "no-output-file",
            "no-roles",
            "risk-budget",
            "training-parameters",
            "unknown-format",
        ],
    ),
];

/// The codes of mistakes in a configuration for which there is a mended one.
fn mended(folder: &Path) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for entry in folder.join("errors/config").read_dir().unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("mended.yaml").exists() {
            let said = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
            let shown = said.lines().filter_map(|line| line.strip_suffix(']')?.rsplit_once('['));
            codes.extend(shown.map(|(_, code)| code.to_owned()));
        }
    }
    codes
}

#[test]
fn the_help_of_every_code_is_followed() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let read = |file: &str| std::fs::read_to_string(tests.join("it").join(file)).unwrap();
    let mut followed = mended(&tests);
    followed.extend(server::followed().map(str::to_owned));
    let rows = [settings::CHECKED, settings::RUN, settings::STATEMENTS].concat();
    followed.extend(rows.iter().map(|(_, _, code, _)| (*code).to_owned()));
    followed.extend(settings::REJECTED.iter().map(|(_, _, code, _)| (*code).to_owned()));
    // The tables of commands and sources: every code that they name is followed there.
    let tables = read("advice.rs") + read("advice/around.rs").as_str();
    let codes: Vec<Code> = Code::SECTIONS.iter().flat_map(|(_, codes)| codes.to_vec()).collect();
    let named = |code: &&Code| {
        let name = code.name();
        tables.contains(&format!("\"{name}\"")) || tables.contains(&format!("[{name}]"))
    };
    let excepted: BTreeSet<&str> =
        NOT_FOLLOWED.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
    let here = codes.iter().filter(named).map(|code| code.name());
    followed.extend(here.filter(|name| !excepted.contains(name)).map(str::to_owned));
    for (file, test, named) in ELSEWHERE {
        let text = read(file);
        let body = text.split(&format!("fn {test}(")).nth(1);
        let body = body.unwrap_or_else(|| panic!("{file} has no test {test}"));
        let body = body.split("\nfn ").next().unwrap();
        for name in *named {
            let code = codes.iter().find(|code| code.name() == *name).unwrap();
            let says = body.contains(name) || body.contains(&format!("Code::{code:?}"));
            assert!(says, "{file}: {test} says nothing of {name}");
            followed.insert((*name).to_owned());
        }
    }
    for code in codes {
        // Codes whose remedy is only to report them, and codes that are never an answer.
        let needs_none = code.remedy().contains("mistake in recon")
            || code.remedy().starts_with("Report it")
            || code.shows() == [Shows::SecurityLog]
            || code.name() == "unknown-reason";
        let is_excepted = excepted.contains(code.name());
        let is_followed = followed.contains(code.name());
        assert!(is_followed || is_excepted || needs_none, "no test follows the help of {code}");
        assert!(!(is_followed && is_excepted), "{code} is followed and need not be excepted");
    }
}
