//! Changes to who is who: domain to wire.

use kinfold_engine::model::{
    Cause, Change, ErasedChange, Event, HouseholdChange, HouseholdId, IdentifierId, OverrideKind,
    PersonChange, PersonChangeKind, PersonId, Retracted,
};
use kinfold_engine::read::{Read, ReadResult};
use kinfold_engine::write::{ActReceipt, SchemaPlan};
use kinfold_proto::v1;
use prost::Message;

use super::super::from_proto::View;
use super::timestamp;

/// How many events the receipt of something done by hand holds.
const IN_RECEIPT: usize = 100;

/// How many ids an event keeps of those before and after it that is too large even without its shares.
const IDS_KEPT: usize = 500;

/// An event, its identifiers by name.
pub(crate) fn event(read: &impl Read, event: &Event, view: View) -> ReadResult<v1::Event> {
    let (kind, change) = match &event.change {
        Change::Persons(change) => {
            (person_kind(change), v1::event::Change::Persons(person_change(read, change, view)?))
        }
        Change::Households(change) => {
            (v1::EventKind::Household, v1::event::Change::Households(household_change(change)))
        }
        Change::Erased(change) => (v1::EventKind::Erased, v1::event::Change::Erased(erased_change(change))),
    };
    Ok(v1::Event {
        sequence: event.seq.get(),
        index: event.index,
        time: Some(timestamp(event.time)),
        kind: kind.into(),
        change: Some(change),
        cause: Some(cause(read, &event.cause, view)?),
        abridged: false,
    })
}

fn person_kind(change: &PersonChange) -> v1::EventKind {
    match change.kind() {
        PersonChangeKind::Created => v1::EventKind::Created,
        PersonChangeKind::Grew => v1::EventKind::Grew,
        PersonChangeKind::Merged => v1::EventKind::Merged,
        PersonChangeKind::Split => v1::EventKind::Split,
        PersonChangeKind::Moved => v1::EventKind::Moved,
    }
}

fn person_change(read: &impl Read, change: &PersonChange, view: View) -> ReadResult<v1::PersonChange> {
    let shares = change
        .shares
        .iter()
        .map(|share| {
            Ok(v1::Share {
                from_person_id: share.from.as_ref().map(PersonId::to_string).unwrap_or_default(),
                to_person_id: share.to.to_string(),
                count: share.count,
                identifiers: identifiers(read, &share.identifiers, view)?,
            })
        })
        .collect::<ReadResult<_>>()?;
    Ok(v1::PersonChange { before: texts(&change.before), after: texts(&change.after), shares })
}

fn texts(ids: &[PersonId]) -> Vec<String> {
    ids.iter().map(PersonId::to_string).collect()
}

fn erased_change(change: &ErasedChange) -> v1::ErasedChange {
    let ErasedChange { before, after, identifiers } = change;
    v1::ErasedChange { before: texts(before), after: texts(after), identifiers: *identifiers }
}

fn household_change(change: &HouseholdChange) -> v1::HouseholdChange {
    let ids = |ids: &[HouseholdId]| ids.iter().map(HouseholdId::to_string).collect();
    let id = |id: Option<HouseholdId>| id.as_ref().map(HouseholdId::to_string).unwrap_or_default();
    v1::HouseholdChange {
        before: ids(&change.before),
        after: ids(&change.after),
        moves: change
            .moved
            .iter()
            .map(|step| v1::HouseholdMove {
                person_id: step.person.to_string(),
                from_household_id: id(step.from),
                to_household_id: id(step.to),
            })
            .collect(),
    }
}

