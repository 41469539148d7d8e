//! What scenarios do before they ask: a few writing clauses, evaluated here,
//! since the language itself only reads.
//!
//! `CREATE`, `DELETE` and `DETACH DELETE`, on the rows that `MATCH`, `UNWIND` and
//! `WITH` give, which the language evaluates.

use std::collections::BTreeMap;

use kinfold_query::ast::{Body, Chain, Clause, Direction, Expr, Name, NodePattern, Pattern, Properties};
use kinfold_query::{Limits, MemoryGraph, Params, Value, parse};

use super::rows;

/// Runs a set-up text on a graph. The error says what could not be done.
pub fn run(graph: &mut MemoryGraph, text: &str) -> Result<(), String> {
    for statement in statements(text) {
        let mut table = vec![Params::new()];
        for (kind, text) in stretches(&statement) {
            match kind {
                Kind::Read => table = read(graph, &text, &table)?,
                Kind::Create => {
                    let patterns = patterns(&text)?;
                    for row in &mut table {
                        create(graph, &patterns, row)?;
                    }
                }
                Kind::Delete => delete(graph, &text, &table)?,
                Kind::Unknown => return Err(format!("the set-up does what is not known here: {text}")),
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Read,
    Create,
    Delete,
    Unknown,
}

/// The words of a text outside of strings, names in backticks, comments and brackets, with their places.
fn outer_words(text: &str) -> Vec<(usize, &str)> {
    let (mut words, mut depth, mut at) = (Vec::new(), 0_usize, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let taken = match c {
            '\'' | '"' | '`' => quoted(rest, c),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '(' | '[' | '{' => {
                depth += 1;
                1
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                1
            }
            ';' if depth == 0 => {
                words.push((at, ";"));
                1
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                if depth == 0 {
                    words.push((at, rest.get(..end).unwrap_or_default()));
                }
                end
            }
            c => c.len_utf8(),
        };
        at += taken.max(1);
    }
    words
}

/// How long the quoted text at the start is.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => {
                chars.next();
            }
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn statements(text: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let (ends, mut from) = (outer_words(text), 0);
    for (at, _) in ends.iter().filter(|(_, word)| *word == ";") {
        if let Some(last) = statements.last_mut() {
            last.push_str(text.get(from..*at).unwrap_or_default());
        }
        statements.push(String::new());
        from = at + 1;
    }
    if let Some(last) = statements.last_mut() {
        last.push_str(text.get(from..).unwrap_or_default());
    }
    statements
}

/// The clauses of a statement, those in a row that read together; what writes without its first words.
fn stretches(statement: &str) -> Vec<(Kind, String)> {
    let words = outer_words(statement);
    let mut starts: Vec<(usize, usize, Kind)> = Vec::new();
    for (place, (at, word)) in words.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| words.get(before)).map(|(_, word)| *word);
        let follows = |first: &str| before.is_some_and(|word| word.eq_ignore_ascii_case(first));
        let end = at + word.len();
        let kind = match word.to_ascii_uppercase().as_str() {
            "CREATE" => Kind::Create,
            "DELETE" if follows("DETACH") => continue,
            "DELETE" => Kind::Delete,
            "DETACH" => Kind::Delete,
            "MATCH" if follows("OPTIONAL") => continue,
            "WITH" if follows("STARTS") || follows("ENDS") => continue,
            "OPTIONAL" | "MATCH" | "UNWIND" | "WITH" => Kind::Read,
            "MERGE" | "SET" | "REMOVE" | "FOREACH" | "CALL" | "LOAD" => Kind::Unknown,
            _ => continue,
        };
        let from = if kind == Kind::Create || kind == Kind::Delete { end } else { *at };
        starts.push((*at, from, kind));
    }
    let mut stretches: Vec<(Kind, String)> = Vec::new();
    for (place, (_, from, kind)) in starts.iter().enumerate() {
        let end = starts.get(place + 1).map_or(statement.len(), |(at, ..)| *at);
        let text = statement.get(*from..end).unwrap_or_default();
        match stretches.last_mut() {
            Some((Kind::Read, before)) if *kind == Kind::Read => before.push_str(text),
            _ => stretches.push((*kind, text.to_owned())),
        }
    }
    stretches
}

/// A name that no set-up uses.
const ROW: &str = "__row";

