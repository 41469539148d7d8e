//! What a write sees: the rows of the last commit with its own changes over them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::cuts::Cuts;
use crate::codec::{
    ComponentRow, Counters, DictionaryRow, DueRow, EventRow, HomeRow, Horizon, HouseholdHead, HouseholdIdRow,
    HouseholdMemberRow, IdentifierRow, KeyBytes, KeyRingRow, LinkKey, LinkRow, Owner, OwnerRow, PersonChunk,
    PersonEventRow, PersonIdRow, ReadRow, RecordRow, RequestRow, ResidentRow, Row, StoredCause,
    StoredEvidence, StoredOverride, Table, WriteRow,
};
use crate::model::{Catalogue, IdentifierId, NamespaceId, Timestamp};
use crate::read::{ReadError, ReadResult};
use crate::rules::{Rules, ordered};
use crate::schema::Schema;
use crate::snapshot::State;
use crate::storage::{Batch, View, past_key, past_place};

/// How many unchanged rows of one table are kept from one commit to the next.
const KEPT_ROWS: usize = 100_000;

struct Slot<R> {
    row: Option<R>,
    changed: bool,
}

/// A row as it was before the write at hand.
enum Before<R> {
    Known(Option<R>),
    /// As the store has it: it was set without having been read.
    Stored,
}

/// What becomes of a row as it was before a write.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum PastEdit {
    /// It is not kept any longer.
    Gone,
    /// It was not there.
    Absent,
    /// It was this.
    Was(Vec<u8>),
}

/// A row as it was before a write, ready to be stored.
struct PastRow {
    key: KeyBytes,
    before: u64,
    row: Option<Vec<u8>>,
}

