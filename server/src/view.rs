//! The view of a store that a statement is asked of.

use kinfold_engine::read::ViewOptions;
use kinfold_engine::{Snapshot, StoreView, ViewError};
use kinfold_query::{Parsed, QueryError};

/// The reader of the view that a statement asks for, where `now` is the store as
/// it is. What the statement does not say itself is as in `besides`; what either
/// leaves out is left out.
pub(crate) fn reader<E>(parsed: &Parsed, now: &Snapshot, besides: &ViewOptions) -> Result<StoreView, E>
where
    E: From<QueryError> + From<ViewError>,
{
    let mut view = parsed.view(now)?;
    view.as_of = view.as_of.or(besides.as_of);
    view.threshold = view.threshold.or(besides.threshold);
    view.purpose = view.purpose.or_else(|| besides.purpose.clone());
    view.without_sources.extend(besides.without_sources.iter().cloned());
    view.without_links.extend(besides.without_links.iter().cloned());
    view.redact.clone_from(&besides.redact);
    Ok(now.view(&view)?)
}
