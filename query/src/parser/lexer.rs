//! Text to tokens: the only place that looks at characters.

use crate::ast::Span;
use crate::error::{Fault, Outcome};

/// One token. The last of a text is always [`Kind::End`].
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// For an opening bracket, how many tokens further its closing one stands; 0 if it has none.
    pub(crate) closes: u32,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    /// A word without quotes: a keyword or a name.
    Word(String),
    /// A name in backticks: never a keyword.
    Quoted(String),
    /// A whole number; 2^63 only makes sense behind a minus.
    Int(u64),
    Float(f64),
    Str(String),
    Param(String),
    Sym(&'static str),
    End,
}

/// Symbols, longest first.
const SYMBOLS: [&str; 28] = [
    "..", "<=", ">=", "<>", "=~", "(", ")", "[", "]", "{", "}", ",", ".", ":", ";", "|", "+", "-", "*", "/",
    "%", "^", "=", "<", ">", "&", "!", "~",
];

/// Cuts `text` into tokens, comments and white space left out.
pub(crate) fn tokens(text: &str) -> Outcome<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut unclosed = [0_usize; 3];
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        let kind = lexer.next()?;
        let span = lexer.span(start);
        if let Kind::Sym(symbol) = kind {
            if let Some(bracket) = ["(", "[", "{"].iter().position(|b| *b == symbol) {
                open.push((tokens.len(), symbol));
                unclosed[bracket] += 1;
            } else if let Some(bracket) = [")", "]", "}"].iter().position(|b| *b == symbol) {
                // A bracket of another kind leaves the ones inside it without a
                // partner. The counts keep this linear in the length of the text.
                while unclosed[bracket] > 0 {
                    let Some((at, opened)) = open.pop() else { break };
                    let kind = ["(", "[", "{"].iter().position(|b| *b == opened).unwrap_or_default();
                    unclosed[kind] -= 1;
                    if kind == bracket {
                        let distance = (tokens.len() - at) as u32;
                        if let Some(opening) = tokens.get_mut(at) {
                            let opening: &mut Token = opening;
                            opening.closes = distance;
                        }
                        break;
                    }
                }
            }
        }
        let done = kind == Kind::End;
        tokens.push(Token { kind, span, closes: 0 });
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn span(&self, start: usize) -> Span {
        Span::new(start as u32, self.at as u32)
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !keep(c)).unwrap_or(rest.len());
    }

    fn skip_blank(&mut self) -> Outcome<()> {
        loop {
            self.skip_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.skip_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                match self.rest().find("*/") {
                    Some(length) => self.at += length + 2,
                    None => {
                        let span = Span::new(self.at as u32, self.at as u32 + 2);
                        return Err(Fault::syntax("open-comment", span, "this comment is never closed")
                            .hint("expected `*/`"));
                    }
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Outcome<Kind> {
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(Kind::End) };
        if is_name_start(first) {
            self.skip_while(is_name_part);
            return Ok(Kind::Word(self.text.get(start..self.at).unwrap_or_default().to_owned()));
        }
        let second = self.rest().chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        match first {
            '\'' | '"' => self.string(first).map(Kind::Str),
            '`' => self.quoted().map(Kind::Quoted),
            '$' => self.parameter().map(Kind::Param),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Outcome<Kind> {
        let found = SYMBOLS.iter().find(|s| self.rest().starts_with(**s)).copied();
        let span = Span::new(self.at as u32, (self.at + first.len_utf8()) as u32);
        match found {
            Some("!") if self.rest().starts_with("!=") => {
                let span = Span::new(self.at as u32, self.at as u32 + 2);
                Err(Fault::syntax("syntax", span, "`!=` is no operator of the language").hint("write `<>`"))
            }
            Some("&" | "!" | "~") | None => {
                let shown = if first.is_control() { format!("{:?}", first) } else { format!("`{first}`") };
                // What is not ASCII often looks like what was meant: a dash, a curly quote.
                let code = if first.is_ascii() { "syntax" } else { "invalid-character" };
                let fault = Fault::syntax(code, span, format!("unexpected character {shown}"));
                Err(if first == '@' {
                    fault.hint("quote the value, as in email:'ann@example.com'")
                } else {
                    fault
                })
            }
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Kind::Sym(symbol))
            }
        }
    }

    fn number(&mut self) -> Outcome<Kind> {
        let start = self.at;
        let radix = match self.rest().get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            _ => 10,
        };
        if radix != 10 {
            self.at += 2;
            self.skip_while(is_name_part);
            let digits = self.text.get(start + 2..self.at).unwrap_or_default();
            if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
                let what = if radix == 16 { "hexadecimal" } else { "octal" };
                return Err(self.bad_number(start, &format!("expected {what} digits after the prefix")));
            }
            return u64::from_str_radix(digits, radix)
                .ok()
                .filter(|value| *value <= 1 << 63)
                .map(Kind::Int)
                .ok_or_else(|| self.too_large(start));
        }
        self.skip_while(|c| c.is_ascii_digit());
        let mut float = false;
        let mut ahead = self.rest().chars();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            float = true;
            self.at += 1;
            self.skip_while(|c| c.is_ascii_digit());
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let after: &str = self.rest().get(1..).unwrap_or_default();
            let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                float = true;
                self.at += 1 + (after.len() - digits.len());
                self.skip_while(|c| c.is_ascii_digit());
            }
        }
        if self.peek().is_some_and(is_name_part) {
            self.skip_while(is_name_part);
            let text = self.text.get(start..self.at).unwrap_or_default();
            // The day and the hour of a time that is not quoted.
            let time = text.len() == 5 && text.get(2..3) == Some("T");
            if !time && self.rest().trim_start().starts_with(':') {
                let message = format!("`{text}` is no name: names do not start with a digit");
                return Err(
                    Fault::syntax("invalid-name", self.span(start), message).hint("quote it with backticks")
                );
            }
            return Err(self.bad_number(
                start,
                if time {
                    "a time stands in quotes, as in '2026-01-05T00:00:00Z'"
                } else {
                    "a name cannot start with a digit; quote it with backticks"
                },
            ));
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        if float {
            return match digits.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Kind::Float(value)),
                _ => Err(Fault::syntax(
                    "number-too-large",
                    self.span(start),
                    "this number is too large for a float",
                )),
            };
        }
        match digits.parse::<u64>() {
            Ok(value) if value <= 1 << 63 => Ok(Kind::Int(value)),
            _ => Err(self.too_large(start)),
        }
    }

    fn bad_number(&self, start: usize, hint: &str) -> Fault {
        let text = self.text.get(start..self.at).unwrap_or_default();
        Fault::syntax("invalid-number", self.span(start), format!("`{text}` is no number")).hint(hint)
    }

    fn too_large(&self, start: usize) -> Fault {
        too_large(self.span(start))
    }

    fn string(&mut self, quote: char) -> Outcome<String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let here = self.at;
            let Some(c) = self.peek() else {
                let span = Span::new(start as u32, start as u32 + 1);
                let message = "this string is never closed";
                return Err(
                    Fault::syntax("open-string", span, message).hint(format!("expected a closing {quote}"))
                );
            };
            self.at += c.len_utf8();
            if c == quote {
                return Ok(out);
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let escaped = self.peek();
            self.at += escaped.map_or(0, char::len_utf8);
            match escaped {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('b') => out.push('\u{8}'),
                Some('f') => out.push('\u{c}'),
                Some(c @ ('\\' | '\'' | '"' | '`')) => out.push(c),
                Some('u') => out.push(self.escape(here, 4)?),
                Some('U') => out.push(self.escape(here, 8)?),
                _ => {
                    let message = "unknown escape in a string";
                    return Err(Fault::syntax("invalid-escape", self.span(here), message)
                        .hint("a backslash itself is written `\\\\`"));
                }
            }
        }
    }

    /// The scalar of `\uXXXX` or `\UXXXXXXXX`; a pair of surrogates is one scalar.
    fn escape(&mut self, start: usize, digits: usize) -> Outcome<char> {
        let code = self.hex(start, digits)?;
        let scalar = if (0xD800..0xDC00).contains(&code) && self.rest().starts_with("\\u") {
            self.at += 2;
            let low = self.hex(start, 4)?;
            let paired = (0xDC00..0xE000).contains(&low);
            paired.then(|| 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
        } else {
            Some(code)
        };
        scalar.and_then(char::from_u32).ok_or_else(|| {
            let message = "this escape is no Unicode scalar";
            Fault::syntax("invalid-unicode", self.span(start), message)
        })
    }

    fn hex(&mut self, start: usize, digits: usize) -> Outcome<u32> {
        let text = self.rest().get(..digits).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
        match text.and_then(|t| u32::from_str_radix(t, 16).ok()) {
            Some(code) => {
                self.at += digits;
                Ok(code)
            }
            None => {
                let message = format!("expected {digits} hexadecimal digits in this escape");
                Err(Fault::syntax("invalid-unicode", self.span(start), message))
            }
        }
    }

    fn quoted(&mut self) -> Outcome<String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.peek() else {
                let span = Span::new(start as u32, start as u32 + 1);
                return Err(Fault::syntax("open-name", span, "this quoted name is never closed")
                    .hint("expected a closing backtick"));
            };
            self.at += c.len_utf8();
            if c != '`' {
                out.push(c);
            } else if self.peek() == Some('`') {
                self.at += 1;
                out.push('`');
            } else if out.is_empty() {
                return Err(Fault::syntax("empty-name", self.span(start), "a name cannot be empty"));
            } else {
                return Ok(out);
            }
        }
    }

    fn parameter(&mut self) -> Outcome<String> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('`') {
            return self.quoted();
        }
        self.skip_while(is_name_part);
        match self.text.get(start + 1..self.at) {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(Fault::syntax("syntax", self.span(start), "expected a parameter's name after `$`")),
        }
    }
}

