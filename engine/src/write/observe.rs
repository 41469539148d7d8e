//! One observation: identifiers and links, then who is who, then who lives with whom.

use std::collections::BTreeSet;

use super::forget::holds;
use super::links::LinkChange;
use super::overlay::{Overlay, corrupt};
use super::prepare::{Prepared, PreparedIdentifier};
use super::{RejectReason, Rejection};
use crate::bulk::Logged;
use crate::codec::{
    DictionaryRow, Hash128, IdentifierRow, KeyRingRow, LinkKey, LinkRow, OwnerRow, RecordRow,
    StoredAttribute, StoredCause, StoredEvidence, StoredSeen,
};
use crate::model::{Catalogue, CatalogueFull, IdentifierId, KindId, MAX_IDENTIFIERS, NamespaceId, SourceId};
use crate::privacy::Values;
use crate::read::ReadResult;
use crate::rules::{Rules, ordered};

/// The numbers of an observation's names.
pub(crate) struct Numbered {
    pub(crate) source: SourceId,
    pub(crate) kind: Option<KindId>,
    pub(crate) namespaces: Vec<NamespaceId>,
    pub(crate) denied: Vec<NamespaceId>,
    pub(crate) attributes: Vec<u16>,
}

impl Numbered {
    /// Numbers the names of an observation; says whether any of them is new.
    pub(crate) fn of(observation: &Prepared, names: &mut Catalogue) -> Result<(Self, bool), CatalogueFull> {
        let lengths = |names: &Catalogue| {
            (names.namespaces.len(), names.sources.len(), names.kinds.len(), names.attributes.len())
        };
        let before = lengths(names);
        let numbered = Self {
            source: names.add_source(&observation.source)?,
            kind: observation.kind.as_deref().map(|kind| names.add_kind(kind)).transpose()?,
            namespaces: observation
                .identifiers
                .iter()
                .map(|identifier| names.add_namespace(&identifier.namespace))
                .collect::<Result<_, _>>()?,
            denied: observation
                .denied
                .iter()
                .map(|name| names.add_namespace(name))
                .collect::<Result<_, _>>()?,
            attributes: observation
                .attributes
                .iter()
                .map(|(name, _)| names.add_attribute(name).map(|id| id.get()))
                .collect::<Result<_, _>>()?,
        };
        Ok((numbered, before != lengths(names)))
    }
}

/// What an observation says of the identifiers that it names.
struct Said<'o> {
    source: SourceId,
    kind: Option<KindId>,
    time: i64,
    confidence: f64,
    record: Option<SaidRecord<'o>>,
}

/// The record that says it.
struct SaidRecord<'o> {
    record_id: Option<&'o str>,
    hash: Hash128,
    attributes: Vec<(u16, &'o StoredAttribute)>,
}

impl Overlay {
    /// Applies one observation and returns the links it speaks of. A rejection leaves the store as it was.
    pub(crate) fn observe(&mut self, observation: &Prepared) -> ReadResult<Result<Vec<LinkKey>, Rejection>> {
        let numbered = match self.number(observation) {
            Ok(numbered) => numbered,
            Err(full) => return Ok(Err(full)),
        };
        self.counters.seq += 1;
        self.counters.count_observation(numbered.source);
        for namespace in &numbered.denied {
            self.counters.count_denied(numbered.source, *namespace);
        }

        let (mut fresh, mut forgotten) = (Vec::new(), Vec::new());
        let mut ids: Vec<(IdentifierId, NamespaceId)> = Vec::with_capacity(observation.identifiers.len());
        for (identifier, namespace) in observation.identifiers.iter().zip(&numbered.namespaces) {
            match self.identify_or_create(identifier, *namespace, &mut fresh)? {
                Some(id) => ids.push((id, *namespace)),
                None => {
                    self.counters.count_forgotten(numbered.source, *namespace);
                    forgotten.push(identifier.value.as_str());
                }
            }
        }
        let mut record = observation.record.as_ref().map(|(record_id, hash)| SaidRecord {
            record_id: record_id.as_deref(),
            hash: *hash,
            attributes: observation
                .attributes
                .iter()
                .zip(&numbered.attributes)
                .map(|((_, value), attribute)| (*attribute, value))
                .collect(),
        });
        if !forgotten.is_empty() {
            self.refused += forgotten.len() as u32;
            // What belongs to nobody else is not kept, and no text brings a value back.
            record = record.filter(|_| !ids.is_empty());
            if let Some(record) = &mut record {
                let texts = Values::new(&forgotten)?;
                record.attributes.retain(|(_, value)| !holds(value, &texts));
                record.record_id = record.record_id.filter(|id| !texts.are_in(id));
            }
        }
        let said = Said {
            source: numbered.source,
            kind: numbered.kind,
            time: observation.time,
            confidence: observation.confidence,
            record,
        };
        self.hear(&said, &ids, &fresh).map(Ok)
    }

