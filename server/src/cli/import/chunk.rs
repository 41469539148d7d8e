//! Chunks of rows, each written as one batch under a name that depends on its content alone.

use kinfold_engine::model::{AttributeValue, Observation};
use kinfold_engine::write::MAX_BATCH;
use xxhash_rust::xxh3::Xxh3;

use super::open::{OpenError, RowReader};
use super::rows::{Content, Fault, Row};

/// How many rows make a chunk.
pub const CHUNK_ROWS: usize = MAX_BATCH;
/// A chunk is closed early when its rows have this many bytes.
pub const CHUNK_BYTES: usize = 2 << 20;

/// Rows of a file that follow one another.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Its place among the file's chunks, from 0.
    pub(super) ordinal: u64,
    /// Names its content: the same rows at the same place, mapped to the same
    /// observations, have the same id in every run.
    pub(super) id: String,
    /// Its rows, but for those that a filter leaves out.
    pub(super) rows: Vec<ChunkRow>,
    /// How many rows a filter left out.
    pub(super) filtered: u64,
    /// How many bytes the rows have.
    pub(super) bytes: usize,
}

/// A row of a chunk without its observation.
#[derive(Debug)]
pub(super) struct ChunkRow {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// The row as it stands in the file.
    pub(super) raw: Vec<u8>,
    /// Why it is rejected, or which of its values were left out.
    pub(super) faults: Vec<RowFault>,
}

/// Something that was wrong with a row.
#[derive(Debug)]
pub(super) struct RowFault {
    pub(super) fault: Fault,
    /// Whether only a value was left out and the rest went in.
    pub(super) left_out: bool,
}

/// A chunk as it comes from the file.
pub(super) struct Read {
    /// The chunk.
    pub(super) chunk: Chunk,
    /// What its rows say, each with its row's place in the chunk.
    pub(super) observations: Vec<(usize, Observation)>,
}

/// Reads the next chunk. `None` at the end of the file.
pub(super) fn next_chunk(reader: &mut RowReader<'_>, ordinal: u64) -> Result<Option<Read>, OpenError> {
    let mut id = ChunkId::new(ordinal);
    let mut chunk = Chunk { ordinal, id: String::new(), rows: Vec::new(), filtered: 0, bytes: 0 };
    let mut observations = Vec::new();
    while chunk.rows.len() < CHUNK_ROWS && chunk.bytes < CHUNK_BYTES {
        let Some(Row { line, raw, content, left_out }) = reader.next_row()? else { break };
        let mut faults: Vec<RowFault> =
            left_out.into_iter().map(|fault| RowFault { fault, left_out: true }).collect();
        match content {
            Content::Filtered => {
                chunk.filtered += 1;
                continue;
            }
            Content::Rejected(fault) => {
                id.row(&raw, None);
                faults.push(RowFault { fault, left_out: false });
            }
            Content::Observation(observation) => {
                id.row(&raw, Some(&observation));
                observations.push((chunk.rows.len(), *observation));
            }
        }
        chunk.bytes += raw.len();
        chunk.rows.push(ChunkRow { line, raw, faults });
    }
    if chunk.rows.is_empty() && chunk.filtered == 0 {
        return Ok(None);
    }
    chunk.id = id.finish();
    Ok(Some(Read { chunk, observations }))
}

/// Hashes a chunk with XXH3 (128 bits) over an encoding that no two different
/// chunks share: every text goes with its length, every choice with a tag.
struct ChunkId {
    hash: Xxh3,
    /// What is still to be hashed: few large pieces are faster than many small ones.
    piece: Vec<u8>,
}

impl ChunkId {
    fn new(ordinal: u64) -> Self {
        let mut id = Self { hash: Xxh3::new(), piece: Vec::new() };
        id.text(b"kinfold import 1");
        id.number(ordinal);
        id
    }

    fn number(&mut self, number: u64) {
        self.piece.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.piece.extend_from_slice(text);
    }

    fn option(&mut self, text: Option<&str>) {
        match text {
            None => self.number(0),
            Some(text) => {
                self.number(1);
                self.text(text.as_bytes());
            }
        }
    }

