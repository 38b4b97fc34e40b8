//! Webhooks: tells a URL when a run has finished, an item is overdue or a proposal waits. Nothing is sent unless
//! `server.notify` names a URL.
//!
//! One thread looks for events, another delivers them: a slow or broken receiver never delays a request, a run or
//! a decision. Messages name ids and counts, never values of records.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::coding::hex;
use crate::database::patience;
use crate::diagnostic::Problem;
use crate::domain::review::server::{Event, Notify};
use crate::domain::{RunStatus, Stage};
use crate::review::{PageAsk, QueueFilter, QueueSort, Refusal, Sla};
use crate::store::RunFilter;
use crate::threads;

use super::App;
use super::authenticate::system_actor;

/// Interval of looking for events.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Interval of looking for overdue items.
const LOOK_FOR_OVERDUE_EVERY: Duration = Duration::from_secs(30);
/// Timeout of one look at the store.
const PATIENCE: Duration = Duration::from_secs(5);
/// Timeout of one delivery.
const DELIVERY: Duration = Duration::from_secs(10);
/// Attempts for a message, with pauses of 1, 2, 4 … seconds up to this.
const TRIES: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Messages that wait for delivery; more are dropped, and the log says so.
const WAITING: usize = 1_000;
/// Newest runs that are looked at.
const RUNS: usize = 50;
/// Pages of overdue items that are read at a time, and items that a message names.
const PAGES: usize = 25;
const NAMED: usize = 100;

/// A message: its event and body.
struct Message {
    event: Event,
    id: String,
    body: String,
}

/// Sends events until one of `ends` is set.
pub fn run(app: &App, notify: &Notify, ends: &[&AtomicBool]) -> Result<(), Problem> {
    let (queue, messages) = sync_channel(WAITING);
    std::thread::scope(|scope| {
        let delivery = threads::start(scope, move || deliver(app, notify, &messages, ends))?;
        watch(app, notify, &queue, ends);
        drop(queue);
        // A panic of the delivery ends with the server's other threads.
        let _ = delivery.join();
        Ok(())
    })
}

fn ended(ends: &[&AtomicBool]) -> bool {
    ends.iter().any(|end| end.load(Ordering::SeqCst))
}

/// Events already sent.
#[derive(Default)]
struct SentEvents {
    runs: Option<HashSet<String>>,
    /// Proposals by id, version and state.
    proposals: HashSet<(String, i64, String)>,
    overdue: HashSet<String>,
}

