//! What is made again, and after how long.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::error::is_broken;

/// How often a call is made that may be made again, and how long the pauses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How often a call is made at most; 1: once, whatever comes of it.
    pub tries: u32,
    /// The first pause; each is twice the one before.
    pub first_pause: Duration,
    /// The longest pause, also where the server asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Retry {
    /// Four tries, with pauses of 100, 200 and 400 milliseconds, or what the server asks for up to ten seconds.
    fn default() -> Self {
        Self { tries: 4, first_pause: Duration::from_millis(100), longest_pause: Duration::from_secs(10) }
    }
}

impl Retry {
    /// Every call is made once.
    pub const NEVER: Self = Self { tries: 1, first_pause: Duration::ZERO, longest_pause: Duration::ZERO };

    /// How long to wait after a call has failed for the `failed`-th time, from 1,
    /// before it is made again; `None`: it is not.
    ///
    /// A server that is busy says when to come back (`RetryInfo`). One that is
    /// away for a moment cannot. Whatever else a server answers does not come right by itself.
    pub(crate) fn pause(&self, failed: u32, status: &Status) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let asked = status.get_error_details().retry_info().and_then(|retry| retry.retry_delay);
        let away = status.code() == Code::Unavailable || is_broken(status);
        let doubled = self.first_pause.saturating_mul(1 << failed.saturating_sub(1).min(20));
        Some(asked.or(away.then_some(doubled))?.min(self.longest_pause))
    }
}

/// Whether a call can be made twice without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It changes nothing, or the server knows it by its request id.
    Safe,
    /// Nobody knows whether the first one was done.
    Unsafe,
}

impl Again {
    /// A change that the server knows by its name, if it has one.
    pub(crate) fn named(request_id: &str) -> Self {
        if request_id.is_empty() { Self::Unsafe } else { Self::Safe }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn ours(code: Code, retry: Option<Duration>) -> Status {
        let mut details = ErrorDetails::with_error_info("REASON", "kinfold", []);
        if let Some(after) = retry {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(code, "no", details)
    }

    #[test]
    fn what_the_server_asks_for_counts() {
        let retry = Retry::default();
        let busy = ours(Code::ResourceExhausted, Some(Duration::from_millis(30)));
        assert_eq!(retry.pause(1, &busy), Some(Duration::from_millis(30)));
        assert_eq!(retry.pause(3, &busy), Some(Duration::from_millis(30)));
        assert_eq!(retry.pause(4, &busy), None, "four tries are made, and no fifth");
        let long = ours(Code::Unavailable, Some(Duration::from_secs(3_600)));
        assert_eq!(retry.pause(1, &long), Some(Duration::from_secs(10)));
    }

    #[test]
    fn pauses_double_while_the_server_is_away() {
        let retry = Retry { longest_pause: Duration::from_millis(300), ..Retry::default() };
        let pauses: Vec<_> =
            (1..=4).map(|failed| retry.pause(failed, &Status::unavailable("gone"))).collect();
        let pause = |millis| Some(Duration::from_millis(millis));
        assert_eq!(pauses, [pause(100), pause(200), pause(300), None]);
        assert!(retry.pause(1, &ours(Code::Unavailable, None)).is_some());
        assert!(retry.pause(1, &Status::unknown("transport error")).is_some(), "a connection that broke");
        let many = Retry { tries: u32::MAX, ..retry };
        assert_eq!(many.pause(u32::MAX - 1, &Status::unavailable("gone")), pause(300));
    }

    #[test]
    fn what_does_not_come_right_by_itself_is_not_asked_again() {
        let retry = Retry::default();
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::AlreadyExists,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::FailedPrecondition,
            Code::Internal,
            Code::DataLoss,
            Code::Unauthenticated,
            Code::DeadlineExceeded,
        ] {
            assert_eq!(retry.pause(1, &ours(code, None)), None, "{code:?}");
        }
        assert_eq!(Retry::NEVER.pause(1, &Status::unavailable("gone")), None);
    }

    #[test]
    fn a_write_without_a_name_is_made_once() {
        assert_eq!(Again::named(""), Again::Unsafe);
        assert_eq!(Again::named("r1"), Again::Safe);
    }
}
