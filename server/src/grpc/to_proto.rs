//! Domain to wire.

mod answers;
mod assertions;
mod erased;
mod events;

use std::collections::HashMap;

use kinfold_engine::Stats;
use kinfold_engine::model::{
    AttributeId, AttributeValue, HouseholdId, HouseholdMember, HouseholdRow, Identifier, IdentifierRecord,
    Member, NamespaceId, Observation, PersonId, PersonRow, SourceId, SourceRecord, Timestamp,
};
use kinfold_engine::profile::Profile;
use kinfold_engine::read::{Read, ReadError, ReadResult};
use kinfold_engine::write::{Receipt, RejectReason, Rejection};
use kinfold_proto::v1;
use kinfold_query::{Duration, Map, NodeData, NodeValue, RelData, RelValue, Value};

use super::error::CallError;
use super::from_proto::View;
use crate::audit::Entry;

pub(crate) use answers::{difference, forbid, network, parting, step, stopped_step};
pub(crate) use assertions::verdict;
pub(crate) use erased::{forget_plan, forget_report};
pub(crate) use events::{abridge, act_receipt, event, schema_plan};

/// A time.
pub(crate) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // 0 to 999,999 microseconds.
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// An identifier as it was written.
pub(crate) fn identifier(it: &Identifier) -> v1::Identifier {
    v1::Identifier { namespace: it.namespace.clone(), value: it.value.clone() }
}

/// An observation, as a client sends it.
pub(crate) fn observation(it: &Observation) -> v1::Observation {
    v1::Observation {
        source: it.source.clone(),
        time: Some(timestamp(it.time)),
        identifiers: it.identifiers.iter().map(identifier).collect(),
        confidence: Some(it.confidence),
        kind: it.kind.clone().unwrap_or_default(),
        record_id: it.record_id.clone().unwrap_or_default(),
        attributes: it
            .attributes
            .iter()
            .map(|(name, value)| (name.clone(), attribute_value(value)))
            .collect(),
    }
}

/// A person, asked for as `from` if that is another id than its own.
pub(crate) fn person(
    read: &impl Read,
    row: &PersonRow,
    from: Option<PersonId>,
    view: View,
) -> ReadResult<v1::Person> {
    let members = match view {
        View::Ids => Vec::new(),
        View::Identifiers | View::Full => read.members(row.key).collect::<ReadResult<_>>()?,
    };
    person_of(read, row, from, members, view)
}

/// The same, where its identifiers are known already; none where only ids are shown.
pub(crate) fn person_of(
    read: &impl Read,
    row: &PersonRow,
    from: Option<PersonId>,
    members: Vec<Member>,
    view: View,
) -> ReadResult<v1::Person> {
    let household_id = match row.household {
        None => String::new(),
        Some(key) => read.household(key)?.ok_or_else(|| lost("a person's household"))?.id.to_string(),
    };
    let told = |member: Member| match view {
        View::Ids | View::Identifiers => Ok(v1::PersonIdentifier {
            identifier: Some(named(read, member.namespace, member.value)),
            ..v1::PersonIdentifier::default()
        }),
        View::Full => {
            let record = read.identifier(member.id)?.ok_or_else(|| lost("a person's identifier"))?;
            Ok(person_identifier(read, record))
        }
    };
    let mut identifiers = members.into_iter().map(told).collect::<ReadResult<Vec<_>>>()?;
    sort_identifiers(&mut identifiers);
    Ok(v1::Person {
        person_id: row.id.to_string(),
        redirected_from: from.map(|id| id.to_string()).unwrap_or_default(),
        identifier_count: row.size,
        household_id,
        created_at: Some(timestamp(row.created_at)),
        identifiers,
        resolution_pending: row.resolution_pending,
    })
}

