//! `WatchService`.

use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_proto::v1::EventKind;
use kinfold_proto::v1::event::Change;
use kinfold_server::ServeConfig;
use tonic::{Code, Streaming};

use crate::harness::{Server, named, refusal};

type Feed = Streaming<v1::WatchResponse>;

async fn watch(server: &Server, sequence: u64, index: u32) -> Feed {
    let from = Some(v1::WatchPosition { sequence, index });
    let request = v1::WatchRequest { from, ..Default::default() };
    server.watching().watch(request).await.unwrap().into_inner()
}

async fn next(feed: &mut Feed) -> v1::WatchResponse {
    let message = tokio::time::timeout(Duration::from_secs(10), feed.message()).await;
    message.expect("a sign of life comes in time").unwrap().expect("the feed does not end")
}

/// The events until there are none for now, and the position behind them.
async fn all(feed: &mut Feed) -> (Vec<v1::Event>, v1::WatchPosition) {
    let mut events = Vec::new();
    loop {
        let message = next(feed).await;
        let position = message.position.unwrap();
        if message.events.is_empty() {
            return (events, position);
        }
        let last = message.events.last().unwrap();
        assert!((position.sequence, position.index) > (last.sequence, last.index));
        events.extend(message.events);
    }
}

fn places(events: &[v1::Event]) -> Vec<(u64, u32, EventKind)> {
    events.iter().map(|event| (event.sequence, event.index, event.kind())).collect()
}

fn shares(event: &v1::Event) -> Vec<(&str, &str, u32, Vec<String>)> {
    let Some(Change::Persons(change)) = &event.change else { panic!("{event:?}") };
    let names = |share: &v1::Share| {
        share.identifiers.iter().map(|it| format!("{}:{}", it.namespace, it.value)).collect()
    };
    change
        .shares
        .iter()
        .map(|it| (it.from_person_id.as_str(), it.to_person_id.as_str(), it.count, names(it)))
        .collect()
}

#[tokio::test]
async fn events_come_in_order_with_names_and_causes() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1"), ("email:b@x.de", "device:2")]).await;
    server.pairs(&[("device:1", "device:2")]).await;
    let forbid = v1::ForbidRequest {
        a: Some(named("email:a@x.de")),
        b: Some(named("email:b@x.de")),
        author: "ann".into(),
        reason: "two people".into(),
        ..Default::default()
    };
    server.ingest().forbid(forbid).await.unwrap();

    let (events, position) = all(&mut watch(&server, 0, 0).await).await;
    let kinds: Vec<_> = events.iter().map(v1::Event::kind).collect();
    assert_eq!(kinds, [EventKind::Created, EventKind::Created, EventKind::Merged, EventKind::Split]);
    assert!(places(&events).windows(2).all(|pair| (pair[0].0, pair[0].1) < (pair[1].0, pair[1].1)));
    assert_eq!((position.sequence, position.index), (5, 0));

    let Some(Change::Persons(merge)) = &events[2].change else { panic!("{events:?}") };
    assert_eq!((merge.before.len(), merge.after.len()), (2, 1));
    let total: u32 = merge.shares.iter().map(|share| share.count).sum();
    assert_eq!(total, 4);
    // Those that moved are named.
    let moved: Vec<_> = shares(&events[2]).into_iter().filter(|share| !share.3.is_empty()).collect();
    assert!(moved.iter().all(|share| share.0 != share.1), "{moved:?}");
    let Some(v1::Cause { kind: Some(v1::cause::Kind::Observation(seen)) }) = &events[2].cause else {
        panic!("{events:?}")
    };
    assert_eq!((seen.source.as_str(), seen.identifiers.len()), ("crm", 2));
    let Some(v1::Cause { kind: Some(v1::cause::Kind::Override(said)) }) = &events[3].cause else {
        panic!("{events:?}")
    };
    assert_eq!(said.action(), v1::OverrideAction::Forbid);
    assert_eq!((said.author.as_str(), said.reason.as_str()), ("ann", "two people"));
    assert!(events.iter().all(|event| !event.abridged && event.time.is_some()));
}

#[tokio::test]
async fn a_feed_goes_on_where_it_was_interrupted() {
    let server = Server::start().await;
    // A household with every new person: several events in one write.
    for n in 0..20 {
        let address = format!("address:{}", n / 4);
        let (email, device) = (format!("email:p{n}@x.de"), format!("device:{n}"));
        server.pairs(&[(&email, &address), (&email, &device)]).await;
    }
    let (whole, end) = all(&mut watch(&server, 0, 0).await).await;
    assert!(whole.iter().any(|event| event.kind() == EventKind::Household));
    assert!(whole.iter().any(|event| event.index > 0), "no write has two events: {:?}", places(&whole));
    // From every place on, a feed holds exactly the rest.
    for (at, event) in whole.iter().enumerate() {
        let (rest, position) = all(&mut watch(&server, event.sequence, event.index).await).await;
        assert_eq!(rest, whole[at..]);
        assert_eq!(position, end);
    }
    let (none, position) = all(&mut watch(&server, end.sequence, end.index).await).await;
    assert_eq!((none, position), (vec![], end));
}

#[tokio::test]
async fn a_feed_follows_and_shows_that_it_lives() {
    let heartbeat = Duration::from_millis(100);
    let server = Server::with(ServeConfig { watch_heartbeat: heartbeat, ..Default::default() }).await;
    let mut feed = watch(&server, 0, 0).await;
    let nothing =
        v1::WatchResponse { events: vec![], position: Some(v1::WatchPosition { sequence: 1, index: 0 }) };
    assert_eq!(next(&mut feed).await, nothing);
    let begun = Instant::now();
    assert_eq!(next(&mut feed).await, nothing);
    assert!(begun.elapsed() >= heartbeat / 2);
    // What happens while somebody watches comes without being asked for.
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let (mut events, mut position) = all(&mut feed).await;
    while events.is_empty() {
        (events, position) = all(&mut feed).await;
    }
    assert_eq!(places(&events), [(1, 0, EventKind::Created)]);
    assert_eq!(position.sequence, 2);
}

#[tokio::test]
async fn ids_alone_where_no_more_is_asked_for() {
    let server = Server::start().await;
    server.pairs(&[("email:a@x.de", "device:1")]).await;
    let request = v1::WatchRequest { from: None, view: v1::View::Ids.into() };
    let mut feed = server.watching().watch(request).await.unwrap().into_inner();
    let (events, _) = all(&mut feed).await;
    assert!(!format!("{events:?}").contains("a@x.de"));
    assert_eq!(shares(&events[0]).iter().map(|share| share.2).sum::<u32>(), 2);
    let request = v1::WatchRequest { from: None, view: 9 };
    let error = server.watching().watch(request).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::InvalidArgument, "MALFORMED".into()));
}

#[tokio::test]
async fn a_feed_ends_with_the_server() {
    let mut server = Server::start().await;
    let mut feed = watch(&server, 0, 0).await;
    assert!(next(&mut feed).await.events.is_empty());
    let begun = Instant::now();
    server.stop().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let error = feed.message().await.unwrap_err();
    assert_eq!(refusal(&error), (Code::Unavailable, "SHUTTING_DOWN".into()));
}
