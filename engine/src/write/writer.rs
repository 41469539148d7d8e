//! The one thread that writes. Requests that wait together share a batch and a sync.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::overlay::Overlay;
use super::prepare::{Prepared, prepare};
use super::requests::NamedRequest;
use super::{Batch, MAX_BATCH, Receipt, Rejection, WriteError};
use crate::codec::StoredNames;
use crate::model::{Seq, Timestamp};
use crate::read::ReadError;
use crate::schema::Schema;
use crate::secret::{Hashed, Secret};
use crate::snapshot::{State, read_from};
use crate::storage::Database;
use crate::store::undo_load;

/// How many requests may wait; a caller with one more waits itself.
const QUEUE: usize = 1_024;
/// How many observations share a sync at most.
const GROUP_OBSERVATIONS: usize = 8_192;

/// How long nothing must come in before what waits for a cut is cut.
const IDLE: Duration = Duration::from_millis(20);

/// What is called with the outcome of a batch, once it is on disk.
pub type Done = Box<dyn FnOnce(Result<Receipt, WriteError>) + Send>;

/// What waits for the writing thread.
enum Request {
    Batch {
        checked: Checked,
        done: Done,
    },
    /// Something else that changes the store.
    Work(Job),
}

/// Changes the store; an error means that what it had to read is damaged.
type Job = Box<dyn FnOnce(&mut Overlay) -> (Reply, Result<(), ReadError>) + Send>;

/// What is called once it is known whether the commit succeeded.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

/// The writing thread and the way to it.
pub(crate) struct Writer {
    queue: SyncSender<Request>,
    thread: JoinHandle<()>,
}

/// What the writer tells the rest of the process.
pub(crate) trait Publish: Send + 'static {
    /// A new state is committed.
    fn publish(&self, state: Arc<State>);
}

impl Writer {
    pub(crate) fn start(
        database: Database,
        state: Arc<State>,
        secret: Arc<Secret>,
        publish: impl Publish,
    ) -> std::io::Result<Self> {
        let (queue, requests) = mpsc::sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("kinfold-writer".to_owned()).spawn(move || {
            Work {
                database,
                state,
                secret,
                publish,
                overlay: None,
                last_cut: None,
                stuck: false,
                broken: false,
            }
            .run(&requests);
        })?;
        Ok(Self { queue, thread })
    }

    /// Lets what waits finish, then ends the thread.
    pub(crate) fn stop(self) {
        drop(self.queue);
        // The last owner of the store may let go of it in a callback of this very thread.
        if self.thread.thread().id() == std::thread::current().id() {
            return;
        }
        // A panic of the thread was reported when it happened; there is nothing left to save here.
        let _ = self.thread.join();
    }

    /// Checks a batch and queues it; blocks while the queue is full.
    pub(crate) fn submit(&self, batch: Batch, schema: &Arc<Schema>, secret: &Secret, done: Done) {
        match check(batch, schema, secret) {
            Err(error) => done(Err(error)),
            Ok(checked) => {
                if let Err(mpsc::SendError(Request::Batch { done, .. })) =
                    self.queue.send(Request::Batch { checked, done })
                {
                    done(Err(WriteError::Closed));
                }
            }
        }
    }

    /// Queues `work` on the state of the store; says whether the thread takes it.
    ///
    /// The reply that `work` gives is called after the commit. An error means
    /// that what it had to read is damaged, and nothing of the commit stays.
    pub(crate) fn submit_work(
        &self,
        work: impl FnOnce(&mut Overlay) -> (Reply, Result<(), ReadError>) + Send + 'static,
    ) -> bool {
        self.queue.send(Request::Work(Box::new(work))).is_ok()
    }
}

/// A batch whose observations were checked.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) request: Option<NamedRequest>,
    pub(crate) observations: Vec<Prepared>,
    pub(crate) rejected: Vec<Rejection>,
    pub(crate) denied: u32,
    /// What it was checked against.
    schema: Arc<Schema>,
}

fn check(batch: Batch, schema: &Arc<Schema>, secret: &Secret) -> Result<Checked, WriteError> {
    let content = batch
        .request_id
        .is_some()
        .then(|| secret.hash(Hashed::RequestContent, format!("{:?}", batch.observations).as_bytes()));
    let mut checked = check_unhashed(batch, schema, secret)?;
    if let (Some(request), Some(content)) = (&mut checked.request, content) {
        request.set_content(content);
    }
    Ok(checked)
}

