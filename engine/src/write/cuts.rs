//! Components that a limit cuts, kept in memory from one write to the next.
//!
//! A link that comes into such a component can move the cut anywhere in it, so
//! the cut is made again over all its links; but they need not be read again for
//! that, and only what comes out otherwise is written. What a write costs in
//! reads and writes is then what it changes.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use petgraph::unionfind::UnionFind;

use super::overlay::Overlay;
use super::persons::{Join, Region};
use crate::codec::{ComponentRow, time};
use crate::model::{HeldBackBy, IdentifierId, PersonKey};
use crate::read::ReadResult;
use crate::resolve::{Edge, by_strength, cut};
use crate::rules::ordered;

/// The cut components at hand.
#[derive(Default)]
pub(crate) struct Cuts {
    components: HashMap<u64, Component>,
    /// How many links they have together.
    links: usize,
}

impl Cuts {
    pub(crate) fn forget(&mut self, component: u64) {
        if let Some(gone) = self.components.remove(&component) {
            self.links -= gone.edges.len();
        }
    }

    fn keep(&mut self, number: u64, component: Component, most: usize) {
        self.forget(number);
        // Which of them will be needed next nobody knows: when there are too many, all go.
        if self.links + component.edges.len() > most {
            self.components.clear();
            self.links = 0;
        }
        self.links += component.edges.len();
        self.components.insert(number, component);
    }
}

/// A raw component that a limit cuts, as it was settled last.
struct Component {
    nodes: Vec<Node>,
    place: HashMap<IdentifierId, usize>,
    edges: Vec<Edge>,
    /// Which edge joins two nodes, the lower place first.
    between: HashMap<(usize, usize), usize>,
    /// The edges, strongest first.
    order: Vec<usize>,
    held: Vec<Option<HeldBackBy>>,
    forbidden: Vec<(usize, usize)>,
}

struct Node {
    id: IdentifierId,
    kind: u16,
    /// Namespace and value, for the order among equals.
    name: (String, String),
    /// `None` for one that is new.
    person: Option<PersonKey>,
}

impl Component {
    /// Where an edge stands, or belongs, in the order.
    fn rank(&self, at: usize) -> Result<usize, usize> {
        let names = |edge: &Edge| {
            let (a, b) = (&self.nodes[edge.a].name, &self.nodes[edge.b].name);
            if a <= b { (a, b) } else { (b, a) }
        };
        let edge = &self.edges[at];
        self.order.binary_search_by(|other| {
            let other = &self.edges[*other];
            by_strength(other, edge).then_with(|| names(other).cmp(&names(edge)))
        })
    }

    fn add_node(&mut self, node: Node) -> usize {
        let place = self.nodes.len();
        self.place.insert(node.id, place);
        self.nodes.push(node);
        place
    }

    /// Sets what joins two nodes.
    fn set_edge(&mut self, edge: Edge) {
        let ends = (edge.a.min(edge.b), edge.a.max(edge.b));
        let at = match self.between.get(&ends) {
            Some(at) => {
                let at = *at;
                if let Ok(rank) = self.rank(at) {
                    self.order.remove(rank);
                }
                self.edges[at] = edge;
                at
            }
            None => {
                self.edges.push(edge);
                self.held.push(None);
                self.between.insert(ends, self.edges.len() - 1);
                self.edges.len() - 1
            }
        };
        let (Ok(rank) | Err(rank)) = self.rank(at);
        self.order.insert(rank, at);
    }
}

/// A link inside a component that was cut, or into it, that is new or weighs otherwise.
pub(crate) type Stronger = (IdentifierId, IdentifierId);

impl Overlay {
    /// Keeps a region in mind that was settled as one component that is cut.
    pub(super) fn keep_cut(
        &mut self,
        number: u64,
        region: &Region,
        kinds: &[u16],
        held: &[Option<HeldBackBy>],
    ) -> ReadResult<()> {
        if self.lens.is_some() {
            return Ok(());
        }
        let mut nodes = Vec::with_capacity(region.nodes.len());
        for (id, kind) in region.nodes.iter().zip(kinds) {
            let name = self.name_of(*id)?;
            let person = self.owner(*id)?.and_then(|row| row.person());
            nodes.push(Node { id: *id, kind: *kind, name, person });
        }
        let place = region.nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let between = region
            .edges
            .iter()
            .enumerate()
            .map(|(at, edge)| ((edge.a.min(edge.b), edge.a.max(edge.b)), at))
            .collect();
        let mut component = Component {
            nodes,
            place,
            edges: region.edges.clone(),
            between,
            order: Vec::new(),
            held: held.to_vec(),
            forbidden: region.forbidden.clone(),
        };
        let mut order: Vec<usize> = (0..component.edges.len()).collect();
        let names = |edge: &Edge| {
            let (a, b) = (&component.nodes[edge.a].name, &component.nodes[edge.b].name);
            if a <= b { (a, b) } else { (b, a) }
        };
        order.sort_unstable_by(|x, y| {
            let (x, y) = (&component.edges[*x], &component.edges[*y]);
            by_strength(x, y).then_with(|| names(x).cmp(&names(y)))
        });
        component.order = order;
        let most = 4 * self.inline_limit.min(1 << 20);
        self.cuts.keep(number, component, most);
        Ok(())
    }

    fn name_of(&mut self, id: IdentifierId) -> ReadResult<(String, String)> {
        let namespace = self.namespace(id)?;
        let name = self.names.namespace_name(namespace).to_owned();
        Ok((name, self.identifier_value(id)?))
    }

