//! A store as it would be resolved: at another threshold, without a source,
//! without a link, or under another schema. Nothing is written; and but for
//! another schema, which may change everything, no more is resolved than is asked for.
//!
//! A view of this kind is an overlay that is never committed: the very code that
//! settles a write settles the raw components around what is asked for, in
//! memory, and reads come from there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::asked::Asked;
use crate::codec::{
    HouseholdHead, HouseholdIdRow, IdentifierRow, KeyBytes, LinkRow as StoredLink, OwnerRow, PersonHead,
    PersonIdRow, Row, time,
};
use crate::consent::Refusal;
use crate::model::{
    Catalogue, Event, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier, IdentifierId,
    IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override, OverrideKind, OverrideRow, PersonId,
    PersonKey, PersonRow, Seq, SourceRecord,
};
use crate::read::{Countable, Found, Read, ReadError, ReadResult, Share, ViewOptions, Whom};
use crate::rules::ordered;
use crate::schema::{Schema, names_closest};
use crate::snapshot::{AsOfError, Snapshot, State, end_of_merges, evidence, household_row, member, seen};
use crate::write::{Authored, Lens, Overlay, SchemaError};

/// Why a view of a store cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ViewError {
    /// There is no state as of that moment.
    #[error(transparent)]
    AsOf(#[from] AsOfError),
    /// The threshold is no weight.
    #[error("the threshold is {given}; expected a number above 0 and at most 1")]
    Threshold {
        /// As it was given.
        given: f64,
    },
    /// The store knows no such source.
    #[error("no source `{name}` ever sent anything{}", suggestion.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownSource {
        /// As it was given.
        name: String,
        /// The closest name that exists, if one is near.
        suggestion: Option<String>,
    },
    /// An end of a link to be left out is not in the store.
    #[error("the store has never seen `{identifier}`")]
    UnknownIdentifier {
        /// As it was given.
        identifier: Identifier,
    },
    /// The schema cannot be put in force in this store.
    #[error(transparent)]
    Schema(Box<SchemaError>),
    /// What had to be read is damaged or could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A view of a store: as it is, as it was, or as it would be.
pub enum StoreView {
    /// As it was resolved.
    Resolved(Asked<Snapshot>),
    /// As it would be resolved otherwise.
    Supposed(Box<Asked<Supposed>>),
}

impl Snapshot {
    /// The view of the store that the options ask for.
    pub fn view(&self, options: &ViewOptions) -> Result<StoreView, ViewError> {
        let (purpose, redact) = (options.purpose.as_deref(), options.redact.as_slice());
        let base = match options.as_of {
            None => self.clone(),
            Some(moment) => self.as_of(moment)?,
        };
        if !options.is_hypothetical() {
            return Ok(StoreView::Resolved(Asked::new(base, purpose, redact)));
        }
        let supposed = Supposed::new(self.clone(), base, options)?;
        Ok(StoreView::Supposed(Box::new(Asked::new(supposed, purpose, redact))))
    }

    /// The store as it would be with another schema in force. The whole store is
    /// resolved at once, in memory, as [`crate::Store::plan_schema`] does it.
    pub fn under(&self, schema: &Schema) -> Result<StoreView, ViewError> {
        Ok(StoreView::Supposed(Box::new(Asked::new(Supposed::under(self, schema)?, None, &[]))))
    }
}

/// A store as it would be resolved.
pub struct Supposed {
    /// The store as it is.
    now: Snapshot,
    /// What it is resolved from.
    base: Snapshot,
    schema: Arc<Schema>,
    inner: Mutex<Inner>,
    changes_links: bool,
}

struct Inner {
    overlay: Overlay,
    /// Identifiers whose raw components are settled.
    settled: Vec<bool>,
    /// Places whose households are settled.
    housed: BTreeSet<IdentifierId>,
    without_sources: Vec<u16>,
}

