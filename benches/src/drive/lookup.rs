//! Identifier → all identifiers of its person, in-process.

use std::time::{Duration, Instant};

use kinfold_engine::model::Identifier;
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::{Snapshot, Store};
use serde_json::{Value, json};

use crate::figures::{Latencies, rounded};
use crate::workload::Workload;

/// All identifiers of the person behind an identifier as `namespace:value`, ascending.
pub fn members(snapshot: &Snapshot, identifier: &Identifier) -> anyhow::Result<Vec<String>> {
    let Lookup::Person { members, .. } = snapshot.lookup(identifier)? else { return Ok(Vec::new()) };
    let names = snapshot.names();
    let mut texts: Vec<String> = members
        .iter()
        .map(|member| format!("{}:{}", names.namespace_name(member.namespace), member.value))
        .collect();
    texts.sort_unstable();
    Ok(texts)
}

/// How many identifiers a lookup gives, with their namespaces and values read;
/// 0 for one that is nobody's.
pub fn size(snapshot: &Snapshot, identifier: &Identifier) -> anyhow::Result<usize> {
    Ok(match snapshot.lookup(identifier)? {
        Lookup::Person { members, .. } => members.iter().filter(|member| !member.value.is_empty()).count(),
        _ => 0,
    })
}

/// Looks every identifier up once to warm the cache and check the answers, then
/// again and again for `time`. Each call takes the state of its moment, as a
/// service would.
pub fn run(store: &Store, workload: &Workload, time: Duration) -> anyhow::Result<Value> {
    let identifiers = workload.identifiers()?;
    let mut wrong = 0;
    for (identifier, expected) in identifiers.iter().zip(&workload.sizes) {
        wrong += usize::from(size(&store.snapshot(), identifier)? != *expected);
    }
    let mut latencies = Latencies::default();
    let before = store.work_done();
    let begin = Instant::now();
    for identifier in identifiers.iter().cycle() {
        latencies.time(|| size(&store.snapshot(), identifier))?;
        if begin.elapsed() >= time {
            break;
        }
    }
    let mut figures = latencies.figures(begin.elapsed());
    let work = store.work_done() - before;
    figures["reads_each"] = json!(rounded(work.reads() as f64 / latencies.len() as f64));
    figures["wrong"] = json!(wrong);
    Ok(figures)
}
