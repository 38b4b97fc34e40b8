//! The program; everything it does is in the library.

/// mimalloc: the threads of a run allocate batches that another thread frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    recon::cli::main()
}
