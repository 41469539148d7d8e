//! DIFF and NEAR MERGES: who would be who, and who nearly is.

use kinfold_engine::answers::{self, Diff, DiffPerson, HeldApart, NearMerge};
use kinfold_engine::model::IdentifierId;
use kinfold_engine::read::{Read, ReadResult};

use super::counted::{Counted, told};
use super::{corrupt, error, hinted, name};
use crate::graph::ProcedureError;
use crate::identity::{count, held_back, sources};
use crate::value::Value;

/// The columns of DIFF: a row is identifiers that are together in the store as
/// it is, and in the view that is asked.
pub(super) const DIFF: [&str; 6] = ["now", "now_size", "view", "view_size", "count", "identifiers"];

/// The columns of NEAR MERGES: a row is a pair of persons.
pub(super) const NEAR_MERGES: [&str; 12] = [
    "person",
    "size",
    "other",
    "other_size",
    "from",
    "to",
    "weight",
    "sources",
    "last_seen",
    "apart_by",
    "missing",
    "would_break",
];

/// How many pairs the queue gives at most.
const MOST_PAIRS: u64 = 100_000;

/// Who is who around an identifier in the store as it is and in this view of it.
pub(super) fn diff<R: Read>(
    read: &Counted<'_, R>,
    id: IdentifierId,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let Diff { now, then, shares } = told(read, answers::diff(read.now(), read, id))?;
    let person = |persons: &[DiffPerson], at: Option<usize>| match at.and_then(|at| persons.get(at)) {
        Some(found) => (found.person.id.to_string().into(), found.person.size.into()),
        None => (Value::Null, Value::Null),
    };
    let rows = shares.iter().map(|share| {
        let (now, now_size) = person(&now, share.now);
        let (view, view_size) = person(&then, share.then);
        let mut names = Vec::new();
        for id in &share.identifiers {
            // One that was forgotten since has its name in the view alone.
            let name = match answers::name_of(read.now(), *id)? {
                Some(name) => Some(name),
                None => answers::name_of(read, *id)?,
            };
            names.push(name.map(|name| name.to_string()));
        }
        names.sort();
        let together = count(names.len() as u64);
        Ok(vec![now, now_size, view, view_size, together, names.into_iter().map(Value::from).collect()])
    });
    told(read, rows.collect::<ReadResult<_>>())
}

/// The review queue, strongest first.
pub(super) fn near_merges<R: Read>(
    read: &Counted<'_, R>,
    limit: Option<u64>,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    if limit.is_some_and(|limit| limit > MOST_PAIRS) {
        return Err(error("out-of-range", format!("LIMIT of NEAR MERGES is at most {MOST_PAIRS}")));
    }
    // One more than is given tells whether the queue is longer.
    let wanted = usize::try_from(limit.unwrap_or(MOST_PAIRS + 1)).unwrap_or(usize::MAX);
    let pairs = told(read, answers::near_merges(read, wanted))?;
    if limit.is_none() && pairs.len() as u64 > MOST_PAIRS {
        let message = format!("there are more than {MOST_PAIRS} near merges");
        return Err(hinted("queue-too-long", message, "add LIMIT: the strongest come first"));
    }
    told(read, pairs.iter().map(|pair| near_merge(read, pair)).collect::<ReadResult<_>>())
}

fn near_merge(read: &impl Read, pair: &NearMerge) -> ReadResult<Vec<Value>> {
    let names = read.names();
    let (from, to) = (name(read, pair.a)?.2, name(read, pair.b)?.2);
    let Some(link) = read.link(pair.a, pair.b)? else {
        return Err(corrupt("links", format!("the link of `{from}` and `{to}` has no evidence")));
    };
    let (apart_by, missing) = match pair.apart_by {
        HeldApart::UnderThreshold { threshold, missing } => {
            (format!("under threshold {threshold}").into(), missing.into())
        }
        HeldApart::HeldBack(by) => (held_back(names, Some(by)), Value::Null),
    };
    let (person, other) = &pair.persons;
    Ok(vec![
        person.id.to_string().into(),
        person.size.into(),
        other.id.to_string().into(),
        other.size.into(),
        from.into(),
        to.into(),
        pair.weight.into(),
        sources(names, &link.evidence),
        pair.last_seen.into(),
        apart_by,
        missing,
        held_back(names, pair.would_break),
    ])
}
