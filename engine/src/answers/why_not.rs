//! Why two identifiers are not one person.

use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::graph::{Edge, Grade, Graph, best_path};
use super::{AnswerResult, Ground, Known, Step, Stop, Tie, counts_of, person_at, person_row};
use crate::model::{
    HeldBackBy, IdentifierId, LinkRow, NamespaceId, Override, OverrideKind, PersonKey, PersonRow,
};
use crate::read::{Read, ReadResult};
use crate::resolve::Counts;

/// Whether two identifiers are two persons, and what keeps them apart.
#[derive(Clone, PartialEq, Debug)]
pub enum WhyNot {
    /// They are one person; [`super::why()`] tells what makes them one.
    OnePerson(PersonRow),
    /// They are two persons.
    TwoPersons(Box<Apart>),
}

/// What keeps two identifiers apart.
#[derive(Clone, PartialEq, Debug)]
pub struct Apart {
    /// The person of the first.
    pub a: PersonRow,
    /// The person of the second.
    pub b: PersonRow,
    /// The best way from the first to the second.
    pub way: Way,
    /// The forbids that stand between the two persons, ordered by identifier:
    /// while there is one they stay apart, whatever the way.
    pub forbids: Vec<Forbid>,
}

/// The best way between two identifiers that are two persons.
#[derive(Clone, PartialEq, Debug)]
pub enum Way {
    /// A path, with what stops it on each step. No other has fewer
    /// [`Stop`]s on its steps; of those with as few none has a stronger weakest
    /// link. Of equals it is the shortest and then the first by name, among the
    /// paths over identifiers that the search went through.
    Path(Vec<StoppedStep>),
    /// No path of links leads from one to the other.
    NoPath {
        /// How many identifiers the search went through.
        visited: usize,
    },
    /// None was found within the limit of the search; there may be one.
    NotFound {
        /// How many identifiers the search went through: the limit.
        visited: usize,
    },
}

/// A step of a path with what stops it.
#[derive(Clone, PartialEq, Debug)]
pub struct StoppedStep {
    /// The step.
    pub step: Step,
    /// What stops it; nothing where it joins its ends.
    pub obstacles: Vec<Obstacle>,
}

/// What stops a step, with what makes it so.
#[derive(Clone, PartialEq, Debug)]
pub enum Obstacle {
    /// The step's override forbids the pair; it says who, when and why.
    Forbidden,
    /// This end is denied.
    Denied(IdentifierId),
    /// This end is shared.
    Shared {
        /// The end.
        identifier: IdentifierId,
        /// What it is tied to too many of, ordered by namespace.
        too_many: Vec<TooMany>,
    },
    /// The weight does not reach the threshold.
    UnderThreshold {
        /// The link's weight.
        weight: f64,
        /// `person.threshold`.
        threshold: f64,
    },
    /// The link conducts and is held back.
    HeldBack(Held),
    /// See [`Stop::Unsettled`].
    Unsettled,
}

/// More ties than `shared_above` allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// The namespace that is counted.
    pub namespace: NamespaceId,
    /// How many distinct identifiers of it there are.
    pub ties: u32,
    /// How many may be.
    pub allowed: u32,
}

/// What holds a link back.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// The limit, or that a forbidden pair would come together.
    pub by: HeldBackBy,
    /// How many the limit allows; `None` for a forbidden pair.
    pub allowed: Option<u32>,
    /// How many of what the limit counts the persons at the link's two ends hold together.
    pub together: Option<u32>,
    /// The forbids that stand between those persons, if that is what holds it back.
    pub forbids: Vec<Forbid>,
}

/// A forbid that stands between two persons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forbid {
    /// The identifier of the first.
    pub a: IdentifierId,
    /// The identifier of the second.
    pub b: IdentifierId,
    /// Who said so, when and why.
    pub said: Override,
}

/// Tells whether `a` and `b` are two persons, and what stops the best path between them.
///
/// The search goes over all links of person scope, whatever their weight and
/// whatever stops them, and over required pairs; from the smaller person, by
/// the best-first rule of Dijkstra's algorithm under the order of [`Way::Path`].
/// It goes through at most `max_visits` identifiers, of each of which it reads
/// all links: O((n + m) log n) of those. What makes an identifier on the path
/// shared is counted over its links; a hold is told with the members of both
/// persons.
///
/// # Errors
///
/// One of the two is of household scope or not in this view, or the store
/// cannot be read.
pub fn why_not(
    read: &impl Read,
    a: IdentifierId,
    b: IdentifierId,
    max_visits: usize,
) -> AnswerResult<WhyNot> {
    let (of_a, of_b) = (person_at(read, a)?, person_at(read, b)?);
    if of_a.key == of_b.key {
        return Ok(WhyNot::OnePerson(of_a));
    }
    Ok(WhyNot::TwoPersons(Box::new(apart(read, (a, of_a), (b, of_b), max_visits)?)))
}

