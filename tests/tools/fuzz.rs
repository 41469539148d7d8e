//! Runs texts that nobody would write through the query language.
//!
//! `fuzz [--executions N] [--seed S] [--from N]` runs so many (20,000), from the
//! execution `--from` on, and prints each text that panics, passes a limit, does
//! not end, or is another when it is printed and parsed. The exit code is 1 if
//! there was one.

use std::io::Write as _;
use std::process::ExitCode;

use kinfold_tests::fuzz::{Fuzz, Tally};

/// How many findings are shown before it stops.
const MOST: usize = 20;

/// How many executions are between two lines about how far it is.
const STRIDE: u64 = 100_000;

fn numbers(given: impl IntoIterator<Item = String>) -> Result<[u64; 3], String> {
    let mut numbers = [20_000, 1, 0];
    let mut given = given.into_iter();
    while let Some(name) = given.next() {
        let place = match name.as_str() {
            "--executions" => 0,
            "--seed" => 1,
            "--from" => 2,
            other => return Err(format!("no option `{other}`: fuzz [--executions N] [--seed S] [--from N]")),
        };
        let value = given.next().ok_or(format!("`{name}` takes a number"))?;
        numbers[place] =
            value.replace('_', "").parse().map_err(|error| format!("`{name} {value}`: {error}"))?;
    }
    Ok(numbers)
}

fn main() -> ExitCode {
    let [executions, seed, from] = match numbers(std::env::args().skip(1)) {
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let fuzz = match Fuzz::new(seed) {
        Ok(fuzz) => fuzz,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut total, mut found) = (Tally::default(), 0);
    let (mut at, end) = (from, from.saturating_add(executions));
    let mut out = std::io::stdout();
    while at < end && found < MOST {
        let next = at.saturating_add(STRIDE).min(end);
        let (tally, findings) = fuzz.run(at..next, MOST - found);
        found += findings.len();
        for finding in findings {
            let written = writeln!(
                out,
                "execution {} of seed {seed}: {}\n{}\n",
                finding.execution, finding.what, finding.text
            );
            if written.is_err() {
                return ExitCode::FAILURE;
            }
        }
        total.executions += tally.executions;
        total.parsed += tally.parsed;
        total.ran += tally.ran;
        total.limited += tally.limited;
        total.answered += tally.answered;
        at = next;
        eprintln!("{at} of {end}");
    }
    let Tally { executions, parsed, ran, limited, answered } = total;
    let written = writeln!(
        out,
        "{executions} executions of seed {seed}: {parsed} parsed, {ran} ran on the graph, {limited} ended at a limit, \
         {answered} answered by the store, {found} failed"
    );
    if found == 0 && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
