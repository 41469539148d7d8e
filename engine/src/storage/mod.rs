//! The one place that knows RocksDB: opening, column families, batches and snapshots.
//!
//! A store that lives in memory has plain ordered maps for tables instead
//! (`memory`); everything above sees the same batches, views and scans, and the
//! work done on them is counted ([`Work`]).

mod files;
mod memory;
mod recent;
mod sorted;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBPinnableSlice, DBRawIterator, DBRecoveryMode,
    DataBlockIndexType, ErrorKind, Options, ReadOptions, Snapshot, WriteBatch, WriteOptions,
};
use self_cell::self_cell;

use crate::codec::{BadValue, Horizon, KeyBytes, ReadRow, Row, Table, encode_value};
use crate::read::{ReadError, ReadResult};
use crate::snapshot::SCHEMA;
use crate::write::PastEdit;

use recent::{Group, Recent};
pub(crate) use sorted::{RowWriter, SortedRows, Staging, sorted_rows};

/// Settings of the storage that a user may want to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// Memory for cached blocks of files, in bytes.
    pub cache_bytes: usize,
    /// Memory for rows that were read lately, in bytes; 0 keeps none.
    pub recent_bytes: usize,
    /// Memory for rows not yet in sorted files, over all tables, in bytes.
    pub write_buffer_bytes: usize,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, recent_bytes: 64 << 20, write_buffer_bytes: 192 << 20 }
    }
}

/// How a database is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// It must not exist yet.
    Create,
    /// It must exist; this process becomes its one writer.
    ReadWrite,
    /// It must exist; a writer may be at work.
    ReadOnly,
}

/// What a failed read of `table` means: damage, or a storage that fails.
fn read_error(table: Table, error: rocksdb::Error) -> ReadError {
    match error.kind() {
        ErrorKind::Corruption => ReadError::Corrupt { table: table.name(), detail: error.into_string() },
        _ => ReadError::Storage(error.into_string()),
    }
}

pub(crate) fn bad_value(table: Table, bad: BadValue) -> ReadError {
    ReadError::Corrupt { table: table.name(), detail: bad.0 }
}

/// Where a database lives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'p> {
    Directory(&'p Path),
    /// In this process's memory.
    Memory,
}

/// How much a store has read and written since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Rows looked up by key, found or not.
    pub point_reads: u64,
    /// Ranges that were opened, or moved to another place.
    pub seeks: u64,
    /// Rows that ranges went over.
    pub rows_scanned: u64,
    /// Rows put or deleted.
    pub rows_written: u64,
}

impl Work {
    /// Rows read, by key or in ranges, and ranges opened.
    pub fn reads(&self) -> u64 {
        self.point_reads + self.seeks + self.rows_scanned
    }
}

impl std::ops::Sub for Work {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            point_reads: self.point_reads - before.point_reads,
            seeks: self.seeks - before.seeks,
            rows_scanned: self.rows_scanned - before.rows_scanned,
            rows_written: self.rows_written - before.rows_written,
        }
    }
}

#[derive(Default)]
struct Counted {
    point_reads: AtomicU64,
    seeks: AtomicU64,
    rows_scanned: AtomicU64,
    rows_written: AtomicU64,
}

fn count(counter: &AtomicU64, by: u64) {
    // A tally that nothing is decided by.
    counter.fetch_add(by, Ordering::Relaxed);
}

/// An open database.
#[derive(Clone)]
pub(crate) struct Database {
    tables: Tables,
    counted: Arc<Counted>,
    recent: Option<Arc<Recent>>,
}

/// How often a store is opened again that is read beside its writer, and after how long.
const READ_ONLY_TRIES: u32 = 10;
const READ_ONLY_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

#[derive(Clone)]
enum Tables {
    Rocks(Arc<DB>),
    Memory(Arc<RwLock<Vec<memory::Rows>>>),
}

