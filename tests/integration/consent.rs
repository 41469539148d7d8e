//! `FOR PURPOSE`: who refused it is in no answer.
//!
//! Random stores with random words about two purposes. Who refused is worked out
//! from the observations themselves, by hand; then nothing of them may be in any
//! answer to a list of statements, nor in what is counted.

use std::collections::{BTreeMap, BTreeSet};

use kinfold_engine::consent::Word;
use kinfold_engine::model::{AttributeValue, Identifier, Observation, Timestamp};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Options, Params, Parsed, Value};
use kinfold_tests::fuzz::Random;

const SCHEMA: &str = "\
    [person]\nthreshold = 0.5\n[household]\nthreshold = 0.3\n\
    [namespace.email]\n[namespace.account]\nmax_per_person = 1\n\
    [namespace.device]\nshared_above = { account = 2 }\n\
    [namespace.address]\nscope = \"household\"\n";

fn time(at: usize) -> Timestamp {
    format!("2026-01-{:02}T00:00:00Z", 1 + at % 28).parse().expect("a time")
}

/// What is seen in a store: a handful of people, so that they meet. Every record
/// has a name of its own, by which it can be told in an answer.
fn seen(random: &mut Random) -> Vec<Observation> {
    let mut all = Vec::new();
    for _ in 0..4 + random.below(10) {
        let mut identifiers: Vec<Identifier> = Vec::new();
        for _ in 0..1 + random.below(3) {
            let namespace = random.pick(&["email", "email", "account", "device", "address"]);
            let id = Identifier::new(namespace, format!("{namespace}-{}-v", random.below(4)));
            if !identifiers.contains(&id) {
                identifiers.push(id);
            }
        }
        let record = format!("record-{}-r", random.below(8));
        let source = random.pick(&["crm", "web"]);
        let mut attributes =
            BTreeMap::from([("name".to_owned(), AttributeValue::String(format!("name-{source}-{record}")))]);
        if !random.once_in(3) {
            let word = random.pick(&["granted", "Granted", "denied", "withdrawn", "DENIED", "granted"]);
            attributes.insert("consent.marketing".to_owned(), AttributeValue::String(word.to_owned()));
        }
        if random.once_in(2) {
            attributes.insert("consent.service".to_owned(), AttributeValue::String("granted".to_owned()));
        }
        all.push(Observation {
            source: source.to_owned(),
            time: time(random.below(4)),
            identifiers,
            confidence: [0.25, 0.4, 0.75, 1.0][random.below(4)],
            kind: None,
            record_id: Some(record),
            attributes,
        });
    }
    all
}

fn store(seen: &[Observation]) -> Store {
    let store = Store::in_memory(Schema::parse(SCHEMA, "test").expect("a schema")).expect("a store");
    for observation in seen {
        let batch = Batch { request_id: None, observations: vec![observation.clone()] };
        let receipt = store.observe(batch).expect("the store takes it");
        assert_eq!(receipt.rejected, []);
    }
    store
}

/// The columns and rows of a statement as texts, or the code of its error.
fn ask(snapshot: &Snapshot, text: &str) -> Result<Vec<String>, String> {
    // Who is only supposed was made when it was asked: that is the test's time.
    let clock = regex::Regex::new(r"[0-9T:-]+\.[0-9]+Z").expect("it is a pattern");
    let answer = || {
        let parsed = Parsed::new(text, Params::new(), Options::default())?;
        let view = parsed.view(snapshot)?;
        let view = snapshot.view(&view).expect("a view");
        let prepared = parsed.prepare(&view)?;
        let head = prepared.columns().join(" | ");
        let mut rows = Vec::new();
        for row in prepared.run() {
            let row = row?.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
            rows.push(clock.replace_all(&row, "…").into_owned());
        }
        rows.sort();
        rows.insert(0, head);
        Ok(rows)
    };
    answer().map_err(|error: kinfold_query::QueryError| error.code().to_owned())
}

/// The rows alone, without quotes.
fn rows(snapshot: &Snapshot, text: &str) -> Vec<Vec<String>> {
    let answer = ask(snapshot, text).unwrap_or_else(|code| panic!("{text}: {code}"));
    let cells = |row: &String| row.split(" | ").map(|cell| cell.trim_matches('\'').to_owned()).collect();
    answer.iter().skip(1).map(cells).collect()
}

