//! Plans that ask for less than the query says, because what is made of the rows
//! needs no more.

use std::sync::Arc;

use super::{
    AggregateCall, CountStep, Expand, Expr, Grouping, Hop, Kind, Scan, Sort, Step, VarExpand, Wanted,
};
use crate::functions::Aggregate;
use crate::graph::LabelId;

/// The steps of a part, with less work where the result is the same.
///
/// `once` says that of equal rows at the end one is enough; `counts` whether the
/// graph knows how many nodes have some labels.
pub(crate) fn simplify(steps: Vec<Step>, once: bool, counts: impl Fn(&[LabelId]) -> bool) -> Vec<Step> {
    let mut steps = degrees(count(steps, counts));
    let mut at = 0;
    while let Some((step, rest)) = steps.get(at..).and_then(<[Step]>::split_first) {
        if let Step::VarExpand(walk) = step
            && walk.min <= 1
            && !is_read(walk.step.rel, rest)
            && !repeats_matter(rest, once)
        {
            let walk = Arc::clone(walk);
            at = reach(&mut steps, at, walk);
        }
        at += 1;
    }
    steps
}

/// Puts a [`Step::Reach`] in the place of the walk at `at`; gives the place of the
/// last step that was looked at.
///
/// Where the other end was found by a scan, since every trail to it would have
/// been too many, the scan goes: what is reached is never more than there is.
fn reach(steps: &mut Vec<Step>, at: usize, walk: Arc<VarExpand>) -> usize {
    let filters = steps.iter().take(at).rev().take_while(|step| matches!(step, Step::Filter(_))).count();
    let found = (at - filters).checked_sub(1);
    let labels = match found.and_then(|found| steps.get(found)) {
        Some(Step::Scan(scan))
            if walk.step.into && scan.slot == walk.step.to && scan.slot != walk.step.from =>
        {
            scan.labels.clone()
        }
        _ => None,
    };
    let (Some(found), Some(labels)) = (found, labels) else {
        if let Some(place) = steps.get_mut(at) {
            *place = Step::Reach(walk);
        }
        return at;
    };
    let VarExpand { step, min, max, properties, reversed, from_bound } = &*walk;
    let Expand { from, rel, to, into: _, hop, labels: _, estimate, span } = step;
    let step = Expand {
        from: *from,
        rel: *rel,
        to: *to,
        into: false,
        hop: hop.clone(),
        labels: Some(labels),
        estimate: *estimate,
        span: *span,
    };
    let reach = VarExpand {
        step,
        min: *min,
        max: *max,
        properties: properties.clone(),
        reversed: *reversed,
        from_bound: *from_bound,
    };
    steps.remove(at);
    if let Some(place) = steps.get_mut(found) {
        *place = Step::Reach(Arc::new(reach));
    }
    at - 1
}

/// `MATCH (n:Label) RETURN count(*)`: the graph knows the number.
fn count(mut steps: Vec<Step>, counts: impl Fn(&[LabelId]) -> bool) -> Vec<Step> {
    let [Step::Scan(scan), Step::Aggregate(grouping), ..] = steps.as_slice() else { return steps };
    let Some(labels) = &scan.labels else { return steps };
    if !grouping.keys.is_empty() || !counts_alone(scan, grouping) || !counts(labels) {
        return steps;
    }
    let step = CountStep { scan: Arc::clone(scan), base: grouping.base, times: grouping.aggregates.len() };
    steps.splice(..2, [Step::Count(Arc::new(step))]);
    steps
}

fn counts_alone(scan: &Scan, grouping: &Grouping) -> bool {
    grouping.aggregates.iter().all(|call| match (call.function, call.args.as_slice()) {
        (Aggregate::CountStar, _) => true,
        (Aggregate::Count, [arg]) => matches!(arg.kind, Kind::Slot(slot) if slot == scan.slot),
        _ => false,
    })
}

