//! The answers over small stores.

mod overrides;
mod views;

use std::collections::BTreeMap;

use super::*;
use crate::model::{Change, Event, Observation, PersonId, SourceId, Timestamp};
use crate::read::Found;
use crate::schema::Schema;
use crate::write::{Act, Authored, Batch};
use crate::{Snapshot, Store};

const SCHEMA: &str = r#"
[person]
threshold = 0.5
max_identifiers = 6

[namespace.account]
max_per_person = 1

[namespace.email]

[namespace.phone]

[namespace.device]
shared_above = { account = 2 }

[namespace.address]
scope = "household"
"#;

struct Case {
    store: Store,
}

impl Case {
    fn new(schema: &str) -> Self {
        let schema = Schema::parse(schema, "schema.toml").expect("the schema is well formed");
        Self { store: Store::in_memory(schema).expect("there is memory") }
    }

    /// A store in which `web` saw these pairs with these confidences, each later than the one before.
    fn of(links: &[(&str, &str, f64)]) -> Self {
        let case = Self::new(SCHEMA);
        for (at, (a, b, confidence)) in links.iter().enumerate() {
            case.see("web", at as i64, &[a, b], *confidence);
        }
        case
    }

    fn see(&self, source: &str, time: i64, names: &[&str], confidence: f64) {
        let observation = Observation {
            source: source.to_owned(),
            time: Timestamp::from_micros(time).expect("within the years"),
            identifiers: names.iter().map(|name| name.parse().expect("`namespace:value`")).collect(),
            confidence,
            kind: None,
            record_id: None,
            attributes: BTreeMap::new(),
        };
        let batch = Batch { request_id: None, observations: vec![observation] };
        assert_eq!(self.store.observe(batch).expect("the store writes").rejected, []);
    }

    fn act(&self, act: fn(Identifier, Identifier) -> Act, a: &str, b: &str) {
        let named = |name: &str| name.parse().expect("`namespace:value`");
        let by = Authored { author: "kim".to_owned(), reason: "a call".to_owned() };
        assert!(self.store.act(&act(named(a), named(b)), by).expect("nothing stands against it").changed);
    }

    fn read(&self) -> Snapshot {
        self.store.snapshot()
    }
}

fn id(read: &impl Read, name: &str) -> IdentifierId {
    match read.find(&name.parse().expect("`namespace:value`")).expect("readable") {
        Found::Known(id) => id,
        other => panic!("{name}: {other:?}"),
    }
}

fn person(read: &impl Read, name: &str) -> PersonId {
    person_at(read, id(read, name)).expect("it has person scope").id
}

fn name(read: &impl Read, id: IdentifierId) -> String {
    name_of(read, id).expect("readable").expect("it exists").to_string()
}