/// As [`check`], for a request whose id names its content.
pub(crate) fn check_unhashed(
    batch: Batch,
    schema: &Arc<Schema>,
    secret: &Secret,
) -> Result<Checked, WriteError> {
    if batch.observations.len() > MAX_BATCH {
        return Err(WriteError::TooLarge { given: batch.observations.len() });
    }
    let request = batch.request_id.map(|id| NamedRequest::named_by_id(&id, secret)).transpose()?;
    let mut checked = Checked {
        request,
        observations: Vec::new(),
        rejected: Vec::new(),
        denied: 0,
        schema: Arc::clone(schema),
    };
    for (index, observation) in batch.observations.into_iter().enumerate() {
        match prepare(index as u32, observation, schema, secret) {
            Ok(prepared) => {
                checked.denied += prepared.denied.len() as u32;
                checked.observations.push(prepared);
            }
            Err(rejection) => checked.rejected.push(rejection),
        }
    }
    Ok(checked)
}

struct Work<P> {
    database: Database,
    state: Arc<State>,
    secret: Arc<Secret>,
    publish: P,
    overlay: Option<Overlay>,
    last_cut: Option<LastCut>,
    /// The last cut failed; it is not tried again until the store is opened anew.
    stuck: bool,
    /// A load that failed could not be taken back: nothing may be written on top of it.
    broken: bool,
}

/// How long the last cut of what waited took, and when it was made.
struct LastCut {
    at: Instant,
    took: Duration,
}

impl<P: Publish> Work<P> {
    fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let next = match self.until_cut() {
                None => requests.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => requests.recv_timeout(wait),
            };
            match next {
                Ok(first) => self.group(first, requests),
                Err(RecvTimeoutError::Timeout) => self.cut_due(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.is_overdue() {
                self.cut_due();
            }
        }
    }

    /// Applies what waits together, commits it in one batch, and replies.
    fn group(&mut self, first: Request, requests: &Receiver<Request>) {
        let mut replies: Vec<Reply> = Vec::new();
        let mut observations = 0;
        let mut next = Some(first);
        let mut failed = None;
        while let Some(request) = next.take() {
            if self.broken {
                let text = "a bulk load could not be undone; open the store again".to_owned();
                failed = Some(WriteError::Storage(text));
            }
            let (reply, applied) = match request {
                Request::Batch { checked, done } => {
                    observations += checked.observations.len();
                    self.apply_batch(checked, done)
                }
                Request::Work(work) => {
                    let overlay = self.overlay();
                    overlay.now = Timestamp::now();
                    let (reply, applied) = work(overlay);
                    (reply, applied.and_then(|()| self.overlay().end_write()))
                }
            };
            replies.push(reply);
            if let Err(error) = applied {
                // What the write had to read is damaged: nothing of the group may stay.
                failed = Some(WriteError::Read(error));
                break;
            }
            if observations < GROUP_OBSERVATIONS {
                next = requests.try_recv().ok();
            }
        }
        let loaded = self.overlay.as_ref().is_some_and(|overlay| overlay.loaded);
        let committed = match failed {
            Some(error) => Err(error),
            None => self.commit(),
        };
        if committed.is_err() {
            self.overlay = None;
            // What was loaded in bulk stands in the tables already.
            self.broken |= loaded && undo_load(&self.database).is_err();
        }
        for reply in replies {
            reply(committed.clone());
        }
    }

    fn apply_batch(&mut self, checked: Checked, done: Done) -> (Reply, Result<(), ReadError>) {
        match self.apply(checked) {
            Ok(outcome) => (Box::new(move |committed| done(committed.and(outcome))), Ok(())),
            Err(error) => {
                let told = WriteError::Read(error.clone());
                (Box::new(move |_| done(Err(told))), Err(error))
            }
        }
    }

    /// How long until what waits for a cut may be cut; `None` where nothing waits.
    ///
    /// Cuts take at most a tenth of the time, so that what comes in meanwhile
    /// shares one.
    fn until_cut(&self) -> Option<Duration> {
        if self.state.counters.due == 0 || self.stuck {
            return None;
        }
        let pause = self
            .last_cut
            .as_ref()
            .map_or(Duration::ZERO, |last| (last.took * 9).saturating_sub(last.at.elapsed()));
        Some(pause.max(IDLE))
    }

    /// Whether so much waits for a cut that it is made even though more is coming in.
    fn is_overdue(&self) -> bool {
        let rested = self.last_cut.as_ref().is_none_or(|last| last.at.elapsed() > last.took * 9);
        self.state.counters.due as usize > self.state.rules.inline_limit && rested && !self.stuck
    }

