//! A small property graph in memory, for tests and examples.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinfold_engine::read::ReadResult;

use crate::ast::Direction;
use crate::graph::{Account, ProcedureError, ProcedureRows};
use crate::graph::{Graph, Index, LabelId, NodeId, Nodes, RelId, Signature, Steps, TypeId, Vocabulary};
use crate::value::{Map, NodeData, NodeValue, Value};

/// A property graph in memory. Every label and property is found by a scan but
/// the properties named to [`MemoryGraph::add_index`].
#[derive(Debug, Default)]
pub struct MemoryGraph {
    labels: Vec<String>,
    types: Vec<String>,
    nodes: Vec<Option<Node>>,
    rels: Vec<Option<Rel>>,
    indexes: Vec<&'static str>,
    procedures: Vec<Procedure>,
}

#[derive(Debug)]
struct Node {
    labels: Vec<LabelId>,
    properties: Map,
    out: Vec<usize>,
    into: Vec<usize>,
}

#[derive(Debug)]
struct Rel {
    kind: TypeId,
    start: usize,
    end: usize,
    properties: Map,
}

#[derive(Debug)]
struct Procedure {
    signature: Signature,
    /// Rows of arguments followed by results.
    rows: Vec<Vec<Value>>,
}

impl MemoryGraph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node; gives its number.
    pub fn add_node<'k>(
        &mut self,
        labels: &[&str],
        properties: impl IntoIterator<Item = (&'k str, Value)>,
    ) -> usize {
        let mut numbers: Vec<LabelId> = Vec::new();
        for label in labels {
            let number = LabelId(number(&mut self.labels, label));
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        let node = Node {
            labels: numbers,
            properties: without_nulls(properties),
            out: Vec::new(),
            into: Vec::new(),
        };
        self.nodes.push(Some(node));
        self.nodes.len() - 1
    }

    /// Adds a relationship between two nodes that were added; gives its number.
    pub fn add_relationship<'k>(
        &mut self,
        start: usize,
        kind: &str,
        end: usize,
        properties: impl IntoIterator<Item = (&'k str, Value)>,
    ) -> usize {
        let kind = TypeId(number(&mut self.types, kind));
        let at = self.rels.len();
        self.rels.push(Some(Rel { kind, start, end, properties: without_nulls(properties) }));
        if let Some(Some(node)) = self.nodes.get_mut(start) {
            node.out.push(at);
        }
        if let Some(Some(node)) = self.nodes.get_mut(end) {
            node.into.push(at);
        }
        at
    }

    /// Takes a relationship away.
    pub fn remove_relationship(&mut self, rel: usize) {
        if let Some(place) = self.rels.get_mut(rel) {
            *place = None;
        }
        for node in self.nodes.iter_mut().flatten() {
            node.out.retain(|at| *at != rel);
            node.into.retain(|at| *at != rel);
        }
    }

    /// Takes a node away, with its relationships. Its number is not given again.
    pub fn remove_node(&mut self, node: usize) {
        let Some(Some(gone)) = self.nodes.get(node) else { return };
        let rels: Vec<usize> = gone.out.iter().chain(&gone.into).copied().collect();
        for rel in rels {
            self.remove_relationship(rel);
        }
        if let Some(place) = self.nodes.get_mut(node) {
            *place = None;
        }
    }

    /// A node that was added, as a value that a parameter can hold; `None` if
    /// there is none of that number.
    pub fn node_value(&self, node: usize) -> Option<Value> {
        let found = self.nodes.get(node)?.as_ref()?;
        let labels = found.labels.iter().filter_map(|label| self.labels.get(label.0 as usize).cloned());
        let data =
            NodeData { id: node.to_string(), labels: labels.collect(), properties: found.properties.clone() };
        Some(Value::Node(NodeValue { id: node_id(node), data: Some(Arc::new(data)) }))
    }

    /// Lets nodes be found by a property without a scan.
    pub fn add_index(&mut self, property: &'static str) {
        self.indexes.push(property);
    }

    /// Adds a procedure that answers with the rows whose first values equal its
    /// arguments (null equals null, an integer a float of the same value).
    pub fn add_procedure(&mut self, signature: Signature, rows: Vec<Vec<Value>>) {
        self.procedures.push(Procedure { signature, rows });
    }

    fn node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(node.key).ok()?)?.as_ref()
    }

    fn rel(&self, rel: RelId) -> Option<&Rel> {
        self.rels.get(usize::try_from(rel.a).ok()?)?.as_ref()
    }

    fn has(&self, node: usize, labels: &[LabelId]) -> bool {
        matches!(self.nodes.get(node), Some(Some(node)) if labels.iter().all(|l| node.labels.contains(l)))
    }
}

