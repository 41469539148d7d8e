//! A store's answer in the oracle's terms.

use std::collections::{BTreeMap, BTreeSet};

use kinfold_engine::model::{
    Event, HouseholdId, HouseholdMember, HouseholdRow, Identifier, IdentifierId, IdentifierRecord, LinkRow,
    Observation, OverrideRow, PersonId, PersonRow, Seq, SourceRecord, Timestamp,
};
use kinfold_engine::profile::{Profile, profile};
use kinfold_engine::read::{Lookup, Read, ReadResult};

use crate::oracle::{Answer, Id, Seen};

/// The observation that the oracle saw, as the engine takes it.
pub fn observation(seen: &Seen) -> Observation {
    Observation {
        source: seen.source.clone(),
        time: Timestamp::from_micros(seen.time).unwrap_or_default(),
        identifiers: seen.ids.iter().map(|(namespace, value)| Identifier::new(namespace, value)).collect(),
        confidence: seen.confidence,
        kind: None,
        record_id: seen.record.clone(),
        attributes: BTreeMap::new(),
    }
}

/// The name of an identifier of a store.
pub fn name(read: &impl Read, id: IdentifierId) -> ReadResult<Id> {
    let row = read.identifier(id)?;
    Ok(row.map_or_else(
        || (String::new(), format!("identifier {} does not exist", id.get())),
        |row| (read.names().namespace_name(row.namespace).to_owned(), row.value),
    ))
}

/// The persons of a store: id → identifiers.
pub fn persons(read: &impl Read) -> ReadResult<BTreeMap<PersonId, BTreeSet<Id>>> {
    read.persons()
        .map(|person| {
            let person = person?;
            let members = read
                .members(person.key)
                .map(|member| {
                    let member = member?;
                    Ok((read.names().namespace_name(member.namespace).to_owned(), member.value))
                })
                .collect::<ReadResult<BTreeSet<Id>>>()?;
            Ok((person.id, members))
        })
        .collect()
}

/// Everything that a store says of who is who.
pub fn answer(read: &impl Read) -> ReadResult<Answer> {
    let persons = persons(read)?;
    let mut households = BTreeSet::new();
    for household in read.households() {
        let (mut people, mut homes) = (BTreeSet::new(), BTreeSet::new());
        for member in read.household_members(household?.key) {
            match member? {
                HouseholdMember::Person(key) => {
                    let members = match read.person(key)? {
                        Some(person) => persons.get(&person.id).cloned().unwrap_or_default(),
                        None => BTreeSet::new(),
                    };
                    people.insert(members);
                }
                HouseholdMember::Identifier(id) => {
                    homes.insert(name(read, id)?);
                }
            }
        }
        households.insert((people, homes));
    }
    Ok(Answer { persons: persons.into_values().collect(), households })
}

/// Everything that one state of a store says, to be compared with the same state asked for later.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The state's sequence number.
    pub seq: Seq,
    /// The text of the schema in force.
    pub schema: String,
    /// How many identifiers, persons, households and links there are.
    pub counts: [u64; 4],
    /// The persons.
    pub persons: BTreeMap<PersonId, PersonPicture>,
    /// The households: row, persons, and the identifiers that join them.
    pub households: BTreeMap<HouseholdId, (HouseholdRow, BTreeSet<PersonId>, BTreeSet<Id>)>,
    /// The identifiers.
    pub identifiers: BTreeMap<Id, IdentifierPicture>,
    /// All that changed until then.
    pub events: Vec<Event>,
}

/// What a state says of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonPicture {
    /// The person.
    pub row: PersonRow,
    /// Its household.
    pub household: Option<HouseholdId>,
    /// Its identifiers.
    pub members: BTreeSet<Id>,
    /// Its profile.
    pub profile: Option<Profile>,
    /// What became of it until then.
    pub events: Vec<Event>,
}

