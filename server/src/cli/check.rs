//! `kinfold check`.

use std::io::{self, Write};
use std::process::ExitCode;

use kinfold_engine::{OpenOptions, Store};

use super::args::CheckArgs;
use super::failure::Failure;
use super::target::look_at;

/// Checks a store and prints the report; the status is 1 if something is wrong.
pub(super) fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    look_at(&args.store)?;
    let store = Store::open(&args.store, OpenOptions { read_only: true, ..OpenOptions::default() })?;
    let report = kinfold_engine::check(&store.snapshot())?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.to_string().trim_end())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
