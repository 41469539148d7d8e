//! Changes to who is who, and what a schema changes, as they are shown.

use std::io::{self, Write};

use kinfold_proto::v1;
use kinfold_query::{Map, Value};
use serde_json::json;

use super::Answer;
use super::figures::{counted, grouped};
use super::json::Json;
use super::text::plain;
use crate::grpc::from_proto;

/// The columns of events.
pub(crate) const EVENT_COLUMNS: [&str; 8] =
    ["seq", "index", "time", "change", "before", "after", "moved", "cause"];

/// An event as a row under [`EVENT_COLUMNS`]: to look at, who went where and why
/// in words; to work with, as maps.
pub(crate) fn event_row(event: &v1::Event, in_words: bool) -> Vec<Value> {
    use v1::event::Change;
    let (before, after, moved) = match &event.change {
        Some(Change::Persons(change)) => (&change.before, &change.after, shares(change, in_words)),
        Some(Change::Households(change)) => (&change.before, &change.after, moves(change, in_words)),
        Some(Change::Erased(change)) => (&change.before, &change.after, Value::Null),
        None => (&Vec::new(), &Vec::new(), Value::Null),
    };
    let moved = match moved {
        // What is not told is not nothing.
        Value::List(list) if event.abridged && list.is_empty() => Value::Null,
        moved => moved,
    };
    let (before, after) = if in_words {
        (Value::from(before.join(", ")), Value::from(after.join(", ")))
    } else {
        (texts(before), texts(after))
    };
    vec![
        number(event.sequence),
        number(event.index.into()),
        event.time.and_then(|time| from_proto::timestamp(time).ok()).map_or(Value::Null, Value::from),
        word(event).into(),
        before,
        after,
        moved,
        event.cause.as_ref().map_or(Value::Null, |cause| self::cause(cause, in_words)),
    ]
}

/// An event as a JSON object under [`EVENT_COLUMNS`].
fn event_json(event: &v1::Event) -> serde_json::Value {
    let row = event_row(event, false);
    let entries = EVENT_COLUMNS.iter().zip(&row);
    // Values of these kinds always are JSON.
    entries
        .map(|(name, it)| ((*name).to_owned(), serde_json::to_value(Json(it)).unwrap_or_default()))
        .collect()
}

fn word(event: &v1::Event) -> &'static str {
    match event.kind() {
        v1::EventKind::Unspecified => "other",
        v1::EventKind::Created => "created",
        v1::EventKind::Grew => "grew",
        v1::EventKind::Merged => "merged",
        v1::EventKind::Split => "split",
        v1::EventKind::Moved => "moved",
        v1::EventKind::Household => "household",
        v1::EventKind::Erased => "erased",
    }
}

/// Who went where. Of those that stayed with whom they belonged to only the named
/// are told: where the larger part of a person got another id, they are what says
/// who is who.
fn shares(change: &v1::PersonChange, in_words: bool) -> Value {
    let told = |it: &&v1::Share| it.from_person_id != it.to_person_id || !it.identifiers.is_empty();
    let moved = change.shares.iter().filter(told);
    if in_words {
        let told: Vec<String> = moved
            .map(|share| {
                let v1::Share { from_person_id: from, to_person_id: to, count, identifiers } = share;
                let mut text = match from.as_str() {
                    "" => format!("{} new to {to}", grouped((*count).into())),
                    from if from == to => format!("{} still with {to}", grouped((*count).into())),
                    from => format!("{} from {from} to {to}", grouped((*count).into())),
                };
                if !identifiers.is_empty() {
                    let names: Vec<String> = identifiers.iter().map(name).collect();
                    text.push_str(": ");
                    text.push_str(&names.join(", "));
                }
                text
            })
            .collect();
        return told.join("; ").into();
    }
    moved
        .map(|share| {
            map([
                ("from", id(&share.from_person_id)),
                ("to", id(&share.to_person_id)),
                ("count", Value::Int(share.count.into())),
                ("identifiers", share.identifiers.iter().map(|it| Value::from(name(it))).collect()),
            ])
        })
        .collect()
}

fn moves(change: &v1::HouseholdChange, in_words: bool) -> Value {
    if in_words {
        let place = |id: &str| if id.is_empty() { "none".to_owned() } else { id.to_owned() };
        let told: Vec<String> = change
            .moves
            .iter()
            .map(|step| {
                let (from, to) = (place(&step.from_household_id), place(&step.to_household_id));
                format!("{} from {from} to {to}", step.person_id)
            })
            .collect();
        return told.join("; ").into();
    }
    let step = |step: &v1::HouseholdMove| {
        map([
            ("person", id(&step.person_id)),
            ("from", id(&step.from_household_id)),
            ("to", id(&step.to_household_id)),
        ])
    };
    change.moves.iter().map(step).collect()
}

