//! What an expression is in a row.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use kinfold_query::ast::{
    Arithmetic, Comparison, Expr, ExprKind, Name, Pattern, Postfix, Predicate, Quantifier, Shortest, Subquery,
};

use super::values::{and, compare, definite, equal, same};
use super::{Oracle, Outcome, Row, Stop, Val, wrong};

/// Where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) row: &'s Row,
    /// The rows of the group that aggregates run over, and whether their order is open.
    pub(super) group: Option<(&'s [Row], bool)>,
    /// What was computed already: after a projection, its items.
    pub(super) known: &'s [(Expr, Val)],
}

impl<'s> Scope<'s> {
    pub(super) fn plain(row: &'s Row) -> Self {
        Self { row, group: None, known: &[] }
    }

    fn with<'t>(&self, row: &'t Row) -> Scope<'t>
    where
        's: 't,
    {
        Scope { row, ..*self }
    }
}

/// The value as true, false or null.
fn truth(value: &Val) -> Outcome<Option<bool>> {
    match value {
        Val::Bool(value) => Ok(Some(*value)),
        Val::Null => Ok(None),
        other => wrong(format!("{other:?} is no condition")),
    }
}

fn boolean(value: Option<bool>) -> Val {
    value.map_or(Val::Null, Val::Bool)
}

/// The elements of a list, and whether their order is open; `None` for null.
fn elements(value: Val) -> Outcome<Option<(Vec<Val>, bool)>> {
    match value {
        Val::Null => Ok(None),
        Val::List(values) => Ok(Some((values, false))),
        Val::Bag(values) => Ok(Some((values, true))),
        Val::OneOf(_) => Err(Stop::Open("which list it is")),
        other => wrong(format!("{other:?} is no list")),
    }
}

fn list(values: Vec<Val>, open: bool) -> Val {
    if open { Val::Bag(values) } else { Val::List(values) }
}

