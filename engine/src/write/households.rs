//! Households as rows: where persons live, and settling who lives with whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::{HashMap, HashSet};

use super::changes::HouseholdStep;
use super::overlay::{Overlay, corrupt};
use crate::codec::{
    HomeKey, HomeRow, HouseholdHead, HouseholdIdRow, HouseholdMemberRow, IdentifierRow, KeyBytes, LinkRow,
    Owner, OwnerRow, ResidentRow, StoredHold, time,
};
use crate::model::{HeldBackBy, HouseholdId, HouseholdKey, HouseholdMember, IdentifierId, PersonKey, Seq};
use crate::read::ReadResult;
use crate::resolve::{Ancestor, Edge, Limits, household_kind, partition, succeed};

impl Overlay {
    pub(crate) fn homes_of(&self, person: PersonKey) -> ReadResult<Vec<(HomeKey, HomeRow)>> {
        let from = (person, IdentifierId::new(0));
        self.homes.range(&self.view, Self::person_prefix(person), from)
    }

    pub(crate) fn residents_of(&self, home: IdentifierId) -> ReadResult<Vec<PersonKey>> {
        let prefix = KeyBytes::new(&[&home.get().to_be_bytes()]);
        let rows = self.residents.range(&self.view, prefix, (home, PersonKey::new(0)))?;
        Ok(rows.into_iter().map(|((_, person), _)| person).collect())
    }

    /// Sets where a person lives. What holds the person back is told on the link by which it lives there, too.
    fn put_home(&mut self, person: PersonKey, home: IdentifierId, row: HomeRow) -> ReadResult<()> {
        match self.homes.get(&self.view, (person, home))?.copied() {
            None => {
                self.residents.put((home, person), ResidentRow);
                self.identifier(home)?.residents += 1;
                self.touched.residents.insert(home);
                self.touched.lived.insert((person, home));
            }
            Some(known) if known.held.is_some() && known.via != row.via => {
                self.set_held(IdentifierId::new(known.via), home, None)?;
            }
            Some(_) => {}
        }
        self.set_held(IdentifierId::new(row.via), home, row.held.map(HeldBackBy::from))?;
        self.homes.put((person, home), row);
        self.touched.persons.insert(person);
        Ok(())
    }

    /// Notes what holds a person back from where it lives.
    fn hold_home(
        &mut self,
        person: PersonKey,
        home: IdentifierId,
        held: Option<HeldBackBy>,
    ) -> ReadResult<()> {
        let stored = held.map(StoredHold::from);
        if let Some(row) = self.homes.get(&self.view, (person, home))?.copied()
            && row.held != stored
        {
            self.homes.put((person, home), HomeRow { held: stored, ..row });
            self.set_held(IdentifierId::new(row.via), home, held)?;
        }
        Ok(())
    }

    fn delete_home(&mut self, person: PersonKey, home: IdentifierId) -> ReadResult<()> {
        if let Some(known) = self.homes.get(&self.view, (person, home))?.copied()
            && known.held.is_some()
        {
            self.set_held(IdentifierId::new(known.via), home, None)?;
        }
        self.homes.delete((person, home));
        self.residents.delete((home, person));
        self.identifier(home)?.residents -= 1;
        self.touched.residents.insert(home);
        Ok(())
    }

    /// Notes that a member of a person has a link of this strength to a
    /// household-scope identifier; the strongest of all members counts.
    pub(crate) fn offer_home(
        &mut self,
        person: PersonKey,
        home: IdentifierId,
        offer: HomeRow,
    ) -> ReadResult<()> {
        let best = match self.homes.get(&self.view, (person, home))?.copied() {
            Some(known) if known.via == offer.via => HomeRow { held: known.held, ..offer },
            Some(known) => {
                if !self.is_stronger(&offer, &known, home)? {
                    return Ok(());
                }
                HomeRow { held: known.held, ..offer }
            }
            None => offer,
        };
        if self.homes.get(&self.view, (person, home))? != Some(&best) {
            self.put_home(person, home, best)?;
        }
        Ok(())
    }

