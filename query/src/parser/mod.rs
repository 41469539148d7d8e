//! Text to tree. Tokens first, then combinators of nom over the tokens.
//!
//! Every terminal that does not match notes what it expected and where; when
//! the text as a whole does not parse, the note that stands furthest to the
//! right is the error.

mod clause;
mod expr;
mod input;
mod lexer;
mod option;
mod pattern;
mod statement;
mod verb;

use crate::ast::Statement;
use crate::error::{Fault, Outcome, QueryError};
use crate::limits::{DEEPEST, Limits};

pub(crate) use input::{is_keyword, is_reserved};
pub(crate) use lexer::{is_name_part, is_name_start};
pub(crate) use statement::{BODY, beginnings};
pub(crate) use verb::WHO;

/// Reads one statement.
///
/// `limits` gives the longest text and the deepest nesting. The error says
/// where the text stops making sense and what was expected there.
pub fn parse(text: &str, limits: &Limits) -> Result<Statement, QueryError> {
    parse_statement(text, limits).map_err(|fault| fault.locate(text))
}

pub(crate) fn parse_statement(text: &str, limits: &Limits) -> Outcome<Statement> {
    if text.len() > limits.max_text_bytes || u32::try_from(text.len()).is_err() {
        let (given, most) = (text.len(), limits.max_text_bytes);
        let message =
            format!("the text has {given} bytes; at most {most} are allowed (limit max_text_bytes)");
        return Err(
            Fault::limit("max_text_bytes", "limit-text", None, message).hint("pass long lists as parameters")
        );
    }
    let tokens = lexer::tokens(text)?;
    let notes = input::Notes::new(limits.max_depth.min(DEEPEST));
    statement::statement(input::In::new(&tokens, &notes))
}

/// What the grammar expects at the end of an unfinished text, in the words of
/// the errors; `None` where a query has begun, or where the text has no tokens.
pub(crate) fn expected(text: &str) -> Option<Vec<&'static str>> {
    let tokens = lexer::tokens(text).ok()?;
    let notes = input::Notes::new(DEEPEST);
    statement::expected(input::In::new(&tokens, &notes))
}

#[cfg(test)]
mod tests;
