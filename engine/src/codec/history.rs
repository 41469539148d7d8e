//! History as rows: events, the way to them from a person, and the writes.

use bincode::{Decode, Encode};

use super::{BadValue, Counters, KeyBytes, KeyReader, ReadRow, Row, Table, decode_value, encode_value, time};
use crate::model::{
    Cause, Change, ErasedChange, Event, HouseholdChange, HouseholdId, HouseholdMove, IdentifierId, KindId,
    OverrideKind, PersonChange, PersonId, Retracted, Seq, Share, SourceId,
};

/// The key of an [`EventRow`]: the write and the event's place in it.
pub(crate) type EventKey = (u64, u32);

/// What brought a change about.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) enum StoredCause {
    Observation { source: u16, kind: Option<u16>, identifiers: Vec<u32> },
    Override { set: Option<bool>, a: u32, b: u32, author: String, reason: String },
    Retraction { source: u16, what: StoredRetracted, author: String, reason: String },
    Schema { author: String, reason: String },
    Rebuild,
    BackgroundCut,
    BulkLoad,
    Erasure { author: String, reason: String },
}

impl StoredCause {
    /// The texts that people or sources gave.
    pub(crate) fn texts_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Observation { .. } | Self::Rebuild | Self::BackgroundCut | Self::BulkLoad => Vec::new(),
            Self::Override { author, reason, .. }
            | Self::Schema { author, reason }
            | Self::Erasure { author, reason } => vec![author, reason],
            Self::Retraction { what, author, reason, .. } => match what {
                StoredRetracted::Record(Some(id)) => vec![author, reason, id],
                StoredRetracted::Record(None) | StoredRetracted::Link(..) | StoredRetracted::Source => {
                    vec![author, reason]
                }
            },
        }
    }
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) enum StoredRetracted {
    Link(u32, u32),
    Record(Option<String>),
    Source,
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct StoredShare {
    pub(crate) from: Option<u64>,
    pub(crate) to: u64,
    pub(crate) count: u32,
    pub(crate) identifiers: Vec<u32>,
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) enum StoredChange {
    Persons {
        before: Vec<u64>,
        after: Vec<u64>,
        shares: Vec<StoredShare>,
    },
    /// `moved` is person, household before, household after.
    Households {
        before: Vec<u64>,
        after: Vec<u64>,
        moved: Vec<(u64, Option<u64>, Option<u64>)>,
    },
    /// `after` are those that old ids lead to now.
    Erased {
        before: Vec<u64>,
        after: Vec<u64>,
        identifiers: u32,
    },
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct EventRow {
    pub(crate) time: i64,
    pub(crate) cause: StoredCause,
    pub(crate) change: StoredChange,
}
row!(EventRow, Events, |key: EventKey| KeyBytes::new(&[&key.0.to_be_bytes(), &key.1.to_be_bytes()]), |r| (
    r.u64()?,
    r.u32()?
));

/// The key of a [`PersonEventRow`]: the person, the write, and the event's place in it.
pub(crate) type PersonEventKey = (PersonId, u64, u32);

#[derive(Clone, Copy, PartialEq, Debug, Encode, Decode)]
pub(crate) struct PersonEventRow;
row!(
    PersonEventRow,
    PersonEvents,
    |key: PersonEventKey| KeyBytes::new(&[
        &key.0.get().to_be_bytes(),
        &key.1.to_be_bytes(),
        &key.2.to_be_bytes()
    ]),
    |r| (PersonId::from_raw(r.u64()?), r.u64()?, r.u32()?)
);

/// A write: a request with all its observations, or another act.
#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct WriteRow {
    /// As they were after it.
    pub(crate) counters: Counters,
}
row!(WriteRow, Writes, |key: u64| KeyBytes::new(&[&key.to_be_bytes()]), |r| r.u64()?);

impl StoredChange {
    /// The persons that the change concerns.
    pub(crate) fn persons(&self) -> Vec<PersonId> {
        let mut persons: Vec<u64> = match self {
            Self::Persons { before, after, .. } => before.iter().chain(after).copied().collect(),
            Self::Households { moved, .. } => moved.iter().map(|(person, ..)| *person).collect(),
            Self::Erased { before, after, .. } => before.iter().chain(after).copied().collect(),
        };
        persons.sort_unstable();
        persons.dedup();
        persons.into_iter().map(PersonId::from_raw).collect()
    }
}

fn identifiers(stored: &[u32]) -> Vec<IdentifierId> {
    stored.iter().copied().map(IdentifierId::new).collect()
}

fn cause(stored: &StoredCause) -> Cause {
    let kind = |require: bool| if require { OverrideKind::Require } else { OverrideKind::Forbid };
    match stored {
        StoredCause::Observation { source, kind, identifiers: ids } => Cause::Observation {
            source: SourceId::new(*source),
            kind: kind.map(KindId::new),
            identifiers: identifiers(ids),
        },
        StoredCause::Override { set, a, b, author, reason } => Cause::Override {
            set: set.map(kind),
            pair: (IdentifierId::new(*a), IdentifierId::new(*b)),
            author: author.clone(),
            reason: reason.clone(),
        },
        StoredCause::Retraction { source, what, author, reason } => Cause::Retraction {
            source: SourceId::new(*source),
            what: match what {
                StoredRetracted::Link(a, b) => Retracted::Link(IdentifierId::new(*a), IdentifierId::new(*b)),
                StoredRetracted::Record(id) => Retracted::Record(id.clone()),
                StoredRetracted::Source => Retracted::Source,
            },
            author: author.clone(),
            reason: reason.clone(),
        },
        StoredCause::Schema { author, reason } => {
            Cause::Schema { author: author.clone(), reason: reason.clone() }
        }
        StoredCause::Rebuild => Cause::Rebuild,
        StoredCause::BackgroundCut => Cause::BackgroundCut,
        StoredCause::BulkLoad => Cause::BulkLoad,
        StoredCause::Erasure { author, reason } => {
            Cause::Erasure { author: author.clone(), reason: reason.clone() }
        }
    }
}

fn change(stored: &StoredChange) -> Change {
    let persons = |ids: &[u64]| ids.iter().copied().map(PersonId::from_raw).collect();
    let households = |ids: &[u64]| ids.iter().copied().map(HouseholdId::from_raw).collect();
    match stored {
        StoredChange::Persons { before, after, shares } => Change::Persons(PersonChange {
            before: persons(before),
            after: persons(after),
            shares: shares
                .iter()
                .map(|share| Share {
                    from: share.from.map(PersonId::from_raw),
                    to: PersonId::from_raw(share.to),
                    count: share.count,
                    identifiers: identifiers(&share.identifiers),
                })
                .collect(),
        }),
        StoredChange::Households { before, after, moved } => Change::Households(HouseholdChange {
            before: households(before),
            after: households(after),
            moved: moved
                .iter()
                .map(|(person, from, to)| HouseholdMove {
                    person: PersonId::from_raw(*person),
                    from: from.map(HouseholdId::from_raw),
                    to: to.map(HouseholdId::from_raw),
                })
                .collect(),
        }),
        StoredChange::Erased { before, after, identifiers } => Change::Erased(ErasedChange {
            before: persons(before),
            after: persons(after),
            identifiers: *identifiers,
        }),
    }
}

impl EventRow {
    pub(crate) fn to_model(&self, key: EventKey) -> Event {
        Event {
            seq: Seq::new(key.0),
            index: key.1,
            time: time(self.time),
            cause: cause(&self.cause),
            change: change(&self.change),
        }
    }
}
