//! How fast the work could be if nothing had to be stored: one thread, in memory.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::figures::Latencies;
use crate::workload::Workload;

/// A link conducts at this weight, in thousandths.
const THRESHOLD: u32 = 500;

/// How many links are parsed before the first of them is looked up: their
/// accesses to memory are then under way at once instead of one after another.
const BATCH: usize = 128;

/// Sets of numbers, joined by and by: union by lesser root, with path halving.
struct Sets(Vec<u32>);

impl Sets {
    fn root(&mut self, mut x: u32) -> u32 {
        loop {
            let parent = self.0[x as usize];
            if parent == x {
                return x;
            }
            let next = self.0[parent as usize];
            self.0[x as usize] = next;
            x = next;
        }
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.0[a.max(b) as usize] = a.min(b);
        }
    }

    fn count(&self) -> usize {
        (0..).zip(&self.0).filter(|(at, parent)| at == *parent).count()
    }
}

/// Texts by number and numbers by text: open addressing, 32 bits of the hash
/// beside each number, the texts one behind the other.
struct Interner {
    slots: Vec<u64>,
    ends: Vec<usize>,
    texts: Vec<u8>,
}

impl Interner {
    /// One for as many texts as `expected`; it does not grow.
    fn new(expected: usize) -> Self {
        Self {
            slots: vec![0; (expected.max(1) * 2).next_power_of_two()],
            ends: Vec::with_capacity(expected),
            texts: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn text(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.texts[start..self.ends[id]]
    }

    fn slot(&self, hash: u64) -> u64 {
        self.slots[hash as usize & (self.slots.len() - 1)]
    }

    /// Where a text stands, or the free slot where it would.
    fn place(&self, text: &[u8], hash: u64) -> (usize, Option<u32>) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return (at, None);
            }
            let id = slot as u32 - 1;
            if slot >> 32 == hash >> 32 && self.text(id) == text {
                return (at, Some(id));
            }
            at = (at + 1) & mask;
        }
    }

    fn intern(&mut self, text: &[u8], hash: u64) -> anyhow::Result<u32> {
        let (at, found) = self.place(text, hash);
        if let Some(id) = found {
            return Ok(id);
        }
        anyhow::ensure!(self.len() * 2 < self.slots.len(), "there are more identifiers than were announced");
        let id = u32::try_from(self.len())?;
        self.slots[at] = (hash >> 32) << 32 | u64::from(id + 1);
        self.texts.extend_from_slice(text);
        self.ends.push(self.texts.len());
        Ok(id)
    }
}

/// A link as parsed: `namespace,value` of both ends, and the weight in thousandths.
struct Parsed<'a> {
    ends: [(&'a [u8], u64); 2],
    weight: u32,
}

/// The next line of `links.csv`, and what is behind it.
fn parse(line_on: &[u8]) -> anyhow::Result<(Parsed<'_>, &[u8])> {
    let mut commas = [0; 5];
    let (mut seen, mut end) = (0, line_on.len());
    for (at, byte) in line_on.iter().enumerate() {
        match byte {
            b',' if seen < 5 => {
                commas[seen] = at;
                seen += 1;
            }
            b'\n' => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    anyhow::ensure!(seen == 5, "a line of the links has {seen} commas for 5");
    let (a, b) = (&line_on[..commas[1]], &line_on[commas[1] + 1..commas[3]]);
    let weight = match &line_on[commas[3] + 1..commas[4]] {
        [b'1', ..] => 1_000,
        [b'0', b'.', digits @ ..] => {
            digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit.wrapping_sub(b'0')))
        }
        other => anyhow::bail!("`{}` is no weight", String::from_utf8_lossy(other)),
    };
    let rest = line_on.get(end + 1..).unwrap_or_default();
    Ok((Parsed { ends: [(a, xxh3_64(a)), (b, xxh3_64(b))], weight }, rest))
}

/// Persons from the text of `links.csv`: parsed, identifiers numbered, joined.
fn ingest(csv: &[u8], identifiers: usize) -> anyhow::Result<(Interner, Sets)> {
    let header = csv.iter().position(|byte| *byte == b'\n').context("the links have no header")?;
    let mut rest = &csv[header + 1..];
    let mut interner = Interner::new(identifiers);
    let mut sets = Sets(Vec::with_capacity(identifiers));
    let mut links = Vec::with_capacity(BATCH);
    while !rest.is_empty() {
        links.clear();
        while links.len() < BATCH && !rest.is_empty() {
            let (link, behind) = parse(rest)?;
            links.push(link);
            rest = behind;
        }
        // Reading the slots of the whole batch first brings them into the processor's cache at once.
        let touched = links.iter().flat_map(|link| &link.ends).fold(0, |sum, end| sum ^ interner.slot(end.1));
        std::hint::black_box(touched);
        for link in &links {
            let mut ids = [0; 2];
            for (id, (text, hash)) in ids.iter_mut().zip(link.ends) {
                *id = interner.intern(text, hash)?;
                if *id as usize == sets.0.len() {
                    sets.0.push(*id);
                }
            }
            if link.weight >= THRESHOLD {
                sets.join(ids[0], ids[1]);
            }
        }
    }
    Ok((interner, sets))
}

/// Who belongs to whom, grouped: the members of the set at `starts[root]..starts[root + 1]`.
struct Members {
    starts: Vec<u32>,
    members: Vec<u32>,
}

impl Members {
    fn of(sets: &mut Sets) -> Self {
        let count = sets.0.len();
        let mut starts = vec![0_u32; count + 1];
        for id in 0..count as u32 {
            let root = sets.root(id);
            sets.0[id as usize] = root;
            starts[root as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let (mut free, mut members) = (starts.clone(), vec![0; count]);
        for id in 0..count as u32 {
            let place = &mut free[sets.0[id as usize] as usize];
            members[*place as usize] = id;
            *place += 1;
        }
        Self { starts, members }
    }

    fn of_root(&self, root: u32) -> &[u32] {
        let root = root as usize;
        &self.members[self.starts[root] as usize..self.starts[root + 1] as usize]
    }
}

fn numbers<const WIDTH: usize, T>(path: &Path, from: fn([u8; WIDTH]) -> T) -> anyhow::Result<Vec<T>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes.as_chunks::<WIDTH>().0.iter().map(|chunk| from(*chunk)).collect())
}

/// The median in seconds, to microseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle.as_secs_f64() * 1e6).round() / 1e6
}