pub(crate) fn too_large(span: Span) -> Fault {
    Fault::syntax("integer-overflow", span, "this number does not fit in 64 bits")
        .hint("integers go from -9223372036854775808 to 9223372036854775807")
}

pub(crate) fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(crate) fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).map(|all| all.into_iter().map(|t| t.kind).collect()).unwrap_or_default()
    }

    #[test]
    fn numbers_and_ranges_part_where_they_should() {
        use Kind::{End, Float, Int, Sym};
        assert_eq!(kinds("*1..3"), [Sym("*"), Int(1), Sym(".."), Int(3), End]);
        assert_eq!(kinds("*..3"), [Sym("*"), Sym(".."), Int(3), End]);
        assert_eq!(kinds("1.5 .5 2E-01 1e3"), [Float(1.5), Float(0.5), Float(0.2), Float(1000.0), End]);
        assert_eq!(kinds("0x1A 0o17 007"), [Int(26), Int(15), Int(7), End]);
        assert_eq!(kinds("9223372036854775808"), [Int(1 << 63), End]);
        for bad in ["0x", "0xG", "12ab", "9223372036854775809", "1e999", "0o8", "1B2c"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_and_names_unescape() {
        let text = r#"'a\'\n\u01FF\uD83D\uDE00' "q'" `a``b` $p $`p q` $0"#;
        let expected = [
            Kind::Str("a'\nǿ😀".into()),
            Kind::Str("q'".into()),
            Kind::Quoted("a`b".into()),
            Kind::Param("p".into()),
            Kind::Param("p q".into()),
            Kind::Param("0".into()),
            Kind::End,
        ];
        assert_eq!(kinds(text), expected);
        for bad in ["'", "'\\", "'\\u12'", "'\\uD83D'", "'\\x'", "`", "``", "$", "/* a", "#", "a != b"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn brackets_know_their_partners() {
        let all = tokens("([a] { b ) }").unwrap_or_default();
        let closes: Vec<u32> = all.iter().map(|t| t.closes).collect();
        assert_eq!(closes, [6, 2, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn comments_are_blank() {
        assert_eq!(kinds("a // b\n /* c */ d"), [Kind::Word("a".into()), Kind::Word("d".into()), Kind::End]);
    }
}
