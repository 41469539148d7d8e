//! The test harness: the naive oracle, which decides what is right, and what
//! tests of several crates share.

pub mod bin;
pub mod components;
pub mod conformance;
pub mod data;
pub mod fuzz;
pub mod observed;
pub mod oracle;
pub mod page;
pub mod pictures;
pub mod query_oracle;
pub mod server;
pub mod work;

/// What a step of a test gives, or why it could not be made.
pub type TestResult<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
