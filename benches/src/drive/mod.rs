//! What a comparison asks of a store or a server, one module a kind of work.
//! Each function checks the answers it can and gives its figures as JSON; what
//! is wrong is counted in `wrong`.

pub mod check;
pub mod cold;
pub mod lookup;
pub mod remote;
pub mod scan;
pub mod two_hops;
pub mod write;

use std::path::Path;

use kinfold_engine::{OpenOptions, StorageOptions, Store};
use kinfold_query::{Limits, Options};

/// Opens a store; `cache_mib` is the memory for cached blocks, the engine's
/// default if `None`.
pub fn open(store: &Path, cache_mib: Option<usize>) -> anyhow::Result<Store> {
    let mut storage = StorageOptions::default();
    if let Some(mib) = cache_mib {
        storage.cache_bytes = mib << 20;
    }
    Ok(Store::open(store, OpenOptions { storage, ..OpenOptions::default() })?)
}

/// Limits that a scan of the largest data set stays within.
fn options() -> Options {
    let limits =
        Limits { deadline: None, max_expansions: u64::MAX, max_memory_bytes: 8 << 30, ..Limits::default() };
    Options { limits, ..Options::default() }
}
