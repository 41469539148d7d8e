//! A reader whose every row counts against the limits of the query that asks.
//!
//! The engine's answers know no limits: a search over a large store ends at the
//! query's deadline because what it reads is counted here.

use std::cell::RefCell;

use kinfold_engine::answers::AnswerError;
use kinfold_engine::consent::Refusal;
use kinfold_engine::model::{
    Catalogue, Event, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier, IdentifierId,
    IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override, OverrideRow, PersonId, PersonKey,
    PersonRow, Seq, SourceRecord,
};
use kinfold_engine::read::{Countable, Found, Read, ReadError, ReadResult, Whom};
use kinfold_engine::schema::Schema;

use super::{error, hinted};
use crate::graph::{Account, ProcedureError};

/// A reader with the account that what it reads is put on.
pub(super) struct Counted<'a, R> {
    read: &'a R,
    account: Account<'a>,
    /// The limit that was met, which no [`ReadError`] can say.
    met: RefCell<Option<ProcedureError>>,
}

impl<'a, R: Read> Counted<'a, R> {
    pub(super) fn new(read: &'a R, account: Account<'a>) -> Self {
        Self { read, account, met: RefCell::default() }
    }

    /// What an answer over this reader came to.
    pub(super) fn told<T, E: Into<AnswerError>>(&self, answer: Result<T, E>) -> Result<T, ProcedureError> {
        let failed = match answer {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed.into(),
        };
        if let Some(met) = self.met.take() {
            return Err(met);
        }
        Err(match failed {
            AnswerError::Read(failed) => failed.into(),
            AnswerError::HouseholdScope { identifier } => no_person(&identifier),
            AnswerError::Unknown { .. } => error("not-found", failed.to_string()),
        })
    }

    fn count(&self) -> ReadResult<()> {
        self.account.expansion().map_err(|met| {
            *self.met.borrow_mut() = Some(met);
            ReadError::Storage("a limit of the query was met".to_owned())
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

/// The error for an identifier that is nobody's.
pub(super) fn no_person(name: &Identifier) -> ProcedureError {
    let message = format!("`{name}` is of household scope: it belongs to no person");
    hinted("no-person", message, "ask HOUSEHOLD about it")
}

impl<R: Read> Read for Counted<'_, R> {
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
