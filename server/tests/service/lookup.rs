//! `LookupService` and `AdminService`.

use kinfold_proto::v1;
use tonic::Code;

use crate::harness::{Server, by, by_id, field, named, refusal, seen};

fn resolve(person: v1::PersonSelector, view: v1::View) -> v1::ResolvePersonRequest {
    v1::ResolvePersonRequest { person: Some(person), view: view.into(), ..Default::default() }
}

fn values(identifiers: &[v1::PersonIdentifier]) -> Vec<String> {
    let named = identifiers.iter().map(|it| it.identifier.clone().unwrap());
    named.map(|it| format!("{}:{}", it.namespace, it.value)).collect()
}

#[tokio::test]
async fn a_person_is_found_by_any_identifier_and_by_id() {
    let server = Server::start().await;
    let written = server.pairs(&[("email:ann@x.de", "device:d1"), ("device:d1", "phone:5")]).await;
    let mut lookup = server.lookup();
    // As written, not as stored: the rule of the namespace applies to lookups too.
    let found = lookup.resolve_person(resolve(by("email:ann@X.DE"), v1::View::Unspecified)).await.unwrap();
    let found = found.into_inner();
    assert_eq!(found.sequence, written.sequence);
    let person = found.person.unwrap();
    assert_eq!((person.identifier_count, person.identifiers.len()), (3, 0));
    assert_eq!((person.redirected_from.as_str(), person.household_id.as_str()), ("", ""));
    assert!(person.created_at.is_some());

    let by_id = resolve(by_id(&person.person_id), v1::View::Full);
    let full = lookup.resolve_person(by_id).await.unwrap().into_inner().person.unwrap();
    assert_eq!(values(&full.identifiers), ["device:d1", "email:ann@x.de", "phone:5"]);
    assert_eq!(full.identifiers[0].sources, ["crm"]);
    assert_eq!(
        full.identifiers[0].first_seen,
        Some(prost_types::Timestamp { seconds: 1_767_571_200, nanos: 0 })
    );
    assert_eq!(v1::Person { identifiers: vec![], ..full }, person);
}

/// Identifiers without what is told of each.
fn bare(identifiers: &[v1::PersonIdentifier]) -> Vec<v1::PersonIdentifier> {
    let bare = |it: &v1::PersonIdentifier| v1::PersonIdentifier {
        identifier: it.identifier.clone(),
        ..Default::default()
    };
    identifiers.iter().map(bare).collect()
}

#[tokio::test]
async fn identifiers_by_name_alone_are_those_of_the_full_answer() {
    let server = Server::start().await;
    let home = "address:elm street 1";
    // One person of few identifiers, and one of more than are named at once.
    let phones: Vec<String> = (0..60).map(|at| format!("phone:{at}")).collect();
    let mut pairs = vec![("email:a@x.de", "device:1"), ("email:a@x.de", home), ("email:b@x.de", home)];
    pairs.extend(phones.iter().map(|phone| ("email:b@x.de", phone.as_str())));
    server.pairs(&pairs).await;
    let mut lookup = server.lookup();
    for selector in [by("email:a@x.de"), by("phone:7")] {
        let mut ask =
            async |view| lookup.resolve_person(resolve(selector.clone(), view)).await.unwrap().into_inner();
        let (full, names) =
            (ask(v1::View::Full).await.person.unwrap(), ask(v1::View::Identifiers).await.person);
        assert_eq!(full.identifiers.len(), full.identifier_count as usize);
        let expected = v1::Person { identifiers: bare(&full.identifiers), ..full.clone() };
        assert_eq!(names, Some(expected.clone()));
        let selectors = vec![selector.clone(), by_id(&full.person_id), by(home), by("email:c@x.de")];
        let request = v1::BatchResolvePersonsRequest {
            persons: selectors,
            view: v1::View::Identifiers.into(),
            ..Default::default()
        };
        let results = lookup.batch_resolve_persons(request).await.unwrap().into_inner().results;
        use v1::person_result::Outcome::{Error, Person};
        let outcomes: Vec<_> = results.into_iter().map(|result| result.outcome.unwrap()).collect();
        let [Person(first), Person(second), Error(place), Error(unknown)] = outcomes.as_slice() else {
            panic!("{outcomes:?}")
        };
        assert_eq!((first, second), (&expected, &expected));
        assert_eq!(
            (place.reason.as_str(), unknown.reason.as_str()),
            ("HOUSEHOLD_SCOPE", "IDENTIFIER_UNKNOWN")
        );
    }
    let selector = v1::household_selector::By::Identifier(named(home));
    let request = |view: v1::View| v1::GetHouseholdRequest {
        household: Some(v1::HouseholdSelector { by: Some(selector.clone()) }),
        view: view.into(),
        ..Default::default()
    };
    let full = lookup.get_household(request(v1::View::Full)).await.unwrap().into_inner().household.unwrap();
    let names = lookup.get_household(request(v1::View::Identifiers)).await.unwrap().into_inner().household;
    let persons = full.persons.iter();
    let persons = persons.map(|it| v1::Person { identifiers: bare(&it.identifiers), ..it.clone() });
    let expected =
        v1::Household { persons: persons.collect(), identifiers: bare(&full.identifiers), ..full.clone() };
    assert_eq!(names, Some(expected));
}

