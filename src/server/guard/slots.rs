//! Who is connected, who may come, and who must go first when there is no room.
//!
//! A stranger who only occupies places loses them: when all are taken, the connection that has
//! kept us waiting longest is closed, those that never sent a whole request before the others. So a
//! flood of idle or slow connections costs its sender sockets and nobody else a request.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::Caps;

/// How long a client may stand still in the middle of an answer before its place can be taken.
const STALLED: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// We wait for the client's bytes.
    Receiving,
    /// The handlers are at it.
    Working,
    /// The client waits for ours, or does not take them.
    Sending,
}

struct Entry {
    stream: Arc<TcpStream>,
    address: IpAddr,
    phase: Phase,
    since: Instant,
    served: bool,
    evicted: bool,
}

/// The connections there are.
pub struct Slots {
    caps: Caps,
    next: u64,
    entries: HashMap<u64, Entry>,
}

/// What counts as one client: an IPv4 address, or the network that an IPv6 client has for itself.
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64))
        }
        other => other,
    }
}

impl Slots {
    /// No connections yet.
    pub fn new(caps: Caps) -> Self {
        Self { caps, next: 0, entries: HashMap::new() }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Gives a new connection its place, at another's cost if need be; `None` if there is none to be
    /// had. `many` says that the address speaks for many clients.
    pub fn admit(
        &mut self,
        stream: &Arc<TcpStream>,
        address: IpAddr,
        many: bool,
        now: Instant,
    ) -> Option<u64> {
        let address = client(address);
        // Evicted connections still hold a file until their thread notices.
        if self.entries.len() >= self.caps.connections + self.caps.connections / 4 {
            return None;
        }
        let own = self.standing().filter(|entry| entry.address == address).count();
        if !many && own >= self.caps.per_address && !self.evict(now, Some(address)) {
            return None;
        }
        if self.standing().count() >= self.caps.connections && !self.evict(now, None) {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let entry = Entry {
            stream: Arc::clone(stream),
            address,
            phase: Phase::Receiving,
            since: now,
            served: false,
            evicted: false,
        };
        self.entries.insert(id, entry);
        Some(id)
    }

    fn standing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.evicted)
    }

    /// Closes the connection that has kept us waiting longest, of this client if one is given.
    pub fn evict(&mut self, now: Instant, only: Option<IpAddr>) -> bool {
        let waits = |entry: &Entry| match entry.phase {
            Phase::Receiving => true,
            Phase::Working => false,
            Phase::Sending => now.saturating_duration_since(entry.since) >= STALLED,
        };
        let found = self
            .entries
            .values_mut()
            .filter(|entry| !entry.evicted && waits(entry))
            .filter(|entry| only.is_none_or(|address| entry.address == address))
            .min_by_key(|entry| (entry.served, entry.since));
        let Some(entry) = found else { return false };
        entry.evicted = true;
        // Its thread finds the end of the stream and goes.
        let _ = entry.stream.shutdown(Shutdown::Both);
        true
    }

    /// Remembers what a connection is doing from now on.
    pub fn turn(&mut self, id: u64, phase: Phase, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.served |= phase != Phase::Receiving;
            entry.phase = phase;
            entry.since = now;
        }
    }

    /// Takes a connection's place back.
    pub fn leave(&mut self, id: u64) {
        self.entries.remove(&id);
    }

    /// Closes every connection that waits for a request: the server stops.
    pub fn dismiss(&mut self) {
        for entry in self.entries.values().filter(|entry| entry.phase == Phase::Receiving) {
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Arc::new(listener.accept().unwrap().0), client)
    }

    const CAPS: Caps = Caps { connections: 4, per_address: 2, at_work: 2 };

    #[test]
    fn the_one_that_waits_longest_makes_room() {
        let mut slots = Slots::new(CAPS);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut clients = Vec::new();
        let mut come = |slots: &mut Slots, address: &str, seconds| {
            let (stream, client) = pair();
            clients.push(client);
            slots.admit(&stream, address.parse().unwrap(), false, at(seconds))
        };
        let a = come(&mut slots, "10.0.0.1", 0).unwrap();
        let b = come(&mut slots, "10.0.0.1", 1).unwrap();
        slots.turn(a, Phase::Working, at(2));
        slots.turn(a, Phase::Receiving, at(2));
        // The third of one address costs that address its connection without a request.
        let c = come(&mut slots, "10.0.0.1", 3).unwrap();
        assert!(slots.entries[&b].evicted && !slots.entries[&a].evicted);
        slots.leave(b);
        // Whoever works or takes its answer keeps its place.
        slots.turn(a, Phase::Working, at(4));
        slots.turn(c, Phase::Sending, at(4));
        assert_eq!(come(&mut slots, "10.0.0.1", 4), None);
        assert!(come(&mut slots, "10.0.0.1", 6).is_some(), "a stalled reader loses its place");
        assert!(slots.entries[&c].evicted);
        slots.leave(c);
        let mut text = Vec::new();
        clients[1].read_to_end(&mut text).unwrap();
        assert_eq!(text, b"");
    }

    #[test]
    fn in_all_there_are_no_more_than_the_cap() {
        let mut slots = Slots::new(CAPS);
        let now = Instant::now();
        let mut kept = Vec::new();
        for number in 0..4 {
            let (stream, client) = pair();
            let address = IpAddr::from([10, 0, 0, number]);
            let id = slots.admit(&stream, address, false, now).unwrap();
            slots.turn(id, Phase::Working, now);
            kept.push((stream, client));
        }
        let (stream, _client) = pair();
        assert_eq!(slots.admit(&stream, IpAddr::from([10, 0, 1, 1]), true, now), None);
        assert_eq!(slots.len(), 4);
    }

    #[test]
    fn a_network_is_one_client() {
        let parse = |text: &str| client(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_eq!(parse("::1"), parse("::1"));
    }
}
