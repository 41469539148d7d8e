//! Runs plans: rows are pulled through a list of stages, one at a time.

mod arithmetic;
mod eval;
mod expand;
mod measured;
mod reach;
mod rows;
mod scan;
mod shares;
mod shortest;
mod walk;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use kinfold_engine::model::Timestamp;
use kinfold_engine::read::ReadResult;

use crate::ast::Span;
use crate::error::{Fault, Outcome};
use crate::graph::Graph;
use crate::limits::{Held, Meter};
use crate::plan::{QueryPlan, Step};
use crate::value::{List, Map, NodeData, NodeValue, PathValue, RelData, RelValue, Value};

pub(crate) use eval::eval;
pub(crate) use rows::procedure_fault;

/// What a running query works with.
pub(crate) struct Context<'r> {
    pub(crate) graph: Box<dyn Graph<'r> + 'r>,
    pub(crate) meter: Meter,
    /// When the query was prepared: `datetime()` in every row.
    pub(crate) now: Timestamp,
    random: Cell<u64>,
    regexes: RefCell<HashMap<Arc<str>, regex::Regex>>,
    /// For ANALYZE: what each step did, by the place of its data in memory.
    measures: Option<RefCell<HashMap<usize, Measure>>>,
    /// For ANALYZE: how much was read of the graph.
    reads: Rc<Cell<u64>>,
}

/// What a step did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measure {
    pub(crate) rows: u64,
    /// What it read of the graph: nodes, relationships, labels, properties.
    pub(crate) reads: u64,
    pub(crate) time: Duration,
}

impl<'r> Context<'r> {
    pub(crate) fn new(graph: Box<dyn Graph<'r> + 'r>, meter: Meter) -> Self {
        let seed = RandomState::new().hash_one(0) | 1;
        Self {
            graph,
            meter,
            now: Timestamp::now(),
            random: Cell::new(seed),
            regexes: RefCell::default(),
            measures: None,
            reads: Rc::default(),
        }
    }

    pub(crate) fn measured(mut self) -> Self {
        self.measures = Some(RefCell::default());
        self.graph = Box::new(measured::Measured::new(self.graph, Rc::clone(&self.reads)));
        self
    }

    pub(crate) fn measure(&self, step: &Step) -> Measure {
        let measures = self.measures.as_ref().map(RefCell::borrow);
        measures.and_then(|m| m.get(&identity(step)).copied()).unwrap_or_default()
    }

