//! What came in, in its order: observations by number, and the values of identifiers.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use super::sorter::{number, read_text, write_text};
use crate::codec::{Hash128, StoredAttribute};
use crate::model::{IdentifierId, KindId, SourceId};

/// Bytes that are appended, and read from the first on or at a place; what is
/// over the budget is kept in a file.
#[derive(Debug)]
struct Tape {
    memory: Vec<u8>,
    budget: usize,
    path: Option<PathBuf>,
    file: Option<File>,
    /// How many bytes the file holds; those in memory follow them.
    in_file: u64,
}

impl Tape {
    fn new(budget: usize, path: Option<PathBuf>) -> Self {
        Self { memory: Vec::new(), budget, path, file: None, in_file: 0 }
    }

    fn end(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    /// Called after each whole record.
    fn settle(&mut self) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.memory.len() > self.budget) else {
            return Ok(());
        };
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::options().create_new(true).read(true).write(true).open(path)?;
                self.file.insert(file)
            }
        };
        file.seek(SeekFrom::End(0))?;
        file.write_all(&self.memory)?;
        self.in_file += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Reads from the first byte on.
    fn read(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match (&self.file, &self.path) {
            (Some(_), Some(path)) => {
                let file = BufReader::with_capacity(1 << 20, File::open(path)?);
                Box::new(file.chain(self.memory.as_slice()))
            }
            _ => Box::new(self.memory.as_slice()),
        })
    }

    /// Reads `length` bytes from a place on, or as many as there are.
    fn read_at(&self, from: u64, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        if let Some(file) = self.file.as_ref().filter(|_| from < self.in_file) {
            let there = length.min((self.in_file - from) as usize);
            into.resize(there, 0);
            read_exact_at(file, into, from)?;
        }
        let start = (from + into.len() as u64).saturating_sub(self.in_file) as usize;
        let left = length - into.len();
        let rest = self.memory.get(start..).unwrap_or_default();
        into.extend_from_slice(rest.get(..left).unwrap_or(rest));
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, from)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, into: &mut [u8], from: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(into)
}

/// An observation by numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logged {
    /// In the order in which they were named.
    pub(crate) identifiers: Vec<IdentifierId>,
    pub(crate) source: SourceId,
    pub(crate) kind: Option<KindId>,
    pub(crate) time: i64,
    pub(crate) confidence: f64,
    pub(crate) record: Option<LoggedRecord>,
}

/// The record that an observation stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoggedRecord {
    pub(crate) record_id: Option<String>,
    pub(crate) hash: Hash128,
    pub(crate) attributes: Vec<(u16, StoredAttribute)>,
}

/// Observations in the order in which they came.
#[derive(Debug)]
pub(super) struct Log {
    tape: Tape,
    count: u32,
}

impl Log {
    /// Keeps about `budget` bytes in memory, and the rest in a file at `path`, if there is one.
    pub(super) fn new(budget: usize, path: Option<PathBuf>) -> Self {
        Self { tape: Tape::new(budget, path), count: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.count
    }

    pub(super) fn push(&mut self, seen: &Logged) -> io::Result<()> {
        let to = &mut self.tape.memory;
        // At most 16 identifiers.
        to.push(seen.identifiers.len() as u8 | if seen.record.is_some() { 0x80 } else { 0 });
        to.extend_from_slice(&seen.source.get().to_le_bytes());
        to.extend_from_slice(&seen.kind.map_or(0, |kind| u32::from(kind.get()) + 1).to_le_bytes());
        to.extend_from_slice(&seen.time.to_le_bytes());
        to.extend_from_slice(&seen.confidence.to_le_bytes());
        for id in &seen.identifiers {
            to.extend_from_slice(&id.get().to_le_bytes());
        }
        if let Some(record) = &seen.record {
            write_record(to, record)?;
        }
        self.count += 1;
        self.tape.settle()
    }

    /// Reads them from the first on.
    pub(super) fn iter(&self) -> io::Result<LogReader<'_>> {
        Ok(LogReader { tape: self.tape.read()?, left: self.count })
    }
}

