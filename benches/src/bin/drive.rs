//! Does one piece of a comparison's work on a Kinfold store or server and prints
//! its figures as one JSON object. `benches/compare` runs it; by hand it does as well.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use kinfold_benches::drive::remote::{Asking, Shown};
use kinfold_benches::drive::{check, cold, lookup, open, remote, scan, two_hops, write};
use kinfold_benches::workload::Workload;
use serde_json::Value;

/// Work of a comparison on a Kinfold store
#[derive(Parser)]
struct Cli {
    /// The questions with their answers, as benches/compare writes them
    #[arg(long, value_name = "FILE", global = true, default_value = "workload.json")]
    workload: PathBuf,
    /// For how long calls are repeated, in seconds
    #[arg(long, value_name = "SECONDS", global = true, default_value_t = 5.0)]
    seconds: f64,
    #[command(subcommand)]
    work: Work,
}

#[derive(Subcommand)]
enum Work {
    /// Compare the store's answers with the right ones
    Check(StoreArgs),
    /// Look identifiers up in-process
    Lookup(StoreArgs),
    /// Walk two hops in-process, and ask for them as query text
    TwoHops(StoreArgs),
    /// Count persons per size over all identifiers, as query text
    Scan {
        #[command(flatten)]
        store: StoreArgs,
        /// How often; the fastest counts
        #[arg(long, value_name = "N", default_value_t = 3)]
        times: u32,
    },
    /// Join persons one after the other, one client
    Insert(StoreArgs),
    /// Join persons from many threads at once
    InsertMany {
        #[command(flatten)]
        store: StoreArgs,
        /// How many threads
        #[arg(long, value_name = "N", default_value_t = 64)]
        clients: usize,
    },
    /// Open and look up; drop the page cache of the store's files before
    Cold {
        #[command(flatten)]
        store: StoreArgs,
        /// How many lookups
        #[arg(long, value_name = "N", default_value_t = 2_000)]
        lookups: usize,
    },
    /// Look identifiers up over gRPC, one a call
    GrpcLookup(ServerArgs),
    /// Look identifiers up over gRPC, many a call
    GrpcBatch {
        #[command(flatten)]
        server: ServerArgs,
        /// How many a call
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        batch: usize,
    },
}

#[derive(Args)]
struct StoreArgs {
    /// The store's directory
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Memory for cached blocks [default: the engine's]
    #[arg(long, value_name = "MIB")]
    cache_mib: Option<usize>,
}

#[derive(Args)]
struct ServerArgs {
    /// The server's address, as http://127.0.0.1:7437
    #[arg(long, value_name = "URL")]
    server: String,
    /// How many calls are under way at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    in_flight: usize,
    /// Over how many connections
    #[arg(long, value_name = "N", default_value_t = 4)]
    connections: usize,
    /// How much answers hold
    #[arg(long, value_enum, default_value_t = Shown::Identifiers)]
    view: Shown,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli).and_then(|figures| Ok(writeln!(std::io::stdout(), "{figures}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Value> {
    let workload = Workload::read(&cli.workload)?;
    let time = Duration::try_from_secs_f64(cli.seconds)?;
    let on_store = |args: &StoreArgs, work: &dyn Fn(&kinfold_engine::Store) -> anyhow::Result<Value>| {
        let store = open(&args.store, args.cache_mib)?;
        let figures = work(&store);
        store.close()?;
        figures
    };
    match &cli.work {
        Work::Check(args) => on_store(args, &|store| check::run(store, &workload)),
        Work::Lookup(args) => on_store(args, &|store| lookup::run(store, &workload, time)),
        Work::TwoHops(args) => on_store(args, &|store| two_hops::run(store, &workload, time)),
        Work::Scan { store, times } => on_store(store, &|store| scan::run(store, &workload, *times)),
        Work::Insert(args) => on_store(args, &|store| write::alone(store, &workload, time)),
        Work::InsertMany { store, clients } => {
            on_store(store, &|store| write::together(store, &workload, *clients, time))
        }
        Work::Cold { store, lookups } => cold::run(&store.store, &workload, store.cache_mib, *lookups),
        Work::GrpcLookup(args) => remote::run(&args.server, &workload, args.asking(None, time)),
        Work::GrpcBatch { server, batch } => {
            remote::run(&server.server, &workload, server.asking(Some(*batch), time))
        }
    }
}

impl ServerArgs {
    fn asking(&self, batch: Option<usize>, time: Duration) -> Asking {
        let (in_flight, connections) = (self.in_flight, self.connections);
        Asking { in_flight, connections, shown: self.view, batch, time }
    }
}