fn watch(app: &App, notify: &Notify, queue: &SyncSender<Message>, ends: &[&AtomicBool]) {
    let mut told = SentEvents::default();
    let mut looked_for_overdue: Option<Instant> = None;
    while !ended(ends) {
        let mut found = Vec::new();
        // Failures are retried at the next look.
        let _ = patience::within(PATIENCE, || -> Result<(), Refusal> {
            if notify.wants(Event::RunFinished) {
                runs(app, &mut told, &mut found)?;
            }
            if notify.wants(Event::ProposalWaiting) {
                proposals(app, &mut told, &mut found)?;
            }
            let is_due = looked_for_overdue.is_none_or(|at| at.elapsed() >= LOOK_FOR_OVERDUE_EVERY);
            if notify.wants(Event::ItemOverdue) && is_due {
                looked_for_overdue = Some(Instant::now());
                overdue(app, &mut told, &mut found)?;
            }
            Ok(())
        });
        for (event, subject, data) in found {
            let message = message(app, event, &subject, data);
            if queue.try_send(message).is_err() {
                log(app, event, "dropped: too many messages wait for delivery");
            }
        }
        let began = Instant::now();
        while began.elapsed() < LOOK_EVERY && !ended(ends) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An event, its identity, and its contents.
type NewEvent = (Event, String, Json);

/// Runs that have finished since the server started.
fn runs(app: &App, told: &mut SentEvents, found: &mut Vec<NewEvent>) -> Result<(), Refusal> {
    let newest = app.store.runs(&RunFilter { limit: Some(RUNS), ..RunFilter::default() })?;
    let finished = newest.into_iter().filter(|run| {
        run.status == RunStatus::Failed
            || (run.status != RunStatus::Running && run.stage == Some(Stage::Attributed))
    });
    let first_look = told.runs.is_none();
    let known = told.runs.get_or_insert_default();
    for run in finished {
        let ended = run.ended.map(|at| at.to_string());
        let subject = format!("{} {}", run.id, ended.as_deref().unwrap_or_default());
        if !known.insert(subject.clone()) || first_look {
            continue;
        }
        found.push((
            Event::RunFinished,
            subject,
            json!({
                "run_id": run.id.to_string(),
                "job": run.job,
                "batch_date": run.batch_date.to_string(),
                "status": run.status.name(),
                "ended_at": ended,
                "total_records": run.total_records,
                "total_differences": run.total_differences,
            }),
        ));
    }
    Ok(())
}

/// Open proposals, each once for each version and stage.
fn proposals(app: &App, told: &mut SentEvents, found: &mut Vec<NewEvent>) -> Result<(), Refusal> {
    let waiting = app.review().waiting()?;
    let mut open = HashSet::with_capacity(waiting.len());
    for one in waiting {
        let key = (one.proposal_id.clone(), one.version, one.state.name().to_owned());
        open.insert(key.clone());
        if told.proposals.contains(&key) {
            continue;
        }
        found.push((
            Event::ProposalWaiting,
            format!("{} {} {}", key.0, key.1, key.2),
            json!({
                "proposal_id": one.proposal_id,
                "version": one.version,
                "kind": one.kind.name(),
                "waits_for": one.state.asks().map(|stage| stage.name()),
                "eyes_required": one.eyes.code(),
                "items": one.item_count,
                "made_by": one.maker_id,
                "created_at": one.created_at,
            }),
        ));
    }
    told.proposals = open;
    Ok(())
}

/// Overdue undecided items: those since the last look, in one message.
fn overdue(app: &App, told: &mut SentEvents, found: &mut Vec<NewEvent>) -> Result<(), Refusal> {
    let filter = QueueFilter { sla: Some(Sla::Overdue), ..QueueFilter::default() };
    let mut ask = PageAsk { limit: Some(200), sort: QueueSort::Age, ..PageAsk::default() };
    let actor = system_actor();
    let (mut all, mut new) = (HashSet::new(), Vec::new());
    for _ in 0..PAGES {
        let page = app.review().queue(&actor, &filter, &ask)?;
        for item in page.items {
            if !told.overdue.contains(&item.attribution_id) {
                new.push(json!({
                    "attribution_id": item.attribution_id,
                    "job": item.job,
                    "batch_date": item.batch_date,
                    "severity": item.severity,
                    "due_at": item.due_at,
                }));
            }
            all.insert(item.attribution_id);
        }
        match page.next {
            Some(next) => ask.cursor = Some(next),
            None => break,
        }
    }
    told.overdue = all;
    if new.is_empty() {
        return Ok(());
    }
    let count = new.len();
    new.truncate(NAMED);
    let subject: Vec<&str> = new.iter().filter_map(|one| one["attribution_id"].as_str()).collect();
    let subject = subject.join(" ");
    found.push((Event::ItemOverdue, subject, json!({ "count": count, "items": new })));
    Ok(())
}

/// The message of an event. After a restart it is sent again with the same id.
fn message(app: &App, event: Event, subject: &str, data: Json) -> Message {
    let mut id = hex(Sha256::digest(format!("{} {subject}", event.name())));
    id.truncate(32);
    let mut body = json!({ "id": id, "event": event.name(), "at": app.time(), "data": data });
    if let Some(url) = &app.settings.public_url {
        body["server"] = url.as_str().into();
    }
    Message { event, id, body: body.to_string() }
}

fn deliver(app: &App, notify: &Notify, messages: &Receiver<Message>, ends: &[&AtomicBool]) {
    let agent = agent();
    loop {
        let message = match messages.recv_timeout(Duration::from_millis(100)) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) if !ended(ends) => continue,
            Err(_) => return,
        };
        for tried in 0..TRIES {
            match send(&agent, notify, &message) {
                Sent::Yes => break,
                Sent::Refused(why) => {
                    log(app, message.event, &format!("given up: {why}"));
                    break;
                }
                Sent::Later(why) if tried + 1 == TRIES => {
                    log(app, message.event, &format!("given up after {TRIES} tries: {why}"));
                    break;
                }
                Sent::Later(why) => log(app, message.event, &format!("tried again later: {why}")),
            }
            let pause = Duration::from_secs(1 << tried.min(16)).min(LONGEST_PAUSE);
            let began = Instant::now();
            while began.elapsed() < pause {
                if ended(ends) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

enum Sent {
    Yes,
    /// The receiver does not want it.
    Refused(String),
    Later(String),
}

fn send(agent: &ureq::Agent, notify: &Notify, message: &Message) -> Sent {
    let answer = agent
        .post(&notify.url)
        .header("content-type", "application/json")
        .header("x-recon-event", message.event.name())
        .header("x-recon-delivery", &message.id)
        .header("x-recon-signature", &signature(&notify.secret, &message.body))
        .send(&message.body);
    match answer.map(|answer| answer.status().as_u16()) {
        Ok(200..300) => Sent::Yes,
        Ok(status @ (408 | 429 | 500..)) => Sent::Later(format!("the receiver answered {status}")),
        Ok(status) => Sent::Refused(format!("the receiver answered {status}")),
        Err(error) => Sent::Later(error.to_string()),
    }
}

/// `sha256=` and the HMAC of the body, in hexadecimal digits.
fn signature(secret: &str, body: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    format!("sha256={}", hex(mac.finalize().into_bytes()))
}

/// The HTTP client: it trusts the certificates that this machine trusts, follows no redirects and keeps nothing
/// open.
fn agent() -> ureq::Agent {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<Certificate<'static>> =
        found.certs.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent("recon")
        .timeout_global(Some(DELIVERY))
        .max_idle_connections(0)
        .build()
        .new_agent()
}

fn log(app: &App, event: Event, what: &str) {
    app.log.write(&super::log::Line {
        time: app.time(),
        id: event.name(),
        client: "-".to_owned(),
        method: "-",
        path: "server.notify",
        cause: Some(what),
        ..super::log::Line::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_signed_as_rfc_4231_says() {
        assert_eq!(
            signature("Jefe", "what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