    /// Settles links that came into one component that is at hand, or changed
    /// there; says whether that was so. `fresh` are identifiers in no person.
    pub(crate) fn settle_in_cut(
        &mut self,
        fresh: &[IdentifierId],
        joins: &[Join],
        changed: &[Stronger],
    ) -> ReadResult<bool> {
        let pairs: Vec<(IdentifierId, IdentifierId)> =
            joins.iter().map(|join| (join.a, join.b)).chain(changed.iter().copied()).collect();
        let Some(number) = self.common_cut(fresh, &pairs)? else { return Ok(false) };
        let Some(mut component) = self.cuts.components.remove(&number) else { return Ok(false) };
        self.cuts.links -= component.edges.len();
        if component.edges.len() + pairs.len() > self.inline_limit {
            return Ok(false);
        }
        for id in fresh {
            let (kind, name) = (self.namespace(*id)?.get(), self.name_of(*id)?);
            component.add_node(Node { id: *id, kind, name, person: None });
        }
        for (a, b) in pairs {
            let (a, b) = ordered(a, b);
            let of_b = self.namespace(b)?;
            let (Some(from), Some(to)) = (component.place.get(&a), component.place.get(&b)) else {
                return Ok(false);
            };
            let (from, to) = (*from, *to);
            let Some(link) = self.links.get(&self.view, (a, of_b, b))? else { return Ok(false) };
            let (weight, last_seen) = (link.weight, time(link.last));
            component.set_edge(Edge { a: from, b: to, weight, last_seen, required: false });
        }
        self.cut_again(number, &mut component)?;
        let most = 4 * self.inline_limit.min(1 << 20);
        self.cuts.keep(number, component, most);
        Ok(true)
    }

    /// The component at hand that all ends are in which are not fresh; none
    /// where fresh identifiers are not all tied to it, or people have a say in it.
    fn common_cut(
        &mut self,
        fresh: &[IdentifierId],
        pairs: &[(IdentifierId, IdentifierId)],
    ) -> ReadResult<Option<u64>> {
        let mut number = None;
        let mut reached: HashSet<IdentifierId> = HashSet::new();
        for id in pairs.iter().flat_map(|(a, b)| [*a, *b]) {
            let Some(person) = self.owner(id)?.and_then(|row| row.person()) else {
                reached.insert(id);
                continue;
            };
            let head = self.read_head(person)?;
            let Some(component) = head.component.filter(|_| head.overrides == 0) else { return Ok(None) };
            if number.is_some_and(|number| number != component)
                || !self.cuts.components.contains_key(&component)
            {
                return Ok(None);
            }
            number = Some(component);
        }
        let due = match number {
            Some(number) => self.components.get(&self.view, number)?.is_none_or(|row| row.due),
            None => true,
        };
        // Fresh identifiers of one observation are tied to each other, so one way in is a way in for all.
        let tied = fresh.iter().all(|id| reached.contains(id));
        Ok(number.filter(|_| tied && !due))
    }

    /// Cuts a component again and writes what comes out otherwise than before.
    fn cut_again(&mut self, number: u64, component: &mut Component) -> ReadResult<()> {
        let kinds: Vec<u16> = component.nodes.iter().map(|node| node.kind).collect();
        let mut held = vec![None; component.edges.len()];
        let mut sets = UnionFind::new(kinds.len());
        let rules = std::sync::Arc::clone(&self.rules);
        cut(
            &kinds,
            &component.edges,
            &component.order,
            &rules.person_limits,
            &component.forbidden,
            &mut sets,
            &mut held,
        );
        for (at, (new, old)) in held.iter().zip(&component.held).enumerate() {
            if new != old {
                let edge = &component.edges[at];
                self.set_held(component.nodes[edge.a].id, component.nodes[edge.b].id, *new)?;
            }
        }
        component.held = held;
        let row = ComponentRow { links: component.edges.len() as u64, due: false };
        if self.components.get(&self.view, number)? != Some(&row) {
            self.components.put(number, row);
        }

        // A part stays as it was if one person gives all of it, and gives nothing elsewhere.
        let labels = sets.into_labeling();
        let mut part_of_person: HashMap<PersonKey, usize> = HashMap::new();
        let mut person_of_part: HashMap<usize, Option<PersonKey>> = HashMap::new();
        let mut touched_parts: HashSet<usize> = HashSet::new();
        let mut touched_persons: BTreeSet<PersonKey> = BTreeSet::new();
        for (node, label) in component.nodes.iter().zip(&labels) {
            if *person_of_part.entry(*label).or_insert(node.person) != node.person || node.person.is_none() {
                touched_parts.insert(*label);
            }
            if let Some(person) = node.person
                && *part_of_person.entry(person).or_insert(*label) != *label
            {
                touched_persons.insert(person);
            }
        }
        for (node, label) in component.nodes.iter().zip(&labels) {
            let Some(person) = node.person else { continue };
            if touched_parts.contains(label) {
                touched_persons.insert(person);
            }
        }
        for (node, label) in component.nodes.iter().zip(&labels) {
            if node.person.is_some_and(|person| touched_persons.contains(&person)) {
                touched_parts.insert(*label);
            }
        }
        if touched_parts.is_empty() {
            return Ok(());
        }
        let mut parts: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, label) in labels.iter().enumerate() {
            if touched_parts.contains(label) {
                parts.entry(*label).or_default().push(at);
            }
        }
        let mut parts: Vec<Vec<usize>> = parts.into_values().collect();
        parts.sort_unstable();
        let before: Vec<PersonKey> = touched_persons.into_iter().collect();
        let ids: Vec<Vec<IdentifierId>> =
            parts.iter().map(|part| part.iter().map(|at| component.nodes[*at].id).collect()).collect();
        self.assign(&before, &ids, &vec![Some(number); ids.len()])?;
        for at in parts.into_iter().flatten() {
            let person = self.owner(component.nodes[at].id)?.and_then(|row| row.person());
            component.nodes[at].person = person;
        }
        Ok(())
    }
}
