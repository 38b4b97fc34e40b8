//! A throw-away PostgreSQL server for the tests: started once per test process, deleted at its end.
//!
//! `RECON_TEST_DATABASE_URL` names a server to use instead (as `postgres://user@host:port`; the
//! user may create databases). Without PostgreSQL the tests fail and say what to install; they are
//! never skipped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use recon::database::postgres::Connector;
use recon::database::{PostgresUrl, StoreUrl};

/// A server for the tests.
struct Server {
    url: String,
    /// The CA certificate of the server's own certificate, which names `localhost`. Unknown for an
    /// external server.
    authority: Option<PathBuf>,
    /// Stops it when dropped.
    _watcher: Option<Child>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("RECON_TEST_DATABASE_URL") {
        Ok(url) => {
            let url = url.trim_end_matches('/').to_owned();
            Server { url, authority: None, _watcher: None }
        }
        Err(_) => start(),
    })
}

/// The CA file for the server's `localhost` certificate.
pub fn authority() -> Option<PathBuf> {
    server().authority.clone()
}

/// The URL of a new, empty database.
pub fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = &server().url;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("recon_test_{}_{number}", std::process::id());
    let mut admin = Connector::new(&postgres_url(&format!("{server}/postgres")))
        .and_then(|connector| connector.connect())
        .unwrap_or_else(|problem| panic!("{problem}"));
    admin.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    format!("{server}/{name}")
}

fn postgres_url(url: &str) -> PostgresUrl {
    match StoreUrl::parse(url, Path::new("")) {
        Ok(StoreUrl::Postgres(url)) => url,
        other => panic!("RECON_TEST_DATABASE_URL is no PostgreSQL URL: {other:?}"),
    }
}

fn start() -> Server {
    let cluster = Cluster::new("shared");
    cluster.start();
    Server {
        url: cluster.url(),
        authority: Some(cluster.folder.join("authority.pem")),
        _watcher: Some(cluster.watcher),
    }
}

/// A dedicated server, for a test that stops and starts it.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    binaries: PathBuf,
    root: bool,
    /// Stops it at the end.
    watcher: Child,
}

impl Cluster {
    /// A server that is not started yet.
    pub fn new(name: &str) -> Self {
        let binaries = binaries();
        let folder = format!("recon-test-postgres-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        // The server refuses to run as root.
        let root = output(Command::new("id").arg("-u")).trim() == "0";
        certify(&folder);
        if root {
            run(Command::new("chown").args(["-R", "postgres"]).arg(&folder));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.join("data");
        let watcher = stop_with_this_process(&binaries, &data, &folder, root);
        let cluster = Self { folder, port, binaries, root, watcher };
        run(cluster
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data));
        cluster
    }

    fn command(&self, name: &str) -> Command {
        let program = self.binaries.join(name);
        let mut command = if self.root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).env("LC_ALL", "C");
        command
    }

    /// Its URL, without a database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// The same by its Unix socket.
    pub fn socket_url(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}", self.port)
    }

    /// Starts it, and waits until it answers.
    pub fn start(&self) {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={1} -c unix_socket_directories={0} -c fsync=off \
             -c full_page_writes=off -c synchronous_commit=off -c max_connections=200 \
             -c ssl=on -c ssl_cert_file={0}/server.pem -c ssl_key_file={0}/server.key",
            self.folder.display(),
            self.port
        );
        run(self
            .command("pg_ctl")
            .args(["start", "--wait", "--silent", "-D"])
            .arg(self.folder.join("data"))
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-o", &options]));
    }

    /// Sends a signal to the server and to all processes that it has started.
    fn signal(&self, signal: rustix::process::Signal) {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let server = file.lines().next().unwrap().trim().to_owned();
        let parent = |pid: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.lines().find_map(|line| Some(line.strip_prefix("PPid:")?.trim().to_owned()))
        };
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let children = processes
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| parent(name).as_deref() == Some(&server));
        for pid in std::iter::once(server.clone()).chain(children) {
            let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
            // A child may have ended meanwhile.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Stops the sessions with these numbers where they are, and lets the others go on.
    pub fn stop_sessions(sessions: &[i32]) {
        signal_each(sessions, rustix::process::Signal::STOP);
    }

    /// Lets them go on.
    pub fn continue_sessions(sessions: &[i32]) {
        signal_each(sessions, rustix::process::Signal::CONT);
    }

    /// Stops all its processes where they are: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Stops it; open connections are cut.
    pub fn stop(&self) {
        run(self
            .command("pg_ctl")
            .args(["stop", "--wait", "--silent", "-m", "fast", "-D"])
            .arg(self.folder.join("data")));
    }
}

fn signal_each(sessions: &[i32], signal: rustix::process::Signal) {
    for session in sessions {
        let pid = rustix::process::Pid::from_raw(*session).unwrap();
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// A new CA, and a certificate for `localhost` signed by it.
pub fn certify(folder: &Path) {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").current_dir(folder).args(arguments.split_whitespace()));
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=recon-test \
         -keyout authority.key -out authority.pem",
    );
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
         -keyout server.key -out server.csr",
    );
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
         -extfile names -out server.pem",
    );
}

/// Rust runs nothing when a test process ends, and it may be killed: a shell waits for the end of
/// its standard input, which the returned handle holds open, and then stops the server.
fn stop_with_this_process(binaries: &Path, data: &Path, folder: &Path, root: bool) -> Child {
    let user = if root { "runuser -u postgres -- " } else { "" };
    let script = format!(
        "cat > /dev/null; cd /; {user}'{}' stop -D '{}' -m immediate -s; rm -rf '{}'",
        binaries.join("pg_ctl").display(),
        data.display(),
        folder.display()
    );
    Command::new("setsid")
        .args(["sh", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("setsid: {error}"))
}

/// The folder of initdb and pg_ctl: on the PATH, or the newest of Debian's.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let version = |folder: &PathBuf| {
        folder.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()).unwrap_or_default()
    };
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders.extend(debian.into_iter().map(|folder| folder.join("bin")));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
        .expect("initdb: install PostgreSQL (15 or later), or set RECON_TEST_DATABASE_URL")
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end. Its output goes to a file that is not kept open: the server left
/// behind by `pg_ctl` inherits it.
fn run(command: &mut Command) {
    let log = tempfile::NamedTempFile::new().unwrap();
    let stream = || Stdio::from(log.reopen().unwrap());
    let status = command.stdin(Stdio::null()).stdout(stream()).stderr(stream()).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = std::fs::read_to_string(log.path()).unwrap_or_default();
    assert!(status.success(), "{command:?}: {said}");
}
