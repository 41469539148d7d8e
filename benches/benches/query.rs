//! From a text to its rows: what the language adds to the walk that it stands for.
//!
//! `text` is parsing and planning of every example of `docs/language.md`. In
//! `two_hops` and `profile` the same question is asked as a text and of the
//! engine by hand, after a look that both answer alike.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kinfold_benches::population;
use kinfold_engine::model::Identifier;
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Found, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Limits, Options, Params, Parsed, Strictness, Value, parse};

const PERSONS: u32 = 20_000;

const PAGE: &str = include_str!("../../docs/language.md");

const TWO_HOPS: &str = "MATCH (a:Identifier {id: $id})-[:LINKED]-(b)-[:LINKED]-(c) RETURN c.id";

fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```query").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter_map(|block| block.split_once('\n')).map(|(_, text)| text.trim()).collect()
}

fn options() -> Options {
    Options { strictness: Strictness::Lenient, ..Options::default() }
}

/// The first values of the rows of a text, of those that are texts.
fn asked(snapshot: &Snapshot, text: &str, params: &Params) -> Vec<String> {
    let parsed = Parsed::new(text, params.clone(), options()).expect("a statement");
    let prepared = parsed.prepare(snapshot).expect("names of the store");
    let texts = prepared.run().map(|row| row.expect("a row").into_iter().next().unwrap_or_default());
    texts.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The same two hops by hand.
fn walked(snapshot: &Snapshot, from: &Identifier) -> Vec<String> {
    let Found::Known(start) = snapshot.find(from).expect("readable") else { return Vec::new() };
    let mut found = Vec::new();
    for first in snapshot.links(start, None) {
        let middle = first.expect("readable").other;
        for second in snapshot.links(middle, None) {
            let end = second.expect("readable").other;
            // No link twice: back to the start is over the same one.
            if end != start {
                let record = snapshot.identifier(end).expect("readable").expect("an end of a link");
                found.push(format!("{}:{}", snapshot.names().namespace_name(record.namespace), record.value));
            }
        }
    }
    found
}

/// The profile of a person by hand: how many identifiers, records and attributes.
fn profiled(snapshot: &Snapshot, who: &Identifier) -> usize {
    let Found::Known(id) = snapshot.find(who).expect("readable") else { return 0 };
    let Some(key) = snapshot.person_of(id).expect("readable") else { return 0 };
    let profile = profile(snapshot, key).expect("readable").expect("a person");
    1 + profile.identifiers.len() + profile.records.len() + profile.attributes.len()
}

fn query(criterion: &mut Criterion) {
    let observations = population(PERSONS, 42);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(&dir.path().join("store"), Schema::built_in()).expect("a new store");
    for chunk in observations.chunks(1_000) {
        let batch = Batch { request_id: None, observations: chunk.to_vec() };
        store.observe(batch).expect("the store takes it");
    }
    let snapshot = store.snapshot();
    let accounts: Vec<Identifier> = (0..1_000)
        .map(|at| Identifier::new("account", format!("a{:08}", at * 7_919 % PERSONS as usize)))
        .collect();
    let params = |who: &Identifier| {
        let ids = [Value::from(who.to_string())].into_iter().collect();
        let text = |name: &str| (name.to_owned(), Value::from(who.to_string()));
        Params::from([text("id"), text("who"), text("a"), text("b"), text("v"), ("ids".to_owned(), ids)])
    };
    for who in &accounts {
        let (mut text, mut hand) = (asked(&snapshot, TWO_HOPS, &params(who)), walked(&snapshot, who));
        text.sort();
        hand.sort();
        assert_eq!(text, hand, "{who}");
        assert_eq!(asked(&snapshot, "PROFILE $who", &params(who)).len(), profiled(&snapshot, who), "{who}");
    }

    let all = examples();
    let first = params(&accounts[0]);
    let planned: Vec<&str> = all
        .iter()
        .copied()
        .filter(|text| text.contains("MATCH") && !text.contains(['"', ';']))
        .filter(|text| {
            let parsed = Parsed::new(text, first.clone(), options());
            parsed.is_ok_and(|parsed| parsed.prepare(&snapshot).is_ok())
        })
        .collect();
    assert!(all.len() > 60 && planned.len() > 20, "{} examples, {} planned", all.len(), planned.len());
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("parse_every_example", |bencher| {
        bencher.iter(|| all.iter().filter(|text| parse(text, &Limits::default()).is_ok()).count());
    });
    group.throughput(Throughput::Elements(planned.len() as u64));
    group.bench_function("parse_and_plan_every_graph_query", |bencher| {
        bencher.iter(|| {
            for text in &planned {
                let parsed = Parsed::new(text, first.clone(), options()).expect("a statement");
                black_box(parsed.prepare(&snapshot).expect("it was planned before").columns().len());
            }
        });
    });
    group.finish();

    let mut at = 0;
    let mut next = || {
        at = (at + 1) % accounts.len();
        &accounts[at]
    };
    let mut group = criterion.benchmark_group("two_hops");
    group.throughput(Throughput::Elements(1));
    group.bench_function("text", |bencher| {
        bencher.iter(|| black_box(asked(&snapshot, TWO_HOPS, &params(next()))));
    });
    group.bench_function("by_hand", |bencher| bencher.iter(|| black_box(walked(&snapshot, next()))));
    group.finish();

    let mut group = criterion.benchmark_group("profile");
    group.throughput(Throughput::Elements(1));
    group.bench_function("text", |bencher| {
        bencher.iter(|| black_box(asked(&snapshot, "PROFILE $who", &params(next()))));
    });
    group.bench_function("by_hand", |bencher| bencher.iter(|| black_box(profiled(&snapshot, next()))));
    group.finish();
}

criterion_group!(benches, query);
criterion_main!(benches);
