//! The identity graph and the verbs over a small store in memory that counts
//! what is asked of it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use kinfold_engine::model::{
    AttributeValue, Catalogue, Event, Evidence, HeldBackBy, HouseholdId, HouseholdKey, HouseholdMember,
    HouseholdRow, Identifier, IdentifierId, IdentifierRecord, Link, LinkRow, Member, NamespaceId, Override,
    OverrideRow, PersonId, PersonKey, PersonRow, Seen, Seq, SourceRecord, Timestamp,
};
use kinfold_engine::normalise::Normalised;
use kinfold_engine::read::{AsOf, Found, Read, ReadResult, ViewOptions};
use kinfold_engine::schema::Schema;

use crate::ast::VerbKind;
use crate::{Limits, Options, Params, Parsed, QueryError, Rows, Value};

/// A store as a test writes it: persons as lists of identifiers, links, one household.
struct Store {
    schema: Schema,
    names: Catalogue,
    identifiers: Vec<(NamespaceId, String)>,
    persons: Vec<Vec<u32>>,
    links: BTreeMap<(u32, u32), Link>,
    /// The persons and the identifiers of the one household.
    household: (Vec<u64>, Vec<u32>),
    records: Vec<SourceRecord>,
    /// Whether every source that saw anything is left out.
    unseen: bool,
    calls: Mutex<BTreeMap<&'static str, usize>>,
}

const SCHEMA: &str = r#"
[person]
threshold = 0.5
[namespace.email]
normalise = "email"
[namespace.account]
max_per_person = 1
[namespace.device]
shared_above = { account = 5 }
[namespace.phone]
normalise = "phone"
[namespace.address]
scope = "household"
"#;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Store {
    /// Ann (email, account, device) and Bob (email, account), whose device link is held back; both live at one address.
    fn new() -> Self {
        let schema = Schema::parse(SCHEMA, "test.toml").unwrap();
        let mut names = Catalogue::default();
        let [email, account, device, address] =
            ["email", "account", "device", "address"].map(|name| names.add_namespace(name).unwrap());
        let (crm, web) = (names.add_source("crm").unwrap(), names.add_source("web").unwrap());
        let login = names.add_kind("login").unwrap();
        let (name, tier) = (names.add_attribute("name").unwrap(), names.add_attribute("tier").unwrap());
        let values = [
            (email, "ann@example.com"),
            (account, "a1"),
            (device, "d1"),
            (email, "bob@example.com"),
            (account, "a2"),
            (address, "1 High Street"),
        ];
        let mut store = Self {
            schema,
            names,
            identifiers: values.map(|(ns, value)| (ns, value.to_owned())).to_vec(),
            persons: vec![vec![0, 1, 2], vec![3, 4]],
            links: BTreeMap::new(),
            household: (vec![0, 1], vec![5]),
            records: vec![
                SourceRecord {
                    source: crm,
                    record_id: Some("r1".into()),
                    identifiers: vec![IdentifierId::new(0), IdentifierId::new(1)],
                    first_seen: time("2026-01-01"),
                    last_seen: time("2026-01-03"),
                    attributes: vec![
                        (name, AttributeValue::String("Ann".into()), time("2026-01-03")),
                        (tier, AttributeValue::Number(2.0), time("2026-01-01")),
                    ],
                },
                SourceRecord {
                    source: web,
                    record_id: None,
                    identifiers: vec![IdentifierId::new(0)],
                    first_seen: time("2026-01-02"),
                    last_seen: time("2026-01-02"),
                    attributes: vec![(name, AttributeValue::String("A. Smith".into()), time("2026-01-02"))],
                },
            ],
            unseen: false,
            calls: Mutex::default(),
        };
        let evidence = |source, confidence, kind| Evidence {
            source,
            kind,
            confidence,
            count: 2,
            first_seen: time("2026-01-01"),
            last_seen: time("2026-01-05"),
        };
        for (a, b, weight, held) in [
            (0, 1, 0.9, None),
            (1, 2, 0.8, None),
            (3, 4, 0.7, None),
            (2, 4, 0.6, Some(HeldBackBy::MaxPerPerson(account))),
            (0, 5, 0.4, None),
            (3, 5, 0.4, None),
        ] {
            let mut link = Link {
                weight,
                first_seen: time("2026-01-01"),
                last_seen: time("2026-01-05"),
                held_back_by: held,
                evidence: vec![evidence(web, weight, Some(login))],
            };
            if (a, b) == (0, 1) {
                link.evidence.push(evidence(crm, 0.5, None));
            }
            store.links.insert((a, b), link);
        }
        store
    }

    fn count(&self, what: &'static str) {
        *self.calls.lock().unwrap().entry(what).or_default() += 1;
    }

    fn called(&self, what: &str) -> usize {
        self.calls.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    fn row(&self, at: u64) -> PersonRow {
        let members = &self.persons[at as usize];
        PersonRow {
            key: PersonKey::new(at),
            id: PersonId::new(IdentifierId::new(members[0]), 0),
            born: Seq::new(1),
            created_at: time("2026-01-01"),
            size: members.len() as u32,
            household: self.household.0.contains(&at).then(|| HouseholdKey::new(0)),
            resolution_pending: false,
        }
    }

    fn query(&self, text: &str) -> Result<Vec<Vec<Value>>, QueryError> {
        self.with(text, &[])
    }

    fn with(&self, text: &str, params: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError> {
        self.rows(text, params, Options::default())?.collect()
    }

    fn rows(&self, text: &str, params: &[(&str, Value)], options: Options) -> Result<Rows<'_>, QueryError> {
        let params: Params = params.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let parsed = Parsed::new(text, params, options)?;
        parsed.view(self)?;
        Ok(parsed.prepare(self)?.run())
    }

    /// The rows as one text, values parted by blanks, rows by `|`.
    fn shown(&self, text: &str, params: &[(&str, Value)]) -> String {
        let rows = self.with(text, params).unwrap_or_else(|error| panic!("{error}"));
        let line = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        rows.iter().map(line).collect::<Vec<_>>().join(" | ")
    }
}

