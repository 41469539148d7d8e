//! Reading TOML with every complaint at its line and column.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong in a mapping file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MappingError {
    /// The file as it was named by the user.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
    text: String,
    width: usize,
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, text, width } = self;
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        let number = line.to_string();
        writeln!(f, "  {number} | {text}")?;
        let margin = " ".repeat(number.len());
        // Tabs stay tabs, so that the caret stands below the text wherever tab stops are.
        let lead: String =
            text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "  {margin} | {lead}{}", "^".repeat(*width))
    }
}

/// A result of reading a mapping.
pub(super) type Located<T> = Result<T, MappingError>;

/// The text of a mapping file, to turn spans into places.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Document<'a> {
    /// The line and the column, both from 1, of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// An error at a span.
    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> MappingError {
        let (line, column) = self.place(span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or_default().to_owned();
        let marked = self.text.get(span).unwrap_or_default().lines().next().unwrap_or_default();
        let room = text.chars().count().saturating_sub(column - 1);
        let width = marked.chars().count().min(room).max(1);
        MappingError { file: self.file.to_owned(), line, column, message: message.into(), text, width }
    }

    /// Parses the text as TOML.
    pub(super) fn parse(&self) -> Located<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            self.error(span, error.message().trim().replace('\n', "; "))
        })
    }
}

/// The candidate nearest to `given`, if one is near enough to be meant.
pub(crate) fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let wanted = given.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&wanted, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= 1 + c.chars().count().min(given.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// A table whose keys are all known.
#[derive(Clone)]
pub(super) struct Table<'t, 'a> {
    pub(super) document: Document<'a>,
    table: &'t DeTable<'a>,
    span: Range<usize>,
    what: &'static str,
}

impl<'t, 'a> Table<'t, 'a> {
    /// Takes a table that may have these keys only. `what` names it in errors,
    /// as `[[input]]`.
    pub(super) fn new(
        document: Document<'a>,
        table: &'t DeTable<'a>,
        span: Range<usize>,
        what: &'static str,
        keys: &[&str],
    ) -> Located<Self> {
        let first_unknown = table
            .keys()
            .filter(|key| !keys.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        if let Some(key) = first_unknown {
            let name = key.get_ref();
            let hint = match nearest(name, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("expected one of {}", list(keys)),
            };
            return Err(document.error(key.span(), format!("unknown key `{name}` in {what}; {hint}")));
        }
        Ok(Self { document, table, span, what })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The value of a key that must be there; `expected` tells what it is for.
    pub(super) fn require(&self, key: &str, expected: &str) -> Located<&'t Spanned<DeValue<'a>>> {
        self.get(key).ok_or_else(|| {
            self.document
                .error(self.span.clone(), format!("`{key}` is missing in {}; expected {expected}", self.what))
        })
    }

    /// The text of a key, if it is there.
    pub(super) fn string(&self, key: &str, expected: &str) -> Located<Option<&'t str>> {
        self.get(key).map(|value| string(self.document, value, expected)).transpose()
    }

    /// The truth value of a key, if it is there.
    pub(super) fn boolean(&self, key: &str) -> Located<Option<bool>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(value) => Ok(Some(*value)),
                other => Err(self
                    .document
                    .error(value.span(), format!("`{key}` is {}; expected true or false", kind_of(other)))),
            },
        }
    }

    /// One of the listed texts with its meaning, if the key is there.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Located<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", list(&names));
        let given = string(self.document, value, &expected)?;
        match choices.iter().find(|(name, _)| *name == given) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let hint = match nearest(given, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected {expected}"),
                };
                Err(self.document.error(value.span(), format!("`{key}` cannot be `{given}`; {hint}")))
            }
        }
    }

    /// An error at the table as a whole.
    pub(super) fn error(&self, message: impl Into<String>) -> MappingError {
        self.document.error(self.span.clone(), message)
    }

    /// An error at a key, or at the table if the key is not there.
    pub(super) fn error_at(&self, key: &str, message: impl Into<String>) -> MappingError {
        let span = self.table.keys().find(|k| k.get_ref() == key).map_or(self.span.clone(), Spanned::span);
        self.document.error(span, message)
    }
}

/// The text in a value.
pub(super) fn string<'t>(
    document: Document<'_>,
    value: &'t Spanned<DeValue<'_>>,
    expected: &str,
) -> Located<&'t str> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.as_ref()),
        other => Err(document.error(value.span(), format!("{} here; expected {expected}", kind_of(other)))),
    }
}

/// The values of a table that any key may stand in, in the order of the file.
pub(super) fn entries<'t, 'a>(
    document: Document<'a>,
    value: &'t Spanned<DeValue<'a>>,
    expected: &str,
) -> Located<Vec<(&'t Spanned<toml::de::DeString<'a>>, &'t Spanned<DeValue<'a>>)>> {
    match value.get_ref() {
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            Ok(entries)
        }
        other => Err(document.error(value.span(), format!("{} here; expected {expected}", kind_of(other)))),
    }
}

/// What a value is, in words.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Names in back quotes with commas between.
pub(crate) fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
