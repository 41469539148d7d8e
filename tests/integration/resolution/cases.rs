//! Random schemas, and random things that happen to a store.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kinfold_engine::model::{AttributeValue, Observation};
use kinfold_engine::schema::Schema;
use kinfold_tests::observed;
use kinfold_tests::oracle::{Id, Rules, Said, Seen, World};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(super) const NAMESPACES: [&str; 5] = ["account", "cookie", "device", "address", "ip"];

/// An observation, with what resolution does not look at.
#[derive(Clone)]
pub(super) struct Saw {
    pub(super) seen: Seen,
    kind: Option<u8>,
    attribute: Option<i64>,
}

impl Saw {
    pub(super) fn plain(seen: &Seen) -> Self {
        Self { seen: seen.clone(), kind: None, attribute: None }
    }

    pub(super) fn observation(&self) -> Observation {
        let mut observation = observed::observation(&self.seen);
        observation.kind = self.kind.map(|kind| format!("k{kind}"));
        let attribute =
            self.attribute.map(|number| ("city".to_owned(), AttributeValue::Number(number as f64)));
        observation.attributes = attribute.into_iter().collect();
        observation
    }
}

impl fmt::Debug for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { source, time, confidence, ids, record, .. } = &self.seen;
        write!(f, "{source} at {time} with {confidence}:")?;
        ids.iter().try_for_each(|(namespace, value)| write!(f, " {namespace}:{value}"))?;
        record.iter().try_for_each(|record| write!(f, ", record {record}"))?;
        self.kind.iter().try_for_each(|kind| write!(f, ", kind k{kind}"))?;
        self.attribute.iter().try_for_each(|city| write!(f, ", city {city}"))
    }
}

/// Two identifiers.
#[derive(Clone)]
pub(super) enum Pair {
    Of(Id, Id),
    /// The n-th of those that the act could be about, counted round.
    Nth(usize),
}

impl Pair {
    pub(super) fn among(&self, pairs: Vec<(Id, Id)>) -> (Id, Id) {
        match self {
            Self::Of(a, b) => (a.clone(), b.clone()),
            Self::Nth(at) if !pairs.is_empty() => pairs[at % pairs.len()].clone(),
            Self::Nth(_) => (("account".to_owned(), "v0".to_owned()), ("cookie".to_owned(), "v0".to_owned())),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(a, b) => write!(f, "{}:{} and {}:{}", a.0, a.1, b.0, b.1),
            Self::Nth(at) => write!(f, "pair {at}"),
        }
    }
}

/// One thing that happens to a store.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Observe(Vec<Saw>),
    Say(Said, Pair),
    Release(Pair),
    RetractLink(String, Pair),
    RetractRecord(String, String),
    RetractSource(String),
    Schema(Rules),
    Rebuild,
    /// Identifiers, the n-th of those known, counted round; with all that are one person with the first, or not.
    Forget(Vec<usize>, bool),
    Readmit(Id),
}

/// A supposed state: of which write, and what would be otherwise.
#[derive(Clone, Debug)]
pub(super) struct Suppose {
    /// Which of the states there were, counted round; the last if `None`.
    pub(super) then: Option<usize>,
    pub(super) threshold: Option<f64>,
    pub(super) without_sources: BTreeSet<String>,
    pub(super) without_links: Vec<Pair>,
    /// In which order it is asked.
    pub(super) order: u8,
}

impl Suppose {
    /// The world as it would be.
    pub(super) fn world(&self, world: &World, links: &[(Id, Id)]) -> World {
        let mut world = world.clone();
        world.rules.person_threshold = self.threshold.unwrap_or(world.rules.person_threshold);
        world.seen.retain(|seen| !self.without_sources.contains(&seen.source));
        for seen in &mut world.seen {
            seen.withdrawn.extend(links.iter().cloned());
        }
        world
    }
}

fn sources() -> impl Strategy<Value = String> {
    (0..3u8).prop_map(|source| format!("s{source}"))
}

fn records() -> impl Strategy<Value = String> {
    (0..3u8).prop_map(|record| format!("r{record}"))
}

fn ids(namespaces: usize) -> impl Strategy<Value = Id> {
    (0..namespaces, 0..4u8)
        .prop_map(|(namespace, value)| (NAMESPACES[namespace].to_owned(), format!("v{value}")))
}

