//! `kinfold watch`.

use clap::Args;
use kinfold_proto::v1;

use super::args::TargetArgs;
use super::failure::Failure;
use super::output::{self, EVENT_COLUMNS, Format, event_row};
use super::target::Target;

/// Print what changes in who is who
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold watch --store ./store --from 100
  kinfold watch --server http://127.0.0.1:7437 --follow --format json

It prints the events of every write from a sequence number on: persons that were
created, grew, merged, split or exchanged identifiers, and persons whose
household is another, each with what brought it about. With --follow it waits
for more until it is interrupted.

Every event has a place: the sequence number of its write, and its index among
the events of that write. To go on after an interruption, begin --from the last
sequence number and skip the places that are dealt with.")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The sequence number to begin at
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Wait for more
    #[arg(long)]
    follow: bool,
    /// How events are printed [default: table, or lines with --follow]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Prints events.
pub(super) fn run(args: &WatchArgs) -> Result<(), Failure> {
    let format = match (args.format, args.follow) {
        (None, false) => Format::Table,
        (None, true) => Format::Lines,
        (Some(Format::Table), true) => {
            return Err(Failure::usage(
                "a table is laid out when it is whole; with --follow take `lines`, `json` or `csv`",
            ));
        }
        (Some(format), _) => format,
    };
    let target = Target::open(&args.target)?;
    let mut answer = output::to_stdout(format);
    answer.columns(&EVENT_COLUMNS.map(str::to_owned))?;
    let from = v1::WatchPosition { sequence: args.from, index: 0 };
    let outcome = target.watch(from, args.follow, &mut |events| {
        for event in events {
            answer.row(&event_row(event, format.is_to_look_at()))?;
        }
        if args.follow {
            answer.flush()?;
        }
        Ok(())
    });
    let ended = answer.end(outcome.is_ok());
    outcome?;
    Ok(ended?)
}