impl Database {
    pub(crate) fn open(place: Place<'_>, access: Access, settings: &StorageOptions) -> Result<Self, String> {
        let counted = Arc::default();
        let path = match place {
            Place::Directory(path) => path,
            Place::Memory => {
                let tables = Table::ALL.iter().map(|_| memory::Rows::default()).collect();
                let tables = Tables::Memory(Arc::new(RwLock::new(tables)));
                return Ok(Self { tables, counted, recent: None });
            }
        };
        let mut options = Options::default();
        options.create_if_missing(access == Access::Create);
        options.create_missing_column_families(access == Access::Create);
        options.set_error_if_exists(access == Access::Create);
        // The default mode opens with what stands before a damaged record in
        // mid-log and drops the rest in silence; this one refuses, and forgives
        // only a torn last write. Tracking notices a log that is missing.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_paranoid_checks(true);
        options.set_db_write_buffer_size(settings.write_buffer_bytes);
        options.set_max_total_wal_size(settings.write_buffer_bytes as u64 * 2);
        options.set_max_background_jobs(2);
        options.set_bytes_per_sync(1 << 20);
        options.set_keep_log_file_num(4);
        options.set_max_log_file_size(8 << 20);
        let cache = Cache::new_lru_cache(settings.cache_bytes);
        let families = || {
            Table::ALL
                .iter()
                .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(*table, &cache, false)))
        };
        let open = || match access {
            Access::ReadOnly => DB::open_cf_descriptors_read_only(&options, path, families(), false),
            Access::Create | Access::ReadWrite => DB::open_cf_descriptors(&options, path, families()),
        };
        let mut db = open();
        // A writer beside this reader may take away a file between the manifest
        // that names it and its opening; the next manifest does not name it.
        for _ in 0..READ_ONLY_TRIES {
            match &db {
                Err(error) if access == Access::ReadOnly && error.as_ref().contains("No such file") => {
                    std::thread::sleep(READ_ONLY_PAUSE);
                    db = open();
                }
                _ => break,
            }
        }
        let recent = Recent::new(settings.recent_bytes).map(Arc::new);
        db.map(|db| Self { tables: Tables::Rocks(Arc::new(db)), counted, recent })
            .map_err(rocksdb::Error::into_string)
    }

    /// A consistent state of the database as it is now.
    pub(crate) fn view(&self) -> ReadResult<View> {
        // No write comes between its number and the state.
        let written = self.recent.as_ref().map(|recent| recent.written());
        let recent = self.recent.clone().zip(written.as_deref().copied());
        let frozen = match &self.tables {
            Tables::Memory(tables) => {
                Frozen::Memory(tables.read().unwrap_or_else(PoisonError::into_inner).clone())
            }
            Tables::Rocks(db) => Frozen::Rocks(RocksView::try_new(Arc::clone(db), |db| {
                let families = Table::ALL
                    .iter()
                    .map(|table| {
                        db.cf_handle(table.name()).ok_or_else(|| ReadError::Corrupt {
                            table: table.name(),
                            detail: "the table does not exist".to_owned(),
                        })
                    })
                    .collect::<ReadResult<Vec<_>>>()?;
                Ok::<_, ReadError>(RocksParts { snapshot: db.snapshot(), families })
            })?),
        };
        Ok(View { frozen: Arc::new(frozen), counted: Arc::clone(&self.counted), recent, then: None })
    }

    /// Writes a batch and returns when it is on disk.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), String> {
        count(&self.counted.rows_written, batch.rows);
        match (&self.tables, batch.changes) {
            (Tables::Rocks(db), Changes::Rocks { batch, groups, .. }) => {
                let groups = groups.unwrap_or_default();
                let mut options = WriteOptions::default();
                options.set_sync(true);
                let write = || db.write_opt(batch, &options).map_err(rocksdb::Error::into_string);
                self.changing(|recent, number| recent.mark(number, groups.into_iter()), write)
            }
            (Tables::Memory(tables), Changes::Memory(changes)) => {
                let mut tables = tables.write().unwrap_or_else(PoisonError::into_inner);
                for (table, key, value) in changes {
                    match value {
                        Some(value) => tables[table as usize].insert_mut(key, value),
                        None => {
                            tables[table as usize].remove_mut(&key);
                        }
                    }
                }
                Ok(())
            }
            _ => Err("the batch was made for another database".to_owned()),
        }
    }

    /// Makes a change, after `mark` was told its number.
    fn changing(
        &self,
        mark: impl FnOnce(&Recent, u64),
        change: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(recent) = &self.recent else { return change() };
        let mut written = recent.written();
        mark(recent, *written + 1);
        change()?;
        *written += 1;
        Ok(())
    }

    /// An empty batch for this database.
    pub(crate) fn batch(&self) -> Batch {
        let changes = match &self.tables {
            Tables::Rocks(db) => Changes::Rocks {
                db: Arc::clone(db),
                batch: WriteBatch::default(),
                groups: self.recent.is_some().then(Vec::new),
            },
            Tables::Memory(_) => Changes::Memory(Vec::new()),
        };
        Batch { changes, rows: 0, value: Vec::new() }
    }

    /// Lets go of the rows that were read lately.
    pub(crate) fn forget_recent(&self) {
        if let Some(recent) = &self.recent {
            recent.clear();
        }
    }

    /// Whether it has a directory.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self.tables, Tables::Rocks(_))
    }

    /// What was read and written so far.
    pub(crate) fn work(&self) -> Work {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Work {
            point_reads: get(&self.counted.point_reads),
            seeks: get(&self.counted.seeks),
            rows_scanned: get(&self.counted.rows_scanned),
            rows_written: get(&self.counted.rows_written),
        }
    }

    /// Flushes what is in memory to sorted files.
    pub(crate) fn flush(&self) -> Result<(), String> {
        let Tables::Rocks(db) = &self.tables else { return Ok(()) };
        for table in Table::ALL {
            if let Some(family) = db.cf_handle(table.name()) {
                db.flush_cf(family).map_err(rocksdb::Error::into_string)?;
            }
        }
        Ok(())
    }

    /// Flushes what is in memory to sorted files and stops background work.
    pub(crate) fn close(&self) -> Result<(), String> {
        self.flush()?;
        if let Tables::Rocks(db) = &self.tables {
            db.cancel_all_background_work(true);
        }
        Ok(())
    }

    /// Copies the database as it is now to a directory that is not there yet.
    pub(crate) fn checkpoint(&self, to: &std::path::Path) -> Result<(), String> {
        let Tables::Rocks(db) = &self.tables else {
            return Err("a store in memory has no files to copy".to_owned());
        };
        let copy = rocksdb::checkpoint::Checkpoint::new(db).map_err(rocksdb::Error::into_string)?;
        copy.create_checkpoint(to).map_err(rocksdb::Error::into_string)
    }

    /// Rewrites the sorted files of all tables, those on the lowest level too: a
    /// bulk load puts its files there, packed for speed.
    pub(crate) fn compact(&self) -> Result<(), String> {
        let Tables::Rocks(db) = &self.tables else { return Ok(()) };
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        self.flush()?;
        for table in Table::ALL {
            db.compact_range_cf_opt(family(db, *table)?, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }

    /// RocksDB's own figures, summed over all tables; none in memory.
    pub(crate) fn figures(&self) -> Vec<(&'static str, u64)> {
        use rocksdb::properties as of;
        let Tables::Rocks(db) = &self.tables else { return Vec::new() };
        let summed = [
            ("memtable_bytes", of::CUR_SIZE_ALL_MEM_TABLES),
            ("immutable_memtables", of::NUM_IMMUTABLE_MEM_TABLE),
            ("pending_compaction_bytes", of::ESTIMATE_PENDING_COMPACTION_BYTES),
            ("live_data_bytes", of::ESTIMATE_LIVE_DATA_SIZE),
            ("sorted_file_bytes", of::TOTAL_SST_FILES_SIZE),
            ("table_reader_bytes", of::ESTIMATE_TABLE_READERS_MEM),
        ];
        let families: Vec<_> = Table::ALL.iter().filter_map(|table| db.cf_handle(table.name())).collect();
        let mut figures: Vec<_> = summed
            .into_iter()
            .map(|(name, property)| {
                let of_family =
                    |family: &&ColumnFamily| db.property_int_value_cf(*family, property).ok().flatten();
                (name, families.iter().filter_map(of_family).sum())
            })
            .collect();
        // All tables share one cache.
        let cached = families.first().map(|family| db.property_int_value_cf(family, of::BLOCK_CACHE_USAGE));
        figures.push(("block_cache_bytes", cached.and_then(|it| it.ok().flatten()).unwrap_or(0)));
        // Of the database as a whole.
        for (name, property) in [
            ("running_compactions", of::NUM_RUNNING_COMPACTIONS),
            ("running_flushes", of::NUM_RUNNING_FLUSHES),
            ("background_errors", of::BACKGROUND_ERRORS),
            ("write_stopped", of::IS_WRITE_STOPPED),
        ] {
            figures.push((name, db.property_int_value(property).ok().flatten().unwrap_or(0)));
        }
        figures
    }

    /// How many bytes the sorted files of all tables take.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let Tables::Rocks(db) = &self.tables else { return 0 };
        Table::ALL
            .iter()
            .filter_map(|table| db.cf_handle(table.name()))
            .filter_map(|family| {
                db.property_int_value_cf(family, rocksdb::properties::TOTAL_SST_FILES_SIZE).ok().flatten()
            })
            .sum()
    }
}

