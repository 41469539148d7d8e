//! Observations in, one atomic batch out.
//!
//! A caller's thread checks and normalises a batch (`prepare`); the writing
//! thread (`writer`) applies observation after observation to an overlay of the
//! store (`overlay`, `observe`), where persons (`persons`) and households
//! (`households`) are settled at once, and commits what waited together in one
//! synced batch. Applying one by one makes the result, ids included, depend on
//! the order of observations alone and never on how they were batched.

mod api;
#[cfg(feature = "store")]
mod changes;
#[cfg(feature = "store")]
mod households;
#[cfg(feature = "store")]
mod observe;
#[cfg(feature = "store")]
mod overlay;
#[cfg(feature = "store")]
mod persons;
#[cfg(feature = "store")]
mod prepare;
#[cfg(feature = "store")]
mod writer;

pub use api::{Batch, MAX_BATCH, Receipt, RejectReason, Rejection, WriteError};
#[cfg(feature = "store")]
pub use writer::Done;
#[cfg(feature = "store")]
pub(crate) use writer::{Publish, Writer, stored_names};
