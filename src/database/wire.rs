//! The socket to PostgreSQL.
//!
//! A server that is frozen, or cut off from the network, keeps its connections and sends nothing; so does a single
//! session that is stopped or whose packets get lost. So if a thread has a deadline ([`super::patience`]), a read
//! that waits for long asks on a second connection whether the server is there and at work for this session, and
//! fails if not. It waits longer for a session that is busy with a long statement. A stopped process on this machine
//! is reported by the operating system.
//!
//! The client library offers no place for that but its TLS connector, so this is one. It also negotiates TLS, because
//! the library would not call it for an unencrypted connection. Unix sockets never come here: the library allows no
//! TLS on them. There a request asks before it takes a connection, and the thread that answers the request asks while
//! it waits ([`Wiring::is_there`]).

use std::collections::HashMap;
use std::future::Future;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use ::postgres::{Config, SimpleQueryMessage, Socket};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::patience;
use super::url::SslMode;

/// The request for TLS of PostgreSQL's protocol. Any server answers it with one byte.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const PROBE_TIME: Duration = Duration::from_millis(500);
/// Interval of probes; an answer holds for all connections meanwhile.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Silence after which the server is probed.
const QUIET: Duration = Duration::from_secs(1);
/// Added to it, because a statement is sent only after the first poll for its answer.
const MOMENT: Duration = Duration::from_millis(500);
/// The least of that.
const GLANCE: Duration = Duration::from_millis(20);
/// Time that a session must have waited for a statement, while we wait for its answer.
const IDLE: Duration = Duration::from_secs(1);
/// Timeout of looking at the sessions. A slower server proves nothing: it lacks the time to work.
const LOOK_TIME: Duration = Duration::from_millis(700);
/// The sessions of this user that wait for a statement, and seconds since when.
const SESSIONS: &str = "SELECT pid, extract(epoch FROM clock_timestamp() - state_change) \
     FROM pg_stat_activity WHERE usename = current_user AND state LIKE 'idle%'";
/// For how long after its deadline a statement may keep a thread, while the server is there.
const LONGEST: Duration = Duration::from_secs(58);

type TlsMaker = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
type Never = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

/// A probe: its time and its result.
#[derive(Clone, Copy, Debug)]
struct ProbeResult {
    began: Instant,
    ended: Instant,
    answered: bool,
}

/// The sessions that waited for a statement, and for how long, when the server was asked.
struct WaitingSessions {
    began: Instant,
    idle: HashMap<i32, Duration>,
}

/// Finds out whether a server answers, and whether it is at work for a session.
struct Probe {
    host: String,
    port: u16,
    config: Config,
    tls: MakeRustlsConnect,
    mode: SslMode,
    last: Mutex<Option<ProbeResult>>,
    is_asking: Arc<AtomicBool>,
    looked: Mutex<Option<WaitingSessions>>,
}

impl Probe {
    fn answers(&self) -> bool {
        self.answered_since(Instant::now().checked_sub(PROBE_EVERY))
    }

    /// True if the server answered a question put at this time or later. A negative answer is reused for a while, so
    /// that requests do not wait one after the other.
    fn answered_since(&self, since: Option<Instant>) -> bool {
        // Callers that come while another one asks wait for the same answer.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ProbeResult { began, ended, answered }) = *last
            && (since.is_none_or(|since| began >= since)
                || !answered && ended.elapsed() < PROBE_EVERY)
        {
            return answered;
        }
        let began = Instant::now();
        let answered = self.ask().is_ok();
        *last = Some(ProbeResult { began, ended: Instant::now(), answered });
        answered
    }