/// How a table is stored; `lowest` for files that go to the lowest level at once.
fn table_options(table: Table, cache: &Cache, lowest: bool) -> Options {
    let mut block = BlockBasedOptions::default();
    block.set_block_cache(cache);
    // A lookup goes through three tables. What finds a row in their files stays in memory, some
    // 2 bytes an identifier, so that the lookup reads three rows however large the store is.
    let in_lookups = matches!(table, Table::Dictionary | Table::Owners | Table::Persons);
    block.set_cache_index_and_filter_blocks(!in_lookups);
    block.set_pin_l0_filter_and_index_blocks_in_cache(!in_lookups);
    block.set_format_version(6);
    // Whoever asks for these rows knows that they are there: on the lowest level no filter is needed.
    let is_there = matches!(table, Table::Owners | Table::Persons | Table::Identifiers);
    if !(lowest && is_there) {
        block.set_bloom_filter(10.0, false);
    }
    // Point lookups find their row in a block by hash; tables that are read by range gain nothing from it.
    let by_point = !matches!(
        table,
        Table::Links | Table::Homes | Table::Residents | Table::HouseholdMembers | Table::KeyRing
    );
    if by_point {
        block.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    }
    let mut options = Options::default();
    options.set_optimize_filters_for_hits(is_there);
    options.set_block_based_table_factory(&block);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_level_compaction_dynamic_level_bytes(true);
    // Most keys that are looked for are in no memtable: a filter spares the way through its list.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.02);
    options
}

