//! Reads from and writes to a client under absolute deadlines.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;

use crate::server::error;

use super::head::Refused;
use super::limits::{LINGER_BYTES, LINGER_TIME, SLOWEST, WRITE_TIME};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Bytes(usize),
    /// The client closed the connection, or its slot was taken.
    End,
    Late,
}

fn is_timeout(error: &io::Error) -> bool {
    // Linux reports the first, other systems the second.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// True if the client has reset the connection; one that only stopped sending may still read.
pub fn is_gone(stream: &TcpStream) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    let found = rustix::event::poll(&mut polled, Some(&now));
    let ended = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP);
    found.is_ok() && polled.iter().any(ended)
}

pub fn has_bytes(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    rustix::net::recv(stream, &mut [0_u8; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
}

pub fn read(mut stream: &TcpStream, buffer: &mut [u8], deadline: Instant) -> Received {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Received::Late;
        }
        if stream.set_read_timeout(Some(left)).is_err() {
            return Received::End;
        }
        match stream.read(buffer) {
            Ok(0) => return Received::End,
            Ok(read) => return Received::Bytes(read),
            Err(error) if is_timeout(&error) => return Received::Late,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Received::End,
        }
    }
}

/// The deadline of one answer, extended by each byte sent.
pub struct Sending {
    began: Instant,
    sent: u64,
}

impl Sending {
    pub fn new() -> Self {
        Self { began: Instant::now(), sent: 0 }
    }

    fn left(&self) -> Duration {
        let allowed = WRITE_TIME + Duration::from_secs(self.sent / SLOWEST);
        (self.began + allowed).saturating_duration_since(Instant::now())
    }

    /// Writes everything and calls `moved` after each piece.
    pub fn send(
        &mut self,
        mut stream: &TcpStream,
        mut bytes: &[u8],
        mut moved: impl FnMut(),
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = self.left();
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            stream.set_write_timeout(Some(left))?;
            // In pieces, because the socket's timeout restarts with each write.
            let piece = bytes.get(..64 * 1024).unwrap_or(bytes);
            match stream.write(piece) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.sent += written as u64;
                    bytes = bytes.get(written..).unwrap_or_default();
                    moved();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

pub fn refuse(stream: &TcpStream, refused: Refused, id: &str) {
    let answer = error::plain(refused.status, refused.detail, id);
    if Sending::new().send(stream, &answer, || {}).is_ok() {
        linger(stream);
    }
}

/// Discards arriving bytes for a moment: closing a socket with unread bytes would reset the connection before the
/// client has read the answer.
pub fn linger(stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER_TIME;
    let mut waste = [0; 8 * 1024];
    let mut thrown = 0;
    while thrown < LINGER_BYTES {
        match read(stream, &mut waste, deadline) {
            Received::Bytes(read) => thrown += read,
            Received::End | Received::Late => return,
        }
    }
}

/// Answers 503, if that does not block.
pub fn refuse_busy(mut stream: &TcpStream) {
    let answer = error::plain(503, "too many connections; try again in a moment", "none");
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&answer);
    }
}
