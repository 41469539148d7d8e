//! Kinfold's gRPC server and command line.
//!
//! [`run`] serves a store on a listener until it is told to stop; tests start it
//! in-process on port 0. [`client`] is what the command line speaks to a server
//! with. Wire types and domain types meet in this crate alone.

pub mod cli;
pub mod client;
mod config;
mod grpc;
mod incoming;
mod schema_change;
mod serve;
mod view;

pub use config::{ConfigError, DEFAULT_PORT, ServeConfig};
pub use serve::{bind, run};
