//! What a network does to a server, and too much of it.

use std::time::{Duration, Instant};

use kinfold_engine::read::Read;
use kinfold_engine::{OpenOptions, Store};
use kinfold_proto::v1;
use kinfold_server::ServeConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Server, refusal, seen};

/// How long anything here may take before it is taken for stuck.
const PATIENCE: Duration = Duration::from_secs(20);

const ENDLESS: &str =
    "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b WITH a, b WHERE a + b < 0 RETURN a";

/// The first bytes of a client of HTTP/2, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn query(text: &str) -> v1::QueryRequest {
    v1::QueryRequest { text: text.into(), ..Default::default() }
}

async fn answers(server: &Server) -> Result<(), Status> {
    let mut stream = server.queries().query(query("RETURN 1")).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

/// Waits until the server answers again.
async fn recovers(server: &Server) {
    let begun = Instant::now();
    while let Err(error) = answers(server).await {
        assert!(begun.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads a connection until the server closes it.
async fn closed(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // Reset or ended: either way nobody holds it any longer.
    let _ = read.expect("the server does not close the connection");
}

#[tokio::test]
async fn too_much_work_is_shed_with_a_time_to_come_back_and_is_over_when_it_is() {
    let config = ServeConfig { max_queries: 2, max_waiting: 2, ..Default::default() };
    let server = Server::with(config).await;
    let begin = || {
        let mut queries = server.queries();
        tokio::spawn(async move {
            let mut stream = queries.query(query(ENDLESS)).await?.into_inner();
            // The columns, and then nothing.
            while stream.message().await?.is_some() {}
            Ok::<_, Status>(())
        })
    };
    // Ten times what runs and waits.
    let calls: Vec<_> = (0..40).map(|_| begin()).collect();
    let mut shed = 0;
    let begun = Instant::now();
    while shed < 36 {
        assert!(begun.elapsed() < PATIENCE, "{shed} calls were shed");
        shed = calls.iter().filter(|call| call.is_finished()).count();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shed, 36);
    for call in calls {
        if !call.is_finished() {
            call.abort();
            continue;
        }
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(refusal(&error), (Code::ResourceExhausted, "OVERLOADED".into()));
        let details = error.get_error_details();
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, "max_waiting");
    }
    recovers(&server).await;
}

#[tokio::test]
async fn writes_are_shed_or_kept_for_good() {
    let config = ServeConfig { max_calls: 4, ..Default::default() };
    let mut server = Server::with(config).await;
    let (mut kept, mut shed) = (0, 0);
    for wave in 0..20 {
        // Ten times what may be under way.
        let calls: Vec<_> = (0..40)
            .map(|call| {
                let mut ingest = server.ingest();
                let names = [format!("email:{wave}-{call}@x.de"), format!("device:{wave}-{call}")];
                tokio::spawn(async move {
                    let observations = vec![seen("crm", &[names[0].as_str(), names[1].as_str()])];
                    ingest.observe(v1::ObserveRequest { observations, ..Default::default() }).await
                })
            })
            .collect();
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => kept += 1,
                Err(error) => {
                    assert_eq!(refusal(&error), (Code::ResourceExhausted, "OVERLOADED".into()));
                    assert!(error.get_error_details().retry_info().unwrap().retry_delay.is_some());
                    shed += 1;
                }
            }
        }
    }
    assert!(kept > 0 && shed > 0, "{kept} were kept, {shed} shed");
    recovers(&server).await;
    server.stop().await.unwrap();
    let directory = server.into_directory();
    let store = Store::open(&directory.path().join("store"), OpenOptions::default()).unwrap();
    let now = store.snapshot();
    assert_eq!((now.link_count().unwrap(), now.identifier_count(None).unwrap()), (kept, 2 * kept));
}

#[tokio::test]
async fn calls_under_way_are_counted_and_streams_are_calls() {
    let config = ServeConfig { max_calls: 3, max_calls_per_connection: 2, ..Default::default() };
    let server = Server::with(config).await;
    let watch = || async { server.watching().watch(v1::WatchRequest::default()).await };
    let first = watch().await.unwrap();
    let _second = watch().await.unwrap();
    let error = answers(&server).await.unwrap_err();
    let subject =
        |error: &Status| error.get_error_details().quota_failure().unwrap().violations[0].subject.clone();
    assert_eq!(
        (refusal(&error).1, subject(&error)),
        ("OVERLOADED".into(), "max_calls_per_connection".into())
    );
    // Another connection has its own, within those of all.
    let other = tonic::transport::Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let other = other.connect().await.unwrap();
    let mut watching = v1::watch_service_client::WatchServiceClient::new(other.clone());
    let third = watching.watch(v1::WatchRequest::default()).await.unwrap();
    let error = watching.watch(v1::WatchRequest::default()).await.unwrap_err();
    assert_eq!(subject(&error), "max_calls");
    // Health is told all the same.
    let mut health = tonic_health::pb::health_client::HealthClient::new(other);
    assert!(health.check(tonic_health::pb::HealthCheckRequest::default()).await.is_ok());
    drop((first, third));
    recovers(&server).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_keeps_its_place_no_longer_than_the_deadline() {
    let config =
        ServeConfig { max_queries: 1, query_timeout: Duration::from_millis(500), ..Default::default() };
    let server = Server::with(config).await;
    let text = "UNWIND range(1, 5000000) AS n RETURN n, range(1, 100)";
    let _unread = server.queries().query(query(text)).await.unwrap();
    recovers(&server).await;
}

#[tokio::test]
async fn requests_held_in_memory_are_bounded() {
    let config = ServeConfig { max_request_bytes_in_flight: 64 << 10, ..Default::default() };
    let server = Server::with(config).await;
    let large = v1::ObserveRequest { request_id: "x".repeat(100 << 10), ..Default::default() };
    let error = server.ingest().observe(large).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::ResourceExhausted, "OVERLOADED".into()));
    // Those that have ended are held no longer.
    for batch in 0..100 {
        let name = format!("device:{batch}");
        server.pairs(&[("email:a@x.de", &name)]).await;
    }
}

