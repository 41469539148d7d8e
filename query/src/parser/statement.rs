//! Whole statements: verbs and queries.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};

use super::clause::query;
use super::input::{In, Miss, Res, any_name, between, fatal, parameter, sym, word};
use super::lexer::Kind;
use crate::ast::{Clause, Mode, Query, Statement, Verb, VerbKind, Who};
use crate::error::{Fault, Outcome, nearest};

/// The words that start a statement.
pub(crate) const STARTS: [&str; 11] = [
    "MATCH",
    "OPTIONAL MATCH",
    "UNWIND",
    "WITH",
    "CALL",
    "RETURN",
    "EXPLAIN",
    "ANALYZE",
    "PERSON",
    "PROFILE",
    "HOUSEHOLD",
];

/// Reads the whole input as one statement.
pub(super) fn statement(i: In<'_>) -> Outcome<Statement> {
    match whole(i) {
        Ok((_, statement)) => ends_with_return(&statement).map(|()| statement),
        Err(nom::Err::Failure(Miss::Fatal(fault)) | nom::Err::Error(Miss::Fatal(fault))) => Err(fault),
        Err(_) => Err(i.fault()),
    }
}

fn whole(i: In<'_>) -> Res<'_, Statement> {
    let (i, statement) = match i.peek(0) {
        Kind::End => {
            let message = "there is no statement here";
            return fatal(
                Fault::syntax("empty", i.span(), message).hint("start with MATCH, or with a verb as PERSON"),
            );
        }
        Kind::Word(first) => start(i, first)?,
        _ => return i.miss("a clause or a verb"),
    };
    let (i, _) = opt(sym(";")).parse(i)?;
    match i.peek(0) {
        Kind::End => Ok((i, statement)),
        _ => i.miss("the end of the statement"),
    }
}

fn start<'a>(i: In<'a>, first: &str) -> Res<'a, Statement> {
    let upper = first.to_ascii_uppercase();
    if let Some(kind) = VerbKind::ALL.into_iter().find(|kind| kind.word() == upper) {
        // `PROFILE match:'x'` names somebody in a namespace of that name.
        if kind == VerbKind::Profile && query_word(i, 1) && !i.is_sym(2, ":") {
            let message = "`PROFILE` asks for a person's profile";
            return fatal(
                Fault::syntax("syntax", i.span(), message).hint("to measure a query, write ANALYZE"),
            );
        }
        return map(|i| verb(i, kind), Statement::Verb).parse(i);
    }
    if let Some(fault) = later(i, &upper) {
        return fatal(fault);
    }
    let (after, mode) = alt((
        value(Mode::Explain, word("EXPLAIN")),
        value(Mode::Analyze, word("ANALYZE")),
        value(Mode::Run, |i| Ok((i, ()))),
    ))
    .parse(i)?;
    if mode == Mode::Run && !query_word(i, 0) {
        let known = STARTS.iter().copied().chain(["NEIGHBOURS"]);
        let message = format!("a statement does not start with `{first}`");
        let fault = Fault::syntax("syntax", i.span(), message);
        let fault = match nearest(first, known) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint("start with MATCH, or with PROFILE, PERSON, HOUSEHOLD or NEIGHBOURS"),
        };
        return fatal(fault);
    }
    map(query, |query| Statement::Query { mode, query }).parse(after)
}

/// Whether the word `ahead` starts a query, or is a writing clause, which has an error of its own.
fn query_word(i: In<'_>, ahead: usize) -> bool {
    let words = [
        "MATCH", "OPTIONAL", "UNWIND", "WITH", "CALL", "RETURN", "CREATE", "MERGE", "SET", "DELETE",
        "DETACH", "REMOVE", "FOREACH", "LOAD", "DROP", "INSERT",
    ];
    words.iter().any(|word| i.is_word(ahead, word))
}

/// The error for what the language has elsewhere but not in this version.
fn later(i: In<'_>, upper: &str) -> Option<Fault> {
    let (what, is) = match upper {
        "AS" if i.is_word(1, "OF") => ("the option `AS OF`", true),
        "THRESHOLD" => ("the option `THRESHOLD`", true),
        "WITHOUT" => ("the option `WITHOUT`", true),
        "FOR" if i.is_word(1, "PURPOSE") => ("the option `FOR PURPOSE`", true),
        "WHY" if i.is_word(1, "NOT") => ("the verb `WHY NOT`", true),
        "WHY" => ("the verb `WHY`", true),
        "HOW" => ("the verb `HOW`", true),
        "HISTORY" => ("the verb `HISTORY`", true),
        "NETWORK" => ("the verb `NETWORK`", true),
        "DIFF" => ("the verb `DIFF`", true),
        "NEAR" if i.is_word(1, "MERGES") => ("the verb `NEAR MERGES`", true),
        _ => ("", false),
    };
    let hint = "the verbs are PROFILE, PERSON, HOUSEHOLD and NEIGHBOURS";
    is.then(|| Fault::unsupported(i.span(), what).hint(hint))
}

fn verb(start: In<'_>, kind: VerbKind) -> Res<'_, Verb> {
    let (i, who) = who(start.skip(1))?;
    Ok((i, Verb { kind, who, span: between(start, i) }))
}

/// `namespace ":" string | string | $param`.
fn who(start: In<'_>) -> Res<'_, Who> {
    match start.peek(0) {
        Kind::Param(_) => map(parameter, Who::Param).parse(start),
        Kind::Str(text) => Ok((start.skip(1), Who::Text { text: text.clone(), span: start.span() })),
        Kind::Word(_) | Kind::Quoted(_) => {
            let (i, namespace) = any_name("a namespace")(start)?;
            let (i, _) = sym(":").parse(i)?;
            match i.peek(0) {
                Kind::Str(value) => {
                    let i = i.skip(1);
                    Ok((i, Who::Named { namespace, value: value.clone(), span: between(start, i) }))
                }
                _ => i.miss("a quoted value, as in email:'ann@example.com'"),
            }
        }
        _ => start.miss("an identifier, as in email:'ann@example.com'"),
    }
}

/// A query outside EXISTS { } and COUNT { } must give something back.
fn ends_with_return(statement: &Statement) -> Outcome<()> {
    match statement {
        Statement::Query { query, .. } => returns(query),
        Statement::Verb(_) => Ok(()),
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
