//! Resolution: which nodes are one. Pure functions over small graphs; they know
//! no storage, and serve persons and households alike.
//!
//! A node stands for an identifier (persons) or for a person or a
//! household-scope identifier (households); its *kind* is what limits count: a
//! namespace, or "person". The result is a function of the graph alone, whatever
//! order its nodes and edges are given in.

mod standing;
mod succession;

use std::cmp::Ordering;

use hashbrown::HashMap;
use petgraph::unionfind::UnionFind;

pub(crate) use standing::{Name, Settled, Standing};
pub(crate) use succession::{Ancestor, succeed};

use crate::model::{HeldBackBy, HouseholdMember, NamespaceId, Timestamp};

/// The kind of a person among the nodes of a household.
const PERSON: u16 = 0;
/// The kind of an identifier among the nodes of a household.
const PLACE: u16 = 1;

/// What the limits of a household count a member as.
pub(crate) fn household_kind(member: &HouseholdMember) -> u16 {
    match member {
        HouseholdMember::Person(_) => PERSON,
        HouseholdMember::Identifier(_) => PLACE,
    }
}

/// An edge that conducts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    /// Its ends, as places in the list of nodes.
    pub(crate) a: usize,
    pub(crate) b: usize,
    pub(crate) weight: f64,
    pub(crate) last_seen: Timestamp,
    /// Required by an override: it goes before all others.
    pub(crate) required: bool,
}

/// What a part may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// The most nodes of any kind, with the reason to give.
    pub(crate) total: Option<(u32, HeldBackBy)>,
    /// The most nodes of one kind, with the reason to give; ordered by kind.
    pub(crate) by_kind: Vec<(u16, u32, HeldBackBy)>,
}

impl Limits {
    /// The limits of a person; kinds are namespaces.
    pub(crate) fn of_person(max_identifiers: Option<u32>, max_per_person: &[(NamespaceId, u32)]) -> Self {
        let mut by_kind: Vec<_> = max_per_person
            .iter()
            .map(|(namespace, most)| (namespace.get(), *most, HeldBackBy::MaxPerPerson(*namespace)))
            .collect();
        by_kind.sort_by_key(|(kind, ..)| *kind);
        Self { total: max_identifiers.map(|most| (most, HeldBackBy::MaxIdentifiers)), by_kind }
    }

    /// The limits of a household.
    pub(crate) fn of_household(max_persons: Option<u32>) -> Self {
        let by_kind = max_persons.iter().map(|most| (PERSON, *most, HeldBackBy::MaxPersons)).collect();
        Self { total: None, by_kind }
    }

    /// How many a limit allows; `None` where there is no such limit.
    pub(crate) fn allowed(&self, by: HeldBackBy) -> Option<u32> {
        let of_kinds = self.by_kind.iter().map(|(_, most, reason)| (*most, *reason));
        self.total.into_iter().chain(of_kinds).find(|(_, reason)| *reason == by).map(|(most, _)| most)
    }

    /// What one node of a kind counts: only kinds with a limit are counted by themselves.
    fn count(&self, kind: u16) -> Counts {
        let is_limited = self.by_kind.iter().any(|(limited, ..)| *limited == kind);
        Counts { total: 1, by_kind: if is_limited { vec![(kind, 1)] } else { Vec::new() } }
    }

    /// The limit that a set with these counts breaks, if any: the total first, then by kind ascending.
    pub(crate) fn broken(&self, counts: &Counts) -> Option<HeldBackBy> {
        self.broken_by_both(counts, &Counts::default())
    }

    /// Tells of every set that breaks a limit, once for each. Nodes are numbers
    /// below `count`; `kind` is `None` for one that is in no set, and `root`
    /// names the set of every other. O(count) for each limit.
    pub(crate) fn each_broken(
        &self,
        count: usize,
        kind: impl Fn(u32) -> Option<u16>,
        root: impl Fn(u32) -> u32,
        mut tell: impl FnMut(u32),
    ) {
        let mut counts = vec![0_u32; count];
        let total = self.total.map(|(most, _)| (None, most));
        let by_kind = self.by_kind.iter().map(|(kind, most, _)| (Some(*kind), *most));
        for (counted, most) in total.into_iter().chain(by_kind) {
            counts.fill(0);
            for node in 0..count as u32 {
                let Some(kind) = kind(node) else { continue };
                if counted.is_none_or(|counted| counted == kind) {
                    let root = root(node);
                    counts[root as usize] += 1;
                    if counts[root as usize] == most.saturating_add(1) {
                        tell(root);
                    }
                }
            }
        }
    }

    /// The limit that two sets break together.
    fn broken_by_both(&self, a: &Counts, b: &Counts) -> Option<HeldBackBy> {
        if let Some((most, reason)) = self.total
            && a.total + b.total > most
        {
            return Some(reason);
        }
        let broken = self.by_kind.iter().find(|(kind, most, _)| a.of(*kind) + b.of(*kind) > *most);
        broken.map(|(.., reason)| *reason)
    }
}

