//! `IngestService`.

use kinfold_proto::v1;
use kinfold_proto::v1::observe_stream_response::Outcome;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::harness::{Server, refusal, seen};

#[tokio::test]
async fn what_is_refused_comes_back_item_by_item() {
    let server = Server::start().await;
    let timeless = v1::Observation { time: None, ..seen("crm", &["email:a@x.de", "device:1"]) };
    let observations = vec![
        seen("crm", &["email:a@x.de", "device:1"]),
        timeless,
        seen("crm", &["email:a@x.de", "emial:b@x.de"]),
        seen("crm", &["email:a@x.de", "email:no address"]),
        v1::Observation { confidence: Some(1.5), ..seen("crm", &["email:a@x.de", "device:2"]) },
        seen("crm", &["email:a@x.de", "device:undefined"]),
        seen("", &["email:a@x.de", "device:3"]),
    ];
    let request = v1::ObserveRequest { request_id: String::new(), observations };
    let receipt = server.ingest().observe(request).await.unwrap().into_inner().receipt.unwrap();
    let refused: Vec<_> =
        receipt.rejections.iter().map(|r| (r.index, r.reason(), r.field.as_str())).collect();
    assert_eq!(
        refused,
        [
            (1, v1::RejectReason::Missing, "observations[1].time"),
            (2, v1::RejectReason::UndeclaredNamespace, "observations[2].identifiers[1].namespace"),
            (3, v1::RejectReason::InvalidValue, "observations[3].identifiers[1].value"),
            (4, v1::RejectReason::OutOfRange, "observations[4].confidence"),
            (6, v1::RejectReason::Missing, "observations[6].source"),
        ]
    );
    assert!(receipt.rejections.iter().all(|rejection| !rejection.message.is_empty()));
    assert_eq!((receipt.accepted, receipt.denied, receipt.sequence), (2, 1, 2));
}

#[tokio::test]
async fn a_request_can_be_repeated_and_its_id_not_be_reused() {
    let server = Server::start().await;
    let request = |device: &str| v1::ObserveRequest {
        request_id: "r1".into(),
        observations: vec![seen("crm", &["email:a@x.de", device]), seen("crm", &["emial:a@x.de", device])],
    };
    let first = server.ingest().observe(request("device:1")).await.unwrap().into_inner().receipt.unwrap();
    let second = server.ingest().observe(request("device:1")).await.unwrap().into_inner().receipt.unwrap();
    assert!(!first.replayed && second.replayed);
    let what = |receipt: &v1::Receipt| {
        let refused: Vec<_> =
            receipt.rejections.iter().map(|r| (r.index, r.reason, r.field.clone())).collect();
        (receipt.sequence, receipt.accepted, receipt.denied, receipt.held_back, refused)
    };
    assert_eq!(what(&second), what(&first));
    assert_eq!(second.rejections.len(), 1);
    let reused = server.ingest().observe(request("device:2")).await.unwrap_err();
    assert_eq!(refusal(&reused), (Code::AlreadyExists, "REQUEST_ID_REUSED".into()));
}

#[tokio::test]
async fn too_many_observations_are_refused_together() {
    let server = Server::start().await;
    let observations = vec![seen("crm", &["email:a@x.de", "device:1"]); 1_001];
    let request = v1::ObserveRequest { request_id: String::new(), observations };
    let error = server.ingest().observe(request).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "BATCH_TOO_LARGE".into()));
    let long = v1::ObserveRequest { request_id: "r".repeat(257), ..Default::default() };
    let error = server.ingest().observe(long).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "REQUEST_ID_INVALID".into()));
    assert_eq!(server.admin().get_stats(v1::GetStatsRequest::default()).await.unwrap().get_ref().sequence, 0);
}

fn batch(batch_id: u64, request_id: &str, count: usize) -> v1::ObserveStreamRequest {
    let device = format!("device:d{batch_id}");
    v1::ObserveStreamRequest {
        batch_id,
        request_id: request_id.into(),
        observations: vec![seen("web", &["email:a@x.de", &device]); count],
    }
}

#[tokio::test]
async fn every_batch_of_a_stream_is_answered_once() {
    let server = Server::start().await;
    let (requests, stream) = mpsc::channel(300);
    let mut answers = server.ingest().observe_stream(ReceiverStream::new(stream)).await.unwrap().into_inner();
    for id in 0..200 {
        requests.send(batch(id, "", 2)).await.unwrap();
    }
    requests.send(batch(200, "r", 1)).await.unwrap();
    requests.send(batch(201, "r", 2)).await.unwrap();
    requests.send(batch(202, "", 1_001)).await.unwrap();
    requests.send(batch(203, "", 1)).await.unwrap();
    drop(requests);
    let (mut sequences, mut errors) = (Vec::new(), Vec::new());
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.outcome.unwrap() {
            Outcome::Receipt(receipt) => sequences.push((answer.batch_id, receipt.sequence)),
            Outcome::Error(error) => errors.push((answer.batch_id, error.code, error.reason)),
        }
    }
    errors.sort();
    assert_eq!(
        errors,
        [
            (201, Code::AlreadyExists as i32, "REQUEST_ID_REUSED".to_owned()),
            (202, Code::InvalidArgument as i32, "BATCH_TOO_LARGE".to_owned())
        ]
    );
    // Written in the order they were sent: two observations a batch, then one, then one.
    sequences.sort();
    let expected = (0..200).map(|id| (id, 2 * id + 2)).chain([(200, 401), (203, 402)]);
    assert_eq!(sequences, expected.collect::<Vec<_>>());
    assert_eq!(server.person("email:a@x.de").await.identifier_count, 203);
}

#[tokio::test]
async fn an_acknowledged_batch_can_be_read_at_once() {
    let server = Server::start().await;
    let (requests, stream) = mpsc::channel(1);
    let mut answers = server.ingest().observe_stream(ReceiverStream::new(stream)).await.unwrap().into_inner();
    for id in 0..5 {
        requests.send(batch(id, "", 1)).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        let Some(Outcome::Receipt(receipt)) = answer.outcome else { panic!("{answer:?}") };
        let request = v1::ResolvePersonRequest {
            person: Some(crate::harness::by(&format!("device:d{id}"))),
            options: Some(v1::ReadOptions { at_least: receipt.sequence, ..Default::default() }),
            ..Default::default()
        };
        let found = server.lookup().resolve_person(request).await.unwrap().into_inner();
        assert!(found.sequence >= receipt.sequence);
    }
}
