//! `kinfold query`.

use std::io::{self, Read};

use super::args::QueryArgs;
use super::failure::Failure;
use super::output;
use super::params;
use super::statements;
use super::target::{Interrupt, Question, RunLimits, Target};

/// The longest text that is read from standard input, in bytes; the language's own limit is lower.
const LONGEST: u64 = 1 << 20;

/// Runs one query and prints its rows.
pub(super) fn run(args: &QueryArgs) -> Result<(), Failure> {
    let params = params::parse_all(&args.params)?;
    let text = match args.text.as_str() {
        "-" => read(io::stdin().lock())?,
        text => text.to_owned(),
    };
    match statements::count(&text) {
        0 => return Err(Failure::usage("the query is empty; `kinfold query --help` shows examples")),
        1 => {}
        several => {
            return Err(Failure::usage(format!(
                "there are {several} queries, and `kinfold query` takes one; \
                 `kinfold shell` reads several from standard input"
            )));
        }
    }
    let target = Target::open(&args.target)?;
    let question = Question { text: &text, params: &params, limits: &RunLimits::of(&args.limits) };
    let mut answer = output::to_stdout(args.format);
    let outcome = target.ask(&question, &Interrupt::default(), answer.as_mut());
    // What came before an error is worth seeing; if it cannot be written, the first error says more.
    let ended = answer.end(outcome.is_ok());
    outcome?;
    Ok(ended?)
}

fn read(input: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    let mut input = input.take(LONGEST + 1);
    input
        .read_to_string(&mut text)
        .map_err(|error| Failure::failed(format!("cannot read the query from standard input: {error}")))?;
    if text.len() as u64 > LONGEST {
        return Err(Failure::usage(format!("the query on standard input is longer than {LONGEST} bytes")));
    }
    Ok(text)
}
