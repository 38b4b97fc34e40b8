//! The lock on a job's date, between threads and between processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use recon::database::StoreUrl;
use recon::diagnostic::Code;
use recon::domain::progress::Unit;
use recon::domain::{Date, Progress, Quiet, RunStatus};
use recon::store::{Opening, open};

use super::fixture::{date, new_run};
use super::{Place, on_both_stores};

on_both_stores![
    a_second_command_waits_or_gets_the_owner_of_the_lock,
    a_lock_dies_with_its_process,
    waiting_can_be_interrupted,
];

const NOW: Duration = Duration::ZERO;

fn a_second_command_waits_or_gets_the_owner_of_the_lock(place: &Place) {
    let (first, second) = (place.open(), place.open());
    let lock = first.lock("job", date(), NOW, &Quiet).unwrap();
    let problem = second.lock("job", date(), NOW, &Quiet).err().unwrap();
    assert_eq!(problem.code, Code::Locked);
    let holder = format!("process {} on ", std::process::id());
    assert!(problem.message.contains(&holder), "{problem}");
    assert!(problem.help.is_some());
    drop(second.lock("job", Date::from_days(1), NOW, &Quiet).unwrap());
    drop(second.lock("other", date(), NOW, &Quiet).unwrap());
    // A live process's run is left alone.
    let run = new_run("job", 0, true);
    first.create_run(&run).unwrap();
    assert_eq!(second.repair().unwrap(), []);
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| second.lock("job", date(), Duration::from_secs(60), &Quiet).map(drop));
        drop(lock);
        waiting.join().unwrap().unwrap();
    });
    // The next holder of the lock cleans up after the last one.
    assert_eq!(first.run(run.id).unwrap().unwrap().status, RunStatus::Failed);
}

const HOLDER_URL: &str = "RECON_TEST_LOCK_URL";

/// The other process: takes the lock, reports it, and waits to be killed.
#[test]
#[ignore = "started by other tests as a process of its own"]
fn holder() {
    let url = std::env::var(HOLDER_URL).unwrap();
    let url = StoreUrl::parse(&url, std::path::Path::new("")).unwrap();
    let store = open(&url, Opening::Create).unwrap();
    let _lock = store.lock("job", date(), NOW, &Quiet).unwrap();
    store.create_run(&new_run("job", 0, true)).unwrap();
    println!("\nlocked");
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
}

fn a_lock_dies_with_its_process(place: &Place) {
    let store = place.open();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::lock::holder", "--exact", "--ignored", "--nocapture"])
        .env(HOLDER_URL, place.url.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "locked"));
    let problem = store.lock("job", date(), NOW, &Quiet).err().unwrap();
    assert!(problem.message.contains(&format!("process {}", child.id())), "{problem}");
    assert_eq!(store.repair().unwrap(), []);
    child.kill().unwrap();
    child.wait().unwrap();
    // A server may need a moment to notice that its client is gone.
    let lock = store.lock("job", date(), Duration::from_secs(60), &Quiet).unwrap();
    drop(lock);
    let runs = store.runs(&recon::store::RunFilter::default()).unwrap();
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Failed]);
}

struct Impatient(AtomicBool);

impl Progress for Impatient {
    fn start(&self, _: &'static str, _: u64, _: Unit) {}
    fn advance(&self, _: u64) {}
    fn finish(&self) {}
    fn interrupted(&self) -> bool {
        // The second time it asks, stop.
        self.0.swap(true, Ordering::Relaxed)
    }
}

fn waiting_can_be_interrupted(place: &Place) {
    let store = place.open();
    let _lock = store.lock("job", date(), NOW, &Quiet).unwrap();
    let impatient = Impatient(AtomicBool::new(false));
    let problem = store.lock("job", date(), Duration::from_secs(600), &impatient).err().unwrap();
    assert_eq!(problem.code, Code::Interrupted);
}
