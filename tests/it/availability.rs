//! The server with a slow or lost store and hostile clients: logged-in users are served, and lost
//! work is never reported as done.

use std::net::TcpStream;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use recon::database::postgres::Connector;
use recon::database::{StoreUrl, patience};
use recon::diagnostic::Problem;
use serde_json::{Value as Json, json};

use crate::api::Served;
use crate::postgres::Cluster;
use crate::program::{Project, Said, Stop, ended, limited, output};
use crate::wire::{Answer, Client, Server};

/// An answer within this time did not wait for the resource that the test withholds; `benches/attacks` measures how
/// soon it comes. The rest is for slow machines.
const SOON: Duration = Duration::from_secs(30);

/// Keeps the store locked for writing until dropped, like another program.
struct Locked(rusqlite::Connection);

impl Locked {
    fn store(path: &Path) -> Self {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// A request with a token, on its own connection.
fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    if !body.is_empty() {
        headers.push(("Content-Type", "application/json"));
    }
    Client::to(server).ask(method, path, &headers, body).unwrap()
}

/// Repeats the request until the response has this status.
fn becomes(status: u16, mut ask: impl FnMut() -> Answer) -> Answer {
    let began = Instant::now();
    loop {
        let answer = ask();
        if answer.status == status {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "still {}", answer.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn resolve(item: &Json) -> String {
    let comment = "checked with the desk";
    json!({"attribution_id": item["attribution_id"], "action": "REJECT", "comments": comment})
        .to_string()
}

/// A run's first open item.
fn first_item(served: &Served) -> Json {
    served.queue("ann", "limit=1").remove(0)
}

#[test]
fn a_locked_store_does_not_stop_the_server_or_readers() {
    let served = Served::new();
    let item = first_item(&served);
    let (body, token) = (resolve(&item), served.person("ann").token);
    let locked = Locked::store(&served.project().path("recon.db"));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..100)
            .map(|_| {
                scope.spawn(|| {
                    let began = Instant::now();
                    let answer = ask(&served.server, &token, "POST", "/workflow/resolve", &body);
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    assert!(answer.header("retry-after").is_some());
                    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
                })
            })
            .collect();
        let mut looks = 0;
        while !writers.iter().all(|writer| writer.is_finished()) {
            let health = Client::to(&served.server).get("/health");
            assert_eq!(health.status, 200, "{}", health.text());
            assert_eq!(
                Client::to(&served.server).get("/ready").status,
                200,
                "readers need no lock"
            );
            assert_eq!(Client::to(&served.server).get("/metrics").status, 200);
            looks += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(looks > 0);
    });
    // Readers are served while writers wait.
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| ask(&served.server, &token, "POST", "/workflow/resolve", &body));
        }
        // Most of them wait by then; the queue must answer in any case.
        std::thread::sleep(Duration::from_millis(800));
        let queue = ask(&served.server, &served.person("bob").token, "GET", "/workflow/queue", "");
        assert_eq!(queue.status, 200, "{}", queue.text());
    });
    let credentials = r#"{"username":"ann","password":"not the right one"}"#;
    let headers = [("Content-Type", "application/json")];
    let login = Client::to(&served.server).ask("POST", "/auth/login", &headers, credentials);
    assert!(matches!(login.unwrap().status, 401 | 429 | 503));
    drop(locked);
    let answer = ask(&served.server, &token, "POST", "/workflow/resolve", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    served.server.assert_well();
}

#[test]
fn a_server_with_a_locked_store_stops_in_time() {
    let mut served = Served::new();
    let (body, token) = (resolve(&first_item(&served)), served.person("ann").token);
    let _locked = Locked::store(&served.project().path("recon.db"));
    let address = served.server.address;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let (bearer, body) = (format!("Bearer {token}"), body.clone());
            std::thread::spawn(move || {
                let headers =
                    [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
                Client::at(address).ask("POST", "/workflow/resolve", &headers, &body)
            })
        })
        .collect();
    // Most of them wait by then; the server must stop in any case.
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    assert_eq!(served.server.stop(), 0);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for thread in waiting {
        assert_eq!(thread.join().unwrap().unwrap().status, 503);
    }
}