fn family(db: &DB, table: Table) -> Result<&ColumnFamily, String> {
    db.cf_handle(table.name()).ok_or_else(|| format!("the table `{}` does not exist", table.name()))
}

/// Rows to be written together or not at all.
pub(crate) struct Batch {
    changes: Changes,
    rows: u64,
    value: Vec<u8>,
}

enum Changes {
    Rocks {
        db: Arc<DB>,
        batch: WriteBatch,
        /// Of the keys, where rows are kept that were read lately.
        groups: Option<Vec<Group>>,
    },
    Memory(Vec<MemoryChange>),
}

/// A row to be put, or taken away where there is no value.
type MemoryChange = (Table, Vec<u8>, Option<Vec<u8>>);

impl Batch {
    pub(crate) fn put<R: Row>(&mut self, key: R::Key, row: &R) -> Result<(), String> {
        let mut value = std::mem::take(&mut self.value);
        row.encode_row(key, &mut value);
        let done = self.put_raw(R::TABLE, R::key_bytes(key).as_slice(), &value);
        self.value = value;
        done
    }

    /// Keeps a row as it was before the write with this sequence number; `None` where there was none.
    pub(crate) fn put_past(
        &mut self,
        table: Table,
        key: &[u8],
        before: u64,
        row: Option<&[u8]>,
    ) -> Result<(), String> {
        let mut value = vec![u8::from(row.is_some())];
        value.extend_from_slice(row.unwrap_or_default());
        self.put_raw(Table::Past, past_key(table, key, before).as_slice(), &value)
    }

    /// Changes a row of the past, by its key there.
    pub(crate) fn edit_past(&mut self, key: &[u8], edit: &PastEdit) -> Result<(), String> {
        match edit {
            PastEdit::Gone => self.delete_raw(Table::Past, key),
            PastEdit::Absent => self.put_raw(Table::Past, key, &[0]),
            PastEdit::Was(row) => self.put_raw(Table::Past, key, &[&[1], row.as_slice()].concat()),
        }
    }

    pub(crate) fn delete<R: Row>(&mut self, key: R::Key) -> Result<(), String> {
        self.delete_raw(R::TABLE, R::key_bytes(key).as_slice())
    }

