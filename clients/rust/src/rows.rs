//! The answer to a query, row by row.

use std::collections::HashMap;

use kinfold_proto::v1;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::query_service_client::QueryServiceClient;
use tonic::Streaming;

use crate::client::{Client, MAX_MESSAGE_BYTES};
use crate::error::ClientError;
use crate::retry::Again;

impl Client {
    /// Runs a query with its parameters, named without the `$`; returns once its columns are known.
    pub async fn query(
        &self,
        text: &str,
        parameters: HashMap<String, v1::Value>,
    ) -> Result<Rows, ClientError> {
        self.query_with(v1::QueryRequest { text: text.to_owned(), parameters, ..Default::default() }).await
    }

    /// Runs a query on the view that the request asks for; returns once its columns are known.
    /// It is tried again up to then; what breaks behind it is told by [`Rows::next_row`].
    pub async fn query_with(&self, request: v1::QueryRequest) -> Result<Rows, ClientError> {
        let stream = self.call(Again::Safe, request, |wire, request| async move {
            let mut service = QueryServiceClient::new(wire).max_decoding_message_size(MAX_MESSAGE_BYTES);
            service.query(request).await
        });
        let mut rows = Rows {
            stream: stream.await?,
            client: self.clone(),
            columns: v1::QueryColumns::default(),
            batch: Vec::new().into_iter(),
            statistics: None,
        };
        match rows.part().await? {
            Part::Columns(columns) => rows.columns = columns,
            Part::Rows(_) | Part::Statistics(_) => return Err(self.contract("the columns do not come first")),
        }
        Ok(rows)
    }
}

/// A query's answer, row by row. Dropping it calls the query off.
#[derive(Debug)]
pub struct Rows {
    client: Client,
    stream: Streaming<v1::QueryResponse>,
    columns: v1::QueryColumns,
    batch: std::vec::IntoIter<v1::Row>,
    statistics: Option<v1::QueryStatistics>,
}

impl Rows {
    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns.names
    }

    /// The sequence number of the state that the query reads.
    pub fn sequence(&self) -> u64 {
        self.columns.sequence
    }

    /// What the query took; `None` until [`Rows::next_row`] has given its last row.
    pub fn statistics(&self) -> Option<&v1::QueryStatistics> {
        self.statistics.as_ref()
    }

    /// The next row, a value for each column; `None` after the last.
    pub async fn next_row(&mut self) -> Result<Option<Vec<v1::Value>>, ClientError> {
        loop {
            if let Some(row) = self.batch.next() {
                if row.values.len() != self.columns.names.len() {
                    return Err(self.client.contract("a row with more or fewer values than columns"));
                }
                return Ok(Some(row.values));
            }
            if self.statistics.is_some() {
                return Ok(None);
            }
            match self.part().await? {
                Part::Rows(rows) => self.batch = rows.rows.into_iter(),
                Part::Statistics(statistics) => self.statistics = Some(statistics),
                Part::Columns(_) => return Err(self.client.contract("columns come twice")),
            }
        }
    }

    async fn part(&mut self) -> Result<Part, ClientError> {
        match self.stream.message().await {
            Ok(Some(message)) => message.part.ok_or_else(|| self.client.contract("an empty message")),
            Ok(None) => Err(self.client.contract("the answer ends before its statistics")),
            Err(status) => Err(self.client.refused(&status)),
        }
    }
}
