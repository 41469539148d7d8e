//! Hostile texts, many at once, against a server with small limits. A binary of
//! its own with one test in it: the peak of memory that the system tells is the
//! whole process's.

#![allow(clippy::unwrap_used)]

// The harness of the service's tests, of which this one needs a part.
#[allow(dead_code)]
#[path = "../service/harness.rs"]
mod harness;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kinfold_proto::v1;
use kinfold_query::Limits;
use kinfold_server::ServeConfig;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use harness::{Server, refusal};

/// How many identifiers the one large component has.
const GIANT: usize = 4_000;

/// How many clients send all the texts, each in its own order.
const CLIENTS: usize = 6;

/// What a query may hold, and how many run at once.
const MEMORY: usize = 4 << 20;
const QUERIES: usize = 8;

/// How long a query may run.
const DEADLINE: Duration = Duration::from_secs(2);

/// By how much the process may grow: for each query some times what is counted of
/// it, since the allocator rounds up, keeps what is given back, and has a heap for
/// each thread (180 MiB in all were seen), and what server, clients and store take
/// themselves, which are one process here. Without limits it would be gigabytes.
const GROWTH: usize = 8 * QUERIES * MEMORY + (64 << 20);

/// The most memory that this process has had, in bytes; `None` where the system does not tell it so.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib << 10)
}

/// Texts, each with the one code that fits, and the reason.
fn hostile() -> Vec<(String, Code, &'static str)> {
    let nested = |open: &str, inner: &str, close: &str, levels: usize| {
        format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
    };
    let mut texts = Vec::new();
    let mut add = |code: Code, reason: &'static str, all: &[&str]| {
        texts.extend(all.iter().map(|text| ((*text).to_owned(), code, reason)));
    };
    let exhausted = Code::ResourceExhausted;
    add(
        exhausted,
        "LIMIT_MEMORY",
        &[
            "RETURN size(range(1, 1000000000))",
            "UNWIND range(1, 10000) AS x UNWIND range(1, 10000) AS y RETURN collect(x)",
            "UNWIND range(1, 10000) AS x UNWIND range(1, 10000) AS y RETURN count(DISTINCT [x, y])",
            "UNWIND range(1, 10000) AS x UNWIND range(1, 10000) AS y WITH x, y ORDER BY y RETURN count(*)",
            "UNWIND range(1, 10000) AS x UNWIND range(1, 10000) AS y WITH DISTINCT x, y RETURN count(*)",
            "RETURN size([x IN range(1, 9000) | range(1, 9000)])",
            "MATCH (a:device), (b:device) RETURN size(collect([a.id, b.id]))",
            &format!("WITH 'aaaaaaaa' AS a {} RETURN size(a)", "WITH a + a AS a ".repeat(60)),
            &format!("WITH range(1, 9) AS a {} RETURN size(a)", "WITH a + a AS a ".repeat(60)),
        ],
    );
    add(
        exhausted,
        "LIMIT_EXPANSIONS",
        &[
            "MATCH (a)-[*]-(b) RETURN count(*)",
            "MATCH (a:account {value: 'c'})-[:LINKED*]-(b) RETURN count(b)",
            "MATCH (a), (b), (c) WHERE a.degree + b.degree + c.degree < 0 RETURN count(*)",
            "MATCH (a:account {value: 'c'}) RETURN COUNT { (a)-[*]-() }",
            "MATCH (a:Identifier) CALL identity.network(a.id, 4) YIELD id WITH id WHERE id = '' RETURN count(*)",
        ],
    );
    add(exhausted, "LIMIT_ROWS", &["UNWIND range(1, 20000) AS x UNWIND range(1, 20000) AS y RETURN x"]);
    add(
        exhausted,
        "LIMIT_DEPTH",
        &[
            &format!("RETURN {}", nested("(", "1", ")", 10_000)),
            &format!("RETURN {}", nested("[", "1", "]", 10_000)),
            &format!("MATCH (a) WHERE {} RETURN a", nested("EXISTS{(a)WHERE ", "true", "}", 3_000)),
            &format!("WITH 1 AS x {} RETURN x", "WITH [x] AS x ".repeat(1_000)),
        ],
    );
    add(exhausted, "LIMIT_TEXT", &[&format!("RETURN '{}'", "x".repeat(100_000))]);
    add(
        Code::InvalidArgument,
        "",
        &[
            "RETURN (",
            "MATCH (a) RETURN b",
            "MATCH (a:Nobody) RETURN a",
            "CREATE (a)",
            "\u{0}",
            "RETURN 1 / 0",
        ],
    );
    add(
        Code::DeadlineExceeded,
        "",
        &[
            "RETURN all(x IN range(1, 50000) WHERE all(y IN range(1, 50000) WHERE x <> y - 200000))",
            "UNWIND range(1, 50000) AS x UNWIND range(1, 50000) AS y WITH x WHERE x < 0 RETURN x",
        ],
    );
    texts
}