/// How many nodes of each kind a set holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: u32,
    /// Ordered by kind.
    pub(crate) by_kind: Vec<(u16, u32)>,
}

impl Counts {
    pub(crate) fn of(&self, kind: u16) -> u32 {
        self.by_kind.binary_search_by_key(&kind, |(k, _)| *k).map_or(0, |at| self.by_kind[at].1)
    }

    pub(crate) fn add(&mut self, kind: u16, count: u32) {
        self.total += count;
        match self.by_kind.binary_search_by_key(&kind, |(k, _)| *k) {
            Ok(at) => self.by_kind[at].1 += count,
            Err(at) => self.by_kind.insert(at, (kind, count)),
        }
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        let total = self.total + other.total;
        for (kind, count) in &other.by_kind {
            self.add(*kind, *count);
        }
        // Not every kind has to be counted by itself.
        self.total = total;
    }
}

/// The parts that a graph falls into.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Partition {
    /// The nodes of each part, ascending.
    pub(crate) parts: Vec<Vec<usize>>,
    /// For each part, the raw component that it is of, if a limit cuts that: its place among those cut.
    pub(crate) cut: Vec<Option<usize>>,
    /// For each raw component that is cut, how many edges it has.
    pub(crate) cut_edges: Vec<u64>,
    /// For each edge, what holds it back.
    pub(crate) held: Vec<Option<HeldBackBy>>,
}

/// Parts a graph into persons or households.
///
/// A component that breaks no limit is one part. Another is cut: its edges are
/// taken *required first, then weight descending, last event time descending,
/// then as `order_ties` says*, and each joins its two sides if the joined set
/// breaks no limit, or else is held back.
///
/// `kinds` gives the kind of each node, and `forbidden` pairs of nodes that may
/// not share a part. `order_ties` is given the edges of all components that are
/// cut (as places in `edges`) and returns for each its place among them; that
/// order must be total and depend on nothing but what the edges join. It is
/// asked only where a component is cut.
///
/// O((n + m) α(n)) where nothing is cut; a cut component of k edges adds O(k log k).
pub(crate) fn partition<E>(
    kinds: &[u16],
    edges: &[Edge],
    limits: &Limits,
    forbidden: &[(usize, usize)],
    mut order_ties: impl FnMut(&[usize]) -> Result<Vec<u32>, E>,
) -> Result<Partition, E> {
    let mut raw: UnionFind<usize> = UnionFind::new(kinds.len());
    for edge in edges {
        raw.union(edge.a, edge.b);
    }
    let component = raw.into_labeling();
    let mut counts = vec![Counts::default(); kinds.len()];
    for (node, kind) in kinds.iter().enumerate() {
        counts[component[node]].add(*kind, 1);
    }
    // Only the places of labels hold counts; the others are empty and break nothing.
    let mut is_cut: Vec<bool> = counts.iter().map(|counts| limits.broken(counts).is_some()).collect();
    for (a, b) in forbidden {
        if component[*a] == component[*b] {
            is_cut[component[*a]] = true;
        }
    }

    let mut partition = Partition { held: vec![None; edges.len()], ..Partition::default() };
    let mut cut_place = vec![usize::MAX; kinds.len()];
    for (label, _) in is_cut.iter().enumerate().filter(|(_, is_cut)| **is_cut) {
        cut_place[label] = partition.cut_edges.len();
        partition.cut_edges.push(0);
    }
    let mut sets = UnionFind::new(kinds.len());
    let mut contested = Vec::new();
    for (at, edge) in edges.iter().enumerate() {
        let label = component[edge.a];
        if is_cut[label] {
            partition.cut_edges[cut_place[label]] += 1;
            contested.push(at);
        } else {
            sets.union(edge.a, edge.b);
        }
    }
    if !contested.is_empty() {
        let ranks = order_ties(&contested)?;
        let mut order: Vec<(usize, u32)> = contested.into_iter().zip(ranks).collect();
        order.sort_unstable_by(|x, y| by_strength(&edges[x.0], &edges[y.0]).then(x.1.cmp(&y.1)));
        let order: Vec<usize> = order.into_iter().map(|(at, _)| at).collect();
        cut(kinds, edges, &order, limits, forbidden, &mut sets, &mut partition.held);
    }

    let labels = sets.into_labeling();
    let mut place = vec![usize::MAX; kinds.len()];
    for (node, label) in labels.iter().enumerate() {
        if place[*label] == usize::MAX {
            place[*label] = partition.parts.len();
            partition.parts.push(Vec::new());
            let raw = component[node];
            partition.cut.push(is_cut[raw].then_some(cut_place[raw]));
        }
        partition.parts[place[*label]].push(node);
    }
    Ok(partition)
}

/// The stronger edge first; what comes after among equals is for the caller to say.
pub(crate) fn by_strength(x: &Edge, y: &Edge) -> Ordering {
    let later = || y.last_seen.cmp(&x.last_seen);
    y.required.cmp(&x.required).then_with(|| y.weight.total_cmp(&x.weight)).then_with(later)
}

