//! The four ways in which values compare: `=` with its three outcomes, `<` with
//! its three outcomes, the total order of ORDER BY, and the identity of grouping.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::Value;

/// `a = b`: `None` when it is not known.
pub(crate) fn equal(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            Some(numbers(a, b) == Some(Ordering::Equal))
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Some(false);
            }
            all(a.iter().zip(b.iter()).map(|(a, b)| equal(a, b)))
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() || !a.keys().eq(b.keys()) {
                return Some(false);
            }
            all(a.values().zip(b.values()).map(|(a, b)| equal(a, b)))
        }
        _ => Some(order(a, b) == Ordering::Equal),
    }
}

/// Conjunction of outcomes: false if any is false, else unknown if any is unknown.
fn all(outcomes: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut unknown = false;
    for outcome in outcomes {
        match outcome {
            Some(false) => return Some(false),
            None => unknown = true,
            Some(true) => {}
        }
    }
    (!unknown).then_some(true)
}

/// How `a` and `b` stand to each other under `<`: `Err(true)` when both are
/// comparable but in no order (NaN), `Err(false)` when it is not known.
pub(crate) fn compare(a: &Value, b: &Value) -> Result<Ordering, bool> {
    match (a, b) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => numbers(a, b).ok_or(true),
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Ok(a.cmp(b)),
        (Value::List(a), Value::List(b)) => {
            for (a, b) in a.iter().zip(b.iter()) {
                match equal(a, b) {
                    Some(true) => {}
                    Some(false) => return compare(a, b),
                    None => return Err(false),
                }
            }
            Ok(a.len().cmp(&b.len()))
        }
        _ => Err(false),
    }
}

/// The order of two numbers, exactly, whatever their types; `None` with a NaN.
fn numbers(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => int_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => int_float(*b, *a).map(Ordering::reverse),
        _ => None,
    }
}

/// Compares without rounding the integer to a float, which would make
/// 9007199254740993 equal to 9007199254740992.0.
fn int_float(int: i64, float: f64) -> Option<Ordering> {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        None
    } else if float >= EDGE {
        Some(Ordering::Less)
    } else if float < -EDGE {
        Some(Ordering::Greater)
    } else {
        let whole = float.trunc();
        Some(int.cmp(&(whole as i64)).then(0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
    }
}

/// The place of a type in the order: as the openCypher orderability has it.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::Node(_) => 1,
        Value::Relationship(_) => 2,
        Value::List(_) => 3,
        Value::Path(_) => 4,
        Value::DateTime(_) => 5,
        Value::Duration(_) => 6,
        Value::String(_) => 7,
        Value::Bool(_) => 8,
        Value::Int(_) | Value::Float(_) => 9,
        Value::Null => 10,
    }
}

/// The total order of ORDER BY, min and max, ascending: NaN after every other
/// number, null last.
pub(crate) fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            numbers(a, b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Node(a), Value::Node(b)) => a.id.cmp(&b.id),
        (Value::Relationship(a), Value::Relationship(b)) => a.id.cmp(&b.id),
        (Value::List(a), Value::List(b)) => lists(a.iter(), b.iter()),
        (Value::Map(a), Value::Map(b)) => a.keys().cmp(b.keys()).then_with(|| lists(a.values(), b.values())),
        (Value::Path(a), Value::Path(b)) => {
            let nodes = a.nodes().iter().map(|n| n.id).cmp(b.nodes().iter().map(|n| n.id));
            let rels = |p: &super::PathValue| p.relationships().iter().map(|r| r.id).collect::<Vec<_>>();
            nodes.then_with(|| rels(a).cmp(&rels(b)))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Float(f) if f.is_nan())
}

fn lists<'a>(mut a: impl Iterator<Item = &'a Value>, mut b: impl Iterator<Item = &'a Value>) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => match order(a, b) {
                Ordering::Equal => {}
                other => return other,
            },
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        order(self, other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialEq for super::Map {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq for super::List {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        rank(self).hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            // A float that is whole hashes as the integer it is identical to.
            Self::Float(value) if int_float(*value as i64, *value) == Some(Ordering::Equal) => {
                (*value as i64).hash(state);
            }
            Self::Float(value) if value.is_nan() => u64::MAX.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::String(text) => text.hash(state),
            Self::List(list) => list.iter().for_each(|value| value.hash(state)),
            Self::Map(map) => map.iter().for_each(|entry| entry.hash(state)),
            Self::DateTime(time) => time.hash(state),
            Self::Duration(duration) => duration.hash(state),
            Self::Node(node) => node.id.hash(state),
            Self::Relationship(rel) => rel.id.hash(state),
            Self::Path(path) => path.nodes().iter().for_each(|node| node.id.hash(state)),
        }
    }
}

