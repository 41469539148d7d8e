//! How many identifiers are at most two links away: by walking, and by query text.

use std::time::{Duration, Instant};

use kinfold_engine::model::{Identifier, IdentifierId};
use kinfold_engine::read::{Found, Read};
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Params, Parsed, Value as QueryValue};
use serde_json::{Value, json};

use super::options;
use crate::figures::Latencies;
use crate::workload::{Workload, identifier};

const TEXT: &str = "MATCH (a:Identifier {id: $id})-[:LINKED*1..2]-(b:Identifier) WHERE b <> a \
                    RETURN count(DISTINCT b)";

/// Walks there through the read trait; links of any weight count.
pub fn walk(snapshot: &Snapshot, identifier: &Identifier) -> anyhow::Result<i64> {
    let Found::Known(from) = snapshot.find(identifier)? else { return Ok(0) };
    let mut reached: Vec<IdentifierId> = Vec::new();
    for link in snapshot.links(from, None) {
        reached.push(link?.other);
    }
    for at in 0..reached.len() {
        let next = reached[at];
        for link in snapshot.links(next, None) {
            reached.push(link?.other);
        }
    }
    reached.sort_unstable();
    reached.dedup();
    let itself = usize::from(reached.binary_search(&from).is_ok());
    Ok((reached.len() - itself) as i64)
}

/// Asks the same as a graph query, from text to row.
pub fn query(snapshot: &Snapshot, id: &str) -> anyhow::Result<i64> {
    let params = Params::from([("id".to_owned(), QueryValue::from(id))]);
    let parsed = Parsed::new(TEXT, params, options())?;
    // The text asks for no other view than that of now; asking is part of the way.
    parsed.view(snapshot)?;
    let row = parsed.prepare(snapshot)?.run().next().transpose()?;
    match row.as_deref() {
        Some([QueryValue::Int(count)]) => Ok(*count),
        other => anyhow::bail!("the query gives {other:?} for a count"),
    }
}

/// Both, over the first lookups of the workload, each for `time`.
pub fn run(store: &Store, workload: &Workload, time: Duration) -> anyhow::Result<Value> {
    let ids: Vec<&String> = workload.lookups.iter().take(workload.two_hops.len()).collect();
    let identifiers = ids.iter().map(|id| identifier(id)).collect::<anyhow::Result<Vec<_>>>()?;
    let snapshot = store.snapshot();
    let mut wrong = 0;
    for ((identifier, id), expected) in identifiers.iter().zip(&ids).zip(&workload.two_hops) {
        let right = walk(&snapshot, identifier)? == *expected && query(&snapshot, id)? == *expected;
        wrong += usize::from(!right);
    }
    let walked = repeat(&identifiers, time, |identifier| walk(&snapshot, identifier))?;
    let queried = repeat(&ids, time, |id| query(&snapshot, id))?;
    Ok(json!({ "walk": walked, "query": queried, "wrong": wrong }))
}

fn repeat<T>(
    items: &[T],
    time: Duration,
    mut call: impl FnMut(&T) -> anyhow::Result<i64>,
) -> anyhow::Result<Value> {
    let mut latencies = Latencies::default();
    let begin = Instant::now();
    for item in items.iter().cycle() {
        latencies.time(|| call(item))?;
        if begin.elapsed() >= time {
            break;
        }
    }
    Ok(latencies.figures(begin.elapsed()))
}
