//! Assertions: who must and who must not be one person, kept in a file beside
//! the schema and checked against a store.

mod parse;
mod reason;

use std::fmt;

use self::reason::{why_apart, why_together};
use super::person_row;
use crate::model::{Identifier, IdentifierId, PersonRow};
use crate::read::{Found, Read, ReadResult};
use crate::schema::{Problem, show_problems};

/// What an assertion says of two identifiers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Claim {
    /// They are one person.
    Same,
    /// They are two persons.
    Different,
}

impl Claim {
    /// The word of the file: `same` or `different`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
        }
    }
}

/// One line of a file of assertions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assertion {
    /// The line it stands on, from 1.
    pub line: usize,
    /// What it says.
    pub claim: Claim,
    /// The first identifier, as it was written.
    pub a: Identifier,
    /// The second identifier, as it was written.
    pub b: Identifier,
}

/// The assertions of a file, in its order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assertions {
    list: Vec<Assertion>,
}

/// A file of assertions was refused. Its `Display` shows each problem as
/// `file:line:column: what is wrong; expected what`, with the line and a caret
/// under the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionsError {
    file: String,
    problems: Vec<Problem>,
}

impl AssertionsError {
    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, at least one, in the order of the file: one for each line that is wrong.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for AssertionsError {}

impl fmt::Display for AssertionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_problems(&self.file, &self.problems, f)
    }
}

/// What became of an assertion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The assertion.
    pub assertion: Assertion,
    /// Whether it holds.
    pub outcome: Outcome,
}

/// Whether an assertion holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not hold.
    Broken {
        /// Why not, in a sentence for people: what joins the two, or what keeps them apart.
        reason: String,
    },
    /// It names identifiers that the store does not know, so that nothing can be
    /// said of it: each as it was written, with what the lookup found; never
    /// [`Found::Known`].
    Unknown {
        /// Which, in the order of the line.
        identifiers: Vec<(Identifier, Found)>,
    },
    /// It names an identifier of household scope, which is no person's.
    HouseholdScope {
        /// Which, as it was written.
        identifier: Identifier,
    },
}

impl Assertions {
    /// Reads a file of assertions from its `text`; `file` names it in messages.
    ///
    /// A line says `same a b` or `different a b` of two identifiers written
    /// `namespace:value`. A value with spaces is quoted, as in `name:'Ann Lee'`
    /// or `"name:Ann Lee"`; between quotes a backslash stands before a quote or
    /// another backslash. `#` where a word could begin starts a comment.
    ///
    /// # Errors
    ///
    /// Every line that is wrong, each with the place in it.
    pub fn parse(text: &str, file: &str) -> Result<Self, AssertionsError> {
        let (list, problems) = parse::lines(text);
        if problems.is_empty() {
            Ok(Self { list })
        } else {
            Err(AssertionsError { file: file.to_owned(), problems })
        }
    }

    /// The assertions.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Assertion> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Checks every assertion against a view of a store, in their order. One
    /// that holds costs two lookups; one that is broken a search for the reason
    /// besides, which goes through a bounded number of identifiers.
    pub fn check(&self, read: &impl Read) -> ReadResult<Vec<Verdict>> {
        let verdict = |assertion: &Assertion| {
            Ok(Verdict { outcome: outcome(read, assertion)?, assertion: assertion.clone() })
        };
        self.list.iter().map(verdict).collect()
    }
}

fn outcome(read: &impl Read, assertion: &Assertion) -> ReadResult<Outcome> {
    let mut unknown = Vec::new();
    let mut ends: Vec<(IdentifierId, PersonRow)> = Vec::with_capacity(2);
    let mut household = None;
    for identifier in [&assertion.a, &assertion.b] {
        match read.find(identifier)? {
            Found::Known(id) => match read.person_of(id)? {
                Some(key) => ends.push((id, person_row(read, key)?)),
                None => household = household.or_else(|| Some(identifier.clone())),
            },
            nothing => unknown.push((identifier.clone(), nothing)),
        }
    }
    if !unknown.is_empty() {
        return Ok(Outcome::Unknown { identifiers: unknown });
    }
    if let Some(identifier) = household {
        return Ok(Outcome::HouseholdScope { identifier });
    }
    let Some((b, a)) = ends.pop().zip(ends.pop()) else {
        return Ok(Outcome::Unknown { identifiers: unknown });
    };
    Ok(match (assertion.claim, a.1.key == b.1.key) {
        (Claim::Same, true) | (Claim::Different, false) => Outcome::Holds,
        (Claim::Same, false) => Outcome::Broken { reason: why_apart(read, a, b)? },
        (Claim::Different, true) => Outcome::Broken { reason: why_together(read, a, b.0)? },
    })
}
