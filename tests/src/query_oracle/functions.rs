//! The functions, aggregates last.

use kinfold_engine::model::Timestamp;
use kinfold_query::ast::Expr;

use super::expressions::{Scope, one_of, written};
use super::values::{definite, equivalent, order, same};
use super::{Oracle, Outcome, Row, Stop, Val, wrong};

const AGGREGATES: [&str; 10] =
    ["count", "sum", "avg", "min", "max", "collect", "percentilecont", "percentiledisc", "stdev", "stdevp"];

/// Whether a function gathers many rows.
pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name.to_lowercase().as_str())
}

fn number(value: &Val) -> Outcome<f64> {
    match value {
        Val::Int(x) => Ok(*x as f64),
        Val::Float(x) => Ok(*x),
        other => wrong(format!("{other:?} is no number")),
    }
}

fn text(value: &Val) -> Outcome<&str> {
    match value {
        Val::Str(text) => Ok(text),
        other => wrong(format!("{other:?} is no text")),
    }
}

fn count(value: &Val) -> Outcome<usize> {
    match value {
        Val::Int(x) => usize::try_from(*x).map_or_else(|_| wrong("a negative count"), Ok),
        other => wrong(format!("{other:?} is no count")),
    }
}

/// The number that a text is; names of numbers are none.
fn parsed(text: &str) -> Option<f64> {
    let digits = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    text.parse::<f64>().ok().filter(|x| digits && x.is_finite())
}

fn whole(x: f64) -> Option<i64> {
    (x.is_finite() && x.abs() < 9.3e18).then_some(x.trunc() as i128).and_then(|x| i64::try_from(x).ok())
}