impl Oracle<'_> {
    /// The value, with nothing open in it.
    pub(super) fn value(&self, expr: &Expr, scope: Scope<'_>) -> Outcome<Val> {
        definite(self.eval(expr, scope)?)
    }

    pub(super) fn holds(&self, expr: &Expr, scope: Scope<'_>) -> Outcome<Option<bool>> {
        truth(&self.value(expr, scope)?)
    }

    pub(super) fn eval(&self, expr: &Expr, scope: Scope<'_>) -> Outcome<Val> {
        self.tries()?;
        let own = matches!(&expr.kind, ExprKind::Var(name) if scope.row.contains_key(name));
        if let Some((_, value)) = scope.known.iter().find(|(known, _)| !own && known == expr) {
            return Ok(value.clone());
        }
        let value = |e: &Expr| self.value(e, scope);
        let holds = |e: &Expr| self.holds(e, scope);
        match &expr.kind {
            ExprKind::Null => Ok(Val::Null),
            ExprKind::Bool(value) => Ok(Val::Bool(*value)),
            ExprKind::Int(value) => Ok(Val::Int(*value)),
            ExprKind::Float(value) => Ok(Val::Float(*value)),
            ExprKind::Str(text) => Ok(Val::Str(text.clone())),
            ExprKind::Param(name) => match self.params.get(name) {
                Some(value) => Ok(value.clone()),
                None => wrong(format!("no parameter {name}")),
            },
            ExprKind::Var(name) => match scope.row.get(name) {
                Some(value) => Ok(value.clone()),
                None => wrong(format!("no variable {name}")),
            },
            ExprKind::List(items) => {
                items.iter().map(|e| self.eval(e, scope)).collect::<Outcome<_>>().map(Val::List)
            }
            ExprKind::Map(entries) => self.map(entries, scope).map(Val::Map),
            ExprKind::Or(all) => {
                let mut unknown = false;
                for e in all {
                    match holds(e)? {
                        Some(true) => return Ok(Val::Bool(true)),
                        Some(false) => {}
                        None => unknown = true,
                    }
                }
                Ok(if unknown { Val::Null } else { Val::Bool(false) })
            }
            ExprKind::And(all) => {
                let mut unknown = false;
                for e in all {
                    match holds(e)? {
                        Some(false) => return Ok(Val::Bool(false)),
                        Some(true) => {}
                        None => unknown = true,
                    }
                }
                Ok(if unknown { Val::Null } else { Val::Bool(true) })
            }
            ExprKind::Xor(all) => {
                let all = all.iter().map(holds).collect::<Outcome<Vec<Option<bool>>>>()?;
                let all: Option<Vec<bool>> = all.into_iter().collect();
                Ok(boolean(all.map(|all| all.iter().filter(|x| **x).count() % 2 == 1)))
            }
            ExprKind::Not(inner) => Ok(boolean(holds(inner)?.map(|x| !x))),
            ExprKind::Compare(first, rest) => {
                let mut left = value(first)?;
                let mut outcomes = Vec::new();
                for (op, right) in rest {
                    let right = value(right)?;
                    outcomes.push(comparison(*op, &left, &right));
                    if outcomes.contains(&Some(false)) {
                        break;
                    }
                    left = right;
                }
                Ok(boolean(and(outcomes)))
            }
            ExprKind::Predicates(base, ops) => {
                let mut left = self.eval(base, scope)?;
                for op in ops {
                    left = self.predicate(left, op, scope)?;
                }
                Ok(left)
            }
            ExprKind::Sum(first, rest) | ExprKind::Product(first, rest) => {
                let mut left = self.eval(first, scope)?;
                for (op, right) in rest {
                    left = arithmetic(*op, left, self.eval(right, scope)?)?;
                }
                Ok(left)
            }
            ExprKind::Power(all) => {
                let all = all.iter().map(value).collect::<Outcome<Vec<_>>>()?;
                all.into_iter()
                    .map(Ok)
                    .reduce(|a, b| arithmetic(Arithmetic::Power, a?, b?))
                    .unwrap_or(Ok(Val::Null))
            }
            ExprKind::Negate(inner) => match value(inner)? {
                Val::Null => Ok(Val::Null),
                Val::Int(x) => x.checked_neg().map_or_else(|| wrong("overflow"), |x| Ok(Val::Int(x))),
                Val::Float(x) => Ok(Val::Float(-x)),
                other => wrong(format!("-{other:?}")),
            },
            ExprKind::Plus(inner) => match value(inner)? {
                x @ (Val::Null | Val::Int(_) | Val::Float(_)) => Ok(x),
                other => wrong(format!("+{other:?}")),
            },
            ExprKind::Postfix(base, ops) => {
                let mut left = self.eval(base, scope)?;
                for op in ops {
                    left = self.postfix(definite(left)?, op, scope)?;
                }
                Ok(left)
            }
            ExprKind::Case { subject, whens, otherwise } => {
                let subject = subject.as_deref().map(value).transpose()?;
                for (when, then) in whens {
                    let chosen = match &subject {
                        Some(subject) => equal(subject, &value(when)?),
                        None => holds(when)?,
                    };
                    if chosen == Some(true) {
                        return self.eval(then, scope);
                    }
                }
                otherwise.as_deref().map_or(Ok(Val::Null), |e| self.eval(e, scope))
            }
            ExprKind::CountStar => match scope.group {
                Some((rows, _)) => Ok(Val::Int(rows.len() as i64)),
                None => wrong("an aggregate has no place here"),
            },
            ExprKind::Function { name, distinct, args } => self.call(&name.text, *distinct, args, scope),
            ExprKind::ListComprehension { var, list: from, filter, map } => {
                let Some((values, open)) = elements(self.eval(from, scope)?)? else { return Ok(Val::Null) };
                let mut kept = Vec::new();
                for value in values {
                    let row = with(scope.row, var, value.clone());
                    let inner = scope.with(&row);
                    if filter.as_deref().map_or(Ok(Some(true)), |e| self.holds(e, inner))? == Some(true) {
                        kept.push(map.as_deref().map_or(Ok(value), |e| self.eval(e, inner))?);
                    }
                }
                Ok(list(kept, open))
            }
            ExprKind::Quantifier { quantifier, var, list, filter } => {
                let Some((values, _)) = elements(self.eval(list, scope)?)? else { return Ok(Val::Null) };
                let mut outcomes = Vec::new();
                for value in values {
                    let row = with(scope.row, var, value);
                    outcomes.push(self.holds(filter, scope.with(&row))?);
                }
                Ok(boolean(quantified(*quantifier, &outcomes)))
            }
            ExprKind::PatternComprehension { path, chain, filter, map } => {
                let pattern = Pattern {
                    path: path.clone(),
                    shortest: Shortest::No,
                    chain: (**chain).clone(),
                    span: expr.span,
                };
                let found = self.matches(&[pattern], filter.as_deref(), scope.row)?;
                let values = found.iter().map(|row| self.eval(map, scope.with(row)));
                values.collect::<Outcome<_>>().map(Val::Bag)
            }
            ExprKind::Pattern(chain) => {
                let pattern =
                    Pattern { path: None, shortest: Shortest::No, chain: (**chain).clone(), span: expr.span };
                Ok(Val::Bool(!self.matches(&[pattern], None, scope.row)?.is_empty()))
            }
            ExprKind::Exists(body) => Ok(Val::Bool(self.inside(body, scope.row)? > 0)),
            ExprKind::Count(body) => Ok(Val::Int(self.inside(body, scope.row)? as i64)),
        }
    }

    /// How many rows a query inside an expression has.
    fn inside(&self, body: &Subquery, row: &Row) -> Outcome<usize> {
        match body {
            Subquery::Pattern { patterns, filter } => Ok(self.matches(patterns, filter.as_ref(), row)?.len()),
            Subquery::Query(query) => {
                let answer = self.query(query, row, true)?;
                let all: usize = answer.groups.iter().map(Vec::len).sum();
                Ok(all.saturating_sub(answer.skip).min(answer.limit))
            }
        }
    }

    pub(super) fn map(&self, entries: &[(Name, Expr)], scope: Scope<'_>) -> Outcome<BTreeMap<String, Val>> {
        entries.iter().map(|(key, e)| Ok((key.text.clone(), self.eval(e, scope)?))).collect()
    }

    fn predicate(&self, left: Val, op: &Predicate, scope: Scope<'_>) -> Outcome<Val> {
        let texts =
            |e: &Expr, test: fn(&str, &str) -> bool| match (definite(left.clone())?, self.value(e, scope)?) {
                (Val::Str(a), Val::Str(b)) => Ok(Val::Bool(test(&a, &b))),
                _ => Ok(Val::Null),
            };
        match op {
            Predicate::IsNull(_) => Ok(Val::Bool(matches!(left, Val::Null))),
            Predicate::IsNotNull(_) => Ok(Val::Bool(!matches!(left, Val::Null))),
            Predicate::In(e) => {
                let left = definite(left)?;
                let Some((values, _)) = elements(self.eval(e, scope)?)? else { return Ok(Val::Null) };
                let mut outcomes = Vec::new();
                for value in values {
                    outcomes.push(equal(&definite(value)?, &left));
                }
                Ok(boolean(quantified(Quantifier::Any, &outcomes)))
            }
            Predicate::StartsWith(e) => texts(e, |a, b| a.get(..b.len()) == Some(b)),
            Predicate::EndsWith(e) => {
                texts(e, |a, b| a.len().checked_sub(b.len()).and_then(|at| a.get(at..)) == Some(b))
            }
            Predicate::Contains(e) => texts(e, |a, b| {
                a.char_indices().map(|(at, _)| at).chain([a.len()]).any(|at| a[at..].starts_with(b))
            }),
            Predicate::Matches(e) => match (definite(left)?, self.value(e, scope)?) {
                (Val::Str(text), Val::Str(pattern)) => match regex::Regex::new(&format!("^(?:{pattern})$")) {
                    Ok(regex) => Ok(Val::Bool(regex.is_match(&text))),
                    Err(error) => wrong(error.to_string()),
                },
                _ => Ok(Val::Null),
            },
        }
    }

    fn postfix(&self, left: Val, op: &Postfix, scope: Scope<'_>) -> Outcome<Val> {
        match op {
            Postfix::Property(name) => self.property(&left, &name.text),
            Postfix::Index(at) => match (&left, self.value(at, scope)?) {
                (Val::Null, _) => Ok(Val::Null),
                (Val::List(_) | Val::Map(_) | Val::Node(_) | Val::Rel(_), Val::Null) => Ok(Val::Null),
                (Val::List(values), Val::Int(at)) => {
                    let from_start = if at < 0 { at.saturating_add(values.len() as i64) } else { at };
                    let found = usize::try_from(from_start).ok().and_then(|at| values.get(at));
                    Ok(found.cloned().unwrap_or(Val::Null))
                }
                (Val::Map(_) | Val::Node(_) | Val::Rel(_), Val::Str(name)) => self.property(&left, &name),
                (left, at) => wrong(format!("{left:?}[{at:?}]")),
            },
            Postfix::Slice(from, to, _) => {
                let bound = |e: &Option<Expr>| e.as_ref().map(|e| self.value(e, scope)).transpose();
                let (from, to) = (bound(from)?, bound(to)?);
                let values = match left {
                    Val::Null => return Ok(Val::Null),
                    Val::List(values) => values,
                    other => return wrong(format!("{other:?}[..]")),
                };
                let count = values.len() as i64;
                let place = |bound: Option<Val>, otherwise: i64| match bound {
                    None => Ok(Some(otherwise)),
                    Some(Val::Null) => Ok(None),
                    Some(Val::Int(at)) if at < 0 => Ok(Some(at.saturating_add(count).max(0))),
                    Some(Val::Int(at)) => Ok(Some(at)),
                    Some(other) => wrong(format!("[{other:?}..]")),
                };
                let (Some(from), Some(to)) = (place(from, 0)?, place(to, count)?) else {
                    return Ok(Val::Null);
                };
                let inside = |at: &usize| (from..to).contains(&(*at as i64));
                Ok(Val::List(
                    values.into_iter().enumerate().filter(|(at, _)| inside(at)).map(|(_, v)| v).collect(),
                ))
            }
            Postfix::Labels(names) => match left {
                Val::Null => Ok(Val::Null),
                Val::Node(at) => {
                    let labels = &self.graph.nodes[at].labels;
                    Ok(Val::Bool(names.iter().all(|name| labels.contains(&name.text))))
                }
                Val::Rel(at) => Ok(Val::Bool(names.iter().all(|name| self.graph.rels[at].kind == name.text))),
                other => wrong(format!("{other:?}:Label")),
            },
        }
    }

    pub(super) fn property(&self, of: &Val, name: &str) -> Outcome<Val> {
        let properties = match of {
            Val::Null => return Ok(Val::Null),
            Val::Map(entries) => entries,
            Val::Node(at) => &self.graph.nodes[*at].properties,
            Val::Rel(at) => &self.graph.rels[*at].properties,
            other => return wrong(format!("{other:?}.{name}")),
        };
        Ok(properties.get(name).cloned().unwrap_or(Val::Null))
    }
}