/// Reads an answer to its end, as a client that keeps nothing does.
async fn ends(channel: Channel, text: &str) -> Result<(), Status> {
    let mut client = v1::query_service_client::QueryServiceClient::new(channel);
    let request = v1::QueryRequest { text: text.to_owned(), ..Default::default() };
    let mut stream = client.query(request).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_meet_their_limits_and_the_server_keeps_its_memory() {
    let limits =
        Limits { max_memory_bytes: MEMORY, max_expansions: 300_000, max_rows: 100_000, ..Limits::default() };
    let config = ServeConfig {
        query: limits,
        query_timeout: DEADLINE,
        max_queries: QUERIES,
        ..ServeConfig::default()
    };
    let server = Server::with(config).await;
    // A ring of devices, each also at one account: a single component.
    let names: Vec<String> = (0..GIANT).map(|at| format!("device:{at}")).collect();
    for chunk in names.chunks(500) {
        let mut pairs: Vec<(&str, &str)> = chunk.windows(2).map(|two| (&*two[0], &*two[1])).collect();
        pairs.extend(chunk.iter().map(|name| (name.as_str(), "account:c")));
        server.pairs(&pairs).await;
    }
    let before = peak();
    let texts = hostile();
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (texts, channel) = (texts.clone(), server.channel.clone());
        tokio::spawn(async move {
            let mut wrong = Vec::new();
            for at in 0..texts.len() {
                let (text, code, reason) = &texts[(at + client * texts.len() / CLIENTS) % texts.len()];
                let shown = text.get(..100).unwrap_or(text);
                match ends(channel.clone(), text).await {
                    Ok(()) => wrong.push(format!("`{shown}` was answered")),
                    // Where all places are taken, or the machine is slow, time is up first.
                    Err(error) if error.code() == Code::DeadlineExceeded => {}
                    Err(error) => {
                        let (given, given_reason) = refusal(&error);
                        if given != *code || !(reason.is_empty() || given_reason == *reason) {
                            wrong.push(format!("`{shown}`: {given:?} {given_reason}: {}", error.message()));
                        }
                        let details = error.get_error_details();
                        let placed = details.error_info().map(|info| {
                            info.metadata.contains_key("line") && info.metadata.contains_key("column")
                        });
                        if placed != Some(true) {
                            wrong.push(format!("`{shown}` has no place: {details:?}"));
                        }
                    }
                }
            }
            wrong
        })
    });
    let mut wrong = BTreeSet::new();
    for client in clients.collect::<Vec<_>>() {
        wrong.extend(client.await.unwrap());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Each text by itself, unhurried, is refused as what it is.
    for (text, code, reason) in &texts {
        let shown = text.get(..100).unwrap_or(text);
        let error = ends(server.channel.clone(), text).await.unwrap_err();
        let late = error.code() == Code::DeadlineExceeded && *code == Code::ResourceExhausted;
        assert!(!late, "`{shown}` is slow: {error}");
        assert_eq!(error.code(), *code, "`{shown}`: {error}");
        assert!(reason.is_empty() || refusal(&error).1 == *reason, "`{shown}`: {error}");
    }
    // A deadline is kept within what a query takes to notice.
    let most = DEADLINE * (texts.len() * (1 + CLIENTS)) as u32;
    assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
    // The server is as it was.
    ends(server.channel.clone(), "MATCH (d:device {value: '7'}) RETURN d.degree").await.unwrap();
    match (before, peak()) {
        (Some(before), Some(after)) => {
            let grown = after.saturating_sub(before);
            eprintln!("{} texts from {CLIENTS} clients: {} MiB more at the peak", texts.len(), grown >> 20);
            assert!(grown < GROWTH, "{} MiB, and {} MiB are allowed", grown >> 20, GROWTH >> 20);
        }
        _ => eprintln!("memory is not looked at: this system tells no peak in /proc/self/status"),
    }
}
