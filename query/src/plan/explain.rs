//! Plans for people to read.

use std::sync::Arc;

use super::{AggregateCall, Expr, Gives, Hop, Kind, Nested, Predicate, QueryPlan, Scan, Seek, Step, Wanted};
use crate::ast::{Comparison, Direction, Span};
use crate::exec::{Context, Measure};
use crate::value::Value;

/// The columns of EXPLAIN.
pub(crate) const COLUMNS: [&str; 3] = ["step", "detail", "estimate"];

/// The columns that ANALYZE adds: rows that came out, what was read of the graph
/// (nodes, relationships, labels, properties), time in the step itself.
pub(crate) const MEASURED: [&str; 3] = ["rows", "reads", "milliseconds"];

/// The rows of a plan in the order in which its steps run. What runs inside
/// another step stands indented below it.
pub(crate) fn describe(
    plan: &QueryPlan,
    text: &str,
    context: &Context<'_>,
    measured: bool,
) -> Vec<Vec<Value>> {
    let mut writer = Writer { text, context, measured, rows: Vec::new() };
    for (at, part) in plan.parts.iter().enumerate() {
        if plan.parts.len() > 1 {
            let all = if plan.distinct { "UNION" } else { "UNION ALL" };
            writer.row(0, if at == 0 { "Union" } else { "And" }, all, None, None);
        }
        writer.steps(&part.steps, usize::from(plan.parts.len() > 1), 1.0);
    }
    writer.rows
}

struct Writer<'a, 'r> {
    text: &'a str,
    context: &'a Context<'r>,
    measured: bool,
    rows: Vec<Vec<Value>>,
}

impl Writer<'_, '_> {
    fn row(
        &mut self,
        depth: usize,
        step: &str,
        detail: &str,
        estimate: Option<f64>,
        measure: Option<Measure>,
    ) {
        let estimate = estimate.map(|estimate| Value::Float((estimate * 100.0).round() / 100.0));
        let mut row = vec![format!("{}{step}", "  ".repeat(depth)).into(), detail.into(), estimate.into()];
        if self.measured {
            match measure {
                Some(measure) => row.extend([
                    Value::Int(measure.rows as i64),
                    Value::Int(measure.reads as i64),
                    Value::Float((measure.time.as_secs_f64() * 1e6).round() / 1e3),
                ]),
                None => row.extend([Value::Null, Value::Null, Value::Null]),
            }
        }
        self.rows.push(row);
    }

    fn source(&self, span: Span) -> String {
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Writes steps into which `rows` rows come; gives how many come out.
    fn steps(&mut self, steps: &[Step], depth: usize, rows: f64) -> f64 {
        let mut rows = rows;
        let mut sought = false;
        for step in steps {
            let measure = Some(self.context.measure(step));
            let (name, detail) = self.step(step);
            let place = self.rows.len();
            let into = rows;
            rows = estimate(step, rows, sought);
            self.row(depth, name, &detail, Some(rows), measure);
            if let Step::Optional(inner) = step {
                rows = self.steps(inner, depth + 1, into).max(into);
                if let Some(Some(cell)) = self.rows.get_mut(place).map(|row| row.get_mut(2)) {
                    *cell = Value::Float((rows * 100.0).round() / 100.0);
                }
            }
            for nested in nested(step) {
                self.nested(nested, depth + 1);
            }
            // The conditions that a seek looked up are compared again right behind it.
            sought = matches!(step, Step::Seek(_)) || (sought && matches!(step, Step::Filter(_)));
        }
        rows
    }

    /// A query inside an expression, for one row of the step that evaluates it.
    fn nested(&mut self, nested: &Arc<Nested>, depth: usize) {
        let gives = match &nested.gives {
            Gives::Exists => "whether there is a row",
            Gives::Count => "how many rows there are",
            Gives::List(_) => "a list of a value a row",
        };
        self.row(depth, "Subquery", gives, None, None);
        for part in &nested.plan.parts {
            self.steps(&part.steps, depth + 1, 1.0);
        }
    }

    fn step(&self, step: &Step) -> (&'static str, String) {
        match step {
            Step::Scan(scan) => ("Scan", self.scan(scan)),
            Step::Seek(seek) => ("Seek", self.seek(seek)),
            Step::Expand(s) => (if s.into { "Connect" } else { "Expand" }, self.hop(&s.hop, s.span)),
            Step::Degree(s) => ("Degree", format!("{}, counted", self.hop(&s.hop, s.span))),
            Step::VarExpand(s) => ("Walk", self.hop(&s.step.hop, s.step.span)),
            Step::Reach(s) => ("Reach", self.hop(&s.step.hop, s.step.span)),
            Step::Trail(s) => ("Trail", self.source(s.step.span)),
            Step::Ends(s) => ("Ends", self.source(s.span)),
            Step::Shortest(s) => {
                let how =
                    if s.conditions.is_empty() { "from both ends" } else { "with conditions on the path" };
                ("Shortest path", format!("{}, {how}", self.source(s.walk.step.span)))
            }
            Step::Path(s) => ("Path", self.source(s.span)),
            Step::Filter(s) => ("Filter", self.source(s.span)),
            Step::Optional(_) => ("Optional", String::new()),
            Step::Unwind(s) => ("Unwind", self.source(s.list.span)),
            Step::Extend(s) => {
                let items: Vec<String> = s.iter().map(|(_, expr)| self.source(expr.span)).collect();
                ("Compute", items.join(", "))
            }
            Step::Project(s) => ("Project", self.source(s.span)),
            Step::Aggregate(s) => {
                let keys: Vec<String> = s.keys.iter().map(|key| self.source(key.span)).collect();
                let calls: Vec<String> = s.aggregates.iter().map(|call| self.source(call.span)).collect();
                let by = if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(", ")) };
                ("Aggregate", format!("{}{by}", calls.join(", ")))
            }
            Step::Count(s) => ("Count", format!("{}, as the store knows it", self.source(s.scan.span))),
            Step::Distinct(_) => ("Distinct", String::new()),
            Step::Sort(s) => {
                let keys: Vec<String> = s
                    .keys
                    .iter()
                    .map(|(key, down)| {
                        format!("{}{}", self.source(key.span), if *down { " DESC" } else { "" })
                    })
                    .collect();
                (if s.limit.is_some() { "Top" } else { "Sort" }, keys.join(", "))
            }
            Step::Skip(s) => ("Skip", self.source(s.span)),
            Step::Limit(s) => ("Limit", self.source(s.span)),
            Step::Call(s) => ("Call", s.name.clone()),
        }
    }

    fn scan(&self, scan: &Scan) -> String {
        match &scan.labels {
            None => format!("{}: a label that does not exist", self.source(scan.span)),
            Some(labels) if labels.is_empty() => format!("{}: every node", self.source(scan.span)),
            Some(_) => format!("{}: every node with the label", self.source(scan.span)),
        }
    }

    fn seek(&self, seek: &Seek) -> String {
        let wanted: Vec<String> = seek
            .properties
            .iter()
            .zip(&seek.values)
            .map(|(property, wanted)| match wanted {
                Wanted::One(expr) => format!("{property} = {}", self.source(expr.span)),
                Wanted::AnyOf(expr) => format!("{property} IN {}", self.source(expr.span)),
                Wanted::Prefix(expr) => format!("{property} STARTS WITH {}", self.source(expr.span)),
            })
            .collect();
        format!("{}: {}", self.source(seek.span), wanted.join(" AND "))
    }

    fn hop(&self, hop: &Hop, span: Span) -> String {
        let way = match hop.direction {
            Direction::Out => "out",
            Direction::In => "in",
            Direction::Both => "either way",
        };
        format!("{} ({way})", self.source(span))
    }
}

