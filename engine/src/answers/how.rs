//! How a person came to be.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Change, Event, PersonChangeKind, PersonId, Seq};
use crate::read::{Read, ReadResult};

/// The events that made a person, in their order, each with its cause: the
/// merges, splits and moves of it and of every person that was merged into it,
/// and how each of those was made. What only added identifiers that were new is
/// left out; [`history`] has it.
///
/// `person` is taken as it is given: of an id that was merged into another it
/// tells how that came to be and, last, where it went. Nothing for an id that
/// never was. Reads every event of those persons once.
pub fn how(read: &impl Read, person: PersonId) -> ReadResult<Vec<Event>> {
    trail(read, person, |event| match &event.change {
        Change::Persons(change) => change.kind() != PersonChangeKind::Grew,
        Change::Households(_) => false,
        Change::Erased(_) => true,
    })
}

/// Every event that concerns a person or one that was merged into it, in their
/// order. `person` is taken as [`how`] takes it.
pub fn history(read: &impl Read, person: PersonId) -> ReadResult<Vec<Event>> {
    trail(read, person, |_| true)
}

fn trail(read: &impl Read, person: PersonId, wanted: impl Fn(&Event) -> bool) -> ReadResult<Vec<Event>> {
    let mut found: BTreeMap<(Seq, u32), Event> = BTreeMap::new();
    let mut known = BTreeSet::from([person]);
    let mut open = vec![person];
    while let Some(followed) = open.pop() {
        for event in read.person_events(followed) {
            let event = event?;
            if let Change::Persons(change) = &event.change {
                // One that ended here and gave identifiers to the one that is followed.
                for share in change.shares.iter().filter(|share| share.to == followed) {
                    if let Some(from) = share.from
                        && !change.after.contains(&from)
                        && known.insert(from)
                    {
                        open.push(from);
                    }
                }
            }
            if wanted(&event) {
                found.insert((event.seq, event.index), event);
            }
        }
    }
    Ok(found.into_values().collect())
}
