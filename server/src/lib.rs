//! Kinfold's gRPC server and command line.
//!
//! [`run`] serves a store on a listener until it is told to stop; tests start it
//! in-process on port 0. The command line speaks to a server through
//! `kinfold_client`. Wire types and domain types meet in this crate alone.

mod admin_http;
mod audit;
mod auth;
pub mod cli;
mod config;
mod door;
mod grpc;
mod incoming;
mod metrics;
mod random;
mod reload;
mod schema_change;
mod serve;
mod settings;
mod tls;
mod tokens;
mod traces;
mod view;

pub use auth::Role;
pub use config::{ConfigError, ServeConfig};
pub use serve::{Listeners, bind, run};
pub use tls::{TlsError, TlsFiles};
pub use tokens::{Tokens, TokensError, new_token};
