//! Cutting a file into rows of raw bytes, in bounded memory.

use std::io::{self, ErrorKind, Read};

/// How long a row may be, in bytes.
pub(super) const MAX_ROW_BYTES: usize = 1 << 20;
/// How much of a row that is too long is kept, in bytes, to show it.
const SHOWN_BYTES: usize = 1 << 10;
const READ_BYTES: usize = 64 << 10;

/// One row as it stands in the file, without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawRow {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Its bytes; only the beginning when it is too long.
    pub(super) bytes: Vec<u8>,
    /// What keeps it from being read.
    pub(super) fault: Option<RawFault>,
}

/// Why a row cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawFault {
    /// It has more than [`MAX_ROW_BYTES`] bytes.
    TooLong,
    /// It opens a quote that is not closed before the end of the file or
    /// within [`MAX_ROW_BYTES`]. Only its first line is the row; reading goes
    /// on with the next line.
    UnclosedQuote,
}

/// How rows end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// At the end of a line.
    Lines,
    /// At the end of a line, except within quoted cells. Quotes count only at
    /// the start of a cell, as for the CSV parser that reads the rows later.
    Csv {
        /// What stands between two cells.
        delimiter: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Reads rows one after another. Empty lines are passed over.
pub(super) struct RawRows<R> {
    reader: R,
    cut: Cut,
    buffer: Vec<u8>,
    start: usize,
    line: u64,
    at_end: bool,
    begun: bool,
}

impl<R: Read> RawRows<R> {
    /// Reads rows of `reader`; nothing is read yet.
    pub(super) fn new(reader: R, cut: Cut) -> Self {
        Self { reader, cut, buffer: Vec::new(), start: 0, line: 1, at_end: false, begun: false }
    }

    /// The next row, or `None` at the end. An error if the input cannot be read
    /// or is no text in UTF-8 by its first bytes.
    pub(super) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        if !self.begun {
            self.begin()?;
        }
        loop {
            match self.cut_row()? {
                Some(row) if row.bytes.iter().all(u8::is_ascii_whitespace) && row.fault.is_none() => {}
                row => return Ok(row),
            }
        }
    }

    /// Passes over a byte order mark and refuses what is visibly no text.
    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        while self.buffer.len() < 3 && !self.at_end {
            self.fill()?;
        }
        let refuse = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, what));
        match self.buffer.as_slice() {
            [0xef, 0xbb, 0xbf, ..] => self.start = 3,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refuse("it is UTF-16; convert it to UTF-8 first"),
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, ..] | [b'P', b'K', 3, ..] => {
                return refuse("it is compressed; decompress it first, for instance through a pipe into `-`");
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads more into the buffer.
    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let old = self.buffer.len();
        self.buffer.resize(old + READ_BYTES, 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[old..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(count) => {
                self.buffer.truncate(old + count);
                self.at_end = count == 0;
                Ok(())
            }
            Err(error) => {
                self.buffer.truncate(old);
                Err(error)
            }
        }
    }

    /// One row, which may be empty.
    fn cut_row(&mut self) -> io::Result<Option<RawRow>> {
        let mut state = State::CellStart;
        let mut length = 0;
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            if let Some(end) = self.find_end(unread, &mut length, &mut state) {
                // Whether a carriage return ends a line by itself shows only in the byte behind it.
                if unread.get(end) == Some(&b'\r') && end + 1 == unread.len() && !self.at_end {
                    self.fill()?;
                }
                let unread = self.buffer.get(self.start..).unwrap_or_default();
                let bytes = unread.get(..end).unwrap_or_default().to_vec();
                return Ok(Some(self.take(bytes, end, None)));
            }
            if length > MAX_ROW_BYTES {
                return self.give_up(state).map(Some);
            }
            if self.at_end {
                if length == 0 {
                    return Ok(None);
                }
                if state == State::Quoted {
                    return self.give_up(state).map(Some);
                }
                let bytes = unread.to_vec();
                return Ok(Some(self.take(bytes, length, None)));
            }
            self.fill()?;
        }
    }

    /// Looks for the end of the row from `*from` on; `*from` and the state move
    /// as far as was looked.
    fn find_end(&self, bytes: &[u8], from: &mut usize, state: &mut State) -> Option<usize> {
        let Cut::Csv { delimiter } = self.cut else {
            let found = bytes.iter().skip(*from).position(|b| *b == b'\n').map(|place| *from + place);
            *from = bytes.len();
            return found;
        };
        for (place, &byte) in bytes.iter().enumerate().skip(*from) {
            *state = match (*state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) => State::Quoted,
                (State::CellStart | State::QuoteInQuoted, b'"') => State::Quoted,
                (_, b'\n' | b'\r') => return Some(place),
                (_, byte) if byte == delimiter => State::CellStart,
                _ => State::Plain,
            };
        }
        *from = bytes.len();
        None
    }

    /// Hands out a row whose text ends `end` bytes from the start, and passes over its line end.
    fn take(&mut self, bytes: Vec<u8>, end: usize, fault: Option<RawFault>) -> RawRow {
        let line = self.line;
        let inner_lines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
        self.start += end;
        let ending = self.buffer.get(self.start).copied();
        self.start = (self.start + 1).min(self.buffer.len());
        // The line feed after a carriage return is an empty line of its own
        // that is passed over and not counted.
        self.line += inner_lines + u64::from(ending == Some(b'\n') || self.is_lone_return(ending));
        let mut bytes = bytes;
        if self.cut == Cut::Lines && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        RawRow { line, bytes, fault }
    }

    fn is_lone_return(&self, ending: Option<u8>) -> bool {
        ending == Some(b'\r') && self.buffer.get(self.start).is_some_and(|next| *next != b'\n')
    }

    /// Goes on behind a row that cannot be read.
    fn give_up(&mut self, state: State) -> io::Result<RawRow> {
        let unread = self.buffer.get(self.start..).unwrap_or_default();
        let first_line = unread.iter().position(|b| *b == b'\n');
        if matches!(state, State::Quoted | State::QuoteInQuoted)
            && let Some(end) = first_line.or(self.at_end.then_some(unread.len()))
        {
            let bytes = unread.get(..end).unwrap_or_default();
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec();
            return Ok(self.take(bytes, end, Some(RawFault::UnclosedQuote)));
        }
        let shown = unread.get(..SHOWN_BYTES).unwrap_or(unread).to_vec();
        let line = self.line;
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            if let Some(end) = unread.iter().position(|b| *b == b'\n') {
                self.start += end + 1;
                self.line += 1;
                break;
            }
            self.start = self.buffer.len();
            if self.at_end {
                break;
            }
            self.fill()?;
        }
        Ok(RawRow { line, bytes: shown, fault: Some(RawFault::TooLong) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the reader one byte at a time, so that every boundary is crossed.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match (self.0.split_first(), into.first_mut()) {
                (Some((byte, rest)), Some(place)) => {
                    *place = *byte;
                    self.0 = rest;
                    Ok(1)
                }
                _ => Ok(0),
            }
        }
    }

    fn rows(input: impl Read, cut: Cut) -> Vec<(u64, String, Option<RawFault>)> {
        let mut rows = RawRows::new(input, cut);
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().expect("readable") {
            all.push((row.line, String::from_utf8_lossy(&row.bytes).into_owned(), row.fault));
        }
        all
    }

    const CSV: Cut = Cut::Csv { delimiter: b',' };

    #[test]
    fn cuts_csv_at_line_ends_outside_quotes() {
        let text = "\u{feff}a,b\r\n1,\"x\r\ny \"\"z\"\"\"\r\n\r\n3,q\"uo\nlast,";
        let expected = vec![
            (1, "a,b".to_owned(), None),
            (2, "1,\"x\r\ny \"\"z\"\"\"".to_owned(), None),
            (5, "3,q\"uo".to_owned(), None),
            (6, "last,".to_owned(), None),
        ];
        assert_eq!(rows(text.as_bytes(), CSV), expected);
        assert_eq!(rows(Drip(text.as_bytes()), CSV), expected);
    }

    #[test]
    fn cuts_lines_and_counts_them() {
        let text = "{\"a\": \"x\"}\r\n\n  \n{}\n[1]";
        let expected = vec![
            (1, "{\"a\": \"x\"}".to_owned(), None),
            (4, "{}".to_owned(), None),
            (5, "[1]".to_owned(), None),
        ];
        assert_eq!(rows(text.as_bytes(), Cut::Lines), expected);
        assert_eq!(rows(Drip(text.as_bytes()), Cut::Lines), expected);
    }

    #[test]
    fn carriage_returns_alone_end_rows_too() {
        let expected =
            vec![(1, "a,b".to_owned(), None), (2, "1,2".to_owned(), None), (3, "3,4".to_owned(), None)];
        assert_eq!(rows(&b"a,b\r1,2\r3,4"[..], CSV), expected);
        assert_eq!(rows(Drip(b"a,b\r1,2\r3,4\r"), CSV), expected);
    }

    #[test]
    fn a_quote_left_open_costs_its_line_only() {
        let text = "a,b\n1,\"open\n2,b\n3,c\n";
        let expected = vec![
            (1, "a,b".to_owned(), None),
            (2, "1,\"open".to_owned(), Some(RawFault::UnclosedQuote)),
            (3, "2,b".to_owned(), None),
            (4, "3,c".to_owned(), None),
        ];
        assert_eq!(rows(text.as_bytes(), CSV), expected);
        assert_eq!(rows(Drip(text.as_bytes()), CSV), expected);
        assert_eq!(
            rows(&b"1,\"open"[..], CSV),
            vec![(1, "1,\"open".to_owned(), Some(RawFault::UnclosedQuote))]
        );

        let far = format!("1,\"open\n{}2,b\n", "x,y\n".repeat(MAX_ROW_BYTES / 4 + READ_BYTES));
        let all = rows(far.as_bytes(), CSV);
        assert_eq!(all[0].2, Some(RawFault::UnclosedQuote));
        assert_eq!(all.len(), MAX_ROW_BYTES / 4 + READ_BYTES + 2);
        assert_eq!(all.last().map(|r| r.0), Some(all.len() as u64));
    }

    #[test]
    fn a_row_too_long_costs_itself_only() {
        for cut in [CSV, Cut::Lines] {
            for quote in ["", "\""] {
                let text = format!("a\n{quote}{}\nb\n", "x".repeat(2 * MAX_ROW_BYTES));
                let all = rows(text.as_bytes(), cut);
                assert_eq!(all.len(), 3, "{cut:?} {quote}");
                assert_eq!((all[1].0, all[1].2), (2, Some(RawFault::TooLong)));
                assert_eq!(all[1].1.len(), SHOWN_BYTES);
                assert_eq!(all[2], (3, "b".to_owned(), None));
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for (bytes, word) in [(&b"\xff\xfea\0"[..], "UTF-16"), (&b"\x1f\x8b\x08"[..], "compressed")] {
            let error = RawRows::new(bytes, CSV).next_row().expect_err("refused");
            assert!(error.to_string().contains(word));
        }
        assert_eq!(rows(&b""[..], CSV), vec![]);
        assert_eq!(rows(&b"\xef\xbb\xbf"[..], CSV), vec![]);
    }
}
