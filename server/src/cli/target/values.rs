//! Values of an answer from a server, as the output writes them.

use kinfold_proto::v1;
use kinfold_proto::v1::value::Kind;
use kinfold_query::{List, Map, Value};

use crate::grpc::from_proto;

/// A value of an answer; the error says how it breaks the contract. Its depth is
/// bounded where messages are decoded.
pub(super) fn value(wire: v1::Value) -> Result<Value, String> {
    Ok(match wire.kind {
        Some(Kind::ListValue(values)) => Value::List(list(values.values)?),
        Some(Kind::MapValue(entries)) => Value::Map(map(entries.entries)?),
        Some(Kind::NodeValue(it)) => node(*it)?,
        Some(Kind::RelationshipValue(it)) => relationship(*it)?,
        Some(Kind::PathValue(it)) => path(*it)?,
        kind => from_proto::parameter(v1::Value { kind }).map_err(|error| error.to_string())?,
    })
}

fn list(values: Vec<v1::Value>) -> Result<List, String> {
    values.into_iter().map(value).collect()
}

fn map(entries: std::collections::HashMap<String, v1::Value>) -> Result<Map, String> {
    entries.into_iter().map(|(name, it)| Ok((name, value(it)?))).collect()
}

fn node(node: v1::Node) -> Result<Value, String> {
    let labels: Value = node.labels.into_iter().map(Value::from).collect();
    let properties = Value::Map(map(node.properties)?);
    let parts = [("id", Value::from(node.id)), ("labels", labels), ("properties", properties)];
    Ok(Value::Map(parts.into_iter().collect()))
}

fn relationship(relationship: v1::Relationship) -> Result<Value, String> {
    let properties = Value::Map(map(relationship.properties)?);
    let parts = [
        ("type", Value::from(relationship.r#type)),
        ("start", Value::from(relationship.start_id)),
        ("end", Value::from(relationship.end_id)),
        ("properties", properties),
    ];
    Ok(Value::Map(parts.into_iter().collect()))
}

fn path(path: v1::Path) -> Result<Value, String> {
    let nodes = path.nodes.into_iter().map(node).collect::<Result<Value, _>>()?;
    let relationships = path.relationships.into_iter().map(relationship).collect::<Result<Value, _>>()?;
    Ok(Value::Map([("nodes", nodes), ("relationships", relationships)].into_iter().collect()))
}
