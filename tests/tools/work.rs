//! Prints what the store reads and writes for shapes that would be quadratic
//! for a careless resolver. `work` prints the table of `docs/resolution.md`;
//! `work SHAPE SIZE…` prints one shape, by its place from 0.

use std::io::Write as _;
use std::process::ExitCode;

use kinfold_tests::work::table;

fn main() -> ExitCode {
    let given: Result<Vec<u64>, _> = std::env::args().skip(1).map(|text| text.parse::<u64>()).collect();
    let sizes: Vec<(usize, u64)> = match given.as_deref() {
        Ok([]) => vec![
            (0, 10_000),
            (0, 100_000),
            (0, 1_000_000),
            (1, 10_000),
            (1, 20_000),
            (1, 40_000),
            (1, 100_000),
            (2, 10_000),
            (2, 100_000),
            (3, 100),
            (3, 1_000),
            (4, 10_000),
            (4, 100_000),
            (5, 10_000),
            (5, 100_000),
            (6, 1_000),
            (6, 10_000),
        ],
        Ok([shape, sizes @ ..]) => sizes.iter().map(|size| (*shape as usize, *size)).collect(),
        Err(error) => {
            eprintln!("expected numbers: a shape's place, then sizes: {error}");
            return ExitCode::from(2);
        }
    };
    for size in sizes {
        match table(&[size]) {
            Ok(text) => {
                if writeln!(std::io::stdout(), "{text}").is_err() {
                    return ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
