//! The links around an identifier, to be drawn.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::{AnswerError, AnswerResult, Ground, Stop, Tie, person_row};
use crate::model::{HouseholdId, IdentifierId, NamespaceId, OverrideKind, PersonId, PersonKey, Timestamp};
use crate::read::{Read, ReadResult};

/// Identifiers near one, and everything among them.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    /// The identifiers, nearest first, then in the order in which links name them.
    pub nodes: Vec<NetworkNode>,
    /// The links and overrides among them, ordered by the two places in `nodes`.
    pub links: Vec<NetworkLink>,
    /// Whether identifiers that are near enough were left out, because there were more than asked for.
    pub incomplete: bool,
}

/// An identifier of a network.
#[derive(Clone, PartialEq, Debug)]
pub struct NetworkNode {
    /// The identifier.
    pub id: IdentifierId,
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its normalised value.
    pub value: String,
    /// How many links it is away.
    pub depth: u32,
    /// The person it belongs to; `None` for one of household scope.
    pub person: Option<PersonId>,
    /// The household that one of household scope belongs to, if any.
    pub household: Option<HouseholdId>,
    /// How many links it has, drawn or not.
    pub degree: u32,
    /// Whether it is shared.
    pub shared: bool,
    /// Whether it is denied.
    pub denied: bool,
}

/// A link of a network, or an override on a pair that nobody saw together.
#[derive(Clone, PartialEq, Debug)]
pub struct NetworkLink {
    /// The end that comes first among the nodes.
    pub a: IdentifierId,
    /// The other end.
    pub b: IdentifierId,
    /// The combined evidence; `None` where there is none.
    pub weight: Option<f64>,
    /// The latest event time of it.
    pub last_seen: Option<Timestamp>,
    /// The override that stands on the pair.
    pub said: Option<OverrideKind>,
    /// What keeps it from joining its ends; nothing if it joins them.
    pub stops: Vec<Stop>,
}

impl NetworkLink {
    /// Whether it joins its ends, to a person or to a household.
    pub fn joins(&self) -> bool {
        self.stops.is_empty()
    }
}

/// The identifiers that are at most `depth` links away from `id`, with all links
/// among them, whatever their scope and whatever stops them; `max_identifiers`
/// at most, the nearest, and it is said where there are more.
///
/// Breadth first. Reads the links of every identifier it goes through, and for
/// the links among them those of all but the one with the most.
///
/// # Errors
///
/// `id` is not in this view, or the store cannot be read.
pub fn network<R: Read>(
    read: &R,
    id: IdentifierId,
    depth: u32,
    max_identifiers: usize,
) -> AnswerResult<Network> {
    if read.identifier(id)?.is_none() {
        return Err(AnswerError::Unknown { id });
    }
    let mut place: HashMap<IdentifierId, usize> = HashMap::from([(id, 0)]);
    let mut near: Vec<(IdentifierId, u32)> = vec![(id, 0)];
    let mut queue = VecDeque::from([(id, 0)]);
    let mut incomplete = false;
    'search: while let Some((from, away)) = queue.pop_front() {
        if away == depth {
            break;
        }
        for link in read.links(from, None) {
            let other = link?.other;
            if place.contains_key(&other) {
                continue;
            }
            if near.len() >= max_identifiers.max(1) {
                incomplete = true;
                break 'search;
            }
            place.insert(other, near.len());
            near.push((other, away + 1));
            queue.push_back((other, away + 1));
        }
    }
    let mut ground = Ground::new(read);
    let nodes = nodes(&mut ground, &near)?;
    let links = links(&mut ground, &nodes, &place)?;
    Ok(Network { nodes, links, incomplete })
}

fn nodes<R: Read>(ground: &mut Ground<'_, R>, near: &[(IdentifierId, u32)]) -> ReadResult<Vec<NetworkNode>> {
    let read = ground.read;
    let mut persons: HashMap<PersonKey, PersonId> = HashMap::new();
    let mut nodes = Vec::with_capacity(near.len());
    for (id, depth) in near {
        let known = ground.known(*id)?;
        let person = match known.person {
            None => None,
            Some(key) => Some(match persons.get(&key) {
                Some(person) => *person,
                None => *persons.entry(key).insert(person_row(read, key)?.id).get(),
            }),
        };
        let household = match read.household_of(*id)? {
            Some(key) => read.household(key)?.map(|row| row.id),
            None => None,
        };
        nodes.push(NetworkNode {
            id: *id,
            namespace: known.namespace,
            value: known.value.clone(),
            depth: *depth,
            person,
            household,
            degree: known.degree,
            shared: known.shared,
            denied: known.denied,
        });
    }
    Ok(nodes)
}

fn links<R: Read>(
    ground: &mut Ground<'_, R>,
    nodes: &[NetworkNode],
    place: &HashMap<IdentifierId, usize>,
) -> ReadResult<Vec<NetworkLink>> {
    // From the end with fewer links: so the one with the most need not be read at all.
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|at| (nodes[*at].degree, *at));
    let mut turn = vec![0; nodes.len()];
    for (at, node) in order.iter().enumerate() {
        turn[*node] = at;
    }
    let mut found: Vec<(usize, usize, Tie)> = Vec::new();
    for from in order.iter().take(nodes.len().saturating_sub(1)) {
        for tie in ground.ties(nodes[*from].id)? {
            if let Some(to) = place.get(&tie.other)
                && turn[*to] > turn[*from]
            {
                found.push((*from, *to, tie));
            }
        }
    }
    found.sort_unstable_by_key(|(from, to, _)| (*from.min(to), *from.max(to)));
    let mut links = Vec::with_capacity(found.len());
    for (from, to, tie) in found {
        links.push(NetworkLink {
            a: nodes[from.min(to)].id,
            b: nodes[from.max(to)].id,
            weight: tie.link.map(|link| link.weight),
            last_seen: tie.link.map(|link| link.last_seen),
            said: tie.said,
            stops: ground.stops(nodes[from].id, &tie)?,
        });
    }
    Ok(links)
}
