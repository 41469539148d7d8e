//! What people say over what sources saw, and changes of the schema.

use kinfold_proto::v1;
use kinfold_proto::v1::retraction::What;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Server, field, named, refusal, seen};

async fn forbid(server: &Server, a: &str, b: &str) -> Result<v1::ActReceipt, Status> {
    let (author, reason) = ("ann".to_owned(), "two people".to_owned());
    let request =
        v1::ForbidRequest { a: Some(named(a)), b: Some(named(b)), author, reason, ..Default::default() };
    Ok(server.ingest().forbid(request).await?.into_inner().receipt.unwrap())
}

async fn require(server: &Server, a: &str, b: &str) -> Result<v1::ActReceipt, Status> {
    let (author, reason) = ("ann".to_owned(), "asked them".to_owned());
    let request =
        v1::RequireRequest { a: Some(named(a)), b: Some(named(b)), author, reason, ..Default::default() };
    Ok(server.ingest().require(request).await?.into_inner().receipt.unwrap())
}

async fn release(server: &Server, a: &str, b: &str) -> Result<v1::ActReceipt, Status> {
    let (author, reason) = ("ann".to_owned(), "a mistake".to_owned());
    let request =
        v1::ReleaseRequest { a: Some(named(a)), b: Some(named(b)), author, reason, ..Default::default() };
    Ok(server.ingest().release(request).await?.into_inner().receipt.unwrap())
}

async fn retract(server: &Server, what: Option<What>) -> Result<v1::ActReceipt, Status> {
    let what = Some(v1::Retraction { what });
    let request =
        v1::RetractRequest { what, author: "ann".into(), reason: "wrong".into(), ..Default::default() };
    Ok(server.ingest().retract(request).await?.into_inner().receipt.unwrap())
}

async fn same(server: &Server, a: &str, b: &str) -> bool {
    server.person(a).await.person_id == server.person(b).await.person_id
}

#[tokio::test]
async fn a_pair_is_forbidden_required_and_released() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    let receipt = require(&server, "email:a@x.de", "email:b@x.de").await.unwrap();
    let counts = receipt.counts.unwrap();
    assert_eq!((receipt.changed, counts.merged, counts.identifiers_moved), (true, 1, 2));
    assert_eq!(receipt.events.len(), 1);
    assert_eq!(receipt.first_sequence, receipt.sequence);
    assert!(same(&server, "device:1", "device:2").await);
    let again = require(&server, "email:a@x.de", "email:b@x.de").await.unwrap();
    assert_eq!((again.changed, again.events.len()), (false, 0));

    let error = forbid(&server, "email:b@x.de", "email:a@x.de").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "OVERRIDE_STANDS".into()));
    let details = error.get_error_details();
    assert_eq!(details.precondition_failure().unwrap().violations[0].r#type, "OVERRIDE_STANDS");
    assert!(error.message().contains("asked them") && error.message().contains("release it first"));

    assert!(release(&server, "email:a@x.de", "email:b@x.de").await.unwrap().changed);
    assert!(!same(&server, "device:1", "device:2").await);
    let error = release(&server, "email:a@x.de", "email:b@x.de").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::NotFound, "OVERRIDE_UNKNOWN".into()));
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_with_the_reason() {
    let server = Server::start().await;
    server
        .pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2"), ("email:c@x.de", "device:3")])
        .await;
    require(&server, "email:a@x.de", "email:b@x.de").await.unwrap();
    require(&server, "email:b@x.de", "email:c@x.de").await.unwrap();
    let error = forbid(&server, "email:a@x.de", "email:c@x.de").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "REQUIRED_TOGETHER".into()));
    assert!(error.message().contains("email:a@x.de = email:b@x.de = email:c@x.de"), "{}", error.message());
    release(&server, "email:b@x.de", "email:c@x.de").await.unwrap();
    forbid(&server, "email:a@x.de", "email:c@x.de").await.unwrap();
    let error = require(&server, "email:b@x.de", "email:c@x.de").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "FORBIDDEN_INSIDE".into()));
    server.pairs(&[("account:1", "device:4"), ("account:2", "device:5")]).await;
    let error = require(&server, "account:1", "account:2").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "LIMIT_BROKEN".into()));
}

#[tokio::test]
async fn requests_that_are_wrong_name_the_field() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    for (a, b, reason, at) in [
        ("email:a@x.de", "emial:b@x.de", "INVALID_VALUE", "b"),
        ("email:nonsense", "device:1", "INVALID_VALUE", "a"),
        ("device:1", "device:1", "ONE_IDENTIFIER", "b"),
    ] {
        let error = forbid(&server, a, b).await.unwrap_err();
        assert_eq!(refusal(&error), (Code::InvalidArgument, reason.into()), "{a} {b}: {error}");
        assert_eq!(field(&error), at);
    }
    let error = forbid(&server, "email:a@x.de", "device:9").await.unwrap_err();
    assert_eq!(refusal(&error), (Code::NotFound, "IDENTIFIER_UNKNOWN".into()));
    let request = v1::ForbidRequest {
        a: Some(named("email:a@x.de")),
        b: Some(named("device:1")),
        author: "ann".into(),
        ..Default::default()
    };
    let error = server.ingest().forbid(request).await.unwrap_err();
    assert_eq!((refusal(&error).0, field(&error)), (Code::InvalidArgument, "reason".into()));
    let error = server.ingest().require(v1::RequireRequest::default()).await.unwrap_err();
    assert_eq!((refusal(&error).1, field(&error)), ("MISSING".into(), "a".into()));
}

