//! A view that is asked for a purpose: who refused it is not there.
//!
//! A person refused a purpose if the most restrictive of its records' words about
//! it says so ([`crate::consent`]). Such a person, its identifiers and their
//! links are missing from every answer, from counts and from the sizes of
//! households; so are records that name any of its identifiers, events that
//! tell of it, and places (identifiers of household scope) where nobody else is.
//!
//! A refusal cannot be supposed away: where persons are resolved otherwise, or
//! a source is left out, the words count that are stored, for the person of the
//! view and for that of the store alike.
//!
//! The view may also be asked by somebody who may not see the values of some
//! namespaces: the identifiers are there, under stand-ins that tell them apart.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use crate::consent::{self, Refusal, Word};
use crate::model::{
    AttributeId, Catalogue, Cause, Change, Event, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow,
    Identifier, IdentifierId, IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override, OverrideRow,
    PersonId, PersonKey, PersonRow, Retracted, Seq, SourceRecord,
};
use crate::read::{Countable, Found, Lookup, Read, ReadResult, Share, Whom};
use crate::schema::Schema;
use crate::snapshot::Snapshot;
use crate::supposed::Supposed;

/// A view that can be asked for a purpose.
pub trait Basis: Read<Now = Snapshot> + Sized {
    /// What is kept beside the view to answer [`Read::now`].
    type Beside;

    /// Makes what is kept beside it.
    fn beside(&self, purpose: Option<&str>, redact: &[String]) -> Self::Beside;

    /// The store as it is, asked for the same purpose.
    fn now_of(asked: &Asked<Self>) -> &Asked<Snapshot>;

    /// The stored state that the view is made of.
    fn stored(&self) -> &Snapshot;

    /// Whether its persons may be others than those that are stored.
    const SUPPOSES: bool;
}

impl Basis for Snapshot {
    type Beside = ();

    fn beside(&self, _: Option<&str>, _: &[String]) {}

    fn now_of(asked: &Asked<Self>) -> &Asked<Snapshot> {
        asked
    }

    fn stored(&self) -> &Snapshot {
        self
    }

    const SUPPOSES: bool = false;
}

impl Basis for Supposed {
    type Beside = Box<Asked<Snapshot>>;

    fn beside(&self, purpose: Option<&str>, redact: &[String]) -> Self::Beside {
        Box::new(Asked::new(self.now().clone(), purpose, redact))
    }

    fn now_of(asked: &Asked<Self>) -> &Asked<Snapshot> {
        &asked.beside
    }

    fn stored(&self) -> &Snapshot {
        self.basis()
    }

    const SUPPOSES: bool = true;
}

/// A view, asked for a purpose or for none.
pub struct Asked<R: Basis> {
    view: R,
    beside: R::Beside,
    /// `None` if it is asked for no purpose, or for one that nobody has said anything about.
    consent: Option<Consent>,
    /// The namespaces whose values are not told.
    redacted: Vec<NamespaceId>,
}

struct Consent {
    purpose: String,
    attribute: AttributeId,
    said: Mutex<Said>,
}

/// The refusals that were looked for, by whose they may be; `None` for who did not refuse.
#[derive(Default)]
struct Said {
    persons: HashMap<PersonKey, Option<Word>>,
    /// The same of the persons that are stored, where the view has others.
    stored: HashMap<PersonKey, Option<Word>>,
    places: HashMap<IdentifierId, Option<Word>>,
}

/// How many decisions a view remembers of each kind.
const REMEMBERED: usize = 1 << 16;

/// Remembers a decision; a full table is emptied first.
fn remember<K: Eq + std::hash::Hash>(table: &mut HashMap<K, Option<Word>>, key: K, word: Option<Word>) {
    if table.len() >= REMEMBERED {
        table.clear();
    }
    table.insert(key, word);
}

impl Consent {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refusal among the records that name any of these identifiers.
    fn among(
        &self,
        stored: &Snapshot,
        members: impl IntoIterator<Item = IdentifierId>,
    ) -> ReadResult<Option<Word>> {
        let mut most = None;
        for id in members {
            for record in stored.records(id) {
                for (attribute, value, _) in record?.attributes {
                    if attribute == self.attribute {
                        most = most.max(consent::said(consent::PREFIX, &value));
                    }
                }
            }
        }
        Ok(most.filter(|word| word.refuses()))
    }