pub(super) fn with(row: &Row, name: &Name, value: Val) -> Row {
    let mut row = row.clone();
    row.insert(name.text.clone(), value);
    row
}

fn comparison(op: Comparison, left: &Val, right: &Val) -> Option<bool> {
    let ordered = |wanted: &[Ordering]| match compare(left, right) {
        Ok(order) => Some(wanted.contains(&order)),
        Err(outcome) => outcome,
    };
    match op {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => equal(left, right).map(|same| !same),
        Comparison::Less => ordered(&[Ordering::Less]),
        Comparison::LessOrEqual => ordered(&[Ordering::Less, Ordering::Equal]),
        Comparison::Greater => ordered(&[Ordering::Greater]),
        Comparison::GreaterOrEqual => ordered(&[Ordering::Greater, Ordering::Equal]),
    }
}

/// What a quantifier makes of the outcomes for the elements.
fn quantified(quantifier: Quantifier, outcomes: &[Option<bool>]) -> Option<bool> {
    let yes = outcomes.iter().filter(|x| **x == Some(true)).count();
    let unknown = outcomes.contains(&None);
    match quantifier {
        Quantifier::All => and(outcomes.iter().copied()),
        Quantifier::Any if yes > 0 => Some(true),
        Quantifier::None if yes > 0 => Some(false),
        Quantifier::Single if yes > 1 => Some(false),
        _ if unknown => None,
        Quantifier::Any => Some(false),
        Quantifier::None => Some(true),
        Quantifier::Single => Some(yes == 1),
    }
}