    /// A number from 0 up to, not including, 1 (xorshift64*).
    pub(crate) fn random(&self) -> f64 {
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        (x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A list, if it is neither too large nor too deep.
    pub(crate) fn list(&self, values: Vec<Value>, span: Span) -> Outcome<Value> {
        self.sound(Value::List(values.into()), span)
    }

    /// The value, if it is neither too large nor too deep.
    pub(crate) fn sound(&self, value: Value, span: Span) -> Outcome<Value> {
        self.meter.fits(value.bytes(), span)?;
        self.meter.shallow(value.depth(), span)?;
        Ok(value)
    }

    /// The values of a row as a caller gets them: nodes and relationships with
    /// what is known of them, which is measured as it is gathered.
    pub(crate) fn completed(&self, row: Vec<Value>, span: Span) -> Outcome<Vec<Value>> {
        let bare = |value: &Value| {
            !matches!(
                value,
                Value::Node(_) | Value::Relationship(_) | Value::Path(_) | Value::List(_) | Value::Map(_)
            )
        };
        if row.iter().all(bare) {
            return Ok(row);
        }
        let mut completer = Completer { context: self, held: Held::default(), span };
        row.into_iter().map(|value| completer.value(value)).collect()
    }
}

/// Fills in what is known of the nodes and relationships of one row.
struct Completer<'a, 'r> {
    context: &'a Context<'r>,
    held: Held,
    span: Span,
}

impl Completer<'_, '_> {
    fn take(&mut self, bytes: usize) -> Outcome<()> {
        self.held.take(&self.context.meter, bytes, self.span)
    }

    fn value(&mut self, value: Value) -> Outcome<Value> {
        Ok(match value {
            Value::Node(node) => Value::Node(self.node(node)?),
            Value::Relationship(rel) => Value::Relationship(self.rel(rel)?),
            Value::Path(path) => {
                let nodes = path.nodes().iter().map(|n| self.node(n.clone())).collect::<Outcome<_>>()?;
                let rels =
                    path.relationships().iter().map(|r| self.rel(r.clone())).collect::<Outcome<_>>()?;
                Value::Path(PathValue::new(nodes, rels))
            }
            Value::List(list) => {
                self.take(list.len() * size_of::<Value>())?;
                let all = list.iter().map(|v| self.value(v.clone())).collect::<Outcome<Vec<_>>>()?;
                Value::List(List::from(all))
            }
            Value::Map(map) => {
                self.take(map.len() * size_of::<Value>())?;
                let entries = map.iter().map(|(k, v)| Ok((k.clone(), self.value(v.clone())?)));
                Value::Map(entries.collect::<Outcome<Map>>()?)
            }
            other => other,
        })
    }

    fn id(&self, id: ReadResult<Value>) -> Outcome<String> {
        Ok(match read(id, self.span)? {
            Value::String(text) => text.as_ref().to_owned(),
            other => other.to_string(),
        })
    }

    fn node(&mut self, node: NodeValue) -> Outcome<NodeValue> {
        if node.data.is_some() {
            return Ok(node);
        }
        let graph = &self.context.graph;
        let data = NodeData {
            id: self.id(graph.node_id(node.id))?,
            labels: read(graph.labels(node.id), self.span)?,
            properties: read(graph.node_properties(node.id), self.span)?,
        };
        let labels: usize = data.labels.iter().map(|label| size_of::<String>() + label.len()).sum();
        self.take(size_of::<NodeData>() + data.id.len() + labels + data.properties.bytes())?;
        Ok(NodeValue { id: node.id, data: Some(Arc::new(data)) })
    }

    fn rel(&mut self, rel: RelValue) -> Outcome<RelValue> {
        if rel.data.is_some() {
            return Ok(rel);
        }
        let graph = &self.context.graph;
        let (start, end) = read(graph.ends(rel.id), self.span)?;
        let data = RelData {
            kind: read(graph.type_of(rel.id), self.span)?,
            start: self.id(graph.node_id(start))?,
            end: self.id(graph.node_id(end))?,
            properties: read(graph.rel_properties(rel.id), self.span)?,
        };
        let texts = data.kind.len() + data.start.len() + data.end.len();
        self.take(size_of::<RelData>() + texts + data.properties.bytes())?;
        Ok(RelValue { id: rel.id, data: Some(Arc::new(data)) })
    }
}

/// Gives a place to an error of the store.
fn read<T>(result: ReadResult<T>, span: Span) -> Outcome<T> {
    result.map_err(|error| Fault::from(error).or_at(span))
}

/// The values of one row, by slot. A slot that was never set is null.
#[derive(Clone, Default)]
pub(crate) struct Row(Vec<Value>);

impl Row {
    pub(crate) fn get(&self, slot: usize) -> &Value {
        static NULL: Value = Value::Null;
        self.0.get(slot).unwrap_or(&NULL)
    }

    pub(crate) fn set(&mut self, slot: usize, value: Value) {
        if slot >= self.0.len() {
            self.0.resize(slot + 1, Value::Null);
        }
        if let Some(place) = self.0.get_mut(slot) {
            *place = value;
        }
    }

    /// A copy with room up to `slot`.
    fn with_room(&self, slot: usize) -> Self {
        let mut values = Vec::with_capacity(self.0.len().max(slot + 1));
        values.extend_from_slice(&self.0);
        Self(values)
    }

    /// The first `count` slots alone.
    fn prefix(&self, count: usize) -> Self {
        let mut values: Vec<Value> = self.0.iter().take(count).cloned().collect();
        values.resize(count, Value::Null);
        Self(values)
    }

    /// `count` values from `start` on.
    pub(crate) fn slice(&self, start: usize, count: usize) -> Vec<Value> {
        (start..start + count).map(|slot| self.get(slot).clone()).collect()
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(Value::bytes).fold(24, usize::saturating_add)
    }
}

/// What comes of asking a stage for a row.
enum Pull {
    Row(Row),
    /// It needs another row from the stage before.
    Starved,
    /// It will give no more, whatever it is fed.
    Done,
}

/// A step that is running: takes rows, gives rows.
///
/// It is fed a row only when it said that it is starved; it is told once that
/// no more come.
trait Stage<'r> {
    /// Told before anything else on which row the pipeline runs.
    fn start(&mut self, _: &Row) {}

    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()>;

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull>;

    fn finish(&mut self, _: &Context<'r>) -> Outcome<()> {
        Ok(())
    }
}

type BoxedStage<'r> = Box<dyn Stage<'r> + 'r>;

/// Stages in a row. A loop moves between them, so that a long query needs no deep stack.
struct Pipeline<'r> {
    stages: Vec<(BoxedStage<'r>, usize)>,
    /// What the row takes that a stage keeps while it makes others of it; a
    /// stage that keeps none, or has an account of its own, is not there.
    kept: Vec<Option<(Held, Span)>>,
    /// Whether a stage was told that its input has ended, and whether it has ended itself.
    finished: Vec<bool>,
    done: Vec<bool>,
    ended: bool,
    /// What an empty pipeline hands through.
    passing: Option<Row>,
}

impl<'r> Pipeline<'r> {
    fn new(steps: &[Step]) -> Self {
        Self {
            stages: steps.iter().map(|step| (stage(step), identity(step))).collect(),
            kept: steps.iter().map(|step| keeps(step).map(|span| (Held::default(), span))).collect(),
            finished: vec![false; steps.len()],
            done: vec![false; steps.len()],
            ended: false,
            passing: None,
        }
    }

