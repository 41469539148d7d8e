//! Functions of lists, and those that choose among values.

use super::{Accept, Call, Function};
use crate::bind::Type;
use crate::error::{Fault, Outcome};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "size",
        takes: &[Accept::ListOrString],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Int,
        run: size,
    },
    Function {
        name: "head",
        takes: &[Accept::List],
        least: 1,
        variadic: false,
        nulls: false,
        gives: element,
        run: |call, args| one(call, args, <[Value]>::first),
    },
    Function {
        name: "last",
        takes: &[Accept::List],
        least: 1,
        variadic: false,
        nulls: false,
        gives: element,
        run: |call, args| one(call, args, <[Value]>::last),
    },
    Function {
        name: "tail",
        takes: &[Accept::List],
        least: 1,
        variadic: false,
        nulls: false,
        gives: same,
        run: tail,
    },
    Function {
        name: "reverse",
        takes: &[Accept::ListOrString],
        least: 1,
        variadic: false,
        nulls: false,
        gives: same,
        run: reverse,
    },
    Function {
        name: "range",
        // Any: what is no integer is reported of the value alone, in one way.
        takes: &[Accept::Any, Accept::Any, Accept::Any],
        least: 2,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::Int),
        run: range,
    },
    Function {
        name: "coalesce",
        takes: &[Accept::Any],
        least: 1,
        variadic: true,
        nulls: true,
        gives: |types| types.iter().cloned().reduce(Type::join).unwrap_or(Type::Any),
        // The evaluator stops at the first argument that is not null, before this.
        run: |_, args| Ok(args.iter().find(|arg| !arg.is_null()).cloned().unwrap_or_default()),
    },
];

fn element(types: &[Type]) -> Type {
    types.first().map_or(Type::Any, Type::element)
}

fn same(types: &[Type]) -> Type {
    types.first().cloned().unwrap_or(Type::Any)
}

fn size(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::List(list)] => Ok(Value::Int(list.len() as i64)),
        [Value::String(text)] => Ok(Value::Int(text.chars().count() as i64)),
        [other, ..] => Err(call.wrong(other, "a list or a string")),
        [] => Ok(Value::Null),
    }
}

fn one(call: &Call<'_, '_>, args: &[Value], pick: fn(&[Value]) -> Option<&Value>) -> Outcome<Value> {
    match args {
        [Value::List(list)] => Ok(pick(list).cloned().unwrap_or_default()),
        [other, ..] => Err(call.wrong(other, "a list")),
        [] => Ok(Value::Null),
    }
}

fn tail(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::List(list)] => Ok(list.iter().skip(1).cloned().collect()),
        [other, ..] => Err(call.wrong(other, "a list")),
        [] => Ok(Value::Null),
    }
}

fn reverse(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::List(list)] => Ok(list.iter().rev().cloned().collect()),
        [Value::String(text)] => Ok(text.chars().rev().collect::<String>().into()),
        [other, ..] => Err(call.wrong(other, "a list or a string")),
        [] => Ok(Value::Null),
    }
}

fn range(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    let int = |at: usize| match args.get(at) {
        Some(Value::Int(value)) => Ok(*value),
        Some(other) => {
            let message = format!("range() takes integers, not {}", other.type_name());
            Err(Fault::typed("not-an-integer", call.span, message))
        }
        None => Ok(1),
    };
    let (start, end, step) = (int(0)?, int(1)?, int(2)?);
    if step == 0 {
        return Err(call.range("the step must not be 0"));
    }
    let distance = i128::from(end) - i128::from(start);
    let count = distance / i128::from(step) + 1;
    if (distance < 0) != (step < 0) && distance != 0 {
        return Ok(Vec::new().into());
    }
    // Asked before the list is made: range(0, 10^9) costs nothing but its error.
    let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(size_of::<Value>());
    call.fits(bytes)?;
    let mut list = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    let mut value = start;
    for _ in 0..count {
        list.push(Value::Int(value));
        call.context.meter.tick()?;
        value = value.saturating_add(step);
    }
    Ok(list.into())
}
