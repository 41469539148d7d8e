//! Loading much into a store that holds nothing yet, far faster than by writing it.
//!
//! Observations are taken in one after another and put aside by number
//! (`intake`), sorted (`sorter`) and gathered into links (`links`). Then one run
//! through them in the order in which they came (`timeline`) tells who every
//! person and household is, and which ids they got, as if each observation had
//! been written by itself: a union-find, since without limits and shared
//! identifiers persons only grow together. The rows of all tables are written
//! in the order of their keys (`tables`) and taken in by the storage at once.
//!
//! Where a limit breaks or an identifier is shared, at any time, ids depend on
//! all that was ever joined and parted. What hangs together with such a place is
//! set apart and written one observation after another, as a stream would be.
//!
//! The result is the same as that of the stream: identifiers with their
//! numbers, links, persons and households with their ids and their age. Only
//! events are fewer: each person and household appears whole.
//!
//! Memory: about 60 bytes an identifier, and what `BulkOptions` grants for the
//! rest; more than that is kept in files. Work: O(n log n) for n pairs.

mod intake;
mod links;
mod log;
mod sorter;
mod tables;
mod timeline;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use log::Logged;

use hashbrown::HashMap;
use intake::Intake;
use links::Crossings;
use tables::Rows;
use timeline::{Apart, Timeline};

use crate::codec::{Counters, Hash128, RequestRow};
use crate::dense::Bits;
use crate::model::{Catalogue, IdentifierId, NamespaceId, Timestamp};
use crate::read::{ReadError, ReadResult};
use crate::rules::Rules;
use crate::schema::Schema;
use crate::secret::Secret;
use crate::storage::{SortedRows, Staging};
use crate::store::Store;
use crate::write::{Batch, Checked, Receipt, WriteError, check_unhashed, replayed};

/// How a bulk load uses the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkOptions {
    /// Memory for what is loaded, in bytes; what is beyond it is kept in files
    /// beside the store. The tables of identifiers stay in memory whatever it says.
    pub memory_bytes: usize,
    /// How many threads write rows.
    pub threads: usize,
}

impl Default for BulkOptions {
    /// 2 GiB, and as many threads as the machine has.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_bytes: 2 << 30, threads }
    }
}

/// Why a bulk load was not made. Nothing of it is in the store.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The store holds something already.
    #[error(
        "the store has had {identifiers} identifiers already; a bulk load needs one that never had any: write to it \
         as a stream, or load into a new store"
    )]
    NotEmpty {
        /// How many identifiers it holds.
        identifiers: u32,
    },
    /// Something was written to the store while the load ran.
    #[error("the store was written to while the bulk load ran; run it again")]
    Changed,
    /// A file of the load could not be made or read.
    #[error("the bulk load needs room beside the store: {0}")]
    Io(#[from] io::Error),
    /// The write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<String> for BulkError {
    fn from(error: String) -> Self {
        Self::Write(WriteError::Storage(error))
    }
}

impl From<ReadError> for BulkError {
    fn from(error: ReadError) -> Self {
        Self::Write(WriteError::Read(error))
    }
}

/// What a bulk load has done. When it is returned, everything is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkReceipt {
    /// The store's sequence number with the load.
    pub seq: crate::model::Seq,
    /// How many observations went in.
    pub observations: u64,
    /// How many of them were written one after another, for what hangs together
    /// with an identifier that was shared or a limit that was broken.
    pub one_by_one: u64,
    /// How many links are held back by a limit.
    pub held_back: u64,
}

/// Checks batches for a load; works on any number of threads at once.
#[derive(Clone, Debug)]
pub struct BulkChecker {
    schema: Arc<Schema>,
    secret: Arc<Secret>,
}

/// A batch that was checked for a load.
#[derive(Debug)]
pub struct CheckedBatch(Checked);

impl BulkChecker {
    /// Checks a batch as a write does, but for its request id: that must name
    /// the content, since it is all by which the batch is known again.
    pub fn check(&self, batch: Batch) -> Result<CheckedBatch, WriteError> {
        check_unhashed(batch, &self.schema, &self.secret).map(CheckedBatch)
    }
}

