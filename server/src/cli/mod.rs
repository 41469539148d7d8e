//! The command line.
//!
//! A module for each command; `target` is the one way to a store, be it a
//! directory or a server, and `output` the one way of an answer to the screen.

mod acts;
mod args;
mod assertions;
mod check;
mod evaluate;
mod explain;
mod failure;
mod forget;
pub mod generate;
mod guards;
pub mod import;
mod init;
mod output;
mod params;
mod query;
mod rebuild;
mod schema;
mod serve;
mod shell;
mod statements;
mod stats;
mod target;
mod token;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use kinfold_engine::bulk::BulkOptions;
use kinfold_engine::{OpenOptions, Store};

use args::{Cli, Command};
use failure::Failure;
use import::{BulkSink, StoreSink};

/// Runs `kinfold` with the arguments of this process.
///
/// The exit status is 0, 1 if something failed or is refused, 2 if the command
/// line, a schema, a mapping, assertions or a query is wrong. Errors are one message on standard
/// error; a reader of standard output that goes away ends the command quietly.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
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
        Command::Why(args) => explain::why(&args).map(done),
        Command::WhyNot(args) => explain::why_not(&args).map(done),
        Command::How(args) => explain::how(&args).map(done),
        Command::History(args) => explain::history(&args).map(done),
        Command::Network(args) => explain::network(&args).map(done),
        Command::Diff(args) => explain::diff(&args).map(done),
        Command::NearMerges(args) => explain::near_merges(&args).map(done),
        Command::Watch(args) => watch::run(&args).map(done),
        Command::Forbid(args) => acts::forbid(&args).map(done),
        Command::Require(args) => acts::require(&args).map(done),
        Command::Release(args) => acts::release(&args).map(done),
        Command::Retract(args) => acts::retract(&args).map(done),
        Command::Forget(args) => forget::forget(&args),
        Command::Readmit(args) => forget::readmit(&args).map(done),
        Command::Schema(args) => schema::run(&args),
        Command::Assert(args) => assertions::run(&args),
        Command::Shell(args) => shell::run(&args),
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Token(args) => token::run(&args).map(done),
        Command::Stats(args) => stats::run(&args).map(done),
        Command::Check(args) => check::run(&args),
        Command::Evaluate(args) => evaluate::run(&args).map(done),
        Command::Rebuild(args) => rebuild::run(&args).map(done),
    }
}

/// From how many bytes on a store that holds nothing is loaded in bulk: less is quick anyhow.
const BULK_BYTES: u64 = 8 << 20;

fn import(args: &import::ImportArgs) -> Result<ExitCode, Failure> {
    let summary = match &args.target.store {
        Some(directory) => import_into(directory, args)?,
        None => import_through(args)?,
    };
    Ok(if summary.all_rejected() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn import_through(args: &import::ImportArgs) -> Result<import::ImportSummary, Failure> {
    if args.bulk || args.memory.is_some() {
        return Err(Failure::usage(
            "--bulk and --memory load a store's directory, and a server takes batch after batch: leave them out, \
             or load the directory with --store while no server has it open",
        ));
    }
    let mut connected = None;
    let summary = import::run_import(args, |args, _| {
        let server = target::RemoteServer::open(&args.target.remote)?;
        Ok(connected.insert(server).sink())
    });
    Ok(summary?)
}

fn import_into(directory: &Path, args: &import::ImportArgs) -> Result<import::ImportSummary, Failure> {
    let mut opened = None;
    let outcome = import::run_import(args, |args, bytes| {
        target::look_at(directory)?;
        let store = Store::open(directory, OpenOptions::default()).map_err(Failure::from)?;
        let store = opened.insert(store).clone();
        let is_empty = store.takes_bulk_load();
        let is_much = bytes.is_some_and(|bytes| bytes > BULK_BYTES);
        if !args.bulk && (args.stream || !is_empty || !is_much) {
            return Ok(StoreSink::Stream(store));
        }
        let mut options = BulkOptions::default();
        if let Some(memory) = args.memory {
            options.memory_bytes = memory as usize * (1 << 20);
        }
        Ok(StoreSink::Bulk(BulkSink::begin(&store, options)?))
    });
    // What was written goes from the log to sorted files, so that the next to open the store need not do it.
    let closed = opened.map_or(Ok(()), |store| store.close());
    let summary = outcome?;
    closed.map_err(|error| {
        Failure::failed(format!("the rows are in the store, but it does not close: {error}"))
    })?;
    Ok(summary)
}
