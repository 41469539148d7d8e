//! Lookups over gRPC, many in flight over a small pool of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kinfold_proto::v1::lookup_service_client::LookupServiceClient;
use kinfold_proto::v1::person_selector::By;
use kinfold_proto::v1::{
    BatchResolvePersonsRequest, Identifier, Person, PersonSelector, ResolvePersonRequest, View, person_result,
};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use crate::figures::{Latencies, rate, rounded};
use crate::workload::Workload;

/// The largest answer that is taken, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How much an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shown {
    /// Ids and counts
    Ids,
    /// The identifiers by name, too
    Identifiers,
    /// Also when and by whom each was seen
    Full,
}

/// How the server is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// How many calls are under way at once.
    pub in_flight: usize,
    /// Over how many connections.
    pub connections: usize,
    /// How much answers hold.
    pub shown: Shown,
    /// How many persons a call asks for; `None` is `ResolvePerson`, else `BatchResolvePersons`.
    pub batch: Option<usize>,
    /// For how long.
    pub time: Duration,
}

/// One question: the selectors of a call, and how many identifiers each person holds.
struct Question {
    selectors: Vec<PersonSelector>,
    sizes: Vec<usize>,
}

/// Asks for `asking.time` and gives the latencies of calls, and persons a second.
pub fn run(server: &str, workload: &Workload, asking: Asking) -> anyhow::Result<Value> {
    let questions = Arc::new(questions(workload, asking.batch.unwrap_or(1))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(server.to_owned())?;
        let mut clients = Vec::new();
        for _ in 0..asking.connections.max(1) {
            let client = LookupServiceClient::new(endpoint.connect().await?);
            clients.push(client.max_decoding_message_size(MAX_MESSAGE_BYTES));
        }
        // Every connection answers once before the clock runs.
        for (client, question) in clients.iter_mut().zip(questions.iter().cycle()) {
            ask(client, question, asking).await?;
        }
        let next = Arc::new(AtomicUsize::new(0));
        let begin = Instant::now();
        let mut tasks = Vec::new();
        for client in clients.iter().cycle().take(asking.in_flight.max(1)) {
            let (mut client, questions, next) = (client.clone(), Arc::clone(&questions), Arc::clone(&next));
            tasks.push(tokio::spawn(async move {
                let (mut latencies, mut wrong, mut persons) = (Latencies::default(), 0, 0);
                while begin.elapsed() < asking.time {
                    let at = next.fetch_add(1, Ordering::Relaxed) % questions.len();
                    let called = Instant::now();
                    wrong += ask(&mut client, &questions[at], asking).await?;
                    latencies.add(called.elapsed());
                    persons += questions[at].sizes.len();
                }
                anyhow::Ok((latencies, wrong, persons))
            }));
        }
        let (mut latencies, mut wrong, mut persons) = (Latencies::default(), 0, 0);
        for task in tasks {
            let (some, bad, found) = task.await??;
            latencies.append(some);
            wrong += bad;
            persons += found;
        }
        let elapsed = begin.elapsed();
        let mut figures = latencies.figures(elapsed);
        figures["persons_per_s"] = json!(rounded(rate(persons, elapsed)));
        figures["in_flight"] = json!(asking.in_flight);
        figures["connections"] = json!(asking.connections);
        figures["wrong"] = json!(wrong);
        Ok(figures)
    })
}

fn questions(workload: &Workload, batch: usize) -> anyhow::Result<Vec<Question>> {
    let asked: Vec<(PersonSelector, usize)> = workload
        .identifiers()?
        .into_iter()
        .zip(&workload.sizes)
        .map(|(name, size)| {
            let identifier = Identifier { namespace: name.namespace, value: name.value };
            (PersonSelector { by: Some(By::Identifier(identifier)) }, *size)
        })
        .collect();
    let questions = asked.chunks(batch.max(1)).map(|chunk| {
        let (selectors, sizes) = chunk.iter().cloned().unzip();
        Question { selectors, sizes }
    });
    Ok(questions.collect())
}

/// Asks one question; gives how many of its persons are wrong.
async fn ask(
    client: &mut LookupServiceClient<Channel>,
    question: &Question,
    asking: Asking,
) -> anyhow::Result<usize> {
    let view = match asking.shown {
        Shown::Ids => View::Ids,
        Shown::Identifiers => View::Identifiers,
        Shown::Full => View::Full,
    };
    let right = |person: &Person, size: usize| {
        let shown = if asking.shown == Shown::Ids { 0 } else { size };
        usize::try_from(person.identifier_count) == Ok(size) && person.identifiers.len() == shown
    };
    if asking.batch.is_some() {
        let persons = question.selectors.clone();
        let request = BatchResolvePersonsRequest { persons, options: None, view: view.into() };
        let results = client.batch_resolve_persons(request).await?.into_inner().results;
        let missing = question.sizes.len().abs_diff(results.len());
        let wrong = results.iter().zip(&question.sizes).filter(|(result, size)| match &result.outcome {
            Some(person_result::Outcome::Person(person)) => !right(person, **size),
            _ => true,
        });
        return Ok(missing + wrong.count());
    }
    let person = question.selectors.first().cloned();
    let request = ResolvePersonRequest { person, options: None, view: view.into() };
    let person = client.resolve_person(request).await?.into_inner().person;
    let size = question.sizes.first().copied().unwrap_or_default();
    Ok(usize::from(!person.is_some_and(|person| right(&person, size))))
}