fn cause(read: &impl Read, cause: &Cause, view: View) -> ReadResult<v1::Cause> {
    use v1::cause::Kind;
    let names = read.names();
    let kind = match cause {
        Cause::Observation { source, kind, identifiers: seen } => Kind::Observation(v1::ObservationCause {
            source: names.source_name(*source).to_owned(),
            kind: kind.map(|kind| names.kind_name(kind).to_owned()).unwrap_or_default(),
            identifiers: identifiers(read, seen, view)?,
        }),
        Cause::Override { set, pair: (a, b), author, reason } => Kind::Override(v1::OverrideCause {
            action: match set {
                Some(OverrideKind::Forbid) => v1::OverrideAction::Forbid,
                Some(OverrideKind::Require) => v1::OverrideAction::Require,
                None => v1::OverrideAction::Release,
            }
            .into(),
            a: identifier(read, *a, view)?,
            b: identifier(read, *b, view)?,
            author: author.clone(),
            reason: reason.clone(),
        }),
        Cause::Retraction { source, what, author, reason } => {
            use v1::retraction::What;
            let source = names.source_name(*source).to_owned();
            let what = match what {
                Retracted::Link(a, b) => What::Link(v1::RetractedLink {
                    source,
                    a: identifier(read, *a, view)?,
                    b: identifier(read, *b, view)?,
                }),
                Retracted::Record(record_id) => What::Record(v1::RetractedRecord {
                    source,
                    record_id: record_id.clone().unwrap_or_default(),
                }),
                Retracted::Source => What::Source(source),
            };
            Kind::Retraction(v1::RetractionCause {
                what: Some(v1::Retraction { what: Some(what) }),
                author: author.clone(),
                reason: reason.clone(),
            })
        }
        Cause::Schema { author, reason } => {
            Kind::Schema(v1::SchemaCause { author: author.clone(), reason: reason.clone() })
        }
        Cause::Rebuild => Kind::Rebuild(v1::RebuildCause {}),
        Cause::BackgroundCut => Kind::BackgroundCut(v1::BackgroundCutCause {}),
        Cause::BulkLoad => Kind::BulkLoad(v1::BulkLoadCause {}),
        Cause::Erasure { author, reason } => {
            Kind::Erasure(v1::ErasureCause { author: author.clone(), reason: reason.clone() })
        }
    };
    Ok(v1::Cause { kind: Some(kind) })
}

fn identifiers(read: &impl Read, ids: &[IdentifierId], view: View) -> ReadResult<Vec<v1::Identifier>> {
    ids.iter().filter_map(|id| identifier(read, *id, view).transpose()).collect()
}

/// The name of an identifier; `None` where only ids are asked for, or it was forgotten since.
fn identifier(read: &impl Read, id: IdentifierId, view: View) -> ReadResult<Option<v1::Identifier>> {
    if view == View::Ids {
        return Ok(None);
    }
    Ok(read.identifier(id)?.map(|record| super::named(read, record.namespace, record.value)))
}

/// Brings an event below `most` bytes, as far as leaving things out does it: first
/// its identifiers, then its shares and moves, last all but the first ids.
pub(crate) fn abridge(event: &mut v1::Event, most: usize) {
    use v1::event::Change;
    if event.encoded_len() <= most {
        return;
    }
    event.abridged = true;
    if let Some(Change::Persons(change)) = &mut event.change {
        change.shares.iter_mut().for_each(|share| share.identifiers = Vec::new());
    }
    if let Some(v1::Cause { kind: Some(v1::cause::Kind::Observation(seen)) }) = &mut event.cause {
        seen.identifiers = Vec::new();
    }
    if event.encoded_len() <= most {
        return;
    }
    match &mut event.change {
        Some(Change::Persons(change)) => change.shares = Vec::new(),
        Some(Change::Households(change)) => change.moves = Vec::new(),
        Some(Change::Erased(_)) | None => {}
    }
    if event.encoded_len() <= most {
        return;
    }
    if let Some((before, after)) = match &mut event.change {
        Some(Change::Persons(change)) => Some((&mut change.before, &mut change.after)),
        Some(Change::Households(change)) => Some((&mut change.before, &mut change.after)),
        Some(Change::Erased(change)) => Some((&mut change.before, &mut change.after)),
        None => None,
    } {
        before.truncate(IDS_KEPT);
        after.truncate(IDS_KEPT);
    }
}

