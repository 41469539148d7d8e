//! Runs the conformance scenarios of the query language's grammar.
//!
//! `conformance [FILE] [--failures] [--group GROUP] [--name TEXT]` reads one
//! scenario a line from FILE (`graph-queries/scenarios.jsonl` of the data sets if
//! none is given), runs those of the group whose file or name contains the text,
//! and ends with `N passed, N failed, N skipped`. `--failures` prints each that
//! did not pass. The exit code is 1 if any failed, 2 if none could be read.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kinfold_tests::conformance::{Report, read};
use kinfold_tests::data;

const USAGE: &str = "usage: conformance [FILE] [--failures] [--group GROUP] [--name TEXT]";

struct Arguments {
    file: Option<PathBuf>,
    failures: bool,
    group: Option<String>,
    name: Option<String>,
}

fn arguments(given: impl IntoIterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { file: None, failures: false, group: None, name: None };
    let mut given = given.into_iter();
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("`{argument}` takes a value\n{USAGE}"));
        match argument.as_str() {
            "--failures" => arguments.failures = true,
            "--group" => arguments.group = Some(value()?),
            "--name" => arguments.name = Some(value()?),
            "--help" | "-h" => return Err(USAGE.to_owned()),
            option if option.starts_with('-') => return Err(format!("no option `{option}`\n{USAGE}")),
            _ if arguments.file.is_none() => arguments.file = Some(argument.into()),
            _ => return Err(format!("one file at most\n{USAGE}")),
        }
    }
    Ok(arguments)
}

fn report(arguments: &Arguments) -> Result<Report, String> {
    let set = data::set("graph-queries", "the conformance scenarios");
    let file = match (&arguments.file, &set) {
        (Some(file), _) => file.clone(),
        (None, Some(set)) => set.join("scenarios.jsonl"),
        (None, None) => return Err("there is no data set to take the scenarios from; name a file".to_owned()),
    };
    // The named graphs stand beside the scenarios, else with the data set.
    let beside = file.parent().unwrap_or(Path::new(".")).join("graphs");
    let graphs = match set {
        Some(set) if !beside.is_dir() => set.join("graphs"),
        _ => beside,
    };
    let mut scenarios = read(&file).map_err(|error| error.to_string())?;
    scenarios.retain(|scenario| {
        let named = |text: &String| scenario.file.contains(text) || scenario.name.contains(text);
        arguments.group.as_ref().is_none_or(|group| scenario.group == *group)
            && arguments.name.as_ref().is_none_or(named)
    });
    Ok(Report::of(scenarios, &graphs))
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let report = match report(&arguments) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let mut text = if arguments.failures { report.failures() } else { String::new() };
    for (file, count) in report.by_file() {
        text.push_str(&format!("{count:5} not passed in {file}\n"));
    }
    text.push_str(&report.summary());
    let written = writeln!(std::io::stdout(), "{text}");
    if report.failed.is_empty() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