#[tokio::test]
async fn evidence_is_withdrawn() {
    let server = Server::start().await;
    let record = v1::Observation { record_id: "7".into(), ..seen("web", &["email:a@x.de", "device:2"]) };
    let observations =
        vec![seen("crm", &["email:a@x.de", "device:1"]), record, seen("app", &["email:a@x.de", "device:3"])];
    let request = v1::ObserveRequest { request_id: String::new(), observations };
    server.ingest().observe(request).await.unwrap();
    assert!(same(&server, "device:1", "device:2").await);

    let link = |source: &str| {
        let (a, b) = (Some(named("email:a@x.de")), Some(named("device:1")));
        Some(What::Link(v1::RetractedLink { source: source.into(), a, b }))
    };
    let record =
        |id: &str| Some(What::Record(v1::RetractedRecord { source: "web".into(), record_id: id.into() }));
    for (what, reason) in [
        (link("web"), "LINK_UNKNOWN"),
        (link("nobody"), "SOURCE_UNKNOWN"),
        (record("8"), "RECORD_UNKNOWN"),
        (Some(What::Source("nobody".into())), "SOURCE_UNKNOWN"),
    ] {
        let error = retract(&server, what).await.unwrap_err();
        assert_eq!(refusal(&error), (Code::NotFound, reason.into()));
    }
    let error = retract(&server, None).await.unwrap_err();
    assert_eq!(field(&error), "what");
    let bad = v1::RetractedLink { source: "web".into(), a: Some(named("email:a@x.de")), b: None };
    assert_eq!(field(&retract(&server, Some(What::Link(bad))).await.unwrap_err()), "what.link.b");

    assert_eq!(retract(&server, link("crm")).await.unwrap().counts.unwrap().split, 1);
    assert!(!same(&server, "email:a@x.de", "device:1").await);
    assert!(retract(&server, record("7")).await.unwrap().changed);
    assert!(!same(&server, "email:a@x.de", "device:2").await);
    assert!(retract(&server, Some(What::Source("app".into()))).await.unwrap().changed);
    assert_eq!(server.person("email:a@x.de").await.identifier_count, 1);
}

#[tokio::test]
async fn a_schema_is_planned_and_put_in_force() {
    let server = Server::start().await;
    let weak = v1::Observation { confidence: Some(0.6), ..seen("web", &["email:a@x.de", "device:1"]) };
    let observations = vec![weak, seen("crm", &["email:b@x.de", "device:2"])];
    server.ingest().observe(v1::ObserveRequest { request_id: String::new(), observations }).await.unwrap();
    let text = server.admin().get_schema(v1::GetSchemaRequest::default()).await.unwrap().into_inner().schema;
    assert!(text.contains("threshold = 0.5"), "{text}");
    let strict = text.replacen("threshold = 0.5", "threshold = 0.8", 1);
    let assertions = "same email:a@x.de device:1\nsame email:b@x.de device:2\nsame email:a@x.de device:9\n";

    let request = v1::PlanSchemaRequest { schema: strict.clone(), assertions: assertions.into() };
    let answer = server.admin().plan_schema(request).await.unwrap().into_inner();
    let plan = answer.plan.unwrap();
    assert_eq!((plan.persons_before, plan.persons_after, plan.split, plan.untouched), (2, 3, 1, 1));
    assert_eq!(plan.examples.len(), 1);
    use v1::AssertionOutcome::{Broken, Holds, Unknown};
    let outcomes: Vec<_> = answer.verdicts.iter().map(v1::AssertionVerdict::outcome).collect();
    assert_eq!(outcomes, [Broken, Holds, Unknown]);
    assert!(same(&server, "email:a@x.de", "device:1").await, "a plan writes nothing");

    let apply = |go_on, schema: &str| v1::ApplySchemaRequest {
        schema: schema.into(),
        assertions: assertions.into(),
        go_on,
        author: "ann".into(),
        reason: "stricter".into(),
    };
    let error = server.admin().apply_schema(apply(false, &strict)).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "ASSERTIONS_BROKEN".into()));
    assert!(error.message().contains("1 of 3 assertions would be broken"), "{}", error.message());
    assert!(same(&server, "email:a@x.de", "device:1").await);
    let applied = server.admin().apply_schema(apply(true, &strict)).await.unwrap().into_inner();
    assert_eq!(applied.plan.unwrap().split, 1);
    assert!(!same(&server, "email:a@x.de", "device:1").await);
    let now = server.admin().get_schema(v1::GetSchemaRequest::default()).await.unwrap().into_inner();
    assert_eq!(now.schema, strict);

    let error = server.admin().apply_schema(apply(true, "[person")).await.unwrap_err();
    assert_eq!((refusal(&error).1, field(&error)), ("SCHEMA_INVALID".into(), "schema".into()));
    let other = strict.replacen("normalise = \"email\"", "normalise = \"lower\"", 1);
    let error = server.admin().apply_schema(apply(true, &other)).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::FailedPrecondition, "SCHEMA_UNFIT".into()));
    let request = v1::PlanSchemaRequest { schema: strict, assertions: "maybe a b".into() };
    assert_eq!(field(&server.admin().plan_schema(request).await.unwrap_err()), "assertions");
}
