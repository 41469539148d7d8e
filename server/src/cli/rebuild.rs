//! `kinfold rebuild`.

use std::io::{self, Write};

use clap::Args;

use super::args::{StatsFormat, TargetArgs};
use super::failure::Failure;
use super::output::{self, Format, plan_json, write_plan};
use super::target::Target;

/// Resolve the whole store again from its links, overrides and schema
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold rebuild --store ./store
  kinfold rebuild --server http://127.0.0.1:7437

It mends persons and households that `kinfold check` finds to be wrong, in one
atomic write. Ids stay. A store that is whole does not change.")]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How it is told what changed
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    format: StatsFormat,
}

/// Resolves a store again and prints what changed.
pub(super) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    let target = Target::open_to_write(&args.target)?;
    let wire = target.rebuild()?;
    target.close()?;
    let mut out = io::stdout();
    match args.format {
        StatsFormat::Json => writeln!(out, "{}", plan_json(&wire))?,
        StatsFormat::Table => {
            let changed = wire.persons_before > wire.untouched || wire.household_changes > 0;
            let head = if changed { "It changed:" } else { "Everything was as it should be." };
            writeln!(out, "The store is resolved again. {head}\n")?;
            write_plan(&mut out, output::to_stdout(Format::Table).as_mut(), &wire)?;
        }
    }
    Ok(out.flush()?)
}