    /// Puts a row of metadata.
    pub(crate) fn put_meta<T: bincode::Encode>(&mut self, key: &[u8], row: &T) -> Result<(), String> {
        let mut value = std::mem::take(&mut self.value);
        encode_value(Table::Meta, key, row, &mut value);
        let done = self.put_raw(Table::Meta, key, &value);
        self.value = value;
        done
    }

    /// Puts a schema in force since a write, and keeps the one before.
    pub(crate) fn put_schema(&mut self, since: u64, before: &str, schema: &str) -> Result<(), String> {
        let mut value = Vec::new();
        encode_value(Table::Meta, SCHEMA, &before.to_owned(), &mut value);
        self.put_past(Table::Meta, SCHEMA, since, Some(&value))?;
        self.put_meta(SCHEMA, &schema.to_owned())
    }

    /// Takes a row of metadata away.
    pub(crate) fn delete_meta(&mut self, key: &[u8]) -> Result<(), String> {
        self.delete_raw(Table::Meta, key)
    }

    fn put_raw(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.change(table, key, Some(value))
    }

    fn delete_raw(&mut self, table: Table, key: &[u8]) -> Result<(), String> {
        self.change(table, key, None)
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<&[u8]>) -> Result<(), String> {
        self.rows += 1;
        match &mut self.changes {
            Changes::Rocks { db, batch, groups } => {
                let family = family(db, table)?;
                match value {
                    Some(value) => batch.put_cf(family, key, value),
                    None => batch.delete_cf(family, key),
                }
                if let Some(groups) = groups {
                    groups.push(Group::of(table, key));
                }
            }
            Changes::Memory(changes) => changes.push((table, key.to_vec(), value.map(<[u8]>::to_vec))),
        }
        Ok(())
    }
}

/// A snapshot with the tables' handles.
struct RocksParts<'db> {
    snapshot: Snapshot<'db>,
    families: Vec<&'db ColumnFamily>,
}

self_cell!(
    /// One consistent state of the database, which it keeps open.
    struct RocksView {
        owner: Arc<DB>,
        #[covariant]
        dependent: RocksParts,
    }
);

impl RocksView {
    fn family(&self, table: Table) -> &ColumnFamily {
        // `families` holds one handle a table, in the order of the tables' numbers.
        self.borrow_dependent().families[table as usize]
    }
}

enum Frozen {
    Rocks(RocksView),
    Memory(Vec<memory::Rows>),
}

/// A value as it stands in the storage.
pub(crate) enum Bytes<'v> {
    Pinned(DBPinnableSlice<'v>),
    Kept(Arc<[u8]>),
    Slice(&'v [u8]),
}

impl std::ops::Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Pinned(bytes) => bytes,
            Self::Kept(bytes) => bytes,
            Self::Slice(bytes) => bytes,
        }
    }
}

