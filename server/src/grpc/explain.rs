//! `ExplainService`.

use std::cell::RefCell;

use kinfold_engine::StoreView;
use kinfold_engine::answers::{
    self, AnswerError, Assertion, Assertions, AssertionsError, DiffPerson, Way, Why, WhyNot,
};
use kinfold_engine::model::{Event, IdentifierId, PersonId, PersonRow};
use kinfold_engine::read::{Counted, Read, ReadResult};
use kinfold_proto::v1;
use kinfold_proto::v1::explain_service_server::ExplainService;
use prost::Message;
use tonic::{Request, Response, Status};

use super::call::{App, Budget, Cancel};
use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::{self, Reading, View};
use super::page::Page;
use super::to_proto;
use super::who::{Redirected, find_identifier, find_member, find_person};
use crate::audit::Subject;
use crate::auth::Caller;

/// Answers why who is who.
pub(crate) struct Explain(pub(crate) App);

/// How many identifiers a search for a path goes through at most.
const MOST_VISITS: usize = 100_000;

/// How far a network goes that does not say how far, and how far it may go.
const DEPTH: u32 = 2;
const MOST_DEPTH: u32 = 10;

/// How many identifiers a network has that does not say how many, and how many it may have.
const NODES: u32 = 1_000;
const MOST_NODES: u32 = 10_000;

/// How many assertions a call takes.
const MOST_ASSERTIONS: usize = 1_000;

/// What is asked too broadly, and how to ask for less.
const NARROWER: &str = "; ask about less";

/// A view whose rows are counted.
type Reader<'a> = Counted<'a, StoreView, CallError>;

#[tonic::async_trait]
impl ExplainService for Explain {
    async fn why(&self, request: Request<v1::WhyRequest>) -> Result<Response<v1::WhyResponse>, Status> {
        let (metadata, extensions, v1::WhyRequest { a, b, options }) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = self.between(&caller, a, b, options, why);
        self.0.unary(&metadata, NARROWER, work).await
    }

    async fn why_not(
        &self,
        request: Request<v1::WhyNotRequest>,
    ) -> Result<Response<v1::WhyNotResponse>, Status> {
        let (metadata, extensions, v1::WhyNotRequest { a, b, options }) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = self.between(&caller, a, b, options, why_not);
        self.0.unary(&metadata, NARROWER, work).await
    }

