//! What is loaded in bulk is what would have been written one observation after another.

use std::collections::{BTreeMap, BTreeSet};

use kinfold_engine::bulk::BulkOptions;
use kinfold_engine::model::{
    HouseholdId, Identifier, IdentifierRecord, LinkRow, PersonId, Seq, SourceRecord,
};
use kinfold_engine::profile::{ProfileAttribute, ProfileIdentifier};
use kinfold_engine::read::{AsOf, Lookup, Read};
use kinfold_engine::write::Batch;
use kinfold_engine::{Store, check};
use kinfold_tests::observed::{self, Picture};
use kinfold_tests::oracle::{self, Id, Rules};
use proptest::collection::vec;
use proptest::prelude::*;

use super::cases::{self, Saw, Step};
use super::runs::{Checked, Ids, ids, run, run_on};
use super::{MANNER, Manner, hold, world};

/// Observations in several groups of identifiers, of which few name identifiers of two.
fn seen() -> impl Strategy<Value = Vec<Saw>> {
    let group = prop_oneof![8 => (0..6_u8).prop_map(|group| (group, group)), 1 => (0..6_u8, 0..6_u8)];
    vec((cases::saw(), group), 1..60).prop_map(|seen| {
        let of_group = |(mut saw, (first, rest)): (Saw, (u8, u8))| {
            for (at, id) in saw.seen.ids.iter_mut().enumerate() {
                id.1 += &format!("-{}", if at == 0 { first } else { rest });
            }
            saw
        };
        seen.into_iter().map(of_group).collect()
    })
}

/// What is known of a person.
type Known = (Vec<ProfileIdentifier>, Vec<SourceRecord>, Vec<ProfileAttribute>);

/// What is known of an identifier: itself, its links and whether they conduct, its records.
type Seen = (Option<IdentifierRecord>, Vec<(LinkRow, bool)>, Vec<SourceRecord>);

/// What a state says, but for the events that led to it and the numbers of rows.
#[derive(Debug, PartialEq)]
struct Standing {
    counts: [u64; 4],
    ids: Ids,
    households: BTreeMap<PersonId, Option<HouseholdId>>,
    profiles: BTreeMap<PersonId, Known>,
    identifiers: BTreeMap<Id, Seen>,
    lookups: BTreeMap<Id, Option<PersonId>>,
}

fn standing(read: &impl Read) -> Standing {
    let picture: Picture = observed::picture(read).expect("readable");
    let persons = &picture.persons;
    let lookup = |id: &Id| match read.lookup(&Identifier::new(&*id.0, &*id.1)).expect("readable") {
        Lookup::Person { person, .. } => Some(person.id),
        _ => None,
    };
    Standing {
        counts: picture.counts,
        households: persons.iter().map(|(id, person)| (*id, person.household)).collect(),
        profiles: persons
            .iter()
            .map(|(id, person)| {
                let profile = person.profile.clone().expect("it has one");
                (*id, (profile.identifiers, profile.records, profile.attributes))
            })
            .collect(),
        lookups: picture.identifiers.keys().map(|id| (id.clone(), lookup(id))).collect(),
        identifiers: picture
            .identifiers
            .iter()
            .map(|(id, it)| {
                // Each store has its own order of records: it goes by hashes under the store's own key.
                let mut records = it.records.clone();
                records.sort_by_key(|record| format!("{record:?}"));
                (id.clone(), (it.record.clone(), it.links.clone(), records))
            })
            .collect(),
        ids: ids(picture),
    }
}

fn load(store: &Store, seen: &[Saw], batch: usize, options: BulkOptions) {
    let mut load = store.bulk_load(options).expect("it begins");
    for part in seen.chunks(batch) {
        let observations = part.iter().map(Saw::observation).collect();
        let receipt = load.add(Batch { request_id: None, observations }).expect("it is taken");
        assert_eq!(receipt.rejected, []);
        assert_eq!(receipt.accepted as usize, part.len());
    }
    let receipt = load.finish().expect("it is loaded");
    assert_eq!(receipt.observations, seen.len() as u64);
    assert_eq!(receipt.seq, store.snapshot().seq());
}

