//! Households after a write by which persons and homes have only come together.
//!
//! Where no limit cuts households they are what hangs together, and what hangs
//! together can only grow then: whole households are joined, and those who were
//! in none join them. What is looked at is what is new and the younger or
//! smaller of the households that are joined, not what they hang together with.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::{HashMap, HashSet};
use petgraph::unionfind::UnionFind;

use super::changes::HouseholdStep;
use super::overlay::Overlay;
use crate::codec::{HouseholdHead, HouseholdIdRow};
use crate::model::{HouseholdId, HouseholdKey, HouseholdMember, IdentifierId, PersonKey};
use crate::read::ReadResult;

/// A whole household, or one that is in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Party {
    Household(HouseholdKey),
    Single(HouseholdMember),
}

/// Who comes together with whom.
#[derive(Default)]
struct Growth {
    parties: Vec<Party>,
    places: HashMap<Party, usize>,
    edges: Vec<(usize, usize)>,
}

impl Growth {
    fn place(&mut self, party: Party) -> usize {
        *self.places.entry(party).or_insert_with(|| {
            self.parties.push(party);
            self.parties.len() - 1
        })
    }

    fn join(&mut self, a: Party, b: Party) {
        let edge = (self.place(a), self.place(b));
        self.edges.push(edge);
    }

    /// Those who hang together, in the order in which they were met.
    fn sets(&self) -> Vec<Vec<Party>> {
        let mut sets: UnionFind<usize> = UnionFind::new(self.parties.len());
        for (a, b) in &self.edges {
            sets.union(*a, *b);
        }
        let mut of_root: HashMap<usize, usize> = HashMap::new();
        let mut together: Vec<Vec<Party>> = Vec::new();
        for (place, party) in self.parties.iter().enumerate() {
            let at = *of_root.entry(sets.find(place)).or_insert_with(|| {
                together.push(Vec::new());
                together.len() - 1
            });
            together[at].push(*party);
        }
        together
    }
}

impl Overlay {
    /// Settles households after persons were only joined and homes only added.
    /// As [`Overlay::settle_households`], for less where no limit cuts households.
    pub(crate) fn settle_grown_households(&mut self) -> ReadResult<()> {
        if self.settle_shared_homes()? || self.rules.max_persons.is_some() {
            return self.settle_households();
        }
        let lived = std::mem::take(&mut self.touched.lived);
        let identifiers = std::mem::take(&mut self.touched.identifiers);
        // Whoever left a household lives on in one who lives where it lived: who was there
        // already, which changes nothing, or who lives there since, which is seen below.
        self.touched.households.clear();
        self.touched.persons.clear();
        let growth = self.see_growth(&lived, &identifiers)?;
        let mut steps = Vec::new();
        for set in growth.sets() {
            self.join_households(&set, &mut steps)?;
        }
        self.note_households(&steps);
        Ok(())
    }

    /// Who comes together by homes that persons live in since, and by links of
    /// these household-scope identifiers.
    fn see_growth(
        &mut self,
        lived: &BTreeSet<(PersonKey, IdentifierId)>,
        linked: &BTreeSet<IdentifierId>,
    ) -> ReadResult<Growth> {
        let mut growth = Growth::default();
        let mut queue: VecDeque<IdentifierId> = linked.iter().copied().collect();
        for (person, home) in lived {
            // It may have been joined to another since.
            if self.person_exists(*person)? && self.may_conduct(*home)? {
                let resident = self.party_at_home(HouseholdMember::Person(*person))?;
                let place = self.party_at_home(HouseholdMember::Identifier(*home))?;
                growth.join(resident, place);
                queue.push_back(*home);
            }
        }
        let mut seen: HashSet<IdentifierId> = HashSet::new();
        while let Some(home) = queue.pop_front() {
            if !seen.insert(home) || !self.may_conduct(home)? {
                continue;
            }
            let own = self.party_at_home(HouseholdMember::Identifier(home))?;
            // What a household's places hang together with is in it, but for links that are new.
            if matches!(own, Party::Household(_)) && !linked.contains(&home) {
                continue;
            }
            for (other, _) in self.linked_homes(home)? {
                if self.may_conduct(other)? {
                    let neighbour = self.party_at_home(HouseholdMember::Identifier(other))?;
                    growth.join(own, neighbour);
                    queue.push_back(other);
                }
            }
        }
        Ok(growth)
    }

    fn party_at_home(&mut self, member: HouseholdMember) -> ReadResult<Party> {
        Ok(self.household_of(member)?.map_or(Party::Single(member), Party::Household))
    }

    /// Makes one household of whole households and those who were in none.
    fn join_households(&mut self, set: &[Party], steps: &mut Vec<HouseholdStep>) -> ReadResult<()> {
        let mut singles = Vec::new();
        let mut households: Vec<(HouseholdKey, HouseholdHead)> = Vec::new();
        for party in set {
            match party {
                Party::Single(member) => singles.push(*member),
                Party::Household(key) => households.push((*key, self.household_head(*key)?.clone())),
            }
        }
        let new_persons =
            singles.iter().filter(|member| matches!(member, HouseholdMember::Person(_))).count();
        let (new_persons, new_places) = (new_persons as u32, (singles.len() - new_persons) as u32);
        if (households.len() == 1 && singles.is_empty())
            || (households.is_empty() && (new_persons == 0 || new_places == 0))
        {
            // Nothing is new. Persons alone, and places where nobody lives, are no households.
            return Ok(());
        }
        let oldest = households.iter().map(|(_, head)| head).min_by_key(|head| (head.born, head.id)).cloned();
        // The rows of the largest stay where they are; the id of the oldest survives.
        let largest = households
            .iter()
            .max_by_key(|(_, head)| {
                (head.persons + head.identifiers, std::cmp::Reverse((head.born, head.id)))
            })
            .map(|(key, _)| *key);
        let (into, mut head) = match (largest, oldest) {
            (Some(into), Some(oldest)) => (into, oldest),
            _ => self.new_household(&singles, 0, 0)?,
        };
        head.persons = new_persons + households.iter().map(|(_, head)| head.persons).sum::<u32>();
        head.identifiers = new_places + households.iter().map(|(_, head)| head.identifiers).sum::<u32>();
        let to = HouseholdId::from_raw(head.id);
        for (key, old) in &households {
            let from = HouseholdId::from_raw(old.id);
            if from != to {
                self.household_ids.put(from, HouseholdIdRow::Merged(to.get()));
            }
            if from != to || *key != into {
                for member in self.household_rows(*key)? {
                    if *key != into {
                        self.move_household(member, Some(*key), Some(into))?;
                    }
                    if from != to {
                        steps.push(self.household_step(member, Some(from), to)?);
                    }
                }
            }
            if *key != into {
                self.households.delete(*key);
                self.counters.households -= 1;
            }
        }
        for member in singles {
            self.move_household(member, None, Some(into))?;
            steps.push(self.household_step(member, None, to)?);
        }
        let living = HouseholdIdRow::Living(into.get());
        if self.household_ids.get(&self.view, to)? != Some(&living) {
            self.household_ids.put(to, living);
        }
        self.households.put(into, head);
        Ok(())
    }

    fn household_step(
        &mut self,
        member: HouseholdMember,
        from: Option<HouseholdId>,
        to: HouseholdId,
    ) -> ReadResult<HouseholdStep> {
        let person = match member {
            HouseholdMember::Person(person) => Some(self.read_head(person)?.person_id()),
            HouseholdMember::Identifier(_) => None,
        };
        Ok(HouseholdStep { person, from, to: Some(to) })
    }
}
