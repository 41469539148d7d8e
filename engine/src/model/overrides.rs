//! What people said of two identifiers, over what sources observed.

use super::{IdentifierId, Seq, Timestamp};

/// What an override says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum OverrideKind {
    /// The two are never one person.
    Forbid,
    /// The two are one person, whatever the evidence.
    Require,
}

impl OverrideKind {
    /// The word of the language and the command line: `forbid` or `require`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forbid => "forbid",
            Self::Require => "require",
        }
    }
}

/// An override that stands on a pair of identifiers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Override {
    /// What it says.
    pub kind: OverrideKind,
    /// Who said it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When, by the store's clock.
    pub time: Timestamp,
    /// The write that set it.
    pub seq: Seq,
}

/// An override seen from one of its ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OverrideRow {
    /// The identifier at the other end.
    pub other: IdentifierId,
    /// What was said.
    pub said: Override,
}
