//! The identity store as a property graph: the one that queries see.
//!
//! Nodes are identifiers (labelled `Identifier` and with their namespace),
//! persons and households; relationships are `LINKED` (without direction, one a
//! pair), `IDENTIFIES` from an identifier to its person and `MEMBER_OF` from a
//! person to its household. Identifiers of household scope are in no person, so
//! none of them has an `IDENTIFIES`.

mod cache;
mod properties;

use std::cell::OnceCell;
use std::rc::Rc;

use kinfold_engine::model::{
    HouseholdId, HouseholdKey, HouseholdMember, Identifier, IdentifierId, NamespaceId, PersonId, PersonKey,
    PersonRow,
};
use kinfold_engine::read::{Countable, Found, Read, ReadResult, Share};

use crate::ast::Direction;
use crate::graph::{
    Account, Graph, GraphShare, Index, LabelId, NodeId, Nodes, ProcedureError, ProcedureRows, RelId,
    Signature, Steps, TypeId, Vocabulary,
};
use crate::value::{Map, Value};
use crate::verbs;

use cache::{Cache, keep};
pub(crate) use properties::{attribute, count, evidence, held_back, sources};

const IDENTIFIER: u8 = 0;
const PERSON: u8 = 1;
const HOUSEHOLD: u8 = 2;

const LINKED: u8 = 0;
const IDENTIFIES: u8 = 1;
const MEMBER_OF: u8 = 2;

const TYPES: [&str; 3] = ["LINKED", "IDENTIFIES", "MEMBER_OF"];
const LABELS: [&str; 3] = ["Identifier", "Person", "Household"];
/// The label of a namespace that the schema declares and the store has not met yet.
const UNUSED: u32 = 3;
/// The label of the first namespace.
const NAMESPACES: u32 = 4;

/// An identity store as a [`Graph`]: one consistent state of it.
///
/// `since` of `IDENTIFIES` is when the person was made, `since` of `MEMBER_OF`
/// when the household was: the store does not keep when a member came.
pub struct IdentityGraph<'r, R> {
    read: &'r R,
    cache: Rc<Cache>,
    /// What plans are made by.
    counts: OnceCell<Counts>,
}

#[derive(Clone, Copy)]
struct Counts {
    identifiers: u64,
    persons: u64,
    households: u64,
    links: u64,
}

/// The nodes that a set of labels asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Every,
    Identifiers(Option<NamespaceId>),
    Persons,
    Households,
    Nothing,
}

impl Class {
    fn of(labels: &[LabelId]) -> Self {
        labels.iter().fold(Self::Every, |class, label| class.and(*label))
    }

    fn and(self, label: LabelId) -> Self {
        let other = match label.0 {
            0 => Self::Identifiers(None),
            1 => Self::Persons,
            2 => Self::Households,
            UNUSED => Self::Nothing,
            namespace => match u16::try_from(namespace - NAMESPACES) {
                Ok(number) => Self::Identifiers(Some(NamespaceId::new(number))),
                Err(_) => Self::Nothing,
            },
        };
        match (self, other) {
            (Self::Every, other) => other,
            (Self::Identifiers(None), Self::Identifiers(namespace)) => Self::Identifiers(namespace),
            (Self::Identifiers(namespace), Self::Identifiers(None)) => Self::Identifiers(namespace),
            (a, b) if a == b => a,
            _ => Self::Nothing,
        }
    }

    /// The namespace to look for, if identifiers are among them at all.
    fn identifiers(self) -> Option<Option<NamespaceId>> {
        match self {
            Self::Every => Some(None),
            Self::Identifiers(namespace) => Some(namespace),
            _ => None,
        }
    }

    fn persons(self) -> bool {
        matches!(self, Self::Every | Self::Persons)
    }

    fn households(self) -> bool {
        matches!(self, Self::Every | Self::Households)
    }
}

fn identifier_node(id: IdentifierId) -> NodeId {
    NodeId { table: IDENTIFIER, key: u64::from(id.get()) }
}

