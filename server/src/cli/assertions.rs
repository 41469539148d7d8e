//! `kinfold assert`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kinfold_engine::answers::Assertions;
use kinfold_proto::v1::AssertionOutcome;

use super::args::TargetArgs;
use super::failure::Failure;
use super::output::{self, Format};
use super::schema::{summary, write_verdicts};
use super::target::Target;

/// Check assertions about who is and who is not one person
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold assert --store ./store known.txt
  kinfold assert --server http://127.0.0.1:7437 known.txt

A line of the file says `same email:a@b.c phone:+4930123456` or
`different account:a-1 account:a-2`; `#` begins a comment, and a value with blanks
stands in quotes, as in name:'Ann Lee'. What does not hold is listed with the
reason.

The exit status is 0, 1 if an assertion is broken, 2 if the file is wrong. One
that names an identifier that the store does not know is listed as unknown, and
breaks nothing.")]
pub(crate) struct AssertArgs {
    #[command(flatten)]
    target: TargetArgs,
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
    let verdicts = Target::open(&args.target)?.assert(&assertions, &text)?;
    let (mut broken, mut unknown) = (0, 0);
    for verdict in &verdicts {
        match verdict.outcome() {
            AssertionOutcome::Holds => {}
            AssertionOutcome::Broken => broken += 1,
            AssertionOutcome::Unknown | AssertionOutcome::Unspecified => unknown += 1,
        }
    }
    if args.format.is_to_look_at() {
        writeln!(io::stdout(), "{}", summary(verdicts.len(), broken, unknown))?;
    }
    write_verdicts(output::to_stdout(args.format).as_mut(), &verdicts, args.all)?;
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
