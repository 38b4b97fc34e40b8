//! `recon completions` and `recon man`.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::diagnostic::{Problem, Problems};
use crate::report::unwritable;

use super::args::{Cli, Completions, Man};
use super::context::{Context, unwritable as unwritable_file};

pub fn completions(context: &Context, arguments: &Completions) -> Result<u8, Problems> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "recon", &mut script);
    write(context, &script)?;
    Ok(0)
}

/// The man page of recon, or one page per command.
pub fn man(context: &Context, arguments: &Man) -> Result<u8, Problems> {
    let mut page = Vec::new();
    match &arguments.output {
        None => {
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered
                .and_then(|()| page.flush())
                .map_err(|error| unwritable_file("-".as_ref(), &error))?;
            write(context, &page)?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
                .map_err(|error| unwritable_file(folder, &error))?;
        }
    }
    Ok(0)
}

fn write(context: &Context, bytes: &[u8]) -> Result<(), Problem> {
    context.console.result(|out| out.write_all(bytes).map_err(|error| unwritable(&error)))
}
