//! The properties of the identity graph's nodes and relationships.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use kinfold_engine::model::{
    AttributeValue, Catalogue, Evidence, HeldBackBy, HouseholdKey, HouseholdRow, IdentifierId,
    IdentifierRecord, Link, LinkRow, NamespaceId, PersonKey, PersonRow, Timestamp,
};
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Read, ReadError, ReadResult};

use super::cache::{Attributes, keep};
use super::{IDENTIFIER, IDENTIFIES, IdentityGraph, LABELS, LINKED, PERSON, TYPES, identifier_id};
use crate::ast::VerbKind;
use crate::graph::{NodeId, RelId, Vocabulary};
use crate::value::{Map, Value};

const OF_IDENTIFIER: [&str; 7] = ["id", "namespace", "value", "first_seen", "last_seen", "degree", "shared"];
const OF_PERSON: [&str; 3] = ["id", "size", "created_at"];
const OF_HOUSEHOLD: [&str; 2] = ["id", "size"];
const OF_LINK: [&str; 8] =
    ["weight", "count", "first_seen", "last_seen", "sources", "evidence", "conducts", "held_back_by"];

pub(super) fn vocabulary(read: &impl Read) -> Vocabulary {
    let names = read.names();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let namespaces: BTreeSet<String> = names
        .namespaces
        .iter()
        .chain(read.schema().declared().map(|(name, _)| name))
        .map(str::to_owned)
        .collect();
    let properties: BTreeSet<String> = OF_IDENTIFIER
        .into_iter()
        .chain(OF_PERSON)
        .chain(OF_HOUSEHOLD)
        .chain(names.attributes.iter())
        .map(str::to_owned)
        .collect();
    Vocabulary {
        labels: owned(&LABELS).into_iter().chain(namespaces).collect(),
        types: owned(&TYPES),
        node_properties: properties.into_iter().collect(),
        relationship_properties: OF_LINK.into_iter().chain(["since"]).map(str::to_owned).collect(),
        procedures: VerbKind::ALL.into_iter().map(|kind| kind.procedure().to_owned()).collect(),
    }
}

/// An attribute's value as a value of the language.
pub(crate) fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::String(text) => text.as_str().into(),
        AttributeValue::Number(number) => (*number).into(),
        AttributeValue::Bool(value) => (*value).into(),
        AttributeValue::Timestamp(time) => (*time).into(),
    }
}

/// The limit that holds a link back, as `max_per_person(account)`.
pub(crate) fn held_back(names: &Catalogue, by: Option<HeldBackBy>) -> Value {
    match by {
        None => Value::Null,
        Some(HeldBackBy::MaxIdentifiers) => "max_identifiers".into(),
        Some(HeldBackBy::MaxPerPerson(namespace)) => {
            format!("max_per_person({})", names.namespace_name(namespace)).into()
        }
        Some(HeldBackBy::MaxPersons) => "max_persons".into(),
        Some(HeldBackBy::Forbidden) => "forbidden".into(),
    }
}

/// The names of the sources of a link, ascending.
pub(crate) fn sources(names: &Catalogue, evidence: &[Evidence]) -> Value {
    let sources: BTreeSet<&str> = evidence.iter().map(|e| names.source_name(e.source)).collect();
    sources.into_iter().map(Value::from).collect()
}

/// What one source and kind said of a link, as a map.
pub(crate) fn evidence(names: &Catalogue, evidence: &Evidence) -> Value {
    let entries: [(&str, Value); 6] = [
        ("source", names.source_name(evidence.source).into()),
        ("kind", evidence.kind.map(|kind| names.kind_name(kind)).into()),
        ("confidence", evidence.confidence.into()),
        ("count", count(evidence.count)),
        ("first_seen", evidence.first_seen.into()),
        ("last_seen", evidence.last_seen.into()),
    ];
    Value::Map(entries.into_iter().collect())
}

