//! `QueryService`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kinfold_engine::Snapshot;
use kinfold_engine::model::{Identifier, Seq};
use kinfold_engine::read::{Read, ViewOptions};
use kinfold_proto::v1;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::query_service_server::QueryService;
use kinfold_query::ast::{Body, Statement, Who};
use kinfold_query::{ErrorKind, Limits, Names, Options, Params, Parsed, QueryError, complete};
use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::call::{App, CancelOnDrop, Deadline, purpose_is_no_slip};
use super::error::{CallError, FieldError, FieldFault};
use super::status::status;
use super::{from_proto, to_proto};
use crate::audit::Subject;
use crate::auth::Caller;
use crate::view;

/// Runs read-only queries.
pub(crate) struct Queries(pub(crate) App);

/// How large a message of rows grows, in bytes, before it is sent.
const BATCH_BYTES: usize = 256 << 10;

/// How long the first row of a message waits for more.
const BATCH_WAIT: Duration = Duration::from_millis(100);

/// How many messages wait for the client to read them; the query waits then.
const MESSAGES: usize = 4;

/// By how much a query may miss its deadline before the stream says so in its place.
const GRACE: Duration = Duration::from_millis(100);

#[tonic::async_trait]
impl QueryService for Queries {
    type QueryStream = Answer;

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<Answer>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let app = &self.0;
        let caller = Caller::of(&extensions);
        let begun = async {
            let deadline = Deadline::of(&metadata, app.config().query_timeout)?;
            let parameters = from_proto::parameters(request.parameters)?;
            note(&request.text, &app.config().query, &caller);
            let reading = from_proto::reading(request.options, &caller)?;
            let wait = async {
                let read = app.snapshot(reading.at_least).await?;
                Ok((read, app.query_place().await?))
            };
            let (read, place) = deadline.bound("; every place for a query was taken", wait).await?;
            purpose_is_no_slip(&read, &reading)?;
            Ok((deadline, parameters, reading, read, place))
        };
        let (deadline, parameters, reading, read, place) =
            begun.await.map_err(|error: CallError| status(&error))?;
        let most = app.config().query;
        let max_rows = match request.max_rows {
            0 => most.max_rows,
            rows => rows.min(most.max_rows),
        };
        let left = deadline.at.saturating_duration_since(Instant::now());
        let cancel = CancelOnDrop::default();
        let until = deadline.at + GRACE;
        let (out, messages) = mpsc::channel(MESSAGES);
        let work = Work {
            read,
            view: reading.view,
            text: request.text,
            parameters,
            options: Options {
                limits: Limits { deadline: Some(left), max_rows, ..most },
                cancel: Some(cancel.flag().shared()),
                ..Options::default()
            },
            out: Out { sender: out, until, runtime: Handle::current() },
            max_send_bytes: app.config().max_send_bytes,
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let out = work.out.clone();
            if let Err(error) = work.run() {
                // Whoever is gone misses nothing.
                let _ = out.send(Err(status(&error)));
            }
        });
        Ok(Response::new(Answer {
            messages,
            late: Box::pin(tokio::time::sleep_until(until)),
            after: deadline.after,
            cancel,
            ended: false,
        }))
    }

    async fn parse(&self, request: Request<v1::ParseRequest>) -> Result<Response<v1::ParseResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let limits = self.0.config().query;
        let work = async {
            let parameters = from_proto::parameters(request.parameters)?;
            let text = request.text;
            let before = match request.cursor {
                None => None,
                Some(cursor) => Some(before(&text, cursor)?.to_owned()),
            };
            let now = self.0.snapshot(Seq::new(0)).await?;
            self.0
                .lookup(move |_| {
                    let mut answer = v1::ParseResponse::default();
                    if let Some(before) = before {
                        answer.completions = complete(&before, &Names::of(&now));
                    }
                    let options = Options { limits, ..Options::default() };
                    let columns = Parsed::new(&text, parameters, options).and_then(|parsed| {
                        parsed.view(&now)?;
                        parsed.columns(&now)
                    });
                    match columns {
                        Ok(columns) => answer.columns = columns,
                        Err(error) => answer.diagnostics.push(diagnostic(error)?),
                    }
                    Ok(answer)
                })
                .await
        };
        self.0.unary(&metadata, "", work).await
    }
}

/// Notes whom a text is about: whom its verb names, or else the text itself.
fn note(text: &str, limits: &Limits, caller: &Caller) {
    let verb = match kinfold_query::parse(text, limits) {
        Ok(Statement { body: Body::Verb(verb), .. }) => Some(verb),
        Ok(_) | Err(_) => None,
    };
    let who = verb.iter().flat_map(|verb| &verb.who);
    let mut named = who.filter_map(|who| match who {
        Who::Named { namespace, value, .. } => {
            Some(Subject::Identifier(Identifier::new(namespace.text.clone(), value.clone())))
        }
        Who::Text { text, .. } => Some(match text.parse() {
            Ok(identifier) => Subject::Identifier(identifier),
            Err(_) => Subject::Id(text.clone()),
        }),
        Who::Param(_) => None,
    });
    match named.next() {
        Some(first) => std::iter::once(first).chain(named).for_each(|subject| caller.note.about(subject)),
        None => caller.note.about(Subject::Text(text.to_owned())),
    }
}

