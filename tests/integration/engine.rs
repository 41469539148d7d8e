//! What the engine promises to whoever writes and reads, beyond resolution itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use kinfold_engine::model::{
    AttributeValue, HeldBackBy, HouseholdMember, Identifier, IdentifierId, Observation, PersonId, Timestamp,
};
use kinfold_engine::read::{Found, Read};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::{Batch, Receipt, RejectReason, WriteError};
use kinfold_engine::{OpenError, OpenOptions, Snapshot, Stats, Store, check};
use kinfold_tests::observed;

const SCHEMA: &str = r#"
[person]
threshold = 0.5

[household]
threshold = 0.3
max_persons = 3

[namespace.account]
max_per_person = 1

[namespace.email]
normalise = "email"
deny = ["noreply@*"]

[namespace.phone]
normalise = "digits"

[namespace.device]
shared_above = { account = 2 }

[namespace.address]
scope = "household"
shared_above = { persons = 4 }
"#;

fn schema() -> Schema {
    Schema::parse(SCHEMA, "schema.toml").expect("the schema is well formed")
}

fn in_memory() -> Store {
    Store::in_memory(schema()).expect("there is memory")
}

fn create(path: &Path) -> Store {
    Store::create(path, schema()).expect("the directory is empty")
}

fn open(path: &Path) -> Store {
    Store::open(path, OpenOptions::default()).expect("nobody else has it open")
}

/// What `web` saw together at `time`.
fn seen_at(time: i64, names: &[&str]) -> Observation {
    Observation {
        source: "web".to_owned(),
        time: Timestamp::from_micros(time).expect("within the years"),
        identifiers: names.iter().map(|name| name.parse().expect("`namespace:value`")).collect(),
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: BTreeMap::new(),
    }
}

fn seen(names: &[&str]) -> Observation {
    seen_at(1_000_000, names)
}

fn batch(observations: Vec<Observation>) -> Batch {
    Batch { request_id: None, observations }
}

fn named(id: &str, observations: Vec<Observation>) -> Batch {
    Batch { request_id: Some(id.to_owned()), observations }
}

fn write(store: &Store, lists: &[&[&str]]) -> Receipt {
    let receipt =
        store.observe(batch(lists.iter().map(|names| seen(names)).collect())).expect("the store writes");
    assert_eq!(receipt.rejected, []);
    receipt
}

fn id(snapshot: &Snapshot, name: &str) -> IdentifierId {
    match snapshot.find(&name.parse().expect("`namespace:value`")).expect("readable") {
        Found::Known(id) => id,
        other => panic!("{name}: {other:?}"),
    }
}

fn person(snapshot: &Snapshot, name: &str) -> PersonId {
    let key = snapshot.person_of(id(snapshot, name)).expect("readable").expect("it has person scope");
    snapshot.person(key).expect("readable").expect("its person exists").id
}

/// The persons and homes of the household of a household-scope identifier.
fn household(snapshot: &Snapshot, name: &str) -> Option<(BTreeSet<PersonId>, usize)> {
    let key = snapshot.household_of(id(snapshot, name)).expect("readable")?;
    let (mut persons, mut homes) = (BTreeSet::new(), 0);
    for member in snapshot.household_members(key) {
        match member.expect("readable") {
            HouseholdMember::Person(key) => {
                persons.insert(snapshot.person(key).expect("readable").expect("a member exists").id);
            }
            HouseholdMember::Identifier(_) => homes += 1,
        }
    }
    Some((persons, homes))
}

/// The figures without what depends on when the storage last tidied up.
fn figures(store: &Store) -> Stats {
    Stats { disk_bytes: 0, ..store.stats().expect("readable") }
}

