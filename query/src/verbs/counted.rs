//! Answers that read on the account of the query that asks.

use kinfold_engine::answers::AnswerError;
use kinfold_engine::model::Identifier;
use kinfold_engine::read::{self, Read};

use super::{error, hinted};
use crate::graph::{Account, ProcedureError};

/// A reader with whose every row counts against the limits of a query.
pub(super) type Counted<'a, R> = read::Counted<'a, R, ProcedureError>;

/// A reader that puts what it reads on `account`.
pub(super) fn counted<'a, R: Read>(read: &'a R, account: Account<'a>) -> Counted<'a, R> {
    Counted::new(read, move || account.expansion())
}

/// What an answer over a counted reader came to.
pub(super) fn told<R: Read, T, E: Into<AnswerError>>(
    read: &Counted<'_, R>,
    answer: Result<T, E>,
) -> Result<T, ProcedureError> {
    let failed = match answer {
        Ok(answer) => return Ok(answer),
        Err(failed) => failed.into(),
    };
    if let Some(met) = read.met() {
        return Err(met);
    }
    Err(match failed {
        AnswerError::Read(failed) => failed.into(),
        AnswerError::HouseholdScope { identifier } => no_person(&identifier),
        AnswerError::Unknown { .. } => error("not-found", failed.to_string()),
    })
}

/// The error for an identifier that is nobody's.
pub(super) fn no_person(name: &Identifier) -> ProcedureError {
    let message = format!("`{name}` is of household scope: it belongs to no person");
    hinted("no-person", message, "ask HOUSEHOLD about it")
}