/// A place in a table.
enum Cursor<'v> {
    Rocks(DBRawIterator<'v>),
    Memory(memory::Cursor<'v>),
}

/// Does the same with whichever cursor it is.
macro_rules! cursor {
    ($self:ident, $cursor:ident => $do:expr) => {
        match $self {
            Self::Rocks($cursor) => $do,
            Self::Memory($cursor) => $do,
        }
    };
}

impl Cursor<'_> {
    fn seek(&mut self, key: &[u8]) {
        cursor!(self, cursor => cursor.seek(key));
    }

    fn seek_to_first(&mut self) {
        cursor!(self, cursor => cursor.seek_to_first());
    }

    fn seek_for_prev(&mut self, key: &[u8]) {
        cursor!(self, cursor => cursor.seek_for_prev(key));
    }

    fn next(&mut self) {
        cursor!(self, cursor => cursor.next());
    }

    fn item(&self) -> Option<(&[u8], &[u8])> {
        cursor!(self, cursor => cursor.item())
    }

    fn key(&self) -> Option<&[u8]> {
        self.item().map(|(key, _)| key)
    }

    fn value(&self) -> Option<&[u8]> {
        self.item().map(|(_, value)| value)
    }

    /// Whether the cursor stands nowhere because the rows are at an end, and not because they cannot be read.
    fn status(&self, table: Table) -> ReadResult<()> {
        match self {
            Self::Rocks(cursor) => cursor.status().map_err(|error| read_error(table, error)),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// One consistent state of the database: as it was when the view was made, or
/// as it was after an earlier write.
#[derive(Clone)]
pub(crate) struct View {
    frozen: Arc<Frozen>,
    counted: Arc<Counted>,
    /// The rows that were read lately, and the last write before this state.
    recent: Option<(Arc<Recent>, u64)>,
    then: Option<Then>,
}

/// An earlier write, and what was there after it.
#[derive(Clone, Copy, Debug)]
struct Then {
    seq: u64,
    horizon: Horizon,
}

impl View {
    /// The same state as it was after the write `seq`, when `horizon` bounded what was there.
    pub(crate) fn at(&self, seq: u64, horizon: Horizon) -> Self {
        Self { then: Some(Then { seq, horizon }), ..self.clone() }
    }

    /// A cursor over the rows of a table from `lower` to before `upper`. It stands nowhere yet.
    fn cursor(&self, table: Table, lower: &[u8], upper: Option<&[u8]>) -> Cursor<'_> {
        count(&self.counted.seeks, 1);
        match &*self.frozen {
            Frozen::Rocks(view) => {
                let mut options = ReadOptions::default();
                options.set_iterate_lower_bound(lower);
                if let Some(upper) = upper {
                    options.set_iterate_upper_bound(upper);
                }
                let family = view.family(table);
                Cursor::Rocks(view.borrow_dependent().snapshot.raw_iterator_cf_opt(family, options))
            }
            Frozen::Memory(tables) => {
                Cursor::Memory(memory::Cursor::new(&tables[table as usize], lower, upper))
            }
        }
    }

    /// The row under a key.
    pub(crate) fn get<R: ReadRow>(&self, key: R::Key) -> ReadResult<Option<R>> {
        let bytes = R::key_bytes(key);
        let decode = |value: &[u8]| {
            R::decode_row(bytes.as_slice(), value).map_err(|bad| bad_value(R::TABLE, bad)).map(Some)
        };
        if let Some(then) = &self.then {
            if R::is_after(key, &then.horizon) {
                return Ok(None);
            }
            match self.past(R::TABLE, bytes.as_slice())? {
                Past::Unchanged => {}
                Past::Absent => return Ok(None),
                Past::Was(value) => return decode(&value),
            }
        }
        match self.get_recent(R::TABLE, bytes)? {
            Some(value) => decode(&value),
            None => Ok(None),
        }
    }

    /// [`View::get_raw`], where rows are kept that were read lately.
    fn get_recent(&self, table: Table, key: KeyBytes) -> ReadResult<Option<Bytes<'_>>> {
        let Some((recent, now)) = &self.recent else { return self.get_raw(table, key.as_slice()) };
        if let Some(kept) = recent.get(table, key, *now) {
            count(&self.counted.point_reads, 1);
            return Ok(kept.map(Bytes::Kept));
        }
        let value = self.get_raw(table, key.as_slice())?;
        recent.keep(table, key, *now, value.as_deref());
        Ok(value)
    }

    /// The value under a key as it is, whatever moment the view is of.
    pub(crate) fn get_raw(&self, table: Table, key: &[u8]) -> ReadResult<Option<Bytes<'_>>> {
        count(&self.counted.point_reads, 1);
        match &*self.frozen {
            Frozen::Rocks(view) => view
                .borrow_dependent()
                .snapshot
                .get_pinned_cf(view.family(table), key)
                .map(|bytes| bytes.map(Bytes::Pinned))
                .map_err(|error| read_error(table, error)),
            Frozen::Memory(tables) => {
                Ok(tables[table as usize].get(key).map(|value| Bytes::Slice(value.as_slice())))
            }
        }
    }

    /// What a row was at the moment of the view, if it has changed since.
    pub(crate) fn past(&self, table: Table, key: &[u8]) -> ReadResult<Past> {
        let Some(then) = self.then.filter(|_| table.keeps_past() || table == Table::Meta) else {
            return Ok(Past::Unchanged);
        };
        let from = past_key(table, key, then.seq.saturating_add(1));
        let to = past_key(table, key, u64::MAX);
        let mut rows = self.cursor(Table::Past, from.as_slice(), Some(to.as_slice()));
        rows.seek_to_first();
        match rows.value() {
            Some(value) => Past::read(value),
            None => rows.status(Table::Past).map(|()| Past::Unchanged),
        }
    }

    /// The last row at or before a key.
    pub(crate) fn last_up_to<R: ReadRow>(&self, key: R::Key) -> ReadResult<Option<(R::Key, R)>> {
        let mut rows = self.cursor(R::TABLE, &[], None);
        rows.seek_for_prev(R::key_bytes(key).as_slice());
        match rows.item() {
            Some((key, value)) => read_row::<R>(key, value).map(Some),
            None => rows.status(R::TABLE).map(|()| None),
        }
    }

    /// Reads every row of a table, whatever it holds, and counts them.
    pub(crate) fn read_through(&self, table: Table) -> ReadResult<u64> {
        let mut count = 0;
        self.each_raw(table, &[], |_, _| count += 1)?;
        Ok(count)
    }

    /// Shows the rows of a table whose keys begin with `prefix` as they stand in the storage, ascending.
    pub(crate) fn each_raw(
        &self,
        table: Table,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> ReadResult<()> {
        let mut rows = self.cursor(table, prefix, after_prefix(prefix).as_deref());
        rows.seek_to_first();
        while let Some((key, value)) = rows.item() {
            visit(key, value);
            rows.next();
        }
        rows.status(table)
    }

    /// The rows of the past whose keys there begin with `prefix`; `None` for one that was not there.
    pub(crate) fn past_rows(&self, prefix: KeyBytes) -> ReadResult<BTreeMap<KeyBytes, Option<Vec<u8>>>> {
        let mut found = BTreeMap::new();
        let mut failed = Ok(());
        self.each_raw(Table::Past, prefix.as_slice(), |key, value| {
            let row = Past::read(value).and_then(|row| match (KeyBytes::read(key), row) {
                (Some(key), Past::Was(row)) => Ok((key, Some(row))),
                (Some(key), Past::Absent) => Ok((key, None)),
                _ => Err(bad_value(Table::Past, BadValue("a key is too long".to_owned()))),
            });
            match row {
                Ok((key, row)) => {
                    found.insert(key, row);
                }
                Err(error) => failed = Err(error),
            }
        })?;
        failed.map(|()| found)
    }

    /// The rows whose keys begin with `prefix`, ascending.
    pub(crate) fn scan<R: ReadRow>(&self, prefix: KeyBytes) -> Scan<'_, R> {
        let range = |table: Table, prefix: &[u8]| {
            let mut rows = self.cursor(table, prefix, after_prefix(prefix).as_deref());
            rows.seek_to_first();
            rows
        };
        let past = self.then.filter(|_| R::TABLE.keeps_past()).map(|then| {
            let prefix = KeyBytes::new(&[&[R::TABLE as u8], prefix.as_slice()]);
            (range(Table::Past, prefix.as_slice()), then)
        });
        let rows = range(R::TABLE, prefix.as_slice());
        Scan { rows, past, counted: &self.counted, done: false, row: std::marker::PhantomData }
    }
}

