//! Reading times as files write them.

use jiff::civil;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use kinfold_engine::model::Timestamp;

/// How a time is written. A time without an offset is in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339, or its date alone.
    Rfc3339,
    /// `2026-01-05`, the start of the day in UTC.
    Date,
    /// A number of units after 1970-01-01T00:00:00Z, with or without a fraction.
    Unix(UnixUnit),
    /// A strptime pattern.
    Pattern(String),
}

/// Formats of which a time may have any; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormats(pub Vec<TimeFormat>);

impl TimeFormats {
    /// Reads a time; `None` when the text is in none of the formats or outside the years 1 to 9999.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        self.0.iter().find_map(|format| format.read(text))
    }

    /// What a text in these formats looks like.
    pub fn example(&self) -> String {
        self.0.iter().map(TimeFormat::example).collect::<Vec<_>>().join(", or ")
    }
}

/// The unit of a Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl UnixUnit {
    /// How many decimal digits of a fraction a microsecond has in this unit.
    fn decimals(self) -> usize {
        match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
        }
    }
}

impl TimeFormat {
    /// The format that a mapping calls `name`: `rfc3339`, `date`, `unix_s`,
    /// `unix_ms`, `unix_us` or a strptime pattern. The error says what is wrong.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "rfc3339" => Self::Rfc3339,
            "date" => Self::Date,
            "unix_s" => Self::Unix(UnixUnit::Seconds),
            "unix_ms" => Self::Unix(UnixUnit::Milliseconds),
            "unix_us" => Self::Unix(UnixUnit::Microseconds),
            pattern if pattern.contains('%') => {
                let sample = civil::date(2026, 1, 5).at(12, 34, 56, 0).to_zoned(TimeZone::UTC);
                if let Err(error) = sample.and_then(|zoned| strtime::format(pattern, &zoned)) {
                    return Err(format!("`{pattern}` is no strptime pattern: {error}"));
                }
                Self::Pattern(pattern.to_owned())
            }
            other => {
                return Err(format!(
                    "`{other}` is no time format; expected rfc3339, date, unix_s, unix_ms, unix_us or a strptime pattern such as \"%d.%m.%Y %H:%M\""
                ));
            }
        })
    }

    /// Reads a time; `None` when the text is not in this format or outside the years 1 to 9999.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let text = text.trim();
        match self {
            Self::Rfc3339 => text.parse().ok(),
            Self::Date => at_midnight(text.parse().ok()?),
            Self::Unix(unit) => Timestamp::from_micros(decimal(text, unit.decimals())?),
            Self::Pattern(pattern) => {
                let parsed = BrokenDownTime::parse(pattern, text).ok()?;
                // A pattern that reads an offset fixes the instant by itself.
                let instant = match parsed.to_timestamp() {
                    Ok(instant) => instant,
                    Err(_) => match parsed.to_datetime() {
                        Ok(civil) => civil.to_zoned(TimeZone::UTC).ok()?.timestamp(),
                        Err(_) => return at_midnight(begin_of(parsed)?),
                    },
                };
                Timestamp::from_micros(instant.as_microsecond())
            }
        }
    }

    /// What a text in this format looks like.
    fn example(&self) -> String {
        match self {
            Self::Rfc3339 => "RFC 3339, as 2026-01-05T12:34:56Z".to_owned(),
            Self::Date => "a date, as 2026-01-05".to_owned(),
            Self::Unix(UnixUnit::Seconds) => "seconds since 1970, as 1767616496".to_owned(),
            Self::Unix(UnixUnit::Milliseconds) => "milliseconds since 1970, as 1767616496000".to_owned(),
            Self::Unix(UnixUnit::Microseconds) => "microseconds since 1970, as 1767616496000000".to_owned(),
            Self::Pattern(pattern) => format!("the pattern {pattern}"),
        }
    }
}

