//! A store behind a server.

use kinfold_client::{Client, ClientError, Observing};
use kinfold_engine::model::Seq;
use kinfold_engine::write::{Batch, Receipt, RejectReason, Rejection};
use kinfold_proto::v1;
use tokio::runtime::Handle;

use super::sink::{Done, Sink, SinkError};
use crate::grpc::to_proto;

/// A server that takes batches on one stream. What it has not acknowledged when
/// the stream breaks is sent again under its request ids.
#[derive(Debug)]
pub struct ServerSink {
    client: Client,
    observing: Observing,
    runtime: Handle,
}

impl ServerSink {
    /// Will send to the server of `client`, on the threads of `runtime`; may not be used on one of them.
    pub fn new(client: Client, runtime: Handle) -> Self {
        let observing = {
            let _entered = runtime.enter();
            client.observing()
        };
        Self { client, observing, runtime }
    }
}

impl Sink for ServerSink {
    fn submit(&mut self, batch: Batch, done: Done) {
        let observations = batch.observations.iter().map(to_proto::observation).collect();
        let sent = self.observing.send(batch.request_id.unwrap_or_default(), observations);
        match self.runtime.block_on(sent) {
            Ok(promise) => {
                self.runtime.spawn(async move {
                    let receipt = promise.receipt().await;
                    done(receipt.map_err(failed).and_then(received));
                });
            }
            Err(error) => done(Err(failed(error))),
        }
    }

    fn asks_by_sending(&self) -> bool {
        true
    }

    fn applied(&self, request_id: &str) -> Result<Option<Vec<u32>>, SinkError> {
        let request = v1::GetOutcomeRequest { request_id: request_id.to_owned() };
        let outcome = self.runtime.block_on(self.client.get_outcome(request)).map_err(failed)?;
        Ok(outcome.applied.then_some(outcome.rejected))
    }
}

fn failed(error: ClientError) -> SinkError {
    SinkError::Transport(error.to_string())
}

/// A receipt, as the store of a directory gives it.
fn received(wire: v1::Receipt) -> Result<Receipt, SinkError> {
    Ok(Receipt {
        seq: Seq::new(wire.sequence),
        replayed: wire.replayed,
        accepted: wire.accepted,
        denied: wire.denied,
        forgotten: wire.forgotten,
        rejected: wire.rejections.into_iter().map(rejection).collect::<Result<_, _>>()?,
        held_back: wire.held_back,
    })
}

fn rejection(wire: v1::Rejection) -> Result<Rejection, SinkError> {
    let reason = match wire.reason() {
        v1::RejectReason::Missing => RejectReason::Missing,
        v1::RejectReason::TooMuch => RejectReason::TooMuch,
        v1::RejectReason::OutOfRange => RejectReason::OutOfRange,
        v1::RejectReason::UndeclaredNamespace => RejectReason::UndeclaredNamespace,
        v1::RejectReason::InvalidValue => RejectReason::InvalidValue,
        v1::RejectReason::Full => RejectReason::Full,
        v1::RejectReason::Unspecified => {
            let what =
                "the server refused a row for a reason that this program does not know; take a newer one";
            return Err(SinkError::Transport(what.to_owned()));
        }
    };
    // The field of the request, from the observation down.
    let place = format!("observations[{}]", wire.index);
    let field = wire.field.strip_prefix(&place).unwrap_or(&wire.field);
    let field = field.strip_prefix('.').unwrap_or(field).to_owned();
    Ok(Rejection { index: wire.index, field, reason, message: wire.message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_comes_back_as_it_went() {
        let refusal = |index, field: &str, reason| Rejection {
            index,
            field: field.to_owned(),
            reason,
            message: "no".to_owned(),
        };
        let receipt = Receipt {
            seq: Seq::new(9),
            replayed: true,
            accepted: 2,
            denied: 1,
            forgotten: 5,
            rejected: vec![
                refusal(1, "identifiers[0].value", RejectReason::InvalidValue),
                refusal(4, "", RejectReason::Full),
            ],
            held_back: 3,
        };
        let wire = to_proto::receipt(receipt.clone(), &[0, 1, 2, 3, 4], Vec::new());
        assert_eq!(received(wire).expect("a receipt"), receipt);
        let unknown = v1::Rejection { reason: 99, ..v1::Rejection::default() };
        assert!(rejection(unknown).is_err());
    }
}
