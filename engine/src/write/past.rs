//! Erasing identifiers from what was: the rows as they were before earlier writes.
//!
//! A row of the past says what a row was until before a write. Where what is
//! erased was in it for a part of that time only, the row is kept twice since:
//! once for each part.

use std::collections::{BTreeMap, BTreeSet};

use super::overlay::{Overlay, PastEdit, corrupt};
use super::persons::add_count;
use crate::codec::{
    Counters, HomeRow, HouseholdHead, HouseholdMemberRow, IdentifierRow, KeyRingRow, LinkRow, Owner,
    OwnerRow, PersonChunk, PersonHead, PersonIdRow, RecordRow, ResidentRow, Row, StoredOverride, WriteRow,
};
use crate::model::{HouseholdKey, HouseholdMember, IdentifierId, NamespaceId, PersonId, PersonKey};
use crate::privacy::Values;
use crate::read::ReadResult;

/// Whose an identifier was, at every moment.
struct Ownership {
    namespace: u16,
    /// The write that made it.
    born: u64,
    /// Whose it was until before each of these writes, ascending.
    until: Vec<(u64, Option<Owner>)>,
}

impl Ownership {
    /// Whose it was after the write `seq`.
    fn at(&self, seq: u64) -> Option<Owner> {
        if seq < self.born {
            return None;
        }
        self.until.get(self.until.partition_point(|(before, _)| *before <= seq))?.1
    }

    /// The writes that changed whose it is.
    fn moments(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.born).chain(self.until.iter().map(|(before, _)| *before))
    }
}

/// What is erased, as the past has it.
struct Erasure<'a> {
    texts: &'a Values,
    owned: BTreeMap<IdentifierId, Ownership>,
}

impl Erasure<'_> {
    fn is_erased(&self, id: u32) -> bool {
        self.owned.contains_key(&IdentifierId::new(id))
    }

    /// The erased identifiers that were this one's after the write `seq`.
    fn of(&self, owners: &[IdentifierId], seq: u64, is_its: impl Fn(Owner) -> bool) -> Vec<&Ownership> {
        owners
            .iter()
            .filter_map(|id| self.owned.get(id))
            .filter(|owned| owned.at(seq).is_some_and(&is_its))
            .collect()
    }

    /// The writes at which it changed how many of these identifiers were whose.
    fn moments(&self, ids: &[IdentifierId]) -> BTreeSet<u64> {
        ids.iter().filter_map(|id| self.owned.get(id)).flat_map(Ownership::moments).collect()
    }
}

/// A row as it was at every moment.
struct Timeline<R> {
    /// What it was until before each of these writes, ascending.
    until: Vec<(u64, Option<R>)>,
    now: Option<R>,
}

impl<R> Timeline<R> {
    /// What it was after the write `seq`.
    fn at(&self, seq: u64) -> Option<&R> {
        match self.until.get(self.until.partition_point(|(before, _)| *before <= seq)) {
            Some((_, row)) => row.as_ref(),
            None => self.now.as_ref(),
        }
    }

    fn moments(&self) -> impl Iterator<Item = u64> + '_ {
        self.until.iter().map(|(before, _)| *before)
    }
}

/// A person that held identifiers that are erased.
struct Holder {
    ids: Vec<IdentifierId>,
    heads: Timeline<PersonHead>,
    /// The writes at which it may have come to hold others.
    moments: BTreeSet<u64>,
}

impl Holder {
    /// Its head after the write `seq`, if all that it held then is erased.
    fn emptied(&self, key: PersonKey, seq: u64, erasure: &Erasure<'_>) -> Option<&PersonHead> {
        let head = self.heads.at(seq)?;
        let gone = erasure.of(&self.ids, seq, |owner| is_person(owner, key)).len();
        (head.size as usize <= gone).then_some(head)
    }
}

fn is_person(owner: Owner, person: PersonKey) -> bool {
    matches!(owner, Owner::Person { key, .. } if key == person.get())
}

