//! The read trait: everything that queries and services may ask of a store.
//!
//! One implementation reads a snapshot of the RocksDB store; others answer the
//! same questions about the same store under another threshold, without a
//! source, or as of an earlier time.

mod counted;

pub use counted::Counted;

use crate::consent::Refusal;
use crate::model::{
    Catalogue, Event, HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier, IdentifierId,
    IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override, OverrideRow, PersonId, PersonKey,
    PersonRow, Seq, SourceRecord, Timestamp,
};
use crate::schema::Schema;

/// Why a read could not be answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// A stored value does not decode, or two rows contradict each other.
    #[error("the store is damaged in table `{table}`: {detail}; run `kinfold check` on it")]
    Corrupt {
        /// The table with the bad row.
        table: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The storage below failed.
    #[error("the storage failed: {0}")]
    Storage(String),
}

/// A result of a read.
pub type ReadResult<T> = Result<T, ReadError>;

/// A moment in the life of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The state after the last write that was made at this time or before it, by the store's clock.
    Time(Timestamp),
    /// The state after the last write with this sequence number or a lower one.
    Seq(Seq),
}

/// Which view of a store a question is asked of. The default is the store as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ViewOptions {
    /// As it was then.
    pub as_of: Option<AsOf>,
    /// As if `person.threshold` were this, in (0, 1].
    pub threshold: Option<f64>,
    /// As if these sources had never said anything.
    pub without_sources: Vec<String>,
    /// As if nobody had ever seen these pairs together.
    pub without_links: Vec<(Identifier, Identifier)>,
    /// For which purpose it is asked: who refused it is not there.
    pub purpose: Option<String>,
    /// The namespaces whose values are not told: a stand-in comes in the place of each.
    pub redact: Vec<String>,
}

impl ViewOptions {
    /// Whether persons may differ from those that are stored.
    pub fn is_hypothetical(&self) -> bool {
        self.threshold.is_some() || !self.without_sources.is_empty() || !self.without_links.is_empty()
    }
}

/// What a lookup of an identifier found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The store knows it.
    Known(IdentifierId),
    /// The value is well formed but was never seen; the normalised form is given.
    Unknown(Identifier),
    /// The schema does not declare the namespace, and the store has none of that name.
    NoNamespace {
        /// The closest name that exists, if one is near.
        suggestion: Option<String>,
    },
    /// The value is denied: it identifies nobody.
    Denied {
        /// The rule that denies it, as `built-in junk value` or the pattern of the schema.
        rule: String,
    },
    /// The value does not satisfy its namespace's rule.
    Invalid {
        /// What was expected.
        reason: String,
    },
}

/// What a lookup of an identifier gives at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// It is of person scope, and this is whose it is.
    Person {
        /// The identifier.
        identifier: IdentifierId,
        /// The person it belongs to.
        person: PersonRow,
        /// All identifiers of that person, in no particular order.
        members: Vec<Member>,
    },
    /// It is of household scope, and in this household, if in any.
    Place {
        /// The identifier.
        identifier: IdentifierId,
        /// The household it joins.
        household: Option<HouseholdKey>,
    },
    /// It is not in the store; never [`Found::Known`].
    Nothing(Found),
}

/// Whose refusal is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// Of the person that an identifier belongs to; of a place, of all who are there.
    Identifier(&'a Identifier),
    /// Of the person that this id names today.
    Person(PersonId),
}

/// What a store holds many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Countable {
    /// Identifiers, in all or of a namespace.
    Identifiers(Option<NamespaceId>),
    /// Persons.
    Persons,
    /// Households.
    Households,
    /// Links.
    Links,
}

/// One of several equal parts of what a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    at: u32,
    of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { at: 0, of: 1 };

    /// Cuts it into so many shares, in their order; at least one.
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        let of = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        (0..of).map(move |at| Self { at, of })
    }

    /// Whether no share comes before it.
    pub fn is_first(self) -> bool {
        self.at == 0
    }

    /// Which of the numbers below `count` belong to it.
    pub fn range(self, count: u64) -> std::ops::Range<u64> {
        let bound = |at: u32| (u128::from(count) * u128::from(at) / u128::from(self.of)) as u64;
        bound(self.at)..bound(self.at + 1)
    }

    /// Everything with the first share, nothing with the others.
    fn undivided<T>(self, rows: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        rows.take(if self.is_first() { usize::MAX } else { 0 })
    }
}

/// One consistent state of a store. Cheap to hold; every method sees the same state.
pub trait Read {
    /// What [`Read::now`] gives.
    type Now: Read;

    /// The store as it is and as it was resolved, to be compared with this view of it.
    fn now(&self) -> &Self::Now;

    /// The sequence number of this state.
    fn seq(&self) -> Seq;

    /// The schema in force.
    fn schema(&self) -> &Schema;

    /// The names that the store has numbered.
    fn names(&self) -> &Catalogue;

