//! The guard owns the public socket. Only whole, unambiguous requests get past it.
//!
//! One thread accepts. Each connection has a thread, which reads head and body under absolute
//! deadlines, refuses what is malformed, hands the request over and copies the answer back. Nothing
//! that a client sends makes it allocate without bound, wait forever or stop.

mod connection;
mod credentials;
pub mod head;
pub mod limits;
mod permits;
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

use crossbeam_channel::{Receiver, Sender};

use self::credentials::Credentials;
use self::head::Refused;
use self::limits::{ADMIT_TIME, Caps, DRAIN_TIME};
use self::permits::Permits;
use self::slots::{Admitted, Phase, Slots};
use super::handover::Handover;
use super::http::Request;
use super::lane::Lane;

/// Enough to parse and copy.
const STACK: usize = 256 * 1024;
/// Interval at which a waiting connection retries.
const POLL: Duration = Duration::from_millis(10);
/// How long a thread waits for another connection. Under a flood of connections, starting a thread
/// for each takes half of the server's processor time.
const THREAD_IDLE: Duration = Duration::from_secs(10);
/// Connections waiting to be accepted.
const BACKLOG: i32 = 1_024;
/// Longest pause after an error while accepting.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub struct Counts {
    pub accepted: AtomicU64,
    /// Connections for which there was no slot.
    pub refused_busy: AtomicU64,
    /// Requests that the guard answered itself.
    pub refused: AtomicU64,
    /// Requests that were handed over.
    pub passed: AtomicU64,
    pub accept_errors: AtomicU64,
}

pub type LaneOf = Box<dyn Fn(&Request) -> Lane + Send + Sync>;
pub type SpeaksForMany = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;
/// Called with client, request id and reason.
pub type OnRefused = Box<dyn Fn(IpAddr, &str, &Refused) + Send + Sync>;

pub struct Setup {
    pub caps: Caps,
    /// The private socket of tiny_http.
    pub backend: PathBuf,
    pub handover: Arc<Handover>,
    pub lane_of: LaneOf,
    /// Tells if an address stands for many clients, as proxies do.
    pub speaks_for_many: SpeaksForMany,
    pub on_refused: OnRefused,
    pub counts: Arc<Counts>,
}

/// A connection with its slot.
struct Admission {
    stream: Arc<TcpStream>,
    slot: u64,
    peer: IpAddr,
}

struct Shared {
    setup: Setup,
    /// Hands a connection to a thread that waits for one.
    to_idle: Sender<Admission>,
    idle: Receiver<Admission>,
    slots: Mutex<Slots>,
    left: Condvar,
    permits: [Permits; Lane::ALL.len()],
    credentials: Credentials,
    stopping: AtomicBool,
}

impl Shared {
    fn slots<T>(&self, act: impl FnOnce(&mut Slots) -> T) -> T {
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_phase(&self, id: u64, phase: Phase) {
        self.slots(|slots| slots.set_phase(id, phase, Instant::now()));
    }

    fn leave(&self, id: u64) {
        self.slots(|slots| slots.remove(id));
        self.left.notify_one();
    }

    /// Waits a moment for a slot; meanwhile further connections wait in the backlog, where none is
    /// refused.
    fn admit(&self, stream: &Arc<TcpStream>, peer: IpAddr) -> Option<u64> {
        // Loopback speaks for many, too: local users, programs and proxies.
        let many = peer.is_loopback() || (self.setup.speaks_for_many)(peer);
        let until = Instant::now() + ADMIT_TIME;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            match slots.admit(stream, peer, many, now) {
                Admitted::Placed(slot) => return Some(slot),
                Admitted::TooMany => return None,
                Admitted::NotNow if now >= until || self.is_stopping() => return None,
                Admitted::NotNow => {
                    let time = until.saturating_duration_since(now).min(POLL);
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

pub struct Guard {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

impl Guard {
    pub fn start(listener: TcpListener, setup: Setup) -> io::Result<Self> {
        let address = listener.local_addr()?;
        // The standard library's backlog is short; clients beyond it would retry after a second.
        rustix::net::listen(&listener, BACKLOG)?;
        let (to_idle, idle) = crossbeam_channel::bounded(0);
        let shared = Arc::new(Shared {
            to_idle,
            idle,
            slots: Mutex::new(Slots::new(setup.caps)),
            left: Condvar::new(),
            permits: Lane::ALL.map(|lane| Permits::new(lane.limits(setup.caps.threads))),
            credentials: Credentials::default(),
            stopping: AtomicBool::new(false),
            setup,
        });
        let own = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new()
            .name("accept".into())
            .spawn(move || accept(&own, &listener))?;
        Ok(Self { address, shared, acceptor })
    }

    pub fn is_alive(&self) -> bool {
        !self.acceptor.is_finished()
    }

    /// Stops accepting and waits for in-flight requests; whether all finished in time.
    pub fn drain(self) -> bool {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Connect to wake the blocked `accept`.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        let deadline = Instant::now() + DRAIN_TIME;
        while !self.acceptor.is_finished() && Instant::now() < deadline {
            let _ = TcpStream::connect_timeout(&address, Duration::from_millis(100));
            std::thread::sleep(Duration::from_millis(5));
        }
        while Instant::now() < deadline {
            let left = self.shared.slots(|slots| {
                slots.close_waiting();
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

/// Accepts until the server stops. No error ends it: missing resources may be back soon.
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
                    // Probably out of files: close an idle connection to get one back.
                    shared.slots(|slots| slots.evict(Instant::now(), None));
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE);
                }
            }
        }
    }
}

fn receive(shared: &Arc<Shared>, stream: TcpStream, peer: IpAddr) {
    shared.setup.counts.accepted.fetch_add(1, Ordering::Relaxed);
    let stream = Arc::new(stream);
    let slot = shared.admit(&stream, peer);
    let Some(slot) = slot else {
        shared.setup.counts.refused_busy.fetch_add(1, Ordering::Relaxed);
        wire::refuse_busy(&stream);
        return;
    };
    let admission = Admission { stream: Arc::clone(&stream), slot, peer };
    let Err(unsent) = shared.to_idle.try_send(admission) else { return };
    let (own, mut admission) = (Arc::clone(shared), unsent.into_inner());
    let spawned =
        std::thread::Builder::new().name("client".into()).stack_size(STACK).spawn(move || {
            loop {
                let Admission { stream, slot, peer } = admission;
                // A panic is a bug; it must end only this connection.
                let serve = || connection::serve(&own, slot, &stream, peer);
                let _ = catch_unwind(AssertUnwindSafe(serve));
                drop(stream);
                own.leave(slot);
                match own.idle.recv_timeout(THREAD_IDLE) {
                    Ok(next) => admission = next,
                    Err(_) => break,
                }
            }
        });
    if spawned.is_err() {
        shared.leave(slot);
        shared.setup.counts.refused_busy.fetch_add(1, Ordering::Relaxed);
        wire::refuse_busy(&stream);
    }
}