#[test]
fn an_unavailable_database_gives_503_until_it_is_back() {
    let cluster = Cluster::new("stopped");
    cluster.start();
    let store = format!("{}/postgres", cluster.url());
    let project = Project::of(".");
    project.replace("recon.yaml", "store: sqlite:recon.db", &format!("store: {store}"));
    project.json(&["run", "--json"]);
    let served = Served::of_store(&store, project, &[]);
    let body = resolve(&first_item(&served));
    let token = served.person("ann").token;
    let ask = |method: &str, path: &str, body: &str| {
        let began = Instant::now();
        let answer = ask(&served.server, &token, method, path, body);
        assert!(began.elapsed() < SOON, "{path}: {:?}", began.elapsed());
        answer
    };
    for _ in 0..2 {
        assert_eq!(ask("GET", "/ready", "").status, 200);
        cluster.stop();
        for _ in 0..3 {
            let ready = ask("GET", "/ready", "");
            assert_eq!(ready.status, 503, "{}", ready.text());
            assert_eq!(ask("GET", "/health", "").status, 200);
            for (method, path, body) in [
                ("GET", "/workflow/queue", ""),
                ("GET", "/review", ""),
                ("POST", "/workflow/resolve", body.as_str()),
            ] {
                let answer = ask(method, path, body);
                assert_eq!(answer.status, 503, "{path}: {}", answer.text());
                assert!(answer.header("retry-after").is_some(), "{path}");
            }
        }
        // Concurrent requests wait no longer than a single one.
        std::thread::scope(|scope| {
            for _ in 0..60 {
                scope.spawn(|| assert_eq!(ask("GET", "/workflow/queue", "").status, 503));
            }
        });
        cluster.start();
        becomes(200, || Client::to(&served.server).get("/ready"));
        becomes(200, || ask("GET", "/workflow/queue", ""));
    }
    assert_eq!(ask("POST", "/workflow/resolve", &body).status, 200);
    served.server.assert_well();
}

#[test]
fn a_frozen_database_is_503_in_time_and_comes_back() {
    let cluster = Cluster::new("frozen");
    cluster.start();
    // With TLS, without, and on a Unix socket; the connections differ.
    for (url, mode) in
        [(cluster.url(), "prefer"), (cluster.url(), "disable"), (cluster.socket_url(), "disable")]
    {
        let store = format!("{url}/postgres?sslmode={mode}");
        let project = Project::of(".");
        project.replace("recon.yaml", "store: sqlite:recon.db", &format!("store: {store}"));
        project.json(&["run", "--json"]);
        let served = Served::of_store(&store, project, &[]);
        let token = served.person("ann").token;
        let ask = |path: &str, status: u16| {
            let began = Instant::now();
            let answer = ask(&served.server, &token, "GET", path, "");
            assert_eq!(answer.status, status, "{mode} {path}: {}", answer.text());
            assert!(began.elapsed() < SOON, "{path}: {:?}", began.elapsed());
        };
        // Several connections that are open, and asleep in the pool.
        let many = |status: u16| {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|| ask("/workflow/queue", status));
                }
            });
        };
        many(200);
        cluster.freeze();
        many(503);
        for _ in 0..2 {
            ask("/health", 200);
            ask("/ready", 503);
            ask("/workflow/queue", 503);
            ask("/review", 503);
        }
        cluster.thaw();
        becomes(200, || Client::to(&served.server).get("/ready"));
        many(200);
        served.server.assert_well();
        let mut other = postgres_client(&format!("{}/postgres", cluster.url()));
        other.batch_execute("DROP SCHEMA recon CASCADE").unwrap();
    }
}

/// recon's sessions on this server.
fn sessions(client: &mut postgres::Client) -> Vec<i32> {
    let rows = client
        .query(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'recon, process%'",
            &[],
        )
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn stopped_sessions_are_replaced_while_the_server_answers() {
    let cluster = Cluster::new("sessions");
    cluster.start();
    for (url, mode) in
        [(cluster.url(), "prefer"), (cluster.url(), "disable"), (cluster.socket_url(), "disable")]
    {
        let store = format!("{url}/postgres?sslmode={mode}");
        let project = Project::of(".");
        project.replace("recon.yaml", "store: sqlite:recon.db", &format!("store: {store}"));
        project.json(&["run", "--json"]);
        let served = Served::of_store(&store, project, &[]);
        let token = served.person("ann").token;
        let mut other = postgres_client(&format!("{}/postgres", cluster.url()));
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..12 {
                    scope.spawn(|| ask(&served.server, &token, "GET", "/workflow/queue", ""));
                }
            });
            let stopped = sessions(&mut other);
            assert!(stopped.len() > 1, "{stopped:?}");
            Cluster::stop_sessions(&stopped);
            // Each request may find some of them; the next has new ones.
            becomes(200, || {
                let began = Instant::now();
                let answer = ask(&served.server, &token, "GET", "/workflow/queue", "");
                assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
                assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
                answer
            });
            becomes(200, || Client::to(&served.server).get("/ready"));
            Cluster::continue_sessions(&stopped);
        }
        served.server.assert_well();
        other.batch_execute("DROP SCHEMA recon CASCADE").unwrap();
    }
}

