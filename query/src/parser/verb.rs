//! Verbs, and how they name somebody.

use nom::Parser;
use nom::combinator::{map, opt};
use nom::sequence::preceded;

use super::input::{In, Res, any_name, between, parameter, sym, word};
use super::lexer::Kind;
use super::option::literal;
use crate::ast::{Verb, VerbKind, Who};

/// What is expected where somebody must be named.
pub(crate) const WHO: &str = "an identifier, as in email:'ann@example.com'";

/// The verb that stands here, and how many words it has.
pub(super) fn verb_ahead(i: In<'_>) -> Option<(VerbKind, usize)> {
    let mut found: Option<(VerbKind, usize)> = None;
    for kind in VerbKind::ALL {
        let count = kind.words().split(' ').count();
        let stands = kind.words().split(' ').enumerate().all(|(at, word)| i.is_word(at, word));
        // `WHY not:'x', …` names somebody in a namespace of that name.
        let names = count > 1 && i.is_sym(count, ":");
        if stands && !names && found.is_none_or(|(_, most)| count > most) {
            found = Some((kind, count));
        }
    }
    found
}

/// The verb `kind`, which stands here in `words` words.
pub(super) fn verb(start: In<'_>, kind: VerbKind, words: usize) -> Res<'_, Verb> {
    let mut i = start.skip(words);
    if kind == VerbKind::Why {
        i.note("NOT");
    }
    let mut all = Vec::new();
    for at in 0..kind.asks_about() {
        if at > 0 {
            (i, _) = sym(",").parse(i)?;
        }
        let (rest, one) = who(i)?;
        all.push(one);
        i = rest;
    }
    let number = match kind.number() {
        Some(before) => {
            let (rest, number) =
                opt(preceded(word(before), |i| literal(i, "a whole number or a parameter"))).parse(i)?;
            i = rest;
            number
        }
        None => None,
    };
    Ok((i, Verb { kind, who: all, number, span: between(start, i) }))
}

/// `namespace ":" string | string | $param`.
pub(super) fn who(start: In<'_>) -> Res<'_, Who> {
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
        _ => start.miss(WHO),
    }
}
