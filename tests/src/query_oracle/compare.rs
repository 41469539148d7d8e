//! Whether the engine's rows are the oracle's.

use kinfold_query::{NodeValue, RelValue, Value};

use super::values::equivalent;
use super::{Answer, Graph, Val};

/// The place of a node of the engine's.
fn node(graph: &Graph, node: &NodeValue) -> Result<usize, String> {
    let id = &node.data().id;
    graph
        .nodes
        .iter()
        .position(|known| text(&known.id) == *id)
        .ok_or_else(|| format!("there is no node {id}"))
}

fn text(id: &Val) -> String {
    match id {
        Val::Str(text) => text.clone(),
        Val::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// The place of a relationship of the engine's: parallel ones of one type differ in a property.
fn rel(graph: &Graph, rel: &RelValue) -> Result<usize, String> {
    let data = rel.data();
    let properties = of_map(graph, &data.properties)?;
    let fits = |known: &super::Rel| {
        let ends = [known.start, known.end].map(|at| text(&graph.nodes[at].id));
        let there = ends[0] == data.start && ends[1] == data.end;
        let back = known.undirected && ends[0] == data.end && ends[1] == data.start;
        known.kind == data.kind && (there || back) && map_fits(&known.properties, &properties, false)
    };
    let found = graph.rels.iter().position(fits);
    found.ok_or_else(|| format!("there is no relationship {data:?}"))
}

fn of_map(graph: &Graph, map: &kinfold_query::Map) -> Result<super::Row, String> {
    map.iter().map(|(key, value)| Ok((key.to_string(), of_engine(graph, value)?))).collect()
}

/// A value of the engine's in the oracle's terms. The error names what is not in the graph.
pub fn of_engine(graph: &Graph, value: &Value) -> Result<Val, String> {
    Ok(match value {
        Value::Null => Val::Null,
        Value::Bool(x) => Val::Bool(*x),
        Value::Int(x) => Val::Int(*x),
        Value::Float(x) => Val::Float(*x),
        Value::String(text) => Val::Str(text.to_string()),
        Value::DateTime(time) => Val::Time(time.micros()),
        Value::Duration(_) => return Err("a length of time".to_owned()),
        Value::List(values) => {
            Val::List(values.iter().map(|value| of_engine(graph, value)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => Val::Map(of_map(graph, map)?),
        Value::Node(n) => Val::Node(node(graph, n)?),
        Value::Relationship(r) => Val::Rel(rel(graph, r)?),
        Value::Path(path) => Val::Path(
            path.nodes().iter().map(|n| node(graph, n)).collect::<Result<_, _>>()?,
            path.relationships().iter().map(|r| rel(graph, r)).collect::<Result<_, _>>()?,
        ),
    })
}

fn map_fits(expected: &super::Row, given: &super::Row, blurred: bool) -> bool {
    expected.keys().eq(given.keys())
        && expected.values().zip(given.values()).all(|(a, b)| fits(a, b, blurred))
}

/// Whether a value is the one expected: floats but for their last digits, which
/// hang on the order in which they were summed.
fn fits(expected: &Val, given: &Val, blurred: bool) -> bool {
    match (expected, given) {
        (Val::Float(a), Val::Float(b)) => {
            (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
        }
        (Val::Int(_), Val::Float(_)) | (Val::Float(_), Val::Int(_)) => blurred && equivalent(expected, given),
        (Val::List(x), Val::List(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(a, b)| fits(a, b, blurred))
        }
        (Val::Map(x), Val::Map(y)) => map_fits(x, y, blurred),
        (Val::Bag(x), Val::List(y)) => {
            let mut left: Vec<&Val> = x.iter().collect();
            x.len() == y.len()
                && y.iter().all(|given| {
                    let at = left.iter().position(|expected| fits(expected, given, blurred));
                    at.map(|at| left.swap_remove(at)).is_some()
                })
        }
        (Val::OneOf(all), given) => all.iter().any(|one| fits(one, given, blurred)),
        _ => equivalent(expected, given),
    }
}

/// A row that has no expected one to itself, if there is one. Where one row may
/// stand for several expected ones, those that came before make room (Kuhn's
/// algorithm for matchings).
fn unmatched<'r>(expected: &[Vec<Val>], given: &[&'r Vec<Val>], blurred: bool) -> Option<&'r Vec<Val>> {
    fn place(row: usize, could: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        for &at in &could[row] {
            if !std::mem::replace(&mut tried[at], true)
                && taken[at].is_none_or(|other| place(other, could, taken, tried))
            {
                taken[at] = Some(row);
                return true;
            }
        }
        false
    }
    let fits_row = |expected: &[Val], row: &[Val]| {
        expected.len() == row.len() && expected.iter().zip(row).all(|(a, b)| fits(a, b, blurred))
    };
    let could: Vec<Vec<usize>> = given
        .iter()
        .map(|row| (0..expected.len()).filter(|at| fits_row(&expected[*at], row)).collect())
        .collect();
    let mut taken = vec![None; expected.len()];
    let missing =
        (0..given.len()).find(|row| !place(*row, &could, &mut taken, &mut vec![false; expected.len()]));
    missing.map(|row| given[row])
}

/// What is wrong with the engine's rows; `None` if they are the oracle's.
pub fn differ(expected: &Answer, given: &[Vec<Val>]) -> Option<String> {
    let all: usize = expected.groups.iter().map(Vec::len).sum();
    let count = all.saturating_sub(expected.skip).min(expected.limit);
    if given.len() != count {
        return Some(format!("{count} rows are expected, and {} came", given.len()));
    }
    let (mut at, mut given) = (0, given.iter());
    for group in &expected.groups {
        let end = expected.skip.saturating_add(expected.limit);
        let inside = (at..at + group.len()).filter(|place| (expected.skip..end).contains(place)).count();
        at += group.len();
        let rows: Vec<&Vec<Val>> = given.by_ref().take(inside).collect();
        if let Some(row) = unmatched(group, &rows, expected.blurred) {
            return Some(format!("{row:?} is not expected there, among {group:?}"));
        }
    }
    None
}
