//! Goes along one hot path a number of times, on a store of its own that is the
//! same each time, and ends without closing or removing it. `tests/guards.rs`
//! counts the instructions of two such runs of different length; the difference
//! is what the path costs, whatever the noise.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;

use clap::{Parser, ValueEnum};
use kinfold_benches::population;
use kinfold_engine::bulk::BulkOptions;
use kinfold_engine::model::{Identifier, Observation};
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Options, Params, Parsed, Strictness, Value};

/// How many persons the store holds before anything is counted.
const PERSONS: u32 = 300;

/// How many pairs of persons there are to join.
const JOINS: u32 = 200;

const TWO_HOPS: &str = "MATCH (a:Identifier {id: $id})-[:LINKED]-(b)-[:LINKED]-(c) RETURN c.id";
const SIZES: &str = "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) WITH p, count(i) AS size RETURN size, count(p) ORDER BY size";

/// Goes along a hot path a number of times
#[derive(Parser)]
struct Cli {
    /// Which path
    path: Path,
    /// How many times
    times: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Path {
    /// An identifier to all identifiers of its person
    Lookup,
    /// Two hops of the graph, from text to rows
    TwoHops,
    /// A graph query, from text to plan
    Plan,
    /// Persons counted by size, from text to rows; the whole store each time
    Scan,
    /// An observation of two identifiers, written and resolved
    Observe,
    /// One link that joins two persons of about ten identifiers
    Join,
    /// An observation of two identifiers among those of a bulk load
    Bulk,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    // It is left behind: see the end.
    let directory = tempfile::tempdir()?.keep();
    let store = Store::create(&directory.join("store"), schema(cli.path)?)?;
    let mut done = 0_usize;
    match cli.path {
        Path::Bulk => done = load(&store, &population(cli.times, 42))?,
        Path::Observe => {
            load(&store, &population(PERSONS, 42))?;
            // Half of what they say is new, and half was said before.
            for observation in population(PERSONS + cli.times, 42).into_iter().take(cli.times as usize) {
                done += write(&store, observation)?;
            }
        }
        Path::Join => {
            load(&store, &population(2 * JOINS, 42))?;
            anyhow::ensure!(cli.times <= JOINS, "there are {JOINS} pairs to join");
            for pair in 0..cli.times {
                done += write(&store, join(2 * pair, 2 * pair + 1))?;
            }
        }
        Path::Lookup | Path::TwoHops | Path::Plan | Path::Scan => {
            load(&store, &population(PERSONS, 42))?;
            let snapshot = store.snapshot();
            for at in 0..cli.times {
                let account = account(at * 7_919 % PERSONS);
                done += match cli.path {
                    Path::Lookup => lookup(&snapshot, &account)?,
                    Path::TwoHops => rows(&snapshot, TWO_HOPS, &account)?,
                    Path::Scan => rows(&snapshot, SIZES, &account)?,
                    _ => parsed(TWO_HOPS, &account)?.prepare(&snapshot)?.columns().len(),
                };
            }
        }
    }
    // What was done is told, so that none of it can be left out.
    writeln!(std::io::stdout(), "{}", black_box(done))?;
    // The store is not closed: what that writes would count as the path's.
    std::process::exit(0)
}

/// The built-in schema; without limits where persons are joined, which they would forbid.
fn schema(path: Path) -> anyhow::Result<Schema> {
    if !matches!(path, Path::Join) {
        return Ok(Schema::built_in());
    }
    let mut text = "[person]\nthreshold = 0.5\n".to_owned();
    for namespace in ["account", "email", "device", "cookie"] {
        text.push_str(&format!("[namespace.{namespace}]\n"));
    }
    text.push_str("[namespace.address]\nscope = \"household\"\n[household]\nthreshold = 0.5\n");
    Ok(Schema::parse(&text, "hot.toml")?)
}

fn account(person: u32) -> Identifier {
    Identifier::new("account", format!("a{person:08}"))
}

fn load(store: &Store, observations: &[Observation]) -> anyhow::Result<usize> {
    let mut load = store.bulk_load(BulkOptions { memory_bytes: 64 << 20, threads: 1 })?;
    for chunk in observations.chunks(1_000) {
        load.add(Batch { request_id: None, observations: chunk.to_vec() })?;
    }
    Ok(usize::try_from(load.finish()?.observations)?)
}

fn write(store: &Store, observation: Observation) -> anyhow::Result<usize> {
    let receipt = store.observe(Batch { request_id: None, observations: vec![observation] })?;
    Ok(receipt.accepted as usize)
}

/// What joins the persons of two accounts: an email of the one that the other uses too.
fn join(one: u32, other: u32) -> Observation {
    Observation {
        source: "web".to_owned(),
        time: kinfold_engine::model::Timestamp::default(),
        identifiers: vec![
            Identifier::new("email", format!("user{one}.0@mail{}.example.org", one % 9)),
            Identifier::new("email", format!("user{other}.0@mail{}.example.org", other % 9)),
        ],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: BTreeMap::new(),
    }
}

fn lookup(snapshot: &Snapshot, identifier: &Identifier) -> anyhow::Result<usize> {
    match snapshot.lookup(identifier)? {
        Lookup::Person { members, .. } => Ok(members.iter().map(|member| member.value.len()).sum()),
        other => anyhow::bail!("{identifier} gives {other:?}"),
    }
}

fn parsed(text: &str, account: &Identifier) -> anyhow::Result<Parsed> {
    let params = Params::from([("id".to_owned(), Value::from(account.to_string()))]);
    let options = Options { strictness: Strictness::Lenient, ..Options::default() };
    Ok(Parsed::new(text, params, options)?)
}

fn rows(snapshot: &Snapshot, text: &str, account: &Identifier) -> anyhow::Result<usize> {
    let mut count = 0;
    for row in parsed(text, account)?.prepare(snapshot)?.run() {
        count += row?.len();
    }
    Ok(count)
}
