//! Errors to gRPC statuses, with `google.rpc` details.
//!
//! Every `match` here names every case: a new error does not compile until
//! somebody has decided what clients see of it.

mod by_hand;

use std::collections::HashMap;
use std::time::Duration;

use kinfold_engine::BackupError;
use kinfold_engine::consent::Refusal;
use kinfold_engine::read::ReadError;
use kinfold_engine::write::WriteError;
use kinfold_proto::v1;
use kinfold_query::{ErrorKind, QueryError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use self::by_hand::{Change, Hand, act_code, act_field, act_reason, change, hand};
use super::error::CallError;
use crate::audit::AuditError;

/// Whose reasons these are.
pub(crate) const DOMAIN: &str = "kinfold";

/// How long a text in a status may be, in bytes, and how long a part of it.
/// Statuses travel as headers, some clients take no more than 8 KiB of those, and
/// a text is in there up to three times, once with three bytes for one.
const LONGEST: usize = 1_000;
const LONGEST_PART: usize = 400;

/// When to try again what a busy or full server refused.
const RETRY: Duration = Duration::from_secs(1);

/// The status that a client gets, logged here if somebody has to look into it.
pub(crate) fn status(error: &CallError) -> Status {
    let code = code(error);
    if let Some(why) = to_log(error) {
        tracing::error!(error = why, code = ?code, "a call failed");
    }
    Status::with_error_details(code, short(&error.to_string()), details(error))
}

/// What to log of an error that somebody here has to look into. It holds no text
/// of the request: identifiers never reach a log.
fn to_log(error: &CallError) -> Option<String> {
    match error {
        CallError::Internal(why) => Some(why.clone()),
        CallError::Read(error) => Some(error.to_string()),
        CallError::Write(error) => write_to_log(error),
        CallError::Act(error) | CallError::ActRedacted(error) => match hand(error) {
            Hand::Write(error) => write_to_log(error),
            Hand::Field { .. } | Hand::Unknown(_) | Hand::Stands(_) => None,
        },
        CallError::Schema(error) => match change(error) {
            Change::Write(error) => write_to_log(error),
            Change::Act(error) => match hand(error) {
                Hand::Write(error) => write_to_log(error),
                Hand::Field { .. } | Hand::Unknown(_) | Hand::Stands(_) => None,
            },
            Change::Text | Change::Unfit => None,
        },
        CallError::Query(error) => match error.kind() {
            ErrorKind::Storage => Some(error.message().to_owned()),
            ErrorKind::Syntax
            | ErrorKind::Binding
            | ErrorKind::Type
            | ErrorKind::Runtime
            | ErrorKind::Limit { .. }
            | ErrorKind::Cancelled => None,
        },
        CallError::Audit(error) => Some(error.to_string()),
        CallError::Backup(error) => match &**error {
            BackupError::Io { .. } | BackupError::Storage(_) => Some(error.to_string()),
            BackupError::Exists { .. } => None,
        },
        CallError::Field(_)
        | CallError::UnknownIdentifier(_)
        | CallError::UnknownPerson(_)
        | CallError::ErasedPerson(_)
        | CallError::UnknownHousehold(_)
        | CallError::NoHousehold(_)
        | CallError::PurposeRefused(_)
        | CallError::Limit { .. }
        | CallError::Unauthenticated(_)
        | CallError::NotAllowed { .. }
        | CallError::Overloaded { .. }
        | CallError::NoBackups
        | CallError::NoAudit
        | CallError::NotYet { .. }
        | CallError::Broken(_)
        | CallError::TooLargeToSend { .. }
        | CallError::TooDeepToSend { .. }
        | CallError::Deadline { .. }
        | CallError::Cancelled
        | CallError::ShuttingDown => None,
    }
}

fn write_to_log(error: &WriteError) -> Option<String> {
    match error {
        WriteError::Read(_) | WriteError::Storage(_) => Some(error.to_string()),
        WriteError::TooLarge { .. }
        | WriteError::RequestId { .. }
        | WriteError::RequestReused { .. }
        | WriteError::ReadOnly
        | WriteError::Closed => None,
    }
}

/// The error as an item of a batch of lookups carries it.
pub(crate) fn lookup_error(error: &CallError) -> v1::LookupError {
    v1::LookupError {
        code: code(error) as i32,
        reason: reason(error),
        field: field(error).map(|field| cut(field, LONGEST_PART)).unwrap_or_default(),
        message: short(&error.to_string()),
    }
}

/// The error as the answer to one batch of a stream carries it.
pub(crate) fn batch_error(error: WriteError) -> v1::BatchError {
    let error = CallError::Write(error);
    v1::BatchError { code: code(&error) as i32, reason: reason(&error), message: short(&error.to_string()) }
}

/// The canonical code.
fn code(error: &CallError) -> Code {
    match error {
        CallError::Field(_) => Code::InvalidArgument,
        CallError::UnknownIdentifier(_)
        | CallError::UnknownPerson(_)
        | CallError::ErasedPerson(_)
        | CallError::UnknownHousehold(_)
        | CallError::NoHousehold(_) => Code::NotFound,
        CallError::NotYet { .. } | CallError::ShuttingDown => Code::Unavailable,
        CallError::Read(error) => read_code(error),
        CallError::Write(error) => write_code(error),
        CallError::Act(error) | CallError::ActRedacted(error) => act_code(error),
        CallError::Schema(error) => match change(error) {
            Change::Text => Code::InvalidArgument,
            Change::Unfit => Code::FailedPrecondition,
            Change::Act(error) => act_code(error),
            Change::Write(error) => write_code(error),
        },
        CallError::Broken(_) | CallError::NoBackups | CallError::NoAudit => Code::FailedPrecondition,
        CallError::PurposeRefused(_) | CallError::NotAllowed { .. } => Code::PermissionDenied,
        CallError::Unauthenticated(_) => Code::Unauthenticated,
        CallError::Limit { .. } | CallError::Overloaded { .. } => Code::ResourceExhausted,
        CallError::Audit(AuditError::Broken { .. }) => Code::DataLoss,
        CallError::Audit(AuditError::Io { .. }) => Code::Unavailable,
        CallError::Backup(error) => match &**error {
            BackupError::Exists { .. } => Code::AlreadyExists,
            BackupError::Io { .. } | BackupError::Storage(_) => Code::Unavailable,
        },
        CallError::Query(error) => query_code(error),
        CallError::TooLargeToSend { .. } | CallError::TooDeepToSend { .. } => Code::ResourceExhausted,
        CallError::Deadline { .. } => Code::DeadlineExceeded,
        CallError::Cancelled => Code::Cancelled,
        CallError::Internal(_) => Code::Internal,
    }
}

fn write_code(error: &WriteError) -> Code {
    match error {
        WriteError::TooLarge { .. } | WriteError::RequestId { .. } => Code::InvalidArgument,
        WriteError::RequestReused { .. } => Code::AlreadyExists,
        WriteError::ReadOnly => Code::FailedPrecondition,
        WriteError::Closed => Code::Unavailable,
        WriteError::Read(error) => read_code(error),
        // Most often a full disk, which frees itself once there is room.
        WriteError::Storage(_) => Code::Unavailable,
    }
}

fn read_code(error: &ReadError) -> Code {
    match error {
        ReadError::Corrupt { .. } => Code::DataLoss,
        ReadError::Storage(_) => Code::Unavailable,
    }
}

fn query_code(error: &QueryError) -> Code {
    match error.kind() {
        ErrorKind::Runtime if error.code() == "not-found" => Code::NotFound,
        ErrorKind::Syntax | ErrorKind::Binding | ErrorKind::Type | ErrorKind::Runtime => {
            Code::InvalidArgument
        }
        ErrorKind::Limit { name: "deadline" } => Code::DeadlineExceeded,
        ErrorKind::Limit { name: _ } => Code::ResourceExhausted,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Storage if error.code() == "store-damaged" => Code::DataLoss,
        ErrorKind::Storage => Code::Unavailable,
    }
}

/// The stable name of what went wrong: upper-case snake, as the contract's
/// documentation lists it.
fn reason(error: &CallError) -> String {
    let name = match error {
        CallError::Field(error) => error.fault.code(),
        CallError::UnknownIdentifier(_) => "IDENTIFIER_UNKNOWN",
        CallError::UnknownPerson(_) => "PERSON_UNKNOWN",
        CallError::ErasedPerson(_) => "PERSON_ERASED",
        CallError::UnknownHousehold(_) => "HOUSEHOLD_UNKNOWN",
        CallError::NoHousehold(_) => "NO_HOUSEHOLD",
        CallError::NotYet { .. } => "SEQUENCE_NOT_REACHED",
        CallError::Read(error) => read_reason(error),
        CallError::Write(error) => write_reason(error),
        CallError::Act(error) | CallError::ActRedacted(error) => act_reason(error),
        CallError::Schema(error) => match change(error) {
            Change::Text => "SCHEMA_INVALID",
            Change::Unfit => "SCHEMA_UNFIT",
            Change::Act(error) => act_reason(error),
            Change::Write(error) => write_reason(error),
        },
        CallError::Broken(_) => "ASSERTIONS_BROKEN",
        CallError::PurposeRefused(_) => "PURPOSE_REFUSED",
        CallError::Limit { .. } => "LIMIT_EXPANSIONS",
        CallError::Unauthenticated(_) => "UNAUTHENTICATED",
        CallError::NotAllowed { .. } => "ROLE_INSUFFICIENT",
        CallError::Overloaded { .. } => "OVERLOADED",
        CallError::NoBackups => "BACKUPS_NOT_CONFIGURED",
        CallError::NoAudit => "AUDIT_NOT_CONFIGURED",
        CallError::Audit(AuditError::Broken { .. }) => "AUDIT_CHANGED",
        CallError::Audit(AuditError::Io { .. }) => "STORAGE",
        CallError::Backup(error) => match &**error {
            BackupError::Exists { .. } => "BACKUP_EXISTS",
            BackupError::Io { .. } | BackupError::Storage(_) => "STORAGE",
        },
        CallError::Query(error) => return error.code().to_ascii_uppercase().replace('-', "_"),
        CallError::TooLargeToSend { .. } => "ANSWER_TOO_LARGE",
        CallError::TooDeepToSend { .. } => "ANSWER_TOO_DEEP",
        CallError::Deadline { .. } => "DEADLINE",
        CallError::Cancelled => "CANCELLED",
        CallError::ShuttingDown => "SHUTTING_DOWN",
        CallError::Internal(_) => "INTERNAL",
    };
    name.to_owned()
}

const fn read_reason(error: &ReadError) -> &'static str {
    match error {
        ReadError::Corrupt { .. } => "STORE_DAMAGED",
        ReadError::Storage(_) => "STORAGE",
    }
}

