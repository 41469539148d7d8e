//! Prints how fast a data set of `benches/compare` goes in memory, as one JSON object.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use kinfold_benches::floor;
use kinfold_benches::workload::Workload;

/// The work of a comparison in memory, with nothing stored
#[derive(Parser)]
struct Cli {
    /// The directory of the data set
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The questions with their answers
    #[arg(long, value_name = "FILE")]
    workload: PathBuf,
    /// How many identifiers the data set has
    #[arg(long, value_name = "N")]
    identifiers: usize,
    /// How often each piece is done; medians count
    #[arg(long, value_name = "N", default_value_t = 3)]
    times: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let measured = Workload::read(&cli.workload)
        .and_then(|workload| floor::run(&cli.data, &workload, cli.identifiers, cli.times))
        .and_then(|figures| Ok(writeln!(std::io::stdout(), "{figures}")?));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
