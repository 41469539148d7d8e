//! A store in this process.

use kinfold_engine::Store;
use kinfold_engine::write::Batch;

use super::sink::{Done, Sink, SinkError};

impl Sink for Store {
    fn submit(&mut self, batch: Batch, done: Done) {
        Store::submit(self, batch, Box::new(move |result| done(result.map_err(SinkError::from))));
    }

    fn applied(&self, request_id: &str) -> Result<Option<Vec<u32>>, SinkError> {
        Store::applied(self, request_id).map_err(SinkError::from)
    }
}
