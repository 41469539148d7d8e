//! Persons, households and records as a reader sees them.

use super::{
    AttributeId, AttributeValue, HouseholdId, HouseholdKey, IdentifierId, NamespaceId, PersonId, PersonKey,
    Seq, SourceId, Timestamp,
};

/// What the store keeps of an identifier.
#[derive(Clone, PartialEq, Debug)]
pub struct IdentifierRecord {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its normalised value.
    pub value: String,
    /// What each source saw of it, ordered by source.
    pub seen: Vec<Seen>,
    /// How many links it has.
    pub degree: u32,
    /// Whether it is shared: tied to more identifiers (or persons) than its schema allows, so that it does not conduct.
    pub shared: bool,
    /// Whether the schema denies its value since it was seen, so that it does not conduct.
    pub denied: bool,
}

impl IdentifierRecord {
    /// The earliest event time of any source; `None` where every source that saw it is left out.
    pub fn first_seen(&self) -> Option<Timestamp> {
        self.seen.iter().map(|s| s.first_seen).min()
    }

    /// The latest event time of any source; `None` where every source that saw it is left out.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.seen.iter().map(|s| s.last_seen).max()
    }
}

/// What one source saw of an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Who saw it.
    pub source: SourceId,
    /// How many times.
    pub count: u64,
    /// The earliest event time.
    pub first_seen: Timestamp,
    /// The latest event time.
    pub last_seen: Timestamp,
}

/// A person without its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PersonRow {
    /// Where its rows are.
    pub key: PersonKey,
    /// Its id.
    pub id: PersonId,
    /// The write that made it.
    pub born: Seq,
    /// When it was made, by the store's clock.
    pub created_at: Timestamp,
    /// How many identifiers it holds.
    pub size: u32,
    /// The household it belongs to.
    pub household: Option<HouseholdKey>,
    /// Whether links came in that are not resolved yet: its raw component is too
    /// large to be cut within a write, and will be cut after it.
    pub resolution_pending: bool,
}

/// An identifier of a person, as stored with the person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The identifier.
    pub id: IdentifierId,
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its normalised value.
    pub value: String,
}

/// A household without its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HouseholdRow {
    /// Where its rows are.
    pub key: HouseholdKey,
    /// Its id.
    pub id: HouseholdId,
    /// The write that made it.
    pub born: Seq,
    /// When it was made, by the store's clock.
    pub created_at: Timestamp,
    /// How many persons it holds.
    pub persons: u32,
    /// How many household-scope identifiers it holds.
    pub identifiers: u32,
}

/// One member of a household.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HouseholdMember {
    /// A person.
    Person(PersonKey),
    /// A household-scope identifier.
    Identifier(IdentifierId),
}

/// A record of a source: the key ring's entry that leads back to it.
#[derive(Clone, PartialEq, Debug)]
pub struct SourceRecord {
    /// The system it stands in.
    pub source: SourceId,
    /// Its key there; `None` for attributes that came without one.
    pub record_id: Option<String>,
    /// The identifiers it ever named, ascending.
    pub identifiers: Vec<IdentifierId>,
    /// The earliest event time.
    pub first_seen: Timestamp,
    /// The latest event time.
    pub last_seen: Timestamp,
    /// The latest value of each attribute with its event time, ordered by attribute.
    pub attributes: Vec<(AttributeId, AttributeValue, Timestamp)>,
}
