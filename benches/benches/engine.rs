//! The engine's hot paths: a lookup, and observations one by one and in batches.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use kinfold_benches::population;
use kinfold_engine::model::Identifier;
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
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

criterion_group!(benches, engine);
criterion_main!(benches);
