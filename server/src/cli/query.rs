//! `kinfold query`.

use std::io::{self, Read};

use kinfold_query::Params;

use super::args::{LimitArgs, QueryArgs, TargetArgs};
use super::failure::Failure;
use super::output::{self, Format};
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
    let asked = Asked { text: &text, params: &params, heading: None };
    ask(&args.target, &args.limits, args.format, &asked)
}

/// A statement with its parameters, and what to write above its rows where they are to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) text: &'a str,
    pub(super) params: &'a Params,
    pub(super) heading: Option<&'a str>,
}

/// Asks a statement and prints its rows.
pub(super) fn ask(
    target: &TargetArgs,
    limits: &LimitArgs,
    format: Format,
    asked: &Asked<'_>,
) -> Result<(), Failure> {
    let target = Target::open(target)?;
    let question = Question { text: asked.text, params: asked.params, limits: &RunLimits::of(limits) };
    let mut answer = output::to_stdout(format);
    if let Some(heading) = asked.heading.filter(|_| format.is_to_look_at()) {
        answer = output::headed(heading, answer);
    }
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
