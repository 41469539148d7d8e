//! Files that are read again when they change, without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::ServeConfig;
use crate::metrics::Metrics;
use crate::tls::{TlsError, TlsFiles};
use crate::tokens::{Kept, Tokens, TokensError};

/// What a server was given in files.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// How connections are encrypted; `None`: they are not.
    pub(crate) tls: Option<Arc<Kept<Arc<rustls::ServerConfig>>>>,
    /// Who may call; `None`: everybody.
    pub(crate) tokens: Option<Arc<Kept<Tokens>>>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// One of those for TLS.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] TlsError),
    /// That of the tokens.
    #[error("tokens cannot be read: {0}")]
    Tokens(#[from] TokensError),
}

impl Credentials {
    /// Reads the files that the configuration names.
    pub(crate) fn load(config: &ServeConfig) -> Result<Self, CredentialsError> {
        let tls = config.tls.as_ref().map(TlsFiles::load).transpose()?;
        let tokens = config.tokens.as_deref().map(Tokens::load).transpose()?;
        Ok(Self {
            tls: tls.map(|tls| Arc::new(Kept::new(Arc::new(tls)))),
            tokens: tokens.map(|tokens| Arc::new(Kept::new(tokens))),
        })
    }

    /// Looks at the files again and again, and takes what is in them once it has
    /// changed and is right; until then what was there before goes on.
    pub(crate) async fn keep(self, config: ServeConfig, metrics: Metrics) {
        let mut tls = config.tls.as_ref().map(|files| print(files.all()));
        let mut tokens = config.tokens.as_deref().map(|file| print([file].into_iter()));
        loop {
            tokio::time::sleep(config.reload_interval).await;
            if let (Some(files), Some(kept), Some(known)) = (&config.tls, &self.tls, &mut tls) {
                let found = print(files.all());
                if found != *known {
                    *known = found;
                    let loaded = files.load();
                    metrics.reloaded("tls", loaded.is_ok());
                    match loaded {
                        Ok(loaded) => {
                            kept.set(Arc::new(loaded));
                            tracing::info!("new connections use the certificates that were put in place");
                        }
                        Err(error) => {
                            tracing::error!(%error, "the certificates in place cannot be used; those before stay");
                        }
                    }
                }
            }
            if let (Some(file), Some(kept), Some(known)) = (&config.tokens, &self.tokens, &mut tokens) {
                let found = print([file.as_path()].into_iter());
                if found != *known {
                    *known = found;
                    let loaded = Tokens::load(file);
                    metrics.reloaded("tokens", loaded.is_ok());
                    match loaded {
                        Ok(loaded) => {
                            tracing::info!(tokens = loaded.len(), "the tokens that were put in place hold");
                            kept.set(loaded);
                        }
                        Err(error) => {
                            tracing::error!(%error, "the tokens in place cannot be used; those before stay");
                        }
                    }
                }
            }
        }
    }
}

/// What tells whether files are what they were: a hash of what they hold.
fn print<'a>(files: impl Iterator<Item = &'a Path>) -> Vec<(PathBuf, Option<blake3::Hash>)> {
    files.map(|file| (file.to_owned(), std::fs::read(file).ok().map(|bytes| blake3::hash(&bytes)))).collect()
}