    /// Cuts what waits for it.
    fn cut_due(&mut self) {
        let started = Instant::now();
        let overlay = self.overlay();
        overlay.now = Timestamp::now();
        let settled = overlay.settle_due().and_then(|()| overlay.end_write());
        let committed = settled.map_err(WriteError::Read).and_then(|()| self.commit());
        if committed.is_err() {
            // Persons stay as they are and pending; a write that meets the damage reports it.
            self.overlay = None;
            self.stuck = true;
        }
        self.last_cut = Some(LastCut { at: Instant::now(), took: started.elapsed() });
    }

    fn overlay(&mut self) -> &mut Overlay {
        let state = &self.state;
        self.overlay.get_or_insert_with(|| Overlay::of(state))
    }

    /// Applies one request to the overlay. The outer error is damage; the inner one refuses the request.
    fn apply(&mut self, checked: Checked) -> Result<Result<Receipt, WriteError>, ReadError> {
        let Checked { request, mut observations, mut rejected, mut denied, schema } = checked;
        let overlay = self.overlay();
        overlay.now = Timestamp::now();
        match overlay.done_before(request.as_ref())? {
            Ok(None) => {}
            Ok(Some(receipt)) => return Ok(Ok(receipt)),
            Err(reused) => return Ok(Err(reused)),
        }
        if !Arc::ptr_eq(&schema, &overlay.schema) {
            // The schema changed while the batch waited; what it denies now stays out.
            denied += observations.iter_mut().map(|seen| seen.deny(&overlay.schema)).sum::<u32>();
        }
        let mut accepted = 0;
        overlay.refused = 0;
        let mut links = BTreeSet::new();
        for observation in &observations {
            match overlay.observe(observation)? {
                Ok(spoken_of) => {
                    accepted += 1;
                    links.extend(spoken_of);
                }
                Err(rejection) => rejected.push(rejection),
            }
        }
        // Counted at the end: what one observation joined a later one may have put back.
        let held_back = overlay.count_held(&links)?;
        rejected.sort_by_key(|rejection| rejection.index);
        let seq = Seq::new(overlay.counters.seq);
        let forgotten = overlay.refused;
        let receipt = Receipt { seq, replayed: false, accepted, denied, forgotten, rejected, held_back };
        overlay.done_now(request.as_ref(), &receipt);
        overlay.end_write()?;
        Ok(Ok(receipt))
    }

    /// Writes what the overlay holds and publishes the new state.
    fn commit(&mut self) -> Result<(), WriteError> {
        let Some(overlay) = &mut self.overlay else { return Ok(()) };
        let mut batch = self.database.batch();
        let storage = WriteError::Storage;
        overlay.flush(&mut batch).map_err(storage)?;
        batch.put_meta(crate::snapshot::COUNTERS, &overlay.counters).map_err(storage)?;
        for (since, before) in &overlay.schemas_before {
            batch.put_schema(*since, before.text(), overlay.schema.text()).map_err(storage)?;
        }
        if std::mem::take(&mut overlay.intent_done) {
            batch.delete_meta(crate::store::INTENT).map_err(storage)?;
        }
        if std::mem::take(&mut overlay.loaded) {
            batch.delete_meta(crate::store::LOADING).map_err(storage)?;
        }
        let erasing = std::mem::take(&mut overlay.erasing);
        if !erasing.is_empty() {
            batch.put_meta(crate::store::ERASING, &Vec::from_iter(erasing)).map_err(storage)?;
        }
        if overlay.names_changed {
            batch.put_meta(crate::snapshot::NAMES, &stored_names(&overlay.names)).map_err(storage)?;
        }
        self.database.write(batch).map_err(storage)?;
        let view = Arc::new(self.database.view()?);
        let names = if overlay.names_changed {
            Arc::new(overlay.names.clone())
        } else {
            Arc::clone(&self.state.names)
        };
        self.state = Arc::new(State {
            view: read_from(Arc::clone(&view), &overlay.counters),
            schema: Arc::clone(&overlay.schema),
            names,
            rules: Arc::clone(&overlay.rules),
            counters: Arc::new(overlay.counters.clone()),
            secret: Arc::clone(&self.secret),
        });
        overlay.settle(view);
        self.publish.publish(Arc::clone(&self.state));
        Ok(())
    }
}

pub(crate) fn stored_names(names: &crate::model::Catalogue) -> StoredNames {
    let list = |names: &crate::model::Names| names.iter().map(str::to_owned).collect();
    StoredNames {
        namespaces: list(&names.namespaces),
        sources: list(&names.sources),
        kinds: list(&names.kinds),
        attributes: list(&names.attributes),
    }
}
