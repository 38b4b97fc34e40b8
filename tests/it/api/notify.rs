//! Webhooks: a receiver of our own gets signed messages, and again those it did not take.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use super::{Served, json as document};
use crate::program::Project;

const SECRET: &str = "between us";
/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);

/// A request as the receiver read it.
struct Received {
    head: String,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn read(stream: &mut impl Read) -> Option<Received> {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let received = Received { head: head.to_owned(), body: body.to_owned() };
            let length: usize = received.header("content-length").parse().unwrap();
            if received.body.len() >= length {
                return Some(received);
            }
        }
        match stream.read(&mut some) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&some[..count]),
        }
    }
}

/// A receiver that refuses the first message, and its URL.
fn receiver() -> (String, Receiver<Received>) {
    let (port, messages) = receiving(None);
    (format!("http://127.0.0.1:{port}/hook"), messages)
}

/// The same over TLS, with a certificate for `localhost` of the authority in this folder.
fn secure_receiver(folder: &std::path::Path) -> (String, Receiver<Received>) {
    crate::postgres::certify(folder);
    let chain = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let (port, messages) = receiving(Some(Arc::new(config)));
    (format!("https://localhost:{port}/hook"), messages)
}

fn receiving(tls: Option<Arc<rustls::ServerConfig>>) -> (u16, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, messages) = channel();
    std::thread::spawn(move || {
        let mut refused = false;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let received = match &tls {
                None => answered(stream, refused),
                Some(config) => {
                    let session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                    answered(rustls::StreamOwned::new(session, stream), refused)
                }
            };
            let Some(received) = received else { continue };
            refused = true;
            if told.send(received).is_err() {
                return;
            }
        }
    });
    (port, messages)
}

/// Reads a message and answers it: with 503 unless one was refused before.
fn answered(mut stream: impl Read + Write, refused: bool) -> Option<Received> {
    let received = read(&mut stream)?;
    let status = if refused { "204 No Content" } else { "503 Service Unavailable" };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes());
    let _ = stream.flush();
    Some(received)
}

fn next(messages: &Receiver<Received>, event: &str) -> Received {
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        if let Ok(received) = messages.recv_timeout(DEADLINE)
            && received.header("x-recon-event") == event
        {
            return received;
        }
    }
    panic!("no {event} came");
}

fn serving(url: &str) -> Served {
    serving_with(Project::of("."), url)
}

fn serving_with(project: Project, url: &str) -> Served {
    project.json(&["run", "--json"]);
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let server = format!(
        "\nserver:\n  requests_per_second: 0\n  notify:\n    url: {url}\n    secret: {SECRET}\n"
    );
    project.write("recon.yaml", format!("{yaml}{server}"));
    Served::of(project, &[])
}

#[test]
fn a_waiting_proposal_and_a_finished_run_are_announced() {
    let (url, messages) = receiver();
    let served = serving(&url);
    let item = served.queue("ann", "limit=1").remove(0);
    let decision = json!({
        "attribution_id": item["attribution_id"], "action": "OVERRIDE",
        "new_reason_code": "TIMING_LAG", "comments": "booked a day late",
    });
    let resolved = document(&served.person("ann").post("/workflow/resolve", &decision));
    // The first delivery was answered 503, so the same message comes again.
    let (first, again) = (next(&messages, "proposal_waiting"), next(&messages, "proposal_waiting"));
    assert_eq!(first.body, again.body);
    let told = again.json();
    assert_eq!(told["data"]["proposal_id"], resolved["proposal_id"], "{told}");
    assert_eq!(told["data"]["waits_for"], "CHECKER");
    assert_eq!(told["id"].as_str(), Some(again.header("x-recon-delivery").as_str()));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(again.body.as_bytes());
    let signature: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(again.header("x-recon-signature"), format!("sha256={signature}"));

    let run = served.project().json(&["run", "--json"]);
    let told = next(&messages, "run_finished").json();
    assert_eq!(
        (&told["data"]["run_id"], &told["data"]["job"]),
        (&run["run_id"], &run["job"]),
        "{told}"
    );
    served.server.assert_well();
}

#[test]
fn messages_go_over_tls_to_a_receiver_whose_authority_is_trusted() {
    let project = Project::of(".");
    let (url, messages) = secure_receiver(&project.path(""));
    let served = serving_with(project, &url);
    let item = served.queue("ann", "limit=1").remove(0);
    let decision = json!({
        "attribution_id": item["attribution_id"], "action": "REJECT", "comments": "a true break",
    });
    assert_eq!(served.person("ann").post("/workflow/resolve", &decision).status, 200);
    let (first, again) = (next(&messages, "proposal_waiting"), next(&messages, "proposal_waiting"));
    assert_eq!(first.body, again.body);
    served.server.assert_well();
}

#[test]
fn an_untrusted_receiver_gets_no_messages() {
    let elsewhere = tempfile::tempdir().unwrap();
    let (url, messages) = secure_receiver(elsewhere.path());
    let served = serving(&url);
    let item = served.queue("ann", "limit=1").remove(0);
    let decision = json!({
        "attribution_id": item["attribution_id"], "action": "REJECT", "comments": "a true break",
    });
    assert_eq!(served.person("ann").post("/workflow/resolve", &decision).status, 200);
    let began = Instant::now();
    let log = served.project().path("access.log");
    loop {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.contains("server.notify") && log.to_lowercase().contains("certificate") {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "the log does not say why: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(messages.try_recv().is_err(), "a stranger got a message");
    served.server.assert_well();
}

#[test]
fn overdue_items_are_announced_in_one_message() {
    let (url, messages) = receiver();
    let project = Project::of(".");
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let more = format!(
        "\nserver:\n  requests_per_second: 0\n  notify:\n    url: {url}\n    secret: {SECRET}\n    \
         events: [item_overdue]\n\
         review:\n  deciding_tokens: [test]\n  sla_hours: {{ low: 1, medium: 1, high: 1, critical: 1 }}\n"
    );
    project.write("recon.yaml", format!("{yaml}{more}"));
    // An item open since an earlier date is older than an hour.
    for date in ["2026-01-14", "2026-01-15"] {
        project.json(&["run", "--json", "--batch-date", date]);
    }
    let served = Served::of(project, &[]);
    let list = served.person("ann").get("/workflow/queue?sla=overdue&limit=1&count=exact");
    let overdue: u64 = list.header("x-total-count").unwrap().parse().unwrap();
    assert!(overdue > 0);
    let told = next(&messages, "item_overdue").json();
    assert_eq!(told["data"]["count"], overdue, "{told}");
    assert!(told["data"]["items"][0]["due_at"].is_string(), "{told}");
    served.server.assert_well();
}

#[test]
fn a_receiver_that_is_gone_delays_nothing() {
    // The webhook's listener is gone.
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/hook", listener.local_addr().unwrap())
    };
    let served = serving(&url);
    let item = served.queue("ann", "limit=1").remove(0);
    let decision = json!({
        "attribution_id": item["attribution_id"], "action": "REJECT", "comments": "a true break",
    });
    assert_eq!(served.person("ann").post("/workflow/resolve", &decision).status, 200);
    let began = Instant::now();
    let log = served.project().path("access.log");
    while began.elapsed() < DEADLINE {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.contains("server.notify") && log.contains("tried again later") {
            // It stops at once, although a message still waits.
            served.server.assert_well();
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the failed delivery is not in the log");
}
