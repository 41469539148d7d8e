//! Persons as rows: making them, moving members, and settling who is who after links changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::{HashMap, HashSet};
use petgraph::unionfind::UnionFind;

use super::changes::Tally;
use super::overlay::{Overlay, corrupt};
use crate::codec::{
    ComponentRow, DueRow, IdentifierRow, KeyBytes, Owner, OwnerRow, PersonChunk, PersonHead, PersonIdRow,
    StoredCause, StoredHold, StoredMember, time,
};
use crate::model::{HeldBackBy, IdentifierId, NamespaceId, OverrideKind, PersonId, PersonKey, Seq};
use crate::read::ReadResult;
use crate::resolve::{Ancestor, Counts, Edge, Partition, partition, succeed};
use crate::rules::ordered;

/// How many members a chunk holds: a person of so many is one point read, and a
/// change to a larger one rewrites no more than a chunk.
pub(crate) const CHUNK_MEMBERS: usize = 48;

/// A link between two person-scope identifiers that conducts since the write at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    pub(crate) a: IdentifierId,
    pub(crate) b: IdentifierId,
}

impl Overlay {
    /// The head of a person that a row names.
    pub(crate) fn head(&mut self, key: PersonKey) -> ReadResult<&mut PersonHead> {
        self.persons.get_mut(&self.view, (key, 0))?.and_then(|chunk| chunk.head.as_mut()).ok_or_else(|| {
            corrupt::<PersonChunk>(format!("person {} is named but does not exist", key.get()))
        })
    }

    /// The head of a person, to be read.
    pub(crate) fn read_head(&mut self, key: PersonKey) -> ReadResult<&PersonHead> {
        self.persons.get(&self.view, (key, 0))?.and_then(|chunk| chunk.head.as_ref()).ok_or_else(|| {
            corrupt::<PersonChunk>(format!("person {} is named but does not exist", key.get()))
        })
    }

    /// The identifiers of a person.
    pub(crate) fn members(&mut self, key: PersonKey) -> ReadResult<Vec<IdentifierId>> {
        let chunks = self.read_head(key)?.chunks;
        let mut members = Vec::new();
        for chunk in 0..chunks {
            if let Some(row) = self.persons.get(&self.view, (key, chunk))? {
                members.extend(row.members.iter().map(|member| IdentifierId::new(member.id)));
            }
        }
        Ok(members)
    }

    /// The identity of a person made now of `anchor`.
    fn new_identity(&mut self, anchor: IdentifierId) -> ReadResult<Identity> {
        let row = self.identifier(anchor)?;
        let id = PersonId::new(anchor, row.generations);
        row.generations += 1;
        Ok(Identity { born: self.counters.seq, id, created_at: self.now.micros() })
    }

    /// The identity of a living person.
    fn identity(&mut self, key: PersonKey) -> ReadResult<Identity> {
        let head = self.read_head(key)?;
        Ok(Identity { born: head.born, id: head.person_id(), created_at: head.created_at })
    }

    /// Rows for a person without members.
    fn create_person(&mut self, identity: Identity) -> PersonKey {
        let key = PersonKey::new(self.counters.next_person);
        self.counters.next_person += 1;
        self.counters.persons += 1;
        let head = PersonHead {
            id: identity.id.get(),
            born: identity.born,
            created_at: identity.created_at,
            size: 0,
            chunks: 1,
            counts: Vec::new(),
            household: None,
            component: None,
            overrides: 0,
        };
        self.persons.put((key, 0), PersonChunk { head: Some(head), members: Vec::new() });
        self.person_ids.put(identity.id, PersonIdRow::Living(key.get()));
        key
    }

    /// Gives the person at `key` this identity, and notes the raw component that it is a part of if a limit cuts that.
    fn identify(&mut self, key: PersonKey, identity: Identity, component: Option<u64>) -> ReadResult<()> {
        let head = self.read_head(key)?;
        if (head.id, head.component) != (identity.id.get(), component) {
            let head = self.head(key)?;
            head.id = identity.id.get();
            head.born = identity.born;
            head.created_at = identity.created_at;
            head.component = component;
        }
        let living = PersonIdRow::Living(key.get());
        if self.person_ids.get(&self.view, identity.id)? != Some(&living) {
            self.person_ids.put(identity.id, living);
        }
        Ok(())
    }

    /// Adds an identifier that is in no person.
    fn add_member(&mut self, key: PersonKey, id: IdentifierId) -> ReadResult<()> {
        let row = self.read_identifier(id)?;
        let overrides = row.overrides;
        let member = StoredMember { id: id.get(), namespace: row.namespace, value: row.value.clone() };
        self.put_member(key, member, overrides)
    }

