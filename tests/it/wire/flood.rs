//! Many clients at once: idle, reset, hurried, and more than there are file descriptors.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Client, Normal, Server};

#[test]
fn a_thousand_idle_connections_do_not_affect_others() {
    let server = Server::start(&[]);
    let normal = Normal::at(&server);
    let mut idle = Vec::new();
    for _ in 0..900 {
        idle.push(TcpStream::connect(server.address).unwrap());
    }
    // Time to accept them all; a server that has not is better off.
    std::thread::sleep(Duration::from_secs(2));
    assert!(server.open_files() < 500, "{}", server.open_files());
    normal.assert_undisturbed();
    server.assert_well();
}

#[test]
fn five_thousand_connections_with_few_file_descriptors_do_no_harm() {
    let server = Server::with_open_files(Some(256), &[]);
    for _ in 0..10 {
        let mut flood = Vec::new();
        for _ in 0..500 {
            if let Ok(mut stream) = TcpStream::connect(server.address) {
                let _ = stream.write_all(b"GET /he");
                flood.push(stream);
            }
        }
        assert!(server.open_files() < 256, "{}", server.open_files());
    }
    let released = Instant::now();
    loop {
        let answered = Client::to(&server).ask("GET", "/health", &[], "");
        if answered.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        assert!(released.elapsed() < Duration::from_secs(60), "no service after the flood");
    }
    server.assert_well();
}

#[test]
fn simultaneous_connections_are_all_served() {
    let server = Server::start(&[]);
    for count in [6, 32] {
        for _ in 0..20 {
            let barrier = std::sync::Barrier::new(count);
            std::thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| {
                        let mut client = Client::to(&server);
                        barrier.wait();
                        // A starved connection gets no answer before the client's timeout.
                        let answer = client.ask("GET", "/health", &[], "");
                        // Kept open until all have been served.
                        barrier.wait();
                        assert_eq!(answer.unwrap().status, 200);
                    });
                }
            });
        }
    }
    server.assert_well();
}

#[test]
fn connection_resets_do_not_panic() {
    let server = Server::start(&[]);
    let normal = Normal::at(&server);
    for number in 0..3_000 {
        let Ok(mut stream) = TcpStream::connect(server.address) else { continue };
        if number % 3 == 1 {
            let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        } else if number % 3 == 2 {
            let _ = stream
                .write_all(b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx");
        }
        // Closing sends RST immediately.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    normal.assert_undisturbed();
    let began = Instant::now();
    while server.open_files() > 60 {
        assert!(began.elapsed() < Duration::from_secs(60), "{} files", server.open_files());
        std::thread::sleep(Duration::from_millis(50));
    }
    server.assert_well();
}

#[test]
fn unread_responses_block_only_their_client() {
    let server = Server::start(&[]);
    let normal = Normal::at(&server);
    let mut client = Client::to(&server);
    client.stream.set_nonblocking(true).unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let requests = request.repeat(1_000);
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) && sent < 300 {
        match client.stream.write(requests.as_bytes()) {
            Ok(_) => sent += 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(_) => break,
        }
    }
    // Until the server's answers fill the buffers and block.
    std::thread::sleep(Duration::from_secs(3).saturating_sub(began.elapsed()));
    normal.assert_undisturbed();
    assert!(server.resident() < 150_000, "{} kB", server.resident());
    server.assert_well();
}

#[test]
fn a_kept_connection_never_stalls() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    for path in ["/health", "/openapi.json", "/docs/swagger-ui.css", "/docs/favicon-32x32.png"] {
        let times = (0..40).map(|_| {
            let began = Instant::now();
            assert_eq!(client.get(path).status, 200, "{path}");
            began.elapsed()
        });
        // Nagle's algorithm would delay every single one by 40 ms, however busy the machine is.
        let fastest = times.min().unwrap();
        assert!(fastest < Duration::from_millis(40), "{path}: {fastest:?}");
    }
    server.assert_well();
}

#[test]
fn the_server_stops_on_request_and_finishes_in_flight_requests() {
    let mut server = Server::start(&[]);
    let idle = Client::to(&server);
    let mut busy = Client::to(&server);
    assert_eq!(busy.get("/health").status, 200);
    // 0 also says that no request was cut off.
    assert_eq!(server.stop(), 0);
    drop((idle, busy));
    assert!(TcpStream::connect(server.address).is_err());
    let log = std::fs::read_to_string(server.project.path("access.log")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["path"], &line["status"]), (&"/health".into(), &200.into()));
}