fn clean(store: &Store) {
    let report = check(&store.snapshot()).expect("the store can be read");
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_request_sent_again_changes_nothing_and_gets_its_first_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let store = create(&path);
    let request = || {
        let unknown = Observation { source: "crm".to_owned(), ..seen(&["nowhere:1", "phone:2"]) };
        named("r1", vec![seen(&["email:a@x.de", "phone:1"]), unknown, seen(&["account:null", "phone:3"])])
    };
    let first = store.observe(request()).expect("the store writes");
    assert!(!first.replayed);
    assert_eq!((first.accepted, first.denied, first.rejected.len()), (2, 1, 1));
    let before = (figures(&store), observed::persons(&store.snapshot()).expect("readable"));

    let again = |store: &Store| {
        let second = store.observe(request()).expect("the store answers");
        assert!(second.replayed);
        let told = |receipt: &Receipt| {
            let rejected: Vec<_> =
                receipt.rejected.iter().map(|it| (it.index, it.field.clone(), it.reason)).collect();
            (receipt.seq, receipt.accepted, receipt.denied, receipt.held_back, rejected)
        };
        assert_eq!(told(&second), told(&first));
        assert_eq!((figures(store), observed::persons(&store.snapshot()).expect("readable")), before);
    };
    again(&store);

    // Other content under the same id is a mistake of the sender, however small the difference.
    for other in [named("r1", vec![seen(&["email:a@x.de", "phone:1"])]), named("r1", Vec::new()), {
        let mut other = request();
        other.observations[0].confidence = 0.91;
        other
    }] {
        match store.observe(other) {
            Err(WriteError::RequestReused { request_id }) => assert_eq!(request_id, "r1"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(figures(&store), before.0);

    // The same under another id is another request.
    let receipt =
        store.observe(Batch { request_id: Some("r2".to_owned()), ..request() }).expect("the store writes");
    assert!(!receipt.replayed);
    assert_eq!(figures(&store).observations, before.0.observations + 2);

    // Requests are remembered by the store, not by the process.
    let before = (figures(&store), observed::persons(&store.snapshot()).expect("readable"));
    store.close().expect("closes");
    drop(store);
    let store = open(&path);
    assert!(store.observe(request()).expect("the store answers").replayed);
    assert_eq!((figures(&store), observed::persons(&store.snapshot()).expect("readable")), before);
    assert_eq!(store.applied("r1").expect("readable"), Some(vec![1]));
    assert_eq!(store.applied("r3").expect("readable"), None);
    clean(&store);
}

#[test]
fn a_request_twice_in_one_group_is_applied_once() {
    let store = in_memory();
    let (release, held) = held_writer(&store);
    let (sender, answers) = mpsc::channel();
    for _ in 0..3 {
        let sender = sender.clone();
        let batch = named("twin", vec![seen(&["email:a@x.de", "phone:1"])]);
        store.submit(batch, Box::new(move |outcome| sender.send(outcome).expect("the test listens")));
    }
    drop(release);
    held.recv().expect("the first batch was answered").expect("the store writes");
    let replayed: Vec<bool> =
        (0..3).map(|_| answers.recv().expect("an answer").expect("the store writes").replayed).collect();
    assert_eq!(replayed, [false, true, true]);
    assert_eq!(figures(&store).sources, [("web".to_owned(), 2)]);
    clean(&store);
}

/// Keeps the writing thread in the answer to a first batch, so that what is
/// queued from then on waits together, until the sender is dropped.
fn held_writer(store: &Store) -> (mpsc::Sender<()>, mpsc::Receiver<Result<Receipt, WriteError>>) {
    let (release, released) = mpsc::channel::<()>();
    let (answer, answered) = mpsc::channel();
    let (reached, there) = mpsc::channel();
    store.submit(
        batch(vec![seen(&["account:first"])]),
        Box::new(move |outcome| {
            reached.send(()).expect("the test listens");
            // The error is the signal: the other end is dropped.
            let _ = released.recv();
            answer.send(outcome).expect("the test listens");
        }),
    );
    there.recv_timeout(Duration::from_secs(30)).expect("the writer comes to the first answer");
    (release, answered)
}

#[test]
fn batches_that_wait_together_share_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = create(&folder.path().join("store"));
    let (release, held) = held_writer(&store);
    let visible = Arc::new(Mutex::new(Vec::new()));
    let (sender, answers) = mpsc::channel();
    for number in 0..100 {
        let (email, phone) = (format!("email:a{number}@x.de"), format!("phone:{number}"));
        let (reader, visible, sender) = (store.clone(), Arc::clone(&visible), sender.clone());
        store.submit(
            batch(vec![seen(&[&email, &phone])]),
            Box::new(move |outcome| {
                visible.lock().expect("no answer panics").push(reader.snapshot().seq());
                sender.send(outcome).expect("the test listens");
            }),
        );
    }
    drop(release);
    held.recv().expect("the first batch was answered").expect("the store writes");
    let receipts: Vec<Receipt> =
        (0..100).map(|_| answers.recv().expect("an answer").expect("the store writes")).collect();
    // Each has a number of its own, and at the first answer all of them are on disk.
    let numbers: BTreeSet<_> = receipts.iter().map(|receipt| receipt.seq).collect();
    assert_eq!(numbers.len(), 100);
    let last = numbers.into_iter().next_back().expect("a hundred");
    assert_eq!(*visible.lock().expect("no answer panics"), vec![last; 100]);
    assert_eq!(figures(&store).persons, 101);
}

#[test]
fn writers_at_the_same_time_all_get_their_receipts_and_read_their_writes() {
    const WRITERS: usize = 8;
    const BATCHES: usize = 30;
    let folder = tempfile::tempdir().expect("a folder");
    let store = create(&folder.path().join("store"));
    let together = Barrier::new(WRITERS);
    let mut numbers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, together) = (store.clone(), &together);
                scope.spawn(move || {
                    together.wait();
                    let mut numbers = Vec::new();
                    for number in 0..BATCHES {
                        let own = format!("email:w{writer}n{number}@x.de");
                        let receipt = write(&store, &[&[&own, "phone:1"]]);
                        assert_eq!((receipt.accepted, receipt.replayed), (1, false));
                        let snapshot = store.snapshot();
                        assert!(snapshot.seq() >= receipt.seq);
                        assert_eq!(person(&snapshot, &own), person(&snapshot, "phone:1"));
                        numbers.push(receipt.seq);
                    }
                    assert!(numbers.is_sorted());
                    numbers
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a writer ends well")).collect()
    });
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), WRITERS * BATCHES, "two batches had one number");
    let stats = figures(&store);
    assert_eq!((stats.observations, stats.persons), ((WRITERS * BATCHES) as u64, 1));
    assert_eq!(stats.links, (WRITERS * BATCHES) as u64);
    assert!(store.wait_for(stats.seq, Duration::ZERO));
    assert!(!store.wait_for(stats.seq.next(), Duration::from_millis(10)));
    clean(&store);
}