fn number(names: &mut Vec<String>, name: &str) -> u32 {
    let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    at as u32
}

fn without_nulls<'k>(properties: impl IntoIterator<Item = (&'k str, Value)>) -> Map {
    properties.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn node_id(at: usize) -> NodeId {
    NodeId { table: 0, key: at as u64 }
}

fn rel_id(at: usize) -> RelId {
    RelId { table: 0, a: at as u64, b: 0 }
}

impl<'r> Graph<'r> for &'r MemoryGraph {
    fn label(&self, name: &str) -> Option<LabelId> {
        self.labels.iter().position(|known| known == name).map(|at| LabelId(at as u32))
    }

    fn rel_type(&self, name: &str) -> Option<TypeId> {
        self.types.iter().position(|known| known == name).map(|at| TypeId(at as u32))
    }

    fn vocabulary(&self) -> Vocabulary {
        let keys = |maps: &mut dyn Iterator<Item = &Map>| {
            let all: BTreeMap<String, ()> =
                maps.flat_map(|map| map.keys()).map(|key| (key.to_string(), ())).collect();
            all.into_keys().collect()
        };
        Vocabulary {
            labels: self.labels.clone(),
            types: self.types.clone(),
            node_properties: keys(&mut self.nodes.iter().flatten().map(|node| &node.properties)),
            relationship_properties: keys(&mut self.rels.iter().flatten().map(|rel| &rel.properties)),
            procedures: self.procedures.iter().map(|p| p.signature.name.clone()).collect(),
        }
    }

    fn nodes(&self, labels: &[LabelId]) -> Nodes<'r> {
        let (graph, labels) = (*self, labels.to_vec());
        Box::new((0..graph.nodes.len()).filter(move |at| graph.has(*at, &labels)).map(|at| Ok(node_id(at))))
    }

    fn node_count(&self, labels: &[LabelId]) -> ReadResult<u64> {
        Ok((0..self.nodes.len()).filter(|at| self.has(*at, labels)).count() as u64)
    }

    fn indexes(&self, _: &[LabelId]) -> Vec<Index> {
        self.indexes.iter().map(|property| Index { properties: vec![*property], estimate: 1 }).collect()
    }

    fn seek(
        &self,
        labels: &[LabelId],
        properties: &[&'static str],
        values: &[Value],
    ) -> ReadResult<Nodes<'r>> {
        let (graph, properties, values) = (*self, properties.to_vec(), values.to_vec());
        Ok(Box::new(self.nodes(labels).filter(move |node| {
            let node = node.as_ref().ok().and_then(|node| graph.node(*node));
            let wanted = properties.iter().zip(&values);
            node.is_some_and(|node| wanted.clone().all(|(p, v)| node.properties.get(*p) == Some(v)))
        })))
    }

    fn prefixes(&self, labels: &[LabelId]) -> Vec<Index> {
        self.indexes(labels)
    }

    fn seek_prefix(&self, labels: &[LabelId], property: &'static str, prefix: &str) -> ReadResult<Nodes<'r>> {
        let (graph, prefix) = (*self, prefix.to_owned());
        Ok(Box::new(self.nodes(labels).filter(move |node| {
            let node = node.as_ref().ok().and_then(|node| graph.node(*node));
            let text = node.and_then(|node| node.properties.get(property)).and_then(Value::as_str);
            text.is_some_and(|text| text.starts_with(&prefix))
        })))
    }

    fn counts_exactly(&self, _: &[LabelId]) -> bool {
        true
    }

    fn expand(&self, node: NodeId, direction: Direction, types: &[TypeId], labels: &[LabelId]) -> Steps<'r> {
        let graph = *self;
        let Some(from) = graph.node(node) else { return Box::new(std::iter::empty()) };
        let (types, labels) = (types.to_vec(), labels.to_vec());
        let out = if direction == Direction::In { &[][..] } else { &from.out };
        let into = if direction == Direction::Out { &[][..] } else { &from.into };
        // A loop stands in both lists and comes once.
        let twice = move |at: &usize| direction == Direction::Both && from.out.contains(at);
        let out = out.iter().map(|at| (*at, true));
        let into = into.iter().filter(move |at| !twice(at)).map(|at| (*at, false));
        let steps = out.chain(into).filter_map(move |(at, forward)| {
            let rel = graph.rels.get(at)?.as_ref()?;
            let to = if forward { rel.end } else { rel.start };
            let fits = (types.is_empty() || types.contains(&rel.kind)) && graph.has(to, &labels);
            fits.then(|| Ok((rel_id(at), node_id(to))))
        });
        Box::new(steps)
    }

    fn between(&self, a: NodeId, b: NodeId, direction: Direction, types: &[TypeId]) -> Steps<'r> {
        let steps = self.expand(a, direction, types, &[]);
        Box::new(steps.filter(move |step| !matches!(step, Ok((_, to)) if *to != b)))
    }

    fn fan_out(&self, _: &[LabelId], direction: Direction, _: &[TypeId]) -> ReadResult<f64> {
        let share = self.rels.len() as f64 / self.nodes.len().max(1) as f64;
        Ok(if direction == Direction::Both { 2.0 * share } else { share })
    }

    fn has_label(&self, node: NodeId, label: LabelId) -> ReadResult<bool> {
        Ok(self.node(node).is_some_and(|node| node.labels.contains(&label)))
    }

    fn labels(&self, node: NodeId) -> ReadResult<Vec<String>> {
        let labels = self.node(node).map(|node| node.labels.as_slice()).unwrap_or_default();
        Ok(labels.iter().filter_map(|label| self.labels.get(label.0 as usize).cloned()).collect())
    }

    fn type_of(&self, rel: RelId) -> ReadResult<String> {
        let kind = self.rel(rel).and_then(|rel| self.types.get(rel.kind.0 as usize));
        Ok(kind.cloned().unwrap_or_default())
    }

    fn ends(&self, rel: RelId) -> ReadResult<(NodeId, NodeId)> {
        Ok(self.rel(rel).map_or((node_id(0), node_id(0)), |rel| (node_id(rel.start), node_id(rel.end))))
    }

    fn node_property(&self, node: NodeId, name: &str) -> ReadResult<Value> {
        Ok(self.node(node).and_then(|node| node.properties.get(name)).cloned().unwrap_or_default())
    }

    fn rel_property(&self, rel: RelId, name: &str) -> ReadResult<Value> {
        Ok(self.rel(rel).and_then(|rel| rel.properties.get(name)).cloned().unwrap_or_default())
    }

    fn node_properties(&self, node: NodeId) -> ReadResult<Map> {
        Ok(self.node(node).map(|node| node.properties.clone()).unwrap_or_default())
    }

    fn rel_properties(&self, rel: RelId) -> ReadResult<Map> {
        Ok(self.rel(rel).map(|rel| rel.properties.clone()).unwrap_or_default())
    }

    fn node_id(&self, node: NodeId) -> ReadResult<Value> {
        Ok(Value::Int(node.key as i64))
    }

    fn rel_id(&self, rel: RelId) -> ReadResult<Value> {
        Ok(Value::Int(rel.a as i64))
    }

    fn procedure(&self, name: &str) -> Option<Signature> {
        self.procedures.iter().find(|p| p.signature.name == name).map(|p| p.signature.clone())
    }

    fn call(
        &self,
        name: &str,
        args: Vec<Value>,
        _: Account<'_>,
    ) -> Result<ProcedureRows<'r>, ProcedureError> {
        let graph = *self;
        let found: Vec<Vec<Value>> = graph
            .procedures
            .iter()
            .filter(|p| p.signature.name == name)
            .flat_map(|p| &p.rows)
            .filter(|row| row.iter().zip(&args).all(|(a, b)| a == b))
            .map(|row| row.iter().skip(args.len()).cloned().collect())
            .collect();
        Ok(Box::new(found.into_iter().map(Ok)))
    }
}