    /// True if a session that owes us an answer since then is itself waiting for a statement: ours never arrived, or
    /// the answer got lost.
    fn is_idle(self: &Arc<Self>, session: i32, since: Instant) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.as_ref().is_none_or(|looked| looked.began < since + IDLE) {
            let began = Instant::now();
            let idle = self.look().filter(|_| began.elapsed() < LOOK_TIME).unwrap_or_default();
            *looked = Some(WaitingSessions { began, idle });
        }
        let idle = looked.as_ref().and_then(|looked| looked.idle.get(&session));
        idle.is_some_and(|time| *time >= IDLE)
    }

    /// Looks at the sessions, by one of its own. A thread does it, because the caller may be inside the client
    /// library, which then makes no other connection.
    fn look(self: &Arc<Self>) -> Option<HashMap<i32, Duration>> {
        let (probe, (sender, receiver)) = (Arc::clone(self), channel());
        let look = move || -> Result<_, ::postgres::Error> {
            let wiring = Wiring { probe: Arc::clone(&probe), session: Arc::default() };
            let mut client = probe.config.connect(wiring)?;
            let mut idle = HashMap::new();
            for message in client.simple_query(SESSIONS)? {
                let SimpleQueryMessage::Row(row) = message else { continue };
                let (session, seconds) = (row.try_get(0)?, row.try_get(1)?);
                let seconds = seconds.and_then(|text| text.parse().ok());
                let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                idle.extend(session.and_then(|text| text.parse().ok()).zip(time));
            }
            Ok(idle)
        };
        let started = std::thread::Builder::new().name("look".to_owned()).spawn(move || {
            // The request may have given up.
            let _ = sender.send(patience::within(LOOK_TIME, look).ok());
        });
        started.ok()?;
        receiver.recv_timeout(LOOK_TIME).ok().flatten()
    }

    /// True if the session's process is stopped; known only on this machine.
    fn is_stopped(&self, session: i32) -> bool {
        let is_local = self.host.starts_with('/')
            || self.host == "localhost"
            || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        is_local
            && std::fs::read_to_string(format!("/proc/{session}/stat"))
                .is_ok_and(|stat| stat.contains("(postgres) T") || stat.contains("(postgres) t"))
    }

    fn ask(&self) -> io::Result<()> {
        #[cfg(unix)]
        if self.host.starts_with('/') {
            return self.ask_socket();
        }
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let asked = std::net::TcpStream::connect_timeout(&address, PROBE_TIME).and_then(
                |mut socket| {
                    socket.set_read_timeout(Some(PROBE_TIME))?;
                    socket.set_write_timeout(Some(PROBE_TIME))?;
                    socket.write_all(&SSL_REQUEST)?;
                    socket.read_exact(&mut [0])
                },
            );
            match asked {
                Ok(()) => return Ok(()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Asks on a Unix socket. Connecting to one has no timeout, so a thread does it; while that waits, no
    /// other is started.
    #[cfg(unix)]
    fn ask_socket(&self) -> io::Result<()> {
        if self.is_asking.swap(true, Ordering::SeqCst) {
            return Err(no_answer());
        }
        let path = format!("{}/.s.PGSQL.{}", self.host, self.port);
        let (is_asking, (sender, receiver)) = (Arc::clone(&self.is_asking), channel());
        let ask = move || -> io::Result<()> {
            let mut socket = std::os::unix::net::UnixStream::connect(path)?;
            socket.set_read_timeout(Some(PROBE_TIME))?;
            socket.set_write_timeout(Some(PROBE_TIME))?;
            socket.write_all(&SSL_REQUEST)?;
            socket.read_exact(&mut [0])
        };
        let started = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            let asked = ask();
            is_asking.store(false, Ordering::SeqCst);
            // The request may have given up.
            let _ = sender.send(asked);
        });
        if let Err(error) = started {
            self.is_asking.store(false, Ordering::SeqCst);
            return Err(error);
        }
        receiver.recv_timeout(PROBE_TIME * 2).unwrap_or_else(|_| Err(no_answer()))
    }
}

/// Makes the connections of one store.
#[derive(Clone)]
pub struct Wiring {
    probe: Arc<Probe>,
    /// The number of the connection's session, or 0 while it is not known.
    session: Arc<AtomicI32>,
}

impl Wiring {
    /// Connections of this configuration, encrypted as `mode` says.
    pub fn new(
        config: &Config,
        tls: MakeRustlsConnect,
        mode: SslMode,
        host: &str,
        port: u16,
    ) -> Self {
        let probe = Probe {
            host: host.to_owned(),
            port,
            config: config.clone(),
            tls,
            mode,
            last: Mutex::default(),
            is_asking: Arc::default(),
            looked: Mutex::default(),
        };
        Self { probe: Arc::new(probe), session: Arc::default() }
    }

    /// The same for a single connection, whose session is known later.
    pub fn of_one(&self) -> Self {
        Self { probe: Arc::clone(&self.probe), session: Arc::default() }
    }

    /// The server's number of the session.
    pub fn set_session(&self, session: i32) {
        self.session.store(session, Ordering::Relaxed);
    }

