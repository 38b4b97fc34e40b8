//! The command line: arguments, one file per command, output, progress and exit codes.
//!
//! Results go to stdout, everything else to stderr; every exit code comes from `exit.rs`.

mod account;
mod args;
mod attribute;
mod audit;
mod breaks;
mod check;
mod context;
mod digest;
mod discover;
mod evaluate;
pub mod exit;
mod explain;
mod generate;
mod import;
mod init;
mod measures;
mod migrate;
mod model;
mod output;
mod pass;
mod problem;
mod progress;
mod report;
mod runs;
mod serve;
mod shard;
mod sql;
mod table;
mod test;
mod token;
mod train;
mod user;
mod write;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::diagnostic::Problems;

use args::{Cli, Command};
use context::Context;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap chooses between stdout and stderr; a closed pipe is not an error.
            let printed = error.print().and_then(|()| std::io::stdout().flush());
            let code = match printed {
                Err(failed) if failed.kind() != std::io::ErrorKind::BrokenPipe => exit::UNWRITABLE,
                _ => u8::try_from(error.exit_code()).unwrap_or(2),
            };
            return ExitCode::from(code);
        }
    };
    // By default, exceeding the file size limit kills the process silently. Handled, it becomes a
    // write error.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    let context = Context::new(cli.global);
    let result = match context::clock().and_then(|()| crate::threads::enough_memory()) {
        Ok(()) => dispatch(&context, cli.command),
        Err(problem) => Err(problem.into()),
    };
    let code = match result {
        Ok(code) => code,
        Err(problems) => {
            context.console.problems(&problems);
            exit::code_of(&problems)
        }
    };
    ExitCode::from(code)
}

fn dispatch(context: &Context, command: Command) -> Result<u8, Problems> {
    match command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Test(arguments) => test::run(context, &arguments),
        Command::Generate(arguments) => generate::run(context, &arguments),
        Command::Ingest(arguments) => pass::ingest(context, &arguments),
        Command::Diff(arguments) => attribute::diff(context, &arguments),
        Command::Attribute(arguments) => attribute::attribute(context, &arguments),
        Command::Run(arguments) => pass::run(context, &arguments),
        Command::Train(arguments) => train::run(context, &arguments),
        Command::Evaluate(arguments) => evaluate::run(context, &arguments),
        Command::Model(arguments) => model::run(context, &arguments),
        Command::Discover(arguments) => discover::run(context, &arguments),
        Command::Report(arguments) => report::run(context, &arguments),
        Command::Explain(arguments) => explain::run(context, &arguments),
        Command::Sql(arguments) => sql::run(context, &arguments),
        Command::Breaks(arguments) => breaks::run(context, &arguments),
        Command::Runs(arguments) => runs::run(context, &arguments),
        Command::Shard(arguments) => shard::run(context, &arguments),
        Command::Import(arguments) => import::run(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::User(arguments) => user::run(context, &arguments),
        Command::Token(arguments) => token::run(context, &arguments),
        Command::Audit(arguments) => audit::run(context, &arguments),
        Command::Migrate(arguments) => migrate::run(context, &arguments),
        Command::Completions(arguments) => write::completions(context, &arguments),
        Command::Man(arguments) => write::man(context, &arguments),
    }
}