    /// Whether one link to `home` goes before another: by weight, then last event time, then names.
    pub(super) fn is_stronger(
        &mut self,
        one: &HomeRow,
        other: &HomeRow,
        home: IdentifierId,
    ) -> ReadResult<bool> {
        let by_strength = one.weight.total_cmp(&other.weight).then(one.last.cmp(&other.last));
        if by_strength.is_ne() || one.via == other.via {
            return Ok(by_strength.is_gt());
        }
        let pairs = [(IdentifierId::new(one.via), home), (IdentifierId::new(other.via), home)];
        let places = self.order_by_names(&pairs)?;
        Ok(places[0] < places[1])
    }

    /// Moves where one person lives to another that takes it in.
    pub(crate) fn move_homes(&mut self, from: PersonKey, into: PersonKey) -> ReadResult<()> {
        for ((_, home), row) in self.homes_of(from)? {
            self.delete_home(from, home)?;
            // Both lived there: even where the stronger link is known, there is one resident less.
            self.touched.persons.insert(into);
            self.offer_home(into, home, HomeRow { held: None, ..row })?;
        }
        if self.read_head(from)?.household.is_some() {
            self.touched.persons.insert(into);
        }
        Ok(())
    }

    /// Forgets where a person lives that is about to go.
    pub(crate) fn clear_homes(&mut self, person: PersonKey) -> ReadResult<()> {
        for ((_, home), _) in self.homes_of(person)? {
            self.delete_home(person, home)?;
        }
        Ok(())
    }

    /// Works out anew where a person lives, from its members' links.
    pub(crate) fn rebuild_homes(&mut self, person: PersonKey) -> ReadResult<()> {
        let threshold = self.rules.household_threshold;
        let namespaces = self.rules.household_namespaces.clone();
        let mut best: BTreeMap<IdentifierId, HomeRow> = BTreeMap::new();
        for member in self.members(person)? {
            let has_none = self.identifiers.get(&self.view, member)?.is_none_or(|row| row.home_links == 0);
            if has_none || self.is_denied(member)? {
                continue;
            }
            for namespace in &namespaces {
                for ((.., home), link) in self.links_of(member, Some(*namespace))? {
                    if link.weight < threshold {
                        continue;
                    }
                    let offer =
                        HomeRow { weight: link.weight, last: link.last, via: member.get(), held: None };
                    let wins = match best.get(&home).copied() {
                        Some(known) => self.is_stronger(&offer, &known, home)?,
                        None => true,
                    };
                    if wins {
                        best.insert(home, offer);
                    }
                }
            }
        }
        for ((_, home), known) in self.homes_of(person)? {
            match best.remove(&home) {
                None => {
                    self.delete_home(person, home)?;
                    self.touched.persons.insert(person);
                }
                Some(row) => {
                    // The mark on another link may be taken off by whoever that link's end has left.
                    let held = known.held.filter(|_| row.via == known.via);
                    let row = HomeRow { held, ..row };
                    if row != known {
                        self.put_home(person, home, row)?;
                    }
                }
            }
        }
        for (home, row) in best {
            self.put_home(person, home, row)?;
        }
        Ok(())
    }

    /// Takes a person that is about to go out of its household.
    pub(crate) fn leave_household(&mut self, person: PersonKey, household: Option<u64>) -> ReadResult<()> {
        if let Some(household) = household.map(HouseholdKey::new) {
            self.touched.households.insert(household);
            self.household_members.delete((household, HouseholdMember::Person(person)));
            self.household_head(household)?.persons -= 1;
        }
        self.touched.persons.remove(&person);
        Ok(())
    }

    pub(super) fn household_head(&mut self, key: HouseholdKey) -> ReadResult<&mut HouseholdHead> {
        self.households.get_mut(&self.view, key)?.ok_or_else(|| {
            corrupt::<HouseholdHead>(format!("household {} is named but does not exist", key.get()))
        })
    }

    pub(crate) fn household_rows(&self, key: HouseholdKey) -> ReadResult<Vec<HouseholdMember>> {
        let prefix = KeyBytes::new(&[&key.get().to_be_bytes()]);
        let from = (key, HouseholdMember::Person(PersonKey::new(0)));
        let rows = self.household_members.range(&self.view, prefix, from)?;
        Ok(rows.into_iter().map(|((_, member), _)| member).collect())
    }

    pub(crate) fn household_of(&mut self, member: HouseholdMember) -> ReadResult<Option<HouseholdKey>> {
        match member {
            HouseholdMember::Person(person) => Ok(self.read_head(person)?.household.map(HouseholdKey::new)),
            HouseholdMember::Identifier(id) => Ok(self.owner(id)?.and_then(|row| row.household())),
        }
    }