    /// One that runs on a single row.
    fn on(steps: &[Step], context: &Context<'r>, row: Row) -> Outcome<Self> {
        let mut pipeline = Self::new(steps);
        pipeline.stages.iter_mut().for_each(|(stage, _)| stage.start(&row));
        pipeline.feed(context, row)?;
        pipeline.ended = true;
        Ok(pipeline)
    }

    /// Has a stage do something, and for ANALYZE notes what that took.
    fn act<T>(
        &mut self,
        at: usize,
        context: &Context<'r>,
        act: impl FnOnce(&mut BoxedStage<'r>) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        let Some((stage, identity)) = self.stages.get_mut(at) else { return Ok(None) };
        let Some(measures) = &context.measures else { return act(stage).map(Some) };
        let (start, before) = (Instant::now(), context.reads.get());
        let result = act(stage)?;
        let mut measures = measures.borrow_mut();
        let measure = measures.entry(*identity).or_default();
        measure.time += start.elapsed();
        measure.reads += context.reads.get() - before;
        Ok(Some(result))
    }

    /// Hands a row to a stage.
    fn hand(&mut self, at: usize, context: &Context<'r>, row: Row) -> Outcome<()> {
        if let Some(Some((held, span))) = self.kept.get_mut(at) {
            held.keep_row(&context.meter, &row.0, *span)?;
        }
        self.act(at, context, |stage| stage.feed(context, row))?;
        Ok(())
    }

    fn step(&mut self, at: usize, context: &Context<'r>) -> Outcome<Pull> {
        let pull = self.act(at, context, |stage| stage.next(context))?.unwrap_or(Pull::Done);
        if let (Pull::Row(_), Some(measures), Some((_, identity))) =
            (&pull, &context.measures, self.stages.get(at))
        {
            measures.borrow_mut().entry(*identity).or_default().rows += 1;
        }
        Ok(pull)
    }
}

impl<'r> Stage<'r> for Pipeline<'r> {
    fn feed(&mut self, context: &Context<'r>, row: Row) -> Outcome<()> {
        if self.stages.is_empty() {
            self.passing = Some(row);
            return Ok(());
        }
        self.hand(0, context, row)
    }

