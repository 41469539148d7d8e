//! A store: a directory, its one writer, and any number of readers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, mpsc};
use std::time::{Duration, Instant};

use crate::bulk::{BulkError, BulkLoad, BulkOptions, Staged};
use crate::codec::{Counters, Hash128, LAYOUT_VERSION, RequestRow, StoredNames, Table, decode_value, hex};
use crate::model::{Catalogue, Names, Seq};
use crate::privacy::{Erased, Forget, ForgetReport, Proof, search};
use crate::read::{Read as _, ReadError, ReadResult};
use crate::rules::Rules;
use crate::schema::{Schema, SchemaError};
use crate::secret::{Hashed, Secret};
use crate::snapshot::{COUNTERS, NAMES, SCHEMA, STORED_SCHEMA, Snapshot, State, read_from};
use crate::storage::{Access, Database, Place, StorageOptions, View, Work};
use crate::watch::Watch;
use crate::write::{
    Act, ActError, ActReceipt, Authored, Batch, Done, Forgotten, NamedRequest, Overlay, Publish, Receipt,
    Reply, SchemaError as ChangeError, SchemaPlan, WriteError, Writer, check_author, prepare_act,
    prepare_forget, stored_names,
};

const KEY_FILE: &str = "kinfold.key";
const DATABASE: &str = "db";
const LAYOUT: &[u8] = b"layout";
const KEY_PROOF: &[u8] = b"key_proof";
/// Where a change of the schema stands that is begun and not finished.
pub(crate) const INTENT: &[u8] = b"intent";
/// Stands in the store while a bulk load is put into it.
pub(crate) const LOADING: &[u8] = b"loading";
/// Names the rows of an erasure until the files that may hold them are rewritten.
pub(crate) const ERASING: &[u8] = b"erasing";
/// How long an erasure waits for those who read an earlier state.
const READERS: Duration = Duration::from_secs(30);
/// Where a bulk load works, beside the database.
const WORKPLACE: &str = "loading";

/// A change of the schema that is begun.
#[derive(bincode::Encode, bincode::Decode)]
struct Intent {
    schema: String,
    author: String,
    reason: String,
}

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Open for reading only, as may be done while another process writes. What
    /// is read is the state at the moment of opening.
    pub read_only: bool,
    /// Settings of the storage.
    pub storage: StorageOptions,
}