const fn write_reason(error: &WriteError) -> &'static str {
    match error {
        WriteError::TooLarge { .. } => "BATCH_TOO_LARGE",
        WriteError::RequestId { .. } => "REQUEST_ID_INVALID",
        WriteError::RequestReused { .. } => "REQUEST_ID_REUSED",
        WriteError::ReadOnly => "STORE_READ_ONLY",
        WriteError::Closed => "STORE_CLOSED",
        WriteError::Read(error) => read_reason(error),
        WriteError::Storage(_) => "STORAGE",
    }
}

/// The field of the request at fault, if it is one.
fn field(error: &CallError) -> Option<&str> {
    match error {
        CallError::Field(error) => Some(&error.field),
        CallError::Write(error) => match error {
            WriteError::TooLarge { .. } => Some("observations"),
            WriteError::RequestId { .. } | WriteError::RequestReused { .. } => Some("request_id"),
            WriteError::ReadOnly | WriteError::Closed | WriteError::Read(_) | WriteError::Storage(_) => None,
        },
        CallError::Act(error) | CallError::ActRedacted(error) => act_field(error),
        CallError::Schema(error) => match change(error) {
            Change::Text => Some("schema"),
            Change::Act(error) => act_field(error),
            Change::Unfit | Change::Write(_) => None,
        },
        CallError::Query(error) => match error.kind() {
            ErrorKind::Syntax | ErrorKind::Binding | ErrorKind::Type | ErrorKind::Runtime => Some("text"),
            ErrorKind::Limit { .. } | ErrorKind::Cancelled | ErrorKind::Storage => None,
        },
        CallError::UnknownIdentifier(_)
        | CallError::UnknownPerson(_)
        | CallError::ErasedPerson(_)
        | CallError::UnknownHousehold(_)
        | CallError::NoHousehold(_)
        | CallError::PurposeRefused(_)
        | CallError::Limit { .. }
        | CallError::Unauthenticated(_)
        | CallError::NotAllowed { .. }
        | CallError::Overloaded { .. }
        | CallError::NoBackups
        | CallError::NoAudit
        | CallError::Audit(_)
        | CallError::Backup(_)
        | CallError::NotYet { .. }
        | CallError::Read(_)
        | CallError::Broken(_)
        | CallError::TooLargeToSend { .. }
        | CallError::TooDeepToSend { .. }
        | CallError::Deadline { .. }
        | CallError::Cancelled
        | CallError::ShuttingDown
        | CallError::Internal(_) => None,
    }
}