impl Read for Store {
    type Now = Self;

    fn now(&self) -> &Self {
        self
    }

    fn seq(&self) -> Seq {
        Seq::new(40)
    }

    fn overrides(&self, _: IdentifierId) -> impl Iterator<Item = ReadResult<OverrideRow>> + '_ {
        std::iter::empty()
    }

    fn override_on(&self, _: IdentifierId, _: IdentifierId) -> ReadResult<Option<Override>> {
        Ok(None)
    }

    fn events(&self, _: Seq) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        std::iter::empty()
    }

    fn person_events(&self, _: PersonId) -> impl Iterator<Item = ReadResult<Event>> + '_ {
        std::iter::empty()
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn names(&self) -> &Catalogue {
        &self.names
    }

    fn find(&self, identifier: &Identifier) -> ReadResult<Found> {
        self.count("find");
        let value = match self.schema.normalise(&identifier.namespace, &identifier.value) {
            Normalised::Accepted(value) => value,
            Normalised::Denied { rule } => return Ok(Found::Denied { rule }),
            Normalised::Invalid { reason } => return Ok(Found::Invalid { reason }),
            Normalised::Undeclared { suggestion } => return Ok(Found::NoNamespace { suggestion }),
        };
        let name = Identifier::new(identifier.namespace.clone(), value);
        let namespace = self.names.namespace(&name.namespace);
        let at =
            self.identifiers.iter().position(|(ns, value)| Some(*ns) == namespace && *value == name.value);
        Ok(at.map_or(Found::Unknown(name), |at| Found::Known(IdentifierId::new(at as u32))))
    }

    fn identifier(&self, id: IdentifierId) -> ReadResult<Option<IdentifierRecord>> {
        self.count("identifier");
        let at = id.get();
        Ok(self.identifiers.get(at as usize).map(|(namespace, value)| IdentifierRecord {
            namespace: *namespace,
            value: value.clone(),
            seen: (!self.unseen)
                .then(|| Seen {
                    source: self.names.source("web").unwrap(),
                    count: 1,
                    first_seen: time("2026-01-01"),
                    last_seen: time("2026-01-05"),
                })
                .into_iter()
                .collect(),
            degree: self.links.keys().filter(|(a, b)| *a == at || *b == at).count() as u32,
            denied: false,
            shared: false,
        }))
    }

    fn identifiers(
        &self,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<IdentifierId>> + '_ {
        self.count("scan");
        let all = self.identifiers.iter().enumerate();
        all.filter(move |(_, (ns, _))| namespace.is_none_or(|wanted| wanted == *ns))
            .map(|(at, _)| Ok(IdentifierId::new(at as u32)))
    }

    fn links(
        &self,
        id: IdentifierId,
        namespace: Option<NamespaceId>,
    ) -> impl Iterator<Item = ReadResult<LinkRow>> + '_ {
        self.count("links");
        let at = id.get();
        self.links.iter().filter_map(move |((a, b), link)| {
            let other = if *a == at { *b } else { *a };
            let other_namespace = self.identifiers[other as usize].0;
            let here = (*a == at || *b == at) && namespace.is_none_or(|wanted| wanted == other_namespace);
            here.then(|| {
                Ok(LinkRow {
                    other: IdentifierId::new(other),
                    other_namespace,
                    weight: link.weight,
                    last_seen: link.last_seen,
                    held_back_by: link.held_back_by,
                })
            })
        })
    }

    fn link(&self, a: IdentifierId, b: IdentifierId) -> ReadResult<Option<Link>> {
        self.count("link");
        Ok(self.links.get(&(a.get().min(b.get()), a.get().max(b.get()))).cloned())
    }

    fn conducts(&self, _: IdentifierId, link: &LinkRow) -> ReadResult<bool> {
        Ok(link.weight >= 0.5)
    }

    fn person_of(&self, id: IdentifierId) -> ReadResult<Option<PersonKey>> {
        self.count("person_of");
        let at = self.persons.iter().position(|members| members.contains(&id.get()));
        Ok(at.map(|at| PersonKey::new(at as u64)))
    }

    fn person(&self, key: PersonKey) -> ReadResult<Option<PersonRow>> {
        Ok((key.get() < self.persons.len() as u64).then(|| self.row(key.get())))
    }

    fn person_by_id(&self, id: PersonId) -> ReadResult<Option<PersonRow>> {
        // p9 was merged into the first person.
        let id = if id.to_string() == "p9" { self.row(0).id } else { id };
        Ok((0..self.persons.len() as u64).map(|at| self.row(at)).find(|row| row.id == id))
    }

    fn is_erased(&self, _: PersonId) -> ReadResult<bool> {
        Ok(false)
    }

    fn persons(&self) -> impl Iterator<Item = ReadResult<PersonRow>> + '_ {
        self.count("scan");
        (0..self.persons.len() as u64).map(|at| Ok(self.row(at)))
    }

    fn members(&self, key: PersonKey) -> impl Iterator<Item = ReadResult<Member>> + '_ {
        self.count("members");
        self.persons[key.get() as usize].iter().map(|at| {
            let (namespace, value) = self.identifiers[*at as usize].clone();
            Ok(Member { id: IdentifierId::new(*at), namespace, value })
        })
    }

    fn household_of(&self, id: IdentifierId) -> ReadResult<Option<HouseholdKey>> {
        Ok(self.household.1.contains(&id.get()).then(|| HouseholdKey::new(0)))
    }

    fn household(&self, key: HouseholdKey) -> ReadResult<Option<HouseholdRow>> {
        Ok((key.get() == 0).then(|| HouseholdRow {
            key,
            id: HouseholdId::new(IdentifierId::new(5), 0),
            born: Seq::new(1),
            created_at: time("2026-01-02"),
            persons: self.household.0.len() as u32,
            identifiers: 1,
        }))
    }

    fn household_by_id(&self, id: HouseholdId) -> ReadResult<Option<HouseholdRow>> {
        Ok(self.household(HouseholdKey::new(0))?.filter(|row| row.id == id))
    }

    fn households(&self) -> impl Iterator<Item = ReadResult<HouseholdRow>> + '_ {
        self.count("scan");
        self.household(HouseholdKey::new(0)).transpose().into_iter()
    }

    fn household_members(&self, _: HouseholdKey) -> impl Iterator<Item = ReadResult<HouseholdMember>> + '_ {
        let persons = self.household.0.iter().map(|key| HouseholdMember::Person(PersonKey::new(*key)));
        let rest = self.household.1.iter().map(|id| HouseholdMember::Identifier(IdentifierId::new(*id)));
        persons.chain(rest).map(Ok)
    }

    fn records(&self, id: IdentifierId) -> impl Iterator<Item = ReadResult<SourceRecord>> + '_ {
        self.records.iter().filter(move |record| record.identifiers.contains(&id)).cloned().map(Ok)
    }

    fn identifier_count(&self, namespace: Option<NamespaceId>) -> ReadResult<u64> {
        Ok(self.identifiers.iter().filter(|(ns, _)| namespace.is_none_or(|wanted| wanted == *ns)).count()
            as u64)
    }

    fn person_count(&self) -> ReadResult<u64> {
        Ok(self.persons.len() as u64)
    }

    fn household_count(&self) -> ReadResult<u64> {
        Ok(1)
    }

    fn link_count(&self) -> ReadResult<u64> {
        Ok(self.links.len() as u64)
    }
}

