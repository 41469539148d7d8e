//! Texts of a corpus, changed.

use super::Random;

/// A text of the corpus with a few changes, most of them to whole words.
pub(super) fn text(random: &mut Random, corpus: &[String]) -> String {
    let one = |random: &mut Random| corpus.get(random.below(corpus.len())).map_or("", String::as_str);
    let first = one(random);
    let mut parts: Vec<&str> = words(first);
    for _ in 0..random.below(4) {
        let at = random.below(parts.len() + 1);
        match random.below(6) {
            0 if at < parts.len() => {
                parts.remove(at);
            }
            1 if at < parts.len() => parts.insert(at, parts[at]),
            2 if at < parts.len() => {
                let other = random.below(parts.len());
                parts.swap(at, other);
            }
            3 => {
                let other = words(one(random));
                let from = random.below(other.len() + 1);
                let count = random.below(6);
                parts.splice(at..at, other.into_iter().skip(from).take(count));
            }
            4 => {
                let other = words(one(random));
                parts.truncate(at);
                parts.extend(other.into_iter().skip(at));
            }
            _ => parts.insert(at, random.pick(&WORDS)),
        }
    }
    let mut text = parts.concat();
    if random.once_in(3) {
        for _ in 0..random.below(3) + 1 {
            characters(random, &mut text);
        }
    }
    if random.once_in(200) {
        let deep = random.below(3_000);
        let (open, close) =
            [("(", ")"), ("[", "]"), ("{a: ", "}"), ("NOT ", ""), ("-", ""), ("size(", ")")][random.below(6)];
        text = format!("RETURN {}1{} AS x", open.repeat(deep), close.repeat(deep));
    }
    text
}

const WORDS: [&str; 30] = [
    " null ",
    " NOT ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "..",
    "*",
    " AS ",
    " WITH ",
    " RETURN ",
    " MATCH ",
    "$p",
    "'",
    "`",
    " UNION ",
    "-",
    "->",
    "<",
    "|",
    ":",
    ",",
    " 9223372036854775808 ",
    "1e309",
    "\\u0000",
    " EXPLAIN ",
    ";",
    "//",
];

/// Words, runs of blanks and single symbols, as they follow each other.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| (c.is_alphanumeric() || c == '_', c.is_whitespace());
        let run = class(first) != (false, false);
        let end = if run {
            rest.find(|c| class(c) != class(first)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

/// One character more, one less, or another.
fn characters(random: &mut Random, text: &mut String) {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let at = places.get(random.below(places.len())).copied().unwrap_or_default();
    let character = match random.below(4) {
        0 => char::from(random.below(128) as u8),
        1 => ['é', '😀', '\u{0}', '\u{202e}', '—', '’', '\u{feff}', '٣'][random.below(8)],
        _ => ['\'', '"', '`', '(', ')', '[', ']', '{', '}', '\\', '$', '.', '-', '*', '0', '/']
            [random.below(16)],
    };
    if random.once_in(2) && at < text.len() {
        text.remove(at);
    }
    if !random.once_in(3) {
        text.insert(at, character);
    }
}