#[test]
fn junk_is_counted_and_links_nobody() {
    let store = in_memory();
    let junk =
        ["null", "[object Object]", "undefined", "'N/A'", "0", "00000000-0000-0000-0000-000000000000", " "];
    let mut observations = Vec::new();
    for (at, value) in junk.into_iter().enumerate() {
        for person in ["x", "y"] {
            let device = Identifier::new("device", value);
            let email = Identifier::new("email", format!("{person}{at}@x.de"));
            observations.push(Observation { identifiers: vec![device, email], ..seen(&["account:1"]) });
        }
    }
    observations.push(seen(&["email:noreply@shop.de", "phone:1"]));
    observations.push(seen(&["email:NoReply@shop.de", "phone:2"]));
    let count = observations.len() as u64;
    let receipt = store.observe(batch(observations)).expect("the store writes");
    assert_eq!((u64::from(receipt.accepted), u64::from(receipt.denied)), (count, count));
    assert_eq!(receipt.rejected, []);
    let stats = figures(&store);
    assert_eq!((stats.links, stats.persons, stats.observations), (0, count, count));
    let counts: BTreeMap<_, _> = stats
        .denied
        .iter()
        .map(|(source, namespace, count)| ((source.as_str(), namespace.as_str()), *count))
        .collect();
    assert_eq!(counts, BTreeMap::from([(("web", "device"), 2 * junk.len() as u64), (("web", "email"), 2)]));
    let snapshot = store.snapshot();
    assert_ne!(person(&snapshot, "email:x0@x.de"), person(&snapshot, "email:y0@x.de"));
    for denied in ["device:undefined", "email:noreply@x.de"] {
        let found = snapshot.find(&denied.parse().expect("`namespace:value`")).expect("readable");
        assert!(matches!(found, Found::Denied { .. }), "{denied}: {found:?}");
    }
    clean(&store);
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_field() {
    let store = in_memory();
    let phones: Vec<String> = (1..=17).map(|number| format!("phone:{number}")).collect();
    let phones: Vec<&str> = phones.iter().map(String::as_str).collect();
    let valued = |value: String| Observation {
        identifiers: vec![Identifier::new("account", value), Identifier::new("phone", "1")],
        ..seen(&["account:1"])
    };
    let with = |name: &str, value: AttributeValue| Observation {
        attributes: BTreeMap::from([(name.to_owned(), value)]),
        ..seen(&["account:1"])
    };
    let base = || seen(&["account:1", "phone:1"]);
    let cases = [
        (seen(&phones), "identifiers", RejectReason::TooMuch),
        (seen(&[]), "identifiers", RejectReason::Missing),
        (Observation { source: String::new(), ..base() }, "source", RejectReason::Missing),
        (Observation { source: "s".repeat(257), ..base() }, "source", RejectReason::TooMuch),
        (Observation { confidence: 0.0, ..base() }, "confidence", RejectReason::OutOfRange),
        (Observation { confidence: f64::NAN, ..base() }, "confidence", RejectReason::OutOfRange),
        (Observation { confidence: 1.000_001, ..base() }, "confidence", RejectReason::OutOfRange),
        (Observation { kind: Some("k".repeat(257)), ..base() }, "kind", RejectReason::TooMuch),
        (Observation { record_id: Some("r".repeat(257)), ..base() }, "record_id", RejectReason::TooMuch),
        (seen(&["account:1", "acount:2"]), "identifiers[1].namespace", RejectReason::UndeclaredNamespace),
        (seen(&["account:1", "email:no address"]), "identifiers[1].value", RejectReason::InvalidValue),
        (valued("v".repeat(1_025)), "identifiers[0].value", RejectReason::InvalidValue),
        (valued("line\nbreak".to_owned()), "identifiers[0].value", RejectReason::InvalidValue),
        (with("age", AttributeValue::Number(f64::INFINITY)), "attributes[age]", RejectReason::OutOfRange),
        (with("bio", AttributeValue::String("b".repeat(65_537))), "attributes[bio]", RejectReason::TooMuch),
    ];
    for (observation, field, reason) in cases {
        let shown = format!("{observation:?}").chars().take(200).collect::<String>();
        let good = seen(&["email:a@x.de", "phone:1"]);
        let receipt = store.observe(batch(vec![good, observation])).expect("the store writes");
        assert_eq!(receipt.accepted, 1, "the good one goes in: {shown}");
        let [rejection] = receipt.rejected.as_slice() else { panic!("{shown}: {receipt:?}") };
        assert_eq!(
            (rejection.index, rejection.field.as_str(), rejection.reason),
            (1, field, reason),
            "{shown}"
        );
        assert!(!rejection.message.is_empty());
    }
    let receipt = store.observe(batch(vec![seen(&phones)])).expect("the store writes");
    let message = &receipt.rejected[0].message;
    assert!(message.contains("17") && message.contains("16"), "{message}");
    let sixteen = store.observe(batch(vec![seen(&phones[..16])])).expect("the store writes");
    assert_eq!((sixteen.accepted, figures(&store).links), (1, 1 + 16 * 15 / 2));

    let before = figures(&store);
    let many = vec![seen(&["phone:1"]); 1_001];
    assert!(matches!(store.observe(batch(many)), Err(WriteError::TooLarge { given: 1_001 })));
    for bad in [String::new(), "r".repeat(257)] {
        let refused = store.observe(named(&bad, vec![seen(&["phone:1"])]));
        assert!(
            matches!(&refused, Err(WriteError::RequestId { given }) if *given == bad.len()),
            "{refused:?}"
        );
    }
    assert_eq!(figures(&store), before);
    clean(&store);
}

#[test]
fn ids_survive_merges() {
    let store = in_memory();
    let mut ids = Vec::new();
    for number in 1..=6 {
        let (email, phone) = (format!("email:a{number}@x.de"), format!("phone:{number}"));
        write(&store, &[&[&email, &phone]]);
        ids.push(person(&store.snapshot(), &email));
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6);
    // From the youngest up, so that the oldest is reached through a chain of merges.
    for pair in [(5, 6), (4, 5), (2, 3), (2, 4), (1, 6)] {
        let (a, b) = (format!("phone:{}", pair.0), format!("phone:{}", pair.1));
        write(&store, &[&[&a, &b]]);
        let snapshot = store.snapshot();
        let survivor = person(&snapshot, &a);
        assert_eq!(survivor, ids[pair.0 - 1], "the older one's id survives");
        assert_eq!(person(&snapshot, &b), survivor);
    }
    let snapshot = store.snapshot();
    for id in &ids {
        let row = snapshot.person_by_id(*id).expect("readable").expect("an id names somebody for ever");
        assert_eq!((row.id, row.size), (ids[0], 12), "{id}");
    }
    assert_eq!(snapshot.person_count().expect("readable"), 1);
    let never = "p4000000000".parse().expect("an id");
    assert_eq!(snapshot.person_by_id(never).expect("readable"), None);
    clean(&store);
}

#[test]
fn a_limit_holds_a_link_back_and_keeps_the_device_with_the_stronger_one() {
    let store = in_memory();
    let weak = Observation { confidence: 0.6, ..seen(&["device:d", "account:b"]) };
    let receipt =
        store.observe(batch(vec![seen(&["device:d", "account:a"]), weak])).expect("the store writes");
    assert_eq!((receipt.accepted, receipt.held_back), (2, 1));
    let snapshot = store.snapshot();
    assert_eq!(person(&snapshot, "device:d"), person(&snapshot, "account:a"));
    assert_ne!(person(&snapshot, "device:d"), person(&snapshot, "account:b"));
    let account = snapshot.names().namespace("account").expect("it is declared");
    let link = snapshot.link(id(&snapshot, "device:d"), id(&snapshot, "account:b")).expect("readable");
    assert_eq!(link.expect("it stays on record").held_back_by, Some(HeldBackBy::MaxPerPerson(account)));
    assert_eq!(figures(&store).held_back, 1);

    // A third account makes the device shared: it goes with nobody, and nothing is held back.
    write(&store, &[&["device:d", "account:c"]]);
    let snapshot = store.snapshot();
    let record = snapshot.identifier(id(&snapshot, "device:d")).expect("readable").expect("known");
    assert!(record.shared);
    let alone: BTreeSet<_> =
        ["device:d", "account:a", "account:b", "account:c"].map(|name| person(&snapshot, name)).into();
    assert_eq!((alone.len(), figures(&store).held_back), (4, 0));
    clean(&store);
}

#[test]
fn households_gather_persons_and_never_merge_them() {
    let store = in_memory();
    let home = "address:elm street 1";
    write(&store, &[&["email:a@x.de", home], &["email:b@x.de", home], &["email:a@x.de", "phone:1"]]);
    let snapshot = store.snapshot();
    let (a, b) = (person(&snapshot, "email:a@x.de"), person(&snapshot, "email:b@x.de"));
    assert_ne!(a, b);
    assert_eq!(snapshot.person_of(id(&snapshot, home)).expect("readable"), None, "a home is nobody");
    assert_eq!(household(&snapshot, home), Some((BTreeSet::from([a, b]), 1)));

    // Three persons are the limit; of links alike the last by name stays out, and its link says why.
    let receipt = write(&store, &[&["email:d@x.de", home], &["email:c@x.de", home]]);
    let snapshot = store.snapshot();
    let held = |snapshot: &Snapshot| {
        let link = snapshot.link(id(snapshot, "email:d@x.de"), id(snapshot, home)).expect("readable");
        link.expect("it was observed").held_back_by
    };
    assert_eq!(held(&snapshot), Some(HeldBackBy::MaxPersons));
    assert_eq!(figures(&store).held_back, 1);
    assert_eq!(receipt.held_back, 1);
    let c = person(&snapshot, "email:c@x.de");
    assert_eq!(household(&snapshot, home), Some((BTreeSet::from([a, b, c]), 1)));

    // Two persons who merge make room for it.
    write(&store, &[&["email:a@x.de", "email:b@x.de"]]);
    let snapshot = store.snapshot();
    let d = person(&snapshot, "email:d@x.de");
    assert_eq!(household(&snapshot, home), Some((BTreeSet::from([a, c, d]), 1)));
    assert_eq!((held(&snapshot), figures(&store).held_back), (None, 0));

    // With a fifth person the house is an apartment block, and nobody's home.
    write(&store, &[&["email:e@x.de", home], &["email:f@x.de", home]]);
    let snapshot = store.snapshot();
    assert_eq!(household(&snapshot, home), None);
    assert_eq!(figures(&store).households, 0);
    clean(&store);
}

#[test]
fn a_snapshot_sees_nothing_of_later_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = create(&folder.path().join("store"));
    write(&store, &[&["email:a@x.de", "phone:1"], &["email:b@x.de", "phone:2"]]);
    let before = store.snapshot();
    let (seq, answer) = (before.seq(), observed::answer(&before).expect("readable"));
    let (a, b) = (person(&before, "email:a@x.de"), person(&before, "email:b@x.de"));

    write(&store, &[&["phone:1", "phone:2"], &["email:c@x.de", "phone:3"]]);
    let after = store.snapshot();
    assert_eq!(person(&after, "email:a@x.de"), person(&after, "email:b@x.de"));
    assert_eq!(before.seq(), seq);
    assert_eq!(observed::answer(&before).expect("readable"), answer);
    assert_eq!((person(&before, "email:a@x.de"), person(&before, "email:b@x.de")), (a, b));
    let unknown = before.find(&"email:c@x.de".parse().expect("`namespace:value`")).expect("readable");
    assert_eq!(unknown, Found::Unknown(Identifier::new("email", "c@x.de")));
    assert_eq!((before.person_count().expect("readable"), before.link_count().expect("readable")), (2, 2));
    let report = check(&before).expect("readable");
    assert!(report.is_clean(), "{report}");

    // What is closed is closed for writing; who reads goes on.
    store.close().expect("closes");
    assert_eq!(observed::answer(&before).expect("readable"), answer);
    assert!(matches!(store.observe(batch(vec![seen(&["phone:1"])])), Err(WriteError::Closed)));
}

