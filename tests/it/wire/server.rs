//! The real program, serving on its own port.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value as Json;

use crate::program::{Deadline, Project};

/// Lets this process open as many files as the system allows: tests that flood servers run side by
/// side, and the usual 1,024 are not enough for all of them.
fn allow_many_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    });
}

/// A server with an empty store.
pub struct Server {
    pub address: SocketAddr,
    pub project: Project,
    child: Child,
}

impl Server {
    /// Starts one with these arguments, besides those that it needs.
    pub fn start(arguments: &[&str]) -> Self {
        Self::with_open_files(None, arguments)
    }

    /// Starts one with a limit of open files.
    pub fn with_open_files(limit: Option<u32>, arguments: &[&str]) -> Self {
        let project = Project::new();
        assert_eq!(project.recon(&["migrate", "--store", "sqlite:recon.db"]).code, 0);
        Self::serving(project, limit, arguments)
    }

    /// Starts one for this project, whose store is `recon.db`.
    pub fn serving(project: Project, limit: Option<u32>, arguments: &[&str]) -> Self {
        Self::of_store("sqlite:recon.db", project, limit, arguments)
    }

    /// Starts one for the store at this URL.
    pub fn of_store(store: &str, project: Project, limit: Option<u32>, arguments: &[&str]) -> Self {
        allow_many_files();
        let mut serve = vec!["serve", "--store", store, "--json"];
        serve.extend(["--bind", "127.0.0.1:0", "--access-log", "access.log"]);
        serve.extend(arguments);
        let mut command = match limit {
            None => project.command(&serve),
            Some(limit) => {
                let mut shell = Command::new("sh");
                shell
                    .args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")])
                    .arg(env!("CARGO_BIN_EXE_recon"))
                    .args(&serve)
                    .current_dir(project.path(""))
                    .env_remove("RECON_STORE")
                    .stdin(Stdio::null());
                shell
            }
        };
        // It trusts the authority that its folder has, if any.
        let authority = project.path("authority.pem");
        if authority.exists() {
            command.env("SSL_CERT_FILE", &authority);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let deadline = Deadline::of(&child);
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        drop(deadline);
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the server did not start: {said}");
        }
        let said: Json = serde_json::from_str(&line).unwrap();
        let address = said["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
        Self { address, project, child }
    }

    /// Kilobytes of memory that it holds.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The texts among these that its memory holds.
    pub fn in_memory<'t>(&self, texts: &[&'t str]) -> Vec<&'t str> {
        let of = |name: &str| format!("/proc/{}/{name}", self.child.id());
        let memory = File::open(of("mem")).unwrap();
        let mut found = Vec::new();
        for line in std::fs::read_to_string(of("maps")).unwrap().lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next().unwrap(), words.next().unwrap());
            // Memory of the program, without its own code.
            if !rights.starts_with("rw") {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (mut at, to) = (number(from), number(to));
            let mut piece = vec![0; 1 << 20];
            let mut seen = Vec::new();
            // A piece may end within a text.
            while at < to {
                let size = piece.len().min(usize::try_from(to - at).unwrap());
                let Ok(read @ 1..) = memory.read_at(&mut piece[..size], at) else { break };
                seen.extend_from_slice(&piece[..read]);
                let held = |text: &&&str| memchr::memmem::find(&seen, text.as_bytes()).is_some();
                found.extend(texts.iter().filter(held));
                seen.drain(..seen.len().saturating_sub(256));
                at += read as u64;
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// How many connections it holds.
    pub fn open_sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let target = |file: std::io::Result<std::fs::DirEntry>| file.ok()?.path().read_link().ok();
        files.filter_map(target).filter(|to| to.to_string_lossy().starts_with("socket:")).count()
    }

    /// Asks it to stop and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        -2
    }

    /// Asserts that it is unharmed: it still responds, and stops properly.
    pub fn assert_well(mut self) {
        let answer = super::Client::to(&self).get("/health");
        assert_eq!(answer.status, 200);
        assert_eq!(self.stop(), 0);
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!said.contains("panicked"), "{said}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