impl Oracle<'_> {
    pub(super) fn call(&self, name: &str, distinct: bool, args: &[Expr], scope: Scope<'_>) -> Outcome<Val> {
        let name = name.to_lowercase();
        if is_aggregate(&name) {
            let Some((rows, open)) = scope.group else { return wrong("an aggregate has no place here") };
            return self.aggregate(&name, distinct, args, rows, open);
        }
        if name == "coalesce" {
            for arg in args {
                let value = self.eval(arg, scope)?;
                if !matches!(value, Val::Null) {
                    return Ok(value);
                }
            }
            return Ok(Val::Null);
        }
        let args = args.iter().map(|arg| self.eval(arg, scope)).collect::<Outcome<Vec<_>>>()?;
        if args.iter().any(|arg| matches!(arg, Val::Null)) {
            return Ok(Val::Null);
        }
        match (name.as_str(), args.as_slice()) {
            ("size", [Val::Bag(values)]) => return Ok(Val::Int(values.len() as i64)),
            (_, [Val::OneOf(values)]) => {
                let each = values.iter().map(|value| self.apply(&name, std::slice::from_ref(value)));
                return each.collect::<Outcome<_>>().map(one_of);
            }
            _ => {}
        }
        let args = args.into_iter().map(definite).collect::<Outcome<Vec<_>>>()?;
        self.apply(&name, &args)
    }

    /// A function of values that are not null.
    fn apply(&self, name: &str, args: &[Val]) -> Outcome<Val> {
        let int = |x: usize| Ok(Val::Int(x as i64));
        let nodes = |all: &[usize]| Ok(Val::List(all.iter().map(|at| Val::Node(*at)).collect()));
        let string = |text: String| Ok(Val::Str(text));
        let float = |f: fn(f64) -> f64, x: &Val| number(x).map(|x| Val::Float(f(x)));
        match (name, args) {
            ("nodes", [Val::Path(all, _)]) => nodes(all),
            ("relationships", [Val::Path(_, all)]) => {
                Ok(Val::List(all.iter().map(|at| Val::Rel(*at)).collect()))
            }
            ("length", [Val::Path(_, rels)]) => int(rels.len()),
            ("labels", [Val::Node(at)]) => {
                Ok(Val::Bag(self.graph.nodes[*at].labels.iter().cloned().map(Val::Str).collect()))
            }
            ("type", [Val::Rel(at)]) => string(self.graph.rels[*at].kind.clone()),
            ("id", [Val::Node(at)]) => Ok(self.graph.nodes[*at].id.clone()),
            ("id", [Val::Rel(at)]) => Ok(self.graph.rels[*at].id.clone()),
            ("startnode" | "endnode", [Val::Rel(at)]) if self.graph.rels[*at].undirected => {
                let rel = &self.graph.rels[*at];
                Ok(Val::OneOf(vec![Val::Node(rel.start), Val::Node(rel.end)]))
            }
            ("startnode", [Val::Rel(at)]) => Ok(Val::Node(self.graph.rels[*at].start)),
            ("endnode", [Val::Rel(at)]) => Ok(Val::Node(self.graph.rels[*at].end)),
            ("properties", [of]) => self.properties(of).map(Val::Map),
            ("keys", [of]) => Ok(Val::Bag(self.properties(of)?.into_keys().map(Val::Str).collect())),
            ("size", [Val::List(values)]) => int(values.len()),
            ("size", [Val::Str(text)]) => int(text.chars().count()),
            ("head", [Val::List(values)]) => Ok(values.first().cloned().unwrap_or(Val::Null)),
            ("last", [Val::List(values)]) => Ok(values.last().cloned().unwrap_or(Val::Null)),
            ("tail", [Val::List(values)]) => Ok(Val::List(values.iter().skip(1).cloned().collect())),
            ("reverse", [Val::List(values)]) => Ok(Val::List(values.iter().rev().cloned().collect())),
            ("reverse", [Val::Str(text)]) => string(text.chars().rev().collect()),
            ("range", [Val::Int(from), Val::Int(to), rest @ ..]) => {
                let step = match rest {
                    [] => 1,
                    [Val::Int(step)] if *step != 0 => *step,
                    other => return wrong(format!("a step of {other:?}")),
                };
                let (mut values, mut at) = (Vec::new(), i128::from(*from));
                let to = i128::from(*to);
                while if step > 0 { at <= to } else { at >= to } {
                    self.tries()?;
                    values.push(Val::Int(at as i64));
                    at += i128::from(step);
                }
                Ok(Val::List(values))
            }
            ("toupper", [x]) => string(text(x)?.chars().flat_map(char::to_uppercase).collect()),
            ("tolower", [x]) => string(text(x)?.to_lowercase()),
            ("trim", [x]) => string(text(x)?.trim().to_owned()),
            ("ltrim", [x]) => string(text(x)?.trim_start().to_owned()),
            ("rtrim", [x]) => string(text(x)?.trim_end().to_owned()),
            ("left", [x, n]) => string(text(x)?.chars().take(count(n)?).collect()),
            ("right", [x, n]) => {
                let backwards: Vec<char> = text(x)?.chars().rev().take(count(n)?).collect();
                string(backwards.into_iter().rev().collect())
            }
            ("substring", [x, from]) => string(text(x)?.chars().skip(count(from)?).collect()),
            ("substring", [x, from, n]) => {
                string(text(x)?.chars().skip(count(from)?).take(count(n)?).collect())
            }
            ("split", [x, by]) if text(by)?.is_empty() => {
                Ok(Val::List(text(x)?.chars().map(|c| Val::Str(c.to_string())).collect()))
            }
            ("split", [x, by]) => {
                Ok(Val::List(text(x)?.split(text(by)?).map(|part| Val::Str(part.to_owned())).collect()))
            }
            ("replace", [x, from, to]) if text(from)?.is_empty() => {
                text(to)?;
                Ok(x.clone())
            }
            ("replace", [x, from, to]) => {
                string(text(x)?.split(text(from)?).collect::<Vec<_>>().join(text(to)?))
            }
            ("tostring", [x @ Val::Str(_)]) => Ok(x.clone()),
            ("tostring", [Val::Bool(x)]) => string(x.to_string()),
            ("tostring", [x @ (Val::Int(_) | Val::Float(_))]) => string(written(x)),
            ("tointeger", [x @ Val::Int(_)]) => Ok(x.clone()),
            ("tointeger", [Val::Float(x)]) => {
                whole(*x).map_or_else(|| wrong("overflow"), |x| Ok(Val::Int(x)))
            }
            ("tointeger", [Val::Str(text)]) => {
                let exact = text.parse::<i64>().ok();
                Ok(exact.or_else(|| parsed(text).and_then(whole)).map_or(Val::Null, Val::Int))
            }
            ("tofloat", [Val::Str(text)]) => Ok(parsed(text).map_or(Val::Null, Val::Float)),
            ("tofloat", [x]) => number(x).map(Val::Float),
            ("toboolean", [x @ Val::Bool(_)]) => Ok(x.clone()),
            ("toboolean", [x]) => Ok(match text(x)?.to_lowercase().as_str() {
                "true" => Val::Bool(true),
                "false" => Val::Bool(false),
                _ => Val::Null,
            }),
            ("abs", [Val::Int(x)]) => x.checked_abs().map_or_else(|| wrong("overflow"), |x| Ok(Val::Int(x))),
            ("abs", [x]) => float(f64::abs, x),
            ("sign", [x]) => {
                let x = number(x)?;
                Ok(Val::Int(i64::from(x > 0.0) - i64::from(x < 0.0)))
            }
            ("ceil", [x]) => float(f64::ceil, x),
            ("floor", [x]) => float(f64::floor, x),
            // Halves go up; the sign stays.
            ("round", [x]) => {
                float(|x| (if x - x.floor() >= 0.5 { x.floor() + 1.0 } else { x.floor() }).copysign(x), x)
            }
            ("sqrt", [x]) => float(f64::sqrt, x),
            ("exp", [x]) => float(f64::exp, x),
            ("log", [x]) => float(f64::ln, x),
            ("log10", [x]) => float(f64::log10, x),
            ("sin", [x]) => float(f64::sin, x),
            ("cos", [x]) => float(f64::cos, x),
            ("tan", [x]) => float(f64::tan, x),
            ("datetime", [x @ Val::Time(_)]) => Ok(x.clone()),
            ("datetime", [x]) => match text(x)?.parse::<Timestamp>() {
                Ok(time) => Ok(Val::Time(time.micros())),
                Err(error) => wrong(error.to_string()),
            },
            _ => wrong(format!("{name}({args:?})")),
        }
    }

    fn properties(&self, of: &Val) -> Outcome<super::Row> {
        match of {
            Val::Map(entries) => Ok(entries.clone()),
            Val::Node(at) => Ok(self.graph.nodes[*at].properties.clone()),
            Val::Rel(at) => Ok(self.graph.rels[*at].properties.clone()),
            other => wrong(format!("the properties of {other:?}")),
        }
    }

    /// What an aggregate makes of the rows of a group.
    fn aggregate(&self, name: &str, distinct: bool, args: &[Expr], rows: &[Row], open: bool) -> Outcome<Val> {
        let Some(arg) = args.first() else { return wrong("an aggregate of nothing") };
        let mut values = Vec::new();
        for row in rows {
            values.push(self.eval(arg, Scope::plain(row))?);
        }
        values.retain(|value| !matches!(value, Val::Null));
        if distinct {
            let mut kept: Vec<Val> = Vec::new();
            for value in values {
                let value = definite(value)?;
                match kept.iter().find(|other| equivalent(other, &value)) {
                    Some(other) if name != "count" && !same(other, &value) => {
                        return Err(Stop::Open("which of 1 and 1.0 is kept"));
                    }
                    Some(_) => {}
                    None => kept.push(value),
                }
            }
            values = kept;
        }
        match name {
            "count" => return Ok(Val::Int(values.len() as i64)),
            "collect" if open && values.len() > 1 => return Ok(Val::Bag(values)),
            "collect" => return Ok(Val::List(values)),
            _ => {}
        }
        let values = values.into_iter().map(definite).collect::<Outcome<Vec<_>>>()?;
        if name == "min" || name == "max" {
            let mut best: Option<Val> = None;
            for value in values {
                best = Some(match best {
                    None => value,
                    Some(kept) => {
                        let order = order(&value, &kept)?;
                        if order.is_eq() && !same(&value, &kept) {
                            return Err(Stop::Open("which of 1 and 1.0 is the least"));
                        }
                        if (name == "min" && order.is_lt()) || (name == "max" && order.is_gt()) {
                            value
                        } else {
                            kept
                        }
                    }
                });
            }
            return Ok(best.unwrap_or(Val::Null));
        }
        let mut share = 0.0;
        if let Some(second) = args.get(1) {
            for row in rows {
                share = number(&self.value(second, Scope::plain(row))?)?;
                if !(0.0..=1.0).contains(&share) {
                    return wrong("a percentile is from 0 to 1");
                }
            }
        }
        let numbers = values.iter().map(number).collect::<Outcome<Vec<f64>>>()?;
        let n = numbers.len() as f64;
        let total: f64 = numbers.iter().sum();
        let ints = values.iter().map(|v| if let Val::Int(x) = v { Some(i128::from(*x)) } else { None });
        let squares = |mean: f64| numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        match name {
            "sum" => match ints.sum::<Option<i128>>() {
                Some(sum) => i64::try_from(sum).map_or_else(|_| wrong("overflow"), |x| Ok(Val::Int(x))),
                None => Ok(Val::Float(total)),
            },
            "avg" => Ok(if values.is_empty() { Val::Null } else { Val::Float(total / n) }),
            "stdev" => Ok(Val::Float(if n > 1.0 { (squares(total / n) / (n - 1.0)).sqrt() } else { 0.0 })),
            "stdevp" => Ok(Val::Float(if n > 0.0 { (squares(total / n) / n).sqrt() } else { 0.0 })),
            _ => {
                // NaN is the greatest number.
                let numbers = numbers.iter().map(|x| if x.is_nan() { f64::NAN.abs() } else { *x });
                let mut sorted: Vec<(f64, &Val)> = numbers.zip(&values).collect();
                sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
                let Some(last) = sorted.len().checked_sub(1) else { return Ok(Val::Null) };
                if name == "percentiledisc" {
                    // The least value with at least that share of all at it or below it.
                    let rank = (share * n).ceil().max(1.0) as usize;
                    let found = sorted[(rank - 1).min(last)];
                    if sorted.iter().any(|other| other.0 == found.0 && !same(other.1, found.1)) {
                        return Err(Stop::Open("which of 1 and 1.0 is the percentile"));
                    }
                    return Ok(found.1.clone());
                }
                let place = share * last as f64;
                let (low, high) = (sorted[place.floor() as usize].0, sorted[place.ceil() as usize].0);
                Ok(Val::Float(low + (high - low) * (place - place.floor())))
            }
        }
    }
}