    /// Adds a member that is in no person, on which so many overrides stand.
    fn put_member(&mut self, key: PersonKey, member: StoredMember, overrides: u32) -> ReadResult<()> {
        let id = IdentifierId::new(member.id);
        let head = self.head(key)?;
        head.size += 1;
        head.overrides += overrides;
        add_count(&mut head.counts, member.namespace, 1);
        let mut chunk = head.chunks - 1;
        let last = self.persons.get_mut(&self.view, (key, chunk))?;
        match last {
            Some(row) if row.members.len() < CHUNK_MEMBERS => row.members.push(member),
            // The last chunk is full, or was emptied and taken away.
            last => {
                if last.is_some() {
                    chunk += 1;
                    self.head(key)?.chunks += 1;
                }
                self.persons.put((key, chunk), PersonChunk { head: None, members: vec![member] });
            }
        }
        self.set_owner(id, Owner::Person { key: key.get(), chunk })
    }

    /// Takes an identifier out of the person it is in; gives it with the number of overrides on it.
    pub(super) fn remove_member(
        &mut self,
        key: PersonKey,
        chunk: u32,
        id: IdentifierId,
    ) -> ReadResult<(StoredMember, u32)> {
        let lost =
            || corrupt::<PersonChunk>(format!("identifier {} is not where its owner row says", id.get()));
        let row = self.persons.get_mut(&self.view, (key, chunk))?.ok_or_else(lost)?;
        let at = row.members.iter().position(|member| member.id == id.get()).ok_or_else(lost)?;
        let member = row.members.swap_remove(at);
        let emptied = chunk > 0 && row.members.is_empty();
        if emptied {
            self.persons.delete((key, chunk));
        }
        // Where none stands on the person, none stands on a member.
        let overrides = match self.read_head(key)?.overrides {
            0 => 0,
            _ => self.read_identifier(id)?.overrides,
        };
        let head = self.head(key)?;
        head.size -= 1;
        head.overrides -= overrides;
        add_count(&mut head.counts, member.namespace, -1);
        if emptied && chunk + 1 == head.chunks {
            head.chunks -= 1;
        }
        let sparse = head.chunks as usize > 4 + 4 * (head.size as usize).div_ceil(CHUNK_MEMBERS);
        if sparse {
            self.repack(key)?;
        }
        Ok((member, overrides))
    }

    /// Moves a person's members together after many have left.
    fn repack(&mut self, key: PersonKey) -> ReadResult<()> {
        let chunks = self.read_head(key)?.chunks;
        let mut members = Vec::new();
        for chunk in 0..chunks {
            if let Some(row) = self.persons.get_mut(&self.view, (key, chunk))? {
                members.append(&mut row.members);
                if chunk > 0 {
                    self.persons.delete((key, chunk));
                }
            }
        }
        let mut packed = 0;
        for (chunk, members) in members.chunks(CHUNK_MEMBERS).enumerate() {
            packed = chunk as u32;
            for member in members {
                let id = IdentifierId::new(member.id);
                self.set_owner(id, Owner::Person { key: key.get(), chunk: packed })?;
            }
            if chunk > 0 {
                self.persons.put((key, packed), PersonChunk { head: None, members: members.to_vec() });
            } else if let Some(first) = self.persons.get_mut(&self.view, (key, 0))? {
                first.members = members.to_vec();
            }
        }
        self.head(key)?.chunks = packed + 1;
        Ok(())
    }

    /// Moves an identifier to a person, from wherever it is.
    fn move_member(&mut self, id: IdentifierId, to: PersonKey) -> ReadResult<()> {
        if let Some(OwnerRow { owner: Owner::Person { key, chunk }, .. }) = self.owner(id)? {
            if key == to.get() {
                return Ok(());
            }
            let (member, overrides) = self.remove_member(PersonKey::new(key), chunk, id)?;
            return self.put_member(to, member, overrides);
        }
        self.add_member(to, id)
    }

    /// Takes away a person whose members have all gone elsewhere.
    pub(super) fn drop_person(&mut self, key: PersonKey) -> ReadResult<()> {
        let head = self.read_head(key)?;
        if head.size != 0 {
            return Err(corrupt::<PersonChunk>(format!("person {} is dropped with members", key.get())));
        }
        let (chunks, household) = (head.chunks, head.household);
        self.leave_household(key, household)?;
        for chunk in 0..chunks {
            self.persons.delete((key, chunk));
        }
        self.counters.persons -= 1;
        Ok(())
    }

    pub(crate) fn person_exists(&mut self, key: PersonKey) -> ReadResult<bool> {
        Ok(self.persons.get(&self.view, (key, 0))?.is_some())
    }