const ANN: &str = "email:ann@example.com";

#[test]
fn the_examples_of_the_language_page_work() {
    let store = Store::new();
    let id = [("id", Value::from(ANN))];
    for (text, expected) in [
        (
            "MATCH (i:Identifier {id: $id})-[:IDENTIFIES]->(p)<-[:IDENTIFIES]-(other) RETURN other.id ORDER BY other.id",
            "'account:a1' | 'device:d1'",
        ),
        (
            "MATCH (:email {value: 'ann@example.com'})-[:IDENTIFIES]->()-[:MEMBER_OF]->(h)<-[:MEMBER_OF]-(q) \
             RETURN h.id, collect(q.id)",
            "'h5' ['p3']",
        ),
        (
            "MATCH (a:Identifier {id: $id})-[l:LINKED]-(b) WHERE l.weight >= 0.8 RETURN b.id, l.weight, l.sources \
             ORDER BY l.weight DESC LIMIT 5",
            "'account:a1' 0.9 ['crm', 'web']",
        ),
        (
            "MATCH p = shortestPath((a {id: $id})-[:LINKED*..6]-(b {id: 'email:bob@example.com'})) \
             RETURN [n IN nodes(p) | n.id], length(p)",
            "['email:ann@example.com', 'address:1 High Street', 'email:bob@example.com'] 2",
        ),
        (
            "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) RETURN p.id, count(*) AS ids, count(DISTINCT i.namespace) \
             ORDER BY ids DESC LIMIT 20",
            "'p0' 3 3 | 'p3' 2 2",
        ),
        ("MATCH (p:Person)<-[:IDENTIFIES]-(i:account) WITH p, count(*) AS n WHERE n > 1 RETURN p.id, n", ""),
        (
            "MATCH (p:Person)<-[:IDENTIFIES]-(i)-[l:LINKED]-(j)-[:IDENTIFIES]->(q:Person) WHERE p.id < q.id \
             RETURN p.id, q.id, max(l.weight), collect(DISTINCT l.held_back_by)",
            "'p0' 'p3' 0.6 ['max_per_person(account)']",
        ),
        (
            "UNWIND ['account:a2', 'account:nobody'] AS id \
             OPTIONAL MATCH (i:Identifier {id: id})-[:IDENTIFIES]->(p) RETURN id, p.id",
            "'account:a2' 'p3' | 'account:nobody' null",
        ),
        ("MATCH (d:device) WHERE d.shared RETURN d.id, d.degree ORDER BY d.degree DESC LIMIT 10", ""),
    ] {
        assert_eq!(store.shown(text, &id), expected, "{text}");
    }
}

