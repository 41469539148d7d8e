//! The naive oracle: who is who and who lives with whom, worked out from
//! nothing but the rules of resolution, slowly and in plain sight; and which
//! acts are refused.

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
    /// Normalised and distinct.
    pub ids: Vec<Id>,
    /// The record that says so.
    pub record: Option<String>,
    /// Pairs that the source has taken back since, the lesser first.
    pub withdrawn: BTreeSet<(Id, Id)>,
}

impl Seen {
    /// The pairs it links, the lesser first.
    fn pairs(&self) -> impl Iterator<Item = (Id, Id)> {
        let both =
            |a: &Id| self.ids.iter().filter(|b| a < *b).map(|b| (a.clone(), b.clone())).collect::<Vec<_>>();
        self.ids.iter().flat_map(both).filter(|pair| !self.withdrawn.contains(pair))
    }
}

/// What somebody said of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Never one person.
    Forbid,
    /// One person.
    Require,
}

/// Two identifiers, the lesser first.
pub fn pair(a: &Id, b: &Id) -> (Id, Id) {
    if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
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
    /// Values that identify nobody.
    pub denied: BTreeSet<Id>,
}

impl Rules {
    fn is_home(&self, id: &Id) -> bool {
        self.household_scope.contains(&id.0)
    }

    /// Whether these may be one person, as far as limits go.
    fn within(&self, set: &BTreeSet<Id>) -> bool {
        let of = |namespace: &String| set.iter().filter(|id| id.0 == *namespace).count();
        self.max_identifiers.is_none_or(|most| set.len() <= most)
            && self.max_per_person.iter().all(|(namespace, most)| of(namespace) <= *most)
    }
}

/// All that resolution goes by.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The schema in force.
    pub rules: Rules,
    /// What was observed and not taken back.
    pub seen: Vec<Seen>,
    /// What people said of pairs, the lesser identifier first.
    pub overrides: BTreeMap<(Id, Id), Said>,
    /// Every identifier that ever came in.
    pub known: BTreeSet<Id>,
    /// Every source that ever sent anything.
    pub sources: BTreeSet<String>,
    /// Every identifier that was forgotten and not let in again.
    pub forgotten: BTreeSet<Id>,
}

/// Whether an act changed anything; `None` where it is refused.
pub type Outcome = Option<bool>;

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

/// Strongest first: required, weight descending, time descending, names ascending.
#[derive(Clone, Debug)]
struct Tie<N> {
    required: bool,
    weight: f64,
    time: i64,
    names: (Id, Id),
    ends: (N, N),
}