/// What the observations say, worked out by hand.
struct Truth {
    /// The persons with their identifiers.
    persons: BTreeMap<String, BTreeSet<String>>,
    /// The persons who refused, with the word.
    refused: BTreeMap<String, Word>,
    /// Every text that would give one of them away.
    secrets: BTreeSet<String>,
}

/// What a record says: its latest word, and whom it names.
#[derive(Default)]
struct Recorded {
    word: Option<(Timestamp, Word)>,
    names: BTreeSet<String>,
}

fn truth(snapshot: &Snapshot, seen: &[Observation]) -> Truth {
    let mut persons: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(snapshot, "MATCH (i)-[:IDENTIFIES]->(p) RETURN i.id, p.id") {
        persons.entry(row[1].clone()).or_default().insert(row[0].clone());
    }
    // The latest word of each record, of two at once the more restrictive, and whom it names.
    let mut records: BTreeMap<(String, Option<String>), Recorded> = BTreeMap::new();
    for said in seen {
        let Recorded { word, names } =
            records.entry((said.source.clone(), said.record_id.clone())).or_default();
        if let Some(AttributeValue::String(text)) = said.attributes.get("consent.marketing") {
            let new = (said.time, Word::parse(text).expect("a word"));
            *word = Some(word.map_or(new, |old| old.max(new)));
        }
        names.extend(said.identifiers.iter().map(ToString::to_string));
    }
    let (mut refused, mut secrets) = (BTreeMap::new(), BTreeSet::new());
    for (person, members) in &persons {
        let theirs: Vec<_> =
            records.iter().filter(|(_, record)| !record.names.is_disjoint(members)).collect();
        let word = theirs.iter().filter_map(|(_, record)| record.word.map(|(_, word)| word)).max();
        let Some(word) = word.filter(|word| *word != Word::Granted) else { continue };
        refused.insert(person.clone(), word);
        secrets.insert(format!("'{person}'"));
        for ((source, record), _) in theirs {
            secrets.insert(format!("name-{source}-{}", record.as_deref().unwrap_or_default()));
        }
        for member in members {
            secrets.extend(member.split_once(':').map(|(_, value)| value.to_owned()));
        }
    }
    // Places where nobody else is.
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let at =
        "MATCH (a:Identifier {namespace: 'address'})-[:LINKED]-(i)-[:IDENTIFIES]->(p) RETURN a.value, p.id";
    for row in rows(snapshot, at) {
        places.entry(row[0].clone()).or_default().insert(row[1].clone());
    }
    secrets.extend(
        places.into_iter().filter(|(_, who)| who.iter().all(|p| refused.contains_key(p))).map(|(a, _)| a),
    );
    Truth { persons, refused, secrets }
}

/// Statements about everybody.
const ALL: [&str; 19] = [
    "MATCH (n) RETURN n",
    "MATCH (a)-[r]->(b) RETURN a, r, b",
    "MATCH p = (a)-[*1..3]-(b) RETURN p",
    "MATCH (i:Identifier) RETURN i.id, i.degree, i.name, i.first_seen",
    "MATCH (i) WHERE i.id STARTS WITH 'e' RETURN i.id",
    "MATCH (p:Person) RETURN p.id, p.size, p.name, properties(p)",
    "MATCH (h:Household)<-[:MEMBER_OF]-(p) RETURN h.id, h.size, collect(p.id)",
    "MATCH (a:email {value: 'email-0-v'}), (b) WHERE a <> b MATCH q = shortestPath((a)-[*..5]-(b)) RETURN q",
    "MATCH (p:Person) CALL identity.person(p.id) YIELD person, identifiers, household RETURN *",
    "MATCH (i:Identifier) CALL identity.network(i.id, 3) YIELD id, other, person RETURN id, other, person",
    "MATCH (i)-[:IDENTIFIES]->() CALL identity.history(i.id) YIELD before, after, moved, about RETURN *",
    "MATCH (i:Identifier) CALL identity.neighbours(i.id) YIELD id AS other RETURN i.id, other",
    "MATCH (i)-[:IDENTIFIES]->() CALL identity.diff(i.id) YIELD identifiers, now, view RETURN *",
    "NEAR MERGES",
    "CALL identity.near_merges(5)",
    "MATCH (i:Identifier) WHERE EXISTS { (i)-[:LINKED]-(:account) } RETURN i.id",
    "MATCH (i:email) RETURN collect(i.value), count(i.value)",
    "MATCH (a)-[l:LINKED]-(b) RETURN a.id, b.id, l.evidence, l.held_back_by",
    "UNWIND ['email:email-0-v', 'email:email-1-v', 'account:account-1-v'] AS id \
     OPTIONAL MATCH (i {id: id})-[:IDENTIFIES]->(p) RETURN p.id, p.name",
];

