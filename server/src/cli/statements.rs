//! Cutting text into statements at the semicolons that end them.

/// A statement of a longer text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Its text from its first word on, without the semicolon.
    pub(crate) text: String,
    /// The line of the whole text on which it begins, from 1.
    pub(crate) line: usize,
}

/// Where in the text a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Code,
    /// Behind a `/` that may begin a comment.
    Slash,
    LineComment,
    BlockComment,
    /// Behind a `*` that may end a comment.
    Star,
    /// In a string or a quoted name; the byte that ends it.
    Quoted(u8),
    /// Behind a backslash in a string.
    Escaped(u8),
}

/// Takes text piece by piece and gives the statements that are complete.
///
/// Semicolons in strings, quoted names and comments end nothing. Every byte is
/// looked at once, however many pieces there are.
#[derive(Debug)]
pub(crate) struct Splitter {
    buffer: String,
    /// How far the buffer has been looked at.
    at: usize,
    state: State,
    /// The line of `at`.
    line: usize,
    /// Where the statement begins and on which line, once there is a word of it.
    begin: Option<(usize, usize)>,
}

impl Splitter {
    /// No text yet.
    pub(crate) fn new() -> Self {
        Self { buffer: String::new(), at: 0, state: State::Code, line: 1, begin: None }
    }

    /// Adds text behind what there is.
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
    }

    /// Forgets what is not complete.
    pub(crate) fn clear(&mut self) {
        *self = Self { line: self.line, ..Self::new() };
    }

    /// How many bytes wait for the rest of their statement.
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// What waits for the rest of its statement.
    pub(crate) fn pending(&self) -> &str {
        &self.buffer
    }

    /// Whether no statement and no comment is open. Holds after [`Splitter::complete`] gave `None`.
    pub(crate) fn is_blank(&self) -> bool {
        self.begin.is_none() && matches!(self.state, State::Code | State::LineComment)
    }

    /// Whether no string, quoted name or comment is open, so that a line that
    /// begins with a backslash is none of the statement's.
    pub(crate) fn is_between_words(&self) -> bool {
        matches!(self.state, State::Code | State::LineComment)
    }

    /// The next statement that its semicolon ends.
    pub(crate) fn complete(&mut self) -> Option<Statement> {
        while let Some(&byte) = self.buffer.as_bytes().get(self.at) {
            let here = self.at;
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
            }
            let next = match (self.state, byte) {
                (State::Slash, b'/') => State::LineComment,
                (State::Slash, b'*') => State::BlockComment,
                (State::Code | State::Slash, _) => {
                    if self.state == State::Slash {
                        self.content(here - 1);
                    }
                    match byte {
                        b';' => {
                            let statement = self.take(here);
                            self.state = State::Code;
                            if statement.is_some() {
                                return statement;
                            }
                            continue;
                        }
                        b'/' => State::Slash,
                        b'\'' | b'"' | b'`' => {
                            self.content(here);
                            State::Quoted(byte)
                        }
                        _ => {
                            if !byte.is_ascii_whitespace() {
                                self.content(here);
                            }
                            State::Code
                        }
                    }
                }
                (State::LineComment, b'\n') => State::Code,
                (State::LineComment, _) => State::LineComment,
                (State::Star, b'/') => State::Code,
                (State::BlockComment | State::Star, b'*') => State::Star,
                (State::BlockComment | State::Star, _) => State::BlockComment,
                // A doubled backtick closes and opens again, which comes to the same.
                (State::Quoted(end), _) if byte == end => State::Code,
                (State::Quoted(end), b'\\') if end != b'`' => State::Escaped(end),
                (State::Quoted(end) | State::Escaped(end), _) => State::Quoted(end),
            };
            self.state = next;
        }
        if self.is_blank() && self.state == State::Code {
            self.buffer.clear();
            self.at = 0;
        }
        None
    }

    /// What is left as a statement without its semicolon, if there is a word of it.
    pub(crate) fn rest(&mut self) -> Option<Statement> {
        if self.state == State::Slash {
            self.content(self.at.saturating_sub(1));
        }
        // A comment or a string that is never closed is the parser's to complain of.
        if self.begin.is_none() && matches!(self.state, State::BlockComment | State::Star) {
            self.begin = Some((0, self.line));
        }
        let end = self.buffer.len();
        let rest = self.begin.map(|(begin, line)| Statement {
            text: self.buffer.get(begin..end).unwrap_or_default().trim_end().to_owned(),
            line,
        });
        self.clear();
        rest
    }

    fn content(&mut self, at: usize) {
        self.begin.get_or_insert((at, self.line));
    }

    /// Cuts the statement that the semicolon at `end` ends off the buffer.
    fn take(&mut self, end: usize) -> Option<Statement> {
        let statement = self.begin.take().map(|(begin, line)| Statement {
            text: self.buffer.get(begin..end).unwrap_or_default().trim_end().to_owned(),
            line,
        });
        self.buffer.drain(..=end);
        self.at = 0;
        statement
    }
}

