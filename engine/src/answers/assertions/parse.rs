//! Reading a file of assertions.

use std::ops::Range;

use super::{Assertion, Claim};
use crate::model::Identifier;
use crate::schema::Problem;

/// What is wrong with a line: where, in bytes of the text, and the message.
type Wrong = (Range<usize>, String);

/// The assertions of a text, and one problem for each line that is none.
pub(super) fn lines(text: &str) -> (Vec<Assertion>, Vec<Problem>) {
    let mut list = Vec::new();
    let mut problems = Vec::new();
    let mut start = 0;
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let mut line = Line { text: whole.trim_end_matches(['\n', '\r']), start, at: 0 };
        if at == 0 && line.text.starts_with('\u{feff}') {
            line.at = '\u{feff}'.len_utf8();
        }
        match line.assertion() {
            Ok(None) => {}
            Ok(Some((claim, a, b))) => list.push(Assertion { line: at + 1, claim, a, b }),
            Err((span, message)) => problems.push(Problem::new(text, span, message)),
        }
        start += whole.len();
    }
    (list, problems)
}

/// A line and how far it is read.
struct Line<'t> {
    text: &'t str,
    /// Where it starts in the whole text.
    start: usize,
    /// How much of it is read, in bytes.
    at: usize,
}

impl<'t> Line<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn span(&self, from: usize) -> Range<usize> {
        self.start + from..self.start + self.at
    }

    /// The span of the word that comes next, or the place where one is missing.
    fn next_word(&self) -> Range<usize> {
        let length = self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        self.start + self.at..self.start + self.at + length
    }

    /// Skips to the next word; says whether there is one before a comment.
    fn has_word(&mut self) -> bool {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        !self.rest().is_empty() && !self.rest().starts_with('#')
    }

    fn assertion(&mut self) -> Result<Option<(Claim, Identifier, Identifier)>, Wrong> {
        if !self.has_word() {
            return Ok(None);
        }
        let word = self.next_word();
        let claim = match self.rest().split(char::is_whitespace).next() {
            Some("same") => Claim::Same,
            Some("different") => Claim::Different,
            _ => return Err((word, "expected `same` or `different`".to_owned())),
        };
        self.at += word.len();
        let a = self.identifier(claim)?;
        let b = self.identifier(claim)?;
        if self.has_word() {
            let message = "expected the end of the line after two identifiers; a value with spaces is quoted, \
                           as in `name:'Ann Lee'`";
            return Err((self.start + self.at..self.start + self.text.len(), message.to_owned()));
        }
        Ok(Some((claim, a, b)))
    }

    fn identifier(&mut self, claim: Claim) -> Result<Identifier, Wrong> {
        if !self.has_word() {
            let message =
                format!("expected two identifiers after `{}`, each written `namespace:value`", claim.word());
            return Err((self.start + self.at..self.start + self.at, message));
        }
        let (from, word) = (self.at, self.next_word());
        let no_identifier =
            "this names no identifier: expected `namespace:value`, as in `email:ann@example.com`";
        let name = match self.quoted()? {
            Some(whole) => whole.split_once(':').map(|(namespace, value)| Identifier::new(namespace, value)),
            None => {
                let colon = self.rest().find(|c: char| c == ':' || c.is_whitespace());
                let Some(length) = colon.filter(|at| self.rest()[*at..].starts_with(':')) else {
                    return Err((word, no_identifier.to_owned()));
                };
                let namespace = self.rest()[..length].to_owned();
                self.at += length + 1;
                let value = match self.quoted()? {
                    Some(value) => value,
                    None => {
                        let rest = self.rest();
                        let value = rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())].to_owned();
                        self.at += value.len();
                        value
                    }
                };
                Some(Identifier::new(namespace, value))
            }
        };
        name.filter(|name| !name.namespace.is_empty() && !name.value.is_empty())
            .ok_or_else(|| (self.span(from), no_identifier.to_owned()))
    }

    /// Reads a quoted text, if one comes next.
    fn quoted(&mut self) -> Result<Option<String>, Wrong> {
        let from = self.at;
        let mut rest = self.rest().char_indices();
        let Some((_, quote @ ('\'' | '"'))) = rest.next() else { return Ok(None) };
        let mut text = String::new();
        while let Some((place, c)) = rest.next() {
            if c == '\\' {
                match rest.next() {
                    Some((_, escaped @ ('\\' | '\'' | '"'))) => text.push(escaped),
                    other => {
                        let end = other.map_or(place + 1, |(at, c)| at + c.len_utf8());
                        let span = self.start + from + place..self.start + from + end;
                        let message = "unknown escape; expected a quote or a backslash after the backslash";
                        return Err((span, message.to_owned()));
                    }
                }
            } else if c == quote {
                self.at = from + place + c.len_utf8();
                if self.rest().starts_with(|next: char| !next.is_whitespace()) {
                    let message = "expected a space after the closing quote";
                    return Err((self.next_word(), message.to_owned()));
                }
                return Ok(Some(text));
            } else {
                text.push(c);
            }
        }
        let span = self.start + from..self.start + self.text.len();
        Err((span, format!("this quote is not closed; expected `{quote}` before the end of the line")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Assertions, Claim};

    #[test]
    fn lines_are_read() {
        let text = "\u{feff}# who is who\n\
                    same email:ann@x.de account:1   # a comment\r\n\
                    \n\
                    \tdifferent name:'Ann Lee' \"name:Bo \\\"B\\\" Lee\"\n\
                    same account:#12 url:http://x.de/#a\n\
                    same name:\"it's\" name:'back\\\\slash'";
        let assertions = Assertions::parse(text, "who.txt").expect("well formed");
        let read: Vec<_> =
            assertions.iter().map(|it| (it.line, it.claim, it.a.to_string(), it.b.to_string())).collect();
        let expected = [
            (2, Claim::Same, "email:ann@x.de", "account:1"),
            (4, Claim::Different, "name:Ann Lee", "name:Bo \"B\" Lee"),
            (5, Claim::Same, "account:#12", "url:http://x.de/#a"),
            (6, Claim::Same, "name:it's", "name:back\\slash"),
        ];
        assert_eq!(read, expected.map(|(line, claim, a, b)| (line, claim, a.to_owned(), b.to_owned())));
    }

    #[test]
    fn every_wrong_line_is_listed_with_its_place() {
        let text = "same a:1 b:2\n\
                    sane a:1 b:2\n\
                    same a:1\n\
                    different a:1 ü: x\n\
                    same a:1 b:2 c:3\n\
                    same a:1 name:'Ann Lee\n\
                    same a:1 name:'x'y\n\
                    same a:1 name:'\\n'\n\
                    same a:1 plain\n\
                    same a:1 'plain'\n\
                    same :1 b:2\n\
                    same\n";
        let error = Assertions::parse(text, "who.txt").expect_err("eleven lines are wrong");
        let places: Vec<_> = error.problems().iter().map(|it| (it.line, it.column)).collect();
        let expected = [
            (2, 1),
            (3, 9),
            (4, 15),
            (5, 14),
            (6, 15),
            (7, 18),
            (8, 16),
            (9, 10),
            (10, 10),
            (11, 6),
            (12, 5),
        ];
        assert_eq!(places, expected);
        let shown = error.to_string();
        assert!(
            shown.starts_with(
                "who.txt:2:1: expected `same` or `different`\n  |\n2 | sane a:1 b:2\n  | ^^^^\n"
            ),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(same|different|#|[a:'\"\\\\ \u{e4}\u{a0}\t\r\n]){0,40}") {
            if let Err(error) = Assertions::parse(&text, "who.txt") {
                prop_assert!(!error.problems().is_empty());
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn any_value_can_be_quoted(value in "[^\r\n]{1,12}") {
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            let text = format!("same n:'{quoted}' 'n:{quoted}'");
            let assertions = Assertions::parse(&text, "who.txt").expect("well formed");
            let read: Vec<_> = assertions.iter().flat_map(|it| [&it.a.value, &it.b.value]).collect();
            prop_assert_eq!(read, [&value, &value]);
        }
    }
}