    /// Applies an observation of a bulk load as the write with the number
    /// `seq`. Names and identifiers were numbered and counted before; an
    /// identifier that has no row yet is made now, with the value that `value` gives.
    pub(crate) fn replay(
        &mut self,
        seq: u64,
        seen: &Logged,
        mut name: impl FnMut(IdentifierId) -> ReadResult<(NamespaceId, String)>,
    ) -> ReadResult<()> {
        self.counters.seq = seq;
        let mut fresh = Vec::new();
        let mut ids = Vec::with_capacity(seen.identifiers.len());
        for id in &seen.identifiers {
            let known = self.identifiers.get(&self.view, *id)?.map(|row| NamespaceId::new(row.namespace));
            let namespace = match known {
                Some(namespace) => namespace,
                None => {
                    let (namespace, value) = name(*id)?;
                    self.create(*id, namespace, value, &mut fresh);
                    namespace
                }
            };
            ids.push((*id, namespace));
        }
        let record = seen.record.as_ref().map(|record| SaidRecord {
            record_id: record.record_id.as_deref(),
            hash: record.hash,
            attributes: record.attributes.iter().map(|(attribute, value)| (*attribute, value)).collect(),
        });
        let said = Said {
            source: seen.source,
            kind: seen.kind,
            time: seen.time,
            confidence: seen.confidence,
            record,
        };
        self.hear(&said, &ids, &fresh).map(drop)
    }

    /// Applies what was said of identifiers, of which `fresh` are new; returns the links it speaks of.
    fn hear(
        &mut self,
        said: &Said<'_>,
        ids: &[(IdentifierId, NamespaceId)],
        fresh: &[IdentifierId],
    ) -> ReadResult<Vec<LinkKey>> {
        for (id, _) in ids {
            let seen = &mut self.identifier(*id)?.seen;
            StoredSeen::note(seen, said.source.get(), said.record.is_some(), said.time);
        }
        self.cause = StoredCause::Observation {
            source: said.source.get(),
            kind: said.kind.map(KindId::get),
            identifiers: ids.iter().map(|(id, _)| id.get()).collect(),
        };
        let changes = self.link_all(said, ids)?;
        if let Some(record) = &said.record {
            self.record(said, record, ids)?;
        }
        self.settle_links(fresh, &changes)?;
        Ok(changes.iter().map(|change| (change.a, change.of_b, change.b)).collect())
    }

    /// How many of these links are held back by a limit.
    pub(crate) fn count_held(&mut self, links: &BTreeSet<LinkKey>) -> ReadResult<u32> {
        let mut held = 0;
        for key in links {
            held += u32::from(self.links.get(&self.view, *key)?.is_some_and(|link| link.held.is_some()));
        }
        Ok(held)
    }

    /// Gives every name its number, or says that there is no room.
    fn number(&mut self, observation: &Prepared) -> Result<Numbered, Rejection> {
        let known = self.names.namespaces.len();
        let numbered = Numbered::of(observation, &mut self.names).map_err(|full| Rejection {
            index: observation.index,
            field: String::new(),
            reason: RejectReason::Full,
            message: full.to_string(),
        });
        let numbered = numbered.map(|(numbered, new)| {
            self.names_changed |= new;
            numbered
        });
        if self.names.namespaces.len() > known {
            self.rules = std::sync::Arc::new(Rules::new(&self.schema, &self.names));
        }
        let room = (u32::MAX - self.counters.identifiers) as usize;
        if room < MAX_IDENTIFIERS {
            return Err(Rejection {
                index: observation.index,
                field: "identifiers".to_owned(),
                reason: RejectReason::Full,
                message: format!(
                    "the store holds {} identifiers, the most it can",
                    self.counters.identifiers
                ),
            });
        }
        numbered
    }

    /// The identifier of this name; `None` if it was forgotten.
    fn identify_or_create(
        &mut self,
        identifier: &PreparedIdentifier,
        namespace: NamespaceId,
        fresh: &mut Vec<IdentifierId>,
    ) -> ReadResult<Option<IdentifierId>> {
        let key = (namespace, identifier.hash);
        if let Some(row) = self.dictionary.get(&self.view, key)? {
            let Some(id) = row.identifier() else { return Ok(None) };
            let known = self.identifiers.get(&self.view, id)?;
            if known.is_none_or(|row| row.value != identifier.value) {
                let detail =
                    format!("the dictionary leads to identifier {}, which has another value", id.get());
                return Err(corrupt::<DictionaryRow>(detail));
            }
            return Ok(Some(id));
        }
        let id = self.counters.count_identifier(namespace);
        self.dictionary.put(key, DictionaryRow { id: id.get() });
        self.create(id, namespace, identifier.value.clone(), fresh);
        Ok(Some(id))
    }

