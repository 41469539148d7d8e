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
            x.len() == y.len() && unmatched(x, y, |expected, given| fits(expected, given, blurred)).is_none()
        }
        (Val::OneOf(all), given) => all.iter().any(|one| fits(one, given, blurred)),
        _ => equivalent(expected, given),
    }
}

/// What was given and has no expected one to itself, if there is such a one. Where
/// one may stand for several expected ones, those that came before make room
/// (Kuhn's algorithm for matchings).
fn unmatched<'g, E, G>(expected: &[E], given: &'g [G], fits: impl Fn(&E, &G) -> bool) -> Option<&'g G> {
    fn place(
        one: usize,
        could: &impl Fn(usize, usize) -> bool,
        taken: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        for at in 0..taken.len() {
            if !tried[at] && could(one, at) {
                tried[at] = true;
                if taken[at].is_none_or(|other| place(other, could, taken, tried)) {
                    taken[at] = Some(one);
                    return true;
                }
            }
        }
        false
    }
    // Most often one of those that are left will do, and nobody has to make room.
    let mut left: Vec<&E> = expected.iter().collect();
    let each_at_once = given.iter().all(|one| {
        let at = left.iter().position(|expected| fits(expected, one));
        at.map(|at| left.swap_remove(at)).is_some()
    });
    if each_at_once {
        return None;
    }
    let could = |one: usize, at: usize| fits(&expected[at], &given[one]);
    let mut taken = vec![None; expected.len()];
    (0..given.len())
        .find(|one| !place(*one, &could, &mut taken, &mut vec![false; expected.len()]))
        .map(|one| &given[one])
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
        let fits_row = |expected_row: &Vec<Val>, row: &&Vec<Val>| {
            let mut pairs = expected_row.iter().zip(row.iter());
            expected_row.len() == row.len() && pairs.all(|(a, b)| fits(a, b, expected.blurred))
        };
        if let Some(row) = unmatched(group, &rows, fits_row) {
            return Some(format!("{row:?} is not expected there, among {group:?}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_came_before_make_room_in_a_bag() {
        let (zero, one, two) = (Val::Int(0), Val::Int(1), Val::Int(2));
        let one_of = |values: [&Val; 2]| Val::OneOf(values.map(Clone::clone).to_vec());
        let bag = Val::Bag(vec![one_of([&zero, &one]), one_of([&zero, &two]), zero.clone()]);
        let list = |values: [&Val; 3]| Val::List(values.map(Clone::clone).to_vec());
        for given in [[&zero, &zero, &one], [&zero, &two, &zero], [&one, &two, &zero]] {
            assert!(fits(&bag, &list(given), false), "{given:?}");
        }
        for given in [[&one, &one, &zero], [&one, &two, &two], [&zero, &zero, &Val::Int(3)]] {
            assert!(!fits(&bag, &list(given), false), "{given:?}");
        }
    }
}