    async fn how(&self, request: Request<v1::HowRequest>) -> Result<Response<v1::HowResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = async {
            let same = v1::HowRequest { page_size: 0, page_token: String::new(), ..request.clone() };
            let page = Page::of(request.page_size, &request.page_token, &same)?;
            let find = |read: &Reader<'_>, id| answers::how(read, id);
            let told = self.trail(&caller, page, request.person, request.options, find).await?;
            let Trail { person_id, events, next_page_token, sequence } = told;
            Ok(v1::HowResponse { person_id, events, next_page_token, sequence })
        };
        self.0.unary(&metadata, NARROWER, work).await
    }

    async fn what_if(
        &self,
        request: Request<v1::WhatIfRequest>,
    ) -> Result<Response<v1::WhatIfResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = async {
            let identifier = from_proto::identifier_in(request.identifier, "identifier")?;
            caller.note.about(Subject::Identifier(identifier.clone()));
            let mut reading = from_proto::reading(request.options, &caller)?;
            reading.view.without_links = from_proto::without_links(request.without_links)?;
            self.answer("the comparison", reading, move |read| {
                // It may be in one of the two views alone.
                let id = find_member(read.now(), &identifier, "identifier");
                let id = id.or_else(|_| find_member(read, &identifier, "identifier"))?;
                what_if(read, id)
            })
            .await
        };
        self.0.unary(&metadata, NARROWER, work).await
    }

    async fn history(
        &self,
        request: Request<v1::HistoryRequest>,
    ) -> Result<Response<v1::HistoryResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = async {
            let same = v1::HistoryRequest { page_size: 0, page_token: String::new(), ..request.clone() };
            let page = Page::of(request.page_size, &request.page_token, &same)?;
            let find = |read: &Reader<'_>, id| answers::history(read, id);
            let told = self.trail(&caller, page, request.person, request.options, find).await?;
            let Trail { person_id, events, next_page_token, sequence } = told;
            Ok(v1::HistoryResponse { person_id, events, next_page_token, sequence })
        };
        self.0.unary(&metadata, NARROWER, work).await
    }

    async fn network(
        &self,
        request: Request<v1::NetworkRequest>,
    ) -> Result<Response<v1::NetworkResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = async {
            let identifier = from_proto::identifier_in(request.identifier, "identifier")?;
            caller.note.about(Subject::Identifier(identifier.clone()));
            let depth = bounded(request.depth, "depth", DEPTH, MOST_DEPTH)?;
            let most = bounded(request.max_identifiers, "max_identifiers", NODES, MOST_NODES)?;
            let reading = from_proto::reading(request.options, &caller)?;
            self.answer("the network", reading, move |read| {
                let id = find_identifier(read, &identifier, "identifier")?;
                let network = told(read, answers::network(read, id, depth, most as usize))?;
                told(read, to_proto::network(read, &network))
            })
            .await
        };
        self.0.unary(&metadata, "; ask for a smaller depth", work).await
    }

    async fn assert(
        &self,
        request: Request<v1::AssertRequest>,
    ) -> Result<Response<v1::AssertResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        let work = async {
            let malformed = |error: AssertionsError| {
                FieldError::new("assertions", FieldFault::Malformed, error.to_string())
            };
            let assertions = Assertions::parse(&request.assertions, "assertions").map_err(malformed)?;
            if assertions.len() > MOST_ASSERTIONS {
                let message = format!("{} assertions; at most {MOST_ASSERTIONS} are taken", assertions.len());
                return Err(FieldError::new("assertions", FieldFault::TooMuch, message).into());
            }
            for Assertion { a, b, .. } in assertions.iter() {
                caller.note.about(Subject::Identifier(a.clone()));
                caller.note.about(Subject::Identifier(b.clone()));
            }
            let reading = from_proto::reading(request.options, &caller)?;
            self.answer("the answer", reading, move |read| {
                let verdicts = told(read, assertions.check(read))?;
                let verdicts = verdicts.iter().map(to_proto::verdict).collect();
                Ok(v1::AssertResponse { verdicts, sequence: read.seq().get() })
            })
            .await
        };
        self.0.unary(&metadata, "; ask about fewer at once", work).await
    }
}

/// Some of the events that concern a person.
struct Trail {
    person_id: String,
    events: Vec<v1::Event>,
    next_page_token: String,
    sequence: u64,
}

impl Explain {
    /// Works an answer out, off the threads that serve connections and within the limits of a query.
    async fn answer<M: Message + 'static>(
        &self,
        what: &'static str,
        reading: Reading,
        work: impl FnOnce(&Reader<'_>) -> Result<M, CallError> + Send + 'static,
    ) -> Result<M, CallError> {
        let (app, most) = (self.0.clone(), self.0.config().query.max_expansions);
        self.0.read(reading, move |view, cancel| app.fits(what, counted(view, cancel, most, work)?)).await
    }

    /// What `find` says of two identifiers.
    async fn between<M: Message + 'static>(
        &self,
        caller: &Caller,
        a: Option<v1::Identifier>,
        b: Option<v1::Identifier>,
        options: Option<v1::ReadOptions>,
        find: fn(&Reader<'_>, IdentifierId, IdentifierId) -> Result<M, CallError>,
    ) -> Result<M, CallError> {
        let (a, b) = from_proto::pair(a, b)?;
        caller.note.about(Subject::Identifier(a.clone()));
        caller.note.about(Subject::Identifier(b.clone()));
        let reading = from_proto::reading(options, caller)?;
        self.answer("the path", reading, move |read| {
            let (a, b) = (find_member(read, &a, "a")?, find_member(read, &b, "b")?);
            find(read, a, b)
        })
        .await
    }

