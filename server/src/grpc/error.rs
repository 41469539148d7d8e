//! Why a call has no answer, in the domain's terms; `status` makes it a gRPC status.

use std::fmt;
use std::time::Duration;

use kinfold_engine::answers::AnswerError;
use kinfold_engine::consent::Refusal;
use kinfold_engine::model::{Identifier, Seq};
use kinfold_engine::read::ReadError;
use kinfold_engine::write::{ActError, SchemaError, WriteError};
use kinfold_engine::{AsOfError, BackupError, ViewError};
use kinfold_query::QueryError;

use crate::audit::AuditError;
use crate::auth::Role;
use crate::schema_change::{BrokenAssertions, ChangeError};

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// A field of the request.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The store never saw the identifier; it is given normalised.
    #[error("no source has named `{0}` yet")]
    UnknownIdentifier(Identifier),
    /// No person has or had the id.
    #[error("no person has or ever had the id `{0}` in this store")]
    UnknownPerson(String),
    /// All of the person was forgotten.
    #[error("the person of the id `{0}` was erased")]
    ErasedPerson(String),
    /// No household has or had the id.
    #[error("no household has or ever had the id `{0}` in this store")]
    UnknownHousehold(String),
    /// The person or the identifier is in no household.
    #[error("{0} belongs to no household")]
    NoHousehold(String),
    /// Somebody refused the purpose that they are asked about for.
    #[error("the person refused the purpose `{}` ({})", .0.purpose, .0.word.as_str())]
    PurposeRefused(Refusal),
    /// A search went through as much as it may.
    #[error("the answer needs more than {most} reads of the store (limit {name}); ask about less")]
    Limit {
        /// The limit.
        name: &'static str,
        /// What it is set to.
        most: u64,
    },
    /// Nobody is known by what the call brings.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The caller is known and may not do this.
    #[error("the token's role is `{has}`, and this needs `{needs}`")]
    NotAllowed {
        /// What the caller may do.
        has: Role,
        /// What the call needs.
        needs: Role,
    },
    /// There is too much to do already.
    #[error("the server is at its limit of {most} ({limit}); try again")]
    Overloaded {
        /// The limit.
        limit: &'static str,
        /// What it is set to.
        most: usize,
    },
    /// There is nowhere to make copies.
    #[error("the server's configuration names no directory for copies; set `backup_dir`")]
    NoBackups,
    /// There is no audit.
    #[error("the server's configuration names no directory for the audit; set `audit_dir`")]
    NoAudit,
    /// The audit cannot be read, or was changed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A copy was not made.
    #[error(transparent)]
    Backup(Box<BackupError>),
    /// The store has not come to the sequence number that the read asks for.
    #[error("the store is at sequence number {at}, and {at_least} did not come within {waited:?}")]
    NotYet {
        /// What the read asked for.
        at_least: Seq,
        /// Where the store is.
        at: Seq,
        /// How long the read waited.
        waited: Duration,
    },
    /// A read failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Something done by hand was refused.
    #[error(transparent)]
    Act(Box<ActError>),
    /// Something done by hand was refused, and not everything may be told of why.
    #[error(
        "it contradicts what stands between other identifiers; somebody who sees all namespaces is told which"
    )]
    ActRedacted(Box<ActError>),
    /// A schema cannot be put in force.
    #[error(transparent)]
    Schema(Box<SchemaError>),
    /// A schema would break assertions.
    #[error("{0}\nset `go_on` to put the schema in force all the same")]
    Broken(BrokenAssertions),
    /// A query failed.
    #[error(transparent)]
    Query(Box<QueryError>),
    /// One message of the answer would be larger than is sent.
    #[error(
        "{what} is {bytes} bytes long, and a message of an answer at most {most}; ask for fewer at once or with \
         VIEW_IDS, in a query for fewer columns"
    )]
    TooLargeToSend {
        /// What does not fit.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The server's limit.
        most: usize,
    },
    /// A value nests more deeply than clients decode.
    #[error(
        "a value of the answer nests more than {most} lists and maps deep, more than clients read; flatten it"
    )]
    TooDeepToSend {
        /// How deep it may be.
        most: usize,
    },
    /// The call's deadline, or the server's own, passed.
    #[error("the call took longer than its deadline of {after:?}{hint}")]
    Deadline {
        /// How long the call had.
        after: Duration,
        /// What to know or to do about it; empty, or begins with `; `.
        hint: &'static str,
    },
    /// The client went away.
    #[error("the call was cancelled")]
    Cancelled,
    /// The server is shutting down.
    #[error("the server is shutting down; try another, or this one again once it is back")]
    ShuttingDown,
    /// A bug of ours.
    #[error("the server failed on this call and has logged why; the store is unharmed")]
    Internal(String),
}

