//! The options in front of a statement, and the literals that they take.
//!
//! None of their words is reserved: they mean something only here.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::map;
use nom::sequence::preceded;

use super::input::{In, Res, between, fatal, sym, word};
use super::lexer::{Kind, too_large};
use super::verb::who;
use crate::ast::{Literal, LiteralKind, OptionKind, ViewOption};

/// Whether an option begins `ahead`.
pub(super) fn option_ahead(i: In<'_>, ahead: usize) -> bool {
    ["AS", "THRESHOLD", "WITHOUT", "FOR"].iter().any(|word| i.is_word(ahead, word))
}

/// One option.
pub(super) fn option(start: In<'_>) -> Res<'_, ViewOption> {
    let (i, kind) = alt((
        map(preceded((word("AS"), word("OF")), time), OptionKind::AsOf),
        map(preceded(word("THRESHOLD"), |i| literal(i, "a number or a parameter")), OptionKind::Threshold),
        preceded(word("WITHOUT"), without),
        map(
            preceded((word("FOR"), word("PURPOSE")), |i| literal(i, "a quoted purpose or a parameter")),
            OptionKind::ForPurpose,
        ),
    ))
    .parse(start)?;
    Ok((i, ViewOption { kind, span: between(start, i) }))
}

fn without(i: In<'_>) -> Res<'_, OptionKind> {
    let source = preceded(word("SOURCE"), |i| literal(i, "a quoted source or a parameter"));
    let link = preceded(word("LINK"), (who, sym("-"), who));
    alt((map(source, OptionKind::WithoutSource), map(link, |(a, _, b)| OptionKind::WithoutLink(a, b))))
        .parse(i)
}

fn time(i: In<'_>) -> Res<'_, Literal> {
    let (rest, literal) = literal(i, "a quoted time, a sequence number or a parameter")?;
    let date =
        matches!((i.peek(0), rest.peek(0), rest.peek(1)), (Kind::Int(_), Kind::Sym("-"), Kind::Int(_)));
    if date {
        let fault = crate::error::Fault::syntax("syntax", rest.span(), "a time stands in quotes");
        return fatal(fault.hint("as in AS OF '2026-01-05'"));
    }
    Ok((rest, literal))
}

/// A text, a number or a parameter; `what` is what to call it.
pub(super) fn literal<'a>(start: In<'a>, what: &'static str) -> Res<'a, Literal> {
    let (i, negative) = match start.peek(0) {
        Kind::Sym("-") if matches!(start.peek(1), Kind::Int(_) | Kind::Float(_)) => (start.skip(1), true),
        _ => (start, false),
    };
    let kind = match i.peek(0) {
        Kind::Str(text) => LiteralKind::Str(text.clone()),
        Kind::Param(name) => LiteralKind::Param(name.clone()),
        Kind::Float(value) => LiteralKind::Float(if negative { -value } else { *value }),
        Kind::Int(value) => match i64::try_from(*value) {
            Ok(value) => LiteralKind::Int(if negative { -value } else { value }),
            // The least integer has no positive counterpart.
            Err(_) if negative => LiteralKind::Int(i64::MIN),
            Err(_) => return fatal(too_large(i.span())),
        },
        _ => return start.miss(what),
    };
    let i = i.skip(1);
    Ok((i, Literal { kind, span: between(start, i) }))
}
