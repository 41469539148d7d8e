//! The client for Rust, which the command line uses.

use std::time::Duration;

use kinfold_client::{Client, ClientError, ClientOptions, Retry, identifier, person_by, v1};
use kinfold_server::ServeConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tonic::Code;

use crate::harness::{Server, TokenFile, seen};

fn text(text: &str) -> v1::Value {
    v1::Value { kind: Some(v1::value::Kind::StringValue(text.to_owned())) }
}

fn int(number: i64) -> v1::Value {
    v1::Value { kind: Some(v1::value::Kind::IntValue(number)) }
}

fn batch(request_id: &str, observations: Vec<v1::Observation>) -> v1::ObserveRequest {
    v1::ObserveRequest { request_id: request_id.to_owned(), observations }
}

#[tokio::test]
async fn writes_asks_and_counts() {
    let server = Server::start().await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    let request = batch("r1", vec![seen("crm", &["email:a@x.de", "device:1"])]);
    let receipt = client.observe(request).await.unwrap().receipt.unwrap();
    assert_eq!((receipt.sequence, receipt.accepted), (1, 1));
    let null = v1::Value { kind: Some(v1::value::Kind::NullValue(0)) };
    let values = vec![text("device:1"), null.clone()];
    let ids = v1::Value { kind: Some(v1::value::Kind::ListValue(v1::ListValue { values })) };
    let params = [("ids".to_owned(), ids)].into();
    let mut rows = client.query("UNWIND $ids AS id RETURN id, 2 AS two", params).await.unwrap();
    assert_eq!((rows.columns(), rows.sequence()), (["id".to_owned(), "two".to_owned()].as_slice(), 1));
    assert_eq!(rows.next_row().await.unwrap(), Some(vec![text("device:1"), int(2)]));
    assert_eq!(rows.next_row().await.unwrap(), Some(vec![null, int(2)]));
    assert!(rows.statistics().is_none());
    assert_eq!(rows.next_row().await.unwrap(), None);
    assert_eq!(rows.next_row().await.unwrap(), None);
    assert_eq!(rows.statistics().unwrap().rows, 2);
    assert_eq!(client.get_stats(v1::GetStatsRequest::default()).await.unwrap().identifiers, 2);
    let person = Some(person_by(identifier("device", "1")));
    let request = v1::ResolvePersonRequest { person: person.clone(), ..Default::default() };
    assert_eq!(client.resolve_person(request).await.unwrap().person.unwrap().identifier_count, 2);
    let mut export = client.export_person(v1::ExportPersonRequest { person, options: None }).await.unwrap();
    let mut parts = 0;
    while export.next().await.unwrap().is_some() {
        parts += 1;
    }
    assert_eq!(parts, 3);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let server = Server::start().await;
    let client = Client::connect(&format!("http://{}/", server.address)).await.unwrap();
    let error = client.query("RETURN oops", [].into()).await.unwrap_err();
    let ClientError::Refused { code, reason, message } = &error else { panic!("{error:?}") };
    assert_eq!((*code, reason.is_empty()), (Code::InvalidArgument, false));
    assert!(message.contains("^^^^"), "{message}");
    let request = batch("", vec![seen("crm", &["email:a@x.de", "emial:x"])]);
    let receipt = client.observe(request).await.unwrap().receipt.unwrap();
    assert_eq!(receipt.rejections[0].field, "observations[0].identifiers[1].namespace");
}

#[tokio::test]
async fn batches_of_a_stream_are_answered_each() {
    let server = Server::start().await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    let observing = client.observing();
    assert_eq!(observing.send("", Vec::new()).await.unwrap_err(), ClientError::NoRequestId);
    let mut promises = Vec::new();
    // More than may wait for their answers at once.
    for number in 0..200 {
        let device = format!("device:{number}");
        let observations = vec![seen("crm", &["email:a@x.de", &device]), seen("crm", &["nothing:1"])];
        promises.push(observing.send(format!("s-{number}"), observations).await.unwrap());
    }
    for promise in promises {
        let receipt = promise.receipt().await.unwrap();
        assert_eq!((receipt.accepted, receipt.rejections[0].index, receipt.replayed), (1, 1, false));
    }
    let again = observing.send("s-7", vec![seen("crm", &["email:a@x.de", "device:7"])]).await.unwrap();
    let ClientError::Refused { reason, .. } = again.receipt().await.unwrap_err() else { panic!() };
    assert_eq!(reason, "REQUEST_ID_REUSED");
    // A batch that is refused as a whole does not end the stream.
    let device = vec![seen("crm", &["email:a@x.de", "device:7"]), seen("crm", &["nothing:1"])];
    assert!(observing.send("s-7", device).await.unwrap().receipt().await.unwrap().replayed);
    let outcome = client.get_outcome(v1::GetOutcomeRequest { request_id: "s-7".into() }).await.unwrap();
    assert_eq!((outcome.applied, outcome.rejected), (true, vec![1]));
    let outcome = client.get_outcome(v1::GetOutcomeRequest { request_id: "s-x".into() }).await.unwrap();
    assert!(!outcome.applied);
    let error = client.get_outcome(v1::GetOutcomeRequest::default()).await.unwrap_err();
    assert!(error.to_string().contains("`request_id`"), "{error}");
}

