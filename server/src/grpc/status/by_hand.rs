//! What clients see of acts and schemas that are refused.

use kinfold_engine::write::{ActError, SchemaError, WriteError};
use tonic::Code;

use super::{write_code, write_reason};

/// What is at fault where something done by hand is refused, with the stable name of the reason.
pub(super) enum Hand<'a> {
    /// A field of the request.
    Field { field: Option<&'static str>, reason: &'static str },
    /// It names what the store does not have.
    Unknown(&'static str),
    /// It contradicts what stands.
    Stands(&'static str),
    /// The write failed.
    Write(&'a WriteError),
}

pub(super) fn hand(error: &ActError) -> Hand<'_> {
    match error {
        ActError::Author { field, .. } => Hand::Field { field: Some(field), reason: "AUTHOR_INVALID" },
        // Which field it stands in is known where the request is read.
        ActError::Identifier { .. } => Hand::Field { field: None, reason: "INVALID_VALUE" },
        ActError::HowMany { .. } => {
            Hand::Field { field: Some("identifiers.identifiers"), reason: "OUT_OF_RANGE" }
        }
        ActError::OneIdentifier => Hand::Field { field: Some("b"), reason: "ONE_IDENTIFIER" },
        ActError::Unknown { .. } => Hand::Unknown("IDENTIFIER_UNKNOWN"),
        ActError::Forgotten { .. } => Hand::Unknown("IDENTIFIER_FORGOTTEN"),
        ActError::NotForgotten { .. } => Hand::Unknown("IDENTIFIER_NOT_FORGOTTEN"),
        ActError::UnknownPerson { .. } => Hand::Unknown("PERSON_UNKNOWN"),
        ActError::ErasedPerson { .. } => Hand::Unknown("PERSON_ERASED"),
        ActError::UnknownSource { .. } => Hand::Unknown("SOURCE_UNKNOWN"),
        ActError::NothingStands { .. } => Hand::Unknown("OVERRIDE_UNKNOWN"),
        ActError::NeverSaid { .. } => Hand::Unknown("LINK_UNKNOWN"),
        ActError::NoRecord { .. } => Hand::Unknown("RECORD_UNKNOWN"),
        ActError::Stands { .. } => Hand::Stands("OVERRIDE_STANDS"),
        ActError::RequiredTogether { .. } => Hand::Stands("REQUIRED_TOGETHER"),
        ActError::ForbiddenInside { .. } => Hand::Stands("FORBIDDEN_INSIDE"),
        ActError::Limit { .. } => Hand::Stands("LIMIT_BROKEN"),
        ActError::Write(error) => Hand::Write(error),
    }
}

/// What is at fault where a schema is refused.
pub(super) enum Change<'a> {
    /// Its text.
    Text,
    /// It does not fit what is stored.
    Unfit,
    /// Who changes it, or why.
    Act(&'a ActError),
    /// The write failed.
    Write(&'a WriteError),
}

pub(super) fn change(error: &SchemaError) -> Change<'_> {
    match error {
        SchemaError::Parse(_) => Change::Text,
        SchemaError::Normalisation { .. }
        | SchemaError::Scope { .. }
        | SchemaError::Dropped { .. }
        | SchemaError::Full(_) => Change::Unfit,
        SchemaError::Act(error) => Change::Act(error),
        SchemaError::Write(error) => Change::Write(error),
    }
}

/// The canonical code.
pub(super) fn act_code(error: &ActError) -> Code {
    match hand(error) {
        Hand::Field { .. } => Code::InvalidArgument,
        Hand::Unknown(_) => Code::NotFound,
        Hand::Stands(_) => Code::FailedPrecondition,
        Hand::Write(error) => write_code(error),
    }
}

/// The stable name of the reason.
pub(super) fn act_reason(error: &ActError) -> &'static str {
    match hand(error) {
        Hand::Field { reason, .. } | Hand::Unknown(reason) | Hand::Stands(reason) => reason,
        Hand::Write(error) => write_reason(error),
    }
}

/// The field of the request at fault, if it is one.
pub(super) fn act_field(error: &ActError) -> Option<&'static str> {
    match hand(error) {
        Hand::Field { field, .. } => field,
        Hand::Unknown(_) | Hand::Stands(_) | Hand::Write(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use kinfold_engine::model::Identifier;

    use super::*;

    #[test]
    fn refusals_are_of_three_kinds() {
        let (a, b) = (Identifier::new("email", "a@x.de"), Identifier::new("email", "b@x.de"));
        for (error, code, reason, field) in [
            (ActError::OneIdentifier, Code::InvalidArgument, "ONE_IDENTIFIER", Some("b")),
            (
                ActError::Author { field: "reason", what: "is empty".into() },
                Code::InvalidArgument,
                "AUTHOR_INVALID",
                Some("reason"),
            ),
            (ActError::Unknown { identifier: a.clone() }, Code::NotFound, "IDENTIFIER_UNKNOWN", None),
            (
                ActError::NothingStands { a: a.clone(), b: b.clone() },
                Code::NotFound,
                "OVERRIDE_UNKNOWN",
                None,
            ),
            (ActError::ForbiddenInside { a, b }, Code::FailedPrecondition, "FORBIDDEN_INSIDE", None),
            (ActError::Write(WriteError::Closed), Code::Unavailable, "STORE_CLOSED", None),
        ] {
            assert_eq!(
                (act_code(&error), act_reason(&error), act_field(&error)),
                (code, reason, field),
                "{error}"
            );
        }
    }
}
