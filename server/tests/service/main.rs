//! The service from a client's side of the wire: each test starts a server of
//! its own on port 0, over a store of its own.

#![allow(clippy::unwrap_used)]

mod acts;
mod client;
mod ends;
mod harness;
mod ingest;
mod limits;
mod lookup;
mod query;
mod watch;
