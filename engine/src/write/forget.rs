//! Erasing identifiers: from what is now, and from what was.
//!
//! What is now is taken away as any evidence is: links, overrides and records
//! go, persons and households are settled again, and each erased identifier,
//! alone by then, is taken out of every table. Then the rows as they were
//! before earlier writes are rewritten, so that no earlier state shows it either.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::acts::{Named, Outcome, Touched, check_author, named_ever};
use super::cuts::Cuts;
use super::overlay::{Overlay, corrupt};
use super::{ActError, Authored};
use crate::codec::{
    DictionaryRow, EventRow, Hash128, IdentifierRow, KeyBytes, Owner, OwnerRow, PersonChunk, PersonEventRow,
    PersonIdRow, RecordRow, StoredAttribute, StoredCause, StoredChange, StoredOverride,
};
use crate::model::{IdentifierId, NamespaceId, PersonId, PersonKey, SourceId};
use crate::privacy::{Erased, Forget, MAX_FORGET, Values};
use crate::read::ReadResult;
use crate::rules::ordered;
use crate::schema::Schema;
use crate::secret::{Hashed, Secret};
use crate::snapshot::end_of_merges;

/// What stands in the place of a text that named what is erased.
const ERASED_TEXT: &str = "(erased)";

/// An erasure whose names were checked, on the caller's thread.
#[derive(Debug)]
pub(crate) struct PreparedForget {
    who: Who,
    by: Authored,
}

#[derive(Debug)]
enum Who {
    Identifiers(Vec<Named>),
    PersonOf(Named),
    Person(PersonId),
}

/// What was forgotten.
#[derive(Default)]
pub(crate) struct Forgotten {
    pub(crate) erased: Erased,
    /// The values that no file may hold any more.
    pub(crate) values: Vec<String>,
}

/// Checks an erasure before it reaches the writer.
pub(crate) fn prepare_forget(
    forget: &Forget,
    by: Authored,
    schema: &Schema,
    secret: &Secret,
) -> Result<PreparedForget, ActError> {
    check_author(&by)?;
    let who = match forget {
        Forget::Identifiers(identifiers) => {
            if identifiers.is_empty() || identifiers.len() > MAX_FORGET {
                return Err(ActError::HowMany { given: identifiers.len(), most: MAX_FORGET });
            }
            let named =
                identifiers.iter().map(|it| named_ever(it, schema, secret)).collect::<Result<_, _>>()?;
            Who::Identifiers(named)
        }
        Forget::PersonOf(identifier) => Who::PersonOf(named_ever(identifier, schema, secret)?),
        Forget::Person(id) => Who::Person(*id),
    };
    Ok(PreparedForget { who, by })
}

/// Who is to be erased.
#[derive(Default)]
struct Whom {
    ids: BTreeSet<IdentifierId>,
    /// Values that were forgotten before.
    already: Vec<String>,
}

