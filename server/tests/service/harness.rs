//! A server for one test.

use std::net::SocketAddr;
use std::time::Duration;

use kinfold_engine::Store;
use kinfold_engine::schema::Schema;
use kinfold_proto::v1;
use kinfold_proto::v1::admin_service_client::AdminServiceClient;
use kinfold_proto::v1::explain_service_client::ExplainServiceClient;
use kinfold_proto::v1::ingest_service_client::IngestServiceClient;
use kinfold_proto::v1::lookup_service_client::LookupServiceClient;
use kinfold_proto::v1::query_service_client::QueryServiceClient;
use kinfold_proto::v1::watch_service_client::WatchServiceClient;
use kinfold_server::ServeConfig;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

const SCHEMA: &str = r#"
[person]
threshold = 0.5

[household]
threshold = 0.3

[namespace.email]
normalise = "email"

[namespace.phone]
normalise = "trim"

[namespace.device]
normalise = "trim"

[namespace.account]
normalise = "trim"
max_per_person = 1

[namespace.address]
normalise = "trim"
scope = "household"
"#;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    pub(crate) store: Store,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
    directory: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(ServeConfig::default()).await
    }

    pub(crate) async fn with(config: ServeConfig) -> Self {
        let server = Self::lazy(config).await;
        let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap();
        Self { channel: channel.connect().await.unwrap(), ..server }
    }

    /// A server whose channel is not connected yet.
    pub(crate) async fn lazy(config: ServeConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let schema = Schema::parse(SCHEMA, "schema.toml").unwrap();
        let store = Store::create(&directory.path().join("store"), schema).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(kinfold_server::run(listener, store.clone(), config, async {
            // A test that ends drops the sender: that is the signal too.
            let _ = stopped.await;
        }));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { address, channel, store, stop: Some(stop), running: Some(running), directory }
    }

    pub(crate) fn ingest(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel.clone())
    }

    pub(crate) fn lookup(&self) -> LookupServiceClient<Channel> {
        LookupServiceClient::new(self.channel.clone())
    }

    pub(crate) fn explain(&self) -> ExplainServiceClient<Channel> {
        ExplainServiceClient::new(self.channel.clone())
    }

    pub(crate) fn queries(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    pub(crate) fn watching(&self) -> WatchServiceClient<Channel> {
        WatchServiceClient::new(self.channel.clone())
    }

    /// Writes observations of pairs of identifiers, as one batch.
    pub(crate) async fn pairs(&self, pairs: &[(&str, &str)]) -> v1::Receipt {
        let observations = pairs.iter().map(|(a, b)| seen("crm", &[a, b])).collect();
        let request = v1::ObserveRequest { request_id: String::new(), observations };
        let receipt = self.ingest().observe(request).await.unwrap().into_inner().receipt.unwrap();
        assert_eq!(receipt.rejections, []);
        receipt
    }

    /// The id of the person whom an identifier belongs to.
    pub(crate) async fn person(&self, name: &str) -> v1::Person {
        let request = v1::ResolvePersonRequest { person: Some(by(name)), ..Default::default() };
        self.lookup().resolve_person(request).await.unwrap().into_inner().person.unwrap()
    }

    /// Tells the server to stop, and gives what `run` gave.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.tell_to_stop();
        self.ended().await
    }

    /// Lets go of all but the directory.
    pub(crate) fn into_directory(self) -> tempfile::TempDir {
        self.directory
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let running = self.running.take().unwrap();
        tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap()
    }
}

/// A file of tokens in a directory of its own, and the tokens: by role, and one
/// that may read all but the values of `email`.
pub(crate) struct TokenFile {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) read: String,
    pub(crate) write: String,
    pub(crate) admin: String,
    pub(crate) veiled: String,
}

impl TokenFile {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut text = String::new();
        let mut token = |name: &str, role: &str, more: &str| {
            let (token, hash) = kinfold_server::new_token().unwrap();
            text += &format!("[[token]]\nname = \"{name}\"\nhash = \"{hash}\"\nrole = \"{role}\"\n{more}\n");
            token
        };
        let (read, write) = (token("reader", "read", ""), token("writer", "write", "hide = [\"device\"]"));
        let (admin, veiled) = (token("admin", "admin", ""), token("veiled", "read", "hide = [\"email\"]"));
        std::fs::write(directory.path().join("tokens.toml"), text).unwrap();
        Self { directory, read, write, admin, veiled }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("tokens.toml")
    }
}

/// A request that brings a token.
pub(crate) fn bearing<T>(token: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// An identifier written `namespace:value`.
pub(crate) fn named(name: &str) -> v1::Identifier {
    let (namespace, value) = name.split_once(':').unwrap();
    v1::Identifier { namespace: namespace.to_owned(), value: value.to_owned() }
}

pub(crate) fn by(name: &str) -> v1::PersonSelector {
    v1::PersonSelector { by: Some(v1::person_selector::By::Identifier(named(name))) }
}

pub(crate) fn by_id(id: &str) -> v1::PersonSelector {
    v1::PersonSelector { by: Some(v1::person_selector::By::PersonId(id.to_owned())) }
}

/// What `source` saw together at one time.
pub(crate) fn seen(source: &str, names: &[&str]) -> v1::Observation {
    v1::Observation {
        source: source.to_owned(),
        time: Some(prost_types::Timestamp { seconds: 1_767_571_200, nanos: 0 }),
        identifiers: names.iter().map(|name| named(name)).collect(),
        ..Default::default()
    }
}

/// The code and the stable reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

/// The field at fault.
pub(crate) fn field(status: &Status) -> String {
    status.get_error_details().bad_request().unwrap().field_violations[0].field.clone()
}
