//! Answers for debugging identities: why two identifiers are one person, why
//! they are not, how a person came to be, what nearly merged, and what differs
//! between two views of a store.
//!
//! Everything here reads through [`Read`] alone, so that it answers for any
//! view: the store as it is, as it was, or as it would be.

mod assertions;
mod diff;
mod graph;
mod how;
mod near;
mod network;
mod parting;
#[cfg(all(test, feature = "store"))]
mod tests;
mod why;
mod why_not;

use hashbrown::HashMap;

use crate::model::{
    HeldBackBy, Identifier, IdentifierId, Link, LinkRow, NamespaceId, Override, OverrideKind, PersonKey,
    PersonRow,
};
use crate::read::{Read, ReadError, ReadResult};
use crate::resolve::Counts;
use crate::rules::Rules;

pub use assertions::{Assertion, Assertions, AssertionsError, Claim, Outcome, Verdict};
pub use diff::{Diff, DiffKind, DiffPerson, DiffShare, diff};
pub use how::{history, how};
pub use near::{HeldApart, NearMerge, near_merges};
pub use network::{Network, NetworkLink, NetworkNode, network};
pub use why::{Parting, Together, Why, why};
pub use why_not::{Apart, Forbid, Held, Obstacle, StoppedStep, TooMany, Way, WhyNot, why_not};

/// Why a question about persons has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AnswerError {
    /// The identifier is of household scope.
    #[error(
        "`{identifier}` is of household scope: it joins persons to a household and is nobody's own; \
         ask about an identifier of person scope"
    )]
    HouseholdScope {
        /// The identifier.
        identifier: Identifier,
    },
    /// The number was never given, or not yet in this view.
    #[error("there is no identifier {} in this view of the store", .id.get())]
    Unknown {
        /// The number.
        id: IdentifierId,
    },
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A result of a question about persons.
pub type AnswerResult<T> = Result<T, AnswerError>;

/// One step of a path: a link, an override, or both.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Where it starts.
    pub from: IdentifierId,
    /// Where it leads.
    pub to: IdentifierId,
    /// The link with its evidence; `None` for a pair that is required and that nobody saw together.
    pub link: Option<Link>,
    /// The override that stands on the pair.
    pub said: Option<Override>,
}

impl Step {
    /// The weight of the link, if there is one.
    pub fn weight(&self) -> Option<f64> {
        self.link.as_ref().map(|link| link.weight)
    }

    /// Whether an override requires the pair, so that it counts whatever its weight.
    pub fn is_required(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.kind == OverrideKind::Require)
    }

    fn read(read: &impl Read, from: IdentifierId, to: IdentifierId) -> ReadResult<Self> {
        Ok(Self { from, to, link: read.link(from, to)?, said: read.override_on(from, to)? })
    }
}

/// One thing that keeps a link from joining its ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stop {
    /// An override forbids the pair.
    Forbidden,
    /// This end is denied.
    Denied(IdentifierId),
    /// This end is shared.
    Shared(IdentifierId),
    /// The weight does not reach the threshold.
    UnderThreshold {
        /// The link's weight.
        weight: f64,
        /// The threshold of its level.
        threshold: f64,
    },
    /// The link conducts and is held back.
    HeldBack(HeldBackBy),
    /// Nothing stops it, and yet its ends are two persons: their raw component
    /// waits for its cut, or it is a required pair that nobody saw together, on
    /// which no record is kept of what holds it back.
    Unsettled,
}

/// The name of an identifier.
pub fn name_of(read: &impl Read, id: IdentifierId) -> ReadResult<Option<Identifier>> {
    let record = read.identifier(id)?;
    Ok(record.map(|record| Identifier::new(read.names().namespace_name(record.namespace), record.value)))
}

/// The person that an identifier belongs to.
fn person_at(read: &impl Read, id: IdentifierId) -> AnswerResult<PersonRow> {
    match read.person_of(id)? {
        Some(key) => Ok(person_row(read, key)?),
        None => Err(match name_of(read, id)? {
            Some(identifier) => AnswerError::HouseholdScope { identifier },
            None => AnswerError::Unknown { id },
        }),
    }
}

fn person_row(read: &impl Read, key: PersonKey) -> ReadResult<PersonRow> {
    read.person(key)?.ok_or_else(|| ReadError::Corrupt {
        table: "persons",
        detail: format!("person {} is named but does not exist", key.get()),
    })
}

