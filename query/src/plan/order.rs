//! The order in which a MATCH clause finds its parts.
//!
//! Greedy: of all that can be done next (find a node by an index, scan for it,
//! follow a relationship from an end that is bound, check one between two bound
//! ends) it takes what is estimated to give the fewest rows. Conditions run as
//! soon as all they speak of is bound.

use std::sync::Arc;

use hashbrown::HashSet;
use kinfold_engine::read::ReadResult;

use super::{
    Ends, Expand, Expr, Hop, Kind, PathStep, Postfix, Predicate, Scan, Seek, ShortestPath, Step, VarExpand,
    Wanted,
};
use crate::ast::{Comparison, Direction, Shortest, Span};
use crate::graph::{Graph, LabelId, TypeId};
use crate::prepare::Planning;

/// A MATCH clause, bound.
#[derive(Debug, Default)]
pub(crate) struct Matching {
    pub(crate) nodes: Vec<PlannedNode>,
    pub(crate) rels: Vec<PlannedRel>,
    pub(crate) paths: Vec<PlannedPath>,
    pub(crate) conditions: Vec<Conjunct>,
}

#[derive(Debug)]
pub(crate) struct PlannedNode {
    pub(crate) slot: usize,
    /// Whether an earlier clause bound it.
    pub(crate) bound: bool,
    /// `None` when one of its labels does not exist.
    pub(crate) labels: Option<Vec<LabelId>>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct PlannedRel {
    pub(crate) slot: usize,
    pub(crate) bound: bool,
    pub(crate) left: usize,
    pub(crate) right: usize,
    pub(crate) direction: Direction,
    /// `None` when types were asked for and none of them exists.
    pub(crate) types: Option<Vec<TypeId>>,
    /// The least and most of a variable length.
    pub(crate) range: Option<(u32, u32)>,
    pub(crate) properties: Vec<(Arc<str>, Expr)>,
    pub(crate) shortest: Shortest,
    /// The path's slot, for a shortest path.
    pub(crate) path: Option<usize>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct PlannedPath {
    pub(crate) slot: usize,
    pub(crate) start: usize,
    pub(crate) rels: Vec<usize>,
    pub(crate) span: Span,
}

/// A condition with the slots that it reads.
#[derive(Debug)]
pub(crate) struct Conjunct {
    pub(crate) expr: Expr,
    pub(crate) uses: HashSet<usize>,
}

enum Next {
    Node(usize, Option<Vec<Step>>),
    Rel(usize, bool),
}

struct Planner<'a, 'r> {
    graph: &'a dyn Graph<'r>,
    planning: Planning,
    matching: Matching,
    /// The slots of this clause that are not bound yet.
    pending: HashSet<usize>,
    done_rels: Vec<bool>,
    done_paths: Vec<bool>,
    done_conditions: Vec<bool>,
    steps: Vec<Step>,
}

/// The steps of a MATCH clause.
pub(crate) fn plan<'r>(
    graph: &dyn Graph<'r>,
    matching: Matching,
    planning: Planning,
) -> ReadResult<Vec<Step>> {
    let mut pending: HashSet<usize> = HashSet::new();
    pending.extend(matching.nodes.iter().filter(|n| !n.bound).map(|n| n.slot));
    pending.extend(matching.rels.iter().filter(|r| !r.bound).map(|r| r.slot));
    pending.extend(matching.rels.iter().filter_map(|r| r.path));
    pending.extend(matching.paths.iter().map(|p| p.slot));
    let mut planner = Planner {
        graph,
        planning,
        done_rels: vec![false; matching.rels.len()],
        done_paths: vec![false; matching.paths.len()],
        done_conditions: vec![false; matching.conditions.len()],
        matching,
        pending,
        steps: Vec::new(),
    };
    planner.run()?;
    Ok(planner.steps)
}

/// A slot's labels, checked on a node that is bound.
fn has_labels(slot: usize, labels: Option<&[LabelId]>, span: Span) -> Step {
    let node = Expr { kind: Kind::Slot(slot), span };
    let wanted = match labels {
        Some(labels) => labels.iter().map(|label| (Some(*label), None)).collect(),
        None => vec![(None, None)],
    };
    let kind = Kind::Postfix(Box::new(node), vec![Postfix::Labels(wanted, span)]);
    Step::Filter(Arc::new(Expr { kind, span }))
}

impl Planner<'_, '_> {
    fn run(&mut self) -> ReadResult<()> {
        for at in 0..self.matching.nodes.len() {
            let node = &self.matching.nodes[at];
            // Without labels the check is that it is a node, and not the null of
            // an OPTIONAL MATCH; a relationship at it checks that anyway.
            let hangs = self.matching.rels.iter().any(|rel| rel.left == at || rel.right == at);
            if node.bound && (!hangs || node.labels.as_ref().is_none_or(|labels| !labels.is_empty())) {
                let step = has_labels(node.slot, node.labels.as_deref(), node.span);
                self.steps.push(step);
            }
        }
        self.settle();
        while let Some(next) = self.next()? {
            match next {
                Next::Node(at, steps) => self.find(at, steps)?,
                Next::Rel(at, from_left) => self.follow(at, from_left)?,
            }
            self.settle();
        }
        Ok(())
    }