#[test]
fn an_anchored_query_never_scans() {
    let id =
        [("id", Value::from(ANN)), ("ids", vec![Value::from(ANN), "account:a2".into(), Value::Null].into())];
    for text in [
        "MATCH (i {id: $id}) RETURN i.value",
        "MATCH (i:Identifier {namespace: 'email', value: 'ann@example.com'}) RETURN i.id",
        "MATCH (i:email {value: 'ann@example.com'}) RETURN i.id",
        "MATCH (i:Identifier) WHERE i.id = $id RETURN i.id",
        "MATCH (i) WHERE $id = i.id AND i.degree > 0 RETURN i.id",
        "MATCH (i:Identifier) WHERE i.id IN $ids RETURN i.id",
        "MATCH (p:Person {id: 'p0'})<-[:IDENTIFIES]-(i) RETURN i.id",
        "MATCH (h:Household {id: 'h5'})<-[:MEMBER_OF]-(p)<-[:IDENTIFIES]-(i) RETURN i.id",
        "MATCH (p:Person)<-[:IDENTIFIES]-(i {id: $id}) RETURN p.id",
        "MATCH (q:Person)<-[:IDENTIFIES]-(b:email)-[:LINKED]-(a)<-[:LINKED*0..0]-({id: $id}) RETURN q.id",
        "UNWIND $ids AS id MATCH (i {id: id}) RETURN i.id",
        "MATCH p = shortestPath((a {id: $id})-[:LINKED*]-(b {id: 'account:a2'})) RETURN length(p)",
    ] {
        let store = Store::new();
        store.with(text, &id).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(store.called("scan"), 0, "{text}");
        assert!(store.called("links") + store.called("find") <= 12, "{text}: {:?}", store.calls);
    }
}

#[test]
fn two_anchors_meet_by_one_read_of_their_link() {
    let store = Store::new();
    let text = "MATCH (a {id: 'account:a1'})-[l:LINKED]-(b {id: 'device:d1'}) RETURN l.weight";
    assert_eq!(store.shown(text, &[]), "0.8");
    assert_eq!((store.called("links"), store.called("scan")), (0, 0));
}

#[test]
fn a_limit_stops_the_work() {
    let store = Store::new();
    let rows = store.query("MATCH (i:Identifier) RETURN i.id LIMIT 2").unwrap();
    assert_eq!((rows.len(), store.called("identifier")), (2, 2));
}

#[test]
fn links_have_no_direction_and_come_once() {
    let store = Store::new();
    for (text, expected) in [
        ("MATCH ()-[l:LINKED]-() RETURN count(l), count(DISTINCT l)", "12 6"),
        ("MATCH ()-[l:LINKED]->() RETURN count(l)", "12"),
        ("MATCH (:device)-[l:LINKED]->(b) RETURN b.id ORDER BY b.id", "'account:a1' | 'account:a2'"),
        ("MATCH (:device)<-[l:LINKED]-(b:account) RETURN count(b)", "2"),
        (
            "MATCH (:account {value: 'a1'})-[l]-(x) RETURN labels(x), type(l) ORDER BY type(l), labels(x)[1]",
            "['Person'] 'IDENTIFIES' | ['Identifier', 'device'] 'LINKED' | ['Identifier', 'email'] 'LINKED'",
        ),
        ("MATCH (a:device)-[l:LINKED]-(b) WITH l MATCH (x)-[l]->(y:device) RETURN count(*)", "2"),
        (
            "MATCH (a {id: 'device:d1'})-[:LINKED*2]-(b) RETURN b.id ORDER BY b.id",
            "'email:ann@example.com' | 'email:bob@example.com'",
        ),
    ] {
        assert_eq!(store.shown(text, &[]), expected, "{text}");
    }
}

#[test]
fn properties_are_those_of_the_page_and_the_attributes() {
    let store = Store::new();
    for (text, expected) in [
        (
            "MATCH (i {id: 'email:ann@example.com'}) RETURN i.namespace, i.degree, i.shared, i.first_seen, i.name, i.tier",
            "'email' 2 false 2026-01-01T00:00:00Z 'Ann' 2.0",
        ),
        ("MATCH (p {id: 'p0'}) RETURN p.size, p.created_at, p.name", "3 2026-01-01T00:00:00Z 'Ann'"),
        ("MATCH (h:Household) RETURN properties(h)", "{id: 'h5', size: 2}"),
        (
            "MATCH (:device)-[l:LINKED]-(:account {value: 'a2'}) RETURN l.conducts, l.held_back_by, l.count, keys(l)",
            "true 'max_per_person(account)' 2 ['conducts', 'count', 'evidence', 'first_seen', 'held_back_by', \
          'last_seen', 'sources', 'weight']",
        ),
        (
            "MATCH ({id: 'email:ann@example.com'})-[l:LINKED]-(:account) RETURN [e IN l.evidence | e.source + '/' + \
          coalesce(e.kind, '-')]",
            "['web/login', 'crm/-']",
        ),
        ("MATCH (a:address)-[r:IDENTIFIES]->() RETURN r", ""),
        (
            "MATCH (:Person {id: 'p0'})-[r:MEMBER_OF]->() RETURN r.since, id(r)",
            "2026-01-02T00:00:00Z 'p0 MEMBER_OF h5'",
        ),
        // A graph query compares as openCypher does; only verbs follow merges and normalise.
        ("MATCH (p:Person {id: 'p9'}) RETURN p", ""),
        ("MATCH (i {id: 'email:ANN@EXAMPLE.COM'}) RETURN i", ""),
        ("MATCH (i:phone) RETURN i", ""),
    ] {
        assert_eq!(store.shown(text, &[]), expected, "{text}");
    }
}

#[test]
fn what_every_source_that_saw_it_is_left_out_of_was_seen_at_no_time() {
    let store = Store { unseen: true, ..Store::new() };
    assert_eq!(
        store.shown("MATCH (i:device) RETURN i.first_seen, i.last_seen, keys(i)[0]", &[]),
        "null null 'degree'"
    );
    assert!(store.shown("PROFILE 'device:d1'", &[]).contains("'identifier' 'device' 'd1' null null"));
}

