//! One connection: request after request, one at a time.

use std::net::{IpAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Instant;

use uuid::Uuid;

use crate::server::http::Method;

use super::Shared;
use super::head::{self, Head, Refused, Scan};
use super::limits::{BODY_TIME, HEAD_BYTES, HEAD_TIME, IDLE_TIME, PLACE_TIME, REQUESTS};
use super::relay::{self, Framing};
use super::slots::Phase;
use super::wire::{self, Came, Sending};

/// How a request ended for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The next one may come.
    Keep,
    /// The answer was the last.
    Close,
    /// There is nobody left to talk to.
    Gone,
}

/// Serves a client until it goes or has to go.
pub fn serve(shared: &Shared, place: u64, stream: &TcpStream, peer: IpAddr) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut pending = Vec::new();
    for number in 1..=REQUESTS {
        shared.turn(place, Phase::Receiving);
        let id = Uuid::now_v7().to_string();
        let request = match receive(stream, &mut pending) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refused) => {
                shared.setup.counts.refused.fetch_add(1, Ordering::Relaxed);
                (shared.setup.on_refused)(peer, &id, &refused);
                return wire::refuse(stream, refused, &id);
            }
        };
        shared.turn(place, Phase::Working);
        let last = number == REQUESTS || shared.is_stopping();
        match answer(shared, place, stream, &request, peer, &id, last) {
            Ok(After::Keep) => {}
            Ok(After::Close) => {
                shared.turn(place, Phase::Receiving);
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

/// A request as it came.
struct Request {
    head: Head,
    body: Vec<u8>,
}

/// Reads the next request; `None` if the client has gone or stayed silent. What came beyond it
/// stays in `pending`.
fn receive(stream: &TcpStream, pending: &mut Vec<u8>) -> Result<Option<Request>, Refused> {
    let mut buffer = [0; 8 * 1024];
    let mut scan = Scan::default();
    let mut deadline = Instant::now() + if pending.is_empty() { IDLE_TIME } else { HEAD_TIME };
    let length = loop {
        if let Some(length) = scan.look(pending)? {
            break length;
        }
        if pending.len() >= HEAD_BYTES {
            return Err(Refused::new(431, "the head of the request is too long"));
        }
        let room = (HEAD_BYTES - pending.len()).min(buffer.len());
        match wire::read(stream, buffer.get_mut(..room).unwrap_or_default(), deadline) {
            Came::Bytes(read) => {
                if pending.is_empty() {
                    deadline = Instant::now() + HEAD_TIME;
                }
                pending.extend_from_slice(buffer.get(..read).unwrap_or_default());
            }
            Came::Late if !pending.is_empty() => {
                return Err(Refused::new(408, "the head of the request took too long"));
            }
            Came::End | Came::Late => return Ok(None),
        }
    };
    let head = head::parse(pending.get(..length).unwrap_or_default())?;
    pending.drain(..length);
    let body = body(stream, &head, pending)?;
    Ok(body.map(|body| Request { head, body }))
}

fn body(
    stream: &TcpStream,
    head: &Head,
    pending: &mut Vec<u8>,
) -> Result<Option<Vec<u8>>, Refused> {
    let missing = head.length.saturating_sub(pending.len());
    if head.waits && missing > 0 {
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        if Sending::new().send(stream, go_on, || {}).is_err() {
            return Ok(None);
        }
    }
    // Grown as bytes come: a length that is only announced costs nothing.
    let mut body: Vec<u8> = pending.drain(..head.length.min(pending.len())).collect();
    let deadline = Instant::now() + BODY_TIME;
    let mut buffer = [0; 16 * 1024];
    while body.len() < head.length {
        let room = (head.length - body.len()).min(buffer.len());
        match wire::read(stream, buffer.get_mut(..room).unwrap_or_default(), deadline) {
            Came::Bytes(read) => body.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Came::Late => return Err(Refused::new(408, "the body of the request took too long")),
            Came::End => return Ok(None),
        }
    }
    Ok(Some(body))
}

/// Passes the request on and copies the answer back.
fn answer(
    shared: &Shared,
    place: u64,
    stream: &TcpStream,
    request: &Request,
    peer: IpAddr,
    id: &str,
    last: bool,
) -> Result<After, Refused> {
    let Some(at_work) = shared.places.take(PLACE_TIME) else {
        return Err(Refused::new(503, "too much to do; try again in a moment"));
    };
    shared.setup.counts.passed.fetch_add(1, Ordering::Relaxed);
    let canonical = request.head.canonical(&peer.to_string(), id);
    let bodyless = request.head.method == Method::Head;
    let backend = &shared.setup.backend;
    let mut answer = relay::ask(backend, at_work, &canonical, &request.body, bodyless)
        .map_err(|_| Refused::new(503, "no answer could be made"))?;
    if request.head.old && answer.framing == Framing::Chunks {
        return Err(Refused::new(505, "this answer is a stream, which takes HTTP/1.1"));
    }
    let keep = request.head.keep_alive && !last && answer.framing != Framing::Chunks;
    let first = answer.beginning(if keep { "connection: keep-alive" } else { "connection: close" });
    shared.turn(place, Phase::Sending);
    let mut sending = Sending::new();
    let moved = || shared.turn(place, Phase::Sending);
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
