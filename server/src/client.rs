//! A client for Rust: what the command line speaks to a server with.

use std::future::Future;
use std::time::Duration;

use kinfold_engine::model::{AttributeValue, Identifier, Observation};
use kinfold_engine::write::{Act, Authored};
use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_client::AdminServiceClient;
use kinfold_proto::v1::ingest_service_client::IngestServiceClient;
use kinfold_proto::v1::query_response::Part;
use kinfold_proto::v1::query_service_client::QueryServiceClient;
use kinfold_proto::v1::query_service_server::SERVICE_NAME;
use kinfold_proto::v1::value::Kind;
use kinfold_proto::v1::watch_service_client::WatchServiceClient;
use kinfold_query::{List, Map, Params, Value};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::config::DEFAULT_PORT;
use crate::grpc::{from_proto, to_proto};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest message that the client takes, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How often a call is made that may be made again, and how long the first pause is; each is twice the one before.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a client shows a server, and whom it trusts to be one.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// The bearer token; `None` for a server that asks for none.
    pub token: Option<String>,
    /// The roots that the server's certificate must lead to, PEM; `None`: those of the system.
    pub ca: Option<Vec<u8>>,
    /// The client's own certificate and its key, PEM, for a server that asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientOptions(..)")
    }
}

/// A connection to a server. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    channel: Wire,
}

/// The way to the server, on which every call gets its token.
type Wire = InterceptedService<Channel, Bearer>;

