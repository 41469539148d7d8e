//! The files that rows stand in: having those rewritten that may hold what was erased.
//!
//! A row that is deleted or overwritten stays in sorted files until they are
//! merged, and in the log until what it holds is in sorted files. Nothing of
//! that is left to chance here: the files that may hold a row are noted, their
//! ranges merged down to the lowest level, and then it is seen that they are gone.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use rocksdb::{BottommostLevelCompaction, CompactOptions, DB};

use super::{Database, Tables, family};
use crate::codec::Table;

/// How often what is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// How long files that nothing names any more may take to be deleted.
const DELETION: Duration = Duration::from_secs(10);

/// How often files that are still there are merged again.
const ROUNDS: usize = 3;

/// What became of files that may have held certain rows.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    /// How many files there were, logs among them, that are gone.
    pub(crate) files: u64,
    /// The names of those that are still there.
    pub(crate) left: Vec<String>,
    /// A reader held a state of the store from before, for which RocksDB keeps what was deleted.
    pub(crate) held: bool,
}

impl Database {
    /// Has every file rewritten that may hold an older version of these rows,
    /// each named by table and key. Waits up to `wait` for readers of older
    /// states; where one stays, nothing is rewritten. Reads and writes go on meanwhile.
    pub(crate) fn rewrite_files(&self, rows: &[(u8, Vec<u8>)], wait: Duration) -> Result<Rewritten, String> {
        let Tables::Rocks(db) = &self.tables else { return Ok(Rewritten::default()) };
        if !only_readers_since(db, db.latest_sequence_number(), wait)? {
            return Ok(Rewritten { held: true, ..Rewritten::default() });
        }
        let logs = files(db.path(), "log").map_err(|error| error.to_string())?;
        self.flush()?;
        let mut sorted = BTreeSet::new();
        for table in Table::ALL {
            let mut keys: Vec<&[u8]> =
                rows.iter().filter(|(of, _)| *of == *table as u8).map(|(_, key)| key.as_slice()).collect();
            if keys.is_empty() {
                continue;
            }
            keys.sort_unstable();
            sorted.extend(merge(db, *table, &keys)?);
        }
        let before: BTreeSet<String> = logs.into_iter().chain(sorted).collect();
        let deadline = Instant::now() + DELETION;
        let left = loop {
            let left = still_there(db.path(), &before);
            if left.is_empty() || Instant::now() >= deadline {
                break left;
            }
            std::thread::sleep(PAUSE);
        };
        Ok(Rewritten { files: (before.len() - left.len()) as u64, left, held: false })
    }
}

