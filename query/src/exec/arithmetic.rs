//! `+ - * / % ^` and signs.

use crate::ast::{Arithmetic, Span};
use crate::error::{Fault, Outcome};
use crate::value::Value;

use super::Context;

/// `left op right`. Null with anything is null.
pub(super) fn apply(
    context: &Context<'_>,
    op: Arithmetic,
    left: Value,
    right: Value,
    span: Span,
) -> Outcome<Value> {
    match (&left, &right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Int(a), Value::Int(b)) => integers(op, *a, *b, span),
        (Value::Int(a), Value::Float(b)) => Ok(floats(op, *a as f64, *b)),
        (Value::Float(a), Value::Int(b)) => Ok(floats(op, *a, *b as f64)),
        (Value::Float(a), Value::Float(b)) => Ok(floats(op, *a, *b)),
        _ => match op {
            Arithmetic::Add => add(context, left, right, span),
            Arithmetic::Subtract => subtract(&left, &right, span),
            _ => Err(wrong(op, &left, &right, span)),
        },
    }
}

fn integers(op: Arithmetic, a: i64, b: i64, span: Span) -> Outcome<Value> {
    let result = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Subtract => a.checked_sub(b),
        Arithmetic::Multiply => a.checked_mul(b),
        Arithmetic::Divide | Arithmetic::Modulo if b == 0 => {
            return Err(Fault::runtime("division-by-zero", span, "division by zero"));
        }
        Arithmetic::Divide => a.checked_div(b),
        // The one overflow, least % -1, is 0 in mathematics.
        Arithmetic::Modulo => Some(a.checked_rem(b).unwrap_or(0)),
        Arithmetic::Power => return Ok(Value::Float((a as f64).powf(b as f64))),
    };
    result.map(Value::Int).ok_or_else(|| {
        let message = format!("{a} {} {b} does not fit in 64 bits", op.symbol());
        Fault::runtime("integer-overflow", span, message).hint("toFloat() gives an approximate result")
    })
}

fn floats(op: Arithmetic, a: f64, b: f64) -> Value {
    Value::Float(match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Modulo => a % b,
        Arithmetic::Power => a.powf(b),
    })
}

fn add(context: &Context<'_>, left: Value, right: Value, span: Span) -> Outcome<Value> {
    let time_range = || Fault::runtime("out-of-range", span, "the time falls outside the years 1 to 9999");
    match (&left, &right) {
        (Value::String(a), Value::String(b)) => {
            context.meter.fits(a.len().saturating_add(b.len()), span)?;
            Ok([&**a, &**b].concat().into())
        }
        (Value::String(a), number @ (Value::Int(_) | Value::Float(_))) => {
            context.meter.fits(a.len() + 32, span)?;
            Ok(format!("{a}{number}").into())
        }
        (number @ (Value::Int(_) | Value::Float(_)), Value::String(b)) => {
            context.meter.fits(b.len() + 32, span)?;
            Ok(format!("{number}{b}").into())
        }
        (Value::List(a), Value::List(b)) => {
            context.meter.fits(left.bytes().saturating_add(right.bytes()), span)?;
            Ok(a.iter().chain(b.iter()).cloned().collect())
        }
        (Value::List(a), one) => {
            context.meter.fits(left.bytes().saturating_add(one.bytes()), span)?;
            context.sound(a.iter().chain([one]).cloned().collect(), span)
        }
        (one, Value::List(b)) => {
            context.meter.fits(right.bytes().saturating_add(one.bytes()), span)?;
            context.sound([one].into_iter().chain(b.iter()).cloned().collect(), span)
        }
        (Value::DateTime(time), Value::Duration(by)) | (Value::Duration(by), Value::DateTime(time)) => {
            by.after(*time).map(Value::DateTime).ok_or_else(time_range)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            a.plus(*b).map(Value::Duration).ok_or_else(|| too_long(span))
        }
        _ => Err(wrong(Arithmetic::Add, &left, &right, span)),
    }
}

fn subtract(left: &Value, right: &Value, span: Span) -> Outcome<Value> {
    let time_range = || Fault::runtime("out-of-range", span, "the time falls outside the years 1 to 9999");
    match (left, right) {
        (Value::DateTime(time), Value::Duration(by)) => {
            by.negated().and_then(|by| by.after(*time)).map(Value::DateTime).ok_or_else(time_range)
        }
        (Value::Duration(a), Value::Duration(b)) => {
            b.negated().and_then(|b| a.plus(b)).map(Value::Duration).ok_or_else(|| too_long(span))
        }
        (Value::DateTime(_), Value::DateTime(_)) => Err(wrong(Arithmetic::Subtract, left, right, span)
            .hint("duration.between(start, end) gives the time between two datetimes")),
        _ => Err(wrong(Arithmetic::Subtract, left, right, span)),
    }
}

fn too_long(span: Span) -> Fault {
    Fault::runtime("integer-overflow", span, "the duration does not fit in 64 bits")
}

fn wrong(op: Arithmetic, left: &Value, right: &Value, span: Span) -> Fault {
    let (left, right) = (left.type_name(), right.type_name());
    Fault::typed("wrong-type", span, format!("`{}` cannot be applied to {left} and {right}", op.symbol()))
}

/// `-value`.
pub(super) fn negate(value: Value, span: Span) -> Outcome<Value> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| {
            Fault::runtime("integer-overflow", span, format!("-({value}) does not fit in 64 bits"))
        }),
        Value::Float(value) => Ok(Value::Float(-value)),
        Value::Duration(value) => value.negated().map(Value::Duration).ok_or_else(|| too_long(span)),
        other => {
            let message = format!("a sign goes before a number, and this is {}", other.type_name());
            Err(Fault::typed("wrong-type", span, message))
        }
    }
}
