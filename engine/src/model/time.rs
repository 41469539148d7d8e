//! Event and system times.

use std::fmt;
use std::str::FromStr;

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no time: expected RFC 3339, as in `2026-01-05T00:00:00Z`, or a date, as in `2026-01-05`"
)]
pub struct ParseTimeError {
    given: String,
}

impl Timestamp {
    /// The latest time that prints as RFC 3339 with a four-digit year.
    pub const MAX: Self = Self(253_402_207_199_999_999);
    /// The earliest time that prints as RFC 3339 with a four-digit year.
    pub const MIN: Self = Self(-62_135_596_800_000_000);

    /// The time `micros` microseconds after the epoch, or `None` outside the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// The time `seconds` and `nanos` after the epoch, cut to microseconds.
    pub fn from_parts(seconds: i64, nanos: i32) -> Option<Self> {
        let micros = seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos).div_euclid(1_000))?;
        Self::from_micros(micros)
    }

    /// Microseconds after the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The system's time now.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let error = || ParseTimeError { given: text.to_owned() };
        let trimmed = text.trim();
        let micros = match trimmed.parse::<jiff::Timestamp>() {
            Ok(time) => time.as_microsecond(),
            // A time without an offset is taken as UTC.
            Err(_) => trimmed
                .parse::<jiff::civil::DateTime>()
                .ok()
                .and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok())
                .ok_or_else(error)?
                .timestamp()
                .as_microsecond(),
        };
        Self::from_micros(micros).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1970-01-01 00:00:02", 2_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(micros)), "{text}");
        }
        assert_eq!(Timestamp(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
        for end in [Timestamp::MIN, Timestamp::MAX] {
            assert_eq!(end.to_string().parse(), Ok(end));
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!(Timestamp::from_parts(i64::MAX, 0), None);
    }
}
