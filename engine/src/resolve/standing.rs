//! A component that a limit cuts, as it stands, and what a change to it changes.
//!
//! A link that comes in can move the cut anywhere in a component, but mostly it
//! moves it nowhere. What a change can reach is worked out in the order of the
//! cut, from the changed edges on: two sets of nodes that are the same as before
//! are joined or held back as before, so only edges at sets that differ are
//! decided again.

mod around;

use std::cmp::Ordering;

use hashbrown::HashMap;
use petgraph::unionfind::UnionFind;

use super::{Edge, Limits, by_strength, cut};
use crate::model::HeldBackBy;

/// Namespace and value of a node, for the order among equal edges.
pub(crate) type Name = (String, String);

/// The part of a node that is in none yet.
const NOWHERE: usize = usize::MAX;

/// A component that a limit cuts, as it was settled last, with what came since.
#[derive(Default)]
pub(crate) struct Standing {
    kinds: Vec<u16>,
    names: Vec<Name>,
    edges: Vec<Edge>,
    /// For each edge, what holds it back.
    held: Vec<Option<HeldBackBy>>,
    /// For each node, the least node of its part.
    part: Vec<usize>,
    /// For each node, its edges.
    at: Vec<Vec<usize>>,
    /// For each node, those of its edges that are not held back.
    joining: Vec<Vec<usize>>,
    /// Which edge joins two nodes, the lower first.
    between: HashMap<(usize, usize), usize>,
    /// The edges, strongest first.
    order: Vec<usize>,
    forbidden: Vec<(usize, usize)>,
    /// The edges that changed since it was settled, with what they were; `None` is new.
    changed: HashMap<usize, Option<Edge>>,
    /// The nodes that came since it was settled.
    fresh: Vec<usize>,
}

/// What settling came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Settled {
    /// Edges that are held back otherwise than before.
    pub(crate) held: Vec<usize>,
    /// All parts that differ from those before, whole: they are made of the same
    /// nodes as some parts before, and of new ones.
    pub(crate) parts: Vec<Vec<usize>>,
}

impl Standing {
    /// A component that was settled: its nodes, its edges with what holds them
    /// back, and pairs of nodes that may not share a part.
    pub(crate) fn new(
        nodes: Vec<(u16, Name)>,
        edges: &[Edge],
        held: &[Option<HeldBackBy>],
        forbidden: Vec<(usize, usize)>,
    ) -> Self {
        let mut sets = UnionFind::new(nodes.len());
        for (edge, _) in edges.iter().zip(held).filter(|(_, held)| held.is_none()) {
            sets.union(edge.a, edge.b);
        }
        let mut standing = Self {
            part: least_of_each(&sets.into_labeling()),
            at: vec![Vec::new(); nodes.len()],
            joining: vec![Vec::new(); nodes.len()],
            edges: edges.to_vec(),
            held: held.to_vec(),
            forbidden,
            ..Self::default()
        };
        (standing.kinds, standing.names) = nodes.into_iter().unzip();
        for (at, edge) in edges.iter().enumerate() {
            standing.attach(at, edge);
        }
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_unstable_by(|x, y| standing.compare(&standing.edges[*x], &standing.edges[*y]));
        standing.order = order;
        standing
    }