#[test]
fn a_store_that_is_opened_again_is_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let store = create(&path);
    write(
        &store,
        &[
            &["account:a", "email:a@x.de", "address:elm 1"],
            &["account:b", "address:elm 1"],
            &["device:d", "account:a"],
        ],
    );
    let attributes = BTreeMap::from([
        ("name".to_owned(), AttributeValue::String("Ada".to_owned())),
        ("vip".to_owned(), AttributeValue::Bool(true)),
    ]);
    let record = Observation { record_id: Some("c-1".to_owned()), attributes, ..seen(&["account:a"]) };
    store.observe(batch(vec![record])).expect("the store writes");
    let all = |store: &Store| {
        let snapshot = store.snapshot();
        let profile = {
            let key = snapshot.person_of(id(&snapshot, "account:a")).expect("readable").expect("a person");
            kinfold_engine::profile::profile(&snapshot, key).expect("readable").expect("a person")
        };
        let households: BTreeMap<_, _> = snapshot
            .households()
            .map(|row| row.map(|row| (row.id, (row.persons, row.identifiers, row.created_at))))
            .collect::<Result<_, _>>()
            .expect("readable");
        let persons = observed::persons(&snapshot).expect("readable");
        (figures(store), persons, households, profile, snapshot.schema().text().to_owned())
    };
    let before = all(&store);
    assert_eq!(before.3.attributes.len(), 2);

    // Without a word, as when the process ends: what was acknowledged is in the log.
    drop(store);
    let store = open(&path);
    assert_eq!(all(&store), before);
    clean(&store);

    // And in order.
    store.close().expect("closes");
    drop(store);
    let store = open(&path);
    assert_eq!(all(&store), before);
    write(&store, &[&["phone:9", "account:b"]]);
    assert_eq!(figures(&store).observations, before.0.observations + 1);
    clean(&store);
}