#[tokio::test]
async fn a_merged_id_leads_to_the_survivor() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let first = server.person("email:a@x.de").await.person_id;
    server.pairs(&[("email:b@x.de", "device:2")]).await;
    let second = server.person("email:b@x.de").await.person_id;
    assert_ne!(first, second);
    server.pairs(&[("device:1", "device:2")]).await;
    let request = resolve(by_id(&second), v1::View::Ids);
    let survivor = server.lookup().resolve_person(request).await.unwrap().into_inner().person.unwrap();
    assert_eq!((survivor.person_id, survivor.redirected_from), (first.clone(), second.clone()));
    let request = v1::GetProfileRequest { person: Some(by_id(&second)), ..Default::default() };
    let profile = server.lookup().get_profile(request).await.unwrap().into_inner().profile.unwrap();
    let person = profile.person.unwrap();
    assert_eq!((person.person_id, person.redirected_from), (first, second));
    assert_eq!(values(&person.identifiers), ["device:1", "device:2", "email:a@x.de", "email:b@x.de"]);
}

#[tokio::test]
async fn what_cannot_be_found_says_why() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "address:elm street 1")]).await;
    let mut lookup = server.lookup();
    for (selector, code, reason, at) in [
        (by("email:b@x.de"), Code::NotFound, "IDENTIFIER_UNKNOWN", ""),
        (by_id("p99"), Code::NotFound, "PERSON_UNKNOWN", ""),
        (by_id("99"), Code::InvalidArgument, "MALFORMED", "person.person_id"),
        (by("emial:a@x.de"), Code::InvalidArgument, "UNDECLARED_NAMESPACE", "person.identifier.namespace"),
        (by("email:a at x"), Code::InvalidArgument, "INVALID_VALUE", "person.identifier.value"),
        (by("device:null"), Code::InvalidArgument, "DENIED_VALUE", "person.identifier.value"),
        (by("address:elm street 1"), Code::InvalidArgument, "HOUSEHOLD_SCOPE", "person.identifier.namespace"),
        (by("email:"), Code::InvalidArgument, "MISSING", "person.identifier.value"),
        (v1::PersonSelector::default(), Code::InvalidArgument, "MISSING", "person"),
    ] {
        let error = lookup.resolve_person(resolve(selector.clone(), v1::View::Ids)).await.unwrap_err();
        assert_eq!(refusal(&error), (code, reason.to_owned()), "{selector:?}");
        if code == Code::InvalidArgument {
            assert_eq!(field(&error), at, "{selector:?}");
        }
    }
    let error = lookup.resolve_person(resolve(by("emial:a@x.de"), v1::View::Ids)).await.unwrap_err();
    assert!(error.message().contains("did you mean `email`?"), "{}", error.message());
}

