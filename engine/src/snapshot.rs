//! A committed state of the store, to be read.

use std::sync::Arc;

use crate::codec::{
    ComponentRow, Counters, DictionaryRow, EventRow, HouseholdHead, HouseholdIdRow, HouseholdMemberRow,
    IdentifierRow, KeyBytes, KeyRingRow, LinkFront, LinkRow as StoredLink, OwnerRow, PersonChunk,
    PersonEventRow, PersonFront, PersonHead, PersonIdRow, ReadRow, RecordRow, Row, StoredEvidence,
    StoredMember, StoredOverride, StoredSeen, Table, WriteRow, decode_value, time,
};
use crate::model::{
    Catalogue, Event, Evidence, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier,
    IdentifierId, IdentifierRecord, KindId, Link, LinkRow, Member, NamespaceId, Override, OverrideKind,
    OverrideRow, PersonId, PersonKey, PersonRow, Seen, Seq, SourceId, SourceRecord, Timestamp,
};
use crate::read::{AsOf, Found, Lookup, Read, ReadError, ReadResult, Share};
use crate::rules::{Rules, ordered};
use crate::schema::{Normalised, Schema};
use crate::secret::{Hashed, Secret};
use crate::storage::{Past, View};

/// Where the counters stand in the table of metadata.
pub(crate) const COUNTERS: &[u8] = b"counters";
/// Where the names stand in the table of metadata.
pub(crate) const NAMES: &[u8] = b"names";

/// How many merges a lookup of an old id follows at most; more can only be a cycle of damaged rows.
const MAX_ALIASES: usize = 1_000_000;

/// One committed state.
pub(crate) struct State {
    pub(crate) view: Arc<View>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) names: Arc<Catalogue>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) secret: Arc<Secret>,
}

/// What a state is read from, where `view` shows the database as it is.
///
/// A bulk load puts its rows below every view, as if they had always been there,
/// which spares the database from writing them again. So a state that holds
/// nothing is read as of its own write, behind which all of them are.
pub(crate) fn read_from(view: Arc<View>, counters: &Counters) -> Arc<View> {
    if counters.identifiers > 0 { view } else { Arc::new(view.at(counters.seq, counters.horizon())) }
}

/// A consistent state of a store. Cheap to clone; it keeps what it shows from
/// being compacted away, so it should not be held for long.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) state: Arc<State>,
}

/// Where the schema stands in the table of metadata.
pub(crate) const SCHEMA: &[u8] = b"schema";
/// How errors in the schema that a store keeps are located.
pub(crate) const STORED_SCHEMA: &str = "the stored schema";

/// Why there is no view of a store as of a moment.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AsOfError {
    /// The sequence number is of a write that was not made yet.
    #[error("the store is at sequence number {now}; it cannot be asked as of {asked}, which lies ahead")]
    Ahead {
        /// What was asked.
        asked: Seq,
        /// The last write.
        now: Seq,
    },
    /// What had to be read is damaged or could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn corrupt<R: Row>(detail: String) -> ReadError {
    ReadError::Corrupt { table: R::TABLE.name(), detail }
}

impl Snapshot {
    fn rows(&self) -> &View {
        &self.state.view
    }