/// Suppositions, under which nobody may come back.
const SUPPOSED: [&str; 6] = [
    "",
    "THRESHOLD 0.2 ",
    "THRESHOLD 0.9 ",
    "WITHOUT SOURCE 'crm' ",
    "WITHOUT SOURCE 'web' ",
    "AS OF '2999-01-01' ",
];

fn leaks(shown: &[String], secrets: &BTreeSet<String>) -> Option<String> {
    secrets.iter().find(|secret| shown.iter().any(|row| row.contains(*secret))).cloned()
}

/// Holds the store of a seed to it; notes which statements tell of somebody who
/// refused where they are asked for no purpose. How many refused, and how many did not.
fn held(seed: u64, telling: &mut BTreeSet<&str>) -> [usize; 2] {
    let mut random = Random::new(seed, 0);
    let seen = seen(&mut random);
    let store = store(&seen);
    let snapshot = store.snapshot();
    let Truth { persons, refused, secrets } = truth(&snapshot, &seen);
    let context = |text: &str| format!("seed {seed}: {text}\nrefused: {refused:?}\nseen: {seen:#?}");
    for statement in ALL {
        for supposed in SUPPOSED {
            let text = format!("{supposed}FOR PURPOSE 'marketing' {statement}");
            match ask(&snapshot, &text) {
                Ok(shown) => {
                    let leak = leaks(&shown, &secrets);
                    assert_eq!(leak, None, "{}\n{shown:#?}", context(&text));
                }
                // A source that never said anything, a label that nobody has.
                Err(code) => {
                    assert!(code.starts_with("unknown-"), "{code}: {}", context(&text));
                }
            }
            // A purpose that nobody refused leaves everything as it is.
            let plain = text.replace("FOR PURPOSE 'marketing' ", "");
            if ask(&snapshot, &plain).is_ok_and(|shown| leaks(&shown, &secrets).is_some()) {
                telling.insert(statement);
            }
            for other in ["service", "research"] {
                let same = text.replace("marketing", other);
                assert_eq!(ask(&snapshot, &same), ask(&snapshot, &plain), "{}", context(&same));
            }
        }
    }
    // Counts are of who is there.
    let number = |text: &str| rows(&snapshot, &format!("FOR PURPOSE 'marketing' {text}"))[0][0].clone();
    let there = persons.len() - refused.len();
    assert_eq!(number("MATCH (p:Person) RETURN count(*)"), there.to_string(), "{}", context("count"));
    let members: usize =
        persons.iter().filter(|(id, _)| !refused.contains_key(*id)).map(|(_, members)| members.len()).sum();
    assert_eq!(number("MATCH (:Person)<--(i) RETURN count(*)"), members.to_string(), "{}", context("count"));
    for (text, counted) in [
        ("MATCH (i:Identifier) RETURN count(i)", "MATCH (i:Identifier) RETURN i.id"),
        ("MATCH (h:Household) RETURN count(h)", "MATCH (h:Household) RETURN h.id"),
        ("MATCH (n) RETURN count(n)", "MATCH (n) RETURN id(n)"),
    ] {
        let all = rows(&snapshot, &format!("FOR PURPOSE 'marketing' {counted}"));
        assert_eq!(number(text), all.len().to_string(), "{}", context(text));
    }
    for row in rows(
        &snapshot,
        "FOR PURPOSE 'marketing' MATCH (i:Identifier) RETURN i.id, i.degree, COUNT { (i)-[:LINKED]-() }",
    ) {
        assert_eq!(row[1], row[2], "{}", context(&row[0]));
    }
    for row in rows(
        &snapshot,
        "FOR PURPOSE 'marketing' MATCH (h:Household) RETURN h.id, h.size, COUNT { (h)<-[:MEMBER_OF]-() }",
    ) {
        assert_eq!(row[1], row[2], "{}", context(&row[0]));
    }
    // By its id as well as by any identifier, and by a procedure with no row at all.
    for (person, word) in &refused {
        let told = rows(&snapshot, &format!("FOR PURPOSE 'marketing' PERSON '{person}'"));
        assert_eq!(told, [[person.as_str(), "marketing", word.as_str()]], "{}", context(person));
        let call = format!("FOR PURPOSE 'marketing' CALL identity.person('{person}')");
        assert_eq!(rows(&snapshot, &call), Vec::<Vec<String>>::new(), "{}", context(&call));
    }
    // A verb about who refused tells that alone; about others, nothing of who refused.
    let everybody: Vec<(&String, &String)> =
        persons.iter().flat_map(|(person, all)| all.iter().map(move |id| (person, id))).collect();
    for (person, id) in &everybody {
        let fact = |who: &str, word: &Word| {
            vec!["who | purpose | consent".to_owned(), format!("'{who}' | 'marketing' | '{}'", word.as_str())]
        };
        for verb in ["PROFILE", "PERSON", "HOUSEHOLD", "NEIGHBOURS", "HOW", "HISTORY", "NETWORK", "DIFF"] {
            for supposed in SUPPOSED {
                let text = format!("{supposed}FOR PURPOSE 'marketing' {verb} '{id}'");
                let shown = ask(&snapshot, &text);
                match (&shown, refused.get(*person)) {
                    (Ok(shown), Some(word)) => {
                        // With others of whom a supposition makes one person, the word may be theirs.
                        let told = Word::ALL.iter().filter(|w| w.refuses()).any(|w| *shown == fact(id, w));
                        let exact = supposed.is_empty();
                        assert!(told && (!exact || *shown == fact(id, word)), "{shown:?} {}", context(&text));
                    }
                    (Ok(shown), None) => {
                        let told = shown[0] == "who | purpose | consent";
                        assert!(!told || !supposed.is_empty(), "{}", context(&text));
                        let leak = leaks(shown, &secrets);
                        assert_eq!(leak, None, "{}\n{shown:#?}", context(&text));
                    }
                    (Err(code), _) => assert_eq!(code, "unknown-source", "{}", context(&text)),
                }
            }
        }
        let (other_person, other) = everybody[random.below(everybody.len())];
        for verb in ["WHY", "WHY NOT"] {
            let text = format!("FOR PURPOSE 'marketing' {verb} '{id}', '{other}'");
            let shown = ask(&snapshot, &text).unwrap_or_else(|code| panic!("{code}: {}", context(&text)));
            let refusing = [(*person, *id), (other_person, other)];
            let told: Vec<String> = refusing
                .iter()
                .filter_map(|(person, id)| Some(fact(id, refused.get(*person)?)[1].clone()))
                .collect();
            if told.is_empty() {
                assert_eq!(leaks(&shown, &secrets), None, "{}\n{shown:#?}", context(&text));
            } else {
                let mut expected = told;
                expected.sort();
                assert_eq!(shown[1..], expected, "{}", context(&text));
            }
        }
    }
    [refused.len(), there]
}

