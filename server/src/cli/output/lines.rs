//! A value a line.

use std::io::{self, Write};

use kinfold_query::Value;
use unicode_width::UnicodeWidthStr;

use super::Answer;
use super::figures::{counted, grouped};
use super::text::{cell, plain};

/// Writes each row as its values, one below the other, none of them cut.
pub(super) struct LinesAnswer<W> {
    out: W,
    /// The names with what brings them to the same width.
    names: Vec<String>,
    rows: u64,
}

impl<W: Write> LinesAnswer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, names: Vec::new(), rows: 0 }
    }
}

impl<W: Write> Answer for LinesAnswer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        let mut shown: Vec<String> = Vec::new();
        for name in names {
            let mut text = String::new();
            plain(&mut text, name);
            shown.push(text);
        }
        let width = shown.iter().map(|name| name.width()).max().unwrap_or_default();
        self.names =
            shown.into_iter().map(|name| format!("{name}{}", " ".repeat(width - name.width()))).collect();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.rows += 1;
        writeln!(self.out, "── row {} ──", grouped(self.rows))?;
        for (name, value) in self.names.iter().zip(row) {
            writeln!(self.out, "{name}  {}", cell(value))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, complete: bool) -> io::Result<()> {
        if complete {
            writeln!(self.out, "{}", counted(self.rows, "row"))?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_each_other() {
        let mut out = Vec::new();
        let mut answer = LinesAnswer::new(&mut out);
        answer.columns(&["person".to_owned(), "größe".to_owned()]).unwrap();
        answer.row(&["p1".into(), Value::Int(3)]).unwrap();
        answer.row(&["p2".into(), vec![Value::Null].into()]).unwrap();
        answer.end(true).unwrap();
        let expected = "\
── row 1 ──
person  p1
größe   3
── row 2 ──
person  p2
größe   [null]
2 rows
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
