//! What happens to rows once they are found.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::eval::{all, truth};
use super::{Context, Pipeline, Pull, Row, Stage, eval, read, walk};
use crate::ast::Span;
use crate::error::{Fault, Outcome};
use crate::functions::Accumulator;
use crate::graph::{Account, ProcedureError, ProcedureRows, RelId};
use crate::limits::Held;
use crate::plan::{CallStep, CountStep, Distinct, Expr, Grouping, PathStep, Project, Sort, Unwind};
use crate::value::{Key, List, Value, order};

/// What makes of one row one row, or none.
pub(super) trait RowMap {
    fn apply(&mut self, context: &Context<'_>, row: Row) -> Outcome<Option<Row>>;

    /// Told that no more rows come.
    fn finish(&mut self, _: &Context<'_>) -> Outcome<()> {
        Ok(())
    }
}

pub(super) struct MapStage<M> {
    map: M,
    row: Option<Row>,
}

pub(super) fn map<M: RowMap>(map: M) -> MapStage<M> {
    MapStage { map, row: None }
}

impl<'r, M: RowMap> Stage<'r> for MapStage<M> {
    fn feed(&mut self, _: &Context<'r>, row: Row) -> Outcome<()> {
        self.row = Some(row);
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        match self.row.take() {
            Some(row) => Ok(self.map.apply(context, row)?.map_or(Pull::Starved, Pull::Row)),
            None => Ok(Pull::Starved),
        }
    }

    fn finish(&mut self, context: &Context<'r>) -> Outcome<()> {
        self.map.finish(context)
    }
}

pub(super) struct Filter(pub(super) Arc<Expr>);

impl RowMap for Filter {
    fn apply(&mut self, context: &Context<'_>, mut row: Row) -> Outcome<Option<Row>> {
        Ok((truth(context, &self.0, &mut row)? == Some(true)).then_some(row))
    }
}

pub(super) struct Extend(pub(super) Arc<Vec<(usize, Expr)>>);

impl RowMap for Extend {
    fn apply(&mut self, context: &Context<'_>, mut row: Row) -> Outcome<Option<Row>> {
        let mut held = Held::default();
        for (slot, expr) in self.0.iter() {
            let value = eval(context, expr, &mut row)?;
            held.keep(&context.meter, &value, expr.span)?;
            row.set(*slot, value);
        }
        Ok(Some(row))
    }
}

pub(super) struct Projector(pub(super) Arc<Project>);

impl RowMap for Projector {
    fn apply(&mut self, context: &Context<'_>, mut row: Row) -> Outcome<Option<Row>> {
        let mut next = row.prefix(self.0.base);
        next.0.extend(all(context, &self.0.items, &mut row)?);
        // Each value was measured when it was made; this bounds all of them together.
        context.meter.fits(next.bytes(), self.0.span)?;
        Ok(Some(next))
    }
}

pub(super) struct PathMap(pub(super) Arc<PathStep>);

impl RowMap for PathMap {
    fn apply(&mut self, context: &Context<'_>, mut row: Row) -> Outcome<Option<Row>> {
        let spec = &self.0;
        let Value::Node(start) = row.get(spec.start) else { return Ok(Some(row)) };
        let start = start.id;
        let mut rels: Vec<RelId> = Vec::new();
        for slot in &spec.rels {
            match row.get(*slot) {
                Value::Relationship(rel) => rels.push(rel.id),
                Value::List(list) => rels.extend(list.iter().filter_map(|value| match value {
                    Value::Relationship(rel) => Some(rel.id),
                    _ => None,
                })),
                _ => return Ok(Some(row)),
            }
        }
        let path = walk::path(context, start, &rels, spec.span)?;
        row.set(spec.slot, Value::Path(path));
        Ok(Some(row))
    }
}

/// The number of nodes with some labels, as the graph knows it.
pub(super) struct Counter(pub(super) Arc<CountStep>);

impl RowMap for Counter {
    fn apply(&mut self, context: &Context<'_>, row: Row) -> Outcome<Option<Row>> {
        let spec = &self.0;
        context.meter.expansion(spec.scan.span)?;
        let labels = spec.scan.labels.as_deref().unwrap_or_default();
        let count = read(context.graph.node_count(labels), spec.scan.span)?;
        let mut next = row.prefix(spec.base);
        let count = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        next.0.extend(std::iter::repeat_n(count, spec.times));
        Ok(Some(next))
    }
}

pub(super) struct Unique {
    spec: Arc<Distinct>,
    seen: HashSet<Key>,
    held: Held,
}

impl Unique {
    pub(super) fn new(spec: &Arc<Distinct>) -> Self {
        Self { spec: Arc::clone(spec), seen: HashSet::new(), held: Held::default() }
    }
}

impl RowMap for Unique {
    fn apply(&mut self, context: &Context<'_>, row: Row) -> Outcome<Option<Row>> {
        let key: Key = row.slice(self.spec.from, self.spec.count).into();
        if self.seen.contains(&key) {
            return Ok(None);
        }
        let bytes = key.iter().map(Value::bytes).fold(48, usize::saturating_add);
        self.held.take(&context.meter, bytes, self.spec.span)?;
        self.seen.insert(key);
        Ok(Some(row))
    }
}

/// The number of SKIP or LIMIT.
fn count(context: &Context<'_>, expr: &Expr) -> Outcome<u64> {
    match eval(context, expr, &mut Row::default())? {
        Value::Int(count) => u64::try_from(count).map_err(|_| {
            let message = format!("the number of rows must not be negative, and this is {count}");
            Fault::runtime("negative-count", expr.span, message)
        }),
        other => {
            let message = format!("the number of rows must be an integer, not {}", other.type_name());
            Err(Fault::typed("invalid-count", expr.span, message))
        }
    }
}

pub(super) struct Skipper {
    spec: Arc<Expr>,
    left: Option<u64>,
}

impl Skipper {
    pub(super) fn new(spec: &Arc<Expr>) -> Self {
        Self { spec: Arc::clone(spec), left: None }
    }
}

impl Skipper {
    fn left(&mut self, context: &Context<'_>) -> Outcome<u64> {
        let left = match self.left {
            Some(left) => left,
            None => count(context, &self.spec)?,
        };
        self.left = Some(left.saturating_sub(1));
        Ok(left)
    }
}

impl RowMap for Skipper {
    fn apply(&mut self, context: &Context<'_>, row: Row) -> Outcome<Option<Row>> {
        Ok((self.left(context)? == 0).then_some(row))
    }