/// About how many rows come out of a step that `rows` rows come into.
fn estimate(step: &Step, rows: f64, sought: bool) -> f64 {
    let constant = |expr: &Expr| match &expr.kind {
        Kind::Const(Value::Int(count)) => Some(*count as f64),
        _ => None,
    };
    match step {
        Step::Scan(s) => rows * s.estimate,
        Step::Seek(s) => rows * s.estimate,
        Step::Expand(s) => rows * s.estimate,
        Step::Degree(s) => rows * s.estimate.min(1.0),
        Step::VarExpand(s) | Step::Reach(s) => rows * s.step.estimate,
        Step::Filter(s) => rows * if sought { 1.0 } else { share(s) },
        Step::Unwind(s) => match &s.list.kind {
            Kind::Const(Value::List(list)) => rows * list.len() as f64,
            Kind::List(items) => rows * items.len() as f64,
            _ => rows * 10.0,
        },
        Step::Aggregate(s) if s.keys.is_empty() => 1.0,
        Step::Aggregate(_) => rows.min(rows.sqrt().max(1.0)),
        Step::Count(_) => 1.0,
        Step::Sort(s) => match (s.limit.as_ref().map(constant), s.skip.as_ref().map(constant)) {
            (Some(Some(limit)), None) => rows.min(limit),
            (Some(Some(limit)), Some(Some(skip))) => rows.min(limit + skip),
            _ => rows,
        },
        Step::Skip(s) => (rows - constant(s).unwrap_or_default()).max(0.0),
        Step::Limit(s) => rows.min(constant(s).unwrap_or(f64::INFINITY)),
        Step::Ends(_)
        | Step::Trail(_)
        | Step::Shortest(_)
        | Step::Path(_)
        | Step::Optional(_)
        | Step::Extend(_)
        | Step::Project(_)
        | Step::Distinct(_)
        | Step::Call(_) => rows,
    }
}

/// The share of rows that a condition keeps, for want of statistics.
fn share(condition: &Expr) -> f64 {
    match &condition.kind {
        Kind::Compare(_, rest) => match rest.as_slice() {
            [(Comparison::Equal, _)] => 0.1,
            [(Comparison::NotEqual, _)] => 0.9,
            _ => 0.33,
        },
        Kind::Predicates(_, ops) => match ops.as_slice() {
            [Predicate::IsNotNull] => 0.9,
            [Predicate::IsNull] => 0.1,
            _ => 0.2,
        },
        _ => 0.5,
    }
}

/// The queries inside the expressions of a step.
fn nested(step: &Step) -> Vec<&Arc<Nested>> {
    let mut found = Vec::new();
    match step {
        Step::Filter(expr) => expr.nested(&mut found),
        Step::Unwind(unwind) => unwind.list.nested(&mut found),
        Step::Extend(items) => items.iter().for_each(|(_, expr)| expr.nested(&mut found)),
        Step::Project(project) => project.items.iter().for_each(|expr| expr.nested(&mut found)),
        Step::Aggregate(grouping) => {
            grouping.keys.iter().for_each(|expr| expr.nested(&mut found));
            let calls: &[AggregateCall] = &grouping.aggregates;
            calls.iter().flat_map(|call| &call.args).for_each(|expr| expr.nested(&mut found));
        }
        Step::Sort(sort) => sort.keys.iter().for_each(|(expr, _)| expr.nested(&mut found)),
        Step::Call(call) => call.args.iter().for_each(|expr| expr.nested(&mut found)),
        _ => {}
    }
    found
}
