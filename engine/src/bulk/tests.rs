//! Loads that do not come to their end.

use std::path::Path;

use super::*;
use crate::model::{Identifier, Observation};
use crate::read::Read as _;
use crate::store::{LOADING, OpenError, OpenOptions};
use crate::{Stats, check};

fn observations() -> Vec<Observation> {
    let seen = |at: i64, names: &[&str], confidence| Observation {
        source: "crm".to_owned(),
        time: Timestamp::from_micros(at).expect("a time"),
        identifiers: names.iter().map(|name| Identifier::new("email", *name)).collect(),
        confidence,
        kind: None,
        record_id: Some(format!("r{at}")),
        attributes: Default::default(),
    };
    vec![
        seen(1, &["ann@example.com", "ann@example.org"], 0.9),
        seen(2, &["bob@example.com"], 0.9),
        seen(3, &["ann@example.org", "ann@example.net", "bob@example.com"], 0.1),
        // The third address is one too many for the schema: it is held back.
        seen(4, &["cy@example.com", "cy@example.net"], 0.9),
        seen(5, &["cy@example.net", "cy@example.org"], 0.8),
    ]
}

fn schema() -> Schema {
    Schema::parse("[namespace.email]\nmax_per_person = 2\n", "schema.toml").expect("a schema")
}

fn begun(store: &Store) -> BulkLoad {
    let mut load = store.bulk_load(BulkOptions::default()).expect("it begins");
    for (at, observation) in observations().into_iter().enumerate() {
        let batch = Batch { request_id: Some(format!("import:{at}")), observations: vec![observation] };
        assert_eq!(load.add(batch).expect("it is taken").accepted, 1);
    }
    load
}

fn stats(store: &Store) -> Stats {
    Stats { disk_bytes: 0, ..store.stats().expect("readable") }
}

fn write_mark(store: &Store) -> crate::storage::Database {
    let database = store.database().clone();
    let mut batch = database.batch();
    batch.put_meta(LOADING, &true).expect("it is put");
    database.write(batch).expect("it is written");
    database
}

fn workplace(path: &Path) -> bool {
    path.join("loading").exists()
}

#[test]
fn what_a_crash_left_of_a_load_is_taken_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let store = Store::create(&path, schema()).expect("it is made");
    let empty = stats(&store);
    let mut load = begun(&store);
    assert!(workplace(&path));
    let staged = load.stage().expect("it is made");
    assert!(staged.one_by_one.len() > 0, "nothing is written one by one");
    // Everything is in, but for the commit.
    write_mark(&store).take_in(staged.rows).expect("it is taken in");
    std::mem::forget(load.workplace);
    drop((load.store, store));

    let read_only = OpenOptions { read_only: true, ..OpenOptions::default() };
    assert!(matches!(Store::open(&path, read_only.clone()), Err(OpenError::Loading { .. })));
    let store = Store::open(&path, OpenOptions::default()).expect("it opens");
    assert!(!workplace(&path), "its files are still there");
    assert_eq!(stats(&store), empty);
    assert!(check(&store.snapshot()).expect("readable").is_clean());
    assert_eq!(store.applied("import:0").expect("readable"), None);
    assert!(store.snapshot().identifiers(None).next().is_none(), "an identifier is left");

    let receipt = begun(&store).finish().expect("it is loaded");
    assert_eq!((receipt.observations, receipt.held_back), (5, 1));
    assert!(!workplace(&path));
    assert_eq!(store.applied("import:0").expect("readable"), Some(Vec::new()));
    let report = check(&store.snapshot()).expect("readable");
    assert!(report.is_clean(), "{report}");
    store.close().expect("it closes");
    drop(store);
    let read = Store::open(&path, read_only).expect("it opens");
    assert_eq!(read.snapshot().person_count().expect("readable"), 5);
}

#[test]
fn a_load_needs_a_store_that_holds_nothing_and_stays_so() {
    let store = Store::in_memory(schema()).expect("there is memory");
    let load = begun(&store);
    let batch = Batch { request_id: None, observations: observations() };
    store.observe(batch).expect("it is written");
    assert!(matches!(load.finish(), Err(BulkError::Changed)));
    let before = stats(&store);
    assert!(matches!(store.bulk_load(BulkOptions::default()), Err(BulkError::NotEmpty { identifiers: 7 })));
    assert_eq!(stats(&store), before);
    assert!(check(&store.snapshot()).expect("readable").is_clean());
}

#[test]
fn whoever_reads_the_store_of_before_sees_nothing_of_a_load() {
    let directory = tempfile::tempdir().expect("there is room");
    let store = Store::create(&directory.path().join("store"), schema()).expect("it is made");
    let before = store.snapshot();
    begun(&store).finish().expect("it is in");
    let now = store.snapshot();
    let read = |snapshot: &crate::Snapshot| {
        let found = now.identifiers(None).map(|id| id.expect("readable")).filter(|id| {
            snapshot.identifier(*id).expect("readable").is_some()
                || snapshot.person_of(*id).expect("readable").is_some()
                || snapshot.household_of(*id).expect("readable").is_some()
                || snapshot.links(*id, None).count() + snapshot.records(*id).count() > 0
        });
        [
            found.count(),
            snapshot.identifiers(None).count(),
            snapshot.persons().count(),
            snapshot.events(crate::model::Seq::new(0)).count(),
        ]
    };
    assert!(read(&now).iter().all(|count| *count > 0), "{:?}", read(&now));
    assert_eq!(read(&before), [0; 4]);
    assert!(check(&now).expect("readable").is_clean());
}

#[test]
fn a_batch_that_comes_twice_counts_once() {
    let store = Store::in_memory(schema()).expect("there is memory");
    let mut load = begun(&store);
    let again = Batch { request_id: Some("import:0".to_owned()), observations: observations() };
    let receipt = load.add(again).expect("it is taken");
    assert!(receipt.replayed);
    assert_eq!(load.finish().expect("it is loaded").observations, 5);
}