/// Takes edges in `order`, strongest first, and joins in `sets` what may be
/// joined; `held` says for each edge of the others what stands in its way.
///
/// O(k α(n)) for k edges, times the number of kinds that have a limit.
pub(crate) fn cut(
    kinds: &[u16],
    edges: &[Edge],
    order: &[usize],
    limits: &Limits,
    forbidden: &[(usize, usize)],
    sets: &mut UnionFind<usize>,
    held: &mut [Option<HeldBackBy>],
) {
    let mut counts: Vec<Counts> = kinds.iter().map(|kind| limits.count(*kind)).collect();
    // For each set's root, the nodes that its members may not join.
    let mut foes: HashMap<usize, Vec<usize>> = HashMap::new();
    for (a, b) in forbidden {
        foes.entry(*a).or_default().push(*b);
        foes.entry(*b).or_default().push(*a);
    }
    for at in order {
        let (a, b) = (sets.find_mut(edges[*at].a), sets.find_mut(edges[*at].b));
        if a == b {
            continue;
        }
        held[*at] = if forbids(&foes, sets, a, b) {
            Some(HeldBackBy::Forbidden)
        } else {
            limits.broken_by_both(&counts[a], &counts[b])
        };
        if held[*at].is_none() {
            sets.union(a, b);
            let (root, gone) = if sets.find(a) == a { (a, b) } else { (b, a) };
            let moved = std::mem::take(&mut counts[gone]);
            counts[root].add_all(&moved);
            if let Some(moved) = foes.remove(&gone) {
                foes.entry(root).or_default().extend(moved);
            }
        }
    }
}

/// Whether a node in one of two sets, given by their roots, may not join one in the other.
fn forbids(foes: &HashMap<usize, Vec<usize>>, sets: &UnionFind<usize>, a: usize, b: usize) -> bool {
    let (Some(of_a), Some(of_b)) = (foes.get(&a), foes.get(&b)) else { return false };
    let (fewer, other) = if of_a.len() <= of_b.len() { (of_a, b) } else { (of_b, a) };
    fewer.iter().any(|foe| sets.find(*foe) == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(a: usize, b: usize, weight: f64, last: i64) -> Edge {
        let last_seen = Timestamp::from_micros(last).unwrap_or_default();
        Edge { a, b, weight, last_seen, required: false }
    }

    fn ranks(edges: &[usize]) -> Result<Vec<u32>, ()> {
        Ok(edges.iter().map(|at| *at as u32).collect())
    }

    const ACCOUNT: u16 = 0;
    const DEVICE: u16 = 1;

    fn one_account() -> Limits {
        Limits::of_person(None, &[(NamespaceId::new(ACCOUNT), 1)])
    }

    #[test]
    fn a_component_within_its_limits_is_one_part() {
        let edges = [edge(0, 1, 0.9, 0), edge(1, 2, 0.6, 0)];
        let parted = partition(&[ACCOUNT, DEVICE, DEVICE, DEVICE], &edges, &one_account(), &[], ranks);
        let parted = parted.expect("ranks do not fail");
        assert_eq!(parted.parts, [vec![0, 1, 2], vec![3]]);
        assert_eq!(parted.cut, [None, None]);
    }

    #[test]
    fn a_device_of_two_accounts_goes_with_the_stronger_then_the_later_link() {
        let kinds = [ACCOUNT, DEVICE, ACCOUNT];
        let held = Some(HeldBackBy::MaxPerPerson(NamespaceId::new(ACCOUNT)));
        for (edges, expected) in [
            ([edge(0, 1, 0.9, 0), edge(1, 2, 0.8, 5)], [None, held]),
            ([edge(0, 1, 0.8, 0), edge(1, 2, 0.8, 5)], [held, None]),
            ([edge(0, 1, 0.8, 0), edge(1, 2, 0.8, 0)], [None, held]),
        ] {
            let parted = partition(&kinds, &edges, &one_account(), &[], ranks).expect("ranks do not fail");
            assert_eq!(parted.held, expected);
            assert_eq!(parted.cut, [Some(0), Some(0)]);
        }
    }

    #[test]
    fn a_required_edge_goes_first_and_a_forbidden_pair_parts() {
        let mut edges = [edge(0, 1, 0.9, 0), edge(1, 2, 0.1, 0)];
        edges[1].required = true;
        let parted = partition(&[ACCOUNT, DEVICE, ACCOUNT], &edges, &one_account(), &[], ranks);
        assert_eq!(parted.expect("ranks do not fail").parts, [vec![0], vec![1, 2]]);

        let edges = [edge(0, 1, 0.9, 0), edge(1, 2, 0.8, 0)];
        let parted = partition(&[DEVICE; 3], &edges, &Limits::default(), &[(0, 2)], ranks);
        let parted = parted.expect("ranks do not fail");
        assert_eq!(parted.parts, [vec![0, 1], vec![2]]);
        assert_eq!(parted.held, [None, Some(HeldBackBy::Forbidden)]);
    }
}
