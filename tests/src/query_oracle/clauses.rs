//! Clauses: rows in, rows out.

use std::cmp::Ordering;

use kinfold_query::ast::{Clause, Expr, ExprKind, Postfix, Predicate, Projection, Query, Single};

use super::expressions::{Scope, with};
use super::functions::is_aggregate;
use super::values::{definite, equivalent, order, same};
use super::{Answer, Oracle, Outcome, Row, Stop, Val, wrong};

/// Rows between two clauses.
struct Rows {
    rows: Vec<Row>,
    /// Whether their order is settled: what gathers them gathers them in it.
    settled: bool,
}

/// The rows of a projection before SKIP and LIMIT, in groups as those of [`Answer`].
struct Projected {
    names: Vec<String>,
    /// Each row before and after the projection.
    groups: Vec<Vec<(Row, Row)>>,
    skip: usize,
    limit: usize,
    blurred: bool,
    settled: bool,
}

/// Rows that ORDER BY does not part, with their keys.
type Sorted = (Vec<Val>, Vec<(Row, Row)>);

fn same_rows(a: &[&Val], b: &[&Val]) -> bool {
    a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether an expression holds an aggregate of its own.
fn aggregates(expr: &Expr) -> bool {
    let any = |all: &[Expr]| all.iter().any(aggregates);
    let opt = |e: &Option<Box<Expr>>| e.as_deref().is_some_and(aggregates);
    match &expr.kind {
        ExprKind::CountStar => true,
        ExprKind::Function { name, args, .. } => is_aggregate(&name.text) || any(args),
        ExprKind::List(all)
        | ExprKind::Or(all)
        | ExprKind::Xor(all)
        | ExprKind::And(all)
        | ExprKind::Power(all) => any(all),
        ExprKind::Map(entries) => entries.iter().any(|(_, e)| aggregates(e)),
        ExprKind::Not(e) | ExprKind::Negate(e) | ExprKind::Plus(e) => aggregates(e),
        ExprKind::Compare(e, rest) => aggregates(e) || rest.iter().any(|(_, e)| aggregates(e)),
        ExprKind::Sum(e, rest) | ExprKind::Product(e, rest) => {
            aggregates(e) || rest.iter().any(|(_, e)| aggregates(e))
        }
        ExprKind::Predicates(e, ops) => {
            aggregates(e)
                || ops.iter().any(|op| match op {
                    Predicate::In(e)
                    | Predicate::StartsWith(e)
                    | Predicate::EndsWith(e)
                    | Predicate::Contains(e)
                    | Predicate::Matches(e) => aggregates(e),
                    Predicate::IsNull(_) | Predicate::IsNotNull(_) => false,
                })
        }
        ExprKind::Postfix(e, ops) => {
            aggregates(e)
                || ops.iter().any(|op| match op {
                    Postfix::Index(e) => aggregates(e),
                    Postfix::Slice(a, b, _) => a.iter().chain(b).any(aggregates),
                    Postfix::Property(_) | Postfix::Labels(_) => false,
                })
        }
        ExprKind::Case { subject, whens, otherwise } => {
            opt(subject) || opt(otherwise) || whens.iter().any(|(a, b)| aggregates(a) || aggregates(b))
        }
        ExprKind::ListComprehension { list, filter, map, .. } => aggregates(list) || opt(filter) || opt(map),
        ExprKind::Quantifier { list, filter, .. } => aggregates(list) || aggregates(filter),
        _ => false,
    }
}

impl Oracle<'_> {
    /// The rows of a query that starts from `outer`; `inside` an expression it need not return anything.
    pub(super) fn query(&self, query: &Query, outer: &Row, inside: bool) -> Outcome<Answer> {
        if let [single] = query.parts.as_slice() {
            return self.single(single, outer, inside);
        }
        let mut rows: Vec<Vec<Val>> = Vec::new();
        let mut blurred = false;
        for part in &query.parts {
            let answer = self.single(part, outer, inside)?;
            blurred |= answer.blurred;
            rows.extend(cut(answer.groups, answer.skip, answer.limit, |row| row.iter().collect())?.0);
        }
        if query.all.first() == Some(&false) {
            for value in rows.iter_mut().flatten() {
                *value = definite(value.clone())?;
            }
            let (kept, mixed) = distinct(rows, |row| row.iter().collect())?;
            rows = kept;
            blurred |= mixed;
        }
        Ok(Answer { groups: vec![rows], skip: 0, limit: usize::MAX, blurred })
    }

    fn single(&self, single: &Single, outer: &Row, inside: bool) -> Outcome<Answer> {
        let mut now = Rows { rows: vec![outer.clone()], settled: true };
        for clause in &single.clauses {
            match clause {
                Clause::Match { optional, patterns, filter, .. } => {
                    let alone = now.rows.len() <= 1;
                    let mut next = Vec::new();
                    let mut names = Vec::new();
                    for pattern in patterns {
                        let chain = &pattern.chain;
                        names.extend(pattern.path.iter().chain(&chain.first.var));
                        names.extend(
                            chain.rest.iter().flat_map(|(rel, node)| rel.var.iter().chain(&node.var)),
                        );
                    }
                    for row in &now.rows {
                        let found = self.matches(patterns, filter.as_ref(), row)?;
                        if found.is_empty() && *optional {
                            let mut row = row.clone();
                            for name in &names {
                                row.entry(name.text.clone()).or_insert(Val::Null);
                            }
                            next.push(row);
                        }
                        next.extend(found);
                    }
                    now = Rows { settled: next.len() <= 1 && alone, rows: next };
                }
                Clause::Unwind { list, var, .. } => {
                    let mut next = Vec::new();
                    for row in &now.rows {
                        let values = match self.eval(list, Scope::plain(row))? {
                            Val::Null => Vec::new(),
                            Val::List(values) => values,
                            Val::Bag(values) => {
                                now.settled &= values.len() <= 1;
                                values
                            }
                            other => vec![definite(other)?],
                        };
                        next.extend(values.into_iter().map(|value| with(row, var, value)));
                    }
                    now.rows = next;
                }
                Clause::With { projection, filter, .. } => {
                    let done = self.project(projection, &now, outer)?;
                    if done.blurred {
                        return Err(Stop::Open("which of 1 and 1.0 goes on"));
                    }
                    let values = |(_, after): &(Row, Row)| -> Vec<Val> { after.values().cloned().collect() };
                    let groups = done
                        .groups
                        .into_iter()
                        .map(|group| group.into_iter().map(|both| (values(&both), both)).collect())
                        .collect();
                    let (rows, settled) =
                        cut(groups, done.skip, done.limit, |row: &(Vec<Val>, _)| row.0.iter().collect())?;
                    now = Rows { rows: Vec::new(), settled: settled && done.settled };
                    for (_, (before, after)) in rows {
                        // What was there before can be spoken of, unless it was gathered.
                        let mut both = before;
                        both.extend(after.clone());
                        let keeps = match filter {
                            Some(filter) => self.holds(filter, Scope::plain(&both))?,
                            None => Some(true),
                        };
                        if keeps == Some(true) {
                            now.rows.push(after);
                        }
                    }
                }
                Clause::Return { projection, .. } => {
                    let done = self.project(projection, &now, outer)?;
                    let columns = |(_, after): (Row, Row)| -> Vec<Val> {
                        done.names.iter().map(|name| after.get(name).cloned().unwrap_or(Val::Null)).collect()
                    };
                    let groups = done
                        .groups
                        .into_iter()
                        .map(|group| group.into_iter().map(columns).collect())
                        .collect();
                    return Ok(Answer { groups, skip: done.skip, limit: done.limit, blurred: done.blurred });
                }
                Clause::Call(_) => return Err(Stop::Open("what a procedure gives")),
            }
            if now.rows.len() > 3_000 {
                return Err(Stop::TooMuch);
            }
        }
        if !inside {
            return wrong("a query without RETURN");
        }
        let rows = now.rows.into_iter().map(|row| row.into_values().collect()).collect();
        Ok(Answer { groups: vec![rows], skip: 0, limit: usize::MAX, blurred: false })
    }

    fn project(&self, projection: &Projection, input: &Rows, outer: &Row) -> Outcome<Projected> {
        let mut items: Vec<(String, Expr)> = Vec::new();
        if projection.star {
            // Every row has the same variables.
            let own =
                input.rows.first().into_iter().flat_map(Row::keys).filter(|name| !outer.contains_key(*name));
            items.extend(own.map(|name| {
                (name.clone(), Expr { kind: ExprKind::Var(name.clone()), span: projection.span })
            }));
        }
        for item in &projection.items {
            let name = item.alias.as_ref().map_or_else(|| item.expr.to_string(), |name| name.text.clone());
            items.push((name, item.expr.clone()));
        }
        let gathers = items.iter().any(|(_, e)| aggregates(e));
        // Each row before the projection with what it becomes, in the order of the items.
        let mut rows: Vec<(Row, Vec<Val>)> = Vec::new();
        let mut blurred = false;
        if gathers {
            let keys: Vec<&Expr> = items.iter().map(|(_, e)| e).filter(|e| !aggregates(e)).collect();
            let mut groups: Vec<(Vec<Val>, Vec<Row>)> = Vec::new();
            for row in &input.rows {
                let key =
                    keys.iter().map(|e| self.value(e, Scope::plain(row))).collect::<Outcome<Vec<_>>>()?;
                match groups
                    .iter_mut()
                    .find(|(known, _)| known.iter().zip(&key).all(|(a, b)| equivalent(a, b)))
                {
                    Some((known, members)) => {
                        blurred |= !known.iter().zip(&key).all(|(a, b)| same(a, b));
                        members.push(row.clone());
                    }
                    None => groups.push((key, vec![row.clone()])),
                }
            }
            if keys.is_empty() && groups.is_empty() {
                groups.push((Vec::new(), Vec::new()));
            }
            for (_, members) in groups {
                let first = members.first().cloned().unwrap_or_else(|| outer.clone());
                let scope = Scope { row: &first, group: Some((&members, !input.settled)), known: &[] };
                let values = items.iter().map(|(_, e)| self.eval(e, scope)).collect::<Outcome<Vec<_>>>()?;
                rows.push((outer.clone(), values));
            }
        } else {
            for row in &input.rows {
                let values = items.iter().map(|(_, e)| self.eval(e, Scope::plain(row)));
                rows.push((row.clone(), values.collect::<Outcome<Vec<_>>>()?));
            }
        }
        if projection.distinct {
            let definite_rows = rows.into_iter().map(|(row, values)| {
                let values = values.into_iter().map(definite).collect::<Outcome<Vec<_>>>()?;
                Ok((row, values))
            });
            let (kept, mixed) =
                distinct(definite_rows.collect::<Outcome<Vec<_>>>()?, |row| row.1.iter().collect())?;
            rows = kept;
            blurred |= mixed;
            rows.iter_mut().for_each(|row| row.0 = outer.clone());
        }
        // The keys of ORDER BY speak of the new names, of the items by their own
        // words, and of the old row, where each row is still one row.
        let mut keyed: Vec<(Vec<Val>, (Row, Row))> = Vec::new();
        for (before, values) in rows {
            let mut after = outer.clone();
            after.extend(items.iter().map(|(name, _)| name.clone()).zip(values.clone()));
            let mut both = before.clone();
            both.extend(after.clone());
            let mut known: Vec<(Expr, Val)> = items.iter().map(|(_, e)| e.clone()).zip(values).collect();
            if !gathers && !projection.distinct {
                known.clear();
            }
            let scope = Scope { row: &both, group: None, known: &known };
            let keys =
                projection.order.iter().map(|key| self.value(&key.expr, scope)).collect::<Outcome<_>>()?;
            keyed.push((keys, (before, after)));
        }
        let direction = |place: usize, order: Ordering| {
            if projection.order.get(place).is_some_and(|key| key.descending) {
                order.reverse()
            } else {
                order
            }
        };
        let mut groups: Vec<Sorted> = Vec::new();
        for (keys, row) in keyed {
            let mut at = 0;
            let mut tied = false;
            for (known, _) in &groups {
                let mut against = Ordering::Equal;
                for (place, (mine, theirs)) in keys.iter().zip(known).enumerate() {
                    against = against.then(direction(place, order(mine, theirs)?));
                }
                tied = against.is_eq();
                if against.is_le() {
                    break;
                }
                at += 1;
            }
            if tied {
                groups[at].1.push(row);
            } else {
                groups.insert(at, (keys, vec![row]));
            }
        }
        let count = |e: &Option<Expr>| match e {
            None => Ok(None),
            Some(e) => match self.value(e, Scope::plain(&Row::new()))? {
                Val::Int(x) if x >= 0 => Ok(Some(x as usize)),
                other => wrong(format!("{other:?} rows")),
            },
        };
        let ordered = !projection.order.is_empty();
        let as_before = input.settled && !gathers && !projection.distinct && !ordered;
        let total: usize = groups.iter().map(|(_, group)| group.len()).sum();
        Ok(Projected {
            names: items.into_iter().map(|(name, _)| name).collect(),
            groups: groups.into_iter().map(|(_, group)| group).collect(),
            skip: count(&projection.skip)?.unwrap_or(0),
            limit: count(&projection.limit)?.unwrap_or(usize::MAX),
            blurred,
            settled: ordered || as_before || total <= 1,
        })
    }
}

