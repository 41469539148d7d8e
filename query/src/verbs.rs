//! The verbs: the everyday questions of identity work, each also a procedure.

use std::collections::BTreeSet;

use kinfold_engine::model::{
    HouseholdId, HouseholdKey, HouseholdMember, HouseholdRow, Identifier, IdentifierId, LinkRow, NamespaceId,
    PersonId, PersonRow, SourceId,
};
use kinfold_engine::profile::profile;
use kinfold_engine::read::{Found, Read, ReadError, ReadResult};

use crate::ast::{Span, Verb, VerbKind, Who};
use crate::error::{Fault, Outcome};
use crate::exec::procedure_fault;
use crate::graph::{ProcedureError, ProcedureRows, Signature};
use crate::identity::{attribute, count, held_back, sources};
use crate::prepare::Params;
use crate::value::Value;

/// The answer to a verb.
pub(crate) struct Answer<'r> {
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: ProcedureRows<'r>,
}

/// The columns of a verb.
pub(crate) fn columns(kind: VerbKind) -> &'static [&'static str] {
    match kind {
        VerbKind::Person => &["person", "redirected_from", "size", "household", "identifiers", "created_at"],
        VerbKind::Profile => &["section", "name", "value", "first_seen", "last_seen", "sources"],
        VerbKind::Household => &["household", "kind", "member", "size", "identifiers"],
        VerbKind::Neighbours => &[
            "id",
            "namespace",
            "value",
            "weight",
            "count",
            "sources",
            "first_seen",
            "last_seen",
            "conducts",
            "held_back_by",
            "same_person",
        ],
    }
}

/// The name of a verb as a procedure.
pub(crate) fn procedure_name(kind: VerbKind) -> &'static str {
    match kind {
        VerbKind::Profile => "identity.profile",
        VerbKind::Person => "identity.person",
        VerbKind::Household => "identity.household",
        VerbKind::Neighbours => "identity.neighbours",
    }
}

/// What a verb takes and gives as a procedure.
pub(crate) fn signature(kind: VerbKind) -> Signature {
    Signature {
        name: procedure_name(kind).to_owned(),
        parameters: vec![("who".to_owned(), "STRING".to_owned())],
        columns: columns(kind).iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Answers a verb.
pub(crate) fn run<'r, R: Read>(verb: &Verb, read: &'r R, params: &Params) -> Outcome<Answer<'r>> {
    let span = verb.who.span();
    let name = match &verb.who {
        Who::Named { namespace, value, .. } => {
            Target::Name(Identifier::new(namespace.text.clone(), value.clone()))
        }
        Who::Text { text, .. } => located(target(text), span)?,
        Who::Param(name) => match params.get(&name.text) {
            Some(Value::String(text)) => located(target(text), span)?,
            Some(other) => {
                let message = format!(
                    "`${}` must be a string that names somebody, not {}",
                    name.text,
                    other.type_name()
                );
                return Err(
                    Fault::typed("wrong-type", span, message).hint("as in 'email:ann@example.com' or 'p42'")
                );
            }
            None => {
                let known = params.keys().map(String::as_str);
                let message = format!("no parameter `${}` is given", name.text);
                return Err(
                    Fault::binding("unknown-parameter", span, message).did_you_mean(&name.text, known)
                );
            }
        },
    };
    let rows = located(rows(verb.kind, read, &name), span)?;
    Ok(Answer { columns: columns(verb.kind), rows })
}

fn located<T>(result: Result<T, ProcedureError>, span: Span) -> Outcome<T> {
    result.map_err(|error| procedure_fault(error, span))
}

/// Answers a verb that is called as a procedure. Null asks about nobody.
pub(crate) fn answer<'r, R: Read>(
    kind: VerbKind,
    read: &'r R,
    who: &Value,
) -> Result<ProcedureRows<'r>, ProcedureError> {
    match who {
        Value::Null => Ok(Box::new(std::iter::empty())),
        Value::String(text) => rows(kind, read, &target(text)?),
        other => {
            Err(error("wrong-type", format!("somebody is named by a string, not {}", other.type_name())))
        }
    }
}

fn error(code: &'static str, message: String) -> ProcedureError {
    ProcedureError { code, message, hint: None, storage: None }
}

fn hinted(code: &'static str, message: String, hint: impl Into<String>) -> ProcedureError {
    ProcedureError { hint: Some(hint.into()), ..error(code, message) }
}

/// Whom a text names.
enum Target {
    Name(Identifier),
    Person(PersonId),
    Household(HouseholdId),
}

fn target(text: &str) -> Result<Target, ProcedureError> {
    if let Ok(id) = text.parse() {
        return Ok(Target::Person(id));
    }
    if let Ok(id) = text.parse() {
        return Ok(Target::Household(id));
    }
    match text.parse() {
        Ok(name) => Ok(Target::Name(name)),
        Err(_) => Err(hinted(
            "invalid-identifier",
            format!("`{text}` names nobody"),
            "expected `namespace:value`, as in `email:ann@example.com`, or a person's id, as in `p42`",
        )),
    }
}

