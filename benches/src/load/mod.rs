//! A load run: one server on this machine, asked by many connections at once,
//! and whether it does what it should under it.
//!
//! First lookups alone, then lookups while a stream writes, then everything by
//! everybody. Memory is read every few seconds, and every error is counted.

mod mix;
mod server;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kinfold_client::{Client, ClientError, ClientOptions, Code, Retry, identifier, person_by, v1};
use serde_json::{Value, json};

use crate::figures::{Latencies, rounded};
use server::Server;

/// How a load run is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `kinfold`.
    pub program: PathBuf,
    /// For how long everybody does everything.
    pub time: Duration,
    /// Over how many connections, each with one call under way.
    pub connections: usize,
    /// How many persons the store begins with.
    pub persons: u32,
    /// How often memory is read.
    pub interval: Duration,
    /// Settings of the server, as `max_queries=8`.
    pub settings: Vec<String>,
}

/// For how long lookups alone, and lookups beside a stream, are measured.
const ASIDE: Duration = Duration::from_secs(5);

/// How much slower the slowest hundredth of lookups may be beside a stream than alone.
const MOST_SLOWER: f64 = 10.0;

/// How much memory may grow from the end of the first minute on, as a part of it.
const MOST_GROWTH: f64 = 0.1;

/// What came of a load run.
#[derive(Debug)]
pub struct Outcome {
    /// Its figures.
    pub figures: Value,
    /// What was not as it should be; nothing: it passed.
    pub faults: Vec<String>,
}

/// Makes the run; `say` is given a line for each reading of memory.
pub fn run(plan: &Plan, mut say: impl FnMut(&str)) -> anyhow::Result<Outcome> {
    let directory = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut server = Server::start(plan, directory.path())?;
    say(&format!("server {} with {} persons", server.url, plan.persons));
    let mut faults = Vec::new();
    let measured = runtime.block_on(async {
        let client = connect(&server.url).await?;
        let idle = lookups(&client, plan.persons, ASIDE).await?;
        say(&format!("lookups alone: p99 {:.0} µs of {}", idle.quantile_us(0.99), idle.len()));
        let (beside, written) = beside_a_stream(&client, plan.persons).await?;
        say(&format!("beside a stream: p99 {:.0} µs of {}", beside.quantile_us(0.99), beside.len()));
        let slower = beside.quantile_us(0.99) / idle.quantile_us(0.99).max(1.0);
        if slower >= MOST_SLOWER {
            faults.push(format!("lookups beside a stream were {slower:.1} times as slow as alone"));
        }
        let tally = everybody(plan, &server, &mut say).await?;
        faults.extend(tally.faults(plan));
        anyhow::Ok(json!({
            "idle_p99_us": rounded(idle.quantile_us(0.99)),
            "beside_a_stream_p99_us": rounded(beside.quantile_us(0.99)),
            "times_slower": rounded(slower),
            "written_beside": written,
            "load": tally.figures(plan.time),
        }))
    });
    let figures = measured?;
    if !server.stop()? {
        faults.push("the server did not end well".to_owned());
    }
    Ok(Outcome { figures, faults })
}

/// A connection that tries nothing again, so that every refusal is seen.
async fn connect(url: &str) -> Result<Client, ClientError> {
    Client::connect_with(url, &ClientOptions { retry: Retry::NEVER, ..ClientOptions::default() }).await
}

/// The person of the `number`-th account.
fn lookup(number: u32) -> v1::ResolvePersonRequest {
    let account = identifier("account", account(number));
    v1::ResolvePersonRequest { person: Some(person_by(account)), ..Default::default() }
}

/// The `number`-th account, as the store is loaded with it.
fn account(number: u32) -> String {
    format!("a{number:08}")
}