/// A load that is being made. Nothing is in the store before [`BulkLoad::finish`].
pub struct BulkLoad {
    store: Store,
    options: BulkOptions,
    schema: Arc<Schema>,
    checker: BulkChecker,
    intake: Intake,
    requests: HashMap<Hash128, RequestRow>,
    before: Counters,
    workplace: Workplace,
}

/// The directory that a load works in; gone when the load is.
#[derive(Debug)]
struct Workplace(Option<PathBuf>);

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Some(directory) = &self.0 {
            // What is left is taken away when the store is opened again.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// What the writing thread puts into the store.
pub(crate) struct Staged {
    pub(crate) rows: Vec<SortedRows>,
    pub(crate) names: Option<Catalogue>,
    /// After the rows are in; their sequence number is that of before.
    pub(crate) counters: Counters,
    /// The sequence number of the load itself.
    pub(crate) seq: u64,
    pub(crate) now: Timestamp,
    pub(crate) requests: HashMap<Hash128, RequestRow>,
    pub(crate) one_by_one: OneByOne,
}

/// Gives the namespace and the value of an identifier of a load.
pub(crate) type Naming<'n> = dyn Fn(IdentifierId) -> ReadResult<(NamespaceId, String)> + 'n;

/// The observations that are written one after another.
pub(crate) struct OneByOne {
    intake: Intake,
    apart: Apart,
    before: u64,
}

impl OneByOne {
    /// How many there are.
    fn len(&self) -> u64 {
        self.apart.observations.len()
    }

    /// Calls `write` with the sequence number of each, itself, and a way to name its identifiers.
    pub(crate) fn each(
        &self,
        mut write: impl FnMut(u64, &Logged, &Naming<'_>) -> ReadResult<()>,
    ) -> ReadResult<()> {
        if self.apart.observations.is_empty() {
            return Ok(());
        }
        let failed = |error: io::Error| ReadError::Storage(error.to_string());
        let name = |id: IdentifierId| {
            let namespace = self.intake.sightings.namespace(id.get());
            let value = self.intake.values.get(id.get(), &mut Vec::new()).map_err(failed)?;
            Ok((namespace, value))
        };
        let mut reader = self.intake.log.iter().map_err(failed)?;
        let mut seen = Logged::blank();
        let mut place = 0;
        while reader.next_into(&mut seen).map_err(failed)? {
            if self.apart.observations.has(place) {
                write(self.before + 1 + u64::from(place), &seen, &name)?;
            }
            place += 1;
        }
        Ok(())
    }
}

impl BulkLoad {
    pub(crate) fn begin(
        store: Store,
        schema: Arc<Schema>,
        secret: Arc<Secret>,
        names: Catalogue,
        before: Counters,
        directory: Option<PathBuf>,
        options: BulkOptions,
    ) -> Result<Self, BulkError> {
        if before.identifiers > 0 {
            return Err(BulkError::NotEmpty { identifiers: before.identifiers });
        }
        if let Some(directory) = &directory {
            match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => fs::create_dir(directory)?,
            }
        }
        let intake = Intake::new(names, before.clone(), &options, directory.clone());
        let checker = BulkChecker { schema: Arc::clone(&schema), secret };
        let workplace = Workplace(directory);
        Ok(Self { store, options, schema, checker, intake, requests: HashMap::new(), before, workplace })
    }

    /// What checks batches for this load.
    pub fn checker(&self) -> BulkChecker {
        self.checker.clone()
    }

    /// Checks a batch and takes it in.
    pub fn add(&mut self, batch: Batch) -> Result<Receipt, BulkError> {
        let checked = self.checker.check(batch)?;
        self.take(checked)
    }

    /// Takes a batch in behind those before it. The receipt says what will be
    /// in the store when the load is finished; links that are held back are counted then.
    pub fn take(&mut self, checked: CheckedBatch) -> Result<Receipt, BulkError> {
        let Checked { request, observations, mut rejected, denied, .. } = checked.0;
        if let Some(known) = request.as_ref().and_then(|request| self.requests.get(&request.key)) {
            return Ok(replayed(known));
        }
        let mut accepted = 0;
        for observation in &observations {
            match self.intake.take(observation)? {
                Ok(()) => accepted += 1,
                Err(rejection) => rejected.push(rejection),
            }
        }
        rejected.sort_by_key(|rejection| rejection.index);
        let seq = crate::model::Seq::new(self.before.seq + u64::from(self.intake.log.len()));
        let receipt = Receipt { accepted, denied, rejected, ..Receipt::of(seq) };
        if let Some(request) = request {
            self.requests.insert(request.key, request.row(&receipt));
        }
        Ok(receipt)
    }

    /// Resolves everything and puts it into the store, at once.
    pub fn finish(mut self) -> Result<BulkReceipt, BulkError> {
        let store = self.store.clone();
        let before = self.before.clone();
        let staged = self.stage()?;
        let (seq, observations) = (crate::model::Seq::new(staged.seq), staged.seq - before.seq - 1);
        let one_by_one = staged.one_by_one.len();
        let held_back = store.load(staged, before)?;
        Ok(BulkReceipt { seq, observations, one_by_one, held_back })
    }

    /// Resolves everything that was taken in, and makes the rows for it.
    fn stage(&mut self) -> Result<Staged, BulkError> {
        let Self { options, schema, intake, before, workplace, .. } = self;
        let staging = workplace.0.clone().map_or(Staging::Memory, Staging::Directory);
        let (pairs, records, ring) = intake.close()?;
        let rules = Rules::new(schema, &intake.names);
        let crossings = Crossings::find(&pairs, &intake.sightings, &rules, intake.names.namespaces.len())?;
        let line =
            Timeline::run(&intake.log, &intake.sightings, &rules, &crossings.at, crossings.shared.clone())?;
        let apart = line.set_apart(&intake.log)?;
        recount(intake, &line, &apart)?;
        let seq = before.seq + u64::from(intake.log.len()) + 1;
        let now = Timestamp::now().max(crate::codec::time(before.time));
        let rows = Rows {
            intake,
            rules: &rules,
            line: &line,
            apart: &apart,
            crossings: &crossings,
            pairs: &pairs,
            records: &records,
            ring: &ring,
            staging: &staging,
            before,
            seq,
            now: now.micros(),
        };
        let (rows, counters) = rows.make(options)?;
        drop((line, crossings));
        let names = intake.names_changed.then(|| intake.names.clone());
        // Nothing is taken in any more; what is written one by one is named by what came in.
        let empty = Intake::new(Catalogue::default(), Counters::default(), options, None);
        let intake = std::mem::replace(intake, empty);
        Ok(Staged {
            rows,
            names,
            counters,
            seq,
            now,
            requests: std::mem::take(&mut self.requests),
            one_by_one: OneByOne { intake, apart, before: before.seq },
        })
    }
}

/// Counts again who has seen what, for identifiers that are not set apart and
/// were named by observations that are: those are counted when they are written.
fn recount(intake: &mut Intake, line: &Timeline, apart: &Apart) -> io::Result<()> {
    if apart.observations.is_empty() {
        return Ok(());
    }
    let mut again = Bits::default();
    for counting in [false, true] {
        let mut reader = intake.log.iter()?;
        let mut seen = Logged::blank();
        let mut place = 0;
        while reader.next_into(&mut seen)? {
            match (counting, apart.observations.has(place)) {
                (false, true) => {
                    for id in &seen.identifiers {
                        if !apart.worlds.has(line.world.root(id.get())) && again.add(id.get()) {
                            intake.sightings.forget(*id);
                        }
                    }
                }
                (true, false) => intake.sightings.note(&seen, |id| again.has(id.get())),
                _ => {}
            }
            place += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
