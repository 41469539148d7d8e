//! One relationship further.

use std::sync::Arc;

use super::rows::RowMap;
use super::{Context, Pull, Row, Stage, read};
use crate::ast::{Direction, Span};
use crate::error::{Fault, Outcome};
use crate::graph::{NodeId, RelId, Steps};
use crate::plan::{Ends, Expand, Hop};
use crate::value::{NodeValue, RelValue, Value};

/// The node in a slot; `None` for null, an error for anything else.
pub(super) fn node(row: &Row, slot: usize, span: Span) -> Outcome<Option<NodeId>> {
    match row.get(slot) {
        Value::Node(node) => Ok(Some(node.id)),
        Value::Null => Ok(None),
        other => {
            let message = format!("a node must stand here, and this is {}", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    }
}

/// Whether `rel` is none of the relationships in these slots.
pub(super) fn is_new(row: &Row, unique: &[usize], rel: RelId) -> bool {
    unique.iter().all(|slot| match row.get(*slot) {
        Value::Relationship(other) => other.id != rel,
        Value::List(list) => list.iter().all(|other| !matches!(other, Value::Relationship(r) if r.id == rel)),
        _ => true,
    })
}

pub(super) struct ExpandStage<'r> {
    spec: Arc<Expand>,
    row: Row,
    steps: Option<Steps<'r>>,
}

impl ExpandStage<'_> {
    pub(super) fn new(spec: &Arc<Expand>) -> Self {
        Self { spec: Arc::clone(spec), row: Row::default(), steps: None }
    }
}

impl<'r> Stage<'r> for ExpandStage<'r> {
    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()> {
        let spec = &self.spec;
        self.steps = None;
        let (Some(types), Some(labels)) = (&spec.hop.types, &spec.labels) else { return Ok(()) };
        let Some(from) = node(&row, spec.from, spec.span)? else { return Ok(()) };
        self.steps = if spec.into {
            node(&row, spec.to, spec.span)?
                .map(|to| context.graph.between(from, to, spec.hop.direction, types))
        } else {
            Some(context.graph.expand(from, spec.hop.direction, types, labels))
        };
        self.row = row;
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let spec = &self.spec;
        while let Some(step) = self.steps.as_mut().and_then(Iterator::next) {
            context.meter.expansion(spec.span)?;
            let (rel, to) = read(step, spec.span)?;
            if !is_new(&self.row, &spec.hop.unique, rel) {
                continue;
            }
            let mut row = self.row.with_room(spec.rel.max(spec.to));
            row.set(spec.rel, Value::Relationship(RelValue::new(rel)));
            if !spec.into {
                row.set(spec.to, Value::Node(NodeValue::new(to)));
            }
            return Ok(Pull::Row(row));
        }
        self.steps = None;
        Ok(Pull::Starved)
    }
}

/// How many relationships there are one step further; none gives no row.
pub(super) struct Degree(pub(super) Arc<Expand>);

impl RowMap for Degree {
    fn apply(&mut self, context: &Context<'_>, row: Row) -> Outcome<Option<Row>> {
        let Self(spec) = self;
        let (Some(types), Some(labels)) = (&spec.hop.types, &spec.labels) else { return Ok(None) };
        let Some(from) = node(&row, spec.from, spec.span)? else { return Ok(None) };
        context.meter.expansion(spec.span)?;
        let direction = spec.hop.direction;
        let number = match read(context.graph.degree(from, direction, types, labels), spec.span)? {
            Some(number) => number,
            None => {
                let mut number = 0;
                for step in context.graph.expand(from, direction, types, labels) {
                    context.meter.expansion(spec.span)?;
                    read(step, spec.span)?;
                    number += 1;
                }
                number
            }
        };
        if number == 0 {
            return Ok(None);
        }
        let mut row = row.with_room(spec.to);
        row.set(spec.to, Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
        Ok(Some(row))
    }
}

/// Whether a relationship may be of the types that a hop asks for.
pub(super) fn has_type(context: &Context<'_>, hop: &Hop, rel: RelId, span: Span) -> Outcome<bool> {
    match &hop.types {
        None => Ok(false),
        Some(types) if types.is_empty() => Ok(true),
        Some(types) => {
            let name = read(context.graph.type_of(rel), span)?;
            Ok(context.graph.rel_type(&name).is_some_and(|kind| types.contains(&kind)))
        }
    }
}

/// The ways in which a relationship can be walked in a direction: from where, to where.
pub(super) fn ways(
    context: &Context<'_>,
    direction: Direction,
    rel: RelId,
    span: Span,
) -> Outcome<Vec<(NodeId, NodeId)>> {
    let (start, end) = read(context.graph.ends(rel), span)?;
    let undirected = context.graph.is_undirected(rel);
    let (out, back) = ((start, end), (end, start));
    Ok(match direction {
        _ if start == end => vec![out],
        Direction::Both => vec![out, back],
        _ if undirected => vec![out, back],
        Direction::Out => vec![out],
        Direction::In => vec![back],
    })
}

/// A relationship that is bound already: its ends become bound, or are compared.
pub(super) struct EndsStage {
    spec: Arc<Ends>,
    rows: Vec<Row>,
}

impl EndsStage {
    pub(super) fn new(spec: &Arc<Ends>) -> Self {
        Self { spec: Arc::clone(spec), rows: Vec::new() }
    }
}

impl<'r> Stage<'r> for EndsStage {
    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()> {
        let spec = &self.spec;
        let rel = match row.get(spec.rel) {
            Value::Relationship(rel) => rel.id,
            Value::Null => return Ok(()),
            other => {
                let message = format!("a relationship must stand here, and this is {}", other.type_name());
                return Err(Fault::typed("wrong-type", spec.span, message));
            }
        };
        context.meter.expansion(spec.span)?;
        if !has_type(context, &spec.hop, rel, spec.span)? || !is_new(&row, &spec.hop.unique, rel) {
            return Ok(());
        }
        for (from, to) in ways(context, spec.hop.direction, rel, spec.span)?.into_iter().rev() {
            let fits = |bound: bool, slot: usize, wanted: NodeId| -> Outcome<bool> {
                Ok(!bound || node(&row, slot, spec.span)? == Some(wanted))
            };
            // With one name for both ends, the second is bound by the first.
            let loops = spec.from == spec.to && from != to;
            if !loops && fits(spec.from_bound, spec.from, from)? && fits(spec.to_bound, spec.to, to)? {
                let mut found = row.with_room(spec.from.max(spec.to));
                found.set(spec.from, Value::Node(NodeValue::new(from)));
                found.set(spec.to, Value::Node(NodeValue::new(to)));
                self.rows.push(found);
            }
        }
        Ok(())
    }

    fn next(&mut self, _: &Context<'r>) -> Outcome<Pull> {
        Ok(self.rows.pop().map_or(Pull::Starved, Pull::Row))
    }
}
