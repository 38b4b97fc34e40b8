//! The socket to PostgreSQL.
//!
//! A server that is frozen, or cut off from the network, keeps its connections and says nothing. So
//! where a thread has a deadline ([`super::patience`]), a read that is still waiting at that time asks
//! on a second connection whether anybody is there, and fails if nobody is. A server that is only
//! busy with a long statement is waited for longer.
//!
//! The client library offers no place for that but its TLS connector, so this is one. It also
//! negotiates TLS, because the library would not call it for an unencrypted connection. Unix
//! sockets never come here: the library allows no TLS on them. There a request asks before it takes a
//! connection.

use std::future::Future;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::postgres::Socket;
use ::postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::patience;
use super::url::SslMode;

/// The request for TLS of PostgreSQL's protocol. Any server answers it with one byte.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// How long a server may take to answer that.
const PROBE_TIME: Duration = Duration::from_millis(500);
/// How long an answer to it holds for all connections, and how often it is asked for again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// For how long after its deadline a statement may keep a thread, while the server is there.
const LONGEST: Duration = Duration::from_secs(58);

type TlsMaker = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type Tls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
type Never = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

/// When a server was asked, and whether it answered.
#[derive(Clone, Copy, Debug)]
struct Asked {
    began: Instant,
    ended: Instant,
    answered: bool,
}

/// Finds out whether a server answers.
#[derive(Debug)]
struct Probe {
    host: String,
    port: u16,
    last: Mutex<Option<Asked>>,
    is_asking: Arc<AtomicBool>,
}

impl Probe {
    fn answers(&self) -> bool {
        self.answered_since(Instant::now().checked_sub(PROBE_EVERY))
    }

    /// Whether the server answers, as asked at this time or later. That it does not holds for a while, so that
    /// requests do not wait one after the other.
    fn answered_since(&self, since: Option<Instant>) -> bool {
        // Callers that come while another one asks wait for the same answer.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Asked { began, ended, answered }) = *last
            && (since.is_none_or(|since| began >= since)
                || !answered && ended.elapsed() < PROBE_EVERY)
        {
            return answered;
        }
        let began = Instant::now();
        let answered = self.ask().is_ok();
        *last = Some(Asked { began, ended: Instant::now(), answered });
        answered
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
    tls: MakeRustlsConnect,
    mode: SslMode,
    probe: Arc<Probe>,
}

impl Wiring {
    /// Connections to this server, encrypted as `mode` says.
    pub fn new(tls: MakeRustlsConnect, mode: SslMode, host: &str, port: u16) -> Self {
        let host = host.to_owned();
        let probe = Probe { host, port, last: Mutex::default(), is_asking: Arc::default() };
        Self { tls, mode, probe: Arc::new(probe) }
    }

    /// Whether the server answers now, on another connection.
    pub fn answers(&self) -> bool {
        self.probe.answered_since(Some(Instant::now()))
    }
}

impl MakeTlsConnect<Socket> for Wiring {
    type Stream = Wire;
    type TlsConnect = Connect;
    type Error = Never;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, Never> {
        let tls = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.tls, host)?;
        Ok(Connect { tls, mode: self.mode, probe: Arc::clone(&self.probe) })
    }
}

/// Makes one connection.
pub struct Connect {
    tls: TlsMaker,
    mode: SslMode,
    probe: Arc<Probe>,
}

impl TlsConnect<Socket> for Connect {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let (time, limited) = (patience::left(Duration::MAX), patience::is_limited());
        let negotiated = async move {
            let wire = |stream| Wire { stream, probe: self.probe, alarm: None };
            match negotiate(socket, self.mode).await? {
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

/// A connection, encrypted or not, whose reads and writes keep the thread's deadline.
pub struct Wire {
    stream: Stream,
    probe: Arc<Probe>,
    /// The deadline of the thread that waits, and what wakes it.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Wire {
    /// Passes on what the stream says, or that the deadline is over.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(until)) = (&polled, patience::until()) else { return polled };
        if self.alarm.as_ref().is_none_or(|(deadline, _)| *deadline != until) {
            self.alarm = Some((until, Box::pin(tokio::time::sleep_until(until.into()))));
        }
        while let Some((_, alarm)) = &mut self.alarm {
            ready!(alarm.as_mut().poll(context));
            if until.elapsed() > LONGEST || !self.probe.answers() {
                return Poll::Ready(Err(no_answer()));
            }
            alarm.set(tokio::time::sleep(PROBE_EVERY));
        }
        Poll::Pending
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
