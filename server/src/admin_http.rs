//! Metrics and health over HTTP, for whoever watches the server.
//!
//! It tells figures and states, never anything of a person; it has neither TLS nor
//! tokens, and so listens where the network lets only the watchers in.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Figures;

/// What the pages tell of.
struct Told {
    figures: Figures,
    /// Cancelled when the server takes no more work.
    leaving: CancellationToken,
}

/// How often changes to who is who are counted where nobody asks for the figures.
const COUNTED: Duration = Duration::from_secs(10);

/// Serves the pages until `end` is cancelled; `/ready` says no from `leaving` on.
pub(crate) async fn serve(
    listener: TcpListener,
    figures: Figures,
    leaving: CancellationToken,
    end: CancellationToken,
) {
    let told = Arc::new(Told { figures, leaving });
    let counted = Arc::clone(&told);
    let pages = Router::new()
        .route("/metrics", get(gather))
        .route("/live", get(|| async { "alive\n" }))
        .route("/ready", get(ready))
        .with_state(told);
    let served = axum::serve(listener, pages).with_graceful_shutdown(end.cancelled_owned());
    let counting = async {
        loop {
            tokio::time::sleep(COUNTED).await;
            let told = Arc::clone(&counted);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || told.figures.count_events()).await {
                tracing::error!(%error, "changes to who is who cannot be counted");
            }
        }
    };
    let served = tokio::select! {
        served = served => served,
        () = counting => Ok(()),
    };
    if let Err(error) = served {
        tracing::error!(%error, "metrics and health are not served any longer");
    }
}

async fn gather(State(told): State<Arc<Told>>) -> Response {
    let gathered = tokio::task::spawn_blocking(move || told.figures.text()).await;
    match gathered {
        Ok(Ok(text)) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be gathered\n").into_response(),
    }
}

async fn ready(State(told): State<Arc<Told>>) -> Response {
    if told.leaving.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    "ready\n".into_response()
}
