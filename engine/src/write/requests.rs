//! Requests that name themselves: one with an id is done once, and answered again from what was kept.

use super::overlay::Overlay;
use super::{Receipt, RejectReason, Rejection, WriteError};
use crate::codec::{Hash128, Later, RequestRow, StoredRejection};
use crate::model::{MAX_NAME_BYTES, Seq};
use crate::read::ReadResult;
use crate::secret::{Hashed, Secret};

/// Stands for the content of a request whose id names its content.
const NAMED_BY_ID: Hash128 = [0; 16];

/// A request with an id.
#[derive(Debug)]
pub(crate) struct NamedRequest {
    id: String,
    /// What it is kept under.
    pub(crate) key: Hash128,
    /// A hash of what it says.
    content: Hash128,
    /// What was kept under its id without a hash is the same as this.
    trusting: bool,
}

impl NamedRequest {
    /// A request by hand; `said` tells it from every other.
    pub(crate) fn by_hand(id: &str, said: &str, secret: &Secret) -> Result<Self, WriteError> {
        let content = secret.hash(Hashed::RequestContent, said.as_bytes());
        Ok(Self { content, trusting: false, ..Self::named_by_id(id, secret)? })
    }

    /// A request whose id names its content.
    pub(crate) fn named_by_id(id: &str, secret: &Secret) -> Result<Self, WriteError> {
        if id.is_empty() || id.len() > MAX_NAME_BYTES {
            return Err(WriteError::RequestId { given: id.len() });
        }
        let key = secret.hash(Hashed::RequestId, id.as_bytes());
        Ok(Self { id: id.to_owned(), key, content: NAMED_BY_ID, trusting: true })
    }

    /// Has it differ from requests of the same id that hold something else.
    pub(crate) fn set_content(&mut self, content: Hash128) {
        self.content = content;
    }

    /// What is kept of it once it is done.
    pub(crate) fn row(&self, receipt: &Receipt) -> RequestRow {
        RequestRow {
            content: self.content,
            seq: receipt.seq.get(),
            accepted: receipt.accepted,
            denied: receipt.denied,
            held_back: receipt.held_back,
            rejected: receipt.rejected.iter().map(store_rejection).collect(),
            forgotten: Later(receipt.forgotten),
        }
    }
}

impl Overlay {
    /// What was answered to a request when it was done, if it was; an id that
    /// named something else is refused.
    pub(crate) fn done_before(
        &mut self,
        request: Option<&NamedRequest>,
    ) -> ReadResult<Result<Option<Receipt>, WriteError>> {
        let Some(NamedRequest { id, key, content, trusting }) = request else { return Ok(Ok(None)) };
        let Some(known) = self.requests.get(&self.view, *key)? else { return Ok(Ok(None)) };
        Ok(if known.content == *content || *trusting && known.content == NAMED_BY_ID {
            Ok(Some(replayed(known)))
        } else {
            Err(WriteError::RequestReused { request_id: id.clone() })
        })
    }

    /// Keeps what is answered to a request that is done now.
    pub(crate) fn done_now(&mut self, request: Option<&NamedRequest>, receipt: &Receipt) {
        if let Some(request) = request {
            self.requests.put(request.key, request.row(receipt));
        }
    }
}

const REASONS: [RejectReason; 6] = [
    RejectReason::Missing,
    RejectReason::TooMuch,
    RejectReason::OutOfRange,
    RejectReason::UndeclaredNamespace,
    RejectReason::InvalidValue,
    RejectReason::Full,
];

fn store_rejection(rejection: &Rejection) -> StoredRejection {
    StoredRejection {
        index: rejection.index,
        field: rejection.field.clone(),
        reason: REASONS.iter().position(|reason| *reason == rejection.reason).unwrap_or(0) as u8,
        // The message may quote the value, and what is refused is not kept.
        message: String::new(),
    }
}

/// The answer to a request that was applied before.
pub(crate) fn replayed(row: &RequestRow) -> Receipt {
    Receipt {
        seq: Seq::new(row.seq),
        replayed: true,
        accepted: row.accepted,
        denied: row.denied,
        forgotten: row.forgotten.0,
        held_back: row.held_back,
        rejected: row
            .rejected
            .iter()
            .map(|rejection| Rejection {
                index: rejection.index,
                field: rejection.field.clone(),
                reason: REASONS.get(usize::from(rejection.reason)).copied().unwrap_or(RejectReason::Missing),
                message: "refused when the request was first sent".to_owned(),
            })
            .collect(),
    }
}
