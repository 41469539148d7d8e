//! Points and lengths of time.

use kinfold_engine::model::Timestamp;

use super::{Accept, Call, Function};
use crate::bind::Type;
use crate::error::{Fault, Outcome};
use crate::value::{Duration, Map, Value};

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "datetime",
        takes: &[Accept::Any],
        least: 0,
        variadic: false,
        nulls: false,
        gives: |_| Type::DateTime,
        run: datetime,
    },
    Function {
        name: "duration",
        takes: &[Accept::Any],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Duration,
        run: duration,
    },
    Function {
        name: "duration.between",
        takes: &[Accept::Any, Accept::Any],
        least: 2,
        variadic: false,
        nulls: false,
        gives: |_| Type::Duration,
        run: between,
    },
];

/// Without an argument: when the query was prepared, the same in every row.
fn datetime(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [] => Ok(Value::DateTime(call.context.now)),
        [Value::DateTime(time)] => Ok(Value::DateTime(*time)),
        [Value::String(text)] => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Value::DateTime(time)),
            Err(error) => Err(Fault::runtime("invalid-time", call.span, error.to_string())),
        },
        [other, ..] => Err(call.wrong(other, "a string, as in '2026-01-05T00:00:00Z'")),
    }
}

fn duration(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Duration(duration)] => Ok(Value::Duration(*duration)),
        [Value::String(text)] => Duration::parse(text).map(Value::Duration).ok_or_else(|| {
            let message = format!("`{text}` is no duration: expected ISO 8601, as in `P30D` or `PT1H30M`");
            Fault::runtime("invalid-duration", call.span, message)
        }),
        [Value::Map(parts)] => from_parts(call, parts).map(Value::Duration),
        _ => Err(call.wrong(
            args.first().unwrap_or(&Value::Null),
            "a string, as in 'P30D', or a map, as in {days: 30}",
        )),
    }
}

fn from_parts(call: &Call<'_, '_>, parts: &Map) -> Outcome<Duration> {
    type Unit = (&'static str, fn(&mut Duration) -> &mut i64, i64);
    let units: [Unit; 9] = [
        ("years", |d| &mut d.months, 12),
        ("months", |d| &mut d.months, 1),
        ("weeks", |d| &mut d.days, 7),
        ("days", |d| &mut d.days, 1),
        ("hours", |d| &mut d.micros, 3_600_000_000),
        ("minutes", |d| &mut d.micros, 60_000_000),
        ("seconds", |d| &mut d.micros, 1_000_000),
        ("milliseconds", |d| &mut d.micros, 1_000),
        ("microseconds", |d| &mut d.micros, 1),
    ];
    let mut duration = Duration::default();
    for (name, value) in parts.iter() {
        let Some((_, part, factor)) = units.iter().find(|(unit, ..)| *unit == &**name) else {
            let known: Vec<&str> = units.iter().map(|(unit, ..)| *unit).collect();
            let message = format!("a duration has no part `{name}`; its parts are {}", known.join(", "));
            return Err(Fault::runtime("invalid-duration", call.span, message));
        };
        let Value::Int(count) = value else { return Err(call.wrong(value, "whole numbers as the parts")) };
        let part = part(&mut duration);
        *part =
            count.checked_mul(*factor).and_then(|v| v.checked_add(*part)).ok_or_else(|| call.overflow())?;
    }
    Ok(duration)
}

fn between(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::DateTime(start), Value::DateTime(end)] => {
            Ok(Value::Duration(Duration::between(*start, *end)))
        }
        _ => {
            let wrong = args.iter().find(|arg| !matches!(arg, Value::DateTime(_))).unwrap_or(&Value::Null);
            Err(call.wrong(wrong, "two datetimes"))
        }
    }
}
