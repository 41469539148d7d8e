//! Whether a store gives the right answers.

use kinfold_engine::Store;
use serde_json::{Value, json};

use super::{lookup, scan, two_hops};
use crate::workload::{Workload, identifier};

/// How many differences of one kind are told; one is enough to look into.
const TOLD: usize = 3;

/// Compares counts, whole persons, two hops (walked and queried) and the scan
/// with the workload; `wrong` lists what differs, in words.
pub fn run(store: &Store, workload: &Workload) -> anyhow::Result<Value> {
    let mut wrong: Vec<String> = Vec::new();
    let stats = store.stats()?;
    for (what, found, expected) in
        [("links", stats.links, workload.links), ("persons", stats.persons, workload.persons)]
    {
        if found != expected {
            wrong.push(format!("{found} {what} for {expected}"));
        }
    }
    let snapshot = store.snapshot();
    let mut told = 0;
    for (text, expected) in workload.lookups.iter().zip(&workload.members) {
        let found = lookup::members(&snapshot, &identifier(text)?)?;
        if found != *expected && told < TOLD {
            wrong.push(format!("the person of {text} is {found:?} for {expected:?}"));
            told += 1;
        }
    }
    told = 0;
    for (text, expected) in workload.lookups.iter().zip(&workload.two_hops) {
        let found = (two_hops::walk(&snapshot, &identifier(text)?)?, two_hops::query(&snapshot, text)?);
        if found != (*expected, *expected) && told < TOLD {
            wrong.push(format!("two hops from {text} reach {found:?} for {expected}"));
            told += 1;
        }
    }
    let sizes = scan::persons_per_size(&snapshot)?;
    if sizes != workload.persons_per_size {
        wrong.push(format!("persons per size are {sizes:?} for {:?}", workload.persons_per_size));
    }
    // Whoever measures wants to know that this build is slower than a release.
    let assertions = cfg!(debug_assertions);
    Ok(json!({ "persons": stats.persons, "links": stats.links, "wrong": wrong, "assertions": assertions }))
}

#[cfg(test)]
mod tests {
    use kinfold_engine::model::{Identifier, Observation, Timestamp};
    use kinfold_engine::schema::Schema;
    use kinfold_engine::write::Batch;

    use super::*;

    fn store() -> Store {
        let schema = Schema::parse("[namespace.email]\n[namespace.device]\n", "schema.toml");
        let store = Store::in_memory(schema.expect("well formed")).expect("a new store");
        let link = |a: &str, b: &str, confidence| Observation {
            source: "test".to_owned(),
            time: Timestamp::default(),
            identifiers: vec![Identifier::new("email", a), Identifier::new("device", b)],
            confidence,
            kind: None,
            record_id: None,
            attributes: Default::default(),
        };
        let observations = vec![link("ann", "d1", 0.9), link("bob", "d1", 0.2), link("bob", "d2", 0.8)];
        store.observe(Batch { request_id: None, observations }).expect("the store takes it");
        store
    }

    fn workload() -> Workload {
        Workload {
            links: 3,
            persons: 2,
            persons_per_size: vec![(2, 2)],
            lookups: vec!["email:ann".to_owned()],
            sizes: vec![2],
            members: vec![vec!["device:d1".to_owned(), "email:ann".to_owned()]],
            two_hops: vec![2],
            joins: Vec::new(),
            joins_alone: 0,
        }
    }

    #[test]
    fn the_right_answers_are_right() {
        let found = run(&store(), &workload()).expect("readable");
        assert_eq!((&found["persons"], &found["links"]), (&json!(2), &json!(3)));
        assert_eq!(found["wrong"], json!([]));
    }

    #[test]
    fn every_kind_of_difference_is_told() {
        let mut other = workload();
        other.links = 4;
        other.persons_per_size = vec![(4, 1)];
        other.members[0].pop();
        other.two_hops[0] = 3;
        let found = run(&store(), &other).expect("readable");
        assert_eq!(found["wrong"].as_array().map(Vec::len), Some(4), "{found}");
    }
}
