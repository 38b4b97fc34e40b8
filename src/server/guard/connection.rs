//! One connection: requests one after another.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

use crate::database::patience::Watch;
use crate::server::error::UNCONFIRMED;
use crate::server::handover::Handed;
use crate::server::http::Method;

use super::Shared;
use super::head::{self, Head, Refused, Scan};
use super::limits::{BODY_TIME, HEAD_BYTES, HEAD_TIME, IDLE_TIME, REQUESTS};
use super::permits::NoPermit;
use super::relay::{self, Forwarding, Framing};
use super::slots::Phase;
use super::wire::{self, Received, Sending};

/// The fate of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
    Gone,
}

pub fn serve(shared: &Shared, slot: u64, stream: &TcpStream, peer: IpAddr) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut pending = Zeroizing::new(Vec::new());
    let mut known = false;
    for number in 1..=REQUESTS {
        shared.set_phase(slot, Phase::Receiving);
        let id = Uuid::now_v7().to_string();
        let head = match receive(stream, &mut pending, peer, &id) {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(refused) => {
                shared.setup.counts.refused.fetch_add(1, Ordering::Relaxed);
                (shared.setup.on_refused)(peer, &id, &refused);
                return wire::refuse(stream, refused, &id);
            }
        };
        shared.set_phase(slot, Phase::Working);
        let last = number == REQUESTS || shared.is_stopping();
        match answer(shared, Exchange { slot, stream, head, last }, &mut known) {
            Ok(After::Keep) => {}
            Ok(After::Close) => {
                shared.set_phase(slot, Phase::Receiving);
                return wire::linger(stream);
            }
            Ok(After::Gone) => return,
            Err(refused) => {
                (shared.setup.on_refused)(peer, &id, &refused);
                return wire::refuse(stream, refused, &id);
            }
        }
    }
}

/// Reads the next request; `None` if the client has gone or stayed silent. Bytes beyond the request
/// stay in `pending`.
fn receive(
    stream: &TcpStream,
    pending: &mut Zeroizing<Vec<u8>>,
    peer: IpAddr,
    id: &str,
) -> Result<Option<Head>, Refused> {
    let mut buffer = [0; 8 * 1024];
    let mut scan = Scan::default();
    let mut deadline = Instant::now() + if pending.is_empty() { IDLE_TIME } else { HEAD_TIME };
    let length = loop {
        if let Some(length) = scan.advance(pending)? {
            break length;
        }
        if pending.len() >= HEAD_BYTES {
            return Err(Refused::new(431, "the head of the request is too long"));
        }
        let room = (HEAD_BYTES - pending.len()).min(buffer.len());
        match wire::read(stream, buffer.get_mut(..room).unwrap_or_default(), deadline) {
            Received::Bytes(read) => {
                if pending.is_empty() {
                    deadline = Instant::now() + HEAD_TIME;
                }
                take(&mut buffer, read, pending);
            }
            Received::Late if !pending.is_empty() => {
                return Err(Refused::new(408, "the head of the request took too long"));
            }
            Received::End | Received::Late => return Ok(None),
        }
    };
    let mut head = head::parse(pending.get(..length).unwrap_or_default(), peer, id)?;
    cut(pending, length);
    Ok(body(stream, &head, pending)?.map(|body| {
        head.request.body = body;
        head
    }))
}

fn body(
    stream: &TcpStream,
    head: &Head,
    pending: &mut Vec<u8>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
    let missing = head.length.saturating_sub(pending.len());
    if head.waits && missing > 0 {
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        if Sending::new().send(stream, go_on, || {}).is_err() {
            return Ok(None);
        }
    }
    // Not allocated up front: announcing a length costs the client nothing, so it must cost us nothing.
    let here = head.length.min(pending.len());
    let mut body = Zeroizing::new(pending.get(..here).unwrap_or_default().to_vec());
    cut(pending, here);
    let deadline = Instant::now() + BODY_TIME;
    let mut buffer = [0; 16 * 1024];
    while body.len() < head.length {
        let room = (head.length - body.len()).min(buffer.len());
        match wire::read(stream, buffer.get_mut(..room).unwrap_or_default(), deadline) {
            Received::Bytes(read) => take(&mut buffer, read, &mut body),
            Received::Late => {
                return Err(Refused::new(408, "the body of the request took too long"));
            }
            Received::End => return Ok(None),
        }
    }
    Ok(Some(body))
}

/// Removes the first `length` bytes, and wipes the free space at the end.
fn cut(bytes: &mut Vec<u8>, length: usize) {
    let left = bytes.len().saturating_sub(length);
    let length = bytes.len() - left;
    bytes.copy_within(length.., 0);
    bytes.get_mut(left..).unwrap_or_default().zeroize();
    bytes.truncate(left);
}

