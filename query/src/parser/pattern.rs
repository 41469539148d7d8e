//! Patterns: nodes and relationships.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};
use nom::multi::{many0, separated_list1};
use nom::sequence::{delimited, preceded, terminated};

use super::expr::expression;
use super::input::{In, Res, any_name, between, fatal, parameter, sym, variable, word};
use super::lexer::Kind;
use crate::ast::{
    Chain, Direction, Expr, Name, NodePattern, Pattern, Properties, Range, RelPattern, Shortest,
};
use crate::error::Fault;

/// `pattern {"," pattern}`.
pub(super) fn patterns(i: In<'_>) -> Res<'_, Vec<Pattern>> {
    separated_list1(sym(","), pattern).parse(i)
}

/// `[var "="] ( (shortestPath | allShortestPaths) "(" chain ")" | chain )`.
fn pattern(start: In<'_>) -> Res<'_, Pattern> {
    let named = start.is_variable(0) && start.is_sym(1, "=");
    let (i, path) =
        if named { map((variable, sym("=")), |(name, _)| Some(name)).parse(start)? } else { (start, None) };
    let shortest = if i.is_sym(1, "(") && i.is_word(0, "shortestPath") {
        Shortest::One
    } else if i.is_sym(1, "(") && i.is_word(0, "allShortestPaths") {
        Shortest::All
    } else {
        Shortest::No
    };
    let (i, chain) = match shortest {
        Shortest::No => chain(i)?,
        _ => delimited(sym("("), chain, sym(")")).parse(i.skip(1))?,
    };
    let span = between(start, i);
    Ok((i, Pattern { path, shortest, chain, span }))
}

/// `node { rel node }`.
pub(super) fn chain(start: In<'_>) -> Res<'_, Chain> {
    let (i, first) = node(start)?;
    let (i, rest) = many0((relationship, node)).parse(i)?;
    let span = between(start, i);
    Ok((i, Chain { first, rest, span }))
}

fn node(start: In<'_>) -> Res<'_, NodePattern> {
    if !start.is_sym(0, "(") {
        return start.miss("a node pattern `(…)`");
    }
    let (i, _) = sym("(").parse(start)?;
    let (i, var) = opt(variable).parse(i)?;
    let (i, labels) = labels(i)?;
    let (i, properties) = opt(properties).parse(i)?;
    let (i, _) = sym(")").parse(i)?;
    let span = between(start, i);
    Ok((i, NodePattern { var, labels, properties, span }))
}

/// `{":" label}`.
pub(super) fn labels(i: In<'_>) -> Res<'_, Vec<Name>> {
    many0(preceded(sym(":"), any_name("a label"))).parse(i)
}

fn properties(start: In<'_>) -> Res<'_, Properties> {
    if let Kind::Param(_) = start.peek(0) {
        return map(parameter, Properties::Param).parse(start);
    }
    let (i, entries) = map_entries(start)?;
    Ok((i, Properties::Map(entries, between(start, i))))
}

/// `{key: value, …}`.
pub(super) fn map_entries(i: In<'_>) -> Res<'_, Vec<(Name, Expr)>> {
    let (mut i, _) = sym("{").parse(i)?;
    let mut all = Vec::new();
    if i.is_sym(0, "}") {
        return Ok((i.skip(1), all));
    }
    i.note("}");
    loop {
        let (rest, key) = key(i)?;
        let (rest, value) = expression(rest)?;
        all.push((key, value));
        i = rest.skip(1);
        if rest.is_sym(0, "}") {
            return Ok((i, all));
        }
        if !rest.is_sym(0, ",") {
            rest.note(",");
            return rest.miss("}");
        }
    }
}

fn key(i: In<'_>) -> Res<'_, Name> {
    terminated(any_name("a key"), sym(":")).parse(i)
}

struct Detail {
    var: Option<Name>,
    types: Vec<Name>,
    range: Option<Range>,
    properties: Option<Properties>,
}

/// `["<"] "-" [ "[" … "]" ] "-" [">"]`.
fn relationship(start: In<'_>) -> Res<'_, RelPattern> {
    if !start.is_sym(0, "<") && !start.is_sym(0, "-") {
        return start.miss("a relationship");
    }
    let (i, left) = opt(sym("<")).parse(start)?;
    let (i, _) = sym("-").parse(i)?;
    let (i, detail) = opt(delimited(sym("["), detail, sym("]"))).parse(i)?;
    let (i, _) = sym("-").parse(i)?;
    let (i, right) = opt(sym(">")).parse(i)?;
    let direction = match (left, right) {
        (Some(_), None) => Direction::In,
        (None, Some(_)) => Direction::Out,
        _ => Direction::Both,
    };
    let span = between(start, i);
    let Detail { var, types, range, properties } =
        detail.unwrap_or(Detail { var: None, types: Vec::new(), range: None, properties: None });
    Ok((i, RelPattern { var, types, range, properties, direction, span }))
}

fn detail(i: In<'_>) -> Res<'_, Detail> {
    let (i, var) = opt(variable).parse(i)?;
    // `:A|:B` is the older way to write `:A|B`.
    let bar = (sym("|"), opt(sym(":")));
    let (i, types) =
        opt(preceded(sym(":"), separated_list1(bar, any_name("a relationship type")))).parse(i)?;
    if types.is_some() && i.is_sym(0, "..") {
        let message = "a variable length starts with `*`";
        return fatal(Fault::syntax("invalid-length", i.span(), message).hint("as in [:LINKED*1..3]"));
    }
    if (types.is_some() || var.is_none()) && i.is_sym(0, "*") && i.is_sym(1, "-") {
        let message = "a length is not negative";
        return fatal(
            Fault::syntax("invalid-length", i.skip(1).span(), message).hint("as in [:LINKED*1..3]"),
        );
    }
    let (i, range) = opt(range).parse(i)?;
    let (i, properties) = opt(properties).parse(i)?;
    Ok((i, Detail { var, types: types.unwrap_or_default(), range, properties }))
}

/// `"*" [int] [".." [int]]`.
fn range(i: In<'_>) -> Res<'_, Range> {
    let (i, _) = sym("*").parse(i)?;
    let (i, min) = opt(bound).parse(i)?;
    let (i, dots) = opt(sym("..")).parse(i)?;
    let (i, max) = if dots.is_some() { opt(bound).parse(i)? } else { (i, min) };
    Ok((i, Range { min, max }))
}

fn bound(i: In<'_>) -> Res<'_, u32> {
    match i.peek(0) {
        Kind::Int(value) => match u32::try_from(*value) {
            Ok(value) => Ok((i.skip(1), value)),
            Err(_) => {
                let message = "a path of more than 4294967295 relationships is no path";
                fatal(Fault::syntax("integer-overflow", i.span(), message))
            }
        },
        _ => i.miss("a length"),
    }
}

/// Whether what starts here, at `(`, can only be a pattern: a node as patterns
/// write it and a relationship after it. Looks ahead without parsing, so that
/// nested parentheses are not read twice at every level.
pub(super) fn looks_like_pattern(i: In<'_>) -> bool {
    let Some(close) = i.closes(0).filter(|_| i.is_sym(0, "(")) else { return false };
    let mut at = 1 + usize::from(i.is_variable(1));
    while i.is_sym(at, ":") && matches!(i.peek(at + 1), Kind::Word(_) | Kind::Quoted(_)) {
        at += 2;
    }
    if i.is_sym(at, "{") {
        at += i.closes(at).map_or(0, |length| length + 1);
    } else if matches!(i.peek(at), Kind::Param(_)) {
        at += 1;
    }
    if at != close {
        return false;
    }
    let after = close + 1;
    let dash = after + usize::from(i.is_sym(after, "<"));
    if !i.is_sym(dash, "-") {
        return false;
    }
    let end = if i.is_sym(dash + 1, "[") {
        match i.closes(dash + 1) {
            Some(length) => dash + 1 + length + 1,
            None => return false,
        }
    } else {
        dash + 1
    };
    // Behind it a node: `(a) - [1] - b` subtracts.
    let node = end + 1 + usize::from(i.is_sym(end + 1, ">"));
    i.is_sym(end, "-") && i.is_sym(node, "(")
}

/// `ASC`, `DESC` and their long forms; `true` for descending.
pub(super) fn sort_direction(i: In<'_>) -> Res<'_, bool> {
    let ascending = value(false, alt((word("ASC"), word("ASCENDING"))));
    let descending = value(true, alt((word("DESC"), word("DESCENDING"))));
    map(opt(alt((ascending, descending))), |direction| direction.unwrap_or(false)).parse(i)
}
