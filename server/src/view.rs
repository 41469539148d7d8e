//! The view of a store that a statement is asked of.

use kinfold_engine::{Snapshot, StoreView, ViewError};
use kinfold_query::{Parsed, QueryError};

/// The reader of the view that a statement asks for, where `now` is the store as it is.
pub(crate) fn reader<E>(parsed: &Parsed, now: &Snapshot) -> Result<StoreView, E>
where
    E: From<QueryError> + From<ViewError>,
{
    Ok(now.view(&parsed.view(now)?)?)
}
