//! One large scan on several threads.
//!
//! Where a query scans many nodes only to aggregate what it makes of each, the
//! scan is cut into shares that threads take one after another; each makes
//! groups of its own. Groups are joined in the order of the shares, so that what
//! comes first comes first, as on one thread. What would come out otherwise for
//! being joined (a sum of fractions), or meets a limit, is left to one thread.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::rows::{AggregateStage, Group};
use super::{BoxedStage, Context, Pipeline, Pull, Row, Stage, identity, read};
use crate::error::{Fault, Outcome};
use crate::graph::GraphShare;
use crate::limits::{Meter, Usage};
use crate::plan::{Grouping, Kind, Scan, Step};
use crate::value::{Key, NodeValue, Value};

/// How many shares each thread gets, so that they end together.
const SHARES: usize = 4;

/// The groups of a share, in the order in which they came, and what it used.
struct Done {
    groups: Vec<(Key, Group)>,
    used: Usage,
}

/// A scan whose rows are only aggregated.
struct Shared<'s> {
    scan: &'s Scan,
    between: &'s [Step],
    grouping: &'s Arc<Grouping>,
    /// How many steps that is.
    steps: usize,
}

impl<'s> Shared<'s> {
    /// What `steps` begin with, if it is that.
    fn of(steps: &'s [Step]) -> Option<Self> {
        let (Step::Scan(scan), rest) = steps.split_first()? else { return None };
        let mut by_node = false;
        let at = rest.iter().position(|step| match step {
            // A node is in one share alone, so what is grouped by it is whole there.
            Step::Aggregate(grouping) if !by_node && is_by(grouping, scan.slot) => {
                by_node = true;
                false
            }
            step => !is_of_one_row(step),
        })?;
        let Step::Aggregate(grouping) = &rest[at] else { return None };
        let joins = grouping.aggregates.iter().all(|call| call.function.joins());
        joins.then(|| Self { scan, between: &rest[..at], grouping, steps: at + 2 })
    }
}

/// Whether a value is among what rows are grouped by.
fn is_by(grouping: &Grouping, slot: usize) -> bool {
    grouping.keys.iter().any(|key| matches!(key.kind, Kind::Slot(at) if at == slot))
}

/// Whether what a step makes of a row depends on no other row.
fn is_of_one_row(step: &Step) -> bool {
    match step {
        Step::Scan(_)
        | Step::Seek(_)
        | Step::Expand(_)
        | Step::Degree(_)
        | Step::VarExpand(_)
        | Step::Reach(_)
        | Step::Ends(_)
        | Step::Trail(_)
        | Step::Shortest(_)
        | Step::Path(_)
        | Step::Filter(_)
        | Step::Unwind(_)
        | Step::Extend(_)
        | Step::Project(_) => true,
        Step::Optional(steps) => steps.iter().all(is_of_one_row),
        Step::Aggregate(_)
        | Step::Count(_)
        | Step::Distinct(_)
        | Step::Sort(_)
        | Step::Skip(_)
        | Step::Limit(_)
        | Step::Call(_) => false,
    }
}

/// Runs what `steps` begin with on several threads, where that is worth it and
/// possible: the pipeline of what is left, fed. `None` where one thread is to run all.
pub(super) fn pipeline<'r>(
    steps: &[Step],
    context: &Context<'r>,
    start: &Row,
) -> Outcome<Option<Pipeline<'r>>> {
    let (Some(shared), None) = (Shared::of(steps), &context.measures) else { return Ok(None) };
    let threads = context.meter.threads(shared.scan.estimate);
    if threads < 2 {
        return Ok(None);
    }
    let Some(labels) = &shared.scan.labels else { return Ok(None) };
    let shares = context.graph.shares(labels, threads * SHARES);
    if shares.len() < 2 {
        return Ok(None);
    }
    let Some(done) = run(&shared, shares, threads, context, start) else {
        // The clock ran out for one thread as well.
        context.meter.check_time()?;
        return Ok(None);
    };
    let mut groups = AggregateStage::new(shared.grouping);
    groups.start(start);
    for share in done {
        if !context.meter.charge(&share.used) {
            return Ok(None);
        }
        for (key, group) in share.groups {
            groups.join(context, key, group)?;
        }
    }
    let rest = &steps[shared.steps - 1..];
    let mut pipeline = Pipeline::new(rest);
    pipeline.stages.iter_mut().for_each(|(stage, _)| stage.start(start));
    if let (Some(first), Some(step)) = (pipeline.stages.first_mut(), rest.first()) {
        let stage: BoxedStage<'r> = Box::new(groups);
        *first = (stage, identity(step));
    }
    pipeline.ended = true;
    Ok(Some(pipeline))
}

/// Runs all shares; `None` if one of them could not be run to its end.
fn run<'r>(
    shared: &Shared<'_>,
    shares: Vec<GraphShare<'r>>,
    threads: usize,
    context: &Context<'r>,
    start: &Row,
) -> Option<Vec<Done>> {
    let places: Vec<Mutex<(Option<GraphShare<'r>>, Option<Done>)>> =
        shares.into_iter().map(|share| Mutex::new((Some(share), None))).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let account = context.meter.account(threads);
    let now = context.now;
    let work = || {
        while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(share) = place.0.take() else { continue };
            let (graph, nodes) = share();
            let mut context = Context::new(graph, Meter::of(&account));
            context.now = now;
            match aggregate(shared, nodes, &context, start, &failed) {
                Ok(groups) => place.1 = Some(Done { groups, used: context.meter.usage() }),
                Err(_) => {
                    failed.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            // A panic goes on in the thread that waits.
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let done = |place: Mutex<(_, Option<Done>)>| place.into_inner().unwrap_or_else(PoisonError::into_inner).1;
    places.into_iter().map(done).collect()
}

/// The groups of the rows that one share gives.
fn aggregate<'r>(
    shared: &Shared<'_>,
    nodes: crate::graph::Nodes<'r>,
    context: &Context<'r>,
    start: &Row,
    failed: &AtomicBool,
) -> Outcome<Vec<(Key, Group)>> {
    let mut groups = AggregateStage::new(shared.grouping);
    let mut between = Pipeline::new(shared.between);
    between.stages.iter_mut().for_each(|(stage, _)| stage.start(start));
    let scan = shared.scan;
    for node in nodes {
        context.meter.expansion(scan.span)?;
        let mut row = start.with_room(scan.slot);
        row.set(scan.slot, Value::Node(NodeValue::new(read(node, scan.span)?)));
        between.feed(context, row)?;
        drain(&mut between, &mut groups, context)?;
        if failed.load(Ordering::Relaxed) || !groups.joins_exactly() {
            return Err(Fault::cancelled());
        }
    }
    between.finish(context)?;
    drain(&mut between, &mut groups, context)?;
    if groups.joins_exactly() { Ok(groups.into_groups()) } else { Err(Fault::cancelled()) }
}

/// Groups what the stages before give by now.
fn drain<'r>(between: &mut Pipeline<'r>, groups: &mut AggregateStage, context: &Context<'r>) -> Outcome<()> {
    while let Pull::Row(row) = between.next(context)? {
        groups.feed(context, row)?;
    }
    Ok(())
}
