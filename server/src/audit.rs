//! Who asked what about whom, kept so that a change of it shows.
//!
//! An entry is a line of JSON in a file a day. It holds the hash of the entry before
//! it and its own, so that one that is changed, taken out or put in breaks the
//! chain; whoever keeps the latest hash elsewhere notices an end that is cut off,
//! too. Identifiers are in it under names made with the store's key: whoever has
//! the store can ask for an identifier's entries, and nobody can read identifiers
//! out of the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinfold_engine::Store;
use kinfold_engine::model::{Identifier, Timestamp};
use kinfold_engine::read::{Found, Read as _};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// How many entries wait to be written; calls are refused then.
pub(crate) const QUEUE: usize = 4_096;

/// How many subjects an entry names; of more it says how many there were.
const SUBJECTS: usize = 100;

/// One entry, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// When the call ended.
    pub(crate) time: String,
    /// The name of the token; empty where none is asked for.
    pub(crate) caller: String,
    /// The address that the call came from.
    pub(crate) peer: String,
    /// The method, as `LookupService/ResolvePerson`.
    pub(crate) method: String,
    /// What the answer was wanted for; empty for nothing in particular.
    pub(crate) purpose: String,
    /// Whom it was about: ids of persons and households, and identifiers by
    /// pseudonym, as `email:~0123…`.
    pub(crate) subjects: Vec<String>,
    /// How many more there were.
    pub(crate) more: u64,
    /// The sequence number of a write; 0 for none. Its events name the persons.
    pub(crate) sequence: u64,
    /// How it was answered: `OK`, `NOT_FOUND`.
    pub(crate) code: String,
    /// The hash of the entry before; of nothing for the first.
    pub(crate) previous: String,
    /// Its own hash: of all of the above.
    #[serde(default)]
    pub(crate) hash: String,
}

impl Entry {
    fn hashed(&self) -> String {
        let bare = Self { hash: String::new(), ..self.clone() };
        // An entry is texts and numbers: it always has a form in JSON.
        let text = serde_json::to_string(&bare).unwrap_or_default();
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

/// Somebody whom a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A person or a household, by id.
    Id(String),
    /// An identifier, as it was given.
    Identifier(Identifier),
    /// The text of a query.
    Text(String),
}

/// What a call notes about itself for the audit. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    purpose: String,
    subjects: Vec<Subject>,
    more: u64,
    sequence: u64,
}

impl Note {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the answer is wanted for.
    pub(crate) fn purpose(&self, purpose: &str) {
        self.noted().purpose = purpose.to_owned();
    }

    /// Somebody whom it is about.
    pub(crate) fn about(&self, subject: Subject) {
        let mut noted = self.noted();
        if noted.subjects.len() < SUBJECTS {
            noted.subjects.push(subject);
        } else {
            noted.more += 1;
        }
    }

    /// The write that it made.
    pub(crate) fn sequence(&self, sequence: u64) {
        self.noted().sequence = sequence;
    }

    /// The sequence number of the write that it made; 0 for none.
    pub(crate) fn written(&self) -> u64 {
        self.noted().sequence
    }
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) caller: Arc<str>,
    pub(crate) peer: String,
    pub(crate) method: &'static str,
    pub(crate) code: &'static str,
    pub(crate) note: Note,
}

/// The way to the audit. Cheap to clone; the audit ends when the last is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Auditor(mpsc::Sender<Ended>);

impl Auditor {
    /// Whether as many entries wait as may.
    pub(crate) fn is_full(&self) -> bool {
        self.0.capacity() == 0
    }