/// Waits until no reader holds a state from before the write `sequence` of the database; says whether none does.
fn only_readers_since(db: &DB, sequence: u64, wait: Duration) -> Result<bool, String> {
    let deadline = Instant::now() + wait;
    loop {
        let property = |name| db.property_int_value(name).map_err(rocksdb::Error::into_string);
        let held = property("rocksdb.num-snapshots")?.unwrap_or(0) > 0;
        // It is 0 where nobody holds any.
        let oldest = property("rocksdb.oldest-snapshot-sequence")?.unwrap_or(0);
        if !held || oldest >= sequence {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

/// A sorted file: its name, and its first and its last key.
type SortedFile = (String, Vec<u8>, Vec<u8>);

/// The sorted files of a table that hold keys around one of `keys`, which are ascending.
fn around(db: &DB, table: Table, keys: &[&[u8]]) -> Result<Vec<SortedFile>, String> {
    let files = db.live_files().map_err(rocksdb::Error::into_string)?;
    Ok(files
        .into_iter()
        .filter(|file| file.column_family_name == table.name())
        .filter_map(|file| Some((file.name, file.start_key?, file.end_key?)))
        .filter(|(_, start, end)| {
            let first = keys.partition_point(|key| *key < start.as_slice());
            keys.get(first).is_some_and(|key| *key <= end.as_slice())
        })
        .map(|(name, start, end)| (name.trim_start_matches('/').to_owned(), start, end))
        .collect())
}

/// Merges what a table holds of these keys down to the lowest level, where
/// nothing of what was deleted is kept. Returns the names of the files that held it.
fn merge(db: &DB, table: Table, keys: &[&[u8]]) -> Result<BTreeSet<String>, String> {
    let before: BTreeSet<String> = around(db, table, keys)?.into_iter().map(|(name, ..)| name).collect();
    let family = family(db, table)?;
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    for _ in 0..ROUNDS {
        let mut any = false;
        loop {
            // One after another: a merge takes in others than the one it was asked for.
            let old = around(db, table, keys)?.into_iter().find(|(name, ..)| before.contains(name));
            let Some((name, start, end)) = old else { return Ok(before) };
            let first = keys.partition_point(|key| *key < start.as_slice());
            let within: Vec<&[u8]> =
                keys[first..].iter().copied().take_while(|key| *key <= end.as_slice()).collect();
            let (Some(low), Some(high)) = (within.first(), within.last()) else { break };
            db.compact_range_cf_opt(family, Some(*low), Some(*high), &options);
            let still = around(db, table, keys)?.into_iter().any(|(known, ..)| known == name);
            any |= !still;
            if still {
                break;
            }
        }
        if !any {
            // Something else is at work on it.
            std::thread::sleep(PAUSE);
        }
    }
    Ok(before)
}

/// The names of the files in a directory that end so.
fn files(directory: &Path, extension: &str) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == extension) {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(names)
}

/// Which of these are in the directory, and not empty: a log that was begun anew is.
fn still_there(directory: &Path, names: &BTreeSet<String>) -> Vec<String> {
    let is_there =
        |name: &&String| std::fs::metadata(directory.join(name)).is_ok_and(|about| about.len() > 0);
    names.iter().filter(is_there).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{IdentifierRow, ReadRow as _};
    use crate::model::{IdentifierId, NamespaceId};
    use crate::storage::{Access, Place, StorageOptions};

    const VALUE: &str = "Zq7-distinct-value-Xw3";

    fn holding(directory: &Path) -> usize {
        let names = std::fs::read_dir(directory).expect("a directory").flatten();
        let holds = |path: &Path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(VALUE.len()).any(|part| part == VALUE.as_bytes())
        };
        names.filter(|entry| holds(&entry.path())).count()
    }

    #[test]
    fn no_file_that_held_a_row_is_left_once_nobody_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("db");
        let database =
            Database::open(Place::Directory(&path), Access::Create, &StorageOptions::default()).expect("new");
        let write = |id: u32, value: Option<&str>| {
            let mut batch = database.batch();
            let key = IdentifierId::new(id);
            let row = |value: &str| IdentifierRow::new(NamespaceId::new(0), value.to_owned());
            match value {
                Some(value) => batch.put(key, &row(value)),
                None => batch.delete::<IdentifierRow>(key),
            }
            .expect("it fits");
            database.write(batch).expect("written");
        };
        for round in 0..3 {
            for id in 0..50 {
                write(id, Some(&format!("other-{round}-{id}")));
            }
            write(7, Some(VALUE));
            database.flush().expect("flushed");
        }
        write(7, Some(VALUE));
        assert!(holding(&path) > 0, "the search finds nothing");
        let reader = database.view().expect("readable");
        write(7, None);
        let key =
            (Table::Identifiers as u8, IdentifierRow::key_bytes(IdentifierId::new(7)).as_slice().to_vec());
        let rows = [key];
        let held = database.rewrite_files(&rows, Duration::from_millis(50)).expect("it works");
        assert!(held.held && holding(&path) > 0);
        drop(reader);
        let done = database.rewrite_files(&rows, Duration::from_secs(5)).expect("it works");
        assert!(!done.held && done.left.is_empty() && done.files > 1, "{done:?}");
        assert_eq!(holding(&path), 0);
        let view = database.view().expect("readable");
        assert!(view.get::<IdentifierRow>(IdentifierId::new(7)).expect("readable").is_none());
        assert!(view.get::<IdentifierRow>(IdentifierId::new(8)).expect("readable").is_some());
    }
}
