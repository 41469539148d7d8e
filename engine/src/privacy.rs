//! Forgetting: what is erased of a store, and the proof that no file of it holds it any more.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use aho_corasick::AhoCorasick;

use crate::codec::{IdentifierRow, PersonChunk, ReadRow, Table};
use crate::model::{Event, Identifier, PersonId, Seq};
use crate::read::{ReadError, ReadResult};
use crate::storage::View;

/// How many identifiers are forgotten at once.
pub const MAX_FORGET: usize = 1_000;

/// Shorter values, in bytes, occur in any file by chance: files are not searched for them.
pub const MIN_SEARCHED_BYTES: usize = 6;

/// The tables that hold what people and sources wrote.
const TEXTS: [Table; 8] = [
    Table::Identifiers,
    Table::Persons,
    Table::Past,
    Table::Records,
    Table::Overrides,
    Table::Events,
    Table::Requests,
    Table::Meta,
];

/// Whom a store is to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// These identifiers, 1 to [`MAX_FORGET`].
    Identifiers(Vec<Identifier>),
    /// The person that an identifier belongs to, with all its identifiers.
    PersonOf(Identifier),
    /// The person that this id names today, with all its identifiers.
    Person(PersonId),
}

/// What was erased, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many identifiers of each namespace, ordered by its name.
    pub identifiers: Vec<(String, u64)>,
    /// The persons that are wholly erased, ascending. Their ids say so from now on, and are never given again.
    pub persons: Vec<PersonId>,
    /// The persons that go on, of those that lost identifiers: under the ids they have now, ascending.
    pub remaining: Vec<PersonId>,
    /// How many links.
    pub links: u64,
    /// How many overrides.
    pub overrides: u64,
    /// How many records that named nobody else.
    pub records: u64,
    /// How many records lost identifiers or attributes and stay.
    pub records_changed: u64,
    /// How many attributes, of records of both kinds.
    pub attributes: u64,
    /// How many rows of earlier states were rewritten or deleted.
    pub past_rows: u64,
    /// How many events lost a text that held what is erased.
    pub events: u64,
    /// How many of the identifiers named were forgotten before.
    pub already: u64,
}

/// What became of an erasure. When it is returned, the erasure is on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct ForgetReport {
    /// The store's sequence number with it done.
    pub seq: Seq,
    /// The same request was done before: only the proof was made again, for the
    /// identifiers that it names; counts of what was erased are left out.
    pub replayed: bool,
    /// What was erased.
    pub erased: Erased,
    /// What it changed in who is who.
    pub events: Vec<Event>,
    /// That no file holds it any more.
    pub proof: Proof,
}

/// Whether anything of what was erased is left in the store's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The store lives in memory and has no files.
    pub in_memory: bool,
    /// A reader held a state from before the erasure all the time that was
    /// waited, so that the files could not be rewritten.
    pub held: bool,
    /// How many files, logs among them, were rewritten and are gone.
    pub files_rewritten: u64,
    /// Files that should be gone and are not, by name.
    pub files_left: Vec<String>,
    /// How many values were searched for.
    pub values: u64,
    /// How many were too short to be searched for ([`MIN_SEARCHED_BYTES`]).
    pub too_short: u64,
    /// How many files were searched, to the last byte.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many rows were searched: files are compressed, and rows are read as they are.
    pub rows: u64,
    /// Where a value was found still: a file, or a table with its row's key.
    pub found: Vec<Found>,
    /// How many other identifiers hold one of the values as a part of theirs.
    pub inside_others: u64,
    /// How long it took.
    pub took: Duration,
}

/// A place where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, relative to the store, or the table.
    pub place: String,
    /// How often.
    pub count: u64,
}

impl Proof {
    /// Whether the files that held what was erased are gone, and nothing was found in the others.
    pub fn is_complete(&self) -> bool {
        !self.held && self.files_left.is_empty() && self.found.is_empty()
    }
}

/// Values to look for, whatever the case of their letters.
pub(crate) struct Values {
    all: Vec<String>,
    find: AhoCorasick,
}

fn finder<T: AsRef<[u8]>>(values: &[T]) -> ReadResult<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(values)
        .map_err(|error| ReadError::Storage(format!("too much to search for at once: {error}")))
}

impl Values {
    pub(crate) fn new<T: AsRef<str>>(values: &[T]) -> ReadResult<Self> {
        // What is empty is a part of everything.
        let values = values.iter().map(AsRef::as_ref).filter(|value| !value.is_empty());
        let all: Vec<String> = values.map(str::to_owned).collect();
        Ok(Self { find: finder(&all)?, all })
    }