/// Moves the bytes read into `bytes`. Only they are wiped: a connection that sends nothing costs nothing.
fn take(buffer: &mut [u8], read: usize, bytes: &mut Zeroizing<Vec<u8>>) {
    let read = buffer.get_mut(..read).unwrap_or_default();
    extend(bytes, read);
    read.zeroize();
}

/// Appends bytes; where the vector has to grow, the old memory is wiped.
fn extend(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    if bytes.capacity() - bytes.len() < more.len() {
        let mut larger = Vec::with_capacity((bytes.len() + more.len()) * 2);
        larger.extend_from_slice(bytes);
        *bytes = Zeroizing::new(larger);
    }
    bytes.extend_from_slice(more);
}

struct Exchange<'a> {
    slot: u64,
    stream: &'a TcpStream,
    head: Head,
    /// No other request can follow on this connection.
    last: bool,
}

/// Hands the request over and copies the answer back. `known`: the client is logged in.
fn answer(shared: &Shared, exchange: Exchange<'_>, known: &mut bool) -> Result<After, Refused> {
    let Exchange { slot, stream, head, last } = exchange;
    let came = Instant::now();
    let lane = (shared.setup.lane_of)(&head.request);
    let Some(permits) = shared.permits.get(lane.index()) else { return Ok(After::Gone) };
    // Working for a client that has gone would keep others waiting.
    if wire::is_gone(stream) {
        return Ok(After::Gone);
    }
    let credential = shared.credentials.of(&head.request);
    let counts_as_known = *known || shared.credentials.knows(credential, came);
    let at_work = match permits.take(counts_as_known, || wire::is_gone(stream)) {
        Ok(at_work) => at_work,
        Err(NoPermit::Gone) => return Ok(After::Gone),
        Err(NoPermit::Full) => {
            return Err(Refused::new(503, "the server is busy; try again in a moment"));
        }
    };
    shared.setup.counts.passed.fetch_add(1, Ordering::Relaxed);
    let (bodyless, is_safe) = (head.request.method == Method::Head, head.request.method.is_safe());
    let watch = Watch::default();
    let logged_in = Arc::new(AtomicBool::new(false));
    let known_by = Arc::clone(&logged_in);
    let handed =
        Handed { request: head.request, lane, came, known: known_by, watch: watch.clone() };
    let time = permits.limits().answer_time.saturating_sub(came.elapsed());
    let ticket = shared.setup.handover.put(handed);
    let forwarding =
        Forwarding { bodyless, answer_time: time, is_hopeless: &|| watch.is_hopeless() };
    let answer = relay::forward(&shared.setup.backend, at_work, ticket, forwarding);
    let mut answer = answer.map_err(|error| match (error.kind(), is_safe) {
        (ErrorKind::HostUnreachable, true) => {
            Refused::new(503, "the store does not answer; try again in a moment")
        }
        (ErrorKind::HostUnreachable, false) => Refused::new(503, UNCONFIRMED),
        _ => Refused::new(503, "no answer could be made"),
    })?;
    let logged_in = logged_in.load(Ordering::SeqCst);
    if logged_in || answer.head.starts_with(b"HTTP/1.1 401") {
        shared.credentials.note(credential, logged_in, Instant::now());
    }
    if logged_in && !*known {
        *known = true;
        shared.slots(|slots| slots.mark_known(slot, Instant::now()));
    }
    if head.old && answer.framing == Framing::Chunks {
        return Err(Refused::new(505, "this answer is a stream and needs HTTP/1.1"));
    }
    let keep = head.keep_alive && !last && answer.framing != Framing::Chunks;
    let first = answer.beginning(if keep { "connection: keep-alive" } else { "connection: close" });
    shared.set_phase(slot, Phase::Sending);
    let mut sending = Sending::new();
    let moved = || shared.set_phase(slot, Phase::Sending);
    if sending.send(stream, &first, moved).is_err() {
        return Ok(After::Gone);
    }
    drop(first);
    Ok(match answer.pour(|bytes| sending.send(stream, bytes, moved)) {
        Ok(true) if keep => After::Keep,
        Ok(true) => After::Close,
        Ok(false) | Err(_) => After::Gone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_were_used_are_wiped() {
        let mut bytes = b"head|body|next".to_vec();
        cut(&mut bytes, 10);
        assert_eq!(bytes, b"next");
        bytes.resize(14, b'x');
        assert_eq!(bytes, b"nextxxxxxxxxxx");
        cut(&mut bytes, 99);
        assert!(bytes.is_empty());
        let mut grown = Zeroizing::new(Vec::new());
        for part in [&b"a"[..], b"", b"secret", &[b'z'; 100]] {
            extend(&mut grown, part);
        }
        assert_eq!(grown.len(), 107);
        assert!(grown.starts_with(b"asecretz"));
    }
}
