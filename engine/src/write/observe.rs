//! One observation: identifiers and links, then who is who, then who lives with whom.

use std::collections::BTreeSet;

use super::links::LinkChange;
use super::overlay::{Overlay, corrupt};
use super::prepare::{Prepared, PreparedIdentifier};
use super::{RejectReason, Rejection};
use crate::codec::{
    DictionaryRow, IdentifierRow, KeyRingRow, LinkKey, LinkRow, OwnerRow, RecordRow, StoredAttribute,
    StoredCause, StoredClaim, StoredEvidence, StoredSeen,
};
use crate::model::{CatalogueFull, IdentifierId, KindId, MAX_IDENTIFIERS, NamespaceId, SourceId, combine};
use crate::read::ReadResult;
use crate::rules::{Rules, ordered};

/// The numbers of an observation's names.
struct Numbered {
    source: SourceId,
    kind: Option<KindId>,
    namespaces: Vec<NamespaceId>,
    denied: Vec<NamespaceId>,
    attributes: Vec<u16>,
}

impl Overlay {
    /// Applies one observation and returns the links it speaks of. A rejection leaves the store as it was.
    pub(crate) fn observe(&mut self, observation: &Prepared) -> ReadResult<Result<Vec<LinkKey>, Rejection>> {
        let numbered = match self.number(observation) {
            Ok(numbered) => numbered,
            Err(full) => return Ok(Err(full)),
        };
        self.counters.seq += 1;
        self.counters.observations += 1;
        bump(&mut self.counters.by_source, usize::from(numbered.source.get()));
        for namespace in &numbered.denied {
            self.count_denied(numbered.source, *namespace);
        }

        let mut fresh = Vec::new();
        let mut ids: Vec<(IdentifierId, NamespaceId)> = Vec::with_capacity(observation.identifiers.len());
        for (identifier, namespace) in observation.identifiers.iter().zip(&numbered.namespaces) {
            let id = self.identify_or_create(identifier, *namespace, &mut fresh)?;
            self.see(id, numbered.source, observation.record.is_some(), observation.time)?;
            ids.push((id, *namespace));
        }
        self.cause = StoredCause::Observation {
            source: numbered.source.get(),
            kind: numbered.kind.map(KindId::get),
            identifiers: ids.iter().map(|(id, _)| id.get()).collect(),
        };
        let changes = self.link_all(observation, &numbered, &ids)?;
        if let Some((record_id, hash)) = &observation.record {
            self.record(observation, &numbered, &ids, record_id.clone(), *hash)?;
        }

        self.settle_links(&fresh, &changes)?;
        Ok(Ok(changes.iter().map(|change| (change.a, change.of_b, change.b)).collect()))
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
        let numbered = self.try_number(observation).map_err(|full| Rejection {
            index: observation.index,
            field: String::new(),
            reason: RejectReason::Full,
            message: full.to_string(),
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

    fn try_number(&mut self, observation: &Prepared) -> Result<Numbered, CatalogueFull> {
        let names = &mut self.names;
        let before = (names.namespaces.len(), names.sources.len(), names.kinds.len(), names.attributes.len());
        let numbered = Numbered {
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
        let after = (names.namespaces.len(), names.sources.len(), names.kinds.len(), names.attributes.len());
        self.names_changed |= before != after;
        Ok(numbered)
    }

    fn count_denied(&mut self, source: SourceId, namespace: NamespaceId) {
        let key = (source.get(), namespace.get());
        let counts = &mut self.counters.denied;
        match counts.binary_search_by_key(&key, |(source, namespace, _)| (*source, *namespace)) {
            Ok(at) => counts[at].2 += 1,
            Err(at) => counts.insert(at, (key.0, key.1, 1)),
        }
    }

    fn identify_or_create(
        &mut self,
        identifier: &PreparedIdentifier,
        namespace: NamespaceId,
        fresh: &mut Vec<IdentifierId>,
    ) -> ReadResult<IdentifierId> {
        let key = (namespace, identifier.hash);
        if let Some(row) = self.dictionary.get(&self.view, key)? {
            let id = IdentifierId::new(row.id);
            let known = self.identifiers.get(&self.view, id)?;
            if known.is_none_or(|row| row.value != identifier.value) {
                let detail =
                    format!("the dictionary leads to identifier {}, which has another value", id.get());
                return Err(corrupt::<DictionaryRow>(detail));
            }
            return Ok(id);
        }
        let id = IdentifierId::new(self.counters.identifiers);
        self.counters.identifiers += 1;
        bump(&mut self.counters.by_namespace, usize::from(namespace.get()));
        self.dictionary.put(key, DictionaryRow { id: id.get() });
        self.identifiers.put(
            id,
            IdentifierRow {
                namespace: namespace.get(),
                value: identifier.value.clone(),
                seen: Vec::new(),
                degree: 0,
                home_links: 0,
                ties: Vec::new(),
                residents: 0,
                generations: 0,
                overrides: 0,
            },
        );
        if self.rules.is_person(namespace) {
            fresh.push(id);
        } else {
            self.owners.put(id, OwnerRow::NEW);
        }
        Ok(id)
    }

    fn see(&mut self, id: IdentifierId, source: SourceId, recorded: bool, time: i64) -> ReadResult<()> {
        let seen = &mut self.identifier(id)?.seen;
        match seen.binary_search_by_key(&(source.get(), recorded), |seen| (seen.source, seen.recorded)) {
            Ok(at) => {
                seen[at].count += 1;
                seen[at].first = seen[at].first.min(time);
                seen[at].last = seen[at].last.max(time);
            }
            Err(at) => {
                let source = source.get();
                seen.insert(at, StoredSeen { source, recorded, count: 1, first: time, last: time });
            }
        }
        Ok(())
    }

    /// Adds the observation's evidence to the link of every pair.
    fn link_all(
        &mut self,
        observation: &Prepared,
        numbered: &Numbered,
        ids: &[(IdentifierId, NamespaceId)],
    ) -> ReadResult<Vec<LinkChange>> {
        let mut changes = Vec::with_capacity(ids.len() * ids.len().saturating_sub(1) / 2);
        for (at, (one, of_one)) in ids.iter().enumerate() {
            for (other, of_other) in &ids[at + 1..] {
                let (a, b) = ordered(*one, *other);
                let (of_a, of_b) = if a == *one { (*of_one, *of_other) } else { (*of_other, *of_one) };
                changes.push(self.link(observation, numbered, (a, of_a), (b, of_b))?);
            }
        }
        Ok(changes)
    }

    fn link(
        &mut self,
        observation: &Prepared,
        numbered: &Numbered,
        (a, of_a): (IdentifierId, NamespaceId),
        (b, of_b): (IdentifierId, NamespaceId),
    ) -> ReadResult<LinkChange> {
        let time = observation.time;
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
        let said = (numbered.source.get(), numbered.kind.map(KindId::get), observation.record.is_some());
        let evidence = &mut forward.evidence;
        match evidence.binary_search_by_key(&said, |known| (known.source, known.kind, known.recorded)) {
            Ok(at) => {
                let known = &mut evidence[at];
                known.confidence = known.confidence.max(observation.confidence);
                known.count += 1;
                known.first = known.first.min(time);
                known.last = known.last.max(time);
            }
            Err(at) => evidence.insert(
                at,
                StoredEvidence {
                    source: said.0,
                    kind: said.1,
                    recorded: said.2,
                    confidence: observation.confidence,
                    count: 1,
                    first: time,
                    last: time,
                },
            ),
        }
        forward.weight = combine(evidence.iter().map(|said| (SourceId::new(said.source), said.confidence)));
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
        observation: &Prepared,
        numbered: &Numbered,
        ids: &[(IdentifierId, NamespaceId)],
        record_id: Option<String>,
        hash: crate::codec::Hash128,
    ) -> ReadResult<()> {
        let key = (numbered.source, hash);
        if self.records.get(&self.view, key)?.is_none() {
            self.records.put(key, RecordRow { record_id, claims: Vec::new(), attributes: Vec::new() });
            self.counters.records += 1;
        }
        let Some(record) = self.records.get_mut(&self.view, key)? else { return Ok(()) };
        let mut identifiers: Vec<u32> = ids.iter().map(|(id, _)| id.get()).collect();
        identifiers.sort_unstable();
        let (kind, confidence, time) =
            (numbered.kind.map(KindId::get), observation.confidence, observation.time);
        let same = |claim: &&mut StoredClaim| {
            claim.identifiers == identifiers
                && claim.kind == kind
                && claim.confidence == confidence
                && claim.withdrawn.is_empty()
        };
        match record.claims.iter_mut().find(same) {
            Some(claim) => {
                claim.count += 1;
                claim.first = claim.first.min(time);
                claim.last = claim.last.max(time);
            }
            None => {
                record.claims.push(StoredClaim {
                    identifiers,
                    kind,
                    confidence,
                    count: 1,
                    first: time,
                    last: time,
                    withdrawn: Vec::new(),
                });
                record.claims.sort_by(|x, y| {
                    (&x.identifiers, x.kind)
                        .cmp(&(&y.identifiers, y.kind))
                        .then(x.confidence.total_cmp(&y.confidence))
                });
            }
        }
        for ((_, value), attribute) in observation.attributes.iter().zip(&numbered.attributes) {
            let known = &mut record.attributes;
            match known.binary_search_by_key(attribute, |(known, ..)| *known) {
                Ok(at) if later(&known[at], value, time) => known[at] = (*attribute, value.clone(), time),
                Ok(_) => {}
                Err(at) => known.insert(at, (*attribute, value.clone(), time)),
            }
        }
        for (id, _) in ids {
            self.key_ring.put((*id, numbered.source, hash), KeyRingRow);
        }
        Ok(())
    }
}

/// Whether a value of this time takes the place of a known one; of two at once the greater stands.
fn later(known: &(u16, StoredAttribute, i64), value: &StoredAttribute, time: i64) -> bool {
    time > known.2 || (time == known.2 && value.to_model().order(&known.1.to_model()).is_gt())
}

fn bump(counts: &mut Vec<u64>, at: usize) {
    if counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    counts[at] += 1;
}
