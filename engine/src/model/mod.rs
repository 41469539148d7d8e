//! Identifiers, links, evidence, persons and households: the domain's own
//! types, with no wire and no storage format among them.

mod catalogue;
mod history;
mod identifier;
mod ids;
mod link;
mod observation;
mod overrides;
mod person;
mod time;

pub use catalogue::{Catalogue, CatalogueFull, Names};
pub use history::{
    Cause, Change, ErasedChange, Event, HouseholdChange, HouseholdMove, PersonChange, PersonChangeKind,
    Retracted, Share,
};
pub use identifier::{Identifier, ParseIdentifierError};
pub use ids::{
    AttributeId, HouseholdId, HouseholdKey, IdentifierId, KindId, NamespaceId, ParseIdError, PersonId,
    PersonKey, Seq, SourceId,
};
pub use link::{Evidence, HeldBackBy, Link, LinkRow, combine};
pub use observation::{
    AttributeValue, MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTES, MAX_IDENTIFIERS, MAX_NAME_BYTES, MAX_VALUE_BYTES,
    Observation,
};
pub use overrides::{Override, OverrideKind, OverrideRow};
pub use person::{HouseholdMember, HouseholdRow, IdentifierRecord, Member, PersonRow, Seen, SourceRecord};
pub use time::{ParseTimeError, Timestamp};
