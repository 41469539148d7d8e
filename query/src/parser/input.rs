//! What the combinators run on: a slice of tokens, and notes of what was
//! expected where.

use std::cell::{Cell, RefCell};

use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Input, Needed, Parser};

use super::lexer::{Kind, Token};
use crate::ast::{Name, Span};
use crate::error::{Fault, nearest};

/// What the parsers share: the depth they are at, and the furthest mismatch.
pub(super) struct Notes {
    depth: Cell<usize>,
    max_depth: usize,
    furthest: Cell<u32>,
    expected: RefCell<Vec<&'static str>>,
}

impl Notes {
    pub(super) fn new(max_depth: usize) -> Self {
        Self { depth: Cell::new(0), max_depth, furthest: Cell::new(0), expected: RefCell::default() }
    }
}

/// The tokens that are left, with the shared notes.
#[derive(Clone, Copy)]
pub(super) struct In<'a> {
    tokens: &'a [Token],
    notes: &'a Notes,
}

/// Why a parser did not match: nothing to say beyond the notes, or a fault
/// that no other way of reading the text can mend.
pub(super) enum Miss {
    Mismatch,
    Fatal(Fault),
}

pub(super) type Res<'a, T> = IResult<In<'a>, T, Miss>;

impl<'a> ParseError<In<'a>> for Miss {
    fn from_error_kind(_: In<'a>, _: ErrorKind) -> Self {
        Self::Mismatch
    }