/// An identifier and who has seen it.
pub(crate) fn person_identifier(read: &impl Read, record: IdentifierRecord) -> v1::PersonIdentifier {
    v1::PersonIdentifier {
        first_seen: record.first_seen().map(timestamp),
        last_seen: record.last_seen().map(timestamp),
        sources: source_names(read, record.seen.iter().map(|seen| seen.source)),
        identifier: Some(named(read, record.namespace, record.value)),
    }
}

fn named(read: &impl Read, namespace: NamespaceId, value: String) -> v1::Identifier {
    v1::Identifier { namespace: read.names().namespace_name(namespace).to_owned(), value }
}

fn source_names(read: &impl Read, sources: impl Iterator<Item = SourceId>) -> Vec<String> {
    let mut names: Vec<String> = sources.map(|source| read.names().source_name(source).to_owned()).collect();
    names.sort();
    names
}

fn sort_identifiers(identifiers: &mut [v1::PersonIdentifier]) {
    fn name(identifier: &v1::PersonIdentifier) -> Option<(&str, &str)> {
        identifier.identifier.as_ref().map(|it| (it.namespace.as_str(), it.value.as_str()))
    }
    identifiers.sort_by(|a, b| name(a).cmp(&name(b)));
}

/// A household with its persons, asked for as `from` if that is another id than its own.
pub(crate) fn household(
    read: &impl Read,
    row: &HouseholdRow,
    from: Option<HouseholdId>,
    view: View,
) -> ReadResult<v1::Household> {
    let mut rows = Vec::new();
    let mut identifiers = Vec::new();
    for member in read.household_members(row.key) {
        match member? {
            HouseholdMember::Person(key) => {
                rows.push(read.person(key)?.ok_or_else(|| lost("a household's person"))?);
            }
            HouseholdMember::Identifier(_) if view == View::Ids => {}
            HouseholdMember::Identifier(id) => {
                let record = read.identifier(id)?.ok_or_else(|| lost("a household's identifier"))?;
                let mut told = person_identifier(read, record);
                if view == View::Identifiers {
                    let identifier = told.identifier.take();
                    told = v1::PersonIdentifier { identifier, ..v1::PersonIdentifier::default() };
                }
                identifiers.push(told);
            }
        }
    }
    rows.sort_by_key(|row| row.id);
    sort_identifiers(&mut identifiers);
    let persons = rows.iter().map(|row| person(read, row, None, view)).collect::<ReadResult<_>>()?;
    Ok(v1::Household {
        household_id: row.id.to_string(),
        redirected_from: from.map(|id| id.to_string()).unwrap_or_default(),
        person_count: row.persons,
        identifier_count: row.identifiers,
        created_at: Some(timestamp(row.created_at)),
        persons,
        identifiers,
    })
}

/// A profile, asked for as `from` if that is another id than the person's own.
pub(crate) fn profile(
    read: &impl Read,
    profile: &Profile,
    from: Option<PersonId>,
    view: View,
) -> ReadResult<v1::Profile> {
    let mut answer = v1::Profile {
        // The profile has the identifiers itself.
        person: Some(person(read, &profile.person, from, View::Ids)?),
        records: profile
            .records
            .iter()
            .map(|record| source_record(read, record, view))
            .collect::<ReadResult<_>>()?,
        attributes: Vec::new(),
    };
    if view == View::Ids {
        return Ok(answer);
    }
    let identifiers = profile.identifiers.iter().map(|it| {
        let identifier = Some(named(read, it.namespace, it.value.clone()));
        if view == View::Identifiers {
            return v1::PersonIdentifier { identifier, ..v1::PersonIdentifier::default() };
        }
        v1::PersonIdentifier {
            identifier,
            first_seen: it.first_seen.map(timestamp),
            last_seen: it.last_seen.map(timestamp),
            sources: source_names(read, it.sources.iter().copied()),
        }
    });
    if let Some(person) = &mut answer.person {
        person.identifiers = identifiers.collect();
    }
    if view == View::Full {
        answer.attributes = profile
            .attributes
            .iter()
            .map(|attribute| v1::ProfileAttribute {
                name: attribute_name(read, attribute.name),
                value: Some(attribute_value(&attribute.value)),
                time: Some(timestamp(attribute.time)),
                source: read.names().source_name(attribute.source).to_owned(),
                record_id: attribute.record_id.clone().unwrap_or_default(),
            })
            .collect();
    }
    Ok(answer)
}

