//! What a change to a component that is cut can reach, and no more.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use hashbrown::{HashMap, HashSet};
use petgraph::unionfind::UnionFind;

use super::Standing;
use crate::model::HeldBackBy;
use crate::resolve::{Counts, Edge, Limits};

/// So many looks at an edge are always worth while.
const LEAST_BUDGET: usize = 4_096;

/// What holds the edges back that were decided again, and the parts now of the
/// nodes that may be elsewhere.
type Replayed = (Vec<(usize, Option<HeldBackBy>)>, Vec<Vec<usize>>);

/// Decides again, in their order, the changed edges and all that this bears on;
/// `None` where it would be less work to cut the whole.
///
/// The nodes whose set, somewhere in the order, is not what it was, are *dirty*;
/// fresh ones are from the start. Dirty nodes are whole sets, now and before:
/// when an edge at one of them joins, or did, both sides are dirty from there on.
/// An edge between two sets that are not dirty is decided as it was.
pub(super) fn replay(
    standing: &Standing,
    limits: &Limits,
    fresh: &[usize],
    changed: &HashMap<usize, Option<Edge>>,
) -> Option<Replayed> {
    let weaker = changed.iter().any(|(at, before)| {
        before.is_some_and(|before| standing.compare(&standing.edges[*at], &before) == Ordering::Greater)
    });
    if weaker {
        return None;
    }
    let mut replay = Replay {
        standing,
        limits,
        budget: LEAST_BUDGET.max(standing.edges.len() / 8),
        place: HashMap::new(),
        nodes: Vec::new(),
        sets: UnionFind::new(0),
        counts: Vec::new(),
        queue: BinaryHeap::new(),
        queued: changed.keys().copied().collect(),
        followed: 0,
        decided: HashMap::new(),
    };
    for node in fresh {
        replay.make_dirty(&[*node]);
    }
    replay.queue.extend(changed.keys().map(|at| Reverse(Ranked { at: *at, standing })));
    while let Some(Reverse(next)) = replay.queue.pop() {
        replay.decide(next.at, changed.get(&next.at).is_some_and(Option::is_none))?;
    }
    let Replay { nodes, sets, decided, .. } = replay;
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, label) in nodes.iter().zip(sets.into_labeling()) {
        parts[label].push(*node);
    }
    parts.retain(|part| !part.is_empty());
    Some((decided.into_iter().collect(), parts))
}

struct Replay<'s> {
    standing: &'s Standing,
    limits: &'s Limits,
    /// How many looks at edges are left.
    budget: usize,
    /// Dirty nodes, by their place in `nodes`.
    place: HashMap<usize, usize>,
    nodes: Vec<usize>,
    sets: UnionFind<usize>,
    /// What the set holds that a place is the root of.
    counts: Vec<Counts>,
    queue: BinaryHeap<Reverse<Ranked<'s>>>,
    queued: HashSet<usize>,
    /// How many of the dirty nodes had their edges queued.
    followed: usize,
    decided: HashMap<usize, Option<HeldBackBy>>,
}

impl Replay<'_> {
    fn decide(&mut self, at: usize, is_new: bool) -> Option<()> {
        let edge = &self.standing.edges[at];
        let sides = [self.side(edge.a, at)?, self.side(edge.b, at)?];
        let together = match &sides {
            [Side::Dirty(a), Side::Dirty(b)] => a == b,
            [Side::Clean(nodes, _), Side::Clean(..)] => nodes.contains(&edge.b),
            _ => false,
        };
        if together {
            self.decided.insert(at, None);
            return Some(());
        }
        let held = self.limits.broken_by_both(self.counts_of(&sides[0]), self.counts_of(&sides[1]));
        self.decided.insert(at, held);
        let joined_before = !is_new && self.standing.held[at].is_none();
        if held.is_some() && !joined_before {
            return Some(());
        }
        let roots = sides.map(|side| match side {
            Side::Dirty(root) => root,
            Side::Clean(nodes, _) => self.make_dirty(&nodes),
        });
        // What comes later at the sets that are dirty since has to be decided again.
        self.follow(at)?;
        if held.is_none() {
            self.join(roots[0], roots[1]);
        }
        Some(())
    }

    fn counts_of<'c>(&'c self, side: &'c Side) -> &'c Counts {
        match side {
            Side::Dirty(root) => &self.counts[*root],
            Side::Clean(_, counts) => counts,
        }
    }

    fn join(&mut self, a: usize, b: usize) {
        self.sets.union(a, b);
        let (root, gone) = if self.sets.find(a) == a { (a, b) } else { (b, a) };
        let moved = std::mem::take(&mut self.counts[gone]);
        self.counts[root].add_all(&moved);
    }

    /// The set that a node is in when the edge `at` has its turn.
    fn side(&mut self, node: usize, at: usize) -> Option<Side> {
        if let Some(place) = self.place.get(&node) {
            return Some(Side::Dirty(self.sets.find_mut(*place)));
        }
        let turn = &self.standing.edges[at];
        let mut seen: HashSet<usize> = HashSet::from_iter([node]);
        let mut nodes = vec![node];
        let mut counts = Counts::default();
        let mut next = 0;
        while let Some(node) = nodes.get(next).copied() {
            next += 1;
            counts.add_all(&self.limits.count(self.standing.kinds[node]));
            self.spend(self.standing.joining[node].len())?;
            for other in &self.standing.joining[node] {
                let edge = &self.standing.edges[*other];
                let far = if edge.a == node { edge.b } else { edge.a };
                if !seen.contains(&far)
                    // What changed has a say once it is decided.
                    && self.decided.get(other).is_none_or(Option::is_none)
                    && self.standing.compare(edge, turn) == Ordering::Less
                {
                    seen.insert(far);
                    nodes.push(far);
                }
            }
        }
        Some(Side::Clean(nodes, counts))
    }

    /// Makes one dirty set of nodes; gives its root.
    fn make_dirty(&mut self, nodes: &[usize]) -> usize {
        let mut counts = Counts::default();
        let mut root = None;
        for node in nodes {
            let place = self.sets.new_set();
            self.place.insert(*node, place);
            self.nodes.push(*node);
            counts.add_all(&self.limits.count(self.standing.kinds[*node]));
            self.counts.push(Counts::default());
            self.sets.union(*root.get_or_insert(place), place);
        }
        let root = root.map_or(0, |place| self.sets.find_mut(place));
        if let Some(of_root) = self.counts.get_mut(root) {
            *of_root = counts;
        }
        root
    }

    /// Queues the edges after `at` of the nodes that became dirty last.
    fn follow(&mut self, at: usize) -> Option<()> {
        let turn = &self.standing.edges[at];
        while self.followed < self.nodes.len() {
            let node = self.nodes[self.followed];
            self.followed += 1;
            self.spend(self.standing.at[node].len())?;
            for other in &self.standing.at[node] {
                let later = self.standing.compare(&self.standing.edges[*other], turn) == Ordering::Greater;
                if later && self.queued.insert(*other) {
                    self.queue.push(Reverse(Ranked { at: *other, standing: self.standing }));
                }
            }
        }
        Some(())
    }

    fn spend(&mut self, looks: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(looks)?;
        Some(())
    }
}

/// The set at one end of an edge.
enum Side {
    /// One that is not what it was, by its root.
    Dirty(usize),
    /// One that is what it was, with what it holds.
    Clean(Vec<usize>, Counts),
}

/// An edge by its place in the order.
struct Ranked<'s> {
    at: usize,
    standing: &'s Standing,
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.standing.compare(&self.standing.edges[self.at], &self.standing.edges[other.at])
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}
