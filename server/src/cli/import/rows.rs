//! Rows and why they are rejected.

use std::fmt;

use kinfold_engine::model::Observation;

/// What the mapping made of a row.
#[derive(Debug)]
pub struct Row {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The row as it stands in the file.
    pub raw: Vec<u8>,
    /// What it says.
    pub content: Content,
    /// Values that `on_invalid = "skip"` left out.
    pub left_out: Vec<Fault>,
}

/// What a row says.
#[derive(Debug)]
pub enum Content {
    /// Something that a source saw.
    Observation(Box<Observation>),
    /// Nothing, since `only` or `except` leaves it out.
    Filtered,
    /// Nothing that could be used.
    Rejected(Fault),
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault it is; says nothing of the row's values.
    pub kind: FaultKind,
    /// The column at fault.
    pub column: Option<String>,
    /// What is wrong and what was expected.
    pub reason: String,
}

impl Fault {
    /// A fault in a column.
    pub fn new(kind: FaultKind, column: Option<String>, reason: impl Into<String>) -> Self {
        Self { kind, column, reason: reason.into() }
    }
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// More or fewer cells than the file's other rows.
    Ragged,
    /// Bytes that are no UTF-8.
    NotUtf8,
    /// A row of more than 1 MiB.
    TooLong,
    /// A quote that is never closed.
    UnclosedQuote,
    /// A line that is no JSON object.
    NotJson,
    /// An object or a number where a text is needed.
    WrongType,
    /// Several values where one is needed.
    SeveralValues,
    /// An empty cell where a value is needed.
    Missing,
    /// A time in another format.
    InvalidTime,
    /// A confidence that is no number in (0, 1].
    InvalidConfidence,
    /// An attribute that is not of its type.
    InvalidAttribute,
    /// More identifiers than an observation may have.
    TooManyIdentifiers,
    /// The store refused it, with the store's own code.
    Store(&'static str),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ragged => "wrong number of cells",
            Self::NotUtf8 => "not UTF-8",
            Self::TooLong => "row too long",
            Self::UnclosedQuote => "quote never closed",
            Self::NotJson => "no JSON object",
            Self::WrongType => "wrong type of value",
            Self::SeveralValues => "several values where one is needed",
            Self::Missing => "value missing",
            Self::InvalidTime => "invalid time",
            Self::InvalidConfidence => "invalid confidence",
            Self::InvalidAttribute => "invalid attribute",
            Self::TooManyIdentifiers => "too many identifiers",
            Self::Store("UNDECLARED_NAMESPACE") => "namespace not in the schema",
            Self::Store("INVALID_VALUE") => "value does not satisfy its namespace's rule",
            Self::Store("TOO_MUCH") => "text too long, or too many of something",
            Self::Store("OUT_OF_RANGE") => "number out of range",
            Self::Store("MISSING") => "value missing",
            Self::Store("FULL") => "the store's catalogue is full",
            Self::Store(code) => code,
        })
    }
}