fn ends(read: &impl Read, steps: &[Step]) -> Vec<(String, String)> {
    steps.iter().map(|step| (name(read, step.from), name(read, step.to))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn together(read: &impl Read, a: &str, b: &str) -> Together {
    match why(read, id(read, a), id(read, b)).expect("readable") {
        Why::OnePerson(together) => *together,
        other => panic!("{other:?}"),
    }
}

fn two_persons(read: &impl Read, a: &str, b: &str) -> Apart {
    match why_not(read, id(read, a), id(read, b), 1_000).expect("readable") {
        WhyNot::TwoPersons(apart) => *apart,
        other => panic!("{other:?}"),
    }
}

fn path(apart: Apart) -> Vec<StoppedStep> {
    match apart.way {
        Way::Path(steps) => steps,
        other => panic!("{other:?}"),
    }
}

/// email:a – phone:1 – email:b, a weaker way round over phone:2, and phone:3 behind a bridge.
fn kite() -> Case {
    Case::of(&[
        ("email:a", "phone:1", 0.9),
        ("phone:1", "email:b", 0.8),
        ("email:a", "phone:2", 0.7),
        ("phone:2", "email:b", 0.95),
        ("email:b", "phone:3", 0.6),
    ])
}

#[test]
fn why_tells_the_strongest_path_the_bridges_and_the_cheapest_cut() {
    let read = kite().read();
    let of = together(&read, "email:a", "phone:3");
    let strongest = [("email:a", "phone:1"), ("phone:1", "email:b"), ("email:b", "phone:3")];
    assert_eq!(ends(&read, &of.path), pairs(&strongest));
    assert_eq!(of.path.iter().map(Step::weight).collect::<Vec<_>>(), [Some(0.9), Some(0.8), Some(0.6)]);
    let evidence = &of.path[0].link.as_ref().expect("it was seen").evidence;
    assert_eq!((evidence.len(), evidence[0].source, evidence[0].confidence), (1, SourceId::new(0), 0.9));
    assert_eq!(ends(&read, &of.bridges), pairs(&[("email:b", "phone:3")]));
    let Parting::Links { links, weight, near, far } = of.parting else { panic!("nothing is required") };
    assert_eq!(ends(&read, &links), pairs(&[("email:b", "phone:3")]));
    assert_eq!((weight, near, far), (0.6, 4, 1));

    let of = together(&read, "email:b", "email:a");
    assert_eq!(ends(&read, &of.path), pairs(&[("email:b", "phone:1"), ("phone:1", "email:a")]));
    assert_eq!(of.bridges, []);
    let Parting::Links { links, weight, near, far } = of.parting else { panic!("nothing is required") };
    assert_eq!(ends(&read, &links), pairs(&[("email:b", "phone:1"), ("phone:2", "email:a")]));
    assert!((weight - 1.5).abs() < 1e-12);
    assert_eq!((near, far), (3, 2));
}

#[test]
fn why_says_when_there_is_nothing_to_tell() {
    let case = kite();
    case.see("web", 9, &["email:z", "address:elm 1"], 0.9);
    let read = case.read();
    let (a, z, elm) = (id(&read, "email:a"), id(&read, "email:z"), id(&read, "address:elm 1"));
    assert!(matches!(why(&read, a, a), Ok(Why::SameIdentifier(row)) if row.id == person(&read, "email:a")));
    assert!(matches!(why(&read, a, z), Ok(Why::TwoPersons { a, b }) if a.id < b.id));
    assert!(matches!(why_not(&read, a, a, 9), Ok(WhyNot::OnePerson(_))));
    for error in [why(&read, a, elm).map(|_| ()), why_not(&read, elm, a, 9).map(|_| ())] {
        let text = error.expect_err("a place is nobody").to_string();
        assert!(text.starts_with("`address:elm 1` is of household scope"), "{text}");
    }
    let unknown = why(&read, a, IdentifierId::new(99)).expect_err("there is no such number");
    assert_eq!(unknown.to_string(), "there is no identifier 99 in this view of the store");
}

#[test]
fn a_path_goes_over_no_link_that_is_held_back_or_too_weak() {
    // Two accounts share a device; the weaker link is held back.
    let read = Case::of(&[
        ("account:1", "device:d", 0.9),
        ("device:d", "account:2", 0.8),
        ("account:1", "email:a", 0.6),
        ("device:d", "email:a", 0.4),
    ])
    .read();
    let of = together(&read, "device:d", "email:a");
    assert_eq!(ends(&read, &of.path), pairs(&[("device:d", "account:1"), ("account:1", "email:a")]));
    assert_eq!(of.bridges.len(), 2);

    let apart = two_persons(&read, "email:a", "account:2");
    assert_eq!(apart.forbids, []);
    let steps = path(apart);
    let namespace = read.names().namespace("account").expect("declared");
    let held = Held {
        by: HeldBackBy::MaxPerPerson(namespace),
        allowed: Some(1),
        together: Some(2),
        forbids: Vec::new(),
    };
    let of_steps: Vec<_> = steps
        .iter()
        .map(|it| (name(&read, it.step.from), name(&read, it.step.to), it.obstacles.clone()))
        .collect();
    let expected = [
        ("email:a".to_owned(), "account:1".to_owned(), Vec::new()),
        ("account:1".to_owned(), "device:d".to_owned(), Vec::new()),
        ("device:d".to_owned(), "account:2".to_owned(), vec![Obstacle::HeldBack(held)]),
    ];
    assert_eq!(of_steps, expected);
}

#[test]
fn why_not_tells_weak_and_shared_links_and_prefers_the_fewest_stops() {
    // A device of three accounts is shared; a weak link leads past it, and a weaker one straight.
    let read = Case::of(&[
        ("account:1", "device:d", 0.9),
        ("device:d", "account:2", 0.9),
        ("device:d", "account:3", 0.9),
        ("account:1", "email:a", 0.9),
        ("account:2", "email:b", 0.9),
        ("email:a", "email:b", 0.45),
        ("account:1", "account:2", 0.2),
    ])
    .read();
    let steps = path(two_persons(&read, "account:1", "account:2"));
    assert_eq!(
        steps.iter().map(|it| it.obstacles.clone()).collect::<Vec<_>>(),
        [Vec::new(), vec![Obstacle::UnderThreshold { weight: 0.45, threshold: 0.5 }], Vec::new()]
    );

    let steps = path(two_persons(&read, "account:1", "account:3"));
    let device = id(&read, "device:d");
    let namespace = read.names().namespace("account").expect("declared");
    let shared =
        Obstacle::Shared { identifier: device, too_many: vec![TooMany { namespace, ties: 3, allowed: 2 }] };
    assert_eq!(
        steps.iter().map(|it| it.obstacles.clone()).collect::<Vec<_>>(),
        [vec![shared.clone()], vec![shared]]
    );
}

#[test]
fn why_not_says_when_there_is_no_path_and_when_it_gave_up() {
    let case = Case::of(&[("email:a", "phone:1", 0.9), ("email:b", "phone:2", 0.9)]);
    case.see("web", 9, &["email:a", "address:elm 1"], 0.9);
    case.see("web", 9, &["email:b", "address:elm 1"], 0.9);
    let read = case.read();
    // A home joins nobody to a person.
    let apart = two_persons(&read, "email:a", "email:b");
    assert_eq!(apart.way, Way::NoPath { visited: 2 });
    let (a, b) = (id(&read, "email:a"), id(&read, "email:b"));
    let WhyNot::TwoPersons(apart) = why_not(&read, a, b, 1).expect("readable") else {
        panic!("they are two")
    };
    assert_eq!(apart.way, Way::NotFound { visited: 1 });
}

#[test]
fn how_follows_every_person_that_was_merged_in() {
    let case = Case::of(&[
        ("email:a", "phone:1", 0.9),
        ("email:b", "phone:2", 0.9),
        ("email:c", "phone:3", 0.9),
        ("email:c", "email:b", 0.9),
        ("email:z", "phone:9", 0.9),
        ("email:b", "phone:4", 0.9),
        ("email:b", "email:a", 0.4),
    ]);
    let b = person(&case.read(), "email:b");
    let read = case.read();
    let words = |events: &[Event]| -> Vec<(u64, &'static str)> {
        events.iter().map(|event| (event.seq.get(), event.word())).collect()
    };
    let told = how(&read, b).expect("readable");
    assert_eq!(words(&told), [(2, "created"), (3, "created"), (4, "merged")]);
    let all = history(&read, b).expect("readable");
    assert_eq!(words(&all), [(2, "created"), (3, "created"), (4, "merged"), (6, "grew")]);

    // The one that was merged away tells its own story, and where it went.
    let c = PersonId::new(id(&read, "email:c"), 0);
    assert_ne!(c, b);
    let told = how(&read, c).expect("readable");
    assert_eq!(words(&told), [(3, "created"), (4, "merged")]);
    let Change::Persons(change) = &told[1].change else { panic!("persons merged") };
    assert_eq!((change.before.clone(), change.after.clone()), (vec![b, c], vec![b]));
    assert_eq!(how(&read, PersonId::new(IdentifierId::new(77), 0)).expect("readable"), []);
}

#[test]
fn near_merges_come_strongest_first_and_once_a_pair() {
    let case = Case::of(&[
        ("account:1", "email:a", 0.9),
        ("account:2", "email:b", 0.9),
        ("account:3", "email:c", 0.9),
        ("email:d", "phone:d", 0.9),
        // Two weak links between the same persons: the stronger counts.
        ("email:a", "phone:d", 0.3),
        ("account:1", "email:d", 0.45),
        // Held back: two accounts would come together.
        ("email:b", "email:c", 0.7),
        // Weak, and inside one person.
        ("account:1", "phone:x", 0.9),
        ("email:a", "phone:x", 0.2),
        ("email:c", "email:d", 0.45),
        // A shared device, and a weak link to it: stopped twice.
        ("device:s", "account:1", 0.9),
        ("device:s", "account:2", 0.9),
        ("device:s", "account:3", 0.9),
        ("device:s", "email:d", 0.49),
    ]);
    let read = case.read();
    let near = near_merges(&read, 10).expect("readable");
    let told: Vec<_> =
        near.iter().map(|it| (name(&read, it.a), name(&read, it.b), it.weight, it.apart_by)).collect();
    let account = read.names().namespace("account").expect("declared");
    let weak = HeldApart::UnderThreshold { threshold: 0.5, missing: 0.5 - 0.45 };
    let expected = [
        ("email:b", "email:c", 0.7, HeldApart::HeldBack(HeldBackBy::MaxPerPerson(account))),
        ("email:c", "email:d", 0.45, weak),
        ("account:1", "email:d", 0.45, weak),
    ];
    let expected: Vec<_> =
        expected.into_iter().map(|(a, b, w, by)| (a.to_owned(), b.to_owned(), w, by)).collect();
    assert_eq!(told, expected);
    let breaks: Vec<_> = near.iter().map(|it| it.would_break).collect();
    assert_eq!(breaks, [Some(HeldBackBy::MaxPerPerson(account)), None, None]);
    assert_eq!(near[2].persons.0.id, person(&read, "account:1"));
    assert_eq!(near[2].persons.1.id, person(&read, "email:d"));

    assert_eq!(near_merges(&read, 2).expect("readable"), near[..2]);
    assert_eq!(near_merges(&read, 0).expect("readable"), []);
}

#[test]
fn a_network_has_all_links_among_what_is_near() {
    let case = kite();
    case.see("web", 9, &["email:a", "address:elm 1"], 0.9);
    case.see("web", 9, &["email:y", "email:z"], 0.2);
    case.see("web", 9, &["phone:3", "email:z"], 0.2);
    let read = case.read();
    let all = network(&read, id(&read, "email:a"), 9, 100).expect("it exists");
    assert!(!all.incomplete);
    assert_eq!(all.nodes.len(), 8);
    assert_eq!(all.links.len() as u64, read.link_count().expect("readable"));
    assert_eq!(all.links.iter().filter(|link| link.joins()).count(), 6);
    let elm = all.nodes.iter().find(|node| node.value == "elm 1").expect("it is near");
    assert_eq!((elm.depth, elm.person), (1, None));
    assert_eq!(elm.household.is_some(), read.household_of(elm.id).expect("readable").is_some());

    let near = network(&read, id(&read, "email:a"), 1, 100).expect("it exists");
    let names: Vec<_> = near.nodes.iter().map(|node| name(&read, node.id)).collect();
    assert_eq!(names, ["email:a", "address:elm 1", "phone:1", "phone:2"]);
    assert_eq!(near.links.len(), 3);
    assert!(!near.incomplete);

    let few = network(&read, id(&read, "email:a"), 2, 3).expect("it exists");
    assert_eq!((few.nodes.len(), few.links.len(), few.incomplete), (3, 2, true));
    let alone = network(&read, id(&read, "email:a"), 0, 0).expect("it exists");
    assert_eq!((alone.nodes.len(), alone.links.len(), alone.incomplete), (1, 0, false));
}

#[test]
fn assertions_hold_or_are_broken_for_a_reason() {
    let case = kite();
    case.see("web", 9, &["email:y", "phone:3"], 0.4);
    case.see("web", 9, &["email:z", "phone:9"], 0.4);
    case.see("web", 9, &["email:y", "address:elm 1"], 0.9);
    let text = "same email:a phone:3\n\
                different email:a phone:3\n\
                different email:a email:y\n\
                same email:a email:y\n\
                same email:a email:z\n\
                same email:a email:q\n\
                different emial:a email:a\n\
                same email:a address:'elm 1'\n\
                different email:a email:a\n\
                different email:b phone:3\n";
    let assertions = Assertions::parse(text, "who.txt").expect("well formed");
    let read = case.read();
    let verdicts = assertions.check(&read).expect("readable");
    let outcomes: Vec<String> = verdicts
        .iter()
        .map(|verdict| match &verdict.outcome {
            Outcome::Holds => "holds".to_owned(),
            Outcome::Broken { reason } => reason.clone(),
            Outcome::Unknown { identifiers } => format!("{identifiers:?}"),
            Outcome::HouseholdScope { identifier } => format!("place {identifier}"),
        })
        .collect();
    let a = person(&read, "email:a");
    let (y, z) = (person(&read, "email:y"), person(&read, "email:z"));
    let unknown = |text: &str, found: Found| {
        format!("{:?}", vec![(text.parse::<Identifier>().expect("well formed"), found)])
    };
    let expected = [
        "holds".to_owned(),
        format!(
            "both are {a}: a path of 3 links joins them, the weakest of which, the link of `email:b` and \
             `phone:3`, weighs 0.6"
        ),
        "holds".to_owned(),
        format!(
            "they are {a} and {y}: the link of `phone:3` and `email:y` weighs 0.4, under the threshold of 0.5"
        ),
        format!("they are {a} and {z}: no path of links joins them"),
        unknown("email:q", Found::Unknown(Identifier::new("email", "q"))),
        unknown("emial:a", Found::NoNamespace { suggestion: Some("email".to_owned()) }),
        "place address:elm 1".to_owned(),
        format!("both are the same identifier, of {a}"),
        format!("both are {a}: the link of `email:b` and `phone:3` weighs 0.6"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(verdicts[9].assertion.line, 10);
}
