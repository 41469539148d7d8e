//! Why a server gave no answer.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::address::DEFAULT_PORT;

/// Why a server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The text names no server, or the options do not fit it.
    #[error(
        "`{given}` names no server: {why}; expected `http://HOST:PORT` or `https://HOST:PORT`, as in `http://127.0.0.1:{DEFAULT_PORT}`"
    )]
    Url {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing answers there.
    #[error("no server answers at {url}: {why}; is `kinfold serve` running there?")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What went wrong, from the outside in.
        why: String,
    },
    /// Something answers that is no Kinfold.
    #[error("what answers at {url} is no Kinfold server ({why}); is that the right port?")]
    NotKinfold {
        /// The address.
        url: String,
        /// What it said.
        why: String,
    },
    /// The server refused, with its own words.
    #[error("{message}")]
    Refused {
        /// The canonical code.
        code: Code,
        /// The stable name of the reason, as `UNKNOWN_LABEL`; empty if the server gave none.
        reason: String,
        /// What is wrong and what to do; several lines for an error in a query.
        message: String,
    },
    /// The server sent what the contract does not allow.
    #[error("the server at {url} sent an answer that does not follow the contract: {what}")]
    Contract {
        /// The server's address.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// A batch of a stream without a request id could not be sent again, and might be written twice.
    #[error("a batch of a stream needs a request id, so that it can be sent again safely")]
    NoRequestId,
}

impl ClientError {
    /// What a status of a call to the server at `url` says.
    pub(crate) fn of(url: &str, status: &Status) -> Self {
        let details = status.get_error_details();
        let (url, message) = (url.to_owned(), status.message().to_owned());
        match (status.code(), details.error_info()) {
            (code, Some(info)) => Self::Refused { code, reason: info.reason.clone(), message },
            (Code::Unimplemented, None) => Self::NotKinfold { url, why: message },
            _ if is_broken(status) => Self::Unreachable { url, why: said(status) },
            (code, None) => Self::Refused { code, reason: String::new(), message },
        }
    }
}

/// Whether a status is the transport's own: the connection broke, or was never made.
pub(crate) fn is_broken(status: &Status) -> bool {
    let codes = [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled];
    // Whatever Kinfold itself answers names its reason.
    codes.contains(&status.code()) && status.get_error_details().error_info().is_none()
}

/// A status of the transport with what caused it.
pub(crate) fn said(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => format!("{}: {}", status.message(), causes(source)),
        None => status.message().to_owned(),
    }
}

/// What went wrong, from the outside in; what repeats is left out.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        inner = cause.source();
    }
    text
}
