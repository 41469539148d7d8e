//! Whole statements: options, then a verb or a query.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};

use super::clause::query;
use super::input::{In, Miss, Res, fatal, sym, word};
use super::lexer::Kind;
use super::option::{option, option_ahead};
use super::verb::{verb, verb_ahead};
use crate::ast::{Body, Clause, Mode, Query, Statement, VerbKind, ViewOption};
use crate::error::{Fault, Outcome, nearest};

/// What a query starts with, apart from EXPLAIN and ANALYZE.
const CLAUSES: [&str; 6] = ["MATCH", "OPTIONAL MATCH", "UNWIND", "WITH", "CALL", "RETURN"];

/// The options as they begin.
pub(crate) const OPTIONS: [&str; 5] = ["AS OF", "THRESHOLD", "WITHOUT SOURCE", "WITHOUT LINK", "FOR PURPOSE"];

/// What may stand where a statement begins.
pub(crate) fn beginnings() -> impl Iterator<Item = &'static str> {
    let verbs = VerbKind::ALL.into_iter().map(VerbKind::words);
    CLAUSES.into_iter().chain(["EXPLAIN", "ANALYZE"]).chain(verbs).chain(OPTIONS)
}

/// What is expected where a statement begins, behind options as well.
pub(crate) const BODY: &str = "a clause or a verb";

/// Reads the whole input as one statement.
pub(super) fn statement(i: In<'_>) -> Outcome<Statement> {
    match whole(i) {
        Ok((_, statement)) => ends_with_return(&statement).map(|()| statement),
        Err(nom::Err::Failure(Miss::Fatal(fault)) | nom::Err::Error(Miss::Fatal(fault))) => Err(fault),
        Err(_) => Err(i.fault()),
    }
}

/// What may come at the end of a text that has not come to a query yet; `None`
/// behind the first word of one.
pub(super) fn expected(i: In<'_>) -> Option<Vec<&'static str>> {
    if let Ok((rest, _)) = options(i) {
        let begun = !matches!(rest.peek(0), Kind::End) && !rest.is_word(0, "NEAR");
        if begun && verb_ahead(rest).is_none() {
            return None;
        }
        let _ = body(rest);
    }
    Some(i.expected_at_end())
}

fn whole(i: In<'_>) -> Res<'_, Statement> {
    if *i.peek(0) == Kind::End {
        let message = "there is no statement here";
        return fatal(
            Fault::syntax("empty", i.span(), message).hint("start with MATCH, or with a verb as PERSON"),
        );
    }
    let (i, options) = options(i)?;
    let (i, body) = body(i)?;
    let (i, _) = opt(sym(";")).parse(i)?;
    match i.peek(0) {
        Kind::End => Ok((i, Statement { options, body })),
        _ => i.miss("the end of the statement"),
    }
}

/// The options in front, each that cannot repeat at most once.
fn options(mut i: In<'_>) -> Res<'_, Vec<ViewOption>> {
    let mut all: Vec<ViewOption> = Vec::new();
    while option_ahead(i, 0) {
        let (rest, option) = option(i)?;
        let words = option.kind.words();
        if !option.kind.repeats() && all.iter().any(|other| other.kind.words() == words) {
            let message = format!("`{words}` stands here a second time");
            return fatal(
                Fault::syntax("duplicate-option", option.span, message).hint("leave one of them out"),
            );
        }
        all.push(option);
        i = rest;
    }
    Ok((i, all))
}

fn body(i: In<'_>) -> Res<'_, Body> {
    let Kind::Word(first) = i.peek(0) else { return i.miss(BODY) };
    if let Some((kind, words)) = verb_ahead(i) {
        // `PROFILE match:'x'` names somebody in a namespace of that name.
        if kind == VerbKind::Profile && query_word(i, 1) && !i.is_sym(2, ":") {
            let message = "`PROFILE` asks for a person's profile";
            return fatal(
                Fault::syntax("syntax", i.span(), message).hint("to measure a query, write ANALYZE"),
            );
        }
        return map(|i| verb(i, kind, words), Body::Verb).parse(i);
    }
    if i.is_word(0, "NEAR") {
        return i.skip(1).miss("MERGES");
    }
    let (after, mode) = alt((
        value(Mode::Explain, word("EXPLAIN")),
        value(Mode::Analyze, word("ANALYZE")),
        value(Mode::Run, |i| Ok((i, ()))),
    ))
    .parse(i)?;
    if mode != Mode::Run {
        return explained(i, after, mode);
    }
    if !query_word(i, 0) {
        return fatal(unknown_start(i, first));
    }
    map(query, |query| Body::Query { mode, query }).parse(after)
}

/// What stands behind EXPLAIN or ANALYZE.
fn explained<'a>(start: In<'a>, i: In<'a>, mode: Mode) -> Res<'a, Body> {
    let word = if mode == Mode::Explain { "EXPLAIN" } else { "ANALYZE" };
    if option_ahead(i, 0) {
        let message = format!("options stand before `{word}`");
        return fatal(Fault::syntax("syntax", i.span(), message));
    }
    if let Some((kind, _)) = verb_ahead(i) {
        let message = format!("`{word}` is for graph queries, and `{}` is a verb", kind.words());
        return fatal(Fault::syntax("syntax", start.span(), message).hint("leave it out"));
    }
    map(query, |query| Body::Query { mode, query }).parse(i)
}

/// The error for a word that no statement starts with.
fn unknown_start(i: In<'_>, first: &str) -> Fault {
    let fault = Fault::syntax("syntax", i.span(), format!("a statement does not start with `{first}`"));
    match nearest(first, beginnings().chain(["WITHOUT", "NEAR"])) {
        Some("NEAR") => fault.hint("did you mean `NEAR MERGES`?"),
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint("start with MATCH, or with a verb as PERSON or WHY"),
    }
}

/// Whether the word `ahead` starts a query, or is a writing clause, which has an error of its own.
fn query_word(i: In<'_>, ahead: usize) -> bool {
    let words = [
        "MATCH", "OPTIONAL", "UNWIND", "WITH", "CALL", "RETURN", "CREATE", "MERGE", "SET", "DELETE",
        "DETACH", "REMOVE", "FOREACH", "LOAD", "DROP", "INSERT",
    ];
    words.iter().any(|word| i.is_word(ahead, word))
}

/// A query outside EXISTS { } and COUNT { } must give something back.
fn ends_with_return(statement: &Statement) -> Outcome<()> {
    match &statement.body {
        Body::Query { query, .. } => returns(query),
        Body::Verb(_) => Ok(()),
    }
}

fn returns(query: &Query) -> Outcome<()> {
    for part in &query.parts {
        let alone = part.clauses.len() == 1 && query.parts.len() == 1;
        match part.clauses.last() {
            Some(Clause::Return { .. }) => {}
            Some(Clause::Call(_)) if alone => {}
            last => {
                let end = last.map_or(part.span, Clause::span).end;
                let span = crate::ast::Span::new(end, end);
                return Err(Fault::syntax(
                    "missing-return",
                    span,
                    "expected RETURN: a query ends with what it returns",
                ));
            }
        }
    }
    Ok(())
}