    /// Whether one of them is the whole text.
    pub(crate) fn are(&self, text: &str) -> bool {
        self.all.iter().any(|value| value.eq_ignore_ascii_case(text))
    }

    /// Whether a text holds one of them: a short one as a word of its own, as it
    /// is a part of others by chance.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.find.find_overlapping_iter(text).any(|hit| {
            let is_word = |side: Option<char>| !side.is_some_and(char::is_alphanumeric);
            hit.len() >= MIN_SEARCHED_BYTES
                || (text.get(..hit.start()).is_some_and(|left| is_word(left.chars().next_back()))
                    && text.get(hit.end()..).is_some_and(|right| is_word(right.chars().next())))
        })
    }
}

/// Searches everything that a store keeps for values.
///
/// The rows are those of `view`, the files those below `directory`; `None` for a store in memory.
pub(crate) fn search(
    values: &[String],
    view: &View,
    directory: Option<&Path>,
    proof: &mut Proof,
) -> ReadResult<()> {
    let long: Vec<&String> = values.iter().filter(|value| value.len() >= MIN_SEARCHED_BYTES).collect();
    proof.values = long.len() as u64;
    proof.too_short = (values.len() - long.len()) as u64;
    if !long.is_empty() {
        let find = finder(&long)?;
        for table in TEXTS {
            search_rows(&find, values, view, table, proof)?;
        }
        if let Some(directory) = directory {
            search_files(&find, directory, directory, proof).map_err(|error| {
                ReadError::Storage(format!("the files of the store cannot be searched: {error}"))
            })?;
        }
    }
    Ok(())
}

fn search_rows(
    find: &AhoCorasick,
    values: &[String],
    view: &View,
    table: Table,
    proof: &mut Proof,
) -> ReadResult<()> {
    let (mut rows, mut found, mut inside) = (0, 0, 0);
    let is_other = |value: &str| !values.iter().any(|erased| erased.eq_ignore_ascii_case(value));
    view.each_raw(table, &[], |key, value| {
        rows += 1;
        let hits = find.find_iter(value).count() as u64;
        if hits == 0 {
            return;
        }
        // Another value may hold an erased one as a part; it is nobody's that is erased.
        let named: Option<Vec<String>> = match table {
            Table::Identifiers => IdentifierRow::decode_row(key, value).ok().map(|row| vec![row.value]),
            Table::Persons => PersonChunk::decode_row(key, value)
                .ok()
                .map(|row| row.members.into_iter().map(|member| member.value).collect()),
            _ => None,
        };
        match named {
            Some(named) if named.iter().all(|value| is_other(value)) => {
                inside += u64::from(table == Table::Identifiers);
            }
            _ => found += hits,
        }
    })?;
    proof.rows += rows;
    proof.inside_others += inside;
    if found > 0 {
        proof.found.push(Found { place: format!("table {}", table.name()), count: found });
    }
    Ok(())
}

fn search_files(find: &AhoCorasick, root: &Path, directory: &Path, proof: &mut Proof) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            search_files(find, root, &path, proof)?;
        }
        if !kind.is_file() {
            continue;
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            // The storage took it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        proof.bytes += file.metadata()?.len();
        proof.files += 1;
        let mut count = 0;
        for hit in find.stream_find_iter(file) {
            hit?;
            count += 1;
        }
        if count > 0 {
            let place = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            proof.found.push(Found { place: format!("file {place}"), count });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_count_as_words_alone() {
        let values = Values::new(&["7", "ann@example.com"]).expect("few");
        for (text, held) in [
            ("7", true),
            ("no. 7, left", true),
            ("17", false),
            ("a7", false),
            ("ü7", false),
            ("mailto:Ann@Example.com?x", true),
            ("xann@example.commerce", true),
            ("", false),
        ] {
            assert_eq!(values.are_in(text), held, "{text}");
        }
        assert!(values.are("ANN@example.com") && !values.are("ann@example.co"));
    }

    #[test]
    fn a_file_is_searched_over_the_edges_of_pieces() {
        let directory = tempfile::tempdir().expect("a directory");
        for at in [0, 65_530, 65_536, 131_071] {
            let mut bytes = vec![b'.'; 200_000];
            bytes[at..at + 15].copy_from_slice(b"ann@example.com");
            std::fs::write(directory.path().join("file"), &bytes).expect("written");
            let mut proof = Proof::default();
            let find = finder(&["ann@example.com"]).expect("few");
            search_files(&find, directory.path(), directory.path(), &mut proof).expect("read");
            assert_eq!(proof.found, [Found { place: "file file".into(), count: 1 }], "{at}");
            assert_eq!((proof.files, proof.bytes), (1, 200_000));
        }
    }
}
