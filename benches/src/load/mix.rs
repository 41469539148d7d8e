//! What a connection does: lookups for the most part, queries, streams and writes.

use std::time::{Duration, Instant};

use kinfold_client::{Client, ClientError, v1};

use super::{Tally, lookup, observations};

/// What connections do.
pub(super) const KINDS: [&str; 4] = ["lookup", "query", "stream", "write"];

/// How many batches a stream sends, and how many observations each has.
const BATCHES: u32 = 8;
const OBSERVATIONS: u32 = 20;

/// How long a connection waits after a refusal before it goes on: a client would, too.
const PAUSE: Duration = Duration::from_millis(50);

/// Works over one connection until the time is over.
pub(super) async fn work(client: Client, at: usize, persons: u32, until: Instant) -> Tally {
    let mut tally = Tally::default();
    // Of eight connections five look up, and one does each of the others.
    let kind = match at % 8 {
        5 => "query",
        6 => "stream",
        7 => "write",
        _ => "lookup",
    };
    let mut round = u32::try_from(at).unwrap_or_default().wrapping_mul(104_729);
    while Instant::now() < until {
        round = round.wrapping_add(1);
        let begin = Instant::now();
        let outcome = match kind {
            "query" => query(&client).await,
            "stream" => stream(&client, at, round, persons).await,
            "write" => write(&client, at, round, persons).await,
            _ => client.resolve_person(lookup(round.wrapping_mul(7_919) % persons)).await.map(drop),
        };
        match outcome {
            Ok(()) => tally.took(kind, begin.elapsed()),
            Err(error) => {
                tally.refused(kind, &error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tally
}

async fn query(client: &Client) -> Result<(), ClientError> {
    let text =
        "MATCH (a:account)-[:IDENTIFIES]->(p:Person) RETURN a.value AS account, p.size AS size LIMIT 100";
    let mut rows = client.query(text, [].into()).await?;
    while rows.next_row().await?.is_some() {}
    Ok(())
}

async fn stream(client: &Client, at: usize, round: u32, persons: u32) -> Result<(), ClientError> {
    let observing = client.observing();
    let mut promises = Vec::new();
    for batch in 0..BATCHES {
        let seen = observations(round.wrapping_mul(31).wrapping_add(batch), OBSERVATIONS, persons);
        promises.push(observing.send(format!("stream-{at}-{round}-{batch}"), seen).await?);
    }
    for promise in promises {
        promise.receipt().await?;
    }
    Ok(())
}

async fn write(client: &Client, at: usize, round: u32, persons: u32) -> Result<(), ClientError> {
    let observations = observations(round.wrapping_mul(17), OBSERVATIONS, persons);
    let request = v1::ObserveRequest { request_id: format!("write-{at}-{round}"), observations };
    client.observe(request).await.map(drop)
}
