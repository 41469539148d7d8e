//! Cross-checks every table against every other, and who is who against a fresh resolution.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hashbrown::{HashMap, HashSet};
use petgraph::unionfind::UnionFind;

use crate::codec::{
    ComponentRow, DictionaryRow, DueRow, EventRow, HomeRow, HouseholdHead, HouseholdIdRow,
    HouseholdMemberRow, IdentifierRow, KeyBytes, KeyRingRow, LinkKey, LinkRow, Owner, OwnerRow, PersonChunk,
    PersonEventKey, PersonEventRow, PersonHead, PersonIdRow, ReadRow, RecordRow, RequestRow, ResidentRow,
    Row, StoredClaim, StoredHold, StoredOverride, Table, WriteRow, time,
};
use crate::model::{
    HouseholdId, HouseholdKey, HouseholdMember, IdentifierId, NamespaceId, PersonId, PersonKey, SourceId,
    combine,
};
use crate::read::{ReadError, ReadResult};
use crate::resolve::{Edge, Limits, household_kind, partition};
use crate::schema::Normalised;
use crate::secret::Hashed;
use crate::snapshot::Snapshot;

/// How many problems a report lists; the rest are counted.
const LISTED: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The first problems, each with its table.
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
    /// How many rows were read.
    pub rows: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table with the row.
    pub table: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return write!(f, "{} rows checked, nothing wrong", self.rows);
        }
        writeln!(f, "{} rows checked, {} problems:", self.rows, self.problem_count)?;
        for problem in &self.problems {
            writeln!(f, "  {}: {}", problem.table, problem.detail)?;
        }
        if self.problem_count > self.problems.len() as u64 {
            writeln!(f, "  … and {} more", self.problem_count - self.problems.len() as u64)?;
        }
        Ok(())
    }
}

/// Checks a state of a store. Holds what resolution needs of it in memory:
/// about 100 bytes an identifier and 80 a link.
pub fn check(snapshot: &Snapshot) -> ReadResult<CheckReport> {
    let mut check = Check { snapshot, report: CheckReport::default() };
    let identifiers = check.load::<IdentifierRow>()?;
    let owners = check.load::<OwnerRow>()?;
    let links = check.load::<LinkRow>()?;
    let homes = check.load::<HomeRow>()?;
    let overrides = check.load::<StoredOverride>()?;
    check.overrides(&identifiers, &overrides);
    check.dictionary(&identifiers)?;
    check.links(&identifiers, &links);
    check.identifiers(&identifiers, &owners, &links, &overrides);
    let persons = check.persons(&identifiers, &owners)?;
    check.person_ids(&persons)?;
    check.resolution(&identifiers, &owners, &links, &overrides, &persons)?;
    check.homes(&identifiers, &owners, &links, &homes)?;
    check.households(&identifiers, &owners, &links, &homes, &persons)?;
    check.records(&identifiers, &links)?;
    check.history()?;
    check.each::<RequestRow>(|_, _, _| {})?;
    check.metadata()?;
    check.counters(&identifiers, &links, &persons);
    Ok(check.report)
}

struct Check<'s> {
    snapshot: &'s Snapshot,
    report: CheckReport,
}

type Loaded<R> = BTreeMap<<R as ReadRow>::Key, R>;

