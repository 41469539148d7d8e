//! The README's example of the embedded crate does what it says.

use kinfold_engine::Store;
use kinfold_engine::model::{Identifier, Observation, Timestamp};
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;

#[test]
fn the_embedded_example_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::create(&dir.path().join("store"), Schema::built_in()).expect("a new store");
    let seen = Observation {
        source: "crm".to_owned(),
        time: Timestamp::now(),
        identifiers: vec![Identifier::new("email", "Ann@Example.com"), Identifier::new("device", "d1")],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: Default::default(),
    };
    let receipt = store.observe(Batch { request_id: None, observations: vec![seen] }).expect("written");
    assert_eq!(receipt.rejected, []);
    let ann = store.snapshot().lookup(&Identifier::new("email", "ann@example.com")).expect("readable");
    assert!(matches!(ann, Lookup::Person { members, .. } if members.len() == 2));
}
