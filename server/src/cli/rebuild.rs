//! `kinfold rebuild`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kinfold_engine::{OpenOptions, Store};

use super::args::StatsFormat;
use super::failure::Failure;
use super::output::{self, Format, plan_json, write_plan};
use super::target::look_at;
use crate::grpc::to_proto;

/// Resolve the whole store again from its links, overrides and schema
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold rebuild --store ./store

It mends persons and households that `kinfold check` finds to be wrong, in one
atomic write. Ids stay. A store that is whole does not change.")]
pub(crate) struct RebuildArgs {
    /// The store's directory
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// How it is told what changed
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    format: StatsFormat,
}

/// Resolves a store again and prints what changed.
pub(super) fn run(args: &RebuildArgs) -> Result<(), Failure> {
    look_at(&args.store)?;
    let store = Store::open(&args.store, OpenOptions::default())?;
    let plan = store.rebuild()?;
    let wire = to_proto::schema_plan(&store.snapshot(), &plan, usize::MAX)?;
    store.close()?;
    let mut out = io::stdout();
    match args.format {
        StatsFormat::Json => writeln!(out, "{}", plan_json(&wire))?,
        StatsFormat::Table => {
            let changed = plan.changed > 0 || plan.household_changes > 0;
            let head = if changed { "It changed:" } else { "Everything was as it should be." };
            writeln!(out, "The store is resolved again. {head}\n")?;
            write_plan(&mut out, output::to_stdout(Format::Table).as_mut(), &wire)?;
        }
    }
    Ok(out.flush()?)
}
