//! `QueryService`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::value::Kind;
use kinfold_query::Limits;
use kinfold_server::ServeConfig;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::harness::{Server, field, refusal};

struct Answer {
    columns: v1::QueryColumns,
    rows: Vec<Vec<Kind>>,
    statistics: v1::QueryStatistics,
    batches: Vec<usize>,
}

async fn ask(server: &Server, request: v1::QueryRequest) -> Result<Answer, Status> {
    let mut stream = server.queries().query(request).await?.into_inner();
    let Some(Part::Columns(columns)) = stream.message().await?.unwrap().part else { panic!("no columns") };
    let (mut rows, mut batches) = (Vec::new(), Vec::new());
    let statistics =
        loop {
            let message = stream.message().await?.expect("statistics come last");
            let bytes = message.encoded_len();
            match message.part.unwrap() {
                Part::Rows(batch) => {
                    batches.push(bytes);
                    rows.extend(batch.rows.into_iter().map(|row| {
                        row.values.into_iter().map(|value| value.kind.unwrap()).collect::<Vec<_>>()
                    }));
                }
                Part::Statistics(statistics) => break statistics,
                Part::Columns(_) => panic!("columns come twice"),
            }
        };
    assert_eq!(stream.message().await?, None);
    Ok(Answer { columns, rows, statistics, batches })
}

fn text(text: &str) -> v1::QueryRequest {
    v1::QueryRequest { text: text.into(), ..Default::default() }
}

#[tokio::test]
async fn columns_come_first_and_statistics_last() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:a@x.de", "device:2")]).await;
    let id = v1::Value { kind: Some(Kind::StringValue("email:a@x.de".into())) };
    let answer = ask(
        &server,
        v1::QueryRequest {
            text:
                "MATCH (a:Identifier {id: $id})-[:LINKED]-(b) RETURN b.id AS other, 1 AS one ORDER BY other"
                    .into(),
            parameters: HashMap::from([("id".into(), id)]),
            options: Some(v1::ReadOptions { at_least: 2, ..Default::default() }),
            max_rows: 0,
        },
    )
    .await
    .unwrap();
    assert_eq!(answer.columns, v1::QueryColumns { names: vec!["other".into(), "one".into()], sequence: 2 });
    let other = |id: &str| vec![Kind::StringValue(id.into()), Kind::IntValue(1)];
    assert_eq!(answer.rows, [other("device:1"), other("device:2")]);
    assert_eq!(answer.statistics.rows, 2);
    assert!(answer.statistics.elapsed.is_some());
}

#[tokio::test]
async fn elements_travel_with_what_they_are() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let answer = ask(
        &server,
        text("MATCH path = (a:Identifier {id: 'email:a@x.de'})-[l:LINKED]-(b) RETURN a, l, path, a.first_seen, [1, null], {x: 0.5}"),
    )
    .await
    .unwrap();
    let [row] = answer.rows.as_slice() else { panic!("{:?}", answer.rows) };
    let [
        Kind::NodeValue(node),
        Kind::RelationshipValue(link),
        Kind::PathValue(path),
        Kind::TimestampValue(seen),
        Kind::ListValue(list),
        Kind::MapValue(map),
    ] = row.as_slice()
    else {
        panic!("{row:?}")
    };
    assert_eq!(node.id, "email:a@x.de");
    assert!(node.labels.contains(&"Identifier".to_owned()) && node.labels.contains(&"email".to_owned()));
    assert_eq!(node.properties["value"].kind, Some(Kind::StringValue("a@x.de".into())));
    assert_eq!(link.r#type, "LINKED");
    assert_eq!((link.start_id.as_str(), link.end_id.as_str()), ("email:a@x.de", "device:1"));
    assert_eq!(link.properties["weight"].kind, Some(Kind::DoubleValue(1.0)));
    assert_eq!(path.nodes.len(), 2);
    assert_eq!(path.relationships.as_slice(), std::slice::from_ref(link.as_ref()));
    assert_eq!(seen.seconds, 1_767_571_200);
    assert_eq!(list.values[1].kind, Some(Kind::NullValue(0)));
    assert_eq!(map.entries["x"].kind, Some(Kind::DoubleValue(0.5)));
}

#[tokio::test]
async fn rows_come_in_batches_of_a_bounded_size() {
    let server = Server::start().await;
    // A thousand numbers of two or three bytes a row: some 4 KiB.
    let answer = ask(&server, text("UNWIND range(1, 1000) AS n RETURN n, range(1, 1000)")).await.unwrap();
    assert_eq!((answer.rows.len(), answer.statistics.rows), (1_000, 1_000));
    assert!(answer.batches.len() > 10);
    assert!(answer.batches.iter().all(|bytes| *bytes <= 256 << 10), "{:?}", answer.batches);
    for (place, row) in answer.rows.iter().enumerate() {
        assert_eq!(row[0], Kind::IntValue(place as i64 + 1));
    }
}

