//! `ExplainService`.

use kinfold_proto::v1;
use tonic::Code;

use crate::harness::{Server, by, by_id, field, named, refusal, seen};

fn name(identifier: &Option<v1::Identifier>) -> String {
    let it = identifier.as_ref().unwrap();
    format!("{}:{}", it.namespace, it.value)
}

fn ends(step: &v1::Step) -> (String, String) {
    (name(&step.from), name(&step.to))
}

async fn write(server: &Server, observations: Vec<v1::Observation>) {
    let request = v1::ObserveRequest { observations, ..Default::default() };
    let receipt = server.ingest().observe(request).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!(receipt.rejections, []);
}

#[tokio::test]
async fn why_gives_the_path_with_its_evidence() {
    let server = Server::start().await;
    let weak = v1::Observation { confidence: Some(0.6), ..seen("web", &["device:1", "device:2"]) };
    write(&server, vec![seen("crm", &["email:a@x.de", "device:1"]), weak]).await;
    let ask = |a: &str, b: &str| v1::WhyRequest { a: Some(named(a)), b: Some(named(b)), options: None };
    let why = server.explain().why(ask("email:A@x.de", "device:2")).await.unwrap().into_inner();
    assert!(why.one_person);
    assert_eq!((why.person_a.clone().unwrap().identifier_count, why.sequence), (3, 2));
    assert_eq!(why.person_a, why.person_b);
    let path: Vec<_> = why.path.iter().map(ends).collect();
    let step = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(path, [step("email:a@x.de", "device:1"), step("device:1", "device:2")]);
    let link = why.path[1].link.as_ref().unwrap();
    assert_eq!((link.weight, link.evidence[0].source.as_str(), link.evidence[0].count), (0.6, "web", 1));
    assert_eq!(why.bridges.len(), 2);
    let parting = why.parting.unwrap();
    assert_eq!((parting.required, parting.weight), (false, 0.6));
    assert_eq!((parting.near_count, parting.far_count), (2, 1));

    write(&server, vec![seen("crm", &["email:b@x.de", "device:9"])]).await;
    let apart = server.explain().why(ask("email:a@x.de", "device:9")).await.unwrap().into_inner();
    assert_eq!((apart.one_person, apart.path.len(), apart.parting), (false, 0, None));
    assert_ne!(apart.person_a.unwrap().person_id, apart.person_b.unwrap().person_id);

    for (a, b, code, at) in [
        ("email:a@x.de", "device:7", Code::NotFound, ""),
        ("emial:a@x.de", "device:1", Code::InvalidArgument, "a.namespace"),
        ("email:a@x.de", "device:null", Code::InvalidArgument, "b.value"),
    ] {
        let error = server.explain().why(ask(a, b)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(at.is_empty() || field(&error) == at, "{error}");
    }
    let error = server.explain().why(v1::WhyRequest::default()).await.unwrap_err();
    assert_eq!(field(&error), "a");
}

#[tokio::test]
async fn why_not_names_what_stops_each_step() {
    let server = Server::start().await;
    let weak = v1::Observation { confidence: Some(0.4), ..seen("web", &["device:1", "device:2"]) };
    write(
        &server,
        vec![
            seen("crm", &["account:1", "device:1"]),
            seen("crm", &["account:2", "device:2"]),
            weak,
            seen("crm", &["account:3", "device:3"]),
        ],
    )
    .await;
    let ask = |a: &str, b: &str| v1::WhyNotRequest { a: Some(named(a)), b: Some(named(b)), options: None };
    let told = server.explain().why_not(ask("account:1", "account:2")).await.unwrap().into_inner();
    assert!(told.two_persons);
    assert_eq!(told.outcome(), v1::PathOutcome::Found);
    let stopped = &told.path[1].obstacles[0];
    assert_eq!(stopped.kind(), v1::ObstacleKind::UnderThreshold);
    assert_eq!((stopped.weight, stopped.threshold), (0.4, 0.5));

    // What would join them is held back by a limit.
    write(&server, vec![seen("app", &["device:1", "device:2"])]).await;
    let told = server.explain().why_not(ask("account:1", "account:2")).await.unwrap().into_inner();
    let held: Vec<_> = told.path.iter().flat_map(|step| &step.obstacles).collect();
    assert_eq!(held[0].kind(), v1::ObstacleKind::HeldBack);
    let limit = held[0].held_back.clone().unwrap();
    assert_eq!((limit.limit(), limit.namespace.as_str()), (v1::HeldBackLimit::MaxPerPerson, "account"));
    assert_eq!((held[0].allowed, held[0].together), (1, 2));

    let told = server.explain().why_not(ask("account:1", "account:3")).await.unwrap().into_inner();
    assert_eq!((told.outcome(), told.path.len()), (v1::PathOutcome::None, 0));
    assert!(told.visited > 0);
    let one = server.explain().why_not(ask("account:1", "device:1")).await.unwrap().into_inner();
    assert_eq!((one.two_persons, one.outcome()), (false, v1::PathOutcome::Unspecified));

    let request = v1::ForbidRequest {
        a: Some(named("account:1")),
        b: Some(named("account:3")),
        author: "ann".into(),
        reason: "two people".into(),
        ..Default::default()
    };
    server.ingest().forbid(request).await.unwrap();
    let told = server.explain().why_not(ask("account:1", "account:3")).await.unwrap().into_inner();
    let said = told.forbids[0].r#override.clone().unwrap();
    assert_eq!((said.action(), said.author.as_str()), (v1::OverrideAction::Forbid, "ann"));
}

#[tokio::test]
async fn how_and_history_come_page_by_page() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    server.pairs(&[("email:b@x.de", "device:2")]).await;
    let younger = server.person("device:2").await.person_id;
    server.pairs(&[("email:a@x.de", "device:3")]).await;
    server.pairs(&[("device:1", "device:2")]).await;
    let request = v1::HowRequest { person: Some(by("email:a@x.de")), ..Default::default() };
    let how = server.explain().how(request).await.unwrap().into_inner();
    let kinds: Vec<_> = how.events.iter().map(v1::Event::kind).collect();
    use v1::EventKind::{Created, Grew, Merged};
    assert_eq!(kinds, [Created, Created, Merged]);

    let mut request =
        v1::HistoryRequest { person: Some(by("email:a@x.de")), page_size: 2, ..Default::default() };
    let first = server.explain().history(request.clone()).await.unwrap().into_inner();
    // What is written meanwhile is on no later page.
    server.pairs(&[("email:a@x.de", "device:4")]).await;
    request.page_token.clone_from(&first.next_page_token);
    let second = server.explain().history(request.clone()).await.unwrap().into_inner();
    assert_eq!(second.next_page_token, "");
    let events = first.events.iter().chain(&second.events);
    assert_eq!(events.map(v1::Event::kind).collect::<Vec<_>>(), [Created, Created, Grew, Merged]);
    assert_eq!((first.sequence, second.sequence), (4, 4));
    request.person = Some(by("device:1"));
    assert_eq!(field(&server.explain().history(request).await.unwrap_err()), "page_token");

    // One that was merged is told of by its own id.
    let request = v1::HistoryRequest { person: Some(by_id(&younger)), ..Default::default() };
    let told = server.explain().history(request).await.unwrap().into_inner();
    assert_eq!(told.person_id, younger);
    assert_eq!(told.events.iter().map(v1::Event::kind).collect::<Vec<_>>(), [Created, Merged]);
}