impl Overlay {
    /// Takes erased identifiers out of every row as it was. Returns the ids of all persons that ever held one.
    pub(super) fn erase_past(
        &mut self,
        namespaces: &BTreeMap<IdentifierId, u16>,
        remaining: &BTreeSet<IdentifierId>,
        texts: &Values,
    ) -> ReadResult<BTreeSet<PersonId>> {
        let mut owned = BTreeMap::new();
        for (id, namespace) in namespaces {
            let until = self.past_of::<OwnerRow>(*id)?;
            let until = until.into_iter().map(|(before, row)| (before, row.map(|row| row.owner))).collect();
            owned.insert(*id, Ownership { namespace: *namespace, born: self.born(*id)?, until });
        }
        let erasure = Erasure { texts, owned };
        let mut persons: BTreeMap<PersonKey, (Vec<IdentifierId>, BTreeSet<u32>)> = BTreeMap::new();
        let mut households: BTreeMap<HouseholdKey, (Vec<IdentifierId>, Vec<PersonKey>)> = BTreeMap::new();
        for (id, owned) in &erasure.owned {
            for owner in owned.until.iter().filter_map(|(_, owner)| *owner) {
                match owner {
                    Owner::Person { key, chunk } => {
                        let (ids, chunks) = persons.entry(PersonKey::new(key)).or_default();
                        ids.push(*id);
                        chunks.insert(chunk);
                    }
                    Owner::Household { key } => {
                        households.entry(HouseholdKey::new(key)).or_default().0.push(*id);
                    }
                    Owner::Nobody => {}
                }
            }
        }
        for id in erasure.owned.keys() {
            self.erase_past_of(*id, &erasure)?;
        }
        let mut holders: BTreeMap<PersonKey, Holder> = BTreeMap::new();
        for (key, (mut ids, chunks)) in persons {
            ids.dedup();
            let holder = self.erase_past_members(key, ids, &chunks, &erasure)?;
            for moment in holder.moments.iter().filter_map(|moment| moment.checked_sub(1)) {
                if let Some(head) = holder.emptied(key, moment, &erasure)
                    && let Some(household) = head.household.map(HouseholdKey::new)
                {
                    households.entry(household).or_default().1.push(key);
                }
            }
            self.erase_past_homes(key, &holder, &erasure)?;
            holders.insert(key, holder);
        }
        for (household, (mut ids, mut keys)) in households {
            ids.dedup();
            keys.dedup();
            self.erase_past_household(household, &ids, &keys, &holders, &erasure)?;
        }
        for id in remaining {
            for key in self.past_keys::<StoredOverride>(&id.get().to_be_bytes())? {
                for key in [key, (key.1, key.0)] {
                    let now = self.overrides.get(&self.view, key)?.cloned();
                    self.rewrite_past::<StoredOverride>(key, now, &BTreeSet::new(), |_, row| {
                        row.map(|row| row.without(texts).unwrap_or(row))
                    })?;
                }
            }
        }
        let heads = holders.values().flat_map(|holder| &holder.heads.until);
        Ok(heads.filter_map(|(_, head)| head.as_ref().map(PersonHead::person_id)).collect())
    }

    /// Erases every row as it was whose key names an identifier, and takes the
    /// identifier out of the records that named it.
    fn erase_past_of(&mut self, id: IdentifierId, erasure: &Erasure<'_>) -> ReadResult<()> {
        let prefix = id.get().to_be_bytes();
        self.drop_past::<IdentifierRow>(id)?;
        self.drop_past::<OwnerRow>(id)?;
        let own = erasure.owned.get(&id).map_or(0, |owned| owned.namespace);
        for key in self.past_keys::<LinkRow>(&prefix)? {
            self.drop_past::<LinkRow>(key)?;
            self.drop_past::<LinkRow>((key.2, NamespaceId::new(own), id))?;
        }
        for key in self.past_keys::<StoredOverride>(&prefix)? {
            self.drop_past::<StoredOverride>(key)?;
            self.drop_past::<StoredOverride>((key.1, key.0))?;
        }
        for key in self.past_keys::<ResidentRow>(&prefix)? {
            self.drop_past::<ResidentRow>(key)?;
            self.drop_past::<HomeRow>((key.1, key.0))?;
        }
        for key in self.past_keys::<KeyRingRow>(&prefix)? {
            self.drop_past::<KeyRingRow>(key)?;
            let record = (key.1, key.2);
            let now = self.records.get(&self.view, record)?.cloned();
            self.rewrite_past::<RecordRow>(record, now, &BTreeSet::new(), |_, row| {
                row?.without(|id| erasure.is_erased(id), erasure.texts)
            })?;
        }
        Ok(())
    }

