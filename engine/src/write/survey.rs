//! Resolving a whole store anew: one run over each table tells what is as it
//! should be, and only the rest is resolved.
//!
//! Links that conduct go through a union-find over the identifiers' numbers.
//! What hangs together by that, breaks no limit and is one person already needs
//! no look at its links; neither does a household whose persons and places hang
//! together likewise. Everything else is explored and settled as after a write.
//!
//! Memory: about 40 bytes an identifier, 16 for each count of `shared_above`,
//! and 8 to 32 a link that conducts. Work: O(n α(n)) for n rows, and what is not
//! as it should be.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::overlay::Overlay;
use crate::codec::{
    HomeRow, HouseholdHead, IdentifierRow, KeyBytes, LinkFront, Owner, OwnerRow, PersonFront, PersonHead,
};
use crate::dense::{Bits, Forest};
use crate::model::{HouseholdKey, IdentifierId, NamespaceId, OverrideKind, PersonKey};
use crate::read::ReadResult;
use crate::rules::Rules;
use crate::schema::{Normalised, Schema};

/// In place of a key: nobody's.
const NOBODY: u64 = u64::MAX;

/// What is known of every identifier, by its number.
struct Survey {
    rules: Arc<Rules>,
    /// Numbers that an identifier has.
    known: Bits,
    namespaces: Vec<u16>,
    denied: Bits,
    shared: Bits,
    /// The key of the person that each is in, or of the household.
    owners: Vec<u64>,
}

/// What the links say.
struct Links {
    /// Pairs that conduct at the persons' level, unless one of them is shared.
    tied: Vec<(u32, u32)>,
    /// One end of each link between persons' identifiers that is held back.
    held: Vec<u32>,
    /// Members of persons, with the links by which these live somewhere.
    lived: Vec<(u32, IdentifierId, HomeRow)>,
    /// Places whose link is strong enough to join their households, and whether it is held back.
    neighbours: Vec<(u32, u32, bool)>,
    home_links: Vec<u32>,
    ties: Ties,
}

/// For each identifier, how many others of each namespace are tied to it that its `shared_above` names.
struct Ties {
    counts: Vec<u32>,
    width: usize,
}

impl Ties {
    fn new(survey: &Survey, names: usize) -> Self {
        let wide = |namespace: usize| survey.rules.of(NamespaceId::new(namespace as u16)).shared_above.len();
        let width = (0..names).map(wide).max().unwrap_or(0);
        Self { counts: vec![0; width * survey.owners.len()], width }
    }

    fn tie(&mut self, survey: &Survey, a: u32, b: u32) {
        for (id, other) in [(a, b), (b, a)] {
            let counted = &survey.rules.of(survey.namespace(id)).shared_above;
            if let Some(at) = counted.iter().position(|(counted, _)| *counted == survey.namespace(other)) {
                self.counts[id as usize * self.width + at] += 1;
            }
        }
    }

    /// Ordered by namespace.
    fn of(&self, survey: &Survey, id: u32) -> Vec<(u16, u32)> {
        let counted = &survey.rules.of(survey.namespace(id)).shared_above;
        let counts = self.counts.get(id as usize * self.width..).unwrap_or_default();
        let counted = counted.iter().zip(counts).filter(|(_, count)| **count > 0);
        counted.map(|((namespace, _), count)| (namespace.get(), *count)).collect()
    }
}

impl Survey {
    fn namespace(&self, id: u32) -> NamespaceId {
        NamespaceId::new(self.namespaces[id as usize])
    }

    fn is_person(&self, id: u32) -> bool {
        self.rules.is_person(self.namespace(id))
    }

    fn may_conduct(&self, id: u32) -> bool {
        !self.shared.has(id) && !self.denied.has(id)
    }

    fn numbers(&self) -> std::ops::Range<u32> {
        0..self.owners.len() as u32
    }

    /// Identifiers of person scope, ascending.
    fn of_persons(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers().filter(|id| self.known.has(*id) && self.is_person(*id))
    }

