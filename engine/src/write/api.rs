//! What goes into a write and what comes back.

use crate::model::{Event, Identifier, Observation, Override, PersonId, Seq};
use crate::read::ReadError;

/// How many observations one batch may hold.
pub const MAX_BATCH: usize = 1_000;

/// Observations that are written together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Names the request, so that sending it again changes nothing and gets the
    /// first answer again. At most [`crate::model::MAX_NAME_BYTES`] bytes.
    pub request_id: Option<String>,
    /// At most [`MAX_BATCH`] of them, applied in this order.
    pub observations: Vec<Observation>,
}

/// What became of a batch. When it is returned, the batch is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The store's sequence number with the batch applied.
    pub seq: Seq,
    /// Whether this request had been applied before, so that nothing changed now.
    pub replayed: bool,
    /// How many observations went in.
    pub accepted: u32,
    /// How many values were denied (junk, or by a deny rule of the schema) and so left out of their observations.
    pub denied: u32,
    /// How many values were left out of their observations because they were forgotten ([`Act::Readmit`] lets them in).
    pub forgotten: u32,
    /// The observations that were refused; all others went in.
    pub rejected: Vec<Rejection>,
    /// Links of this batch that are held back by a limit.
    pub held_back: u32,
}

impl Receipt {
    /// Of a request that took nothing in.
    pub(crate) const fn of(seq: Seq) -> Self {
        Self {
            seq,
            replayed: false,
            accepted: 0,
            denied: 0,
            forgotten: 0,
            rejected: Vec::new(),
            held_back: 0,
        }
    }
}

/// An observation that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in the batch, from 0.
    pub index: u32,
    /// The field at fault, as `identifiers[1].value` or `confidence`.
    pub field: String,
    /// Why.
    pub reason: RejectReason,
    /// What is wrong and what was expected, for a person to read.
    pub message: String,
}

/// Why an observation was refused; each has a stable name for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// No source, identifier or value where one is needed.
    Missing,
    /// More identifiers or attributes, or a longer text, than allowed.
    TooMuch,
    /// A number outside its range.
    OutOfRange,
    /// A namespace that the schema does not declare.
    UndeclaredNamespace,
    /// A value that does not satisfy its namespace's rule.
    InvalidValue,
    /// The store's catalogue of names, or of identifiers, is full.
    Full,
}

impl RejectReason {
    /// The stable name, as `UNDECLARED_NAMESPACE`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::TooMuch => "TOO_MUCH",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::UndeclaredNamespace => "UNDECLARED_NAMESPACE",
            Self::InvalidValue => "INVALID_VALUE",
            Self::Full => "FULL",
        }
    }
}

/// Why a batch as a whole was not written. Nothing of it is in the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// More observations than [`MAX_BATCH`].
    #[error("the batch holds {given} observations; at most {MAX_BATCH} go into one")]
    TooLarge {
        /// How many it held.
        given: usize,
    },
    /// The request id is empty or too long.
    #[error("the request id must have 1 to {} bytes, not {given}", crate::model::MAX_NAME_BYTES)]
    RequestId {
        /// Its length in bytes.
        given: usize,
    },
    /// The request id was used for a batch with other observations, or for another act.
    #[error("request id `{request_id}` was used before for something else; give each request its own")]
    RequestReused {
        /// The id.
        request_id: String,
    },
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// What the write had to read is damaged or could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The storage refused the batch, as it does when the disk is full.
    #[error("the storage refused the batch: {0}")]
    Storage(String),
}

/// Who does something to a store by hand, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authored {
    /// Who: a name that others will know. At most [`crate::model::MAX_NAME_BYTES`] bytes.
    pub author: String,
    /// Why, in words. At most 4,096 bytes.
    pub reason: String,
}

/// What somebody does to a store by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The two are never one person.
    Forbid(Identifier, Identifier),
    /// The two are one person, whatever the evidence.
    Require(Identifier, Identifier),
    /// Takes a forbid or a require back.
    Release(Identifier, Identifier),
    /// Withdraws what a source said of a link.
    RetractLink {
        /// The source.
        source: String,
        /// One end.
        a: Identifier,
        /// The other end.
        b: Identifier,
    },
    /// Withdraws a record with all that it said.
    RetractRecord {
        /// The source.
        source: String,
        /// The key of the record in it.
        record_id: String,
    },
    /// Withdraws all that a source ever said. Its identifiers stay known, alone
    /// where nothing else links them.
    RetractSource {
        /// The source.
        source: String,
    },
    /// Lets a value in again that was forgotten. Nothing comes back by that: it can be observed again.
    Readmit(Identifier),
}

/// What became of an act. When it is returned, the act is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct ActReceipt {
    /// The store's sequence number with the act done.
    pub seq: Seq,
    /// Whether it changed anything: an override that stands already is not set again.
    pub changed: bool,
    /// The same request was done before; nothing was done now.
    pub replayed: bool,
    /// What it changed in who is who.
    pub events: Vec<Event>,
}