/// Observations of accounts that are there, from the `from`-th on: nobody new comes in.
fn observations(from: u32, count: u32, persons: u32) -> Vec<v1::Observation> {
    let seen = |number: u32| v1::Observation {
        source: "load".to_owned(),
        time: Some(prost_types::Timestamp { seconds: 1_767_571_200, nanos: 0 }),
        identifiers: vec![
            identifier("account", account(number)),
            identifier("device", format!("load-{number}")),
        ],
        ..v1::Observation::default()
    };
    (0..count).map(|at| seen(from.wrapping_add(at) % persons)).collect()
}

/// Looks persons up one after another for some time.
async fn lookups(client: &Client, persons: u32, time: Duration) -> anyhow::Result<Latencies> {
    let (mut latencies, begin) = (Latencies::default(), Instant::now());
    let mut number = 0_u32;
    while begin.elapsed() < time {
        number = number.wrapping_add(7_919);
        let called = Instant::now();
        client.resolve_person(lookup(number % persons)).await?;
        latencies.add(called.elapsed());
    }
    Ok(latencies)
}

/// The same while a stream of batches of 1,000 writes as fast as it is acknowledged, 16 at a time.
///
/// The stream has a thread of its own, so that no lookup waits for a batch to be made.
async fn beside_a_stream(client: &Client, persons: u32) -> anyhow::Result<(Latencies, u64)> {
    let url = client.url().to_owned();
    let writing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(stream(&url, persons))
    });
    let latencies = lookups(client, persons, ASIDE).await?;
    let written = tokio::task::spawn_blocking(move || writing.join()).await?;
    let written = written.map_err(|_| anyhow::anyhow!("the stream ended in a panic"))??;
    Ok((latencies, written))
}

/// Streams batches for some time; gives how many observations were taken.
async fn stream(url: &str, persons: u32) -> anyhow::Result<u64> {
    let observing = connect(url).await?.observing();
    let (begin, mut written, mut at) = (Instant::now(), 0, 0_u32);
    while begin.elapsed() < ASIDE {
        let mut promises = Vec::new();
        for _ in 0..16 {
            let batch = observations(at.wrapping_mul(1_000), 1_000, persons);
            promises.push(observing.send(format!("beside-{at}"), batch).await?);
            at += 1;
        }
        for promise in promises {
            written += u64::from(promise.receipt().await?.accepted);
        }
    }
    Ok(written)
}

/// What all connections did.
#[derive(Default)]
struct Tally {
    latencies: BTreeMap<&'static str, Latencies>,
    /// Refusals by what was asked, the code and the reason.
    refused: BTreeMap<(&'static str, String), u64>,
    /// What was refused that no limit announces.
    wrong: BTreeMap<String, u64>,
    /// Resident memory in KiB, by seconds from the beginning.
    memory: Vec<(f64, u64)>,
}

impl Tally {
    fn took(&mut self, what: &'static str, elapsed: Duration) {
        self.latencies.entry(what).or_default().add(elapsed);
    }

    fn refused(&mut self, what: &'static str, error: &ClientError) {
        let told = match error {
            ClientError::Refused { code, reason, .. } => format!("{code:?} {reason}"),
            other => other.to_string(),
        };
        // A limit that says so by its code and its reason.
        let is_limit = matches!(
            error,
            ClientError::Refused { code: Code::ResourceExhausted, reason, .. } if reason == "OVERLOADED"
        );
        if !is_limit {
            *self.wrong.entry(format!("{what}: {told}")).or_default() += 1;
        }
        *self.refused.entry((what, told)).or_default() += 1;
    }

    fn append(&mut self, other: Self) {
        for (what, latencies) in other.latencies {
            self.latencies.entry(what).or_default().append(latencies);
        }
        for (what, count) in other.refused {
            *self.refused.entry(what).or_default() += count;
        }
        for (what, count) in other.wrong {
            *self.wrong.entry(what).or_default() += count;
        }
    }

