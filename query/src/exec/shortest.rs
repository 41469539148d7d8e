//! Shortest paths between two nodes that are bound.
//!
//! Breadth first from both ends at once, the smaller side first. Conditions on
//! the path as a whole rule that out: the shortest path that meets them need
//! not be a shortest path. Then trails are tried in the order of their length.

use std::sync::Arc;

use hashbrown::HashMap;

use super::expand::{is_new, node};
use super::walk::{Properties, path, rel_list};
use super::{Context, Pull, Row, Stage, read};
use crate::ast::{Direction, Quantifier, Shortest, Span};
use crate::error::Outcome;
use crate::graph::{NodeId, RelId, Steps};
use crate::limits::Held;
use crate::plan::{Expr, Kind, ShortestPath};
use crate::value::{RelValue, Value};

/// About how many bytes a node that was reached takes.
const REACHED: usize = 128;

/// How each node reached came to be reached: the relationship and the node
/// before it; for all shortest paths, every way of the same length.
type Reached = HashMap<NodeId, (u32, Vec<(RelId, NodeId)>)>;

pub(super) struct ShortestStage {
    spec: Arc<ShortestPath>,
    /// Conditions on each relationship alone: `all(r IN relationships(p) WHERE …)`.
    each: Vec<(usize, Expr)>,
    /// Conditions on the whole.
    whole: Vec<Expr>,
    rows: std::vec::IntoIter<Row>,
    /// What the rows take that are not given yet.
    held: Held,
}

impl ShortestStage {
    pub(super) fn new(spec: &Arc<ShortestPath>) -> Self {
        let (mut each, mut whole) = (Vec::new(), Vec::new());
        let rel = spec.walk.step.rel;
        for condition in &spec.conditions {
            match per_relationship(condition, rel, spec.path) {
                Some(found) => each.push(found),
                None => whole.push(condition.clone()),
            }
        }
        Self { spec: Arc::clone(spec), each, whole, rows: Vec::new().into_iter(), held: Held::default() }
    }
}

/// The slot and the condition, if the condition is one on every relationship of
/// the path by itself.
fn per_relationship(condition: &Expr, rel: usize, path: Option<usize>) -> Option<(usize, Expr)> {
    let Kind::Quantifier { quantifier: Quantifier::All, slot, list, filter } = &condition.kind else {
        return None;
    };
    let of_path = match &list.kind {
        Kind::Slot(slot) => *slot == rel,
        Kind::Call(function, args) => {
            function.name == "relationships"
                && matches!(args.as_slice(), [arg] if matches!(arg.kind, Kind::Slot(s) if Some(s) == path))
        }
        _ => false,
    };
    let alone = !filter.mentions(rel) && path.is_none_or(|path| !filter.mentions(path));
    (of_path && alone).then(|| (*slot, (**filter).clone()))
}

/// One search: what it may follow, and from where to where.
struct Search<'a, 'r> {
    context: &'a Context<'r>,
    spec: &'a ShortestPath,
    each: &'a [(usize, Expr)],
    row: Row,
    properties: Properties,
    held: Held,
}