/// How many identifiers of each namespace a person holds.
fn counts_of(read: &impl Read, person: PersonKey) -> ReadResult<Counts> {
    let mut counts = Counts::default();
    for member in read.members(person) {
        counts.add(member?.namespace.get(), 1);
    }
    Ok(counts)
}

/// What decides whether the links of an identifier join it to others.
#[derive(Clone, Debug)]
struct Known {
    namespace: NamespaceId,
    value: String,
    shared: bool,
    denied: bool,
    degree: u32,
    person: Option<PersonKey>,
}

impl Known {
    fn read(read: &impl Read, id: IdentifierId) -> ReadResult<Self> {
        let record = read.identifier(id)?.ok_or_else(|| ReadError::Corrupt {
            table: "identifiers",
            detail: format!("identifier {} is named but does not exist", id.get()),
        })?;
        Ok(Self {
            namespace: record.namespace,
            value: record.value,
            shared: record.shared,
            denied: record.denied,
            degree: record.degree,
            person: read.person_of(id)?,
        })
    }
}

/// What ties an identifier to another: a link, an override, or both.
#[derive(Clone, Copy, Debug)]
struct Tie {
    other: IdentifierId,
    link: Option<LinkRow>,
    said: Option<OverrideKind>,
}

impl Tie {
    /// Its strength in a graph: that of a required pair is infinite.
    fn strength(&self) -> f64 {
        match (self.said, self.link) {
            (Some(OverrideKind::Require), _) => f64::INFINITY,
            (_, Some(link)) => link.weight,
            (_, None) => 0.0,
        }
    }
}

/// A view with its rules and what was read of its identifiers, each once.
struct Ground<'r, R> {
    read: &'r R,
    rules: Rules,
    known: HashMap<IdentifierId, Known>,
}

impl<'r, R: Read> Ground<'r, R> {
    fn new(read: &'r R) -> Self {
        Self { read, rules: Rules::new(read.schema(), read.names()), known: HashMap::new() }
    }

    fn known(&mut self, id: IdentifierId) -> ReadResult<&Known> {
        if !self.known.contains_key(&id) {
            self.known.insert(id, Known::read(self.read, id)?);
        }
        Ok(&self.known[&id])
    }

    /// The overrides on an identifier by the other end.
    fn said(&self, id: IdentifierId) -> ReadResult<HashMap<IdentifierId, OverrideKind>> {
        self.read.overrides(id).map(|row| row.map(|row| (row.other, row.said.kind))).collect()
    }

    /// All links of an identifier, then the overrides on pairs that nobody saw together.
    fn ties(&self, id: IdentifierId) -> ReadResult<Vec<Tie>> {
        let mut said = self.said(id)?;
        let mut ties = Vec::new();
        for link in self.read.links(id, None) {
            let link = link?;
            ties.push(Tie { other: link.other, link: Some(link), said: said.remove(&link.other) });
        }
        let mut unseen: Vec<Tie> =
            said.into_iter().map(|(other, kind)| Tie { other, link: None, said: Some(kind) }).collect();
        unseen.sort_unstable_by_key(|tie| tie.other);
        ties.append(&mut unseen);
        Ok(ties)
    }

    /// Everything that keeps a tie from joining its ends. Of a link that neither
    /// is forbidden nor held back this is empty exactly if [`Read::conducts`].
    fn stops(&mut self, from: IdentifierId, tie: &Tie) -> ReadResult<Vec<Stop>> {
        self.known(from)?;
        self.known(tie.other)?;
        let (own, other) = (&self.known[&from], &self.known[&tie.other]);
        let mut stops = Vec::new();
        if tie.said == Some(OverrideKind::Forbid) {
            stops.push(Stop::Forbidden);
        }
        if tie.said != Some(OverrideKind::Require) {
            let ends = [(from, own), (tie.other, other)];
            stops.extend(ends.iter().filter(|(_, end)| end.denied).map(|(id, _)| Stop::Denied(*id)));
            stops.extend(ends.iter().filter(|(_, end)| end.shared).map(|(id, _)| Stop::Shared(*id)));
            let threshold = self.rules.threshold(own.namespace, other.namespace);
            if let Some(LinkRow { weight, .. }) = tie.link
                && weight < threshold
            {
                stops.push(Stop::UnderThreshold { weight, threshold });
            }
        }
        if let Some(by) = tie.link.and_then(|link| link.held_back_by) {
            stops.push(Stop::HeldBack(by));
        }
        let persons = (own.person, other.person);
        if stops.is_empty() && matches!(persons, (Some(one), Some(another)) if one != another) {
            stops.push(Stop::Unsettled);
        }
        Ok(stops)
    }
}
