//! The server from its start to its end.

use std::future::Future;
use std::net::SocketAddr;

use kinfold_engine::Store;
use kinfold_proto::v1::admin_service_server::AdminServiceServer;
use kinfold_proto::v1::explain_service_server::ExplainServiceServer;
use kinfold_proto::v1::ingest_service_server::IngestServiceServer;
use kinfold_proto::v1::lookup_service_server::LookupServiceServer;
use kinfold_proto::v1::query_service_server::QueryServiceServer;
use kinfold_proto::v1::watch_service_server::WatchServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::admin_http;
use crate::audit;
use crate::config::ServeConfig;
use crate::door::Door;
use crate::grpc::{Admin, App, Explain, Ingest, Lookup, Queries, Watching};
use crate::incoming::{self, Incoming};
use crate::metrics::{Figures, Metrics};
use crate::reload::Credentials;
use crate::traces::Traces;

/// How long a shutdown waits for work that it has called off.
const CALLED_OFF: std::time::Duration = std::time::Duration::from_secs(1);

/// Listens on `address`; the error says what to do if that cannot be.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    incoming::bind(address).await
}

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For calls.
    pub calls: TcpListener,
    /// For those who watch the server, over HTTP; `None`: they cannot.
    pub admin: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(calls: TcpListener) -> Self {
        Self { calls, admin: None }
    }
}

/// Serves `store` on the listeners until `shutdown` is ready, then ends in order:
/// health says `NOT_SERVING`, nothing more is accepted, what is under way
/// finishes within `config.shutdown_timeout` (the rest is cut off), and the
/// store is closed.
///
/// `config.listen` and `config.admin` are not looked at: the listeners' own
/// addresses count, and that for calls must be a loopback one unless the
/// configuration has both TLS and tokens, or `config.insecure_public` says
/// otherwise. A failure before serving leaves the store open.
pub async fn run(
    listeners: impl Into<Listeners>,
    store: Store,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Listeners { calls: listener, admin } = listeners.into();
    let address = listener.local_addr()?;
    config.check(address)?;
    let credentials = Credentials::load(&config)?;
    let metrics = Metrics::default();
    let app = App::new(store, config, metrics.clone());
    let health = Health::new().await;
    let config = app.config();
    let leaving = CancellationToken::new();
    let _guard = leaving.clone().drop_guard();
    let auditor = match &config.audit_dir {
        None => None,
        Some(directory) => Some(audit::begin(
            directory.clone(),
            config.audit_retention_days,
            app.store().clone(),
            metrics.clone(),
        )?),
    };
    let traces = Traces::begin(config)?;
    let observed = metrics.clone();
    app.store().observe_commits(move |observations| observed.committed(observations));
    // What happens is counted from before the first call on, so that nothing is missed.
    let figures = Figures::new(app.store(), metrics.clone());

    let (receive, send) = (config.max_receive_bytes, config.max_send_bytes);
    macro_rules! bounded {
        ($server:ident, $service:expr) => {
            // What is decompressed is bounded as what comes plain is.
            $server::new($service)
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(receive)
                .max_encoding_message_size(send)
        };
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(kinfold_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = Server::builder()
        .max_concurrent_streams(config.max_streams_per_connection)
        .max_connection_age(config.max_connection_age)
        .max_connection_age_grace(config.max_connection_age_grace)
        .http2_max_header_list_size(config.max_header_bytes)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .layer(Door::new(config, credentials.tokens.clone(), metrics.clone(), auditor, traces.clone()))
        .add_service(health.server())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(bounded!(IngestServiceServer, Ingest(app.clone())))
        .add_service(bounded!(LookupServiceServer, Lookup(app.clone())))
        .add_service(bounded!(ExplainServiceServer, Explain(app.clone())))
        .add_service(bounded!(QueryServiceServer, Queries(app.clone())))
        .add_service(bounded!(WatchServiceServer, Watching(app.clone())))
        .add_service(bounded!(AdminServiceServer, Admin(app.clone())));

    let incoming =
        Incoming { tls: credentials.tls.clone(), cut: app.cut().clone(), metrics: metrics.clone() };
    let connections = incoming::accept(listener, config, incoming);
    let stopping = app.stopping().clone();
    let server = router.serve_with_incoming_shutdown(connections, stopping.clone().cancelled_owned());
    tokio::pin!(server);
    let encrypted = credentials.tls.is_some();
    let authenticated = credentials.tokens.is_some();
    tracing::info!(%address, encrypted, authenticated, "serving");
    // What goes on beside it ends with it.
    let beside = async {
        let pages = async {
            match admin {
                Some(admin) => {
                    admin_http::serve(admin, figures, leaving.clone(), app.cut().clone()).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::join!(credentials.keep(config.clone(), metrics.clone()), pages)
    };
    let serving = async {
        let ended_early = tokio::select! {
            served = &mut server => Some(served),
            () = shutdown => None,
        };
        match ended_early {
            Some(served) => served,
            None => {
                tracing::info!("shutting down");
                leaving.cancel();
                health.not_serving().await;
                // The server has to be driven on: it serves until the notice is over, and
                // then ends by itself once nothing is under way.
                let ending = async {
                    tokio::time::sleep(config.shutdown_notice).await;
                    stopping.cancel();
                    health.end_watches().await;
                    tokio::time::sleep(config.shutdown_timeout).await;
                };
                tokio::select! {
                    served = &mut server => served,
                    () = ending => {
                        tracing::warn!(after = ?config.shutdown_timeout, "calls that did not finish are cut off");
                        Ok(())
                    }
                }
            }
        }
    };
    let served = tokio::select! {
        served = serving => served,
        _ = beside => Ok(()),
    };
    stopping.cancel();
    app.cut().cancel();
    if tokio::time::timeout(CALLED_OFF, app.idle()).await.is_err() {
        tracing::warn!("the store is closed under work that does not stop");
    }
    let store = app.store().clone();
    let closed = tokio::task::spawn_blocking(move || store.close()).await?;
    if let Some(traces) = traces {
        traces.end().await;
    }
    served?;
    closed?;
    tracing::info!("the store is closed");
    Ok(())
}

/// What health checks are told, for each service and, under the empty name, for all.
struct Health(HealthReporter);

impl Health {
    const NAMES: [&'static str; 7] = [
        "",
        <IngestServiceServer<Ingest> as NamedService>::NAME,
        <LookupServiceServer<Lookup> as NamedService>::NAME,
        <ExplainServiceServer<Explain> as NamedService>::NAME,
        <QueryServiceServer<Queries> as NamedService>::NAME,
        <WatchServiceServer<Watching> as NamedService>::NAME,
        <AdminServiceServer<Admin> as NamedService>::NAME,
    ];

    async fn new() -> Self {
        let health = Self(HealthReporter::new());
        health.set(ServingStatus::Serving).await;
        health
    }

    fn server(&self) -> tonic_health::pb::health_server::HealthServer<tonic_health::server::HealthService> {
        let service = tonic_health::server::HealthService::from_health_reporter(self.0.clone());
        tonic_health::pb::health_server::HealthServer::new(service)
    }

    async fn set(&self, status: ServingStatus) {
        for name in Self::NAMES {
            self.0.set_service_status(name, status).await;
        }
    }

    async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams that watch: they would hold up the end of the server.
    /// Each still delivers the last status.
    async fn end_watches(&self) {
        let mut reporter = self.0.clone();
        for name in Self::NAMES {
            reporter.clear_service_status(name).await;
        }
    }
}
