//! What people do to a store, in their own name: overrides, and evidence withdrawn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::links::LinkChange;
use super::overlay::{Overlay, corrupt};
use super::{Act, ActError, Authored};
use crate::codec::{
    DictionaryRow, EventRow, Hash128, IdentifierRow, KeyBytes, KeyRingRow, LinkRow, RecordRow, StoredCause,
    StoredClaim, StoredEvidence, StoredOverride, StoredRetracted,
};
use crate::model::{Event, HeldBackBy, Identifier, IdentifierId, MAX_NAME_BYTES, OverrideKind, SourceId};
use crate::read::ReadResult;
use crate::resolve::Counts;
use crate::rules::ordered;
use crate::schema::{Normalised, Schema};
use crate::secret::{Hashed, Secret, record_hash};

/// The most bytes of a reason.
const MAX_REASON_BYTES: usize = 4_096;

/// An act whose names were checked, on the caller's thread.
#[derive(Debug)]
pub(crate) struct PreparedAct {
    what: Prepared,
    by: Authored,
}

#[derive(Debug)]
enum Prepared {
    Override { set: Option<OverrideKind>, a: Named, b: Named },
    Link { source: String, a: Named, b: Named },
    Record { source: String, record_id: String, hash: Hash128 },
    Source { source: String },
    Readmit(Named),
}

/// A normalised identifier with the hash it is found by.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) identifier: Identifier,
    pub(super) hash: Hash128,
}

fn named(identifier: &Identifier, schema: &Schema, secret: &Secret) -> Result<Named, ActError> {
    name_as(identifier, schema.normalise(&identifier.namespace, &identifier.value), secret)
}

/// Names an identifier that may have come in before its value was denied.
pub(super) fn named_ever(
    identifier: &Identifier,
    schema: &Schema,
    secret: &Secret,
) -> Result<Named, ActError> {
    name_as(identifier, schema.spell(&identifier.namespace, &identifier.value), secret)
}

fn name_as(identifier: &Identifier, value: Normalised, secret: &Secret) -> Result<Named, ActError> {
    match value {
        Normalised::Accepted(value) => {
            let hash = secret.hash(Hashed::Value, value.as_bytes());
            Ok(Named { identifier: Identifier::new(identifier.namespace.as_str(), value), hash })
        }
        Normalised::Denied { rule } => Err(ActError::Identifier {
            identifier: identifier.clone(),
            why: format!("it identifies nobody ({rule})"),
        }),
        Normalised::Invalid { reason } => {
            Err(ActError::Identifier { identifier: identifier.clone(), why: reason })
        }
        Normalised::Undeclared { suggestion } => {
            let near = suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            let why = format!("the schema declares no namespace `{}`{near}", identifier.namespace);
            Err(ActError::Identifier { identifier: identifier.clone(), why })
        }
    }
}

/// Checks who did it and why.
pub(crate) fn check_author(by: &Authored) -> Result<(), ActError> {
    for (field, text, most) in
        [("author", &by.author, MAX_NAME_BYTES), ("reason", &by.reason, MAX_REASON_BYTES)]
    {
        if text.trim().is_empty() {
            return Err(ActError::Author {
                field,
                what: "is empty; what is changed by hand says who did it and why".to_owned(),
            });
        }
        if text.len() > most {
            return Err(ActError::Author {
                field,
                what: format!("has {} bytes; at most {most} are allowed", text.len()),
            });
        }
    }
    Ok(())
}

/// Checks an act before it reaches the writer.
pub(crate) fn prepare_act(
    act: &Act,
    by: Authored,
    schema: &Schema,
    secret: &Secret,
) -> Result<PreparedAct, ActError> {
    check_author(&by)?;
    let pair = |a: &Identifier, b: &Identifier| {
        Ok::<_, ActError>((named(a, schema, secret)?, named(b, schema, secret)?))
    };
    let set = |kind: Option<OverrideKind>, a: &Identifier, b: &Identifier| {
        let (a, b) = pair(a, b)?;
        Ok::<_, ActError>(Prepared::Override { set: kind, a, b })
    };
    let what = match act {
        Act::Forbid(a, b) => set(Some(OverrideKind::Forbid), a, b)?,
        Act::Require(a, b) => set(Some(OverrideKind::Require), a, b)?,
        Act::Release(a, b) => set(None, a, b)?,
        Act::RetractLink { source, a, b } => {
            let (a, b) = pair(a, b)?;
            Prepared::Link { source: source.clone(), a, b }
        }
        Act::RetractRecord { source, record_id } => {
            let hash = record_hash(secret, record_id);
            Prepared::Record { source: source.clone(), record_id: record_id.clone(), hash }
        }
        Act::RetractSource { source } => Prepared::Source { source: source.clone() },
        Act::Readmit(identifier) => Prepared::Readmit(named_ever(identifier, schema, secret)?),
    };
    Ok(PreparedAct { what, by })
}