impl Supposed {
    fn new(now: Snapshot, base: Snapshot, options: &ViewOptions) -> Result<Self, ViewError> {
        let mut schema = (*base.state.schema).clone();
        if let Some(threshold) = options.threshold {
            if !(threshold > 0.0 && threshold <= 1.0) {
                return Err(ViewError::Threshold { given: threshold });
            }
            schema.person.threshold = threshold;
        }
        let schema = Arc::new(schema);
        let mut lens = Lens::default();
        for name in &options.without_sources {
            let names = &base.state.names;
            let source = names.source(name).ok_or_else(|| ViewError::UnknownSource {
                name: name.clone(),
                suggestion: names_closest(name, names.sources.iter()).map(str::to_owned),
            })?;
            lens.without_sources.push(source.get());
        }
        for (a, b) in &options.without_links {
            let mut ids = [IdentifierId::new(0); 2];
            for (id, identifier) in ids.iter_mut().zip([a, b]) {
                *id = match base.find(identifier)? {
                    Found::Known(id) => id,
                    _ => return Err(ViewError::UnknownIdentifier { identifier: identifier.clone() }),
                };
            }
            lens.without_links.insert(ordered(ids[0], ids[1]));
        }
        let state = &base.state;
        let changes_links = lens.changes_links();
        let without_sources = lens.without_sources.clone();
        let mut overlay = Overlay::under(state, Arc::clone(&schema));
        overlay.lens = Some(lens);
        // What is born here is younger than all that is stored.
        overlay.counters.seq += 1;
        let inner = Inner {
            settled: vec![false; overlay.counters.identifiers as usize],
            housed: BTreeSet::new(),
            overlay,
            without_sources,
        };
        Ok(Self { now, base, schema, inner: Mutex::new(inner), changes_links })
    }

    fn under(now: &Snapshot, schema: &Schema) -> Result<Self, ViewError> {
        let state = &now.state;
        let mut overlay = Overlay::of(state);
        let nobody = Authored { author: String::new(), reason: String::new() };
        let schema = Arc::new(schema.clone());
        overlay
            .apply_schema(Arc::clone(&schema), &nobody)?
            .map_err(|refused| ViewError::Schema(Box::new(refused)))?;
        // Names are looked up, and spelt, as the schema has it.
        let base = Snapshot {
            state: Arc::new(State {
                view: Arc::clone(&state.view),
                schema: Arc::clone(&schema),
                names: Arc::new(overlay.names.clone()),
                rules: Arc::clone(&overlay.rules),
                counters: Arc::clone(&state.counters),
                secret: Arc::clone(&state.secret),
            }),
        };
        let inner = Inner {
            settled: vec![true; overlay.counters.identifiers as usize],
            housed: BTreeSet::new(),
            overlay,
            without_sources: Vec::new(),
        };
        Ok(Self { now: now.clone(), base, schema, inner: Mutex::new(inner), changes_links: false })
    }