    /// Identifiers of household scope, ascending.
    fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers().filter(|id| self.known.has(*id) && !self.is_person(*id))
    }

    fn note_owner(&mut self, id: IdentifierId, row: OwnerRow) {
        self.owners[id.get() as usize] = match row.owner {
            Owner::Person { key, .. } | Owner::Household { key } => key,
            Owner::Nobody => NOBODY,
        };
        self.shared.set(id.get(), row.shared);
        self.denied.set(id.get(), row.denied);
    }
}

impl Overlay {
    /// Resolves the whole store under the schema in force. Ids stay.
    pub(super) fn resolve_all(&mut self) -> ReadResult<()> {
        debug_assert!(self.lens.is_none(), "what is seen through a lens is not written");
        let mut survey = self.survey()?;
        let links = self.survey_links(&survey)?;
        self.settle_all_ties(&mut survey, &links)?;
        self.settle_all_persons(&survey, &links)?;
        self.survey_changes(&mut survey)?;
        let homes = self.settle_all_homes(&survey, links.lived)?;
        self.settle_shared_homes()?;
        self.survey_changes(&mut survey)?;
        self.settle_all_households(&survey, &homes, &links.neighbours)
    }

    /// Reads what identifiers are, notes which of them the schema denies, and whose they are.
    fn survey(&mut self) -> ReadResult<Survey> {
        let count = self.counters.identifiers as usize;
        let mut survey = Survey {
            rules: Arc::clone(&self.rules),
            known: Bits::default(),
            namespaces: vec![0; count],
            denied: Bits::default(),
            shared: Bits::default(),
            owners: vec![NOBODY; count],
        };
        let (schema, names) = (Arc::clone(&self.schema), &self.names);
        let mut denied = Bits::default();
        self.identifiers.each(&self.view, IdentifierRow::clone, |id, row| {
            survey.known.add(id.get());
            survey.namespaces[id.get() as usize] = row.namespace;
            if is_denied(&schema, names.namespace_name(NamespaceId::new(row.namespace)), &row.value) {
                denied.add(id.get());
            }
        })?;
        self.owners.each(&self.view, OwnerRow::clone, |id, row| survey.note_owner(id, row))?;
        for id in survey.numbers().filter(|id| survey.known.has(*id)) {
            if survey.denied.has(id) != denied.has(id) {
                let id = IdentifierId::new(id);
                let owner = self.owner(id)?.unwrap_or(OwnerRow::NEW);
                self.owners.put(id, OwnerRow { denied: denied.has(id.get()), ..owner });
            }
        }
        survey.denied = denied;
        Ok(survey)
    }

    /// Reads whose identifiers are since, and who is shared.
    fn survey_changes(&mut self, survey: &mut Survey) -> ReadResult<()> {
        let changed: Vec<IdentifierId> = self.owners.changed_keys().collect();
        for id in changed {
            if let Some(row) = self.owner(id)? {
                survey.note_owner(id, row);
            }
        }
        Ok(())
    }

    fn survey_links(&mut self, survey: &Survey) -> ReadResult<Links> {
        let rules = Arc::clone(&survey.rules);
        let mut links = Links {
            tied: Vec::new(),
            held: Vec::new(),
            lived: Vec::new(),
            neighbours: Vec::new(),
            home_links: vec![0; survey.owners.len()],
            ties: Ties::new(survey, self.names.namespaces.len()),
        };
        let said = self.all_said()?;
        for ((a, b), _) in said.iter().filter(|(_, kind)| **kind == OverrideKind::Require) {
            links.ties.tie(survey, *a, *b);
        }
        self.links.each(
            &self.view,
            |link| LinkFront::from(link),
            |(a, _, b), link| {
                let (from, to) = (a.get(), b.get());
                if from > to {
                    return;
                }
                let strong = link.weight >= rules.threshold(survey.namespace(from), survey.namespace(to));
                match (survey.is_person(from), survey.is_person(to)) {
                    (true, true) => {
                        let denied = survey.denied.has(from) || survey.denied.has(to);
                        if strong && !denied && !said.contains_key(&(from, to)) {
                            links.ties.tie(survey, from, to);
                            links.tied.push((from, to));
                        }
                        links.held.extend(link.held.map(|_| from));
                    }
                    (false, false) => {
                        links.home_links[from as usize] += 1;
                        links.home_links[to as usize] += 1;
                        if strong {
                            links.neighbours.push((from, to, link.held.is_some()));
                        }
                    }
                    (personal, _) => {
                        let (member, home) = if personal { (from, b) } else { (to, a) };
                        links.home_links[member as usize] += 1;
                        if strong && !survey.denied.has(member) {
                            let row =
                                HomeRow { weight: link.weight, last: link.last, via: member, held: None };
                            links.lived.push((member, home, row));
                        }
                    }
                }
            },
        )?;
        Ok(links)
    }