    /// Settles persons after an observation.
    ///
    /// `fresh` are person-scope identifiers that it made, `joins` the links that
    /// conduct since, `changed` those inside components that are cut which
    /// conduct as before and weigh otherwise, and `unsettled` identifiers whose
    /// raw components have to be looked at whole: ends of what conducts no
    /// longer, or what a newly shared identifier was tied to. Says whether whole
    /// persons were joined, and nothing else.
    pub(crate) fn settle_persons(
        &mut self,
        fresh: &[IdentifierId],
        joins: &[Join],
        changed: &[(IdentifierId, IdentifierId)],
        unsettled: BTreeSet<IdentifierId>,
    ) -> ReadResult<bool> {
        let mut seeds = unsettled;
        if seeds.is_empty() && changed.is_empty() {
            let unions = self.plan_unions(fresh, joins)?;
            if unions.iter().all(|union| union.plain) {
                for union in unions {
                    self.unite(&union)?;
                }
                return Ok(true);
            }
        }
        if seeds.is_empty() && self.settle_in_cut(fresh, joins, changed)? {
            return Ok(false);
        }
        seeds.extend(changed.iter().flat_map(|(a, b)| [*a, *b]));
        seeds.extend(fresh);
        seeds.extend(joins.iter().flat_map(|join| [join.a, join.b]));
        self.resettle(seeds).map(|()| false)
    }

    /// The unions that `joins` make of whole persons and fresh identifiers.
    fn plan_unions(&mut self, fresh: &[IdentifierId], joins: &[Join]) -> ReadResult<Vec<Union>> {
        let mut members: Vec<Party> = fresh.iter().map(|id| Party::Fresh(*id)).collect();
        let mut pairs = Vec::with_capacity(joins.len());
        for join in joins {
            let a = self.party(join.a, &mut members)?;
            let b = self.party(join.b, &mut members)?;
            pairs.push((a, b));
        }
        let mut sets: UnionFind<usize> = UnionFind::new(members.len());
        let mut inside = vec![false; members.len()];
        for (a, b) in pairs {
            if a == b {
                inside[a] = true;
            }
            sets.union(a, b);
        }
        let labels = sets.into_labeling();
        let mut unions: BTreeMap<usize, Union> = BTreeMap::new();
        let rules = std::sync::Arc::clone(&self.rules);
        for (at, party) in members.iter().enumerate() {
            let union = unions.entry(labels[at]).or_default();
            match party {
                Party::Fresh(id) => {
                    union.counts.add(self.namespace(*id)?.get(), 1);
                    union.fresh.push(*id);
                }
                Party::Person(key) => {
                    let head = self.read_head(*key)?;
                    for (namespace, count) in &head.counts {
                        union.counts.add(*namespace, *count);
                    }
                    union.cut |= head.component.is_some();
                    union.disputed += u32::from(head.overrides > 0);
                    union.joined_inside |= inside[at];
                    union.persons.push(*key);
                }
            }
        }
        Ok(unions
            .into_values()
            .map(|mut union| {
                let changes = !union.fresh.is_empty() || union.persons.len() > 1 || union.joined_inside;
                // A forbidden pair has an override at both of its ends: one such person alone can hold none.
                let within = union.disputed < 2 && rules.person_limits.broken(&union.counts).is_none();
                union.plain = !changes || (!union.cut && within);
                union
            })
            .collect())
    }

    fn party(&mut self, id: IdentifierId, parties: &mut Vec<Party>) -> ReadResult<usize> {
        let party = match self.owner(id)?.and_then(|row| row.person()) {
            Some(key) => Party::Person(key),
            None => Party::Fresh(id),
        };
        Ok(parties.iter().position(|known| *known == party).unwrap_or_else(|| {
            parties.push(party);
            parties.len() - 1
        }))
    }

    /// Makes one person of whole persons and fresh identifiers, within all limits.
    fn unite(&mut self, union: &Union) -> ReadResult<()> {
        if union.fresh.is_empty() && union.persons.len() < 2 {
            return Ok(());
        }
        let mut persons = Vec::with_capacity(union.persons.len());
        for key in &union.persons {
            persons.push((self.read_head(*key)?.size, *key, self.identity(*key)?));
        }
        // The rows of the largest stay where they are; the id of the oldest survives. Among
        // equals it goes by age: keys are others where the same came in by another way.
        let (into, survivor) =
            match persons.iter().max_by_key(|(size, _, identity)| (*size, std::cmp::Reverse(*identity))) {
                Some((_, key, largest)) => {
                    (*key, persons.iter().map(|(.., identity)| *identity).min().unwrap_or(*largest))
                }
                None => {
                    let Some(anchor) = union.fresh.iter().min() else { return Ok(()) };
                    let identity = self.new_identity(*anchor)?;
                    (self.create_person(identity), identity)
                }
            };
        let mut shares = Vec::with_capacity(persons.len() + 1);
        for (size, key, identity) in &persons {
            let share = Tally { from: Some(identity.id), to: survivor.id, count: *size, moved: Vec::new() };
            if identity.id != survivor.id {
                self.person_ids.put(identity.id, PersonIdRow::Merged(survivor.id.get()));
            }
            let moved = if *key == into { Vec::new() } else { self.absorb(*key, into)? };
            shares.push(Tally { moved, ..share });
        }
        self.identify(into, survivor, None)?;
        for id in &union.fresh {
            self.add_member(into, *id)?;
        }
        if !union.fresh.is_empty() {
            let count = union.fresh.len() as u32;
            shares.push(Tally { from: None, to: survivor.id, count, moved: union.fresh.clone() });
        }
        self.note_persons(shares);
        Ok(())
    }