    fn attach(&mut self, at: usize, edge: &Edge) {
        for end in [edge.a, edge.b] {
            self.at[end].push(at);
            if self.held[at].is_none() {
                self.joining[end].push(at);
            }
        }
        self.between.insert((edge.a.min(edge.b), edge.a.max(edge.b)), at);
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The kind and the name of a node.
    pub(crate) fn node(&self, node: usize) -> (u16, &Name) {
        (self.kinds[node], &self.names[node])
    }

    /// What holds an edge back, as it was settled last.
    pub(crate) fn held(&self, edge: usize) -> Option<HeldBackBy> {
        self.held[edge]
    }

    pub(crate) fn has_forbidden(&self) -> bool {
        !self.forbidden.is_empty()
    }

    /// The stronger first. Of two edges between different pairs one always is.
    fn compare(&self, x: &Edge, y: &Edge) -> Ordering {
        let names = |edge: &Edge| {
            let (a, b) = (&self.names[edge.a], &self.names[edge.b]);
            if a <= b { (a, b) } else { (b, a) }
        };
        by_strength(x, y).then_with(|| names(x).cmp(&names(y)))
    }

    /// Where an edge stands, or belongs, in the order.
    fn rank(&self, at: usize) -> Result<usize, usize> {
        let edge = &self.edges[at];
        self.order.binary_search_by(|other| self.compare(&self.edges[*other], edge))
    }

    pub(crate) fn add_node(&mut self, kind: u16, name: Name) -> usize {
        let node = self.kinds.len();
        self.kinds.push(kind);
        self.names.push(name);
        self.part.push(NOWHERE);
        self.at.push(Vec::new());
        self.joining.push(Vec::new());
        self.fresh.push(node);
        node
    }

    /// Sets what joins two nodes; gives its place among the edges.
    pub(crate) fn set_edge(&mut self, edge: Edge) -> usize {
        let ends = (edge.a.min(edge.b), edge.a.max(edge.b));
        let at = match self.between.get(&ends) {
            Some(at) => {
                let at = *at;
                if let Ok(rank) = self.rank(at) {
                    self.order.remove(rank);
                }
                self.changed.entry(at).or_insert(Some(self.edges[at]));
                self.edges[at] = edge;
                at
            }
            None => {
                let at = self.edges.len();
                self.edges.push(edge);
                self.held.push(None);
                self.attach(at, &edge);
                self.changed.insert(at, None);
                at
            }
        };
        let (Ok(rank) | Err(rank)) = self.rank(at);
        self.order.insert(rank, at);
        at
    }

    /// Cuts it again after what came since; says what is otherwise than before.
    ///
    /// O(l log l) for the l edges at sets that differ from those before somewhere
    /// in the order; O(k α(k)) for all k edges where those are many.
    pub(crate) fn settle(&mut self, limits: &Limits) -> Settled {
        let fresh = std::mem::take(&mut self.fresh);
        let changed = std::mem::take(&mut self.changed);
        // A forbidden pair may lie anywhere in the sets that are joined.
        let around = if self.has_forbidden() { None } else { around::replay(self, limits, &fresh, &changed) };
        match around {
            Some((held, parts)) => {
                let mut labels = HashMap::new();
                for part in &parts {
                    let least = part.iter().copied().min().unwrap_or(NOWHERE);
                    labels.extend(part.iter().map(|node| (*node, least)));
                }
                self.take(held, &labels.into_iter().collect::<Vec<_>>())
            }
            None => self.replay(limits),
        }
    }

    /// Cuts all of it again.
    fn replay(&mut self, limits: &Limits) -> Settled {
        let mut held = vec![None; self.edges.len()];
        let mut sets = UnionFind::new(self.kinds.len());
        cut(&self.kinds, &self.edges, &self.order, limits, &self.forbidden, &mut sets, &mut held);
        let labels = least_of_each(&sets.into_labeling());
        let labels: Vec<(usize, usize)> = labels.into_iter().enumerate().collect();
        self.take(held.into_iter().enumerate().collect(), &labels)
    }

    /// Takes what came out: what holds edges back, and for nodes, with whole
    /// parts of before and now, the least of their part.
    fn take(&mut self, held: Vec<(usize, Option<HeldBackBy>)>, labels: &[(usize, usize)]) -> Settled {
        let mut settled = Settled::default();
        for (at, held) in held {
            if self.held[at] == held {
                continue;
            }
            for end in [self.edges[at].a, self.edges[at].b] {
                match (self.held[at].is_none(), held.is_none()) {
                    (true, false) => self.joining[end].retain(|known| *known != at),
                    (false, true) => self.joining[end].push(at),
                    _ => {}
                }
            }
            self.held[at] = held;
            settled.held.push(at);
        }
        // A part that is what it was has the same least node, and all its nodes say so.
        let mut touched: Vec<usize> = labels
            .iter()
            .filter(|(node, label)| self.part[*node] != *label)
            .flat_map(|(node, label)| [self.part[*node], *label])
            .collect();
        touched.sort_unstable();
        touched.dedup();
        let is_touched = |label: usize| touched.binary_search(&label).is_ok();
        let mut place: HashMap<usize, usize> = HashMap::new();
        for (node, label) in labels {
            if is_touched(*label) || is_touched(self.part[*node]) {
                let at = *place.entry(*label).or_insert_with(|| {
                    settled.parts.push(Vec::new());
                    settled.parts.len() - 1
                });
                settled.parts[at].push(*node);
            }
        }
        for (node, label) in labels {
            self.part[*node] = *label;
        }
        settled.held.sort_unstable();
        for part in &mut settled.parts {
            part.sort_unstable();
        }
        settled.parts.sort_unstable();
        settled
    }
}

/// For each node the least of those with the same label.
fn least_of_each(labels: &[usize]) -> Vec<usize> {
    let mut least = vec![NOWHERE; labels.len()];
    labels
        .iter()
        .enumerate()
        .map(|(node, label)| {
            if least[*label] == NOWHERE {
                least[*label] = node;
            }
            least[*label]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{NamespaceId, Timestamp};

    /// A change: an edge between two nodes (numbers past the last are new nodes).
    type Change = (usize, usize, u8, u8);

    fn apply(standing: &mut Standing, changes: &[Change]) {
        for (a, b, weight, last) in changes {
            let mut node = |wanted: usize| {
                while standing.kinds.len() <= wanted {
                    let node = standing.kinds.len();
                    // Names in another order than numbers.
                    standing.add_node((node % 3) as u16, ("n".into(), format!("{:03}", (node * 7) % 101)));
                }
                wanted
            };
            let (a, b) = (node(*a), node(*b));
            if a == b {
                continue;
            }
            let known = standing.between.get(&(a.min(b), a.max(b))).map(|at| standing.edges[*at]);
            let mut edge = Edge {
                a,
                b,
                weight: f64::from(*weight) / 8.0,
                last_seen: Timestamp::from_micros(i64::from(*last)).unwrap_or_default(),
                required: false,
            };
            if let Some(known) = known {
                edge.weight = edge.weight.max(known.weight);
                edge.last_seen = edge.last_seen.max(known.last_seen);
            }
            standing.set_edge(edge);
        }
    }

    fn limits() -> Limits {
        let by_kind = [(NamespaceId::new(0), 1), (NamespaceId::new(1), 2)];
        Limits::of_person(Some(5), &by_kind)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is worked out around the changes is what a cut of the whole gives.
        #[test]
        fn around_what_changed_is_all_that_changes(
            rounds in prop::collection::vec(
                prop::collection::vec((0..24usize, 0..24usize, 0..8u8, 0..4u8), 1..6),
                1..12,
            ),
        ) {
            let (mut around, mut whole) = (Standing::default(), Standing::default());
            for changes in rounds {
                apply(&mut around, &changes);
                apply(&mut whole, &changes);
                let (fresh, changed) = (around.fresh.clone(), around.changed.clone());
                prop_assert!(around::replay(&around, &limits(), &fresh, &changed).is_some());
                let by_part = around.settle(&limits());
                (whole.fresh, whole.changed) = Default::default();
                prop_assert_eq!(by_part, whole.replay(&limits()));
                prop_assert_eq!(&around.held, &whole.held);
                prop_assert_eq!(&around.part, &whole.part);
            }
        }
    }

    #[test]
    fn what_changes_nothing_says_so() {
        let mut standing = Standing::default();
        apply(&mut standing, &[(0, 1, 8, 0), (1, 3, 4, 0)]);
        // Two of kind 0, which may be there once: the weaker edge is held back.
        let settled = standing.settle(&limits());
        assert_eq!(settled.parts, [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(settled.held, [1]);
        apply(&mut standing, &[(1, 3, 5, 1)]);
        assert_eq!(standing.settle(&limits()), Settled::default());
        apply(&mut standing, &[(1, 4, 3, 1)]);
        assert_eq!(standing.settle(&limits()).parts, [vec![0, 1, 4]]);
        // Stronger than what was there: the other side is held back now.
        apply(&mut standing, &[(1, 3, 8, 1)]);
        let settled = standing.settle(&limits());
        assert_eq!(settled.parts, [vec![0], vec![1, 3, 4]]);
        assert_eq!(settled.held, [0, 1]);
    }
}
