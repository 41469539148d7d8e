//! The schema: which kinds of identifier there are, how their values are
//! brought into one spelling, and what may conduct.
//!
//! One TOML file, stored with the data. `docs/schema.md` explains every key.

mod error;
mod names;
mod parse;

use std::collections::BTreeMap;

pub(crate) use error::show as show_problems;
pub use error::{Problem, SchemaError};
#[cfg(feature = "store")]
pub(crate) use names::closest as names_closest;

use crate::normalise::{DenyPattern, email_domain, is_built_in_junk, is_only_zeros, listed_junk, trimmed};
pub use crate::normalise::{EmailRule, Normalised, PhoneRule, Rule};

/// A schema that has been checked. Two are equal if their texts are.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    text: String,
    /// When identifiers are one person.
    pub person: PersonRules,
    /// When persons are one household.
    pub household: HouseholdRules,
    /// What becomes of an identifier whose namespace is not declared.
    pub undeclared: Undeclared,
    /// How much work a write does itself.
    pub resolve: ResolveRules,
    namespaces: BTreeMap<String, NamespaceRules>,
    /// The rules of a namespace that is not declared, where those are accepted.
    fallback: NamespaceRules,
}

/// `[person]`: when identifiers are one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PersonRules {
    /// A link conducts at this weight or above, in (0, 1].
    pub threshold: f64,
    /// A person never holds more identifiers; `None` is no limit.
    pub max_identifiers: Option<u32>,
}

/// `[household]`: when persons are one household.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HouseholdRules {
    /// A link to a household-scope identifier conducts at this weight or above, in (0, 1].
    pub threshold: f64,
    /// A household never holds more persons; `None` is no limit.
    pub max_persons: Option<u32>,
}

/// `[resolve]`: how much work a write does itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveRules {
    /// A raw component with more links than this is cut in the background.
    pub inline_limit: u64,
}

/// What becomes of an identifier whose namespace is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undeclared {
    /// It is refused.
    #[default]
    Refuse,
    /// It is taken in, with the rules that an empty declaration has.
    Accept,
}

/// What an identifier belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Scope {
    /// To one person.
    #[default]
    Person,
    /// To a household: it joins persons without making them one.
    Household,
}

/// One `[namespace.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespaceRules {
    /// How values are brought into one spelling.
    pub rule: Rule,
    /// What its identifiers belong to.
    pub scope: Scope,
    /// A person never holds more identifiers of this namespace; person scope only.
    pub max_per_person: Option<u32>,
    /// An identifier tied to more than this many distinct identifiers of the
    /// named namespace is shared; sorted by name, person scope only.
    pub shared_above: Vec<(String, u32)>,
    /// An identifier tied to more persons than this is shared; household scope only.
    pub shared_above_persons: Option<u32>,
    /// Whether the built-in list of junk values holds here.
    pub builtin_junk: bool,
    deny: Vec<DenyPattern>,
    junk: Vec<String>,
    default_junk: Vec<String>,
}

impl Default for PersonRules {
    fn default() -> Self {
        Self { threshold: 0.5, max_identifiers: None }
    }
}

impl Default for HouseholdRules {
    fn default() -> Self {
        Self { threshold: 0.3, max_persons: None }
    }
}

impl Default for ResolveRules {
    fn default() -> Self {
        Self { inline_limit: 50_000 }
    }
}

impl Default for NamespaceRules {
    /// The rules of an empty declaration.
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            scope: Scope::default(),
            max_per_person: None,
            shared_above: Vec::new(),
            shared_above_persons: None,
            builtin_junk: true,
            deny: Vec::new(),
            junk: Vec::new(),
            default_junk: Vec::new(),
        }
    }
}

impl Schema {
    /// The text of the schema of a store that was made without one.
    pub const BUILT_IN: &'static str = include_str!("built_in.toml");