fn cause(cause: &v1::Cause, in_words: bool) -> Value {
    use v1::cause::Kind;
    match &cause.kind {
        None => Value::Null,
        Some(Kind::Observation(seen)) => {
            let names: Vec<String> = seen.identifiers.iter().map(name).collect();
            if in_words {
                let kind = if seen.kind.is_empty() { String::new() } else { format!(" ({})", seen.kind) };
                return format!("{}{kind} saw {}", seen.source, names.join(", ")).into();
            }
            map([
                ("kind", "observation".into()),
                ("source", seen.source.as_str().into()),
                ("link_kind", id(&seen.kind)),
                ("identifiers", texts(&names)),
            ])
        }
        Some(Kind::Override(said)) => {
            let (word, done) = match said.action() {
                v1::OverrideAction::Unspecified => ("override", "overrode"),
                v1::OverrideAction::Forbid => ("forbid", "forbade"),
                v1::OverrideAction::Require => ("require", "required"),
                v1::OverrideAction::Release => ("release", "released"),
            };
            let [a, b] = [&said.a, &said.b].map(|end| end.as_ref().map(name).unwrap_or_default());
            if in_words {
                return format!("{} {done} {a} and {b}: {}", said.author, said.reason).into();
            }
            map([
                ("kind", word.into()),
                ("a", a.into()),
                ("b", b.into()),
                ("author", said.author.as_str().into()),
                ("reason", said.reason.as_str().into()),
            ])
        }
        Some(Kind::Retraction(it)) => retraction(it, in_words),
        Some(Kind::Schema(v1::SchemaCause { author, reason })) => {
            if in_words {
                return format!("{author} changed the schema: {reason}").into();
            }
            map([
                ("kind", "schema".into()),
                ("author", author.as_str().into()),
                ("reason", reason.as_str().into()),
            ])
        }
        Some(Kind::Erasure(v1::ErasureCause { author, reason })) => {
            if in_words {
                return format!("{author} had identifiers forgotten: {reason}").into();
            }
            map([
                ("kind", "erasure".into()),
                ("author", author.as_str().into()),
                ("reason", reason.as_str().into()),
            ])
        }
        Some(Kind::Rebuild(v1::RebuildCause {})) if in_words => "the store was resolved again".into(),
        Some(Kind::Rebuild(v1::RebuildCause {})) => map([("kind", "rebuild".into())]),
        Some(Kind::BackgroundCut(v1::BackgroundCutCause {})) if in_words => {
            "a large component was cut behind its write".into()
        }
        Some(Kind::BackgroundCut(v1::BackgroundCutCause {})) => map([("kind", "background_cut".into())]),
        Some(Kind::BulkLoad(v1::BulkLoadCause {})) if in_words => "the store was loaded in bulk".into(),
        Some(Kind::BulkLoad(v1::BulkLoadCause {})) => map([("kind", "bulk_load".into())]),
    }
}

fn retraction(it: &v1::RetractionCause, in_words: bool) -> Value {
    use v1::retraction::What;
    let what = it.what.as_ref().and_then(|what| what.what.as_ref());
    let (kind, source, record, ends) = match what {
        None => ("retraction", "", "", None),
        Some(What::Source(source)) => ("retract_source", source.as_str(), "", None),
        Some(What::Record(record)) => {
            ("retract_record", record.source.as_str(), record.record_id.as_str(), None)
        }
        Some(What::Link(link)) => {
            let ends = [&link.a, &link.b].map(|end| end.as_ref().map(name).unwrap_or_default());
            ("retract_link", link.source.as_str(), "", Some(ends))
        }
    };
    if in_words {
        let what = match (&ends, record) {
            (Some([a, b]), _) => format!("what {source} said of {a} and {b}"),
            (None, "") => format!("all that {source} said"),
            (None, record) => format!("record {record} of {source}"),
        };
        return format!("{} withdrew {what}: {}", it.author, it.reason).into();
    }
    let mut entries = vec![("kind", kind.into()), ("source", source.into())];
    if !record.is_empty() {
        entries.push(("record_id", record.into()));
    }
    if let Some([a, b]) = ends {
        entries.extend([("a", a.into()), ("b", b.into())]);
    }
    entries.extend([("author", it.author.as_str().into()), ("reason", it.reason.as_str().into())]);
    map(entries)
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Map(entries.into_iter().collect::<Map>())
}

fn number(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Null, Value::Int)
}