#[test]
fn verbs_answer_in_tables() {
    let store = Store::new();
    let ann = "'p0' null 3 'h5' ['account:a1', 'device:d1', 'email:ann@example.com'] 2026-01-01T00:00:00Z";
    for text in
        ["PERSON email:'ANN@example.com'", "person 'email:ann@example.com';", "PERSON $who", "PERSON 'p0'"]
    {
        assert_eq!(store.shown(text, &[("who", "account:a1".into())]), ann, "{text}");
    }
    assert!(store.shown("PERSON 'p9'", &[]).starts_with("'p0' 'p9' 3"));
    assert_eq!(
        store.shown("HOUSEHOLD 'p3'", &[]),
        "'h5' 'person' 'p0' 3 ['account:a1', 'device:d1', 'email:ann@example.com'] | \
         'h5' 'person' 'p3' 2 ['account:a2', 'email:bob@example.com'] | \
         'h5' 'identifier' 'address:1 High Street' null null"
    );
    assert_eq!(
        store.shown("NEIGHBOURS device:'d1'", &[]),
        "'account:a1' 'account' 'a1' 0.8 2 ['web'] 2026-01-01T00:00:00Z 2026-01-05T00:00:00Z true null true | \
         'account:a2' 'account' 'a2' 0.6 2 ['web'] 2026-01-01T00:00:00Z 2026-01-05T00:00:00Z true \
         'max_per_person(account)' false"
    );
    let profile = store.shown("PROFILE email:'ann@example.com'", &[]);
    assert!(
        profile.starts_with("'person' 'id' 'p0' 2026-01-01T00:00:00Z 2026-01-05T00:00:00Z ['web']"),
        "{profile}"
    );
    assert!(
        profile.contains("'record' 'crm' 'r1' 2026-01-01T00:00:00Z 2026-01-03T00:00:00Z ['crm']"),
        "{profile}"
    );
    assert!(profile.contains("'attribute' 'name' 'Ann' null 2026-01-03T00:00:00Z ['crm']"), "{profile}");
    assert_eq!(
        store.shown(
            "UNWIND ['p0', 'p3'] AS who CALL identity.person(who) YIELD person, size RETURN person, size",
            &[]
        ),
        "'p0' 3 | 'p3' 2"
    );
}

#[test]
fn the_verbs_that_explain_answer_in_tables() {
    let store = Store::new();
    let facts = "YIELD section, step, from, to, fact, detail, weight";
    let verdict = "'verdict' null 'account:a1'";
    for (text, expected) in [
        (
            format!("CALL identity.why('email:ann@example.com', 'device:d1') {facts}"),
            "'verdict' null 'email:ann@example.com' 'device:d1' 'one person' 'p0, of 3 identifiers' null | \
             'path' 1 'email:ann@example.com' 'account:a1' 'joins' null 0.9 | \
             'path' 2 'account:a1' 'device:d1' 'joins' null 0.8 | \
             'bridge' 1 'email:ann@example.com' 'account:a1' 'parts them' 'on every path between the two' 0.9 | \
             'bridge' 2 'account:a1' 'device:d1' 'parts them' 'on every path between the two' 0.8 | \
             'cut' 1 'account:a1' 'device:d1' 'parts them' \
             'without this link 2 identifiers and 1 identifier would be apart' 0.8"
                .to_owned(),
        ),
        (
            "CALL identity.why('email:ann@example.com', 'account:a1') YIELD section, sources, evidence \
             WITH section, sources, evidence WHERE section = 'cut' RETURN sources, [e IN evidence | e.confidence]"
                .to_owned(),
            "['crm', 'web'] [0.9, 0.5]".to_owned(),
        ),
        (
            "WHY account:'a1', account:'a1'".to_owned(),
            format!("{verdict} 'account:a1' 'same identifier' 'p0, of 3 identifiers' null null null"),
        ),
        (
            format!("CALL identity.why('account:a1', 'account:a2') {facts}"),
            format!(
                "{verdict} 'account:a2' 'two persons' \
                 'p0, of 3 identifiers, and p3, of 2 identifiers; ask WHY NOT' null"
            ),
        ),
        (
            format!("CALL identity.why_not('account:a1', 'account:a2') {facts}"),
            format!(
                "{verdict} 'account:a2' 'two persons' 'p0, of 3 identifiers, and p3, of 2 identifiers' null | \
                 'path' 1 'account:a1' 'device:d1' 'joins' null 0.8 | \
                 'path' 2 'device:d1' 'account:a2' 'held back' \
                 'max_per_person(account) allows 1, and together they would have 2' 0.6"
            ),
        ),
        (
            format!("CALL identity.why_not('account:a1', 'device:d1') {facts}"),
            format!("{verdict} 'device:d1' 'one person' 'p0, of 3 identifiers; ask WHY' null"),
        ),
        (
            "NETWORK device:'d1' DEPTH 1".to_owned(),
            "'identifier' 'device:d1' null 0 'p0' null 2 null null null [] | \
             'identifier' 'account:a1' null 1 'p0' null 2 null null null [] | \
             'identifier' 'account:a2' null 1 'p3' null 2 null null null [] | \
             'link' 'device:d1' 'account:a1' null null null null 0.8 2026-01-05T00:00:00Z null [] | \
             'link' 'device:d1' 'account:a2' null null null null 0.6 2026-01-05T00:00:00Z null \
             ['max_per_person(account)']"
                .to_owned(),
        ),
        (
            "DIFF account:'a1'".to_owned(),
            "'p0' 3 'p0' 3 3 ['account:a1', 'device:d1', 'email:ann@example.com']".to_owned(),
        ),
        (
            "NEAR MERGES".to_owned(),
            "'p3' 2 'p0' 3 'account:a2' 'device:d1' 0.6 ['web'] 2026-01-05T00:00:00Z \
             'max_per_person(account)' null 'max_per_person(account)'"
                .to_owned(),
        ),
        ("NEAR MERGES LIMIT 0".to_owned(), String::new()),
        // This store keeps no events.
        ("HOW 'p0'".to_owned(), String::new()),
        ("HISTORY account:'a1'".to_owned(), String::new()),
    ] {
        assert_eq!(store.shown(&text, &[]), expected, "{text}");
    }
}