    fn is_bound(&self, slot: usize) -> bool {
        !self.pending.contains(&slot)
    }

    /// Adds every condition and path that has become ready.
    fn settle(&mut self) {
        for at in 0..self.matching.paths.len() {
            let path = &self.matching.paths[at];
            let ready = self.is_bound(path.start) && path.rels.iter().all(|slot| self.is_bound(*slot));
            if ready && !self.done_paths[at] {
                self.done_paths[at] = true;
                let step =
                    PathStep { slot: path.slot, start: path.start, rels: path.rels.clone(), span: path.span };
                self.pending.remove(&path.slot);
                self.steps.push(Step::Path(Arc::new(step)));
            }
        }
        // As written, a condition waits for all that the clause binds.
        let waits = self.planning == Planning::AsWritten && !self.pending.is_empty();
        for at in 0..self.matching.conditions.len() {
            if !waits && !self.done_conditions[at] && self.ready(at) {
                self.done_conditions[at] = true;
                self.steps.push(Step::Filter(Arc::new(self.matching.conditions[at].expr.clone())));
            }
        }
    }

    fn ready(&self, condition: usize) -> bool {
        self.matching.conditions[condition].uses.iter().all(|slot| self.is_bound(*slot))
    }

    fn next(&self) -> ReadResult<Option<Next>> {
        match self.planning {
            Planning::Cheapest => self.cheapest(),
            Planning::AsWritten => Ok(self.as_written()),
        }
    }

    /// The first relationship that is not found yet, from an end that is, or an
    /// end for it; without one the first node.
    fn as_written(&self) -> Option<Next> {
        let bound = |node: usize| self.is_bound(self.matching.nodes[node].slot);
        let open = |at: &usize| !self.done_rels[*at] && self.may_follow(*at);
        if let Some(at) = (0..self.matching.rels.len()).find(open) {
            let rel = &self.matching.rels[at];
            return Some(if rel.shortest != Shortest::No && !(bound(rel.left) && bound(rel.right)) {
                Next::Node(if bound(rel.left) { rel.right } else { rel.left }, None)
            } else if self.is_bound(rel.slot) || bound(rel.left) || bound(rel.right) {
                Next::Rel(at, bound(rel.left) || !bound(rel.right))
            } else {
                Next::Node(rel.left, None)
            });
        }
        let node = (0..self.matching.nodes.len()).find(|at| !bound(*at))?;
        Some(Next::Node(node, None))
    }