/// One table: rows read so far, and rows changed.
pub(crate) struct Rows<R: Row> {
    slots: HashMap<R::Key, Slot<R>>,
    changed: BTreeSet<R::Key>,
    /// What the write at hand has changed, as it was.
    before: BTreeMap<R::Key, Before<R>>,
    /// What earlier writes of the same commit have changed.
    past: Vec<PastRow>,
    /// Unchanged rows are let go of when there are more than so many.
    keep: usize,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            changed: BTreeSet::new(),
            before: BTreeMap::new(),
            past: Vec::new(),
            keep: KEPT_ROWS,
        }
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
        if slot.row.is_some() {
            if !std::mem::replace(&mut slot.changed, true) {
                self.changed.insert(key);
            }
            self.keep(key);
        }
        // Looked up again: the borrow above may not outlive the change of the set.
        Ok(self.slots.get_mut(&key).and_then(|slot| slot.row.as_mut()))
    }

    /// Notes a row as it is before the write at hand changes it.
    fn keep(&mut self, key: R::Key) {
        if R::TABLE.keeps_past()
            && let Entry::Vacant(place) = self.before.entry(key)
        {
            place.insert(match self.slots.get(&key) {
                Some(slot) => Before::Known(slot.row.clone()),
                None => Before::Stored,
            });
        }
    }

    /// The write at hand is made; `horizon` bounds what was there before it.
    fn end_write(&mut self, view: &View, seq: u64, horizon: &Horizon) -> ReadResult<()> {
        for (key, before) in std::mem::take(&mut self.before) {
            let was = match before {
                Before::Known(row) => row,
                Before::Stored if R::is_after(key, horizon) => None,
                Before::Stored => view.get::<R>(key)?,
            };
            let unchanged = self.slots.get(&key).is_some_and(|slot| slot.row == was);
            if unchanged || (was.is_none() && R::is_after(key, horizon)) {
                continue;
            }
            let row = was.map(|row| {
                let mut value = Vec::new();
                row.encode_row(key, &mut value);
                value
            });
            self.past.push(PastRow { key: R::key_bytes(key), before: seq, row });
        }
        Ok(())
    }

    fn look_again(&mut self) {
        self.slots.retain(|_, slot| slot.changed);
    }

    fn note_absent(&mut self, seq: u64, horizon: &Horizon) {
        for key in std::mem::take(&mut self.before).into_keys() {
            if !R::is_after(key, horizon) {
                self.past.push(PastRow { key: R::key_bytes(key), before: seq, row: None });
            }
        }
    }

    /// Hands over what writes since the last commit have changed, as it was.
    fn take_past(&mut self, edits: &mut BTreeMap<KeyBytes, PastEdit>) {
        for PastRow { key, before, row } in self.past.drain(..) {
            let row = row.map_or(PastEdit::Absent, PastEdit::Was);
            edits.insert(past_key(R::TABLE, key.as_slice(), before), row);
        }
    }

    /// The last row at or before a key that was changed since the last commit.
    pub(crate) fn last_changed_up_to(&self, key: R::Key) -> Option<(R::Key, R)> {
        let last = self.changed.range(..=key).next_back()?;
        Some((*last, self.slots.get(last)?.row.clone()?))
    }

    /// Lets go of unchanged rows, so that long work fits in memory.
    pub(crate) fn forget_unchanged(&mut self) {
        if self.slots.len() > self.keep {
            self.slots.retain(|_, slot| slot.changed);
            // What is changed stays; looking for more to let go of waits until there is as much again.
            self.keep = KEPT_ROWS.max(2 * self.slots.len());
        }
    }

    /// Sets the row under a key.
    pub(crate) fn put(&mut self, key: R::Key, row: R) {
        self.keep(key);
        self.slots.insert(key, Slot { row: Some(row), changed: true });
        self.changed.insert(key);
    }

    /// Takes the row under a key away.
    pub(crate) fn delete(&mut self, key: R::Key) {
        self.keep(key);
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

    /// Visits every row as `L` sees it, ascending; `see` does the same to one that was changed.
    pub(crate) fn each<L: ReadRow<Key = R::Key>>(
        &self,
        view: &View,
        see: impl Fn(&R) -> L,
        mut visit: impl FnMut(R::Key, L),
    ) -> ReadResult<()> {
        let mut ours = self.changed.iter().peekable();
        let changed = |key: &R::Key| self.slots.get(key).and_then(|slot| slot.row.as_ref()).map(&see);
        for stored in view.scan::<L>(KeyBytes::new(&[])) {
            let (key, row) = stored?;
            while let Some(mine) = ours.next_if(|mine| **mine < key) {
                if let Some(row) = changed(mine) {
                    visit(*mine, row);
                }
            }
            let row = match ours.next_if(|mine| **mine == key) {
                Some(mine) => changed(mine),
                None => Some(row),
            };
            if let Some(row) = row {
                visit(key, row);
            }
        }
        ours.filter_map(|mine| Some((*mine, changed(mine)?))).for_each(|(key, row)| visit(key, row));
        Ok(())
    }

    /// The keys of what was changed since the last commit.
    pub(crate) fn changed_keys(&self) -> impl Iterator<Item = R::Key> + '_ {
        self.changed.iter().copied()
    }

    /// Puts every change into `batch`.
    pub(crate) fn flush(&self, batch: &mut Batch) -> Result<(), String> {
        for key in &self.changed {
            match self.slots.get(key).and_then(|slot| slot.row.as_ref()) {
                Some(row) => batch.put(*key, row)?,
                None => batch.delete::<R>(*key)?,
            }
        }
        for past in &self.past {
            batch.put_past(R::TABLE, past.key.as_slice(), past.before, past.row.as_deref())?;
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
        self.past.clear();
    }
}

/// A row as it was: its key, the write before which it was so, and its value, if it was there.
pub(crate) type KeptRow = (KeyBytes, u64, Option<Vec<u8>>);

/// Does the same with every table of an [`Overlay`].
macro_rules! every_table {
    ($overlay:ident, $rows:ident => $do:expr) => {
        every_table!(
            $overlay, $rows => $do;
            dictionary identifiers owners links persons person_ids homes residents households
            household_members household_ids records key_ring requests overrides events person_events
            writes components due
        )
    };
    ($overlay:ident, $rows:ident => $do:expr; $($table:ident)+) => {
        $({
            let $rows = &mut $overlay.$table;
            $do;
        })+
    };
}

