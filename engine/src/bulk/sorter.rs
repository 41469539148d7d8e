//! Sorting more than fits in memory: runs on disk, merged when they are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Something that is sorted, and kept in a file when there is too much of it.
pub(super) trait Item: Sized + Clone + Send {
    /// What it is sorted by; of two with the same key the one that was pushed first goes first.
    type Key: Ord;

    fn key(&self) -> Self::Key;
    /// How many bytes of memory it takes.
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
    fn write(&self, to: &mut impl Write) -> io::Result<()>;
    /// Reads what [`Item::write`] wrote.
    fn read(from: &mut impl Read) -> io::Result<Self>;
}

/// Takes items in any order.
#[derive(Debug)]
pub(super) struct Sorter<T> {
    items: Vec<T>,
    /// What the items at hand take.
    weight: usize,
    budget: usize,
    spill: Spill,
    runs: Vec<PathBuf>,
}

/// Where files go that hold what memory cannot.
#[derive(Clone, Debug)]
pub(super) struct Spill {
    pub(super) directory: Option<PathBuf>,
    pub(super) name: &'static str,
}

impl Spill {
    fn path(&self, run: usize) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{}-{run}.run", self.name)))
    }
}

impl<T: Item> Sorter<T> {
    /// A sorter that keeps about `budget` bytes in memory, if it has a directory to keep the rest in.
    pub(super) fn new(budget: usize, spill: Spill) -> Self {
        Self { items: Vec::new(), weight: 0, budget, spill, runs: Vec::new() }
    }

    pub(super) fn push(&mut self, item: T) -> io::Result<()> {
        self.weight += item.weight();
        self.items.push(item);
        if self.weight >= self.budget { self.spill_run() } else { Ok(()) }
    }

    fn spill_run(&mut self) -> io::Result<()> {
        let Some(path) = self.spill.path(self.runs.len()) else { return Ok(()) };
        self.items.sort_by_key(Item::key);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        for item in self.items.drain(..) {
            item.write(&mut file)?;
        }
        file.flush()?;
        self.weight = 0;
        self.runs.push(path);
        Ok(())
    }

    /// What was pushed so far; nothing stays.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.budget, self.spill.clone());
        std::mem::replace(self, empty)
    }

    /// All of them, sorted; can be read any number of times.
    pub(super) fn finish(mut self) -> io::Result<Sorted<T>> {
        if !self.runs.is_empty() && !self.items.is_empty() {
            self.spill_run()?;
            self.items = Vec::new();
        }
        self.items.sort_by_key(Item::key);
        Ok(Sorted { items: self.items, runs: self.runs })
    }
}

/// Items in order.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    items: Vec<T>,
    runs: Vec<PathBuf>,
}

impl<T: Item> Sorted<T> {
    /// Reads them from the first to the last.
    pub(super) fn iter(&self) -> io::Result<Merged<'_, T>> {
        if self.runs.is_empty() {
            return Ok(Merged::Memory(self.items.iter()));
        }
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for (run, path) in self.runs.iter().enumerate() {
            heads.extend(Head::next(Run::open(path)?, run)?);
        }
        Ok(Merged::Runs(heads))
    }
}

/// Items of a [`Sorted`], ascending.
pub(super) enum Merged<'s, T: Item> {
    Memory(std::slice::Iter<'s, T>),
    Runs(BinaryHeap<Head<T>>),
}

impl<T: Item> Iterator for Merged<'_, T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<io::Result<T>> {
        match self {
            Self::Memory(items) => items.next().cloned().map(Ok),
            Self::Runs(heads) => {
                let Head { item, run, rest, .. } = heads.pop()?;
                match Head::next(rest, run) {
                    Ok(next) => heads.extend(next),
                    Err(error) => return Some(Err(error)),
                }
                Some(Ok(item))
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Run {
    file: BufReader<File>,
    /// How many bytes are still to come.
    left: u64,
}

impl Run {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(256 << 10, file), left })
    }
}

impl Read for Run {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(to)?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// The first item of a run that was not given yet.
#[derive(Debug)]
pub(super) struct Head<T: Item> {
    key: T::Key,
    item: T,
    run: usize,
    rest: Run,
}

impl<T: Item> Head<T> {
    fn next(mut rest: Run, run: usize) -> io::Result<Option<Self>> {
        if rest.left == 0 {
            return Ok(None);
        }
        let item = T::read(&mut rest)?;
        Ok(Some(Self { key: item.key(), item, run, rest }))
    }
}

impl<T: Item> Ord for Head<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first.
        (&other.key, other.run).cmp(&(&self.key, self.run))
    }
}

impl<T: Item> PartialOrd for Head<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Item> PartialEq for Head<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Item> Eq for Head<T> {}

/// Reads a number that was written with `to_le_bytes`.
pub(super) fn number<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Writes a text after its length.
pub(super) fn write_text(to: &mut impl Write, text: &[u8]) -> io::Result<()> {
    to.write_all(&(text.len() as u32).to_le_bytes())?;
    to.write_all(text)
}

/// Reads what [`write_text`] wrote.
pub(super) fn read_text(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(number(from)?);
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Pair(u8, u32);

    impl Item for Pair {
        type Key = u8;

        fn key(&self) -> u8 {
            self.0
        }

        fn write(&self, to: &mut impl Write) -> io::Result<()> {
            to.write_all(&[self.0])?;
            to.write_all(&self.1.to_le_bytes())
        }

        fn read(from: &mut impl Read) -> io::Result<Self> {
            let [key] = number(from)?;
            Ok(Self(key, u32::from_le_bytes(number(from)?)))
        }
    }

    proptest! {
        #[test]
        fn items_come_in_order_whatever_fits_in_memory(keys in proptest::collection::vec(0..20_u8, 0..200), budget in 1..400_usize) {
            let folder = tempfile::tempdir().expect("a folder");
            let items: Vec<Pair> = keys.iter().enumerate().map(|(at, key)| Pair(*key, at as u32)).collect();
            let spill = Spill { directory: Some(folder.path().to_owned()), name: "pairs" };
            let mut sorter = Sorter::new(budget, spill);
            for item in &items {
                sorter.push(item.clone()).expect("it is kept");
            }
            let sorted = sorter.finish().expect("it is sorted");
            let mut expected = items;
            expected.sort_by_key(|pair| pair.0);
            for _ in 0..2 {
                let read: Vec<Pair> = sorted.iter().expect("it opens").collect::<io::Result<_>>().expect("it reads");
                prop_assert_eq!(&read, &expected);
            }
        }
    }
}