/// What keeps two identifiers apart that belong to these two persons.
pub(super) fn apart(
    read: &impl Read,
    (a, of_a): (IdentifierId, PersonRow),
    (b, of_b): (IdentifierId, PersonRow),
    max_visits: usize,
) -> ReadResult<Apart> {
    let mut ground = Ground::new(read);
    // From the smaller person: where it has no way out, that is found out soon.
    let (start, goal) = if of_a.size <= of_b.size { (a, b) } else { (b, a) };
    let way = match explore(&mut ground, start, goal, max_visits)? {
        Explored::Nothing { visited } => Way::NoPath { visited },
        Explored::Limit { visited } => Way::NotFound { visited },
        Explored::Found(found) => {
            let path = found.best(&mut ground, a, b)?;
            let mut steps = Vec::with_capacity(path.len());
            for (from, tie) in path {
                steps.push(stopped_step(&mut ground, from, &tie)?);
            }
            Way::Path(steps)
        }
    };
    let forbids = forbids_between(read, of_a.key, of_b.key)?;
    Ok(Apart { a: of_a, b: of_b, way, forbids })
}

/// What a search found.
enum Explored {
    /// It went everywhere, and the goal was not there.
    Nothing { visited: usize },
    /// It went as far as it may.
    Limit { visited: usize },
    /// What it went through leads to the goal.
    Found(Found),
}

/// What a search went through.
struct Found {
    nodes: Vec<IdentifierId>,
    ties: Vec<(IdentifierId, Tie, u32)>,
}

fn explore<R: Read>(
    ground: &mut Ground<'_, R>,
    start: IdentifierId,
    goal: IdentifierId,
    max_visits: usize,
) -> ReadResult<Explored> {
    let mut found = Found { nodes: Vec::new(), ties: Vec::new() };
    // The best grade to each identifier that was met; `None` once it was gone through.
    let mut best: HashMap<IdentifierId, Option<Grade>> = HashMap::from([(start, Some(Grade::BEST))]);
    let mut open = BinaryHeap::from([(Grade::BEST, start)]);
    let mut reached = None;
    while let Some((grade, id)) = open.pop() {
        // What is as good as the way to the goal may be on another as good, and
        // which of those is told is a matter of names.
        if reached.is_some_and(|reached| grade < reached) {
            break;
        }
        if best.get(&id).copied().flatten() != Some(grade) {
            continue;
        }
        if id == goal {
            best.insert(id, None);
            found.nodes.push(id);
            reached = Some(grade);
            continue;
        }
        if found.nodes.len() >= max_visits {
            if reached.is_some() {
                break;
            }
            return Ok(Explored::Limit { visited: found.nodes.len() });
        }
        best.insert(id, None);
        found.nodes.push(id);
        for tie in ground.ties(id)? {
            if !ground.leads_on(&tie)? {
                continue;
            }
            let known = best.get(&tie.other);
            let went_through = known == Some(&None);
            let stops = ground.stops(id, &tie)?.len() as u32;
            // Each link once: from the end that is gone through later.
            if went_through || tie.other == goal {
                found.ties.push((id, tie, stops));
            }
            let onward = grade.along(tie.strength(), stops);
            if !went_through && known.copied().flatten().is_none_or(|known| onward > known) {
                best.insert(tie.other, Some(onward));
                open.push((onward, tie.other));
            }
        }
    }
    Ok(match reached {
        Some(_) => Explored::Found(found),
        None => Explored::Nothing { visited: found.nodes.len() },
    })
}

impl<R: Read> Ground<'_, R> {
    /// Whether a search of persons may go over a tie: a link of person scope or a required pair.
    fn leads_on(&mut self, tie: &Tie) -> ReadResult<bool> {
        let namespace = match tie.link {
            Some(link) => link.other_namespace,
            None if tie.said == Some(OverrideKind::Require) => self.known(tie.other)?.namespace,
            None => return Ok(false),
        };
        Ok(self.rules.is_person(namespace))
    }
}

impl Found {
    /// The best path through what was found, as its steps.
    fn best<R: Read>(
        mut self,
        ground: &mut Ground<'_, R>,
        a: IdentifierId,
        b: IdentifierId,
    ) -> ReadResult<Vec<(IdentifierId, Tie)>> {
        for id in &self.nodes {
            ground.known(*id)?;
        }
        let names = ground.read.names();
        self.nodes.sort_by_cached_key(|id| {
            let Known { namespace, value, .. } = &ground.known[id];
            (names.namespace_name(*namespace), value.clone())
        });
        let place: HashMap<IdentifierId, usize> =
            self.nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let edges = self
            .ties
            .iter()
            .map(|(from, tie, stops)| Edge {
                a: place[from],
                b: place[&tie.other],
                strength: tie.strength(),
                stops: *stops,
            })
            .collect();
        let path = best_path(&Graph::new(self.nodes.len(), edges), place[&a], place[&b]);
        let mut at = a;
        let steps = path.unwrap_or_default().into_iter().map(|edge| {
            let (from, tie, _) = self.ties[edge];
            let other = if from == at { tie.other } else { from };
            let step = (at, Tie { other, ..tie });
            at = other;
            step
        });
        Ok(steps.collect())
    }
}

