//! The query language of Kinfold: parse, bind, plan, run.
//!
//! One language, two kinds of statement, one kind of result. *Verbs*
//! (`PROFILE email:'ann@example.com'`) ask what identity work asks every day;
//! *graph queries* are the read-only part of the openCypher grammar over the
//! graph of identifiers, persons and households. Both give named columns and a
//! stream of rows of typed [`Value`]s.
//!
//! A text goes through four stages, a module each: [`parser`] makes the tree of
//! [`ast`], the binder resolves every name in it and refuses what makes no
//! sense, the planner puts the patterns in the order that touches the store
//! least, and the executor pulls rows one at a time. Every stage reports what
//! is wrong as a [`QueryError`] with its place in the text.
//!
//! ```
//! use kinfold_query::{MemoryGraph, Options, Params, Value, prepare_on};
//!
//! let mut graph = MemoryGraph::new();
//! let ann = graph.add_node(&["Person"], [("name", Value::from("Ann"))]);
//! let bob = graph.add_node(&["Person"], [("name", Value::from("Bob"))]);
//! graph.add_relationship(ann, "KNOWS", bob, []);
//! let text = "MATCH (a {name: $who})-[:KNOWS]->(b) RETURN b.name AS friend";
//! let params = Params::from([("who".to_owned(), Value::from("Ann"))]);
//! let prepared = prepare_on(text, Box::new(&graph), params, Options::default())?;
//! assert_eq!(prepared.columns(), ["friend"]);
//! let rows: Result<Vec<_>, _> = prepared.run().collect();
//! assert_eq!(rows?, [[Value::from("Bob")]]);
//! # Ok::<(), kinfold_query::QueryError>(())
//! ```

pub mod ast;
mod bind;
mod complete;
mod error;
mod exec;
mod functions;
pub mod graph;
mod identity;
mod limits;
mod memory;
pub mod parser;
mod plan;
mod prepare;
mod print;
mod value;
mod verbs;
mod view;

pub use complete::{Names, complete};
pub use error::{ErrorKind, QueryError};
pub use identity::IdentityGraph;
pub use limits::{Limits, Stats};
pub use memory::MemoryGraph;
pub use parser::parse;
pub use prepare::{Options, Params, Parsed, Planning, Prepared, Rows, Strictness, prepare_on};
pub use value::{Duration, List, Map, NodeData, NodeValue, PathValue, RelData, RelValue, Value};
