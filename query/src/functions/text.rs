//! Functions of strings. Lengths and places count Unicode scalars.

use super::{Accept, Call, Function};
use crate::bind::Type;
use crate::error::Outcome;
use crate::value::Value;

macro_rules! text {
    ($name:literal, $takes:expr, $least:literal, $run:expr) => {
        Function {
            name: $name,
            takes: $takes,
            least: $least,
            variadic: false,
            nulls: false,
            gives: |_| Type::String,
            run: $run,
        }
    };
}

const ONE: &[Accept] = &[Accept::String];

pub(super) const TABLE: &[Function] = &[
    text!("toUpper", ONE, 1, |call, args| string(call, args, 0).map(|t| t.to_uppercase().into())),
    text!("toLower", ONE, 1, |call, args| string(call, args, 0).map(|t| t.to_lowercase().into())),
    text!("trim", ONE, 1, |call, args| string(call, args, 0).map(|t| t.trim().into())),
    text!("lTrim", ONE, 1, |call, args| string(call, args, 0).map(|t| t.trim_start().into())),
    text!("rTrim", ONE, 1, |call, args| string(call, args, 0).map(|t| t.trim_end().into())),
    text!("left", &[Accept::String, Accept::Number], 2, |call, args| {
        let (text, count) = (string(call, args, 0)?, count(call, args, 1)?);
        Ok(text.chars().take(count).collect::<String>().into())
    }),
    text!("right", &[Accept::String, Accept::Number], 2, |call, args| {
        let (text, count) = (string(call, args, 0)?, count(call, args, 1)?);
        let skip = text.chars().count().saturating_sub(count);
        Ok(text.chars().skip(skip).collect::<String>().into())
    }),
    text!("substring", &[Accept::String, Accept::Number, Accept::Number], 2, |call, args| {
        let (text, start) = (string(call, args, 0)?, count(call, args, 1)?);
        let length = if args.len() > 2 { count(call, args, 2)? } else { usize::MAX };
        Ok(text.chars().skip(start).take(length).collect::<String>().into())
    }),
    text!("replace", &[Accept::String, Accept::String, Accept::String], 3, replace),
    text!("toString", &[Accept::Any], 1, to_string),
    Function {
        name: "split",
        takes: &[Accept::String, Accept::String],
        least: 2,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::String),
        run: split,
    },
];

fn string<'v>(call: &Call<'_, '_>, args: &'v [Value], at: usize) -> Outcome<&'v str> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text),
        other => Err(call.wrong(other.unwrap_or(&Value::Null), "a string there")),
    }
}

fn count(call: &Call<'_, '_>, args: &[Value], at: usize) -> Outcome<usize> {
    match args.get(at) {
        Some(Value::Int(value)) => usize::try_from(*value)
            .map_err(|_| call.range(format!("{value} is negative, and counts are not"))),
        other => Err(call.wrong(other.unwrap_or(&Value::Null), "an integer there")),
    }
}

fn replace(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    let (text, from, to) = (string(call, args, 0)?, string(call, args, 1)?, string(call, args, 2)?);
    if from.is_empty() {
        return Ok(text.into());
    }
    // Asked first: few bytes of query can ask for very many of result.
    let growth = text.matches(from).count().saturating_mul(to.len());
    call.fits(text.len().saturating_add(growth))?;
    Ok(text.replace(from, to).into())
}

fn split(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    let (text, by) = (string(call, args, 0)?, string(call, args, 1)?);
    let parts = if by.is_empty() { text.len() } else { text.matches(by).count() + 1 };
    call.fits(parts.saturating_mul(size_of::<Value>() + 16).saturating_add(text.len()))?;
    if by.is_empty() {
        return Ok(text.chars().map(|c| Value::from(c.to_string())).collect());
    }
    Ok(text.split(by).map(Value::from).collect())
}

fn to_string(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::String(text)] => Ok(Value::String(text.clone())),
        [
            value @ (Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::DateTime(_)
            | Value::Duration(_)),
        ] => Ok(value.to_string().into()),
        _ => Err(call.wrong(args.first().unwrap_or(&Value::Null), "a string, a number, a boolean or a time")),
    }
}
