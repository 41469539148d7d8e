//! Tables to look at.

use std::io::{self, Write};

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table,
    TableStyle, Width,
};
use kinfold_query::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Answer;
use super::figures::counted;
use super::text::{cell, plain};

/// How many rows decide how wide the columns are; later ones are written as they come.
const MEASURED: usize = 1_000;

/// How many rows are laid out at once after those.
const LATER: usize = 100;

/// A column is not cut below this, even where the line then breaks.
const NARROWEST: usize = 8;

/// A column of times is cut to its dates, as in `2026-01-05…`, before any other is cut.
const DATE: usize = 11;

/// What stands between two columns: a bar with a space on either side.
const BETWEEN: usize = 3;

/// The columns of the terminal behind standard output.
pub(super) fn terminal_width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// Writes a table and how many rows it has.
///
/// The first 1,000 rows decide the widths of the columns. On a terminal longer
/// cells are cut to fit its width, and the last line says so; elsewhere nothing
/// is cut, and a later row with a longer cell stands out of its column.
pub(super) struct TableAnswer<W> {
    out: W,
    /// The terminal's width; `None` if nothing is to be cut.
    width: Option<usize>,
    names: Vec<String>,
    waiting: Vec<Vec<CellText>>,
    /// The width of each column, once it is decided.
    widths: Option<Vec<usize>>,
    rows: u64,
    cut: bool,
}

/// What stands in a cell.
struct CellText {
    text: String,
    kind: Kind,
}

/// What kinds of cells are treated alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
    Null,
    Other,
}

impl CellText {
    fn of(value: &Value) -> Self {
        let kind = match value {
            Value::Int(_) | Value::Float(_) => Kind::Number,
            Value::DateTime(_) => Kind::Time,
            Value::Null => Kind::Null,
            _ => Kind::Other,
        };
        Self { text: cell(value), kind }
    }
}

impl<W: Write> TableAnswer<W> {
    pub(super) fn new(out: W, width: Option<usize>) -> Self {
        Self { out, width, names: Vec::new(), waiting: Vec::new(), widths: None, rows: 0, cut: false }
    }

    /// Writes what waits; the header with the first.
    fn write(&mut self) -> io::Result<()> {
        let first = self.widths.is_none();
        if self.waiting.is_empty() && !first || self.names.is_empty() {
            self.waiting.clear();
            return Ok(());
        }
        let rows = std::mem::take(&mut self.waiting);
        let widths = match self.widths.take() {
            Some(widths) => widths,
            None => self.measure(&rows),
        };
        let mut table = Table::new();
        let bar = ContentLineStyle::none().junction('│');
        table
            .load_style(
                TableStyle::new()
                    .header_lines(bar)
                    .header_separator(LineStyle::none().fill('─').junction('┼'))
                    .content_lines(bar),
            )
            .set_content_arrangement(ContentArrangement::Disabled)
            .force_no_tty();
        let mut fit = |text: String, width: usize| match self.width {
            Some(_) => {
                let cut = truncate(&text, width);
                self.cut |= cut.is_some();
                cut.unwrap_or(text)
            }
            None => text,
        };
        if first {
            table.set_header(
                self.names.iter().zip(&widths).map(|(name, width)| Cell::new(fit(name.clone(), *width))),
            );
        }
        for row in rows {
            table.add_row(row.into_iter().zip(&widths).map(|(CellText { text, kind }, width)| {
                let cell = Cell::new(fit(text, *width));
                if kind == Kind::Number { cell.set_alignment(CellAlignment::Right) } else { cell }
            }));
        }
        table.set_constraints(widths.iter().map(|width| {
            // The width with the space on either side.
            let width = u16::try_from(width + 2).unwrap_or(u16::MAX);
            ColumnConstraint::LowerBoundary(Width::Fixed(width))
        }));
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    /// How wide the columns are: as their widest cell, or less where the line would not fit.
    fn measure(&self, rows: &[Vec<CellText>]) -> Vec<usize> {
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width()).collect();
        let mut only_times = vec![true; widths.len()];
        for row in rows {
            for ((width, only_times), cell) in widths.iter_mut().zip(&mut only_times).zip(row) {
                *width = cell.text.width().max(*width);
                *only_times &= matches!(cell.kind, Kind::Time | Kind::Null);
            }
        }
        // One less than the terminal has: some break the line when its last place is taken.
        let Some(room) = self.width.map(|width| width.saturating_sub(widths.len() * BETWEEN)) else {
            return widths;
        };
        for ((at, only_times), name) in only_times.into_iter().enumerate().zip(&self.names) {
            let total: usize = widths.iter().sum();
            if let Some(width) = widths.get_mut(at)
                && only_times
                && total > room
            {
                *width = (*width).min(DATE.max(name.width()));
            }
        }
        fit(&mut widths, room);
        widths
    }
}

/// Takes from the widest columns until all fit into `room`, none below [`NARROWEST`].
fn fit(widths: &mut [usize], room: usize) {
    let total = |cap: usize, widths: &[usize]| widths.iter().map(|width| (*width).min(cap)).sum::<usize>();
    let widest = widths.iter().copied().max().unwrap_or_default();
    if total(widest, widths) <= room {
        return;
    }
    // The largest cap under which all fit: what is narrower keeps its width.
    let (mut low, mut high) = (NARROWEST, widest.max(NARROWEST));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if total(middle, widths) <= room { low = middle } else { high = middle - 1 }
    }
    let mut spare = room.saturating_sub(total(low, widths));
    for width in widths {
        if *width > low {
            let more = usize::from(spare > 0);
            spare -= more;
            *width = low + more;
        }
    }
}

