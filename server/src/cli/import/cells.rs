//! From the bytes of a row to the values of the mapped columns.

use std::ops::Range;

use serde_json::Value;

use super::mapping::{Column, ColumnKey, ColumnRef};
use super::rows::{Fault, FaultKind};

/// Integers beyond this may have lost digits when JSON gave them as floating point.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The values of a row's mapped columns. A column has none (an empty cell, a
/// key that is not there), one, or several (a list in JSON).
#[derive(Debug, Default)]
pub(super) struct Cells {
    text: String,
    values: Vec<(ColumnRef, Range<usize>)>,
    faults: Vec<(ColumnRef, Fault)>,
}

impl Cells {
    fn clear(&mut self) {
        self.text.clear();
        self.values.clear();
        self.faults.clear();
    }

    fn push(&mut self, column: ColumnRef, value: &str) {
        if !value.is_empty() {
            let start = self.text.len();
            self.text.push_str(value);
            self.values.push((column, start..self.text.len()));
        }
    }

    /// The non-empty values of a column, or what is wrong with it.
    pub(super) fn of(&self, column: ColumnRef) -> Result<impl Iterator<Item = &str>, &Fault> {
        match self.faults.iter().find(|(at, _)| *at == column) {
            Some((_, fault)) => Err(fault),
            None => Ok(self
                .values
                .iter()
                .filter(move |(at, _)| *at == column)
                .filter_map(|(_, range)| self.text.get(range.clone()))),
        }
    }
}

/// Cuts CSV rows into cells.
#[derive(Debug)]
pub(super) struct CsvCells {
    parser: csv_core::Reader,
    trim: bool,
    /// The names of the columns; their numbers when there is no header.
    names: Vec<String>,
    /// The cell of each mapped column.
    places: Vec<usize>,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// A mapped column that the file does not have; its place in the mapping's list.
pub(super) struct NoSuchColumn(pub(super) ColumnRef, pub(super) String);

impl CsvCells {
    /// A parser that knows no columns yet.
    pub(super) fn new(delimiter: u8, trim: bool) -> Self {
        let parser = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        let (names, places) = (Vec::new(), Vec::new());
        Self { parser, trim, names, places, output: Vec::new(), ends: Vec::new() }
    }

    /// Learns the columns from the file's first row.
    pub(super) fn set_columns(&mut self, names: Vec<String>, places: Vec<usize>) {
        self.names = names;
        self.places = places;
    }

    /// The cells of a row, as text.
    pub(super) fn cut<'c>(&'c mut self, raw: &[u8]) -> Result<Vec<&'c str>, Fault> {
        self.parse(raw);
        let mut start = 0;
        let mut cells = Vec::with_capacity(self.ends.len());
        for (place, end) in self.ends.iter().enumerate() {
            let bytes = self.output.get(start..*end).unwrap_or_default();
            start = *end;
            let cell = std::str::from_utf8(bytes).map_err(|error| {
                let column = self.names.get(place).cloned().unwrap_or_else(|| (place + 1).to_string());
                let reason = format!(
                    "byte {} of the cell is no UTF-8; convert the file to UTF-8",
                    error.valid_up_to() + 1
                );
                Fault::new(FaultKind::NotUtf8, Some(column), reason)
            })?;
            cells.push(if self.trim { cell.trim() } else { cell });
        }
        Ok(cells)
    }

    /// Leaves the bytes of the cells in `output`, each cell's end in `ends`.
    fn parse(&mut self, raw: &[u8]) {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        self.parser.reset();
        self.output.resize(raw.len().max(64), 0);
        self.ends.resize(self.ends.capacity().max(32), 0);
        let (mut read, mut written, mut cells) = (0, 0, 0);
        loop {
            let (input, output) =
                (raw.get(read..).unwrap_or_default(), self.output.get_mut(written..).unwrap_or_default());
            let ends = self.ends.get_mut(cells..).unwrap_or_default();
            let (result, took, gave, ended) = self.parser.read_record(input, output, ends);
            read += took;
            written += gave;
            cells += ended;
            match result {
                // An empty input tells the parser that the row is over.
                InputEmpty => {}
                OutputFull => self.output.resize(self.output.len() * 2, 0),
                OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                Record | End => break,
            }
        }
        self.ends.truncate(cells);
    }

    fn read(&mut self, raw: &[u8], cells: &mut Cells) -> Result<(), Fault> {
        let places = std::mem::take(&mut self.places);
        let width = self.names.len();
        let outcome = self.cut(raw).and_then(|row| {
            if row.len() != width {
                return Err(Fault::new(
                    FaultKind::Ragged,
                    None,
                    format!("{} cells where {width} were expected", row.len()),
                ));
            }
            for (column, place) in places.iter().enumerate() {
                cells.push(column, row.get(*place).copied().unwrap_or_default());
            }
            Ok(())
        });
        self.places = places;
        outcome
    }
}