    /// That somebody refused the purpose which this view is asked for, so that
    /// nothing else is told of them; `None` where nobody asks for a purpose.
    fn refusal(&self, _: Whom<'_>) -> ReadResult<Option<Refusal>> {
        Ok(None)
    }

    /// Finds an identifier by name; the value is normalised by its namespace's rule first.
    fn find(&self, identifier: &Identifier) -> ReadResult<Found>;

    /// Finds whose an identifier is, with everything else that is theirs: the
    /// shortest way from a name to a person.
    fn lookup(&self, identifier: &Identifier) -> ReadResult<Lookup> {
        let id = match self.find(identifier)? {
            Found::Known(id) => id,
            nothing => return Ok(Lookup::Nothing(nothing)),
        };
        let Some(key) = self.person_of(id)? else {
            return Ok(Lookup::Place { identifier: id, household: self.household_of(id)? });
        };
        let person = self.person(key)?.ok_or_else(|| ReadError::Corrupt {
            table: "persons",
            detail: format!("identifier {} belongs to a person that does not exist", id.get()),
        })?;
        let members = self.members(key).collect::<ReadResult<Vec<Member>>>()?;
        Ok(Lookup::Person { identifier: id, person, members })
    }

    /// What is known of an identifier, or `None` for a number never given.
    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>>;

    /// Every identifier, or every one of a namespace, ascending by number.
    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_;

    /// The part of [`Read::identifiers`] that belongs to a share: the shares one
    /// after another give the same in the same order.
    fn identifiers_in(
        &self,
        namespace: Option<NamespaceId>,
        share: Share,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        share.undivided(self.identifiers(namespace))
    }

    /// The links of an identifier, or those to one namespace, ascending by the
    /// other end's namespace, then number.
    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_;

    /// The link between two identifiers with its evidence; the order of the two does not matter.
    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>>;

    /// Whether a link joins what it links: both ends may conduct at its level,
    /// neither is shared or denied, the weight reaches the level's threshold and
    /// no override forbids the pair; or an override requires it.
    fn conducts(&self, from: IdentifierId, link: &LinkRow) -> ReadResult<bool>;

    /// The overrides that stand on an identifier, ascending by the other end.
    fn overrides(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_;

    /// The override that stands on a pair; the order of the two does not matter.
    fn override_on(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Override>>;

    /// The changes to who is who from a write on, in their order.
    fn events(&self, from: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_;

    /// The changes that concern a person under this id, in their order.
    fn person_events(&self, id: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_;

    /// The person an identifier belongs to; `None` for one of household scope.
    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>>;

    /// The person with these rows.
    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>>;

    /// The person that `id` names today: itself, or the survivor of the merges
    /// it went into (then the row's id differs from `id`).
    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>>;

    /// Whether all that this id named was forgotten, so that it names nobody.
    fn is_erased(&self, id: PersonId) -> ReadResult<bool>;

    /// Every person, in no particular order.
    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_;

    /// The part of [`Read::persons`] that belongs to a share, as with [`Read::identifiers_in`].
    fn persons_in(&self, share: Share) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        share.undivided(self.persons())
    }

    /// The identifiers of a person, in no particular order.
    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_;

    /// The household that a household-scope identifier belongs to.
    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>>;

    /// The household with these rows.
    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>>;

    /// The household that `id` names today, as [`Read::person_by_id`] does for persons.
    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>>;

    /// Every household, in no particular order.
    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_;

    /// The members of a household: its persons, then its identifiers.
    fn household_members(&self, key: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_;

    /// The source records that name an identifier.
    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_;

    /// How many identifiers there are, in all or of a namespace. Exact.
    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64>;

    /// How many persons there are. Exact.
    fn person_count(&self) -> ReadResult<u64>;

    /// How many households there are. Exact.
    fn household_count(&self) -> ReadResult<u64>;

    /// How many links there are. Exact.
    fn link_count(&self) -> ReadResult<u64>;

    /// About how many there are, to plan by; not exact where that would cost a
    /// scan, or tell what may not be told.
    fn estimate(&self, what: Countable) -> ReadResult<u64> {
        match what {
            Countable::Identifiers(namespace) => self.identifier_count(namespace),
            Countable::Persons => self.person_count(),
            Countable::Households => self.household_count(),
            Countable::Links => self.link_count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_cover_everything_once_and_in_order() {
        for (count, of) in [(0, 3), (1, 3), (10, 3), (u64::MAX, 7), (5, 0), (5, 1)] {
            let ranges: Vec<_> = Share::all(of).map(|share| share.range(count)).collect();
            assert_eq!((ranges[0].start, ranges[ranges.len() - 1].end), (0, count));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        assert_eq!(Share::WHOLE.range(9), 0..9);
        assert_eq!(Share::all(4).map(|share| share.undivided(0..9).count()).sum::<usize>(), 9);
    }
}
