use std::collections::BTreeMap;

use kinfold_engine::Store;
use kinfold_engine::model::{Identifier, Observation, Timestamp};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;

use super::*;

const SCHEMA: &str = "\
[namespace.account]
max_per_person = 1
[namespace.email]
normalise = 'lower'
[namespace.cookie]
[namespace.home]
scope = 'household'
";

const TRUTH: &str = "\
namespace,value,person
account,A1,ann
email,ANN@x.org,ann
cookie,c1,ann
account,B1,bob
cookie,c2,bob
cookie,c9,bob
home,elm 1,bob
email,null,bob
";

fn store(links: &[[&str; 2]]) -> Store {
    let store = Store::in_memory(Schema::parse(SCHEMA, "s.toml").expect("a schema")).expect("a store");
    let identifier = |text: &str| text.parse::<Identifier>().expect("an identifier");
    let observations = links
        .iter()
        .map(|ends| Observation {
            source: "crm".to_owned(),
            time: Timestamp::from_micros(1).expect("a time"),
            identifiers: ends.iter().map(|end| identifier(end)).collect(),
            confidence: 0.9,
            kind: None,
            record_id: None,
            attributes: BTreeMap::new(),
        })
        .collect();
    let receipt = store.observe(Batch { request_id: None, observations }).expect("written");
    assert_eq!(receipt.rejected, []);
    store
}

fn truth() -> Truth {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("truth.csv");
    std::fs::write(&file, TRUTH).expect("writable");
    Truth::read(&file, Columns { person: "person", identifiers: &[] }).expect("a truth")
}

#[test]
fn a_store_is_held_against_the_truth() {
    let store = store(&[
        ["account:A1", "email:ann@x.org"],
        ["account:A1", "cookie:c1"],
        ["account:B1", "home:elm 1"],
        // Wrong: bob's cookie is seen with ann's.
        ["cookie:c1", "cookie:c2"],
    ]);
    let truth = truth();
    let judged =
        judge("st".to_owned(), look(&store.snapshot(), &truth).expect("readable"), &truth).expect("readable");
    assert_eq!((judged.persons, judged.largest), (2, Some(4)));
    assert_eq!(
        judged.found.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, true, true, true, true, false, false, false]
    );
    // ann's three with bob's cookie are six pairs, three of them right; ann has three pairs, bob ten.
    assert_eq!(judged.agreement, Agreement { found: 6, truth: 13, correct: 3 });

    let mut out = Vec::new();
    struct Rows<'o>(&'o mut Vec<String>);
    impl Answer for Rows<'_> {
        fn columns(&mut self, names: &[String]) -> io::Result<()> {
            self.0.push(names.join(" "));
            Ok(())
        }
        fn row(&mut self, row: &[Value]) -> io::Result<()> {
            self.0.push(row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            Ok(())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn end(&mut self, _complete: bool) -> io::Result<()> {
            Ok(())
        }
    }
    write_rows(&mut Rows(&mut out), &[judged], Some(0.5)).expect("written");
    assert_eq!(
        out,
        [
            "store persons largest labelled missing pairs true_pairs right precision recall f1 recall_kept",
            "'st' 2 4 8 3 6 13 3 0.5 0.230769 0.315789 0.461538"
        ]
    );
}

#[test]
fn the_worst_mistakes_are_named() {
    let store = store(&[
        ["account:A1", "email:ann@x.org"],
        ["account:A1", "cookie:c1"],
        ["cookie:c1", "cookie:c2"],
        ["account:B1", "home:elm 1"],
    ]);
    let truth = truth();
    let snapshot = store.snapshot();
    let judged =
        judge("st".to_owned(), look(&snapshot, &truth).expect("readable"), &truth).expect("readable");
    let rows = mistakes::worst(&truth, &judged, 5);
    let shown: Vec<String> = rows
        .iter()
        .map(|row| row.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    let ann = snapshot.lookup(&Identifier::new("account", "A1")).expect("readable");
    let bob = snapshot.lookup(&Identifier::new("account", "B1")).expect("readable");
    let id = |found| match found {
        kinfold_engine::read::Lookup::Person { person, .. } => person.id.to_string(),
        other => panic!("no person: {other:?}"),
    };
    let (ann, bob) = (id(ann), id(bob));
    assert_eq!(
        shown,
        [
            format!("'merged' '{ann}' 3 2 ['ann: account:A1, email:ANN@x.org, cookie:c1', 'bob: cookie:c2']"),
            format!("'split' 'bob' 10 5 ['{bob}: account:B1', '{ann}: cookie:c2', 'no person: cookie:c9']"),
        ]
    );
    assert_eq!(mistakes::worst(&truth, &judged, 1).len(), 2);
}

#[test]
fn a_truth_of_other_identifiers_is_refused() {
    let store = store(&[["account:X", "email:x@x.org"]]);
    let truth = truth();
    let seen = look(&store.snapshot(), &truth).expect("readable");
    let wrong = judge("st".to_owned(), seen, &truth).map(|_| ()).expect_err("nothing fits");
    let text = wrong.to_string();
    assert!(text.contains("2 of `account` were never seen"), "{text}");
    assert!(text.contains("1 of `email` are denied") && text.contains("not one is in a person"), "{text}");
}

#[test]
fn columns_are_named_with_their_namespace() {
    let column = identifier_column("email=main=mail").expect("a column");
    assert_eq!((column.namespace.as_str(), column.column.as_str()), ("email", "main=mail"));
    for text in ["", "email", "=mail", "email="] {
        assert!(identifier_column(text).is_err(), "{text}");
    }
}