/// The rows that reading clauses make of those there are.
fn read(graph: &MemoryGraph, text: &str, table: &[Params]) -> Result<Vec<Params>, String> {
    let names: Vec<String> = table.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
    let mut query = String::new();
    if !names.is_empty() {
        let items: Vec<String> = names.iter().map(|name| format!("{ROW}.`{name}` AS `{name}`")).collect();
        query = format!("UNWIND ${ROW} AS {ROW} WITH {} ", items.join(", "));
    }
    query.push_str(text);
    // A comment may end the text.
    query.push_str(&format!("\nRETURN *, 0 AS {ROW}"));
    let given = table.iter().map(|row| Value::Map(row.clone().into_iter().collect())).collect();
    let (columns, found) = rows(graph, &query, Params::from([(ROW.to_owned(), given)]))
        .map_err(|(_, error)| format!("the set-up does not run: {error}"))?;
    let mut table = Vec::new();
    for row in found {
        let named = columns.iter().cloned().zip(row);
        table.push(named.filter(|(name, _)| name != ROW).collect());
    }
    Ok(table)
}

/// The patterns of a CREATE: those of a MATCH, as far as they are read.
fn patterns(text: &str) -> Result<Vec<Pattern>, String> {
    let statement = parse(&format!("MATCH {text}\nRETURN 1"), &Limits::default())
        .map_err(|error| format!("the set-up cannot be read: {error}"))?;
    let Body::Query { query, .. } = statement.body else { return Err("the set-up is no query".to_owned()) };
    match query.parts.into_iter().next().and_then(|part| part.clauses.into_iter().next()) {
        Some(Clause::Match { patterns, .. }) => Ok(patterns),
        _ => Err("the set-up creates no pattern".to_owned()),
    }
}

/// The values of the properties of a pattern.
fn properties(
    graph: &MemoryGraph,
    given: &Option<Properties>,
    row: &Params,
) -> Result<BTreeMap<String, Value>, String> {
    let entries = match given {
        None => return Ok(BTreeMap::new()),
        Some(Properties::Map(entries, _)) => entries,
        Some(Properties::Param(name)) => {
            return Err(format!("the set-up takes its properties from ${}", name.text));
        }
    };
    entries.iter().map(|(key, value)| Ok((key.text.clone(), value_of(graph, value, row)?))).collect()
}

/// The value of an expression of a set-up in a row.
fn value_of(graph: &MemoryGraph, expr: &Expr, row: &Params) -> Result<Value, String> {
    let names: Vec<String> = row.keys().map(|name| format!("$`{name}` AS `{name}`")).collect();
    let with = if names.is_empty() { String::new() } else { format!("WITH {} ", names.join(", ")) };
    let (_, found) = rows(graph, &format!("{with}RETURN {expr} AS value"), row.clone())
        .map_err(|(_, error)| format!("the set-up has no value for `{expr}`: {error}"))?;
    found.into_iter().flatten().next().ok_or_else(|| format!("the set-up has no value for `{expr}`"))
}

/// The number of a node of the graph.
fn number(value: &Value) -> Result<usize, String> {
    match value {
        Value::Node(node) => node.data().id.parse().map_err(|_| "a node has no number".to_owned()),
        other => Err(format!("{other} is no node")),
    }
}

fn named(graph: &MemoryGraph, row: &mut Params, name: &Option<Name>, node: usize) {
    if let (Some(name), Some(value)) = (name, graph.node_value(node)) {
        row.insert(name.text.clone(), value);
    }
}

fn create(graph: &mut MemoryGraph, patterns: &[Pattern], row: &mut Params) -> Result<(), String> {
    let node = |graph: &mut MemoryGraph, pattern: &NodePattern, row: &mut Params| {
        if let Some(known) = pattern.var.as_ref().and_then(|name| row.get(&name.text)) {
            return number(known);
        }
        let properties = properties(graph, &pattern.properties, row)?;
        let labels: Vec<&str> = pattern.labels.iter().map(|label| label.text.as_str()).collect();
        let at = graph.add_node(&labels, properties.iter().map(|(key, value)| (key.as_str(), value.clone())));
        named(graph, row, &pattern.var, at);
        Ok::<usize, String>(at)
    };
    for Pattern { chain: Chain { first, rest, .. }, .. } in patterns {
        let mut left = node(graph, first, row)?;
        for (rel, next) in rest {
            let right = node(graph, next, row)?;
            let [kind] = rel.types.as_slice() else {
                return Err("a relationship that is created has one type".to_owned());
            };
            let properties = properties(graph, &rel.properties, row)?;
            let properties = properties.iter().map(|(key, value)| (key.as_str(), value.clone()));
            let (start, end) = if rel.direction == Direction::In { (right, left) } else { (left, right) };
            graph.add_relationship(start, &kind.text, end, properties);
            left = right;
        }
    }
    Ok(())
}