/// A name that may be missing.
fn id(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

fn texts(texts: &[String]) -> Value {
    texts.iter().map(|text| Value::from(text.as_str())).collect()
}

fn name(it: &v1::Identifier) -> String {
    format!("{}:{}", it.namespace, it.value)
}

/// Writes what became of something done by hand: `what` says what it is, as a sentence without its period.
pub(crate) fn write_act(
    out: &mut impl Write,
    answer: &mut dyn Answer,
    what: &str,
    receipt: &v1::ActReceipt,
) -> io::Result<()> {
    let mut shown = String::new();
    plain(&mut shown, what);
    if !receipt.changed {
        return writeln!(out, "{shown}. It was so before: nothing changed.");
    }
    let counts = receipt.counts.unwrap_or_default();
    writeln!(out, "{shown}. Sequence number {}.", grouped(receipt.sequence))?;
    let events = counts.created
        + counts.grew
        + counts.merged
        + counts.split
        + counts.moved
        + counts.household
        + counts.erased;
    if events == 0 {
        return writeln!(out, "Nobody is another person for it.");
    }
    let done: Vec<String> = [
        (counts.merged, "merge"),
        (counts.split, "split"),
        (counts.moved, "exchange"),
        (counts.household, "change to households"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "change to households") => format!("{} changes to households", grouped(count)),
        _ => counted(count, what),
    })
    .collect();
    if !done.is_empty() {
        writeln!(out, "{}; {} moved.", done.join(", "), counted(counts.identifiers_moved, "identifier"))?;
    }
    write_events(answer, &receipt.events)?;
    let rest = events.saturating_sub(receipt.events.len() as u64);
    if rest > 0 {
        writeln!(
            out,
            "{} more; `kinfold watch --from {}` shows them all.",
            counted(rest, "event"),
            receipt.first_sequence
        )?;
    }
    Ok(())
}

pub(super) fn write_events(answer: &mut dyn Answer, events: &[v1::Event]) -> io::Result<()> {
    answer.columns(&EVENT_COLUMNS.map(str::to_owned))?;
    for event in events {
        answer.row(&event_row(event, true))?;
    }
    answer.end(true)
}

/// What became of something done by hand, as one JSON object.
pub(crate) fn act_json(receipt: &v1::ActReceipt) -> serde_json::Value {
    let counts = receipt.counts.unwrap_or_default();
    json!({
        "sequence": receipt.sequence,
        "changed": receipt.changed,
        "created": counts.created,
        "grew": counts.grew,
        "merged": counts.merged,
        "split": counts.split,
        "moved": counts.moved,
        "household": counts.household,
        "erased": counts.erased,
        "identifiers_moved": counts.identifiers_moved,
        "first_sequence": receipt.first_sequence,
        "events": receipt.events.iter().map(event_json).collect::<Vec<_>>(),
    })
}

/// Writes what a schema changes: the counts, then the largest changes.
pub(crate) fn write_plan(
    out: &mut impl Write,
    answer: &mut dyn Answer,
    plan: &v1::SchemaPlan,
) -> io::Result<()> {
    let change = |before: u64, after: u64| match before == after {
        true => grouped(after),
        false => format!("{} → {}", grouped(before), grouped(after)),
    };
    let lines = [
        ("persons", change(plan.persons_before, plan.persons_after)),
        ("  merged with others", grouped(plan.merged)),
        ("  split", grouped(plan.split)),
        ("  exchanged", grouped(plan.moved)),
        ("  untouched", grouped(plan.untouched)),
        ("households", change(plan.households_before, plan.households_after)),
        ("  changes to them", grouped(plan.household_changes)),
        ("links held back", change(plan.held_back_before, plan.held_back_after)),
    ];
    let names = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, count) in lines {
        writeln!(out, "{name:<names$}  {count}")?;
    }
    if plan.examples.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nThe largest changes:")?;
    answer.columns(&["change", "before", "after", "identifiers", "moved"].map(str::to_owned))?;
    for event in &plan.examples {
        let mut row = event_row(event, true);
        let (moved, after, before) = (row.remove(6), row.remove(5), row.remove(4));
        answer.row(&[word(event).into(), before, after, number(identifiers(event)), moved])?;
    }
    answer.end(true)
}

/// How many identifiers the persons of an event hold.
fn identifiers(event: &v1::Event) -> u64 {
    match &event.change {
        Some(v1::event::Change::Persons(change)) => {
            change.shares.iter().map(|share| u64::from(share.count)).sum()
        }
        Some(v1::event::Change::Households(_) | v1::event::Change::Erased(_)) | None => 0,
    }
}

/// What a schema changes, as one JSON object.
pub(crate) fn plan_json(plan: &v1::SchemaPlan) -> serde_json::Value {
    json!({
        "persons": { "before": plan.persons_before, "after": plan.persons_after },
        "merged": plan.merged,
        "split": plan.split,
        "moved": plan.moved,
        "untouched": plan.untouched,
        "households": { "before": plan.households_before, "after": plan.households_after },
        "household_changes": plan.household_changes,
        "held_back_links": { "before": plan.held_back_before, "after": plan.held_back_after },
        "examples": plan.examples.iter().map(|event| {
            let mut object = event_json(event);
            object["identifiers"] = json!(identifiers(event));
            object
        }).collect::<Vec<_>>(),
    })
}

