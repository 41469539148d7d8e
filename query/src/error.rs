//! Errors that say where, what was expected, and what may have been meant.

use std::fmt;

use kinfold_engine::read::ReadError;

use crate::ast::Span;

/// What kind of mistake or obstacle a [`QueryError`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// The text is not a statement of the language.
    Syntax,
    /// A name in the text stands for nothing, or for two things.
    Binding,
    /// An operation was given a value of a type that it does not take.
    Type,
    /// A value turned out to be out of range, or nothing was found.
    Runtime,
    /// A limit was met; nothing was cut off silently.
    Limit {
        /// The field of [`crate::Limits`] that was met.
        name: &'static str,
    },
    /// The caller cancelled the query.
    Cancelled,
    /// The store could not be read.
    Storage,
}

/// Why a statement was refused or stopped, with its place in the text.
///
/// [`fmt::Display`] prints the whole: the code, the place, the message, the
/// source line, a caret under the part at fault, and a hint if there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryError(Box<Located>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Located {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    line: usize,
    column: usize,
    /// The part of the source line that is shown, and where in it the caret starts and how long it is.
    excerpt: String,
    caret: usize,
    width: usize,
}

/// How many characters of a long source line are shown before the caret, and after.
const EXCERPT: usize = 60;

impl QueryError {
    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// A stable name for programs, in kebab case, as `unknown-label`.
    pub fn code(&self) -> &str {
        self.0.code
    }

    /// What is wrong, in one sentence, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What may have been meant, or what to do.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The line at fault, from 1.
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column at fault, from 1, in Unicode scalars.
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// How many Unicode scalars of the line are at fault; at least 1.
    pub fn width(&self) -> usize {
        self.0.width
    }
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &*self.0;
        writeln!(f, "error[{}] at {}:{}: {}", at.code, at.line, at.column, at.message)?;
        writeln!(f, "  {}", at.excerpt)?;
        write!(f, "  {}{}", " ".repeat(at.caret), "^".repeat(at.width))?;
        match &at.hint {
            Some(hint) => write!(f, " {hint}"),
            None => Ok(()),
        }
    }
}

/// An error as the stages raise it: with a byte range, before the text is at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Inner {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    span: Option<(u32, u32)>,
}

/// A result inside the crate.
pub(crate) type Outcome<T> = Result<T, Fault>;

impl Fault {
    fn new(kind: ErrorKind, code: &'static str, span: Option<Span>, message: impl Into<String>) -> Self {
        let span = span.map(|s| (s.start, s.end));
        Self(Box::new(Inner { kind, code, message: message.into(), hint: None, span }))
    }