    // A number that makes no sense is an error even where there is nothing to skip.
    fn finish(&mut self, context: &Context<'_>) -> Outcome<()> {
        self.left(context).map(|_| ())
    }
}

pub(super) struct LimitStage {
    spec: Arc<Expr>,
    left: Option<u64>,
    row: Option<Row>,
}

impl LimitStage {
    pub(super) fn new(spec: &Arc<Expr>) -> Self {
        Self { spec: Arc::clone(spec), left: None, row: None }
    }
}

impl<'r> Stage<'r> for LimitStage {
    fn feed(&mut self, _: &Context<'r>, row: Row) -> Outcome<()> {
        self.row = Some(row);
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let left = match self.left {
            Some(left) => left,
            None => count(context, &self.spec)?,
        };
        self.left = Some(left);
        if left == 0 {
            // Before asking for a row: nothing more is computed.
            return Ok(Pull::Done);
        }
        Ok(match self.row.take() {
            Some(row) => {
                self.left = Some(left - 1);
                Pull::Row(row)
            }
            None => Pull::Starved,
        })
    }
}

/// A pattern that need not be found: without a match the row goes on as it was,
/// the pattern's variables null.
pub(super) struct OptionalStage<'r> {
    inner: Pipeline<'r>,
    row: Option<Row>,
}

impl<'r> OptionalStage<'r> {
    pub(super) fn new(inner: Pipeline<'r>) -> Self {
        Self { inner, row: None }
    }
}

impl<'r> Stage<'r> for OptionalStage<'r> {
    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()> {
        self.row = Some(row.clone());
        self.inner.feed(context, row)
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        match self.inner.next(context)? {
            Pull::Row(row) => {
                self.row = None;
                Ok(Pull::Row(row))
            }
            Pull::Starved | Pull::Done => Ok(self.row.take().map_or(Pull::Starved, Pull::Row)),
        }
    }
}

pub(super) struct UnwindStage {
    spec: Arc<Unwind>,
    row: Row,
    list: List,
    at: usize,
}

impl UnwindStage {
    pub(super) fn new(spec: &Arc<Unwind>) -> Self {
        Self { spec: Arc::clone(spec), row: Row::default(), list: List::default(), at: 0 }
    }
}

impl<'r> Stage<'r> for UnwindStage {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        self.list = match eval(context, &self.spec.list, &mut row)? {
            Value::Null => List::default(),
            Value::List(list) => list,
            other => vec![other].into(),
        };
        self.at = 0;
        self.row = row;
        Ok(())
    }

    fn next(&mut self, _: &Context<'r>) -> Outcome<Pull> {
        let Some(value) = self.list.get(self.at) else {
            self.list = List::default();
            return Ok(Pull::Starved);
        };
        let mut row = self.row.with_room(self.spec.slot);
        row.set(self.spec.slot, value.clone());
        self.at += 1;
        Ok(Pull::Row(row))
    }
}

/// What the rows of one key come to so far.
pub(super) struct Group {
    prefix: Row,
    accumulators: Vec<Accumulator>,
}

