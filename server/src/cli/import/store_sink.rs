//! A store in this process.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use kinfold_engine::Store;
use kinfold_engine::bulk::{BulkError, BulkLoad, BulkOptions, BulkReceipt};
use kinfold_engine::write::Batch;

use super::sink::{Done, Sink, SinkError};

/// How many batches wait to be taken in.
const QUEUE: usize = 64;

/// A store that takes batches as they come, or all of them at once.
pub enum StoreSink {
    /// Each batch is in the store when it is answered.
    Stream(Store),
    /// Batches are in the store when the import is over.
    Bulk(BulkSink),
}

/// A bulk load, made on a thread of its own.
pub struct BulkSink {
    queue: Option<SyncSender<(Batch, Done)>>,
    taking: Option<JoinHandle<Result<BulkLoad, Arc<BulkError>>>>,
}

impl BulkSink {
    /// Begins a bulk load of a store.
    pub fn begin(store: &Store, options: BulkOptions) -> Result<Self, BulkError> {
        let load = store.bulk_load(options)?;
        let (queue, batches) = sync_channel(QUEUE);
        let taking = std::thread::Builder::new()
            .name("kinfold-bulk".to_owned())
            .spawn(move || take(load, &batches))?;
        Ok(Self { queue: Some(queue), taking: Some(taking) })
    }

    fn finish(&mut self) -> Result<BulkReceipt, SinkError> {
        drop(self.queue.take());
        let taking = self.taking.take().ok_or(SinkError::NoAnswer)?;
        // A panic goes on in the thread that waits.
        let taken = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and_then(|load| load.finish().map_err(Arc::new)).map_err(SinkError::Bulk)
    }
}

/// Takes batches in until there are no more.
fn take(mut load: BulkLoad, batches: &Receiver<(Batch, Done)>) -> Result<BulkLoad, Arc<BulkError>> {
    for (batch, done) in batches {
        match load.add(batch) {
            Ok(receipt) => done(Ok(receipt)),
            Err(BulkError::Write(error)) => done(Err(SinkError::Write(error))),
            Err(error) => {
                let error = Arc::new(error);
                done(Err(SinkError::Bulk(Arc::clone(&error))));
                return Err(error);
            }
        }
    }
    Ok(load)
}

impl Sink for StoreSink {
    fn submit(&mut self, batch: Batch, done: Done) {
        match self {
            Self::Stream(store) => {
                store.submit(batch, Box::new(move |result| done(result.map_err(SinkError::from))));
            }
            Self::Bulk(bulk) => {
                if let Some(queue) = &bulk.queue {
                    // If its thread has ended, the batch is dropped, and that answers it.
                    let _ = queue.send((batch, done));
                }
            }
        }
    }

    fn applied(&self, request_id: &str) -> Result<Option<Vec<u32>>, SinkError> {
        match self {
            Self::Stream(store) => store.applied(request_id).map_err(SinkError::from),
            // It was empty when the load began.
            Self::Bulk(_) => Ok(None),
        }
    }

    fn is_at_once(&self) -> bool {
        matches!(self, Self::Bulk(_))
    }

    fn finish(&mut self) -> Result<Option<BulkReceipt>, SinkError> {
        match self {
            Self::Stream(_) => Ok(None),
            Self::Bulk(bulk) => bulk.finish().map(Some),
        }
    }
}