    /// Hands an entry over. It is written at once, and synced with those that wait beside it.
    pub(crate) fn tell(&self, ended: Ended) {
        if let Err(mpsc::error::TrySendError::Full(ended)) = self.0.try_send(ended) {
            // The disk is behind: the entry waits, and is not lost. There are no more of
            // these than calls were under way when it came to that.
            let queue = self.0.clone();
            tokio::spawn(async move {
                let _ = queue.send(ended).await;
            });
        }
    }
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// A file or the directory.
    #[error("the audit in {path}: {error}")]
    Io {
        /// Where.
        path: String,
        /// What went wrong.
        error: io::Error,
    },
    /// What is there is not what was written.
    #[error("the audit was changed: {file}, line {line}: {what}")]
    Broken {
        /// The file.
        file: String,
        /// The line in it, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> AuditError + '_ {
    |error| AuditError::Io { path: path.display().to_string(), error }
}

/// The files of an audit, the oldest first.
fn files(directory: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(io_at(directory))? {
        let path = entry.map_err(io_at(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("audit-") && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    // A day's name sorts as the day does.
    files.sort();
    Ok(files)
}

/// Goes through the entries of an audit in their order, and checks the chain.
/// `see` says whether to go on.
fn go_through(
    directory: &Path,
    from_day: Option<&str>,
    mut see: impl FnMut(&Entry) -> bool,
) -> Result<Option<Entry>, AuditError> {
    let mut last: Option<Entry> = None;
    let first = from_day.map(|day| format!("audit-{day}.jsonl"));
    for path in files(directory)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if first.as_deref().is_some_and(|first| name < first) {
            continue;
        }
        let file = File::open(&path).map_err(io_at(&path))?;
        let mut reader = BufReader::new(file);
        let (mut line, mut number) = (String::new(), 0);
        loop {
            line.clear();
            if reader.read_line(&mut line).map_err(io_at(&path))? == 0 {
                break;
            }
            number += 1;
            let broken = |what| AuditError::Broken { file: path.display().to_string(), line: number, what };
            if !line.ends_with('\n') {
                // A write that a crash cut off; what came next is in a later file, if there is one.
                break;
            }
            let entry: Entry = serde_json::from_str(&line).map_err(|_| broken("it is no entry"))?;
            if entry.hash != entry.hashed() {
                return Err(broken("the entry is not what its hash says"));
            }
            if let Some(before) = &last
                && (entry.previous != before.hash || entry.number != before.number + 1)
            {
                return Err(broken("it does not follow the entry before it"));
            }
            let go_on = see(&entry);
            last = Some(entry);
            if !go_on {
                return Ok(last);
            }
        }
    }
    Ok(last)
}

/// The latest entry, of which no more is read than the end of the latest file:
/// a server starts as quickly with years of entries. The chain before it is
/// checked where it is read.
fn latest(directory: &Path) -> Result<Option<Entry>, AuditError> {
    for path in files(directory)?.iter().rev() {
        let mut file = File::open(path).map_err(io_at(path))?;
        let Some((begin, end)) = last_line(&mut file).map_err(io_at(path))? else { continue };
        let mut text = String::new();
        file.seek(SeekFrom::Start(begin)).map_err(io_at(path))?;
        (&file).take(end - begin).read_to_string(&mut text).map_err(io_at(path))?;
        let entry = serde_json::from_str::<Entry>(&text).ok();
        return match entry.filter(|entry| entry.hash == entry.hashed()) {
            Some(entry) => Ok(Some(entry)),
            None => {
                let lines = fs::read(path).map_err(io_at(path))?;
                let line = lines.iter().filter(|byte| **byte == b'\n').count();
                let what = "the last entry is not what its hash says";
                Err(AuditError::Broken { file: path.display().to_string(), line, what })
            }
        };
    }
    Ok(None)
}

/// Where the last whole line of a file begins, and where it ends; `None`: it has no whole line.
fn last_line(file: &mut File) -> io::Result<Option<(u64, u64)>> {
    /// How much is read at once, in bytes.
    const BLOCK: u64 = 64 << 10;
    let mut end = None;
    let mut at = file.metadata()?.len();
    while at > 0 {
        let from = at.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&*file).take(at - from).read_to_end(&mut block)?;
        for (place, byte) in block.iter().enumerate().rev() {
            let behind = from + place as u64 + 1;
            match end {
                _ if *byte != b'\n' => {}
                None => end = Some(behind),
                Some(end) => return Ok(Some((behind, end))),
            }
        }
        at = from;
    }
    Ok(end.map(|end| (0, end)))
}

/// What of an audit is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// From this time on.
    pub(crate) from: Option<Timestamp>,
    /// Before this time.
    pub(crate) until: Option<Timestamp>,
    /// By whom; empty: by anybody.
    pub(crate) caller: String,
    /// About whom, as entries name it; empty: about anybody.
    pub(crate) subject: String,
    /// Entries with this number or a higher one.
    pub(crate) number: u64,
    /// How many at most.
    pub(crate) most: usize,
}

/// The entries that are asked for, and the number that the next page begins at.
pub(crate) fn find(directory: &Path, asked: &Asked) -> Result<(Vec<Entry>, Option<u64>), AuditError> {
    let mut found = Vec::new();
    let mut next = None;
    let day = asked.from.map(|from| day(&from.to_string()).to_owned());
    go_through(directory, day.as_deref(), |entry| {
        let Ok(time) = entry.time.parse::<Timestamp>() else { return true };
        let is = entry.number >= asked.number
            && asked.from.is_none_or(|from| time >= from)
            && asked.until.is_none_or(|until| time < until)
            && (asked.caller.is_empty() || asked.caller == entry.caller)
            && (asked.subject.is_empty() || entry.subjects.contains(&asked.subject));
        if is && found.len() == asked.most {
            next = Some(entry.number);
            return false;
        }
        if is {
            found.push(entry.clone());
        }
        true
    })?;
    Ok((found, next))
}

/// The name of an identifier in an audit.
pub(crate) fn pseudonym(store: &Store, identifier: &Identifier) -> String {
    // Under its normal form, however it was written.
    let read = store.snapshot();
    let value = match read.find(identifier) {
        Ok(Found::Known(id)) => read.identifier(id).ok().flatten().map(|record| record.value),
        Ok(Found::Unknown(normal)) => Some(normal.value),
        Ok(Found::NoNamespace { .. } | Found::Denied { .. } | Found::Invalid { .. }) | Err(_) => None,
    };
    let value = value.unwrap_or_else(|| identifier.value.clone());
    let hash = store.pseudonym(&format!("{}:{value}", identifier.namespace));
    format!("{}:~{hash}", identifier.namespace)
}

/// The day of a time in RFC 3339.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// Writes an audit in a thread of its own, until the last [`Auditor`] is dropped.
///
/// Files of days that are longer ago than `retention_days` are removed.
pub(crate) fn begin(
    directory: PathBuf,
    retention_days: u32,
    store: Store,
    metrics: Metrics,
) -> Result<Auditor, AuditError> {
    let mut options = fs::DirBuilder::new();
    options.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut options, 0o700);
    options.create(&directory).map_err(io_at(&directory))?;
    let last = latest(&directory)?;
    let (queue, ended) = mpsc::channel(QUEUE);
    let mut writer = Writer {
        number: last.as_ref().map_or(0, |entry| entry.number),
        hash: last.map(|entry| entry.hash).unwrap_or_default(),
        directory: directory.clone(),
        retention_days,
        file: None,
        store,
        metrics,
    };
    let thread = std::thread::Builder::new().name("kinfold-audit".to_owned());
    thread.spawn(move || writer.run(ended)).map_err(io_at(&directory))?;
    Ok(Auditor(queue))
}