impl From<ViewError> for CallError {
    fn from(error: ViewError) -> Self {
        let text = error.to_string();
        let (field, fault) = match error {
            ViewError::Read(error) | ViewError::AsOf(AsOfError::Read(error)) => return error.into(),
            ViewError::UnknownIdentifier { identifier } => return Self::UnknownIdentifier(identifier),
            ViewError::Schema(error) => return (*error).into(),
            ViewError::AsOf(AsOfError::Ahead { .. }) => ("as_of_sequence", FieldFault::OutOfRange),
            ViewError::Threshold { .. } => ("threshold", FieldFault::OutOfRange),
            ViewError::UnknownSource { .. } => ("without_sources", FieldFault::Malformed),
        };
        FieldError::new(format!("options.{field}"), fault, text).into()
    }
}

impl From<AnswerError> for CallError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Read(error) => error.into(),
            AnswerError::HouseholdScope { .. } => {
                FieldError::new("", FieldFault::HouseholdScope, error.to_string()).into()
            }
            // What is asked about was found in the very view.
            AnswerError::Unknown { .. } => Self::Internal(error.to_string()),
        }
    }
}

impl From<BackupError> for CallError {
    fn from(error: BackupError) -> Self {
        Self::Backup(Box::new(error))
    }
}

impl From<ActError> for CallError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Write(error) => error.into(),
            error => Self::Act(Box::new(error)),
        }
    }
}

impl From<SchemaError> for CallError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Write(error) => error.into(),
            SchemaError::Act(error) => (*error).into(),
            error => Self::Schema(Box::new(error)),
        }
    }
}

impl From<ChangeError> for CallError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Schema(error) => error.into(),
            ChangeError::Assertions(error) => {
                FieldError::new("assertions", FieldFault::Malformed, error.to_string()).into()
            }
            ChangeError::Broken(broken) => Self::Broken(broken),
            ChangeError::Read(error) => error.into(),
        }
    }
}

impl From<QueryError> for CallError {
    fn from(error: QueryError) -> Self {
        Self::Query(Box::new(error))
    }
}

/// What is wrong with a field of a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {message}")]
pub(crate) struct FieldError {
    /// Its path from the request down: `persons[3].identifier.value`.
    pub(crate) field: String,
    /// What kind of thing is wrong.
    pub(crate) fault: FieldFault,
    /// What is wrong and what was expected.
    pub(crate) message: String,
}

/// What kind of thing is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldFault {
    /// It is not set.
    Missing,
    /// It holds more than allowed.
    TooMuch,
    /// A number or a time outside its range.
    OutOfRange,
    /// A text that does not read as what it should be.
    Malformed,
    /// A namespace that the schema does not declare.
    UndeclaredNamespace,
    /// A value that does not satisfy its namespace's rule.
    InvalidValue,
    /// A value that identifies nobody.
    DeniedValue,
    /// A household-scope identifier where a person is asked for.
    HouseholdScope,
}

impl FieldFault {
    /// The stable name, as `UNDECLARED_NAMESPACE`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::TooMuch => "TOO_MUCH",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Malformed => "MALFORMED",
            Self::UndeclaredNamespace => "UNDECLARED_NAMESPACE",
            Self::InvalidValue => "INVALID_VALUE",
            Self::DeniedValue => "DENIED_VALUE",
            Self::HouseholdScope => "HOUSEHOLD_SCOPE",
        }
    }
}

impl FieldError {
    /// What is wrong with `field`.
    pub(crate) fn new(field: impl Into<String>, fault: FieldFault, message: impl Into<String>) -> Self {
        Self { field: field.into(), fault, message: message.into() }
    }

    /// `field` is not set; `expected` says what it should hold.
    pub(crate) fn missing(field: impl Into<String>, expected: &str) -> Self {
        Self::new(field, FieldFault::Missing, format!("not set; expected {expected}"))
    }

    /// The same, seen from the message that holds the erring one as `outer`.
    pub(crate) fn within(mut self, outer: impl fmt::Display) -> Self {
        let inner = std::mem::take(&mut self.field);
        self.field = match inner.as_str() {
            "" => outer.to_string(),
            _ if inner.starts_with('[') => format!("{outer}{inner}"),
            _ => format!("{outer}.{inner}"),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_from_the_inside_out() {
        let error = FieldError::missing("value", "a text").within("identifier").within("persons[3]");
        assert_eq!(error.field, "persons[3].identifier.value");
        assert_eq!(
            FieldError::missing("", "a value").within("[2]").within("parameters").field,
            "parameters[2]"
        );
    }
}