#[tokio::test]
async fn a_batch_answers_each_in_its_place() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    let persons =
        vec![by("device:2"), by("email:nobody@x.de"), by_id("x"), by("email:a@x.de"), by("device:2")];
    let request = v1::BatchResolvePersonsRequest { persons, ..Default::default() };
    let answer = server.lookup().batch_resolve_persons(request).await.unwrap().into_inner();
    let (a, b) = (server.person("email:a@x.de").await, server.person("email:b@x.de").await);
    let outcomes: Vec<_> = answer.results.into_iter().map(|result| result.outcome.unwrap()).collect();
    use v1::person_result::Outcome::{Error, Person};
    let [Person(first), Error(unknown), Error(malformed), Person(fourth), Person(fifth)] =
        outcomes.as_slice()
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((first, fourth, fifth), (&b, &a, &b));
    assert_eq!((unknown.code, unknown.reason.as_str()), (Code::NotFound as i32, "IDENTIFIER_UNKNOWN"));
    assert_eq!(unknown.field, "");
    assert_eq!((malformed.code, malformed.field.as_str()), (3, "persons[2].person_id"));
    assert_eq!(answer.sequence, 2);

    let persons = vec![by("device:2"); 1_001];
    let request = v1::BatchResolvePersonsRequest { persons, ..Default::default() };
    let error = server.lookup().batch_resolve_persons(request).await.unwrap_err();
    assert_eq!((refusal(&error).1.as_str(), field(&error).as_str()), ("TOO_MUCH", "persons"));
}

#[tokio::test]
async fn a_profile_has_records_and_reconciled_attributes() {
    use v1::attribute_value::Kind;
    let server = Server::start().await;
    let city = |city: &str| v1::AttributeValue { kind: Some(Kind::StringValue(city.into())) };
    let mut old = seen("crm", &["email:a@x.de", "device:1"]);
    old.record_id = "c-7".into();
    old.attributes.insert("city".into(), city("Oslo"));
    let mut new = seen("web", &["device:1", "phone:5"]);
    new.time = Some(prost_types::Timestamp { seconds: 1_767_571_300, nanos: 0 });
    new.record_id = "w-1".into();
    new.attributes.insert("city".into(), city("Bergen"));
    let request = v1::ObserveRequest { request_id: String::new(), observations: vec![new, old] };
    server.ingest().observe(request).await.unwrap();

    let request = |view: v1::View| v1::GetProfileRequest {
        person: Some(by("email:a@x.de")),
        view: view.into(),
        ..Default::default()
    };
    let answer = server.lookup().get_profile(request(v1::View::Unspecified)).await.unwrap().into_inner();
    let profile = answer.profile.unwrap();
    assert_eq!(answer.sequence, 2);
    assert_eq!(values(&profile.person.unwrap().identifiers), ["device:1", "email:a@x.de", "phone:5"]);
    let keys: Vec<_> = profile.records.iter().map(|r| (r.source.as_str(), r.record_id.as_str())).collect();
    assert_eq!(keys, [("crm", "c-7"), ("web", "w-1")]);
    assert_eq!(profile.records[0].attributes[0].value, Some(city("Oslo")));
    let mut on_record = profile.records[0].identifiers.clone();
    on_record.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    assert_eq!(on_record, [named("device:1"), named("email:a@x.de")]);
    let [attribute] = profile.attributes.as_slice() else { panic!("{:?}", profile.attributes) };
    assert_eq!((attribute.name.as_str(), &attribute.value), ("city", &Some(city("Bergen"))));
    assert_eq!((attribute.source.as_str(), attribute.record_id.as_str()), ("web", "w-1"));

    let names = server.lookup().get_profile(request(v1::View::Identifiers)).await.unwrap().into_inner();
    let names = names.profile.unwrap();
    let person = names.person.unwrap();
    assert_eq!(values(&person.identifiers), ["device:1", "email:a@x.de", "phone:5"]);
    assert_eq!(bare(&person.identifiers), person.identifiers);
    assert_eq!(names.records[0].identifiers.len(), 2);
    assert!(names.attributes.is_empty() && names.records.iter().all(|r| r.attributes.is_empty()));

    let ids = server.lookup().get_profile(request(v1::View::Ids)).await.unwrap().into_inner();
    let ids = ids.profile.unwrap();
    assert_eq!(ids.records[0].record_id, "c-7");
    assert!(ids.attributes.is_empty() && ids.person.unwrap().identifiers.is_empty());
    assert!(ids.records.iter().all(|r| r.attributes.is_empty() && r.identifiers.is_empty()));
}

