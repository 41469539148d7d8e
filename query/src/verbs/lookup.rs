//! The verbs about who somebody is: PERSON, PROFILE, HOUSEHOLD and NEIGHBOURS.

use std::collections::BTreeSet;

use kinfold_engine::model::{
    HouseholdKey, HouseholdMember, HouseholdRow, IdentifierId, LinkRow, PersonId, PersonRow, SourceId,
};
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Read, ReadResult};

use super::{Target, corrupt, error, find, name, person, ready};
use crate::graph::{ProcedureError, ProcedureRows};
use crate::identity::{attribute, count, held_back, sources};
use crate::value::Value;

/// The identifiers of a person as texts, ascending.
fn identifiers(read: &impl Read, row: &PersonRow) -> ReadResult<Value> {
    let mut all = Vec::new();
    for member in read.members(row.key) {
        let member = member?;
        all.push(format!("{}:{}", read.names().namespace_name(member.namespace), member.value));
    }
    all.sort();
    Ok(all.into_iter().map(Value::from).collect())
}

fn household_row(read: &impl Read, key: HouseholdKey) -> ReadResult<HouseholdRow> {
    let row = read.household(key)?;
    row.ok_or_else(|| {
        corrupt("households", format!("household {} is spoken of, but does not exist", key.get()))
    })
}

pub(super) fn person_row(
    read: &impl Read,
    row: &PersonRow,
    from: Option<PersonId>,
) -> ReadResult<Vec<Value>> {
    let household = match row.household {
        Some(key) => Some(household_row(read, key)?.id.to_string()),
        None => None,
    };
    Ok(vec![
        row.id.to_string().into(),
        from.map(|id| id.to_string()).into(),
        row.size.into(),
        household.into(),
        identifiers(read, row)?,
        row.created_at.into(),
    ])
}

pub(super) fn profile_rows(read: &impl Read, row: &PersonRow) -> ReadResult<Vec<Vec<Value>>> {
    let names = read.names();
    let Some(profile) = profile(read, row.key)? else {
        return Err(corrupt("persons", format!("{} does not exist", row.id)));
    };
    let named = |sources: &mut dyn Iterator<Item = SourceId>| -> Value {
        let sources: BTreeSet<&str> = sources.map(|source| names.source_name(source)).collect();
        sources.into_iter().map(Value::from).collect()
    };
    let known = &profile.identifiers;
    let mut rows = vec![vec![
        "person".into(),
        "id".into(),
        row.id.to_string().into(),
        known.iter().filter_map(|i| i.first_seen).min().into(),
        known.iter().filter_map(|i| i.last_seen).max().into(),
        named(&mut known.iter().flat_map(|i| i.sources.iter().copied())),
    ]];
    rows.extend(known.iter().map(|identifier| {
        vec![
            "identifier".into(),
            names.namespace_name(identifier.namespace).into(),
            identifier.value.as_str().into(),
            identifier.first_seen.into(),
            identifier.last_seen.into(),
            named(&mut identifier.sources.iter().copied()),
        ]
    }));
    rows.extend(profile.records.iter().map(|record| {
        vec![
            "record".into(),
            names.source_name(record.source).into(),
            record.record_id.clone().into(),
            record.first_seen.into(),
            record.last_seen.into(),
            named(&mut std::iter::once(record.source)),
        ]
    }));
    rows.extend(profile.attributes.iter().map(|held| {
        vec![
            "attribute".into(),
            names.attribute_name(held.name).into(),
            attribute(&held.value),
            Value::Null,
            held.time.into(),
            named(&mut std::iter::once(held.source)),
        ]
    }));
    Ok(rows)
}

pub(super) fn household<'r, R: Read>(
    read: &'r R,
    target: &Target,
) -> Result<ProcedureRows<'r>, ProcedureError> {
    let row = match target {
        Target::Household(id) => match read.household_by_id(*id)? {
            Some(row) => Some(row),
            None => return Err(error("not-found", format!("there is no household `{id}`"))),
        },
        Target::Person(_) => match person(read, target)?.0.household {
            Some(key) => Some(household_row(read, key)?),
            None => None,
        },
        Target::Name(name) => {
            let id = find(read, name)?;
            let key = match read.person_of(id)? {
                Some(_) => person(read, target)?.0.household,
                None => read.household_of(id)?,
            };
            match key {
                Some(key) => Some(household_row(read, key)?),
                None => None,
            }
        }
    };
    // Somebody who is in no household is no error: there are no rows.
    let Some(row) = row else { return ready(Vec::new()) };
    let household = Value::from(row.id.to_string());
    Ok(Box::new(read.household_members(row.key).map(move |member| {
        Ok(match member? {
            HouseholdMember::Person(key) => {
                let person = read.person(key)?;
                let person = person
                    .ok_or_else(|| corrupt("persons", format!("person {} does not exist", key.get())))?;
                vec![
                    household.clone(),
                    "person".into(),
                    person.id.to_string().into(),
                    person.size.into(),
                    identifiers(read, &person)?,
                ]
            }
            HouseholdMember::Identifier(id) => {
                let (_, _, name) = name(read, id)?;
                vec![household.clone(), "identifier".into(), name.into(), Value::Null, Value::Null]
            }
        })
    })))
}

pub(super) fn neighbours<'r, R: Read>(read: &'r R, from: IdentifierId) -> ProcedureRows<'r> {
    Box::new(read.links(from, None).map(move |row| Ok(neighbour(read, from, &row?)?)))
}

fn neighbour(read: &impl Read, from: IdentifierId, row: &LinkRow) -> ReadResult<Vec<Value>> {
    let names = read.names();
    let (namespace, value, id) = name(read, row.other)?;
    let Some(link) = read.link(from, row.other)? else {
        return Err(corrupt("links", format!("the link to `{id}` has no evidence")));
    };
    let (mine, theirs) = (read.person_of(from)?, read.person_of(row.other)?);
    Ok(vec![
        id.into(),
        names.namespace_name(namespace).into(),
        value.into(),
        row.weight.into(),
        count(link.count()),
        sources(names, &link.evidence),
        link.first_seen.into(),
        link.last_seen.into(),
        read.conducts(from, row)?.into(),
        held_back(names, row.held_back_by),
        (mine.is_some() && mine == theirs).into(),
    ])
}