    /// All overrides, by the pair with the lower number first.
    fn all_said(&self) -> ReadResult<HashMap<(u32, u32), OverrideKind>> {
        if self.counters.overrides == 0 {
            return Ok(HashMap::new());
        }
        let first = (IdentifierId::new(0), IdentifierId::new(0));
        let rows = self.overrides.range(&self.view, KeyBytes::new(&[]), first)?;
        let pairs = rows.into_iter().filter(|((a, b), _)| a < b);
        Ok(pairs.map(|((a, b), said)| ((a.get(), b.get()), said.kind())).collect())
    }

    /// Counts ties and links to places anew where they are counted otherwise.
    fn settle_all_ties(&mut self, survey: &mut Survey, links: &Links) -> ReadResult<()> {
        let mut otherwise = Vec::new();
        self.identifiers.each(&self.view, IdentifierRow::clone, |id, row| {
            let number = id.get();
            let (ties, is_shared) = if survey.is_person(number) {
                let ties = links.ties.of(survey, number);
                let is_shared = survey.rules.of(survey.namespace(number)).is_shared(&ties);
                (ties, is_shared)
            } else {
                (Vec::new(), survey.shared.has(number))
            };
            let home_links = links.home_links[number as usize];
            if ties != row.ties || home_links != row.home_links || is_shared != survey.shared.has(number) {
                otherwise.push((id, ties, home_links, is_shared));
            }
        })?;
        for (id, ties, home_links, is_shared) in otherwise {
            let row = self.identifier(id)?;
            (row.ties, row.home_links) = (ties, home_links);
            let owner = self.owner(id)?.unwrap_or(OwnerRow::NEW);
            if owner.shared != is_shared {
                self.owners.put(id, OwnerRow { shared: is_shared, ..owner });
                survey.shared.set(id.get(), is_shared);
            }
            self.forget_unchanged();
        }
        Ok(())
    }

    /// Settles the persons that are not what hangs together, and all that a limit cuts.
    fn settle_all_persons(&mut self, survey: &Survey, links: &Links) -> ReadResult<()> {
        let count = survey.owners.len();
        let mut together = Forest::new(count as u32);
        for (a, b) in &links.tied {
            if survey.may_conduct(*a) && survey.may_conduct(*b) {
                together.union(*a, *b);
            }
        }
        let said = self.all_said()?;
        for (a, b) in said.iter().filter(|(_, kind)| **kind == OverrideKind::Require).map(|(pair, _)| pair) {
            together.union(*a, *b);
        }
        together.flatten();

        // By the roots of what hangs together.
        let mut otherwise = Bits::default();
        let kind =
            |id: u32| (survey.known.has(id) && survey.is_person(id)).then(|| survey.namespace(id).get());
        let limits = &survey.rules.person_limits;
        limits.each_broken(
            count,
            kind,
            |id| together.root(id),
            |root| {
                otherwise.add(root);
            },
        );
        for (a, b) in said.iter().filter(|(_, kind)| **kind == OverrideKind::Forbid).map(|(pair, _)| pair) {
            if together.root(*a) == together.root(*b) {
                otherwise.add(together.root(*a));
            }
        }
        for id in &links.held {
            otherwise.add(together.root(*id));
        }
        let mut sizes = vec![0_u32; count];
        for id in survey.of_persons() {
            let root = together.root(id);
            sizes[root as usize] += 1;
            if survey.owners[id as usize] != survey.owners[root as usize] {
                otherwise.add(root);
            }
        }
        let mut headed = Bits::default();
        self.each_person(|key, head| {
            let anchor = head.person_id().anchor().get();
            if survey.owners.get(anchor as usize) == Some(&key.get()) {
                let root = together.root(anchor);
                if sizes[root as usize] == head.size && head.component.is_none() {
                    headed.add(root);
                }
            }
        })?;

        self.given = Some(BTreeSet::new());
        let mut settled = Bits::default();
        for id in survey.of_persons() {
            let is_root = together.root(id) == id;
            if is_root && (otherwise.has(id) || !headed.has(id)) && !settled.has(id) {
                for node in self.settle_around(&BTreeSet::from([IdentifierId::new(id)]))? {
                    settled.add(node.get());
                }
                self.forget_unchanged();
            }
        }
        let given = self.given.take().unwrap_or_default();
        for (component, _) in self.components.range(&self.view, KeyBytes::new(&[]), 0)? {
            if !given.contains(&component) {
                self.components.delete(component);
            }
        }
        let due = self.due.range(&self.view, KeyBytes::new(&[]), IdentifierId::new(0))?;
        for (id, _) in due {
            self.due.delete(id);
        }
        self.counters.due = 0;
        Ok(())
    }

