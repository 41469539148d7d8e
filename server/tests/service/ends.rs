//! Health, reflection, and how a server ends.

use std::time::{Duration, Instant};

use kinfold_engine::write::{Batch, WriteError};
use kinfold_engine::{OpenOptions, Store};
use kinfold_proto::v1;
use kinfold_proto::v1::observe_stream_response::Outcome;
use kinfold_server::ServeConfig;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Server, refusal, seen};

const SERVICES: [&str; 6] = [
    "kinfold.v1.AdminService",
    "kinfold.v1.ExplainService",
    "kinfold.v1.IngestService",
    "kinfold.v1.LookupService",
    "kinfold.v1.QueryService",
    "kinfold.v1.WatchService",
];

#[tokio::test]
async fn health_speaks_for_each_service() {
    let server = Server::start().await;
    let mut health = HealthClient::new(server.channel.clone());
    for service in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.into() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "kinfold.v1.Nothing".into() };
    assert_eq!(health.check(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_the_services_and_hands_out_their_files() {
    let server = Server::start().await;
    let ask = |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let requests = tokio_stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("kinfold.v1.QueryService".into())),
        ask(MessageRequest::FileByFilename("google/protobuf/timestamp.proto".into())),
    ]);
    let mut reflection = ServerReflectionClient::new(server.channel.clone());
    let mut answers = reflection.server_reflection_info(requests).await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = first else { panic!("{first:?}") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(&service), "{names:?}");
    }
    for _ in 0..2 {
        let file = answers.message().await.unwrap().unwrap().message_response;
        assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{file:?}");
    }
}

#[tokio::test]
async fn health_says_so_first_and_the_store_is_closed_last() {
    let mut server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let mut health = HealthClient::new(server.channel.clone());
    let request = HealthCheckRequest { service: "kinfold.v1.QueryService".into() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let begun = Instant::now();
    server.stop().await.unwrap();
    // A watch that nobody ends does not hold up the end.
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(matches!(watch.message().await, Ok(None) | Err(_)));
    assert!(matches!(server.store.observe(Batch::default()), Err(WriteError::Closed)));
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_notice_is_given_while_calls_are_still_served() {
    let notice = Duration::from_millis(300);
    let mut server = Server::with(ServeConfig { shutdown_notice: notice, ..Default::default() }).await;
    let mut health = HealthClient::new(server.channel.clone());
    server.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    server.ended().await.unwrap();
}

#[tokio::test]
async fn a_stream_answers_what_it_has_read_and_ends() {
    let mut server = Server::start().await;
    let (requests, stream) = mpsc::channel(1);
    let mut answers = server.ingest().observe_stream(ReceiverStream::new(stream)).await.unwrap().into_inner();
    let observations = vec![seen("web", &["email:a@x.de", "device:1"])];
    let batch = v1::ObserveStreamRequest { batch_id: 7, request_id: String::new(), observations };
    requests.send(batch).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(matches!(answer.outcome, Some(Outcome::Receipt(_))));
    let begun = Instant::now();
    server.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let error = answers.message().await.unwrap_err();
    assert_eq!(refusal(&error), (Code::Unavailable, "SHUTTING_DOWN".into()));
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off() {
    let bound = Duration::from_millis(300);
    let mut server = Server::with(ServeConfig { shutdown_timeout: bound, ..Default::default() }).await;
    let endless =
        "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b WITH a, b WHERE a + b < 0 RETURN a";
    let request = v1::QueryRequest { text: endless.into(), ..Default::default() };
    let mut stream = server.queries().query(request).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    let begun = Instant::now();
    server.stop().await.unwrap();
    assert!(begun.elapsed() >= bound && begun.elapsed() < Duration::from_secs(5));
    assert!(stream.message().await.is_err());
    // Nothing holds the store: it can be opened anew.
    let path = server.store.path().to_owned();
    let kept = server.into_directory();
    let begun = Instant::now();
    while let Err(error) = Store::open(&path, OpenOptions::default()) {
        assert!(begun.elapsed() < Duration::from_secs(5), "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(kept);
}
