//! The state of a store that a statement is asked of.

use kinfold_engine::{AsOfError, Snapshot};
use kinfold_query::{Parsed, QueryError};

/// The reader of the view that a statement asks for, where `now` is the store as it is.
pub(crate) fn reader<E>(parsed: &Parsed, now: Snapshot) -> Result<Snapshot, E>
where
    E: From<QueryError> + From<AsOfError>,
{
    parsed.not_hypothetical()?;
    match parsed.view(&now)?.as_of {
        Some(moment) => Ok(now.as_of(moment)?),
        None => Ok(now),
    }
}
