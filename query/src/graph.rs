//! What the executor asks of a graph.
//!
//! The identity store is one graph ([`crate::IdentityGraph`]), the in-memory
//! one of the tests another ([`crate::MemoryGraph`]). Operators see nothing
//! but this trait, so that tests can count what they ask for.

use kinfold_engine::read::{ReadError, ReadResult};

use crate::ast::{Direction, Span};
use crate::error::Fault;
use crate::limits::Meter;
use crate::value::{Map, Value};

/// A node of a graph; what the numbers mean is the graph's own business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    /// Which kind of node.
    pub table: u8,
    /// Which of that kind.
    pub key: u64,
}

/// A relationship of a graph; what the numbers mean is the graph's own business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelId {
    /// Which kind of relationship.
    pub table: u8,
    /// Which of that kind, first half.
    pub a: u64,
    /// Which of that kind, second half.
    pub b: u64,
}

/// The number of a label in a graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LabelId(pub u32);

/// The number of a relationship type in a graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TypeId(pub u32);

/// A stream of nodes.
pub type Nodes<'r> = Box<dyn Iterator<Item = ReadResult<NodeId>> + 'r>;

/// A stream of relationships, each with the node at its other end.
pub type Steps<'r> = Box<dyn Iterator<Item = ReadResult<(RelId, NodeId)>> + 'r>;

/// A share of a scan, for whichever thread takes it: makes a graph over the same
/// data there, and gives the nodes of the share.
pub type GraphShare<'r> = Box<dyn FnOnce() -> (Box<dyn Graph<'r> + 'r>, Nodes<'r>) + Send + 'r>;

/// Rows of a procedure.
pub type ProcedureRows<'r> = Box<dyn Iterator<Item = Result<Vec<Value>, ProcedureError>> + 'r>;

/// What a procedure takes and gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Its name with dots.
    pub name: String,
    /// Its parameters, each with its type as `STRING`, `INTEGER`, `FLOAT`, `NUMBER`, `BOOLEAN` or `ANY`.
    pub parameters: Vec<(String, String)>,
    /// The names of its columns.
    pub columns: Vec<String>,
}

/// Why a procedure could not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcedureError {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The error of the storage or the limit, if it was one of those.
    pub outer: Option<Box<OuterFault>>,
}

/// An error that is not the procedure's own, kept apart so that it is reported
/// as what it is: one of the storage, or a limit of the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OuterFault(pub(crate) Fault);

impl From<ReadError> for ProcedureError {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        let outer = Some(Box::new(OuterFault(error.into())));
        Self { code: "storage", message, hint: None, outer }
    }
}

/// What a procedure counts its work against: the limits of the query that calls it.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    meter: &'a Meter,
    span: Span,
}

impl<'a> Account<'a> {
    /// The account of the call at `span`.
    pub(crate) fn new(meter: &'a Meter, span: Span) -> Self {
        Self { meter, span }
    }

    /// Counts one row taken from the graph; fails where a limit is met, the
    /// deadline has passed or the query was cancelled.
    pub fn expansion(&self) -> Result<(), ProcedureError> {
        self.meter.expansion(self.span).map_err(|fault| ProcedureError {
            code: "limit",
            message: "a limit of the query was met".to_owned(),
            hint: None,
            outer: Some(Box::new(OuterFault(fault))),
        })
    }
}

/// What names there are in a graph, for suggestions and completion.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Labels of nodes.
    pub labels: Vec<String>,
    /// Types of relationships.
    pub types: Vec<String>,
    /// Properties that a node may have.
    pub node_properties: Vec<String>,
    /// Properties that a relationship may have.
    pub relationship_properties: Vec<String>,
    /// Names of procedures.
    pub procedures: Vec<String>,
}

/// A way to find nodes without a scan: by the values of these properties together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Index {
    /// The properties; all must be given.
    pub properties: Vec<&'static str>,
    /// About how many nodes one set of values finds.
    pub estimate: u64,
}