fn person_node(key: PersonKey) -> NodeId {
    NodeId { table: PERSON, key: key.get() }
}

fn household_node(key: HouseholdKey) -> NodeId {
    NodeId { table: HOUSEHOLD, key: key.get() }
}

fn identifier_id(node: NodeId) -> IdentifierId {
    IdentifierId::new(node.key as u32)
}

/// The relationship of a link: the lesser number first, from whichever end it is seen.
fn linked(a: IdentifierId, b: IdentifierId) -> RelId {
    let (a, b) = (u64::from(a.get()), u64::from(b.get()));
    RelId { table: LINKED, a: a.min(b), b: a.max(b) }
}

fn identifies(id: IdentifierId, person: PersonKey) -> RelId {
    RelId { table: IDENTIFIES, a: u64::from(id.get()), b: person.get() }
}

fn member_of(person: PersonKey, household: HouseholdKey) -> RelId {
    RelId { table: MEMBER_OF, a: person.get(), b: household.get() }
}

fn none<'r, T: 'r>() -> Box<dyn Iterator<Item = T> + 'r> {
    Box::new(std::iter::empty())
}

/// At most one result, read when it is asked for.
fn one<'r, T: 'r>(result: ReadResult<Option<T>>) -> Box<dyn Iterator<Item = ReadResult<T>> + 'r> {
    Box::new(result.transpose().into_iter())
}

impl<'r, R: Read> IdentityGraph<'r, R> {
    /// A graph over one state of a store.
    pub fn new(read: &'r R) -> Self {
        Self { read, cache: Rc::default(), counts: OnceCell::new() }
    }

    fn counts(&self) -> ReadResult<Counts> {
        if let Some(counts) = self.counts.get() {
            return Ok(*counts);
        }
        let counts = Counts {
            identifiers: self.read.estimate(Countable::Identifiers(None))?,
            persons: self.read.estimate(Countable::Persons)?,
            households: self.read.estimate(Countable::Households)?,
            links: self.read.estimate(Countable::Links)?,
        };
        Ok(*self.counts.get_or_init(|| counts))
    }

    /// The nodes of a class; households all come with the first share.
    fn nodes_in(&self, class: Class, share: Share) -> Nodes<'r> {
        let identifiers = class.identifiers().map(|namespace| self.read.identifiers_in(namespace, share));
        let persons = class.persons().then(|| self.read.persons_in(share));
        let households = (class.households() && share.is_first()).then(|| self.read.households());
        let cache = Rc::clone(&self.cache);
        let met = move |row: PersonRow| {
            let node = person_node(row.key);
            keep(&cache.persons, row.key, row);
            node
        };
        Box::new(
            identifiers
                .into_iter()
                .flatten()
                .map(|id| id.map(identifier_node))
                .chain(persons.into_iter().flatten().map(move |row| row.map(&met)))
                .chain(households.into_iter().flatten().map(|row| row.map(|row| household_node(row.key)))),
        )
    }

    fn found(&self, class: Class, name: &Identifier) -> ReadResult<Option<NodeId>> {
        let Some(wanted) = class.identifiers() else { return Ok(None) };
        let namespace = self.read.names().namespace(&name.namespace);
        if wanted.is_some() && wanted != namespace {
            return Ok(None);
        }
        Ok(match self.read.find(name)? {
            Found::Known(id) => Some(identifier_node(id)),
            _ => None,
        })
    }

    fn by_id(&self, class: Class, text: &str) -> ReadResult<Option<NodeId>> {
        if class.persons()
            && let Ok(id) = text.parse::<PersonId>()
        {
            // A survivor of a merge is found by its own id only: `id = …` must hold.
            let row = self.read.person_by_id(id)?;
            return Ok(row.filter(|row| row.id == id).map(|row| person_node(row.key)));
        }
        if class.households()
            && let Ok(id) = text.parse::<HouseholdId>()
        {
            let row = self.read.household_by_id(id)?;
            return Ok(row.filter(|row| row.id == id).map(|row| household_node(row.key)));
        }
        match text.parse::<Identifier>() {
            Ok(name) => self.found(class, &name),
            Err(_) => Ok(None),
        }
    }

    fn links(&self, from: IdentifierId, namespace: Option<NamespaceId>) -> Steps<'r> {
        let cache = Rc::clone(&self.cache);
        Box::new(self.read.links(from, namespace).map(move |row| {
            let row = row?;
            cache.link(from, &row);
            Ok((linked(from, row.other), identifier_node(row.other)))
        }))
    }

    fn members(&self, person: PersonKey, namespace: Option<NamespaceId>) -> Steps<'r> {
        let cache = Rc::clone(&self.cache);
        let members = self.read.members(person).filter_map(move |member| match member {
            Ok(member) if namespace.is_some_and(|wanted| wanted != member.namespace) => None,
            Ok(member) => {
                let id = member.id;
                cache.name(id, member.namespace, member.value);
                Some(Ok((identifies(id, person), identifier_node(id))))
            }
            Err(error) => Some(Err(error)),
        });
        Box::new(members)
    }

    fn residents(&self, household: HouseholdKey) -> Steps<'r> {
        let members = self.read.household_members(household).filter_map(move |member| match member {
            Ok(HouseholdMember::Person(person)) => {
                Some(Ok((member_of(person, household), person_node(person))))
            }
            Ok(HouseholdMember::Identifier(_)) => None,
            Err(error) => Some(Err(error)),
        });
        Box::new(members)
    }

    fn household_of(&self, person: PersonKey) -> ReadResult<Option<HouseholdKey>> {
        Ok(self.person(person)?.and_then(|row| row.household))
    }
}