    /// The rows of an identifier that is new.
    fn create(
        &mut self,
        id: IdentifierId,
        namespace: NamespaceId,
        value: String,
        fresh: &mut Vec<IdentifierId>,
    ) {
        self.identifiers.put(id, IdentifierRow::new(namespace, value));
        if self.rules.is_person(namespace) {
            fresh.push(id);
        } else {
            self.owners.put(id, OwnerRow::NEW);
        }
    }

    /// Adds the observation's evidence to the link of every pair.
    fn link_all(
        &mut self,
        said: &Said<'_>,
        ids: &[(IdentifierId, NamespaceId)],
    ) -> ReadResult<Vec<LinkChange>> {
        let mut changes = Vec::with_capacity(ids.len() * ids.len().saturating_sub(1) / 2);
        for (at, (one, of_one)) in ids.iter().enumerate() {
            for (other, of_other) in &ids[at + 1..] {
                let (a, b) = ordered(*one, *other);
                let (of_a, of_b) = if a == *one { (*of_one, *of_other) } else { (*of_other, *of_one) };
                changes.push(self.link(said, (a, of_a), (b, of_b))?);
            }
        }
        Ok(changes)
    }

    fn link(
        &mut self,
        said: &Said<'_>,
        (a, of_a): (IdentifierId, NamespaceId),
        (b, of_b): (IdentifierId, NamespaceId),
    ) -> ReadResult<LinkChange> {
        let time = said.time;
        if self.links.get(&self.view, (a, of_b, b))?.is_none() {
            for ((from, of_from), (to, of_to)) in [((a, of_a), (b, of_b)), ((b, of_b), (a, of_a))] {
                let row = LinkRow { weight: 0.0, last: time, held: None, evidence: Vec::new() };
                self.links.put((from, of_to, to), row);
                let home = u32::from(!self.rules.is_person(of_to));
                let row = self.identifier(from)?;
                debug_assert_eq!(row.namespace, of_from.get());
                row.degree += 1;
                row.home_links += home;
            }
            self.counters.links += 1;
        }
        let missing = || corrupt::<LinkRow>(format!("the link {}-{} stands one way only", a.get(), b.get()));
        let forward = self.links.get_mut(&self.view, (a, of_b, b))?.ok_or_else(missing)?;
        let before = (!forward.evidence.is_empty()).then_some((forward.weight, forward.last));
        let by = (said.source.get(), said.kind.map(KindId::get), said.record.is_some());
        StoredEvidence::note(&mut forward.evidence, by, said.confidence, time);
        forward.weight = StoredEvidence::weigh(&forward.evidence);
        forward.last = forward.last.max(time);
        let (weight, last) = (forward.weight, forward.last);
        let back = self.links.get(&self.view, (b, of_a, a))?.ok_or_else(missing)?;
        if (back.weight, back.last) != (weight, last) {
            let back = self.links.get_mut(&self.view, (b, of_a, a))?.ok_or_else(missing)?;
            (back.weight, back.last) = (weight, last);
        }
        Ok(LinkChange { a, b, of_a, of_b, before, after: Some((weight, last)) })
    }

    /// Keeps what a record said, and the way back to it.
    fn record(
        &mut self,
        said: &Said<'_>,
        from: &SaidRecord<'_>,
        ids: &[(IdentifierId, NamespaceId)],
    ) -> ReadResult<()> {
        let key = (said.source, from.hash);
        if self.records.get(&self.view, key)?.is_none() {
            let record_id = from.record_id.map(str::to_owned);
            self.records.put(key, RecordRow { record_id, claims: Vec::new(), attributes: Vec::new() });
            self.counters.records += 1;
        }
        let Some(record) = self.records.get_mut(&self.view, key)? else { return Ok(()) };
        let mut identifiers: Vec<u32> = ids.iter().map(|(id, _)| id.get()).collect();
        identifiers.sort_unstable();
        record.claim(identifiers, said.kind.map(KindId::get), said.confidence, said.time);
        for (attribute, value) in &from.attributes {
            let name = self.names.attributes.name(*attribute).unwrap_or_default();
            record.learn(name, *attribute, value, said.time);
        }
        for (id, _) in ids {
            self.key_ring.put((*id, said.source, from.hash), KeyRingRow);
        }
        Ok(())
    }
}
