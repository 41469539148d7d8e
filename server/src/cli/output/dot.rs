//! Graphviz.

use std::collections::HashSet;
use std::io::{self, Write};

use kinfold_query::{Map, Value};

use super::Answer;

/// Draws the nodes, relationships and paths of the rows, wherever in them they
/// stand, as a graph that Graphviz reads: each once, in the order in which they
/// came. What is neither is left out.
///
/// A result without any of them is an error at the end: an empty picture would
/// look as if there were nothing.
pub(super) struct DotAnswer<W> {
    out: W,
    begun: bool,
    /// The ids of the nodes that are drawn.
    nodes: HashSet<String>,
    /// The relationships that are drawn: the ends of each and its label.
    edges: HashSet<(String, String, String)>,
}

impl<W: Write> DotAnswer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, begun: false, nodes: HashSet::new(), edges: HashSet::new() }
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.out.write_all(b"digraph {\n  node [shape=box];\n")?;
        }
        Ok(())
    }

    fn draw(&mut self, value: &Value) -> io::Result<()> {
        match value {
            Value::Node(node) => {
                let data = node.data();
                self.node(&data.id, data.labels.iter().map(String::as_str))
            }
            Value::Relationship(rel) => {
                let data = rel.data();
                self.edge(&data.start, &data.end, &data.kind, &data.properties)
            }
            Value::Path(path) => {
                for node in path.nodes() {
                    self.draw(&Value::Node(node.clone()))?;
                }
                path.relationships().iter().try_for_each(|rel| self.draw(&Value::Relationship(rel.clone())))
            }
            Value::List(list) => list.iter().try_for_each(|value| self.draw(value)),
            Value::Map(map) => self.element(map),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::DateTime(_)
            | Value::Duration(_) => Ok(()),
        }
    }

    /// A map that is a node, a relationship or a path as a server sends them;
    /// of another the values.
    fn element(&mut self, map: &Map) -> io::Result<()> {
        let keys: Vec<&str> = map.keys().map(|key| &**key).collect();
        let text = |name: &str| map.get(name).and_then(Value::as_str);
        match (keys.as_slice(), map.get("properties"), map.get("labels")) {
            (["id", "labels", "properties"], Some(Value::Map(_)), Some(Value::List(labels))) => {
                if let Some(id) = text("id") {
                    return self.node(id, labels.iter().filter_map(Value::as_str));
                }
            }
            (["end", "properties", "start", "type"], Some(Value::Map(properties)), None) => {
                if let (Some(start), Some(end), Some(kind)) = (text("start"), text("end"), text("type")) {
                    return self.edge(start, end, kind, properties);
                }
            }
            _ => {}
        }
        map.values().try_for_each(|value| self.draw(value))
    }

    fn node<'l>(&mut self, id: &str, labels: impl Iterator<Item = &'l str>) -> io::Result<()> {
        self.begin()?;
        if !self.nodes.insert(id.to_owned()) {
            return Ok(());
        }
        let labels: Vec<&str> = labels.collect();
        let more = match labels.first() {
            Some(&"Person") => ", shape=ellipse",
            Some(&"Household") => ", shape=house",
            _ => "",
        };
        // The name of an identifier says its namespace already.
        let first = labels.first().filter(|label| **label != "Identifier");
        let label = first.map_or_else(|| id.to_owned(), |first| format!("{first}\n{id}"));
        writeln!(self.out, "  {} [label={}{more}];", quoted(id), quoted(&label))
    }

    fn edge(&mut self, start: &str, end: &str, kind: &str, properties: &Map) -> io::Result<()> {
        self.begin()?;
        let linked = kind == "LINKED";
        let mut label = match properties.get("weight") {
            Some(weight @ (Value::Float(_) | Value::Int(_))) if linked => weight.to_string(),
            _ => kind.to_owned(),
        };
        let mut more = String::new();
        if linked {
            more.push_str(", dir=none");
        }
        if let Some(Value::String(limit)) = properties.get("held_back_by") {
            label.push('\n');
            label.push_str(limit);
            more.push_str(", style=dashed");
        } else if let Some(Value::Bool(false)) = properties.get("conducts") {
            more.push_str(", style=dashed");
        }
        let key = (start.to_owned(), end.to_owned(), label.clone());
        if !self.edges.insert(key) {
            return Ok(());
        }
        writeln!(self.out, "  {} -> {} [label={}{more}];", quoted(start), quoted(end), quoted(&label))
    }
}

