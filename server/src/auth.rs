//! Who calls, and what they may do.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::Note;

/// What a caller may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ask.
    Read,
    /// Write observations and what people say over them.
    Write,
    /// Change the schema and look after the store.
    Admin,
}

impl Role {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who makes a call, as the door found out.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The name of the token; empty where none is asked for.
    pub(crate) name: Arc<str>,
    /// What it may do.
    pub(crate) role: Role,
    /// The namespaces whose values it may not see.
    pub(crate) redact: Arc<[String]>,
    /// What the call notes of itself.
    pub(crate) note: Note,
}

impl Caller {
    /// Whoever calls, where nobody is asked for a token.
    pub(crate) fn anybody() -> Self {
        Self { name: "".into(), role: Role::Admin, redact: [].into(), note: Note::default() }
    }

    /// Who makes a call with these extensions.
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(Self::anybody)
    }
}
