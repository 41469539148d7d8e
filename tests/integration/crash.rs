//! An import that is killed with SIGKILL and run again comes to the same store as one that was not.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kinfold_engine::read::Read as _;
use kinfold_engine::{OpenOptions, Stats, Store};
use kinfold_tests::bin::{Cli, CliStore, arg};
use kinfold_tests::observed;
use kinfold_tests::oracle::Answer;

/// How often a kill may miss the middle before the test gives up.
const TRIES: u32 = 25;

/// A generated population, and what one clean import makes of it.
struct Population {
    folder: tempfile::TempDir,
    cli: Cli,
    mapping: PathBuf,
    files: [PathBuf; 2],
    clean: State,
    took: Duration,
}

/// Everything that an import comes to. Equal ids of persons are part of the
/// promise, since the observations come in the same order.
#[derive(Debug, PartialEq)]
struct State {
    answer: Answer,
    ids: Vec<String>,
    stats: Stats,
}

fn read(path: &Path) -> Store {
    Store::open(path, OpenOptions { read_only: true, ..OpenOptions::default() }).expect("the store opens")
}

fn state(path: &Path) -> State {
    let store = read(path);
    let snapshot = store.snapshot();
    State {
        answer: observed::answer(&snapshot).expect("readable"),
        ids: observed::persons(&snapshot).expect("readable").keys().map(ToString::to_string).collect(),
        stats: Stats { disk_bytes: 0, ..store.stats().expect("readable") },
    }
}

fn observations(path: &Path) -> u64 {
    read(path).stats().expect("readable").observations
}

impl Population {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cli = Cli::within(folder.path());
        cli.run(["generate", "--persons", "3000", "--seed", "7", "--out", "demo"]).ok();
        let demo = folder.path().join("demo");
        let files = ["records.csv", "links.csv"].map(|name| demo.join(name));
        let mapping = demo.join("mapping.toml");
        let store = CliStore::init(&cli, "clean", &demo.join("schema.toml"));
        let begin = Instant::now();
        store.import(&mapping, None, &[&files[0], &files[1]]);
        let took = begin.elapsed();
        store.check();
        let clean = state(store.path());
        assert!(clean.stats.observations > 10_000, "{:?}", clean.stats);
        Self { folder, cli, mapping, files, clean, took }
    }

    fn init(&self, name: &str) -> CliStore {
        CliStore::init(&self.cli, name, &self.folder.path().join("demo/schema.toml"))
    }

    fn import(&self, store: &CliStore) {
        store.import(&self.mapping, None, &[&self.files[0], &self.files[1]]);
    }

    /// Starts the import and kills it after `delay`, unless it ends before.
    fn import_killed_after(&self, store: &CliStore, delay: Duration) {
        let mut child = self.cli.start([
            "import",
            "--store",
            arg(store.path()),
            "--mapping",
            arg(&self.mapping),
            arg(&self.files[0]),
            arg(&self.files[1]),
        ]);
        std::thread::sleep(delay);
        // SIGKILL, to this child alone; one that has ended is not there to take it.
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    }

    fn same_as_clean(&self, store: &CliStore) {
        store.check();
        let found = state(store.path());
        assert_eq!(found.stats, self.clean.stats);
        assert_eq!(found.ids, self.clean.ids);
        assert!(found.answer == self.clean.answer, "other persons or households than after a clean import");
    }
}

#[test]
fn an_import_killed_in_the_middle_and_run_again_is_a_clean_one() {
    let population = Population::new();
    let all = population.clean.stats.observations;
    for (name, part) in [("early", 0.25), ("half", 0.5), ("late", 0.75)] {
        let mut delay = population.took.mul_f64(part);
        let mut killed = None;
        for attempt in 0..TRIES {
            let store = population.init(&format!("{name}{attempt}"));
            population.import_killed_after(&store, delay);
            let written = observations(store.path());
            match written {
                0 => delay = delay.mul_f64(1.25),
                _ if written == all => delay = delay.mul_f64(0.8),
                _ => {
                    killed = Some((store, written));
                    break;
                }
            }
        }
        let (store, written) = killed.unwrap_or_else(|| panic!("{TRIES} kills, none of them in the middle"));
        eprintln!("{name}: {written} of {all} observations were written when the import was killed");
        // What is there is whole: it is just not everything yet.
        store.check();
        population.import(&store);
        assert!(written < all);
        population.same_as_clean(&store);
    }
}

#[test]
fn an_import_killed_again_and_again_gets_there() {
    let population = Population::new();
    let all = population.clean.stats.observations;
    let store = population.init("store");
    let mut steps = vec![0];
    let mut delay = population.took.mul_f64(0.3);
    for _ in 0..TRIES {
        population.import_killed_after(&store, delay);
        let written = observations(store.path());
        let before = steps.last().copied().unwrap_or_default();
        assert!(written >= before, "what was on disk is gone: {written} observations after {before}");
        if written == all {
            break;
        }
        if written > before {
            steps.push(written);
        } else {
            // Reading what is there already takes its time.
            delay = delay.mul_f64(1.3);
        }
        if steps.len() > 3 {
            break;
        }
    }
    eprintln!("observations after each kill: {steps:?} of {all}");
    assert!(steps.len() > 1, "no kill landed in the middle");
    population.import(&store);
    population.same_as_clean(&store);
}

/// The lock of a process that was killed is gone with it, and a read beside the
/// store in between has not changed it.
#[test]
fn a_killed_import_leaves_no_lock() {
    let population = Population::new();
    let store = population.init("store");
    population.import_killed_after(&store, population.took.mul_f64(0.6));
    let first = state(store.path());
    assert_eq!(state(store.path()), first);
    let writer = Store::open(store.path(), OpenOptions::default()).expect("nobody has it open");
    assert_eq!(writer.snapshot().seq(), first.stats.seq);
    writer.close().expect("closes");
    drop(writer);
    assert_eq!(state(store.path()), first);
}