    /// The store as it was at an earlier moment: the state after the last write
    /// up to then. Before the first write it is empty.
    ///
    /// Of a request with several observations only the state after all of them
    /// was ever there to be seen; its sequence number is the last of theirs.
    pub fn as_of(&self, moment: AsOf) -> Result<Self, AsOfError> {
        let counters = match moment {
            AsOf::Seq(seq) if seq > self.seq() => {
                return Err(AsOfError::Ahead { asked: seq, now: self.seq() });
            }
            AsOf::Seq(seq) => self.counters_at(seq.get())?,
            AsOf::Time(time) => self.counters_by(time)?,
        };
        if counters.seq == self.state.counters.seq {
            return Ok(self.clone());
        }
        let view = Arc::new(self.rows().at(counters.seq, counters.horizon()));
        let schema = match view.past(Table::Meta, SCHEMA)? {
            Past::Was(bytes) => {
                let text: String = decode_value(Table::Meta, SCHEMA, &bytes)
                    .map_err(|bad| crate::storage::bad_value(Table::Meta, bad))?;
                let schema = Schema::parse(&text, STORED_SCHEMA).map_err(|error| ReadError::Corrupt {
                    table: Table::Meta.name(),
                    detail: error.to_string(),
                })?;
                Arc::new(schema)
            }
            Past::Absent | Past::Unchanged => Arc::clone(&self.state.schema),
        };
        let rules = Arc::new(Rules::new(&schema, &self.state.names));
        Ok(Self {
            state: Arc::new(State {
                view,
                schema,
                names: Arc::clone(&self.state.names),
                rules,
                counters: Arc::new(counters),
                secret: Arc::clone(&self.state.secret),
            }),
        })
    }

    /// The changes to who is who from the event at a place on, in their order.
    pub(crate) fn events_at(
        &self,
        from: Seq,
        index: u32,
    ) -> impl Iterator<Item = ReadResult<Event>> + '_ + use<'_> {
        let mut rows = self.rows().scan::<EventRow>(KeyBytes::new(&[]));
        rows.seek((from.get(), index));
        let last = self.seq();
        rows.map(|row| row.map(|(key, row)| row.to_model(key)))
            .take_while(move |event| event.as_ref().map_or(true, |event| event.seq <= last))
    }

    /// The counters after the last write up to a sequence number.
    fn counters_at(&self, seq: u64) -> ReadResult<Counters> {
        Ok(self.rows().last_up_to::<WriteRow>(seq)?.map(|(_, row)| row.counters).unwrap_or_default())
    }

    /// The counters after the last write up to a time. Writes are never earlier
    /// than those before them, so the place is found by halving.
    fn counters_by(&self, time: Timestamp) -> ReadResult<Counters> {
        let (mut early, mut late) = (0, self.state.counters.seq);
        while early < late {
            let middle = early + (late - early).div_ceil(2);
            let counters = self.counters_at(middle)?;
            if counters.time <= time.micros() {
                early = middle;
            } else {
                late = middle - 1;
            }
        }
        self.counters_at(early)
    }

    /// Whether links wait for a cut of the raw component that a person is a part of.
    fn is_pending(&self, head: &PersonHead) -> ReadResult<bool> {
        match head.component {
            None => Ok(false),
            Some(component) => Ok(self.rows().get::<ComponentRow>(component)?.is_some_and(|row| row.due)),
        }
    }

    fn person_row(&self, key: PersonKey, head: &PersonHead) -> ReadResult<PersonRow> {
        Ok(PersonRow {
            key,
            id: head.person_id(),
            born: Seq::new(head.born),
            created_at: time(head.created_at),
            size: head.size,
            household: head.household.map(HouseholdKey::new),
            resolution_pending: self.is_pending(head)?,
        })
    }

    fn head(&self, key: PersonKey) -> ReadResult<Option<PersonHead>> {
        Ok(self.rows().get::<PersonFront>((key, 0))?.and_then(|front| front.head))
    }

    fn owner(&self, id: IdentifierId) -> ReadResult<Option<OwnerRow>> {
        self.rows().get::<OwnerRow>(id)
    }

    /// Whether an identifier's links may conduct: it is neither shared nor denied.
    fn may_conduct(&self, id: IdentifierId) -> ReadResult<bool> {
        Ok(self.owner(id)?.is_none_or(|row| row.may_conduct()))
    }