#[tokio::test]
async fn a_household_is_found_by_any_of_its_members() {
    use v1::household_selector::By;
    let server = Server::start().await;
    let home = "address:elm street 1";
    server
        .pairs(&[
            ("email:a@x.de", home),
            ("email:b@x.de", home),
            ("email:a@x.de", "device:1"),
            ("email:c@x.de", "phone:9"),
        ])
        .await;
    let get = |by: By, view: v1::View| v1::GetHouseholdRequest {
        household: Some(v1::HouseholdSelector { by: Some(by) }),
        view: view.into(),
        ..Default::default()
    };
    let a = server.person("email:a@x.de").await;
    assert_ne!(a.household_id, "");
    let mut lookup = server.lookup();
    for selector in [
        By::Identifier(named(home)),
        By::Identifier(named("device:1")),
        By::PersonId(a.person_id.clone()),
        By::HouseholdId(a.household_id.clone()),
    ] {
        let household =
            lookup.get_household(get(selector.clone(), v1::View::Ids)).await.unwrap().into_inner();
        let household = household.household.unwrap();
        assert_eq!(household.household_id, a.household_id, "{selector:?}");
        assert_eq!((household.person_count, household.identifier_count), (2, 1));
        assert_eq!((household.persons.len(), household.identifiers.len()), (2, 0));
        assert!(household.persons.iter().all(|person| person.identifiers.is_empty()));
    }
    let full = get(By::HouseholdId(a.household_id.clone()), v1::View::Full);
    let full = lookup.get_household(full).await.unwrap().into_inner().household.unwrap();
    assert_eq!(values(&full.identifiers), [home]);
    assert_eq!(values(&full.persons[0].identifiers), ["device:1", "email:a@x.de"]);

    let alone = get(By::Identifier(named("email:c@x.de")), v1::View::Ids);
    let error = lookup.get_household(alone).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::NotFound, "NO_HOUSEHOLD".into()));
    let error = lookup.get_household(get(By::HouseholdId("h999".into()), v1::View::Ids)).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::NotFound, "HOUSEHOLD_UNKNOWN".into()));
}

#[tokio::test]
async fn a_read_that_is_ahead_of_the_store_waits_then_says_so() {
    let server = Server::with(kinfold_server::ServeConfig {
        at_least_timeout: std::time::Duration::from_millis(200),
        ..Default::default()
    })
    .await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let request = |at_least| v1::ResolvePersonRequest {
        person: Some(by("email:a@x.de")),
        options: Some(v1::ReadOptions { at_least, ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(server.lookup().resolve_person(request(1)).await.unwrap().get_ref().sequence, 1);
    let error = server.lookup().resolve_person(request(3)).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::Unavailable, "SEQUENCE_NOT_REACHED".into()));
    let mut lookup = server.lookup();
    let waiting = tokio::spawn(async move { lookup.resolve_person(request(2)).await });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    server.pairs(&[("email:a@x.de", "device:2")]).await;
    assert_eq!(waiting.await.unwrap().unwrap().get_ref().sequence, 2);
}

#[tokio::test]
async fn the_figures_add_up() {
    let server = Server::start().await;
    server
        .pairs(&[
            ("email:a@x.de", "device:1"),
            ("email:b@x.de", "device:undefined"),
            ("email:a@x.de", "address:elm 1"),
        ])
        .await;
    let stats = server.admin().get_stats(v1::GetStatsRequest::default()).await.unwrap().into_inner();
    assert_eq!((stats.sequence, stats.observations), (3, 3));
    assert_eq!((stats.identifiers, stats.links, stats.persons, stats.households), (4, 2, 2, 1));
    let namespaces: Vec<_> = stats.namespaces.iter().map(|n| (n.namespace.as_str(), n.identifiers)).collect();
    assert_eq!(namespaces, [("account", 0), ("address", 1), ("device", 1), ("email", 2), ("phone", 0)]);
    assert_eq!(stats.sources, [v1::SourceStats { source: "crm".into(), observations: 3 }]);
    let denied = v1::DeniedStats { source: "crm".into(), namespace: "device".into(), count: 1 };
    assert_eq!(stats.denied, [denied]);
}
