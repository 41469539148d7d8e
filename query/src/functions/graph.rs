//! Functions of nodes, relationships, paths and maps.

use super::{Accept, Call, Function};
use crate::bind::Type;
use crate::error::{Fault, Outcome};
use crate::value::{NodeValue, Value};
use kinfold_engine::read::ReadResult;

pub(super) const TABLE: &[Function] = &[
    Function {
        name: "nodes",
        takes: &[Accept::Path],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::Node),
        run: nodes,
    },
    Function {
        name: "relationships",
        takes: &[Accept::Path],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::Rel),
        run: relationships,
    },
    Function {
        name: "length",
        takes: &[Accept::Path],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Int,
        run: length,
    },
    Function {
        name: "labels",
        takes: &[Accept::Node],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::String),
        run: labels,
    },
    Function {
        name: "type",
        takes: &[Accept::Rel],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::String,
        run: kind,
    },
    Function {
        name: "id",
        takes: &[Accept::Entity],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Any,
        run: id,
    },
    Function {
        name: "keys",
        takes: &[Accept::EntityOrMap],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::list(Type::String),
        run: keys,
    },
    Function {
        name: "properties",
        takes: &[Accept::EntityOrMap],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Map,
        run: properties,
    },
    Function {
        name: "startNode",
        takes: &[Accept::Rel],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Node,
        run: |call, args| end(call, args, true),
    },
    Function {
        name: "endNode",
        takes: &[Accept::Rel],
        least: 1,
        variadic: false,
        nulls: false,
        gives: |_| Type::Node,
        run: |call, args| end(call, args, false),
    },
];

fn read<T>(call: &Call<'_, '_>, result: ReadResult<T>) -> Outcome<T> {
    result.map_err(|error| Fault::from(error).or_at(call.span))
}

fn nodes(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Path(path)] => Ok(path.nodes().iter().cloned().map(Value::Node).collect()),
        _ => Err(wrong(call, args, Accept::Path)),
    }
}

fn relationships(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Path(path)] => Ok(path.relationships().iter().cloned().map(Value::Relationship).collect()),
        _ => Err(wrong(call, args, Accept::Path)),
    }
}

fn length(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Path(path)] => Ok(Value::Int(path.relationships().len() as i64)),
        _ => Err(wrong(call, args, Accept::Path)),
    }
}

fn labels(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Node(node)] => {
            let labels = read(call, call.context.graph.labels(node.id))?;
            Ok(labels.into_iter().map(Value::from).collect())
        }
        _ => Err(wrong(call, args, Accept::Node)),
    }
}

fn kind(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Relationship(rel)] => read(call, call.context.graph.type_of(rel.id)).map(Value::from),
        _ => Err(wrong(call, args, Accept::Rel)),
    }
}

fn id(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Node(node)] => read(call, call.context.graph.node_id(node.id)),
        [Value::Relationship(rel)] => read(call, call.context.graph.rel_id(rel.id)),
        _ => Err(wrong(call, args, Accept::Entity)),
    }
}

fn properties(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match args {
        [Value::Node(node)] => read(call, call.context.graph.node_properties(node.id)).map(Value::Map),
        [Value::Relationship(rel)] => read(call, call.context.graph.rel_properties(rel.id)).map(Value::Map),
        [Value::Map(map)] => Ok(Value::Map(map.clone())),
        _ => Err(wrong(call, args, Accept::EntityOrMap)),
    }
}

fn keys(call: &Call<'_, '_>, args: &[Value]) -> Outcome<Value> {
    match properties(call, args)? {
        Value::Map(map) => Ok(map.keys().cloned().map(Value::String).collect()),
        other => Ok(other),
    }
}

fn end(call: &Call<'_, '_>, args: &[Value], start: bool) -> Outcome<Value> {
    match args {
        [Value::Relationship(rel)] => {
            let (from, to) = read(call, call.context.graph.ends(rel.id))?;
            Ok(Value::Node(NodeValue::new(if start { from } else { to })))
        }
        _ => Err(wrong(call, args, Accept::Rel)),
    }
}

fn wrong(call: &Call<'_, '_>, args: &[Value], accept: Accept) -> Fault {
    call.wrong(args.first().unwrap_or(&Value::Null), accept.wants())
}