impl<'r, R: Read + Sync> Graph<'r> for IdentityGraph<'r, R> {
    fn label(&self, name: &str) -> Option<LabelId> {
        if let Some(at) = LABELS.iter().position(|label| *label == name) {
            return Some(LabelId(at as u32));
        }
        match self.read.names().namespace(name) {
            Some(namespace) => Some(LabelId(NAMESPACES + u32::from(namespace.get()))),
            None => self.read.schema().declared().any(|(known, _)| known == name).then_some(LabelId(UNUSED)),
        }
    }

    fn rel_type(&self, name: &str) -> Option<TypeId> {
        TYPES.iter().position(|kind| *kind == name).map(|at| TypeId(at as u32))
    }

    fn vocabulary(&self) -> Vocabulary {
        properties::vocabulary(self.read)
    }

    fn nodes(&self, labels: &[LabelId]) -> Nodes<'r> {
        self.nodes_in(Class::of(labels), Share::WHOLE)
    }

    fn shares(&self, labels: &[LabelId], count: usize) -> Vec<GraphShare<'r>> {
        let (read, class) = (self.read, Class::of(labels));
        if !matches!(class, Class::Persons | Class::Identifiers(_)) {
            return Vec::new();
        }
        let graph_share = |share: Share| -> GraphShare<'r> {
            Box::new(move || {
                let graph = IdentityGraph::new(read);
                let nodes = graph.nodes_in(class, share);
                (Box::new(graph), nodes)
            })
        };
        Share::all(count).map(graph_share).collect()
    }

    fn node_count(&self, labels: &[LabelId]) -> ReadResult<u64> {
        let read = self.read;
        match Class::of(labels) {
            Class::Every => {
                Ok(read.identifier_count(None)? + read.person_count()? + read.household_count()?)
            }
            Class::Identifiers(namespace) => read.identifier_count(namespace),
            Class::Persons => read.person_count(),
            Class::Households => read.household_count(),
            Class::Nothing => Ok(0),
        }
    }

    fn estimate(&self, labels: &[LabelId]) -> ReadResult<u64> {
        let counts = self.counts()?;
        match Class::of(labels) {
            Class::Every => Ok(counts.identifiers + counts.persons + counts.households),
            Class::Identifiers(None) => Ok(counts.identifiers),
            Class::Identifiers(namespace) => {
                self.cache.count(namespace, || self.read.estimate(Countable::Identifiers(namespace)))
            }
            Class::Persons => Ok(counts.persons),
            Class::Households => Ok(counts.households),
            Class::Nothing => Ok(0),
        }
    }

    fn indexes(&self, labels: &[LabelId]) -> Vec<Index> {
        let class = Class::of(labels);
        let mut indexes = vec![Index { properties: vec!["id"], estimate: 1 }];
        match class.identifiers() {
            Some(None) => {
                indexes.push(Index { properties: vec!["namespace", "value"], estimate: 1 });
                let namespaces = self.read.names().namespaces.len().max(1) as u64;
                let share = self.counts().map_or(u64::MAX, |counts| counts.identifiers / namespaces);
                indexes.push(Index { properties: vec!["namespace"], estimate: share.max(1) });
            }
            Some(Some(_)) => indexes.push(Index { properties: vec!["value"], estimate: 1 }),
            None => {}
        }
        indexes
    }

    fn seek(
        &self,
        labels: &[LabelId],
        properties: &[&'static str],
        values: &[Value],
    ) -> ReadResult<Nodes<'r>> {
        let class = Class::of(labels);
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        let Some(texts) = texts else { return Ok(none()) };
        Ok(match (properties, texts.as_slice()) {
            (["id"], [id]) => one(self.by_id(class, id)),
            (["namespace", "value"], [namespace, value]) => {
                one(self.found(class, &Identifier::new(*namespace, *value)))
            }
            (["value"], [value]) => match class {
                Class::Identifiers(Some(namespace)) => {
                    let name = self.read.names().namespace_name(namespace).to_owned();
                    one(self.found(class, &Identifier::new(name, *value)))
                }
                _ => none(),
            },
            (["namespace"], [namespace]) => match self.read.names().namespace(namespace) {
                Some(namespace) if class.identifiers().is_some_and(|w| w.is_none_or(|w| w == namespace)) => {
                    Box::new(self.read.identifiers(Some(namespace)).map(|id| id.map(identifier_node)))
                }
                _ => none(),
            },
            _ => none(),
        })
    }

    fn prefixes(&self, labels: &[LabelId]) -> Vec<Index> {
        match Class::of(labels) {
            // An id starts with its namespace, and identifiers are kept by namespace.
            Class::Every | Class::Identifiers(None) => {
                let namespaces = self.read.names().namespaces.len().max(1) as u64;
                let share = self.counts().map_or(u64::MAX, |counts| counts.identifiers / namespaces);
                vec![Index { properties: vec!["id"], estimate: share.max(1) }]
            }
            Class::Identifiers(Some(_)) | Class::Persons | Class::Households | Class::Nothing => Vec::new(),
        }
    }

    fn seek_prefix(
        &self,
        labels: &[LabelId],
        _property: &'static str,
        prefix: &str,
    ) -> ReadResult<Nodes<'r>> {
        let (names, read) = (self.read.names(), self.read);
        let (wanted, whole) = match prefix.split_once(':') {
            Some((namespace, _)) => (namespace, true),
            None => (prefix, false),
        };
        let fits = |name: &str| if whole { name == wanted } else { name.starts_with(wanted) };
        let namespaces: Vec<NamespaceId> = names
            .namespaces
            .iter()
            .filter(|name| fits(name))
            .filter_map(|name| names.namespace(name))
            .collect();
        let identifiers = namespaces.into_iter().flat_map(|namespace| read.identifiers(Some(namespace)));
        // The ids of persons and households are a letter and digits.
        let every = Class::of(labels) == Class::Every && !whole;
        let persons = (every && (wanted.is_empty() || wanted.starts_with('p'))).then(|| read.persons());
        let households = (every && (wanted.is_empty() || wanted.starts_with('h'))).then(|| read.households());
        Ok(Box::new(
            identifiers
                .map(|id| id.map(identifier_node))
                .chain(persons.into_iter().flatten().map(|row| row.map(|row| person_node(row.key))))
                .chain(households.into_iter().flatten().map(|row| row.map(|row| household_node(row.key)))),
        ))
    }

    fn counts_exactly(&self, _: &[LabelId]) -> bool {
        true
    }

    fn expand(&self, node: NodeId, direction: Direction, types: &[TypeId], labels: &[LabelId]) -> Steps<'r> {
        let class = Class::of(labels);
        let wants = |table: u8| types.is_empty() || types.contains(&TypeId(u32::from(table)));
        let (out, into) = (direction != Direction::In, direction != Direction::Out);
        match node.table {
            IDENTIFIER => {
                let id = identifier_id(node);
                let links = class.identifiers().filter(|_| wants(LINKED)).map(|ns| self.links(id, ns));
                let person = (out && wants(IDENTIFIES) && class.persons()).then(|| {
                    let person = self.read.person_of(id);
                    one(person.map(|p| p.map(|person| (identifies(id, person), person_node(person)))))
                });
                Box::new(links.into_iter().chain(person).flatten())
            }
            PERSON => {
                let key = PersonKey::new(node.key);
                let members = class
                    .identifiers()
                    .filter(|_| into && wants(IDENTIFIES))
                    .map(|namespace| self.members(key, namespace));
                let household = (out && wants(MEMBER_OF) && class.households()).then(|| {
                    let household = self.household_of(key);
                    one(household
                        .map(|h| h.map(|household| (member_of(key, household), household_node(household)))))
                });
                Box::new(members.into_iter().chain(household).flatten())
            }
            _ if into && wants(MEMBER_OF) && class.persons() => self.residents(HouseholdKey::new(node.key)),
            _ => none(),
        }
    }

    fn degree(
        &self,
        node: NodeId,
        direction: Direction,
        types: &[TypeId],
        labels: &[LabelId],
    ) -> ReadResult<Option<u64>> {
        // A person knows how many identifiers it holds; of one namespace they have to be looked at.
        let all = matches!(Class::of(labels), Class::Every | Class::Identifiers(None));
        let only_members = direction == Direction::In || types == [TypeId(u32::from(IDENTIFIES))];
        let wanted = types.is_empty() || types.contains(&TypeId(u32::from(IDENTIFIES)));
        if node.table != PERSON || !all || !only_members || !wanted || direction == Direction::Out {
            return Ok(None);
        }
        Ok(self.person(PersonKey::new(node.key))?.map(|row| u64::from(row.size)))
    }

    fn between(&self, a: NodeId, b: NodeId, direction: Direction, types: &[TypeId]) -> Steps<'r> {
        let wants = |table: u8| types.is_empty() || types.contains(&TypeId(u32::from(table)));
        // Every relationship but LINKED goes from the lesser table to the greater.
        let along = match direction {
            Direction::Both => true,
            Direction::Out => a.table < b.table,
            Direction::In => a.table > b.table,
        };
        let (from, to) = if a.table <= b.table { (a, b) } else { (b, a) };
        match (from.table, to.table) {
            (IDENTIFIER, IDENTIFIER) if wants(LINKED) && from != to => {
                let (x, y) = (identifier_id(from), identifier_id(to));
                one(self.read.link(x, y).map(|link| link.map(|_| (linked(x, y), b))))
            }
            (IDENTIFIER, PERSON) if wants(IDENTIFIES) && along => {
                let (id, key) = (identifier_id(from), PersonKey::new(to.key));
                let person = self.read.person_of(id);
                one(person.map(|p| p.filter(|p| *p == key).map(|p| (identifies(id, p), b))))
            }
            (PERSON, HOUSEHOLD) if wants(MEMBER_OF) && along => {
                let (person, key) = (PersonKey::new(from.key), HouseholdKey::new(to.key));
                let household = self.household_of(person);
                one(household.map(|h| h.filter(|h| *h == key).map(|h| (member_of(person, h), b))))
            }
            _ => none(),
        }
    }

    fn fan_out(&self, labels: &[LabelId], direction: Direction, types: &[TypeId]) -> ReadResult<f64> {
        let counts = self.counts()?;
        let wants = |table: u8| types.is_empty() || types.contains(&TypeId(u32::from(table)));
        let share = |a: u64, b: u64| a as f64 / b.max(1) as f64;
        let class = Class::of(labels);
        let (out, into) = (direction != Direction::In, direction != Direction::Out);
        let mut total = 0.0;
        if class.identifiers().is_some() {
            total += if wants(LINKED) { 2.0 * share(counts.links, counts.identifiers) } else { 0.0 };
            total += if out && wants(IDENTIFIES) { 1.0 } else { 0.0 };
        }
        if class.persons() {
            let members = share(counts.identifiers, counts.persons);
            total += if into && wants(IDENTIFIES) { members } else { 0.0 };
            total += if out && wants(MEMBER_OF) { 1.0 } else { 0.0 };
        }
        if class.households() && into && wants(MEMBER_OF) {
            total += share(counts.persons, counts.households).min(10.0);
        }
        Ok(total)
    }

    fn has_label(&self, node: NodeId, label: LabelId) -> ReadResult<bool> {
        Ok(match Class::of(&[label]) {
            Class::Identifiers(None) => node.table == IDENTIFIER,
            Class::Identifiers(Some(namespace)) => {
                node.table == IDENTIFIER && self.name(identifier_id(node))?.0 == namespace
            }
            Class::Persons => node.table == PERSON,
            Class::Households => node.table == HOUSEHOLD,
            Class::Every | Class::Nothing => false,
        })
    }

    fn labels(&self, node: NodeId) -> ReadResult<Vec<String>> {
        let label = LABELS.get(usize::from(node.table)).copied().unwrap_or_default().to_owned();
        Ok(match node.table {
            IDENTIFIER => {
                let (namespace, _) = self.name(identifier_id(node))?;
                vec![label, self.read.names().namespace_name(namespace).to_owned()]
            }
            _ => vec![label],
        })
    }

    fn type_of(&self, rel: RelId) -> ReadResult<String> {
        Ok(TYPES.get(usize::from(rel.table)).copied().unwrap_or_default().to_owned())
    }

    fn ends(&self, rel: RelId) -> ReadResult<(NodeId, NodeId)> {
        let (start, end) = match rel.table {
            LINKED => (IDENTIFIER, IDENTIFIER),
            IDENTIFIES => (IDENTIFIER, PERSON),
            _ => (PERSON, HOUSEHOLD),
        };
        Ok((NodeId { table: start, key: rel.a }, NodeId { table: end, key: rel.b }))
    }

    fn is_undirected(&self, rel: RelId) -> bool {
        rel.table == LINKED
    }

    fn node_property(&self, node: NodeId, name: &str) -> ReadResult<Value> {
        self.property_of_node(node, name)
    }

    fn rel_property(&self, rel: RelId, name: &str) -> ReadResult<Value> {
        self.property_of_rel(rel, name)
    }

    fn node_properties(&self, node: NodeId) -> ReadResult<Map> {
        self.properties_of_node(node)
    }

    fn rel_properties(&self, rel: RelId) -> ReadResult<Map> {
        self.properties_of_rel(rel)
    }

    fn node_id(&self, node: NodeId) -> ReadResult<Value> {
        self.property_of_node(node, "id")
    }

    fn rel_id(&self, rel: RelId) -> ReadResult<Value> {
        let (start, end) = self.ends(rel)?;
        let text = |id: Value| id.as_str().unwrap_or_default().to_owned();
        let (start, end) = (text(self.node_id(start)?), text(self.node_id(end)?));
        Ok(format!("{start} {} {end}", self.type_of(rel)?).into())
    }

    fn procedure(&self, name: &str) -> Option<Signature> {
        verbs::of_procedure(name).map(verbs::signature)
    }

    fn call(
        &self,
        name: &str,
        args: Vec<Value>,
        account: Account<'_>,
    ) -> Result<ProcedureRows<'r>, ProcedureError> {
        match verbs::of_procedure(name) {
            Some(kind) => verbs::answer(kind, self.read, &args, account),
            None => Ok(Box::new(std::iter::empty())),
        }
    }
}

#[cfg(test)]
mod tests;
