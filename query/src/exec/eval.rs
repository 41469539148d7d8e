//! The value of an expression in a row.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Context, Row, Running, arithmetic, read};
use crate::ast::{Comparison, Quantifier, Span};
use crate::error::{Fault, Outcome};
use crate::functions::{Call, Function};
use crate::limits::Held;
use crate::plan::{Expr, Gives, Kind, Nested, Postfix, Predicate};
use crate::value::{List, Map, Value, compare, equal};

/// The value of `expr`. The row is written to only for the variables of
/// comprehensions, which end with them.
pub(crate) fn eval(context: &Context<'_>, expr: &Expr, row: &mut Row) -> Outcome<Value> {
    match &expr.kind {
        Kind::Const(value) => Ok(value.clone()),
        Kind::Slot(slot) => Ok(row.get(*slot).clone()),
        Kind::Compare(first, rest) => comparison(context, first, rest, row),
        Kind::And(all) => connective(context, all, false, row),
        Kind::Or(all) => connective(context, all, true, row),
        Kind::Postfix(base, ops) => postfix(context, base, ops, row),
        Kind::Predicates(base, ops) => predicates(context, base, ops, row),
        Kind::Arithmetic(first, rest) => {
            let mut value = eval(context, first, row)?;
            for (op, right) in rest {
                let right = beside(context, &value, first.span, right, row)?;
                value = arithmetic::apply(context, *op, value, right, expr.span)?;
            }
            Ok(value)
        }
        Kind::Call(function, args) => call(context, function, args, expr.span, row),
        _ => other(context, expr, row),
    }
}

#[inline(never)]
fn other(context: &Context<'_>, expr: &Expr, row: &mut Row) -> Outcome<Value> {
    match &expr.kind {
        Kind::List(items) => {
            let values = all(context, items, row)?;
            context.list(values, expr.span)
        }
        Kind::Map(entries) => {
            let mut pairs = Vec::with_capacity(entries.len());
            let mut held = Held::default();
            for (key, value) in entries {
                let span = value.span;
                let value = eval(context, value, row)?;
                held.keep(&context.meter, &value, span)?;
                pairs.push((Arc::clone(key), value));
            }
            context.sound(Value::Map(pairs.into_iter().collect::<Map>()), expr.span)
        }
        Kind::Xor(all) => {
            let mut parity = Some(false);
            for operand in all {
                let next = truth(context, operand, row)?;
                parity = parity.zip(next).map(|(a, b)| a != b);
            }
            Ok(parity.into())
        }
        Kind::Not(inner) => Ok(truth(context, inner, row)?.map(|value| !value).into()),
        Kind::Negate(inner) => arithmetic::negate(eval(context, inner, row)?, expr.span),
        Kind::Plus(inner) => match eval(context, inner, row)? {
            value @ (Value::Null | Value::Int(_) | Value::Float(_) | Value::Duration(_)) => Ok(value),
            value => arithmetic::negate(value, expr.span),
        },
        Kind::Case { subject, whens, otherwise } => {
            case(context, subject.as_deref(), whens, otherwise.as_deref(), row)
        }
        Kind::Comprehension { slot, list, filter, map } => {
            let Some(list) = elements(eval(context, list, row)?, list.span)? else { return Ok(Value::Null) };
            let mut kept = Vec::new();
            let mut held = Held::default();
            held.keep(&context.meter, &Value::List(list.clone()), expr.span)?;
            for element in list.iter() {
                context.meter.tick()?;
                row.set(*slot, element.clone());
                if let Some(filter) = filter
                    && truth(context, filter, row)? != Some(true)
                {
                    continue;
                }
                let value = match map {
                    Some(map) => eval(context, map, row)?,
                    None => element.clone(),
                };
                held.take(&context.meter, value.bytes(), expr.span)?;
                kept.push(value);
            }
            row.set(*slot, Value::Null);
            // From here on the list as a whole is measured.
            held.clear();
            context.list(kept, expr.span)
        }
        Kind::Quantifier { quantifier, slot, list, filter } => {
            let Some(list) = elements(eval(context, list, row)?, list.span)? else { return Ok(Value::Null) };
            let mut held = Held::default();
            held.keep(&context.meter, &Value::List(list.clone()), expr.span)?;
            let result = quantify(context, *quantifier, *slot, &list, filter, row)?;
            row.set(*slot, Value::Null);
            Ok(result.into())
        }
        Kind::Subquery(nested) => subquery(context, nested, expr.span, row),
        _ => eval(context, expr, row),
    }
}