/// A text as Graphviz quotes it: backslashes, which it would take for escapes,
/// stand doubled, and of control characters only the line feed means anything.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl<W: Write> Answer for DotAnswer<W> {
    fn columns(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        row.iter().try_for_each(|value| self.draw(value))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, complete: bool) -> io::Result<()> {
        if self.begun {
            self.out.write_all(b"}\n")?;
            return self.out.flush();
        }
        if !complete {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there is nothing to draw: no node, relationship or path is in the result; \
             return some, as in MATCH p = (i {id: $id})-[:LINKED]-() RETURN p, or choose another format",
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::output::samples::{list, map, node, path, person, relationship};

    fn drawn(rows: &[Vec<Value>]) -> io::Result<String> {
        let mut out = Vec::new();
        let mut answer = DotAnswer::new(&mut out);
        answer.columns(&["a".to_owned()])?;
        rows.iter().try_for_each(|row| answer.row(row))?;
        answer.end(true)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_element_is_drawn_once_wherever_it_stands() {
        let rows =
            [vec![path(), Value::Int(1)], vec![list(&[node(), map(&[("who", person())])]), relationship()]];
        let expected = "digraph {\n  node [shape=box];\n  \
            \"email:ann@example.com\" [label=\"email:ann@example.com\"];\n  \
            \"p1\" [label=\"Person\\np1\", shape=ellipse];\n  \
            \"email:ann@example.com\" -> \"p1\" [label=\"IDENTIFIES\"];\n}\n";
        assert_eq!(drawn(&rows).unwrap(), expected);
    }

    #[test]
    fn links_show_their_weight_and_what_holds_them_back() {
        let link = |properties: &[(&str, Value)]| {
            let entries = [
                ("type", "LINKED".into()),
                ("start", "a:1".into()),
                ("end", "b:2".into()),
                ("properties", map(properties)),
            ];
            map(&entries)
        };
        let text = drawn(&[
            vec![link(&[("weight", Value::Float(0.9)), ("conducts", Value::Bool(true))])],
            vec![link(&[("weight", Value::Float(0.4)), ("held_back_by", "max_per_person(account)".into())])],
        ])
        .unwrap();
        assert!(text.contains("\"a:1\" -> \"b:2\" [label=\"0.9\", dir=none];"), "{text}");
        assert!(
            text.contains("[label=\"0.4\\nmax_per_person(account)\", dir=none, style=dashed];"),
            "{text}"
        );
    }

    #[test]
    fn no_value_can_break_out_of_its_quotes() {
        let id = "x\"]; evil [label=\"\\";
        let evil = map(&[("id", id.into()), ("labels", list(&[])), ("properties", map(&[]))]);
        let text = drawn(&[vec![evil]]).unwrap();
        let name = r#""x\"]; evil [label=\"\\""#;
        assert_eq!(text, format!("digraph {{\n  node [shape=box];\n  {name} [label={name}];\n}}\n"));
        assert_eq!(quoted("a\0b\r\n"), "\"a\u{fffd}b\u{fffd}\\n\"");
    }

    #[test]
    fn a_result_without_a_graph_is_an_error() {
        for rows in [&[][..], &[vec![Value::Int(1), "a".into(), map(&[("id", "a".into())])]]] {
            let error = drawn(rows).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(error.to_string().contains("nothing to draw"), "{error}");
        }
    }
}
