//! `LookupService`.

use kinfold_engine::model::{
    HouseholdId, HouseholdKey, HouseholdRow, Identifier, IdentifierId, PersonId, PersonRow,
};
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Found, Read, ReadError};
use kinfold_proto::v1;
use kinfold_proto::v1::lookup_service_server::LookupService;
use prost::Message;
use tonic::{Request, Response, Status};

use super::call::App;
use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::{self, HouseholdSelector, PersonSelector, View};
use super::{status, to_proto};

/// Answers who is who.
pub(crate) struct Lookup(pub(crate) App);

/// What an id or an identifier led to.
struct Redirected<R, I> {
    row: R,
    /// The id that was asked for, if it is not the row's own.
    from: Option<I>,
}

#[tonic::async_trait]
impl LookupService for Lookup {
    async fn resolve_person(
        &self,
        request: Request<v1::ResolvePersonRequest>,
    ) -> Result<Response<v1::ResolvePersonResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                let view = from_proto::view(request.view, View::Ids)?;
                let selector =
                    from_proto::person_selector(request.person).map_err(|error| error.within("person"))?;
                let read = self.0.snapshot(from_proto::at_least(request.options)).await?;
                let sequence = read.seq().get();
                let person = match view {
                    // A handful of point reads: a change of threads would take longer.
                    View::Ids => resolve(&read, &selector, view, "person")?,
                    View::Full => self.0.lookup(move |_| resolve(&read, &selector, view, "person")).await?,
                };
                self.fits("the person", v1::ResolvePersonResponse { person: Some(person), sequence })
            })
            .await
    }

    async fn batch_resolve_persons(
        &self,
        request: Request<v1::BatchResolvePersonsRequest>,
    ) -> Result<Response<v1::BatchResolvePersonsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "; ask for fewer persons at once", async {
                let view = from_proto::view(request.view, View::Ids)?;
                let selectors = from_proto::person_selectors(request.persons)?;
                let read = self.0.snapshot(from_proto::at_least(request.options)).await?;
                let most = self.0.config().max_send_bytes;
                self.0
                    .lookup(move |cancel| {
                        let mut results = Vec::with_capacity(selectors.len());
                        let mut bytes = 0;
                        for (index, selector) in selectors.into_iter().enumerate() {
                            cancel.check()?;
                            let found = selector.map_err(CallError::from).and_then(|selector| {
                                resolve(&read, &selector, view, format_args!("persons[{index}]"))
                            });
                            let result = person_result(found)?;
                            // A tag and a length of up to five bytes stand before each.
                            bytes += result.encoded_len() + 6;
                            if bytes > most {
                                return Err(too_large("the batch's answer", bytes, most));
                            }
                            results.push(result);
                        }
                        Ok(v1::BatchResolvePersonsResponse { results, sequence: read.seq().get() })
                    })
                    .await
            })
            .await
    }

    async fn get_profile(
        &self,
        request: Request<v1::GetProfileRequest>,
    ) -> Result<Response<v1::GetProfileResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                let view = from_proto::view(request.view, View::Full)?;
                let selector =
                    from_proto::person_selector(request.person).map_err(|error| error.within("person"))?;
                let read = self.0.snapshot(from_proto::at_least(request.options)).await?;
                let sequence = read.seq().get();
                let profile = self
                    .0
                    .lookup(move |_| {
                        let person = find_person(&read, &selector, "person")?;
                        let profile = profile(&read, person.row.key)?
                            .ok_or_else(|| missing_row("a person that was just found"))?;
                        Ok(to_proto::profile(&read, &profile, person.from, view)?)
                    })
                    .await?;
                self.fits("the profile", v1::GetProfileResponse { profile: Some(profile), sequence })
            })
            .await
    }

    async fn get_household(
        &self,
        request: Request<v1::GetHouseholdRequest>,
    ) -> Result<Response<v1::GetHouseholdResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                let view = from_proto::view(request.view, View::Ids)?;
                let selector = from_proto::household_selector(request.household)
                    .map_err(|error| error.within("household"))?;
                let read = self.0.snapshot(from_proto::at_least(request.options)).await?;
                let sequence = read.seq().get();
                let household = self
                    .0
                    .lookup(move |_| {
                        let Redirected { row, from } = find_household(&read, &selector, "household")?;
                        Ok(to_proto::household(&read, &row, from, view)?)
                    })
                    .await?;
                self.fits("the household", v1::GetHouseholdResponse { household: Some(household), sequence })
            })
            .await
    }
}

impl Lookup {
    /// Refuses an answer that the transport would not send.
    fn fits<M: Message>(&self, what: &'static str, answer: M) -> Result<M, CallError> {
        let (bytes, most) = (answer.encoded_len(), self.0.config().max_send_bytes);
        if bytes > most { Err(too_large(what, bytes, most)) } else { Ok(answer) }
    }
}

fn too_large(what: &'static str, bytes: usize, most: usize) -> CallError {
    CallError::TooLargeToSend { what, bytes, most }
}

/// One lookup's result in a batch: its own errors are its answer, the store's are the call's.
fn person_result(found: Result<v1::Person, CallError>) -> Result<v1::PersonResult, CallError> {
    use v1::person_result::Outcome;
    let outcome = match found {
        Ok(person) => Outcome::Person(person),
        Err(
            error @ (CallError::Field(_)
            | CallError::UnknownIdentifier(_)
            | CallError::UnknownPerson(_)
            | CallError::UnknownHousehold(_)
            | CallError::NoHousehold(_)),
        ) => Outcome::Error(status::lookup_error(&error)),
        Err(
            error @ (CallError::NotYet { .. }
            | CallError::Read(_)
            | CallError::Write(_)
            | CallError::Act(_)
            | CallError::Schema(_)
            | CallError::Broken(_)
            | CallError::Query(_)
            | CallError::TooLargeToSend { .. }
            | CallError::TooDeepToSend { .. }
            | CallError::Deadline { .. }
            | CallError::Cancelled
            | CallError::ShuttingDown
            | CallError::Internal(_)),
        ) => return Err(error),
    };
    Ok(v1::PersonResult { outcome: Some(outcome) })
}

fn resolve(
    read: &impl Read,
    selector: &PersonSelector,
    view: View,
    at: impl std::fmt::Display,
) -> Result<v1::Person, CallError> {
    let Redirected { row, from } = find_person(read, selector, at)?;
    Ok(to_proto::person(read, &row, from, view)?)
}

/// The person that a selector names; `at` is the selector's place in the request.
fn find_person(
    read: &impl Read,
    selector: &PersonSelector,
    at: impl std::fmt::Display,
) -> Result<Redirected<PersonRow, PersonId>, CallError> {
    match selector {
        PersonSelector::Id(id) => person_by_id(read, *id),
        PersonSelector::Identifier(identifier) => {
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
        None => Err(CallError::UnknownPerson(id.to_string())),
    }
}

/// The household that a selector names; `at` is the selector's place in the request.
fn find_household(
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
            let person = person_by_id(read, *id)?.row;
            person.household.ok_or_else(|| CallError::NoHousehold(format!("person `{}`", person.id)))?
        }
        HouseholdSelector::Identifier(identifier) => {
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

fn missing_row(what: &str) -> ReadError {
    ReadError::Corrupt { table: "persons and households", detail: format!("{what} has no row") }
}
