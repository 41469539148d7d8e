//! The mapping file: how the rows of a file become observations.

mod fields;
mod located;
mod read;
#[cfg(test)]
mod tests;

use std::path::Path;

use globset::GlobMatcher;
use kinfold_engine::model::Timestamp;

use super::time::TimeFormats;

pub use located::MappingError;
pub(crate) use located::{list, nearest};

/// A mapping file, read and checked.
#[derive(Debug)]
pub struct Mapping {
    /// The file's name as the user gave it.
    pub file: String,
    /// One for each `[[input]]`, in the order of the file. Never empty.
    pub inputs: Vec<Input>,
}

/// How one kind of file is read.
#[derive(Debug)]
pub struct Input {
    /// What `--input` calls it.
    pub name: Option<String>,
    /// Which file names it is for, with the patterns as written; empty: any.
    pub files: Vec<(String, GlobMatcher)>,
    /// The format; by the file's extension when absent.
    pub format: Option<Format>,
    /// How a CSV file is cut into cells.
    pub csv: CsvOptions,
    /// Every column that any of the rules below reads.
    pub columns: Vec<Column>,
    /// Who saw it; absent only when the command line names the source.
    pub source: Option<Text>,
    /// The source's own key of the row.
    pub record_id: Option<Text>,
    /// When it happened.
    pub time: TimeRule,
    /// How sure the source is.
    pub confidence: Confidence,
    /// How the source came to say so.
    pub kind: Option<Text>,
    /// Where the identifiers are.
    pub identifiers: Vec<IdentifierRule>,
    /// Whether every rule of `identifiers` must give exactly one identifier, as the two ends of a link must.
    pub is_link: bool,
    /// What else the row says.
    pub attributes: Vec<AttributeRule>,
    /// Rows are read only if each of these columns has one of the values.
    pub only: Vec<Filter>,
    /// Rows are left out if any of these columns has one of the values.
    pub except: Vec<Filter>,
    /// What becomes of a row with an identifier or an attribute that is not valid.
    pub on_invalid: OnInvalid,
    /// Where the `[[input]]` stands: line and column from 1.
    pub place: (usize, usize),
}

/// A format of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180), or with another delimiter.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// How a CSV file is cut into cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between two cells; by the file's extension when absent.
    pub delimiter: Option<u8>,
    /// Whether the first row names the columns.
    pub header: bool,
    /// Whether white space around a cell is cut off.
    pub trim: bool,
}

/// A column as the mapping names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// By name or by number.
    pub key: ColumnKey,
    /// Where the mapping names it first: line and column from 1.
    pub place: (usize, usize),
}

/// The name of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKey {
    /// A name in the header, or a path into a JSON object.
    Name(String),
    /// A place in the row, from 1.
    Number(usize),
}

impl std::fmt::Display for ColumnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A column's place in [`Input::columns`].
pub(super) type ColumnRef = usize;

/// A text that a row gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Where it comes from.
    pub from: TextFrom,
    /// What stands for an empty cell.
    pub default: Option<String>,
}

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum TextFrom {
    /// The same for all rows.
    Constant(String),
    /// The value of a column.
    Column(ColumnRef),
    /// Columns with text between.
    Template(Vec<Piece>),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text as it stands.
    Literal(String),
    /// The value of a column.
    Column(ColumnRef),
}

/// Where the event time comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeRule {
    /// The same for all rows.
    Constant(Timestamp),
    /// The value of a column.
    Read {
        /// Where the text comes from.
        text: Text,
        /// How it is written.
        formats: TimeFormats,
    },
}

/// Where the confidence comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Confidence {
    /// The same for all rows; in (0, 1].
    Constant(f64),
    /// The number in a column, divided by `divide_by`.
    Read {
        /// Where the text comes from.
        text: Text,
        /// The number that stands for certainty, as 100 for percent.
        divide_by: f64,
    },
}

/// Where identifiers of one namespace come from.
#[derive(Debug)]
pub struct IdentifierRule {
    /// The namespace.
    pub namespace: Text,
    /// New names for namespaces, the first that matches counts.
    pub rename: Vec<(GlobMatcher, String)>,
    /// The value, or several in one cell.
    pub value: Text,
    /// What stands between several values in one cell.
    pub split: Option<String>,
}

/// Where an attribute comes from.
#[derive(Debug)]
pub struct AttributeRule {
    /// Its name in the store.
    pub name: String,
    /// Where its text comes from.
    pub text: Text,
    /// How the text is read.
    pub kind: AttributeKind,
}

/// The type of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeKind {
    /// A text.
    String,
    /// A finite number.
    Number,
    /// `true`/`false`, `yes`/`no` or `1`/`0`.
    Bool,
    /// A time in one of these formats.
    Timestamp(TimeFormats),
}

/// A condition on a row.
#[derive(Debug)]
pub struct Filter {
    /// The column looked at.
    pub column: ColumnRef,
    /// The patterns of which one must match.
    pub values: Vec<GlobMatcher>,
}

/// What becomes of a row with a value that is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInvalid {
    /// The row is rejected.
    Reject,
    /// The value is left out and reported; the rest of the row goes in.
    Skip,
}

impl Mapping {
    /// Reads a mapping from its text. `file` is the name used in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, MappingError> {
        read::mapping(located::Document { file, text })
    }

    /// The input called `name`.
    pub fn named(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name.as_deref() == Some(name))
    }

    /// The inputs that are for a file of this name.
    pub fn matching(&self, path: &Path) -> Vec<&Input> {
        let Some(name) = path.file_name() else { return Vec::new() };
        self.inputs
            .iter()
            .filter(|input| input.files.is_empty() || input.files.iter().any(|(_, glob)| glob.is_match(name)))
            .collect()
    }
}

impl Input {
    /// What to call it in a message: its name, or where it stands in the mapping.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("`{name}`"),
            None => format!("without a name at line {}", self.place.0),
        }
    }
}
