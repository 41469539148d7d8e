//! The one place that knows RocksDB: opening, column families, batches and snapshots.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, DBRecoveryMode, DataBlockIndexType, Env, ErrorKind, Options, ReadOptions, Snapshot,
    WriteBatch, WriteOptions,
};
use self_cell::self_cell;

use crate::codec::{BadValue, KeyBytes, Row, Table, encode_value};
use crate::read::{ReadError, ReadResult};

/// Settings of the storage that a user may want to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOptions {
    /// Memory for cached blocks, in bytes.
    pub cache_bytes: usize,
    /// Memory for rows not yet in sorted files, over all tables, in bytes.
    pub write_buffer_bytes: usize,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { cache_bytes: 256 << 20, write_buffer_bytes: 192 << 20 }
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

/// An open database.
#[derive(Clone)]
pub(crate) struct Database {
    db: Arc<DB>,
}

impl Database {
    pub(crate) fn open(place: Place<'_>, access: Access, settings: &StorageOptions) -> Result<Self, String> {
        let mut options = Options::default();
        let path = match place {
            Place::Directory(path) => path,
            Place::Memory => {
                options.set_env(&Env::mem_env().map_err(rocksdb::Error::into_string)?);
                Path::new("/memory")
            }
        };
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
        let families = Table::ALL
            .iter()
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(*table, &cache)));
        let db = match access {
            Access::ReadOnly => DB::open_cf_descriptors_read_only(&options, path, families, false),
            Access::Create | Access::ReadWrite => DB::open_cf_descriptors(&options, path, families),
        };
        db.map(|db| Self { db: Arc::new(db) }).map_err(rocksdb::Error::into_string)
    }

    /// A consistent state of the database as it is now.
    pub(crate) fn view(&self) -> ReadResult<View> {
        View::try_new(Arc::clone(&self.db), |db| {
            let families = Table::ALL
                .iter()
                .map(|table| {
                    db.cf_handle(table.name()).ok_or_else(|| ReadError::Corrupt {
                        table: table.name(),
                        detail: "the table does not exist".to_owned(),
                    })
                })
                .collect::<ReadResult<Vec<_>>>()?;
            Ok(ViewParts { snapshot: db.snapshot(), families })
        })
    }

    /// Writes a batch and returns when it is on disk.
    pub(crate) fn write(&self, batch: Batch) -> Result<(), String> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch.batch, &options).map_err(rocksdb::Error::into_string)
    }

    /// An empty batch for this database.
    pub(crate) fn batch(&self) -> Batch {
        Batch { db: Arc::clone(&self.db), batch: WriteBatch::default(), value: Vec::new() }
    }

    /// Flushes what is in memory to sorted files and stops background work.
    pub(crate) fn close(&self) -> Result<(), String> {
        for table in Table::ALL {
            if let Some(family) = self.db.cf_handle(table.name()) {
                self.db.flush_cf(family).map_err(rocksdb::Error::into_string)?;
            }
        }
        self.db.cancel_all_background_work(true);
        Ok(())
    }

    /// How many bytes the sorted files of all tables take.
    pub(crate) fn disk_bytes(&self) -> u64 {
        Table::ALL
            .iter()
            .filter_map(|table| self.db.cf_handle(table.name()))
            .filter_map(|family| {
                self.db
                    .property_int_value_cf(family, rocksdb::properties::TOTAL_SST_FILES_SIZE)
                    .ok()
                    .flatten()
            })
            .sum()
    }
}

fn table_options(table: Table, cache: &Cache) -> Options {
    let mut block = BlockBasedOptions::default();
    block.set_block_cache(cache);
    block.set_cache_index_and_filter_blocks(true);
    block.set_pin_l0_filter_and_index_blocks_in_cache(true);
    block.set_format_version(6);
    block.set_bloom_filter(10.0, false);
    // Point lookups find their row in a block by hash; tables that are read by range gain nothing from it.
    let by_point = !matches!(
        table,
        Table::Links | Table::Homes | Table::Residents | Table::HouseholdMembers | Table::KeyRing
    );
    if by_point {
        block.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&block);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn family(db: &DB, table: Table) -> Result<&ColumnFamily, String> {
    db.cf_handle(table.name()).ok_or_else(|| format!("the table `{}` does not exist", table.name()))
}

/// Rows to be written together or not at all.
pub(crate) struct Batch {
    db: Arc<DB>,
    batch: WriteBatch,
    value: Vec<u8>,
}

impl Batch {
    pub(crate) fn put<R: Row>(&mut self, key: R::Key, row: &R) -> Result<(), String> {
        let mut value = std::mem::take(&mut self.value);
        row.encode_row(key, &mut value);
        let done = self.put_raw(R::TABLE, R::key_bytes(key).as_slice(), &value);
        self.value = value;
        done
    }

    pub(crate) fn delete<R: Row>(&mut self, key: R::Key) -> Result<(), String> {
        let family = family(&self.db, R::TABLE)?;
        self.batch.delete_cf(family, R::key_bytes(key).as_slice());
        Ok(())
    }

    /// Puts a row of metadata.
    pub(crate) fn put_meta<T: bincode::Encode>(&mut self, key: &[u8], row: &T) -> Result<(), String> {
        let mut value = std::mem::take(&mut self.value);
        encode_value(Table::Meta, key, row, &mut value);
        let done = self.put_raw(Table::Meta, key, &value);
        self.value = value;
        done
    }

    fn put_raw(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), String> {
        let family = family(&self.db, table)?;
        self.batch.put_cf(family, key, value);
        Ok(())
    }
}

/// A snapshot with the tables' handles.
struct ViewParts<'db> {
    snapshot: Snapshot<'db>,
    families: Vec<&'db ColumnFamily>,
}