#[tokio::test]
async fn what_if_says_who_would_be_who() {
    let server = Server::start().await;
    let weak = v1::Observation { confidence: Some(0.6), ..seen("web", &["email:a@x.de", "device:1"]) };
    write(&server, vec![weak, seen("crm", &["device:1", "device:2"])]).await;
    let ask = |options: v1::ReadOptions, without_links: Vec<v1::IdentifierPair>| v1::WhatIfRequest {
        identifier: Some(named("device:1")),
        options: Some(options),
        without_links,
    };
    let strict = v1::ReadOptions { threshold: Some(0.8), ..Default::default() };
    let told = server.explain().what_if(ask(strict, vec![])).await.unwrap().into_inner();
    assert_eq!(told.difference(), v1::Difference::Split);
    assert_eq!((told.now.len(), told.view.len()), (1, 2));
    let mut moved: Vec<_> = told.shares.iter().map(|share| share.identifiers.len()).collect();
    moved.sort_unstable();
    assert_eq!(moved, [1, 2]);
    let without = v1::ReadOptions { without_sources: vec!["crm".into()], ..Default::default() };
    let told = server.explain().what_if(ask(without, vec![])).await.unwrap().into_inner();
    assert_eq!(told.difference(), v1::Difference::Split);
    let pair = v1::IdentifierPair { a: Some(named("device:1")), b: Some(named("device:2")) };
    let told = server.explain().what_if(ask(v1::ReadOptions::default(), vec![pair])).await.unwrap();
    assert_eq!(told.into_inner().difference(), v1::Difference::Split);
    let told = server.explain().what_if(ask(v1::ReadOptions::default(), vec![])).await.unwrap();
    assert_eq!(told.into_inner().difference(), v1::Difference::Same);
    assert_eq!(server.person("email:a@x.de").await.identifier_count, 3, "nothing is written");
    let pair = v1::IdentifierPair { a: Some(named("device:1")), b: None };
    let error = server.explain().what_if(ask(v1::ReadOptions::default(), vec![pair])).await.unwrap_err();
    assert_eq!(field(&error), "without_links[0].b");
}