/// The values of expressions that stand beside each other. None of them can be
/// let go before the last is there, so they are measured together.
pub(super) fn all<'e>(
    context: &Context<'_>,
    exprs: impl IntoIterator<Item = &'e Expr, IntoIter: ExactSizeIterator>,
    row: &mut Row,
) -> Outcome<Vec<Value>> {
    let exprs = exprs.into_iter();
    let (mut values, mut held) = (Vec::with_capacity(exprs.len()), Held::default());
    for expr in exprs {
        let value = eval(context, expr, row)?;
        held.keep(&context.meter, &value, expr.span)?;
        values.push(value);
    }
    Ok(values)
}

/// The value of `expr`, while `value` waits for it.
fn beside(context: &Context<'_>, value: &Value, span: Span, expr: &Expr, row: &mut Row) -> Outcome<Value> {
    let mut held = Held::default();
    if !matches!(expr.kind, Kind::Const(_) | Kind::Slot(_)) {
        held.keep(&context.meter, value, span)?;
    }
    eval(context, expr, row)
}

/// The elements of a list operand; `None` for null.
fn elements(list: Value, span: Span) -> Outcome<Option<List>> {
    match list {
        Value::Null => Ok(None),
        Value::List(list) => Ok(Some(list)),
        other => {
            let message = format!("a list must stand here, and this is {}", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    }
}

/// True, false, or `None` for null; anything else is an error.
pub(super) fn truth(context: &Context<'_>, expr: &Expr, row: &mut Row) -> Outcome<Option<bool>> {
    match eval(context, expr, row)? {
        Value::Bool(value) => Ok(Some(value)),
        Value::Null => Ok(None),
        other => {
            let message = format!("a condition must be true or false, and this is {}", other.type_name());
            Err(Fault::typed("wrong-type", expr.span, message))
        }
    }
}

/// AND (`decisive` is false) or OR (true): the decisive value ends it.
fn connective(context: &Context<'_>, all: &[Expr], decisive: bool, row: &mut Row) -> Outcome<Value> {
    let mut unknown = false;
    for operand in all {
        match truth(context, operand, row)? {
            Some(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(!decisive) })
}

/// `a < b <= c` is `a < b AND b <= c`, with b evaluated once.
fn comparison(
    context: &Context<'_>,
    first: &Expr,
    rest: &[(Comparison, Expr)],
    row: &mut Row,
) -> Outcome<Value> {
    let mut left = eval(context, first, row)?;
    let mut unknown = false;
    for (op, right) in rest {
        let span = right.span;
        let right = beside(context, &left, first.span, right, row)?;
        context.meter.weigh(left.bytes().min(right.bytes()), span)?;
        match holds(*op, &left, &right) {
            Some(false) => return Ok(Value::Bool(false)),
            Some(true) => {}
            None => unknown = true,
        }
        left = right;
    }
    Ok(if unknown { Value::Null } else { Value::Bool(true) })
}

fn holds(op: Comparison, left: &Value, right: &Value) -> Option<bool> {
    let ordered = |wanted: fn(Ordering) -> bool| match compare(left, right) {
        Ok(ordering) => Some(wanted(ordering)),
        Err(true) => Some(false),
        Err(false) => None,
    };
    match op {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => equal(left, right).map(|same| !same),
        Comparison::Less => ordered(Ordering::is_lt),
        Comparison::LessOrEqual => ordered(Ordering::is_le),
        Comparison::Greater => ordered(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(Ordering::is_ge),
    }
}

#[inline(never)]
fn predicates(context: &Context<'_>, base: &Expr, ops: &[Predicate], row: &mut Row) -> Outcome<Value> {
    let mut left = eval(context, base, row)?;
    for op in ops {
        let mut operand = |e: &Expr| beside(context, &left, base.span, e, row);
        let result = match op {
            Predicate::IsNull => Some(left.is_null()),
            Predicate::IsNotNull => Some(!left.is_null()),
            Predicate::In(list) => match elements(operand(list)?, list.span)? {
                Some(list) => contains(context, &list, &left)?,
                None => None,
            },
            Predicate::StartsWith(e) => strings(&left, &operand(e)?, |a, b| a.starts_with(b)),
            Predicate::EndsWith(e) => strings(&left, &operand(e)?, |a, b| a.ends_with(b)),
            Predicate::Contains(e) => strings(&left, &operand(e)?, |a, b| a.contains(b)),
            Predicate::Matches(e) => {
                let pattern = operand(e)?;
                match (&left, &pattern) {
                    (Value::String(text), Value::String(pattern)) => {
                        Some(matches(context, text, pattern, e.span)?)
                    }
                    _ => None,
                }
            }
        };
        left = result.into();
    }
    Ok(left)
}

fn contains(context: &Context<'_>, list: &[Value], wanted: &Value) -> Outcome<Option<bool>> {
    let mut unknown = false;
    for element in list {
        context.meter.tick()?;
        match equal(element, wanted) {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok((!unknown).then_some(false))
}

fn strings(left: &Value, right: &Value, test: fn(&str, &str) -> bool) -> Option<bool> {
    Some(test(left.as_str()?, right.as_str()?))
}

/// Whether the pattern matches the whole text.
fn matches(context: &Context<'_>, text: &str, pattern: &Arc<str>, span: Span) -> Outcome<bool> {
    // Few and small: what the compiled ones take is in no account.
    const KEPT: usize = 8;
    const CACHE: usize = 1 << 18;
    let mut regexes = context.regexes.borrow_mut();
    if let Some(regex) = regexes.get(pattern) {
        return Ok(regex.is_match(text));
    }
    let build =
        |pattern: &str| regex::RegexBuilder::new(pattern).size_limit(1 << 20).dfa_size_limit(CACHE).build();
    // Alone first: in the group below a stray `)` could change what is matched.
    let regex = build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z"))).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Fault::runtime("invalid-regex", span, format!("this is no regular expression: {reason}"))
    })?;
    let matched = regex.is_match(text);
    if regexes.len() >= KEPT {
        regexes.clear();
    }
    regexes.insert(Arc::clone(pattern), regex);
    Ok(matched)
}

fn call(
    context: &Context<'_>,
    function: &'static Function,
    args: &[Expr],
    span: Span,
    row: &mut Row,
) -> Outcome<Value> {
    let call = Call { context, name: function.name, span };
    let (mut values, mut held) = (Vec::with_capacity(args.len()), Held::default());
    for arg in args {
        let value = eval(context, arg, row)?;
        if args.len() > 1 {
            held.keep(&context.meter, &value, arg.span)?;
        }
        if function.nulls && !value.is_null() {
            // coalesce(): what follows is not evaluated.
            return Ok(value);
        }
        values.push(value);
    }
    if !function.nulls && values.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let value = (function.run)(&call, &values)?;
    drop((values, held));
    context.sound(value, span)
}

fn case(
    context: &Context<'_>,
    subject: Option<&Expr>,
    whens: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    row: &mut Row,
) -> Outcome<Value> {
    let subject = subject.map(|e| eval(context, e, row)).transpose()?;
    let mut held = Held::default();
    if let Some(subject) = &subject {
        held.keep(&context.meter, subject, whens.first().map_or(Span::default(), |(when, _)| when.span))?;
    }
    for (when, then) in whens {
        let chosen = match &subject {
            Some(subject) => equal(subject, &eval(context, when, row)?) == Some(true),
            None => truth(context, when, row)? == Some(true),
        };
        if chosen {
            return eval(context, then, row);
        }
    }
    otherwise.map_or(Ok(Value::Null), |e| eval(context, e, row))
}

fn quantify(
    context: &Context<'_>,
    quantifier: Quantifier,
    slot: usize,
    list: &[Value],
    filter: &Expr,
    row: &mut Row,
) -> Outcome<Option<bool>> {
    let (mut yes, mut unknown) = (0_u64, false);
    for element in list {
        context.meter.tick()?;
        row.set(slot, element.clone());
        match (truth(context, filter, row)?, quantifier) {
            (Some(false), Quantifier::All) => return Ok(Some(false)),
            (Some(true), Quantifier::Any) => return Ok(Some(true)),
            (Some(true), Quantifier::None) => return Ok(Some(false)),
            (Some(true), Quantifier::Single) if yes == 1 => return Ok(Some(false)),
            (Some(true), _) => yes += 1,
            (Some(false), _) => {}
            (None, _) => unknown = true,
        }
    }
    Ok(match quantifier {
        _ if unknown => None,
        Quantifier::All | Quantifier::None => Some(true),
        Quantifier::Any => Some(false),
        Quantifier::Single => Some(yes == 1),
    })
}

#[inline(never)]
fn subquery(context: &Context<'_>, nested: &Nested, span: Span, row: &Row) -> Outcome<Value> {
    let mut running = Running::new(&nested.plan, row);
    match &nested.gives {
        Gives::Exists => Ok(running.next(context)?.is_some().into()),
        Gives::Count => {
            let mut count = 0;
            while running.next(context)?.is_some() {
                count += 1;
            }
            Ok(Value::Int(count))
        }
        Gives::List(map) => {
            let (mut values, mut held) = (Vec::new(), Held::default());
            while let Some(mut found) = running.next(context)? {
                let value = eval(context, map, &mut found)?;
                held.take(&context.meter, value.bytes(), span)?;
                values.push(value);
            }
            held.clear();
            context.list(values, span)
        }
    }
}

fn postfix(context: &Context<'_>, base: &Expr, ops: &[Postfix], row: &mut Row) -> Outcome<Value> {
    let mut value = eval(context, base, row)?;
    for op in ops {
        value = match op {
            Postfix::Property(name, span) => property(context, &value, name, *span)?,
            Postfix::Index(at) => {
                let at = (beside(context, &value, base.span, at, row)?, at.span);
                index(context, &value, &at.0, at.1)?
            }
            Postfix::Slice(from, to, span) => {
                let bound = |e: &Option<Expr>, row: &mut Row| match e {
                    Some(e) => beside(context, &value, base.span, e, row).map(Some),
                    None => Ok(None),
                };
                let (from, to) = (bound(from, row)?, bound(to, row)?);
                slice(&value, from.as_ref(), to.as_ref(), *span)?
            }
            Postfix::Labels(wanted, span) => labels(context, &value, wanted, *span)?.into(),
        };
    }
    Ok(value)
}

#[inline(never)]
fn property(context: &Context<'_>, value: &Value, name: &str, span: Span) -> Outcome<Value> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Node(node) => read(context.graph.node_property(node.id, name), span),
        Value::Relationship(rel) => read(context.graph.rel_property(rel.id, name), span),
        Value::Map(map) => Ok(map.get(name).cloned().unwrap_or_default()),
        other => {
            let message = format!("{} has no properties, so no `{name}`", other.type_name());
            Err(Fault::typed("no-properties", span, message))
        }
    }
}

fn index(context: &Context<'_>, value: &Value, at: &Value, span: Span) -> Outcome<Value> {
    match (value, at) {
        (Value::List(list), Value::Int(at)) => {
            let place = if *at < 0 { at.checked_add(list.len() as i64) } else { Some(*at) };
            let place = place.and_then(|place| usize::try_from(place).ok());
            Ok(place.and_then(|place| list.get(place)).cloned().unwrap_or_default())
        }
        (Value::List(_), Value::Null) | (Value::Null, _) => Ok(Value::Null),
        (Value::Map(_) | Value::Node(_) | Value::Relationship(_), Value::Null) => Ok(Value::Null),
        (Value::Map(_) | Value::Node(_) | Value::Relationship(_), Value::String(name)) => {
            property(context, value, name, span)
        }
        (Value::List(_), other) => {
            let message = format!("a list is indexed by an integer, not {}", other.type_name());
            Err(Fault::typed("wrong-index", span, message))
        }
        (Value::Map(_) | Value::Node(_) | Value::Relationship(_), other) => {
            let message = format!("{} is indexed by a string, not {}", value.type_name(), other.type_name());
            Err(Fault::typed("wrong-key", span, message))
        }
        (other, _) => {
            let message = format!("{} cannot be indexed", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    }
}

fn slice(value: &Value, from: Option<&Value>, to: Option<&Value>, span: Span) -> Outcome<Value> {
    let list = match value {
        Value::Null => return Ok(Value::Null),
        Value::List(list) => list,
        other => {
            let message = format!("a list can be sliced, not {}", other.type_name());
            return Err(Fault::typed("wrong-type", span, message));
        }
    };
    let length = list.len() as i64;
    let place = |bound: Option<&Value>, default: i64| match bound {
        None => Ok(Some(default)),
        Some(Value::Null) => Ok(None),
        Some(Value::Int(at)) => {
            let at = if *at < 0 { at.saturating_add(length) } else { *at };
            Ok(Some(at.clamp(0, length)))
        }
        Some(other) => {
            let message = format!("a slice goes from integer to integer, not {}", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    };
    let (Some(from), Some(to)) = (place(from, 0)?, place(to, length)?) else { return Ok(Value::Null) };
    let (from, to) = (usize::try_from(from).unwrap_or_default(), usize::try_from(to).unwrap_or_default());
    Ok(list.get(from..to.max(from)).unwrap_or_default().iter().cloned().collect())
}

#[inline(never)]
fn labels(
    context: &Context<'_>,
    value: &Value,
    wanted: &[(Option<crate::graph::LabelId>, Option<crate::graph::TypeId>)],
    span: Span,
) -> Outcome<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Node(node) => {
            for (label, _) in wanted {
                let has = match label {
                    Some(label) => read(context.graph.has_label(node.id, *label), span)?,
                    None => false,
                };
                if !has {
                    return Ok(Some(false));
                }
            }
            Ok(Some(true))
        }
        Value::Relationship(rel) => {
            let kind = read(context.graph.type_of(rel.id), span)?;
            let kind = context.graph.rel_type(&kind);
            Ok(Some(wanted.iter().all(|(_, wanted)| wanted.is_some() && *wanted == kind)))
        }
        other => {
            let message = format!("a node must stand here, and this is {}", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    }
}