    /// True if the session's process is known to be stopped.
    pub fn is_stopped(&self) -> bool {
        self.probe.is_stopped(self.session.load(Ordering::Relaxed))
    }

    /// True if the server answers and the session is not stopped.
    pub fn is_there(&self) -> bool {
        !self.is_stopped() && self.probe.answers()
    }

    /// Asks the server, on another connection.
    pub fn answers(&self) -> bool {
        self.probe.answered_since(Some(Instant::now()))
    }
}

impl MakeTlsConnect<Socket> for Wiring {
    type Stream = Wire;
    type TlsConnect = Connect;
    type Error = Never;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, Never> {
        let mut tls = self.probe.tls.clone();
        let tls = MakeTlsConnect::<Socket>::make_tls_connect(&mut tls, host)?;
        Ok(Connect { tls, wiring: self.clone() })
    }
}

pub struct Connect {
    tls: TlsMaker,
    wiring: Wiring,
}

impl TlsConnect<Socket> for Connect {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let (time, limited) = (patience::left(Duration::MAX), patience::is_limited());
        let negotiated = async move {
            let mode = self.wiring.probe.mode;
            let wire = |stream| Wire { stream, wiring: self.wiring, quiet: None };
            match negotiate(socket, mode).await? {
                (socket, false) => Ok(wire(Stream::Plain(socket))),
                (socket, true) => {
                    Ok(wire(Stream::Tls(Box::new(TlsConnect::connect(self.tls, socket).await?))))
                }
            }
        };
        if limited {
            return Box::pin(async move {
                let done = tokio::time::timeout(time, negotiated).await;
                done.unwrap_or_else(|_| Err(no_answer()))
            });
        }
        Box::pin(negotiated)
    }
}

/// Agrees with the server whether the connection is encrypted.
async fn negotiate(mut socket: Socket, mode: SslMode) -> io::Result<(Socket, bool)> {
    if mode == SslMode::Disable {
        return Ok((socket, false));
    }
    socket.write_all(&SSL_REQUEST).await?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await?;
    match (answer, mode) {
        ([b'S'], _) => Ok((socket, true)),
        (_, SslMode::Prefer) => Ok((socket, false)),
        _ => Err(io::Error::other("server does not support TLS")),
    }
}

fn no_answer() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the server does not answer")
}

enum Stream {
    Plain(Socket),
    Tls(Box<Tls>),
}

/// The time in which nothing was sent or received.
struct Quiet {
    since: Instant,
    alarm: Pin<Box<Sleep>>,
    /// The alarm has rung before.
    rang: bool,
}

/// A connection, encrypted or not, which fails once its worker has given up.
pub struct Wire {
    stream: Stream,
    wiring: Wiring,
    quiet: Option<Quiet>,
}

impl Wire {
    /// Passes on the stream's result, or the error that no answer will come.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(until)) = (&polled, patience::until()) else { return polled };
        let time = |most| patience::left(most).clamp(GLANCE, most);
        loop {
            let quiet = self.quiet.get_or_insert_with(|| Quiet {
                since: Instant::now(),
                alarm: Box::pin(tokio::time::sleep(time(QUIET))),
                rang: false,
            });
            ready!(quiet.alarm.as_mut().poll(context));
            // It may ring for the silence before a statement, which is sent after this poll.
            let since = quiet.since;
            let next = match quiet.rang {
                true => PROBE_EVERY,
                false if patience::is_strict() => GLANCE,
                false => time(MOMENT),
            };
            quiet.alarm.set(tokio::time::sleep(next));
            if std::mem::replace(&mut quiet.rang, true)
                && (patience::is_strict() || until.elapsed() > LONGEST || !self.is_served(since))
            {
                return Poll::Ready(Err(no_answer()));
            }
        }
    }

    fn is_served(&self, since: Instant) -> bool {
        let Wiring { probe, session } = &self.wiring;
        let session = session.load(Ordering::Relaxed);
        self.wiring.is_there()
            && (session == 0 || since.elapsed() < IDLE || !probe.is_idle(session, since))
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.stream {
            Stream::Plain(_) => ChannelBinding::none(),
            Stream::Tls(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if polled.is_ready() {
            self.quiet = None;
        }
        self.in_time(context, polled)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        if polled.is_ready() {
            // From here on an answer is waited for.
            self.quiet = None;
            let _ = self.in_time::<()>(context, Poll::Pending);
        }
        self.in_time(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        self.in_time(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
