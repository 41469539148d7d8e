//! Batches on one stream, each acknowledged once it is on disk.

use std::collections::BTreeMap;

use kinfold_proto::v1;
use kinfold_proto::v1::ingest_service_client::IngestServiceClient;
use kinfold_proto::v1::observe_stream_response::Outcome;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::client::{Client, MAX_MESSAGE_BYTES};
use crate::error::ClientError;

/// How many batches wait to be sent besides those that wait for their answers.
const QUEUE: usize = 4;

/// How many batches wait for their answers at once: what a server reads ahead unless told otherwise.
const WINDOW: usize = 64;

impl Client {
    /// Begins a stream of batches. A stream that breaks is begun again, and what
    /// was not answered is sent again under its request id, so that nothing is
    /// counted twice.
    pub fn observing(&self) -> Observing {
        let (batches, queue) = mpsc::channel(QUEUE);
        let sending = Sending {
            client: self.clone(),
            queue: Some(queue),
            unanswered: BTreeMap::new(),
            next: 0,
            failed: 0,
        };
        tokio::spawn(sending.run());
        Observing { batches }
    }
}

/// A stream of batches. Dropping it lets what was sent be answered still.
#[derive(Debug, Clone)]
pub struct Observing {
    batches: mpsc::Sender<Waiting>,
}

impl Observing {
    /// Hands a batch over, and waits where too many are on their way already.
    ///
    /// # Errors
    ///
    /// A batch without a request id is refused.
    pub async fn send(
        &self,
        request_id: impl Into<String>,
        observations: Vec<v1::Observation>,
    ) -> Result<Promise, ClientError> {
        let request_id = request_id.into();
        if request_id.is_empty() {
            return Err(ClientError::NoRequestId);
        }
        let (done, outcome) = oneshot::channel();
        let request = v1::ObserveStreamRequest { batch_id: 0, request_id, observations };
        // Where the stream has ended, the batch is dropped, and that is its answer.
        let _ = self.batches.send(Waiting { request, done }).await;
        Ok(Promise(outcome))
    }
}

/// The answer to a batch, which comes once it is on disk. Answers may come in any order.
#[derive(Debug)]
pub struct Promise(oneshot::Receiver<Result<v1::Receipt, ClientError>>);

impl Promise {
    /// Waits for it.
    ///
    /// # Errors
    ///
    /// The batch was refused as a whole, or the server was not reached in as many tries as the client makes.
    pub async fn receipt(self) -> Result<v1::Receipt, ClientError> {
        self.0.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn ended() -> ClientError {
    ClientError::Refused {
        code: Code::Cancelled,
        reason: String::new(),
        message: "the stream ended before the batch was answered; send it again under its request id"
            .to_owned(),
    }
}

/// A batch that is not answered yet.
#[derive(Debug)]
struct Waiting {
    request: v1::ObserveStreamRequest,
    done: oneshot::Sender<Result<v1::Receipt, ClientError>>,
}

/// What sends the batches and takes the answers.
struct Sending {
    client: Client,
    /// Where batches come from; `None` once there are no more.
    queue: Option<mpsc::Receiver<Waiting>>,
    /// Those that were sent, by their number.
    unanswered: BTreeMap<u64, Waiting>,
    next: u64,
    /// How often the stream broke since the last answer.
    failed: u32,
}

/// One stream, from its beginning to its end.
struct Open {
    requests: mpsc::Sender<v1::ObserveStreamRequest>,
    answers: Streaming<v1::ObserveStreamResponse>,
}

impl Sending {
    async fn run(mut self) {
        // Nothing is asked of the server before there is something to send.
        while self.has_work().await {
            // A stream that a server ended in good order is followed by another, if there is more to send.
            let Err(status) = self.stream().await else { continue };
            self.failed += 1;
            match self.client.retry().pause(self.failed, &status) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    let error = self.client.refused(&status);
                    for (_, waiting) in std::mem::take(&mut self.unanswered) {
                        // Whoever is gone misses nothing.
                        let _ = waiting.done.send(Err(error.clone()));
                    }
                    // Batches that come from now on try anew.
                    self.failed = 0;
                }
            }
        }
    }

    /// Waits until there is a batch to send; `false` where none will come.
    async fn has_work(&mut self) -> bool {
        if !self.unanswered.is_empty() {
            return true;
        }
        match self.receive().await {
            Some(waiting) => {
                self.number(waiting);
                true
            }
            None => false,
        }
    }

    /// The next batch; never ready again once there are no more.
    async fn receive(&mut self) -> Option<Waiting> {
        let waiting = match &mut self.queue {
            Some(queue) => queue.recv().await,
            None => None,
        };
        if waiting.is_none() {
            self.queue = None;
        }
        waiting
    }

    /// Gives a batch its number.
    fn number(&mut self, mut waiting: Waiting) -> v1::ObserveStreamRequest {
        self.next += 1;
        waiting.request.batch_id = self.next;
        let request = waiting.request.clone();
        self.unanswered.insert(self.next, waiting);
        request
    }

    /// Sends what is unanswered and what comes, until there is no more and all is answered.
    async fn stream(&mut self) -> Result<(), Status> {
        let Open { requests, mut answers } = self.open().await?;
        // Dropped when nothing more is sent: that is the stream's end.
        let mut requests = Some(requests);
        loop {
            if self.queue.is_none() {
                requests = None;
                if self.unanswered.is_empty() {
                    return Ok(());
                }
            }
            let may_send = requests.is_some() && self.unanswered.len() < WINDOW;
            tokio::select! {
                answer = answers.message() => match answer? {
                    Some(answer) => self.settle(answer),
                    None if self.unanswered.is_empty() => return Ok(()),
                    None => return Err(Status::unavailable("the stream ended before all of it was answered")),
                },
                waiting = self.receive(), if may_send => {
                    if let (Some(waiting), Some(requests)) = (waiting, &requests) {
                        let request = self.number(waiting);
                        // There is room for as many as may wait; a stream that broke says why itself.
                        let _ = requests.try_send(request);
                    }
                }
            }
        }
    }

    /// Begins a stream with what is not answered yet.
    async fn open(&self) -> Result<Open, Status> {
        let (requests, sent) = mpsc::channel(WINDOW);
        for waiting in self.unanswered.values() {
            let _ = requests.try_send(waiting.request.clone());
        }
        let mut service =
            IngestServiceClient::new(self.client.wire()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let answers = service.observe_stream(ReceiverStream::new(sent)).await?.into_inner();
        Ok(Open { requests, answers })
    }

    /// Hands an answer to whoever waits for it.
    fn settle(&mut self, answer: v1::ObserveStreamResponse) {
        self.failed = 0;
        // An answer to nothing is answered with nothing.
        let Some(waiting) = self.unanswered.remove(&answer.batch_id) else { return };
        let outcome = match answer.outcome {
            Some(Outcome::Receipt(receipt)) => Ok(receipt),
            Some(Outcome::Error(v1::BatchError { code, reason, message })) => {
                Err(ClientError::Refused { code: Code::from_i32(code), reason, message })
            }
            None => {
                Err(self.client.contract("an answer to a batch that holds neither a receipt nor an error"))
            }
        };
        let _ = waiting.done.send(outcome);
    }
}
