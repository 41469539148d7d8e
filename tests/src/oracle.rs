//! The naive oracle: who is who and who lives with whom, worked out from
//! nothing but the rules of resolution, slowly and in plain sight.

use std::collections::{BTreeMap, BTreeSet};

/// An identifier: namespace and normalised value. Its order is the order of the rules.
pub type Id = (String, String);

/// An observation, with everything that resolution looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The source.
    pub source: String,
    /// Event time.
    pub time: i64,
    /// In (0, 1].
    pub confidence: f64,
    /// Normalised, distinct, none of them denied.
    pub ids: Vec<Id>,
}

/// The rules of a schema, as far as resolution looks at them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// A link conducts between persons' identifiers from this weight.
    pub person_threshold: f64,
    /// A link conducts in households from this weight.
    pub household_threshold: f64,
    /// A person never holds more identifiers.
    pub max_identifiers: Option<usize>,
    /// A household never holds more persons.
    pub max_persons: Option<usize>,
    /// A person never holds more identifiers of the namespace.
    pub max_per_person: BTreeMap<String, usize>,
    /// Namespaces of household scope.
    pub household_scope: BTreeSet<String>,
    /// (namespace, neighbours' namespace or `persons`) → above how many it is shared.
    pub shared_above: BTreeMap<(String, String), usize>,
}

/// Who is who.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Each person as the set of its identifiers.
    pub persons: BTreeSet<BTreeSet<Id>>,
    /// Each household as its persons and the identifiers that join them.
    pub households: BTreeSet<(BTreeSet<BTreeSet<Id>>, BTreeSet<Id>)>,
}

/// What a link weighs: per source the highest confidence; over sources
/// `1 − Π(1 − c)`, folded over the confidences in ascending order.
fn weight(by_source: &BTreeMap<String, f64>) -> f64 {
    let mut said: Vec<f64> = by_source.values().copied().collect();
    said.sort_by(f64::total_cmp);
    said.into_iter().fold(0.0, |w: f64, c| (w + c * (1.0 - w)).min(1.0))
}

/// Strongest first: weight descending, time descending, names ascending.
#[derive(Clone, Debug)]
struct Tie<N> {
    weight: f64,
    time: i64,
    names: (Id, Id),
    ends: (N, N),
}

fn strongest_first<N>(x: &Tie<N>, y: &Tie<N>) -> std::cmp::Ordering {
    y.weight.total_cmp(&x.weight).then(y.time.cmp(&x.time)).then(x.names.cmp(&y.names))
}

/// Joins along the ties what may be joined.
fn join<N: Clone + Ord>(
    nodes: &BTreeSet<N>,
    mut ties: Vec<Tie<N>>,
    within: impl Fn(&BTreeSet<N>) -> bool,
) -> Vec<BTreeSet<N>> {
    let union = |sets: &mut Vec<BTreeSet<N>>, tie: &Tie<N>, allowed: &dyn Fn(&BTreeSet<N>) -> bool| {
        let find = |sets: &Vec<BTreeSet<N>>, node: &N| sets.iter().position(|set| set.contains(node));
        let (Some(a), Some(b)) = (find(sets, &tie.ends.0), find(sets, &tie.ends.1)) else { return };
        if a != b {
            let joined: BTreeSet<N> = sets[a].union(&sets[b]).cloned().collect();
            if allowed(&joined) {
                sets.swap_remove(a.max(b));
                sets[a.min(b)] = joined;
            }
        }
    };
    let singles = || nodes.iter().map(|node| BTreeSet::from([node.clone()])).collect::<Vec<_>>();
    let mut raw = singles();
    for tie in &ties {
        union(&mut raw, tie, &|_| true);
    }
    ties.sort_by(strongest_first);
    let mut parts = Vec::new();
    for component in raw {
        if within(&component) {
            parts.push(component);
            continue;
        }
        let mut sets: Vec<BTreeSet<N>> =
            component.iter().map(|node| BTreeSet::from([node.clone()])).collect();
        for tie in ties.iter().filter(|tie| component.contains(&tie.ends.0)) {
            union(&mut sets, tie, &within);
        }
        parts.extend(sets);
    }
    parts
}

/// One end of a tie between a household's members: a person (by its place) or an identifier.
type Place = (Option<usize>, Option<Id>);

