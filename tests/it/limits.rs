//! Threads, memory and the choice of commands change how long a run takes, never its result.

use std::fmt::Write as _;

use proptest::prelude::*;
use recon::config::{self, Surroundings};
use recon::database::StoreUrl;
use recon::domain::{Date, Instant, PerSide, Quiet};
use recon::pipeline::{Depth, Finished, Session, pass};
use recon::source::Limits;
use recon::store::{Opening, open};
use serde_json::{Value as Json, json};

use crate::program::{Project, ended, output, skipped};

const CONFIGURATION: &str = "version: 1
job: limits
sources:
  a:
    system: LEFT
    read: { csv: { path: a.csv } }
    map: &map { id: id, day: day, amount: amount, note: note }
  b:
    system: RIGHT
    read: { csv: { path: b.csv } }
    map: *map
key: [id]
fields:
  id: { type: text, normalize: [trim] }
  day: { type: date }
  amount: { type: decimal, tolerance: { absolute: 0.01 } }
  note: { type: text, normalize: [trim, upper] }
rules: { attribute: [rules.rhai] }
reason_codes:
  SMALL: { functional: true, description: \"Hardly anything\" }
  GONE: { functional: false, description: \"The other side lacks it\" }
options: { keep: \"${KEEP:-all}\", threads: \"${THREADS:-1}\", memory_limit: \"${MEMORY:-4GiB}\", temp_dir: temp }
";

const RULES: &str = "fn attribute(d) {
    if d.field == \"ENTIRE_RECORD\" { return reason(\"GONE\", 1.0); }
    if d.abs_delta != () && d.abs_delta < 1.0 { return reason(\"SMALL\", 0.95); }
}
";

/// Two extracts of this many rows with every difficulty: repeated keys, nulls, quotes and line
/// breaks, unreadable values and rows.
fn project(seed: u64, count: usize) -> Project {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rows: Vec<(String, u8, i32, String)> = (0..count)
        .map(|_| {
            let key = match random.u8(..10) {
                0 => format!("hot {}", random.u8(..3)),
                1..4 => format!("warm {}", random.u16(..600)),
                _ => format!("{:x}", random.u32(..)),
            };
            let filler = "x".repeat(random.usize(..800));
            (key, random.u8(1..29), random.i32(-100_000..100_000), filler)
        })
        .collect();
    let project = Project::new();
    project.write("recon.yaml", CONFIGURATION).write("rules.rhai", RULES);
    for name in ["a.csv", "b.csv"] {
        let mut text = "id,day,amount,note\n".to_owned();
        for (key, day, cents, filler) in &rows {
            if random.u8(..20) == 0 {
                continue;
            }
            let key = if random.u16(..500) == 0 { "" } else { key };
            let cents = cents + i32::from(random.u8(..10) == 0) * random.i32(..300);
            let sign = if cents < 0 { "-" } else { "" };
            let amount = match random.u8(..50) {
                0 => String::new(),
                1 => "n/a".to_owned(),
                _ => format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100),
            };
            let note = match random.u8(..30) {
                0 => String::new(),
                1 => format!("\"a \"\"quoted\"\", broken\nline {filler}\""),
                2 => format!("{filler}y"),
                _ => filler.clone(),
            };
            let surplus = if random.u16(..700) == 0 { ",one more" } else { "" };
            writeln!(text, "{key},2026-01-{day:02},{amount},{note}{surplus}").unwrap();
        }
        project.write(name, text);
        random.shuffle(&mut rows);
    }
    project
}

/// The settings of a pass.
#[derive(Clone, Copy, Debug)]
struct Way {
    threads: usize,
    memory: u64,
    block: usize,
}

const PLAIN: Way = Way { threads: 1, memory: 4 << 30, block: 1 << 20 };

fn way() -> impl Strategy<Value = Way> {
    (1usize..6, 10_000u64..3_000_000, 300usize..300_000).prop_map(|(threads, memory, block)| Way {
        threads,
        memory,
        block,
    })
}

/// The output and stored result of a pass with these settings.
fn pass_result(project: &Project, keep_all: bool, way: Way) -> Json {
    let _ = std::fs::remove_file(project.path("recon.db"));
    let environment = |_: &str| None;
    let batch_date = Date::from_civil(2026, 1, 15).unwrap();
    let surroundings = Surroundings { batch_date, environment: &environment };
    let loaded = config::load(&project.path("recon.yaml"), surroundings).unwrap();
    let mut plan = loaded.plan(&loaded.open_sources().unwrap()).unwrap();
    plan.options.keep_all = keep_all;
    plan.options.threads = way.threads;
    plan.options.memory_limit = way.memory;
    let limits = Limits { block: way.block, ..Limits::default() };
    let opened = PerSide::of(|side| plan.sources[side].open_with(limits, &[]).unwrap());
    let url = StoreUrl::parse("sqlite:recon.db", &project.path("")).unwrap();
    let store = open(&url, Opening::Create).unwrap();
    let now = || Instant::new(1_768_435_200, 0);
    let lock_timeout = std::time::Duration::from_secs(1);
    let session = Session { store: &*store, progress: &Quiet, lock_timeout, now: &now };
    let Finished { outcome, .. } = pass(session, &plan, opened, Depth::Attribute).unwrap();
    let found = format!("{:?} {:?} {:?}", outcome.status, outcome.books, outcome.gate);
    json!([found, stored(project)])
}

/// The stored result without ids and times.
fn stored(project: &Project) -> Json {
    let records = project.sql(
        "SELECT kind, source_a_ref_id, source_b_ref_id, line_a, offset_a, line_b, offset_b, \
         gate_status, partner_rejected, is_break, normalized_data_a ->> '$.amount' AS amount_a, \
         length(normalized_data_b) AS length_b FROM recon.recon_records ORDER BY record_number",
    );
    let differences = project.sql(
        "SELECT field_name, diff_type, value_a, substr(value_b, 1, 50) AS b, a.status, assigned_by \
         FROM recon.data_differences d JOIN recon.attributions a USING (diff_id) ORDER BY diff_id",
    );
    let rejected =
        project.sql("SELECT side, line, code, key FROM recon.rejected_rows ORDER BY 1, 2");
    // No temporary files may be left.
    let left = std::fs::read_dir(project.path("temp")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    json!([records, differences, rejected])
}

/// The output and stored result of these commands.
fn result(project: &Project, settings: &[(&str, &str)], steps: &[&[&str]]) -> Json {
    let _ = std::fs::remove_file(project.path("recon.db"));
    let mut summary = Json::Null;
    for step in steps {
        let mut command = project.command(step);
        let said = output(command.envs(settings.iter().copied()));
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(0), "{settings:?} {step:?}: {error}");
        summary = serde_json::from_slice(&said.stdout).unwrap();
    }
    let parts = ["status", "records", "differences", "attributions", "gate"];
    let summary: Vec<Json> = parts.iter().map(|part| summary[part].clone()).collect();
    json!([summary, stored(project)])
}

const PASS: &[&[&str]] = &[&["run", "--json"]];
const STEPS: &[&[&str]] = &[&["ingest", "--json"], &["diff", "--json"], &["attribute", "--json"]];

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]
    #[test]
    fn threads_memory_and_block_size_do_not_change_the_result(
        seed: u64,
        count in 0usize..1_500,
        keep_all: bool,
        ways in proptest::collection::vec(way(), 3),
    ) {
        let project = project(seed, count);
        let plain = pass_result(&project, keep_all, PLAIN);
        for way in ways {
            prop_assert!(pass_result(&project, keep_all, way) == plain, "{:?}", way);
        }
    }
}

#[test]
fn three_commands_match_one_pass_at_any_memory_limit_and_number_of_threads() {
    // So many that commands on the stored run work on several lots.
    let project = project(3, 12_000);
    for keep in ["all", "breaks"] {
        let in_memory = result(&project, &[("KEEP", keep)], PASS);
        for (steps, threads) in [(PASS, "2"), (STEPS, "1"), (STEPS, "3")] {
            let settings = [("KEEP", keep), ("THREADS", threads), ("MEMORY", "1MiB")];
            assert!(result(&project, &settings, steps) == in_memory, "{keep} {threads} {steps:?}");
        }
    }
}

/// The output and remains of a run without space for temporary files.
#[cfg(unix)]
fn assert_no_room(project: &Project, said: &std::process::Output) {
    let error = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(4), "{error}");
    assert!(error.contains("temp-disk-full") && error.contains("temp_dir"), "{error}");
    assert!(said.stdout.is_empty());
    let runs = project.json(&["runs", "list", "--json"]);
    assert_eq!(runs["runs"][0]["status"], "FAILED");
    assert_eq!(std::fs::read_dir(project.path("temp")).map_or(0, Iterator::count), 0);
}