    fn next(&mut self, context: &Context<'r>) -> Outcome<Pull> {
        let Some(last) = self.stages.len().checked_sub(1) else {
            return Ok(match self.passing.take() {
                Some(row) => Pull::Row(row),
                None if self.ended => Pull::Done,
                None => Pull::Starved,
            });
        };
        let mut at = last;
        loop {
            context.meter.tick()?;
            if self.done[last] {
                return Ok(Pull::Done);
            }
            let pull = if self.done[at] { Pull::Done } else { self.step(at, context)? };
            match pull {
                Pull::Row(row) if at == last => return Ok(Pull::Row(row)),
                Pull::Row(row) => {
                    at += 1;
                    self.hand(at, context, row)?;
                    continue;
                }
                Pull::Starved => {
                    if let Some(Some((held, _))) = self.kept.get_mut(at) {
                        held.clear();
                    }
                    let ended = if at == 0 { self.ended } else { self.done[at - 1] };
                    if !ended && at == 0 {
                        return Ok(Pull::Starved);
                    }
                    if !ended {
                        at -= 1;
                        continue;
                    }
                    if !self.finished[at] {
                        self.finished[at] = true;
                        self.act(at, context, |stage| stage.finish(context))?;
                        continue;
                    }
                }
                Pull::Done => {}
            }
            self.done[at] = true;
            at = (at + 1).min(last);
        }
    }

