//! What every call shares: the store, its deadline, and where its work runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinfold_engine::model::Seq;
use kinfold_engine::read::Read;
use kinfold_engine::write::{Batch, Done};
use kinfold_engine::{Snapshot, Store, StoreView, consent};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;

use super::error::{CallError, FieldError, FieldFault};
use super::from_proto::Reading;
use crate::config::ServeConfig;
use crate::metrics::{Held, Metrics};

/// How many checks of the whole store run at once: each holds much of it in memory.
const MAX_CHECKS: usize = 1;

/// What the services share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

struct Shared {
    store: Store,
    config: ServeConfig,
    metrics: Metrics,
    lookups: Places,
    queries: Places,
    writes: Places,
    checks: Arc<Semaphore>,
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl App {
    /// Serves `store` within the limits of `config`.
    pub(crate) fn new(store: Store, config: ServeConfig, metrics: Metrics) -> Self {
        let places = |kind, all| Places::new(kind, all, config.max_waiting, &metrics);
        Self(Arc::new(Shared {
            lookups: places("lookup", config.max_lookups),
            queries: places("query", config.max_queries),
            writes: places("write", config.max_writes),
            checks: Arc::new(Semaphore::new(MAX_CHECKS)),
            stopping: CancellationToken::new(),
            cut: CancellationToken::new(),
            store,
            config,
            metrics,
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn config(&self) -> &ServeConfig {
        &self.0.config
    }

    /// Cancelled when the server takes no more work: streams finish what they have and end.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Cancelled when the server waits no longer: queries stop, connections close.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.0.cut
    }

    /// Refuses an answer that the transport would not send.
    pub(crate) fn fits<M: Message>(&self, what: &'static str, answer: M) -> Result<M, CallError> {
        let (bytes, most) = (answer.encoded_len(), self.config().max_send_bytes);
        if bytes > most { Err(CallError::TooLargeToSend { what, bytes, most }) } else { Ok(answer) }
    }

    /// Runs a call that is no stream, within its deadline.
    pub(crate) async fn unary<T>(
        &self,
        metadata: &MetadataMap,
        hint: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<tonic::Response<T>, tonic::Status> {
        Self::within(self.config().call_timeout, metadata, hint, work).await
    }

    /// Runs a call that may go through the whole store, within its deadline.
    pub(crate) async fn long<T>(
        &self,
        metadata: &MetadataMap,
        hint: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<tonic::Response<T>, tonic::Status> {
        Self::within(self.config().long_call_timeout, metadata, hint, work).await
    }

    async fn within<T>(
        limit: Duration,
        metadata: &MetadataMap,
        hint: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<tonic::Response<T>, tonic::Status> {
        let answer = match Deadline::of(metadata, limit) {
            Ok(deadline) => deadline.bound(hint, work).await,
            Err(error) => Err(error.into()),
        };
        answer.map(tonic::Response::new).map_err(|error| super::status::status(&error))
    }

    /// The latest state, or the first at or after `at_least`.
    pub(crate) async fn snapshot(&self, at_least: Seq) -> Result<Snapshot, CallError> {
        let waited = self.config().at_least_timeout;
        let until = Instant::now() + waited;
        // A number that a write of this store answered with is there already: the
        // wait is for one that is ahead of it, and may never come. So it costs no
        // thread and no place in any queue.
        let mut pause = Duration::from_millis(1);
        loop {
            let snapshot = self.store().snapshot();
            let at = snapshot.seq();
            if at >= at_least {
                return Ok(snapshot);
            }
            if Instant::now() >= until {
                return Err(CallError::NotYet { at_least, at, waited });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Runs a larger lookup off the threads that serve connections.
    pub(crate) async fn lookup<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancel) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let place = self.0.lookups.take().await?;
        let cancel = CancelOnDrop::default();
        let flag = cancel.flag();
        let answer = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&flag)
        })
        .await;
        answer.unwrap_or_else(|error| Err(CallError::Internal(error.to_string())))
    }

    /// Runs a larger lookup on the view that a read asks for, off the threads that
    /// serve connections.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        reading: Reading,
        work: impl FnOnce(&StoreView, &Cancel) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let now = self.snapshot(reading.at_least).await?;
        self.lookup(move |cancel| work(&view(&now, &reading)?, cancel)).await
    }

    /// Hands a batch to the store, whose writing thread calls `done`. Returns when
    /// the batch is checked and queued, off the threads that serve connections:
    /// checking takes its time, and a full queue is waited for.
    pub(crate) async fn submit(&self, batch: Batch, done: Done) -> Result<(), CallError> {
        let place = self.0.writes.take().await?;
        let store = self.store().clone();
        let queued = self.0.metrics.queued();
        let done: Done = Box::new(move |outcome| {
            drop(queued);
            done(outcome);
        });
        let queued = tokio::task::spawn_blocking(move || {
            let _place = place;
            store.submit(batch, done);
        });
        queued.await.map_err(|error| CallError::Internal(error.to_string()))
    }

    /// Does something by hand to the store, off the threads that serve connections.
    /// It goes on to its end if the call is given up.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let place = self.0.writes.take().await?;
        let store = self.store().clone();
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&store)
        });
        done.await.unwrap_or_else(|error| Err(CallError::Internal(error.to_string())))
    }