/// Every verb and its procedure give the same rows under the same names.
#[test]
fn a_verb_and_its_procedure_are_one() {
    let store = Store::new();
    for kind in VerbKind::ALL {
        let (who, args) = match kind.asks_about() {
            0 => ("", ""),
            1 => (" 'account:a1'", "'account:a1'"),
            _ => (" 'account:a1', 'account:a2'", "'account:a1', 'account:a2'"),
        };
        let (number, arg) = match kind.number() {
            Some(word) if args.is_empty() => (format!(" {word} 5"), "5"),
            Some(word) => (format!(" {word} 5"), ", 5"),
            None => (String::new(), ""),
        };
        let verb = format!("{}{who}{number}", kind.words());
        let call = format!("CALL {}({args}{arg})", kind.procedure());
        assert_eq!(store.shown(&verb, &[]), store.shown(&call, &[]), "{verb}");
        let columns = |text: &str| {
            let parsed = Parsed::new(text, Params::new(), Options::default()).unwrap();
            parsed.prepare(&store).unwrap().columns().to_vec()
        };
        assert_eq!(columns(&verb), columns(&call), "{verb}");
    }
}

#[test]
fn what_an_answer_reads_counts_against_the_limits() {
    let store = Store::new();
    let limits = Limits { max_expansions: 8, ..Limits::default() };
    for text in [
        "WHY email:'ann@example.com', device:'d1'",
        "WHY NOT account:'a1', account:'a2'",
        "NETWORK device:'d1' DEPTH 9",
        "NEAR MERGES",
        "CALL identity.near_merges(null) YIELD weight RETURN weight",
    ] {
        let options = Options { limits, ..Options::default() };
        let error = match store.rows(text, &[], options) {
            Ok(mut rows) => rows.find_map(Result::err),
            Err(error) => Some(error),
        };
        assert_eq!(error.expect(text).code(), "limit-expansions", "{text}");
    }
}

