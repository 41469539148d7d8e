//! Expressions, by precedence climbing: one stack frame a level of nesting, not one a level of precedence.

use nom::Parser;
use nom::combinator::{map, opt};
use nom::sequence::preceded;

use super::clause::subquery;
use super::input::{In, Res, any_name, between, enter, fatal, leave, nested, sym, variable, word};
use super::lexer::{Kind, too_large};
use super::pattern::{chain, labels, looks_like_pattern, map_entries};
use crate::ast::{Arithmetic, Comparison, Expr, ExprKind, Name, Postfix, Predicate, Quantifier};

/// How tightly an operator binds, loosest first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Or,
    Xor,
    And,
    Not,
    Compare,
    Predicate,
    Sum,
    Product,
    Power,
    Unary,
}

impl Level {
    /// The operands of this level's operators.
    fn tighter(self) -> Self {
        match self {
            Self::Or => Self::Xor,
            Self::Xor => Self::And,
            Self::And => Self::Not,
            Self::Not => Self::Compare,
            Self::Compare => Self::Predicate,
            Self::Predicate => Self::Sum,
            Self::Sum => Self::Product,
            Self::Product => Self::Power,
            Self::Power | Self::Unary => Self::Unary,
        }
    }
}

/// An expression, one level deeper than what it stands in.
///
/// The functions on the way from here to an operand and back are kept small,
/// with one thing each that can fail: without optimisation every `?` takes room
/// on the stack of the function that it stands in, and all of them are on it
/// once for every level of nesting.
pub(super) fn expression(i: In<'_>) -> Res<'_, Expr> {
    enter(i)?;
    let result = climb(i, Level::Or);
    leave(i);
    result
}

/// The level of the binary operator that stands here.
fn operator(i: In<'_>) -> Option<Level> {
    match i.peek(0) {
        Kind::Sym(symbol) => match *symbol {
            "=" | "<>" | "<" | "<=" | ">" | ">=" => Some(Level::Compare),
            "=~" => Some(Level::Predicate),
            "+" | "-" => Some(Level::Sum),
            "*" | "/" | "%" => Some(Level::Product),
            "^" => Some(Level::Power),
            _ => None,
        },
        Kind::Word(word) => match word.to_ascii_uppercase().as_str() {
            "OR" => Some(Level::Or),
            "XOR" => Some(Level::Xor),
            "AND" => Some(Level::And),
            "IN" | "STARTS" | "ENDS" | "CONTAINS" | "IS" => Some(Level::Predicate),
            _ => None,
        },
        _ => None,
    }
}

fn climb(start: In<'_>, min: Level) -> Res<'_, Expr> {
    let negated = min <= Level::Not && start.is_word(0, "NOT");
    let mut result = if negated { not(start) } else { unary(start) };
    while let Ok((i, _)) = &result {
        let i = *i;
        let Some(level) = operator(i).filter(|level| *level >= min) else {
            i.note("an operator");
            break;
        };
        result = match result {
            Ok((_, left)) => binary(start, i, level, left),
            failed => failed,
        };
    }
    result
}

fn not(start: In<'_>) -> Res<'_, Expr> {
    let (i, operand) = nested(start.skip(1), |i| climb(i, Level::Not))?;
    Ok((i, Expr { kind: ExprKind::Not(Box::new(operand)), span: between(start, i) }))
}

/// A chain of the operators of one level that follow `left`.
fn binary<'a>(start: In<'a>, i: In<'a>, level: Level, left: Expr) -> Res<'a, Expr> {
    let (i, kind) = match level {
        Level::Or => chained(i, level, "OR", left, ExprKind::Or),
        Level::Xor => chained(i, level, "XOR", left, ExprKind::Xor),
        Level::And => chained(i, level, "AND", left, ExprKind::And),
        Level::Power => chained_power(i, left),
        Level::Compare => pairs(i, level, comparison, left, ExprKind::Compare),
        Level::Predicate => predicates(i, left),
        Level::Sum => pairs(i, level, sum, left, ExprKind::Sum),
        Level::Product | Level::Not | Level::Unary => pairs(i, level, product, left, ExprKind::Product),
    }?;
    Ok((i, Expr { kind, span: between(start, i) }))
}

fn predicates(mut i: In<'_>, left: Expr) -> Res<'_, ExprKind> {
    let mut all = Vec::new();
    while operator(i) == Some(Level::Predicate) {
        let (rest, next) = predicate(i)?;
        all.push(next);
        i = rest;
    }
    Ok((i, ExprKind::Predicates(Box::new(left), all)))
}

fn chained<'a>(
    mut i: In<'a>,
    level: Level,
    keyword: &str,
    first: Expr,
    make: fn(Vec<Expr>) -> ExprKind,
) -> Res<'a, ExprKind> {
    let mut all = vec![first];
    while i.is_word(0, keyword) {
        let (rest, operand) = climb(i.skip(1), level.tighter())?;
        all.push(operand);
        i = rest;
    }
    Ok((i, make(all)))
}

fn chained_power(mut i: In<'_>, first: Expr) -> Res<'_, ExprKind> {
    let mut all = vec![first];
    while i.is_sym(0, "^") {
        let (rest, operand) = unary(i.skip(1))?;
        all.push(operand);
        i = rest;
    }
    Ok((i, ExprKind::Power(all)))
}

fn pairs<'a, T>(
    mut i: In<'a>,
    level: Level,
    symbol: fn(&str) -> Option<T>,
    first: Expr,
    make: fn(Box<Expr>, Vec<(T, Expr)>) -> ExprKind,
) -> Res<'a, ExprKind> {
    let mut all = Vec::new();
    while let Kind::Sym(text) = i.peek(0) {
        let Some(found) = symbol(text) else { break };
        let (rest, operand) = climb(i.skip(1), level.tighter())?;
        all.push((found, operand));
        i = rest;
    }
    Ok((i, make(Box::new(first), all)))
}

fn comparison(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "=" => Comparison::Equal,
        "<>" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn sum(symbol: &str) -> Option<Arithmetic> {
    match symbol {
        "+" => Some(Arithmetic::Add),
        "-" => Some(Arithmetic::Subtract),
        _ => None,
    }
}

fn product(symbol: &str) -> Option<Arithmetic> {
    match symbol {
        "*" => Some(Arithmetic::Multiply),
        "/" => Some(Arithmetic::Divide),
        "%" => Some(Arithmetic::Modulo),
        _ => None,
    }
}

fn predicate(start: In<'_>) -> Res<'_, Predicate> {
    let operand = |i| climb(i, Level::Sum);
    let second = |what: &'static str, make: fn(Expr) -> Predicate| {
        let (i, _) = word(what).parse(start.skip(1))?;
        let (i, right) = operand(i)?;
        Ok((i, make(right)))
    };
    if start.is_word(0, "IN") {
        return map(operand, Predicate::In).parse(start.skip(1));
    }
    if start.is_word(0, "CONTAINS") {
        return map(operand, Predicate::Contains).parse(start.skip(1));
    }
    if start.is_sym(0, "=~") {
        return map(operand, Predicate::Matches).parse(start.skip(1));
    }
    if start.is_word(0, "STARTS") {
        return second("WITH", Predicate::StartsWith);
    }
    if start.is_word(0, "ENDS") {
        return second("WITH", Predicate::EndsWith);
    }
    if start.is_word(0, "IS") {
        let (i, not) = opt(word("NOT")).parse(start.skip(1))?;
        let (i, _) = word("NULL").parse(i)?;
        let span = between(start, i);
        return Ok((i, if not.is_some() { Predicate::IsNotNull(span) } else { Predicate::IsNull(span) }));
    }
    start.miss("an operator")
}

fn unary(start: In<'_>) -> Res<'_, Expr> {
    if start.is_sym(0, "-") || start.is_sym(0, "+") { signed(start) } else { postfix(start) }
}

fn signed(start: In<'_>) -> Res<'_, Expr> {
    let negative = start.is_sym(0, "-");
    let inner = start.skip(1);
    // The least integer has no positive counterpart, so a minus right before
    // a literal belongs to it.
    if negative && *inner.peek(0) == Kind::Int(1 << 63) {
        let i = inner.skip(1);
        return Ok((i, Expr { kind: ExprKind::Int(i64::MIN), span: between(start, i) }));
    }
    let literal = matches!(inner.peek(0), Kind::Int(_) | Kind::Float(_));
    let (i, operand) = nested(inner, unary)?;
    let span = between(start, i);
    let kind = match operand.kind {
        ExprKind::Int(value) if negative && literal => ExprKind::Int(-value),
        ExprKind::Float(value) if negative && literal => ExprKind::Float(-value),
        kind => {
            let operand = Box::new(Expr { kind, span: operand.span });
            if negative { ExprKind::Negate(operand) } else { ExprKind::Plus(operand) }
        }
    };
    Ok((i, Expr { kind, span }))
}

fn postfix(start: In<'_>) -> Res<'_, Expr> {
    match atom(start) {
        Ok((i, base)) if matches!(i.peek(0), Kind::Sym("." | "[" | ":")) => postfix_chain(start, i, base),
        other => other,
    }
}

fn postfix_chain<'a>(start: In<'a>, mut i: In<'a>, base: Expr) -> Res<'a, Expr> {
    let mut ops = Vec::new();
    loop {
        let (rest, op) = match i.peek(0) {
            Kind::Sym(".") => map(any_name("a property's name"), Postfix::Property).parse(i.skip(1)),
            Kind::Sym("[") => index(i),
            Kind::Sym(":") => map(labels, Postfix::Labels).parse(i),
            _ => break,
        }?;
        if matches!(&op, Postfix::Labels(labels) if labels.is_empty()) {
            break;
        }
        ops.push(op);
        i = rest;
    }
    if ops.is_empty() {
        return Ok((i, base));
    }
    Ok((i, Expr { kind: ExprKind::Postfix(Box::new(base), ops), span: between(start, i) }))
}

fn index(start: In<'_>) -> Res<'_, Postfix> {
    let (i, _) = sym("[").parse(start)?;
    let (i, from) = if i.is_sym(0, "..") { (i, None) } else { map(expression, Some).parse(i)? };
    let (i, dots) = opt(sym("..")).parse(i)?;
    if dots.is_none() {
        let (i, _) = sym("]").parse(i)?;
        return match from {
            Some(at) => Ok((i, Postfix::Index(at))),
            None => i.miss("an index"),
        };
    }
    let (i, to) = if i.is_sym(0, "]") { (i, None) } else { map(expression, Some).parse(i)? };
    let (i, _) = sym("]").parse(i)?;
    Ok((i, Postfix::Slice(from, to, between(start, i))))
}

fn atom(i: In<'_>) -> Res<'_, Expr> {
    let literal = |kind| Ok((i.skip(1), Expr { kind, span: i.span() }));
    match i.peek(0) {
        Kind::Int(value) => match i64::try_from(*value) {
            Ok(value) => literal(ExprKind::Int(value)),
            Err(_) => fatal(too_large(i.span())),
        },
        Kind::Float(value) => literal(ExprKind::Float(*value)),
        Kind::Str(text) => literal(ExprKind::Str(text.clone())),
        Kind::Param(name) => literal(ExprKind::Param(name.clone())),
        Kind::Sym("(") if looks_like_pattern(i) => pattern(i),
        Kind::Sym("(") => parenthesised(i),
        Kind::Sym("[") => bracketed(i),
        Kind::Sym("{") => braced(i),
        Kind::Quoted(name) => {
            if call_ahead(i) {
                function(i)
            } else {
                literal(ExprKind::Var(name.clone()))
            }
        }
        Kind::Word(name) => named(i, name),
        _ => i.miss("an expression"),
    }
}

fn pattern(i: In<'_>) -> Res<'_, Expr> {
    let (rest, chain) = chain(i)?;
    if chain.rest.is_empty() {
        // What follows is no relationship to a node: `(a)-[1]-(2)` subtracts.
        return parenthesised(i);
    }
    let span = chain.span;
    Ok((rest, Expr { kind: ExprKind::Pattern(Box::new(chain)), span }))
}

fn parenthesised(i: In<'_>) -> Res<'_, Expr> {
    let (i, inner) = expression(i.skip(1))?;
    if i.is_sym(0, ")") { Ok((i.skip(1), inner)) } else { i.miss(")") }
}

fn braced(i: In<'_>) -> Res<'_, Expr> {
    let (rest, entries) = map_entries(i)?;
    Ok((rest, Expr { kind: ExprKind::Map(entries), span: between(i, rest) }))
}

/// Expressions parted by commas, up to `close` and with it.
fn up_to<'a>(mut i: In<'a>, close: &'static str) -> Res<'a, Vec<Expr>> {
    let mut all = Vec::new();
    if i.is_sym(0, close) {
        return Ok((i.skip(1), all));
    }
    i.note(close);
    loop {
        let (rest, next) = expression(i)?;
        all.push(next);
        i = rest.skip(1);
        if rest.is_sym(0, close) {
            return Ok((i, all));
        }
        if !rest.is_sym(0, ",") {
            rest.note(",");
            return rest.miss(close);
        }
    }
}

fn named<'a>(i: In<'a>, name: &str) -> Res<'a, Expr> {
    let literal = |kind| Ok((i.skip(1), Expr { kind, span: i.span() }));
    let upper = name.to_ascii_uppercase();
    match upper.as_str() {
        "TRUE" => return literal(ExprKind::Bool(true)),
        "FALSE" => return literal(ExprKind::Bool(false)),
        "NULL" => return literal(ExprKind::Null),
        "CASE" => return case(i),
        "EXISTS" if i.is_sym(1, "{") => return braces(i, |body| ExprKind::Exists(Box::new(body))),
        "COUNT" if i.is_sym(1, "{") => return braces(i, |body| ExprKind::Count(Box::new(body))),
        "COUNT" if i.is_sym(1, "(") && i.is_sym(2, "*") => return count_star(i),
        "ALL" | "ANY" | "NONE" | "SINGLE" if i.is_sym(1, "(") && i.is_variable(2) && i.is_word(3, "IN") => {
            return quantifier(i, &upper);
        }
        _ => {}
    }
    if call_ahead(i) {
        return function(i);
    }
    if i.is_variable(0) { literal(ExprKind::Var(name.to_owned())) } else { i.miss("an expression") }
}

fn count_star(i: In<'_>) -> Res<'_, Expr> {
    let (rest, _) = sym(")").parse(i.skip(3))?;
    Ok((rest, Expr { kind: ExprKind::CountStar, span: between(i, rest) }))
}

/// Whether names joined by dots and then `(` stand here.
fn call_ahead(i: In<'_>) -> bool {
    let mut at = 1;
    while i.is_sym(at, ".") && matches!(i.peek(at + 1), Kind::Word(_) | Kind::Quoted(_)) {
        at += 2;
    }
    i.is_sym(at, "(")
}

/// Names joined by dots.
pub(super) fn dotted(start: In<'_>) -> Res<'_, Name> {
    let (mut i, mut name) = any_name("a name")(start)?;
    while i.is_sym(0, ".") {
        let (rest, part) = any_name("a name")(i.skip(1))?;
        name.text.push('.');
        name.text.push_str(&part.text);
        i = rest;
    }
    name.span = between(start, i);
    Ok((i, name))
}

fn function(start: In<'_>) -> Res<'_, Expr> {
    let (i, (name, distinct)) = function_head(start)?;
    let (i, args) = up_to(i, ")")?;
    let kind = ExprKind::Function { name, distinct, args };
    Ok((i, Expr { kind, span: between(start, i) }))
}

fn function_head(start: In<'_>) -> Res<'_, (Name, bool)> {
    let (i, name) = dotted(start)?;
    let (i, _) = sym("(").parse(i)?;
    let (i, distinct) = opt(word("DISTINCT")).parse(i)?;
    Ok((i, (name, distinct.is_some())))
}

fn braces<'a>(start: In<'a>, make: fn(crate::ast::Subquery) -> ExprKind) -> Res<'a, Expr> {
    let (i, _) = sym("{").parse(start.skip(1))?;
    let (i, body) = nested(i, subquery)?;
    let (i, _) = sym("}").parse(i)?;
    Ok((i, Expr { kind: make(body), span: between(start, i) }))
}

fn quantifier<'a>(start: In<'a>, upper: &str) -> Res<'a, Expr> {
    let quantifier = match upper {
        "ALL" => Quantifier::All,
        "ANY" => Quantifier::Any,
        "NONE" => Quantifier::None,
        _ => Quantifier::Single,
    };
    let (i, var) = variable(start.skip(2))?;
    let (i, list) = preceded(word("IN"), expression).parse(i)?;
    let (i, filter) = preceded(word("WHERE"), expression).parse(i)?;
    let (i, _) = sym(")").parse(i)?;
    let kind = ExprKind::Quantifier { quantifier, var, list: Box::new(list), filter: Box::new(filter) };
    Ok((i, Expr { kind, span: between(start, i) }))
}

fn case(start: In<'_>) -> Res<'_, Expr> {
    let i = start.skip(1);
    let searched = i.is_word(0, "WHEN");
    let (i, subject) = if searched { (i, None) } else { boxed(i)? };
    let (i, whens) = branches(i)?;
    let (i, otherwise) = if i.is_word(0, "ELSE") { boxed(i.skip(1))? } else { (i, None) };
    i.note("ELSE");
    let (i, _) = word("END").parse(i)?;
    Ok((i, Expr { kind: ExprKind::Case { subject, whens, otherwise }, span: between(start, i) }))
}

fn boxed(i: In<'_>) -> Res<'_, Option<Box<Expr>>> {
    let (i, expr) = expression(i)?;
    Ok((i, Some(Box::new(expr))))
}

fn branches(mut i: In<'_>) -> Res<'_, Vec<(Expr, Expr)>> {
    let mut all = Vec::new();
    loop {
        let (rest, when) = preceded(word("WHEN"), expression).parse(i)?;
        let (rest, then) = branch(rest)?;
        all.push((when, then));
        i = rest;
        if !i.is_word(0, "WHEN") {
            i.note("WHEN");
            return Ok((i, all));
        }
    }
}

fn branch(i: In<'_>) -> Res<'_, Expr> {
    if i.is_word(0, "THEN") { expression(i.skip(1)) } else { i.miss("THEN") }
}

/// What starts with `[`: a list, a list comprehension or a pattern comprehension.
fn bracketed(start: In<'_>) -> Res<'_, Expr> {
    let i = start.skip(1);
    let named_pattern = i.is_variable(0) && i.is_sym(1, "=") && looks_like_pattern(i.skip(2));
    let (i, kind) = if i.is_variable(0) && i.is_word(1, "IN") {
        list_comprehension(i)
    } else if named_pattern || looks_like_pattern(i) {
        pattern_comprehension(i, named_pattern)
    } else {
        list(i)
    }?;
    Ok((i, Expr { kind, span: between(start, i) }))
}

fn list(i: In<'_>) -> Res<'_, ExprKind> {
    let (i, items) = up_to(i, "]")?;
    Ok((i, ExprKind::List(items)))
}

fn list_comprehension(i: In<'_>) -> Res<'_, ExprKind> {
    let (i, var) = variable(i)?;
    let (i, list) = expression(i.skip(1))?;
    let (i, filter) = condition(i)?;
    let (i, map) = if i.is_sym(0, "|") { after(i)? } else { (i, None) };
    i.note("|");
    let (i, _) = sym("]").parse(i)?;
    let kind = ExprKind::ListComprehension {
        var,
        list: Box::new(list),
        filter: filter.map(Box::new),
        map: map.map(Box::new),
    };
    Ok((i, kind))
}

/// `WHERE` and its condition, if it stands here.
fn condition(i: In<'_>) -> Res<'_, Option<Expr>> {
    if i.is_word(0, "WHERE") {
        return after(i);
    }
    i.note("WHERE");
    Ok((i, None))
}

/// The expression after the token that stands here.
fn after(i: In<'_>) -> Res<'_, Option<Expr>> {
    let (i, expr) = expression(i.skip(1))?;
    Ok((i, Some(expr)))
}

fn pattern_comprehension(i: In<'_>, named: bool) -> Res<'_, ExprKind> {
    let (i, path) =
        if named { map((variable, sym("=")), |(name, _)| Some(name)).parse(i)? } else { (i, None) };
    let (i, chain) = nested(i, chain)?;
    let (i, filter) = condition(i)?;
    let (i, _) = sym("|").parse(i)?;
    let (i, map) = expression(i)?;
    let (i, _) = sym("]").parse(i)?;
    let kind = ExprKind::PatternComprehension {
        path,
        chain: Box::new(chain),
        filter: filter.map(Box::new),
        map: Box::new(map),
    };
    Ok((i, kind))
}
