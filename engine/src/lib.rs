//! The storage and resolution core of Kinfold.
//!
//! Observations of identifiers go in ([`Store::observe`]); persons and
//! households come out ([`Store::snapshot`], [`read::Read`]). The crate knows
//! no wire format and no query text.

pub mod answers;
#[cfg_attr(not(feature = "store"), allow(dead_code))]
pub mod consent;
pub mod model;
pub mod normalise;
pub mod profile;
pub mod read;
pub mod schema;
pub mod write;

#[cfg(feature = "store")]
mod asked;
#[cfg(feature = "store")]
pub mod bulk;
#[cfg(feature = "store")]
mod check;
#[cfg(feature = "store")]
mod codec;
#[cfg(feature = "store")]
mod dense;
#[cfg(feature = "store")]
pub mod privacy;
#[cfg_attr(not(feature = "store"), allow(dead_code, unused_imports))]
mod resolve;
#[cfg_attr(not(feature = "store"), allow(dead_code))]
mod rules;
#[cfg(feature = "store")]
mod secret;
#[cfg(feature = "store")]
mod snapshot;
#[cfg(feature = "store")]
mod storage;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "store")]
mod supposed;
#[cfg(feature = "store")]
mod watch;

#[cfg(feature = "store")]
pub use asked::{Asked, Basis};
#[cfg(feature = "store")]
pub use check::{CheckReport, Problem, check};
#[cfg(feature = "store")]
pub use snapshot::{AsOfError, Snapshot};
#[cfg(feature = "store")]
pub use storage::{StorageOptions, Work};
#[cfg(feature = "store")]
pub use store::{BackupError, OpenError, OpenOptions, Stats, Store};
#[cfg(feature = "store")]
pub use supposed::{StoreView, Supposed, ViewError};
#[cfg(feature = "store")]
pub use watch::Watch;