/// The limit that was met, if one was: its name and what it says.
fn quota(error: &CallError) -> Option<(&'static str, String)> {
    match error {
        CallError::Query(error) => match error.kind() {
            ErrorKind::Limit { name } => Some((name, error.message().to_owned())),
            ErrorKind::Syntax
            | ErrorKind::Binding
            | ErrorKind::Type
            | ErrorKind::Runtime
            | ErrorKind::Cancelled
            | ErrorKind::Storage => None,
        },
        CallError::TooLargeToSend { .. } => Some(("max_send_bytes", error.to_string())),
        CallError::TooDeepToSend { .. } => Some(("max_answer_depth", error.to_string())),
        CallError::Limit { name, most: _ } => Some((name, error.to_string())),
        CallError::Overloaded { limit, most: _ } => Some((limit, error.to_string())),
        CallError::Field(_)
        | CallError::UnknownIdentifier(_)
        | CallError::UnknownPerson(_)
        | CallError::ErasedPerson(_)
        | CallError::UnknownHousehold(_)
        | CallError::NoHousehold(_)
        | CallError::PurposeRefused(_)
        | CallError::Unauthenticated(_)
        | CallError::NotAllowed { .. }
        | CallError::NoBackups
        | CallError::NoAudit
        | CallError::Audit(_)
        | CallError::Backup(_)
        | CallError::NotYet { .. }
        | CallError::Read(_)
        | CallError::Write(_)
        | CallError::Act(_)
        | CallError::ActRedacted(_)
        | CallError::Schema(_)
        | CallError::Broken(_)
        | CallError::Deadline { .. }
        | CallError::Cancelled
        | CallError::ShuttingDown
        | CallError::Internal(_) => None,
    }
}

