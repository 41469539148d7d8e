//! `kinfold forget` and `readmit`: identifiers erased, and let in again.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use kinfold_engine::model::{Identifier, PersonId};
use kinfold_engine::privacy::Forget;
use kinfold_engine::write::{Act, Authored};

use super::acts::{self, ActArgs};
use super::args::StatsFormat;
use super::failure::Failure;
use super::output::{self, Format, forget_json, write_forget};
use super::target::Target;

/// Erase identifiers, or all of a person, and prove that no file holds them any more
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).multiple(false).args(["person_of", "person", "identifiers"]))]
#[command(after_help = "\
Examples:
  kinfold forget --store ./store --reason 'asked on 12 May' email:ann@example.com phone:+4930123456
  kinfold forget --store ./store --reason 'ticket 12' --person-of email:ann@example.com --dry-run
  kinfold forget --server http://127.0.0.1:7437 --reason 'ticket 12' --person p42

Identifiers, links, attributes, history and records that name nobody else are
erased; who was one person with them is resolved again. Then the files that may
hold them are rewritten and all files are searched. What was erased is refused
when it comes in again, until `kinfold readmit`. Copies made before keep it.

The same again erases nothing and searches again. The reason is kept: it may not
name what is erased.

The exit status is 0, 1 if the proof is not complete or it fails, 2 if the words
are wrong.")]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    act: ActArgs,
    /// Say what would be erased, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// All of the person that this identifier belongs to
    #[arg(long, value_name = "IDENTIFIER")]
    person_of: Option<Identifier>,
    /// All of the person of this id
    #[arg(long, value_name = "ID")]
    person: Option<PersonId>,
    /// These identifiers, as email:ann@example.com
    #[arg(value_name = "IDENTIFIER")]
    identifiers: Vec<Identifier>,
}

/// Let a forgotten identifier in again
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold readmit --store ./store --reason 'is a customer again' email:ann@example.com

Nothing comes back by that: it can be observed again.

The exit status is 0, 1 if it is not forgotten or it fails, 2 if the words are
wrong.")]
pub(crate) struct ReadmitArgs {
    #[command(flatten)]
    act: ActArgs,
    /// The identifier, as email:ann@example.com
    #[arg(value_name = "IDENTIFIER")]
    identifier: Identifier,
}

/// Erases, and prints what was erased and the proof.
pub(super) fn forget(args: &ForgetArgs) -> Result<ExitCode, Failure> {
    let forget = match (&args.person_of, args.person) {
        (Some(identifier), _) => Forget::PersonOf(identifier.clone()),
        (None, Some(id)) => Forget::Person(id),
        (None, None) => Forget::Identifiers(args.identifiers.clone()),
    };
    // What is only asked is nobody's doing, and kept nowhere.
    let nobody = || Authored { author: String::new(), reason: String::new() };
    let by = if args.dry_run { nobody() } else { args.act.by.authored()? };
    let target =
        if args.dry_run { Target::open(&args.act.target)? } else { Target::open_to_write(&args.act.target)? };
    let answer = target.forget(&forget, by, args.dry_run);
    let closed = target.close();
    let answer = answer?;
    let mut out = io::stdout();
    match args.act.format {
        StatsFormat::Table => {
            write_forget(&mut out, output::to_stdout(Format::Table).as_mut(), &answer)?;
        }
        StatsFormat::Json => writeln!(out, "{}", forget_json(&answer))?,
    }
    out.flush()?;
    closed?;
    let complete = answer.proof.is_none_or(|proof| proof.complete);
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Lets an identifier in again.
pub(super) fn readmit(args: &ReadmitArgs) -> Result<(), Failure> {
    let identifier = &args.identifier;
    let told = format!("`{identifier}` is let in again");
    acts::run(&args.act, &Act::Readmit(identifier.clone()), &told)
}
