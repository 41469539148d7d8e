//! `ReadOptions`, pages, request ids, and what looks after the store.

use std::collections::HashMap;

use kinfold_engine::{OpenOptions, Store};
use kinfold_proto::v1;
use kinfold_proto::v1::export_person_response::Part;
use kinfold_proto::v1::read_options::AsOf;
use kinfold_server::ServeConfig;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Server, by, by_id, field, named, refusal, seen};

async fn person(
    server: &Server,
    person: v1::PersonSelector,
    options: v1::ReadOptions,
) -> Result<v1::ResolvePersonResponse, Status> {
    let request = v1::ResolvePersonRequest { person: Some(person), options: Some(options), view: 0 };
    Ok(server.lookup().resolve_person(request).await?.into_inner())
}

async fn write(server: &Server, observations: Vec<v1::Observation>) -> u64 {
    let request = v1::ObserveRequest { observations, ..Default::default() };
    server.ingest().observe(request).await.unwrap().into_inner().receipt.unwrap().sequence
}

#[tokio::test]
async fn a_read_sees_the_state_that_it_asks_for() {
    let server = Server::start().await;
    let first = write(&server, vec![seen("crm", &["email:a@x.de", "device:1"])]).await;
    let between = prost_types::Timestamp::from(std::time::SystemTime::now());
    // The store's clock counts microseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let weak = v1::Observation { confidence: Some(0.6), ..seen("web", &["email:a@x.de", "device:2"]) };
    let second = write(&server, vec![weak]).await;
    let count = |options: v1::ReadOptions| {
        let server = &server;
        async move {
            let found = person(server, by("email:a@x.de"), options).await.unwrap();
            (found.person.unwrap().identifier_count, found.sequence)
        }
    };
    assert_eq!(count(v1::ReadOptions::default()).await, (3, second));
    let as_of = Some(AsOf::AsOfSequence(first));
    assert_eq!(count(v1::ReadOptions { as_of, ..Default::default() }).await, (2, first));
    let as_of = Some(AsOf::AsOfTime(between));
    assert_eq!(count(v1::ReadOptions { as_of, ..Default::default() }).await, (2, first));
    let threshold = Some(0.8);
    assert_eq!(count(v1::ReadOptions { threshold, ..Default::default() }).await.0, 2);
    let without_sources = vec!["web".to_owned()];
    assert_eq!(count(v1::ReadOptions { without_sources, ..Default::default() }).await.0, 2);

    let ahead = Some(AsOf::AsOfSequence(1_000));
    let late = Some(AsOf::AsOfTime(prost_types::Timestamp { seconds: 0, nanos: -1 }));
    let most = vec!["web".to_owned(); 101];
    for (options, at) in [
        (v1::ReadOptions { as_of: ahead, ..Default::default() }, "options.as_of_sequence"),
        (v1::ReadOptions { as_of: late, ..Default::default() }, "options.as_of_time"),
        (v1::ReadOptions { threshold: Some(1.5), ..Default::default() }, "options.threshold"),
        (
            v1::ReadOptions { without_sources: vec!["wbe".into()], ..Default::default() },
            "options.without_sources",
        ),
        (v1::ReadOptions { without_sources: most, ..Default::default() }, "options.without_sources"),
        (v1::ReadOptions { purpose: "x".repeat(300), ..Default::default() }, "options.purpose"),
    ] {
        let error = person(&server, by("email:a@x.de"), options).await.unwrap_err();
        assert_eq!((refusal(&error).0, field(&error)), (Code::InvalidArgument, at.into()), "{error}");
    }

    // A query takes the same; what its text says of itself counts first.
    let ask = |text: &str, options: v1::ReadOptions| {
        let request = v1::QueryRequest { text: text.into(), options: Some(options), ..Default::default() };
        let mut queries = server.queries();
        async move {
            let mut stream = queries.query(request).await.unwrap().into_inner();
            let mut counts = Vec::new();
            while let Some(message) = stream.message().await.unwrap() {
                if let Some(v1::query_response::Part::Rows(rows)) = message.part {
                    counts.extend(rows.rows.into_iter().map(|row| row.values[0].kind.clone().unwrap()));
                }
            }
            counts
        }
    };
    let text = "MATCH (p:Person) RETURN count(*)";
    let int = |n| vec![v1::value::Kind::IntValue(n)];
    assert_eq!(ask(text, v1::ReadOptions { threshold: Some(0.8), ..Default::default() }).await, int(2));
    let own = format!("THRESHOLD 0.5 {text}");
    assert_eq!(ask(&own, v1::ReadOptions { threshold: Some(0.8), ..Default::default() }).await, int(1));
}

