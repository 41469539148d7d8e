//! JSON Lines.

use std::io::{self, Write};

use kinfold_query::{NodeValue, RelValue, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Answer;

/// Writes a row as one JSON object on a line of its own, keyed by column.
///
/// Times and lengths of time are strings (RFC 3339, ISO 8601); a float that JSON
/// does not have is `"NaN"`, `"Infinity"` or `"-Infinity"`; a node is
/// `{"id", "labels", "properties"}`, a relationship
/// `{"end", "properties", "start", "type"}`, a path `{"nodes", "relationships"}`.
pub(super) struct JsonAnswer<W> {
    out: W,
    columns: Vec<String>,
}

impl<W: Write> JsonAnswer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, columns: Vec::new() }
    }
}

impl<W: Write> Answer for JsonAnswer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.columns = names.to_vec();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        let line = Line { columns: &self.columns, row };
        serde_json::to_writer(&mut self.out, &line).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _complete: bool) -> io::Result<()> {
        self.out.flush()
    }
}

struct Line<'a> {
    columns: &'a [String],
    row: &'a [Value],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().zip(self.row.iter().map(Json)))
    }
}

/// A value as JSON.
pub(super) struct Json<'a>(pub(super) &'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(_) | Value::DateTime(_) | Value::Duration(_) => serializer.collect_str(self.0),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(list) => serializer.collect_seq(list.iter().map(Json)),
            Value::Map(map) => serializer.collect_map(map.iter().map(|(name, it)| (&**name, Json(it)))),
            Value::Node(node) => Node(node).serialize(serializer),
            Value::Relationship(rel) => Relationship(rel).serialize(serializer),
            Value::Path(path) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("nodes", &Each(path.nodes(), Node))?;
                map.serialize_entry("relationships", &Each(path.relationships(), Relationship))?;
                map.end()
            }
        }
    }
}

struct Node<'a>(&'a NodeValue);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.0.data();
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("id", &data.id)?;
        map.serialize_entry("labels", &data.labels)?;
        map.serialize_entry("properties", &Json(&Value::Map(data.properties.clone())))?;
        map.end()
    }
}

struct Relationship<'a>(&'a RelValue);

impl Serialize for Relationship<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.0.data();
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("end", &data.end)?;
        map.serialize_entry("properties", &Json(&Value::Map(data.properties.clone())))?;
        map.serialize_entry("start", &data.start)?;
        map.serialize_entry("type", &data.kind)?;
        map.end()
    }
}

/// Items, each in its form.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, J: Serialize, F: Fn(&'a T) -> J> Serialize for Each<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            all.serialize_element(&(self.1)(item))?;
        }
        all.end()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::output::samples;

    #[test]
    fn a_row_is_an_object_on_a_line() {
        let mut out = Vec::new();
        let mut answer = JsonAnswer::new(&mut out);
        answer.columns(&samples::columns()).unwrap();
        answer.row(&samples::row()).unwrap();
        answer.row(&samples::row()).unwrap();
        answer.end(true).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = concat!(
            r#"{"null":null,"bool":true,"int":-7,"float":0.5,"text":"it's \"so\",\nreally","list":[1,"a",null],"#,
            r#""map":{"a b":"NaN"},"time":"2026-01-05T00:00:00Z","length":"P1M2DT0.5S"}"#
        );
        assert_eq!(text, format!("{expected}\n{expected}\n"));
    }

    #[test]
    fn nodes_and_paths_have_the_documented_shape() {
        let node = serde_json::to_string(&Json(&samples::node())).unwrap();
        let node_text = r#"{"id":"email:ann@example.com","labels":["Identifier","email"],"properties":{"degree":2,"value":"ann@example.com"}}"#;
        assert_eq!(node, node_text);
        let path = serde_json::to_string(&Json(&samples::path())).unwrap();
        let expected = format!(
            r#"{{"nodes":[{node_text},{{"id":"p1","labels":["Person"],"properties":{{}}}}],"relationships":[{{"end":"p1","properties":{{}},"start":"email:ann@example.com","type":"IDENTIFIES"}}]}}"#
        );
        assert_eq!(path, expected);
    }
}