#[test]
fn nothing_of_who_refused_is_in_any_answer() {
    let [mut refused, mut there] = [0, 0];
    let mut telling = BTreeSet::new();
    for seed in 0..60 {
        let [some, others] = held(seed, &mut telling);
        refused += some;
        there += others;
    }
    // It is about something: every statement would have told of them.
    let silent: Vec<&str> = ALL.into_iter().filter(|text| !telling.contains(text)).collect();
    assert_eq!(silent, Vec::<&str>::new());
    assert!(refused > 50 && there > 50, "{refused} refused, {there} did not");
}

fn saw(ids: &[&str], record: &str, at: usize, attributes: &[(&str, &str)]) -> Observation {
    Observation {
        source: "crm".to_owned(),
        time: time(at),
        identifiers: ids.iter().map(|id| id.parse().expect("an identifier")).collect(),
        confidence: 0.9,
        kind: None,
        record_id: Some(record.to_owned()),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), AttributeValue::String((*value).to_owned())))
            .collect(),
    }
}

#[test]
fn the_most_restrictive_latest_word_holds() {
    let word = "consent.marketing";
    let ann = "FOR PURPOSE 'marketing' PERSON email:'ann'";
    let consent = |seen: &[Observation]| {
        let store = store(seen);
        let shown = ask(&store.snapshot(), ann).expect("an answer");
        let told = shown[0] == "who | purpose | consent";
        told.then(|| shown[1].rsplit('|').next().unwrap_or_default().trim().to_owned())
    };
    // Of a record the latest word counts, in whatever order they come.
    let (no, yes) =
        (saw(&["email:ann"], "1", 1, &[(word, "denied")]), saw(&["email:ann"], "1", 2, &[(word, "granted")]));
    assert_eq!(consent(&[no.clone(), yes.clone()]), None);
    assert_eq!(consent(&[yes.clone(), no.clone()]), None);
    // Of two at once the more restrictive.
    let at_once = saw(&["email:ann"], "1", 2, &[(word, "denied")]);
    for both in [[yes.clone(), at_once.clone()], [at_once, yes.clone()]] {
        assert_eq!(consent(&both).as_deref(), Some("'denied'"));
    }
    // Of several records the most restrictive, whatever its time.
    let other = saw(&["email:ann", "device:d"], "2", 0, &[(word, "Withdrawn")]);
    assert_eq!(consent(&[yes.clone(), other.clone()]).as_deref(), Some("'withdrawn'"));
    assert_eq!(consent(&[yes.clone(), other, no]).as_deref(), Some("'withdrawn'"));
    // Nobody who has said nothing is asked.
    assert_eq!(consent(&[saw(&["email:ann"], "1", 1, &[("name", "Ann")])]), None);
    // What a person says about it is told so in the profile as well.
    let store = store(&[yes, saw(&["email:ann"], "2", 0, &[(word, "denied")])]);
    let told = rows(&store.snapshot(), "PROFILE email:'ann'");
    assert!(told.iter().any(|row| row[1] == word && row[2] == "denied"), "{told:?}");
}

