//! Who became whose, observation after observation, as if each had been written by itself.
//!
//! While no limit breaks and nobody is shared, persons and households only ever
//! grow together, so who a person is, and of whom it was first made, follows
//! from the order in which links began to conduct. Where that is not so, at any
//! time, the whole of what hangs together is set apart, to be written one
//! observation after another.

use hashbrown::HashMap;
use std::io;

use super::intake::{Sightings, pairs};
use super::log::{Log, Logged};
use crate::dense::{Bits, Forest};
use crate::rules::Rules;

const NONE: u32 = u32::MAX;

/// What hangs together around household-scope identifiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    /// The first of its household-scope identifiers.
    least: u32,
    /// When its household was made, by the place of the observation, and of which identifier.
    pub(super) made: Option<(u32, u32)>,
    /// How many persons live there.
    persons: u32,
}

/// Persons and households as they came to be.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Person-scope identifiers that are one person; the least is the one that it was made of.
    pub(super) person: Forest,
    /// Identifiers that hang together at all, by links of either level.
    pub(super) world: Forest,
    /// For each identifier the place of the observation that named it first.
    pub(super) born: Vec<u32>,
    /// Identifiers that a person or a household was ever made of.
    pub(super) anchors: Bits,
    /// For each root of the world its place among `homes`, if it has household-scope identifiers.
    home_of: Vec<u32>,
    pub(super) homes: Vec<Home>,
    /// Roots of persons that live somewhere.
    homed: Bits,
    /// Who is linked to a household-scope identifier, where that may make it shared.
    residents: HashMap<u32, Vec<u32>>,
    /// Identifiers in whose world something was shared, or broke a limit.
    apart: Vec<u32>,
}

impl Timeline {
    /// Runs through the log. `conducts` says by the place of a pair where its link began to conduct.
    pub(super) fn run(
        log: &Log,
        sightings: &Sightings,
        rules: &Rules,
        conducts: &Bits,
        shared: Vec<u32>,
    ) -> io::Result<Self> {
        let count = sightings.nodes.len() as u32;
        let mut line = Self {
            person: Forest::new(count),
            world: Forest::new(count),
            born: Vec::with_capacity(count as usize),
            anchors: Bits::default(),
            home_of: vec![NONE; count as usize],
            homes: Vec::new(),
            homed: Bits::default(),
            residents: HashMap::new(),
            apart: shared,
        };
        let mut reader = log.iter()?;
        let mut seen = Logged::blank();
        let (mut observation, mut place) = (0, 0);
        let mut joined = Vec::new();
        while reader.next_into(&mut seen)? {
            let fresh = line.born.len() as u32;
            for id in &seen.identifiers {
                let id = id.get();
                // Identifiers are numbered in the order in which they are first named.
                if id as usize == line.born.len() {
                    line.born.push(observation);
                    if !rules.is_person(sightings.namespace(id)) {
                        line.home_of[id as usize] = line.homes.len() as u32;
                        line.homes.push(Home { least: id, made: None, persons: 0 });
                    }
                }
            }
            joined.clear();
            for pair in pairs(&seen.identifiers) {
                if conducts.has(place) {
                    joined.push(pair);
                }
                place += 1;
            }
            // Persons are settled before households.
            let personal = |(a, b): &(u32, u32)| {
                rules.is_person(sightings.namespace(*a)) && rules.is_person(sightings.namespace(*b))
            };
            for (a, b) in joined.iter().filter(|pair| personal(pair)) {
                line.join(*a, *b, sightings, rules);
            }
            for (a, b) in joined.iter().filter(|pair| !personal(pair)) {
                line.join(*a, *b, sightings, rules);
            }
            for (a, _) in &joined {
                line.settle(*a, observation, rules);
            }
            for id in fresh..line.born.len() as u32 {
                if rules.is_person(sightings.namespace(id)) && line.person.find(id) == id {
                    line.anchors.add(id);
                }
            }
            observation += 1;
        }
        line.person.flatten();
        line.world.flatten();
        line.keep_limits(sightings, rules);
        Ok(line)
    }

    /// A link began to conduct.
    fn join(&mut self, a: u32, b: u32, sightings: &Sightings, rules: &Rules) {
        let is_person = |id: u32| rules.is_person(sightings.namespace(id));
        if let Some((into, from)) = self.world.union(a, b) {
            self.join_homes(into, from);
        }
        match (is_person(a), is_person(b)) {
            (true, true) => {
                let Some((into, from)) = self.person.union(a, b) else { return };
                if self.homed.has(from) && !self.homed.add(into) {
                    // Two that lived somewhere are one.
                    let root = self.world.find(into);
                    if let Some(home) = self.homes.get_mut(self.home_of[root as usize] as usize) {
                        home.persons -= 1;
                    }
                }
            }
            (true, false) => self.live(a, b, sightings, rules),
            (false, true) => self.live(b, a, sightings, rules),
            (false, false) => {}
        }
    }

