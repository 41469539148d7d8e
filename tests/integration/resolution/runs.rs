//! What happens to a store happens to the oracle's world too, and they are compared on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinfold_engine::model::{
    Cause, Change, Event, HouseholdId, HouseholdMember, Identifier, IdentifierId, Member, PersonId, Seq,
    Timestamp,
};
use kinfold_engine::privacy::Forget;
use kinfold_engine::read::{Found, Lookup, Read};
use kinfold_engine::write::{Act, ActError, Authored, Batch, SchemaPlan};
use kinfold_engine::{Snapshot, Store, check};
use kinfold_tests::observed::{self, Picture};
use kinfold_tests::oracle::{Answer, Id, Outcome, Said, World};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::cases::{Pair, Step, schema};

pub(super) type Checked<T = ()> = Result<T, TestCaseError>;

/// How a store is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Observations go in one by one, even those that came together.
    pub(super) single: bool,
    /// Larger raw components are cut in the background.
    pub(super) inline_limit: Option<usize>,
    /// After how many steps the answer is compared.
    pub(super) every: usize,
    /// Whether what was there after every write is kept.
    pub(super) pictures: bool,
}

/// What there was after a write.
pub(super) struct Moment {
    /// After this write, and before the next.
    pub(super) time: Timestamp,
    pub(super) picture: Picture,
    /// Where every id led that had ever lived.
    pub(super) leads: BTreeMap<PersonId, PersonId>,
    pub(super) world: World,
}

/// A store to which things have happened.
pub(super) struct Run {
    pub(super) store: Store,
    pub(super) world: World,
    pub(super) moments: Vec<Moment>,
    pub(super) manner: Manner,
    lived: BTreeSet<PersonId>,
    dead: BTreeSet<PersonId>,
    /// The write of the last erasure.
    pub(super) forgot: Option<Seq>,
    housed: BTreeSet<HouseholdId>,
    dissolved: BTreeSet<HouseholdId>,
}

pub(super) fn by() -> Authored {
    Authored { author: "ann".to_owned(), reason: "she knows".to_owned() }
}

pub(super) fn named(id: &Id) -> Identifier {
    Identifier::new(&*id.0, &*id.1)
}

/// Runs the steps, and compares on the way.
pub(super) fn run(world: World, steps: &[Step], manner: Manner) -> Checked<Run> {
    let store = Store::in_memory(schema(&world.rules, manner.inline_limit)).expect("there is memory");
    run_on(store, world, steps, manner)
}

/// Runs the steps on a store that holds what the oracle's world does.
pub(super) fn run_on(store: Store, world: World, steps: &[Step], manner: Manner) -> Checked<Run> {
    let mut run = Run {
        store,
        world,
        moments: Vec::new(),
        manner,
        lived: BTreeSet::new(),
        dead: BTreeSet::new(),
        forgot: None,
        housed: BTreeSet::new(),
        dissolved: BTreeSet::new(),
    };
    run.look()?;
    for (at, step) in steps.iter().enumerate() {
        run.step(step)?;
        if at % manner.every == 0 {
            run.compare()?;
        }
    }
    run.compare()?;
    run.clean()?;
    Ok(run)
}

impl Run {
    /// Waits until nothing waits for a cut.
    fn settle(&mut self) -> Checked {
        if self.manner.inline_limit.is_some() {
            prop_assert!(self.store.wait_resolved(Duration::from_secs(60)), "the cut does not come");
            self.look()?;
        }
        Ok(())
    }

    /// Persons and households are the oracle's, once nothing waits for a cut.
    fn compare(&mut self) -> Checked {
        self.settle()?;
        let expected = self.world.resolve();
        prop_assert_eq!(&observed::answer(&self.store.snapshot()).expect("readable"), &expected);
        Ok(())
    }

    /// Every table agrees with every other.
    pub(super) fn clean(&self) -> Checked {
        let report = check(&self.store.snapshot()).expect("the store can be read");
        prop_assert!(report.is_clean(), "{report}");
        Ok(())
    }

