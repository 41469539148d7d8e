//! How values compare, each way from its own definition.

use std::cmp::Ordering;

use super::{Outcome, Stop, Val};

/// `a = b`; `None` for null.
pub(super) fn equal(a: &Val, b: &Val) -> Option<bool> {
    match (a, b) {
        (Val::Null, _) | (_, Val::Null) => None,
        (Val::List(x), Val::List(y)) => {
            if x.len() != y.len() {
                return Some(false);
            }
            and(x.iter().zip(y).map(|(a, b)| equal(a, b)))
        }
        (Val::Map(x), Val::Map(y)) => {
            if x.keys().ne(y.keys()) {
                return Some(false);
            }
            and(x.values().zip(y.values()).map(|(a, b)| equal(a, b)))
        }
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
            Some(numbers(a, b) == Some(Ordering::Equal))
        }
        _ => Some(equivalent(a, b)),
    }
}

/// False beats null, null beats true.
pub(super) fn and(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let all: Vec<Option<bool>> = all.into_iter().collect();
    if all.contains(&Some(false)) {
        Some(false)
    } else if all.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// The order of two numbers; `None` where one is NaN.
fn numbers(a: &Val, b: &Val) -> Option<Ordering> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Float(a), Val::Float(b)) => a.partial_cmp(b),
        (Val::Int(a), Val::Float(b)) if !b.is_nan() => {
            let below = b.floor();
            let rest = if *b > below { Ordering::Less } else { Ordering::Equal };
            Some(i128::from(*a).cmp(&(below as i128)).then(rest))
        }
        (Val::Float(_), Val::Int(_)) => numbers(b, a).map(Ordering::reverse),
        _ => None,
    }
}

/// What `<` and its kin go by: the order of two values, `Err(Some(false))` where
/// none of them holds (NaN), `Err(None)` where it is null.
pub(super) fn compare(a: &Val, b: &Val) -> Result<Ordering, Option<bool>> {
    match (a, b) {
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => numbers(a, b).ok_or(Some(false)),
        (Val::Str(a), Val::Str(b)) => Ok(a.chars().cmp(b.chars())),
        (Val::Bool(a), Val::Bool(b)) => Ok(a.cmp(b)),
        (Val::Time(a), Val::Time(b)) => Ok(a.cmp(b)),
        (Val::List(x), Val::List(y)) => {
            for (a, b) in x.iter().zip(y) {
                match equal(a, b) {
                    None => return Err(None),
                    Some(true) => {}
                    Some(false) => return compare(a, b),
                }
            }
            Ok(x.len().cmp(&y.len()))
        }
        _ => Err(None),
    }
}

/// Whether two values are one to DISTINCT and grouping: null is null, NaN is NaN, 1 is 1.0.
pub(super) fn equivalent(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => a == b,
        (Val::Time(a), Val::Time(b)) => a == b,
        (Val::Node(a), Val::Node(b)) | (Val::Rel(a), Val::Rel(b)) => a == b,
        (Val::Path(a, r), Val::Path(b, s)) => a == b && r == s,
        (Val::Float(a), Val::Float(b)) if a.is_nan() || b.is_nan() => a.is_nan() && b.is_nan(),
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => numbers(a, b) == Some(Ordering::Equal),
        (Val::List(x), Val::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| equivalent(a, b)),
        (Val::Map(x), Val::Map(y)) => {
            x.keys().eq(y.keys()) && x.values().zip(y.values()).all(|(a, b)| equivalent(a, b))
        }
        _ => false,
    }
}

/// Whether nothing can tell two values apart: as [`equivalent`], but 1 is not 1.0.
pub(super) fn same(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Int(_), Val::Float(_)) | (Val::Float(_), Val::Int(_)) => false,
        (Val::Float(a), Val::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Val::List(x), Val::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| same(a, b)),
        (Val::Map(x), Val::Map(y)) => {
            x.keys().eq(y.keys()) && x.values().zip(y.values()).all(|(a, b)| same(a, b))
        }
        _ => equivalent(a, b),
    }
}

/// Ascending: the place of each type in the order of all values.
fn rank(value: &Val) -> usize {
    match value {
        Val::Map(_) => 1,
        Val::Node(_) => 2,
        Val::Rel(_) => 3,
        Val::List(_) | Val::Bag(_) => 4,
        Val::Path(..) => 5,
        Val::Time(_) => 6,
        Val::Str(_) => 7,
        Val::Bool(_) => 8,
        Val::Int(_) | Val::Float(_) => 9,
        Val::Null => 10,
        Val::OneOf(_) => 11,
    }
}

/// The order of ORDER BY, min and max, ascending. That of two nodes, two
/// relationships, two paths or two maps is open.
pub(super) fn order(a: &Val, b: &Val) -> Outcome<Ordering> {
    let nan = |value: &Val| matches!(value, Val::Float(x) if x.is_nan());
    match (a, b) {
        _ if rank(a) != rank(b) => Ok(rank(a).cmp(&rank(b))),
        _ if equivalent(a, b) => Ok(Ordering::Equal),
        (Val::List(x), Val::List(y)) => {
            for (a, b) in x.iter().zip(y) {
                let first = order(a, b)?;
                if first.is_ne() {
                    return Ok(first);
                }
            }
            Ok(x.len().cmp(&y.len()))
        }
        (Val::Int(_) | Val::Float(_), _) => Ok(numbers(a, b).unwrap_or(nan(a).cmp(&nan(b)))),
        _ => compare(a, b).map_err(|_| Stop::Open("the order of things that have none")),
    }
}

/// The value, if nothing in it is open.
pub(super) fn definite(value: Val) -> Outcome<Val> {
    let all = |values: Vec<Val>| values.into_iter().map(definite).collect::<Outcome<Vec<_>>>();
    Ok(match value {
        Val::List(values) => Val::List(all(values)?),
        Val::Map(entries) => {
            Val::Map(entries.into_iter().map(|(k, v)| Ok((k, definite(v)?))).collect::<Outcome<_>>()?)
        }
        Val::Bag(values) => {
            let values = all(values)?;
            if values.windows(2).any(|two| !same(&two[0], &two[1])) {
                return Err(Stop::Open("the order of a list"));
            }
            Val::List(values)
        }
        Val::OneOf(values) => {
            let values = all(values)?;
            if values.windows(2).any(|two| !same(&two[0], &two[1])) {
                return Err(Stop::Open("which of several it is"));
            }
            values.into_iter().next().unwrap_or(Val::Null)
        }
        other => other,
    })
}
