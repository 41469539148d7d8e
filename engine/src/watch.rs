//! The live feed of changes to who is who.

use std::time::{Duration, Instant};

use crate::model::{Event, Seq};
use crate::read::{Read as _, ReadResult};
use crate::store::Store;

/// Follows the changes of a store from a sequence number on, without gaps.
///
/// Every event carries its place ([`Event::seq`], [`Event::index`]); a watcher
/// that was interrupted goes on from the last it has dealt with.
pub struct Watch {
    store: Store,
    /// Where the next event stands, or before it.
    next: (Seq, u32),
}

impl Watch {
    pub(crate) fn new(store: Store, from: Seq, index: u32) -> Self {
        Self { store, next: (from, index) }
    }

    /// The next events, at least one and at most `most` of them, waiting up to `wait` for the
    /// first. None where nothing happened in that time; then the store stands at
    /// [`Watch::position`], which is worth telling to whoever listens.
    pub fn next(&mut self, most: usize, wait: Duration) -> ReadResult<Vec<Event>> {
        let deadline = Instant::now() + wait;
        loop {
            let snapshot = self.store.snapshot();
            let seen = snapshot.seq();
            let (from, index) = self.next;
            let events: Vec<Event> =
                snapshot.events_at(from, index).take(most.max(1)).collect::<ReadResult<_>>()?;
            if let Some(last) = events.last() {
                self.next = (last.seq, last.index + 1);
                return Ok(events);
            }
            // A write has all its events when it is visible.
            self.next = self.next.max((seen.next(), 0));
            if !self.store.wait_for(seen.next(), deadline.saturating_duration_since(Instant::now())) {
                return Ok(Vec::new());
            }
        }
    }

    /// Every event of a write before this one was given, and of this one those
    /// before [`Watch::place`].
    pub fn position(&self) -> Seq {
        self.next.0
    }

    /// Every event before this place was given: a write, and the place among its
    /// events. [`Store::watch_at`] goes on there.
    pub fn place(&self) -> (Seq, u32) {
        self.next
    }
}