/// The state that observations are applied to.
pub(crate) struct Overlay {
    pub(crate) view: Arc<View>,
    pub(crate) schema: Arc<Schema>,
    /// Schemas that were in force until a write since the last commit, with its sequence number.
    pub(crate) schemas_before: Vec<(u64, Arc<Schema>)>,
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
    pub(crate) overrides: Rows<StoredOverride>,
    pub(crate) events: Rows<EventRow>,
    pub(crate) person_events: Rows<PersonEventRow>,
    pub(crate) writes: Rows<WriteRow>,
    pub(crate) components: Rows<ComponentRow>,
    pub(crate) due: Rows<DueRow>,
    pub(crate) touched: Touched,
    /// What brings about what changes now.
    pub(crate) cause: StoredCause,
    /// The write that was last told of, and how many events it has.
    pub(crate) event_place: (u64, u32),
    /// How many links a raw component may have to be cut within a write.
    pub(crate) inline_limit: usize,
    /// Components that a limit cuts, at hand for the next write.
    pub(crate) cuts: Cuts,
    /// While the whole store is resolved: the numbers that components that are cut have got.
    pub(crate) given: Option<BTreeSet<u64>>,
    /// A change of the schema that was begun is finished, or was refused.
    pub(crate) intent_done: bool,
    /// A bulk load is complete with the next commit.
    pub(crate) loaded: bool,
    /// What of the links is left out, where nothing is to be written.
    pub(crate) lens: Option<Lens>,
    /// How many values were refused since a request began, because they were forgotten.
    pub(crate) refused: u32,
    /// Rows as they were that are other than the store has them, by their keys
    /// in the table of the past: since an erasure, until the next commit.
    past_edits: BTreeMap<KeyBytes, PastEdit>,
    /// The rows, by table and key, that an erasure has to do with: files that may
    /// hold older versions of them have to go.
    pub(crate) erasing: BTreeSet<(u8, Vec<u8>)>,
    /// The counters after the last write that was noted.
    noted: Counters,
}

/// What is left out of the links, to see what would be without it; and who is
/// shared then, which no row says.
#[derive(Default)]
pub(crate) struct Lens {
    pub(crate) without_sources: Vec<u16>,
    /// The lower identifier first.
    pub(crate) without_links: HashSet<(IdentifierId, IdentifierId)>,
    shared: HashMap<IdentifierId, bool>,
}

impl Lens {
    /// Whether links are other than those that are stored.
    pub(crate) fn changes_links(&self) -> bool {
        !self.without_sources.is_empty() || !self.without_links.is_empty()
    }

    /// A link as it is without what is left out; `None` where nothing is left of it.
    fn see(
        &self,
        view: &View,
        key: LinkKey,
        mut link: LinkRow,
        own: NamespaceId,
    ) -> ReadResult<Option<LinkRow>> {
        let (id, _, other) = key;
        if self.without_links.contains(&ordered(id, other)) {
            return Ok(None);
        }
        if self.without_sources.is_empty() {
            return Ok(Some(link));
        }
        let mut evidence = if id < other {
            std::mem::take(&mut link.evidence)
        } else {
            view.get::<LinkRow>((other, own, id))?.map(|back| back.evidence).unwrap_or_default()
        };
        evidence.retain(|said| !self.without_sources.contains(&said.source));
        let Some(last) = evidence.iter().map(|said| said.last).max() else { return Ok(None) };
        link.last = last;
        link.weight = StoredEvidence::weigh(&evidence);
        if id < other {
            link.evidence = evidence;
        }
        Ok(Some(link))
    }
}

/// What the households have to be settled for.
#[derive(Default)]
pub(crate) struct Touched {
    pub(crate) persons: BTreeSet<crate::model::PersonKey>,
    pub(crate) identifiers: BTreeSet<IdentifierId>,
    pub(crate) households: BTreeSet<crate::model::HouseholdKey>,
    /// Household-scope identifiers that gained or lost a resident.
    pub(crate) residents: BTreeSet<IdentifierId>,
    /// Persons and where they live that they did not live before.
    pub(crate) lived: BTreeSet<(crate::model::PersonKey, IdentifierId)>,
}

impl Overlay {
    /// What begins from a state of the store.
    pub(crate) fn of(state: &State) -> Self {
        Self::under(state, Arc::clone(&state.schema))
    }

    /// What begins from a state of the store, under a schema that need not be the state's.
    pub(crate) fn under(state: &State, schema: Arc<Schema>) -> Self {
        Self::new(Arc::clone(&state.view), schema, (*state.names).clone(), (*state.counters).clone())
    }

    fn new(view: Arc<View>, schema: Arc<Schema>, names: Catalogue, counters: Counters) -> Self {
        let rules = Arc::new(Rules::new(&schema, &names));
        Self {
            inline_limit: rules.inline_limit,
            rules,
            view,
            schema,
            schemas_before: Vec::new(),
            names,
            names_changed: false,
            noted: counters.clone(),
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
            overrides: Rows::default(),
            events: Rows::default(),
            person_events: Rows::default(),
            writes: Rows::default(),
            components: Rows::default(),
            due: Rows::default(),
            touched: Touched::default(),
            cause: StoredCause::Rebuild,
            event_place: (0, 0),
            cuts: Cuts::default(),
            given: None,
            intent_done: false,
            loaded: false,
            lens: None,
            refused: 0,
            past_edits: BTreeMap::new(),
            erasing: BTreeSet::new(),
        }
    }

