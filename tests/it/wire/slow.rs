//! Slow clients: each has a deadline, and none delays others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Client, Normal, Server};

/// Connections that send, or read, a byte per second.
struct Snails(Vec<Option<(TcpStream, usize)>>);

impl Snails {
    fn new(server: &Server, count: usize, first: &str) -> Self {
        let snail = |_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(first.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            Some((stream, 0))
        };
        Self((0..count).map(snail).collect())
    }

    /// Each sends one byte and checks whether it was disconnected.
    fn give(&mut self, text: &str) {
        for slot in &mut self.0 {
            let Some((stream, at)) = slot else { continue };
            let byte = text.as_bytes()[*at % text.len()];
            *at += 1;
            let mut answer = [0; 1024];
            let ended = stream.write(&[byte]).is_err()
                || match stream.read(&mut answer) {
                    Ok(0) => true,
                    Ok(_) => false,
                    Err(error) => error.kind() != ErrorKind::WouldBlock,
                };
            if ended {
                *slot = None;
            }
        }
    }

    /// Each reads one byte.
    fn take(&mut self) {
        for slot in &mut self.0 {
            let Some((stream, _)) = slot else { continue };
            match stream.read(&mut [0]) {
                Ok(0) => *slot = None,
                Err(error) if error.kind() != ErrorKind::WouldBlock => *slot = None,
                _ => {}
            }
        }
    }

    fn left(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

#[test]
fn three_hundred_slow_clients_are_dropped_without_affecting_others() {
    let server = Server::start(&[]);
    let normal = Normal::at(&server);
    let mut heads = Snails::new(&server, 100, "GET /health HTTP/1.1\r\nHost: x\r\n");
    let mut bodies = Snails::new(
        &server,
        100,
        "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
    );
    let page =
        format!("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let mut readers = Snails::new(&server, 100, &page.repeat(20));
    let began = Instant::now();
    // Heads have 5 s and bodies 10 s, whatever comes meanwhile.
    while heads.left() + bodies.left() > 0 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(500));
        heads.give("x-slow: 1\r\n");
        bodies.give("b");
        readers.take();
        assert!(bodies.left() == 100 || heads.left() < 100, "bodies have more time than heads");
    }
    assert_eq!((heads.left(), bodies.left()), (0, 0), "slow requests are still there");
    normal.assert_undisturbed();
    assert!(server.resident() < 600_000, "{} kB", server.resident());
    drop(readers);
    server.assert_well();
}

#[test]
fn late_clients_get_a_timeout_response() {
    let server = Server::start(&[]);
    let timed = |text: &str| {
        let mut client = Client::to(&server);
        client.send(text).unwrap();
        let began = Instant::now();
        (client.statuses(), began.elapsed())
    };
    let refused = |(statuses, after): (Vec<u16>, Duration), expected: &[u16], seconds| {
        assert_eq!(statuses, expected);
        assert!(after >= Duration::from_secs(seconds) - Duration::from_millis(100), "{after:?}");
    };
    std::thread::scope(|scope| {
        let head = scope.spawn(|| timed("GET /health HTTP/1.1\r\nHo"));
        let body =
            scope.spawn(|| timed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"));
        let idle = scope.spawn(|| timed(""));
        refused(head.join().unwrap(), &[408], 5);
        refused(body.join().unwrap(), &[408], 10);
        refused(idle.join().unwrap(), &[], 15);
    });
    server.assert_well();
}

#[test]
fn a_client_that_stops_reading_is_disconnected() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    let page =
        format!("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    client.send(page.repeat(20)).unwrap();
    let (began, mut byte) = (Instant::now(), [0]);
    // Until the server's answers fill the buffers and block.
    std::thread::sleep(Duration::from_secs(2));
    let before = server.open_sockets();
    // Bytes in flight can still be read; the server's open sockets show that it has let go.
    while server.open_sockets() >= before && began.elapsed() < Duration::from_secs(120) {
        let _ = client.stream.read(&mut byte);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(server.open_sockets() < before, "the reader still holds its connection");
    assert!(began.elapsed() >= Duration::from_secs(25), "{:?}", began.elapsed());
    server.assert_well();
}