    /// The stored state that it is resolved from.
    pub(crate) fn basis(&self) -> &Snapshot {
        &self.base
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers with what `read` gathers, an iterator of its own.
    fn gather<T>(&self, read: impl FnOnce(&mut Inner) -> ReadResult<Vec<T>>) -> Gathered<T> {
        let (rows, error) = match read(&mut self.inner()) {
            Ok(rows) => (rows, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        rows.into_iter().map(Ok as fn(T) -> ReadResult<T>).chain(error)
    }
}

/// Rows that were gathered at once, or why they could not be.
type Gathered<T> = std::iter::Chain<
    std::iter::Map<std::vec::IntoIter<T>, fn(T) -> ReadResult<T>>,
    std::option::IntoIter<ReadResult<T>>,
>;

impl Inner {
    /// Settles the raw component that an identifier is in.
    fn settle(&mut self, id: IdentifierId) -> ReadResult<()> {
        let at = id.get() as usize;
        if self.settled.get(at).copied().unwrap_or(true) || !self.is_personal(id)? {
            return Ok(());
        }
        let nodes = self.overlay.settle_around(&BTreeSet::from([id]))?;
        let mut persons = BTreeSet::new();
        for node in nodes {
            if let Some(settled) = self.settled.get_mut(node.get() as usize) {
                *settled = true;
            }
            persons.extend(self.overlay.owner(node)?.and_then(|row| row.person()));
        }
        if self.overlay.lens.as_ref().is_some_and(Lens::changes_links) {
            for person in persons {
                self.overlay.rebuild_homes(person)?;
            }
        }
        Ok(())
    }

    fn is_personal(&mut self, id: IdentifierId) -> ReadResult<bool> {
        if !self.is_known(id)? {
            return Ok(false);
        }
        let namespace = self.overlay.namespace(id)?;
        Ok(self.overlay.rules.is_person(namespace))
    }

    /// Whether an identifier has a row: the number of one that was forgotten has none.
    fn is_known(&mut self, id: IdentifierId) -> ReadResult<bool> {
        Ok(self.overlay.identifiers.get(&self.overlay.view, id)?.is_some())
    }

    fn settle_everything(&mut self) -> ReadResult<()> {
        for id in (0..self.overlay.counters.identifiers).map(IdentifierId::new) {
            if self.is_personal(id)? {
                self.settle(id)?;
            } else {
                self.house(HouseholdMember::Identifier(id))?;
            }
        }
        Ok(())
    }

    /// Settles the household of a person or place: first everybody who lives
    /// where its persons live, and so on, then who lives with whom.
    fn house(&mut self, member: HouseholdMember) -> ReadResult<()> {
        let mut queue = VecDeque::from([member]);
        let mut persons = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(member) = queue.pop_front() {
            match member {
                HouseholdMember::Person(person) => {
                    if persons.insert(person) {
                        let homes = self.overlay.homes_of(person)?;
                        queue.extend(
                            homes.into_iter().map(|((_, home), _)| HouseholdMember::Identifier(home)),
                        );
                    }
                }
                HouseholdMember::Identifier(home) => {
                    if !self.housed.insert(home) || !self.is_known(home)? {
                        continue;
                    }
                    found.push(home);
                    // A link that is left out leads no longer to who lived here by it.
                    if self.overlay.lens.as_ref().is_some_and(Lens::changes_links) {
                        let mut members = Vec::new();
                        for person in self.overlay.residents_of(home)? {
                            members.extend(self.overlay.members(person)?);
                        }
                        for member in members {
                            self.settle(member)?;
                        }
                    }
                    for ((_, _, other), link) in self.overlay.links_of(home, None)? {
                        if link.weight < self.overlay.rules.household_threshold {
                            continue;
                        }
                        if self.is_personal(other)? {
                            self.settle(other)?;
                            let person = self.overlay.owner(other)?.and_then(|row| row.person());
                            queue.extend(person.map(HouseholdMember::Person));
                        } else {
                            queue.push_back(HouseholdMember::Identifier(other));
                        }
                    }
                    if let Some(household) = self.overlay.household_of(member)? {
                        self.overlay.touched.households.insert(household);
                        queue.extend(self.overlay.household_rows(household)?);
                    }
                }
            }
        }
        self.overlay.touched.residents.extend(found.iter().copied());
        self.overlay.touched.identifiers.extend(found);
        for person in persons {
            if self.overlay.person_exists(person)? {
                self.overlay.touched.persons.insert(person);
            }
        }
        self.overlay.settle_households()
    }

    fn person_row(&mut self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        let Some(head) = self.head(key)? else { return Ok(None) };
        self.house(HouseholdMember::Person(key))?;
        let household = self.overlay.read_head(key)?.household.map(HouseholdKey::new);
        Ok(Some(PersonRow {
            key,
            id: head.person_id(),
            born: Seq::new(head.born),
            created_at: time(head.created_at),
            size: head.size,
            household,
            resolution_pending: false,
        }))
    }

    fn head(&mut self, key: PersonKey) -> ReadResult<Option<PersonHead>> {
        let overlay = &mut self.overlay;
        Ok(overlay.persons.get(&overlay.view, (key, 0))?.and_then(|chunk| chunk.head.clone()))
    }

    fn person_keys(&mut self) -> ReadResult<Vec<PersonKey>> {
        self.settle_everything()?;
        let rows =
            self.overlay.persons.range(&self.overlay.view, KeyBytes::new(&[]), (PersonKey::new(0), 0))?;
        Ok(rows.into_iter().filter(|(_, chunk)| chunk.head.is_some()).map(|((key, _), _)| key).collect())
    }
}

fn corrupt<R: Row>(detail: String) -> ReadError {
    ReadError::Corrupt { table: R::TABLE.name(), detail }
}

impl Read for Supposed {
    type Now = Snapshot;

    fn now(&self) -> &Snapshot {
        &self.now
    }

    fn seq(&self) -> Seq {
        self.base.seq()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn names(&self) -> &Catalogue {
        self.base.names()
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        self.base.find(identifier)
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let Some(row) = inner.overlay.identifiers.get(&inner.overlay.view, id)?.cloned() else {
            return Ok(None);
        };
        let IdentifierRow { namespace, value, seen: mut by, degree, .. } = row;
        by.retain(|seen| !inner.without_sources.contains(&seen.source));
        let degree = if self.changes_links { inner.overlay.links_of(id, None)?.len() as u32 } else { degree };
        if !inner.is_personal(id)? {
            inner.house(HouseholdMember::Identifier(id))?;
        }
        let denied = inner.overlay.owner(id)?.is_some_and(|row| row.denied);
        Ok(Some(IdentifierRecord {
            namespace: NamespaceId::new(namespace),
            value,
            seen: seen(&by),
            degree,
            shared: !denied && !inner.overlay.may_conduct(id)?,
            denied,
        }))
    }

    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        self.base.identifiers(namespace)
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        self.gather(move |inner| {
            inner.settle(id)?;
            let rows = inner.overlay.links_of(id, namespace)?;
            Ok(rows
                .into_iter()
                .map(|((_, other_namespace, other), link)| LinkRow {
                    other,
                    other_namespace,
                    weight: link.weight,
                    last_seen: time(link.last),
                    held_back_by: link.held.map(Into::into),
                })
                .collect())
        })
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        let (a, b) = ordered(a, b);
        let mut inner = self.inner();
        inner.settle(a)?;
        let of_b = match inner.overlay.identifiers.get(&Arc::clone(&self.base.state.view), b)? {
            Some(row) => NamespaceId::new(row.namespace),
            None => return Ok(None),
        };
        let rows = inner.overlay.links_of(a, Some(of_b))?;
        let Some((_, row)) = rows.into_iter().find(|((.., other), _): &(_, StoredLink)| *other == b) else {
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
        let mut inner = self.inner();
        let own = inner.overlay.namespace(from)?;
        let threshold = inner.overlay.rules.threshold(own, link.other_namespace);
        Ok(match inner.overlay.said(from, link.other)? {
            Some(kind) => kind == OverrideKind::Require,
            None => {
                link.weight >= threshold
                    && inner.overlay.may_conduct(from)?
                    && inner.overlay.may_conduct(link.other)?
            }
        })
    }

    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        self.base.overrides(id)
    }

    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>> {
        self.base.override_on(a, b)
    }

    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        self.base.events(from)
    }

    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        self.base.person_events(id)
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        let mut inner = self.inner();
        inner.settle(id)?;
        Ok(inner.overlay.owner(id)?.and_then(|row| row.person()))
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        self.inner().person_row(key)
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let end = end_of_merges(id, |id| {
            if id.anchor().get() >= inner.overlay.counters.identifiers {
                return Ok(None);
            }
            inner.settle(id.anchor())?;
            Ok(inner.overlay.person_ids.get(&inner.overlay.view, id)?.copied())
        })?;
        match end {
            Some((_, PersonIdRow::Living(key))) => inner.person_row(PersonKey::new(key)),
            None | Some((_, PersonIdRow::Erased | PersonIdRow::Merged(_))) => Ok(None),
        }
    }

    fn is_erased(&self, id: PersonId) -> ReadResult<bool> {
        self.base.is_erased(id)
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        self.gather(move |inner| {
            let mut rows = Vec::new();
            for key in inner.person_keys()? {
                rows.extend(inner.person_row(key)?);
            }
            Ok(rows)
        })
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        self.gather(move |inner| {
            let Some(head) = inner.head(key)? else { return Ok(Vec::new()) };
            let mut members = Vec::with_capacity(head.size as usize);
            for chunk in 0..head.chunks {
                let overlay = &mut inner.overlay;
                if let Some(row) = overlay.persons.get(&overlay.view, (key, chunk))? {
                    members.extend(row.members.iter().cloned().map(member));
                }
            }
            Ok(members)
        })
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        let mut inner = self.inner();
        if !inner.is_personal(id)? {
            inner.house(HouseholdMember::Identifier(id))?;
        }
        Ok(inner.overlay.owner(id)?.and_then(|row: OwnerRow| row.household()))
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let head = inner.overlay.households.get(&inner.overlay.view, key)?.cloned();
        Ok(head.map(|head: HouseholdHead| household_row(key, &head)))
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let mut id = id;
        let mut passed = BTreeSet::new();
        while passed.insert(id) {
            if id.anchor().get() >= inner.overlay.counters.identifiers {
                return Ok(None);
            }
            inner.house(HouseholdMember::Identifier(id.anchor()))?;
            match inner.overlay.household_ids.get(&inner.overlay.view, id)?.copied() {
                None | Some(HouseholdIdRow::Dissolved) => return Ok(None),
                Some(HouseholdIdRow::Merged(into)) => id = HouseholdId::from_raw(into),
                Some(HouseholdIdRow::Living(key)) => {
                    let key = HouseholdKey::new(key);
                    let head = inner.overlay.households.get(&inner.overlay.view, key)?.cloned();
                    return Ok(head.map(|head| household_row(key, &head)));
                }
            }
        }
        Err(corrupt::<HouseholdIdRow>(format!("the merges from {id} lead in a circle")))
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        self.gather(move |inner| {
            inner.settle_everything()?;
            let rows = inner.overlay.households.range(
                &inner.overlay.view,
                KeyBytes::new(&[]),
                HouseholdKey::new(0),
            )?;
            Ok(rows.into_iter().map(|(key, head)| household_row(key, &head)).collect())
        })
    }

    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        self.gather(move |inner| inner.overlay.household_rows(key))
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        let without = self.inner().without_sources.clone();
        self.base.records(id).filter(move |record| {
            record.as_ref().map_or(true, |record| !without.contains(&record.source.get()))
        })
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        self.base.identifier_count(namespace)
    }