    fn append(_: In<'a>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> Input for In<'a> {
    type Item = &'a Token;
    type Iter = std::slice::Iter<'a, Token>;
    type IterIndices = std::iter::Enumerate<std::slice::Iter<'a, Token>>;

    fn input_len(&self) -> usize {
        self.tokens.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { tokens: self.tokens.get(..index).unwrap_or(self.tokens), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Self { tokens: self.tokens.get(index..).unwrap_or_default(), ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.tokens.iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.tokens.iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.tokens.iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if self.tokens.len() >= count { Ok(count) } else { Err(Needed::new(count - self.tokens.len())) }
    }
}

impl<'a> In<'a> {
    pub(super) fn new(tokens: &'a [Token], notes: &'a Notes) -> Self {
        Self { tokens, notes }
    }

    /// The token `ahead` places further.
    pub(super) fn peek(&self, ahead: usize) -> &'a Kind {
        self.tokens.get(ahead).map_or(&Kind::End, |t| &t.kind)
    }

    pub(super) fn closes(&self, ahead: usize) -> Option<usize> {
        self.tokens.get(ahead).filter(|t| t.closes > 0).map(|t| t.closes as usize)
    }

    /// Where the next token stands.
    pub(super) fn span(&self) -> Span {
        self.tokens.first().map_or(Span::default(), |t| t.span)
    }

    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Kind::Word(w) if w.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_sym(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek(ahead), Kind::Sym(s) if *s == symbol)
    }

    /// Whether a name that is no reserved word stands `ahead`.
    pub(super) fn is_variable(&self, ahead: usize) -> bool {
        match self.peek(ahead) {
            Kind::Word(word) => !is_reserved(word),
            Kind::Quoted(_) => true,
            _ => false,
        }
    }

    pub(super) fn skip(&self, count: usize) -> Self {
        self.take_from(count)
    }

    /// Notes that `what` was expected here.
    pub(super) fn note(&self, what: &'static str) {
        let at = self.span().start;
        let mut expected = self.notes.expected.borrow_mut();
        if at > self.notes.furthest.get() {
            self.notes.furthest.set(at);
            expected.clear();
        }
        if at == self.notes.furthest.get() && !expected.contains(&what) {
            expected.push(what);
        }
    }

    pub(super) fn miss<T>(&self, what: &'static str) -> Res<'a, T> {
        self.note(what);
        Err(nom::Err::Error(Miss::Mismatch))
    }

    /// What was expected at the end of the text, if the parse came that far; `self` must be the whole input.
    pub(super) fn expected_at_end(&self) -> Vec<&'static str> {
        let end = self.tokens.last().map_or(0, |token| token.span.start);
        if self.notes.furthest.get() < end { Vec::new() } else { self.notes.expected.borrow().clone() }
    }

    /// The error of the furthest mismatch; `self` must be the whole input.
    pub(super) fn fault(&self) -> Fault {
        let at = self.notes.furthest.get();
        let place = self.tokens.iter().position(|t| t.span.start >= at).unwrap_or_default();
        let here = self.skip(place);
        let expected = self.notes.expected.borrow();
        let found = match here.peek(0) {
            Kind::End => "the end of the text".to_owned(),
            Kind::Word(word) => format!("`{}`", cut(word)),
            Kind::Quoted(name) => format!("the name `{}`", cut(name)),
            Kind::Int(_) | Kind::Float(_) => "a number".to_owned(),
            Kind::Str(_) => "a string".to_owned(),
            Kind::Param(name) => format!("the parameter `${}`", cut(name)),
            Kind::Sym(symbol) => format!("`{symbol}`"),
        };
        let word = match here.peek(0) {
            Kind::Word(word) => word.as_str(),
            _ => "",
        };
        let keywords = expected.iter().copied().filter(|what| is_keyword(what));
        if let Some(keyword) = nearest(word, keywords) {
            let message = format!("unexpected {found}");
            return Fault::syntax("syntax", here.span(), message).hint(format!("did you mean `{keyword}`?"));
        }
        let fault = Fault::syntax("syntax", here.span(), format!("{}, found {found}", list(&expected)));
        if is_reserved(word) && expected.contains(&"a name") {
            fault.hint(format!("to use a keyword as a name, quote it: `` `{word}` ``"))
        } else if here.is_sym(0, "=") && place > 0 && matches!(self.peek(place - 1), Kind::Sym("=")) {
            fault.hint("equality is one `=`")
        } else {
            fault
        }
    }
}

/// What was expected, in words. Where any clause may start, that is said in one word.
fn list(expected: &[&str]) -> String {
    const CLAUSES: [&str; 6] = ["OPTIONAL", "MATCH", "UNWIND", "WITH", "CALL", "RETURN"];
    let any_clause = CLAUSES.iter().all(|clause| expected.contains(clause));
    let kept = expected.iter().filter(|what| !any_clause || !CLAUSES.contains(what));
    let mut shown: Vec<String> = kept.map(|what| quote(what)).collect();
    if any_clause {
        shown.push("a clause".to_owned());
    }
    match shown.as_slice() {
        [] => "expected something else".to_owned(),
        [one] => format!("expected {one}"),
        [most @ .., last] => format!("expected {} or {last}", most.join(", ")),
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= 40 { text.to_owned() } else { text.chars().take(40).chain(['…']).collect() }
}

/// Whether what is expected is a keyword, not what stands for something else.
pub(crate) fn is_keyword(what: &str) -> bool {
    what.chars().all(|c| c.is_ascii_uppercase() || c == ' ')
}

fn quote(what: &str) -> String {
    let name = what.starts_with(|c: char| c.is_ascii_lowercase());
    if name { what.to_owned() } else { format!("`{what}`") }
}

/// Words that are never a variable's name unless quoted.
const RESERVED: [&str; 42] = [
    "ALL",
    "AND",
    "AS",
    "ASC",
    "ASCENDING",
    "BY",
    "CALL",
    "CASE",
    "CONTAINS",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCENDING",
    "DETACH",
    "DISTINCT",
    "ELSE",
    "END",
    "ENDS",
    "EXISTS",
    "FALSE",
    "FOREACH",
    "IN",
    "IS",
    "LIMIT",
    "MATCH",
    "MERGE",
    "NOT",
    "NULL",
    "ON",
    "OPTIONAL",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURN",
    "SET",
    "SKIP",
    "STARTS",
    "THEN",
    "TRUE",
    "UNION",
    "UNWIND",
    "WHEN",
];

/// Whether `word` must be quoted to be a variable.
pub(crate) fn is_reserved(word: &str) -> bool {
    let more = ["WHERE", "WITH", "XOR"];
    RESERVED.iter().chain(&more).any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// A fault that stops the parse.
pub(super) fn fatal<T>(fault: Fault) -> Result<T, nom::Err<Miss>> {
    Err(nom::Err::Failure(Miss::Fatal(fault)))
}

/// The keyword `word`, in any case.
pub(super) fn word<'a>(word: &'static str) -> impl Parser<In<'a>, Output = Span, Error = Miss> {
    move |i: In<'a>| if i.is_word(0, word) { Ok((i.skip(1), i.span())) } else { i.miss(word) }
}

/// The keywords of `phrase`, parted by blanks.
pub(super) fn words<'a>(phrase: &'static str) -> impl Parser<In<'a>, Output = Span, Error = Miss> {
    move |i: In<'a>| {
        let mut rest = i;
        for word in phrase.split(' ') {
            if !rest.is_word(0, word) {
                return i.miss(phrase);
            }
            rest = rest.skip(1);
        }
        Ok((rest, i.span()))
    }
}

