//! The real program in its own folder.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::Value as Json;

/// A temporary folder in which recon runs.
pub struct Project {
    folder: tempfile::TempDir,
}

/// The output and exit code of the program.
pub struct Said {
    /// The exit code; -1 after a signal.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Project {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A copy of a folder of the repository, `examples/…`, or of the top-level job.
    pub fn of(example: &str) -> Self {
        let project = Self::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        if example == "." {
            for name in ["recon.yaml", "rules", "examples/fx_trades", "examples/from_datacompy"] {
                copy(&root.join(name), &project.path(name));
            }
        } else {
            copy(&root.join(example), project.folder.path());
        }
        project
    }

    /// A path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Replaces a text in a file; it must exist.
    pub fn replace(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {name}");
        self.write(name, text.replace(from, to))
    }

    /// The program, ready to start in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env_remove("RECON_STORE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn recon(&self, arguments: &[&str]) -> Said {
        Said::from(output(&mut self.command(arguments)))
    }

    /// Runs the program, which must succeed with one JSON object (or array) on stdout.
    pub fn json(&self, arguments: &[&str]) -> Json {
        let said = self.recon(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
    }

    /// The result of `recon sql`.
    pub fn sql(&self, statement: &str) -> Json {
        self.json(&["sql", statement, "--format", "json"])
    }
}

/// Far more than any program of the tests needs on a slow machine.
const LONGEST: Duration = Duration::from_secs(600);

/// Kills a process that does not end in time, so that its test fails instead of hanging.
pub struct Deadline {
    _ended: Sender<()>,
}

impl Deadline {
    /// The deadline of this process. It must not be reaped before this is dropped.
    pub fn of(child: &Child) -> Self {
        let pid = rustix::process::Pid::from_child(child);
        let (ended, over) = channel::<()>();
        std::thread::spawn(move || {
            if over.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                use std::io::Write as _;
                let _ = writeln!(std::io::stderr(), "process {pid:?} is killed after {LONGEST:?}");
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        });
        Self { _ended: ended }
    }
}

/// Runs a program to its end, for [`LONGEST`] at most.
pub fn output(command: &mut Command) -> Output {
    // As `Command::output` does, unless the caller gave an input.
    ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for the end of a program, for [`LONGEST`] at most.
pub fn ended(child: Child) -> Output {
    let _deadline = Deadline::of(&child);
    child.wait_with_output().unwrap()
}

/// Tells threads to stop when it is dropped, also by a failed assertion: the scope that they live in would
/// wait for them for ever.
#[derive(Default)]
pub struct Stop(AtomicBool);

impl Stop {
    pub fn goes_on(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    /// Stops them at the end of the block that holds the result.
    pub fn at_end(&self) -> impl Drop + '_ {
        struct End<'a>(&'a Stop);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.0.store(true, Ordering::SeqCst);
            }
        }
        End(self)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            // A store left from trying an example is not part of it.
            if !entry.file_name().to_string_lossy().contains(".db") {
                copy(&entry.path(), &to.join(entry.file_name()));
            }
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}

/// Says on stderr, past the harness that would swallow it, that this test could not do its work.
pub fn skipped(why: &str) {
    use std::io::Write as _;
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {why}", test.name().unwrap_or_default());
}

/// Runs recon under shell limits.
pub fn limited(project: &Project, limits: &str, arguments: &[&str]) -> Said {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_recon"))
        .args(arguments)
        .current_dir(project.path(""))
        .env_remove("RECON_STORE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    Said::from(output(&mut shell))
}
