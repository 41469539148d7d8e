//! Values as a table shows them.

use std::fmt::Write;

use kinfold_query::{Map, NodeValue, RelValue, Value};

/// A value as a cell of a table shows it, on one line: a text stands as it is,
/// what is inside a list or a map as the language writes it.
///
/// Characters that would move a terminal's cursor or change its state are
/// written as escapes, whatever the data holds.
pub(super) fn cell(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::String(text) => plain(&mut out, text),
        other => nested(&mut out, other),
    }
    out
}

/// A text that may stand on a terminal.
pub(super) fn plain(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if unsafe_on_terminal(c) => escape(out, c),
            c => out.push(c),
        }
    }
}

/// Control characters, and those that turn the direction of the text around them.
fn unsafe_on_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(out: &mut String, c: char) {
    // Writing to a String does not fail.
    let _ = write!(out, "\\u{:04X}", u32::from(c));
}

/// Depth is bounded where values are made and where messages are decoded.
fn nested(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => quoted(out, text),
        Value::List(list) => {
            out.push('[');
            for (at, value) in list.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                nested(out, value);
            }
            out.push(']');
        }
        Value::Node(node) => self::node(out, &Node::of(node)),
        Value::Relationship(rel) => relationship(out, &Relationship::of(rel)),
        Value::Path(it) => {
            let nodes: Vec<_> = it.nodes().iter().map(Node::of).collect();
            let relationships: Vec<_> = it.relationships().iter().map(Relationship::of).collect();
            path(out, &nodes, &relationships);
        }
        // A server's nodes, relationships and paths come as maps; they are shown as a store's.
        Value::Map(it) => {
            if let Some(it) = Node::read(it) {
                node(out, &it);
            } else if let Some(it) = Relationship::read(it) {
                relationship(out, &it);
            } else if let Some((nodes, relationships)) = read_path(it) {
                path(out, &nodes, &relationships);
            } else {
                map(out, it);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::DateTime(_)
        | Value::Duration(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

struct Node<'a> {
    id: &'a str,
    labels: Vec<&'a str>,
    properties: &'a Map,
}

impl<'a> Node<'a> {
    fn of(node: &'a NodeValue) -> Self {
        let data = node.data();
        let labels = data.labels.iter().map(String::as_str).collect();
        Self { id: &data.id, labels, properties: &data.properties }
    }

    fn read(map: &'a Map) -> Option<Self> {
        let (Value::String(id), Value::List(labels), Value::Map(properties)) =
            (map.get("id")?, map.get("labels")?, map.get("properties")?)
        else {
            return None;
        };
        let labels = labels.iter().map(Value::as_str).collect::<Option<_>>()?;
        (map.len() == 3).then_some(Self { id, labels, properties })
    }
}

struct Relationship<'a> {
    kind: &'a str,
    start: &'a str,
    properties: &'a Map,
}

impl<'a> Relationship<'a> {
    fn of(rel: &'a RelValue) -> Self {
        let data = rel.data();
        Self { kind: &data.kind, start: &data.start, properties: &data.properties }
    }

    fn read(map: &'a Map) -> Option<Self> {
        let (Value::String(kind), Value::String(start), Value::String(_), Value::Map(properties)) =
            (map.get("type")?, map.get("start")?, map.get("end")?, map.get("properties")?)
        else {
            return None;
        };
        (map.len() == 4).then_some(Self { kind, start, properties })
    }
}

fn read_path(map: &Map) -> Option<(Vec<Node<'_>>, Vec<Relationship<'_>>)> {
    let (Value::List(nodes), Value::List(relationships)) = (map.get("nodes")?, map.get("relationships")?)
    else {
        return None;
    };
    fn entries(value: &Value) -> Option<&Map> {
        if let Value::Map(map) = value { Some(map) } else { None }
    }
    let nodes = nodes.iter().map(|it| entries(it).and_then(Node::read)).collect::<Option<Vec<_>>>()?;
    let relationships = relationships
        .iter()
        .map(|it| entries(it).and_then(Relationship::read))
        .collect::<Option<Vec<_>>>()?;
    (map.len() == 2 && nodes.len() == relationships.len() + 1).then_some((nodes, relationships))
}

fn node(out: &mut String, node: &Node<'_>) {
    out.push('(');
    for label in &node.labels {
        out.push(':');
        name(out, label);
    }
    if !node.properties.is_empty() {
        out.push_str(if node.labels.is_empty() { "" } else { " " });
        map(out, node.properties);
    }
    out.push(')');
}

fn relationship(out: &mut String, relationship: &Relationship<'_>) {
    out.push_str("[:");
    name(out, relationship.kind);
    if !relationship.properties.is_empty() {
        out.push(' ');
        map(out, relationship.properties);
    }
    out.push(']');
}

fn path(out: &mut String, nodes: &[Node<'_>], relationships: &[Relationship<'_>]) {
    let mut nodes = nodes.iter();
    let Some(mut from) = nodes.next() else { return };
    node(out, from);
    for (rel, to) in relationships.iter().zip(nodes) {
        let forward = from.id == rel.start;
        out.push_str(if forward { "-" } else { "<-" });
        relationship(out, rel);
        out.push_str(if forward { "->" } else { "-" });
        node(out, to);
        from = to;
    }
}

fn map(out: &mut String, map: &Map) {
    out.push('{');
    for (at, (key, value)) in map.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        name(out, key);
        out.push_str(": ");
        nested(out, value);
    }
    out.push('}');
}

fn quoted(out: &mut String, text: &str) {
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c => plain(out, c.encode_utf8(&mut [0; 4])),
        }
    }
    out.push('\'');
}

/// A name, in backticks if it needs them.
fn name(out: &mut String, name: &str) {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if begins && chars.all(|c| c.is_alphanumeric() || c == '_') {
        out.push_str(name);
    } else {
        out.push('`');
        plain(out, &name.replace('`', "``"));
        out.push('`');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::samples;

    #[test]
    fn cells_read_as_the_language_writes() {
        let cells: Vec<String> = samples::row().iter().map(cell).collect();
        assert_eq!(
            cells,
            [
                "null",
                "true",
                "-7",
                "0.5",
                "it's \"so\",\\nreally",
                "[1, 'a', null]",
                "{`a b`: NaN}",
                "2026-01-05T00:00:00Z",
                "P1M2DT0.5S"
            ]
        );
    }

    #[test]
    fn what_comes_from_a_server_is_shown_as_nodes_and_paths() {
        let node = "(:Identifier:email {degree: 2, value: 'ann@example.com'})";
        assert_eq!(cell(&samples::node()), node);
        assert_eq!(cell(&samples::relationship()), "[:IDENTIFIES]");
        assert_eq!(cell(&samples::path()), format!("{node}-[:IDENTIFIES]->(:Person)"));
        let nested = samples::list(&[samples::person()]);
        assert_eq!(cell(&nested), "[(:Person)]");
        let only_like_it = samples::map(&[("id", Value::Int(1)), ("labels", Value::Null)]);
        assert_eq!(cell(&only_like_it), "{id: 1, labels: null}");
    }

    #[test]
    fn data_cannot_steer_the_terminal() {
        assert_eq!(cell(&"a\u{1b}[2Jb\r\u{202e}c".into()), "a\\u001B[2Jb\\r\\u202Ec");
        assert_eq!(cell(&samples::list(&["\u{7}it's".into()])), "['\\u0007it\\'s']");
        assert_eq!(cell(&samples::map(&[("\u{1b}", Value::Null)])), "{`\\u001B`: null}");
    }
}
