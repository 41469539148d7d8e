//! `AdminService`.

use kinfold_engine::answers::{self, Step};
use kinfold_engine::model::Seq;
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Read, ReadError};
use kinfold_engine::write::Authored;
use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_server::AdminService;
use kinfold_proto::v1::audit_request::Subject as Wire;
use kinfold_proto::v1::export_person_response::Part;
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::call::{App, Deadline};
use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::{self, PersonSelector, View};
use super::page::Page;
use super::status::status;
use super::to_proto;
use super::who::{Redirected, find_person, missing_row};
use crate::audit::{self, Subject};
use crate::auth::Caller;
use crate::schema_change::{ChangeError, Named, SchemaChange};

/// Looks after the store.
pub(crate) struct Admin(pub(crate) App);

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_stats(
        &self,
        request: Request<v1::GetStatsRequest>,
    ) -> Result<Response<v1::GetStatsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                self.0.snapshot(at_least(request.options)).await?;
                let store = self.0.store().clone();
                self.0.lookup(move |_| Ok(to_proto::stats(store.stats()?))).await
            })
            .await
    }

    async fn get_schema(
        &self,
        request: Request<v1::GetSchemaRequest>,
    ) -> Result<Response<v1::GetSchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0
            .unary(&metadata, "", async {
                let read = self.0.snapshot(at_least(request.options)).await?;
                let schema = read.schema().text().to_owned();
                Ok(v1::GetSchemaResponse { schema, sequence: read.seq().get() })
            })
            .await
    }

    async fn plan_schema(
        &self,
        request: Request<v1::PlanSchemaRequest>,
    ) -> Result<Response<v1::PlanSchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let most = self.0.config().max_send_bytes;
        let store = self.0.store().clone();
        let work =
            self.0.lookup(move |_| Ok(change(&request.schema, &request.assertions)?.plan(&store, most)?));
        self.0.long(&metadata, "", work).await
    }

    async fn apply_schema(
        &self,
        request: Request<v1::ApplySchemaRequest>,
    ) -> Result<Response<v1::ApplySchemaResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let most = self.0.config().max_send_bytes;
        let work = self.0.change(move |store| {
            let by = Authored { author: request.author, reason: request.reason };
            Ok(change(&request.schema, &request.assertions)?.apply(store, by, request.go_on, most)?)
        });
        self.0.long(&metadata, MAYBE_APPLIED, work).await
    }

    async fn rebuild(
        &self,
        request: Request<v1::RebuildRequest>,
    ) -> Result<Response<v1::RebuildResponse>, Status> {
        let (metadata, _, v1::RebuildRequest {}) = request.into_parts();
        let most = self.0.config().max_send_bytes;
        let work = async {
            // It holds much of the store in memory.
            let place = self.0.check_place()?;
            self.0
                .change(move |store| {
                    let _place = place;
                    let plan = store.rebuild()?;
                    let plan = to_proto::schema_plan(&store.snapshot(), &plan, most)?;
                    Ok(v1::RebuildResponse { plan: Some(plan) })
                })
                .await
        };
        self.0.long(&metadata, "; the store may be resolved again all the same", work).await
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            // It holds much of the store in memory.
            let place = self.0.check_place()?;
            let read = self.0.snapshot(at_least(request.options)).await?;
            self.0
                .lookup(move |_| {
                    let _place = place;
                    let report = kinfold_engine::check(&read)?;
                    let problems = report.problems.into_iter().map(|problem| v1::CheckProblem {
                        table: problem.table.to_owned(),
                        detail: problem.detail,
                    });
                    Ok(v1::CheckResponse {
                        sequence: read.seq().get(),
                        rows: report.rows,
                        problem_count: report.problem_count,
                        problems: problems.collect(),
                    })
                })
                .await
        };
        self.0.long(&metadata, "", work).await
    }

    async fn backup(
        &self,
        request: Request<v1::BackupRequest>,
    ) -> Result<Response<v1::BackupResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let name = directory_name(request.name)?;
            let directory = self.0.config().backup_dir.clone().ok_or(CallError::NoBackups)?;
            self.0
                .change(move |store| {
                    let sequence = store.backup(&directory.join(name))?;
                    Ok(v1::BackupResponse { sequence: sequence.get() })
                })
                .await
        };
        self.0.long(&metadata, "; the copy may be made all the same", work).await
    }

    async fn compact(
        &self,
        request: Request<v1::CompactRequest>,
    ) -> Result<Response<v1::CompactResponse>, Status> {
        let (metadata, _, v1::CompactRequest {}) = request.into_parts();
        let work = self.0.change(move |store| {
            let (bytes_before, bytes_after) = store.compact()?;
            Ok(v1::CompactResponse { bytes_before, bytes_after })
        });
        self.0.long(&metadata, "; the files are rewritten all the same", work).await
    }

    type ExportPersonStream = ReceiverStream<Result<v1::ExportPersonResponse, Status>>;

    async fn export_person(
        &self,
        request: Request<v1::ExportPersonRequest>,
    ) -> Result<Response<Self::ExportPersonStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let app = self.0.clone();
        let begun = || {
            let deadline = Deadline::of(&metadata, app.config().long_call_timeout)?;
            let person = from_proto::person_in(request.person, "person")?;
            let caller = Caller::of(&extensions);
            caller.note.about((&person).into());
            let reading = from_proto::reading(request.options, &caller)?;
            Ok((deadline, person, reading))
        };
        let (deadline, person, reading) = begun().map_err(|error: CallError| status(&error))?;
        let (out, parts) = mpsc::channel(PARTS);
        tokio::spawn(async move {
            let most = app.config().max_send_bytes;
            let (sender, runtime) = (out.clone(), Handle::current());
            let export = app.read(reading, move |read, cancel| {
                export(read, &person, most, &mut |part| {
                    cancel.check()?;
                    let message = v1::ExportPersonResponse { part: Some(part) };
                    // A client that reads slowly keeps its place from others only so long.
                    let sent = tokio::time::timeout_at(deadline.at, sender.send(Ok(message)));
                    match runtime.block_on(sent) {
                        Ok(Ok(())) => Ok(()),
                        Ok(Err(_)) | Err(_) => Err(CallError::Cancelled),
                    }
                })
            });
            tokio::select! {
                outcome = deadline.bound("", export) => {
                    if let Err(error) = outcome {
                        // Whoever is gone misses nothing.
                        let _ = out.send(Err(status(&error))).await;
                    }
                }
                () = out.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }

    async fn audit(&self, request: Request<v1::AuditRequest>) -> Result<Response<v1::AuditResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let work = async {
            let directory = self.0.config().audit_dir.clone().ok_or(CallError::NoAudit)?;
            let same = v1::AuditRequest { page_size: 0, page_token: String::new(), ..request.clone() };
            let page = Page::of(request.page_size, &request.page_token, &same)?;
            let time = |wire: Option<prost_types::Timestamp>, name: &'static str| {
                wire.map(from_proto::timestamp).transpose().map_err(|error| error.within(name))
            };
            let (from, until) = (time(request.from, "from")?, time(request.until, "until")?);
            let subject = match request.subject {
                Some(Wire::Id(id)) => Some(Subject::Id(id)),
                Some(Wire::Identifier(it)) => Some(Subject::Identifier(
                    from_proto::identifier(it).map_err(|error| error.within("identifier"))?,
                )),
                None => None,
            };
            let store = self.0.store().clone();
            self.0
                .lookup(move |_| {
                    let subject = match subject {
                        Some(Subject::Identifier(identifier)) => audit::pseudonym(&store, &identifier),
                        Some(Subject::Id(id)) => id,
                        Some(Subject::Text(_)) | None => String::new(),
                    };
                    let caller = request.caller;
                    let asked =
                        audit::Asked { from, until, caller, subject, number: page.next, most: page.size };
                    let (found, next) = audit::find(&directory, &asked)?;
                    Ok(v1::AuditResponse {
                        entries: found.into_iter().map(to_proto::audit_entry).collect(),
                        next_page_token: page.token(0, next),
                    })
                })
                .await
        };
        self.0.long(&metadata, "; ask for less of the time", work).await
    }
}