pub(super) struct AggregateStage {
    spec: Arc<Grouping>,
    start: Row,
    groups: HashMap<Key, Group>,
    /// The keys in the order in which they came.
    order: Vec<Key>,
    held: Held,
    /// Whether a sum depends on the order of what it is of.
    inexact: bool,
    ready: Option<std::vec::IntoIter<Key>>,
}

impl AggregateStage {
    pub(super) fn new(spec: &Arc<Grouping>) -> Self {
        Self {
            spec: Arc::clone(spec),
            start: Row::default(),
            groups: HashMap::new(),
            order: Vec::new(),
            held: Held::default(),
            inexact: false,
            ready: None,
        }
    }

    fn group(&self, prefix: Row) -> Group {
        let calls = self.spec.aggregates.iter();
        let accumulators =
            calls.map(|call| Accumulator::new(call.function, call.distinct, call.span)).collect();
        Group { prefix, accumulators }
    }

    /// Makes room for one group more.
    fn take_room(&mut self, context: &Context<'_>, key: &Key) -> Outcome<()> {
        let keys = key.iter().map(Value::bytes).fold(128, usize::saturating_add);
        let accumulators = self.spec.aggregates.len() * size_of::<Accumulator>();
        let bytes = keys.saturating_mul(2).saturating_add(accumulators);
        self.held.take(&context.meter, bytes, self.spec.span)
    }

    /// Adds what later rows come to.
    pub(super) fn join(&mut self, context: &Context<'_>, key: Key, group: Group) -> Outcome<()> {
        if let Some(known) = self.groups.get_mut(&key) {
            for (known, more) in known.accumulators.iter_mut().zip(group.accumulators) {
                known.join(more, &context.meter, &mut self.held)?;
            }
            return Ok(());
        }
        self.take_room(context, &key)?;
        for accumulator in &group.accumulators {
            accumulator.hold(&context.meter, &mut self.held)?;
        }
        self.groups.insert(key.clone(), group);
        self.order.push(key);
        Ok(())
    }

    /// Whether what it came to so far may be joined with more, and is the same as if it had been one.
    pub(super) fn joins_exactly(&self) -> bool {
        !self.inexact
    }

    /// The groups in the order in which they came.
    pub(super) fn into_groups(mut self) -> Vec<(Key, Group)> {
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|key| self.groups.remove_entry(&key)).collect()
    }
}

impl<'r> Stage<'r> for AggregateStage {
    fn start(&mut self, row: &Row) {
        self.start = row.prefix(self.spec.base);
    }

    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let key: Key = all(context, &spec.keys, &mut row)?.into();
        if !self.groups.contains_key(&key) {
            self.take_room(context, &key)?;
            let group = self.group(row.prefix(spec.base));
            self.groups.insert(key.clone(), group);
            self.order.push(key.clone());
        }
        let Some(group) = self.groups.get_mut(&key) else { return Ok(()) };
        for (call, accumulator) in spec.aggregates.iter().zip(&mut group.accumulators) {
            let args = all(context, &call.args, &mut row)?;
            accumulator.add(&args, &context.meter, &mut self.held)?;
            self.inexact |= !accumulator.joins_exactly();
        }
        Ok(())
    }

    fn finish(&mut self, _: &Context<'r>) -> Outcome<()> {
        // Without keys there is one group, even of no rows.
        if self.spec.keys.is_empty() && self.groups.is_empty() {
            let key = Key::default();
            let group = self.group(self.start.clone());
            self.groups.insert(key.clone(), group);
            self.order.push(key);
        }
        self.ready = Some(std::mem::take(&mut self.order).into_iter());
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let Some(ready) = &mut self.ready else { return Ok(Pull::Starved) };
        let Some(key) = ready.next() else {
            self.held.clear();
            return Ok(Pull::Done);
        };
        let Some(group) = self.groups.remove(&key) else { return Ok(Pull::Done) };
        let mut row = group.prefix;
        row.0.extend(key);
        for (accumulator, call) in group.accumulators.into_iter().zip(&self.spec.aggregates) {
            let value = accumulator.finish()?;
            row.0.push(context.sound(value, call.span)?);
        }
        Ok(Pull::Row(row))
    }
}