/// The rows that SKIP and LIMIT leave of groups, and whether the order of
/// those is settled; open where they part rows that can be told apart.
fn cut<T>(
    groups: Vec<Vec<T>>,
    skip: usize,
    limit: usize,
    values: impl Fn(&T) -> Vec<&Val>,
) -> Outcome<(Vec<T>, bool)> {
    let end = skip.saturating_add(limit);
    let (mut kept, mut settled, mut at) = (Vec::new(), true, 0);
    for group in groups {
        let inside = (at..at + group.len()).filter(|place| (skip..end).contains(place)).count();
        let alike = group.windows(2).all(|two| same_rows(&values(&two[0]), &values(&two[1])));
        if inside > 0 && inside < group.len() && !alike {
            return Err(Stop::Open("which rows are kept"));
        }
        at += group.len();
        settled &= alike || inside == 0;
        kept.extend(group.into_iter().take(inside));
    }
    Ok((kept, settled))
}

/// The first of each kind of rows of definite values, and whether any that went
/// differed by more than its place.
fn distinct<T>(rows: Vec<T>, values: impl Fn(&T) -> Vec<&Val>) -> Outcome<(Vec<T>, bool)> {
    let (mut kept, mut mixed): (Vec<T>, bool) = (Vec::new(), false);
    for row in rows {
        let mine = values(&row);
        let known = kept.iter().find(|other| mine.iter().zip(values(other)).all(|(a, b)| equivalent(a, b)));
        match known {
            Some(other) => mixed |= !same_rows(&mine, &values(other)),
            None => kept.push(row),
        }
    }
    Ok((kept, mixed))
}