/// Why an act was refused. Nothing of it is in the store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActError {
    /// It does not say who did it, or why.
    #[error("the {field} {what}")]
    Author {
        /// `author` or `reason`.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// An identifier cannot be named so.
    #[error("`{identifier}` cannot be named here: {why}")]
    Identifier {
        /// As it was given.
        identifier: Identifier,
        /// What is wrong with it.
        why: String,
    },
    /// The store does not know an identifier.
    #[error("the store has never seen `{identifier}`")]
    Unknown {
        /// Normalised.
        identifier: Identifier,
    },
    /// An identifier was forgotten.
    #[error("`{identifier}` was forgotten, and is refused until it is readmitted")]
    Forgotten {
        /// Normalised.
        identifier: Identifier,
    },
    /// An identifier is not forgotten, so there is nothing to let in again.
    #[error("`{identifier}` was not forgotten: nothing keeps it out")]
    NotForgotten {
        /// Normalised.
        identifier: Identifier,
    },
    /// The store has no such person.
    #[error("there is no person `{id}`")]
    UnknownPerson {
        /// The id that was given.
        id: PersonId,
    },
    /// All of a person was forgotten.
    #[error("person `{id}` was erased; name its identifiers to have the files searched for them again")]
    ErasedPerson {
        /// The id that was given.
        id: PersonId,
    },
    /// No identifiers to forget, or too many.
    #[error("{given} identifiers are named; 1 to {most} are forgotten at once")]
    HowMany {
        /// How many there were.
        given: usize,
        /// How many may be.
        most: usize,
    },
    /// The store does not know a source.
    #[error("no source `{name}` ever sent anything; the sources are: {}", known.join(", "))]
    UnknownSource {
        /// As it was given.
        name: String,
        /// The sources that there are.
        known: Vec<String>,
    },
    /// Both ends are the same identifier.
    #[error("both identifiers are the same one; name two")]
    OneIdentifier,
    /// The opposite stands on the pair.
    #[error(
        "`{a}` and `{b}` have a {} that {} set at {}, because: {}; release it first",
        said.kind.word(), said.author, said.time, said.reason
    )]
    Stands {
        /// One end.
        a: Identifier,
        /// The other end.
        b: Identifier,
        /// What stands.
        said: Box<Override>,
    },
    /// The pair is required to be one person, by way of others.
    #[error(
        "the two are required to be one person: {}; release a link of that chain first",
        chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" = ")
    )]
    RequiredTogether {
        /// Each is required to be one person with the next.
        chain: Vec<Identifier>,
    },
    /// What would be required to be one person holds a pair that is forbidden.
    #[error(
        "`{a}` and `{b}` would be required to be one person, and that is forbidden; release the forbid first"
    )]
    ForbiddenInside {
        /// One end.
        a: Identifier,
        /// The other end.
        b: Identifier,
    },
    /// What would be required to be one person breaks a limit.
    #[error("the {identifiers} identifiers that would be required to be one person break {limit}")]
    Limit {
        /// The limit's key in the schema.
        limit: String,
        /// How many identifiers would have to be one person.
        identifiers: usize,
    },
    /// There is no override on the pair.
    #[error("nothing stands on `{a}` and `{b}`: they are neither forbidden nor required")]
    NothingStands {
        /// One end.
        a: Identifier,
        /// The other end.
        b: Identifier,
    },
    /// The source never said that of the pair.
    #[error("source `{name}` never saw `{a}` and `{b}` together, or has taken it back")]
    NeverSaid {
        /// The source.
        name: String,
        /// One end.
        a: Identifier,
        /// The other end.
        b: Identifier,
    },
    /// The source has no such record.
    #[error("source `{name}` has no record `{record_id}`")]
    NoRecord {
        /// The source.
        name: String,
        /// The key that was given.
        record_id: String,
    },
    /// The write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What a schema would change, or has changed, in who is who.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaPlan {
    /// How many persons there were.
    pub persons_before: u64,
    /// How many persons there are.
    pub persons_after: u64,
    /// How many of the persons before were merged with others.
    pub merged: u64,
    /// How many fell apart.
    pub split: u64,
    /// How many took part in changes that are neither: identifiers went from some to others.
    pub moved: u64,
    /// How many took part in any of these.
    pub changed: u64,
    /// How many stay as they were.
    pub untouched: u64,
    /// How many households there were.
    pub households_before: u64,
    /// How many households there are.
    pub households_after: u64,
    /// How many times households changed their persons.
    pub household_changes: u64,
    /// How many links were held back.
    pub held_back_before: u64,
    /// How many links are held back.
    pub held_back_after: u64,
    /// The largest changes to persons, at most twenty, the largest first; the
    /// size is how many identifiers the persons concerned hold.
    pub examples: Vec<Event>,
}

/// Why a schema cannot be put in force in a store with data.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SchemaError {
    /// The text is no schema.
    #[error(transparent)]
    Parse(#[from] crate::schema::SchemaError),
    /// It does not say who changes it, or why.
    #[error(transparent)]
    Act(Box<ActError>),
    /// Values would be spelt otherwise than those that are stored.
    #[error(
        "namespace `{namespace}`: how its values are normalised cannot change while the store holds some; \
         load the data into a new store"
    )]
    Normalisation {
        /// The namespace.
        namespace: String,
    },
    /// Identifiers would be of another level.
    #[error(
        "namespace `{namespace}`: its scope cannot change while the store holds identifiers of it; load the \
         data into a new store"
    )]
    Scope {
        /// The namespace.
        namespace: String,
    },
    /// A namespace with identifiers would be gone.
    #[error(
        "namespace `{namespace}`: the store holds identifiers of it, and the new schema does not declare it"
    )]
    Dropped {
        /// The namespace.
        namespace: String,
    },
    /// There is no room for its names.
    #[error("{0}")]
    Full(String),
    /// The write failed, or the plan could not be read.
    #[error(transparent)]
    Write(#[from] WriteError),
}
