//! From a text to its rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kinfold_engine::read::{Read, ViewOptions};

use crate::ast::{Body, Mode, Span, Statement, Verb};
use crate::bind;
use crate::error::{Fault, Outcome, QueryError};
use crate::exec::{Context, Row, Running};
use crate::graph::{Account, Graph, ProcedureRows};
use crate::identity::IdentityGraph;
use crate::limits::{DEEPEST, Limits, Meter, Stats};
use crate::parser::parse_statement;
use crate::plan::{ANALYZE_COLUMNS, EXPLAIN_COLUMNS, QueryPlan, describe};
use crate::value::Value;
use crate::verbs;
use crate::view;

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

/// How the parts of a MATCH clause are put in order.
///
/// The rows are the same either way; tests compare the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Planning {
    /// By what is estimated to touch the graph least: indexes are used, and
    /// every condition runs as soon as it can.
    #[default]
    Cheapest,
    /// As they stand in the text, by scans alone, with every condition at the end.
    AsWritten,
}

/// How a query is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it may use.
    pub limits: Limits,
    /// What becomes of unknown names.
    pub strictness: Strictness,
    /// How patterns are put in order; anything but the default is for tests.
    pub planning: Planning,
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
    Verb(ProcedureRows<'r>, Span),
    Query(Arc<QueryPlan>),
    Explain(Arc<QueryPlan>),
    Analyze(Arc<QueryPlan>),
}

/// A statement that is parsed, with what it needs to run.
///
/// The one way from a text to rows, since the text itself says of what view of
/// a store it is asked: parse it, ask for the view, build a reader of that
/// view, and run the statement on it.
///
/// ```
/// use kinfold_engine::read::{Read, ViewOptions};
/// use kinfold_query::{Options, Params, Parsed, QueryError, Rows};
///
/// fn rows<'r, R: Read + Sync + 'r>(
///     text: &str,
///     store: &R,
///     reader: impl FnOnce(&ViewOptions) -> &'r R,
/// ) -> Result<Rows<'r>, QueryError> {
///     let parsed = Parsed::new(text, Params::new(), Options::default())?;
///     let view = parsed.view(store)?;
///     Ok(parsed.prepare(reader(&view))?.run())
/// }
/// ```
pub struct Parsed {
    text: String,
    statement: Statement,
    params: Params,
    strictness: Strictness,
    planning: Planning,
    meter: Meter,
    view: ViewOptions,
}

impl Parsed {
    /// Parses a statement and checks its options.
    ///
    /// `params` are by name without `$`. The error says where the statement makes
    /// no sense. Limits are counted from here on.
    pub fn new(text: &str, params: Params, options: Options) -> Result<Self, QueryError> {
        let located = |fault: Fault| fault.locate(text);
        let Options { limits, strictness, planning, cancel } = options;
        let meter = Meter::new(limits, cancel);
        let statement = parse_statement(text, &limits).map_err(located)?;
        for (name, value) in &params {
            if value.depth() > limits.max_depth.min(DEEPEST) {
                let message = format!("the parameter `${name}` is nested too deeply (limit max_depth)");
                return Err(located(Fault::limit("max_depth", "limit-depth", None, message)));
            }
        }
        let view = view::view(&statement.options, &params).map_err(located)?;
        Ok(Self { text: text.to_owned(), statement, params, strictness, planning, meter, view })
    }

    /// The view of a store that the statement is asked of.
    ///
    /// `now` is the store as it is: a source, an identifier or a link that it
    /// does not have cannot be left out, and a write that it has not made yet is
    /// no moment to ask of; the error says which.
    pub fn view(&self, now: &impl Read) -> Result<ViewOptions, QueryError> {
        match view::check(&self.statement.options, &self.params, now) {
            Ok(()) => Ok(self.view.clone()),
            Err(fault) => Err(fault.locate(&self.text)),
        }
    }