    /// Notes what there is after a write.
    fn look(&mut self) -> Checked {
        let snapshot = self.store.snapshot();
        let living: BTreeSet<PersonId> =
            observed::persons(&snapshot).expect("readable").into_keys().collect();
        let homes: BTreeSet<HouseholdId> =
            snapshot.households().map(|row| row.expect("readable").id).collect();
        prop_assert!(living.is_disjoint(&self.dead), "an id lives again");
        prop_assert!(homes.is_disjoint(&self.dissolved), "a household's id lives again");
        self.lived.extend(&living);
        self.dead = self.lived.difference(&living).copied().collect();
        self.housed.extend(&homes);
        self.dissolved = self.housed.difference(&homes).copied().collect();
        if !self.manner.pictures {
            return Ok(());
        }
        let picture = observed::picture(&snapshot).expect("readable");
        let mut leads = BTreeMap::new();
        for id in &self.lived {
            let row = snapshot.person_by_id(*id).expect("readable");
            let Some(row) = row else {
                prop_assert!(snapshot.is_erased(*id).expect("readable"), "{id} leads nowhere");
                continue;
            };
            prop_assert!(living.contains(&row.id), "{id} leads to {}, which does not live", row.id);
            leads.insert(*id, row.id);
        }
        // The next write is later by the clock.
        let time = Timestamp::now();
        while Timestamp::now() <= time {}
        self.moments.push(Moment { time, picture, leads, world: self.world.clone() });
        Ok(())
    }

    fn act(&mut self, act: &Act, expected: Outcome) -> Checked {
        let before = self.store.snapshot().seq();
        let outcome = self.store.act(act, by());
        let after = self.store.snapshot();
        match (&outcome, expected) {
            (Ok(receipt), Some(changed)) => {
                prop_assert_eq!(receipt.changed, changed, "{:?}", act);
                if self.manner.inline_limit.is_none() {
                    prop_assert_eq!(receipt.seq, after.seq());
                    let events: Vec<Event> =
                        after.events(before.next()).map(|event| event.expect("readable")).collect();
                    prop_assert_eq!(&receipt.events, &events);
                }
            }
            (Err(refused), None) => {
                let is_damage = matches!(refused, ActError::Write(_) | ActError::Author { .. });
                prop_assert!(!is_damage, "{act:?}: {refused}");
                prop_assert!(self.manner.inline_limit.is_some() || after.seq() == before);
            }
            _ => {
                let told = format!("{act:?} gave {outcome:?}, expected {expected:?}");
                return Err(TestCaseError::fail(told));
            }
        }
        Ok(())
    }

