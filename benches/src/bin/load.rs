//! Loads a server of its own from many connections, and says whether it passed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kinfold_benches::load::{self, Plan};

/// Load a server on this machine from many connections at once
#[derive(Parser)]
#[command(after_help = "\
Example:
  load --program target/release/kinfold --seconds 600

It makes a store, serves it, looks persons up alone and beside a stream that
writes, and then lets all connections look up, query, stream and write. It passes
where no call fails but for a limit that the server announces, the memory of the
server is flat after the first minute, and the slowest hundredth of lookups beside
the stream takes less than ten times as long as alone. The exit status is 0 then,
and else 1. The server has small caches (112 MiB in all), which are full within that
minute. Figures are one JSON object on standard output.")]
struct Cli {
    /// The program `kinfold`
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// For how long all connections work, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    seconds: u64,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 256)]
    connections: usize,
    /// How many persons the store begins with
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    persons: u32,
    /// How often the server's memory is read, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// A setting of the server, as audit_dir=/tmp/audit; once for each
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

fn main() -> ExitCode {
    let Cli { program, seconds, connections, persons, interval, settings } = Cli::parse();
    let (time, interval) = (Duration::from_secs(seconds), Duration::from_secs(interval));
    let plan = Plan { program, time, connections, persons, interval, settings };
    let outcome = load::run(&plan, |line| eprintln!("{line}"));
    let said = outcome.and_then(|outcome| {
        writeln!(std::io::stdout(), "{}", outcome.figures)?;
        Ok(outcome.faults)
    });
    match said {
        Ok(faults) if faults.is_empty() => {
            eprintln!("passed");
            ExitCode::SUCCESS
        }
        Ok(faults) => {
            faults.iter().for_each(|fault| eprintln!("failed: {fault}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
