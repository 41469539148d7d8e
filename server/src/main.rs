//! The program `kinfold`; everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kinfold_server::cli::main()
}
