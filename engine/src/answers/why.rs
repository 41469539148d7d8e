//! Why two identifiers are one person.

use hashbrown::HashMap;

use super::graph::{Edge, Graph, best_path};
use super::parting::{bridges_between, min_cut};
use super::{AnswerResult, Ground, Step, person_at};
use crate::model::{IdentifierId, OverrideKind, PersonRow};
use crate::read::{Read, ReadError, ReadResult};

/// Whether two identifiers are one person, and what makes them one.
#[derive(Clone, PartialEq, Debug)]
pub enum Why {
    /// The two are the same identifier, of this person.
    SameIdentifier(PersonRow),
    /// They are one person.
    OnePerson(Box<Together>),
    /// They are two persons; [`super::why_not()`] tells what keeps them apart.
    TwoPersons {
        /// The person of the first.
        a: PersonRow,
        /// The person of the second.
        b: PersonRow,
    },
}

/// What makes two identifiers one person.
#[derive(Clone, PartialEq, Debug)]
pub struct Together {
    /// The person.
    pub person: PersonRow,
    /// The strongest path from the first to the second: the one whose weakest
    /// link is strongest; of several the shortest, then the one whose
    /// identifiers come first by name. Required pairs count as stronger than any
    /// link. Empty where the links of the person do not lead from one to the
    /// other any longer, as they may while its resolution is pending.
    pub path: Vec<Step>,
    /// The bridges: the steps of which each alone, taken away, leaves no path
    /// between the two. In their order from the first to the second. One that is
    /// required as well as seen goes only when it is released, too.
    pub bridges: Vec<Step>,
    /// What it takes to part them.
    pub parting: Parting,
}

/// What it takes to part two identifiers of a person.
///
/// This, like the bridges, is about the links that join the person now. Where a
/// limit cut its raw component, a link that is held back may take the place of
/// one that goes; the view without that link tells.
#[derive(Clone, PartialEq, Debug)]
pub enum Parting {
    /// The cheapest set of links, by the sum of their weights, whose removal
    /// leaves no path between the two; of several such sets the one nearest to
    /// the first.
    Links {
        /// The links, each from the first's side to the second's, ordered by name.
        links: Vec<Step>,
        /// The sum of their weights.
        weight: f64,
        /// How many identifiers stay with the first.
        near: usize,
        /// How many go with the second.
        far: usize,
    },
    /// A path of required pairs joins them: no removal of links parts them
    /// while that stands.
    Required,
}

/// Tells whether `a` and `b` are one person, and what makes them one: the
/// strongest path, the bridges between them, and the cheapest way to part them.
///
/// Reads every link of the person once; O((n + m) log n) for the path, O(n + m)
/// for the bridges, and a maximum flow for the cut (see `parting`).
///
/// # Errors
///
/// One of the two is of household scope or not in this view, or the store
/// cannot be read.
pub fn why(read: &impl Read, a: IdentifierId, b: IdentifierId) -> AnswerResult<Why> {
    let (of_a, of_b) = (person_at(read, a)?, person_at(read, b)?);
    if a == b {
        return Ok(Why::SameIdentifier(of_a));
    }
    if of_a.key != of_b.key {
        return Ok(Why::TwoPersons { a: of_a, b: of_b });
    }
    let inside = Inside::read(read, &of_a)?;
    let (from, to) = (inside.at(a)?, inside.at(b)?);
    let parting = match min_cut(&inside.graph, from, to) {
        None => Parting::Required,
        Some(cut) => {
            let near = cut.near.iter().filter(|near| **near).count();
            let mut crossing: Vec<(usize, usize)> = Vec::with_capacity(cut.edges.len());
            for edge in &cut.edges {
                let Edge { a, b, .. } = inside.graph.edges[*edge];
                crossing.push(if cut.near[a] { (a, b) } else { (b, a) });
            }
            crossing.sort_unstable();
            Parting::Links {
                links: inside.steps(read, crossing)?,
                weight: cut.edges.iter().map(|edge| inside.graph.edges[*edge].strength).sum(),
                near,
                far: inside.graph.nodes() - near,
            }
        }
    };
    let path = best_path(&inside.graph, from, to).unwrap_or_default();
    let along = inside.along(from, &path);
    // The bridges lie on every path, and so on this one, in the same order.
    let mut bridges = bridges_between(&inside.graph, from, to).into_iter().peekable();
    let crossed = along
        .iter()
        .zip(&path)
        .filter(|(_, edge)| bridges.next_if_eq(*edge).is_some())
        .map(|(ends, _)| *ends)
        .collect();
    Ok(Why::OnePerson(Box::new(Together {
        bridges: inside.steps(read, crossed)?,
        path: inside.steps(read, along)?,
        parting,
        person: of_a,
    })))
}

/// The strongest path between two identifiers of a person, as [`why`] tells it.
pub(super) fn strongest_path(
    read: &impl Read,
    person: &PersonRow,
    a: IdentifierId,
    b: IdentifierId,
) -> ReadResult<Vec<Step>> {
    let inside = Inside::read(read, person)?;
    let (from, to) = (inside.at(a)?, inside.at(b)?);
    let path = best_path(&inside.graph, from, to).unwrap_or_default();
    inside.steps(read, inside.along(from, &path))
}

/// A person as a graph of what joins it.
struct Inside {
    /// Its identifiers, ordered by name: the nodes.
    members: Vec<IdentifierId>,
    place: HashMap<IdentifierId, usize>,
    graph: Graph,
}

impl Inside {
    fn read(read: &impl Read, person: &PersonRow) -> ReadResult<Self> {
        let names = read.names();
        let mut members = read.members(person.key).collect::<ReadResult<Vec<_>>>()?;
        members.sort_unstable_by(|x, y| {
            let namespace = |member: &crate::model::Member| names.namespace_name(member.namespace);
            (namespace(x), &x.value).cmp(&(namespace(y), &y.value))
        });
        let members: Vec<IdentifierId> = members.into_iter().map(|member| member.id).collect();
        let place: HashMap<IdentifierId, usize> =
            members.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let ground = Ground::new(read);
        let mut edges = Vec::new();
        for (a, id) in members.iter().enumerate() {
            for tie in ground.ties(*id)? {
                let Some(b) = place.get(&tie.other).copied().filter(|b| a < *b) else { continue };
                let joins = match tie.link {
                    Some(link) => link.held_back_by.is_none() && read.conducts(*id, &link)?,
                    None => tie.said == Some(OverrideKind::Require),
                };
                if joins {
                    edges.push(Edge { a, b, strength: tie.strength(), stops: 0 });
                }
            }
        }
        let graph = Graph::new(members.len(), edges);
        Ok(Self { members, place, graph })
    }

    fn at(&self, id: IdentifierId) -> ReadResult<usize> {
        self.place.get(&id).copied().ok_or_else(|| ReadError::Corrupt {
            table: "persons",
            detail: format!("identifier {} is not among the members of its person", id.get()),
        })
    }

    /// A path as pairs of nodes in its direction.
    fn along(&self, from: usize, path: &[usize]) -> Vec<(usize, usize)> {
        let mut at = from;
        path.iter()
            .map(|edge| {
                let ends = (at, self.graph.other(*edge, at));
                at = ends.1;
                ends
            })
            .collect()
    }

    fn steps(&self, read: &impl Read, pairs: Vec<(usize, usize)>) -> ReadResult<Vec<Step>> {
        pairs.into_iter().map(|(a, b)| Step::read(read, self.members[a], self.members[b])).collect()
    }
}