    fn linked(&self) -> Vec<(Id, Id)> {
        self.world.links().into_iter().map(|(a, b, ..)| (a, b)).collect()
    }

    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::Observe(batch) => {
                for part in batch.chunks(if self.manner.single { 1 } else { batch.len() }) {
                    let observations = part.iter().map(|saw| saw.observation()).collect();
                    let sent = self.store.observe(Batch { request_id: None, observations });
                    let receipt = sent.expect("the batch is well formed");
                    prop_assert_eq!(receipt.rejected, []);
                    for saw in part {
                        self.world.observe(&saw.seen);
                    }
                }
            }
            Step::Say(said, pair) => {
                let home = |id: &Id| self.world.rules.household_scope.contains(&id.0);
                let linked = self.linked().into_iter().filter(|(a, b)| !home(a) && !home(b)).collect();
                let (a, b) = pair.among(linked);
                let (one, other) = (named(&a), named(&b));
                let act = match said {
                    Said::Forbid => Act::Forbid(one, other),
                    Said::Require => Act::Require(one, other),
                };
                let expected = self.world.say(*said, &a, &b);
                self.act(&act, expected)?;
            }
            Step::Release(pair) => {
                let (a, b) = pair.among(self.world.overrides.keys().cloned().collect());
                let expected = self.world.release(&a, &b);
                self.act(&Act::Release(named(&b), named(&a)), expected)?;
            }
            Step::RetractLink(source, pair) => {
                let (a, b) = pair.among(self.linked());
                let expected = self.world.retract_link(source, &a, &b);
                let act = Act::RetractLink { source: source.clone(), a: named(&a), b: named(&b) };
                self.act(&act, expected)?;
            }
            Step::RetractRecord(source, record_id) => {
                let expected = self.world.retract_record(source, record_id);
                let (source, record_id) = (source.clone(), record_id.clone());
                self.act(&Act::RetractRecord { source, record_id }, expected)?;
            }
            Step::RetractSource(source) => {
                let expected = self.world.retract_source(source);
                self.act(&Act::RetractSource { source: source.clone() }, expected)?;
            }
            Step::Schema(rules) => {
                let before = observed::persons(&self.store.snapshot()).expect("readable");
                let schema = schema(rules, self.manner.inline_limit);
                let planned = self.store.plan_schema(&schema).expect("the schema fits");
                let done = self.store.apply_schema(&schema, by()).expect("the schema fits");
                self.world.rules = rules.clone();
                if self.manner.inline_limit.is_none() {
                    prop_assert_eq!(timeless(planned), timeless(done.clone()));
                    let after = observed::persons(&self.store.snapshot()).expect("readable");
                    let same = before.iter().filter(|(id, members)| after.get(*id) == Some(*members));
                    prop_assert_eq!(done.untouched, same.count() as u64);
                    prop_assert_eq!(done.persons_before, before.len() as u64);
                    prop_assert_eq!(done.persons_after, after.len() as u64);
                }
            }
            Step::Forget(picked, person) => self.forget(picked, *person)?,
            Step::Readmit(id) => {
                let expected = self.world.readmit(id);
                self.act(&Act::Readmit(named(id)), expected)?;
            }
            Step::Rebuild => {
                let (before, was) = (self.store.snapshot(), self.ids());
                let plan = self.store.rebuild().expect("the store is whole");
                if self.manner.inline_limit.is_none() {
                    prop_assert_eq!(was, self.ids());
                    prop_assert_eq!((plan.changed, plan.household_changes), (0, 0));
                    let events = self.store.snapshot().events(before.seq().next()).count();
                    prop_assert_eq!(events, 0);
                }
            }
        }
        self.look()
    }

    fn forget(&mut self, picked: &[usize], person: bool) -> Checked {
        if person {
            // A cut that came between would change whom it is about.
            self.settle()?;
        }
        let known: Vec<Id> = self.world.known.iter().cloned().collect();
        let Some(most) = known.len().checked_sub(1) else { return Ok(()) };
        let mut ids: BTreeSet<Id> = picked.iter().map(|at| known[at % (most + 1)].clone()).collect();
        let first = known[picked[0] % (most + 1)].clone();
        let before = self.store.snapshot();
        let mut forget = Forget::Identifiers(ids.iter().map(named).collect());
        if person && !self.world.rules.household_scope.contains(&first.0) {
            ids = observed::persons(&before)
                .expect("readable")
                .into_values()
                .find(|members| members.contains(&first))
                .expect("everybody is somebody");
            forget = Forget::PersonOf(named(&first));
        }
        let is_its = |id: &IdentifierId| ids.contains(&observed::name(&before, *id).expect("readable"));
        let numbers: BTreeSet<IdentifierId> =
            before.identifiers(None).map(|id| id.expect("readable")).filter(is_its).collect();
        // Whoever holds an earlier state holds the proof up.
        drop(before);
        let planned = self.store.plan_forget(&forget).expect("they are known");
        let report = self.store.forget(None, &forget, by()).expect("they are known");
        if self.manner.inline_limit.is_none() {
            prop_assert_eq!(&planned, &report.erased);
            prop_assert_eq!(report.seq, self.store.snapshot().seq());
        }
        prop_assert_eq!(report.erased.identifiers.iter().map(|(_, n)| n).sum::<u64>(), ids.len() as u64);
        prop_assert!(report.proof.is_complete(), "{:?}", report.proof);
        let again = self.store.forget(None, &forget, by()).expect("they were known");
        prop_assert_eq!((again.erased.already > 0, again.erased.identifiers.len()), (true, 0));
        for id in report.erased.persons {
            prop_assert!(self.store.snapshot().is_erased(id).expect("readable"), "{id}");
        }
        for moment in &mut self.moments {
            moment.picture.forget(&ids, &numbers);
            let persons = &moment.picture.persons;
            moment.leads.retain(|_, to| persons.contains_key(to));
        }
        self.world.forget(&ids);
        self.forgot = Some(report.seq);
        Ok(())
    }

    /// Every id with what it stands for: persons' and households'.
    pub(super) fn ids(&self) -> Ids {
        ids(observed::picture(&self.store.snapshot()).expect("readable"))
    }

    /// Every id that ever lived leads to a living person.
    pub(super) fn all_ids_lead_on(&self) -> Checked {
        let snapshot = self.store.snapshot();
        let living = observed::persons(&snapshot).expect("readable");
        for id in &self.lived {
            let row = snapshot.person_by_id(*id).expect("readable");
            let erased = self.forgot.is_some() && snapshot.is_erased(*id).expect("readable");
            prop_assert!(
                row.as_ref().map_or(erased, |row| living.contains_key(&row.id)),
                "{id} leads to {row:?}"
            );
        }
        Ok(())
    }

    /// The events, replayed, give at every moment the persons that were there.
    pub(super) fn events_tell_all(&self) -> Checked {
        let snapshot = self.store.snapshot();
        let mut told: BTreeMap<PersonId, BTreeSet<IdentifierId>> = BTreeMap::new();
        let mut born: BTreeMap<PersonId, Seq> = BTreeMap::new();
        let mut homes: BTreeSet<HouseholdId> = BTreeSet::new();
        let mut events = snapshot.events(Seq::new(0)).map(|event| event.expect("readable")).peekable();
        let mut last = (Seq::new(0), 0, Timestamp::MIN);
        for moment in &self.moments {
            while let Some(event) = events.next_if(|event| event.seq <= moment.picture.seq) {
                prop_assert!(
                    (event.seq, event.index + 1, event.time) > last && event.time >= last.2,
                    "{event:?}"
                );
                last = (event.seq, event.index + 1, event.time);
                match &event.change {
                    Change::Persons(_) => replay(&mut told, &mut born, &event)?,
                    Change::Households(change) => {
                        let were = change.before.iter().all(|id| homes.contains(id));
                        prop_assert!(were, "a household was told of before it was: {event:?}");
                        homes.extend(&change.after);
                    }
                    Change::Erased(change) => {
                        let gone: usize =
                            change.before.iter().filter_map(|id| told.remove(id)).map(|ids| ids.len()).sum();
                        prop_assert!(gone <= change.identifiers as usize, "{event:?}");
                        prop_assert!(change.after.iter().all(|id| told.contains_key(id)), "{event:?}");
                    }
                }
            }
            let were: BTreeMap<PersonId, BTreeSet<Id>> =
                moment.picture.persons.iter().map(|(id, person)| (*id, person.members.clone())).collect();
            // Those that were forgotten since have no name.
            let is_known = |id: &&IdentifierId| snapshot.identifier(**id).expect("readable").is_some();
            let name = |id: &IdentifierId| observed::name(&snapshot, *id).expect("readable");
            let told: BTreeMap<PersonId, BTreeSet<Id>> = told
                .iter()
                .map(|(id, members)| (*id, members.iter().filter(is_known).map(name).collect()))
                .filter(|(_, members): &(_, BTreeSet<Id>)| !members.is_empty())
                .collect();
            prop_assert_eq!(told, were);
            prop_assert!(moment.picture.households.keys().all(|id| homes.contains(id)));
        }
        prop_assert!(events.peek().is_none());
        Ok(())
    }

    /// Asked as of any earlier moment, the store answers what it answered then.
    pub(super) fn earlier_states_stand(&self) -> Checked {
        use kinfold_engine::read::AsOf;
        let snapshot = self.store.snapshot();
        for (at, moment) in self.moments.iter().enumerate() {
            let seq = moment.picture.seq;
            let mut asked = vec![AsOf::Seq(seq)];
            // What is cut in the background may be later than the look at it, and earlier by the clock.
            if self.manner.inline_limit.is_none() {
                asked.push(AsOf::Time(moment.time));
                // The states within a batch were never there to be seen.
                let next = self.moments.get(at + 1).filter(|_| !self.manner.single);
                asked
                    .extend(next.map(|next| AsOf::Seq(Seq::new(next.picture.seq.get().max(1) - 1).max(seq))));
            }
            for asked in asked {
                let then = snapshot.as_of(asked).expect("it is past");
                let mut picture = observed::picture(&then).expect("readable");
                if self.forgot.is_some_and(|forgot| seq < forgot) {
                    picture.forget(&BTreeSet::new(), &BTreeSet::new());
                }
                same(&picture, &moment.picture)
                    .map_err(|differs| TestCaseError::fail(format!("as of {asked:?}: {differs}")))?;
            }
            let then = snapshot.as_of(AsOf::Seq(seq)).expect("it is past");
            if self.forgot.is_some_and(|forgot| seq < forgot) {
                // Counts of links and ties stay as they were; nothing that is read is damaged.
                check(&then).expect("readable");
            } else if self.manner.inline_limit.is_none() {
                whole(&then)?;
            }
            for id in &self.lived {
                let led = then.person_by_id(*id).expect("readable").map(|row| row.id);
                prop_assert_eq!(led, moment.leads.get(id).copied(), "{} as of {}", id, seq);
            }
        }
        Ok(())
    }

    /// The pairs that an act or a view speaks of, among the links of a world.
    pub(super) fn pairs(world: &World, pairs: &[Pair]) -> Vec<(Id, Id)> {
        let linked: Vec<(Id, Id)> = world.links().into_iter().map(|(a, b, ..)| (a, b)).collect();
        pairs.iter().map(|pair| pair.among(linked.clone())).collect()
    }
}