#[tokio::test]
async fn a_mistake_is_placed_in_the_text() {
    let server = Server::start().await;
    let Err(error) = ask(&server, text("MATCH (i:Identifer {id: 'x:y'})\nRETURN i")).await else { panic!() };
    assert_eq!(refusal(&error), (Code::InvalidArgument, "UNKNOWN_LABEL".into()));
    assert_eq!(field(&error), "text");
    let details = error.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    let at = (metadata["code"].as_str(), metadata["line"].as_str(), metadata["column"].as_str());
    assert_eq!(at, ("unknown-label", "1", "10"));
    assert!(error.message().contains("did you mean `Identifier`?"), "{}", error.message());

    let unset = HashMap::from([("id".to_owned(), v1::Value { kind: None })]);
    let request = v1::QueryRequest { parameters: unset, ..text("RETURN $id") };
    let Err(error) = ask(&server, request).await else { panic!() };
    assert_eq!((refusal(&error).1.as_str(), field(&error).as_str()), ("MISSING", "parameters[\"id\"]"));

    let Err(error) = ask(&server, text("CREATE (n)")).await else { panic!() };
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn limits_are_errors_and_name_themselves() {
    let server = Server::with(ServeConfig {
        query: Limits { max_rows: 100, ..Limits::default() },
        ..Default::default()
    })
    .await;
    let rows = "UNWIND range(1, 101) AS n RETURN n";
    let quota =
        |error: &Status| error.get_error_details().quota_failure().unwrap().violations[0].subject.clone();
    for request in [text(rows), v1::QueryRequest { max_rows: 1_000_000, ..text(rows) }] {
        let Err(error) = ask(&server, request).await else { panic!() };
        assert_eq!((error.code(), quota(&error).as_str()), (Code::ResourceExhausted, "max_rows"));
    }
    let fewer = v1::QueryRequest { max_rows: 5, ..text("UNWIND range(1, 6) AS n RETURN n") };
    let Err(error) = ask(&server, fewer).await else { panic!() };
    assert_eq!(quota(&error), "max_rows");
    let wide = text("RETURN range(1, 2000000)");
    let Err(error) = ask(&server, wide).await else { panic!() };
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(refusal(&error).1, "ANSWER_TOO_LARGE");
}

/// A query that takes far longer than any test.
const ENDLESS: &str = "UNWIND range(1, 10000) AS a UNWIND range(1, 10000) AS b \
                       WITH a, b WHERE a + b < 0 RETURN a";

#[tokio::test]
async fn the_sooner_deadline_ends_a_query() {
    let server =
        Server::with(ServeConfig { query_timeout: Duration::from_millis(300), ..Default::default() }).await;
    let begun = Instant::now();
    let Err(error) = ask(&server, text(ENDLESS)).await else { panic!() };
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // The client's own: sent as a bare header, so that the server is the one to keep it.
    let mut request = tonic::Request::new(text(ENDLESS));
    request.metadata_mut().insert("grpc-timeout", "100m".parse().unwrap());
    let begun = Instant::now();
    let error = match server.queries().query(request).await {
        Err(error) => error,
        Ok(stream) => {
            let mut stream = stream.into_inner();
            loop {
                match stream.message().await {
                    Ok(message) => assert!(message.is_some(), "the query ended"),
                    Err(error) => break error,
                }
            }
        }
    };
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert!(begun.elapsed() < Duration::from_millis(290));
}

#[tokio::test]
async fn a_client_that_goes_away_calls_its_query_off() {
    // With one place for queries, the second runs only once the first has ended.
    let server = Server::with(ServeConfig { max_queries: 1, ..Default::default() }).await;
    let mut stream = server.queries().query(text(ENDLESS)).await.unwrap().into_inner();
    assert!(matches!(stream.message().await.unwrap().unwrap().part, Some(Part::Columns(_))));
    let mut short = tonic::Request::new(text("RETURN 1"));
    short.set_timeout(Duration::from_millis(200));
    assert!(server.queries().query(short).await.is_err());
    drop(stream);
    let begun = Instant::now();
    assert_eq!(ask(&server, text("RETURN 1")).await.unwrap().rows, [[Kind::IntValue(1)]]);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_its_query_alone() {
    let server = Server::with(ServeConfig { max_queries: 2, ..Default::default() }).await;
    // Far more than what waits on its way to the client.
    let many = "UNWIND range(1, 30000) AS n RETURN n, range(1, 100)";
    let mut slow = server.queries().query(text(many)).await.unwrap().into_inner();
    assert!(slow.message().await.unwrap().is_some());
    assert_eq!(ask(&server, text("RETURN 1")).await.unwrap().rows, [[Kind::IntValue(1)]]);
    let mut rows = 0;
    while let Some(message) = slow.message().await.unwrap() {
        match message.part.unwrap() {
            Part::Rows(batch) => rows += batch.rows.len() as u64,
            Part::Statistics(statistics) => assert_eq!(statistics.rows, rows),
            Part::Columns(_) => panic!("columns come twice"),
        }
    }
    assert_eq!(rows, 30_000);
}
