//! Persons per size over all identifiers, as query text.

use std::time::Instant;

use kinfold_engine::read::Read;
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Params, Parsed, Value as QueryValue};
use serde_json::{Value, json};

use super::options;
use crate::figures::{rate, rounded};
use crate::workload::Workload;

const TEXT: &str = "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) WITH p, count(i) AS size \
                    RETURN size, count(p) AS persons ORDER BY size";

/// How many persons there are of each size, ascending by size: counted from
/// their identifiers, not read from what the store keeps of each person.
pub fn persons_per_size(snapshot: &Snapshot) -> anyhow::Result<Vec<(i64, i64)>> {
    let parsed = Parsed::new(TEXT, Params::new(), options())?;
    parsed.view(snapshot)?;
    let rows = parsed.prepare(snapshot)?.run();
    let mut sizes = Vec::new();
    for row in rows {
        match row?.as_slice() {
            [QueryValue::Int(size), QueryValue::Int(persons)] => sizes.push((*size, *persons)),
            other => anyhow::bail!("the query gives {other:?} for a size and a count"),
        }
    }
    Ok(sizes)
}

/// Scans `times` times; figures are of the fastest, as a scan has no second
/// caller to wait for.
pub fn run(store: &Store, workload: &Workload, times: u32) -> anyhow::Result<Value> {
    let snapshot = store.snapshot();
    let identifiers = usize::try_from(snapshot.identifier_count(None)?)?;
    let (mut wrong, mut best) = (0, None);
    for _ in 0..times.max(1) {
        let begin = Instant::now();
        let sizes = persons_per_size(&snapshot)?;
        let elapsed = begin.elapsed();
        wrong += usize::from(sizes != workload.persons_per_size);
        best = Some(best.map_or(elapsed, |best| elapsed.min(best)));
    }
    let best = best.unwrap_or_default();
    Ok(json!({
        "seconds": rounded(best.as_secs_f64()),
        "identifiers_per_s": rounded(rate(identifiers, best)),
        "wrong": wrong,
    }))
}
