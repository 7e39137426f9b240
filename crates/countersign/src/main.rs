//! The one binary: server and command line.

use std::process::ExitCode;

/// A token request makes about fifty short-lived allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::cli::main()
}
