//! What is forgotten is in no table and no file, and stays out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kinfold_engine::model::{AttributeValue, Change, Identifier, Observation, Timestamp};
use kinfold_engine::privacy::Forget;
use kinfold_engine::profile::profile;
use kinfold_engine::read::{AsOf, Found, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Act, ActError, Authored, Batch, Receipt};
use kinfold_engine::{OpenOptions, Store, check};
use kinfold_tests::observed;

const SCHEMA: &str = r#"
[person]
threshold = 0.5
[household]
threshold = 0.3
[namespace.account]
max_per_person = 1
[namespace.email]
normalise = "email"
[namespace.device]
[namespace.address]
normalise = "lower"
scope = "household"
"#;

fn schema() -> Schema {
    Schema::parse(SCHEMA, "schema.toml").expect("the schema is well formed")
}

fn by() -> Authored {
    Authored { author: "ann".to_owned(), reason: "ticket 12".to_owned() }
}

fn named(name: &str) -> Identifier {
    name.parse().expect("`namespace:value`")
}

fn only(name: &str) -> Forget {
    Forget::Identifiers(vec![named(name)])
}

/// What `crm` says in a record.
fn record(id: &str, names: &[&str], attributes: &[(&str, &str)]) -> Observation {
    Observation {
        source: "crm".to_owned(),
        time: Timestamp::from_micros(1_000_000).expect("within the years"),
        identifiers: names.iter().map(|name| named(name)).collect(),
        confidence: 0.9,
        kind: None,
        record_id: (!id.is_empty()).then(|| id.to_owned()),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), AttributeValue::String((*value).to_owned())))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn write(store: &Store, observations: Vec<Observation>) -> Receipt {
    let receipt = store.observe(Batch { request_id: None, observations }).expect("the store writes");
    assert_eq!(receipt.rejected, []);
    receipt
}