/// Pairs of the first so many namespaces, most of them among those that an act could be about.
fn pairs(namespaces: usize) -> impl Strategy<Value = Pair> {
    prop_oneof![
        2 => (0..64usize).prop_map(Pair::Nth),
        1 => (ids(namespaces), ids(namespaces)).prop_map(|(a, b)| Pair::Of(a, b)),
    ]
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let limit = |most: usize| prop_oneof![1 => Just(None), 2 => (1..=most).prop_map(Some)];
    (
        prop_oneof![Just(0.3), Just(0.5), Just(0.85)],
        prop_oneof![Just(0.3), Just(0.6)],
        (limit(8), limit(3)),
        (limit(2), limit(4)),
        (limit(3), limit(3), limit(3)),
        prop_oneof![2 => vec(ids(5), 0..1), 1 => vec(ids(5), 0..3)],
    )
        .prop_map(|(person, household, (max_identifiers, max_persons), per_person, shared, denied)| {
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
                denied: denied.into_iter().collect(),
            }
        })
}

/// The schema with these rules.
pub(super) fn schema(rules: &Rules, inline_limit: Option<usize>) -> Schema {
    let line =
        |key: &str, value: Option<usize>| value.map(|most| format!("{key} = {most}\n")).unwrap_or_default();
    let mut text = format!(
        "[person]\nthreshold = {}\n{}[household]\nthreshold = {}\n{}[resolve]\n{}",
        rules.person_threshold,
        line("max_identifiers", rules.max_identifiers),
        rules.household_threshold,
        line("max_persons", rules.max_persons),
        line("inline_limit", inline_limit),
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
        let denied: Vec<&str> =
            rules.denied.iter().filter(|id| id.0 == namespace).map(|id| id.1.as_str()).collect();
        if !denied.is_empty() {
            text += &format!("deny = {denied:?}\n");
        }
    }
    Schema::parse(&text, "schema.toml").expect("the schema is well formed")
}

/// Observations that name their identifiers, sources and nothing else.
pub(super) fn plain() -> impl Strategy<Value = Seen> {
    let confidence = prop_oneof![Just(0.2), Just(0.4), Just(0.6), Just(0.9)];
    (sources(), 0..4i64, confidence, vec(ids(5), 1..4)).prop_map(|(source, time, confidence, ids)| {
        let ids: BTreeSet<Id> = ids.into_iter().collect();
        Seen {
            source,
            time,
            confidence,
            ids: ids.into_iter().collect(),
            record: None,
            withdrawn: BTreeSet::new(),
        }
    })
}

pub(super) fn saw() -> impl Strategy<Value = Saw> {
    let rarely = |most: u8| prop_oneof![2 => Just(None), 1 => (0..most).prop_map(Some)];
    (plain(), option::weighted(0.4, records()), rarely(2), option::weighted(0.2, 0..3i64))
        .prop_map(|(seen, record, kind, attribute)| Saw { seen: Seen { record, ..seen }, kind, attribute })
}

/// Observations that come in together.
pub(super) fn batch() -> impl Strategy<Value = Vec<Saw>> {
    vec(saw(), 1..6)
}

fn step() -> impl Strategy<Value = Step> {
    let say = prop_oneof![2 => Just(Said::Forbid), 2 => Just(Said::Require)];
    prop_oneof![
        10 => batch().prop_map(Step::Observe),
        5 => (say, pairs(3)).prop_map(|(said, pair)| Step::Say(said, pair)),
        2 => pairs(3).prop_map(Step::Release),
        3 => (sources(), pairs(5)).prop_map(|(source, pair)| Step::RetractLink(source, pair)),
        2 => (sources(), records()).prop_map(|(source, record)| Step::RetractRecord(source, record)),
        1 => sources().prop_map(Step::RetractSource),
        2 => rules().prop_map(Step::Schema),
        1 => Just(Step::Rebuild),
        2 => (vec(0..64usize, 1..4), proptest::bool::weighted(0.3))
            .prop_map(|(picked, person)| Step::Forget(picked, person)),
        1 => ids(5).prop_map(Step::Readmit),
    ]
}

/// Things that happen one after another.
pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..most)
}

pub(super) fn suppose() -> impl Strategy<Value = Suppose> {
    (
        option::of(0..32usize),
        option::of(prop_oneof![Just(0.2), Just(0.5), Just(0.7), Just(0.9)]),
        prop_oneof![1 => Just(Vec::new()), 1 => vec(sources(), 1..3)],
        vec(pairs(5), 0..3),
        0..4u8,
    )
        .prop_map(|(then, threshold, without_sources, without_links, order)| Suppose {
            then,
            threshold,
            without_sources: without_sources.into_iter().collect(),
            without_links,
            order,
        })
}
