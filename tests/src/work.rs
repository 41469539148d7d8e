//! Shapes of data that would be quadratic for a careless resolver, and what the
//! store reads and writes for them. Work is counted, not timed.

use std::fmt::Write as _;
use std::time::Duration;

use kinfold_engine::model::{Identifier, Observation, Timestamp};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Act, Authored, Batch, MAX_BATCH};
use kinfold_engine::{Store, Work};

use crate::TestResult;

/// What a shape took.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// How many steps: observations, or rounds.
    pub steps: u64,
    /// What was read and written for them.
    pub work: Work,
}

impl Counted {
    /// Rows read a step.
    pub fn reads_a_step(&self) -> f64 {
        self.work.reads() as f64 / self.steps.max(1) as f64
    }

    /// Rows written a step.
    pub fn writes_a_step(&self) -> f64 {
        self.work.rows_written as f64 / self.steps.max(1) as f64
    }
}

/// A shape, by name, with what it does at a size.
pub struct Shape {
    /// What it is.
    pub name: &'static str,
    /// Runs it at a size.
    pub run: fn(u64) -> TestResult<Counted>,
}

/// All shapes.
pub const SHAPES: [Shape; 7] = [
    Shape { name: "chain in random order", run: chain },
    Shape { name: "hub, cut by max_identifiers", run: |n| hub(n, "[person]\nmax_identifiers = 1000\n", "") },
    Shape { name: "hub, shared above 100", run: |n| hub(n, "", "shared_above = { cookie = 100 }\n") },
    Shape { name: "two giants joined and parted", run: giants },
    Shape { name: "within its limits, a tenth more", run: within },
    Shape {
        name: "hub, cut after the write",
        run: |n| hub(n, "[person]\nmax_identifiers = 1000\n[resolve]\ninline_limit = 1000\n", ""),
    },
    Shape { name: "whole persons tied to a component that is cut", run: swallow },
];

fn store(head: &str, device: &str) -> TestResult<Store> {
    let text = format!("{head}[namespace.device]\n{device}[namespace.cookie]\n");
    Ok(Store::in_memory(Schema::parse(&text, "schema.toml")?)?)
}

fn device(number: u64) -> Identifier {
    Identifier::new("device", format!("d{number}"))
}

fn cookie(number: u64) -> Identifier {
    Identifier::new("cookie", format!("c{number}"))
}

fn link(a: Identifier, b: Identifier, time: u64) -> Observation {
    Observation {
        source: "web".to_owned(),
        time: Timestamp::from_micros(time as i64).unwrap_or_default(),
        identifiers: vec![a, b],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: Default::default(),
    }
}

/// A number below `bound` that depends on `at` alone and looks like chance (SplitMix64).
fn chance(at: u64, bound: u64) -> u64 {
    let mut z = at.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % bound.max(1)
}

fn shuffled(n: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..n).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, chance(at as u64, at as u64 + 1) as usize);
    }
    order
}

fn load(store: &Store, links: impl IntoIterator<Item = Observation>) -> TestResult<u64> {
    let mut sent = 0;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let send = |batch: &mut Vec<Observation>| -> TestResult<()> {
        let observations = std::mem::take(batch);
        let receipt = store.observe(Batch { request_id: None, observations })?;
        if !receipt.rejected.is_empty() {
            return Err(format!("refused: {:?}", receipt.rejected).into());
        }
        Ok(())
    };
    for link in links {
        batch.push(link);
        sent += 1;
        if batch.len() == MAX_BATCH {
            send(&mut batch)?;
        }
    }
    send(&mut batch)?;
    if !store.wait_resolved(Duration::from_secs(600)) {
        return Err("links still wait for a cut after ten minutes".into());
    }
    Ok(sent)
}

fn counted(store: &Store, before: Work, steps: u64) -> Counted {
    Counted { steps, work: store.work_done() - before }
}

fn chain(n: u64) -> TestResult<Counted> {
    let store = store("", "")?;
    let before = store.work_done();
    let steps = load(&store, shuffled(n).into_iter().map(|at| link(cookie(at), cookie(at + 1), at)))?;
    if store.stats()?.persons != 1 {
        return Err(format!("the chain is {} persons", store.stats()?.persons).into());
    }
    Ok(counted(&store, before, steps))
}