/// What a row was at an earlier moment.
pub(crate) enum Past {
    /// What it is now.
    Unchanged,
    /// It was not there.
    Absent,
    /// This value.
    Was(Vec<u8>),
}

impl Past {
    fn read(value: &[u8]) -> ReadResult<Self> {
        match value.split_first() {
            Some((0, [])) => Ok(Self::Absent),
            Some((1, row)) => Ok(Self::Was(row.to_vec())),
            _ => Err(bad_value(Table::Past, BadValue("a kept row has no mark".to_owned()))),
        }
    }
}

/// Where a row as it was before a write is kept.
pub(crate) fn past_key(table: Table, key: &[u8], before: u64) -> KeyBytes {
    KeyBytes::new(&[&[table as u8], key, &before.to_be_bytes()])
}

/// The key of a row and the write before which it was so, of a key that [`past_key`] made.
pub(crate) fn past_place(key: &KeyBytes) -> (KeyBytes, u64) {
    let Some((rest, before)) = key.as_slice().split_last_chunk::<8>() else { return (*key, 0) };
    (KeyBytes::new(&[rest.get(1..).unwrap_or_default()]), u64::from_be_bytes(*before))
}

/// The least key after all keys that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Rows of one table, ascending by key; one at a time. The iterators stand on
/// what comes next.
pub(crate) struct Scan<'v, R> {
    rows: Cursor<'v>,
    /// For an earlier moment: the rows that have changed since.
    past: Option<(Cursor<'v>, Then)>,
    counted: &'v Counted,
    done: bool,
    row: std::marker::PhantomData<R>,
}

