//! Random identity stores, and the graph that they are, as the language's page
//! says: made from what the store itself can be asked, not by the query crate.

use std::collections::BTreeMap;

use kinfold_engine::model::{
    AttributeValue, HeldBackBy, Identifier, IdentifierId, Observation, SourceRecord, Timestamp,
};
use kinfold_engine::read::{Read, ReadResult, ViewOptions};
use kinfold_engine::schema::Schema;
use kinfold_engine::write::Batch;
use kinfold_engine::{Snapshot, Store};
use kinfold_query::{Options, Parsed, Planning, QueryError, Strictness};
use kinfold_tests::query_oracle::{Graph, Node, Rel, Val};

use super::dice::Dice;
use super::texts::{Ty, Words, Writer};
use super::{Said, Tally, compared, limits, params};

pub(super) const NAMESPACES: [&str; 4] = ["email", "account", "device", "address"];

/// The schema of all stores here, but for the threshold.
pub(super) fn schema(threshold: f64) -> Schema {
    let text = format!(
        r#"
[person]
threshold = {threshold:?}
[household]
threshold = 0.3
[namespace.email]
normalise = "trim"
[namespace.account]
max_per_person = 1
[namespace.device]
shared_above = {{ account = 2 }}
[namespace.address]
scope = "household"
"#
    );
    Schema::parse(&text, "test.toml").expect("it is a schema")
}

/// What somebody saw.
pub(super) fn observation(dice: &mut Dice, at: i64) -> Observation {
    let mut identifiers: Vec<Identifier> = Vec::new();
    for _ in 0..1 + dice.below(3) {
        let id = Identifier::new(dice.word(&NAMESPACES), format!("v{}", dice.below(2)));
        if !identifiers.contains(&id) {
            identifiers.push(id);
        }
    }
    let mut attributes = BTreeMap::new();
    if dice.percent(50) {
        attributes.insert("city".to_owned(), AttributeValue::String(dice.word(&["a", "b", "ab"]).to_owned()));
    }
    if dice.percent(40) {
        attributes.insert("score".to_owned(), AttributeValue::Number(*dice.pick(&[0.5, 1.0, 2.0, -0.25])));
    }
    if dice.percent(30) {
        let mixed = [
            AttributeValue::Bool(true),
            AttributeValue::Number(1.0),
            AttributeValue::String("a".to_owned()),
            AttributeValue::Timestamp(moment(at)),
        ];
        attributes.insert("mixed".to_owned(), dice.pick(&mixed).clone());
    }
    let record = dice.percent(50).then(|| format!("r{}", dice.below(3)));
    Observation {
        source: dice.word(&["crm", "web", "shop"]).to_owned(),
        time: moment(dice.below(4) as i64),
        identifiers,
        confidence: *dice.pick(&[0.25, 0.5, 0.75, 1.0]),
        kind: dice.percent(30).then(|| "login".to_owned()),
        record_id: record,
        attributes,
    }
}

fn moment(days: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    Timestamp::from_micros(start.micros() + days * 86_400_000_000).expect("in range")
}

pub(super) fn store(observations: &[Observation], threshold: f64) -> Store {
    let store = Store::in_memory(schema(threshold)).expect("there is memory");
    for observation in observations {
        let batch = Batch { request_id: None, observations: vec![observation.clone()] };
        store.observe(batch).expect("it is stored");
    }
    store
}

fn attribute(value: &AttributeValue) -> Val {
    match value {
        AttributeValue::String(text) => Val::Str(text.clone()),
        AttributeValue::Number(number) => Val::Float(*number),
        AttributeValue::Bool(value) => Val::Bool(*value),
        AttributeValue::Timestamp(time) => Val::Time(time.micros()),
    }
}

/// Of each attribute the value with the latest time, of several the greatest.
fn latest(read: &impl Read, records: &[SourceRecord]) -> Vec<(String, Val)> {
    let mut best: BTreeMap<String, (Timestamp, AttributeValue)> = BTreeMap::new();
    for (name, value, time) in records.iter().flat_map(|record| &record.attributes) {
        let name = read.names().attribute_name(*name).to_owned();
        let older =
            |(known, kept): &(Timestamp, AttributeValue)| known.cmp(time).then(kept.order(value)).is_lt();
        if best.get(&name).is_none_or(older) {
            best.insert(name, (*time, value.clone()));
        }
    }
    best.into_iter().map(|(name, (_, value))| (name, attribute(&value))).collect()
}

fn node(labels: &[&str], id: String, properties: Vec<(&str, Val)>, attributes: Vec<(String, Val)>) -> Node {
    // What is null is not there.
    let own = properties.into_iter().filter(|(_, value)| !matches!(value, Val::Null));
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let id = Val::Str(id);
    let all = attributes.into_iter().chain(own).chain([("id".to_owned(), id.clone())]);
    Node { labels: labels.iter().map(|label| (*label).to_owned()).collect(), properties: all.collect(), id }
}