    fn of_person(&self, view: &impl Basis, key: PersonKey) -> ReadResult<Option<Word>> {
        let known = self.said().persons.get(&key).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let members: Vec<IdentifierId> =
            view.members(key).map(|member| member.map(|member| member.id)).collect::<ReadResult<_>>()?;
        let mut word = self.among(view.stored(), members.iter().copied())?;
        if supposes(view) {
            for id in members {
                if let Some(person) = view.stored().person_of(id)? {
                    word = word.max(self.of_stored(view.stored(), person)?);
                }
            }
        }
        remember(&mut self.said().persons, key, word);
        Ok(word)
    }

    fn of_stored(&self, stored: &Snapshot, key: PersonKey) -> ReadResult<Option<Word>> {
        let known = self.said().stored.get(&key).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let members: Vec<IdentifierId> =
            stored.members(key).map(|member| member.map(|member| member.id)).collect::<ReadResult<_>>()?;
        let word = self.among(stored, members)?;
        remember(&mut self.said().stored, key, word);
        Ok(word)
    }

    /// The refusal of a place: it has links to persons, and all of them refused.
    /// Where links are supposed away it is enough that it is so as stored.
    fn of_place(&self, view: &impl Basis, id: IdentifierId) -> ReadResult<Option<Word>> {
        let known = self.said().places.get(&id).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut word = deserted(view, id, |person| self.of_person(view, person))?;
        if supposes(view) {
            let stored = view.stored();
            word = word.max(deserted(stored, id, |person| self.of_stored(stored, person))?);
        }
        remember(&mut self.said().places, id, word);
        Ok(word)
    }
}

/// The most restrictive word of the persons that an identifier has links to;
/// `None` if there are none, or one who did not refuse.
fn deserted(
    read: &impl Read,
    id: IdentifierId,
    refused: impl Fn(PersonKey) -> ReadResult<Option<Word>>,
) -> ReadResult<Option<Word>> {
    let mut most = None;
    for link in read.links(id, None) {
        let Some(person) = read.person_of(link?.other)? else { continue };
        match refused(person)? {
            None => return Ok(None),
            word => most = most.max(word),
        }
    }
    Ok(most)
}

fn supposes<R: Basis>(_: &R) -> bool {
    R::SUPPOSES
}

/// The rows that are not hidden.
fn visible<T>(
    rows: impl Iterator<Item = ReadResult<T>>,
    hidden: impl Fn(&T) -> ReadResult<bool>,
) -> impl Iterator<Item = ReadResult<T>> {
    rows.filter_map(move |row| match row {
        Ok(row) => match hidden(&row) {
            Ok(true) => None,
            Ok(false) => Some(Ok(row)),
            Err(error) => Some(Err(error)),
        },
        Err(error) => Some(Err(error)),
    })
}

/// How many rows there are.
fn count<T>(rows: impl Iterator<Item = ReadResult<T>>) -> ReadResult<u64> {
    rows.map(|row| row.map(|_| 1)).sum()
}

impl<R: Basis> Asked<R> {
    /// The view as it answers for a purpose (as it is, for none), with stand-ins
    /// for the values of the namespaces in `redact`.
    pub fn new(view: R, purpose: Option<&str>, redact: &[String]) -> Self {
        let consent = purpose.and_then(|purpose| {
            Some(Consent {
                attribute: view.names().attribute(&consent::attribute(purpose))?,
                purpose: purpose.to_owned(),
                said: Mutex::default(),
            })
        });
        let redacted = redact.iter().filter_map(|name| view.names().namespace(name)).collect();
        Self { beside: view.beside(purpose, redact), view, consent, redacted }
    }

    /// Puts a stand-in in the place of a value that is not told: it tells
    /// identifiers apart and says nothing of the value.
    fn redact(&self, id: IdentifierId, namespace: NamespaceId, value: &mut String) {
        if self.redacted.contains(&namespace) {
            *value = format!("redacted-{}", id.get());
        }
    }

    fn person_refused(&self, key: PersonKey) -> ReadResult<Option<Word>> {
        match &self.consent {
            Some(consent) => consent.of_person(&self.view, key),
            None => Ok(None),
        }
    }

    fn refused(&self, id: IdentifierId) -> ReadResult<Option<Word>> {
        let Some(consent) = &self.consent else { return Ok(None) };
        match self.view.person_of(id)? {
            Some(key) => consent.of_person(&self.view, key),
            None => consent.of_place(&self.view, id),
        }
    }

    fn hides(&self, id: IdentifierId) -> ReadResult<bool> {
        Ok(self.refused(id)?.is_some())
    }

