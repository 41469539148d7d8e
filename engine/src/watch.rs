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
    /// The last event that was given, or where to begin.
    after: Option<(Seq, u32)>,
    from: Seq,
}

impl Watch {
    pub(crate) fn new(store: Store, from: Seq) -> Self {
        Self { store, after: None, from }
    }

    /// The next events, at most `most` of them, waiting up to `wait` for the
    /// first. None where nothing happened in that time; then the store stands at
    /// [`Watch::position`], which is worth telling to whoever listens.
    pub fn next(&mut self, most: usize, wait: Duration) -> ReadResult<Vec<Event>> {
        let deadline = Instant::now() + wait;
        loop {
            let snapshot = self.store.snapshot();
            let seen = snapshot.seq();
            let after = self.after;
            let events: Vec<Event> = snapshot
                .events(self.from)
                .skip_while(|event| {
                    event
                        .as_ref()
                        .is_ok_and(|event| after.is_some_and(|after| (event.seq, event.index) <= after))
                })
                .take(most)
                .collect::<ReadResult<_>>()?;
            if let Some(last) = events.last() {
                self.after = Some((last.seq, last.index));
                self.from = last.seq;
                return Ok(events);
            }
            self.from = self.from.max(seen.next());
            self.after = None;
            if !self.store.wait_for(seen.next(), deadline.saturating_duration_since(Instant::now())) {
                return Ok(Vec::new());
            }
        }
    }

    /// Every event before this sequence number was given.
    pub fn position(&self) -> Seq {
        self.from
    }
}