    /// Moves everything of one person into another; returns its identifiers.
    fn absorb(&mut self, from: PersonKey, into: PersonKey) -> ReadResult<Vec<IdentifierId>> {
        self.move_homes(from, into)?;
        let members = self.members(from)?;
        for id in &members {
            self.move_member(*id, into)?;
        }
        self.drop_person(from)?;
        Ok(members)
    }

    /// Resolves anew all raw components that `seeds` are in, or were in before
    /// the write at hand. One that is too large for that waits for a cut of its own.
    pub(crate) fn resettle(&mut self, seeds: BTreeSet<IdentifierId>) -> ReadResult<()> {
        if self.is_beyond_inline(&seeds)? {
            return self.defer(&seeds);
        }
        match self.explore(&seeds, self.inline_limit, &[])? {
            Some(region) => self.settle_region(&region),
            None => self.defer(&seeds),
        }
    }

    /// Whether a seed is in a component that waits for a cut, or is known to be too large for one within a write.
    fn is_beyond_inline(&mut self, seeds: &BTreeSet<IdentifierId>) -> ReadResult<bool> {
        for id in seeds {
            let Some(person) = self.owner(*id)?.and_then(|row| row.person()) else { continue };
            if let Some(component) = self.read_head(person)?.component
                && let Some(row) = self.components.get(&self.view, component)?
                && (row.due || row.links > self.inline_limit as u64)
                && self.inline_limit != usize::MAX
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that the seeds' components wait for a cut. Until then persons stay
    /// as they are, and identifiers that are new are persons of their own.
    fn defer(&mut self, seeds: &BTreeSet<IdentifierId>) -> ReadResult<()> {
        let mut persons: BTreeSet<PersonKey> = BTreeSet::new();
        for id in seeds {
            if self.owner(*id)?.and_then(|row| row.person()).is_none() {
                self.unite(&Union { fresh: vec![*id], ..Union::default() })?;
            }
            persons.extend(self.owner(*id)?.and_then(|row| row.person()));
            if self.due.get(&self.view, *id)?.is_none() {
                self.due.put(*id, DueRow);
                self.counters.due += 1;
            }
        }
        let links = self.inline_limit as u64 + 1;
        let mut fresh = None;
        for person in persons {
            match self.read_head(person)?.component {
                Some(component) => {
                    self.cuts.forget(component);
                    let known = self.components.get(&self.view, component)?.copied();
                    let links = known.map_or(links, |row| row.links.max(links));
                    if known != Some(ComponentRow { links, due: true }) {
                        self.components.put(component, ComponentRow { links, due: true });
                    }
                }
                None => {
                    let component = match fresh {
                        Some(component) => component,
                        None => self.new_component(ComponentRow { links, due: true }),
                    };
                    fresh = Some(component);
                    self.head(person)?.component = Some(component);
                }
            }
        }
        Ok(())
    }

    fn new_component(&mut self, row: ComponentRow) -> u64 {
        let component = self.counters.next_component;
        self.counters.next_component += 1;
        self.components.put(component, row);
        component
    }

    /// Cuts all components that wait for it.
    pub(crate) fn settle_due(&mut self) -> ReadResult<()> {
        let rows = self.due.range(&self.view, KeyBytes::new(&[]), IdentifierId::new(0))?;
        let seeds: BTreeSet<IdentifierId> = rows.into_iter().map(|(id, _)| id).collect();
        for id in &seeds {
            self.due.delete(*id);
        }
        self.counters.due = 0;
        self.counters.seq += 1;
        self.cause = StoredCause::BackgroundCut;
        self.settle_around(&seeds)?;
        self.settle_households()
    }

    /// Settles everything around `seeds`, however large, and says what was seen.
    pub(crate) fn settle_around(&mut self, seeds: &BTreeSet<IdentifierId>) -> ReadResult<Vec<IdentifierId>> {
        let Some(region) = self.explore(seeds, usize::MAX, &[])? else { return Ok(Vec::new()) };
        self.settle_region(&region)?;
        Ok(region.nodes)
    }

    /// How many identifiers of a namespace are tied to one: they would conduct but for a shared end.
    pub(crate) fn count_ties(&mut self, id: IdentifierId, namespace: NamespaceId) -> ReadResult<u32> {
        let threshold = self.rules.person_threshold;
        if self.owner(id)?.is_some_and(|row| row.denied) || !self.rules.is_person(namespace) {
            return Ok(self.required_ties(id, namespace)?.len() as u32);
        }
        let said = self.overrides_of(id)?;
        let mut count = self.required_ties(id, namespace)?.len() as u32;
        for ((_, _, other), link) in self.links_of(id, Some(namespace))? {
            if link.weight >= threshold
                && !said.contains_key(&other)
                && !self.owner(other)?.is_some_and(|row| row.denied)
            {
                count += 1;
            }
        }
        Ok(count)
    }

    fn required_ties(&mut self, id: IdentifierId, namespace: NamespaceId) -> ReadResult<Vec<IdentifierId>> {
        let mut required = Vec::new();
        for (other, kind) in self.overrides_of(id)? {
            if kind == OverrideKind::Require && self.namespace(other)? == namespace {
                required.push(other);
            }
        }
        Ok(required)
    }

    fn settle_region(&mut self, region: &Region) -> ReadResult<()> {
        let mut kinds = Vec::with_capacity(region.nodes.len());
        for id in &region.nodes {
            kinds.push(self.namespace(*id)?.get());
        }
        let rules = std::sync::Arc::clone(&self.rules);
        let parted = partition(&kinds, &region.edges, &rules.person_limits, &region.forbidden, |edges| {
            let pairs: Vec<_> = edges
                .iter()
                .map(|at| (region.nodes[region.edges[*at].a], region.nodes[region.edges[*at].b]))
                .collect();
            self.order_by_names(&pairs)
        })?;
        for (edge, held) in region.edges.iter().zip(&parted.held) {
            self.set_held(region.nodes[edge.a], region.nodes[edge.b], *held)?;
        }
        for (a, b) in &region.slack {
            self.set_held(*a, *b, None)?;
        }
        let parts: Vec<Vec<IdentifierId>> =
            parted.parts.iter().map(|part| part.iter().map(|node| region.nodes[*node]).collect()).collect();
        let components = self.name_components(region, &parted)?;
        self.assign(&region.persons, &parts, &components)?;
        match components.first() {
            Some(Some(number))
                if parted.cut_edges.len() == 1
                    && region.edges.len() <= self.inline_limit
                    && components.iter().all(|component| component.is_some()) =>
            {
                self.keep_cut(*number, region, &kinds, &parted.held)
            }
            _ => Ok(()),
        }
    }

    /// Gives every raw component that is cut its number: the least that a person
    /// of it had and no other has taken, or a new one. A number that nobody took
    /// is gone, unless the whole store is resolved and others may have it yet.
    fn name_components(&mut self, region: &Region, parted: &Partition) -> ReadResult<Vec<Option<u64>>> {
        let mut had: BTreeSet<u64> = BTreeSet::new();
        for person in &region.persons {
            had.extend(self.read_head(*person)?.component);
        }
        for component in &had {
            self.cuts.forget(*component);
        }
        had.retain(|component| !self.given.as_ref().is_some_and(|given| given.contains(component)));
        let mut numbers: Vec<Option<u64>> = vec![None; parted.cut_edges.len()];
        for (part, cut) in parted.parts.iter().zip(&parted.cut) {
            let Some(cut) = *cut else { continue };
            for node in part {
                if numbers[cut].is_some() {
                    break;
                }
                if let Some(person) = self.owner(region.nodes[*node])?.and_then(|row| row.person())
                    && let Some(component) = self.read_head(person)?.component
                    && had.remove(&component)
                {
                    numbers[cut] = Some(component);
                }
            }
        }
        for (number, links) in numbers.iter_mut().zip(&parted.cut_edges) {
            let row = ComponentRow { links: *links, due: false };
            match number {
                Some(component) => {
                    if self.components.get(&self.view, *component)? != Some(&row) {
                        self.components.put(*component, row);
                    }
                }
                None => *number = Some(self.new_component(row)),
            }
        }
        match &mut self.given {
            Some(given) => given.extend(numbers.iter().flatten()),
            None => had.into_iter().for_each(|gone| self.components.delete(gone)),
        }
        Ok(parted.cut.iter().map(|cut| cut.and_then(|cut| numbers[cut])).collect())
    }

    /// Everything that resolution has to see to settle `seeds`: the closure of
    /// the seeds under links that conduct now, and under "was in the same
    /// person", up to the cut components at hand that are given. `None` where
    /// that is more than `most` links.
    pub(super) fn explore(
        &mut self,
        seeds: &BTreeSet<IdentifierId>,
        most: usize,
        up_to: &[u64],
    ) -> ReadResult<Option<Region>> {
        let mut region = Region::default();
        let mut place: HashMap<IdentifierId, usize> = HashMap::new();
        let mut known_persons: HashSet<PersonKey> = HashSet::new();
        let mut queue: VecDeque<IdentifierId> = seeds.iter().copied().collect();
        let mut found = Vec::new();
        let mut forbidden = Vec::new();
        let mut ties = Vec::new();
        while let Some(id) = queue.pop_front() {
            if place.contains_key(&id) {
                continue;
            }
            place.insert(id, region.nodes.len());
            region.nodes.push(id);
            if let Some(person) = self.owner(id)?.and_then(|row| row.person())
                && known_persons.insert(person)
            {
                region.persons.push(person);
                queue.extend(self.members(person)?);
            }
            ties.clear();
            self.ties_of(id, &mut ties)?;
            for tie in &ties {
                match tie.state {
                    TieState::Forbids => {
                        if id < tie.other {
                            forbidden.push((id, tie.other));
                        }
                    }
                    TieState::Conducts => {
                        if id < tie.other {
                            found.push((id, *tie));
                        }
                        if !up_to.iter().any(|number| self.cuts.holds(*number, tie.other)) {
                            queue.push_back(tie.other);
                        }
                    }
                    TieState::Idle => {}
                }
                if tie.state != TieState::Conducts && tie.held {
                    region.slack.push((id, tie.other));
                }
            }
            if found.len() > most {
                return Ok(None);
            }
        }
        for (id, tie) in found {
            if let (Some(a), Some(b)) = (place.get(&id), place.get(&tie.other)) {
                let (weight, last_seen, required) = (tie.weight, time(tie.last), tie.required);
                region.edges.push(Edge { a: *a, b: *b, weight, last_seen, required });
            }
        }
        for (a, b) in forbidden {
            if let (Some(a), Some(b)) = (place.get(&a), place.get(&b)) {
                region.forbidden.push((*a, *b));
            }
        }
        Ok(Some(region))
    }

    /// What ties a person-scope identifier to others of person scope: its links, and overrides on it.
    pub(crate) fn ties_of(&mut self, id: IdentifierId, ties: &mut Vec<Tie>) -> ReadResult<()> {
        let threshold = self.rules.person_threshold;
        let mut said = self.overrides_of(id)?;
        let conducts = self.may_conduct(id)?;
        for ((_, namespace, other), link) in self.links_of(id, None)? {
            if !self.rules.is_person(namespace) {
                continue;
            }
            let required = said.remove(&other);
            let state = match required {
                Some(OverrideKind::Require) => TieState::Conducts,
                Some(OverrideKind::Forbid) => TieState::Forbids,
                None if conducts && link.weight >= threshold && self.may_conduct(other)? => {
                    TieState::Conducts
                }
                None => TieState::Idle,
            };
            ties.push(Tie {
                other,
                state,
                weight: link.weight,
                last: link.last,
                required: required == Some(OverrideKind::Require),
                held: link.held.is_some(),
            });
        }
        // Pairs that nobody saw together. A required one goes by no weight and no time.
        for (other, kind) in said {
            let required = kind == OverrideKind::Require;
            let state = if required { TieState::Conducts } else { TieState::Forbids };
            ties.push(Tie { other, state, weight: 0.0, last: i64::MIN, required, held: false });
        }
        Ok(())
    }

    /// The overrides that stand on an identifier, by the other end.
    pub(crate) fn overrides_of(
        &mut self,
        id: IdentifierId,
    ) -> ReadResult<BTreeMap<IdentifierId, OverrideKind>> {
        if self.counters.overrides == 0
            || self.identifiers.get(&self.view, id)?.is_none_or(|row| row.overrides == 0)
        {
            return Ok(BTreeMap::new());
        }
        let prefix = KeyBytes::new(&[&id.get().to_be_bytes()]);
        let rows = self.overrides.range(&self.view, prefix, (id, IdentifierId::new(0)))?;
        Ok(rows.into_iter().map(|((_, other), said)| (other, said.kind())).collect())
    }

    /// Gives `parts`, which are made of the members of `before` and fresh
    /// identifiers, their persons; `components` says which raw component each
    /// is a part of, where a limit cuts that.
    pub(super) fn assign(
        &mut self,
        before: &[PersonKey],
        parts: &[Vec<IdentifierId>],
        components: &[Option<u64>],
    ) -> ReadResult<()> {
        let mut part_of: HashMap<IdentifierId, usize> = HashMap::new();
        // For each part, how many of its members each old person gives it.
        let mut shares: Vec<BTreeMap<PersonKey, u32>> = vec![BTreeMap::new(); parts.len()];
        let mut fresh: Vec<Vec<IdentifierId>> = vec![Vec::new(); parts.len()];
        for (part, ids) in parts.iter().enumerate() {
            for id in ids {
                part_of.insert(*id, part);
                match self.owner(*id)?.and_then(|row| row.person()) {
                    Some(person) => *shares[part].entry(person).or_default() += 1,
                    None => fresh[part].push(*id),
                }
            }
        }
        let mut ancestors = Vec::with_capacity(before.len());
        let mut identities: HashMap<PersonKey, Identity> = HashMap::with_capacity(before.len());
        for key in before {
            let identity = self.identity(*key)?;
            let anchor = identity.id.anchor();
            let mut heir = part_of.get(&anchor).copied();
            if heir.is_none() && self.identifiers.get(&self.view, anchor)?.is_none() {
                // As it was once, a person may have an anchor that was forgotten since: it goes
                // on where most of it is; of equals where the least identifier is.
                let count =
                    |part: &usize| (shares[*part].get(key), std::cmp::Reverse(parts[*part].iter().min()));
                heir = (0..parts.len()).filter(|part| shares[*part].contains_key(key)).max_by_key(count);
            }
            ancestors.push(Ancestor { id: identity.id, born: Seq::new(identity.born), heir });
            identities.insert(*key, identity);
        }
        let succession = succeed(&ancestors, parts.len());
        if let Some(at) = succession.ended.first() {
            let detail = format!("the anchor of {} is not among its members", ancestors[*at].id);
            return Err(corrupt::<PersonChunk>(detail));
        }
        for (at, survivor) in &succession.merged {
            self.person_ids.put(ancestors[*at].id, PersonIdRow::Merged(survivor.get()));
        }
        let mut settled = Vec::with_capacity(parts.len());
        for (part, keeps) in succession.keeps.iter().enumerate() {
            settled.push(match keeps {
                Some(at) => identities[&before[*at]],
                None => {
                    let anchor = parts[part].iter().min().copied().unwrap_or(IdentifierId::new(0));
                    self.new_identity(anchor)?
                }
            });
        }
        let placed = self.place_parts(before, parts, &shares, &settled, &identities)?;
        for (part, key) in placed.keys.iter().enumerate() {
            self.identify(*key, settled[part], components[part])?;
        }
        for key in placed.members_changed {
            if self.person_exists(key)? {
                self.rebuild_homes(key)?;
            }
        }

        let mut moved = placed.moved;
        let mut tallies = Vec::new();
        for (part, fresh) in fresh.into_iter().enumerate() {
            let to = settled[part].id;
            for (key, count) in &shares[part] {
                let moved = moved.remove(&(*key, part)).unwrap_or_default();
                tallies.push(Tally { from: Some(identities[key].id), to, count: *count, moved });
            }
            if !fresh.is_empty() {
                tallies.push(Tally { from: None, to, count: fresh.len() as u32, moved: fresh });
            }
        }
        self.note_persons(tallies);
        Ok(())
    }

    /// Moves members so that every part has its rows: each part gets the key of
    /// the old person that gives it most, if no larger part has it, or a new one.
    /// Among equals the part with the least identifier, and the older person, go
    /// first: whose rows stay decides whose household does.
    fn place_parts(
        &mut self,
        before: &[PersonKey],
        parts: &[Vec<IdentifierId>],
        shares: &[BTreeMap<PersonKey, u32>],
        identities: &[Identity],
        known: &HashMap<PersonKey, Identity>,
    ) -> ReadResult<Placed> {
        let least: Vec<Option<IdentifierId>> = parts.iter().map(|part| part.iter().min().copied()).collect();
        let mut wishes: Vec<(u32, usize, PersonKey)> = shares
            .iter()
            .enumerate()
            .flat_map(|(part, shares)| shares.iter().map(move |(key, count)| (*count, part, *key)))
            .collect();
        wishes.sort_unstable_by_key(|(count, part, key)| {
            (std::cmp::Reverse(*count), least[*part], known.get(key).copied(), *key)
        });
        let mut keys: Vec<Option<PersonKey>> = vec![None; parts.len()];
        let mut taken: HashSet<PersonKey> = HashSet::new();
        for (_, part, key) in wishes {
            if keys[part].is_none() && taken.insert(key) {
                keys[part] = Some(key);
            }
        }

        let mut placed = Placed::default();
        for (part, key) in keys.into_iter().enumerate() {
            placed.keys.push(key.unwrap_or_else(|| self.create_person(identities[part])));
        }
        for (part, ids) in parts.iter().enumerate() {
            let to = placed.keys[part];
            for id in ids {
                let from = self.owner(*id)?.and_then(|row| row.person());
                if from == Some(to) {
                    continue;
                }
                placed.members_changed.insert(to);
                if let Some(from) = from {
                    placed.members_changed.insert(from);
                    placed.moved.entry((from, part)).or_default().push(*id);
                }
                self.move_member(*id, to)?;
            }
        }
        for key in before {
            if !taken.contains(key) {
                self.clear_homes(*key)?;
                self.drop_person(*key)?;
            }
        }
        Ok(placed)
    }

    /// For each pair of identifiers its place when all pairs are sorted by
    /// (namespace, value) of the lesser, then of the greater.
    pub(crate) fn order_by_names(&mut self, pairs: &[(IdentifierId, IdentifierId)]) -> ReadResult<Vec<u32>> {
        let mut ids: Vec<IdentifierId> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            let missing = || corrupt::<IdentifierRow>(format!("identifier {} does not exist", id.get()));
            let row = self.identifiers.get(&self.view, id)?.ok_or_else(missing)?;
            named.push((
                self.names.namespace_name(NamespaceId::new(row.namespace)).to_owned(),
                row.value.clone(),
                id,
            ));
        }
        named.sort_unstable();
        let rank: HashMap<IdentifierId, u32> =
            named.iter().enumerate().map(|(at, (.., id))| (*id, at as u32)).collect();
        let mut order: Vec<((u32, u32), usize)> = pairs
            .iter()
            .enumerate()
            .map(|(at, (a, b))| {
                let (a, b) = (rank[a], rank[b]);
                ((a.min(b), a.max(b)), at)
            })
            .collect();
        order.sort_unstable();
        let mut places = vec![0; pairs.len()];
        for (place, (_, at)) in order.into_iter().enumerate() {
            places[at] = place as u32;
        }
        Ok(places)
    }

    /// Notes on a link what holds it back, in both directions.
    pub(crate) fn set_held(
        &mut self,
        a: IdentifierId,
        b: IdentifierId,
        held: Option<HeldBackBy>,
    ) -> ReadResult<()> {
        let (a, b) = ordered(a, b);
        let held = held.map(StoredHold::from);
        let (of_a, of_b) = (self.namespace(a)?, self.namespace(b)?);
        // A required pair may have no link.
        let Some(link) = self.links.get(&self.view, (a, of_b, b))? else { return Ok(()) };
        let before = link.held;
        if before == held {
            return Ok(());
        }
        match (before.is_some(), held.is_some()) {
            (false, true) => self.counters.held_back += 1,
            (true, false) => self.counters.held_back -= 1,
            _ => {}
        }
        for key in [(a, of_b, b), (b, of_a, a)] {
            if let Some(link) = self.links.get_mut(&self.view, key)? {
                link.held = held;
            }
        }
        Ok(())
    }

    /// The least key and prefix of the rows that belong to a person.
    pub(crate) fn person_prefix(key: PersonKey) -> KeyBytes {
        KeyBytes::new(&[&key.get().to_be_bytes()])
    }
}

pub(super) fn add_count(counts: &mut Vec<(u16, u32)>, namespace: u16, change: i64) {
    match counts.binary_search_by_key(&namespace, |(known, _)| *known) {
        Ok(at) => {
            counts[at].1 = (i64::from(counts[at].1) + change).max(0) as u32;
            if counts[at].1 == 0 {
                counts.remove(at);
            }
        }
        Err(at) if change > 0 => counts.insert(at, (namespace, change as u32)),
        Err(_) => {}
    }
}

/// Which person it is. Ordered by age, so that the least is the one that survives a merge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Identity {
    born: u64,
    id: PersonId,
    created_at: i64,
}

