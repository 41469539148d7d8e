//! Tables written whole, in the order of their keys, and taken in at once.

use std::path::{Path, PathBuf};

use rocksdb::{Cache, DBCompressionType, IngestExternalFileOptions, Options, SstFileWriter};

use super::recent::Recent;
use super::{Database, Tables, family, past_key, table_options};
use crate::codec::{Row, Table};

/// How large a file may grow before the next is begun, in bytes.
const FILE_BYTES: u64 = 256 << 20;
/// After how many rows the size of a file is looked at.
const LOOK_EVERY: u64 = 1 << 16;

/// Rows of one table that came in the order of their keys, ready to be taken in.
pub(crate) struct SortedRows {
    table: Table,
    stock: Stock,
}

enum Stock {
    Files(Vec<PathBuf>),
    Memory(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Where sorted rows are put until they are taken in.
#[derive(Clone, Debug)]
pub(crate) enum Staging {
    /// Files in this directory, on the store's own disk.
    Directory(PathBuf),
    /// In memory, for a store that lives there.
    Memory,
}

/// Runs `fill`, which puts the rows of a table ascending by key, and keeps them
/// aside. `part` tells apart several writers to the same table; their keys must not overlap.
pub(crate) fn sorted_rows<E: From<String>>(
    staging: &Staging,
    table: Table,
    part: usize,
    fill: impl FnOnce(&mut RowWriter<'_>) -> Result<(), E>,
) -> Result<SortedRows, E> {
    let Staging::Directory(directory) = staging else {
        let mut writer = RowWriter { table, to: To::Memory(Vec::new()), value: Vec::new(), rows: 0 };
        fill(&mut writer)?;
        let To::Memory(rows) = writer.to else { return Err(E::from("rows in memory are lost".to_owned())) };
        return Ok(SortedRows { table, stock: Stock::Memory(rows) });
    };
    let cache = Cache::new_lru_cache(1 << 20);
    let mut options = table_options(table, &cache, true);
    // The storage packs them tighter when it next moves them; now time counts.
    options.set_bottommost_compression_type(DBCompressionType::Lz4);
    let files =
        Files { directory, name: format!("{}-{part}", table.name()), options: &options, done: Vec::new() };
    let mut writer = RowWriter { table, to: To::File { files, open: None }, value: Vec::new(), rows: 0 };
    fill(&mut writer)?;
    writer.close()?;
    let To::File { files, .. } = writer.to else { return Err(E::from("a file of rows is lost".to_owned())) };
    Ok(SortedRows { table, stock: Stock::Files(files.done) })
}

/// Takes the rows of one table, ascending by key.
pub(crate) struct RowWriter<'w> {
    table: Table,
    to: To<'w>,
    value: Vec<u8>,
    rows: u64,
}

enum To<'w> {
    File { files: Files<'w>, open: Option<SstFileWriter<'w>> },
    Memory(Vec<(Vec<u8>, Vec<u8>)>),
}

struct Files<'w> {
    directory: &'w Path,
    name: String,
    options: &'w Options,
    done: Vec<PathBuf>,
}

impl RowWriter<'_> {
    /// Puts a row; its key must be greater than that of the row before.
    pub(crate) fn put<R: Row>(&mut self, key: R::Key, row: &R) -> Result<(), String> {
        debug_assert_eq!(R::TABLE, self.table);
        let mut value = std::mem::take(&mut self.value);
        row.encode_row(key, &mut value);
        let done = self.put_raw(R::key_bytes(key).as_slice(), &value);
        self.value = value;
        done
    }

    /// Notes that there was no such row before the write with this sequence number.
    pub(crate) fn put_absent<R: Row>(&mut self, key: R::Key, before: u64) -> Result<(), String> {
        debug_assert_eq!(self.table, Table::Past);
        self.put_raw(past_key(R::TABLE, R::key_bytes(key).as_slice(), before).as_slice(), &[0])
    }

    fn put_raw(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.rows += 1;
        match &mut self.to {
            To::Memory(rows) => {
                rows.push((key.to_vec(), value.to_vec()));
                Ok(())
            }
            To::File { files, open } => {
                if open.is_none() {
                    let path = files.directory.join(format!("{}-{}.sst", files.name, files.done.len()));
                    let writer = SstFileWriter::create(files.options);
                    writer.open(&path).map_err(rocksdb::Error::into_string)?;
                    files.done.push(path);
                    *open = Some(writer);
                }
                let Some(writer) = open else { return Ok(()) };
                writer.put(key, value).map_err(rocksdb::Error::into_string)?;
                if self.rows.is_multiple_of(LOOK_EVERY) && writer.file_size() > FILE_BYTES {
                    self.close()?;
                }
                Ok(())
            }
        }
    }

    /// Finishes the file at hand, if there is one.
    fn close(&mut self) -> Result<(), String> {
        if let To::File { open, .. } = &mut self.to
            && let Some(mut writer) = open.take()
        {
            writer.finish().map_err(rocksdb::Error::into_string)?;
        }
        Ok(())
    }
}

impl Database {
    /// Takes rows in that were kept aside. Each table is taken in at once, one table after another.
    pub(crate) fn take_in(&self, stocks: Vec<SortedRows>) -> Result<(), String> {
        for SortedRows { table, stock } in stocks {
            match (&self.tables, stock) {
                (Tables::Rocks(db), Stock::Files(paths)) => {
                    if paths.is_empty() {
                        continue;
                    }
                    let mut options = IngestExternalFileOptions::default();
                    options.set_move_files(true);
                    // Rows of a table that holds none get no number of their own: with one, the
                    // database would write them again to be rid of it. See `snapshot::read_from`.
                    options.set_snapshot_consistency(false);
                    let family = family(db, table)?;
                    self.changing(Recent::mark_all, || {
                        db.ingest_external_file_cf_opts(family, &options, paths)
                            .map_err(rocksdb::Error::into_string)
                    })?;
                }
                (Tables::Memory(tables), Stock::Memory(rows)) => {
                    let mut tables = tables.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                    for (key, value) in rows {
                        tables[table as usize].insert_mut(key, value);
                    }
                }
                _ => return Err("the rows were made for another database".to_owned()),
            }
        }
        Ok(())
    }

    /// Takes away the rows of a table whose keys are not below `begin`.
    pub(crate) fn clear(&self, table: Table, begin: &[u8]) -> Result<(), String> {
        match &self.tables {
            Tables::Rocks(db) => {
                let family = family(db, table)?;
                // Above every key: no key is longer, and none is all ones.
                let end: &[u8] = &[u8::MAX; 64];
                let string = rocksdb::Error::into_string;
                self.changing(Recent::mark_all, || {
                    db.delete_file_in_range_cf(family, begin, end).map_err(string)?;
                    db.delete_range_cf(family, begin, end).map_err(string)
                })
            }
            Tables::Memory(tables) => {
                let mut tables = tables.write().unwrap_or_else(std::sync::PoisonError::into_inner);
                let rows = &mut tables[table as usize];
                let gone: Vec<Vec<u8>> = rows.keys().filter(|key| key.as_slice() >= begin).cloned().collect();
                for key in gone {
                    rows.remove_mut(&key);
                }
                Ok(())
            }
        }
    }
}