/// The tables of an earlier state agree with each other, as those do of the
/// state that is; those that only ever grow are asked by number and not cut off.
fn whole(then: &Snapshot) -> Checked {
    let growing = ["dictionary", "events", "person_events", "writes"];
    let report = check(then).expect("readable");
    let wrong: Vec<_> = report.problems.iter().filter(|problem| !growing.contains(&problem.table)).collect();
    prop_assert!(wrong.is_empty(), "as of {}: {:?}", then.seq(), wrong);
    Ok(())
}

/// Says where pictures differ.
fn same(one: &Picture, other: &Picture) -> Checked {
    for (id, person) in &one.persons {
        prop_assert_eq!(Some(person), other.persons.get(id));
    }
    for (id, household) in &one.households {
        prop_assert_eq!(Some(household), other.households.get(id));
    }
    for (id, identifier) in &one.identifiers {
        prop_assert_eq!(Some(identifier), other.identifiers.get(id));
    }
    prop_assert_eq!(one, other);
    Ok(())
}

/// Every id with what it stands for: persons with their identifiers, and
/// households with their persons and places.
/// Persons and households by their ids.
pub(super) type Ids =
    (BTreeMap<PersonId, BTreeSet<Id>>, BTreeMap<HouseholdId, (BTreeSet<PersonId>, BTreeSet<Id>)>);

