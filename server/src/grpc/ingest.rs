//! `IngestService`.

use std::pin::Pin;

use kinfold_engine::model::Identifier;
use kinfold_engine::privacy::Forget;
use kinfold_engine::write::{Act, Authored, Receipt, Rejection, WriteError};
use kinfold_proto::v1;
use kinfold_proto::v1::ingest_service_server::IngestService;
use kinfold_proto::v1::observe_stream_response::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::call::{App, client_timeout};
use super::error::{CallError, FieldError};
use super::from_proto::{self, Admitted};
use super::status::{batch_error, status};
use super::to_proto;
use crate::audit::Subject;
use crate::auth::Caller;

/// Takes in what sources have seen.
pub(crate) struct Ingest(pub(crate) App);

const MAYBE_WRITTEN: &str =
    "; the batch may be written all the same: send it again under the same request_id";

const MAYBE_DONE: &str = "; it may be done all the same: call again under the same request_id";

/// How many answers wait for the client to read them.
const ANSWERS: usize = 16;

#[tonic::async_trait]
impl IngestService for Ingest {
    async fn observe(
        &self,
        request: Request<v1::ObserveRequest>,
    ) -> Result<Response<v1::ObserveResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let caller = Caller::of(&extensions);
        self.0
            .unary(&metadata, MAYBE_WRITTEN, async {
                let Admitted { batch, places, refused } =
                    from_proto::batch(request.request_id, request.observations)?;
                let (done, outcome) = oneshot::channel();
                let settle = move |outcome| {
                    // Nobody listens any more if the call was given up; the batch stays written.
                    let _ = done.send(outcome);
                };
                self.0.submit(batch, Box::new(settle)).await?;
                let receipt = outcome.await.unwrap_or(Err(WriteError::Closed))?;
                caller.note.sequence(receipt.seq.get());
                let receipt = Some(to_proto::receipt(receipt, &places, refused));
                Ok(v1::ObserveResponse { receipt })
            })
            .await
    }

    type ObserveStreamStream = Pin<Box<dyn Stream<Item = Result<v1::ObserveStreamResponse, Status>> + Send>>;

    async fn observe_stream(
        &self,
        request: Request<Streaming<v1::ObserveStreamRequest>>,
    ) -> Result<Response<Self::ObserveStreamStream>, Status> {
        let timeout = client_timeout(request.metadata()).map_err(|error| status(&error.into()))?;
        let deadline = timeout.map(|after| (Instant::now() + after, after));
        let (answers, out) = mpsc::channel(ANSWERS);
        let window = self.0.config().max_batches_in_flight;
        let (settle, settled) = mpsc::channel(window);
        let stream = Batches { app: self.0.clone(), answers, settle, settled, window, waiting: 0 };
        tokio::spawn(stream.serve(request.into_inner(), deadline));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn forbid(
        &self,
        request: Request<v1::ForbidRequest>,
    ) -> Result<Response<v1::ForbidResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::ForbidRequest { a, b, author, reason, request_id } = request;
        let act = from_proto::pair(a, b).map(|(a, b)| Act::Forbid(a, b));
        let by = By { caller: Caller::of(&extensions), request_id, who: Authored { author, reason } };
        let done = self.act(&metadata, act, by).await?;
        Ok(done.map(|receipt| v1::ForbidResponse { receipt: Some(receipt) }))
    }

    async fn require(
        &self,
        request: Request<v1::RequireRequest>,
    ) -> Result<Response<v1::RequireResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::RequireRequest { a, b, author, reason, request_id } = request;
        let act = from_proto::pair(a, b).map(|(a, b)| Act::Require(a, b));
        let by = By { caller: Caller::of(&extensions), request_id, who: Authored { author, reason } };
        let done = self.act(&metadata, act, by).await?;
        Ok(done.map(|receipt| v1::RequireResponse { receipt: Some(receipt) }))
    }

    async fn release(
        &self,
        request: Request<v1::ReleaseRequest>,
    ) -> Result<Response<v1::ReleaseResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::ReleaseRequest { a, b, author, reason, request_id } = request;
        let act = from_proto::pair(a, b).map(|(a, b)| Act::Release(a, b));
        let by = By { caller: Caller::of(&extensions), request_id, who: Authored { author, reason } };
        let done = self.act(&metadata, act, by).await?;
        Ok(done.map(|receipt| v1::ReleaseResponse { receipt: Some(receipt) }))
    }

    async fn retract(
        &self,
        request: Request<v1::RetractRequest>,
    ) -> Result<Response<v1::RetractResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::RetractRequest { what, author, reason, request_id } = request;
        let by = By { caller: Caller::of(&extensions), request_id, who: Authored { author, reason } };
        let done = self.act(&metadata, from_proto::retraction(what), by).await?;
        Ok(done.map(|receipt| v1::RetractResponse { receipt: Some(receipt) }))
    }

    async fn forget(
        &self,
        request: Request<v1::ForgetRequest>,
    ) -> Result<Response<v1::ForgetResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::ForgetRequest { whom, author, reason, request_id, dry_run } = request;
        let caller = Caller::of(&extensions);
        let most = self.0.config().max_send_bytes;
        let work = async {
            let forget = from_proto::forget(whom)?;
            match &forget {
                Forget::Identifiers(all) => {
                    for identifier in all {
                        caller.note.about(Subject::Identifier(identifier.clone()));
                    }
                }
                Forget::PersonOf(identifier) => caller.note.about(Subject::Identifier(identifier.clone())),
                Forget::Person(id) => caller.note.about(Subject::Id(id.to_string())),
            }
            self.0
                .change(move |store| {
                    let refused = |error| from_proto::not_forgotten(&forget, error);
                    if dry_run {
                        return Ok(to_proto::forget_plan(store.plan_forget(&forget).map_err(refused)?));
                    }
                    let request_id = from_proto::request_id(request_id);
                    let by = Authored { author, reason };
                    let report = store.forget(request_id.as_deref(), &forget, by).map_err(refused)?;
                    caller.note.sequence(report.seq.get());
                    let read = store.snapshot().view(&from_proto::reading(None, &caller)?.view)?;
                    Ok(to_proto::forget_report(&read, report, most)?)
                })
                .await
        };
        self.0.long(&metadata, MAYBE_DONE, work).await
    }

    async fn readmit(
        &self,
        request: Request<v1::ReadmitRequest>,
    ) -> Result<Response<v1::ReadmitResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let v1::ReadmitRequest { identifier, author, reason, request_id } = request;
        let act = from_proto::identifier_in(identifier, "identifier").map(Act::Readmit);
        let by = By { caller: Caller::of(&extensions), request_id, who: Authored { author, reason } };
        let done = self.act(&metadata, act, by).await?;
        Ok(done.map(|receipt| v1::ReadmitResponse { receipt: Some(receipt) }))
    }

    async fn get_outcome(
        &self,
        request: Request<v1::GetOutcomeRequest>,
    ) -> Result<Response<v1::GetOutcomeResponse>, Status> {
        let (metadata, _, v1::GetOutcomeRequest { request_id }) = request.into_parts();
        let work = async {
            let request_id = from_proto::named_request(request_id)?;
            let store = self.0.store().clone();
            let applied = self.0.lookup(move |_| Ok(store.applied(&request_id)?)).await?;
            Ok(v1::GetOutcomeResponse { applied: applied.is_some(), rejected: applied.unwrap_or_default() })
        };
        self.0.unary(&metadata, "", work).await
    }
}

