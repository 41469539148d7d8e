//! The naive oracle for graph queries: what rows a query has, worked out from
//! its tree over a plain list of nodes and relationships by trying everything,
//! slowly and in plain sight.
//!
//! It shares the syntax tree with the engine and nothing else: values,
//! comparison, functions, patterns and clauses are its own. It knows all of the
//! language but `CALL`, `rand()` and lengths of time.
//!
//! Where the language leaves something open (the order of what `collect()`
//! gathers, which of several shortest paths comes, which rows a LIMIT without an
//! order keeps) the oracle keeps it open: a [`Val::Bag`] is a list in any order,
//! a [`Val::OneOf`] any one of several values. A query that makes something
//! definite of what is open ends as [`Stop::Open`]: there is nothing to compare.

mod clauses;
mod compare;
mod expressions;
mod functions;
mod patterns;
mod values;

use std::cell::Cell;
use std::collections::BTreeMap;

use kinfold_query::ast;

pub use compare::{differ, of_engine};

/// A value.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Val {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// A point in time, in microseconds since 1970.
    Time(i64),
    List(Vec<Val>),
    Map(BTreeMap<String, Val>),
    /// The place of a node in the graph.
    Node(usize),
    /// The place of a relationship in the graph.
    Rel(usize),
    /// The places of nodes, and of the relationships between them.
    Path(Vec<usize>, Vec<usize>),
    /// A list whose order is open.
    Bag(Vec<Val>),
    /// One of these; which is open.
    OneOf(Vec<Val>),
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What `id()` gives.
    pub id: Val,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its properties; none is null.
    pub properties: BTreeMap<String, Val>,
}

/// A relationship.
#[derive(Clone, Debug)]
pub struct Rel {
    /// What `id()` gives.
    pub id: Val,
    /// Its type.
    pub kind: String,
    /// The place of the node where it starts.
    pub start: usize,
    /// The place of the node where it ends.
    pub end: usize,
    /// Whether it has no direction, so that it goes out from both ends.
    pub undirected: bool,
    /// Its properties; none is null.
    pub properties: BTreeMap<String, Val>,
}

/// A graph.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The relationships.
    pub rels: Vec<Rel>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The query makes no sense on these values: the engine must say so too.
    Wrong(String),
    /// The answer hangs on something that the language leaves open.
    Open(&'static str),
    /// There is too much to try.
    TooMuch,
}

/// A result of the oracle.
pub type Outcome<T> = Result<T, Stop>;

/// The variables of a row.
pub type Row = BTreeMap<String, Val>;

/// The rows of a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// All rows before SKIP and LIMIT. The first group comes first, the second
    /// after it; inside a group any order is right.
    pub groups: Vec<Vec<Vec<Val>>>,
    /// How many rows are left out at the start.
    pub skip: usize,
    /// How many rows come after those.
    pub limit: usize,
    /// Whether 1 may stand for 1.0: rows that differ in that alone became one.
    pub blurred: bool,
}

/// How many things the oracle tries before it gives up.
const MOST: u64 = 100_000;

struct Oracle<'a> {
    graph: &'a Graph,
    params: &'a Row,
    tried: Cell<u64>,
}

/// The rows of a query on a graph; `params` are by name without `$`.
pub fn answer(query: &ast::Query, graph: &Graph, params: &Row) -> Outcome<Answer> {
    let oracle = Oracle { graph, params, tried: Cell::new(0) };
    oracle.query(query, &Row::new(), false)
}

impl Oracle<'_> {
    fn tries(&self) -> Outcome<()> {
        self.tried.set(self.tried.get() + 1);
        if self.tried.get() > MOST { Err(Stop::TooMuch) } else { Ok(()) }
    }
}

fn wrong<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Stop::Wrong(what.into()))
}
