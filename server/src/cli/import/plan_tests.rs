//! The command line: which input is for which file, and what stops an import before it begins.

use std::fs;

use clap::Parser as _;
use kinfold_engine::model::Seq;
use kinfold_engine::write::{Batch, Receipt};

use super::*;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    args: ImportArgs,
}

/// Takes everything.
struct Open;

impl Sink for Open {
    fn submit(&mut self, batch: Batch, done: Done) {
        let accepted = batch.observations.len() as u32;
        let seq = Seq::new(0);
        done(Ok(Receipt {
            seq,
            replayed: false,
            accepted,
            denied: 0,
            forgotten: 0,
            rejected: Vec::new(),
            held_back: 0,
        }));
    }

    fn applied(&self, _: &str) -> Result<Option<Vec<u32>>, SinkError> {
        Ok(None)
    }
}

const MAPPING: &str = "
[[input]]
name = \"people\"
files = [\"p*.csv\", \"both.csv\"]
source = \"crm\"
shape = \"record\"
time = \"2026-01-01\"
identifiers = { email = \"email\" }

[[input]]
name = \"visits\"
files = [\"v*\", \"both.csv\"]
shape = \"record\"
time = { column = \"at\" }
identifiers = { cookie = \"id\" }
";

const FILES: [(&str, &str); 7] = [
    ("m.toml", MAPPING),
    ("p1.csv", "email\na@example.com\n"),
    ("p2.csv", "mail\na@example.com\n"),
    ("both.csv", "email\na@example.com\n"),
    ("v.jsonl", "{\"id\": 1, \"at\": \"2026-01-05\"}\n{\"id\": 2, \"at\": \"soon\"}\n"),
    ("v.data", ""),
    ("other.csv", "email\n,\n"),
];

/// What an import gave: its result, whether it was a usage error, whether the store was opened, its rejects.
type Outcome = (Result<ImportSummary, String>, bool, bool, String);

/// Runs an import in a folder with [`FILES`]; `@` in an argument stands for the folder.
fn import(arguments: &str) -> Outcome {
    with_rejects(arguments, "@/r.csv")
}

fn with_rejects(arguments: &str, rejects: &str) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in FILES {
        fs::write(folder.path().join(name), text).expect("written");
    }
    fs::create_dir(folder.path().join("p-folder.csv")).expect("made");
    let path = folder.path().display().to_string();
    let line = format!("import --store @/store --mapping @/m.toml --rejects {rejects} {arguments}")
        .replace('@', &path);
    let args = Command::try_parse_from(line.split(' ')).expect("arguments").args;
    let mut opened = false;
    let outcome = run_import(&args, |_, _| {
        opened = true;
        Ok(Open)
    });
    let usage = outcome.as_ref().is_err_and(|error| error.is::<UsageError>());
    let rejects = fs::read_to_string(folder.path().join("r.csv")).unwrap_or_default();
    (
        outcome.map_err(|error| format!("{error:#}").replace(&path, "@")),
        usage,
        opened,
        rejects.replace(&path, "@"),
    )
}

#[test]
fn files_find_their_inputs() {
    let (summary, _, opened, rejects) = import("--source-name web @/p1.csv @/v.jsonl");
    let summary = summary.expect("goes in");
    assert!(opened);
    assert_eq!((summary.files, summary.rows, summary.written, summary.rejected), (2, 3, 2, 1));
    assert_eq!(
        rejects.lines().nth(1).map(|line| line.split(',').take(3).collect::<Vec<_>>()),
        Some(vec!["@/v.jsonl", "2", "at"])
    );
    assert_eq!(summary.rejects_files.len(), 1);

    let (summary, ..) = import("--input people @/both.csv @/other.csv");
    let summary = summary.expect("goes in");
    assert_eq!((summary.rows, summary.written, summary.rejected), (2, 1, 1));
    let (summary, ..) = import("--input people @/other.csv");
    assert!(summary.expect("runs").all_rejected());
}

#[test]
fn what_does_not_fit_is_said_before_the_store_is_opened() {
    for (arguments, is_usage, expected) in [
        (
            "@/p1.csv --input peple",
            true,
            "@/m.toml has no input `peple`; it has `people`, `visits`; did you mean `people`?",
        ),
        (
            "@/other.csv",
            true,
            "no input of @/m.toml is for @/other.csv: their files are `p*.csv`, `both.csv`, `v*`, `both.csv`; say --input NAME to use one of them all the same",
        ),
        (
            "@/both.csv",
            true,
            "several inputs of @/m.toml are for @/both.csv: `people`, `visits`; say --input NAME, once for each if the file is to be read several ways",
        ),
        (
            "-",
            true,
            "standard input has no name to choose one of the 2 inputs of @/m.toml by; say --input NAME, of `people`, `visits`",
        ),
        ("- -", true, "standard input (`-`) is named twice; it can be read once"),
        (
            "@/v.data",
            true,
            "the format of @/v.data does not show in its name; say format = \"csv\" or \"jsonl\" in the input `visits` of @/m.toml",
        ),
        (
            "@/v.jsonl",
            true,
            "nothing names the source of @/v.jsonl; say source = \"…\" in the input `visits` of @/m.toml, or --source-name",
        ),
        ("@/p-folder.csv", true, "@/p-folder.csv is a directory; name the files in it"),
        ("@/p1.csv --rejects @/p1.csv", true, "--rejects would overwrite the input @/p1.csv"),
        (
            "@/p1.csv --rejects @/v.jsonl",
            true,
            "@/v.jsonl is there already and no list of rejected rows; say --rejects FILE with another name",
        ),
        ("@/p1.csv @/p3.csv", false, "cannot read @/p3.csv: No such file or directory"),
        (
            "@/p1.csv @/p2.csv",
            false,
            "@/p2.csv:1: no column `email`, which @/m.toml:8:25 asks for; the columns are `mail`; did you mean `mail`?",
        ),
    ] {
        let (outcome, usage, opened, _) = match arguments.split_once(" --rejects ") {
            None => import(arguments),
            Some((input, rejects)) => with_rejects(input, rejects),
        };
        let error = outcome.expect_err(arguments);
        assert!(error.starts_with(expected), "{arguments}\n{error}");
        assert_eq!((usage, opened), (is_usage, false), "{arguments}");
    }
}