/// Passes bytes between a client and a server, until it is told to drop what it has.
async fn relay(to: std::net::SocketAddr) -> (std::net::SocketAddr, tokio::sync::watch::Sender<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, cuts) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test]
async fn a_stream_that_breaks_is_begun_again_and_nothing_is_counted_twice() {
    let server = Server::start().await;
    let (address, cut) = relay(server.address).await;
    let retry = Retry { tries: 20, first_pause: Duration::from_millis(5), ..Retry::default() };
    let options = ClientOptions { retry, ..Default::default() };
    let client = Client::connect_with(&address.to_string(), &options).await.unwrap();
    let observing = client.observing();
    let mut promises = Vec::new();
    for number in 0..100 {
        let device = format!("device:n{number}");
        let observations = vec![seen("crm", &["email:a@x.de", &device])];
        promises.push(observing.send(format!("s-{number}"), observations).await.unwrap());
        if number % 25 == 24 {
            cut.send_modify(|cuts| *cuts += 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for promise in promises {
        assert_eq!(promise.receipt().await.unwrap().accepted, 1);
    }
    let stats = client.get_stats(v1::GetStatsRequest::default()).await.unwrap();
    assert_eq!((stats.observations, stats.identifiers), (100, 101));
}

#[tokio::test]
async fn what_changes_nothing_is_asked_again_and_a_nameless_write_is_not() {
    let server = Server::start().await;
    let (address, cut) = relay(server.address).await;
    let client = Client::connect(&address.to_string()).await.unwrap();
    cut.send_modify(|cuts| *cuts += 1);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.get_stats(v1::GetStatsRequest::default()).await.unwrap().identifiers, 0);
    drop(server);
    let once = ClientOptions { retry: Retry::NEVER, ..Default::default() };
    assert!(Client::connect_with("127.0.0.1:1", &once).await.is_err());
}

#[tokio::test]
async fn a_limit_that_passes_is_waited_for() {
    let config = ServeConfig { max_lookups: 1, max_waiting: 0, ..Default::default() };
    let server = Server::with(config).await;
    let retry = Retry { tries: 1_000, longest_pause: Duration::from_millis(2), ..Retry::default() };
    let options = ClientOptions { retry, ..Default::default() };
    let client = Client::connect_with(&server.address.to_string(), &options).await.unwrap();
    let asked = (0..32).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.get_stats(v1::GetStatsRequest::default()).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_ends_with_its_time() {
    let server = Server::start().await;
    let options = ClientOptions { timeout: Some(Duration::from_millis(200)), ..Default::default() };
    let client = Client::connect_with(&server.address.to_string(), &options).await.unwrap();
    // Ahead of the store: the server would wait for it.
    let ahead = Some(v1::ReadOptions { at_least: 99, ..Default::default() });
    let error = client.get_stats(v1::GetStatsRequest { options: ahead }).await.unwrap_err();
    let ClientError::Refused { code, .. } = error else { panic!("{error:?}") };
    assert_eq!(code, Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_token_is_shown() {
    let tokens = TokenFile::new();
    let server = Server::with(ServeConfig { tokens: Some(tokens.path()), ..Default::default() }).await;
    let stats = v1::GetStatsRequest::default;
    let nobody = Client::connect(&server.address.to_string()).await.unwrap();
    let ClientError::Refused { code, .. } = nobody.get_stats(stats()).await.unwrap_err() else { panic!() };
    assert_eq!(code, Code::Unauthenticated);
    let options = ClientOptions { token: Some(tokens.read.clone()), ..Default::default() };
    let reader = Client::connect_with(&server.address.to_string(), &options).await.unwrap();
    assert_eq!(reader.get_stats(stats()).await.unwrap().persons, 0);
    let error = reader.rebuild(v1::RebuildRequest {}).await.unwrap_err();
    let ClientError::Refused { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(reason, "ROLE_INSUFFICIENT");
}

#[tokio::test]
async fn a_whole_store_is_resolved_again_without_a_change() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    let plan = client.rebuild(v1::RebuildRequest {}).await.unwrap().plan.unwrap();
    assert_eq!((plan.persons_before, plan.persons_after, plan.untouched), (2, 2, 2));
    assert_eq!(client.check(v1::CheckRequest::default()).await.unwrap().problem_count, 0);
}

#[tokio::test]
async fn assertions_hold_are_broken_or_cannot_be_told() {
    let server = Server::start().await;
    let written = server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    let assertions =
        "# who is who\nsame email:a@x.de device:1\nsame device:1 device:2\nsame device:1 device:9\n";
    let request = v1::AssertRequest { assertions: assertions.into(), options: None };
    let answer = client.assert(request).await.unwrap();
    let told: Vec<_> = answer.verdicts.iter().map(|it| (it.line, it.outcome())).collect();
    use v1::AssertionOutcome::{Broken, Holds, Unknown};
    assert_eq!(told, [(2, Holds), (3, Broken), (4, Unknown)]);
    assert_eq!(answer.sequence, written.sequence);
    let many = v1::AssertRequest { assertions: "same email:a@x.de device:1\n".repeat(1_001), options: None };
    assert!(client.assert(many).await.unwrap_err().to_string().contains("at most 1000"));
    let wrong = v1::AssertRequest { assertions: "same".into(), options: None };
    assert!(client.assert(wrong).await.unwrap_err().to_string().contains("assertions:1"));
}

#[tokio::test]
async fn a_server_of_another_kind_is_named() {
    // Something that answers as HTTP/1.1 does.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let error = match Client::connect(&address.to_string()).await {
        Err(error) => error,
        Ok(client) => client.get_stats(v1::GetStatsRequest::default()).await.unwrap_err(),
    };
    assert!(matches!(error, ClientError::NotKinfold { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_server_that_has_gone_is_named() {
    let mut server = Server::start().await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    server.stop().await.unwrap();
    let error = client.get_stats(v1::GetStatsRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}
