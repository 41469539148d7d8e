//! A reader whose every row is counted.
//!
//! Answers that need a search know no limits: one over a large store ends when
//! whoever asks has counted enough.

use std::cell::RefCell;

use super::{Countable, Found, Read, ReadError, ReadResult, Whom};
use crate::consent::Refusal;
use crate::model::{
    Catalogue, Event, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier, IdentifierId,
    IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override, OverrideRow, PersonId, PersonKey,
    PersonRow, Seq, SourceRecord,
};
use crate::schema::Schema;

/// A reader that asks before every row whether it may go on.
pub struct Counted<'a, R, E> {
    read: &'a R,
    count: Box<dyn Fn() -> Result<(), E> + 'a>,
    /// The limit that was met, which no [`ReadError`] can say.
    met: RefCell<Option<E>>,
}

impl<'a, R: Read, E> Counted<'a, R, E> {
    /// Reads from `read`; `count` is called for each row and fails when there were enough.
    pub fn new(read: &'a R, count: impl Fn() -> Result<(), E> + 'a) -> Self {
        Self { read, count: Box::new(count), met: RefCell::default() }
    }

    /// Takes the failure of `count`, if that is why a read failed.
    pub fn met(&self) -> Option<E> {
        self.met.take()
    }

    fn count(&self) -> ReadResult<()> {
        (self.count)().map_err(|met| {
            *self.met.borrow_mut() = Some(met);
            ReadError::Storage("a limit was met".to_owned())
        })
    }

    fn one<T>(&self, read: impl FnOnce(&'a R) -> ReadResult<T>) -> ReadResult<T> {
        self.count()?;
        read(self.read)
    }

    fn each<T>(&self, rows: impl Iterator<Item = ReadResult<T>>) -> impl Iterator<Item = ReadResult<T>> {
        rows.map(move |row| self.count().and(row))
    }
}

impl<R: Read, E> Read for Counted<'_, R, E> {
    type Now = R::Now;

    fn now(&self) -> &R::Now {
        self.read.now()
    }

    fn seq(&self) -> Seq {
        self.read.seq()
    }

    fn schema(&self) -> &Schema {
        self.read.schema()
    }

    fn names(&self) -> &Catalogue {
        self.read.names()
    }

    fn refusal(&self, whom: Whom<'_>) -> ReadResult<Option<Refusal>> {
        self.one(|read| read.refusal(whom))
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        self.one(|read| read.find(identifier))
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        self.one(|read| read.identifier(id))
    }

    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        self.each(self.read.identifiers(namespace))
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        self.each(self.read.links(id, namespace))
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        self.one(|read| read.link(a, b))
    }

    fn conducts(&self, from: IdentifierId, link: &LinkRow) -> ReadResult<bool> {
        self.one(|read| read.conducts(from, link))
    }

    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        self.each(self.read.overrides(id))
    }

    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>> {
        self.one(|read| read.override_on(a, b))
    }

    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        self.each(self.read.events(from))
    }

    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        self.each(self.read.person_events(id))
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        self.one(|read| read.person_of(id))
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        self.one(|read| read.person(key))
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        self.one(|read| read.person_by_id(id))
    }

    fn is_erased(&self, id: PersonId) -> ReadResult<bool> {
        self.one(|read| read.is_erased(id))
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        self.each(self.read.persons())
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        self.each(self.read.members(key))
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        self.one(|read| read.household_of(id))
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        self.one(|read| read.household(key))
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        self.one(|read| read.household_by_id(id))
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        self.each(self.read.households())
    }

    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        self.each(self.read.household_members(key))
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        self.each(self.read.records(id))
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        self.one(|read| read.identifier_count(namespace))
    }

    fn person_count(&self) -> ReadResult<u64> {
        self.one(R::person_count)
    }

    fn household_count(&self) -> ReadResult<u64> {
        self.one(R::household_count)
    }

    fn link_count(&self) -> ReadResult<u64> {
        self.one(R::link_count)
    }

    fn estimate(&self, what: Countable) -> ReadResult<u64> {
        self.one(|read| read.estimate(what))
    }
}
