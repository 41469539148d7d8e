//! Relationships of variable length.

use std::sync::Arc;

use hashbrown::HashSet;

use super::expand::{has_type, is_new, node, ways};
use super::{Context, Pull, Row, Stage, eval, read};
use crate::ast::Span;
use crate::error::{Fault, Outcome};
use crate::graph::{NodeId, Nodes, RelId, Steps};
use crate::limits::Held;
use crate::plan::VarExpand;
use crate::value::{NodeValue, PathValue, RelValue, Value, equal};

/// About how many bytes a level of a walk takes: an open iterator and its place.
const LEVEL: usize = 256;

/// What every relationship's properties must equal, evaluated for one row.
pub(super) struct Properties(Vec<(Arc<str>, Value)>);

impl Properties {
    /// Nothing is asked of them.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn of(context: &Context<'_>, spec: &VarExpand, row: &mut Row) -> Outcome<Self> {
        let one =
            |(name, expr): &(Arc<str>, crate::plan::Expr)| Ok((Arc::clone(name), eval(context, expr, row)?));
        spec.properties.iter().map(one).collect::<Outcome<_>>().map(Self)
    }

    pub(super) fn allow(&self, context: &Context<'_>, rel: RelId, span: Span) -> Outcome<bool> {
        for (name, wanted) in &self.0 {
            if equal(&read(context.graph.rel_property(rel, name), span)?, wanted) != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The path from `start` along `rels`.
pub(super) fn path(context: &Context<'_>, start: NodeId, rels: &[RelId], span: Span) -> Outcome<PathValue> {
    let mut nodes = vec![NodeValue::new(start)];
    let mut at = start;
    for rel in rels {
        let (from, to) = read(context.graph.ends(*rel), span)?;
        at = if from == at { to } else { from };
        nodes.push(NodeValue::new(at));
    }
    Ok(PathValue::new(nodes, rels.iter().map(|rel| RelValue::new(*rel)).collect()))
}

/// A list of relationships as a value.
pub(super) fn rel_list(
    context: &Context<'_>,
    rels: impl Iterator<Item = RelId>,
    span: Span,
) -> Outcome<Value> {
    context.list(rels.map(|rel| Value::Relationship(RelValue::new(rel))).collect(), span)
}

/// Walks every trail (no relationship twice) from a bound node, depth first.
pub(super) struct WalkStage<'r> {
    spec: Arc<VarExpand>,
    row: Row,
    properties: Properties,
    target: Option<NodeId>,
    /// The open iterators; the one at `n` gives the step `n + 1` of the trail.
    stack: Vec<Steps<'r>>,
    trail: Vec<(RelId, NodeId)>,
    used: HashSet<RelId>,
    /// The node to give for a length of 0, once.
    here: Option<NodeId>,
    held: Held,
}

impl WalkStage<'_> {
    pub(super) fn new(spec: &Arc<VarExpand>) -> Self {
        Self {
            spec: Arc::clone(spec),
            row: Row::default(),
            properties: Properties::none(),
            target: None,
            stack: Vec::new(),
            trail: Vec::new(),
            used: HashSet::new(),
            here: None,
            held: Held::default(),
        }
    }
}

impl<'r> WalkStage<'r> {
    fn open(&mut self, context: &Context<'r>, from: NodeId) -> Outcome<()> {
        let step = &self.spec.step;
        self.held.take(&context.meter, LEVEL, step.span)?;
        let deeper = self.trail.len() < self.spec.max as usize;
        self.stack.push(match &step.hop.types {
            Some(types) if deeper => context.graph.expand(from, step.hop.direction, types, &[]),
            _ => Box::new(std::iter::empty()),
        });
        Ok(())
    }

    fn close(&mut self) {
        self.stack.pop();
        self.held.give(LEVEL);
        if let Some((rel, _)) = self.trail.pop() {
            self.used.remove(&rel);
        }
    }

    /// The row that ends at `end`, if the trail may end there.
    fn ends_at(&self, context: &Context<'r>, end: NodeId) -> Outcome<Option<Row>> {
        let step = &self.spec.step;
        if self.trail.len() < self.spec.min as usize || self.target.is_some_and(|target| target != end) {
            return Ok(None);
        }
        match &step.labels {
            None => return Ok(None),
            Some(labels) => {
                for label in labels {
                    if !read(context.graph.has_label(end, *label), step.span)? {
                        return Ok(None);
                    }
                }
            }
        }
        let rels = self.trail.iter().map(|(rel, _)| *rel);
        let list = if self.spec.reversed {
            rel_list(context, rels.rev(), step.span)?
        } else {
            rel_list(context, rels, step.span)?
        };
        let mut row = self.row.with_room(step.rel.max(step.to));
        row.set(step.rel, list);
        if !step.into {
            row.set(step.to, Value::Node(NodeValue::new(end)));
        }
        Ok(Some(row))
    }
}