fn strongest_first<N>(x: &Tie<N>, y: &Tie<N>) -> std::cmp::Ordering {
    let by_weight = y.required.cmp(&x.required).then(y.weight.total_cmp(&x.weight));
    by_weight.then(y.time.cmp(&x.time)).then(x.names.cmp(&y.names))
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

/// A link: its ends, the lesser first; its weight and the last event time.
type Link = (Id, Id, f64, i64);

impl World {
    /// Takes an observation in. What the rules deny now is left out of it.
    pub fn observe(&mut self, seen: &Seen) {
        let mut seen = seen.clone();
        seen.ids.retain(|id| !self.rules.denied.contains(id));
        let named = seen.ids.len();
        seen.ids.retain(|id| !self.forgotten.contains(id));
        if seen.ids.is_empty() && named > 0 {
            // What belongs to nobody else is not kept.
            seen.record = None;
        }
        self.known.extend(seen.ids.iter().cloned());
        self.sources.insert(seen.source.clone());
        self.seen.push(seen);
    }

    /// Whether people may speak of a pair.
    fn may_name(&self, a: &Id, b: &Id) -> bool {
        a != b && [a, b].iter().all(|id| self.known.contains(*id) && !self.rules.denied.contains(*id))
    }

    /// All that is required to be one person with an identifier.
    fn required_with(&self, id: &Id) -> BTreeSet<Id> {
        let mut set = BTreeSet::from([id.clone()]);
        loop {
            let before = set.len();
            for ((a, b), said) in &self.overrides {
                if *said == Said::Require && (set.contains(a) || set.contains(b)) {
                    set.extend([a.clone(), b.clone()]);
                }
            }
            if set.len() == before {
                return set;
            }
        }
    }

    fn holds_forbidden(&self, set: &BTreeSet<Id>) -> bool {
        let both = |(a, b): &(Id, Id)| set.contains(a) && set.contains(b);
        self.overrides.iter().any(|(pair, said)| *said == Said::Forbid && both(pair))
    }

    /// Sets an override.
    pub fn say(&mut self, said: Said, a: &Id, b: &Id) -> Outcome {
        if !self.may_name(a, b) || self.rules.is_home(a) || self.rules.is_home(b) {
            return None;
        }
        if let Some(known) = self.overrides.get(&pair(a, b)) {
            return (*known == said).then_some(false);
        }
        let mut together = self.required_with(a);
        let contradicts = match said {
            Said::Forbid => together.contains(b),
            Said::Require => {
                together.extend(self.required_with(b));
                !self.rules.within(&together) || self.holds_forbidden(&together)
            }
        };
        if contradicts {
            return None;
        }
        self.overrides.insert(pair(a, b), said);
        Some(true)
    }

    /// Takes an override back.
    pub fn release(&mut self, a: &Id, b: &Id) -> Outcome {
        if !self.may_name(a, b) {
            return None;
        }
        self.overrides.remove(&pair(a, b)).map(|_| true)
    }

    /// Withdraws what a source said of a pair.
    pub fn retract_link(&mut self, source: &str, a: &Id, b: &Id) -> Outcome {
        if !self.may_name(a, b) {
            return None;
        }
        let pair = pair(a, b);
        let mut found = None;
        for seen in self.seen.iter_mut().filter(|seen| seen.source == source) {
            if seen.pairs().any(|known| known == pair) {
                seen.withdrawn.insert(pair.clone());
                found = Some(true);
            }
        }
        found
    }

    /// Withdraws a record.
    pub fn retract_record(&mut self, source: &str, record: &str) -> Outcome {
        let before = self.seen.len();
        self.seen.retain(|seen| !(seen.source == source && seen.record.as_deref() == Some(record)));
        (self.seen.len() < before).then_some(true)
    }

    /// Withdraws all that a source ever said.
    pub fn retract_source(&mut self, source: &str) -> Outcome {
        self.sources.contains(source).then(|| {
            let said = |seen: &Seen| !seen.ids.is_empty() || seen.record.is_some();
            let any = self.seen.iter().any(|seen| seen.source == source && said(seen));
            self.seen.retain(|seen| seen.source != source);
            any
        })
    }

    /// Forgets identifiers, as if they had never come in.
    pub fn forget(&mut self, ids: &BTreeSet<Id>) {
        let of = |seen: &Seen| (seen.source.clone(), seen.record.clone());
        let named: BTreeSet<_> =
            self.seen.iter().filter(|seen| seen.ids.iter().any(|id| ids.contains(id))).map(of).collect();
        for seen in &mut self.seen {
            seen.ids.retain(|id| !ids.contains(id));
        }
        let left: BTreeSet<_> = self.seen.iter().filter(|seen| !seen.ids.is_empty()).map(of).collect();
        // A record that named nobody else goes whole.
        self.seen
            .retain(|seen| !seen.ids.is_empty() || !named.contains(&of(seen)) || left.contains(&of(seen)));
        self.overrides.retain(|(a, b), _| !ids.contains(a) && !ids.contains(b));
        self.known.retain(|id| !ids.contains(id));
        self.forgotten.extend(ids.iter().cloned());
    }

    /// Lets a forgotten identifier in again.
    pub fn readmit(&mut self, id: &Id) -> Outcome {
        self.forgotten.remove(id).then_some(true)
    }

    /// The links that there are.
    pub fn links(&self) -> Vec<Link> {
        let mut links: BTreeMap<(Id, Id), (BTreeMap<String, f64>, i64)> = BTreeMap::new();
        for seen in &self.seen {
            for pair in seen.pairs() {
                let (sources, last) = links.entry(pair).or_insert((BTreeMap::new(), seen.time));
                let said = sources.entry(seen.source.clone()).or_insert(0.0);
                *said = said.max(seen.confidence);
                *last = (*last).max(seen.time);
            }
        }
        links.into_iter().map(|((a, b), (sources, last))| (a, b, weight(&sources), last)).collect()
    }

    /// Who is who, and who lives with whom.
    pub fn resolve(&self) -> Answer {
        let links = self.links();
        let persons = self.persons(&links);
        let households = self.households(&links, &persons);
        Answer { persons: persons.into_iter().collect(), households }
    }

    fn persons(&self, links: &[Link]) -> Vec<BTreeSet<Id>> {
        let rules = &self.rules;
        let mut tied: Vec<(&Id, &Id, f64, i64, bool)> = Vec::new();
        for (a, b, weight, time) in links.iter().filter(|(a, b, ..)| !rules.is_home(a) && !rules.is_home(b)) {
            let conducts =
                *weight >= rules.person_threshold && ![a, b].iter().any(|id| rules.denied.contains(*id));
            match self.overrides.get(&pair(a, b)) {
                Some(Said::Require) => tied.push((a, b, *weight, *time, true)),
                None if conducts => tied.push((a, b, *weight, *time, false)),
                _ => {}
            }
        }
        for ((a, b), said) in &self.overrides {
            if *said == Said::Require && !tied.iter().any(|tie| (tie.0, tie.1) == (a, b)) {
                tied.push((a, b, 0.0, i64::MIN, true));
            }
        }
        let is_shared = |id: &Id| {
            rules.shared_above.iter().any(|((own, counted), most)| {
                let to = |one: &Id, other: &Id| one == id && other.0 == *counted;
                let count = tied.iter().filter(|(a, b, ..)| to(a, b) || to(b, a)).count();
                id.0 == *own && count > *most
            })
        };
        let shared: BTreeSet<&Id> = self.known.iter().filter(|id| is_shared(id)).collect();
        let ties = tied
            .iter()
            .filter(|(a, b, _, _, required)| *required || (!shared.contains(a) && !shared.contains(b)))
            .map(|(a, b, weight, time, required)| {
                let names = ((*a).clone(), (*b).clone());
                Tie { required: *required, weight: *weight, time: *time, ends: names.clone(), names }
            })
            .collect();
        let own: BTreeSet<Id> = self.known.iter().filter(|id| !rules.is_home(id)).cloned().collect();
        join(&own, ties, |set| rules.within(set) && !self.holds_forbidden(set))
    }

    fn households(
        &self,
        links: &[Link],
        persons: &[BTreeSet<Id>],
    ) -> BTreeSet<(BTreeSet<BTreeSet<Id>>, BTreeSet<Id>)> {
        let rules = &self.rules;
        let person_of = |id: &Id| persons.iter().position(|person| person.contains(id));
        let mut homes: BTreeMap<(usize, Id), Tie<Place>> = BTreeMap::new();
        let mut ties: Vec<Tie<Place>> = Vec::new();
        for (a, b, weight, time) in links.iter().filter(|(_, _, w, _)| *w >= rules.household_threshold) {
            if rules.denied.contains(a) || rules.denied.contains(b) {
                continue;
            }
            let (weight, time) = (*weight, *time);
            let tie = |ends| Tie { required: false, weight, time, names: (a.clone(), b.clone()), ends };
            match (rules.is_home(a), rules.is_home(b)) {
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
            let most = rules.shared_above.get(&(home.0.clone(), "persons".to_owned()));
            most.is_some_and(|most| residents > *most)
        };
        ties.retain(|tie| {
            [&tie.ends.0, &tie.ends.1].into_iter().all(|(_, home)| !home.as_ref().is_some_and(crowded))
        });
        let mut places: BTreeSet<Place> = (0..persons.len()).map(|person| (Some(person), None)).collect();
        places.extend(self.known.iter().filter(|id| rules.is_home(id)).map(|id| (None, Some(id.clone()))));
        let households = join(&places, ties, |set| {
            let people = set.iter().filter(|(person, _)| person.is_some()).count();
            rules.max_persons.is_none_or(|most| people <= most)
        });
        households
            .into_iter()
            .map(|set| {
                let people =
                    set.iter().filter_map(|(person, _)| person.map(|at| persons[at].clone())).collect();
                let homes = set.iter().filter_map(|(_, home)| home.clone()).collect();
                (people, homes)
            })
            .filter(|(people, homes): &(BTreeSet<BTreeSet<Id>>, BTreeSet<Id>)| {
                !people.is_empty() && !homes.is_empty()
            })
            .collect()
    }
}
