//! Profiles: what is known of a person, reconciled from all sources.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;

use crate::consent;
use crate::model::{
    AttributeId, AttributeValue, IdentifierId, NamespaceId, PersonKey, PersonRow, SourceId, SourceRecord,
    Timestamp,
};
use crate::read::{Read, ReadError, ReadResult};

/// What is known of a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// The person.
    pub person: PersonRow,
    /// Its identifiers, ordered by namespace name, then value.
    pub identifiers: Vec<ProfileIdentifier>,
    /// The source records that name any of them: the key ring. Ordered by source name, then record id.
    pub records: Vec<SourceRecord>,
    /// Its attributes, ordered by name.
    pub attributes: Vec<ProfileAttribute>,
}

/// An identifier of a person and where it was seen.
#[derive(Clone, PartialEq, Debug)]
pub struct ProfileIdentifier {
    /// The identifier.
    pub id: IdentifierId,
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its normalised value.
    pub value: String,
    /// The earliest event time of any source; `None` where every source that saw it is left out.
    pub first_seen: Option<Timestamp>,
    /// The latest event time of any source; `None` where every source that saw it is left out.
    pub last_seen: Option<Timestamp>,
    /// Who saw it, ascending.
    pub sources: Vec<SourceId>,
}

/// An attribute of a person: of all records' values the most recent.
#[derive(Clone, PartialEq, Debug)]
pub struct ProfileAttribute {
    /// The attribute.
    pub name: AttributeId,
    /// The value that holds.
    pub value: AttributeValue,
    /// The event time of the record that says so.
    pub time: Timestamp,
    /// The source of that record.
    pub source: SourceId,
    /// The key of that record in its source.
    pub record_id: Option<String>,
}

/// Gathers the profile of the person at `person`; `None` if there is none.
///
/// Of the values that records give an attribute the one with the latest event
/// time holds; of several at the same time the greatest, so that the profile
/// depends on what was observed and not on the order it came in. Of words about
/// a purpose ([`crate::consent`]) the most restrictive holds, whenever it was said.
pub fn profile(read: &impl Read, person: PersonKey) -> ReadResult<Option<Profile>> {
    let Some(row) = read.person(person)? else { return Ok(None) };
    let names = read.names();
    let members = read.members(person).collect::<ReadResult<Vec<_>>>()?;
    let ids: HashSet<IdentifierId> = members.iter().map(|member| member.id).collect();
    let mut identifiers = Vec::with_capacity(members.len());
    let mut records: Vec<SourceRecord> = Vec::new();
    for member in members {
        let known = read.identifier(member.id)?.ok_or_else(|| ReadError::Corrupt {
            table: "identifiers",
            detail: format!("identifier {} of {} does not exist", member.id.get(), row.id),
        })?;
        let (first_seen, last_seen) = (known.first_seen(), known.last_seen());
        let sources: BTreeSet<SourceId> = known.seen.iter().map(|seen| seen.source).collect();
        identifiers.push(ProfileIdentifier {
            id: member.id,
            namespace: member.namespace,
            value: member.value,
            first_seen,
            last_seen,
            sources: sources.into_iter().collect(),
        });
        for record in read.records(member.id) {
            let record = record?;
            // It leads here from each of its identifiers, and is taken at the first.
            if record.identifiers.iter().find(|id| ids.contains(*id)) == Some(&member.id) {
                records.push(record);
            }
        }
    }
    identifiers.sort_by(|x, y| {
        let name = |identifier: &ProfileIdentifier| names.namespace_name(identifier.namespace);
        (name(x), &x.value).cmp(&(name(y), &y.value))
    });
    records.sort_by(|x, y| {
        let source = |record: &SourceRecord| names.source_name(record.source);
        source(x).cmp(source(y)).then_with(|| order(x, y))
    });
    let attributes = reconcile(&records, |attribute| names.attribute_name(attribute).to_owned());
    Ok(Some(Profile { person: row, identifiers, records, attributes }))
}

/// The order of records of one source, by all that can be seen of them: since an
/// erasure several may have the same identifiers and no id.
fn order(x: &SourceRecord, y: &SourceRecord) -> Ordering {
    let seen = |record: &SourceRecord| (record.first_seen, record.last_seen);
    let by_attributes = || {
        let pairs = x.attributes.iter().zip(&y.attributes);
        let each = pairs.map(|((x_name, x_value, x_time), (y_name, y_value, y_time))| {
            x_name.cmp(y_name).then_with(|| x_value.order(y_value)).then(x_time.cmp(y_time))
        });
        each.fold(Ordering::Equal, Ordering::then).then(x.attributes.len().cmp(&y.attributes.len()))
    };
    (&x.record_id, &x.identifiers, seen(x))
        .cmp(&(&y.record_id, &y.identifiers, seen(y)))
        .then_with(by_attributes)
}

fn reconcile(records: &[SourceRecord], name: impl Fn(AttributeId) -> String) -> Vec<ProfileAttribute> {
    let mut best: BTreeMap<String, ProfileAttribute> = BTreeMap::new();
    for record in records {
        for (attribute, value, time) in &record.attributes {
            let candidate = ProfileAttribute {
                name: *attribute,
                value: value.clone(),
                time: *time,
                source: record.source,
                record_id: record.record_id.clone(),
            };
            let name = name(*attribute);
            match best.get_mut(&name) {
                Some(known) if wins(&name, &candidate, known) => *known = candidate,
                Some(_) => {}
                None => {
                    best.insert(name, candidate);
                }
            }
        }
    }
    best.into_values().collect()
}

fn wins(name: &str, candidate: &ProfileAttribute, known: &ProfileAttribute) -> bool {
    let word = |held: &ProfileAttribute| consent::said(name, &held.value);
    word(candidate)
        .cmp(&word(known))
        .then(candidate.time.cmp(&known.time))
        .then_with(|| candidate.value.order(&known.value))
        .is_gt()
}