/// A row that was there, or `None` for one that was not.
type Passed<R> = Option<(<R as ReadRow>::Key, R)>;

fn read_row<R: ReadRow>(key: &[u8], value: &[u8]) -> ReadResult<(R::Key, R)> {
    let read = R::read_key(key).ok_or_else(|| {
        bad_value(R::TABLE, BadValue(format!("the key {} is malformed", crate::codec::hex(key))))
    })?;
    R::decode_row(key, value).map(|row| (read, row)).map_err(|bad| bad_value(R::TABLE, bad))
}

impl<R: ReadRow> Scan<'_, R> {
    /// Goes on at the first row at or after `key`.
    pub(crate) fn seek(&mut self, key: R::Key) {
        let key = R::key_bytes(key);
        count(&self.counted.seeks, 1);
        self.rows.seek(key.as_slice());
        if let Some((past, _)) = &mut self.past {
            past.seek(past_key(R::TABLE, key.as_slice(), 0).as_slice());
        }
        self.done = false;
    }

    /// The next row as it is now.
    fn next_now(&mut self) -> ReadResult<Option<(R::Key, R)>> {
        let Some((key, value)) = self.rows.item() else {
            return self.rows.status(R::TABLE).map(|()| None);
        };
        let row = read_row::<R>(key, value);
        self.rows.next();
        row.map(Some)
    }

    /// The next row as it was, if there is one more; the inner `None` passes over a row that was not there.
    fn next_then(&mut self) -> ReadResult<Option<Passed<R>>> {
        let Some((past, then)) = &mut self.past else { return Ok(Some(self.next_now()?)) };
        let changed = past.key().map(|key| {
            // Table in front, sequence number behind.
            key.get(1..key.len().saturating_sub(8)).unwrap_or_default().to_vec()
        });
        if changed.is_none() {
            past.status(Table::Past)?;
        }
        let now = self.rows.key();
        let Some(key) = changed.filter(|changed| now.is_none_or(|now| changed.as_slice() <= now)) else {
            let then = *then;
            return Ok(self
                .next_now()?
                .map(|(key, row)| (!R::is_after(key, &then.horizon)).then_some((key, row))));
        };
        past.seek(past_key(R::TABLE, &key, then.seq.saturating_add(1)).as_slice());
        let is_its = |past: &Cursor<'_>| {
            past.key().is_some_and(|at| {
                at.len() == key.len() + 9 && at[0] == R::TABLE as u8 && at[1..].starts_with(&key)
            })
        };
        let was = if is_its(past) { Past::read(past.value().unwrap_or_default())? } else { Past::Unchanged };
        past.seek(past_key(R::TABLE, &key, u64::MAX).as_slice());
        let stands = now == Some(key.as_slice());
        let row = match was {
            Past::Was(value) => Some(read_row::<R>(&key, &value)?),
            Past::Absent => None,
            Past::Unchanged if stands => {
                self.rows.value().map(|value| read_row::<R>(&key, value)).transpose()?
            }
            Past::Unchanged => None,
        };
        if stands {
            self.rows.next();
        }
        let horizon = then.horizon;
        Ok(Some(row.filter(|(key, _)| !R::is_after(*key, &horizon))))
    }
}

impl<R: ReadRow> Iterator for Scan<'_, R> {
    type Item = ReadResult<(R::Key, R)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            count(&self.counted.rows_scanned, 1);
            let next =
                if self.past.is_some() { self.next_then() } else { self.next_now().map(|row| row.map(Some)) };
            match next {
                Ok(Some(Some(row))) => return Some(Ok(row)),
                Ok(Some(None)) => {}
                Ok(None) => self.done = true,
                Err(error) => {
                    // A row that does not decode is passed over; an iterator that failed stays where it is.
                    self.done = self.rows.status(R::TABLE).is_err();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn prefixes_end_where_the_next_begins() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(after_prefix(&[255, 255]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}
