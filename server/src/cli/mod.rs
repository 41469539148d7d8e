//! The command line.
//!
//! A module for each command; [`target`] is the one way to a store, be it a
//! directory or a server, and [`output`] the one way of an answer to the screen.

mod args;
mod check;
mod failure;
pub mod generate;
pub mod import;
mod init;
mod output;
mod params;
mod query;
mod serve;
mod shell;
mod statements;
mod stats;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use kinfold_engine::{OpenOptions, Store};

use args::{Cli, Command};
use failure::Failure;

/// Runs `kinfold` with the arguments of this process.
///
/// The exit status is 0, 1 if something failed, 2 if the command line, a
/// schema, a mapping or a query is wrong. Errors are one message on standard
/// error; a reader of standard output that goes away ends the command quietly.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `kinfold` with these arguments, the program's name first.
fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) => {
            // Help goes to standard output, wrong usage to standard error; if that is closed, so be it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(command) {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Init(args) => init::run(&args).map(done),
        Command::Generate(args) => Ok(generate::run_generate(&args).map(done)?),
        Command::Import(args) => import(&args),
        Command::Query(args) => query::run(&args).map(done),
        Command::Shell(args) => shell::run(&args),
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Stats(args) => stats::run(&args).map(done),
        Command::Check(args) => check::run(&args),
    }
}

fn import(args: &import::ImportArgs) -> Result<ExitCode, Failure> {
    let summary = import::run_import(args, |directory| {
        target::look_at(directory)?;
        Ok(Store::open(directory, OpenOptions::default()).map_err(Failure::from)?)
    })?;
    Ok(if summary.all_rejected() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(args: &[&str]) -> String {
        let args = std::iter::once("kinfold").chain(args.iter().copied()).map(OsString::from);
        format!("{:?}", run(args))
    }

    #[test]
    fn exit_statuses() {
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let store = path("store");
        std::fs::write(path("bad.toml"), "[person]\nthreshold = 2\n").expect("a file");
        for (args, expected) in [
            (vec!["--version"], 0),
            (vec!["query", "--help"], 0),
            (vec![], 2),
            (vec!["qurey"], 2),
            (vec!["init"], 2),
            (vec!["query", "--store", "a", "--server", "b", "RETURN 1"], 2),
            (vec!["query", "RETURN 1"], 2),
            (vec!["init", "--store", &store, "--schema", &path("bad.toml")], 2),
            (vec!["init", "--store", &store, "--schema", &path("none.toml")], 1),
            (vec!["check", "--store", &store], 1),
            (vec!["init", "--store", &store], 0),
            (vec!["init", "--store", &store], 1),
            (vec!["init", "--store", &path("bad.toml")], 1),
            (vec!["check", "--store", &store], 0),
            (vec!["check", "--store", &path("bad.toml")], 1),
            (vec!["stats", "--store", &store], 0),
            (vec!["stats", "--store", &store, "--format", "csv"], 2),
            (vec!["query", "--store", &store, "RETURN 1 AS n;"], 0),
            (vec!["query", "--store", &store, "RETURN 1 AS n; RETURN 2 AS n"], 2),
            (vec!["query", "--store", &store, "RETRUN 1"], 2),
            (vec!["query", "--store", &store, " "], 2),
            (vec!["query", "--store", &store, "--param", "n", "RETURN $n AS n"], 2),
            (vec!["query", "--store", &store, "--max-rows", "2", "UNWIND [1, 2, 3] AS n RETURN n"], 1),
            (vec!["query", "--server", "ftp://x", "RETURN 1 AS n"], 2),
            (vec!["query", "--server", "http://127.0.0.1:1", "RETURN 1 AS n"], 1),
            (vec!["serve", "--store", &store, "--listen", "here"], 2),
            (vec!["serve", "--store", &store, "--listen", "0.0.0.0:0"], 2),
        ] {
            assert_eq!(status(&args), code(expected), "{args:?}");
        }
    }
}