/// What became of something done by hand, in at most `most` bytes.
pub(crate) fn act_receipt(read: &impl Read, receipt: &ActReceipt, most: usize) -> ReadResult<v1::ActReceipt> {
    let mut counts = v1::EventCounts::default();
    for event in &receipt.events {
        let count = match &event.change {
            Change::Households(_) => &mut counts.household,
            Change::Erased(_) => &mut counts.erased,
            Change::Persons(change) => {
                counts.identifiers_moved += moved(change);
                match change.kind() {
                    PersonChangeKind::Created => &mut counts.created,
                    PersonChangeKind::Grew => &mut counts.grew,
                    PersonChangeKind::Merged => &mut counts.merged,
                    PersonChangeKind::Split => &mut counts.split,
                    PersonChangeKind::Moved => &mut counts.moved,
                }
            }
        };
        *count += 1;
    }
    Ok(v1::ActReceipt {
        sequence: receipt.seq.get(),
        changed: receipt.changed,
        replayed: receipt.replayed,
        counts: Some(counts),
        events: some_of(read, receipt.events.iter().take(IN_RECEIPT), most)?,
        first_sequence: receipt.events.first().map(|event| event.seq.get()).unwrap_or_default(),
    })
}

/// How many identifiers are another person's than they were.
fn moved(change: &PersonChange) -> u64 {
    let shares = change.shares.iter();
    shares.filter(|share| share.from.is_some_and(|from| from != share.to)).map(|it| u64::from(it.count)).sum()
}

/// What a schema changes, in at most `most` bytes.
pub(crate) fn schema_plan(read: &impl Read, plan: &SchemaPlan, most: usize) -> ReadResult<v1::SchemaPlan> {
    Ok(v1::SchemaPlan {
        persons_before: plan.persons_before,
        persons_after: plan.persons_after,
        merged: plan.merged,
        split: plan.split,
        moved: plan.moved,
        untouched: plan.untouched,
        households_before: plan.households_before,
        households_after: plan.households_after,
        household_changes: plan.household_changes,
        held_back_before: plan.held_back_before,
        held_back_after: plan.held_back_after,
        examples: some_of(read, plan.examples.iter(), most)?,
    })
}

/// Events beside other things: each takes a little of the room, and those that do not fit are left out.
fn some_of<'a>(
    read: &impl Read,
    events: impl Iterator<Item = &'a Event>,
    most: usize,
) -> ReadResult<Vec<v1::Event>> {
    // What is beside the events takes far less than half.
    let mut left = most / 2;
    let mut shown = Vec::new();
    for it in events {
        let mut wire = event(read, it, View::Full)?;
        abridge(&mut wire, most / 128);
        // A tag and a length of up to five bytes stand before each.
        match left.checked_sub(wire.encoded_len() + 6) {
            Some(room) => left = room,
            None => break,
        }
        shown.push(wire);
    }
    Ok(shown)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn large(persons: usize) -> v1::Event {
        let id = |at: usize| format!("p{at}");
        let shares = (0..persons).map(|at| v1::Share {
            from_person_id: id(0),
            to_person_id: id(at),
            count: 1,
            identifiers: vec![v1::Identifier { namespace: "email".into(), value: "x".repeat(50) }],
        });
        let change = v1::PersonChange {
            before: vec![id(0)],
            after: (0..persons).map(id).collect(),
            shares: shares.collect(),
        };
        v1::Event { change: Some(v1::event::Change::Persons(change)), ..Default::default() }
    }

    fn parts(event: &v1::Event) -> (usize, usize, bool) {
        let Some(v1::event::Change::Persons(change)) = &event.change else { panic!("{event:?}") };
        let named = change.shares.iter().any(|share| !share.identifiers.is_empty());
        (change.after.len(), change.shares.len(), named)
    }

    #[test]
    fn a_large_event_loses_what_can_be_asked_for_otherwise() {
        let whole = large(1_000);
        for (most, expected) in [
            (1 << 20, (1_000, 1_000, true)),
            (40_000, (1_000, 1_000, false)),
            (10_000, (1_000, 0, false)),
            (4_000, (IDS_KEPT, 0, false)),
        ] {
            let mut event = whole.clone();
            abridge(&mut event, most);
            assert_eq!(parts(&event), expected, "{most}");
            assert!(event.encoded_len() <= most, "{most}");
            assert_eq!(event.abridged, most < 1 << 20);
        }
    }
}