    fn row(&mut self, raw: &[u8], observation: Option<&Observation>) {
        self.hash.update(&self.piece);
        self.piece.clear();
        self.text(raw);
        let Some(observation) = observation else {
            self.number(0);
            return;
        };
        self.number(1);
        let Observation { source, time, identifiers, confidence, kind, record_id, attributes } = observation;
        self.text(source.as_bytes());
        self.number(time.micros() as u64);
        self.number(confidence.to_bits());
        self.option(kind.as_deref());
        self.option(record_id.as_deref());
        self.number(identifiers.len() as u64);
        for identifier in identifiers {
            self.text(identifier.namespace.as_bytes());
            self.text(identifier.value.as_bytes());
        }
        self.number(attributes.len() as u64);
        for (name, value) in attributes {
            self.text(name.as_bytes());
            match value {
                AttributeValue::String(text) => {
                    self.number(0);
                    self.text(text.as_bytes());
                }
                AttributeValue::Number(number) => {
                    self.number(1);
                    self.number(number.to_bits());
                }
                AttributeValue::Bool(truth) => {
                    self.number(2);
                    self.number(u64::from(*truth));
                }
                AttributeValue::Timestamp(time) => {
                    self.number(3);
                    self.number(time.micros() as u64);
                }
            }
        }
    }

    fn finish(mut self) -> String {
        self.hash.update(&self.piece);
        format!("import:{:032x}", self.hash.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{Format, Mapping};
    use super::super::open::FileToRead;
    use super::*;

    const MAPPING: &str = r#"
[[input]]
source = "crm"
shape = "record"
time = "2026-01-01T00:00:00Z"
identifiers = { email = "email" }
attributes = { city = "city" }
except = { city = "nowhere" }
"#;

    fn chunks(mapping: &str, text: &str) -> Vec<(String, usize, usize)> {
        let mapping = Mapping::parse("m.toml", mapping).expect("a mapping");
        let input = &mapping.inputs[0];
        let source = input.source.as_ref().expect("a source");
        let file = FileToRead { file: "x.csv".into(), mapping: "m.toml", input, format: Format::Csv, source };
        let mut reader =
            RowReader::open(&file, Box::new(std::io::Cursor::new(text.to_owned()))).expect("opens");
        let mut all = Vec::new();
        while let Some(Read { chunk, observations }) =
            next_chunk(&mut reader, all.len() as u64).expect("reads")
        {
            all.push((chunk.id, chunk.rows.len(), observations.len()));
        }
        all
    }

    #[test]
    fn ids_are_stable_and_tell_content_apart() {
        let text = "email,city,other\na@example.com,Ulm,1\nb@example.com,,2\n";
        let base = chunks(MAPPING, text);
        // The id is part of what stores remember: it must not change between versions.
        assert_eq!(base, vec![("import:64035f41b24b3c0cdc34449eea13ecb9".to_owned(), 2, 2)]);
        assert_eq!(chunks(MAPPING, text), base);
        assert_eq!(chunks(MAPPING, &text.replace('\n', "\r\n")), base, "line ends say nothing");
        for (from, to) in [("Ulm", "Bonn"), (",2", ",3"), ("a@", "c@")] {
            assert_ne!(chunks(MAPPING, &text.replace(from, to)), base, "{to}");
        }
        for (from, to) in [
            ("\"crm\"", "\"shop\""),
            ("2026-01-01", "2026-01-02"),
            ("city = \"city\"", "town = \"city\""),
            ("shape", "confidence = 0.9\nshape"),
            ("shape", "kind = \"k\"\nshape"),
            ("shape", "record_id = \"other\"\nshape"),
            ("email = \"email\"", "mail = \"email\""),
        ] {
            assert_ne!(chunks(&MAPPING.replace(from, to), text), base, "{to}");
        }
    }

    #[test]
    fn cuts_every_thousand_rows_that_no_filter_leaves_out() {
        let mut text = "email,city\n".to_owned();
        for row in 0..2_500 {
            text.push_str(&format!("{row}@example.com,{}\n", if row % 5 == 0 { "nowhere" } else { "Ulm" }));
        }
        let all = chunks(MAPPING, &text);
        assert_eq!(all.iter().map(|c| c.1).collect::<Vec<_>>(), [1_000, 1_000]);
        assert_ne!(all[0].0, all[1].0);

        // The same rows again are another chunk, since they stand elsewhere.
        let mut twice = "email,city\n".to_owned();
        for row in 0..2_000 {
            twice.push_str(&format!("{}@example.com,Ulm\n", row % 1_000));
        }
        let all = chunks(MAPPING, &twice);
        assert_ne!(all[0].0, all[1].0);
        assert_eq!(chunks(MAPPING, "email,city\n"), vec![]);
    }

    #[test]
    fn long_rows_make_short_chunks() {
        let text = format!("email,city\n{}", format!("a@example.com,{}\n", "x".repeat(500_000)).repeat(10));
        assert_eq!(chunks(MAPPING, &text).iter().map(|c| c.1).collect::<Vec<_>>(), [5, 5]);
    }
}