    fn finish(&mut self, _: &Context<'r>) -> Outcome<()> {
        self.ended = true;
        Ok(())
    }
}

/// What tells one step of a plan from every other: where its data is.
fn identity(step: &Step) -> usize {
    fn at<T>(data: &Arc<T>) -> usize {
        Arc::as_ptr(data).cast::<()>() as usize
    }
    match step {
        Step::Scan(s) => at(s),
        Step::Seek(s) => at(s),
        Step::Expand(s) | Step::Degree(s) => at(s),
        Step::VarExpand(s) | Step::Reach(s) | Step::Trail(s) => at(s),
        Step::Ends(s) => at(s),
        Step::Shortest(s) => at(s),
        Step::Path(s) => at(s),
        Step::Filter(s) | Step::Skip(s) | Step::Limit(s) => at(s),
        Step::Optional(s) => at(s),
        Step::Unwind(s) => at(s),
        Step::Extend(s) => at(s),
        Step::Project(s) => at(s),
        Step::Aggregate(s) => at(s),
        Step::Count(s) => at(s),
        Step::Distinct(s) => at(s),
        Step::Sort(s) => at(s),
        Step::Call(s) => at(s),
    }
}

/// Where in the text the step stands that keeps a row while it makes others of
/// it; `None` for one that keeps no row, or has an account of those it keeps.
fn keeps(step: &Step) -> Option<Span> {
    match step {
        Step::Scan(spec) => Some(spec.span),
        Step::Seek(spec) => Some(spec.span),
        Step::Expand(spec) | Step::Degree(spec) => Some(spec.span),
        Step::VarExpand(spec) | Step::Reach(spec) | Step::Trail(spec) => Some(spec.step.span),
        Step::Ends(spec) => Some(spec.span),
        Step::Unwind(spec) => Some(spec.list.span),
        Step::Call(spec) => Some(spec.span),
        Step::Optional(steps) => steps.iter().find_map(keeps),
        Step::Shortest(_)
        | Step::Path(_)
        | Step::Filter(_)
        | Step::Extend(_)
        | Step::Project(_)
        | Step::Aggregate(_)
        | Step::Count(_)
        | Step::Distinct(_)
        | Step::Sort(_)
        | Step::Skip(_)
        | Step::Limit(_) => None,
    }
}

fn stage<'r>(step: &Step) -> BoxedStage<'r> {
    match step {
        Step::Scan(spec) => Box::new(scan::ScanStage::new(spec)),
        Step::Seek(spec) => Box::new(scan::SeekStage::new(spec)),
        Step::Expand(spec) => Box::new(expand::ExpandStage::new(spec)),
        Step::Degree(spec) => Box::new(rows::map(expand::Degree(Arc::clone(spec)))),
        Step::VarExpand(spec) => Box::new(walk::WalkStage::new(spec)),
        Step::Reach(spec) => Box::new(reach::ReachStage::new(spec)),
        Step::Ends(spec) => Box::new(expand::EndsStage::new(spec)),
        Step::Trail(spec) => Box::new(walk::TrailStage::new(spec)),
        Step::Shortest(spec) => Box::new(shortest::ShortestStage::new(spec)),
        Step::Path(spec) => Box::new(rows::map(rows::PathMap(Arc::clone(spec)))),
        Step::Filter(spec) => Box::new(rows::map(rows::Filter(Arc::clone(spec)))),
        Step::Extend(spec) => Box::new(rows::map(rows::Extend(Arc::clone(spec)))),
        Step::Project(spec) => Box::new(rows::map(rows::Projector(Arc::clone(spec)))),
        Step::Optional(spec) => Box::new(rows::OptionalStage::new(Pipeline::new(spec))),
        Step::Unwind(spec) => Box::new(rows::UnwindStage::new(spec)),
        Step::Aggregate(spec) => Box::new(rows::AggregateStage::new(spec)),
        Step::Count(spec) => Box::new(rows::map(rows::Counter(Arc::clone(spec)))),
        Step::Distinct(spec) => Box::new(rows::map(rows::Unique::new(spec))),
        Step::Sort(spec) => Box::new(rows::SortStage::new(spec)),
        Step::Skip(spec) => Box::new(rows::map(rows::Skipper::new(spec))),
        Step::Limit(spec) => Box::new(rows::LimitStage::new(spec)),
        Step::Call(spec) => Box::new(rows::CallStage::new(spec)),
    }
}

/// A query that is running.
pub(crate) struct Running<'r> {
    plan: Arc<QueryPlan>,
    part: usize,
    pipeline: Option<Pipeline<'r>>,
    start: Row,
    seen: HashSet<Vec<Value>>,
    held: Held,
}

impl<'r> Running<'r> {
    /// Starts a query on the row that encloses it (an empty one at the top).
    pub(crate) fn new(plan: &Arc<QueryPlan>, outer: &Row) -> Self {
        let start = outer.prefix(plan.base);
        Self {
            plan: Arc::clone(plan),
            part: 0,
            pipeline: None,
            start,
            seen: HashSet::new(),
            held: Held::default(),
        }
    }

    /// The next row, of all parts.
    pub(crate) fn next(&mut self, context: &Context<'r>) -> Outcome<Option<Row>> {
        loop {
            if self.pipeline.is_none() {
                let Some(part) = self.plan.parts.get(self.part) else {
                    self.held.clear();
                    return Ok(None);
                };
                self.part += 1;
                self.pipeline = Some(match shares::pipeline(&part.steps, context, &self.start)? {
                    Some(pipeline) => pipeline,
                    None => Pipeline::on(&part.steps, context, self.start.clone())?,
                });
            }
            let Some(pipeline) = &mut self.pipeline else { return Ok(None) };
            let Pull::Row(row) = pipeline.next(context)? else {
                self.pipeline = None;
                continue;
            };
            if self.plan.distinct {
                let key = row.slice(self.plan.base, self.plan.columns);
                if self.seen.contains(&key) {
                    continue;
                }
                let bytes = key.iter().map(Value::bytes).fold(48, usize::saturating_add);
                self.held.take(&context.meter, bytes, self.plan.span)?;
                self.seen.insert(key);
            }
            return Ok(Some(row));
        }
    }
}
