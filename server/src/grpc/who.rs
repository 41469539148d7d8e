//! Whom a request names: selectors to rows.

use kinfold_engine::model::{
    HouseholdId, HouseholdKey, HouseholdRow, Identifier, IdentifierId, PersonId, PersonRow,
};
use kinfold_engine::read::{Found, Read, ReadError, Whom};

use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::{HouseholdSelector, PersonSelector};

/// What an id or an identifier led to.
pub(crate) struct Redirected<R, I> {
    pub(crate) row: R,
    /// The id that was asked for, if it is not the row's own.
    pub(crate) from: Option<I>,
}

/// Fails if somebody refused the purpose that the view is asked for.
pub(crate) fn consents(read: &impl Read, whom: Whom<'_>) -> Result<(), CallError> {
    match read.refusal(whom)? {
        Some(refusal) => Err(CallError::PurposeRefused(refusal)),
        None => Ok(()),
    }
}

/// The person that a selector names; `at` is the selector's place in the request.
pub(crate) fn find_person(
    read: &impl Read,
    selector: &PersonSelector,
    at: impl std::fmt::Display,
) -> Result<Redirected<PersonRow, PersonId>, CallError> {
    match selector {
        PersonSelector::Id(id) => {
            consents(read, Whom::Person(*id))?;
            person_by_id(read, *id)
        }
        PersonSelector::Identifier(identifier) => {
            consents(read, Whom::Identifier(identifier))?;
            let found = find(read, identifier).map_err(|error| placed(error, &at))?;
            let Some(key) = read.person_of(found)? else {
                let message = "an identifier of household scope belongs to no person; ask for its household \
                               with GetHousehold";
                let error = FieldError::new("identifier.namespace", FieldFault::HouseholdScope, message);
                return Err(error.within(at).into());
            };
            let row = read.person(key)?.ok_or_else(|| missing_row("an identifier's person"))?;
            Ok(Redirected { row, from: None })
        }
    }
}

fn person_by_id(read: &impl Read, id: PersonId) -> Result<Redirected<PersonRow, PersonId>, CallError> {
    match read.person_by_id(id)? {
        Some(row) => Ok(Redirected { from: Some(id).filter(|id| *id != row.id), row }),
        None if read.is_erased(id)? => Err(CallError::ErasedPerson(id.to_string())),
        None => Err(CallError::UnknownPerson(id.to_string())),
    }
}

/// The household that a selector names; `at` is the selector's place in the request.
pub(crate) fn find_household(
    read: &impl Read,
    selector: &HouseholdSelector,
    at: impl std::fmt::Display,
) -> Result<Redirected<HouseholdRow, HouseholdId>, CallError> {
    let key = match selector {
        HouseholdSelector::Id(id) => {
            return match read.household_by_id(*id)? {
                Some(row) => Ok(Redirected { from: Some(*id).filter(|id| *id != row.id), row }),
                None => Err(CallError::UnknownHousehold(id.to_string())),
            };
        }
        HouseholdSelector::Person(id) => {
            consents(read, Whom::Person(*id))?;
            let person = person_by_id(read, *id)?.row;
            person.household.ok_or_else(|| CallError::NoHousehold(format!("person `{}`", person.id)))?
        }
        HouseholdSelector::Identifier(identifier) => {
            consents(read, Whom::Identifier(identifier))?;
            let found = find(read, identifier).map_err(|error| placed(error, &at))?;
            household_of(read, found)?.ok_or_else(|| CallError::NoHousehold(format!("`{identifier}`")))?
        }
    };
    let row = read.household(key)?.ok_or_else(|| missing_row("a member's household"))?;
    Ok(Redirected { row, from: None })
}

/// The household of an identifier of either scope.
fn household_of(read: &impl Read, id: IdentifierId) -> Result<Option<HouseholdKey>, ReadError> {
    match read.person_of(id)? {
        None => read.household_of(id),
        Some(key) => {
            let person = read.person(key)?.ok_or_else(|| missing_row("an identifier's person"))?;
            Ok(person.household)
        }
    }
}

/// The number of an identifier that the request names in the field `at`, of whichever scope.
pub(crate) fn find_identifier(
    read: &impl Read,
    identifier: &Identifier,
    at: &str,
) -> Result<IdentifierId, CallError> {
    consents(read, Whom::Identifier(identifier))?;
    find(read, identifier).map_err(|error| match error {
        CallError::Field(mut error) => {
            // It stands in the request by itself, in no selector.
            error.field = error.field.replacen("identifier", at, 1);
            error.into()
        }
        other => other,
    })
}

/// The same, of person scope.
pub(crate) fn find_member(
    read: &impl Read,
    identifier: &Identifier,
    at: &str,
) -> Result<IdentifierId, CallError> {
    let id = find_identifier(read, identifier, at)?;
    if read.person_of(id)?.is_none() {
        let message = "an identifier of household scope belongs to no person";
        let field = format!("{at}.namespace");
        return Err(FieldError::new(field, FieldFault::HouseholdScope, message).into());
    }
    Ok(id)
}

/// The number of an identifier that the store knows.
fn find(read: &impl Read, identifier: &Identifier) -> Result<IdentifierId, CallError> {
    let field = |name: &str, fault, message: String| {
        Err(CallError::Field(FieldError::new(format!("identifier.{name}"), fault, message)))
    };
    match read.find(identifier)? {
        Found::Known(id) => Ok(id),
        Found::Unknown(normalised) => Err(CallError::UnknownIdentifier(normalised)),
        Found::NoNamespace { suggestion } => {
            let hint = suggestion.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let message = format!("the schema declares no namespace `{}`{hint}", identifier.namespace);
            field("namespace", FieldFault::UndeclaredNamespace, message)
        }
        Found::Denied { rule } => {
            field("value", FieldFault::DeniedValue, format!("the value identifies nobody: denied by {rule}"))
        }
        Found::Invalid { reason } => field("value", FieldFault::InvalidValue, reason),
    }
}

fn placed(error: CallError, at: &impl std::fmt::Display) -> CallError {
    match error {
        CallError::Field(error) => error.within(at).into(),
        other => other,
    }
}

pub(crate) fn missing_row(what: &str) -> ReadError {
    ReadError::Corrupt { table: "persons and households", detail: format!("{what} has no row") }
}
