//! The one place that knows RocksDB: opening, column families, batches and snapshots.

use std::path::Path;
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, DBRecoveryMode, DataBlockIndexType, Env, ErrorKind, Options, ReadOptions, Snapshot,
    WriteBatch, WriteOptions,
};
use self_cell::self_cell;

use crate::codec::{BadValue, Horizon, KeyBytes, Row, Table, encode_value};
use crate::read::{ReadError, ReadResult};
use crate::snapshot::SCHEMA;

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
        let frozen = Frozen::try_new(Arc::clone(&self.db), |db| {
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
        })?;
        Ok(View { frozen: Arc::new(frozen), then: None })
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

    /// Puts a schema in force since a write, and keeps the one before.
    pub(crate) fn put_schema(&mut self, since: u64, before: &str, schema: &str) -> Result<(), String> {
        let mut value = Vec::new();
        encode_value(Table::Meta, SCHEMA, &before.to_owned(), &mut value);
        self.put_past(Table::Meta, SCHEMA, since, Some(&value))?;
        self.put_meta(SCHEMA, &schema.to_owned())
    }

    /// Takes a row of metadata away.
    pub(crate) fn delete_meta(&mut self, key: &[u8]) -> Result<(), String> {
        let family = family(&self.db, Table::Meta)?;
        self.batch.delete_cf(family, key);
        Ok(())
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
    struct Frozen {
        owner: Arc<DB>,
        #[covariant]
        dependent: ViewParts,
    }
);

