//! Everything that crosses crates, in one binary.

mod cli;
mod conformance;
mod consent;
mod crash;
mod damage;
mod datasets;
mod engine;
mod evaluate;
mod fuzz;
mod language;
mod pictures;
mod privacy;
mod queries;
mod readme;
mod resolution;
mod server;
mod work;
