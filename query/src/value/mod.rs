//! The values of the language.

mod compare;
mod display;
mod duration;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use kinfold_engine::model::Timestamp;

pub use duration::Duration;

use crate::graph::{NodeId, RelId};

pub(crate) use compare::{Key, compare, equal, order};
pub(crate) use display::{write_name, write_string};

/// A value: of a parameter, of a row.
///
/// [`PartialEq`] is the identity of values (null is null, NaN is NaN, 1 is
/// 1.0), as grouping and DISTINCT use it, not the `=` of the language.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing, or not known.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    String(Arc<str>),
    /// A list.
    List(List),
    /// A map from names to values.
    Map(Map),
    /// A point in time.
    DateTime(Timestamp),
    /// A length of time.
    Duration(Duration),
    /// A node.
    Node(NodeValue),
    /// A relationship.
    Relationship(RelValue),
    /// A path.
    Path(PathValue),
}

/// A list of values; clones share it.
#[derive(Clone, Debug, Default)]
pub struct List(Arc<Weighed<Vec<Value>>>);

/// A map from names to values, ordered by name; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Map(Arc<Weighed<BTreeMap<Arc<str>, Value>>>);

/// Content with its size and depth, so that limits cost nothing to check.
#[derive(Debug, Default)]
struct Weighed<T> {
    content: T,
    bytes: usize,
    depth: usize,
}

impl From<Vec<Value>> for List {
    fn from(content: Vec<Value>) -> Self {
        let bytes = content.iter().map(Value::bytes).fold(32, usize::saturating_add);
        let depth = 1 + content.iter().map(Value::depth).max().unwrap_or_default();
        Self(Arc::new(Weighed { content, bytes, depth }))
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        values.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for List {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0.content
    }
}

impl From<BTreeMap<Arc<str>, Value>> for Map {
    fn from(content: BTreeMap<Arc<str>, Value>) -> Self {
        let bytes = content.iter().map(|(k, v)| 48 + k.len() + v.bytes()).fold(32, usize::saturating_add);
        let depth = 1 + content.values().map(Value::depth).max().unwrap_or_default();
        Self(Arc::new(Weighed { content, bytes, depth }))
    }
}

impl Map {
    /// About how many bytes it takes, as [`Value::bytes`] has it.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        entries.into_iter().map(|(k, v)| (k.into(), v)).collect::<BTreeMap<_, _>>().into()
    }
}

impl Deref for Map {
    type Target = BTreeMap<Arc<str>, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0.content
    }
}

/// A node. In a row that a query returned its [`NodeValue::data`] is there.
#[derive(Clone, Debug)]
pub struct NodeValue {
    pub(crate) id: NodeId,
    pub(crate) data: Option<Arc<NodeData>>,
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeData {
    /// Its id as text: `email:ann@example.com`, `p42`, `h3`.
    pub id: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Its properties, without those that are null.
    pub properties: Map,
}

/// A relationship. In a row that a query returned its [`RelValue::data`] is there.
#[derive(Clone, Debug)]
pub struct RelValue {
    pub(crate) id: RelId,
    pub(crate) data: Option<Arc<RelData>>,
}

/// What is known of a relationship.
#[derive(Clone, Debug, PartialEq)]
pub struct RelData {
    /// Its type.
    pub kind: String,
    /// The id of the node it starts at, as text.
    pub start: String,
    /// The id of the node it ends at, as text.
    pub end: String,
    /// Its properties, without those that are null.
    pub properties: Map,
}

/// A path: nodes with relationships between them.
#[derive(Clone, Debug)]
pub struct PathValue(Arc<(Vec<NodeValue>, Vec<RelValue>)>);

impl NodeValue {
    pub(crate) fn new(id: NodeId) -> Self {
        Self { id, data: None }
    }

    /// Its id, labels and properties; an empty one for a node that no query returned.
    pub fn data(&self) -> &NodeData {
        static NONE: std::sync::LazyLock<NodeData> = std::sync::LazyLock::new(|| NodeData {
            id: String::new(),
            labels: Vec::new(),
            properties: Map::default(),
        });
        self.data.as_deref().unwrap_or(&NONE)
    }
}

impl RelValue {
    pub(crate) fn new(id: RelId) -> Self {
        Self { id, data: None }
    }

    /// Its type, ends and properties; an empty one for a relationship that no query returned.
    pub fn data(&self) -> &RelData {
        static NONE: std::sync::LazyLock<RelData> = std::sync::LazyLock::new(|| RelData {
            kind: String::new(),
            start: String::new(),
            end: String::new(),
            properties: Map::default(),
        });
        self.data.as_deref().unwrap_or(&NONE)
    }
}

impl PathValue {
    /// A path of `nodes` with `rels` between them; one node more than relationships.
    pub(crate) fn new(nodes: Vec<NodeValue>, rels: Vec<RelValue>) -> Self {
        debug_assert_eq!(nodes.len(), rels.len() + 1);
        Self(Arc::new((nodes, rels)))
    }

    /// The nodes, one more than relationships.
    pub fn nodes(&self) -> &[NodeValue] {
        &self.0.0
    }

    /// The relationships in order.
    pub fn relationships(&self) -> &[RelValue] {
        &self.0.1
    }
}

impl Value {
    /// What kind of value this is, as error messages say it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::DateTime(_) => "a datetime",
            Self::Duration(_) => "a duration",
            Self::Node(_) => "a node",
            Self::Relationship(_) => "a relationship",
            Self::Path(_) => "a path",
        }
    }

    /// About how many bytes it takes; what several share counts each time.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::String(text) => text.len() + 16,
                Self::List(list) => list.0.bytes,
                Self::Map(map) => map.bytes(),
                Self::Path(path) => path.nodes().len() * 64,
                _ => 0,
            }
    }

    /// How deeply lists and maps are nested in it.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(list) => list.0.depth,
            Self::Map(map) => map.0.depth,
            _ => 0,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::DateTime(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(values: Vec<Value>) -> Self {
        Self::List(values.into())
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self::List(values.into_iter().collect())
    }
}
