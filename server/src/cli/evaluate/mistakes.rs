//! Where a store and the truth disagree most.

use std::collections::{BTreeMap, HashMap};

use kinfold_engine::model::PersonId;
use kinfold_query::Value;

use super::Judged;
use super::agreement::pairs;
use super::truth::Truth;

/// What a row of [`worst`] holds.
pub(super) const COLUMNS: [&str; 6] = ["store", "mistake", "who", "wrong_pairs", "parts", "identifiers"];

/// How many parts of a mistake are shown, and how many identifiers of each.
const SHOWN: usize = 3;

/// The places of labels of one person, by what parts them.
type Parts<P> = BTreeMap<P, Vec<usize>>;

/// The `most` mistakes of each kind that cost most pairs: a person of the store
/// that holds several true ones (`merged`), and a true person that several
/// persons of the store hold (`split`).
pub(super) fn worst(truth: &Truth, judged: &Judged, most: usize) -> Vec<Vec<Value>> {
    let mut merged: HashMap<PersonId, Parts<usize>> = HashMap::new();
    let mut split: HashMap<usize, Parts<Part>> = HashMap::new();
    for (place, ((_, person), found)) in truth.labels.iter().zip(&judged.found).enumerate() {
        if let Some(id) = found {
            merged.entry(*id).or_default().entry(*person).or_default().push(place);
        }
        let part = found.map_or(Part::Alone(place), Part::Person);
        split.entry(*person).or_default().entry(part).or_default().push(place);
    }
    let true_name = |number: usize| truth.persons.get(number).cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for (id, parts) in largest(merged, most) {
        let named = parts.into_iter().map(|(person, places)| (true_name(person), places)).collect();
        rows.push(row(judged, truth, "merged", id.to_string(), named));
    }
    for (person, parts) in largest(split, most) {
        let mut named = Vec::with_capacity(parts.len());
        for (part, places) in parts {
            let name = match part {
                Part::Person(id) => id.to_string(),
                Part::Alone(_) => "no person".to_owned(),
            };
            named.push((name, places));
        }
        rows.push(row(judged, truth, "split", true_name(person), named));
    }
    rows
}

/// What holds a part of a true person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A person of the store.
    Person(PersonId),
    /// None: the label at this place is alone.
    Alone(usize),
}

/// Those of several parts that cost most pairs, the costliest first; among equals the first labelled.
fn largest<K, P: Ord>(groups: HashMap<K, Parts<P>>, most: usize) -> Vec<(K, Parts<P>)> {
    let first = |parts: &Parts<P>| parts.values().flatten().copied().min();
    let mut groups: Vec<(K, Parts<P>)> = groups.into_iter().filter(|(_, parts)| parts.len() > 1).collect();
    groups.sort_by_key(|(_, parts)| (std::cmp::Reverse(cost(parts.values())), first(parts)));
    groups.truncate(most);
    groups
}

/// How many pairs lie across the parts.
fn cost<'p>(parts: impl Iterator<Item = &'p Vec<usize>>) -> u64 {
    let (mut all, mut within) = (0, 0);
    for part in parts {
        let size = part.len() as u64;
        all += size;
        within += pairs(size);
    }
    pairs(all) - within
}

fn row(
    judged: &Judged,
    truth: &Truth,
    mistake: &str,
    who: String,
    mut parts: Vec<(String, Vec<usize>)>,
) -> Vec<Value> {
    let cost = cost(parts.iter().map(|(_, places)| places));
    let count = parts.len();
    parts.sort_by_key(|(_, places)| (std::cmp::Reverse(places.len()), places.first().copied()));
    let shown = parts.iter().take(SHOWN).map(|(name, places)| {
        let identifiers: Vec<String> = places
            .iter()
            .take(SHOWN)
            .filter_map(|place| truth.labels.get(*place))
            .map(|(identifier, _)| identifier.to_string())
            .collect();
        let more = match places.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Value::from(format!("{name}: {}{more}", identifiers.join(", ")))
    });
    vec![
        judged.store.as_str().into(),
        mistake.into(),
        who.into(),
        super::count(cost),
        super::count(count as u64),
        shown.collect(),
    ]
}