    /// A write is made: what it has changed is kept as it was, and the write is noted.
    pub(crate) fn end_write(&mut self) -> ReadResult<()> {
        let before = std::mem::replace(&mut self.noted, self.counters.clone());
        if before.seq == self.counters.seq {
            return Ok(());
        }
        self.counters.time = self.counters.time.max(self.now.micros());
        self.noted.time = self.counters.time;
        self.writes.put(self.counters.seq, WriteRow { counters: self.counters.clone() });
        let (view, seq, horizon) = (Arc::clone(&self.view), self.counters.seq, before.horizon());
        every_table!(self, rows => rows.end_write(&view, seq, &horizon)?);
        Ok(())
    }

    /// The store was changed by other means, and looks like `view` now.
    pub(crate) fn look_again(&mut self, view: Arc<View>) {
        self.view = view;
        self.cuts = Cuts::default();
        every_table!(self, rows => rows.look_again());
    }

    /// Notes that nothing of what the write `seq` at hand has changed so far was there before it.
    pub(crate) fn note_absent(&mut self, seq: u64) {
        let horizon = self.noted.horizon();
        every_table!(self, rows => rows.note_absent(seq, &horizon));
    }

    /// A bulk load is made, as the write that the counters stand at.
    pub(crate) fn end_load(&mut self) {
        self.counters.time = self.counters.time.max(self.now.micros());
        self.note_absent(self.counters.seq);
        self.noted = self.counters.clone();
        self.writes.put(self.counters.seq, WriteRow { counters: self.counters.clone() });
    }

    /// Lets go of unchanged rows, so that long work fits in memory.
    pub(crate) fn forget_unchanged(&mut self) {
        every_table!(self, rows => rows.forget_unchanged());
    }

    /// Puts every change into `batch`.
    pub(crate) fn flush(&mut self, batch: &mut Batch) -> Result<(), String> {
        every_table!(self, rows => rows.flush(batch)?);
        for (key, edit) in &self.past_edits {
            batch.edit_past(key.as_slice(), edit)?;
        }
        Ok(())
    }

    /// Gathers what writes since the last commit have changed, so that it can be edited as the stored past is.
    pub(crate) fn gather_past(&mut self) {
        let edits = &mut self.past_edits;
        every_table!(self, rows => rows.take_past(edits));
    }

    /// The rows as they were whose keys begin with `prefix`: key, the write
    /// before which it was so, and the row, ascending. [`Overlay::gather_past`] comes first.
    pub(crate) fn past_rows(&self, table: Table, prefix: &[u8]) -> ReadResult<Vec<KeptRow>> {
        let prefix = KeyBytes::new(&[&[table as u8], prefix]);
        let mut rows = self.view.past_rows(prefix)?;
        let ours = self.past_edits.range(prefix..);
        for (key, edit) in ours.take_while(|(key, _)| key.as_slice().starts_with(prefix.as_slice())) {
            match edit {
                PastEdit::Gone => rows.remove(key),
                PastEdit::Absent => rows.insert(*key, None),
                PastEdit::Was(row) => rows.insert(*key, Some(row.clone())),
            };
        }
        let place = |(key, row): (KeyBytes, _)| {
            let (key, before) = past_place(&key);
            (key, before, row)
        };
        Ok(rows.into_iter().map(place).collect())
    }

    /// Changes a row as it was before a write.
    pub(crate) fn edit_past(&mut self, table: Table, key: &[u8], before: u64, edit: PastEdit) {
        let key = past_key(table, key, before);
        self.erasing.insert((Table::Past as u8, key.as_slice().to_vec()));
        self.past_edits.insert(key, edit);
    }

    /// How many rows as they were have been changed.
    pub(crate) fn past_edits_made(&self) -> u64 {
        self.erasing.iter().filter(|(table, _)| *table == Table::Past as u8).count() as u64
    }

    /// Notes that no file may hold older versions of a row.
    pub(crate) fn touch_stored<R: Row>(&mut self, key: R::Key) {
        self.erasing.insert((R::TABLE as u8, R::key_bytes(key).as_slice().to_vec()));
    }

