//! Deny patterns: `*` stands for any run of characters, `?` for one.

use crate::model::MAX_VALUE_BYTES;

/// One entry of a namespace's `deny` list.
///
/// Matching takes time linear in the value for a given pattern: the runs between
/// the stars are found from left to right, each at its first place, and never
/// tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DenyPattern {
    text: String,
    /// The runs between the stars, in order, each of single characters with
    /// `None` for a `?`. The first is anchored at the start and the last at the
    /// end; a pattern without a star is one run that is anchored at both.
    runs: Vec<Vec<Option<u32>>>,
}

impl DenyPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it and what was expected: it is empty, longer than a
    /// value can be, never matches (outer whitespace, a control character) or
    /// matches every value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the deny pattern is empty; expected a text such as `test@*`".to_owned());
        }
        if text.len() > MAX_VALUE_BYTES {
            let given = text.len();
            return Err(format!(
                "the deny pattern has {given} bytes; expected at most {MAX_VALUE_BYTES}, as no value is longer"
            ));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err("the deny pattern can never match; expected no control characters and no whitespace around it, \
                        as no value has them"
                .to_owned());
        }
        if text.chars().all(|c| c == '*') {
            return Err("the deny pattern matches every value; expected at least one character besides `*`"
                .to_owned());
        }
        let runs = text
            .split('*')
            .map(|run| {
                let characters = run.chars().flat_map(char::to_lowercase);
                characters.map(|c| if c == '?' { None } else { Some(u32::from(c)) }).collect()
            })
            .collect();
        Ok(Self { text: text.to_owned(), runs })
    }

    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The first of `patterns` that matches all of `value`, whatever the case.
    pub(crate) fn first_match<'p>(patterns: &'p [Self], value: &str) -> Option<&'p Self> {
        if patterns.is_empty() {
            return None;
        }
        if value.is_ascii() {
            return patterns.iter().find(|pattern| pattern.matches(value.as_bytes()));
        }
        let folded: Vec<char> = value.chars().flat_map(char::to_lowercase).collect();
        patterns.iter().find(|pattern| pattern.matches(&folded))
    }

    fn matches<C: Character>(&self, value: &[C]) -> bool {
        let Some((first, others)) = self.runs.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else {
            return value.len() == first.len() && starts_with(value, first);
        };
        if value.len() < first.len() + last.len() || !starts_with(value, first) {
            return false;
        }
        let (body, tail) = value.split_at(value.len() - last.len());
        if !starts_with(tail, last) {
            return false;
        }
        let mut rest = body.get(first.len()..).unwrap_or_default();
        for run in middle {
            let found =
                (0..=rest.len()).find(|at| rest.get(*at..).is_some_and(|from| starts_with(from, run)));
            match found.and_then(|at| rest.get(at + run.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        true
    }
}

/// A character of a value, comparable whatever its case.
trait Character: Copy {
    fn folded(self) -> u32;
}

impl Character for u8 {
    fn folded(self) -> u32 {
        u32::from(self.to_ascii_lowercase())
    }
}

impl Character for char {
    /// The caller has lower-cased it: that can make several characters of one.
    fn folded(self) -> u32 {
        u32::from(self)
    }
}

fn starts_with<C: Character>(value: &[C], run: &[Option<u32>]) -> bool {
    value.len() >= run.len()
        && value.iter().zip(run).all(|(c, expected)| expected.is_none_or(|expected| expected == c.folded()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn denies(pattern: &str, value: &str) -> bool {
        let pattern = DenyPattern::parse(pattern).expect("a pattern");
        DenyPattern::first_match(std::slice::from_ref(&pattern), value).is_some()
    }

    #[test]
    fn patterns_match_whole_values() {
        for (pattern, value) in [
            ("test@*", "test@example.com"),
            ("test@*", "TEST@Example.com"),
            ("TEST@*", "test@example.com"),
            ("test@*", "test@"),
            ("*@example.invalid", "ann@example.invalid"),
            ("*@*.example.*", "a@b.example.com"),
            ("no?reply*", "no-reply@x"),
            ("*ab*ab", "abab"),
            ("a*", "a/b\u{2028}c"),
            ("?", "é"),
            ("?", "x"),
            ("exact", "exact"),
            ("*MÜLLER*", "herr müller"),
            ("*a**b*", "xaxbx"),
        ] {
            assert!(denies(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [
            ("test@*", "mytest@example.com"),
            ("*@example.invalid", "ann@example.invalid.com"),
            ("no?reply*", "noreply@x"),
            ("*ab*ab", "ab"),
            ("ab*ab", "aab"),
            ("?", ""),
            ("?", "xy"),
            ("exact", "exactly"),
            ("*a?b*", "ab"),
        ] {
            assert!(!denies(pattern, value), "{pattern} {value}");
        }
    }

    #[test]
    fn patterns_that_make_no_sense_are_refused() {
        for bad in ["", "*", "**", " test", "test ", "a\u{0}b", &"x".repeat(1025)] {
            assert!(DenyPattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    /// The textbook recursion, as an independent answer.
    fn slow(pattern: &[char], value: &[char]) -> bool {
        match pattern.split_first() {
            None => value.is_empty(),
            Some(('*', rest)) => (0..=value.len()).any(|at| slow(rest, &value[at..])),
            Some(('?', rest)) => !value.is_empty() && slow(rest, &value[1..]),
            Some((c, rest)) => value.first() == Some(c) && slow(rest, &value[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in "[ab?*é]{1,7}", value in "[abé]{0,9}") {
            prop_assume!(DenyPattern::parse(&pattern).is_ok());
            let expected =
                slow(&pattern.chars().collect::<Vec<_>>(), &value.chars().collect::<Vec<_>>());
            prop_assert_eq!(denies(&pattern, &value), expected);
        }
    }
}