/// The ids of a picture.
pub(super) fn ids(picture: Picture) -> Ids {
    let persons = picture.persons.into_iter().map(|(id, person)| (id, person.members)).collect();
    let households =
        picture.households.into_iter().map(|(id, (_, persons, homes))| (id, (persons, homes))).collect();
    (persons, households)
}

/// A plan without what depends on when and by whom it was made.
fn timeless(plan: SchemaPlan) -> SchemaPlan {
    let bare = |event: Event| Event { time: Timestamp::MIN, cause: Cause::Rebuild, ..event };
    SchemaPlan { examples: plan.examples.into_iter().map(bare).collect(), ..plan }
}

/// Does to persons what an event says was done to them.
fn replay(
    told: &mut BTreeMap<PersonId, BTreeSet<IdentifierId>>,
    born: &mut BTreeMap<PersonId, Seq>,
    event: &Event,
) -> Checked {
    let Change::Persons(change) = &event.change else { return Ok(()) };
    let mut left: BTreeMap<PersonId, BTreeSet<IdentifierId>> = BTreeMap::new();
    for id in &change.before {
        let Some(members) = told.remove(id) else {
            return Err(TestCaseError::fail(format!("{id} did not live before {event:?}")));
        };
        left.insert(*id, members);
    }
    for id in &change.after {
        let mut is_new = || born.insert(*id, event.seq).is_none();
        prop_assert!(left.contains_key(id) || is_new(), "{id} was there before {event:?}");
        told.insert(*id, BTreeSet::new());
    }
    // Those that are named go first; the rest of a person stays together.
    let (named, rest): (Vec<_>, Vec<_>) =
        change.shares.iter().partition(|share| !share.identifiers.is_empty());
    for share in named {
        prop_assert_eq!(share.count as usize, share.identifiers.len(), "{:?}", event);
        for id in &share.identifiers {
            let was = share.from.is_none_or(|from| left.get_mut(&from).is_some_and(|left| left.remove(id)));
            let is_new = share.from.is_some() || !told.values().any(|members| members.contains(id));
            prop_assert!(was && is_new, "identifier {} was elsewhere: {event:?}", id.get());
            told.entry(share.to).or_default().insert(*id);
        }
    }
    for share in rest {
        let stayed = share.from.and_then(|from| left.remove(&from)).unwrap_or_default();
        prop_assert_eq!(stayed.len(), share.count as usize, "{:?}", event);
        told.entry(share.to).or_default().extend(stayed);
    }
    prop_assert!(left.values().all(BTreeSet::is_empty), "somebody is left over: {event:?}");
    let known = change.after.iter().all(|id| told.get(id).is_some_and(|members| !members.is_empty()));
    let only = change.shares.iter().all(|share| change.after.contains(&share.to));
    prop_assert!(known && only, "{event:?}");
    // An id stays with its anchor, unless that is an older person's now.
    for id in &change.before {
        let holder =
            told.iter().find(|(_, members)| members.contains(&id.anchor())).map(|(holder, _)| holder);
        let age = |id: &PersonId| (born.get(id).copied(), *id);
        let stays = holder.is_some_and(|holder| holder == id || age(holder) < age(id));
        prop_assert!(stays && holder.is_some_and(|holder| change.before.contains(holder)), "{id}: {event:?}");
    }
    Ok(())
}