/// The columns of assertions.
pub(crate) const VERDICT_COLUMNS: [&str; 6] = ["line", "claim", "a", "b", "outcome", "reason"];

/// What became of an assertion, as a row under [`VERDICT_COLUMNS`].
pub(crate) fn verdict_row(verdict: &v1::AssertionVerdict) -> Vec<Value> {
    let end = |end: &Option<v1::Identifier>| end.as_ref().map_or(Value::Null, |it| name(it).into());
    vec![
        number(verdict.line),
        match verdict.claim() {
            v1::AssertionClaim::Unspecified => "other",
            v1::AssertionClaim::Same => "same",
            v1::AssertionClaim::Different => "different",
        }
        .into(),
        end(&verdict.a),
        end(&verdict.b),
        match verdict.outcome() {
            v1::AssertionOutcome::Unspecified => "other",
            v1::AssertionOutcome::Holds => "holds",
            v1::AssertionOutcome::Broken => "broken",
            v1::AssertionOutcome::Unknown => "unknown",
        }
        .into(),
        id(&verdict.reason),
    ]
}

/// What became of an assertion, as a JSON object under [`VERDICT_COLUMNS`].
pub(crate) fn verdict_json(verdict: &v1::AssertionVerdict) -> serde_json::Value {
    let row = verdict_row(verdict);
    let entries = VERDICT_COLUMNS.iter().zip(&row);
    entries
        .map(|(name, it)| ((*name).to_owned(), serde_json::to_value(Json(it)).unwrap_or_default()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn split() -> v1::Event {
        let identifier = |namespace: &str, value: &str| v1::Identifier {
            namespace: namespace.into(),
            value: value.into(),
        };
        let share = |from: &str, to: &str, count, identifiers| v1::Share {
            from_person_id: from.into(),
            to_person_id: to.into(),
            count,
            identifiers,
        };
        v1::Event {
            sequence: 7,
            index: 0,
            time: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
            kind: v1::EventKind::Split.into(),
            change: Some(v1::event::Change::Persons(v1::PersonChange {
                before: vec!["p0".into()],
                after: vec!["p0".into(), "p2".into()],
                shares: vec![
                    share("p0", "p0", 2, vec![]),
                    share("p0", "p2", 1, vec![identifier("account", "2")]),
                ],
            })),
            cause: Some(v1::Cause {
                kind: Some(v1::cause::Kind::Override(v1::OverrideCause {
                    action: v1::OverrideAction::Forbid.into(),
                    a: Some(identifier("email", "a@x.de")),
                    b: Some(identifier("account", "2")),
                    author: "ann".into(),
                    reason: "two people".into(),
                })),
            }),
            abridged: false,
        }
    }

    #[test]
    fn an_event_reads_in_words_and_works_as_maps() {
        let words: Vec<String> = event_row(&split(), true).iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "7",
                "0",
                "1970-01-01T00:00:00Z",
                "'split'",
                "'p0'",
                "'p0, p2'",
                "'1 from p0 to p2: account:2'",
                "'ann forbade email:a@x.de and account:2: two people'",
            ]
        );
        let expected = json!({
            "seq": 7, "index": 0, "time": "1970-01-01T00:00:00Z", "change": "split",
            "before": ["p0"], "after": ["p0", "p2"],
            "moved": [{"from": "p0", "to": "p2", "count": 1, "identifiers": ["account:2"]}],
            "cause": {"kind": "forbid", "a": "email:a@x.de", "b": "account:2", "author": "ann", "reason": "two people"},
        });
        assert_eq!(event_json(&split()), expected);
    }

    #[test]
    fn a_plan_says_what_changes() {
        let plan = v1::SchemaPlan {
            persons_before: 1_234,
            persons_after: 1_235,
            split: 1,
            untouched: 1_233,
            households_before: 4,
            households_after: 4,
            held_back_after: 2,
            examples: vec![split()],
            ..Default::default()
        };
        let mut out = Vec::new();
        let mut table = Vec::new();
        let mut answer = super::super::table::TableAnswer::new(&mut table, None);
        write_plan(&mut out, &mut answer, &plan).unwrap();
        drop(answer);
        let expected = "\
persons               1,234 → 1,235
  merged with others  0
  split               1
  exchanged           0
  untouched           1,233
households            4
  changes to them     0
links held back       0 → 2

The largest changes:
 change │ before │ after  │ identifiers │ moved
────────┼────────┼────────┼─────────────┼────────────────────────────
 split  │ p0     │ p0, p2 │           3 │ 1 from p0 to p2: account:2
1 row
";
        out.extend(table);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert_eq!(plan_json(&plan)["examples"][0]["identifiers"], 3);
    }
}
