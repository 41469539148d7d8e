//! What would part two nodes of a graph: single edges, and the cheapest set of
//! edges. Pure functions over indices, as those of `graph` are.

use std::collections::VecDeque;

use petgraph::unionfind::UnionFind;

use super::graph::Graph;

/// The bridges that lie between two nodes: the edges of which each alone, taken
/// away, parts them. In their order from `from`; none where no path leads to `to`.
///
/// One depth-first pass with low points (Tarjan, "A note on finding the bridges
/// of a graph", 1974), O(n + m).
pub(super) fn bridges_between(graph: &Graph, from: usize, to: usize) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let mut met = vec![UNSEEN; graph.nodes()];
    // The earliest node that each node's subtree reaches by an edge outside the tree.
    let mut low = vec![UNSEEN; graph.nodes()];
    let mut came_by = vec![UNSEEN; graph.nodes()];
    let mut next_end = vec![0; graph.nodes()];
    let mut stack = vec![from];
    let mut clock = 0;
    (met[from], low[from]) = (clock, clock);
    while let Some(&node) = stack.last() {
        let Some((next, edge)) = graph.around(node).get(next_end[node]) else {
            stack.pop();
            if let Some(&parent) = stack.last() {
                low[parent] = low[parent].min(low[node]);
            }
            continue;
        };
        next_end[node] += 1;
        if *edge == came_by[node] {
            continue;
        }
        if met[*next] == UNSEEN {
            clock += 1;
            (met[*next], low[*next]) = (clock, clock);
            came_by[*next] = *edge;
            stack.push(*next);
        } else {
            low[node] = low[node].min(met[*next]);
        }
    }

    let mut bridges = Vec::new();
    let mut at = to;
    while at != from && came_by[at] != UNSEEN {
        if low[at] == met[at] {
            bridges.push(came_by[at]);
        }
        at = graph.other(came_by[at], at);
    }
    bridges.reverse();
    bridges
}

/// A minimum cut.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MinCut {
    /// The edges that cross, ascending.
    pub(super) edges: Vec<usize>,
    /// For each node, whether it is on the side of the first of the two.
    pub(super) near: Vec<bool>,
}

/// The set of edges with the least sum of weights whose removal parts two nodes;
/// of several such sets the one nearest to `from`. `None` where a path of
/// required edges joins the two (or they are one): those have no price.
///
/// A maximum flow between them by Dinic's algorithm ("Algorithm for solution of a
/// problem of maximum flow in networks with power estimation", 1970), with
/// required edges contracted; O(n² m) at worst, and far from it where the flow
/// is bounded by the few links of one end. What the flow leaves reachable from
/// `from` is the same for every maximum flow (Ford and Fulkerson, "Flows in
/// Networks", 1962), so that the cut depends on the graph alone. Capacities are
/// whole numbers, so that a full edge is exactly full: weights rounded to
/// 2⁻⁴⁰, coarser only beyond four million edges.
pub(super) fn min_cut(graph: &Graph, from: usize, to: usize) -> Option<MinCut> {
    let mut required = UnionFind::new(graph.nodes());
    for edge in graph.edges.iter().filter(|edge| edge.strength.is_infinite()) {
        required.union(edge.a, edge.b);
    }
    let node_of = required.into_labeling();
    if node_of[from] == node_of[to] {
        return None;
    }
    let mut flow = Flow::new(graph, &node_of);
    flow.saturate(node_of[from], node_of[to]);
    let reached = flow.levels(node_of[from], None);
    let near: Vec<bool> = node_of.iter().map(|node| reached[*node] != UNREACHED).collect();
    let crosses = |at: &usize| near[graph.edges[*at].a] != near[graph.edges[*at].b];
    let edges = (0..graph.edges.len()).filter(crosses).collect();
    Some(MinCut { edges, near })
}

const UNREACHED: u32 = u32::MAX;

/// A network in which flow is pushed. Arc `2k` and arc `2k + 1` are the two
/// directions of an edge; what goes along one is given to the other.
struct Flow {
    head: Vec<usize>,
    room: Vec<u64>,
    first: Vec<usize>,
    arcs: Vec<usize>,
}

impl Flow {
    fn new(graph: &Graph, node_of: &[usize]) -> Self {
        // All capacities together stay below 2⁶³, however many edges of weight 1 there are.
        let bits = 62_u32.saturating_sub(usize::BITS - graph.edges.len().leading_zeros()).min(40);
        let unit = (1_u64 << bits) as f64;
        let mut head = Vec::with_capacity(2 * graph.edges.len());
        let mut room = Vec::with_capacity(2 * graph.edges.len());
        for edge in &graph.edges {
            let (a, b) = (node_of[edge.a], node_of[edge.b]);
            if a != b {
                head.extend([b, a]);
                let capacity = ((edge.strength * unit).round() as u64).max(1);
                room.extend([capacity, capacity]);
            }
        }
        let mut first = vec![0; graph.nodes() + 1];
        for arc in 0..head.len() {
            first[head[arc ^ 1] + 1] += 1;
        }
        for node in 0..graph.nodes() {
            first[node + 1] += first[node];
        }
        let mut free = first.clone();
        let mut arcs = vec![0; head.len()];
        for arc in 0..head.len() {
            let tail = head[arc ^ 1];
            arcs[free[tail]] = arc;
            free[tail] += 1;
        }
        Self { head, room, first, arcs }
    }