    /// Visits the heads of all persons, ascending by key.
    fn each_person(&self, mut visit: impl FnMut(PersonKey, PersonHead)) -> ReadResult<()> {
        let front = |chunk: &crate::codec::PersonChunk| PersonFront { head: chunk.head.clone() };
        self.persons.each(&self.view, front, |(key, _), front| {
            if let Some(head) = front.head {
                visit(key, head);
            }
        })
    }

    /// Settles where persons live, and gives for each, ascending, where it does.
    fn settle_all_homes(
        &mut self,
        survey: &Survey,
        lived: Vec<(u32, IdentifierId, HomeRow)>,
    ) -> ReadResult<Vec<(PersonKey, IdentifierId)>> {
        let mut lived: Vec<(PersonKey, IdentifierId, HomeRow)> = lived
            .into_iter()
            .filter(|(member, ..)| survey.owners[*member as usize] != NOBODY)
            .map(|(member, home, row)| (PersonKey::new(survey.owners[member as usize]), home, row))
            .collect();
        lived.sort_unstable_by_key(|(person, home, _)| (*person, *home));
        let mut homes: Vec<(PersonKey, IdentifierId, HomeRow)> = Vec::with_capacity(lived.len());
        for (person, home, row) in lived {
            match homes.last_mut() {
                Some((known, at, best)) if (*known, *at) == (person, home) => {
                    if self.is_stronger(&row, best, home)? {
                        *best = row;
                    }
                }
                _ => homes.push((person, home, row)),
            }
        }
        let mut otherwise: BTreeSet<PersonKey> = BTreeSet::new();
        let mut expected = homes.iter().peekable();
        self.homes.each(&self.view, HomeRow::clone, |key, row| {
            while let Some((person, ..)) = expected.next_if(|(person, home, _)| (*person, *home) < key) {
                otherwise.insert(*person);
            }
            let same = expected.next_if(|(person, home, _)| (*person, *home) == key);
            if same.is_none_or(|(.., best)| HomeRow { held: row.held, ..*best } != row) {
                otherwise.insert(key.0);
            }
        })?;
        otherwise.extend(expected.map(|(person, ..)| *person));
        for person in otherwise {
            if self.person_exists(person)? {
                self.rebuild_homes(person)?;
                self.touched.persons.insert(person);
            } else {
                self.clear_homes(person)?;
            }
            self.forget_unchanged();
        }
        let mut crowded = Vec::new();
        let rules = &survey.rules;
        self.identifiers.each(&self.view, IdentifierRow::clone, |id, row| {
            let most = rules.of(NamespaceId::new(row.namespace)).shared_above_persons;
            let is_shared = most.is_some_and(|most| row.residents > most);
            if !rules.is_person(NamespaceId::new(row.namespace)) && is_shared != survey.shared.has(id.get()) {
                crowded.push(id);
            }
        })?;
        self.touched.residents.extend(crowded);
        Ok(homes.into_iter().map(|(person, home, _)| (person, home)).collect())
    }