/// A row with its sort keys; ordered as the rows are to come out.
struct Sorted {
    keys: Vec<Value>,
    place: u64,
    row: Row,
    descending: Arc<[bool]>,
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        for ((a, b), descending) in self.keys.iter().zip(&other.keys).zip(self.descending.iter()) {
            let ordering = order(a, b);
            if ordering.is_ne() {
                return if *descending { ordering.reverse() } else { ordering };
            }
        }
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sorted {}

impl Sorted {
    fn bytes(&self) -> usize {
        self.keys.iter().map(Value::bytes).fold(self.row.bytes() + 64, usize::saturating_add)
    }
}

/// ORDER BY. With a LIMIT after it, only as many rows as that lets through are
/// kept, in a heap whose top is the one to go next.
pub(super) struct SortStage {
    spec: Arc<Sort>,
    descending: Arc<[bool]>,
    /// How many rows are wanted; unknown before the first row.
    wanted: Option<Option<u64>>,
    rows: BinaryHeap<Sorted>,
    place: u64,
    held: Held,
    ready: Option<std::vec::IntoIter<Sorted>>,
}

impl SortStage {
    pub(super) fn new(spec: &Arc<Sort>) -> Self {
        Self {
            spec: Arc::clone(spec),
            descending: spec.keys.iter().map(|(_, descending)| *descending).collect(),
            wanted: None,
            rows: BinaryHeap::new(),
            place: 0,
            held: Held::default(),
            ready: None,
        }
    }

    fn wanted(&mut self, context: &Context<'_>) -> Outcome<Option<u64>> {
        if let Some(wanted) = self.wanted {
            return Ok(wanted);
        }
        let wanted = match &self.spec.limit {
            None => None,
            Some(limit) => {
                let skip = match &self.spec.skip {
                    Some(skip) => count(context, skip)?,
                    None => 0,
                };
                Some(count(context, limit)?.saturating_add(skip))
            }
        };
        self.wanted = Some(wanted);
        Ok(wanted)
    }
}

impl<'r> Stage<'r> for SortStage {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = Arc::clone(&self.spec);
        let wanted = self.wanted(context)?;
        let keys = all(context, spec.keys.iter().map(|(key, _)| key), &mut row)?;
        let sorted = Sorted { keys, place: self.place, row, descending: Arc::clone(&self.descending) };
        self.place += 1;
        let full = wanted.is_some_and(|wanted| self.rows.len() as u64 >= wanted);
        if full {
            match self.rows.peek() {
                Some(worst) if sorted < *worst => {}
                _ => return Ok(()),
            }
            if let Some(worst) = self.rows.pop() {
                self.held.give(worst.bytes());
            }
        }
        self.held.take(&context.meter, sorted.bytes(), spec.span)?;
        self.rows.push(sorted);
        Ok(())
    }

    fn finish(&mut self, _: &Context<'r>) -> Outcome<()> {
        self.ready = Some(std::mem::take(&mut self.rows).into_sorted_vec().into_iter());
        Ok(())
    }

    fn next(&mut self, _: &Context<'r>) -> Outcome<Pull> {
        let Some(ready) = &mut self.ready else { return Ok(Pull::Starved) };
        match ready.next() {
            Some(sorted) => {
                self.held.give(sorted.bytes());
                Ok(Pull::Row(sorted.row))
            }
            None => Ok(Pull::Done),
        }
    }
}

pub(super) struct CallStage<'r> {
    spec: Arc<CallStep>,
    row: Row,
    rows: Option<ProcedureRows<'r>>,
    /// The row that a procedure without columns passes on.
    passing: Option<Row>,
}

impl CallStage<'_> {
    pub(super) fn new(spec: &Arc<CallStep>) -> Self {
        Self { spec: Arc::clone(spec), row: Row::default(), rows: None, passing: None }
    }
}

/// The error of a procedure, with its place.
pub(crate) fn procedure_fault(error: ProcedureError, span: Span) -> Fault {
    let ProcedureError { code, message, hint, outer } = error;
    match (outer, hint) {
        (Some(fault), _) => fault.0.or_at(span),
        (None, Some(hint)) => Fault::runtime(code, span, message).hint(hint),
        (None, None) => Fault::runtime(code, span, message),
    }
}

impl<'r> Stage<'r> for CallStage<'r> {
    fn feed(&mut self, context: &Context<'r>, mut row: Row) -> Outcome<()> {
        let spec = &self.spec;
        let args = all(context, &spec.args, &mut row)?;
        let rows = context.graph.call(&spec.name, args, Account::new(&context.meter, spec.span));
        self.rows = Some(rows.map_err(|error| procedure_fault(error, spec.span))?);
        self.passing = spec.passes.then(|| row.clone());
        self.row = row;
        Ok(())
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let spec = &self.spec;
        if let Some(found) = self.rows.as_mut().and_then(Iterator::next) {
            context.meter.expansion(spec.span)?;
            let found = found.map_err(|error| procedure_fault(error, spec.span))?;
            let mut row = self.row.clone();
            for (column, slot) in &spec.yields {
                row.set(*slot, found.get(*column).cloned().unwrap_or_default());
            }
            return Ok(Pull::Row(row));
        }
        self.rows = None;
        Ok(self.passing.take().map_or(Pull::Starved, Pull::Row))
    }
}