/// A number as the language writes it.
pub(super) fn written(number: &Val) -> String {
    match number {
        Val::Int(x) => x.to_string(),
        Val::Float(x) if x.is_infinite() => if *x > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        Val::Float(x) => format!("{x:?}"),
        other => format!("{other:?}"),
    }
}

fn arithmetic(op: Arithmetic, left: Val, right: Val) -> Outcome<Val> {
    use Arithmetic::{Add, Divide, Modulo, Multiply, Power, Subtract};
    if let (Add, Val::Bag(_), Val::List(_) | Val::Bag(_)) | (Add, Val::List(_), Val::Bag(_)) =
        (op, &left, &right)
    {
        let (a, b) = (elements(left)?.unwrap_or_default().0, elements(right)?.unwrap_or_default().0);
        return Ok(Val::Bag(a.into_iter().chain(b).collect()));
    }
    let (left, right) = (definite(left)?, definite(right)?);
    let float = |value: &Val| match value {
        Val::Int(x) => Some(*x as f64),
        Val::Float(x) => Some(*x),
        _ => None,
    };
    if let (Val::Null, _) | (_, Val::Null) = (&left, &right) {
        return Ok(Val::Null);
    }
    if let (Val::Int(a), Val::Int(b)) = (&left, &right) {
        let (a, b) = (i128::from(*a), i128::from(*b));
        let result = match op {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide | Modulo if b == 0 => return wrong("division by zero"),
            Divide => a / b,
            Modulo => a % b,
            Power => return Ok(Val::Float((a as f64).powf(b as f64))),
        };
        return i64::try_from(result).map_or_else(|_| wrong("overflow"), |x| Ok(Val::Int(x)));
    }
    if let (Some(a), Some(b)) = (float(&left), float(&right)) {
        return Ok(Val::Float(match op {
            Add => a + b,
            Subtract => a - b,
            Multiply => a * b,
            Divide => a / b,
            Modulo => a % b,
            Power => a.powf(b),
        }));
    }
    match (op, left, right) {
        (Add, Val::List(a), Val::List(b)) => Ok(Val::List(a.into_iter().chain(b).collect())),
        (Add, Val::List(a), b) => Ok(Val::List(a.into_iter().chain([b]).collect())),
        (Add, a, Val::List(b)) => Ok(Val::List([a].into_iter().chain(b).collect())),
        (Add, Val::Str(a), Val::Str(b)) => Ok(Val::Str(a + &b)),
        (Add, Val::Str(a), b @ (Val::Int(_) | Val::Float(_))) => Ok(Val::Str(a + &written(&b))),
        (Add, a @ (Val::Int(_) | Val::Float(_)), Val::Str(b)) => Ok(Val::Str(written(&a) + &b)),
        (op, a, b) => wrong(format!("{a:?} {} {b:?}", op.symbol())),
    }
}

/// The value that all of `values` are, or that it is open which.
pub(super) fn one_of(values: Vec<Val>) -> Val {
    match values.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| same(first, other)) => first.clone(),
        _ => Val::OneOf(values),
    }
}
