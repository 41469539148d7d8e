//! Opening a file and checking it against the mapping.

use std::io::Read;

use super::cells::{CsvCells, Decoder, JsonCells, NoSuchColumn, place_columns};
use super::mapper::Mapper;
use super::mapping::{Column, Format, Input, Text};
use super::raw::{Cut, RawFault, RawRow, RawRows};
use super::rows::Row;

/// Why a file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("cannot read {file}: {error}")]
    Io {
        /// The file as the user named it.
        file: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is empty although its first row should name the columns.
    #[error(
        "{file}:1: the file is empty; expected a first row that names the columns (or `csv = {{ header = false }}` in the mapping)"
    )]
    NoHeader {
        /// The file as the user named it.
        file: String,
    },
    /// Its first row cannot be read.
    #[error("{file}:{line}: the first row cannot be read: {reason}")]
    Header {
        /// The file as the user named it.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It lacks a column that the mapping reads.
    #[error("{file}:{line}: no column `{column}`, which {mapping}:{}:{} asks for; {hint}", .place.0, .place.1)]
    NoColumn {
        /// The file as the user named it.
        file: String,
        /// The line of the header, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The mapping's file.
        mapping: String,
        /// Line and column in the mapping.
        place: (usize, usize),
        /// The columns that there are.
        hint: String,
    },
}

/// A file to import and how.
#[derive(Clone, Debug)]
pub struct FileToRead<'m> {
    /// The file as the user named it.
    pub file: String,
    /// The mapping's file, for messages.
    pub mapping: &'m str,
    /// How it is read.
    pub input: &'m Input,
    /// Its format.
    pub format: Format,
    /// What names the source of its rows.
    pub source: &'m Text,
}

/// Reads the rows of a file one after another, in bounded memory.
pub struct RowReader<'m> {
    file: String,
    rows: RawRows<Box<dyn Read>>,
    first: Option<RawRow>,
    mapper: Mapper<'m>,
}

impl<'m> RowReader<'m> {
    /// Reads as much of `reader` as is needed to know that it has the columns
    /// that the mapping reads.
    pub fn open(what: &FileToRead<'m>, reader: Box<dyn Read>) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io { file: what.file.clone(), error };
        let input = what.input;
        let columns = &input.columns;
        if what.format == Format::JsonLines {
            let json = JsonCells::new(columns).map_err(|error| what.no_column(1, columns, error))?;
            return Ok(Self {
                file: what.file.clone(),
                rows: RawRows::new(reader, Cut::Lines),
                first: None,
                mapper: Mapper::new(input, what.source, Decoder::Json(json)),
            });
        }
        let by_name = if what.file.to_lowercase().ends_with(".tsv") { b'\t' } else { b',' };
        let delimiter = input.csv.delimiter.unwrap_or(by_name);
        let mut rows = RawRows::new(reader, Cut::Csv { delimiter });
        let mut csv = CsvCells::new(delimiter, input.csv.trim);
        let mut first = rows.next_row().map_err(io)?;
        match &first {
            None if input.csv.header => return Err(OpenError::NoHeader { file: what.file.clone() }),
            None => {}
            Some(row) => {
                let refuse = |reason: &str| OpenError::Header {
                    file: what.file.clone(),
                    line: row.line,
                    reason: reason.to_owned(),
                };
                match row.fault {
                    Some(RawFault::TooLong) => {
                        return Err(refuse("it has more than 1 MiB; is this a CSV file?"));
                    }
                    Some(RawFault::UnclosedQuote) => return Err(refuse("a quote in it is never closed")),
                    None => {}
                }
                let cells = csv.cut(&row.bytes).map_err(|fault| refuse(&fault.reason))?;
                let names: Vec<String> = if input.csv.header {
                    cells.iter().map(|name| name.trim().to_owned()).collect()
                } else {
                    (1..=cells.len()).map(|number| number.to_string()).collect()
                };
                let places = place_columns(columns, &names, input.csv.header)
                    .map_err(|error| what.no_column(row.line, columns, error))?;
                csv.set_columns(names, places);
            }
        }
        if input.csv.header {
            first = None;
        }
        let mapper = Mapper::new(input, what.source, Decoder::Csv(Box::new(csv)));
        Ok(Self { file: what.file.clone(), rows, first, mapper })
    }

    /// The next row, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Row>, OpenError> {
        let raw = match self.first.take() {
            Some(row) => Some(row),
            None => self.rows.next_row().map_err(|error| OpenError::Io { file: self.file.clone(), error })?,
        };
        Ok(raw.map(|raw| self.mapper.read(raw)))
    }

    /// What makes observations of the rows.
    pub(super) fn mapper(&mut self) -> &mut Mapper<'m> {
        &mut self.mapper
    }
}

impl FileToRead<'_> {
    fn no_column(&self, line: u64, columns: &[Column], error: NoSuchColumn) -> OpenError {
        let NoSuchColumn(place, hint) = error;
        let (column, place) = columns
            .get(place)
            .map(|c| (c.key.to_string(), c.place))
            .unwrap_or_else(|| (String::new(), (1, 1)));
        let (file, mapping) = (self.file.clone(), self.mapping.to_owned());
        OpenError::NoColumn { file, line, column, mapping, place, hint }
    }
}