#[test]
fn what_is_no_word_is_refused_where_it_comes_in() {
    let store = store(&[]);
    let observations = vec![
        saw(&["email:a"], "1", 1, &[("consent.marketing", "yes")]),
        saw(&["email:b"], "2", 1, &[("consent.marketing", "GRANTED")]),
        saw(&["email:c"], "3", 1, &[("consent.", "granted")]),
    ];
    let receipt = store.observe(Batch { request_id: None, observations }).expect("the others go in");
    let refused: Vec<(u32, &str)> = receipt.rejected.iter().map(|r| (r.index, r.field.as_str())).collect();
    assert_eq!(refused, [(0, "attributes[consent.marketing]"), (2, "attributes[consent.]")]);
    assert!(receipt.rejected[0].message.contains("`granted`, `denied` or `withdrawn`"));
    assert_eq!(receipt.rejected[0].reason.code(), "INVALID_VALUE");
}

#[test]
fn a_slip_in_a_purpose_is_no_way_round_it_and_the_past_is_as_it_was() {
    let word = "consent.marketing";
    let store = store(&[
        saw(&["email:ann"], "1", 1, &[(word, "granted")]),
        saw(&["email:ann"], "1", 2, &[(word, "denied")]),
    ]);
    let snapshot = store.snapshot();
    let ask = |text: &str| ask(&snapshot, text);
    assert_eq!(ask("FOR PURPOSE 'marketting' MATCH (n) RETURN n"), Err("unknown-purpose".to_owned()));
    assert_eq!(ask("FOR PURPOSE 'Marketing' MATCH (n) RETURN n"), Err("unknown-purpose".to_owned()));
    assert_eq!(ask("FOR PURPOSE 'research' MATCH (n) RETURN count(n)").map(|rows| rows.len()), Ok(2));
    let count = |text: &str| rows(&snapshot, text)[0][0].clone();
    assert_eq!(count("FOR PURPOSE 'marketing' MATCH (n) RETURN count(*)"), "0");
    assert_eq!(count("AS OF 1 FOR PURPOSE 'marketing' MATCH (n) RETURN count(*)"), "2");
}