#[tokio::test]
async fn a_gzip_bomb_does_not_go_off() {
    let server = Server::start().await;
    let mut ingest = server.ingest().send_compressed(CompressionEncoding::Gzip);
    let bomb = v1::ObserveRequest { request_id: "x".repeat(256 << 20), ..Default::default() };
    let error = ingest.observe(bomb).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    // What is compressed and small is taken.
    let observations = vec![seen("crm", &["email:a@x.de", "device:1"])];
    let request = v1::ObserveRequest { observations, ..Default::default() };
    assert!(ingest.observe(request).await.is_ok());
}

#[tokio::test]
async fn headers_of_a_megabyte_are_refused() {
    let server = Server::start().await;
    let mut request = tonic::Request::new(v1::GetStatsRequest::default());
    request.metadata_mut().insert("x-large", "x".repeat(1 << 20).parse().unwrap());
    assert!(server.admin().get_stats(request).await.is_err());
    let other = tonic::transport::Channel::from_shared(format!("http://{}", server.address)).unwrap();
    let mut admin = v1::admin_service_client::AdminServiceClient::new(other.connect().await.unwrap());
    assert!(admin.get_stats(v1::GetStatsRequest::default()).await.is_ok());
}

#[tokio::test]
async fn garbage_closes_its_own_connection_alone() {
    let server = Server::start().await;
    // Well-formed frames that make no sense, and what is no HTTP/2 at all.
    let nonsense: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xff; 4_096],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 1_024],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for bytes in nonsense {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may have closed it by then.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        closed(&mut stream).await;
        answers(&server).await.unwrap();
    }
}

#[tokio::test]
async fn connections_that_say_nothing_make_room() {
    let config = ServeConfig {
        max_connections: 4,
        handshake_timeout: Duration::from_millis(200),
        ..Default::default()
    };
    let server = Server::with(config).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // Half of what a client says first.
    silent[0].write_all(&PREFACE[..10]).await.unwrap();
    for stream in &mut silent {
        closed(stream).await;
    }
    answers(&server).await.unwrap();
}

#[tokio::test]
async fn ten_thousand_connects_without_a_request_leave_the_server_as_it_was() {
    let config = ServeConfig { max_connections: 64, ..Default::default() };
    let server = Server::with(config).await;
    for _ in 0..10_000 {
        drop(TcpStream::connect(server.address).await.unwrap());
    }
    recovers(&server).await;
}

#[tokio::test]
async fn a_connection_whose_other_end_is_gone_is_noticed() {
    let second = Duration::from_secs(1);
    let config = ServeConfig { keepalive_interval: second, keepalive_timeout: second, ..Default::default() };
    let server = Server::with(config).await;
    // It says what it speaks, and never answers anything.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    closed(&mut stream).await;
    answers(&server).await.unwrap();
}

#[tokio::test]
async fn a_connection_grows_only_so_old() {
    let second = Duration::from_secs(1);
    let config =
        ServeConfig { max_connection_age: second, max_connection_age_grace: second, ..Default::default() };
    let server = Server::with(config).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    closed(&mut stream).await;
    // A client that connects anew goes on.
    recovers(&server).await;
}