/// The text cut to `width` places with an ellipsis at its end; `None` if it fits.
fn truncate(text: &str, width: usize) -> Option<String> {
    if text.width() <= width {
        return None;
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    Some(out)
}

impl<W: Write> Answer for TableAnswer<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.names = names
            .iter()
            .map(|name| {
                let mut out = String::new();
                plain(&mut out, name);
                out
            })
            .collect();
        Ok(())
    }

    fn row(&mut self, row: &[Value]) -> io::Result<()> {
        self.rows += 1;
        self.waiting.push(row.iter().map(CellText::of).collect());
        let most = if self.widths.is_none() { MEASURED } else { LATER };
        if self.waiting.len() >= most {
            self.write()?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, complete: bool) -> io::Result<()> {
        if complete || self.rows > 0 {
            self.write()?;
        }
        if complete {
            let note =
                if self.cut { " (… where a cell is cut; the format `lines` shows all of it)" } else { "" };
            writeln!(self.out, "{}{note}", counted(self.rows, "row"))?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn table(width: Option<usize>, names: &[&str], rows: &[Vec<Value>]) -> String {
        let mut out = Vec::new();
        let mut answer = TableAnswer::new(&mut out, width);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        answer.columns(&names).unwrap();
        for row in rows {
            answer.row(row).unwrap();
        }
        answer.end(true).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_stand_side_by_side() {
        let rows = [
            vec!["email:ann@example.com".into(), Value::Float(0.875), vec![Value::from("crm")].into()],
            vec!["cookie:ü\n".into(), Value::Float(1.0), Value::Null],
        ];
        let expected = " id                    │ weight │ sources
───────────────────────┼────────┼─────────
 email:ann@example.com │  0.875 │ ['crm']
 cookie:ü\\n            │    1.0 │ null
2 rows
";
        assert_eq!(table(None, &["id", "weight", "sources"], &rows), expected);
    }

    #[test]
    fn no_rows_and_one_row() {
        assert_eq!(table(None, &["id"], &[]), " id\n────\n0 rows\n");
        assert_eq!(table(None, &["n"], &[vec![Value::Int(5)]]), " n\n───\n 5\n1 row\n");
        assert_eq!(table(None, &[], &[]), "0 rows\n");
    }

    #[test]
    fn a_terminal_cuts_long_cells_and_says_so() {
        let rows = [vec!["short".into(), "x".repeat(50).into()]];
        let text = table(Some(30), &["a", "b"], &rows);
        let expected = " a     │ b
───────┼─────────────────────
 short │ xxxxxxxxxxxxxxxxxx…
1 row (… where a cell is cut; the format `lines` shows all of it)
";
        assert_eq!(text, expected);
        assert!(text.lines().take(3).all(|line| line.width() < 30), "{text}");
        assert!(table(None, &["a", "b"], &rows).contains(&"x".repeat(50)));
    }

    #[test]
    fn times_are_cut_to_dates_before_names_are_cut() {
        let time: Value = "2026-01-05T12:00:00Z".parse::<kinfold_engine::model::Timestamp>().unwrap().into();
        let rows = [
            vec!["email:ann@example.com".into(), time.clone(), Value::Null],
            vec![Value::Null, time, Value::Null],
        ];
        let expected = " id                    │ seen        │ none
───────────────────────┼─────────────┼──────
 email:ann@example.com │ 2026-01-05… │ null
 null                  │ 2026-01-05… │ null
2 rows (… where a cell is cut; the format `lines` shows all of it)
";
        assert_eq!(table(Some(50), &["id", "seen", "none"], &rows), expected);
        assert!(table(Some(60), &["id", "seen", "none"], &rows).contains("T12:00:00Z"));
    }

    #[test]
    fn later_rows_stand_out_rather_than_lose_anything() {
        let mut rows: Vec<Vec<Value>> =
            (0..MEASURED as i64).map(|n| vec![Value::Int(n), "a".into()]).collect();
        rows.push(vec!["much longer than the others".into(), "b".into()]);
        let text = table(None, &["n", "m"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " n   │ m");
        assert_eq!(lines[2], "   0 │ a");
        assert_eq!(lines[MEASURED + 2], " much longer than the others │ b");
        assert_eq!(lines.last(), Some(&"1,001 rows"));
        let cut = table(Some(20), &["n", "m"], &rows);
        assert_eq!(cut.lines().nth(MEASURED + 2), Some(" mu… │ b"));
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(truncate("日本語", 6), None);
        assert_eq!(truncate("日本語", 5).as_deref(), Some("日本…"));
        assert_eq!(truncate("日本語", 4).as_deref(), Some("日…"));
        let mut widths = [3, 100, 40];
        fit(&mut widths, 60);
        assert_eq!(widths, [3, 29, 28]);
        fit(&mut widths, 5);
        assert_eq!(widths, [3, 8, 8]);
    }
}
