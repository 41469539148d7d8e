//! NETWORK: what is near an identifier, and what each link there does.

use hashbrown::HashMap;
use kinfold_engine::answers::{self, Network, NetworkLink, NetworkNode, Stop};
use kinfold_engine::model::IdentifierId;
use kinfold_engine::read::Read;

use super::counted::{Counted, told};
use super::hinted;
use crate::graph::ProcedureError;
use crate::identity::held_back;
use crate::value::Value;

/// The columns: a row is an identifier, or a link between two.
pub(super) const COLUMNS: [&str; 11] = [
    "section",
    "id",
    "other",
    "depth",
    "person",
    "household",
    "degree",
    "weight",
    "last_seen",
    "override",
    "stopped_by",
];

/// How far it goes without DEPTH.
const DEPTH: u64 = 2;

/// How many identifiers it shows; one that is larger is refused, not cut off.
const MOST: usize = 10_000;

/// The identifiers within `depth` links, nearest first, then the links among them.
pub(super) fn network<R: Read>(
    read: &Counted<'_, R>,
    id: IdentifierId,
    depth: Option<u64>,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let depth = depth.unwrap_or(DEPTH);
    let links = u32::try_from(depth).unwrap_or(u32::MAX);
    let Network { nodes, links, incomplete } = told(read, answers::network(read, id, links, MOST))?;
    if incomplete {
        let message = format!("more than {MOST} identifiers are within {depth} links");
        return Err(hinted("network-too-large", message, "ask with a smaller DEPTH, or by MATCH with LIMIT"));
    }
    let names: HashMap<IdentifierId, String> = nodes
        .iter()
        .map(|node| (node.id, format!("{}:{}", read.names().namespace_name(node.namespace), node.value)))
        .collect();
    let known = |id: IdentifierId| names.get(&id).map(String::as_str);
    let identifiers = nodes.iter().map(|node| of_node(node, known(node.id)));
    let links = links.iter().map(|link| of_link(read, link, known));
    Ok(identifiers.chain(links).collect())
}

fn of_node(node: &NetworkNode, name: Option<&str>) -> Vec<Value> {
    let stopped = [(node.shared, "shared"), (node.denied, "denied")];
    let stopped_by = stopped.into_iter().filter(|(is, _)| *is).map(|(_, word)| Value::from(word));
    vec![
        "identifier".into(),
        name.into(),
        Value::Null,
        node.depth.into(),
        node.person.map(|id| id.to_string()).into(),
        node.household.map(|id| id.to_string()).into(),
        node.degree.into(),
        Value::Null,
        Value::Null,
        Value::Null,
        stopped_by.collect(),
    ]
}

fn of_link<'a>(
    read: &impl Read,
    link: &NetworkLink,
    known: impl Fn(IdentifierId) -> Option<&'a str>,
) -> Vec<Value> {
    let named = |id: IdentifierId| known(id).unwrap_or_default();
    let stopped_by = link.stops.iter().map(|stop| match stop {
        Stop::Forbidden => Value::from("forbidden"),
        Stop::Denied(id) => format!("denied: {}", named(*id)).into(),
        Stop::Shared(id) => format!("shared: {}", named(*id)).into(),
        Stop::UnderThreshold { threshold, .. } => format!("under threshold {threshold}").into(),
        Stop::HeldBack(by) => held_back(read.names(), Some(*by)),
        Stop::Unsettled => "unsettled".into(),
    });
    vec![
        "link".into(),
        known(link.a).into(),
        known(link.b).into(),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        link.weight.into(),
        link.last_seen.into(),
        link.said.map(|said| said.word()).into(),
        stopped_by.collect(),
    ]
}
