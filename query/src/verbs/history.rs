//! HOW and HISTORY: what became of a person, and because of what.

use kinfold_engine::answers;
use kinfold_engine::model::{
    Cause, Change, Event, IdentifierId, OverrideKind, PersonId, Retracted, SourceId,
};
use kinfold_engine::read::{Read, ReadResult};

use super::counted::{Counted, told};
use crate::graph::ProcedureError;
use crate::identity::count;
use crate::value::Value;

/// The columns of both: a row is one change.
pub(super) const COLUMNS: [&str; 10] =
    ["seq", "time", "change", "before", "after", "moved", "cause", "by", "about", "reason"];

/// The rows of HOW: the merges, splits and moves that a person came of.
pub(super) fn how<R: Read>(
    read: &Counted<'_, R>,
    person: PersonId,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let events = told(read, answers::how(read, person))?;
    rows(read, &events)
}

/// The rows of HISTORY: every change that concerned a person.
pub(super) fn history<R: Read>(
    read: &Counted<'_, R>,
    person: PersonId,
) -> Result<Vec<Vec<Value>>, ProcedureError> {
    let events = told(read, answers::history(read, person))?;
    rows(read, &events)
}

fn rows<R: Read>(read: &Counted<'_, R>, events: &[Event]) -> Result<Vec<Vec<Value>>, ProcedureError> {
    told(read, events.iter().map(|event| row(read, event)).collect::<ReadResult<_>>())
}

fn row(read: &impl Read, event: &Event) -> ReadResult<Vec<Value>> {
    let (before, after, moved) = match &event.change {
        Change::Persons(change) => {
            let moved = change.shares.iter().flat_map(|share| share.identifiers.iter().copied());
            (texts(&change.before), texts(&change.after), names(read, moved)?)
        }
        Change::Households(change) => {
            let moved = change.moved.iter().map(|moved| moved.person.to_string().into()).collect();
            (texts(&change.before), texts(&change.after), moved)
        }
        // Who they were nobody can say.
        Change::Erased(change) => (texts(&change.before), texts(&change.after), Value::from(Vec::new())),
    };
    let Because { cause, by, about, reason } = because(read, &event.cause)?;
    Ok(vec![
        count(event.seq.get()),
        event.time.into(),
        event.word().into(),
        before,
        after,
        moved,
        cause.into(),
        by,
        about,
        reason.into(),
    ])
}

/// What brought a change about, as a row has it.
struct Because<'a> {
    cause: &'static str,
    /// The source or the person who said it.
    by: Value,
    /// What it was about.
    about: Value,
    reason: Option<&'a str>,
}

fn because<'a>(read: &'a impl Read, cause: &'a Cause) -> ReadResult<Because<'a>> {
    let source = |source: &SourceId| read.names().source_name(*source);
    Ok(match cause {
        Cause::Observation { source: from, kind, identifiers } => Because {
            cause: "observation",
            by: source(from).into(),
            about: names(read, identifiers.iter().copied())?,
            reason: kind.map(|kind| read.names().kind_name(kind)),
        },
        Cause::Override { set, pair, author, reason } => Because {
            cause: match set {
                Some(OverrideKind::Forbid) => "forbid",
                Some(OverrideKind::Require) => "require",
                None => "release",
            },
            by: author.as_str().into(),
            about: names(read, [pair.0, pair.1])?,
            reason: Some(reason),
        },
        Cause::Retraction { source: from, what, author, reason } => Because {
            cause: "retraction",
            by: author.as_str().into(),
            about: match what {
                Retracted::Link(a, b) => names(read, [*a, *b])?,
                Retracted::Record(Some(id)) => vec![format!("record {id} of {}", source(from)).into()].into(),
                Retracted::Record(None) => vec![format!("a record of {}", source(from)).into()].into(),
                Retracted::Source => vec![format!("source {}", source(from)).into()].into(),
            },
            reason: Some(reason),
        },
        Cause::Schema { author, reason } => {
            Because { cause: "schema", by: author.as_str().into(), about: Value::Null, reason: Some(reason) }
        }
        Cause::Erasure { author, reason } => {
            Because { cause: "forget", by: author.as_str().into(), about: Value::Null, reason: Some(reason) }
        }
        Cause::Rebuild => Because { cause: "rebuild", by: Value::Null, about: Value::Null, reason: None },
        Cause::BackgroundCut => {
            Because { cause: "background cut", by: Value::Null, about: Value::Null, reason: None }
        }
        Cause::BulkLoad => Because { cause: "bulk load", by: Value::Null, about: Value::Null, reason: None },
    })
}

fn texts<T: ToString>(ids: &[T]) -> Value {
    ids.iter().map(|id| Value::from(id.to_string())).collect()
}

/// The names of identifiers, ascending; null for each that is gone.
fn names(read: &impl Read, ids: impl IntoIterator<Item = IdentifierId>) -> ReadResult<Value> {
    let mut all = Vec::new();
    for id in ids {
        all.push(answers::name_of(read, id)?.map(|name| name.to_string()));
    }
    all.sort();
    Ok(all.into_iter().map(Value::from).collect())
}
