//! `kinfold generate`: a population with its ground truth, to try things out on.
//!
//! The same seed gives the same bytes on every machine: the choices come from
//! ChaCha8 and integer arithmetic alone. Rows are written as they are made, so
//! that memory does not grow with the population.

mod dice;
mod events;
mod names;
mod people;
mod records;
mod values;

#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};

pub use events::Made;

use events::{Files, Maker};

const SCHEMA: &str = include_str!("schema.toml");
const MAPPING: &str = include_str!("mapping.toml");

/// The most persons that can be made: their identifiers are drawn from a space of this size.
pub const MAX_PERSONS: u64 = 50_000_000;

/// Make up a population with its ground truth, to try things out on
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  kinfold generate --persons 20000 --seed 7 --out demo
  kinfold import --store ./store --mapping demo/mapping.toml demo/records.csv demo/links.csv

Written are schema.toml, mapping.toml, records.csv and links.csv, and truth.csv,
which says whose each identifier is: the person is empty for what several share,
and so is the household where it belongs to none.")]
pub struct GenerateArgs {
    /// How many persons
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=MAX_PERSONS))]
    pub persons: u64,
    /// How many households they form [default: as many as their usual sizes make]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub households: Option<u64>,
    /// The seed: the same one gives the same files
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The directory to write to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
}

/// Runs `kinfold generate` and says on standard output what was made.
pub fn run_generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let bar = if io::stderr().is_terminal() { ProgressBar::new(args.persons) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} persons (eta {eta})") {
        bar.set_style(style);
    }
    let made = generate(args, |persons| bar.set_position(persons))?;
    bar.finish_and_clear();
    let out = args.out.display();
    writeln!(
        io::stdout().lock(),
        "Made {} persons in {} households with {} identifiers:\n  {out}/records.csv  {} rows\n  {out}/links.csv    {} rows\n  {} junk values among them\nLoad them with\n  kinfold init --store DIR --schema {out}/schema.toml\n  kinfold import --store DIR --mapping {out}/mapping.toml {out}/records.csv {out}/links.csv",
        made.persons, made.households, made.identifiers, made.records, made.links, made.junk
    )
    .context("cannot write to standard output")
}

/// Writes the five files; `tell` hears after each household how many persons are made.
pub fn generate(args: &GenerateArgs, tell: impl FnMut(u64)) -> anyhow::Result<Made> {
    if let Some(households) = args.households
        && households > args.persons
    {
        bail!("{households} households of {} persons: every household needs a person", args.persons);
    }
    if args.persons > MAX_PERSONS {
        bail!("{} persons are too many; at most {MAX_PERSONS} can be told apart", args.persons);
    }
    let out = &args.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make the directory {}", out.display()))?;
    let names = ["schema.toml", "mapping.toml", "records.csv", "links.csv", "truth.csv"];
    if !args.force
        && let Some(taken) = names.into_iter().find(|name| out.join(name).exists())
    {
        bail!("{} is there already; name another directory, or say --force", out.join(taken).display());
    }
    for (name, text) in [("schema.toml", SCHEMA), ("mapping.toml", MAPPING)] {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let files = Files {
        records: table(out, "records.csv")?,
        links: table(out, "links.csv")?,
        truth: table(out, "truth.csv")?,
    };
    Maker::new(args.seed, args.persons, files)
        .run(args.households, tell)
        .with_context(|| format!("cannot write to {}", out.display()))
}

fn table(out: &Path, name: &str) -> anyhow::Result<csv::Writer<BufWriter<File>>> {
    let path = out.join(name);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(csv::Writer::from_writer(BufWriter::with_capacity(1 << 18, file)))
}