/// Links that a retraction has touched, as they were before.
pub(super) type Touched = BTreeMap<(IdentifierId, IdentifierId), Option<(f64, i64)>>;

/// An act that stands in the way of the store is the outer error; one that is refused the inner one.
pub(super) type Outcome<T> = ReadResult<Result<T, ActError>>;

impl Overlay {
    /// Does what somebody asked for. Says whether it changed anything; a refused act changes nothing.
    pub(crate) fn act(&mut self, act: &PreparedAct) -> Outcome<bool> {
        match &act.what {
            Prepared::Override { set, a, b } => {
                let (a, b) = match self.pair(a, b)? {
                    Ok(pair) => pair,
                    Err(refused) => return Ok(Err(refused)),
                };
                match set {
                    Some(kind) => self.set_override(*kind, a, b, &act.by),
                    None => self.release(a, b, &act.by),
                }
            }
            Prepared::Link { source, a, b } => self.retract_link(source, a, b, &act.by),
            Prepared::Record { source, record_id, hash } => {
                self.retract_record(source, record_id, *hash, &act.by)
            }
            Prepared::Source { source } => self.retract_source(source, &act.by),
            Prepared::Readmit(named) => self.readmit(named),
        }
    }

    /// The events of the last write, as they are read.
    pub(crate) fn events_since(&mut self, seq: u64) -> ReadResult<Vec<Event>> {
        let rows = self.events.range(&self.view, KeyBytes::new(&[]), (seq + 1, 0))?;
        Ok(rows
            .into_iter()
            .filter(|((at, _), _)| *at > seq)
            .map(|(key, row)| EventRow::to_model(&row, key))
            .collect())
    }

    /// The events of the write `seq`, as they are read.
    pub(crate) fn events_of(&mut self, seq: u64) -> ReadResult<Vec<Event>> {
        let rows = self.events.range(&self.view, KeyBytes::new(&[&seq.to_be_bytes()]), (seq, 0))?;
        Ok(rows.into_iter().map(|(key, row)| EventRow::to_model(&row, key)).collect())
    }

    pub(super) fn id_of(&mut self, named: &Named) -> Outcome<IdentifierId> {
        let identifier = || named.identifier.clone();
        let row = match self.names.namespace(&named.identifier.namespace) {
            Some(namespace) => self.dictionary.get(&self.view, (namespace, named.hash))?.copied(),
            None => None,
        };
        Ok(match row.map(DictionaryRow::identifier) {
            Some(Some(id)) => Ok(id),
            Some(None) => Err(ActError::Forgotten { identifier: identifier() }),
            None => Err(ActError::Unknown { identifier: identifier() }),
        })
    }

    /// Two different identifiers of person scope.
    fn pair(&mut self, a: &Named, b: &Named) -> Outcome<(IdentifierId, IdentifierId)> {
        let mut ids = [IdentifierId::new(0); 2];
        for (id, named) in ids.iter_mut().zip([a, b]) {
            *id = match self.id_of(named)? {
                Ok(id) => id,
                Err(unknown) => return Ok(Err(unknown)),
            };
            let namespace = self.namespace(*id)?;
            if !self.rules.is_person(namespace) {
                let why = "it is of household scope, and an override says who is one person".to_owned();
                return Ok(Err(ActError::Identifier { identifier: named.identifier.clone(), why }));
            }
        }
        let [a, b] = ids;
        Ok(if a == b { Err(ActError::OneIdentifier) } else { Ok(ordered(a, b)) })
    }

    fn shown(&mut self, id: IdentifierId) -> ReadResult<Identifier> {
        let namespace = self.namespace(id)?;
        let name = self.names.namespace_name(namespace).to_owned();
        Ok(Identifier::new(name, self.identifier_value(id)?))
    }

