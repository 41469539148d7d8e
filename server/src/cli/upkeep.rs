//! `kinfold backup` and `kinfold compact`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::args::{ServerArgs, TargetArgs};
use super::failure::Failure;
use super::output::bytes;
use super::target::Target;

/// Make a copy of a store
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("where").required(true).multiple(false).args(["store", "server"]),
    after_help = "\
Examples:
  kinfold backup --store ./store --to ./copy
  kinfold backup --server http://127.0.0.1:7437 --name monday

The copy is a store. It holds the store's key: keep it as safe as the store. A
server makes it on its own machine, in the directory that its setting
`backup_dir` names, while reads and writes go on."
)]
pub(crate) struct BackupArgs {
    /// The store's directory, which nobody else may write to meanwhile
    #[arg(long, value_name = "DIR", requires = "to")]
    store: Option<PathBuf>,
    #[command(flatten)]
    remote: ServerArgs,
    /// Where the copy of a directory goes: a new directory, or an empty one
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    to: Option<PathBuf>,
    /// The name of a copy that a server makes, 1 to 100 letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME", conflicts_with = "store", required_unless_present = "to")]
    name: Option<String>,
}

/// Copies a store and prints up to which write the copy has everything.
pub(super) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let target = TargetArgs { store: args.store.clone(), remote: args.remote.clone() };
    let target = Target::open_to_write(&target)?;
    let (sequence, copy) = match (&args.to, &args.name) {
        (Some(to), _) => (target.backup_to(to)?, to.display().to_string()),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            (target.backup_as(name)?, format!("{name}, in the server's directory for copies"))
        }
    };
    target.close()?;
    let mut out = io::stdout();
    writeln!(out, "The copy holds everything up to write {sequence}: {copy}")?;
    Ok(out.flush()?)
}

/// Rewrite a store's files, so that what was overwritten takes no room
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold compact --store ./store
  kinfold compact --server http://127.0.0.1:7437

Files are packed tighter, too, than when they were loaded. It takes about as
much room again while it runs. A server goes on meanwhile, slower.")]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    target: TargetArgs,
}

/// Rewrites a store's files and prints what room that gave.
pub(super) fn compact(args: &CompactArgs) -> Result<(), Failure> {
    let target = Target::open_to_write(&args.target)?;
    let (before, after) = target.compact()?;
    target.close()?;
    let mut out = io::stdout();
    writeln!(out, "The store's files took {} and take {} now.", bytes(before), bytes(after))?;
    Ok(out.flush()?)
}
