//! Values as the language writes them.

use std::fmt::{self, Write};

use super::{Map, NodeValue, PathValue, RelValue, Value};
use crate::parser::{is_name_part, is_name_start};

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => write_float(f, *value),
            Self::String(text) => write_string(f, text),
            Self::List(list) => {
                f.write_char('[')?;
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_char(']')
            }
            Self::Map(map) => write_map(f, map),
            Self::DateTime(time) => time.fmt(f),
            Self::Duration(duration) => duration.fmt(f),
            Self::Node(node) => node.fmt(f),
            Self::Relationship(rel) => rel.fmt(f),
            Self::Path(path) => path.fmt(f),
        }
    }
}

impl fmt::Display for NodeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        f.write_char('(')?;
        for label in &data.labels {
            f.write_char(':')?;
            write_name(f, label)?;
        }
        if !data.properties.is_empty() {
            f.write_str(if data.labels.is_empty() { "" } else { " " })?;
            write_map(f, &data.properties)?;
        }
        f.write_char(')')
    }
}

impl fmt::Display for RelValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.data();
        f.write_str("[:")?;
        write_name(f, &data.kind)?;
        if !data.properties.is_empty() {
            f.write_char(' ')?;
            write_map(f, &data.properties)?;
        }
        f.write_char(']')
    }
}

impl fmt::Display for PathValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = self.nodes().iter();
        f.write_char('<')?;
        if let Some(first) = nodes.next() {
            first.fmt(f)?;
        }
        let mut from = self.nodes().first();
        for (rel, node) in self.relationships().iter().zip(nodes) {
            let forward = from.is_some_and(|from| from.data().id == rel.data().start);
            let (left, right) = if forward { ("-", "->") } else { ("<-", "-") };
            write!(f, "{left}{rel}{right}{node}")?;
            from = Some(node);
        }
        f.write_char('>')
    }
}

fn write_map(f: &mut fmt::Formatter<'_>, map: &Map) -> fmt::Result {
    f.write_char('{')?;
    for (at, (key, value)) in map.iter().enumerate() {
        f.write_str(if at > 0 { ", " } else { "" })?;
        write_name(f, key)?;
        write!(f, ": {value}")?;
    }
    f.write_char('}')
}

/// A float always shows that it is one: with a point or an exponent.
pub(crate) fn write_float(f: &mut impl Write, value: f64) -> fmt::Result {
    if value.is_nan() {
        f.write_str("NaN")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        write!(f, "{value:?}")
    }
}

/// A string in quotes, escaped so that it reads back.
pub(crate) fn write_string(f: &mut impl Write, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('\'')
}

/// A name, in backticks if it needs them.
pub(crate) fn write_name(f: &mut impl Write, name: &str) -> fmt::Result {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(is_name_start) && chars.all(is_name_part);
    if plain { f.write_str(name) } else { write!(f, "`{}`", name.replace('`', "``")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_the_language_writes_them() {
        let map: Map = [("a b", Value::Int(1)), ("k", "it's\n".into())].into_iter().collect();
        let list: Value = vec![Value::Null, Value::Float(1.0), Value::Bool(true), Value::Map(map)].into();
        assert_eq!(list.to_string(), r"[null, 1.0, true, {`a b`: 1, k: 'it\'s\n'}]");
        assert_eq!(Value::Float(f64::NAN).to_string(), "NaN");
        assert_eq!(Value::Float(1e300).to_string(), "1e300");
    }
}