#[test]
fn what_is_not_found_says_what_was_looked_for() {
    let store = Store::new();
    for (text, code, part) in [
        ("PERSON email:'Zoe@Example.com'", "not-found", "`email:zoe@example.com` (the normal form of"),
        ("PERSON account:'a9'", "not-found", "`account:a9` was never seen"),
        ("PERSON 'p77'", "not-found", "no person `p77`"),
        ("PERSON emial:'ann@example.com'", "unknown-namespace", "did you mean `email`?"),
        ("PERSON account:'undefined'", "denied-value", "denied by"),
        ("PERSON email:'nonsense'", "invalid-value", "no value of `email`"),
        ("PERSON 'nonsense'", "invalid-identifier", "expected `namespace:value`"),
        ("PERSON address:'1 High Street'", "no-person", "household scope"),
        ("NEIGHBOURS 'p0'", "not-an-identifier", "NEIGHBOURS asks about identifiers, and `p0` is none"),
        ("PERSON $nobody", "unknown-parameter", "no parameter `$nobody`"),
        (
            "WHY account:'a1', account:'a9'",
            "not-found",
            "error[not-found] at 1:19: `account:a9` was never seen",
        ),
        ("WHY NOT address:'1 High Street', account:'a1'", "no-person", "at 1:9: `address:1 High Street`"),
        ("WHY account:'a1', 'p3'", "not-an-identifier", "as in WHY email:'ann@example.com', device:'d1'"),
        ("NETWORK account:'a1' DEPTH -1", "out-of-range", "at 1:28: DEPTH is 0 or more, not -1"),
        ("NEAR MERGES LIMIT 'ten'", "wrong-type", "at 1:19: LIMIT takes a whole number, not a string"),
        ("NEAR MERGES LIMIT 1000000", "out-of-range", "at most 100000"),
        ("HOW 'h5'", "not-found", "`h5` is a household"),
        ("CALL identity.why('account:a1')", "argument-count", "takes 2 arguments (a, b), not 1"),
        ("MATCH (i:Identifer {id: 'x'}) RETURN i", "unknown-label", "did you mean `Identifier`?"),
        ("MATCH (i:emial) RETURN i", "unknown-label", "did you mean `email`?"),
        ("MATCH ()-[:LINKS]-() RETURN 1", "unknown-type", "did you mean `LINKED`?"),
        ("MATCH (i:email) RETURN i.vlaue", "unknown-property", "did you mean `value`?"),
        ("MATCH ()-[l:LINKED {wieght: 1}]-() RETURN l", "unknown-property", "did you mean `weight`?"),
        ("CALL identity.persn('p0')", "unknown-procedure", "did you mean `identity.person`?"),
    ] {
        let error = store.query(text).expect_err(text);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

fn view(text: &str, params: &[(&str, Value)]) -> Result<ViewOptions, QueryError> {
    let params: Params = params.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    Parsed::new(text, params, Options::default())?.view(&Store::new())
}

#[test]
fn options_say_of_which_view_it_is_asked() {
    let plain = ViewOptions::default();
    let at = |text| Some(AsOf::Time(time(text)));
    let pair = |a: &str, b: &str| (a.parse::<Identifier>().unwrap(), b.parse::<Identifier>().unwrap());
    let params = [
        ("who", Value::from("device:d1")),
        ("time", time("2026-02-03").into()),
        ("text", "2026-02-03".into()),
        ("seq", Value::Int(7)),
        ("x", Value::Float(0.25)),
        ("source", "crm".into()),
    ];
    for (text, expected) in [
        ("PERSON 'p0'", plain.clone()),
        (
            "AS OF '2026-01-05T10:00:00+01:00' PERSON 'p0'",
            ViewOptions { as_of: at("2026-01-05T09:00:00Z"), ..plain.clone() },
        ),
        ("as of '2026-01-05' RETURN 1", ViewOptions { as_of: at("2026-01-05T00:00:00Z"), ..plain.clone() }),
        ("AS OF 12 RETURN 1", ViewOptions { as_of: Some(AsOf::Seq(Seq::new(12))), ..plain.clone() }),
        ("AS OF $time RETURN 1", ViewOptions { as_of: at("2026-02-03"), ..plain.clone() }),
        ("AS OF $text RETURN 1", ViewOptions { as_of: at("2026-02-03"), ..plain.clone() }),
        ("AS OF $seq RETURN 1", ViewOptions { as_of: Some(AsOf::Seq(Seq::new(7))), ..plain.clone() }),
        ("THRESHOLD 1 PERSON 'p0'", ViewOptions { threshold: Some(1.0), ..plain.clone() }),
        ("THRESHOLD $x EXPLAIN RETURN 1", ViewOptions { threshold: Some(0.25), ..plain.clone() }),
        (
            "WITHOUT SOURCE 'web' WITHOUT LINK email:'ann@example.com' - 'account:a1' THRESHOLD 0.5 \
             WITHOUT LINK $who - account:'a2' WITHOUT SOURCE $source NEAR MERGES",
            ViewOptions {
                threshold: Some(0.5),
                without_sources: vec!["web".into(), "crm".into()],
                without_links: vec![pair(ANN, "account:a1"), pair("device:d1", "account:a2")],
                ..plain
            },
        ),
    ] {
        let view = view(text, &params).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(view, expected, "{text}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_where_they_stand() {
    let params = [("list", Value::from(vec![Value::Int(1)])), ("null", Value::Null)];
    for (text, code, column, part) in [
        ("AS OF 'yesterday' RETURN 1", "invalid-time", 7, "`yesterday` is no time: expected RFC 3339"),
        ("AS OF '2026-13-01' RETURN 1", "invalid-time", 7, "no time"),
        ("AS OF -1 RETURN 1", "out-of-range", 7, "no sequence number"),
        ("AS OF 41 RETURN 1", "out-of-range", 7, "the store is at sequence number 40, and 41 lies ahead"),
        ("AS OF 1.5 RETURN 1", "wrong-type", 7, "not a float"),
        ("THRESHOLD 5 AS OF $list RETURN 1", "out-of-range", 11, "above 0 and at most 1, not 5"),
        ("AS OF $list RETURN 1", "wrong-type", 7, "`$list` is a list"),
        ("AS OF $null RETURN 1", "wrong-type", 7, "`$null` is null"),
        ("AS OF $time RETURN 1", "unknown-parameter", 7, "no parameter `$time`"),
        ("THRESHOLD 0 PERSON 'p0'", "out-of-range", 11, "not 0"),
        ("THRESHOLD 1.5 PERSON 'p0'", "out-of-range", 11, "not 1.5"),
        ("THRESHOLD '0.8' PERSON 'p0'", "wrong-type", 11, "THRESHOLD takes a number, not a string"),
        ("WITHOUT SOURCE 'wbe' PERSON 'p0'", "unknown-source", 16, "did you mean `web`?"),
        ("WITHOUT SOURCE 1 PERSON 'p0'", "wrong-type", 16, "named by a string"),
        (
            "WITHOUT LINK 'p0' - account:'a1' RETURN 1",
            "not-an-identifier",
            14,
            "links are between identifiers",
        ),
        ("WITHOUT LINK account:'a1' - account:'a9' RETURN 1", "not-found", 29, "`account:a9` was never seen"),
        ("WITHOUT LINK account:'a1' - account:'a2' RETURN 1", "not-found", 1, "no link between"),
        ("FOR PURPOSE '' PERSON 'p0'", "unknown-purpose", 13, "a purpose has a name"),
        ("FOR PURPOSE 3 PERSON 'p0'", "wrong-type", 13, "named by a string"),
    ] {
        let error = view(text, &params).expect_err(text);
        assert_eq!((error.code(), error.column()), (code, column), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // A link that is not there any more may have been there then.
    assert!(view("AS OF 1 WITHOUT LINK account:'a1' - account:'a2' RETURN 1", &params).is_ok());
}

#[test]
fn nodes_come_back_whole() {
    let store = Store::new();
    let rows = store.query("MATCH p = (:account {value: 'a1'})-[l:LINKED]-(:device) RETURN p, l").unwrap();
    let [Value::Path(path), Value::Relationship(link)] = rows[0].as_slice() else { panic!("{rows:?}") };
    assert_eq!(path.nodes()[0].data().labels, ["Identifier", "account"]);
    assert_eq!(link.data().kind, "LINKED");
    let mut ends = [link.data().start.as_str(), link.data().end.as_str()];
    ends.sort_unstable();
    assert_eq!(ends, ["account:a1", "device:d1"]);
    assert_eq!(link.data().properties.get("weight"), Some(&Value::Float(0.8)));
}

#[test]
fn explain_shows_the_plan_and_analyze_what_it_did() {
    let store = Store::new();
    let text = "MATCH (p:Person)<-[:IDENTIFIES]-(i {id: 'account:a1'}) RETURN p.id";
    let rows = store.query(&format!("EXPLAIN {text}")).unwrap();
    let steps: Vec<&str> = rows.iter().filter_map(|row| row[0].as_str()).collect();
    assert_eq!(steps, ["Seek", "Filter", "Expand", "Project"]);
    assert_eq!(store.called("find"), 0);
    let rows = store.query(&format!("ANALYZE {text}")).unwrap();
    assert_eq!(rows.iter().map(|row| row[3].clone()).collect::<Vec<_>>(), vec![Value::Int(1); 4]);
    assert_eq!(rows[2][4], Value::Int(1));
}

#[test]
fn expansions_are_limited_and_counted() {
    let store = Store::new();
    let limits = Limits { max_expansions: 5, ..Limits::default() };
    let options = || Options { limits, ..Options::default() };
    let mut rows = store.rows("MATCH (a)-[*]-(b) RETURN count(*)", &[], options()).unwrap();
    let error = rows.next().unwrap().expect_err("too many");
    assert_eq!((error.code(), rows.stats().expansions), ("limit-expansions", 5));
    assert!(rows.next().is_none());
    let mut rows = store.rows("NEIGHBOURS device:'d1'", &[], options()).unwrap();
    assert_eq!((rows.by_ref().count(), rows.stats().rows), (2, 2));
}

/// What a text gives on so many threads: rows and what was touched, or the error's code.
fn on_threads(store: &Store, text: &str, threads: usize, most: u64) -> Result<(String, u64), String> {
    let limits = Limits { max_threads: threads, large_scan: 0, max_expansions: most, ..Limits::default() };
    let code = |error: QueryError| error.code().to_owned();
    let mut rows = store.rows(text, &[], Options { limits, ..Options::default() }).map_err(code)?;
    let found = rows.by_ref().collect::<Result<Vec<_>, _>>().map_err(code)?;
    Ok((format!("{found:?}"), rows.stats().expansions))
}

#[test]
fn several_threads_aggregate_as_one_does() {
    let store = Store::new();
    for text in [
        "MATCH (p:Person) RETURN p.size AS size, count(*)",
        "MATCH (i:Identifier) RETURN i.namespace, collect(i.value), count(DISTINCT i.degree), max(i.value)",
        "MATCH (i:Identifier)-[l:LINKED]-(j) RETURN i.namespace, min(j.value), sum(l.weight), avg(i.degree)",
        "MATCH (i:Identifier) WHERE i.value STARTS WITH 'nobody' RETURN count(*), sum(i.degree), collect(i)",
        "MATCH (i:Identifier) RETURN percentileDisc(i.degree, 0.5), stDev(i.degree)",
        "MATCH (i:account) OPTIONAL MATCH (i)-[:LINKED]-(d:device) WITH i.value AS a, count(d) AS n \
         ORDER BY a RETURN a, n",
        "MATCH (i:Identifier)-[:IDENTIFIES]->(p:Person) WITH p, count(i) AS n RETURN n, count(p), collect(p.id)",
        "MATCH (i:Identifier)-[l:LINKED]-(j) WITH i, max(j.value) AS most, sum(l.weight) AS w \
         WITH most, count(*) AS n WHERE n > 0 RETURN most, n",
        "MATCH (i:Identifier) RETURN sum(i.value)",
    ] {
        let alone = on_threads(&store, text, 1, 1_000);
        assert_eq!(on_threads(&store, text, 3, 1_000), alone, "{text}");
        let Ok((_, touched)) = alone else { continue };
        assert_eq!(on_threads(&store, text, 3, touched), alone, "{text}");
        let less = on_threads(&store, text, 3, touched - 1);
        assert_eq!(less, Err("limit-expansions".to_owned()), "{text}");
    }
}

#[test]
fn a_prefix_of_an_id_reads_one_namespace_alone() {
    for (prefix, expected) in [
        ("email:", "'email:ann@example.com' | 'email:bob@example.com'"),
        ("email:b", "'email:bob@example.com'"),
        ("a", "'account:a1' | 'account:a2' | 'address:1 High Street'"),
        ("p", "'p0' | 'p3'"),
        ("h5", "'h5'"),
        ("nobody:", ""),
    ] {
        let store = Store::new();
        let text = format!("MATCH (i) WHERE i.id STARTS WITH '{prefix}' RETURN i.id ORDER BY i.id");
        assert_eq!(store.shown(&text, &[]), expected, "{prefix}");
        let plan = store.query(&format!("EXPLAIN {text}")).unwrap();
        assert_eq!(plan[0][0].as_str(), Some("Seek"), "{plan:?}");
    }
}

#[test]
fn counts_are_the_stores_own() {
    let store = Store::new();
    for (pattern, expected) in
        [("(i:Identifier)", 6), ("(i:email)", 2), ("(p:Person)", 2), ("(h:Household)", 1), ("(x)", 9)]
    {
        let text = format!("MATCH {pattern} RETURN count(*) AS n");
        assert_eq!(store.shown(&text, &[]), expected.to_string(), "{pattern}");
        let counted = format!("MATCH {pattern} WITH 1 AS one RETURN count(one) AS n");
        assert_eq!(store.shown(&counted, &[]), expected.to_string(), "{pattern}");
        assert_eq!(store.query(&format!("EXPLAIN {text}")).unwrap()[0][0].as_str(), Some("Count"));
    }
}
