//! Observations in, one atomic batch out.
//!
//! A caller's thread checks and normalises a batch (`prepare`); the writing
//! thread (`writer`) applies observation after observation to an overlay of the
//! store (`overlay`, `observe`), where persons (`persons`) and households
//! (`households`, `growth`) are settled at once, and commits what waited together in one
//! synced batch. Applying one by one makes the result, ids included, depend on
//! the order of observations alone and never on how they were batched.

#[cfg(feature = "store")]
mod acts;
mod api;
#[cfg(feature = "store")]
mod changes;
#[cfg(feature = "store")]
mod cuts;
#[cfg(feature = "store")]
mod forget;
#[cfg(feature = "store")]
mod growth;
#[cfg(feature = "store")]
mod households;
#[cfg(feature = "store")]
mod links;
#[cfg(feature = "store")]
mod load;
#[cfg(feature = "store")]
mod observe;
#[cfg(feature = "store")]
mod overlay;
#[cfg(feature = "store")]
mod past;
#[cfg(feature = "store")]
mod persons;
#[cfg(feature = "store")]
mod prepare;
#[cfg(feature = "store")]
mod rebuild;
#[cfg(feature = "store")]
mod requests;
#[cfg(feature = "store")]
mod survey;
#[cfg(feature = "store")]
mod writer;

#[cfg(feature = "store")]
pub(crate) use acts::{check_author, prepare_act};
pub use api::{
    Act, ActError, ActReceipt, Authored, Batch, MAX_BATCH, Receipt, RejectReason, Rejection, SchemaError,
    SchemaPlan, WriteError,
};
#[cfg(feature = "store")]
pub(crate) use forget::{Forgotten, prepare_forget};
#[cfg(feature = "store")]
pub(crate) use observe::Numbered;
#[cfg(feature = "store")]
pub(crate) use overlay::{Lens, Overlay, PastEdit};
#[cfg(feature = "store")]
pub(crate) use persons::CHUNK_MEMBERS;
#[cfg(feature = "store")]
pub(crate) use prepare::Prepared;
#[cfg(feature = "store")]
pub(crate) use requests::{NamedRequest, replayed};
#[cfg(feature = "store")]
pub use writer::Done;
#[cfg(feature = "store")]
pub(crate) use writer::{Checked, Publish, Reply, Writer, check_unhashed, stored_names};