/// Writes a record for [`read_record`].
pub(super) fn write_record(to: &mut impl Write, record: &LoggedRecord) -> io::Result<()> {
    to.write_all(&record.hash)?;
    to.write_all(&[u8::from(record.record_id.is_some())])?;
    if let Some(id) = &record.record_id {
        write_text(to, id.as_bytes())?;
    }
    to.write_all(&(record.attributes.len() as u16).to_le_bytes())?;
    for (attribute, value) in &record.attributes {
        to.write_all(&attribute.to_le_bytes())?;
        match value {
            StoredAttribute::String(text) => {
                to.write_all(&[0])?;
                write_text(to, text.as_bytes())?;
            }
            StoredAttribute::Number(number) => {
                to.write_all(&[1])?;
                to.write_all(&number.to_le_bytes())?;
            }
            StoredAttribute::Bool(value) => to.write_all(&[2, u8::from(*value)])?,
            StoredAttribute::Timestamp(time) => {
                to.write_all(&[3])?;
                to.write_all(&time.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a file of a bulk load was changed while it ran")
}

fn text(from: &mut impl Read) -> io::Result<String> {
    String::from_utf8(read_text(from)?).map_err(|_| damaged())
}

/// Reads what [`write_record`] wrote.
pub(super) fn read_record(from: &mut impl Read) -> io::Result<LoggedRecord> {
    let hash = number(from)?;
    let [has_id] = number(from)?;
    let record_id = if has_id == 1 { Some(text(from)?) } else { None };
    let mut attributes = Vec::new();
    for _ in 0..u16::from_le_bytes(number(from)?) {
        let attribute = u16::from_le_bytes(number(from)?);
        let [tag] = number(from)?;
        let value = match tag {
            0 => StoredAttribute::String(text(from)?),
            1 => StoredAttribute::Number(f64::from_le_bytes(number(from)?)),
            2 => StoredAttribute::Bool(number::<1>(from)? == [1]),
            3 => StoredAttribute::Timestamp(i64::from_le_bytes(number(from)?)),
            _ => return Err(damaged()),
        };
        attributes.push((attribute, value));
    }
    Ok(LoggedRecord { record_id, hash, attributes })
}

/// Gives the observations of a [`Log`] one after another.
pub(super) struct LogReader<'l> {
    tape: Box<dyn Read + 'l>,
    left: u32,
}

impl LogReader<'_> {
    /// The next observation, in place of the one in `seen`; says whether there is one.
    pub(super) fn next_into(&mut self, seen: &mut Logged) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        let from = &mut self.tape;
        let head: [u8; 23] = number(from)?;
        let mut head = head.as_slice();
        let [tag] = number(&mut head)?;
        seen.source = SourceId::new(u16::from_le_bytes(number(&mut head)?));
        let kind = u32::from_le_bytes(number(&mut head)?);
        seen.kind = kind.checked_sub(1).map(|kind| KindId::new(kind as u16));
        seen.time = i64::from_le_bytes(number(&mut head)?);
        seen.confidence = f64::from_le_bytes(number(&mut head)?);
        seen.identifiers.clear();
        for _ in 0..tag & 0x7f {
            seen.identifiers.push(IdentifierId::new(u32::from_le_bytes(number(from)?)));
        }
        seen.record = if tag & 0x80 == 0 { None } else { Some(read_record(from)?) };
        Ok(true)
    }
}

impl Logged {
    /// A place for [`LogReader::next_into`].
    pub(super) fn blank() -> Self {
        Self {
            identifiers: Vec::new(),
            source: SourceId::new(0),
            kind: None,
            time: 0,
            confidence: 0.0,
            record: None,
        }
    }
}

/// After how many values the place of the next is noted.
const NOTE_EVERY: usize = 4;

/// The values of identifiers, by their numbers.
#[derive(Debug)]
pub(super) struct Values {
    tape: Tape,
    places: Vec<u64>,
    count: usize,
    /// How many bytes any of them takes at most, with its length.
    longest: usize,
}

impl Values {
    /// Keeps about `budget` bytes in memory, and the rest in a file at `path`, if there is one.
    pub(super) fn new(budget: usize, path: Option<PathBuf>) -> Self {
        Self { tape: Tape::new(budget, path), places: Vec::new(), count: 0, longest: 0 }
    }

    /// Adds the value of the next identifier.
    pub(super) fn push(&mut self, value: &str) -> io::Result<()> {
        if self.count.is_multiple_of(NOTE_EVERY) {
            self.places.push(self.tape.end());
        }
        self.count += 1;
        self.longest = self.longest.max(value.len() + 2);
        self.tape.memory.extend_from_slice(&(value.len() as u16).to_le_bytes());
        self.tape.memory.extend_from_slice(value.as_bytes());
        self.tape.settle()
    }

    /// The value of an identifier.
    pub(super) fn get(&self, id: u32, buffer: &mut Vec<u8>) -> io::Result<String> {
        let from = self.places.get(id as usize / NOTE_EVERY).copied().ok_or_else(damaged)?;
        let before = id as usize % NOTE_EVERY;
        let mut bytes = if self.tape.file.is_none() {
            self.tape.memory.get(from as usize..).ok_or_else(damaged)?
        } else {
            self.tape.read_at(from, (before + 1) * self.longest, buffer)?;
            buffer.as_slice()
        };
        for _ in 0..before {
            bytes = bytes.get(2 + length(bytes)?..).ok_or_else(damaged)?;
        }
        let value = bytes.get(2..2 + length(bytes)?).ok_or_else(damaged)?;
        std::str::from_utf8(value).map(str::to_owned).map_err(|_| damaged())
    }

    /// Reads them from the first on.
    pub(super) fn iter(&self) -> io::Result<impl FnMut() -> io::Result<String> + '_> {
        let mut tape = self.tape.read()?;
        Ok(move || {
            let mut bytes = vec![0; usize::from(u16::from_le_bytes(number(&mut tape)?))];
            tape.read_exact(&mut bytes)?;
            String::from_utf8(bytes).map_err(|_| damaged())
        })
    }
}