    /// Settles the households that are not what hangs together, and all that a limit cuts.
    fn settle_all_households(
        &mut self,
        survey: &Survey,
        homes: &[(PersonKey, IdentifierId)],
        neighbours: &[(u32, u32, bool)],
    ) -> ReadResult<()> {
        let count = survey.owners.len();
        let mut together = Forest::new(count as u32);
        // For each person that lives somewhere one of the places, ascending.
        let mut residents: Vec<(PersonKey, u32)> = Vec::new();
        for (person, home) in homes.iter().filter(|(_, home)| survey.may_conduct(home.get())) {
            match residents.last() {
                Some((known, first)) if known == person => {
                    together.union(*first, home.get());
                }
                _ => residents.push((*person, home.get())),
            }
        }
        let conducts = |(a, b, _): &&(u32, u32, bool)| survey.may_conduct(*a) && survey.may_conduct(*b);
        for (a, b, _) in neighbours.iter().filter(conducts) {
            together.union(*a, *b);
        }
        together.flatten();

        let mut otherwise = Bits::default();
        for (a, ..) in neighbours.iter().filter(|(.., held)| *held) {
            otherwise.add(together.root(*a));
        }
        let (mut persons, mut places) = (vec![0_u32; count], vec![0_u32; count]);
        for (_, place) in &residents {
            persons[together.root(*place) as usize] += 1;
        }
        // The root of each household, and places that should be in none.
        let mut households: HashMap<u64, u32> = HashMap::new();
        let mut stray = Vec::new();
        for id in survey.places() {
            let (root, owner) = (together.root(id), survey.owners[id as usize]);
            if persons[root as usize] == 0 || !survey.may_conduct(id) {
                if owner != NOBODY {
                    stray.push(IdentifierId::new(id));
                }
                continue;
            }
            places[root as usize] += 1;
            let known = *households.entry(owner).or_insert(root);
            if owner == NOBODY || known != root || owner != survey.owners[root as usize] {
                otherwise.add(root);
                otherwise.add(known);
            }
            if survey.rules.max_persons.is_some_and(|most| persons[root as usize] > most) {
                otherwise.add(root);
            }
        }
        let mut homeless = Vec::new();
        let mut expected = residents.iter().peekable();
        self.each_person(|key, head| {
            while expected.next_if(|(person, _)| *person < key).is_some() {}
            match expected.next_if(|(person, _)| *person == key) {
                Some((_, place)) => {
                    let root = together.root(*place);
                    if head.household != Some(survey.owners[root as usize]) {
                        otherwise.add(root);
                    }
                }
                None => homeless.extend(head.household.map(|_| key)),
            }
        })?;
        let mut empty: Vec<HouseholdKey> = Vec::new();
        self.households.each(&self.view, HouseholdHead::clone, |key, head| {
            match households.get(&key.get()) {
                Some(root) => {
                    let counted = (persons[*root as usize], places[*root as usize]);
                    if (head.persons, head.identifiers) != counted {
                        otherwise.add(*root);
                    }
                }
                None => empty.push(key),
            }
        })?;
        let mut held_back = Vec::new();
        self.homes.each(&self.view, HomeRow::clone, |(person, _), row| {
            held_back.extend(row.held.map(|_| person));
        })?;
        self.touched.persons.extend(homeless);
        self.touched.persons.extend(held_back);
        self.touched.identifiers.extend(stray);
        self.touched.households.extend(empty);
        let roots = survey.places().filter(|id| otherwise.has(*id));
        self.touched.identifiers.extend(roots.map(IdentifierId::new));
        self.settle_households()
    }
}

/// Whether a schema denies a value that it normalised.
fn is_denied(schema: &Schema, namespace: &str, value: &str) -> bool {
    matches!(schema.normalise(namespace, value), Normalised::Denied { .. })
}