    /// How much memory has grown from the end of the first minute, or of the
    /// first third of a shorter run, as a part of it: by the middle of the readings of
    /// the next and of the last third.
    fn growth(&self, time: Duration) -> f64 {
        let from = time.as_secs_f64().min(180.0) / 3.0;
        let mut settled: Vec<u64> =
            self.memory.iter().filter(|(at, _)| *at >= from).map(|(_, kib)| *kib).collect();
        let third = settled.len() / 3;
        if third == 0 {
            return 0.0;
        }
        let middle = |part: &mut [u64]| {
            part.sort_unstable();
            part.get(part.len() / 2).copied().unwrap_or_default() as f64
        };
        let last = settled.len() - third;
        let (before, after) = (middle(&mut settled.clone()[..third]), middle(&mut settled[last..]));
        after / before.max(1.0) - 1.0
    }

    fn faults(&self, plan: &Plan) -> Vec<String> {
        let mut faults: Vec<String> =
            self.wrong.iter().map(|(what, count)| format!("{count} times {what}")).collect();
        let growth = self.growth(plan.time);
        if growth > MOST_GROWTH {
            faults.push(format!("memory grew by {:.0} % after the first minute", growth * 100.0));
        }
        for what in mix::KINDS {
            if self.latencies.get(what).is_none_or(Latencies::is_empty) {
                faults.push(format!("no {what} was answered"));
            }
        }
        faults
    }

    fn figures(&self, time: Duration) -> Value {
        let latencies: serde_json::Map<String, Value> =
            self.latencies.iter().map(|(what, it)| ((*what).to_owned(), it.figures(time))).collect();
        let refused: serde_json::Map<String, Value> = self
            .refused
            .iter()
            .map(|((what, told), count)| (format!("{what}: {told}"), json!(count)))
            .collect();
        let memory: Vec<Value> =
            self.memory.iter().map(|(at, kib)| json!([rounded(*at), kib / 1_024])).collect();
        json!({
            "calls": latencies,
            "refused": refused,
            "memory_mib": memory,
            "memory_growth": rounded(self.growth(time)),
        })
    }
}

/// All connections at once, and a reading of memory every few seconds.
async fn everybody(plan: &Plan, server: &Server, say: &mut impl FnMut(&str)) -> anyhow::Result<Tally> {
    let mut tasks = Vec::new();
    let begin = Instant::now();
    let until = begin + plan.time;
    for at in 0..plan.connections {
        let client = connect(&server.url).await?;
        tasks.push(tokio::spawn(mix::work(client, at, plan.persons, until)));
    }
    let mut tally = Tally::default();
    while Instant::now() < until {
        let next = Instant::now() + plan.interval;
        tokio::time::sleep_until(next.min(until).into()).await;
        let (at, kib) = (begin.elapsed().as_secs_f64(), server.memory_kib()?);
        say(&format!("{at:6.0} s  {:6} MiB", kib / 1_024));
        tally.memory.push((at, kib));
    }
    for task in tasks {
        tally.append(task.await?);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_noticed() {
        let of = |kib: &dyn Fn(u64) -> u64| {
            let memory = (1..=120).map(|at| (at as f64 * 5.0, kib(at * 5))).collect();
            Tally { memory, ..Tally::default() }.growth(Duration::from_secs(600))
        };
        assert_eq!(of(&|_| 100_000), 0.0);
        assert_eq!(of(&|at| if at < 60 { at * 1_000 } else { 100_000 }), 0.0, "it may grow at first");
        assert!(of(&|at| 100_000 + at * 100) > MOST_GROWTH);
    }

    #[test]
    fn announced_limits_alone_are_no_fault() {
        let refused = |reason: &str| ClientError::Refused {
            code: Code::ResourceExhausted,
            reason: reason.to_owned(),
            message: String::new(),
        };
        let mut tally = Tally::default();
        tally.refused("query", &refused("OVERLOADED"));
        assert!(tally.wrong.is_empty() && tally.refused.len() == 1);
        tally.refused("query", &refused("LIMIT_EXPANSIONS"));
        assert_eq!(tally.wrong.len(), 1);
    }
}
