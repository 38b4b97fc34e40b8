//! The home of tiny_http. It listens on a Unix socket in a folder that only we can enter, and hears
//! nothing but what the guard lets through. One thread hands each request to the threads of its
//! [`Lane`], which answer with [`handle`](super::handle).

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::database::patience;
use crate::diagnostic::{Code, Problem};
use crate::threads::{not_started, probe, room_for};

use super::App;
use super::error::Denied;
use super::guard::head::{INTERNAL, LANE, PEER, REQUEST_ID, WAITED};
use super::guard::limits::BODY_BYTES;
use super::guard::relay::WHOLE;
use super::handle::handle;
use super::http::{Body, Headers, Method, Request, Response};
use super::lane::{Lane, PATIENCE, STREAMS};
use super::target::Target;

/// The longest path that every system takes for a socket.
const LONGEST: usize = 100;
/// How long a request to ourselves may take.
const OWN_PATIENCE: Duration = Duration::from_secs(5);

/// The library at work.
pub struct Backend {
    server: Arc<tiny_http::Server>,
    folder: PathBuf,
    socket: PathBuf,
    threads: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
}

impl Backend {
    /// Makes the socket and starts the threads: `threads` for work, and a few for the other lanes.
    ///
    /// # Errors
    /// No folder, socket or thread is to be had.
    pub fn start(app: &Arc<App>, threads: usize) -> Result<Self, Problem> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Problem::new(Code::ServerFailed, format!("the server can't make {what}: {error}"))
                .help("set TMPDIR to a folder that can be written")
        };
        let (stopping, died) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let streams = Arc::new(AtomicUsize::new(0));
        room_for(Lane::ALL.iter().map(|lane| lane.limits(threads).threads).sum())?;
        let mut started = Vec::new();
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let limits = lane.limits(threads);
            let (sender, receiver) = sync_channel(limits.places);
            let receiver = Arc::new(Mutex::new(receiver));
            for number in 0..limits.threads {
                let worker = Worker {
                    app: Arc::clone(app),
                    requests: Arc::clone(&receiver),
                    streams: Arc::clone(&streams),
                };
                let name = format!("{lane:?} {number}").to_lowercase();
                started.push(spawn(name, move || worker.work())?);
            }
            lanes.push(sender);
        }
        // The library panics where it gets no thread, so it is started once ours are there, and
        // with some to spare.
        probe()?;
        let folder = private_folder().map_err(|error| failed("a folder for its socket", &error))?;
        let socket = folder.join("recon.sock");
        let server = tiny_http::Server::http_unix(&socket).map_err(|error| {
            let _ = std::fs::remove_dir(&folder);
            failed("its socket", &error)
        })?;
        let server = Arc::new(server);
        let dispatcher = Dispatcher {
            server: Arc::clone(&server),
            lanes,
            stopping: Arc::clone(&stopping),
            died: Arc::clone(&died),
        };
        started.push(spawn("dispatch".to_owned(), move || dispatcher.work())?);
        Ok(Self { server, folder, socket, threads: started, stopping, died })
    }

    /// The private socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether the library still accepts and all threads are there, at work or not.
    pub fn is_alive(&self) -> bool {
        !self.died.load(Ordering::SeqCst) && self.threads.iter().all(|one| !one.is_finished())
    }

    /// Asks for a sign of life, all the way through the library and a thread of the lane that never
    /// waits for the store: whoever is only busy with a slow store is not dead.
    pub fn answers(&self) -> bool {
        self.ask().unwrap_or(false)
    }

    fn ask(&self) -> std::io::Result<bool> {
        let mut socket = UnixStream::connect(&self.socket)?;
        socket.set_read_timeout(Some(OWN_PATIENCE))?;
        socket.set_write_timeout(Some(OWN_PATIENCE))?;
        socket.write_all(b"GET /alive HTTP/1.1\r\nconnection: close\r\n\r\n")?;
        socket.shutdown(std::net::Shutdown::Write)?;
        let mut first = [0; 9];
        socket.read_exact(&mut first)?;
        Ok(&first == b"HTTP/1.1 ")
    }

    /// Lets the threads come to their end. One that waits for a store which never answers is left.
    pub fn stop(mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        for thread in self.threads.drain(..).rev() {
            while !thread.is_finished() && std::time::Instant::now() < deadline {
                // Wakes the dispatcher, whose end ends the others.
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

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Problem> {
    let thread = std::thread::Builder::new().name(name).spawn(work);
    thread.map_err(|error| not_started(&error))
}

/// Hands each request to the threads of its lane, and never waits for them.
struct Dispatcher {
    server: Arc<tiny_http::Server>,
    lanes: Vec<SyncSender<tiny_http::Request>>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
}

impl Dispatcher {
    fn work(&self) {
        while !self.stopping.load(Ordering::SeqCst) {
            match self.server.recv() {
                Ok(asked) => self.hand_on(asked),
                Err(_) if self.stopping.load(Ordering::SeqCst) => return,
                // The library's accepting thread has ended, which it tells once.
                Err(_) => {
                    self.died.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }

    fn hand_on(&self, asked: tiny_http::Request) {
        // Requests that are not the guard's are those of the watch.
        let lane = header(&asked, LANE).and_then(|number| Lane::at(number.parse().ok()?));
        let Some(sender) = self.lanes.get(lane.unwrap_or(Lane::Health).index()) else { return };
        let asked = match sender.try_send(asked) {
            Ok(()) => return,
            Err(TrySendError::Full(asked) | TrySendError::Disconnected(asked)) => asked,
        };
        // The guard lets no more through than there are threads, unless some wait for a store that
        // does not answer at all.
        let id = header(&asked, REQUEST_ID).unwrap_or_default();
        let denied = Denied::new(Code::Unavailable, "too much to do; try again in a moment")
            .header("retry-after", "1");
        let _ = denied.into_response(&id).write(&mut *asked.into_writer(), false);
    }
}

/// The value of a header.
fn header(asked: &tiny_http::Request, name: &str) -> Option<String> {
    let found = asked
        .headers()
        .iter()
        .find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name));
    found.map(|header| header.value.as_str().to_owned())
}

struct Worker {
    app: Arc<App>,
    requests: Arc<Mutex<Receiver<tiny_http::Request>>>,
    streams: Arc<AtomicUsize>,
}

impl Worker {
    fn work(&self) {
        loop {
            // Only one waits at a time; the others wait for the lock.
            let next = self.requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match next {
                Ok(asked) => self.answer(asked),
                Err(_) => return,
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
        let waited = header(&asked, WAITED).and_then(|text| text.parse().ok());
        let left = PATIENCE.saturating_sub(Duration::from_millis(waited.unwrap_or_default()));
        let response = patience::within(left, || handle(&self.app, &request));
        let is_stream = matches!(response.body, Body::Stream(_));
        // What the guard does not take whole lasts as long as its reader does: it must not hold
        // one of these threads.
        let is_long = is_stream || response.bytes().len() as u64 > WHOLE;
        let place = if is_long { Place::take(&self.streams) } else { None };
        if !is_long || place.is_none() && !is_stream {
            // Whoever does not wait for the answer has gone.
            let _ = response.write(&mut *asked.into_writer(), head_only);
            return;
        }
        let Some(place) = place else {
            let denied = Denied::new(Code::TooManyExports, "too many exports at once")
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