/// Deletes what the expressions of a DELETE are in each row.
fn delete(graph: &mut MemoryGraph, text: &str, table: &[Params]) -> Result<(), String> {
    let text = text.trim_start();
    let listed = match text.get(..6) {
        Some(word) if word.eq_ignore_ascii_case("DELETE") => text.get(6..).unwrap_or_default(),
        _ => text,
    };
    let names: Vec<String> = table.first().map(|row| row.keys().cloned().collect()).unwrap_or_default();
    let items: Vec<String> = names.iter().map(|name| format!("{ROW}.`{name}` AS `{name}`")).collect();
    let query = format!(
        "UNWIND ${ROW} AS {ROW} WITH {} UNWIND [{listed}] AS {ROW} WITH {ROW} WHERE {ROW} IS NOT NULL RETURN id({ROW}), {ROW}",
        items.join(", ")
    );
    let given = table.iter().map(|row| Value::Map(row.clone().into_iter().collect())).collect();
    let (_, found) = rows(graph, &query, Params::from([(ROW.to_owned(), given)]))
        .map_err(|(_, error)| format!("the set-up deletes what cannot be found: {error}"))?;
    for row in found {
        match row.as_slice() {
            [Value::Int(id), element] => {
                let at = usize::try_from(*id).map_err(|_| "an id is negative".to_owned())?;
                match element {
                    Value::Relationship(_) => graph.remove_relationship(at),
                    _ => graph.remove_node(at),
                }
            }
            _ => return Err("the set-up deletes what is neither a node nor a relationship".to_owned()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a query gives after a set-up, values with blanks between, rows with bars.
    fn after(setup: &str, query: &str) -> String {
        let mut graph = MemoryGraph::new();
        run(&mut graph, setup).unwrap_or_else(|error| panic!("{setup}: {error}"));
        let (_, found) =
            rows(&graph, query, Params::new()).unwrap_or_else(|(_, error)| panic!("{query}: {error}"));
        let line = |row: &Vec<Value>| row.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        found.iter().map(line).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn patterns_are_created_once_a_row() {
        let setup = "CREATE (a:A {n: 1, s: 'CREATE (x)'})-[:R {w: 2}]->(b), (b)<-[:S]-(:C:D) // CREATE (y)\n";
        assert_eq!(after(setup, "MATCH (n) RETURN count(*)"), "3");
        assert_eq!(after(setup, "MATCH (c:D)-[:S]->()<-[r:R]-(a:A) RETURN r.w, a.s"), "2 'CREATE (x)'");
        assert_eq!(after("UNWIND [1, 2] AS i CREATE ({i: i * 2})", "MATCH (n) RETURN sum(n.i)"), "6");
        assert_eq!(after("CREATE (:A); CREATE (:A)", "MATCH (n:A) RETURN count(*)"), "2");
    }

    #[test]
    fn clauses_work_on_what_is_there() {
        let graph = "CREATE (:A {n: 1})-[:R]->(:B {n: 2})-[:R]->(:C)";
        let more = |text: &str| format!("{graph}; {text}");
        let setup = more("MATCH (a:A) CREATE (a)-[:NEW]->({n: a.n + 1})");
        assert_eq!(after(&setup, "MATCH (:A)-[:NEW]->(x) RETURN x.n"), "2");
        let setup = more("MATCH (a)-[r]->(b) WHERE NOT a:A DELETE r CREATE (b)-[:LIKES]->(a)");
        assert_eq!(
            after(&setup, "MATCH (a)-[r]->(b) RETURN type(r), labels(b)[0] ORDER BY type(r)"),
            "'LIKES' 'B' | 'R' 'B'"
        );
        let setup = more("MATCH (b:B) DETACH DELETE b");
        assert_eq!(after(&setup, "MATCH (n) OPTIONAL MATCH (n)-[r]-() RETURN count(n), count(r)"), "2 0");
        let setup = "CREATE (a {v: 0}) WITH * UNWIND range(1, 3) AS i CREATE (n {v: i}) \
                     WITH a, [a] + collect(n) AS l UNWIND range(0, size(l) - 2) AS i \
                     WITH l[i] AS x, l[i + 1] AS y CREATE (x)-[:T]->(y)";
        assert_eq!(after(setup, "MATCH p = ({v: 0})-[:T*3]->(e) RETURN e.v"), "3");
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for text in
            ["MATCH (n) SET n.x = 1", "MERGE (n)", "CREATE (a)-[:R|S]->(b)", "CREATE (a", "MATCH (n) RETUR"]
        {
            assert!(run(&mut MemoryGraph::new(), text).is_err(), "{text}");
        }
    }
}