/// The floors of the data set in `data` (its `links.csv`, `source.u32`,
/// `target.u32` and `weight.u16`), which has `identifiers` identifiers; the
/// times are medians of `times` runs.
///
/// Gives `union_s` (pairs of numbers, in memory), `ingest_s` (the file's text in
/// memory → identifiers numbered and joined), `components` and the figures of
/// `lookup` (a text → the texts of all members).
pub fn run(data: &Path, workload: &Workload, identifiers: usize, times: usize) -> anyhow::Result<Value> {
    let source = numbers(&data.join("source.u32"), u32::from_le_bytes)?;
    let target = numbers(&data.join("target.u32"), u32::from_le_bytes)?;
    let weight = numbers(&data.join("weight.u16"), u16::from_le_bytes)?;
    anyhow::ensure!(
        source.len() == target.len() && target.len() == weight.len(),
        "the columns of {} are not of one length",
        data.display()
    );
    let largest = source.iter().chain(&target).max().copied().unwrap_or(0);
    let mut unions = Vec::new();
    for _ in 0..times.max(1) {
        let begin = Instant::now();
        let mut sets = Sets((0..=largest).collect());
        for ((a, b), weight) in source.iter().zip(&target).zip(&weight) {
            if u32::from(*weight) >= THRESHOLD {
                sets.join(*a, *b);
            }
        }
        unions.push(begin.elapsed());
        std::hint::black_box(&sets.0);
    }
    drop((source, target, weight));

    let file = data.join("links.csv");
    let csv = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut ingests = Vec::new();
    let mut last = None;
    for _ in 0..times.max(1) {
        drop(last.take());
        let begin = Instant::now();
        let ingested = ingest(&csv, identifiers)?;
        ingests.push(begin.elapsed());
        last = Some(ingested);
    }
    drop(csv);
    let (interner, mut sets) = last.context("nothing was measured")?;
    let components = sets.count();
    let members = Members::of(&mut sets);

    let questions: Vec<Vec<u8>> =
        workload.lookups.iter().map(|text| text.replacen(':', ",", 1).into_bytes()).collect();
    let (mut latencies, mut wrong) = (Latencies::default(), 0);
    let look = |text: &[u8]| -> usize {
        let Some(id) = interner.place(text, xxh3_64(text)).1 else { return 0 };
        let found = members.of_root(sets.0[id as usize]);
        found.iter().filter(|member| !interner.text(**member).is_empty()).count()
    };
    let begin = Instant::now();
    for round in 0..10 {
        for (text, expected) in questions.iter().zip(&workload.sizes) {
            let size = latencies.time(|| look(text));
            wrong += usize::from(round == 0 && size != *expected);
        }
    }
    let mut lookup = latencies.figures(begin.elapsed());
    lookup["wrong"] = json!(wrong);
    Ok(json!({
        "union_s": median(unions),
        "ingest_s": median(ingests),
        "components": components,
        "identifiers": interner.len(),
        "lookup": lookup,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "src_ns,src_value,dst_ns,dst_value,weight,ts\n\
                       email,a,device,d,0.500,1\n\
                       device,d,email,b,0.499,2\n\
                       email,b,phone,1,1.000,3\n\
                       phone,1,email,c,0.700,4\n";

    #[test]
    fn text_becomes_sets_of_identifiers() {
        let (interner, mut sets) = ingest(CSV.as_bytes(), 5).expect("well formed");
        assert_eq!((interner.len(), sets.count()), (5, 2));
        let members = Members::of(&mut sets);
        let id = interner.place(b"phone,1", xxh3_64(b"phone,1")).1.expect("it is there");
        let found: Vec<&[u8]> =
            members.of_root(sets.0[id as usize]).iter().map(|id| interner.text(*id)).collect();
        assert_eq!(found, [&b"email,b"[..], b"phone,1", b"email,c"]);
        assert_eq!(interner.place(b"phone,2", xxh3_64(b"phone,2")).1, None);
    }

    #[test]
    fn bad_lines_are_refused() {
        for bad in ["h\na,b,c,d,0.5\n", "h\na,b,c,d,x,1\n"] {
            assert!(ingest(bad.as_bytes(), 5).is_err(), "{bad}");
        }
        assert!(ingest(CSV.as_bytes(), 1).is_err(), "more identifiers than announced");
    }
}