    fn join_homes(&mut self, into: u32, from: u32) {
        let (kept, gone) = (self.home_of[into as usize], self.home_of[from as usize]);
        if gone == NONE {
            return;
        }
        if kept == NONE {
            self.home_of[into as usize] = gone;
            return;
        }
        let gone = self.homes[gone as usize];
        let home = &mut self.homes[kept as usize];
        home.least = home.least.min(gone.least);
        home.persons += gone.persons;
        // The oldest household survives; of two made at once, that of the lesser identifier.
        home.made = [home.made, gone.made].into_iter().flatten().min();
    }

    /// A member of a person is linked to a household-scope identifier.
    fn live(&mut self, member: u32, place: u32, sightings: &Sightings, rules: &Rules) {
        let person = self.person.find(member);
        if self.homed.add(person) {
            let root = self.world.find(place);
            self.homes[self.home_of[root as usize] as usize].persons += 1;
        }
        let Some(most) = rules.of(sightings.namespace(place)).shared_above_persons else { return };
        let residents = self.residents.entry(place).or_default();
        residents.push(member);
        if residents.len() > most as usize {
            for resident in residents.iter_mut() {
                *resident = self.person.find(*resident);
            }
            residents.sort_unstable();
            residents.dedup();
            if residents.len() > most as usize {
                self.apart.push(place);
            }
        }
    }

    /// An observation is over in which something around an identifier joined.
    fn settle(&mut self, id: u32, observation: u32, rules: &Rules) {
        let root = self.world.find(id);
        let Some(home) = self.homes.get_mut(self.home_of[root as usize] as usize) else { return };
        if home.persons == 0 {
            return;
        }
        if home.made.is_none() {
            home.made = Some((observation, home.least));
            self.anchors.add(home.least);
        }
        if rules.max_persons.is_some_and(|most| home.persons > most) {
            self.apart.push(id);
        }
    }

    /// Sets apart persons that break a limit. They only grow, so what holds at the end held all the time.
    fn keep_limits(&mut self, sightings: &Sightings, rules: &Rules) {
        let (person, apart) = (&self.person, &mut self.apart);
        let kind = |id: u32| sightings.nodes.get(id as usize).map(|node| node.namespace);
        rules.person_limits.each_broken(
            sightings.nodes.len(),
            kind,
            |id| person.root(id),
            |root| apart.push(root),
        );
    }

    /// What hangs together around the root of a world's household-scope identifiers, if it has any: its place.
    pub(super) fn home(&self, id: u32) -> Option<u32> {
        let place = self.home_of[self.world.root(id) as usize];
        (place != NONE).then_some(place)
    }

    /// Whether a person, named by the identifier that it was made of, lives somewhere.
    pub(super) fn is_homed(&self, anchor: u32) -> bool {
        self.homed.has(anchor)
    }

    /// What has to be written one observation after another.
    pub(super) fn set_apart(&self, log: &Log) -> io::Result<Apart> {
        let mut apart = Apart::default();
        for id in &self.apart {
            apart.worlds.add(self.world.root(*id));
        }
        if apart.worlds.is_empty() {
            return Ok(apart);
        }
        // A link of which some evidence is written later than the rest would
        // conduct late: then its world waits, too.
        loop {
            let mut reader = log.iter()?;
            let mut seen = Logged::blank();
            let mut grown = false;
            while reader.next_into(&mut seen)? {
                let is_apart = |id: u32| apart.worlds.has(self.world.root(id));
                if seen.identifiers.len() < 3 || !seen.identifiers.iter().any(|id| is_apart(id.get())) {
                    continue;
                }
                for (a, b) in pairs(&seen.identifiers) {
                    let (a, b) = (self.world.root(a), self.world.root(b));
                    if a == b {
                        grown |= apart.worlds.add(a);
                    }
                }
            }
            if !grown {
                break;
            }
        }
        let mut reader = log.iter()?;
        let mut seen = Logged::blank();
        let (mut observation, mut place) = (0, 0);
        while reader.next_into(&mut seen)? {
            let count = seen.identifiers.len() as u32;
            let count = count * count.saturating_sub(1) / 2;
            if seen.identifiers.iter().any(|id| apart.worlds.has(self.world.root(id.get()))) {
                apart.observations.add(observation);
                (place..place + count).for_each(|place| {
                    apart.pairs.add(place);
                });
            }
            place += count;
            observation += 1;
        }
        Ok(apart)
    }
}

/// What is written one observation after another.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// Roots of worlds.
    pub(super) worlds: Bits,
    /// Observations that name an identifier of such a world, by place.
    pub(super) observations: Bits,
    /// Their pairs, by place.
    pub(super) pairs: Bits,
}