    fn person_count(&self) -> ReadResult<u64> {
        let mut inner = self.inner();
        inner.settle_everything()?;
        Ok(inner.overlay.counters.persons)
    }

    fn household_count(&self) -> ReadResult<u64> {
        let mut inner = self.inner();
        inner.settle_everything()?;
        Ok(inner.overlay.counters.households)
    }

    fn link_count(&self) -> ReadResult<u64> {
        if !self.changes_links {
            return self.base.link_count();
        }
        let inner = self.inner();
        let mut ends = 0;
        for id in (0..inner.overlay.counters.identifiers).map(IdentifierId::new) {
            ends += inner.overlay.links_of(id, None)?.len() as u64;
        }
        Ok(ends / 2)
    }
}

/// One of two iterators over the same items.
enum Either<A, B> {
    One(A),
    Other(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::One(items) => items.next(),
            Self::Other(items) => items.next(),
        }
    }
}

/// Asks whichever view it is.
macro_rules! ask {
    ($self:ident, $view:ident => $answer:expr) => {
        match $self {
            Self::Resolved($view) => $answer,
            Self::Supposed($view) => $answer,
        }
    };
}

/// The same for answers that are iterators.
macro_rules! iterate {
    ($self:ident, $view:ident => $answer:expr) => {
        match $self {
            Self::Resolved($view) => Either::One($answer),
            Self::Supposed($view) => Either::Other($answer),
        }
    };
}

