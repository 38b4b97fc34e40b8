//! Results go to stdout, everything else to stderr.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;

use crate::diagnostic::{Problem, Problems};
use crate::report::{Paint, unwritable};

use super::problem;
use super::progress::Bars;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set; CLICOLOR_FORCE forces color
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputOptions {
    pub quiet: bool,
    /// Number of `-v` flags.
    pub verbose: u8,
    pub log_format: LogFormat,
    pub color: ColorWhen,
}

pub struct Console {
    options: OutputOptions,
    result_paint: Paint,
    message_paint: Paint,
    bars: Bars,
}

impl Console {
    pub fn new(options: OutputOptions) -> Self {
        Self {
            options,
            result_paint: options.color.on(&io::stdout()),
            message_paint: options.color.on(&io::stderr()),
            bars: Bars::new(options.quiet || options.log_format == LogFormat::Json),
        }
    }

    pub const fn paint(&self) -> Paint {
        self.result_paint
    }

    pub fn result_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// The progress of the current work, and whether a stop was requested.
    pub const fn progress(&self) -> &Bars {
        &self.bars
    }

    /// Writes a result to stdout. A reader that closes the connection early (`recon sql … | head`)
    /// ends the writing without an error.
    pub fn result(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        // Windows consoles must be told that escape sequences follow; elsewhere this passes
        // through. Uncolored results are written unchanged: data may hold escapes of its own.
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
        // Pipes and terminals are written directly; a regular file is replaced as a whole or stays
        // unchanged.
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
            // The first error matters more than a failed cleanup.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    pub fn print(&self, text: &str) -> Result<(), Problem> {
        self.result(|out| out.write_all(text.as_bytes()).map_err(|error| unwritable(&error)))
    }

    pub fn problem(&self, problem: &Problem) {
        self.message(match self.options.log_format {
            LogFormat::Text => problem::text(problem, self.message_paint),
            LogFormat::Json => problem::json(problem),
        });
    }

    pub fn problems(&self, problems: &Problems) {
        for problem in &problems.0 {
            self.problem(problem);
        }
    }

    pub fn note(&self, text: &str) {
        self.message(match self.options.log_format {
            LogFormat::Text => problem::lines(text, "  ") + "\n",
            LogFormat::Json => problem::json_message("info", text),
        });
    }

    /// Shown only with `-v`.
    pub fn detail(&self, text: &str) {
        if self.options.verbose == 0 {
            return;
        }
        self.message(match self.options.log_format {
            LogFormat::Text => {
                let lines = problem::lines(text, "  ");
                format!("{}\n", self.message_paint.dim(lines))
            }
            LogFormat::Json => problem::json_message("debug", text),
        });
    }

    fn message(&self, text: String) {
        if self.options.quiet {
            return;
        }
        // stderr is gone; ignore the error.
        self.bars.aside(|| {
            let _ = match self.message_paint {
                Paint::Colored => AutoStream::always_ansi(io::stderr()).write_all(text.as_bytes()),
                Paint::Plain => io::stderr().write_all(text.as_bytes()),
            };
        });
    }
}

/// Writes through a buffer. A closed pipe ends the writing without an error.
fn through<W: Write>(
    out: W,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut out = BufWriter::with_capacity(64 * 1024, Leaving { out, gone: false });
    let written = write(&mut out).and_then(|()| out.flush().map_err(|error| unwritable(&error)));
    // Dropping the buffer must not write again.
    let (leaving, _) = out.into_parts();
    if leaving.gone { Ok(()) } else { written }
}

/// A writer that remembers that the pipe was closed.
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

/// Width for results: `COLUMNS`, else that of the terminal, else 100.
pub fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let terminal =
        || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    said.or_else(terminal).unwrap_or(100)
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
    fn a_closed_pipe_is_not_an_error_but_a_full_disk_is() {
        let mut rows = 0;
        let mut long = |out: &mut dyn Write| {
            for _ in 0..1_000_000 {
                out.write_all(b"0123456789").map_err(|error| unwritable(&error))?;
                rows += 1;
            }
            Ok(())
        };
        assert_eq!(through(Failing(io::ErrorKind::BrokenPipe), &mut long), Ok(()));
        assert!(rows < 1_000_000, "writing goes on after the pipe was closed");
        let short = |out: &mut dyn Write| out.write_all(b"x").map_err(|error| unwritable(&error));
        assert_eq!(through(Failing(io::ErrorKind::BrokenPipe), short), Ok(()));
        let problem = through(Failing(io::ErrorKind::StorageFull), short).unwrap_err();
        assert_eq!(problem.code, Code::OutputFailed);
    }

    #[test]
    fn an_error_of_the_writer_is_returned() {
        let mut out = Vec::new();
        let result = through(&mut out, |out| {
            out.write_all(b"part").map_err(|error| unwritable(&error))?;
            Err(Problem::new(Code::RunGone, "gone"))
        });
        assert_eq!(result.unwrap_err().code, Code::RunGone);
    }

    #[test]
    fn a_result_is_written_to_the_named_file() {
        let console =
            Console::new(OutputOptions { color: ColorWhen::Never, ..OutputOptions::default() });
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