impl<'r> Stage<'r> for WalkStage<'r> {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let step = &spec.step;
        let Some(from) = node(&row, step.from, step.span)? else { return Ok(()) };
        self.target = None;
        if step.into {
            let Some(to) = node(&row, step.to, step.span)? else { return Ok(()) };
            self.target = Some(to);
        }
        self.properties = Properties::of(context, &spec, &mut row)?;
        self.row = row;
        self.here = Some(from);
        if spec.max > 0 {
            self.open(context, from)?;
        }
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        if let Some(start) = self.here.take()
            && self.spec.min == 0
            && let Some(row) = self.ends_at(context, start)?
        {
            return Ok(Pull::Row(row));
        }
        loop {
            let Some(top) = self.stack.last_mut() else { return Ok(Pull::Starved) };
            let Some(step) = top.next() else {
                self.close();
                continue;
            };
            let span = self.spec.step.span;
            context.meter.expansion(span)?;
            let (rel, to) = read(step, span)?;
            if self.used.contains(&rel)
                || !is_new(&self.row, &self.spec.step.hop.unique, rel)
                || !self.properties.allow(context, rel, span)?
            {
                continue;
            }
            self.used.insert(rel);
            self.trail.push((rel, to));
            self.open(context, to)?;
            if let Some(row) = self.ends_at(context, to)? {
                return Ok(Pull::Row(row));
            }
        }
    }
}

/// A list of relationships that is bound already: its ends become bound, or are compared.
pub(super) struct TrailStage<'r> {
    spec: Arc<VarExpand>,
    rows: Vec<Row>,
    /// An empty list between two nodes that are not bound: each node is both.
    anywhere: Option<(Row, Nodes<'r>)>,
}

impl TrailStage<'_> {
    pub(super) fn new(spec: &Arc<VarExpand>) -> Self {
        Self { spec: Arc::clone(spec), rows: Vec::new(), anywhere: None }
    }

    /// The row with the two ends of the list bound.
    fn found(&self, row: &Row, start: NodeId, end: NodeId) -> Row {
        let step = &self.spec.step;
        let mut found = row.with_room(step.from.max(step.to));
        found.set(step.from, Value::Node(NodeValue::new(start)));
        found.set(step.to, Value::Node(NodeValue::new(end)));
        found
    }

    /// Where the list leads from `start`, if it can be walked.
    fn walk(&self, context: &Context<'_>, start: NodeId, rels: &[RelId]) -> Outcome<Option<NodeId>> {
        let step = &self.spec.step;
        let mut at = start;
        for rel in rels {
            context.meter.expansion(step.span)?;
            let ways = ways(context, step.hop.direction, *rel, step.span)?;
            match ways.into_iter().find(|(from, _)| *from == at) {
                Some((_, to)) => at = to,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}

impl<'r> Stage<'r> for TrailStage<'r> {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let step = &spec.step;
        let wrong = |given: &Value| {
            let message =
                format!("a list of relationships must stand here, and this is {}", given.type_name());
            Fault::typed("wrong-type", step.span, message)
        };
        let list = match row.get(step.rel) {
            Value::List(list) => list.clone(),
            Value::Null => return Ok(()),
            other => return Err(wrong(other)),
        };
        let properties = Properties::of(context, &spec, &mut row)?;
        let (mut rels, mut seen) = (Vec::new(), HashSet::new());
        for value in list.iter() {
            let Value::Relationship(rel) = value else { return Err(wrong(value)) };
            let fits = has_type(context, &step.hop, rel.id, step.span)?
                && is_new(&row, &step.hop.unique, rel.id)
                && properties.allow(context, rel.id, step.span)?;
            if !fits || !seen.insert(rel.id) {
                return Ok(());
            }
            rels.push(rel.id);
        }
        if rels.len() < spec.min as usize || rels.len() > spec.max as usize {
            return Ok(());
        }
        let from = if spec.from_bound { Some(node(&row, step.from, step.span)?) } else { None };
        let to = if step.into { Some(node(&row, step.to, step.span)?) } else { None };
        let starts: Vec<NodeId> = match (from, rels.first(), to) {
            (Some(from), ..) => from.into_iter().collect(),
            (None, Some(first), _) => ways(context, step.hop.direction, *first, step.span)?
                .into_iter()
                .map(|(from, _)| from)
                .collect(),
            (None, None, Some(to)) => to.into_iter().collect(),
            (None, None, None) => {
                self.anywhere = Some((row, context.graph.nodes(&[])));
                return Ok(());
            }
        };
        for start in starts.into_iter().rev() {
            let Some(end) = self.walk(context, start, &rels)? else { continue };
            let same = step.from != step.to || start == end;
            if same && to.is_none_or(|to| to == Some(end)) {
                let found = self.found(&row, start, end);
                self.rows.push(found);
            }
        }
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let Some((row, nodes)) = &mut self.anywhere else {
            return Ok(self.rows.pop().map_or(Pull::Starved, Pull::Row));
        };
        let Some(node) = nodes.next() else {
            self.anywhere = None;
            return Ok(Pull::Starved);
        };
        let span = self.spec.step.span;
        context.meter.expansion(span)?;
        let (row, node) = (row.clone(), read(node, span)?);
        Ok(Pull::Row(self.found(&row, node, node)))
    }
}
