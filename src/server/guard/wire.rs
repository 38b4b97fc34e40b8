//! Bytes to and from a client, each under an absolute deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::RecvFlags;

use crate::server::error;

use super::head::Refused;
use super::limits::{LINGER_BYTES, LINGER_TIME, SLOWEST, WRITE_TIME};

/// How reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// So many bytes came.
    Bytes(usize),
    /// The client has gone, or was sent away.
    End,
    /// The deadline has passed.
    Late,
}

fn is_timeout(error: &io::Error) -> bool {
    // Linux says one, other systems the other.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whether the client has reset its connection. One that has only finished sending may still read.
pub fn is_gone(stream: &TcpStream) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    let found = rustix::event::poll(&mut polled, Some(&now));
    let ended = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP);
    found.is_ok() && polled.iter().any(ended)
}

/// Whether bytes have come that nobody has read yet.
pub fn has_bytes(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    rustix::net::recv(stream, &mut [0_u8; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
}

/// Reads what there is into `buffer`, waiting until `deadline`.
pub fn read(mut stream: &TcpStream, buffer: &mut [u8], deadline: Instant) -> Came {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Came::Late;
        }
        if stream.set_read_timeout(Some(left)).is_err() {
            return Came::End;
        }
        match stream.read(buffer) {
            Ok(0) => return Came::End,
            Ok(read) => return Came::Bytes(read),
            Err(error) if is_timeout(&error) => return Came::Late,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Came::End,
        }
    }
}

/// The clock of one answer: it runs out for a client that does not read.
pub struct Sending {
    began: Instant,
    sent: u64,
}

impl Sending {
    /// The clock starts.
    pub fn new() -> Self {
        Self { began: Instant::now(), sent: 0 }
    }

    fn left(&self) -> Duration {
        let allowed = WRITE_TIME + Duration::from_secs(self.sent / SLOWEST);
        (self.began + allowed).saturating_duration_since(Instant::now())
    }

    /// Writes everything, calling `moved` whenever some of it has gone.
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
            // In pieces: the time-out of a socket begins anew with every piece that goes.
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

/// Answers a request that is not passed on, and closes in a way that lets the client read it.
pub fn refuse(stream: &TcpStream, refused: Refused, id: &str) {
    let answer = error::plain(refused.status, refused.detail, id);
    if Sending::new().send(stream, &answer, || {}).is_ok() {
        linger(stream);
    }
}

/// Throws away what still comes for a moment: closing a socket with unread bytes would take the
/// answer from under the client's eyes.
pub fn linger(stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let deadline = Instant::now() + LINGER_TIME;
    let mut waste = [0; 8 * 1024];
    let mut thrown = 0;
    while thrown < LINGER_BYTES {
        match read(stream, &mut waste, deadline) {
            Came::Bytes(read) => thrown += read,
            Came::End | Came::Late => return,
        }
    }
}

/// Says that there is no room, if that can be said without waiting.
pub fn turn_away(mut stream: &TcpStream) {
    let answer = error::plain(503, "too many connections; try again in a moment", "none");
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write(&answer);
    }
}
