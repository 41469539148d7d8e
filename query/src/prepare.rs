//! From a text to its rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kinfold_engine::read::Read;

use crate::ast::{Mode, Statement};
use crate::bind;
use crate::error::{Fault, Outcome, QueryError};
use crate::exec::{Context, Row, Running};
use crate::graph::{Graph, ProcedureRows};
use crate::identity::IdentityGraph;
use crate::limits::{DEEPEST, Limits, Meter, Stats};
use crate::parser::parse_statement;
use crate::plan::{ANALYZE_COLUMNS, EXPLAIN_COLUMNS, QueryPlan, describe};
use crate::value::Value;
use crate::verbs;

/// The parameters of a query, by name without `$`.
pub type Params = BTreeMap<String, Value>;

/// Whether names that a store does not have are errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// An unknown label, relationship type or property is an error with a suggestion.
    #[default]
    Strict,
    /// It matches nothing, respectively is null, as plain openCypher has it.
    /// Unknown functions, variables and parameters are errors all the same.
    Lenient,
}

/// How a query is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it may use.
    pub limits: Limits,
    /// What becomes of unknown names.
    pub strictness: Strictness,
    /// Set to true from any thread, it ends the query with an error of kind `Cancelled`.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// A statement that is parsed, bound and planned: it can run.
pub struct Prepared<'r> {
    text: String,
    columns: Vec<String>,
    context: Context<'r>,
    work: Work<'r>,
}

enum Work<'r> {
    Verb(ProcedureRows<'r>, crate::ast::Span),
    Query(Arc<QueryPlan>),
    Explain(Arc<QueryPlan>),
    Analyze(Arc<QueryPlan>),
}

/// Prepares a statement on a state of an identity store.
///
/// `params` are by name without `$`. The error says where the statement makes
/// no sense; a verb whose identifier the store does not know is an error too,
/// with the code `not-found`. Limits are counted from here on.
pub fn prepare<'r, R: Read>(
    text: &str,
    read: &'r R,
    params: Params,
    options: Options,
) -> Result<Prepared<'r>, QueryError> {
    let graph = Box::new(IdentityGraph::new(read));
    prepared(text, graph, &params, options, |verb, params| verbs::run(verb, read, params))
        .map_err(|fault| fault.locate(text))
}

/// Prepares a graph query on any graph. Verbs are only for identity stores.
pub fn prepare_on<'r>(
    text: &str,
    graph: Box<dyn Graph<'r> + 'r>,
    params: Params,
    options: Options,
) -> Result<Prepared<'r>, QueryError> {
    prepared(text, graph, &params, options, |verb, _| {
        Err(Fault::unsupported(verb.span, "a verb on a graph that is no identity store"))
    })
    .map_err(|fault| fault.locate(text))
}

fn prepared<'r>(
    text: &str,
    graph: Box<dyn Graph<'r> + 'r>,
    params: &Params,
    options: Options,
    verb: impl FnOnce(&crate::ast::Verb, &Params) -> Outcome<verbs::Answer<'r>>,
) -> Outcome<Prepared<'r>> {
    let Options { limits, strictness, cancel } = options;
    let meter = Meter::new(limits, cancel);
    let statement = parse_statement(text, &limits)?;
    for (name, value) in params {
        if value.depth() > limits.max_depth.min(DEEPEST) {
            let message = format!("the parameter `${name}` is nested too deeply (limit max_depth)");
            return Err(Fault::limit("max_depth", "limit-depth", None, message));
        }
    }
    let mut context = Context::new(graph, meter);
    let (columns, work) = match &statement {
        Statement::Verb(tree) => {
            let answer = verb(tree, params)?;
            (
                answer.columns.iter().map(|name| (*name).to_owned()).collect(),
                Work::Verb(answer.rows, tree.span),
            )
        }
        Statement::Query { mode, query } => {
            let strict = strictness == Strictness::Strict;
            let bound = bind::bind(query, text, &*context.graph, params, strict)?;
            let plan = Arc::new(bound.plan);
            let explained = || EXPLAIN_COLUMNS.iter().map(|name| (*name).to_owned());
            match mode {
                Mode::Run => (bound.columns, Work::Query(plan)),
                Mode::Explain => (explained().collect(), Work::Explain(plan)),
                Mode::Analyze => {
                    context = context.measured();
                    let more = ANALYZE_COLUMNS.iter().map(|name| (*name).to_owned());
                    (explained().chain(more).collect(), Work::Analyze(plan))
                }
            }
        }
    };
    Ok(Prepared { text: text.to_owned(), columns, context, work })
}

impl<'r> Prepared<'r> {
    /// The names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Starts it. Nothing is computed before the first row is asked for.
    pub fn run(self) -> Rows<'r> {
        let width = self.columns.len();
        let source = match self.work {
            Work::Verb(rows, span) => Source::Verb(rows, span),
            Work::Query(plan) => {
                Source::Query { running: Running::new(&plan, &Row::default()), base: plan.base }
            }
            Work::Explain(plan) => Source::Plan { plan, analyze: false },
            Work::Analyze(plan) => Source::Plan { plan, analyze: true },
        };
        Rows { text: self.text, context: self.context, width, source }
    }
}

/// The rows of a running statement. After an error or the last row there are no more.
pub struct Rows<'r> {
    text: String,
    context: Context<'r>,
    width: usize,
    source: Source<'r>,
}

enum Source<'r> {
    Verb(ProcedureRows<'r>, crate::ast::Span),
    Query { running: Running<'r>, base: usize },
    Plan { plan: Arc<QueryPlan>, analyze: bool },
    Ready(std::vec::IntoIter<Vec<Value>>),
    Ended,
}

impl Rows<'_> {
    /// What the statement has used so far.
    pub fn stats(&self) -> Stats {
        self.context.meter.stats()
    }

    fn pull(&mut self) -> Outcome<Option<Vec<Value>>> {
        self.context.meter.check_time()?;
        if let Source::Plan { plan, analyze } = &self.source {
            if *analyze {
                let mut running = Running::new(plan, &Row::default());
                while running.next(&self.context)?.is_some() {}
            }
            let rows = describe(plan, &self.text, &self.context, *analyze);
            self.source = Source::Ready(rows.into_iter());
        }
        let row = match &mut self.source {
            Source::Verb(rows, span) => match rows.next() {
                Some(row) => {
                    self.context.meter.expansion(*span)?;
                    Some(row.map_err(|error| crate::exec::procedure_fault(error, *span))?)
                }
                None => None,
            },
            Source::Query { running, base } => match running.next(&self.context)? {
                Some(row) => {
                    let values = row.slice(*base, self.width).into_iter();
                    Some(values.map(|value| self.context.complete(value)).collect::<Result<_, _>>()?)
                }
                None => None,
            },
            Source::Ready(rows) => rows.next(),
            Source::Plan { .. } | Source::Ended => None,
        };
        if row.is_some() {
            self.context.meter.row()?;
        }
        Ok(row)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Vec<Value>, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.pull() {
            Ok(Some(row)) => Some(Ok(row)),
            Ok(None) => {
                self.source = Source::Ended;
                None
            }
            Err(fault) => {
                self.source = Source::Ended;
                Some(Err(fault.locate(&self.text)))
            }
        }
    }
}