fn source_record(read: &impl Read, record: &SourceRecord, view: View) -> ReadResult<v1::SourceRecord> {
    let mut answer = v1::SourceRecord {
        source: read.names().source_name(record.source).to_owned(),
        record_id: record.record_id.clone().unwrap_or_default(),
        first_seen: Some(timestamp(record.first_seen)),
        last_seen: Some(timestamp(record.last_seen)),
        ..v1::SourceRecord::default()
    };
    if view != View::Ids {
        for id in &record.identifiers {
            let known = read.identifier(*id)?.ok_or_else(|| lost("a record's identifier"))?;
            answer.identifiers.push(named(read, known.namespace, known.value));
        }
    }
    if view == View::Full {
        answer.attributes = record
            .attributes
            .iter()
            .map(|(name, value, time)| v1::RecordAttribute {
                name: attribute_name(read, *name),
                value: Some(attribute_value(value)),
                time: Some(timestamp(*time)),
            })
            .collect();
        answer.attributes.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(answer)
}

fn attribute_name(read: &impl Read, attribute: AttributeId) -> String {
    read.names().attribute_name(attribute).to_owned()
}

/// The value of an attribute.
pub(crate) fn attribute_value(value: &AttributeValue) -> v1::AttributeValue {
    use v1::attribute_value::Kind;
    let kind = match value {
        AttributeValue::String(text) => Kind::StringValue(text.clone()),
        AttributeValue::Number(number) => Kind::NumberValue(*number),
        AttributeValue::Bool(value) => Kind::BoolValue(*value),
        AttributeValue::Timestamp(time) => Kind::TimestampValue(timestamp(*time)),
    };
    v1::AttributeValue { kind: Some(kind) }
}

/// What became of a batch: the store's word on what was admitted, joined with
/// what stayed behind at the door, both in the places of the request.
pub(crate) fn receipt(receipt: Receipt, places: &[u32], refused: Vec<Rejection>) -> v1::Receipt {
    let by_store = receipt.rejected.into_iter().map(|rejection| {
        // The store counts what it was given.
        let index = places.get(rejection.index as usize).copied().unwrap_or(rejection.index);
        Rejection { index, ..rejection }
    });
    let mut rejections: Vec<_> = refused.into_iter().chain(by_store).map(rejection).collect();
    rejections.sort_by_key(|rejection| rejection.index);
    v1::Receipt {
        sequence: receipt.seq.get(),
        replayed: receipt.replayed,
        accepted: receipt.accepted,
        denied: receipt.denied,
        forgotten: receipt.forgotten,
        held_back: receipt.held_back,
        rejections,
    }
}

fn rejection(rejection: Rejection) -> v1::Rejection {
    let reason = match rejection.reason {
        RejectReason::Missing => v1::RejectReason::Missing,
        RejectReason::TooMuch => v1::RejectReason::TooMuch,
        RejectReason::OutOfRange => v1::RejectReason::OutOfRange,
        RejectReason::UndeclaredNamespace => v1::RejectReason::UndeclaredNamespace,
        RejectReason::InvalidValue => v1::RejectReason::InvalidValue,
        RejectReason::Full => v1::RejectReason::Full,
    };
    let place = format!("observations[{}]", rejection.index);
    v1::Rejection {
        index: rejection.index,
        reason: reason.into(),
        field: if rejection.field.is_empty() { place } else { format!("{place}.{}", rejection.field) },
        message: rejection.message,
    }
}

/// How deeply lists and maps of an answer may nest. Clients decode a hundred
/// messages inside each other; a map in a map is three.
const DEEPEST: usize = 28;

/// The values of a row, of at most about `most` bytes on the wire.
pub(crate) fn row(values: &[Value], most: usize) -> Result<v1::Row, CallError> {
    let mut room = Room { left: most, most };
    let values = values.iter().map(|it| value(it, DEEPEST, &mut room)).collect::<Result<_, _>>()?;
    Ok(v1::Row { values })
}

/// A parameter of a query, as a client sends it.
pub(crate) fn parameter(it: &Value) -> Result<v1::Value, CallError> {
    value(it, DEEPEST, &mut Room { left: usize::MAX, most: usize::MAX })
}

/// How many bytes an answer may still take. A value that shares its parts is
/// written out in full, so a small one in memory can be a large one here.
struct Room {
    left: usize,
    most: usize,
}

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), CallError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(row_too_large(self.most.saturating_add(bytes), self.most)),
        }
    }
}