    /// A place among the queries that run at once; waits for one.
    pub(crate) async fn query_place(&self) -> Result<Place, CallError> {
        self.0.queries.take().await
    }

    /// A place among the checks that run at once; does not wait for one.
    pub(crate) fn check_place(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let place = self.0.checks.clone().try_acquire_owned();
        place.map_err(|_| CallError::Overloaded { limit: "max_checks", most: MAX_CHECKS })
    }

    /// Waits until no query, no larger lookup and no batch on its way to the writing thread holds the store.
    pub(crate) async fn idle(&self) {
        let config = self.config();
        for (places, all) in [
            (&self.0.writes.free, config.max_writes),
            (&self.0.lookups.free, config.max_lookups),
            (&self.0.queries.free, config.max_queries),
        ] {
            // The configuration bounds these numbers far below `u32::MAX`.
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            drop(places.acquire_many(all).await);
        }
    }
}

/// The view that a read asks for, where `now` is the store as it is.
pub(crate) fn view(now: &Snapshot, reading: &Reading) -> Result<StoreView, CallError> {
    purpose_is_no_slip(now, reading)?;
    Ok(now.view(&reading.view)?)
}

/// Nobody needs to have said anything about a purpose. But one that is nearly
/// another is a slip, and would let everybody through.
pub(crate) fn purpose_is_no_slip(now: &Snapshot, reading: &Reading) -> Result<(), CallError> {
    /// How many letters may differ.
    const NEAR: usize = 2;
    let Some(purpose) = &reading.view.purpose else { return Ok(()) };
    let names = now.names();
    if names.attribute(&consent::attribute(purpose)).is_some() {
        return Ok(());
    }
    let known = names.attributes.iter().filter_map(consent::purpose);
    match known.map(|known| (strsim::osa_distance(known, purpose), known)).min() {
        Some((letters, near)) if letters <= NEAR => {
            let message =
                format!("nobody has said anything about the purpose `{purpose}`; did you mean `{near}`?");
            Err(FieldError::new("options.purpose", FieldFault::Malformed, message).into())
        }
        Some(_) | None => Ok(()),
    }
}

/// The places of one kind of work: as many as run at once, and a bounded number that wait.
struct Places {
    kind: &'static str,
    free: Arc<Semaphore>,
    /// Those that may wait.
    queue: Arc<Semaphore>,
    most_waiting: usize,
    metrics: Metrics,
}

/// A place among the work that runs.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

impl Places {
    fn new(kind: &'static str, all: usize, most_waiting: usize, metrics: &Metrics) -> Self {
        let (free, queue) = (Arc::new(Semaphore::new(all)), Arc::new(Semaphore::new(most_waiting)));
        Self { kind, free, queue, most_waiting, metrics: metrics.clone() }
    }

    /// A place; waits for one if not too many do already.
    async fn take(&self) -> Result<Place, CallError> {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let Ok(_waiting) = self.queue.try_acquire() else {
                    self.metrics.shed("max_waiting");
                    return Err(CallError::Overloaded { limit: "max_waiting", most: self.most_waiting });
                };
                let _held = self.metrics.waits(self.kind);
                self.free.clone().acquire_owned().await.map_err(|_| CallError::ShuttingDown)?
            }
        };
        Ok(Place { _permit: permit, _held: self.metrics.runs(self.kind) })
    }
}

/// Whether work has been called off.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Fails once the work has been called off.
    pub(crate) fn check(&self) -> Result<(), CallError> {
        if self.0.load(Ordering::Relaxed) { Err(CallError::Cancelled) } else { Ok(()) }
    }

    /// The flag itself, for work that looks at it.
    pub(crate) fn shared(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

/// What a search may read of a store.
pub(crate) struct Budget<'a> {
    cancel: &'a Cancel,
    most: u64,
    read: std::cell::Cell<u64>,
}

