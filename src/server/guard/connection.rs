//! One connection: request after request, one at a time.

use std::net::{IpAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Instant;

use uuid::Uuid;

use crate::server::http::Method;

use super::Shared;
use super::head::{self, Head, Refused, Scan};
use super::limits::{BODY_TIME, HEAD_BYTES, HEAD_TIME, IDLE_TIME, REQUESTS};
use super::places::NoPlace;
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
    let mut known = false;
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
        let asked = Asked { place, stream, peer, id: &id, known, last };
        match answer(shared, &asked, &request, &mut known) {
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

/// A request and where it came from.
struct Asked<'a> {
    place: u64,
    stream: &'a TcpStream,
    peer: IpAddr,
    id: &'a str,
    /// The client was logged in when it last asked.
    known: bool,
    /// No other request can follow on this connection.
    last: bool,
}

/// Passes the request on and copies the answer back.
fn answer(
    shared: &Shared,
    asked: &Asked<'_>,
    request: &Request,
    known: &mut bool,
) -> Result<After, Refused> {
    let Asked { place, stream, .. } = *asked;
    let began = Instant::now();
    let lane = (shared.setup.lane_of)(request.head.method, &request.head.target);
    let Some(places) = shared.places.get(lane.index()) else { return Ok(After::Gone) };
    // Work for a client that has gone is work that others wait for.
    if wire::is_gone(stream) {
        return Ok(After::Gone);
    }
    let at_work = match places.take(asked.known, || wire::is_gone(stream)) {
        Ok(at_work) => at_work,
        Err(NoPlace::Gone) => return Ok(After::Gone),
        Err(NoPlace::Full) => {
            return Err(Refused::new(503, "too much to do; try again in a moment"));
        }
    };
    shared.setup.counts.passed.fetch_add(1, Ordering::Relaxed);
    let peer = asked.peer.to_string();
    let canonical = request.head.canonical(&peer, asked.id, lane, began.elapsed());
    let bodyless = request.head.method == Method::Head;
    let backend = &shared.setup.backend;
    let time = places.limits().answer_time.saturating_sub(began.elapsed());
    let mut answer = relay::ask(backend, at_work, &canonical, &request.body, bodyless, time)
        .map_err(|_| Refused::new(503, "no answer could be made"))?;
    if answer.known && !asked.known {
        *known = true;
        shared.slots(|slots| slots.know(place, Instant::now()));
    }
    if request.head.old && answer.framing == Framing::Chunks {
        return Err(Refused::new(505, "this answer is a stream, which takes HTTP/1.1"));
    }
    let keep = request.head.keep_alive && !asked.last && answer.framing != Framing::Chunks;
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
