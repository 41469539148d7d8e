//! Lengths of time.

use std::cmp::Ordering;
use std::fmt;

use jiff::{Span, SpanRelativeTo, Unit, civil, tz::TimeZone};
use kinfold_engine::model::Timestamp;

/// A length of time: months, days and microseconds, which do not convert into
/// each other, since a month has no fixed number of days. Days are of 24 hours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Duration {
    /// Calendar months.
    pub months: i64,
    /// Days.
    pub days: i64,
    /// Microseconds.
    pub micros: i64,
}

const DAY: i64 = 86_400_000_000;

impl Duration {
    /// Reads ISO 8601, as in `P1Y2M10DT2H30M` or `PT0.5S`; `None` if it is not.
    pub fn parse(text: &str) -> Option<Self> {
        let span: Span = text.trim().parse().ok()?;
        let clock = Span::new()
            .try_hours(span.get_hours())
            .ok()?
            .try_minutes(span.get_minutes())
            .ok()?
            .try_seconds(span.get_seconds())
            .ok()?
            .try_milliseconds(span.get_milliseconds())
            .ok()?
            .try_microseconds(span.get_microseconds())
            .ok()?
            .try_nanoseconds(span.get_nanoseconds())
            .ok()?;
        let micros = clock.total((Unit::Microsecond, SpanRelativeTo::days_are_24_hours())).ok()?;
        let months =
            i64::from(span.get_years()).checked_mul(12)?.checked_add(i64::from(span.get_months()))?;
        let days = i64::from(span.get_weeks()).checked_mul(7)?.checked_add(i64::from(span.get_days()))?;
        (micros.abs() < 9e15).then_some(Self { months, days, micros: micros as i64 })
    }

    /// The time from `start` to `end`, in days and microseconds.
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        let micros = end.micros().saturating_sub(start.micros());
        Self { months: 0, days: micros / DAY, micros: micros % DAY }
    }

    /// The sum with `other`, part by part; `None` if it does not fit.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// The same length the other way; `None` if it does not fit.
    pub fn negated(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }

    /// `time` plus this length, months first, in UTC; `None` outside the years 1 to 9999.
    pub fn after(self, time: Timestamp) -> Option<Timestamp> {
        let mut micros = time.micros();
        if self.months != 0 {
            let at = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).datetime();
            let moved: civil::DateTime = at.checked_add(Span::new().try_months(self.months).ok()?).ok()?;
            micros = moved.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond();
        }
        let micros = micros.checked_add(self.days.checked_mul(DAY)?)?.checked_add(self.micros)?;
        Timestamp::from_micros(micros)
    }

    /// About how many microseconds, with months of 30.436875 days: what ORDER BY compares first.
    fn rough(self) -> i128 {
        i128::from(self.months) * 2_629_746_000_000
            + i128::from(self.days) * i128::from(DAY)
            + i128::from(self.micros)
    }
}

impl Ord for Duration {
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |d: &Self| (d.rough(), d.months, d.days, d.micros);
        parts(self).cmp(&parts(other))
    }
}

impl PartialOrd for Duration {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Duration {
    /// Writes ISO 8601.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        let part = |f: &mut fmt::Formatter<'_>, value: i64, unit: char| {
            if value == 0 { Ok(()) } else { write!(f, "{value}{unit}") }
        };
        part(f, self.months / 12, 'Y')?;
        part(f, self.months % 12, 'M')?;
        part(f, self.days, 'D')?;
        if self.micros != 0 || (self.months == 0 && self.days == 0) {
            f.write_str("T")?;
            let seconds = self.micros / 1_000_000;
            part(f, seconds / 3600, 'H')?;
            part(f, seconds / 60 % 60, 'M')?;
            let (rest, fraction) = (seconds % 60, self.micros % 1_000_000);
            if fraction != 0 {
                let sign = if self.micros < 0 { "-" } else { "" };
                let digits = format!("{:06}", fraction.abs());
                write!(f, "{sign}{}.{}S", rest.abs(), digits.trim_end_matches('0'))?;
            } else if rest != 0 || seconds == 0 {
                write!(f, "{rest}S")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for text in ["P1Y2M10DT2H30M", "PT0.5S", "P30D", "PT0S", "PT1H", "PT1M0.25S", "P1M"] {
            assert_eq!(Duration::parse(text).map(|d| d.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Duration::parse("P2W"), Some(Duration { months: 0, days: 14, micros: 0 }));
        for bad in ["", "30 parsecs", "P"] {
            assert_eq!(Duration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn months_keep_to_the_calendar() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap_or_default();
        let month = Duration { months: 1, days: 0, micros: 0 };
        assert_eq!(month.after(at("2026-01-31")), Some(at("2026-02-28")));
        assert_eq!(month.negated().and_then(|d| d.after(at("2026-03-31"))), Some(at("2026-02-28")));
        let week = Duration { months: 0, days: 7, micros: 1 };
        assert_eq!(week.after(at("2026-01-01")), Some(at("2026-01-08T00:00:00.000001Z")));
        assert_eq!(Duration { months: i64::MAX, ..month }.after(at("2026-01-01")), None);
        assert_eq!(Duration::between(at("2026-01-01"), at("2026-01-03T01:00:00Z")).to_string(), "P2DT1H");
    }
}