fn details(error: &CallError) -> ErrorDetails {
    let mut details = ErrorDetails::with_error_info(reason(error), DOMAIN, metadata(error));
    let code = code(error);
    if let Some(field) = field(error).filter(|_| code == Code::InvalidArgument) {
        let description = match error {
            CallError::Field(error) => short(&error.message),
            CallError::Query(error) => short(error.message()),
            other => short(&other.to_string()),
        };
        details.add_bad_request_violation(cut(field, LONGEST_PART), description);
    }
    if let Some((subject, description)) = quota(error) {
        details.add_quota_failure_violation(subject, short(&description));
    }
    if code == Code::FailedPrecondition {
        details.add_precondition_failure_violation(reason(error), DOMAIN, short(&error.to_string()));
    }
    if code == Code::Unavailable || matches!(error, CallError::Overloaded { .. }) {
        details.set_retry_info(Some(RETRY));
    }
    details
}

fn metadata(error: &CallError) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    let mut put = |key: &str, value: String| metadata.insert(key.to_owned(), value);
    match error {
        CallError::Query(error) => {
            put("code", error.code().to_owned());
            put("line", error.line().to_string());
            put("column", error.column().to_string());
            put("width", error.width().to_string());
            if let Some(hint) = error.hint() {
                put("hint", cut(hint, LONGEST_PART));
            }
        }
        CallError::NotYet { at_least, at, waited: _ } => {
            put("at_least", at_least.to_string());
            put("sequence", at.to_string());
        }
        CallError::PurposeRefused(Refusal { purpose, word }) => {
            put("purpose", cut(purpose, LONGEST_PART));
            put("consent", word.as_str().to_owned());
        }
        CallError::Broken(assertions) => {
            put("broken", assertions.broken.len().to_string());
        }
        CallError::Field(_)
        | CallError::UnknownIdentifier(_)
        | CallError::UnknownPerson(_)
        | CallError::ErasedPerson(_)
        | CallError::UnknownHousehold(_)
        | CallError::NoHousehold(_)
        | CallError::Limit { .. }
        | CallError::Overloaded { .. }
        | CallError::Unauthenticated(_)
        | CallError::NotAllowed { .. }
        | CallError::NoBackups
        | CallError::NoAudit
        | CallError::Audit(_)
        | CallError::Backup(_)
        | CallError::Read(_)
        | CallError::Write(_)
        | CallError::Act(_)
        | CallError::ActRedacted(_)
        | CallError::Schema(_)
        | CallError::TooLargeToSend { .. }
        | CallError::TooDeepToSend { .. }
        | CallError::Deadline { .. }
        | CallError::Cancelled
        | CallError::ShuttingDown
        | CallError::Internal(_) => {}
    }
    metadata
}