    /// The dictionary's entry for a name. The hash led there; the caller confirms the value.
    fn entry(&self, identifier: &Identifier) -> ReadResult<Entry> {
        let value = match self.state.schema.normalise(&identifier.namespace, &identifier.value) {
            Normalised::Accepted(value) => value,
            Normalised::Denied { rule } => return Ok(Entry::Nothing(Found::Denied { rule })),
            Normalised::Invalid { reason } => return Ok(Entry::Nothing(Found::Invalid { reason })),
            Normalised::Undeclared { suggestion } => {
                return Ok(Entry::Nothing(Found::NoNamespace { suggestion }));
            }
        };
        if let Some(namespace) = self.state.names.namespace(&identifier.namespace) {
            let hash = self.state.secret.hash(Hashed::Value, value.as_bytes());
            // In an earlier state the dictionary lists what came after it, too.
            // A value that was forgotten stands there under a number that is never given.
            if let Some(row) = self.rows().get::<DictionaryRow>((namespace, hash))?
                && row.id < self.state.counters.identifiers
            {
                return Ok(Entry::Listed(IdentifierId::new(row.id), value));
            }
        }
        Ok(Entry::Nothing(Found::Unknown(Identifier::new(identifier.namespace.as_str(), value))))
    }

    /// The rows from one key up to, not including, another.
    fn range<R: ReadRow<Key: 'static> + 'static>(
        &self,
        from: R::Key,
        to: R::Key,
    ) -> impl Iterator<Item = ReadResult<(R::Key, R)>> + '_ {
        let mut rows = self.rows().scan::<R>(KeyBytes::new(&[]));
        rows.seek(from);
        rows.take_while(move |row| row.as_ref().map_or(true, |(key, _)| *key < to))
    }

    /// Where the merges from an id lead.
    fn end_of(&self, id: PersonId) -> ReadResult<Option<(PersonId, PersonIdRow)>> {
        end_of_merges(id, |id| self.rows().get::<PersonIdRow>(id))
    }

    /// A person's chunks after the first.
    fn later_chunks(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<PersonChunk>> + '_ {
        let mut rows = self.rows().scan::<PersonChunk>(KeyBytes::new(&[&key.get().to_be_bytes()]));
        rows.seek((key, 1));
        rows.map(|row| row.map(|(_, chunk)| chunk))
    }
}

/// Where the merges from a person's id lead, reading with `row`; it is never another merge.
pub(crate) fn end_of_merges(
    id: PersonId,
    mut row: impl FnMut(PersonId) -> ReadResult<Option<PersonIdRow>>,
) -> ReadResult<Option<(PersonId, PersonIdRow)>> {
    let mut at = id;
    for _ in 0..MAX_ALIASES {
        match row(at)? {
            Some(PersonIdRow::Merged(into)) => at = PersonId::from_raw(into),
            end => return Ok(end.map(|end| (at, end))),
        }
    }
    Err(corrupt::<PersonIdRow>(format!("the merges from {id} lead in a circle")))
}

/// What the dictionary has for a name.
enum Entry {
    /// This identifier, if its value is the normalised one given.
    Listed(IdentifierId, String),
    /// Nothing; never [`Found::Known`].
    Nothing(Found),
}

fn other_value(id: IdentifierId) -> ReadError {
    corrupt::<DictionaryRow>(format!("the entry for identifier {} names another value", id.get()))
}

pub(crate) fn member(stored: StoredMember) -> Member {
    Member {
        id: IdentifierId::new(stored.id),
        namespace: NamespaceId::new(stored.namespace),
        value: stored.value,
    }
}

pub(crate) fn household_row(key: HouseholdKey, head: &HouseholdHead) -> HouseholdRow {
    HouseholdRow {
        key,
        id: HouseholdId::from_raw(head.id),
        born: Seq::new(head.born),
        created_at: time(head.created_at),
        persons: head.persons,
        identifiers: head.identifiers,
    }
}

