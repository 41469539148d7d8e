//! Tables that live in this process's memory: for tests, and for trying things out.

use std::ops::Bound;

use rpds::RedBlackTreeMapSync;

/// One table: rows by key. Cheap to clone, so that a clone is a snapshot.
pub(super) type Rows = RedBlackTreeMapSync<Vec<u8>, Vec<u8>>;

type Ascending<'t> = Box<dyn Iterator<Item = (&'t Vec<u8>, &'t Vec<u8>)> + 't>;

/// A place in a table, between bounds.
pub(super) struct Cursor<'t> {
    rows: &'t Rows,
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    at: Option<(&'t [u8], &'t [u8])>,
    rest: Ascending<'t>,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(rows: &'t Rows, lower: &[u8], upper: Option<&[u8]>) -> Self {
        let (lower, upper) = (lower.to_vec(), upper.map(<[u8]>::to_vec));
        Self { rows, lower, upper, at: None, rest: Box::new(std::iter::empty()) }
    }

    pub(super) fn seek(&mut self, key: &[u8]) {
        let from = if key < self.lower.as_slice() { self.lower.clone() } else { key.to_vec() };
        let to = match &self.upper {
            // An empty range is no range for the tree.
            Some(upper) if *upper <= from => {
                self.rest = Box::new(std::iter::empty());
                self.at = None;
                return;
            }
            Some(upper) => Bound::Excluded(upper.clone()),
            None => Bound::Unbounded,
        };
        self.rest = Box::new(self.rows.range((Bound::Included(from), to)));
        self.next();
    }

    pub(super) fn seek_to_first(&mut self) {
        let lower = self.lower.clone();
        self.seek(&lower);
    }

    /// Goes to the last row at or before a key; there is no going on from there.
    pub(super) fn seek_for_prev(&mut self, key: &[u8]) {
        let to = Bound::Included(key.to_vec());
        self.at = self
            .rows
            .range((Bound::Unbounded, to))
            .next_back()
            .map(|(key, value)| (key.as_slice(), value.as_slice()));
        self.rest = Box::new(std::iter::empty());
    }

    pub(super) fn next(&mut self) {
        self.at = self.rest.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
    }

    pub(super) fn item(&self) -> Option<(&'t [u8], &'t [u8])> {
        self.at
    }
}