impl Overlay {
    /// Erases identifiers, from what is now and from what was. A refused erasure changes nothing.
    pub(crate) fn forget(&mut self, forget: &PreparedForget, secret: &Secret) -> Outcome<Forgotten> {
        let Whom { ids, already } = match self.whom(&forget.who)? {
            Ok(whom) => whom,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut values = already;
        let mut erased = Erased { already: values.len() as u64, ..Erased::default() };
        for id in &ids {
            values.push(self.identifier_value(*id)?);
        }
        let texts = Values::new(&values)?;
        for (field, text) in [("author", &forget.by.author), ("reason", &forget.by.reason)] {
            if texts.are_in(text) {
                let what = "names what is to be erased, and is kept; say it without".to_owned();
                return Ok(Err(ActError::Author { field, what }));
            }
        }
        if ids.is_empty() {
            return Ok(Ok(Forgotten { erased, values }));
        }
        self.counters.seq += 1;
        let Authored { author, reason } = forget.by.clone();
        self.cause = StoredCause::Erasure { author, reason };
        let mut rows = BTreeMap::new();
        for id in &ids {
            rows.insert(*id, self.read_identifier(*id)?.clone());
        }
        let before = self.persons_before(&ids)?;
        let inline_limit = std::mem::replace(&mut self.inline_limit, usize::MAX);
        self.withdraw(&ids, &texts, &mut erased)?;
        self.inline_limit = inline_limit;
        // They hold names.
        self.cuts = Cuts::default();
        self.dissolve(&rows, &before, secret, &mut erased)?;
        let remaining: BTreeSet<IdentifierId> =
            before.values().flatten().copied().filter(|id| !ids.contains(id)).collect();
        self.erase_reasons(&remaining, &texts)?;
        self.end_write()?;
        self.gather_past();
        let edited = self.past_edits_made();
        let namespaces = rows.iter().map(|(id, row)| (*id, row.namespace)).collect();
        let persons = self.erase_past(&namespaces, &remaining, &texts)?;
        let concerned = persons.into_iter().chain(before.into_keys()).collect();
        erased.events = self.erase_in_events(&concerned, &texts)?;
        erased.past_rows = self.past_edits_made() - edited;
        Ok(Ok(Forgotten { erased, values }))
    }

    /// The values of an erasure that is made again, as far as they are named and still forgotten.
    pub(crate) fn forgotten_before(&mut self, forget: &PreparedForget) -> ReadResult<Vec<String>> {
        let named = match &forget.who {
            Who::Identifiers(named) => named.as_slice(),
            Who::PersonOf(named) => std::slice::from_ref(named),
            Who::Person(_) => &[],
        };
        let mut values = Vec::new();
        for named in named {
            if let Err(ActError::Forgotten { identifier }) = self.id_of(named)? {
                values.push(identifier.value);
            }
        }
        Ok(values)
    }

    /// Lets a forgotten value in again.
    pub(super) fn readmit(&mut self, named: &Named) -> Outcome<bool> {
        let namespace = self.names.namespace(&named.identifier.namespace);
        if let Some(namespace) = namespace
            && let Some(row) = self.dictionary.get(&self.view, (namespace, named.hash))?.copied()
            && row == DictionaryRow::FORGOTTEN
        {
            self.counters.seq += 1;
            self.dictionary.delete((namespace, named.hash));
            return Ok(Ok(true));
        }
        Ok(Err(ActError::NotForgotten { identifier: named.identifier.clone() }))
    }

    fn whom(&mut self, who: &Who) -> Outcome<Whom> {
        let mut whom = Whom::default();
        let named = match who {
            Who::Identifiers(named) => named.as_slice(),
            Who::PersonOf(named) => std::slice::from_ref(named),
            Who::Person(id) => {
                let end = end_of_merges(*id, |id| Ok(self.person_ids.get(&self.view, id)?.copied()))?;
                return Ok(match end.map(|(_, row)| row) {
                    Some(PersonIdRow::Living(key)) => {
                        whom.ids = self.members(PersonKey::new(key))?.into_iter().collect();
                        Ok(whom)
                    }
                    Some(PersonIdRow::Erased) => Err(ActError::ErasedPerson { id: *id }),
                    Some(PersonIdRow::Merged(_)) | None => Err(ActError::UnknownPerson { id: *id }),
                });
            }
        };
        for named in named {
            match self.id_of(named)? {
                Ok(id) => {
                    whom.ids.insert(id);
                }
                Err(ActError::Forgotten { identifier }) => whom.already.push(identifier.value),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        if let (Who::PersonOf(named), Some(id)) = (who, whom.ids.first().copied()) {
            let Some(person) = self.owner(id)?.and_then(|row| row.person()) else {
                let why = "it is of household scope and belongs to no person; forget it by itself".to_owned();
                return Ok(Err(ActError::Identifier { identifier: named.identifier.clone(), why }));
            };
            whom.ids = self.members(person)?.into_iter().collect();
        }
        Ok(Ok(whom))
    }

    /// The persons that the identifiers are in, with all members of each.
    fn persons_before(
        &mut self,
        ids: &BTreeSet<IdentifierId>,
    ) -> ReadResult<BTreeMap<PersonId, Vec<IdentifierId>>> {
        let mut before = BTreeMap::new();
        for id in ids {
            let Some(person) = self.owner(*id)?.and_then(|row| row.person()) else { continue };
            let person_id = self.read_head(person)?.person_id();
            if let Entry::Vacant(place) = before.entry(person_id) {
                place.insert(self.members(person)?);
            }
        }
        Ok(before)
    }

    /// Takes away what was said of the identifiers, and settles who is who without it.
    fn withdraw(
        &mut self,
        ids: &BTreeSet<IdentifierId>,
        texts: &Values,
        erased: &mut Erased,
    ) -> ReadResult<()> {
        let is_erased = |id: u32| ids.contains(&IdentifierId::new(id));
        let mut records: BTreeSet<(SourceId, Hash128)> = BTreeSet::new();
        for id in ids {
            let prefix = KeyBytes::new(&[&id.get().to_be_bytes()]);
            let from = (*id, SourceId::new(0), [0; 16]);
            for ((_, source, hash), _) in self.key_ring.range(&self.view, prefix, from)? {
                records.insert((source, hash));
                self.key_ring.delete((*id, source, hash));
            }
        }
        for key in records {
            let Some(record) = self.records.get(&self.view, key)?.cloned() else { continue };
            let attributes = record.attributes.len();
            self.touch_stored::<RecordRow>(key);
            match record.without(is_erased, texts) {
                None => {
                    self.records.delete(key);
                    self.counters.records -= 1;
                    erased.records += 1;
                    erased.attributes += attributes as u64;
                }
                Some(rest) => {
                    erased.records_changed += 1;
                    erased.attributes += (attributes - rest.attributes.len()) as u64;
                    self.records.put(key, rest);
                }
            }
        }

        let (mut touched, mut ties, mut seeds) = (Touched::new(), Vec::new(), BTreeSet::new());
        for id in ids {
            let own = self.namespace(*id)?;
            let said = self.overrides_of(*id)?;
            let links = self.links_of(*id, None)?;
            if self.rules.is_person(own) {
                seeds.insert(*id);
                let linked = links.iter().filter(|((_, namespace, _), _)| self.rules.is_person(*namespace));
                let mut others: BTreeSet<IdentifierId> = linked.map(|((.., other), _)| *other).collect();
                others.extend(said.keys());
                for other in others {
                    if self.tie_of(*id, other)? {
                        ties.push(((*id, own), (other, self.namespace(other)?)));
                    }
                }
            } else {
                self.touched.identifiers.insert(*id);
            }
            for other in said.into_keys() {
                for (end, back) in [(*id, other), (other, *id)] {
                    self.count_override(end, -1)?;
                    self.overrides.delete((end, back));
                    self.touch_stored::<StoredOverride>((end, back));
                }
                self.counters.overrides -= 1;
                erased.overrides += 1;
                seeds.insert(other);
            }
            for ((.., other), _) in links {
                let (low, high) = ordered(*id, other);
                self.edit_evidence(low, high, &mut touched, Vec::clear)?;
                erased.links += 1;
            }
        }
        for (a, b) in ties {
            self.retie(a, b, false, &mut seeds)?;
            seeds.extend([a.0, b.0]);
        }
        self.settle_persons(&[], &[], &[], seeds)?;
        let changes = self.link_changes(touched)?;
        self.settle_homes(&changes)?;
        self.settle_households()
    }

    /// Takes identifiers out of every table; each is alone in its person, and
    /// what it was the anchor of goes on under another id.
    fn dissolve(
        &mut self,
        rows: &BTreeMap<IdentifierId, IdentifierRow>,
        before: &BTreeMap<PersonId, Vec<IdentifierId>>,
        secret: &Secret,
        erased: &mut Erased,
    ) -> ReadResult<()> {
        let (mut gone, mut heirs) = (BTreeSet::new(), BTreeSet::new());
        let (mut remaining, mut heir_of) = (BTreeSet::new(), BTreeMap::new());
        for (person, members) in before {
            let rest = self.persons_of(members.iter().filter(|id| !rows.contains_key(*id)))?;
            let mut parts = BTreeMap::new();
            for (key, (count, least)) in rest {
                // The largest part takes over; of equals the one with the least identifier.
                parts.insert((count, Reverse(least)), self.read_head(key)?.person_id());
            }
            match parts.last_key_value() {
                Some((_, heir)) => drop(heir_of.insert(*person, *heir)),
                None => erased.persons.push(*person),
            }
            remaining.extend(parts.into_values());
        }
        erased.remaining = remaining.into_iter().collect();
        for (id, row) in rows {
            if let Some(OwnerRow { owner: Owner::Person { key, chunk }, .. }) = self.owner(*id)? {
                let person = PersonKey::new(key);
                let head = self.read_head(person)?;
                if head.size != 1 || head.household.is_some() {
                    let detail = format!("identifier {} is erased and not alone", id.get());
                    return Err(corrupt::<PersonChunk>(detail));
                }
                let person_id = head.person_id();
                self.remove_member(person, chunk, *id)?;
                self.drop_person(person)?;
                let leads = match heir_of.get(&person_id) {
                    Some(heir) => {
                        heirs.insert(heir.get());
                        PersonIdRow::Merged(heir.get())
                    }
                    None => PersonIdRow::Erased,
                };
                self.person_ids.put(person_id, leads);
                gone.insert(person_id.get());
            }
            if self.due.get(&self.view, *id)?.is_some() {
                self.due.delete(*id);
                self.counters.due -= 1;
            }
            self.owners.delete(*id);
            self.identifiers.delete(*id);
            self.touch_stored::<IdentifierRow>(*id);
            let namespace = NamespaceId::new(row.namespace);
            let hash = secret.hash(Hashed::Value, row.value.as_bytes());
            self.dictionary.put((namespace, hash), DictionaryRow::FORGOTTEN);
            if let Some(count) = self.counters.by_namespace.get_mut(usize::from(row.namespace)) {
                *count -= 1;
            }
            let name = self.names.namespace_name(namespace);
            match erased.identifiers.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => erased.identifiers.push((name.to_owned(), 1)),
            }
        }
        erased.identifiers.sort();
        self.note(StoredChange::Erased {
            before: gone.into_iter().collect(),
            after: heirs.into_iter().collect(),
            identifiers: rows.len() as u32,
        });
        Ok(())
    }

    /// The persons that identifiers are in: how many each has, and the least.
    fn persons_of<'i>(
        &mut self,
        ids: impl Iterator<Item = &'i IdentifierId>,
    ) -> ReadResult<BTreeMap<PersonKey, (u32, IdentifierId)>> {
        let mut persons = BTreeMap::new();
        for id in ids {
            let Some(person) = self.owner(*id)?.and_then(|row| row.person()) else { continue };
            let (count, least) = persons.entry(person).or_insert((0, *id));
            *count += 1;
            *least = (*least).min(*id);
        }
        Ok(persons)
    }

    /// Takes what is erased out of the reasons of overrides on these identifiers.
    fn erase_reasons(&mut self, ids: &BTreeSet<IdentifierId>, texts: &Values) -> ReadResult<()> {
        if self.counters.overrides == 0 {
            return Ok(());
        }
        for id in ids {
            for other in self.overrides_of(*id)?.into_keys() {
                for key in [(*id, other), (other, *id)] {
                    let Some(row) = self.overrides.get(&self.view, key)?.cloned() else { continue };
                    if let Some(row) = row.without(texts) {
                        self.overrides.put(key, row);
                        self.touch_stored::<StoredOverride>(key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what is erased out of the texts of the persons' events; says of how many.
    fn erase_in_events(&mut self, persons: &BTreeSet<PersonId>, texts: &Values) -> ReadResult<u64> {
        let mut places = BTreeSet::new();
        for person in persons {
            let prefix = KeyBytes::new(&[&person.get().to_be_bytes()]);
            let rows: Vec<(_, PersonEventRow)> =
                self.person_events.range(&self.view, prefix, (*person, 0, 0))?;
            places.extend(rows.into_iter().map(|((_, seq, index), _)| (seq, index)));
        }
        let mut edited = 0;
        for key in places {
            let Some(row) = self.events.get(&self.view, key)? else { continue };
            let mut cause = row.cause.clone();
            if erase_texts(cause.texts_mut(), texts) {
                if let Some(row) = self.events.get_mut(&self.view, key)? {
                    row.cause = cause;
                }
                self.touch_stored::<EventRow>(key);
                edited += 1;
            }
        }
        Ok(edited)
    }
}

/// Puts a stand-in in the place of each text that holds what is erased; says whether there was one.
fn erase_texts(all: Vec<&mut String>, texts: &Values) -> bool {
    let mut any = false;
    for text in all.into_iter().filter(|text| texts.are_in(text)) {
        ERASED_TEXT.clone_into(text);
        any = true;
    }
    any
}

impl StoredOverride {
    /// The same without what is erased; `None` where it holds none of it.
    pub(super) fn without(&self, texts: &Values) -> Option<Self> {
        let mut row = self.clone();
        erase_texts(vec![&mut row.author, &mut row.reason], texts).then_some(row)
    }
}

impl RecordRow {
    /// What is left of a record without erased identifiers; `None` if it named
    /// only those. A text that holds what is erased goes with them.
    pub(super) fn without(mut self, is_erased: impl Fn(u32) -> bool, texts: &Values) -> Option<Self> {
        for claim in &mut self.claims {
            claim.identifiers.retain(|id| !is_erased(*id));
            claim.withdrawn.retain(|(a, b)| !is_erased(*a) && !is_erased(*b));
        }
        self.claims.retain(|claim| !claim.identifiers.is_empty());
        if self.claims.is_empty() {
            return None;
        }
        self.join_claims();
        self.attributes.retain(|(_, value, _)| !holds(value, texts));
        if self.record_id.as_deref().is_some_and(|id| texts.are_in(id)) {
            self.record_id = None;
        }
        Some(self)
    }
}

/// Whether the value of an attribute holds what is erased.
pub(super) fn holds(value: &StoredAttribute, texts: &Values) -> bool {
    match value {
        StoredAttribute::String(text) => texts.are_in(text),
        StoredAttribute::Number(number) => texts.are(&number.to_string()),
        StoredAttribute::Bool(_) | StoredAttribute::Timestamp(_) => false,
    }
}
