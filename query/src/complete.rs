//! What may come next, for the shell.

use kinfold_engine::read::Read;

use crate::ast::VerbKind;
use crate::functions;
use crate::graph::{Graph, Vocabulary};
use crate::identity::IdentityGraph;
use crate::parser::{is_name_part, is_name_start};

/// The names of a store that completion offers.
#[derive(Clone, Debug, Default)]
pub struct Names(Vocabulary);

impl Names {
    /// The names of a store as it is now.
    pub fn of(read: &impl Read) -> Self {
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

/// Where a statement can begin.
const BEGINNINGS: [&str; 8] =
    ["ANALYZE", "CALL", "EXPLAIN", "MATCH", "OPTIONAL MATCH", "RETURN", "UNWIND", "WITH"];

/// What may complete the word before the cursor, whole words, ascending.
///
/// After `(…:` labels, after `[…:` relationship types, after `.` properties,
/// after a verb namespaces, after CALL procedures, elsewhere keywords,
/// functions and, at the start, verbs.
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
    let trimmed = before.trim_end();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let verbs = || VerbKind::ALL.iter().map(|kind| kind.word().to_owned());
    if trimmed.is_empty() {
        return owned(&BEGINNINGS).into_iter().chain(verbs()).collect();
    }
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
    if verbs().any(|verb| verb == last_word) {
        return names.labels.iter().filter(|label| label.starts_with(char::is_lowercase)).cloned().collect();
    }
    if last_word == "CALL" {
        return names.procedures.clone();
    }
    let functions = functions::names().map(str::to_owned);
    owned(&KEYWORDS).into_iter().chain(functions).collect()
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