/// Evidence as it is told: what records said and what came without one count as one word of their source.
pub(crate) fn evidence(stored: &[StoredEvidence]) -> Vec<Evidence> {
    let mut told: Vec<Evidence> = Vec::with_capacity(stored.len());
    for said in stored {
        let evidence = Evidence {
            source: SourceId::new(said.source),
            kind: said.kind.map(KindId::new),
            confidence: said.confidence,
            count: said.count,
            first_seen: time(said.first),
            last_seen: time(said.last),
        };
        match told.last_mut().filter(|last| (last.source, last.kind) == (evidence.source, evidence.kind)) {
            Some(last) => {
                last.confidence = last.confidence.max(evidence.confidence);
                last.count += evidence.count;
                last.first_seen = last.first_seen.min(evidence.first_seen);
                last.last_seen = last.last_seen.max(evidence.last_seen);
            }
            None => told.push(evidence),
        }
    }
    told
}

/// What sources saw as it is told: with records and without one count together.
pub(crate) fn seen(stored: &[StoredSeen]) -> Vec<Seen> {
    let mut told: Vec<Seen> = Vec::with_capacity(stored.len());
    for by in stored {
        let (first_seen, last_seen) = (time(by.first), time(by.last));
        let source = SourceId::new(by.source);
        match told.last_mut().filter(|last| last.source == source) {
            Some(last) => {
                last.count += by.count;
                last.first_seen = last.first_seen.min(first_seen);
                last.last_seen = last.last_seen.max(last_seen);
            }
            None => told.push(Seen { source, count: by.count, first_seen, last_seen }),
        }
    }
    told
}

impl Read for Snapshot {
    type Now = Self;

    fn now(&self) -> &Self {
        self
    }

    fn seq(&self) -> Seq {
        Seq::new(self.state.counters.seq)
    }

    fn schema(&self) -> &Schema {
        &self.state.schema
    }

    fn names(&self) -> &Catalogue {
        &self.state.names
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        let (id, value) = match self.entry(identifier)? {
            Entry::Listed(id, value) => (id, value),
            Entry::Nothing(found) => return Ok(found),
        };
        // The hash led here; the value decides.
        match self.rows().get::<IdentifierRow>(id)? {
            Some(row) if row.value == value => Ok(Found::Known(id)),
            _ => Err(other_value(id)),
        }
    }

