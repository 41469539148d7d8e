//! Putting a bulk load into the store, on the writing thread.

use std::sync::Arc;

use super::overlay::Overlay;
use crate::bulk::Staged;
use crate::read::{ReadError, ReadResult};
use crate::rules::Rules;
use crate::storage::Database;
use crate::store::LOADING;

/// How many observations are written between two commits.
const GROUP: u64 = 8_192;

impl Overlay {
    /// Takes the rows of a load in, and writes what is left of it one
    /// observation after another. With the next commit the load is complete;
    /// until then a mark stands in the store, by which what is there of it is known.
    pub(crate) fn load(&mut self, database: &Database, staged: Staged) -> ReadResult<()> {
        let Staged { rows, names, counters, seq, now, requests, one_by_one } = staged;
        let storage = ReadError::Storage;
        let mut batch = database.batch();
        batch.put_meta(LOADING, &true).and_then(|()| database.write(batch)).map_err(storage)?;
        database.take_in(rows).map_err(storage)?;
        self.look_again(Arc::new(database.view()?));
        self.now = now;
        if let Some(names) = names {
            self.names = names;
            self.names_changed = true;
        }
        let names_changed = self.names_changed;
        self.rules = Arc::new(Rules::new(&self.schema, &self.names));
        self.counters = counters;

        let mut written = 0_u64;
        one_by_one.each(|at, seen, name| {
            self.replay(at, seen, name)?;
            written += 1;
            if written.is_multiple_of(GROUP) {
                self.note_absent(seq);
                let mut batch = database.batch();
                self.flush(&mut batch).and_then(|()| database.write(batch)).map_err(storage)?;
                self.settle(Arc::new(database.view()?));
            }
            Ok(())
        })?;
        self.names_changed = names_changed;
        self.counters.seq = seq;
        for (key, row) in requests {
            self.requests.put(key, row);
        }
        self.end_load();
        self.loaded = true;
        Ok(())
    }
}
