//! `LookupService`.

use kinfold_engine::model::IdentifierId;
use kinfold_engine::profile::profile;
use kinfold_engine::read::{self, Read, Whom};
use kinfold_proto::v1;
use kinfold_proto::v1::lookup_service_server::LookupService;
use prost::Message;
use tonic::{Request, Response, Status};

use super::call::App;
use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::{self, PersonSelector, View};
use super::page::Page;
use super::who::{Redirected, consents, find_household, find_person, missing_row};
use super::{status, to_proto};
use crate::audit::Subject;
use crate::auth::Caller;

/// The identifiers of persons with no more of them are named without a change of threads.
const AT_ONCE: u32 = 48;

/// Answers who is who.
pub(crate) struct Lookup(pub(crate) App);

#[tonic::async_trait]
impl LookupService for Lookup {
    async fn resolve_person(
        &self,
        request: Request<v1::ResolvePersonRequest>,
    ) -> Result<Response<v1::ResolvePersonResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, "", async {
                let shown = from_proto::view(request.view, View::Ids)?;
                let selector = from_proto::person_in(request.person, "person")?;
                caller.note.about((&selector).into());
                let reading = from_proto::reading(request.options, &caller)?;
                let at_once = match shown {
                    View::Full => None,
                    View::Ids | View::Identifiers if reading.is_plain() => {
                        let read = self.0.snapshot(reading.at_least).await?;
                        let found = find_person(&read, &selector, "person")?;
                        let few = shown == View::Ids || found.row.size <= AT_ONCE;
                        few.then_some((read, found))
                    }
                    View::Ids | View::Identifiers => None,
                };
                let (person, sequence) = if let Some((read, Redirected { row, from })) = at_once {
                    // A handful of point reads: a change of threads would take longer.
                    (to_proto::person(&read, &row, from, shown).map_err(CallError::from)?, read.seq())
                } else {
                    let work = move |read: &_, _: &_| {
                        Ok((resolve(read, &selector, shown, "person")?, Read::seq(read)))
                    };
                    self.0.read(reading, work).await?
                };
                let sequence = sequence.get();
                caller.note.about(Subject::Id(person.person_id.clone()));
                self.0.fits("the person", v1::ResolvePersonResponse { person: Some(person), sequence })
            })
            .await
    }

    async fn batch_resolve_persons(
        &self,
        request: Request<v1::BatchResolvePersonsRequest>,
    ) -> Result<Response<v1::BatchResolvePersonsResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, "; ask for fewer persons at once", async {
                let shown = from_proto::view(request.view, View::Ids)?;
                let selectors = from_proto::person_selectors(request.persons)?;
                for selector in selectors.iter().flatten() {
                    caller.note.about(selector.into());
                }
                let reading = from_proto::reading(request.options, &caller)?;
                let most = self.0.config().max_send_bytes;
                self.0
                    .read(reading, move |read, cancel| {
                        let mut results = Vec::with_capacity(selectors.len());
                        let mut bytes = 0;
                        for (index, selector) in selectors.into_iter().enumerate() {
                            cancel.check()?;
                            let found = selector.map_err(CallError::from).and_then(|selector| {
                                resolve(read, &selector, shown, format_args!("persons[{index}]"))
                            });
                            let result = person_result(found)?;
                            // A tag and a length of up to five bytes stand before each.
                            bytes += result.encoded_len() + 6;
                            if bytes > most {
                                let what = "the batch's answer";
                                return Err(CallError::TooLargeToSend { what, bytes, most });
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
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, "", async {
                let shown = from_proto::view(request.view, View::Full)?;
                let selector = from_proto::person_in(request.person, "person")?;
                caller.note.about((&selector).into());
                let reading = from_proto::reading(request.options, &caller)?;
                let (profile, sequence) = self
                    .0
                    .read(reading, move |read, _| {
                        let person = find_person(read, &selector, "person")?;
                        let profile = profile(read, person.row.key)?
                            .ok_or_else(|| missing_row("a person that was just found"))?;
                        Ok((to_proto::profile(read, &profile, person.from, shown)?, read.seq().get()))
                    })
                    .await?;
                caller
                    .note
                    .about(Subject::Id(profile.person.iter().map(|it| it.person_id.as_str()).collect()));
                self.0.fits("the profile", v1::GetProfileResponse { profile: Some(profile), sequence })
            })
            .await
    }

    async fn get_household(
        &self,
        request: Request<v1::GetHouseholdRequest>,
    ) -> Result<Response<v1::GetHouseholdResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, "", async {
                let shown = from_proto::view(request.view, View::Ids)?;
                let selector = from_proto::household_selector(request.household)
                    .map_err(|error| error.within("household"))?;
                caller.note.about((&selector).into());
                let reading = from_proto::reading(request.options, &caller)?;
                let (household, sequence) = self
                    .0
                    .read(reading, move |read, _| {
                        let Redirected { row, from } = find_household(read, &selector, "household")?;
                        Ok((to_proto::household(read, &row, from, shown)?, read.seq().get()))
                    })
                    .await?;
                caller.note.about(Subject::Id(household.household_id.clone()));
                self.0
                    .fits("the household", v1::GetHouseholdResponse { household: Some(household), sequence })
            })
            .await
    }

    async fn list_identifiers(
        &self,
        request: Request<v1::ListIdentifiersRequest>,
    ) -> Result<Response<v1::ListIdentifiersResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, "; ask for a smaller page", async {
                let same =
                    v1::ListIdentifiersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
                let page = Page::of(request.page_size, &request.page_token, &same)?;
                let selector = from_proto::person_in(request.person, "person")?;
                caller.note.about((&selector).into());
                let mut reading = from_proto::reading(request.options, &caller)?;
                page.pin(&mut reading);
                let namespace = request.namespace;
                let answer = self.0.read(reading, move |read, cancel| {
                    let person = find_person(read, &selector, "person")?.row;
                    let namespace = match namespace.as_str() {
                        "" => None,
                        name => Some(read.names().namespace(name).ok_or_else(|| unknown_namespace(name))?),
                    };
                    let mut ids = Vec::new();
                    for member in read.members(person.key) {
                        let member = member?;
                        if namespace.is_none_or(|wanted| wanted == member.namespace)
                            && u64::from(member.id.get()) >= page.next
                        {
                            ids.push(member.id);
                        }
                    }
                    ids.sort_unstable();
                    let next = ids.get(page.size).map(|id| u64::from(id.get()));
                    ids.truncate(page.size);
                    let mut identifiers = Vec::with_capacity(ids.len());
                    for id in ids {
                        cancel.check()?;
                        identifiers.push(identifier(read, id)?);
                    }
                    let sequence = read.seq().get();
                    Ok(v1::ListIdentifiersResponse {
                        person_id: person.id.to_string(),
                        identifiers,
                        next_page_token: page.token(sequence, next),
                        sequence,
                    })
                });
                self.0.fits("the page", answer.await?)
            })
            .await
    }
}

