//! The connection to a server, and how a call is made on it.

use std::future::Future;
use std::time::Duration;

use kinfold_proto::v1::query_service_server::SERVICE_NAME;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::address::{is_here, url};
use crate::error::{ClientError, causes, said};
use crate::retry::{Again, Retry};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest message that the client takes, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What a client shows a server, whom it trusts to be one, and how long it tries.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// The bearer token; `None` for a server that asks for none.
    pub token: Option<String>,
    /// The roots that the server's certificate must lead to, PEM; `None`: those of the system.
    pub ca: Option<Vec<u8>>,
    /// The client's own certificate and its key, PEM, for a server that asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// How long a call may take with all its tries; `None`: as long as the server lets it.
    /// Feeds of changes and streams of batches are not bound by it.
    pub timeout: Option<Duration>,
    /// What is tried again, and how often.
    pub retry: Retry,
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
    timeout: Option<Duration>,
    retry: Retry,
}

/// The way to the server, on which every call gets its token.
pub(crate) type Wire = InterceptedService<Channel, Bearer>;

/// Puts the token on a call.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

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

impl Client {
    /// Connects to `http://HOST:PORT` or `https://HOST:PORT`; the scheme may be left
    /// out (`http`), and so may the port.
    ///
    /// # Errors
    ///
    /// A text that names no server, one that nobody answers at, or one where
    /// something answers that is no Kinfold.
    pub async fn connect(server: &str) -> Result<Self, ClientError> {
        Self::connect_with(server, &ClientOptions::default()).await
    }

    /// Connects with what the server asks for. A token travels to another machine encrypted or not at all.
    ///
    /// # Errors
    ///
    /// Those of [`Client::connect`]; options that do not fit the address, or certificates that are none.
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
        let channel = InterceptedService::new(channel, Bearer(bearer));
        let client = Self { url, channel, timeout: options.timeout, retry: options.retry };
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

    /// Makes a call, and makes it again where that does no harm and may help.
    pub(crate) async fn call<Asked, Answered, Calling>(
        &self,
        again: Again,
        request: Asked,
        mut call: impl FnMut(Wire, Request<Asked>) -> Calling,
    ) -> Result<Answered, ClientError>
    where
        Asked: Clone,
        Calling: Future<Output = Result<Response<Answered>, Status>>,
    {
        let retry = if again == Again::Safe { self.retry } else { Retry::NEVER };
        let until = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut failed = 0;
        loop {
            let mut asked = Request::new(request.clone());
            if let Some(until) = until {
                asked.set_timeout(until.saturating_duration_since(Instant::now()));
            }
            let answer = call(self.channel.clone(), asked);
            let answer = match until {
                None => answer.await,
                Some(until) => match tokio::time::timeout_at(until, answer).await {
                    Ok(answer) => answer,
                    Err(_) => return Err(self.late()),
                },
            };
            let status = match answer {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => status,
            };
            failed += 1;
            let Some(pause) = retry.pause(failed, &status) else { return Err(self.refused(&status)) };
            if until.is_some_and(|until| Instant::now() + pause >= until) {
                return Err(self.refused(&status));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The way to the server, for a stream.
    pub(crate) fn wire(&self) -> Wire {
        self.channel.clone()
    }

    /// How streams are begun again.
    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// What a status says.
    pub(crate) fn refused(&self, status: &Status) -> ClientError {
        ClientError::of(&self.url, status)
    }

    /// An answer that does not follow the contract.
    pub(crate) fn contract(&self, what: impl Into<String>) -> ClientError {
        ClientError::Contract { url: self.url.clone(), what: what.into() }
    }

    fn late(&self) -> ClientError {
        ClientError::Refused {
            code: Code::DeadlineExceeded,
            reason: String::new(),
            message: format!("no answer within the client's {:?}", self.timeout.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_travels_encrypted() {
        let options = ClientOptions { token: Some("kf_1".into()), ..Default::default() };
        let error = Client::connect_with("10.0.0.1:1", &options).await.unwrap_err();
        assert!(error.to_string().contains("unencrypted"), "{error}");
        assert!(!format!("{options:?}{error:?}").contains("kf_1"));
    }

    #[tokio::test]
    async fn certificates_are_for_an_encrypted_connection() {
        let options = ClientOptions { ca: Some(Vec::new()), ..Default::default() };
        let error = Client::connect_with("127.0.0.1:1", &options).await.unwrap_err();
        assert!(error.to_string().contains("certificates are for `https`"), "{error}");
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