#[tokio::test]
async fn a_network_has_nodes_and_links() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("device:1", "device:2"), ("device:2", "device:3")]).await;
    let ask = |depth, max_identifiers| v1::NetworkRequest {
        identifier: Some(named("email:a@x.de")),
        depth,
        max_identifiers,
        options: None,
    };
    let near = server.explain().network(ask(0, 0)).await.unwrap().into_inner();
    let names: Vec<_> = near.nodes.iter().map(|node| (name(&node.identifier), node.depth)).collect();
    let at = |name: &str, depth| (name.to_owned(), depth);
    assert_eq!(names, [at("email:a@x.de", 0), at("device:1", 1), at("device:2", 2)]);
    let links: Vec<_> = near.links.iter().map(|link| (link.a, link.b, link.obstacles.len())).collect();
    assert_eq!((links, near.incomplete), (vec![(0, 1, 0), (1, 2, 0)], false));
    let some = server.explain().network(ask(3, 2)).await.unwrap().into_inner();
    assert_eq!((some.nodes.len(), some.incomplete), (2, true));
    let error = server.explain().network(ask(11, 0)).await.unwrap_err();
    assert_eq!((refusal(&error).0, field(&error)), (Code::InvalidArgument, "depth".into()));
}

#[tokio::test]
async fn a_search_meets_the_limits_of_a_query() {
    let limits = kinfold_query::Limits { max_expansions: 50, ..Default::default() };
    let config = kinfold_server::ServeConfig { query: limits, ..Default::default() };
    let server = Server::with(config).await;
    let names: Vec<String> = (0..100).map(|n| format!("device:{n}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| ("email:a@x.de", name.as_str())).collect();
    server.pairs(&pairs).await;
    let request = v1::WhyRequest { a: Some(named("device:1")), b: Some(named("device:2")), options: None };
    let error = server.explain().why(request).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::ResourceExhausted, "LIMIT_EXPANSIONS".into()));
    let quota = tonic_types::StatusExt::get_error_details(&error).quota_failure().cloned().unwrap();
    assert_eq!(quota.violations[0].subject, "max_expansions");
}