    /// What is required to be one person with `start`, with the way to each.
    fn required_with(&mut self, start: IdentifierId) -> ReadResult<BTreeMap<IdentifierId, IdentifierId>> {
        let mut from = BTreeMap::from([(start, start)]);
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            for (other, kind) in self.overrides_of(id)? {
                if kind == OverrideKind::Require && !from.contains_key(&other) {
                    from.insert(other, id);
                    queue.push_back(other);
                }
            }
        }
        Ok(from)
    }

    /// Says with what an override would contradict, if with anything.
    fn contradiction(
        &mut self,
        kind: OverrideKind,
        a: IdentifierId,
        b: IdentifierId,
    ) -> ReadResult<Option<ActError>> {
        let of_a = self.required_with(a)?;
        if kind == OverrideKind::Forbid {
            if !of_a.contains_key(&b) {
                return Ok(None);
            }
            let mut chain = vec![self.shown(b)?];
            let mut at = b;
            while at != a {
                at = of_a.get(&at).copied().unwrap_or(a);
                chain.push(self.shown(at)?);
            }
            chain.reverse();
            return Ok(Some(ActError::RequiredTogether { chain }));
        }
        let mut together: BTreeSet<IdentifierId> = of_a.into_keys().collect();
        together.extend(self.required_with(b)?.into_keys());
        let mut counts = Counts::default();
        for id in &together {
            counts.add(self.namespace(*id)?.get(), 1);
            for (other, kind) in self.overrides_of(*id)? {
                if kind == OverrideKind::Forbid && together.contains(&other) {
                    let (a, b) = (self.shown(*id)?, self.shown(other)?);
                    return Ok(Some(ActError::ForbiddenInside { a, b }));
                }
            }
        }
        Ok(self.rules.person_limits.broken(&counts).map(|held| ActError::Limit {
            limit: match held {
                HeldBackBy::MaxIdentifiers => "max_identifiers".to_owned(),
                HeldBackBy::MaxPerPerson(namespace) => {
                    format!("max_per_person of `{}`", self.names.namespace_name(namespace))
                }
                HeldBackBy::MaxPersons => "max_persons".to_owned(),
                HeldBackBy::Forbidden => "a forbidden pair".to_owned(),
            },
            identifiers: together.len(),
        }))
    }

    fn set_override(
        &mut self,
        kind: OverrideKind,
        a: IdentifierId,
        b: IdentifierId,
        by: &Authored,
    ) -> Outcome<bool> {
        if let Some(known) = self.overrides.get(&self.view, (a, b))?.cloned() {
            if known.kind() == kind {
                return Ok(Ok(false));
            }
            let (a, b) = (self.shown(a)?, self.shown(b)?);
            return Ok(Err(ActError::Stands { a, b, said: Box::new(known.to_model()) }));
        }
        if let Some(refused) = self.contradiction(kind, a, b)? {
            return Ok(Err(refused));
        }
        let before = self.tie_of(a, b)?;
        self.counters.seq += 1;
        self.cause = StoredCause::Override {
            set: Some(kind == OverrideKind::Require),
            a: a.get(),
            b: b.get(),
            author: by.author.clone(),
            reason: by.reason.clone(),
        };
        let row = StoredOverride {
            require: kind == OverrideKind::Require,
            author: by.author.clone(),
            reason: by.reason.clone(),
            time: self.now.micros(),
            seq: self.counters.seq,
        };
        for (id, other) in [(a, b), (b, a)] {
            self.overrides.put((id, other), row.clone());
            self.count_override(id, 1)?;
        }
        self.counters.overrides += 1;
        self.settle_override(a, b, before)?;
        Ok(Ok(true))
    }

    fn release(&mut self, a: IdentifierId, b: IdentifierId, by: &Authored) -> Outcome<bool> {
        if self.overrides.get(&self.view, (a, b))?.is_none() {
            let (a, b) = (self.shown(a)?, self.shown(b)?);
            return Ok(Err(ActError::NothingStands { a, b }));
        }
        let before = self.tie_of(a, b)?;
        self.counters.seq += 1;
        self.cause = StoredCause::Override {
            set: None,
            a: a.get(),
            b: b.get(),
            author: by.author.clone(),
            reason: by.reason.clone(),
        };
        for (id, other) in [(a, b), (b, a)] {
            self.count_override(id, -1)?;
            self.overrides.delete((id, other));
        }
        self.counters.overrides -= 1;
        self.settle_override(a, b, before)?;
        Ok(Ok(true))
    }

    pub(super) fn count_override(&mut self, id: IdentifierId, change: i32) -> ReadResult<()> {
        let row = self.identifier(id)?;
        row.overrides = row.overrides.saturating_add_signed(change);
        if let Some(person) = self.owner(id)?.and_then(|row| row.person()) {
            let head = self.head(person)?;
            head.overrides = head.overrides.saturating_add_signed(change);
        }
        Ok(())
    }

    /// Whether a pair is tied: whether it would conduct but for a shared end.
    pub(super) fn tie_of(&mut self, a: IdentifierId, b: IdentifierId) -> ReadResult<bool> {
        if let Some(kind) = self.said(a, b)? {
            return Ok(kind == OverrideKind::Require);
        }
        for id in [a, b] {
            if self.owner(id)?.is_some_and(|row| row.denied) {
                return Ok(false);
            }
        }
        let of_b = self.namespace(b)?;
        let link = self.links.get(&self.view, (a, of_b, b))?;
        Ok(link.is_some_and(|link| link.weight >= self.rules.person_threshold))
    }

    fn settle_override(&mut self, a: IdentifierId, b: IdentifierId, before: bool) -> ReadResult<()> {
        let is = self.tie_of(a, b)?;
        let mut seeds = BTreeSet::from([a, b]);
        if before != is {
            let (of_a, of_b) = (self.namespace(a)?, self.namespace(b)?);
            self.retie((a, of_a), (b, of_b), is, &mut seeds)?;
        }
        self.settle_persons(&[], &[], &[], seeds)?;
        self.settle_households()
    }

    fn source_of(&self, source: &str) -> Result<SourceId, ActError> {
        self.names.source(source).ok_or_else(|| ActError::UnknownSource {
            name: source.to_owned(),
            known: self.names.sources.iter().map(str::to_owned).collect(),
        })
    }

    fn begin_retraction(&mut self, source: SourceId, what: StoredRetracted, by: &Authored) {
        self.counters.seq += 1;
        self.cause = StoredCause::Retraction {
            source: source.get(),
            what,
            author: by.author.clone(),
            reason: by.reason.clone(),
        };
    }

    fn retract_link(&mut self, source: &str, a: &Named, b: &Named, by: &Authored) -> Outcome<bool> {
        let source = match self.source_of(source) {
            Ok(source) => source,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut ids = [IdentifierId::new(0); 2];
        for (id, named) in ids.iter_mut().zip([a, b]) {
            *id = match self.id_of(named)? {
                Ok(id) => id,
                Err(unknown) => return Ok(Err(unknown)),
            };
        }
        if ids[0] == ids[1] {
            return Ok(Err(ActError::OneIdentifier));
        }
        let (low, high) = ordered(ids[0], ids[1]);
        let of_high = self.namespace(high)?;
        let said = self
            .links
            .get(&self.view, (low, of_high, high))?
            .is_some_and(|link| link.evidence.iter().any(|said| said.source == source.get()));
        if !said {
            let name = self.names.source_name(source).to_owned();
            return Ok(Err(ActError::NeverSaid { name, a: a.identifier.clone(), b: b.identifier.clone() }));
        }
        self.begin_retraction(source, StoredRetracted::Link(low.get(), high.get()), by);
        // What its records say of the pair counts no longer, whatever becomes of the records.
        let pair = (low.get(), high.get());
        for hash in self.records_of_both(low, high, source)? {
            if let Some(record) = self.records.get_mut(&self.view, (source, hash))? {
                for claim in record.claims.iter_mut().filter(|claim| claim.pairs().any(|known| known == pair))
                {
                    claim.withdrawn.push(pair);
                    claim.withdrawn.sort_unstable();
                }
            }
        }
        let mut touched = Touched::new();
        self.edit_evidence(low, high, &mut touched, |evidence| {
            evidence.retain(|said| said.source != source.get());
        })?;
        self.settle_retraction(touched)?;
        Ok(Ok(true))
    }

    fn retract_record(
        &mut self,
        source: &str,
        record_id: &str,
        hash: Hash128,
        by: &Authored,
    ) -> Outcome<bool> {
        let id = match self.source_of(source) {
            Ok(id) => id,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(record) = self.records.get(&self.view, (id, hash))?.cloned() else {
            let (name, record_id) = (source.to_owned(), record_id.to_owned());
            return Ok(Err(ActError::NoRecord { name, record_id }));
        };
        self.begin_retraction(id, StoredRetracted::Record(record.record_id.clone()), by);
        let mut touched = Touched::new();
        self.withdraw_record(id, hash, &record, &mut touched)?;
        self.settle_retraction(touched)?;
        Ok(Ok(true))
    }

    fn retract_source(&mut self, source: &str, by: &Authored) -> Outcome<bool> {
        let source = match self.source_of(source) {
            Ok(source) => source,
            Err(refused) => return Ok(Err(refused)),
        };
        self.begin_retraction(source, StoredRetracted::Source, by);
        let prefix = KeyBytes::new(&[&source.get().to_be_bytes()]);
        let mut any = false;
        for ((_, hash), record) in self.records.range(&self.view, prefix, (source, [0; 16]))? {
            any = true;
            let ids: BTreeSet<u32> =
                record.claims.iter().flat_map(|claim| claim.identifiers.iter().copied()).collect();
            for id in ids {
                self.key_ring.delete((IdentifierId::new(id), source, hash));
            }
            self.records.delete((source, hash));
            self.counters.records -= 1;
        }
        // No table leads from a source to its links: every identifier is looked at.
        let mut touched = Touched::new();
        for id in (0..self.counters.identifiers).map(IdentifierId::new) {
            // The numbers of identifiers that were forgotten have no rows.
            let Some(row) = self.identifiers.get(&self.view, id)? else { continue };
            if row.seen.iter().any(|seen| seen.source == source.get()) {
                self.identifier(id)?.seen.retain(|seen| seen.source != source.get());
                any = true;
                for ((_, _, other), link) in self.links_of(id, None)? {
                    if id < other && link.evidence.iter().any(|said| said.source == source.get()) {
                        self.edit_evidence(id, other, &mut touched, |evidence| {
                            evidence.retain(|said| said.source != source.get());
                        })?;
                    }
                }
            }
            self.forget_unchanged();
        }
        self.settle_retraction(touched)?;
        Ok(Ok(any))
    }

    fn identifier_row(&mut self, id: IdentifierId) -> ReadResult<&IdentifierRow> {
        self.identifiers
            .get(&self.view, id)?
            .ok_or_else(|| corrupt::<IdentifierRow>(format!("identifier {} does not exist", id.get())))
    }

    /// The records of a source that name an identifier.
    fn records_of(&self, id: IdentifierId, source: SourceId) -> ReadResult<Vec<Hash128>> {
        let prefix = KeyBytes::new(&[&id.get().to_be_bytes(), &source.get().to_be_bytes()]);
        let rows = self.key_ring.range(&self.view, prefix, (id, source, [0; 16]))?;
        Ok(rows.into_iter().map(|((.., hash), _): (_, KeyRingRow)| hash).collect())
    }

    /// The records of a source that name both, by way of the one with fewer links.
    fn records_of_both(
        &mut self,
        a: IdentifierId,
        b: IdentifierId,
        source: SourceId,
    ) -> ReadResult<Vec<Hash128>> {
        let fewer = if self.identifier_row(a)?.degree <= self.identifier_row(b)?.degree { a } else { b };
        self.records_of(fewer, source)
    }

    /// Takes a record away with all that it said.
    fn withdraw_record(
        &mut self,
        source: SourceId,
        hash: Hash128,
        record: &RecordRow,
        touched: &mut Touched,
    ) -> ReadResult<()> {
        self.records.delete((source, hash));
        self.counters.records -= 1;
        let ids: BTreeSet<u32> =
            record.claims.iter().flat_map(|claim| claim.identifiers.iter().copied()).collect();
        for id in &ids {
            self.key_ring.delete((IdentifierId::new(*id), source, hash));
        }
        for id in &ids {
            self.reweigh_sightings(IdentifierId::new(*id), source)?;
        }
        let pairs: BTreeSet<(u32, u32)> = record.claims.iter().flat_map(StoredClaim::pairs).collect();
        for (a, b) in pairs {
            let (a, b) = (IdentifierId::new(a), IdentifierId::new(b));
            let said = self.recorded_evidence(a, b, source)?;
            self.edit_evidence(a, b, touched, |evidence| {
                evidence.retain(|known| !(known.source == source.get() && known.recorded));
                evidence.extend(said);
                evidence.sort_by_key(|known| (known.source, known.kind, known.recorded));
            })?;
        }
        Ok(())
    }

    /// What a source's records say of a pair, worked out anew.
    fn recorded_evidence(
        &mut self,
        a: IdentifierId,
        b: IdentifierId,
        source: SourceId,
    ) -> ReadResult<Vec<StoredEvidence>> {
        let mut by_kind: BTreeMap<Option<u16>, StoredEvidence> = BTreeMap::new();
        for hash in self.records_of_both(a, b, source)? {
            let Some(record) = self.records.get(&self.view, (source, hash))? else { continue };
            for claim in
                record.claims.iter().filter(|claim| claim.pairs().any(|pair| pair == (a.get(), b.get())))
            {
                let said = by_kind.entry(claim.kind).or_insert(StoredEvidence {
                    source: source.get(),
                    kind: claim.kind,
                    recorded: true,
                    confidence: claim.confidence,
                    count: 0,
                    first: claim.first,
                    last: claim.last,
                });
                said.confidence = said.confidence.max(claim.confidence);
                said.count += claim.count;
                said.first = said.first.min(claim.first);
                said.last = said.last.max(claim.last);
            }
        }
        Ok(by_kind.into_values().collect())
    }

    /// Works out anew what a source's records saw of an identifier.
    fn reweigh_sightings(&mut self, id: IdentifierId, source: SourceId) -> ReadResult<()> {
        let (mut count, mut first, mut last) = (0, i64::MAX, i64::MIN);
        for hash in self.records_of(id, source)? {
            let Some(record) = self.records.get(&self.view, (source, hash))? else { continue };
            for claim in record.claims.iter().filter(|claim| claim.identifiers.contains(&id.get())) {
                count += claim.count;
                first = first.min(claim.first);
                last = last.max(claim.last);
            }
        }
        let seen = &mut self.identifier(id)?.seen;
        if let Some(at) = seen.iter().position(|seen| seen.source == source.get() && seen.recorded) {
            if count == 0 {
                seen.remove(at);
            } else {
                (seen[at].count, seen[at].first, seen[at].last) = (count, first, last);
            }
        }
        Ok(())
    }

    /// Changes what is said of a link; one of which nothing is said any longer is no more.
    pub(super) fn edit_evidence(
        &mut self,
        a: IdentifierId,
        b: IdentifierId,
        touched: &mut Touched,
        edit: impl FnOnce(&mut Vec<StoredEvidence>),
    ) -> ReadResult<()> {
        let (of_a, of_b) = (self.namespace(a)?, self.namespace(b)?);
        let Some(link) = self.links.get_mut(&self.view, (a, of_b, b))? else { return Ok(()) };
        touched.entry((a, b)).or_insert(Some((link.weight, link.last)));
        edit(&mut link.evidence);
        if link.evidence.is_empty() {
            if link.held.is_some() {
                self.counters.held_back -= 1;
            }
            self.links.delete((a, of_b, b));
            self.links.delete((b, of_a, a));
            self.counters.links -= 1;
            for (end, other) in [(a, of_b), (b, of_a)] {
                let home = u32::from(!self.rules.is_person(other));
                let row = self.identifier(end)?;
                row.degree -= 1;
                row.home_links -= home;
            }
            return Ok(());
        }
        link.weight = StoredEvidence::weigh(&link.evidence);
        link.last = link.evidence.iter().map(|said| said.last).max().unwrap_or(link.last);
        let (weight, last) = (link.weight, link.last);
        let missing = || corrupt::<LinkRow>(format!("the link {}-{} stands one way only", a.get(), b.get()));
        let back = self.links.get_mut(&self.view, (b, of_a, a))?.ok_or_else(missing)?;
        (back.weight, back.last) = (weight, last);
        Ok(())
    }

    fn settle_retraction(&mut self, touched: Touched) -> ReadResult<()> {
        let changes = self.link_changes(touched)?;
        self.settle_links(&[], &changes)
    }

    /// The links that are other than they were.
    pub(super) fn link_changes(&mut self, touched: Touched) -> ReadResult<Vec<LinkChange>> {
        let mut changes = Vec::with_capacity(touched.len());
        for ((a, b), before) in touched {
            let (of_a, of_b) = (self.namespace(a)?, self.namespace(b)?);
            let after = self.links.get(&self.view, (a, of_b, b))?.map(|link| (link.weight, link.last));
            if before != after {
                changes.push(LinkChange { a, b, of_a, of_b, before, after });
            }
        }
        Ok(changes)
    }
}
