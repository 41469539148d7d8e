//! Where rows begin: scans and index seeks.

use std::sync::Arc;

use hashbrown::HashSet;

use super::{Context, Pull, Row, Stage, eval, read};
use crate::error::Outcome;
use crate::graph::{NodeId, Nodes};
use crate::plan::{Scan, Seek, Wanted};
use crate::value::{NodeValue, Value};

pub(super) struct ScanStage<'r> {
    spec: Arc<Scan>,
    row: Row,
    nodes: Option<Nodes<'r>>,
}

impl ScanStage<'_> {
    pub(super) fn new(spec: &Arc<Scan>) -> Self {
        Self { spec: Arc::clone(spec), row: Row::default(), nodes: None }
    }
}

impl<'r> Stage<'r> for ScanStage<'r> {
    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()> {
        self.row = row;
        self.nodes = self.spec.labels.as_ref().map(|labels| context.graph.nodes(labels));
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let Some(node) = self.nodes.as_mut().and_then(Iterator::next) else {
            self.nodes = None;
            return Ok(Pull::Starved);
        };
        context.meter.expansion(self.spec.span)?;
        let mut row = self.row.with_room(self.spec.slot);
        row.set(self.spec.slot, Value::Node(NodeValue::new(read(node, self.spec.span)?)));
        Ok(Pull::Row(row))
    }
}

/// Looks up every combination of the values wanted. Two of them may find the
/// same node; it comes once.
pub(super) struct SeekStage<'r> {
    spec: Arc<Seek>,
    row: Row,
    /// The values wanted of each property, and the place of the next combination.
    wanted: Vec<Vec<Value>>,
    next: Vec<usize>,
    nodes: Option<Nodes<'r>>,
    /// The nodes that came already, where more than one combination is looked up.
    seen: Option<HashSet<NodeId>>,
}

impl SeekStage<'_> {
    pub(super) fn new(spec: &Arc<Seek>) -> Self {
        Self {
            spec: Arc::clone(spec),
            row: Row::default(),
            wanted: Vec::new(),
            next: Vec::new(),
            nodes: None,
            seen: None,
        }
    }
}

impl<'r> SeekStage<'r> {
    /// The next combination of values, as an odometer counts; the last wheel turns first.
    fn combination(&mut self) -> Option<Vec<Value>> {
        if self.next.is_empty() {
            return None;
        }
        let values: Option<Vec<Value>> =
            self.wanted.iter().zip(&self.next).map(|(values, at)| values.get(*at).cloned()).collect();
        for wheel in (0..self.next.len()).rev() {
            self.next[wheel] += 1;
            if self.next[wheel] < self.wanted[wheel].len() {
                return values;
            }
            self.next[wheel] = 0;
        }
        self.next.clear();
        values
    }
}

impl<'r> Stage<'r> for SeekStage<'r> {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        self.wanted.clear();
        self.nodes = None;
        for wanted in &self.spec.values {
            let values = match wanted {
                Wanted::Prefix(expr) => {
                    // One range of the index is all of it: there are no combinations.
                    if let (Value::String(text), [property]) =
                        (eval(context, expr, &mut row)?, self.spec.properties.as_slice())
                    {
                        let nodes = context.graph.seek_prefix(&self.spec.labels, property, &text);
                        self.nodes = Some(read(nodes, self.spec.span)?);
                    }
                    Vec::new()
                }
                Wanted::One(expr) => vec![eval(context, expr, &mut row)?],
                Wanted::AnyOf(expr) => match eval(context, expr, &mut row)? {
                    Value::List(list) => {
                        // Each value is looked up once, in the order of the list.
                        let mut seen = HashSet::new();
                        list.iter().filter(|value| seen.insert((*value).clone())).cloned().collect()
                    }
                    Value::Null => Vec::new(),
                    // The condition itself, which runs after this, reports the type.
                    _ => Vec::new(),
                },
            };
            // Nothing equals null.
            self.wanted.push(values.into_iter().filter(|value| !value.is_null()).collect());
        }
        let combinations: usize = self.wanted.iter().map(Vec::len).product();
        self.next = if combinations == 0 { Vec::new() } else { vec![0; self.wanted.len()] };
        self.seen = (combinations > 1).then(HashSet::new);
        self.row = row;
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let spec = Arc::clone(&self.spec);
        loop {
            if let Some(node) = self.nodes.as_mut().and_then(Iterator::next) {
                context.meter.expansion(spec.span)?;
                let node = read(node, spec.span)?;
                if self.seen.as_mut().is_some_and(|seen| !seen.insert(node)) {
                    continue;
                }
                let mut row = self.row.with_room(spec.slot);
                row.set(spec.slot, Value::Node(NodeValue::new(node)));
                return Ok(Pull::Row(row));
            }
            self.nodes = None;
            let Some(values) = self.combination() else { return Ok(Pull::Starved) };
            context.meter.tick()?;
            self.nodes = Some(read(context.graph.seek(&spec.labels, &spec.properties, &values), spec.span)?);
        }
    }
}