impl Check<'_> {
    fn problem(&mut self, table: Table, detail: String) {
        self.report.problem_count += 1;
        if self.report.problems.len() < LISTED {
            self.report.problems.push(Problem { table: table.name(), detail });
        }
    }

    fn expect(&mut self, holds: bool, table: Table, detail: impl FnOnce() -> String) {
        if !holds {
            self.problem(table, detail());
        }
    }

    /// Reads a whole table; rows that do not decode are problems of their own.
    fn each<R: Row>(&mut self, mut visit: impl FnMut(&mut Self, R::Key, R)) -> ReadResult<()> {
        let snapshot = self.snapshot;
        for row in snapshot.state.view.scan::<R>(KeyBytes::new(&[])) {
            self.report.rows += 1;
            match row {
                Ok((key, row)) => visit(self, key, row),
                Err(ReadError::Corrupt { detail, .. }) => self.problem(R::TABLE, detail),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the metadata to its end: what opening needs of it was read, older versions of it were not.
    fn metadata(&mut self) -> ReadResult<()> {
        match self.snapshot.state.view.read_through(Table::Meta) {
            Ok(rows) => self.report.rows += rows,
            Err(ReadError::Corrupt { detail, .. }) => self.problem(Table::Meta, detail),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn load<R: Row>(&mut self) -> ReadResult<Loaded<R>> {
        let mut rows = BTreeMap::new();
        self.each::<R>(|_, key, row| {
            rows.insert(key, row);
        })?;
        Ok(rows)
    }

    fn is_person(&self, namespace: u16) -> bool {
        self.snapshot.state.rules.is_person(NamespaceId::new(namespace))
    }

    fn dictionary(&mut self, identifiers: &Loaded<IdentifierRow>) -> ReadResult<()> {
        let mut entries = 0;
        self.each::<DictionaryRow>(|check, (namespace, hash), row| {
            // One that was forgotten keeps its value out, and leads nowhere.
            let Some(id) = row.identifier() else { return };
            entries += 1;
            let secret = &check.snapshot.state.secret;
            let leads = identifiers.get(&id).is_some_and(|known| {
                known.namespace == namespace.get()
                    && secret.hash(Hashed::Value, known.value.as_bytes()) == hash
            });
            check.expect(leads, Table::Dictionary, || {
                format!("an entry leads to identifier {}, which is another", row.id)
            });
        })?;
        self.expect(entries == identifiers.len(), Table::Dictionary, || {
            format!("{entries} entries for {} identifiers", identifiers.len())
        });
        Ok(())
    }

    fn links(&mut self, identifiers: &Loaded<IdentifierRow>, links: &Loaded<LinkRow>) {
        for ((a, of_b, b), link) in links {
            let name = || format!("{}-{}", a.get(), b.get());
            let (Some(row_a), Some(row_b)) = (identifiers.get(a), identifiers.get(b)) else {
                self.problem(Table::Links, format!("an end of link {} does not exist", name()));
                continue;
            };
            self.expect(row_b.namespace == of_b.get() && a != b, Table::Links, || {
                format!("link {} stands under a wrong namespace, or has one end", name())
            });
            match links.get(&(*b, NamespaceId::new(row_a.namespace), *a)) {
                None => self.problem(Table::Links, format!("link {} has no way back", name())),
                Some(back) => {
                    let same = (back.weight.to_bits(), back.last, back.held)
                        == (link.weight.to_bits(), link.last, link.held);
                    self.expect(same, Table::Links, || format!("link {} differs from its way back", name()));
                }
            }
            if a < b {
                let weight = combine(link.evidence.iter().map(|e| (SourceId::new(e.source), e.confidence)));
                let last = link.evidence.iter().map(|e| e.last).max();
                self.expect(
                    weight.to_bits() == link.weight.to_bits() && last == Some(link.last),
                    Table::Links,
                    || format!("link {} has weight {}, its evidence gives {weight}", name(), link.weight),
                );
            } else {
                self.expect(link.evidence.is_empty(), Table::Links, || {
                    format!("link {} has evidence on its way back", name())
                });
            }
        }
    }

    fn identifiers(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        owners: &Loaded<OwnerRow>,
        links: &Loaded<LinkRow>,
        overrides: &Loaded<StoredOverride>,
    ) {
        let rules = std::sync::Arc::clone(&self.snapshot.state.rules);
        let denied = |id: &IdentifierId| owners.get(id).is_some_and(|row| row.denied);
        for (id, row) in identifiers {
            let own = links_of(links, *id);
            let (mut degree, mut home_links) = (0, 0);
            let mut ties: BTreeMap<u16, u32> = BTreeMap::new();
            let counted = |namespace: NamespaceId| {
                let rule = rules.of(NamespaceId::new(row.namespace));
                rule.shared_above.iter().any(|(counted, _)| *counted == namespace)
            };
            for ((_, namespace, other), link) in own {
                degree += 1;
                home_links += u32::from(!rules.is_person(*namespace));
                let tied = self.is_person(row.namespace)
                    && rules.is_person(*namespace)
                    && link.weight >= rules.person_threshold
                    && !denied(id)
                    && !denied(other);
                if tied && counted(*namespace) && !overrides.contains_key(&(*id, *other)) {
                    *ties.entry(namespace.get()).or_default() += 1;
                }
            }
            for ((_, other), _) in said_of(overrides, *id).filter(|(_, said)| said.require) {
                if let Some(other) = identifiers.get(other)
                    && counted(NamespaceId::new(other.namespace))
                {
                    *ties.entry(other.namespace).or_default() += 1;
                }
            }
            let value_denied = matches!(
                self.snapshot.state.schema.normalise(
                    self.snapshot.state.names.namespace_name(NamespaceId::new(row.namespace)),
                    &row.value
                ),
                Normalised::Denied { .. }
            );
            self.expect(denied(id) == value_denied, Table::Owners, || {
                format!("identifier {} has denied = {}, it should be {value_denied}", id.get(), denied(id))
            });
            let ties: Vec<(u16, u32)> = ties.into_iter().collect();
            self.expect((degree, home_links) == (row.degree, row.home_links), Table::Identifiers, || {
                format!("identifier {} says {} links, it has {degree}", id.get(), row.degree)
            });
            self.expect(ties == row.ties, Table::Identifiers, || {
                format!("identifier {} counts ties {:?}, they are {ties:?}", id.get(), row.ties)
            });
            let Some(owner) = owners.get(id) else {
                self.problem(Table::Owners, format!("identifier {} has no owner row", id.get()));
                continue;
            };
            let rule = rules.of(NamespaceId::new(row.namespace));
            let shared = if rules.is_person(NamespaceId::new(row.namespace)) {
                rule.is_shared(&ties)
            } else {
                rule.shared_above_persons.is_some_and(|most| row.residents > most)
            };
            self.expect(owner.shared == shared, Table::Owners, || {
                format!("identifier {} has shared = {}, it should be {shared}", id.get(), owner.shared)
            });
            let in_person = matches!(owner.owner, Owner::Person { .. });
            self.expect(in_person == self.is_person(row.namespace), Table::Owners, || {
                format!("identifier {} is owned by {:?}, against its scope", id.get(), owner.owner)
            });
        }
        self.expect(owners.len() == identifiers.len(), Table::Owners, || {
            format!("{} rows for {} identifiers", owners.len(), identifiers.len())
        });
    }

    /// Returns the persons' heads.
    fn persons(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        owners: &Loaded<OwnerRow>,
    ) -> ReadResult<BTreeMap<PersonKey, PersonHead>> {
        let mut heads = BTreeMap::new();
        let mut counts: BTreeMap<PersonKey, BTreeMap<u16, u32>> = BTreeMap::new();
        let mut overrides: BTreeMap<PersonKey, u32> = BTreeMap::new();
        self.each::<PersonChunk>(|check, (key, chunk), row| {
            let headed = row.head.is_some() == (chunk == 0);
            check.expect(headed, Table::Persons, || {
                format!("chunk {chunk} of person {} has a wrong head", key.get())
            });
            check.expect(chunk == 0 || !row.members.is_empty(), Table::Persons, || {
                format!("chunk {chunk} of person {} is empty", key.get())
            });
            for member in &row.members {
                let id = IdentifierId::new(member.id);
                let at = Owner::Person { key: key.get(), chunk };
                check.expect(owners.get(&id).is_some_and(|owner| owner.owner == at), Table::Persons, || {
                    format!("person {} holds identifier {}, whose owner is another", key.get(), member.id)
                });
                let same = identifiers
                    .get(&id)
                    .is_some_and(|known| known.namespace == member.namespace && known.value == member.value);
                check.expect(same, Table::Persons, || {
                    format!("person {} names identifier {} otherwise than it is", key.get(), member.id)
                });
                *counts.entry(key).or_default().entry(member.namespace).or_default() += 1;
                *overrides.entry(key).or_default() += identifiers.get(&id).map_or(0, |known| known.overrides);
            }
            if let Some(head) = row.head {
                heads.insert(key, head);
            }
        })?;
        for (key, head) in &heads {
            let counted: Vec<(u16, u32)> = counts.remove(key).unwrap_or_default().into_iter().collect();
            let size: u32 = counted.iter().map(|(_, count)| count).sum();
            self.expect(size > 0 && (size, &counted) == (head.size, &head.counts), Table::Persons, || {
                format!("person {} says {} identifiers, it holds {size}", key.get(), head.size)
            });
            let said = overrides.get(key).copied().unwrap_or(0);
            self.expect(said == head.overrides, Table::Persons, || {
                format!("person {} says {} overrides, it has {said}", key.get(), head.overrides)
            });
            let anchor = owners.get(&head.person_id().anchor()).and_then(|row| row.person());
            self.expect(anchor == Some(*key), Table::Persons, || {
                format!("person {} does not hold the anchor of its id {}", key.get(), head.person_id())
            });
        }
        for key in counts.keys() {
            self.problem(Table::Persons, format!("person {} has members and no head", key.get()));
        }
        Ok(heads)
    }

    fn person_ids(&mut self, persons: &BTreeMap<PersonKey, PersonHead>) -> ReadResult<()> {
        let ids = self.load::<PersonIdRow>()?;
        let mut living = 0;
        for (id, row) in &ids {
            match row {
                PersonIdRow::Living(key) => {
                    living += 1;
                    let names =
                        persons.get(&PersonKey::new(*key)).is_some_and(|head| head.person_id() == *id);
                    self.expect(names, Table::PersonIds, || {
                        format!("{id} leads to a person with another id")
                    });
                }
                PersonIdRow::Merged(into) => {
                    let leads = ends(*id, PersonId::from_raw(*into), |id| match ids.get(&id) {
                        None => Next::Nothing,
                        Some(PersonIdRow::Living(_) | PersonIdRow::Erased) => Next::End,
                        Some(PersonIdRow::Merged(into)) => Next::Go(PersonId::from_raw(*into)),
                    });
                    self.expect(leads, Table::PersonIds, || {
                        format!("{id} was merged into nobody that lives")
                    });
                }
                PersonIdRow::Erased => {}
            }
        }
        self.expect(living == persons.len(), Table::PersonIds, || {
            format!("{living} living ids for {} persons", persons.len())
        });
        Ok(())
    }

    fn overrides(&mut self, identifiers: &Loaded<IdentifierRow>, overrides: &Loaded<StoredOverride>) {
        for ((a, b), said) in overrides {
            let back = overrides.get(&(*b, *a));
            let both_are_persons =
                [a, b].iter().all(|id| identifiers.get(*id).is_some_and(|row| self.is_person(row.namespace)));
            self.expect(a != b && back == Some(said) && both_are_persons, Table::Overrides, || {
                format!("the override {}-{} stands one way only, or on what is no person's", a.get(), b.get())
            });
        }
        for (id, row) in identifiers {
            let counted = said_of(overrides, *id).count();
            self.expect(counted == row.overrides as usize, Table::Identifiers, || {
                format!("identifier {} says {} overrides, it has {counted}", id.get(), row.overrides)
            });
        }
        let counted = self.snapshot.state.counters.overrides;
        self.expect(counted == overrides.len() as u64 / 2, Table::Meta, || {
            format!("{counted} overrides counted, there are {}", overrides.len() / 2)
        });
    }

    /// Resolves all persons anew and compares. Components that wait for a cut are left out.
    fn resolution(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        owners: &Loaded<OwnerRow>,
        links: &Loaded<LinkRow>,
        overrides: &Loaded<StoredOverride>,
        persons: &BTreeMap<PersonKey, PersonHead>,
    ) -> ReadResult<()> {
        let rules = std::sync::Arc::clone(&self.snapshot.state.rules);
        let nodes: Vec<IdentifierId> =
            identifiers.iter().filter(|(_, row)| self.is_person(row.namespace)).map(|(id, _)| *id).collect();
        let place: HashMap<IdentifierId, usize> =
            nodes.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let kinds: Vec<u16> =
            nodes.iter().filter_map(|id| identifiers.get(id)).map(|row| row.namespace).collect();
        let conducts = |id: &IdentifierId| owners.get(id).is_some_and(OwnerRow::may_conduct);
        let (mut edges, mut keys) = (Vec::new(), Vec::new());
        for (key @ (a, namespace, b), link) in links {
            let (Some(at), Some(to)) = (place.get(a), place.get(b)) else { continue };
            if a > b || !rules.is_person(*namespace) {
                continue;
            }
            let said = overrides.get(&(*a, *b));
            let joins = match said {
                Some(said) => said.require,
                None => link.weight >= rules.person_threshold && conducts(a) && conducts(b),
            };
            if joins {
                let (weight, last_seen, required) = (link.weight, time(link.last), said.is_some());
                edges.push(Edge { a: *at, b: *to, weight, last_seen, required });
                keys.push(*key);
            } else {
                self.expect(link.held.is_none(), Table::Links, || {
                    format!("link {}-{} is held back and does not conduct", a.get(), b.get())
                });
            }
        }
        let mut forbidden = Vec::new();
        for ((a, b), said) in overrides.iter().filter(|((a, b), _)| a < b) {
            let (Some(at), Some(to)) = (place.get(a), place.get(b)) else { continue };
            let namespace = NamespaceId::new(kinds[*to]);
            if !said.require {
                forbidden.push((*at, *to));
            } else if !links.contains_key(&(*a, namespace, *b)) {
                edges.push(Edge { a: *at, b: *to, weight: 0.0, last_seen: time(i64::MIN), required: true });
                keys.push((*a, namespace, *b));
            }
        }
        let parted = partition(&kinds, &edges, &rules.person_limits, &forbidden, |contested| {
            let pairs: Vec<_> = contested.iter().map(|at| (keys[*at].0, keys[*at].2)).collect();
            Ok::<_, std::convert::Infallible>(self.order(identifiers, &pairs))
        });
        let Ok(parted) = parted;
        let components = self.load::<ComponentRow>()?;
        let waits = self.waiting(&nodes, &place, &edges, owners, persons, &components)?;
        for (at, held) in parted.held.iter().enumerate().filter(|(at, _)| !waits[edges[*at].a]) {
            let key = keys[at];
            let Some(link) = links.get(&key) else { continue };
            self.expect(link.held == held.map(StoredHold::from), Table::Links, || {
                let (a, b, stored) = (key.0.get(), key.2.get(), link.held);
                format!("link {a}-{b} is held back by {stored:?}, it should be {held:?}")
            });
        }
        let mut taken: HashSet<PersonKey> = HashSet::new();
        let mut component_of: HashMap<usize, Option<u64>> = HashMap::new();
        for (part, cut) in parted.parts.iter().zip(&parted.cut).filter(|(part, _)| !waits[part[0]]) {
            let keys: BTreeSet<Option<PersonKey>> =
                part.iter().map(|node| owners.get(&nodes[*node]).and_then(|row| row.person())).collect();
            let Some(Some(key)) = keys.first().filter(|_| keys.len() == 1) else {
                let ids: Vec<u32> = part.iter().take(10).map(|node| nodes[*node].get()).collect();
                self.problem(Table::Persons, format!("identifiers {ids:?} … should be one person"));
                continue;
            };
            self.expect(taken.insert(*key), Table::Persons, || {
                format!("person {} should be several", key.get())
            });
            let component = persons.get(key).and_then(|head| head.component);
            let expected = cut.map(|cut| *component_of.entry(cut).or_insert(component));
            let same = persons.get(key).is_some_and(|head| head.size as usize == part.len());
            self.expect(same && component == expected.flatten(), Table::Persons, || {
                format!("person {} differs from a fresh resolution", key.get())
            });
            if let Some(cut) = cut {
                let row = component.and_then(|component| components.get(&component));
                let links = parted.cut_edges[*cut];
                self.expect(row == Some(&ComponentRow { links, due: false }), Table::Components, || {
                    format!("the component of person {} is {row:?}, it has {links} links", key.get())
                });
            }
        }
        let used: HashSet<u64> = persons.values().filter_map(|head| head.component).collect();
        self.expect(components.keys().all(|component| used.contains(component)), Table::Components, || {
            "there is a component without persons".to_owned()
        });
        Ok(())
    }

    /// For each node, whether its raw component has links that wait for a cut.
    fn waiting(
        &mut self,
        nodes: &[IdentifierId],
        place: &HashMap<IdentifierId, usize>,
        edges: &[Edge],
        owners: &Loaded<OwnerRow>,
        persons: &BTreeMap<PersonKey, PersonHead>,
        components: &Loaded<ComponentRow>,
    ) -> ReadResult<Vec<bool>> {
        let due = self.load::<DueRow>()?;
        let counted = self.snapshot.state.counters.due;
        self.expect(counted == due.len() as u64, Table::Due, || {
            format!("{counted} identifiers counted, there are {}", due.len())
        });
        if due.is_empty() {
            return Ok(vec![false; nodes.len()]);
        }
        let mut sets: UnionFind<usize> = UnionFind::new(nodes.len());
        for edge in edges {
            sets.union(edge.a, edge.b);
        }
        let mut first: HashMap<PersonKey, usize> = HashMap::new();
        let mut starts: Vec<usize> = due.keys().filter_map(|id| place.get(id).copied()).collect();
        for (at, id) in nodes.iter().enumerate() {
            if let Some(person) = owners.get(id).and_then(|row| row.person()) {
                sets.union(at, *first.entry(person).or_insert(at));
                let component = persons.get(&person).and_then(|head| head.component);
                if component.and_then(|component| components.get(&component)).is_some_and(|row| row.due) {
                    starts.push(at);
                }
            }
        }
        let waiting: HashSet<usize> = starts.into_iter().map(|at| sets.find(at)).collect();
        Ok((0..nodes.len()).map(|at| waiting.contains(&sets.find(at))).collect())
    }

    /// Places of pairs when sorted by names, as the writer orders them.
    fn order(&self, identifiers: &Loaded<IdentifierRow>, pairs: &[(IdentifierId, IdentifierId)]) -> Vec<u32> {
        let names = &self.snapshot.state.names;
        let name = |id: IdentifierId| {
            identifiers
                .get(&id)
                .map(|row| (names.namespace_name(NamespaceId::new(row.namespace)), row.value.as_str()))
        };
        let key = |(a, b): (IdentifierId, IdentifierId)| {
            let (a, b) = (name(a), name(b));
            if a <= b { (a, b) } else { (b, a) }
        };
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by_key(|at| key(pairs[*at]));
        let mut places = vec![0; pairs.len()];
        for (place, at) in order.into_iter().enumerate() {
            places[at] = place as u32;
        }
        places
    }

    fn homes(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        owners: &Loaded<OwnerRow>,
        links: &Loaded<LinkRow>,
        homes: &Loaded<HomeRow>,
    ) -> ReadResult<()> {
        let rules = std::sync::Arc::clone(&self.snapshot.state.rules);
        let mut best: BTreeMap<(PersonKey, IdentifierId), (f64, i64, IdentifierId)> = BTreeMap::new();
        for ((member, namespace, home), link) in links {
            let denied = owners.get(member).is_some_and(|row| row.denied);
            if rules.is_person(*namespace) || link.weight < rules.household_threshold || denied {
                continue;
            }
            let Some(person) = owners.get(member).and_then(|row| row.person()) else { continue };
            let offer = (link.weight, link.last, *member);
            let wins = best.get(&(person, *home)).is_none_or(|known| {
                let by_strength = offer.0.total_cmp(&known.0).then(offer.1.cmp(&known.1));
                let by_name = || {
                    let places = self.order(identifiers, &[(offer.2, *home), (known.2, *home)]);
                    places[1].cmp(&places[0])
                };
                by_strength.then_with(by_name).is_gt()
            });
            if wins {
                best.insert((person, *home), offer);
            }
        }
        for (key, (weight, last, via)) in &best {
            let same = homes.get(key).is_some_and(|row| {
                (row.weight.to_bits(), row.last, row.via) == (weight.to_bits(), *last, via.get())
            });
            self.expect(same, Table::Homes, || {
                format!("person {} should live at {} by a link of {}", key.0.get(), key.1.get(), via.get())
            });
        }
        for ((member, namespace, home), link) in links {
            if rules.is_person(*namespace) {
                continue;
            }
            let Some(person) = owners.get(member).and_then(|row| row.person()) else { continue };
            let row = homes.get(&(person, *home)).filter(|row| row.via == member.get());
            let held = row.and_then(|row| row.held);
            self.expect(link.held == held, Table::Links, || {
                let (a, b) = (member.get(), home.get());
                format!("link {a}-{b} is held back by {:?}, the person's home says {held:?}", link.held)
            });
        }
        self.expect(best.len() == homes.len(), Table::Homes, || {
            format!("{} rows, there should be {}", homes.len(), best.len())
        });
        let mut residents: BTreeMap<IdentifierId, u32> = BTreeMap::new();
        let mut rows = 0;
        self.each::<ResidentRow>(|check, (home, person), _| {
            rows += 1;
            *residents.entry(home).or_default() += 1;
            check.expect(homes.contains_key(&(person, home)), Table::Residents, || {
                format!("person {} is said to live at {}", person.get(), home.get())
            });
        })?;
        self.expect(rows == homes.len(), Table::Residents, || {
            format!("{rows} rows for {} homes", homes.len())
        });
        for (id, row) in identifiers {
            let counted = residents.get(id).copied().unwrap_or(0);
            self.expect(row.residents == counted, Table::Identifiers, || {
                format!("identifier {} says {} residents, it has {counted}", id.get(), row.residents)
            });
        }
        Ok(())
    }

    /// Resolves all households anew and compares.
    fn households(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        owners: &Loaded<OwnerRow>,
        links: &Loaded<LinkRow>,
        homes: &Loaded<HomeRow>,
        persons: &BTreeMap<PersonKey, PersonHead>,
    ) -> ReadResult<()> {
        let rules = std::sync::Arc::clone(&self.snapshot.state.rules);
        let places: Vec<IdentifierId> =
            identifiers.iter().filter(|(_, row)| !self.is_person(row.namespace)).map(|(id, _)| *id).collect();
        let mut nodes: Vec<HouseholdMember> =
            persons.keys().map(|key| HouseholdMember::Person(*key)).collect();
        nodes.extend(places.iter().map(|id| HouseholdMember::Identifier(*id)));
        let place: HashMap<HouseholdMember, usize> =
            nodes.iter().enumerate().map(|(at, node)| (*node, at)).collect();
        let kinds: Vec<u16> = nodes.iter().map(household_kind).collect();
        let shared = |id: &IdentifierId| !owners.get(id).is_some_and(OwnerRow::may_conduct);
        let (mut edges, mut names, mut stored) = (Vec::new(), Vec::new(), Vec::new());
        for ((person, home), row) in homes {
            if shared(home) {
                self.expect(row.held.is_none(), Table::Homes, || {
                    format!(
                        "person {} is held back from {}, which does not conduct",
                        person.get(),
                        home.get()
                    )
                });
                continue;
            }
            let ends = (HouseholdMember::Person(*person), HouseholdMember::Identifier(*home));
            let (Some(a), Some(b)) = (place.get(&ends.0), place.get(&ends.1)) else { continue };
            edges.push(Edge { a: *a, b: *b, weight: row.weight, last_seen: time(row.last), required: false });
            names.push((IdentifierId::new(row.via), *home));
            stored.push(row.held);
        }
        for ((a, _, b), link) in links {
            let both = [a, b].map(|id| place.get(&HouseholdMember::Identifier(*id)));
            let [Some(at), Some(to)] = both else { continue };
            if a < b && link.weight >= rules.household_threshold && !shared(a) && !shared(b) {
                edges.push(Edge {
                    a: *at,
                    b: *to,
                    weight: link.weight,
                    last_seen: time(link.last),
                    required: false,
                });
                names.push((*a, *b));
                stored.push(link.held);
            }
        }
        let limits = Limits::of_household(rules.max_persons);
        let parted = partition(&kinds, &edges, &limits, &[], |contested| {
            let pairs: Vec<_> = contested.iter().map(|at| names[*at]).collect();
            Ok::<_, std::convert::Infallible>(self.order(identifiers, &pairs))
        });
        let Ok(parted) = parted;
        for (at, held) in parted.held.iter().enumerate() {
            self.expect(stored[at] == held.map(StoredHold::from), Table::Homes, || {
                let (a, b) = names[at];
                format!("{}-{} is held back by {:?}, it should be {held:?}", a.get(), b.get(), stored[at])
            });
        }

        let household_of = |node: &HouseholdMember| match node {
            HouseholdMember::Person(key) => {
                persons.get(key).and_then(|head| head.household).map(HouseholdKey::new)
            }
            HouseholdMember::Identifier(id) => owners.get(id).and_then(|row| row.household()),
        };
        let heads = self.load::<HouseholdHead>()?;
        let mut taken: HashSet<HouseholdKey> = HashSet::new();
        for part in &parted.parts {
            let members: Vec<HouseholdMember> = part.iter().map(|node| nodes[*node]).collect();
            let people = members.iter().filter(|node| matches!(node, HouseholdMember::Person(_))).count();
            let is_household = people > 0 && people < members.len();
            let keys: BTreeSet<Option<HouseholdKey>> = members.iter().map(household_of).collect();
            let one = if keys.len() == 1 { keys.first().copied().flatten() } else { None };
            if !is_household {
                self.expect(keys.iter().all(Option::is_none), Table::Households, || {
                    format!("{:?} should be in no household", members.first())
                });
                continue;
            }
            let Some(key) = one else {
                self.problem(Table::Households, format!("{:?} … should be one household", members.first()));
                continue;
            };
            self.expect(taken.insert(key), Table::Households, || {
                format!("household {} should be several", key.get())
            });
            let same = heads.get(&key).is_some_and(|head| {
                (head.persons as usize, head.identifiers as usize) == (people, members.len() - people)
            });
            self.expect(same, Table::Households, || {
                format!("household {} differs from a fresh resolution", key.get())
            });
        }
        self.expect(taken.len() == heads.len(), Table::Households, || {
            format!("{} households, there should be {}", heads.len(), taken.len())
        });
        let mut members = 0;
        self.each::<HouseholdMemberRow>(|check, (key, member), _| {
            members += 1;
            check.expect(household_of(&member) == Some(key), Table::HouseholdMembers, || {
                format!("{member:?} is listed in household {} and is not in it", key.get())
            });
        })?;
        let expected = nodes.iter().filter(|node| household_of(node).is_some()).count();
        self.expect(members == expected, Table::HouseholdMembers, || {
            format!("{members} rows, there should be {expected}")
        });
        self.household_ids(&heads)
    }

    fn household_ids(&mut self, heads: &Loaded<HouseholdHead>) -> ReadResult<()> {
        let ids = self.load::<HouseholdIdRow>()?;
        let mut living = 0;
        for (id, row) in &ids {
            match row {
                HouseholdIdRow::Living(key) => {
                    living += 1;
                    let names = heads.get(&HouseholdKey::new(*key)).is_some_and(|head| head.id == id.get());
                    self.expect(names, Table::HouseholdIds, || format!("{id} leads to another household"));
                }
                HouseholdIdRow::Merged(into) => {
                    let leads = ends(*id, HouseholdId::from_raw(*into), |id| match ids.get(&id) {
                        None => Next::Nothing,
                        Some(HouseholdIdRow::Living(_) | HouseholdIdRow::Dissolved) => Next::End,
                        Some(HouseholdIdRow::Merged(into)) => Next::Go(HouseholdId::from_raw(*into)),
                    });
                    self.expect(leads, Table::HouseholdIds, || format!("{id} was merged into nothing"));
                }
                HouseholdIdRow::Dissolved => {}
            }
        }
        self.expect(living == heads.len(), Table::HouseholdIds, || {
            format!("{living} living ids for {} households", heads.len())
        });
        Ok(())
    }

    /// The records, the key ring, and that what records say is what links and identifiers remember of it.
    fn records(&mut self, identifiers: &Loaded<IdentifierRow>, links: &Loaded<LinkRow>) -> ReadResult<()> {
        let ring: HashSet<_> = self.load::<KeyRingRow>()?.into_keys().collect();
        let mut said: BTreeMap<(u32, u32), Told> = BTreeMap::new();
        let mut seen: BTreeMap<(u32, u16), Words> = BTreeMap::new();
        let (mut records, mut entries) = (0, 0);
        self.each::<RecordRow>(|check, (source, hash), row| {
            records += 1;
            let ids: BTreeSet<u32> =
                row.claims.iter().flat_map(|claim| claim.identifiers.iter().copied()).collect();
            entries += ids.len();
            for id in ids {
                let id = IdentifierId::new(id);
                check.expect(
                    identifiers.contains_key(&id) && ring.contains(&(id, source, hash)),
                    Table::KeyRing,
                    || format!("identifier {} has no way back to its record", id.get()),
                );
            }
            for claim in &row.claims {
                for id in &claim.identifiers {
                    seen.entry((*id, source.get())).or_default().add(claim);
                }
                for pair in claim.pairs() {
                    said.entry(pair).or_default().entry((source.get(), claim.kind)).or_default().add(claim);
                }
            }
        })?;
        self.expect(entries == ring.len(), Table::KeyRing, || {
            format!("{} entries, the records have {entries}", ring.len())
        });
        let counted = self.snapshot.state.counters.records;
        self.expect(records == counted, Table::Meta, || {
            format!("{counted} records counted, there are {records}")
        });
        for ((a, _, b), link) in links.iter().filter(|((a, _, b), _)| a < b) {
            let told: Told = link
                .evidence
                .iter()
                .filter(|evidence| evidence.recorded)
                .map(|evidence| {
                    let confidence = Some(evidence.confidence);
                    let words = Words {
                        confidence,
                        count: evidence.count,
                        first: evidence.first,
                        last: evidence.last,
                    };
                    ((evidence.source, evidence.kind), words)
                })
                .collect();
            let expected = said.remove(&(a.get(), b.get())).unwrap_or_default();
            self.expect(told == expected, Table::Links, || {
                format!("link {}-{} remembers other words of records than they say", a.get(), b.get())
            });
        }
        for (a, b) in said.keys() {
            self.problem(Table::Records, format!("records tie {a} and {b}, which have no link"));
        }
        for (id, row) in identifiers {
            for by in row.seen.iter().filter(|seen| seen.recorded) {
                let told = Words { confidence: None, count: by.count, first: by.first, last: by.last };
                let expected = seen.remove(&(id.get(), by.source));
                let same = expected.is_some_and(|words| Words { confidence: None, ..words } == told);
                self.expect(same, Table::Identifiers, || {
                    format!("identifier {} remembers other sightings than records say", id.get())
                });
            }
        }
        for (id, _) in seen.keys() {
            self.problem(
                Table::Records,
                format!("records name identifier {id}, which does not know of them"),
            );
        }
        Ok(())
    }

    /// Events lead to persons and back, and writes follow each other.
    fn history(&mut self) -> ReadResult<()> {
        let events = self.load::<EventRow>()?;
        let index: BTreeSet<PersonEventKey> = self.load::<PersonEventRow>()?.into_keys().collect();
        let mut expected = 0;
        let mut latest = i64::MIN;
        for ((seq, place), event) in &events {
            for person in event.change.persons() {
                expected += 1;
                self.expect(index.contains(&(person, *seq, *place)), Table::PersonEvents, || {
                    format!("{person} has no way to event {place} of write {seq}")
                });
            }
            self.expect(event.time >= latest, Table::Events, || {
                format!("event {place} of write {seq} is earlier than one before it")
            });
            latest = latest.max(event.time);
        }
        self.expect(index.len() == expected, Table::PersonEvents, || {
            format!("{} rows, the events have {expected}", index.len())
        });
        let mut last = (0, i64::MIN);
        self.each::<WriteRow>(|check, seq, row| {
            let follows = row.counters.seq == seq && row.counters.time >= last.1;
            check.expect(follows, Table::Writes, || format!("write {seq} does not follow the one before it"));
            last = (seq, row.counters.time);
        })?;
        let seq = self.snapshot.state.counters.seq;
        self.expect(last.0 == seq, Table::Writes, || {
            format!("the last write is {}, the store is at {seq}", last.0)
        });
        match self.snapshot.state.view.read_through(Table::Past) {
            Ok(rows) => self.report.rows += rows,
            Err(ReadError::Corrupt { detail, .. }) => self.problem(Table::Past, detail),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn counters(
        &mut self,
        identifiers: &Loaded<IdentifierRow>,
        links: &Loaded<LinkRow>,
        persons: &BTreeMap<PersonKey, PersonHead>,
    ) {
        let counters = std::sync::Arc::clone(&self.snapshot.state.counters);
        let mut by_namespace: BTreeMap<u16, u64> = BTreeMap::new();
        for row in identifiers.values() {
            *by_namespace.entry(row.namespace).or_default() += 1;
        }
        for (at, counted) in counters.by_namespace.iter().enumerate() {
            let there = by_namespace.remove(&(at as u16)).unwrap_or(0);
            self.expect(there == *counted, Table::Meta, || {
                format!("{counted} identifiers of namespace {at} counted, there are {there}")
            });
        }
        let held = links.iter().filter(|((a, _, b), link)| a < b && link.held.is_some()).count() as u64;
        let figures = [
            ("namespaces not counted", 0, by_namespace.len() as u64),
            ("links", counters.links, links.len() as u64 / 2),
            ("links held back", counters.held_back, held),
            ("persons", counters.persons, persons.len() as u64),
        ];
        // Those that were forgotten have left their numbers, which are given to no other.
        let given = identifiers.keys().next_back().is_none_or(|last| last.get() < counters.identifiers);
        self.expect(given, Table::Meta, || {
            format!(
                "{} identifiers were ever there by the count; one has a later number",
                counters.identifiers
            )
        });
        for (what, counted, there) in figures {
            self.expect(counted == there, Table::Meta, || {
                format!("{counted} {what} counted, there are {there}")
            });
        }
    }
}

fn links_of(links: &Loaded<LinkRow>, id: IdentifierId) -> impl Iterator<Item = (&LinkKey, &LinkRow)> {
    let from = (id, NamespaceId::new(0), IdentifierId::new(0));
    let to = (id, NamespaceId::new(u16::MAX), IdentifierId::new(u32::MAX));
    links.range(from..=to)
}

fn said_of(
    overrides: &Loaded<StoredOverride>,
    id: IdentifierId,
) -> impl Iterator<Item = (&(IdentifierId, IdentifierId), &StoredOverride)> {
    overrides.range((id, IdentifierId::new(0))..=(id, IdentifierId::new(u32::MAX)))
}

/// What each source and kind says by its records.
type Told = BTreeMap<(u16, Option<u16>), Words>;

/// What records of a source say of a link or an identifier, taken together.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Words {
    /// The highest; `None` where it does not matter.
    confidence: Option<f64>,
    count: u64,
    first: i64,
    last: i64,
}

impl Default for Words {
    fn default() -> Self {
        Self { confidence: None, count: 0, first: i64::MAX, last: i64::MIN }
    }
}

impl Words {
    fn add(&mut self, claim: &StoredClaim) {
        self.confidence = Some(self.confidence.unwrap_or(0.0).max(claim.confidence));
        self.count += claim.count;
        self.first = self.first.min(claim.first);
        self.last = self.last.max(claim.last);
    }
}

enum Next<I> {
    Nothing,
    End,
    Go(I),
}

/// Whether a chain of aliases ends, without a circle.
fn ends<I: Copy + Ord>(start: I, first: I, next: impl Fn(I) -> Next<I>) -> bool {
    let mut seen = BTreeSet::from([start]);
    let mut at = first;
    while seen.insert(at) {
        match next(at) {
            Next::Nothing => return false,
            Next::End => return true,
            Next::Go(on) => at = on,
        }
    }
    false
}