/// A row does not fit into a message.
pub(crate) fn row_too_large(bytes: usize, most: usize) -> CallError {
    CallError::TooLargeToSend { what: "a row", bytes, most }
}

fn value(it: &Value, depth: usize, room: &mut Room) -> Result<v1::Value, CallError> {
    use v1::value::Kind;
    room.take(2)?;
    let kind = match it {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Int(value) => Kind::IntValue(*value),
        Value::Float(value) => Kind::DoubleValue(*value),
        Value::String(text) => {
            room.take(text.len())?;
            Kind::StringValue(text.to_string())
        }
        Value::List(list) => {
            let inner = deeper(depth)?;
            let values = list.iter().map(|it| value(it, inner, room)).collect::<Result<_, _>>()?;
            Kind::ListValue(v1::ListValue { values })
        }
        Value::Map(map) => {
            let entries = entries(map, deeper(depth)?, room)?;
            Kind::MapValue(Box::new(v1::MapValue { entries }))
        }
        Value::DateTime(time) => Kind::TimestampValue(timestamp(*time)),
        Value::Duration(Duration { months, days, micros }) => {
            Kind::DurationValue(v1::CalendarDuration { months: *months, days: *days, micros: *micros })
        }
        Value::Node(it) => Kind::NodeValue(Box::new(node(it, deeper(depth)?, room)?)),
        Value::Relationship(it) => Kind::RelationshipValue(Box::new(relationship(it, deeper(depth)?, room)?)),
        Value::Path(path) => {
            let inner = deeper(deeper(depth)?)?;
            let nodes = path.nodes().iter().map(|it| node(it, inner, room)).collect::<Result<_, _>>()?;
            let relationships = path
                .relationships()
                .iter()
                .map(|it| relationship(it, inner, room))
                .collect::<Result<_, _>>()?;
            Kind::PathValue(Box::new(v1::Path { nodes, relationships }))
        }
    };
    Ok(v1::Value { kind: Some(kind) })
}

fn deeper(depth: usize) -> Result<usize, CallError> {
    depth.checked_sub(1).ok_or(CallError::TooDeepToSend { most: DEEPEST })
}

fn entries(map: &Map, depth: usize, room: &mut Room) -> Result<HashMap<String, v1::Value>, CallError> {
    map.iter()
        .map(|(name, it)| {
            room.take(name.len())?;
            Ok((name.to_string(), value(it, depth, room)?))
        })
        .collect()
}

fn node(it: &NodeValue, depth: usize, room: &mut Room) -> Result<v1::Node, CallError> {
    let NodeData { id, labels, properties } = it.data();
    room.take(id.len() + labels.iter().map(String::len).sum::<usize>())?;
    Ok(v1::Node { id: id.clone(), labels: labels.clone(), properties: entries(properties, depth, room)? })
}

