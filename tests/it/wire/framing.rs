//! Ambiguous requests: one refusal each, and never a second response.

use super::{Client, Server};

#[test]
fn ambiguous_requests_never_get_two_responses() {
    let server = Server::start(&[]);
    let second = "GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post =
        |lines: &str, body: &str| format!("POST /health HTTP/1.1\r\nHost: x\r\n{lines}\r\n{body}");
    let requests = [
        (400, post("Content-Length: +5\r\n", "hello")),
        (400, post("Content-Length: abc\r\n", "")),
        (400, post("Content-Length: -1\r\n", "")),
        (400, post("Content-Length: 5, 5\r\n", "hello")),
        (400, post("Content-Length: 0x5\r\n", "hello")),
        (400, post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
        (400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
        (400, post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")),
        (400, post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: identity\r\n", "")),
        (400, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n")),
        (400, post("Connection: Upgrade\r\nUpgrade: websocket\r\n", "")),
        (417, post("Expect: the-unexpected\r\n", "")),
        (400, post("Folded: a\r\n b\r\n", "")),
        (400, "GET / HTTP/1.1\nHost: x\n\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: x\r\nA: caf\u{e9}\r\n\r\n".into()),
        (400, "GET /caf\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (400, "GET http://localhost/ HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (400, "GET evil HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (400, "GET / / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (400, "get / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (501, "BREW / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (501, "CONNECT localhost:80 HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        (505, "GET / HTTP/3.0\r\nHost: x\r\n\r\n".into()),
        (400, "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".into()),
        (400, "\u{16}\u{3}\u{1}\0\u{5}".into()),
    ];
    for (expected, request) in requests {
        let mut client = Client::to(&server);
        // It may refuse before it has everything.
        let _ = client.send(format!("{request}{second}"));
        let text = client.rest();
        assert!(text.starts_with(&format!("HTTP/1.1 {expected} ")), "{request:?}: {text:?}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{request:?}: {text}");
        assert!(text.contains("connection: close") && text.contains("problem+json"), "{text}");
    }
    server.assert_well();
}

#[test]
fn announced_but_unsent_bodies_cost_nothing() {
    let server = Server::start(&[]);
    for length in [
        "9223372036854775807",
        "1152921504606846976",
        "1099511627776",
        "10000000000",
        "1048577",
        "18446744073709551616",
    ] {
        for (method, path) in [
            ("GET", "/health"),
            ("HEAD", "/health"),
            ("POST", "/openapi.json"),
            ("POST", "/nowhere"),
        ] {
            let mut client = Client::to(&server);
            let text = format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nabc"
            );
            client.send(text).unwrap();
            assert_eq!(client.statuses(), [413], "{method} {path} {length}");
        }
    }
    // A whole megabyte is accepted, and an abandoned body affects no one.
    let mut client = Client::to(&server);
    let body = "x".repeat(1024 * 1024);
    let answer = client.ask("POST", "/health", &[], &body).unwrap();
    assert_eq!(answer.status, 405);
    let mut client = Client::to(&server);
    client.send("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc").unwrap();
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.statuses(), [] as [u16; 0]);
    assert!(server.resident() < 150_000, "{} kB", server.resident());
    server.assert_well();
}

#[test]
fn endless_request_heads_are_cut_off() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    client.send("GET / HTTP/1.1\r\nHost: x\r\nA: ").unwrap();
    let block = vec![b'a'; 1024 * 1024];
    for _ in 0..200 {
        if client.send(&block).is_err() {
            break;
        }
    }
    assert!(matches!(*client.statuses(), [431] | []));
    let mut client = Client::to(&server);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let lines = "a: b\r\n".repeat(10_000);
    for _ in 0..100 {
        if client.send(&lines).is_err() {
            break;
        }
    }
    assert!(matches!(*client.statuses(), [431] | []));
    let mut client = Client::to(&server);
    client.send(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9_000))).unwrap();
    assert_eq!(client.statuses(), [414]);
    let mut client = Client::to(&server);
    client.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(64))).unwrap();
    assert_eq!(client.statuses(), [431]);
    assert!(server.resident() < 150_000, "{} kB", server.resident());
    server.assert_well();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    let host = format!("Host: {}\r\n", server.address);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\n{host}\r\n");
    client
        .send(format!(
            "{}{}POST /health HTTP/1.1\r\n{host}Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc{}",
            get("/health"),
            get("/nowhere"),
            get("/ready")
        ))
        .unwrap();
    let statuses: Vec<u16> = (0..4).map(|_| client.answer(false).unwrap().status).collect();
    assert_eq!(statuses, [200, 404, 405, 200]);
    // Clients that wait for 100 Continue get it.
    client
        .send(format!(
            "POST /health HTTP/1.1\r\n{host}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        ))
        .unwrap();
    assert_eq!(client.answer(false).unwrap().status, 100);
    client.send("abc").unwrap();
    assert_eq!(client.answer(false).unwrap().status, 405);
    // An HTTP/1.0 client gets one response and the end.
    client.send(format!("GET /health HTTP/1.0\r\n{host}\r\n")).unwrap();
    let text = client.rest();
    assert!(text.contains("connection: close") && text.ends_with("{\"status\":\"ok\"}"), "{text}");
    server.assert_well();
}

#[test]
fn a_connection_serves_a_limited_number_of_requests() {
    let server = Server::start(&[]);
    let mut client = Client::to(&server);
    for number in 1..=1_000 {
        let answer = client.get("/health");
        let expected = if number < 1_000 { "keep-alive" } else { "close" };
        assert_eq!(answer.header("connection"), Some(expected), "{number}");
    }
    assert_eq!(client.rest(), "");
    server.assert_well();
}