/// The symbol `symbol`.
pub(super) fn sym<'a>(symbol: &'static str) -> impl Parser<In<'a>, Output = Span, Error = Miss> {
    move |i: In<'a>| if i.is_sym(0, symbol) { Ok((i.skip(1), i.span())) } else { i.miss(symbol) }
}

/// A variable's name: a word that is not reserved, or a quoted one.
pub(super) fn variable<'a>(i: In<'a>) -> Res<'a, Name> {
    if i.is_variable(0) { any_name("a name")(i) } else { i.miss("a name") }
}

/// Any word or quoted name, where keywords are names too; `what` is what to call it.
pub(super) fn any_name<'a>(what: &'static str) -> impl Fn(In<'a>) -> Res<'a, Name> {
    move |i: In<'a>| match i.peek(0) {
        Kind::Word(text) | Kind::Quoted(text) => Ok((i.skip(1), Name { text: text.clone(), span: i.span() })),
        _ => i.miss(what),
    }
}

/// A parameter.
pub(super) fn parameter<'a>(i: In<'a>) -> Res<'a, Name> {
    match i.peek(0) {
        Kind::Param(text) => Ok((i.skip(1), Name { text: text.clone(), span: i.span() })),
        _ => i.miss("a parameter"),
    }
}

/// Goes one level deeper, or fails if that is too deep. Every way back must
/// [`leave`]; a function and not a wrapper, since the parser's stack is mostly
/// made of the frames of its nested calls.
pub(super) fn enter<'a>(i: In<'a>) -> Result<(), nom::Err<Miss>> {
    let depth = i.notes.depth.get();
    if depth >= i.notes.max_depth {
        let most = i.notes.max_depth;
        let message = format!("the text is nested more than {most} levels deep (limit max_depth)");
        return fatal(Fault::limit("max_depth", "limit-depth", Some(i.span()), message));
    }
    i.notes.depth.set(depth + 1);
    Ok(())
}

/// Comes back from one level deeper.
pub(super) fn leave(i: In<'_>) {
    i.notes.depth.set(i.notes.depth.get().saturating_sub(1));
}

/// Runs `parser` one level deeper.
pub(super) fn nested<'a, T>(i: In<'a>, parser: fn(In<'a>) -> Res<'a, T>) -> Res<'a, T> {
    enter(i)?;
    let result = parser(i);
    leave(i);
    result
}

/// The span from the first token of `start` to the last before `end`.
pub(super) fn between(start: In<'_>, end: In<'_>) -> Span {
    let used = start.tokens.len() - end.tokens.len();
    let last = used.checked_sub(1).and_then(|at| start.tokens.get(at)).map_or(start.span(), |t| t.span);
    start.span().to(last)
}