/// Puts the token on a call.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(..)")
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text names no server.
    #[error(
        "`{given}` names no server: {why}; expected `http://HOST:PORT` or `https://HOST:PORT`, as in `http://127.0.0.1:{DEFAULT_PORT}`"
    )]
    Url {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing answers there.
    #[error("no server answers at {url}: {why}; is `kinfold serve` running there?")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What went wrong, from the outside in.
        why: String,
    },
    /// Something answers that is no Kinfold.
    #[error("what answers at {url} is no Kinfold server ({why}); is that the right port?")]
    NotKinfold {
        /// The address.
        url: String,
        /// What it said.
        why: String,
    },
    /// The server refused, with its own words.
    #[error("{message}")]
    Refused {
        /// The canonical code.
        code: Code,
        /// The stable name of the reason, as `UNKNOWN_LABEL`; empty if the server gave none.
        reason: String,
        /// What is wrong and what to do; several lines for an error in a query.
        message: String,
    },
    /// The server sent what the contract does not allow.
    #[error("the server at {url} sent an answer that does not follow the contract: {what}")]
    Contract {
        /// The server's address.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// A parameter that does not travel.
    #[error("parameter `${name}`: {why}")]
    Parameter {
        /// The parameter's name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Client {
    /// Connects to `http://HOST:PORT` or `https://HOST:PORT`; the scheme may be left
    /// out (`http`), and so may the port.
    pub async fn connect(server: &str) -> Result<Self, ClientError> {
        Self::connect_with(server, &ClientOptions::default()).await
    }

    /// Connects with what the server asks for. A token travels to another machine encrypted or not at all.
    pub async fn connect_with(server: &str, options: &ClientOptions) -> Result<Self, ClientError> {
        let url = url(server)?;
        let wrong = |why: &str| ClientError::Url { given: server.to_owned(), why: why.to_owned() };
        let bearer = match &options.token {
            None => None,
            Some(token) => {
                let value = format!("Bearer {}", token.trim()).parse();
                let mut value: MetadataValue<Ascii> =
                    value.map_err(|_| wrong("the token holds what no header may hold"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let mut endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| ClientError::Url { given: server.to_owned(), why: causes(&error) })?;
        if url.starts_with("https:") {
            let mut tls = match &options.ca {
                Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            if let Some((certificate, key)) = &options.identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|error| ClientError::Url { given: server.to_owned(), why: causes(&error) })?;
        } else if bearer.is_some() && !is_here(&url) {
            return Err(wrong("a token would travel unencrypted; use `https`"));
        } else if options.ca.is_some() || options.identity.is_some() {
            return Err(wrong("certificates are for `https`"));
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .user_agent(concat!("kinfold/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| ClientError::Url { given: server.to_owned(), why: causes(&error) })?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| ClientError::Unreachable { url: url.clone(), why: causes(&error) })?;
        let client = Self { url, channel: InterceptedService::new(channel, Bearer(bearer)) };
        client.probe().await?;
        Ok(client)
    }

    /// Asks for the server's health, so that a wrong address is told from a
    /// server in trouble before anything is sent to it.
    async fn probe(&self) -> Result<(), ClientError> {
        let other = |why: String| Err(ClientError::NotKinfold { url: self.url.clone(), why });
        let mut health = HealthClient::new(self.channel.clone());
        let service = SERVICE_NAME.to_owned();
        let asked = tokio::time::timeout(CONNECT, health.check(HealthCheckRequest { service }));
        match asked.await {
            Err(_) => other(format!("no answer within {CONNECT:?}")),
            Ok(Err(status)) => match status.code() {
                Code::NotFound | Code::Unimplemented => other(status.message().to_owned()),
                // Made here, of a connection that broke when spoken to in gRPC.
                Code::Cancelled | Code::Unknown | Code::Internal => {
                    other(format!("it does not answer in gRPC: {}", said(&status)))
                }
                _ => Err(self.refused(&status)),
            },
            // One that is not serving says so itself to whatever it is asked.
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a query; returns once its columns are known.
    pub async fn query(&self, text: &str, parameters: &Params) -> Result<Rows, ClientError> {
        let mut wire = std::collections::HashMap::new();
        for (name, value) in parameters {
            let value = to_proto::parameter(value)
                .map_err(|error| ClientError::Parameter { name: name.clone(), why: error.to_string() })?;
            wire.insert(name.clone(), value);
        }
        let request =
            v1::QueryRequest { text: text.to_owned(), parameters: wire, ..v1::QueryRequest::default() };
        let mut client =
            QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let stream = client.query(request).await.map_err(|status| self.refused(&status))?.into_inner();
        let mut rows = Rows {
            client: self.clone(),
            stream,
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

    /// Makes a call that may be made again, since it changes nothing or is known to
    /// the server by its name: where a server is busy or away for a moment, after a pause.
    async fn again<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match call().await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => {
                    let asked = status.get_error_details().retry_info().and_then(|retry| retry.retry_delay);
                    let broken = status.code() == Code::Unavailable;
                    // What never comes right by itself says nothing of when to come back.
                    let Some(wait) = asked.or(broken.then_some(pause)) else {
                        return Err(self.refused(&status));
                    };
                    tokio::time::sleep(wait.min(LONGEST_PAUSE)).await;
                    pause *= 2;
                }
            }
        }
        call().await.map(tonic::Response::into_inner).map_err(|status| self.refused(&status))
    }

    /// The store's figures.
    pub async fn stats(&self) -> Result<v1::GetStatsResponse, ClientError> {
        self.again(|| {
            let mut client = AdminServiceClient::new(self.channel.clone());
            async move { client.get_stats(v1::GetStatsRequest::default()).await }
        })
        .await
    }

    /// Checks the store on the server.
    pub async fn check(&self) -> Result<v1::CheckResponse, ClientError> {
        let mut client =
            AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = client.check(v1::CheckRequest::default()).await;
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Writes a batch; returns when it is on disk.
    pub async fn observe(
        &self,
        request_id: Option<&str>,
        observations: &[Observation],
    ) -> Result<v1::Receipt, ClientError> {
        let request = v1::ObserveRequest {
            request_id: request_id.unwrap_or_default().to_owned(),
            observations: observations.iter().map(observation).collect(),
        };
        let call = || {
            let mut client =
                IngestServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let request = request.clone();
            async move { client.observe(request).await }
        };
        let answer = match request_id {
            Some(_) => self.again(call).await?,
            // Without a name it might be written twice.
            None => call().await.map_err(|status| self.refused(&status))?.into_inner(),
        };
        answer.receipt.ok_or_else(|| self.contract("no receipt"))
    }

    /// Does something in somebody's name: an override, or evidence withdrawn.
    pub async fn act(&self, act: &Act, by: &Authored) -> Result<v1::ActReceipt, ClientError> {
        let mut client =
            IngestServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (author, reason, request_id) = (by.author.clone(), by.reason.clone(), String::new());
        let pair = |a, b| (Some(identifier(a)), Some(identifier(b)));
        let retract = |what| v1::RetractRequest {
            what: Some(v1::Retraction { what: Some(what) }),
            author: by.author.clone(),
            reason: by.reason.clone(),
            request_id: String::new(),
        };
        use v1::retraction::What;
        let answer = match act {
            Act::Forbid(a, b) => {
                let (a, b) = pair(a, b);
                let answer = client.forbid(v1::ForbidRequest { a, b, author, reason, request_id }).await;
                answer.map(|answer| answer.into_inner().receipt)
            }
            Act::Require(a, b) => {
                let (a, b) = pair(a, b);
                let answer = client.require(v1::RequireRequest { a, b, author, reason, request_id }).await;
                answer.map(|answer| answer.into_inner().receipt)
            }
            Act::Release(a, b) => {
                let (a, b) = pair(a, b);
                let answer = client.release(v1::ReleaseRequest { a, b, author, reason, request_id }).await;
                answer.map(|answer| answer.into_inner().receipt)
            }
            Act::RetractLink { source, a, b } => {
                let (a, b) = pair(a, b);
                let what = What::Link(v1::RetractedLink { source: source.clone(), a, b });
                client.retract(retract(what)).await.map(|answer| answer.into_inner().receipt)
            }
            Act::RetractRecord { source, record_id } => {
                let (source, record_id) = (source.clone(), record_id.clone());
                let what = What::Record(v1::RetractedRecord { source, record_id });
                client.retract(retract(what)).await.map(|answer| answer.into_inner().receipt)
            }
            Act::RetractSource { source } => {
                let what = What::Source(source.clone());
                client.retract(retract(what)).await.map(|answer| answer.into_inner().receipt)
            }
        };
        answer.map_err(|status| self.refused(&status))?.ok_or_else(|| self.contract("no receipt"))
    }

    /// The text of the schema in force.
    pub async fn schema(&self) -> Result<String, ClientError> {
        let answer = self.again(|| {
            let mut client = AdminServiceClient::new(self.channel.clone());
            async move { client.get_schema(v1::GetSchemaRequest::default()).await }
        });
        Ok(answer.await?.schema)
    }

    /// What a schema would change; nothing is written.
    pub async fn plan_schema(
        &self,
        request: v1::PlanSchemaRequest,
    ) -> Result<v1::PlanSchemaResponse, ClientError> {
        let mut client =
            AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = client.plan_schema(request).await;
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Puts a schema in force; returns when it is on disk.
    pub async fn apply_schema(
        &self,
        request: v1::ApplySchemaRequest,
    ) -> Result<v1::ApplySchemaResponse, ClientError> {
        let mut client =
            AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answer = client.apply_schema(request).await;
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Follows the changes to who is who from a position on; does not end by itself.
    pub async fn watch(&self, from: v1::WatchPosition) -> Result<Feed, ClientError> {
        let mut client =
            WatchServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::WatchRequest { from: Some(from), view: v1::View::Full.into() };
        let stream = client.watch(request).await.map_err(|status| self.refused(&status))?.into_inner();
        Ok(Feed { client: self.clone(), stream })
    }

    fn refused(&self, status: &Status) -> ClientError {
        let details = status.get_error_details();
        let ours = details.error_info();
        let (url, message) = (self.url.clone(), status.message().to_owned());
        match (status.code(), ours) {
            (code, Some(info)) => ClientError::Refused { code, reason: info.reason.clone(), message },
            (Code::Unimplemented, None) => ClientError::NotKinfold { url, why: message },
            // The transport's own: the connection broke.
            (Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled, None) => {
                ClientError::Unreachable { url, why: said(status) }
            }
            (code, None) => ClientError::Refused { code, reason: String::new(), message },
        }
    }

    fn contract(&self, what: impl Into<String>) -> ClientError {
        ClientError::Contract { url: self.url.clone(), what: what.into() }
    }
}

/// A feed of changes. Dropping it ends it.
#[derive(Debug)]
pub struct Feed {
    client: Client,
    stream: Streaming<v1::WatchResponse>,
}

impl Feed {
    /// The next message: events, or none where there are none for now. Its
    /// position is where another feed would go on behind it.
    pub async fn next(&mut self) -> Result<v1::WatchResponse, ClientError> {
        match self.stream.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.client.contract("the feed ends without a reason")),
            Err(status) => Err(self.client.refused(&status)),
        }
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
    pub async fn next_row(&mut self) -> Result<Option<Vec<Value>>, ClientError> {
        loop {
            if let Some(row) = self.batch.next() {
                if row.values.len() != self.columns.names.len() {
                    return Err(self.client.contract("a row with more or fewer values than columns"));
                }
                let values: Result<_, _> = row.values.into_iter().map(|it| self.client.value(it)).collect();
                return values.map(Some);
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

impl Client {
    /// A value of an answer. Its depth is bounded where messages are decoded.
    fn value(&self, wire: v1::Value) -> Result<Value, ClientError> {
        Ok(match wire.kind {
            Some(Kind::ListValue(list)) => Value::List(self.list(list.values)?),
            Some(Kind::MapValue(map)) => Value::Map(self.map(map.entries)?),
            Some(Kind::NodeValue(node)) => self.node(*node)?,
            Some(Kind::RelationshipValue(relationship)) => self.relationship(*relationship)?,
            Some(Kind::PathValue(path)) => self.path(*path)?,
            kind => {
                from_proto::parameter(v1::Value { kind }).map_err(|error| self.contract(error.to_string()))?
            }
        })
    }

    fn list(&self, values: Vec<v1::Value>) -> Result<List, ClientError> {
        values.into_iter().map(|it| self.value(it)).collect()
    }

    fn map(&self, entries: std::collections::HashMap<String, v1::Value>) -> Result<Map, ClientError> {
        entries.into_iter().map(|(name, it)| Ok((name, self.value(it)?))).collect()
    }

    fn node(&self, node: v1::Node) -> Result<Value, ClientError> {
        let labels: Value = node.labels.into_iter().map(Value::from).collect();
        let properties = Value::Map(self.map(node.properties)?);
        Ok(Value::Map(
            [("id", Value::from(node.id)), ("labels", labels), ("properties", properties)]
                .into_iter()
                .collect(),
        ))
    }

    fn relationship(&self, relationship: v1::Relationship) -> Result<Value, ClientError> {
        let properties = Value::Map(self.map(relationship.properties)?);
        Ok(Value::Map(
            [
                ("type", Value::from(relationship.r#type)),
                ("start", Value::from(relationship.start_id)),
                ("end", Value::from(relationship.end_id)),
                ("properties", properties),
            ]
            .into_iter()
            .collect(),
        ))
    }

    fn path(&self, path: v1::Path) -> Result<Value, ClientError> {
        let nodes = path.nodes.into_iter().map(|it| self.node(it)).collect::<Result<Value, _>>()?;
        let relationships =
            path.relationships.into_iter().map(|it| self.relationship(it)).collect::<Result<Value, _>>()?;
        Ok(Value::Map([("nodes", nodes), ("relationships", relationships)].into_iter().collect()))
    }
}

/// An identifier as it travels.
fn identifier(it: &Identifier) -> v1::Identifier {
    v1::Identifier { namespace: it.namespace.clone(), value: it.value.clone() }
}

/// An observation as it travels.
pub(crate) fn observation(it: &Observation) -> v1::Observation {
    v1::Observation {
        source: it.source.clone(),
        time: Some(to_proto::timestamp(it.time)),
        identifiers: it.identifiers.iter().map(identifier).collect(),
        confidence: Some(it.confidence),
        kind: it.kind.clone().unwrap_or_default(),
        record_id: it.record_id.clone().unwrap_or_default(),
        attributes: it
            .attributes
            .iter()
            .map(|(name, value): (&String, &AttributeValue)| (name.clone(), to_proto::attribute_value(value)))
            .collect(),
    }
}

/// The server's address in full.
fn url(server: &str) -> Result<String, ClientError> {
    let wrong = |why: &str| ClientError::Url { given: server.to_owned(), why: why.to_owned() };
    let trimmed = server.trim();
    let (scheme, rest) = match trimmed.split_once("://") {
        Some(("http", rest)) => ("http", rest),
        Some(("https", rest)) => ("https", rest),
        Some(_) => return Err(wrong("the scheme is neither `http` nor `https`")),
        None => ("http", trimmed),
    };
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() {
        return Err(wrong("it has no host"));
    }
    if authority.contains(['/', '?', '#', '@', ' ']) {
        return Err(wrong("it holds more than a host and a port"));
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() || host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(wrong("its host is none; an IPv6 address stands in brackets, as in `[::1]`"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("its port is no number from 1 to 65535")),
            Ok(port) => port,
        },
    };
    Ok(format!("{scheme}://{host}:{port}"))
}

/// Whether a whole address is one of this machine.
fn is_here(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A status of the transport with what caused it.
fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), causes(source)),
        None => status.message().to_owned(),
    }
}

/// What went wrong, from the outside in; what repeats is left out.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        inner = cause.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_or_refused() {
        for (given, full) in [
            ("localhost", "http://localhost:7437"),
            ("http://localhost:80/", "http://localhost:80"),
            (" 10.0.0.1:9 ", "http://10.0.0.1:9"),
            ("[::1]", "http://[::1]:7437"),
            ("https://a.example", "https://a.example:7437"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(url(given).unwrap(), full);
        }
        for bad in
            ["", "http://", "https://", "ftp://a", "a:0", "a:b", "a:70000", "a/b", ":1", "::1", "u@h:1"]
        {
            assert!(matches!(url(bad), Err(ClientError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_known() {
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1:1", false),
            ("http://localhost.example:1", false),
        ] {
            assert_eq!(is_here(url), here, "{url}");
        }
    }

    #[tokio::test]
    async fn a_token_travels_encrypted() {
        let options = ClientOptions { token: Some("kf_1".into()), ..Default::default() };
        let error = Client::connect_with("10.0.0.1:1", &options).await.unwrap_err();
        assert!(error.to_string().contains("unencrypted"), "{error}");
        assert!(!format!("{options:?}{error:?}").contains("kf_1"));
    }

    #[test]
    fn an_observation_travels_whole() {
        let observation = Observation {
            source: "crm".into(),
            time: "2026-01-05T00:00:00.25Z".parse().unwrap(),
            identifiers: vec![kinfold_engine::model::Identifier::new("email", "ann@example.com")],
            confidence: 0.5,
            kind: Some("login".into()),
            record_id: Some("7".into()),
            attributes: [
                ("age".to_owned(), AttributeValue::Number(1.5)),
                ("vip".to_owned(), AttributeValue::Bool(true)),
            ]
            .into(),
        };
        let wire = super::observation(&observation);
        let back = from_proto::batch(String::new(), vec![wire]).unwrap();
        assert_eq!(back.batch.observations, [observation]);
    }

    #[tokio::test]
    async fn an_address_without_a_server_is_named() {
        // Bound and closed again, so that nothing listens there.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = Client::connect(&address.to_string()).await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
