//! A process killed during a decision leaves the state before or after it.
//!
//! `RECON_CRASH_ROUNDS=200 cargo test --test it audit::crash` kills that many times.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use recon::database::StoreUrl;
use recon::domain::review::Action;
use recon::review::{Actor, BulkCommit, BulkPreviewAsk, Idempotency, PageAsk, QueueFilter};
use recon::store::{Opening, Store, open};

use super::{assert_sound, checkpoint, examined};
use crate::review::fixture::{GUESS, ReviewStage, agree, approve, back, stock, team};
use crate::store::Place;
use crate::store::fixture::column;

const CHILD: &str = "RECON_TEST_CHILD_STORE";
const ROUND: &str = "RECON_TEST_CHILD_ROUND";

fn keyed(actor: &Actor, key: &str) -> Actor {
    let asked = Idempotency {
        key: key.to_owned(),
        route: "POST /workflow/resolve".to_owned(),
        body_hash: "00".to_owned(),
    };
    Actor { idempotency: Some(asked), ..actor.clone() }
}

/// The undecided items of a round.
fn undecided(round: &str) -> QueueFilter {
    QueueFilter { job: Some(format!("job {round}")), ..QueueFilter::default() }
}

fn next_item(store: &dyn Store, stage: &ReviewStage, round: &str) -> Option<String> {
    let ask = PageAsk { limit: Some(1), ..PageAsk::default() };
    let page = stage.review(store).queue(&stage.actor("ann"), &undecided(round), &ask);
    page.unwrap().items.pop().map(|item| item.attribution_id)
}

/// The child announces each request before sending it, until it is killed.
fn decide_for_ever(store: &dyn Store, round: &str) {
    let stage = team(false);
    // Later rounds start later.
    let minutes: i64 = round.parse().unwrap();
    stage.clock.fetch_add(minutes * 60_000_000, std::sync::atomic::Ordering::Relaxed);
    let review = stage.review(store);
    let [ann, sue] = ["ann", "sue"].map(|name| stage.actor(name));
    let mut out = std::io::stdout();
    for at in 0.. {
        let Some(id) = next_item(store, &stage, round) else { return };
        let key = format!("{round}-{at}");
        writeln!(out, "ask {key} {id}").unwrap();
        out.flush().unwrap();
        let resolved = review.resolve(&keyed(&ann, &key), &approve(&id)).unwrap().value;
        match at % 4 {
            0 => drop(review.approve(&sue, &agree(&resolved, review, &sue)).unwrap()),
            1 => drop(review.send_back(&sue, &back(&resolved, "look again")).unwrap()),
            2 => {
                let ask = BulkPreviewAsk {
                    filter: Some(undecided(round)),
                    action: Some(Action::Override),
                    new_reason_code: Some("TIMING".to_owned()),
                    ..BulkPreviewAsk::default()
                };
                let preview = review.bulk_preview(&ann, &ask).unwrap();
                let commit = BulkCommit {
                    token: preview.token,
                    comments: Some("all late".to_owned()),
                    ..BulkCommit::default()
                };
                let done = review.bulk_commit(&ann, &commit).unwrap().value.proposal;
                let close = recon::review::Close {
                    proposal_id: done.proposal_id,
                    if_match: done.tag.parse().ok(),
                    comments: None,
                };
                review.withdraw(&ann, &close).unwrap();
            }
            _ => drop(review.comment(&ann, &id, "still looking").unwrap()),
        }
    }
}

/// Not a test by itself: the process that the other test kills.
#[test]
fn child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let round = std::env::var(ROUND).unwrap();
    let url = StoreUrl::parse(&url, Path::new("/")).unwrap();
    let store = open(&url, Opening::Existing).unwrap_or_else(|problem| panic!("{problem}"));
    decide_for_ever(&*store, &round);
}

fn killed_again_and_again(place: &Place, url: &str, rounds: u32) {
    let mut seed = u64::from(std::process::id()) | 1;
    let (mut decided, mut least) = (0, 0);
    for round in 1..=rounds {
        let last = {
            let store = place.open();
            stock(&*store, &format!("job {round}"), &[GUESS; 40]);
            checkpoint(&*store)
        };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "audit::crash::child", "--nocapture", "--test-threads=1"])
            .env(CHILD, url)
            .env(ROUND, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut asked = said.filter(|line| line.contains("ask "));
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // A few requests, however slow the machine, and then a random moment.
        let requests = 1 + seed % 5;
        let seen = asked.by_ref().take(usize::try_from(requests).unwrap()).last();
        std::thread::sleep(Duration::from_micros((seed >> 32) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let last_said = asked.last().or(seen).expect("the child asked nothing");
        // All but the last were answered.
        least += requests.cast_signed() - 1;
        let words: Vec<&str> = last_said.split("ask ").nth(1).unwrap().split_whitespace().collect();
        let [key, id] = words[..] else { panic!("{last_said}") };

        let store = place.open();
        if !place.is_sqlite() {
            // The server still executes requests sent before the kill.
            let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND pid <> pg_backend_pid() AND state <> 'idle'";
            let began = std::time::Instant::now();
            while column(&*store, busy) != ["0"] {
                assert!(began.elapsed().as_secs() < 60, "requests of a killed process still run");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let verdict = assert_sound(&*store);
        let since = examined(&*store, std::slice::from_ref(&last), false);
        assert!(since.ok, "a row of before is gone: {since:?}");
        decided += verdict.checked - last.n;
        // Repeating an unanswered request has one effect.
        let stage = team(false);
        let minutes = i64::from(round) * 60_000_000 + 30_000_000;
        stage.clock.fetch_add(minutes, std::sync::atomic::Ordering::Relaxed);
        let ann = keyed(&stage.actor("ann"), key);
        let resolved = stage.review(&*store).resolve(&ann, &approve(id)).unwrap().value;
        let again = stage.review(&*store).resolve(&ann, &approve(id)).unwrap();
        assert!(again.replayed && again.value == resolved);
        let count = |sql: &str| column(&*store, sql);
        let proposal = resolved.proposal_id.unwrap();
        let made = count(&format!(
            "SELECT count(*) FROM recon.audit_trail WHERE proposal_id = '{proposal}' \
             AND stage = 'MAKER' AND action_type = 'APPROVE'"
        ));
        assert_eq!(made, ["1"], "round {round}");
        let kept = count(&format!("SELECT count(*) FROM recon.idempotency WHERE key = '{key}'"));
        assert_eq!(kept, ["1"]);
        let verdict = assert_sound(&*store);
        assert_eq!(checkpoint(&*store).n, verdict.checked);
        // No locks are left behind.
        let review = stage.review(&*store);
        while review.undo(&stage.actor("ann")).is_ok() {}
    }
    println!("{rounds} kills, {decided} rows written meanwhile");
    assert!(decided >= least, "what was answered was not written");
}

fn rounds(usual: u32) -> u32 {
    let asked = std::env::var("RECON_CRASH_ROUNDS").ok();
    asked.map_or(usual, |rounds| rounds.parse().unwrap())
}

#[test]
fn a_killed_process_leaves_the_old_or_the_new_state_on_sqlite() {
    let place = Place::sqlite();
    let StoreUrl::Sqlite(path) = &place.url else { panic!() };
    let url = format!("sqlite:{}", path.display());
    killed_again_and_again(&place, &url, rounds(30));
}

#[test]
fn a_killed_process_leaves_the_old_or_the_new_state_on_postgres() {
    let url = crate::postgres::new_database();
    let place = Place::at(&url);
    killed_again_and_again(&place, &url, rounds(6));
}
