//! What the program says and where: results on stdout, everything else on stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;

use crate::diagnostic::{Problem, Problems};
use crate::report::{Paint, unwritable};

use super::problem;
use super::progress::Bars;

/// When to color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set; CLICOLOR_FORCE colors everywhere
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorWhen {
    fn on<S: anstream::stream::RawStream>(self, stream: &S) -> Paint {
        Paint::when(match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => AutoStream::choice(stream) != ColorChoice::Never,
        })
    }
}

/// How messages on stderr are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// What the user asked for about talking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Nothing on stderr.
    pub quiet: bool,
    /// How much detail: 0, or how often `-v` was given.
    pub verbose: u8,
    /// How messages are written.
    pub log_format: LogFormat,
    /// When to color.
    pub color: ColorWhen,
}

/// The way out for everything the program says.
pub struct Console {
    talk: Talk,
    result_paint: Paint,
    message_paint: Paint,
    bars: Bars,
}

impl Console {
    /// A console that talks as asked.
    pub fn new(talk: Talk) -> Self {
        Self {
            talk,
            result_paint: talk.color.on(&io::stdout()),
            message_paint: talk.color.on(&io::stderr()),
            bars: Bars::new(talk.quiet || talk.log_format == LogFormat::Json),
        }
    }

    /// What the user asked for.
    pub const fn talk(&self) -> Talk {
        self.talk
    }

    /// Whether results on stdout are colored.
    pub const fn paint(&self) -> Paint {
        self.result_paint
    }

    /// Whether results go to a terminal.
    pub fn result_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Listens to Ctrl-C and SIGTERM from now on; see [`Bars::listen`].
    pub fn listen(&self) -> Result<(), Problem> {
        self.bars.listen(self.talk.quiet || self.talk.log_format == LogFormat::Json)
    }

    /// The progress of the work at hand, and whether somebody asked to stop.
    pub const fn progress(&self) -> &Bars {
        &self.bars
    }

    /// Writes a result to stdout. If the reader has gone (`recon sql … | head`), that is no problem:
    /// the writing ends early and all is well.
    pub fn result(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // Windows consoles must be told that escape sequences follow; elsewhere this passes through.
        // Uncolored results are written as they are: data may hold escapes that are not ours.
        match self.result_paint {
            Paint::Colored => through(AutoStream::always_ansi(io::stdout()), write),
            Paint::Plain => through(io::stdout(), write),
        }
    }

    /// Writes a result to `file`, or to stdout if there is none.
    pub fn result_to(
        &self,
        file: Option<&Path>,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let Some(path) = file else { return self.result(write) };
        let failed = |error: io::Error| unwritable(&error).in_file(path);
        // A pipe or a terminal is written to; a file appears whole, or stays what it was.
        if path.exists() && !path.is_file() {
            return through(File::create(path).map_err(failed)?, write);
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let part = path.with_file_name(name);
        let file = File::create(&part).map_err(failed)?;
        let written = through(file, write)
            .map_err(|problem| problem.in_file(path))
            .and_then(|()| std::fs::rename(&part, path).map_err(failed));
        if written.is_err() {
            // The problem at hand matters more than one of cleaning up.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Writes a text, such as an answer of one line, to stdout.
    pub fn say(&self, text: &str) -> Result<(), Problem> {
        self.result(|out| out.write_all(text.as_bytes()).map_err(|error| unwritable(&error)))
    }

    /// Shows a problem.
    pub fn problem(&self, problem: &Problem) {
        self.message(match self.talk.log_format {
            LogFormat::Text => problem::text(problem, self.message_paint),
            LogFormat::Json => problem::json(problem),
        });
    }

    /// Shows every problem.
    pub fn problems(&self, problems: &Problems) {
        for problem in &problems.0 {
            self.problem(problem);
        }
    }

    /// Tells what is good to know.
    pub fn note(&self, text: &str) {
        self.message(match self.talk.log_format {
            LogFormat::Text => problem::lines(text, "  ") + "\n",
            LogFormat::Json => problem::json_message("info", text),
        });
    }

    /// Tells what only `-v` asks for.
    pub fn detail(&self, text: &str) {
        if self.talk.verbose == 0 {
            return;
        }
        self.message(match self.talk.log_format {
            LogFormat::Text => {
                let lines = problem::lines(text, "  ");
                format!("{}\n", self.message_paint.dim(lines))
            }
            LogFormat::Json => problem::json_message("debug", text),
        });
    }

    fn message(&self, text: String) {
        if self.talk.quiet {
            return;
        }
        // If stderr is gone, there is nobody to tell.
        self.bars.aside(|| {
            let _ = match self.message_paint {
                Paint::Colored => AutoStream::always_ansi(io::stderr()).write_all(text.as_bytes()),
                Paint::Plain => io::stderr().write_all(text.as_bytes()),
            };
        });
    }
}

/// Lets `write` write through a buffer. A reader that has gone ends it without a problem.
fn through<W: Write>(
    out: W,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut out = BufWriter::with_capacity(64 * 1024, Leaving { out, gone: false });
    let written = write(&mut out).and_then(|()| out.flush().map_err(|error| unwritable(&error)));
    // The buffer must not try again when it is dropped.
    let (leaving, _) = out.into_parts();
    if leaving.gone { Ok(()) } else { written }
}

/// A writer that remembers that its reader has gone.
struct Leaving<W> {
    out: W,
    gone: bool,
}

impl<W: Write> Leaving<W> {
    fn watched<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.gone |= matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        result
    }
}

impl<W: Write> Write for Leaving<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.watched(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.watched(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_problem_and_a_full_disk_is() {
        let mut rows = 0;
        let mut long = |out: &mut dyn Write| {
            for _ in 0..1_000_000 {
                out.write_all(b"0123456789").map_err(|error| unwritable(&error))?;
                rows += 1;
            }
            Ok(())
        };
        assert_eq!(through(Failing(io::ErrorKind::BrokenPipe), &mut long), Ok(()));
        assert!(rows < 1_000_000, "writing goes on for nobody");
        let short = |out: &mut dyn Write| out.write_all(b"x").map_err(|error| unwritable(&error));
        assert_eq!(through(Failing(io::ErrorKind::BrokenPipe), short), Ok(()));
        let problem = through(Failing(io::ErrorKind::StorageFull), short).unwrap_err();
        assert_eq!(problem.code, Code::OutputFailed);
    }

    #[test]
    fn a_problem_of_the_writer_is_handed_on() {
        let mut out = Vec::new();
        let result = through(&mut out, |out| {
            out.write_all(b"part").map_err(|error| unwritable(&error))?;
            Err(Problem::new(Code::RunGone, "gone"))
        });
        assert_eq!(result.unwrap_err().code, Code::RunGone);
    }

    #[test]
    fn a_result_goes_to_the_file_that_was_asked_for() {
        let console = Console::new(Talk { color: ColorWhen::Never, ..Talk::default() });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        let write = |out: &mut dyn Write| out.write_all(b"x\n").map_err(|error| unwritable(&error));
        console.result_to(Some(&path), write).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n");
        let nowhere = folder.path().join("no/such/folder");
        let problem = console.result_to(Some(&nowhere), write).unwrap_err();
        assert_eq!(problem.place.unwrap().file, nowhere);
        assert_eq!(console.paint(), Paint::Plain);
    }
}
