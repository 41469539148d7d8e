//! The engine's persons and households are the oracle's, whatever comes in and however it is batched.

use std::collections::{BTreeMap, BTreeSet};

use kinfold_engine::model::{Identifier, Member};
use kinfold_engine::read::{Lookup, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Store, check};
use kinfold_tests::observed;
use kinfold_tests::oracle::{self, Id, Rules, Seen};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const NAMESPACES: [&str; 5] = ["account", "cookie", "device", "address", "ip"];

#[derive(Clone, Debug)]
struct Case {
    rules: Rules,
    seen: Vec<Seen>,
    /// Where the observations are cut into batches.
    batch: usize,
    /// Another order of the same observations.
    shuffled: Vec<usize>,
}

fn rules() -> impl Strategy<Value = Rules> {
    let limit = |most: usize| prop_oneof![1 => Just(None), 3 => (1..=most).prop_map(Some)];
    (
        prop_oneof![Just(0.5), Just(0.85)],
        prop_oneof![Just(0.3), Just(0.6)],
        (limit(8), limit(3)),
        (limit(2), limit(4)),
        (limit(3), limit(3), limit(3)),
    )
        .prop_map(|(person, household, (max_identifiers, max_persons), per_person, shared)| {
            let pairs = |list: Vec<(&str, Option<usize>)>| -> BTreeMap<String, usize> {
                list.into_iter().filter_map(|(name, most)| Some((name.to_owned(), most?))).collect()
            };
            let above = [
                (("device", "account"), shared.0),
                (("cookie", "device"), shared.1),
                (("address", "persons"), shared.2),
            ];
            Rules {
                person_threshold: person,
                household_threshold: household,
                max_identifiers,
                max_persons,
                max_per_person: pairs(vec![("account", per_person.0), ("cookie", per_person.1)]),
                household_scope: ["address", "ip"].map(str::to_owned).into(),
                shared_above: above
                    .into_iter()
                    .filter_map(|((own, other), most)| Some(((own.to_owned(), other.to_owned()), most?)))
                    .collect(),
            }
        })
}

fn cases() -> impl Strategy<Value = Case> {
    let id = (0..NAMESPACES.len(), 0..5u32)
        .prop_map(|(namespace, value)| -> Id { (NAMESPACES[namespace].to_owned(), format!("v{value}")) });
    let confidence = prop_oneof![Just(0.2), Just(0.4), Just(0.6), Just(0.9)];
    let seen = (0..3u32, 0..4i64, confidence, vec(id, 1..4)).prop_map(|(source, time, confidence, ids)| {
        let ids: BTreeSet<Id> = ids.into_iter().collect();
        Seen { source: format!("s{source}"), time, confidence, ids: ids.into_iter().collect() }
    });
    (rules(), vec(seen, 1..40), 1..12usize).prop_flat_map(|(rules, seen, batch)| {
        let order: Vec<usize> = (0..seen.len()).collect();
        (Just(rules), Just(seen), Just(batch), Just(order).prop_shuffle())
            .prop_map(|(rules, seen, batch, shuffled)| Case { rules, seen, batch, shuffled })
    })
}

fn schema(rules: &Rules) -> Schema {
    let line =
        |key: &str, value: Option<usize>| value.map(|most| format!("{key} = {most}\n")).unwrap_or_default();
    let mut text = format!(
        "[person]\nthreshold = {}\n{}[household]\nthreshold = {}\n{}",
        rules.person_threshold,
        line("max_identifiers", rules.max_identifiers),
        rules.household_threshold,
        line("max_persons", rules.max_persons),
    );
    for namespace in NAMESPACES {
        text += &format!("[namespace.{namespace}]\n");
        if rules.household_scope.contains(namespace) {
            text += "scope = \"household\"\n";
        }
        text += &line("max_per_person", rules.max_per_person.get(namespace).copied());
        for ((own, other), most) in &rules.shared_above {
            if own == namespace {
                text += &format!("shared_above = {{ {other} = {most} }}\n");
            }
        }
    }
    Schema::parse(&text, "schema.toml").expect("the schema is well formed")
}

fn load(rules: &Rules, seen: &[Seen], batch: usize) -> Store {
    let store = Store::in_memory(schema(rules)).expect("there is memory");
    for chunk in seen.chunks(batch) {
        let observations = chunk.iter().map(observed::observation).collect();
        let receipt =
            store.observe(Batch { request_id: None, observations }).expect("the batch is well formed");
        assert_eq!(receipt.rejected, []);
    }
    store
}

fn clean(store: &Store) {
    let report = check(&store.snapshot()).expect("the store can be read");
    assert!(report.is_clean(), "{report}");
}

/// Every identifier leads to the person, or the place, that the answer has it in.
fn found(store: &Store, seen: &[Seen], answer: &oracle::Answer) {
    let snapshot = store.snapshot();
    for (namespace, value) in seen.iter().flat_map(|seen| &seen.ids) {
        let id: Id = (namespace.clone(), value.clone());
        match snapshot.lookup(&Identifier::new(namespace, value)).expect("readable") {
            Lookup::Person { person, members, .. } => {
                let name =
                    |m: &Member| (snapshot.names().namespace_name(m.namespace).to_owned(), m.value.clone());
                let members: BTreeSet<Id> = members.iter().map(name).collect();
                assert_eq!(members.len(), person.size as usize);
                assert!(members.contains(&id) && answer.persons.contains(&members));
            }
            Lookup::Place { household, .. } => {
                let home = answer.households.iter().find(|(_, homes)| homes.contains(&id));
                assert_eq!(household.is_some(), home.is_some());
            }
            Lookup::Nothing(found) => panic!("{namespace}:{value} is {found:?}"),
        }
    }
}

/// 1,000 random cases, or as many as `KINFOLD_CASES` says.
fn case_count() -> u32 {
    std::env::var("KINFOLD_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[test]
fn persons_and_households_are_the_oracles() {
    let mut runner =
        TestRunner::new(Config { cases: case_count(), failure_persistence: None, ..Config::default() });
    let run = runner.run(&cases(), |case| {
        let expected = oracle::resolve(&case.seen, &case.rules);
        let store = load(&case.rules, &case.seen, case.batch);
        prop_assert_eq!(&observed::answer(&store.snapshot()).expect("readable"), &expected);
        clean(&store);
        found(&store, &case.seen, &expected);

        // One by one the same observations in the same order give the same ids too.
        let single = load(&case.rules, &case.seen, 1);
        let ids = |store: &Store| observed::persons(&store.snapshot()).expect("readable");
        prop_assert_eq!(ids(&single), ids(&store));

        let shuffled: Vec<Seen> = case.shuffled.iter().map(|at| case.seen[*at].clone()).collect();
        let other = load(&case.rules, &shuffled, case.batch);
        prop_assert_eq!(&observed::answer(&other.snapshot()).expect("readable"), &expected);
        clean(&other);
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}