/// How many parts of an export wait for the client to read them; the export waits then.
const PARTS: usize = 4;

/// How large a part of an export grows, in bytes, before it is sent.
const PART_BYTES: usize = 256 << 10;

/// The sequence number that a read of the whole store has to see.
fn at_least(options: Option<v1::ReadOptions>) -> Seq {
    Seq::new(options.unwrap_or_default().at_least)
}

/// The name of a directory that stands in another and leads out of it nowhere.
fn directory_name(name: String) -> Result<String, FieldError> {
    let is_one = (1..=100).contains(&name.len())
        && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'));
    if is_one {
        return Ok(name);
    }
    let message = "no name for a directory; expected 1 to 100 letters, digits, `-`, `_` and `.`, beginning \
                   with a letter or a digit";
    Err(FieldError::new("name", FieldFault::Malformed, message))
}

/// Hands everything that the store holds about a person to `send`, in parts of at most `most` bytes.
fn export(
    read: &impl Read,
    selector: &PersonSelector,
    most: usize,
    send: &mut dyn FnMut(Part) -> Result<(), CallError>,
) -> Result<(), CallError> {
    let Redirected { row, from } = find_person(read, selector, "person")?;
    let known = profile(read, row.key)?.ok_or_else(|| missing_row("a person that was just found"))?;
    let household = match row.household {
        None => None,
        Some(key) => {
            let row = read.household(key)?.ok_or_else(|| missing_row("a person's household"))?;
            let mut household = to_proto::household(read, &row, None, View::Full)?;
            // The others in it are somebody else's business.
            household.persons.iter_mut().for_each(|person| person.identifiers = Vec::new());
            Some(household)
        }
    };
    let first = v1::ExportedProfile {
        profile: Some(to_proto::profile(read, &known, from, View::Full)?),
        household,
        sequence: read.seq().get(),
    };
    let bytes = first.encoded_len() + 16;
    if bytes > most {
        return Err(CallError::TooLargeToSend { what: "the profile", bytes, most });
    }
    send(Part::Profile(first))?;
    let room = PART_BYTES.min(most.saturating_sub(64));
    let mut ids =
        read.members(row.key).map(|member| Ok(member?.id)).collect::<Result<Vec<_>, ReadError>>()?;
    ids.sort_unstable();
    let mut links = Parts { room, bytes: 0, items: Vec::new() };
    for id in &ids {
        for link in read.links(*id, None) {
            let other = link?.other;
            // One between two of them stands on both.
            if other < *id && ids.binary_search(&other).is_ok() {
                continue;
            }
            let step = Step {
                from: *id,
                to: other,
                link: read.link(*id, other)?,
                said: read.override_on(*id, other)?,
            };
            if let Some(links) = links.add(to_proto::step(read, &step)?) {
                send(Part::Links(v1::ExportedLinks { links }))?;
            }
        }
    }
    if !links.items.is_empty() {
        send(Part::Links(v1::ExportedLinks { links: links.items }))?;
    }
    let mut events = Parts { room, bytes: 0, items: Vec::new() };
    for event in answers::history(read, row.id)? {
        let mut event = to_proto::event(read, &event, View::Full)?;
        to_proto::abridge(&mut event, most.saturating_sub(64));
        if let Some(events) = events.add(event) {
            send(Part::Events(v1::ExportedEvents { events }))?;
        }
    }
    if !events.items.is_empty() {
        send(Part::Events(v1::ExportedEvents { events: events.items }))?;
    }
    Ok(())
}

/// Items on their way into messages of a bounded size.
struct Parts<T> {
    room: usize,
    bytes: usize,
    items: Vec<T>,
}

impl<T: Message> Parts<T> {
    /// Puts an item behind the others; gives those back that fill a message.
    fn add(&mut self, item: T) -> Option<Vec<T>> {
        // Each stands behind a tag and a length of up to five bytes.
        let length = item.encoded_len() + 6;
        let full = (self.bytes + length > self.room && !self.items.is_empty()).then(|| {
            self.bytes = 0;
            std::mem::take(&mut self.items)
        });
        self.bytes += length;
        self.items.push(item);
        full
    }
}

const MAYBE_APPLIED: &str = "; the schema may be put in force all the same: GetSchema tells";

fn change(schema: &str, assertions: &str) -> Result<SchemaChange, ChangeError> {
    let schema = Named { text: schema, name: "schema" };
    SchemaChange::parse(schema, Some(Named { text: assertions, name: "assertions" }))
}
