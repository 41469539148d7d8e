//! `kinfold check`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::CheckArgs;
use super::failure::Failure;
use super::target::Target;

/// Checks a store and prints the report; the status is 1 if something is wrong.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let (report, clean) = Target::open(&args.target)?.check()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.trim_end())?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