    /// Takes erased identifiers out of a person as it was; where nobody is left in it, it was not there.
    fn erase_past_members(
        &mut self,
        key: PersonKey,
        ids: Vec<IdentifierId>,
        chunks: &BTreeSet<u32>,
        erasure: &Erasure<'_>,
    ) -> ReadResult<Holder> {
        let now = self.persons.get(&self.view, (key, 0))?.cloned();
        let until = self.past_of::<PersonChunk>((key, 0))?;
        let until = until.into_iter().map(|(before, row)| (before, row.and_then(|row| row.head))).collect();
        let heads = Timeline { until, now: now.as_ref().and_then(|row| row.head.clone()) };
        let mut moments = erasure.moments(&ids);
        moments.extend(heads.moments());
        let holder = Holder { ids, heads, moments };
        self.rewrite_past::<PersonChunk>((key, 0), now, &holder.moments, |seq, row| {
            let mut row = row?;
            row.members.retain(|member| !erasure.is_erased(member.id));
            if let Some(head) = &mut row.head {
                for gone in erasure.of(&holder.ids, seq, |owner| is_person(owner, key)) {
                    head.size = head.size.saturating_sub(1);
                    add_count(&mut head.counts, gone.namespace, -1);
                }
                if head.size == 0 {
                    return None;
                }
            }
            Some(row)
        })?;
        self.touch_stored::<PersonChunk>((key, 0));
        for chunk in chunks.iter().copied().filter(|chunk| *chunk > 0) {
            let now = self.persons.get(&self.view, (key, chunk))?.cloned();
            self.rewrite_past::<PersonChunk>((key, chunk), now, &BTreeSet::new(), |_, row| {
                let mut row = row?;
                row.members.retain(|member| !erasure.is_erased(member.id));
                (!row.members.is_empty()).then_some(row)
            })?;
            self.touch_stored::<PersonChunk>((key, chunk));
        }
        let emptied = |seq: &u64| holder.emptied(key, *seq, erasure).map(PersonHead::person_id);
        let named: BTreeSet<PersonId> = holder
            .moments
            .iter()
            .filter_map(|moment| moment.checked_sub(1))
            .filter_map(|it| emptied(&it))
            .collect();
        for id in named {
            let now = self.person_ids.get(&self.view, id)?.copied();
            self.rewrite_past::<PersonIdRow>(id, now, &holder.moments, |seq, row| match row {
                Some(PersonIdRow::Living(at)) if at == key.get() && emptied(&seq).is_some() => {
                    Some(PersonIdRow::Erased)
                }
                row => row,
            })?;
        }
        Ok(holder)
    }

    /// Takes away where a person lived by links of erased identifiers, or while it held no other.
    fn erase_past_homes(&mut self, key: PersonKey, holder: &Holder, erasure: &Erasure<'_>) -> ReadResult<()> {
        for home in self.past_keys::<HomeRow>(&key.get().to_be_bytes())? {
            let now = self.homes.get(&self.view, home)?.copied();
            self.rewrite_past::<HomeRow>(home, now, &holder.moments, |seq, row| {
                row.filter(|row| !erasure.is_erased(row.via) && holder.emptied(key, seq, erasure).is_none())
            })?;
            let homes = Timeline { until: self.past_of::<HomeRow>(home)?, now };
            let moments = holder.moments.iter().copied().chain(homes.moments()).collect();
            let resident = (home.1, home.0);
            let now = self.residents.get(&self.view, resident)?.copied();
            self.rewrite_past::<ResidentRow>(resident, now, &moments, |seq, row| {
                row.filter(|_| homes.at(seq).is_some())
            })?;
        }
        Ok(())
    }

    /// Takes erased identifiers, and persons while they held no other, out of a household as it was.
    fn erase_past_household(
        &mut self,
        household: HouseholdKey,
        ids: &[IdentifierId],
        persons: &[PersonKey],
        holders: &BTreeMap<PersonKey, Holder>,
        erasure: &Erasure<'_>,
    ) -> ReadResult<()> {
        let mut moments = erasure.moments(ids);
        for id in ids {
            self.drop_past::<HouseholdMemberRow>((household, HouseholdMember::Identifier(*id)))?;
        }
        let persons: Vec<(PersonKey, &Holder)> =
            persons.iter().filter_map(|key| Some((*key, holders.get(key)?))).collect();
        for (key, holder) in &persons {
            moments.extend(&holder.moments);
            let member = (household, HouseholdMember::Person(*key));
            let now = self.household_members.get(&self.view, member)?.copied();
            self.rewrite_past::<HouseholdMemberRow>(member, now, &holder.moments, |seq, row| {
                row.filter(|_| holder.emptied(*key, seq, erasure).is_none())
            })?;
        }
        let now = self.households.get(&self.view, household)?.cloned();
        self.rewrite_past::<HouseholdHead>(household, now, &moments, |seq, row| {
            let mut head = row?;
            let is_its = |owner| matches!(owner, Owner::Household { key } if key == household.get());
            let places = erasure.of(ids, seq, is_its).len();
            let gone = persons.iter().filter(|(key, holder)| {
                let head = holder.emptied(*key, seq, erasure);
                head.is_some_and(|head| head.household == Some(household.get()))
            });
            head.persons = head.persons.saturating_sub(gone.count() as u32);
            head.identifiers = head.identifiers.saturating_sub(places as u32);
            Some(head)
        })
    }