impl<'a> Budget<'a> {
    /// At most `most` rows, until it is called off.
    pub(crate) fn new(cancel: &'a Cancel, most: u64) -> Self {
        Self { cancel, most, read: std::cell::Cell::new(0) }
    }

    /// Counts a row; fails where it was one too many.
    pub(crate) fn spend(&self) -> Result<(), CallError> {
        self.cancel.check()?;
        self.read.set(self.read.get() + 1);
        if self.read.get() > self.most {
            return Err(CallError::Limit { name: "max_expansions", most: self.most });
        }
        Ok(())
    }
}

/// Calls its work off when it is dropped, as the future of a call is when its
/// client goes away or its deadline passes.
#[derive(Default)]
pub(crate) struct CancelOnDrop(Cancel);

impl CancelOnDrop {
    /// What the work looks at.
    pub(crate) fn flag(&self) -> Cancel {
        self.0.clone()
    }

    /// Calls the work off now.
    pub(crate) fn cancel(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// By when a call is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// When.
    pub(crate) at: Instant,
    /// How long that was from the start.
    pub(crate) after: Duration,
}

impl Deadline {
    /// The client's own deadline, or `limit` if that is sooner.
    pub(crate) fn of(metadata: &MetadataMap, limit: Duration) -> Result<Self, FieldError> {
        let after = match client_timeout(metadata)? {
            Some(timeout) => timeout.saturating_sub(head_start(timeout)).min(limit),
            None => limit,
        };
        Ok(Self { at: Instant::now() + after, after })
    }

    /// Runs `work` until the deadline.
    pub(crate) async fn bound<T>(
        self,
        hint: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let late = CallError::Deadline { after: self.after, hint };
        tokio::time::timeout_at(self.at, work).await.unwrap_or(Err(late))
    }
}

/// The transport answers an expired timeout with CANCELLED; ours has to come
/// before it, on a busy machine too: a tenth of the timeout, 3 to 20 ms.
fn head_start(timeout: Duration) -> Duration {
    (timeout / 10).clamp(Duration::from_millis(3), Duration::from_millis(20))
}

/// The client's timeout, as the gRPC protocol's `grpc-timeout` header gives it:
/// at most eight digits and a unit.
pub(crate) fn client_timeout(metadata: &MetadataMap) -> Result<Option<Duration>, FieldError> {
    let Some(header) = metadata.get("grpc-timeout") else {
        return Ok(None);
    };
    let malformed = || {
        FieldError::new(
            "grpc-timeout",
            FieldFault::Malformed,
            "the header is no timeout; expected one to eight digits and a unit of H, M, S, m, u or n",
        )
    };
    let text = header.to_str().map_err(|_| malformed())?;
    let Some((unit_at, unit)) = text.char_indices().next_back() else {
        return Err(malformed());
    };
    let digits = &text[..unit_at];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    match unit {
        'H' => Ok(Some(Duration::from_secs(number * 3_600))),
        'M' => Ok(Some(Duration::from_secs(number * 60))),
        'S' => Ok(Some(Duration::from_secs(number))),
        'm' => Ok(Some(Duration::from_millis(number))),
        'u' => Ok(Some(Duration::from_micros(number))),
        'n' => Ok(Some(Duration::from_nanos(number))),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header(text: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().unwrap());
        metadata
    }

    #[test]
    fn timeouts_read_as_the_protocol_writes_them() {
        assert_eq!(client_timeout(&MetadataMap::new()), Ok(None));
        for (text, millis) in [("2H", 7_200_000), ("3M", 180_000), ("4S", 4_000), ("99999999m", 99_999_999)] {
            assert_eq!(client_timeout(&header(text)), Ok(Some(Duration::from_millis(millis))), "{text}");
        }
        for bad in ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S"] {
            assert_eq!(client_timeout(&header(bad)).unwrap_err().field, "grpc-timeout", "{bad}");
        }
    }

    #[tokio::test]
    async fn the_sooner_deadline_counts() {
        let limit = Duration::from_secs(30);
        assert_eq!(Deadline::of(&MetadataMap::new(), limit).unwrap().after, limit);
        assert_eq!(Deadline::of(&header("1H"), limit).unwrap().after, limit);
        assert!(Deadline::of(&header("1S"), limit).unwrap().after < Duration::from_secs(1));
        let gone = Deadline::of(&header("0S"), limit).unwrap();
        let answer = gone.bound("", std::future::pending::<Result<(), CallError>>()).await;
        assert!(matches!(answer, Err(CallError::Deadline { .. })));
    }
}
