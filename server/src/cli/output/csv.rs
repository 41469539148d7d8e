//! CSV.

use std::io::{self, Write};

use kinfold_query::Value;

use super::Answer;
use super::json::Json;

/// Writes CSV as RFC 4180 quotes it, with a header; lines end with a line feed.
///
/// Null is an empty field; lists, maps, nodes, relationships and paths are JSON.
pub(super) struct CsvAnswer<W: Write> {
    out: ::csv::Writer<W>,
}

impl<W: Write> CsvAnswer<W> {
    pub(super) fn new(out: W) -> Self {
        // The writer below has its own buffer and is flushed with this one.
        Self { out: ::csv::WriterBuilder::new().buffer_capacity(1 << 12).from_writer(out) }
    }
}

impl<W: Write> Answer for CsvAnswer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.out.write_record(names).map_err(plain)
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        for value in row {
            match value {
                Value::Null => self.out.write_field(""),
                Value::String(text) => self.out.write_field(&**text),
                Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::DateTime(_)
                | Value::Duration(_) => self.out.write_field(value.to_string()),
                Value::List(_) | Value::Map(_) | Value::Node(_) | Value::Relationship(_) | Value::Path(_) => {
                    self.out.write_field(serde_json::to_vec(&Json(value)).map_err(io::Error::from)?)
                }
            }
            .map_err(plain)?;
        }
        self.out.write_record(None::<&[u8]>).map_err(plain)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _complete: bool) -> io::Result<()> {
        self.out.flush()
    }
}

/// The input and output error below, which says whether the reader went away.
fn plain(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::output::samples;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        let mut answer = CsvAnswer::new(&mut out);
        answer.columns(&samples::columns()).unwrap();
        answer.row(&samples::row()).unwrap();
        answer.end(true).unwrap();
        drop(answer);
        let expected = "null,bool,int,float,text,list,map,time,length\n\
            ,true,-7,0.5,\"it's \"\"so\"\",\nreally\",\"[1,\"\"a\"\",null]\",\"{\"\"a b\"\":\"\"NaN\"\"}\",2026-01-05T00:00:00Z,P1M2DT0.5S\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn an_empty_field_alone_on_its_line_is_quoted() {
        let mut out = Vec::new();
        let mut answer = CsvAnswer::new(&mut out);
        answer.columns(&["a".to_owned()]).unwrap();
        answer.row(&[Value::Null]).unwrap();
        answer.end(true).unwrap();
        drop(answer);
        assert_eq!(String::from_utf8(out).unwrap(), "a\n\"\"\n");
    }
}
