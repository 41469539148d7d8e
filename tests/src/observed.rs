//! A store's answer in the oracle's terms.

use std::collections::{BTreeMap, BTreeSet};

use kinfold_engine::model::{HouseholdMember, Identifier, IdentifierId, Observation, PersonId, Timestamp};
use kinfold_engine::read::{Read, ReadResult};

use crate::oracle::{Answer, Id, Seen};

/// The observation that the oracle saw, as the engine takes it.
pub fn observation(seen: &Seen) -> Observation {
    Observation {
        source: seen.source.clone(),
        time: Timestamp::from_micros(seen.time).unwrap_or_default(),
        identifiers: seen.ids.iter().map(|(namespace, value)| Identifier::new(namespace, value)).collect(),
        confidence: seen.confidence,
        kind: None,
        record_id: None,
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
