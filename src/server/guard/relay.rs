//! One request through tiny_http over its private socket, and the answer back. tiny_http is given the
//! number of the request; the request itself is in the [`handover`](crate::server::handover).

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::server::handover::Ticket;

use super::permits::Permit;

/// Longest head of an answer.
const HEAD: usize = 32 * 1024;
/// Answers up to this length are read whole before the client gets the first byte, so that a slow
/// client never blocks a handler.
pub const WHOLE: u64 = 2 * 1024 * 1024;
/// Bodies up to this length are sent in one piece with the head.
const SHORT: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Empty,
    Length(u64),
    /// Chunked; the connection ends with it.
    Chunks,
}

/// An answer whose head has arrived.
pub struct BackendResponse<'a> {
    /// The head without its last, empty line.
    pub head: Vec<u8>,
    pub framing: Framing,
    /// The part of the body that has arrived.
    pub body: Vec<u8>,
    begun: u64,
    answer_time: Duration,
    /// The source of the rest, and the permit held until it has arrived.
    rest: Option<(UnixStream, Option<Permit<'a>>)>,
}

/// Time after which, and interval at which, the relay checks that an answer can still come.
const PATIENT: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A request to the backend.
pub struct Forwarding<'a> {
    pub bodyless: bool,
    pub answer_time: Duration,
    /// Tells if the request waits for a store that will not answer.
    pub is_hopeless: &'a dyn Fn() -> bool,
}

/// Asks for the answer to the request with this ticket. Each connection carries one request.
///
/// # Errors
/// No answer in time, or (`HostUnreachable`) none that could come.
pub fn forward<'a>(
    backend: &Path,
    permit: Permit<'a>,
    ticket: Ticket<'_>,
    forwarding: Forwarding<'_>,
) -> io::Result<BackendResponse<'a>> {
    let Forwarding { bodyless, answer_time, is_hopeless } = forwarding;
    let mut socket = UnixStream::connect(backend)?;
    socket.set_write_timeout(Some(answer_time))?;
    let number = ticket.number;
    socket.write_all(format!("GET /{number} HTTP/1.1\r\nconnection: close\r\n\r\n").as_bytes())?;
    socket.shutdown(Shutdown::Write)?;
    let began = Instant::now();
    let deadline = began + answer_time;
    let mut bytes = Vec::with_capacity(4 * 1024);
    let mut buffer = [0; 16 * 1024];
    let end = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let next = PATIENT.saturating_sub(began.elapsed()).max(LOOK_EVERY);
        socket.set_read_timeout(Some(left.min(next)))?;
        let read = match socket.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if began.elapsed() >= PATIENT && is_hopeless() {
                    return Err(ErrorKind::HostUnreachable.into());
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let looked = bytes.len().saturating_sub(3);
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let fresh = bytes.get(looked..).unwrap_or_default();
        if let Some(at) = fresh.windows(4).position(|window| window == b"\r\n\r\n") {
            break looked + at;
        }
        if bytes.len() > HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
    };
    let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
    let framing = framing(bytes.get(..end + 4).unwrap_or_default(), bodyless)?;
    bytes.truncate(end + 2);
    let rest = Some((socket, Some(permit)));
    let mut answer = BackendResponse { head: bytes, framing, body, begun: 0, answer_time, rest };
    match framing {
        Framing::Empty => answer.rest = None,
        Framing::Length(length) if length <= WHOLE => answer.take_whole(length, deadline)?,
        // A long answer has its own thread, so a slow reader must not hold a permit.
        Framing::Length(_) => answer.rest = answer.rest.map(|(socket, _)| (socket, None)),
        Framing::Chunks => {}
    }
    Ok(answer)
}

fn framing(head: &[u8], bodyless: bool) -> io::Result<Framing> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    parsed.parse(head).map_err(|_| invalid())?;
    if bodyless || matches!(parsed.code, Some(204 | 304)) {
        return Ok(Framing::Empty);
    }
    let value = |name: &str| {
        parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    };
    if value("transfer-encoding").is_some() {
        return Ok(Framing::Chunks);
    }
    let length = value("content-length").ok_or_else(invalid)?;
    let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
    length.map(Framing::Length).ok_or_else(invalid)
}

impl BackendResponse<'_> {
    fn take_whole(&mut self, length: u64, deadline: Instant) -> io::Result<()> {
        if let Some((socket, _)) = &mut self.rest {
            let left = deadline.saturating_duration_since(Instant::now());
            socket.set_read_timeout(Some(left.max(Duration::from_secs(1))))?;
            let missing = length.saturating_sub(self.body.len() as u64);
            self.body.reserve_exact(usize::try_from(missing).unwrap_or_default());
            socket.take(missing).read_to_end(&mut self.body)?;
        }
        self.rest = None;
        if self.body.len() as u64 == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// The head, this header, and the body if it is short.
    pub fn beginning(&mut self, header: &str) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.head);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
        if self.framing == Framing::Empty {
            self.body.clear();
        } else if self.body.len() <= SHORT {
            self.begun = self.body.len() as u64;
            bytes.append(&mut self.body);
        }
        bytes
    }

    /// Passes on the rest of the body; whether it was complete. Only the client can tell for a
    /// chunked body.
    pub fn pour(self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
        each(&self.body)?;
        let mut poured = self.begun + self.body.len() as u64;
        drop(self.body);
        if let Some((mut socket, _place)) = self.rest {
            socket.set_read_timeout(Some(self.answer_time))?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match socket.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        each(buffer.get(..read).unwrap_or_default())?;
                        poured += read as u64;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(match self.framing {
            Framing::Empty | Framing::Chunks => true,
            Framing::Length(length) => length == poured,
        })
    }
}