/// Loads into `store` what another was told one by one, goes on with both, and compares.
fn loaded_is_observed(
    store: Store,
    rules: &Rules,
    seen: &[Saw],
    more: &[Step],
    batch: usize,
    memory: usize,
) -> Checked {
    let manner = Manner { every: usize::MAX, ..MANNER };
    let steps: Vec<Step> = seen.iter().map(|saw| Step::Observe(vec![saw.clone()])).collect();
    let observed = run(world(rules.clone()), &steps, manner)?;
    load(&store, seen, batch, BulkOptions { memory_bytes: memory, threads: 2 });

    let report = check(&store.snapshot()).expect("readable");
    prop_assert!(report.is_clean(), "{report}");
    prop_assert_eq!(standing(&store.snapshot()), standing(&observed.store.snapshot()));
    let before = store.snapshot().as_of(AsOf::Seq(Seq::new(0))).expect("it is past");
    prop_assert_eq!(standing(&before).counts, [0; 4]);
    prop_assert_eq!(standing(&before).identifiers, BTreeMap::new());
    drop(before);

    // What comes later tells whether the ids that were given once are known, and how old each is.
    let went_on = run_on(store, observed.world.clone(), more, manner)?;
    let streamed = run_on(observed.store, observed.world, more, manner)?;
    prop_assert_eq!(standing(&went_on.store.snapshot()), standing(&streamed.store.snapshot()));
    Ok(())
}

#[test]
fn what_is_loaded_in_bulk_is_what_was_observed() {
    let cases = (cases::rules(), seen(), cases::steps(8), 1..20_usize);
    hold(2_000, cases, |(rules, seen, more, batch)| {
        let store = Store::in_memory(cases::schema(&rules, None)).expect("there is memory");
        loaded_is_observed(store, &rules, &seen, &more, batch, usize::MAX / 2)
    });
}

#[test]
fn what_does_not_fit_in_memory_is_loaded_alike() {
    let cases = (cases::rules(), seen(), cases::steps(4), 1..20_usize, 0..4_000_usize);
    hold(25, cases, |(rules, seen, more, batch, memory)| {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            Store::create(&folder.path().join("store"), cases::schema(&rules, None)).expect("it is made");
        loaded_is_observed(store, &rules, &seen, &more, batch, memory)
    });
}

/// Three persons of the same size become one, of whom one lived somewhere: whose
/// household goes on must not depend on the order in which their rows were made.
#[test]
fn whose_household_goes_on_does_not_depend_on_the_way_in() {
    let rules = Rules {
        person_threshold: 0.85,
        household_threshold: 0.3,
        household_scope: BTreeSet::from(["address".to_owned(), "ip".to_owned()]),
        shared_above: BTreeMap::from([(("address".to_owned(), "persons".to_owned()), 1)]),
        max_identifiers: None,
        max_persons: None,
        max_per_person: BTreeMap::new(),
        denied: BTreeSet::new(),
    };
    let saw = |confidence: f64, ids: &[(&str, &str)]| {
        Saw::plain(&oracle::Seen {
            source: "s0".to_owned(),
            time: 0,
            confidence,
            ids: ids
                .iter()
                .map(|(namespace, value)| ((*namespace).to_owned(), (*value).to_owned()))
                .collect(),
            record: None,
            withdrawn: BTreeSet::new(),
        })
    };
    let seen = [
        saw(0.6, &[("account", "v0"), ("address", "v0"), ("cookie", "v2")]),
        saw(0.4, &[("account", "v1"), ("cookie", "v2")]),
        saw(0.4, &[("account", "v0"), ("address", "v1")]),
    ];
    let looser = Rules {
        person_threshold: 0.3,
        household_threshold: 0.6,
        shared_above: BTreeMap::new(),
        ..rules.clone()
    };
    let store = Store::in_memory(cases::schema(&rules, None)).expect("there is memory");
    loaded_is_observed(store, &rules, &seen, &[Step::Schema(looser)], 1, usize::MAX / 2).expect("alike");
}