    /// Three point reads for a person of one chunk: the dictionary, the owner,
    /// and the person, whose members hold the value to be confirmed.
    fn lookup(&self, identifier: &Identifier) -> ReadResult<Lookup> {
        let (id, value) = match self.entry(identifier)? {
            Entry::Listed(id, value) => (id, value),
            Entry::Nothing(found) => return Ok(Lookup::Nothing(found)),
        };
        let owner = self.owner(id)?;
        let Some(key) = owner.and_then(|row| row.person()) else {
            return match self.rows().get::<IdentifierRow>(id)? {
                Some(row) if row.value == value => {
                    Ok(Lookup::Place { identifier: id, household: owner.and_then(|row| row.household()) })
                }
                _ => Err(other_value(id)),
            };
        };
        let Some(PersonChunk { head: Some(head), members: first }) = self.rows().get((key, 0))? else {
            return Err(corrupt::<PersonChunk>(format!("person {} is named but does not exist", key.get())));
        };
        let mut members = Vec::with_capacity(head.size as usize);
        members.extend(first.into_iter().map(member));
        if head.chunks > 1 {
            for chunk in self.later_chunks(key) {
                members.extend(chunk?.members.into_iter().map(member));
            }
        }
        if !members.iter().any(|member| member.id == id && member.value == value) {
            return Err(other_value(id));
        }
        Ok(Lookup::Person { identifier: id, person: self.person_row(key, &head)?, members })
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        let Some(row) = self.rows().get::<IdentifierRow>(id)? else { return Ok(None) };
        let owner = self.owner(id)?;
        Ok(Some(IdentifierRecord {
            namespace: NamespaceId::new(row.namespace),
            value: row.value,
            seen: seen(&row.seen),
            degree: row.degree,
            shared: owner.is_some_and(|row| row.shared),
            denied: owner.is_some_and(|row| row.denied),
        }))
    }

    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        self.identifiers_in(namespace, Share::WHOLE)
    }

    fn identifiers_in(
        &self,
        namespace: Option<NamespaceId>,
        share: Share,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        let numbers = share.range(u64::from(self.state.counters.identifiers));
        let id = |number: u64| IdentifierId::new(number as u32);
        self.range::<IdentifierRow>(id(numbers.start), id(numbers.end)).filter_map(move |row| match row {
            Ok((id, row)) if namespace.is_none_or(|wanted| wanted.get() == row.namespace) => Some(Ok(id)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        let (prefix, _) = StoredLink::range(id, namespace);
        self.rows().scan::<LinkFront>(prefix).map(|row| {
            let ((_, other_namespace, other), link) = row?;
            Ok(LinkRow {
                other,
                other_namespace,
                weight: link.weight,
                last_seen: time(link.last),
                held_back_by: link.held.map(Into::into),
            })
        })
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        let (a, b) = ordered(a, b);
        let Some(other) = self.rows().get::<IdentifierRow>(b)? else { return Ok(None) };
        let Some(row) = self.rows().get::<StoredLink>((a, NamespaceId::new(other.namespace), b))? else {
            return Ok(None);
        };
        let evidence = evidence(&row.evidence);
        Ok(Some(Link {
            weight: row.weight,
            first_seen: evidence.iter().map(|said| said.first_seen).min().unwrap_or_default(),
            last_seen: time(row.last),
            held_back_by: row.held.map(Into::into),
            evidence,
        }))
    }

    fn conducts(&self, from: IdentifierId, link: &LinkRow) -> ReadResult<bool> {
        let Some(own) = self.rows().get::<IdentifierRow>(from)? else { return Ok(false) };
        let threshold = self.state.rules.threshold(NamespaceId::new(own.namespace), link.other_namespace);
        let said = self.override_on(from, link.other)?.map(|said| said.kind);
        Ok(match said {
            Some(OverrideKind::Require) => true,
            Some(OverrideKind::Forbid) => false,
            None => link.weight >= threshold && self.may_conduct(from)? && self.may_conduct(link.other)?,
        })
    }

    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        self.rows().scan::<StoredOverride>(KeyBytes::new(&[&id.get().to_be_bytes()])).map(|row| {
            let ((_, other), said) = row?;
            Ok(OverrideRow { other, said: said.to_model() })
        })
    }

    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>> {
        // Most stores have few overrides, or none: then nothing has to be read.
        if self.state.counters.overrides == 0 {
            return Ok(None);
        }
        Ok(self.rows().get::<StoredOverride>((a, b))?.map(|said| said.to_model()))
    }

    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        self.events_at(from, 0)
    }

    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        let last = self.seq().get();
        self.rows()
            .scan::<PersonEventRow>(KeyBytes::new(&[&id.get().to_be_bytes()]))
            .take_while(move |row| row.as_ref().map_or(true, |((_, seq, _), _)| *seq <= last))
            .map(|row| {
                let ((_, seq, index), _) = row?;
                let missing = || corrupt::<PersonEventRow>(format!("event {index} of write {seq} is gone"));
                let event = self.rows().get::<EventRow>((seq, index))?.ok_or_else(missing)?;
                Ok(event.to_model((seq, index)))
            })
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        Ok(self.owner(id)?.and_then(|row| row.person()))
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        self.head(key)?.map(|head| self.person_row(key, &head)).transpose()
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        match self.end_of(id)? {
            None | Some((_, PersonIdRow::Erased | PersonIdRow::Merged(_))) => Ok(None),
            Some((id, PersonIdRow::Living(key))) => {
                let missing = || corrupt::<PersonIdRow>(format!("{id} leads to no person"));
                self.person(PersonKey::new(key))?.ok_or_else(missing).map(Some)
            }
        }
    }

    fn is_erased(&self, id: PersonId) -> ReadResult<bool> {
        Ok(matches!(self.end_of(id)?, Some((_, PersonIdRow::Erased))))
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        self.persons_in(Share::WHOLE)
    }

    fn persons_in(&self, share: Share) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        let numbers = share.range(self.state.counters.next_person);
        let key = |number: u64| (PersonKey::new(number), 0);
        self.range::<PersonFront>(key(numbers.start), key(numbers.end)).filter_map(|row| match row {
            Ok(((key, _), front)) => front.head.map(|head| self.person_row(key, &head)),
            Err(error) => Some(Err(error)),
        })
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        // Most persons fit their first chunk, which is one point read; the rest is a range.
        let first = self.rows().get::<PersonChunk>((key, 0)).transpose();
        let more = matches!(&first, Some(Ok(PersonChunk { head: Some(head), .. })) if head.chunks > 1);
        let rest = more.then(|| self.later_chunks(key));
        first.into_iter().chain(rest.into_iter().flatten()).flat_map(|chunk| {
            let (members, error) = match chunk {
                Ok(chunk) => (chunk.members, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            members.into_iter().map(|stored| Ok(member(stored))).chain(error)
        })
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        Ok(self.owner(id)?.and_then(|row| row.household()))
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        Ok(self.rows().get::<HouseholdHead>(key)?.map(|head| household_row(key, &head)))
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        let mut id = id;
        for _ in 0..MAX_ALIASES {
            match self.rows().get::<HouseholdIdRow>(id)? {
                None | Some(HouseholdIdRow::Dissolved) => return Ok(None),
                Some(HouseholdIdRow::Merged(into)) => id = HouseholdId::from_raw(into),
                Some(HouseholdIdRow::Living(key)) => {
                    let missing = || corrupt::<HouseholdIdRow>(format!("{id} leads to no household"));
                    return self.household(HouseholdKey::new(key))?.ok_or_else(missing).map(Some);
                }
            }
        }
        Err(corrupt::<HouseholdIdRow>(format!("the merges from {id} lead in a circle")))
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        self.rows()
            .scan::<HouseholdHead>(KeyBytes::new(&[]))
            .map(|row| row.map(|(key, head)| household_row(key, &head)))
    }

    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        self.rows()
            .scan::<HouseholdMemberRow>(KeyBytes::new(&[&key.get().to_be_bytes()]))
            .map(|row| row.map(|((_, member), _)| member))
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        self.rows().scan::<KeyRingRow>(KeyBytes::new(&[&id.get().to_be_bytes()])).map(move |row| {
            let ((_, source, hash), _) = row?;
            let missing =
                || corrupt::<KeyRingRow>(format!("identifier {} names a record that is gone", id.get()));
            let record = self.rows().get::<RecordRow>((source, hash))?.ok_or_else(missing)?;
            Ok(source_record(source, record))
        })
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        let counters = &self.state.counters;
        Ok(match namespace {
            None => counters.by_namespace.iter().sum(),
            Some(namespace) => counters.by_namespace.get(usize::from(namespace.get())).copied().unwrap_or(0),
        })
    }

    fn person_count(&self) -> ReadResult<u64> {
        Ok(self.state.counters.persons)
    }

    fn household_count(&self) -> ReadResult<u64> {
        Ok(self.state.counters.households)
    }

    fn link_count(&self) -> ReadResult<u64> {
        Ok(self.state.counters.links)
    }
}

fn source_record(source: SourceId, record: RecordRow) -> SourceRecord {
    let mut identifiers: Vec<IdentifierId> = record
        .claims
        .iter()
        .flat_map(|claim| claim.identifiers.iter().copied().map(IdentifierId::new))
        .collect();
    identifiers.sort_unstable();
    identifiers.dedup();
    SourceRecord {
        source,
        record_id: record.record_id,
        identifiers,
        first_seen: time(record.claims.iter().map(|claim| claim.first).min().unwrap_or(0)),
        last_seen: time(record.claims.iter().map(|claim| claim.last).max().unwrap_or(0)),
        attributes: record
            .attributes
            .iter()
            .map(|(attribute, value, at)| {
                (crate::model::AttributeId::new(*attribute), value.to_model(), time(*at))
            })
            .collect(),
    }
}
