//! A damaged store is refused or reported with what is wrong; it never answers as if nothing were.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use kinfold_engine::write::Batch;
use kinfold_engine::{OpenOptions, Store};
use kinfold_tests::bin::{Cli, CliStore, Ran, arg};
use kinfold_tests::observed;
use kinfold_tests::oracle::Seen;

/// A store with both sorted files and a log, and a copy of it for each thing to break.
struct Patient {
    folder: tempfile::TempDir,
    cli: Cli,
}

impl Patient {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cli = Cli::within(folder.path());
        cli.run(["generate", "--persons", "300", "--seed", "3", "--out", "demo"]).ok();
        let demo = folder.path().join("demo");
        let store = CliStore::init(&cli, "store", &demo.join("schema.toml"));
        store.import(&demo.join("mapping.toml"), None, &[&demo.join("records.csv")]);
        // An import leaves sorted files behind; these writes stay in the log.
        let writer = Store::open(store.path(), OpenOptions::default()).expect("nobody has it open");
        for number in 0..200 {
            let ids = [("cookie", format!("c{number}")), ("device", format!("d{number}"))];
            let ids = ids.map(|(namespace, value)| (namespace.to_owned(), value)).to_vec();
            let (source, withdrawn) = ("web".to_owned(), BTreeSet::new());
            let seen = Seen { source, time: number, confidence: 0.9, ids, record: None, withdrawn };
            let batch = Batch { request_id: None, observations: vec![observed::observation(&seen)] };
            assert_eq!(writer.observe(batch).expect("the store writes").accepted, 1);
        }
        Self { folder, cli }
    }

    /// A copy under `name`.
    fn copy(&self, name: &str) -> PathBuf {
        let (from, to) = (self.folder.path().join("store"), self.folder.path().join(name));
        fs::create_dir_all(to.join("db")).expect("writable");
        for directory in ["", "db"] {
            for entry in fs::read_dir(from.join(directory)).expect("readable") {
                let entry = entry.expect("readable");
                if entry.file_type().expect("readable").is_file() {
                    fs::copy(entry.path(), to.join(directory).join(entry.file_name())).expect("writable");
                }
            }
        }
        to
    }

    fn check(&self, name: &str) -> Ran {
        self.cli.run(["check", "--store", name])
    }

    /// Runs a query that reads all links.
    fn query(&self, name: &str) -> Ran {
        let all = "MATCH (a:Identifier)-[l:LINKED]-(b) RETURN count(l), sum(l.weight)";
        self.cli.run(["query", "--store", name, "--format", "json", all])
    }

    fn import(&self, name: &str) -> Ran {
        let demo = self.folder.path().join("demo");
        let (mapping, links) = (demo.join("mapping.toml"), demo.join("links.csv"));
        self.cli.run(["import", "--store", name, "--mapping", arg(&mapping), arg(&links)])
    }

    /// Every command refuses the copy and says `why`, and none advises to throw the data away.
    fn refused(&self, name: &str, why: &[&str]) {
        let serve = self.cli.run(["serve", "--store", name, "--listen", "127.0.0.1:0"]);
        for ran in [self.check(name), self.query(name), self.import(name), serve] {
            let said = ran.clone().refused(1);
            for text in why {
                assert!(said.contains(text), "{name}: it does not say `{text}`: {ran}");
            }
            assert!(!said.contains("remove the directory"), "{name}: {ran}");
        }
    }
}

/// The files of the database whose names end so, the largest first.
fn files(store: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<(u64, PathBuf)> = fs::read_dir(store.join("db"))
        .expect("readable")
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.file_name().to_string_lossy().contains(ending))
        .map(|entry| (entry.metadata().expect("readable").len(), entry.path()))
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    assert!(!files.is_empty(), "the store has no {ending}");
    files.into_iter().map(|(_, path)| path).collect()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("readable");
    bytes[at] ^= 0x10;
    fs::write(file, bytes).expect("writable");
}

#[test]
fn a_key_that_is_gone_or_another_is_noticed() {
    let patient = Patient::new();
    let gone = patient.copy("gone");
    fs::remove_file(gone.join("kinfold.key")).expect("it is there");
    patient.refused("gone", &["the key of the store", "kinfold.key", "put it back"]);

    let torn = patient.copy("torn");
    fs::write(torn.join("kinfold.key"), "0123").expect("writable");
    patient.refused("torn", &["the key of the store", "expected 64 hexadecimal digits"]);

    // With another key no identifier is found any more, and every import makes a second set of them.
    let other = patient.copy("other");
    CliStore::init(&patient.cli, "stranger", &patient.folder.path().join("demo/schema.toml"));
    fs::copy(patient.folder.path().join("stranger/kinfold.key"), other.join("kinfold.key"))
        .expect("writable");
    patient.refused("other", &["the key of the store", "another store"]);
}

#[test]
fn files_that_are_gone_are_missed() {
    let patient = Patient::new();
    for (name, ending) in [("manifest", "MANIFEST-"), ("current", "CURRENT"), ("sorted", ".sst")] {
        let store = patient.copy(name);
        fs::remove_file(&files(&store, ending)[0]).expect("it is there");
        patient.refused(name, &["cannot be opened"]);
    }
}

#[test]
fn a_store_that_was_never_finished_is_told_from_one_that_lost_files() {
    let patient = Patient::new();
    let store = patient.copy("unfinished");
    fs::remove_dir_all(store.join("db")).expect("it is there");
    for made in [false, true] {
        if made {
            fs::create_dir(store.join("db")).expect("writable");
        }
        let said = patient.import("unfinished").refused(1);
        assert!(said.contains("was never finished"), "{said}");
    }
}

#[test]
fn a_flipped_byte_in_the_log_or_the_manifest_refuses_the_store() {
    let patient = Patient::new();
    for (name, ending) in [("log", ".log"), ("manifest", "MANIFEST-")] {
        let store = patient.copy(name);
        let file = files(&store, ending).remove(0);
        let length = fs::metadata(&file).expect("readable").len() as usize;
        flip(&file, length / 3);
        patient.refused(name, &["cannot be opened", "orruption"]);
    }
}

/// Whatever file of rows is damaged, `check` finds it, and a query that needs
/// it fails instead of leaving rows out.
#[test]
fn a_flipped_byte_in_any_sorted_file_is_found() {
    let patient = Patient::new();
    let healthy = patient.query("store").ok();
    let count = files(&patient.folder.path().join("store"), ".sst").len();
    let mut refused = 0;
    for at in 0..count {
        let name = format!("sorted{at}");
        let store = patient.copy(&name);
        let file = files(&store, ".sst").swap_remove(at);
        // Rows come first in a sorted file.
        flip(&file, 20);
        let shown = file.file_name().expect("a name").to_string_lossy().into_owned();
        let check = patient.check(&name);
        assert_eq!(check.status, Some(1), "{shown}: {check}");
        let said = format!("{}{}", check.stdout, check.stderr);
        assert!(said.contains("block checksum mismatch") && said.contains(&shown), "{shown}: {check}");
        let query = patient.query(&name);
        match query.status {
            Some(0) => assert_eq!(query.stdout, healthy, "{shown}: an answer without what is damaged"),
            _ => {
                assert!(query.clone().refused(1).contains("is damaged in table"), "{query}");
                refused += 1;
            }
        }
        fs::remove_dir_all(store).expect("writable");
    }
    assert!(refused > 0, "no query needed what was damaged");
}