/// Finds each mapped column among the names of a CSV file's first row.
/// `header` tells whether the file names its columns.
pub(super) fn place_columns(
    columns: &[Column],
    names: &[String],
    header: bool,
) -> Result<Vec<usize>, NoSuchColumn> {
    columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let number = match &column.key {
                ColumnKey::Number(number) => Some(*number),
                ColumnKey::Name(name) if !header => name.parse::<usize>().ok(),
                ColumnKey::Name(_) => None,
            };
            if let Some(number) = number {
                return match number {
                    1.. if number <= names.len() => Ok(number - 1),
                    _ => Err(NoSuchColumn(place, format!("there are {} columns", names.len()))),
                };
            }
            let ColumnKey::Name(wanted) = &column.key else {
                return Err(NoSuchColumn(place, String::new()));
            };
            if !header {
                let hint = "the file has no header (`header = false`), so columns go by number, from 1";
                return Err(NoSuchColumn(place, hint.to_owned()));
            }
            let mut found = names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(at, _)| at);
            match (found.next(), found.next()) {
                (Some(at), None) => Ok(at),
                (Some(first), Some(second)) => Err(NoSuchColumn(
                    place,
                    format!(
                        "two columns have that name, {} and {}; write the number of the one that is meant",
                        first + 1,
                        second + 1
                    ),
                )),
                (None, _) => {
                    let known: Vec<&str> = names.iter().map(String::as_str).collect();
                    let near = super::mapping::nearest(wanted, known.iter().copied());
                    let near = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                    Err(NoSuchColumn(
                        place,
                        format!("the columns are {}{near}", super::mapping::list(&known)),
                    ))
                }
            }
        })
        .collect()
}

/// Finds columns in JSON objects.
#[derive(Debug)]
pub(super) struct JsonCells {
    paths: Vec<JsonPath>,
}

#[derive(Debug)]
struct JsonPath {
    name: String,
    steps: Vec<String>,
}

impl JsonCells {
    /// Reads the columns' names as paths: `a.b` or `/a/b`.
    pub(super) fn new(columns: &[Column]) -> Result<Self, NoSuchColumn> {
        let paths = columns.iter().enumerate().map(|(place, column)| match &column.key {
            ColumnKey::Number(_) => Err(NoSuchColumn(
                place,
                "columns of JSON go by key, as \"email\" or \"user.email\"".to_owned(),
            )),
            ColumnKey::Name(name) => {
                let steps = match name.strip_prefix('/') {
                    Some(pointer) => {
                        pointer.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect()
                    }
                    None => name.split('.').map(str::to_owned).collect(),
                };
                Ok(JsonPath { name: name.clone(), steps })
            }
        });
        Ok(Self { paths: paths.collect::<Result<_, _>>()? })
    }

    fn read(&self, raw: &[u8], cells: &mut Cells) -> Result<(), Fault> {
        let text = std::str::from_utf8(raw).map_err(|error| {
            let reason = format!(
                "byte {} of the line is no UTF-8; convert the file to UTF-8",
                error.valid_up_to() + 1
            );
            Fault::new(FaultKind::NotUtf8, None, reason)
        })?;
        let object = match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Value::Object(object),
            Ok(_) => {
                let reason = "expected a JSON object, as {\"id\": 1, \"email\": \"…\"}";
                return Err(Fault::new(FaultKind::NotJson, None, reason));
            }
            Err(error) => {
                // The error's own text ends with its line, which is always 1 here.
                let message = error.to_string();
                let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
                let reason = format!("no JSON: {what} at character {} of the line", error.column());
                return Err(Fault::new(FaultKind::NotJson, None, reason));
            }
        };
        for (column, path) in self.paths.iter().enumerate() {
            let outcome = match object.get(&path.name) {
                Some(value) => collect(value, &[], column, cells),
                None => collect(&object, &path.steps, column, cells),
            };
            if let Err((kind, reason)) = outcome {
                cells.faults.push((column, Fault::new(kind, Some(path.name.clone()), reason)));
            }
        }
        Ok(())
    }
}

/// Follows a path and takes the values at its end. A list gives the values of
/// all its items, unless the path names one of them by its place from 0.
/// The recursion is as deep as the JSON, which the parser bounds.
fn collect(
    value: &Value,
    steps: &[String],
    column: ColumnRef,
    cells: &mut Cells,
) -> Result<(), (FaultKind, String)> {
    match (value, steps) {
        (Value::Array(items), [step, rest @ ..]) if step.parse::<usize>().is_ok() => {
            match step.parse::<usize>().ok().and_then(|place| items.get(place)) {
                Some(item) => collect(item, rest, column, cells),
                None => Ok(()),
            }
        }
        (Value::Array(items), _) => items.iter().try_for_each(|item| collect(item, steps, column, cells)),
        (Value::Object(object), [step, rest @ ..]) => match object.get(step) {
            Some(inner) => collect(inner, rest, column, cells),
            None => Ok(()),
        },
        (Value::Object(_), []) => Err((
            FaultKind::WrongType,
            "an object where a text or a number was expected; name a key in it, as `outer.inner`".to_owned(),
        )),
        (_, [_, ..]) | (Value::Null, []) => Ok(()),
        (Value::String(text), []) => {
            cells.push(column, text.trim());
            Ok(())
        }
        (Value::Bool(truth), []) => {
            cells.push(column, if *truth { "true" } else { "false" });
            Ok(())
        }
        (Value::Number(number), []) => match number.as_f64() {
            Some(float) if number.is_f64() && float.abs() >= MAX_EXACT => Err((
                FaultKind::WrongType,
                "a number too large to be read to the last digit; write it as a text, in quotes".to_owned(),
            )),
            _ => {
                cells.push(column, &number.to_string());
                Ok(())
            }
        },
    }
}

/// Reads rows of one format.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Of CSV.
    Csv(Box<CsvCells>),
    /// Of JSON Lines.
    Json(JsonCells),
}

impl Decoder {
    /// Reads a row into `cells`.
    pub(super) fn read(&mut self, raw: &[u8], cells: &mut Cells) -> Result<(), Fault> {
        cells.clear();
        match self {
            Self::Csv(csv) => csv.read(raw, cells),
            Self::Json(json) => json.read(raw, cells),
        }
    }
}
