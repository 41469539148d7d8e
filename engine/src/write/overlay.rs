//! What a write sees: the rows of the last commit with its own changes over them.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::codec::{
    Counters, DictionaryRow, HomeRow, HouseholdHead, HouseholdIdRow, HouseholdMemberRow, IdentifierRow,
    KeyBytes, KeyRingRow, LinkRow, OwnerRow, PersonChunk, PersonIdRow, RecordRow, RequestRow, ResidentRow,
    Row,
};
use crate::model::{Catalogue, IdentifierId, NamespaceId, Timestamp};
use crate::read::{ReadError, ReadResult};
use crate::rules::Rules;
use crate::schema::Schema;
use crate::storage::{Batch, View};

/// How many unchanged rows of one table are kept from one commit to the next.
const KEPT_ROWS: usize = 100_000;

struct Slot<R> {
    row: Option<R>,
    changed: bool,
}

/// One table: rows read so far, and rows changed.
pub(crate) struct Rows<R: Row> {
    slots: HashMap<R::Key, Slot<R>>,
    changed: BTreeSet<R::Key>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self { slots: HashMap::new(), changed: BTreeSet::new() }
    }
}

impl<R: Row> Rows<R> {
    fn slot(&mut self, view: &View, key: R::Key) -> ReadResult<&mut Slot<R>> {
        match self.slots.entry(key) {
            hashbrown::hash_map::Entry::Occupied(slot) => Ok(slot.into_mut()),
            hashbrown::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(Slot { row: view.get::<R>(key)?, changed: false }))
            }
        }
    }

    /// The row under a key.
    pub(crate) fn get(&mut self, view: &View, key: R::Key) -> ReadResult<Option<&R>> {
        Ok(self.slot(view, key)?.row.as_ref())
    }

    /// The row under a key, to be changed.
    pub(crate) fn get_mut(&mut self, view: &View, key: R::Key) -> ReadResult<Option<&mut R>> {
        let slot = self.slot(view, key)?;
        if slot.row.is_some() && !slot.changed {
            slot.changed = true;
            self.changed.insert(key);
        }
        // Looked up again: the borrow above may not outlive the change of the set.
        Ok(self.slots.get_mut(&key).and_then(|slot| slot.row.as_mut()))
    }

    /// Sets the row under a key.
    pub(crate) fn put(&mut self, key: R::Key, row: R) {
        self.slots.insert(key, Slot { row: Some(row), changed: true });
        self.changed.insert(key);
    }

    /// Takes the row under a key away.
    pub(crate) fn delete(&mut self, key: R::Key) {
        self.slots.insert(key, Slot { row: None, changed: true });
        self.changed.insert(key);
    }

    /// The rows whose keys begin with `prefix`, ascending; `from` is the least such key.
    pub(crate) fn range(&self, view: &View, prefix: KeyBytes, from: R::Key) -> ReadResult<Vec<(R::Key, R)>> {
        let in_prefix = |key: &&R::Key| R::key_bytes(**key).as_slice().starts_with(prefix.as_slice());
        let mut ours = self.changed.range(from..).take_while(in_prefix).peekable();
        let changed = |key: &R::Key| self.slots.get(key).and_then(|slot| slot.row.clone());
        let mut rows = Vec::new();
        for stored in view.scan::<R>(prefix) {
            let (key, row) = stored?;
            while let Some(mine) = ours.next_if(|mine| **mine < key) {
                rows.extend(changed(mine).map(|row| (*mine, row)));
            }
            if ours.next_if(|mine| **mine == key).is_some() {
                rows.extend(changed(&key).map(|row| (key, row)));
            } else {
                rows.push((key, row));
            }
        }
        rows.extend(ours.filter_map(|mine| Some((*mine, changed(mine)?))));
        Ok(rows)
    }

    /// Puts every change into `batch`.
    pub(crate) fn flush(&self, batch: &mut Batch) -> Result<(), String> {
        for key in &self.changed {
            match self.slots.get(key).and_then(|slot| slot.row.as_ref()) {
                Some(row) => batch.put(*key, row)?,
                None => batch.delete::<R>(*key)?,
            }
        }
        Ok(())
    }

    /// The changes are in the store now.
    pub(crate) fn settle(&mut self) {
        if self.slots.len() > KEPT_ROWS {
            self.slots = HashMap::new();
        } else {
            for key in &self.changed {
                if let Some(slot) = self.slots.get_mut(key) {
                    slot.changed = false;
                }
            }
        }
        self.changed.clear();
    }
}

