//! The schema's rules by the catalogue's numbers, as resolution needs them.

use crate::model::{Catalogue, IdentifierId, NamespaceId};
use crate::resolve::Limits;
use crate::schema::{NamespaceRules, Schema, Scope};

/// One namespace's part in resolution.
#[derive(Clone, Debug)]
pub(crate) struct NamespaceRule {
    pub(crate) scope: Scope,
    /// An identifier tied to more than so many of a namespace is shared; ordered by namespace.
    pub(crate) shared_above: Vec<(NamespaceId, u32)>,
    /// An identifier tied to more than so many persons is shared.
    pub(crate) shared_above_persons: Option<u32>,
}

impl NamespaceRule {
    /// Whether an identifier of person scope with these ties, counted by namespace, is shared.
    pub(crate) fn is_shared(&self, ties: &[(u16, u32)]) -> bool {
        self.shared_above
            .iter()
            .any(|(counted, most)| ties.iter().any(|(tied, count)| *tied == counted.get() && count > most))
    }
}

/// The rules in force.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    namespaces: Vec<NamespaceRule>,
    pub(crate) person_threshold: f64,
    pub(crate) household_threshold: f64,
    pub(crate) person_limits: Limits,
    pub(crate) max_persons: Option<u32>,
    /// A raw component with more links is cut after the write that changes it.
    pub(crate) inline_limit: usize,
    /// The namespaces of household scope, ascending.
    pub(crate) household_namespaces: Vec<NamespaceId>,
}

impl Rules {
    pub(crate) fn new(schema: &Schema, names: &Catalogue) -> Self {
        let declared = |name: &str| schema.namespace(name);
        let namespaces: Vec<NamespaceRule> =
            names.namespaces.iter().map(|name| rule(declared(name), names)).collect();
        let max_per_person: Vec<(NamespaceId, u32)> = names
            .namespaces
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((NamespaceId::new(at as u16), declared(name)?.max_per_person?)))
            .collect();
        let household_namespaces = namespaces
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.scope == Scope::Household)
            .map(|(at, _)| NamespaceId::new(at as u16))
            .collect();
        Self {
            namespaces,
            person_threshold: schema.person.threshold,
            household_threshold: schema.household.threshold,
            person_limits: Limits::of_person(schema.person.max_identifiers, &max_per_person),
            max_persons: schema.household.max_persons,
            inline_limit: schema.resolve.inline_limit as usize,
            household_namespaces,
        }
    }

    pub(crate) fn of(&self, namespace: NamespaceId) -> &NamespaceRule {
        // `Rules` is made anew whenever the catalogue grows, so every number has its rule.
        &self.namespaces[usize::from(namespace.get())]
    }

    pub(crate) fn is_person(&self, namespace: NamespaceId) -> bool {
        self.of(namespace).scope == Scope::Person
    }

    /// The weight from which a link between these namespaces conducts at its level.
    pub(crate) fn threshold(&self, a: NamespaceId, b: NamespaceId) -> f64 {
        if self.is_person(a) && self.is_person(b) { self.person_threshold } else { self.household_threshold }
    }
}

fn rule(rules: Option<&NamespaceRules>, names: &Catalogue) -> NamespaceRule {
    let Some(rules) = rules else {
        return NamespaceRule { scope: Scope::Person, shared_above: Vec::new(), shared_above_persons: None };
    };
    let mut shared_above: Vec<_> =
        rules.shared_above.iter().filter_map(|(name, most)| Some((names.namespace(name)?, *most))).collect();
    shared_above.sort_unstable();
    NamespaceRule { scope: rules.scope, shared_above, shared_above_persons: rules.shared_above_persons }
}

/// Two identifiers with the lower number first: how a link is named.
pub(crate) fn ordered(a: IdentifierId, b: IdentifierId) -> (IdentifierId, IdentifierId) {
    if a <= b { (a, b) } else { (b, a) }
}
