//! `kinfold schema`: the schema in force, what another would change, and putting it in force.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use kinfold_proto::v1;
use serde_json::json;

use super::acts::AuthorArgs;
use super::args::{StatsFormat, TargetArgs};
use super::failure::Failure;
use super::output::{
    self, Format, VERDICT_COLUMNS, grouped, plan_json, verdict_json, verdict_row, write_plan,
};
use super::target::{SchemaTexts, Target};
use crate::schema_change::Named;

/// Show the schema, plan another one, or put it in force
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinfold schema show --store ./store > schema.toml
  kinfold schema plan --store ./store --schema schema.toml --assertions known.txt
  kinfold schema apply --store ./store --schema schema.toml --reason 'phones are shared more often'

plan resolves the whole store under the schema, in memory, and writes nothing.
apply does the same in one atomic write. How values are normalised, and what
scope a namespace has, cannot change while the store holds identifiers of it.

Assertions are a file with a line each: `same email:a@b.c phone:+4930123456` or
`different account:a-1 account:a-2`. One that the schema would break refuses it,
unless --go-on is given.

The exit status is 0, 1 if the schema does not fit the store or breaks an
assertion, 2 if the words, the schema or the assertions are wrong.")]
pub(crate) struct SchemaArgs {
    /// What to do
    #[arg(value_enum, value_name = "WHAT")]
    what: What,
    #[command(flatten)]
    target: TargetArgs,
    /// The schema to plan or apply
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Assertions to check under it
    #[arg(long, value_name = "FILE")]
    assertions: Option<PathBuf>,
    #[command(flatten)]
    by: AuthorArgs,
    /// Apply the schema although it breaks assertions
    #[arg(long)]
    go_on: bool,
    /// How it is told what changes
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    format: StatsFormat,
}

/// What to do with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Print the schema in force
    Show,
    /// Say what a schema would change, and write nothing
    Plan,
    /// Put a schema in force
    Apply,
}

/// Shows, plans or applies.
pub(super) fn run(args: &SchemaArgs) -> Result<std::process::ExitCode, Failure> {
    let done = std::process::ExitCode::SUCCESS;
    if args.what == What::Show {
        return show(args).map(|()| done);
    }
    let path = args.schema.as_deref().ok_or_else(|| {
        Failure::usage("say which schema: --schema FILE; `kinfold schema show` prints the one in force")
    })?;
    let schema = read("schema", path)?;
    let assertions = args.assertions.as_deref().map(|path| read("assertions", path)).transpose()?;
    let texts = SchemaTexts {
        schema: Named { text: &schema.0, name: &schema.1 },
        assertions: assertions.as_ref().map(|(text, name)| Named { text, name }),
    };
    let broken = if args.what == What::Plan {
        let answer = Target::open(&args.target)?.plan_schema(&texts)?;
        write(args.format, "It would change:", answer.plan.unwrap_or_default(), &answer.verdicts)?
    } else {
        let by = args.by.authored()?;
        let target = Target::open_to_write(&args.target)?;
        let answer = target.apply_schema(&texts, by, args.go_on);
        let closed = target.close();
        let answer = answer?;
        write(
            args.format,
            "The schema is in force. It changed:",
            answer.plan.unwrap_or_default(),
            &answer.verdicts,
        )?;
        closed?;
        0
    };
    Ok(if broken > 0 { std::process::ExitCode::from(1) } else { done })
}

fn show(args: &SchemaArgs) -> Result<(), Failure> {
    for (given, option) in [
        (args.schema.is_some(), "--schema"),
        (args.assertions.is_some(), "--assertions"),
        (args.go_on, "--go-on"),
    ] {
        if given {
            return Err(Failure::usage(format!("`kinfold schema show` takes no {option}")));
        }
    }
    let text = Target::open(&args.target)?.schema()?;
    let mut out = io::stdout().lock();
    match args.format {
        StatsFormat::Table => out.write_all(text.as_bytes())?,
        StatsFormat::Json => writeln!(out, "{}", json!({ "schema": text }))?,
    }
    Ok(out.flush()?)
}

/// A file that the user names, with its name.
fn read(what: &str, path: &Path) -> Result<(String, String), Failure> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(what, &shown, &error))?;
    Ok((text, shown))
}

/// Writes what changes; gives how many assertions are broken.
fn write(
    format: StatsFormat,
    head: &str,
    plan: v1::SchemaPlan,
    verdicts: &[v1::AssertionVerdict],
) -> Result<usize, Failure> {
    let count = |outcome| verdicts.iter().filter(|verdict| verdict.outcome() == outcome).count();
    let broken = count(v1::AssertionOutcome::Broken);
    let mut out = io::stdout();
    if format == StatsFormat::Json {
        let mut object = plan_json(&plan);
        object["assertions"] = verdicts.iter().map(verdict_json).collect();
        writeln!(out, "{object}")?;
        return Ok(broken);
    }
    writeln!(out, "{head}\n")?;
    write_plan(&mut out, output::to_stdout(Format::Table).as_mut(), &plan)?;
    if !verdicts.is_empty() {
        let unknown = count(v1::AssertionOutcome::Unknown);
        writeln!(out, "\n{}", summary(verdicts.len(), broken, unknown))?;
        write_verdicts(output::to_stdout(Format::Table).as_mut(), verdicts, false)?;
    }
    out.flush()?;
    Ok(broken)
}

/// What became of assertions, in a sentence.
pub(super) fn summary(all: usize, broken: usize, unknown: usize) -> String {
    let number = |number: usize| grouped(number as u64);
    let holding = all.saturating_sub(broken + unknown);
    let mut text = format!("Assertions: {} hold, {} broken", number(holding), number(broken));
    if unknown > 0 {
        text.push_str(&format!(", {} cannot be told", number(unknown)));
    }
    text.push('.');
    text
}

/// Writes those that do not hold, or all.
pub(super) fn write_verdicts(
    answer: &mut dyn output::Answer,
    verdicts: &[v1::AssertionVerdict],
    all: bool,
) -> io::Result<()> {
    let told = |it: &&v1::AssertionVerdict| all || it.outcome() != v1::AssertionOutcome::Holds;
    let mut told = verdicts.iter().filter(told).peekable();
    if told.peek().is_none() {
        return Ok(());
    }
    answer.columns(&VERDICT_COLUMNS.map(str::to_owned))?;
    for verdict in told {
        answer.row(&verdict_row(verdict))?;
    }
    answer.end(true)
}
