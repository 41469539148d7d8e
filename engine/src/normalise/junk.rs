//! Values that identify nobody: what programs write where a value is missing.

use super::digits::ascii_digit;
use super::text::trimmed;
use super::uuid::without_prefix;

/// An all-zero or all-f id has at least this many hexadecimal digits.
const SHORTEST_BLANK_ID: usize = 8;

/// The words, in lower case. `docs/schema.md` lists the same ones.
const WORDS: [&str; 27] = [
    "null",
    "(null)",
    "<null>",
    "nil",
    "<nil>",
    "none",
    "(none)",
    "undefined",
    "nan",
    "[object object]",
    "[]",
    "{}",
    "anonymous",
    "guest",
    "unknown",
    "n/a",
    "#n/a",
    "\\n",
    "not set",
    "(not set)",
    "true",
    "false",
    "0",
    "-1",
    "0.0",
    "-1.0",
    "-",
];

/// How deeply quotes may nest around a junk value: a CSV field of a JSON text
/// of a logged string has three layers.
const QUOTE_LAYERS: usize = 4;

/// Whether `given`, which is trimmed, is on the list that holds for every
/// namespace unless the schema switches it off there.
pub(crate) fn is_built_in(given: &str) -> bool {
    let inner = unquoted(given);
    inner.is_empty() || is_word(inner) || is_blank_id(inner)
}

/// Whether `given`, which is trimmed, stands in `list`, whose entries are lower
/// case and trimmed; case does not matter, nor do quotes around it.
pub(crate) fn listed<'l>(given: &str, list: &'l [String]) -> Option<&'l str> {
    let longest = list.iter().map(String::len).max()?;
    let inner = unquoted(given);
    // No lower-casing shortens a text to less than a third of its bytes.
    if inner.len() > longest.saturating_mul(3) {
        return None;
    }
    let hit = if inner.is_ascii() {
        list.iter().find(|entry| entry.eq_ignore_ascii_case(inner))
    } else {
        let folded = inner.to_lowercase();
        list.iter().find(|entry| **entry == folded)
    };
    hit.map(String::as_str)
}

/// Whether `given` has digits and all of them are 0, and it has no letters.
pub(crate) fn is_only_zeros(given: &str) -> bool {
    let mut zeros = false;
    for c in given.chars() {
        match ascii_digit(c) {
            Some('0') => zeros = true,
            Some(_) => return false,
            None if c.is_alphabetic() => return false,
            None => {}
        }
    }
    zeros
}

/// `given` without the quotes around it.
fn unquoted(given: &str) -> &str {
    let mut inner = given;
    for _ in 0..QUOTE_LAYERS {
        let Some(stripped) = one_layer_less(inner) else { break };
        inner = trimmed(stripped);
    }
    inner
}

fn one_layer_less(text: &str) -> Option<&str> {
    const PAIRS: [(&str, &str); 7] = [
        ("\"", "\""),
        ("'", "'"),
        ("`", "`"),
        ("\\\"", "\\\""),
        ("\\'", "\\'"),
        ("\u{201c}", "\u{201d}"),
        ("\u{2018}", "\u{2019}"),
    ];
    // Nearly every value starts with a letter or a digit: one look is enough.
    if text.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return None;
    }
    PAIRS.iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

fn is_word(text: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn is_blank_id(text: &str) -> bool {
    let text = without_prefix(text, "urn:uuid:").or_else(|| without_prefix(text, "0x")).unwrap_or(text);
    let mut digit = None;
    let mut count = 0_usize;
    for byte in text.bytes() {
        match byte.to_ascii_lowercase() {
            b'-' | b':' | b'.' | b' ' | b'{' | b'}' => {}
            hex @ (b'0' | b'f') if digit.is_none_or(|first| first == hex) => {
                digit = Some(hex);
                count += 1;
            }
            _ => return false,
        }
    }
    count >= SHORTEST_BLANK_ID
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_known_in_every_dress() {
        for junk in [
            "",
            "null",
            "NULL",
            "Null",
            "none",
            "undefined",
            "NaN",
            "[object Object]",
            "anonymous",
            "Guest",
            "UNKNOWN",
            "n/a",
            "N/A",
            "true",
            "False",
            "0",
            "-1",
            "\"null\"",
            "'undefined'",
            "\\\"null\\\"",
            "\"'null'\"",
            "\" null \"",
            "\"\"",
            "''",
            "\u{201c}none\u{201d}",
            "00000000-0000-0000-0000-000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "urn:uuid:00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-ffff-FFFF-ffff-ffffffffffff",
            "'ffffffffffffffff'",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "0000.0000.0000",
            "00000000",
            "0x00000000",
        ] {
            assert!(is_built_in(junk), "{junk}");
        }
    }

    #[test]
    fn what_only_looks_like_junk_is_none() {
        for value in [
            "nullable",
            "nullx",
            "0000000",
            "00000001",
            "ffffff",
            "0f0f0f0f",
            "00000000f",
            "\"",
            "'",
            "\"null",
            "null'",
            "1",
            "-2",
            "none@example.com",
            "guest1",
            "[object Object",
            "f",
            "00",
            "--------",
            "true story",
            "nüll",
        ] {
            assert!(!is_built_in(value), "{value}");
        }
    }

    #[test]
    fn the_documented_words_are_the_list() {
        let page = include_str!("../../../docs/schema.md");
        let block = page.split("```junk\n").nth(1).and_then(|rest| rest.split("```").next());
        assert_eq!(block.map(|block| block.lines().collect::<Vec<_>>()), Some(WORDS.to_vec()));
        for word in WORDS {
            assert!(is_built_in(word) && is_built_in(&word.to_uppercase()), "{word}");
        }
    }

    #[test]
    fn lists_match_whole_values_in_any_case() {
        let list = vec!["test".to_owned(), "straße".to_owned()];
        assert_eq!(listed("Test", &list), Some("test"));
        assert_eq!(listed("\"TEST\"", &list), Some("test"));
        assert_eq!(listed("STRAßE", &list), Some("straße"));
        assert_eq!(listed("test1", &list), None);
        assert_eq!(listed("tes", &list), None);
        assert_eq!(listed("test", &[]), None);
    }

    #[test]
    fn zeros_alone_are_told_from_numbers() {
        for zeros in ["0", "000", "+00 (0) 00", "００", "٠٠"] {
            assert!(is_only_zeros(zeros), "{zeros}");
        }
        for other in ["", "-", "010", "a0", "0x0", "+49 30"] {
            assert!(!is_only_zeros(other), "{other}");
        }
    }
}
