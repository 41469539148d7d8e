//! What goes into a write and what comes back.

use crate::model::{Observation, Seq};
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
    /// The observations that were refused; all others went in.
    pub rejected: Vec<Rejection>,
    /// Links of this batch that are held back by a limit.
    pub held_back: u32,
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
    /// The request id was used for a batch with other observations.
    #[error("request id `{request_id}` was used before for another batch; give each batch its own")]
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
