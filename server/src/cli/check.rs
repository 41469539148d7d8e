//! `kinfold check`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::CheckArgs;
use super::failure::Failure;
use super::target::open_to_read;

/// Checks a store and prints the report; the status is 1 if something is wrong.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let store = open_to_read(&args.store)?;
    let report = kinfold_engine::check(&store.snapshot())?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.to_string().trim_end())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
