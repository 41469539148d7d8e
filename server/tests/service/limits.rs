//! What bounds a call and a connection.

use kinfold_proto::v1;
use kinfold_server::ServeConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use crate::harness::{Server, by, refusal};

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_unread() {
    let server = Server::with(ServeConfig { max_receive_bytes: 10_000, ..Default::default() }).await;
    let request = v1::ObserveRequest { request_id: "x".repeat(11_000), ..Default::default() };
    let error = server.ingest().observe(request).await.unwrap_err();
    assert_eq!(error.code(), Code::OutOfRange, "{error}");
    server.pairs(&[("email:a@x.de", "device:1")]).await;
}

#[tokio::test]
async fn an_answer_beyond_the_limit_says_so() {
    let server = Server::with(ServeConfig { max_send_bytes: 2_000, ..Default::default() }).await;
    let names: Vec<String> = (0..100).map(|n| format!("device:{n:0>40}")).collect();
    let pairs: Vec<_> = names.iter().map(|name| ("email:a@x.de", name.as_str())).collect();
    server.pairs(&pairs).await;
    let view = v1::View::Full.into();
    let person = Some(by("email:a@x.de"));
    let request = v1::ResolvePersonRequest { person: person.clone(), view, ..Default::default() };
    let one = server.lookup().resolve_person(request).await.unwrap_err();
    let request = v1::GetProfileRequest { person, ..Default::default() };
    let profile = server.lookup().get_profile(request).await.unwrap_err();
    let persons = vec![by("email:a@x.de"); 1_000];
    let request = v1::BatchResolvePersonsRequest { persons, ..Default::default() };
    let many = server.lookup().batch_resolve_persons(request).await.unwrap_err();
    for error in [one, profile, many] {
        assert_eq!(refusal(&error), (Code::ResourceExhausted, "ANSWER_TOO_LARGE".into()));
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_the_answer() {
    let server = Server::start().await;
    let mut request = tonic::Request::new(v1::GetStatsRequest {
        options: Some(v1::ReadOptions { at_least: 1_000, ..Default::default() }),
    });
    request.metadata_mut().insert("grpc-timeout", "400m".parse().unwrap());
    let error = server.admin().get_stats(request).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    let mut request = tonic::Request::new(v1::GetStatsRequest::default());
    request.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    let error = server.admin().get_stats(request).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "MALFORMED".into()));
}

/// A connection too many waits until another closes.
#[tokio::test]
async fn connections_are_counted() {
    let server = Server::with(ServeConfig { max_connections: 2, ..Default::default() }).await;
    // The harness holds one.
    let second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let mut settings = [0; 9];
    third.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let wait = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(wait, third.read_exact(&mut settings)).await.is_err());
    drop(second);
    let wait = std::time::Duration::from_secs(5);
    tokio::time::timeout(wait, third.read_exact(&mut settings)).await.unwrap().unwrap();
    // The server's own settings frame.
    assert_eq!(settings[3], 4);
}

#[tokio::test]
async fn a_public_address_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let schema = kinfold_engine::schema::Schema::built_in();
    let store = kinfold_engine::Store::create(&directory.path().join("store"), schema).unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let config = ServeConfig::default();
    let error = kinfold_server::run(listener, store, config, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("insecure_public"), "{error}");
}