pub(crate) fn count(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn missing(table: &'static str, what: &str, number: u64) -> ReadError {
    ReadError::Corrupt { table, detail: format!("{what} {number} is spoken of, but does not exist") }
}

impl<'r, R: Read> IdentityGraph<'r, R> {
    fn record(&self, id: IdentifierId) -> ReadResult<Rc<IdentifierRecord>> {
        if let Some(record) = self.cache.records.borrow().get(&id) {
            return Ok(Rc::clone(record));
        }
        let record = self.read.identifier(id)?;
        let record =
            Rc::new(record.ok_or_else(|| missing("identifiers", "identifier", u64::from(id.get())))?);
        keep(&self.cache.records, id, Rc::clone(&record));
        Ok(record)
    }

    /// The namespace and the value of an identifier.
    pub(super) fn name(&self, id: IdentifierId) -> ReadResult<(NamespaceId, Rc<str>)> {
        if let Some((namespace, value)) = self.cache.names.borrow().get(&id) {
            return Ok((*namespace, Rc::clone(value)));
        }
        let record = self.record(id)?;
        Ok((record.namespace, record.value.as_str().into()))
    }

    pub(super) fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        if let Some(row) = self.cache.persons.borrow().get(&key) {
            return Ok(Some(row.clone()));
        }
        let row = self.read.person(key)?;
        if let Some(row) = &row {
            keep(&self.cache.persons, key, row.clone());
        }
        Ok(row)
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<HouseholdRow> {
        self.read.household(key)?.ok_or_else(|| missing("households", "household", key.get()))
    }

    fn link_row(&self, rel: RelId) -> ReadResult<(IdentifierId, LinkRow)> {
        let pair = (IdentifierId::new(rel.a as u32), IdentifierId::new(rel.b as u32));
        if let Some(row) = self.cache.rows.borrow().get(&pair) {
            return Ok(*row);
        }
        let link = self.link(rel)?;
        let row = LinkRow {
            other: pair.1,
            other_namespace: self.name(pair.1)?.0,
            weight: link.weight,
            last_seen: link.last_seen,
            held_back_by: link.held_back_by,
        };
        keep(&self.cache.rows, pair, (pair.0, row));
        Ok((pair.0, row))
    }

    fn link(&self, rel: RelId) -> ReadResult<Rc<Link>> {
        let pair = (IdentifierId::new(rel.a as u32), IdentifierId::new(rel.b as u32));
        if let Some(link) = self.cache.links.borrow().get(&pair) {
            return Ok(Rc::clone(link));
        }
        let link = self.read.link(pair.0, pair.1)?;
        let link = Rc::new(link.ok_or_else(|| missing("links", "the link of identifier", rel.a))?);
        keep(&self.cache.links, pair, Rc::clone(&link));
        Ok(link)
    }

    /// What the records that name an identifier say: of each attribute the
    /// latest value, of several at the same time the greatest.
    fn attributes_of_identifier(&self, id: IdentifierId) -> ReadResult<Vec<(String, AttributeValue)>> {
        let names = self.read.names();
        let mut best: BTreeMap<String, (Timestamp, AttributeValue)> = BTreeMap::new();
        for record in self.read.records(id) {
            for (attribute, value, time) in record?.attributes {
                let name = names.attribute_name(attribute).to_owned();
                let wins = best
                    .get(&name)
                    .is_none_or(|(known, kept)| time.cmp(known).then(value.order(kept)).is_gt());
                if wins {
                    best.insert(name, (time, value));
                }
            }
        }
        Ok(best.into_iter().map(|(name, (_, value))| (name, value)).collect())
    }

    fn attributes_of_person(&self, key: PersonKey) -> ReadResult<Attributes> {
        if let Some((known, attributes)) = &*self.cache.attributes.borrow()
            && *known == key
        {
            return Ok(Rc::clone(attributes));
        }
        let names = self.read.names();
        let attributes = profile(self.read, key)?.map(|profile| profile.attributes).unwrap_or_default();
        let named = attributes.into_iter().map(|a| (names.attribute_name(a.name).to_owned(), a.value));
        let attributes: Attributes = Rc::new(named.collect());
        *self.cache.attributes.borrow_mut() = Some((key, Rc::clone(&attributes)));
        Ok(attributes)
    }

    pub(super) fn property_of_node(&self, node: NodeId, name: &str) -> ReadResult<Value> {
        match node.table {
            IDENTIFIER => self.property_of_identifier(identifier_id(node), name),
            PERSON => {
                let key = PersonKey::new(node.key);
                let row = self.person(key)?.ok_or_else(|| missing("persons", "person", node.key))?;
                Ok(match name {
                    "id" => row.id.to_string().into(),
                    "size" => row.size.into(),
                    "created_at" => row.created_at.into(),
                    _ if self.read.names().attribute(name).is_none() => Value::Null,
                    _ => find(&self.attributes_of_person(key)?, name),
                })
            }
            _ => {
                let row = self.household(HouseholdKey::new(node.key))?;
                Ok(match name {
                    "id" => row.id.to_string().into(),
                    "size" => row.persons.into(),
                    _ => Value::Null,
                })
            }
        }
    }

    fn property_of_identifier(&self, id: IdentifierId, name: &str) -> ReadResult<Value> {
        let names = self.read.names();
        Ok(match name {
            "id" => {
                let (namespace, value) = self.name(id)?;
                format!("{}:{value}", names.namespace_name(namespace)).into()
            }
            "namespace" => names.namespace_name(self.name(id)?.0).into(),
            "value" => (&*self.name(id)?.1).into(),
            "first_seen" => self.record(id)?.first_seen().into(),
            "last_seen" => self.record(id)?.last_seen().into(),
            "degree" => self.record(id)?.degree.into(),
            "shared" => self.record(id)?.shared.into(),
            _ if names.attribute(name).is_none() => Value::Null,
            _ => find(&self.attributes_of_identifier(id)?, name),
        })
    }

    pub(super) fn property_of_rel(&self, rel: RelId, name: &str) -> ReadResult<Value> {
        let names = self.read.names();
        match rel.table {
            LINKED => Ok(match name {
                "weight" => self.link_row(rel)?.1.weight.into(),
                "last_seen" => self.link_row(rel)?.1.last_seen.into(),
                "held_back_by" => held_back(names, self.link_row(rel)?.1.held_back_by),
                "conducts" => {
                    let (from, row) = self.link_row(rel)?;
                    self.read.conducts(from, &row)?.into()
                }
                "count" => count(self.link(rel)?.count()),
                "first_seen" => self.link(rel)?.first_seen.into(),
                "sources" => sources(names, &self.link(rel)?.evidence),
                "evidence" => self.link(rel)?.evidence.iter().map(|e| evidence(names, e)).collect(),
                _ => Value::Null,
            }),
            _ if name != "since" => Ok(Value::Null),
            IDENTIFIES => Ok(self.person(PersonKey::new(rel.b))?.map(|row| row.created_at).into()),
            _ => Ok(self.household(HouseholdKey::new(rel.b))?.created_at.into()),
        }
    }

    pub(super) fn properties_of_node(&self, node: NodeId) -> ReadResult<Map> {
        let (own, attributes): (&[&str], Vec<(String, AttributeValue)>) = match node.table {
            IDENTIFIER => (&OF_IDENTIFIER, self.attributes_of_identifier(identifier_id(node))?),
            PERSON => (&OF_PERSON, self.attributes_of_person(PersonKey::new(node.key))?.to_vec()),
            _ => (&OF_HOUSEHOLD, Vec::new()),
        };
        let mut all: Vec<(String, Value)> =
            attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
        for name in own {
            all.push(((*name).to_owned(), self.property_of_node(node, name)?));
        }
        Ok(all.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    pub(super) fn properties_of_rel(&self, rel: RelId) -> ReadResult<Map> {
        let names: &[&str] = if rel.table == LINKED { &OF_LINK } else { &["since"] };
        let mut all = Vec::new();
        for name in names {
            let value = self.property_of_rel(rel, name)?;
            if !value.is_null() {
                all.push((*name, value));
            }
        }
        Ok(all.into_iter().collect())
    }
}

fn find(attributes: &[(String, AttributeValue)], name: &str) -> Value {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| attribute(value)).into()
}