/// The date that was read, or the first day of the month or year that was.
fn begin_of(mut parsed: BrokenDownTime) -> Option<civil::Date> {
    if let Ok(date) = parsed.to_date() {
        return Some(date);
    }
    if parsed.month().is_none() {
        parsed.set_month(Some(1)).ok()?;
    }
    if parsed.day().is_none() {
        parsed.set_day(Some(1)).ok()?;
    }
    parsed.to_date().ok()
}

fn at_midnight(date: civil::Date) -> Option<Timestamp> {
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Timestamp::from_micros(zoned.timestamp().as_microsecond())
}

/// A decimal number scaled by 10^`decimals`, further digits cut off (towards
/// the past). Exact: no detour over floating point, which would blur microseconds.
fn decimal(text: &str, decimals: usize) -> Option<i64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::try_from(decimals).ok()?;
    let mut value: i64 = 0;
    let mut cut_off = false;
    for (place, digit) in (0i64..).zip(whole.bytes().chain(fraction.bytes())) {
        if place < point {
            value = value.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
        } else {
            cut_off |= digit != b'0';
        }
    }
    let written = i64::try_from(whole.len() + fraction.len()).ok()?;
    for _ in written..point {
        if value == 0 {
            break;
        }
        value = value.checked_mul(10)?;
    }
    Some(if negative { -value - i64::from(cut_off) } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(format: &str, text: &str) -> Option<i64> {
        TimeFormat::parse(format).expect("a format").read(text).map(Timestamp::micros)
    }

    #[test]
    fn reads_every_format() {
        for (format, text, expected) in [
            ("rfc3339", "1970-01-01T00:00:01.5Z", 1_500_000),
            ("rfc3339", "1970-01-01T01:00:01+01:00", 1_000_000),
            ("date", "1970-01-02", 86_400_000_000),
            ("unix_s", "1307526243.273450", 1_307_526_243_273_450),
            ("unix_s", "1307526243", 1_307_526_243_000_000),
            ("unix_s", "1.5e3", 1_500_000_000),
            ("unix_s", "15e-1", 1_500_000),
            ("unix_s", "-0.0000015", -2),
            ("unix_ms", "1307526243273.45", 1_307_526_243_273_450),
            ("unix_us", "12.9", 12),
            ("unix_s", "0e999999", 0),
            ("%d.%m.%Y %H:%M", "02.01.1970 00:01", 86_460_000_000),
            ("%m/%d/%Y", "1/2/1970", 86_400_000_000),
            ("%Y", "1971", 31_536_000_000_000),
            ("%m/%Y", "02/1970", 2_678_400_000_000),
            ("%Y-%m-%d %H:%M:%S %z", "1970-01-01 02:00:00 +0200", 0),
        ] {
            assert_eq!(micros(format, text), Some(expected), "{format} {text}");
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for (format, text) in [
            ("rfc3339", "yesterday"),
            ("date", "2026-02-30"),
            ("date", "05.01.2026"),
            ("unix_s", ""),
            ("unix_s", "."),
            ("unix_s", "12a"),
            ("unix_s", "1e400"),
            ("unix_s", "1e999999999999"),
            ("unix_s", "99999999999999999999"),
            ("unix_ms", "nan"),
            ("%d.%m.%Y", "2026-01-05"),
            ("%H:%M", "12:34"),
        ] {
            assert_eq!(micros(format, text), None, "{format} {text}");
        }
        let formats = TimeFormats(vec![TimeFormat::Date, TimeFormat::Pattern("%m/%d/%y".to_owned())]);
        assert_eq!(formats.read("1/2/70"), formats.read("1970-01-02"));
        assert_eq!(formats.read("1/2/1970"), None);
        assert_eq!(formats.example(), "a date, as 2026-01-05, or the pattern %m/%d/%y");
        assert!(TimeFormat::parse("iso").is_err_and(|e| e.contains("expected rfc3339")));
        assert!(TimeFormat::parse("%Y-%!").is_err_and(|e| e.contains("strptime")));
    }
}