#[test]
fn a_session_that_stops_at_work_is_given_up() {
    let cluster = Cluster::new("session");
    cluster.start();
    for mode in ["prefer", "disable"] {
        let url = format!("{}/postgres?sslmode={mode}", cluster.url());
        let Ok(StoreUrl::Postgres(url)) = StoreUrl::parse(&url, Path::new("")) else { panic!() };
        let mut client = Connector::new(&url).unwrap().connect().unwrap();
        let session: i32 = client.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let began = Instant::now();
        patience::within(Duration::from_secs(2), || {
            // One that only takes long is waited for.
            client.batch_execute("SELECT pg_sleep(4)").unwrap();
            Cluster::stop_sessions(&[session]);
            let failed = client.batch_execute("SELECT 1").unwrap_err();
            assert!(format!("{failed:?}").contains("does not answer"), "{failed:?}");
        });
        assert!(began.elapsed() < SOON + SOON, "{:?}", began.elapsed());
        Cluster::continue_sessions(&[session]);
    }
}

#[test]
fn a_store_whose_log_is_gone_is_not_read_on() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let Ok(url) = StoreUrl::parse("sqlite:recon.db", &project.path("")) else { panic!() };
    let store = recon::store::open(&url, recon::store::Opening::Existing).unwrap();
    let mark = |mark: &str| {
        recon::store::transact::write(&*store, |tx| {
            let add = "INSERT INTO recon.idempotency VALUES ($1, 'r', 'k', 'h', 'x', '2026-01-15T10:00:00Z')";
            tx.execute(add, &[mark.into()]).map(drop)
        })
    };
    let read = || {
        recon::store::transact::read(&*store, |tx| {
            tx.query("SELECT count(*) FROM recon.audit_trail", &[]).map(drop)
        })
    };
    mark("one").unwrap();
    read().unwrap();
    store.is_same().unwrap();
    std::fs::remove_file(project.path("recon.db-wal")).unwrap();
    for refused in [read(), store.is_same(), mark("two"), read()] {
        assert_eq!(refused.unwrap_err().code.name(), "store-replaced");
    }
}

#[test]
fn a_request_whose_session_stops_in_a_statement_is_answered() {
    let cluster = Cluster::new("statement");
    cluster.start();
    for url in [cluster.url(), cluster.socket_url()] {
        let store = format!("{url}/postgres?sslmode=disable");
        let project = Project::of(".");
        project.replace("recon.yaml", "store: sqlite:recon.db", &format!("store: {store}"));
        project.json(&["run", "--json"]);
        let served = Served::of_store(&store, project, &[]);
        let (token, body) = (served.person("ann").token, resolve(&first_item(&served)));
        let mut other = postgres_client(&format!("{}/postgres", cluster.url()));
        for (method, path, body, stops_all) in [
            ("GET", "/workflow/queue", "", false),
            ("POST", "/workflow/resolve", body.as_str(), false),
            ("GET", "/workflow/queue", "", true),
        ] {
            // The session waits for this lock, in a statement, when it is stopped.
            other.batch_execute("BEGIN; LOCK TABLE recon.tokens IN ACCESS EXCLUSIVE MODE").unwrap();
            let began = Instant::now();
            let (answer, stopped) = std::thread::scope(|scope| {
                let asked = scope.spawn(|| ask(&served.server, &token, method, path, body));
                let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
                let session: i32 = loop {
                    if let Some(row) = other.query_opt(waiting, &[]).unwrap() {
                        break row.get(0);
                    }
                    assert!(began.elapsed() < SOON && !asked.is_finished(), "{path}");
                };
                match stops_all {
                    true => cluster.freeze(),
                    false => Cluster::stop_sessions(&[session]),
                }
                (asked.join().unwrap(), session)
            });
            // Else it would be given up after a minute.
            assert!(began.elapsed() < SOON, "{path}: {:?}", began.elapsed());
            assert_eq!(answer.status, 503, "{path}: {}", answer.text());
            assert!(answer.header("retry-after").is_some());
            let (_, code) = crate::api::verdict(&answer);
            assert!(method == "GET" || code.starts_with("store-"), "{path}: {code}");
            assert_eq!(Client::to(&served.server).get("/health").status, 200);
            match stops_all {
                true => cluster.thaw(),
                false => Cluster::continue_sessions(&[stopped]),
            }
            other.batch_execute("ROLLBACK").unwrap();
            becomes(200, || ask(&served.server, &token, "GET", "/workflow/queue", ""));
        }
        served.server.assert_well();
        other.batch_execute("DROP SCHEMA recon CASCADE").unwrap();
    }
}