/// One that takes part in a union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Party {
    Person(PersonKey),
    Fresh(IdentifierId),
}

/// Whole persons and fresh identifiers that conducting links join.
#[derive(Default, Debug)]
struct Union {
    persons: Vec<PersonKey>,
    fresh: Vec<IdentifierId>,
    counts: Counts,
    cut: bool,
    /// How many of the persons have overrides on their identifiers.
    disputed: u32,
    joined_inside: bool,
    /// Whether it can be made without looking at links: nothing was cut, and no limit breaks.
    plain: bool,
}

/// What resolution has to see.
#[derive(Default)]
pub(super) struct Region {
    pub(super) nodes: Vec<IdentifierId>,
    pub(super) edges: Vec<Edge>,
    /// Pairs of nodes that may not be one person.
    pub(super) forbidden: Vec<(usize, usize)>,
    /// Links that were held back and do not conduct any longer.
    pub(super) slack: Vec<(IdentifierId, IdentifierId)>,
    pub(super) persons: Vec<PersonKey>,
}

/// What ties one identifier to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tie {
    pub(crate) other: IdentifierId,
    pub(crate) state: TieState,
    pub(crate) weight: f64,
    pub(crate) last: i64,
    pub(crate) required: bool,
    /// Whether the link is held back now.
    held: bool,
}

/// What a tie does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TieState {
    Conducts,
    /// The pair may not be one person.
    Forbids,
    /// It is a link that does not conduct.
    Idle,
}

/// Where the parts went.
#[derive(Default)]
struct Placed {
    /// For each part its key.
    keys: Vec<PersonKey>,
    members_changed: BTreeSet<PersonKey>,
    /// Which identifiers went from an old person to a part.
    moved: HashMap<(PersonKey, usize), Vec<IdentifierId>>,
}