/// `MATCH (n)-[:TYPE]->(m) RETURN n, count(m)`: of `m` the number is enough, and
/// the graph may know it.
fn degrees(mut steps: Vec<Step>) -> Vec<Step> {
    for at in 1..steps.len() {
        let [Step::Expand(expand), Step::Aggregate(grouping)] = &steps[at - 1..=at] else { continue };
        let found = [expand.rel, expand.to];
        let keyed = grouping.keys.iter().any(|key| found.iter().any(|slot| key.mentions(*slot)));
        if expand.into || !expand.hop.unique.is_empty() || keyed || !counts_rows(expand, grouping) {
            continue;
        }
        let number = |call: &AggregateCall| AggregateCall {
            function: Aggregate::Sum,
            args: vec![Expr { kind: Kind::Slot(expand.to), span: call.span }],
            distinct: false,
            span: call.span,
        };
        let summed = Grouping {
            base: grouping.base,
            keys: grouping.keys.clone(),
            aggregates: grouping.aggregates.iter().map(number).collect(),
            span: grouping.span,
        };
        let degree = Step::Degree(Arc::clone(expand));
        steps.splice(at - 1..=at, [degree, Step::Aggregate(Arc::new(summed))]);
    }
    steps
}

/// Whether every aggregate is the number of rows: what an expansion binds is never null.
fn counts_rows(expand: &Expand, grouping: &Grouping) -> bool {
    let bound = [expand.from, expand.rel, expand.to];
    grouping.aggregates.iter().all(|call| match (call.function, call.args.as_slice()) {
        (Aggregate::CountStar, _) => true,
        (Aggregate::Count, [arg]) => {
            !call.distinct && matches!(arg.kind, Kind::Slot(slot) if bound.contains(&slot))
        }
        _ => false,
    })
}

/// Whether one of the steps reads a slot before a projection leaves it behind.
fn is_read(slot: usize, steps: &[Step]) -> bool {
    for step in steps {
        if reads(step, slot) {
            return true;
        }
        if matches!(step, Step::Project(_) | Step::Aggregate(_)) {
            return false;
        }
    }
    false
}

fn reads(step: &Step, slot: usize) -> bool {
    let hop = |hop: &Hop| hop.unique.contains(&slot);
    let one = |step: &Expand| hop(&step.hop) || [step.from, step.rel, step.to].contains(&slot);
    let walk = |walk: &VarExpand| one(&walk.step) || walk.properties.iter().any(|(_, e)| e.mentions(slot));
    let any = |exprs: &[Expr]| exprs.iter().any(|e| e.mentions(slot));
    match step {
        Step::Scan(_) | Step::Count(_) | Step::Skip(_) | Step::Limit(_) => false,
        Step::Seek(seek) => seek.values.iter().any(|wanted| match wanted {
            Wanted::One(e) | Wanted::AnyOf(e) | Wanted::Prefix(e) => e.mentions(slot),
        }),
        Step::Expand(step) | Step::Degree(step) => one(step),
        Step::VarExpand(step) | Step::Reach(step) | Step::Trail(step) => walk(step),
        Step::Shortest(step) => walk(&step.walk) || step.path == Some(slot) || any(&step.conditions),
        Step::Ends(ends) => hop(&ends.hop) || [ends.from, ends.rel, ends.to].contains(&slot),
        Step::Path(path) => path.start == slot || path.rels.contains(&slot),
        Step::Filter(expr) => expr.mentions(slot),
        Step::Optional(inner) => inner.iter().any(|step| reads(step, slot)),
        Step::Unwind(unwind) => unwind.list.mentions(slot),
        Step::Extend(items) => items.iter().any(|(_, e)| e.mentions(slot)),
        Step::Project(project) => any(&project.items),
        Step::Aggregate(grouping) => {
            any(&grouping.keys) || grouping.aggregates.iter().any(|call| any(&call.args))
        }
        Step::Distinct(distinct) => (distinct.from..distinct.from + distinct.count).contains(&slot),
        Step::Sort(sort) => sort.keys.iter().any(|(e, _)| e.mentions(slot)),
        Step::Call(call) => any(&call.args),
    }
}

/// Whether the result is another if rows that are equal come more than once.
fn repeats_matter(steps: &[Step], once: bool) -> bool {
    for step in steps {
        match step {
            Step::Distinct(_) => return false,
            Step::Aggregate(grouping) => {
                let extreme = |function| matches!(function, Aggregate::Min | Aggregate::Max);
                return !grouping.aggregates.iter().all(|call| call.distinct || extreme(call.function));
            }
            Step::Skip(_) | Step::Limit(_) | Step::Count(_) => return true,
            Step::Sort(sort) => {
                let Sort { limit, .. } = &**sort;
                if limit.is_some() {
                    return true;
                }
            }
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
            | Step::Optional(_)
            | Step::Unwind(_)
            | Step::Extend(_)
            | Step::Project(_)
            | Step::Call(_) => {}
        }
    }
    !once
}
