//! The program `kinfold`; everything it does is in the library.

use std::process::ExitCode;

/// Rows and messages are many small pieces of memory that come and go on several
/// threads. It serves RocksDB, too: with the allocator of the C library a server
/// under load grew for as long as it was watched.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kinfold_server::cli::main()
}
