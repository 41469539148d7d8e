//! What a server has of the identifiers of a truth, by lookups of many at once.

use kinfold_client::{Client, ClientError, Code, person_by, v1};
use kinfold_engine::model::PersonId;

use super::super::failure::Failure;
use super::super::target::RemoteServer;
use super::truth::Truth;
use super::{Seen, why};
use crate::grpc::to_proto;

/// How many identifiers a call asks for: as many as it may.
const AT_ONCE: usize = 1_000;

/// Finds the person of every label, all in one state of the store.
pub(super) fn look(server: &RemoteServer, truth: &Truth) -> Result<Seen, Failure> {
    let mut found = Vec::with_capacity(truth.labels.len());
    // The first answer says which state it is of; the others are asked for the same one.
    let mut options = None;
    for labels in truth.labels.chunks(AT_ONCE) {
        let persons = labels.iter().map(|(identifier, _)| person_by(to_proto::identifier(identifier)));
        let request = v1::BatchResolvePersonsRequest {
            persons: persons.collect(),
            options: options.clone(),
            view: v1::View::Ids.into(),
        };
        let answer = server.call(|client| async move { client.batch_resolve_persons(request).await })?;
        if answer.results.len() != labels.len() {
            return Err(server
                .contract("a batch of lookups with more or fewer answers than questions")
                .into());
        }
        for result in answer.results {
            found.push(person(server, result)?);
        }
        options.get_or_insert(v1::ReadOptions {
            as_of: Some(v1::read_options::AsOf::AsOfSequence(answer.sequence)),
            ..v1::ReadOptions::default()
        });
    }
    let (persons, largest) = server.call(|client| figures(client, options))?;
    Ok(Seen { found, persons, largest })
}

/// The person of one label, or why there is none.
fn person(
    server: &RemoteServer,
    result: v1::PersonResult,
) -> Result<Result<PersonId, &'static str>, Failure> {
    use v1::person_result::Outcome;
    let error = match result.outcome {
        Some(Outcome::Person(person)) => match person.person_id.parse() {
            Ok(id) => return Ok(Ok(id)),
            Err(_) => return Err(server.contract("a person's id that is none").into()),
        },
        Some(Outcome::Error(error)) => error,
        None => return Err(server.contract("a lookup without an answer").into()),
    };
    Ok(Err(match error.reason.as_str() {
        "IDENTIFIER_UNKNOWN" => why::UNSEEN,
        "HOUSEHOLD_SCOPE" => why::HOUSEHOLD,
        "UNDECLARED_NAMESPACE" => why::NO_NAMESPACE,
        "DENIED_VALUE" => why::DENIED,
        "INVALID_VALUE" | "TOO_MUCH" | "MISSING" => why::INVALID,
        _ => return Err(Failure::failed(error.message)),
    }))
}

/// How many persons there are, and how many identifiers the largest has. Where
/// the server's limits on queries do not let all persons be looked at, the
/// first is counted by the server and the second is not known.
async fn figures(
    client: Client,
    options: Option<v1::ReadOptions>,
) -> Result<(u64, Option<u32>), ClientError> {
    const TEXT: &str = "MATCH (p:Person) RETURN count(*) AS persons, max(p.size) AS largest";
    let request = v1::QueryRequest { text: TEXT.to_owned(), options, ..v1::QueryRequest::default() };
    let asked = async {
        let mut rows = client.query_with(request).await?;
        rows.next_row().await
    };
    let row = match asked.await {
        Ok(row) => row.unwrap_or_default(),
        Err(ClientError::Refused { code: Code::ResourceExhausted | Code::DeadlineExceeded, .. }) => {
            let stats = client.get_stats(v1::GetStatsRequest::default()).await?;
            return Ok((stats.persons, None));
        }
        Err(error) => return Err(error),
    };
    let mut numbers = row.into_iter().map(|value| match value.kind {
        Some(v1::value::Kind::IntValue(number)) => number,
        // Of no persons none is the largest.
        _ => 0,
    });
    let persons = numbers.next().and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let largest = numbers.next().and_then(|number| u32::try_from(number).ok());
    Ok((persons, largest))
}
