//! `kinfold forbid`, `require`, `release` and `retract`: what people say over what sources saw.

use std::io::{self, Write as _};

use clap::Args;
use kinfold_engine::model::Identifier;
use kinfold_engine::write::{Act, Authored};

use super::args::{StatsFormat, TargetArgs};
use super::failure::Failure;
use super::output::{self, Format, act_json, write_act};
use super::target::Target;

/// Who does something by hand, and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct AuthorArgs {
    /// Who does it [default: the name of the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// Why, in words; it is kept, and `kinfold history` shows it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

impl AuthorArgs {
    /// Who, and why: both are needed.
    pub(crate) fn authored(&self) -> Result<Authored, Failure> {
        let user = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
        let author = self.author.clone().or_else(user).filter(|name| !name.trim().is_empty());
        let author = author.ok_or_else(|| Failure::usage("say who does it: --author NAME"))?;
        let reason = self.reason.clone().ok_or_else(|| {
            Failure::usage("say why, so that others can judge it later: --reason \"two people, one mailbox\"")
        })?;
        Ok(Authored { author, reason })
    }
}

/// What every change by hand is told: where, who and why, and how it answers.
#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) by: AuthorArgs,
    /// How it is told what changed
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    pub(super) format: StatsFormat,
}

/// Say that two identifiers are never one person
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold forbid --store ./store --reason 'father and son' email:ann@example.com account:a-7
  kinfold forbid --server http://127.0.0.1:7437 --author ann --reason 'ticket 12' email:a@b.c phone:+4930123456

It holds whatever the sources say, until it is released. It is refused where it
contradicts what stands: a require on the pair, or a chain of them.

The exit status is 0, 1 if it is refused or fails, 2 if the words are wrong.")]
pub(crate) struct ForbidArgs {
    #[command(flatten)]
    pub(crate) pair: PairArgs,
}

/// Say that two identifiers are one person, whatever the evidence
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold require --store ./store --reason 'told us on the phone' email:ann@example.com email:ann@work.example

It holds whatever the sources say, until it is released. It is refused where it
contradicts what stands: a forbid, or a limit of the schema.

The exit status is 0, 1 if it is refused or fails, 2 if the words are wrong.")]
pub(crate) struct RequireArgs {
    #[command(flatten)]
    pub(crate) pair: PairArgs,
}

/// Take a forbid or a require back
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinfold release --store ./store --reason 'was a mistake' email:ann@example.com account:a-7

What sources saw decides again.

The exit status is 0, 1 if nothing stands on the pair or it fails, 2 if the
words are wrong.")]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) pair: PairArgs,
}

/// Two identifiers, and who says what of them.
#[derive(Debug, Args)]
pub(crate) struct PairArgs {
    #[command(flatten)]
    act: ActArgs,
    /// One identifier, as email:ann@example.com
    #[arg(value_name = "A")]
    a: Identifier,
    /// The other
    #[arg(value_name = "B")]
    b: Identifier,
}

/// Withdraw what a source said: of a link, of a record, or all of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold retract --store ./store --reason 'wrong join' link web email:ann@example.com device:d-1
  kinfold retract --store ./store --reason 'deleted there' record crm 4711
  kinfold retract --server http://127.0.0.1:7437 --reason 'contract ended' source web

Evidence of other sources stays, and identifiers stay known. The same can be
observed again later.

The exit status is 0, 1 if the source never said it or it fails, 2 if the words
are wrong.")]
pub(crate) struct RetractArgs {
    #[command(flatten)]
    act: ActArgs,
    /// What is withdrawn
    #[arg(value_enum, value_name = "WHAT")]
    what: Retracted,
    /// link: SOURCE A B; record: SOURCE ID; source: SOURCE
    #[arg(value_name = "NAMES", required = true, num_args = 1..)]
    names: Vec<String>,
}

/// What can be withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Retracted {
    /// What a source said of the link between two identifiers
    Link,
    /// A record of a source with all that it said
    Record,
    /// All that a source ever said
    Source,
}

/// Forbids a pair.
pub(super) fn forbid(args: &ForbidArgs) -> Result<(), Failure> {
    let PairArgs { a, b, .. } = &args.pair;
    pair(&args.pair, Act::Forbid(a.clone(), b.clone()), format!("`{a}` and `{b}` are never one person"))
}

