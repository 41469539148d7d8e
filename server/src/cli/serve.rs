//! `kinfold serve`.

use std::io::{self, Write};

use kinfold_engine::{OpenOptions, Store};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::args::ServeArgs;
use super::failure::{Failure, styled};
use super::target::look_at;
use crate::config::ServeConfig;

/// Serves a store until it is interrupted or terminated.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    log()?;
    let config =
        ServeConfig { listen: args.listen, insecure_public: args.insecure_public, ..ServeConfig::default() };
    if config.check(args.listen).is_err() {
        return Err(Failure::usage(format!(
            "{} can be reached from other machines, and calls are neither encrypted nor authenticated: listen on \
             127.0.0.1 or [::1], or say --insecure-public if whoever reaches the port may read and write everything",
            args.listen
        )));
    }
    look_at(&args.store)?;
    let store = Store::open(&args.store, OpenOptions::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(serve(store, config))
}

async fn serve(store: Store, config: ServeConfig) -> Result<(), Failure> {
    // From here on a signal ends the server in order.
    let signals = |error: io::Error| Failure::failed(format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let listener = crate::bind(config.listen).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::failed(format!("cannot listen on {}: {error}", config.listen)))?;
    {
        // Calls that come from now on wait for the server at most a moment.
        let mut out = io::stdout().lock();
        if writeln!(out, "listening on http://{address}").and_then(|()| out.flush()).is_err() {
            tracing::warn!("nobody reads standard output; serving all the same");
        }
    }
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("asked to terminate"),
        }
    };
    Ok(crate::run(listener, store, config, shutdown).await?)
}

/// Logs to standard error as `KINFOLD_LOG`, else `RUST_LOG`, says.
fn log() -> Result<(), Failure> {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| (name, text));
    let filter = match set("KINFOLD_LOG").or_else(|| set("RUST_LOG")) {
        None => EnvFilter::new("info"),
        Some((name, text)) => EnvFilter::try_new(&text).map_err(|error| {
            Failure::usage(format!(
                "{name} is `{text}`: {error}; expected a level, as in `info`, or `MODULE=LEVEL`"
            ))
        })?,
    };
    // It fails where a log is set up already, as in a test: that one does.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(styled(&io::stderr()))
        .try_init();
    Ok(())
}
