//! The client that the command line uses.

use kinfold_engine::model::{Identifier, Observation};
use kinfold_query::{Params, Value};
use kinfold_server::client::{Client, ClientError};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tonic::Code;

use crate::harness::Server;

fn together(a: &str, b: &str) -> Observation {
    let identifier = |name: &str| name.parse::<Identifier>().unwrap();
    Observation {
        source: "crm".into(),
        time: "2026-01-05T00:00:00Z".parse().unwrap(),
        identifiers: vec![identifier(a), identifier(b)],
        confidence: 0.9,
        kind: None,
        record_id: None,
        attributes: Default::default(),
    }
}

#[tokio::test]
async fn writes_asks_and_counts() {
    let server = Server::start().await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    let receipt = client.observe(Some("r1"), &[together("email:a@x.de", "device:1")]).await.unwrap();
    assert_eq!((receipt.sequence, receipt.accepted), (1, 1));
    let params = Params::from([("ids".to_owned(), Value::from(vec![Value::from("device:1"), Value::Null]))]);
    let mut rows = client.query("UNWIND $ids AS id RETURN id, 2 AS two", &params).await.unwrap();
    assert_eq!((rows.columns(), rows.sequence()), (["id".to_owned(), "two".to_owned()].as_slice(), 1));
    assert_eq!(rows.next_row().await.unwrap(), Some(vec![Value::from("device:1"), Value::Int(2)]));
    assert_eq!(rows.next_row().await.unwrap(), Some(vec![Value::Null, Value::Int(2)]));
    assert!(rows.statistics().is_none());
    assert_eq!(rows.next_row().await.unwrap(), None);
    assert_eq!(rows.next_row().await.unwrap(), None);
    assert_eq!(rows.statistics().unwrap().rows, 2);
    assert_eq!(client.stats().await.unwrap().identifiers, 2);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let server = Server::start().await;
    let client = Client::connect(&format!("http://{}/", server.address)).await.unwrap();
    let error = client.query("RETURN oops", &Params::default()).await.unwrap_err();
    let ClientError::Refused { code, reason, message } = &error else { panic!("{error:?}") };
    assert_eq!((*code, reason.is_empty()), (Code::InvalidArgument, false));
    assert!(message.contains("^^^^"), "{message}");
    let denied = together("email:a@x.de", "emial:x");
    let receipt = client.observe(None, &[denied]).await.unwrap();
    assert_eq!(receipt.rejections[0].field, "observations[0].identifiers[1].namespace");
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
        Ok(client) => client.stats().await.unwrap_err(),
    };
    assert!(matches!(error, ClientError::NotKinfold { .. }), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_server_that_has_gone_is_named() {
    let mut server = Server::start().await;
    let client = Client::connect(&server.address.to_string()).await.unwrap();
    server.stop().await.unwrap();
    let error = client.stats().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}