fn relationship(it: &RelValue, depth: usize, room: &mut Room) -> Result<v1::Relationship, CallError> {
    let RelData { kind, start, end, properties } = it.data();
    room.take(kind.len() + start.len() + end.len())?;
    Ok(v1::Relationship {
        r#type: kind.clone(),
        start_id: start.clone(),
        end_id: end.clone(),
        properties: entries(properties, depth, room)?,
    })
}

/// What a query took.
pub(crate) fn statistics(stats: &kinfold_query::Stats) -> v1::QueryStatistics {
    v1::QueryStatistics {
        rows: stats.rows,
        // Only a time of some 300 billion years does not fit.
        elapsed: prost_types::Duration::try_from(stats.elapsed).ok(),
        expansions: stats.expansions,
        peak_memory_bytes: u64::try_from(stats.peak_memory_bytes).unwrap_or(u64::MAX),
    }
}

/// The store's figures.
pub(crate) fn stats(stats: Stats) -> v1::GetStatsResponse {
    let mut namespaces: Vec<_> = stats
        .identifiers
        .into_iter()
        .map(|(namespace, identifiers)| v1::NamespaceStats { namespace, identifiers })
        .collect();
    namespaces.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    let mut sources: Vec<_> = stats
        .sources
        .into_iter()
        .map(|(source, observations)| v1::SourceStats { source, observations })
        .collect();
    sources.sort_by(|a, b| a.source.cmp(&b.source));
    let mut denied: Vec<_> = stats
        .denied
        .into_iter()
        .map(|(source, namespace, count)| v1::DeniedStats { source, namespace, count })
        .collect();
    denied.sort_by(|a, b| (&a.source, &a.namespace).cmp(&(&b.source, &b.namespace)));
    let mut forgotten: Vec<_> = stats
        .forgotten
        .into_iter()
        .map(|(source, namespace, count)| v1::ForgottenStats { source, namespace, count })
        .collect();
    forgotten.sort_by(|a, b| (&a.source, &a.namespace).cmp(&(&b.source, &b.namespace)));
    v1::GetStatsResponse {
        sequence: stats.seq.get(),
        identifiers: namespaces.iter().map(|namespace| namespace.identifiers).sum(),
        links: stats.links,
        persons: stats.persons,
        households: stats.households,
        namespaces,
        sources,
        denied,
        forgotten,
        bytes_on_disk: stats.disk_bytes,
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        held_back_links: stats.held_back,
        records: stats.records,
        observations: stats.observations,
    }
}

/// An entry of the audit.
pub(crate) fn audit_entry(entry: Entry) -> v1::AuditEntry {
    v1::AuditEntry {
        number: entry.number,
        time: entry.time.parse().ok().map(timestamp),
        caller: entry.caller,
        peer: entry.peer,
        method: entry.method,
        purpose: entry.purpose,
        subjects: entry.subjects,
        more_subjects: entry.more,
        sequence: entry.sequence,
        code: entry.code,
        hash: entry.hash,
    }
}