#[test]
fn a_change_whose_commit_gets_no_answer_is_said_to_be_unconfirmed() {
    let cluster = Cluster::new("unconfirmed");
    cluster.start();
    let url = format!("{}/postgres", cluster.url());
    let Ok(url) = StoreUrl::parse(&url, Path::new("")) else { panic!() };
    let store = recon::store::open(&url, recon::store::Opening::Create).unwrap();
    let mut other = postgres_client(&format!("{}/postgres", cluster.url()));
    other.batch_execute("CREATE TABLE recon.marks (mark int)").unwrap();
    let mut session = Vec::new();
    let written = patience::within(Duration::from_secs(2), || {
        recon::store::transact::write(&*store, |tx| {
            tx.execute("INSERT INTO recon.marks VALUES (1)", &[])?;
            session = sessions(&mut other);
            Cluster::stop_sessions(&session);
            Ok::<(), Problem>(())
        })
    });
    assert_eq!(written.unwrap_err().code.name(), "store-unconfirmed");
    Cluster::continue_sessions(&session);
    // The server had received it, and so it is stored: "may be stored or not" is all that can be said.
    let began = Instant::now();
    while other.query_one("SELECT count(*) FROM recon.marks", &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_locked_table_gives_503_in_time() {
    let cluster = Cluster::new("locked");
    cluster.start();
    let store = format!("{}/postgres", cluster.url());
    let project = Project::of(".");
    project.replace("recon.yaml", "store: sqlite:recon.db", &format!("store: {store}"));
    project.json(&["run", "--json"]);
    let served = Served::of_store(&store, project, &[]);
    let token = served.person("ann").token;
    let mut other = postgres_client(&store);
    other.batch_execute("BEGIN; LOCK TABLE recon.tokens IN ACCESS EXCLUSIVE MODE").unwrap();
    let began = Instant::now();
    assert_eq!(ask(&served.server, &token, "GET", "/workflow/queue", "").status, 503);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(Client::to(&served.server).get("/health").status, 200);
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(ask(&served.server, &token, "GET", "/workflow/queue", "").status, 200);
    served.server.assert_well();
}

fn postgres_client(url: &str) -> postgres::Client {
    postgres::Client::connect(url, postgres::NoTls).unwrap()
}

/// A logged-in client at work during an attack: every request is answered.
fn never_dropped(served: &Served, keeps: bool, harm: impl FnOnce()) {
    let stop = Stop::default();
    let token = served.person("ann").token;
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    std::thread::scope(|scope| {
        let end = stop.at_end();
        let work = scope.spawn(|| {
            let mut client = Client::to(&served.server);
            let mut answered = 0;
            while stop.goes_on() {
                if !keeps || answered % 900 == 899 {
                    client = Client::to(&served.server);
                }
                let answer = client.ask("GET", "/auth/me", &headers, "");
                let answer = answer.unwrap_or_else(|error| panic!("after {answered}: {error}"));
                assert_eq!(answer.status, 200, "after {answered}: {}", answer.text());
                answered += 1;
                std::thread::sleep(Duration::from_millis(3));
            }
            answered
        });
        // Some requests before the harm begins.
        std::thread::sleep(Duration::from_millis(200));
        harm();
        drop(end);
        assert!(work.join().unwrap() > 20);
    });
}

/// Connections that have been served once and stay idle.
fn served_and_idle(server: &Server, count: usize) -> Vec<Client> {
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut client = Client::to(server);
        if client.ask("GET", "/health", &[], "").is_ok() {
            idle.push(client);
        }
    }
    idle
}

/// Connects silently again and again, keeping the last few hundred connections open.
fn empty_connects(server: &Server, time: Duration) {
    let began = Instant::now();
    let mut open = std::collections::VecDeque::new();
    while began.elapsed() < time {
        open.extend(TcpStream::connect(server.address));
        if open.len() > 300 {
            open.pop_front();
        }
    }
}

/// A flood of connections takes many of the files that this process may open: one at a time.
fn flood() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn new_connections_do_not_displace_logged_in_users() {
    let _flood = flood();
    let served = Served::new();
    for keeps in [true, false] {
        never_dropped(&served, keeps, || {
            let idle = served_and_idle(&served.server, 255);
            empty_connects(&served.server, Duration::from_secs(3));
            drop(idle);
        });
    }
    served.server.assert_well();
}

#[test]
fn busy_anonymous_clients_do_not_displace_logged_in_users() {
    let _flood = flood();
    let served = Served::new();
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let end = stop.at_end();
        // Anonymous clients with busy connections, and others that send half a request.
        for _ in 0..4 {
            scope.spawn(|| {
                let mut clients = served_and_idle(&served.server, 40);
                while stop.goes_on() {
                    clients.retain_mut(|client| client.ask("GET", "/health", &[], "").is_ok());
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
        scope.spawn(|| {
            let mut halves = Vec::new();
            while stop.goes_on() {
                let mut client = Client::to(&served.server);
                let _ = client.send("GET /health HTTP/1.1\r\nHo");
                halves.push(client);
                if halves.len() > 100 {
                    halves.clear();
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        for keeps in [true, false] {
            never_dropped(&served, keeps, || {
                empty_connects(&served.server, Duration::from_secs(3));
            });
        }
        drop(end);
    });
    served.server.assert_well();
}

#[test]
fn exports_to_closed_connections_block_no_one() {
    let served = Served::new();
    let run = served.project().sql("SELECT run_id FROM recon.recon_runs")[0]["run_id"].clone();
    let path = format!("/runs/{}/export", run.as_str().unwrap());
    let token = served.person("ann").token;
    never_dropped(&served, true, || {
        for _ in 0..600 {
            let mut client = Client::to(&served.server);
            let _ = client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
                served.server.address
            ));
            let _ = socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO));
        }
        assert_eq!(ask(&served.server, &token, "GET", "/workflow/queue", "").status, 200);
    });
    let export = becomes(200, || ask(&served.server, &token, "GET", &path, ""));
    assert!(export.text().contains("attribution_id,run_id,"));
    served.server.assert_well();
}

#[test]
fn a_deleted_or_replaced_store_accepts_no_decisions() {
    let served = Served::new();
    let items = served.queue("ann", "limit=10");
    let token = served.person("ann").token;
    let path = |name: &str| served.project().path(name);
    let decide = |item: &Json| {
        ask(&served.server, &token, "POST", "/workflow/resolve", &resolve(item)).status
    };
    let ready = || Client::to(&served.server).get("/ready").status;
    // A complete copy from before the first decision.
    let copy = rusqlite::Connection::open(path("recon.db")).unwrap();
    copy.execute("VACUUM INTO ?1", [path("older.db").to_str().unwrap()]).unwrap();
    drop(copy);
    assert_eq!((decide(&items[0]), ready()), (200, 200));

    std::fs::rename(path("recon.db"), path("aside.db")).unwrap();
    assert_eq!((decide(&items[1]), ready()), (503, 503), "moved away");
    let answer = ask(&served.server, &token, "POST", "/workflow/resolve", &resolve(&items[1]));
    assert_eq!(crate::api::verdict(&answer).1, "store-replaced", "{}", answer.text());
    std::fs::copy(path("older.db"), path("recon.db")).unwrap();
    assert_eq!((decide(&items[1]), ready()), (503, 503), "replaced by an older copy");
    std::fs::rename(path("aside.db"), path("recon.db")).unwrap();
    assert_eq!((decide(&items[1]), ready()), (200, 200), "put back");

    let wal = path("recon.db-wal");
    std::fs::rename(&wal, path("aside-wal")).unwrap();
    assert_eq!((decide(&items[2]), ready()), (503, 503), "the log moved away");
    std::fs::rename(path("aside-wal"), &wal).unwrap();
    assert_eq!((decide(&items[2]), ready()), (200, 200), "the log put back");

    for name in ["recon.db", "recon.db-wal", "recon.db-shm"] {
        std::fs::remove_file(path(name)).unwrap();
    }
    assert_eq!((decide(&items[3]), ready()), (503, 503), "deleted");
    assert!(!path("recon.db").exists(), "nobody makes a new one");
    served.server.assert_well();
}

#[test]
fn the_audit_trail_exposes_an_older_copy_in_the_same_file() {
    let served = Served::new();
    let items = served.queue("ann", "limit=10");
    let token = served.person("ann").token;
    let decide = |item: &Json| {
        ask(&served.server, &token, "POST", "/workflow/resolve", &resolve(item)).status
    };
    assert_eq!(decide(&items[0]), 200);
    // A decision is undone within the file, as by restoring a copy.
    let other = rusqlite::Connection::open(served.project().path("recon.db")).unwrap();
    let triggers: Vec<String> = other
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name LIKE 'audit%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for trigger in triggers {
        other.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    let deleted =
        other.execute("DELETE FROM audit_trail WHERE seq = (SELECT max(seq) FROM audit_trail)", []);
    assert_eq!(deleted.unwrap(), 1);
    assert_eq!(decide(&items[1]), 503);
    assert_eq!(Client::to(&served.server).get("/ready").status, 503);
    served.server.assert_well();
}

/// A run into a new store that has written rows, and its store.
fn first_run(project: &Project) -> (std::process::Child, std::path::PathBuf) {
    let made = project.recon(&["generate", "--rows", "40000"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let child = project
        .command(&["run", "-c", "generated/recon.yaml"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let store = project.path("generated/recon.db");
    let began = Instant::now();
    // More than the schema.
    while std::fs::metadata(&store).map_or(0, |store| store.len()) < 2_000_000 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is written");
        std::thread::sleep(Duration::from_millis(1));
    }
    (child, store)
}

#[test]
fn a_run_reports_that_its_store_was_deleted() {
    let project = Project::new();
    let (child, store) = first_run(&project);
    std::fs::remove_file(&store).unwrap();
    let said = Said::from(ended(child));
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("deleted or moved"), "{}", said.err);
    assert!(!store.exists());
}

/// What SQLite says to a statement about the file.
fn pragma(store: &Path, name: &str) -> String {
    let connection = rusqlite::Connection::open(store).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn a_first_run_is_written_without_a_log_until_others_open_the_store() {
    let project = Project::new();
    let (child, store) = first_run(&project);
    assert_eq!(pragma(&store, "journal_mode"), "delete");
    let url = format!("sqlite:{}", store.display());
    let list = project.json(&["runs", "list", "--store", &url, "--json"]);
    assert_eq!(list["runs"][0]["status"], "RUNNING");
    assert_eq!(pragma(&store, "journal_mode"), "wal");
    let said = Said::from(ended(child));
    assert!(matches!(said.code, 0 | 1), "{}", said.err);
    assert_eq!(pragma(&store, "journal_mode"), "wal");
    assert_eq!(pragma(&store, "integrity_check"), "ok");
    let verified = project.recon(&["audit", "verify", "--store", &url]);
    assert_eq!(verified.code, 0, "{}", verified.err);
}

#[test]
fn a_first_run_that_is_killed_leaves_a_store_for_the_next() {
    let project = Project::new();
    let (mut child, store) = first_run(&project);
    assert_eq!(pragma(&store, "journal_mode"), "delete");
    child.kill().unwrap();
    child.wait().unwrap();
    let said = project.recon(&["run", "-c", "generated/recon.yaml"]);
    assert!(matches!(said.code, 0 | 1), "{}", said.err);
    let url = format!("sqlite:{}", store.display());
    let list = project.json(&["runs", "list", "--store", &url, "--json"]);
    let status = |at: usize| list["runs"][at]["status"].as_str().unwrap();
    assert_eq!([status(0), status(1)], ["COMPLETED", "FAILED"]);
    assert_eq!(pragma(&store, "integrity_check"), "ok");
    let of_records = "SELECT DISTINCT run_id FROM recon.recon_records";
    let runs = project.json(&["sql", of_records, "--store", &url, "--format", "json"]);
    assert_eq!(runs.as_array().unwrap().len(), 1);
}

#[test]
fn a_server_with_too_few_file_descriptors_reports_it() {
    let project = Project::new();
    assert_eq!(project.recon(&["migrate", "--store", "sqlite:recon.db"]).code, 0);
    let serve = ["serve", "--store", "sqlite:recon.db", "--bind", "127.0.0.1:0"];
    for files in [7, 10, 16, 40] {
        let said = limited(&project, &format!("ulimit -n {files}"), &serve);
        assert!(matches!(said.code, 2 | 4), "{files}: {} {}", said.code, said.err);
        assert!(!said.err.contains("panicked"), "{files}: {}", said.err);
    }
    let said = limited(&project, "ulimit -n 16", &serve);
    assert!(said.err.contains("only open 16 files"), "{}", said.err);
}

#[test]
fn too_many_threads_or_too_little_memory_for_them_are_errors() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    project.replace("recon.yaml", "\noptions:", "\noptions:\n  threads: 1000000");
    let said = project.recon(&["check"]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("512"), "{}", said.err);
    project.replace("recon.yaml", "threads: 1000000", "threads: 512");
    for megabytes in [300, 500, 800] {
        let said = limited(&project, &format!("ulimit -v {}", megabytes * 1_024), &["run"]);
        assert_eq!(said.code, 4, "{megabytes}: {}", said.err);
        assert!(said.err.contains("options.threads"), "{megabytes}: {}", said.err);
    }
}

#[test]
fn too_little_memory_is_a_problem_and_never_an_abort() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let said = limited(&project, "ulimit -v 100000", &["run"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("no-memory") && said.err.contains("ulimit -v"), "{}", said.err);
    // Below about 82 MiB a program that is not optimized does not fit itself.
    for megabytes in [110, 130, 190, 200, 210, 220, 240, 300] {
        for command in [&["run"][..], &["check"], &["report"], &["audit", "verify"], &["train"]] {
            let limits = format!("ulimit -v {}", megabytes * 1_024);
            let said = limited(&project, &limits, command);
            // A signal would be -1; 2 is a model that lacks decisions to learn from.
            assert!(
                matches!(said.code, 0 | 2 | 4),
                "{megabytes} {command:?}: {} {}",
                said.code,
                said.err
            );
            assert!(!said.err.contains("panicked"), "{megabytes} {command:?}: {}", said.err);
        }
    }
}

/// By libfaketime, where it is installed (`./scripts/test` does that).
#[test]
fn a_clock_before_1970_is_a_problem_and_never_a_panic() {
    let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|machine| Path::new("/usr/lib").join(machine).join("faketime/libfaketime.so.1"));
    let Some(library) = library.iter().find(|path| path.exists()) else { return };
    let project = Project::of(".");
    for command in [&["run"][..], &["check"], &["runs", "list"], &["serve"]] {
        let mut command = project.command(command);
        command.env("LD_PRELOAD", library).env("FAKETIME", "1960-01-01 00:00:00");
        let said = Said::from(output(&mut command));
        assert_eq!(said.code, 2, "{command:?}: {}", said.err);
        assert!(said.err.contains("error[clock]"), "{command:?}: {}", said.err);
    }
}

#[test]
fn proxied_requests_are_never_local() {
    let project = Project::of(".");
    project.json(&["run", "--json"]);
    let yaml = std::fs::read_to_string(project.path("recon.yaml")).unwrap();
    let server = "server:\n  requests_per_second: 0\n  public_url: https://recon.example.com\n  \
                  trusted_proxy: { networks: [127.0.0.1] }\n";
    project.write("recon.yaml", format!("{yaml}\n{server}"));
    let served = Served::of(project, &[]);
    let metrics = |forwarded: &[(&str, &str)]| {
        Client::to(&served.server).ask("GET", "/metrics", forwarded, "").unwrap().status
    };
    assert_eq!(metrics(&[]), 200);
    for said in ["203.0.113.7", "127.0.0.1", "evil", "unknown", "", "::1, x"] {
        assert_eq!(metrics(&[("X-Forwarded-For", said)]), 401, "{said:?}");
    }
    assert_eq!(metrics(&[("X-Forwarded-Proto", "https")]), 401);
    served.server.assert_well();
}
