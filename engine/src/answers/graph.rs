//! A small undirected graph and the best path through it. Pure functions over
//! indices; nothing here knows a store, and nothing recurses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Edge {
    /// Its ends.
    pub(super) a: usize,
    pub(super) b: usize,
    /// Its weight, positive; infinite for a pair that is required, which no evidence has to carry.
    pub(super) strength: f64,
    /// How many things stop it.
    pub(super) stops: u32,
}

/// An undirected graph without loops. Its nodes are numbered in the order of
/// their names: that is what settles ties.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) edges: Vec<Edge>,
    /// Where each node's part of `ends` begins; one more than there are nodes.
    first: Vec<usize>,
    /// The other end and the edge, node by node.
    ends: Vec<(usize, usize)>,
}

impl Graph {
    /// A graph of `nodes` nodes. O(n + m).
    pub(super) fn new(nodes: usize, edges: Vec<Edge>) -> Self {
        let mut first = vec![0; nodes + 1];
        for edge in &edges {
            first[edge.a + 1] += 1;
            first[edge.b + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut free = first.clone();
        let mut ends = vec![(0, 0); 2 * edges.len()];
        for (at, edge) in edges.iter().enumerate() {
            for (from, to) in [(edge.a, edge.b), (edge.b, edge.a)] {
                ends[free[from]] = (to, at);
                free[from] += 1;
            }
        }
        Self { edges, first, ends }
    }

    pub(super) fn nodes(&self) -> usize {
        self.first.len() - 1
    }

    /// What a node is linked to: the other end and the edge.
    pub(super) fn around(&self, node: usize) -> &[(usize, usize)] {
        &self.ends[self.first[node]..self.first[node + 1]]
    }

    /// The end of an edge that is not `node`.
    pub(super) fn other(&self, edge: usize, node: usize) -> usize {
        let Edge { a, b, .. } = self.edges[edge];
        if a == node { b } else { a }
    }
}

/// How good the best path to a node is: fewer stops first, then the greater
/// strength of its weakest link. The greatest is the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Grade {
    stops: Reverse<u64>,
    /// The bits of the strength: those of positive floats are ordered as the floats are.
    weakest: u64,
}

impl Grade {
    /// The grade of a path of no links.
    pub(super) const BEST: Self = Self { stops: Reverse(0), weakest: f64::INFINITY.to_bits() };

