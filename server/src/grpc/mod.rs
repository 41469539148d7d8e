//! The gRPC services: a file each. `from_proto` and `to_proto` are the only
//! places where wire and domain meet; `status` is the only one that decides
//! what clients see of an error.

mod admin;
mod call;
mod error;
mod explain;
pub(crate) mod from_proto;
mod ingest;
mod lookup;
mod page;
mod query;
mod status;
pub(crate) mod to_proto;
mod watch;
mod who;

pub(crate) use admin::Admin;
pub(crate) use call::App;
pub(crate) use error::CallError;
pub(crate) use explain::Explain;
pub(crate) use ingest::Ingest;
pub(crate) use lookup::Lookup;
pub(crate) use query::Queries;
pub(crate) use status::status;
pub(crate) use watch::Watching;