fn stopped_step<R: Read>(
    ground: &mut Ground<'_, R>,
    from: IdentifierId,
    tie: &Tie,
) -> ReadResult<StoppedStep> {
    let stops = ground.stops(from, tie)?;
    let mut obstacles = Vec::with_capacity(stops.len());
    for stop in stops {
        obstacles.push(match stop {
            Stop::Forbidden => Obstacle::Forbidden,
            Stop::Denied(id) => Obstacle::Denied(id),
            Stop::Shared(id) => Obstacle::Shared { identifier: id, too_many: too_many(ground, id)? },
            Stop::UnderThreshold { weight, threshold } => Obstacle::UnderThreshold { weight, threshold },
            Stop::HeldBack(by) => Obstacle::HeldBack(held(ground, by, from, tie.other)?),
            Stop::Unsettled => Obstacle::Unsettled,
        });
    }
    Ok(StoppedStep { step: Step::read(ground.read, from, tie.other)?, obstacles })
}

/// Counts what makes an identifier shared: the distinct identifiers of each
/// namespace to which links tie it that would conduct if it were not.
fn too_many<R: Read>(ground: &mut Ground<'_, R>, id: IdentifierId) -> ReadResult<Vec<TooMany>> {
    let own = ground.known(id)?.clone();
    let allowed = ground.rules.of(own.namespace).shared_above.clone();
    let mut counts = Counts::default();
    for tie in ground.ties(id)? {
        // Not kept: a shared identifier may have very many links, and each is asked once.
        let other = Known::read(ground.read, tie.other)?;
        let reaches = |link: &LinkRow| link.weight >= ground.rules.threshold(own.namespace, other.namespace);
        let ties = match tie.said {
            Some(OverrideKind::Require) => true,
            Some(OverrideKind::Forbid) => false,
            None => !own.denied && !other.denied && tie.link.as_ref().is_some_and(reaches),
        };
        if ties {
            counts.add(other.namespace.get(), 1);
        }
    }
    Ok(allowed
        .into_iter()
        .map(|(namespace, allowed)| TooMany { namespace, ties: counts.of(namespace.get()), allowed })
        .filter(|too_many| too_many.ties > too_many.allowed)
        .collect())
}

fn held<R: Read>(
    ground: &mut Ground<'_, R>,
    by: HeldBackBy,
    a: IdentifierId,
    b: IdentifierId,
) -> ReadResult<Held> {
    let mut held = Held { by, allowed: None, together: None, forbids: Vec::new() };
    let (Some(of_a), Some(of_b)) = (ground.known(a)?.person, ground.known(b)?.person) else {
        return Ok(held);
    };
    let read = ground.read;
    if by == HeldBackBy::Forbidden {
        held.forbids = forbids_between(read, of_a, of_b)?;
        return Ok(held);
    }
    held.allowed = ground.rules.person_limits.allowed(by);
    let mut counts = counts_of(read, of_a)?;
    counts.add_all(&counts_of(read, of_b)?);
    held.together = match by {
        HeldBackBy::MaxIdentifiers => Some(counts.total),
        HeldBackBy::MaxPerPerson(namespace) => Some(counts.of(namespace.get())),
        HeldBackBy::MaxPersons | HeldBackBy::Forbidden => None,
    };
    Ok(held)
}

/// The forbids that stand between two persons, ordered by identifier. Costs what the smaller has members.
fn forbids_between(read: &impl Read, a: PersonKey, b: PersonKey) -> ReadResult<Vec<Forbid>> {
    let a_is_smaller = person_row(read, a)?.size <= person_row(read, b)?.size;
    let (smaller, other) = if a_is_smaller { (a, b) } else { (b, a) };
    let mut forbids = Vec::new();
    for member in read.members(smaller) {
        let id = member?.id;
        for row in read.overrides(id) {
            let row = row?;
            if row.said.kind == OverrideKind::Forbid && read.person_of(row.other)? == Some(other) {
                let (a, b) = if a_is_smaller { (id, row.other) } else { (row.other, id) };
                forbids.push(Forbid { a, b, said: row.said });
            }
        }
    }
    forbids.sort_unstable_by_key(|forbid| (forbid.a, forbid.b));
    Ok(forbids)
}
