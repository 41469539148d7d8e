//! Plans for people to read.

use super::{Hop, QueryPlan, Scan, Seek, Step, Wanted};
use crate::ast::{Direction, Span};
use crate::exec::{Context, Measure};
use crate::value::Value;

/// The columns of EXPLAIN.
pub(crate) const COLUMNS: [&str; 3] = ["step", "detail", "estimate"];

/// The columns that ANALYZE adds: rows that came out, nodes and relationships
/// taken from the graph, time in the step itself.
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
        writer.steps(&part.steps, usize::from(plan.parts.len() > 1));
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
                    Value::Int(measure.expansions as i64),
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

    fn steps(&mut self, steps: &[Step], depth: usize) {
        for step in steps {
            let measure = Some(self.context.measure(step));
            let (name, detail, estimate) = self.step(step);
            self.row(depth, name, &detail, estimate, measure);
            if let Step::Optional(inner) = step {
                self.steps(inner, depth + 1);
            }
        }
    }

    fn step(&self, step: &Step) -> (&'static str, String, Option<f64>) {
        match step {
            Step::Scan(scan) => ("Scan", self.scan(scan), Some(scan.estimate)),
            Step::Seek(seek) => ("Seek", self.seek(seek), Some(seek.estimate)),
            Step::Expand(s) => {
                (if s.into { "Connect" } else { "Expand" }, self.hop(&s.hop, s.span), Some(s.estimate))
            }
            Step::VarExpand(s) => ("Walk", self.hop(&s.step.hop, s.step.span), Some(s.step.estimate)),
            Step::Trail(s) => ("Trail", self.source(s.step.span), None),
            Step::Ends(s) => ("Ends", self.source(s.span), None),
            Step::Shortest(s) => {
                let how = if s.conditions.is_empty() { "" } else { ", with conditions on the path" };
                ("Shortest path", format!("{}{how}", self.source(s.walk.step.span)), None)
            }
            Step::Path(s) => ("Path", self.source(s.span), None),
            Step::Filter(s) => ("Filter", self.source(s.span), None),
            Step::Optional(_) => ("Optional", String::new(), None),
            Step::Unwind(s) => ("Unwind", self.source(s.list.span), None),
            Step::Extend(s) => {
                let items: Vec<String> = s.iter().map(|(_, expr)| self.source(expr.span)).collect();
                ("Compute", items.join(", "), None)
            }
            Step::Project(s) => ("Project", self.source(s.span), None),
            Step::Aggregate(s) => {
                let keys: Vec<String> = s.keys.iter().map(|key| self.source(key.span)).collect();
                let calls: Vec<String> = s.aggregates.iter().map(|call| self.source(call.span)).collect();
                let by = if keys.is_empty() { String::new() } else { format!(" by {}", keys.join(", ")) };
                ("Aggregate", format!("{}{by}", calls.join(", ")), None)
            }
            Step::Distinct(_) => ("Distinct", String::new(), None),
            Step::Sort(s) => {
                let keys: Vec<String> = s
                    .keys
                    .iter()
                    .map(|(key, down)| {
                        format!("{}{}", self.source(key.span), if *down { " DESC" } else { "" })
                    })
                    .collect();
                (if s.limit.is_some() { "Top" } else { "Sort" }, keys.join(", "), None)
            }
            Step::Skip(s) => ("Skip", self.source(s.span), None),
            Step::Limit(s) => ("Limit", self.source(s.span), None),
            Step::Call(s) => ("Call", s.name.clone(), None),
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