/// Values that stand for a group.
pub(crate) type Key = Box<[Value]>;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[Value]) -> Value {
        values.iter().cloned().collect()
    }

    #[test]
    fn equality_has_three_outcomes() {
        let (one, two, null) = (Value::Int(1), Value::Int(2), Value::Null);
        assert_eq!(equal(&one, &Value::Float(1.0)), Some(true));
        assert_eq!(equal(&one, &null), None);
        assert_eq!(equal(&one, &"1".into()), Some(false));
        assert_eq!(equal(&Value::Float(f64::NAN), &Value::Float(f64::NAN)), Some(false));
        assert_eq!(equal(&list(&[one.clone(), null.clone()]), &list(&[one.clone(), null.clone()])), None);
        assert_eq!(equal(&list(&[one.clone(), null.clone()]), &list(&[two, null.clone()])), Some(false));
        assert_eq!(equal(&list(&[one]), &list(&[null.clone(), null])), Some(false));
    }

    #[test]
    fn large_integers_and_floats_compare_exactly() {
        let float = Value::Float(9_007_199_254_740_992.0);
        assert_eq!(equal(&Value::Int(9_007_199_254_740_993), &float), Some(false));
        assert_eq!(order(&Value::Int(9_007_199_254_740_993), &float), Ordering::Greater);
        assert_eq!(order(&Value::Int(i64::MAX), &Value::Float(9.3e18)), Ordering::Less);
        assert_eq!(order(&Value::Int(i64::MIN), &Value::Float(f64::NEG_INFINITY)), Ordering::Greater);
        assert_eq!(order(&Value::Int(-1), &Value::Float(-1.5)), Ordering::Greater);
    }

    #[test]
    fn every_type_has_its_place_in_the_order() {
        let ascending = [
            Value::Map(super::super::Map::default()),
            list(&[]),
            list(&["a".into()]),
            list(&["a".into(), Value::Int(1)]),
            list(&[Value::Int(1)]),
            list(&[Value::Null]),
            "".into(),
            "a".into(),
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(-5),
            Value::Float(0.5),
            Value::Float(f64::INFINITY),
            Value::Float(f64::NAN),
            Value::Null,
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(order(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn what_is_identical_hashes_alike() {
        let hash = |value: &Value| {
            let mut hasher = std::hash::DefaultHasher::new();
            value.hash(&mut hasher);
            hasher.finish()
        };
        let pairs = [
            (Value::Int(1), Value::Float(1.0)),
            (Value::Float(-0.0), Value::Float(0.0)),
            (Value::Float(-0.0), Value::Int(0)),
            (Value::Float(f64::NAN), Value::Float(-f64::NAN)),
            (list(&[Value::Int(2), Value::Null]), list(&[Value::Float(2.0), Value::Null])),
        ];
        for (a, b) in pairs {
            assert!(a == b && hash(&a) == hash(&b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn lists_compare_up_to_the_first_difference() {
        let ints = |values: &[i64]| values.iter().map(|v| Value::Int(*v)).collect::<Value>();
        assert_eq!(compare(&ints(&[1, 2]), &ints(&[1, 3])), Ok(Ordering::Less));
        assert_eq!(compare(&ints(&[1]), &ints(&[1, 0])), Ok(Ordering::Less));
        assert_eq!(compare(&list(&[Value::Int(1), Value::Null]), &ints(&[1, 2])), Err(false));
        assert_eq!(compare(&list(&[Value::Int(0), Value::Null]), &ints(&[1, 2])), Ok(Ordering::Less));
        assert_eq!(compare(&Value::Int(1), &"a".into()), Err(false));
        assert_eq!(compare(&Value::Int(1), &Value::Float(f64::NAN)), Err(true));
    }
}
