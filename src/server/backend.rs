//! The home of tiny_http. It listens on a Unix socket in a folder that only this user can enter, and
//! receives the numbers of requests from the guard. One thread takes each request from the
//! [`Handover`] and gives it to the threads of its [`Lane`], which answer with
//! [`handle`](super::handle).

use std::io::{Read, Write};
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
use super::guard::relay::WHOLE;
use super::handle::handle;
use super::handover::{Handed, Handover};
use super::http::{Body, Method, Response};
use super::lane::{Lane, PATIENCE, STREAMS};

/// The longest socket path that every system accepts.
const LONGEST: usize = 100;
/// Timeout of a request to ourselves.
const OWN_PATIENCE: Duration = Duration::from_secs(5);

pub struct Backend {
    server: Arc<tiny_http::Server>,
    handover: Arc<Handover>,
    folder: PathBuf,
    socket: PathBuf,
    threads: Vec<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
}

impl Backend {
    /// Creates the socket and starts the threads: `threads` for work, and a few for the other lanes.
    pub fn start(app: &Arc<App>, threads: usize) -> Result<Self, Problem> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Problem::new(Code::ServerFailed, format!("the server can't create {what}: {error}"))
                .help("set TMPDIR to a writable folder")
        };
        let (stopping, died) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let streams = Arc::new(AtomicUsize::new(0));
        room_for(Lane::ALL.iter().map(|lane| lane.limits(threads).threads).sum())?;
        let mut started = Vec::new();
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let limits = lane.limits(threads);
            let (sender, receiver) = sync_channel(limits.permits);
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
        // tiny_http panics if it gets no thread, so it is started after ours, with some to spare.
        probe()?;
        let folder = private_folder().map_err(|error| failed("a folder for its socket", &error))?;
        let socket = folder.join("recon.sock");
        let server = tiny_http::Server::http_unix(&socket).map_err(|error| {
            let _ = std::fs::remove_dir(&folder);
            failed("its socket", &error)
        })?;
        let server = Arc::new(server);
        let handover = Arc::new(Handover::default());
        let dispatcher = Dispatcher {
            server: Arc::clone(&server),
            handover: Arc::clone(&handover),
            lanes,
            stopping: Arc::clone(&stopping),
            died: Arc::clone(&died),
        };
        started.push(spawn("dispatch".to_owned(), move || dispatcher.work())?);
        Ok(Self { server, handover, folder, socket, threads: started, stopping, died })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn handover(&self) -> Arc<Handover> {
        Arc::clone(&self.handover)
    }

    pub fn is_alive(&self) -> bool {
        !self.died.load(Ordering::SeqCst) && self.threads.iter().all(|one| !one.is_finished())
    }

    /// Sends a request through tiny_http and a thread of the health lane, which never waits for the store: a server
    /// that waits for a slow store is not dead.
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

    /// Waits two seconds for the threads to end; a thread whose store never answers is abandoned.
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

/// A new folder that no other user can enter.
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

/// A request through tiny_http, and the parsed one from the guard; `None` for [`Backend::answers`].
type Job = (tiny_http::Request, Option<Handed>);

/// Gives each request to the threads of its lane, without waiting for them.
struct Dispatcher {
    server: Arc<tiny_http::Server>,
    handover: Arc<Handover>,
    lanes: Vec<SyncSender<Job>>,
    stopping: Arc<AtomicBool>,
    died: Arc<AtomicBool>,
}

impl Dispatcher {
    fn work(&self) {
        while !self.stopping.load(Ordering::SeqCst) {
            match self.server.recv() {
                Ok(asked) => self.dispatch(asked),
                Err(_) if self.stopping.load(Ordering::SeqCst) => return,
                // tiny_http's accepting thread has ended; it reports that once.
                Err(_) => {
                    self.died.store(true, Ordering::SeqCst);
                    return;
                }
            }
        }
    }

    fn dispatch(&self, asked: tiny_http::Request) {
        let number = asked.url().strip_prefix('/').and_then(|text| text.parse().ok());
        let handed = number.and_then(|number| self.handover.take(number));
        let lane = handed.as_ref().map_or(Lane::Health, |handed| handed.lane);
        let Some(sender) = self.lanes.get(lane.index()) else { return };
        let (asked, handed) = match sender.try_send((asked, handed)) {
            Ok(()) => return,
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
        };
        // The guard passes on no more than there are threads, unless some wait for a store that does
        // not answer at all.
        let id = handed.map(|handed| handed.request.id).unwrap_or_default();
        let denied = Denied::new(Code::Unavailable, "the server is busy; try again in a moment")
            .header("retry-after", "1");
        let _ = denied.into_response(&id).write(&mut *asked.into_writer(), false);
    }
}

struct Worker {
    app: Arc<App>,
    requests: Arc<Mutex<Receiver<Job>>>,
    streams: Arc<AtomicUsize>,
}

impl Worker {
    fn work(&self) {
        loop {
            // One thread waits for the channel, the others for the lock.
            let next = self.requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match next {
                Ok((asked, Some(handed))) => self.answer(asked, &handed),
                Ok((asked, None)) => {
                    let _ = Response::new(204).write(&mut *asked.into_writer(), false);
                }
                Err(_) => return,
            }
        }
    }

    fn answer(&self, asked: tiny_http::Request, handed: &Handed) {
        let request = &handed.request;
        let head_only = request.method == Method::Head;
        let left = PATIENCE.saturating_sub(handed.came.elapsed());
        let answer = || patience::within(left, || handle(&self.app, request));
        let response = handed.watch.over(answer);
        handed.known.store(response.known, Ordering::SeqCst);
        let is_stream = matches!(response.body, Body::Stream(_));
        // The guard reads long answers as fast as its client does: they must not hold a lane's thread.
        let is_long = is_stream || response.bytes().len() as u64 > WHOLE;
        let place = if is_long { ExportSlot::take(&self.streams) } else { None };
        if !is_long || place.is_none() && !is_stream {
            // Write errors mean that the guard no longer waits.
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
        // Without a thread the writer is dropped, and the client sees a truncated answer.
        drop(spawned);
    }
}

struct ExportSlot(Arc<AtomicUsize>);

impl ExportSlot {
    fn take(permits: &Arc<AtomicUsize>) -> Option<Self> {
        if permits.fetch_add(1, Ordering::SeqCst) < STREAMS {
            return Some(Self(Arc::clone(permits)));
        }
        permits.fetch_sub(1, Ordering::SeqCst);
        None
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
