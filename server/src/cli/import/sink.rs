//! Where observations go.

use std::sync::Arc;

use kinfold_engine::bulk::{BulkError, BulkReceipt};
use kinfold_engine::read::ReadError;
use kinfold_engine::write::{Batch, Receipt, WriteError};

/// Called once when a batch is on disk, or when it is known that it will not be.
pub type Done = Box<dyn FnOnce(Result<Receipt, SinkError>) + Send>;

/// Something that takes batches and remembers which it took.
pub trait Sink {
    /// Hands a batch over. Returns at once or when there is room in the queue;
    /// `done` is called later, on any thread, and batches may finish in any order.
    fn submit(&mut self, batch: Batch, done: Done);

    /// Whether it is cheaper to hand a chunk over and be told that it was applied
    /// before (`Receipt::replayed`) than to ask beforehand.
    fn asks_by_sending(&self) -> bool {
        false
    }

    /// Which observations of the batch with this request id were rejected, by
    /// their place in the batch, ascending; `None` if no such batch was applied.
    fn applied(&self, request_id: &str) -> Result<Option<Vec<u32>>, SinkError>;

    /// Whether nothing is kept before [`Sink::finish`].
    fn is_at_once(&self) -> bool {
        false
    }

    /// Everything was handed over and answered. What is not kept yet is kept now.
    fn finish(&mut self) -> Result<Option<BulkReceipt>, SinkError> {
        Ok(None)
    }
}

/// Why a batch was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// The store refused it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What the store remembers could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The bulk load failed.
    #[error(transparent)]
    Bulk(Arc<BulkError>),
    /// The store dropped a batch without an answer.
    #[error("the store stopped before it answered")]
    NoAnswer,
    /// The store's answer does not fit what it was asked.
    #[error(
        "the store's answer to batch `{request_id}` names observation {index} of {given}; run `kinfold check` on it"
    )]
    Inconsistent {
        /// The batch.
        request_id: String,
        /// The observation that it does not have.
        index: u32,
        /// How many it has.
        given: usize,
    },
    /// The way to the store failed.
    #[error("{0}")]
    Transport(String),
}