/// What a state says of an identifier.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentifierPicture {
    /// What is known of it.
    pub record: Option<IdentifierRecord>,
    /// Its links, and whether they conduct.
    pub links: Vec<(LinkRow, bool)>,
    /// The overrides on it.
    pub overrides: Vec<OverrideRow>,
    /// The records that name it.
    pub records: Vec<SourceRecord>,
    /// What a lookup of it finds.
    pub lookup: Lookup,
}

impl Picture {
    /// Leaves out what is gone of an earlier state once these identifiers are
    /// forgotten, and what may be otherwise by that: profiles, and when records were seen.
    pub fn forget(&mut self, names: &BTreeSet<Id>, numbers: &BTreeSet<IdentifierId>) {
        let names_of = |members: &mut BTreeSet<Id>| members.retain(|id| !names.contains(id));
        for person in self.persons.values_mut() {
            names_of(&mut person.members);
            person.row.size = person.members.len() as u32;
            person.profile = None;
        }
        self.persons.retain(|_, person| !person.members.is_empty());
        for (row, lodgers, homes) in self.households.values_mut() {
            lodgers.retain(|person| self.persons.contains_key(person));
            names_of(homes);
            (row.persons, row.identifiers) = (lodgers.len() as u32, homes.len() as u32);
        }
        self.identifiers.retain(|id, _| !names.contains(id));
        for identifier in self.identifiers.values_mut() {
            identifier.links.retain(|(link, _)| !numbers.contains(&link.other));
            identifier.overrides.retain(|row| !numbers.contains(&row.other));
            for record in &mut identifier.records {
                record.identifiers.retain(|id| !numbers.contains(id));
                (record.first_seen, record.last_seen) = (Timestamp::default(), Timestamp::default());
            }
            if let Lookup::Person { person, members, .. } = &mut identifier.lookup {
                members.retain(|member| !numbers.contains(&member.id));
                person.size = members.len() as u32;
            }
        }
    }
}

/// Takes the picture of a state.
pub fn picture(read: &impl Read) -> ReadResult<Picture> {
    let members = persons(read)?;
    let mut people = BTreeMap::new();
    for row in read.persons() {
        let row = row?;
        let household = match row.household {
            Some(key) => read.household(key)?.map(|household| household.id),
            None => None,
        };
        let picture = PersonPicture {
            household,
            members: members.get(&row.id).cloned().unwrap_or_default(),
            profile: profile(read, row.key)?,
            events: read.person_events(row.id).collect::<ReadResult<_>>()?,
            row,
        };
        people.insert(picture.row.id, picture);
    }
    let mut households = BTreeMap::new();
    for row in read.households() {
        let row = row?;
        let (mut lodgers, mut homes) = (BTreeSet::new(), BTreeSet::new());
        for member in read.household_members(row.key) {
            match member? {
                HouseholdMember::Person(key) => lodgers.extend(read.person(key)?.map(|person| person.id)),
                HouseholdMember::Identifier(id) => {
                    homes.insert(name(read, id)?);
                }
            }
        }
        households.insert(row.id, (row, lodgers, homes));
    }
    let mut identifiers = BTreeMap::new();
    for id in read.identifiers(None) {
        let id = id?;
        let named = name(read, id)?;
        let mut links = Vec::new();
        for link in read.links(id, None) {
            let link = link?;
            links.push((link, read.conducts(id, &link)?));
        }
        let picture = IdentifierPicture {
            record: read.identifier(id)?,
            links,
            overrides: read.overrides(id).collect::<ReadResult<_>>()?,
            records: read.records(id).collect::<ReadResult<_>>()?,
            lookup: read.lookup(&Identifier::new(&*named.0, &*named.1))?,
        };
        identifiers.insert(named, picture);
    }
    Ok(Picture {
        seq: read.seq(),
        schema: read.schema().text().to_owned(),
        counts: [
            read.identifier_count(None)?,
            read.person_count()?,
            read.household_count()?,
            read.link_count()?,
        ],
        persons: people,
        households,
        identifiers,
        events: read.events(Seq::new(0)).collect::<ReadResult<_>>()?,
    })
}
