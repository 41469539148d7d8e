//! What may come next, for the shell.

use kinfold_engine::read::Read;

use crate::functions;
use crate::graph::{Graph, Vocabulary};
use crate::identity::IdentityGraph;
use crate::parser::{BODY, WHO, beginnings, expected, is_keyword, is_name_part, is_name_start};

/// The names of a store that completion offers.
#[derive(Clone, Debug, Default)]
pub struct Names(Vocabulary);

impl Names {
    /// The names of a store as it is now.
    pub fn of(read: &(impl Read + Sync)) -> Self {
        Self(IdentityGraph::new(read).vocabulary())
    }
}

impl From<Vocabulary> for Names {
    fn from(vocabulary: Vocabulary) -> Self {
        Self(vocabulary)
    }
}

const KEYWORDS: [&str; 47] = [
    "ALL",
    "AND",
    "ANALYZE",
    "ANY",
    "AS",
    "ASC",
    "BY",
    "CALL",
    "CASE",
    "CONTAINS",
    "COUNT",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "ENDS WITH",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "IN",
    "IS NOT NULL",
    "IS NULL",
    "LIMIT",
    "MATCH",
    "NONE",
    "NOT",
    "NULL",
    "OPTIONAL MATCH",
    "OR",
    "ORDER BY",
    "RETURN",
    "SINGLE",
    "SKIP",
    "STARTS WITH",
    "THEN",
    "TRUE",
    "UNION",
    "UNION ALL",
    "UNWIND",
    "WHEN",
    "WHERE",
    "WITH",
    "XOR",
    "YIELD",
    "allShortestPaths",
    "shortestPath",
    "null",
];

/// What may complete the word before the cursor, whole words, ascending.
///
/// In front of a query, what the grammar has there: options, verbs, namespaces
/// where somebody is named. In a query, after `(…:` labels, after `[…:`
/// relationship types, after `.` properties, after CALL procedures, elsewhere
/// keywords and functions.
pub fn complete(text_before_cursor: &str, names: &Names) -> Vec<String> {
    let text = text_before_cursor;
    let word_start =
        text.char_indices().rev().find(|(_, c)| !is_name_part(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let (before, word) =
        (text.get(..word_start).unwrap_or_default(), text.get(word_start..).unwrap_or_default());
    if word.chars().next().is_some_and(|c| !is_name_start(c)) || in_string(before) {
        return Vec::new();
    }
    let offered = candidates(before, &names.0);
    let lower = word.to_lowercase();
    let mut fitting: Vec<String> =
        offered.into_iter().filter(|candidate| candidate.to_lowercase().starts_with(&lower)).collect();
    fitting.sort();
    fitting.dedup();
    fitting
}

fn candidates(before: &str, names: &Vocabulary) -> Vec<String> {
    if let Some(expected) = expected(before) {
        return in_front(&expected, names);
    }
    let trimmed = before.trim_end();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let last_word = trimmed.rsplit(|c: char| !is_name_part(c)).next().unwrap_or_default().to_uppercase();
    if before.ends_with('.') {
        let mut all = names.node_properties.clone();
        all.extend(names.relationship_properties.iter().cloned());
        return all;
    }
    if trimmed.ends_with([':', '|']) {
        return match innermost(trimmed) {
            Some('[') => names.types.clone(),
            _ => names.labels.clone(),
        };
    }
    if last_word == "CALL" {
        return names.procedures.clone();
    }
    let functions = functions::names().map(str::to_owned);
    owned(&KEYWORDS).into_iter().chain(functions).collect()
}

/// What is offered for what the grammar expects.
fn in_front(expected: &[&str], names: &Vocabulary) -> Vec<String> {
    let mut offered = Vec::new();
    for what in expected {
        match *what {
            BODY => offered.extend(beginnings().map(str::to_owned)),
            WHO => offered.extend(namespaces(names).cloned()),
            keyword if is_keyword(keyword) => offered.push(keyword.to_owned()),
            _ => {}
        }
    }
    offered
}

/// The labels that are namespaces. Those of the language itself start with a capital letter.
fn namespaces(names: &Vocabulary) -> impl Iterator<Item = &String> {
    names.labels.iter().filter(|label| label.starts_with(char::is_lowercase))
}

/// Whether the text ends inside a string.
fn in_string(text: &str) -> bool {
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('\'' | '"'), '\\') => {
                chars.next();
            }
            _ => {}
        }
    }
    quote.is_some()
}

/// The innermost bracket that is open at the end.
fn innermost(text: &str) -> Option<char> {
    let mut open = Vec::new();
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Names(Vocabulary {
            labels: owned(&["Identifier", "Person", "email", "device"]),
            types: owned(&["LINKED", "IDENTIFIES"]),
            node_properties: owned(&["id", "value"]),
            relationship_properties: owned(&["weight"]),
            procedures: owned(&["identity.person"]),
        })
    }

    #[test]
    fn offers_what_fits_the_place() {
        for (text, expected) in [
            ("mat", vec!["MATCH"]),
            ("pro", vec!["PROFILE"]),
            ("PROFILE e", vec!["email"]),
            ("thr", vec!["THRESHOLD"]),
            ("wit", vec!["WITH", "WITHOUT LINK", "WITHOUT SOURCE"]),
            ("WITHOUT ", vec!["LINK", "SOURCE"]),
            ("AS ", vec!["OF"]),
            ("AS OF ", vec![]),
            ("AS OF 5 n", vec!["NEAR MERGES", "NEIGHBOURS", "NETWORK"]),
            ("THRESHOLD 0.8 WITHOUT SOURCE 'web' MAT", vec!["MATCH"]),
            ("THRESHOLD 0.8 MATCH (i:Id", vec!["Identifier"]),
            ("WITHOUT LINK ", vec!["device", "email"]),
            ("WITHOUT LINK 'a:b' - d", vec!["device"]),
            ("WHY ", vec!["NOT", "device", "email"]),
            ("WHY NOT ", vec!["device", "email"]),
            ("WHY not", vec!["NOT"]),
            ("WHY email:'a', ", vec!["device", "email"]),
            ("near m", vec!["MERGES"]),
            ("NEAR MERGES ", vec!["LIMIT"]),
            ("NETWORK email:'a' ", vec!["DEPTH"]),
            ("NETWORK email:'a' DEPTH ", vec![]),
            ("PERSON email:", vec![]),
            ("RETURN n AS history ORD", vec!["ORDER BY"]),
            ("MATCH (i:Id", vec!["Identifier"]),
            ("MATCH (i)-[l:", vec!["IDENTIFIES", "LINKED"]),
            ("MATCH (i)-[l:LINKED|I", vec!["IDENTIFIES"]),
            ("RETURN i.we", vec!["weight"]),
            ("RETURN toU", vec!["toUpper"]),
            ("CALL iden", vec!["identity.person"]),
            ("RETURN 'MAT", vec![]),
            ("RETURN 12", vec![]),
        ] {
            assert_eq!(complete(text, &names()), expected, "{text}");
        }
    }
}