    /// Settles households after persons are settled.
    pub(crate) fn settle_households(&mut self) -> ReadResult<()> {
        self.settle_shared_homes()?;
        self.touched.lived.clear();
        let persons = std::mem::take(&mut self.touched.persons);
        let identifiers = std::mem::take(&mut self.touched.identifiers);
        let households = std::mem::take(&mut self.touched.households);
        if persons.is_empty() && identifiers.is_empty() && households.is_empty() {
            return Ok(());
        }
        let mut seeds: BTreeSet<HouseholdMember> = BTreeSet::new();
        seeds.extend(persons.into_iter().map(HouseholdMember::Person));
        seeds.extend(identifiers.into_iter().map(HouseholdMember::Identifier));
        for household in &households {
            seeds.extend(self.household_rows(*household)?);
        }
        let region = self.explore_households(seeds, households)?;
        self.resettle_households(&region)
    }

    /// Marks, or marks no longer, as shared where persons have moved in or out; says whether any mark is another.
    pub(super) fn settle_shared_homes(&mut self) -> ReadResult<bool> {
        let mut any = false;
        for home in std::mem::take(&mut self.touched.residents) {
            any |= self.settle_shared_home(home)?;
        }
        Ok(any)
    }

    /// Marks a household-scope identifier as shared when more persons are tied
    /// to it than its namespace allows, and takes the mark off again; says whether it did either.
    fn settle_shared_home(&mut self, home: IdentifierId) -> ReadResult<bool> {
        let row = self.read_identifier(home)?;
        let (namespace, residents) = (row.namespace, row.residents);
        let rule = self.rules.of(crate::model::NamespaceId::new(namespace));
        let shared = rule.shared_above_persons.is_some_and(|most| residents > most);
        let Some(owner) = self.owner(home)?.filter(|owner| owner.shared != shared) else { return Ok(false) };
        self.owners.put(home, OwnerRow { shared, ..owner });
        self.touched.identifiers.insert(home);
        let residents = self.residents_of(home)?;
        self.touched.persons.extend(residents);
        let linked = self.linked_homes(home)?;
        self.touched.identifiers.extend(linked.into_iter().map(|(other, _)| other));
        Ok(true)
    }

    /// The household-scope identifiers that a link of enough weight ties to one, with that link.
    pub(super) fn linked_homes(&mut self, home: IdentifierId) -> ReadResult<Vec<(IdentifierId, LinkRow)>> {
        let mut linked = Vec::new();
        if self.read_identifier(home)?.home_links > 0 {
            for namespace in self.rules.household_namespaces.clone() {
                for ((.., other), link) in self.links_of(home, Some(namespace))? {
                    if link.weight >= self.rules.household_threshold {
                        linked.push((other, link));
                    }
                }
            }
        }
        Ok(linked)
    }

    /// The closure of the seeds under what conducts at household level now, and
    /// under "was in the same household".
    fn explore_households(
        &mut self,
        seeds: BTreeSet<HouseholdMember>,
        mut known: BTreeSet<HouseholdKey>,
    ) -> ReadResult<Region> {
        let mut region = Region { households: known.iter().copied().collect(), ..Region::default() };
        let mut place: HashMap<HouseholdMember, usize> = HashMap::new();
        let mut queue: VecDeque<HouseholdMember> = seeds.into_iter().collect();
        let mut found = Vec::new();
        while let Some(node) = queue.pop_front() {
            if place.contains_key(&node) {
                continue;
            }
            place.insert(node, region.nodes.len());
            region.nodes.push(node);
            if let Some(household) = self.household_of(node)?
                && known.insert(household)
            {
                region.households.push(household);
                queue.extend(self.household_rows(household)?);
            }
            match node {
                HouseholdMember::Person(person) => {
                    for ((_, home), row) in self.homes_of(person)? {
                        if !self.may_conduct(home)? {
                            self.hold_home(person, home, None)?;
                            continue;
                        }
                        let via = IdentifierId::new(row.via);
                        found.push((
                            node,
                            HouseholdMember::Identifier(home),
                            (via, home),
                            row.weight,
                            row.last,
                        ));
                        queue.push_back(HouseholdMember::Identifier(home));
                    }
                }
                HouseholdMember::Identifier(home) => {
                    if !self.may_conduct(home)? {
                        continue;
                    }
                    queue.extend(self.residents_of(home)?.into_iter().map(HouseholdMember::Person));
                    for (other, link) in self.linked_homes(home)? {
                        let other_node = HouseholdMember::Identifier(other);
                        if !self.may_conduct(other)? {
                            if link.held.is_some() {
                                self.set_held(home, other, None)?;
                            }
                            continue;
                        }
                        if home < other {
                            found.push((node, other_node, (home, other), link.weight, link.last));
                        }
                        queue.push_back(other_node);
                    }
                }
            }
        }
        for (a, b, names, weight, last) in found {
            if let (Some(a), Some(b)) = (place.get(&a), place.get(&b)) {
                region.edges.push(Edge { a: *a, b: *b, weight, last_seen: time(last), required: false });
                region.names.push(names);
            }
        }
        Ok(region)
    }

