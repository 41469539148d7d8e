//! What a source saw.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::{Identifier, Timestamp};

/// How many identifiers one observation may name.
pub const MAX_IDENTIFIERS: usize = 16;
/// How long a value may be, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024;
/// How long a name (of a source, a kind, a record, an attribute) may be, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// How many attributes one observation may carry.
pub const MAX_ATTRIBUTES: usize = 256;
/// How long the text of an attribute may be, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// One thing a source saw: identifiers together at one time.
#[derive(Clone, PartialEq, Debug)]
pub struct Observation {
    /// The system that saw it.
    pub source: String,
    /// When it happened, by the source's clock.
    pub time: Timestamp,
    /// One to [`MAX_IDENTIFIERS`] identifiers; every pair of them is linked.
    pub identifiers: Vec<Identifier>,
    /// How sure the source is that they belong together, in (0, 1].
    pub confidence: f64,
    /// How the source came to say so (`login`, `crm`), if it tells.
    pub kind: Option<String>,
    /// The source's own key of the record that says so, if there is one.
    pub record_id: Option<String>,
    /// What else the record says of whom it identifies.
    pub attributes: BTreeMap<String, AttributeValue>,
}

/// The value of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum AttributeValue {
    /// A text.
    String(String),
    /// A finite number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// A point in time.
    Timestamp(Timestamp),
}

impl AttributeValue {
    /// A total order of values, for choosing among those of the same time:
    /// booleans, numbers, times, texts; within a type its natural order.
    pub fn order(&self, other: &Self) -> Ordering {
        let class = |value: &Self| match value {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Timestamp(_) => 2,
            Self::String(_) => 3,
        };
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (a, b) => class(a).cmp(&class(b)),
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Timestamp(time) => time.fmt(f),
        }
    }
}