/// One consistent state of the database: as it was when the view was made, or
/// as it was after an earlier write.
#[derive(Clone)]
pub(crate) struct View {
    frozen: Arc<Frozen>,
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
        Self { frozen: Arc::clone(&self.frozen), then: Some(Then { seq, horizon }) }
    }

    fn parts(&self) -> &ViewParts<'_> {
        self.frozen.borrow_dependent()
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        // `families` holds one handle a table, in the order of the tables' numbers.
        self.parts().families[table as usize]
    }

    /// The row under a key.
    pub(crate) fn get<R: Row>(&self, key: R::Key) -> ReadResult<Option<R>> {
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
        match self.get_raw(R::TABLE, bytes.as_slice())? {
            Some(value) => decode(&value),
            None => Ok(None),
        }
    }

    /// The value under a key as it is, whatever moment the view is of.
    pub(crate) fn get_raw(&self, table: Table, key: &[u8]) -> ReadResult<Option<DBPinnableSlice<'_>>> {
        self.parts().snapshot.get_pinned_cf(self.family(table), key).map_err(|error| read_error(table, error))
    }

    /// What a row was at the moment of the view, if it has changed since.
    pub(crate) fn past(&self, table: Table, key: &[u8]) -> ReadResult<Past> {
        let Some(then) = self.then.filter(|_| table.keeps_past() || table == Table::Meta) else {
            return Ok(Past::Unchanged);
        };
        let from = past_key(table, key, then.seq.saturating_add(1));
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from.as_slice());
        options.set_iterate_upper_bound(past_key(table, key, u64::MAX).as_slice());
        let mut rows = self.parts().snapshot.raw_iterator_cf_opt(self.family(Table::Past), options);
        rows.seek_to_first();
        let Some(value) = rows.value() else {
            return rows.status().map(|()| Past::Unchanged).map_err(|error| read_error(Table::Past, error));
        };
        Past::read(value)
    }

    /// The last row at or before a key.
    pub(crate) fn last_up_to<R: Row>(&self, key: R::Key) -> ReadResult<Option<(R::Key, R)>> {
        let mut rows = self.parts().snapshot.raw_iterator_cf(self.family(R::TABLE));
        rows.seek_for_prev(R::key_bytes(key).as_slice());
        match rows.item() {
            Some((key, value)) => read_row::<R>(key, value).map(Some),
            None => rows.status().map(|()| None).map_err(|error| read_error(R::TABLE, error)),
        }
    }

    /// Reads every row of a table, whatever it holds, and counts them.
    pub(crate) fn read_through(&self, table: Table) -> ReadResult<u64> {
        let mut rows = self.parts().snapshot.raw_iterator_cf(self.family(table));
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
        let range = |table: Table, prefix: &[u8]| {
            let mut options = ReadOptions::default();
            options.set_iterate_lower_bound(prefix);
            if let Some(end) = after_prefix(prefix) {
                options.set_iterate_upper_bound(end);
            }
            let mut rows = self.parts().snapshot.raw_iterator_cf_opt(self.family(table), options);
            rows.seek_to_first();
            rows
        };
        let past = self.then.filter(|_| R::TABLE.keeps_past()).map(|then| {
            let prefix = KeyBytes::new(&[&[R::TABLE as u8], prefix.as_slice()]);
            (range(Table::Past, prefix.as_slice()), then)
        });
        Scan { rows: range(R::TABLE, prefix.as_slice()), past, done: false, row: std::marker::PhantomData }
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
fn past_key(table: Table, key: &[u8], before: u64) -> KeyBytes {
    KeyBytes::new(&[&[table as u8], key, &before.to_be_bytes()])
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
    rows: DBRawIterator<'v>,
    /// For an earlier moment: the rows that have changed since.
    past: Option<(DBRawIterator<'v>, Then)>,
    done: bool,
    row: std::marker::PhantomData<R>,
}

fn read_row<R: Row>(key: &[u8], value: &[u8]) -> ReadResult<(R::Key, R)> {
    let read = R::read_key(key).ok_or_else(|| {
        bad_value(R::TABLE, BadValue(format!("the key {} is malformed", crate::codec::hex(key))))
    })?;
    R::decode_row(key, value).map(|row| (read, row)).map_err(|bad| bad_value(R::TABLE, bad))
}

impl<R: Row> Scan<'_, R> {
    /// Goes on at the first row at or after `key`.
    pub(crate) fn seek(&mut self, key: R::Key) {
        let key = R::key_bytes(key);
        self.rows.seek(key.as_slice());
        if let Some((past, _)) = &mut self.past {
            past.seek(past_key(R::TABLE, key.as_slice(), 0).as_slice());
        }
        self.done = false;
    }

    /// The next row as it is now.
    fn next_now(&mut self) -> ReadResult<Option<(R::Key, R)>> {
        let Some((key, value)) = self.rows.item() else {
            return self.rows.status().map(|()| None).map_err(|error| read_error(R::TABLE, error));
        };
        let row = read_row::<R>(key, value);
        self.rows.next();
        row.map(Some)
    }

    /// The next row as it was, if there is one more; the inner `None` passes over a row that was not there.
    fn next_then(&mut self) -> ReadResult<Option<Option<(R::Key, R)>>> {
        let Some((past, then)) = &mut self.past else { return Ok(Some(self.next_now()?)) };
        let changed = past.key().map(|key| {
            // Table in front, sequence number behind.
            key.get(1..key.len().saturating_sub(8)).unwrap_or_default().to_vec()
        });
        if changed.is_none() {
            past.status().map_err(|error| read_error(Table::Past, error))?;
        }
        let now = self.rows.key();
        let Some(key) = changed.filter(|changed| now.is_none_or(|now| changed.as_slice() <= now)) else {
            let then = *then;
            return Ok(self
                .next_now()?
                .map(|(key, row)| (!R::is_after(key, &then.horizon)).then_some((key, row))));
        };
        past.seek(past_key(R::TABLE, &key, then.seq.saturating_add(1)).as_slice());
        let is_its = |past: &DBRawIterator<'_>| {
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

impl<R: Row> Iterator for Scan<'_, R> {
    type Item = ReadResult<(R::Key, R)>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            let next =
                if self.past.is_some() { self.next_then() } else { self.next_now().map(|row| row.map(Some)) };
            match next {
                Ok(Some(Some(row))) => return Some(Ok(row)),
                Ok(Some(None)) => {}
                Ok(None) => self.done = true,
                Err(error) => {
                    // A row that does not decode is passed over; an iterator that failed stays where it is.
                    self.done = self.rows.status().is_err();
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