    fn resettle_households(&mut self, region: &Region) -> ReadResult<()> {
        let kinds: Vec<u16> = region.nodes.iter().map(household_kind).collect();
        let limits = Limits::of_household(self.rules.max_persons);
        let parted = partition(&kinds, &region.edges, &limits, &[], |edges| {
            let pairs: Vec<_> = edges.iter().map(|at| region.names[*at]).collect();
            self.order_by_names(&pairs)
        })?;
        for (edge, held) in region.edges.iter().zip(&parted.held) {
            match (region.nodes[edge.a], region.nodes[edge.b]) {
                (HouseholdMember::Person(person), HouseholdMember::Identifier(home)) => {
                    self.hold_home(person, home, *held)?;
                }
                (HouseholdMember::Identifier(a), HouseholdMember::Identifier(b)) => {
                    self.set_held(a, b, *held)?
                }
                (_, HouseholdMember::Person(_)) => {}
            }
        }
        // Persons alone, and places where nobody lives, are no households.
        let homes: Vec<Vec<HouseholdMember>> = parted
            .parts
            .iter()
            .map(|part| part.iter().map(|node| region.nodes[*node]).collect::<Vec<_>>())
            .filter(|part| {
                part.iter().any(|node| matches!(node, HouseholdMember::Person(_)))
                    && part.iter().any(|node| matches!(node, HouseholdMember::Identifier(_)))
            })
            .collect();
        self.assign_households(region, &homes)
    }