impl Read for StoreView {
    type Now = Asked<Snapshot>;

    fn now(&self) -> &Asked<Snapshot> {
        ask!(self, view => view.now())
    }

    fn seq(&self) -> Seq {
        ask!(self, view => view.seq())
    }

    fn schema(&self) -> &Schema {
        ask!(self, view => view.schema())
    }

    fn names(&self) -> &Catalogue {
        ask!(self, view => view.names())
    }

    fn refusal(&self, whom: Whom<'_>) -> ReadResult<Option<Refusal>> {
        ask!(self, view => view.refusal(whom))
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        ask!(self, view => view.find(identifier))
    }

    fn lookup(&self, identifier: &Identifier) -> ReadResult<crate::read::Lookup> {
        ask!(self, view => view.lookup(identifier))
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        ask!(self, view => view.identifier(id))
    }

    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        iterate!(self, view => view.identifiers(namespace))
    }

    fn identifiers_in(
        &self,
        namespace: Option<NamespaceId>,
        share: Share,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        iterate!(self, view => view.identifiers_in(namespace, share))
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        iterate!(self, view => view.links(id, namespace))
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        ask!(self, view => view.link(a, b))
    }

    fn conducts(&self, from: IdentifierId, link: &LinkRow) -> ReadResult<bool> {
        ask!(self, view => view.conducts(from, link))
    }

    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        iterate!(self, view => view.overrides(id))
    }

    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>> {
        ask!(self, view => view.override_on(a, b))
    }

    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        iterate!(self, view => view.events(from))
    }

    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        iterate!(self, view => view.person_events(id))
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        ask!(self, view => view.person_of(id))
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        ask!(self, view => view.person(key))
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        ask!(self, view => view.person_by_id(id))
    }

    fn is_erased(&self, id: PersonId) -> ReadResult<bool> {
        ask!(self, view => view.is_erased(id))
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        iterate!(self, view => view.persons())
    }

    fn persons_in(&self, share: Share) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        iterate!(self, view => view.persons_in(share))
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        iterate!(self, view => view.members(key))
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        ask!(self, view => view.household_of(id))
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        ask!(self, view => view.household(key))
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        ask!(self, view => view.household_by_id(id))
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        iterate!(self, view => view.households())
    }

    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        iterate!(self, view => view.household_members(key))
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        iterate!(self, view => view.records(id))
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        ask!(self, view => view.identifier_count(namespace))
    }

    fn person_count(&self) -> ReadResult<u64> {
        ask!(self, view => view.person_count())
    }

    fn household_count(&self) -> ReadResult<u64> {
        ask!(self, view => view.household_count())
    }

    fn link_count(&self) -> ReadResult<u64> {
        ask!(self, view => view.link_count())
    }

    fn estimate(&self, what: Countable) -> ReadResult<u64> {
        ask!(self, view => view.estimate(what))
    }
}
