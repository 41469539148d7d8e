//! Normalisation of identifier values: one rule a file.
//!
//! Two spellings of one identifier must become one value, so every rule is
//! idempotent: a value that a rule gave is left as it is by the same rule. The
//! reasons for refusing a value never quote it, because they end up in logs and
//! reports and the value may be personal.

mod deny;
mod digits;
mod email;
mod junk;
mod lower;
mod phone;
mod text;
mod trim;
mod uuid;

use std::borrow::Cow;

use crate::model::MAX_VALUE_BYTES;

pub(crate) use deny::DenyPattern;
pub use email::EmailRule;
pub use phone::PhoneRule;

pub(crate) use email::domain as email_domain;
pub(crate) use junk::{is_built_in as is_built_in_junk, is_only_zeros, listed as listed_junk};
pub(crate) use text::trimmed;

/// Why a value does not satisfy a rule: what is wrong, then what was expected.
pub(crate) type Reason = Cow<'static, str>;

/// What became of a raw value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalised {
    /// It identifies; this is its one spelling.
    Accepted(String),
    /// It is well known to identify nobody.
    Denied {
        /// The rule that denies it: `built-in junk value`, or the entry of the schema.
        rule: String,
    },
    /// It is no value of its namespace.
    Invalid {
        /// What is wrong and what was expected; does not quote the value.
        reason: String,
    },
    /// The schema has no such namespace.
    Undeclared {
        /// The declared name that is closest, if one is near.
        suggestion: Option<String>,
    },
}

/// How the values of a namespace are brought into one spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Rule {
    /// Outer whitespace goes, letters compose (NFC); case stays.
    #[default]
    Trim,
    /// As [`Rule::Trim`], and lower-case.
    Lower,
    /// An e-mail address.
    Email(EmailRule),
    /// A phone number in E.164.
    Phone(PhoneRule),
    /// A UUID in lower case with dashes.
    Uuid,
    /// The decimal digits of the value, in ASCII.
    Digits,
    /// The value byte for byte.
    None,
}

impl Rule {
    /// The names of all rules, as a schema writes them.
    pub const NAMES: [&'static str; 7] = ["trim", "lower", "email", "phone", "uuid", "digits", "none"];

    /// The rule's name, as a schema writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Lower => "lower",
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
            Self::Uuid => "uuid",
            Self::Digits => "digits",
            Self::None => "none",
        }
    }

    /// Whether a value of this rule that has no other digit than 0 is junk.
    pub(crate) fn zeros_are_junk(&self) -> bool {
        matches!(self, Self::Phone(_) | Self::Digits)
    }

    /// The one spelling of `raw`, or why it has none. Knows nothing of junk.
    ///
    /// # Errors
    ///
    /// A sentence of the form "what is wrong; expected what".
    pub(crate) fn apply(&self, raw: &str) -> Result<String, Reason> {
        let given = if *self == Self::None { raw } else { trimmed(raw) };
        if given.is_empty() {
            return Err("the value is empty; expected at least one character".into());
        }
        check_length(given)?;
        if given.chars().any(char::is_control) {
            return Err("the value contains a control character; expected printable text".into());
        }
        let value = match self {
            Self::Trim => trim::normalise(given),
            Self::Lower => lower::normalise(given),
            Self::Email(rule) => rule.normalise(given)?,
            Self::Phone(rule) => rule.normalise(given)?,
            Self::Uuid => uuid::normalise(given)?,
            Self::Digits => digits::normalise(given)?,
            Self::None => given.to_owned(),
        };
        // Lower-casing and composing can lengthen a text.
        check_length(&value)?;
        Ok(value)
    }
}

fn check_length(value: &str) -> Result<(), Reason> {
    if value.len() > MAX_VALUE_BYTES {
        let given = value.len();
        return Err(format!("the value has {given} bytes; expected at most {MAX_VALUE_BYTES}").into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