    /// The grade of a path with one more link.
    pub(super) fn along(self, strength: f64, stops: u32) -> Self {
        Self {
            stops: Reverse(self.stops.0 + u64::from(stops)),
            weakest: self.weakest.min(strength.max(0.0).to_bits()),
        }
    }
}

/// The best path between two nodes: that with the fewest stops; of those the one
/// whose weakest edge is strongest; of those one of the fewest edges; of those
/// the one whose nodes, read from `from`, come first by name. The edges in their
/// order, or `None` where no path is.
///
/// Two passes of Dijkstra's algorithm ("A note on two problems in connexion with
/// graphs", 1959), O((n + m) log n). The first settles the stops and the weakest
/// edge: both only get worse along a path, and the better of two paths to a node
/// stays no worse however both go on. The number of edges would break that as a
/// third key; so the second pass counts stops and edges over those edges alone
/// that are strong enough.
pub(super) fn best_path(graph: &Graph, from: usize, to: usize) -> Option<Vec<usize>> {
    let grade = best_grade(graph, from, to)?;
    let strong = |edge: &Edge| edge.strength.max(0.0).to_bits() >= grade.weakest;

    let mut left: Vec<Option<(u64, u64)>> = vec![None; graph.nodes()];
    let mut open = BinaryHeap::from([Reverse(((0, 0), to))]);
    left[to] = Some((0, 0));
    while let Some(Reverse((cost, node))) = open.pop() {
        if left[node] != Some(cost) {
            continue;
        }
        if node == from {
            break;
        }
        for (next, edge) in graph.around(node) {
            let edge = &graph.edges[*edge];
            let (stops, hops) = (cost.0 + u64::from(edge.stops), cost.1 + 1);
            if strong(edge) && left[*next].is_none_or(|known| (stops, hops) < known) {
                left[*next] = Some((stops, hops));
                open.push(Reverse(((stops, hops), *next)));
            }
        }
    }

    let mut path = Vec::new();
    let mut at = from;
    while at != to {
        let (stops, hops) = left[at]?;
        let (next, edge) = graph
            .around(at)
            .iter()
            .filter(|(next, edge)| {
                let edge = &graph.edges[*edge];
                let onward = left[*next].map(|(s, h)| (s + u64::from(edge.stops), h + 1));
                strong(edge) && onward == Some((stops, hops))
            })
            .min()?;
        path.push(*edge);
        at = *next;
    }
    Some(path)
}

fn best_grade(graph: &Graph, from: usize, to: usize) -> Option<Grade> {
    let mut best: Vec<Option<Grade>> = vec![None; graph.nodes()];
    let mut open = BinaryHeap::from([(Grade::BEST, from)]);
    best[from] = Some(Grade::BEST);
    while let Some((grade, node)) = open.pop() {
        if node == to {
            return Some(grade);
        }
        if best[node] != Some(grade) {
            continue;
        }
        for (next, edge) in graph.around(node) {
            let edge = &graph.edges[*edge];
            let onward = grade.along(edge.strength, edge.stops);
            if best[*next].is_none_or(|known| onward > known) {
                best[*next] = Some(onward);
                open.push((onward, *next));
            }
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small graphs whose weights often tie. A third of the links of some are stopped, and a few required.
    pub(crate) fn graphs(max_stops: u32) -> impl Strategy<Value = Graph> {
        (2_usize..7).prop_flat_map(move |nodes| {
            let pairs: Vec<(usize, usize)> =
                (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect();
            let edge = (0_usize..9, 0..=2 * max_stops);
            proptest::collection::vec(edge, pairs.len()).prop_map(move |drawn| {
                let edges = pairs.iter().zip(drawn).filter_map(|((a, b), (strength, stops))| {
                    let strength = match strength {
                        0..4 => return None,
                        8 => f64::INFINITY,
                        other => (other - 3) as f64 / 5.0,
                    };
                    let stops = stops.saturating_sub(max_stops);
                    Some(Edge { a: *a, b: *b, strength, stops })
                });
                Graph::new(nodes, edges.collect())
            })
        })
    }

    /// Every simple path between two nodes, as edges.
    pub(crate) fn all_paths(graph: &Graph, from: usize, to: usize) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        let mut open = vec![(vec![from], Vec::new())];
        while let Some((nodes, edges)) = open.pop() {
            let at = nodes[nodes.len() - 1];
            if at == to {
                found.push(edges);
                continue;
            }
            for (next, edge) in graph.around(at) {
                if !nodes.contains(next) {
                    open.push(([&nodes[..], &[*next]].concat(), [&edges[..], &[*edge]].concat()));
                }
            }
        }
        found
    }

    fn nodes_of(graph: &Graph, from: usize, path: &[usize]) -> Vec<usize> {
        let mut nodes = vec![from];
        for edge in path {
            nodes.push(graph.other(*edge, nodes[nodes.len() - 1]));
        }
        nodes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_best_path_is_the_best_of_all_paths(graph in graphs(2)) {
            let order = |path: &Vec<usize>| {
                let stops: u32 = path.iter().map(|edge| graph.edges[*edge].stops).sum();
                let weakest = path.iter().map(|edge| graph.edges[*edge].strength).fold(f64::INFINITY, f64::min);
                (stops, Reverse(weakest.to_bits()), path.len(), nodes_of(&graph, 0, path))
            };
            let to = graph.nodes() - 1;
            let expected = all_paths(&graph, 0, to).into_iter().min_by_key(order);
            prop_assert_eq!(best_path(&graph, 0, to), expected);
        }
    }

    #[test]
    fn a_path_to_itself_is_empty_and_to_elsewhere_none() {
        let graph = Graph::new(3, vec![Edge { a: 0, b: 1, strength: 0.5, stops: 0 }]);
        assert_eq!(best_path(&graph, 1, 1), Some(Vec::new()));
        assert_eq!(best_path(&graph, 0, 2), None);
    }

    #[test]
    fn a_long_chain_is_no_burden() {
        let nodes = 100_000;
        let chain = (1..nodes).map(|at| Edge { a: at - 1, b: at, strength: 0.5, stops: 0 }).collect();
        let path = best_path(&Graph::new(nodes, chain), 0, nodes - 1).expect("the chain holds");
        assert_eq!(path, (0..nodes - 1).collect::<Vec<_>>());
    }
}