/// The text before a cursor.
fn before(text: &str, cursor: u32) -> Result<&str, FieldError> {
    text.get(..cursor as usize).ok_or_else(|| {
        let message = format!("{cursor} is no place between two letters of the text");
        FieldError::new("cursor", FieldFault::OutOfRange, message)
    })
}

/// What is wrong with a text; an error that is not about the text is the call's.
fn diagnostic(error: QueryError) -> Result<v1::Diagnostic, CallError> {
    match error.kind() {
        ErrorKind::Syntax | ErrorKind::Binding | ErrorKind::Type | ErrorKind::Runtime => {}
        ErrorKind::Limit { .. } | ErrorKind::Cancelled | ErrorKind::Storage => return Err(error.into()),
    }
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(v1::Diagnostic {
        code: error.code().to_owned(),
        line: number(error.line()),
        column: number(error.column()),
        width: number(error.width()),
        message: error.message().to_owned(),
        hint: error.hint().unwrap_or_default().to_owned(),
    })
}

/// A query to run on a thread of its own.
struct Work {
    read: Snapshot,
    /// What the call says of the view, besides the text.
    view: ViewOptions,
    text: String,
    parameters: Params,
    options: Options,
    out: Out,
    max_send_bytes: usize,
}

/// The way from a query's thread to its client.
#[derive(Clone)]
struct Out {
    sender: mpsc::Sender<Result<v1::QueryResponse, Status>>,
    until: Instant,
    runtime: Handle,
}

impl Out {
    /// Hands a message on; waits for a client that reads slowly, but not beyond
    /// the deadline: it would keep its place from others.
    fn send(&self, message: Result<v1::QueryResponse, Status>) -> Result<(), CallError> {
        let sent = tokio::time::timeout_at(self.until, self.sender.send(message));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(CallError::Cancelled),
        }
    }

    fn part(&self, part: Part) -> Result<(), CallError> {
        self.send(Ok(v1::QueryResponse { part: Some(part) }))
    }
}

impl Work {
    fn run(self) -> Result<(), CallError> {
        let parsed = Parsed::new(&self.text, self.parameters, self.options)?;
        let read = view::reader::<CallError>(&parsed, &self.read, &self.view)?;
        let prepared = parsed.prepare(&read)?;
        let names = prepared.columns().to_vec();
        self.out.part(Part::Columns(v1::QueryColumns { names, sequence: read.seq().get() }))?;
        let mut rows = prepared.run();
        let mut batch = v1::QueryRows::default();
        let mut bytes = 0;
        let mut begun = Instant::now();
        for row in rows.by_ref() {
            let row = to_proto::row(&row?, self.max_send_bytes)?;
            // Each row stands behind a tag and a length of up to five bytes, and so does the batch.
            let length = row.encoded_len() + 6;
            if length + 6 > self.max_send_bytes {
                return Err(to_proto::row_too_large(length, self.max_send_bytes));
            }
            let full = bytes + length + 6 > BATCH_BYTES.min(self.max_send_bytes);
            if !batch.rows.is_empty() && (full || begun.elapsed() >= BATCH_WAIT) {
                self.out.part(Part::Rows(std::mem::take(&mut batch)))?;
                bytes = 0;
            }
            if batch.rows.is_empty() {
                begun = Instant::now();
            }
            bytes += length;
            batch.rows.push(row);
        }
        if !batch.rows.is_empty() {
            self.out.part(Part::Rows(batch))?;
        }
        self.out.part(Part::Statistics(to_proto::statistics(&rows.stats())))
    }
}

/// What a query answers. Dropping it, as a client that goes away does, calls the
/// query off.
pub(crate) struct Answer {
    messages: mpsc::Receiver<Result<v1::QueryResponse, Status>>,
    late: Pin<Box<Sleep>>,
    after: Duration,
    cancel: CancelOnDrop,
    ended: bool,
}

impl Stream for Answer {
    type Item = Result<v1::QueryResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let (item, ended) = match self.messages.poll_recv(context) {
            Poll::Ready(Some(Ok(message))) => {
                let last = matches!(message.part, Some(Part::Statistics(_)));
                (Ok(message), last)
            }
            Poll::Ready(Some(Err(status))) => (Err(status), true),
            // It ended without its last message: it panicked.
            Poll::Ready(None) => (Err(status(&CallError::Internal("a query's thread ended".into()))), true),
            Poll::Pending => match self.late.as_mut().poll(context) {
                Poll::Ready(()) => {
                    self.cancel.cancel();
                    let error = CallError::Deadline { after: self.after, hint: "" };
                    (Err(status(&error)), true)
                }
                Poll::Pending => return Poll::Pending,
            },
        };
        self.ended = ended;
        if ended {
            // Whoever still sends finds the door closed.
            self.messages.close();
        }
        Poll::Ready(Some(item))
    }
}
