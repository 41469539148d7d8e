//! `kinfold assert`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kinfold_engine::answers::{Assertions, Outcome};
use kinfold_engine::{OpenOptions, Store};

use super::failure::Failure;
use super::output::{self, Format};
use super::schema::{summary, write_verdicts};
use super::target::look_at;
use crate::grpc::to_proto;

/// Check assertions about who is and who is not one person
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold assert --store ./store known.txt

A line of the file says `same email:a@b.c phone:+4930123456` or
`different account:a-1 account:a-2`; `#` begins a comment, and a value with blanks
stands in quotes, as in name:'Ann Lee'. What does not hold is listed with the
reason.

The exit status is 0, 1 if an assertion is broken, 2 if the file is wrong. One
that names an identifier that the store does not know is listed as unknown, and
breaks nothing.")]
pub(crate) struct AssertArgs {
    /// The store's directory, read beside whoever writes to it
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// List those that hold as well
    #[arg(long)]
    all: bool,
    /// How they are listed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The assertions
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Checks assertions; the status is 1 if one is broken.
pub(super) fn run(args: &AssertArgs) -> Result<ExitCode, Failure> {
    let shown = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::unreadable("assertions", &shown, &error))?;
    let assertions = Assertions::parse(&text, &shown)?;
    look_at(&args.store)?;
    let store = Store::open(&args.store, OpenOptions { read_only: true, ..OpenOptions::default() })?;
    let verdicts = assertions.check(&store.snapshot())?;
    let wire: Vec<_> = verdicts.iter().map(to_proto::verdict).collect();
    let (mut broken, mut unknown) = (0, 0);
    for verdict in &verdicts {
        match verdict.outcome {
            Outcome::Holds => {}
            Outcome::Broken { .. } => broken += 1,
            Outcome::Unknown { .. } | Outcome::HouseholdScope { .. } => unknown += 1,
        }
    }
    if args.format.is_to_look_at() {
        writeln!(io::stdout(), "{}", summary(verdicts.len(), broken, unknown))?;
    }
    write_verdicts(output::to_stdout(args.format).as_mut(), &wire, args.all)?;
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
