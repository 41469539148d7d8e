//! Why a command failed: one message for standard error, and the exit status.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use kinfold_client::ClientError;
use kinfold_engine::answers::AssertionsError;
use kinfold_engine::read::ReadError;
use kinfold_engine::schema::SchemaError;
use kinfold_engine::write::{ActError, SchemaError as UnfitSchema, WriteError};
use kinfold_engine::{AsOfError, OpenError, ViewError};
use kinfold_query::{ErrorKind, QueryError};
use tonic::Code;

use super::import::{MappingError, UsageError};
use crate::config::ConfigError;
use crate::schema_change::ChangeError;

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Whoever read the output went away: nobody misses anything. Status 0.
    Quiet,
    /// Something failed. Status 1.
    Failed,
    /// The command line, a schema, a mapping or a query is wrong. Status 2.
    Usage,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    text: String,
}

impl Failure {
    /// Something failed.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { status: Status::Failed, text: text.into() }
    }

    /// The user's words are wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { status: Status::Usage, text: text.into() }
    }

    /// A file that the user names cannot be read; one that is no text is the user's mistake.
    pub(crate) fn unreadable(what: &str, shown: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            Self::usage(format!("the {what} {shown} is no text in UTF-8"))
        } else {
            Self::failed(format!("cannot read the {what} {shown}: {error}"))
        }
    }

    /// What the exit status says.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The same with a word on where it happened in front.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        let text = if self.keeps_its_form() {
            format!("{place}:\n{}", self.text)
        } else {
            format!("{place}: {}", self.text)
        };
        Self { text, ..self }
    }

    /// Errors of queries say `error[code]` themselves.
    fn keeps_its_form(&self) -> bool {
        self.text.starts_with("error[")
    }

    /// Writes the message to standard error.
    pub(crate) fn report(&self) {
        if self.status == Status::Quiet {
            return;
        }
        let head = if self.keeps_its_form() { "" } else { "error: " };
        let (head, tail) = match (styled(&io::stderr()), head) {
            (true, "error: ") => ("\x1b[1;31merror:\x1b[0m ", self.text.as_str()),
            _ => (head, self.text.as_str()),
        };
        // Where standard error is closed, the exit status is all there is to say.
        let _ = writeln!(io::stderr().lock(), "{head}{tail}");
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.status {
            Status::Quiet => ExitCode::SUCCESS,
            Status::Failed => ExitCode::from(1),
            Status::Usage => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a stream is a terminal that takes colours.
pub(crate) fn styled(stream: &impl IsTerminal) -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    wanted && able && stream.is_terminal()
}

impl From<io::Error> for Failure {
    /// What cannot be written to standard output, or not in the format that was asked for.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::Unsupported {
            return Self::usage(error.to_string());
        }
        let status = if error.kind() == io::ErrorKind::BrokenPipe { Status::Quiet } else { Status::Failed };
        Self { status, text: format!("cannot write to standard output: {error}") }
    }
}