struct Writer {
    directory: PathBuf,
    retention_days: u32,
    store: Store,
    metrics: Metrics,
    number: u64,
    hash: String,
    /// The day that is written, and its file.
    file: Option<(String, File)>,
}

impl Writer {
    fn run(&mut self, mut ended: mpsc::Receiver<Ended>) {
        while let Some(first) = ended.blocking_recv() {
            // Those that wait together share a write and a sync.
            let mut group = vec![first];
            while let Ok(more) = ended.try_recv() {
                group.push(more);
            }
            let count = group.len();
            if let Err(error) = self.write(group) {
                tracing::error!(%error, entries = count, "the audit was not written");
            }
        }
    }

    fn write(&mut self, group: Vec<Ended>) -> Result<(), AuditError> {
        let time = Timestamp::now().to_string();
        let today = day(&time).to_owned();
        if self.file.as_ref().is_none_or(|(day, _)| *day != today) {
            self.forget(&today)?;
            let path = self.directory.join(format!("audit-{today}.jsonl"));
            self.file = Some((today, open(&path).map_err(io_at(&path))?));
        }
        let (mut text, count) = (String::new(), group.len());
        let (mut number, mut hash) = (self.number, self.hash.clone());
        for Ended { caller, peer, method, code, note } in group {
            let noted = std::mem::take(&mut *note.noted());
            number += 1;
            let mut entry = Entry {
                number,
                time: time.clone(),
                caller: caller.to_string(),
                peer,
                method: method.to_owned(),
                purpose: noted.purpose,
                subjects: noted.subjects.iter().map(|subject| self.name(subject)).collect(),
                more: noted.more,
                sequence: noted.sequence,
                code: code.to_owned(),
                previous: std::mem::take(&mut hash),
                hash: String::new(),
            };
            entry.hash = entry.hashed();
            hash.clone_from(&entry.hash);
            text += &serde_json::to_string(&entry).unwrap_or_default();
            text.push('\n');
        }
        let path = self.directory.clone();
        if let Some((_, file)) = &mut self.file {
            file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(io_at(&path))?;
        }
        // Only what is written is followed.
        (self.number, self.hash) = (number, hash);
        (0..count).for_each(|_| self.metrics.audited());
        Ok(())
    }

    fn name(&self, subject: &Subject) -> String {
        match subject {
            Subject::Id(id) => id.clone(),
            Subject::Identifier(identifier) => pseudonym(&self.store, identifier),
            Subject::Text(text) => format!("query:~{}", self.store.pseudonym(text)),
        }
    }

    /// Removes the files of days that are too long ago.
    fn forget(&self, today: &str) -> Result<(), AuditError> {
        let Ok(today) = today.parse::<jiff::civil::Date>() else { return Ok(()) };
        for path in files(&self.directory)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of = name.trim_start_matches("audit-").trim_end_matches(".jsonl");
            let Ok(of) = of.parse::<jiff::civil::Date>() else { continue };
            let Ok(age) = today.since(of) else { continue };
            if age.get_days() > i32::try_from(self.retention_days).unwrap_or(i32::MAX) {
                fs::remove_file(&path).map_err(io_at(&path))?;
                tracing::info!(file = name, "a day of the audit has had its time");
            }
        }
        Ok(())
    }
}

/// Opens a day's file to go on in it. What a crash cut off is taken away.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let whole = last_line(&mut file)?.map_or(0, |(_, end)| end);
    if whole < file.metadata()?.len() {
        file.set_len(whole)?;
    }
    Ok(file)
}
