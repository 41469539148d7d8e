//! An import that is killed with SIGKILL and run again comes to the same store as one that was not,
//! and so does a change of schema when the store is opened again.

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
    /// How it is imported: `--stream` or `--bulk`.
    manner: &'static str,
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
    fn new(manner: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cli = Cli::within(folder.path());
        cli.run(["generate", "--persons", "3000", "--seed", "7", "--out", "demo"]).ok();
        let demo = folder.path().join("demo");
        let files = ["records.csv", "links.csv"].map(|name| demo.join(name));
        let mapping = demo.join("mapping.toml");
        let store = CliStore::init(&cli, "clean", &demo.join("schema.toml"));
        let begin = Instant::now();
        store.import_with(&[manner], &mapping, None, &[&files[0], &files[1]]);
        let took = begin.elapsed();
        store.check();
        let clean = state(store.path());
        assert!(clean.stats.observations > 10_000, "{:?}", clean.stats);
        Self { folder, cli, mapping, files, clean, took, manner }
    }

    fn init(&self, name: &str) -> CliStore {
        CliStore::init(&self.cli, name, &self.folder.path().join("demo/schema.toml"))
    }

    fn import(&self, store: &CliStore) {
        store.import_with(&[self.manner], &self.mapping, None, &[&self.files[0], &self.files[1]]);
    }

    /// Starts the import and kills it after `delay`, unless it ends before.
    fn import_killed_after(&self, store: &CliStore, delay: Duration) {
        let mut child = self.cli.start([
            "import",
            self.manner,
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
    let population = Population::new("--stream");
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
    let population = Population::new("--stream");
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

/// At no moment there is a part of a bulk load in the store.
#[test]
fn a_bulk_load_killed_anywhere_and_run_again_is_a_clean_one() {
    const KILLS: u32 = 12;
    let population = Population::new("--bulk");
    let all = population.clean.stats.observations;
    let mut empty = 0;
    for at in 1..=KILLS {
        let store = population.init(&format!("store{at}"));
        population.import_killed_after(&store, population.took.mul_f64(f64::from(at) / f64::from(KILLS)));
        // A part of it may be there, but then it says so, and takes it away when it is opened for writing.
        Store::open(store.path(), OpenOptions::default()).expect("it opens").close().expect("closes");
        match observations(store.path()) {
            0 => {
                empty += 1;
                store.check();
                population.import(&store);
            }
            there => assert_eq!(there, all),
        }
        population.same_as_clean(&store);
    }
    assert!(empty > 0, "no kill came before the end");
}

/// A bulk load gives what writing one after another gives.
#[test]
fn a_population_is_loaded_in_bulk_as_it_is_streamed() {
    let (bulk, stream) = (Population::new("--bulk").clean, Population::new("--stream").clean);
    assert_eq!(bulk.ids, stream.ids);
    assert!(bulk.answer == stream.answer, "other persons or households");
    // The load itself is one more write.
    assert_eq!(bulk.stats.seq, stream.stats.seq.next());
    assert_eq!(Stats { seq: stream.stats.seq, ..bulk.stats }, stream.stats);
}

/// The lock of a process that was killed is gone with it, and a read beside the
/// store in between has not changed it.
#[test]
fn a_killed_import_leaves_no_lock() {
    let population = Population::new("--stream");
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

/// A schema under which much is otherwise than under the generated one.
fn other_schema(population: &Population) -> PathBuf {
    let generated = population.folder.path().join("demo/schema.toml");
    let text = std::fs::read_to_string(generated).expect("it was generated");
    let path = population.folder.path().join("other.toml");
    let threshold = "[person]\nthreshold = 0.85";
    assert!(text.contains("[person]\n"), "{text}");
    let mut lines = Vec::new();
    for line in text.lines() {
        match line {
            "[person]" => lines.push(threshold),
            _ if line.starts_with("threshold") => {}
            _ => lines.push(line),
        }
    }
    std::fs::write(&path, lines.join("\n")).expect("writable");
    path
}

#[test]
fn a_schema_change_killed_in_the_middle_is_finished_by_the_next_open() {
    let population = Population::new("--stream");
    let schema = other_schema(&population);
    let apply = |store: &CliStore| {
        let words = ["schema", "apply", "--store", arg(store.path()), "--schema", arg(&schema)];
        words
            .into_iter()
            .chain(["--author", "ann", "--reason", "to see"])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let applied = population.init("applied");
    population.import(&applied);
    let begin = Instant::now();
    population.cli.run(apply(&applied)).ok();
    let mut delay = begin.elapsed().mul_f64(0.5);
    let expected = state(applied.path());
    assert_ne!(expected.answer.persons.len(), population.clean.answer.persons.len());

    let mut finished = 0;
    for attempt in 0..TRIES {
        let store = population.init(&format!("store{attempt}"));
        population.import(&store);
        let mut child = population.cli.start(apply(&store));
        std::thread::sleep(delay);
        // SIGKILL, to this child alone; one that has ended is not there to take it.
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
        // Who only reads sees the store before the change or after it, and nothing in between.
        let seen = state(store.path());
        if seen.answer == expected.answer {
            delay = delay.mul_f64(0.8);
            continue;
        }
        population.same_as_clean(&store);
        Store::open(store.path(), OpenOptions::default()).expect("it goes on").close().expect("closes");
        let found = state(store.path());
        if found.answer == population.clean.answer {
            // It was killed before it had noted what it was about to do.
            delay = delay.mul_f64(1.2);
            continue;
        }
        assert_eq!((found.ids, found.stats), (expected.ids.clone(), expected.stats.clone()));
        assert!(found.answer == expected.answer, "other persons than after a change that was not killed");
        store.check();
        finished += 1;
        if finished == 2 {
            return;
        }
    }
    panic!("{TRIES} kills, {finished} of them in the middle");
}
