//! Connection slots: which connections are admitted, and which are closed first when there is no
//! room.
//!
//! Connections that send no whole request, are idle or don't read their answer are closed first.
//! Clients who are logged in keep theirs, and so do new connections while their request arrives. So
//! a flood of idle, slow or empty connections delays only its sender.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::Caps;
use super::wire;

/// A client that reads nothing of its answer for this long may lose its slot.
const STALLED: Duration = Duration::from_secs(1);
/// The same for a client who is logged in.
const STALLED_KNOWN: Duration = Duration::from_secs(10);
/// Time in which a new or just used connection should send a request.
const FRESH: Duration = Duration::from_secs(1);
/// How long an address counts as one where users log in.
const REMEMBERED: Duration = Duration::from_secs(30 * 60);
const ADDRESSES: usize = 1_024;
/// Candidates that are checked for a request that has just arrived.
const LOOKED_AT: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for bytes of the client.
    Receiving,
    /// A handler works.
    Working,
    /// Sends the answer.
    Sending,
}

struct Entry {
    stream: Arc<TcpStream>,
    address: IpAddr,
    phase: Phase,
    since: Instant,
    /// Has sent a whole request.
    served: bool,
    /// The client is logged in.
    known: bool,
    evicted: bool,
}

pub struct Slots {
    caps: Caps,
    next: u64,
    entries: HashMap<u64, Entry>,
    /// Addresses where users have logged in, with the last time.
    known: HashMap<IpAddr, Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    Placed(u64),
    /// No slot at the moment.
    NotNow,
    /// The address has too many connections.
    TooMany,
}

/// One client is an IPv4 address, or an IPv6 /64 network.
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64))
        }
        other => other,
    }
}

/// In this order connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// No whole request for a while, or does not read its answer.
    Idle,
    /// Used, but not recently.
    Kept,
    /// New, and new ones exceed their share.
    Surplus,
    /// Just used.
    Used,
    New,
    /// Logged in, if most are.
    Known,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    fresh_are_many: bool,
    known_are_many: bool,
}

impl Entry {
    /// `None` if it must stay.
    fn rank(&self, now: Instant, rule: Rule) -> Option<Rank> {
        let stands = now.saturating_duration_since(self.since);
        match self.phase {
            Phase::Working => None,
            Phase::Sending => {
                let stalled = if self.known { STALLED_KNOWN } else { STALLED };
                (stands >= stalled).then_some(Rank::Idle)
            }
            Phase::Receiving if self.known => rule.known_are_many.then_some(Rank::Known),
            Phase::Receiving if !self.served => Some(match stands >= FRESH {
                true => Rank::Idle,
                false if rule.fresh_are_many => Rank::Surplus,
                false => Rank::New,
            }),
            Phase::Receiving => Some(if stands >= FRESH { Rank::Kept } else { Rank::Used }),
        }
    }
}

impl Slots {
    pub fn new(caps: Caps) -> Self {
        Self { caps, next: 0, entries: HashMap::new(), known: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Admits a new connection, closing another if necessary. `many`: the address speaks for many
    /// clients.
    pub fn admit(
        &mut self,
        stream: &Arc<TcpStream>,
        address: IpAddr,
        many: bool,
        now: Instant,
    ) -> Admitted {
        let address = client(address);
        // Evicted connections hold a file until their thread notices.
        if self.entries.len() >= self.caps.connections + self.caps.connections / 4 {
            return Admitted::NotNow;
        }
        let own = self.standing().filter(|entry| entry.address == address).count();
        if !many && own >= self.caps.per_address && !self.evict(now, Some(address)) {
            return Admitted::TooMany;
        }
        // The last slots are reserved for addresses where users have logged in.
        let reserved = if self.knows(address, now) { 0 } else { self.caps.connections / 8 };
        let most = self.caps.connections - reserved;
        if self.standing().count() >= most && !self.evict(now, None) {
            return Admitted::NotNow;
        }
        let id = self.next;
        self.next += 1;
        let entry = Entry {
            stream: Arc::clone(stream),
            address,
            phase: Phase::Receiving,
            since: now,
            served: false,
            known: false,
            evicted: false,
        };
        self.entries.insert(id, entry);
        Admitted::Placed(id)
    }

    fn standing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| !entry.evicted)
    }