    fn assign_households(&mut self, region: &Region, parts: &[Vec<HouseholdMember>]) -> ReadResult<()> {
        let mut part_of: HashMap<HouseholdMember, usize> = HashMap::new();
        for (at, part) in parts.iter().enumerate() {
            part_of.extend(part.iter().map(|member| (*member, at)));
        }
        let mut before: HashMap<HouseholdMember, HouseholdKey> = HashMap::new();
        let mut shares: BTreeMap<HouseholdKey, BTreeMap<usize, u32>> = BTreeMap::new();
        for node in &region.nodes {
            if let Some(household) = self.household_of(*node)? {
                before.insert(*node, household);
                if let Some(part) = part_of.get(node) {
                    *shares.entry(household).or_default().entry(*part).or_default() += 1;
                }
            }
        }
        let least: Vec<Option<HouseholdMember>> = parts
            .iter()
            .map(|part| {
                part.iter().filter(|member| matches!(member, HouseholdMember::Identifier(_))).min().copied()
            })
            .collect();
        let mut ancestors = Vec::with_capacity(region.households.len());
        let mut heads = Vec::with_capacity(region.households.len());
        for key in &region.households {
            let head = self.household_head(*key)?.clone();
            let id = HouseholdId::from_raw(head.id);
            let anchor = HouseholdMember::Identifier(id.anchor());
            let anchored = part_of.get(&anchor).filter(|_| before.get(&anchor) == Some(key)).copied();
            // A household whose anchor joins nobody any longer goes on where most of it
            // went, and an anchor that has left has no say in that, wherever it is now. Among
            // equals the part with the least place is taken: keys are others where the same
            // came in by another way.
            let most = || {
                let shares = shares.get(key)?;
                shares
                    .iter()
                    .max_by_key(|(part, count)| (**count, std::cmp::Reverse(least[**part])))
                    .map(|(part, _)| *part)
            };
            ancestors.push(Ancestor { id, born: Seq::new(head.born), heir: anchored.or_else(most) });
            heads.push(head);
        }
        let old_ids: HashMap<HouseholdKey, HouseholdId> =
            region.households.iter().copied().zip(ancestors.iter().map(|ancestor| ancestor.id)).collect();
        let succession = succeed(&ancestors, parts.len());
        for (at, survivor) in &succession.merged {
            self.household_ids.put(ancestors[*at].id, HouseholdIdRow::Merged(survivor.get()));
        }
        for at in &succession.ended {
            self.household_ids.put(ancestors[*at].id, HouseholdIdRow::Dissolved);
        }

        let mut kept: HashSet<HouseholdKey> = HashSet::new();
        let mut keys = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let persons =
                part.iter().filter(|member| matches!(member, HouseholdMember::Person(_))).count() as u32;
            let identifiers = part.len() as u32 - persons;
            let (key, head) = match succession.keeps[at] {
                Some(old) => {
                    kept.insert(region.households[old]);
                    (region.households[old], HouseholdHead { persons, identifiers, ..heads[old].clone() })
                }
                None => self.new_household(part, persons, identifiers)?,
            };
            if self.households.get(&self.view, key)? != Some(&head) {
                self.household_ids.put(HouseholdId::from_raw(head.id), HouseholdIdRow::Living(key.get()));
                self.households.put(key, head);
            }
            keys.push(key);
        }
        let mut steps = Vec::new();
        for node in &region.nodes {
            let old = before.get(node).copied();
            let new = part_of.get(node).map(|part| keys[*part]);
            if old != new {
                self.move_household(*node, old, new)?;
            }
            let step = HouseholdStep {
                person: match node {
                    HouseholdMember::Person(person) => Some(self.read_head(*person)?.person_id()),
                    HouseholdMember::Identifier(_) => None,
                },
                from: old.and_then(|key| old_ids.get(&key).copied()),
                to: match new {
                    Some(key) => Some(HouseholdId::from_raw(self.household_head(key)?.id)),
                    None => None,
                },
            };
            if step.from != step.to {
                steps.push(step);
            }
        }
        // Of one that nobody is in any longer no member tells.
        for at in &succession.ended {
            steps.push(HouseholdStep { person: None, from: Some(ancestors[*at].id), to: None });
        }
        self.note_households(&steps);
        for key in &region.households {
            if !kept.contains(key) {
                self.households.delete(*key);
                self.counters.households -= 1;
            }
        }
        Ok(())
    }

    pub(super) fn new_household(
        &mut self,
        part: &[HouseholdMember],
        persons: u32,
        identifiers: u32,
    ) -> ReadResult<(HouseholdKey, HouseholdHead)> {
        let anchor = part
            .iter()
            .filter_map(|member| match member {
                HouseholdMember::Identifier(id) => Some(*id),
                HouseholdMember::Person(_) => None,
            })
            .min()
            .ok_or_else(|| corrupt::<IdentifierRow>("a household has no place".to_owned()))?;
        let row = self.identifier(anchor)?;
        let id = HouseholdId::new(anchor, row.generations);
        row.generations += 1;
        let key = HouseholdKey::new(self.counters.next_household);
        self.counters.next_household += 1;
        self.counters.households += 1;
        let (born, created_at) = (self.counters.seq, self.now.micros());
        Ok((key, HouseholdHead { id: id.get(), born, created_at, persons, identifiers }))
    }

    pub(super) fn move_household(
        &mut self,
        member: HouseholdMember,
        old: Option<HouseholdKey>,
        new: Option<HouseholdKey>,
    ) -> ReadResult<()> {
        if let Some(old) = old {
            self.household_members.delete((old, member));
        }
        if let Some(new) = new {
            self.household_members.put((new, member), HouseholdMemberRow);
        }
        match member {
            HouseholdMember::Person(person) => self.head(person)?.household = new.map(HouseholdKey::get),
            HouseholdMember::Identifier(id) => {
                let owner = new.map_or(Owner::Nobody, |key| Owner::Household { key: key.get() });
                self.set_owner(id, owner)?;
            }
        }
        Ok(())
    }
}

/// What the resolution of households has to see.
#[derive(Default)]
struct Region {
    nodes: Vec<HouseholdMember>,
    edges: Vec<Edge>,
    /// For each edge the identifiers whose link it is, for the order among equals.
    names: Vec<(IdentifierId, IdentifierId)>,
    households: Vec<HouseholdKey>,
}