    /// Whether a relationship's turn can have come. A shortest path is the
    /// shortest of those that the rest of the clause leaves, and of those that
    /// the conditions on it allow; so it waits for every other relationship, and
    /// for all that those conditions speak of. Several go in the order of the text.
    fn may_follow(&self, at: usize) -> bool {
        let rel = &self.matching.rels[at];
        if rel.shortest == Shortest::No {
            return true;
        }
        let mut others = self.matching.rels.iter().zip(&self.done_rels).enumerate();
        if !others.all(|(other, (rel, done))| *done || other >= at && rel.shortest != Shortest::No) {
            return false;
        }
        let own = |slot: &usize| *slot == rel.slot || Some(*slot) == rel.path;
        let of_a_path = |slot: &usize| {
            let shortest = self.matching.rels.iter().filter(|rel| rel.shortest != Shortest::No);
            shortest.into_iter().any(|rel| *slot == rel.slot || Some(*slot) == rel.path)
        };
        let about = self.matching.conditions.iter().filter(|condition| condition.uses.iter().any(own));
        about.flat_map(|condition| &condition.uses).all(|slot| of_a_path(slot) || self.is_bound(*slot))
    }

    fn cheapest(&self) -> ReadResult<Option<Next>> {
        let mut best: Option<(f64, Next)> = None;
        let mut offer = |cost: f64, next: Next| {
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, next));
            }
        };
        for (at, rel) in self.matching.rels.iter().enumerate() {
            if self.done_rels[at] || !self.may_follow(at) {
                continue;
            }
            let left = self.is_bound(self.matching.nodes[rel.left].slot);
            let right = self.is_bound(self.matching.nodes[rel.right].slot);
            if rel.shortest != Shortest::No {
                if left && right {
                    offer(0.9, Next::Rel(at, true));
                }
            } else if self.is_bound(rel.slot) {
                offer(if rel.range.is_none() || left || right { 0.1 } else { 2.0 }, Next::Rel(at, true));
            } else if left && right {
                let cost = self.cost(rel, rel.left, rel.right, rel.direction)?;
                let back = self.cost(rel, rel.right, rel.left, rel.direction.reversed())?;
                let whole = if rel.range.is_some() { cost.min(back) } else { 0.5 };
                offer(whole, Next::Rel(at, cost <= back));
            } else if left {
                offer(self.cost(rel, rel.left, rel.right, rel.direction)?, Next::Rel(at, true));
            } else if right {
                offer(self.cost(rel, rel.right, rel.left, rel.direction.reversed())?, Next::Rel(at, false));
            }
        }
        for (at, node) in self.matching.nodes.iter().enumerate() {
            if self.is_bound(node.slot) {
                continue;
            }
            match self.seek(at)? {
                Some((cost, step)) => offer(cost, Next::Node(at, Some(vec![step]))),
                None => offer(self.scan_cost(at)? + 1.0, Next::Node(at, None)),
            }
        }
        Ok(best.map(|(_, next)| next))
    }

    /// About how many ends a relationship reaches from one end.
    fn cost(&self, rel: &PlannedRel, from: usize, to: usize, direction: Direction) -> ReadResult<f64> {
        let (Some(types), Some(from_labels)) = (&rel.types, &self.matching.nodes[from].labels) else {
            return Ok(0.0);
        };
        let fan = self.graph.fan_out(from_labels, direction, types)?;
        Ok(match rel.range {
            None => {
                // A label at the far end leaves the share of nodes that have it.
                let share = match &self.matching.nodes[to].labels {
                    Some(labels) if !labels.is_empty() => {
                        let all = self.graph.estimate(&[])?.max(1) as f64;
                        (self.graph.estimate(labels)? as f64 / all).clamp(0.05, 1.0)
                    }
                    _ => 1.0,
                };
                fan * share
            }
            // A walk is left until nothing shorter helps.
            Some((_, max)) => fan.max(1.5).powi(max.min(6) as i32) + 1.0,
        })
    }

    fn scan_cost(&self, at: usize) -> ReadResult<f64> {
        match &self.matching.nodes[at].labels {
            Some(labels) => Ok(self.graph.estimate(labels)? as f64),
            None => Ok(0.0),
        }
    }

    /// The best way to find a node by an index, if its conditions allow one.
    fn seek(&self, at: usize) -> ReadResult<Option<(f64, Step)>> {
        let node = &self.matching.nodes[at];
        let Some(labels) = &node.labels else { return Ok(None) };
        let mut best: Option<(f64, Seek)> = None;
        for index in self.graph.indexes(labels) {
            let wanted: Option<Vec<(f64, Wanted)>> =
                index.properties.iter().map(|property| self.wanted(node.slot, property)).collect();
            let Some(wanted) = wanted else { continue };
            let estimate = wanted.iter().map(|(many, _)| many).product::<f64>() * index.estimate as f64;
            if best.as_ref().is_none_or(|(least, _)| estimate < *least) {
                let seek = Seek {
                    slot: node.slot,
                    labels: labels.clone(),
                    properties: index.properties,
                    values: wanted.into_iter().map(|(_, wanted)| wanted).collect(),
                    estimate,
                    span: node.span,
                };
                best = Some((estimate, seek));
            }
        }
        for index in self.graph.prefixes(labels) {
            let [property] = index.properties.as_slice() else { continue };
            let estimate = index.estimate as f64;
            let better = best.as_ref().is_none_or(|(least, _)| estimate < *least);
            if let Some(prefix) = self.prefix(node.slot, property).filter(|_| better) {
                let seek = Seek {
                    slot: node.slot,
                    labels: labels.clone(),
                    properties: vec![property],
                    values: vec![Wanted::Prefix(prefix)],
                    estimate,
                    span: node.span,
                };
                best = Some((estimate, seek));
            }
        }
        Ok(best.map(|(cost, seek)| (cost, Step::Seek(Arc::new(seek)))))
    }

    /// What a condition that can be evaluated now wants a property of `slot` to start with.
    fn prefix(&self, slot: usize, property: &str) -> Option<Expr> {
        self.matching.conditions.iter().find_map(|condition| {
            let known = condition.uses.iter().all(|used| *used == slot || self.is_bound(*used));
            match &condition.expr.kind {
                Kind::Predicates(left, ops) if known && is_property(left, slot, property) => {
                    match ops.as_slice() {
                        [Predicate::StartsWith(text)] if !text.mentions(slot) => Some(text.clone()),
                        _ => None,
                    }
                }
                _ => None,
            }
        })
    }

    /// What a condition that can be evaluated now wants a property of `slot` to
    /// equal, and how many values that is.
    fn wanted(&self, slot: usize, property: &str) -> Option<(f64, Wanted)> {
        let mut found: Option<(f64, Wanted)> = None;
        for condition in &self.matching.conditions {
            if !condition.uses.iter().all(|used| *used == slot || self.is_bound(*used)) {
                continue;
            }
            let candidate = match &condition.expr.kind {
                Kind::Compare(left, rest) => match rest.as_slice() {
                    [(Comparison::Equal, right)] => {
                        let value = if is_property(left, slot, property) && !right.mentions(slot) {
                            Some(right)
                        } else if is_property(right, slot, property) && !left.mentions(slot) {
                            Some(&**left)
                        } else {
                            None
                        };
                        value.map(|value| (1.0, Wanted::One(value.clone())))
                    }
                    _ => None,
                },
                Kind::Predicates(left, ops) => match ops.as_slice() {
                    [Predicate::In(list)] if is_property(left, slot, property) && !list.mentions(slot) => {
                        let many = match &list.kind {
                            Kind::Const(crate::value::Value::List(list)) => list.len(),
                            Kind::List(items) => items.len(),
                            _ => 10,
                        };
                        Some((many as f64, Wanted::AnyOf(list.clone())))
                    }
                    _ => None,
                },
                _ => None,
            };
            if let Some((many, wanted)) = candidate
                && found.as_ref().is_none_or(|(least, _)| many < *least)
            {
                found = Some((many, wanted));
            }
        }
        found
    }

    fn find(&mut self, at: usize, steps: Option<Vec<Step>>) -> ReadResult<()> {
        let estimate = self.scan_cost(at)?;
        let node = &self.matching.nodes[at];
        self.pending.remove(&node.slot);
        let scan = || {
            let scan = Scan { slot: node.slot, labels: node.labels.clone(), estimate, span: node.span };
            vec![Step::Scan(Arc::new(scan))]
        };
        let steps = steps.unwrap_or_else(scan);
        self.steps.extend(steps);
        Ok(())
    }

    /// The slots of relationships that the one at `at` must differ from: those
    /// of the clause that are bound and may be of one type with it.
    fn unique(&self, at: usize) -> Vec<usize> {
        let types = |at: usize| self.matching.rels[at].types.clone().unwrap_or_default();
        let mine = types(at);
        let overlaps = |other: usize| {
            let theirs = types(other);
            mine.is_empty() || theirs.is_empty() || mine.iter().any(|t| theirs.contains(t))
        };
        let others = (0..self.matching.rels.len()).filter(|other| *other != at && self.done_rels[*other]);
        others.filter(|other| overlaps(*other)).map(|other| self.matching.rels[other].slot).collect()
    }

    fn follow(&mut self, at: usize, from_left: bool) -> ReadResult<()> {
        let unique = self.unique(at);
        let rel = &self.matching.rels[at];
        let (near, far) = if from_left { (rel.left, rel.right) } else { (rel.right, rel.left) };
        let direction = if from_left { rel.direction } else { rel.direction.reversed() };
        let estimate = self.cost(rel, near, far, direction)?;
        let (near, far) = (&self.matching.nodes[near], &self.matching.nodes[far]);
        let hop = Hop { direction, types: rel.types.clone(), unique };
        let into = self.is_bound(far.slot);
        let from_bound = self.is_bound(near.slot);
        let was_bound = self.is_bound(rel.slot);
        let step = Expand {
            from: near.slot,
            rel: rel.slot,
            to: far.slot,
            into,
            hop: hop.clone(),
            labels: if into { Some(Vec::new()) } else { far.labels.clone() },
            estimate,
            span: rel.span,
        };
        let properties = rel.properties.clone();
        let new = match (rel.range, rel.shortest) {
            (None, Shortest::No) if was_bound => Step::Ends(Arc::new(Ends {
                from: near.slot,
                from_bound,
                rel: rel.slot,
                to: far.slot,
                to_bound: into,
                hop,
                span: rel.span,
            })),
            (None, Shortest::No) => Step::Expand(Arc::new(step)),
            (range, shortest) => {
                let (min, max) = range.unwrap_or((1, 1));
                let walk = VarExpand { step, min, max, properties, reversed: !from_left, from_bound };
                match shortest {
                    Shortest::No if was_bound => Step::Trail(Arc::new(walk)),
                    Shortest::No => Step::VarExpand(Arc::new(walk)),
                    which => {
                        let (path, slot) = (rel.path, rel.slot);
                        let own = |used: &usize| *used == slot || Some(*used) == path || self.is_bound(*used);
                        let open = self.matching.conditions.iter().zip(&self.done_conditions).enumerate();
                        let mine: Vec<usize> = open
                            .filter(|(_, (condition, done))| !**done && condition.uses.iter().all(own))
                            .map(|(at, _)| at)
                            .collect();
                        let conditions =
                            mine.iter().map(|at| self.matching.conditions[*at].expr.clone()).collect();
                        mine.iter().for_each(|at| self.done_conditions[*at] = true);
                        Step::Shortest(Arc::new(ShortestPath { walk, which, path, conditions }))
                    }
                }
            }
        };
        // Ends and Trail bind nodes without looking at their labels.
        let unchecked = was_bound.then(|| {
            let checks = [(near, from_bound), (far, into)];
            let unbound = checks
                .into_iter()
                .filter(|(node, bound)| !bound && node.labels.as_ref().is_none_or(|l| !l.is_empty()));
            unbound
                .map(|(node, _)| has_labels(node.slot, node.labels.as_deref(), node.span))
                .collect::<Vec<_>>()
        });
        let bound = [near.slot, far.slot, rel.slot];
        let path = rel.path;
        self.steps.push(new);
        self.steps.extend(unchecked.unwrap_or_default());
        for slot in bound.into_iter().chain(path) {
            self.pending.remove(&slot);
        }
        self.done_rels[at] = true;
        Ok(())
    }
}

fn is_property(expr: &Expr, slot: usize, property: &str) -> bool {
    match &expr.kind {
        Kind::Postfix(base, ops) => {
            matches!(base.kind, Kind::Slot(s) if s == slot)
                && matches!(ops.as_slice(), [Postfix::Property(name, _)] if **name == *property)
        }
        _ => false,
    }
}