/// The state that observations are applied to.
pub(crate) struct Overlay {
    pub(crate) view: Arc<View>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) names: Catalogue,
    pub(crate) names_changed: bool,
    pub(crate) rules: Arc<Rules>,
    pub(crate) counters: Counters,
    /// The system's time, for what is created now.
    pub(crate) now: Timestamp,
    pub(crate) dictionary: Rows<DictionaryRow>,
    pub(crate) identifiers: Rows<IdentifierRow>,
    pub(crate) owners: Rows<OwnerRow>,
    pub(crate) links: Rows<LinkRow>,
    pub(crate) persons: Rows<PersonChunk>,
    pub(crate) person_ids: Rows<PersonIdRow>,
    pub(crate) homes: Rows<HomeRow>,
    pub(crate) residents: Rows<ResidentRow>,
    pub(crate) households: Rows<HouseholdHead>,
    pub(crate) household_members: Rows<HouseholdMemberRow>,
    pub(crate) household_ids: Rows<HouseholdIdRow>,
    pub(crate) records: Rows<RecordRow>,
    pub(crate) key_ring: Rows<KeyRingRow>,
    pub(crate) requests: Rows<RequestRow>,
    pub(crate) touched: Touched,
}

/// What the households have to be settled for.
#[derive(Default)]
pub(crate) struct Touched {
    pub(crate) persons: BTreeSet<crate::model::PersonKey>,
    pub(crate) identifiers: BTreeSet<IdentifierId>,
    pub(crate) households: BTreeSet<crate::model::HouseholdKey>,
    /// Household-scope identifiers that gained or lost a resident.
    pub(crate) residents: BTreeSet<IdentifierId>,
}

impl Overlay {
    pub(crate) fn new(view: Arc<View>, schema: Arc<Schema>, names: Catalogue, counters: Counters) -> Self {
        Self {
            rules: Arc::new(Rules::new(&schema, &names)),
            view,
            schema,
            names,
            names_changed: false,
            counters,
            now: Timestamp::now(),
            dictionary: Rows::default(),
            identifiers: Rows::default(),
            owners: Rows::default(),
            links: Rows::default(),
            persons: Rows::default(),
            person_ids: Rows::default(),
            homes: Rows::default(),
            residents: Rows::default(),
            households: Rows::default(),
            household_members: Rows::default(),
            household_ids: Rows::default(),
            records: Rows::default(),
            key_ring: Rows::default(),
            requests: Rows::default(),
            touched: Touched::default(),
        }
    }

    /// Puts every change into `batch`.
    pub(crate) fn flush(&self, batch: &mut Batch) -> Result<(), String> {
        self.dictionary.flush(batch)?;
        self.identifiers.flush(batch)?;
        self.owners.flush(batch)?;
        self.links.flush(batch)?;
        self.persons.flush(batch)?;
        self.person_ids.flush(batch)?;
        self.homes.flush(batch)?;
        self.residents.flush(batch)?;
        self.households.flush(batch)?;
        self.household_members.flush(batch)?;
        self.household_ids.flush(batch)?;
        self.records.flush(batch)?;
        self.key_ring.flush(batch)?;
        self.requests.flush(batch)
    }

    /// The changes are in the store, which now looks like `view`.
    pub(crate) fn settle(&mut self, view: Arc<View>) {
        self.view = view;
        self.names_changed = false;
        self.dictionary.settle();
        self.identifiers.settle();
        self.owners.settle();
        self.links.settle();
        self.persons.settle();
        self.person_ids.settle();
        self.homes.settle();
        self.residents.settle();
        self.households.settle();
        self.household_members.settle();
        self.household_ids.settle();
        self.records.settle();
        self.key_ring.settle();
        self.requests.settle();
    }

    /// What is known of an identifier that a row names.
    pub(crate) fn identifier(&mut self, id: IdentifierId) -> ReadResult<&mut IdentifierRow> {
        let missing =
            || corrupt::<IdentifierRow>(format!("identifier {} is named but does not exist", id.get()));
        self.identifiers.get_mut(&self.view, id)?.ok_or_else(missing)
    }

    /// The namespace of an identifier that a row names.
    pub(crate) fn namespace(&mut self, id: IdentifierId) -> ReadResult<NamespaceId> {
        match self.identifiers.get(&self.view, id)? {
            Some(row) => Ok(NamespaceId::new(row.namespace)),
            None => {
                Err(corrupt::<IdentifierRow>(format!("identifier {} is named but does not exist", id.get())))
            }
        }
    }

    /// What an identifier belongs to; `None` for one of person scope made by the write at hand.
    pub(crate) fn owner(&mut self, id: IdentifierId) -> ReadResult<Option<OwnerRow>> {
        Ok(self.owners.get(&self.view, id)?.copied())
    }

    /// Whether an identifier is shared, so that it does not conduct.
    pub(crate) fn is_shared(&mut self, id: IdentifierId) -> ReadResult<bool> {
        Ok(self.owner(id)?.is_some_and(|row| row.shared))
    }

    /// The links of an identifier, or those to one namespace.
    pub(crate) fn links_of(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> ReadResult<Vec<(crate::codec::LinkKey, LinkRow)>> {
        let (prefix, from) = LinkRow::range(id, namespace);
        self.links.range(&self.view, prefix, from)
    }
}

/// A contradiction between rows.
pub(crate) fn corrupt<R: Row>(detail: String) -> ReadError {
    ReadError::Corrupt { table: R::TABLE.name(), detail }
}