    /// A page of the events that `find` gives of a person.
    async fn trail(
        &self,
        caller: &Caller,
        page: Page,
        person: Option<v1::PersonSelector>,
        options: Option<v1::ReadOptions>,
        find: impl FnOnce(&Reader<'_>, PersonId) -> ReadResult<Vec<Event>> + Send + 'static,
    ) -> Result<Trail, CallError> {
        let selector = from_proto::person_in(person, "person")?;
        caller.note.about((&selector).into());
        let mut reading = from_proto::reading(options, caller)?;
        page.pin(&mut reading);
        let (most, most_bytes) = (self.0.config().query.max_expansions, self.0.config().max_send_bytes);
        self.0
            .read(reading, move |view, cancel| {
                counted(view, cancel, most, |read| {
                    let Redirected { row, from } = find_person(read, &selector, "person")?;
                    let id = from.unwrap_or(row.id);
                    let all = told(read, find(read, id))?;
                    let start = usize::try_from(page.next).unwrap_or(usize::MAX).min(all.len());
                    let mut events = Vec::new();
                    let mut bytes = 0;
                    for event in all.iter().skip(start).take(page.size) {
                        let mut event = told(read, to_proto::event(read, event, View::Full))?;
                        // Beside it stand its tag and length, the ids and the token.
                        let room = most_bytes.saturating_sub(256);
                        to_proto::abridge(&mut event, room);
                        bytes += event.encoded_len() + 6;
                        if bytes > room && !events.is_empty() {
                            break;
                        }
                        events.push(event);
                    }
                    let next = Some(start + events.len()).filter(|next| *next < all.len());
                    let sequence = read.seq().get();
                    Ok(Trail {
                        person_id: id.to_string(),
                        events,
                        next_page_token: page.token(sequence, next.map(|next| next as u64)),
                        sequence,
                    })
                })
            })
            .await
    }
}

/// Works with a reader that may read as many rows as `most`.
fn counted<T>(
    view: &StoreView,
    cancel: &Cancel,
    most: u64,
    work: impl FnOnce(&Reader<'_>) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let budget = Budget::new(cancel, most);
    let read = Counted::new(view, || budget.spend());
    let outcome = work(&read);
    // Where a limit was met, that is why it failed.
    match (outcome, read.met()) {
        (Err(_), Some(met)) => Err(met),
        (outcome, _) => outcome,
    }
}

/// What an answer over a counted reader came to.
fn told<T, E: Into<AnswerError>>(read: &Reader<'_>, answer: Result<T, E>) -> Result<T, CallError> {
    answer.map_err(|error| read.met().unwrap_or_else(|| error.into().into()))
}

fn bounded(given: u32, name: &'static str, usual: u32, most: u32) -> Result<u32, FieldError> {
    match given {
        0 => Ok(usual),
        given if given > most => {
            let message = format!("{given}; at most {most}");
            Err(FieldError::new(name, FieldFault::OutOfRange, message))
        }
        given => Ok(given),
    }
}

fn brief(read: &impl Read, row: &PersonRow) -> ReadResult<Option<v1::Person>> {
    to_proto::person(read, row, None, View::Ids).map(Some)
}

fn why(read: &Reader<'_>, a: IdentifierId, b: IdentifierId) -> Result<v1::WhyResponse, CallError> {
    let answer = told(read, answers::why(read, a, b))?;
    let wire = || {
        let mut wire = v1::WhyResponse { sequence: read.seq().get(), ..v1::WhyResponse::default() };
        match &answer {
            Why::SameIdentifier(person) => {
                wire.one_person = true;
                wire.person_a = brief(read, person)?;
                wire.person_b.clone_from(&wire.person_a);
            }
            Why::OnePerson(together) => {
                wire.one_person = true;
                wire.person_a = brief(read, &together.person)?;
                wire.person_b.clone_from(&wire.person_a);
                wire.path = steps(read, &together.path)?;
                wire.bridges = steps(read, &together.bridges)?;
                wire.parting = Some(to_proto::parting(read, &together.parting)?);
            }
            Why::TwoPersons { a, b } => {
                wire.person_a = brief(read, a)?;
                wire.person_b = brief(read, b)?;
            }
        }
        Ok(wire)
    };
    let wire: ReadResult<_> = wire();
    told(read, wire)
}

fn steps(read: &impl Read, steps: &[answers::Step]) -> ReadResult<Vec<v1::Step>> {
    steps.iter().map(|step| to_proto::step(read, step)).collect()
}

fn why_not(read: &Reader<'_>, a: IdentifierId, b: IdentifierId) -> Result<v1::WhyNotResponse, CallError> {
    let answer = told(read, answers::why_not(read, a, b, MOST_VISITS))?;
    let wire = || {
        let mut wire = v1::WhyNotResponse { sequence: read.seq().get(), ..v1::WhyNotResponse::default() };
        match &answer {
            WhyNot::OnePerson(person) => {
                wire.person_a = brief(read, person)?;
                wire.person_b.clone_from(&wire.person_a);
            }
            WhyNot::TwoPersons(apart) => {
                wire.two_persons = true;
                wire.person_a = brief(read, &apart.a)?;
                wire.person_b = brief(read, &apart.b)?;
                let outcome = match &apart.way {
                    Way::Path(path) => {
                        let path = path.iter().map(|step| to_proto::stopped_step(read, step));
                        wire.path = path.collect::<ReadResult<_>>()?;
                        v1::PathOutcome::Found
                    }
                    Way::NoPath { visited } => {
                        wire.visited = *visited as u64;
                        v1::PathOutcome::None
                    }
                    Way::NotFound { visited } => {
                        wire.visited = *visited as u64;
                        v1::PathOutcome::NotFound
                    }
                };
                wire.outcome = outcome.into();
                let forbids = apart.forbids.iter().map(|it| to_proto::forbid(read, it));
                wire.forbids = forbids.collect::<ReadResult<_>>()?;
            }
        }
        Ok(wire)
    };
    let wire: ReadResult<_> = wire();
    told(read, wire)
}

fn what_if(read: &Reader<'_>, id: IdentifierId) -> Result<v1::WhatIfResponse, CallError> {
    // Seen from the store as it is, the view is what comes of it.
    let diff = told(read, answers::diff(read, read.now(), id))?;
    // An identifier that was forgotten since has its name in the view alone.
    let names = RefCell::new(std::collections::BTreeMap::new());
    let named = |id: IdentifierId| -> ReadResult<v1::Identifier> {
        if let Some(known) = names.borrow().get(&id) {
            return Ok(v1::Identifier::clone(known));
        }
        let name = match answers::name_of(read.now(), id)? {
            Some(name) => Some(name),
            None => answers::name_of(read, id)?,
        };
        let name = name.map(|it| v1::Identifier { namespace: it.namespace, value: it.value });
        let name = name.unwrap_or_default();
        names.borrow_mut().insert(id, name.clone());
        Ok(name)
    };
    let id_of = |persons: &[DiffPerson], at: Option<usize>| {
        at.and_then(|at| persons.get(at)).map(|it| it.person.id.to_string()).unwrap_or_default()
    };
    let wire = || -> ReadResult<v1::WhatIfResponse> {
        let shares = diff.shares.iter().map(|share| {
            Ok(v1::WhatIfShare {
                now_person_id: id_of(&diff.then, share.then),
                view_person_id: id_of(&diff.now, share.now),
                identifiers: share.identifiers.iter().map(|id| named(*id)).collect::<ReadResult<_>>()?,
            })
        });
        let shares = shares.collect::<ReadResult<_>>()?;
        let now = diff.then.iter().map(|it| to_proto::person(read.now(), &it.person, None, View::Ids));
        let view = diff.now.iter().map(|it| to_proto::person(read, &it.person, None, View::Ids));
        Ok(v1::WhatIfResponse {
            difference: to_proto::difference(diff.kind()).into(),
            now: now.collect::<ReadResult<_>>()?,
            view: view.collect::<ReadResult<_>>()?,
            shares,
            sequence: read.seq().get(),
        })
    };
    told(read, wire())
}