    /// The write that made an identifier.
    fn born(&self, id: IdentifierId) -> ReadResult<u64> {
        let (mut early, mut late) = (0, self.counters.seq);
        while early < late {
            let middle = early + (late - early) / 2;
            if self.counters_at(middle)?.identifiers > id.get() {
                late = middle;
            } else {
                early = middle + 1;
            }
        }
        Ok(early)
    }

    /// The counters after the last write up to a sequence number.
    fn counters_at(&self, seq: u64) -> ReadResult<Counters> {
        let stored = self.view.last_up_to::<WriteRow>(seq)?;
        let ours = self.writes.last_changed_up_to(seq);
        let last = stored.into_iter().chain(ours).max_by_key(|(at, _)| *at);
        Ok(last.map(|(_, row)| row.counters).unwrap_or_default())
    }

    /// Rewrites a row as it was at every moment: `edit` is given a write and what
    /// the row was after it. `moments` are writes at which its answer may
    /// change though the row did not; `now` is the row as it is, which stays.
    fn rewrite_past<R: Row>(
        &mut self,
        key: R::Key,
        now: Option<R>,
        moments: &BTreeSet<u64>,
        edit: impl Fn(u64, Option<R>) -> Option<R>,
    ) -> ReadResult<()> {
        let line = Timeline { until: self.past_of::<R>(key)?, now };
        let stored: BTreeSet<u64> = line.moments().collect();
        let mut all = stored.clone();
        for moment in moments.iter().filter(|moment| **moment > 0 && !stored.contains(*moment)) {
            // Before it was there at all, its key says so.
            if !R::is_after(key, &self.counters_at(moment - 1)?.horizon()) {
                all.insert(*moment);
            }
        }
        let bytes = R::key_bytes(key);
        let mut later = line.now.clone();
        for moment in all.into_iter().rev() {
            let was = line.at(moment - 1).cloned();
            let row = edit(moment - 1, was.clone());
            let is_stored = stored.contains(&moment);
            if row == later {
                // What is kept of a later moment says it.
                if is_stored {
                    self.edit_past(R::TABLE, bytes.as_slice(), moment, PastEdit::Gone);
                }
            } else if !is_stored || row != was {
                let value = row.as_ref().map_or(PastEdit::Absent, |row| {
                    let mut value = Vec::new();
                    row.encode_row(key, &mut value);
                    PastEdit::Was(value)
                });
                self.edit_past(R::TABLE, bytes.as_slice(), moment, value);
            }
            later = row;
        }
        Ok(())
    }

    /// Erases a row as it was at every moment.
    fn drop_past<R: Row>(&mut self, key: R::Key) -> ReadResult<()> {
        let bytes = R::key_bytes(key);
        for (before, _) in self.past_of::<R>(key)? {
            self.edit_past(R::TABLE, bytes.as_slice(), before, PastEdit::Gone);
        }
        Ok(())
    }

    /// The keys of rows that were other than they are, or are no more.
    fn past_keys<R: Row>(&self, prefix: &[u8]) -> ReadResult<BTreeSet<R::Key>> {
        let bad = |key: &[u8]| corrupt::<R>(format!("the key {} is malformed", crate::codec::hex(key)));
        self.past_rows(R::TABLE, prefix)?
            .into_iter()
            .map(|(key, _, _)| R::read_key(key.as_slice()).ok_or_else(|| bad(key.as_slice())))
            .collect()
    }

    /// A row as it was until before each of these writes, ascending.
    fn past_of<R: Row>(&self, key: R::Key) -> ReadResult<Vec<(u64, Option<R>)>> {
        let bytes = R::key_bytes(key);
        let mut rows = Vec::new();
        for (at, before, value) in self.past_rows(R::TABLE, bytes.as_slice())? {
            if at != bytes {
                continue;
            }
            let row = match value {
                None => None,
                Some(value) => Some(
                    R::decode_row(bytes.as_slice(), &value)
                        .map_err(|bad| crate::storage::bad_value(R::TABLE, bad))?,
                ),
            };
            rows.push((before, row));
        }
        Ok(rows)
    }
}
