//! The service from a client's side of the wire: each test starts a server of
//! its own on port 0, over a store of its own.

#![allow(clippy::unwrap_used)]

mod acts;
mod audit;
mod client;
mod ends;
mod explain;
mod harness;
mod ingest;
mod limits;
mod lookup;
mod network;
mod options;
mod query;
mod security;
mod traces;
mod watch;