    /// The columns that the statement has on a reader of the view that
    /// [`Parsed::view`] gave. Nothing is run, and nobody looked for: whom a verb
    /// asks about may be unknown.
    pub fn columns<R: Read + Sync>(self, read: &R) -> Result<Vec<String>, QueryError> {
        match &self.statement.body {
            Body::Verb(verb) => {
                let who = verb.who.iter().try_for_each(|who| verbs::target(who, &self.params).map(drop));
                who.map_err(|fault| fault.locate(&self.text))?;
                Ok(verbs::columns(verb.kind).iter().map(|name| (*name).to_owned()).collect())
            }
            Body::Query { .. } => Ok(self.prepare(read)?.columns),
        }
    }

    /// Prepares the statement on a reader of the view that [`Parsed::view`] gave.
    ///
    /// The error says where the statement makes no sense there; a verb whose
    /// identifier is not known is an error too, with the code `not-found`.
    pub fn prepare<'r, R: Read + Sync>(self, read: &'r R) -> Result<Prepared<'r>, QueryError> {
        let graph = Box::new(IdentityGraph::new(read));
        self.prepared(graph, |verb, params, account| verbs::run(verb, read, params, account))
    }

    fn prepared<'r>(
        self,
        graph: Box<dyn Graph<'r> + 'r>,
        verb: impl FnOnce(&Verb, &Params, Account<'_>) -> Outcome<verbs::Answer<'r>>,
    ) -> Result<Prepared<'r>, QueryError> {
        let Self { text, statement, params, strictness, planning, meter, view: _ } = self;
        let mut context = Context::new(graph, meter);
        let bound = match &statement.body {
            Body::Verb(tree) => verb(tree, &params, Account::new(&context.meter, tree.span)).map(|answer| {
                let columns = answer.columns.iter().map(|name| (*name).to_owned()).collect();
                (columns, Work::Verb(answer.rows, tree.span))
            }),
            Body::Query { mode, query } => {
                let strict = strictness == Strictness::Strict;
                bind::bind(query, &text, &*context.graph, &params, strict, planning)
                    .map(|bound| planned(bound, *mode))
            }
        };
        let (columns, work) = bound.map_err(|fault| fault.locate(&text))?;
        if matches!(work, Work::Analyze(_)) {
            context = context.measured();
        }
        Ok(Prepared { text, columns, context, work })
    }
}

fn planned<'r>(bound: bind::Bound, mode: Mode) -> (Vec<String>, Work<'r>) {
    let plan = Arc::new(bound.plan);
    let explained = EXPLAIN_COLUMNS.iter().map(|name| (*name).to_owned());
    match mode {
        Mode::Run => (bound.columns, Work::Query(plan)),
        Mode::Explain => (explained.collect(), Work::Explain(plan)),
        Mode::Analyze => {
            let more = ANALYZE_COLUMNS.iter().map(|name| (*name).to_owned());
            (explained.chain(more).collect(), Work::Analyze(plan))
        }
    }
}

/// Prepares a graph query on any graph. Verbs and options are only for identity stores.
pub fn prepare_on<'r>(
    text: &str,
    graph: Box<dyn Graph<'r> + 'r>,
    params: Params,
    options: Options,
) -> Result<Prepared<'r>, QueryError> {
    let parsed = Parsed::new(text, params, options)?;
    if let Some(option) = parsed.statement.options.first() {
        let what = format!("the option `{}` on a graph that is no identity store", option.kind.words());
        return Err(Fault::unsupported(option.span, &what).locate(text));
    }
    parsed.prepared(graph, |verb, _, _| {
        Err(Fault::unsupported(verb.span, "a verb on a graph that is no identity store"))
    })
}

/// The value of a parameter.
pub(crate) fn param<'a>(name: &str, span: Span, params: &'a Params) -> Outcome<&'a Value> {
    params.get(name).ok_or_else(|| {
        let message = format!("no parameter `${name}` is given");
        Fault::binding("unknown-parameter", span, message)
            .did_you_mean(name, params.keys().map(String::as_str))
    })
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
                let (base, span) = (plan.base, plan.span);
                Source::Query { running: Box::new(Running::new(&plan, &Row::default())), base, span }
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
    Verb(ProcedureRows<'r>, Span),
    Query { running: Box<Running<'r>>, base: usize, span: Span },
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
            Source::Query { running, base, span } => match running.next(&self.context)? {
                Some(row) => Some(self.context.completed(row.slice(*base, self.width), *span)?),
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
