//! The server from its start to its end.

use std::future::Future;
use std::net::SocketAddr;

use kinfold_engine::Store;
use kinfold_proto::v1::admin_service_server::AdminServiceServer;
use kinfold_proto::v1::ingest_service_server::IngestServiceServer;
use kinfold_proto::v1::lookup_service_server::LookupServiceServer;
use kinfold_proto::v1::query_service_server::QueryServiceServer;
use kinfold_proto::v1::watch_service_server::WatchServiceServer;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::ServeConfig;
use crate::grpc::{Admin, App, Ingest, Lookup, Queries, Watching};
use crate::incoming;

/// How long a shutdown waits for work that it has called off.
const CALLED_OFF: std::time::Duration = std::time::Duration::from_secs(1);

/// Listens on `address`; the error says what to do if that cannot be.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    incoming::bind(address).await
}

/// Serves `store` on `listener` until `shutdown` is ready, then ends in order:
/// health says `NOT_SERVING`, nothing more is accepted, what is under way
/// finishes within `config.shutdown_timeout` (the rest is cut off), and the
/// store is closed.
///
/// `config.listen` is not looked at: the listener's own address is what must be
/// a loopback one unless `config.insecure_public` says otherwise. A failure
/// before serving leaves the store open.
pub async fn run(
    listener: TcpListener,
    store: Store,
    config: ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    config.check(address)?;
    let app = App::new(store, config);
    let health = Health::new().await;
    let config = app.config();

    let (receive, send) = (config.max_receive_bytes, config.max_send_bytes);
    macro_rules! bounded {
        ($server:ident, $service:expr) => {
            $server::new($service).max_decoding_message_size(receive).max_encoding_message_size(send)
        };
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(kinfold_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let router = Server::builder()
        .concurrency_limit_per_connection(config.max_calls_per_connection)
        .load_shed(true)
        .max_concurrent_streams(config.max_streams_per_connection)
        .http2_max_header_list_size(config.max_header_bytes)
        .http2_keepalive_interval(Some(config.keepalive_interval))
        .http2_keepalive_timeout(Some(config.keepalive_timeout))
        .add_service(health.server())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(bounded!(IngestServiceServer, Ingest(app.clone())))
        .add_service(bounded!(LookupServiceServer, Lookup(app.clone())))
        .add_service(bounded!(QueryServiceServer, Queries(app.clone())))
        .add_service(bounded!(WatchServiceServer, Watching(app.clone())))
        .add_service(bounded!(AdminServiceServer, Admin(app.clone())));

    let connections = incoming::accept(listener, config.max_connections, app.cut().clone());
    let stopping = app.stopping().clone();
    let server = router.serve_with_incoming_shutdown(connections, stopping.clone().cancelled_owned());
    tokio::pin!(server);
    tracing::info!(%address, "serving");
    let ended_early = tokio::select! {
        served = &mut server => Some(served),
        () = shutdown => None,
    };
    let served = match ended_early {
        Some(served) => served,
        None => {
            tracing::info!("shutting down");
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
    };
    stopping.cancel();
    app.cut().cancel();
    if tokio::time::timeout(CALLED_OFF, app.idle()).await.is_err() {
        tracing::warn!("the store is closed under work that does not stop");
    }
    let store = app.store().clone();
    let closed = tokio::task::spawn_blocking(move || store.close()).await?;
    served?;
    closed?;
    tracing::info!("the store is closed");
    Ok(())
}

/// What health checks are told, for each service and, under the empty name, for all.
struct Health(HealthReporter);

impl Health {
    const NAMES: [&'static str; 6] = [
        "",
        <IngestServiceServer<Ingest> as NamedService>::NAME,
        <LookupServiceServer<Lookup> as NamedService>::NAME,
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