/// The program started by a shell that sets limits.
#[cfg(unix)]
fn surrounded(project: &Project, shell: &[&str], script: &str) -> Option<std::process::Output> {
    let (program, arguments) = shell.split_first()?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .args(["-c", script])
        .current_dir(project.path(""))
        .env("MEMORY", "1MiB")
        .env_remove("RECON_STORE")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command.spawn().ok().map(ended)
}

#[cfg(unix)]
#[test]
fn a_file_size_limit_fails_the_run_with_a_reason() {
    let project = project(7, 5_000);
    // A file size limit of 1 MiB fails like a full disk.
    let recon = env!("CARGO_BIN_EXE_recon");
    let script = format!("ulimit -f 2048; exec {recon} run --json");
    // Other shells count in other units.
    let Some(said) = surrounded(&project, &["/bin/dash"], &script) else {
        return skipped("no /bin/dash");
    };
    assert_no_room(&project, &said);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_temporary_disk_fails_the_run_with_a_reason() {
    let project = project(7, 5_000);
    std::fs::create_dir(project.path("temp")).unwrap();
    // A private disk of 1 MiB; exit code 77 if the machine can't mount it.
    let recon = env!("CARGO_BIN_EXE_recon");
    let script = format!("mount -t tmpfs -o size=1m none temp || exit 77; exec {recon} run --json");
    let shell = ["unshare", "--map-root-user", "--mount", "sh"];
    let said = surrounded(&project, &shell, &script);
    let mounted = said.filter(|said| {
        let not_permitted = String::from_utf8_lossy(&said.stderr).contains("unshare:");
        said.status.code() != Some(77) && !not_permitted
    });
    match mounted {
        Some(said) => assert_no_room(&project, &said),
        None => skipped("this machine mounts no temporary disk for a test"),
    }
}

/// A script for a shell that may mount private disks; `None` if this machine mounts none for a test.
#[cfg(target_os = "linux")]
fn on_small_disks(project: &Project, script: &str) -> Option<String> {
    let probe = "mount -t tmpfs -o size=1m none temp && umount temp || exit 77";
    let shell = ["unshare", "--map-root-user", "--mount", "sh"];
    std::fs::create_dir_all(project.path("temp")).unwrap();
    let said = surrounded(project, &shell, &format!("{probe}\n{script}"))?;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.status.code() == Some(77) || error.contains("unshare:") {
        skipped("this machine mounts no disk for a test");
        return None;
    }
    assert_eq!(said.status.code(), Some(0), "{error}");
    Some(String::from_utf8(said.stdout).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_on_a_full_disk_is_either_published_or_failed() {
    let project = project(7, 1_500);
    project.json(&["run", "--json", "--batch-date", "2026-01-15"]);
    rusqlite::Connection::open(project.path("recon.db"))
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let kib = std::fs::metadata(project.path("recon.db")).unwrap().len() / 1024;
    let recon = env!("CARGO_BIN_EXE_recon");
    // From too small for the log to enough for both the log and the file.
    let sizes: String = (0..=16).map(|part| format!(" {}", kib * (56 + part) / 16)).collect();
    // Exit code, current runs, and the bytes of the log that is left.
    let script = format!(
        "for size in{sizes}; do
            mount -t tmpfs -o size=${{size}}k none temp && cp recon.db temp/ || exit 1
            {recon} run -q --batch-date 2026-01-16 --store sqlite:temp/recon.db >/dev/null 2>&1
            code=$?
            log=$(cat temp/recon.db-wal 2>/dev/null | wc -c)
            current=$({recon} runs list --json --store sqlite:temp/recon.db |
                grep -o '\"stage\":\"ATTRIBUTED\",\"superseded_by\":null' | wc -l)
            echo $size $code $current $log
            umount temp
        done"
    );
    let Some(said) = on_small_disks(&project, &script) else { return };
    let ends: Vec<Vec<u64>> = said
        .lines()
        .map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect())
        .collect();
    for end in &ends {
        let published = end[2] == 2;
        assert_eq!(end[1] == 0, published, "{ends:?}");
    }
    let is_published_in_log = |end: &Vec<u64>| end[1] == 0 && end[3] > 0;
    assert!(ends.iter().any(|end| end[1] == 4) && ends.iter().any(is_published_in_log), "{ends:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_a_file_of_checkpoints_whole() {
    let project = project(7, 50);
    project.json(&["run", "--json"]);
    let recon = env!("CARGO_BIN_EXE_recon");
    let script = format!(
        "mount -t tmpfs -o size=4k none temp || exit 1
        for number in $(seq 100); do
            {recon} audit checkpoint -q --out temp/kept >/dev/null 2>&1 || break
        done
        echo $number
        {recon} audit verify --checkpoint temp/kept"
    );
    let Some(said) = on_small_disks(&project, &script) else { return };
    let (number, verdict) = said.split_once('\n').unwrap();
    let number: usize = number.parse().unwrap();
    assert!((2..100).contains(&number), "{said}");
    assert!(verdict.contains(&format!("matches {} checkpoint", number - 1)), "{said}");
}

#[cfg(unix)]
#[test]
fn the_next_run_removes_temporary_files_of_a_killed_run() {
    let project = project(11, 5_000);
    let spilled = || std::fs::read_dir(project.path("temp")).map_or(0, Iterator::count);
    // If the run ended before its files were seen, try again.
    let crashed = (0..20).any(|_| {
        let mut child = project
            .command(&["run", "--json"])
            .env("MEMORY", "1MiB")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while spilled() == 0 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap().code().is_none() && spilled() > 0
    });
    assert!(crashed, "no run could be killed while it had temporary files");
    let said = output(project.command(&["run", "--json"]).env("MEMORY", "1MiB"));
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(spilled(), 0);
    let runs = project.json(&["runs", "list", "--json"]);
    assert_eq!(runs["runs"][0]["status"], "COMPLETED_WITH_ERRORS");
    assert_eq!(runs["runs"][1]["status"], "FAILED");
}

/// An unlocked folder of a killed process is removed too, by any run.
#[cfg(unix)]
#[test]
fn a_run_without_spilling_removes_an_empty_folder_of_a_killed_run() {
    let project = project(7, 50);
    std::fs::create_dir_all(project.path("temp/recon-spill-1-0000")).unwrap();
    let said = project.recon(&["run", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(std::fs::read_dir(project.path("temp")).unwrap().count(), 0);
}

#[test]
fn too_many_threads_are_refused() {
    let project = project(7, 50);
    let said = output(project.command(&["check"]).env("THREADS", "1000000"));
    let error = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(2), "{error}");
    assert!(error.contains("1000000 threads") && error.contains("512"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_cannot_start_are_an_error_not_a_panic() {
    let project = project(7, 50);
    let recon = env!("CARGO_BIN_EXE_recon");
    let script = format!("ulimit -v 400000; THREADS=512 exec {recon} run --json");
    let said = surrounded(&project, &["/bin/sh"], &script).expect("every machine has /bin/sh");
    let error = String::from_utf8_lossy(&said.stderr);
    // Some machines start them all even so; on others the memory ends before the threads do.
    let code = said.status.code();
    let refused = error.contains("no-thread") || error.contains("no-memory");
    assert!(code == Some(0) || (code == Some(4) && refused), "{code:?} {error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_help_is_an_error() {
    let project = Project::new();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let said = project.command(arguments).stdout(full).output().unwrap();
        assert_eq!(said.status.code(), Some(2), "{arguments:?}");
    }
}

/// File names may not be pipes, devices or folders; the error is immediate.
#[cfg(unix)]
#[test]
fn files_named_in_settings_and_options_must_be_regular() {
    let project = project(7, 50);
    assert_eq!(project.recon(&["run"]).code, 0);
    let made = std::process::Command::new("mkfifo").arg(project.path("pipe")).status().unwrap();
    assert!(made.success());
    let cases: &[(&str, &str, &[&str])] = &[
        ("attribute: [rules.rhai]", "attribute: [FILE]", &["check"]),
        (
            "id: { type: text, normalize: [trim] }",
            "id: { type: text, normalize: [{lookup: {file: FILE}}] }",
            &["check"],
        ),
        (
            "day: { type: date }",
            "day: { type: date, tolerance: {business_days: 1, calendar: {file: FILE}} }",
            &["check"],
        ),
        ("", "", &["check", "-c", "FILE"]),
        ("", "", &["evaluate", "--labels", "FILE"]),
        ("", "", &["audit", "verify", "--checkpoint", "FILE"]),
        ("", "", &["audit", "verify", "--export", "FILE"]),
        ("", "", &["audit", "verify", "--checkpoint", "rules.rhai", "--signed-by", "FILE"]),
        ("", "", &["user", "add", "ann", "--password-file", "FILE"]),
    ];
    for file in ["pipe", "/dev/zero"] {
        for (from, to, arguments) in cases {
            let place = |text: &str| text.replace("FILE", file);
            project.write("recon.yaml", CONFIGURATION.replace(from, &place(to)));
            let arguments: Vec<String> = arguments.iter().map(|text| place(text)).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let said = project.recon(&arguments);
            assert_eq!(said.code, 2, "{arguments:?} {to}: {}", said.err);
            assert!(said.err.contains("a pipe or a device"), "{arguments:?} {to}: {}", said.err);
            if from.is_empty() {
                project.write("recon.yaml", CONFIGURATION);
            }
        }
        let store =
            format!("postgres://nobody@127.0.0.1:1/none?sslmode=verify-full&sslrootcert={file}");
        let said = project.recon(&["runs", "list", "--store", &store]);
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains("a pipe or a device"), "{}", said.err);
    }
    // `init` does not write to a pipe either.
    let _ = std::fs::remove_file(project.path("recon.yaml"));
    std::fs::rename(project.path("pipe"), project.path("recon.yaml")).unwrap();
    let said = project.recon(&["init"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("recon.yaml exists"), "{}", said.err);
}

/// Runs the program within 300 MB of memory and 5 seconds. An allocation beyond that aborts it, which is
/// no exit code. The time is that of the processor, so that a busy machine does not count, and a program that
/// was not optimized has more of it.
#[cfg(target_os = "linux")]
fn bounded(project: &Project, arguments: &[&str]) -> crate::program::Said {
    let seconds = if cfg!(debug_assertions) { 60 } else { 5 };
    let script = format!("ulimit -d 307200; ulimit -t {seconds}; exec \"$0\" \"$@\"");
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_recon")])
        .args(arguments)
        .current_dir(project.path(""))
        .env_remove("RECON_STORE")
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null());
    crate::program::Said::from(output(&mut shell))
}

/// Each of these took seconds or gigabytes.
#[cfg(target_os = "linux")]
#[test]
fn the_size_of_a_configuration_is_limited() {
    let project = project(7, 5);
    let unknown: String = (0..40_000).map(|at| format!("key{at}: 1\n")).collect();
    let flow: String = (0..40_000).map(|at| format!("k{at}: 1, ")).collect();
    let aliases =
        format!("version: 1\njob: &x \"{}\"\nz: [{}]\n", "x".repeat(1 << 20), "*x, ".repeat(5_000));
    let bombs: String = (1..40)
        .map(|at| format!("a{at}: &a{at} [{}]\n", format!("*a{}, ", at - 1).repeat(10)))
        .collect();
    for text in [
        format!("version: 1\n{unknown}"),
        format!("{{version: 1, {flow}}}"),
        aliases,
        format!("version: 1\na0: &a0 [x]\n{bombs}"),
        format!("version: 1\njob: {}\n", "x".repeat(5 << 20)),
        format!("version: 1\njob: {}\n", "x".repeat(4_000_000)),
        format!("{{version: 1, é: [{}]}}", "{a: 1}, ".repeat(60_000)),
        format!("version: 1\nz: {}{}\n", "[".repeat(1_000_000), "]".repeat(1_000_000)),
        format!("version: 1\nz: {}\n", "{a: ".repeat(900_000)),
        format!("version: 1\njob: ${{{}}}\n", "A:-${".repeat(500_000)),
    ] {
        project.write("recon.yaml", &text);
        let said = bounded(&project, &["check"]);
        let start: String = text.chars().take(60).collect();
        let err: String = said.err.chars().take(500).collect();
        assert_eq!(said.code, 2, "{start}: {err}");
        // Messages are as bounded as input.
        assert!(said.err.len() < 200_000, "{start}: {} bytes of errors", said.err.len());
    }
}

/// Files that settings and options name: as large as they may be, one byte more, and of the worst content.
#[cfg(target_os = "linux")]
#[test]
fn files_have_a_budget() {
    let project = project(7, 50);
    assert_eq!(project.recon(&["run"]).code, 0);
    let mega = 1_000_000;
    let lines = |line: &str, size: usize| line.repeat(size / line.len());
    let settings: &[(&str, &str, &[&str])] = &[
        ("attribute: [rules.rhai]", "attribute: [FILE]", &["check"]),
        (
            "id: { type: text, normalize: [trim] }",
            "id: { type: text, normalize: [{lookup: {file: FILE}}] }",
            &["check"],
        ),
        (
            "day: { type: date }",
            "day: { type: date, tolerance: {business_days: 1, calendar: {file: FILE}} }",
            &["check"],
        ),
        ("", "", &["check", "-c", "FILE"]),
        ("", "", &["evaluate", "--labels", "FILE"]),
        ("", "", &["audit", "verify", "--checkpoint", "FILE"]),
        ("", "", &["audit", "verify", "--export", "FILE"]),
        ("", "", &["audit", "verify", "--checkpoint", "rules.rhai", "--signed-by", "FILE"]),
        ("", "", &["user", "add", "ann", "--password-file", "FILE"]),
    ];
    let contents = [
        ("one long line", "x".repeat(3 * mega)),
        ("too large for everything", "x,y\n".repeat(20 * mega)),
        ("brackets", "(".repeat(3 * mega)),
        ("braces", format!("fn a(d) {{ {}", "{ ".repeat(mega))),
        ("operators", format!("fn a(d) {{ 1{} }}", "+1".repeat(mega))),
        ("functions", (0..60_000).map(|at| format!("fn f{at}(d) {{ }}\n")).collect()),
        ("quotes", "\"".repeat(3 * mega)),
        ("cells", "a,".repeat(mega)),
        ("lines", lines("2026-01-15\n", 3 * mega)),
        ("objects", lines("{\"n\":1}\n", 3 * mega)),
        ("arrays", "[".repeat(3 * mega)),
    ];
    for (what, content) in &contents {
        project.write("file", content);
        for (from, to, arguments) in settings {
            let place = |text: &str| text.replace("FILE", "file");
            project.write("recon.yaml", CONFIGURATION.replace(from, &place(to)));
            let arguments: Vec<String> = arguments.iter().map(|text| place(text)).collect();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let said = bounded(&project, &arguments);
            let err: String = said.err.chars().take(300).collect();
            // Some of it is a good lookup or password.
            assert!(
                matches!(said.code, 0 | 1 | 2 | 10..=12),
                "{what} {arguments:?} {to}: {} {err}",
                said.code
            );
            assert!(said.err.len() < 200_000, "{what} {arguments:?} {to}");
            if from.is_empty() {
                project.write("recon.yaml", CONFIGURATION);
            }
            let _ = std::fs::remove_file(project.path("file.db"));
        }
        let _ = project.recon(&["user", "disable", "ann"]);
    }
}

/// Values that steps and rules make longer and longer.
#[cfg(target_os = "linux")]
#[test]
fn values_have_a_budget() {
    let project = project(7, 50);
    let doubling = "{replace: {from: x, to: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}}, ".repeat(20);
    let steps = format!("note: {{ type: text, normalize: [{doubling}trim] }}");
    let growing = CONFIGURATION.replace("note: { type: text, normalize: [trim, upper] }", &steps);
    project.write("recon.yaml", growing);
    let said = bounded(&project, &["run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    project.write("recon.yaml", CONFIGURATION);
    for body in [
        "let s = \"x\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "let m = #{}; let i = 0; loop { i += 1; m[\"k\" + i] = d.value_a + i; }",
        "let a = []; loop { a = [a]; }",
        "let s = \"x\"; let a = []; loop { a.push(s + a.len); }",
    ] {
        project.write("rules.rhai", format!("fn attribute(d) {{ {body} }}"));
        let said = bounded(&project, &["run"]);
        // A value that grows too large fails its rule for that difference; too much work ends the run. Both give a
        // message.
        assert!(matches!(said.code, 0 | 2), "{body}: {}", said.err);
        assert!(said.err.contains("[script-"), "{body}: {}", said.err);
    }
}

#[cfg(unix)]
#[test]
fn the_store_is_private_and_wider_permissions_are_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = project(7, 50);
    let said = project.recon(&["run"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(!said.err.contains("store-exposed"), "{}", said.err);
    let mode =
        |name: &str| std::fs::metadata(project.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("recon.db"), mode("recon.db-locks")), (0o600, 0o700));
    let locks = std::fs::read_dir(project.path("recon.db-locks")).unwrap();
    assert!(locks.flatten().all(|lock| lock.metadata().unwrap().permissions().mode() & 0o77 == 0));
    // Beside a store in use.
    let connection = rusqlite::Connection::open(project.path("recon.db")).unwrap();
    connection.execute_batch("UPDATE recon_runs SET status = status").unwrap();
    for name in ["recon.db-wal", "recon.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(connection);
    let wide = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(project.path("recon.db"), wide).unwrap();
    let said = project.recon(&["runs", "list"]);
    assert_eq!(said.code, 0);
    assert!(said.err.contains("store-exposed") && said.err.contains("chmod go= "), "{}", said.err);
}

/// Users may have older versions of SQLite than the bundled one.
#[test]
fn the_installed_sqlite3_finds_the_store_intact() {
    let project = project(7, 50);
    assert_eq!(project.recon(&["run"]).code, 0);
    let store = project.path("recon.db");
    let said =
        std::process::Command::new("sqlite3").arg(&store).arg("PRAGMA integrity_check").output();
    // Not every machine has one.
    if let Ok(said) = said {
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "ok");
    }
}

/// A NUL can't stand in a text of PostgreSQL, and can in one of SQLite. Wherever settings and scripts
/// bring one, both stores give the same answer.
#[test]
fn nul_gives_the_same_on_both_stores() {
    let answer = |store: &str, from: &str, to: &str, rules: &str| {
        let project = project(7, 40);
        assert!(CONFIGURATION.contains(from), "{from}");
        project.write("recon.yaml", CONFIGURATION.replace(from, to));
        project.write("rules.rhai", rules);
        let said = project.recon(&["run", "--store", store]);
        let first = said.err.lines().next().unwrap_or_default().to_owned();
        if said.code != 0 {
            return json!([said.code, first]);
        }
        let ask = |statement: &str| {
            project.json(&["sql", statement, "--format", "json", "--store", store])
        };
        let records =
            ask("SELECT source_a_ref_id, source_b_ref_id, normalized_data_a, normalized_data_b \
             FROM recon.recon_records ORDER BY record_number");
        let differences = ask(
            "SELECT field_name, diff_type, value_a, value_b, a.status, assigned_by, a.explanation \
             FROM recon.data_differences d JOIN recon.attributions a USING (diff_id) \
             ORDER BY diff_id",
        );
        let rejected = ask("SELECT side, line, code, text FROM recon.rejected_rows ORDER BY 1, 2");
        // SQLite gives documents as texts, PostgreSQL sorts their members.
        let mut shown = json!([records, differences, rejected]);
        for record in shown[0].as_array_mut().unwrap() {
            for side in ["normalized_data_a", "normalized_data_b"] {
                if let Some(text) = record[side].as_str() {
                    record[side] = serde_json::from_str(text).unwrap();
                }
                let members = record[side].as_object().cloned().unwrap_or_default();
                record[side] =
                    json!(members.into_iter().collect::<std::collections::BTreeMap<_, _>>());
            }
        }
        for difference in shown[1].as_array_mut().unwrap() {
            if let Some(text) = difference["explanation"].as_str() {
                difference["explanation"] = serde_json::from_str(text).unwrap();
            }
        }
        json!([0, shown.to_string()])
    };
    let note = "note: { type: text, normalize: [trim, upper] }";
    let with_note = |steps: &str| note.replace("[trim, upper]", steps);
    let cases: Vec<(String, String, &str)> = vec![
        (note.into(), with_note("[{replace: {from: x, to: \"\\0\"}}]"), RULES),
        (note.into(), with_note("[{default: \"a\\0b\"}]"), RULES),
        (note.into(), with_note("[{null_if: [\"\\0\"]}]"), RULES),
        ("job: limits".into(), "job: \"li\\0mits\"".into(), RULES),
        ("system: LEFT".into(), "system: \"LE\\0FT\"".into(), RULES),
        ("Hardly anything".into(), "Hardly \\0 anything".into(), RULES),
        ("SMALL: {".into(), "\"SM\\0LL\": {".into(), RULES),
        (
            "job: limits".into(),
            "job: limits".into(),
            "fn attribute(d) { reason(\"SMALL\", 0.95, \"a\\x00b\") }",
        ),
        (
            "job: limits".into(),
            "job: limits".into(),
            "fn attribute(d) { reason(\"SM\\x00LL\", 0.95) }",
        ),
        (
            "rules: { attribute: [rules.rhai] }".into(),
            "rules: { normalize: rules.rhai }".into(),
            "fn row(raw, r) { r.note = \"a\\x00b\"; r }",
        ),
        (
            "rules: { attribute: [rules.rhai] }".into(),
            "rules: { normalize: rules.rhai }".into(),
            "fn row(raw, r) { r.id = r.id + \"\\x00\"; r }",
        ),
        (
            "rules: { attribute: [rules.rhai] }".into(),
            "rules: { normalize: rules.rhai }".into(),
            "fn row(raw, r) { throw \"a\\x00b\" }",
        ),
    ];
    for (from, to, rules) in cases {
        let sqlite = answer("sqlite:recon.db", &from, &to, rules);
        let postgres = answer(&crate::postgres::new_database(), &from, &to, rules);
        assert_eq!(sqlite, postgres, "{to} {rules}");
    }
}
