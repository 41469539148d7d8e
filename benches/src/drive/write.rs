//! One link each that joins two persons, durable and resolved when the call returns.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinfold_engine::Store;
use kinfold_engine::model::{Observation, Timestamp};
use kinfold_engine::write::Batch;
use serde_json::{Value, json};

use super::lookup;
use crate::figures::{Latencies, rounded};
use crate::workload::{Workload, identifier};

/// The joins of one client, one after the other, each read back; ends early after `time`.
pub fn alone(store: &Store, workload: &Workload, time: Duration) -> anyhow::Result<Value> {
    let (mut written, mut visible) = (Latencies::default(), Latencies::default());
    let (mut wrong, mut writing) = (0, Duration::ZERO);
    let begin = Instant::now();
    for (a, b, expected) in workload.joins.iter().take(workload.joins_alone) {
        let batch = batch(a, b)?;
        let a = identifier(a)?;
        let called = Instant::now();
        store.observe(batch)?;
        let took = called.elapsed();
        let size = lookup::size(&store.snapshot(), &a)?;
        visible.add(called.elapsed());
        written.add(took);
        writing += took;
        wrong += usize::from(size != *expected);
        if begin.elapsed() >= time {
            break;
        }
    }
    let mut figures = written.figures(writing);
    figures["visible_p50_us"] = json!(rounded(visible.quantile_us(0.5)));
    figures["wrong"] = json!(wrong);
    Ok(figures)
}

/// The joins of `clients` threads at once, each a call of its own, all read back
/// afterwards; no more are begun after `time`.
pub fn together(store: &Store, workload: &Workload, clients: usize, time: Duration) -> anyhow::Result<Value> {
    let joins = &workload.joins[workload.joins_alone..];
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let client = || -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::default();
        while begin.elapsed() < time {
            let Some((a, b, _)) = joins.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let batch = batch(a, b)?;
            latencies.time(|| store.observe(batch))?;
        }
        Ok(latencies)
    };
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a client panicked"))))
            .collect::<anyhow::Result<Vec<Latencies>>>()
    })?;
    let elapsed = begin.elapsed();
    let mut latencies = Latencies::default();
    for each in done {
        latencies.append(each);
    }
    let snapshot = store.snapshot();
    let mut wrong = 0;
    for (a, _, expected) in joins.iter().take(latencies.len()) {
        wrong += usize::from(lookup::size(&snapshot, &identifier(a)?)? != *expected);
    }
    let mut figures = latencies.figures(elapsed);
    figures["clients"] = json!(clients);
    figures["wrong"] = json!(wrong);
    Ok(figures)
}

fn batch(a: &str, b: &str) -> anyhow::Result<Batch> {
    let observation = Observation {
        source: "compare".to_owned(),
        time: Timestamp::now(),
        identifiers: vec![identifier(a)?, identifier(b)?],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: BTreeMap::new(),
    };
    Ok(Batch { request_id: None, observations: vec![observation] })
}