fn rel(kind: &str, start: usize, end: usize, properties: Vec<(&str, Val)>) -> Rel {
    let properties = properties.into_iter().filter(|(_, value)| !matches!(value, Val::Null));
    Rel {
        id: Val::Null,
        kind: kind.to_owned(),
        start,
        end,
        undirected: kind == "LINKED",
        properties: properties.map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// The graph that queries see of a store.
pub(super) fn graph(read: &impl Read) -> ReadResult<Graph> {
    let names = read.names();
    let time = |time: Timestamp| Val::Time(time.micros());
    let mut graph = Graph::default();
    let mut places: BTreeMap<IdentifierId, usize> = BTreeMap::new();
    for id in read.identifiers(None) {
        let id = id?;
        let record = read.identifier(id)?.expect("it is one of the store's");
        let namespace = names.namespace_name(record.namespace);
        let records = read.records(id).collect::<ReadResult<Vec<_>>>()?;
        let seen = |pick: fn(&kinfold_engine::model::Seen) -> Timestamp| record.seen.iter().map(pick);
        let own = vec![
            ("namespace", Val::Str(namespace.to_owned())),
            ("value", Val::Str(record.value.clone())),
            ("first_seen", seen(|seen| seen.first_seen).min().map_or(Val::Null, time)),
            ("last_seen", seen(|seen| seen.last_seen).max().map_or(Val::Null, time)),
            ("degree", Val::Int(read.links(id, None).count() as i64)),
            ("shared", Val::Bool(record.shared)),
        ];
        places.insert(id, graph.nodes.len());
        let name = format!("{namespace}:{}", record.value);
        graph.nodes.push(node(&["Identifier", namespace], name, own, latest(read, &records)));
    }
    let mut homes = BTreeMap::new();
    for household in read.households() {
        let household = household?;
        let persons =
            read.persons().filter(|row| row.as_ref().is_ok_and(|row| row.household == Some(household.key)));
        let own = vec![("size", Val::Int(persons.count() as i64))];
        homes.insert(household.key, (graph.nodes.len(), household.created_at));
        graph.nodes.push(node(&["Household"], household.id.to_string(), own, Vec::new()));
    }
    for person in read.persons() {
        let person = person?;
        let at = graph.nodes.len();
        let mut records = Vec::new();
        let mut size = 0;
        for member in read.members(person.key) {
            let member = member?;
            size += 1;
            records.extend(read.records(member.id).collect::<ReadResult<Vec<_>>>()?);
            let since = vec![("since", time(person.created_at))];
            graph.rels.push(rel("IDENTIFIES", places[&member.id], at, since));
        }
        let own = vec![("size", Val::Int(size)), ("created_at", time(person.created_at))];
        graph.nodes.push(node(&["Person"], person.id.to_string(), own, latest(read, &records)));
        if let Some((home, made)) = person.household.and_then(|key| homes.get(&key)) {
            graph.rels.push(rel("MEMBER_OF", at, *home, vec![("since", time(*made))]));
        }
    }
    for (id, start) in &places {
        for row in read.links(*id, None) {
            let row = row?;
            if row.other < *id {
                continue;
            }
            let link = read.link(*id, row.other)?.expect("it is one of the store's");
            let mut sources: Vec<&str> =
                link.evidence.iter().map(|said| names.source_name(said.source)).collect();
            sources.sort_unstable();
            sources.dedup();
            let evidence = link.evidence.iter().map(|said| {
                let entries = [
                    ("source", Val::Str(names.source_name(said.source).to_owned())),
                    ("kind", said.kind.map_or(Val::Null, |kind| Val::Str(names.kind_name(kind).to_owned()))),
                    ("confidence", Val::Float(said.confidence)),
                    ("count", Val::Int(said.count as i64)),
                    ("first_seen", time(said.first_seen)),
                    ("last_seen", time(said.last_seen)),
                ];
                Val::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            });
            let held = match link.held_back_by {
                None => Val::Null,
                Some(HeldBackBy::MaxIdentifiers) => Val::Str("max_identifiers".to_owned()),
                Some(HeldBackBy::MaxPersons) => Val::Str("max_persons".to_owned()),
                Some(HeldBackBy::Forbidden) => Val::Str("forbidden".to_owned()),
                Some(HeldBackBy::MaxPerPerson(of)) => {
                    Val::Str(format!("max_per_person({})", names.namespace_name(of)))
                }
            };
            let own = vec![
                ("weight", Val::Float(link.weight)),
                ("count", Val::Int(link.evidence.iter().map(|said| said.count as i64).sum())),
                (
                    "first_seen",
                    link.evidence.iter().map(|said| said.first_seen).min().map_or(Val::Null, time),
                ),
                ("last_seen", link.evidence.iter().map(|said| said.last_seen).max().map_or(Val::Null, time)),
                ("sources", Val::List(sources.into_iter().map(|name| Val::Str(name.to_owned())).collect())),
                ("evidence", Val::Bag(evidence.collect())),
                ("conducts", Val::Bool(read.conducts(*id, &row)?)),
                ("held_back_by", held),
            ];
            graph.rels.push(rel("LINKED", *start, places[&row.other], own));
        }
    }
    for at in 0..graph.rels.len() {
        let text = |node: usize| match &graph.nodes[node].id {
            Val::Str(id) => id.clone(),
            other => format!("{other:?}"),
        };
        let rel = &graph.rels[at];
        let (a, b) = (text(rel.start), text(rel.end));
        let there = Val::Str(format!("{a} {} {b}", rel.kind));
        // Which end of one without direction is named first is open.
        let back = Val::Str(format!("{b} {} {a}", rel.kind));
        graph.rels[at].id = if rel.undirected { Val::OneOf(vec![there, back]) } else { there };
    }
    Ok(graph)
}

pub(super) fn words(graph: &Graph) -> Words {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let ids = graph.nodes.iter().filter_map(|node| match &node.id {
        Val::Str(id) => Some(format!("'{id}'")),
        _ => None,
    });
    let mut texts: Vec<String> = ids.collect();
    texts.extend(owned(&["'v0'", "'v1'", "'email'", "'device'", "'web'", "'a'", "'ab'", "'p999'"]));
    let labels = ["Identifier", "Identifier", "Person", "Person", "Household"];
    Words {
        labels: labels.into_iter().chain(NAMESPACES).map(str::to_owned).collect(),
        types: owned(&["LINKED", "LINKED", "IDENTIFIES", "IDENTIFIES", "MEMBER_OF"]),
        of_nodes: vec![
            ("id", Ty::Str),
            ("id", Ty::Str),
            ("namespace", Ty::Str),
            ("value", Ty::Str),
            ("first_seen", Ty::Time),
            ("last_seen", Ty::Time),
            ("degree", Ty::Int),
            ("shared", Ty::Bool),
            ("size", Ty::Int),
            ("created_at", Ty::Time),
            ("city", Ty::Str),
            ("score", Ty::Float),
            ("mixed", Ty::Any),
        ],
        of_rels: vec![
            ("weight", Ty::Float),
            ("count", Ty::Int),
            ("first_seen", Ty::Time),
            ("last_seen", Ty::Time),
            ("sources", Ty::Strs),
            ("evidence", Ty::Anys),
            ("conducts", Ty::Bool),
            ("held_back_by", Ty::Str),
            ("since", Ty::Time),
        ],
        texts,
        times: owned(&["'2026-01-01'", "'2026-01-03T00:00:00Z'"]),
        params: vec![("i", Ty::Int), ("s", Ty::Str), ("l", Ty::Anys), ("nothing", Ty::Any)],
    }
}

/// Asks a store, of the view that the text says.
pub(super) fn ask(snapshot: &Snapshot, text: &str, planning: Planning) -> Said {
    let parsed = parsed(text, planning)?;
    let options = parsed.view(snapshot).map_err(|error| (error, true))?;
    let view = snapshot.view(&options).expect("there is such a view");
    rows(parsed, &view)
}

/// Asks a view of a store that was made before: a person that is only supposed
/// has the time at which the view was made.
pub(super) fn ask_of(
    snapshot: &Snapshot,
    view: &(ViewOptions, impl Read + Sync),
    text: &str,
    planning: Planning,
) -> Said {
    let parsed = parsed(text, planning)?;
    let options = parsed.view(snapshot).map_err(|error| (error, true))?;
    assert_eq!(options, view.0, "{text}");
    rows(parsed, &view.1)
}

fn parsed(text: &str, planning: Planning) -> Result<Parsed, (QueryError, bool)> {
    let options =
        Options { planning, strictness: Strictness::Lenient, limits: limits(), ..Options::default() };
    Parsed::new(text, params().0, options).map_err(|error| (error, true))
}

fn rows(parsed: Parsed, view: &(impl Read + Sync)) -> Said {
    let prepared = parsed.prepare(view).map_err(|error| (error, true))?;
    prepared.run().collect::<Result<_, _>>().map_err(|error| (error, false))
}

/// How many queries one store is asked.
const QUERIES: usize = 10;

/// Some queries over one store.
pub(super) fn case(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let seen: Vec<Observation> = (0..dice.below(9)).map(|at| observation(&mut dice, at as i64)).collect();
    let store = store(&seen, 0.5);
    let snapshot = store.snapshot();
    let plain = graph(&snapshot).map_err(|error| error.to_string())?;
    let words = words(&plain);
    for _ in 0..QUERIES {
        let mut writer = Writer::new(Dice::new(dice.number()), &words);
        let text = writer.query();
        let run = |text: &str, planning: Planning| ask(&snapshot, text, planning);
        compared(&text, writer.spoiled, &plain, &params().1, run, tally)?;
    }
    Ok(())
}
