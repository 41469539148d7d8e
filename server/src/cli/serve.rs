//! `kinfold serve`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use kinfold_engine::{OpenOptions, Store};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::args::ServeArgs;
use super::failure::{Failure, styled};
use super::target::look_at;
use crate::config::{ConfigError, ServeConfig};
use crate::serve::Listeners;
use crate::settings::{LogFormat, Settings, SettingsError};

/// Serves a store until it is interrupted or terminated.
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let usage = |error: SettingsError| Failure::usage(error.to_string());
    let settings = Settings::gather(args.config.as_deref(), environment(), flags(args)).map_err(usage)?;
    if args.print_config {
        let mut out = io::stdout().lock();
        write!(out, "{}", settings.print())?;
        return Ok(out.flush()?);
    }
    log(settings.log_format)?;
    let Settings { store, config, storage, .. } = settings;
    config.check(config.listen).map_err(|error| Failure::usage(told(&error)))?;
    let Some(directory) = store else {
        return Err(Failure::usage("say where the store is: --store DIR, or `store` in the configuration"));
    };
    look_at(&directory)?;
    let store = Store::open(&directory, OpenOptions { storage, ..OpenOptions::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(config.most_threads())
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(serve(store, config))
}

/// What is wrong, in the terms of the command line.
fn told(error: &ConfigError) -> String {
    match error {
        ConfigError::Public { listen, lacking } => format!(
            "{listen} can be reached from other machines, and {lacking}: listen on 127.0.0.1 or [::1], give \
             --tls-certificate, --tls-key and --tokens, or say --insecure-public if whoever reaches the port may read \
             and write everything"
        ),
        ConfigError::Limit { .. } => error.to_string(),
    }
}

/// The settings of the environment; a name or a value that is no text is none of them.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings of the command line.
fn flags(args: &ServeArgs) -> Vec<(String, String)> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let named = [
        ("store", path(&args.store)),
        ("listen", address(args.listen)),
        ("admin", address(args.admin)),
        ("tls_certificate", path(&args.tls_certificate)),
        ("tls_key", path(&args.tls_key)),
        ("tls_client_ca", path(&args.tls_client_ca)),
        ("tokens", path(&args.tokens)),
        ("otlp_endpoint", args.otlp_endpoint.clone()),
        ("insecure_public", args.insecure_public.then(|| "true".to_owned())),
    ];
    let given = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.chain(args.set.iter().cloned()).collect()
}

async fn serve(store: Store, config: ServeConfig) -> Result<(), Failure> {
    // From here on a signal ends the server in order.
    let signals = |error: io::Error| Failure::failed(format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let listener = crate::bind(config.listen).await?;
    let unknown = |error: io::Error| Failure::failed(format!("cannot tell where it listens: {error}"));
    let address = listener.local_addr().map_err(unknown)?;
    let admin = match config.admin {
        Some(admin) => Some(crate::bind(admin).await?),
        None => None,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let mut said = format!("listening on {scheme}://{address}\n");
    if let Some(admin) = &admin {
        said += &format!("metrics and health on http://{}\n", admin.local_addr().map_err(unknown)?);
    }
    {
        // Calls that come from now on wait for the server at most a moment.
        let mut out = io::stdout().lock();
        if write!(out, "{said}").and_then(|()| out.flush()).is_err() {
            tracing::warn!("nobody reads standard output; serving all the same");
        }
    }
    let listeners = Listeners { calls: listener, admin };
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("interrupted"),
            _ = terminate.recv() => tracing::info!("asked to terminate"),
        }
    };
    Ok(crate::run(listeners, store, config, shutdown).await?)
}

/// Logs to standard error as `KINFOLD_LOG`, else `RUST_LOG`, says.
fn log(format: LogFormat) -> Result<(), Failure> {
    let set = |name| std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| (name, text));
    let filter = match set("KINFOLD_LOG").or_else(|| set("RUST_LOG")) {
        None => EnvFilter::new("info"),
        Some((name, text)) => EnvFilter::try_new(&text).map_err(|error| {
            Failure::usage(format!(
                "{name} is `{text}`: {error}; expected a level, as in `info`, or `MODULE=LEVEL`"
            ))
        })?,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails where a log is set up already, as in a test: that one does.
    let _ = match format {
        LogFormat::Text => log.with_ansi(styled(&io::stderr())).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    Ok(())
}