/// How many statements a text holds, the last one with or without its semicolon.
pub(crate) fn count(text: &str) -> usize {
    let mut splitter = Splitter::new();
    splitter.push(text);
    let mut statements = 0;
    while splitter.complete().is_some() {
        statements += 1;
    }
    statements + usize::from(splitter.rest().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(text: &str, complete: &[(&str, usize)], rest: Option<(&str, usize)>) {
        let plain = |it: Statement| (it.text, it.line);
        let owned = |(text, line): (&str, usize)| (text.to_owned(), line);
        let chars: Vec<char> = text.chars().collect();
        // It does not matter in which pieces a text comes.
        for step in [1, 2, 3, 1_000] {
            let mut splitter = Splitter::new();
            let mut all = Vec::new();
            for piece in chars.chunks(step) {
                splitter.push(&piece.iter().collect::<String>());
                all.extend(std::iter::from_fn(|| splitter.complete().map(plain)));
            }
            let expected: Vec<_> = complete.iter().copied().map(owned).collect();
            assert_eq!(all, expected, "{text:?} by {step}");
            assert_eq!(splitter.rest().map(plain), rest.map(owned), "{text:?} by {step}");
        }
    }

    #[test]
    fn semicolons_end_statements() {
        expect("RETURN 1;", &[("RETURN 1", 1)], None);
        expect("RETURN 1", &[], Some(("RETURN 1", 1)));
        expect(
            " RETURN 1 ;\nRETURN\n2;\n\nRETURN 3",
            &[("RETURN 1", 1), ("RETURN\n2", 2)],
            Some(("RETURN 3", 5)),
        );
        expect("", &[], None);
        expect(" ;; \n ; ", &[], None);
        expect("RETURN 6/2;", &[("RETURN 6/2", 1)], None);
        expect("/", &[], Some(("/", 1)));
    }

    #[test]
    fn quoted_and_commented_semicolons_end_nothing() {
        expect("RETURN ';', \";\";", &[("RETURN ';', \";\"", 1)], None);
        expect(r"RETURN 'it\'s;', '\\';", &[(r"RETURN 'it\'s;', '\\'", 1)], None);
        expect("RETURN 1 AS `a``;b`;", &[("RETURN 1 AS `a``;b`", 1)], None);
        expect(r"RETURN 1 AS `\`; RETURN 2", &[(r"RETURN 1 AS `\`", 1)], Some(("RETURN 2", 1)));
        expect("// one; two\nRETURN 1; // three;\n", &[("RETURN 1", 2)], None);
        expect("RETURN /* ; ** ; **/ 1;", &[("RETURN /* ; ** ; **/ 1", 1)], None);
        expect("RETURN 'é;ü';", &[("RETURN 'é;ü'", 1)], None);
    }

    #[test]
    fn what_is_never_closed_is_left() {
        expect("RETURN 'a;\n", &[], Some(("RETURN 'a;", 1)));
        expect("/* a; b", &[], Some(("/* a; b", 1)));
        assert_eq!((count("RETURN 1;"), count("RETURN 1; RETURN 2"), count(" // ;")), (1, 2, 0));
    }

    #[test]
    fn knows_whether_something_is_open() {
        let mut splitter = Splitter::new();
        for (text, blank) in
            [("  \n", true), ("/* a\n", false), ("*/\n", true), ("RETURN\n", false), ("1;\n", true)]
        {
            splitter.push(text);
            while splitter.complete().is_some() {}
            assert_eq!(splitter.is_blank(), blank, "{text:?}");
            assert_eq!(splitter.is_between_words(), !text.starts_with("/*"), "{text:?}");
        }
        assert_eq!(splitter.waiting(), 0);
    }
}