/// The identifiers that an act names.
fn about(act: &Act) -> Vec<&Identifier> {
    match act {
        Act::Forbid(a, b) | Act::Require(a, b) | Act::Release(a, b) | Act::RetractLink { a, b, .. } => {
            vec![a, b]
        }
        Act::Readmit(identifier) => vec![identifier],
        Act::RetractRecord { .. } | Act::RetractSource { .. } => Vec::new(),
    }
}

/// In whose name something is done.
struct By {
    /// Who calls.
    caller: Caller,
    /// Under which name the call can be repeated; empty for none.
    request_id: String,
    /// Who the call says it is, and why.
    who: Authored,
}

impl Ingest {
    /// Does something in somebody's name.
    async fn act(
        &self,
        metadata: &MetadataMap,
        act: Result<Act, FieldError>,
        by: By,
    ) -> Result<Response<v1::ActReceipt>, Status> {
        let most = self.0.config().max_send_bytes;
        let work = async {
            let act = act?;
            for identifier in about(&act) {
                by.caller.note.about(Subject::Identifier(identifier.clone()));
            }
            self.0
                .change(move |store| {
                    let By { caller, request_id, who } = by;
                    let request_id = from_proto::request_id(request_id);
                    let receipt = store
                        .act_once(request_id.as_deref(), &act, who)
                        .map_err(|error| from_proto::refused(&act, error, &caller))?;
                    caller.note.sequence(receipt.seq.get());
                    let read = store.snapshot().view(&from_proto::reading(None, &caller)?.view)?;
                    Ok(to_proto::act_receipt(&read, &receipt, most)?)
                })
                .await
        };
        self.0.long(metadata, MAYBE_DONE, work).await
    }
}

/// What the store said of one batch of a stream, with what its answer needs besides.
struct Settled {
    batch_id: u64,
    places: Vec<u32>,
    refused: Vec<Rejection>,
    outcome: Result<Receipt, WriteError>,
}