/// Why a store could not be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no store in the directory.
    #[error("there is no store in `{path}`; make one with `kinfold init --store {path}`")]
    NotFound {
        /// The directory.
        path: String,
    },
    /// There is something in the directory already.
    #[error("`{path}` {what}; choose another directory or remove it")]
    Exists {
        /// The directory.
        path: String,
        /// What stands in the way.
        what: &'static str,
    },
    /// Another process writes to the store.
    #[error("the store in `{path}` is in use by another process; stop it, or ask it with `--server`")]
    InUse {
        /// The directory.
        path: String,
    },
    /// The store was written by a program that knows a later layout.
    #[error(
        "the store in `{path}` has layout {found}, this program reads layout {known}; use a newer program"
    )]
    NewerLayout {
        /// The directory.
        path: String,
        /// The store's layout.
        found: u32,
        /// The layout of this program.
        known: u32,
    },
    /// Creation of the store was not finished, or the database was taken away.
    #[error(
        "the store in `{path}` was never finished, or its database is gone; put the directory `db` back from a \
         backup, or, if nothing was ever loaded, remove `{path}` and make it again"
    )]
    Unfinished {
        /// The directory.
        path: String,
    },
    /// The store's key is missing or unreadable; without it no identifier can be found.
    #[error(
        "the key of the store, `{path}`, cannot be read: {error}; put it back from where it was copied to"
    )]
    Key {
        /// The key file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The key beside the store is not the one that it was made with.
    #[error(
        "`{path}` is not the key of the store, but of another store; put its own back from where it was copied to"
    )]
    OtherKey {
        /// The key file.
        path: String,
    },
    /// A change of the schema that was begun cannot be finished.
    #[error(
        "the store in `{path}` was left while its schema was changed, and that cannot be finished: {error}"
    )]
    Unfit {
        /// The directory.
        path: String,
        /// Why.
        error: Box<ChangeError>,
    },
    /// A bulk load into the store was not finished, or is being made.
    #[error(
        "a bulk load into the store in `{path}` is being made, or was stopped; open it for writing, as the same \
         import does, and what is there of it is taken away"
    )]
    Loading {
        /// The directory.
        path: String,
    },
    /// The stored schema does not parse.
    #[error("the stored schema does not parse: {0}")]
    Schema(SchemaError),
    /// The storage refuses to open, as it does when a file of it is damaged.
    #[error("the store in `{path}` cannot be opened: {error}")]
    Storage {
        /// The directory.
        path: String,
        /// What the storage says.
        error: String,
    },
    /// A file or directory cannot be made or read.
    #[error("`{path}`: {error}")]
    Io {
        /// The file or directory.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// What was read on opening is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a copy of a store was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something in the directory already.
    #[error("`{path}` is not empty; a copy is made in a directory of its own")]
    Exists {
        /// The directory.
        path: String,
    },
    /// A file or directory cannot be made.
    #[error("cannot make the copy in `{path}`: {error}")]
    Io {
        /// The directory.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// The storage cannot be copied.
    #[error("the storage cannot be copied: {0}")]
    Storage(String),
}

struct Inner {
    path: PathBuf,
    database: Database,
    secret: Arc<Secret>,
    state: RwLock<Arc<State>>,
    /// The committed sequence number, for those who wait for one.
    committed: Mutex<u64>,
    progress: Condvar,
    /// `None` when open for reading only, or closed.
    writer: RwLock<Option<Writer>>,
    read_only: bool,
    /// Held while something is erased: one erasure, with its proof, after another.
    erasing: Mutex<()>,
    /// Told how many observations each commit held.
    observer: OnceLock<Box<dyn Fn(u64) + Send + Sync>>,
}

impl Inner {
    fn publish(&self, state: Arc<State>) {
        let seq = state.counters.seq;
        if let Some(observer) = self.observer.get() {
            let before = self.state.read().unwrap_or_else(PoisonError::into_inner).counters.observations;
            observer(state.counters.observations.saturating_sub(before));
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        *lock(&self.committed) = seq;
        self.progress.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writer's way to the store; it does not keep the store open.
struct Publisher(std::sync::Weak<Inner>);

impl Publish for Publisher {
    fn publish(&self, state: Arc<State>) {
        if let Some(inner) = self.0.upgrade() {
            inner.publish(state);
        }
    }
}

/// An open store. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// Figures of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// The store's sequence number.
    pub seq: Seq,
    /// How many identifiers each namespace has.
    pub identifiers: Vec<(String, u64)>,
    /// How many links there are.
    pub links: u64,
    /// How many links are held back by a limit.
    pub held_back: u64,
    /// How many persons there are.
    pub persons: u64,
    /// How many households there are.
    pub households: u64,
    /// How many source records there are.
    pub records: u64,
    /// How many observations were applied.
    pub observations: u64,
    /// How many observations each source sent.
    pub sources: Vec<(String, u64)>,
    /// How many values were denied: source, namespace, count.
    pub denied: Vec<(String, String, u64)>,
    /// How many values were refused because they were forgotten: source, namespace, count.
    pub forgotten: Vec<(String, String, u64)>,
    /// Bytes that the sorted files take on disk.
    pub disk_bytes: u64,
}

impl Store {
    /// Makes a store in a directory that does not exist or is empty.
    pub fn create(path: &Path, schema: Schema) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let io = |error| OpenError::Io { path: shown(), error };
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if path.join(DATABASE).exists() {
                    return Err(OpenError::Exists { path: shown(), what: "holds a store" });
                }
                if entries.next().is_some() {
                    return Err(OpenError::Exists { path: shown(), what: "is not empty" });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(OpenError::Exists { path: shown(), what: "is a file" });
            }
            Err(error) => return Err(io(error)),
        }
        let secret = Secret::generate()
            .and_then(|secret| secret.save(&path.join(KEY_FILE)).map(|()| secret))
            .map_err(|error| OpenError::Key { path: path.join(KEY_FILE).display().to_string(), error })?;
        let database = Database::open(
            Place::Directory(&path.join(DATABASE)),
            Access::Create,
            &StorageOptions::default(),
        )
        .map_err(|error| OpenError::Storage { path: shown(), error })?;
        found(&database, &schema, &secret).map_err(|error| OpenError::Storage { path: shown(), error })?;
        Self::start(path, database, secret, false)
    }

    /// Makes a store that lives in memory and is gone when it is dropped: for
    /// tests and for trying things out.
    pub fn in_memory(schema: Schema) -> Result<Self, OpenError> {
        let path = Path::new("memory");
        let storage = |error| OpenError::Storage { path: path.display().to_string(), error };
        let secret =
            Secret::generate().map_err(|error| OpenError::Io { path: path.display().to_string(), error })?;
        let database =
            Database::open(Place::Memory, Access::Create, &StorageOptions::default()).map_err(storage)?;
        found(&database, &schema, &secret).map_err(storage)?;
        Self::start(path, database, secret, false)
    }

    /// Opens a store.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let database_path = path.join(DATABASE);
        if !database_path.is_dir() {
            return Err(if path.join(KEY_FILE).exists() {
                OpenError::Unfinished { path: shown() }
            } else {
                OpenError::NotFound { path: shown() }
            });
        }
        let key_path = path.join(KEY_FILE);
        let secret = Secret::load(&key_path)
            .map_err(|error| OpenError::Key { path: key_path.display().to_string(), error })?;
        let access = if options.read_only { Access::ReadOnly } else { Access::ReadWrite };
        let database =
            Database::open(Place::Directory(&database_path), access, &options.storage).map_err(|error| {
                // RocksDB has no code of its own for a lock that is held.
                if error.contains("lock hold") || error.contains("While lock file") {
                    OpenError::InUse { path: shown() }
                } else if error.contains("does not exist (create_if_missing is false)")
                    && !holds_rows(&database_path)
                {
                    OpenError::Unfinished { path: shown() }
                } else {
                    OpenError::Storage { path: shown(), error }
                }
            })?;
        Self::start(path, database, secret, options.read_only)
    }

    /// A store over an open database that holds one.
    fn start(path: &Path, database: Database, secret: Secret, read_only: bool) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let view = Arc::new(database.view()?);
        let layout: u32 = meta(&view, LAYOUT)?.ok_or_else(|| OpenError::Unfinished { path: shown() })?;
        if layout != LAYOUT_VERSION {
            return Err(OpenError::NewerLayout { path: shown(), found: layout, known: LAYOUT_VERSION });
        }
        let missing = |what: &str| ReadError::Corrupt {
            table: Table::Meta.name(),
            detail: format!("the row `{what}` is missing"),
        };
        let proof: Hash128 = meta(&view, KEY_PROOF)?.ok_or_else(|| missing("key_proof"))?;
        // Under another key no identifier would be found, and every write would make it a second time.
        if proof != secret.proof() {
            return Err(OpenError::OtherKey { path: path.join(KEY_FILE).display().to_string() });
        }
        let view = match meta::<bool>(&view, LOADING)? {
            None => view,
            Some(_) if read_only => return Err(OpenError::Loading { path: shown() }),
            Some(_) => {
                undo_load(&database).map_err(|error| OpenError::Storage { path: shown(), error })?;
                Arc::new(database.view()?)
            }
        };
        if !read_only && path.join(WORKPLACE).exists() {
            fs::remove_dir_all(path.join(WORKPLACE))
                .map_err(|error| OpenError::Io { path: path.join(WORKPLACE).display().to_string(), error })?;
        }
        let text: String = meta(&view, SCHEMA)?.ok_or_else(|| missing("schema"))?;
        let schema = Schema::parse(&text, STORED_SCHEMA).map_err(OpenError::Schema)?;
        let stored: StoredNames = meta(&view, NAMES)?.ok_or_else(|| missing("names"))?;
        let counters: Counters = meta(&view, COUNTERS)?.ok_or_else(|| missing("counters"))?;
        let names = Catalogue {
            namespaces: Names::from_iter(stored.namespaces),
            sources: Names::from_iter(stored.sources),
            kinds: Names::from_iter(stored.kinds),
            attributes: Names::from_iter(stored.attributes),
        };
        let secret = Arc::new(secret);
        let rules = Arc::new(Rules::new(&schema, &names));
        let seq = counters.seq;
        let state = Arc::new(State {
            view: read_from(view, &counters),
            schema: Arc::new(schema),
            names: Arc::new(names),
            rules,
            counters: Arc::new(counters),
            secret: Arc::clone(&secret),
        });
        let inner = Arc::new(Inner {
            path: path.to_owned(),
            database: database.clone(),
            secret: Arc::clone(&secret),
            state: RwLock::new(Arc::clone(&state)),
            committed: Mutex::new(seq),
            progress: Condvar::new(),
            writer: RwLock::new(None),
            read_only,
            erasing: Mutex::new(()),
            observer: OnceLock::new(),
        });
        let store = Self { inner: Arc::clone(&inner) };
        if !read_only {
            let intent: Option<Intent> = meta(&state.view, INTENT)?;
            let publish = Publisher(Arc::downgrade(&inner));
            let writer = Writer::start(database, state, secret, publish)
                .map_err(|error| OpenError::Io { path: shown(), error })?;
            *inner.writer.write().unwrap_or_else(PoisonError::into_inner) = Some(writer);
            if let Some(intent) = intent {
                store
                    .carry_out(intent)
                    .map_err(|error| OpenError::Unfit { path: shown(), error: Box::new(error) })?;
            }
        }
        Ok(store)
    }

    #[cfg(test)]
    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    /// The directory of the store.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The latest committed state.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { state: Arc::clone(&self.inner.state.read().unwrap_or_else(PoisonError::into_inner)) }
    }

    /// Writes a batch; returns when it is on disk and visible.
    pub fn observe(&self, batch: Batch) -> Result<Receipt, WriteError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(
            batch,
            Box::new(move |outcome| {
                // The receiver is waiting in this very call.
                let _ = sender.send(outcome);
            }),
        );
        receiver.recv().unwrap_or(Err(WriteError::Closed))
    }

    /// Queues a batch; `done` is called from the writing thread when it is on
    /// disk and visible, or from this one when it is refused at once. Blocks
    /// while too many wait.
    pub fn submit(&self, batch: Batch, done: Done) {
        if self.inner.read_only {
            return done(Err(WriteError::ReadOnly));
        }
        let schema = Arc::clone(&self.snapshot().state.schema);
        let writer = self.inner.writer.read().unwrap_or_else(PoisonError::into_inner);
        match writer.as_ref() {
            Some(writer) => writer.submit(batch, &schema, &self.inner.secret, done),
            None => done(Err(WriteError::Closed)),
        }
    }

    /// Does something in somebody's name: an override, or evidence withdrawn.
    pub fn act(&self, act: &Act, by: Authored) -> Result<ActReceipt, ActError> {
        self.act_once(None, act, by)
    }

    /// Does something in somebody's name, once for each request id: under the
    /// same id again, nothing is done and the receipt is that of the first time.
    /// An id that named something else is refused; so is one without 1 to
    /// [`MAX_NAME_BYTES`](crate::model::MAX_NAME_BYTES) bytes. An act that is refused leaves its id free.
    pub fn act_once(
        &self,
        request_id: Option<&str>,
        act: &Act,
        by: Authored,
    ) -> Result<ActReceipt, ActError> {
        let request = self.request_of(request_id, || format!("{act:?} {by:?}"))?;
        let schema = Arc::clone(&self.snapshot().state.schema);
        let act = prepare_act(act, by, &schema, &self.inner.secret)?;
        self.work(move |overlay| {
            match overlay.done_before(request.as_ref())? {
                Ok(None) => {}
                Ok(Some(Receipt { seq, accepted, .. })) => {
                    let changed = accepted > 0;
                    let events = if changed { overlay.events_of(seq.get())? } else { Vec::new() };
                    return Ok(Ok(ActReceipt { seq, changed, replayed: true, events }));
                }
                Err(reused) => return Ok(Err(ActError::Write(reused))),
            }
            let before = overlay.counters.seq;
            let done = overlay.act(&act)?;
            Ok(match done {
                Ok(changed) => {
                    let events = overlay.events_since(before)?;
                    let seq = Seq::new(overlay.counters.seq);
                    let receipt = Receipt { accepted: changed.into(), ..Receipt::of(seq) };
                    overlay.done_now(request.as_ref(), &receipt);
                    Ok(ActReceipt { seq, changed, replayed: false, events })
                }
                Err(refused) => Err(refused),
            })
        })
        .unwrap_or_else(|error| Err(ActError::Write(error)))
    }

    /// A request by hand, if it has an id.
    fn request_of(
        &self,
        request_id: Option<&str>,
        said: impl FnOnce() -> String,
    ) -> Result<Option<NamedRequest>, ActError> {
        let named = request_id.map(|id| NamedRequest::by_hand(id, &said(), &self.inner.secret));
        named.transpose().map_err(ActError::Write)
    }

    /// Erases identifiers, with all that is known of them now and was ever
    /// known, and proves that no file of the store holds them any more.
    ///
    /// What is erased is one atomic write. Then the files that may hold it are
    /// rewritten, and rows and files searched; this takes as long as it takes to
    /// read the store once. Readers of earlier states are waited for half a
    /// minute. Where the proof is not complete, or the process ended before it
    /// was, the same call makes it again: for identifiers that are forgotten
    /// already, only the proof is made. Copies of the store keep what they hold.
    ///
    /// A forgotten value is refused when it comes in again ([`Receipt::forgotten`]),
    /// until [`Act::Readmit`].
    pub fn forget(
        &self,
        request_id: Option<&str>,
        forget: &Forget,
        by: Authored,
    ) -> Result<ForgetReport, ActError> {
        let started = Instant::now();
        let request = self.request_of(request_id, || format!("{forget:?} {by:?}"))?;
        let prepared = prepare_forget(forget, by, &self.snapshot().state.schema, &self.inner.secret)?;
        let _alone = self.inner.erasing.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |error| ActError::Write(WriteError::Read(error));
        let unproven: Option<Vec<(u8, Vec<u8>)>> =
            meta(&self.snapshot().state.view, ERASING).map_err(read)?;
        let known = unproven.unwrap_or_default();
        let secret = Arc::clone(&self.inner.secret);
        let done = self.work(move |overlay| {
            match overlay.done_before(request.as_ref())? {
                Ok(None) => {}
                Ok(Some(Receipt { seq, accepted, .. })) => {
                    let values = overlay.forgotten_before(&prepared)?;
                    let events = if accepted > 0 { overlay.events_of(seq.get())? } else { Vec::new() };
                    return Ok(Ok((seq, true, Forgotten { values, ..Forgotten::default() }, events)));
                }
                Err(reused) => return Ok(Err(ActError::Write(reused))),
            }
            let before = overlay.counters.seq;
            let forgotten = match overlay.forget(&prepared, &secret)? {
                Ok(forgotten) => forgotten,
                Err(refused) => return Ok(Err(refused)),
            };
            let changed = overlay.counters.seq > before;
            if changed {
                overlay.erasing.extend(known);
            }
            let seq = Seq::new(overlay.counters.seq);
            let receipt = Receipt { accepted: changed.into(), ..Receipt::of(seq) };
            overlay.done_now(request.as_ref(), &receipt);
            let events = overlay.events_since(before)?;
            Ok(Ok((seq, false, forgotten, events)))
        });
        let (seq, replayed, Forgotten { erased, values }, events) =
            done.unwrap_or_else(|error| Err(ActError::Write(error)))?;
        let mut proof = self.prove(&values).map_err(ActError::Write)?;
        proof.took = started.elapsed();
        Ok(ForgetReport { seq, replayed, erased, events, proof })
    }

    /// Says what [`Store::forget`] would erase, and writes nothing.
    pub fn plan_forget(&self, forget: &Forget) -> Result<Erased, ActError> {
        let state = self.snapshot().state;
        let read = |error| ActError::Write(WriteError::Read(error));
        // It is kept nowhere.
        let nobody = Authored { author: "-".to_owned(), reason: "-".to_owned() };
        let prepared = prepare_forget(forget, nobody, &state.schema, &self.inner.secret)?;
        let mut overlay = Overlay::of(&state);
        Ok(overlay.forget(&prepared, &self.inner.secret).map_err(read)??.erased)
    }

    /// Rewrites the files that may hold what was erased, and searches all of them for the values.
    fn prove(&self, values: &[String]) -> Result<Proof, WriteError> {
        let database = &self.inner.database;
        let mut proof = Proof { in_memory: !database.is_on_disk(), ..Proof::default() };
        // What was kept of rows that are gone is served to nobody; it is not kept for long either.
        database.forget_recent();
        let unproven: Option<Vec<(u8, Vec<u8>)>> = meta(&database.view()?, ERASING)?;
        if let Some(rows) = unproven {
            let rewritten = database.rewrite_files(&rows, READERS).map_err(WriteError::Storage)?;
            proof.held = rewritten.held;
            proof.files_rewritten = rewritten.files;
            if !rewritten.held && rewritten.left.is_empty() {
                let mut batch = database.batch();
                batch
                    .delete_meta(ERASING)
                    .and_then(|()| database.write(batch))
                    .map_err(WriteError::Storage)?;
            }
            proof.files_left = rewritten.left;
        }
        let directory = database.is_on_disk().then_some(self.inner.path.as_path());
        search(values, &database.view()?, directory, &mut proof)?;
        Ok(proof)
    }

    /// Says what a schema would change in who is who, and writes nothing.
    pub fn plan_schema(&self, schema: &Schema) -> Result<SchemaPlan, ChangeError> {
        let state = self.snapshot().state;
        let read = |error| ChangeError::Write(WriteError::Read(error));
        let mut overlay = Overlay::of(&state);
        let nobody = Authored { author: String::new(), reason: String::new() };
        overlay.apply_schema(Arc::new(schema.clone()), &nobody).map_err(read)??;
        overlay.plan(&state.counters).map_err(read)
    }

    /// Puts a schema in force and resolves the store again under it, as
    /// [`Store::plan_schema`] said; returns what changed.
    ///
    /// It is one atomic write. What is intended is noted first: a store that
    /// crashes in the midst of it goes on when it is opened again.
    pub fn apply_schema(&self, schema: &Schema, by: Authored) -> Result<SchemaPlan, ChangeError> {
        check_author(&by).map_err(|error| ChangeError::Act(Box::new(error)))?;
        // Refused before anything is noted.
        let state = self.snapshot().state;
        Overlay::of(&state).check_schema(schema)?;
        let intent = Intent { schema: schema.text().to_owned(), author: by.author, reason: by.reason };
        let inner = &self.inner;
        let mut batch = inner.database.batch();
        if inner.read_only {
            return Err(ChangeError::Write(WriteError::ReadOnly));
        }
        batch
            .put_meta(INTENT, &intent)
            .and_then(|()| inner.database.write(batch))
            .map_err(|error| ChangeError::Write(WriteError::Storage(error)))?;
        self.carry_out(intent)
    }

    /// Does what was noted to be done to the schema.
    fn carry_out(&self, intent: Intent) -> Result<SchemaPlan, ChangeError> {
        let schema = Schema::parse(&intent.schema, STORED_SCHEMA)?;
        let by = Authored { author: intent.author, reason: intent.reason };
        self.work(move |overlay| {
            let before = overlay.counters.clone();
            overlay.intent_done = true;
            Ok(match overlay.apply_schema(Arc::new(schema), &by)? {
                Ok(()) => Ok(overlay.plan(&before)?),
                Err(refused) => Err(refused),
            })
        })
        .unwrap_or_else(|error| Err(ChangeError::Write(error)))
    }

    /// Resolves the whole store again from its links, overrides and schema. Ids
    /// stay; a store that is whole does not change.
    pub fn rebuild(&self) -> Result<SchemaPlan, WriteError> {
        self.work(|overlay| {
            let before = overlay.counters.clone();
            overlay.rebuild()?;
            overlay.plan(&before)
        })
    }

    /// Begins a bulk load, which a store takes that holds no identifiers yet.
    /// Nothing is in the store before the load is finished, and nothing else may be written meanwhile.
    pub fn bulk_load(&self, options: BulkOptions) -> Result<BulkLoad, BulkError> {
        if self.inner.read_only {
            return Err(WriteError::ReadOnly.into());
        }
        let state = self.snapshot().state;
        let directory = match self.inner.database.is_on_disk() {
            true => Some(self.inner.path.join(WORKPLACE)),
            false => None,
        };
        BulkLoad::begin(
            self.clone(),
            Arc::clone(&state.schema),
            Arc::clone(&self.inner.secret),
            (*state.names).clone(),
            (*state.counters).clone(),
            directory,
            options,
        )
    }

    /// Whether a bulk load can begin: no identifier was ever there. One in which
    /// all of them were forgotten takes none.
    pub fn takes_bulk_load(&self) -> bool {
        self.snapshot().state.counters.identifiers == 0
    }

    /// Puts a bulk load into the store, if nothing was written since `before`;
    /// returns how many links are held back.
    pub(crate) fn load(&self, staged: Staged, before: Counters) -> Result<u64, BulkError> {
        let database = self.inner.database.clone();
        self.work(move |overlay| {
            if overlay.counters != before {
                return Ok(Err(BulkError::Changed));
            }
            match overlay.load(&database, staged) {
                Ok(()) => Ok(Ok(overlay.counters.held_back)),
                Err(error) => {
                    // Where even that fails, the mark stands and the store is mended when it is opened.
                    undo_load(&database).map_err(ReadError::Storage)?;
                    Err(error)
                }
            }
        })?
    }

    /// Has the writing thread do something, and waits until it is on disk.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Overlay) -> ReadResult<T> + Send + 'static,
    ) -> Result<T, WriteError> {
        if self.inner.read_only {
            return Err(WriteError::ReadOnly);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let taken = {
            let writer = self.inner.writer.read().unwrap_or_else(PoisonError::into_inner);
            let Some(writer) = writer.as_ref() else { return Err(WriteError::Closed) };
            writer.submit_work(move |overlay| {
                let (answer, applied) = match work(overlay) {
                    Ok(answer) => (Some(answer), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                let reply: Reply = Box::new(move |committed: Result<(), WriteError>| {
                    // The receiver is waiting in this very call.
                    let _ = sender.send(committed.map(|()| answer));
                });
                (reply, applied)
            })
        };
        if !taken {
            return Err(WriteError::Closed);
        }
        match receiver.recv() {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) | Err(_) => Err(WriteError::Closed),
        }
    }

    /// Follows the changes to who is who from the write `from` on.
    pub fn watch(&self, from: Seq) -> Watch {
        self.watch_at(from, 0)
    }

    /// Follows the changes to who is who from the event at a place on: that of
    /// the write `from` with this index, or the first behind it.
    pub fn watch_at(&self, from: Seq, index: u32) -> Watch {
        Watch::new(self.clone(), from, index)
    }

    /// Waits until no links wait for a cut; says whether none do.
    pub fn wait_resolved(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let state = self.snapshot().state;
            if state.counters.due == 0 {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.wait_for(Seq::new(state.counters.seq + 1), left) {
                return false;
            }
        }
    }

    /// What became of an earlier request: the places of the observations that
    /// it refused, or `None` if there was no such request.
    pub fn applied(&self, request_id: &str) -> ReadResult<Option<Vec<u32>>> {
        let key = self.inner.secret.hash(Hashed::RequestId, request_id.as_bytes());
        let row = self.snapshot().state.view.get::<RequestRow>(key)?;
        Ok(row.map(|row| row.rejected.iter().map(|rejection| rejection.index).collect()))
    }

    /// Waits until the write with this sequence number is visible; says whether it is.
    pub fn wait_for(&self, seq: Seq, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut committed = lock(&self.inner.committed);
        while *committed < seq.get() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            committed =
                self.inner.progress.wait_timeout(committed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The store's figures now.
    pub fn stats(&self) -> ReadResult<Stats> {
        let snapshot = self.snapshot();
        let counters = &snapshot.state.counters;
        let names = snapshot.names();
        let by_name = |names: &Names, counts: &[u64]| {
            names
                .iter()
                .enumerate()
                .map(|(at, name)| (name.to_owned(), counts.get(at).copied().unwrap_or(0)))
                .collect()
        };
        let by_source = |counts: &[(u16, u16, u64)]| {
            counts
                .iter()
                .map(|(source, namespace, count)| {
                    let source = names.source_name(crate::model::SourceId::new(*source));
                    let namespace = names.namespace_name(crate::model::NamespaceId::new(*namespace));
                    (source.to_owned(), namespace.to_owned(), *count)
                })
                .collect()
        };
        Ok(Stats {
            seq: Seq::new(counters.seq),
            identifiers: by_name(&names.namespaces, &counters.by_namespace),
            links: counters.links,
            held_back: counters.held_back,
            persons: counters.persons,
            households: counters.households,
            records: counters.records,
            observations: counters.observations,
            sources: by_name(&names.sources, &counters.by_source),
            denied: by_source(&counters.denied),
            forgotten: by_source(&counters.forgotten.0),
            disk_bytes: self.inner.database.disk_bytes(),
        })
    }

    /// Makes a copy of the store, as it is now, in a directory that is not there
    /// yet or is empty. Reads and writes go on meanwhile. Where the two are on one
    /// file system the sorted files are not copied but linked, so that it takes
    /// little time and room. The copy holds the store's key: keep it as safe as the store.
    ///
    /// Returns the sequence number up to which the copy holds everything; it may
    /// hold some writes more.
    pub fn backup(&self, to: &Path) -> Result<Seq, BackupError> {
        let io = |error| BackupError::Io { path: to.display().to_string(), error };
        match fs::read_dir(to) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(BackupError::Exists { path: to.display().to_string() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(to).map_err(io)?,
            Err(error) => return Err(io(error)),
        }
        let seq = self.snapshot().seq();
        // The database comes last: a directory without one is no store, and says so.
        self.inner.secret.save(&to.join(KEY_FILE)).map_err(io)?;
        self.inner.database.checkpoint(&to.join(DATABASE)).map_err(BackupError::Storage)?;
        Ok(seq)
    }

    /// Rewrites all sorted files, so that what was deleted or overwritten takes no
    /// room any more. Reads and writes go on meanwhile, slower. Returns how many
    /// bytes the files took before and take now.
    pub fn compact(&self) -> Result<(u64, u64), WriteError> {
        if self.inner.read_only {
            return Err(WriteError::ReadOnly);
        }
        let before = self.inner.database.disk_bytes();
        self.inner.database.compact().map_err(WriteError::Storage)?;
        Ok((before, self.inner.database.disk_bytes()))
    }

    /// Has `observer` told of every commit how many observations shared it, from the
    /// writing thread: it must not wait. Only the first that is given is told.
    pub fn observe_commits(&self, observer: impl Fn(u64) + Send + Sync + 'static) {
        // One is enough.
        let _ = self.inner.observer.set(Box::new(observer));
    }

    /// Figures of the storage by name, for whoever watches it; none of a store in memory.
    pub fn storage_figures(&self) -> Vec<(&'static str, u64)> {
        self.inner.database.figures()
    }

    /// A keyed hash of a text, 32 hexadecimal digits: a name that nobody without
    /// the store's key leads back to the text, and that is the same every time.
    pub fn pseudonym(&self, text: &str) -> String {
        hex(&self.inner.secret.hash(Hashed::Pseudonym, text.as_bytes()))
    }

    /// How much has been read and written since the store was opened.
    pub fn work_done(&self) -> Work {
        self.inner.database.work()
    }

    /// Lets queued writes finish and closes the store for writing. Readers that
    /// hold a snapshot may go on.
    pub fn close(&self) -> Result<(), WriteError> {
        let writer = self.inner.writer.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.stop();
            self.inner.database.close().map_err(WriteError::Storage)?;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            writer.stop();
        }
    }
}

/// Whether there are files that no unfinished store has: rows, be it sorted or in a log.
fn holds_rows(database: &Path) -> bool {
    fs::read_dir(database).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let path = entry.path();
            let is = |extension: &str| path.extension().is_some_and(|it| it == extension);
            is("sst") || is("log") && entry.metadata().is_ok_and(|about| about.len() > 0)
        })
    })
}

