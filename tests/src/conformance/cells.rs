//! The values of result tables, as the suite writes them and as queries give them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kinfold_query::{Map, NodeValue, PathValue, RelValue, Value};

/// The deepest nesting of a value in a table.
const DEEPEST: usize = 64;

/// A value of a result table. Two are equal if they are the same to the suite:
/// `1` and `1.0` are not, the order of labels and of map entries does not count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cell {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, as Rust writes it, so that NaN equals NaN and values have an order.
    Float(String),
    /// A text.
    Text(String),
    /// `[1, 2]`.
    List(Vec<Cell>),
    /// `{a: 1}`.
    Map(BTreeMap<String, Cell>),
    /// `(:Label {a: 1})`.
    Node(Element),
    /// `[:TYPE {a: 1}]`.
    Relationship(Element),
    /// `<(:A)-[:R]->(:B)>`.
    Path {
        /// The first node.
        start: Element,
        /// Each relationship, whether it points onward, and the node after it.
        steps: Vec<(Element, bool, Element)>,
    },
    /// A value that no table of the suite has: a time, for example.
    Other(String),
}

/// A node or a relationship.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Element {
    /// The labels, or the type.
    pub names: BTreeSet<String>,
    /// The properties.
    pub properties: BTreeMap<String, Cell>,
}

impl Cell {
    /// Reads a cell of a table. The error says what is wrong with its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { rest: text, depth: 0 };
        let cell = reader.value()?;
        reader.blanks();
        if reader.rest.is_empty() {
            Ok(cell)
        } else {
            Err(format!("`{}` is left over in the cell `{text}`", reader.rest))
        }
    }

    /// The same with every list in order, for tables that do not say in which order lists are.
    #[must_use]
    pub fn with_sorted_lists(self) -> Self {
        let entries = |map: BTreeMap<String, Self>| {
            map.into_iter().map(|(key, value)| (key, value.with_sorted_lists())).collect()
        };
        match self {
            Self::List(cells) => {
                let mut cells: Vec<Self> = cells.into_iter().map(Self::with_sorted_lists).collect();
                cells.sort();
                Self::List(cells)
            }
            Self::Map(map) => Self::Map(entries(map)),
            other => other,
        }
    }
}

fn float(value: f64) -> Cell {
    // The suite does not tell the two zeros apart.
    Cell::Float(format!("{:?}", if value == 0.0 { 0.0 } else { value }))
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => float(*value),
            Value::String(text) => Self::Text(text.to_string()),
            Value::List(list) => Self::List(list.iter().map(Self::from).collect()),
            Value::Map(map) => Self::Map(entries(map)),
            Value::Node(node) => Self::Node(node.into()),
            Value::Relationship(rel) => Self::Relationship(rel.into()),
            Value::Path(path) => path.into(),
            Value::DateTime(_) | Value::Duration(_) => Self::Other(value.to_string()),
        }
    }
}

fn entries(map: &Map) -> BTreeMap<String, Cell> {
    map.iter().map(|(key, value)| (key.to_string(), value.into())).collect()
}

impl From<&NodeValue> for Element {
    fn from(node: &NodeValue) -> Self {
        let data = node.data();
        Self { names: data.labels.iter().cloned().collect(), properties: entries(&data.properties) }
    }
}

impl From<&RelValue> for Element {
    fn from(rel: &RelValue) -> Self {
        let data = rel.data();
        Self { names: BTreeSet::from([data.kind.clone()]), properties: entries(&data.properties) }
    }
}

impl From<&PathValue> for Cell {
    fn from(path: &PathValue) -> Self {
        let Some(first) = path.nodes().first() else { return Self::Other("a path of no nodes".to_owned()) };
        let (mut at, mut steps) = (first, Vec::new());
        for (rel, node) in path.relationships().iter().zip(path.nodes().iter().skip(1)) {
            let onward = rel.data().start == at.data().id;
            steps.push((rel.into(), onward, node.into()));
            at = node;
        }
        Self::Path { start: first.into(), steps }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(text) | Self::Other(text) => f.write_str(text),
            Self::Text(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Self::List(cells) => {
                let shown: Vec<String> = cells.iter().map(Self::to_string).collect();
                write!(f, "[{}]", shown.join(", "))
            }
            Self::Map(map) => write_map(f, map),
            Self::Node(element) => write!(f, "({element})"),
            Self::Relationship(element) => write!(f, "[{element}]"),
            Self::Path { start, steps } => {
                write!(f, "<({start})")?;
                for (rel, onward, node) in steps {
                    let (left, right) = if *onward { ("-", "->") } else { ("<-", "-") };
                    write!(f, "{left}[{rel}]{right}({node})")?;
                }
                f.write_str(">")
            }
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.names {
            write!(f, ":{name}")?;
        }
        if self.properties.is_empty() {
            return Ok(());
        }
        f.write_str(if self.names.is_empty() { "" } else { " " })?;
        write_map(f, &self.properties)
    }
}

fn write_map(f: &mut fmt::Formatter<'_>, map: &BTreeMap<String, Cell>) -> fmt::Result {
    let shown: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    write!(f, "{{{}}}", shown.join(", "))
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self) -> Option<char> {
        self.blanks();
        self.rest.chars().next()
    }

