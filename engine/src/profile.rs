//! Profiles: what is known of a person, reconciled from all sources.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut identifiers = Vec::new();
    let mut records: BTreeMap<(String, Option<String>, Vec<IdentifierId>), SourceRecord> = BTreeMap::new();
    for member in read.members(person) {
        let member = member?;
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
            let source = names.source_name(record.source).to_owned();
            records.insert((source, record.record_id.clone(), record.identifiers.clone()), record);
        }
    }
    identifiers.sort_by(|x, y| {
        let name = |identifier: &ProfileIdentifier| names.namespace_name(identifier.namespace);
        (name(x), &x.value).cmp(&(name(y), &y.value))
    });
    let records: Vec<SourceRecord> = records.into_values().collect();
    let attributes = reconcile(&records, |attribute| names.attribute_name(attribute).to_owned());
    Ok(Some(Profile { person: row, identifiers, records, attributes }))
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
