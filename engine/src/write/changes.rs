//! What a write changed, told as events.

use std::collections::BTreeMap;

use petgraph::unionfind::UnionFind;

use super::overlay::Overlay;
use crate::codec::{EventRow, PersonEventRow, StoredChange, StoredShare};
use crate::model::{HouseholdId, IdentifierId, PersonId};

/// Identifiers of one old person, or of none, that went to one new person.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) from: Option<PersonId>,
    pub(crate) to: PersonId,
    pub(crate) count: u32,
    /// Those whose rows moved; empty where they stayed.
    pub(crate) moved: Vec<IdentifierId>,
}

/// A person or place whose household is another than it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HouseholdStep {
    /// `None` for a place.
    pub(crate) person: Option<PersonId>,
    pub(crate) from: Option<HouseholdId>,
    pub(crate) to: Option<HouseholdId>,
}

impl Overlay {
    /// Tells who went where: one event for persons that have to do with each other.
    pub(crate) fn note_persons(&mut self, tallies: Vec<Tally>) {
        let pairs: Vec<(Option<PersonId>, PersonId)> =
            tallies.iter().map(|tally| (tally.from, tally.to)).collect();
        for group in groups(&pairs, |(from, to)| (from.map(PersonId::get), Some(to.get()))) {
            let shares: Vec<&Tally> = group.iter().map(|at| &tallies[*at]).collect();
            if let [only] = shares.as_slice()
                && only.from == Some(only.to)
            {
                continue;
            }
            let ids = |ids: Vec<u64>| {
                let mut ids = ids;
                ids.sort_unstable();
                ids.dedup();
                ids
            };
            let before = ids(shares.iter().filter_map(|share| share.from).map(PersonId::get).collect());
            let after = ids(shares.iter().map(|share| share.to.get()).collect());
            let mut shares: Vec<StoredShare> = shares
                .into_iter()
                .map(|share| {
                    let mut identifiers: Vec<u32> = share.moved.iter().map(|id| id.get()).collect();
                    identifiers.sort_unstable();
                    StoredShare {
                        from: share.from.map(PersonId::get),
                        to: share.to.get(),
                        count: share.count,
                        identifiers,
                    }
                })
                .collect();
            shares.sort_by_key(|share| (share.from, share.to));
            self.note(StoredChange::Persons { before, after, shares });
        }
    }

    /// Tells whose household is another now: one event for households that have to do with each other.
    pub(crate) fn note_households(&mut self, steps: &[HouseholdStep]) {
        let ends = |step: &HouseholdStep| (step.from.map(HouseholdId::get), step.to.map(HouseholdId::get));
        for group in groups(steps, ends) {
            let mut before: Vec<u64> =
                group.iter().filter_map(|at| steps[*at].from).map(HouseholdId::get).collect();
            let mut after: Vec<u64> =
                group.iter().filter_map(|at| steps[*at].to).map(HouseholdId::get).collect();
            for ids in [&mut before, &mut after] {
                ids.sort_unstable();
                ids.dedup();
            }
            let mut moved: Vec<(u64, Option<u64>, Option<u64>)> = group
                .iter()
                .filter_map(|at| {
                    let (from, to) = ends(&steps[*at]);
                    Some((steps[*at].person?.get(), from, to))
                })
                .collect();
            moved.sort_unstable();
            self.note(StoredChange::Households { before, after, moved });
        }
    }

    /// Keeps a change as an event of the write at hand.
    pub(super) fn note(&mut self, change: StoredChange) {
        let seq = self.counters.seq;
        let index = if self.event_place.0 == seq { self.event_place.1 } else { 0 };
        self.event_place = (seq, index + 1);
        for person in change.persons() {
            self.person_events.put((person, seq, index), PersonEventRow);
        }
        let time = self.now.micros().max(self.counters.time);
        self.events.put((seq, index), EventRow { time, cause: self.cause.clone(), change });
    }
}

/// Groups edges between old and new that are connected; an absent end connects nothing.
fn groups<E>(edges: &[E], ends: impl Fn(&E) -> (Option<u64>, Option<u64>)) -> Vec<Vec<usize>> {
    // An old and a new id of the same number are one node: it carries on.
    let mut node: BTreeMap<u64, usize> = BTreeMap::new();
    for edge in edges {
        let (from, to) = ends(edge);
        for id in from.into_iter().chain(to) {
            let next = node.len();
            node.entry(id).or_insert(next);
        }
    }
    let mut sets: UnionFind<usize> = UnionFind::new(node.len());
    for edge in edges {
        if let (Some(from), Some(to)) = ends(edge) {
            sets.union(node[&from], node[&to]);
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, edge) in edges.iter().enumerate() {
        let (from, to) = ends(edge);
        if let Some(id) = from.or(to) {
            groups.entry(sets.find(node[&id])).or_default().push(at);
        }
    }
    groups.into_values().collect()
}
