//! The nodes that a relationship of variable length ends at, each once.
//!
//! Where only the ends of trails are asked for, breadth first finds them without
//! walking every trail: the nearest way to a node repeats no node, so it repeats
//! no relationship. The start itself is the exception, since the way back to it
//! must not be the way out: it is asked for apart, and last.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashSet;

use super::expand::{is_new, node};
use super::walk::Properties;
use super::{Context, Pull, Row, Stage, read};
use crate::error::Outcome;
use crate::graph::{NodeId, RelId, Steps};
use crate::limits::Held;
use crate::plan::VarExpand;
use crate::value::{NodeValue, Value};

/// About how many bytes a node that was reached takes, in the set and in the queue.
const REACHED: usize = 80;

pub(super) struct ReachStage<'r> {
    spec: Arc<VarExpand>,
    row: Row,
    properties: Properties,
    start: Option<NodeId>,
    target: Option<NodeId>,
    /// The relationships of the node at hand, and how far it is from the start.
    steps: Option<(Steps<'r>, u32)>,
    open: VecDeque<(NodeId, u32)>,
    reached: HashSet<NodeId>,
    /// Whether the start is to be given at once, or asked for at the end.
    here: bool,
    back: bool,
    held: Held,
}

impl ReachStage<'_> {
    pub(super) fn new(spec: &Arc<VarExpand>) -> Self {
        Self {
            spec: Arc::clone(spec),
            row: Row::default(),
            properties: Properties::none(),
            start: None,
            target: None,
            steps: None,
            open: VecDeque::new(),
            reached: HashSet::new(),
            here: false,
            back: false,
            held: Held::default(),
        }
    }
}

impl<'r> ReachStage<'r> {
    fn expand(&self, context: &Context<'r>, from: NodeId) -> Steps<'r> {
        let hop = &self.spec.step.hop;
        match &hop.types {
            Some(types) => context.graph.expand(from, hop.direction, types, &[]),
            None => Box::new(std::iter::empty()),
        }
    }

    fn allows(&self, context: &Context<'_>, rel: RelId) -> Outcome<bool> {
        let step = &self.spec.step;
        Ok(is_new(&self.row, &step.hop.unique, rel) && self.properties.allow(context, rel, step.span)?)
    }

    /// Whether a trail may end at a node.
    fn may_end(&self, context: &Context<'_>, end: NodeId) -> Outcome<bool> {
        let step = &self.spec.step;
        if self.target.is_some_and(|target| target != end) {
            return Ok(false);
        }
        let Some(labels) = &step.labels else { return Ok(false) };
        for label in labels {
            if !read(context.graph.has_label(end, *label), step.span)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&mut self, end: NodeId) -> Pull {
        let step = &self.spec.step;
        let mut row = self.row.with_room(step.to);
        if step.into {
            // What is bound can be reached once.
            self.open.clear();
            self.steps = None;
            self.back = false;
        } else {
            row.set(step.to, Value::Node(NodeValue::new(end)));
        }
        Pull::Row(row)
    }

    /// Whether some trail leads back to where it started: out by one
    /// relationship, back without it.
    fn returns(&mut self, context: &Context<'r>, start: NodeId) -> Outcome<bool> {
        let span = self.spec.step.span;
        for step in self.expand(context, start) {
            context.meter.expansion(span)?;
            let (out, first) = read(step, span)?;
            if !self.allows(context, out)? {
                continue;
            }
            if first == start {
                return Ok(true);
            }
            let mut held = Held::default();
            let (mut seen, mut open) = (HashSet::new(), VecDeque::from([(first, 1_u32)]));
            seen.insert(first);
            while let Some((at, depth)) = open.pop_front() {
                if depth >= self.spec.max {
                    break;
                }
                for step in self.expand(context, at) {
                    context.meter.expansion(span)?;
                    let (rel, to) = read(step, span)?;
                    if rel == out || !self.allows(context, rel)? {
                        continue;
                    }
                    if to == start {
                        return Ok(true);
                    }
                    if seen.insert(to) {
                        held.take(&context.meter, REACHED, span)?;
                        open.push_back((to, depth + 1));
                    }
                }
            }
        }
        Ok(false)
    }
}

impl<'r> Stage<'r> for ReachStage<'r> {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let step = &spec.step;
        self.held.clear();
        self.reached.clear();
        self.open.clear();
        (self.start, self.target, self.steps, self.here, self.back) = (None, None, None, false, false);
        let Some(from) = node(&row, step.from, step.span)? else { return Ok(()) };
        if step.into {
            let Some(to) = node(&row, step.to, step.span)? else { return Ok(()) };
            self.target = Some(to);
        }
        self.properties = Properties::of(context, &spec, &mut row)?;
        self.row = row;
        self.start = Some(from);
        self.here = spec.min == 0;
        self.back = spec.min > 0 && spec.max > 0;
        self.reached.insert(from);
        if spec.max > 0 {
            self.open.push_back((from, 0));
        }
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let Some(start) = self.start else { return Ok(Pull::Starved) };
        let span = self.spec.step.span;
        if std::mem::take(&mut self.here) && self.may_end(context, start)? {
            return Ok(self.row(start));
        }
        loop {
            let Some((steps, depth)) = &mut self.steps else {
                match self.open.pop_front() {
                    Some((at, depth)) if depth < self.spec.max => {
                        self.steps = Some((self.expand(context, at), depth + 1));
                        continue;
                    }
                    _ => break,
                }
            };
            let depth = *depth;
            let Some(step) = steps.next() else {
                self.steps = None;
                continue;
            };
            context.meter.expansion(span)?;
            let (rel, to) = read(step, span)?;
            if self.reached.contains(&to) || !self.allows(context, rel)? {
                continue;
            }
            self.held.take(&context.meter, REACHED, span)?;
            self.reached.insert(to);
            self.open.push_back((to, depth));
            if self.may_end(context, to)? {
                return Ok(self.row(to));
            }
        }
        if std::mem::take(&mut self.back) && self.may_end(context, start)? && self.returns(context, start)? {
            return Ok(self.row(start));
        }
        self.start = None;
        Ok(Pull::Starved)
    }
}