fn lost(what: &str) -> ReadError {
    ReadError::Corrupt { table: "persons and households", detail: format!("{what} has no row") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::from_proto;
    use super::*;
    use kinfold_engine::model::Seq;

    #[test]
    fn times_come_back_as_they_went() {
        for micros in [0, 1, -1, 999_999, -999_999, -1_000_001, 1_767_571_200_123_456] {
            let time = Timestamp::from_micros(micros).unwrap();
            assert_eq!(from_proto::timestamp(timestamp(time)).unwrap(), time);
        }
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(from_proto::timestamp(timestamp(end)).unwrap(), end);
        }
        let before = Timestamp::from_micros(-1).unwrap();
        assert_eq!(timestamp(before), prost_types::Timestamp { seconds: -1, nanos: 999_999_000 });
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Int(1), |inner, _| Value::from(vec![inner]))
    }

    #[test]
    fn values_nest_as_deep_as_clients_decode() {
        use prost::Message;
        let deep =
            (0..DEEPEST).fold(Value::Int(1), |inner, _| Value::Map([("inner", inner)].into_iter().collect()));
        let row = row(&[deep, nested(DEEPEST)], 1 << 20).unwrap();
        let rows = v1::query_response::Part::Rows(v1::QueryRows { rows: vec![row] });
        let sent = v1::QueryResponse { part: Some(rows) };
        assert_eq!(v1::QueryResponse::decode(sent.encode_to_vec().as_slice()), Ok(sent));
        let error = super::row(&[nested(DEEPEST + 1)], 1 << 20).unwrap_err();
        assert!(matches!(error, CallError::TooDeepToSend { .. }));
    }

    #[test]
    fn a_value_that_shares_its_parts_is_stopped_before_it_fills_the_memory() {
        // Two to the power of 25 numbers, in 26 small lists.
        let doubled = (0..25).fold(Value::Int(1), |inner, _| Value::from(vec![inner.clone(), inner]));
        let error = row(&[doubled], 1 << 16).unwrap_err();
        assert!(matches!(error, CallError::TooLargeToSend { most: 65_536, .. }), "{error}");
        assert!(row(&[Value::from("x".repeat(100))], 101).is_err());
        assert!(row(&[Value::from("x".repeat(100))], 102).is_ok());
    }

    #[test]
    fn values_come_back_as_they_went() {
        let time = Timestamp::from_micros(-1).unwrap();
        let map: Map = [("a", Value::Int(-7)), ("b", Value::Float(0.5))].into_iter().collect();
        for value in [
            Value::Null,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(f64::NEG_INFINITY),
            Value::from("é"),
            Value::from(vec![Value::Null, Value::from(vec![])]),
            Value::Map(map),
            Value::DateTime(time),
            Value::Duration(Duration { months: 1, days: -2, micros: 3 }),
        ] {
            let back = from_proto::parameter(parameter(&value).unwrap()).unwrap();
            assert_eq!(back, value);
        }
    }

    #[test]
    fn an_observation_travels_whole() {
        let seen = Observation {
            source: "crm".into(),
            time: "2026-01-05T00:00:00.25Z".parse().unwrap(),
            identifiers: vec![Identifier::new("email", "ann@example.com")],
            confidence: 0.5,
            kind: Some("login".into()),
            record_id: Some("7".into()),
            attributes: [
                ("age".to_owned(), AttributeValue::Number(1.5)),
                ("vip".to_owned(), AttributeValue::Bool(true)),
            ]
            .into(),
        };
        let back = from_proto::batch(String::new(), vec![observation(&seen)]).unwrap();
        assert_eq!(back.batch.observations, [seen]);
    }

    #[test]
    fn rejections_stand_in_the_places_of_the_request() {
        let refusal = |index, field: &str| Rejection {
            index,
            field: field.into(),
            reason: RejectReason::Missing,
            message: "gone".into(),
        };
        let answer = receipt(
            Receipt {
                seq: Seq::new(9),
                replayed: false,
                accepted: 2,
                denied: 1,
                forgotten: 4,
                // The second of those that were admitted was the request's fourth.
                rejected: vec![refusal(1, "identifiers[0].value")],
                held_back: 3,
            },
            &[0, 3, 4],
            vec![refusal(1, "time"), refusal(2, "")],
        );
        let places: Vec<_> = answer.rejections.iter().map(|r| (r.index, r.field.as_str())).collect();
        assert_eq!(
            places,
            [
                (1, "observations[1].time"),
                (2, "observations[2]"),
                (3, "observations[3].identifiers[0].value")
            ]
        );
        let counts = (answer.sequence, answer.accepted, answer.denied, answer.forgotten, answer.held_back);
        assert_eq!(counts, (9, 2, 1, 4, 3));
        assert_eq!(answer.rejections[0].reason(), v1::RejectReason::Missing);
    }
}
