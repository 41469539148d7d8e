//! `QueryService`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kinfold_engine::Snapshot;
use kinfold_engine::read::Read;
use kinfold_proto::v1;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::query_service_server::QueryService;
use kinfold_query::{Limits, Options, Params, Parsed};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::call::{App, CancelOnDrop, Deadline};
use super::error::CallError;
use super::status::status;
use super::{from_proto, to_proto};
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
        let (metadata, _, request) = request.into_parts();
        let app = &self.0;
        let begun = async {
            let deadline = Deadline::of(&metadata, app.config().query_timeout)?;
            let parameters = from_proto::parameters(request.parameters)?;
            let wait = async {
                let read = app.snapshot(from_proto::at_least(request.options)).await?;
                Ok((read, app.query_place().await?))
            };
            let (read, place) = deadline.bound("; every place for a query was taken", wait).await?;
            Ok((deadline, parameters, read, place))
        };
        let (deadline, parameters, read, place) = begun.await.map_err(|error: CallError| status(&error))?;
        let most = app.config().query;
        let max_rows = match request.max_rows {
            0 => most.max_rows,
            rows => rows.min(most.max_rows),
        };
        let left = deadline.at.saturating_duration_since(Instant::now());
        let cancel = CancelOnDrop::default();
        let (out, messages) = mpsc::channel(MESSAGES);
        let work = Work {
            read,
            text: request.text,
            parameters,
            options: Options {
                limits: Limits { deadline: Some(left), max_rows, ..most },
                cancel: Some(cancel.flag().shared()),
                ..Options::default()
            },
            out,
            max_send_bytes: app.config().max_send_bytes,
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let out = work.out.clone();
            if let Err(error) = work.run() {
                // Whoever is gone misses nothing.
                let _ = out.blocking_send(Err(status(&error)));
            }
        });
        Ok(Response::new(Answer {
            messages,
            late: Box::pin(tokio::time::sleep_until(deadline.at + GRACE)),
            after: deadline.after,
            cancel,
            ended: false,
        }))
    }
}

/// A query to run on a thread of its own.
struct Work {
    read: Snapshot,
    text: String,
    parameters: Params,
    options: Options,
    out: mpsc::Sender<Result<v1::QueryResponse, Status>>,
    max_send_bytes: usize,
}

impl Work {
    fn run(self) -> Result<(), CallError> {
        let parsed = Parsed::new(&self.text, self.parameters, self.options)?;
        let read = view::reader::<CallError>(&parsed, &self.read)?;
        let prepared = parsed.prepare(&read)?;
        let names = prepared.columns().to_vec();
        send(&self.out, Part::Columns(v1::QueryColumns { names, sequence: read.seq().get() }))?;
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
                send(&self.out, Part::Rows(std::mem::take(&mut batch)))?;
                bytes = 0;
            }
            if batch.rows.is_empty() {
                begun = Instant::now();
            }
            bytes += length;
            batch.rows.push(row);
        }
        if !batch.rows.is_empty() {
            send(&self.out, Part::Rows(batch))?;
        }
        send(&self.out, Part::Statistics(to_proto::statistics(&rows.stats())))
    }
}

fn send(out: &mpsc::Sender<Result<v1::QueryResponse, Status>>, part: Part) -> Result<(), CallError> {
    out.blocking_send(Ok(v1::QueryResponse { part: Some(part) })).map_err(|_| CallError::Cancelled)
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
