//! Identifiers as people write them.

use std::fmt;
use std::str::FromStr;

/// An identifier by name: a namespace and a value, written `email:ann@example.com`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identifier {
    /// The kind of identifier, as the schema declares it.
    pub namespace: String,
    /// The value; normalised by its namespace's rule wherever the store returns it.
    pub value: String,
}

/// A text that names no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` names no identifier: expected `namespace:value`, as in `email:ann@example.com`")]
pub struct ParseIdentifierError {
    given: String,
}

impl Identifier {
    /// An identifier of `namespace` with `value`.
    pub fn new(namespace: impl Into<String>, value: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), value: value.into() }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.value)
    }
}

impl FromStr for Identifier {
    type Err = ParseIdentifierError;

    /// Reads `namespace:value`; the first colon parts them.
    fn from_str(text: &str) -> Result<Self, ParseIdentifierError> {
        match text.split_once(':') {
            Some((namespace, value)) if !namespace.is_empty() && !value.is_empty() => {
                Ok(Self::new(namespace, value))
            }
            _ => Err(ParseIdentifierError { given: text.to_owned() }),
        }
    }
}