#[tokio::test]
async fn who_refused_a_purpose_answers_with_that_alone() {
    let server = Server::start().await;
    let word = |text: &str| v1::AttributeValue {
        kind: Some(v1::attribute_value::Kind::StringValue(text.to_owned())),
    };
    let says = |name: &str, text: &str| v1::Observation {
        // A record of its own for each.
        record_id: name.into(),
        attributes: HashMap::from([("consent.marketing".to_owned(), word(text))]),
        ..seen("crm", &[name])
    };
    write(&server, vec![says("email:a@x.de", "denied"), says("email:b@x.de", "granted")]).await;
    let purpose = |name: &str| v1::ReadOptions { purpose: name.to_owned(), ..Default::default() };
    let error = person(&server, by("email:a@x.de"), purpose("marketing")).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::PermissionDenied, "PURPOSE_REFUSED".into()));
    let info = error.get_error_details().error_info().cloned().unwrap();
    assert_eq!(
        (info.metadata["purpose"].as_str(), info.metadata["consent"].as_str()),
        ("marketing", "denied")
    );
    assert!(person(&server, by("email:b@x.de"), purpose("marketing")).await.is_ok());
    assert!(person(&server, by("email:a@x.de"), purpose("billing")).await.is_ok());
    let error = person(&server, by("email:a@x.de"), purpose("marketign")).await.unwrap_err();
    assert_eq!(field(&error), "options.purpose");
    assert!(error.message().contains("did you mean `marketing`"), "{error}");

    let id = server.person("email:a@x.de").await.person_id;
    let persons = vec![by("email:b@x.de"), by_id(&id)];
    let request = v1::BatchResolvePersonsRequest { persons, options: Some(purpose("marketing")), view: 0 };
    let results = server.lookup().batch_resolve_persons(request).await.unwrap().into_inner().results;
    use v1::person_result::Outcome;
    assert!(matches!(results[0].outcome, Some(Outcome::Person(_))));
    let Some(Outcome::Error(refused)) = &results[1].outcome else { panic!("{results:?}") };
    assert_eq!(refused.reason, "PURPOSE_REFUSED");
}

