//! `kinfold stats`.

use std::io::{self, Write};

use super::args::{StatsArgs, StatsFormat};
use super::failure::Failure;
use super::output::write_figures;
use super::target::Target;

/// Prints the figures of a store.
pub(super) fn run(args: &StatsArgs) -> Result<(), Failure> {
    let figures = Target::open(&args.target)?.figures()?;
    let mut out = io::stdout().lock();
    match args.format {
        StatsFormat::Table => write_figures(&mut out, &figures)?,
        StatsFormat::Json => writeln!(out, "{}", figures.to_json())?,
    }
    Ok(out.flush()?)
}
