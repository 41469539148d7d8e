//! What was read a moment ago, so that it is not read again for the next
//! property. Each table is emptied when it is full: memory is bounded, and a
//! query that streams finds what it has just met.

use std::cell::RefCell;
use std::rc::Rc;

use hashbrown::HashMap;
use kinfold_engine::model::{
    AttributeValue, IdentifierId, IdentifierRecord, Link, LinkRow, NamespaceId, PersonKey, PersonRow,
};
use kinfold_engine::read::ReadResult;

/// How many entries a table holds.
const ENTRIES: usize = 1024;

type Table<K, V> = RefCell<HashMap<K, V>>;

/// A person's attributes by name.
pub(super) type Attributes = Rc<Vec<(String, AttributeValue)>>;

#[derive(Default)]
pub(super) struct Cache {
    pub(super) records: Table<IdentifierId, Rc<IdentifierRecord>>,
    pub(super) names: Table<IdentifierId, (NamespaceId, Rc<str>)>,
    pub(super) rows: Table<(IdentifierId, IdentifierId), (IdentifierId, LinkRow)>,
    pub(super) links: Table<(IdentifierId, IdentifierId), Rc<Link>>,
    pub(super) persons: Table<PersonKey, PersonRow>,
    /// The last person alone: its profile may be large.
    pub(super) attributes: RefCell<Option<(PersonKey, Attributes)>>,
    counts: Table<Option<NamespaceId>, u64>,
}

/// Puts an entry into a table, which is emptied first if it is full.
pub(super) fn keep<K: Eq + std::hash::Hash, V>(table: &Table<K, V>, key: K, value: V) {
    let mut table = table.borrow_mut();
    if table.len() >= ENTRIES {
        table.clear();
    }
    table.insert(key, value);
}

impl Cache {
    pub(super) fn name(&self, id: IdentifierId, namespace: NamespaceId, value: String) {
        keep(&self.names, id, (namespace, value.into()));
    }

    /// Keeps a link as it was seen from one end.
    pub(super) fn link(&self, from: IdentifierId, row: &LinkRow) {
        let pair = (from.min(row.other), from.max(row.other));
        keep(&self.rows, pair, (from, *row));
    }

    pub(super) fn count(
        &self,
        namespace: Option<NamespaceId>,
        read: impl FnOnce() -> ReadResult<u64>,
    ) -> ReadResult<u64> {
        if let Some(count) = self.counts.borrow().get(&namespace) {
            return Ok(*count);
        }
        let count = read()?;
        keep(&self.counts, namespace, count);
        Ok(count)
    }
}
