//! Components that a limit cuts, kept in memory from one write to the next.
//!
//! A link that comes into such a component can move the cut anywhere in it; but
//! its links need not be read again for that, and only what comes out otherwise
//! is written. Whatever else the link brings in, whole persons or another
//! component, is added to the largest that is at hand, so that a component that
//! swallows many small ones is not read again for each.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use petgraph::unionfind::UnionFind;

use super::overlay::Overlay;
use super::persons::{Join, Region};
use crate::codec::{ComponentRow, time};
use crate::model::{HeldBackBy, IdentifierId, PersonKey};
use crate::read::ReadResult;
use crate::resolve::{Edge, Name, Settled, Standing};
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
        self.take(component);
    }

    fn take(&mut self, component: u64) -> Option<Component> {
        let taken = self.components.remove(&component);
        self.links -= taken.as_ref().map_or(0, Component::links);
        taken
    }

    fn keep(&mut self, number: u64, component: Component, most: usize) {
        self.forget(number);
        // Which of them will be needed next nobody knows: when there are too many, all go.
        if self.links + component.links() > most {
            self.components.clear();
            self.links = 0;
        }
        self.links += component.links();
        self.components.insert(number, component);
    }

    pub(super) fn holds(&self, component: u64, id: IdentifierId) -> bool {
        self.components.get(&component).is_some_and(|component| component.place.contains_key(&id))
    }
}

/// A raw component that a limit cuts; its nodes are identifiers.
struct Component {
    standing: Standing,
    ids: Vec<IdentifierId>,
    place: HashMap<IdentifierId, usize>,
}

impl Component {
    fn links(&self) -> usize {
        self.standing.edges().len()
    }

    fn add(&mut self, id: IdentifierId, kind: u16, name: Name) {
        if !self.place.contains_key(&id) {
            self.place.insert(id, self.standing.add_node(kind, name));
            self.ids.push(id);
        }
    }
}

/// A link inside a component that was cut, or into it, that is new or weighs otherwise.
pub(crate) type Stronger = (IdentifierId, IdentifierId);

/// What links tie to a component at hand.
struct Tied {
    /// The largest component at hand.
    number: u64,
    /// Other components at hand.
    others: BTreeSet<u64>,
    /// Identifiers that are in none.
    outside: BTreeSet<IdentifierId>,
}