    fn knows(&self, address: IpAddr, now: Instant) -> bool {
        let seen = self.known.get(&address);
        seen.is_some_and(|seen| now.saturating_duration_since(*seen) < REMEMBERED)
    }

    pub fn mark_known(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.known = true;
        let address = entry.address;
        if self.known.len() >= ADDRESSES && !self.known.contains_key(&address) {
            self.known.retain(|_, seen| now.saturating_duration_since(*seen) < REMEMBERED);
            if self.known.len() >= ADDRESSES {
                self.known.clear();
            }
        }
        self.known.insert(address, now);
    }

    /// Closes the connection of lowest rank, of this client if given; false if there is none.
    pub fn evict(&mut self, now: Instant, only: Option<IpAddr>) -> bool {
        let (mut fresh, mut known) = (0, 0);
        for entry in self.standing().filter(|entry| only.is_none_or(|only| entry.address == only)) {
            fresh += usize::from(entry.phase == Phase::Receiving && !entry.served);
            known += usize::from(entry.known);
        }
        let room = if only.is_some() { self.caps.per_address } else { self.caps.connections };
        let rule = Rule { fresh_are_many: fresh > room / 4, known_are_many: known > room / 2 };
        let mut spared: Vec<(Rank, Instant, u64)> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.evicted)
            .filter(|(_, entry)| only.is_none_or(|address| entry.address == address))
            .filter_map(|(id, entry)| Some((entry.rank(now, rule)?, entry.since, *id)))
            .collect();
        // Sorting all of them is the costly part under a flood of connections.
        if spared.len() > LOOKED_AT {
            spared.select_nth_unstable(LOOKED_AT);
            spared.truncate(LOOKED_AT);
        }
        spared.sort_unstable();
        // Prefer a connection without a request that has just arrived, or that a busy server has
        // not read yet.
        let quiet = spared.iter().find(|(_, _, id)| {
            self.entries.get(id).is_some_and(|entry| {
                entry.phase == Phase::Sending || !wire::has_bytes(&entry.stream)
            })
        });
        let Some((_, _, id)) = quiet.or(spared.first()) else { return false };
        let Some(entry) = self.entries.get_mut(id) else { return false };
        entry.evicted = true;
        // Its thread sees the end of the stream and exits.
        let _ = entry.stream.shutdown(Shutdown::Both);
        true
    }

    pub fn set_phase(&mut self, id: u64, phase: Phase, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.served |= phase != Phase::Receiving;
            entry.phase = phase;
            entry.since = now;
        }
    }

    pub fn remove(&mut self, id: u64) {
        self.entries.remove(&id);
    }

    /// Closes the connections that wait for a request.
    pub fn close_waiting(&mut self) {
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

    const CAPS: Caps = Caps { connections: 4, per_address: 2, threads: 2 };

    /// Slots with their clients; times are milliseconds since the start.
    struct Table {
        slots: Slots,
        start: Instant,
        clients: HashMap<u64, TcpStream>,
    }

    impl Table {
        fn new(caps: Caps) -> Self {
            Self { slots: Slots::new(caps), start: Instant::now(), clients: HashMap::new() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn try_come(&mut self, address: &str, ms: u64) -> Admitted {
            let (stream, client) = pair();
            let now = self.at(ms);
            let admitted = self.slots.admit(&stream, address.parse().unwrap(), false, now);
            if let Admitted::Placed(id) = admitted {
                self.clients.insert(id, client);
            }
            admitted
        }

        fn come(&mut self, address: &str, ms: u64) -> u64 {
            match self.try_come(address, ms) {
                Admitted::Placed(id) => id,
                refused => panic!("{refused:?}"),
            }
        }

        fn set_phase(&mut self, id: u64, phase: Phase, ms: u64) {
            let now = self.at(ms);
            self.slots.set_phase(id, phase, now);
        }

        /// Sends a request and gets its answer.
        fn ask(&mut self, id: u64, ms: u64) {
            self.set_phase(id, Phase::Working, ms);
            self.set_phase(id, Phase::Receiving, ms);
        }

        fn evicted(&mut self) -> Vec<u64> {
            let gone = |(id, entry): (&u64, &Entry)| entry.evicted.then_some(*id);
            let ids: Vec<u64> = self.slots.entries.iter().filter_map(gone).collect();
            ids.iter().for_each(|id| self.slots.remove(*id));
            ids
        }
    }

    #[test]
    fn the_longest_waiting_connection_is_closed() {
        let mut table = Table::new(CAPS);
        let a = table.come("10.0.0.1", 0);
        let b = table.come("10.0.0.1", 1_000);
        table.ask(a, 2_000);
        // A third connection of an address closes its connection without a request.
        let c = table.come("10.0.0.1", 3_000);
        let mut text = Vec::new();
        table.clients.get_mut(&b).unwrap().read_to_end(&mut text).unwrap();
        assert_eq!((table.evicted(), text), (vec![b], vec![]));
        // Connections at work keep their slots.
        table.set_phase(a, Phase::Working, 4_000);
        table.set_phase(c, Phase::Sending, 4_000);
        assert_eq!(table.try_come("10.0.0.1", 4_000), Admitted::TooMany);
        table.come("10.0.0.1", 6_000);
        assert_eq!(table.evicted(), [c], "a stalled reader loses its place");
    }

    #[test]
    fn connections_are_capped() {
        let mut table = Table::new(CAPS);
        for number in 0..4 {
            let id = table.come(&format!("10.0.0.{number}"), 0);
            table.set_phase(id, Phase::Working, 0);
        }
        assert_eq!(table.try_come("10.0.1.1", 0), Admitted::NotNow);
        assert_eq!(table.slots.len(), 4);
    }

    #[test]
    fn idle_connections_are_closed_before_new_ones_and_logged_in_ones_stay() {
        let caps = Caps { connections: 16, per_address: 16, threads: 2 };
        let mut table = Table::new(caps);
        let kept: Vec<u64> = (0..14).map(|_| table.come("10.0.0.1", 0)).collect();
        kept.iter().for_each(|id| table.ask(*id, 0));
        let now = table.at(0);
        table.slots.mark_known(kept[0], now);
        // An address where users log in gets the last slots.
        let first = table.come("10.0.0.1", 2_000);
        let second = table.come("10.0.0.1", 2_000);
        let mut gone = Vec::new();
        let mut newest = 0;
        for number in 0..40 {
            newest = table.come("10.0.0.9", 2_000 + number);
            gone.extend(table.evicted());
        }
        assert!(!gone.contains(&kept[0]), "the one who is logged in");
        assert!(kept[1..].iter().all(|id| gone.contains(id)), "the idle ones are gone");
        let place = |id: u64| gone.iter().position(|one| *one == id).unwrap();
        assert!(place(first) > place(kept[13]) && place(second) > place(kept[13]));
        // A request that has arrived keeps its connection; the oldest silent one is closed.
        use std::io::Write;
        let oldest = *table.slots.entries.keys().filter(|id| **id != kept[0]).min().unwrap();
        table.clients.get_mut(&oldest).unwrap().write_all(b"GET").unwrap();
        while !wire::has_bytes(&table.slots.entries[&oldest].stream) {}
        table.come("10.0.0.9", 2_100);
        let gone = table.evicted();
        assert!(!gone.contains(&oldest) && !gone.contains(&newest), "{gone:?}");
        // Also if a busy server has not read it for a while.
        table.come("10.0.0.9", 4_000);
        assert!(!table.evicted().contains(&oldest));
    }

    #[test]
    fn new_connections_get_a_quarter_of_busy_clients_slots() {
        let caps = Caps { connections: 16, per_address: 16, threads: 2 };
        let mut table = Table::new(caps);
        let busy: Vec<u64> = (0..14).map(|_| table.come("10.0.0.1", 0)).collect();
        busy.iter().for_each(|id| table.ask(*id, 0));
        let mut gone = Vec::new();
        for number in 0..30 {
            table.come(&format!("10.0.1.{number}"), number);
            gone.extend(table.evicted());
        }
        // New connections get at most a quarter of the slots of clients that were just served.
        assert_eq!(busy.iter().filter(|id| gone.contains(id)).count(), 5, "{gone:?}");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let parse = |text: &str| client(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_eq!(parse("::1"), parse("::1"));
    }
}