    /// How many arcs with room it takes to each node from `from`; not beyond `to`, if that is given.
    fn levels(&self, from: usize, to: Option<usize>) -> Vec<u32> {
        let mut level = vec![UNREACHED; self.first.len() - 1];
        let mut queue = VecDeque::from([from]);
        level[from] = 0;
        while let Some(node) = queue.pop_front() {
            for arc in &self.arcs[self.first[node]..self.first[node + 1]] {
                let next = self.head[*arc];
                if self.room[*arc] > 0 && level[next] == UNREACHED {
                    level[next] = level[node] + 1;
                    if Some(next) == to {
                        return level;
                    }
                    queue.push_back(next);
                }
            }
        }
        level
    }

    /// Pushes as much as can be pushed.
    fn saturate(&mut self, from: usize, to: usize) {
        loop {
            let level = self.levels(from, Some(to));
            if level[to] == UNREACHED {
                return;
            }
            self.block(from, to, &level);
        }
    }

    /// Pushes along shortest paths until each has a full arc.
    fn block(&mut self, from: usize, to: usize, level: &[u32]) {
        let mut next = self.first.clone();
        let mut path: Vec<usize> = Vec::new();
        let mut at = from;
        loop {
            if at == to {
                let pushed = path.iter().map(|arc| self.room[*arc]).min().unwrap_or(0);
                for arc in &path {
                    self.room[*arc] -= pushed;
                    self.room[*arc ^ 1] += pushed;
                }
                let full = path.iter().position(|arc| self.room[*arc] == 0).unwrap_or(0);
                at = path.get(full).map_or(from, |arc| self.head[*arc ^ 1]);
                path.truncate(full);
                continue;
            }
            let onward = (next[at]..self.first[at + 1]).find(|place| {
                let arc = self.arcs[*place];
                self.room[arc] > 0 && level[self.head[arc]] == level[at] + 1
            });
            next[at] = onward.unwrap_or(self.first[at + 1]);
            match onward {
                Some(place) => {
                    path.push(self.arcs[place]);
                    at = self.head[self.arcs[place]];
                }
                None => {
                    let Some(back) = path.pop() else { return };
                    at = self.head[back ^ 1];
                    next[at] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::graph::Edge;
    use super::super::graph::tests::{all_paths, graphs};
    use super::*;

    fn weight(graph: &Graph, edges: &[usize]) -> f64 {
        edges.iter().map(|edge| graph.edges[*edge].strength).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn bridges_are_the_edges_of_every_path(graph in graphs(0)) {
            let to = graph.nodes() - 1;
            let paths = all_paths(&graph, 0, to);
            let mut expected: Vec<usize> = paths.first().cloned().unwrap_or_default();
            expected.retain(|edge| paths.iter().all(|path| path.contains(edge)));
            prop_assert_eq!(bridges_between(&graph, 0, to), expected);
        }

        #[test]
        fn the_cut_is_the_lightest_of_all_cuts_and_parts(graph in graphs(0)) {
            let to = graph.nodes() - 1;
            // Every way to put each node but the two on one side.
            let lightest = (0..1_u32 << (to - 1))
                .map(|sides| {
                    let near = |node: usize| node == 0 || (node != to && sides >> (node - 1) & 1 == 1);
                    let cut = graph.edges.iter().filter(|edge| near(edge.a) != near(edge.b));
                    cut.map(|edge| edge.strength).sum::<f64>()
                })
                .fold(f64::INFINITY, f64::min);
            match min_cut(&graph, 0, to) {
                None => prop_assert!(lightest.is_infinite()),
                Some(cut) => {
                    prop_assert!((weight(&graph, &cut.edges) - lightest).abs() < 1e-9);
                    prop_assert!(cut.near[0] && !cut.near[to]);
                    for path in all_paths(&graph, 0, to) {
                        prop_assert!(path.iter().any(|edge| cut.edges.contains(edge)));
                    }
                }
            }
        }
    }

    #[test]
    fn of_several_cuts_the_nearest_is_told() {
        let link = |a, b| Edge { a, b, strength: 0.5, stops: 0 };
        let graph = Graph::new(4, vec![link(2, 3), link(1, 2), link(0, 1)]);
        let cut = min_cut(&graph, 0, 3).expect("nothing is required");
        assert_eq!(cut, MinCut { edges: vec![2], near: vec![true, false, false, false] });
        assert_eq!(bridges_between(&graph, 0, 3), [2, 1, 0]);
    }

    #[test]
    fn a_large_person_is_no_burden() {
        // Two rings of 50,000 with chords, joined by three links.
        let half = 50_000;
        let ring = |base: usize| {
            (0..half).flat_map(move |at| [1, 7, 1009].map(|step| (base + at, base + (at + step) % half)))
        };
        let mut edges: Vec<Edge> =
            ring(0).chain(ring(half)).map(|(a, b)| Edge { a, b, strength: 0.9, stops: 0 }).collect();
        for (at, strength) in [(11, 0.5), (30_000, 0.6), (49_000, 0.7)] {
            edges.push(Edge { a: at, b: half + at / 2, strength, stops: 0 });
        }
        let joins = edges.len() - 3;
        let graph = Graph::new(2 * half, edges);
        let cut = min_cut(&graph, 3, half + 17).expect("nothing is required");
        assert_eq!(cut.edges, [joins, joins + 1, joins + 2]);
        assert_eq!(cut.near.iter().filter(|near| **near).count(), half);
        assert_eq!(bridges_between(&graph, 3, half + 17), Vec::<usize>::new());
    }
}
