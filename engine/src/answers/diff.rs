//! What differs between two views of a store around an identifier.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::{HashMap, HashSet};

use super::{AnswerError, AnswerResult, person_at, person_row};
use crate::model::{IdentifierId, Member, PersonKey, PersonRow};
use crate::read::{Read, ReadResult};

/// The persons of two views that have to do with an identifier.
///
/// They are closed under "shares an identifier with": whoever holds in one view
/// an identifier of a person listed for the other is listed, too.
#[derive(Clone, PartialEq, Debug)]
pub struct Diff {
    /// The persons of the view that is compared with, ascending by id.
    pub then: Vec<DiffPerson>,
    /// The persons of the view that is compared, ascending by id.
    pub now: Vec<DiffPerson>,
    /// Who went where, ordered by both places.
    pub shares: Vec<DiffShare>,
}

/// A person of one view.
#[derive(Clone, PartialEq, Debug)]
pub struct DiffPerson {
    /// The person.
    pub person: PersonRow,
    /// Its identifiers, ascending by number.
    pub members: Vec<Member>,
}

/// Identifiers that are one person's in one view and one person's, or nobody's, in the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffShare {
    /// The place of their person in [`Diff::then`]; `None` where that view has them not.
    pub then: Option<usize>,
    /// The place of their person in [`Diff::now`]; `None` where that view has them not.
    pub now: Option<usize>,
    /// Which, ascending.
    pub identifiers: Vec<IdentifierId>,
}

/// In what way the persons of two views differ.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DiffKind {
    /// They do not: one person with the same identifiers in both.
    Same,
    /// A person that was not.
    Created,
    /// A person that is not any longer.
    Gone,
    /// One person in both, with more identifiers now.
    Grew,
    /// One person in both, with fewer identifiers now.
    Shrank,
    /// One person in both, with some identifiers more and some fewer now.
    Changed,
    /// Several persons that are one now.
    Merged,
    /// One person that is several now.
    Split,
    /// Several persons in both, with identifiers that went from some to others.
    Moved,
}

impl DiffKind {
    /// A stable word for programs and for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Created => "created",
            Self::Gone => "gone",
            Self::Grew => "grew",
            Self::Shrank => "shrank",
            Self::Changed => "changed",
            Self::Merged => "merged",
            Self::Split => "split",
            Self::Moved => "moved",
        }
    }
}

impl Diff {
    /// In what way the persons differ.
    pub fn kind(&self) -> DiffKind {
        let came = self.shares.iter().any(|share| share.then.is_none());
        let went = self.shares.iter().any(|share| share.now.is_none());
        match (self.then.len(), self.now.len()) {
            (0, _) => DiffKind::Created,
            (_, 0) => DiffKind::Gone,
            (1, 1) => match (came, went) {
                (false, false) => DiffKind::Same,
                (true, false) => DiffKind::Grew,
                (false, true) => DiffKind::Shrank,
                (true, true) => DiffKind::Changed,
            },
            (_, 1) => DiffKind::Merged,
            (1, _) => DiffKind::Split,
            _ => DiffKind::Moved,
        }
    }
}

/// Compares who is who around `id` in one view of a store (`now`) with another
/// of the same store (`then`).
///
/// Reads the members of every person concerned and, for each of them, its person
/// in the other view: O(members).
///
/// # Errors
///
/// `id` is a person's in neither view, or the store cannot be read.
pub fn diff(now: &impl Read, then: &impl Read, id: IdentifierId) -> AnswerResult<Diff> {
    let start = (now.person_of(id)?, then.person_of(id)?);
    if start == (None, None) {
        let told = match person_at(now, id) {
            Err(AnswerError::Unknown { .. }) => person_at(then, id),
            told => told,
        };
        return Err(told.err().unwrap_or(AnswerError::Unknown { id }));
    }
    let mut open: VecDeque<(View, PersonKey)> = VecDeque::new();
    let mut known: HashSet<(View, PersonKey)> = HashSet::new();
    for (view, person) in [(View::Now, start.0), (View::Then, start.1)] {
        if let Some(key) = person {
            known.insert((view, key));
            open.push_back((view, key));
        }
    }
    let (mut in_now, mut in_then) = (Vec::new(), Vec::new());
    while let Some((view, key)) = open.pop_front() {
        let (person, other) = match view {
            View::Now => (DiffPerson::read(now, key)?, View::Then),
            View::Then => (DiffPerson::read(then, key)?, View::Now),
        };
        for member in &person.members {
            let key = match other {
                View::Now => now.person_of(member.id)?,
                View::Then => then.person_of(member.id)?,
            };
            if let Some(key) = key
                && known.insert((other, key))
            {
                open.push_back((other, key));
            }
        }
        match view {
            View::Now => in_now.push(person),
            View::Then => in_then.push(person),
        }
    }
    in_now.sort_unstable_by_key(|person| person.person.id);
    in_then.sort_unstable_by_key(|person| person.person.id);
    Ok(Diff { shares: shares(&in_then, &in_now), then: in_then, now: in_now })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum View {
    Now,
    Then,
}

impl DiffPerson {
    fn read(read: &impl Read, key: PersonKey) -> ReadResult<Self> {
        let mut members = read.members(key).collect::<ReadResult<Vec<Member>>>()?;
        members.sort_unstable_by_key(|member| member.id);
        Ok(Self { person: person_row(read, key)?, members })
    }
}

fn shares(then: &[DiffPerson], now: &[DiffPerson]) -> Vec<DiffShare> {
    let mut places: HashMap<IdentifierId, (Option<usize>, Option<usize>)> = HashMap::new();
    for (at, person) in then.iter().enumerate() {
        for member in &person.members {
            places.entry(member.id).or_default().0 = Some(at);
        }
    }
    for (at, person) in now.iter().enumerate() {
        for member in &person.members {
            places.entry(member.id).or_default().1 = Some(at);
        }
    }
    let mut shares: BTreeMap<(Option<usize>, Option<usize>), Vec<IdentifierId>> = BTreeMap::new();
    for (id, place) in places {
        shares.entry(place).or_default().push(id);
    }
    shares
        .into_iter()
        .map(|((then, now), mut identifiers)| {
            identifiers.sort_unstable();
            DiffShare { then, now, identifiers }
        })
        .collect()
}
