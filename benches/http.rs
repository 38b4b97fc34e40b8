//! Measures what a request costs on its way to a handler and back.
//!
//!     cargo bench --bench http
//!
//! prints medians in microseconds: of a bare loopback connection, of the private socket through
//! tiny_http alone, and of `GET /health` on a served store. The second is the price of tiny_http.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks on stdout and may stop where it can't go on"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 2_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";

fn main() {
    println!("| way | median µs |\n| --- | --- |");
    println!("| loopback connection, kept | {:.0} |", loopback());
    println!("| private socket through tiny_http | {:.0} |", tiny_http());
    println!("| GET /health, connection kept | {:.0} |", health());
}

fn median(mut round: impl FnMut()) -> f64 {
    (0..ROUNDS / 10).for_each(|_| round());
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            round();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

/// Sends a request and reads an answer with a length.
fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream.write_all(request).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
}

fn loopback() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut served, _) = listener.accept().unwrap();
    served.set_nodelay(true).unwrap();
    client.set_nodelay(true).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while served.read(&mut buffer).is_ok_and(|read| read > 0) {
            served.write_all(ANSWER).unwrap();
        }
    });
    median(|| ask(&mut client, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"))
}

fn tiny_http() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let server = tiny_http::Server::http_unix(&socket).unwrap();
    std::thread::spawn(move || {
        while let Ok(request) = server.recv() {
            let mut out = request.into_writer();
            out.write_all(ANSWER).unwrap();
            out.flush().unwrap();
        }
    });
    median(|| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"GET /1 HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, ANSWER);
    })
}

fn health() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let recon = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
        command.current_dir(folder.path()).args(["--store", "sqlite:recon.db", "-q"]);
        command
    };
    assert!(recon().arg("migrate").stdout(Stdio::null()).status().unwrap().success());
    let mut server = recon()
        .args(["serve", "--solo", "--json", "--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["url"].as_str().unwrap().strip_prefix("http://").unwrap();
    let connect = || {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    };
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let (mut client, mut asked) = (connect(), 0);
    let median = median(|| {
        // A connection serves 1,000 requests.
        if asked == 1_000 {
            (client, asked) = (connect(), 0);
        }
        asked += 1;
        ask(&mut client, request.as_bytes());
    });
    server.kill().unwrap();
    server.wait().unwrap();
    median
}
