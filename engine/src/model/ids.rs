//! Newtypes for every id the engine hands out.

use std::fmt;
use std::str::FromStr;

/// The dense internal number of an identifier, given in order of first
/// appearance and never reused. Internal to one store: callers name an
/// identifier by namespace and value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdentifierId(u32);

impl IdentifierId {
    /// Wraps a raw number.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

macro_rules! catalogue_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(u16);

        impl $name {
            /// Wraps a raw number.
            pub const fn new(raw: u16) -> Self {
                Self(raw)
            }

            /// The raw number.
            pub const fn get(self) -> u16 {
                self.0
            }
        }
    };
}

catalogue_id! {
    /// The number of a namespace's name in the store's catalogue.
    NamespaceId
}
catalogue_id! {
    /// The number of a source's name in the store's catalogue.
    SourceId
}
catalogue_id! {
    /// The number of a link kind's name in the store's catalogue.
    KindId
}
catalogue_id! {
    /// The number of an attribute's name in the store's catalogue.
    AttributeId
}

/// The store's sequence number: how many write operations it has applied.
/// Every observation advances it by one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(u64);

impl Seq {
    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An id could not be read; the text says what an id looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no {what} id: expected the letter `{letter}` and a number, as in `{letter}42` or `{letter}42-1`"
)]
pub struct ParseIdError {
    given: String,
    what: &'static str,
    letter: char,
}

macro_rules! anchored_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $letter:literal) => {
        $(#[$doc])*
        ///
        /// It packs the anchor, the identifier that it was first made of, with
        /// a generation that counts how often something was made of that
        /// identifier. So ids need no counter that all writes share, are never
        /// reused, and depend on the order of arrival alone.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(u64);

        impl $name {
            /// The id of the `generation`-th one (from 0) made of `anchor`.
            pub const fn new(anchor: IdentifierId, generation: u32) -> Self {
                Self((generation as u64) << 32 | anchor.get() as u64)
            }

            /// Wraps a stored number.
            pub const fn from_raw(raw: u64) -> Self {
                Self(raw)
            }

            /// The number to store.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The identifier it was first made of.
            pub const fn anchor(self) -> IdentifierId {
                IdentifierId::new(self.0 as u32)
            }

            /// How many were made of the same anchor before it.
            pub const fn generation(self) -> u32 {
                (self.0 >> 32) as u32
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $letter, self.anchor().get())?;
                match self.generation() {
                    0 => Ok(()),
                    generation => write!(f, "-{generation}"),
                }
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let number = |digits: &str| -> Option<u32> {
                    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                    let canonical = plain && (digits == "0" || !digits.starts_with('0'));
                    canonical.then(|| digits.parse().ok()).flatten()
                };
                let parsed = text.strip_prefix($letter).and_then(|rest| match rest.split_once('-') {
                    None => Some((number(rest)?, 0)),
                    Some((anchor, generation)) => {
                        Some((number(anchor)?, number(generation).filter(|g| *g > 0)?))
                    }
                });
                parsed
                    .map(|(anchor, generation)| Self::new(IdentifierId::new(anchor), generation))
                    .ok_or_else(|| ParseIdError {
                        given: text.to_owned(),
                        what: $what,
                        letter: $letter,
                    })
            }
        }
    };
}

anchored_id! {
    /// A person's id: opaque, stable and never reused; printed as `p42` or `p42-1`.
    PersonId, "person", 'p'
}
anchored_id! {
    /// A household's id: opaque, stable and never reused; printed as `h42` or `h42-1`.
    HouseholdId, "household", 'h'
}

/// Where a person's rows are in one store. Internal: merges keep the key of the
/// larger side (so that a join costs what its smaller side weighs) but the
/// [`PersonId`] of the older.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PersonKey(u64);

/// Where a household's rows are in one store. Internal, as [`PersonKey`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HouseholdKey(u64);

impl PersonKey {
    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl HouseholdKey {
    /// Wraps a raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        for (anchor, generation, text) in [(0, 0, "p0"), (42, 0, "p42"), (42, 3, "p42-3")] {
            let id = PersonId::new(IdentifierId::new(anchor), generation);
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for bad in ["", "p", "42", "p-1", "p042", "p4-0", "p4-", "h4", "p99999999999", "p4-1-1", "p+4"] {
            assert!(bad.parse::<PersonId>().is_err(), "{bad}");
        }
    }
}
