//! A graph that counts what is read of it, for ANALYZE.

use std::cell::Cell;
use std::rc::Rc;

use kinfold_engine::read::ReadResult;

use crate::ast::Direction;
use crate::graph::{
    Account, Graph, Index, LabelId, NodeId, Nodes, ProcedureError, ProcedureRows, RelId, Signature, Steps,
    TypeId, Vocabulary,
};
use crate::value::{Map, Value};

/// Counts a node or relationship when it is taken, anything else when it is asked for.
pub(super) struct Measured<'r> {
    graph: Box<dyn Graph<'r> + 'r>,
    reads: Rc<Cell<u64>>,
}

impl<'r> Measured<'r> {
    pub(super) fn new(graph: Box<dyn Graph<'r> + 'r>, reads: Rc<Cell<u64>>) -> Self {
        Self { graph, reads }
    }

    fn read(&self) {
        self.reads.set(self.reads.get() + 1);
    }

    fn each<T: 'r>(&self, items: Box<dyn Iterator<Item = T> + 'r>) -> Box<dyn Iterator<Item = T> + 'r> {
        let reads = Rc::clone(&self.reads);
        Box::new(items.inspect(move |_| reads.set(reads.get() + 1)))
    }
}

impl<'r> Graph<'r> for Measured<'r> {
    fn label(&self, name: &str) -> Option<LabelId> {
        self.graph.label(name)
    }

    fn rel_type(&self, name: &str) -> Option<TypeId> {
        self.graph.rel_type(name)
    }

    fn vocabulary(&self) -> Vocabulary {
        self.graph.vocabulary()
    }

    fn nodes(&self, labels: &[LabelId]) -> Nodes<'r> {
        self.each(self.graph.nodes(labels))
    }

    fn node_count(&self, labels: &[LabelId]) -> ReadResult<u64> {
        self.read();
        self.graph.node_count(labels)
    }

    fn indexes(&self, labels: &[LabelId]) -> Vec<Index> {
        self.graph.indexes(labels)
    }

    fn seek(
        &self,
        labels: &[LabelId],
        properties: &[&'static str],
        values: &[Value],
    ) -> ReadResult<Nodes<'r>> {
        Ok(self.each(self.graph.seek(labels, properties, values)?))
    }

    fn prefixes(&self, labels: &[LabelId]) -> Vec<Index> {
        self.graph.prefixes(labels)
    }

    fn seek_prefix(&self, labels: &[LabelId], property: &'static str, prefix: &str) -> ReadResult<Nodes<'r>> {
        Ok(self.each(self.graph.seek_prefix(labels, property, prefix)?))
    }

    fn counts_exactly(&self, labels: &[LabelId]) -> bool {
        self.graph.counts_exactly(labels)
    }

    fn expand(&self, node: NodeId, direction: Direction, types: &[TypeId], labels: &[LabelId]) -> Steps<'r> {
        self.each(self.graph.expand(node, direction, types, labels))
    }

    fn degree(
        &self,
        node: NodeId,
        direction: Direction,
        types: &[TypeId],
        labels: &[LabelId],
    ) -> ReadResult<Option<u64>> {
        self.read();
        self.graph.degree(node, direction, types, labels)
    }

    fn between(&self, a: NodeId, b: NodeId, direction: Direction, types: &[TypeId]) -> Steps<'r> {
        self.each(self.graph.between(a, b, direction, types))
    }

    fn estimate(&self, labels: &[LabelId]) -> ReadResult<u64> {
        self.graph.estimate(labels)
    }

    fn fan_out(&self, labels: &[LabelId], direction: Direction, types: &[TypeId]) -> ReadResult<f64> {
        self.graph.fan_out(labels, direction, types)
    }

    fn has_label(&self, node: NodeId, label: LabelId) -> ReadResult<bool> {
        self.read();
        self.graph.has_label(node, label)
    }

    fn labels(&self, node: NodeId) -> ReadResult<Vec<String>> {
        self.read();
        self.graph.labels(node)
    }

    fn type_of(&self, rel: RelId) -> ReadResult<String> {
        self.read();
        self.graph.type_of(rel)
    }

    fn ends(&self, rel: RelId) -> ReadResult<(NodeId, NodeId)> {
        self.read();
        self.graph.ends(rel)
    }

    fn is_undirected(&self, rel: RelId) -> bool {
        self.graph.is_undirected(rel)
    }

    fn node_property(&self, node: NodeId, name: &str) -> ReadResult<Value> {
        self.read();
        self.graph.node_property(node, name)
    }

    fn rel_property(&self, rel: RelId, name: &str) -> ReadResult<Value> {
        self.read();
        self.graph.rel_property(rel, name)
    }

    fn node_properties(&self, node: NodeId) -> ReadResult<Map> {
        self.read();
        self.graph.node_properties(node)
    }

    fn rel_properties(&self, rel: RelId) -> ReadResult<Map> {
        self.read();
        self.graph.rel_properties(rel)
    }

    fn node_id(&self, node: NodeId) -> ReadResult<Value> {
        self.read();
        self.graph.node_id(node)
    }

    fn rel_id(&self, rel: RelId) -> ReadResult<Value> {
        self.read();
        self.graph.rel_id(rel)
    }

    fn procedure(&self, name: &str) -> Option<Signature> {
        self.graph.procedure(name)
    }

    fn call(
        &self,
        name: &str,
        args: Vec<Value>,
        account: Account<'_>,
    ) -> Result<ProcedureRows<'r>, ProcedureError> {
        Ok(self.each(self.graph.call(name, args, account)?))
    }
}