    /// Reads a schema from the `text` of a file; `file` names it in messages.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place.
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        parse::schema(text).map_err(|found| SchemaError::new(file, text, found))
    }

    /// The schema of [`Schema::BUILT_IN`].
    pub fn built_in() -> Self {
        Self::parse(Self::BUILT_IN, "built-in schema").expect("a constant that a test parses")
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The rules of the namespace `name`: those it was declared with, or the
    /// default ones if the schema accepts undeclared namespaces and a namespace
    /// can have this name; else `None`.
    pub fn namespace(&self, name: &str) -> Option<&NamespaceRules> {
        self.namespaces.get(name).or_else(|| {
            (self.undeclared == Undeclared::Accept && names::check(name).is_ok()).then_some(&self.fallback)
        })
    }

    /// The declared namespaces, ascending by name.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &NamespaceRules)> {
        self.namespaces.iter().map(|(name, rules)| (name.as_str(), rules))
    }

    /// The declared namespace that somebody who wrote `name` most likely meant.
    pub fn suggest_namespace(&self, name: &str) -> Option<String> {
        names::closest(name, self.namespaces.keys().map(String::as_str)).map(str::to_owned)
    }

    /// Brings the value `raw` of `namespace` into its one spelling, or says why
    /// it has none. What it accepts, it accepts again unchanged.
    pub fn normalise(&self, namespace: &str, raw: &str) -> Normalised {
        match self.namespace(namespace) {
            Some(rules) => rules.normalise(namespace, raw),
            None => Normalised::Undeclared { suggestion: self.suggest_namespace(namespace) },
        }
    }

    /// As [`Schema::normalise`], of a value that may have come in before it was denied.
    pub fn spell(&self, namespace: &str, raw: &str) -> Normalised {
        match self.namespace(namespace).map(|rules| rules.rule.apply(raw)) {
            Some(Ok(value)) => Normalised::Accepted(value),
            Some(Err(reason)) => Normalised::Invalid { reason: reason.into_owned() },
            None => Normalised::Undeclared { suggestion: self.suggest_namespace(namespace) },
        }
    }
}

impl NamespaceRules {
    /// As [`Schema::normalise`], for a caller that has the rules at hand;
    /// `name` is the namespace's name, for messages.
    pub fn normalise(&self, name: &str, raw: &str) -> Normalised {
        let given = trimmed(raw);
        if let Some(rule) = self.denies(name, given) {
            return Normalised::Denied { rule };
        }
        match self.rule.apply(raw) {
            Err(reason) => Normalised::Invalid { reason: reason.into_owned() },
            Ok(value) if value == given => Normalised::Accepted(value),
            Ok(value) => match self.denies(name, &value) {
                Some(rule) => Normalised::Denied { rule },
                None => Normalised::Accepted(value),
            },
        }
    }

    /// The patterns of `deny`, as they were written.
    pub fn deny(&self) -> impl Iterator<Item = &str> {
        self.deny.iter().map(DenyPattern::as_str)
    }

    /// The namespace's own junk values, in lower case.
    pub fn junk(&self) -> &[String] {
        &self.junk
    }

    /// The rule that denies `value`, which is trimmed.
    fn denies(&self, name: &str, value: &str) -> Option<String> {
        if self.builtin_junk
            && (is_built_in_junk(value) || (self.rule.zeros_are_junk() && is_only_zeros(value)))
        {
            return Some("built-in junk value".to_owned());
        }
        if let Some(entry) = listed_junk(value, &self.junk) {
            return Some(format!("junk value `{entry}` of namespace `{name}`"));
        }
        if let Some(entry) = listed_junk(value, &self.default_junk) {
            return Some(format!("junk value `{entry}` of the defaults"));
        }
        let pattern = DenyPattern::first_match(&self.deny, value)?;
        Some(format!("deny pattern `{}` of namespace `{name}`", pattern.as_str()))
    }
}

#[cfg(test)]
mod tests;