impl Overlay {
    fn most_cut_links(&self) -> usize {
        4 * self.inline_limit.min(1 << 20)
    }

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
            nodes.push((*kind, self.name_of(*id)?));
        }
        let component = Component {
            standing: Standing::new(nodes, &region.edges, held, region.forbidden.clone()),
            place: region.nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect(),
            ids: region.nodes.clone(),
        };
        self.cuts.keep(number, component, self.most_cut_links());
        Ok(())
    }

    fn name_of(&mut self, id: IdentifierId) -> ReadResult<Name> {
        let namespace = self.namespace(id)?;
        let name = self.names.namespace_name(namespace).to_owned();
        Ok((name, self.identifier_value(id)?))
    }

    /// Settles links that came into a component that is at hand, or changed
    /// there, with all that they tie to it; says whether that was so. `fresh`
    /// are identifiers in no person.
    pub(crate) fn settle_in_cut(
        &mut self,
        fresh: &[IdentifierId],
        joins: &[Join],
        changed: &[Stronger],
    ) -> ReadResult<bool> {
        let pairs: Vec<(IdentifierId, IdentifierId)> =
            joins.iter().map(|join| (join.a, join.b)).chain(changed.iter().copied()).collect();
        let Some(tied) = self.tied_to_cut(fresh, &pairs)? else { return Ok(false) };
        let Some(region) = self.explore_beyond(&tied, &pairs)? else { return Ok(false) };
        let Some(mut component) = self.cuts.take(tied.number) else { return Ok(false) };
        for id in &region.nodes {
            component.add(*id, self.namespace(*id)?.get(), self.name_of(*id)?);
        }
        // What is brought in may have been held back by a cut of its own.
        let mut brought = Vec::with_capacity(region.edges.len());
        for edge in &region.edges {
            let ends = (component.place[&region.nodes[edge.a]], component.place[&region.nodes[edge.b]]);
            brought.push(component.standing.set_edge(Edge { a: ends.0, b: ends.1, ..*edge }));
        }
        for number in &tied.others {
            let Some(other) = self.cuts.take(*number) else { continue };
            for (at, id) in other.ids.iter().enumerate() {
                let (kind, name) = other.standing.node(at);
                component.add(*id, kind, name.clone());
            }
            for edge in other.standing.edges() {
                let ends = (component.place[&other.ids[edge.a]], component.place[&other.ids[edge.b]]);
                brought.push(component.standing.set_edge(Edge { a: ends.0, b: ends.1, ..*edge }));
            }
        }
        for (a, b) in &region.slack {
            self.set_held(*a, *b, None)?;
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
            component.standing.set_edge(Edge { a: from, b: to, weight, last_seen, required: false });
        }
        let mut swallowed = tied.others;
        for person in &region.persons {
            swallowed.extend(self.read_head(*person)?.component);
        }
        swallowed.remove(&tied.number);
        for number in swallowed {
            self.components.delete(number);
        }
        self.cut_again(tied.number, &mut component, &brought)?;
        self.cuts.keep(tied.number, component, self.most_cut_links());
        Ok(true)
    }

    /// What `pairs` tie together, if any of it is at hand and that can be settled
    /// there: nobody has a say in it, and no cut of it is due.
    fn tied_to_cut(
        &mut self,
        fresh: &[IdentifierId],
        pairs: &[(IdentifierId, IdentifierId)],
    ) -> ReadResult<Option<Tied>> {
        let mut numbers = BTreeSet::new();
        let mut outside: BTreeSet<IdentifierId> = BTreeSet::new();
        for id in pairs.iter().flat_map(|(a, b)| [*a, *b]) {
            let Some(person) = self.owner(id)?.and_then(|row| row.person()) else {
                outside.insert(id);
                continue;
            };
            let head = self.read_head(person)?;
            let (overrides, component) = (head.overrides, head.component);
            if overrides > 0 {
                return Ok(None);
            }
            match component {
                Some(number) if self.cuts.components.contains_key(&number) => {
                    numbers.insert(number);
                }
                _ => {
                    outside.insert(id);
                }
            }
        }
        // Fresh identifiers that nothing ties are not for here.
        if !fresh.iter().all(|id| outside.contains(id)) {
            return Ok(None);
        }
        for number in &numbers {
            if self.components.get(&self.view, *number)?.is_none_or(|row| row.due) {
                return Ok(None);
            }
        }
        let links = |number: &u64| self.cuts.components.get(number).map_or(0, Component::links);
        let Some(number) = numbers.iter().copied().max_by_key(|number| (links(number), *number)) else {
            return Ok(None);
        };
        numbers.remove(&number);
        for other in &numbers {
            if !self.may_be_swallowed(*other)? {
                return Ok(None);
            }
        }
        Ok(Some(Tied { number, others: numbers, outside }))
    }

    /// Whether nobody has a say in any identifier of a component at hand.
    fn may_be_swallowed(&mut self, number: u64) -> ReadResult<bool> {
        let Some(component) = self.cuts.components.get(&number) else { return Ok(false) };
        if component.standing.has_forbidden() {
            return Ok(false);
        }
        for id in component.ids.clone() {
            if let Some(person) = self.owner(id)?.and_then(|row| row.person())
                && self.read_head(person)?.overrides > 0
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is tied to components at hand and is in none of them; `None` where
    /// that cannot be settled there: it is too large, people have a say in it, a
    /// cut of it is due, or it is not one with them.
    fn explore_beyond(
        &mut self,
        tied: &Tied,
        pairs: &[(IdentifierId, IdentifierId)],
    ) -> ReadResult<Option<Region>> {
        let at_hand: Vec<u64> = std::iter::once(tied.number).chain(tied.others.iter().copied()).collect();
        let links: usize =
            at_hand.iter().filter_map(|number| self.cuts.components.get(number)).map(Component::links).sum();
        let Some(most) = self.inline_limit.checked_sub(links + pairs.len()) else { return Ok(None) };
        let Some(region) = self.explore(&tied.outside, most, &at_hand)? else { return Ok(None) };
        for person in &region.persons {
            let head = self.read_head(*person)?;
            let (overrides, component) = (head.overrides, head.component);
            if overrides > 0 {
                return Ok(None);
            }
            if let Some(component) = component
                && self.components.get(&self.view, component)?.is_some_and(|row| row.due)
            {
                return Ok(None);
            }
        }
        // What is at hand stands for one node each, after those of the region.
        let place: HashMap<IdentifierId, usize> =
            region.nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut sets: UnionFind<usize> = UnionFind::new(region.nodes.len() + at_hand.len());
        for edge in &region.edges {
            sets.union(edge.a, edge.b);
        }
        let node = |id: &IdentifierId| {
            let of_hand = || at_hand.iter().position(|number| self.cuts.holds(*number, *id));
            place.get(id).copied().or_else(|| of_hand().map(|at| region.nodes.len() + at))
        };
        for (a, b) in pairs {
            let (Some(a), Some(b)) = (node(a), node(b)) else { return Ok(None) };
            sets.union(a, b);
        }
        let labels = sets.into_labeling();
        Ok(labels.iter().all(|label| *label == labels[0]).then_some(region))
    }

    /// Cuts a component again and writes what comes out otherwise than before;
    /// `brought` are edges of which only the links say what held them back.
    fn cut_again(&mut self, number: u64, component: &mut Component, brought: &[usize]) -> ReadResult<()> {
        let rules = std::sync::Arc::clone(&self.rules);
        let Settled { held, parts } = component.standing.settle(&rules.person_limits);
        for at in held.iter().chain(brought) {
            let edge = component.standing.edges()[*at];
            self.set_held(component.ids[edge.a], component.ids[edge.b], component.standing.held(*at))?;
        }
        let row = ComponentRow { links: component.links() as u64, due: false };
        if self.components.get(&self.view, number)? != Some(&row) {
            self.components.put(number, row);
        }
        if parts.is_empty() {
            return Ok(());
        }
        let parts: Vec<Vec<IdentifierId>> =
            parts.iter().map(|part| part.iter().map(|at| component.ids[*at]).collect()).collect();
        let mut before: BTreeSet<PersonKey> = BTreeSet::new();
        for id in parts.iter().flatten() {
            before.extend(self.owner(*id)?.and_then(|row| row.person()));
        }
        let before: Vec<PersonKey> = before.into_iter().collect();
        self.assign(&before, &parts, &vec![Some(number); parts.len()])
    }
}