    pub(crate) fn syntax(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, code, Some(span), message)
    }

    pub(crate) fn binding(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Binding, code, Some(span), message)
    }

    pub(crate) fn typed(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Type, code, Some(span), message)
    }

    pub(crate) fn runtime(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Runtime, code, Some(span), message)
    }

    pub(crate) fn unsupported(span: Span, what: &str) -> Self {
        Self::syntax("unsupported", span, format!("{what} is not part of this version"))
    }

    pub(crate) fn limit(
        name: &'static str,
        code: &'static str,
        span: Option<Span>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Limit { name }, code, span, message)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled", None, "the query was cancelled")
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds `did you mean` if one of `known` is near `given`.
    #[must_use]
    pub(crate) fn did_you_mean<'a>(self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(given, known) {
            Some(name) => {
                let hint = format!("did you mean `{name}`?");
                self.hint(hint)
            }
            None => self,
        }
    }

    /// Gives the place to an error that has none yet.
    #[must_use]
    pub(crate) fn or_at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert((span.start, span.end));
        self
    }

    /// The error as the caller sees it, with its line and column in `text`.
    pub(crate) fn locate(self, text: &str) -> QueryError {
        let Inner { kind, code, message, hint, span } = *self.0;
        let (start, end) = span.unwrap_or((0, 0));
        let (start, end) = (floor_boundary(text, start as usize), floor_boundary(text, end as usize));
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = text.get(line_start..start).unwrap_or_default().chars().count();
        let rest = text.get(line_start..).unwrap_or_default();
        let source = rest.split(['\n', '\r']).next().unwrap_or_default();
        let marked = text.get(start..end.max(start)).unwrap_or_default();
        let left_on_line = source.chars().count().saturating_sub(column);
        let wanted = marked.split(['\n', '\r']).next().unwrap_or_default().chars().count();
        let width = wanted.min(left_on_line).clamp(1, EXCERPT);
        let skip = column.saturating_sub(EXCERPT);
        let shown = source.chars().skip(skip).take(column - skip + width.max(EXCERPT));
        let mut excerpt: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut caret = column - skip;
        if source.chars().count() > skip + excerpt.chars().count() {
            excerpt.push('…');
        }
        if skip > 0 {
            excerpt.insert(0, '…');
            caret += 1;
        }
        QueryError(Box::new(Located {
            kind,
            code,
            message,
            hint,
            line,
            column: column + 1,
            excerpt,
            caret,
            width,
        }))
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::Corrupt { .. } => "store-damaged",
            ReadError::Storage(_) => "storage",
        };
        Self::new(ErrorKind::Storage, code, None, error.to_string())
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The name of `known` that `given` is most likely a slip for, if any is near.
///
/// A difference of case alone is always near; else at most a third of the
/// letters may differ (Damerau-Levenshtein), or the names must share most of
/// their letters (Jaro-Winkler above 0.9).
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > 256 {
        return None;
    }
    let lower = given.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let candidate = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &candidate);
        let allowed = (lower.chars().count().max(candidate.chars().count()) / 3).max(1);
        let near = (distance <= allowed && distance < lower.chars().count())
            || strsim::jaro_winkler(&lower, &candidate) > 0.9;
        if near && name != given && best.is_none_or(|(least, kept)| (distance, name) < (least, kept)) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_example_prints_exactly() {
        let text = "MATCH (i:Identifer {id: $id}) RETURN i";
        let fault = Fault::binding("unknown-label", Span::new(9, 18), "no label `Identifer` in this store");
        let error = fault.did_you_mean("Identifer", ["Person", "Identifier"]).locate(text);
        let expected = "error[unknown-label] at 1:10: no label `Identifer` in this store\n  \
                        MATCH (i:Identifer {id: $id}) RETURN i\n           \
                        ^^^^^^^^^ did you mean `Identifier`?";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn columns_count_scalars_and_lines_start_anew() {
        let text = "RETURN 'é',\n\t'ü' + oops";
        let at = text.find("oops").unwrap_or_default() as u32;
        let error = Fault::binding("x", Span::new(at, at + 4), "m").locate(text);
        assert_eq!((error.line(), error.column(), error.width()), (2, 8, 4));
        assert!(error.to_string().ends_with("   'ü' + oops\n         ^^^^"), "{error}");
    }

    #[test]
    fn a_long_line_is_shown_in_part() {
        let text = format!("RETURN {}oops{}", "1 + ".repeat(200), " + 1".repeat(200));
        let at = text.find("oops").unwrap_or_default() as u32;
        let shown = Fault::binding("x", Span::new(at, at + 4), "m").locate(&text).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 140), "{shown}");
        let caret = lines[2].find('^').unwrap_or_default();
        assert_eq!(lines[1].chars().skip(caret).take(4).collect::<String>(), "oops");
    }

    #[test]
    fn places_beyond_the_text_are_the_end() {
        for (text, span) in [("", (0, 0)), ("é", (1, 2)), ("a\n", (2, 9)), ("a", (7, 3))] {
            let error = Fault::syntax("x", Span::new(span.0, span.1), "m").locate(text);
            assert!(error.line() >= 1 && error.width() >= 1);
        }
    }

    #[test]
    fn suggestions_are_near_or_absent() {
        let known = ["Identifier", "Person", "email", "household_ip"];
        assert_eq!(nearest("emial", known), Some("email"));
        assert_eq!(nearest("PERSON", known), Some("Person"));
        assert_eq!(nearest("household", known), Some("household_ip"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(nearest("x", known), None);
    }
}