#[tokio::test]
async fn identifiers_are_listed_page_by_page_from_one_state() {
    let server = Server::start().await;
    let names: Vec<String> = (0..25).map(|n| format!("device:{n:02}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| ("email:a@x.de", name.as_str())).collect();
    let sequence = server.pairs(&pairs).await.sequence;
    let mut request = v1::ListIdentifiersRequest {
        person: Some(by("email:a@x.de")),
        namespace: "device".into(),
        page_size: 10,
        ..Default::default()
    };
    let mut listed = Vec::new();
    for page in 0..3 {
        let answer = server.lookup().list_identifiers(request.clone()).await.unwrap().into_inner();
        assert_eq!(answer.sequence, sequence);
        listed.extend(answer.identifiers.into_iter().map(|it| it.identifier.unwrap().value));
        assert_eq!(answer.next_page_token.is_empty(), page == 2);
        request.page_token = answer.next_page_token;
        // On no page: it came behind the first.
        server.pairs(&[("email:a@x.de", format!("device:new{page}").as_str())]).await;
    }
    assert_eq!(listed, names.iter().map(|name| name[7..].to_owned()).collect::<Vec<_>>());
    let bad = v1::ListIdentifiersRequest { page_token: "x".into(), ..request.clone() };
    assert_eq!(field(&server.lookup().list_identifiers(bad).await.unwrap_err()), "page_token");
    let bad = v1::ListIdentifiersRequest { namespace: "devise".into(), ..request };
    assert_eq!(field(&server.lookup().list_identifiers(bad).await.unwrap_err()), "namespace");
}

#[tokio::test]
async fn an_act_is_done_once_for_each_request_id() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    let require = |id: &str, b: &str| v1::RequireRequest {
        a: Some(named("email:a@x.de")),
        b: Some(named(b)),
        author: "ann".into(),
        reason: "asked them".into(),
        request_id: id.into(),
    };
    let first = server.ingest().require(require("r1", "email:b@x.de")).await.unwrap().into_inner();
    let first = first.receipt.unwrap();
    assert_eq!((first.changed, first.replayed, first.events.len()), (true, false, 1));
    server.pairs(&[("email:c@x.de", "device:3")]).await;
    let again = server.ingest().require(require("r1", "email:b@x.de")).await.unwrap().into_inner();
    let again = again.receipt.unwrap();
    assert_eq!(v1::ActReceipt { replayed: false, ..again.clone() }, first);
    assert!(again.replayed);
    let error = server.ingest().require(require("r1", "device:2")).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::AlreadyExists, "REQUEST_ID_REUSED".into()));
    let error = server.ingest().require(require(&"x".repeat(257), "device:2")).await.unwrap_err();
    assert_eq!((refusal(&error).0, field(&error)), (Code::InvalidArgument, "request_id".into()));

    // What would fail a second time gets its first receipt again.
    let release = v1::ReleaseRequest {
        a: Some(named("email:a@x.de")),
        b: Some(named("email:b@x.de")),
        author: "ann".into(),
        reason: "a mistake".into(),
        request_id: "r2".into(),
    };
    assert!(server.ingest().release(release.clone()).await.is_ok());
    assert!(server.ingest().release(release).await.unwrap().into_inner().receipt.unwrap().replayed);
    // An act that is refused leaves its id free.
    let unknown = require("r3", "email:nobody@x.de");
    assert_eq!(server.ingest().require(unknown).await.unwrap_err().code(), Code::NotFound);
    assert!(server.ingest().require(require("r3", "email:c@x.de")).await.is_ok());
}

