//! Clauses and queries.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt};
use nom::multi::{separated_list0, separated_list1};
use nom::sequence::{delimited, preceded};

use super::expr::{dotted, expression};
use super::input::{In, Res, any_name, between, fatal, sym, variable, word, words};
use super::lexer::Kind;
use super::pattern::{patterns, sort_direction};
use crate::ast::{Call, Clause, Expr, Item, Name, Projection, Query, Single, SortKey, Subquery, Yield};
use crate::error::Fault;

/// `single { UNION [ALL] single }`.
pub(super) fn query(start: In<'_>) -> Res<'_, Query> {
    let (mut i, first) = single(start)?;
    let (mut parts, mut all) = (vec![first], Vec::new());
    while i.is_word(0, "UNION") {
        let (rest, every) = opt(word("ALL")).parse(i.skip(1))?;
        let (rest, part) = single(rest)?;
        all.push(every.is_some());
        parts.push(part);
        i = rest;
    }
    i.note("UNION");
    Ok((i, Query { parts, all, span: between(start, i) }))
}

fn single(start: In<'_>) -> Res<'_, Single> {
    let (mut i, first) = clause(start)?;
    let mut clauses = vec![first];
    while !matches!(clauses.last(), Some(Clause::Return { .. })) && !ends(i) {
        let (rest, next) = clause(i)?;
        clauses.push(next);
        i = rest;
    }
    let span = between(start, i);
    match clauses.last() {
        Some(Clause::Return { .. }) => {}
        Some(Clause::Call(_)) if clauses.len() == 1 => {}
        // Inside EXISTS { } and COUNT { } a query may end without RETURN; the
        // binder knows where it stands and refuses it elsewhere.
        _ => i.note("RETURN"),
    }
    Ok((i, Single { clauses, span }))
}

fn ends(i: In<'_>) -> bool {
    matches!(i.peek(0), Kind::End | Kind::Sym(";" | "}")) || i.is_word(0, "UNION")
}

fn clause(i: In<'_>) -> Res<'_, Clause> {
    if let Kind::Word(first) = i.peek(0) {
        write_clause(i, first)?;
    }
    alt((matching, unwind, with, map(call, Clause::Call), returning)).parse(i)
}

/// Refuses a clause that writes: the language only reads.
fn write_clause<'a>(i: In<'a>, first: &str) -> Result<(), nom::Err<super::input::Miss>> {
    let upper = first.to_ascii_uppercase();
    let followed = matches!(i.peek(1), Kind::Word(_) | Kind::Quoted(_) | Kind::Sym("(" | ":"));
    let writes = matches!(
        upper.as_str(),
        "CREATE" | "MERGE" | "SET" | "DELETE" | "DETACH" | "REMOVE" | "FOREACH" | "LOAD" | "DROP" | "INSERT"
    );
    if !writes || !followed {
        return Ok(());
    }
    let message = format!("`{upper}` writes, and the query language is read-only");
    let hint = match upper.as_str() {
        "DELETE" | "DETACH" | "REMOVE" | "DROP" => {
            "to withdraw what a source said, use the API's `Retract` call; to erase, `Forget`"
        }
        "LOAD" => "to load files, use `kinfold import`",
        _ => "to write, use the API's `Observe` call or `kinfold import`",
    };
    fatal(Fault::syntax("read-only", i.span(), message).hint(hint))
}

fn condition(i: In<'_>) -> Res<'_, Option<Expr>> {
    opt(preceded(word("WHERE"), expression)).parse(i)
}

fn matching(start: In<'_>) -> Res<'_, Clause> {
    let (i, optional) = opt(word("OPTIONAL")).parse(start)?;
    let (i, _) = word("MATCH").parse(i)?;
    let (i, patterns) = patterns(i)?;
    let (i, filter) = condition(i)?;
    let span = between(start, i);
    Ok((i, Clause::Match { optional: optional.is_some(), patterns, filter, span }))
}

fn unwind(start: In<'_>) -> Res<'_, Clause> {
    let (i, list) = preceded(word("UNWIND"), expression).parse(start)?;
    let (i, var) = preceded(word("AS"), variable).parse(i)?;
    Ok((i, Clause::Unwind { list, var, span: between(start, i) }))
}

fn with(start: In<'_>) -> Res<'_, Clause> {
    let (i, projection) = preceded(word("WITH"), projection).parse(start)?;
    let (i, filter) = condition(i)?;
    Ok((i, Clause::With { projection, filter, span: between(start, i) }))
}

fn returning(start: In<'_>) -> Res<'_, Clause> {
    let (i, projection) = preceded(word("RETURN"), projection).parse(start)?;
    Ok((i, Clause::Return { projection, span: between(start, i) }))
}

fn projection(start: In<'_>) -> Res<'_, Projection> {
    let (i, distinct) = opt(word("DISTINCT")).parse(start)?;
    let (i, star) = opt(sym("*")).parse(i)?;
    let (i, items) = if star.is_some() {
        let more = opt(preceded(sym(","), separated_list1(sym(","), item)));
        map(more, Option::unwrap_or_default).parse(i)?
    } else {
        separated_list1(sym(","), item).parse(i)?
    };
    let span = between(start, i);
    let (i, order) = opt(preceded(words("ORDER BY"), separated_list1(sym(","), sort_key))).parse(i)?;
    let (i, skip) = opt(preceded(word("SKIP"), expression)).parse(i)?;
    let (i, limit) = opt(preceded(word("LIMIT"), expression)).parse(i)?;
    let projection = Projection {
        distinct: distinct.is_some(),
        star: star.is_some(),
        items,
        order: order.unwrap_or_default(),
        skip,
        limit,
        span,
    };
    Ok((i, projection))
}

fn item(start: In<'_>) -> Res<'_, Item> {
    let (i, expr) = expression(start)?;
    let span = between(start, i);
    let (i, alias) = opt(preceded(word("AS"), variable)).parse(i)?;
    Ok((i, Item { expr, alias, span }))
}

fn sort_key(i: In<'_>) -> Res<'_, SortKey> {
    let (i, expr) = expression(i)?;
    let (i, descending) = sort_direction(i)?;
    Ok((i, SortKey { expr, descending }))
}

fn call(start: In<'_>) -> Res<'_, Call> {
    let (i, name) = preceded(word("CALL"), dotted).parse(start)?;
    let arguments = delimited(sym("("), separated_list0(sym(","), expression), sym(")"));
    let (i, args) = opt(arguments).parse(i)?;
    let (i, yields) = map(opt(yields), |y| y.unwrap_or(Yield::Nothing)).parse(i)?;
    let (i, filter) = match yields {
        Yield::Nothing => (i, None),
        _ => condition(i)?,
    };
    Ok((i, Call { name, args, yields, filter, span: between(start, i) }))
}

fn yields(i: In<'_>) -> Res<'_, Yield> {
    let (i, _) = word("YIELD").parse(i)?;
    if i.is_sym(0, "*") {
        return Ok((i.skip(1), Yield::All(i.span())));
    }
    map(separated_list1(sym(","), yield_item), Yield::Items).parse(i)
}

fn yield_item(i: In<'_>) -> Res<'_, (Name, Option<Name>)> {
    (any_name("a column"), opt(preceded(word("AS"), variable))).parse(i)
}

/// The inside of `EXISTS { }` and `COUNT { }`: patterns with a condition, or a query.
pub(super) fn subquery(i: In<'_>) -> Res<'_, Subquery> {
    let shortest = i.is_sym(1, "(") && (i.is_word(0, "shortestPath") || i.is_word(0, "allShortestPaths"));
    let bare = shortest || i.is_sym(0, "(") || (i.is_variable(0) && i.is_sym(1, "="));
    if bare {
        let (i, patterns) = patterns(i)?;
        let (i, filter) = condition(i)?;
        return Ok((i, Subquery::Pattern { patterns, filter }));
    }
    map(query, Subquery::Query).parse(i)
}