/// A text of at most [`LONGEST`] bytes.
fn short(text: &str) -> String {
    cut(text, LONGEST)
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let fits = text.char_indices().map(|(start, letter)| start + letter.len_utf8());
    let end = fits.take_while(|end| *end <= most).last().unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinfold_engine::model::{Identifier, Seq};
    use kinfold_query::{Limits, MemoryGraph, Options, Params, prepare_on};

    use super::super::error::{FieldError, FieldFault};
    use super::*;

    fn query_error(text: &str, limits: Limits) -> CallError {
        let graph = MemoryGraph::new();
        let options = Options { limits, ..Options::default() };
        match prepare_on(text, Box::new(&graph), Params::new(), options) {
            Err(error) => error.into(),
            Ok(prepared) => prepared.run().find_map(Result::err).unwrap().into(),
        }
    }

    /// What a client sees: the code, the reason, the field, the limit, and whether to retry.
    fn seen(error: &CallError) -> (Code, String, Option<String>, Option<String>, bool) {
        let status = status(error);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.domain, "kinfold");
        (
            status.code(),
            info.reason.clone(),
            details.bad_request().map(|bad| bad.field_violations[0].field.clone()),
            details.quota_failure().map(|quota| quota.violations[0].subject.clone()),
            details.retry_info().is_some(),
        )
    }

    #[test]
    fn every_error_has_its_code_and_reason() {
        let corrupt = || ReadError::Corrupt { table: "persons", detail: "checksum".into() };
        let text = |text: &str| Some(text.to_owned());
        for (error, code, reason, field, quota, retry) in [
            (
                CallError::Field(FieldError::missing("person", "one")),
                Code::InvalidArgument,
                "MISSING",
                text("person"),
                None,
                false,
            ),
            (
                CallError::UnknownIdentifier(Identifier::new("email", "a@b.de")),
                Code::NotFound,
                "IDENTIFIER_UNKNOWN",
                None,
                None,
                false,
            ),
            (CallError::UnknownPerson("p1".into()), Code::NotFound, "PERSON_UNKNOWN", None, None, false),
            (CallError::ErasedPerson("p1".into()), Code::NotFound, "PERSON_ERASED", None, None, false),
            (
                CallError::UnknownHousehold("h1".into()),
                Code::NotFound,
                "HOUSEHOLD_UNKNOWN",
                None,
                None,
                false,
            ),
            (CallError::NoHousehold("`p1`".into()), Code::NotFound, "NO_HOUSEHOLD", None, None, false),
            (
                CallError::NotYet { at_least: Seq::new(5), at: Seq::new(4), waited: RETRY },
                Code::Unavailable,
                "SEQUENCE_NOT_REACHED",
                None,
                None,
                true,
            ),
            (CallError::Read(corrupt()), Code::DataLoss, "STORE_DAMAGED", None, None, false),
            (CallError::Write(corrupt().into()), Code::DataLoss, "STORE_DAMAGED", None, None, false),
            (
                CallError::Read(ReadError::Storage("io".into())),
                Code::Unavailable,
                "STORAGE",
                None,
                None,
                true,
            ),
            (
                CallError::Write(WriteError::TooLarge { given: 1_001 }),
                Code::InvalidArgument,
                "BATCH_TOO_LARGE",
                text("observations"),
                None,
                false,
            ),
            (
                CallError::Write(WriteError::RequestId { given: 300 }),
                Code::InvalidArgument,
                "REQUEST_ID_INVALID",
                text("request_id"),
                None,
                false,
            ),
            (
                CallError::Write(WriteError::RequestReused { request_id: "r".into() }),
                Code::AlreadyExists,
                "REQUEST_ID_REUSED",
                None,
                None,
                false,
            ),
            (
                CallError::Write(WriteError::ReadOnly),
                Code::FailedPrecondition,
                "STORE_READ_ONLY",
                None,
                None,
                false,
            ),
            (CallError::Write(WriteError::Closed), Code::Unavailable, "STORE_CLOSED", None, None, true),
            (
                CallError::Write(WriteError::Storage("no space".into())),
                Code::Unavailable,
                "STORAGE",
                None,
                None,
                true,
            ),
            (
                CallError::TooLargeToSend { what: "the person", bytes: 9, most: 8 },
                Code::ResourceExhausted,
                "ANSWER_TOO_LARGE",
                None,
                text("max_send_bytes"),
                false,
            ),
            (
                CallError::TooDeepToSend { most: 30 },
                Code::ResourceExhausted,
                "ANSWER_TOO_DEEP",
                None,
                text("max_answer_depth"),
                false,
            ),
            (
                CallError::Deadline { after: RETRY, hint: "" },
                Code::DeadlineExceeded,
                "DEADLINE",
                None,
                None,
                false,
            ),
            (CallError::Cancelled, Code::Cancelled, "CANCELLED", None, None, false),
            (CallError::ShuttingDown, Code::Unavailable, "SHUTTING_DOWN", None, None, true),
            (CallError::Internal("panicked".into()), Code::Internal, "INTERNAL", None, None, false),
        ] {
            assert_eq!(seen(&error), (code, reason.to_owned(), field, quota, retry), "{error:?}");
        }
    }

    #[test]
    fn a_query_error_carries_its_place() {
        let error = query_error("RETURN\n  oops", Limits::default());
        let (code, _, field, _, _) = seen(&error);
        assert_eq!((code, field.as_deref()), (Code::InvalidArgument, Some("text")));
        let status = status(&error);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.metadata["line"].as_str(), info.metadata["column"].as_str()), ("2", "3"));
        assert_eq!(info.reason, info.metadata["code"].to_uppercase().replace('-', "_"));
        assert!(status.message().contains("^^^^"), "{}", status.message());
    }

    #[test]
    fn a_limit_of_a_query_is_a_quota() {
        let rows = query_error("UNWIND [1, 2, 3] AS n RETURN n", Limits { max_rows: 2, ..Limits::default() });
        let (code, reason, field, quota, _) = seen(&rows);
        assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "LIMIT_ROWS"));
        assert_eq!((field, quota.as_deref()), (None, Some("max_rows")));
        let late = Limits { deadline: Some(Duration::ZERO), ..Limits::default() };
        let late = query_error("UNWIND range(1, 100000) AS n RETURN n", late);
        assert_eq!(seen(&late).0, Code::DeadlineExceeded);
    }

    #[test]
    fn statuses_fit_into_headers() {
        let error = FieldError::new("é".repeat(9_000), FieldFault::InvalidValue, "ü".repeat(9_000));
        let status = status(&error.clone().into());
        let mut headers = tonic::codegen::http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!((4_000..8_000).contains(&bytes), "{bytes}");
        assert!(lookup_error(&error.into()).field.len() <= LONGEST_PART + 3);
        assert_eq!((cut("aé", 2), cut("aé", 3), cut("é", 1)), ("a…".into(), "aé".into(), "…".into()));
    }
}