#[test]
fn one_process_writes_and_others_read_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    assert!(matches!(Store::open(&path, OpenOptions::default()), Err(OpenError::NotFound { .. })));
    let store = create(&path);
    assert!(matches!(Store::create(&path, schema()), Err(OpenError::Exists { .. })));
    write(&store, &[&["email:a@x.de", "phone:1"]]);

    match Store::open(&path, OpenOptions::default()) {
        Err(error @ OpenError::InUse { .. }) => assert!(error.to_string().contains("in use"), "{error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a store has two writers"),
    }
    let read_only = || Store::open(&path, OpenOptions { read_only: true, ..OpenOptions::default() });
    let reader = read_only().expect("readers are welcome");
    assert!(matches!(reader.observe(batch(vec![seen(&["phone:1"])])), Err(WriteError::ReadOnly)));
    let at_first = observed::answer(&reader.snapshot()).expect("readable");
    assert_eq!(at_first, observed::answer(&store.snapshot()).expect("readable"));

    // It shows the state at its opening, whatever is written since.
    write(&store, &[&["email:a@x.de", "email:b@x.de"]]);
    assert_eq!(observed::answer(&reader.snapshot()).expect("readable"), at_first);
    let later = read_only().expect("readers are welcome");
    let now = observed::answer(&store.snapshot()).expect("readable");
    assert_eq!(observed::answer(&later.snapshot()).expect("readable"), now);
    assert_ne!(now, at_first);
    clean(&later);
}