fn clean(store: &Store) {
    let report = check(&store.snapshot()).expect("readable");
    assert!(report.is_clean(), "{report}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// The files that hold one of the texts.
fn holding(directory: &Path, texts: &[&str]) -> BTreeSet<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        texts.iter().any(|text| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    files(directory).into_iter().filter(holds).collect()
}

const ZOE: &str = "zoe-4711-qxj@example.com";
const PHONE: &str = "device-of-zoe-8x2k";

#[test]
fn what_is_forgotten_is_in_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let (email, device) = (format!("email:{ZOE}"), format!("device:{PHONE}"));
    let texts = [ZOE, PHONE];
    let store = Store::create(&path, schema()).expect("new");
    for round in 0..4 {
        let crowd = (0..200).map(|at| {
            let names = [format!("account:c{at}"), format!("email:c{at}-{round}@example.com")];
            record(&format!("c{at}"), &[&names[0], &names[1]], &[("city", "Berlin")])
        });
        write(&store, crowd.collect());
        let note = format!("reach her at {ZOE}");
        write(
            &store,
            vec![
                record(&format!("r-{round}"), &[&email, "account:z"], &[("note", &note), ("city", "Bonn")]),
                record(ZOE, &[&email, &device], &[]),
                record("", &[&device, &format!("device:other-{round}"), "address:main street 1"], &[]),
            ],
        );
        if round == 1 {
            store.compact().expect("compacted");
        }
        if round == 2 {
            store
                .act(&Act::RetractRecord { source: "crm".into(), record_id: ZOE.into() }, by())
                .expect("there");
            let because = Authored { author: "ann".into(), reason: format!("{ZOE} wrote to us") };
            store.act(&Act::Forbid(named(&email), named("account:c1")), because).expect("free");
        }
        // Part of it is in sorted files, part in the log.
        if round < 3 {
            store.compact().expect("compacted");
        }
    }
    assert!(!holding(&path, &texts).is_empty(), "the search finds nothing");
    let before = store.snapshot();
    let seq = before.seq();
    let was: BTreeSet<_> = observed::persons(&before).expect("readable").into_values().collect();
    drop(before);
    let report =
        store.forget(None, &Forget::Identifiers(vec![named(&email), named(&device)]), by()).expect("known");
    assert!(report.proof.is_complete(), "{:?}", report.proof);
    assert!(report.proof.files_rewritten > 0 && report.proof.values == 2 && report.proof.rows > 800);
    assert_eq!((report.erased.links > 4, report.erased.records, report.erased.overrides), (true, 1, 1));
    assert_eq!(report.erased.attributes, 4);
    assert!(report.erased.events > 0 && report.erased.past_rows > 0);
    assert_eq!(holding(&path, &texts), BTreeSet::new());
    clean(&store);
    // Every earlier state is there but for what was forgotten.
    let gone = |name: &(String, String)| texts.contains(&name.1.as_str());
    for at in (0..=seq.get()).step_by(97).chain(seq.get() - 5..=seq.get()) {
        let then =
            store.snapshot().as_of(AsOf::Seq(kinfold_engine::model::Seq::new(at))).expect("it is past");
        let picture = observed::picture(&then).expect("readable");
        assert!(!picture.identifiers.keys().any(gone));
        assert!(!format!("{picture:?}").contains(ZOE), "as of {at}");
    }
    let then = store.snapshot().as_of(AsOf::Seq(seq)).expect("it is past");
    let is: BTreeSet<_> = observed::persons(&then).expect("readable").into_values().collect();
    let less = |members: &BTreeSet<_>| members.iter().filter(|name| !gone(name)).cloned().collect();
    assert_eq!(is, was.iter().map(less).filter(|members: &BTreeSet<_>| !members.is_empty()).collect());
    store.close().expect("closed");
    drop((then, store));
    let store = Store::open(&path, OpenOptions::default()).expect("free");
    assert_eq!(holding(&path, &texts), BTreeSet::new());
    clean(&store);
    // What comes in again is refused, with the texts that name it.
    let again = vec![
        record(ZOE, &[&email, "account:z"], &[("note", &format!("write to {ZOE}")), ("city", "Bonn")]),
        record("z", &[&email], &[("name", "Zoe")]),
    ];
    let receipt = write(&store, again.clone());
    assert_eq!((receipt.accepted, receipt.forgotten), (2, 2));
    assert_eq!(store.stats().expect("readable").forgotten, [("crm".to_owned(), "email".to_owned(), 2)]);
    store.compact().expect("compacted");
    assert_eq!(holding(&path, &texts), BTreeSet::new());
    let again_proven = store.forget(None, &only(&email), by()).expect("forgotten");
    assert_eq!((again_proven.erased.already, again_proven.proof.is_complete()), (1, true));
    store.act(&Act::Readmit(named(&email)), by()).expect("forgotten");
    assert_eq!(write(&store, again).forgotten, 0);
    assert!(matches!(store.snapshot().find(&named(&email)).expect("readable"), Found::Known(_)));
    clean(&store);
}

#[test]
fn a_person_is_erased_once_and_its_id_says_so() {
    let store = Store::in_memory(schema()).expect("there is memory");
    write(&store, vec![record("1", &["account:a", "email:ann@example.com"], &[])]);
    write(&store, vec![record("2", &["account:b", "email:bob@example.com"], &[])]);
    write(&store, vec![record("3", &["device:d", "email:ann@example.com"], &[])]);
    let person = |name: &str| {
        let snapshot = store.snapshot();
        let Found::Known(id) = snapshot.find(&named(name)).expect("readable") else { panic!("{name}") };
        let key = snapshot.person_of(id).expect("readable").expect("of person scope");
        snapshot.person(key).expect("readable").expect("it exists").id
    };
    let (ann, bob) = (person("account:a"), person("account:b"));
    let planned = store.plan_forget(&Forget::Person(ann)).expect("it lives");
    assert_eq!((planned.persons.clone(), planned.links), (vec![ann], 2));
    let forget = Forget::PersonOf(named("email:ann@example.com"));
    let done = store.forget(Some("gone"), &forget, by()).expect("known");
    assert_eq!((done.erased.clone(), done.replayed), (planned, false));
    assert!(done.proof.in_memory && done.proof.is_complete());
    assert!(
        done.events.iter().any(|event| matches!(&event.change, Change::Erased(it) if it.identifiers == 3))
    );
    let again = store.forget(Some("gone"), &forget, by()).expect("done before");
    assert_eq!((again.replayed, again.seq, again.events), (true, done.seq, done.events));
    let other = store.forget(Some("gone"), &only("account:b"), by());
    assert!(matches!(other, Err(ActError::Write(_))), "{other:?}");
    let snapshot = store.snapshot();
    assert!(snapshot.is_erased(ann).expect("readable") && !snapshot.is_erased(bob).expect("readable"));
    assert_eq!(snapshot.person_by_id(ann).expect("readable"), None);
    let then = snapshot.as_of(AsOf::Seq(kinfold_engine::model::Seq::new(1))).expect("it is past");
    assert!(then.is_erased(ann).expect("readable"));
    assert_eq!(then.persons().count(), 0);
    let refused = |outcome: Result<_, ActError>| outcome.map(drop).expect_err("it is refused");
    let ask = |forget: &Forget, by| refused(store.forget(None, forget, by).map(|_| ()));
    assert!(matches!(ask(&Forget::Person(ann), by()), ActError::ErasedPerson { .. }));
    assert!(matches!(ask(&only("account:never"), by()), ActError::Unknown { .. }));
    assert!(matches!(ask(&Forget::Identifiers(Vec::new()), by()), ActError::HowMany { .. }));
    let tells = Authored { author: "ann".into(), reason: "BOB@example.com asked".into() };
    assert!(matches!(ask(&only("email:bob@example.com"), tells), ActError::Author { field: "reason", .. }));
    let forbid = store.act(&Act::Forbid(named("account:a"), named("account:b")), by());
    assert!(matches!(forbid, Err(ActError::Forgotten { .. })));
    let readmit = store.act(&Act::Readmit(named("account:b")), by());
    assert!(matches!(readmit, Err(ActError::NotForgotten { .. })));
    // Numbers are not given again: who comes back is somebody new.
    store.act(&Act::Readmit(named("account:a")), by()).expect("forgotten");
    let receipt = write(&store, vec![record("1", &["account:a", "email:ann@example.com"], &[])]);
    assert_eq!(receipt.forgotten, 1);
    assert_ne!(person("account:a"), ann);
    clean(&store);
}

/// What attributes without a record id belong to is told by whom they named.
/// When one of these is forgotten, two records may look alike: both stay.
#[test]
fn records_that_look_alike_since_are_all_in_the_profile() {
    let store = Store::in_memory(schema()).expect("there is memory");
    let device = "device:d";
    for (names, city) in [(&["email:a@example.com", device] as &[&str], "Bonn"), (&[device], "Ulm")] {
        write(&store, vec![record("", names, &[("city", city)])]);
    }
    write(
        &store,
        vec![record("", &["email:b@example.com", device], &[("city", "Kiel"), ("consent.ads", "denied")])],
    );
    for gone in ["email:a@example.com", "email:b@example.com"] {
        store.forget(None, &only(gone), by()).expect("known");
    }
    let snapshot = store.snapshot();
    let Found::Known(id) = snapshot.find(&named(device)).expect("readable") else { panic!("{device}") };
    let person = snapshot.person_of(id).expect("readable").expect("of person scope");
    let profile = profile(&snapshot, person).expect("readable").expect("it lives");
    let text = |value: &AttributeValue| match value {
        AttributeValue::String(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    let cities: Vec<String> = profile.records.iter().map(|record| text(&record.attributes[0].1)).collect();
    assert_eq!(cities, ["Bonn", "Kiel", "Ulm"]);
    let known: Vec<String> = profile.attributes.iter().map(|held| text(&held.value)).collect();
    // Of the same time the greatest; a refusal of any record counts.
    assert_eq!(known, ["Ulm", "denied"]);
    clean(&store);
}

#[test]
fn a_store_of_which_all_is_forgotten_goes_on() {
    let store = Store::in_memory(schema()).expect("there is memory");
    write(&store, vec![record("1", &["account:a", "address:main street 1"], &[("city", "Bonn")])]);
    let all = Forget::Identifiers(vec![named("account:a"), named("address:main street 1")]);
    let done = store.forget(None, &all, by()).expect("known");
    assert_eq!((done.erased.records, done.erased.attributes, done.erased.links), (1, 1, 1));
    let stats = store.stats().expect("readable");
    assert_eq!((stats.links, stats.persons, stats.households, stats.records), (0, 0, 0, 0));
    assert!(!store.takes_bulk_load() && store.bulk_load(Default::default()).is_err());
    clean(&store);
    let receipt = write(&store, vec![record("1", &["account:a", "account:b"], &[])]);
    assert_eq!((receipt.accepted, receipt.forgotten), (1, 1));
    store.rebuild().expect("whole");
    clean(&store);
}
