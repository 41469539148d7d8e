//! Consent: what the people in a store have said about a purpose.
//!
//! Consent is an attribute of a source record, named `consent.` and the purpose,
//! as `consent.marketing`, whose value is one of three words. Of each record its
//! latest word counts (of two at once the more restrictive), and for a person the
//! most restrictive of those of all records that name any of its identifiers.

use crate::model::AttributeValue;

/// What the names of such attributes begin with.
pub const PREFIX: &str = "consent.";

/// A word about a purpose; the greater is the more restrictive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Word {
    /// It is allowed.
    Granted,
    /// It was allowed, and is no longer.
    Withdrawn,
    /// It is not allowed.
    Denied,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Granted, Self::Withdrawn, Self::Denied];

    /// The word as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Withdrawn => "withdrawn",
            Self::Denied => "denied",
        }
    }

    /// The word that a text is, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether a person who says so is left out of what is asked for the purpose.
    pub const fn refuses(self) -> bool {
        !matches!(self, Self::Granted)
    }
}

/// That somebody refused a purpose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The purpose.
    pub purpose: String,
    /// The word; never [`Word::Granted`].
    pub word: Word,
}

/// The name of the attribute that holds the word about a purpose.
pub fn attribute(purpose: &str) -> String {
    format!("{PREFIX}{purpose}")
}

/// The purpose that an attribute of this name is a word about.
pub fn purpose(attribute: &str) -> Option<&str> {
    attribute.strip_prefix(PREFIX)
}

/// The word that an attribute of this name says; `None` if it is about no purpose.
///
/// A value that is no word, as a store from before this rule may hold, counts as
/// the most restrictive one.
pub(crate) fn said(attribute: &str, value: &AttributeValue) -> Option<Word> {
    purpose(attribute)?;
    Some(match value {
        AttributeValue::String(text) => Word::parse(text).unwrap_or(Word::Denied),
        _ => Word::Denied,
    })
}

/// What is wrong with an attribute as a word about a purpose; `None` if nothing
/// is, or if it is about none.
pub(crate) fn fault(attribute: &str, value: &AttributeValue) -> Option<String> {
    let purpose = purpose(attribute)?;
    if purpose.is_empty() {
        return Some(format!("`{attribute}` names no purpose; expected one, as in `consent.marketing`"));
    }
    match value {
        AttributeValue::String(text) if Word::parse(text).is_some() => None,
        given => {
            Some(format!("`{given}` is no word about a purpose; expected `granted`, `denied` or `withdrawn`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_everything_else_is_refused() {
        for word in Word::ALL {
            assert_eq!(Word::parse(word.as_str()), Some(word));
            assert_eq!(Word::parse(&word.as_str().to_uppercase()), Some(word));
        }
        let text = |text: &str| AttributeValue::String(text.to_owned());
        assert_eq!(fault("consent.marketing", &text("Denied")), None);
        assert_eq!(fault("name", &text("whatever")), None);
        for wrong in [text("no"), text(""), text(" denied"), AttributeValue::Bool(false)] {
            let fault = fault("consent.marketing", &wrong).expect("no word");
            assert!(fault.contains("`granted`, `denied` or `withdrawn`"), "{fault}");
            // Where it is in a store all the same it lets nothing through.
            assert_eq!(said("consent.marketing", &wrong), Some(Word::Denied));
        }
        assert!(fault("consent.", &text("granted")).is_some_and(|fault| fault.contains("no purpose")));
        assert_eq!(said("name", &text("denied")), None);
    }

    #[test]
    fn the_most_restrictive_is_the_greatest() {
        assert_eq!(Word::ALL.into_iter().max(), Some(Word::Denied));
        assert_eq!(Word::ALL.into_iter().filter(|word| word.refuses()).min(), Some(Word::Withdrawn));
    }
}