#[tokio::test]
async fn a_text_is_read_without_being_run() {
    let server = Server::start().await;
    let parse = |text: &str, cursor: Option<u32>| {
        let request = v1::ParseRequest { text: text.into(), cursor, ..Default::default() };
        let mut queries = server.queries();
        async move { Ok::<_, Status>(queries.parse(request).await?.into_inner()) }
    };
    let right = parse("MATCH (e:email) RETURN e.value AS value, 1 AS one", None).await.unwrap();
    assert_eq!((right.diagnostics.len(), right.columns), (0, vec!["value".to_owned(), "one".to_owned()]));
    // Nobody is looked for.
    let verb = parse("PERSON email:'nobody@x.de'", None).await.unwrap();
    assert_eq!((verb.diagnostics.len(), verb.columns[0].as_str()), (0, "person"));
    let wrong = parse("MATCH (e:emial)\nRETURN e.value", None).await.unwrap();
    let [mistake] = wrong.diagnostics.as_slice() else { panic!("{wrong:?}") };
    assert_eq!((mistake.code.as_str(), mistake.line, mistake.column), ("unknown-label", 1, 10));
    assert!(mistake.hint.contains("email"), "{mistake:?}");
    let begun = parse("MATCH (e:ema", Some(12)).await.unwrap();
    assert_eq!(begun.completions, ["email"]);
    assert_eq!(begun.diagnostics[0].code, "syntax");
    for (text, cursor) in [("RETURN 1", 9), ("RETURN 'ä'", 9)] {
        assert_eq!(field(&parse(text, Some(cursor)).await.unwrap_err()), "cursor", "{text}");
    }
    let error = parse(&"x".repeat(70_000), None).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_copy_is_a_store_of_its_own() {
    let server = Server::start().await;
    let backup = |name: &str| v1::BackupRequest { name: name.into() };
    let error = server.admin().backup(backup("a")).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "BACKUPS_NOT_CONFIGURED".into()));

    let copies = tempfile::tempdir().unwrap();
    let backup_dir = Some(copies.path().to_owned());
    let server = Server::with(ServeConfig { backup_dir, ..Default::default() }).await;
    let written = server.pairs(&[("email:a@x.de", "device:1")]).await.sequence;
    let copied = server.admin().backup(backup("monday")).await.unwrap().into_inner();
    assert_eq!(copied.sequence, written);
    server.pairs(&[("email:a@x.de", "device:2")]).await;
    let error = server.admin().backup(backup("monday")).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::AlreadyExists, "BACKUP_EXISTS".into()));
    for bad in ["", "../x", "a/b", ".hidden", &"x".repeat(101)] {
        assert_eq!(field(&server.admin().backup(backup(bad)).await.unwrap_err()), "name", "{bad}");
    }
    let copy = Store::open(&copies.path().join("monday"), OpenOptions::default()).unwrap();
    assert_eq!(copy.stats().unwrap().links, 1);
    assert!(kinfold_engine::check(&copy.snapshot()).unwrap().is_clean());
}

#[tokio::test]
async fn a_store_is_checked_and_compacted_where_it_is() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let report = server.admin().check(v1::CheckRequest::default()).await.unwrap().into_inner();
    assert_eq!((report.problem_count, report.sequence), (0, 1));
    assert!(report.rows > 0);
    let compacted = server.admin().compact(v1::CompactRequest {}).await.unwrap().into_inner();
    assert!(compacted.bytes_after > 0, "{compacted:?}");
    assert_eq!(server.person("device:1").await.identifier_count, 2);
}

#[tokio::test]
async fn a_person_is_exported_whole() {
    let server = Server::start().await;
    let record = v1::Observation { record_id: "7".into(), ..seen("crm", &["email:a@x.de", "device:1"]) };
    write(&server, vec![record, seen("web", &["device:1", "device:2"])]).await;
    let at_home = ["email:a@x.de", "email:b@x.de"];
    write(&server, at_home.iter().map(|name| seen("crm", &[name, "address:elm 1"])).collect()).await;
    let request = v1::ExportPersonRequest { person: Some(by("device:2")), options: None };
    let mut stream = server.admin().export_person(request).await.unwrap().into_inner();
    let Some(Part::Profile(first)) = stream.message().await.unwrap().unwrap().part else {
        panic!("no profile")
    };
    let profile = first.profile.unwrap();
    assert_eq!((profile.person.unwrap().identifiers.len(), profile.records[0].record_id.as_str()), (3, "7"));
    let household = first.household.unwrap();
    assert_eq!(household.person_count, 2);
    assert!(household.persons.iter().all(|person| person.identifiers.is_empty()));
    let (mut links, mut events) = (0, 0);
    while let Some(message) = stream.message().await.unwrap() {
        match message.part.unwrap() {
            Part::Links(part) => {
                assert_eq!(events, 0);
                links += part.links.len();
            }
            Part::Events(part) => events += part.events.len(),
            Part::Profile(_) => panic!("the profile comes twice"),
        }
    }
    assert_eq!(links, 3);
    assert!(events >= 2);
    let request = v1::ExportPersonRequest { person: Some(by("device:9")), options: None };
    let mut stream = server.admin().export_person(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::NotFound);
}
