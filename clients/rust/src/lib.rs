#![doc = include_str!("../README.md")]

mod address;
mod calls;
mod client;
mod error;
mod observing;
mod retry;
mod rows;
mod streams;

pub use kinfold_proto::v1;
pub use tonic::Code;

pub use address::DEFAULT_PORT;
pub use client::{Client, ClientOptions};
pub use error::ClientError;
pub use observing::{Observing, Promise};
pub use retry::Retry;
pub use rows::Rows;
pub use streams::{Export, Feed};

/// An identifier, as `identifier("email", "ann@example.com")`.
pub fn identifier(namespace: impl Into<String>, value: impl Into<String>) -> v1::Identifier {
    v1::Identifier { namespace: namespace.into(), value: value.into() }
}

/// The person whom an identifier belongs to, for calls that ask for one.
pub fn person_by(identifier: v1::Identifier) -> v1::PersonSelector {
    v1::PersonSelector { by: Some(v1::person_selector::By::Identifier(identifier)) }
}
