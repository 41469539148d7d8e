//! Rows that were read lately, kept in memory as they are stored, so that reading
//! them again asks RocksDB nothing.
//!
//! Many states of a store are read at once, and a row that is kept must be right
//! for each of them. Writes are numbered; a kept row carries the number of the
//! state in which it was read, and a table of marks holds, for each of many
//! groups of keys, the number of the last write to any of them. A kept row is
//! right for a state if neither it nor the state is older than the mark of its
//! group: nothing was written there between the two. A write sets its marks
//! before a state with it can be seen, so nothing ever has to be taken out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::codec::{KeyBytes, Table};

/// How many groups of keys have a mark of their own: a power of two.
const GROUPS: usize = 1 << 17;

/// Values longer than this are not kept.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// What a kept row takes beside its key and value, in bytes.
const OVERHEAD: u64 = 96;

/// The rows that were read lately of one database.
pub(crate) struct Recent {
    rows: Cache<Name, Kept, Size>,
    marks: Box<[AtomicU64]>,
    /// The number of the last write that is done; held while one is made.
    written: Mutex<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    table: Table,
    key: KeyBytes,
}

#[derive(Clone)]
struct Kept {
    /// The state that it was read in.
    since: u64,
    /// `None` where there was no row.
    value: Option<Arc<[u8]>>,
}

#[derive(Clone)]
struct Size;

impl Weighter<Name, Kept> for Size {
    fn weight(&self, _: &Name, kept: &Kept) -> u64 {
        OVERHEAD + kept.value.as_ref().map_or(0, |value| value.len() as u64)
    }
}

/// The group that a key is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group(u32);

impl Group {
    pub(crate) fn of(table: Table, key: &[u8]) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(key, table as u64);
        Self((hash % GROUPS as u64) as u32)
    }
}

impl Recent {
    /// Keeps rows of about `bytes` bytes; `None` where that is too little for any.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        let rows = bytes / (2 * OVERHEAD as usize);
        (rows > 0).then(|| Self {
            rows: Cache::with_weighter(rows, bytes as u64, Size),
            marks: (0..GROUPS).map(|_| AtomicU64::new(0)).collect(),
            written: Mutex::new(0),
        })
    }

    /// Lets go of all rows.
    pub(crate) fn clear(&self) {
        self.rows.clear();
    }

    /// The number of the last write that is done. While it is held none is made.
    pub(crate) fn written(&self) -> MutexGuard<'_, u64> {
        // It is a number: there is nothing that could be half done.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the write with this number, which is about to be made, is to these groups.
    pub(crate) fn mark(&self, write: u64, groups: impl Iterator<Item = Group>) {
        for Group(group) in groups {
            self.marks[group as usize].store(write, Ordering::Release);
        }
    }

    /// Notes that the write with this number, which is about to be made, may be to any key.
    pub(crate) fn mark_all(&self, write: u64) {
        self.mark(write, (0..GROUPS as u32).map(Group));
    }

    /// Whether what is known of a group in the state `since` holds in the state `now`.
    fn holds(&self, Group(group): Group, since: u64, now: u64) -> bool {
        self.marks[group as usize].load(Ordering::Acquire) <= since.min(now)
    }

    /// The row under a key in the state after the write `now`, if it is kept: the
    /// inner `None` says that there is none.
    pub(crate) fn get(&self, table: Table, key: KeyBytes, now: u64) -> Option<Option<Arc<[u8]>>> {
        let group = Group::of(table, key.as_slice());
        let kept = self.rows.get(&Name { table, key })?;
        self.holds(group, kept.since, now).then_some(kept.value)
    }

    /// Keeps a row as it was read in the state after the write `now`.
    pub(crate) fn keep(&self, table: Table, key: KeyBytes, now: u64, value: Option<&[u8]>) {
        let group = Group::of(table, key.as_slice());
        if value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) || !self.holds(group, now, now) {
            return;
        }
        self.rows.insert(Name { table, key }, Kept { since: now, value: value.map(Arc::from) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table::Owners;

    fn key(number: u32) -> KeyBytes {
        KeyBytes::new(&[&number.to_be_bytes()])
    }

    /// What a database does for a write to one key.
    fn write(recent: &Recent, number: u32) -> u64 {
        let mut written = recent.written();
        recent.mark(*written + 1, std::iter::once(Group::of(TABLE, key(number).as_slice())));
        *written += 1;
        *written
    }

    #[test]
    fn a_row_is_right_for_every_state_in_which_it_was_the_same() {
        let recent = Recent::new(1 << 20).expect("enough");
        write(&recent, 1);
        write(&recent, 2);
        recent.keep(TABLE, key(1), 2, Some(b"one"));
        let value = |now| recent.get(TABLE, key(1), now).map(|kept| kept.map(|bytes| bytes.to_vec()));
        // Written by the first write, read after the second.
        assert_eq!(value(0), None);
        assert_eq!(value(1), Some(Some(b"one".to_vec())));
        assert_eq!(value(2), Some(Some(b"one".to_vec())));
        write(&recent, 2);
        assert_eq!(value(3), Some(Some(b"one".to_vec())));
        write(&recent, 1);
        assert!((0..5).all(|now| value(now).is_none()));
    }

    #[test]
    fn what_an_older_state_read_late_is_not_for_newer_ones() {
        let recent = Recent::new(1 << 20).expect("enough");
        write(&recent, 1);
        recent.keep(TABLE, key(1), 0, Some(b"before"));
        assert!(recent.get(TABLE, key(1), 1).is_none());
        recent.keep(TABLE, key(1), 1, None);
        assert_eq!(recent.get(TABLE, key(1), 1), Some(None));
        recent.mark_all(2);
        assert!(recent.get(TABLE, key(1), 2).is_none());
    }

    #[test]
    fn long_values_and_too_many_are_left_out() {
        let recent = Recent::new(64 << 10).expect("enough");
        recent.keep(TABLE, key(0), 0, Some(&[0; MAX_VALUE_BYTES + 1]));
        assert!(recent.get(TABLE, key(0), 0).is_none());
        for number in 0..1_000 {
            recent.keep(TABLE, key(number), 0, Some(&[7; 100]));
        }
        let kept = (0..1_000).filter(|number| recent.get(TABLE, key(*number), 0).is_some()).count();
        assert!((1..=64 << 10 >> 7).contains(&kept), "{kept}");
        assert!(Recent::new(0).is_none());
    }
}