impl From<QueryError> for Failure {
    /// As over gRPC: what the text asks is at fault, or what came of it.
    fn from(error: QueryError) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::failed("the query was cancelled"),
            ErrorKind::Runtime if matches!(error.code(), "unknown-identifier" | "not-found") => {
                Self::failed(error.to_string())
            }
            ErrorKind::Syntax | ErrorKind::Binding | ErrorKind::Type | ErrorKind::Runtime => {
                Self::usage(error.to_string())
            }
            ErrorKind::Limit { .. } | ErrorKind::Storage => Self::failed(error.to_string()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Url { .. } => Self::usage(text),
            ClientError::Refused { code: Code::InvalidArgument, .. } => Self::usage(text),
            ClientError::Refused { code: Code::Cancelled, .. } => Self::failed("the query was cancelled"),
            ClientError::Refused { .. }
            | ClientError::Unreachable { .. }
            | ClientError::NotKinfold { .. }
            | ClientError::Contract { .. }
            | ClientError::NoRequestId => Self::failed(text),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Read(error) | ViewError::AsOf(AsOfError::Read(error)) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<ActError> for Failure {
    fn from(error: ActError) -> Self {
        let text = error.to_string();
        match error {
            ActError::Author { .. }
            | ActError::Identifier { .. }
            | ActError::OneIdentifier
            | ActError::HowMany { .. } => Self::usage(text),
            ActError::Unknown { .. }
            | ActError::Forgotten { .. }
            | ActError::NotForgotten { .. }
            | ActError::UnknownPerson { .. }
            | ActError::ErasedPerson { .. }
            | ActError::UnknownSource { .. }
            | ActError::Stands { .. }
            | ActError::RequiredTogether { .. }
            | ActError::ForbiddenInside { .. }
            | ActError::Limit { .. }
            | ActError::NothingStands { .. }
            | ActError::NeverSaid { .. }
            | ActError::NoRecord { .. }
            | ActError::Write(_) => Self::failed(text),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<AssertionsError> for Failure {
    fn from(error: AssertionsError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Schema(UnfitSchema::Parse(error)) => error.into(),
            ChangeError::Schema(UnfitSchema::Act(error)) => (*error).into(),
            ChangeError::Schema(error) => Self::failed(error.to_string()),
            ChangeError::Assertions(error) => error.into(),
            ChangeError::Broken(broken) => Self::failed(format!(
                "{broken}
the schema is not put in force; --go-on does it all the same"
            )),
            ChangeError::Read(error) => error.into(),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let broken_pipe = error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
        let usage = error.downcast_ref::<UsageError>().is_some()
            || error.downcast_ref::<MappingError>().is_some()
            || error.downcast_ref::<ConfigError>().is_some();
        let status = match (broken_pipe, usage) {
            (true, _) => Status::Quiet,
            (false, true) => Status::Usage,
            (false, false) => Status::Failed,
        };
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Self { status, text: format!("{error:#}") },
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(code: Code) -> Status {
        Failure::from(ClientError::Refused { code, reason: String::new(), message: "no".into() }).status()
    }

    #[test]
    fn wrong_words_and_failures_differ() {
        assert_eq!(refused(Code::InvalidArgument), Status::Usage);
        assert_eq!(refused(Code::NotFound), Status::Failed);
        assert_eq!(refused(Code::ResourceExhausted), Status::Failed);
        let wrong = kinfold_query::parse("MATCH", &kinfold_query::Limits::default()).unwrap_err();
        assert_eq!(Failure::from(wrong).status(), Status::Usage);
        let schema = kinfold_engine::schema::Schema::parse("[person]\nthreshold = 2", "s.toml").unwrap_err();
        assert_eq!(Failure::from(schema).status(), Status::Usage);
        assert_eq!(Failure::from(OpenError::NotFound { path: "x".into() }).status(), Status::Failed);
        assert_eq!(Failure::from(anyhow::Error::from(UsageError("x".into()))).status(), Status::Usage);
        assert_eq!(Failure::from(anyhow::anyhow!("x")).status(), Status::Failed);
    }

    #[test]
    fn a_failure_keeps_its_status_on_the_way_through_anyhow() {
        let wrapped = anyhow::Error::from(Failure::usage("the words"));
        let back = Failure::from(wrapped);
        assert_eq!((back.status(), back.to_string().as_str()), (Status::Usage, "the words"));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(gone()).status(), Status::Quiet);
        let wrapped = anyhow::Error::from(gone()).context("cannot write the summary to standard output");
        assert_eq!(Failure::from(wrapped).status(), Status::Quiet);
        assert_eq!(Failure::from(io::Error::other("disk full")).status(), Status::Failed);
    }

    #[test]
    fn a_place_goes_before_the_message() {
        let plain = Failure::failed("no luck").at("line 3");
        assert_eq!(plain.to_string(), "line 3: no luck");
        let located = Failure::usage("error[syntax] at 1:1: no").at("line 3");
        assert_eq!(located.to_string(), "line 3:\nerror[syntax] at 1:1: no");
    }
}