fn length(bytes: &[u8]) -> io::Result<usize> {
    let head = bytes.first_chunk().ok_or_else(damaged)?;
    Ok(usize::from(u16::from_le_bytes(*head)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: u32) -> Logged {
        let record = at.is_multiple_of(3).then(|| LoggedRecord {
            record_id: at.is_multiple_of(2).then(|| format!("r{at}")),
            hash: [at as u8; 16],
            attributes: vec![
                (1, StoredAttribute::String("Ulm".to_owned())),
                (2, StoredAttribute::Number(0.5)),
                (3, StoredAttribute::Bool(true)),
                (4, StoredAttribute::Timestamp(-7)),
            ],
        });
        Logged {
            identifiers: (0..at % 4 + 1).map(IdentifierId::new).collect(),
            source: SourceId::new(at as u16),
            kind: (!at.is_multiple_of(2)).then(|| KindId::new(at as u16)),
            time: i64::from(at) - 5,
            confidence: 0.25,
            record,
        }
    }

    #[test]
    fn what_was_logged_is_read_again_be_it_in_memory_or_in_a_file() {
        for budget in [0, 100, usize::MAX] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut log = Log::new(budget, Some(folder.path().join("log")));
            let mut values = Values::new(budget, Some(folder.path().join("values")));
            let value = |at: u32| "v".repeat(at as usize * 37 % 300);
            for at in 0..100 {
                log.push(&seen(at)).expect("it is kept");
                values.push(&value(at)).expect("it is kept");
            }
            for _ in 0..2 {
                let mut reader = log.iter().expect("it opens");
                let mut values_read = values.iter().expect("it opens");
                let mut place = Logged::blank();
                for at in 0..100 {
                    assert!(reader.next_into(&mut place).expect("it reads"));
                    assert_eq!(place, seen(at));
                    assert_eq!(values_read().expect("it reads"), value(at));
                }
                assert!(!reader.next_into(&mut place).expect("it reads"));
            }
            let mut buffer = Vec::new();
            for at in [0, 15, 16, 17, 99] {
                assert_eq!(values.get(at, &mut buffer).expect("it is there"), value(at), "{at} {budget}");
            }
            assert!(values.get(200, &mut buffer).is_err());
        }
    }
}