    /// The changes are in the store, which now looks like `view`.
    pub(crate) fn settle(&mut self, view: Arc<View>) {
        self.view = view;
        self.names_changed = false;
        self.schemas_before.clear();
        self.past_edits.clear();
        every_table!(self, rows => rows.settle());
    }

    /// What is known of an identifier that a row names.
    pub(crate) fn identifier(&mut self, id: IdentifierId) -> ReadResult<&mut IdentifierRow> {
        let missing =
            || corrupt::<IdentifierRow>(format!("identifier {} is named but does not exist", id.get()));
        self.identifiers.get_mut(&self.view, id)?.ok_or_else(missing)
    }

    /// The row of an identifier that a row names, to be read.
    pub(crate) fn read_identifier(&mut self, id: IdentifierId) -> ReadResult<&IdentifierRow> {
        let missing =
            || corrupt::<IdentifierRow>(format!("identifier {} is named but does not exist", id.get()));
        self.identifiers.get(&self.view, id)?.ok_or_else(missing)
    }

    /// The value of an identifier that a row names.
    pub(crate) fn identifier_value(&mut self, id: IdentifierId) -> ReadResult<String> {
        Ok(self.read_identifier(id)?.value.clone())
    }

    /// The namespace of an identifier that a row names.
    pub(crate) fn namespace(&mut self, id: IdentifierId) -> ReadResult<NamespaceId> {
        Ok(NamespaceId::new(self.read_identifier(id)?.namespace))
    }

    /// What an identifier belongs to; `None` for one of person scope made by the write at hand.
    pub(crate) fn owner(&mut self, id: IdentifierId) -> ReadResult<Option<OwnerRow>> {
        Ok(self.owners.get(&self.view, id)?.copied())
    }

    /// Gives an identifier to a person or household, or to nobody.
    pub(crate) fn set_owner(&mut self, id: IdentifierId, owner: Owner) -> ReadResult<()> {
        let known = self.owner(id)?.unwrap_or(OwnerRow::NEW);
        self.owners.put(id, OwnerRow { owner, ..known });
        Ok(())
    }

    /// Whether links of an identifier may conduct: it is neither shared nor denied.
    pub(crate) fn may_conduct(&mut self, id: IdentifierId) -> ReadResult<bool> {
        let Some(row) = self.owner(id)? else { return Ok(true) };
        if self.lens.is_none() || row.denied {
            return Ok(row.may_conduct());
        }
        let namespace = self.namespace(id)?;
        if !self.rules.is_person(namespace) {
            return Ok(row.may_conduct());
        }
        Ok(!self.is_shared_as_seen(id, namespace)?)
    }

    /// Whether an identifier of person scope is shared by the links that the lens leaves.
    fn is_shared_as_seen(&mut self, id: IdentifierId, namespace: NamespaceId) -> ReadResult<bool> {
        if let Some(shared) = self.lens.as_ref().and_then(|lens| lens.shared.get(&id)) {
            return Ok(*shared);
        }
        let rules = Arc::clone(&self.rules);
        let rule = rules.of(namespace);
        let mut ties = Vec::with_capacity(rule.shared_above.len());
        for (counted, _) in &rule.shared_above {
            ties.push((counted.get(), self.count_ties(id, *counted)?));
        }
        let shared = rule.is_shared(&ties);
        if let Some(lens) = &mut self.lens {
            lens.shared.insert(id, shared);
        }
        Ok(shared)
    }

    /// The links of an identifier, or those to one namespace.
    pub(crate) fn links_of(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> ReadResult<Vec<(LinkKey, LinkRow)>> {
        let (prefix, from) = LinkRow::range(id, namespace);
        let rows = self.links.range(&self.view, prefix, from)?;
        let Some(lens) = self.lens.as_ref().filter(|lens| lens.changes_links()) else { return Ok(rows) };
        let Some(own) = self.view.get::<IdentifierRow>(id)? else { return Ok(rows) };
        let mut seen = Vec::with_capacity(rows.len());
        for (key, link) in rows {
            if let Some(link) = lens.see(&self.view, key, link, NamespaceId::new(own.namespace))? {
                seen.push((key, link));
            }
        }
        Ok(seen)
    }
}

/// A contradiction between rows.
pub(crate) fn corrupt<R: Row>(detail: String) -> ReadError {
    ReadError::Corrupt { table: R::TABLE.name(), detail }
}
