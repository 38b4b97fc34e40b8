//! Generates the data of the benchmarks.
//!
//!     cargo bench --bench trades -- ROWS SEED FOLDER
//!
//! writes `source_a.csv`, `source_b.csv`, `recon.yaml`, `rules.rhai` and `expected.json`. ROWS is
//! the number of true trades.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

mod make;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [rows, seed, folder] = arguments.as_slice() else {
        // `cargo test` and `cargo bench` start every bench; this one is only a tool.
        println!("usage: cargo bench --bench trades -- ROWS SEED FOLDER");
        return Ok(());
    };
    let folder = Path::new(folder);
    make::make(rows.parse()?, seed.parse()?, folder)?;
    println!("{}", std::fs::read_to_string(folder.join("expected.json"))?);
    Ok(())
}