/// Sends what it holds when it is dropped.
struct Promise {
    settle: mpsc::Sender<Settled>,
    settled: Option<Settled>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            // There is room for every batch that waits; if the stream is gone, nobody does.
            let _ = self.settle.try_send(settled);
        }
    }
}

/// One stream of batches.
struct Batches {
    app: App,
    answers: mpsc::Sender<Result<v1::ObserveStreamResponse, Status>>,
    /// Holds as many as may wait, so that the writing thread never waits for a client.
    settle: mpsc::Sender<Settled>,
    settled: mpsc::Receiver<Settled>,
    window: usize,
    /// Batches that were read and not yet answered.
    waiting: usize,
}

/// The client reads no more answers.
struct Gone;

impl Batches {
    /// Reads batches and answers them until the client ends, something fails or
    /// the server stops; what was read by then is still answered.
    async fn serve(
        mut self,
        mut requests: Streaming<v1::ObserveStreamRequest>,
        deadline: Option<(Instant, std::time::Duration)>,
    ) {
        let stopping = self.app.stopping().clone();
        let answers = self.answers.clone();
        let late = async move {
            match deadline {
                Some((at, after)) => {
                    tokio::time::sleep_until(at).await;
                    CallError::Deadline { after, hint: MAYBE_WRITTEN }
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(late);
        let mut reading = true;
        let mut failure = None;
        while reading || self.waiting > 0 {
            let step = tokio::select! {
                // Held by `self.settle`, the channel never ends.
                Some(settled) = self.settled.recv() => self.answer(settled).await,
                message = requests.message(), if reading && self.waiting < self.window => match message {
                    Ok(Some(request)) => self.take(request).await,
                    Ok(None) => {
                        reading = false;
                        Ok(None)
                    }
                    Err(status) => Ok(Some(status)),
                },
                () = stopping.cancelled(), if reading => Ok(Some(status(&CallError::ShuttingDown))),
                late = &mut late, if reading => Ok(Some(status(&late))),
                () = answers.closed() => return,
            };
            match step {
                Ok(None) => {}
                Ok(Some(status)) => {
                    reading = false;
                    // The first failure is the cause; what follows is its echo.
                    failure.get_or_insert(status);
                }
                Err(Gone) => return,
            }
        }
        if let Some(status) = failure {
            // Whoever is gone misses nothing.
            let _ = answers.send(Err(status)).await;
        }
    }

    /// Queues a batch. A failure that ends the stream is given back.
    async fn take(&mut self, request: v1::ObserveStreamRequest) -> Result<Option<Status>, Gone> {
        let batch_id = request.batch_id;
        self.waiting += 1;
        let Admitted { batch, places, refused } =
            match from_proto::batch(request.request_id, request.observations) {
                Ok(admitted) => admitted,
                Err(error) => {
                    let nothing = Settled { batch_id, places: vec![], refused: vec![], outcome: Err(error) };
                    return self.answer(nothing).await;
                }
            };
        // Called or, if the writing thread has failed, dropped: the batch is settled either way.
        let closed = Settled { batch_id, places, refused, outcome: Err(WriteError::Closed) };
        let mut promise = Promise { settle: self.settle.clone(), settled: Some(closed) };
        let done = move |outcome| {
            if let Some(settled) = &mut promise.settled {
                settled.outcome = outcome;
            }
        };
        match self.app.submit(batch, Box::new(done)).await {
            Ok(()) => Ok(None),
            Err(error) => {
                self.waiting -= 1;
                Ok(Some(status(&error)))
            }
        }
    }

    /// Answers a batch. A failure that ends the stream is given back.
    async fn answer(&mut self, settled: Settled) -> Result<Option<Status>, Gone> {
        self.waiting = self.waiting.saturating_sub(1);
        let Settled { batch_id, places, refused, outcome } = settled;
        let outcome = match outcome {
            Ok(receipt) => Outcome::Receipt(to_proto::receipt(receipt, &places, refused)),
            // The batch is at fault.
            Err(
                error @ (WriteError::TooLarge { .. }
                | WriteError::RequestId { .. }
                | WriteError::RequestReused { .. }),
            ) => Outcome::Error(batch_error(error)),
            // The store is, and will be for the next batch too.
            Err(
                error @ (WriteError::ReadOnly
                | WriteError::Closed
                | WriteError::Read(_)
                | WriteError::Storage(_)),
            ) => return Ok(Some(status(&error.into()))),
        };
        let answer = v1::ObserveStreamResponse { batch_id, outcome: Some(outcome) };
        self.answers.send(Ok(answer)).await.map(|()| None).map_err(|_| Gone)
    }
}
