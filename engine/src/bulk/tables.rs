//! The rows of all tables, each table in the order of its keys.

use std::io;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use super::intake::{Intake, OnRing, PairSeen, RecordSeen};
use super::links::{Back, Crossings, Gathered, Links, threshold};
use super::sorter::{Sorted, Sorter, Spill};
use super::timeline::{Apart, Timeline};
use super::{BulkError, BulkOptions};
use crate::codec::{
    Counters, DictionaryRow, EventRow, HomeRow, HouseholdHead, HouseholdIdRow, HouseholdMemberRow,
    IdentifierRow, KeyRingRow, LinkRow, Owner, OwnerRow, PersonChunk, PersonEventRow, PersonHead,
    PersonIdRow, ReadRow, RecordRow, ResidentRow, StoredCause, StoredChange, StoredMember, StoredShare,
    Table,
};
use crate::model::{
    HouseholdId, HouseholdKey, HouseholdMember, IdentifierId, NamespaceId, PersonId, PersonKey, SourceId,
};
use crate::rules::Rules;
use crate::storage::{RowWriter, SortedRows, Staging, sorted_rows};
use crate::write::CHUNK_MEMBERS;

const NONE: u32 = u32::MAX;

/// Where one of a person's members is linked to a household-scope identifier.
#[derive(Clone, Copy, Debug)]
struct HomeSeen {
    person: u32,
    home: u32,
    row: HomeRow,
}

/// What the rows are made of.
pub(super) struct Rows<'l> {
    pub(super) intake: &'l Intake,
    pub(super) rules: &'l Rules,
    pub(super) line: &'l Timeline,
    pub(super) apart: &'l Apart,
    pub(super) crossings: &'l Crossings,
    pub(super) pairs: &'l Sorted<PairSeen>,
    pub(super) records: &'l Sorted<RecordSeen>,
    pub(super) ring: &'l Sorted<OnRing>,
    pub(super) staging: &'l Staging,
    /// The counters before the load.
    pub(super) before: &'l Counters,
    /// The sequence number of the load itself; its observations have those before it.
    pub(super) seq: u64,
    /// When it is made, in microseconds.
    pub(super) now: i64,
}

/// Persons and households under their keys, which count from 0 here.
#[derive(Default)]
struct Layout {
    /// For each identifier the person that it is in.
    person: Vec<u32>,
    /// For each person where its members begin in `members`; one more for the end.
    starts: Vec<u32>,
    /// Ascending within each person.
    members: Vec<u32>,
    /// For each person its household.
    household: Vec<u32>,
    /// For each household its place among the homes of the timeline.
    households: Vec<u32>,
    /// For each home of the timeline its household.
    of_home: Vec<u32>,
    /// The persons of each household, ascending by household, then person.
    living: Vec<(u32, u32)>,
    /// The household-scope identifiers of each household, ascending likewise.
    places: Vec<(u32, u32)>,
}