/// Requires a pair.
pub(super) fn require(args: &RequireArgs) -> Result<(), Failure> {
    let PairArgs { a, b, .. } = &args.pair;
    pair(&args.pair, Act::Require(a.clone(), b.clone()), format!("`{a}` and `{b}` are one person"))
}

/// Releases a pair.
pub(super) fn release(args: &ReleaseArgs) -> Result<(), Failure> {
    let PairArgs { a, b, .. } = &args.pair;
    let what = format!("What was said of `{a}` and `{b}` is taken back");
    pair(&args.pair, Act::Release(a.clone(), b.clone()), what)
}

fn pair(args: &PairArgs, act: Act, what: String) -> Result<(), Failure> {
    run(&args.act, &act, &what)
}

/// Withdraws evidence.
pub(super) fn retract(args: &RetractArgs) -> Result<(), Failure> {
    let (act, what) = retraction(args.what, &args.names)?;
    run(&args.act, &act, &what)
}

fn retraction(what: Retracted, names: &[String]) -> Result<(Act, String), Failure> {
    let end = |text: &String| text.parse::<Identifier>().map_err(|error| Failure::usage(error.to_string()));
    match (what, names) {
        (Retracted::Link, [source, a, b]) => {
            let (a, b) = (end(a)?, end(b)?);
            let told = format!("What `{source}` said of `{a}` and `{b}` is withdrawn");
            Ok((Act::RetractLink { source: source.clone(), a, b }, told))
        }
        (Retracted::Record, [source, record_id]) => {
            let told = format!("Record `{record_id}` of `{source}` is withdrawn");
            Ok((Act::RetractRecord { source: source.clone(), record_id: record_id.clone() }, told))
        }
        (Retracted::Source, [source]) => {
            let told = format!("All that `{source}` said is withdrawn");
            Ok((Act::RetractSource { source: source.clone() }, told))
        }
        (what, given) => {
            let expected = match what {
                Retracted::Link => "link SOURCE A B, as in `link web email:ann@example.com device:d-1`",
                Retracted::Record => "record SOURCE ID, as in `record crm 4711`",
                Retracted::Source => "source SOURCE, as in `source web`",
            };
            let names = if given.len() == 1 { "name" } else { "names" };
            Err(Failure::usage(format!("{} {names} given; expected {expected}", given.len())))
        }
    }
}

/// Does it, and prints what changed under the sentence `what`.
pub(super) fn run(args: &ActArgs, act: &Act, what: &str) -> Result<(), Failure> {
    let by = args.by.authored()?;
    let target = Target::open_to_write(&args.target)?;
    let receipt = target.act(act, by);
    let closed = target.close();
    let receipt = receipt?;
    let mut out = io::stdout();
    match args.format {
        StatsFormat::Table => {
            write_act(&mut out, output::to_stdout(Format::Table).as_mut(), what, &receipt)?;
        }
        StatsFormat::Json => writeln!(out, "{}", act_json(&receipt))?,
    }
    out.flush()?;
    closed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withdrawn_is_named_in_full() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (act, _) = retraction(Retracted::Link, &names(&["web", "email:a@x.de", "device:1"])).unwrap();
        let Act::RetractLink { source, a, b } = act else { panic!("{act:?}") };
        assert_eq!((source.as_str(), a.to_string().as_str(), b.value.as_str()), ("web", "email:a@x.de", "1"));
        assert!(retraction(Retracted::Record, &names(&["crm", "1"])).is_ok());
        assert!(retraction(Retracted::Source, &names(&["crm"])).is_ok());
        for (what, given, part) in [
            (Retracted::Link, &["web", "email:a@x.de"][..], "2 names given; expected link SOURCE A B"),
            (Retracted::Link, &["web", "a", "b"][..], "`a` names no identifier"),
            (Retracted::Record, &["crm"][..], "1 name given; expected record SOURCE ID"),
            (Retracted::Source, &["crm", "1"][..], "expected source SOURCE"),
        ] {
            let error = retraction(what, &names(given)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