/// The identifier of this name, or why there is none.
fn find(read: &impl Read, name: &Identifier) -> Result<IdentifierId, ProcedureError> {
    match read.find(name)? {
        Found::Known(id) => Ok(id),
        Found::Unknown(normal) if normal == *name => {
            Err(error("not-found", format!("`{normal}` was never seen")))
        }
        Found::Unknown(normal) => {
            Err(error("not-found", format!("`{normal}` (the normal form of `{name}`) was never seen")))
        }
        Found::NoNamespace { suggestion } => {
            let message = format!("no namespace `{}` in this store", name.namespace);
            Err(match suggestion {
                Some(near) => hinted("unknown-namespace", message, format!("did you mean `{near}`?")),
                None => error("unknown-namespace", message),
            })
        }
        Found::Denied { rule } => {
            Err(error("denied-value", format!("`{name}` identifies nobody: it is denied by {rule}")))
        }
        Found::Invalid { reason } => Err(error(
            "invalid-value",
            format!("`{}` is no value of `{}`: {reason}", name.value, name.namespace),
        )),
    }
}

/// The person asked about, and the id that it was asked by if that is not its own.
fn person(read: &impl Read, target: &Target) -> Result<(PersonRow, Option<PersonId>), ProcedureError> {
    match target {
        Target::Person(id) => match read.person_by_id(*id)? {
            Some(row) => {
                let redirected = (row.id != *id).then_some(*id);
                Ok((row, redirected))
            }
            None => Err(error("not-found", format!("there is no person `{id}`"))),
        },
        Target::Household(id) => Err(hinted(
            "not-found",
            format!("`{id}` is a household, not a person"),
            format!("ask HOUSEHOLD '{id}'"),
        )),
        Target::Name(name) => {
            let id = find(read, name)?;
            let Some(key) = read.person_of(id)? else {
                let message = format!("`{name}` is of household scope: it belongs to no person");
                return Err(hinted("no-person", message, "ask HOUSEHOLD about it"));
            };
            match read.person(key)? {
                Some(row) => Ok((row, None)),
                None => Err(corrupt("persons", format!("the person of `{name}` does not exist")).into()),
            }
        }
    }
}

fn corrupt(table: &'static str, detail: String) -> ReadError {
    ReadError::Corrupt { table, detail }
}

fn rows<'r, R: Read>(
    kind: VerbKind,
    read: &'r R,
    target: &Target,
) -> Result<ProcedureRows<'r>, ProcedureError> {
    match kind {
        VerbKind::Person => {
            let (row, from) = person(read, target)?;
            ready(vec![person_row(read, &row, from)?])
        }
        VerbKind::Profile => {
            let (row, _) = person(read, target)?;
            ready(profile_rows(read, &row)?)
        }
        VerbKind::Household => household(read, target),
        VerbKind::Neighbours => match target {
            Target::Name(name) => Ok(neighbours(read, find(read, name)?)),
            Target::Person(id) => Err(needs_identifier(&id.to_string())),
            Target::Household(id) => Err(needs_identifier(&id.to_string())),
        },
    }
}

fn needs_identifier(id: &str) -> ProcedureError {
    let message = format!("links are between identifiers, and `{id}` is none");
    hinted("not-an-identifier", message, "name one, as in NEIGHBOURS email:'ann@example.com'")
}

fn ready<'r>(rows: Vec<Vec<Value>>) -> Result<ProcedureRows<'r>, ProcedureError> {
    Ok(Box::new(rows.into_iter().map(Ok)))
}

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

fn person_row(read: &impl Read, row: &PersonRow, from: Option<PersonId>) -> ReadResult<Vec<Value>> {
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

fn profile_rows(read: &impl Read, row: &PersonRow) -> ReadResult<Vec<Vec<Value>>> {
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
        known.iter().map(|i| i.first_seen).min().into(),
        known.iter().map(|i| i.last_seen).max().into(),
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

fn household<'r, R: Read>(read: &'r R, target: &Target) -> Result<ProcedureRows<'r>, ProcedureError> {
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

fn name(read: &impl Read, id: IdentifierId) -> ReadResult<(NamespaceId, String, String)> {
    let record = read.identifier(id)?;
    let record =
        record.ok_or_else(|| corrupt("identifiers", format!("identifier {} does not exist", id.get())))?;
    let text = format!("{}:{}", read.names().namespace_name(record.namespace), record.value);
    Ok((record.namespace, record.value, text))
}

fn neighbours<'r, R: Read>(read: &'r R, from: IdentifierId) -> ProcedureRows<'r> {
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