fn hub(n: u64, head: &str, rules: &str) -> TestResult<Counted> {
    let store = store(head, rules)?;
    let before = store.work_done();
    let steps = load(&store, shuffled(n).into_iter().map(|at| link(device(0), cookie(at), at)))?;
    let persons = store.stats()?.persons;
    let expected = if rules.is_empty() { (n + 1).saturating_sub(999).max(1) } else { n + 1 };
    if persons != expected {
        return Err(format!("the hub is {persons} persons and should be {expected}").into());
    }
    Ok(counted(&store, before, steps))
}

/// Two persons of 500 identifiers each, joined by a link and parted by its retraction, `rounds` times.
fn giants(rounds: u64) -> TestResult<Counted> {
    const SIZE: u64 = 500;
    let store = store("", "")?;
    load(&store, (1..SIZE).map(|at| link(cookie(0), cookie(at), at)))?;
    load(&store, (1..SIZE).map(|at| link(cookie(SIZE), cookie(SIZE + at), at)))?;
    let before = store.work_done();
    let by = || Authored { author: "count".to_owned(), reason: "to count".to_owned() };
    let (a, b) = (cookie(1), cookie(SIZE + 1));
    for round in 0..rounds {
        load(&store, [link(a.clone(), b.clone(), round)])?;
        let joined = store.stats()?.persons;
        store.act(&Act::RetractLink { source: "web".to_owned(), a: a.clone(), b: b.clone() }, by())?;
        if (joined, store.stats()?.persons) != (1, 2) {
            return Err(format!("round {round} does not join and part").into());
        }
    }
    Ok(counted(&store, before, rounds))
}

/// A component of `n` links that breaks no limit receives a tenth more.
fn within(n: u64) -> TestResult<Counted> {
    let store = store("", "")?;
    let nodes = n / 2;
    load(&store, (1..nodes).map(|at| link(cookie(at), cookie(chance(at, at)), at)))?;
    load(&store, (nodes..n).map(|at| link(cookie(chance(at, nodes)), device(chance(at, nodes)), at)))?;
    let before = store.work_done();
    let steps = load(
        &store,
        (n..n + n / 10).map(|at| link(cookie(chance(at, nodes)), device(chance(at, nodes)), at)),
    )?;
    Ok(counted(&store, before, steps))
}

/// A component of one account a person that swallows `n` persons, one by one:
/// each is a device and three cookies, the device of one person in four has an
/// account, and a weak link ties its first cookie to one that came before.
fn swallow(n: u64) -> TestResult<Counted> {
    let store = store("[namespace.account]\nmax_per_person = 1\n", "")?;
    let account = |number: u64| Identifier::new("account", format!("a{number}"));
    let person = |at: u64| {
        let cookies = (0..3).map(move |c| link(device(at), cookie(3 * at + c), at));
        cookies.chain(at.is_multiple_of(4).then(|| link(device(at), account(at), at)))
    };
    load(&store, (0..n).flat_map(person))?;
    let before = store.work_done();
    let steps = load(
        &store,
        (1..n).map(|at| Observation {
            confidence: 0.6,
            ..link(cookie(3 * at), cookie(3 * chance(at, at) + 1), n + at)
        }),
    )?;
    if store.stats()?.persons != n.div_ceil(4) {
        return Err(format!("{} persons for {} accounts", store.stats()?.persons, n.div_ceil(4)).into());
    }
    Ok(counted(&store, before, steps))
}

/// A table of what the shapes take at the sizes given, and twice those.
pub fn table(sizes: &[(usize, u64)]) -> TestResult<String> {
    let mut text =
        String::from("| shape | n | rows read a step | rows written a step |\n| --- | --- | --- | --- |\n");
    for (shape, size) in sizes {
        let Some(shape) = SHAPES.get(*shape) else { continue };
        let counted = (shape.run)(*size)?;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {size} | {:.1} | {:.1} |",
            shape.name,
            counted.reads_a_step(),
            counted.writes_a_step()
        );
    }
    Ok(text)
}
