//! What is wrong with a schema file, and where.

use std::fmt;
use std::ops::Range;

/// How many problems a message shows; the others are counted.
const SHOWN: usize = 20;
/// How much of a long line is shown, in characters.
const WINDOW: usize = 100;

/// A schema file was refused. Its `Display` shows each problem as
/// `file:line:column: what is wrong; expected what`, with the line and a caret
/// under the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    file: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
    /// The line itself, a long one cut around the place.
    pub excerpt: String,
    /// The carets that mark the place when they stand below `excerpt`.
    pub marker: String,
}

impl SchemaError {
    /// An error of the file `file` with the given problems: where each is, in
    /// bytes of `text`, and its message.
    pub(super) fn new(file: &str, text: &str, mut found: Vec<(Range<usize>, String)>) -> Self {
        found.sort_by_key(|(span, _)| span.start);
        let problems = found.into_iter().map(|(span, message)| Problem::new(text, span, message)).collect();
        Self { file: file.to_owned(), problems }
    }

    /// The name of the file, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The problems, at least one, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::error::Error for SchemaError {}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.file, &self.problems, f)
    }
}

/// Shows the problems of a file as [`SchemaError`] does.
pub(crate) fn show(file: &str, problems: &[Problem], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, problem) in problems.iter().take(SHOWN).enumerate() {
        if index > 0 {
            writeln!(f)?;
        }
        let Problem { line, column, message, excerpt, marker } = problem;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {excerpt}")?;
        write!(f, "{gutter} | {marker}")?;
    }
    match problems.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        1 => write!(f, "\nand 1 more problem"),
        more => write!(f, "\nand {more} more problems"),
    }
}

impl Problem {
    /// The problem at `span`, in bytes of `text`.
    pub(crate) fn new(text: &str, span: Range<usize>, message: String) -> Self {
        let start = floor(text, span.start);
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(text.len(), |at| start + at);
        let line = text.get(line_start..line_end).unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let place = text.get(line_start..start).unwrap_or_default().chars().count();
        let marked = text.get(start..floor(text, span.end).min(line_end)).unwrap_or_default().chars().count();

        let length = line.chars().count();
        let skipped =
            if length <= WINDOW { 0 } else { place.saturating_sub(WINDOW / 2).min(length - WINDOW) };
        let visible: Vec<char> = line.chars().skip(skipped).take(WINDOW).collect();
        let place_shown = place - skipped;
        let mut excerpt = String::new();
        let mut marker = String::new();
        if skipped > 0 {
            excerpt.push('…');
            marker.push(' ');
        }
        for (at, c) in visible.iter().enumerate() {
            // A tab stays one in both lines, so that the caret keeps its place.
            let shown = if *c == '\t' || !c.is_control() { *c } else { char::REPLACEMENT_CHARACTER };
            excerpt.push(shown);
            if at < place_shown {
                marker.push(if *c == '\t' { '\t' } else { ' ' });
            }
        }
        if skipped + visible.len() < length {
            excerpt.push('…');
        }
        let room = visible.len().saturating_sub(place_shown).max(1);
        marker.push_str(&"^".repeat(marked.clamp(1, room)));
        let line = before.matches('\n').count() + 1;
        Self { line, column: place + 1, message, excerpt, marker }
    }
}

/// The last boundary between characters at or before byte `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, span: Range<usize>) -> Problem {
        Problem::new(text, span, String::new())
    }

    #[test]
    fn places_are_in_characters() {
        let p = problem("a = 1\nü = \"ö\" # x\n", 11..15);
        assert_eq!((p.line, p.column), (2, 5));
        assert_eq!(p.excerpt, "ü = \"ö\" # x");
        assert_eq!(p.marker, "    ^^^");
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        let p = problem("a = ", 4..4);
        assert_eq!((p.line, p.column, p.marker.as_str()), (1, 5, "    ^"));
        let p = problem("a\n", 2..2);
        assert_eq!((p.line, p.column, p.excerpt.as_str(), p.marker.as_str()), (2, 1, "", "^"));
        let p = problem("", 0..9);
        assert_eq!((p.line, p.column), (1, 1));
    }

    #[test]
    fn tabs_and_line_ends_keep_the_caret_in_place() {
        let p = problem("x\r\n\ta\t= 0\r\nb", 8..9);
        assert_eq!((p.line, p.column), (2, 6));
        assert_eq!(p.excerpt, "\ta\t= 0");
        assert_eq!(p.marker, "\t \t  ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let p = problem(&text, 500..501);
        assert_eq!(p.column, 501);
        assert_eq!(p.excerpt.chars().count(), WINDOW + 2);
        let caret = p.marker.chars().count() - 1;
        assert_eq!(p.excerpt.chars().nth(caret), Some('X'));
        assert!(p.excerpt.starts_with('…') && p.excerpt.ends_with('…'));
    }

    #[test]
    fn a_span_of_many_lines_is_marked_to_the_end_of_the_first() {
        let p = problem("a = [\n1,\n]", 4..10);
        assert_eq!(p.marker, "    ^");
    }
}
