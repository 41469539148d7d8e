//! The first answers of a store that nobody has read since the machine forgot it.
//!
//! Whoever calls this drops the page cache of the store's files before. How
//! often the process read from a file is the kernel's count of its read calls
//! (`/proc/self/io`, Linux only): each block that the store has to fetch is one.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::{lookup, open};
use crate::figures::{Latencies, rounded};
use crate::workload::Workload;

/// Opens the store, looks identifiers up one after the other, and gives the time
/// to the first answer and what the lookups cost, those of the second half apart:
/// by then the indexes of the files are there.
pub fn run(
    store: &Path,
    workload: &Workload,
    cache_mib: Option<usize>,
    lookups: usize,
) -> anyhow::Result<Value> {
    let identifiers = workload.identifiers()?;
    let mut wrong = 0;
    let begin = Instant::now();
    let store = open(store, cache_mib)?;
    let opened = begin.elapsed();
    let mut first = None;
    let mut halves = Vec::new();
    let half = (lookups.min(identifiers.len()) / 2).max(1);
    let mut questions = identifiers.iter().zip(&workload.sizes);
    for _ in 0..2 {
        let (before, mut latencies) = (Io::now(), Latencies::default());
        let started = Instant::now();
        for (identifier, expected) in questions.by_ref().take(half) {
            let size = latencies.time(|| lookup::size(&store.snapshot(), identifier))?;
            wrong += usize::from(size != *expected);
            first.get_or_insert_with(|| begin.elapsed());
        }
        let mut figures = latencies.figures(started.elapsed());
        if let (Some(before), Some(after)) = (before, Io::now()) {
            let each = |count: u64| rounded(count as f64 / latencies.len().max(1) as f64);
            figures["reads_each"] = json!(each(after.calls.saturating_sub(before.calls)));
            figures["disk_bytes_each"] = json!(each(after.disk_bytes.saturating_sub(before.disk_bytes)));
        }
        halves.push(figures);
    }
    store.close()?;
    let mut halves = halves.into_iter();
    Ok(json!({
        "open_s": rounded(opened.as_secs_f64()),
        "first_answer_s": rounded(first.unwrap_or_default().as_secs_f64()),
        "early": halves.next(),
        "late": halves.next(),
        "wrong": wrong,
    }))
}

/// What this process has read from files.
struct Io {
    /// Calls that read.
    calls: u64,
    /// Bytes that the disk had to give.
    disk_bytes: u64,
}

impl Io {
    /// The counts so far; `None` where the kernel does not tell.
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/io").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let count = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.strip_prefix(':')?.trim().parse().ok()
        };
        Some(Self { calls: count("syscr")?, disk_bytes: count("read_bytes")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_counts() {
        let text = "rchar: 10\nwchar: 0\nsyscr: 7\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 0\n";
        let io = Io::parse(text).expect("both are there");
        assert_eq!((io.calls, io.disk_bytes), (7, 4096));
        assert!(Io::parse("rchar: 10\n").is_none());
    }
}
