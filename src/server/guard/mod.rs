//! The guard: it owns the public socket, and nothing reaches the HTTP library but whole, canonical
//! requests.
//!
//! One thread accepts; each connection has a thread of its own that reads a head and a body under
//! absolute deadlines, refuses what is malformed, hands the request to the library over a private
//! socket and copies the answer back. It never interprets what a request asks for, and nothing that
//! a client sends can make it allocate without bound, wait without end, or stop.

mod connection;
pub mod head;
pub mod limits;
mod places;
pub mod relay;
mod slots;
mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::head::Refused;
use self::limits::{Caps, DOOR_TIME, DRAIN_TIME};
use self::places::Places;
use self::slots::{Admitted, Phase, Slots};
use super::handover::Handover;
use super::http::Request;
use super::lane::Lane;

/// A stack for a thread that parses and copies.
const STACK: usize = 256 * 1024;
/// How often a connection that waits for a place looks for one.
const LOOK: Duration = Duration::from_millis(10);
/// Connections that wait before they are accepted.
const BACKLOG: i32 = 1_024;
/// How long accepting pauses after an error, at most.
const PAUSE: Duration = Duration::from_millis(200);

/// What the guard did, for the metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: AtomicU64,
    /// Connections for which there was no place.
    pub turned_away: AtomicU64,
    /// Requests that were not passed on.
    pub refused: AtomicU64,
    /// Requests that were passed on.
    pub passed: AtomicU64,
    /// Errors while accepting.
    pub accept_errors: AtomicU64,
}

pub type LaneOf = Box<dyn Fn(&Request) -> Lane + Send + Sync>;
/// Says whether an address speaks for many clients.
pub type SpeaksForMany = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;
/// Hears of a request that was not passed on: client, request id, why.
pub type OnRefused = Box<dyn Fn(IpAddr, &str, &Refused) + Send + Sync>;

/// What the guard needs to know.
pub struct Setup {
    /// How many at once.
    pub caps: Caps,
    /// The private socket of tiny_http.
    pub backend: PathBuf,
    pub handover: Arc<Handover>,
    pub lane_of: LaneOf,
    /// Says whether an address speaks for many clients: a proxy.
    pub speaks_for_many: SpeaksForMany,
    /// Hears of every request that was not passed on: client, request id, why.
    pub on_refused: OnRefused,
    /// What the guard did.
    pub counts: Arc<Counts>,
}

struct Shared {
    setup: Setup,
    slots: Mutex<Slots>,
    /// Somebody has left.
    left: Condvar,
    /// The places of each lane.
    places: [Places; Lane::ALL.len()],
    stopping: AtomicBool,
}

impl Shared {
    fn slots<T>(&self, act: impl FnOnce(&mut Slots) -> T) -> T {
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn turn(&self, id: u64, phase: Phase) {
        self.slots(|slots| slots.turn(id, phase, Instant::now()));
    }

    fn leave(&self, id: u64) {
        self.slots(|slots| slots.leave(id));
        self.left.notify_one();
    }

    /// Gives a new connection its place, waiting a moment for one: meanwhile the next wait before the
    /// door, where nobody is turned away.
    fn admit(&self, stream: &Arc<TcpStream>, peer: IpAddr) -> Option<u64> {
        // Loopback is this machine's own people, programs and proxies.
        let many = peer.is_loopback() || (self.setup.speaks_for_many)(peer);
        let until = Instant::now() + DOOR_TIME;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            match slots.admit(stream, peer, many, now) {
                Admitted::Placed(place) => return Some(place),
                Admitted::TooMany => return None,
                Admitted::NotNow if now >= until || self.is_stopping() => return None,
                Admitted::NotNow => {
                    let time = until.saturating_duration_since(now).min(LOOK);
                    let waited = self.left.wait_timeout(slots, time);
                    slots = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// A guard at work.
pub struct Guard {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

impl Guard {
    /// Begins to accept connections.
    ///
    /// # Errors
    /// The system gives no thread, or the listener has no address.
    pub fn start(listener: TcpListener, setup: Setup) -> io::Result<Self> {
        let address = listener.local_addr()?;
        // The standard library lets only a few wait; those beyond would try again after a second.
        rustix::net::listen(&listener, BACKLOG)?;
        let shared = Arc::new(Shared {
            slots: Mutex::new(Slots::new(setup.caps)),
            left: Condvar::new(),
            places: Lane::ALL.map(|lane| Places::new(lane.limits(setup.caps.threads))),
            stopping: AtomicBool::new(false),
            setup,
        });
        let own = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new()
            .name("accept".into())
            .spawn(move || accept(&own, &listener))?;
        Ok(Self { address, shared, acceptor })
    }

    /// Whether it still accepts.
    pub fn is_alive(&self) -> bool {
        !self.acceptor.is_finished()
    }

    /// Stops accepting, lets the requests at work come to their end, and says whether they all did.
    pub fn drain(self) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor waits for somebody: that is us.
        let mut door = self.address;
        if door.ip().is_unspecified() {
            door.set_ip(match door.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let deadline = Instant::now() + DRAIN_TIME;
        while !self.acceptor.is_finished() && Instant::now() < deadline {
            let _ = TcpStream::connect_timeout(&door, Duration::from_millis(100));
            std::thread::sleep(Duration::from_millis(5));
        }
        while Instant::now() < deadline {
            let left = self.shared.slots(|slots| {
                slots.dismiss();
                slots.len()
            });
            if left == 0 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

/// Accepts until the server stops. No error ends it: whatever is missing now may be there soon.
fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut pause = Duration::from_millis(5);
    while !shared.is_stopping() {
        match listener.accept() {
            Ok((stream, peer)) => {
                pause = Duration::from_millis(5);
                if !shared.is_stopping() {
                    receive(shared, stream, peer.ip().to_canonical());
                }
            }
            Err(error) => {
                shared.setup.counts.accept_errors.fetch_add(1, Ordering::Relaxed);
                let passing = matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                );
                if !passing {
                    // Most likely there are no files left; somebody who only waits gives one back.
                    shared.slots(|slots| slots.evict(Instant::now(), None));
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE);
                }
            }
        }
    }
}

/// Gives a connection its thread, or turns it away.
fn receive(shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr) {
    shared.setup.counts.accepted.fetch_add(1, Ordering::Relaxed);
    let stream = Arc::new(stream);
    let place = shared.admit(&stream, peer);
    let Some(place) = place else {
        shared.setup.counts.turned_away.fetch_add(1, Ordering::Relaxed);
        wire::turn_away(&stream);
        return;
    };
    let (own, its) = (Arc::clone(shared), Arc::clone(&stream));
    let spawned =
        std::thread::Builder::new().name("client".into()).stack_size(STACK).spawn(move || {
            // A panic here is a bug of ours; it costs this connection and no other.
            let _ = catch_unwind(AssertUnwindSafe(|| connection::serve(&own, place, &its, peer)));
            own.leave(place);
        });
    if spawned.is_err() {
        shared.leave(place);
        shared.setup.counts.turned_away.fetch_add(1, Ordering::Relaxed);
        wire::turn_away(&stream);
    }
}