    fn hides_any(&self, ids: &[IdentifierId]) -> ReadResult<bool> {
        for id in ids {
            if self.hides(*id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hides_member(&self, member: &HouseholdMember) -> ReadResult<bool> {
        match member {
            HouseholdMember::Person(key) => Ok(self.person_refused(*key)?.is_some()),
            HouseholdMember::Identifier(id) => self.hides(*id),
        }
    }

    /// The person under an id, if it refused.
    fn id_refused(&self, id: PersonId) -> ReadResult<Option<Word>> {
        if self.consent.is_none() {
            return Ok(None);
        }
        match self.view.person_by_id(id)? {
            Some(row) => self.person_refused(row.key),
            None => Ok(None),
        }
    }

    fn hides_person(&self, ids: impl IntoIterator<Item = PersonId>) -> ReadResult<bool> {
        for id in ids {
            if self.id_refused(id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an event tells of somebody who refused.
    fn hides_event(&self, event: &Event) -> ReadResult<bool> {
        if self.consent.is_none() {
            return Ok(false);
        }
        let by_cause = match &event.cause {
            Cause::Observation { identifiers, .. } => self.hides_any(identifiers)?,
            Cause::Override { pair, .. } => self.hides_any(&[pair.0, pair.1])?,
            Cause::Retraction { what: Retracted::Link(a, b), .. } => self.hides_any(&[*a, *b])?,
            Cause::Retraction { .. }
            | Cause::Schema { .. }
            | Cause::Rebuild
            | Cause::BackgroundCut
            | Cause::BulkLoad
            | Cause::Erasure { .. } => false,
        };
        if by_cause {
            return Ok(true);
        }
        match &event.change {
            Change::Persons(change) => {
                for share in &change.shares {
                    if self.hides_any(&share.identifiers)? {
                        return Ok(true);
                    }
                }
                self.hides_person(change.before.iter().chain(&change.after).copied())
            }
            Change::Households(change) => self.hides_person(change.moved.iter().map(|moved| moved.person)),
            Change::Erased(change) => self.hides_person(change.after.iter().copied()),
        }
    }

    /// A household with those members alone that are there; `None` if no person is.
    fn seen_household(&self, row: HouseholdRow) -> ReadResult<Option<HouseholdRow>> {
        if self.consent.is_none() {
            return Ok(Some(row));
        }
        let (mut persons, mut identifiers) = (0, 0);
        for member in self.household_members(row.key) {
            match member? {
                HouseholdMember::Person(_) => persons += 1,
                HouseholdMember::Identifier(_) => identifiers += 1,
            }
        }
        Ok((persons > 0).then_some(HouseholdRow { persons, identifiers, ..row }))
    }

    /// A count: as the view has it, or by going through what is there.
    fn counted<T, I: Iterator<Item = ReadResult<T>>>(
        &self,
        known: impl FnOnce(&R) -> ReadResult<u64>,
        rows: impl FnOnce() -> I,
    ) -> ReadResult<u64> {
        if self.consent.is_none() { known(&self.view) } else { count(rows()) }
    }
}

impl<R: Basis> Read for Asked<R> {
    type Now = Asked<Snapshot>;

    fn now(&self) -> &Asked<Snapshot> {
        R::now_of(self)
    }

    fn seq(&self) -> Seq {
        self.view.seq()
    }

    fn schema(&self) -> &Schema {
        self.view.schema()
    }

    fn names(&self) -> &Catalogue {
        self.view.names()
    }

    fn refusal(&self, whom: Whom<'_>) -> ReadResult<Option<Refusal>> {
        let Some(consent) = &self.consent else { return Ok(None) };
        let word = match whom {
            Whom::Identifier(identifier) => match self.view.find(identifier)? {
                Found::Known(id) => self.refused(id)?,
                _ => None,
            },
            Whom::Person(id) => self.id_refused(id)?,
        };
        Ok(word.map(|word| Refusal { purpose: consent.purpose.clone(), word }))
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        let found = self.view.find(identifier)?;
        if let Found::Known(id) = found
            && self.hides(id)?
        {
            // As if it had never been seen, under its normal form.
            let record = self.view.identifier(id)?;
            let value = record.map_or_else(|| identifier.value.clone(), |record| record.value);
            return Ok(Found::Unknown(Identifier::new(identifier.namespace.as_str(), value)));
        }
        Ok(found)
    }

    fn lookup(&self, identifier: &Identifier) -> ReadResult<Lookup> {
        let mut found = self.view.lookup(identifier)?;
        if let Lookup::Person { members, .. } = &mut found {
            members.iter_mut().for_each(|it| self.redact(it.id, it.namespace, &mut it.value));
        }
        let (Some(_), Lookup::Person { identifier: id, .. } | Lookup::Place { identifier: id, .. }) =
            (&self.consent, &found)
        else {
            return Ok(found);
        };
        if self.hides(*id)? {
            return Ok(Lookup::Nothing(self.find(identifier)?));
        }
        Ok(match found {
            Lookup::Place { identifier, .. } => {
                Lookup::Place { identifier, household: self.household_of(identifier)? }
            }
            found => found,
        })
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        if self.hides(id)? {
            return Ok(None);
        }
        let Some(mut record) = self.view.identifier(id)? else { return Ok(None) };
        if self.consent.is_some() {
            record.degree = u32::try_from(count(self.links(id, None))?).unwrap_or(u32::MAX);
        }
        self.redact(id, record.namespace, &mut record.value);
        Ok(Some(record))
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
        visible(self.view.identifiers_in(namespace, share), |id| self.hides(*id))
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        let (hidden, error) = match self.hides(id) {
            Ok(hidden) => (hidden, None),
            Err(error) => (true, Some(Err(error))),
        };
        let rows = (!hidden).then(|| self.view.links(id, namespace)).into_iter().flatten();
        error.into_iter().chain(visible(rows, |link: &LinkRow| self.hides(link.other)))
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        if self.hides_any(&[a, b])? { Ok(None) } else { self.view.link(a, b) }
    }

    fn conducts(&self, from: IdentifierId, link: &LinkRow) -> ReadResult<bool> {
        self.view.conducts(from, link)
    }

    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        visible(self.view.overrides(id), move |row: &OverrideRow| self.hides_any(&[id, row.other]))
    }

    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>> {
        if self.hides_any(&[a, b])? { Ok(None) } else { self.view.override_on(a, b) }
    }

    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        visible(self.view.events(from), |event| self.hides_event(event))
    }

    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        visible(self.view.person_events(id), move |event| {
            Ok(self.id_refused(id)?.is_some() || self.hides_event(event)?)
        })
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        match self.view.person_of(id)? {
            Some(key) if self.person_refused(key)?.is_some() => Ok(None),
            person => Ok(person),
        }
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        if self.person_refused(key)?.is_some() { Ok(None) } else { self.view.person(key) }
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        match self.view.person_by_id(id)? {
            Some(row) if self.person_refused(row.key)?.is_some() => Ok(None),
            row => Ok(row),
        }
    }

    fn is_erased(&self, id: PersonId) -> ReadResult<bool> {
        self.view.is_erased(id)
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        self.persons_in(Share::WHOLE)
    }

    fn persons_in(&self, share: Share) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        visible(self.view.persons_in(share), |row| Ok(self.person_refused(row.key)?.is_some()))
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        let members = visible(self.view.members(key), move |_| Ok(self.person_refused(key)?.is_some()));
        members.map(|member| {
            let mut member = member?;
            self.redact(member.id, member.namespace, &mut member.value);
            Ok(member)
        })
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        if self.hides(id)? {
            return Ok(None);
        }
        match self.view.household_of(id)? {
            Some(key) => Ok(self.household(key)?.map(|row| row.key)),
            None => Ok(None),
        }
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        match self.view.household(key)? {
            Some(row) => self.seen_household(row),
            None => Ok(None),
        }
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        match self.view.household_by_id(id)? {
            Some(row) => self.seen_household(row),
            None => Ok(None),
        }
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        self.view.households().filter_map(|row| match row {
            Ok(row) => self.seen_household(row).transpose(),
            Err(error) => Some(Err(error)),
        })
    }

    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        visible(self.view.household_members(key), |member| self.hides_member(member))
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        visible(self.view.records(id), move |record| {
            Ok(self.hides(id)? || self.hides_any(&record.identifiers)?)
        })
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        self.counted(|view| view.identifier_count(namespace), || self.identifiers(namespace))
    }

    fn person_count(&self) -> ReadResult<u64> {
        self.counted(Read::person_count, || self.persons())
    }

    fn household_count(&self) -> ReadResult<u64> {
        self.counted(Read::household_count, || self.households())
    }

    fn link_count(&self) -> ReadResult<u64> {
        let ends = self.counted(
            |view| view.link_count().map(|links| 2 * links),
            || {
                self.identifiers(None).flat_map(|id| {
                    let (id, error) = match id {
                        Ok(id) => (Some(id), None),
                        Err(error) => (None, Some(Err(error))),
                    };
                    error.into_iter().chain(id.into_iter().flat_map(|id| self.links(id, None)))
                })
            },
        )?;
        Ok(ends / 2)
    }

    fn estimate(&self, what: Countable) -> ReadResult<u64> {
        let known = self.view.estimate(what)?;
        // Exact it would tell how many are left out; counted it would cost a scan.
        Ok(if self.consent.is_some() { known.next_power_of_two() } else { known })
    }
}