    /// Takes `symbol` if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        self.blanks();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.take(symbol) { Ok(()) } else { Err(format!("expected `{symbol}` before `{}`", self.rest)) }
    }

    fn value(&mut self) -> Result<Cell, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("a cell is nested too deeply".to_owned());
        }
        let cell = match self.peek() {
            Some('(') => Cell::Node(self.node()?),
            Some('<') => self.path()?,
            Some('{') => Cell::Map(self.map()?),
            Some('\'') => Cell::Text(self.text()?),
            Some('[') => {
                self.expect("[")?;
                if self.peek() == Some(':') {
                    let element = self.element()?;
                    self.expect("]")?;
                    Cell::Relationship(element)
                } else {
                    Cell::List(self.until("]", Self::value)?)
                }
            }
            _ => self.word()?,
        };
        self.depth -= 1;
        Ok(cell)
    }

    /// What stands between commas up to `end`.
    fn until<T>(&mut self, end: &str, one: fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        if self.take(end) {
            return Ok(all);
        }
        loop {
            all.push(one(self)?);
            if self.take(end) {
                return Ok(all);
            }
            self.expect(",")?;
        }
    }

    fn map(&mut self) -> Result<BTreeMap<String, Cell>, String> {
        self.expect("{")?;
        let entries = self.until("}", |reader| {
            let key = reader.name()?;
            reader.expect(":")?;
            Ok((key, reader.value()?))
        })?;
        Ok(entries.into_iter().collect())
    }

    /// The labels, or the type, and the properties of a node or relationship.
    fn element(&mut self) -> Result<Element, String> {
        let mut element = Element::default();
        while self.take(":") {
            element.names.insert(self.name()?);
        }
        if self.peek() == Some('{') {
            element.properties = self.map()?;
        }
        Ok(element)
    }

    fn node(&mut self) -> Result<Element, String> {
        self.expect("(")?;
        let element = self.element()?;
        self.expect(")")?;
        Ok(element)
    }

    fn path(&mut self) -> Result<Cell, String> {
        self.expect("<")?;
        let start = self.node()?;
        let mut steps = Vec::new();
        while !self.take(">") {
            let back = self.take("<");
            self.expect("-")?;
            self.expect("[")?;
            let rel = self.element()?;
            self.expect("]")?;
            self.expect("-")?;
            let onward = self.take(">");
            if back == onward {
                return Err(format!("a relationship of a path points one way, before `{}`", self.rest));
            }
            steps.push((rel, onward, self.node()?));
        }
        Ok(Cell::Path { start, steps })
    }

    fn text(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices().skip(1);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, c)) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(format!("the text {} does not end", self.rest))
    }

    fn name(&mut self) -> Result<String, String> {
        self.blanks();
        if let Some(rest) = self.rest.strip_prefix('`') {
            let (name, rest) = rest.split_once('`').ok_or("a name in backticks does not end")?;
            self.rest = rest;
            return Ok(name.to_owned());
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(format!("expected a name before `{}`", self.rest));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn word(&mut self) -> Result<Cell, String> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '+'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let cell = match word {
            "null" => Cell::Null,
            "true" => Cell::Bool(true),
            "false" => Cell::Bool(false),
            "NaN" => float(f64::NAN),
            "Infinity" | "Inf" => float(f64::INFINITY),
            "-Infinity" | "-Inf" => float(f64::NEG_INFINITY),
            word => match (word.parse(), word.parse()) {
                (Ok(whole), _) => Cell::Int(whole),
                (_, Ok(number)) if word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') => {
                    float(number)
                }
                _ => return Err(format!("`{word}` is no value, before `{rest}`")),
            },
        };
        self.rest = rest;
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> Cell {
        Cell::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        for text in [
            "null",
            "-7",
            "0.5",
            "NaN",
            "'it\\'s \\\\ so'",
            "[]",
            "[1, [2.0, 'a'], {a: null, b: [true]}]",
            "()",
            "(:A:B {n: 1, name: 'x'})",
            "({n: 1})",
            "[:KNOWS {since: 2001}]",
            "<()>",
            "<(:A)-[:R {n: 1}]->(:B)<-[:S]-()>",
        ] {
            assert_eq!(cell(text).to_string(), text);
        }
    }

    #[test]
    fn what_differs_is_told_apart() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "'1'"),
            ("null", "'null'"),
            ("[1, 2]", "[2, 1]"),
            ("[1]", "[1, 1]"),
            ("{a: 1}", "{a: 1, b: 1}"),
            ("(:A)", "(:A:B)"),
            ("(:A)", "(:A {n: 1})"),
            ("[:A]", "(:A)"),
            ("[:A]", "[]"),
            ("<(:A)-[:R]->(:B)>", "<(:A)<-[:R]-(:B)>"),
            ("<(:A)-[:R]->(:B)>", "<(:B)<-[:R]-(:A)>"),
            ("<(:A)>", "(:A)"),
            ("Infinity", "-Infinity"),
            ("0.1", "0.10000000000000002"),
        ] {
            assert_ne!(cell(a), cell(b), "{a} {b}");
        }
        for (a, b) in [
            ("(:A:B {n: 1, m: 2})", "(:B:A {m: 2, n: 1})"),
            ("0.0", "-0.0"),
            ("1.0", "1e0"),
            ("NaN", "NaN"),
            ("{a: 1,b:2}", "{b: 2, a: 1}"),
        ] {
            assert_eq!(cell(a), cell(b), "{a} {b}");
        }
    }

    #[test]
    fn lists_can_be_put_in_order() {
        let sorted = |text: &str| cell(text).with_sorted_lists();
        assert_eq!(sorted("[[2, 1], 'a', {x: [3, 1]}]"), sorted("['a', {x: [1, 3]}, [1, 2]]"));
        assert_ne!(sorted("[1, 1, 2]"), sorted("[1, 2, 2]"));
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        let deep = "[".repeat(100_000);
        for text in ["", "nothing", "[1", "{a 1}", "(:A", "<(:A)-[:R]-(:B)>", "'a", "1 2", "inf", &deep] {
            assert!(Cell::parse(text).is_err(), "{text}");
        }
    }
}
