//! Holds what the hot paths cost to what they cost before, in instructions.
//!
//! Times are noise on a busy machine; instructions are not. Each path is gone
//! along N and 2 N times by the program `hot` under Valgrind's Callgrind, and the
//! difference is divided by N. Two runs of the same code agree within 1 %.
//! `guards.tsv` has the figures of the build that tests use; with
//! `KINFOLD_WRITE=1` the test writes them anew.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;

/// So many percent more than in the table is a regression.
const TOLERANCE: i64 = 15;

const TABLE: &str = "tests/guards.tsv";

/// A line of the table.
struct Guard {
    path: String,
    times: i64,
    known: i64,
}

#[test]
fn the_hot_paths_cost_what_they_did() {
    if !cfg!(debug_assertions) {
        println!("skipped: the table is of a build with assertions, as `make test` makes it");
        return;
    }
    let table = std::fs::read_to_string(TABLE).expect("the table is there");
    let (head, lines) = table.split_once('\n').expect("it has a head");
    let guards: Vec<Guard> = lines.lines().map(guard).collect();
    let measured = measure(&guards);

    let mut written = format!("{head}\n");
    let mut dearer = String::new();
    for (Guard { path, times, known }, now) in guards.iter().zip(measured) {
        let percent = 100 * (now - known) / known;
        println!("{path:10} {now:>12} instructions, {percent:+} % of {known}");
        let _ = writeln!(written, "{path}\t{times}\t{now}");
        if percent > TOLERANCE {
            let _ = writeln!(dearer, "{path}: {now} instructions, {percent} % more than {known}");
        }
    }
    if std::env::var_os("KINFOLD_WRITE").is_some() {
        std::fs::write(TABLE, written).expect("it is written");
        return;
    }
    assert!(dearer.is_empty(), "{dearer}mend it, or say why and run this with KINFOLD_WRITE=1");
}

fn guard(line: &str) -> Guard {
    let mut fields = line.split('\t');
    let mut field = || fields.next().expect("a line has three fields");
    let path = field().to_owned();
    let mut number = || field().parse().expect("times and instructions are numbers");
    Guard { path, times: number(), known: number() }
}

/// What going along each path once costs.
fn measure(guards: &[Guard]) -> Vec<i64> {
    let scratch = tempfile::tempdir().expect("there is room");
    let each = |Guard { path, times, .. }: &Guard| {
        let [once, twice] = [*times, 2 * times].map(|times| instructions(scratch.path(), path, times));
        (twice - once) / times
    };
    let (even, odd): (Vec<_>, Vec<_>) = guards.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let of = |some: Vec<(usize, &Guard)>| some.into_iter().map(|(at, guard)| (at, each(guard))).collect();
    let mut all: Vec<(usize, i64)> = thread::scope(|scope| {
        let beside = scope.spawn(|| of(odd));
        let mut all: Vec<_> = of(even);
        all.extend::<Vec<_>>(beside.join().expect("it ends"));
        all
    });
    all.sort_unstable();
    all.into_iter().map(|(_, cost)| cost).collect()
}

/// How many instructions it takes to go along a path so many times, start and end of the program included.
fn instructions(scratch: &Path, path: &str, times: i64) -> i64 {
    let report = scratch.join(format!("{path}.{times}"));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", report.display())])
        .args([env!("CARGO_BIN_EXE_hot"), path, &times.to_string()])
        // The program leaves its store behind.
        .env("TMPDIR", scratch)
        .output()
        .expect("valgrind is installed, as by scripts/setup");
    assert!(run.status.success(), "{path}: {}", String::from_utf8_lossy(&run.stderr));
    let report = std::fs::read_to_string(report).expect("callgrind writes its report");
    let total = report.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).unwrap_or_else(|| panic!("{path}: no total"))
}