impl<'r> Search<'_, 'r> {
    fn span(&self) -> Span {
        self.spec.walk.step.span
    }

    fn steps(&self, from: NodeId, direction: Direction) -> Steps<'r> {
        match &self.spec.walk.step.hop.types {
            Some(types) => self.context.graph.expand(from, direction, types, &[]),
            None => Box::new(std::iter::empty()),
        }
    }

    fn allows(&mut self, rel: RelId) -> Outcome<bool> {
        let span = self.span();
        if !is_new(&self.row, &self.spec.walk.step.hop.unique, rel)
            || !self.properties.allow(self.context, rel, span)?
        {
            return Ok(false);
        }
        for (slot, condition) in self.each {
            self.row.set(*slot, Value::Relationship(RelValue::new(rel)));
            if super::eval::truth(self.context, condition, &mut self.row)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The shortest paths between two different nodes, of at least one
    /// relationship: one of them, or all.
    fn breadth_first(&mut self, from: NodeId, to: NodeId) -> Outcome<Vec<Vec<RelId>>> {
        let all = self.spec.which == Shortest::All;
        let forward = self.spec.walk.step.hop.direction;
        let start = |node| Reached::from_iter([(node, (0, Vec::new()))]);
        let mut sides = [(start(from), vec![from], 0_u32), (start(to), vec![to], 0_u32)];
        loop {
            let [(_, ahead, gone), (_, behind, come)] = &sides;
            if ahead.is_empty() || behind.is_empty() || gone.saturating_add(*come) >= self.spec.walk.max {
                return Ok(Vec::new());
            }
            let side = usize::from(behind.len() < ahead.len());
            let direction = if side == 0 { forward } else { forward.reversed() };
            let (near, far) = sides.split_at_mut(1);
            let (mine, other) = if side == 0 { (&mut near[0], &far[0]) } else { (&mut far[0], &near[0]) };
            let (reached, frontier, depth) = mine;
            *depth += 1;
            let (mut next, mut met) = (Vec::new(), Vec::new());
            for node in frontier.iter() {
                for step in self.steps(*node, direction) {
                    self.context.meter.expansion(self.span())?;
                    let (rel, to) = read(step, self.span())?;
                    let known = reached.get(&to).map(|(at, _)| *at);
                    if known.is_some_and(|at| at < *depth || !all) || !self.allows(rel)? {
                        continue;
                    }
                    self.held.take(&self.context.meter, REACHED, self.span())?;
                    if known.is_none() {
                        next.push(to);
                        if other.0.contains_key(&to) {
                            met.push(to);
                        }
                    }
                    reached.entry(to).or_insert_with(|| (*depth, Vec::new())).1.push((rel, *node));
                    if !all && !met.is_empty() {
                        break;
                    }
                }
            }
            *frontier = next;
            if !met.is_empty() {
                if !all {
                    met.truncate(1);
                }
                let [(ahead, ..), (behind, ..)] = &sides;
                return self.join(ahead, behind, &met);
            }
        }
    }

    /// Every way to the nodes where the two sides met, joined with every way on from there.
    fn join(&mut self, ahead: &Reached, behind: &Reached, met: &[NodeId]) -> Outcome<Vec<Vec<RelId>>> {
        let mut paths = Vec::new();
        for node in met {
            let to = self.ways_back(ahead, *node)?;
            let on = self.ways_back(behind, *node)?;
            for first in &to {
                for second in &on {
                    self.context.meter.tick()?;
                    let bytes = (first.len() + second.len()) * size_of::<RelId>() + 32;
                    self.held.take(&self.context.meter, bytes, self.span())?;
                    paths.push(first.iter().rev().chain(second).copied().collect());
                }
            }
        }
        Ok(paths)
    }

    /// The ways from `node` back to where a side started.
    fn ways_back(&mut self, reached: &Reached, node: NodeId) -> Outcome<Vec<Vec<RelId>>> {
        let (mut open, mut done) = (vec![(node, Vec::new())], Vec::new());
        while let Some((at, way)) = open.pop() {
            self.context.meter.tick()?;
            match reached.get(&at) {
                Some((1.., before)) => {
                    for (rel, node) in before {
                        let mut longer: Vec<RelId> = way.clone();
                        longer.push(*rel);
                        let bytes = longer.len() * size_of::<RelId>() + 48;
                        self.held.take(&self.context.meter, bytes, self.span())?;
                        open.push((*node, longer));
                    }
                }
                _ => done.push(way),
            }
        }
        Ok(done)
    }

    /// The trails of exactly `length` relationships that the whole conditions
    /// allow, and whether any trail is that long.
    fn of_length(
        &mut self,
        from: NodeId,
        to: NodeId,
        length: usize,
        whole: &[Expr],
    ) -> Outcome<(Vec<Vec<RelId>>, bool)> {
        let (mut found, mut reached) = (Vec::new(), length == 0);
        let mut trail: Vec<RelId> = Vec::new();
        if length == 0 && from == to && self.meets(from, &trail, whole)? {
            found.push(Vec::new());
        }
        let direction = self.spec.walk.step.hop.direction;
        let mut stack = if length > 0 { vec![self.steps(from, direction)] } else { Vec::new() };
        while let Some(top) = stack.last_mut() {
            let Some(step) = top.next() else {
                stack.pop();
                trail.pop();
                continue;
            };
            self.context.meter.expansion(self.span())?;
            let (rel, node) = read(step, self.span())?;
            if trail.contains(&rel) || !self.allows(rel)? {
                continue;
            }
            trail.push(rel);
            if trail.len() < length {
                stack.push(self.steps(node, direction));
                continue;
            }
            reached = true;
            if node == to && self.meets(from, &trail, whole)? {
                found.push(trail.clone());
                if self.spec.which == Shortest::One {
                    return Ok((found, true));
                }
            }
            trail.pop();
        }
        Ok((found, reached))
    }

    fn meets(&mut self, from: NodeId, trail: &[RelId], whole: &[Expr]) -> Outcome<bool> {
        let mut row = self.with_path(from, trail)?;
        for condition in whole {
            if super::eval::truth(self.context, condition, &mut row)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn with_path(&self, from: NodeId, rels: &[RelId]) -> Outcome<Row> {
        let slot = self.spec.walk.step.rel;
        let mut row = self.row.with_room(slot.max(self.spec.path.unwrap_or_default()));
        row.set(slot, rel_list(self.context, rels.iter().copied(), self.span())?);
        if let Some(slot) = self.spec.path {
            row.set(slot, Value::Path(path(self.context, from, rels, self.span())?));
        }
        Ok(row)
    }

    fn find(&mut self, from: NodeId, to: NodeId, whole: &[Expr]) -> Outcome<Vec<Vec<RelId>>> {
        let (min, max) = (self.spec.walk.min, self.spec.walk.max);
        if from == to && min == 0 && whole.is_empty() {
            return Ok(vec![Vec::new()]);
        }
        let mut length = min;
        if from != to {
            let shortest = self.breadth_first(from, to)?;
            let Some(first) = shortest.first() else { return Ok(Vec::new()) };
            if whole.is_empty() && first.len() >= min as usize {
                return Ok(shortest);
            }
            length = length.max(u32::try_from(first.len()).unwrap_or(u32::MAX));
        }
        loop {
            if length > max {
                return Ok(Vec::new());
            }
            let (found, reached) = self.of_length(from, to, length as usize, whole)?;
            if !found.is_empty() || !reached {
                return Ok(found);
            }
            length = length.saturating_add(1);
        }
    }
}

impl<'r> Stage<'r> for ShortestStage {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let step = &spec.walk.step;
        let (from, to) = (node(&row, step.from, step.span)?, node(&row, step.to, step.span)?);
        let (Some(from), Some(to)) = (from, to) else { return Ok(()) };
        let properties = Properties::of(context, &spec.walk, &mut row)?;
        let mut search =
            Search { context, spec: &spec, each: &self.each, row, properties, held: Held::default() };
        let paths = search.find(from, to, &self.whole)?;
        let mut rows = Vec::with_capacity(paths.len());
        for rels in &paths {
            let row = search.with_path(from, rels)?;
            self.held.take(&context.meter, row.bytes(), step.span)?;
            rows.push(row);
        }
        self.rows = rows.into_iter();
        Ok(())
    }

    fn next(&mut self, _: &Context<'r>) -> Outcome<Pull> {
        let Some(row) = self.rows.next() else { return Ok(Pull::Starved) };
        self.held.give(row.bytes());
        Ok(Pull::Row(row))
    }
}