/// Resolves observations under rules.
pub fn resolve(seen: &[Seen], rules: &Rules) -> Answer {
    let mut ids: BTreeSet<Id> = BTreeSet::new();
    let mut links: BTreeMap<(Id, Id), (BTreeMap<String, f64>, i64)> = BTreeMap::new();
    for observation in seen {
        ids.extend(observation.ids.iter().cloned());
        for a in &observation.ids {
            for b in observation.ids.iter().filter(|b| a < *b) {
                let (sources, last) =
                    links.entry((a.clone(), b.clone())).or_insert((BTreeMap::new(), observation.time));
                let said = sources.entry(observation.source.clone()).or_insert(0.0);
                *said = said.max(observation.confidence);
                *last = (*last).max(observation.time);
            }
        }
    }
    let links: Vec<(Id, Id, f64, i64)> =
        links.into_iter().map(|((a, b), (sources, last))| (a, b, weight(&sources), last)).collect();
    let is_home = |id: &Id| rules.household_scope.contains(&id.0);

    // Persons.
    let tying: Vec<&(Id, Id, f64, i64)> = links
        .iter()
        .filter(|(a, b, w, _)| !is_home(a) && !is_home(b) && *w >= rules.person_threshold)
        .collect();
    let shared: BTreeSet<Id> = ids
        .iter()
        .filter(|id| {
            rules.shared_above.iter().any(|((own, counted), most)| {
                let tied = tying
                    .iter()
                    .filter(|(a, b, ..)| (a == *id && b.0 == *counted) || (b == *id && a.0 == *counted));
                id.0 == *own && tied.count() > *most
            })
        })
        .cloned()
        .collect();
    let ties = tying
        .iter()
        .filter(|(a, b, ..)| !shared.contains(a) && !shared.contains(b))
        .map(|(a, b, weight, time)| Tie {
            weight: *weight,
            time: *time,
            names: (a.clone(), b.clone()),
            ends: (a.clone(), b.clone()),
        })
        .collect();
    let own: BTreeSet<Id> = ids.iter().filter(|id| !is_home(id)).cloned().collect();
    let persons = join(&own, ties, |set| {
        rules.max_identifiers.is_none_or(|most| set.len() <= most)
            && rules
                .max_per_person
                .iter()
                .all(|(namespace, most)| set.iter().filter(|id| id.0 == *namespace).count() <= *most)
    });

    // Households.
    let person_of = |id: &Id| persons.iter().position(|person| person.contains(id));
    let mut homes: BTreeMap<(usize, Id), Tie<Place>> = BTreeMap::new();
    let mut ties: Vec<Tie<Place>> = Vec::new();
    for (a, b, weight, time) in links.iter().filter(|(_, _, w, _)| *w >= rules.household_threshold) {
        let tie = |ends| Tie { weight: *weight, time: *time, names: (a.clone(), b.clone()), ends };
        match (is_home(a), is_home(b)) {
            (false, false) => {}
            (true, true) => ties.push(tie(((None, Some(a.clone())), (None, Some(b.clone()))))),
            (home_first, _) => {
                let (member, home) = if home_first { (b, a) } else { (a, b) };
                let Some(person) = person_of(member) else { continue };
                let new = tie(((Some(person), None), (None, Some(home.clone()))));
                let known = homes.entry((person, home.clone())).or_insert_with(|| new.clone());
                if strongest_first(&new, known).is_lt() {
                    *known = new;
                }
            }
        }
    }
    ties.extend(homes.values().cloned());
    let crowded = |home: &Id| {
        let residents = homes.keys().filter(|(_, at)| at == home).count();
        rules.shared_above.get(&(home.0.clone(), "persons".to_owned())).is_some_and(|most| residents > *most)
    };
    ties.retain(|tie| {
        [&tie.ends.0, &tie.ends.1].into_iter().all(|(_, home)| !home.as_ref().is_some_and(crowded))
    });
    let mut places: BTreeSet<Place> = (0..persons.len()).map(|person| (Some(person), None)).collect();
    places.extend(ids.iter().filter(|id| is_home(id)).map(|id| (None, Some(id.clone()))));
    let households = join(&places, ties, |set| {
        rules.max_persons.is_none_or(|most| set.iter().filter(|(person, _)| person.is_some()).count() <= most)
    });
    let households = households
        .into_iter()
        .map(|set| {
            let people = set.iter().filter_map(|(person, _)| person.map(|at| persons[at].clone())).collect();
            let homes = set.iter().filter_map(|(_, home)| home.clone()).collect();
            (people, homes)
        })
        .filter(|(people, homes): &(BTreeSet<BTreeSet<Id>>, BTreeSet<Id>)| {
            !people.is_empty() && !homes.is_empty()
        })
        .collect();
    Answer { persons: persons.into_iter().collect(), households }
}