/// Writes the rows that make an empty database a store.
fn found(database: &Database, schema: &Schema, secret: &Secret) -> Result<(), String> {
    let mut names = Catalogue::default();
    for (name, _) in schema.declared() {
        names.add_namespace(name).map_err(|full| full.to_string())?;
    }
    let mut batch = database.batch();
    batch.put_meta(SCHEMA, &schema.text().to_owned())?;
    batch.put_meta(NAMES, &stored_names(&names))?;
    batch.put_meta(COUNTERS, &Counters::default())?;
    batch.put_meta(KEY_PROOF, &secret.proof())?;
    // The layout comes with the rest in one batch: a store without it was never finished.
    batch.put_meta(LAYOUT, &LAYOUT_VERSION)?;
    database.write(batch)
}

/// Takes away what a bulk load has put into a store that was empty before it.
pub(crate) fn undo_load(database: &Database) -> Result<(), String> {
    // What was kept of the store's own schema, and its writes, were there before.
    let is_its = |table: &&Table| !matches!(table, Table::Meta | Table::Writes | Table::Requests);
    for table in Table::ALL.iter().filter(is_its) {
        let after_meta: &[u8] = if *table == Table::Past { &[Table::Meta as u8 + 1] } else { &[] };
        database.clear(*table, after_meta)?;
    }
    let mut batch = database.batch();
    batch.delete_meta(LOADING)?;
    database.write(batch)
}

fn meta<T: bincode::Decode<()>>(view: &View, key: &[u8]) -> ReadResult<Option<T>> {
    view.get_raw(Table::Meta, key)?
        .map(|bytes| decode_value(Table::Meta, key, &bytes))
        .transpose()
        .map_err(|bad| crate::storage::bad_value(Table::Meta, bad))
}
