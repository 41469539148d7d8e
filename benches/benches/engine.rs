//! The engine's hot paths: a lookup, and observations one by one and in batches.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kinfold_benches::population;
use kinfold_engine::model::{Identifier, Observation, Timestamp};
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Act, Authored, Batch};
use kinfold_engine::{Snapshot, Store};

const PERSONS: u32 = 20_000;

fn load(store: &Store, observations: &[kinfold_engine::model::Observation]) {
    for chunk in observations.chunks(1_000) {
        let batch = Batch { request_id: None, observations: chunk.to_vec() };
        let receipt = store.observe(batch).expect("the store takes it");
        assert_eq!(receipt.rejected, []);
    }
}

/// All identifiers of the person that an identifier belongs to, as bytes of text.
fn lookup(snapshot: &Snapshot, identifier: &Identifier) -> usize {
    match snapshot.lookup(identifier).expect("readable") {
        Lookup::Person { members, .. } => members.iter().map(|member| member.value.len()).sum(),
        other => panic!("{identifier} gives {other:?}"),
    }
}

fn engine(criterion: &mut Criterion) {
    let observations = population(PERSONS, 42);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(&dir.path().join("store"), Schema::built_in()).expect("a new store");
    load(&store, &observations);
    let snapshot = store.snapshot();

    let mut group = criterion.benchmark_group("lookup");
    group.throughput(Throughput::Elements(1));
    let mut at = 0;
    group.bench_function("identifier_to_members", |bencher| {
        bencher.iter(|| {
            at = (at + 7_919) % observations.len();
            black_box(lookup(&snapshot, &observations[at].identifiers[0]))
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("observe");
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(1_000));
    let more = population(PERSONS, 43);
    let mut from = 0;
    group.bench_function("batch_of_1000_synced", |bencher| {
        bencher.iter_batched(
            || {
                from = (from + 1_000) % (more.len() - 1_000);
                Batch { request_id: None, observations: more[from..from + 1_000].to_vec() }
            },
            |batch| store.observe(batch).expect("the store takes it"),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_synced", |bencher| {
        bencher.iter_batched(
            || {
                from = (from + 1) % more.len();
                Batch { request_id: None, observations: vec![more[from].clone()] }
            },
            |batch| store.observe(batch).expect("the store takes it"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Two persons of 1,000 identifiers each, joined by a link and parted by its retraction.
fn giants(criterion: &mut Criterion) {
    const SIZE: u32 = 1_000;
    let schema =
        Schema::parse("[namespace.cookie]\n[namespace.email]\n", "schema.toml").expect("well formed");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(&dir.path().join("store"), schema).expect("a new store");
    let cookie = |at: u32| Identifier::new("cookie", format!("c{at}"));
    let link = |a: Identifier, b: Identifier| Observation {
        source: "web".to_owned(),
        time: Timestamp::default(),
        identifiers: vec![a, b],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: Default::default(),
    };
    for first in [0, SIZE] {
        let links: Vec<Observation> = (1..SIZE).map(|at| link(cookie(first), cookie(first + at))).collect();
        load(&store, &links);
    }
    let (a, b) = (cookie(0), cookie(SIZE));
    let join = || {
        let observations = vec![link(a.clone(), b.clone())];
        store.observe(Batch { request_id: None, observations }).expect("the store takes it")
    };
    let part = || {
        let act = Act::RetractLink { source: "web".to_owned(), a: a.clone(), b: b.clone() };
        let by = Authored { author: "bench".to_owned(), reason: "to measure".to_owned() };
        store.act(&act, by).expect("the source said so")
    };
    let persons = || store.stats().expect("readable").persons;

    let mut group = criterion.benchmark_group("giants");
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    group.bench_function("join_1000_and_1000", |bencher| {
        bencher.iter_batched(
            || {
                if persons() == 1 {
                    part();
                }
            },
            |()| join(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("part_1000_and_1000", |bencher| {
        bencher.iter_batched(
            || {
                if persons() == 2 {
                    join();
                }
            },
            |()| part(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    join();
    assert_eq!(persons(), 1);
    part();
    assert_eq!(persons(), 2);
}

criterion_group!(benches, engine, giants);
criterion_main!(benches);
