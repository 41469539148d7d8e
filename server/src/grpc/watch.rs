//! `WatchService`.

use std::sync::Arc;

use kinfold_engine::Watch;
use kinfold_engine::model::Seq;
use kinfold_engine::read::{Read as _, ViewOptions};
use kinfold_proto::v1;
use kinfold_proto::v1::watch_service_server::WatchService;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::call::{App, client_timeout};
use super::error::CallError;
use super::from_proto::{self, View};
use super::status::status;
use super::to_proto;
use crate::auth::Caller;

/// Tells what changes.
pub(crate) struct Watching(pub(crate) App);

/// How many events are read at once.
const EVENTS: usize = 64;

/// How large a message grows, in bytes, before it is sent.
const BATCH_BYTES: usize = 256 << 10;

/// How many messages wait for the client to read them; the feed waits then.
const MESSAGES: usize = 4;

/// How often the store is looked at while nothing happens.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(25);

#[tonic::async_trait]
impl WatchService for Watching {
    type WatchStream = ReceiverStream<Result<v1::WatchResponse, Status>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let begun = || {
            let timeout = client_timeout(&metadata)?;
            Ok((timeout, from_proto::view(request.view, View::Full)?))
        };
        let (timeout, view) = begun().map_err(|error: CallError| status(&error))?;
        let v1::WatchPosition { sequence, index } = request.from.unwrap_or_default();
        let feed = Feed {
            app: self.0.clone(),
            watch: Some(self.0.store().watch_at(Seq::new(sequence), index)),
            view,
            redact: Caller::of(&extensions).redact,
            told: None,
        };
        let (out, messages) = mpsc::channel(MESSAGES);
        let deadline = timeout.map(|after| (Instant::now() + after, after));
        tokio::spawn(feed.serve(out, deadline));
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// One client's feed.
struct Feed {
    app: App,
    /// Taken while it is read from on another thread.
    watch: Option<Watch>,
    view: View,
    /// The namespaces whose values the client may not see.
    redact: Arc<[String]>,
    /// When the client was last told that there is nothing more; `None` while there may be.
    told: Option<Instant>,
}

impl Feed {
    /// Sends what happens until the client goes away, something fails or the server stops.
    async fn serve(
        mut self,
        out: mpsc::Sender<Result<v1::WatchResponse, Status>>,
        deadline: Option<(Instant, std::time::Duration)>,
    ) {
        let stopping = self.app.stopping().clone();
        let ends = async {
            tokio::select! {
                () = stopping.cancelled() => CallError::ShuttingDown,
                late = late(deadline) => late,
            }
        };
        tokio::pin!(ends);
        loop {
            let sent = async {
                let message = self.next().await?;
                // Whoever is gone misses nothing.
                Ok(out.send(Ok(message)).await.is_ok())
            };
            let error = tokio::select! {
                sent = sent => match sent {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(error) => error,
                },
                end = &mut ends => end,
                () = out.closed() => return,
            };
            let _ = out.send(Err(status(&error))).await;
            return;
        }
    }

    /// The next message: events, or a sign of life.
    async fn next(&mut self) -> Result<v1::WatchResponse, CallError> {
        if let Some(told) = self.told {
            let next_sign = told + self.app.config().watch_heartbeat;
            let awaited = self.watch.as_ref().map(Watch::position).unwrap_or_default();
            while Instant::now() < next_sign && self.app.store().snapshot().seq() < awaited {
                // Costs no thread, and no place in any queue.
                tokio::time::sleep(PAUSE.min(next_sign - Instant::now())).await;
            }
        }
        let gone = || CallError::Internal("a feed's reader is gone".into());
        let mut watch = self.watch.take().ok_or_else(gone)?;
        let store = self.app.store().clone();
        let (view, most) = (self.view, self.app.config().max_send_bytes);
        let redact = self.redact.to_vec();
        let (watch, message) = self
            .app
            .lookup(move |_| {
                let mut events = Vec::new();
                let mut bytes = 0;
                let found = watch.next(EVENTS, std::time::Duration::ZERO)?;
                // Names are never taken back: a later state knows those of every event.
                let read = store.snapshot().view(&ViewOptions { redact, ..ViewOptions::default() })?;
                for it in &found {
                    let mut event = to_proto::event(&read, it, view)?;
                    // Its tag and length, and the position, stand beside it.
                    to_proto::abridge(&mut event, most.saturating_sub(64));
                    bytes += event.encoded_len() + 6;
                    if !events.is_empty() && bytes > BATCH_BYTES.min(most.saturating_sub(64)) {
                        watch = store.watch_at(it.seq, it.index);
                        break;
                    }
                    events.push(event);
                }
                let (sequence, index) = watch.place();
                let position = v1::WatchPosition { sequence: sequence.get(), index };
                Ok((watch, v1::WatchResponse { events, position: Some(position) }))
            })
            .await?;
        self.watch = Some(watch);
        self.told = message.events.is_empty().then(Instant::now);
        Ok(message)
    }
}

async fn late(deadline: Option<(Instant, std::time::Duration)>) -> CallError {
    match deadline {
        Some((at, after)) => {
            tokio::time::sleep_until(at).await;
            CallError::Deadline { after, hint: "; begin again at the last position" }
        }
        None => std::future::pending().await,
    }
}
