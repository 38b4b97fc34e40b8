//! A raw client, and a well-behaved one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Server;

/// How long a client waits for a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub struct Client {
    pub stream: TcpStream,
    address: SocketAddr,
}

impl Client {
    pub fn to(server: &Server) -> Self {
        Self::at(server.address)
    }

    /// Connects to this address.
    pub fn at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, address }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Asks for a path and reads the answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").unwrap()
    }

    /// Sends a well-formed request and reads its answer.
    pub fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Answer> {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        self.send(text + "\r\n" + body)?;
        self.answer(method == "HEAD")
    }

    pub fn answer(&mut self, head_only: bool) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if head_only || matches!(status, 100 | 204 | 304) {
            return Ok(answer);
        }
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut answer.body)?;
        } else {
            self.stream.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// Everything until the end.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        // A reset connection has ended too.
        let _ = self.stream.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// The statuses of all answers that come until the end.
    pub fn statuses(&mut self) -> Vec<u16> {
        let text = self.rest();
        text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
    }
}

/// A normal client that sends requests meanwhile.
pub struct Normal {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, usize)>,
}

impl Normal {
    pub fn at(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, told) = (server.address, Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (mut answered, mut failures) = (0, 0);
            let mut client = Client::at(address);
            // A load that is over quickly is not a disturbance.
            while !told.load(Ordering::SeqCst) || answered + failures <= 20 {
                // Like browsers, it replaces a closed connection and repeats the request.
                let answer = client.ask("GET", "/health", &[], "").or_else(|_| {
                    client = Client::at(address);
                    client.ask("GET", "/health", &[], "")
                });
                match answer {
                    Ok(answer) if answer.status == 200 => answered += 1,
                    _ => {
                        failures += 1;
                        client = Client::at(address);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (answered, failures)
        });
        Self { stop, thread }
    }

    /// Asserts that nearly all requests were answered.
    pub fn assert_undisturbed(self) {
        self.stop.store(true, Ordering::SeqCst);
        let (answered, failures) = self.thread.join().unwrap();
        assert!(answered > 20, "only {answered} requests were answered");
        assert!(failures * 100 <= answered, "{failures} of {answered} failed");
    }
}