impl Layout {
    fn persons(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    fn members(&self, person: u32) -> &[u32] {
        let (start, end) = (self.starts[person as usize], self.starts[person as usize + 1]);
        &self.members[start as usize..end as usize]
    }

    /// The identifier that a person was made of.
    fn anchor(&self, person: u32) -> IdentifierId {
        IdentifierId::new(self.members[self.starts[person as usize] as usize])
    }

    fn id(&self, person: u32) -> PersonId {
        PersonId::new(self.anchor(person), 0)
    }
}

/// What stands of the links besides themselves.
#[derive(Default)]
struct Ends {
    degree: Vec<u32>,
    home_links: Vec<u32>,
    residents: HashMap<u32, u32>,
    links: u64,
}

/// Rows of a person's links to household-scope identifiers, the strongest alone.
type Homes = Vec<(u32, u32, HomeRow)>;

type Task<'t> = Box<dyn FnOnce() -> Result<SortedRows, BulkError> + Send + 't>;

impl Rows<'_> {
    /// Makes the rows of everything that is not set apart; gives them with the counters after it.
    pub(super) fn make(&self, options: &BulkOptions) -> Result<(Vec<SortedRows>, Counters), BulkError> {
        let layout = self.layout();
        let (ends, backs, homes) = self.ends(&layout, options)?;
        let mut counters = self.intake.counters.clone();
        counters.links += ends.links;
        counters.persons += u64::from(layout.persons());
        counters.next_person += u64::from(layout.persons());
        counters.households += layout.households.len() as u64;
        counters.next_household += layout.households.len() as u64;
        let records = Mutex::new(0);
        let (layout, ends, backs, homes) = (&layout, &ends, &backs, &homes);
        // The longest first, so that they end together.
        let tasks: Vec<Task<'_>> = vec![
            self.table(Table::Links, |to| self.links(backs, to)),
            self.table(Table::Identifiers, |to| self.identifiers(ends, to)),
            self.table(Table::Persons, |to| self.persons(layout, to)),
            self.table(Table::Dictionary, |to| self.dictionary(to)),
            self.table(Table::Events, |to| self.events(layout, to)),
            self.table(Table::Records, |to| {
                let made = self.records(to)?;
                *records.lock().unwrap_or_else(PoisonError::into_inner) = made;
                Ok(())
            }),
            self.table(Table::KeyRing, |to| self.key_ring(to)),
            self.table(Table::Owners, |to| self.owners(layout, to)),
            self.table(Table::Past, |to| self.past(to)),
            self.table(Table::PersonEvents, |to| self.person_events(layout, to)),
            self.table(Table::PersonIds, |to| self.person_ids(layout, to)),
            self.table(Table::Homes, |to| {
                homes.iter().try_for_each(|(person, home, row)| {
                    Ok(to.put((self.person_key(*person), IdentifierId::new(*home)), row)?)
                })
            }),
            self.table(Table::Residents, |to| self.residents(homes, to)),
            self.table(Table::Households, |to| self.households(layout, to)),
            self.table(Table::HouseholdMembers, |to| self.household_members(layout, to)),
            self.table(Table::HouseholdIds, |to| self.household_ids(layout, to)),
        ];
        let rows = in_parallel(tasks, options.threads)?;
        counters.records += records.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((rows, counters))
    }

    fn table<'t>(
        &'t self,
        table: Table,
        fill: impl FnOnce(&mut RowWriter<'_>) -> Result<(), BulkError> + Send + 't,
    ) -> Task<'t> {
        Box::new(move || sorted_rows(self.staging, table, 0, fill))
    }

    fn is_apart(&self, id: u32) -> bool {
        self.apart.worlds.has(self.line.world.root(id))
    }

    fn is_person(&self, id: u32) -> bool {
        self.rules.is_person(self.intake.sightings.namespace(id))
    }

    fn count(&self) -> u32 {
        self.intake.sightings.nodes.len() as u32
    }

    fn person_key(&self, person: u32) -> PersonKey {
        PersonKey::new(self.before.next_person + u64::from(person))
    }

    fn household_key(&self, household: u32) -> HouseholdKey {
        HouseholdKey::new(self.before.next_household + u64::from(household))
    }

    /// The sequence number of an observation by its place.
    fn seq_of(&self, observation: u32) -> u64 {
        self.before.seq + 1 + u64::from(observation)
    }

    /// Numbers persons in the order in which they were made, and households likewise.
    fn layout(&self) -> Layout {
        let count = self.count();
        let mut layout = Layout { person: vec![NONE; count as usize], ..Layout::default() };
        let mut sizes = Vec::new();
        for id in 0..count {
            if !self.is_person(id) || self.is_apart(id) {
                continue;
            }
            // A root goes before the rest of its set.
            let root = self.line.person.root(id);
            if root == id {
                layout.person[id as usize] = sizes.len() as u32;
                sizes.push(0);
            }
            let person = layout.person[root as usize];
            layout.person[id as usize] = person;
            sizes[person as usize] += 1;
        }
        let mut next = Vec::with_capacity(sizes.len() + 1);
        let mut end = 0;
        for size in &sizes {
            next.push(end);
            end += size;
        }
        layout.members = vec![0; end as usize];
        layout.starts = next.clone();
        layout.starts.push(end);
        for id in 0..count {
            let person = layout.person[id as usize];
            if person != NONE {
                layout.members[next[person as usize] as usize] = id;
                next[person as usize] += 1;
            }
        }

        let homes = &self.line.homes;
        let mut made: Vec<((u32, u32), u32)> = Vec::new();
        for (place, home) in homes.iter().enumerate() {
            // The others were joined to one that stands.
            if let Some((born, anchor)) = home.made
                && self.line.home(anchor) == Some(place as u32)
                && !self.is_apart(anchor)
            {
                made.push(((born, anchor), place as u32));
            }
        }
        made.sort_unstable();
        layout.households = made.into_iter().map(|(_, place)| place).collect();
        layout.of_home = vec![NONE; homes.len()];
        for (household, place) in layout.households.iter().enumerate() {
            layout.of_home[*place as usize] = household as u32;
        }
        let household_of = |id: u32| self.line.home(id).map_or(NONE, |place| layout.of_home[place as usize]);
        layout.household = vec![NONE; sizes.len()];
        for person in 0..sizes.len() as u32 {
            let anchor = layout.anchor(person).get();
            if self.line.is_homed(anchor) {
                let household = household_of(anchor);
                layout.household[person as usize] = household;
                layout.living.push((household, person));
            }
        }
        for id in (0..count).filter(|id| !self.is_person(*id)) {
            let household = household_of(id);
            if household != NONE {
                layout.places.push((household, id));
            }
        }
        layout.living.sort_unstable();
        layout.places.sort_unstable();
        layout
    }

    /// Goes over the links once for what stands at their ends.
    fn ends(&self, layout: &Layout, options: &BulkOptions) -> Result<(Ends, Sorted<Back>, Homes), BulkError> {
        let count = self.count() as usize;
        let mut ends =
            Ends { degree: vec![0; count], home_links: vec![0; count], residents: HashMap::new(), links: 0 };
        let directory = match self.staging {
            Staging::Directory(directory) => Some(directory.clone()),
            Staging::Memory => None,
        };
        let mut backs = Sorter::new(options.memory_bytes / 4, Spill { directory, name: "backs" });
        let mut lived: Vec<HomeSeen> = Vec::new();
        let sightings = &self.intake.sightings;
        let mut links = Links::new(self.pairs, &self.apart.pairs)?;
        let mut link = Gathered::default();
        while links.next_into(&mut link, |a, b| threshold(self.rules, sightings, a, b))? {
            let Gathered { a, b, weight, last, .. } = link;
            let (of_a, of_b) = (sightings.namespace(a), NamespaceId::new(link.of_b));
            let (personal_a, personal_b) = (self.rules.is_person(of_a), self.rules.is_person(of_b));
            ends.links += 1;
            ends.degree[a as usize] += 1;
            ends.degree[b as usize] += 1;
            ends.home_links[a as usize] += u32::from(!personal_b);
            ends.home_links[b as usize] += u32::from(!personal_a);
            backs.push(Back { own: b, of_other: of_a.get(), other: a, weight, last })?;
            if link.reached.is_some() && personal_a != personal_b && !self.is_apart(a) {
                let (member, home) = if personal_a { (a, b) } else { (b, a) };
                let row = HomeRow { weight, last, via: member, held: None };
                lived.push(HomeSeen { person: layout.person[member as usize], home, row });
            }
        }
        lived.sort_unstable_by_key(|seen| (seen.person, seen.home));
        let mut homes: Homes = Vec::with_capacity(lived.len());
        for HomeSeen { person, home, row } in lived {
            match homes.last_mut() {
                Some((known, at, best)) if (*known, *at) == (person, home) => {
                    if self.is_stronger(&row, best)? {
                        *best = row;
                    }
                }
                _ => {
                    *ends.residents.entry(home).or_default() += 1;
                    homes.push((person, home, row));
                }
            }
        }
        Ok((ends, backs.finish()?, homes))
    }

    /// Whether one link to a household-scope identifier goes before another:
    /// by weight, then last event time, then the name of the member.
    fn is_stronger(&self, one: &HomeRow, other: &HomeRow) -> io::Result<bool> {
        let by_strength = one.weight.total_cmp(&other.weight).then(one.last.cmp(&other.last));
        if by_strength.is_ne() {
            return Ok(by_strength.is_gt());
        }
        let name = |id: u32| -> io::Result<(&str, String)> {
            let namespace = self.intake.names.namespace_name(self.intake.sightings.namespace(id));
            Ok((namespace, self.intake.values.get(id, &mut Vec::new())?))
        };
        Ok(name(one.via)? < name(other.via)?)
    }

    fn links(&self, backs: &Sorted<Back>, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let sightings = &self.intake.sightings;
        let mut links = Links::new(self.pairs, &self.apart.pairs)?;
        let mut link = Gathered::default();
        let mut backs = backs.iter()?.peekable();
        let key = |own: u32, of_other: u16, other: u32| {
            (IdentifierId::new(own), NamespaceId::new(of_other), IdentifierId::new(other))
        };
        let mut row = LinkRow { weight: 0.0, last: 0, held: None, evidence: Vec::new() };
        let mut more = true;
        while more {
            more = links.next_into(&mut link, |a, b| threshold(self.rules, sightings, a, b))?;
            let here = (link.a, link.of_b, link.b);
            loop {
                let due = |back: &io::Result<Back>| {
                    !more || back.as_ref().map_or(true, |back| (back.own, back.of_other, back.other) < here)
                };
                let Some(back) = backs.next_if(due).transpose()? else { break };
                let row = LinkRow { weight: back.weight, last: back.last, held: None, evidence: Vec::new() };
                to.put(key(back.own, back.of_other, back.other), &row)?;
            }
            if more {
                (row.weight, row.last) = (link.weight, link.last);
                std::mem::swap(&mut row.evidence, &mut link.evidence);
                to.put(key(link.a, link.of_b, link.b), &row)?;
                std::mem::swap(&mut row.evidence, &mut link.evidence);
            }
        }
        Ok(())
    }

    fn dictionary(&self, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let (nodes, hashes) = (&self.intake.sightings.nodes, &self.intake.hashes);
        let mut order: Vec<u32> = (0..self.count()).collect();
        let key = |id: &u32| (nodes[*id as usize].namespace, hashes[*id as usize]);
        order.sort_unstable_by_key(key);
        for id in order {
            let (namespace, hash) = key(&id);
            to.put((NamespaceId::new(namespace), hash), &DictionaryRow { id })?;
        }
        Ok(())
    }

    fn identifiers(&self, ends: &Ends, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut values = self.intake.values.iter()?;
        for id in 0..self.count() {
            let value = values()?;
            if self.is_apart(id) {
                continue;
            }
            let namespace = self.intake.sightings.namespace(id);
            let row = IdentifierRow {
                seen: self.intake.sightings.of(IdentifierId::new(id)),
                degree: ends.degree[id as usize],
                home_links: ends.home_links[id as usize],
                ties: self.crossings.ties(id, namespace, self.rules),
                residents: ends.residents.get(&id).copied().unwrap_or(0),
                generations: u32::from(self.line.anchors.has(id)),
                ..IdentifierRow::new(namespace, value)
            };
            to.put(IdentifierId::new(id), &row)?;
        }
        Ok(())
    }

    fn owners(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut beyond: HashMap<u32, u32> = HashMap::new();
        for person in 0..layout.persons() {
            for (at, member) in layout.members(person).iter().enumerate().skip(CHUNK_MEMBERS) {
                beyond.insert(*member, (at / CHUNK_MEMBERS) as u32);
            }
        }
        for id in 0..self.count() {
            if self.is_apart(id) {
                continue;
            }
            let owner = match layout.person[id as usize] {
                NONE => match self.line.home(id).map(|place| layout.of_home[place as usize]) {
                    None | Some(NONE) => Owner::Nobody,
                    Some(household) => Owner::Household { key: self.household_key(household).get() },
                },
                person => {
                    let chunk = beyond.get(&id).copied().unwrap_or(0);
                    Owner::Person { key: self.person_key(person).get(), chunk }
                }
            };
            to.put(IdentifierId::new(id), &OwnerRow { owner, ..OwnerRow::NEW })?;
        }
        Ok(())
    }

    fn persons(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut buffer = Vec::new();
        let mut kinds: Vec<u16> = Vec::new();
        for person in 0..layout.persons() {
            let members = layout.members(person);
            kinds.clear();
            kinds.extend(members.iter().map(|id| self.intake.sightings.namespace(*id).get()));
            kinds.sort_unstable();
            let counts = kinds.chunk_by(|a, b| a == b).map(|kind| (kind[0], kind.len() as u32)).collect();
            let household = layout.household[person as usize];
            let anchor = layout.anchor(person);
            let mut head = Some(PersonHead {
                id: PersonId::new(anchor, 0).get(),
                born: self.seq_of(self.line.born[anchor.get() as usize]),
                created_at: self.now,
                size: members.len() as u32,
                chunks: members.len().div_ceil(CHUNK_MEMBERS) as u32,
                counts,
                household: (household != NONE).then(|| self.household_key(household).get()),
                component: None,
                overrides: 0,
            });
            for (chunk, ids) in members.chunks(CHUNK_MEMBERS).enumerate() {
                let mut members = Vec::with_capacity(ids.len());
                for id in ids {
                    members.push(StoredMember {
                        id: *id,
                        namespace: self.intake.sightings.namespace(*id).get(),
                        value: self.intake.values.get(*id, &mut buffer)?,
                    });
                }
                let row = PersonChunk { head: head.take(), members };
                to.put((self.person_key(person), chunk as u32), &row)?;
            }
        }
        Ok(())
    }

    fn person_ids(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        for person in 0..layout.persons() {
            to.put(layout.id(person), &PersonIdRow::Living(self.person_key(person).get()))?;
        }
        Ok(())
    }

    /// One event for each person, then one for each household.
    fn events(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let event = |change| EventRow { time: self.now, cause: StoredCause::BulkLoad, change };
        for person in 0..layout.persons() {
            let identifiers = layout.members(person).to_vec();
            let id = layout.id(person).get();
            let count = identifiers.len() as u32;
            let shares = vec![StoredShare { from: None, to: id, count, identifiers }];
            let change = StoredChange::Persons { before: Vec::new(), after: vec![id], shares };
            to.put((self.seq, person), &event(change))?;
        }
        for living in layout.living.chunk_by(|a, b| a.0 == b.0) {
            let household = living[0].0;
            let id = self.household_id(layout, household).get();
            let moved = living.iter().map(|(_, person)| (layout.id(*person).get(), None, Some(id))).collect();
            let change = StoredChange::Households { before: Vec::new(), after: vec![id], moved };
            to.put((self.seq, layout.persons() + household), &event(change))?;
        }
        Ok(())
    }

    fn person_events(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        for person in 0..layout.persons() {
            let id = layout.id(person);
            to.put((id, self.seq, person), &PersonEventRow)?;
            match layout.household[person as usize] {
                NONE => {}
                household => to.put((id, self.seq, layout.persons() + household), &PersonEventRow)?,
            }
        }
        Ok(())
    }

    fn residents(&self, homes: &Homes, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut pairs: Vec<(u32, u32)> = homes.iter().map(|(person, home, _)| (*home, *person)).collect();
        pairs.sort_unstable();
        for (home, person) in pairs {
            to.put((IdentifierId::new(home), self.person_key(person)), &ResidentRow)?;
        }
        Ok(())
    }

    /// When a household was made, and of what.
    fn made(&self, layout: &Layout, household: u32) -> (u32, IdentifierId) {
        let home = &self.line.homes[layout.households[household as usize] as usize];
        let (born, anchor) = home.made.unwrap_or_default();
        (born, IdentifierId::new(anchor))
    }

    fn household_id(&self, layout: &Layout, household: u32) -> HouseholdId {
        HouseholdId::new(self.made(layout, household).1, 0)
    }

    fn households(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let within = |list: &[(u32, u32)], household: u32| {
            let start = list.partition_point(|(of, _)| *of < household);
            list[start..].iter().take_while(|(of, _)| *of == household).count() as u32
        };
        for household in 0..layout.households.len() as u32 {
            let row = HouseholdHead {
                id: self.household_id(layout, household).get(),
                born: self.seq_of(self.made(layout, household).0),
                created_at: self.now,
                persons: within(&layout.living, household),
                identifiers: within(&layout.places, household),
            };
            to.put(self.household_key(household), &row)?;
        }
        Ok(())
    }

    fn household_members(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut places = layout.places.iter().peekable();
        for living in layout.living.chunk_by(|a, b| a.0 == b.0) {
            let household = living[0].0;
            let key = self.household_key(household);
            for (_, person) in living {
                to.put((key, HouseholdMember::Person(self.person_key(*person))), &HouseholdMemberRow)?;
            }
            while let Some((_, id)) = places.next_if(|(of, _)| *of == household) {
                to.put((key, HouseholdMember::Identifier(IdentifierId::new(*id))), &HouseholdMemberRow)?;
            }
        }
        Ok(())
    }

    fn household_ids(&self, layout: &Layout, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut ids: Vec<(HouseholdId, u32)> = (0..layout.households.len() as u32)
            .map(|household| (self.household_id(layout, household), household))
            .collect();
        ids.sort_unstable();
        for (id, household) in ids {
            to.put(id, &HouseholdIdRow::Living(self.household_key(household).get()))?;
        }
        Ok(())
    }

    /// Writes the records, and gives how many there are.
    fn records(&self, to: &mut RowWriter<'_>) -> Result<u64, BulkError> {
        let mut made = 0;
        self.each_record(|key, row| {
            made += 1;
            Ok(to.put(key, &row)?)
        })?;
        Ok(made)
    }

    /// Notes that none of the records was there before; numbers tell as much of all other rows.
    fn past(&self, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        self.each_record(|key, _| Ok(to.put_absent::<RecordRow>(key, self.seq)?))
    }

    fn each_record(
        &self,
        mut visit: impl FnMut(<RecordRow as ReadRow>::Key, RecordRow) -> Result<(), BulkError>,
    ) -> Result<(), BulkError> {
        let mut current: Option<(<RecordRow as ReadRow>::Key, RecordRow)> = None;
        for seen in self.records.iter()? {
            let seen = seen?;
            if self.apart.observations.has(seen.place) {
                continue;
            }
            let key = (SourceId::new(seen.source), seen.record.hash);
            if current.as_ref().is_none_or(|(known, _)| *known != key) {
                let record_id = seen.record.record_id.clone();
                let row = RecordRow { record_id, claims: Vec::new(), attributes: Vec::new() };
                if let Some((key, row)) = current.replace((key, row)) {
                    visit(key, row)?;
                }
            }
            if let Some((_, row)) = &mut current {
                row.claim(seen.identifiers, seen.kind, seen.confidence, seen.time);
                for (attribute, value) in &seen.record.attributes {
                    let name = self.intake.names.attributes.name(*attribute).unwrap_or_default();
                    row.learn(name, *attribute, value, seen.time);
                }
            }
        }
        match current {
            Some((key, row)) => visit(key, row),
            None => Ok(()),
        }
    }

    fn key_ring(&self, to: &mut RowWriter<'_>) -> Result<(), BulkError> {
        let mut last = None;
        for on in self.ring.iter()? {
            let on = on?;
            let key = (IdentifierId::new(on.id), SourceId::new(on.source), on.hash);
            if !self.apart.observations.has(on.place) && last != Some(key) {
                to.put(key, &KeyRingRow)?;
                last = Some(key);
            }
        }
        Ok(())
    }
}

/// Runs all tasks on so many threads; what they give comes in the order of the tasks.
fn in_parallel(tasks: Vec<Task<'_>>, threads: usize) -> Result<Vec<SortedRows>, BulkError> {
    let queue = Mutex::new(tasks.into_iter().enumerate().collect::<Vec<_>>().into_iter());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<(), BulkError> {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, task)) = next else { return Ok(()) };
            let rows = task()?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, rows));
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let mut outcome = work();
        for other in others {
            // A panic goes on in the thread that waits.
            let ended = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(ended);
        }
        outcome
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, rows)| rows).collect())
}