/// A property graph that can be read.
///
/// Iterators live as long as the data (`'r`), not as long as a borrow of the
/// graph, so that an operator can keep one between rows.
pub trait Graph<'r> {
    /// The number of a label, or `None` if the graph has none of that name.
    fn label(&self, name: &str) -> Option<LabelId>;

    /// The number of a relationship type, or `None` if the graph has none of that name.
    fn rel_type(&self, name: &str) -> Option<TypeId>;

    /// The names there are.
    fn vocabulary(&self) -> Vocabulary;

    /// Every node that has all of `labels`.
    fn nodes(&self, labels: &[LabelId]) -> Nodes<'r>;

    /// What [`Graph::nodes`] gives, cut into at most `count` shares that may be
    /// gone through at once: one after another they give the same nodes in the
    /// same order. None where the graph cannot be cut.
    fn shares(&self, _labels: &[LabelId], _count: usize) -> Vec<GraphShare<'r>> {
        Vec::new()
    }

    /// About how many nodes have all of `labels`.
    fn node_count(&self, labels: &[LabelId]) -> ReadResult<u64>;

    /// The ways to find a node with `labels` without a scan.
    fn indexes(&self, labels: &[LabelId]) -> Vec<Index>;

    /// The nodes with all of `labels` whose `properties` (those of an
    /// [`Index`]) may equal `values`. The caller compares them again.
    fn seek(
        &self,
        labels: &[LabelId],
        properties: &[&'static str],
        values: &[Value],
    ) -> ReadResult<Nodes<'r>>;

    /// The ways to find a node with `labels` by what one property starts with.
    fn prefixes(&self, _labels: &[LabelId]) -> Vec<Index> {
        Vec::new()
    }

    /// The nodes with all of `labels` whose `property` (that of one of
    /// [`Graph::prefixes`]) may start with `prefix`. The caller compares them again.
    fn seek_prefix(
        &self,
        labels: &[LabelId],
        _property: &'static str,
        _prefix: &str,
    ) -> ReadResult<Nodes<'r>> {
        Ok(self.nodes(labels))
    }

    /// About how many nodes have all of these labels, to plan by.
    fn estimate(&self, labels: &[LabelId]) -> ReadResult<u64> {
        self.node_count(labels)
    }

    /// Whether [`Graph::node_count`] is exact for `labels`.
    fn counts_exactly(&self, _labels: &[LabelId]) -> bool {
        false
    }

    /// The relationships of `node` in `direction`, of one of `types` (any if
    /// empty), whose other end has all of `labels`. One that starts and ends
    /// here comes once.
    fn expand(&self, node: NodeId, direction: Direction, types: &[TypeId], labels: &[LabelId]) -> Steps<'r>;

    /// How many relationships [`Graph::expand`] gives, where the graph knows without going along them.
    fn degree(
        &self,
        _node: NodeId,
        _direction: Direction,
        _types: &[TypeId],
        _labels: &[LabelId],
    ) -> ReadResult<Option<u64>> {
        Ok(None)
    }

    /// The relationships between two nodes, `direction` as seen from `a`.
    fn between(&self, a: NodeId, b: NodeId, direction: Direction, types: &[TypeId]) -> Steps<'r>;

    /// About how many relationships [`Graph::expand`] gives for a node with `labels`.
    fn fan_out(&self, labels: &[LabelId], direction: Direction, types: &[TypeId]) -> ReadResult<f64>;

    /// Whether a node has a label.
    fn has_label(&self, node: NodeId, label: LabelId) -> ReadResult<bool>;

    /// The labels of a node.
    fn labels(&self, node: NodeId) -> ReadResult<Vec<String>>;

    /// The type of a relationship.
    fn type_of(&self, rel: RelId) -> ReadResult<String>;

    /// Where a relationship starts and ends.
    fn ends(&self, rel: RelId) -> ReadResult<(NodeId, NodeId)>;

    /// Whether a relationship has no direction, so that both ends see it go out.
    fn is_undirected(&self, _rel: RelId) -> bool {
        false
    }

    /// A property of a node; null if it has none of that name.
    fn node_property(&self, node: NodeId, name: &str) -> ReadResult<Value>;

    /// A property of a relationship; null if it has none of that name.
    fn rel_property(&self, rel: RelId, name: &str) -> ReadResult<Value>;

    /// The properties of a node that are not null.
    fn node_properties(&self, node: NodeId) -> ReadResult<Map>;

    /// The properties of a relationship that are not null.
    fn rel_properties(&self, rel: RelId) -> ReadResult<Map>;

    /// What `id(n)` gives for a node.
    fn node_id(&self, node: NodeId) -> ReadResult<Value>;

    /// What `id(r)` gives for a relationship.
    fn rel_id(&self, rel: RelId) -> ReadResult<Value>;

    /// What the procedure takes and gives, if there is one of that name.
    fn procedure(&self, _name: &str) -> Option<Signature> {
        None
    }

    /// Calls a procedure with as many arguments as its signature has. Work that
    /// is done before the first row is counted on `account`; rows are counted by
    /// whoever takes them.
    fn call(
        &self,
        _name: &str,
        _args: Vec<Value>,
        _account: Account<'_>,
    ) -> Result<ProcedureRows<'r>, ProcedureError> {
        Ok(Box::new(std::iter::empty()))
    }
}
