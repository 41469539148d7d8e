//! The `kinfold` binary, run as a user would.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The `kinfold` binary: `$KINFOLD_BIN`, or the one that stands beside the
/// directory of the running test's own executable (`target/release/kinfold`).
///
/// # Panics
///
/// If there is none: a test of the command line cannot pass without it.
pub fn kinfold() -> PathBuf {
    let path = match std::env::var_os("KINFOLD_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let own = std::env::current_exe().expect("a test knows its own executable");
            let profile = own.ancestors().nth(2).expect("tests stand in target/PROFILE/deps");
            profile.join(format!("kinfold{}", std::env::consts::EXE_SUFFIX))
        }
    };
    assert!(path.is_file(), "there is no `{}`: build it first: make build", path.display());
    path
}

/// What a command that has ended said.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The arguments, for messages.
    pub what: String,
    /// Its exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ran {
    fn of(what: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran = Self {
            what,
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        for word in ["panicked", "RUST_BACKTRACE", "internal error"] {
            assert!(!ran.stderr.contains(word) && !ran.stdout.contains(word), "a panic: {ran}");
        }
        ran
    }

    /// Its standard output, after it ended well.
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{self}");
        self.stdout
    }

    /// Its standard error, after it ended with `status`.
    pub fn refused(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self}");
        assert!(!self.stderr.trim().is_empty(), "nothing says why: {self}");
        self.stderr
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, status, stdout, stderr } = self;
        write!(f, "`kinfold {what}`\nexit status: {status:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// Runs `kinfold` in one working directory, where it also leaves its rejects files.
#[derive(Debug, Clone)]
pub struct Cli {
    directory: PathBuf,
}

impl Cli {
    /// Commands that run in `directory`.
    pub fn within(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(kinfold());
        command
            .args(args)
            .current_dir(&self.directory)
            .env_remove("RUST_BACKTRACE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `kinfold` to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let args = texts(args);
        let output = self.command(&args).output().expect("the binary starts");
        Ran::of(args.join(" "), &output)
    }

    /// Runs `kinfold` to its end with `input` as its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &str) -> Ran {
        let args = texts(args);
        let mut child = self.command(&args).stdin(Stdio::piped()).spawn().expect("the binary starts");
        let mut pipe = child.stdin.take().expect("it is piped");
        let text = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A command that ends before it has read everything is not this thread's concern.
            let _ = pipe.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().expect("the child is ours");
        writer.join().expect("the thread ends");
        Ran::of(args.join(" "), &output)
    }

    /// Starts `kinfold` and leaves it to the caller, who must wait for it.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Child {
        self.command(&texts(args)).spawn().expect("the binary starts")
    }
}

fn texts<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Vec<String> {
    args.into_iter()
        .map(|arg| arg.as_ref().to_str().expect("arguments of tests are UTF-8").to_owned())
        .collect()
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

/// A store made and asked through the command line.
#[derive(Debug, Clone)]
pub struct CliStore {
    /// Runs the commands.
    pub cli: Cli,
    path: String,
}

impl CliStore {
    /// Makes a store in the directory `name` of the working directory.
    pub fn init(cli: &Cli, name: &str, schema: &Path) -> Self {
        Self::init_without(cli, name, schema, &[])
    }

    /// As [`CliStore::init`], without these guards of the schema.
    pub fn init_without(cli: &Cli, name: &str, schema: &Path, guards: &[&str]) -> Self {
        let path = arg(&cli.directory.join(name)).to_owned();
        let mut args = vec!["init", "--store", &path, "--schema", arg(schema)];
        for guard in guards {
            args.extend(["--without", guard]);
        }
        cli.run(args).ok();
        Self { cli: cli.clone(), path }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// Imports files with a mapping, by the input of that name if one is given; gives what it said.
    pub fn import(&self, mapping: &Path, input: Option<&str>, files: &[&Path]) -> String {
        self.import_with(&[], mapping, input, files)
    }

    /// As [`CliStore::import`], with these flags.
    pub fn import_with(
        &self,
        flags: &[&str],
        mapping: &Path,
        input: Option<&str>,
        files: &[&Path],
    ) -> String {
        let mut args = vec!["import", "--store", &self.path, "--mapping", arg(mapping)];
        args.extend(flags);
        if let Some(input) = input {
            args.extend(["--input", input]);
        }
        args.extend(files.iter().map(|file| arg(file)));
        self.cli.run(args).ok()
    }

    /// Runs a query and gives its rows, the values in the order of the columns.
    pub fn query(&self, text: &str) -> Vec<Vec<serde_json::Value>> {
        rows(&self.cli.run(["query", "--store", &self.path, "--format", "json", text]).ok())
    }

    /// Runs a query that gives one whole number.
    pub fn number(&self, text: &str) -> u64 {
        let rows = self.query(text);
        match rows.as_slice() {
            [row] if row.len() == 1 => {
                row[0].as_u64().unwrap_or_else(|| panic!("no number: {text}: {row:?}"))
            }
            _ => panic!("not one value: {text}: {rows:?}"),
        }
    }

    /// The figures of `kinfold stats`, without the bytes on disk, which depend
    /// on when the storage last tidied up.
    pub fn stats(&self) -> serde_json::Value {
        figures(&self.cli.run(["stats", "--store", &self.path, "--format", "json"]).ok())
    }

    /// What `kinfold evaluate` makes of these stores: a row of figures for each,
    /// the last for `unguarded` if it is given. `columns` says where the truth stands.
    pub fn evaluate(
        stores: &[&Self],
        unguarded: Option<&Self>,
        truth: &Path,
        columns: &[&str],
    ) -> Vec<serde_json::Value> {
        let cli = &stores.first().or(unguarded.as_ref()).expect("a store").cli;
        let mut args = vec!["evaluate", "--format", "json", "--truth", arg(truth)];
        args.extend(columns);
        for store in stores {
            args.extend(["--store", &store.path]);
        }
        if let Some(store) = unguarded {
            args.extend(["--unguarded", &store.path]);
        }
        let said = cli.run(args).ok();
        said.lines().map(|line| serde_json::from_str(line).expect("a row is an object")).collect()
    }

    /// Holds `kinfold check` to finding nothing.
    pub fn check(&self) {
        let said = self.cli.run(["check", "--store", &self.path]).ok();
        assert!(said.contains("nothing wrong"), "{said}");
    }
}

/// The rows of an answer in `--format json`.
pub fn rows(stdout: &str) -> Vec<Vec<serde_json::Value>> {
    stdout
        .lines()
        .map(|line| match serde_json::from_str(line) {
            Ok(serde_json::Value::Object(row)) => row.into_iter().map(|(_, value)| value).collect(),
            other => panic!("`{line}` is no row: {other:?}"),
        })
        .collect()
}

/// The figures that `kinfold stats --format json` printed, without the bytes on disk.
pub fn figures(stdout: &str) -> serde_json::Value {
    let mut figures: serde_json::Value = serde_json::from_str(stdout).expect("the figures are JSON");
    let bytes = figures.as_object_mut().and_then(|object| object.remove("bytes_on_disk"));
    assert!(bytes.is_some(), "no bytes_on_disk: {stdout}");
    figures
}