fn identifier(read: &impl Read, id: IdentifierId) -> Result<v1::PersonIdentifier, CallError> {
    let record = read.identifier(id)?.ok_or_else(|| missing_row("a person's identifier"))?;
    Ok(to_proto::person_identifier(read, record))
}

fn unknown_namespace(name: &str) -> CallError {
    let message = format!("no namespace `{name}` in this store");
    FieldError::new("namespace", FieldFault::UndeclaredNamespace, message).into()
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
            | CallError::ErasedPerson(_)
            | CallError::UnknownHousehold(_)
            | CallError::NoHousehold(_)
            | CallError::PurposeRefused(_)),
        ) => Outcome::Error(status::lookup_error(&error)),
        Err(
            error @ (CallError::NotYet { .. }
            | CallError::Limit { .. }
            | CallError::Unauthenticated(_)
            | CallError::NotAllowed { .. }
            | CallError::Overloaded { .. }
            | CallError::NoBackups
            | CallError::NoAudit
            | CallError::Audit(_)
            | CallError::Backup(_)
            | CallError::Read(_)
            | CallError::Write(_)
            | CallError::Act(_)
            | CallError::ActRedacted(_)
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
    shown: View,
    at: impl std::fmt::Display,
) -> Result<v1::Person, CallError> {
    if let (View::Identifiers, PersonSelector::Identifier(identifier)) = (shown, selector) {
        // One way leads to the person and all its names; what it does not find is told below.
        consents(read, Whom::Identifier(identifier))?;
        if let read::Lookup::Person { person, members, .. } = read.lookup(identifier)? {
            return Ok(to_proto::person_of(read, &person, None, members, shown)?);
        }
    }
    let Redirected { row, from } = find_person(read, selector, at)?;
    Ok(to_proto::person(read, &row, from, shown)?)
}
