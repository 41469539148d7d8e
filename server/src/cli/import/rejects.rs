//! The file of rejected rows.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

/// The first line of every rejects file.
const HEADER: [&str; 5] = ["file", "line", "column", "reason", "row"];

/// The rejects file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the rejected rows to {}: {error}", .path.display())]
pub struct RejectsError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

/// Whether an import may replace what is at `path`: nothing, or the rejects
/// file of an earlier import.
pub(super) fn may_replace(path: &Path) -> io::Result<bool> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    if !about.is_file() {
        return Ok(false);
    }
    let header = format!("{}\n", HEADER.join(","));
    let mut begin = Vec::new();
    File::open(path)?.take(header.len() as u64).read_to_end(&mut begin)?;
    Ok(begin.is_empty() || begin == header.as_bytes())
}

/// Writes `file,line,column,reason,row` as CSV, the row with the bytes it has
/// in its file. The file appears under its name only when it is complete, and
/// only if there is a row to write; without one, what an earlier import listed
/// there is taken away.
pub(super) struct RejectsFile {
    path: PathBuf,
    draft: PathBuf,
    writer: Option<csv::Writer<BufWriter<File>>>,
}

impl RejectsFile {
    /// Will write to `path`; nothing is written yet.
    pub(super) fn new(path: PathBuf) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.tmp", std::process::id()));
        let draft = path.with_file_name(name);
        Self { path, draft, writer: None }
    }

    /// Adds a row.
    pub(super) fn add(
        &mut self,
        file: &str,
        line: u64,
        column: Option<&str>,
        reason: &str,
        row: &[u8],
    ) -> Result<(), RejectsError> {
        self.try_add(file, line, column, reason, row)
            .map_err(|error| RejectsError { path: self.path.clone(), error })
    }

    fn try_add(
        &mut self,
        file: &str,
        line: u64,
        column: Option<&str>,
        reason: &str,
        row: &[u8],
    ) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(File::create(&self.draft)?));
                writer.write_record(HEADER)?;
                self.writer.insert(writer)
            }
        };
        let line = line.to_string();
        let cells =
            [file.as_bytes(), line.as_bytes(), column.unwrap_or_default().as_bytes(), reason.as_bytes(), row];
        writer.write_record(cells)?;
        Ok(())
    }

    /// Makes the file complete and gives its name, if there was a row to write.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, RejectsError> {
        match self.try_finish() {
            Ok(written) => Ok(written.then(|| self.path.clone())),
            Err(error) => Err(RejectsError { path: self.path.clone(), error }),
        }
    }

    fn try_finish(&mut self) -> io::Result<bool> {
        let Some(mut writer) = self.writer.take() else {
            if self.path.exists() && may_replace(&self.path)? {
                fs::remove_file(&self.path)?;
            }
            return Ok(false);
        };
        writer.flush()?;
        let mut buffered = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        buffered.flush()?;
        buffered.get_ref().sync_all()?;
        fs::rename(&self.draft, &self.path)?;
        Ok(true)
    }
}

impl Drop for RejectsFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            // The draft of an import that failed; the next run writes it anew.
            let _ = fs::remove_file(&self.draft);
        }
    }
}

/// The names of the rejects files of these inputs in the working directory:
/// `records.csv.rejects.csv`, and with a number when two inputs have the same name.
pub(super) fn default_paths(inputs: &[PathBuf]) -> Vec<PathBuf> {
    let mut taken = BTreeSet::new();
    inputs
        .iter()
        .map(|input| {
            let base = match input.file_name() {
                Some(name) if input != Path::new("-") => name.to_string_lossy().into_owned(),
                _ => "stdin".to_owned(),
            };
            let mut name = format!("{base}.rejects.csv");
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{base}-{number}.rejects.csv");
                number += 1;
            }
            PathBuf::from(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_complete_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("r.csv");
        let names = || fs::read_dir(folder.path()).expect("readable").count();

        assert_eq!(RejectsFile::new(path.clone()).finish().expect("nothing to write"), None);
        assert_eq!(names(), 0);

        let mut file = RejectsFile::new(path.clone());
        file.add("a.csv", 7, Some("email"), "is \"bad\"", b"x,\"y\ny\",\xff").expect("written");
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(), 0, "a failed import leaves nothing");

        let mut file = RejectsFile::new(path.clone());
        file.add("a.csv", 7, Some("email"), "is \"bad\"", b"x,\"y\ny\",\xff").expect("written");
        assert_eq!(file.finish().expect("written"), Some(path.clone()));
        let expected =
            b"file,line,column,reason,row\na.csv,7,email,\"is \"\"bad\"\"\",\"x,\"\"y\ny\"\",\xff\"\n";
        assert_eq!(fs::read(&path).expect("readable"), expected);
        assert_eq!(names(), 1);

        assert!(may_replace(&path).expect("readable"));
        assert_eq!(RejectsFile::new(path.clone()).finish().expect("nothing to write"), None);
        assert_eq!(names(), 0, "an old list would mislead");
    }

    #[test]
    fn nothing_else_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.txt");
        assert!(may_replace(&path).expect("readable"));
        fs::write(&path, "file,line\nmine").expect("written");
        assert!(!may_replace(&path).expect("readable"));
        assert_eq!(RejectsFile::new(path.clone()).finish().expect("nothing to write"), None);
        assert!(path.exists());
        assert!(!may_replace(folder.path()).expect("readable"));
    }

    #[test]
    fn two_inputs_of_one_name_have_two_files() {
        let inputs = ["a/x.csv", "b/x.csv", "-"].map(PathBuf::from);
        let expected = ["x.csv.rejects.csv", "x.csv-2.rejects.csv", "stdin.rejects.csv"].map(PathBuf::from);
        assert_eq!(default_paths(&inputs), expected);
    }
}