self_cell!(
    /// One consistent state of the database, which it keeps open.
    pub(crate) struct View {
        owner: Arc<DB>,
        #[covariant]
        dependent: ViewParts,
    }
);

impl View {
    fn family(&self, table: Table) -> &ColumnFamily {
        // `families` holds one handle a table, in the order of the tables' numbers.
        self.borrow_dependent().families[table as usize]
    }

    /// The row under a key.
    pub(crate) fn get<R: Row>(&self, key: R::Key) -> ReadResult<Option<R>> {
        let key = R::key_bytes(key);
        self.get_raw(R::TABLE, key.as_slice())?
            .map(|bytes| R::decode_row(key.as_slice(), &bytes).map_err(|bad| bad_value(R::TABLE, bad)))
            .transpose()
    }

    pub(crate) fn get_raw(&self, table: Table, key: &[u8]) -> ReadResult<Option<DBPinnableSlice<'_>>> {
        self.borrow_dependent()
            .snapshot
            .get_pinned_cf(self.family(table), key)
            .map_err(|error| read_error(table, error))
    }

    /// Reads every row of a table, whatever it holds, and counts them.
    pub(crate) fn read_through(&self, table: Table) -> ReadResult<u64> {
        let mut rows = self.borrow_dependent().snapshot.raw_iterator_cf(self.family(table));
        rows.seek_to_first();
        let mut count = 0;
        while rows.valid() {
            count += 1;
            rows.next();
        }
        rows.status().map_err(|error| read_error(table, error))?;
        Ok(count)
    }

    /// The rows whose keys begin with `prefix`, ascending.
    pub(crate) fn scan<R: Row>(&self, prefix: KeyBytes) -> Scan<'_, R> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(prefix.as_slice());
        if let Some(end) = after_prefix(prefix.as_slice()) {
            options.set_iterate_upper_bound(end);
        }
        let mut rows = self.borrow_dependent().snapshot.raw_iterator_cf_opt(self.family(R::TABLE), options);
        rows.seek_to_first();
        Scan { rows, started: false, done: false, row: std::marker::PhantomData }
    }
}

/// The least key after all keys that begin with `prefix`, if there is one.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Rows of one table, ascending by key; one at a time.
pub(crate) struct Scan<'v, R> {
    rows: DBRawIterator<'v>,
    started: bool,
    done: bool,
    row: std::marker::PhantomData<R>,
}

impl<R: Row> Scan<'_, R> {
    /// Moves to the next row, and says whether there is one.
    fn advance(&mut self) -> ReadResult<bool> {
        if self.done {
            return Ok(false);
        }
        if self.started {
            self.rows.next();
        }
        self.started = true;
        if self.rows.valid() {
            return Ok(true);
        }
        self.done = true;
        self.rows.status().map_err(|error| read_error(R::TABLE, error))?;
        Ok(false)
    }

    fn read_key(bytes: &[u8]) -> ReadResult<R::Key> {
        R::read_key(bytes).ok_or_else(|| {
            bad_value(R::TABLE, BadValue(format!("the key {} is malformed", crate::codec::hex(bytes))))
        })
    }

    /// Goes on at the first row at or after `key`.
    pub(crate) fn seek(&mut self, key: R::Key) {
        self.rows.seek(R::key_bytes(key).as_slice());
        self.started = false;
    }
}

impl<R: Row> Iterator for Scan<'_, R> {
    type Item = ReadResult<(R::Key, R)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Err(error) => return Some(Err(error)),
            Ok(false) => return None,
            Ok(true) => {}
        }
        let (key, value) = self.rows.item()?;
        Some(Self::read_key(key).and_then(|read| {
            R::decode_row(key, value).map(|row| (read, row)).map_err(|bad| bad_value(R::TABLE, bad))
        }))
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
