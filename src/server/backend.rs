//! The home of tiny_http. It listens on a Unix socket in a folder that only we can enter, and hears
//! nothing but what the guard lets through; its workers answer with [`handle`](super::handle).

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::diagnostic::Problem;

use super::App;
use super::error::Denied;
use super::guard::head::{INTERNAL, PEER, REQUEST_ID};
use super::guard::limits::BODY_BYTES;
use super::handle::handle;
use super::http::{Body, Headers, Method, Request, Response};
use super::target::Target;

/// The longest path that every system takes for a socket.
const LONGEST: usize = 100;
/// Answers that are written piece by piece at once; each has a thread.
const STREAMS: usize = 16;
/// How long a request to ourselves may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The library at work.
pub struct Backend {
    server: Arc<tiny_http::Server>,
    folder: PathBuf,
    socket: PathBuf,
    workers: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
}

impl Backend {
    /// Makes the socket and starts the workers.
    ///
    /// # Errors
    /// No folder, socket or thread is to be had.
    pub fn start(app: Arc<App>) -> Result<Self, Problem> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Problem::usage("server-failed", format!("the server can't make {what}: {error}"))
                .help("set TMPDIR to a folder that can be written")
        };
        let folder = private_folder().map_err(|error| failed("a folder for its socket", &error))?;
        let socket = folder.join("recon.sock");
        let server = tiny_http::Server::http_unix(&socket).map_err(|error| {
            let _ = std::fs::remove_dir(&folder);
            failed("its socket", &error)
        })?;
        let server = Arc::new(server);
        let (stopping, died) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let streams = Arc::new(AtomicUsize::new(0));
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let mut workers = Vec::new();
        for number in 0..(cores * 4).clamp(8, 32) {
            let worker = Worker {
                app: Arc::clone(&app),
                server: Arc::clone(&server),
                stopping: Arc::clone(&stopping),
                died: Arc::clone(&died),
                streams: Arc::clone(&streams),
            };
            let thread = std::thread::Builder::new().name(format!("worker {number}"));
            let spawned = thread.spawn(move || worker.work());
            workers.push(spawned.map_err(|error| failed("its threads", &error))?);
        }
        Ok(Self { server, folder, socket, workers, stopping, died })
    }

    /// The private socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether the library still accepts and all workers work.
    pub fn is_alive(&self) -> bool {
        !self.died.load(Ordering::SeqCst) && self.workers.iter().all(|w| !w.is_finished())
    }

    /// Asks for a sign of life, all the way through the library and a worker.
    pub fn answers(&self) -> bool {
        self.ask().unwrap_or(false)
    }

    fn ask(&self) -> std::io::Result<bool> {
        let mut socket = UnixStream::connect(&self.socket)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.write_all(b"GET /alive HTTP/1.1\r\nconnection: close\r\n\r\n")?;
        socket.shutdown(std::net::Shutdown::Write)?;
        let mut first = [0; 9];
        socket.read_exact(&mut first)?;
        Ok(&first == b"HTTP/1.1 ")
    }

    /// Lets the workers come to their end.
    pub fn stop(mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        for worker in self.workers.drain(..) {
            while !worker.is_finished() && std::time::Instant::now() < deadline {
                // Each call wakes one that waits.
                self.server.unblock();
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// A new folder that nobody else can enter.
fn private_folder() -> std::io::Result<PathBuf> {
    let name = format!("recon-{}", uuid::Uuid::now_v7().simple());
    let mut folder = std::env::temp_dir().join(&name);
    if folder.as_os_str().len() > LONGEST - "/recon.sock".len() {
        folder = Path::new("/tmp").join(&name);
    }
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

struct Worker {
    app: Arc<App>,
    server: Arc<tiny_http::Server>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
    streams: Arc<AtomicUsize>,
}

impl Worker {
    fn work(&self) {
        while !self.stopping.load(Ordering::SeqCst) {
            match self.server.recv() {
                Ok(asked) => self.answer(asked),
                Err(_) if self.stopping.load(Ordering::SeqCst) => return,
                // The library's accepting thread has ended, which it tells one worker once.
                Err(_) => {
                    self.died.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }

    fn answer(&self, mut asked: tiny_http::Request) {
        let Some(request) = read(&mut asked) else {
            // Only the guard and the watch come here; the watch wants no more than an answer.
            let _ = Response::new(204).write(&mut *asked.into_writer(), false);
            return;
        };
        let head_only = request.method == Method::Head;
        let response = handle(&self.app, &request);
        if !matches!(response.body, Body::Stream(_)) {
            // Whoever does not wait for the answer has gone.
            let _ = response.write(&mut *asked.into_writer(), head_only);
            return;
        }
        // A stream lasts as long as its reader does: it must not hold a worker.
        let place = Place::take(&self.streams);
        let Some(place) = place else {
            let denied = Denied::new(503, "too-many-exports", "too many exports at once")
                .header("retry-after", "10");
            let _ = denied.into_response(&request.id).write(&mut *asked.into_writer(), head_only);
            return;
        };
        let mut out = asked.into_writer();
        let spawned = std::thread::Builder::new().name("export".into()).spawn(move || {
            let _place = place;
            let _ = response.write(&mut *out, head_only);
        });
        // Without a thread the writer is gone, and the client sees an answer that ends too early.
        drop(spawned);
    }
}

struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(places: &Arc<AtomicUsize>) -> Option<Self> {
        if places.fetch_add(1, Ordering::SeqCst) < STREAMS {
            return Some(Self(Arc::clone(places)));
        }
        places.fetch_sub(1, Ordering::SeqCst);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The request as the handlers know it; `None` for one that did not come through the guard.
fn read(asked: &mut tiny_http::Request) -> Option<Request> {
    let headers: Vec<(String, String)> = asked
        .headers()
        .iter()
        .map(|header| {
            let name = header.field.as_str().as_str().to_ascii_lowercase();
            (name, header.value.as_str().to_owned())
        })
        .collect();
    let internal =
        |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let peer: IpAddr = internal(PEER)?.parse().ok()?;
    let id = internal(REQUEST_ID)?;
    let method = Method::from_name(asked.method().as_str())?;
    let url = asked.url().to_owned();
    let target = Target::parse(&url).ok()?;
    let mut body = zeroize::Zeroizing::new(Vec::new());
    let limit = u64::try_from(BODY_BYTES).unwrap_or(u64::MAX);
    asked.as_reader().take(limit).read_to_end(&mut body).ok()?;
    let headers = headers
        .into_iter()
        .filter(|(name, _)| {
            !name.starts_with(INTERNAL) && name != "connection" && name != "content-length"
        })
        .collect();
    Some(Request { method, url, target, headers: Headers(headers), body, peer, id })
}
