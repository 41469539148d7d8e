//! Functions of numbers, and conversions to them.

use super::{Accept, Call, Function};
use crate::bind::Type;
use crate::error::Outcome;
use crate::value::Value;

macro_rules! float {
    ($name:literal, $f:expr) => {
        Function {
            name: $name,
            takes: &[Accept::Number],
            least: 1,
            variadic: false,
            nulls: false,
            gives: |_| Type::Float,
            run: |call, args| number(call, args).map(|x| Value::Float($f(x))),
        }
    };
}

macro_rules! convert {
    ($name:literal, $type:expr, $run:expr) => {
        Function {
            name: $name,
            takes: &[Accept::Any],
            least: 1,
            variadic: false,
            nulls: false,
            gives: |_| $type,
            run: $run,
        }
    };
}

pub(super) const TABLE: &[Function] = &[
    float!("ceil", f64::ceil),
    float!("floor", f64::floor),
    // Halves go up, towards positive infinity.
    float!("round", |x: f64| if x.fract().abs() == 0.5 { x.ceil() } else { x.round() }),
    float!("sqrt", f64::sqrt),
    float!("exp", f64::exp),
    float!("log", f64::ln),
    float!("log10", f64::log10),
    float!("sin", f64::sin),
    float!("cos", f64::cos),
    float!("tan", f64::tan),
    Function {
        name: "abs",
        takes: &[Accept::Number],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |types| types.first().cloned().unwrap_or(Type::Any),
        run: abs,
    },
    Function {
        name: "sign",
        takes: &[Accept::Number],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Int,
        run: sign,
    },
    Function {
        name: "rand",
        takes: &[],
        least: 0,
        variadic: false,
        nulls: false,
        gives: |_| Type::Float,
        run: |call, _| Ok(Value::Float(call.context.random())),
    },
    convert!("toInteger", Type::Int, to_integer),
    convert!("toFloat", Type::Float, to_float),
    convert!("toBoolean", Type::Bool, to_boolean),
];

fn number(call: &Call<'_, '_>, args: &[Value]) -> Outcome<f64> {
    match args {
        [Value::Int(value)] => Ok(*value as f64),
        [Value::Float(value)] => Ok(*value),
        _ => Err(call.wrong(args.first().unwrap_or(&Value::Null), "a number")),
    }
}

fn abs(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Int(value)] => value.checked_abs().map(Value::Int).ok_or_else(|| call.overflow()),
        _ => number(call, args).map(|x| Value::Float(x.abs())),
    }
}

fn sign(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    let x = number(call, args)?;
    Ok(Value::Int(if x > 0.0 { 1 } else { -i64::from(x < 0.0) }))
}

fn to_integer(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    let whole = |x: f64| (-EDGE..EDGE).contains(&x).then_some(x as i64);
    match args {
        [Value::Int(value)] => Ok(Value::Int(*value)),
        [Value::Float(value)] => whole(*value).map(Value::Int).ok_or_else(|| call.overflow()),
        [Value::String(text)] => {
            let exact = text.parse::<i64>().ok();
            Ok(exact.or_else(|| decimal(text).and_then(whole)).map_or(Value::Null, Value::Int))
        }
        _ => Err(call.wrong(args.first().unwrap_or(&Value::Null), "a number or a string")),
    }
}

fn to_float(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::String(text)] => Ok(decimal(text).map_or(Value::Null, Value::Float)),
        [Value::Int(_) | Value::Float(_)] => number(call, args).map(Value::Float),
        _ => Err(call.wrong(args.first().unwrap_or(&Value::Null), "a number or a string")),
    }
}

/// The number that a text is, if it is written as numbers are; names of numbers are none.
fn decimal(text: &str) -> Option<f64> {
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(numeric).then(|| text.parse().ok()).flatten().filter(|x: &f64| x.is_finite())
}

fn to_boolean(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Bool(value)] => Ok(Value::Bool(*value)),
        [Value::String(text)] if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        [Value::String(text)] if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        [Value::String(_)] => Ok(Value::Null),
        _ => Err(call.wrong(args.first().unwrap_or(&Value::Null), "a boolean or a string")),
    }
}
