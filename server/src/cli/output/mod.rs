//! How answers are written: tables and lines to look at, JSON Lines and CSV to work
//! with, Graphviz to draw.

mod csv;
mod dot;
mod erased;
mod events;
mod figures;
mod json;
mod lines;
mod table;
mod text;

use std::io::{self, IsTerminal, Write};

use kinfold_query::Value;

pub(crate) use erased::{forget_json, write_forget};
pub(crate) use events::{
    EVENT_COLUMNS, VERDICT_COLUMNS, act_json, event_row, plan_json, verdict_json, verdict_row, write_act,
    write_plan,
};
pub(crate) use figures::{Figures, bytes, grouped, write_figures};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns side by side, to look at; cut to the width of a terminal
    Table,
    /// A value a line, to look at; nothing is cut
    Lines,
    /// JSON Lines: one object a row
    Json,
    /// CSV with a header
    Csv,
    /// The nodes, relationships and paths of the result as Graphviz draws them
    Dot,
}

impl Format {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Lines => "lines",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Dot => "dot",
        }
    }

    /// Whether it is there to look at, so that headings and sentences may stand beside the rows.
    pub(crate) const fn is_to_look_at(self) -> bool {
        match self {
            Self::Table | Self::Lines => true,
            Self::Json | Self::Csv | Self::Dot => false,
        }
    }
}

/// Takes the rows of an answer as they come.
pub(crate) trait Answer {
    /// The names of the columns; comes first and once.
    fn columns(&mut self, names: &[String]) -> io::Result<()>;

    /// A row, a value for each column.
    fn row(&mut self, row: &[Value]) -> io::Result<()>;

    /// Shows the rows that came so far. A table cannot: it is laid out when it is whole.
    fn flush(&mut self) -> io::Result<()>;

    /// There are no more rows: all are there, or the query failed after those that came.
    fn end(&mut self, complete: bool) -> io::Result<()>;
}

/// What writes an answer to standard output.
pub(crate) fn to_stdout(format: Format) -> Box<dyn Answer> {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    // On a terminal somebody watches the rows come; elsewhere large pieces are cheaper.
    let out: Box<dyn Write> = if terminal && format != Format::Table {
        Box::new(io::LineWriter::new(stdout))
    } else {
        Box::new(io::BufWriter::with_capacity(1 << 16, stdout))
    };
    match format {
        Format::Table => {
            let width = if terminal { table::terminal_width() } else { None };
            Box::new(table::TableAnswer::new(out, width))
        }
        Format::Lines => Box::new(lines::LinesAnswer::new(out)),
        Format::Json => Box::new(json::JsonAnswer::new(out)),
        Format::Csv => Box::new(csv::CsvAnswer::new(out)),
        Format::Dot => Box::new(dot::DotAnswer::new(out)),
    }
}

/// The answer under a line that says what it is; nothing is written if there is no answer.
pub(crate) fn headed(heading: &str, answer: Box<dyn Answer>) -> Box<dyn Answer> {
    let mut line = String::new();
    text::plain(&mut line, heading);
    Box::new(Headed { line, answer })
}

struct Headed {
    line: String,
    answer: Box<dyn Answer>,
}

impl Answer for Headed {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        writeln!(io::stdout(), "{}", self.line)?;
        self.answer.columns(names)
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.answer.row(row)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.answer.flush()
    }

    fn end(&mut self, complete: bool) -> io::Result<()> {
        self.answer.end(complete)
    }
}

/// Values of every kind, as several tests write them.
#[cfg(test)]
mod samples {
    use kinfold_query::{Duration, Map, Value};

    pub(super) fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(name, value)| (*name, value.clone())).collect::<Map>())
    }

    pub(super) fn list(values: &[Value]) -> Value {
        values.iter().cloned().collect()
    }

    /// A node as it comes from a server.
    pub(super) fn node() -> Value {
        map(&[
            ("id", "email:ann@example.com".into()),
            ("labels", list(&["Identifier".into(), "email".into()])),
            ("properties", map(&[("degree", Value::Int(2)), ("value", "ann@example.com".into())])),
        ])
    }

    pub(super) fn person() -> Value {
        map(&[("id", "p1".into()), ("labels", list(&["Person".into()])), ("properties", map(&[]))])
    }

    pub(super) fn relationship() -> Value {
        map(&[
            ("type", "IDENTIFIES".into()),
            ("start", "email:ann@example.com".into()),
            ("end", "p1".into()),
            ("properties", map(&[])),
        ])
    }

    pub(super) fn path() -> Value {
        map(&[("nodes", list(&[node(), person()])), ("relationships", list(&[relationship()]))])
    }

    pub(super) fn row() -> Vec<Value> {
        vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(-7),
            Value::Float(0.5),
            "it's \"so\",\nreally".into(),
            list(&[Value::Int(1), "a".into(), Value::Null]),
            map(&[("a b", Value::Float(f64::NAN))]),
            "2026-01-05T00:00:00Z"
                .parse::<kinfold_engine::model::Timestamp>()
                .map_or(Value::Null, Value::from),
            Value::Duration(Duration { months: 1, days: 2, micros: 500_000 }),
        ]
    }

    pub(super) fn columns() -> Vec<String> {
        ["null", "bool", "int", "float", "text", "list", "map", "time", "length"].map(str::to_owned).to_vec()
    }
}