/// An identifier leads to the person, and to the household, that the answer has it in.
pub(super) fn found(read: &impl Read, id: &Id, answer: &Answer) -> Checked {
    let name = |member: &Member| -> Id {
        (read.names().namespace_name(member.namespace).to_owned(), member.value.clone())
    };
    let (household, inside) = match read.lookup(&named(id)).expect("readable") {
        Lookup::Person { person, members, .. } => {
            let members: BTreeSet<Id> = members.iter().map(name).collect();
            prop_assert_eq!(members.len(), person.size as usize);
            prop_assert!(
                members.contains(id) && answer.persons.contains(&members),
                "{:?}: {:?}",
                id,
                members
            );
            (person.household, answer.households.iter().find(|(people, _)| people.contains(&members)))
        }
        Lookup::Place { household, .. } => {
            (household, answer.households.iter().find(|(_, homes)| homes.contains(id)))
        }
        Lookup::Nothing(found) => {
            prop_assert!(matches!(found, Found::Denied { .. }), "{:?} is {:?}", id, found);
            return Ok(());
        }
    };
    let mut lives = None;
    if let Some(key) = household {
        let (mut people, mut homes) = (BTreeSet::new(), BTreeSet::new());
        for member in read.household_members(key) {
            match member.expect("readable") {
                HouseholdMember::Person(key) => {
                    let members = read.members(key).map(|member| name(&member.expect("readable")));
                    people.insert(members.collect::<BTreeSet<Id>>());
                }
                HouseholdMember::Identifier(id) => {
                    homes.insert(observed::name(read, id).expect("readable"));
                }
            }
        }
        lives = Some((people, homes));
    }
    prop_assert_eq!(lives.as_ref(), inside, "{:?}", id);
    Ok(())
}
